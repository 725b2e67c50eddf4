/* steps.h - work that is one door operation after the other, as a table: each step starts one
 * operation or goes on; an error that no step asked to see ends the work. */
#ifndef KILN_STEPS_H
#define KILN_STEPS_H

#include "env/env.h"

enum steps_flow {
    STEPS_WAIT, /* an operation is in flight: the next step runs when it has ended */
    STEPS_NEXT, /* nothing to wait for */
    STEPS_FAIL, /* the work ends with steps->err */
};

struct steps;

struct step {
    const char *what; /* "open", for the message; NULL ends the table */
    enum steps_flow (*run)(struct steps *steps);
};

/* Embedded in its owner, whose `ended` is called once, as the last act; it may free the owner. */
struct steps {
    struct env *env;
    struct env_op io;
    const struct step *table;
    void (*ended)(struct steps *steps, enum err e);
    int at, next;  /* a step may set next to jump when it is done */
    enum err err;  /* of the last operation */
    uint64_t n;    /* what it gave */
    bool tolerant; /* a step sets it: the next one wants to see err for itself */
    bool running, resumed;
};

void steps_start(struct steps *steps, struct env *env, const struct step *table,
                 void (*ended)(struct steps *steps, enum err e));
/* The completion of steps->io. */
void steps_done(struct env_op *op, enum err e, uint64_t n);
/* The completion of anything else a step waited for; also inside of that step. */
void steps_resume(struct steps *steps, enum err e);
/* What the step that failed was to do. */
const char *steps_what(const struct steps *steps);

static inline enum steps_flow steps_fail(struct steps *steps, enum err e)
{
    ASSERT(e != ERR_NONE);
    steps->err = e;
    return STEPS_FAIL;
}

#endif
