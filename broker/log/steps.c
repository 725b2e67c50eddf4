/* steps.c - runs the steps of a table, one operation at a time. */
#include "log/steps.h"

static void end(struct log_steps *steps, enum err e)
{
    ASSERT(!steps->io.in_flight);
    steps->ended(steps, e);
}

/* Runs steps until one waits. False: the work has ended, and its owner may be gone. */
static bool run_until_wait(struct log_steps *steps)
{
    for (;;) {
        const struct log_step *step = &steps->table[steps->at];
        if (step->what == NULL) {
            end(steps, ERR_NONE);
            return false;
        }
        steps->next = steps->at + 1;
        steps->running = true;
        enum log_flow flow = step->run(steps);
        steps->running = false;
        if (flow == LOG_FAIL) {
            end(steps, steps->err);
            return false;
        }
        if (flow == LOG_WAIT)
            return true;
        steps->at = steps->next;
    }
}

/* What was waited for has ended; false as above. */
static bool take_result(struct log_steps *steps)
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

static void run(struct log_steps *steps)
{
    while (run_until_wait(steps) && steps->resumed) {
        steps->resumed = false;
        if (!take_result(steps))
            return;
    }
}

void log_steps_start(struct log_steps *steps, struct env *env, const struct log_step *table,
                     void (*ended)(struct log_steps *steps, enum err e))
{
    *steps = (struct log_steps){.env = env, .table = table, .ended = ended};
    run(steps);
}

void log_steps_resume(struct log_steps *steps, enum err e)
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

void log_steps_done(struct env_op *op, enum err e, uint64_t n)
{
    struct log_steps *steps = CONTAINER_OF(op, struct log_steps, io);
    steps->n = n;
    log_steps_resume(steps, e);
}

const char *log_steps_what(const struct log_steps *steps)
{
    return steps->table[steps->at].what;
}
