/* config.c - the broker's configuration as rows, in Kafka's spelling, and what no row can say
 * alone. Pure. */
#include "node/internal.h"

#define AT(field) offsetof(struct broker_config, field)
#define INT_ROW(name, field, low, high, standard, sentence)                                        \
    {                                                                                              \
        .key = (name), .type = CONFIG_INT, .offset = AT(field), .min = (low), .max = (high),       \
        .fallback = (standard), .help = (sentence)                                                 \
    }
#define BROKER_SELECTOR_LEADER "org.apache.kafka.common.replica.LeaderSelector"
#define BROKER_SELECTORS                                                                           \
    BROKER_SELECTOR_LEADER "|org.apache.kafka.common.replica.RackAwareReplicaSelector"
#define TEXT_ROW(name, field, standard, sentence)                                                  \
    {                                                                                              \
        .key = (name), .type = CONFIG_STRING, .offset = AT(field), .fallback = (standard),         \
        .help = (sentence)                                                                         \
    }
#define ENUM_ROW(name, field, choices, standard, sentence)                                         \
    {                                                                                              \
        .key = (name), .type = CONFIG_ENUM, .offset = AT(field), .values = (choices),              \
        .fallback = (standard), .help = (sentence)                                                 \
    }
#define BOOL_ROW(name, field, standard, sentence)                                                  \
    {                                                                                              \
        .key = (name), .type = CONFIG_BOOL, .offset = AT(field), .fallback = (standard),           \
        .help = (sentence)                                                                         \
    }

#define QUORUM_TIME_MS_MAX 3600000 /* of a time-out of the quorum's */
#define AS_HOURS (-2)              /* log.retention.ms and .minutes */

static const struct config_row rows[] = {
    INT_ROW("node.id", node_id, 0, INT32_MAX, "1", "this broker's number in its cluster"),
    INT_ROW("broker.id", node_id, 0, INT32_MAX, "1", "older name of node.id"),
    TEXT_ROW("cluster.id", cluster_id, "",
             "the cluster that a new directory joins; empty: a new one"),
    TEXT_ROW("log.dirs", log_dirs, "kiln-data", "the directory that holds all data; one"),
    TEXT_ROW("log.dir", log_dirs, "kiln-data", "older name of log.dirs"),
    TEXT_ROW("listeners", listeners, "PLAINTEXT://127.0.0.1:9092",
             "where clients connect: NAME://HOST:PORT, several with commas; port 0: any free one"),
    TEXT_ROW("advertised.listeners", advertised_listeners, "",
             "the addresses that clients of each listener are told; empty: where it listens"),
    TEXT_ROW("listener.security.protocol.map", listener_security_protocol_map,
             "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL",
             "what each listener speaks: NAME:PROTOCOL; only PLAINTEXT is served yet"),
    TEXT_ROW("process.roles", process_roles, "broker,controller",
             "what this node is: broker, controller, or both with a comma"),
    TEXT_ROW("controller.quorum.voters", controller_quorum_voters, "",
             "who votes in the metadata quorum: ID@HOST:PORT with commas; empty: this node alone"),
    TEXT_ROW("controller.quorum.bootstrap.servers", controller_quorum_bootstrap_servers, "",
             "where a quorum is whose voters its own log names; only one address, which is this "
             "node's, and is passed over"),
    TEXT_ROW("controller.listener.names", controller_listener_names, "CONTROLLER",
             "listeners of the metadata quorum: who votes alone needs none, and passes over them"),
    INT_ROW("controller.quorum.election.timeout.ms", controller_quorum_election_timeout_ms, 1,
            QUORUM_TIME_MS_MAX, "1000",
            "how long votes are waited for, up to twice that by chance, before they are asked for "
            "anew"),
    INT_ROW("controller.quorum.election.backoff.max.ms", controller_quorum_election_backoff_max_ms,
            1, QUORUM_TIME_MS_MAX, "1000", "the longest pause after an election that was lost"),
    INT_ROW("controller.quorum.fetch.timeout.ms", controller_quorum_fetch_timeout_ms, 1,
            QUORUM_TIME_MS_MAX, "2000",
            "how long a voter waits for its leader before it asks for votes, and a leader for a "
            "majority before it resigns (1.5 times that)"),
    INT_ROW("controller.quorum.request.timeout.ms", controller_quorum_request_timeout_ms, 1,
            QUORUM_TIME_MS_MAX, "2000", "how long one voter waits for another's answer"),
    INT_ROW("controller.quorum.retry.backoff.ms", controller_quorum_retry_backoff_ms, 1,
            QUORUM_TIME_MS_MAX, "20", "the pause before a request that failed is sent again"),
    INT_ROW("controller.quorum.fetch.max.bytes", controller_quorum_fetch_max_bytes, 1, 1 << 29,
            "1048576", "bytes of the metadata log in one answer, unless one batch alone is larger"),
    INT_ROW("controller.quorum.fetch.snapshot.max.bytes",
            controller_quorum_fetch_snapshot_max_bytes, 1, 1 << 29, "1048576",
            "bytes of a snapshot of the metadata in one answer"),
    TEXT_ROW("inter.broker.listener.name", inter_broker_listener_name, "",
             "the listener for other brokers; it must be one of listeners"),
    TEXT_ROW("broker.rack", broker_rack, "",
             "the rack that this broker stands in; replicas are spread over racks"),
    ENUM_ROW("replica.selector.class", replica_selector, BROKER_SELECTORS, BROKER_SELECTOR_LEADER,
             "which replica a consumer with a client.rack is sent to"),
    INT_ROW("broker.heartbeat.interval.ms", broker_heartbeat_interval_ms, 1, INT32_MAX, "2000",
            "how often a broker of a cluster tells its controller that it is there"),
    INT_ROW("broker.session.timeout.ms", broker_session_timeout_ms, 1, INT32_MAX, "9000",
            "a broker that has not been heard of for so long is fenced, and others lead"),
    INT_ROW("initial.broker.registration.timeout.ms", initial_broker_registration_timeout_ms, 1,
            INT32_MAX, "60000", "how long a broker that starts waits until it is registered"),
    INT_ROW("replica.fetch.wait.max.ms", replica_fetch_wait_max_ms, 0, 3600000, "500",
            "how long a leader may wait for records before it answers a replica"),
    INT_ROW("replica.fetch.min.bytes", replica_fetch_min_bytes, 0, INT32_MAX, "1",
            "bytes for which it need not wait"),
    INT_ROW("replica.fetch.max.bytes", replica_fetch_max_bytes, 0, INT32_MAX, "1048576",
            "bytes of one partition in its answer, unless one batch alone is larger"),
    INT_ROW("replica.fetch.response.max.bytes", replica_fetch_response_max_bytes, 0, INT32_MAX,
            "10485760", "bytes of all its answer, unless one batch alone is larger"),
    INT_ROW("replica.fetch.backoff.ms", replica_fetch_backoff_ms, 0, INT32_MAX, "1000",
            "the pause before a partition is asked for again that could not be had"),
    INT_ROW("replica.read.ahead.bytes", replica_read_ahead_bytes, 0, INT32_MAX, "8388608",
            "bytes of one partition that a replica reads before its disk has synced them"),
    INT_ROW("replica.socket.timeout.ms", replica_socket_timeout_ms, 1, INT32_MAX, "30000",
            "how long a replica waits for its leader's answer"),
    INT_ROW("num.replica.fetchers", num_replica_fetchers, 1, INT32_MAX, "1",
            "kiln has one for each leader, whatever stands here"),
    ENUM_ROW("flush.policy", flush_policy, "ack|os", "ack",
             "ack: acknowledged means synced; os: it means in the page cache, as in Kafka"),
    BOOL_ROW("auto.create.topics.enable", auto_create_topics_enable, "true",
             "topics are made when a client first asks for them"),
    INT_ROW("num.partitions", num_partitions, 1, METADATA_RECORDS_MAX / 2, "1",
            "partitions of a topic for which nobody said how many"),
    INT_ROW("default.replication.factor", default_replication_factor, 1, INT16_MAX, "1",
            "replicas of a topic for which nobody said how many; one broker alone has one"),
    INT_ROW("min.insync.replicas", min_insync_replicas, 1, INT32_MAX, "1",
            "replicas that must have a record before acks=all is answered"),
    BOOL_ROW("unclean.leader.election.enable", unclean_leader_election_enable, "false",
             "whether a replica that lacks records may lead when no other one can"),
    INT_ROW("replica.lag.time.max.ms", replica_lag_time_max_ms, 1, 3600000, "30000",
            "how long a replica may lag behind its leader and stay in sync"),
    INT_ROW("log.segment.bytes", log_segment_bytes, 1024, INT32_MAX, "1073741824",
            "bytes of a segment before the next one begins"),
    INT_ROW("log.roll.ms", log_roll_ms, 1, INT64_MAX, "604800000",
            "age of a segment before the next one begins"),
    INT_ROW("log.index.size.max.bytes", log_index_size_max_bytes, 1024, INT32_MAX, "10485760",
            "bytes of an index before the next segment begins"),
    INT_ROW("log.index.interval.bytes", log_index_interval_bytes, 0, INT32_MAX, "4096",
            "bytes of log between two entries of its offset index"),
    INT_ROW("log.retention.ms", log_retention_ms, AS_HOURS, INT64_MAX, "-2",
            "age beyond which old segments go; -1: never; -2: as log.retention.minutes says"),
    INT_ROW("log.retention.minutes", log_retention_minutes, AS_HOURS, INT32_MAX, "-2",
            "the same in minutes; -1: never; -2: as log.retention.hours says"),
    INT_ROW("log.retention.hours", log_retention_hours, -1, INT32_MAX, "336",
            "the same in hours; -1: never"),
    INT_ROW("log.retention.bytes", log_retention_bytes, -1, INT64_MAX, "-1",
            "bytes of a partition beyond which old segments go; -1: no bound"),
    INT_ROW("log.retention.check.interval.ms", log_retention_check_interval_ms, 1, INT64_MAX,
            "300000", "how often old segments are looked for"),
    INT_ROW("log.segment.delete.delay.ms", log_segment_delete_delay_ms, 0, INT64_MAX, "60000",
            "how long a deleted segment's files stay"),
    INT_ROW("message.max.bytes", message_max_bytes, 0, INT32_MAX, "1048588",
            "bytes of the largest batch"),
    ENUM_ROW("compression.type", compression_type, METADATA_COMPRESSION_TYPES, "producer",
             "how batches are stored; producer: as their producer compressed them"),
    ENUM_ROW("compression.gzip.level", compression_gzip_level, "-1|1|2|3|4|5|6|7|8|9", "-1",
             "how hard gzip works when the broker compresses; -1: gzip's own choice"),
    INT_ROW("compression.lz4.level", compression_lz4_level, 1, 17, "9", "the same for lz4"),
    INT_ROW("compression.zstd.level", compression_zstd_level, -131072, 22, "3",
            "the same for zstd"),
    ENUM_ROW("log.cleanup.policy", log_cleanup_policy, "delete", "delete",
             "what becomes of old segments; kiln does not compact yet"),
    INT_ROW("log.message.timestamp.after.max.ms", log_message_timestamp_after_max_ms, 0, INT64_MAX,
            "3600000", "how far ahead of the broker's clock a record's timestamp may be"),
    INT_ROW("log.message.timestamp.before.max.ms", log_message_timestamp_before_max_ms, 0,
            INT64_MAX, "9223372036854775807", "how far behind it"),
    ENUM_ROW("log.message.timestamp.type", log_message_timestamp_type, "CreateTime|LogAppendTime",
             "CreateTime", "whose clock a record's timestamp is"),
    INT_ROW("producer.id.expiration.ms", producer_id_expiration_ms, 1, INT32_MAX, "86400000",
            "how long an idle producer is remembered"),
    ENUM_ROW("log.files.readable.by", log_files_readable_by, "owner|group|all", "group",
             "who may read new files: 0600, 0640 or 0644, and directories 0700, 0750 or 0755"),
    INT_ROW("log.dir.slow.ms", log_dir_slow_ms, 1, 60000, "20",
            "a sync or write that takes longer makes the disk slow: appends then wait in threads"),
    INT_ROW("log.open.files.max", log_open_files_max, 16, 1 << 20, "512",
            "segment files and indexes that are kept open"),
    INT_ROW("log.checkpoint.bytes", log_checkpoint_bytes, 4096, INT64_MAX, "67108864",
            "a recovery point is written after so many synced bytes"),
    INT_ROW("log.checkpoint.ms", log_checkpoint_ms, 1, INT64_MAX, "1000", "or after so long"),
    INT_ROW("log.flush.interval.bytes", log_flush_interval_bytes, 4096, INT64_MAX, "1073741824",
            "with flush.policy = os, what was written is synced after so many bytes"),
    INT_ROW("log.flush.interval.ms", log_flush_interval_ms, 1, INT64_MAX, "10000",
            "or after so long"),
    INT_ROW("metadata.log.max.record.bytes.between.snapshots", metadata_snapshot_bytes, 1,
            INT64_MAX, "20971520", "the metadata get another snapshot after so many bytes"),
    INT_ROW("max.connections", max_connections, 1, INT32_MAX, "10000",
            "connections at once; further ones wait to be accepted"),
    INT_ROW("connections.max.idle.ms", connections_max_idle_ms, -1, INT64_MAX, "600000",
            "a connection without a byte for so long is closed; -1: never"),
    INT_ROW("socket.request.max.bytes", socket_request_max_bytes, 1024, 1 << 30, "104857600",
            "bytes of the largest request"),
    INT_ROW("queued.max.request.bytes", queued_max_request_bytes, 1 << 20, INT64_MAX, "1073741824",
            "bytes of all requests that are being received or answered; beyond it nothing more is "
            "received until there is room, and nobody is closed for it"),
    INT_ROW("fetch.max.bytes", fetch_max_bytes, 1024, 1 << 29, "57671680",
            "bytes of the largest answer to a fetch, unless one batch alone is larger"),
    INT_ROW("max.incremental.fetch.session.cache.slots", max_incremental_fetch_session_cache_slots,
            0, INT32_MAX, "1000",
            "fetch sessions at once; who gets none names all partitions in each fetch"),
};

const struct config_table broker_config_table = {
    .rows = rows, .count = COUNT_OF(rows), .given_offset = AT(given)};

/* Families and single keys of Kafka 4.3 (kafka-broker-configs.txt) that kiln does not have. */
static const char *const foreign[] = {
    "add.partitions.to.txn.*",
    "alter.config.policy.*",
    "alter.log.dirs.*",
    "auto.leader.rebalance.enable",
    "background.threads",
    "client.quota.callback.class",
    "config.providers*",
    "connection.failed.*",
    "connections.max.reauth.ms",
    "controlled.shutdown.*",
    "controller.*",
    "cordoned.log.dirs",
    "create.topic.policy.*",
    "delegation.token.*",
    "delete.records.purgatory.*",
    "delete.topic.enable",
    "early.start.listeners",
    "fetch.purgatory.*",
    "follower.fetch.*",
    "group.*",
    "inter.broker.*",
    "internal.*",
    "kafka.metrics.*",
    "leader.imbalance.*",
    "listener.*",
    "log.cleaner.*",
    "log.dir.failure.timeout.ms",
    "log.flush.interval.messages",
    "log.flush.offset.*",
    "log.flush.scheduler.*",
    "log.flush.start.*",
    "log.initial.task.delay.ms",
    "log.local.retention.*",
    "log.preallocate",
    "log.roll.hours",
    "log.roll.jitter.*",
    "max.connection.creation.rate",
    "max.connections.per.ip*",
    "max.request.partition.size.limit",
    "metadata.*",
    "metric.reporters",
    "metrics.*",
    "num.io.threads",
    "num.network.threads",
    "num.recovery.threads.*",
    "num.replica.alter.*",
    "offset.metadata.max.bytes",
    "offsets.*",
    "principal.builder.class",
    "producer.id.expiration.check.interval.ms",
    "producer.purgatory.*",
    "queued.max.requests",
    "quota.*",
    "remote.*",
    "replica.high.watermark.*",
    "replica.socket.receive.*",
    "replication.quota.*",
    "request.timeout.ms",
    "security.*",
    "server.max.startup.time.ms",
    "share.*",
    "socket.connection.setup.*",
    "socket.listen.backlog.size",
    "socket.receive.buffer.bytes",
    "socket.send.buffer.bytes",
    "telemetry.*",
    "transaction.*",
    "transactional.*",
    "unclean.leader.election.interval.ms",
    "unstable.*",
    "zookeeper.*",
};

/* What protects a broker of Kafka's, and is not there yet. harmless: the value with which the key
 * asks for nothing. */
static const struct guard {
    const char *pattern, *harmless;
} guards[] = {
    {"authorizer.*", ""},        {"sasl.*", ""}, {"security.inter.broker.protocol", "PLAINTEXT"},
    {"ssl.client.auth", "none"}, {"ssl.*", ""},  {"super.users", ""},
};

/* A pattern is a key, or with a star at its end the beginning of some. */
static bool matches(const char *key, const char *pattern)
{
    size_t size = strlen(pattern);
    bool family = pattern[size - 1] == '*';
    return family ? strncmp(key, pattern, size - 1) == 0 : strcmp(key, pattern) == 0;
}

/* A listener's own form of one: "listener.name.outside.ssl.keystore.location". */
static bool is_listeners_guard(const char *key)
{
    bool own = matches(key, "listener.name.*");
    return own && (strstr(key, ".ssl.") != NULL || strstr(key, ".sasl.") != NULL);
}

static bool weakens(const char *key, struct bytes value)
{
    if (value.size == 0)
        return false;
    for (int i = 0; i < COUNT_OF(guards); i++) {
        if (matches(key, guards[i].pattern))
            return !bytes_equal(value, bytes_text(guards[i].harmless));
    }
    return is_listeners_guard(key);
}

static bool is_guard(const char *key)
{
    for (int i = 0; i < COUNT_OF(guards); i++) {
        if (matches(key, guards[i].pattern))
            return true;
    }
    return is_listeners_guard(key);
}

static bool is_foreign(const char *key)
{
    for (int i = 0; i < COUNT_OF(foreign); i++) {
        if (matches(key, foreign[i]))
            return true;
    }
    return false;
}

enum broker_config_verdict broker_config_judge(const char *key, struct bytes value,
                                               struct errmsg *msg)
{
    if (weakens(key, value)) {
        errmsg_set(msg, ERR_INVALID,
                   "%s asks for protection that kiln does not serve yet: there are no TLS, no "
                   "SASL and no ACLs, and without them whoever reaches the port may read and "
                   "write. Take the key out if that is what you want",
                   key);
        return BROKER_CONFIG_WEAKENS;
    }
    if (is_guard(key) || is_foreign(key)) {
        errmsg_set(msg, ERR_NOTFOUND,
                   "%s is a key of Kafka's that kiln does not have; it is passed over", key);
        return BROKER_CONFIG_FOREIGN;
    }
    const char *nearest = config_nearest(&broker_config_table, key);
    if (nearest == NULL)
        errmsg_set(msg, ERR_NOTFOUND, "there is no key \"%s\"; it is passed over", key);
    else
        errmsg_set(msg, ERR_NOTFOUND,
                   "there is no key \"%s\"; it is passed over. Did you mean \"%s\"?", key, nearest);
    return BROKER_CONFIG_UNKNOWN;
}

int64_t broker_config_retention_ms(const struct broker_config *config)
{
    if (config->log_retention_ms != AS_HOURS)
        return config->log_retention_ms;
    if (config->log_retention_minutes != AS_HOURS)
        return config->log_retention_minutes < 0 ? -1 : config->log_retention_minutes * 60000;
    return config->log_retention_hours < 0 ? -1 : config->log_retention_hours * 3600000;
}

static void topic_defaults(const struct broker_config *config, struct metadata_topic_config *out)
{
    metadata_topic_config_init(out);
    out->segment_bytes = config->log_segment_bytes;
    out->segment_ms = config->log_roll_ms;
    out->segment_index_bytes = config->log_index_size_max_bytes;
    out->index_interval_bytes = config->log_index_interval_bytes;
    out->retention_ms = broker_config_retention_ms(config);
    out->retention_bytes = config->log_retention_bytes;
    out->file_delete_delay_ms = config->log_segment_delete_delay_ms;
    out->max_message_bytes = config->message_max_bytes;
    out->min_insync_replicas = config->min_insync_replicas;
    out->unclean_leader_election_enable = config->unclean_leader_election_enable;
    out->flush_policy = config->flush_policy;
    out->message_timestamp_before_max_ms = config->log_message_timestamp_before_max_ms;
    out->message_timestamp_after_max_ms = config->log_message_timestamp_after_max_ms;
    out->message_timestamp_type = config->log_message_timestamp_type;
    out->compression_type = config->compression_type;
    /* The first choice is -1. */
    int32_t gzip_level = config->compression_gzip_level;
    out->compression_gzip_level = gzip_level == 0 ? -1 : gzip_level;
    out->compression_lz4_level = config->compression_lz4_level;
    out->compression_zstd_level = config->compression_zstd_level;
}

void broker_config_dynamic(const struct broker_config *config, struct metadata_broker_config *out)
{
    *out = (struct metadata_broker_config){
        .max_connections = config->max_connections,
        .producer_id_expiration_ms = config->producer_id_expiration_ms,
        .log_flush_interval_ms = config->log_flush_interval_ms,
    };
    topic_defaults(config, &out->topics);
}

/* Kafka's has no value where kiln's says so in a number or in an empty text. */
static const char *value_of(const struct config_row *row, const char *text)
{
    bool follows = strcmp(text, "-2") == 0 && strcmp(row->fallback, "-2") == 0;
    return follows || text[0] == 0 ? NULL : text;
}

static enum err describe_key(const struct broker_config *config, int index, struct arena *arena,
                             struct mem *mem, struct api_broker_key *out)
{
    const struct config_row *row = &rows[index];
    struct text text;
    text_init(&text, mem);
    config_print(row, config, &text);
    char *value = text.failed ? NULL : arena_alloc(arena, text.size + 1);
    if (value != NULL && text.size > 0)
        memcpy(value, text.data, text.size);
    text_free(&text);
    if (value == NULL)
        return ERR_NOMEM;
    *out = (struct api_broker_key){.name = row->key,
                                   .value = value_of(row, value),
                                   .fallback = value_of(row, row->fallback),
                                   .given = config_given(&broker_config_table, config, index),
                                   .help = row->help};
    return ERR_NONE;
}

enum err broker_config_describe(const struct broker_config *config, struct arena *arena,
                                struct mem *mem, const struct api_broker_key **out)
{
    struct api_broker_key *keys =
        arena_alloc(arena, (size_t)metadata_broker_key_count * sizeof *keys);
    enum err e = keys == NULL ? ERR_NOMEM : ERR_NONE;
    for (int i = 0; i < COUNT_OF(rows) && e == ERR_NONE; i++) {
        const struct metadata_broker_key *key = metadata_broker_key(bytes_text(rows[i].key));
        ASSERT(key != NULL);
        e = describe_key(config, i, arena, mem, &keys[key - metadata_broker_keys]);
    }
    *out = keys;
    return e;
}

/* The one that counts. */
static const char *retention_key(const struct broker_config *config)
{
    if (config->log_retention_ms != AS_HOURS)
        return "log.retention.ms";
    return config->log_retention_minutes != AS_HOURS ? "log.retention.minutes"
                                                     : "log.retention.hours";
}

/* As Kafka requires it (KafkaConfig.validateValues). */
static enum err check_replica_times(const struct broker_config *config, struct errmsg *msg)
{
    const struct {
        const char *key;
        int64_t ms;
    } limits[] = {{"replica.socket.timeout.ms", config->replica_socket_timeout_ms},
                  {"replica.lag.time.max.ms", config->replica_lag_time_max_ms}};
    for (int i = 0; i < COUNT_OF(limits); i++) {
        if (config->replica_fetch_wait_max_ms > limits[i].ms)
            return errmsg_set(msg, ERR_INVALID,
                              "replica.fetch.wait.max.ms: %lld is more than %s, which is %lld",
                              (long long)config->replica_fetch_wait_max_ms, limits[i].key,
                              (long long)limits[i].ms);
    }
    return ERR_NONE;
}

enum err broker_config_check(const struct broker_config *config, struct errmsg *msg)
{
    struct listener_list listeners;
    enum err e = broker_listeners_parse(config, false, &listeners, msg);
    if (e == ERR_NONE)
        e = broker_members_check(config, &listeners, msg);
    if (e == ERR_NONE)
        e = check_replica_times(config, msg);
    if (e != ERR_NONE)
        return e;
    if (config->log_dirs[0] == 0 || strchr(config->log_dirs, ',') != NULL)
        return errmsg_set(msg, ERR_INVALID, "log.dirs: \"%s\" must be one directory",
                          config->log_dirs);
    if (strlen(config->log_dirs) >= ENV_PATH_MAX - METADATA_TOPIC_NAME_MAX - 64)
        return errmsg_set(msg, ERR_INVALID, "log.dirs: the path is longer than %d bytes",
                          ENV_PATH_MAX - METADATA_TOPIC_NAME_MAX - 64);
    if (broker_config_retention_ms(config) == 0)
        return errmsg_set(
            msg, ERR_INVALID,
            "%s: 0 would delete the records of every topic at once; -1 keeps them for "
            "ever, and one topic alone may have retention.ms=0",
            retention_key(config));
    return ERR_NONE;
}
