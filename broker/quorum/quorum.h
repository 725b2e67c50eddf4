/* quorum.h - who writes the metadata log (`__cluster_metadata`), and the only way into the image:
 * what is appended is an image in the making, and becomes the current one when it is committed. It
 * carries raft (raft.h) over this node's disk, alone or as one of several voters, and decides
 * nothing of the cluster: that is the controller's, whose commands it carries. How the other nodes
 * are reached is its owner's to know.
 */
#ifndef KILN_QUORUM_H
#define KILN_QUORUM_H

#include "controller/controller.h"
#include "log/log.h"
#include "raft/raft.h"
#include "steps/steps.h"

#define QUORUM_SESSION_NS (9000ll * 1000000) /* of a broker, where settings say nothing */
#define QUORUM_SEGMENT_BYTES (2 * METADATA_BATCH_BYTES_MAX)

struct quorum;

struct quorum_settings {
    const char *dir;        /* the log directory's path */
    int64_t segment_bytes;  /* of the log; a batch must fit into one */
    int64_t snapshot_bytes; /* of records after which another snapshot is written */
    struct controller_settings controller;
    /* What follows is of a node that has peers; others are their own quorum. */
    /* Who votes (controller.quorum.voters, kraft.version 0): their directories are zero. A node
     * that is none of them observes. */
    struct raft_voters voters;
    /* kraft.version 1: the log says who votes, and settings.voters is empty. Nodes are known by
     * their directories (KIP-853). */
    bool dynamic;
    int32_t bootstrap_count;     /* of struct raft_settings, as those below */
    int64_t election_timeout_ns; /* controller.quorum.election.timeout.ms */
    int64_t election_backoff_ns; /* controller.quorum.election.backoff.max.ms */
    int64_t fetch_timeout_ns;    /* controller.quorum.fetch.timeout.ms */
    int64_t retry_backoff_ns;    /* controller.quorum.retry.backoff.ms */
    int64_t session_timeout_ns;  /* broker.session.timeout.ms; 0: QUORUM_SESSION_NS */
};

/* The way to the other nodes. */
struct quorum_peers {
    /* Sends it, by the API and fields of Kafka's that raft.h names. It ends with exactly one
     * quorum_response or quorum_lost, the latter too when nothing has come for
     * controller.quorum.request.timeout.ms, and neither before this returns. What a fetch says that
     * this node knows to be committed (KIP-1166) is quorum_high_watermark. Borrows request. */
    void (*send)(struct quorum_peers *peers, const struct raft_request *request);
};

struct quorum_op;
typedef void quorum_done(struct quorum_op *op, enum err e);
struct quorum_op {
    quorum_done *done;
    struct errmsg msg; /* a sentence when e is not ERR_NONE */
};

/* What a new directory is given. In place until it is done. */
struct quorum_format {
    struct quorum_op op;
    /* Its own. */
    struct steps steps;
    struct env *env;
    struct mem *mem;
    struct dir *dir;
    const struct wire_voters_record *voters;
    bool grows; /* its node was its own quorum, and has a log */
    struct dir_get get;
    struct text text;
    int64_t record_count;
    struct waiter *waiter;
    struct dir_file_write write;
    struct dir_sync sync;
    char folder[ENV_PATH_MAX], path[ENV_PATH_MAX];
};

/* Formats a directory, as kafka-storage format does (KIP-853). It was made in this life and holds
 * nothing yet; or its node was its own quorum (kraft.version 0), and becomes the one voter that
 * voters names: then its first leadership writes that into its log. ERR_INVALID: it is another's.
 * It leaves bootstrap.checkpoint, and for a first voter (voters not NULL, borrowed until done) the
 * snapshot 0-0 that says who votes. Errors as dir_file_put, dir_get. */
void quorum_format(struct quorum_format *f, struct env *env, struct mem *mem, struct dir *dir,
                   const struct wire_voters_record *voters, quorum_done *done);

struct quorum_watch {
    /* The current image was from and is to. The owner makes what is there agree with it, and says
     * so by quorum_applied, perhaps before this returns; nobody but who asked for that waits for
     * it. */
    void (*published)(struct quorum_watch *watch, const struct metadata_image *from,
                      const struct metadata_image *to);
    /* It leads now, which had been put off (quorum_put_off): partitions may have new leader
     * epochs. */
    void (*led)(struct quorum_watch *watch);
    /* The metadata log is offline from now on: no further change will succeed. */
    void (*failed)(struct quorum_watch *watch, enum err e);
    /* With peers: quorum_role, quorum_epoch, quorum_leader or quorum_leads is not what it
     * was. NULL: nobody asks. */
    void (*role_changed)(struct quorum_watch *watch);
    /* kraft.version 1: quorum_voters_record is another one. NULL: nobody asks. */
    void (*voters_changed)(struct quorum_watch *watch);
    /* With peers: it would have to give up what is committed (K-11, KAFKA-12460). It takes
     * no part any more, and the node is to end with that sentence. */
    void (*stopped)(struct quorum_watch *watch, const char *sentence);
};

/* ERR_NOMEM. logs, the strings of settings and watch outlive it, and so does peers; NULL: no other
 * node has a part in the log, and this one is its own quorum. */
enum err quorum_new(struct quorum **out, struct env *env, struct mem *mem, struct trace *trace,
                    struct log_set *logs, const struct quorum_settings *settings,
                    struct quorum_peers *peers, struct quorum_watch *watch) MUST_USE;
struct quorum_start {
    const char *host; /* where clients reach this broker; copied */
    uint16_t port;
    bool bump_leaders; /* every partition gets a new leader epoch, for the last life did not end
                          cleanly and may have lost what it wrote (E-1); so it does anyhow when a
                          partition's directory is missing */
};

/* With peers: done when the log is open, its newest snapshot is the current image, and raft
 * takes part. What stands behind the snapshot is applied as others say that it is committed; start
 * says nothing, for nobody is registered by this. ERR_CORRUPT, ERR_UNSUPPORTED, and as log_open.
 * A node that is its own quorum replays the log and leads it in a new epoch: quorum-state first,
 * then, as one write, the LeaderChange batch and what the controller says of a node that registers.
 * Done when all of this is durable and quorum_current has it; or when a full disk does not take it,
 * and the log has been led before: then what is there is current, and leading is tried again every
 * second (quorum_put_off). Errors as log_open, ERR_UNSUPPORTED. */
void quorum_open(struct quorum *q, struct quorum_op *op, const struct quorum_start *start,
                 quorum_done *done);
/* What is committed. Borrowed until return; retain it to keep it. */
const struct metadata_image *quorum_current(const struct quorum *q);
/* It takes commands: it leads, all that was ever committed is in its image, and nothing is wrong
 * with its disk. */
bool quorum_leads(const struct quorum *q);
/* With peers, K-2; of a node that is its own quorum RAFT_LEADER, once it is open. */
enum raft_role quorum_role(const struct quorum *q);
/* Of its epoch; RAFT_NOBODY: not known. */
int32_t quorum_leader(const struct quorum *q);
/* The disk is full, and nobody leads the log yet: changes are refused, and because an unclean end
 * has not been made good for, no partition may take records. */
bool quorum_put_off(const struct quorum *q);
/* It is not tried any more: the directory will be closed. */
void quorum_rest(struct quorum *q);
int32_t quorum_epoch(const struct quorum *q);
int32_t quorum_node_id(const struct quorum *q);
#define QUORUM_KRAFT_VERSION 1 /* the newest that is served */
/* kraft.version 1: who votes, and where each is found, as far as this node has heard; committed or
 * not (K-16). NULL: nobody is known, or it is another version. Stays until voters_changed returns.
 */
const struct wire_voters_record *quorum_voters_record(const struct quorum *q);
/* The id of the log directory that the metadata log is in. */
struct wire_uuid quorum_directory(const struct quorum *q);
/* The log behind it, for the checkpoint of its high watermark. */
const struct log *quorum_log(const struct quorum *q);
/* The exclusive end of that log, and of what is committed in it. */
int64_t quorum_end(const struct quorum *q);
int64_t quorum_high_watermark(const struct quorum *q);
/* Who reads that log: voters, and others that fetched since this node leads. */
#define QUORUM_READERS_MAX 64 /* that are remembered */
struct quorum_reader {
    struct raft_key key;
    bool votes;
    int64_t end;          /* exclusive, of its log; -1: not known */
    int64_t fetched_ms;   /* when it fetched last, by this node's wall clock; -1: not known */
    int64_t caught_up_ms; /* when it had last all that there was; -1: not known */
};
/* Into out, of RAFT_VOTERS_MAX + QUORUM_READERS_MAX: the voters in their order, this node among
 * them, then the others. Returns how many; 0: it does not lead, and does not know. */
int32_t quorum_readers(const struct quorum *q, struct quorum_reader *out);
const struct metadata_topic_config *quorum_topic_defaults(const struct quorum *q);
/* What this broker goes by: its file, and over it what was set while it ran. */
const struct metadata_broker_config *quorum_broker_config(const struct quorum *q);
/* The log says that this topic was deleted: an earlier life may have died before its directories
 * were gone. A snapshot may stand for records only as far as they are applied (quorum_applied), for
 * it does not say so. */
bool quorum_was_removed(const struct quorum *q, const struct wire_uuid *topic_id);
/* The owner has asked about all that it has, and takes each removal from now on as it is published.
 * Whoever is a broker calls it when it opens its partitions, and whoever is none at once: until
 * then removals are remembered. */
void quorum_opened(struct quorum *q);
/* The owner has done what it can for all images up to the one of that offset. */
void quorum_applied(struct quorum *q, int64_t offset);

/* How far a command is to come before it is answered. */
enum quorum_until {
    QUORUM_COMMITTED, /* its records are, and the current image has them */
    QUORUM_APPLIED,   /* and this broker serves what they say: its new partitions are open */
};

/* A command of the controller on its way through the log. */
struct quorum_request;
typedef void quorum_request_done(struct quorum_request *request);
struct quorum_request {
    struct controller_command *command;
    quorum_request_done *done;
    int64_t first; /* offset of its first record; -1: none was appended */
    /* Kafka's code where the command was never judged, or what it was judged by is gone:
     * NOT_CONTROLLER, KAFKA_STORAGE_ERROR. 0: the command itself says what came of it. */
    int16_t lost;
    /* The quorum's own. */
    struct list link;
    enum quorum_until until;
    uint64_t change; /* that it waits for; 0: none */
    int64_t offset;  /* likewise, when it is to be applied */
};

/* Lets the controller judge the command, appends what comes of it, and calls done when that is
 * committed, or applied, or refused, or lost; perhaps before this returns. The command says what
 * came of it: NOT_CONTROLLER where another node leads, or this one ceased to: then what was
 * appended may be committed by others, or never. Request and command are kept in place until then.
 */
void quorum_submit(struct quorum *q, struct quorum_request *request,
                   struct controller_command *command, enum quorum_until until,
                   quorum_request_done *done);
/* Nobody's command: done when this node has applied all up to that offset (QUORUM_APPLIED), perhaps
 * before this returns. */
void quorum_await(struct quorum *q, struct quorum_request *request, int64_t offset,
                  quorum_request_done *done);
/* Nobody waits for it any more: done will not be called, and what was begun goes on. False: it is
 * done already. */
bool quorum_cancel(struct quorum_request *request);

/* ---- between nodes ---- */

/* A request that this node sent has its response; requests that it did not send, or not in this
 * life, are passed over. bytes: of a fetch the batches, which are looked at here and believed in
 * nothing (of the response's batches, too); of a fetched snapshot the piece, whose position and
 * size the response says. Retained as long as it is needed; size 0: none. */
void quorum_response(struct quorum *q, const struct raft_response *response, struct slice bytes);
/* It will have none; quorum_refused: because nobody listens where it was to go. */
void quorum_lost(struct quorum *q, enum raft_api api, uint64_t number);
void quorum_refused(struct quorum *q, enum raft_api api, uint64_t number);

#define QUORUM_PIECE_BYTES_MAX (1 << 20) /* of a snapshot, that one answer brings */

/* A request of another node. Embedded in its owner. */
struct quorum_ask;
typedef void quorum_ask_done(struct quorum_ask *ask);
struct quorum_ask {
    /* in */
    struct raft_request request;
    int64_t high_watermark; /* FETCH: that the asker knows; INT64_MAX: it does not say, -1: none */
    int32_t bytes_max; /* FETCH: whole batches of so many bytes, and the first whatever its size;
                          FETCH_SNAPSHOT: of the piece */
    int64_t wait_ns;   /* FETCH: how long it may wait for something new */
    /* out, until quorum_ask_end: Kafka's code in answer.code. FETCH: the batches, none from a
     * position that is not durable here; FETCH_SNAPSHOT: the piece, of which answer says position
     * and the size of the whole. answer.batches is not set. */
    struct raft_response answer;
    struct bytes bytes;
    int64_t log_start; /* FETCH: where this log begins */
    /* the quorum's own */
    quorum_ask_done *done;
    struct quorum *quorum; /* NULL: it has ended */
    struct list link;
    enum quorum_asked {
        QUORUM_ASK_WAITS, /* raft is told of it when its state is saved */
        QUORUM_ASK_HELD,  /* it is answered when the state that the answer rests on is saved */
        QUORUM_ASK_PARKED,
        QUORUM_ASK_READS,
        QUORUM_ASK_DONE,
    } asked;
    int64_t until_ns; /* parked */
    struct quorum_reading *reading;
};

/* done is called once, perhaps before this returns; not when quorum_ask_end comes first. */
void quorum_ask(struct quorum *q, struct quorum_ask *ask, quorum_ask_done *done);
/* Lets go of what it was given; nobody waits for it any more. Also of a zeroed one, and again. An
 * ask that is not ended holds up quorum_close. */
void quorum_ask_end(struct quorum_ask *ask);

/* How many snapshots are kept: the log is, too, from the older of them on. */
#define QUORUM_SNAPSHOTS_KEPT 2
/* The log from its start on needs no more than that: all below is in a snapshot. */
int64_t quorum_snapshot_offset(const struct quorum *q);

/* Waits for what is in flight and closes the log; changes that come later are refused. Of several
 * voters: who leads says that it does so no longer (EndQuorumEpoch), and waits until so many have
 * heard of it as can elect another one, QUORUM_HAND_OVER_NS_MAX at most; what others ask is
 * refused, and responses that come later are passed over. Also after an open that failed. done is
 * called perhaps before this returns. */
#define QUORUM_HAND_OVER_NS_MAX (1000ll * 1000000)
void quorum_close(struct quorum *q, struct quorum_op *op, quorum_done *done);
/* Frees memory only; not before quorum_close is done, or without quorum_open. */
void quorum_free(struct quorum *q);

#endif
