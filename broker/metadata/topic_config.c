/* topic_config.c - what may be set for a topic, and what a topic may be called. Pure. */
#include "metadata/metadata.h"

#define INT_ROW(name, field, low, high, standard, sentence)                                        \
    {                                                                                              \
        .key = (name), .type = CONFIG_INT,                                                         \
        .offset = offsetof(struct metadata_topic_config, field), .min = (low), .max = (high),      \
        .fallback = (standard), .help = (sentence)                                                 \
    }
#define ENUM_ROW(name, field, choices, standard, sentence)                                         \
    {                                                                                              \
        .key = (name), .type = CONFIG_ENUM,                                                        \
        .offset = offsetof(struct metadata_topic_config, field), .values = (choices),              \
        .fallback = (standard), .help = (sentence)                                                 \
    }
#define BOOL_ROW(name, field, standard, sentence)                                                  \
    {                                                                                              \
        .key = (name), .type = CONFIG_BOOL,                                                        \
        .offset = offsetof(struct metadata_topic_config, field), .fallback = (standard),           \
        .help = (sentence)                                                                         \
    }

/* By key, as Kafka lists them; the answer to CreateTopics has this order. */
static const struct config_row rows[] = {
    ENUM_ROW("cleanup.policy", cleanup_policy, "delete", "delete",
             "what becomes of old segments; kiln does not compact yet"),
    ENUM_ROW("compression.type", compression_type, "producer", "producer",
             "batches keep the codec that their producer chose"),
    INT_ROW("file.delete.delay.ms", file_delete_delay_ms, 0, INT64_MAX, "60000",
            "how long a deleted segment's files stay"),
    INT_ROW("index.interval.bytes", index_interval_bytes, 0, INT32_MAX, "4096",
            "bytes of log between two entries of its offset index"),
    INT_ROW("max.message.bytes", max_message_bytes, 0, INT32_MAX, "1048588",
            "bytes of the largest batch"),
    INT_ROW("message.timestamp.after.max.ms", message_timestamp_after_max_ms, 0, INT64_MAX,
            "3600000", "how far ahead of the broker's clock a record's timestamp may be"),
    INT_ROW("message.timestamp.before.max.ms", message_timestamp_before_max_ms, 0, INT64_MAX,
            "9223372036854775807", "how far behind it"),
    ENUM_ROW("message.timestamp.type", message_timestamp_type, "CreateTime|LogAppendTime",
             "CreateTime", "whose clock a record's timestamp is"),
    INT_ROW("min.insync.replicas", min_insync_replicas, 1, INT32_MAX, "1",
            "replicas that must have a record before acks=all is answered"),
    BOOL_ROW("preallocate", preallocate, "false", "no effect"),
    INT_ROW("retention.bytes", retention_bytes, -1, INT64_MAX, "-1",
            "bytes of a partition beyond which old segments go; -1: no bound"),
    INT_ROW("retention.ms", retention_ms, -1, INT64_MAX, "604800000",
            "age of records beyond which old segments go; -1: they stay"),
    INT_ROW("segment.bytes", segment_bytes, 1024, INT32_MAX, "1073741824",
            "bytes of a segment before the next one begins"),
    INT_ROW("segment.index.bytes", segment_index_bytes, 1024, INT32_MAX, "10485760",
            "bytes of an index before the next segment begins"),
    INT_ROW("segment.ms", segment_ms, 1, INT64_MAX, "604800000",
            "age of a segment before the next one begins"),
    BOOL_ROW("unclean.leader.election.enable", unclean_leader_election_enable, "false",
             "no effect with one broker"),
};

const struct config_table metadata_topic_table = {.rows = rows, .count = COUNT_OF(rows)};

struct log_config metadata_log_config(const struct metadata_topic_config *config,
                                      int64_t producer_id_expiration_ms)
{
    return (struct log_config){
        .segment_bytes = config->segment_bytes,
        .segment_ms = config->segment_ms,
        .segment_index_bytes = config->segment_index_bytes,
        .index_interval_bytes = config->index_interval_bytes,
        .retention_ms = config->retention_ms,
        .retention_bytes = config->retention_bytes,
        .file_delete_delay_ms = config->file_delete_delay_ms,
        .max_message_bytes = config->max_message_bytes,
        .log_append_time = config->message_timestamp_type == 1,
        .timestamp_before_max_ms = config->message_timestamp_before_max_ms,
        .timestamp_after_max_ms = config->message_timestamp_after_max_ms,
        .producer_id_expiration_ms = producer_id_expiration_ms,
    };
}

static bool name_byte(uint8_t c)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

const char *metadata_topic_name_fault(struct bytes name)
{
    if (name.size == 0)
        return "is empty";
    if (bytes_equal(name, bytes_text(".")) || bytes_equal(name, bytes_text("..")))
        return "is \".\" or \"..\"";
    if (name.size > METADATA_TOPIC_NAME_MAX)
        return "is longer than 249 characters";
    for (size_t i = 0; i < name.size; i++) {
        if (!name_byte(name.data[i]))
            return "has a character other than letters, digits, '.', '_' and '-'";
    }
    return NULL;
}
