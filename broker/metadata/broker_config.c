/* broker_config.c - what may be set for brokers, and what of it a broker goes by: its file, over it
 * what was set for all brokers, over it what was set for it (DynamicBrokerConfig). Pure. */
#include "metadata/internal.h"

#define AT(name) (int32_t) offsetof(struct metadata_broker_config, name)
#define TOPICS(name) AT(topics.name)
#define ROW(text, kind, where, ...)                                                                \
    {                                                                                              \
        .key = {.name = (text), .type = METADATA_KEY_##kind, __VA_ARGS__}, .scope = (where)        \
    }
#define FIXED(text, kind) ROW(text, kind, METADATA_READ_ONLY, .offset = -1)
#define LONG_ROW(text, at, low)                                                                    \
    ROW(text, LONG, METADATA_CLUSTER_WIDE, .offset = (at), .min = (low), .max = INT64_MAX)
#define INT_ROW(text, at, low, high, where)                                                        \
    ROW(text, INT, where, .offset = (at), .min = (low), .max = (high))
#define WORD_ROW(text, at, choices, where)                                                         \
    ROW(text, WORD, where, .offset = (at), .words = (choices))

const struct metadata_broker_key metadata_broker_keys[] = {
    FIXED("advertised.listeners", LIST),
    FIXED("auto.create.topics.enable", BOOL),
    FIXED("broker.heartbeat.interval.ms", INT),
    FIXED("broker.id", INT),
    FIXED("broker.rack", TEXT),
    FIXED("broker.session.timeout.ms", INT),
    FIXED("cluster.id", TEXT),
    INT_ROW("compression.gzip.level", TOPICS(compression_gzip_level), 1, 9, METADATA_CLUSTER_WIDE),
    INT_ROW("compression.lz4.level", TOPICS(compression_lz4_level), 1, 17, METADATA_CLUSTER_WIDE),
    WORD_ROW("compression.type", TOPICS(compression_type), METADATA_COMPRESSION_TYPES,
             METADATA_CLUSTER_WIDE),
    INT_ROW("compression.zstd.level", TOPICS(compression_zstd_level), -131072, 22,
            METADATA_CLUSTER_WIDE),
    FIXED("connections.max.idle.ms", LONG),
    FIXED("controller.listener.names", LIST),
    FIXED("controller.quorum.bootstrap.servers", LIST),
    FIXED("controller.quorum.election.backoff.max.ms", INT),
    FIXED("controller.quorum.election.timeout.ms", INT),
    FIXED("controller.quorum.fetch.max.bytes", INT),
    FIXED("controller.quorum.fetch.snapshot.max.bytes", INT),
    FIXED("controller.quorum.fetch.timeout.ms", INT),
    FIXED("controller.quorum.request.timeout.ms", INT),
    FIXED("controller.quorum.retry.backoff.ms", INT),
    FIXED("controller.quorum.voters", LIST),
    FIXED("default.replication.factor", INT),
    FIXED("fetch.max.bytes", INT),
    WORD_ROW("flush.policy", TOPICS(flush_policy), "ack|os", METADATA_OF_CLUSTER),
    FIXED("initial.broker.registration.timeout.ms", INT),
    FIXED("inter.broker.listener.name", TEXT),
    FIXED("listener.security.protocol.map", TEXT),
    FIXED("listeners", LIST),
    FIXED("log.checkpoint.bytes", LONG),
    FIXED("log.checkpoint.ms", LONG),
    ROW("log.cleanup.policy", POLICY, METADATA_CLUSTER_WIDE, .offset = TOPICS(cleanup_policy),
        .fallback = "delete"),
    FIXED("log.dir", LIST),
    FIXED("log.dir.slow.ms", LONG),
    FIXED("log.dirs", LIST),
    FIXED("log.files.readable.by", TEXT),
    FIXED("log.flush.interval.bytes", LONG),
    LONG_ROW("log.flush.interval.ms", AT(log_flush_interval_ms), 1),
    INT_ROW("log.index.interval.bytes", TOPICS(index_interval_bytes), 0, INT32_MAX,
            METADATA_CLUSTER_WIDE),
    INT_ROW("log.index.size.max.bytes", TOPICS(segment_index_bytes), 4, INT32_MAX,
            METADATA_CLUSTER_WIDE),
    LONG_ROW("log.message.timestamp.after.max.ms", TOPICS(message_timestamp_after_max_ms), 0),
    LONG_ROW("log.message.timestamp.before.max.ms", TOPICS(message_timestamp_before_max_ms), 0),
    WORD_ROW("log.message.timestamp.type", TOPICS(message_timestamp_type),
             "CreateTime|LogAppendTime", METADATA_CLUSTER_WIDE),
    FIXED("log.open.files.max", INT),
    LONG_ROW("log.retention.bytes", TOPICS(retention_bytes), INT64_MIN),
    FIXED("log.retention.check.interval.ms", LONG),
    FIXED("log.retention.hours", INT),
    FIXED("log.retention.minutes", INT),
    LONG_ROW("log.retention.ms", TOPICS(retention_ms), INT64_MIN),
    LONG_ROW("log.roll.ms", TOPICS(segment_ms), INT64_MIN),
    INT_ROW("log.segment.bytes", TOPICS(segment_bytes), 1 << 20, INT32_MAX, METADATA_CLUSTER_WIDE),
    LONG_ROW("log.segment.delete.delay.ms", TOPICS(file_delete_delay_ms), 0),
    /* Kafka takes 0 as well; nobody could connect any more to take that back. */
    INT_ROW("max.connections", AT(max_connections), 1, INT32_MAX, METADATA_CLUSTER_WIDE),
    FIXED("max.incremental.fetch.session.cache.slots", INT),
    INT_ROW("message.max.bytes", TOPICS(max_message_bytes), 0, INT32_MAX, METADATA_CLUSTER_WIDE),
    FIXED("metadata.log.max.record.bytes.between.snapshots", LONG),
    INT_ROW("min.insync.replicas", TOPICS(min_insync_replicas), 1, INT32_MAX, METADATA_OF_CLUSTER),
    FIXED("node.id", INT),
    FIXED("num.partitions", INT),
    FIXED("num.replica.fetchers", INT),
    FIXED("process.roles", LIST),
    INT_ROW("producer.id.expiration.ms", AT(producer_id_expiration_ms), 1, INT32_MAX,
            METADATA_CLUSTER_WIDE),
    FIXED("queued.max.request.bytes", LONG),
    FIXED("replica.fetch.backoff.ms", INT),
    FIXED("replica.fetch.max.bytes", INT),
    FIXED("replica.fetch.min.bytes", INT),
    FIXED("replica.fetch.response.max.bytes", INT),
    FIXED("replica.fetch.wait.max.ms", INT),
    FIXED("replica.lag.time.max.ms", LONG),
    FIXED("replica.read.ahead.bytes", INT),
    FIXED("replica.selector.class", TEXT),
    FIXED("replica.socket.timeout.ms", INT),
    FIXED("socket.request.max.bytes", INT),
    ROW("unclean.leader.election.enable", BOOL, METADATA_CLUSTER_WIDE,
        .offset = TOPICS(unclean_leader_election_enable)),
};
const int metadata_broker_key_count = COUNT_OF(metadata_broker_keys);

const struct metadata_broker_key *metadata_broker_key(struct bytes name)
{
    for (int i = 0; i < metadata_broker_key_count; i++) {
        if (bytes_equal(name, bytes_text(metadata_broker_keys[i].key.name)))
            return &metadata_broker_keys[i];
    }
    return NULL;
}

/* What KafkaConfig requires beside its ranges. */
static enum err check_required(const struct metadata_key *key, int64_t value, struct errmsg *msg)
{
    if (key->offset == TOPICS(retention_ms) && value == 0)
        return errmsg_set(msg, ERR_INVALID,
                          "requirement failed: log.retention.ms must be unlimited (-1) or, greater "
                          "than or equal to 1");
    if (key->offset == TOPICS(segment_ms) && value < 1)
        return errmsg_set(msg, ERR_INVALID,
                          "requirement failed: log.roll.ms must be greater than or equal to 1");
    return ERR_NONE;
}

enum err metadata_broker_config_set(struct metadata_broker_config *config,
                                    const struct metadata_broker_key *key, struct bytes value,
                                    struct errmsg *msg)
{
    int64_t number;
    ASSERT(key->scope != METADATA_READ_ONLY);
    enum err e = metadata_topic_value(&key->key, value, &number, msg);
    if (e == ERR_NONE)
        e = check_required(&key->key, number, msg);
    if (e == ERR_NONE)
        memcpy((uint8_t *)config + key->key.offset, &number, sizeof number);
    return e;
}

/* What another version wrote and this one refuses leaves what stood there before. */
static void apply(const struct metadata_image *image, struct bytes resource,
                  const struct metadata_broker_key *key, struct metadata_broker_config *out)
{
    struct wire_string value =
        metadata_find_config(image, METADATA_RESOURCE_BROKER, resource, bytes_text(key->key.name));
    if (value.size >= 0 &&
        metadata_broker_config_set(out, key, bytes_of(value.data, (size_t)value.size), NULL) !=
            ERR_NONE)
        return;
}

void metadata_broker_configured(const struct metadata_image *image, int32_t node_id,
                                const struct metadata_broker_config *base,
                                struct metadata_broker_config *out)
{
    char name[METADATA_BROKER_NAME_SIZE];
    *out = *base;
    metadata_broker_name(node_id, name);
    for (int i = 0; i < metadata_broker_key_count; i++) {
        const struct metadata_broker_key *key = &metadata_broker_keys[i];
        if (key->scope == METADATA_READ_ONLY)
            continue;
        apply(image, bytes_text(""), key, out);
        if (key->scope == METADATA_CLUSTER_WIDE)
            apply(image, bytes_text(name), key, out);
    }
}

void metadata_broker_name(int32_t node_id, char name[METADATA_BROKER_NAME_SIZE])
{
    struct errmsg text = {0};
    errmsg_set(&text, ERR_NONE, "%d", (int)node_id);
    memcpy(name, text.text, METADATA_BROKER_NAME_SIZE);
}
