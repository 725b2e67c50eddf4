/* cut.c - the end of a log after a crash (S-3): above the recovery point a bad batch with nothing
 * good behind it is a torn tail and goes; with something good behind it, it goes too, but all that
 * goes is kept beside the log, because it says that the disk did what no crash explains. */
#include "log/opening.h"
#include <stdio.h>

enum {
    CUT_LOOK,
    CUT_SEARCH,
    CUT_SCAN,
    CUT_SEARCHED,
    CUT_VERIFY,
    CUT_VERIFIED,
    CUT_DECIDE,
    CUT_OPEN,
    CUT_READ,
    CUT_WRITE,
    CUT_SYNC,
    CUT_CLOSE,
    CUT_KEPT,
    CUT_LATER,
    CUT_MOVED,
    CUT_SYNC_DIR,
    CUT_TRUNCATE,
    CUT_END,
};

/* ---- is there anything good behind it? ---- */

static enum steps_flow cut_look(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    o->search_at = o->cut_at + 1;
    o->cut_was = MAX(o->end, MAX(log_active(o->log)->base, o->log->high_watermark));
    for (int32_t i = o->segment + 1; i < o->log->segment_count; i++)
        o->hole |= o->log->segments[i]->size > 0;
    if (o->hole)
        return steps_go(steps, CUT_DECIDE);
    return STEPS_NEXT;
}

static enum steps_flow cut_search(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    const struct log_segment *segment = log_opening_segment(o);
    if (o->search_at + WIRE_BATCH_HEAD > segment->size)
        return steps_go(steps, CUT_DECIDE);
    uint64_t size = MIN((uint64_t)o->walk.cap, segment->size - o->search_at);
    env_read(steps->env, &steps->io, segment->disk.file->handle, o->search_at, o->walk.buffer, size,
             steps_done);
    return STEPS_WAIT;
}

static enum steps_flow cut_scan(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    o->search = (struct format_search){
        .data = bytes_of(o->walk.buffer, (size_t)steps->n), .from = 0, .expected = o->end};
    env_offload(steps->env, &steps->io, format_search, &o->search, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow cut_searched(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    const struct format_search *search = &o->search;
    if (search->at < search->data.size) {
        o->hole = search->whole;
        o->search_at += search->at;
        if (o->hole)
            return steps_go(steps, CUT_DECIDE);
        log_walk_begin(&o->walk, log_opening_segment(o)->disk.file->handle, o->search_at,
                       log_opening_segment(o)->size, o->end, true);
        o->walk.scan.exact = false;
        return steps_go(steps, CUT_VERIFY);
    }
    /* A head may stand across the end of this piece. */
    o->search_at += MAX(search->data.size, WIRE_BATCH_HEAD) - (WIRE_BATCH_HEAD - 1);
    return steps_go(steps, CUT_SEARCH);
}

/* A batch that might be good, but is larger than what was read. */
static enum steps_flow cut_verify(struct steps *steps)
{
    log_walk_next(&log_opening_of(steps)->walk, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow cut_verified(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    const struct format_scan *scan = &o->walk.scan;
    if (scan->end == FORMAT_SCAN_MORE && scan->note_count == 0)
        return steps_go(steps, CUT_VERIFY);
    o->hole = scan->note_count > 0;
    o->search_at++;
    return steps_go(steps, o->hole ? CUT_DECIDE : CUT_SEARCH);
}

/* ---- what is done about it ---- */

static enum steps_flow cut_decide(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    const struct log_segment *segment = log_opening_segment(o);
    if (o->hole && !o->recovery_known) {
        log_corrupt_text(&o->op->msg, log, segment->disk.file->path, o->cut_at, o->cut_why.text);
        TRACE(log->set->trace, LOG_OFFLINE, .partition = log->id, .topic_id = log->topic_trace,
              .position = o->cut_at, .err = ERR_CORRUPT);
        return steps_fail(steps, ERR_CORRUPT);
    }
    if (!o->hole || o->cut_at == segment->size)
        return steps_go(steps, CUT_LATER);
    return STEPS_NEXT;
}

static void kept_path(const struct log *log, int64_t base, int64_t offset, char path[ENV_PATH_MAX])
{
    char from[ENV_PATH_MAX];
    log_segment_path(log, base, FORMAT_KIND_LOG, from);
    int size = snprintf(path, ENV_PATH_MAX, "%s.cut-%lld", from, (long long)offset);
    ASSERT(size < ENV_PATH_MAX);
}

static enum steps_flow cut_open(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    kept_path(o->log, log_opening_segment(o)->base, o->end, o->path);
    env_open_file(steps->env, &steps->io, o->path,
                  ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow cut_read(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    const struct log_segment *segment = log_opening_segment(o);
    if (o->kept_file == 0)
        o->kept_file = steps->n;
    uint64_t left = segment->size - o->cut_at - o->kept;
    if (left == 0 || o->kept_failed != ERR_NONE)
        return steps_go(steps, CUT_SYNC);
    env_read(steps->env, &steps->io, segment->disk.file->handle, o->cut_at + o->kept,
             o->walk.buffer, MIN(left, (uint64_t)o->walk.cap), steps_done);
    return STEPS_TRY;
}

static enum steps_flow cut_write(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    steps_then(steps, CUT_READ);
    if (steps->err != ERR_NONE || steps->n == 0) {
        o->kept_failed = steps->err != ERR_NONE ? steps->err : ERR_CORRUPT;
        return STEPS_NEXT;
    }
    o->part = (struct env_part){.data = o->walk.buffer, .size = steps->n};
    uint64_t at = o->kept;
    o->kept += steps->n;
    env_write(steps->env, &steps->io, o->kept_file, at, &o->part, 1, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow cut_sync(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    env_sync(steps->env, &steps->io, o->kept_file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow cut_close(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (steps->err != ERR_NONE && o->kept_failed == ERR_NONE) {
        o->kept_failed = steps->err;
        dir_sync_failed(o->log->dir, steps->err);
    }
    env_close_file(steps->env, &steps->io, o->kept_file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow cut_kept(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    o->kept_file = 0;
    return o->kept_failed == ERR_NONE ? STEPS_NEXT : steps_fail(steps, o->kept_failed);
}

/* Segments behind the cut: kept whole, under another name, unless there is nothing in them. */
static enum steps_flow cut_later(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log_segment *last = log_active(o->log);
    if (o->log->segment_count - 1 == o->segment)
        return steps_go(steps, CUT_SYNC_DIR);
    o->moved = true;
    if (last->size == 0) {
        env_unlink(steps->env, &steps->io, last->disk.file->path, steps_done);
        return STEPS_TRY;
    }
    kept_path(o->log, last->base, last->base, o->path_to);
    env_rename(steps->env, &steps->io, last->disk.file->path, o->path_to, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow cut_moved(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (steps->err != ERR_NONE && steps->err != ERR_NOTFOUND)
        return STEPS_FAIL;
    struct log_segment *last = log_active(o->log);
    if (last->disk.state == DIR_WRITER_HELD)
        dir_writer_release(&last->disk);
    o->log->segment_count--;
    log_segment_free(last);
    return steps_go(steps, CUT_LATER);
}

static enum steps_flow cut_sync_dir(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (!o->hole && !o->moved)
        return STEPS_NEXT;
    dir_sync_folder(o->log->dir, &o->sync, o->log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow cut_truncate(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log_segment *segment = log_opening_segment(o);
    if (o->cut_at == segment->size)
        return steps_go(steps, CUT_END);
    env_truncate(steps->env, &steps->io, segment->disk.file->handle, o->cut_at, steps_done);
    return STEPS_WAIT;
}

static void leave_notice(struct log_opening *o)
{
    struct log *log = o->log;
    struct errmsg text;
    errmsg_set(
        &text, ERR_NONE,
        "recovery cut the log at offset %lld (position %llu of %s: %s), but found good batches "
        "behind it; what was cut is kept beside it in files named *.log.cut-*: look at them "
        "with kiln log dump, then remove them",
        (long long)o->end, (unsigned long long)o->cut_at, log_opening_segment(o)->disk.file->path,
        o->cut_why.text);
    log->notice = mem_text(log->set->mem, text.text, strlen(text.text));
}

static enum steps_flow cut_end(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    struct log_segment *segment = log_opening_segment(o);
    (void)steps;
    segment->size = segment->disk.written = segment->disk.synced = o->cut_at;
    if (o->fresh == NULL)
        segment->next = o->end;
    SOMETIMES(log->set->trace, RECOVERY_CUT_TAIL, true);
    TRACE(log->set->trace, LOG_CUT, .partition = log->id, .topic_id = log->topic_trace,
          .end = o->end, .was = o->cut_was, .reason = o->hole ? LOG_CUT_HOLE : LOG_CUT_TORN,
          .leader_epoch = log_latest_epoch(log));
    if (o->hole)
        leave_notice(o);
    return STEPS_NEXT;
}

static const struct step cut_steps[] = {
    [CUT_LOOK] = {"look behind the end of", cut_look},
    [CUT_SEARCH] = {"look behind the end of", cut_search},
    [CUT_SCAN] = {"look behind the end of", cut_scan},
    [CUT_SEARCHED] = {"look behind the end of", cut_searched},
    [CUT_VERIFY] = {"look behind the end of", cut_verify},
    [CUT_VERIFIED] = {"look behind the end of", cut_verified},
    [CUT_DECIDE] = {"cut", cut_decide},
    [CUT_OPEN] = {"keep what is cut from", cut_open},
    [CUT_READ] = {"keep what is cut from", cut_read},
    [CUT_WRITE] = {"keep what is cut from", cut_write},
    [CUT_SYNC] = {"keep what is cut from", cut_sync},
    [CUT_CLOSE] = {"keep what is cut from", cut_close},
    [CUT_KEPT] = {"keep what is cut from", cut_kept},
    [CUT_LATER] = {"move away a segment behind", cut_later},
    [CUT_MOVED] = {"move away a segment behind", cut_moved},
    [CUT_SYNC_DIR] = {"sync the folder of", cut_sync_dir},
    [CUT_TRUNCATE] = {"truncate", cut_truncate},
    [CUT_END] = {"truncate", cut_end},
    {NULL, NULL},
};

static void ended(struct steps *steps, enum err e)
{
    struct log_opening *o = log_opening_of(steps);
    if (e == ERR_NONE)
        log_copy_finish(o);
    else
        log_recovery_failed(o, e);
}

void log_cut(struct log_opening *o)
{
    log_opening_start(o, LOG_OPENING_CUTS, cut_steps, ended);
}

bool log_cut_keep(struct log_opening *o)
{
    const struct format_scan *scan = &o->walk.scan;
    struct log_segment *segment = log_opening_segment(o);
    struct wire_batch batch;
    if (scan->bad_at < o->piece || scan->bad_at - o->piece >= scan->size)
        return false;
    size_t at = (size_t)(scan->bad_at - o->piece);
    enum wire_at what = wire_batch_at(bytes_of(scan->data, scan->size), at, &batch, NULL);
    if (what != WIRE_AT_BATCH && (what != WIRE_AT_TORN || scan->size - at < WIRE_BATCH_HEAD))
        return false;
    if (batch.base_offset != o->end)
        return false;
    o->end = segment->next = wire_batch_last_offset(&batch) + 1;
    return true;
}
