/* index.c - the sparse index of one segment, by offset and by time: a pure function of the batches
 * that were added. */
#include "format/format.h"

void format_index_init(struct format_index *index, struct mem *mem, int64_t base)
{
    *index = (struct format_index){
        .mem = mem, .base = base, .max_timestamp = -1, .max_timestamp_offset = base - 1};
}

void format_index_free(struct format_index *index)
{
    mem_free(index->mem, index->entries);
    mem_free(index->mem, index->times);
    format_index_init(index, index->mem, index->base);
}

/* Grows by doubling to at least want items; the items stay where they are on failure. */
static enum err grow(struct mem *mem, void **items, int32_t *cap, int32_t want, size_t size)
{
    if (want <= *cap)
        return ERR_NONE;
    int32_t more = MAX(want, *cap == 0 ? 8 : *cap * 2);
    void *moved = mem_realloc(mem, *items, (size_t)more * size);
    if (moved == NULL)
        return ERR_NOMEM;
    *items = moved;
    *cap = more;
    return ERR_NONE;
}

static enum err reserve_times(struct format_index *index, int32_t more)
{
    void *times = index->times;
    enum err e =
        grow(index->mem, &times, &index->time_cap, index->time_count + more, sizeof *index->times);
    index->times = times;
    return e;
}

enum err format_index_reserve(struct format_index *index, int32_t batches)
{
    void *entries = index->entries;
    enum err e =
        grow(index->mem, &entries, &index->cap, index->count + batches, sizeof *index->entries);
    index->entries = entries;
    /* One more than the batches: the seal. */
    return e != ERR_NONE ? e : reserve_times(index, batches + 1);
}

static uint32_t relative(const struct format_index *index, int64_t offset)
{
    ASSERT(offset >= index->base);
    ASSERT(offset - index->base <= INT32_MAX);
    return (uint32_t)(offset - index->base);
}

/* Only a timestamp greater than the last one gets an entry. */
static void add_time(struct format_index *index)
{
    if (index->max_timestamp < 0)
        return;
    if (index->time_count > 0 &&
        index->times[index->time_count - 1].timestamp >= index->max_timestamp)
        return;
    ASSERT(index->time_count < index->time_cap);
    index->times[index->time_count++] =
        (struct format_time_entry){.timestamp = index->max_timestamp,
                                   .relative = relative(index, index->max_timestamp_offset)};
}

void format_index_add(struct format_index *index, const struct format_note *note, int64_t interval)
{
    uint32_t last_position = 0;
    if (index->count > 0)
        last_position = index->entries[index->count - 1].position;
    if (note->max_timestamp > index->max_timestamp) {
        index->max_timestamp = note->max_timestamp;
        index->max_timestamp_offset = note->last;
    }
    /* A batch that is scanned again, because its entry is where the scan began. */
    if (note->position <= last_position || (int64_t)(note->position - last_position) <= interval)
        return;
    ASSERT(note->position <= INT32_MAX);
    ASSERT(index->count < index->cap);
    index->entries[index->count++] =
        (struct format_index_entry){.relative = relative(index, note->last),
                                    .position = (uint32_t)note->position,
                                    .first = relative(index, note->base)};
    add_time(index);
}

void format_index_learn(struct format_index *index, const struct format_note *note)
{
    const struct format_index_entry *floor = format_index_floor_position(index, note->position);
    if (floor == NULL || floor->position != note->position ||
        index->base + floor->relative != note->last)
        return;
    index->entries[floor - index->entries].first = relative(index, note->base);
}

void format_index_seal(struct format_index *index)
{
    add_time(index);
}

struct format_index_mark format_index_mark(const struct format_index *index)
{
    return (struct format_index_mark){.count = index->count,
                                      .time_count = index->time_count,
                                      .max_timestamp = index->max_timestamp,
                                      .max_timestamp_offset = index->max_timestamp_offset};
}

void format_index_return(struct format_index *index, struct format_index_mark mark)
{
    ASSERT(mark.count <= index->count);
    ASSERT(mark.time_count <= index->time_count);
    index->count = mark.count;
    index->time_count = mark.time_count;
    index->max_timestamp = mark.max_timestamp;
    index->max_timestamp_offset = mark.max_timestamp_offset;
}

void format_index_cut(struct format_index *index, uint64_t position)
{
    while (index->count > 0 && index->entries[index->count - 1].position >= position)
        index->count--;
    int64_t last = index->count == 0 ? -1 : (int64_t)index->entries[index->count - 1].relative;
    while (index->time_count > 0 && (int64_t)index->times[index->time_count - 1].relative > last)
        index->time_count--;
    index->max_timestamp = -1;
    index->max_timestamp_offset = index->base - 1;
    if (index->time_count > 0) {
        const struct format_time_entry *time = &index->times[index->time_count - 1];
        index->max_timestamp = time->timestamp;
        index->max_timestamp_offset = index->base + time->relative;
    }
}

enum err format_index_take(struct format_index *index, const struct format_index *from,
                           uint64_t position)
{
    ASSERT(index->count == 0);
    ASSERT(index->base == from->base);
    enum err e = format_index_reserve(index, MAX(from->count, from->time_count));
    if (e != ERR_NONE)
        return e;
    index->count = from->count;
    index->time_count = from->time_count;
    if (from->count > 0)
        memcpy(index->entries, from->entries, (size_t)from->count * sizeof *from->entries);
    if (from->time_count > 0)
        memcpy(index->times, from->times, (size_t)from->time_count * sizeof *from->times);
    format_index_cut(index, position);
    return ERR_NONE;
}

bool format_index_full(const struct format_index *index, int64_t bytes_max)
{
    return index->count >= bytes_max / FORMAT_INDEX_ENTRY_SIZE ||
           index->time_count >= bytes_max / FORMAT_TIME_ENTRY_SIZE - 1;
}

const struct format_index_entry *format_index_floor(const struct format_index *index,
                                                    int64_t offset)
{
    int32_t low = 0;
    int32_t high = index->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (index->base + index->entries[middle].relative <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : &index->entries[low - 1];
}

const struct format_index_entry *format_index_floor_position(const struct format_index *index,
                                                             uint64_t position)
{
    int32_t low = 0;
    int32_t high = index->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (index->entries[middle].position <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : &index->entries[low - 1];
}

int64_t format_index_floor_time(const struct format_index *index, int64_t timestamp)
{
    int32_t low = 0;
    int32_t high = index->time_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (index->times[middle].timestamp < timestamp)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? index->base : index->base + index->times[low - 1].relative + 1;
}

size_t format_index_bytes(const struct format_index *index)
{
    return (size_t)index->cap * sizeof *index->entries +
           (size_t)index->time_cap * sizeof *index->times;
}

void format_index_encode(const struct format_index *index, int32_t first, int32_t end, uint8_t *out)
{
    ASSERT(end <= index->count);
    for (int32_t i = first; i < end; i++, out += FORMAT_INDEX_ENTRY_SIZE) {
        put_u32(out, index->entries[i].relative);
        put_u32(out + 4, index->entries[i].position);
    }
}

void format_times_encode(const struct format_index *index, int32_t first, int32_t end, uint8_t *out)
{
    ASSERT(end <= index->time_count);
    for (int32_t i = first; i < end; i++, out += FORMAT_TIME_ENTRY_SIZE) {
        put_u64(out, (uint64_t)index->times[i].timestamp);
        put_u32(out + 8, index->times[i].relative);
    }
}

/* How many entries make sense. */
static int32_t decode_entries(struct format_index *index, struct bytes in, uint64_t log_size,
                              int64_t next)
{
    int64_t last = -1;
    uint32_t position = 0;
    while (in.size >= FORMAT_INDEX_ENTRY_SIZE) {
        struct format_index_entry entry = {get_u32(in.data), get_u32(in.data + 4),
                                           FORMAT_FIRST_UNKNOWN};
        if (entry.relative <= last || entry.position <= position || entry.position >= log_size)
            break;
        if (index->base + entry.relative >= next)
            break;
        index->entries[index->count++] = entry;
        last = entry.relative;
        position = entry.position;
        in = bytes_of(in.data + FORMAT_INDEX_ENTRY_SIZE, in.size - FORMAT_INDEX_ENTRY_SIZE);
    }
    return (int32_t)in.size;
}

static int32_t decode_times(struct format_index *index, struct bytes in, int64_t next)
{
    int64_t last = -1;
    int64_t timestamp = -1;
    while (in.size >= FORMAT_TIME_ENTRY_SIZE) {
        struct format_time_entry entry = {get_i64(in.data), get_u32(in.data + 8)};
        if ((int64_t)entry.relative <= last || entry.timestamp <= timestamp)
            break;
        if (index->base + entry.relative >= next)
            break;
        index->times[index->time_count++] = entry;
        last = entry.relative;
        timestamp = entry.timestamp;
        in = bytes_of(in.data + FORMAT_TIME_ENTRY_SIZE, in.size - FORMAT_TIME_ENTRY_SIZE);
    }
    if (index->time_count > 0) {
        index->max_timestamp = timestamp;
        index->max_timestamp_offset = index->base + last;
    }
    return (int32_t)in.size;
}

enum err format_index_decode(struct format_index *index, struct bytes offsets, struct bytes times,
                             uint64_t log_size, int64_t next, bool *whole)
{
    ASSERT(index->count == 0);
    ASSERT(index->time_count == 0);
    if (offsets.size > INT32_MAX || times.size > INT32_MAX) {
        *whole = false;
        return ERR_NONE;
    }
    enum err e = format_index_reserve(index, (int32_t)(offsets.size / FORMAT_INDEX_ENTRY_SIZE));
    if (e == ERR_NONE)
        e = reserve_times(index, (int32_t)(times.size / FORMAT_TIME_ENTRY_SIZE) + 1);
    if (e != ERR_NONE)
        return e;
    int32_t left = decode_entries(index, offsets, log_size, next);
    int32_t times_left = decode_times(index, times, next);
    *whole = left == 0 && times_left == 0;
    return ERR_NONE;
}
