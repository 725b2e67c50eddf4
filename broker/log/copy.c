/* copy.c - the second half of writing again: the new file is synced, renamed into its place and
 * synced there, and only then does the old one lose what both hold. A crash in between leaves the
 * same records in two segments, of which the later one counts. */
#include "log/opening.h"

enum {
    COPY_IN_PLACE,
    COPY_ENTERED,
    COPY_TRIM,
    COPY_SYNC,
    COPY_SYNCED,
    COPY_DROP,
    COPY_RENAME,
    COPY_SYNC_DIR,
    COPY_PLACE,
    COPY_TRUNCATE,
    COPY_SYNC_OLD,
    COPY_END,
};

/* The same bytes were written over the old ones, durably: the file's name is what is left. */
static enum steps_flow copy_in_place(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (!o->copying || !o->in_place || !o->hold.held)
        return steps_go(steps, COPY_TRIM);
    dir_sync_folder(o->log->dir, &o->sync, o->log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow copy_entered(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    log_opening_segment(o)->disk.entry_durable = true;
    dir_wrote_synced(o->log->dir, (int64_t)o->copied);
    return steps_go(steps, COPY_TRUNCATE);
}

/* A batch that turned out bad in a later piece than the one that it begins in leaves nothing. */
static enum steps_flow copy_trim(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (o->copy_file == 0 || !o->cutting || o->cut_at >= o->piece)
        return STEPS_NEXT;
    env_truncate(steps->env, &steps->io, o->copy_file, o->copied, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow copy_sync(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (o->copy_file == 0)
        return steps_go(steps, o->overlap_at == 0 ? COPY_END : COPY_DROP);
    env_sync(steps->env, &steps->io, o->copy_file, steps_done);
    return STEPS_TRY;
}

/* The old bytes are still there, but a disk whose syncs fail is not to be written to (S-5); one
 * that is full can be emptied. */
static enum steps_flow copy_synced(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (steps->err != ERR_NONE && steps->err != ERR_NOSPACE)
        dir_sync_failed(o->log->dir, steps->err);
    if (steps->err != ERR_NONE)
        return STEPS_FAIL;
    env_file file = o->copy_file;
    o->copy_file = 0;
    o->placing = true;
    if (o->fresh == NULL)
        steps_then(steps, COPY_RENAME);
    env_close_file(steps->env, &steps->io, file, steps_done);
    return STEPS_WAIT;
}

/* The index of what is going to be cut knows batches behind the cut, and nobody may look at it
 * again before the log ends in good order. It goes with the same sync of the folder; another is
 * saved in the background. */
static enum steps_flow copy_drop(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (steps->err != ERR_NONE && steps->err != ERR_NOTFOUND)
        return STEPS_FAIL;
    if (o->dropped == LOG_INDEX_FILES) {
        o->dropped = 0;
        return STEPS_NEXT;
    }
    log_index_path(o->log, log_opening_segment(o)->base, o->dropped++, o->path);
    steps_then(steps, STEPS_AGAIN);
    env_unlink(steps->env, &steps->io, o->path, steps_done);
    return STEPS_TRY;
}

static enum steps_flow copy_rename(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    const struct log_segment *segment = o->fresh != NULL ? o->fresh : log_opening_segment(o);
    if (!o->placing)
        return STEPS_NEXT;
    env_rename(steps->env, &steps->io, o->copy_path, segment->disk.file->path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow copy_sync_dir(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    dir_sync_folder(o->log->dir, &o->sync, o->log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

/* The file that the segment had open is no more. */
static enum err replace_file(struct log_opening *o)
{
    struct log_segment *segment = log_opening_segment(o);
    struct dir_file *file = dir_file_new(&o->log->member, segment->disk.file->path, false);
    if (file == NULL)
        return ERR_NOMEM;
    dir_let_go(&o->hold);
    dir_file_retire(segment->disk.file);
    segment->disk.file = file;
    segment->size = segment->disk.written = segment->disk.synced = o->copied;
    segment->disk.entry_durable = true;
    return ERR_NONE;
}

static enum err place_fresh(struct log_opening *o)
{
    struct log *log = o->log;
    struct log_segment *segment = log_opening_segment(o);
    enum err e = log_segments_reserve(log);
    if (e != ERR_NONE)
        return e;
    struct log_segment *fresh = o->fresh;
    o->fresh = NULL;
    o->placed = true;
    fresh->size = fresh->disk.written = fresh->disk.synced = o->copied;
    fresh->exact = segment->exact = true;
    fresh->disk.entry_durable = true;
    segment->next = fresh->base;
    log_segments_insert(log, o->segment + 1, fresh);
    o->overlap_at = o->copy_from; /* where the old one is cut */
    return ERR_NONE;
}

static enum steps_flow copy_place(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (!o->placing)
        return STEPS_NEXT;
    SOMETIMES(o->log->set->trace, RECOVERY_WROTE_AGAIN, true);
    enum err e = o->fresh != NULL ? place_fresh(o) : replace_file(o);
    dir_wrote_synced(o->log->dir, (int64_t)o->copied);
    return e == ERR_NONE ? STEPS_NEXT : steps_fail(steps, e);
}

static enum steps_flow copy_truncate(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log_segment *segment = log_opening_segment(o);
    if (o->overlap_at == 0 || !o->hold.held)
        return steps_go(steps, COPY_END);
    segment->size = segment->disk.written = segment->disk.synced = o->overlap_at;
    env_truncate(steps->env, &steps->io, segment->disk.file->handle, o->overlap_at, steps_done);
    return STEPS_WAIT;
}

/* Once the recovery point is behind it nobody looks there again: what came back of it, and torn at
 * that, would stand before records that are sound. */
static enum steps_flow copy_sync_old(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    env_sync(steps->env, &steps->io, log_opening_segment(o)->disk.file->handle, steps_done);
    return STEPS_TRY;
}

static enum steps_flow copy_end(struct steps *steps)
{
    if (steps->err != ERR_NONE && steps->err != ERR_NOSPACE)
        dir_sync_failed(log_opening_of(steps)->log->dir, steps->err);
    if (steps->err != ERR_NONE)
        return STEPS_FAIL;
    dir_let_go(&log_opening_of(steps)->hold);
    return STEPS_NEXT;
}

static const struct step copy_steps[] = {
    [COPY_IN_PLACE] = {"write again the end of", copy_in_place},
    [COPY_ENTERED] = {"write again the end of", copy_entered},
    [COPY_TRIM] = {"write again the end of", copy_trim},
    [COPY_SYNC] = {"write again the end of", copy_sync},
    [COPY_SYNCED] = {"write again the end of", copy_synced},
    [COPY_DROP] = {"remove the index of", copy_drop},
    [COPY_RENAME] = {"write again the end of", copy_rename},
    [COPY_SYNC_DIR] = {"write again the end of", copy_sync_dir},
    [COPY_PLACE] = {"write again the end of", copy_place},
    [COPY_TRUNCATE] = {"truncate", copy_truncate},
    [COPY_SYNC_OLD] = {"truncate", copy_sync_old},
    [COPY_END] = {"close", copy_end},
    {NULL, NULL},
};

/* The one behind this one, and behind the one that has just been made of its end. */
static bool next_segment(struct log_opening *o)
{
    int32_t next = o->segment + 1 + o->placed;
    if (next >= o->log->segment_count)
        return false;
    o->segment = next;
    return true;
}

static void ended(struct steps *steps, enum err e)
{
    struct log_opening *o = log_opening_of(steps);
    if (e != ERR_NONE)
        log_recovery_failed(o, e);
    else if (!o->cutting && next_segment(o))
        log_recover_segment(o);
    else
        log_recovered(o);
}

void log_copy_finish(struct log_opening *o)
{
    o->placing = false;
    log_opening_start(o, LOG_OPENING_COPIES, copy_steps, ended);
}

/* ---- giving up ---- */

static void on_closed(struct env_op *op, enum err e, uint64_t n)
{
    struct log_opening *o = CONTAINER_OF(op, struct log_opening, steps.io);
    (void)e;
    (void)n;
    log_recovery_failed(o, o->failed);
}

static env_file take_open_file(struct log_opening *o)
{
    env_file file = o->copy_file != 0 ? o->copy_file : o->kept_file;
    if (file == o->copy_file)
        o->copy_file = 0;
    else
        o->kept_file = 0;
    return file;
}

void log_recovery_failed(struct log_opening *o, enum err e)
{
    o->failed = e;
    if (o->op->msg.text[0] == 0)
        errmsg_set(&o->op->msg, e, "cannot recover %s: %s", log_opening_segment(o)->disk.file->path,
                   err_text(e));
    env_file file = take_open_file(o);
    if (file != 0) {
        env_close_file(log_env(o->log), &o->steps.io, file, on_closed);
        return;
    }
    if (o->fresh != NULL)
        log_segment_free(o->fresh);
    o->fresh = NULL;
    o->no_room = e == ERR_NOSPACE && o->copying && !o->in_place;
    log_opening_end(o, e);
}
