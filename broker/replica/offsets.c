/* offsets.c - where the partition begins and ends, and where a time stands in it (ListOffsets). */
#include "replica/internal.h"

static void on_seek(struct log_op *op, enum err e)
{
    struct log_seek *seek = CONTAINER_OF(op, struct log_seek, op);
    struct replica_offsets *o = CONTAINER_OF(seek, struct replica_offsets, seek);
    o->code = replica_code_of(e);
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
    o->code = replica_check_readable(r, o->current_epoch);
    bool by_log = o->timestamp_ms >= 0 || o->timestamp_ms == REPLICA_MAX_TIMESTAMP;
    if (o->code == WIRE_ERROR_NONE && (by_log || o->timestamp_ms == REPLICA_LATEST) && !settled(r))
        o->code = WIRE_ERROR_OFFSET_NOT_AVAILABLE;
    if (o->code != WIRE_ERROR_NONE) {
        done(o);
        return;
    }
    if (by_log) {
        o->seek = (struct log_seek){
            .timestamp_ms = o->timestamp_ms, .offset_end = r->high_watermark, .mem = o->mem};
        log_seek(r->log, &o->seek, on_seek);
    } else if (o->timestamp_ms == REPLICA_LATEST) {
        answer_end(o, r->high_watermark);
    } else if (o->timestamp_ms == REPLICA_EARLIEST) {
        answer_end(o, log_start(r->log));
    } else if (o->timestamp_ms == REPLICA_EARLIEST_LOCAL) {
        answer_end(o, log_local_start(r->log));
    } else if (o->timestamp_ms == REPLICA_LATEST_TIERED ||
               o->timestamp_ms == REPLICA_EARLIEST_PENDING_UPLOAD) {
        answer_end(o, -1); /* nothing is tiered */
    } else {
        o->code = WIRE_ERROR_INVALID_REQUEST;
        done(o);
    }
}

/* ---- epochs ---- */

void replica_epoch_end(struct replica *r, struct replica_epoch_end *e, replica_epoch_end_done *done)
{
    e->found = -1;
    e->end = -1;
    e->code = replica_check_readable(r, e->current_epoch);
    if (e->code == WIRE_ERROR_NONE && e->epoch >= 0)
        log_epoch_end(r->log, e->epoch, &e->found, &e->end);
    done(e);
}

/* ---- the log start ---- */

static void on_trimmed(struct log_op *op, enum err e)
{
    struct replica_trim *t = CONTAINER_OF(op, struct replica_trim, op);
    struct replica *r = t->replica;
    t->code = e == ERR_NONE ? replica_check(r, -1) : replica_code_of(e);
    if (t->code == WIRE_ERROR_NONE) {
        t->log_start = log_start(r->log);
        replica_wake_all(r); /* who asks for what is below it is told so */
    }
    t->done(t);
}

void replica_trim(struct replica *r, struct replica_trim *t, replica_trim_done *done)
{
    t->done = done;
    t->replica = r;
    t->log_start = -1;
    t->code = replica_check(r, -1);
    int64_t to = t->offset == -1 ? r->high_watermark : t->offset;
    if (t->code == WIRE_ERROR_NONE && (to < 0 || to > r->high_watermark))
        t->code = WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    if (t->code != WIRE_ERROR_NONE)
        done(t);
    else
        log_advance_start(r->log, to, &t->op, on_trimmed);
}
