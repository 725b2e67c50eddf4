/* request.c - one frame to a broker and its answer's header. */
#include "client/loop/internal.h"

void loop_request_free(struct loop_client *c, struct loop_request *r)
{
    mem_free(c->mem, r->parts);
    mem_free(c->mem, r);
}

/* A request with room for part_count parts and the header before them. */
static struct loop_request *request_new(struct loop_link *l, int16_t api_key, int16_t api_version,
                                        int32_t part_count)
{
    struct mem *mem = l->client->mem;
    struct loop_request *r = mem_zalloc(mem, sizeof *r);
    if (r == NULL)
        return NULL;
    r->parts = mem_array(mem, (size_t)part_count + 1, sizeof *r->parts);
    if (r->parts == NULL) {
        mem_free(mem, r);
        return NULL;
    }
    r->on = l;
    r->api_key = api_key;
    r->api_version = api_version;
    r->part_count = 1;
    list_init(&r->link);
    return r;
}

static void add_part(struct loop_request *r, const uint8_t *data, size_t size)
{
    if (size > 0)
        r->parts[r->part_count++] = (struct env_part){.data = data, .size = size};
}

/* Writes the header and sends it all. */
static void send(struct loop_link *l, struct loop_request *r, bool expects_answer)
{
    const struct wire_api *api = wire_api(r->api_key);
    const struct client_config *config = client_config_of(l->client->core);
    int32_t id = conn_next_correlation_id(&l->conn);
    struct wire_request_header header = {.request_api_key = r->api_key,
                                         .request_api_version = r->api_version,
                                         .correlation_id = id,
                                         .client_id = wire_text(config->client_id)};
    struct wire_out out;
    wire_out_fixed(&out, r->head, sizeof r->head);
    enum err e = wire_encode(&wire_request_header_message,
                             wire_request_header_version(api, r->api_version), &header, &out);
    ASSERT(e == ERR_NONE);
    r->parts[0] = (struct env_part){.data = r->head, .size = out.size};
    conn_send(&l->conn, &r->conn, r->parts, r->part_count, expects_answer);
}

enum err loop_request_send(struct loop_link *l, struct client_request *request)
{
    struct loop_request *r =
        request_new(l, request->api_key, request->api_version, request->part_count);
    if (r == NULL)
        return ERR_NOMEM;
    r->request = request;
    for (int32_t i = 0; i < request->part_count; i++)
        add_part(r, request->parts[i].data, request->parts[i].size);
    send(l, r, request->expects_answer);
    return ERR_NONE;
}

enum err loop_versions_ask(struct loop_link *l, int16_t version)
{
    struct wire_api_versions_request request;
    if (l->conn.state != CONN_OPEN) /* it may close as soon as it begins: no memory to receive */
        return ERR_RESET;
    wire_defaults(&wire_api_versions_request_message, &request);
    request.client_software_name = wire_text("kiln");
    request.client_software_version = wire_text("1");
    wire_out_free(&l->versions_body);
    wire_out_init(&l->versions_body, l->client->mem);
    enum err e =
        wire_encode(&wire_api_versions_request_message, version, &request, &l->versions_body);
    if (e != ERR_NONE)
        return e;
    struct loop_request *r = request_new(l, 18, version, 1);
    if (r == NULL)
        return ERR_NOMEM;
    add_part(r, l->versions_body.data, l->versions_body.size);
    l->versions = r;
    send(l, r, true);
    return ERR_NONE;
}

enum err loop_answer_body(const struct loop_request *r, struct slice frame, struct slice *body)
{
    const struct wire_api *api = wire_api(r->api_key);
    struct wire_response_header header;
    size_t used;
    struct arena arena;
    arena_init(&arena, r->on->client->mem, 0);
    enum err e = wire_decode(&wire_response_header_message,
                             wire_response_header_version(api, r->api_version), slice_bytes(frame),
                             &used, &header, &arena, NULL);
    arena_free(&arena);
    if (e != ERR_NONE)
        return e;
    *body = (struct slice){
        .buf = frame.buf, .data = frame.data + used, .size = frame.size - (uint32_t)used};
    return ERR_NONE;
}
