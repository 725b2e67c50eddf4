/* watch.h - what may look on while a scenario runs: the trace file, the timeline, and the hashes of
 * all steps. */
#ifndef KILN_CLI_WATCH_H
#define KILN_CLI_WATCH_H

#include <stdio.h>
#include "cli/edges.h"

struct watch {
    struct world_sink trace_sink, steps_sink;
    struct mem *mem;
    struct record *record; /* is told how far the trace file has come; may be NULL */
    struct edges edges;
    uint64_t words;                    /* of rows, without what was found */
    const struct script_result *found; /* what goes into the trace at its place; may be NULL */
    int64_t told_ns;                   /* what was found before is there */
    struct history_writer *writer;
    FILE *trace, *steps;
    int64_t step, shown_step; /* how many there were; the one to be printed */
    struct timeline *timeline;
};

/* Opens what mode asks for and puts it into options. False: result says what cannot be opened. */
bool watch_open(struct watch *watch, struct mem *mem, const struct campaign_mode *mode,
                struct script_options *options, struct script_result *result);
/* Writes what is left; what cannot be written makes the result inconclusive. */
void watch_close(struct watch *watch, struct script_result *result);

/* A steps file: the chain's hash after each step, 8 bytes big-endian; and at last, likewise, a
 * digest of what was seen of the run (its rows) and found (its result). */
#define WATCH_STEP_BYTES 8

#endif
