/* batch.c - heads of record batches: read, checked, changed in place. By hand, because these are
 * the hot bytes. Compressed records pass through untouched. */
#include "wire/cursor.h"

/* Where the fields stand (protocol.md 6.1). */
enum {
    AT_BASE_OFFSET = 0,
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21, /* the CRC covers everything from here on */
    AT_LAST_OFFSET_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_MAX_TIMESTAMP = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_RECORD_COUNT = 57,
};

static void read_head(const uint8_t *p, struct wire_batch *out)
{
    *out = (struct wire_batch){
        .base_offset = get_i64(p + AT_BASE_OFFSET),
        .size = get_i32(p + AT_LENGTH) + WIRE_BATCH_PREFIX,
        .leader_epoch = get_i32(p + AT_LEADER_EPOCH),
        .magic = (int8_t)p[AT_MAGIC],
        .crc = get_u32(p + AT_CRC),
        .attributes = get_i16(p + AT_ATTRIBUTES),
        .last_offset_delta = get_i32(p + AT_LAST_OFFSET_DELTA),
        .base_timestamp = get_i64(p + AT_BASE_TIMESTAMP),
        .max_timestamp = get_i64(p + AT_MAX_TIMESTAMP),
        .producer_id = get_i64(p + AT_PRODUCER_ID),
        .producer_epoch = get_i16(p + AT_PRODUCER_EPOCH),
        .base_sequence = get_i32(p + AT_BASE_SEQUENCE),
        .record_count = get_i32(p + AT_RECORD_COUNT),
    };
}

static void write_head(uint8_t *p, const struct wire_batch *b)
{
    put_u64(p + AT_BASE_OFFSET, (uint64_t)b->base_offset);
    put_u32(p + AT_LENGTH, (uint32_t)(b->size - WIRE_BATCH_PREFIX));
    put_u32(p + AT_LEADER_EPOCH, (uint32_t)b->leader_epoch);
    p[AT_MAGIC] = WIRE_BATCH_MAGIC;
    put_u16(p + AT_ATTRIBUTES, (uint16_t)b->attributes);
    put_u32(p + AT_LAST_OFFSET_DELTA, (uint32_t)b->last_offset_delta);
    put_u64(p + AT_BASE_TIMESTAMP, (uint64_t)b->base_timestamp);
    put_u64(p + AT_MAX_TIMESTAMP, (uint64_t)b->max_timestamp);
    put_u64(p + AT_PRODUCER_ID, (uint64_t)b->producer_id);
    put_u16(p + AT_PRODUCER_EPOCH, (uint16_t)b->producer_epoch);
    put_u32(p + AT_BASE_SEQUENCE, (uint32_t)b->base_sequence);
    put_u32(p + AT_RECORD_COUNT, (uint32_t)b->record_count);
}

static uint32_t crc_of(const uint8_t *batch, int32_t size)
{
    return crc32c(0, batch + AT_ATTRIBUTES, (size_t)size - AT_ATTRIBUTES);
}

/* What can be said of the first bytes, however few they are. */
static enum err check_start(const uint8_t *p, size_t left, struct errmsg *msg)
{
    if (left > AT_MAGIC && p[AT_MAGIC] != WIRE_BATCH_MAGIC)
        return errmsg_set(msg, ERR_CORRUPT, "no record batch: magic %d, not %d",
                          (int8_t)p[AT_MAGIC], WIRE_BATCH_MAGIC);
    if (left < WIRE_BATCH_PREFIX)
        return ERR_NONE;
    int32_t length = get_i32(p + AT_LENGTH);
    if (length < WIRE_BATCH_HEAD - WIRE_BATCH_PREFIX || length > INT32_MAX - WIRE_BATCH_PREFIX)
        return errmsg_set(msg, ERR_CORRUPT, "no record batch: length %d", length);
    return ERR_NONE;
}

/* Compaction may leave fewer records than offsets, and none at all, but never more. */
static enum err check_counts(const struct wire_batch *b, struct errmsg *msg)
{
    if (b->last_offset_delta < 0)
        return errmsg_set(msg, ERR_CORRUPT, "last offset delta %d", b->last_offset_delta);
    if (b->base_offset > INT64_MAX - b->last_offset_delta)
        return errmsg_set(msg, ERR_CORRUPT, "base offset %lld", (long long)b->base_offset);
    if (b->record_count < 0 || b->record_count > (int64_t)b->last_offset_delta + 1)
        return errmsg_set(msg, ERR_CORRUPT, "%d records at %lld offsets", b->record_count,
                          (long long)b->last_offset_delta + 1);
    if (wire_batch_codec(b) >= WIRE_CODEC_COUNT)
        return errmsg_set(msg, ERR_CORRUPT, "codec %d", wire_batch_codec(b));
    if (wire_batch_codec(b) == WIRE_CODEC_NONE &&
        b->record_count > (b->size - WIRE_BATCH_HEAD) / WIRE_RECORD_MIN)
        return errmsg_set(msg, ERR_CORRUPT, "%d records in a batch of %d bytes", b->record_count,
                          b->size);
    return ERR_NONE;
}

enum wire_at wire_batch_at(struct bytes in, size_t at, struct wire_batch *out, struct errmsg *msg)
{
    ASSERT(at <= in.size);
    size_t left = in.size - at;
    if (left == 0)
        return WIRE_AT_END;
    const uint8_t *p = in.data + at;
    if (check_start(p, left, msg) != ERR_NONE)
        return WIRE_AT_CORRUPT;
    if (left < WIRE_BATCH_HEAD)
        return WIRE_AT_TORN;
    read_head(p, out);
    ASSERT(out->size >= WIRE_BATCH_HEAD);
    if (check_counts(out, msg) != ERR_NONE)
        return WIRE_AT_CORRUPT;
    return (size_t)out->size > left ? WIRE_AT_TORN : WIRE_AT_BATCH;
}

#define OLDEST_LENGTH 14 /* of a message of magic 0, the smallest */

enum wire_sent wire_batch_sent(struct bytes in, size_t at, struct wire_batch *out)
{
    ASSERT(at <= in.size);
    size_t left = in.size - at;
    if (left < WIRE_BATCH_PREFIX)
        return WIRE_SENT_NONE;
    const uint8_t *p = in.data + at;
    int32_t length = get_i32(p + AT_LENGTH);
    if (length < OLDEST_LENGTH)
        return WIRE_SENT_CORRUPT;
    if (left <= AT_MAGIC)
        return WIRE_SENT_NONE;
    int8_t magic = (int8_t)p[AT_MAGIC];
    if (magic < 0 || magic > WIRE_BATCH_MAGIC)
        return WIRE_SENT_CORRUPT;
    if ((size_t)length > left - WIRE_BATCH_PREFIX)
        return WIRE_SENT_NONE;
    if (magic < WIRE_BATCH_MAGIC)
        return WIRE_SENT_OLD;
    if (length < WIRE_BATCH_HEAD - WIRE_BATCH_PREFIX || length > INT32_MAX - WIRE_BATCH_PREFIX)
        return WIRE_SENT_CORRUPT;
    read_head(p, out);
    return WIRE_SENT_BATCH;
}

enum err wire_batch_verify(const struct wire_batch *b, const uint8_t *batch, struct errmsg *msg)
{
    ASSERT(b->size >= WIRE_BATCH_HEAD);
    uint32_t crc = crc_of(batch, b->size);
    if (crc != b->crc)
        return errmsg_set(msg, ERR_CORRUPT, "checksum %08x, but the batch says %08x", crc, b->crc);
    return ERR_NONE;
}

void wire_batch_set_offset(uint8_t *batch, int64_t base_offset)
{
    put_u64(batch + AT_BASE_OFFSET, (uint64_t)base_offset);
}

void wire_batch_set_leader_epoch(uint8_t *batch, int32_t leader_epoch)
{
    put_u32(batch + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void wire_batch_set_append_time(uint8_t *batch, int64_t timestamp_ms)
{
    int32_t size = get_i32(batch + AT_LENGTH) + WIRE_BATCH_PREFIX;
    ASSERT(size >= WIRE_BATCH_HEAD);
    uint16_t attributes = get_u16(batch + AT_ATTRIBUTES);
    put_u16(batch + AT_ATTRIBUTES, attributes | WIRE_BATCH_LOG_APPEND_TIME);
    put_u64(batch + AT_MAX_TIMESTAMP, (uint64_t)timestamp_ms);
    put_u32(batch + AT_CRC, crc_of(batch, size));
}

void wire_batch_set_timestamp(uint8_t *batch, bool append_time, int64_t max_timestamp_ms)
{
    int32_t size = get_i32(batch + AT_LENGTH) + WIRE_BATCH_PREFIX;
    ASSERT(size >= WIRE_BATCH_HEAD);
    uint16_t was = get_u16(batch + AT_ATTRIBUTES);
    uint16_t attributes = was & (uint16_t)~WIRE_BATCH_LOG_APPEND_TIME;
    attributes |= append_time ? WIRE_BATCH_LOG_APPEND_TIME : 0;
    if (attributes == was && get_i64(batch + AT_MAX_TIMESTAMP) == max_timestamp_ms)
        return;
    put_u16(batch + AT_ATTRIBUTES, attributes);
    put_u64(batch + AT_MAX_TIMESTAMP, (uint64_t)max_timestamp_ms);
    put_u32(batch + AT_CRC, crc_of(batch, size));
}

void wire_batch_write(uint8_t *batch, const struct wire_batch *b)
{
    ASSERT(b->size >= WIRE_BATCH_HEAD);
    write_head(batch, b);
    put_u32(batch + AT_CRC, crc_of(batch, b->size));
}

void wire_builder_finish(struct wire_builder *b, const struct wire_builder_head *head)
{
    ASSERT(b->record_count > 0);
    ASSERT((head->attributes & WIRE_BATCH_CODEC) == WIRE_CODEC_NONE);
    struct wire_batch batch = {
        .base_offset = head->base_offset,
        .size = (int32_t)b->size,
        .leader_epoch = head->leader_epoch,
        .attributes = (int16_t)(head->attributes | b->codec),
        .last_offset_delta = b->record_count - 1,
        .base_timestamp = b->base_timestamp,
        .max_timestamp = b->max_timestamp,
        .producer_id = head->producer_id,
        .producer_epoch = head->producer_epoch,
        .base_sequence = head->base_sequence,
        .record_count = b->record_count,
    };
    wire_batch_write(b->data, &batch);
}
