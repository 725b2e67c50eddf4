/* ranges.c - a few disjoint ranges of bytes: which of a segment's have been checked in this life.
 * Pure. */
#include "format/format.h"

static void remove_row(struct format_ranges *ranges, int32_t at)
{
    ranges->count--;
    memmove(&ranges->rows[at], &ranges->rows[at + 1],
            (size_t)(ranges->count - at) * sizeof ranges->rows[0]);
}

static void forget_smallest(struct format_ranges *ranges)
{
    int32_t smallest = 0;
    for (int32_t i = 1; i < ranges->count; i++) {
        const struct format_range *a = &ranges->rows[i];
        const struct format_range *b = &ranges->rows[smallest];
        if (a->to - a->from < b->to - b->from)
            smallest = i;
    }
    remove_row(ranges, smallest);
}

void format_ranges_add(struct format_ranges *ranges, uint64_t from, uint64_t to)
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
    if (ranges->count == FORMAT_RANGES_MAX) {
        forget_smallest(ranges);
        format_ranges_add(ranges, from, to);
        return;
    }
    memmove(&ranges->rows[at + 1], &ranges->rows[at],
            (size_t)(ranges->count - at) * sizeof ranges->rows[0]);
    ranges->rows[at] = (struct format_range){.from = from, .to = to};
    ranges->count++;
}

bool format_ranges_cover(const struct format_ranges *ranges, uint64_t from, uint64_t to)
{
    for (int32_t i = 0; i < ranges->count; i++) {
        if (ranges->rows[i].from <= from && to <= ranges->rows[i].to)
            return true;
    }
    return from == to;
}

void format_ranges_cut(struct format_ranges *ranges, uint64_t end)
{
    while (ranges->count > 0 && ranges->rows[ranges->count - 1].from >= end)
        ranges->count--;
    if (ranges->count > 0 && ranges->rows[ranges->count - 1].to > end)
        ranges->rows[ranges->count - 1].to = end;
}
