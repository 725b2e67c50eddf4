/* epochs.c - leader-epoch-checkpoint: written anew whenever an epoch begins, and before anything of
 * that epoch counts as durable (E-1). */
#include "log/internal.h"
#include <stdio.h>

struct writing {
    struct log *log;
    int32_t latest; /* epoch in it */
    struct dir_file_write write;
    struct text text;
    struct list waits;
    char path[ENV_PATH_MAX];
};

static void start(struct log *log);
static void write_some(struct log_set *set);

/* Nobody may have waited, but what has been written in an epoch counts only with it. */
static void on_retry(struct env_timer *timer)
{
    struct log *log = CONTAINER_OF(timer, struct log, epochs_retry);
    if (log->status == ERR_NONE && log->closing == NULL && log->truncation == NULL &&
        log_epochs_limit(log) != INT64_MAX)
        log_epochs_write(log, NULL);
}

static void retry_later(struct log *log)
{
    log->epochs_retry.fire = on_retry;
    env_arm(log_env(log), &log->epochs_retry, env_now(log_env(log)) + LOG_RETRY_MS * 1000000ll);
}

static void on_written(struct dir_op *op, enum err e)
{
    struct dir_file_write *write = CONTAINER_OF(op, struct dir_file_write, op);
    struct writing *w = CONTAINER_OF(write, struct writing, write);
    struct log *log = w->log;
    struct log_set *set = log->set;
    log->epochs_writing = false;
    set->epochs_count--;
    log->epochs_durable = e == ERR_NONE && !log->epochs_changed;
    if (log->epochs_durable)
        log->epoch_durable = w->latest;
    else if (e != ERR_NONE)
        retry_later(log);
    if (e == ERR_NOTFOUND)
        log_missing(log, log->path);
    waiters_tell(&w->waits, e);
    text_free(&w->text);
    mem_free(log->set->mem, w);
    if (log->epochs_changed && !log->epochs_writing)
        start(log);
    log_move_durable(log);
    write_some(set);
    log->busy--;
    log_settle(log);
}

/* False: there was no memory. */
static bool write(struct log *log)
{
    struct mem *mem = log->set->mem;
    struct writing *w = mem_zalloc(mem, sizeof *w);
    log->epochs_changed = log->epochs_durable = false;
    if (w != NULL) {
        text_init(&w->text, mem);
        format_epochs_print(&log->epochs, &w->text);
    }
    if (w == NULL || w->text.failed) {
        if (w != NULL)
            text_free(&w->text);
        mem_free(mem, w);
        log->epochs_writing = false;
        waiters_tell(&log->epoch_waits, ERR_NOMEM);
        retry_later(log);
        log->busy--;
        log_settle(log);
        return false;
    }
    w->log = log;
    w->latest = format_epochs_latest(&log->epochs);
    list_init(&w->waits);
    list_splice_back(&w->waits, &log->epoch_waits);
    snprintf(w->path, sizeof w->path, "%s/" LOG_EPOCHS_NAME, log->path);
    w->write = (struct dir_file_write){
        .path = w->path, .bytes = bytes_of(w->text.data, w->text.size), .checksum = true};
    dir_file_put(log->dir, &w->write, on_written);
    return true;
}

/* Of many logs that begin an epoch at once a few are written at a time: who appends to them wants
 * the disk, too, and first. */
static void write_some(struct log_set *set)
{
    while (set->epochs_count < LOG_EPOCHS_AT_ONCE && !list_empty(&set->epochs_waiting)) {
        struct log *log =
            CONTAINER_OF(list_pop_front(&set->epochs_waiting), struct log, epochs_link);
        set->epochs_count++;
        if (!write(log))
            set->epochs_count--;
    }
}

static void start(struct log *log)
{
    log->epochs_writing = true;
    log->busy++;
    list_push_back(&log->set->epochs_waiting, &log->epochs_link);
    write_some(log->set);
}

void log_epochs_write(struct log *log, struct waiter *waiter)
{
    if (waiter != NULL)
        waiter_add(&log->epoch_waits, waiter);
    log->epochs_changed = true;
    log->epochs_durable = false;
    if (!log->epochs_writing)
        start(log);
}

void log_epochs_were_cut(struct log *log)
{
    log->epoch_durable = MIN(log->epoch_durable, format_epochs_latest(&log->epochs));
    if (log->epochs_writing) /* that has what was cut */
        log->epochs_changed = true;
}

/* ---- log_assign_epoch ---- */

struct assigning {
    struct waiter written;
    struct log *log;
    struct log_op *op;
};

static void on_assigned(struct waiter *waiter, enum err e)
{
    struct assigning *a = CONTAINER_OF(waiter, struct assigning, written);
    struct log_op *op = a->op;
    if (e != ERR_NONE)
        errmsg_set(&op->msg, e, "cannot write the leader epochs of %s-%d: %s", a->log->topic,
                   a->log->partition, err_text(e));
    mem_free(a->log->set->mem, a);
    op->done(op, e);
}

void log_assign_epoch(struct log *log, int32_t epoch, struct log_op *op, log_done *done)
{
    *op = (struct log_op){.done = done};
    list_init(&op->link);
    if (log->status != ERR_NONE) {
        errmsg_set(&op->msg, log->status, "%s", log_status_text(log));
        done(op, log->status);
        return;
    }
    if (log->truncation != NULL) {
        done(op, errmsg_set(&op->msg, ERR_BUSY, "%s is being truncated", log->path));
        return;
    }
    if (log->epochs_durable && format_epochs_latest(&log->epochs) >= epoch) {
        done(op, ERR_NONE);
        return;
    }
    struct assigning *a = mem_zalloc(log->set->mem, sizeof *a);
    if (a == NULL || format_epochs_reserve(&log->epochs, 1) != ERR_NONE) {
        mem_free(log->set->mem, a);
        done(op, ERR_NOMEM);
        return;
    }
    a->log = log;
    a->op = op;
    a->written.done = on_assigned;
    format_epochs_assign(&log->epochs, epoch, log->end);
    log_epochs_write(log, &a->written);
}

int32_t log_latest_epoch(const struct log *log)
{
    return format_epochs_latest(&log->epochs);
}

void log_epoch_end(const struct log *log, int32_t epoch, int32_t *found, int64_t *end)
{
    format_epochs_end_of(&log->epochs, log->end, epoch, found, end);
}

const struct format_epochs *log_epochs(const struct log *log)
{
    return &log->epochs;
}

int32_t log_epoch_at(const struct log *log, int64_t offset)
{
    return format_epochs_at(&log->epochs, offset);
}
