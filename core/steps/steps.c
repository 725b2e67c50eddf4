/* steps.c - runs the steps of a table, one after the other. Never runs two at once, and never waits
 * for two things. */
#include "steps/steps.h"
#include "base/state.h"

static const struct state states[] = {
    [STEPS_RUNS] = {"runs", TO(STEPS_RESUMED) | TO(STEPS_WAITS) | TO(STEPS_OVER)},
    [STEPS_RESUMED] = {"has been resumed", TO(STEPS_RUNS) | TO(STEPS_OVER)},
    [STEPS_WAITS] = {"waits", TO(STEPS_RUNS) | TO(STEPS_OVER)},
    [STEPS_OVER] = {"is over", 0},
};

static void end(struct steps *steps, enum err e)
{
    ASSERT(!steps->asked);
    ASSERT(!steps->io.in_flight);
    STATE_MOVE(states, &steps->state, STEPS_OVER);
    steps->ended(steps, e);
}

static void move_on(struct steps *steps)
{
    ASSERT(steps->next >= STEPS_AGAIN);
    ASSERT(steps->next <= steps->count);
    if (steps->next == STEPS_END)
        steps->at = steps->count;
    else if (steps->next != STEPS_AGAIN)
        steps->at = steps->next;
}

/* What was waited for has ended. False: the work has ended with it, and its owner may be gone. */
static bool take_result(struct steps *steps)
{
    ASSERT(!steps->io.in_flight);
    if (steps->err != ERR_NONE && !steps->tries) {
        end(steps, steps->err);
        return false;
    }
    STATE_MOVE(states, &steps->state, STEPS_RUNS);
    move_on(steps);
    return true;
}

/* True: there is another step to run. False: it waits, or has ended, and its owner may be gone. */
static bool run_step(struct steps *steps)
{
    const struct step *step = &steps->table[steps->at];
    ASSERT(steps->state == STEPS_RUNS);
    if (step->what == NULL) {
        end(steps, ERR_NONE);
        return false;
    }
    steps->next = steps->at + 1;
    enum steps_flow flow = step->run(steps);
    switch (flow) {
    case STEPS_NEXT:
        ASSERT(steps->state == STEPS_RUNS);
        ASSERT(!steps->asked);
        ASSERT(!steps->io.in_flight);
        move_on(steps);
        return true;
    case STEPS_FAIL:
        ASSERT(steps->state == STEPS_RUNS);
        ASSERT(steps->err != ERR_NONE);
        end(steps, steps->err);
        return false;
    case STEPS_WAIT:
    case STEPS_TRY:
        break;
    }
    steps->tries = flow == STEPS_TRY;
    if (steps->state == STEPS_RESUMED)
        return take_result(steps);
    ASSERT(steps->asked != steps->io.in_flight);
    STATE_MOVE(states, &steps->state, STEPS_WAITS);
    return false;
}

static void run(struct steps *steps)
{
    while (run_step(steps)) {
    }
}

static void resume(struct steps *steps, enum err e)
{
    steps->err = e;
    if (steps->state == STEPS_RUNS)
        STATE_MOVE(states, &steps->state, STEPS_RESUMED);
    else if (take_result(steps))
        run(steps);
}

static void on_ended(struct waiter *waiter, enum err e)
{
    struct steps *steps = CONTAINER_OF(waiter, struct steps, waiter);
    ASSERT(steps->asked);
    steps->asked = false;
    resume(steps, e);
}

void steps_start(struct steps *steps, struct env *env, const struct step *table,
                 void (*ended)(struct steps *steps, enum err e))
{
    *steps = (struct steps){.env = env, .table = table, .ended = ended, .state = STEPS_RUNS};
    steps->waiter.done = on_ended;
    while (table[steps->count].what != NULL)
        steps->count++;
    run(steps);
}

void steps_done(struct env_op *op, enum err e, uint64_t n)
{
    struct steps *steps = CONTAINER_OF(op, struct steps, io);
    ASSERT(!steps->asked);
    steps->n = n;
    resume(steps, e);
}

struct waiter *steps_waiter(struct steps *steps)
{
    ASSERT(steps->state == STEPS_RUNS);
    ASSERT(!steps->asked);
    ASSERT(!steps->io.in_flight);
    steps->asked = true;
    return &steps->waiter;
}

const char *steps_what(const struct steps *steps)
{
    return steps->table[steps->at].what;
}
