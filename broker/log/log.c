/* log.c - one partition: what others ask of it, how it goes offline, how it is closed and deleted.
 */
#include "log/internal.h"
#include <stdio.h>

/* ---- asking ---- */

int64_t log_start(const struct log *log)
{
    return log->start;
}

int64_t log_end(const struct log *log)
{
    return log->end;
}

int64_t log_written_end(const struct log *log)
{
    return log->written_end;
}

int64_t log_durable_end(const struct log *log)
{
    return log->durable_end;
}

bool log_waits_for_sync(const struct log *log)
{
    return log->set->flush == LOG_FLUSH_ACK || log->config.always_sync;
}

int64_t log_counting_end(const struct log *log)
{
    if (KNOWN_BUG(ack_without_sync))
        return log->written_end;
    if (log->unmarked)
        return log->start;
    return log_waits_for_sync(log) ? log->durable_end : log->written_end;
}

void log_note_high_watermark(struct log *log, int64_t offset)
{
    ASSERT(offset <= log->end);
    log->high_watermark = MAX(log->high_watermark, offset);
}

uint64_t log_bytes(const struct log *log)
{
    return log->bytes;
}

uint64_t log_trace_id(const struct log *log)
{
    return log->id;
}

enum err log_status(const struct log *log)
{
    return log->status;
}

const char *log_status_text(const struct log *log)
{
    return log->why.text;
}

const char *log_notice(const struct log *log)
{
    return log->notice;
}

void log_reconfigure(struct log *log, const struct log_config *config)
{
    log->config = *config;
}

void log_mark(struct log *log)
{
    if (!log->unmarked)
        return;
    log->unmarked = false;
    log_told(log, ERR_NONE);
}

/* ---- telling ---- */

void log_told(struct log *log, enum err e)
{
    log_touch(log);
    if (log->watch != NULL && log->watch->moved != NULL && log->state != LOG_OPENING)
        log->watch->moved(log->watch, e);
}

void log_offline(struct log *log, enum err e, int64_t position)
{
    ASSERT(e != ERR_NONE);
    if (log->status != ERR_NONE)
        return;
    log->status = e;
    if (log->why.text[0] == 0)
        errmsg_set(&log->why, e, "%s%s", err_text(e), dir_advice(e));
    TRACE(log->set->trace, LOG_OFFLINE, log->id, (uint64_t)position, (uint64_t)e);
    log_told(log, e);
    log_admit_next(log);
}

void log_missing(struct log *log, const char *path)
{
    if (log->state == LOG_OPENING || log->status != ERR_NONE || dir_status(log->dir) != ERR_NONE)
        return;
    errmsg_set(&log->why, ERR_NOTFOUND,
               "%s is gone, although nobody but the broker may remove it: stop the broker, put it "
               "back from a copy, then start it again",
               path);
    log_offline(log, ERR_NOTFOUND, -1);
}

/* A sync has found the file without a name: is its directory there? */
static void on_folder(struct env_op *op, enum err e, uint64_t n)
{
    struct log *log = CONTAINER_OF(op, struct log, look);
    char path[ENV_PATH_MAX];
    (void)n;
    ASSERT(log->unnamed_base >= 0);
    log_segment_path(log, log->unnamed_base, FORMAT_KIND_LOG, path);
    log_missing(log, e == ERR_NOTFOUND ? log->path : path);
    log->busy--;
    log_settle(log);
}

static void look_at_folder(struct log *log)
{
    log->busy++;
    env_space(log_env(log), &log->look, log->path, on_folder);
}

void log_unnamed(struct log_segment *segment)
{
    struct log *log = segment->log;
    ASSERT(!segment->retired);
    if (log->unnamed_base >= 0 || log->status != ERR_NONE)
        return;
    log->unnamed_base = segment->base;
    if (!log->look.in_flight)
        look_at_folder(log);
}

static void end_look(struct log *log)
{
    struct dir_file *file = log->looked;
    log->looked = NULL;
    if (file != NULL)
        dir_file_release(file);
    if (log->unnamed_base >= 0 && log->status == ERR_NONE)
        look_at_folder(log);
    log->busy--;
    log_settle(log);
}

/* The file that was looked at is still the one that must be there: no other has taken its place,
 * and no repair takes it back. */
static bool still_active(const struct log *log)
{
    return log->looked == log_active(log)->disk.file && log->repair == NULL;
}

/* The segment's file is not there: is its directory? */
static void on_looked_again(struct env_op *op, enum err e, uint64_t n)
{
    struct log *log = CONTAINER_OF(op, struct log, look);
    (void)n;
    if (e == ERR_NOTFOUND)
        log_missing(log, log->path);
    else if (still_active(log))
        log_missing(log, log->looked->path);
    end_look(log);
}

static void on_looked(struct env_op *op, enum err e, uint64_t n)
{
    struct log *log = CONTAINER_OF(op, struct log, look);
    (void)n;
    ASSERT(log->busy > 0);
    if (e == ERR_NOTFOUND && log->looked != NULL && still_active(log)) {
        env_space(log_env(log), op, log->path, on_looked_again);
        return;
    }
    if (e == ERR_NOTFOUND && log->looked == NULL)
        log_missing(log, log->path);
    end_look(log);
}

void log_look(struct log *log)
{
    int64_t now = env_now(log_env(log));
    struct dir_file *file = log_active(log)->disk.file;
    if (log->look.in_flight || log->closing != NULL || log->status != ERR_NONE ||
        now - log->looked_ns < LOG_LOOK_MS * 1000000ll)
        return;
    log->looked_ns = now;
    log->busy++;
    ASSERT(log->looked == NULL);
    log->looked = dir_file_hold_open(file) ? file : NULL;
    env_space(log_env(log), &log->look, log->looked != NULL ? file->path : log->path, on_looked);
}

const char *log_name(const struct log *log)
{
    return strrchr(log->path, '/') + 1;
}

void log_bad_batch(struct log_segment *segment, uint64_t position, const char *what)
{
    struct log *log = segment->log;
    if (log->status != ERR_NONE)
        return;
    log_corrupt_text(&log->why, log, segment->disk.file->path, position, what);
    log_offline(log, ERR_CORRUPT, (int64_t)position);
}

void log_corrupt_text(struct errmsg *msg, const struct log *log, const char *path,
                      uint64_t position, const char *what)
{
    errmsg_set(msg, ERR_CORRUPT,
               "%s has a bad batch at position %llu (%s), where the disk held good ones; put the "
               "file back from a copy, or " LOG_GIVE_UP,
               path, (unsigned long long)position, what, log_name(log));
}

/* ---- closing ---- */

void log_free(struct log *log)
{
    struct mem *mem = log->set->mem;
    ASSERT(list_empty(&log->in_flight));
    dir_member_leave(&log->member);
    list_remove(&log->link);
    list_remove(&log->touched);
    env_disarm(log->set->env, &log->retry);
    for (int32_t i = 0; i < log->segment_count; i++) {
        struct log_segment *segment = log->segments[i];
        if (segment->disk.held)
            dir_writer_release(&segment->disk);
        log_segment_free(segment);
    }
    mem_free(mem, log->segments);
    mem_free(mem, log->recent);
    mem_free(mem, log->snapshots);
    log_snapshot_drop(log);
    format_epochs_free(&log->epochs);
    format_producers_free(&log->producers);
    mem_free(mem, log->notice);
    mem_free(mem, log->topic);
    mem_free(mem, log->path);
    mem_free(mem, log);
}

static bool idle(const struct log *log)
{
    for (int32_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->readers > 0)
            return false;
    }
    return list_empty(&log->in_flight) && !log->member.in_round && log->busy == 0 &&
           log->retired_count == 0 && log->given_count == 0;
}

/* What the checkpoints will go on saying of it. */
static void leave_known(struct log *log)
{
    if (log->member.known == NULL)
        return;
    log->member.known->offsets[DIR_POINTS_RECOVERY] = MAX(log->recovery_point, log->durable_end);
    log->member.known->offsets[DIR_POINTS_START] = log->start_next;
    log->member.known->offsets[DIR_POINTS_WATERMARK] = log->high_watermark;
}

struct deletion {
    struct steps steps;
    struct dir_points_wait points_wait;
    struct dir *dir;
    struct log_op *op;
    char path[ENV_PATH_MAX], gone[ENV_PATH_MAX];
};

static struct deletion *deletion_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct deletion, steps);
}

static enum steps_flow delete_rename(struct steps *steps)
{
    struct deletion *d = deletion_of(steps);
    env_rename(steps->env, &steps->io, d->path, d->gone, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow delete_sync(struct steps *steps)
{
    steps->tolerant = true;
    env_sync_dir(steps->env, &steps->io, dir_path(deletion_of(steps)->dir), steps_done);
    return STEPS_WAIT;
}

static void on_point(struct dir_points_wait *wait, enum err e)
{
    (void)e; /* it is written later */
    steps_resume(&CONTAINER_OF(wait, struct deletion, points_wait)->steps, ERR_NONE);
}

/* The checkpoint must not know it when another one of its name is made. */
static enum steps_flow delete_point(struct steps *steps)
{
    struct deletion *d = deletion_of(steps);
    if (dir_synced(d->dir, steps) == STEPS_FAIL)
        return STEPS_FAIL;
    d->points_wait.done = on_point;
    dir_points_write(d->dir, DIR_POINTS_RECOVERY, &d->points_wait);
    return STEPS_WAIT;
}

static enum steps_flow delete_files(struct steps *steps)
{
    struct deletion *d = deletion_of(steps);
    dir_remove(d->dir, d->gone);
    return STEPS_NEXT;
}

static const struct step delete_steps[] = {
    {"rename", delete_rename},
    {"sync the folder of", delete_sync},
    {"forget", delete_point},
    {"remove", delete_files},
    {NULL, NULL},
};

static void delete_ended(struct steps *steps, enum err e)
{
    struct deletion *d = deletion_of(steps);
    struct dir *dir = d->dir;
    struct log_op *op = d->op;
    if (e != ERR_NONE)
        errmsg_set(&op->msg, e, "cannot %s %s: %s", steps_what(steps), d->path, err_text(e));
    mem_free(dir_mem(dir), d);
    op->done(op, e);
    dir_work_ends(dir);
}

/* Kafka's name for it: the topic's is cut where the whole would be too long for a file system. */
static void delete_dir(struct log *log, struct log_op *op)
{
    struct dir *dir = log->dir;
    struct deletion *d = mem_zalloc(log->set->mem, sizeof *d);
    if (d == NULL) {
        log_free(log);
        op->done(op, errmsg_set(&op->msg, ERR_NOMEM, "cannot delete a log: out of memory"));
        return;
    }
    d->dir = dir;
    d->op = op;
    snprintf(d->path, sizeof d->path, "%s", log->path);
    log_unique_path(log, "delete", d->gone);
    if (log->member.known != NULL)
        dir_known_forget(dir, log->member.known);
    log_free(log);
    dir_work_begins(dir);
    steps_start(&d->steps, dir_env(dir), delete_steps, delete_ended);
}

void log_unique_path(const struct log *log, const char *suffix, char path[ENV_PATH_MAX])
{
    char id[33];
    char number[16];
    uint64_t high = env_random(log_env(log), "log/unique", 0);
    uint64_t low = env_random(log_env(log), "log/unique", 1);
    snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)high, (unsigned long long)low);
    snprintf(number, sizeof number, "-%d.", log->partition);
    int room = 255 - (int)(strlen(number) + 32 + 1 + strlen(suffix));
    int size = snprintf(path, ENV_PATH_MAX, "%s/%.*s%s%s-%s", dir_path(log->dir), room, log->topic,
                        number, id, suffix);
    ASSERT(size < ENV_PATH_MAX);
}

void log_settle(struct log *log)
{
    log_touch(log);
    if (log->closing == NULL) {
        dir_idle(log->dir);
        return;
    }
    log_admit_next(log);
    if (log->repair != NULL)
        log_repair_stop(log);
    if (!idle(log))
        return;
    struct dir *dir = log->dir;
    struct log_op *op = log->closing;
    leave_known(log);
    if (log->deleting) {
        delete_dir(log, op);
        return;
    }
    log_free(log);
    dir_work_begins(dir);
    op->done(op, ERR_NONE);
    dir_work_ends(dir);
}

static void begin_close(struct log *log, struct log_op *op, log_done *done, bool deleting)
{
    ASSERT(log->closing == NULL);
    ASSERT(log->state != LOG_OPENING);
    *op = (struct log_op){.done = done};
    list_init(&op->link);
    log->state = LOG_CLOSING;
    log->watch = NULL;
    log->closing = op;
    log->deleting = deleting;
    log_settle(log);
}

void log_close(struct log *log, struct log_op *op, log_done *done)
{
    begin_close(log, op, done, false);
}

void log_delete(struct log *log, struct log_op *op, log_done *done)
{
    begin_close(log, op, done, true);
}
