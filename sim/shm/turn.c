/* turn.c - a turn is a futex. */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "shm/turn.h"

void shm_turn_give(struct shm_turn *turn, enum shm_side to)
{
    uint32_t before = atomic_exchange_explicit(&turn->whose, to, memory_order_acq_rel);
    ASSERT(before != (uint32_t)to);
    syscall(SYS_futex, &turn->whose, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool shm_turn_await(struct shm_turn *turn, enum shm_side side, int64_t ms)
{
    struct timespec limit = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    for (;;) {
        uint32_t whose = atomic_load_explicit(&turn->whose, memory_order_acquire);
        if (whose == (uint32_t)side)
            return true;
        long e =
            syscall(SYS_futex, &turn->whose, FUTEX_WAIT, whose, ms == 0 ? NULL : &limit, NULL, 0);
        if (e != 0 && errno == ETIMEDOUT)
            return atomic_load_explicit(&turn->whose, memory_order_acquire) == (uint32_t)side;
    }
}

/* Without the right to do so things only take longer. */
void shm_pin(cpu_set_t *before)
{
    cpu_set_t here;
    int cpu = sched_getcpu();
    CPU_ZERO(before);
    (void)sched_getaffinity(0, sizeof *before, before);
    if (cpu < 0)
        return;
    CPU_ZERO(&here);
    CPU_SET((size_t)cpu, &here);
    (void)sched_setaffinity(0, sizeof here, &here);
}

void shm_unpin(const cpu_set_t *before)
{
    (void)sched_setaffinity(0, sizeof *before, before);
}
