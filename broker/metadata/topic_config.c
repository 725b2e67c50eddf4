/* topic_config.c - what may be set for a topic, and what a topic may be called. Pure. */
#include "metadata/internal.h"

#define FIELD(name) (int32_t) offsetof(struct metadata_topic_config, name)
#define KEPT (-1) /* no effect here yet */
/* What it follows, and what it is for. */
#define ABOUT(key_of_broker, sentence) .broker = (key_of_broker), .help = (sentence)
#define LONG_ROW(key, at, low, standard, ...)                                                      \
    {                                                                                              \
        .name = (key), .type = METADATA_KEY_LONG, .offset = (at), .min = (low), .max = INT64_MAX,  \
        .fallback = (standard), __VA_ARGS__                                                        \
    }
#define INT_ROW(key, at, low, high, standard, ...)                                                 \
    {                                                                                              \
        .name = (key), .type = METADATA_KEY_INT, .offset = (at), .min = (low), .max = (high),      \
        .fallback = (standard), __VA_ARGS__                                                        \
    }
#define BOOL_ROW(key, at, ...)                                                                     \
    {                                                                                              \
        .name = (key), .type = METADATA_KEY_BOOL, .offset = (at), .fallback = "false", __VA_ARGS__ \
    }
#define WORD_ROW(key, at, choices, standard, ...)                                                  \
    {                                                                                              \
        .name = (key), .type = METADATA_KEY_WORD, .offset = (at), .words = (choices),              \
        .fallback = (standard), __VA_ARGS__                                                        \
    }
#define REPLICAS_ROW(key, ...)                                                                     \
    {                                                                                              \
        .name = (key), .type = METADATA_KEY_REPLICAS, .offset = KEPT, .fallback = "", __VA_ARGS__  \
    }
#define FOREVER "9223372036854775807"

const struct metadata_key metadata_topic_keys[] = {
    {.name = "cleanup.policy",
     .type = METADATA_KEY_POLICY,
     .offset = FIELD(cleanup_policy),
     .fallback = "delete",
     ABOUT("log.cleanup.policy", "what becomes of old segments: delete removes them, compact keeps "
                                 "the last record of each key")},
    INT_ROW("compression.gzip.level", FIELD(compression_gzip_level), 1, 9, "-1",
            ABOUT("compression.gzip.level",
                  "how hard gzip works when the broker compresses; -1: gzip's own choice")),
    INT_ROW("compression.lz4.level", FIELD(compression_lz4_level), 1, 17, "9",
            ABOUT("compression.lz4.level", "how hard lz4 works when the broker compresses")),
    WORD_ROW("compression.type", FIELD(compression_type), METADATA_COMPRESSION_TYPES, "producer",
             ABOUT("compression.type",
                   "how batches are stored; producer: as their producer compressed them")),
    INT_ROW("compression.zstd.level", FIELD(compression_zstd_level), -131072, 22, "3",
            ABOUT("compression.zstd.level", "how hard zstd works when the broker compresses")),
    LONG_ROW("delete.retention.ms", KEPT, 0, "86400000",
             ABOUT("log.cleaner.delete.retention.ms",
                   "how long compaction keeps the mark of a deleted key")),
    LONG_ROW("file.delete.delay.ms", FIELD(file_delete_delay_ms), 0, "60000",
             ABOUT("log.segment.delete.delay.ms", "how long a deleted segment's files stay")),
    LONG_ROW("flush.messages", FIELD(flush_messages), 1, FOREVER,
             ABOUT("log.flush.interval.messages", "records after which the log is synced")),
    LONG_ROW("flush.ms", FIELD(flush_ms), 0, FOREVER,
             ABOUT(NULL, "time after which the log is synced")),
    REPLICAS_ROW(
        "follower.replication.throttled.replicas",
        ABOUT(NULL,
              "replicas whose copying is slowed down where they follow: PARTITION:BROKER, or *")),
    INT_ROW(
        "index.interval.bytes", FIELD(index_interval_bytes), 0, INT32_MAX, "4096",
        ABOUT("log.index.interval.bytes", "bytes of log between two entries of its offset index")),
    INT_ROW("internal.segment.bytes", FIELD(internal_segment_bytes), INT32_MIN, INT32_MAX, NULL,
            ABOUT(NULL, "takes the place of segment.bytes, in tests")),
    REPLICAS_ROW(
        "leader.replication.throttled.replicas",
        ABOUT(NULL,
              "replicas whose copying is slowed down where they lead: PARTITION:BROKER, or *")),
    LONG_ROW("local.retention.bytes", KEPT, -2, "-2",
             ABOUT("log.local.retention.bytes", "bytes of a partition that stay here when older "
                                                "segments are archived; -2: retention.bytes")),
    LONG_ROW("local.retention.ms", KEPT, -2, "-2",
             ABOUT("log.local.retention.ms",
                   "time for which segments stay here when they are archived; -2: retention.ms")),
    LONG_ROW("max.compaction.lag.ms", FIELD(max_compaction_lag_ms), 1, FOREVER,
             ABOUT("log.cleaner.max.compaction.lag.ms",
                   "age at which a record is compacted at the latest")),
    INT_ROW("max.message.bytes", FIELD(max_message_bytes), 0, INT32_MAX, "1048588",
            ABOUT("message.max.bytes", "bytes of the largest batch")),
    LONG_ROW("message.timestamp.after.max.ms", FIELD(message_timestamp_after_max_ms), 0, "3600000",
             ABOUT("log.message.timestamp.after.max.ms",
                   "how far ahead of the broker's clock a record's timestamp may be")),
    LONG_ROW("message.timestamp.before.max.ms", FIELD(message_timestamp_before_max_ms), 0, FOREVER,
             ABOUT("log.message.timestamp.before.max.ms",
                   "how far behind the broker's clock a record's timestamp may be")),
    WORD_ROW("message.timestamp.type", FIELD(message_timestamp_type), "CreateTime|LogAppendTime",
             "CreateTime",
             ABOUT("log.message.timestamp.type",
                   "whose clock a record's timestamp is: its producer's, or the broker's")),
    {.name = "min.cleanable.dirty.ratio",
     .type = METADATA_KEY_DOUBLE,
     .offset = KEPT,
     .fallback = "0.5",
     ABOUT("log.cleaner.min.cleanable.ratio",
           "share of a log that is not compacted yet from which on it is")},
    LONG_ROW("min.compaction.lag.ms", FIELD(min_compaction_lag_ms), 0, "0",
             ABOUT("log.cleaner.min.compaction.lag.ms",
                   "age at which a record is compacted at the earliest")),
    INT_ROW("min.insync.replicas", FIELD(min_insync_replicas), 1, INT32_MAX, "1",
            ABOUT("min.insync.replicas",
                  "replicas that must have a record before acks=all is answered")),
    BOOL_ROW(
        "preallocate", KEPT,
        ABOUT("log.preallocate", "whether a segment's file has its whole size from the start")),
    BOOL_ROW("remote.log.copy.disable", KEPT, ABOUT(NULL, "whether nothing more is archived")),
    BOOL_ROW("remote.log.delete.on.disable", KEPT,
             ABOUT(NULL, "whether what was archived goes when archiving ends")),
    BOOL_ROW("remote.storage.enable", FIELD(remote_storage_enable),
             ABOUT(NULL, "whether old segments are archived")),
    LONG_ROW("retention.bytes", FIELD(retention_bytes), INT64_MIN, "-1",
             ABOUT("log.retention.bytes",
                   "bytes of a partition beyond which old segments go; -1: no bound")),
    LONG_ROW("retention.ms", FIELD(retention_ms), -1, "1209600000",
             ABOUT("log.retention.ms", "age beyond which old segments go; -1: never")),
    INT_ROW("segment.bytes", FIELD(segment_bytes), 1 << 20, INT32_MAX, "1073741824",
            ABOUT("log.segment.bytes", "bytes of a segment before the next one begins")),
    INT_ROW("segment.index.bytes", FIELD(segment_index_bytes), 4, INT32_MAX, "10485760",
            ABOUT("log.index.size.max.bytes", "bytes of an index before the next segment begins")),
    LONG_ROW("segment.jitter.ms", KEPT, 0, "0",
             ABOUT(NULL, "random time by which a segment ends earlier than its age says")),
    LONG_ROW("segment.ms", FIELD(segment_ms), 1, "604800000",
             ABOUT("log.roll.ms", "age of a segment before the next one begins")),
    BOOL_ROW("unclean.leader.election.enable", FIELD(unclean_leader_election_enable),
             ABOUT("unclean.leader.election.enable",
                   "whether a replica that lacks records may lead when no other one can")),
};
const int metadata_topic_key_count = COUNT_OF(metadata_topic_keys);

const struct metadata_key metadata_own_keys[] = {
    WORD_ROW(
        "flush.policy", FIELD(flush_policy), "ack|os", "ack",
        ABOUT("flush.policy", "ack: acknowledged means synced; os: it means in the page cache")),
};
const int metadata_own_key_count = COUNT_OF(metadata_own_keys);

#define NEAR_MAX 4 /* edits; what is further away is no slip of the finger */

const struct metadata_key *metadata_topic_key(struct bytes name)
{
    for (int i = 0; i < metadata_topic_key_count; i++) {
        if (bytes_equal(name, bytes_text(metadata_topic_keys[i].name)))
            return &metadata_topic_keys[i];
    }
    for (int i = 0; i < metadata_own_key_count; i++) {
        if (bytes_equal(name, bytes_text(metadata_own_keys[i].name)))
            return &metadata_own_keys[i];
    }
    return NULL;
}

static enum err unknown_key(struct bytes name, struct errmsg *msg)
{
    const char *nearest = NULL;
    int best = NEAR_MAX + 1;
    char text[64] = {0};
    memcpy(text, name.data, MIN(name.size, sizeof text - 1));
    for (int i = 0; i < metadata_topic_key_count; i++) {
        int distance = text_distance(metadata_topic_keys[i].name, text);
        if (distance < best) {
            best = distance;
            nearest = metadata_topic_keys[i].name;
        }
    }
    return errmsg_set(msg, ERR_NOTFOUND, "Unknown topic config name: %.*s%s%s%s", (int)name.size,
                      (const char *)name.data, nearest == NULL ? "" : "; did you mean ",
                      nearest == NULL ? "" : nearest, nearest == NULL ? "" : "?");
}

static void set_field(struct metadata_topic_config *config, const struct metadata_key *key,
                      int64_t value)
{
    if (key->offset != KEPT)
        memcpy((uint8_t *)config + key->offset, &value, sizeof value);
}

void metadata_topic_config_init(struct metadata_topic_config *config)
{
    *config = (struct metadata_topic_config){.internal_segment_bytes = METADATA_NOT_SET};
    for (int i = 0; i < metadata_topic_key_count; i++) {
        const struct metadata_key *key = &metadata_topic_keys[i];
        int64_t value;
        if (key->fallback == NULL)
            continue;
        enum err e = metadata_topic_value(key, bytes_text(key->fallback), &value, NULL);
        ASSERT(e == ERR_NONE);
        set_field(config, key, value);
    }
}

enum err metadata_topic_config_set(struct metadata_topic_config *config, struct bytes name,
                                   struct bytes value, struct errmsg *msg)
{
    const struct metadata_key *key = metadata_topic_key(name);
    if (key == NULL)
        return unknown_key(name, msg);
    int64_t number;
    enum err e = metadata_topic_value(key, value, &number, msg);
    if (e == ERR_NONE)
        set_field(config, key, number);
    return e;
}

enum err metadata_topic_config_check(const struct metadata_topic_config *config, struct errmsg *msg)
{
    if (config->min_compaction_lag_ms > config->max_compaction_lag_ms)
        return errmsg_set(msg, ERR_INVALID,
                          "conflict topic config setting min.compaction.lag.ms (%lld) > "
                          "max.compaction.lag.ms (%lld)",
                          (long long)config->min_compaction_lag_ms,
                          (long long)config->max_compaction_lag_ms);
    if (config->remote_storage_enable != 0)
        return errmsg_set(msg, ERR_UNSUPPORTED,
                          "Tiered Storage functionality is disabled in the broker. Topic cannot be "
                          "configured with remote log storage.");
    if ((config->cleanup_policy & METADATA_POLICY_COMPACT) != 0)
        return errmsg_set(msg, ERR_UNSUPPORTED,
                          "cleanup.policy=compact is not served yet: this version of kiln removes "
                          "old segments whole; ask for cleanup.policy=delete");
    bool flushes = config->flush_messages != INT64_MAX || config->flush_ms != INT64_MAX;
    if (flushes && config->flush_policy != 0)
        return errmsg_set(
            msg, ERR_UNSUPPORTED,
            "flush.messages and flush.ms are not served yet where flush.policy is os; "
            "with flush.policy = ack every acknowledged record is on the disk");
    return ERR_NONE;
}

static const char *policy_text(int64_t bits)
{
    static const char *const texts[] = {
        "", [METADATA_POLICY_DELETE] = "delete", [METADATA_POLICY_COMPACT] = "compact",
        [METADATA_POLICY_DELETE | METADATA_POLICY_COMPACT] = "delete,compact"};
    ASSERT(bits >= 0);
    ASSERT(bits < COUNT_OF(texts));
    return texts[bits];
}

void metadata_config_print(const struct metadata_key *key, const void *config, struct text *out)
{
    int64_t value;
    if (key->offset == KEPT) {
        text_add(out, key->fallback, strlen(key->fallback));
        return;
    }
    memcpy(&value, (const uint8_t *)config + key->offset, sizeof value);
    if (key->type == METADATA_KEY_POLICY) {
        text_printf(out, "%s", policy_text(value));
    } else if (key->type == METADATA_KEY_BOOL) {
        text_printf(out, "%s", value != 0 ? "true" : "false");
    } else if (key->type == METADATA_KEY_WORD) {
        const char *at = key->words;
        for (; value > 0; value--)
            at += strcspn(at, "|") + 1;
        text_add(out, at, strcspn(at, "|"));
    } else {
        text_printf(out, "%lld", (long long)value);
    }
}

static bool name_byte(uint8_t c)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/* How long Java says that a text of UTF-8 is. */
static int java_length(struct bytes text)
{
    int length = 0;
    for (size_t i = 0; i < text.size; i++)
        length += ((text.data[i] & 0xc0) != 0x80) + (text.data[i] >= 0xf0);
    return length;
}

enum err metadata_topic_name_check(struct bytes name, struct errmsg *msg)
{
    const char *text = (const char *)name.data;
    int size = (int)name.size;
    if (size == 0)
        return errmsg_set(msg, ERR_INVALID,
                          "Topic name is invalid: the empty string is not allowed");
    if (bytes_equal(name, bytes_text(".")) || bytes_equal(name, bytes_text("..")))
        return errmsg_set(msg, ERR_INVALID, "Topic name is invalid: '%.*s' is not allowed", size,
                          text);
    if (java_length(name) > METADATA_TOPIC_NAME_MAX)
        return errmsg_set(msg, ERR_INVALID,
                          "Topic name is invalid: the length of '%.*s' is longer than the max "
                          "allowed length %d",
                          (int)text_cut(name, METADATA_TOPIC_NAME_MAX + 1), text,
                          METADATA_TOPIC_NAME_MAX);
    for (int i = 0; i < size; i++) {
        if (!name_byte(name.data[i]))
            return errmsg_set(msg, ERR_INVALID,
                              "Topic name is invalid: '%.*s' contains one or more characters other "
                              "than ASCII alphanumerics, '.', '_' and '-'",
                              size, text);
    }
    return ERR_NONE;
}
