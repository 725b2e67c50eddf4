/* recover.c - the scan of what may not be durable (S-2): every batch checked, indexes, epochs and
 * producers rebuilt, bytes above the recovery point written again, because a sync proves nothing
 * after one that failed. What to do about a bad batch is decided in cut.c. */
#include "log/internal.h"
#include <stdio.h>

enum {
    RECOVER_HOLD,
    RECOVER_OFFSETS,
    RECOVER_TIMES,
    RECOVER_DECODE,
    RECOVER_BEGIN,
    RECOVER_READ,
    RECOVER_LOOK,
    RECOVER_NEXT,
    RECOVER_END,
};

static struct log_opening *opening_of(struct log_steps *steps)
{
    return CONTAINER_OF(steps, struct log_opening, steps);
}

static struct log_segment *segment_of(const struct log_opening *o)
{
    return o->log->segments[o->segment];
}

static void on_held(struct log_file_wait *wait, enum err e)
{
    struct log_opening *o = CONTAINER_OF(wait, struct log_opening, wait);
    o->held = e == ERR_NONE;
    log_steps_resume(&o->steps, e);
}

/* ---- the next segment ---- */

/* Offsets are missing before this segment. */
static enum log_flow gap(struct log_opening *o)
{
    struct log *log = o->log;
    const struct log_segment *segment = segment_of(o);
    if (o->end < o->recovery_point && !KNOWN_BUG(corruption_cut_off)) {
        const struct log_segment *before = log->segments[o->segment - 1];
        log_corrupt_text(&o->op->msg, log, before->file->path, before->size,
                         "it ends below the recovery point");
        TRACE(log->dir->trace, LOG_OFFLINE, log->id, before->size, ERR_CORRUPT);
        return log_steps_fail(&o->steps, ERR_CORRUPT);
    }
    errmsg_set(&o->cut_why, ERR_CORRUPT, "offset %lld where %lld should be",
               (long long)segment->base, (long long)o->end);
    o->segment--;
    o->cutting = true;
    o->cut_at = segment_of(o)->size;
    o->steps.next = RECOVER_END;
    return LOG_NEXT;
}

static enum log_flow recover_hold(struct log_steps *steps)
{
    struct log_opening *o = opening_of(steps);
    struct log_segment *segment = segment_of(o);
    if (o->end >= 0 && segment->base != o->end)
        return gap(o);
    if (segment->file->create) { /* not made yet: there is nothing in it */
        o->end = segment->base;
        steps->next = RECOVER_END;
        return LOG_NEXT;
    }
    if (!log_file_hold(segment->file, &o->wait, on_held))
        return LOG_WAIT;
    o->held = true;
    return LOG_NEXT;
}

/* ---- where in the first segment ---- */

static void on_offsets(struct log_get *get, enum err e)
{
    log_steps_resume(&CONTAINER_OF(get, struct log_opening, get)->steps, e);
}

static void on_times(struct log_get *get, enum err e)
{
    log_steps_resume(&CONTAINER_OF(get, struct log_opening, crc)->steps, e);
}

static enum log_flow recover_offsets(struct log_steps *steps)
{
    struct log_opening *o = opening_of(steps);
    struct log_segment *segment = segment_of(o);
    o->floor_last = -1;
    if (o->end >= 0 || o->scan_from <= segment->base) {
        steps->next = RECOVER_BEGIN;
        return LOG_NEXT;
    }
    log_segment_path(o->log, segment->base, LOG_KIND_INDEX, o->path);
    steps->tolerant = true;
    log_get(o->log->dir, &o->get, o->path, on_offsets);
    return LOG_WAIT;
}

static enum log_flow recover_times(struct log_steps *steps)
{
    struct log_opening *o = opening_of(steps);
    log_segment_path(o->log, segment_of(o)->base, LOG_KIND_TIMEINDEX, o->path);
    steps->tolerant = true;
    log_get(o->log->dir, &o->crc, o->path, on_times);
    return LOG_WAIT;
}

/* The entry at which the scan begins stays; what is behind it is made anew by the scan. */
static enum log_flow recover_decode(struct log_steps *steps)
{
    struct log_opening *o = opening_of(steps);
    struct log_segment *segment = segment_of(o);
    struct mem *mem = o->log->dir->mem;
    bool whole;
    enum err e = log_index_decode(&segment->index, bytes_of(o->get.data, (size_t)o->get.size),
                                  bytes_of(o->crc.data, (size_t)o->crc.size), segment->size,
                                  INT64_MAX, &whole);
    mem_free(mem, o->get.data);
    mem_free(mem, o->crc.data);
    o->get.data = o->crc.data = NULL;
    if (e != ERR_NONE)
        return log_steps_fail(steps, e);
    const struct log_index_entry *floor = log_index_floor(&segment->index, o->scan_from - 1);
    if (floor == NULL) {
        log_index_free(&segment->index);
        return LOG_NEXT;
    }
    o->floor_last = segment->base + floor->relative;
    o->piece = floor->position;
    if (!KNOWN_BUG(index_not_cut))
        log_index_cut(&segment->index, (uint64_t)floor->position + 1);
    return LOG_NEXT;
}

static enum log_flow recover_begin(struct log_steps *steps)
{
    struct log_opening *o = opening_of(steps);
    struct log_segment *segment = segment_of(o);
    uint64_t position = o->floor_last < 0 ? 0 : o->piece;
    (void)steps;
    segment->index_known = segment->index_trusted = true;
    segment->index_saved = false;
    if (position == 0)
        segment->first_timestamp = -1;
    if (o->floor_last < 0)
        log_index_free(&segment->index);
    o->end = segment->base;
    segment->next = segment->base;
    o->unsynced = UINT64_MAX;
    log_walk_begin(&o->walk, segment->file->handle, position, segment->size, segment->base, true);
    return LOG_NEXT;
}

/* ---- piece by piece ---- */

static enum log_flow recover_read(struct log_steps *steps)
{
    struct log_opening *o = opening_of(steps);
    if (o->walk.position >= o->walk.end) {
        steps->next = RECOVER_NEXT;
        return LOG_NEXT;
    }
    o->piece = o->walk.position;
    /* All of a piece that begins above the recovery point may have been lost. */
    if (o->walk.scan.expected >= o->recovery_point)
        o->unsynced = MIN(o->unsynced, o->piece);
    log_walk_next(&o->walk, steps);
    return LOG_WAIT;
}

static enum err note_epoch(struct log_opening *o, const struct log_note *note)
{
    struct log_epochs *epochs = &o->log->epochs;
    if (note->leader_epoch <= log_epochs_latest(epochs))
        return ERR_NONE;
    enum err e = log_epochs_reserve(epochs);
    if (e == ERR_NONE)
        o->epochs_changed |= log_epochs_assign(epochs, note->leader_epoch, note->base);
    return e;
}

static enum err take_note(struct log_opening *o, const struct log_note *note)
{
    struct log *log = o->log;
    struct log_segment *segment = segment_of(o);
    enum err e = log_index_reserve(&segment->index, 1);
    if (e == ERR_NONE)
        e = note_epoch(o, note);
    if (e == ERR_NONE && note->producer_id >= 0 && note->base >= o->replay_from)
        e = log_producers_apply(&log->producers, note, env_now(log_env(log)), NULL);
    if (e != ERR_NONE)
        return e;
    log_index_add(&segment->index, note, log->config.index_interval_bytes);
    if (note->position == 0)
        segment->first_timestamp = note->max_timestamp;
    if (note->base >= o->recovery_point)
        o->unsynced = MIN(o->unsynced, note->position);
    log_ranges_add(&segment->checked, note->position, note->position + note->size);
    o->end = segment->next = note->last + 1;
    return ERR_NONE;
}

/* The index led to a place that is not what it says: it is made anew from the segment's start. */
static bool misled(struct log_opening *o)
{
    const struct log_scan *scan = &o->walk.scan;
    struct log *log = o->log;
    int64_t floor_last = o->floor_last;
    o->floor_last = -1;
    if (floor_last < 0 || (scan->note_count > 0 && scan->notes[0].last == floor_last))
        return false;
    if (scan->large_left > 0 && scan->large.last == floor_last)
        return false;
    TRACE(log->dir->trace, LOG_REBUILT, log->id, LOG_REBUILT_INDEX, (uint64_t)segment_of(o)->base);
    return true;
}

static enum log_flow bad(struct log_opening *o)
{
    const struct log_scan *scan = &o->walk.scan;
    struct log *log = o->log;
    struct log_segment *segment = segment_of(o);
    o->cut_at = scan->bad_at;
    o->cut_why = scan->msg;
    o->steps.next = RECOVER_NEXT;
    if (o->end < o->recovery_point && !KNOWN_BUG(corruption_cut_off)) {
        log_corrupt_text(&o->op->msg, log, segment->file->path, scan->bad_at, scan->msg.text);
        TRACE(log->dir->trace, LOG_OFFLINE, log->id, scan->bad_at, ERR_CORRUPT);
        return log_steps_fail(&o->steps, ERR_CORRUPT);
    }
    if (KNOWN_BUG(torn_tail_kept) && log_cut_keep(o))
        return LOG_NEXT;
    o->cutting = true;
    return LOG_NEXT;
}

static enum log_flow recover_look(struct log_steps *steps)
{
    struct log_opening *o = opening_of(steps);
    const struct log_scan *scan = &o->walk.scan;
    struct log_segment *segment = segment_of(o);
    if (misled(o)) {
        steps->next = RECOVER_BEGIN;
        return LOG_NEXT;
    }
    for (int32_t i = 0; i < scan->note_count; i++) {
        enum err e = take_note(o, &scan->notes[i]);
        if (e != ERR_NONE)
            return log_steps_fail(steps, e);
    }
    uint64_t end = o->piece + scan->used;
    uint64_t from = MAX(o->piece, o->unsynced);
    if (scan->end != LOG_SCAN_MORE) {
        end = MIN(end, scan->bad_at);
        if (bad(o) == LOG_FAIL)
            return LOG_FAIL;
    } else {
        steps->next = RECOVER_READ;
    }
    if (from >= end || KNOWN_BUG(recovered_tail_durable))
        return LOG_NEXT;
    segment->synced = MIN(segment->synced, from);
    o->part = (struct env_part){.data = o->walk.buffer + (from - o->piece), .size = end - from};
    env_write(steps->env, &steps->io, segment->file->handle, from, &o->part, 1, log_steps_done);
    return LOG_WAIT;
}

/* The segment is done: its file is held on while a sync is due, else let go. */
static enum log_flow recover_next(struct log_steps *steps)
{
    struct log_opening *o = opening_of(steps);
    struct log_segment *segment = segment_of(o);
    segment->dirty_hold = true;
    o->held = false;
    if (!o->cutting)
        log_segment_clean(segment);
    if (!o->cutting && o->segment + 1 < o->log->segment_count) {
        o->segment++;
        steps->next = RECOVER_HOLD;
    }
    return LOG_NEXT;
}

static const struct log_step recover_steps[] = {
    [RECOVER_HOLD] = {"recover", recover_hold},
    [RECOVER_OFFSETS] = {"recover", recover_offsets},
    [RECOVER_TIMES] = {"recover", recover_times},
    [RECOVER_DECODE] = {"recover", recover_decode},
    [RECOVER_BEGIN] = {"recover", recover_begin},
    [RECOVER_READ] = {"recover", recover_read},
    [RECOVER_LOOK] = {"recover", recover_look},
    [RECOVER_NEXT] = {"recover", recover_next},
    [RECOVER_END] = {NULL, NULL},
};

static void ended(struct log_steps *steps, enum err e)
{
    struct log_opening *o = opening_of(steps);
    if (e != ERR_NONE && o->op->msg.text[0] == 0)
        errmsg_set(&o->op->msg, e, "cannot recover %s: %s", segment_of(o)->file->path, err_text(e));
    if (e != ERR_NONE)
        log_opening_end(o, e);
    else if (o->cutting)
        log_cut(o);
    else
        log_recovered(o);
}

void log_recover(struct log_opening *o)
{
    struct log *log = o->log;
    o->segment = MAX(log_segment_index(log, o->scan_from), 0);
    o->end = -1;
    enum err e = log_walk_init(&o->walk, log->dir, LOG_PIECE_BYTES, LOG_NOTES_MAX);
    if (e != ERR_NONE) {
        log_opening_end(
            o, errmsg_set(&o->op->msg, e, "cannot recover %s: %s", log->path, err_text(e)));
        return;
    }
    log_steps_start(&o->steps, log_env(log), recover_steps, ended);
}
