/* farewell.c - what one log leaves for its next life at a clean end: the index of its active
 * segment and a snapshot of its producers, written at once. */
#include "log/internal.h"

struct farewell {
    struct steps steps;
    struct log *log;
    struct bytes snapshot, window;
    struct log_derived files;
};

static struct farewell *farewell_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct farewell, steps);
}

static enum err add_index(struct farewell *f)
{
    struct log_segment *active = log_active(f->log);
    enum err e = format_index_reserve(&active->index, 1);
    if (e != ERR_NONE)
        return e;
    ASSERT(active->disk.synced == active->size);
    format_index_seal(&active->index);
    struct log_index_part all = {.end = active->index.counts};
    return log_derived_add_index(&f->files, active, &all);
}

static enum err add_snapshot(struct farewell *f)
{
    struct log *log = f->log;
    enum err e = format_snapshot_encode(&log->producers, log->set->mem, &f->snapshot, &f->window);
    if (e != ERR_NONE)
        return e;
    log_derived_add(&f->files, log->end, FORMAT_KIND_SNAPSHOT, f->snapshot);
    if (f->window.data != NULL)
        log_derived_add(&f->files, log->end, FORMAT_KIND_WINDOW, f->window);
    return ERR_NONE;
}

static enum steps_flow farewell_add(struct steps *steps)
{
    struct farewell *f = farewell_of(steps);
    log_derived_init(&f->files, f->log, true);
    enum err e = add_index(f);
    return steps_check(steps, e == ERR_NONE ? add_snapshot(f) : e);
}

static enum steps_flow farewell_write(struct steps *steps)
{
    log_derived_save_all(&farewell_of(steps)->files, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow farewell_sync(struct steps *steps)
{
    env_sync_dir(steps->env, &steps->io, farewell_of(steps)->log->path, steps_done);
    return STEPS_WAIT;
}

static const struct step farewell_steps[] = {
    {"close", farewell_add},
    {"write", farewell_write},
    {"sync", farewell_sync},
    {NULL, NULL},
};

static void ended(struct steps *steps, enum err e)
{
    struct farewell *f = farewell_of(steps);
    struct log *log = f->log;
    struct errmsg msg = {{0}};
    if (e != ERR_NONE)
        errmsg_set(&msg, e, "cannot %s %s: %s%s", steps_what(steps),
                   f->files.failed != NULL ? f->files.failed : log->path, err_text(e),
                   dir_open_advice(e));
    log_derived_free(&f->files);
    mem_free(log->set->mem, (void *)(uintptr_t)f->snapshot.data);
    mem_free(log->set->mem, (void *)(uintptr_t)f->window.data);
    mem_free(log->set->mem, f);
    dir_farewell_done(&log->member, e, &msg);
}

/* Nothing was appended in this life, and no producer has expired: then none has changed. */
static bool is_as_left(const struct log *log)
{
    return log->end == log->left_end && log->producers.map.count == log->left_producer_count;
}

/* The log of a partition to which nobody has ever written says all by itself. */
bool log_farewell_due(const struct log *log)
{
    const struct log_segment *active = log_active(log);
    ASSERT(log->state == LOG_OPEN);
    return log->end > 0 && !is_as_left(log) && log_index_known(active) &&
           !active->disk.file->create;
}

void log_farewell(struct log *log)
{
    ASSERT(log_farewell_due(log));
    struct farewell *f = mem_zalloc(log->set->mem, sizeof *f);
    if (f == NULL) {
        struct errmsg msg;
        errmsg_set(&msg, ERR_NOMEM, "cannot close %s: out of memory", log->path);
        dir_farewell_done(&log->member, ERR_NOMEM, &msg);
        return;
    }
    f->log = log;
    steps_start(&f->steps, log_env(log), farewell_steps, ended);
}
