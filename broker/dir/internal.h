/* internal.h - what the files of a log directory share. */
#ifndef KILN_DIR_INTERNAL_H
#define KILN_DIR_INTERNAL_H

#include "dir/dir.h"

#define DIR_META_NAME "meta.properties"

/* Named limits. */
#define DIR_FAREWELLS_MS 1500        /* that all of them may take, but for the last ones */
#define DIR_RESERVE_FILES 8          /* kept for a full disk: inodes, and ... */
#define DIR_RESERVE_BYTES (64 << 10) /* ... bytes of each */
#define DIR_RESERVE_MS 50            /* until they are made */
#define DIR_ROOM_MS 500              /* between two looks whether there is room for them again */

/* One of the checkpoints: one write at a time, which answers all who asked before it began. */
struct dir_points_file {
    struct dir *dir;
    struct dir_file_write write;
    struct text text; /* the rows, then the file */
    int32_t row_count;
    struct dir_member *member; /* who is asked next how far he has come; NULL: all have been */
    bool prints;               /* they have, and the rows are being printed */
    bool tells;                /* it is written, and member is who is told of it next */
    struct dir_known *known;   /* the next of them; NULL: none is left */
    struct env_timer turn;     /* goes on with that */
    char path[ENV_PATH_MAX];
    bool busy, again;
    bool refusing; /* those are told who asked for what could not even be begun */
    struct again refusals;
    uint64_t asked; /* by others than those */
    bool crc_known; /* of what the file holds */
    uint32_t crc;
    struct list waits, waits_next;
};

struct dir_ground {
    struct env_op parent, entries;
    struct dir_file_write identity;
    struct text text;
    char path[ENV_PATH_MAX], parent_path[ENV_PATH_MAX];
    int32_t pending; /* of these three */
    enum err err;    /* of the first that failed */
    struct errmsg msg;
    struct list waits;
};

struct dir {
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    struct dir_config config;
    char *path;
    char cluster_id[64];
    struct wire_uuid directory_id;
    enum err status;
    bool opened, clean, closing;
    int64_t clean_epoch;               /* that the marker of the last life said */
    int64_t kept_epoch, keeping_epoch; /* that a file says; that is being written */
    struct dir_op *keeping;            /* who asked for that; NULL: nobody */
    struct dir_file_write keep;
    char kept_text[FORMAT_CLEAN_SIZE];
    char kept_path[ENV_PATH_MAX];
    int64_t epoch;     /* that this life's will say */
    bool touched;      /* since dir_assert looked */
    bool is_new;       /* meta.properties was not there */
    bool is_formatted; /* bootstrap.checkpoint was there */
    env_file lock;
    struct dir_ground ground;
    struct dir_reserve *reserve;
    bool short_of_room;                  /* there is no room for a second copy of anything */
    bool full;                           /* told so */
    int32_t full_count;                  /* members that wait for room */
    void (*found_full)(struct dir *dir); /* something small has found none; NULL: no reserve */
    struct dir_entry *entries;
    int32_t entry_count, entry_cap;
    struct list members;

    struct list idle_files; /* used last at the front */
    int32_t open_files;     /* or being opened */
    int32_t open_files_max;

    struct list writers_waiting, writers_waiting_late;
    int32_t writer_count, writers_max; /* that have a place */
    uint32_t writers_given;            /* places, so far */
    struct env_timer writers_timer;
    uint64_t writers_turn;

    struct list dirty[DIR_TURNS], in_round; /* members */
    uint64_t round;
    bool round_running;
    int32_t round_pending;
    enum err round_err;
    bool round_short;             /* some sync was not tried: */
    struct env_timer round_timer; /* the next round waits a moment */

    struct omap known;
    bool points_wrong[DIR_POINTS_COUNT]; /* the checkpoint found did not match its checksum */
    bool points_own[DIR_POINTS_COUNT];   /* it did: kiln wrote it, or will have in this life */
    struct dir_points_file points[DIR_POINTS_COUNT];
    int64_t synced_bytes;   /* since the last checkpoint */
    int64_t unsynced_bytes; /* written by those who do not wait for syncs */
    bool flush_now;         /* the next rounds take those in, too */
    struct env_timer checkpoint, flush;
    int64_t watermarks_ns; /* when they were written last */

    struct env_op entries_sync;
    struct list entries_asked, entries_syncing; /* struct dir_sync: for the next one; in this one */

    int32_t busy;           /* what dir_settle waits for */
    struct list overwrites; /* one at a time, the first */
    uint8_t *redo_head;     /* of its journal */
    char redo_path[ENV_PATH_MAX];
    struct list removals;    /* files of segments that are no more */
    struct list folders;     /* of partitions that are no more, and wait to be emptied */
    int32_t folders_removed; /* that are being emptied */
    struct dir_shutdown *shutdown;
    struct dir_op *settling;
    struct waiter *idle;                   /* not NULL: dir_idle tells it, which looks again */
    void (*went_offline)(struct dir *dir); /* before the members hear of it */
};

/* health.c: the directory itself is not there any more. */
void dir_missing(struct dir *dir);

/* points.c: it leaves the directory's members. */
void dir_points_leave(struct dir *dir, const struct dir_member *m);

/* files.c */
/* Closes idle files of the directory until at most that many are open. */
void dir_files_trim(struct dir *dir, int32_t open_max);
/* What the door and the operator allow. */
void dir_files_init(struct dir *dir);

/* writers.c */
void dir_writers_init(struct dir *dir);
/* A place is free, or nobody will get one any more. */
void dir_writers_next(struct dir *dir);
/* dir_writers_crowded. */
static inline bool dir_writers_wait(const struct dir *dir)
{
    return !list_empty(&dir->writers_waiting) || !list_empty(&dir->writers_waiting_late);
}

/* commit.c */
void dir_commit_init(struct dir *dir);
/* Begins a round, unless one is under way. */
void dir_commit_kick(struct dir *dir);

/* small.c */
/* The folder that holds path. */
void dir_folder_of(const char *path, char folder[ENV_PATH_MAX]);
/* What is known of the file that is replaced. */
enum dir_put_before {
    DIR_PUT_LOOK,  /* nothing: it is read */
    DIR_PUT_NEW,   /* there is none, or none that could be fallen back to */
    DIR_PUT_KNOWN, /* it was right, and its CRC is `before` */
};
/* dir_file_put. */
void dir_put(struct dir *dir, struct dir_file_write *write, enum dir_put_before known,
             uint32_t before, dir_done *done);

/* points.c */
void dir_points_init(struct dir *dir);
const char *dir_points_name(enum dir_points_kind kind);
/* Takes in what a checkpoint held. ERR_CORRUPT, ERR_NOMEM. */
enum err dir_points_take(struct dir *dir, enum dir_points_kind kind, struct bytes file,
                         struct errmsg *msg) MUST_USE;
void dir_known_free(struct dir *dir);

/* ground.c */
/* Syncs the directory's entry in its parent, and its own entries. */
void dir_ground_begin(struct dir *dir);
/* Writes meta.properties. is_new: there is none. ERR_NOMEM. */
enum err dir_ground_identity(struct dir *dir, const struct format_meta *meta, bool is_new) MUST_USE;

/* reserve.c */
/* Gives the reserve back to a disk without room to start on. */
void dir_reserve_open(struct dir *dir, struct waiter *waiter);
/* A name that the start has found in the directory; called for each of them. */
void dir_reserve_listed(struct dir *dir, const char *name);
/* Makes what is missing of it, in the background, when there is room. */
void dir_reserve_later(struct dir *dir);
void dir_reserve_stop(struct dir *dir);
void dir_reserve_free(struct dir *dir);

/* overwrite.c */
/* Does again what a journal says an earlier life was at, and removes it. Before any member looks at
 * its files. */
void dir_redo(struct dir *dir, struct waiter *waiter);

/* remove.c: files that would be removed later are left for the next life. */
void dir_removals_stop(struct dir *dir);

/* shutdown.c: the memory without which a close could not even let go of the lock. ERR_NOMEM. */
enum err dir_shutdown_reserve(struct dir *dir) MUST_USE;

#endif
