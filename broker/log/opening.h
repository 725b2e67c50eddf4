/* opening.h - what the files that open a log share: how it comes to be, from its files or anew.
 * Nobody else includes it. */
#ifndef KILN_LOG_OPENING_H
#define KILN_LOG_OPENING_H

#include "log/internal.h"

/* Where an opening is: each has a table of steps in a file of its own. The moves and what holds at
 * the beginning of each, asserted, are in opening.c. */
enum log_opening_phase {
    LOG_OPENING_LOOKS,  /* opening.c: what is there, and from where on has it to be scanned? */
    LOG_OPENING_BIRTH,  /* birth.c: nothing; it is made */
    LOG_OPENING_SEAMS,  /* seams.c: do the segments join that are not scanned? */
    LOG_OPENING_SCANS,  /* recover.c: a segment that may not be durable */
    LOG_OPENING_CUTS,   /* cut.c: at a bad batch */
    LOG_OPENING_COPIES, /* copy.c: what was written again takes its place */
    LOG_OPENING_ENDS,   /* ready.c: the log is what it is */
};

/* opening.c, recover.c: how a log comes to be */
struct log_opening {
    struct steps steps;
    uint8_t phase; /* enum log_opening_phase */
    struct log *log;
    struct log **out;
    struct log_op *op;
    struct list link; /* in set->openings_waiting */
    struct log_birth *birth;
    bool unborn;    /* there is no such directory */
    bool consented; /* topic-N.start-empty is there: it may be made anew */
    struct log_birth_work *birth_work;
    char *names;
    uint64_t names_size, at, size;
    struct dir_get get, crc;
    struct log_index_files index; /* of the segment being looked at */
    struct dir_save save;
    struct dir_sync sync;
    struct dir_overwrite over;
    char path[ENV_PATH_MAX], path_to[ENV_PATH_MAX];
    char text[FORMAT_PARTITION_METADATA_SIZE + 1];
    int32_t segment;        /* being looked at */
    int32_t snapshot;       /* being looked at */
    bool snapshots_doubted; /* some may be torn */
    struct dir_hold hold;   /* of that segment's file */
    /* The plan of the scan. */
    bool epochs_known;   /* the checkpoint was there and right */
    int64_t replay_from; /* producers know all below it */
    int64_t recovery_point;
    bool recovery_known; /* false: the checkpoint was wrong; nothing is cut that might be good */
    int64_t scan_from;
    struct log_walk walk;
    /* The seams. */
    bool start_unsaid; /* retention removed the first segments, and no checkpoint says it yet */
    env_file seam_file;
    uint8_t entry[FORMAT_INDEX_ENTRY_SIZE];
    /* The scan, of one segment after the other. */
    bool index_fits;    /* the files found are of all of the segment being looked at */
    int64_t floor_last; /* what the index says the first batch must end with, -1: nothing */
    uint64_t piece;     /* where the piece being looked at begins */
    int64_t end;        /* behind the last good batch */
    bool scanned;       /* the rest of the segment is no part of the log */
    bool epochs_changed;
    uint64_t overlap_at; /* where the next segment's batches begin in this one, 0: nowhere */
    /* The copy: bytes above the recovery point, written again. */
    bool copying, in_place;
    bool no_room;               /* for a second copy: what failed is done once more, in place */
    uint64_t copy_from, copied; /* in the segment being looked at */
    struct log_segment *fresh;  /* the one that begins there; NULL: the segment itself */
    int32_t dropped;            /* files of its index that have been removed */
    bool placing;               /* it is whole, and is put there */
    bool placed;                /* it stands behind the segment now */
    env_file copy_file;
    char copy_path[ENV_PATH_MAX];
    struct env_part part;
    /* The cut. */
    bool cutting, hole, moved; /* moved: segments behind it */
    uint64_t cut_at;           /* in the segment being looked at */
    int64_t cut_was;           /* where the log had ended, as far as anything says */
    struct errmsg cut_why;
    struct format_search search;
    uint64_t search_at, kept;
    env_file kept_file;
    enum err kept_failed;
    enum err failed;
};

static inline struct log_opening *log_opening_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct log_opening, steps);
}
/* The one being looked at. */
static inline struct log_segment *log_opening_segment(const struct log_opening *o)
{
    return o->log->segments[o->segment];
}
/* The mistakes: what is bad below the recovery point is cut off. */
static inline bool log_cuts_corruption(void)
{
    return KNOWN_BUG(corruption_cut_off) || KNOWN_BUG(cut_passed_over);
}
/* Moves on to that phase. */
void log_opening_start(struct log_opening *o, enum log_opening_phase phase,
                       const struct step *table, void (*ended)(struct steps *steps, enum err e));
/* What was read of small files is not needed any more. */
void log_opening_drop_got(struct log_opening *o);
enum err log_opening_add_segment(struct log *log, int64_t base, bool create) MUST_USE;
/* birth.c: makes the directory; goes on to log_recovered or log_opening_end. */
void log_birth_begin(struct log_opening *o);
/* seams.c */
/* ERR_CORRUPT with a sentence: files before the first segment are missing. */
enum err log_seams_first(struct log_opening *o) MUST_USE;
/* Looks at the ends of the segments that recovery will not scan; goes on to log_recover. */
void log_seams(struct log_opening *o);
/* "FILE is missing", the one that begins at base and ends before next; next -1: it was the last. */
enum err log_missing_text(struct errmsg *msg, const struct log *log, int64_t base, int64_t next);
/* Scans what may not be durable; goes on to log_cut or log_copy_finish. */
void log_recover(struct log_opening *o);
void log_recover_segment(struct log_opening *o);
/* cut.c: cuts the log at a bad batch; goes on to log_copy_finish. */
void log_cut(struct log_opening *o);
/* The mistake: takes a torn batch for one of the log's. False: not even its head is there. */
bool log_cut_keep(struct log_opening *o);
/* copy.c: puts what was written again in its place; goes on to the next segment or to
 * log_recovered. */
void log_copy_finish(struct log_opening *o);
/* Lets go of what the recovery holds, and ends. */
void log_recovery_failed(struct log_opening *o, enum err e);
/* ready.c: the log is what it is; goes on to log_opening_end. */
void log_recovered(struct log_opening *o);
void log_opening_end(struct log_opening *o, enum err e);

#endif
