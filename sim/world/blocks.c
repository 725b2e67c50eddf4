/* blocks.c - a heap as a list of blocks from malloc, for sanitizers, which do not see into arenas,
 * and for whoever wants addresses that nobody has chosen. */
#include <stdlib.h>
#include "world/below.h"

struct block {
    struct list link;
    size_t size;
    _Alignas(16) uint8_t data[];
};

struct blocks_below {
    struct below below;
    _Alignas(16) struct list blocks; /* aligned as its blocks are: a walk takes it for one */
};

static struct blocks_below *of_below(struct below *below)
{
    return CONTAINER_OF(below, struct blocks_below, below);
}

static enum err blocks_begin(struct below *below)
{
    ASSERT(list_empty(&of_below(below)->blocks));
    below->used = 0;
    return ERR_NONE;
}

static void blocks_drop(struct below *below)
{
    struct list *blocks = &of_below(below)->blocks;
    LIST_EACH (block, blocks, struct block, link)
        free(block);
    list_init(blocks);
    below->used = 0;
}

static void blocks_free(struct below *below)
{
    blocks_drop(below);
    mem_free(below->mem, of_below(below));
}

/* Nobody here has pages of his own. */
static void blocks_seal(struct below *below, bool sealed)
{
    (void)below, (void)sealed;
}

static struct block *block_of(void *p)
{
    return CONTAINER_OF(p, struct block, data);
}

static void *blocks_alloc(struct below *below, size_t size)
{
    if (size > WORLD_NODE_BYTES_MAX - below->used)
        return NULL;
    struct block *block = malloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    block->size = size;
    below->used += size;
    list_init(&block->link);
    list_push_back(&of_below(below)->blocks, &block->link);
    return block->data;
}

static void blocks_give(struct below *below, void *p)
{
    struct block *block = block_of(p);
    list_remove(&block->link);
    below->used -= block->size;
    free(block);
}

static size_t blocks_size(void *p)
{
    return block_of(p)->size;
}

static void *blocks_realloc(struct below *below, void *p, size_t size)
{
    void *grown = blocks_alloc(below, size);
    if (grown == NULL)
        return NULL;
    memcpy(grown, p, MIN(size, blocks_size(p)));
    blocks_give(below, p);
    return grown;
}

enum err world_blocks_new(struct below **out, const struct world_heap_options *options)
{
    static const struct below_impl impl = {
        .begin = blocks_begin,
        .drop = blocks_drop,
        .free = blocks_free,
        .seal = blocks_seal,
        .alloc = blocks_alloc,
        .realloc = blocks_realloc,
        .give = blocks_give,
        .size = blocks_size,
    };
    struct blocks_below *b = mem_zalloc(options->mem, sizeof *b);
    if (b == NULL)
        return ERR_NOMEM;
    b->below = (struct below){.impl = &impl, .mem = options->mem};
    list_init(&b->blocks);
    *out = &b->below;
    return ERR_NONE;
}
