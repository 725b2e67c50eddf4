/* producer_id.c - what makes retries harmless: a producer id, an epoch, and for each partition a
 * sequence without holes (KIP-98, KIP-360, I-6). */
#include "client/core/internal.h"

static void failed(struct client *c)
{
    struct client_producer *p = &c->producer;
    p->id_failure_count++;
    p->id_retry_ns = c->now_ns + client_backoff_ns(c, p->id_failure_count);
}

static enum err ask(struct client *c, struct client_node *node)
{
    struct client_call *call;
    enum err e = client_call_new(c, CLIENT_CALL_PRODUCER_ID, node, CLIENT_LANE_MAIN, 22, &call);
    if (e != ERR_NONE)
        return e;
    struct wire_init_producer_id_request request;
    wire_defaults(&wire_init_producer_id_request_message, &request);
    request.transactional_id = WIRE_NULL_STRING;
    request.transaction_timeout_ms = INT32_MAX;
    return client_call_send(c, call, &request);
}

void client_producer_id_pump(struct client *c)
{
    struct client_producer *p = &c->producer;
    if (!p->idempotent || p->producer_id >= 0 || p->id_in_flight || list_empty(&p->queues))
        return;
    if (c->now_ns < p->id_retry_ns) {
        client_arm(c, &p->id_timer, CLIENT_TIMER_PRODUCER_ID, p->id_retry_ns);
        return;
    }
    struct client_node *node = client_any_node(c);
    if (node == NULL)
        return;
    enum err e = ask(c, node);
    if (e != ERR_NONE) {
        TRACE(c->trace, CLIENT_ERROR, .code = 22, .err = e);
        failed(c);
        client_arm(c, &p->id_timer, CLIENT_TIMER_PRODUCER_ID, p->id_retry_ns);
        return;
    }
    p->id_in_flight = true;
}

void client_producer_id_lost(struct client *c)
{
    c->producer.id_in_flight = false;
    failed(c);
}

void client_producer_begin(struct client *c, int16_t epoch, int32_t sequence)
{
    ASSERT(epoch >= 0);
    ASSERT(sequence >= 0);
    ASSERT(c->producer.producer_id < 0);
    c->producer.epoch_first = epoch;
    c->producer.sequence_first = sequence;
}

static void set_id(struct client *c, int64_t producer_id, int16_t producer_epoch)
{
    c->producer.producer_id = producer_id;
    c->producer.producer_epoch = producer_epoch;
    TRACE(c->trace, PRODUCER_ID, .producer_id = producer_id, .epoch = producer_epoch);
}

void client_producer_id_answer(struct client *c, struct client_call *call, struct bytes body)
{
    struct wire_init_producer_id_response response;
    c->producer.id_in_flight = false;
    enum err e = client_call_decode(c, call, body, &response);
    if (e == ERR_NONE && response.error_code == 0 && response.producer_id < 0)
        e = ERR_CORRUPT;
    if (e != ERR_NONE || response.error_code != 0) {
        if (e == ERR_NONE)
            TRACE(c->trace, CLIENT_ERROR, .code = response.error_code, .err = 0);
        failed(c);
        return;
    }
    c->producer.id_failure_count = 0;
    set_id(c, response.producer_id, MAX(response.producer_epoch, c->producer.epoch_first));
    client_sender_metadata(c);
}

static bool current(const struct client *c, const struct client_queue *q)
{
    return q->producer_id == c->producer.producer_id &&
           q->producer_epoch == c->producer.producer_epoch;
}

bool client_sequence_assign(struct client *c, struct client_batch *b)
{
    struct client_queue *q = b->queue;
    if (b->sequenced)
        return true;
    if (c->producer.producer_id < 0)
        return false;
    /* A new epoch begins at 0, and only where nothing of the old one is still on its way
     * (KAFKA-12152). */
    if (!current(c, q) && q->flying_count == 0) {
        bool bumped = c->producer.producer_epoch != c->producer.epoch_first;
        q->producer_id = c->producer.producer_id;
        q->producer_epoch = c->producer.producer_epoch;
        q->next_sequence = bumped ? 0 : c->producer.sequence_first;
    }
    ASSERT(q->producer_id >= 0);
    b->base_sequence = q->next_sequence;
    b->sequenced = true;
    q->next_sequence =
        (int32_t)(((uint32_t)q->next_sequence + (uint32_t)b->builder.record_count) & INT32_MAX);
    SOMETIMES(c->trace, SEQUENCE_WRAPPED, q->next_sequence < b->base_sequence);
    wire_builder_finish(&b->builder,
                        &(struct wire_builder_head){.leader_epoch = -1,
                                                    .producer_id = q->producer_id,
                                                    .producer_epoch = q->producer_epoch,
                                                    .base_sequence = b->base_sequence});
    return true;
}

/* Without asking the broker: it takes any newer epoch of an id that has no transactions, and from
 * the first batch of it on refuses what the old epoch still has under way. */
static void bump_epoch(struct client *c)
{
    struct client_producer *p = &c->producer;
    SOMETIMES(c->trace, PRODUCER_EPOCH_BUMPED, true);
    SOMETIMES(c->trace, PRODUCER_EPOCHS_OVER, p->producer_epoch == INT16_MAX);
    if (p->producer_epoch == INT16_MAX && !KNOWN_BUG(epochs_without_end))
        p->producer_id = -1;
    else
        set_id(c, p->producer_id, (int16_t)(p->producer_epoch + 1));
}

void client_sequence_mend(struct client *c, struct client_queue *q)
{
    ASSERT(q->flying_count == 0);
    q->broken = false;
    /* What may be stored under the old epoch must not be sent again under the new one. */
    LIST_EACH (b, &q->waiting, struct client_batch, link) {
        if (b->sequenced && b->maybe_stored)
            client_batch_tell(c, b, CLIENT_UNKNOWN, b->code, ERR_NONE, -1, -1);
        else
            b->sequenced = false;
    }
    if (current(c, q))
        bump_epoch(c);
}
