/* steps.h - work that is one door operation after the other, as a table: each step starts one
 * operation or goes on; an error that no step asked to see ends the work. */
#ifndef KILN_LOG_STEPS_H
#define KILN_LOG_STEPS_H

#include "env/env.h"

enum log_flow {
    LOG_WAIT, /* an operation is in flight: the next step runs when it has ended */
    LOG_NEXT, /* nothing to wait for */
    LOG_FAIL, /* the work ends with steps->err */
};

struct log_steps;

struct log_step {
    const char *what; /* "open", for the message; NULL ends the table */
    enum log_flow (*run)(struct log_steps *steps);
};

/* Embedded in its owner, whose `ended` is called once, as the last act; it may free the owner. */
struct log_steps {
    struct env *env;
    struct env_op io;
    const struct log_step *table;
    void (*ended)(struct log_steps *steps, enum err e);
    int at, next;  /* a step may set next to jump when it is done */
    enum err err;  /* of the last operation */
    uint64_t n;    /* what it gave */
    bool tolerant; /* a step sets it: the next one wants to see err for itself */
    bool running, resumed;
};

void log_steps_start(struct log_steps *steps, struct env *env, const struct log_step *table,
                     void (*ended)(struct log_steps *steps, enum err e));
/* The completion of steps->io. */
void log_steps_done(struct env_op *op, enum err e, uint64_t n);
/* The completion of anything else a step waited for; also inside of that step. */
void log_steps_resume(struct log_steps *steps, enum err e);
/* What the step that failed was to do. */
const char *log_steps_what(const struct log_steps *steps);

static inline enum log_flow log_steps_fail(struct log_steps *steps, enum err e)
{
    ASSERT(e != ERR_NONE);
    steps->err = e;
    return LOG_FAIL;
}

#endif
