/* replica.h - a partition on this broker, which leads it or follows who leads it: its high
 * watermark, and the producers, consumers and followers that wait for it. It never answers what the
 * high watermark does not cover. A leader knows of its followers what they say when they fetch, and
 * asks the controller who is to be in sync; a follower is told the high watermark. */
#ifndef KILN_REPLICA_H
#define KILN_REPLICA_H

#include "log/log.h"

struct replica;

/* ---- all partitions of a broker, by topic id and number ---- */

/* What metadata say of a broker. */
struct replica_broker {
    int64_t epoch; /* of its registration; -1: it has none */
    bool is_alive; /* it is not fenced */
    bool may_join; /* nor does it want to go: it may be in sync (KIP-841) */
};

struct replica_proposal;

struct replica_watch {
    /* Told what a person should know of a partition: why it went offline, what recovery cut off. */
    void (*tell)(struct replica_watch *watch, const struct replica *r, bool offline,
                 const char *sentence);
    /* Asked when a replica fetches, and whenever it matters whether one may be in sync. NULL: no
     * broker is known. */
    void (*broker)(struct replica_watch *watch, int32_t id, struct replica_broker *out);
    /* A leader wants other in-sync replicas. The owner takes the proposal to the controller, and
     * ends it, but not before this returns. NULL: nobody does. */
    void (*propose)(struct replica_watch *watch, struct replica_proposal *proposal);
    /* One that took records takes none any more (replica_holds), until the owner lets it try again
     * by replica_become. NULL: the owner looks by himself. */
    void (*held)(struct replica_watch *watch);
};

struct replica_set {
    struct mem *mem;
    struct replica_watch *watch;
    struct hmap map;
    /* The owner's. */
    bool holds;         /* no partition takes records, with KAFKA_STORAGE_ERROR */
    int32_t broker_id;  /* whose set it is */
    int64_t lag_ns_max; /* so long a replica may lag and stay in sync: replica.lag.time.max.ms */
    /* The set's own. */
    int32_t holding_count; /* partitions that take none: replica_holds */
    struct list shared;    /* struct isr: of those that are led here and have other replicas */
    int32_t shared_count;
    int32_t shared_left; /* of them, that this round has not looked at */
    struct env *env;     /* theirs */
    struct env_timer lag;
};

/* watch may be NULL. ERR_NOMEM. */
enum err replica_set_init(struct replica_set *set, struct mem *mem,
                          struct replica_watch *watch) MUST_USE;
/* The replicas must be gone. Harmless on a zeroed set. */
void replica_set_free(struct replica_set *set);
/* NULL when the broker has none. */
struct replica *replica_find(const struct replica_set *set, const struct wire_uuid *topic_id,
                             int32_t partition);
struct replica *replica_first(const struct replica_set *set);
struct replica *replica_next(const struct replica_set *set, const struct replica *replica);
/* What replica_watch.broker says may be another thing now: who may be in sync, and whom the high
 * watermark waits for, is looked at again. */
void replica_brokers_changed(struct replica_set *set);

/* ---- one of them ---- */

struct replica_config {
    struct log_config log;
    int32_t min_insync_replicas;
    /* Of struct log_birth. Not known: nothing counts before replica_mark. */
    bool made_before, made_elsewhere, unmarked;
};

struct replica_op;
typedef void replica_done(struct replica_op *op, enum err e);
struct replica_op {
    replica_done *done;
    struct errmsg msg;
    /* the replica's own */
    struct replica *replica;
    struct log_op log;
};

/* Puts a partition into the set; nothing is opened. topic is copied. ERR_NOMEM. */
enum err replica_new(struct replica **out, struct replica_set *set, struct env *env,
                     struct mem *mem, struct trace *trace, const char *topic,
                     const struct wire_uuid *topic_id, int32_t partition,
                     const struct replica_config *config) MUST_USE;
struct replica_ids {
    const int32_t *ids; /* of brokers */
    int32_t count;
};

/* What metadata say of a partition. */
struct replica_epochs {
    int32_t leader, partition;
    bool follows; /* another broker leads it, or none */
    /* Who has a replica of it, and who of them is in sync; borrowed. No more than one, or none:
     * this broker alone. Of no interest to one that follows. */
    struct replica_ids replicas, isr;
};
/* Opens the log and leads it in epochs.leader, which the log notes durably when it is new (P-1), or
 * follows. What a full disk does not take of that can wait: replica_holds. Errors as log_open; the
 * replica then answers KAFKA_STORAGE_ERROR, and may be opened again. */
void replica_open(struct replica *r, struct replica_op *op, struct log_set *logs,
                  struct replica_epochs epochs, replica_done *done);
/* It leads, or is to, and serves what it has, but takes no records: its leader epoch has not begun
 * in its log, or a full disk does not take the note of it (P-1). */
bool replica_holds(const struct replica *r);
/* Leads, or follows, in epochs.leader from now on: the present one or a later one. Harmless on one
 * that neither leads nor follows. A leader also goes by each new partition epoch in the same leader
 * epoch, which ends what it has proposed (P-7); one that is not newer says nothing.
 * Leads (P-1): as soon as the epoch has begun in the log, which waits for what the follower that it
 * was is doing; what is written in it counts as durable when the epoch is noted durably, too. When
 * a full disk does not take it, or there is no memory, it goes on holding, and this may be called
 * again. Follows (P-2): at once, in every new epoch, also behind the same leader; who waits is
 * answered with NOT_LEADER_OR_FOLLOWER, and what was asked of a leader in an epoch before is stale.
 */
void replica_become(struct replica *r, struct replica_epochs epochs);
/* What its topic sets has changed: goes by that from now on (log_reconfigure). */
void replica_reconfigure(struct replica *r, const struct log_config *log,
                         int32_t min_insync_replicas);
/* That it was made here is durable: log_mark. Harmless on one that is not open. */
void replica_mark(struct replica *r);
/* Leads no longer: everything that waits is answered with NOT_LEADER_OR_FOLLOWER. */
void replica_resign(struct replica *r);
/* Closes the log, once what has been read from it is let go of; what waits has been resigned. */
void replica_close(struct replica *r, struct replica_op *op, replica_done *done);
/* Its topic has been deleted: takes it out of the set, and refuses what waits and what comes with
 * UNKNOWN_TOPIC_OR_PARTITION. The caller holds it. */
void replica_delete(struct replica *r);
bool replica_is_deleted(const struct replica *r);
/* Removes the directory of one that is deleted (log_delete), when an opening that is under way has
 * ended. Once it is done, another partition of its name may be made. Not while it closes. */
void replica_remove(struct replica *r, struct replica_op *op, struct log_set *logs,
                    replica_done *done);
/* Takes it out of the set: nobody finds it any more. Not open, nothing in flight. It is freed when
 * nobody holds it. */
void replica_free(struct replica *r);
/* Who keeps a replica over a wait holds it. */
struct replica *replica_hold(struct replica *r);
/* NULL is harmless. */
void replica_let_go(struct replica *r);

const char *replica_topic(const struct replica *r);
int32_t replica_partition(const struct replica *r);
const struct wire_uuid *replica_topic_id(const struct replica *r);
int32_t replica_leader_epoch(const struct replica *r);
/* ERR_NONE: it leads. ERR_OFFLINE and others: why it does not. */
enum err replica_status(const struct replica *r);
/* 0, or Kafka's code for the leader epoch that a client believes in (-1: none):
 * FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, or KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER. */
int16_t replica_check(const struct replica *r, int32_t leader_epoch);
/* Its log is open, so it must be closed before it is freed. */
bool replica_is_open(const struct replica *r);

/* What its broker has to tell the cluster of it. */
enum replica_trouble {
    REPLICA_WELL,
    REPLICA_OFFLINE,    /* it cannot serve now, and has what it had */
    REPLICA_CORRUPT,    /* it cannot serve, and may have lost what it had acknowledged */
    REPLICA_INCOMPLETE, /* it serves, and may have lost what it had acknowledged: replica_excuse */
};
/* Well, until it has been tried to open it. */
enum replica_trouble replica_trouble(const struct replica *r);
/* The cluster knows that it is incomplete, and counts on it no more than on a new one. */
void replica_excuse(struct replica *r);
/* Its log is closed, or log_is_settled. */
bool replica_is_settled(const struct replica *r);
int64_t replica_high_watermark(const struct replica *r);
int64_t replica_log_start(const struct replica *r);
/* Age and size: deletes old segments, never at or above the high watermark. */
void replica_retain(struct replica *r);

/* ---- who is in sync ---- */

struct replica_in_sync {
    int32_t broker_id;
    int64_t broker_epoch; /* in which it has fetched; -1: not known */
};

/* The in-sync replicas that a leader wants, as it knows them at this moment (KIP-497): those that
 * join, and those that stay (P-4, P-5). Until it ends the leader proposes nothing else. */
struct replica_proposal {
    struct list link; /* its owner's */
    struct replica *replica;
    int32_t leader_epoch, partition_epoch; /* that it goes by */
    bool is_void; /* metadata or the leader's end have decided meanwhile: it need not be sent */
    int32_t isr_count;
    struct replica_in_sync isr[]; /* this broker among them */
};

/* What the controller answered: 0, with the partition's epochs that came of it, or why not. True:
 * it has ended. False: what became of it is not known, or not yet; the owner has it still, and
 * sends the same again (P-7). */
bool replica_proposal_answered(struct replica_proposal *p, int16_t code, int32_t leader_epoch,
                               int32_t partition_epoch) MUST_USE;
/* It ends, and may have been sent. */
void replica_proposal_drop(struct replica_proposal *p);

/* ---- produce ---- */

struct replica_produce;
typedef void replica_produce_done(struct replica_produce *p);
struct replica_produce {
    /* in; the batch is one whole batch, retained by the log until it is written */
    struct slice batch;
    int16_t acks; /* 0, 1, -1 */
    bool late;    /* of struct log_produce */
    /* out */
    int16_t code; /* Kafka's */
    int64_t first_offset, timestamp_ms, log_start;
    /* Until done ends: why, or NULL, and in log.errors the records that are to blame. */
    const char *reason;
    struct log_produce log;
    /* the replica's own */
    replica_produce_done *done;
    struct replica *replica;
    struct list link;
    int64_t last_offset, producer_id;
    int32_t base_sequence;
    int16_t producer_epoch;
    uint32_t crc;
    bool duplicate;
};

/* Appends. acks 0 and 1: done when it is written; -1: when the high watermark has passed it (also
 * for a duplicate, I-3). done may be called before this returns. */
void replica_produce(struct replica *r, struct replica_produce *p, replica_produce_done *done);
/* Nobody waits any longer: done is called now, with that code. The records stay where they are. */
void replica_produce_cancel(struct replica_produce *p, int16_t code);

/* ---- fetch ---- */

/* Who asks, when that is a broker with a replica of the partition. */
struct replica_follower {
    int32_t id;        /* -1: it is none of them, but a consumer */
    int64_t epoch;     /* of the broker; -1: not said, and then it counts nothing (KIP-903) */
    int64_t log_start; /* of its log; -1: not said */
    /* So far its log is on its disk (kiln's own, for flush.policy = ack); -1: not said, and what it
     * asks from stands for it. */
    int64_t durable_end;
};

/* What one asker wants of one partition: it looks, reads what it may, and hears of what comes later
 * until it ends. */
struct replica_fetch;
typedef void replica_fetch_done(struct replica_fetch *f);
struct replica_fetch {
    /* in */
    int64_t offset;
    int32_t leader_epoch; /* that the asker believes in; -1: none */
    int32_t last_epoch;   /* in which it read what stands before offset; -1: it does not say */
    int32_t bytes_max;    /* whole batches of so many bytes */
    bool at_least_one;    /* the first batch comes whole even when it is larger */
    /* It may read all that is written. From what it asks for a leader learns how far it has come
     * (P-3), by the next replica_fetch after counts was set. */
    struct replica_follower follower;
    bool counts;
    /* A consumer that may be answered by one that follows: up to the high watermark here, and what
     * is not here yet is no reason to begin elsewhere (KIP-392). */
    bool at_follower;
    /* Brokers that stand nearer to that consumer, borrowed until done; may be NULL when there are
     * none. */
    const int32_t *nearby;
    int32_t nearby_count;
    int8_t isolation; /* level, as it was asked for; for the trace */
    struct mem *mem;  /* the asker's, for what he makes us hold; NULL: the replica's */
    replica_fetch_done *done;
    /* What may be read, or what it would be told, is not what it was: code and what stands behind
     * it are new, unless a read is under way, which ends so; and so many bytes more may be read
     * than when it was told last. It may end any fetch of any replica. */
    void (*woken)(struct replica_fetch *f, uint64_t bytes);
    /* out. code: 0; FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH (also for a follower that has no
     * replica of it here yet), NOT_LEADER_OR_FOLLOWER (also for one of an earlier life),
     * OFFSET_NOT_AVAILABLE (at_follower: the leader has it, perhaps), OFFSET_OUT_OF_RANGE (also for
     * a last_epoch of which nothing is known), KAFKA_STORAGE_ERROR, CORRUPT_MESSAGE,
     * UNKNOWN_SERVER_ERROR (no memory) */
    int16_t code;
    /* The one of nearby that it is to ask instead, and it was given nothing; -1: it may stay. A
     * leader names who is in sync, lives, has what it asks for and is farthest (V-1). */
    int32_t preferred;
    bool some; /* it may read more than it was given */
    /* -1: it has no log open */
    int64_t high_watermark, last_stable_offset, log_start;
    /* The asker read what this log does not hold (KIP-320, E-3): the greatest epoch up to its own,
     * and where that ended here; it is given nothing. -1, -1: it did not. */
    int32_t diverging_epoch;
    int64_t diverging_end;
    /* What was read; NULL: nothing. It stays until the next replica_fetch or the end. */
    const struct log_read *read;
    /* Where the asker goes on: behind what was read, and behind what stood there and is not for
     * him; offset, when nothing was, or it was taken. */
    int64_t next_offset;
    /* the replica's own */
    struct replica *replica;
    struct list link;
    struct replica_read *reading;
    struct log_cursor cursor; /* of who asks again and again */
    uint64_t bytes_seen;
    bool stale; /* something has changed while it reads */
};

/* Sets replica, which stays, whatever becomes of the partition, until replica_fetch_end. Set what
 * is in afterwards. */
void replica_fetch_init(struct replica_fetch *f, struct replica *r);
/* Looks and reads, also again. done may be called before this returns. Between the two calls f is
 * not to be ended. */
void replica_fetch(struct replica_fetch *f);
/* It hears of nothing until the next replica_fetch. */
void replica_fetch_rest(struct replica_fetch *f);
/* What was read, out of the fetch, which may go on or end without it; NULL: nothing was. The log
 * stays open until replica_read_end. */
struct replica_read {
    struct log_read log;
    /* the replica's own */
    struct mem *mem;
    struct replica *replica;
    struct replica_fetch *fetch; /* that it was read for; NULL: it was taken out */
};
struct replica_read *replica_fetch_take(struct replica_fetch *f);
/* NULL is harmless. */
void replica_read_end(struct replica_read *read);
/* Lets go of what was read and not taken; it hears of nothing any more. Also for a zeroed one. */
void replica_fetch_end(struct replica_fetch *f);

/* Where a leader epoch ended, so that who read in it can tell whether its log was cut (E-2). */
struct replica_epoch_end;
typedef void replica_epoch_end_done(struct replica_epoch_end *e);
struct replica_epoch_end {
    /* in */
    int32_t epoch;
    int32_t current_epoch; /* leader epoch that the asker believes in; -1: none */
    /* out. found: the greatest epoch up to that one, and end the offset behind its last record;
     * both -1 when nothing is known of so late an epoch. code: 0, or one of replica_check */
    int16_t code;
    int32_t found;
    int64_t end;
};

/* done may be called before this returns. The caller holds r until then. */
void replica_epoch_end(struct replica *r, struct replica_epoch_end *e,
                       replica_epoch_end_done *done);

/* ---- what it is ---- */

struct replica_description;
typedef void replica_description_done(struct replica_description *d);
struct replica_description {
    /* out */
    bool serves;        /* its log is open */
    int64_t bytes, lag; /* of its segments; offsets that are in its log and not shown yet. 0 when it
                           does not serve */
};

/* done may be called before this returns. The caller holds r until then. */
void replica_describe(struct replica *r, struct replica_description *d,
                      replica_description_done *done);

/* ---- following ---- */

enum replica_taking {
    REPLICA_TOOK,      /* all of it, or as much as is whole */
    REPLICA_TRUNCATED, /* the logs had parted: this one ends earlier now, and the leader is asked
                          from there (E-4) */
    REPLICA_STALE,  /* it is no answer to what this follower asks now (KAFKA-7786): it is not taken
                     */
    REPLICA_LATER,  /* not now: the same is asked for again after a while */
    REPLICA_FAILED, /* err and msg say why; it may be tried again */
};

/* What a leader answered to a fetch of this follower. */
struct replica_take;
typedef void replica_take_done(struct replica_take *t);
struct replica_take {
    /* in: the request */
    int32_t leader_epoch; /* in which the leader was asked */
    int64_t offset;       /* from which: replica_ends said it */
    /* in: the answer. -1 where it does not say */
    struct slice records; /* retained until they are written */
    int64_t high_watermark, log_start;
    int32_t diverging_epoch;
    int64_t diverging_end;
    int64_t restart_at; /* the leader has nothing from offset on, and begins here: so does this log
                           (OFFSET_OUT_OF_RANGE); -1: not so */
    /* out */
    enum replica_taking verdict;
    enum err err;
    struct errmsg msg;
    /* the replica's own */
    replica_take_done *done;
    struct replica *replica;
    struct log_op op;
};

/* Takes it: the log is truncated (E-4), begun anew or appended to as is (I-4), then follows the
 * leader's high watermark, never beyond what counts of its own log (P-10), and its log start. One
 * at a time. done may be called before this returns. The caller holds the replica. */
void replica_take(struct replica *r, struct replica_take *t, replica_take_done *done);

/* Where a follower's next fetch begins, and what it says of it. */
struct replica_ends {
    int32_t leader_epoch; /* -1: it does not follow */
    int64_t start, end;   /* of the log: it asks from its end on */
    int64_t written_end;  /* what a kill of this process leaves */
    int32_t last_epoch;   /* of its last record; -1: it has none */
    int64_t counting_end; /* what counts as its own: with flush.policy=ack the durable end */
    int64_t durable_end;  /* whatever the policy: its leader's may be another one for a moment */
    uint64_t uncounted_bytes; /* that are in the log and do not count yet */
    uint64_t generation;      /* of the log, for which counting_end and durable_end were true */
};
void replica_ends(const struct replica *r, struct replica_ends *out);

/* Of who asks the leader for it. */
struct replica_follow_watch {
    /* What counts of the log has moved on, what was to count has been taken back, or it does not
     * follow any more. The last act of an event, but for a log's own. */
    void (*moved)(struct replica_follow_watch *watch);
};
/* NULL: nobody. */
void replica_follow_watch(struct replica *r, struct replica_follow_watch *watch);

/* ---- records that are not wanted any more ---- */

struct replica_trim;
typedef void replica_trim_done(struct replica_trim *t);
struct replica_trim {
    /* in */
    int64_t offset; /* that the log is to begin at; -1: the high watermark */
    /* Told that it waits for followers now. NULL: nobody asks. */
    void (*waits)(struct replica_trim *t);
    /* out. code: 0; OFFSET_OUT_OF_RANGE: beyond the high watermark; those of replica_check */
    int16_t code;
    int64_t low_watermark; /* least log start of the replicas that live; -1 where code is not 0 */
    /* the replica's own */
    struct log_op op;
    replica_trim_done *done;
    struct replica *replica;
    struct list link; /* it waits for followers */
    int64_t to;
    int16_t late; /* not 0: it is to wait for none */
};

/* Moves the log start on, durably, and never back: where it is further already, that is the answer.
 * Done when the followers that live have moved theirs, too. The caller holds the replica. done may
 * be called before this returns. */
void replica_trim(struct replica *r, struct replica_trim *t, replica_trim_done *done);
/* Waits for no follower any longer, and ends with that code where it would: now, or when its own
 * log has begun there. Harmless on one that has ended. */
void replica_trim_cancel(struct replica_trim *t, int16_t code);

/* ---- offsets by time ---- */

#define REPLICA_LATEST (-1)
#define REPLICA_EARLIEST (-2)
#define REPLICA_MAX_TIMESTAMP (-3)
#define REPLICA_EARLIEST_LOCAL (-4)
#define REPLICA_LATEST_TIERED (-5)
#define REPLICA_EARLIEST_PENDING_UPLOAD (-6)

struct replica_offsets;
typedef void replica_offsets_done(struct replica_offsets *o);
struct replica_offsets {
    /* in */
    int64_t timestamp_ms;  /* or one of the above */
    struct mem *mem;       /* the asker's, for what he makes us hold; NULL: the replica's */
    int32_t current_epoch; /* leader epoch that the asker believes in; -1: none */
    bool follows;          /* a replica asks: all that is in the log is there for it */
    /* out; offset -1: no record is that young */
    int16_t code;
    int64_t offset, timestamp_found_ms;
    int32_t leader_epoch;
    /* the replica's own */
    struct log_seek seek;
    replica_offsets_done *done;
    struct replica *replica;
};

/* done may be called before this returns. OFFSET_NOT_AVAILABLE: after an unclean start the high
 * watermark has not yet reached what an earlier life may have shown (P-10). */
void replica_offsets(struct replica *r, struct replica_offsets *o, replica_offsets_done *done);

#endif
