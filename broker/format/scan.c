/* scan.c - walks the batches of a file a piece at a time, and tells a torn tail from a hole. Pure;
 * runs away from the loop. */
#include "format/format.h"
#include <stdio.h>

#define CRC_FROM 21

/* The coordinator epoch in the value of a transaction's marker; -1 when it is none. */
static int32_t marker_epoch(struct wire_bytes value)
{
    return value.size >= 6 && value.data != NULL ? get_i32(value.data + 2) : -1;
}

static void note_marker(struct format_note *note, const struct wire_batch *batch,
                        const uint8_t *body)
{
    struct wire_records records;
    struct wire_record record;
    int16_t type;
    if (wire_records_begin(&records, batch, bytes_of(body, (size_t)batch->size), NULL) != ERR_NONE)
        return;
    if (records.left < 1 || wire_records_next(&records, &record, NULL) != ERR_NONE)
        return;
    if (wire_control_type(record.key, &type, NULL) != ERR_NONE)
        return;
    if (type != WIRE_CONTROL_ABORT && type != WIRE_CONTROL_COMMIT)
        return;
    note->marker = (int8_t)type;
    note->coordinator_epoch = marker_epoch(record.value);
}

struct format_note format_note_of(const struct wire_batch *batch, uint64_t position,
                                  const uint8_t *body)
{
    struct format_note note = {
        .base = batch->base_offset,
        .last = wire_batch_last_offset(batch),
        .max_timestamp = batch->max_timestamp,
        .producer_id = batch->producer_id,
        .position = position,
        .size = (uint32_t)batch->size,
        .crc = batch->crc,
        .leader_epoch = batch->leader_epoch,
        .base_sequence = batch->base_sequence,
        .coordinator_epoch = -1,
        .producer_epoch = batch->producer_epoch,
        .attributes = batch->attributes,
        .marker = -1,
    };
    if ((batch->attributes & WIRE_BATCH_CONTROL) != 0 && body != NULL)
        note_marker(&note, batch, body);
    return note;
}

static void end_scan(struct format_scan *s, enum format_scan_end end, uint64_t bad_at)
{
    s->end = end;
    s->bad_at = bad_at;
}

static bool accept(struct format_scan *s, const struct format_note *note)
{
    /* The base offset stands outside of the CRC: only its neighbours vouch for it. */
    if (s->expected >= 0 && (s->exact ? note->base != s->expected : note->base < s->expected)) {
        errmsg_set(&s->msg, ERR_CORRUPT, "offset %lld where %lld should be", (long long)note->base,
                   (long long)s->expected);
        return false;
    }
    /* So does the leader epoch; it was durable elsewhere before its leader wrote (E-1). */
    if (s->epoch_end > 0 && (note->leader_epoch < -1 || note->leader_epoch >= s->epoch_end)) {
        errmsg_set(&s->msg, ERR_CORRUPT, "leader epoch %d, and the latest was %d",
                   (int)note->leader_epoch, (int)s->epoch_end - 1);
        return false;
    }
    s->notes[s->note_count++] = *note;
    s->expected = note->last + 1;
    return true;
}

/* Continues a batch that began in an earlier piece. */
static void scan_large(struct format_scan *s)
{
    size_t take = (size_t)MIN((uint64_t)s->size, s->large_left);
    s->large_crc = crc32c(s->large_crc, s->data, take);
    s->large_left -= take;
    s->used = take;
    if (s->large_left > 0) {
        if (s->last)
            end_scan(s, FORMAT_SCAN_TORN, s->large.position);
        return;
    }
    if (s->crc && s->large_crc != s->large.crc) {
        errmsg_set(&s->msg, ERR_CORRUPT, "the CRC is %08x and should be %08x", s->large_crc,
                   s->large.crc);
        end_scan(s, FORMAT_SCAN_BAD, s->large.position);
    } else if (!accept(s, &s->large)) {
        end_scan(s, FORMAT_SCAN_BAD, s->large.position);
    }
}

/* A batch that ends behind this piece: its head is kept, its records are summed up as they come. */
static void begin_large(struct format_scan *s, const struct wire_batch *batch)
{
    size_t have = s->size - s->used;
    s->large = format_note_of(batch, s->position + s->used, NULL);
    s->large_crc = crc32c(0, s->data + s->used + CRC_FROM, have - CRC_FROM);
    s->large_left = (uint64_t)batch->size - have;
    s->used = s->size;
}

/* The bytes end inside of a batch. */
static void scan_torn(struct format_scan *s, const struct wire_batch *batch)
{
    if (s->last) {
        errmsg_set(&s->msg, ERR_CORRUPT, "the file ends inside of a batch");
        end_scan(s, FORMAT_SCAN_TORN, s->position + s->used);
    } else if (s->used == 0 && s->size - s->used >= WIRE_BATCH_HEAD) {
        begin_large(s, batch);
    }
}

static bool scan_batch(struct format_scan *s, const struct wire_batch *batch)
{
    const uint8_t *body = s->data + s->used;
    struct format_note note = format_note_of(batch, s->position + s->used, body);
    if (s->crc && wire_batch_verify(batch, body, &s->msg) != ERR_NONE)
        return false;
    if (!accept(s, &note))
        return false;
    s->used += (size_t)batch->size;
    return true;
}

void format_scan(void *argument)
{
    struct format_scan *s = argument;
    struct bytes in = bytes_of(s->data, s->size);
    s->end = FORMAT_SCAN_MORE;
    s->used = 0;
    s->note_count = 0;
    s->msg.text[0] = 0;
    ASSERT(s->notes_max > 0);
    if (s->size == 0) { /* whoever went on would read the same nothing for ever */
        errmsg_set(&s->msg, ERR_CORRUPT, "the file is shorter than it was");
        end_scan(s, FORMAT_SCAN_TORN, s->position);
        return;
    }
    if (s->large_left > 0)
        scan_large(s);
    while (s->end == FORMAT_SCAN_MORE && s->large_left == 0 && s->note_count < s->notes_max) {
        struct wire_batch batch;
        switch (wire_batch_at(in, s->used, &batch, &s->msg)) {
        case WIRE_AT_BATCH:
            if (!scan_batch(s, &batch))
                end_scan(s, FORMAT_SCAN_BAD, s->position + s->used);
            break;
        case WIRE_AT_END:
            return;
        case WIRE_AT_TORN:
            scan_torn(s, &batch);
            return;
        case WIRE_AT_CORRUPT:
            end_scan(s, FORMAT_SCAN_BAD, s->position + s->used);
            break;
        }
    }
}

/* Cheap enough to be asked at every byte. */
static bool could_begin(const uint8_t *p, int64_t expected)
{
    return p[16] == WIRE_BATCH_MAGIC && get_i64(p) >= expected &&
           get_i64(p) - expected <= INT32_MAX;
}

void format_search(void *argument)
{
    struct format_search *s = argument;
    struct wire_batch batch;
    for (s->at = s->from; s->at + WIRE_BATCH_HEAD <= s->data.size; s->at++) {
        const uint8_t *p = s->data.data + s->at;
        if (!could_begin(p, s->expected))
            continue;
        enum wire_at what = wire_batch_at(s->data, s->at, &batch, NULL);
        s->whole = what == WIRE_AT_BATCH;
        if (what == WIRE_AT_TORN)
            return;
        if (s->whole && wire_batch_verify(&batch, p, NULL) == ERR_NONE)
            return;
    }
    s->at = s->data.size;
}
