/* truncate.h - what the files that make a log end, or begin, elsewhere share. Nobody else includes
 * it. */
#ifndef KILN_LOG_TRUNCATE_H
#define KILN_LOG_TRUNCATE_H

#include "log/internal.h"

/* log_truncate or log_reset, from the call to its end. */
struct log_truncation {
    struct steps steps;
    struct log *log;
    struct log_op *op;
    void (*found)(struct log_truncation *t, enum err e);
    struct env_timer timer; /* it begins, once nothing of the log is under way */
    int64_t asked;          /* where the log is to end, or to begin anew */
    bool reset;
    bool running; /* false: it waits for what is under way */
    bool cut;     /* the log has been cut in memory: there is no way back */
    /* The place: behind the last batch that stays. */
    int32_t segment;
    uint64_t position;
    int64_t end;
    bool files; /* there is something to be cut off in them */
    /* What the log will know there. */
    struct format_index index; /* of that segment */
    int64_t first_timestamp;   /* of that segment, -1: not known */
    struct format_producers producers;
    bool replayed; /* those are known; false: the log has none */
    /* On the way to it. */
    struct log_walk walk;
    struct dir_hold hold;
    struct dir_get get;
    int64_t floor_last; /* what the index says that the first batch of the walk ends with, -1:
                           nothing */
    int32_t snapshot;
    int32_t replay;      /* segment */
    int64_t replay_from; /* producers know all below it */
    /* The files. */
    struct log_segment *fresh; /* the one that the log begins anew with */
    int64_t *gone;             /* bases of the segments that go, in the order in which they do */
    int32_t gone_count, gone_at;
    int64_t first; /* the base of the first segment */
    int32_t kind;
    env_file file; /* of that one, while it is emptied */
    enum err failed;
    bool epochs_changed;
    struct dir_sync sync;
    char path[ENV_PATH_MAX];
};

static inline struct log_truncation *log_truncation_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct log_truncation, steps);
}
/* rebuild.c: finds the place, and what the log will know there; found is the last act. */
void log_truncation_find(struct log_truncation *t,
                         void (*found)(struct log_truncation *t, enum err e));

#endif
