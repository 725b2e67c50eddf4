/* heap.c - the heap of one node, dropped as a whole when the node dies. With KILN_ARENAS a jemalloc
 * arena and cache of its own on an address range of its own, so that no stale pointer finds memory
 * and no address depends on another node; without (sanitizers cannot see into arenas) a list over
 * malloc. */
#include <stdio.h>
#include <stdlib.h>
#include "world/inside.h"
#ifdef KILN_ARENAS
#include <sys/mman.h>
#include <jemalloc/jemalloc.h>
#endif

/* Freed blocks up to this size go through a stash in shuffled order. */
#define STASH_CLASS_BYTES 64
#define STASH_CLASSES 64
#define STASH_DEPTH 8

struct world_heap {
    struct mem mem;
    struct world_heap_options options;
    struct rng shuffler;
    void *stash[STASH_CLASSES][STASH_DEPTH];
    uint32_t lives;
#ifdef KILN_ARENAS
    extent_hooks_t hooks;
    uint8_t *range; /* two halves: lives take turns, and what the last one had faults */
    uint8_t *half;  /* of the life that runs; NULL when none does */
    size_t used;    /* of the half */
    unsigned arena, cache;
    int flags;
#else
    struct list blocks;
    size_t used;
#endif
};

/* ---- the blocks below: arena or list ---- */

#ifdef KILN_ARENAS

/* Ranges begin where neither programs nor their libraries are put. */
#define RANGE_FIRST 0x100000000000ull
#define RANGES 8
#define RANGE_SIZE (2 * WORLD_NODE_BYTES_MAX)
#define RANGE_TRIES 64
#define RANGE_SHIFT (RANGE_SIZE * WORLD_NODES_MAX * RANGE_TRIES)
/* Larger blocks of jemalloc begin at a random offset in their page unless aligned. */
#define ALIGNED_FROM 14336

static struct world_heap *of_hooks(extent_hooks_t *hooks)
{
    return CONTAINER_OF(hooks, struct world_heap, hooks);
}

static void *extent_alloc(extent_hooks_t *hooks, void *at, size_t size, size_t align, bool *zero,
                          bool *commit, unsigned arena)
{
    (void)arena;
    struct world_heap *heap = of_hooks(hooks);
    uintptr_t next = (uintptr_t)heap->half + heap->used;
    uintptr_t begin = (next + align - 1) / align * align;
    size_t end = begin - (uintptr_t)heap->half + size;
    if (end > WORLD_NODE_BYTES_MAX || (at != NULL && (uintptr_t)at != begin))
        return NULL;
    heap->used = end;
    *zero = true; /* straight from mmap or MADV_DONTNEED */
    *commit = true;
    return (void *)begin;
}

/* True: no, keep it. */
static bool extent_refuse(extent_hooks_t *hooks, void *at, size_t size, bool committed,
                          unsigned arena)
{
    (void)hooks, (void)at, (void)size, (void)committed, (void)arena;
    return true;
}

/* The whole range is dropped afterwards. */
static void extent_destroy(extent_hooks_t *hooks, void *at, size_t size, bool committed,
                           unsigned arena)
{
    (void)hooks, (void)at, (void)size, (void)committed, (void)arena;
}

static bool extent_split(extent_hooks_t *hooks, void *at, size_t size, size_t a, size_t b,
                         bool committed, unsigned arena)
{
    (void)hooks, (void)at, (void)size, (void)a, (void)b, (void)committed, (void)arena;
    return false;
}

static bool extent_merge(extent_hooks_t *hooks, void *a, size_t size_a, void *b, size_t size_b,
                         bool committed, unsigned arena)
{
    (void)hooks, (void)a, (void)size_a, (void)b, (void)size_b, (void)committed, (void)arena;
    return false;
}

static const extent_hooks_t extent_hooks = {
    .alloc = extent_alloc,
    .dalloc = extent_refuse,
    .destroy = extent_destroy,
    .split = extent_split,
    .merge = extent_merge,
};

/* Another world of this process may have the range: the next one then. */
static enum err take_range(struct world_heap *heap)
{
    uint64_t first = RANGE_FIRST + heap->options.range % RANGES * RANGE_SHIFT;
    for (uint64_t try = 0; try < RANGE_TRIES; try++) {
        uint64_t at = first + (try * WORLD_NODES_MAX + heap->options.node) * RANGE_SIZE;
        void *range =
            mmap((void *)at, RANGE_SIZE, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (range == (void *)at) {
            heap->range = range;
            return ERR_NONE;
        }
        if (range != MAP_FAILED)
            munmap(range, RANGE_SIZE); /* kernels before 4.17 take the address as a hint */
    }
    return ERR_NOMEM;
}

static enum err below_new(struct world_heap *heap)
{
    heap->hooks = extent_hooks;
    return take_range(heap);
}

static void below_free(struct world_heap *heap)
{
    if (heap->range != NULL)
        munmap(heap->range, RANGE_SIZE);
}

static void set_decay(unsigned arena, const char *which)
{
    char name[64];
    ssize_t never = -1; /* decay follows the real clock */
    snprintf(name, sizeof name, "arena.%u.%s_decay_ms", arena, which);
    int e = mallctl(name, NULL, NULL, &never, sizeof never);
    ASSERT(e == 0);
}

static enum err below_open(struct world_heap *heap)
{
    heap->half = heap->range + (heap->lives % 2) * WORLD_NODE_BYTES_MAX;
    heap->used = 0;
    if (mprotect(heap->half, WORLD_NODE_BYTES_MAX, PROT_READ | PROT_WRITE) != 0)
        return ERR_NOMEM;
    extent_hooks_t *hooks = &heap->hooks;
    size_t size = sizeof heap->arena;
    if (mallctl("arenas.create", &heap->arena, &size, &hooks, sizeof hooks) != 0)
        return ERR_NOMEM;
    set_decay(heap->arena, "dirty");
    set_decay(heap->arena, "muzzy");
    size = sizeof heap->cache;
    int e = mallctl("tcache.create", &heap->cache, &size, NULL, 0);
    ASSERT(e == 0);
    heap->flags = (int)(MALLOCX_ARENA(heap->arena) | MALLOCX_TCACHE(heap->cache));
    return ERR_NONE;
}

static void below_drop(struct world_heap *heap)
{
    char name[64];
    int e = mallctl("tcache.destroy", NULL, NULL, &heap->cache, sizeof heap->cache);
    ASSERT(e == 0);
    snprintf(name, sizeof name, "arena.%u.destroy", heap->arena);
    e = mallctl(name, NULL, NULL, NULL, 0);
    ASSERT(e == 0);
    e = madvise(heap->half, heap->used, MADV_DONTNEED);
    ASSERT(e == 0);
    e = mprotect(heap->half, WORLD_NODE_BYTES_MAX, PROT_NONE);
    ASSERT(e == 0);
    heap->half = NULL;
    heap->used = 0;
}

static int flags_for(const struct world_heap *heap, size_t size)
{
    return size > ALIGNED_FROM ? heap->flags | MALLOCX_ALIGN(4096) : heap->flags;
}

static void *below_alloc(struct world_heap *heap, size_t size)
{
    return mallocx(size, flags_for(heap, size));
}

static void *below_realloc(struct world_heap *heap, void *p, size_t size)
{
    return rallocx(p, size, flags_for(heap, size));
}

static void below_give(struct world_heap *heap, void *p)
{
    dallocx(p, heap->flags);
}

static size_t below_size(void *p)
{
    return sallocx(p, 0);
}

#else

struct block {
    struct list link;
    size_t size;
    _Alignas(16) uint8_t data[];
};

static enum err below_new(struct world_heap *heap)
{
    list_init(&heap->blocks);
    return ERR_NONE;
}

static void below_free(struct world_heap *heap)
{
    (void)heap;
}

static enum err below_open(struct world_heap *heap)
{
    ASSERT(list_empty(&heap->blocks));
    heap->used = 0;
    return ERR_NONE;
}

static void below_drop(struct world_heap *heap)
{
    LIST_EACH (block, &heap->blocks, struct block, link)
        free(block);
    list_init(&heap->blocks);
    heap->used = 0;
}

static struct block *block_of(void *p)
{
    return CONTAINER_OF(p, struct block, data);
}

static void *below_alloc(struct world_heap *heap, size_t size)
{
    if (size > WORLD_NODE_BYTES_MAX - heap->used)
        return NULL;
    struct block *block = malloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    block->size = size;
    heap->used += size;
    list_init(&block->link);
    list_push_back(&heap->blocks, &block->link);
    return block->data;
}

static void below_give(struct world_heap *heap, void *p)
{
    struct block *block = block_of(p);
    list_remove(&block->link);
    heap->used -= block->size;
    free(block);
}

static size_t below_size(void *p)
{
    return block_of(p)->size;
}

static void *below_realloc(struct world_heap *heap, void *p, size_t size)
{
    void *grown = below_alloc(heap, size);
    if (grown == NULL)
        return NULL;
    memcpy(grown, p, MIN(size, below_size(p)));
    below_give(heap, p);
    return grown;
}

#endif

/* ---- struct mem over them ---- */

static struct world_heap *of_mem(struct mem *mem)
{
    return CONTAINER_OF(mem, struct world_heap, mem);
}

static bool refused(struct world_heap *heap, size_t size)
{
    return FAULT(heap->options.engine, ALLOC, heap->options.node, size) != ERR_NONE;
}

static void *heap_alloc(struct mem *mem, size_t size)
{
    struct world_heap *heap = of_mem(mem);
    if (refused(heap, size))
        return NULL;
    void *p = below_alloc(heap, size);
    if (p != NULL && heap->options.poison != 0)
        memset(p, heap->options.poison, below_size(p));
    return p;
}

static void *heap_realloc(struct mem *mem, void *p, size_t size)
{
    struct world_heap *heap = of_mem(mem);
    bool poisons = heap->options.poison != 0;
    if (refused(heap, size))
        return NULL;
    size_t kept = poisons ? MIN(size, below_size(p)) : 0;
    uint8_t *moved = below_realloc(heap, p, size);
    if (moved != NULL && poisons)
        memset(moved + kept, heap->options.poison, below_size(moved) - kept);
    return moved;
}

/* Gives it to the stash, and some other block of that class to those below. */
static void *stashed(struct world_heap *heap, void *p, size_t size)
{
    size_t class = size / STASH_CLASS_BYTES;
    if (class >= STASH_CLASSES)
        return p;
    void **place = &heap->stash[class][random_below(rng_next(&heap->shuffler), STASH_DEPTH)];
    void *other = *place;
    *place = p;
    return other;
}

static void heap_free(struct mem *mem, void *p)
{
    struct world_heap *heap = of_mem(mem);
    bool plain = !heap->options.shuffle && heap->options.poison == 0;
    size_t size = plain ? 0 : below_size(p);
    if (heap->options.poison != 0)
        memset(p, (uint8_t)~heap->options.poison, size);
    if (heap->options.shuffle)
        p = stashed(heap, p, size);
    if (p != NULL)
        below_give(heap, p);
}

/* ---- lives ---- */

enum err world_heap_new(struct world_heap **out, const struct world_heap_options *options)
{
    static const struct mem_impl impl = {
        .alloc = heap_alloc, .realloc = heap_realloc, .free = heap_free};
    struct world_heap *heap = mem_zalloc(options->mem, sizeof *heap);
    if (heap == NULL)
        return ERR_NOMEM;
    heap->options = *options;
    heap->mem.impl = &impl;
    enum err e = below_new(heap);
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
    below_free(heap);
    mem_free(heap->options.mem, heap);
}

enum err world_heap_open(struct world_heap *heap, struct mem **out)
{
    enum err e = below_open(heap);
    if (e != ERR_NONE)
        return e;
    heap->lives++;
    heap->mem.live_count = 0;
    heap->shuffler.state = heap->options.node;
    memset(heap->stash, 0, sizeof heap->stash);
    *out = &heap->mem;
    return ERR_NONE;
}

void world_heap_drop(struct world_heap *heap)
{
    below_drop(heap);
}

int64_t world_heap_bytes(const struct world_heap *heap)
{
    return (int64_t)heap->used;
}
