/* topic_log.c - what the settings of a topic mean for the logs of its partitions. */
#include "node/internal.h"

/* Below these a log gains nothing and costs files: smaller values mean them. */
#define SEGMENT_BYTES_MIN 1024
#define SEGMENT_INDEX_BYTES_MIN 1024

/* METADATA_COMPRESSION_TYPES; what follows is the producer's choice. */
static const enum wire_codec codecs[] = {WIRE_CODEC_NONE, WIRE_CODEC_ZSTD, WIRE_CODEC_LZ4,
                                         WIRE_CODEC_SNAPPY, WIRE_CODEC_GZIP};

static int32_t level_of(const struct metadata_topic_config *config, enum wire_codec codec)
{
    switch (codec) {
    case WIRE_CODEC_GZIP:
        return (int32_t)config->compression_gzip_level;
    case WIRE_CODEC_LZ4:
        return (int32_t)config->compression_lz4_level;
    case WIRE_CODEC_ZSTD:
        return (int32_t)config->compression_zstd_level;
    case WIRE_CODEC_NONE:
    case WIRE_CODEC_SNAPPY:
    case WIRE_CODEC_COUNT:
        break;
    }
    return wire_codec_level_default(codec);
}

bool broker_flushes_os(const struct metadata_topic_config *config)
{
    return config->flush_policy != 0;
}

struct log_config broker_log_config(const struct metadata_topic_config *config,
                                    int64_t producer_id_expiration_ms)
{
    bool own = config->internal_segment_bytes != METADATA_NOT_SET;
    bool removes = (config->cleanup_policy & METADATA_POLICY_DELETE) != 0;
    bool recode = config->compression_type < COUNT_OF(codecs);
    enum wire_codec codec = recode ? codecs[config->compression_type] : WIRE_CODEC_NONE;
    return (struct log_config){
        .recode = recode,
        .codec = codec,
        .codec_level = level_of(config, codec),
        .segment_bytes =
            MAX(own ? config->internal_segment_bytes : config->segment_bytes, SEGMENT_BYTES_MIN),
        .always_sync = !broker_flushes_os(config),
        .segment_ms = config->segment_ms,
        .segment_index_bytes = MAX(config->segment_index_bytes, SEGMENT_INDEX_BYTES_MIN),
        .index_interval_bytes = config->index_interval_bytes,
        .retention_ms = removes ? MAX(config->retention_ms, -1) : -1,
        .retention_bytes = removes ? MAX(config->retention_bytes, -1) : -1,
        .file_delete_delay_ms = config->file_delete_delay_ms,
        .max_message_bytes = config->max_message_bytes,
        .log_append_time = config->message_timestamp_type == 1,
        .timestamp_before_max_ms = config->message_timestamp_before_max_ms,
        .timestamp_after_max_ms = config->message_timestamp_after_max_ms,
        .producer_id_expiration_ms = producer_id_expiration_ms,
        .dense = (config->cleanup_policy & METADATA_POLICY_COMPACT) == 0,
    };
}
