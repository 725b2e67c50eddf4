/* sort.h - a stable merge sort; qsort is banned because its algorithm depends on the machine's
 * memory. */
#ifndef KILN_BASE_SORT_H
#define KILN_BASE_SORT_H

#include "base/err.h"
#include "base/mem.h"

typedef int sort_compare(const void *a, const void *b);

/* Sorts count items of size bytes in place; equal items keep their order. ERR_NOMEM leaves them as
 * they were. O(n log n); takes count * size bytes of mem while it runs. */
enum err sort_stable(struct mem *mem, void *items, size_t count, size_t size,
                     sort_compare *compare) MUST_USE;

#endif
