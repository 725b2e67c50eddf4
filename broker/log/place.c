/* place.c - where an offset stands, as far as memory knows: the last batches, the places where
 * readers stopped, the index. Never asks the disk. */
#include "log/internal.h"

/* The newest batch whose base is <= offset, of those remembered; NULL: none. */
static struct log_recent *find_recent(const struct log *log, int64_t offset)
{
    int32_t low = 0;
    int32_t high = log->recent_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (log_recent_at(log, middle)->base <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : log_recent_at(log, low - 1);
}

static struct log_segment *segment_of_base(const struct log *log, int64_t base)
{
    int32_t i = log_segment_index(log, base);
    if (i < 0 || log->segments[i]->base != base)
        return NULL;
    return log->segments[i];
}

/* A reader who stopped at the end of a segment goes on in the next, which may begin behind offset.
 */
static void step_over_end(const struct log *log, int64_t offset, struct log_segment **segment,
                          uint64_t *position)
{
    bool at_end = *position >= (*segment)->size && !(*segment)->retired;
    if (!log_segment_over(*segment, offset) && (!at_end || *segment == log_active(log)))
        return;
    int32_t i = log_segment_index(log, (*segment)->base);
    ASSERT(i >= 0);
    *segment = log->segments[i + 1];
    *position = 0;
}

/* False: it is of another offset, or the log is not any more what it was. */
static bool follow(const struct log *log, const struct log_cursor *cursor, int64_t offset,
                   struct log_segment **segment, uint64_t *position)
{
    if (cursor == NULL || cursor->places != log->places || cursor->offset != offset)
        return false;
    *segment = segment_of_base(log, cursor->segment);
    *position = cursor->position;
    if (*segment == NULL)
        return false;
    ASSERT(*position <= (*segment)->size);
    step_over_end(log, offset, segment, position);
    return true;
}

bool log_place_find(const struct log_read *read, struct log_segment **segment, uint64_t *position)
{
    const struct log *log = read->log;
    int64_t offset = read->offset;
    const struct log_recent *recent = find_recent(log, offset);
    /* Where offsets are missing, that batch may end below it. */
    if (recent != NULL && !log->config.dense && recent->base != offset)
        recent = NULL;
    if (recent != NULL && offset < log->end) {
        *segment = segment_of_base(log, recent->segment);
        *position = recent->position;
        return *segment != NULL;
    }
    if (follow(log, read->cursor, offset, segment, position))
        return true;
    for (int i = 0; i < LOG_CURSORS_MAX; i++) {
        if (follow(log, &log->cursors[i], offset, segment, position))
            return true;
    }
    return false;
}

/* Of those that the log remembers: the one who was at from, or whoever gives way to him. */
static struct log_cursor *choose(struct log *log, int64_t from)
{
    for (int i = 0; i < LOG_CURSORS_MAX; i++) {
        if (log->cursors[i].places == log->places && log->cursors[i].offset == from)
            return &log->cursors[i];
    }
    struct log_cursor *cursor = &log->cursors[log->cursor_next];
    log->cursor_next = (log->cursor_next + 1) % LOG_CURSORS_MAX;
    return cursor;
}

void log_place_keep(struct log_read *read, int64_t offset, const struct log_segment *segment,
                    uint64_t position)
{
    struct log *log = read->log;
    /* Who reads for the first time may never come again with his own. */
    bool comes_again = read->cursor != NULL && read->cursor->places != 0;
    struct log_cursor cursor = {
        .offset = offset, .segment = segment->base, .position = position, .places = log->places};
    if (read->cursor != NULL)
        *read->cursor = cursor;
    if (!comes_again)
        *choose(log, read->offset) = cursor;
}

/* A batch of the segment begins at position, with the offset next. */
static void offer(struct log_bound *best, uint64_t from, uint64_t limit, uint64_t position,
                  int64_t next)
{
    if (position > from && position <= limit && position > best->position) {
        best->position = position;
        best->next = next;
    }
}

/* The batch that begins there ends before limit, too. */
static void offer_recent(const struct log *log, const struct log_segment *segment, uint64_t from,
                         uint64_t limit, int64_t end, struct log_bound *best)
{
    int32_t low = 0;
    int32_t high = log->recent_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        const struct log_recent *recent = log_recent_at(log, middle);
        bool behind =
            recent->segment > segment->base ||
            (recent->segment == segment->base && (recent->position > limit || recent->base > end));
        if (behind)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0)
        return;
    const struct log_recent *recent = log_recent_at(log, low - 1);
    if (recent->segment == segment->base)
        offer(best, from, limit, recent->position, recent->base);
}

static void offer_index(const struct log_segment *segment, uint64_t from, uint64_t limit,
                        int64_t end, struct log_bound *best)
{
    const struct format_index *index = &segment->index;
    const struct format_index_entry *floor = format_index_floor_position(index, limit);
    if (!log_index_known(segment))
        return;
    while (floor != NULL && floor->first != FORMAT_FIRST_UNKNOWN && floor->position > from) {
        if (index->base + floor->first <= end) {
            offer(best, from, limit, floor->position, index->base + floor->first);
            return;
        }
        floor = floor == format_index_offset(index, 0) ? NULL : floor - 1;
    }
}

bool log_place_bound(const struct log *log, const struct log_segment *segment, uint64_t from,
                     uint64_t bytes_max, int64_t end, bool at_least_one, struct log_bound *out)
{
    uint64_t limit = from + bytes_max;
    *out = (struct log_bound){.position = from};
    if (end >= segment->next && segment->exact)
        offer(out, from, limit, segment->size, segment->next);
    offer_recent(log, segment, from, limit, end, out);
    offer_index(segment, from, limit, end, out);
    if (out->position > from)
        return true;
    if (!at_least_one)
        return false;
    /* The first batch alone, however large it is. */
    for (int32_t i = log->recent_count - 1; i >= 0; i--) {
        const struct log_recent *recent = log_recent_at(log, i);
        if (recent->segment != segment->base || recent->position != from)
            continue;
        int64_t next = i + 1 < log->recent_count ? log_recent_at(log, i + 1)->base : log->end;
        if (next > end)
            return false;
        *out = (struct log_bound){.position = from + recent->size, .next = next};
        return true;
    }
    return false;
}
