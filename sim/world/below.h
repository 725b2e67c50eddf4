/* below.h - what a node's heap is made of: one of two ways to have blocks that are dropped all at
 * once. Between heap.c and those two alone. */
#ifndef KILN_WORLD_BELOW_H
#define KILN_WORLD_BELOW_H

#include "world/own.h"

struct below;

/* Blocks are aligned to 16; NULL: there is no more. */
struct below_impl {
    enum err (*begin)(struct below *below); /* a life: empty. ERR_NOMEM */
    void (*drop)(struct below *below);      /* the life's end: nothing of it can be reached */
    void (*free)(struct below *below);
    void (*seal)(struct below *below, bool sealed);
    void *(*alloc)(struct below *below, size_t size);
    void *(*realloc)(struct below *below, void *p, size_t size);
    void (*give)(struct below *below, void *p);
    size_t (*size)(void *p); /* bytes that it has room for */
};

struct below {
    const struct below_impl *impl;
    struct mem *mem; /* of the record itself */
    size_t used;     /* bytes taken from the system, or handed out */
};

/* arena.c: jemalloc on an address range of the node's own. displaced: the same, elsewhere in every
 * bit that may differ. ERR_NOMEM: no memory or no address range. */
enum err world_arena_new(struct below **out, const struct world_heap_options *options) MUST_USE;
/* blocks.c: a list over malloc, which sanitizers see into. */
enum err world_blocks_new(struct below **out, const struct world_heap_options *options) MUST_USE;

#endif
