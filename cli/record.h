/* record.h - what a run has come to so far, in memory that outlives its process: a crash of the
 * code under test keeps the hash chain, the faults that fired, and the last rows. Writing it costs
 * stores, never a system call. */
#ifndef KILN_CLI_RECORD_H
#define KILN_CLI_RECORD_H

#include "cli/edges.h"

#define RECORD_PIECE_EVENTS 1000     /* between two checkpoints of the chain */
#define RECORD_PIECES_MAX (64 << 10) /* of longer runs the first ones are kept */
#define RECORD_STEPS_MAX (2 << 20)   /* likewise */
#define RECORD_PLAN_MAX (4 << 20)    /* bytes of text */
#define RECORD_ROWS_MAX                                                                            \
    16384 /* words of the last rows, twice; more than one block of a trace file */
#define RECORD_NAMES_MAX 4096 /* words of NAME rows, the first ones */
#define RECORD_PANIC_MAX 256
#define RECORD_HEARD_MAX (4 << 20) /* bytes of text */

struct record_piece {
    uint64_t hash;   /* of the chain after RECORD_PIECE_EVENTS events more */
    int64_t time_ns; /* virtual, of its last event */
};

/* Rows one behind the other. */
struct record_rows {
    uint64_t first; /* words of rows that came before */
    uint32_t size;  /* words */
    uint64_t words[RECORD_ROWS_MAX];
};

/* Shared by the run's process, which writes, and its parent, which reads when that has ended. Pages
 * that nobody writes cost nothing. */
struct record {
    uint64_t hash, events;
    int64_t time_ns;
    uint64_t fault_count, step_count;
    uint32_t piece_count, names_size, plan_size, heard_size;
    bool heard_all;     /* the script has come to its end, and all of it stands in heard */
    int64_t end_ns;     /* when that was */
    bool nothing_shown; /* the timeline's options have left no row of it */
    char panic[RECORD_PANIC_MAX]; /* what the assertion said; or empty */
    struct record_piece pieces[RECORD_PIECES_MAX];
    /* Of the file that --trace names: the words of rows that it has, and its bytes until there. */
    uint64_t trace_words, trace_bytes;
    uint64_t names[RECORD_NAMES_MAX];
    struct record_rows rows[2]; /* written in turn: when one is full, the other begins anew */
    uint32_t rows_now;          /* which of them */
    /* The last step\'s, and what its handler has written and not told yet. */
    uint32_t node, life;
    uint64_t untold[WORLD_TRACE_WORDS];
    struct fault_names nodes;         /* as they were when the last fault fired */
    char plan[RECORD_PLAN_MAX];       /* a line for each fault that fired */
    char heard[RECORD_HEARD_MAX];     /* a line a statement: its time, a tab, its variable, a tab,
                                         its text (script.h) */
    uint64_t steps[RECORD_STEPS_MAX]; /* the chain's hash after each */
};

/* NULL: no memory. */
struct record *record_new(void);
void record_free(struct record *record);
/* As new, for another run. */
void record_reset(struct record *record);

/* Writes it while a run goes on. */
struct recorder {
    struct world_sink sink;
    struct fault_watch fired;
    struct record *record;
    struct record_rows *rows; /* of the record: the half that is written */
    struct edges edges;
    struct mem mem;
};

/* record may be NULL: then nothing is written. listen: to the script's statements, too. */
void recorder_start(struct recorder *recorder, struct record *record, bool listen,
                    struct script_options *options);

/* Where panic() leaves its text, too; NULL: nowhere. */
void panic_leaves(char *text, size_t size);

/* The faults that fired as a plan; malloc'ed, NULL: no memory. */
char *record_plan(const struct record *record);
/* The last rows as a trace file, and behind them a finding. False: it cannot be written. */
bool record_write_trace(struct record *record, const struct script_finding *finding,
                        const char *path);
/* The same for the file that the run has written itself as far as it came (trace_bytes): it then
 * has every row. */
bool record_finish_trace(struct record *record, const struct script_finding *finding,
                         const char *path);
/* Two runs of one script, a recorded one and one now. The first piece in which they differ, from 0
 * on; -1: none does, as far as both are known. */
int64_t record_first_piece(const struct record_piece *recorded, int64_t recorded_count,
                           const struct record *now);
/* The first step that differs from those in the file, counted from 1; 0: none of both. */
int64_t record_first_step(struct bytes recorded, const struct record *now);
/* What such a file holds: 8 bytes a step, big-endian. */
bool record_write_steps(const struct record *record, const char *path);

#endif
