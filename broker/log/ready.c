/* ready.c - the last steps of log_open: what the scan did not say, and the log's first word. */
#include "log/opening.h"

enum {
    READY_HEAD,
    READY_TAKE_HEAD,
    READY_SNAPSHOT,
    READY_WINDOW,
    READY_LOOK,
    READY_DROP,
    READY_DROP_WINDOW,
    READY_DROPPED,
    READY_ENTRY,
    READY_GROUND,
};

/* When the active segment began, if the scan did not begin with it. */
static enum steps_flow ready_head(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log_segment *active = log_active(o->log);
    o->segment = o->log->segment_count - 1;
    if (active->size < WIRE_BATCH_HEAD || active->first_timestamp >= 0)
        return steps_go(steps, READY_SNAPSHOT);
    if (!o->hold.held) {
        steps_then(steps, STEPS_AGAIN);
        dir_hold(&o->hold, active->disk.file, steps_waiter(steps));
        return STEPS_WAIT;
    }
    env_read(steps->env, &steps->io, active->disk.file->handle, 0, o->walk.buffer, WIRE_BATCH_HEAD,
             steps_done);
    return STEPS_WAIT;
}

static enum steps_flow ready_take_head(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log_segment *active = log_active(o->log);
    struct wire_batch batch;
    enum wire_at at = wire_batch_at(bytes_of(o->walk.buffer, (size_t)steps->n), 0, &batch, NULL);
    if ((at == WIRE_AT_TORN || at == WIRE_AT_BATCH) && steps->n >= WIRE_BATCH_HEAD)
        active->first_timestamp = batch.max_timestamp;
    dir_let_go(&o->hold);
    return STEPS_NEXT;
}

/* ---- snapshots, from the newest on ---- */

/* One behind the end speaks of records that are no more. */
static enum steps_flow ready_snapshot(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    const struct log *log = o->log;
    o->snapshot--;
    bool behind = o->snapshot >= 0 && log->snapshots[o->snapshot] > o->end;
    if (behind || o->snapshot < 0 || !o->snapshots_doubted)
        return steps_go(steps, behind ? READY_DROP : READY_ENTRY);
    log_segment_path(log, log->snapshots[o->snapshot], FORMAT_KIND_SNAPSHOT, o->path);
    dir_get(log->dir, &o->get, o->path, steps_waiter(steps));
    return STEPS_TRY;
}

/* What cannot be read now stays: nothing is known of it. */
static enum steps_flow ready_window(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (steps->err != ERR_NONE)
        return steps_go(steps, READY_SNAPSHOT);
    log_segment_path(o->log, o->log->snapshots[o->snapshot], FORMAT_KIND_WINDOW, o->path);
    dir_get(o->log->dir, &o->crc, o->path, steps_waiter(steps));
    return STEPS_TRY;
}

static bool is_torn(const struct dir_get *get)
{
    return format_snapshot_check(dir_got(get), NULL) != ERR_NONE;
}

/* Each is of use with the other alone; Kafka's has no window. */
static enum steps_flow ready_look(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    bool torn = !o->get.found || is_torn(&o->get) ||
                (steps->err == ERR_NONE && o->crc.found && is_torn(&o->crc));
    log_opening_drop_got(o);
    return steps_go(steps, torn ? READY_DROP : READY_SNAPSHOT);
}

/* The window second: alone, it is found again. */
static enum steps_flow ready_drop(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    ASSERT(o->snapshot >= 0 && o->snapshot < log->snapshot_count);
    log_segment_path(log, log->snapshots[o->snapshot], FORMAT_KIND_SNAPSHOT, o->path);
    env_unlink(steps->env, &steps->io, o->path, steps_done);
    return STEPS_TRY;
}

/* A torn one that cannot be removed harms nobody. */
static enum steps_flow ready_drop_window(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    int64_t offset = o->log->snapshots[o->snapshot];
    if (steps->err != ERR_NONE && steps->err != ERR_NOTFOUND && offset > o->end)
        return STEPS_FAIL;
    log_segment_path(o->log, offset, FORMAT_KIND_WINDOW, o->path);
    env_unlink(steps->env, &steps->io, o->path, steps_done);
    return STEPS_TRY;
}

static enum steps_flow ready_dropped(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    ASSERT(o->snapshot < log->snapshot_count);
    log->snapshot_count--;
    memmove(&log->snapshots[o->snapshot], &log->snapshots[o->snapshot + 1],
            (size_t)(log->snapshot_count - o->snapshot) * sizeof log->snapshots[0]);
    return steps_go(steps, READY_SNAPSHOT);
}

/* ---- what the log stands in ---- */

/* A birth that failed late in this life may have left what has been found. */
static enum steps_flow ready_entry(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (!o->log->set->entries_doubted || o->unborn)
        return steps_go(steps, READY_GROUND);
    dir_sync_entries(o->log->dir, &o->sync, steps_waiter(steps));
    return STEPS_WAIT;
}

/* Nothing is written into a log, or shown of it, before the directory itself is durable. */
static enum steps_flow ready_ground(struct steps *steps)
{
    dir_ground_wait(log_opening_of(steps)->log->dir, steps_waiter(steps));
    return STEPS_TRY; /* begin looks */
}

static const struct step ready_steps[] = {
    [READY_HEAD] = {"read the first batch of", ready_head},
    [READY_TAKE_HEAD] = {"read the first batch of", ready_take_head},
    [READY_SNAPSHOT] = {"look at a snapshot of", ready_snapshot},
    [READY_WINDOW] = {"look at a snapshot of", ready_window},
    [READY_LOOK] = {"look at a snapshot of", ready_look},
    [READY_DROP] = {"remove a snapshot of", ready_drop},
    [READY_DROP_WINDOW] = {"remove a snapshot of", ready_drop_window},
    [READY_DROPPED] = {"remove a snapshot of", ready_dropped},
    [READY_ENTRY] = {"sync the folder of", ready_entry},
    [READY_GROUND] = {"make durable what holds", ready_ground},
    {NULL, NULL},
};

/* What stood above the recovery point has been written again and synced. */
static void set_ends(struct log_opening *o)
{
    struct log *log = o->log;
    log->end = log->written_end = log->synced_end = log->durable_end = o->end;
    log->start = log->start_next = MIN(log->start, o->end);
    log->recovery_point = log->recovery_next = MIN(o->recovery_point, o->end);
    log->clean = log->recovery_point == o->end;
    log->lacks |= o->end < o->recovery_point || o->end < log->high_watermark;
    if (dir_clean(log->dir) && log->clean && o->index_fits && o->replay_from == o->end) {
        log->left_end = o->end;
        log->left_producer_count = log->producers.map.count;
    }
    log->high_watermark = MAX(MIN(log->high_watermark, log->end), log->start);
}

static void begin(struct log_opening *o)
{
    struct log *log = o->log;
    struct dir *dir = log->dir;
    enum err e = log_set_status(log->set, &o->op->msg);
    if (e != ERR_NONE) {
        log_opening_end(o, e);
        return;
    }
    set_ends(o);
    if (format_epochs_cut(&log->epochs, log->end + 1))
        o->epochs_changed = true;
    for (int32_t i = 0; i < log->segment_count; i++)
        log->bytes += log->segments[i]->size;
    log_move(log, LOG_OPEN);
    dir_member_join(&log->member);
    TRACE(log->set->trace, LOG_OPEN, .partition = log->id, .topic_id = log->topic_trace,
          .start = log->start, .end = log->end, .recovery_point = o->recovery_point,
          .clean = dir_clean(dir) && log->clean, .leader_epoch = log_latest_epoch(log));
    TRACE(log->set->trace, LOG_DURABLE, .partition = log->id, .topic_id = log->topic_trace,
          .end = log->durable_end);
    if (o->epochs_changed)
        log_epochs_write(log, NULL);
    if (!log->clean)
        dir_checkpoint_later(dir);
    if (o->start_unsaid)
        dir_points_write(dir, DIR_POINTS_START, NULL);
    log_seal(log);
    log_opening_end(o, ERR_NONE);
}

/* Files beside the last segment tell whether it is missing, or only its end. */
static enum err too_short(struct log_opening *o)
{
    const struct log *log = o->log;
    for (uint64_t at = 0; at < o->size; at += strlen(o->names + at) + 1) {
        int64_t offset;
        enum format_file_kind kind = format_name_kind(o->names + at, &offset);
        if ((kind == FORMAT_KIND_INDEX || kind == FORMAT_KIND_SNAPSHOT) && offset == o->end)
            return log_missing_text(&o->op->msg, log, o->end, -1);
    }
    return errmsg_set(&o->op->msg, ERR_CORRUPT,
                      "%s ends at offset %lld, and the disk held %lld for sure; put it back from a "
                      "copy, or the segment that followed it, or " LOG_GIVE_UP,
                      log_active(log)->disk.file->path, (long long)o->end,
                      (long long)o->recovery_point, log_name(log));
}

static void ended(struct steps *steps, enum err e)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    if (e == ERR_NONE && o->end < o->recovery_point && !log_cuts_corruption()) {
        const struct log_segment *active = log_active(log);
        TRACE(log->set->trace, LOG_OFFLINE, .partition = log->id, .topic_id = log->topic_trace,
              .position = active->size, .err = ERR_CORRUPT);
        e = too_short(o);
    }
    if (e != ERR_NONE && o->op->msg.text[0] == 0)
        errmsg_set(&o->op->msg, e, "cannot %s %s: %s", steps_what(steps), log->path, err_text(e));
    if (e == ERR_NONE)
        begin(o);
    else
        log_opening_end(o, e);
}

/* Where the last life did not end well, a snapshot may be torn that no recovery has read: above the
 * recovery point none is. Else only those are doubted that one was passed over for. */
void log_recovered(struct log_opening *o)
{
    struct log *log = o->log;
    o->snapshots_doubted = !dir_clean(log->dir) || o->snapshot < log->snapshot_count - 1;
    o->snapshot = log->snapshot_count;
    log_opening_start(o, LOG_OPENING_ENDS, ready_steps, ended);
}
