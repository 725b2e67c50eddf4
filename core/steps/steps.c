/* steps.c - runs the steps of a table, one operation at a time. */
#include "steps/steps.h"

static void end(struct steps *steps, enum err e)
{
    ASSERT(!steps->io.in_flight);
    steps->ended(steps, e);
}

/* Runs steps until one waits. False: the work has ended, and its owner may be gone. */
static bool run_until_wait(struct steps *steps)
{
    for (;;) {
        const struct step *step = &steps->table[steps->at];
        if (step->what == NULL) {
            end(steps, ERR_NONE);
            return false;
        }
        steps->next = steps->at + 1;
        steps->running = true;
        enum steps_flow flow = step->run(steps);
        steps->running = false;
        if (flow == STEPS_FAIL) {
            end(steps, steps->err);
            return false;
        }
        if (flow == STEPS_WAIT)
            return true;
        steps->at = steps->next;
    }
}

/* What was waited for has ended; false as above. */
static bool take_result(struct steps *steps)
{
    bool seen = steps->tolerant;
    steps->tolerant = false;
    if (steps->err != ERR_NONE && !seen) {
        end(steps, steps->err);
        return false;
    }
    steps->at = steps->next;
    return true;
}

static void run(struct steps *steps)
{
    while (run_until_wait(steps) && steps->resumed) {
        steps->resumed = false;
        if (!take_result(steps))
            return;
    }
}

void steps_start(struct steps *steps, struct env *env, const struct step *table,
                 void (*ended)(struct steps *steps, enum err e))
{
    *steps = (struct steps){.env = env, .table = table, .ended = ended};
    run(steps);
}

void steps_resume(struct steps *steps, enum err e)
{
    steps->err = e;
    if (steps->running) {
        ASSERT(!steps->resumed);
        steps->resumed = true;
        return;
    }
    if (take_result(steps))
        run(steps);
}

void steps_done(struct env_op *op, enum err e, uint64_t n)
{
    struct steps *steps = CONTAINER_OF(op, struct steps, io);
    steps->n = n;
    steps_resume(steps, e);
}

const char *steps_what(const struct steps *steps)
{
    return steps->table[steps->at].what;
}
