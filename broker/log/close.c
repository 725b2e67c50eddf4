/* close.c - the end of a log: when nothing of it is under way any more, its files are let go of, or
 * its directory is removed. */
#include "log/internal.h"
#include <stdio.h>

void log_free(struct log *log)
{
    struct mem *mem = log->set->mem;
    ASSERT(list_empty(&log->in_flight));
    ASSERT(list_empty(&log->admissions));
    dir_member_leave(&log->member);
    list_remove(&log->link);
    list_remove(&log->touched);
    env_disarm(log->set->env, &log->retry);
    env_disarm(log->set->env, &log->epochs_retry);
    for (int32_t i = 0; i < log->segment_count; i++) {
        struct log_segment *segment = log->segments[i];
        if (segment->disk.state == DIR_WRITER_HELD)
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
    mem_free(mem, log->why);
    mem_free(mem, log->topic);
    mem_free(mem, log->path);
    mem_free(mem, log);
}

/* Nothing is under way that would come back to it. */
static bool at_rest(const struct log *log)
{
    return list_empty(&log->in_flight) && !log->member.in_round && log->busy == 0;
}

/* Nobody holds anything that was read from it. */
static bool unread(const struct log *log)
{
    for (int32_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->readers > 0)
            return false;
    }
    return log->retired_count == 0 && log->given_count == 0;
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

/* ---- deletion: the name first, so that another partition may have it at once; then, when nobody
 * reads any more, the memory ---- */

struct deletion {
    struct steps steps;
    struct dir_sync sync;
    struct dir *dir;
    struct log *log; /* NULL: it was never opened */
    struct log_op *op;
    bool forgotten; /* the checkpoint knows nothing of it */
    char path[ENV_PATH_MAX], gone[ENV_PATH_MAX];
};

static struct deletion *deletion_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct deletion, steps);
}

/* The checkpoint must not know it when another one of its name is made, whenever this life ends. */
static enum steps_flow delete_point(struct steps *steps)
{
    dir_points_write(deletion_of(steps)->dir, DIR_POINTS_RECOVERY, steps_waiter(steps));
    return STEPS_TRY; /* on a full disk: when it has more room */
}

static enum steps_flow delete_rename(struct steps *steps)
{
    struct deletion *d = deletion_of(steps);
    d->forgotten = steps->err == ERR_NONE;
    env_rename(steps->env, &steps->io, d->path, d->gone, steps_done);
    return d->log != NULL ? STEPS_WAIT : STEPS_TRY;
}

static enum steps_flow delete_sync(struct steps *steps)
{
    struct deletion *d = deletion_of(steps);
    if (steps->err == ERR_NOTFOUND) /* it was never made */
        return steps_go(steps, STEPS_END);
    if (steps->err != ERR_NONE)
        return STEPS_FAIL;
    dir_sync_entries(d->dir, &d->sync, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow delete_files(struct steps *steps)
{
    struct deletion *d = deletion_of(steps);
    dir_remove(d->dir, d->gone);
    if (d->forgotten)
        return steps_go(steps, STEPS_END);
    dir_points_write(d->dir, DIR_POINTS_RECOVERY, steps_waiter(steps));
    return STEPS_TRY; /* it is written later */
}

static enum steps_flow delete_end(struct steps *steps)
{
    (void)steps;
    return STEPS_NEXT;
}

static const struct step delete_steps[] = {
    {"forget", delete_point}, {"rename", delete_rename}, {"sync the folder of", delete_sync},
    {"remove", delete_files}, {"remove", delete_end},    {NULL, NULL},
};

static void delete_next(struct log *log);

static void delete_ended(struct steps *steps, enum err e)
{
    struct deletion *d = deletion_of(steps);
    struct dir *dir = d->dir;
    struct log_op *op = d->op;
    struct log *log = d->log;
    if (e != ERR_NONE)
        errmsg_set(&op->msg, e, "cannot %s %s: %s", steps_what(steps), d->path, err_text(e));
    mem_free(dir_mem(dir), d);
    if (log != NULL) {
        log->deletion = LOG_DELETED;
        log->closing = NULL;
        delete_next(log);
    }
    op->done(op, e);
    dir_work_ends(dir);
}

static void start_deletion(struct deletion *d, struct log_set *set, const char *topic,
                           int32_t partition, struct dir_known *known)
{
    d->dir = set->dir;
    log_path(set, topic, partition, d->path);
    log_unique_path(set, topic, partition, "delete", d->gone);
    if (known != NULL)
        dir_known_forget(set->dir, known);
    dir_work_begins(set->dir);
    steps_start(&d->steps, set->env, delete_steps, delete_ended);
}

/* From now on it is no member, and holds no place among the writers; files that are being sent stay
 * open. */
static void leave_dir(struct log *log)
{
    for (int32_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->disk.state == DIR_WRITER_HELD)
            dir_writer_release(&log->segments[i]->disk);
    }
    env_disarm(log->set->env, &log->retry);
    env_disarm(log->set->env, &log->epochs_retry);
    dir_member_leave(&log->member);
    log->member.known = NULL;
}

static void delete_begin(struct log *log)
{
    struct log_op *op = log->closing;
    struct dir_known *known = log->member.known;
    struct deletion *d = mem_zalloc(log->set->mem, sizeof *d);
    leave_dir(log);
    if (d == NULL) {
        log->deletion = LOG_DELETED;
        log->closing = NULL;
        delete_next(log);
        op->done(op, errmsg_set(&op->msg, ERR_NOMEM, "cannot delete a log: out of memory"));
        return;
    }
    log->deletion = LOG_IS_DELETED;
    d->log = log;
    d->op = op;
    start_deletion(d, log->set, log->topic, log->partition, known);
}

static void delete_next(struct log *log)
{
    if (!at_rest(log))
        return;
    if (log->deletion == LOG_TO_DELETE) {
        delete_begin(log);
        return;
    }
    if (log->deletion != LOG_DELETED || !unread(log))
        return;
    struct dir *dir = log->dir;
    dir_work_begins(dir);
    log_free(log);
    dir_work_ends(dir);
}

void log_delete_closed(struct log_set *set, const char *topic, int32_t partition, struct log_op *op,
                       log_done *done)
{
    *op = (struct log_op){.done = done};
    list_init(&op->link);
    struct deletion *d = mem_zalloc(set->mem, sizeof *d);
    struct dir_known *known = dir_known_get(set->dir, topic, partition);
    if (d == NULL || known == NULL) {
        mem_free(set->mem, d);
        done(op, errmsg_set(&op->msg, ERR_NOMEM, "cannot delete a log: out of memory"));
        return;
    }
    d->op = op;
    start_deletion(d, set, topic, partition, known);
}

/* ---- both ends ---- */

static void close_next(struct log *log)
{
    log_wake_admissions(log); /* to be refused */
    if (log->repair != NULL)
        log_repair_stop(log);
    if (log->deletion != LOG_STAYS) {
        delete_next(log);
        return;
    }
    if (!at_rest(log) || !unread(log))
        return;
    struct dir *dir = log->dir;
    struct log_op *op = log->closing;
    leave_known(log);
    log_free(log);
    dir_work_begins(dir);
    op->done(op, ERR_NONE);
    dir_work_ends(dir);
}

static void begin_close(struct log *log, struct log_op *op, log_done *done,
                        enum log_deletion deletion)
{
    ASSERT(log->closing == NULL);
    *op = (struct log_op){.done = done};
    list_init(&op->link);
    log_move(log, LOG_CLOSING);
    log->watch = NULL;
    log->closing = op;
    log->deletion = deletion;
    log->close_next = close_next;
    log_settle(log);
}

void log_close(struct log *log, struct log_op *op, log_done *done)
{
    begin_close(log, op, done, LOG_STAYS);
}

void log_delete(struct log *log, struct log_op *op, log_done *done)
{
    begin_close(log, op, done, LOG_TO_DELETE);
}
