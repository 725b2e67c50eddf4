/* truncate.c - makes a log end earlier, or begin anew elsewhere (E-5). Checkpoints first: none may
 * claim, at any moment, what the files do not hold (S-1). Then memory, in one event; then the
 * files, from the last segment back, so that what is left at any moment is a log that only ends
 * later; the epochs last, for a batch of one that its checkpoint does not know would be taken for
 * damage. */
#include "log/truncate.h"

enum {
    CUT_ROOM,
    CUT_POINT,
    CUT_WATERMARK,
    CUT_MEMORY,
    CUT_GONE,
    CUT_GONE_SYNC,
    CUT_STALE,
    CUT_SNAPSHOTS,
    CUT_OPEN,
    CUT_TRUNCATE,
    CUT_SYNC,
    CUT_CLOSE,
    CUT_SYNC_DIR,
    CUT_EPOCHS,
    CUT_CREATE,
    CUT_CREATED,
    CUT_ENTRY,
    CUT_START,
    CUT_OLD,
    CUT_OLD_SYNC,
};

/* A reset to where no segment begins: the first one stands in, empty, until the new one is there.
 */
static bool is_elsewhere(const struct log_truncation *t)
{
    return t->reset && t->asked != t->first;
}

/* ---- what may fail, first ---- */

static enum steps_flow cut_room(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    struct log *log = t->log;
    /* What is left would begin inside of what was deleted before. */
    if (!t->reset && t->end < log->start) {
        t->reset = true;
        t->asked = log->start;
    }
    if (t->reset) {
        format_index_free(&t->index);
        format_index_init(&t->index, log->set->mem, log->segments[0]->base);
        t->files = true;
        t->segment = 0;
        t->position = 0;
        t->end = t->asked;
    }
    t->first = log->segments[0]->base;
    if (is_elsewhere(t)) {
        t->fresh = log_segment_new(log, t->asked, false);
        if (t->fresh == NULL)
            return steps_fail(steps, ERR_NOMEM);
        log_index_move(t->fresh, LOG_INDEX_MADE);
        t->fresh->exact = true;
    }
    t->gone = mem_array(log->set->mem, (size_t)log->segment_count, sizeof *t->gone);
    return steps_check(steps, t->gone == NULL ? ERR_NOMEM : ERR_NONE);
}

/* What a reset leaves for a moment is an empty log where the old one began. */
static enum steps_flow cut_point(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    struct log *log = t->log;
    log->point_limit = t->reset ? MIN(t->asked, t->first) : t->end;
    if (MAX(log->recovery_point, log->recovery_next) <= log->point_limit)
        return STEPS_NEXT;
    dir_points_write(log->dir, DIR_POINTS_RECOVERY, steps_waiter(steps));
    return STEPS_WAIT;
}

/* One that was higher would show what comes there later before it is replicated. */
static enum steps_flow cut_watermark(struct steps *steps)
{
    struct log *log = log_truncation_of(steps)->log;
    if (log->high_watermark <= log->point_limit)
        return STEPS_NEXT;
    dir_points_write(log->dir, DIR_POINTS_WATERMARK, steps_waiter(steps));
    return STEPS_WAIT;
}

/* ---- memory ---- */

static void take_out_last(struct log_truncation *t)
{
    struct log *log = t->log;
    struct log_segment *last = log->segments[--log->segment_count];
    if (last->disk.state == DIR_WRITER_HELD)
        dir_writer_release(&last->disk);
    log_forget_places(log);
    log->bytes -= last->size;
    if (log->segment_count > 0)
        t->gone[t->gone_count++] = last->base;
    if (last->readers > 0)
        log_segment_retire(last);
    else
        log_segment_free(last);
}

static void cut_segment(struct log_truncation *t)
{
    struct log *log = t->log;
    struct log_segment *last = log_active(log);
    ASSERT(t->position <= last->size);
    log_forget_places(log);
    log->bytes -= last->size - t->position;
    last->size = last->disk.written = t->position;
    last->disk.synced = MIN(last->disk.synced, t->position);
    last->next = t->end;
    last->exact = true;
    format_ranges_cut(&last->checked, t->position);
    if (t->position == 0)
        last->first_timestamp = -1;
    else if (last->first_timestamp < 0)
        last->first_timestamp = t->first_timestamp;
    log_index_uncache(last);
    format_index_free(&last->index);
    last->index = t->index;
    format_index_init(&t->index, log->set->mem, last->base);
    log_index_unsave(last);
    if (last->index_state != LOG_INDEX_MADE)
        log_index_move(last, LOG_INDEX_MADE);
}

static void cut_segments(struct log_truncation *t)
{
    struct log *log = t->log;
    int32_t stay = is_elsewhere(t) ? 0 : t->segment + 1;
    while (log->segment_count > stay)
        take_out_last(t);
    if (stay > 0) {
        cut_segment(t);
        return;
    }
    log_segments_push(log, t->fresh);
    t->fresh = NULL;
}

static void cut_ends(struct log_truncation *t)
{
    struct log *log = t->log;
    log->end = log->written_end = t->end;
    log->synced_end = t->reset ? t->end : MIN(log->synced_end, t->end);
    log->durable_end = t->reset ? t->end : MIN(log->durable_end, t->end);
    log->recovery_point = log->recovery_next = MIN(log->recovery_point, log->point_limit);
    log->soon_end = MIN(log->soon_end, t->end);
    log->high_watermark = t->reset ? t->end : MIN(log->high_watermark, t->end);
    log->left_end = -1;
    if (t->reset)
        log->start = log->start_next = t->end;
    ASSERT(log->advances == 0);
}

/* Epochs, producers and what is known of them beside the log. */
static void cut_knowledge(struct log_truncation *t)
{
    struct log *log = t->log;
    t->epochs_changed = format_epochs_cut(&log->epochs, t->reset ? 0 : t->end);
    if (t->epochs_changed)
        log_epochs_were_cut(log);
    if (t->reset)
        format_producers_clear(&log->producers);
    else if (t->replayed)
        format_producers_take(&log->producers, &t->producers);
    if (t->reset || log->snapshot_offset > t->end)
        log_snapshot_drop(log);
    log_recent_clear(log);
}

static enum steps_flow cut_memory(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    struct log *log = t->log;
    for (int32_t i = t->segment; t->files && i < log->segment_count; i++) {
        if (log->segments[i]->loading == NULL)
            continue;
        steps_then(steps, STEPS_AGAIN);
        log_index_load(log->segments[i], steps_waiter(steps));
        return STEPS_TRY;
    }
    int64_t was = log->end;
    int64_t start_was = log->start;
    ASSERT(list_empty(&log->in_flight));
    t->cut = true;
    log->generation += t->files;
    if (t->files)
        cut_segments(t);
    cut_ends(t);
    cut_knowledge(t);
    log_touch(log);
    if (was != log->end || t->reset)
        TRACE(log->set->trace, LOG_CUT, .partition = log->id, .topic_id = log->topic_trace,
              .end = log->end, .was = was, .reason = t->reset ? LOG_CUT_RESET : LOG_CUT_ASKED,
              .leader_epoch = log_latest_epoch(log));
    if (log->start != start_was)
        TRACE(log->set->trace, LOG_START, .partition = log->id, .topic_id = log->topic_trace,
              .start = log->start, .was = start_was, .reason = LOG_START_ASKED, .max_timestamp = -1,
              .wall = -1);
    if (t->files && log->watch != NULL && log->watch->cut != NULL)
        log->watch->cut(log->watch, log->end);
    return steps_go(steps, t->files ? CUT_GONE : CUT_EPOCHS);
}

/* ---- segments that go, the last one first ---- */

static void set_path(struct log_truncation *t, int64_t base, int32_t kind)
{
    char name[FORMAT_NAME_MAX];
    format_segment_name(name, base, kind);
    dir_path_join(t->path, t->log->path, name, "");
}

/* What was there is gone. */
static bool is_removed(const struct steps *steps)
{
    return steps->err == ERR_NONE || steps->err == ERR_NOTFOUND;
}

/* Of each its records first: what is derived is of no use without them. */
static enum steps_flow cut_gone(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    if (t->kind > 0 && !is_removed(steps))
        return STEPS_FAIL;
    if (t->gone_at == t->gone_count) {
        t->kind = 0;
        return steps_go(steps, CUT_STALE);
    }
    if (t->kind == FORMAT_SEGMENT_FILES)
        return STEPS_NEXT;
    set_path(t, t->gone[t->gone_at], t->kind++);
    steps_then(steps, STEPS_AGAIN);
    env_unlink(steps->env, &steps->io, t->path, steps_done);
    return STEPS_TRY;
}

/* Before the next one goes: a loss of power that brings this one back and not that one would leave
 * a gap, which is taken for damage. */
static enum steps_flow cut_gone_sync(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    t->kind = 0;
    t->gone_at++;
    steps_then(steps, CUT_GONE);
    dir_sync_folder(t->log->dir, &t->sync, t->log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

/* ---- what is derived from what goes ---- */

/* The index files of the segment that is cut: recovery believes them as far as the segment goes,
 * and that will be further again. */
static enum steps_flow cut_stale(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    if (t->kind > 0 && !is_removed(steps))
        return STEPS_FAIL;
    if (t->kind == FORMAT_SEGMENT_FILES - 1) {
        t->kind = 0;
        return STEPS_NEXT;
    }
    set_path(t, is_elsewhere(t) ? t->first : log_active(t->log)->base, ++t->kind);
    steps_then(steps, STEPS_AGAIN);
    env_unlink(steps->env, &steps->io, t->path, steps_done);
    return STEPS_TRY;
}

/* Snapshots of what the producers did behind the end: at a start the newest is believed. */
static enum steps_flow cut_snapshots(struct steps *steps)
{
    static const enum format_file_kind kinds[] = {FORMAT_KIND_SNAPSHOT, FORMAT_KIND_WINDOW};
    struct log_truncation *t = log_truncation_of(steps);
    struct log *log = t->log;
    if (t->kind > 0 && !is_removed(steps))
        return STEPS_FAIL;
    if (t->kind == COUNT_OF(kinds)) {
        t->kind = 0;
        log->snapshot_count--;
    }
    int64_t newest = log->snapshot_count == 0 ? -1 : log->snapshots[log->snapshot_count - 1];
    if (newest < 0 || (newest <= t->end && !t->reset))
        return STEPS_NEXT;
    log_segment_path(log, newest, kinds[t->kind++], t->path);
    steps_then(steps, STEPS_AGAIN);
    env_unlink(steps->env, &steps->io, t->path, steps_done);
    return STEPS_TRY;
}

/* ---- the segment that stays, or stands in ---- */

static enum steps_flow cut_open(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    const struct log_segment *active = log_active(t->log);
    if (is_elsewhere(t)) {
        set_path(t, t->first, 0);
        env_open_file(steps->env, &steps->io, t->path, ENV_OPEN_WRITE | ENV_OPEN_TRUNCATE,
                      steps_done);
        return STEPS_WAIT;
    }
    if (active->disk.file->create) /* it was never made */
        return steps_go(steps, CUT_SYNC_DIR);
    dir_hold(&t->hold, active->disk.file, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow cut_truncate(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    if (is_elsewhere(t)) {
        t->file = steps->n;
        return STEPS_NEXT;
    }
    env_truncate(steps->env, &steps->io, t->hold.file->handle, t->position, steps_done);
    return STEPS_WAIT;
}

/* Else a loss of power might bring the old end back, behind what has been appended to the new one.
 */
static enum steps_flow cut_sync(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    env_file file = t->file != 0 ? t->file : t->hold.file->handle;
    (void)steps;
    dir_sync_file(t->log->dir, &t->sync, file, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow cut_close(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    env_file file = t->file;
    t->failed = steps->err;
    t->file = 0;
    dir_let_go(&t->hold);
    if (file == 0)
        return STEPS_NEXT;
    env_close_file(steps->env, &steps->io, file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow cut_sync_dir(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    if (t->failed != ERR_NONE)
        return steps_fail(steps, t->failed);
    dir_sync_folder(t->log->dir, &t->sync, t->log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow cut_epochs(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    steps_then(steps, !t->reset ? STEPS_END : is_elsewhere(t) ? CUT_CREATE : CUT_START);
    if (!t->epochs_changed)
        return STEPS_NEXT;
    log_epochs_write(t->log, steps_waiter(steps));
    return STEPS_WAIT;
}

/* ---- the segment that the log begins anew with ---- */

static enum steps_flow cut_create(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    set_path(t, t->asked, 0);
    env_open_file(steps->env, &steps->io, t->path,
                  ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow cut_created(struct steps *steps)
{
    env_close_file(steps->env, &steps->io, steps->n, steps_done);
    return STEPS_TRY;
}

static enum steps_flow cut_entry(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    dir_sync_folder(t->log->dir, &t->sync, t->log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

/* A log that begins behind what this says has lost what is missing, so it goes before the file. */
static enum steps_flow cut_start(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    log_active(t->log)->disk.entry_durable = true;
    steps_then(steps, is_elsewhere(t) ? CUT_OLD : STEPS_END);
    dir_points_write(t->log->dir, DIR_POINTS_START, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow cut_old(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    set_path(t, t->first, 0);
    env_unlink(steps->env, &steps->io, t->path, steps_done);
    return STEPS_WAIT;
}

static const struct step cut_steps[] = {
    [CUT_ROOM] = {"truncate", cut_room},
    [CUT_POINT] = {"lower the recovery point of", cut_point},
    [CUT_WATERMARK] = {"lower the high watermark of", cut_watermark},
    [CUT_MEMORY] = {"truncate", cut_memory},
    [CUT_GONE] = {"remove a segment of", cut_gone},
    [CUT_GONE_SYNC] = {"remove a segment of", cut_gone_sync},
    [CUT_STALE] = {"remove an index of", cut_stale},
    [CUT_SNAPSHOTS] = {"remove a snapshot of", cut_snapshots},
    [CUT_OPEN] = {"open a segment of", cut_open},
    [CUT_TRUNCATE] = {"truncate", cut_truncate},
    [CUT_SYNC] = {"sync", cut_sync},
    [CUT_CLOSE] = {"sync", cut_close},
    [CUT_SYNC_DIR] = {"sync the folder of", cut_sync_dir},
    [CUT_EPOCHS] = {"write the leader epochs of", cut_epochs},
    [CUT_CREATE] = {"begin a segment of", cut_create},
    [CUT_CREATED] = {"begin a segment of", cut_created},
    [CUT_ENTRY] = {"sync the folder of", cut_entry},
    [CUT_START] = {"write the log start of", cut_start},
    [CUT_OLD] = {"remove a segment of", cut_old},
    [CUT_OLD_SYNC] = {"sync the folder of", cut_entry},
    {NULL, NULL},
};

static void end_truncation(struct log_truncation *t, enum err e);

static void ended(struct steps *steps, enum err e)
{
    end_truncation(log_truncation_of(steps), e);
}

static void on_found(struct log_truncation *t, enum err e)
{
    if (e == ERR_NONE)
        steps_start(&t->steps, log_env(t->log), cut_steps, ended);
    else
        end_truncation(t, e);
}

/* ---- beginning and end ---- */

static void free_truncation(struct log_truncation *t)
{
    struct mem *mem = t->log->set->mem;
    dir_let_go(&t->hold);
    env_disarm(log_env(t->log), &t->timer);
    format_index_free(&t->index);
    format_producers_free(&t->producers);
    if (t->fresh != NULL)
        log_segment_free(t->fresh);
    mem_free(mem, t->gone);
    mem_free(mem, t);
}

/* Nothing has been changed but checkpoints that say less than they could: the log goes on. */
static void go_on_uncut(struct log *log, enum err repair)
{
    log->recovery_next = log->recovery_point;
    if (repair != ERR_NONE && log->status == ERR_NONE && log->closing == NULL)
        log_repair_begin(log, repair);
}

static void go_on(struct log *log)
{
    if (log->status != ERR_NONE)
        return;
    log_segment_clean(log_active(log));
    if (log->written_end > log->synced_end)
        log_commit(log);
    if (log_epochs_limit(log) != INT64_MAX && !log->epochs_writing && log->closing == NULL)
        log_epochs_write(log, NULL);
    log_seal(log);
}

static void end_truncation(struct log_truncation *t, enum err e)
{
    struct log *log = t->log;
    struct log_op *op = t->op;
    bool cut = t->cut;
    enum err repair = log->write_failed;
    if (e == ERR_CORRUPT && log->status != ERR_NONE)
        errmsg_set(&op->msg, log->status, "%s", log_status_text(log));
    else if (e != ERR_NONE && op->msg.text[0] == 0)
        errmsg_set(&op->msg, e, "cannot %s %s: %s", steps_what(&t->steps), log->path, err_text(e));
    if (e != ERR_NONE && cut)
        log_offline(log, e, (int64_t)log_active(log)->size);
    log->truncation = NULL;
    log->point_limit = INT64_MAX;
    log->write_failed = ERR_NONE;
    free_truncation(t);
    if (log->state == LOG_TRUNCATING)
        log_move(log, LOG_OPEN);
    if (!cut)
        go_on_uncut(log, repair);
    go_on(log);
    op->done(op, e); /* the log stays while it is busy */
    log->busy--;
    log_settle(log);
}

/* Only the log's own work may be waited for, not what waits for the truncation. */
static bool is_quiet(const struct log *log)
{
    if (!list_empty(&log->in_flight) || log->member.in_round || log->sealing != NULL ||
        log->retention != NULL || log->advances > 0 || log->epochs_writing || log_repair_runs(log))
        return false;
    for (int32_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->disk.state == DIR_WRITER_WAITS)
            return false;
    }
    return true;
}

static void on_timer(struct env_timer *timer)
{
    struct log_truncation *t = CONTAINER_OF(timer, struct log_truncation, timer);
    struct log *log = t->log;
    if (!is_quiet(log))
        return;
    log_touch(log);
    t->running = true;
    if (log->repair != NULL)
        log->write_failed = log_repair_take_over(log);
    if (log->status == ERR_NONE) {
        log_truncation_find(t, on_found);
        return;
    }
    errmsg_set(&t->op->msg, log->status, "%s", log_status_text(log));
    end_truncation(t, log->status);
}

static void truncate_next(struct log *log)
{
    struct log_truncation *t = log->truncation;
    if (t != NULL && !t->running && !env_armed(&t->timer) && is_quiet(log))
        env_arm(log_env(log), &t->timer, env_now(log_env(log)));
}

bool log_truncation_runs(const struct log *log)
{
    return log->truncation != NULL && log->truncation->running;
}

bool log_truncation_comes(const struct log *log)
{
    const struct log_truncation *t = log->truncation;
    return t == NULL || t->running || env_armed(&t->timer) || !is_quiet(log);
}

/* ERR_NONE: it may begin. */
static enum err check(const struct log *log, int64_t to, bool reset, struct errmsg *msg)
{
    if (log->status != ERR_NONE)
        return errmsg_set(msg, log->status, "%s", log_status_text(log));
    if (log->closing != NULL || dir_closing(log->dir))
        return errmsg_set(msg, ERR_OFFLINE, "%s is being closed", log->path);
    if (log->truncation != NULL)
        return errmsg_set(msg, ERR_BUSY, "%s is being truncated already", log->path);
    if (to < 0 || (!reset && to < log->start))
        return errmsg_set(msg, ERR_RANGE, "%s begins at offset %lld and cannot end at %lld",
                          log->path, (long long)log->start, (long long)to);
    return ERR_NONE;
}

static void begin(struct log *log, int64_t to, bool reset, struct log_op *op, log_done *done)
{
    struct mem *mem = log->set->mem;
    *op = (struct log_op){.done = done};
    list_init(&op->link);
    enum err e = check(log, to, reset, &op->msg);
    struct log_truncation *t = e == ERR_NONE ? mem_zalloc(mem, sizeof *t) : NULL;
    if (t != NULL)
        e = format_producers_init(&t->producers, mem, &log->set->producers);
    else if (e == ERR_NONE)
        e = ERR_NOMEM;
    if (e != ERR_NONE) {
        mem_free(mem, t);
        done(op, e);
        return;
    }
    t->log = log;
    t->op = op;
    t->asked = to;
    t->reset = reset;
    t->first_timestamp = -1;
    format_index_init(&t->index, mem, 0);
    t->timer.fire = on_timer;
    log->truncation = t;
    log->truncate_next = truncate_next;
    log->busy++;
    log_move(log, LOG_TRUNCATING);
    /* Perhaps nothing is under way whose end could be waited for. */
    env_arm(log_env(log), &t->timer, env_now(log_env(log)));
    log_touch(log);
    log_wake_admissions(log); /* to be refused */
}

void log_truncate(struct log *log, int64_t to, struct log_op *op, log_done *done)
{
    begin(log, to, false, op, done);
}

void log_reset(struct log *log, int64_t start, struct log_op *op, log_done *done)
{
    begin(log, start, true, op, done);
}
