/* repair.c - after a write has failed: waits until nothing is in flight, cuts the files back to
 * what counts, and lets appends in again once the disk has room. No restart, and reads go on. */
#include "log/internal.h"

struct log_repair {
    struct steps steps;
    struct log *log;
    enum err cause;
    bool running, full;
    struct env_timer timer;
    struct dir_hold hold;
    struct dir_sync sync;
    bool dropped;
    struct again drops;
    uint64_t bytes; /* what could not be written */
};

enum {
    REPAIR_DROP,
    REPAIR_DROPPED,
    REPAIR_SYNC_DIR,
    REPAIR_HOLD,
    REPAIR_TRUNCATE,
    REPAIR_SIZE,
    REPAIR_SPACE,
    REPAIR_DECIDE,
};

static struct log_repair *repair_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct log_repair, steps);
}

/* Segments that were begun behind the place where the log ends now. */
static enum steps_flow drop(struct steps *steps)
{
    struct log *log = repair_of(steps)->log;
    struct log_segment *last = log_active(log);
    if (last->base <= log->end) {
        last->next = MIN(last->next, log->end); /* if what followed began behind a gap */
        return steps_go(steps, REPAIR_SYNC_DIR);
    }
    again(&repair_of(steps)->drops, (uint64_t)(INT32_MAX - log->segment_count));
    repair_of(steps)->dropped = true;
    env_unlink(steps->env, &steps->io, last->disk.file->path, steps_done);
    return STEPS_TRY;
}

static enum steps_flow dropped(struct steps *steps)
{
    struct log *log = repair_of(steps)->log;
    struct log_segment *last = log_active(log);
    if (steps->err != ERR_NONE && steps->err != ERR_NOTFOUND)
        return STEPS_FAIL;
    if (last->disk.state == DIR_WRITER_HELD)
        dir_writer_release(&last->disk);
    log_forget_places(log);
    log->segment_count--;
    if (last->readers > 0)
        log_segment_retire(last);
    else
        log_segment_free(last);
    return steps_go(steps, REPAIR_DROP);
}

/* Durably, before anything is appended: a segment that came back with the power would stand in
 * for records that were acknowledged since. */
static enum steps_flow sync_dir(struct steps *steps)
{
    struct log_repair *r = repair_of(steps);
    if (!r->dropped)
        return STEPS_NEXT;
    dir_sync_folder(r->log->dir, &r->sync, r->log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow hold(struct steps *steps)
{
    struct log_repair *r = repair_of(steps);
    struct log_segment *active = log_active(r->log);
    r->dropped = false;
    if (active->disk.file->create)
        return steps_go(steps, REPAIR_SPACE); /* it was never made */
    dir_hold(&r->hold, active->disk.file, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow truncate_file(struct steps *steps)
{
    struct log_segment *active = log_active(repair_of(steps)->log);
    env_truncate(steps->env, &steps->io, active->disk.file->handle, active->size, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow ask_size(struct steps *steps)
{
    struct log_segment *active = log_active(repair_of(steps)->log);
    env_size(steps->env, &steps->io, active->disk.file->handle, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow ask_space(struct steps *steps)
{
    struct log_repair *r = repair_of(steps);
    if (r->hold.held && steps->n != log_active(r->log)->size)
        return steps_fail(steps, ERR_CORRUPT);
    steps->n = UINT64_MAX;
    if (r->cause != ERR_NOSPACE)
        return STEPS_NEXT;
    env_space(steps->env, &steps->io, dir_path(r->log->dir), steps_done);
    return STEPS_TRY;
}

static enum steps_flow decide(struct steps *steps)
{
    struct log_repair *r = repair_of(steps);
    r->full = r->cause == ERR_NOSPACE && (steps->n < r->bytes || log_must_spare(r->log));
    return STEPS_NEXT;
}

static const struct step repair_steps[] = {
    [REPAIR_DROP] = {"remove", drop},
    [REPAIR_DROPPED] = {"remove", dropped},
    [REPAIR_SYNC_DIR] = {"remove", sync_dir},
    [REPAIR_HOLD] = {"open", hold},
    [REPAIR_TRUNCATE] = {"truncate", truncate_file},
    [REPAIR_SIZE] = {"look at", ask_size},
    [REPAIR_SPACE] = {"look at", ask_space},
    [REPAIR_DECIDE] = {"look at", decide},
    {NULL, NULL},
};

static void free_repair(struct log *log, bool room)
{
    if (log->repair->cause == ERR_NOSPACE)
        dir_full_end(log->dir, room);
    env_disarm(log_env(log), &log->repair->timer);
    mem_free(log->set->mem, log->repair);
    log->repair = NULL;
}

static void ended(struct steps *steps, enum err e)
{
    struct log_repair *r = repair_of(steps);
    struct log *log = r->log;
    struct log_segment *active = log_active(log);
    dir_let_go(&r->hold);
    r->running = false;
    log->busy--;
    bool final = e == ERR_CORRUPT || e == ERR_READONLY;
    if (e == ERR_NOTFOUND)
        log_missing(log, log->path);
    if (final)
        log_offline(log, e, (int64_t)active->size);
    if (log->status != ERR_NONE || log->closing != NULL) {
        free_repair(log, false);
    } else if (e != ERR_NONE || r->full) {
        env_arm(log_env(log), &r->timer, env_now(log_env(log)) + LOG_RETRY_MS * 1000000ll);
    } else {
        SOMETIMES(log->set->trace, REPAIRED_AFTER_FULL_DISK, r->cause == ERR_NOSPACE);
        free_repair(log, true);
        if (log->state == LOG_REPAIRING)
            log_move(log, LOG_OPEN);
        log_segment_clean(active);
        log_seal(log); /* what waited for the repair may have no other cause to come again */
    }
    if (log->status == ERR_NONE && log->written_end > log->durable_end)
        log_commit(log);
    log_settle(log);
}

/* Only the log's own work may be waited for, not what waits for the repair. */
static bool ready(const struct log *log)
{
    if (!list_empty(&log->in_flight) || log->member.in_round || log->sealing != NULL)
        return false;
    for (int32_t i = log->segment_count - 1; i >= 0; i--) {
        if (log->segments[i]->disk.state == DIR_WRITER_WAITS)
            return false;
        if (log->segments[i]->base <= log->end)
            break;
    }
    return true;
}

static void repair_next(struct log *log)
{
    struct log_repair *r = log->repair;
    if (r == NULL || r->running || env_armed(&r->timer) || log->status != ERR_NONE ||
        log->truncation != NULL || !ready(log))
        return;
    r->running = true;
    r->drops = (struct again){0}; /* time has passed */
    log->busy++;
    steps_start(&r->steps, log_env(log), repair_steps, ended);
}

bool log_waits_for_room(const struct log *log)
{
    return log->repair != NULL && log->repair->cause == ERR_NOSPACE;
}

bool log_must_spare(const struct log *log)
{
    return !log->config.spends_reserve && dir_reserve_is_given(log->dir) &&
           !KNOWN_BUG(records_take_reserve);
}

bool log_repair_runs(const struct log *log)
{
    return log->repair != NULL && log->repair->running;
}

bool log_repair_comes(const struct log *log)
{
    const struct log_repair *r = log->repair;
    return r == NULL || r->running || env_armed(&r->timer) || log->truncation != NULL ||
           !ready(log);
}

enum err log_repair_take_over(struct log *log)
{
    enum err cause = log->repair->cause;
    ASSERT(!log->repair->running);
    free_repair(log, false);
    return cause;
}

void log_repair_stop(struct log *log)
{
    if (!log->repair->running)
        free_repair(log, false);
}

static void on_timer(struct env_timer *timer)
{
    repair_next(CONTAINER_OF(timer, struct log_repair, timer)->log);
}

void log_repair_begin(struct log *log, enum err e)
{
    /* A snapshot of what the producers had done behind the end would speak of records that are in
     * no log. */
    if (log->snapshot_offset > log->end) {
        log_snapshot_drop(log);
        log->snapshot_due = true;
    }
    if (log->state == LOG_OPEN)
        log_move(log, LOG_REPAIRING);
    if (e == ERR_CORRUPT) {
        log_offline(log, e, (int64_t)log_active(log)->size);
        return;
    }
    if (log->truncation != NULL) {
        log->write_failed = e;
        return;
    }
    if (log->repair != NULL)
        return;
    log->repair = mem_zalloc(log->set->mem, sizeof *log->repair);
    if (log->repair == NULL) {
        log_offline(log, ERR_NOMEM, (int64_t)log_active(log)->size);
        return;
    }
    log->repair->log = log;
    log->repair_next = repair_next;
    log->repair->cause = e;
    log->repair->bytes = log->config.spends_reserve ? LOG_SPARE_BYTES : DIR_ROOM_BYTES;
    log->repair->timer.fire = on_timer;
    if (e == ERR_NOSPACE)
        dir_full_begin(log->dir);
    /* Perhaps nothing is under way whose end could be waited for. */
    env_arm(log_env(log), &log->repair->timer, env_now(log_env(log)));
}
