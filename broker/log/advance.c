/* advance.c - the log start moves on, inside of a segment, too: first a checkpoint says so,
 * durably, and then nobody reads what is below it any more. Retention removes whole segments later.
 */
#include "log/internal.h"

struct advance {
    struct waiter written;
    struct log *log;
    struct log_op *op;
    int64_t to;
};

static void move_start(struct log *log, int64_t to)
{
    int64_t was = log->start;
    if (to <= was)
        return;
    log->start = to;
    log->start_next = MAX(log->start_next, to);
    log->high_watermark = MAX(log->high_watermark, to);
    log_touch(log);
    TRACE(log->set->trace, LOG_START, .partition = log->id, .topic_id = log->topic_trace,
          .start = to, .was = was, .reason = LOG_START_ASKED, .max_timestamp = -1, .wall = -1);
}

static void on_written(struct waiter *waiter, enum err e)
{
    struct advance *a = CONTAINER_OF(waiter, struct advance, written);
    struct log *log = a->log;
    struct log_op *op = a->op;
    bool beyond = e == ERR_NONE && a->to > log->end; /* a write has failed meanwhile */
    if (beyond)
        e = errmsg_set(&op->msg, ERR_CANCELLED, "%s ends below by now", log->path);
    else if (e != ERR_NONE)
        errmsg_set(&op->msg, e, "cannot write the log start of %s: %s", log->path, err_text(e));
    if (e == ERR_NONE)
        move_start(log, a->to);
    if (--log->advances == 0)
        log->start_asked = -1;
    if (beyond)
        dir_points_write(log->dir, DIR_POINTS_START, NULL);
    mem_free(log->set->mem, a);
    op->done(op, e); /* the log stays while it is busy */
    log->busy--;
    log_settle(log);
}

void log_advance_start(struct log *log, int64_t to, struct log_op *op, log_done *done)
{
    *op = (struct log_op){.done = done};
    list_init(&op->link);
    enum err e = ERR_NONE;
    if (log->status != ERR_NONE)
        e = errmsg_set(&op->msg, log->status, "%s", log_status_text(log));
    else if (log->closing != NULL || log->truncation != NULL)
        e = errmsg_set(&op->msg, ERR_BUSY, "%s is being truncated, or closed", log->path);
    else if (to > log->end)
        e = errmsg_set(&op->msg, ERR_RANGE, "%s ends at offset %lld and cannot begin at %lld",
                       log->path, (long long)log->end, (long long)to);
    if (e != ERR_NONE || to <= log->start) {
        done(op, e);
        return;
    }
    struct advance *a = mem_zalloc(log->set->mem, sizeof *a);
    if (a == NULL) {
        done(op, errmsg_set(&op->msg, ERR_NOMEM, "out of memory"));
        return;
    }
    *a = (struct advance){.written.done = on_written, .log = log, .op = op, .to = to};
    log->start_asked = MAX(log->start_asked, to);
    log->advances++;
    log->busy++;
    dir_points_write(log->dir, DIR_POINTS_START, &a->written);
}
