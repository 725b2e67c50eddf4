/* produce.c - records into the partition, and the producers that wait until they are safe. Nothing
 * is acknowledged before the end that its acks asks for has passed it. */
#include "replica/internal.h"

static void tell_answer(const struct replica_produce *p)
{
    const struct replica *r = p->replica;
    struct trace_ACK ack = {.partition = r->trace_id,
                            .topic_id = r->topic_trace,
                            .first = p->first_offset,
                            .last = p->last_offset,
                            .acks = p->acks,
                            .producer_id = p->producer_id,
                            .sequence = p->base_sequence,
                            .producer_epoch = p->producer_epoch,
                            .leader_epoch = r->leader_epoch};
    if (p->code != WIRE_ERROR_NONE)
        TRACE(r->trace, NACK, .partition = r->trace_id, .topic_id = r->topic_trace, .code = p->code,
              .producer_id = p->producer_id, .sequence = p->base_sequence, .crc = p->crc,
              .producer_epoch = p->producer_epoch, .leader_epoch = r->leader_epoch);
    else
        trace_put(r->trace, p->duplicate ? TRACE_DUPLICATE : TRACE_ACK, &ack, sizeof ack);
}

static void finish(struct replica_produce *p, int16_t code)
{
    struct replica *r = p->replica;
    p->code = code;
    tell_answer(p);
    SOMETIMES(r->trace, DUPLICATE_ANSWERED, code == WIRE_ERROR_NONE && p->duplicate);
    p->done(p);
}

/* By last offset: all but duplicates come in that order already. */
static void wait_in(struct list *list, struct replica_produce *p)
{
    struct list *at = list;
    while (at->prev != list &&
           CONTAINER_OF(at->prev, struct replica_produce, link)->last_offset > p->last_offset)
        at = at->prev;
    list_insert_before(at, &p->link);
}

/* P-9: the records stay, also where too few are in sync by now. */
static int16_t code_at_the_end(const struct replica_produce *p)
{
    const struct replica *r = p->replica;
    bool enough = p->acks != -1 || replica_maximal_count(r) >= replica_min_in_sync(r);
    return enough ? WIRE_ERROR_NONE : WIRE_ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
}

static void answer_upto(struct list *waiting, int64_t end)
{
    for (;;) {
        struct replica_produce *p = LIST_FIRST(waiting, struct replica_produce, link);
        if (p == NULL || p->last_offset >= end)
            return;
        list_remove(&p->link);
        finish(p, code_at_the_end(p));
    }
}

/* What was appended and taken back (a full disk) is refused: it is in no log. */
static void refuse_from(struct list *waiting, int64_t end)
{
    while (!list_empty(waiting)) {
        struct replica_produce *p = CONTAINER_OF(waiting->prev, struct replica_produce, link);
        if (p->last_offset < end)
            return;
        list_remove(&p->link);
        finish(p, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    }
}

void replica_produce_cut(struct replica *r, int64_t end)
{
    refuse_from(&r->written, end);
    refuse_from(&r->counted, end);
}

/* What acks=all asks for. The watermark may be ahead of what counts here: it never goes back when
 * flush.policy changes from os to ack, and who asks again behind the change is told no more than
 * others (I-3). */
static int64_t safe_end(const struct replica *r)
{
    return MIN(r->high_watermark, log_counting_end(r->log));
}

void replica_produce_advance(struct replica *r)
{
    answer_upto(&r->written, log_written_end(r->log));
    answer_upto(&r->counted, safe_end(r));
}

static void fail_list(struct list *waiting, int16_t code)
{
    struct list *link;
    while ((link = list_pop_front(waiting)) != NULL)
        finish(CONTAINER_OF(link, struct replica_produce, link), code);
}

void replica_produce_fail_all(struct replica *r, int16_t code)
{
    LIST_EACH (p, &r->checking, struct replica_produce, link)
        log_produce_cancel(&p->log);
    fail_list(&r->checking, code);
    fail_list(&r->counted, code);
    fail_list(&r->written, code);
}

void replica_produce_cancel(struct replica_produce *p, int16_t code)
{
    if (!list_linked(&p->link))
        return;
    if (p->log.admission != NULL)
        log_produce_cancel(&p->log);
    list_remove(&p->link);
    finish(p, code);
}

/* Who sends, for the trace. */
static void note_producer(struct replica_produce *p)
{
    ASSERT(p->batch.size >= WIRE_BATCH_HEAD);
    p->crc = get_u32(p->batch.data + 17);
    p->producer_id = get_i64(p->batch.data + 43);
    p->producer_epoch = get_i16(p->batch.data + 51);
    p->base_sequence = get_i32(p->batch.data + 53);
}

/* Transactions are not served yet; without a transactional id the request is refused before. */
static int16_t check_transaction(struct replica_produce *p)
{
    if ((get_u16(p->batch.data + 21) & WIRE_BATCH_TRANSACTIONAL) == 0)
        return WIRE_ERROR_NONE;
    p->reason = "this version of kiln serves no transactions yet";
    return WIRE_ERROR_INVALID_TXN_STATE;
}

static int16_t check(struct replica *r, struct replica_produce *p)
{
    int16_t code = replica_check(r, -1);
    if (code != WIRE_ERROR_NONE)
        return code;
    if (r->holds || r->set->holds)
        return WIRE_ERROR_KAFKA_STORAGE_ERROR;
    if (p->acks < -1 || p->acks > 1)
        return WIRE_ERROR_INVALID_REQUIRED_ACKS;
    if (p->acks == -1 && replica_in_sync_count(r) < replica_min_in_sync(r))
        return WIRE_ERROR_NOT_ENOUGH_REPLICAS;
    return check_transaction(p);
}

static void wait_or_finish(struct replica *r, struct replica_produce *p)
{
    if (p->duplicate && KNOWN_BUG(duplicate_before_durable)) {
        finish(p, WIRE_ERROR_NONE);
        return;
    }
    SOMETIMES(r->trace, DUPLICATE_WAITED,
              p->duplicate && p->acks == -1 && safe_end(r) <= p->last_offset);
    /* Who waits for nothing (acks=0) must not outrun the disk: its turn ends with the write too. */
    if (p->acks != -1 && log_written_end(r->log) <= p->last_offset)
        wait_in(&r->written, p);
    else if (p->acks == -1 && safe_end(r) <= p->last_offset)
        wait_in(&r->counted, p);
    else
        finish(p, code_at_the_end(p));
}

/* With most refusals Kafka says where the log starts, but not with these
 * (ReplicaManager.appendRecordsToLeader). */
static int64_t start_for(const struct replica *r, int16_t code)
{
    switch (code) {
    case WIRE_ERROR_CORRUPT_MESSAGE:
    case WIRE_ERROR_NOT_LEADER_OR_FOLLOWER:
    case WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION:
    case WIRE_ERROR_MESSAGE_TOO_LARGE:
    case WIRE_ERROR_RECORD_LIST_TOO_LARGE:
    case WIRE_ERROR_INVALID_REQUIRED_ACKS:
    case WIRE_ERROR_KAFKA_STORAGE_ERROR:
        return -1;
    default:
        return log_start(r->log);
    }
}

static void on_logged(struct log_produce *logged)
{
    struct replica_produce *p = CONTAINER_OF(logged, struct replica_produce, log);
    struct replica *r = p->replica;
    const struct log_appended *out = &logged->out;
    list_remove(&p->link);
    p->reason = out->reason;
    if (out->verdict == LOG_REFUSED) {
        p->log_start = start_for(r, out->code);
        finish(p, out->code);
        return;
    }
    p->first_offset = out->first;
    p->last_offset = out->last;
    p->timestamp_ms = out->timestamp_ms;
    p->log_start = log_start(r->log);
    p->duplicate = out->verdict == LOG_DUPLICATE;
    if (!p->duplicate)
        p->crc = out->crc;
    wait_or_finish(r, p);
}

void replica_produce(struct replica *r, struct replica_produce *p, replica_produce_done *done)
{
    p->done = done;
    p->replica = r;
    p->first_offset = p->timestamp_ms = -1;
    p->last_offset = -1;
    p->log_start = -1;
    p->reason = NULL;
    p->duplicate = false;
    list_init(&p->link);
    p->log =
        (struct log_produce){.batch = p->batch, .leader_epoch = r->leader_epoch, .late = p->late};
    note_producer(p);
    int16_t code = check(r, p);
    if (code != WIRE_ERROR_NONE) {
        p->log_start = start_for(r, code);
        finish(p, code);
        return;
    }
    list_push_back(&r->checking, &p->link);
    log_produce(r->log, &p->log, on_logged);
}
