/* producer.c - records on their way into batches, and the outcome of each. */
#include "client/core/internal.h"

void client_producer_init(struct client *c)
{
    struct client_producer *p = &c->producer;
    p->idempotent = client_config_idempotent(&c->config);
    p->acks = c->config.acks == CLIENT_ACKS_NONE     ? 0
              : c->config.acks == CLIENT_ACKS_LEADER ? 1
                                                     : -1;
    p->producer_id = -1;
    p->producer_epoch = -1;
    list_init(&p->queues);
    list_init(&p->order);
    list_init(&p->flushes);
    list_init(&p->waits);
}

void client_producer_free(struct client *c)
{
    LIST_EACH (q, &c->producer.queues, struct client_queue, link) {
        ASSERT(list_empty(&q->waiting));
        ASSERT(list_empty(&q->flying));
        mem_free(c->mem, q);
    }
    ASSERT(c->producer.buffered == 0);
}

/* ---- outcomes ---- */

static void finish_flushes(struct client *c)
{
    struct client_producer *p = &c->producer;
    struct client_send *oldest = LIST_FIRST(&p->order, struct client_send, by_order);
    LIST_EACH (op, &p->flushes, struct client_op, link) {
        const struct client_flush *flush = CONTAINER_OF(op, struct client_flush, op);
        if (oldest != NULL && oldest->number <= flush->number)
            return;
        client_op_done(c, op, CLIENT_OK, 0, ERR_NONE);
    }
}

static void tell(struct client *c, struct client_send *send, enum client_outcome outcome,
                 int16_t code, enum err err)
{
    list_remove(&send->by_order);
    client_op_done(c, &send->op, outcome, code, err);
}

/* The record is in no batch yet: it has certainly not been stored. */
static void fail(struct client *c, struct client_send *send, int16_t code, enum err err)
{
    list_remove(&send->in_batch);
    tell(c, send, CLIENT_FAILED, code, err);
    finish_flushes(c);
}

void client_batch_free(struct client *c, struct client_batch *b)
{
    ASSERT(list_empty(&b->records));
    ASSERT(!b->flying);
    list_remove(&b->link);
    c->producer.buffered -= b->buf->cap;
    c->producer.memory_given = true;
    buf_release(b->buf);
    mem_free(c->mem, b);
}

void client_batch_tell(struct client *c, struct client_batch *b, enum client_outcome outcome,
                       int16_t code, enum err err, int64_t base_offset, int64_t timestamp_ms)
{
    ASSERT(!b->told);
    b->told = true;
    int64_t index = 0;
    while (!list_empty(&b->records)) {
        struct list *first = list_pop_front(&b->records);
        struct client_send *send = CONTAINER_OF(first, struct client_send, in_batch);
        if (outcome == CLIENT_OK && base_offset >= 0)
            send->offset = base_offset + index;
        if (timestamp_ms >= 0)
            send->timestamp_stored_ms = timestamp_ms;
        memcpy(send->topic_id, b->topic_id, sizeof send->topic_id);
        index++;
        tell(c, send, outcome, code, err);
    }
    finish_flushes(c);
    if (!b->flying)
        client_batch_free(c, b);
}

/* ---- where to ---- */

/* A partition with a leader, if there is any; drawn anew after batch.size bytes (KIP-794). */
static int32_t sticky_partition(struct client *c, struct client_topic *topic)
{
    bool stay = topic->sticky >= 0 && topic->sticky_bytes < c->config.batch_bytes;
    if (stay && topic->partitions[topic->sticky].leader >= 0)
        return topic->sticky;
    int32_t first = (int32_t)random_below(client_draw(c), (uint64_t)topic->partition_count);
    topic->sticky = first;
    topic->sticky_bytes = 0;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        int32_t at = (int32_t)(((int64_t)first + i) % topic->partition_count);
        if (topic->partitions[at].leader >= 0) {
            topic->sticky = at;
            break;
        }
    }
    return topic->sticky;
}

/* -1: there is no such partition yet. */
static int32_t place(struct client *c, struct client_topic *topic, const struct client_send *send)
{
    if (send->partition >= 0)
        return send->partition < topic->partition_count ? send->partition : -1;
    if (send->key.data != NULL)
        return client_partition_of(send->key, topic->partition_count);
    return sticky_partition(c, topic);
}

static struct client_queue *queue_of(struct client *c, struct client_topic *topic, int32_t index)
{
    struct client_partition *p = &topic->partitions[index];
    if (p->queue != NULL)
        return p->queue;
    struct client_queue *q = mem_zalloc(c->mem, sizeof *q);
    if (q == NULL)
        return NULL;
    q->topic = topic;
    q->index = index;
    q->producer_id = -1;
    q->producer_epoch = -1;
    list_init(&q->link);
    list_init(&q->waiting);
    list_init(&q->flying);
    list_init(&q->ready);
    list_push_back(&c->producer.queues, &q->link);
    p->queue = q;
    return q;
}

/* ---- into a batch ---- */

enum admission {
    ADMITTED,
    ADMIT_LATER, /* when memory is given back, or the topic is known */
    ADMIT_NEVER, /* it is done */
};

/* The batch at the end of the queue, while it takes records; NULL: a new one is needed. */
static struct client_batch *open_batch(struct client_queue *q)
{
    if (list_empty(&q->waiting))
        return NULL;
    struct client_batch *last = CONTAINER_OF(q->waiting.prev, struct client_batch, link);
    return last->closed ? NULL : last;
}

static struct client_batch *batch_new(struct client *c, struct client_queue *q, size_t room)
{
    struct client_batch *b = mem_zalloc(c->mem, sizeof *b);
    struct buf *buf = b == NULL ? NULL : buf_new(c->mem, (uint32_t)room);
    if (buf == NULL) {
        mem_free(c->mem, b);
        return NULL;
    }
    b->queue = q;
    b->buf = buf;
    wire_builder_init(&b->builder, buf->data, buf->cap);
    list_init(&b->link);
    list_init(&b->in_call);
    list_init(&b->records);
    b->number = ++q->batch_number;
    b->deadline_ns = c->now_ns + c->config.delivery_timeout_ms * MS;
    b->linger_ns = c->now_ns + c->config.linger_ms * MS;
    list_push_back(&q->waiting, &b->link);
    c->producer.buffered += buf->cap;
    return b;
}

static struct wire_bytes as_wire(struct bytes b)
{
    if (b.data == NULL)
        return WIRE_NULL_BYTES;
    return (struct wire_bytes){.data = b.data, .size = (int32_t)b.size};
}

static enum err add(struct client_batch *b, struct client_send *send)
{
    enum err e = wire_builder_add(&b->builder, send->timestamp_stored_ms, as_wire(send->key),
                                  as_wire(send->value), send->headers, send->header_count);
    if (e == ERR_NONE)
        list_push_back(&b->records, &send->in_batch);
    return e;
}

/* Memory is used up: whatever lingers goes now. */
static void starve(struct client *c)
{
    if (c->producer.starved)
        return;
    c->producer.starved = true;
    LIST_EACH (q, &c->producer.queues, struct client_queue, link)
        client_queue_update(c, q);
}

/* A new batch for a record that no open one has room for. */
static enum admission begin_batch(struct client *c, struct client_queue *q,
                                  struct client_send *send)
{
    struct wire_builder empty;
    uint8_t head[WIRE_BATCH_HEAD];
    wire_builder_init(&empty, head, sizeof head);
    size_t cost = WIRE_BATCH_HEAD + wire_builder_cost(&empty, send->timestamp_stored_ms,
                                                      as_wire(send->key), as_wire(send->value),
                                                      send->headers, send->header_count);
    size_t room = MAX((size_t)c->config.batch_bytes, cost);
    if (cost > (size_t)c->config.request_bytes_max || room > (size_t)c->config.buffer_bytes) {
        fail(c, send, WIRE_ERROR_MESSAGE_TOO_LARGE, ERR_NONE);
        return ADMIT_NEVER;
    }
    if (c->producer.buffered + (int64_t)room > c->config.buffer_bytes) {
        starve(c);
        return ADMIT_LATER;
    }
    struct client_batch *b = batch_new(c, q, room);
    if (b == NULL) {
        fail(c, send, 0, ERR_NOMEM);
        return ADMIT_NEVER;
    }
    enum err e = add(b, send);
    ASSERT(e == ERR_NONE);
    return ADMITTED;
}

static enum admission admit(struct client *c, struct client_topic *topic, struct client_send *send)
{
    if (topic->partition_count == 0) {
        if (topic->code == 0 || client_code_retriable(topic->code))
            return ADMIT_LATER;
        fail(c, send, topic->code, ERR_NONE);
        return ADMIT_NEVER;
    }
    int32_t index = place(c, topic, send);
    if (index < 0) {
        client_metadata_want(c);
        return ADMIT_LATER;
    }
    struct client_queue *q = queue_of(c, topic, index);
    if (q == NULL) {
        fail(c, send, 0, ERR_NOMEM);
        return ADMIT_NEVER;
    }
    list_remove(&send->in_batch);
    struct client_batch *b = open_batch(q);
    enum admission admission = ADMITTED;
    if (b == NULL || add(b, send) != ERR_NONE) {
        if (b != NULL)
            b->closed = true;
        admission = begin_batch(c, q, send);
    }
    if (admission == ADMITTED) {
        client_disarm(c, &send->op.timer);
        send->partition_placed = index;
        if (index == topic->sticky)
            topic->sticky_bytes += (int64_t)(send->key.size + send->value.size);
    }
    client_queue_update(c, q);
    return admission;
}

static void wait(struct client *c, struct client_topic *topic, struct client_send *send)
{
    list_push_back(&topic->waiting, &send->in_batch);
    if (!list_linked(&topic->in_waits))
        list_push_back(&c->producer.waits, &topic->in_waits);
    client_arm(c, &send->op.timer, CLIENT_TIMER_OP, c->now_ns + c->config.block_ms_max * MS);
}

void client_producer_submit(struct client *c, struct client_send *send)
{
    list_init(&send->in_batch);
    list_init(&send->by_order);
    send->number = ++c->producer.last_number;
    list_push_back(&c->producer.order, &send->by_order);
    send->partition_placed = -1;
    send->offset = -1;
    memset(send->topic_id, 0, sizeof send->topic_id);
    send->timestamp_stored_ms = send->timestamp_ms >= 0 ? send->timestamp_ms : c->wall_ms;
    struct client_topic *topic = client_topic_of(c, send->topic);
    send->waits_for = topic;
    uint64_t limit = (uint64_t)c->config.request_bytes_max;
    if (topic == NULL || send->header_count > CLIENT_HEADERS_MAX) {
        fail(c, send, 0, topic == NULL ? ERR_NOMEM : ERR_LIMIT);
        return;
    }
    if (send->key.size > limit || send->value.size > limit) {
        fail(c, send, WIRE_ERROR_MESSAGE_TOO_LARGE, ERR_NONE);
        return;
    }
    /* Behind those that wait already: the order of a partition is the order of submission. */
    if (!list_empty(&topic->waiting) || admit(c, topic, send) == ADMIT_LATER)
        wait(c, topic, send);
}

/* max.block.ms is over. */
void client_send_expired(struct client *c, struct client_send *send)
{
    struct client_topic *topic = send->waits_for;
    bool known = topic->partition_count > 0;
    fail(c, send, known ? 0 : topic->code, ERR_TIMEOUT);
    if (list_empty(&topic->waiting))
        list_remove(&topic->in_waits);
}

/* False: the first that waits for this topic has to wait on. */
static bool admit_waiting(struct client *c, struct client_topic *topic)
{
    while (!list_empty(&topic->waiting)) {
        struct client_send *send = LIST_FIRST(&topic->waiting, struct client_send, in_batch);
        list_remove(&send->in_batch);
        if (admit(c, topic, send) == ADMIT_LATER) {
            list_push_front(&topic->waiting, &send->in_batch);
            return false;
        }
    }
    return true;
}

void client_producer_admit(struct client *c)
{
    struct list turn;
    list_init(&turn);
    c->producer.starved = false;
    list_splice_back(&turn, &c->producer.waits);
    while (!list_empty(&turn)) {
        struct list *first = list_pop_front(&turn);
        struct client_topic *topic = CONTAINER_OF(first, struct client_topic, in_waits);
        if (!admit_waiting(c, topic))
            list_push_back(&c->producer.waits, &topic->in_waits);
    }
}

void client_producer_flush(struct client *c, struct client_flush *flush)
{
    flush->number = c->producer.last_number;
    list_push_back(&c->producer.flushes, &flush->op.link);
    finish_flushes(c);
    LIST_EACH (q, &c->producer.queues, struct client_queue, link)
        client_queue_update(c, q);
}

/* ---- the end ---- */

static void close_queue(struct client *c, struct client_queue *q)
{
    client_disarm(c, &q->timer);
    list_remove(&q->ready);
    LIST_EACH (b, &q->waiting, struct client_batch, link) {
        enum client_outcome outcome = b->maybe_stored ? CLIENT_UNKNOWN : CLIENT_FAILED;
        client_batch_tell(c, b, outcome, 0, ERR_CANCELLED, -1, -1);
    }
    LIST_EACH (b, &q->flying, struct client_batch, link) {
        if (!b->told)
            client_batch_tell(c, b, CLIENT_UNKNOWN, 0, ERR_CANCELLED, -1, -1);
    }
}

void client_producer_close(struct client *c)
{
    LIST_EACH (q, &c->producer.queues, struct client_queue, link)
        close_queue(c, q);
    LIST_EACH (send, &c->producer.order, struct client_send, by_order)
        fail(c, send, 0, ERR_CANCELLED);
    ASSERT(list_empty(&c->producer.order));
    ASSERT(list_empty(&c->producer.flushes));
}
