/* read.c - records out of the partition: never above the high watermark, which a power loss cannot
 * take back. */
#include "replica/internal.h"

void replica_wait(struct replica *r, struct replica_wait *wait)
{
    list_push_back(&r->waits, &wait->link);
}

void replica_unwait(struct replica_wait *wait)
{
    list_remove(&wait->link);
}

/* Each waiter once; one that waits again meanwhile waits for the next time. */
void replica_wake_all(struct replica *r)
{
    struct list woken;
    list_init(&woken);
    list_splice_back(&woken, &r->waits);
    struct list *link;
    while ((link = list_pop_front(&woken)) != NULL) {
        struct replica_wait *wait = CONTAINER_OF(link, struct replica_wait, link);
        wait->woken(wait);
    }
}

/* The exclusive end of what a consumer may see. */
static int64_t readable_end(const struct replica *r)
{
    if (KNOWN_BUG(shown_before_durable))
        return MAX(log_written_end(r->log), r->high_watermark);
    return r->high_watermark;
}

/* An offline log still serves what it holds (S-5 stops writes, not reads). */
static int16_t check_readable(const struct replica *r)
{
    int16_t code = replica_check(r, -1);
    bool holds = r->role == ROLE_OFFLINE && r->log != NULL;
    return holds ? WIRE_ERROR_NONE : code;
}

int16_t replica_readable(const struct replica *r, int64_t offset, bool *some)
{
    *some = false;
    int16_t code = check_readable(r);
    if (code != WIRE_ERROR_NONE)
        return code;
    if (offset < log_start(r->log) || offset > log_end(r->log))
        return WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    *some = offset < readable_end(r);
    return WIRE_ERROR_NONE;
}

int16_t replica_epoch_end(const struct replica *r, int32_t epoch, int32_t *found, int64_t *end)
{
    ASSERT(epoch >= 0);
    *found = -1;
    *end = -1;
    int16_t code = check_readable(r);
    if (code == WIRE_ERROR_NONE)
        log_epoch_end(r->log, epoch, found, end);
    return code;
}

static int16_t code_of(enum err e)
{
    switch (e) {
    case ERR_NONE:
        return WIRE_ERROR_NONE;
    case ERR_RANGE:
        return WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    case ERR_CORRUPT:
        return WIRE_ERROR_CORRUPT_MESSAGE;
    case ERR_NOMEM:
        return WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    default:
        return WIRE_ERROR_KAFKA_STORAGE_ERROR;
    }
}

static void on_read(struct log_op *op, enum err e)
{
    struct log_read *log = CONTAINER_OF(op, struct log_read, op);
    struct replica_read *read = CONTAINER_OF(log, struct replica_read, log);
    struct replica *r = read->replica;
    read->code = code_of(e);
    read->held = e == ERR_NONE;
    if (read->held && read->log.bytes > 0)
        TRACE(r->trace, SERVE, r->trace_id, (uint64_t)read->offset, (uint64_t)read->log.next_offset,
              (uint64_t)read->high_watermark);
    read->done(read);
}

void replica_read(struct replica *r, struct replica_read *read, replica_read_done *done)
{
    ASSERT(!read->held);
    read->done = done;
    read->replica = r;
    read->high_watermark = r->high_watermark;
    read->log_start = replica_log_start(r);
    read->log = (struct log_read){.bytes = 0};
    bool some = false;
    read->code = replica_readable(r, read->offset, &some);
    bool room = read->bytes_max > 0 || read->at_least_one;
    if (read->code != WIRE_ERROR_NONE || !some || !room) {
        done(read);
        return;
    }
    read->log.offset = read->offset;
    read->log.offset_end = readable_end(r);
    read->log.bytes_max = read->bytes_max;
    read->log.at_least_one = read->at_least_one;
    log_read(r->log, &read->log, on_read);
}

void replica_read_release(struct replica_read *read)
{
    if (!read->held)
        return;
    read->held = false;
    log_read_release(&read->log);
}

/* ---- offsets by time ---- */

static void on_seek(struct log_op *op, enum err e)
{
    struct log_seek *seek = CONTAINER_OF(op, struct log_seek, op);
    struct replica_offsets *o = CONTAINER_OF(seek, struct replica_offsets, seek);
    o->code = code_of(e);
    if (e == ERR_NONE && seek->found) {
        o->offset = seek->offset;
        o->timestamp_found_ms = seek->timestamp_found_ms;
        o->leader_epoch = seek->leader_epoch;
    }
    o->done(o);
}

/* P-10: what an earlier life may have shown must not seem to be gone. */
static bool settled(const struct replica *r)
{
    return r->high_watermark >= r->epoch_start;
}

static void answer_end(struct replica_offsets *o, int64_t offset)
{
    o->offset = offset;
    o->leader_epoch = offset < 0 ? -1 : log_epoch_at(o->replica->log, offset);
    o->done(o);
}

void replica_offsets(struct replica *r, struct replica_offsets *o, replica_offsets_done *done)
{
    o->done = done;
    o->replica = r;
    o->offset = o->timestamp_found_ms = -1;
    o->leader_epoch = -1;
    o->code = check_readable(r);
    bool by_log = o->timestamp_ms >= 0 || o->timestamp_ms == REPLICA_MAX_TIMESTAMP;
    if (o->code == WIRE_ERROR_NONE && (by_log || o->timestamp_ms == REPLICA_LATEST) && !settled(r))
        o->code = WIRE_ERROR_OFFSET_NOT_AVAILABLE;
    if (o->code != WIRE_ERROR_NONE) {
        done(o);
        return;
    }
    if (by_log) {
        o->seek =
            (struct log_seek){.timestamp_ms = o->timestamp_ms, .offset_end = r->high_watermark};
        log_seek(r->log, &o->seek, on_seek);
    } else if (o->timestamp_ms == REPLICA_LATEST) {
        answer_end(o, r->high_watermark);
    } else if (o->timestamp_ms == REPLICA_EARLIEST || o->timestamp_ms == REPLICA_EARLIEST_LOCAL) {
        answer_end(o, log_start(r->log));
    } else if (o->timestamp_ms == REPLICA_LATEST_TIERED ||
               o->timestamp_ms == REPLICA_EARLIEST_PENDING_UPLOAD) {
        answer_end(o, -1); /* nothing is tiered */
    } else {
        o->code = WIRE_ERROR_INVALID_REQUEST;
        done(o);
    }
}
