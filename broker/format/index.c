/* index.c - the sparse index of one segment, by offset and by time: a pure function of the batches
 * that were added. */
#include "format/format.h"

/* ---- the table ---- */

static void put_offset(uint8_t *out, const void *item)
{
    const struct format_index_entry *entry = item;
    put_u32(out, entry->relative);
    put_u32(out + 4, entry->position);
}

static void get_offset(const uint8_t *in, void *item)
{
    *(struct format_index_entry *)item =
        (struct format_index_entry){get_u32(in), get_u32(in + 4), FORMAT_FIRST_UNKNOWN};
}

static bool offset_follows(const void *item, const void *before, uint64_t log_size)
{
    const struct format_index_entry *entry = item;
    const struct format_index_entry *last = before;
    return entry->position > (last == NULL ? 0 : last->position) && entry->position < log_size;
}

static void put_time(uint8_t *out, const void *item)
{
    const struct format_time_entry *entry = item;
    put_u64(out, (uint64_t)entry->timestamp);
    put_u32(out + 8, entry->relative);
}

static void get_time(const uint8_t *in, void *item)
{
    *(struct format_time_entry *)item = (struct format_time_entry){get_i64(in), get_u32(in + 8)};
}

static bool time_follows(const void *item, const void *before, uint64_t log_size)
{
    const struct format_time_entry *entry = item;
    const struct format_time_entry *last = before;
    (void)log_size;
    return entry->timestamp > (last == NULL ? -1 : last->timestamp);
}

const struct format_derived_row format_derived[FORMAT_DERIVED] = {
    [FORMAT_OFFSETS] = {.file = FORMAT_KIND_INDEX,
                        .size = FORMAT_INDEX_ENTRY_SIZE,
                        .item_size = sizeof(struct format_index_entry),
                        .relative = offsetof(struct format_index_entry, relative),
                        .put = put_offset,
                        .get = get_offset,
                        .follows = offset_follows},
    [FORMAT_TIMES] = {.file = FORMAT_KIND_TIMEINDEX,
                      .size = FORMAT_TIME_ENTRY_SIZE,
                      .item_size = sizeof(struct format_time_entry),
                      .relative = offsetof(struct format_time_entry, relative),
                      .seals = 1,
                      .put = put_time,
                      .get = get_time,
                      .follows = time_follows},
};

static void *item_at(const struct format_index *index, int kind, int32_t i)
{
    return (uint8_t *)index->entries[kind].items + (size_t)i * format_derived[kind].item_size;
}

/* -1: of none, before the first. */
static int64_t relative_at(const struct format_index *index, int kind, int32_t i)
{
    uint32_t relative;
    if (i < 0)
        return -1;
    memcpy(&relative, (uint8_t *)item_at(index, kind, i) + format_derived[kind].relative,
           sizeof relative);
    return relative;
}

/* ---- all of it ---- */

void format_index_init(struct format_index *index, struct mem *mem, int64_t base)
{
    *index = (struct format_index){
        .mem = mem, .base = base, .max_timestamp = -1, .max_timestamp_offset = base - 1};
}

void format_index_free(struct format_index *index)
{
    for (int kind = 0; kind < FORMAT_DERIVED; kind++)
        mem_free(index->mem, index->entries[kind].items);
    format_index_init(index, index->mem, index->base);
}

/* Grows by doubling to at least want entries; they stay where they are on failure. */
static enum err grow(struct format_index *index, int kind, int32_t want)
{
    struct format_entries *entries = &index->entries[kind];
    if (want <= entries->cap)
        return ERR_NONE;
    int32_t cap = MAX(want, entries->cap == 0 ? 8 : entries->cap * 2);
    void *moved =
        mem_realloc(index->mem, entries->items, (size_t)cap * format_derived[kind].item_size);
    if (moved == NULL)
        return ERR_NOMEM;
    entries->items = moved;
    entries->cap = cap;
    return ERR_NONE;
}

enum err format_index_reserve(struct format_index *index, int32_t batches)
{
    enum err e = ERR_NONE;
    for (int kind = 0; kind < FORMAT_DERIVED && e == ERR_NONE; kind++)
        e = grow(index, kind, index->counts.of[kind] + batches + format_derived[kind].seals);
    return e;
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
    int32_t *count = &index->counts.of[FORMAT_TIMES];
    if (index->max_timestamp < 0 ||
        (*count > 0 && format_index_time(index, *count - 1)->timestamp >= index->max_timestamp))
        return;
    ASSERT(*count < index->entries[FORMAT_TIMES].cap);
    *format_index_time(index, (*count)++) =
        (struct format_time_entry){.timestamp = index->max_timestamp,
                                   .relative = relative(index, index->max_timestamp_offset)};
}

void format_index_add(struct format_index *index, const struct format_note *note, int64_t interval)
{
    int32_t *count = &index->counts.of[FORMAT_OFFSETS];
    uint32_t last_position = *count == 0 ? 0 : format_index_offset(index, *count - 1)->position;
    if (note->max_timestamp > index->max_timestamp) {
        index->max_timestamp = note->max_timestamp;
        index->max_timestamp_offset = note->last;
    }
    /* A batch that is scanned again, because its entry is where the scan began. */
    if (note->position <= last_position || (int64_t)(note->position - last_position) <= interval)
        return;
    ASSERT(note->position <= INT32_MAX);
    ASSERT(*count < index->entries[FORMAT_OFFSETS].cap);
    *format_index_offset(index, (*count)++) =
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
    int32_t i = (int32_t)(floor - format_index_offset(index, 0));
    format_index_offset(index, i)->first = relative(index, note->base);
}

void format_index_seal(struct format_index *index)
{
    add_time(index);
}

struct format_index_mark format_index_mark(const struct format_index *index)
{
    return (struct format_index_mark){.counts = index->counts,
                                      .max_timestamp = index->max_timestamp,
                                      .max_timestamp_offset = index->max_timestamp_offset};
}

void format_index_return(struct format_index *index, struct format_index_mark mark)
{
    for (int kind = 0; kind < FORMAT_DERIVED; kind++)
        ASSERT(mark.counts.of[kind] <= index->counts.of[kind]);
    index->counts = mark.counts;
    index->max_timestamp = mark.max_timestamp;
    index->max_timestamp_offset = mark.max_timestamp_offset;
}

struct format_counts format_index_below(const struct format_index *index, uint64_t position)
{
    struct format_counts below = index->counts;
    int32_t *count = &below.of[FORMAT_OFFSETS];
    while (*count > 0 && format_index_offset(index, *count - 1)->position >= position)
        --*count;
    int64_t last = relative_at(index, FORMAT_OFFSETS, *count - 1);
    for (int kind = FORMAT_OFFSETS + 1; kind < FORMAT_DERIVED; kind++) {
        while (relative_at(index, kind, below.of[kind] - 1) > last)
            below.of[kind]--;
    }
    return below;
}

static void take_greatest(struct format_index *index)
{
    int32_t count = index->counts.of[FORMAT_TIMES];
    index->max_timestamp = count == 0 ? -1 : format_index_time(index, count - 1)->timestamp;
    index->max_timestamp_offset = index->base + relative_at(index, FORMAT_TIMES, count - 1);
}

void format_index_cut(struct format_index *index, uint64_t position)
{
    index->counts = format_index_below(index, position);
    take_greatest(index);
}

enum err format_index_take(struct format_index *index, const struct format_index *from,
                           uint64_t position)
{
    int32_t most = 0;
    ASSERT(index->base == from->base);
    for (int kind = 0; kind < FORMAT_DERIVED; kind++) {
        ASSERT(index->counts.of[kind] == 0);
        most = MAX(most, from->counts.of[kind]);
    }
    enum err e = format_index_reserve(index, most);
    if (e != ERR_NONE)
        return e;
    index->counts = format_index_below(from, position);
    for (int kind = 0; kind < FORMAT_DERIVED; kind++) {
        size_t size = (size_t)index->counts.of[kind] * format_derived[kind].item_size;
        if (size > 0)
            memcpy(index->entries[kind].items, from->entries[kind].items, size);
    }
    take_greatest(index);
    return ERR_NONE;
}

bool format_index_full(const struct format_index *index, int64_t bytes_max)
{
    bool full = false;
    for (int kind = 0; kind < FORMAT_DERIVED; kind++) {
        const struct format_derived_row *row = &format_derived[kind];
        full |= index->counts.of[kind] >= bytes_max / (int64_t)row->size - row->seals;
    }
    return full;
}

const struct format_index_entry *format_index_floor(const struct format_index *index,
                                                    int64_t offset)
{
    int32_t low = 0;
    int32_t high = index->counts.of[FORMAT_OFFSETS];
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (index->base + format_index_offset(index, middle)->relative <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : format_index_offset(index, low - 1);
}

const struct format_index_entry *format_index_floor_position(const struct format_index *index,
                                                             uint64_t position)
{
    int32_t low = 0;
    int32_t high = index->counts.of[FORMAT_OFFSETS];
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (format_index_offset(index, middle)->position <= position)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : format_index_offset(index, low - 1);
}

int64_t format_index_floor_time(const struct format_index *index, int64_t timestamp)
{
    int32_t low = 0;
    int32_t high = index->counts.of[FORMAT_TIMES];
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (format_index_time(index, middle)->timestamp < timestamp)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? index->base : index->base + format_index_time(index, low - 1)->relative + 1;
}

size_t format_index_bytes(const struct format_index *index)
{
    size_t bytes = 0;
    for (int kind = 0; kind < FORMAT_DERIVED; kind++)
        bytes += (size_t)index->entries[kind].cap * format_derived[kind].item_size;
    return bytes;
}

/* ---- to a file and from it ---- */

void format_index_encode(const struct format_index *index, enum format_derived kind, int32_t first,
                         int32_t end, uint8_t *out)
{
    const struct format_derived_row *row = &format_derived[kind];
    ASSERT(end <= index->counts.of[kind]);
    for (int32_t i = first; i < end; i++, out += row->size)
        row->put(out, item_at(index, kind, i));
}

/* Room is there. False: what is left makes no sense. */
static bool decode(struct format_index *index, int kind, struct bytes in, uint64_t log_size,
                   int64_t next)
{
    const struct format_derived_row *row = &format_derived[kind];
    int32_t *count = &index->counts.of[kind];
    for (; in.size >= row->size; in = bytes_of(in.data + row->size, in.size - row->size)) {
        void *item = item_at(index, kind, *count);
        row->get(in.data, item);
        int64_t at = relative_at(index, kind, *count);
        if (at <= relative_at(index, kind, *count - 1) || index->base + at >= next ||
            !row->follows(item, *count == 0 ? NULL : item_at(index, kind, *count - 1), log_size))
            break;
        ++*count;
    }
    return in.size == 0;
}

/* As many of each as there are batches, at most, and the seal. */
static enum err reserve_files(struct format_index *index, const struct bytes files[FORMAT_DERIVED])
{
    enum err e = format_index_reserve(
        index, (int32_t)(files[FORMAT_OFFSETS].size / FORMAT_INDEX_ENTRY_SIZE));
    for (int kind = 0; kind < FORMAT_DERIVED && e == ERR_NONE; kind++) {
        const struct format_derived_row *row = &format_derived[kind];
        e = grow(index, kind, (int32_t)(files[kind].size / row->size) + row->seals);
    }
    return e;
}

enum err format_index_decode(struct format_index *index, const struct bytes files[FORMAT_DERIVED],
                             uint64_t log_size, int64_t next, bool *whole)
{
    *whole = true;
    for (int kind = 0; kind < FORMAT_DERIVED; kind++) {
        ASSERT(index->counts.of[kind] == 0);
        *whole &= files[kind].size <= INT32_MAX;
    }
    enum err e = *whole ? reserve_files(index, files) : ERR_NONE;
    if (e != ERR_NONE || !*whole)
        return e;
    for (int kind = 0; kind < FORMAT_DERIVED; kind++)
        *whole &= decode(index, kind, files[kind], log_size, next);
    take_greatest(index);
    return ERR_NONE;
}
