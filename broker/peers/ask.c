/* ask.c - one frame to a node and its answer: encoded in the version that both speak, and ended
 * once. */
#include "peers/internal.h"

struct peers_ask *peers_ask_new(struct peers_link *l, struct peers_request *request)
{
    struct peers *p = l->peers;
    struct peers_ask *ask = mem_zalloc(p->mem, sizeof *ask);
    if (ask == NULL)
        return NULL;
    ask->on = l;
    ask->request = request;
    ask->key = request == NULL ? PEERS_API_VERSIONS : request->key;
    ask->deadline_ns =
        env_now(p->env) +
        (request != NULL && request->ns_max > 0 ? request->ns_max : p->settings.request_ns_max);
    wire_out_init(&ask->body, p->mem);
    list_init(&ask->link);
    if (request != NULL)
        request->ask = ask;
    return ask;
}

void peers_ask_free(struct peers_ask *ask)
{
    struct peers_link *l = ask->on;
    if (ask == l->versions)
        l->versions = NULL;
    if (list_linked(&ask->link)) {
        list_remove(&ask->link);
        l->ask_count--;
    }
    wire_out_free(&ask->body);
    mem_free(l->peers->mem, ask);
}

void peers_ask_lose(struct peers_ask *ask, enum err why)
{
    struct peers *p = ask->on->peers;
    struct peers_request *request = ask->request;
    peers_ask_free(ask);
    if (request == NULL)
        return;
    request->ask = NULL;
    peers_lose(p, request, why);
}

/* ---- out ---- */

/* The newest version that both speak; -1: none. */
static int16_t version_of(const struct peers_link *l, const struct wire_api *api)
{
    for (int32_t i = 0; i < l->api_count; i++) {
        const struct peers_versions *theirs = &l->apis[i];
        int16_t newest = MIN(api->request->newest, theirs->newest);
        if (theirs->key == api->key)
            return newest >= MAX(api->request->oldest, theirs->oldest) ? newest : -1;
    }
    return -1;
}

static void send_frame(struct peers_ask *ask)
{
    struct peers_link *l = ask->on;
    const struct wire_api *api = wire_api(ask->key);
    int32_t id = conn_next_correlation_id(&l->conn);
    struct wire_request_header header = {.request_api_key = ask->key,
                                         .request_api_version = ask->version,
                                         .correlation_id = id,
                                         .client_id = wire_text(l->peers->settings.client_id)};
    struct wire_out out;
    wire_out_fixed(&out, ask->head, sizeof ask->head);
    enum err e = wire_encode(&wire_request_header_message,
                             wire_request_header_version(api, ask->version), &header, &out);
    ASSERT(e == ERR_NONE);
    ask->parts[0] = (struct env_part){.data = ask->head, .size = out.size};
    ask->parts[1] = (struct env_part){.data = ask->body.data, .size = ask->body.size};
    ask->sent = true;
    if (ask->request != NULL)
        ask->request->was_sent = true;
    conn_send(&l->conn, &ask->conn, ask->parts, ask->body.size > 0 ? 2 : 1, true);
}

void peers_ask_send(struct peers_ask *ask)
{
    ASSERT(!ask->sent);
    ASSERT(ask->on->state == LINK_UP);
    ask->version = version_of(ask->on, wire_api(ask->key));
    enum err e = ask->version < 0 ? ERR_UNSUPPORTED
                                  : ask->request->encode(ask->request, ask->version, &ask->body);
    if (e == ERR_NONE)
        send_frame(ask);
    else
        peers_ask_lose(ask, e);
}

enum err peers_ask_versions(struct peers_link *l, int16_t version)
{
    ASSERT(l->versions == NULL);
    if (!conn_is_open(&l->conn))
        return ERR_RESET;
    struct wire_api_versions_request body;
    struct peers_ask *ask = peers_ask_new(l, NULL);
    if (ask == NULL)
        return ERR_NOMEM;
    wire_api_versions_request_defaults(&body);
    body.client_software_name = wire_text("kiln");
    body.client_software_version = wire_text("1");
    ask->version = version;
    enum err e = wire_encode(&wire_api_versions_request_message, version, &body, &ask->body);
    if (e != ERR_NONE) {
        peers_ask_free(ask);
        return e;
    }
    l->versions = ask;
    send_frame(ask);
    return ERR_NONE;
}

/* ---- in ---- */

/* Takes the header off an answer. */
static enum err take_header(const struct peers_ask *ask, struct slice frame, struct slice *body)
{
    const struct wire_api *api = wire_api(ask->key);
    struct wire_response_header header;
    struct arena arena;
    size_t used;
    arena_init(&arena, ask->on->peers->mem, 0);
    enum err e =
        wire_decode(&wire_response_header_message, wire_response_header_version(api, ask->version),
                    slice_bytes(frame), &used, &header, &arena, NULL);
    arena_free(&arena);
    if (e != ERR_NONE)
        return ERR_CORRUPT;
    *body = (struct slice){
        .buf = frame.buf, .data = frame.data + used, .size = frame.size - (uint32_t)used};
    return ERR_NONE;
}

/* Who does not know the version answers in version 0 (KIP-511). */
static enum err take_versions(struct peers_link *l, int16_t version, struct slice body)
{
    struct wire_api_versions_response says;
    struct arena arena;
    if (body.size < 2)
        return ERR_CORRUPT;
    if (get_i16(body.data) == WIRE_ERROR_UNSUPPORTED_VERSION && version > 0)
        return peers_ask_versions(l, 0);
    arena_init(&arena, l->peers->mem, PEERS_ARENA_BYTES);
    enum err e = wire_decode(&wire_api_versions_response_message, version, slice_bytes(body), NULL,
                             &says, &arena, NULL);
    if (e == ERR_NONE && says.error_code != WIRE_ERROR_NONE)
        e = ERR_UNSUPPORTED;
    if (e == ERR_NONE)
        peers_link_up(l, &says);
    arena_free(&arena);
    return e;
}

static void on_versions(struct peers_ask *ask, struct slice frame)
{
    struct peers_link *l = ask->on;
    int16_t version = ask->version;
    struct slice body;
    enum err e = take_header(ask, frame, &body);
    peers_ask_free(ask);
    if (e == ERR_NONE)
        e = take_versions(l, version, body);
    if (e != ERR_NONE)
        peers_link_break(l, e);
}

static void on_answer(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct peers_link *l = CONTAINER_OF(conn, struct peers_link, conn);
    struct peers_ask *ask = CONTAINER_OF(request, struct peers_ask, conn);
    if (ask == l->versions) {
        on_versions(ask, frame);
        return;
    }
    struct slice body;
    struct peers_request *asked = ask->request;
    int16_t version = ask->version;
    enum err e = take_header(ask, frame, &body);
    if (e != ERR_NONE) {
        peers_ask_lose(ask, e);
        peers_link_break(l, e);
        return;
    }
    peers_ask_free(ask);
    peers_link_keep_time(l);
    if (asked == NULL)
        return;
    asked->ask = NULL;
    asked->peers = NULL;
    asked->answered(asked, version, body);
}

static void on_cancel(struct conn *conn, struct conn_request *request, enum err e)
{
    (void)conn;
    peers_ask_lose(CONTAINER_OF(request, struct peers_ask, conn), e);
}

const struct conn_owner peers_conn_owner = {
    .answer = on_answer, .cancel = on_cancel, .closed = peers_link_closed};
