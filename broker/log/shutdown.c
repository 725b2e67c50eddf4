/* shutdown.c - the clean end of a directory: every log synced, what speeds up the next start
 * written, and only then the marker that says so. */
#include "log/internal.h"
#include <stdio.h>

#define MARKER "{\"version\":0,\"brokerEpoch\":-1}"

struct log_shutdown {
    struct log_steps steps;
    struct log_dir *dir;
    struct log_op *op;
    struct log *log; /* being written */
    struct log_ground_wait ground_wait;
    struct log_points_wait points_wait;
    struct log_save save;
    struct log_file_write write;
    struct bytes bytes, window;
    uint32_t index_crc, times_crc;
    char crc_text[LOG_INDEX_CRC_SIZE];
    int kind;
    bool waiting;
    enum err failed; /* why it is given up */
    bool mark;       /* the marker is wanted, and so far every log is whole */
    char path[ENV_PATH_MAX];
};

enum {
    DOWN_GROUND,
    DOWN_SYNC,
    DOWN_NEXT,
    DOWN_INDEX,
    DOWN_TIMES,
    DOWN_CRC,
    DOWN_WINDOW,
    DOWN_SNAPSHOT,
    DOWN_SYNC_DIR,
    DOWN_POINTS,
    DOWN_MARK,
    DOWN_QUIET,
    DOWN_UNLOCK,
    DOWN_UNLOCKED,
    DOWN_OVER,
};

static struct log_shutdown *shutdown_of(struct log_steps *steps)
{
    return CONTAINER_OF(steps, struct log_shutdown, steps);
}

static void on_saved(struct log_save *save, enum err e)
{
    struct log_shutdown *s = CONTAINER_OF(save, struct log_shutdown, save);
    log_steps_resume(&s->steps, e);
}

/* ---- until all is durable ---- */

static void on_ground(struct log_ground_wait *wait, enum err e)
{
    log_steps_resume(&CONTAINER_OF(wait, struct log_shutdown, ground_wait)->steps, e);
}

static enum log_flow down_ground(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    if (!log_ground_wait(s->dir, &s->ground_wait, on_ground))
        return LOG_WAIT;
    return s->dir->ground.err == ERR_NONE ? LOG_NEXT : log_steps_fail(steps, s->dir->ground.err);
}

static bool is_durable(const struct log *log)
{
    return log->status != ERR_NONE || log->state != LOG_OPEN ||
           (list_empty(&log->in_flight) && !log->in_round && log->durable_end == log->end);
}

static bool is_quiet(const struct log *log)
{
    return is_durable(log) && log->sealing == NULL && log->retention == NULL &&
           !log->epochs_writing && (log->repair == NULL || log->busy == 0);
}

static enum log_flow down_sync(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    struct log_dir *dir = s->dir;
    bool quiet = !dir->round_running;
    LIST_EACH (log, &dir->logs, struct log, link)
        quiet &= is_quiet(log);
    if (quiet || dir->status != ERR_NONE) {
        s->log = LIST_FIRST(&dir->logs, struct log, link);
        return LOG_NEXT;
    }
    dir->flush_now = true;
    s->waiting = true; /* log_dir_idle looks again */
    steps->next = DOWN_SYNC;
    log_commit_kick(dir);
    return LOG_WAIT;
}

/* ---- one log after the other ---- */

static enum log_flow down_next(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    if (s->dir->status != ERR_NONE) {
        steps->next = DOWN_QUIET;
        return LOG_NEXT;
    }
    if (s->log == NULL) {
        steps->next = DOWN_POINTS;
        return LOG_NEXT;
    }
    struct log_segment *active = log_active(s->log);
    bool whole = s->log->status == ERR_NONE && s->log->state == LOG_OPEN;
    s->mark &= whole;
    if (whole && active->index_known && !active->file->create)
        return LOG_NEXT;
    struct list *next = s->log->link.next;
    s->log = next == &s->dir->logs ? NULL : CONTAINER_OF(next, struct log, link);
    steps->next = DOWN_NEXT;
    return LOG_NEXT;
}

static enum log_flow save_bytes(struct log_shutdown *s, enum log_file_kind kind, int64_t offset,
                                struct bytes bytes)
{
    log_segment_path(s->log, offset, kind, s->path);
    s->bytes = bytes;
    log_save(s->dir, &s->save, s->path, bytes, 0, true, on_saved);
    return LOG_WAIT;
}

static void free_bytes(struct log_shutdown *s)
{
    mem_free(s->dir->mem, (void *)(uintptr_t)s->bytes.data);
    s->bytes = bytes_of(NULL, 0);
}

static enum log_flow down_index(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    struct log_segment *active = log_active(s->log);
    struct log_index *index = &active->index;
    if (log_index_reserve(index, 1) != ERR_NONE)
        return log_steps_fail(steps, ERR_NOMEM);
    log_index_seal(index);
    size_t size = (size_t)index->count * LOG_INDEX_ENTRY_SIZE;
    uint8_t *bytes = mem_alloc(s->dir->mem, size + 1);
    if (bytes == NULL)
        return log_steps_fail(steps, ERR_NOMEM);
    log_index_encode(index, 0, index->count, bytes);
    s->index_crc = crc32c(0, bytes, size);
    return save_bytes(s, LOG_KIND_INDEX, active->base, bytes_of(bytes, size));
}

static enum log_flow down_times(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    struct log_segment *active = log_active(s->log);
    size_t size = (size_t)active->index.time_count * LOG_TIME_ENTRY_SIZE;
    free_bytes(s);
    uint8_t *bytes = mem_alloc(s->dir->mem, size + 1);
    if (bytes == NULL)
        return log_steps_fail(steps, ERR_NOMEM);
    log_times_encode(&active->index, 0, active->index.time_count, bytes);
    s->times_crc = crc32c(0, bytes, size);
    return save_bytes(s, LOG_KIND_TIMEINDEX, active->base, bytes_of(bytes, size));
}

static enum log_flow down_crc(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    (void)steps;
    free_bytes(s);
    log_index_crc_path(s->log, log_active(s->log)->base, s->path);
    log_index_crc_print(s->index_crc, s->times_crc, log_active(s->log)->size, s->crc_text);
    log_save(s->dir, &s->save, s->path, bytes_text(s->crc_text), 0, true, on_saved);
    return LOG_WAIT;
}

static enum log_flow down_window(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    struct bytes snapshot;
    struct bytes window;
    enum err e = log_snapshot_encode(&s->log->producers, s->dir->mem, &snapshot, &window);
    if (e != ERR_NONE)
        return log_steps_fail(steps, e);
    s->window = snapshot; /* kept until its turn */
    if (window.data == NULL)
        return LOG_NEXT;
    return save_bytes(s, LOG_KIND_WINDOW, s->log->end, window);
}

static enum log_flow down_snapshot(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    struct bytes snapshot = s->window;
    (void)steps;
    free_bytes(s);
    s->window = bytes_of(NULL, 0);
    return save_bytes(s, LOG_KIND_SNAPSHOT, s->log->end, snapshot);
}

static enum log_flow down_sync_dir(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    struct log *log = s->log;
    struct list *next = log->link.next;
    free_bytes(s);
    s->log = next == &s->dir->logs ? NULL : CONTAINER_OF(next, struct log, link);
    steps->next = DOWN_NEXT;
    env_sync_dir(steps->env, &steps->io, log->path, log_steps_done);
    return LOG_WAIT;
}

/* ---- the checkpoints and the marker ---- */

static void on_point(struct log_points_wait *wait, enum err e)
{
    log_steps_resume(&CONTAINER_OF(wait, struct log_shutdown, points_wait)->steps, e);
}

static enum log_flow down_points(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    if (s->kind == LOG_POINTS_COUNT)
        return LOG_NEXT;
    s->points_wait.done = on_point;
    steps->next = DOWN_POINTS;
    log_points_write(s->dir, (enum log_points_kind)s->kind++, &s->points_wait);
    return LOG_WAIT;
}

static void on_put(struct log_op *op, enum err e)
{
    struct log_file_write *write = CONTAINER_OF(op, struct log_file_write, op);
    log_steps_resume(&CONTAINER_OF(write, struct log_shutdown, write)->steps, e);
}

static enum log_flow down_mark(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    (void)steps;
    if (!s->mark || s->dir->status != ERR_NONE)
        return LOG_NEXT;
    snprintf(s->path, sizeof s->path, "%s/.kafka_cleanshutdown", s->dir->path);
    s->write = (struct log_file_write){.path = s->path, .bytes = bytes_text(MARKER)};
    log_file_put(s->dir, &s->write, on_put);
    return LOG_WAIT;
}

/* ---- the end ---- */

static enum log_flow down_quiet(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    s->steps.err = ERR_NONE;
    if (s->dir->busy == 0)
        return LOG_NEXT;
    s->waiting = true;
    steps->next = steps->at; /* in either table */
    return LOG_WAIT;
}

static enum log_flow down_unlock(struct log_steps *steps)
{
    struct log_shutdown *s = shutdown_of(steps);
    steps->tolerant = true;
    env_close_file(steps->env, &steps->io, s->dir->lock, log_steps_done);
    return LOG_WAIT;
}

static enum log_flow down_unlocked(struct log_steps *steps)
{
    shutdown_of(steps)->dir->lock = 0;
    return LOG_NEXT;
}

static const struct log_step down_steps[] = {
    [DOWN_GROUND] = {"make durable", down_ground},
    [DOWN_SYNC] = {"sync the logs of", down_sync},
    [DOWN_NEXT] = {"write the indexes in", down_next},
    [DOWN_INDEX] = {"write the indexes in", down_index},
    [DOWN_TIMES] = {"write the indexes in", down_times},
    [DOWN_CRC] = {"write the indexes in", down_crc},
    [DOWN_WINDOW] = {"write the snapshots in", down_window},
    [DOWN_SNAPSHOT] = {"write the snapshots in", down_snapshot},
    [DOWN_SYNC_DIR] = {"sync", down_sync_dir},
    [DOWN_POINTS] = {"write the checkpoints of", down_points},
    [DOWN_MARK] = {"mark the clean end of", down_mark},
    [DOWN_QUIET] = {"close", down_quiet},
    [DOWN_UNLOCK] = {"unlock", down_unlock},
    [DOWN_UNLOCKED] = {"unlock", down_unlocked},
    [DOWN_OVER] = {NULL, NULL},
};

/* An unclean end is an end, too: the directory is unlocked all the same. */
static const struct log_step give_up_steps[] = {
    {"close", down_quiet},
    {"unlock", down_unlock},
    {"unlock", down_unlocked},
    {NULL, NULL},
};

static void finish(struct log_shutdown *s, enum err e)
{
    struct log_dir *dir = s->dir;
    struct log_op *op = s->op;
    dir->shutdown = NULL;
    dir->opened = false;
    mem_free(dir->mem, s);
    op->done(op, e);
}

static void gave_up(struct log_steps *steps, enum err e)
{
    struct log_shutdown *s = shutdown_of(steps);
    (void)e;
    finish(s, s->dir->status != ERR_NONE ? s->dir->status : s->failed);
}

static void ended(struct log_steps *steps, enum err e)
{
    struct log_shutdown *s = shutdown_of(steps);
    struct log_dir *dir = s->dir;
    if (e == ERR_NONE && dir->status != ERR_NONE)
        errmsg_set(&s->op->msg, dir->status, "%s is offline", dir->path);
    if (e == ERR_NONE) {
        finish(s, dir->status);
        return;
    }
    errmsg_set(&s->op->msg, e, "cannot %s %s: %s", log_steps_what(steps), dir->path, err_text(e));
    free_bytes(s);
    mem_free(dir->mem, (void *)(uintptr_t)s->window.data);
    s->window = bytes_of(NULL, 0);
    s->failed = e;
    log_steps_start(&s->steps, dir->env, give_up_steps, gave_up);
}

void log_dir_idle(struct log_dir *dir)
{
    struct log_shutdown *s = dir->shutdown;
    struct log_op *settling = dir->settling;
    if (s != NULL && s->waiting) {
        s->waiting = false;
        log_steps_resume(&s->steps, ERR_NONE);
    } else if (settling != NULL && dir->busy == 0) {
        dir->settling = NULL;
        settling->done(settling, ERR_NONE);
    }
}

void log_dir_settle(struct log_dir *dir, struct log_op *op, log_done *done)
{
    ASSERT(list_empty(&dir->logs));
    ASSERT(dir->settling == NULL);
    *op = (struct log_op){.done = done};
    list_init(&op->link);
    dir->settling = op;
    log_dir_idle(dir);
}

enum err log_shutdown_reserve(struct log_dir *dir)
{
    if (dir->shutdown == NULL)
        dir->shutdown = mem_zalloc(dir->mem, sizeof *dir->shutdown);
    return dir->shutdown == NULL ? ERR_NOMEM : ERR_NONE;
}

void log_dir_close(struct log_dir *dir, bool mark, struct log_op *op, log_done *done)
{
    ASSERT(dir->opened);
    ASSERT(!dir->closing);
    *op = (struct log_op){.done = done};
    list_init(&op->link);
    env_disarm(dir->env, &dir->checkpoint);
    log_removals_stop(dir);
    dir->closing = true;
    struct log_shutdown *s = dir->shutdown;
    s->dir = dir;
    s->op = op;
    s->mark = mark;
    log_steps_start(&s->steps, dir->env, down_steps, ended);
}
