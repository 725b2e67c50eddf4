/* sort.c - merge sort from the bottom up, between the items and one scratch copy of them. */
#include <string.h>
#include "base/sort.h"

struct run {
    const uint8_t *at, *end;
};

static uint8_t *move(uint8_t *to, struct run *from, size_t size)
{
    memcpy(to, from->at, size);
    from->at += size;
    return to + size;
}

/* Of equals the left one goes first: that is what makes it stable. */
static uint8_t *merge(uint8_t *to, struct run a, struct run b, size_t size, sort_compare *compare)
{
    while (a.at != a.end && b.at != b.end)
        to = move(to, compare(a.at, b.at) <= 0 ? &a : &b, size);
    memcpy(to, a.at, (size_t)(a.end - a.at));
    to += a.end - a.at;
    memcpy(to, b.at, (size_t)(b.end - b.at));
    return to + (b.end - b.at);
}

/* Merges neighbouring runs of width bytes of from into to. */
static void pass(uint8_t *to, const uint8_t *from, size_t total, size_t width, size_t size,
                 sort_compare *compare)
{
    const uint8_t *end = from + total;
    while (from < end) {
        const uint8_t *middle = from + MIN(width, (size_t)(end - from));
        const uint8_t *stop = middle + MIN(width, (size_t)(end - middle));
        struct run a = {from, middle};
        struct run b = {middle, stop};
        to = merge(to, a, b, size, compare);
        from = stop;
    }
}

static bool in_order(const uint8_t *items, size_t total, size_t size, sort_compare *compare)
{
    for (size_t at = size; at < total; at += size) {
        if (compare(items + at - size, items + at) > 0)
            return false;
    }
    return true;
}

enum err sort_stable(struct mem *mem, void *items, size_t count, size_t size, sort_compare *compare)
{
    ASSERT(size > 0);
    ASSERT(count <= SIZE_MAX / 2 / size); /* of items that exist: so no sum here overflows */
    size_t total = count * size;
    if (in_order(items, total, size, compare))
        return ERR_NONE;
    uint8_t *scratch = mem_alloc(mem, total);
    if (scratch == NULL)
        return ERR_NOMEM;
    uint8_t *from = items, *to = scratch;
    for (size_t width = size; width < total; width *= 2) {
        pass(to, from, total, width, size, compare);
        uint8_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != items)
        memcpy(items, from, total);
    mem_free(mem, scratch);
    return ERR_NONE;
}
