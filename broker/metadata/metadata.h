/* metadata.h - the cluster as a log of metadata records and the image they add up to. Who changes
 * the cluster appends to `__cluster_metadata` and waits until that is durable; who reads it holds
 * an image, which never changes. The log has the shape of a KRaft quorum of one (protocol.md 6.4).
 */
#ifndef KILN_METADATA_H
#define KILN_METADATA_H

#include "log/log.h"

#define METADATA_LOG_TOPIC "__cluster_metadata"
#define METADATA_VERSION 25         /* 4.0-IV3: the level of the records that are written */
#define METADATA_VERSION_OLDEST 7   /* 3.3-IV3: the oldest that kiln says it understands */
#define METADATA_TOPIC_NAME_MAX 249 /* bytes (org.apache.kafka.common.internals.Topic) */
#define METADATA_HOST_MAX ENV_HOST_MAX
#define METADATA_PARTITIONS_MAX 200000  /* of the cluster: a broker keeps a log for each */
#define METADATA_RECORDS_MAX 10000      /* of one request, which is one batch (QuorumController) */
#define METADATA_SAME_LEADER (-2)       /* a PartitionChange that changes no leader */
#define METADATA_PRODUCER_ID_BLOCK 1000 /* ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE */

/* ---- settings of a topic ---- */

/* The words of compression.type, in Kafka's order. */
#define METADATA_COMPRESSION_TYPES "uncompressed|zstd|lz4|snappy|gzip|producer"
#define METADATA_POLICY_DELETE 1
#define METADATA_POLICY_COMPACT 2

/* Bits of cleanup.policy are above; the other words are indexes into their row's words. What has no
 * effect is kept as text alone, with the topic. */
struct metadata_topic_config {
    int64_t segment_bytes, segment_ms, segment_index_bytes, index_interval_bytes;
    int64_t internal_segment_bytes; /* takes the place of segment_bytes; INT64_MIN: not set */
    int64_t retention_ms, retention_bytes, file_delete_delay_ms, max_message_bytes;
    int64_t min_insync_replicas;
    int64_t message_timestamp_before_max_ms, message_timestamp_after_max_ms;
    int64_t message_timestamp_type; /* 0 CreateTime, 1 LogAppendTime */
    int64_t compression_type, compression_gzip_level, compression_lz4_level, compression_zstd_level;
    int64_t cleanup_policy, remote_storage_enable;
    int64_t flush_messages, flush_ms, min_compaction_lag_ms, max_compaction_lag_ms;
};

enum metadata_key_type {
    METADATA_KEY_INT,
    METADATA_KEY_LONG,
    METADATA_KEY_BOOL,
    METADATA_KEY_DOUBLE,   /* 0 to 1 */
    METADATA_KEY_WORD,     /* one of its words */
    METADATA_KEY_POLICY,   /* a list of "delete" and "compact" */
    METADATA_KEY_REPLICAS, /* a list of PARTITION:BROKER, or "*" */
};

/* One of Kafka's keys of a topic (LogConfig.java of 4.3.1). */
struct metadata_key {
    const char *name;
    enum metadata_key_type type;
    int32_t offset;       /* of its field, an int64_t; -1: it has no effect here and is only kept */
    int64_t min, max;     /* METADATA_KEY_INT and _LONG */
    const char *words;    /* METADATA_KEY_WORD: "CreateTime|LogAppendTime" */
    const char *fallback; /* the default, as text; NULL: it is not set, and not shown */
};

/* All of them, by name: the answer to CreateTopics has this order. */
extern const struct metadata_key metadata_topic_keys[];
extern const int metadata_topic_key_count;
/* NULL: Kafka has none of that name. */
const struct metadata_key *metadata_topic_key(struct bytes name);

/* Kafka's defaults. */
void metadata_topic_config_init(struct metadata_topic_config *config);
/* Checks the value as Kafka does and sets the field, if there is one. msg has Kafka's words.
 * ERR_NOTFOUND: no such key. ERR_INVALID: not a value of its type, or out of its range. */
enum err metadata_topic_config_set(struct metadata_topic_config *config, struct bytes name,
                                   struct bytes value, struct errmsg *msg) MUST_USE;
/* What all values together may not be. ERR_INVALID: they contradict each other. ERR_UNSUPPORTED:
 * they promise what is not served yet; acks_are_durable: an acknowledged record is on the disk. */
enum err metadata_topic_config_check(const struct metadata_topic_config *config,
                                     bool acks_are_durable, struct errmsg *msg) MUST_USE;
/* The value of a key as text, where the topic did not set it. */
void metadata_topic_config_print(const struct metadata_key *key,
                                 const struct metadata_topic_config *config, struct text *out);

/* What the log of the topic's partitions is to do. */
struct log_config metadata_log_config(const struct metadata_topic_config *config,
                                      int64_t producer_id_expiration_ms);

/* Why that may be no topic's name, in Kafka's words (Topic.validate). ERR_INVALID. */
enum err metadata_topic_name_check(struct bytes name, struct errmsg *msg) MUST_USE;

/* ---- the image: immutable, reference-counted ---- */

struct metadata_partition {
    int32_t leader, leader_epoch, partition_epoch; /* leader -1: none */
    /* The log directory in which the replica is known to have been made; zero while it is not
     * (KIP-858's UNASSIGNED). Who has that directory and not the partition has lost it. */
    struct wire_uuid directory;
};

struct metadata_setting {
    char *key, *value;
};

struct metadata_topic {
    uint32_t refs;
    struct mem *mem;
    char *name;
    struct wire_uuid id;
    int32_t partition_count, setting_count;
    struct metadata_partition *partitions; /* by number */
    struct metadata_setting *settings;     /* what was set for this topic alone, by key */
};

struct metadata_broker {
    int32_t id;
    int64_t epoch; /* offset of its registration; -1: never registered */
    bool fenced;
    uint16_t port;
    char host[METADATA_HOST_MAX];
};

struct metadata_image {
    uint32_t refs;
    struct mem *mem;
    int64_t offset;           /* of the last record in it; -1: none */
    int16_t metadata_version; /* finalized level; 0: none yet */
    struct metadata_broker broker;
    int64_t next_producer_id; /* first of the next block */
    int32_t topic_count, partition_count;
    struct metadata_topic **topics; /* by name */
    struct metadata_topic **by_id;
};

void metadata_image_retain(const struct metadata_image *image);
/* image may be NULL. */
void metadata_image_release(const struct metadata_image *image);
/* NULL when there is none. */
const struct metadata_topic *metadata_find(const struct metadata_image *image, struct bytes name);
const struct metadata_topic *metadata_find_id(const struct metadata_image *image,
                                              const struct wire_uuid *id);
/* A topic whose name is the same once '.' and '_' are (metrics would mix them up), or NULL. */
const struct metadata_topic *metadata_find_collision(const struct metadata_image *image,
                                                     struct bytes name);
/* defaults, and over them what was set for the topic. */
void metadata_topic_configured(const struct metadata_topic *topic,
                               const struct metadata_topic_config *defaults,
                               struct metadata_topic_config *out);
void metadata_topic_retain(const struct metadata_topic *topic);
void metadata_topic_release(const struct metadata_topic *topic);

/* ---- changing an image, purely ---- */

/* A version in the making: topics are shared with base until they change. */
struct metadata_edit {
    struct metadata_image *image; /* not visible to anybody yet */
    int32_t topic_cap;
};

/* base may be NULL: an empty cluster. ERR_NOMEM. */
enum err metadata_edit_begin(struct metadata_edit *edit, struct mem *mem,
                             const struct metadata_image *base) MUST_USE;
/* Applies one record of the log: type and version as its head says. Records of types that kiln has
 * no use for are passed over. ERR_CORRUPT (it makes no sense here; msg says why), ERR_UNSUPPORTED
 * (a newer version, or a feature level that kiln does not understand), ERR_NOMEM. After an error
 * abandon the edit. */
enum err metadata_edit_apply(struct metadata_edit *edit, int64_t offset, struct wire_bytes value,
                             struct arena *arena, struct errmsg *msg) MUST_USE;
/* The finished image, one reference. */
struct metadata_image *metadata_edit_finish(struct metadata_edit *edit);
void metadata_edit_abandon(struct metadata_edit *edit);

/* ---- the quorum of one ---- */

struct metadata;

struct metadata_settings {
    int32_t node_id;
    const char *dir; /* the log directory's path */
    struct metadata_topic_config topic_defaults;
    int32_t partition_count_default; /* num.partitions */
    bool acks_are_durable;           /* flush.policy = ack */
};

struct metadata_op;
typedef void metadata_done(struct metadata_op *op, enum err e);
struct metadata_op {
    metadata_done *done;
    struct errmsg msg; /* a sentence when e is not ERR_NONE */
};

/* Told of topics that have become durable, before anybody can see them; the owner gets their
 * partitions ready and calls metadata_publish. Once at a time. */
struct metadata_watch {
    void (*prepare)(struct metadata_watch *watch, const struct metadata_topic *const *topics,
                    int32_t count);
    /* It leads now, which had been put off (metadata_put_off): partitions may have new leader
     * epochs. */
    void (*led)(struct metadata_watch *watch);
    /* The metadata log is offline from now on: no further change will succeed. */
    void (*failed)(struct metadata_watch *watch, enum err e);
};

/* ERR_NOMEM. logs, the strings of settings and watch outlive it. */
enum err metadata_new(struct metadata **out, struct env *env, struct mem *mem, struct trace *trace,
                      struct log_set *logs, const struct metadata_settings *settings,
                      struct metadata_watch *watch) MUST_USE;
struct metadata_start {
    const char *host; /* where clients reach this broker; copied */
    uint16_t port;
    bool bump_leaders; /* every partition gets a new leader epoch, for the last life did not end
                          cleanly and may have lost what it wrote (E-1); so it does anyhow when a
                          partition's directory is missing */
};

/* Replays the log and leads it in a new epoch: quorum-state first, then, as one write, the
 * LeaderChange batch, on an empty log the feature levels, the registration of this broker,
 * unfenced, and the new leaders. Done when all of this is durable and metadata_current has it; or
 * when a full disk does not take it, and the log has been led before: then what is there is
 * current, and leading is tried again every second (metadata_put_off). Errors as log_open,
 * ERR_UNSUPPORTED. */
void metadata_open(struct metadata *m, struct metadata_op *op, const struct metadata_start *start,
                   metadata_done *done);
/* What is durable and prepared. Borrowed until return; retain it to keep it. */
const struct metadata_image *metadata_current(const struct metadata *m);
/* The disk is full, and nobody leads the log yet: changes are refused, and because an unclean end
 * has not been made good for, no partition may take records. */
bool metadata_put_off(const struct metadata *m);
/* It is not tried any more: the directory will be closed. */
void metadata_rest(struct metadata *m);
int32_t metadata_epoch(const struct metadata *m);
int32_t metadata_node_id(const struct metadata *m);
/* The log behind it, for the checkpoint of its high watermark. */
const struct log *metadata_log(const struct metadata *m);
const struct metadata_topic_config *metadata_topic_defaults(const struct metadata *m);
/* The owner has prepared the topics that it was told of. */
void metadata_publish(struct metadata *m);

/* Writes down that partitions have been made, durably, in this broker's log directory (KIP-858). */
struct metadata_place {
    struct wire_uuid topic_id;
    int32_t partition;
};
struct metadata_assign;
typedef void metadata_assign_done(struct metadata_assign *assign);
struct metadata_assign {
    metadata_assign_done *done;
    int16_t code;     /* 0: it is durable; or Kafka's */
    struct list link; /* metadata's own */
    int64_t end;
};

/* At most METADATA_RECORDS_MAX places, borrowed until return; those of topics that are gone are
 * passed over. done is called perhaps before this returns. */
void metadata_assign(struct metadata *m, struct metadata_assign *assign,
                     const struct metadata_place *places, int32_t count,
                     metadata_assign_done *done);

/* One topic to create. in: */
struct metadata_new_topic {
    struct bytes name;
    int32_t partition_count;    /* -1: num.partitions, or as many as are assigned. out: how many */
    int16_t replication_factor; /* -1: 1 */
    const struct wire_create_topics_request_assignment *assignments;
    int32_t assignment_count;
    const struct wire_create_topics_request_config *configs;
    int32_t config_count;
    /* out: */
    int16_t code; /* Kafka's */
    struct errmsg msg;
    const struct metadata_topic *topic; /* retained; metadata_create_free lets go of it */
};

struct metadata_create;
typedef void metadata_create_done(struct metadata_create *create);
struct metadata_create {
    struct metadata_new_topic *topics;
    int32_t topic_count;
    bool validate_only; /* topics that would be made get code 0 and a topic that is in no image */
    metadata_create_done *done;
    struct list link; /* metadata's own */
    uint64_t change;
};

/* Creates those of the topics that may be; all of them are one batch. done is called when they are
 * durable and published, perhaps before this returns. A topic that is being created by somebody
 * else gets TOPIC_ALREADY_EXISTS, and done waits until it is there. */
void metadata_create(struct metadata *m, struct metadata_create *create,
                     metadata_create_done *done);
/* Nobody waits for it any more: done will not be called, and what was begun goes on. False: it is
 * done already. */
bool metadata_create_cancel(struct metadata_create *create);
void metadata_create_free(struct metadata_create *create);

/* A producer id that nobody has been given before, from a block that is durable. */
struct metadata_producer_id;
typedef void metadata_producer_id_done(struct metadata_producer_id *op);
struct metadata_producer_id {
    metadata_producer_id_done *done;
    int16_t code; /* 0, or Kafka's */
    int64_t producer_id;
    struct list link; /* metadata's own */
};

/* done is called perhaps before this returns. */
void metadata_producer_id(struct metadata *m, struct metadata_producer_id *op,
                          metadata_producer_id_done *done);

/* Waits for what is in flight and closes the log; changes that come later are refused. Also after
 * an open that failed. done is called perhaps before this returns. */
void metadata_close(struct metadata *m, struct metadata_op *op, metadata_done *done);
/* Frees memory only; not before metadata_close is done, or without metadata_open. */
void metadata_free(struct metadata *m);

#endif
