/* as_is.c - the way of a leader's batches into a follower's log: offsets, epochs and timestamps are
 * the leader's and stay, and what it has taken is taken (I-4). Only what would make this log one
 * that its own recovery does not believe is refused. */
#include "log/internal.h"

/* How far the batches have been looked at. */
struct look {
    const struct log *log;
    struct bytes in;
    int32_t leader_epoch;
    size_t at;        /* of the next one */
    int64_t expected; /* its offset */
    int32_t epoch;    /* latest before it */
    bool over;        /* what follows is not asked for, or not whole */
    struct errmsg *msg;
};

static enum err look_at_offset(const struct look *l, const struct wire_batch *batch)
{
    int64_t base = batch->base_offset;
    if (base < l->expected)
        return errmsg_set(l->msg, ERR_RANGE,
                          "the batch begins at offset %lld, and the log has all below %lld",
                          (long long)base, (long long)l->expected);
    if (base > l->expected && l->log->config.dense)
        return errmsg_set(l->msg, ERR_RANGE,
                          "the batch begins at offset %lld, and %lld to %lld are missing before it",
                          (long long)base, (long long)l->expected, (long long)base - 1);
    /* The indexes of a segment have 32 bits for an offset. */
    if (batch->last_offset_delta < 0 || batch->last_offset_delta > LOG_GAP_MAX ||
        base > INT64_MAX - 1 - LOG_GAP_MAX)
        return errmsg_set(l->msg, ERR_RANGE, "a batch from offset %lld to one %lld behind it",
                          (long long)base, (long long)batch->last_offset_delta);
    return ERR_NONE;
}

static enum err look_at_batch(const struct look *l, const struct wire_batch *batch)
{
    enum err e = wire_batch_verify(batch, l->in.data + l->at, l->msg);
    if (e != ERR_NONE)
        return errmsg_wrap(l->msg, e, "the batch at offset %lld", (long long)batch->base_offset);
    e = look_at_offset(l, batch);
    if (e != ERR_NONE)
        return e;
    if (batch->leader_epoch >= 0 && batch->leader_epoch < l->epoch)
        return errmsg_set(l->msg, ERR_INVALID,
                          "the batch at offset %lld is of the leader epoch %d, and the log has %d "
                          "already",
                          (long long)batch->base_offset, (int)batch->leader_epoch, (int)l->epoch);
    return ERR_NONE;
}

/* The next batch. False: there is none that is taken; l->over, or *e says why. */
static bool look_on(struct look *l, struct wire_batch *batch, enum err *e)
{
    *e = ERR_NONE;
    switch (wire_batch_at(l->in, l->at, batch, l->msg)) {
    case WIRE_AT_END:
        l->over = true;
        return false;
    case WIRE_AT_TORN: /* a fetch ends anywhere; but with its first batch it gives all of that */
        l->over = l->at > 0;
        if (!l->over)
            *e = errmsg_set(l->msg, ERR_CORRUPT, "the first batch is cut off");
        return false;
    case WIRE_AT_CORRUPT:
        *e = ERR_CORRUPT;
        return false;
    case WIRE_AT_BATCH:
        break;
    }
    l->over = batch->leader_epoch > l->leader_epoch;
    if (l->over)
        return false;
    *e = look_at_batch(l, batch);
    return *e == ERR_NONE;
}

/* True: it can be written together with those before it. */
static bool fits(const struct log *log, const struct log_incoming *in,
                 const struct wire_batch *batch)
{
    if (in->count == 0)
        return true;
    return in->count < LOG_BATCHES_MAX &&
           in->batches.size + (uint32_t)batch->size <= (uint64_t)log->config.segment_bytes &&
           wire_batch_last_offset(batch) - in->notes[0].base <= LOG_GAP_MAX;
}

/* As many as one append may have. */
static enum err gather(struct look *l, struct slice batches, struct log_incoming *in)
{
    struct wire_batch batch;
    enum err e;
    size_t from = l->at;
    in->count = 0;
    in->batches = batches;
    in->batches.data += from;
    in->batches.size = 0;
    while (look_on(l, &batch, &e) && fits(l->log, in, &batch)) {
        in->notes[in->count++] = format_note_of(&batch, l->at - from, l->in.data + l->at);
        in->batches.size += (uint32_t)batch.size;
        l->at += (size_t)batch.size;
        l->expected = wire_batch_last_offset(&batch) + 1;
        l->epoch = MAX(l->epoch, batch.leader_epoch);
    }
    return e;
}

/* Recovery cannot tell such a gap from the end of a segment that the power took. */
static enum err wait_for_end(const struct log *log, const struct log_incoming *in,
                             struct errmsg *msg)
{
    return errmsg_set(msg, ERR_BUSY,
                      "the batch at offset %lld is taken once all before it is durable, up to %lld",
                      (long long)in->notes[0].base, (long long)log->end);
}

static bool lacks_room(const struct log *log)
{
    return log->status == ERR_NONE && (log_must_spare(log) || log_waits_for_room(log));
}

enum err log_append_as_is(struct log *log, struct slice batches, int32_t leader_epoch,
                          struct log_taken *out, struct errmsg *msg)
{
    struct format_note notes[LOG_BATCHES_MAX];
    struct log_incoming in = {.notes = notes, .as_is = true};
    struct look l = {.log = log,
                     .in = slice_bytes(batches),
                     .leader_epoch = leader_epoch,
                     .expected = log->end,
                     .epoch = log_latest_epoch(log),
                     .msg = msg};
    enum err e = ERR_NONE;
    *out = (struct log_taken){.first = -1, .last = -1};
    if (!log_takes(log))
        return errmsg_set(msg, lacks_room(log) ? ERR_NOSPACE : ERR_OFFLINE,
                          "%s takes no records now", log_name(log));
    while (e == ERR_NONE && !l.over) {
        e = gather(&l, batches, &in);
        if (in.count == 0)
            break;
        if (log_is_far(log, &in) && log->durable_end < log->end)
            return out->bytes > 0 ? ERR_NONE : wait_for_end(log, &in, msg);
        enum err entered = log_enter(log, &in);
        if (entered != ERR_NONE)
            return errmsg_set(msg, entered, "the broker is out of memory");
        if (out->bytes == 0)
            out->first = notes[0].base;
        out->last = log->end - 1;
        out->bytes += in.batches.size;
    }
    return e;
}
