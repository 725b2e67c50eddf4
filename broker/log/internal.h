/* internal.h - what the files of the log share: a partition, its segments, and the processes that
 * work on them. */
#ifndef KILN_LOG_INTERNAL_H
#define KILN_LOG_INTERNAL_H

#include "log/log.h"

#define LOG_EPOCHS_NAME "leader-epoch-checkpoint"
/* The ends of sentences; %s: the partition's directory. */
#define LOG_START_EMPTY                                                                            \
    "make an empty file %s" DIR_CONSENT_SUFFIX                                                     \
    " where it stood, to go on without its records; then start the broker again"
#define LOG_GIVE_UP "move the directory away and " LOG_START_EMPTY

/* Named limits. */
#define LOG_PIECE_BYTES (1 << 20)    /* a file is walked in pieces of this size */
#define LOG_PIECE_SMALL (64 << 10)   /* where little is looked for */
#define LOG_PIECE_MIN 512            /* in which a batch's head fits */
#define LOG_OFFLOAD_BYTES (64 << 10) /* a CRC over more than this is not the loop's work */
#define LOG_CHECK_BYTES (256 << 10)  /* nor is it to decompress more than this */
#define LOG_RECODE_BYTES (16 << 10)  /* or to compress more than this */
#define LOG_RECODE_MAX (64 << 20)    /* of records, of a batch that is written anew */
#define LOG_OPENINGS_MAX 16          /* recoveries at once in a directory */
#define LOG_BATCHES_MAX 64           /* of one append */
#define LOG_GAP_MAX (1 << 30)        /* offsets that may be missing within a segment */
#define LOG_RECENT_MAX 512           /* batches whose place is remembered */
#define LOG_TURNS_MAX 16             /* reads with bytes in memory, in a directory */
#define LOG_CURSORS_MAX 4            /* readers that do not remember their place themselves */
#define LOG_EPOCHS_AT_ONCE 2 /* checkpoints of leader epochs that are written at the same time */
#define LOG_INDEX_CACHE_BYTES (16 << 20) /* of indexes of older segments, in a directory */
#define LOG_SNAPSHOT_BYTES (32 << 20)    /* appended between two snapshots of a partition */
#define LOG_PREFIX_BYTES (64 << 20)      /* appended until the active segment's index is saved */
#define LOG_SEAL_LOOK 1024               /* segments that are looked at for what is to be saved */
#define LOG_UNSEALED_MAX 64              /* full segments whose indexes are not saved yet */
#define LOG_SNAPSHOTS_BYTES (64 << 20)   /* snapshots in memory, of all logs of a directory */
#define LOG_PRODUCERS_MAX (1 << 20)      /* remembered, of all logs of a directory */
#define LOG_SNAPSHOTS_KEPT 2             /* below the recovery point */
#define LOG_RETRY_MS 500                 /* until what failed in the background is tried again */
#define LOG_SPARE_BYTES (16 << 10)       /* the same of one that spends the reserve */
#define LOG_LOOK_MS 1000                 /* between two looks at the files of a busy log */
#define LOG_SETTLE_MS 600000             /* a wall clock that jumped ahead is believed after it */

/* ---- a segment ---- */

/* Where the index of a segment is; the table of moves is in segment.c. */
enum log_index_state {
    LOG_INDEX_ON_DISK, /* if anywhere: its files have to be read, and are believed if they fit */
    LOG_INDEX_WRONG,   /* its files have misled a reader: it has to be made from the log */
    LOG_INDEX_MADE,    /* in memory, made in this life from the log; the files lack some of it */
    LOG_INDEX_SAVED,   /* the same, and the files hold all of it: it may be dropped */
    LOG_INDEX_READ,    /* in memory, from files that fit: it may be dropped */
};

struct log_segment {
    struct log *log;
    int64_t base;
    int64_t next;  /* behind its last offset */
    uint64_t size; /* bytes assigned */
    bool exact;    /* its file ends where next says; else it may go on with batches that the next
                      segment holds, too (copy.c) */
    struct dir_writer disk;  /* its file, and how much of that is on the disk */
    int64_t first_timestamp; /* of the first batch, -1: not known */
    int64_t touched_ns;      /* env_now of its last append in this life, or of its start */
    int64_t modified_ms;     /* wall time of its last append, -1: not known */
    struct format_index index;
    uint8_t index_state;                /* enum log_index_state */
    struct loading *loading;            /* not NULL: it is on its way into memory */
    struct format_counts saved;         /* entries that the files of its index hold */
    uint32_t saved_crc[FORMAT_DERIVED]; /* of those */
    int32_t appending;                  /* appends that the door has */
    struct format_ranges checked;       /* bytes whose CRCs were right in this life */
    struct list waiting;                /* appends not yet started */
    struct list cached;                 /* in set->indexes, when its index may be dropped */
    int32_t readers;
    bool sealing; /* one of the readers writes its files */
    bool retired;
};

/* ---- an append ---- */

struct log_append {
    struct mem *mem;     /* of itself: whoever sent the batches bears it */
    struct list link;    /* in log->in_flight */
    struct list waiting; /* in segment->waiting */
    struct log *log;
    struct log_segment *segment;
    struct env_op io;
    env_done *written; /* of io */
    struct env_part part;
    struct slice slice;
    int64_t first, end; /* offsets: [first, end) */
    uint64_t position;
    bool done; /* written, but something before it is not */
    bool dead; /* cut back: completes into nothing */
    /* How to take it back. */
    struct format_index_mark index_mark;
    int64_t first_timestamp_was;
    int32_t producer_count;
    struct format_producer_undo producers[]; /* one for each batch of a producer, in their order */
};

/* Where a recent batch stands. */
struct log_recent {
    int64_t base;
    int64_t segment; /* base offset of its segment */
    uint32_t position, size;
};

enum log_state {
    LOG_OPENING,
    LOG_OPEN,
    LOG_REPAIRING,  /* a write failed; appends are refused */
    LOG_TRUNCATING, /* or begins anew; so are they */
    LOG_CLOSING,
};

enum log_deletion {
    LOG_STAYS,
    LOG_TO_DELETE,  /* once nothing of it is under way */
    LOG_IS_DELETED, /* its directory gets another name */
    LOG_DELETED,    /* it has: only who reads keeps it */
};

struct log_opening;
struct log_birth_work;
struct log_repair;
struct log_truncation;
struct log_sealing;
struct log_retention;

struct log {
    struct log_set *set;
    struct dir *dir;           /* the set's */
    struct list link, touched; /* in set->logs, set->touched */
    uint32_t looks;            /* of log_assert at one that was touched */
    struct dir_member member;
    int64_t soon_end; /* up to it somebody waits who does not ask for many partitions at once */
    char *topic;
    int32_t partition;
    struct wire_uuid topic_id;
    char *path;
    uint64_t id, topic_trace; /* as rows call it */
    struct log_config config;
    struct log_watch *watch;
    uint8_t state; /* enum log_state */
    enum err status;
    char *why;    /* of status; NULL: no more than its own text */
    char *notice; /* what recovery did that a person should know, or NULL */

    struct log_segment **segments; /* ascending; the last one is written to */
    int32_t segment_count, segment_cap;
    int64_t start, end, written_end, durable_end;
    int64_t recovery_point; /* that a checkpoint holds, or will */
    int64_t recovery_next;  /* that the checkpoint being written holds */
    int64_t start_next;     /* that the next log-start-offset-checkpoint holds */
    int64_t start_asked;    /* that one, too, if it is greater: somebody waits for it; -1: nobody */
    int64_t point_limit;    /* no checkpoint may claim more: the log is being cut there */
    uint64_t
        generation; /* counts truncations: what began in an earlier one may be of another log */
    int64_t high_watermark;
    struct format_epochs epochs;
    struct format_producers producers;
    int64_t soft_end; /* below it some was written before always_sync began */
    bool clean;       /* nothing had to be recovered */
    bool lacks;       /* log_lacks */
    bool unmarked;    /* nothing counts yet: log_mark */
    /* The files that the last life left at its clean end are those of this end and that many
       producers; -1: not known. */
    int64_t left_end;
    size_t left_producer_count;

    struct list admissions; /* struct log_admission: what clients sent and is being checked */
    struct list in_flight;
    int64_t in_flight_bytes;
    uint64_t bytes;            /* of all segments */
    struct log_recent *recent; /* a ring that is never sparse */
    int32_t recent_first, recent_count, recent_cap, cursor_next;
    uint64_t places; /* those that readers remember count while it is what it was */
    struct log_cursor cursors[LOG_CURSORS_MAX];

    uint64_t written_bytes, round_bytes, durable_bytes; /* of this life, up to those ends */
    int64_t round_end;  /* what had been written when the round of syncs began */
    int64_t synced_end; /* what has been synced; it is durable as far as its epochs are */

    /* Snapshots on disk, ascending. */
    int64_t *snapshots;
    int32_t snapshot_count, snapshot_cap;
    /* The one in memory, which is written once what it speaks of is durable. */
    struct bytes snapshot, window;
    int64_t snapshot_offset;
    uint64_t bytes_since_snapshot; /* appended since the last one was taken */
    uint64_t snapshot_size;        /* of that one */
    bool snapshot_due;             /* a segment has begun since, or so many bytes have come */
    bool held_back;                /* somebody waits for log_must_wait to be false */

    struct env_op look;     /* log_look */
    struct dir_hold looked; /* of the file that it looks at; not held: it looks at the directory */
    int64_t looked_ns;
    int64_t unnamed_base;  /* of the segment that a sync found removed, -1: none */
    int32_t busy;          /* processes that will come back to this log */
    int32_t retired_count; /* segments that are no more, but still read */
    int32_t given_count;   /* reads given from memory and not yet released */
    int32_t advances;      /* who wait for start_asked */
    struct log_sealing *sealing;
    struct log_retention *retention;
    struct log_repair *repair;
    struct log_truncation *truncation;
    enum err write_failed;   /* of a log that is truncated, which does what a repair would do */
    struct list epoch_waits; /* log_assign_epoch, for the next write of the checkpoint */
    int32_t epoch_durable;   /* the checkpoint on disk knows where all up to it begin; -1: none */
    struct env_timer epochs_retry;
    bool epochs_changed; /* since the write in flight began */
    bool epochs_writing; /* or it waits for its turn */
    struct list epochs_link;
    bool epochs_durable; /* the checkpoint on disk holds what memory holds, made in this life */
    struct env_timer retry;

    struct log_op *closing; /* log_close or log_delete, until it is told */
    uint8_t deletion;       /* enum log_deletion */

    /* Whoever waits for something of the log: called when it may have come. NULL: nobody. */
    void (*admit)(struct log *log);
    void (*repair_next)(struct log *log);
    void (*truncate_next)(struct log *log);
    void (*close_next)(struct log *log);
};

/* ---- the logs of a directory ---- */

struct log_set {
    struct dir *dir;
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    enum log_flush flush;
    struct list logs;    /* also those being opened or closed */
    struct list touched; /* logs, since log_set_assert looked */
    bool asserts;        /* somebody calls it */
    struct log_limits limits;

    struct list indexes; /* of older segments, used last at the front */
    int64_t index_bytes;
    struct format_producers_room producers;
    int64_t snapshot_bytes; /* of log.snapshot and log.window of all logs */

    uint64_t
        places_last; /* places of the logs: no two have the same, nor one before and after a cut */
    int32_t epochs_count; /* checkpoints of leader epochs that are being written */
    struct list epochs_waiting;
    int32_t turn_count; /* of those that have bytes in memory */
    struct list turns_waiting;
    bool gives_turns;

    int32_t openings;
    struct list openings_waiting;
    bool entries_doubted; /* an entry was made, perhaps, and not synced: see ready.c */

    /* The wall clock that is believed: wall - now, and one that is not believed yet. */
    bool clock_known, clock_doubted;
    int64_t clock_ms, doubted_ms, doubted_since_ns;
};

/* Nothing can be opened in it: the directory is offline, or does not stand durably. */
enum err log_set_status(const struct log_set *set, struct errmsg *msg);

/* Something of it has changed: it is looked at when the event is over. */
static inline void log_touch(struct log *log)
{
    if (log->set->asserts && !list_linked(&log->touched))
        list_push_back(&log->set->touched, &log->touched);
}
/* state.c: what holds of it between two events, or the process ends. whole: all of it, however long
 * that takes. */
void log_assert(struct log *log, bool whole);

/* member.c: what the directory asks of a log, and tells it. */
extern const struct dir_member_calls log_member_calls;

/* derived.c: files that are derived from the log, as a set that is written together */
struct log_derived;
struct log_derived_file {
    struct dir_save save;
    struct waiter waiter; /* log_derived_save_all */
    struct log_derived *derived;
    struct bytes bytes;
    uint8_t *own;    /* NULL: the bytes are somebody else's */
    uint64_t offset; /* where they begin in the file */
    bool over;       /* a file of that size may be there: it is written over */
    char path[ENV_PATH_MAX];
};
struct log_derived {
    struct log *log;
    bool durable; /* each file is made anew and synced; else what the power takes is made again */
    int32_t count;
    int32_t saved;  /* of those, or being saved */
    int32_t saving; /* at once */
    enum err err;   /* of the first that failed, and its path */
    const char *failed;
    struct waiter *waiter;
    struct log_derived_file files[DIR_FAREWELL_FILES];
};
/* Entries [first, end) of an index; the files hold those before them. */
struct log_index_part {
    struct format_counts first, end;
    struct format_index_crc crc; /* out: of all that the files will hold */
};

/* Zeroed, or freed. */
void log_derived_init(struct log_derived *d, struct log *log, bool durable);
/* The bytes are borrowed until then. */
void log_derived_free(struct log_derived *d);
void log_derived_add(struct log_derived *d, int64_t offset, enum format_file_kind kind,
                     struct bytes bytes);
/* The index files of a segment, and their checksums. ERR_NOMEM. */
enum err log_derived_add_index(struct log_derived *d, const struct log_segment *segment,
                               struct log_index_part *part) MUST_USE;
/* The files of a segment's index: enum format_derived, and behind those <base>.index.crc, which
 * proves them. */
#define LOG_INDEX_FILES (FORMAT_DERIVED + 1)
/* They are read one after the other. Zeroed, or freed. */
struct log_index_files {
    struct dir_get of[LOG_INDEX_FILES];
    int32_t count; /* read, or being read */
    char path[ENV_PATH_MAX];
};
struct log_index_found {
    bool whole;         /* they are there and make sense, */
    bool proven;        /* and .index.crc knows them; else the index is of no use */
    bool alone;         /* and nothing stands in them that is not proven */
    uint64_t log_bytes; /* of which they are */
};
bool log_index_all_got(const struct log_index_files *files);
/* Reads the next one. Errors as dir_get. */
void log_index_get_next(struct log_index_files *files, const struct log_segment *segment,
                        struct waiter *waiter);
void log_index_files_free(struct log_index_files *files);
/* Into the segment's index, which is empty, as far as it is proven, or, as Kafka's is not, there is
 * nothing that could prove it; next: none of its offsets is further. ERR_NOMEM. */
enum err log_index_take(const struct log_index_files *files, struct log_segment *segment,
                        int64_t next, struct log_index_found *out) MUST_USE;
/* One after the other; or all of them at once. Errors as dir_save. */
bool log_derived_all_saved(const struct log_derived *d);
void log_derived_save_next(struct log_derived *d, struct waiter *waiter);
void log_derived_save_all(struct log_derived *d, struct waiter *waiter);

/* farewell.c: what a log leaves for its next life at a clean end of the directory */
/* There is something to leave. */
bool log_farewell_due(const struct log *log);
/* Writes it, durably; the log is durable. dir_farewell_done may be called before this returns,
 * always as its last act. ERR_NOMEM: nothing was written. Else as dir_save. */
void log_farewell(struct log *log);

/* log.c */
static inline struct log_segment *log_active(const struct log *log)
{
    ASSERT(log->segment_count > 0);
    return log->segments[log->segment_count - 1];
}
void log_move(struct log *log, enum log_state next);
/* What a person is told of a log that is offline; the first time counts. */
void log_explain(struct log *log, const struct errmsg *why);
static inline bool log_is_soon(const struct log *log)
{
    return log->soon_end > log->durable_end;
}
static inline struct env *log_env(const struct log *log)
{
    return log->set->env;
}
void log_told(struct log *log, enum err e); /* calls the watch */
void log_offline(struct log *log, enum err e, int64_t position);
/* Something of an open log that nobody removed is not there any more: the log goes offline and says
 * what; its directory, when that is gone, too. */
void log_missing(struct log *log, const char *path);
/* The log has been written to: now and then looks whether the segment that is written to and its
 * directory are still there, because files that are open do not tell. */
void log_look(struct log *log);
/* A sync has found that no entry names the segment's file any more, and it was not the log that
 * removed it: nothing more becomes durable, and the log goes offline and says what is gone. */
void log_unnamed(struct log_segment *segment);
/* Bytes that were good once are not any more: the log goes offline and says where and why. */
void log_bad_batch(struct log_segment *segment, uint64_t position, const char *what);
void log_corrupt_text(struct errmsg *msg, const struct log *log, const char *path,
                      uint64_t position, const char *what);
/* "topic-N", the last part of its path. */
const char *log_name(const struct log *log);
/* "topic-N.<32 random digits>-suffix" in the log directory: Kafka's names for what comes and goes.
 * Random, because what an earlier life left under such a name is being removed meanwhile. */
void log_unique_path(const struct log_set *set, const char *topic, int32_t partition,
                     const char *suffix, char path[ENV_PATH_MAX]);
/* "topic-N" in the log directory. */
void log_path(const struct log_set *set, const char *topic, int32_t partition,
              char path[ENV_PATH_MAX]);
/* The log has been written to: lines it up for a round of syncs. */
void log_commit(struct log *log);
/* More has been synced, or an epoch has become durable: moves the durable end. */
void log_move_durable(struct log *log);
/* A process has ended: log_close, or the close of the directory, may go on. */
void log_settle(struct log *log);
/* Something that the repair, or a truncation, waits for has ended. */
void log_wake_repair(struct log *log);
/* What waits to be let in may be, or is to be refused. */
void log_wake_admissions(struct log *log);

/* close.c */
void log_free(struct log *log);

/* segment.c */
struct log_segment *log_segment_new(struct log *log, int64_t base, bool create) MUST_USE;
void log_segment_free(struct log_segment *segment);
/* Puts it behind the others. Room must be there (log_segments_reserve). */
enum err log_segments_reserve(struct log *log) MUST_USE;
void log_segments_push(struct log *log, struct log_segment *segment);
void log_segments_insert(struct log *log, int32_t at, struct log_segment *segment);
/* One of the files of its index. */
void log_index_path(const struct log *log, int64_t base, int32_t file, char path[ENV_PATH_MAX]);
/* Its place in log->segments: of the one whose base is the greatest <= offset; -1: none. */
int32_t log_segment_index(const struct log *log, int64_t offset);
void log_segment_path(const struct log *log, int64_t offset, enum format_file_kind kind,
                      char path[ENV_PATH_MAX]);

void log_segments_take_first(struct log *log);
/* Takes it out of service: freed when its last reader is done. It is in no array any more. */
void log_segment_retire(struct log_segment *segment);
/* Its index is older and on disk: it stays in memory while there is room; not any more; now. */
void log_index_cache(struct log_segment *segment);
void log_index_uncache(struct log_segment *segment);
void log_index_drop(struct log_segment *segment);
/* It has come from its files and does not fit the log: it is made anew when it is wanted next. */
void log_index_distrust(struct log_segment *segment);
void log_index_move(struct log_segment *segment, enum log_index_state next);
/* Nothing of it counts as being in its files. */
static inline void log_index_unsave(struct log_segment *segment)
{
    segment->saved = (struct format_counts){0};
    memset(segment->saved_crc, 0, sizeof segment->saved_crc);
}
/* It is in memory. */
static inline bool log_index_known(const struct log_segment *segment)
{
    return segment->index_state >= LOG_INDEX_MADE;
}
/* Not what files say that nobody has compared with the log. */
static inline bool log_index_trusted(const struct log_segment *segment)
{
    return segment->index_state == LOG_INDEX_MADE || segment->index_state == LOG_INDEX_SAVED;
}
/* The offset stands in a later segment, whatever else this one's file holds. */
bool log_segment_over(const struct log_segment *segment, int64_t offset);
/* One reader less. */
void log_segment_unread(struct log_segment *segment);
/* No place that a reader remembers counts any more. */
void log_forget_places(struct log *log);

/* write.c */
/* Writes it behind those that wait, now or when the file is open; written says how it ended. */
void log_write(struct log_append *append, env_done *written);
void log_write_waiting(struct log_segment *segment);
/* Opens (or makes) the segment's file and starts what waits for it. */
void log_segment_open(struct log_segment *segment);
/* Lets go of the file when nothing of the segment is under way. */
void log_segment_clean(struct log_segment *segment);

/* append.c */
/* What has been checked and is to be appended. */
struct log_incoming {
    struct slice batches;
    struct format_note *notes; /* of those */
    int32_t count;
    int32_t leader_epoch; /* as_is: of no use */
    int64_t now_ms;
    bool late;  /* of struct log_produce */
    bool as_is; /* offsets, epochs and timestamps stand in the batches, and stay */
};
/* So many offsets are missing before it that it begins a segment. */
static inline bool log_is_far(const struct log *log, const struct log_incoming *in)
{
    return in->as_is && in->notes[0].base - log->end > LOG_GAP_MAX;
}
/* Assigns and starts the write. ERR_NOMEM: nothing has happened. */
enum err log_enter(struct log *log, const struct log_incoming *in) MUST_USE;
/* It takes records. */
bool log_takes(const struct log *log);
/* What is free on the disk is not for its records. */
bool log_must_spare(const struct log *log);
/* Begins a segment at base, which is the log's end, or more than LOG_GAP_MAX behind it; its file is
 * made by log_segment_open. ERR_NOMEM. */
enum err log_roll(struct log *log, int64_t base) MUST_USE;
/* Its file is open and the segment has a place among the dirty ones, unless e. */
void log_segment_held(struct log_segment *segment, enum err e);
void log_cut_back(struct log *log, int64_t end, enum err e);
void log_recent_clear(struct log *log);
struct log_recent *log_recent_at(const struct log *log, int32_t i);

/* set.c: reads and seeks that have bytes of files in memory to look at them, a few at once */
struct log_turn {
    struct list link; /* in set->turns_waiting */
    void (*begin)(struct log_turn *turn);
};
/* begin is called when there is room, perhaps before this returns. */
void log_turn_take(struct log_set *set, struct log_turn *turn,
                   void (*begin)(struct log_turn *turn));
void log_turn_end(struct log_set *set);

/* place.c */
/* Where the batch begins that holds the offset of the read, if memory, or its reader, knows. */
bool log_place_find(const struct log_read *read, struct log_segment **segment,
                    uint64_t *position) MUST_USE;
/* The reader has come to offset, which stands there. */
void log_place_keep(struct log_read *read, int64_t offset, const struct log_segment *segment,
                    uint64_t position);
struct log_bound {
    uint64_t position; /* a batch begins there, or the segment ends */
    int64_t next;      /* the offset that comes there */
};
/* How far a read from there may go: whole batches, below end, up to bytes_max. False: memory does
 * not know, or there is nothing. */
bool log_place_bound(const struct log *log, const struct log_segment *segment, uint64_t from,
                     uint64_t bytes_max, int64_t end, bool at_least_one,
                     struct log_bound *out) MUST_USE;

/* repair.c */
void log_repair_begin(struct log *log, enum err e);
bool log_repair_runs(const struct log *log);
/* It runs, or somebody will remind it: what it waits for has not ended yet, or its timer is set. */
bool log_repair_comes(const struct log *log);
/* Gives it up, unless it is at work just now. */
void log_repair_stop(struct log *log);
/* The same, for a truncation that does its work, too; what the write failed with. */
enum err log_repair_take_over(struct log *log) MUST_USE;

/* truncate.c */
bool log_truncation_runs(const struct log *log);
/* It runs, or somebody will remind it. */
bool log_truncation_comes(const struct log *log);

/* seal.c: what is written in the background about segments: indexes and snapshots */
void log_seal(struct log *log);
/* A segment has begun (S-7), or so many bytes have been appended: when its turn comes, what the
 * producers have done below the log's end is written. At most one snapshot of a log is in memory;
 * what becomes due meanwhile is one more afterwards. */
void log_snapshot_want(struct log *log);
void log_snapshot_drop(struct log *log);
/* So much of the log waits to be saved in the background that nothing more may be appended for a
 * client: log_wake_admissions is called when it may. */
bool log_must_wait(struct log *log) MUST_USE;
/* There is one of that offset on disk. ERR_NOMEM. */
enum err log_snapshots_add(struct log *log, int64_t offset) MUST_USE;

/* epochs.c */
/* Writes leader-epoch-checkpoint with what holds now, and tells waiter, which may be NULL. */
void log_epochs_write(struct log *log, struct waiter *waiter);
/* The log has been cut back, and epochs with it. */
void log_epochs_were_cut(struct log *log);
/* Bytes from there on do not count as durable yet: the checkpoint does not know their epoch, and
 * recovery would take them for no part of the log. INT64_MAX: all do. */
static inline int64_t log_epochs_limit(const struct log *log)
{
    const struct format_epochs *epochs = &log->epochs;
    int64_t limit = INT64_MAX;
    for (int32_t i = epochs->count; i > 0 && epochs->rows[i - 1].epoch > log->epoch_durable; i--)
        limit = epochs->rows[i - 1].start;
    return limit;
}

/* indexes.c: the indexes of older segments, in memory while there is room */
/* True: it is there, until the event ends. */
bool log_index_there(struct log_segment *segment) MUST_USE;
/* It is not: makes it so, unless ERR_IO, ERR_NOMEM or ERR_CORRUPT (the segment itself is). When
 * waiter is told, it was there, and others who were told may have made room for theirs. */
void log_index_load(struct log_segment *segment, struct waiter *waiter);

/* walk.c: a file's batches, a piece at a time */
struct log_walk {
    struct log_set *set; /* NULL: not begun */
    bool dense;          /* of the log's config */
    struct waiter *waiter;
    env_file file;
    uint64_t position, end; /* of the file's bytes that count */
    uint8_t *buffer;
    uint32_t cap;
    struct format_scan scan;
    struct env_op io;
};

/* ERR_NOMEM. */
enum err log_walk_init(struct log_walk *walk, const struct log *log, uint32_t cap,
                       int32_t notes_max) MUST_USE;
void log_walk_free(struct log_walk *walk);
/* Begins at position; the file ends, for this walk, at end. expected: the offset of the first
 * batch, -1: any. */
void log_walk_begin(struct log_walk *walk, env_file file, uint64_t position, uint64_t end,
                    int64_t expected, bool crc);
/* Reads and scans the next piece; the result stands in walk->scan, whose used bytes are counted
 * already in walk->position. */
void log_walk_next(struct log_walk *walk, struct waiter *waiter);

/* ---- what clients send (check.c, admit.c) ---- */

/* One batch on its way in. */
struct log_check {
    /* in */
    struct wire_batch batch;
    struct bytes in; /* all of it */
    const struct log_config *config;
    int64_t now_ms;
    uint64_t content_max; /* unfinished beyond so many bytes of records */
    /* out */
    int16_t code; /* Kafka's; the rest is of use without one only, but for why and the errors */
    bool unfinished;
    bool renumber; /* the records' offsets are not 0, 1, 2, ... */
    bool recode;   /* it is to be written anew: how */
    struct wire_recode how;
    int64_t max_timestamp;
    uint64_t content_size;
    size_t made_size; /* of what log_check_recode wrote */
    int32_t error_count;
    struct errmsg why;
    struct log_record_error errors[LOG_RECORD_ERRORS_MAX]; /* error_count of them */
};

/* The head alone, and the CRC. */
void log_check_head(struct log_check *c);
/* The records; the head was checked. */
void log_check_records(struct log_check *c, struct mem *mem);
/* Writes it anew into out, of log_check_room bytes. */
void log_check_recode(struct log_check *c, struct mem *mem, uint8_t *out, size_t cap);
size_t log_check_room(const struct log_check *c);
/* log_append of one batch that was checked. */
void log_append_sound(struct log *log, struct slice batch, int32_t leader_epoch, int64_t now_ms,
                      bool late, struct log_appended *out);

#endif
