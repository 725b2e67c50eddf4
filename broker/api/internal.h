/* internal.h - what the files of api share and nobody else sees: a request from its frame to its
 * answer. */
#ifndef KILN_API_INTERNAL_H
#define KILN_API_INTERNAL_H

#include "api/api.h"
#include "base/heap.h"

struct request;

/* One API. */
struct handler {
    int16_t key;
    uint8_t on; /* enum wire_on: where another handler serves that API elsewhere; 0: everywhere */
    uint32_t state_size; /* of the struct that begins with struct request */
    /* Checks and acts; sooner or later it ends in api_request_answer, api_request_silent or
     * api_request_break.
     */
    void (*begin)(struct request *r);
    /* End now with what there is: nobody waits any longer, or the broker stops. NULL: it ends soon
     * by itself. */
    void (*hurry)(struct request *r);
    /* Lets go of what the answer held. May be NULL. */
    void (*drop)(struct request *r);
};

extern const struct handler api_handler_delete_records, api_handler_offset_for_leader_epoch,
    api_handler_describe_cluster, api_handler_produce, api_handler_fetch, api_handler_list_offsets,
    api_handler_metadata, api_handler_find_coordinator, api_handler_api_versions,
    api_handler_create_topics, api_handler_delete_topics, api_handler_alter_configs,
    api_handler_incremental_alter_configs, api_handler_create_partitions,
    api_handler_init_producer_id, api_handler_sasl_handshake, api_handler_sasl_authenticate,
    api_handler_describe_configs, api_handler_describe_log_dirs, api_handler_describe_quorum,
    api_handler_list_config_resources, api_handler_describe_topic_partitions,
    api_handler_update_features, api_handler_vote, api_handler_begin_quorum_epoch,
    api_handler_end_quorum_epoch, api_handler_fetch_log, api_handler_fetch_snapshot,
    api_handler_elect_leaders, api_handler_alter_partition, api_handler_broker_registration,
    api_handler_broker_heartbeat, api_handler_allocate_producer_ids,
    api_handler_assign_replicas_to_dirs, api_handler_envelope, api_handler_unregister_broker,
    api_handler_controller_registration;

/* ConfigResource.Type, of what the metadata log keeps no settings of. */
#define API_RESOURCE_BROKER_LOGGER 8
#define API_RESOURCE_CLIENT_METRICS 16
#define API_RESOURCE_GROUP 32

/* It belongs to the brokers themselves. */
bool api_is_internal(const struct metadata_topic *topic);

/* ConfigEntry.ConfigSource */
enum api_source {
    API_SOURCE_TOPIC = 1,
    API_SOURCE_BROKER,  /* set for this broker while it ran */
    API_SOURCE_CLUSTER, /* set for all brokers */
    API_SOURCE_FILE,    /* in this broker's file */
    API_SOURCE_DEFAULT,
};

/* What is said of a key, and everything that it might have been: what counts stands first. */
struct api_config {
    struct wire_string value; /* size -1: none */
    enum api_source source;
    bool read_only, is_sensitive;
    int8_t type; /* DescribeConfigsResponse.ConfigType */
    const char *help;
    struct wire_describe_configs_response_synonym *synonyms;
    int32_t synonym_count;
};

/* configs.c: of a topic; set is what it sets itself, size -1: nothing. False: no memory. */
bool api_config_of_topic(struct request *r, const struct metadata_key *key, struct wire_string set,
                         struct api_config *out) MUST_USE;
/* Of this broker: the row of metadata_broker_keys. */
bool api_config_of_broker(struct request *r, int index, struct api_config *out) MUST_USE;
/* Of all brokers, or of this one where kiln has no such key: one that was set. */
bool api_config_of_setting(struct request *r, const struct metadata_config *setting,
                           struct api_config *out) MUST_USE;

/* Reasons in the trace; those above 100 are the connection's own (enum conn_refusal). */
enum refusal {
    REFUSED_NOT,
    REFUSED_HEADER,
    REFUSED_API,
    REFUSED_VERSION,
    REFUSED_BODY,
    REFUSED_MEMORY,
    REFUSED_STOPPING,
    REFUSED_SILENTLY, /* acks=0: who asked for no answer is told by the end of the connection */
};

#define REFUSALS_SEEN 64 /* peers and reasons that are remembered */

struct refusal_seen {
    uint64_t key;
    int64_t told_ns; /* 0: a free place */
};

/* What was told of refused requests, and what was not. */
struct refusals {
    struct env *env;
    struct notes *notes;
    struct refusal_seen seen[REFUSALS_SEEN];
    int32_t credit; /* lines that may be told now */
    int64_t credit_ns, sum_ns;
    struct env_timer sum_up;
    uint64_t untold;
    char last[NOTE_SIZE / 2]; /* of those */
};

/* notes may be NULL. */
void api_refusals_init(struct refusals *r, struct env *env, struct notes *notes);
/* Tells what is left to be told. */
void api_refusals_end(struct refusals *r);
/* That conn is about to be closed, and why; header NULL: nothing is known of the request. why tells
 * reasons apart. */
void api_refusals_tell(struct refusals *r, const struct conn *conn,
                       const struct wire_request_header *header, int why, const char *sentence);
#define API_TOPIC_ID_SINCE 13 /* of Produce and of Fetch (KIP-516) */
#define API_NAME_SIZE 40
#define API_KEYS_KNOWN 93 /* of Kafka 4.3.1, from 0 on */
/* "Fetch"; "API key 999" where Kafka has none of that key. */
void api_name_print(int16_t key, char *text, size_t size);

/* Producer ids that nobody has been given before, from blocks that are durable. */
struct producer_ids {
    struct env *env;
    struct quorum *quorum;
    struct orders *orders;
    struct trace *trace;
    struct list waiting; /* struct producer_id */
    int64_t next, end;   /* what is left of the block */
    bool asked;          /* for another one */
    bool told;           /* in the trace, that this node's log has it */
    struct controller_allocate_producer_ids allocate;
    struct order order;
};

struct producer_id;
typedef void producer_id_done(struct producer_id *op);
struct producer_id {
    producer_id_done *done;
    int16_t code; /* 0, or Kafka's */
    int64_t producer_id;
    struct list link; /* producer_ids' own */
};

void api_producer_ids_init(struct producer_ids *ids, struct env *env, struct quorum *quorum,
                           struct orders *orders, struct trace *trace);
void api_producer_ids_free(struct producer_ids *ids);
/* done is called perhaps before this returns; of one of several nodes at the latest when a
 * controller has not answered for API_PRODUCER_ID_NS_MAX, with COORDINATOR_LOAD_IN_PROGRESS, as in
 * Kafka. */
#define API_PRODUCER_ID_NS_MAX (3000ll * 1000000)
void api_producer_id(struct producer_ids *ids, struct producer_id *op, producer_id_done *done);
/* The same, now, where another node is waited for. */
void api_producer_id_hurry(struct producer_ids *ids, struct producer_id *op);

/* ---- fetch sessions (KIP-227) ---- */

/* What all sessions together may hold, in bytes. At the limit a fetch gets none, or loses the one
 * that would grow beyond it, and its asker names all partitions each time. */
#define API_SESSION_BYTES_MAX (64ll << 20)

struct fetch; /* a request (fetch.c) */

/* Partitions that are fetched together. */
struct fetch_set {
    struct list pending; /* struct fetch_item: that may have something new for the asker */
    uint64_t order_last;
    struct fetch *fetch; /* that is under way; NULL: none, what comes is for the next one */
};

/* One partition that a fetch, or a session of fetches, asks for. */
struct fetch_item {
    struct replica_fetch fetch; /* without a replica: there is none to ask */
    struct fetch_set *set;
    struct list pending; /* in the set's */
    struct bytes topic;  /* its name or id, as the request has it */
    int32_t partition, bytes_max;
    int16_t refused; /* Kafka's code: why there is no replica to ask */
    bool is_new;     /* the replica has not been asked yet, and tells nothing */
    /* A follower's that reads ahead: it was given what it asked for, or asked for nothing, and says
     * since then how far its disk is. It hears of ends alone until it asks again. */
    bool quiet;
    bool follows; /* a consumer is served by who follows */
    bool lags;    /* and that one is not in sync: consumers are to ask elsewhere */
    uint64_t
        order; /* in which they are asked; in a session, who was answered goes behind the rest */
    int64_t told_high_watermark, told_log_start; /* what the asker was told last */
    /* The session's own. */
    struct hmap_node node;
    struct fetch_topic *owner;
};

struct fetch_topic {
    struct hmap_node node;
    int32_t item_count;
    size_t size;
    uint8_t name[]; /* or its id */
};

struct fetch_session {
    struct hmap_node node;      /* in the cache, by id */
    struct list used;           /* likewise, the one that is silent longest first */
    struct heap_node evictable; /* likewise, when it may give way to a larger one */
    struct heap_node yielding;  /* likewise, when it may to a follower's */
    struct fetch_sessions *cache;
    int32_t id, epoch; /* epoch: of the next fetch */
    int32_t weight;    /* how many partitions, when it was used last */
    bool by_id;        /* topics are named by their ids */
    bool of_follower;  /* it goes before all of consumers */
    bool is_cached;    /* else nobody finds it any more, and it goes with the fetch under way */
    int64_t made_ns, used_ns;
    int32_t holders;
    struct hmap topics, items;
    struct fetch_set set;
    struct list waiting; /* struct fetch: that came while another one was under way */
};

struct fetch_sessions {
    struct env *env;
    struct mem *mem;
    struct hmap map;
    struct list used;
    struct heap evictable, yielding;
    int32_t count_max; /* max.incremental.fetch.session.cache.slots */
    int64_t bytes;
    uint64_t drawn;
};

/* ERR_NOMEM. */
enum err api_sessions_init(struct fetch_sessions *cache, struct env *env, struct mem *mem,
                           int32_t count_max) MUST_USE;
/* No fetch may be under way. */
void api_sessions_free(struct fetch_sessions *cache);
/* NULL: there is none. */
struct fetch_session *api_session_find(const struct fetch_sessions *cache, int32_t id);
/* What a new one is to be. */
struct fetch_session_kind {
    int32_t size; /* for so many partitions */
    bool by_id, of_follower;
};
/* The caller does not hold it; perhaps another one gives way. NULL: there is no place, or no
 * memory. */
struct fetch_session *api_session_new(struct fetch_sessions *cache, struct fetch_session_kind kind);
/* It is being used. */
void api_session_touch(struct fetch_session *session);
void api_session_next_epoch(struct fetch_session *session);
/* Nobody finds it any more. Harmless on one that is closed. */
void api_session_close(struct fetch_session *session);
struct fetch_session *api_session_hold(struct fetch_session *session);
/* NULL is harmless. */
void api_session_let_go(struct fetch_session *session);
/* The partition, added behind the others when it is new. NULL: no memory. */
struct fetch_item *api_session_add(struct fetch_session *session, struct bytes topic,
                                   int32_t partition);
/* Harmless when it is not there. */
void api_session_forget(struct fetch_session *session, struct bytes topic, int32_t partition);
/* A zeroed one becomes the last of the set. */
void api_fetch_item_init(struct fetch_item *item, struct fetch_set *set, struct bytes topic,
                         int32_t partition);

struct api {
    struct refusals refusals;
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    struct quorum *quorum;
    struct replica_set *replicas;
    struct api_settings settings;
    struct producer_ids producer_ids;
    struct fetch_sessions sessions;
    struct list requests;  /* struct request */
    struct list producing; /* struct produce: not all is posted yet, or nothing (produce.c) */
    bool stopping;
    struct api_idle *idle;
};

/* Operations on the partitions of a request, posted in their order and joined. */
struct join {
    int32_t count;      /* how many there are */
    int32_t window_max; /* under way at once */
    int32_t step_max;   /* posted in one event */
    /* Posts one: api_join_hold now and api_join_release when it has ended. It may also hold nothing
     * and be done. */
    void (*post)(struct request *r, int32_t index);
    /* All have been posted and have ended. */
    void (*done)(struct request *r);
    /* The join's own. */
    int32_t next, pending;
    bool stepping, yielding;
};

struct request {
    struct list link;
    struct api *api;
    struct mem *mem; /* of itself and all that it holds; outlives the connection */
    const struct handler *handler;
    const struct wire_api *kind;
    struct api_caller caller;
    struct request *envelope; /* another broker's, which it came in; NULL: it came by itself */
    struct conn *conn;        /* NULL: nobody waits */
    struct conn_request *on;  /* likewise */
    struct slice frame;       /* retained */
    struct wire_request_header header;
    void *body; /* decoded */
    struct arena arena;
    struct wire_out out;
    struct conn_answer answer;
    struct env_part part;
    struct env_timer yield;
    struct join join; /* one at a time */
};

/* forward.c: what only the controller that leads decides, or knows. */

/* It does not lead here, and comes from a client: it is to be passed on. */
bool api_forwards(const struct request *r);
/* As api_forward.send. */
void api_forward_begin(struct request *r, struct api_forwarded *op, struct bytes frame,
                       int64_t deadline_ns, bool again, void (*done)(struct api_forwarded *op));
void api_forward_cancel(struct request *r, struct api_forwarded *op);
/* Keeps what op was answered. False: it is no answer to this request, or there is no memory. */
bool api_forward_take(struct request *r, const struct api_forwarded *op) MUST_USE;
/* Answers with what was taken. */
void api_forward_pass(struct request *r);

/* make_topics.c: topics that are made by asking for them, by the controller elsewhere. */
#define API_MAKE_MS_MAX                                                                            \
    (30 * 1000) /* who asked is told after so long that there is no leader yet */

struct api_made {
    struct request *request;
    struct controller_create_topics *create; /* out: the code of each topic */
    void (*done)(struct request *r);
    int stage;
    struct wire_out frame;
    struct api_forwarded forwarded;
    struct quorum_request awaited;
    struct env_timer deadline;
};

/* done is called once, perhaps before this returns. */
void api_make_topics(struct request *r, struct api_made *made,
                     struct controller_create_topics *create, void (*done)(struct request *r));
/* Ends now. Harmless when it has ended, and on a zeroed one. */
void api_make_topics_hurry(struct api_made *made);
/* With the request. Likewise. */
void api_make_topics_drop(struct api_made *made);

/* api.c: begins the request that came in an envelope, and is answered in it. 0, or Kafka's code
 * (EnvelopeUtils): it cannot be. caller's strings are the envelope's. */
int16_t api_request_within(struct request *envelope, struct slice frame,
                           const struct api_caller *caller) MUST_USE;
void api_request_free(struct request *r);
/* envelope.c: whether brokers may pass that API on (ApiKeys.forwardable). */
bool api_may_be_forwarded(int16_t key);
/* A request that came in an envelope has its answer in r->answer; both end. */
void api_envelope_answer(struct request *r);
/* The same with a code for the broker that passed it on. */
void api_envelope_refuse(struct request *r, int16_t code);

/* A request that is a command to the controller. The API's own state begins with it. */
struct api_command_kind {
    enum quorum_until until;
    void (*answer)(struct request *r);
    /* What would be answered with success was not seen to be done, and may be: with that code
     * instead. NULL: it is never passed on, and has no timeout. */
    void (*fail)(struct request *r, int16_t code);
    bool is_untimed; /* its API has no timeout */
    bool again;      /* done twice is done once */
};

/* Where it is. */
enum api_command_stage {
    API_COMMAND_ENDED,
    API_COMMAND_SUBMITTED, /* to this node's quorum */
    API_COMMAND_FORWARDED,
    API_COMMAND_AWAITED, /* answered by the controller, and not applied here yet */
};

struct api_commanded {
    struct request request;
    const struct api_command_kind *kind;
    struct controller_command *command;
    enum api_command_stage stage;
    struct quorum_request submitted;
    struct api_forwarded forwarded;
    struct env_timer deadline;
};

/* command.c. Perhaps it is answered before this returns. command stays in place until then. */
void api_command(struct request *r, const struct api_command_kind *kind,
                 struct controller_command *command, int32_t timeout_ms);
/* What is said beside a code: nothing beside 0, msg, or what the code itself says. Points into msg.
 */
struct wire_string api_sentence(int16_t code, const struct errmsg *msg);
/* Of its handler: hurry, where it may be passed on; and drop. */
void api_command_hurry(struct request *r);
void api_command_drop(struct request *r);
/* Nothing speaks against it yet: fail has a code for it. */
static inline bool api_command_is_open(int16_t code)
{
    return code == WIRE_ERROR_NONE || code == WIRE_ERROR_NOT_CONTROLLER;
}

/* One partition that a request names. */
struct api_place {
    struct hmap_node node;
    struct bytes topic; /* its name or id, as the request has it */
    int32_t number, topic_index;
    const void *row; /* what the request says of it: the last time, if it does so twice */
    bool twice;
    /* The places' own. */
    bool is_topic;
    int32_t partition_count; /* of a topic: how many follow */
};

struct api_places {
    struct api_place *items; /* each once, in the order in which they came */
    int32_t count;
    struct api_place *topics; /* likewise */
    int32_t topic_count;
    /* The places' own. */
    int32_t max, topic_max;
    struct api_place *topic;
    struct hmap map;
};

/* Room for so many names. ERR_NOMEM. Once it succeeded, api_places_end belongs to it; items and
 * topics stay as long as the request. */
enum err api_places_begin(struct api_places *places, struct request *r, int32_t topic_max,
                          int32_t partition_max) MUST_USE;
/* What follows is of that topic. */
void api_places_topic(struct api_places *places, struct bytes topic);
void api_places_partition(struct api_places *places, int32_t number, const void *row);
void api_places_end(struct api_places *places);

/* raft_call.c: what a node of the metadata quorum asks another. The state of such an API is this.
 */
struct raft_call {
    struct request request;
    struct quorum_ask ask;
    struct talk_answer answer;
};
/* Asks the quorum and answers what it says. */
void api_raft_begin(struct request *r, enum raft_api api);
/* handler.hurry, handler.drop. */
void api_raft_hurry(struct request *r);
void api_raft_drop(struct request *r);

/* Zeroed memory that lives as long as the request. NULL: over the limit. */
void *api_request_alloc(struct request *r, size_t count, size_t size) MUST_USE;
int16_t api_request_version(const struct request *r);
/* Encodes the header and the body into r->out. False: no memory; the request has been broken. */
bool api_request_encode(struct request *r, const void *body) MUST_USE;
/* Sends r->answer.parts. Nothing of the request is used any more. */
void api_request_send(struct request *r);
/* Both for an answer without external bytes. */
void api_request_answer(struct request *r, const void *body);
/* No answer (acks=0). */
void api_request_silent(struct request *r);
/* The connection cannot go on. */
void api_request_break(struct request *r, enum err e);
/* The same, with a sentence for a person. It is borrowed. */
void api_request_refuse(struct request *r, enum err e, const char *sentence);
/* Goes on with resume as an event of its own. */
void api_request_yield(struct request *r, void (*resume)(struct env_timer *yield));
/* Begins. done may be called before this returns, and may end the request. */
void api_join(struct request *r, const struct join *join);
/* Begins one of which nobody knows yet how many there will be: who posts them holds it once, and
 * releases it behind the last. */
void api_join_open(struct request *r, void (*done)(struct request *r));
/* Keeps the join from being done. */
void api_join_hold(struct request *r);
/* The request may be gone afterwards. */
void api_join_release(struct request *r);
/* access.c. Each API asks before it acts or tells: what it asks of whom is the table of
 * docs/protocol.md. */
bool api_may(const struct request *r, enum api_operation operation, enum api_resource resource,
             struct bytes name);
bool api_may_cluster(const struct request *r, enum api_operation operation);
/* All that may be done with it: a bit for each operation. */
int32_t api_operations(const struct request *r, enum api_resource resource, struct bytes name);
/* The same of the cluster: nothing, for who may not see it. */
int32_t api_cluster_operations(const struct request *r);

/* The topic that a request means, by its id since version 13 of Produce and Fetch, by its name
 * before, for who is to do that with it (API_CLUSTER_ACTION: with the cluster). NULL: there is
 * none, or he may not, and *code says which: of a name that he may not use he does not learn
 * whether it exists. */
const struct metadata_topic *api_request_topic(const struct request *r,
                                               enum api_operation operation,
                                               struct wire_string name, const struct wire_uuid *id,
                                               int16_t *code);
/* The same, by its name. */
const struct metadata_topic *api_request_topic_named(const struct request *r,
                                                     enum api_operation operation,
                                                     struct bytes name, int16_t *code);
/* What an operation on a partition ended with: of one that was deleted meanwhile, who asks by id is
 * told that it is the id that nobody knows. */
int16_t api_request_ended(const struct request *r, int16_t code);
/* The partition's replica on this broker, borrowed: replica_hold it over a wait. 0, or Kafka's code
 * when there is none. topic may be NULL: the code is then unknown. */
int16_t api_request_find(const struct request *r, const struct metadata_topic *topic,
                         int32_t partition, int16_t unknown, struct replica **out);
/* look.c: what a partition is where it lives, for an answer's row of it. */
struct api_look;
typedef void api_look_done(struct api_look *look);
struct api_look {
    /* out */
    struct replica_description is;
    /* Its own. */
    struct request *request;
    struct replica *replica; /* held */
    api_look_done *done;
};

/* Of none that this broker has: it does not serve. Keeps the join from being done until done, which
 * may be called before this returns. */
void api_look(struct request *r, struct api_look *look, const struct metadata_topic *topic,
              int32_t partition, api_look_done *done);
/* brokers.c: a broker of an image, as who asks by his listener sees it. */
struct api_broker {
    int32_t id, port;
    bool is_fenced;
    bool has_listener; /* one of that name; else host and port are not set */
    struct wire_string host, rack;
};

struct api_brokers {
    struct api_broker *rows; /* by id */
    int32_t count;
};

/* Views into the image, which is kept as long as they are used. ERR_NOMEM. */
enum err api_brokers_take(struct request *r, const struct metadata_image *image,
                          struct api_brokers *out) MUST_USE;
/* NULL: it is not registered. */
const struct api_broker *api_brokers_find(const struct api_brokers *all, int32_t id);
/* Registered, not fenced, and to be reached by that listener; of NULL false. */
bool api_broker_is_alive(const struct api_broker *broker);
/* Whom clients are told to be the controller: it decides, or passes on what they ask to who does.
 * -1: there is no broker. */
int32_t api_brokers_controller(const struct request *r, const struct api_brokers *all);

/* leaders.c: brokers that lead what was asked for here (KIP-951). */
#define API_LEADERS_MAX 64 /* that are told where they are; others are asked for */

struct api_leaders {
    struct request *request;
    int32_t ids[API_LEADERS_MAX];
    int32_t count, next;
    struct api_brokers brokers;
};

/* Who leads the partition whose row has that code, and in which epoch; false: the code does not ask
 * for it, or nobody knows. topic may be NULL. */
bool api_leaders_add(struct api_leaders *l, const struct metadata_topic *topic, int32_t partition,
                     int16_t code, int32_t *id, int32_t *epoch);
/* The next of the others of them, each once; NULL: no more. Views into the image that is current.
 */
const struct api_broker *api_leaders_next(struct api_leaders *l);

/* What an answer's version says of partitions. */
struct api_told {
    bool alive_only; /* of replicas and ISR those alone that are alive */
    bool listeners;  /* LISTENER_NOT_FOUND is told apart */
};

struct api_partition {
    int16_t code;
    int32_t leader; /* -1: none */
    struct metadata_ids replicas, isr;
    int32_t *offline; /* with room for one more; NULL: none is */
    int32_t offline_count;
};

/* False: no memory. */
bool api_partition_take(struct request *r, const struct api_brokers *all,
                        const struct metadata_partition *partition, const struct api_told *told,
                        struct api_partition *out) MUST_USE;
/* The timeout that a client asked for, as a deadline. */
int64_t api_request_deadline(const struct request *r, int32_t timeout_ms);

#endif
