/* consumer.c - what is read and from where: positions, asked for or given, and what became of
 * them. */
#include "client/core/internal.h"

static const struct state states[] = {
    [CLIENT_AT_UNKNOWN] = {"unknown",
                           TO(CLIENT_AT_UNKNOWN) | TO(CLIENT_AT_READING) | TO(CLIENT_AT_STOPPED)},
    [CLIENT_AT_READING] = {"reading",
                           TO(CLIENT_AT_UNKNOWN) | TO(CLIENT_AT_READING) | TO(CLIENT_AT_STOPPED)},
    /* Only a seek leads out of it, and that begins anew. */
    [CLIENT_AT_STOPPED] = {"stopped", 0},
};

void client_consumer_init(struct client *c)
{
    list_init(&c->consumer.assignments);
    list_init(&c->consumer.lent);
}

void client_consumer_free(struct client *c)
{
    ASSERT(list_empty(&c->consumer.assignments));
    ASSERT(list_empty(&c->consumer.lent));
    ASSERT(c->consumer.queued_bytes == 0);
}

/* ---- notices and states ---- */

static void move(struct client_assignment *a, enum client_assignment_state next)
{
    STATE_MOVE(states, &a->state, (int32_t)next);
}

void client_assignment_notice(struct client *c, struct client_assignment *a,
                              enum client_notice notice, int64_t from, int64_t to, int16_t code)
{
    ASSERT(a->notice == CLIENT_NOTICE_NONE);
    a->notice = (int32_t)notice;
    a->notice_from = from;
    a->notice_to = to;
    a->notice_code = code;
    a->attempt_count = 0;
    a->retry_ns = 0;
    c->consumer.dirty = true;
    if (notice == CLIENT_NOTICE_CORRUPT || notice == CLIENT_NOTICE_FAILED) {
        move(a, CLIENT_AT_STOPPED);
        return;
    }
    move(a, CLIENT_AT_READING);
    a->fetch_offset = to;
}

void client_assignment_unknown(struct client *c, struct client_assignment *a)
{
    move(a, CLIENT_AT_UNKNOWN);
    a->attempt_count = 0;
    a->retry_ns = 0;
    c->consumer.dirty = true;
}

void client_assignment_reset(struct client *c, struct client_assignment *a)
{
    if (c->config.offset_reset == CLIENT_RESET_NONE)
        client_assignment_notice(c, a, CLIENT_NOTICE_FAILED, a->fetch_offset, -1,
                                 WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    else
        client_assignment_unknown(c, a);
}

void client_assignment_retry(struct client *c, struct client_assignment *a, int16_t code)
{
    if (client_code_stale_metadata(code))
        client_metadata_want(c);
    a->attempt_count++;
    a->retry_ns = c->now_ns + client_backoff_ns(c, a->attempt_count);
    c->consumer.dirty = true;
}

/* ---- assigning ---- */

static void drop_chunks(struct client *c, struct client_assignment *a)
{
    LIST_EACH (chunk, &a->chunks, struct client_chunk, link)
        client_chunk_free(c, chunk);
    ASSERT(a->queued_bytes == 0);
}

/* Answers that are still to come find nobody. */
static void forget_items(struct client *c, const struct client_assignment *a)
{
    LIST_EACH (call, &c->calls, struct client_call, link) {
        for (int32_t i = 0; i < call->item_count; i++) {
            if (call->items[i].assignment == a)
                call->items[i].assignment = NULL;
        }
    }
}

void client_consumer_assign(struct client *c, struct client_assignment *a)
{
    if (a->assigned) {
        client_session_leave(c, a);
        client_poll_release(c, a);
        forget_items(c, a);
        drop_chunks(c, a);
        list_remove(&a->link);
    }
    list_init(&a->link);
    list_init(&a->chunks);
    list_push_back(&c->consumer.assignments, &a->link);
    a->of = NULL;
    a->in_session = NULL;
    a->is_asked = false;
    a->nearby = -1;
    a->assigned = true;
    a->in_flight = false;
    a->queued_bytes = 0;
    a->position = -1;
    a->high_watermark = -1;
    a->log_start = -1;
    a->leader_epoch = -1;
    a->fetch_offset = -1;
    a->attempt_count = 0;
    a->retry_ns = 0;
    a->notice = CLIENT_NOTICE_NONE;
    a->timestamp_missed = false;
    a->version++;
    a->state = CLIENT_AT_UNKNOWN;
    if (a->start == CLIENT_START_OFFSET)
        client_assignment_notice(c, a, CLIENT_NOTICE_STARTED, -1, a->start_at, 0);
    c->consumer.dirty = true;
}

void client_consumer_unassign(struct client *c, struct client_assignment *a)
{
    if (!a->assigned)
        return;
    client_session_leave(c, a);
    client_poll_release(c, a);
    forget_items(c, a);
    drop_chunks(c, a);
    list_remove(&a->link);
    a->assigned = false;
    c->consumer.dirty = true;
}

void client_consumer_close(struct client *c)
{
    struct client_consumer *k = &c->consumer;
    if (k->poll != NULL) {
        struct client_op *op = &k->poll->op;
        k->poll = NULL;
        client_op_done(c, op, CLIENT_FAILED, 0, ERR_CANCELLED);
    }
    client_poll_release(c, NULL);
    LIST_EACH (a, &k->assignments, struct client_assignment, link)
        client_consumer_unassign(c, a);
}

/* ---- items: what a call asked about an assignment ---- */

struct client_item *client_item_find(struct client_call *call, struct wire_string topic,
                                     int32_t partition)
{
    for (int32_t i = 0; i < call->item_count; i++) {
        const struct client_assignment *a = call->items[i].assignment;
        if (a != NULL && !call->items[i].answered && a->partition == partition &&
            wire_string_equal(wire_text(a->topic), topic))
            return &call->items[i];
    }
    return NULL;
}

struct client_assignment *client_item_take(struct client_item *item)
{
    struct client_assignment *a = item->assignment;
    item->answered = true;
    ASSERT(a->in_flight);
    a->in_flight = false;
    memcpy(a->topic_id, item->topic_id, sizeof a->topic_id);
    return a->version == item->version ? a : NULL;
}

void client_items_lost(struct client *c, struct client_call *call)
{
    c->consumer.dirty = true;
    for (int32_t i = 0; i < call->item_count; i++) {
        struct client_item *item = &call->items[i];
        bool waits = item->assignment != NULL && !item->answered;
        struct client_assignment *a = waits ? client_item_take(item) : NULL;
        if (a != NULL)
            client_assignment_retry(c, a, WIRE_ERROR_NETWORK_EXCEPTION);
    }
}

void client_items_same(struct client *c, struct client_call *call)
{
    c->consumer.dirty = true;
    for (int32_t i = 0; i < call->item_count; i++) {
        if (call->items[i].assignment != NULL && !call->items[i].answered)
            (void)client_item_take(&call->items[i]);
    }
}

enum err client_call_items(struct client *c, struct client_call *call,
                           struct client_assignment *const *asking, int32_t count)
{
    call->items = mem_array(c->mem, (size_t)count, sizeof *call->items);
    if (call->items == NULL)
        return ERR_NOMEM;
    call->item_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct client_item *item = &call->items[i];
        *item = (struct client_item){.assignment = asking[i], .version = asking[i]->version};
        memcpy(item->topic_id, asking[i]->of->id, sizeof item->topic_id);
    }
    return ERR_NONE;
}

void client_assignments_asked(struct client *c, struct client_assignment *const *asking,
                              int32_t count, enum err e)
{
    if (e != ERR_NONE)
        TRACE(c->trace, CLIENT_ERROR, .code = 0, .err = e);
    for (int32_t i = 0; i < count; i++) {
        asking[i]->in_flight = e == ERR_NONE;
        if (e != ERR_NONE)
            client_assignment_retry(c, asking[i], 0);
    }
}

/* ---- asking for positions ---- */

/* The moment that the assignment's question is about. */
static int64_t timestamp_of(const struct client *c, const struct client_assignment *a)
{
    if (a->fetch_offset >= 0) /* a reset */
        return c->config.offset_reset == CLIENT_RESET_EARLIEST ? CLIENT_TIMESTAMP_EARLIEST
                                                               : CLIENT_TIMESTAMP_LATEST;
    switch (a->start) {
    case CLIENT_START_EARLIEST:
        return CLIENT_TIMESTAMP_EARLIEST;
    case CLIENT_START_LATEST:
        return CLIENT_TIMESTAMP_LATEST;
    case CLIENT_START_TIMESTAMP:
        return a->timestamp_missed ? CLIENT_TIMESTAMP_LATEST : a->start_at;
    case CLIENT_START_OFFSET:
        break;
    }
    UNREACHABLE();
}

/* One question a partition: a topic entry each keeps it simple, and it is asked once a life. */
static enum err ask(struct client *c, struct client_node *node,
                    struct client_assignment *const *asking, int32_t count)
{
    struct client_call *call;
    enum err e = client_call_new(c, CLIENT_CALL_POSITIONS, node, CLIENT_LANE_MAIN, 2, &call);
    if (e != ERR_NONE)
        return e;
    struct wire_list_offsets_request request;
    wire_defaults(&wire_list_offsets_request_message, &request);
    request.replica_id = -1;
    request.timeout_ms = (int32_t)c->config.request_timeout_ms;
    request.topics = arena_alloc(&c->arena, (size_t)count * sizeof *request.topics);
    struct wire_list_offsets_request_partition *parts =
        arena_alloc(&c->arena, (size_t)count * sizeof *parts);
    e = request.topics == NULL || parts == NULL ? ERR_NOMEM
                                                : client_call_items(c, call, asking, count);
    if (e != ERR_NONE) {
        client_call_end(c, call);
        return e;
    }
    for (int32_t i = 0; i < count; i++) {
        const struct client_assignment *a = asking[i];
        parts[i] = (struct wire_list_offsets_request_partition){
            .partition_index = a->partition,
            .current_leader_epoch = a->of->partitions[a->partition].leader_epoch,
            .timestamp = timestamp_of(c, a)};
        request.topics[i] = (struct wire_list_offsets_request_topic){
            .name = wire_text(a->topic), .partitions_count = 1, .partitions = &parts[i]};
    }
    request.topics_count = count;
    return client_call_send(c, call, &request);
}

static void positions_pump(struct client *c, struct client_node *node,
                           struct client_assignment **asking)
{
    int32_t count = 0;
    LIST_EACH (a, &c->consumer.assignments, struct client_assignment, link) {
        if (a->state == CLIENT_AT_UNKNOWN && client_assignment_due(c, a) &&
            client_leader(c, a->of, a->partition) == node)
            asking[count++] = a;
    }
    if (count == 0 || !client_lane_ready(c, node, CLIENT_LANE_MAIN))
        return;
    client_assignments_asked(c, asking, count, ask(c, node, asking, count));
}

static void on_position(struct client *c, struct client_assignment *a,
                        const struct wire_list_offsets_response_partition *in)
{
    if (client_code_retriable(in->error_code)) {
        client_assignment_retry(c, a, in->error_code);
        return;
    }
    bool reset = a->fetch_offset >= 0;
    if (in->error_code != 0) {
        client_assignment_notice(c, a, CLIENT_NOTICE_FAILED, a->fetch_offset, -1, in->error_code);
        return;
    }
    if (in->offset < 0 && timestamp_of(c, a) < 0) { /* every log has a beginning and an end */
        client_assignment_retry(c, a, 0);
        return;
    }
    if (in->offset < 0) { /* no record is that young: go to the end */
        a->timestamp_missed = true;
        c->consumer.dirty = true;
        return;
    }
    /* What was read last is nothing that the log there has to agree with (KIP-320). */
    a->leader_epoch = -1;
    client_assignment_notice(c, a, reset ? CLIENT_NOTICE_RESET : CLIENT_NOTICE_STARTED,
                             a->fetch_offset, in->offset, 0);
}

void client_positions_answer(struct client *c, struct client_call *call, struct bytes body)
{
    struct wire_list_offsets_response response;
    if (client_call_decode(c, call, body, &response) != ERR_NONE)
        response.topics_count = 0;
    for (int32_t t = 0; t < response.topics_count; t++) {
        const struct wire_list_offsets_response_topic *topic = &response.topics[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            const struct wire_list_offsets_response_partition *in = &topic->partitions[i];
            struct client_item *item = client_item_find(call, topic->name, in->partition_index);
            struct client_assignment *a = item == NULL ? NULL : client_item_take(item);
            if (a != NULL)
                on_position(c, a, in);
        }
    }
    client_items_lost(c, call);
}

/* ---- the pump ---- */

bool client_assignment_due(const struct client *c, const struct client_assignment *a)
{
    return a->of != NULL && !a->in_flight && a->notice == CLIENT_NOTICE_NONE &&
           c->now_ns >= a->retry_ns;
}

/* Sees to it that the leader is known, or that it is said when the topic may never be read. */
static void check_topic(struct client *c, struct client_assignment *a)
{
    if (a->state == CLIENT_AT_STOPPED)
        return;
    if (a->of == NULL)
        a->of = client_topic_of(c, a->topic);
    if (a->of == NULL) { /* no memory */
        client_assignment_retry(c, a, 0);
        return;
    }
    bool refused =
        a->of->partition_count == 0 && a->of->code != 0 && !client_code_retriable(a->of->code);
    if (refused && a->notice == CLIENT_NOTICE_NONE)
        client_assignment_notice(c, a, CLIENT_NOTICE_FAILED, a->fetch_offset, -1, a->of->code);
    else
        (void)client_leader(c, a->of, a->partition); /* asks for metadata when it is not known */
}

/* Wakes when the first pause is over. */
static void arm(struct client *c)
{
    int64_t next = client_fetch_moment(c);
    LIST_EACH (a, &c->consumer.assignments, struct client_assignment, link) {
        if (a->state != CLIENT_AT_STOPPED && a->retry_ns > c->now_ns)
            next = MIN(next, a->retry_ns);
    }
    client_disarm(c, &c->consumer.timer);
    if (next != INT64_MAX)
        client_arm(c, &c->consumer.timer, CLIENT_TIMER_CONSUMER, next);
}

/* Asks each broker what there is to ask of it; asking has room for all assignments. */
static void ask_brokers(struct client *c, struct client_assignment **asking)
{
    LIST_EACH (node, &c->metadata.nodes, struct client_node, link) {
        if (node->id < 0)
            continue;
        positions_pump(c, node, asking);
        client_fetch_pump(c, node, asking);
    }
}

void client_consumer_pump(struct client *c)
{
    struct client_consumer *k = &c->consumer;
    size_t count = 0;
    if (!k->dirty)
        return;
    k->dirty = false;
    client_poll_pump(c);
    LIST_EACH (a, &k->assignments, struct client_assignment, link) {
        check_topic(c, a);
        count++;
    }
    if (count == 0)
        return;
    struct client_assignment **asking = mem_array(c->mem, count, sizeof *asking);
    if (asking != NULL)
        ask_brokers(c, asking);
    mem_free(c->mem, asking);
    arena_reset(&c->arena);
    arm(c);
    if (asking == NULL)
        client_arm(c, &k->timer, CLIENT_TIMER_CONSUMER, c->now_ns + client_backoff_ns(c, 1));
}
