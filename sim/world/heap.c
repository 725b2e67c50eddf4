/* heap.c - the heap of one node, dropped as a whole when the node dies. What must not matter is
 * made to differ here: the order in which blocks come back, and what fresh ones hold. */
#include "world/below.h"

/* Freed blocks up to this size go through a stash in shuffled order; one class holds blocks of one
 * size only where these are multiples of it. */
#define STASH_CLASS_BYTES 16
#define STASH_CLASSES 65
#define STASH_DEPTH 8
#define BURNT_MAX                                                                                  \
    4 /* blocks of a size that nobody uses, before the first one that somebody does                \
       */

struct world_heap {
    struct mem mem;
    struct world_heap_options options;
    struct below *below;
    struct rng shuffler;
    void *stash[STASH_CLASSES][STASH_DEPTH];
};

static struct world_heap *of_mem(struct mem *mem)
{
    return CONTAINER_OF(mem, struct world_heap, mem);
}

static size_t size_of(const struct world_heap *heap, void *p)
{
    return heap->below->impl->size(p);
}

static bool refused(struct world_heap *heap, size_t size)
{
    return FAULT(heap->options.points, ALLOC, size) != ERR_NONE;
}

/* ---- shuffling ---- */

/* NULL: blocks of that size are not shuffled. */
static void **draw_place(struct world_heap *heap, size_t size)
{
    size_t class = size / STASH_CLASS_BYTES;
    if (class >= STASH_CLASSES)
        return NULL;
    return &heap->stash[class][random_below(rng_next(&heap->shuffler), STASH_DEPTH)];
}

/* Gives it to the stash, and some other block of that class to those below. */
static void *swap_freed(struct world_heap *heap, void *p, size_t size)
{
    void **place = draw_place(heap, size);
    if (place == NULL)
        return p;
    void *other = *place;
    *place = p;
    return other;
}

/* The same for a block that is handed out, where there is another one of exactly its size. */
static void *swap_fresh(struct world_heap *heap, void *p)
{
    size_t size = size_of(heap, p);
    void **place = draw_place(heap, size);
    if (place == NULL || *place == NULL || size_of(heap, *place) != size)
        return p;
    void *other = *place;
    *place = p;
    return other;
}

/* The first blocks of a life find a full stash and heaps that others have begun. */
static void burn(struct world_heap *heap)
{
    for (size_t size = 1; size / STASH_CLASS_BYTES < STASH_CLASSES;) {
        uint64_t burnt = random_below(rng_next(&heap->shuffler), BURNT_MAX);
        void *p = NULL;
        for (uint64_t i = 0; i < STASH_DEPTH + burnt; i++) {
            p = heap->below->impl->alloc(heap->below, size);
            if (p == NULL)
                return;
            if (i >= burnt)
                (void)swap_freed(heap, p, size_of(heap, p)); /* another one is burnt, too */
        }
        size = MAX(size_of(heap, p) + 1, size + size / 4);
    }
}

/* ---- struct mem ---- */

static void *heap_alloc(struct mem *mem, size_t size)
{
    struct world_heap *heap = of_mem(mem);
    if (refused(heap, size))
        return NULL;
    void *p = heap->below->impl->alloc(heap->below, size);
    if (p != NULL && heap->options.memory.shuffle)
        p = swap_fresh(heap, p);
    if (p != NULL && heap->options.memory.poison != 0)
        memset(p, heap->options.memory.poison, size_of(heap, p));
    return p;
}

static void *heap_realloc(struct mem *mem, void *p, size_t size)
{
    struct world_heap *heap = of_mem(mem);
    bool poisons = heap->options.memory.poison != 0;
    if (refused(heap, size))
        return NULL;
    size_t kept = poisons ? MIN(size, size_of(heap, p)) : 0;
    uint8_t *moved = heap->below->impl->realloc(heap->below, p, size);
    if (moved != NULL && poisons)
        memset(moved + kept, heap->options.memory.poison, size_of(heap, moved) - kept);
    return moved;
}

static void heap_free(struct mem *mem, void *p)
{
    struct world_heap *heap = of_mem(mem);
    bool plain = !heap->options.memory.shuffle && heap->options.memory.poison == 0;
    size_t size = plain ? 0 : size_of(heap, p);
    if (heap->options.memory.poison != 0)
        memset(p, (uint8_t)~heap->options.memory.poison, size);
    if (heap->options.memory.shuffle)
        p = swap_freed(heap, p, size);
    if (p != NULL)
        heap->below->impl->give(heap->below, p);
}

/* ---- lives ---- */

static enum err new_below(struct below **out, const struct world_heap_options *options)
{
#ifdef KILN_ARENAS
    if (!options->memory.plain)
        return world_arena_new(out, options);
#endif
    return world_blocks_new(out, options);
}

enum err world_heap_new(struct world_heap **out, const struct world_heap_options *options)
{
    static const struct mem_impl impl = {
        .alloc = heap_alloc, .realloc = heap_realloc, .free = heap_free};
    struct world_heap *heap = mem_zalloc(options->mem, sizeof *heap);
    if (heap == NULL)
        return ERR_NOMEM;
    heap->options = *options;
    heap->mem.impl = &impl;
    enum err e = new_below(&heap->below, options);
    if (e != ERR_NONE)
        mem_free(options->mem, heap);
    else
        *out = heap;
    return e;
}

void world_heap_free(struct world_heap *heap)
{
    if (heap == NULL)
        return;
    heap->below->impl->free(heap->below);
    mem_free(heap->options.mem, heap);
}

enum err world_heap_open(struct world_heap *heap, struct mem **out)
{
    enum err e = heap->below->impl->begin(heap->below);
    if (e != ERR_NONE)
        return e;
    heap->mem.live_count = 0;
    heap->shuffler.state = (uint64_t)heap->options.memory.range << 32 | heap->options.node;
    memset(heap->stash, 0, sizeof heap->stash);
    if (heap->options.memory.shuffle)
        burn(heap);
    *out = &heap->mem;
    return ERR_NONE;
}

void world_heap_drop(struct world_heap *heap)
{
    heap->below->impl->drop(heap->below);
}

void world_heap_seal(struct world_heap *heap, bool sealed)
{
    heap->below->impl->seal(heap->below, sealed);
}

int64_t world_heap_bytes(const struct world_heap *heap)
{
    return (int64_t)heap->below->used;
}
