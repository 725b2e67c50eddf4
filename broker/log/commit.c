/* commit.c - group commit: one round of syncs at a time in a directory, each file once. A round
 * makes durable what had been written when it began. No sync that failed is ever tried again. */
#include "log/internal.h"

static void on_synced(struct env_op *op, enum err e, uint64_t n);

static bool takes_part(const struct log *log)
{
    /* It comes back when its files are whole again; or there is no place where it could be durable.
     */
    return !log_repair_runs(log) && log->status != ERR_NOTFOUND && log->unnamed_base < 0;
}

/* ---- what nobody waits for ---- */

void log_commit_flush(struct log_dir *dir)
{
    dir->unsynced_bytes = 0;
    dir->flush_now = true;
    log_commit_kick(dir);
}

static void on_flush(struct env_timer *timer)
{
    struct log_dir *dir = CONTAINER_OF(timer, struct log_dir, flush);
    if (dir->status == ERR_NONE && !dir->closing && dir->unsynced_bytes > 0)
        log_commit_flush(dir);
}

static void flush_later(struct log_dir *dir)
{
    if (dir->status != ERR_NONE || dir->closing)
        return;
    if (dir->unsynced_bytes >= dir->config.flush_bytes && !dir->flush_now)
        log_commit_flush(dir);
    if (env_armed(&dir->flush))
        return;
    dir->flush.fire = on_flush;
    env_arm(dir->env, &dir->flush, env_now(dir->env) + ENV_NS_OF_MS(dir->config.flush_ms));
}

static enum log_turn turn_of(const struct log *log)
{
    if (!log_waits_for_sync(log))
        return LOG_TURN_IDLE;
    return log_is_soon(log) ? LOG_TURN_SOON : LOG_TURN_LATE;
}

static void line_up(struct log *log, enum log_turn turn)
{
    list_remove(&log->dirty);
    log->turn = (uint8_t)turn;
    list_push_back(&log->dir->dirty[turn], &log->dirty);
}

void log_commit_mark(struct log *log)
{
    enum log_turn turn = turn_of(log);
    if (!log->in_round && (!list_linked(&log->dirty) || turn < log->turn))
        line_up(log, turn);
    if (log_waits_for_sync(log) || log_dirty_crowded(log->dir))
        log_commit_kick(log->dir);
    else
        flush_later(log->dir);
}

/* ---- the end of a log's part ---- */

static void end_round(struct log_dir *dir)
{
    TRACE(dir->trace, SYNC_DONE, dir->round, (uint64_t)dir->round_err);
    dir->round_running = false;
    if (dir->round_short)
        env_arm(dir->env, &dir->round_timer, env_now(dir->env) + LOG_SHORT_MS * 1000000ll);
    log_commit_kick(dir);
    if (dir->synced_bytes > 0)
        log_checkpoint_later(dir);
    dir->busy--;
    log_dir_idle(dir);
}

static void move_durable_end(struct log *log)
{
    if (log->dir->status != ERR_NONE || log->round_short || log->round_end <= log->durable_end)
        return;
    log->durable_end = log->round_end;
    TRACE(log->dir->trace, LOG_DURABLE, log->id, (uint64_t)log->durable_end);
    log_told(log, ERR_NONE);
}

static void end_part(struct log *log)
{
    struct log_dir *dir = log->dir;
    if (--log->round_pending > 0)
        return;
    log->in_round = false;
    list_remove(&log->dirty);
    move_durable_end(log);
    if (dir->status == ERR_NONE && log->written_end > log->durable_end)
        log_commit_mark(log);
    log_seal(log);
    log_look(log);
    log_repair_next(log);
    log_settle(log);
    if (--dir->round_pending == 0)
        end_round(dir);
}

static void sync_failed(struct log *log, enum err e)
{
    struct log_dir *dir = log->dir;
    dir->round_err = e;
    if (log_sync_tried(e)) {
        log_dir_sync_failed(dir, e);
        return;
    }
    log->round_short = dir->round_short = true;
    log_files_trim(dir, dir->open_files / 2);
}

static void on_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct log_segment *segment = CONTAINER_OF(op, struct log_segment, sync);
    struct log *log = segment->log;
    bool unnamed = e == ERR_NONE && n > 0 && !segment->retired;
    if (e != ERR_NONE && KNOWN_BUG(sync_retried)) {
        env_sync(log_env(log), op, segment->file->handle, on_synced);
        return;
    }
    segment->syncing = false;
    if (unnamed) {
        log->round_short = true;
        log_unnamed(segment);
    } else if (e == ERR_NONE) {
        log->dir->synced_bytes += (int64_t)(segment->sync_size - segment->synced);
        segment->synced = segment->sync_size;
    } else {
        sync_failed(log, e);
    }
    log_segment_clean(segment);
    end_part(log);
}

static void on_dir_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct log *log = CONTAINER_OF(op, struct log, dir_sync);
    (void)n;
    if (e == ERR_NOTFOUND) {
        log->round_short = true;
        log_missing(log, log->path);
    } else if (e != ERR_NONE) {
        sync_failed(log, e);
    }
    for (int32_t i = 0; i < log->segment_count; i++) {
        struct log_segment *segment = log->segments[i];
        segment->entry_durable |= segment->entry_syncing && e == ERR_NONE;
        segment->entry_syncing = false;
    }
    end_part(log);
}

/* ---- the beginning of a round ---- */

/* A new file is as durable as its entry is (KAFKA-3968). */
static void sync_entry(struct log *log, struct log_segment *segment)
{
    if (segment->entry_durable || segment->file->create)
        return;
    if (KNOWN_BUG(file_without_dir_sync)) {
        segment->entry_durable = true;
        return;
    }
    segment->entry_syncing = true;
    if (log->dir_sync.in_flight)
        return;
    log->round_pending++;
    env_sync_dir(log_env(log), &log->dir_sync, log->path, on_dir_synced);
}

static void sync_file(struct log *log, struct log_segment *segment)
{
    if (segment->written == segment->synced)
        return;
    ASSERT(segment->dirty_hold);
    segment->syncing = true;
    segment->sync_size = segment->written;
    log->round_pending++;
    env_sync(log_env(log), &segment->sync, segment->file->handle, on_synced);
}

static int32_t start_part(struct log *log)
{
    log->round_end = log->written_end;
    log->round_pending = 0;
    log->round_short = false;
    for (int32_t i = MAX(log_segment_index(log, log->durable_end), 0); i < log->segment_count;
         i++) {
        sync_file(log, log->segments[i]);
        sync_entry(log, log->segments[i]);
    }
    return log->round_pending;
}

/* Moves up to max of those whose turn it is into the round; how many. */
static int32_t gather(struct log_dir *dir, enum log_turn turn, int32_t max)
{
    int32_t count = 0;
    LIST_EACH (log, &dir->dirty[turn], struct log, dirty) {
        if (count >= max)
            break;
        if (!takes_part(log))
            continue;
        list_remove(&log->dirty);
        list_push_back(&dir->in_round, &log->dirty);
        log->in_round = true;
        count++;
    }
    return count;
}

/* Each kind has a share of the round, and the first the rest of it. */
static void gather_all(struct log_dir *dir)
{
    int32_t share = LOG_ROUND_LOGS / 4;
    if (dir->flush_now || log_dirty_crowded(dir)) {
        LIST_EACH (log, &dir->dirty[LOG_TURN_IDLE], struct log, dirty)
            line_up(log, LOG_TURN_FLUSH);
    }
    dir->flush_now = false;
    int32_t count = gather(dir, LOG_TURN_SOON, LOG_ROUND_LOGS - 2 * share);
    count += gather(dir, LOG_TURN_LATE, share);
    count += gather(dir, LOG_TURN_FLUSH, share);
    for (enum log_turn turn = LOG_TURN_SOON; turn <= LOG_TURN_FLUSH; turn++)
        count += gather(dir, turn, LOG_ROUND_LOGS - count);
    ASSERT(count <= LOG_ROUND_LOGS);
}

/* A log of which all bytes have been synced by an earlier round is durable at once. */
static int32_t start_round(struct log_dir *dir)
{
    int32_t files = 0;
    dir->round++;
    dir->round_err = ERR_NONE;
    dir->round_short = false;
    dir->round_pending = 0;
    LIST_EACH (log, &dir->in_round, struct log, dirty) {
        int32_t started = start_part(log);
        files += started;
        dir->round_pending += started > 0;
        if (started > 0)
            continue;
        log->in_round = false;
        list_remove(&log->dirty);
        move_durable_end(log);
    }
    return files;
}

void log_commit_kick(struct log_dir *dir)
{
    while (!dir->round_running && dir->status == ERR_NONE && !env_armed(&dir->round_timer)) {
        gather_all(dir);
        if (list_empty(&dir->in_round))
            return;
        dir->round_running = true; /* whoever is told may append, and come here again */
        int32_t files = start_round(dir);
        dir->round_running = dir->round_pending > 0;
        if (dir->round_running) {
            dir->busy++;
            TRACE(dir->trace, SYNC_START, dir->round, (uint64_t)files);
        }
    }
}

static void on_timer(struct env_timer *timer)
{
    log_commit_kick(CONTAINER_OF(timer, struct log_dir, round_timer));
}

void log_commit_init(struct log_dir *dir)
{
    for (int i = 0; i < LOG_TURNS; i++)
        list_init(&dir->dirty[i]);
    list_init(&dir->in_round);
    dir->round_timer.fire = on_timer;
}
