/* budget.c - the heap of the connections: what strangers may make the broker hold, all of them
 * together. It never gives out more than bytes_max. */
#include "node/internal.h"

/* Before each piece; 16 bytes, so that what follows is aligned as the heap aligned it. */
struct piece {
    uint64_t size, unused;
};

static struct budget *budget_of(struct mem *mem)
{
    return CONTAINER_OF(mem, struct budget, mem);
}

static bool take(struct budget *budget, uint64_t size)
{
    if (size > (uint64_t)(budget->bytes_max - budget->bytes))
        return false;
    budget->bytes += (int64_t)size;
    return true;
}

static void *budget_alloc(struct mem *mem, size_t size)
{
    struct budget *budget = budget_of(mem);
    if (size > SIZE_MAX - sizeof(struct piece) || !take(budget, size))
        return NULL;
    struct piece *piece = mem_alloc(budget->heap, sizeof *piece + size);
    if (piece == NULL) {
        budget->bytes -= (int64_t)size;
        return NULL;
    }
    piece->size = size;
    return piece + 1;
}

static void *budget_realloc(struct mem *mem, void *p, size_t size)
{
    struct budget *budget = budget_of(mem);
    struct piece *piece = (struct piece *)p - 1;
    uint64_t old = piece->size;
    if (size > SIZE_MAX - sizeof *piece || (size > old && !take(budget, size - old)))
        return NULL;
    struct piece *moved = mem_realloc(budget->heap, piece, sizeof *piece + size);
    if (moved == NULL) {
        budget->bytes -= size > old ? (int64_t)(size - old) : 0;
        return NULL;
    }
    budget->bytes -= size < old ? (int64_t)(old - size) : 0;
    moved->size = size;
    return moved + 1;
}

static void budget_free(struct mem *mem, void *p)
{
    struct budget *budget = budget_of(mem);
    struct piece *piece = (struct piece *)p - 1;
    budget->bytes -= (int64_t)piece->size;
    ASSERT(budget->bytes >= 0);
    mem_free(budget->heap, piece);
}

void broker_budget_init(struct budget *budget, struct mem *heap, int64_t bytes_max)
{
    static const struct mem_impl impl = {
        .alloc = budget_alloc, .realloc = budget_realloc, .free = budget_free};
    *budget = (struct budget){.mem = {.impl = &impl}, .heap = heap, .bytes_max = bytes_max};
}
