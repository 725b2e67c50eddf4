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
static bool is_settled(const struct replica_offsets *o)
{
    const struct replica *r = o->replica;
    return o->follows || r->high_watermark >= r->epoch_start;
}

/* A follower cuts its log by what it is told: never to a high watermark (KIP-101). */
static int64_t end_for(const struct replica_offsets *o)
{
    return o->follows ? log_end(o->replica->log) : o->replica->high_watermark;
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
    if (o->code == WIRE_ERROR_NONE && (by_log || o->timestamp_ms == REPLICA_LATEST) &&
        !is_settled(o))
        o->code = WIRE_ERROR_OFFSET_NOT_AVAILABLE;
    if (o->code != WIRE_ERROR_NONE) {
        done(o);
        return;
    }
    if (by_log) {
        o->seek = (struct log_seek){
            .timestamp_ms = o->timestamp_ms, .offset_end = end_for(o), .mem = o->mem};
        log_seek(r->log, &o->seek, on_seek);
    } else if (o->timestamp_ms == REPLICA_LATEST) {
        answer_end(o, end_for(o));
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

static void end_trim(struct replica_trim *t, int16_t code)
{
    list_remove(&t->link);
    t->code = code;
    if (code == WIRE_ERROR_NONE)
        t->low_watermark = replica_low_watermark(t->replica);
    t->done(t);
}

void replica_trims_advance(struct replica *r)
{
    struct list *waiting = &r->isr->trims;
    if (list_empty(waiting))
        return;
    int64_t low = replica_low_watermark(r);
    LIST_EACH (t, waiting, struct replica_trim, link) {
        if (t->to <= low)
            end_trim(t, WIRE_ERROR_NONE);
    }
}

void replica_trims_fail(struct replica *r, int16_t code)
{
    while (r->isr != NULL && !list_empty(&r->isr->trims))
        end_trim(LIST_FIRST(&r->isr->trims, struct replica_trim, link), code);
}

void replica_trim_cancel(struct replica_trim *t, int16_t code)
{
    t->late = code;
    if (list_linked(&t->link))
        end_trim(t, code);
}

static void on_trimmed(struct log_op *op, enum err e)
{
    struct replica_trim *t = CONTAINER_OF(op, struct replica_trim, op);
    struct replica *r = t->replica;
    int16_t code = e == ERR_NONE ? replica_check(r, -1) : replica_code_of(e);
    if (code == WIRE_ERROR_NONE)
        replica_wake_all(r); /* who asks for what is below it is told so, and followers follow */
    bool waits = code == WIRE_ERROR_NONE && r->isr != NULL && replica_low_watermark(r) < t->to;
    if (!waits || t->late != WIRE_ERROR_NONE) {
        end_trim(t, waits ? t->late : code);
        return;
    }
    list_push_back(&r->isr->trims, &t->link);
    if (t->waits != NULL)
        t->waits(t);
}

void replica_trim(struct replica *r, struct replica_trim *t, replica_trim_done *done)
{
    t->done = done;
    t->replica = r;
    t->low_watermark = -1;
    t->late = WIRE_ERROR_NONE;
    list_init(&t->link);
    t->code = replica_check(r, -1);
    t->to = t->offset == -1 ? r->high_watermark : t->offset;
    if (t->code == WIRE_ERROR_NONE && (t->to < 0 || t->to > r->high_watermark))
        t->code = WIRE_ERROR_OFFSET_OUT_OF_RANGE;
    if (t->code != WIRE_ERROR_NONE)
        done(t);
    else
        log_advance_start(r->log, t->to, &t->op, on_trimmed);
}
