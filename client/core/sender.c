/* sender.c - batches on their way to leaders and back: what is ready, what flies, what each answer
 * means. Order within a partition is kept by keeping its queue in order (I-6). */
#include "client/core/internal.h"

/* ---- is there something to send? ---- */

static bool lingers(const struct client *c, const struct client_batch *b)
{
    const struct client_producer *p = &c->producer;
    bool full = b->closed || (int64_t)b->builder.size >= c->config.batch_bytes ||
                b->link.next != &b->queue->waiting;
    bool hurry = !list_empty(&p->flushes) || p->starved;
    return !full && !hurry && b->attempt_count == 0 && c->now_ns < b->linger_ns;
}

/* Whether the head of the queue may leave beside what flies already. */
static bool allowed(const struct client *c, const struct client_queue *q,
                    const struct client_batch *b)
{
    if (q->flying_count >= c->config.in_flight_max || q->broken)
        return false;
    if (!b->sequenced || q->flying_count == 0)
        return true;
    /* A retry goes alone, and only when it is the oldest: what flies behind it would be refused as
     * out of order, and what flies before it may make its sequence the next one. */
    return b->number < LIST_FIRST(&q->flying, struct client_batch, link)->number;
}

static bool sendable(const struct client *c, const struct client_queue *q)
{
    const struct client_batch *b = LIST_FIRST(&q->waiting, struct client_batch, link);
    return b != NULL && c->now_ns >= b->retry_ns && !lingers(c, b) && allowed(c, q, b);
}

/* ---- what comes of a queue ---- */

static void expire(struct client *c, struct client_queue *q)
{
    LIST_EACH (b, &q->flying, struct client_batch, link) {
        if (b->told || b->deadline_ns > c->now_ns)
            continue;
        q->broken |= b->sequenced;
        client_batch_tell(c, b, CLIENT_UNKNOWN, 0, ERR_TIMEOUT, -1, -1);
    }
    /* In the order of their numbers, and so of their deadlines. */
    LIST_EACH (b, &q->waiting, struct client_batch, link) {
        if (b->deadline_ns > c->now_ns)
            break;
        q->broken |= b->sequenced;
        enum client_outcome outcome = b->maybe_stored ? CLIENT_UNKNOWN : CLIENT_FAILED;
        client_batch_tell(c, b, outcome, b->code, ERR_TIMEOUT, -1, -1);
    }
}

/* The next moment at which time alone changes something. */
static int64_t next_moment(const struct client *c, const struct client_queue *q)
{
    int64_t next = INT64_MAX;
    LIST_EACH (b, &q->flying, struct client_batch, link)
        next = b->told ? next : MIN(next, b->deadline_ns);
    const struct client_batch *head = LIST_FIRST(&q->waiting, struct client_batch, link);
    if (head == NULL)
        return next;
    next = MIN(next, head->deadline_ns);
    if (head->retry_ns > c->now_ns)
        next = MIN(next, head->retry_ns);
    else if (lingers(c, head))
        next = MIN(next, head->linger_ns);
    return next;
}

void client_queue_update(struct client *c, struct client_queue *q)
{
    expire(c, q);
    if (q->broken && q->flying_count == 0)
        client_sequence_mend(c, q);
    list_remove(&q->ready);
    if (sendable(c, q)) {
        struct client_node *leader = client_leader(c, q->topic, q->index);
        if (leader != NULL)
            list_push_back(&leader->ready, &q->ready);
    }
    int64_t next = next_moment(c, q);
    if (next == INT64_MAX)
        client_disarm(c, &q->timer);
    else if (!q->timer.node.queued || q->timer.deadline_ns != next)
        client_arm(c, &q->timer, CLIENT_TIMER_QUEUE, next);
}

void client_sender_metadata(struct client *c)
{
    LIST_EACH (q, &c->producer.queues, struct client_queue, link)
        client_queue_update(c, q);
}

/* ---- out ---- */

/* Batches of one topic stand together: they become one entry of the request. */
static void add_to_call(struct client_call *call, struct client_batch *b)
{
    struct list *at = call->batches.prev;
    while (at != &call->batches &&
           CONTAINER_OF(at, struct client_batch, in_call)->queue->topic != b->queue->topic)
        at = at->prev;
    list_insert_before(at == &call->batches ? at : at->next, &b->in_call);
}

/* The bytes that every attempt of the batch will be. False: its place is not known yet. */
static bool seal(struct client *c, struct client_batch *b)
{
    if (c->producer.idempotent && !client_sequence_assign(c, b))
        return false;
    if (!c->producer.idempotent && b->attempt_count == 0)
        wire_builder_finish(&b->builder, &(struct wire_builder_head){.leader_epoch = -1,
                                                                     .producer_id = -1,
                                                                     .producer_epoch = -1,
                                                                     .base_sequence = -1});
    b->closed = true;
    client_batch_compress(c, b);
    return true;
}

/* Takes the head of each ready queue while the request has room. */
static void collect(struct client *c, struct client_node *node, struct client_call *call)
{
    int64_t room = c->config.request_bytes_max;
    for (int32_t count = 0; count < CLIENT_BATCHES_MAX && !list_empty(&node->ready);) {
        struct client_queue *q = LIST_FIRST(&node->ready, struct client_queue, ready);
        struct client_batch *b = LIST_FIRST(&q->waiting, struct client_batch, link);
        ASSERT(b != NULL);
        if ((int64_t)b->builder.size > room && !list_empty(&call->batches))
            return;
        list_remove(&q->ready);
        if (!seal(c, b))
            continue; /* the answer that brings the producer id looks at it again */
        room -= (int64_t)b->builder.size;
        add_to_call(call, b);
        count++;
    }
}

static enum err describe(struct client *c, const struct client_call *call,
                         struct wire_produce_request *request)
{
    size_t count = 0;
    LIST_EACH (b, &call->batches, struct client_batch, in_call)
        count++;
    struct wire_produce_request_topic *topics = arena_alloc(&c->arena, count * sizeof *topics);
    struct wire_produce_request_partition *parts = arena_alloc(&c->arena, count * sizeof *parts);
    if (topics == NULL || parts == NULL)
        return ERR_NOMEM;
    wire_defaults(&wire_produce_request_message, request);
    request->acks = c->producer.acks;
    request->timeout_ms = (int32_t)c->config.request_timeout_ms;
    request->topic_data = topics;
    const struct client_topic *last = NULL;
    LIST_EACH (b, &call->batches, struct client_batch, in_call) {
        if (b->queue->topic != last) {
            last = b->queue->topic;
            topics[request->topic_data_count++] = (struct wire_produce_request_topic){
                .name = wire_text(last->name), .partition_data = parts};
        }
        topics[request->topic_data_count - 1].partition_data_count++;
        *parts++ = (struct wire_produce_request_partition){
            .index = b->queue->index, .records = {.size = (int32_t)b->builder.size}};
    }
    return ERR_NONE;
}

/* In the order in which the batches were filled, which is that of their sequences. */
static void insert_by_number(struct list *batches, struct client_batch *b)
{
    struct list *at = batches->prev;
    while (at != batches && CONTAINER_OF(at, struct client_batch, link)->number > b->number)
        at = at->prev;
    list_insert_before(at->next, &b->link);
}

static void take_off(struct client *c, struct client_call *call)
{
    LIST_EACH (b, &call->batches, struct client_batch, in_call) {
        struct client_queue *q = b->queue;
        list_remove(&b->link);
        insert_by_number(&q->flying, b); /* a retry stands before what left before it */
        q->flying_count++;
        b->flying = true;
        b->attempt_count++;
        memcpy(b->topic_id, q->topic->id, sizeof b->topic_id);
    }
    LIST_EACH (b, &call->batches, struct client_batch, in_call)
        client_queue_update(c, b->queue);
}

/* What was collected and cannot be sent now is tried again after a pause. */
static void put_back(struct client *c, struct client_call *call)
{
    LIST_EACH (b, &call->batches, struct client_batch, in_call) {
        list_remove(&b->in_call);
        b->retry_ns = c->now_ns + client_backoff_ns(c, 1);
        client_queue_update(c, b->queue);
    }
}

static enum err send_one(struct client *c, struct client_node *node)
{
    struct client_call *call;
    enum err e = client_call_new(c, CLIENT_CALL_PRODUCE, node, CLIENT_LANE_MAIN, 0, &call);
    if (e != ERR_NONE)
        return e;
    collect(c, node, call);
    struct wire_produce_request request;
    if (list_empty(&call->batches)) {
        client_call_end(c, call);
        return ERR_NONE;
    }
    e = describe(c, call, &request);
    if (e == ERR_NONE)
        e = client_call_prepare(c, call, &request);
    arena_reset(&c->arena);
    if (e != ERR_NONE) {
        put_back(c, call);
        client_call_end(c, call);
        return e;
    }
    call->request.expects_answer = c->producer.acks != 0;
    client_call_emit(c, call);
    take_off(c, call);
    return ERR_NONE;
}

/* A broker that speaks no version of Produce that kiln does, or no memory: the queues wait. */
static void stall(struct client *c, struct client_node *node, enum err e)
{
    TRACE(c->trace, CLIENT_ERROR, .code = 0, .err = e);
    while (!list_empty(&node->ready)) {
        struct client_queue *q = LIST_FIRST(&node->ready, struct client_queue, ready);
        struct client_batch *b = LIST_FIRST(&q->waiting, struct client_batch, link);
        b->retry_ns = c->now_ns + client_backoff_ns(c, 1);
        client_queue_update(c, q);
    }
}

void client_sender_pump(struct client *c)
{
    if (c->producer.memory_given) {
        c->producer.memory_given = false;
        client_producer_admit(c);
    }
    LIST_EACH (node, &c->metadata.nodes, struct client_node, link) {
        const struct client_lane_state *lane = &node->lanes[CLIENT_LANE_MAIN];
        enum err e = ERR_NONE;
        if (list_empty(&node->ready) || !client_lane_ready(c, node, CLIENT_LANE_MAIN))
            continue;
        while (!list_empty(&node->ready) && e == ERR_NONE &&
               lane->produce_in_flight < c->config.in_flight_max)
            e = send_one(c, node);
        if (e != ERR_NONE)
            stall(c, node, e);
    }
}

/* ---- back ---- */

static void requeue(struct client *c, struct client_batch *b)
{
    insert_by_number(&b->queue->waiting, b);
    b->retry_ns = c->now_ns + client_backoff_ns(c, b->attempt_count);
}

/* Another leader is known already: the batch goes there at once (KIP-951). */
static void hurry(struct client *c, struct client_queue *q)
{
    LIST_EACH (b, &q->waiting, struct client_batch, link) {
        if (b->attempt_count > 0)
            b->retry_ns = c->now_ns;
    }
}

/* The call has ended: the batch flies no longer. False: its records were told before. */
static bool land(struct client *c, struct client_batch *b)
{
    ASSERT(b->flying);
    list_remove(&b->in_call);
    list_remove(&b->link);
    b->flying = false;
    b->queue->flying_count--;
    if (!b->told)
        return true;
    client_batch_free(c, b);
    return false;
}

static bool may_retry(const struct client *c, const struct client_batch *b)
{
    if (KNOWN_BUG(few_retries) && b->attempt_count > 3)
        return false;
    return b->attempt_count <= c->config.retry_count_max && b->deadline_ns > c->now_ns &&
           !c->closing;
}

/* The last word on a batch that was not stored as far as this answer says. */
static void give_up(struct client *c, struct client_batch *b, int16_t code, enum err err)
{
    b->queue->broken |= b->sequenced;
    enum client_outcome outcome = b->maybe_stored ? CLIENT_UNKNOWN : CLIENT_FAILED;
    client_batch_tell(c, b, outcome, code, err, -1, -1);
}

static bool older_outstanding(const struct client_batch *b)
{
    const struct client_batch *flying = LIST_FIRST(&b->queue->flying, struct client_batch, link);
    const struct client_batch *waiting = LIST_FIRST(&b->queue->waiting, struct client_batch, link);
    return (flying != NULL && flying->number < b->number) ||
           (waiting != NULL && waiting->number < b->number);
}

/* OUT_OF_ORDER behind a batch that is itself to be retried is no more than order kept; anything
 * else means that the broker's and our idea of the sequence differ (KIP-360). */
static void on_sequence_refused(struct client *c, struct client_batch *b, int16_t code)
{
    bool only_early = code == WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER && older_outstanding(b);
    b->queue->broken |= !only_early;
    requeue(c, b);
}

static void on_refused(struct client *c, struct client_batch *b, int16_t code)
{
    b->code = code;
    b->maybe_stored |= client_code_maybe_done(code);
    if (client_code_stale_metadata(code))
        client_metadata_want(c);
    if (!may_retry(c, b))
        give_up(c, b, code, ERR_NONE);
    else if (b->sequenced && client_code_sequence(code))
        on_sequence_refused(c, b, code);
    else if (client_code_retriable(code))
        requeue(c, b);
    else
        give_up(c, b, code, ERR_NONE);
}

static void on_batch_answered(struct client *c, struct client_batch *b,
                              const struct wire_produce_response_partition *in)
{
    struct client_queue *q = b->queue;
    bool moved = client_leader_hint(c, q->topic, q->index, in->current_leader.leader_id,
                                    in->current_leader.leader_epoch);
    if (land(c, b)) {
        if (in->error_code == 0)
            client_batch_tell(c, b, CLIENT_OK, 0, ERR_NONE, in->base_offset,
                              in->log_append_time_ms);
        else if (in->error_code == WIRE_ERROR_DUPLICATE_SEQUENCE_NUMBER && b->sequenced)
            client_batch_tell(c, b, CLIENT_OK, in->error_code, ERR_NONE, -1, -1);
        else
            on_refused(c, b, in->error_code);
    }
    if (moved)
        hurry(c, q);
    client_queue_update(c, q);
}

/* No answer: the broker may have stored it. Only what the broker recognises again (I-1), or what
 * may be stored twice because nobody asked for better, is sent again. */
static void on_batch_lost(struct client *c, struct client_batch *b, enum err err, bool sent)
{
    struct client_queue *q = b->queue;
    b->maybe_stored |= sent;
    if (land(c, b)) {
        if (c->producer.acks == 0 || !may_retry(c, b))
            give_up(c, b, 0, err);
        else
            requeue(c, b);
    }
    client_queue_update(c, q);
}

static struct client_batch *batch_find(struct client_call *call, struct wire_string topic,
                                       int32_t partition)
{
    LIST_EACH (b, &call->batches, struct client_batch, in_call) {
        if (b->queue->index == partition &&
            wire_string_equal(wire_text(b->queue->topic->name), topic))
            return b;
    }
    return NULL;
}

void client_sender_lost(struct client *c, struct client_call *call, enum err err, bool sent)
{
    while (!list_empty(&call->batches))
        on_batch_lost(c, LIST_FIRST(&call->batches, struct client_batch, in_call), err, sent);
}

void client_sender_answer(struct client *c, struct client_call *call, struct bytes body)
{
    struct wire_produce_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        response.responses_count = response.node_endpoints_count = 0;
    for (int32_t i = 0; i < response.node_endpoints_count; i++) {
        const struct wire_produce_response_node *node = &response.node_endpoints[i];
        client_metadata_learn_node(c, node->node_id, node->host, node->port);
    }
    for (int32_t t = 0; t < response.responses_count; t++) {
        const struct wire_produce_response_topic *topic = &response.responses[t];
        for (int32_t i = 0; i < topic->partition_responses_count; i++) {
            const struct wire_produce_response_partition *in = &topic->partition_responses[i];
            struct client_batch *b = batch_find(call, topic->name, in->index);
            if (b != NULL)
                on_batch_answered(c, b, in);
        }
    }
    /* What the answer does not mention is as good as lost. */
    client_sender_lost(c, call, e == ERR_NONE ? ERR_CORRUPT : e, true);
}
