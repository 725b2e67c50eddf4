/* snapshot.c - producer snapshots, Kafka's layout (ProducerSnapshot.json): what a partition
 * remembers of its producers at one offset. Pure. */
#include "format/format.h"

#define VERSION 1
#define CRC_FROM 6

static int compare_ids(const void *a, const void *b)
{
    const struct format_producer *x = *(struct format_producer *const *)a;
    const struct format_producer *y = *(struct format_producer *const *)b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Sorted, because the map's order is that of arrival, which a replay may not repeat. */
static struct format_producer **sorted_producers(const struct format_producers *producers)
{
    size_t count = producers->map.count;
    struct format_producer **all = mem_array(producers->mem, count + 1, sizeof *all);
    if (all == NULL)
        return NULL;
    size_t i = 0;
    for (struct format_producer *p = format_producers_next(producers, NULL); p != NULL;
         p = format_producers_next(producers, p))
        all[i++] = p;
    ASSERT(i == count);
    if (sort_stable(producers->mem, all, count, sizeof *all, compare_ids) == ERR_NONE)
        return all;
    mem_free(producers->mem, all);
    return NULL;
}

static const struct format_producer_batch no_batch = {
    .last_sequence = -1, .offset_delta = 0, .last_offset = -1};

static uint8_t *put_entry(uint8_t *p, const struct format_producer *producer,
                          const struct format_producer_batch *batch, int64_t timestamp)
{
    put_u64(p, (uint64_t)producer->id);
    put_u16(p + 8, (uint16_t)producer->epoch);
    put_u32(p + 10, (uint32_t)batch->last_sequence);
    put_u64(p + 14, (uint64_t)batch->last_offset);
    put_u32(p + 22, (uint32_t)batch->offset_delta);
    put_u64(p + 26, (uint64_t)timestamp);
    put_u32(p + 34, (uint32_t)producer->coordinator_epoch);
    put_u64(p + 38, (uint64_t)producer->txn_first);
    return p + FORMAT_SNAPSHOT_ENTRY;
}

static void put_head(uint8_t *file, size_t size, size_t count)
{
    put_u16(file, VERSION);
    put_u32(file + CRC_FROM, (uint32_t)count);
    put_u32(file + 2, crc32c(0, file + CRC_FROM, size - CRC_FROM));
}

static struct bytes encode_last(struct format_producer *const *all, size_t count, struct mem *mem)
{
    size_t size = FORMAT_SNAPSHOT_HEAD + count * FORMAT_SNAPSHOT_ENTRY;
    uint8_t *file = mem_alloc(mem, size);
    if (file == NULL)
        return bytes_of(NULL, 0);
    uint8_t *p = file + FORMAT_SNAPSHOT_HEAD;
    for (size_t i = 0; i < count; i++) {
        const struct format_producer_batch *last = &no_batch;
        if (all[i]->count > 0)
            last = &all[i]->window[all[i]->count - 1];
        p = put_entry(p, all[i], last, all[i]->timestamp);
    }
    put_head(file, size, count);
    return bytes_of(file, size);
}

static size_t count_older(struct format_producer *const *all, size_t count)
{
    size_t older = 0;
    for (size_t i = 0; i < count; i++)
        older += (size_t)MAX(all[i]->count - 1, 0);
    return older;
}

static struct bytes encode_older(struct format_producer *const *all, size_t count, size_t older,
                                 struct mem *mem)
{
    size_t size = FORMAT_SNAPSHOT_HEAD + older * FORMAT_SNAPSHOT_ENTRY;
    uint8_t *file = mem_alloc(mem, size);
    if (file == NULL)
        return bytes_of(NULL, 0);
    uint8_t *p = file + FORMAT_SNAPSHOT_HEAD;
    for (size_t i = 0; i < count; i++) {
        for (int32_t k = 0; k < all[i]->count - 1; k++)
            p = put_entry(p, all[i], &all[i]->window[k], all[i]->window[k].timestamp);
    }
    put_head(file, size, older);
    return bytes_of(file, size);
}

enum err format_snapshot_encode(const struct format_producers *producers, struct mem *mem,
                                struct bytes *snapshot, struct bytes *window)
{
    size_t count = producers->map.count;
    struct format_producer **all = sorted_producers(producers);
    if (all == NULL)
        return ERR_NOMEM;
    size_t older = count_older(all, count);
    *window = bytes_of(NULL, 0);
    *snapshot = encode_last(all, count, mem);
    if (snapshot->data != NULL && count > 0)
        *window = encode_older(all, count, older, mem);
    mem_free(producers->mem, all);
    if (snapshot->data != NULL && (count == 0 || window->data != NULL))
        return ERR_NONE;
    mem_free(mem, (void *)snapshot->data);
    *snapshot = bytes_of(NULL, 0);
    return ERR_NOMEM;
}

enum err format_snapshot_check(struct bytes file, struct errmsg *msg)
{
    if (file.size < FORMAT_SNAPSHOT_HEAD || get_u16(file.data) != VERSION)
        return errmsg_set(msg, ERR_CORRUPT, "it is no snapshot of version 1");
    if (get_u32(file.data + 2) != crc32c(0, file.data + CRC_FROM, file.size - CRC_FROM))
        return errmsg_set(msg, ERR_CORRUPT, "its CRC is wrong");
    uint64_t count = get_u32(file.data + CRC_FROM);
    if (file.size != FORMAT_SNAPSHOT_HEAD + count * FORMAT_SNAPSHOT_ENTRY)
        return errmsg_set(msg, ERR_CORRUPT, "its size does not fit its count");
    return ERR_NONE;
}

static struct format_producer_batch get_batch(const uint8_t *p)
{
    return (struct format_producer_batch){.last_sequence = get_i32(p + 10),
                                          .last_offset = get_i64(p + 14),
                                          .offset_delta = get_i32(p + 22),
                                          .timestamp = get_i64(p + 26)};
}

/* Through the door that batches take, so that limits and order are the same. */
static enum err take_entry(struct format_producers *producers, const uint8_t *p, int64_t now_ns)
{
    struct format_note note = {.producer_id = get_i64(p),
                               .producer_epoch = get_i16(p + 8),
                               .max_timestamp = get_i64(p + 26),
                               .attributes = WIRE_BATCH_CONTROL,
                               .marker = -1};
    int64_t txn_first = get_i64(p + 38);
    if (note.producer_id < 0 || txn_first < -1)
        return ERR_CORRUPT;
    enum err e = format_producers_apply(producers, &note, now_ns, NULL);
    if (e != ERR_NONE)
        return e;
    struct format_producer *producer = format_producers_find(producers, note.producer_id);
    struct format_producer_batch batch = get_batch(p);
    producer->coordinator_epoch = get_i32(p + 34);
    format_producer_txn(producers, producer, txn_first);
    producer->count = batch.last_sequence >= 0 && batch.offset_delta >= 0;
    producer->window[0] = batch;
    return ERR_NONE;
}

enum err format_snapshot_decode(struct format_producers *producers, struct bytes snapshot,
                                int64_t now_ns, struct errmsg *msg)
{
    ASSERT(producers->map.count == 0);
    enum err e = format_snapshot_check(snapshot, msg);
    for (size_t at = FORMAT_SNAPSHOT_HEAD; e == ERR_NONE && at < snapshot.size;
         at += FORMAT_SNAPSHOT_ENTRY)
        e = take_entry(producers, snapshot.data + at, now_ns);
    if (e != ERR_NONE)
        format_producers_clear(producers);
    return e;
}

static void prepend(struct format_producer *producer, struct format_producer_batch batch,
                    int32_t at)
{
    if (producer->count >= FORMAT_WINDOW)
        return;
    memmove(&producer->window[at + 1], &producer->window[at],
            (size_t)(producer->count - at) * sizeof batch);
    producer->window[at] = batch;
    producer->count++;
}

enum err format_window_decode(struct format_producers *producers, struct bytes window,
                              struct errmsg *msg)
{
    enum err e = format_snapshot_check(window, msg);
    if (e != ERR_NONE)
        return e;
    for (size_t at = FORMAT_SNAPSHOT_HEAD; at < window.size; at += FORMAT_SNAPSHOT_ENTRY) {
        const uint8_t *p = window.data + at;
        struct format_producer *producer = format_producers_find(producers, get_i64(p));
        struct format_producer_batch batch = get_batch(p);
        if (producer == NULL || producer->epoch != get_i16(p + 8) || producer->count == 0)
            continue;
        if (batch.last_sequence >= 0 && batch.offset_delta >= 0)
            prepend(producer, batch, producer->count - 1);
    }
    return ERR_NONE;
}
