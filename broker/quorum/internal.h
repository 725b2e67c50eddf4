/* internal.h - what the files of quorum share and nobody else sees. */
#ifndef KILN_QUORUM_INTERNAL_H
#define KILN_QUORUM_INTERNAL_H

#include "format/format.h"
#include "quorum/quorum.h"
#include "steps/steps.h"

/* One write that is appended and not published yet. */
struct change {
    struct list link;
    uint64_t number;
    int64_t first, end;           /* offsets: first, and behind the last */
    struct metadata_image *image; /* with it */
    uint32_t bytes;               /* of the log */
};

/* ---- snapshots (KIP-630) ---- */

#define SNAPSHOTS_SEEN_MAX 64 /* of those that are found, the newest */

struct snapshot_id {
    int64_t offset; /* behind all that it holds */
    int32_t epoch;  /* of the last of that */
};

/* snapshot.c: one that is being written. */
struct snapshot {
    struct steps steps;
    struct env_timer yield;
    struct waiter *waiter;
    struct metadata_dump dump;
    const struct metadata_image *image; /* retained; NULL: none is being written */
    struct arena arena;
    struct text text; /* the file */
    int64_t record_count;
    struct dir_file_write write;
    char path[ENV_PATH_MAX], name[FORMAT_NAME_MAX];
};

/* load.c: the newest one that is whole, when a life begins. */
struct load {
    struct steps steps;
    struct quorum *q;
    struct metadata_edit *edit; /* that it goes into */
    struct arena *arena;
    struct env_timer yield;
    struct waiter *waiter, *done;
    struct dir_get get;
    struct errmsg msg; /* why one that was found is none */
    uint64_t names_size, at;
    char *names;
    struct snapshot_id found[SNAPSHOTS_SEEN_MAX]; /* the oldest first */
    int32_t found_count, tried;
    bool loaded, footed;
    struct snapshot_id id; /* of the one that was loaded */
    char path[ENV_PATH_MAX], name[FORMAT_NAME_MAX];
};

struct replay; /* of quorum_open */

struct quorum {
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    struct dir *dir; /* that of the logs */
    struct log_set *logs;
    struct quorum_settings settings;
    struct controller_chance chance;
    struct quorum_peers *peers;
    struct quorum_watch *watch;
    struct log *log;
    struct log_watch log_watch;
    struct raft *raft;   /* NULL: the log is not replayed yet */
    uint64_t generation; /* of raft's log */
    bool unsaved;        /* raft's state is to be made durable, and nothing is told to it before */
    int32_t epoch;       /* raft's */
    struct metadata_image *current;       /* committed, without what an open transaction has */
    struct metadata_broker_config broker; /* what this one goes by, with the current image */
    int64_t applied;                      /* the owner has done what it can up to that offset */
    struct metadata_image *committed;     /* the same with it */
    struct metadata_removed removed;      /* by records that were replayed */
    struct metadata_image *tail;          /* with all changes that were appended */
    struct list changes;                  /* not yet published, oldest first */
    uint64_t change_last;                 /* number of the newest */
    bool advancing, advance_again;
    struct list requests;   /* that wait until a change is published, by its number */
    struct list applying;   /* that wait until an image is applied, by its offset */
    struct quorum_op *op;   /* open, close: one at a time */
    uint64_t op_change;     /* op is done when this change is published */
    struct replay *replay;  /* until all is replayed */
    struct replay *to_lead; /* then: what leading needs, until its first records are published */
    uint64_t lead_change;   /* those; 0: not appended */
    bool resting;           /* no attempt begins any more */
    bool put_off, leading;  /* by a full disk; an attempt to write what comes first is under way */
    struct env_timer again; /* the next attempt */
    struct snapshot snapshot;
    struct snapshot_id snapshots[SNAPSHOTS_SEEN_MAX]; /* that are there, the oldest first */
    int32_t snapshot_count;
    int64_t unsnapped_bytes; /* of the log, behind the newest of them */
    struct log_op log_closing;
    bool closing, closed, offline;
};

/* change.c */
/* Appends what the batch holds, and queues it. 0, or Kafka's code, with a sentence; what was
 * appended before that stays. */
int16_t quorum_change_append(struct quorum *q, struct metadata_batch *batch, struct errmsg *msg);
/* Publishes what is durable; the log's watch and everything that may let it go on. */
void quorum_change_advance(struct quorum *q);
void quorum_change_moved(struct log_watch *watch, enum err e);
void quorum_change_cut(struct log_watch *watch, int64_t end);
void quorum_op_done(struct quorum *q, enum err e);

/* snapshot.c */
/* Begins one, when so much has been published since the last. */
void quorum_snapshot_consider(struct quorum *q);
bool quorum_snapshot_busy(const struct quorum *q);

/* load.c */
/* Reads the newest snapshot that is whole into load->edit, and tells done: with ERR_NONE also when
 * there is none; with ERR_CORRUPT, load->msg, when only broken ones are there and the log does not
 * begin at 0. Errors as dir_get. */
void quorum_load(struct load *load, struct waiter *done);

/* request.c */
/* Tells those who waited for that change and the ones before it. */
void quorum_requests_published(struct quorum *q, uint64_t upto);
/* That change and all behind it never happened. */
void quorum_requests_lost(struct quorum *q, uint64_t from);
void quorum_chance_init(struct quorum *q);
/* What a command is judged by now. */
struct controller_view quorum_view(struct quorum *q);

/* carry.c */
/* The log is to be led in another epoch: the state of raft is to be made durable. epoch_seen: what
 * quorum-state says; 0: there is none. is_new: the log was made in this life. ERR_NOMEM. */
enum err quorum_carry_lead(struct quorum *q, int32_t epoch_seen, bool is_new) MUST_USE;
/* It is durable: the LeaderChange may be appended. ERR_NOMEM: to be said again. */
enum err quorum_carry_saved(struct quorum *q) MUST_USE;
/* The log was appended to, up to end. */
void quorum_carry_appended(struct quorum *q, int64_t end);
/* Up to where the log is committed, by what it has on disk now. */
int64_t quorum_carry_committed(struct quorum *q);
/* What stood at end or behind it was taken back, and was not committed. */
void quorum_carry_cut(struct quorum *q, int64_t end);
/* There is a newer snapshot. */
void quorum_carry_snapshot(struct quorum *q);

/* state.c */
void quorum_state_print(struct text *out, int32_t node_id, int32_t epoch);
/* False when it is no such file. */
bool quorum_state_parse(struct bytes file, int32_t *epoch);

/* quorum.c */
/* What this broker goes by, with the image that has become current. */
void quorum_configure(struct quorum *q);
/* The last change has been published or has failed: quorum_close goes on. */
void quorum_closing_go_on(struct quorum *q);
/* The records that come first are published. */
void quorum_led(struct quorum *q);
/* They have been taken back. False: it is not a full disk that can be waited for. */
bool quorum_unled(struct quorum *q) MUST_USE;

/* change.c: rows of what is in force for each topic of the current image. */
void quorum_tell_settings(struct quorum *q);

#endif
