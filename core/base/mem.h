/* mem.h - memory as a value that is passed in: a heap, and an arena of short-lived pieces in it.
 * A node's whole memory is one struct mem, so that a killed node can be dropped without running its
 * destructors. */
#ifndef KILN_BASE_MEM_H
#define KILN_BASE_MEM_H

#include "base/assert.h"

struct mem;

/* The implementations are mem_system (malloc) and the simulator's node heaps. */
struct mem_impl {
    void *(*alloc)(struct mem *mem, size_t size);            /* NULL: out of memory */
    void *(*realloc)(struct mem *mem, void *p, size_t size); /* NULL: out of memory, p untouched */
    void (*free)(struct mem *mem, void *p);
};

struct mem {
    const struct mem_impl *impl;
    int64_t live_count; /* pieces handed out and not yet freed */
};

/* A heap over malloc. It needs no destructor. */
void mem_system(struct mem *mem);

/* size > 0. Not zeroed. NULL when there is none: every caller answers for it (ERR_NOMEM). */
void *mem_alloc(struct mem *mem, size_t size) MUST_USE;
/* The same, zeroed. */
void *mem_zalloc(struct mem *mem, size_t size) MUST_USE;
/* count * size, zeroed; NULL also when the product overflows. */
void *mem_array(struct mem *mem, size_t count, size_t size) MUST_USE;
/* p may be NULL (then it allocates). On NULL p is still valid. */
void *mem_realloc(struct mem *mem, void *p, size_t size) MUST_USE;
/* A copy with a zero behind it. */
char *mem_text(struct mem *mem, const char *text, size_t size) MUST_USE;
/* p may be NULL. */
void mem_free(struct mem *mem, void *p);

/* Pieces that are freed all at once: what one request decodes to. {0} plus arena_init. */
struct arena_block;
struct arena {
    struct mem *mem;
    struct arena_block *blocks; /* newest first */
    size_t used;                /* in the newest */
    size_t total;               /* bytes handed out since the last reset */
    size_t limit;               /* of total; exceeding it is out of memory */
};

void arena_init(struct arena *arena, struct mem *mem, size_t limit);
/* Zeroed, aligned to 16. NULL when over the limit or out of memory. size 0 gives a valid pointer.
 */
void *arena_alloc(struct arena *arena, size_t size) MUST_USE;
/* Frees all but one block and starts again. */
void arena_reset(struct arena *arena);
/* Frees everything. */
void arena_free(struct arena *arena);

#endif
