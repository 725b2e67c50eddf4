/* client.c - the step: one event in, effects out. It knows who handles what, and time. */
#include "client/core/internal.h"

#define API_METADATA 3

static bool timer_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct client_timer *x = CONTAINER_OF(a, struct client_timer, node);
    const struct client_timer *y = CONTAINER_OF(b, struct client_timer, node);
    if (x->deadline_ns != y->deadline_ns)
        return x->deadline_ns < y->deadline_ns;
    return x->sequence < y->sequence;
}

void client_arm(struct client *c, struct client_timer *timer, enum client_timer_kind kind,
                int64_t deadline_ns)
{
    client_disarm(c, timer);
    timer->kind = kind;
    timer->deadline_ns = deadline_ns;
    timer->sequence = ++c->timer_sequence;
    heap_insert(&c->timers, &timer->node);
}

void client_disarm(struct client *c, struct client_timer *timer)
{
    if (timer->node.queued)
        heap_remove(&c->timers, &timer->node);
}

uint64_t client_draw(struct client *c)
{
    return hash_combine(c->random, ++c->draw_count);
}

int64_t client_backoff_ns(struct client *c, int32_t attempt_count)
{
    int64_t ms = c->config.retry_backoff_ms;
    int64_t ms_max = MAX(c->config.retry_backoff_ms, c->config.retry_backoff_ms_max);
    for (int32_t i = 1; i < attempt_count && ms < ms_max; i++)
        ms *= 2;
    int64_t ns = MIN(ms, ms_max) * MS;
    int64_t spread = ns / 100 * CLIENT_JITTER_PERCENT;
    ns += random_between(client_draw(c), -spread, spread);
    if (KNOWN_BUG(backoff_out_of_hand))
        ns *= 5;
    return MAX(ns, MS); /* never none: whatever fails at once would be tried for ever at once */
}

void client_op_done(struct client *c, struct client_op *op, enum client_outcome outcome,
                    int16_t code, enum err err)
{
    ASSERT(op->in_flight);
    client_disarm(c, &op->timer);
    op->outcome = outcome;
    op->code = code;
    op->err = err;
    op->in_flight = false;
    list_remove(&op->link);
    list_push_back(&c->out->done, &op->link);
}

const char *client_outcome_name(enum client_outcome outcome)
{
    static const char *const names[] = {"ok", "failed", "unknown"};
    return names[outcome];
}

enum err client_new(struct client **out, struct mem *mem, struct trace *trace,
                    const struct client_config *config, struct errmsg *msg)
{
    enum err e = client_config_check(config, msg);
    if (e != ERR_NONE)
        return e;
    struct client *c = mem_zalloc(mem, sizeof *c);
    if (c == NULL)
        return errmsg_wrap(msg, ERR_NOMEM, "client");
    c->mem = mem;
    c->trace = trace;
    c->config = *config;
    list_init(&c->calls);
    list_init(&c->ops);
    heap_init(&c->timers, timer_before);
    arena_init(&c->arena, mem, CLIENT_ARENA_MAX);
    client_producer_init(c);
    client_consumer_init(c);
    e = client_metadata_init(c);
    if (e != ERR_NONE) {
        client_metadata_free(c);
        mem_free(mem, c);
        return errmsg_wrap(msg, e, "client");
    }
    *out = c;
    return ERR_NONE;
}

void client_free(struct client *c)
{
    if (c == NULL)
        return;
    ASSERT(list_empty(&c->calls));
    client_consumer_free(c);
    client_producer_free(c);
    client_metadata_free(c);
    arena_free(&c->arena);
    mem_free(c->mem, c);
}

static void submit(struct client *c, struct client_op *op)
{
    ASSERT(!op->in_flight);
    op->outcome = CLIENT_OK;
    op->code = 0;
    op->err = ERR_NONE;
    op->in_flight = true;
    op->maybe_done = false;
    op->attempt_count = 0;
    op->call = NULL;
    list_init(&op->link);
    if (c->closing) {
        client_op_done(c, op, CLIENT_FAILED, 0, ERR_CANCELLED);
        return;
    }
    switch (op->kind) {
    case CLIENT_SEND:
        client_producer_submit(c, CONTAINER_OF(op, struct client_send, op));
        return;
    case CLIENT_FLUSH:
        client_producer_flush(c, CONTAINER_OF(op, struct client_flush, op));
        return;
    case CLIENT_POLL:
        client_poll_submit(c, CONTAINER_OF(op, struct client_poll, op));
        return;
    case CLIENT_OFFSETS:
    case CLIENT_TOPICS:
    case CLIENT_CREATE_TOPIC:
    case CLIENT_CONFIGS:
    case CLIENT_DELETE_TOPIC:
    case CLIENT_ADD_PARTITIONS:
    case CLIENT_ALTER_CONFIGS:
    case CLIENT_TRIM:
    case CLIENT_CLUSTER:
    case CLIENT_QUORUM:
    case CLIENT_DIRS:
    case CLIENT_PARTITIONS:
    case CLIENT_ELECT:
    case CLIENT_UNREGISTER:
    case CLIENT_FEATURES:
    case CLIENT_UPDATE_FEATURES:
        client_op_submit(c, op);
        return;
    }
    UNREACHABLE();
}

static void op_timer(struct client *c, struct client_op *op)
{
    switch (op->kind) {
    case CLIENT_SEND:
        client_send_expired(c, CONTAINER_OF(op, struct client_send, op));
        return;
    case CLIENT_POLL:
        c->consumer.poll = NULL;
        client_op_done(c, op, CLIENT_OK, 0, ERR_NONE);
        return;
    case CLIENT_OFFSETS:
    case CLIENT_TOPICS:
    case CLIENT_CREATE_TOPIC:
    case CLIENT_CONFIGS:
    case CLIENT_DELETE_TOPIC:
    case CLIENT_ADD_PARTITIONS:
    case CLIENT_ALTER_CONFIGS:
    case CLIENT_TRIM:
    case CLIENT_CLUSTER:
    case CLIENT_QUORUM:
    case CLIENT_DIRS:
    case CLIENT_PARTITIONS:
    case CLIENT_ELECT:
    case CLIENT_UNREGISTER:
    case CLIENT_FEATURES:
    case CLIENT_UPDATE_FEATURES:
        client_op_timer(c, op);
        return;
    case CLIENT_FLUSH:
        break;
    }
    UNREACHABLE();
}

static void fire(struct client *c, struct client_timer *timer)
{
    switch ((enum client_timer_kind)timer->kind) {
    case CLIENT_TIMER_METADATA:
        client_metadata_timer(c);
        return;
    case CLIENT_TIMER_SEEK:
        c->ops_dirty = true;
        return;
    case CLIENT_TIMER_PRODUCER_ID:
        return; /* the pump asks */
    case CLIENT_TIMER_QUEUE:
        client_queue_update(c, CONTAINER_OF(timer, struct client_queue, timer));
        return;
    case CLIENT_TIMER_CONSUMER:
        c->consumer.dirty = true;
        return;
    case CLIENT_TIMER_OP:
        op_timer(c, CONTAINER_OF(timer, struct client_op, timer));
        return;
    }
    UNREACHABLE();
}

/* Fires what is due. What a timer arms anew is due at the next step at the earliest. */
static void fire_due(struct client *c)
{
    uint64_t sequence_max = c->timer_sequence;
    while (!heap_empty(&c->timers)) {
        struct client_timer *t = CONTAINER_OF(heap_min(&c->timers), struct client_timer, node);
        if (t->deadline_ns > c->now_ns || t->sequence > sequence_max)
            return;
        heap_remove(&c->timers, &t->node);
        fire(c, t);
    }
}

static void answered(struct client *c, struct client_call *call, struct slice body)
{
    struct bytes bytes = slice_bytes(body);
    c->answer_count++;
    switch (call->kind) {
    case CLIENT_CALL_METADATA:
        client_metadata_answer(c, call, bytes);
        break;
    case CLIENT_CALL_PRODUCER_ID:
        client_producer_id_answer(c, call, bytes);
        break;
    case CLIENT_CALL_PRODUCE:
        client_sender_answer(c, call, bytes);
        break;
    case CLIENT_CALL_FETCH:
        client_fetch_answer(c, call, body);
        break;
    case CLIENT_CALL_POSITIONS:
        client_positions_answer(c, call, bytes);
        break;
    case CLIENT_CALL_OP:
        client_op_answer(c, call, bytes);
        break;
    }
    arena_reset(&c->arena);
}

static void lost(struct client *c, struct client_call *call, const struct client_event *ev)
{
    switch (call->kind) {
    case CLIENT_CALL_METADATA:
        client_metadata_lost(c);
        return;
    case CLIENT_CALL_PRODUCER_ID:
        client_producer_id_lost(c);
        return;
    case CLIENT_CALL_PRODUCE:
        client_sender_lost(c, call, ev->err, ev->sent);
        return;
    case CLIENT_CALL_FETCH:
        client_fetch_lost(c, call);
        return;
    case CLIENT_CALL_POSITIONS:
        client_items_lost(c, call);
        return;
    case CLIENT_CALL_OP:
        client_op_lost(c, call, ev->sent);
        return;
    }
    UNREACHABLE();
}

/* A call has ended one way or the other: its place on the lane is free again. */
static struct client_call *call_of(struct client *c, const struct client_event *ev)
{
    struct client_call *call = CONTAINER_OF(ev->request, struct client_call, request);
    struct client_node *node = client_node_find(c, ev->request->node);
    ASSERT(node != NULL);
    struct client_lane_state *lane = &node->lanes[ev->request->lane];
    ASSERT(lane->in_flight > 0);
    lane->in_flight--;
    if (call->kind == CLIENT_CALL_PRODUCE)
        lane->produce_in_flight--;
    return call;
}

static void close_all(struct client *c)
{
    c->closing = true;
    c->metadata.wishes++;
    client_producer_close(c);
    client_consumer_close(c);
    client_ops_close(c);
    LIST_EACH (node, &c->metadata.nodes, struct client_node, link) {
        for (int i = 0; i < CLIENT_LANE_COUNT; i++)
            node->lanes[i].wanted = false;
    }
}

static void dispatch(struct client *c, const struct client_event *ev)
{
    struct client_call *call;
    switch (ev->kind) {
    case CLIENT_EV_TICK:
        return;
    case CLIENT_EV_SUBMIT:
        submit(c, ev->op);
        return;
    case CLIENT_EV_ASSIGN:
        client_consumer_assign(c, ev->assignment);
        return;
    case CLIENT_EV_UNASSIGN:
        client_consumer_unassign(c, ev->assignment);
        return;
    case CLIENT_EV_LANE_UP:
        client_lane_up(c, ev);
        return;
    case CLIENT_EV_LANE_DOWN:
        client_lane_down(c, ev);
        return;
    case CLIENT_EV_ANSWER:
        call = call_of(c, ev);
        answered(c, call, ev->body);
        client_call_end(c, call);
        return;
    case CLIENT_EV_LOST:
        call = call_of(c, ev);
        lost(c, call, ev);
        client_call_end(c, call);
        return;
    case CLIENT_EV_CLOSE:
        close_all(c);
        return;
    }
    UNREACHABLE();
}

void client_step(struct client *c, const struct client_event *ev, struct client_effects *out)
{
    ASSERT(ev->now_ns >= c->now_ns);
    c->now_ns = ev->now_ns;
    c->wall_ms = ev->wall_ms;
    c->random = ev->random;
    c->draw_count = 0;
    c->out = out;
    list_init(&out->requests);
    list_init(&out->done);
    dispatch(c, ev);
    if (!c->closing) {
        fire_due(c);
        client_producer_id_pump(c);
        client_sender_pump(c);
        client_consumer_pump(c);
        client_ops_pump(c);
        client_metadata_pump(c); /* last: the others find out what is not known */
    }
    bool idle = c->closing || heap_empty(&c->timers);
    out->wake_ns = idle
                       ? INT64_MAX
                       : CONTAINER_OF(heap_min(&c->timers), struct client_timer, node)->deadline_ns;
    c->out = NULL;
}

static bool is_controller(const struct client_node *node)
{
    for (int32_t i = 0; i < node->api_count; i++) {
        if (node->apis[i].api_key == API_METADATA)
            return false;
    }
    return node->api_count > 0;
}

bool client_met_controller(const struct client *c)
{
    bool met = false;
    LIST_EACH (node, &c->metadata.nodes, struct client_node, link)
        met |= !client_asks_controllers(c) && is_controller(node);
    return met;
}

uint64_t client_answer_count(const struct client *c)
{
    return c->answer_count;
}

struct list *client_nodes(struct client *c)
{
    return &c->metadata.nodes;
}

uint32_t client_wishes(const struct client *c)
{
    return c->metadata.wishes;
}

const struct client_config *client_config_of(const struct client *c)
{
    return &c->config;
}

int64_t client_producer_buffered(const struct client *c)
{
    return c->producer.buffered;
}

int64_t client_consumer_queued(const struct client *c)
{
    return c->consumer.queued_bytes;
}
