/* senders.c - what a broker must remember of its idempotent producers in a log: sequences go on by
 * one (F1), no batch stands there twice (F2), and the last five are known again, whatever happened
 * in between (KIP-98, I-1): L13; nor is the one that follows the last refused (F15). */
#include <inttypes.h>
#include "check/internal.h"

#define OUT_OF_ORDER_SEQUENCE_NUMBER 45 /* Kafka's code */
/* Who has sent nothing for so long may be forgotten, and then begin anywhere
 * (producer.id.expiration.ms; a scenario's may be shorter than Kafka's day). */
#define FORGOTTEN_NS (60ll * 1000000000)

static struct sender *find_sender(struct check *c, const struct replica *r, uint64_t producer_id,
                                  bool make)
{
    uint64_t key[3] = {r->key[0], r->key[1], producer_id};
    uint64_t hash = hash_combine(hash_combine(key[0], key[1]), producer_id);
    struct hmap_node *found = hmap_find(&c->senders, hash, key);
    if (found != NULL || !make)
        return found == NULL ? NULL : CONTAINER_OF(found, struct sender, node);
    struct sender *s = mem_zalloc(c->mem, sizeof *s);
    if (s == NULL) {
        c->error = ERR_NOMEM;
        return NULL;
    }
    memcpy(s->key, key, sizeof key);
    hmap_insert(&c->senders, hash, &s->node);
    return s;
}

/* One of the last five again: it should have been known (F2). */
static bool stands_already(struct check *c, const struct trace_row *row, const struct replica *r,
                           const struct sender *s, const struct sender_batch *b)
{
    for (uint32_t i = 0; i < s->count; i++) {
        const struct sender_batch *old = &s->batches[i];
        if (old->epoch != b->epoch || old->sequence != b->sequence ||
            old->sequence_last != b->sequence_last)
            continue;
        check_note(c, CHECK_APPENDED_TWICE, row, check_about_log(r, b->last), false,
                   "producer %" PRIu64 ", epoch %d, sequence %d, which ends at offset %" PRIu64
                   " already",
                   s->key[2], (int)b->epoch, (int)b->sequence, old->last);
        return true;
    }
    return false;
}

static int32_t next_of(const struct sender_batch *last)
{
    return last->sequence_last == INT32_MAX ? 0 : last->sequence_last + 1;
}

/* The next sequence of the same epoch, or 0 of a later one (F1). */
static void check_sequence(struct check *c, const struct trace_row *row, const struct replica *r,
                           const struct sender *s, const struct sender_batch *b)
{
    if (s->count == 0 || row->time_ns - s->at_ns >= FORGOTTEN_NS)
        return;
    const struct sender_batch *last = &s->batches[s->count - 1];
    /* What stood below where its leader's log begins may have been of another leader (KIP-101). */
    if (!r->leading && last->last < r->start)
        return;
    int32_t right = b->epoch == last->epoch ? next_of(last) : 0;
    if (b->epoch >= last->epoch && b->sequence == right)
        return;
    check_note(c, CHECK_SEQUENCE_GAP, row, check_about_log(r, b->last), false,
               "producer %" PRIu64 ", epoch %d, sequence %d, where epoch %d had come to %d",
               s->key[2], (int)b->epoch, (int)b->sequence, (int)last->epoch,
               (int)last->sequence_last);
}

static void on_append(struct check *c, const struct trace_row *row, struct replica *r)
{
    const struct trace_LOG_APPEND *is = TRACE_AS(row, LOG_APPEND);
    if (is->producer_id < 0 || is->sequence < 0)
        return;
    struct sender *s = find_sender(c, r, (uint64_t)is->producer_id, true);
    if (s == NULL)
        return;
    /* Sequences go round at 2^31. */
    uint32_t last = ((uint32_t)is->sequence + (uint32_t)(is->last - is->first)) & INT32_MAX;
    struct sender_batch b = {.last = is->last,
                             .crc = (uint32_t)is->crc,
                             .sequence = (int32_t)is->sequence,
                             .sequence_last = (int32_t)last,
                             .epoch = (int32_t)is->producer_epoch};
    if (!stands_already(c, row, r, s, &b))
        check_sequence(c, row, r, s, &b);
    if (s->count == SENDER_WINDOW)
        memmove(&s->batches[0], &s->batches[1], (size_t)--s->count * sizeof s->batches[0]);
    s->batches[s->count++] = b;
    s->at_ns = row->time_ns;
}

/* A log that begins anew knows nobody. */
static bool begins_anew(const struct trace_row *row)
{
    return row->kind == TRACE_LOG_CUT && TRACE_AS(row, LOG_CUT)->reason == CHECK_CUT_RESET;
}

/* What stood above the end is gone, and with it what was known of it. */
static void cut_senders(struct check *c, const struct trace_row *row, const struct replica *r)
{
    uint64_t end = begins_anew(row) ? 0 : r->end;
    LIST_EACH (s, &c->senders.order, struct sender, node.order) {
        if (s->key[0] != r->key[0] || s->key[1] != r->key[1])
            continue;
        while (s->count > 0 && s->batches[s->count - 1].last >= end)
            s->count--;
    }
}

static bool is_next(const struct sender *s, const struct trace_NACK *is)
{
    if (s == NULL || s->count == 0)
        return false;
    const struct sender_batch *last = &s->batches[s->count - 1];
    return last->epoch == (int32_t)is->producer_epoch && next_of(last) == (int32_t)is->sequence;
}

static void on_nack(struct check *c, const struct trace_row *row, const struct replica *r)
{
    const struct trace_NACK *is = TRACE_AS(row, NACK);
    if (is->code != OUT_OF_ORDER_SEQUENCE_NUMBER)
        return;
    const struct sender *s = find_sender(c, r, (uint64_t)is->producer_id, false);
    if (is_next(s, is))
        check_note(c, CHECK_NEXT_REFUSED, row, check_about_log(r, r->end), false,
                   "producer %" PRId64 ", epoch %d, sequence %" PRId64, is->producer_id,
                   (int)is->producer_epoch, is->sequence);
    for (uint32_t i = 0; s != NULL && i < s->count; i++) {
        const struct sender_batch *batch = &s->batches[i];
        if (batch->crc == (uint32_t)is->crc && batch->last >= r->start)
            check_note(c, CHECK_DUPLICATE_REFUSED, row, check_about_log(r, batch->last), false,
                       "producer %" PRId64 ", sequence %" PRId64 ", which ends at offset %" PRIu64,
                       is->producer_id, is->sequence, batch->last);
    }
}

static void on_sender_row(struct check *c, const struct trace_row *row)
{
    struct replica *r = check_replica_of(c, row);
    if (r == NULL)
        return;
    if (row->kind == TRACE_LOG_APPEND)
        on_append(c, row, r);
    else if (row->kind == TRACE_NACK)
        on_nack(c, row, r);
    else
        cut_senders(c, row, r);
}

static const enum trace_kind kinds[] = {TRACE_LOG_OPEN, TRACE_LOG_APPEND, TRACE_LOG_CUT,
                                        TRACE_NACK};

const struct check_rule check_rule_senders = {
    .name = "senders",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_sender_row,
    .memory = "five batches a producer and replica",
};
