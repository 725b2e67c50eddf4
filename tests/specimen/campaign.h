/* campaign.h - runs of the specimen: a seed, a mistake or none, and what goes wrong; what its
 * clients and nodes said is judged as it comes. */
#ifndef SPECIMEN_CAMPAIGN_H
#define SPECIMEN_CAMPAIGN_H

#include "specimen/specimen.h"

#define RUN_CLIENTS 2

/* What must never be. */
enum finding {
    FINDING_NONE,
    FINDING_DISAGREE, /* two values at one place of what is committed */
    FINDING_STALE,    /* an answer knows less than an earlier one did */
    FINDING_LEADERS,  /* two lives led one epoch */
    FINDING_STUCK,    /* nothing is acknowledged although all is well */
};

struct run_options {
    uint64_t seed;
    uint32_t nodes; /* 0: 3 */
    enum mistake mistake;
    const char *plan;        /* lines over register0, client0 ...; NULL: none */
    uint64_t kinds;          /* that a swarm draws from; 0: none */
    int32_t intact;          /* nodes whose disks a swarm does not damage */
    uint64_t core;           /* the nodes that are healed, the others are frozen; 0: all are */
    int64_t harm_ns, end_ns; /* when all is healed, when it ends; 0: 10 s, 30 s */
    struct half_host *host;  /* NULL: in this process */
    const char *disk_dir;    /* NULL: in memory */
};

struct run {
    enum finding finding;
    int64_t found_ns;
    uint64_t acked, read, unknown, leaders;
    uint64_t acked_after; /* 5 s and more after all was healed */
    uint64_t hash, rows_hash, events, faults;
    uint64_t rows[TRACE_KIND_COUNT];
};

/* Fails the test when the plan is no plan, or the world leaks. */
void run_specimen(const struct run_options *options, struct run *run);
const char *finding_text(enum finding finding);

#endif
