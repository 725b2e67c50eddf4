/* dice.c - keyed chance. Pure: a draw depends on its key and on how often that key was drawn in
 * this life, and on nothing else; no two keys share a count. */
#include "fault/inside.h"

#define CAP_MIN 64

/* A byte for each place: 0 where it is empty, else TAG and six bits of the key, and AGAIN once the
 * key was asked a second time. Most keys are asked once, and most that are looked for are not
 * there: neither touches more than these bytes, which are few enough to stay near the CPU. */
enum { TAG = 0x40, AGAIN = 0x80 };

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

static uint8_t tag_of(uint64_t key)
{
    return TAG | (uint8_t)(key >> 58);
}

/* The place of that key, or the empty one where it belongs. */
static uint32_t place_of(const struct fault_table *table, uint64_t key)
{
    uint32_t at = (uint32_t)key & (table->cap - 1);
    uint8_t tag = tag_of(key);
    while (table->tags[at] != 0 && ((table->tags[at] & ~AGAIN) != tag || table->keys[at] != key))
        at = (at + 1) & (table->cap - 1);
    return at;
}

static uint64_t count_at(const struct fault_table *table, uint32_t at)
{
    uint8_t tag = table->tags[at];
    return (tag & AGAIN) != 0 ? table->counts[at] : tag != 0;
}

/* count: how often, this time included. */
static void set(struct fault_table *table, uint32_t at, uint64_t key, uint64_t count)
{
    table->used += table->tags[at] == 0;
    table->tags[at] = tag_of(key) | (count > 1 ? AGAIN : 0);
    table->keys[at] = key;
    if (count > 1)
        table->counts[at] = count;
}

static struct fault_table *new_table(struct fault_counts *counts, uint32_t cap)
{
    size_t data_size = (size_t)cap * (2 * sizeof(uint64_t) + 1);
    struct fault_table *table = mem_alloc(counts->mem, sizeof *table + data_size);
    ASSERT(table != NULL); /* of the simulator itself, not of a node */
    table->keys = table->data;
    table->counts = table->keys + cap;
    table->tags = (uint8_t *)(table->counts + cap);
    table->cap = cap;
    table->used = 0;
    memset(table->tags, 0, cap);
    return table;
}

static void grow(struct fault_counts *counts)
{
    struct fault_table *small = counts->young;
    struct fault_table *table = new_table(counts, small == NULL ? CAP_MIN : 2 * small->cap);
    for (uint32_t i = 0; small != NULL && i < small->cap; i++)
        if (small->tags[i] != 0)
            set(table, place_of(table, small->keys[i]), small->keys[i], count_at(small, i));
    mem_free(counts->mem, small);
    counts->young = table;
}

/* The young become the old, and those that were old already are forgotten. As many are to come. */
static void grow_old(struct fault_counts *counts)
{
    struct fault_table *empty = counts->old;
    counts->old = counts->young;
    if (empty == NULL) {
        counts->young = new_table(counts, counts->old->cap);
        return;
    }
    empty->used = 0;
    memset(empty->tags, 0, empty->cap);
    counts->young = empty;
}

uint64_t fault_count(struct fault_counts *counts, uint64_t key)
{
    if (counts->young != NULL && counts->young->used == FAULT_KEYS_MAX)
        grow_old(counts);
    if (counts->young == NULL || 2 * counts->young->used >= counts->young->cap)
        grow(counts);
    struct fault_table *young = counts->young;
    const struct fault_table *old = counts->old;
    uint32_t at = place_of(young, key);
    uint64_t before = count_at(young, at);
    if (before == 0 && old != NULL)
        before = count_at(old, place_of(old, key));
    set(young, at, key, before + 1);
    return before;
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

uint64_t fault_draw_at(const struct fault_dice *dice, uint32_t node, uint64_t use, uint64_t key,
                       int64_t now_ns)
{
    ASSERT(node < FAULT_NODES_MAX);
    uint64_t what = hash_combine(use, key);
    return hash_combine(hash_combine(dice->nodes[node].of_life, what), (uint64_t)now_ns);
}
