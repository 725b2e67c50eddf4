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
    struct dir_sync sync;
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
    struct deletion *d = deletion_of(steps);
    dir_sync_folder(d->dir, &d->sync, dir_path(d->dir), steps_waiter(steps));
    return STEPS_WAIT;
}

/* The checkpoint must not know it when another one of its name is made. */
static enum steps_flow delete_point(struct steps *steps)
{
    dir_points_write(deletion_of(steps)->dir, DIR_POINTS_RECOVERY, steps_waiter(steps));
    return STEPS_TRY; /* it is written later */
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

static void close_next(struct log *log)
{
    log_wake_admissions(log); /* to be refused */
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
    *op = (struct log_op){.done = done};
    list_init(&op->link);
    log_move(log, LOG_CLOSING);
    log->watch = NULL;
    log->closing = op;
    log->deleting = deleting;
    log->close_next = close_next;
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
