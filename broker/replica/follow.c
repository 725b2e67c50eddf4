/* follow.c - the way of a leader's answer into a follower's log: cut where the logs parted, begun
 * anew where the leader begins, or appended as is. Never beyond what was asked for in the epoch
 * that it follows in. */
#include "replica/internal.h"

void replica_ends(const struct replica *r, struct replica_ends *out)
{
    *out = (struct replica_ends){.leader_epoch = -1, .last_epoch = -1};
    if (r->role != ROLE_FOLLOWER)
        return;
    out->leader_epoch = r->leader_epoch;
    out->start = log_start(r->log);
    out->end = log_end(r->log);
    out->last_epoch = log_latest_epoch(r->log);
    out->written_end = log_written_end(r->log);
    out->counting_end = log_counting_end(r->log);
    out->durable_end = KNOWN_BUG(durable_before_sync) ? out->end : log_durable_end(r->log);
    out->uncounted_bytes = log_written_bytes(r->log) - log_counting_bytes(r->log);
    out->generation = log_generation(r->log);
}

void replica_follow_watch(struct replica *r, struct replica_follow_watch *watch)
{
    r->follow_watch = watch;
}

void replica_follow_moved(struct replica *r)
{
    if (r->follow_watch != NULL)
        r->follow_watch->moved(r->follow_watch);
}

/* P-10. What a loss of power could take back here is not shown either. */
void replica_follow_high_watermark(struct replica *r)
{
    replica_raise_high_watermark(r, MIN(r->leader_high_watermark, log_counting_end(r->log)));
}

static bool is_current(const struct replica *r, const struct replica_take *t)
{
    bool same = t->leader_epoch == r->leader_epoch || KNOWN_BUG(stale_answer_taken);
    return r->role == ROLE_FOLLOWER && !r->deleted && same;
}

static void finish(struct replica_take *t, enum replica_taking verdict, enum err e)
{
    struct replica *r = t->replica;
    ASSERT(r->take == t);
    r->take = NULL;
    buf_release(t->records.buf);
    t->verdict = verdict;
    t->err = e;
    replica_lead_on(r); /* it may have waited for that */
    t->done(t);
}

static void fail(struct replica_take *t, enum err e)
{
    bool later = e == ERR_BUSY || e == ERR_CANCELLED;
    finish(t, later ? REPLICA_LATER : REPLICA_FAILED, e);
}

/* ---- what the leader says besides ---- */

static void on_started(struct log_op *op, enum err e)
{
    struct replica_take *t = CONTAINER_OF(op, struct replica_take, op);
    if (e == ERR_NONE) {
        replica_wake_all(t->replica);
        finish(t, REPLICA_TOOK, e);
        return;
    }
    t->msg = op->msg;
    fail(t, e);
}

/* The high watermark first: the log start follows it. */
static void take_ends(struct replica_take *t)
{
    struct replica *r = t->replica;
    int64_t before = r->high_watermark;
    r->leader_high_watermark = MAX(r->leader_high_watermark, t->high_watermark);
    replica_follow_high_watermark(r);
    if (r->high_watermark > before)
        replica_wake_all(r);
    int64_t start = MIN(t->log_start, r->high_watermark);
    if (start > log_start(r->log))
        log_advance_start(r->log, start, &t->op, on_started);
    else
        finish(t, REPLICA_TOOK, ERR_NONE);
}

/* ---- records ---- */

static void take_records(struct replica_take *t)
{
    struct replica *r = t->replica;
    struct log_taken taken;
    enum err e = ERR_NONE;
    if (t->records.size > 0)
        e = log_append_as_is(r->log, t->records, r->leader_epoch, &taken, &t->msg);
    if (e == ERR_NONE)
        take_ends(t);
    else
        fail(t, e);
}

static void on_begun_inside(struct log_op *op, enum err e)
{
    struct replica_take *t = CONTAINER_OF(op, struct replica_take, op);
    if (e == ERR_NONE && is_current(t->replica, t)) {
        take_records(t);
        return;
    }
    t->msg = op->msg;
    if (e == ERR_NONE)
        finish(t, REPLICA_STALE, e);
    else
        fail(t, e);
}

/* The leader's log begins inside of a batch, and it gives all of that: so does this one, which is
 * empty there. -1: it does not. */
static int64_t begins_inside(const struct replica *r, struct slice records)
{
    int64_t end = log_end(r->log);
    struct wire_batch batch;
    if (log_start(r->log) != end ||
        wire_batch_at(slice_bytes(records), 0, &batch, NULL) != WIRE_AT_BATCH)
        return -1;
    return batch.base_offset < end && wire_batch_last_offset(&batch) >= end ? batch.base_offset
                                                                            : -1;
}

/* ---- where the logs part ---- */

static void on_truncated(struct log_op *op, enum err e)
{
    struct replica_take *t = CONTAINER_OF(op, struct replica_take, op);
    struct replica *r = t->replica;
    if (e == ERR_NONE && r->role == ROLE_FOLLOWER) {
        replica_raise_high_watermark(r, log_start(r->log)); /* it may begin behind all it had */
        replica_wake_all(r);
    }
    t->msg = op->msg;
    SOMETIMES(r->trace, FOLLOWER_CUT, e == ERR_NONE);
    if (e == ERR_NONE)
        finish(t, REPLICA_TRUNCATED, e);
    else
        fail(t, e);
}

/* E-4: to where both may be the same, by what each knows of that epoch; never to a high watermark
 * (KIP-101). */
static void truncate(struct replica_take *t)
{
    struct replica *r = t->replica;
    int64_t to = format_epochs_common(log_epochs(r->log), log_end(r->log), t->diverging_epoch,
                                      t->diverging_end);
    if (KNOWN_BUG(cut_to_watermark))
        to = MAX(r->high_watermark, log_start(r->log));
    if (KNOWN_BUG(parted_by_offset_alone))
        to = MIN(t->diverging_end, log_end(r->log));
    if (to < log_start(r->log))
        log_reset(r->log, to, &t->op, on_truncated);
    else
        log_truncate(r->log, to, &t->op, on_truncated);
}

void replica_take(struct replica *r, struct replica_take *t, replica_take_done *done)
{
    ASSERT(r->take == NULL);
    ASSERT(r->holders > 0);
    t->done = done;
    t->replica = r;
    t->msg = (struct errmsg){{0}};
    r->take = t;
    if (t->records.buf != NULL)
        buf_retain(t->records.buf); /* the log may have to begin anew before it takes them */
    if (!is_current(r, t) || r->holds || t->offset != log_end(r->log)) {
        finish(t, REPLICA_STALE, ERR_NONE);
        return;
    }
    int64_t inside = begins_inside(r, t->records);
    if (KNOWN_BUG(watermark_before_cut)) {
        r->leader_high_watermark = MAX(r->leader_high_watermark, t->high_watermark);
        replica_follow_high_watermark(r);
    }
    if (t->restart_at >= 0)
        log_reset(r->log, t->restart_at, &t->op, on_truncated);
    else if (t->diverging_epoch >= 0 && t->diverging_end >= 0)
        truncate(t);
    else if (inside >= 0)
        log_reset(r->log, inside, &t->op, on_begun_inside);
    else
        take_records(t);
}
