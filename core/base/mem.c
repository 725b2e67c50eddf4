/* mem.c - the system heap, and arenas over any heap. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

static void *system_alloc(struct mem *mem, size_t size)
{
    (void)mem;
    return malloc(size);
}

static void *system_realloc(struct mem *mem, void *p, size_t size)
{
    (void)mem;
    return realloc(p, size);
}

static void system_free(struct mem *mem, void *p)
{
    (void)mem;
    free(p);
}

void mem_system(struct mem *mem)
{
    static const struct mem_impl impl = {
        .alloc = system_alloc, .realloc = system_realloc, .free = system_free};
    *mem = (struct mem){.impl = &impl};
}

void *mem_alloc(struct mem *mem, size_t size)
{
    ASSERT(size > 0);
    void *p = mem->impl->alloc(mem, size);
    mem->live_count += p != NULL;
    return p;
}

void *mem_zalloc(struct mem *mem, size_t size)
{
    void *p = mem_alloc(mem, size);
    if (p != NULL)
        memset(p, 0, size);
    return p;
}

void *mem_array(struct mem *mem, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return mem_zalloc(mem, MAX(total, 1));
}

void *mem_realloc(struct mem *mem, void *p, size_t size)
{
    ASSERT(size > 0);
    if (p == NULL)
        return mem_alloc(mem, size);
    return mem->impl->realloc(mem, p, size);
}

char *mem_text(struct mem *mem, const char *text, size_t size)
{
    char *copy = mem_alloc(mem, size + 1);
    if (copy == NULL)
        return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

void mem_free(struct mem *mem, void *p)
{
    if (p == NULL)
        return;
    mem->live_count--;
    ASSERT(mem->live_count >= 0);
    mem->impl->free(mem, p);
}

#define ARENA_BLOCK_SIZE 4096
#define ARENA_ALIGN 16

struct arena_block {
    struct arena_block *older;
    size_t cap;
    _Alignas(ARENA_ALIGN) uint8_t data[];
};

void arena_init(struct arena *arena, struct mem *mem, size_t limit)
{
    *arena = (struct arena){.mem = mem, .limit = limit};
}

static bool add_block(struct arena *arena, size_t size)
{
    size_t cap = MAX(size, ARENA_BLOCK_SIZE - sizeof(struct arena_block));
    struct arena_block *block = mem_alloc(arena->mem, sizeof *block + cap);
    if (block == NULL)
        return false;
    block->older = arena->blocks;
    block->cap = cap;
    arena->blocks = block;
    arena->used = 0;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > arena->limit - arena->total)
        return NULL;
    size_t rounded = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    bool fits = arena->blocks != NULL && rounded <= arena->blocks->cap - arena->used;
    if (!fits && !add_block(arena, rounded))
        return NULL;
    void *p = arena->blocks->data + arena->used;
    arena->used += rounded;
    arena->total += size;
    return memset(p, 0, rounded);
}

void arena_reset(struct arena *arena)
{
    while (arena->blocks != NULL && arena->blocks->older != NULL) {
        struct arena_block *older = arena->blocks->older;
        mem_free(arena->mem, arena->blocks);
        arena->blocks = older;
    }
    arena->used = 0;
    arena->total = 0;
}

void arena_free(struct arena *arena)
{
    arena_reset(arena);
    mem_free(arena->mem, arena->blocks);
    arena->blocks = NULL;
}
