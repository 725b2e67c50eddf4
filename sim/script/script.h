/* script.h - the Lua face of the simulated world: a scenario is one claim, run with one seed to one
 * verdict. */
#ifndef KILN_SCRIPT_H
#define KILN_SCRIPT_H

#include "base/base.h"
#include "check/check.h"
#include "world/world.h"

struct conn_filtering;

#define SCRIPT_CLAIM_MAX 160
#define SCRIPT_TEXT_MAX 640

/* What a campaign reports; the numbers are exit codes of kiln run. */
enum script_verdict {
    SCRIPT_HELD = 0,
    SCRIPT_BROKEN = 1, /* safety */
    SCRIPT_INCONCLUSIVE =
        2,              /* nothing was produced or read, a mark was not reached, memory ran out */
    SCRIPT_STUCK = 3,   /* liveness */
    SCRIPT_CRASHED = 6, /* the code under test, in a process of its own; the run has come so far */
    SCRIPT_WRONG = 64,  /* the script itself has a mistake */
};

const char *script_verdict_name(enum script_verdict verdict);

/* Where nodes run; what happens is the same. */
enum script_nodes {
    SCRIPT_INLINE, /* in this thread, one handler after the other */
    SCRIPT_THREADS,
    SCRIPT_PROCESSES,
};

struct script_options {
    uint64_t seed;
    enum script_nodes nodes;
    const char *disk_dir;          /* NULL: disks in memory */
    const struct fault_plan *plan; /* NULL: the script and its swarm decide */
    bool plan_only;
    int64_t time_max_ns;        /* virtual; 0: what the script says, or SCRIPT_TIME_MAX_NS */
    int64_t until_ns;           /* replay: stop there without a verdict; 0: run to the end */
    struct world_memory memory; /* verify: as in world_config */
    uint64_t *rows;             /* as in world_config; may be NULL */
    struct world_sink *sinks[WORLD_SINKS_MAX - 2];
    int32_t sink_count;
    struct fault_watch *fired; /* as in world_config; may be NULL */
    /* What the script prints; may be NULL. */
    void (*print)(void *context, int64_t time_ns, const char *text);
    void *print_context;
    /* Each statement of the script but its harm, as it comes (transcript.lua has the marks in it):
     * its virtual time, or -1 before the world began; the variable that holds what it makes, or
     * empty. An empty statement is the end of the script. May be NULL. */
    void (*heard)(void *context, int64_t time_ns, const char *variable, const char *statement);
    void *heard_context;
};

#define SCRIPT_TIME_MAX_NS (24ll * 3600 * 1000000000)

#define SCRIPT_CODE_MAX 32
#define SCRIPT_PLACE_MAX 128
#define SCRIPT_CONDITION_MAX 200
/* Of each check one at most, and how the script ended. */
#define SCRIPT_FINDINGS_MAX (CHECK_CODE_COUNT + 1)

/* What the bytes of brokers and clients pass through (conn.h). NULL: nothing. */
const struct conn_filtering *script_filtering(void);

/* Something that is not as it must be: what a check found, or why the script ended early. */
struct script_finding {
    char code[SCRIPT_CODE_MAX];  /* "A5"; of the script's end EXPECT, STUCK, SCRIPT, INCONCLUSIVE */
    char name[SCRIPT_CODE_MAX];  /* "CONFIRMED_LOSS"; or the code once more */
    char text[SCRIPT_PLACE_MAX]; /* what must never be, in words; or empty */
    char what[SCRIPT_TEXT_MAX];  /* what was there instead */
    uint64_t count;              /* how often; the rest is about the first time */
    int64_t time_ns;             /* virtual; of a record that is gone: when it was acknowledged */
    char node[WORLD_NAME_MAX];   /* empty: about none */
    uint32_t node_id;            /* or CHECK_NO_NODE */
    char partition[SCRIPT_PLACE_MAX]; /* "orders-0", or a topic; empty: about none */
    int64_t offset;                   /* -1: about none */
    uint64_t vid;                     /* the record's number; 0: about none */
    /* Of the script's line; empty and 0 where it was none. */
    char file[SCRIPT_PLACE_MAX];
    int32_t line;
    /* Of an expect that failed: its condition as it stands there, and what it found. */
    char condition[SCRIPT_CONDITION_MAX], found[SCRIPT_CONDITION_MAX];
};

/* One line for people, without a newline: what, when, where. */
void script_finding_print(const struct script_finding *finding, struct text *out);

/* Plain data: it crosses a pipe between processes of one binary. */
struct script_result {
    enum script_verdict verdict;
    char claim[SCRIPT_CLAIM_MAX];
    char why[SCRIPT_TEXT_MAX]; /* the line of the worst finding, or empty */
    struct script_finding findings[SCRIPT_FINDINGS_MAX]; /* the worst first */
    int32_t finding_count;
    uint64_t seed, hash, events, faults;
    uint64_t rows_hash; /* of the trace's rows; hash is of what crossed the nodes' boundary */
    int64_t sim_ns;
    struct check_counts counts;
    uint64_t violations[CHECK_CODE_COUNT];
    uint64_t mark_count[TRACE_MARK_COUNT];
    bool must_reach[TRACE_MARK_COUNT];
    bool disk_damaged; /* a disk was given bytes that nobody wrote, or lost what it had */
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
    const char *name, *origin, *check, *scenario, *text, *happened, *why;
    bool *on; /* NULL in a program without known bugs */
};
int script_bugs(const struct script_bug **out);

#endif
