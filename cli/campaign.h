/* campaign.h - many runs of scenarios: in processes of their own, so that a crash of the code under
 * test is a verdict and no end. */
#ifndef KILN_CLI_CAMPAIGN_H
#define KILN_CLI_CAMPAIGN_H

#include <sys/types.h>
#include "cli/cli.h"
#include "history/history.h"
#include "script/script.h"

#define CAMPAIGN_CLAIMS_MAX 256
#define CAMPAIGN_JOBS_MAX 64
#define CAMPAIGN_PATH_MAX 512
#define CAMPAIGN_WALL_NS (10 * 60 * 1000000000ll) /* of one run, unless its mode says otherwise */

/* One scenario file. */
struct campaign_script {
    char path[CAMPAIGN_PATH_MAX];
    char claim[SCRIPT_CLAIM_MAX];
    struct bytes source;
};

struct campaign_scripts {
    struct campaign_script *at;
    int count;
    int wrong_count; /* files with a mistake, which was told; they are not among them */
};

/* Reads the files, and for a directory all *.lua below it, in the order of their names. False: what
 * is wrong was told on stderr, and there is nothing to run. */
bool campaign_load(struct campaign_scripts *scripts, const char *const *paths, int count);
void campaign_unload(struct campaign_scripts *scripts);

/* How each run is made; strings are borrowed. */
struct campaign_mode {
    bool files;            /* disks as real files */
    int nodes;             /* enum script_nodes */
    const char *data_dir;  /* of them; NULL: a directory below the system's temporary one, removed
                              afterwards */
    const char *plan_path; /* only its lines fire; NULL: the script's and the seed's own */
    const char *trace_path;
    const char *steps_path; /* hashes of all steps, for verify; NULL: none */
    int64_t time_max_ns, until_ns;
    int64_t wall_max_ns; /* of the machine's time: a handler that never returns would never let the
                            campaign end; 0: CAMPAIGN_WALL_NS */
    int64_t show_step;   /* prints what happened in that step, counted from 1; 0: none */
    bool timeline;
    struct history_filter filter; /* of the timeline */
    /* What an earlier run of the same found, to be shown at its place; NULL: nothing. */
    const struct script_result *found;
    struct world_memory memory; /* verify's other circumstances */
    const char *bug;            /* the known bug that is on; NULL: none */
    struct record *record;      /* what the run has come to so far (record.h); NULL: nobody asks */
    bool listen;                /* to the script's statements (record.h) */
    bool quiet;                 /* what it says on stderr is lost */
};

/* --nodes, of a struct campaign_mode by name. */
#define CAMPAIGN_NODES_OPTION(mode)                                                                \
    {                                                                                              \
        "--nodes", CLI_CHOICE, &(mode).nodes, 0, 0, "inline|threads|processes",                    \
            "where nodes run: in one thread, each in its own, or each in a process (inline)"       \
    }

struct campaign_outcome {
    struct script_result result; /* when it crashed: how far it had come */
    bool crashed;
    int64_t wall_ns;
    char *plan;            /* what fired, as text; malloc'ed */
    struct record *record; /* of a run in a child; may be NULL */
};

/* Lets go of what it points to. */
void campaign_outcome_free(struct campaign_outcome *outcome);

/* Runs script with seed in this process. Everything about it is in *result. plan_text, when not
 * NULL, gets what fired (free it). */
void campaign_run_here(const struct campaign_script *script, uint64_t seed,
                       const struct campaign_mode *mode, struct script_result *result,
                       char **plan_text);
/* The same in a child; waits for it. */
void campaign_run_child(const struct campaign_script *script, uint64_t seed,
                        const struct campaign_mode *mode, struct campaign_outcome *outcome);

/* From now on this process dies when its parent does, however that ends: nobody would hear of what
 * it comes to. The nodes of a run that are processes of their own die with it, likewise. */
void campaign_die_with(pid_t parent);
/* From now on this process dies after that much of the machine's time. 0: CAMPAIGN_WALL_NS. */
void campaign_limit_wall(int64_t wall_max_ns);

/* A child that runs, and what it has said so far. */
struct campaign_child;
/* NULL: it cannot be started. The script must stay where it is for as long as the child lives, and
 * so must those that campaign_child_again names. */
struct campaign_child *campaign_fork(const struct campaign_script *script, uint64_t seed,
                                     const struct campaign_mode *mode);
/* Its pipe, to poll. */
int campaign_child_fd(const struct campaign_child *child);
/* Takes what is there. True: the run has ended and *outcome is filled; the child waits to be ended,
 * or for another run. */
bool campaign_child_read(struct campaign_child *child, struct campaign_outcome *outcome);
/* Runs another one, in the same mode. It takes back what outcome has of the last one (record).
 * False: it cannot, as it has crashed, or has done enough, or has disks that are real files or
 * nodes in threads of their own; fork another child. */
bool campaign_child_again(struct campaign_child *child, const struct campaign_script *script,
                          uint64_t seed, struct campaign_outcome *outcome);
/* Ends it, whatever it does; child is freed. */
void campaign_child_end(struct campaign_child *child);

enum cli_exit campaign_exit(const struct campaign_outcome *outcome);
/* The graver of two. */
enum cli_exit campaign_graver(enum cli_exit a, enum cli_exit b);

/* ---- findings (findings.c) ---- */

/* Each behind before, the worst first; or the result's why, where it has none. For people: within
 * the width of the terminal. */
void campaign_print_findings(const struct script_result *result, const char *before, FILE *out);
/* The same for programs: one a line. */
void campaign_write_findings(const struct script_result *result, const char *before, FILE *out);
/* The members "why", a list of those lines, and "findings", a list of objects. */
void campaign_put_findings(struct json *j, const struct script_result *result);

/* ---- replay files ---- */

struct record_piece;

struct campaign_replay {
    char build[32];
    uint64_t seed, hash, events; /* of a crash: up to there */
    uint64_t rows_hash;          /* of a crash: 0 */
    bool files, has_hash, crashed;
    struct campaign_script script; /* its source is a copy */
    char bug[64];                  /* the known bug that was on; empty: none */
    struct bytes plan;             /* the one it was given with --plan */
    bool has_plan;                 /* which may be an empty one */
    int64_t time_max_ns;           /* --time; 0: none */
    struct record_piece *pieces;   /* checkpoints of the chain */
    int64_t piece_count;
    struct bytes file; /* what the rest of this points into */
};

/* Writes failures/NAME.replay; path gets its name. False: told on stderr. plan is what stands in
 * the file of mode->plan_path. */
bool campaign_replay_write(char path[CAMPAIGN_PATH_MAX], const struct campaign_script *script,
                           uint64_t seed, const struct campaign_mode *mode, struct bytes plan);
/* Takes it away again, with what an earlier failure left beside it. */
void campaign_replay_remove(const char *path);
/* Adds how it ended, or how far it had come, and the checkpoints of its chain. */
bool campaign_replay_finish(const char *path, const struct campaign_outcome *outcome);
bool campaign_replay_read(const char *path, struct campaign_replay *replay);
void campaign_replay_free(struct campaign_replay *replay);
/* What stands beside it, in a file of that ending: ".steps" the hashes of all steps, ".plan" what
 * fired, ".trace" the last rows before a crash, ".disks" a directory of its disks. */
void campaign_beside(const char *replay_path, const char *ending, char path[CAMPAIGN_PATH_MAX]);
/* The first step, counted from 1, in which two steps files of verify differ; 0: none. */
int64_t campaign_steps_compare(struct bytes a, struct bytes b);

/* ---- looking on ---- */

/* What --from, --to, --node, --partition and --around say of a timeline. */
struct campaign_view {
    const char *from, *to, *node, *partition, *around;
};

/* The rows of them; CAMPAIGN_VIEW_OPTIONS of a struct campaign_view by name. */
#define CAMPAIGN_VIEW_OPTIONS(view)                                                                \
    {"--from", CLI_TEXT, &(view).from, 0, 0, NULL, "timeline: from this virtual time on, as 12s"}, \
        {"--to", CLI_TEXT, &(view).to, 0, 0, NULL, "timeline: up to this virtual time"},           \
        {"--node", CLI_TEXT, &(view).node, 0, 0, NULL, "timeline: of this node alone"},            \
        {"--partition",                                                                            \
         CLI_TEXT,                                                                                 \
         &(view).partition,                                                                        \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "timeline: of this partition, as orders-0, or of all of orders"},                         \
    {                                                                                              \
        "--around", CLI_TEXT, &(view).around, 0, 0, NULL,                                          \
            "timeline: the second before this check broke, as A5"                                  \
    }

/* Is any of them given? */
/* Is a check, or a script's end, called so? False: told on stderr. */
bool campaign_knows_check(const char *name);
/* Can the trace and the disks be written where mode says? -1: yes; else the exit code, and why not
 * was told: it is no mistake of the script. */
int campaign_can_write(const struct campaign_mode *mode);
bool campaign_view_given(const struct campaign_view *view);
/* Fills the filter, but for --around. False: told on stderr. */
bool campaign_view_filter(const struct campaign_view *view, struct history_filter *filter);
/* --around: narrows the filter to what led to that time. */
void campaign_view_around(struct history_filter *filter, int64_t time_ns);
/* Of a trace or a run (what) that has no row for the filter: says so. False: all rows were asked
 * for. */
bool campaign_view_nothing(const struct history_filter *filter, const char *what);
/* Before a run that somebody looks at: runs it once unseen, so that what it finds stands at its
 * place in mode->found; *found keeps it. False: --around names what was not found; told. */
bool campaign_view_prepare(const struct campaign_view *view, const struct campaign_script *script,
                           uint64_t seed, struct campaign_mode *mode,
                           struct campaign_outcome *found);

/* Prints rows as they come: cause -> effect. */
struct timeline;
struct timeline *timeline_new(const struct campaign_mode *mode, struct world_sink **sink);
/* Prints what was found behind the last row, too. */
void timeline_free(struct timeline *timeline);
/* What a script prints, among the rows. */
void timeline_print(void *context, int64_t time_ns, const char *text);

#endif
