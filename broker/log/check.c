/* check.c - what a client sent, before it may become part of a log: every record is looked at, as
 * Kafka 4.3.1's LogValidator does, and what the head says is made true or refused. Pure: may run
 * away from the loop. */
#include "log/internal.h"

static void refuse(struct log_check *c, int16_t code, const char *format, ...) PRINTF_LIKE(3, 4);

static void refuse(struct log_check *c, int16_t code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    errmsg_vset(&c->why, format, args);
    va_end(args);
    c->code = code;
}

void log_check_head(struct log_check *c)
{
    const struct wire_batch *b = &c->batch;
    ASSERT(c->in.size == (size_t)b->size);
    if (b->base_offset != 0)
        refuse(c, WIRE_ERROR_INVALID_RECORD, "the batch's base offset is %lld and not 0",
               (long long)b->base_offset);
    else if (b->size > c->config->max_message_bytes)
        refuse(c, WIRE_ERROR_MESSAGE_TOO_LARGE,
               "the batch has %d bytes, which is more than max.message.bytes (%lld)", b->size,
               (long long)c->config->max_message_bytes);
    else if (wire_batch_verify(b, c->in.data, NULL) != ERR_NONE)
        refuse(c, WIRE_ERROR_CORRUPT_MESSAGE, "the CRC of the batch is wrong");
    else if (wire_batch_codec(b) >= WIRE_CODEC_COUNT)
        refuse(c, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "there is no codec %d", wire_batch_codec(b));
    else if (b->last_offset_delta < 0 || b->record_count <= 0 ||
             b->record_count != (int64_t)b->last_offset_delta + 1)
        refuse(c, WIRE_ERROR_INVALID_RECORD,
               "the batch says that it holds %d records at %lld offsets", b->record_count,
               (long long)b->last_offset_delta + 1);
    else if ((b->attributes & WIRE_BATCH_CONTROL) != 0)
        refuse(c, WIRE_ERROR_INVALID_RECORD, "clients may not write control records");
    else if (b->producer_id >= 0 && b->base_sequence < 0)
        refuse(c, WIRE_ERROR_INVALID_RECORD, "the batch has a producer id and the sequence %d",
               b->base_sequence);
}

/* As Kafka's validateTimestamp; a record may have none: -1. */
static bool timestamp_allowed(const struct log_check *c, int64_t timestamp)
{
    if (c->config->log_append_time || timestamp == LOG_NO_TIMESTAMP)
        return !c->config->log_append_time ||
               (c->batch.attributes & WIRE_BATCH_LOG_APPEND_TIME) == 0;
    int64_t age = c->now_ms - timestamp; /* may wrap around, as Java's does */
    return age <= c->config->timestamp_before_max_ms && -age <= c->config->timestamp_after_max_ms;
}

static void note_error(struct log_check *c, const struct wire_walked *r, bool timestamp)
{
    if (c->error_count < LOG_RECORD_ERRORS_MAX)
        c->errors[c->error_count] = (struct log_record_error){
            .index = r->index, .timestamp_ms = r->timestamp_ms, .timestamp = timestamp};
    c->error_count = MIN(c->error_count + 1, LOG_RECORD_ERRORS_MAX);
}

/* The walk ended with e at the record w->index; behind the last when that is not to blame. */
static void refuse_walk(struct log_check *c, const struct wire_walk *w, enum err e,
                        const struct errmsg *msg)
{
    struct wire_walked at = {.index = w->index};
    switch (e) {
    case ERR_RANGE:
        c->unfinished = true;
        return;
    case ERR_CORRUPT:
        c->error_count = 0;
        if (w->index < c->batch.record_count)
            note_error(c, &at, false);
        refuse(c, WIRE_ERROR_INVALID_RECORD, "%s", msg->text);
        return;
    case ERR_LIMIT:
        refuse(c, WIRE_ERROR_MESSAGE_TOO_LARGE, "%s", msg->text);
        return;
    case ERR_NOMEM:
        refuse(c, WIRE_ERROR_KAFKA_STORAGE_ERROR, "the broker is out of memory");
        return;
    default:
        refuse(c, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the batch cannot be decompressed: %s",
               msg->text);
        return;
    }
}

static enum err walk(struct log_check *c, struct wire_walk *w, struct errmsg *msg)
{
    for (int32_t i = 0; i < c->batch.record_count; i++) {
        struct wire_walked record;
        enum err e = wire_walk_next(w, &record, msg);
        if (e != ERR_NONE)
            return e;
        if (!timestamp_allowed(c, record.timestamp_ms))
            note_error(c, &record, true);
        c->max_timestamp = MAX(c->max_timestamp, record.timestamp_ms);
        c->renumber |= record.offset_delta != i;
    }
    c->content_size = wire_walk_size(w);
    return ERR_NONE;
}

/* Whether it is written anew, and how. */
static void decide(struct log_check *c)
{
    enum wire_codec from = wire_batch_codec(&c->batch);
    enum wire_codec to = c->config->recode ? c->config->codec : from;
    c->recode = to != from || c->renumber;
    c->how = (struct wire_recode){.codec = to,
                                  .level = c->config->recode ? c->config->codec_level : 0,
                                  .renumber = c->renumber,
                                  .content_size = c->content_size};
    if (c->renumber && to == from && to != WIRE_CODEC_NONE) /* as Kafka, which cannot do it then */
        refuse(c, WIRE_ERROR_UNKNOWN_SERVER_ERROR,
               "the offsets of the records in a compressed batch must be 0, 1, 2 and so on");
    else if (c->recode && c->content_size > LOG_RECODE_MAX)
        refuse(c, WIRE_ERROR_MESSAGE_TOO_LARGE,
               "the batch would have to be written anew, and %llu bytes of records are too many "
               "for that",
               (unsigned long long)c->content_size);
}

void log_check_records(struct log_check *c, struct mem *mem)
{
    struct wire_walk w;
    struct errmsg msg;
    ASSERT(c->code == WIRE_ERROR_NONE);
    errmsg_clear(&msg);
    c->unfinished = c->renumber = false;
    c->error_count = 0;
    c->max_timestamp = LOG_NO_TIMESTAMP;
    enum err e = wire_walk_begin(&w, mem, &c->batch, c->in, c->content_max, &msg);
    if (e == ERR_NONE) {
        e = walk(c, &w, &msg);
        wire_walk_end(&w);
    }
    if (e != ERR_NONE)
        refuse_walk(c, &w, e, &msg);
    else if (c->error_count > 0)
        refuse(c, WIRE_ERROR_INVALID_TIMESTAMP,
               "One or more records have been rejected due to invalid timestamp");
    else
        decide(c);
}

void log_check_recode(struct log_check *c, struct mem *mem, uint8_t *out, size_t cap)
{
    ASSERT(c->recode);
    enum err e = wire_batch_recode(&c->batch, c->in, &c->how, mem, out, cap, &c->made_size);
    if (e == ERR_NOMEM)
        refuse(c, WIRE_ERROR_KAFKA_STORAGE_ERROR, "the broker is out of memory");
    else if (e == ERR_LIMIT || (int64_t)c->made_size > c->config->max_message_bytes)
        refuse(c, WIRE_ERROR_MESSAGE_TOO_LARGE,
               "written as compression.type wants it the batch is larger than max.message.bytes "
               "(%lld)",
               (long long)c->config->max_message_bytes);
    else if (e != ERR_NONE)
        refuse(c, WIRE_ERROR_UNKNOWN_SERVER_ERROR, "the batch cannot be written anew");
}

size_t log_check_room(const struct log_check *c)
{
    size_t content = MIN((size_t)c->content_size, (size_t)WIRE_DECODED_MAX);
    if (c->renumber)
        content += (size_t)c->batch.record_count * 2 * WIRE_VARINT_MAX;
    size_t most = WIRE_BATCH_HEAD + wire_codec_bound(c->how.codec, content);
    return MIN(most, (size_t)c->config->max_message_bytes + WIRE_RECODE_SLACK);
}
