/* dir.h - one log directory: its lock and identity, its open files, its small durable files and
 * checkpoints, and its rounds of syncs (group commit). It knows no record: whoever has files in it
 * is a member, and is told by one table of calls. */
#ifndef KILN_DIR_H
#define KILN_DIR_H

#include "format/format.h"
#include "steps/steps.h"

/* One log directory (log.dirs has one entry). After a failed sync it is offline for good (S-5). */
struct dir;
struct dir_member;

#define DIR_BOOTSTRAP_NAME "bootstrap.checkpoint" /* what a cluster begins with (KIP-778) */
#define DIR_CONSENT_SUFFIX ".start-empty"         /* of a file by which a person gives records up */
#define DIR_ROUND_MEMBERS 128                     /* that one round of syncs takes in */
#define DIR_FAREWELLS_MAX 16                      /* members that leave at once at a clean end */
#define DIR_FAREWELL_FILES 5                      /* that one of them leaves at most */
#define DIR_ROOM_BYTES (256 << 10) /* that must be free before a full disk is tried again */
#define DIR_SHORT_MS 20            /* until what found no descriptor or memory is tried again */

/* Told of what concerns the whole directory. full: the disk has no room any more; once, until it
 * had some again. */
struct dir_watch {
    void (*full)(struct dir_watch *watch);
};

struct dir_config {
    const char *path;
    int32_t node_id;
    const char *cluster_id;      /* NULL: take what meta.properties says, or make one */
    const uint8_t *directory_id; /* of one that is made, 16 bytes; NULL: a new one */
    bool joins;                  /* it is one of several, and may not make one */
    int32_t open_files_max;      /* of the file cache */
    int64_t checkpoint_bytes;    /* a recovery point after so many synced bytes ... */
    int64_t checkpoint_ms;       /* ... or so long */
    int64_t flush_bytes;         /* what nobody waits for is synced after so many bytes ... */
    int64_t flush_ms;            /* ... or so long: what a loss of power may take */
    struct notes *notes;         /* what a person should know of the disk; may be NULL */
    struct dir_watch *watch;     /* may be NULL */
    bool reserve;                /* keeps half a MiB for a full disk: dir_reserve_is_given */
};

/* How an operation of this module ends. msg holds a sentence when e is not ERR_NONE. done may be
 * called before the function that started the operation returns, always as its last act. */
struct dir_op;
typedef void dir_done(struct dir_op *op, enum err e);
struct dir_op {
    dir_done *done;
    struct errmsg msg;
};

/* ---- the directory ---- */

/* Makes the object; touches nothing yet. ERR_NOMEM. config's strings are copied. */
enum err dir_new(struct dir **out, struct env *env, struct mem *mem, struct trace *trace,
                 const struct dir_config *config) MUST_USE;
/* Creates or opens the directory: lock, meta.properties (refused when it names another node or
 * cluster), clean-shutdown marker (read, then removed durably), checkpoints. A new identity becomes
 * durable meanwhile: dir_settled says when. Errors: ERR_BUSY (another broker has it), ERR_INVALID
 * (another node's), ERR_CORRUPT, ERR_NOSPACE, ERR_READONLY, ERR_ACCESS, ERR_IO, ERR_NOMEM; the
 * message says what to do. */
void dir_open(struct dir *dir, struct dir_op *op, dir_done *done);
/* Clean shutdown: every member is synced, and leaves what its next life starts quickly with; then
 * the checkpoints, then the marker. mark: false when this life has not made good for an unclean end
 * of the last one; then there is no marker, and the next life is told of that end. After an error
 * the directory is unlocked all the same. */
void dir_close(struct dir *dir, bool mark, struct dir_op *op, dir_done *done);
/* Once every member has left, and the directory is closed: waits until the last file is, which goes
 * on in the background. */
void dir_settle(struct dir *dir, struct dir_op *op, dir_done *done);
/* Frees memory only; after dir_settle, or a dir_open that failed. */
void dir_free(struct dir *dir);
/* Something of it has changed, or of what it asks a member: it is looked at when the event is over.
 */
void dir_touch(struct dir *dir);
/* state.c: what holds of it between two events, or the process ends; nothing is looked at when
 * nothing was touched. whole: all of it, however long that takes. */
void dir_assert(struct dir *dir, bool whole);

/* The partitions found by dir_open, as directories "topic-N" that hold partition.metadata. */
struct dir_entry {
    const char *topic;
    int32_t partition;
    uint8_t topic_id[16];
};
int dir_entries(const struct dir *dir, const struct dir_entry **out);
const char *dir_path(const struct dir *dir);
const char *dir_cluster_id(const struct dir *dir);
const uint8_t *dir_id(const struct dir *dir); /* directory.id, 16 bytes */
bool dir_is_new(const struct dir *dir);       /* meta.properties was not there */
/* kiln format, or Kafka's tool, has made it: bootstrap.checkpoint is there. */
bool dir_is_formatted(const struct dir *dir);
/* It is from now on. */
void dir_formatted(struct dir *dir);
bool dir_clean(const struct dir *dir); /* the last life ended with the marker */
/* The broker epoch that the marker said (B-2); -1: none. */
int64_t dir_clean_epoch(const struct dir *dir);
/* The broker epoch of the last life that keeps what it acknowledges, however it ends; -1: none. */
int64_t dir_kept_epoch(const struct dir *dir);
/* Which one that is from now on; -1: none. As dir_file_put; one at a time. */
void dir_keep_epoch(struct dir *dir, int64_t broker_epoch, struct dir_op *op, dir_done *done);
/* The one that this life's marker is to say; -1, where nobody says. */
void dir_set_epoch(struct dir *dir, int64_t broker_epoch);
bool dir_closing(const struct dir *dir);    /* dir_close has begun */
enum err dir_status(const struct dir *dir); /* ERR_OFFLINE after a failed sync */
struct env *dir_env(const struct dir *dir);
struct mem *dir_mem(const struct dir *dir);
struct trace *dir_trace(const struct dir *dir);
struct notes *dir_notes(const struct dir *dir);

/* Something of a member's is under way that may outlive it: dir_settle waits for its end. */
void dir_work_begins(struct dir *dir);
void dir_work_ends(struct dir *dir);
/* Something else has ended that a close may wait for. */
void dir_idle(struct dir *dir);

/* The sync of a file or directory has failed: the directory goes offline, unless it was not even
 * tried (S-5). */
void dir_sync_failed(struct dir *dir, enum err e);
/* What has no descriptor or no memory for a sync was not tried: S-5 does not speak of it. */
static inline bool dir_sync_tried(enum err e)
{
    return e != ERR_TOOMANY && e != ERR_NOMEM;
}
/* The sync of a folder, or of an open file, that is no part of a round. When it fails, S-5 has been
 * seen to before waiter is told. */
struct dir_sync {
    struct env_op op;
    struct list link; /* dir_sync_entries */
    struct dir *dir;
    struct waiter *waiter;
};
void dir_sync_folder(struct dir *dir, struct dir_sync *sync, const char *path,
                     struct waiter *waiter);
/* The same of the directory itself. Whoever asks while one is under way is answered by the next,
 * and all of them by one: where many are made or removed at once, they share their syncs. */
void dir_sync_entries(struct dir *dir, struct dir_sync *sync, struct waiter *waiter);
void dir_sync_file(struct dir *dir, struct dir_sync *sync, env_file file, struct waiter *waiter);
/* What a person may do about it; "" or the rest of a sentence. */
const char *dir_advice(enum err e);
/* The same where a partition cannot be opened: its owner knows whether it is tried again. */
const char *dir_open_advice(enum err e);

/* What all members stand on: the directory's entry in its parent, the entries that an earlier life
 * left in it, its identity. Nothing is shown of a member before that is durable. */
void dir_ground_wait(struct dir *dir, struct waiter *waiter);
/* How it ended; msg is a sentence when it failed. */
enum err dir_ground_state(const struct dir *dir, const struct errmsg **msg);

/* The argument of trace row LOG_REBUILT, beside enum log_rebuilt; base: the kind, no partition. */
#define DIR_REBUILT_POINTS 4

/* ---- members ---- */

/* What the checkpoints say of a partition, open or not. -1: nothing. */
enum dir_points_kind {
    DIR_POINTS_RECOVERY,
    DIR_POINTS_START,
    DIR_POINTS_WATERMARK,
    DIR_POINTS_COUNT,
};
struct dir_known {
    struct omap_node node; /* by topic and partition */
    int64_t offsets[DIR_POINTS_COUNT];
    int32_t partition;
    char topic[];
};
struct dir_writer;

/* What the directory asks of its members and tells them. None may free the member, and none is
 * called for one that has not joined, but `missing`. */
struct dir_member_calls {
    /* Files. */
    /* dir_writer_hold: the writer's file is open and has a place, unless e. */
    void (*held)(struct dir_member *m, struct dir_writer *w, enum err e);
    /* A sync of the writer's file has ended: w->synced says how far. */
    void (*file_synced)(struct dir_member *m, struct dir_writer *w);
    /* A sync has found that nothing names the writer's file any more. True: the member did not
     * remove it, and its bytes do not count as durable. */
    bool (*unnamed)(struct dir_member *m, struct dir_writer *w);
    /* A file of the member's, or its folder, is not there any more; path says which. */
    void (*missing)(struct dir_member *m, const char *path);
    /* Rounds. */
    /* False: it cannot be synced now, and is asked again in the next round. */
    bool (*may_sync)(const struct dir_member *m);
    /* A round begins with it: calls dir_writer_sync for each file that may not be durable. */
    void (*round_begins)(struct dir_member *m);
    /* All that had been written when the round began is durable. */
    void (*durable)(struct dir_member *m);
    /* Its part of a round in which syncs were made is over, durable or not; after `durable`. */
    void (*round_over)(struct dir_member *m);
    /* The directory goes offline: first each member learns it, then each tells who waits. */
    void (*offline)(struct dir_member *m, const struct errmsg *why);
    void (*tell_offline)(struct dir_member *m);
    /* Somebody waits for what is not durable yet. */
    bool (*waits)(const struct dir_member *m);
    /* Checkpoints. What the one of this kind is to say, or -1: what it said; and it has. */
    int64_t (*point)(struct dir_member *m, enum dir_points_kind kind);
    void (*point_written)(struct dir_member *m, enum dir_points_kind kind);
    /* The clean end. Nothing of it is under way; it may count for the marker; it has something to
     * leave; it leaves that, up to DIR_FAREWELL_FILES files, durably, and calls dir_farewell_done
     * as the last act. */
    bool (*quiet)(const struct dir_member *m);
    bool (*whole)(const struct dir_member *m);
    bool (*leaves)(const struct dir_member *m);
    void (*farewell)(struct dir_member *m);
};

/* A round of syncs is bounded, and each of these has a share of it. */
enum dir_turn {
    DIR_TURN_SOON,
    DIR_TURN_LATE,  /* only those wait who ask for many partitions at once */
    DIR_TURN_FLUSH, /* nobody waits, but it is time */
    DIR_TURN_IDLE,  /* nobody waits */
    DIR_TURNS
};

/* Embedded in who has files here: a partition's log. */
struct dir_member {
    const struct dir_member_calls *calls;
    struct dir *dir;
    const char *path;        /* its folder */
    struct dir_known *known; /* NULL: the checkpoints have nothing to do with it */
    /* the directory's own */
    struct list link;    /* among the members */
    struct list dirty;   /* lined up for a round, or in one */
    struct list entries; /* writers whose entries are being synced */
    uint8_t turn;        /* enum dir_turn */
    bool in_round;
    bool round_short; /* a sync of this round was not tried */
    int32_t round_pending;
    struct env_op folder_sync;
};

/* path is the owner's. Files may be opened from now on; it is asked and told once it has joined. */
void dir_member_init(struct dir_member *m, struct dir *dir, const struct dir_member_calls *calls,
                     const char *path);
void dir_member_join(struct dir_member *m);
/* Also of one that has not joined. */
void dir_member_leave(struct dir_member *m);

/* It has been written to: lines it up for a round of syncs, which begins as soon as the last one is
 * over, or, with DIR_TURN_IDLE, when flush_bytes or flush_ms ask for it. */
void dir_commit_mark(struct dir_member *m, enum dir_turn turn);
/* What nobody waits for is synced, too. */
void dir_commit_flush(struct dir *dir);
/* What nobody waits for is synced after so long, from now on. */
void dir_set_flush_interval(struct dir *dir, int64_t flush_ms);
/* So many bytes have been written that nobody waits for; have been synced outside of a round. */
void dir_wrote_unsynced(struct dir *dir, int64_t bytes);
void dir_wrote_synced(struct dir *dir, int64_t bytes);
/* The end of `farewell`. */
void dir_farewell_done(struct dir_member *m, enum err e, const struct errmsg *msg);

/* ---- open files ---- */

enum dir_file_state {
    DIR_FILE_CLOSED,
    DIR_FILE_OPENING,
    DIR_FILE_OPEN,
    DIR_FILE_CLOSING,
};

/* A member's file. It stays open while it is held, and after that until the directory has too many.
 */
struct dir_file {
    struct dir_member *member; /* until it is gone */
    struct dir *dir;
    env_file handle;
    int32_t holds;
    uint8_t state;     /* enum dir_file_state */
    bool create;       /* the first open makes it new */
    bool gone;         /* freed when nobody holds it any more */
    struct list waits; /* holds */
    struct list idle;
    struct env_op io;
    char path[];
};

/* Keeps a file open. */
struct dir_hold {
    struct dir_file *file; /* that is held, or was wanted last */
    bool held;
    /* the directory's own */
    struct list link;
    struct waiter *waiter;
};

/* ERR_NOMEM: NULL. path is copied. */
struct dir_file *dir_file_new(struct dir_member *m, const char *path, bool create) MUST_USE;
/* waiter is told when the file is open, and held, unless e; perhaps before this returns. */
void dir_hold(struct dir_hold *hold, struct dir_file *file, struct waiter *waiter);
/* True: it was open, and is held now. */
bool dir_hold_open(struct dir_hold *hold, struct dir_file *file) MUST_USE;
/* Harmless when nothing is held. */
void dir_let_go(struct dir_hold *hold);
/* Nobody will ask for it again: it is freed when it is closed. */
void dir_file_retire(struct dir_file *file);

/* How many there are, and may be. writers: those that have a place. */
struct dir_counts {
    int32_t open_files, open_files_max;
    int32_t writers, writers_max;
};
void dir_count(const struct dir *dir, struct dir_counts *out);

/* ---- files that grow ---- */

/* A place among those whose bytes may not be synced. */
enum dir_writer_state {
    DIR_WRITER_CLOSED, /* it has none, and wants none */
    DIR_WRITER_WAITS,  /* for one, or for its file to be opened */
    DIR_WRITER_HELD,   /* it has one: the file is open, and stays so */
};

/* Who writes to a file, and how much of it is on the disk. The file stays open until its bytes are
 * synced, because Linux tells a failed write-back for sure only to who had it open. So their number
 * is bounded: writers wait for a place. */
struct dir_writer {
    struct dir_member *member;
    struct dir_file *file;
    uint64_t written;   /* the owner's word: bytes whose writes have completed */
    uint64_t synced;    /* bytes synced in this life, or known to be */
    bool entry_durable; /* the file's entry in its folder has been synced */
    uint8_t state;      /* enum dir_writer_state */
    bool syncing;
    /* the directory's own */
    struct again turns; /* in which it was given a place, or refused one */
    uint64_t sync_size; /* what the sync in flight will have covered */
    struct list link;   /* waits for a place */
    struct list entry;  /* in member->entries, while the entry is being synced */
    struct dir_hold hold;
    struct waiter opened;
    struct env_op sync;
};

/* ERR_NOMEM. */
enum err dir_writer_init(struct dir_writer *w, struct dir_member *m, const char *path,
                         bool create) MUST_USE;
/* It has no place and waits for none. */
void dir_writer_free(struct dir_writer *w);
/* The file is wanted for writing: `held`, sooner or later, perhaps before this returns. late: those
 * who are in more of a hurry go first. */
void dir_writer_hold(struct dir_writer *w, bool late);
/* Gives the place and the file back. */
void dir_writer_release(struct dir_writer *w);
/* It has a place, or was given one and its file is being opened. */
static inline bool dir_writer_has_place(const struct dir_writer *w)
{
    return w->state == DIR_WRITER_HELD || (w->state == DIR_WRITER_WAITS && !list_linked(&w->link));
}
/* Others wait for a place: who has one gives it back as soon as its bytes are synced. */
bool dir_writers_crowded(const struct dir *dir);
/* In `round_begins`: starts the syncs of the file and of its entry that are due. */
void dir_writer_sync(struct dir_writer *w);

/* ---- small files ---- */

/* folder/name and a suffix; folder may be NULL. */
void dir_path_join(char path[ENV_PATH_MAX], const char *folder, const char *name,
                   const char *suffix);

/* Reads a small file whole. found: false when there is none. */
struct dir_get {
    struct steps steps;
    struct dir *dir;
    struct waiter *waiter;
    const char *path; /* the owner's */
    env_file file;
    bool found;
    uint8_t *data;
    uint64_t size;
    enum err failed;
};

void dir_get(struct dir *dir, struct dir_get *get, const char *path, struct waiter *waiter);
/* What it holds, until dir_get_free. */
static inline struct bytes dir_got(const struct dir_get *get)
{
    return bytes_of(get->data, (size_t)get->size);
}
/* Also of one that has read nothing. */
void dir_get_free(struct dir_get *get);

/* Writes a small file under its own name: what has a CRC inside, or can be made again, needs no
 * second name. */
struct dir_save {
    struct steps steps;
    struct dir *dir;
    struct waiter *waiter;
    const char *path; /* the owner's, as the bytes */
    struct bytes bytes;
    uint64_t offset; /* where the bytes begin in the file */
    uint8_t how;     /* which of those below */
    env_file file;
    struct env_part part;
    const struct env_part *parts; /* the owner's, or part */
    int32_t part_count;
    enum err failed;
};

/* Makes the file anew, and syncs it. */
void dir_save(struct dir *dir, struct dir_save *save, const char *path, struct bytes bytes,
              struct waiter *waiter);
/* The same, of parts, one behind the other. */
void dir_save_parts(struct dir *dir, struct dir_save *save, const char *path,
                    const struct env_part *parts, int32_t part_count, struct waiter *waiter);
/* What stands before offset stays, and the bytes are the file's end; at 0 it is made anew.
 * Unsynced: what the power takes is made again. */
void dir_save_end(struct dir *dir, struct dir_save *save, const char *path, struct bytes bytes,
                  uint64_t offset, struct waiter *waiter);
/* Writes over a file of the same size, unsynced. One write of less than a page: a process that is
 * killed leaves the old bytes or the new ones. */
void dir_save_over(struct dir *dir, struct dir_save *save, const char *path, struct bytes bytes,
                   struct waiter *waiter);

/* Small durable files, for all of the broker (S-4): new name, sync, rename, sync of the directory,
 * checksum beside it. */
struct dir_file_write {
    struct dir_op op;
    const char *path;
    struct bytes bytes;
    bool checksum; /* also writes path.crc */
};
/* path and bytes are borrowed until done. ERR_NOSPACE, ERR_READONLY, ERR_ACCESS, ERR_IO, ERR_NOMEM:
 * the old file is still there. A sync that fails with ERR_IO takes the directory offline (S-5). */
void dir_file_put(struct dir *dir, struct dir_file_write *write, dir_done *done);

/* ---- the offset checkpoints ---- */

/* Writes that checkpoint anew, with what holds now, and tells waiter, which may be NULL. */
void dir_points_write(struct dir *dir, enum dir_points_kind kind, struct waiter *waiter);
/* Soon, or when more has been synced, all of them are. */
void dir_checkpoint_later(struct dir *dir);
/* The one found did not match its checksum; it did: kiln wrote it, or will have in this life. */
bool dir_points_wrong(const struct dir *dir, enum dir_points_kind kind);
bool dir_points_own(const struct dir *dir, enum dir_points_kind kind);
/* What is known of a partition, made when it is not there. ERR_NOMEM: NULL. */
struct dir_known *dir_known_get(struct dir *dir, const char *topic, int32_t partition) MUST_USE;
void dir_known_forget(struct dir *dir, struct dir_known *known);

/* ---- room ---- */

/* There is none for a second copy of anything. */
bool dir_short_of_room(const struct dir *dir);
/* Somebody has found that it is so, whatever was measured. */
void dir_found_short(struct dir *dir);
/* A member begins, or ceases, to wait for room: a person is told once for all. */
void dir_full_begin(struct dir *dir);
void dir_full_end(struct dir *dir, bool room);
/* Some do. */
bool dir_waits_for_room(const struct dir *dir);
/* The disk is full, and what was kept for that is free now: for what the node's part in its cluster
 * takes (the metadata log, small files), and not for records. */
bool dir_reserve_is_given(const struct dir *dir);

/* Writes over bytes of a file in place, durably: a crash at any moment leaves them, once the
 * directory has been opened again, as they were or as they are given, although a write that the
 * power cuts short may leave neither (a journal, ".redo", goes first; one such write at a time).
 * For a disk without room for a second file; what stands there already is left alone. */
struct dir_overwrite {
    struct steps steps;
    struct dir *dir;
    struct waiter *waiter;
    const char *path; /* the owner's, as file and bytes, until waiter is told */
    env_file file;
    uint64_t position;
    struct bytes bytes;
    uint64_t done; /* of the bytes */
    struct list link;
    struct dir_sync sync;
    struct env_part parts[2];
    env_file journal;
    bool said; /* it may hold something */
    enum err failed;
};
/* path: below the directory's. Where there is not even room for the journal, which the reserve
 * keeps, they are written over without one. ERR_IO (of a sync: S-5),
 * ERR_ACCESS, ERR_NOMEM, ERR_TOOMANY: some of the bytes may have been written. */
void dir_overwrite(struct dir *dir, struct dir_overwrite *o, const char *path, env_file file,
                   uint64_t position, struct bytes bytes, struct waiter *waiter);

/* ---- what goes, in the background; what fails is left for the next start ---- */

/* Unlinks the files of a folder, then the folder; a few of them at once. */
void dir_remove(struct dir *dir, const char *path);
/* Unlinks the files of a segment, which are called .deleted by now, after delay_ms. unsaid: no
 * checkpoint says yet that the log begins behind it; it is written first, and the log's own name
 * stays until it is. */
void dir_remove_segment(struct dir *dir, const char *folder, int64_t base, int64_t delay_ms,
                        bool unsaid);

#endif
