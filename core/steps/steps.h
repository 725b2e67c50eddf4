/* steps.h - work that is one thing after the other, as a table: each step starts one thing that
 * ends later, or goes on; an error that no step asked to see ends the work. */
#ifndef KILN_STEPS_H
#define KILN_STEPS_H

#include "env/env.h"

/* What a step says when it returns. */
enum steps_flow {
    STEPS_NEXT, /* nothing to wait for */
    STEPS_WAIT, /* one thing is under way: the next step runs when it has ended; an error ends the
                   work */
    STEPS_TRY,  /* the same, but how it ended is for the next step to see, in steps->err */
    STEPS_FAIL, /* the work ends with steps->err */
};

struct steps;

struct step {
    const char *what; /* "open", for the message; NULL ends the table */
    enum steps_flow (*run)(struct steps *steps);
};

/* Places to go on at, beside the rows of the table. */
enum {
    STEPS_END = -1,   /* the work is done */
    STEPS_AGAIN = -2, /* the step that says so runs once more */
};

enum steps_state {
    STEPS_RUNS,    /* a step is at work */
    STEPS_RESUMED, /* it is, and what it has begun to wait for has ended already */
    STEPS_WAITS,
    STEPS_OVER,
};

/* Embedded in its owner, whose `ended` is called once, as the last act; it may free the owner, or
 * start the steps anew. */
struct steps {
    struct env *env;
    enum err err; /* of what was waited for last */
    uint64_t n;   /* what it gave, if it was io */
    /* What a step may wait for: one operation of the door, ... */
    struct env_op io; /* whose completion is steps_done */
    /* the steps' own */
    struct waiter waiter; /* ... or anything else: steps_waiter */
    const struct step *table;
    void (*ended)(struct steps *steps, enum err e);
    int count, at, next;
    uint8_t state; /* enum steps_state */
    bool asked;    /* somebody has the waiter */
    bool tries;    /* STEPS_TRY */
};

void steps_start(struct steps *steps, struct env *env, const struct step *table,
                 void (*ended)(struct steps *steps, enum err e));
/* The completion of steps->io. */
void steps_done(struct env_op *op, enum err e, uint64_t n);
/* In a step that returns STEPS_WAIT or STEPS_TRY: to be told once that what it waits for has ended,
 * also while the step still runs. */
struct waiter *steps_waiter(struct steps *steps) MUST_USE;
/* What the step that failed was to do. */
const char *steps_what(const struct steps *steps);

/* Where the work goes on after this step, if not at the next row. */
static inline void steps_then(struct steps *steps, int place)
{
    steps->next = place;
}

static inline enum steps_flow steps_go(struct steps *steps, int place)
{
    steps_then(steps, place);
    return STEPS_NEXT;
}

static inline enum steps_flow steps_fail(struct steps *steps, enum err e)
{
    ASSERT(e != ERR_NONE);
    steps->err = e;
    return STEPS_FAIL;
}

/* Goes on, unless e. */
static inline enum steps_flow steps_check(struct steps *steps, enum err e)
{
    return e == ERR_NONE ? STEPS_NEXT : steps_fail(steps, e);
}

#endif
