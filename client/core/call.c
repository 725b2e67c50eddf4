/* call.c - a request and what its answer is for: versions, bytes, parts. */
#include "client/core/internal.h"

/* What the client speaks. Produce, Fetch: from 13 on topics have ids and no names. ApiVersions from
 * 3 on tells of features, UpdateFeatures from 1 on can be tried without being done. */
static const struct client_api_version spoken[] = {
    {0, 3, 12}, {1, 4, 12}, {2, 1, 10}, {3, 1, 13}, {18, 3, 4}, {19, 2, 7}, {20, 1, 6},
    {21, 0, 2}, {22, 0, 5}, {32, 1, 4}, {35, 1, 4}, {37, 0, 3}, {43, 0, 2}, {44, 0, 1},
    {55, 0, 2}, {57, 1, 2}, {60, 0, 2}, {64, 0, 0}, {75, 0, 0},
};

/* The newest version of both sides; -1: there is none. */
static int16_t version_of(const struct client_node *node, int16_t api_key)
{
    const struct client_api_version *ours = NULL;
    for (int i = 0; i < COUNT_OF(spoken); i++) {
        if (spoken[i].api_key == api_key)
            ours = &spoken[i];
    }
    ASSERT(ours != NULL);
    for (int32_t i = 0; i < node->api_count; i++) {
        const struct client_api_version *theirs = &node->apis[i];
        if (theirs->api_key != api_key)
            continue;
        int16_t newest = MIN(ours->max, theirs->max);
        return newest >= ours->min && newest >= theirs->min ? newest : -1;
    }
    return -1;
}

enum err client_call_new(struct client *c, enum client_call_kind kind, struct client_node *node,
                         enum client_lane lane, int16_t api_key, struct client_call **out)
{
    ASSERT(node->lanes[lane].up);
    int16_t version = version_of(node, api_key);
    if (version < 0)
        return ERR_UNSUPPORTED;
    struct client_call *call = mem_zalloc(c->mem, sizeof *call);
    if (call == NULL)
        return ERR_NOMEM;
    call->kind = kind;
    call->request.node = node->id;
    call->request.lane = lane;
    call->request.api_key = api_key;
    call->request.api_version = version;
    call->request.expects_answer = true;
    list_init(&call->request.link);
    list_init(&call->link);
    list_init(&call->batches);
    wire_out_init(&call->body, c->mem);
    list_push_back(&c->calls, &call->link);
    *out = call;
    return ERR_NONE;
}

void client_call_end(struct client *c, struct client_call *call)
{
    ASSERT(list_empty(&call->batches));
    list_remove(&call->link);
    wire_out_free(&call->body);
    mem_free(c->mem, call->parts);
    mem_free(c->mem, call->items);
    mem_free(c->mem, call);
}

static void add_part(struct client_call *call, struct slice part)
{
    if (part.size == 0)
        return;
    call->parts[call->request.part_count++] = part;
    call->request.size += part.size;
}

/* What was encoded, with the batches in its gaps, in the order of both. */
static enum err cut_parts(struct client *c, struct client_call *call)
{
    const struct wire_out *body = &call->body;
    call->parts = mem_array(c->mem, (size_t)body->gap_count * 2 + 1, sizeof *call->parts);
    if (call->parts == NULL)
        return ERR_NOMEM;
    size_t at = 0;
    int32_t gap = 0;
    LIST_EACH (b, &call->batches, struct client_batch, in_call) {
        ASSERT(gap < body->gap_count);
        ASSERT(body->gaps[gap].size == (int32_t)b->builder.size);
        size_t until = body->gaps[gap++].offset;
        add_part(call, (struct slice){.data = body->data + at, .size = (uint32_t)(until - at)});
        add_part(call, slice_of(b->buf, 0, (uint32_t)b->builder.size));
        at = until;
    }
    ASSERT(gap == body->gap_count);
    add_part(call, (struct slice){.data = body->data + at, .size = (uint32_t)(body->size - at)});
    call->request.parts = call->parts;
    return ERR_NONE;
}

enum err client_call_prepare(struct client *c, struct client_call *call, const void *in)
{
    const struct wire_api *api = wire_api(call->request.api_key);
    ASSERT(api != NULL);
    enum err e = wire_encode(api->request, call->request.api_version, in, &call->body);
    return e == ERR_NONE ? cut_parts(c, call) : e;
}

void client_call_emit(struct client *c, struct client_call *call)
{
    struct client_node *node = client_node_find(c, call->request.node);
    struct client_lane_state *lane = &node->lanes[call->request.lane];
    lane->in_flight++;
    if (call->kind == CLIENT_CALL_PRODUCE)
        lane->produce_in_flight++;
    list_push_back(&c->out->requests, &call->request.link);
}

enum err client_call_send(struct client *c, struct client_call *call, const void *in)
{
    enum err e = client_call_prepare(c, call, in);
    if (e == ERR_NONE)
        client_call_emit(c, call);
    else
        client_call_end(c, call);
    return e;
}

enum err client_call_decode(struct client *c, const struct client_call *call, struct bytes body,
                            void *out)
{
    const struct wire_api *api = wire_api(call->request.api_key);
    enum err e =
        wire_decode(api->response, call->request.api_version, body, NULL, out, &c->arena, NULL);
    if (e != ERR_NONE)
        TRACE(c->trace, CLIENT_ERROR, .code = call->request.api_key, .err = e);
    return e;
}
