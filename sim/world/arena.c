/* arena.c - a heap as a jemalloc arena and cache of its own on an address range of its own, so that
 * no stale pointer finds memory and no address depends on another node. */
#include "world/below.h"
#ifdef KILN_ARENAS
#include <stdio.h>
#include <sys/mman.h>
#include <jemalloc/jemalloc.h>

/* Ranges begin where neither programs nor their libraries are put. */
#define RANGE_FIRST 0x100000000000ull
#define RANGES 8
#define RANGE_SIZE (2 * WORLD_NODE_BYTES_MAX)
#define RANGE_TRIES 64
#define PAGE_BYTES 4096
/* Burnt at the begin of a displaced heap: most of an extent, which is 2 MiB, so that what comes
 * next has other bits between that and a page, too. */
#define BURNT_PAGES 448
#define BURNT_PAGES_DRAWN 16 /* fewer than that at most */
#define RANGE_SHIFT (RANGE_SIZE * WORLD_NODES_MAX * RANGE_TRIES)
/* Larger blocks of jemalloc begin at a random offset in their page unless aligned. */
#define ALIGNED_FROM 14336
/* Small blocks that were given back are kept by size, and the last one is the next that is taken:
 * most of what a handler allocates is small and gone when it returns. */
#define KEPT_STEP 16
#define KEPT_CLASSES 65

/* Lies in the block that is kept. */
struct kept {
    struct kept *next;
};

struct arena_below {
    struct below below;
    extent_hooks_t hooks;
    uint8_t *range; /* two halves: lives take turns, and what the last one had faults */
    uint8_t *half;  /* of the life that runs; NULL when none does */
    uint32_t node, slot;
    bool displaced;
    struct rng rng; /* of the displacement */
    uint32_t lives;
    unsigned arena, cache;
    int flags;
    bool keeps; /* else whoever looks for freed blocks would find what is written into them */
    struct kept *kept[KEPT_CLASSES];
    uint8_t class_of[KEPT_CLASSES]; /* of a size in steps, rounded up: of the block that it gets */
};

static struct arena_below *of_hooks(extent_hooks_t *hooks)
{
    return CONTAINER_OF(hooks, struct arena_below, hooks);
}

static struct arena_below *of_below(struct below *below)
{
    return CONTAINER_OF(below, struct arena_below, below);
}

/* From the half's begin upwards; displaced, from its end downwards, so that every bit of a place is
 * another one. */
static uint8_t *used_at(const struct arena_below *b)
{
    return b->displaced ? b->half + WORLD_NODE_BYTES_MAX - b->below.used : b->half;
}

static uintptr_t next_extent(const struct arena_below *b, size_t size, size_t align)
{
    uintptr_t half = (uintptr_t)b->half;
    if (b->displaced)
        return (half + WORLD_NODE_BYTES_MAX - b->below.used - size) / align * align;
    return (half + b->below.used + align - 1) / align * align;
}

static void *extent_alloc(extent_hooks_t *hooks, void *at, size_t size, size_t align, bool *zero,
                          bool *commit, unsigned arena)
{
    (void)arena;
    struct arena_below *b = of_hooks(hooks);
    if (size > WORLD_NODE_BYTES_MAX - b->below.used)
        return NULL;
    uintptr_t begin = next_extent(b, size, align);
    size_t offset = begin - (uintptr_t)b->half;
    size_t used = b->displaced ? WORLD_NODE_BYTES_MAX - offset : offset + size;
    if (used > WORLD_NODE_BYTES_MAX || (at != NULL && (uintptr_t)at != begin))
        return NULL;
    b->below.used = used;
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
static enum err take_range(struct arena_below *b)
{
    uint64_t first = RANGE_FIRST + b->slot % RANGES * RANGE_SHIFT;
    for (uint64_t try = 0; try < RANGE_TRIES; try++) {
        uint64_t index = try * WORLD_NODES_MAX + b->node;
        index = b->displaced ? RANGE_TRIES * WORLD_NODES_MAX - 1 - index : index;
        uint64_t at = first + index * RANGE_SIZE;
        void *range =
            mmap((void *)at, RANGE_SIZE, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (range == (void *)at) {
            b->range = range;
            return ERR_NONE;
        }
        if (range != MAP_FAILED)
            munmap(range, RANGE_SIZE); /* kernels before 4.17 take the address as a hint */
    }
    return ERR_NOMEM;
}

static void arena_free_all(struct below *below)
{
    struct arena_below *b = of_below(below);
    if (b->range != NULL)
        munmap(b->range, RANGE_SIZE);
    mem_free(below->mem, b);
}

static void set_decay(unsigned arena, const char *which)
{
    char name[64];
    ssize_t never = -1; /* decay follows the real clock */
    snprintf(name, sizeof name, "arena.%u.%s_decay_ms", arena, which);
    int e = mallctl(name, NULL, NULL, &never, sizeof never);
    ASSERT(e == 0);
}

/* In which half the life lies. */
static void choose_half(struct arena_below *b)
{
    uint32_t which = (b->lives++ + b->displaced) % 2;
    b->half = b->range + which * WORLD_NODE_BYTES_MAX;
    b->below.used = 0;
}

static void burn_pages(struct arena_below *b)
{
    uint64_t pages = BURNT_PAGES - random_below(rng_next(&b->rng), BURNT_PAGES_DRAWN);
    void *burnt = mallocx(pages * PAGE_BYTES, b->flags | MALLOCX_ALIGN(PAGE_BYTES));
    ASSERT(burnt != NULL); /* of an empty heap */
}

static void keep_nothing(struct arena_below *b)
{
    memset(b->kept, 0, sizeof b->kept);
    for (size_t i = 1; i < KEPT_CLASSES; i++)
        b->class_of[i] = (uint8_t)(nallocx(i * KEPT_STEP, 0) / KEPT_STEP);
}

static enum err arena_begin(struct below *below)
{
    struct arena_below *b = of_below(below);
    choose_half(b);
    keep_nothing(b);
    if (mprotect(b->half, WORLD_NODE_BYTES_MAX, PROT_READ | PROT_WRITE) != 0)
        return ERR_NOMEM;
    extent_hooks_t *hooks = &b->hooks;
    size_t size = sizeof b->arena;
    if (mallctl("arenas.create", &b->arena, &size, &hooks, sizeof hooks) != 0)
        return ERR_NOMEM;
    set_decay(b->arena, "dirty");
    set_decay(b->arena, "muzzy");
    size = sizeof b->cache;
    int e = mallctl("tcache.create", &b->cache, &size, NULL, 0);
    ASSERT(e == 0);
    b->flags = (int)(MALLOCX_ARENA(b->arena) | MALLOCX_TCACHE(b->cache));
    if (b->displaced)
        burn_pages(b);
    return ERR_NONE;
}

static void arena_drop(struct below *below)
{
    struct arena_below *b = of_below(below);
    char name[64];
    int e = mallctl("tcache.destroy", NULL, NULL, &b->cache, sizeof b->cache);
    ASSERT(e == 0);
    snprintf(name, sizeof name, "arena.%u.destroy", b->arena);
    e = mallctl(name, NULL, NULL, NULL, 0);
    ASSERT(e == 0);
    e = madvise(used_at(b), below->used, MADV_DONTNEED);
    ASSERT(e == 0);
    e = mprotect(b->half, WORLD_NODE_BYTES_MAX, PROT_NONE);
    ASSERT(e == 0);
    b->half = NULL;
    below->used = 0;
}

static void arena_seal(struct below *below, bool sealed)
{
    struct arena_below *b = of_below(below);
    int e = mprotect(used_at(b), below->used, sealed ? PROT_NONE : PROT_READ | PROT_WRITE);
    ASSERT(e == 0);
}

static int flags_for(const struct arena_below *b, size_t size)
{
    return size > ALIGNED_FROM ? b->flags | MALLOCX_ALIGN(PAGE_BYTES) : b->flags;
}

/* NULL: no block of that size is kept. */
static void *take_kept(struct arena_below *b, size_t size)
{
    size_t steps = (size + KEPT_STEP - 1) / KEPT_STEP;
    struct kept **first = steps < KEPT_CLASSES ? &b->kept[b->class_of[steps]] : NULL;
    struct kept *kept = first != NULL ? *first : NULL;
    if (kept != NULL)
        *first = kept->next;
    return kept;
}

static void *arena_take(struct below *below, size_t size)
{
    struct arena_below *b = of_below(below);
    void *kept = take_kept(b, size);
    return kept != NULL ? kept : mallocx(size, flags_for(b, size));
}

static void *arena_retake(struct below *below, void *p, size_t size)
{
    return rallocx(p, size, flags_for(of_below(below), size));
}

static void arena_give(struct below *below, void *p)
{
    struct arena_below *b = of_below(below);
    size_t class = b->keeps ? sallocx(p, 0) / KEPT_STEP : KEPT_CLASSES;
    if (class >= KEPT_CLASSES) {
        dallocx(p, b->flags);
        return;
    }
    struct kept *kept = p;
    kept->next = b->kept[class];
    b->kept[class] = kept;
}

static size_t arena_size(void *p)
{
    return sallocx(p, 0);
}

enum err world_arena_new(struct below **out, const struct world_heap_options *options)
{
    static const struct below_impl impl = {
        .begin = arena_begin,
        .drop = arena_drop,
        .free = arena_free_all,
        .seal = arena_seal,
        .alloc = arena_take,
        .realloc = arena_retake,
        .give = arena_give,
        .size = arena_size,
    };
    struct arena_below *b = mem_zalloc(options->mem, sizeof *b);
    if (b == NULL)
        return ERR_NOMEM;
    b->below = (struct below){.impl = &impl, .mem = options->mem};
    b->hooks = extent_hooks;
    b->node = options->node;
    b->slot = options->memory.range;
    b->displaced = options->memory.displaced;
    b->keeps = options->memory.poison == 0 && !options->memory.shuffle;
    b->rng.state = (uint64_t)options->memory.range << 32 | options->node;
    enum err e = take_range(b);
    if (e != ERR_NONE)
        arena_free_all(&b->below);
    else
        *out = &b->below;
    return e;
}

#endif
