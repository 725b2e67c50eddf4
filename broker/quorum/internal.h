/* internal.h - what the files of quorum share and nobody else sees. */
#ifndef KILN_QUORUM_INTERNAL_H
#define KILN_QUORUM_INTERNAL_H

#include "format/format.h"
#include "quorum/quorum.h"
#include "steps/steps.h"

#define QUORUM_REPLAY_BYTES                                                                        \
    (1 << 20) /* that one event replays, and more only for a larger batch                          \
               */
#define QUORUM_STATE_BYTES_MAX 4096
#define QUORUM_STATE_NAME "quorum-state"
#define QUORUM_FIRST_EPOCH 1 /* of a log that nobody has led before */

/* One write that is appended and not published yet. */
struct change {
    struct list link;
    uint64_t number;
    int64_t first, end;           /* offsets: first, and behind the last */
    struct metadata_image *image; /* with it */
    uint32_t bytes;               /* of the log */
};

/* electors.c: a VotersRecord. */
struct electors {
    struct list link; /* of quorum.electors */
    int64_t offset;   /* of the batch that says so; of a snapshot, the last that it stands for */
    struct raft_voters keys;
    struct wire_voters_record record;
    struct arena arena;
};

/* ---- snapshots (KIP-630) ---- */

#define QUORUM_PART_SUFFIX ".part" /* of one that is being fetched */
#define SNAPSHOTS_SEEN_MAX 64      /* of those that are found, the newest */

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
    uint64_t digest;  /* of its records */
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
    struct electors *electors; /* that it names; NULL: none */
    struct errmsg msg;         /* why one that was found is none */
    uint64_t names_size, at;
    char *names;
    struct snapshot_id found[SNAPSHOTS_SEEN_MAX]; /* the oldest first */
    int32_t found_count, tried;
    int64_t next_offset; /* behind the last batch */
    bool loaded, footed;
    bool alone; /* a file that is no part of the log yet: there is no other to be tried */
    uint64_t names_used, clean_at; /* of names */
    struct snapshot_id id;         /* of the one that was loaded */
    char path[ENV_PATH_MAX], name[FORMAT_NAME_MAX];
};

/* What opening needs and nothing else. */
struct replay {
    struct quorum *q;
    struct metadata_edit edit;
    struct load load;
    struct waiter loaded;
    struct arena arena;
    struct log_birth birth;
    struct log_op log_op;
    struct log_read read;
    struct text text, path;
    /* A node that is its own quorum. */
    bool bump_leaders;
    uint16_t port;
    char host[METADATA_HOST_MAX];
    struct env_op io;
    struct dir_file_write write;
    env_file file;
    enum err unread; /* why quorum-state could not be read */
    int32_t epoch_seen;
    int32_t epoch; /* to lead in; 0: not chosen */
    uint8_t bytes[QUORUM_STATE_BYTES_MAX];
    size_t size;
    /* One of several. */
    struct steps steps;
    struct waiter *waiter;
    struct dir_get get, crc;
    struct raft_state state;
    bool state_known;
    int64_t tail_at; /* up to there the log behind the snapshot was looked at for voters */
    char state_path[ENV_PATH_MAX], crc_path[ENV_PATH_MAX];
};

/* ---- one of several voters ---- */

/* A request of this node, until raft has heard what became of it. */
struct sent {
    struct list link;
    enum raft_api api;
    uint64_t number;
    bool lost, refused;
    struct raft_response response;
    struct slice bytes; /* retained */
};

/* A snapshot that is fetched: one piece on its way into the file, and, once that is whole, the
 * image that it holds. */
struct install {
    struct steps steps;
    struct quorum *q;
    bool busy;
    uint64_t number; /* of the response that brought the piece */
    struct raft_snapshot_id id;
    int64_t position;
    struct slice piece;
    bool last; /* with it the file is whole */
    env_file file;
    struct env_part part;
    enum err failed;
    struct load load;
    struct waiter loaded, *waiter;
    struct metadata_edit edit;
    struct arena arena;
    struct dir_sync sync;
    struct metadata_image *image; /* of the whole; NULL: there is none that raft may want */
    bool installed;               /* the log begins behind it, and it is not the current one yet */
    /* For raft. */
    bool stored; /* the piece is, up to stored_position; -1: it could not be */
    int64_t stored_position;
    uint64_t refused; /* the response whose piece came while another was being stored; 0: none */
    char part_path[ENV_PATH_MAX], path[ENV_PATH_MAX], folder[ENV_PATH_MAX];
};

/* readers.c: who fetched since this node leads in that epoch. */
struct log_reader {
    struct raft_key key;
    int64_t end, fetched_ms, caught_up_ms;
    int64_t log_end; /* of this node's log, when it fetched last */
};

struct readers {
    int32_t epoch, count;
    struct log_reader at[QUORUM_READERS_MAX];
};

enum member_busy {
    MEMBER_FREE,
    MEMBER_SAVES, /* quorum-state is being written: raft is told of nothing else meanwhile */
    MEMBER_CUTS,  /* the log is being truncated or reset: likewise, for what is appended next has
                     its place behind that */
};

#define MEMBER_LOST_MAX 64 /* requests that there was no memory for */

struct member {
    bool open;    /* raft takes steps */
    bool active;  /* it leads, and its image has all that was ever committed */
    bool running; /* a step is being done, or somebody told of one */
    bool again;   /* there may be more to do */
    bool working; /* what busy waits for is under way; else it is tried again */
    enum member_busy busy;
    struct raft_effects out; /* of the last step; while busy some of them are still to be done */
    /* What raft is to be told. */
    bool saved, log_done, resign;
    int64_t synced;                     /* it was told that the log is durable up to there */
    int64_t snapshot_offset, log_start; /* likewise */
    struct list came;                   /* responses */
    struct list waiting;                /* asks */
    struct {
        enum raft_api api;
        uint64_t number;
    } lost[MEMBER_LOST_MAX];
    int32_t lost_count;
    int64_t deadline_ns;  /* of a tick */
    int64_t hand_over_ns; /* when it closes: until then it tells others that it leads no more */
    int64_t short_ns;     /* nothing is stepped before that: memory is short */
    int64_t again_ns;     /* what busy waits for is tried again then */
    int64_t refused_ns;   /* fetched records are not taken before that: the log did not */
    /* Between nodes. */
    struct list sent;
    struct sent *stepped;    /* the response that the effects are of */
    struct quorum_ask *held; /* the ask that they are of */
    struct list parked, answering;
    int32_t ask_count;
    int64_t parked_ns; /* the first of those that are parked has waited long enough */
    int64_t seen_end, seen_watermark; /* of those that are parked */
    struct readers readers;
    /* To tell the owner. */
    bool role_changed;
    const char *stop;  /* a sentence; NULL: it goes on */
    struct errmsg why; /* that may be it */
    bool stop_told, failed_told;
    enum err failed;
    struct list lost_requests; /* of commands, whose records somebody else may commit, or nobody */
    /* Working. */
    struct env_timer timer;
    struct dir_file_write write;
    struct text text;
    struct raft_state written;
    struct log_op log_op;
    struct install install;
    /* The image follows the watermark. */
    bool loading;
    int64_t load_again_ns;
    struct log_read read;
    struct arena arena;
    int64_t
        removed_end; /* topics that are removed before that may have been made in another life */
    struct raft_batch batches[RAFT_BATCHES_MAX];
    char state_path[ENV_PATH_MAX];
};

/* brokers.c: what an active controller knows of them, and does about them. */
struct brokers {
    bool active; /* it leads; the rest says nothing otherwise, but for what is under way */
    bool begun;  /* sessions are of this leadership */
    bool booted; /* the cluster's first records are there */
    bool armed, boots, fences;
    struct controller_sessions sessions;
    struct env_timer timer;
    struct controller_bootstrap boot;
    struct quorum_request booting;
    struct controller_fence fence;
    struct quorum_request fencing;
};

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
    struct brokers brokers;
    struct member *member; /* one of several voters; NULL: it is its own quorum */
    struct raft *raft;     /* NULL: the log is not replayed yet */
    uint64_t generation;   /* of raft's log */
    /* kraft.version 1: what is known of who votes, in ascending order; what the step that comes
     * may take; and what the owner was told. */
    struct list electors, electors_come;
    const struct electors *electors_told;
    bool electors_changed;
    bool unsaved;  /* raft's state is to be made durable, and nothing is told to it before */
    int32_t epoch; /* raft's */
    struct metadata_image *current;       /* committed, without what an open transaction has */
    struct metadata_broker_config broker; /* what this one goes by, with the current image */
    int64_t applied;                      /* the owner has done what it can up to that offset */
    struct metadata_image *committed;     /* the same with it */
    struct metadata_removed removed;      /* by records that were replayed, or came before ... */
    bool opened;                          /* ... the owner takes each removal as it comes */
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
/* Publishes what is committed of its own changes. */
void quorum_change_publish(struct quorum *q, int64_t end);
/* It becomes the current image, as far as readers may see it; takes the reference. first: the
 * offset at which it differs from the one before. */
void quorum_change_current(struct quorum *q, struct metadata_image *image, int64_t first);
/* All that is not published never was, or is not known to have been: the tail is what is committed
 * again. */
void quorum_change_drop(struct quorum *q);
/* Publishes what is durable; the log's watch and everything that may let it go on. */
void quorum_change_advance(struct quorum *q);
void quorum_change_moved(struct log_watch *watch, enum err e);
void quorum_change_cut(struct log_watch *watch, int64_t end);
void quorum_op_done(struct quorum *q, enum err e);

/* electors.c */
/* What the batch says of voters, as of that offset; *out NULL: nothing. ERR_CORRUPT,
 * ERR_UNSUPPORTED, ERR_NOMEM. */
enum err quorum_electors_read(struct quorum *q, const struct wire_batch *head, struct bytes in,
                              int64_t offset, struct electors **out, struct errmsg *msg) MUST_USE;
/* Behind all that are known; takes e. */
void quorum_electors_add(struct quorum *q, struct electors *e);
/* The last of them below that offset; NULL: there is none. */
const struct electors *quorum_electors_at(const struct quorum *q, int64_t offset);
/* After each step of raft. */
void quorum_electors_settle(struct quorum *q);
/* Nothing of what came is taken. */
void quorum_electors_drop_come(struct quorum *q);
/* KRaftVersion and Voters behind what the batch has; e NULL: nothing. As metadata_batch_add. */
enum err quorum_electors_put(const struct electors *e, struct metadata_batch *batch) MUST_USE;
/* NULL is harmless. */
void quorum_electors_free(struct quorum *q, struct electors *e);
void quorum_electors_end(struct quorum *q);

/* snapshot.c */
/* Begins one, when so much has been published since the last. */
void quorum_snapshot_consider(struct quorum *q);
bool quorum_snapshot_busy(const struct quorum *q);

/* load.c */
/* Reads the newest snapshot that is whole into load->edit, and tells done: with ERR_NONE also when
 * there is none; with ERR_CORRUPT, load->msg, when only broken ones are there and the log does not
 * begin at 0. Errors as dir_get. */
void quorum_load(struct load *load, struct waiter *done);
/* Reads the one in that file, which is to be that snapshot, whatever the log holds; ERR_CORRUPT,
 * load->msg, when it is none. */
void quorum_load_file(struct load *load, struct snapshot_id id, const char *path,
                      struct waiter *done);

/* request.c */
/* Tells those who waited for that change and the ones before it. */
void quorum_requests_published(struct quorum *q, uint64_t upto);
/* That change and all behind it never happened. */
void quorum_requests_lost(struct quorum *q, uint64_t from);
/* All that wait for a change, into a list; and tells those. */
void quorum_requests_take(struct quorum *q, struct list *out);
void quorum_requests_tell_lost(struct quorum *q, struct list *lost, int16_t code,
                               const char *sentence);
void quorum_chance_init(struct quorum *q);
/* What a command is judged by now. */
struct controller_view quorum_view(struct quorum *q);

/* brokers.c */
void quorum_brokers_init(struct quorum *q);
void quorum_brokers_free(struct quorum *q);
/* It takes commands from now on; and it does not any more. */
void quorum_brokers_begin(struct quorum *q);
void quorum_brokers_end(struct quorum *q);
/* A broker may have been heard of. */
void quorum_brokers_look(struct quorum *q);

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

int32_t quorum_carry_epoch_before(const struct quorum *q, int64_t offset);
struct raft_snapshot_id quorum_carry_newest_snapshot(const struct quorum *q);

/* state.c */
/* QuorumStateData.json: version 0, of a quorum whose voters are the configuration's; voters NULL:
 * version 1, of one whose log says who votes. */
void quorum_state_print(struct text *out, const struct raft_state *state,
                        const struct raft_voters *voters);
/* Of version 0 or 1. False when it is no such file, or anything stands in it besides. */
bool quorum_state_parse(struct bytes file, struct raft_state *out);
/* As a node that is its own quorum writes it: nobody else votes. */
bool quorum_state_is_alone(struct bytes file, int32_t id);

/* opening.c */
void quorum_replay_free(struct replay *r);
/* A start that fails: the log stays open until quorum_close. */
void quorum_replay_fail(struct replay *r, enum err e);
/* What was replayed becomes the image. */
void quorum_replay_image(struct replay *r);

/* alone.c */
/* Leads in a new epoch. */
void quorum_alone_lead(struct replay *r);

/* join.c */
/* The snapshot is replayed: takes part with the others. */
void quorum_join(struct replay *r);

/* member.c */
enum err quorum_member_new(struct quorum *q) MUST_USE;
void quorum_member_free(struct quorum *q);
/* Raft is open. */
void quorum_member_begin(struct quorum *q);
/* Does all that there is to do now; from anywhere, at any time. */
void quorum_member_go_on(struct quorum *q);
/* What is to be done waits until the caller has brought its own act to an end. One of several
 * voters or not. */
bool quorum_member_pause(struct quorum *q) MUST_USE;
void quorum_member_resume(struct quorum *q, bool paused);
/* The leader's log was appended to, up to end; while paused. */
void quorum_member_appended(struct quorum *q, int64_t end);
/* The log is offline. */
void quorum_member_log_failed(struct quorum *q, enum err e);

/* told.c: what raft hears next; false: nothing. */
bool quorum_told_next(struct quorum *q, struct raft_event *event);
/* It has heard it, and the effects are still to be done. */
void quorum_told_heard(struct quorum *q, const struct raft_event *event);

/* effects.c: the effects of a step, m->out, in their order; the rest of them once the state is
 * saved. */
void quorum_effects_do(struct quorum *q);
/* It leads no longer, or what it appended is not there any more: nobody waits for it. */
void quorum_effects_give_up(struct quorum *q);
/* What busy waits for, again. */
void quorum_effects_again(struct quorum *q);

/* sent.c */
void quorum_sent_send(struct quorum *q, const struct raft_request *request);
/* The next response, as raft is to be told it; false: there is none. */
bool quorum_sent_next(struct quorum *q, struct raft_event *event);
void quorum_sent_free(struct quorum *q, struct sent *sent);
/* The log did not take what one brought: those that come soon are as good as none. */
void quorum_sent_refused(struct quorum *q);

/* fetched.c */
/* What the bytes of a fetch are, into q->member->batches: how many; -1: nothing that could be used.
 */
int32_t quorum_fetched_read(struct quorum *q, struct bytes bytes);
/* Appends the first count of them. */
void quorum_fetched_append(struct quorum *q, struct slice bytes, int32_t count);

/* ask.c */
/* Raft's answer may leave. */
void quorum_ask_answered(struct quorum *q, struct quorum_ask *ask,
                         const struct raft_response *answer);
/* Looks at those that are parked. */
void quorum_ask_look(struct quorum *q);
/* This node does not lead any more in the epoch in which it was asked. */
void quorum_ask_refuse(struct quorum *q);
/* Tells those that are answered. */
void quorum_ask_tell(struct quorum *q);
/* Raft will not hear of those that wait, or not soon. all: nor will what it has heard be answered.
 */
void quorum_ask_abandon(struct quorum *q, bool all);

/* readers.c */
/* A fetch of what comes next in the log is answered. */
void quorum_readers_fetched(struct quorum *q, const struct raft_request *request);

/* install.c */
/* Stores the piece of the response that is stepped. */
void quorum_install_store(struct quorum *q, const struct raft_response *response,
                          struct slice piece);
/* The log begins behind it. */
void quorum_install_log_done(struct quorum *q);
/* And raft knows: the image of it becomes the current one. */
void quorum_install_publish(struct quorum *q);
/* A mistake that two others have: *image becomes that state, at its own place in the log. */
void quorum_keep_state(struct quorum *q, struct metadata_image **image,
                       const struct metadata_image *state);

/* applied.c: the image follows the watermark. True when something has moved. */
bool quorum_applied_follow(struct quorum *q);

/* quorum.c */
/* What this broker goes by, with the image that has become current. */
void quorum_configure(struct quorum *q);
/* The last change has been published or has failed: quorum_close goes on. */
void quorum_closing_go_on(struct quorum *q);
/* The records that come first are published. */
void quorum_led(struct quorum *q);
/* They have been taken back. False: it is not a full disk that can be waited for. */
bool quorum_unled(struct quorum *q) MUST_USE;

/* tell.c: rows of what is in force for each topic of the current image. */
void quorum_tell_settings(struct quorum *q);
/* Of what to says otherwise than from; first: the offset at which it begins to. */
void quorum_tell_image(struct quorum *q, const struct metadata_image *from,
                       const struct metadata_image *to, int64_t first, bool defaults_moved);

#endif
