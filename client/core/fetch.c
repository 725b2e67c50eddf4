/* fetch.c - what brings records: which partitions a fetch asks for, and what its answer means. */
#include "client/core/internal.h"

/* A piece that is this much smaller than the buffer it came in is copied out of it, so that what is
 * queued holds little more memory than it counts for. */
#define COPY_BELOW 4

void client_chunk_free(struct client *c, struct client_chunk *chunk)
{
    list_remove(&chunk->link);
    if (chunk->assignment != NULL) {
        chunk->assignment->queued_bytes -= chunk->queued;
        c->consumer.queued_bytes -= chunk->queued;
    }
    if (chunk->unpacked != NULL)
        client_chunk_free(c, chunk->unpacked);
    buf_release(chunk->bytes.buf);
    mem_free(c->mem, chunk);
}

/* ---- asking ---- */

/* While a partition of a node is left out of a fetch, those that are in it may not make the broker
 * wait for them: the other one may be wanted any moment, and a broker answers in order. They are
 * looked at so often instead. */
#define LOOK_MS 100

/* After a replica nearby did not answer, leaders are not told the rack for so long: who is dead is
 * named by them until they know. */
#define FAR_NS (10000 * MS)

/* The replica that its leader has named (KIP-392), or the leader. */
static struct client_node *source_of(struct client *c, struct client_assignment *a)
{
    struct client_node *nearby = NULL;
    if (a->nearby >= 0 && c->now_ns < a->nearby_until_ns)
        nearby = client_node_find(c, a->nearby);
    if (nearby != NULL)
        return nearby;
    a->nearby = -1;
    return client_leader(c, a->of, a->partition);
}

static bool reads_from(struct client *c, struct client_node *node, struct client_assignment *a)
{
    return a->state == CLIENT_AT_READING && source_of(c, a) == node;
}

/* False: it is left out, since what it has queued is enough, or because it waits to try again. */
static bool fetchable(struct client *c, struct client_assignment *a)
{
    return client_assignment_due(c, a) && a->queued_bytes < c->config.partition_fetch_bytes_max;
}

static enum err describe(struct client *c, struct client_call *call, struct client_node *node,
                         struct client_assignment *const *told, int32_t told_count, bool look,
                         struct wire_fetch_request *request)
{
    size_t count = (size_t)told_count;
    struct wire_fetch_request_partition *parts = arena_alloc(&c->arena, count * sizeof *parts);
    wire_defaults(&wire_fetch_request_message, request);
    request->topics = arena_alloc(&c->arena, count * sizeof *request->topics);
    if (parts == NULL || request->topics == NULL)
        return ERR_NOMEM;
    request->max_wait_ms = look ? 0 : (int32_t)c->config.fetch_wait_ms_max;
    request->min_bytes = (int32_t)c->config.fetch_bytes_min;
    request->max_bytes = (int32_t)c->config.fetch_bytes_max;
    if (c->now_ns >= c->consumer.far_until_ns)
        request->rack_id = wire_text(c->config.client_rack);
    for (size_t i = 0; i < count; i++) {
        const struct client_assignment *a = told[i];
        parts[i] = (struct wire_fetch_request_partition){
            .partition = a->partition,
            .current_leader_epoch = a->of->partitions[a->partition].leader_epoch,
            .fetch_offset = a->fetch_offset,
            .last_fetched_epoch = call->request.api_version >= 12 ? a->leader_epoch : -1,
            .log_start_offset = -1,
            .partition_max_bytes = (int32_t)c->config.partition_fetch_bytes_max,
            .high_watermark = INT64_MAX};
        request->topics[i] = (struct wire_fetch_request_topic){
            .topic = wire_text(a->topic), .partitions_count = 1, .partitions = &parts[i]};
    }
    request->topics_count = told_count;
    return client_session_describe(c, node, call->request.api_version, request);
}

static enum err ask(struct client *c, struct client_node *node,
                    struct client_assignment *const *asking, int32_t count, bool look)
{
    struct client_call *call;
    struct wire_fetch_request request;
    enum err e = client_call_new(c, CLIENT_CALL_FETCH, node, CLIENT_LANE_FETCH, 1, &call);
    if (e != ERR_NONE)
        return e;
    struct client_assignment **told = arena_alloc(&c->arena, (size_t)count * sizeof *told);
    e = told == NULL ? ERR_NOMEM : client_call_items(c, call, asking, count);
    if (e == ERR_NONE) {
        int32_t told_count = client_session_tell(c, node, asking, count, told);
        e = describe(c, call, node, told, told_count, look, &request);
    }
    if (e == ERR_NONE)
        e = client_call_send(c, call, &request);
    else
        client_call_end(c, call);
    if (e != ERR_NONE)
        client_session_doubt(c, node);
    return e;
}

/* One fetch in flight a node: the next one asks for what this one brings no news of. */
void client_fetch_pump(struct client *c, struct client_node *node,
                       struct client_assignment **asking)
{
    struct client_consumer *k = &c->consumer;
    int32_t count = 0;
    bool look = false;
    if (k->queued_bytes >= c->config.queued_bytes_max ||
        node->lanes[CLIENT_LANE_FETCH].in_flight > 0)
        return;
    LIST_EACH (a, &k->assignments, struct client_assignment, link) {
        if (!reads_from(c, node, a))
            continue;
        if (fetchable(c, a))
            asking[count++] = a;
        else
            look = true;
    }
    if (count == 0 || !client_lane_ready(c, node, CLIENT_LANE_FETCH))
        return;
    if (look && c->now_ns < node->look_ns)
        return;
    node->look_ns = look ? c->now_ns + LOOK_MS * MS : 0;
    client_assignments_asked(c, asking, count, ask(c, node, asking, count, look));
}

int64_t client_fetch_moment(struct client *c)
{
    int64_t next = INT64_MAX;
    LIST_EACH (node, &c->metadata.nodes, struct client_node, link) {
        if (node->look_ns > c->now_ns && node->lanes[CLIENT_LANE_FETCH].in_flight == 0)
            next = MIN(next, node->look_ns);
    }
    return next;
}

/* ---- what came ---- */

/* How far the bytes are whole, checked batches, and what follows them. */
struct extent {
    size_t size;
    int64_t next_offset;
    int32_t leader_epoch;
    bool corrupt, torn;
};

static struct extent measure(const struct client *c, const struct client_assignment *a,
                             struct bytes in)
{
    struct extent x = {.next_offset = a->fetch_offset, .leader_epoch = a->leader_epoch};
    for (;;) {
        struct wire_batch b;
        enum wire_at at = wire_batch_at(in, x.size, &b, NULL);
        x.corrupt = at == WIRE_AT_CORRUPT;
        x.torn = at == WIRE_AT_TORN;
        if (at != WIRE_AT_BATCH)
            return x;
        x.corrupt =
            c->config.check_crcs && wire_batch_verify(&b, in.data + x.size, NULL) != ERR_NONE;
        if (x.corrupt)
            return x;
        x.size += (size_t)b.size;
        x.next_offset = MAX(x.next_offset, wire_batch_last_offset(&b) + 1);
        x.leader_epoch = b.leader_epoch;
    }
}

/* Keeps size bytes of frame, which start at data. */
static enum err keep(struct client *c, struct client_assignment *a, struct slice frame,
                     const uint8_t *data, size_t size)
{
    struct client_chunk *chunk = mem_zalloc(c->mem, sizeof *chunk);
    if (chunk == NULL)
        return ERR_NOMEM;
    bool copy = frame.buf == NULL || size < frame.buf->cap / COPY_BELOW;
    struct buf *buf = copy ? buf_new(c->mem, (uint32_t)size) : frame.buf;
    if (buf == NULL) {
        mem_free(c->mem, chunk);
        return ERR_NOMEM;
    }
    if (copy) {
        memcpy(buf->data, data, size);
        chunk->bytes = slice_of(buf, 0, (uint32_t)size);
    } else {
        buf_retain(buf);
        chunk->bytes = slice_of(buf, (uint32_t)(data - buf->data), (uint32_t)size);
    }
    chunk->assignment = a;
    memcpy(chunk->topic_id, a->topic_id, sizeof chunk->topic_id);
    chunk->queued = (int64_t)size;
    list_init(&chunk->link);
    list_push_back(&a->chunks, &chunk->link);
    a->queued_bytes += (int64_t)size;
    c->consumer.queued_bytes += (int64_t)size;
    return ERR_NONE;
}

static void on_records(struct client *c, struct client_assignment *a, struct slice frame,
                       struct wire_bytes records)
{
    struct extent x = measure(c, a, bytes_of(records.data, (size_t)MAX(records.size, 0)));
    if (x.size > 0 && keep(c, a, frame, records.data, x.size) != ERR_NONE) {
        client_assignment_retry(c, a, 0);
        return;
    }
    a->attempt_count = 0;
    a->fetch_offset = x.next_offset;
    a->leader_epoch = x.leader_epoch;
    if (x.corrupt)
        client_assignment_notice(c, a, CLIENT_NOTICE_CORRUPT, x.next_offset, -1, 0);
    else if (x.torn && x.size == 0) /* brokers give the first batch whole (KIP-74) */
        client_assignment_notice(c, a, CLIENT_NOTICE_FAILED, a->fetch_offset, -1,
                                 WIRE_ERROR_MESSAGE_TOO_LARGE);
    if (x.size == 0)
        return;
    /* Those that wait for their turn come first in the next fetch, which may be cut short. */
    list_remove(&a->link);
    list_push_back(&c->consumer.assignments, &a->link);
}

/* What a replica nearby says is not there its leader may have. */
static void on_code(struct client *c, struct client_assignment *a, int16_t code)
{
    bool was_nearby = a->nearby >= 0;
    a->nearby = -1;
    if (was_nearby && code == WIRE_ERROR_OFFSET_OUT_OF_RANGE)
        client_assignment_retry(c, a, 0);
    else if (code == WIRE_ERROR_OFFSET_OUT_OF_RANGE)
        client_assignment_reset(c, a);
    else if (code == WIRE_ERROR_CORRUPT_MESSAGE)
        client_assignment_notice(c, a, CLIENT_NOTICE_CORRUPT, a->fetch_offset, -1, code);
    else if (code == WIRE_ERROR_UNKNOWN_SERVER_ERROR || client_code_retriable(code))
        client_assignment_retry(c, a, code);
    else
        client_assignment_notice(c, a, CLIENT_NOTICE_FAILED, a->fetch_offset, -1, code);
}

/* Until the metadata are due again: by then another replica may be the nearer one. */
static void go_nearby(struct client *c, struct client_assignment *a, int32_t node)
{
    if (client_node_find(c, node) == NULL) { /* its leader knows one that came since */
        client_metadata_want(c);
        client_assignment_retry(c, a, 0);
        return;
    }
    a->nearby = node;
    a->nearby_until_ns = c->now_ns + c->config.metadata_age_ms_max * MS;
}

void client_nearby_lost(struct client *c, int32_t node)
{
    LIST_EACH (a, &c->consumer.assignments, struct client_assignment, link) {
        if (a->nearby != node)
            continue;
        a->nearby = -1;
        c->consumer.far_until_ns = c->now_ns + FAR_NS;
        c->consumer.dirty = true;
    }
}

static void on_partition(struct client *c, struct client_assignment *a, struct slice frame,
                         const struct wire_fetch_response_partition *in)
{
    if (in->current_leader.leader_id >= 0)
        client_leader_hint(c, a->of, a->partition, in->current_leader.leader_id,
                           in->current_leader.leader_epoch);
    if (in->error_code != 0) {
        on_code(c, a, in->error_code);
        return;
    }
    a->high_watermark = in->high_watermark;
    a->log_start = in->log_start_offset;
    if (in->preferred_read_replica >= 0) {
        go_nearby(c, a, in->preferred_read_replica);
        return;
    }
    if (in->diverging_epoch.epoch >= 0 && in->diverging_epoch.end_offset >= 0) {
        int64_t to = MIN(in->diverging_epoch.end_offset, a->fetch_offset);
        a->leader_epoch = in->diverging_epoch.epoch;
        client_assignment_notice(c, a, CLIENT_NOTICE_TRUNCATED, a->fetch_offset, to, 0);
        return;
    }
    on_records(c, a, frame, in->records);
}

/* False: nothing is in it that could be used. *same: what is not in it is as it was. */
static bool understood(struct client *c, const struct client_call *call, struct slice body,
                       struct wire_fetch_response *response, bool *same)
{
    struct client_node *node = client_node_find(c, call->request.node);
    *same = false;
    if (client_call_decode(c, call, slice_bytes(body), response) != ERR_NONE) {
        client_session_doubt(c, node);
        return false;
    }
    *same = client_session_answer(c, node, response);
    if (response->error_code != 0)
        TRACE(c->trace, CLIENT_ERROR, .code = response->error_code, .err = 0);
    return response->error_code == 0;
}

void client_fetch_answer(struct client *c, struct client_call *call, struct slice body)
{
    struct wire_fetch_response response;
    bool same;
    c->consumer.dirty = true;
    bool good = understood(c, call, body, &response, &same);
    for (int32_t t = 0; good && t < response.responses_count; t++) {
        const struct wire_fetch_response_topic *topic = &response.responses[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            const struct wire_fetch_response_partition *in = &topic->partitions[i];
            struct client_item *item = client_item_find(call, topic->topic, in->partition_index);
            struct client_assignment *a = item == NULL ? NULL : client_item_take(item);
            if (a != NULL)
                on_partition(c, a, body, in);
        }
    }
    if (same)
        client_items_same(c, call);
    else
        client_items_lost(c, call);
}

void client_fetch_lost(struct client *c, struct client_call *call)
{
    client_session_doubt(c, client_node_find(c, call->request.node));
    client_items_lost(c, call);
}
