/* internal.h - what the files of the log share: the directory, a partition, its segments, and the
 * processes that work on them. */
#ifndef KILN_LOG_INTERNAL_H
#define KILN_LOG_INTERNAL_H

#include "log/log.h"
#include "format/format.h"
#include "steps/steps.h"

#define LOG_META_NAME "meta.properties"
#define LOG_EPOCHS_NAME "leader-epoch-checkpoint"
#define LOG_CONSENT_SUFFIX ".start-empty" /* of a file by which a person gives records up */
/* The ends of sentences; %s: the partition's directory. */
#define LOG_START_EMPTY                                                                            \
    "make an empty file %s" LOG_CONSENT_SUFFIX                                                     \
    " where it stood, to go on without its records; then start the broker again"
#define LOG_GIVE_UP "move the directory away and " LOG_START_EMPTY

/* Named limits. */
#define LOG_PIECE_BYTES (1 << 20)        /* a file is walked in pieces of this size */
#define LOG_PIECE_SMALL (64 << 10)       /* where little is looked for */
#define LOG_OFFLOAD_BYTES (64 << 10)     /* a CRC over more than this is not the loop's work */
#define LOG_CHECK_BYTES (256 << 10)      /* nor is it to decompress more than this */
#define LOG_RECODE_BYTES (16 << 10)      /* or to compress more than this */
#define LOG_RECODE_MAX (64 << 20)        /* of records, of a batch that is written anew */
#define LOG_OPENINGS_MAX 4               /* recoveries at once in a directory */
#define LOG_BATCHES_MAX 64               /* of one append */
#define LOG_RECENT_MAX 512               /* batches whose place is remembered */
#define LOG_CURSORS_MAX 8                /* readers whose place is remembered */
#define LOG_INDEX_CACHE_BYTES (16 << 20) /* of indexes of older segments, in a directory */
#define LOG_SNAPSHOT_BYTES (32 << 20)    /* appended between two snapshots of a partition */
#define LOG_PREFIX_BYTES (64 << 20)      /* appended until the active segment's index is saved */
#define LOG_SEAL_LOOK 1024               /* segments that are looked at for what is to be saved */
#define LOG_UNSEALED_MAX 64              /* full segments whose indexes are not saved yet */
#define LOG_SNAPSHOTS_BYTES (64 << 20)   /* snapshots in memory, of all logs of a directory */
#define LOG_SNAPSHOTS_KEPT 2             /* below the recovery point */
#define LOG_RETRY_MS 500                 /* until what failed in the background is tried again */
#define LOG_ROUND_LOGS 128               /* that one round of syncs takes in */
#define LOG_SHORT_MS 20                  /* until what found no descriptor or memory is */
#define LOG_REPAIR_BYTES (256 << 10)     /* that must be free before a full disk is tried again */
#define LOG_FAREWELLS_MAX 16             /* logs that are written at once at a clean end */
#define LOG_FAREWELLS_MS 1500            /* that all of them may take, but for the last ones */
#define LOG_FAREWELL_FILES 5             /* that a log leaves then */
#define LOG_RESERVE_FILES 8              /* kept for a start on a full disk: inodes, and ... */
#define LOG_RESERVE_BYTES (64 << 10)     /* ... bytes of each */
#define LOG_RESERVE_MS 50                /* until they are made */
#define LOG_LOOK_MS 1000                 /* between two looks at the files of a busy log */
#define LOG_SETTLE_MS 600000             /* a wall clock that jumped ahead is believed after it */

/* ---- small files (small.c) ---- */

/* Reads a small file whole. found: false when there is none. The owner frees data. */
struct log_get {
    struct steps steps;
    struct log_dir *dir;
    void (*done)(struct log_get *get, enum err e);
    const char *path; /* the owner's */
    env_file file;
    bool found;
    uint8_t *data;
    uint64_t size;
    enum err failed;
};

/* folder/name and a suffix; folder may be NULL. */
void log_path_join(char path[ENV_PATH_MAX], const char *folder, const char *name,
                   const char *suffix);
/* The folder that holds path. */
void log_folder_of(const char *path, char folder[ENV_PATH_MAX]);

void log_get(struct log_dir *dir, struct log_get *get, const char *path,
             void (*done)(struct log_get *get, enum err e));

/* Writes a small file under its own name: what has a CRC inside, or can be made again, needs no
 * second name. */
struct log_save {
    struct steps steps;
    struct log_dir *dir;
    void (*done)(struct log_save *save, enum err e);
    const char *path; /* the owner's, as the bytes */
    struct bytes bytes;
    uint64_t offset; /* 0: the file is made anew; else what stands before it stays, and what is
                        written is its end */
    bool over;       /* what stands there is written over */
    bool sync;
    env_file file;
    struct env_part part;
    const struct env_part *parts; /* the owner's, or part */
    int32_t part_count;
    enum err failed;
};

void log_save(struct log_dir *dir, struct log_save *save, const char *path, struct bytes bytes,
              uint64_t offset, bool sync, void (*done)(struct log_save *save, enum err e));
/* Makes the file anew of parts, one behind the other, and syncs it. */
void log_save_parts(struct log_dir *dir, struct log_save *save, const char *path,
                    const struct env_part *parts, int32_t part_count,
                    void (*done)(struct log_save *save, enum err e));
/* Writes over a file of the same size, unsynced. One write of less than a page: a process that is
 * killed leaves the old bytes or the new ones. */
void log_save_over(struct log_dir *dir, struct log_save *save, const char *path, struct bytes bytes,
                   void (*done)(struct log_save *save, enum err e));

/* What is known of the file that is replaced. */
enum log_put_before {
    LOG_PUT_LOOK,  /* nothing: it is read */
    LOG_PUT_NEW,   /* there is none, or none that could be fallen back to */
    LOG_PUT_KNOWN, /* it was right, and its CRC is `before` */
};
/* log_file_put. */
void log_put(struct log_dir *dir, struct log_file_write *write, enum log_put_before known,
             uint32_t before, log_done *done);

/* ---- open files (files.c) ---- */

enum log_file_state {
    LOG_FILE_CLOSED,
    LOG_FILE_OPENING,
    LOG_FILE_OPEN,
    LOG_FILE_CLOSING,
};

/* One file of a segment. It stays open while it is held, and after that until the directory has
 * too many. */
struct log_file {
    struct log *log; /* until it is gone */
    struct log_dir *dir;
    env_file handle;
    int32_t holds;
    uint8_t state; /* enum log_file_state */
    bool create;   /* the first open makes it new */
    bool gone;     /* freed when nobody holds it any more */
    struct list waits, idle;
    struct env_op io;
    char path[];
};

struct log_file_wait;
typedef void log_file_ready(struct log_file_wait *wait, enum err e);
struct log_file_wait {
    struct list link;
    log_file_ready *ready;
};

/* ERR_NOMEM: NULL. path is copied. */
struct log_file *log_file_new(struct log *log, const char *path, bool create) MUST_USE;
/* True: it is open and held. False: ready says when, and it is held then unless e. */
bool log_file_hold(struct log_file *file, struct log_file_wait *wait,
                   log_file_ready *ready) MUST_USE;
/* True: it was open, and is held now. */
bool log_file_hold_open(struct log_file *file) MUST_USE;
void log_file_release(struct log_file *file);
/* Nobody will ask for it again: it is freed when it is closed. */
void log_file_retire(struct log_file *file);
/* Closes idle files of the directory until at most that many are open. */
void log_files_trim(struct log_dir *dir, int32_t open_max);
/* What the door and the operator allow. */
void log_files_init(struct log_dir *dir);

/* ---- files whose bytes are not synced (dirty.c) ---- */

/* Such a file stays open until they are, because Linux tells a failed write-back for sure only to
 * who had it open. So their number is bounded: segments wait for a place. */
void log_dirty_init(struct log_dir *dir);
/* The segment's file is wanted for writing: log_segment_held, sooner or later. */
void log_dirty_hold(struct log_segment *segment);
/* Gives the place and the file back. */
void log_dirty_release(struct log_segment *segment);
/* Some wait: who has a place gives it back as soon as its bytes are synced. */
bool log_dirty_crowded(const struct log_dir *dir);
/* A place is free, or nobody will get one any more. */
void log_dirty_next(struct log_dir *dir);
/* What has no descriptor or no memory for a sync was not tried: S-5 does not speak of it. */
static inline bool log_sync_tried(enum err e)
{
    return e != ERR_TOOMANY && e != ERR_NOMEM;
}

/* ---- a segment ---- */

struct log_segment {
    struct log *log;
    int64_t base;
    int64_t next;     /* behind its last offset */
    uint64_t size;    /* bytes assigned */
    bool exact;       /* its file ends where next says; else it may go on with batches that the next
                         segment holds, too (copy.c) */
    uint64_t written; /* bytes whose appends have completed */
    uint64_t synced;  /* bytes synced in this life, or known to be */
    uint64_t sync_size;      /* what the sync in flight will have covered */
    int64_t first_timestamp; /* of the first batch, -1: not known */
    int64_t touched_ns;      /* env_now of its last append in this life, or of its start */
    int64_t modified_ms;     /* wall time of its last append, -1: not known */
    struct format_index index;
    bool index_known;   /* false: on disk, if anywhere */
    bool index_trusted; /* made in this life from the log itself */
    bool index_wrong;   /* the files do not fit the log */
    struct loading *loading;
    bool index_saved;                             /* sealed, and the files hold all of it */
    int32_t index_saved_count, times_saved_count; /* entries that the files hold */
    uint32_t index_crc, times_crc;                /* of those */
    bool entry_durable;                           /* its directory entry has been synced */
    bool entry_syncing;
    bool dirty_hold; /* its file is held because bytes are not synced */
    bool syncing;
    int32_t appending;            /* appends that the door has */
    struct list dirty_wait;       /* in dir->dirty_waits or dirty_waits_late */
    struct format_ranges checked; /* bytes whose CRCs were right in this life */
    struct log_file *file;
    struct log_file_wait file_wait; /* of appends that wait for it */
    bool file_waiting;
    struct list waiting; /* appends not yet started */
    struct env_op sync;
    struct list cached; /* in dir->indexes, when its index may be dropped */
    int32_t readers;
    bool sealing; /* one of the readers writes its files */
    bool retired;
};

/* ---- an append ---- */

struct log_append {
    struct list link;    /* in log->in_flight */
    struct list waiting; /* in segment->waiting */
    struct log *log;
    struct log_segment *segment;
    struct env_op io;
    struct env_part part;
    struct slice slice;
    int64_t first, end; /* offsets: [first, end) */
    uint64_t position;
    bool done; /* written, but something before it is not */
    bool dead; /* cut back: completes into nothing */
    /* How to take it back. */
    struct format_index_mark index_mark;
    int64_t first_timestamp_was;
    bool has_producer;
    struct format_producer_undo producer;
};

/* Where a recent batch stands. */
struct log_recent {
    int64_t base;
    int64_t segment; /* base offset of its segment */
    uint32_t position, size;
};

struct log_cursor {
    int64_t offset;
    struct log_segment *segment; /* NULL: none */
    uint64_t position;
};

enum log_state {
    LOG_OPENING,
    LOG_OPEN,
    LOG_REPAIRING, /* a write failed; appends are refused */
    LOG_CLOSING,
};

/* A round of syncs is bounded, and each of these has a share of it. */
enum log_turn {
    LOG_TURN_SOON,
    LOG_TURN_LATE,  /* only those wait who ask for many partitions at once */
    LOG_TURN_FLUSH, /* nobody waits, but it is time */
    LOG_TURN_IDLE,  /* nobody waits */
    LOG_TURNS
};

struct log_opening;
struct log_birth_work;
struct log_repair;
struct log_sealing;
struct log_retention;
struct log_shutdown;

struct log {
    struct log_dir *dir;
    struct list link;  /* in dir->logs */
    struct list dirty; /* in dir->dirty[turn] or dir->in_round */
    uint8_t turn;      /* enum log_turn */
    int64_t soon_end;  /* up to it somebody waits who does not ask for many partitions at once */
    char *topic;
    int32_t partition;
    struct wire_uuid topic_id;
    char *path;
    uint64_t id;
    struct log_config config;
    struct log_watch *watch;
    uint8_t state; /* enum log_state */
    enum err status;
    struct errmsg why; /* of status */
    char *notice;      /* what recovery did that a person should know, or NULL */

    struct log_segment **segments; /* ascending; the last one is written to */
    int32_t segment_count, segment_cap;
    int64_t start, end, written_end, durable_end;
    int64_t recovery_point; /* that a checkpoint holds, or will */
    int64_t recovery_next;  /* that the checkpoint being written holds */
    int64_t start_next;     /* that the next log-start-offset-checkpoint holds */
    int64_t high_watermark;
    struct log_known *known;
    struct format_epochs epochs;
    struct format_producers producers;
    bool clean;    /* nothing had to be recovered */
    bool unmarked; /* nothing counts yet: log_mark */
    /* The files that the last life left at its clean end are those of this end and that many
       producers; -1: not known. */
    int64_t left_end;
    size_t left_producer_count;

    struct list admissions; /* struct log_admission: what clients sent and is being checked */
    struct list in_flight;
    int64_t in_flight_bytes;
    uint64_t bytes;            /* of all segments */
    struct log_recent *recent; /* a ring that is never sparse */
    int32_t recent_first, recent_count, recent_cap;
    struct log_cursor cursors[LOG_CURSORS_MAX];
    int32_t cursor_next;

    /* Rounds. */
    bool in_round;
    bool round_short; /* a sync of this round was not tried */
    int32_t round_pending;
    int64_t round_end;
    struct env_op dir_sync;

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

    struct env_op look;      /* log_look */
    struct log_file *looked; /* by it, and held; NULL: the directory is */
    int64_t looked_ns;
    int64_t unnamed_base;  /* of the segment that a sync found removed, -1: none */
    int32_t busy;          /* processes that will come back to this log */
    int32_t retired_count; /* segments that are no more, but still read */
    int32_t given_count;   /* reads given from memory and not yet released */
    struct log_sealing *sealing;
    struct log_retention *retention;
    struct log_repair *repair;
    struct list epoch_waits; /* log_assign_epoch, for the next write of the checkpoint */
    bool epochs_changed;     /* since the write in flight began */
    bool epochs_writing;
    bool epochs_durable; /* the checkpoint on disk holds what memory holds, made in this life */
    struct env_timer retry;

    struct log_op *closing; /* log_close or log_delete */
    bool deleting;
};

/* ---- the directory ---- */

/* What the checkpoints say of a partition, open or not. -1: nothing. */
struct log_known {
    struct omap_node node; /* in dir->known, by topic and partition */
    int64_t offsets[3];    /* by enum log_points_kind */
    int32_t partition;
    char topic[];
};

enum log_points_kind {
    LOG_POINTS_RECOVERY,
    LOG_POINTS_START,
    LOG_POINTS_WATERMARK,
    LOG_POINTS_COUNT,
};

/* Whoever waits for a checkpoint to be written with what holds now. */
struct log_points_wait {
    struct list link;
    void (*done)(struct log_points_wait *wait, enum err e);
};

/* One of the checkpoints: one write at a time, which answers all who asked before it began. */
struct log_points_file {
    struct log_dir *dir;
    struct log_file_write write;
    struct text text;
    char path[ENV_PATH_MAX];
    bool busy, again;
    bool crc_known; /* of what the file holds */
    uint32_t crc;
    struct list waits, waits_next;
};

struct log_ground {
    struct env_op parent, entries;
    struct log_file_write identity;
    struct text text;
    char path[ENV_PATH_MAX], parent_path[ENV_PATH_MAX];
    int32_t pending; /* of these three */
    enum err err;    /* of the first that failed */
    struct errmsg msg;
    struct list waits;
};

struct log_dir {
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    struct log_dir_config config;
    char *path;
    char cluster_id[64];
    struct wire_uuid directory_id;
    enum err status;
    bool opened, clean, closing;
    bool is_new; /* meta.properties was not there */
    env_file lock;
    struct log_ground ground;
    struct log_reserve *reserve;
    bool short_of_room;   /* there is no room for a second copy of anything: see recover.c */
    bool full;            /* told so */
    int32_t full_count;   /* logs that wait for room */
    bool entries_doubted; /* an entry was made, perhaps, and not synced: see ready.c */
    struct log_dir_entry *entries;
    int32_t entry_count, entry_cap;
    struct list logs;

    struct list idle_files; /* used last at the front */
    int32_t open_files;     /* or being opened */
    int32_t open_files_max;

    struct list dirty_waits, dirty_waits_late; /* segments */
    int32_t dirty_count, dirty_max;
    uint32_t dirty_given; /* places, so far */
    struct env_timer dirty_timer;

    struct list dirty[LOG_TURNS], in_round; /* logs */
    uint64_t round;
    bool round_running;
    int32_t round_pending;
    enum err round_err;
    bool round_short;             /* some sync was not tried: */
    struct env_timer round_timer; /* the next round waits a moment */

    struct omap known;
    bool points_wrong[LOG_POINTS_COUNT]; /* the checkpoint found did not match its checksum */
    bool points_own[LOG_POINTS_COUNT];   /* it did: kiln wrote it, or will have in this life */
    struct log_points_file points[LOG_POINTS_COUNT];
    int64_t synced_bytes;   /* since the last checkpoint */
    int64_t unsynced_bytes; /* written by logs that do not wait for syncs */
    bool flush_now;         /* the next rounds take those in, too */
    struct env_timer checkpoint, flush;
    int64_t watermarks_ns; /* when they were written last */

    struct list indexes; /* of older segments, used last at the front */
    int64_t index_bytes;
    int64_t snapshot_bytes; /* of log.snapshot and log.window of all logs */

    int32_t openings;
    struct list openings_waiting;
    int32_t busy;         /* processes of the directory's own */
    struct list removals; /* files of segments that are no more */
    struct log_shutdown *shutdown;
    struct log_op *settling; /* log_dir_settle */

    /* The wall clock that is believed: wall - now, and one that is not believed yet. */
    bool clock_known, clock_doubted;
    int64_t clock_ms, doubted_ms, doubted_since_ns;
};

/* dir.c: the sync of a file or directory has failed: S-5. */
void log_dir_sync_failed(struct log_dir *dir, enum err e);
/* The directory itself is not there any more. */
void log_dir_missing(struct log_dir *dir);
/* What the sync of a folder, a tolerant step, said: STEPS_NEXT, or S-5 and STEPS_FAIL. */
enum steps_flow log_dir_synced(struct log_dir *dir, const struct steps *steps);
/* What a person may do about it; "" or the rest of a sentence. */
const char *log_dir_advice(enum err e);
/* The same where a partition cannot be opened: its owner knows whether it is tried again. */
const char *log_open_advice(enum err e);

/* ground.c */
struct log_ground_wait {
    struct list link;
    void (*done)(struct log_ground_wait *wait, enum err e);
};
/* Syncs the directory's entry in its parent, and its own entries. */
void log_ground_begin(struct log_dir *dir);
/* Writes meta.properties. is_new: there is none. ERR_NOMEM. */
enum err log_ground_identity(struct log_dir *dir, const struct format_meta *meta,
                             bool is_new) MUST_USE;
/* True: all of it has ended, and dir->ground says how. False: done says when, and how. */
bool log_ground_wait(struct log_dir *dir, struct log_ground_wait *wait,
                     void (*done)(struct log_ground_wait *wait, enum err e)) MUST_USE;

/* reserve.c */
/* Gives the reserve back to a disk without room to start on. False: nothing to wait for. */
bool log_reserve_open(struct log_dir *dir, struct steps *owner) MUST_USE;
/* A name that the start has found in the directory; called for each of them. */
void log_reserve_listed(struct log_dir *dir, const char *name);
/* Makes what is missing of it, in the background, when there is room. */
void log_reserve_later(struct log_dir *dir);
void log_reserve_stop(struct log_dir *dir);
void log_reserve_free(struct log_dir *dir);
/* A log begins, or ceases, to wait for room: told once for all. */
void log_full_begin(struct log_dir *dir);
void log_full_end(struct log_dir *dir, bool room);

/* remove.c: unlinks the files of a directory, then the directory, in the background. */
void log_remove_dir(struct log_dir *dir, const char *path);

/* shutdown.c: the memory without which a close could not even let go of the lock. ERR_NOMEM. */
enum err log_shutdown_reserve(struct log_dir *dir) MUST_USE;
/* Something has ended; closing may go on. */
void log_dir_idle(struct log_dir *dir);

/* farewell.c: what a log leaves for its next life at a clean end of the directory */
typedef void log_farewell_done(struct log *log, enum err e, const struct errmsg *msg);
/* There is something to leave. */
bool log_farewell_due(const struct log *log);
/* Writes it, durably; the log is durable. done may be called before this returns, always as its
 * last act; msg is valid until done returns. ERR_NOMEM: nothing was written. Else as log_save. */
void log_farewell(struct log *log, log_farewell_done *done);

/* retain.c: files that would be removed later are left for the next life. */
void log_removals_stop(struct log_dir *dir);

/* log.c */
static inline struct log_segment *log_active(const struct log *log)
{
    ASSERT(log->segment_count > 0);
    return log->segments[log->segment_count - 1];
}
static inline bool log_is_soon(const struct log *log)
{
    return log->soon_end > log->durable_end;
}
static inline struct env *log_env(const struct log *log)
{
    return log->dir->env;
}
bool log_waits_for_sync(const struct log *log);
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
void log_unique_path(const struct log *log, const char *suffix, char path[ENV_PATH_MAX]);
void log_settle(struct log *log); /* a process ended: log_close may go on */
void log_free(struct log *log);

/* segment.c */
struct log_segment *log_segment_new(struct log *log, int64_t base, bool create) MUST_USE;
void log_segment_free(struct log_segment *segment);
/* Puts it behind the others. Room must be there (log_segments_reserve). */
enum err log_segments_reserve(struct log *log) MUST_USE;
void log_segments_push(struct log *log, struct log_segment *segment);
void log_segments_insert(struct log *log, int32_t at, struct log_segment *segment);
/* <base>.index.crc. */
void log_index_crc_path(const struct log *log, int64_t base, char path[ENV_PATH_MAX]);
/* Its place in log->segments: of the one whose base is the greatest <= offset; -1: none. */
int32_t log_segment_index(const struct log *log, int64_t offset);
void log_segment_path(const struct log *log, int64_t offset, enum format_file_kind kind,
                      char path[ENV_PATH_MAX]);

void log_segments_take_first(struct log *log);
/* Takes it out of service: freed when its last reader is done. It is in no array any more. */
void log_segment_retire(struct log_segment *segment);
/* The offset stands in a later segment, whatever else this one's file holds. */
bool log_segment_over(const struct log_segment *segment, int64_t offset);
/* One reader less. */
void log_segment_unread(struct log_segment *segment);
/* No reader's remembered place is in it any more. */
void log_forget_cursors(struct log *log, const struct log_segment *segment);

/* append.c */
/* Begins a segment at the log's end; its file is made by log_segment_open. ERR_NOMEM. */
enum err log_roll(struct log *log) MUST_USE;
/* Opens (or makes) the segment's file and starts what waits for it. */
void log_segment_open(struct log_segment *segment);
/* Its file is open and the segment has a place among the dirty ones, unless e. */
void log_segment_held(struct log_segment *segment, enum err e);
/* Lets go of the file when nothing of the segment is under way. */
void log_segment_clean(struct log_segment *segment);
void log_cut_back(struct log *log, int64_t end, enum err e);
void log_recent_clear(struct log *log);
struct log_recent *log_recent_at(const struct log *log, int32_t i);

/* admit.c: appends what waits to be let in, as far as it may. */
void log_admit_next(struct log *log);

/* place.c */
/* Where the batch begins that holds offset, if memory knows. */
bool log_place_find(const struct log *log, int64_t offset, struct log_segment **segment,
                    uint64_t *position) MUST_USE;
/* A reader who began at from has come to offset, which stands there. */
void log_place_keep(struct log *log, int64_t from, int64_t offset, struct log_segment *segment,
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

/* commit.c */
void log_commit_init(struct log_dir *dir);
void log_commit_mark(struct log *log);
void log_commit_kick(struct log_dir *dir);
void log_commit_flush(struct log_dir *dir);

/* repair.c */
void log_repair_begin(struct log *log, enum err e);
/* Something that the repair waits for has ended. */
void log_repair_next(struct log *log);
bool log_repair_runs(const struct log *log);
/* Gives it up, unless it is at work just now. */
void log_repair_stop(struct log *log);

/* seal.c: what is written in the background about segments: indexes and snapshots */
void log_seal(struct log *log);
/* A segment has begun (S-7), or so many bytes have been appended: when its turn comes, what the
 * producers have done below the log's end is written. At most one snapshot of a log is in memory;
 * what becomes due meanwhile is one more afterwards. */
void log_snapshot_want(struct log *log);
void log_snapshot_drop(struct log *log);
/* So much of the log waits to be saved in the background that nothing more may be appended for a
 * client: log_admit_next is called when it may. */
bool log_must_wait(struct log *log) MUST_USE;
/* There is one of that offset on disk. ERR_NOMEM. */
enum err log_snapshots_add(struct log *log, int64_t offset) MUST_USE;

/* epochs.c */
struct log_epoch_wait {
    struct list link;
    void (*done)(struct log_epoch_wait *wait, enum err e);
};
/* Writes leader-epoch-checkpoint with what holds now, and tells wait, which may be NULL. */
void log_epochs_write(struct log *log, struct log_epoch_wait *wait);

/* indexes.c: the indexes of older segments, in memory while there is room */
struct log_index_wait;
typedef void log_index_ready(struct log_index_wait *wait, enum err e);
struct log_index_wait {
    struct list link;
    log_index_ready *ready;
};
/* True: it is there, until the event ends. False: ready says when; ERR_IO, ERR_NOMEM, ERR_CORRUPT
 * (the segment itself is). */
bool log_index_want(struct log_segment *segment, struct log_index_wait *wait,
                    log_index_ready *ready) MUST_USE;
/* It does not fit the log: it is built anew from it when it is wanted next. */
void log_index_distrust(struct log_segment *segment);
void log_index_cache(struct log_segment *segment);
void log_index_uncache(struct log_segment *segment);

/* pointfiles.c */
void log_points_init(struct log_dir *dir);
const char *log_points_name(enum log_points_kind kind);
/* Takes in what a checkpoint held. ERR_CORRUPT, ERR_NOMEM. */
enum err log_points_take(struct log_dir *dir, enum log_points_kind kind, struct bytes file,
                         struct errmsg *msg) MUST_USE;
/* Writes that checkpoint anew and tells wait, which may be NULL. */
void log_points_write(struct log_dir *dir, enum log_points_kind kind, struct log_points_wait *wait);
/* What is known of a partition, made when it is not there. ERR_NOMEM: NULL. */
struct log_known *log_known_get(struct log_dir *dir, const char *topic, int32_t partition) MUST_USE;
void log_known_forget(struct log_dir *dir, struct log_known *known);
void log_known_free(struct log_dir *dir);
/* More bytes have been synced, or written by a log that does not wait for syncs. */
void log_checkpoint_later(struct log_dir *dir);

/* walk.c: a file's batches, a piece at a time */
struct log_walk {
    struct log_dir *dir;
    struct steps *owner;
    env_file file;
    uint64_t position, end; /* of the file's bytes that count */
    uint8_t *buffer;
    uint32_t cap;
    struct format_scan scan;
    struct env_op io;
};

/* ERR_NOMEM. */
enum err log_walk_init(struct log_walk *walk, struct log_dir *dir, uint32_t cap,
                       int32_t notes_max) MUST_USE;
void log_walk_free(struct log_walk *walk);
/* Begins at position; the file ends, for this walk, at end. expected: the offset of the first
 * batch, -1: any. */
void log_walk_begin(struct log_walk *walk, env_file file, uint64_t position, uint64_t end,
                    int64_t expected, bool crc);
/* One step of owner: reads and scans the next piece; the result stands in walk->scan, whose used
 * bytes are counted already in walk->position. */
void log_walk_next(struct log_walk *walk, struct steps *owner);

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
    struct log_record_error errors[LOG_RECORD_ERRORS_MAX];
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
