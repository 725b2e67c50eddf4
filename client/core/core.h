/* core.h - the client as a value: producer, consumer, admin and what they know of the cluster, in
 * one step machine. Pure: time, chance and bytes come in with events; requests, ended operations
 * and the next moment to wake go out as effects. It knows no socket, no clock and no thread. */
#ifndef KILN_CLIENT_CORE_H
#define KILN_CLIENT_CORE_H

#include "base/base.h"
#include "wire/wire.h"

/* Limits with names. */
#define CLIENT_TOPIC_NAME_MAX 250     /* bytes of a topic's name, with its zero (Kafka: 249) */
#define CLIENT_TOPIC_ID 16            /* bytes of an id (KIP-516) */
#define CLIENT_HOST_MAX 256           /* bytes of a host's name, with its zero */
#define CLIENT_BOOTSTRAP_MAX 16       /* addresses in bootstrap.servers */
#define CLIENT_NODES_MAX 1024         /* brokers that metadata may name */
#define CLIENT_TOPICS_MAX 65536       /* topics that a client keeps an eye on */
#define CLIENT_PARTITIONS_MAX 1000000 /* partitions of one topic that it believes */
#define CLIENT_IN_FLIGHT_MAX                                                                       \
    5                           /* produce requests of one connection: a broker remembers the      \
                                   last 5 batches of a producer (KIP-98), I-2 */
#define CLIENT_HEADERS_MAX 1024 /* of one record */
#define CLIENT_BATCHES_MAX 256  /* of one produce request: its parts must fit one send */
#define CLIENT_PARTITION_ANY (-1)

/* ---- configuration: Kafka's client names, all of them rows --------------------------------- */

enum client_acks {
    CLIENT_ACKS_NONE,
    CLIENT_ACKS_LEADER,
    CLIENT_ACKS_ALL,
    CLIENT_ACKS_MINUS_ONE, /* Kafka's other spelling of all */
};

enum client_idempotence {
    CLIENT_IDEMPOTENCE_AUTO, /* on exactly when acks=all */
    CLIENT_IDEMPOTENCE_ON,
    CLIENT_IDEMPOTENCE_OFF,
};

enum client_reset {
    CLIENT_RESET_EARLIEST,
    CLIENT_RESET_LATEST,
    CLIENT_RESET_NONE,
};

struct client_config {
    /* Of the connections. */
    char bootstrap_servers[CONFIG_STRING_SIZE];
    /* "": brokers are asked; else controllers alone, for what an admin orders (KIP-919). */
    char bootstrap_controllers[CONFIG_STRING_SIZE];
    char client_id[CONFIG_STRING_SIZE];
    char client_rack[CONFIG_STRING_SIZE]; /* "": none (KIP-392) */
    int64_t request_timeout_ms;
    int64_t retry_backoff_ms, retry_backoff_ms_max;
    int64_t reconnect_backoff_ms, reconnect_backoff_ms_max;
    int64_t connections_idle_ms_max, connection_setup_ms_max;
    int64_t metadata_age_ms_max;
    int64_t api_timeout_ms; /* default.api.timeout.ms: of create topic, list offsets, ... */
    bool auto_create_topics;
    /* Of the producer. */
    int32_t acks;        /* enum client_acks */
    int32_t idempotence; /* enum client_idempotence */
    int32_t compression; /* enum wire_codec */
    int64_t linger_ms, batch_bytes, buffer_bytes, request_bytes_max;
    int64_t delivery_timeout_ms, block_ms_max;
    int64_t retry_count_max;
    int64_t in_flight_max;
    /* Of the consumer. */
    int32_t offset_reset; /* enum client_reset */
    int64_t fetch_bytes_min, fetch_bytes_max, fetch_wait_ms_max, partition_fetch_bytes_max;
    int64_t queued_bytes_max; /* fetched and not yet polled, of all partitions */
    bool check_crcs;
};

extern const struct config_table client_config_table;

/* What no row can say alone: bootstrap.servers must parse, idempotence needs acks=all and at most 5
 * in flight, delivery.timeout.ms covers linger.ms + request.timeout.ms. ERR_INVALID, with a message
 * that names both keys. */
enum err client_config_check(const struct client_config *config, struct errmsg *msg) MUST_USE;

/* ---- operations ---------------------------------------------------------------------------- */

/* How an operation ended. UNKNOWN is an answer too: the broker may or may not have done it. */
enum client_outcome {
    CLIENT_OK,
    CLIENT_FAILED,  /* it did not happen and will not */
    CLIENT_UNKNOWN, /* it may have happened, or may still */
};

enum client_op_kind {
    CLIENT_SEND,
    CLIENT_FLUSH,
    CLIENT_POLL,
    CLIENT_OFFSETS,
    CLIENT_TOPICS,
    CLIENT_CREATE_TOPIC,
    CLIENT_CONFIGS,
    CLIENT_DELETE_TOPIC,
    CLIENT_ADD_PARTITIONS,
    CLIENT_ALTER_CONFIGS,
    CLIENT_TRIM,
    CLIENT_CLUSTER,
    CLIENT_QUORUM,
    CLIENT_DIRS,
    CLIENT_PARTITIONS,
    CLIENT_ELECT,
    CLIENT_UNREGISTER,
    CLIENT_FEATURES,
    CLIENT_UPDATE_FEATURES,
};

/* When something is due; one heap of these drives the machine. */
struct client_timer {
    struct heap_node node;
    int64_t deadline_ns;
    uint64_t sequence;
    int32_t kind;
};

struct client_topic;
struct client_call;

/* Embedded at the head of every operation. Zero the whole operation once; submitting fills this.
 * Until it is done the owner keeps the operation, and all that it points to, in place. Each
 * submitted operation is done exactly once: it stands in the effects of one step, which may be the
 * step that submitted it. */
struct client_op {
    struct list link; /* first: in the effects of the step that ended it */
    enum client_op_kind kind;
    enum client_outcome outcome;
    int16_t code; /* Kafka's code where the broker or a rule of Kafka's decided; 0 else */
    enum err err; /* ERR_TIMEOUT, ERR_CANCELLED (closed), ERR_NOMEM, ...; ERR_NONE with a code */
    bool in_flight;
    /* The machine's own. */
    bool maybe_done;
    int32_t attempt_count;
    int64_t deadline_ns, retry_ns;
    struct client_timer timer;
    struct client_call *call;
};

/* CLIENT_SEND: one record. Null is data == NULL; an empty key or value has a pointer and size 0. */
struct client_send {
    struct client_op op;
    const char *topic;
    int32_t partition;    /* CLIENT_PARTITION_ANY: by key (murmur2), without a key sticky */
    int64_t timestamp_ms; /* -1: the wall clock when it is submitted */
    struct bytes key, value;
    const struct wire_record_header *headers;
    int32_t header_count;
    /* Out. partition_placed is -1 while nothing chose one. timestamp_stored_ms is the broker's when
     * the topic says so. offset is -1 with acks=0 (whose outcome is UNKNOWN with no error: nobody
     * was asked), with any outcome but OK, and with an OK whose answer was lost for so long that
     * the broker knows only that it is a duplicate. */
    int32_t partition_placed;
    int64_t offset, timestamp_stored_ms;
    uint8_t topic_id[CLIENT_TOPIC_ID]; /* that the topic had when the record left last; or zeros */
    /* The machine's own. */
    struct list in_batch, by_order;
    uint64_t number;
    struct client_topic *waits_for;
};

/* CLIENT_FLUSH: done (always OK) when every record submitted before it is done; it waits for no
 * linger. */
struct client_flush {
    struct client_op op;
    uint64_t number;
};

struct client_assignment;

struct client_fetched {
    struct client_assignment *assignment;
    int64_t offset, timestamp_ms;
    int32_t leader_epoch;
    const uint8_t *topic_id; /* that the topic had when it was asked for the record; or zeros */
    /* With the topic's id borrowed until the next poll is submitted or the assignment ends. */
    struct bytes key, value;
    struct bytes headers; /* encoded: wire_record_headers takes them off one by one */
    int32_t header_count;
};

/* What a reader must know beside records. A poll brings either records or one notice. */
enum client_notice {
    CLIENT_NOTICE_NONE,
    CLIENT_NOTICE_STARTED, /* the first position is known: `to` */
    CLIENT_NOTICE_RESET, /* `from` was out of range; reading goes on at `to` (auto.offset.reset) */
    CLIENT_NOTICE_TRUNCATED, /* the log was cut below `from`; reading goes on at `to` (KIP-320) */
    CLIENT_NOTICE_CORRUPT, /* the batch at `from` fails its CRC or does not parse; reading stops */
    CLIENT_NOTICE_FAILED,  /* `code` says why (offset out of range without a reset, no rights);
                              reading stops until it is assigned anew */
};

/* CLIENT_POLL: done with up to record_max records, or with a notice, as soon as there is one; with
 * nothing (OK, record_count 0) after wait_ms. At most one at a time. */
struct client_poll {
    struct client_op op;
    struct client_fetched *records; /* the owner's array */
    int32_t record_max;
    int64_t wait_ms;
    /* Out. */
    int32_t record_count;
    enum client_notice notice;
    struct client_assignment *notice_assignment;
    int64_t notice_from, notice_to;
    int16_t notice_code;
};

#define CLIENT_TIMESTAMP_LATEST (-1)   /* ListOffsets: the end of the log (high watermark) */
#define CLIENT_TIMESTAMP_EARLIEST (-2) /* its start */

/* CLIENT_OFFSETS: the offset of the first record at or after timestamp_ms, or of an end. */
struct client_offsets {
    struct client_op op;
    const char *topic;
    int32_t partition;
    int64_t timestamp_ms;
    /* Out; offset -1: no record is that young. */
    int64_t offset, offset_timestamp_ms;
    int32_t leader_epoch;
    uint8_t topic_id[CLIENT_TOPIC_ID]; /* that the topic had when it was asked last; or zeros */
};

struct client_topic_config {
    const char *key, *value;
};

/* CLIENT_CREATE_TOPIC. UNKNOWN: no answer came. */
struct client_create_topic {
    struct client_op op;
    const char *topic;
    int32_t partition_count;    /* -1: the broker's default */
    int16_t replication_factor; /* -1: the broker's default */
    const struct client_topic_config *configs;
    int32_t config_count;
    /* Out. */
    char message[ERRMSG_SIZE]; /* the broker's, or empty */
    int32_t partition_count_created;
    uint8_t topic_id[CLIENT_TOPIC_ID]; /* zeros where the broker does not say */
};

/* Whose settings they are. */
enum client_resource {
    CLIENT_RESOURCE_TOPIC,
    CLIENT_RESOURCE_BROKER, /* by its id; "": all brokers */
};

/* CLIENT_DELETE_TOPIC, CLIENT_ADD_PARTITIONS, CLIENT_ALTER_CONFIGS. UNKNOWN: no answer came. */
struct client_change_topic {
    struct client_op op;
    const char *topic;             /* its name; of CLIENT_ALTER_CONFIGS the resource's */
    enum client_resource resource; /* of CLIENT_ALTER_CONFIGS alone */
    bool validate_only;            /* of CLIENT_ALTER_CONFIGS: nothing changes */
    int32_t partition_count;       /* that it is to have */
    const struct client_topic_config *configs; /* a value of NULL: the default again */
    int32_t config_count;
    /* Out. */
    char message[ERRMSG_SIZE]; /* the broker's, or empty */
};

/* CLIENT_TRIM: records below an offset go. UNKNOWN: no answer came. */
struct client_trim {
    struct client_op op;
    const char *topic;
    int32_t partition;
    int64_t offset; /* -1: all that there are */
    /* Out. */
    int64_t log_start;
};

struct client_ids { /* of brokers */
    const int32_t *ids;
    int32_t count;
};

struct client_partition_info {
    int32_t id, leader, leader_epoch;
    struct client_ids replicas, isr, offline;
    struct client_ids elr; /* eligible to lead (KIP-966); CLIENT_PARTITIONS alone says so */
    int16_t code;
};

struct client_topic_info {
    char name[CLIENT_TOPIC_NAME_MAX];
    uint8_t topic_id[CLIENT_TOPIC_ID];
    int16_t code;
    bool internal;
    int32_t partition_count;
    struct client_partition_info *partitions; /* by id */
};

/* CLIENT_TOPICS: what Metadata says. Nothing is created. CLIENT_PARTITIONS: what
 * DescribeTopicPartitions says of one, as far as its first answer goes. */
struct client_topics {
    struct client_op op;
    const char *topic; /* NULL: all */
    /* Out, the owner's to free with client_topics_free: in the order of the answer. */
    int32_t topic_count;
    struct client_topic_info *topics;
    struct arena arena;
};

/* Where the value of a setting comes from (ConfigEntry.ConfigSource). */
enum client_source {
    CLIENT_SOURCE_UNKNOWN,
    CLIENT_SOURCE_TOPIC,
    CLIENT_SOURCE_BROKER,  /* set for the broker while it ran */
    CLIENT_SOURCE_CLUSTER, /* set for all brokers */
    CLIENT_SOURCE_FILE,    /* the broker's */
    CLIENT_SOURCE_DEFAULT,
    CLIENT_SOURCE_COUNT,
};

struct client_setting {
    const char *key, *value; /* value NULL: none, or it is not shown */
    enum client_source source;
    bool read_only, is_sensitive;
};

/* CLIENT_CONFIGS: what DescribeConfigs says of a topic, of a broker, or of all of them. */
struct client_configs {
    struct client_op op;
    const char *topic; /* the resource's name */
    enum client_resource resource;
    char message[ERRMSG_SIZE]; /* out: the broker's, or empty */
    /* Out, the owner's to free with client_configs_free: in the order of the answer. */
    int32_t setting_count;
    struct client_setting *settings;
    struct arena arena;
};

struct client_elected {
    const char *topic;
    int32_t partition;
    int16_t code;
};

/* CLIENT_ELECT: other leaders. UNKNOWN: no answer came. */
struct client_elect {
    struct client_op op;
    const char *topic; /* NULL: all topics, and those are told that had something to be done */
    const int32_t *partitions;
    int32_t partition_count;
    bool unclean; /* where nobody in sync is there, any replica; else the first replica */
    /* Out, the owner's to free with client_elect_free. */
    int32_t count;
    struct client_elected *elected;
    struct arena arena;
};

/* CLIENT_UNREGISTER: a broker that will not come back. UNKNOWN: no answer came. */
struct client_unregister {
    struct client_op op;
    int32_t broker_id;
    char message[ERRMSG_SIZE]; /* out: the broker's, or empty */
};

#define CLIENT_CLUSTER_ID_MAX 64
#define CLIENT_BROKERS_MAX 64 /* that are told */

struct client_broker_info {
    int32_t id;
    char host[CLIENT_HOST_MAX];
    int32_t port;
    bool fenced;
};

/* CLIENT_CLUSTER: what DescribeCluster says, of fenced brokers too since version 2. */
struct client_cluster {
    struct client_op op;
    /* Out. */
    char id[CLIENT_CLUSTER_ID_MAX];
    int32_t controller;
    int32_t broker_count; /* that there are; at most CLIENT_BROKERS_MAX of them are told */
    struct client_broker_info brokers[CLIENT_BROKERS_MAX];
};

#define CLIENT_DIRECTORY_ID 16
#define CLIENT_REPLICAS_MAX 128 /* that are told */
#define CLIENT_ENDPOINT_MAX 320

/* A replica of the metadata log. */
struct client_replica_info {
    int32_t id;
    uint8_t directory[CLIENT_DIRECTORY_ID]; /* zeros: not known (kraft.version 0) */
    int64_t end;                            /* -1: not known */
    int64_t fetched_ms, caught_up_ms;       /* since 1970; -1: not known, or the leader */
    char endpoint[CLIENT_ENDPOINT_MAX];     /* of a voter: LISTENER://HOST:PORT; "": not known */
};

/* CLIENT_QUORUM: what DescribeQuorum says of the metadata log. */
struct client_quorum {
    struct client_op op;
    /* Out. */
    int32_t leader, leader_epoch, voter_count, observer_count;
    int64_t high_watermark;
    /* Voters, then observers; at most CLIENT_REPLICAS_MAX of them are told. */
    struct client_replica_info replicas[CLIENT_REPLICAS_MAX];
};

#define CLIENT_FEATURES_MAX 32 /* that are told, or changed at once */
#define CLIENT_FEATURE_NAME_MAX 64

struct client_feature {
    char name[CLIENT_FEATURE_NAME_MAX];
    int16_t oldest, newest; /* that the broker supports; 0: it does not name it */
    int16_t finalized;      /* 0: not */
};

/* CLIENT_FEATURES: what ApiVersions says of them. */
struct client_features {
    struct client_op op;
    /* Out. */
    int64_t epoch; /* the offset up to which the broker knows of them; -1: it does not say */
    int32_t count;
    struct client_feature features[CLIENT_FEATURES_MAX]; /* by name */
};

/* FeatureUpdate.UpgradeType */
enum client_upgrade {
    CLIENT_UPGRADE = 1,
    CLIENT_SAFE_DOWNGRADE,
    CLIENT_UNSAFE_DOWNGRADE,
};

/* CLIENT_UPDATE_FEATURES: all of them, or none (KIP-584). UNKNOWN: no answer came. */
struct client_update_features {
    struct client_op op;
    const struct client_feature *features; /* the name, and finalized: what it is to be */
    int32_t count;
    enum client_upgrade type;
    bool validate_only;
    char message[ERRMSG_SIZE]; /* out: the controller's, or empty */
};

/* CLIENT_DIRS: what DescribeLogDirs says of a broker, added up. */
struct client_dirs {
    struct client_op op;
    /* Out. */
    int32_t dir_count, offline_count, partition_count;
    int64_t bytes; /* of all partitions */
};

/* ---- reading: assignments ------------------------------------------------------------------- */

enum client_start {
    CLIENT_START_OFFSET,
    CLIENT_START_EARLIEST,
    CLIENT_START_LATEST,
    CLIENT_START_TIMESTAMP, /* the first record at or after it; the end when there is none */
};

/* A partition that is read. Its owner keeps it in place while it is assigned. Assigning it again
 * (with other values) is a seek: what was fetched and not polled is dropped. */
struct client_assignment {
    const char *topic;
    int32_t partition;
    enum client_start start;
    int64_t start_at; /* the offset or the timestamp in ms */
    /* Out: the offset that the next poll of this partition goes on with; -1 until it is known. It
     * passes over what is no record (control batches, gaps). */
    int64_t position;
    int64_t high_watermark, log_start; /* as the last answer said; -1 at first */
    uint8_t topic_id[CLIENT_TOPIC_ID]; /* that the topic had when that was asked; zeros at first */
    /* The machine's own. */
    struct list link, chunks;
    struct client_topic *of;
    int64_t queued_bytes, fetch_offset, retry_ns;
    int64_t notice_from, notice_to;
    int32_t state, notice, leader_epoch, attempt_count;
    int16_t notice_code;
    uint32_t version; /* counts seeks: answers to older questions are dropped (KAFKA-8429) */
    bool assigned, in_flight, timestamp_missed;
    struct client_node *in_session; /* whose broker has been told of it; NULL: none */
    int64_t told_offset;            /* with these */
    int32_t told_epoch, told_leader_epoch;
    bool is_asked; /* by the fetch that is being made */
    /* The broker that its leader has sent it to, until that has to be asked again; -1: none. */
    int32_t nearby;
    int64_t nearby_until_ns;
};

/* ---- the cluster as the client knows it ----------------------------------------------------- */

/* A connection's answers come in order, so a long poll would hold up everything behind it: fetches
 * have a connection of their own. */
enum client_lane {
    CLIENT_LANE_MAIN,
    CLIENT_LANE_FETCH,
    CLIENT_LANE_COUNT,
};

struct client_api_version {
    int16_t api_key, min, max;
};

struct client_lane_state {
    bool wanted;       /* connect, as soon as the back-off allows */
    bool up;           /* told by CLIENT_EV_LANE_UP */
    int64_t ask_ns;    /* who still waits for it then asks whether another node leads by now */
    int32_t in_flight; /* requests */
    int32_t produce_in_flight;
};

#define CLIENT_APIS_MAX 128

/* A broker. Bootstrap addresses are nodes with the ids -1, -2, ... */
/* What the broker remembers of fetches (KIP-227). */
struct client_session {
    int32_t id;            /* 0: nothing */
    int32_t epoch;         /* of the next fetch; 0: it says everything */
    struct list forgotten; /* what the next fetch is to have forgotten */
    int32_t forgotten_count;
};

struct client_node {
    struct list link; /* client_nodes */
    int32_t id;
    char host[CLIENT_HOST_MAX];
    uint16_t port;
    uint32_t address_version; /* counts changes of host and port: reconnect */
    struct client_lane_state lanes[CLIENT_LANE_COUNT];
    struct client_api_version apis[CLIENT_APIS_MAX];
    int32_t api_count;
    struct list ready; /* partitions with something to send, in the order in which they got ready */
    struct client_session session;
    int64_t look_ns; /* before then no fetch leaves while a partition of the node is left out */
};

/* ---- the machine ---------------------------------------------------------------------------- */

/* A request to send. It stays with its bytes until CLIENT_EV_ANSWER or CLIENT_EV_LOST names it,
 * each of which ends it. */
struct client_request {
    struct list link; /* in the effects; free for the sender's own list after that */
    int32_t node;
    enum client_lane lane;
    int16_t api_key, api_version;
    bool expects_answer; /* false: acks=0; CLIENT_EV_LOST with ERR_NONE says that it has left */
    const struct slice *parts; /* the body; the header (with its correlation id) is the sender's */
    int32_t part_count;
    uint64_t size; /* of the parts */
};

struct client; /* client_new: it lives in the heap it is given */

enum client_event_kind {
    CLIENT_EV_TICK,      /* the time that the last effects named has come */
    CLIENT_EV_SUBMIT,    /* op */
    CLIENT_EV_ASSIGN,    /* assignment: read it, or seek */
    CLIENT_EV_UNASSIGN,  /* assignment: the machine has let go of it when the step returns */
    CLIENT_EV_LANE_UP,   /* node, lane, apis, api_count: connected, versions known */
    CLIENT_EV_LANE_DOWN, /* node, lane, err: the connection failed or was closed; its requests have
                            been reported as lost before */
    CLIENT_EV_ANSWER,    /* request, body: what follows the response header */
    CLIENT_EV_LOST,      /* request, err, sent: no answer will come */
    CLIENT_EV_CLOSE,     /* every operation ends now: CANCELLED; nothing is sent any more */
};

struct client_event {
    enum client_event_kind kind;
    int64_t now_ns; /* monotonic; never goes back */
    int64_t wall_ms;
    uint64_t random; /* 64 fresh bits */
    struct client_op *op;
    struct client_assignment *assignment;
    int32_t node;
    enum client_lane lane;
    const struct client_api_version *apis;
    int32_t api_count;
    struct client_request *request;
    struct slice body; /* retained when kept */
    enum err err;
    bool sent; /* the broker may have got it */
};

/* What a step wants done, in this order. Lists are the caller's from then on. */
struct client_effects {
    struct list requests; /* struct client_request: send, in order */
    struct list done;     /* struct client_op: tell their owners, in order */
    int64_t wake_ns;      /* step with CLIENT_EV_TICK then; INT64_MAX: no need to */
};

/* A machine in mem; config is copied, trace borrowed for its life. Writes PRODUCER_ID and
 * CLIENT_ERROR rows. ERR_NOMEM; ERR_INVALID as client_config_check. */
enum err client_new(struct client **out, struct mem *mem, struct trace *trace,
                    const struct client_config *config, struct errmsg *msg) MUST_USE;
/* After CLIENT_EV_CLOSE, and when every request has been answered or lost. c may be NULL. */
void client_free(struct client *c);
/* Steps by one event. Borrows ev until return. out is overwritten; its lists must be initialised
 * heads or garbage, not lists in use. */
void client_step(struct client *c, const struct client_event *ev, struct client_effects *out);

/* All nodes: walk with LIST_EACH(n, client_nodes(c), struct client_node, link). */
struct list *client_nodes(struct client *c);
/* Counts what is new of them: a lane that is wanted, or is not any more, and an address. */
uint32_t client_wishes(const struct client *c);
/* NULL when unknown. */
struct client_node *client_node_find(struct client *c, int32_t id);
const struct client_config *client_config_of(const struct client *c);
/* Whether someone whom it has met among those that are to be brokers serves no Metadata: that is a
 * controller's listener (KIP-919). */
bool client_met_controller(const struct client *c);
/* How many answers have come, to whatever was asked. */
uint64_t client_answer_count(const struct client *c);
/* -1 when nothing is known yet. */
int32_t client_partition_count(const struct client *c, const char *topic);
/* As the last Metadata said (KIP-516), which may lag behind a deletion; zeros while nobody said. */
void client_topic_id(const struct client *c, const char *topic, uint8_t id[CLIENT_TOPIC_ID]);
/* Bytes that accepted records hold of buffer.memory. */
int64_t client_producer_buffered(const struct client *c);
/* Where an idempotent producer begins: the first epoch of each id that it is given, and the first
 * sequence in it of each partition, as if it had sent for very long; 0 and 0 otherwise. A broker
 * takes both of a producer that it has not seen (I-1). For tests; before the first record. */
void client_producer_begin(struct client *c, int16_t epoch, int32_t sequence);
/* Bytes fetched and not yet polled. */
int64_t client_consumer_queued(const struct client *c);
/* Lets go of what a done CLIENT_TOPICS brought. */
void client_topics_free(struct client_topics *op);
/* The same of a CLIENT_ELECT; harmless on a zeroed one. */
void client_elect_free(struct client_elect *op);
/* The same of a CLIENT_CONFIGS; harmless on a zeroed one. */
void client_configs_free(struct client_configs *op);

/* Kafka's hash of keys (MurmurHash2, seed 0x9747b28c) and the partition it chooses. */
uint32_t client_murmur2(struct bytes key);
int32_t client_partition_of(struct bytes key, int32_t partition_count);

/* "ok", "failed", "unknown". */
const char *client_outcome_name(enum client_outcome outcome);

#endif
