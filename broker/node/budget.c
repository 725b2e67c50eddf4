/* budget.c - the heap of the connections: what strangers may make the broker hold, all of them
 * together. At bytes_max nothing more is received; what was received is answered with what is kept
 * beyond it, and it never gives out more than both. */
#include "node/internal.h"

/* Before each piece; 16 bytes, so that what follows is aligned as the heap aligned it. */
struct piece {
    uint64_t size, unused;
};

static struct budget *budget_of(struct mem *mem)
{
    return CONTAINER_OF(mem, struct budget, mem);
}

static bool has(const struct budget *budget, uint64_t size, int64_t bytes_max)
{
    return budget->bytes <= bytes_max && size <= (uint64_t)(bytes_max - budget->bytes);
}

static bool take(struct budget *budget, uint64_t size)
{
    if (!has(budget, size, budget->bytes_max + budget->beyond_max))
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
    if (size < old)
        conn_lane_freed(&budget->lane);
    return moved + 1;
}

static void budget_free(struct mem *mem, void *p)
{
    struct budget *budget = budget_of(mem);
    struct piece *piece = (struct piece *)p - 1;
    budget->bytes -= (int64_t)piece->size;
    ASSERT(budget->bytes >= 0);
    mem_free(budget->heap, piece);
    conn_lane_freed(&budget->lane);
}

bool broker_budget_has(const struct budget *budget, uint64_t size, enum conn_room level)
{
    const int64_t beyond[] = {
        [CONN_ROOM_COMMON] = 0,
        [CONN_ROOM_SMALL] = budget->beyond_max / BUDGET_SMALL_SHARE,
        [CONN_ROOM_LAST] = budget->beyond_max,
    };
    return has(budget, size, budget->bytes_max + beyond[level]);
}

static bool room(struct conn_lane *lane, uint64_t size, enum conn_room level)
{
    return broker_budget_has(CONTAINER_OF(lane, struct budget, lane), size, level);
}

void broker_budget_init(struct budget *budget, struct env *env, struct mem *heap, int64_t bytes_max,
                        int64_t beyond_max)
{
    static const struct mem_impl impl = {
        .alloc = budget_alloc, .realloc = budget_realloc, .free = budget_free};
    ASSERT(bytes_max > 0);
    ASSERT(beyond_max > 0);
    *budget = (struct budget){.mem = {.impl = &impl},
                              .heap = heap,
                              .bytes_max = MIN(bytes_max, INT64_MAX - beyond_max),
                              .beyond_max = beyond_max};
    conn_lane_init(&budget->lane, env, room);
}

void broker_budget_free(struct budget *budget)
{
    ASSERT(budget->mem.live_count == 0);
    ASSERT(budget->bytes == 0);
    conn_lane_free(&budget->lane);
}
