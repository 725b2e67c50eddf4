/* senders.c - what a broker must remember of its idempotent producers: the last five batches of
 * each in a log are known again, whatever happened in between (KIP-98, I-1): L13. */
#include <inttypes.h>
#include "check/internal.h"

#define OUT_OF_ORDER_SEQUENCE_NUMBER 45 /* Kafka's code */

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

void check_sender_append(struct check *c, const struct trace_row *row, const struct replica *r)
{
    const struct trace_LOG_APPEND *is = TRACE_AS(row, LOG_APPEND);
    if (is->producer_id < 0)
        return;
    struct sender *s = find_sender(c, r, is->producer_id, true);
    if (s == NULL)
        return;
    if (s->count == SENDER_WINDOW)
        memmove(&s->batches[0], &s->batches[1], (size_t)--s->count * sizeof s->batches[0]);
    s->batches[s->count++] = (struct sender_batch){.last = is->last, .crc = (uint32_t)is->crc};
}

void check_sender_cut(struct check *c, const struct replica *r)
{
    LIST_EACH (s, &c->senders.order, struct sender, node.order) {
        if (s->key[0] != r->key[0] || s->key[1] != r->key[1])
            continue;
        while (s->count > 0 && s->batches[s->count - 1].last >= r->end)
            s->count--;
    }
}

void check_sender_nack(struct check *c, const struct trace_row *row, const struct replica *r)
{
    const struct trace_NACK *is = TRACE_AS(row, NACK);
    if (is->code != OUT_OF_ORDER_SEQUENCE_NUMBER)
        return;
    const struct sender *s = find_sender(c, r, is->producer_id, false);
    for (uint32_t i = 0; s != NULL && i < s->count; i++) {
        const struct sender_batch *batch = &s->batches[i];
        struct about about = {.partition = r->part->id, .offset = batch->last};
        if (batch->crc == (uint32_t)is->crc && batch->last >= r->start)
            check_note(c, CHECK_DUPLICATE_REFUSED, row, about, false,
                       "producer %" PRId64 ", sequence %" PRId64 ", which ends at offset %" PRIu64,
                       is->producer_id, is->sequence, batch->last);
    }
}
