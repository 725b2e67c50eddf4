/* internal.h - what the files of client/core share: the machine's parts and the steps between them.
 * Nobody outside of this folder includes it. */
#ifndef KILN_CLIENT_CORE_INTERNAL_H
#define KILN_CLIENT_CORE_INTERNAL_H

#include "client/core/core.h"

#define MS 1000000ll /* nanoseconds */

/* One answer may decode to this much; metadata of a million partitions fits. */
#define CLIENT_ARENA_MAX (256ll << 20)
/* The share by which back-offs differ, so that clients do not beat in step. */
#define CLIENT_JITTER_PERCENT 20
#define CLIENT_ENDPOINT_CONTROLLER 2 /* EndpointType (KIP-919) */

struct client_address {
    char host[CLIENT_HOST_MAX];
    uint16_t port;
};

/* How many addresses; -1: malformed or too many. */
int client_addresses_parse(const char *text, struct client_address out[CLIENT_BOOTSTRAP_MAX]);
bool client_config_idempotent(const struct client_config *config);

/* ---- what is due when ---- */

enum client_timer_kind {
    CLIENT_TIMER_METADATA,
    CLIENT_TIMER_SEEK, /* for a node that may be any */
    CLIENT_TIMER_PRODUCER_ID,
    CLIENT_TIMER_QUEUE, /* linger, delivery timeout or back-off of a partition's batches */
    CLIENT_TIMER_CONSUMER,
    CLIENT_TIMER_OP,
};

/* ---- the cluster ---- */

struct client_queue;

struct client_partition {
    int32_t leader, leader_epoch; /* -1: none, unknown */
    struct client_queue *queue;   /* NULL until a record goes there */
};

/* A topic that something was asked of. It is kept, with its address, as long as the client. */
struct client_topic {
    struct hmap_node node;
    char name[CLIENT_TOPIC_NAME_MAX];
    uint8_t id[CLIENT_TOPIC_ID]; /* of the topic that has the name now; zeros: not known */
    int32_t partition_count;     /* 0: not known yet */
    struct client_partition *partitions;
    bool asked;           /* of metadata, at least once */
    int16_t code;         /* what metadata said last */
    struct list waiting;  /* client_send.in_batch: for the topic to be known, or for memory */
    struct list in_waits; /* in client_producer.waits while waiting is not empty */
    int32_t sticky;       /* the partition of records without a key; -1: to be drawn */
    int64_t sticky_bytes; /* given to it since it was drawn (KIP-794) */
};

struct client_metadata {
    struct list nodes;
    int32_t node_count;
    uint32_t wishes; /* of client_wishes */
    struct hmap topics;
    struct client_topic *topic_last; /* that client_topic_of gave; none is ever forgotten */
    int32_t controller;
    int32_t
        candidate; /* the node that is asked for what any node may answer; 0 with !has_candidate */
    bool has_candidate, needed;
    bool nodes_wanted; /* by somebody who asks for no topic */
    bool nodes_known;  /* they were told at least once */
    int64_t seek_ns;   /* until then the candidate alone is waited for */
    struct client_timer seek;
    uint32_t rotation;
    int32_t asked, asked_count; /* the node that was last; questions that are not answered */
    bool doubted;               /* another is to be asked beside it: since doubt_ns */
    int64_t doubt_ns;           /* INT64_MAX: never */
    int32_t failure_count;
    int64_t retry_ns;
    int64_t age_ns; /* they are asked for again then, though all looks well; INT64_MAX: never yet */
    struct client_timer timer;
};

/* ---- calls: requests and what their answers are for ---- */

enum client_call_kind {
    CLIENT_CALL_METADATA,
    CLIENT_CALL_PRODUCER_ID,
    CLIENT_CALL_PRODUCE,
    CLIENT_CALL_FETCH,
    CLIENT_CALL_POSITIONS,
    CLIENT_CALL_OP,
};

/* An assignment that a fetch or a question for positions is about. */
struct client_item {
    struct client_assignment *assignment; /* NULL: no longer assigned */
    uint32_t version;
    uint8_t topic_id[CLIENT_TOPIC_ID]; /* when it was asked */
    bool answered;
};

struct client_call {
    struct client_request request; /* first */
    struct list link;              /* client.calls */
    enum client_call_kind kind;
    struct wire_out body;
    struct slice *parts;
    struct list batches;       /* PRODUCE: client_batch.in_call */
    struct client_item *items; /* FETCH, POSITIONS */
    int32_t item_count;
    struct client_op *op; /* OP: NULL once it is done */
};

/* ---- producing ---- */

struct client_batch {
    struct list link;    /* in its queue: waiting, or flying */
    struct list in_call; /* in its call while it flies */
    struct client_queue *queue;
    struct buf *buf;
    struct wire_builder builder;
    struct list records; /* client_send.in_batch; empty once their outcome is told */
    uint64_t number;     /* order within the queue */
    int64_t deadline_ns, linger_ns, retry_ns;
    int32_t attempt_count;
    int32_t base_sequence;
    int16_t code;                      /* that the last answer brought */
    uint8_t topic_id[CLIENT_TOPIC_ID]; /* of its topic when it left last */
    bool closed;                       /* takes no more records */
    bool sequenced; /* has its place in (producer id, epoch): every attempt is the same bytes */
    bool flying;
    bool maybe_stored; /* an attempt ended without an answer that says it is not */
    bool told;         /* its records' outcome; it only waits for its call to end */
};

/* The batches of one partition, oldest first. */
struct client_queue {
    struct list link; /* client_producer.queues */
    struct client_topic *topic;
    int32_t index;
    struct list waiting, flying;
    int32_t flying_count;
    uint64_t batch_number;
    struct list ready; /* in client_node.ready of the leader */
    struct client_timer timer;
    /* Idempotence: where the next batch stands. */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t next_sequence;
    bool broken; /* a sequence has a hole or is refused: begin anew in a new epoch (I-6) */
};

struct client_producer {
    bool idempotent;
    int16_t acks;
    int64_t producer_id; /* -1: not known yet */
    int16_t producer_epoch;
    int16_t epoch_first; /* client_producer_begin */
    int32_t sequence_first;
    bool id_in_flight;
    int32_t id_failure_count;
    int64_t id_retry_ns;
    struct client_timer id_timer;
    struct list queues;
    struct list order; /* client_send.by_order: all records that are not done */
    uint64_t last_number;
    struct list flushes; /* client_op.link */
    struct list waits;   /* client_topic.in_waits, in turn */
    int64_t buffered;
    bool starved;      /* a record waits for memory: no batch lingers */
    bool memory_given; /* since then */
};

/* ---- consuming ---- */

enum client_assignment_state {
    CLIENT_AT_UNKNOWN, /* asks where to begin, or where to go on after a reset */
    CLIENT_AT_READING,
    CLIENT_AT_STOPPED,
};

/* What one fetch brought of one partition: whole, checked batches. */
struct client_chunk {
    struct list link; /* in its assignment; or lent; or as unpacked of another */
    struct client_assignment *assignment; /* NULL: lent */
    const struct client_assignment *lent_from;
    struct slice bytes;
    uint8_t topic_id[CLIENT_TOPIC_ID]; /* of its topic when it was asked for */
    size_t at;                         /* of the next batch */
    int64_t queued;                    /* bytes that it counts for */
    bool inside;                       /* records goes on */
    size_t inside_size;                /* of the batch that records are of, as it came */
    struct client_chunk *unpacked;     /* it decompressed, when it was compressed; else NULL */
    struct wire_records records;
};

struct client_consumer {
    struct list assignments;
    struct client_poll *poll; /* in flight, or NULL */
    struct list lent;         /* chunks whose records the last poll lent out */
    int64_t queued_bytes;
    int64_t far_until_ns; /* until then leaders are not told where it stands */
    bool dirty;           /* something changed that may let a request or the poll go on */
    struct client_timer timer;
};

/* ---- the machine ---- */

struct client {
    struct mem *mem;
    struct trace *trace;
    struct client_config config;
    struct client_metadata metadata;
    struct client_producer producer;
    struct client_consumer consumer;
    struct list calls; /* not yet answered or lost */
    struct list ops;   /* client_op.link: offsets, topics and creations that are not done */
    bool ops_dirty, closing;
    uint64_t answer_count;
    struct heap timers;
    uint64_t timer_sequence;
    struct arena arena; /* of the answer being handled */
    /* Of the step: */
    int64_t now_ns, wall_ms;
    uint64_t random, draw_count;
    struct client_effects *out;
};

/* client.c */
void client_arm(struct client *c, struct client_timer *timer, enum client_timer_kind kind,
                int64_t deadline_ns);
void client_disarm(struct client *c, struct client_timer *timer);
/* 64 random bits of this step. */
uint64_t client_draw(struct client *c);
/* The pause before retry number attempt_count (1: the first), with jitter. */
int64_t client_backoff_ns(struct client *c, int32_t attempt_count);
void client_op_done(struct client *c, struct client_op *op, enum client_outcome outcome,
                    int16_t code, enum err err);

/* call.c */
/* A call of the newest version that the node and kiln both speak. ERR_UNSUPPORTED: there is none.
 * ERR_NOMEM. The lane must be up. */
enum err client_call_new(struct client *c, enum client_call_kind kind, struct client_node *node,
                         enum client_lane lane, int16_t api_key, struct client_call **out) MUST_USE;
/* Encodes in, with the batches' bytes in its gaps. ERR_NOMEM; ERR_INVALID: the version cannot say
 * that. */
enum err client_call_prepare(struct client *c, struct client_call *call, const void *in) MUST_USE;
/* Puts a prepared call into the effects. */
void client_call_emit(struct client *c, struct client_call *call);
/* Both. On error the call is gone. */
enum err client_call_send(struct client *c, struct client_call *call, const void *in) MUST_USE;
/* Frees it; it must not stand in the effects. */
void client_call_end(struct client *c, struct client_call *call);
/* Decodes the answer into out, arrays in client.arena. ERR_CORRUPT, ERR_NOMEM. */
enum err client_call_decode(struct client *c, const struct client_call *call, struct bytes body,
                            void *out) MUST_USE;

/* metadata.c */
enum err client_metadata_init(struct client *c) MUST_USE;
void client_metadata_free(struct client *c);
/* The topic, made when it is new (then metadata is asked). NULL: no memory, or CLIENT_TOPICS_MAX.
 */
struct client_topic *client_topic_of(struct client *c, const char *name);
struct client_topic *client_topic_find(const struct client *c, const char *name);
/* What is known is doubtful: ask as soon as the back-off allows. */
void client_metadata_want(struct client *c);
/* The same of the nodes, whether or not anything is asked of a topic. */
void client_nodes_want(struct client *c);
/* The leader's node when it is known, else NULL (and metadata is asked). */
struct client_node *client_leader(struct client *c, struct client_topic *topic, int32_t partition);
/* True when the node can take a request; else it is connected to. */
bool client_lane_ready(struct client *c, struct client_node *node, enum client_lane lane);
/* A node that can take a request now and may be any; NULL: one is being connected to. */
struct client_node *client_any_node(struct client *c);
/* Whether it asks controllers, and not brokers (KIP-919). */
bool client_asks_controllers(const struct client *c);
#define CLIENT_ENDPOINT_CONTROLLER 2 /* DescribeCluster's EndpointType */
void client_metadata_pump(struct client *c);
void client_metadata_timer(struct client *c);
void client_metadata_answer(struct client *c, struct client_call *call, struct bytes body);
void client_metadata_lost(struct client *c);
void client_lane_up(struct client *c, const struct client_event *ev);
void client_lane_down(struct client *c, const struct client_event *ev);
/* Where a node is, as an answer says it. */
void client_metadata_learn_node(struct client *c, int32_t id, struct wire_string host,
                                int32_t port);
/* A leader that an answer named itself (KIP-951); taken when its epoch is newer: true. */
bool client_leader_hint(struct client *c, struct client_topic *topic, int32_t partition,
                        int32_t leader, int32_t leader_epoch);

/* codes.c: what a code says about the request that got it. */
bool client_code_retriable(int16_t code);
bool client_code_maybe_done(int16_t code);     /* the broker may have acted all the same */
bool client_code_stale_metadata(int16_t code); /* ask who leads */
bool client_code_sequence(int16_t code);       /* the producer's state and the broker's differ */

/* producer.c: records, batches and their outcomes */
void client_producer_init(struct client *c);
void client_producer_free(struct client *c);
void client_producer_submit(struct client *c, struct client_send *send);
void client_producer_flush(struct client *c, struct client_flush *flush);
/* Memory was given back, or a topic became known: let waiting records go on. */
void client_producer_admit(struct client *c);
void client_send_expired(struct client *c, struct client_send *send);
/* Tells the records how they ended; the batch is told, and freed unless it flies. base_offset -1:
 * not known; timestamp_ms -1: the records' own. */
void client_batch_tell(struct client *c, struct client_batch *b, enum client_outcome outcome,
                       int16_t code, enum err err, int64_t base_offset, int64_t timestamp_ms);
void client_batch_free(struct client *c, struct client_batch *b);
void client_producer_close(struct client *c);

/* sender.c: batches to calls and back */
/* Looks at a queue after any change: outcome of what is too late, ready or not, next timer. */
void client_queue_update(struct client *c, struct client_queue *q);
void client_sender_pump(struct client *c);
void client_sender_answer(struct client *c, struct client_call *call, struct bytes body);
void client_sender_lost(struct client *c, struct client_call *call, enum err err, bool sent);
/* Leaders changed: every queue finds its node anew. */
void client_sender_metadata(struct client *c);

/* producer_id.c: idempotence */
void client_producer_id_pump(struct client *c);
void client_producer_id_answer(struct client *c, struct client_call *call, struct bytes body);
void client_producer_id_lost(struct client *c);
/* Gives the batch its place; false: there is no producer id yet. */
bool client_sequence_assign(struct client *c, struct client_batch *b);
/* The queue's sequence cannot go on; begins anew as soon as nothing of it flies (I-6). */
void client_sequence_mend(struct client *c, struct client_queue *q);

/* consumer.c: assignments and their positions */
void client_consumer_init(struct client *c);
void client_consumer_free(struct client *c);
void client_consumer_assign(struct client *c, struct client_assignment *a);
void client_consumer_unassign(struct client *c, struct client_assignment *a);
void client_consumer_pump(struct client *c);
void client_positions_answer(struct client *c, struct client_call *call, struct bytes body);
void client_assignment_retry(struct client *c, struct client_assignment *a, int16_t code);
void client_assignment_notice(struct client *c, struct client_assignment *a,
                              enum client_notice notice, int64_t from, int64_t to, int16_t code);
void client_items_lost(struct client *c, struct client_call *call);
/* What has not been answered is as it was, and may be asked about again at once. */
void client_items_same(struct client *c, struct client_call *call);
/* Where to go on is not known any more. */
void client_assignment_unknown(struct client *c, struct client_assignment *a);
/* There is nothing at its offset: auto.offset.reset says what to do. */
void client_assignment_reset(struct client *c, struct client_assignment *a);
/* May be asked about now. */
bool client_assignment_due(const struct client *c, const struct client_assignment *a);
/* Items of the call about those assignments. ERR_NOMEM. */
enum err client_call_items(struct client *c, struct client_call *call,
                           struct client_assignment *const *asking, int32_t count) MUST_USE;
/* They wait for an answer from now on; or, with an error, for another try. */
void client_assignments_asked(struct client *c, struct client_assignment *const *asking,
                              int32_t count, enum err e);
/* The item's assignment if its answer still counts, else NULL; it no longer waits for it. */
struct client_assignment *client_item_take(struct client_item *item);
struct client_item *client_item_find(struct client_call *call, struct wire_string topic,
                                     int32_t partition);
void client_consumer_close(struct client *c);

/* fetch.c: what brings records */
/* When a node that has a partition which is left out may be asked again; INT64_MAX: none has. */
int64_t client_fetch_moment(struct client *c);
/* asking has room for all assignments. */
void client_fetch_pump(struct client *c, struct client_node *node,
                       struct client_assignment **asking);
void client_fetch_answer(struct client *c, struct client_call *call, struct slice body);
void client_fetch_lost(struct client *c, struct client_call *call);
/* Its connection is gone, or does not come about: who read there goes back to the leader. */
void client_nearby_lost(struct client *c, int32_t node);
void client_chunk_free(struct client *c, struct client_chunk *chunk);

/* session.c: what a broker remembers of fetches */
void client_session_init(struct client_session *session);
void client_session_free(struct client *c, struct client_session *session);
/* What the broker remembers is not known any more: the next fetch says everything. */
void client_session_doubt(struct client *c, struct client_node *node);
/* It will not be asked for in that session; harmless when it is in none. */
void client_session_leave(struct client *c, struct client_assignment *a);
/* Which of those that the next fetch asks for must be described in it; told has room for all. Those
 * that it does not ask for are forgotten. */
int32_t client_session_tell(struct client *c, struct client_node *node,
                            struct client_assignment *const *asking, int32_t count,
                            struct client_assignment **told);
/* What a request says of the session. ERR_NOMEM. */
enum err client_session_describe(struct client *c, struct client_node *node, int16_t version,
                                 struct wire_fetch_request *request) MUST_USE;
/* True: partitions that are not in the answer are as they were; or the session was lost, and with
 * it nothing but the answer: the next fetch, at once, says everything. */
bool client_session_answer(struct client *c, struct client_node *node,
                           const struct wire_fetch_response *response);

/* poll.c: what hands them out */
void client_poll_submit(struct client *c, struct client_poll *poll);
void client_poll_pump(struct client *c);
void client_poll_release(struct client *c, const struct client_assignment *a);

/* ops.c: offsets, topics, creations */
/* It is over. */
void client_op_end(struct client *c, struct client_op *op, enum client_outcome outcome,
                   int16_t code, enum err err);
/* True when the code has settled the operation: it is tried again, or it has failed. */
bool client_op_refused(struct client *c, struct client_op *op, int16_t code);
/* admin.c: what an operation asks, and what it makes of the answer. */
typedef enum err client_ask(struct client *c, const struct client_op *op, struct client_call *call);
typedef enum err client_op_answered(struct client *c, struct client_op *op,
                                    struct client_call *call, struct bytes body);
/* What a broker says of an answer, as far as there is room. */
void client_take_message(char message[ERRMSG_SIZE], struct wire_string text);
/* The broker whose own settings the operation is about; NULL: it is about something else. */
const char *client_op_broker(const struct client_op *op);
client_ask client_ask_configs, client_ask_deletion, client_ask_partitions, client_ask_alteration,
    client_ask_cluster, client_ask_quorum, client_ask_dirs, client_ask_election,
    client_ask_unregistration, client_ask_features, client_ask_features_update;
client_op_answered client_configs_answer, client_deletion_answer, client_partitions_answer,
    client_alteration_answer, client_cluster_answer, client_quorum_answer, client_dirs_answer,
    client_election_answer, client_unregistration_answer, client_features_answer,
    client_features_update_answer;
void client_op_submit(struct client *c, struct client_op *op);
void client_op_timer(struct client *c, struct client_op *op);
void client_ops_pump(struct client *c);
void client_op_answer(struct client *c, struct client_call *call, struct bytes body);
void client_op_lost(struct client *c, struct client_call *call, bool sent);
void client_ops_close(struct client *c);

/* ---- compression (compress.c) ---- */

/* Compresses a sealed batch as compression.type says; without memory for that it stays as it is. */
void client_batch_compress(struct client *c, struct client_batch *b);
/* The batch b, which is compressed and whole at in, as one that is not: a chunk of its own that
 * nobody has queued. ERR_CORRUPT, ERR_LIMIT (more than CLIENT_UNPACKED_MAX), ERR_NOMEM. */
#define CLIENT_UNPACKED_MAX (256 << 20)
enum err client_unpack(struct client *c, const struct wire_batch *b, struct bytes in,
                       struct client_chunk **out) MUST_USE;

#endif
