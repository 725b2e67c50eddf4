/* turn.h - whose turn it is: one word that two of them hand to and fro, each asleep while the other
 * has it. What one wrote before it gave the turn, the other sees. */
#ifndef KILN_SHM_TURN_H
#define KILN_SHM_TURN_H

#include <sched.h>
#include <stdatomic.h>
#include "base/base.h"

enum shm_side {
    SHM_WORLD,
    SHM_NODE,
};

/* Zeroed: it is the world's. May lie in memory that processes share. */
struct shm_turn {
    _Alignas(64) _Atomic uint32_t whose; /* enum shm_side */
};

/* Takes the other's turn away from him who has it. */
void shm_turn_give(struct shm_turn *turn, enum shm_side to);
/* Sleeps until it is that side's. False: after ms of the machine's time it is not (0: it waits for
 * ever). */
bool shm_turn_await(struct shm_turn *turn, enum shm_side side, int64_t ms);

/* Two that never run at once are best off on one processor: a turn given from one to another costs
 * an interrupt, and often a sleeping processor's wake-up. The caller, and what it starts from here
 * on, stay on the one where it runs now; *before is where it was allowed to. */
void shm_pin(cpu_set_t *before);
void shm_unpin(const cpu_set_t *before);

#endif
