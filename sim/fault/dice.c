/* dice.c - keyed chance. Pure: a draw depends on its key and on how often that key was drawn, and
 * on nothing else. */
#include "fault/fault.h"

enum err fault_dice_init(struct fault_dice *dice, struct mem *mem, uint64_t seed)
{
    *dice = (struct fault_dice){.mem = mem, .seed = seed};
    dice->counts = mem_array(mem, FAULT_COUNTS, sizeof *dice->counts);
    return dice->counts == NULL ? ERR_NOMEM : ERR_NONE;
}

void fault_dice_free(struct fault_dice *dice)
{
    mem_free(dice->mem, dice->counts);
    dice->counts = NULL;
}

uint64_t fault_draw(struct fault_dice *dice, uint32_t node, uint64_t use, uint64_t key)
{
    uint64_t what = hash_combine(hash_combine(use, node), key);
    uint32_t count = dice->counts[what % FAULT_COUNTS]++;
    return hash_combine(hash_combine(dice->seed, what), count);
}
