/* state.h - states are a table of names and allowed moves, and nothing else moves a state. */
#ifndef KILN_BASE_STATE_H
#define KILN_BASE_STATE_H

#include "base/assert.h"

#define TO(state) (1u << (state))

struct state {
    const char *name;
    uint32_t to; /* a bit for each state that may follow */
};

/* Moves *current to next; a move that the table does not list is our bug. */
#define STATE_MOVE(table, current, next)                                                           \
    do {                                                                                           \
        ASSERT((table)[*(current)].to &TO(next));                                                  \
        *(current) = (next);                                                                       \
    } while (0)

#endif
