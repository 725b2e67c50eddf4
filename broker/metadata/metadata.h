/* metadata.h - the cluster as metadata records and the image that they add up to. Who reads it
 * holds an image, which never changes: each change makes another. Pure: who decides what is written
 * is the controller, and who writes it is the quorum.
 */
#ifndef KILN_METADATA_H
#define KILN_METADATA_H

#include "wire/wire.h"

#define METADATA_LOG_TOPIC "__cluster_metadata"
#define METADATA_VERSION 25                /* 4.0-IV3: the level of the records that are written */
#define METADATA_VERSION_OLDEST 7          /* 3.3-IV3: the oldest that kiln says it understands */
#define METADATA_VERSION_NEWEST 30         /* 4.3-IV0: the newest that it reads */
#define METADATA_TOPIC_NAME_MAX 249        /* bytes (org.apache.kafka.common.internals.Topic) */
#define METADATA_HOST_MAX 256              /* bytes of a host name, with its zero */
#define METADATA_PARTITIONS_MAX 200000     /* of the cluster: a broker keeps a log for each */
#define METADATA_RECORDS_MAX 10000         /* of one batch (QuorumController) */
#define METADATA_BATCH_BYTES_MAX (8 << 20) /* KafkaRaftClient.MAX_BATCH_SIZE_BYTES */
#define METADATA_SAME_LEADER (-2)          /* a PartitionChange that changes no leader */

/* ---- features ---- */

#define METADATA_FEATURE_VERSION "metadata.version"
#define METADATA_FEATURE_ELR "eligible.leader.replicas.version" /* KIP-966 */

/* A feature level that a cluster may have finalized, and this kiln can live with (KIP-584). Level
 * 0: without it. */
struct metadata_feature {
    const char *name;
    int16_t oldest, newest;
};

#define METADATA_FEATURES 2
extern const struct metadata_feature metadata_features[METADATA_FEATURES];

/* ---- settings of a topic ---- */

/* The words of compression.type, in Kafka's order. */
#define METADATA_COMPRESSION_TYPES "uncompressed|zstd|lz4|snappy|gzip|producer"
#define METADATA_NOT_SET INT64_MIN
#define METADATA_POLICY_DELETE 1
#define METADATA_POLICY_COMPACT 2

/* Bits of cleanup.policy are above; the other words are indexes into their row's words. What has no
 * effect is kept as text alone, with the topic. */
struct metadata_topic_config {
    int64_t segment_bytes, segment_ms, segment_index_bytes, index_interval_bytes;
    int64_t internal_segment_bytes; /* takes the place of segment_bytes, or METADATA_NOT_SET */
    int64_t retention_ms, retention_bytes, file_delete_delay_ms, max_message_bytes;
    int64_t min_insync_replicas, unclean_leader_election_enable;
    int64_t message_timestamp_before_max_ms, message_timestamp_after_max_ms;
    int64_t message_timestamp_type; /* 0 CreateTime, 1 LogAppendTime */
    int64_t compression_type, compression_gzip_level, compression_lz4_level, compression_zstd_level;
    int64_t cleanup_policy, remote_storage_enable;
    int64_t flush_messages, flush_ms, min_compaction_lag_ms, max_compaction_lag_ms;
    int64_t flush_policy; /* 0 ack: acknowledged means synced; 1 os: in the page cache */
};

enum metadata_key_type {
    METADATA_KEY_INT,
    METADATA_KEY_LONG,
    METADATA_KEY_BOOL,
    METADATA_KEY_DOUBLE,   /* 0 to 1 */
    METADATA_KEY_WORD,     /* one of its words */
    METADATA_KEY_POLICY,   /* a list of "delete" and "compact" */
    METADATA_KEY_REPLICAS, /* a list of PARTITION:BROKER, or "*" */
    METADATA_KEY_TEXT,     /* of brokers, whose files are read elsewhere */
    METADATA_KEY_LIST,     /* likewise */
};

/* One of Kafka's keys of a topic (LogConfig.java of 4.3.1), or of a broker. */
struct metadata_key {
    const char *name;
    enum metadata_key_type type;
    int32_t offset;       /* of its field, an int64_t; -1: it has no effect here and is only kept */
    int64_t min, max;     /* METADATA_KEY_INT and _LONG */
    const char *words;    /* METADATA_KEY_WORD: "CreateTime|LogAppendTime" */
    const char *fallback; /* the default, as text; NULL: it is not set, and not shown */
    const char *broker;   /* of a topic's: the key of brokers that it follows; NULL: none */
    const char *help;     /* of a topic's: a sentence for a person */
};

/* All of them, by name: the answer to CreateTopics has this order. */
extern const struct metadata_key metadata_topic_keys[];
extern const int metadata_topic_key_count;
/* What kiln has besides: the answer to CreateTopics does not list it. */
extern const struct metadata_key metadata_own_keys[];
extern const int metadata_own_key_count;
/* Of both. NULL: there is none of that name. */
const struct metadata_key *metadata_topic_key(struct bytes name);

/* Kafka's defaults. */
void metadata_topic_config_init(struct metadata_topic_config *config);
/* Checks the value as Kafka does and sets the field, if there is one. msg has Kafka's words.
 * ERR_NOTFOUND: no such key. ERR_INVALID: not a value of its type, or out of its range. */
enum err metadata_topic_config_set(struct metadata_topic_config *config, struct bytes name,
                                   struct bytes value, struct errmsg *msg) MUST_USE;
/* What all values together may not be. ERR_INVALID: they contradict each other. ERR_UNSUPPORTED:
 * they promise what is not served yet. */
enum err metadata_topic_config_check(const struct metadata_topic_config *config,
                                     struct errmsg *msg) MUST_USE;
/* The value of a key as text, out of the struct that its offset is in: where the topic did not set
 * it, of its broker's defaults. */
void metadata_config_print(const struct metadata_key *key, const void *config, struct text *out);

/* ---- settings of a broker ---- */

/* ConfigResource.Type */
#define METADATA_RESOURCE_TOPIC 2
#define METADATA_RESOURCE_BROKER 4 /* without a name: all of them */

/* What of a broker may change while it runs. */
struct metadata_broker_config {
    struct metadata_topic_config topics; /* what a topic has that sets nothing itself */
    int64_t max_connections, producer_id_expiration_ms, log_flush_interval_ms;
};

/* Where a key of brokers may be changed (DynamicBrokerConfig). */
enum metadata_scope {
    METADATA_READ_ONLY,    /* in a broker's file alone */
    METADATA_CLUSTER_WIDE, /* for one broker, and as the default of all */
    /* As the default of all alone, for brokers must not disagree about it (KAFKA-16540); the
     * metadata log always has it. */
    METADATA_OF_CLUSTER,
};

struct metadata_broker_key {
    struct metadata_key key; /* offset: in struct metadata_broker_config */
    enum metadata_scope scope;
};

#define METADATA_BROKER_NAME_SIZE 12
/* The name of a broker as a resource: its id. */
void metadata_broker_name(int32_t node_id, char name[METADATA_BROKER_NAME_SIZE]);

/* Those that kiln has, by name. */
extern const struct metadata_broker_key metadata_broker_keys[];
extern const int metadata_broker_key_count;
/* NULL: there is none of that name. */
const struct metadata_broker_key *metadata_broker_key(struct bytes name);
/* As metadata_topic_config_set, of a key that is not read-only. */
enum err metadata_broker_config_set(struct metadata_broker_config *config,
                                    const struct metadata_broker_key *key, struct bytes value,
                                    struct errmsg *msg) MUST_USE;

/* Why that may be no topic's name, in Kafka's words (Topic.validate). ERR_INVALID. */
enum err metadata_topic_name_check(struct bytes name, struct errmsg *msg) MUST_USE;

/* ---- maps whose versions share what did not change ---- */

/* What a map holds, as the first member of the thing itself. */
struct metadata_object {
    uint32_t refs;
    struct bytes key; /* in the object's own memory */
    void (*free)(struct metadata_object *object);
};

struct metadata_node;
struct metadata_map {
    struct metadata_node *root; /* NULL: empty */
};

int32_t metadata_map_count(const struct metadata_map *map);
/* How many keys stand before that one, whether or not it is there. O(log n). */
int32_t metadata_map_rank(const struct metadata_map *map, struct bytes key);
/* NULL: there is none of that key. O(log n). */
struct metadata_object *metadata_map_find(const struct metadata_map *map, struct bytes key);
/* The one of that place in the order of the keys. O(log n). */
struct metadata_object *metadata_map_at(const struct metadata_map *map, int32_t index);

#define METADATA_DIFF_DEPTH_MAX 256

struct metadata_map_step {
    const struct metadata_node *node;
    bool alone; /* only its own entry, without what is below it */
};

/* Two maps at once, in the order of the keys: what they share is passed over, so that it takes as
 * long as what has changed since they were one, times the depth. */
struct metadata_map_diff {
    struct metadata_map_step stacks[2][METADATA_DIFF_DEPTH_MAX];
    int32_t depths[2];
};

/* Both maps stay as they are until its end. */
void metadata_map_diff(struct metadata_map_diff *d, const struct metadata_map *from,
                       const struct metadata_map *to);
/* The next entry that differs: before or after is NULL where it is new, or gone. False: no more. */
bool metadata_map_diff_next(struct metadata_map_diff *d, struct metadata_object **before,
                            struct metadata_object **after);

/* ---- the image: immutable, reference-counted ---- */

enum metadata_list {
    METADATA_REPLICAS,
    METADATA_ISR,
    METADATA_ADDING,
    METADATA_REMOVING,
    METADATA_ELR,
    METADATA_LAST_KNOWN_ELR,
    METADATA_LIST_COUNT,
};

#define METADATA_REPLICAS_MAX 1000 /* of a partition, in each of its lists */

struct metadata_partition {
    uint32_t refs;
    int32_t leader, leader_epoch, partition_epoch; /* leader -1: none */
    int8_t leader_recovery_state;                  /* LeaderRecoveryState: 0 recovered */
    uint16_t counts[METADATA_LIST_COUNT];
    int32_t ids[]; /* of brokers, list by list; behind them a directory for each replica */
};

struct metadata_ids {
    const int32_t *ids;
    int32_t count;
};

struct metadata_ids metadata_ids(const struct metadata_partition *p, enum metadata_list list);
/* The log directory in which the replica is known to have been made; zero while it is not
 * (KIP-858's UNASSIGNED), and where that broker has none. Who has that directory and not the
 * partition has lost it. */
struct wire_uuid metadata_directory(const struct metadata_partition *p, int32_t broker_id);

struct metadata_setting {
    const char *key, *value;
};

struct metadata_name;
struct metadata_slab;
struct metadata_settings_block;

struct metadata_topic {
    struct metadata_object object; /* key: its id */
    struct mem *mem;
    const char *name; /* of named */
    struct metadata_name *named;
    struct wire_uuid id;
    int32_t partition_count;
    struct metadata_slab **slabs; /* of partitions, which versions share */
    int32_t setting_count;
    const struct metadata_setting *settings; /* what was set for this topic alone, by key */
    struct metadata_settings_block *settings_block;
};

/* number is below partition_count. */
const struct metadata_partition *metadata_partition(const struct metadata_topic *topic,
                                                    int32_t number);

/* A feature of registrations alone, never finalized: what a broker of kiln says of itself, and
 * nobody else does. Level 1: as a leader it takes from a follower's fetch how far that one's disk
 * is (the tagged field 10000 of Fetch). */
#define METADATA_FEATURE_REPLICATION "kiln.replication"
#define METADATA_REPLICATION 1

struct metadata_broker {
    struct metadata_object object; /* key: its id, big-endian */
    struct mem *mem;
    int32_t id;
    int64_t epoch; /* offset of its registration */
    bool fenced, in_controlled_shutdown;
    int16_t replication; /* newest level of METADATA_FEATURE_REPLICATION; 0: it has none */
    uint16_t port;       /* of its first endpoint */
    char host[METADATA_HOST_MAX];
    uint32_t size; /* of all of it, as a RegisterBrokerRecord of the newest version */
    uint8_t record[];
};

/* A record that is not served here, as it came. */
struct metadata_kept {
    struct metadata_object object; /* key: its type, and what its kind is identified by */
    struct mem *mem;
    uint32_t size;
    uint8_t *value; /* frame version, type, version, message */
};

struct metadata_image {
    uint32_t refs;
    struct mem *mem;
    int64_t offset;              /* of the last record in it; -1: none */
    int32_t epoch;               /* of the leader that wrote that, and when (ms since 1970) ... */
    int64_t timestamp_ms;        /* ... as its batch says */
    int16_t metadata_version;    /* finalized level; 0: none yet */
    int64_t next_producer_id;    /* first of the next block */
    int32_t producer_ids_broker; /* who was given the last one */
    int64_t producer_ids_broker_epoch;
    int32_t topic_count, partition_count;
    struct metadata_map topics;  /* by id */
    struct metadata_map names;   /* of topics */
    struct metadata_map brokers; /* by id */
    struct metadata_map kept;    /* by kind and identity */
    /* A metadata transaction is open (KIP-868): what it was before, and what readers are shown
     * until it ends. NULL: none is. */
    struct metadata_image *before;
};

void metadata_image_retain(const struct metadata_image *image);
/* image may be NULL. */
void metadata_image_release(const struct metadata_image *image);
/* What readers may see of it: nothing of an open transaction. */
const struct metadata_image *metadata_visible(const struct metadata_image *image);
/* NULL when there is none. */
const struct metadata_topic *metadata_find(const struct metadata_image *image, struct bytes name);
const struct metadata_topic *metadata_find_id(const struct metadata_image *image,
                                              const struct wire_uuid *id);
/* By name: index is below topic_count. */
const struct metadata_topic *metadata_topic_at(const struct metadata_image *image, int32_t index);
/* By id: index is below metadata_map_count(&image->brokers). */
const struct metadata_broker *metadata_broker_at(const struct metadata_image *image, int32_t index);
const struct metadata_broker *metadata_find_broker(const struct metadata_image *image, int32_t id);
/* All of its registration. Strings are views into the broker, arrays the arena's. ERR_NOMEM. */
enum err metadata_broker_record(const struct metadata_broker *broker,
                                struct wire_register_broker_record *out,
                                struct arena *arena) MUST_USE;
/* What is set for a resource that is no topic (ConfigResource.Type), as text; size -1: nothing. */
struct wire_string metadata_find_config(const struct metadata_image *image, int8_t resource_type,
                                        struct bytes resource, struct bytes key);
/* The finalized level of a feature, metadata.version or another; 0: it has none. */
int16_t metadata_feature_level(const struct metadata_image *image, const char *name);
/* Walks what is set for resources of a type, by resource and key. */
struct metadata_config_walk {
    int8_t type;
    int32_t next; /* the walk's own */
};

struct metadata_config {
    struct bytes resource, key, value; /* views into the image */
};

/* From that resource's first setting on. */
void metadata_config_walk_begin(struct metadata_config_walk *walk,
                                const struct metadata_image *image, int8_t type,
                                struct bytes resource);
/* False: there are no more of that type. */
bool metadata_config_walk_next(struct metadata_config_walk *walk,
                               const struct metadata_image *image, struct metadata_config *out);
/* base, which is what the broker's file says, and over it what was set for all brokers and for that
 * one. */
void metadata_broker_configured(const struct metadata_image *image, int32_t node_id,
                                const struct metadata_broker_config *base,
                                struct metadata_broker_config *out);
/* A topic whose name is the same once '.' and '_' are (metrics would mix them up), or NULL. */
const struct metadata_topic *metadata_find_collision(const struct metadata_image *image,
                                                     struct bytes name);
/* defaults, and over them what was set for the topic. */
void metadata_topic_configured(const struct metadata_topic *topic,
                               const struct metadata_topic_config *defaults,
                               struct metadata_topic_config *out);
void metadata_topic_retain(const struct metadata_topic *topic);
void metadata_topic_release(const struct metadata_topic *topic);
/* Byte order, the shorter first: the order of topics. */
int metadata_compare_names(struct bytes a, struct bytes b);

/* ---- what differs between two images ---- */

/* Topics, by id. */
void metadata_delta(struct metadata_map_diff *d, const struct metadata_image *from,
                    const struct metadata_image *to);
bool metadata_delta_next(struct metadata_map_diff *d, const struct metadata_topic **before,
                         const struct metadata_topic **after);

/* Partitions of one topic; before or after may be NULL. */
struct metadata_partition_diff {
    const struct metadata_topic *before, *after;
    int32_t next;
};
void metadata_partition_diff(struct metadata_partition_diff *d, const struct metadata_topic *before,
                             const struct metadata_topic *after);
/* The next that differs, by its number. False: no more. */
bool metadata_partition_diff_next(struct metadata_partition_diff *d, int32_t *number,
                                  const struct metadata_partition **before,
                                  const struct metadata_partition **after);

/* ---- changing an image, purely ---- */

/* Topics that records have removed: what is left of them on a disk may go, and nothing else that no
 * image knows (P-16). */
struct metadata_removed {
    struct mem *mem;
    struct wire_uuid *ids;
    int32_t count, cap;
};

void metadata_removed_init(struct metadata_removed *removed, struct mem *mem);
void metadata_removed_free(struct metadata_removed *removed);
bool metadata_was_removed(const struct metadata_removed *removed, const struct wire_uuid *id);
/* ERR_NOMEM. */
enum err metadata_removed_add(struct metadata_removed *removed,
                              const struct wire_uuid *id) MUST_USE;

/* A version in the making: all that does not change is shared with base. */
struct metadata_edit {
    struct metadata_image *image;     /* not visible to anybody yet */
    struct metadata_removed *removed; /* what the edit adds to; NULL: nobody asks */
};

/* base may be NULL: an empty cluster. ERR_NOMEM. */
enum err metadata_edit_begin(struct metadata_edit *edit, struct mem *mem,
                             const struct metadata_image *base) MUST_USE;
/* Applies one record of the log: type and version as its head says. All that Kafka 4.3.1 has is
 * understood, and kept where it is not served. ERR_CORRUPT (it makes no sense here; msg says why),
 * ERR_UNSUPPORTED (a newer type or version, or a feature level that kiln does not understand),
 * ERR_NOMEM. After an error abandon the edit. */
enum err metadata_edit_apply(struct metadata_edit *edit, int64_t offset, struct wire_bytes value,
                             struct arena *arena, struct errmsg *msg) MUST_USE;
/* The finished image, one reference. */
struct metadata_image *metadata_edit_finish(struct metadata_edit *edit);
void metadata_edit_abandon(struct metadata_edit *edit);

/* ---- records on their way into the log, and out of it ---- */

/* Batches that are written at once: the first bytes of buf. */
struct metadata_write {
    struct buf *buf;
    uint32_t size;
    int64_t record_count;
};

#define METADATA_WRITES_MAX 32 /* of METADATA_PARTITIONS_MAX records and what belongs to them */

/* Records that become batches, which stand one behind the other in the log. */
struct metadata_batch {
    struct mem *mem;
    int64_t timestamp_ms, offset; /* of the first record */
    int32_t leader_epoch;
    int64_t record_count;                              /* of all batches that are finished */
    struct metadata_write writes[METADATA_WRITES_MAX]; /* finished */
    int32_t write_count;
    bool in_transaction; /* the controller's: what is added belongs to a metadata transaction */
    /* The batch's own. */
    struct buf *buf; /* NULL: nothing was added to this write yet */
    size_t start;    /* of the batch that is being built; before it stand finished ones */
    int64_t start_count;
    bool is_control;
    struct wire_builder builder;
};

/* The first record will have that offset. */
void metadata_batch_init(struct metadata_batch *b, struct mem *mem, int64_t timestamp_ms,
                         int64_t offset, int32_t leader_epoch);
void metadata_batch_free(struct metadata_batch *b);
/* How many records it has, in all batches. */
int64_t metadata_batch_count(const struct metadata_batch *b);
/* How many those have that are written together with what is added next. */
int64_t metadata_batch_write_count(const struct metadata_batch *b);
/* ERR_NOMEM, ERR_LIMIT (the batch would become too large), else as wire_encode. */
enum err metadata_batch_add(struct metadata_batch *b, const struct wire_message *m, int version,
                            const void *record) MUST_USE;
/* The same of a record that is encoded already, as its value. */
enum err metadata_batch_add_value(struct metadata_batch *b, struct wire_bytes value) MUST_USE;
/* The batch becomes a control batch; nothing but control records goes into it. */
enum err metadata_batch_add_control(struct metadata_batch *b, enum wire_control type,
                                    const struct wire_message *m, const void *record) MUST_USE;
/* The batch becomes a control batch; nothing else goes into it. */
enum err metadata_batch_add_leader_change(struct metadata_batch *b,
                                          const struct wire_leader_change_message *m) MUST_USE;
/* What was added so far is a batch; what is added from now on, at least one record, is another one
 * that is written together with it. ERR_NOMEM. */
enum err metadata_batch_next(struct metadata_batch *b) MUST_USE;
/* The same, and it is written after it. ERR_LIMIT. */
enum err metadata_batch_next_write(struct metadata_batch *b) MUST_USE;
/* Nothing is added any more: all is in writes. ERR_LIMIT. */
enum err metadata_batch_finish(struct metadata_batch *b) MUST_USE;
/* The image of base and the batches of a write, one reference. ERR_NOMEM and
 * those of metadata_edit_apply. */
enum err metadata_batch_image(const struct metadata_write *write, struct mem *mem,
                              const struct metadata_image *base, struct metadata_image **out,
                              struct errmsg *msg) MUST_USE;
/* Applies the records of a stored batch. */
enum err metadata_batch_replay(struct metadata_edit *edit, const struct wire_batch *batch,
                               struct bytes in, struct arena *arena, struct errmsg *msg) MUST_USE;

/* ---- an image as records ---- */

/* Walks an image as the records that make it, in Kafka's order (MetadataImage.write): features,
 * brokers, topics with their partitions, settings, and what is kept. Replayed on nothing they give
 * the same image, but for the place in the log. */
struct metadata_dump {
    /* The dump's own. */
    const struct metadata_image *image; /* borrowed until its end; no transaction is open in it */
    int step;
    int32_t index, part;
};

void metadata_dump_begin(struct metadata_dump *dump, const struct metadata_image *image);
/* Adds up to count records to batch, and says by *more whether there are others. Errors as
 * metadata_batch_add. */
enum err metadata_dump_next(struct metadata_dump *dump, struct metadata_batch *batch, int32_t count,
                            struct arena *arena, bool *more) MUST_USE;

#define METADATA_DUMP_STEP 1000 /* records of a batch of a dump that becomes a digest */

/* The digest that was, and what the batches hold behind it: not when they were written, nor in
 * which epoch. */
uint64_t metadata_batch_digest(uint64_t digest, const struct metadata_batch *b);
/* Of the records that the image comes to, from 0 on: the same for whoever has applied the same log,
 * however it came by it. No transaction is open in it. O(image). ERR_NOMEM, ERR_LIMIT. */
enum err metadata_digest(const struct metadata_image *image, struct mem *mem,
                         uint64_t *digest) MUST_USE;

#endif
