/* dice.c - keyed chance. Pure: a draw depends on its key and on how often that key was drawn in
 * this life, and on nothing else; no two keys share a count. */
#include "fault/fault.h"

#define CAP_MIN 64

/* Of an open table with linear probing; key 0 is an empty place. */
struct fault_count {
    uint64_t key, count;
};

void fault_counts_init(struct fault_counts *counts, struct mem *mem)
{
    *counts = (struct fault_counts){.mem = mem};
}

void fault_counts_clear(struct fault_counts *counts)
{
    mem_free(counts->mem, counts->young);
    mem_free(counts->mem, counts->old);
    fault_counts_init(counts, counts->mem);
}

/* The place of that key, or the empty one where it belongs. */
static struct fault_count *place_of(struct fault_count *table, uint32_t cap, uint64_t key)
{
    uint32_t at = (uint32_t)key & (cap - 1);
    while (table[at].key != 0 && table[at].key != key)
        at = (at + 1) & (cap - 1);
    return &table[at];
}

static struct fault_count *new_table(struct fault_counts *counts, uint32_t cap)
{
    struct fault_count *table = mem_array(counts->mem, cap, sizeof *table);
    ASSERT(table != NULL); /* of the simulator itself, not of a node */
    return table;
}

static void grow(struct fault_counts *counts)
{
    uint32_t cap = counts->young_cap == 0 ? CAP_MIN : 2 * counts->young_cap;
    struct fault_count *table = new_table(counts, cap);
    for (uint32_t i = 0; i < counts->young_cap; i++)
        if (counts->young[i].key != 0)
            *place_of(table, cap, counts->young[i].key) = counts->young[i];
    mem_free(counts->mem, counts->young);
    counts->young = table;
    counts->young_cap = cap;
}

/* The young become the old, and those that were old already are forgotten. */
static void grow_old(struct fault_counts *counts)
{
    mem_free(counts->mem, counts->old);
    counts->old = counts->young;
    counts->old_cap = counts->young_cap;
    counts->young = NULL;
    counts->young_cap = counts->young_used = 0;
}

static uint64_t count_when_old(const struct fault_counts *counts, uint64_t key)
{
    return counts->old == NULL ? 0 : place_of(counts->old, counts->old_cap, key)->count;
}

uint64_t fault_count(struct fault_counts *counts, uint64_t key)
{
    key = key == 0 ? 1 : key;
    if (counts->young_used == FAULT_KEYS_MAX)
        grow_old(counts);
    if (2 * counts->young_used >= counts->young_cap)
        grow(counts);
    struct fault_count *place = place_of(counts->young, counts->young_cap, key);
    if (place->key == 0) {
        *place = (struct fault_count){key, count_when_old(counts, key)};
        counts->young_used++;
    }
    return place->count++;
}

/* ---- one node ---- */

void fault_chance_init(struct fault_chance *chance, struct mem *mem, uint64_t seed, uint32_t node)
{
    chance->of_node = hash_combine(seed, node);
    fault_counts_init(&chance->counts, mem);
    fault_chance_live(chance, 0);
}

void fault_chance_free(struct fault_chance *chance)
{
    fault_counts_clear(&chance->counts);
}

void fault_chance_live(struct fault_chance *chance, uint32_t life)
{
    chance->of_life = hash_combine(chance->of_node, life);
    fault_counts_clear(&chance->counts);
}

uint64_t fault_chance_draw(struct fault_chance *chance, uint64_t use, uint64_t key)
{
    uint64_t what = hash_combine(use, key);
    return hash_combine(hash_combine(chance->of_life, what), fault_count(&chance->counts, what));
}

/* ---- all of them ---- */

void fault_dice_init(struct fault_dice *dice, struct mem *mem, uint64_t seed)
{
    for (uint32_t node = 0; node < FAULT_NODES_MAX; node++)
        fault_chance_init(&dice->nodes[node], mem, seed, node);
}

void fault_dice_free(struct fault_dice *dice)
{
    for (uint32_t node = 0; node < FAULT_NODES_MAX; node++)
        fault_chance_free(&dice->nodes[node]);
}

void fault_dice_live(struct fault_dice *dice, uint32_t node, uint32_t life)
{
    ASSERT(node < FAULT_NODES_MAX);
    fault_chance_live(&dice->nodes[node], life);
}

uint64_t fault_draw(struct fault_dice *dice, uint32_t node, uint64_t use, uint64_t key)
{
    ASSERT(node < FAULT_NODES_MAX);
    return fault_chance_draw(&dice->nodes[node], use, key);
}
