/* ranges.c - a few disjoint ranges of bytes: which of a segment's have been checked in this life.
 * Pure. */
#include "log/format.h"

static void remove_row(struct log_ranges *ranges, int32_t at)
{
    ranges->count--;
    memmove(&ranges->rows[at], &ranges->rows[at + 1],
            (size_t)(ranges->count - at) * sizeof ranges->rows[0]);
}

static void forget_smallest(struct log_ranges *ranges)
{
    int32_t smallest = 0;
    for (int32_t i = 1; i < ranges->count; i++) {
        const struct log_range *a = &ranges->rows[i];
        const struct log_range *b = &ranges->rows[smallest];
        if (a->to - a->from < b->to - b->from)
            smallest = i;
    }
    remove_row(ranges, smallest);
}

void log_ranges_add(struct log_ranges *ranges, uint64_t from, uint64_t to)
{
    ASSERT(from <= to);
    int32_t at = 0;
    while (at < ranges->count && ranges->rows[at].to < from)
        at++;
    while (at < ranges->count && ranges->rows[at].from <= to) {
        from = MIN(from, ranges->rows[at].from);
        to = MAX(to, ranges->rows[at].to);
        remove_row(ranges, at);
    }
    if (from == to)
        return;
    if (ranges->count == LOG_RANGES_MAX) {
        forget_smallest(ranges);
        log_ranges_add(ranges, from, to);
        return;
    }
    memmove(&ranges->rows[at + 1], &ranges->rows[at],
            (size_t)(ranges->count - at) * sizeof ranges->rows[0]);
    ranges->rows[at] = (struct log_range){.from = from, .to = to};
    ranges->count++;
}

bool log_ranges_cover(const struct log_ranges *ranges, uint64_t from, uint64_t to)
{
    for (int32_t i = 0; i < ranges->count; i++) {
        if (ranges->rows[i].from <= from && to <= ranges->rows[i].to)
            return true;
    }
    return from == to;
}

void log_ranges_cut(struct log_ranges *ranges, uint64_t end)
{
    while (ranges->count > 0 && ranges->rows[ranges->count - 1].from >= end)
        ranges->count--;
    if (ranges->count > 0 && ranges->rows[ranges->count - 1].to > end)
        ranges->rows[ranges->count - 1].to = end;
}
