/* script.h - the Lua face of the simulated world: a scenario is one claim, run with one seed to one
 * verdict. */
#ifndef KILN_SCRIPT_H
#define KILN_SCRIPT_H

#include "base/base.h"
#include "check/check.h"
#include "world/world.h"

#define SCRIPT_CLAIM_MAX 160
#define SCRIPT_TEXT_MAX 640

/* What a campaign reports; the numbers are exit codes of kiln run. */
enum script_verdict {
    SCRIPT_HELD = 0,
    SCRIPT_BROKEN = 1, /* safety */
    SCRIPT_INCONCLUSIVE =
        2,             /* nothing was produced or read, a mark was not reached, memory ran out */
    SCRIPT_STUCK = 3,  /* liveness */
    SCRIPT_WRONG = 64, /* the script itself has a mistake */
};

const char *script_verdict_name(enum script_verdict verdict);

struct script_options {
    uint64_t seed;
    const char *disk_dir;          /* NULL: disks in memory */
    const struct fault_plan *plan; /* NULL: the script and its swarm decide */
    bool plan_only;
    int64_t time_max_ns; /* virtual; 0: SCRIPT_TIME_MAX_NS */
    int64_t until_ns;    /* replay: stop there without a verdict; 0: run to the end */
    bool shuffle;        /* verify: as in world_config */
    uint8_t poison;
    uint32_t range;
    struct world_sink *sinks[WORLD_SINKS_MAX - 2];
    int32_t sink_count;
    /* What the script prints; may be NULL. */
    void (*print)(void *context, int64_t time_ns, const char *text);
    void *print_context;
};

#define SCRIPT_TIME_MAX_NS (24ll * 3600 * 1000000000)

/* Plain data: it crosses a pipe between processes of one binary. */
struct script_result {
    enum script_verdict verdict;
    char claim[SCRIPT_CLAIM_MAX];
    char why[SCRIPT_TEXT_MAX]; /* what was found, or empty */
    uint64_t seed, hash, events, faults;
    int64_t sim_ns;
    struct check_counts counts;
    uint64_t violations[CHECK_CODE_COUNT];
    uint64_t mark_count[TRACE_MARK_COUNT];
    bool must_reach[TRACE_MARK_COUNT];
};

/* The claim that a script states, without running it. ERR_INVALID: it has none, or a mistake; the
 * message names the line. */
enum err script_claim(struct mem *mem, const char *name, struct bytes source,
                      char claim[SCRIPT_CLAIM_MAX], struct errmsg *msg) MUST_USE;
/* Runs it. Everything that can go wrong is in the result. fired, when not NULL, takes every fault
 * that fired as a plan (init it first). */
void script_run(struct mem *mem, const char *name, struct bytes source,
                const struct script_options *options, struct script_result *result,
                struct fault_plan *fired);

/* Rows of known_bugs.def. */
struct script_bug {
    const char *name, *origin, *check, *scenario, *text;
    bool *on; /* NULL in a program without known bugs */
};
int script_bugs(const struct script_bug **out);

#endif
