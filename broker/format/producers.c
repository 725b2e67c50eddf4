/* producers.c - what a partition remembers of its idempotent producers: the last five batches of
 * each (KIP-98, I-1). A pure function of the batches that were applied. */
#include "format/format.h"

static bool same_id(const void *key, const struct hmap_node *node)
{
    const int64_t *id = key;
    return CONTAINER_OF(node, struct format_producer, node)->id == *id;
}

enum err format_producers_init(struct format_producers *producers, struct mem *mem,
                               struct format_producers_room *room)
{
    producers->mem = mem;
    producers->room = room;
    list_init(&producers->silent);
    list_init(&producers->open);
    return hmap_init(&producers->map, mem, same_id);
}

static void forget(struct format_producers *producers, struct format_producer *producer)
{
    hmap_remove(&producers->map, &producer->node);
    list_remove(&producer->link);
    mem_free(producers->mem, producer);
    if (producers->room == NULL)
        return;
    ASSERT(producers->room->count > 0);
    producers->room->count--;
}

static bool is_crowded(const struct format_producers *producers)
{
    const struct format_producers_room *room = producers->room;
    return producers->map.count > FORMAT_PRODUCERS_MAX ||
           (room != NULL && room->count > room->count_max);
}

/* Behind all others of its list. */
static void place(struct format_producers *producers, struct format_producer *producer)
{
    list_remove(&producer->link);
    list_push_back(producer->txn_first < 0 ? &producers->silent : &producers->open,
                   &producer->link);
}

void format_producer_txn(struct format_producers *producers, struct format_producer *producer,
                         int64_t txn_first)
{
    ASSERT(txn_first >= -1);
    producer->txn_first = txn_first;
    place(producers, producer);
}

struct format_producer *format_producers_next(const struct format_producers *producers,
                                              const struct format_producer *after)
{
    const struct list *at = after == NULL ? &producers->open : &after->link;
    if (at->next == &producers->open)
        at = &producers->silent;
    if (at->next == &producers->silent)
        return NULL;
    return CONTAINER_OF(at->next, struct format_producer, link);
}

void format_producers_clear(struct format_producers *producers)
{
    LIST_EACH (quiet, &producers->silent, struct format_producer, link)
        forget(producers, quiet);
    LIST_EACH (open, &producers->open, struct format_producer, link)
        forget(producers, open);
    ASSERT(producers->map.count == 0);
}

void format_producers_take(struct format_producers *producers, struct format_producers *from)
{
    format_producers_free(producers);
    producers->mem = from->mem;
    producers->room = from->room;
    hmap_take(&producers->map, &from->map);
    list_init(&producers->silent);
    list_init(&producers->open);
    list_splice_back(&producers->silent, &from->silent);
    list_splice_back(&producers->open, &from->open);
    from->mem = NULL;
}

void format_producers_free(struct format_producers *producers)
{
    if (producers->mem == NULL)
        return;
    format_producers_clear(producers);
    hmap_free(&producers->map);
}

struct format_producer *format_producers_find(const struct format_producers *producers, int64_t id)
{
    struct hmap_node *node = hmap_find(&producers->map, hash_mix((uint64_t)id), &id);
    return node == NULL ? NULL : CONTAINER_OF(node, struct format_producer, node);
}

/* Sequences run from 0 to INT32_MAX and begin again. */
static int32_t sequence_add(int32_t sequence, int32_t delta)
{
    if (KNOWN_BUG(sequence_not_wrapped))
        return (int32_t)((uint32_t)sequence + (uint32_t)delta);
    return (int32_t)(((uint32_t)sequence + (uint32_t)delta) & INT32_MAX);
}

static int32_t sequence_subtract(int32_t sequence, int32_t delta)
{
    return (int32_t)(((uint32_t)sequence - (uint32_t)delta) & INT32_MAX);
}

static int32_t note_delta(const struct format_note *note)
{
    return (int32_t)(note->last - note->base);
}

static const struct format_producer_batch *find_duplicate(const struct format_producer *producer,
                                                          const struct format_note *note)
{
    for (int32_t i = 0; i < producer->count; i++) {
        const struct format_producer_batch *batch = &producer->window[i];
        int32_t first = sequence_subtract(batch->last_sequence, batch->offset_delta);
        if (first == note->base_sequence && batch->offset_delta == note_delta(note))
            return batch;
    }
    return NULL;
}

enum format_sequence format_producers_check(const struct format_producers *producers,
                                            const struct format_note *note,
                                            const struct format_producer_batch **duplicate,
                                            int16_t *code)
{
    ASSERT(note->producer_id >= 0);
    const struct format_producer *producer = format_producers_find(producers, note->producer_id);
    if (producer == NULL && note->producer_epoch < -1) { /* a new one's is -1 before its first */
        *code = WIRE_ERROR_INVALID_PRODUCER_EPOCH;
        return FORMAT_SEQUENCE_REFUSED;
    }
    if (producer == NULL) {
        bool full = producers->map.count >= FORMAT_PRODUCERS_MAX && list_empty(&producers->silent);
        *code = WIRE_ERROR_KAFKA_STORAGE_ERROR; /* that every client tries again later */
        return full ? FORMAT_SEQUENCE_REFUSED : FORMAT_SEQUENCE_NEXT;
    }
    if (note->producer_epoch < producer->epoch) {
        *code = WIRE_ERROR_INVALID_PRODUCER_EPOCH;
        return FORMAT_SEQUENCE_REFUSED;
    }
    *code = WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    if (note->producer_epoch > producer->epoch)
        return note->base_sequence == 0 ? FORMAT_SEQUENCE_NEXT : FORMAT_SEQUENCE_REFUSED;
    *duplicate = find_duplicate(producer, note);
    if (*duplicate != NULL)
        return FORMAT_SEQUENCE_DUPLICATE;
    int32_t next = 0;
    if (producer->count > 0)
        next = sequence_add(producer->window[producer->count - 1].last_sequence, 1);
    return note->base_sequence == next ? FORMAT_SEQUENCE_NEXT : FORMAT_SEQUENCE_REFUSED;
}

static void push_batch(struct format_producer *producer, struct format_producer_batch batch)
{
    int32_t window = KNOWN_BUG(sequence_window_of_one) ? 1 : FORMAT_WINDOW;
    if (producer->count >= window) {
        producer->count = window - 1;
        memmove(&producer->window[0], &producer->window[1],
                (size_t)producer->count * sizeof producer->window[0]);
    }
    producer->window[producer->count++] = batch;
}

static struct format_producer *add_producer(struct format_producers *producers, int64_t id)
{
    struct format_producer *producer = mem_zalloc(producers->mem, sizeof *producer);
    if (producer == NULL)
        return NULL;
    producer->id = id;
    producer->epoch = -1;
    producer->coordinator_epoch = -1;
    producer->timestamp = -1;
    producer->txn_first = -1;
    list_init(&producer->link);
    hmap_insert(&producers->map, hash_mix((uint64_t)id), &producer->node);
    if (producers->room != NULL)
        producers->room->count++;
    if (is_crowded(producers) && !list_empty(&producers->silent))
        forget(producers, LIST_FIRST(&producers->silent, struct format_producer, link));
    place(producers, producer);
    return producer;
}

static void apply_marker(struct format_producer *producer, const struct format_note *note)
{
    producer->txn_first = -1;
    producer->coordinator_epoch = note->coordinator_epoch;
}

static void apply_data(struct format_producer *producer, const struct format_note *note)
{
    struct format_producer_batch batch = {
        .last_sequence = sequence_add(note->base_sequence, note_delta(note)),
        .offset_delta = note_delta(note),
        .last_offset = note->last,
        .timestamp = note->max_timestamp,
    };
    push_batch(producer, batch);
    if ((note->attributes & WIRE_BATCH_TRANSACTIONAL) != 0 && producer->txn_first < 0)
        producer->txn_first = note->base;
}

enum err format_producers_apply(struct format_producers *producers, const struct format_note *note,
                                int64_t now_ns, struct format_producer_undo *undo)
{
    ASSERT(note->producer_id >= 0);
    struct format_producer *producer = format_producers_find(producers, note->producer_id);
    bool existed = producer != NULL;
    if (!existed)
        producer = add_producer(producers, note->producer_id);
    if (producer == NULL)
        return ERR_NOMEM;
    if (undo != NULL)
        *undo = (struct format_producer_undo){.existed = existed, .was = *producer};
    if (note->producer_epoch != producer->epoch)
        producer->count = 0;
    producer->epoch = note->producer_epoch;
    producer->timestamp = note->max_timestamp;
    producer->seen_ns = now_ns;
    if (note->marker >= 0)
        apply_marker(producer, note);
    else if ((note->attributes & WIRE_BATCH_CONTROL) == 0)
        apply_data(producer, note);
    place(producers, producer);
    ASSERT(producers->map.count > 0);
    return ERR_NONE;
}

void format_producers_undo(struct format_producers *producers,
                           const struct format_producer_undo *undo)
{
    const struct format_producer *was = &undo->was;
    struct format_producer *producer = format_producers_find(producers, was->id);
    if (producer == NULL)
        return; /* it made room for others since: without memory of it, any sequence may come */
    if (!undo->existed) {
        forget(producers, producer);
        return;
    }
    producer->epoch = was->epoch;
    producer->coordinator_epoch = was->coordinator_epoch;
    producer->timestamp = was->timestamp;
    producer->count = was->count;
    memcpy(producer->window, was->window, sizeof producer->window);
    format_producer_txn(producers, producer, was->txn_first);
}

void format_producers_expire(struct format_producers *producers, int64_t now_ns, int64_t silent_ns)
{
    LIST_EACH (producer, &producers->silent, struct format_producer, link) {
        if (now_ns - producer->seen_ns < silent_ns)
            return;
        forget(producers, producer);
    }
}
