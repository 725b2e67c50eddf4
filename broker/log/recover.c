/* recover.c - the scan of what may not be durable (S-2): every batch checked, indexes, epochs and
 * producers rebuilt. A sync proves nothing after one that failed, so bytes above the recovery point
 * are written again; into a new file, because they may be the only copy of what was acknowledged,
 * and a write in place may be torn. A disk that has no room for a new file has them written over
 * with the same bytes, from a journal (dir_overwrite). What to do about a bad batch is decided in
 * cut.c. */
#include "log/opening.h"

enum {
    RECOVER_HOLD,
    RECOVER_INDEX,
    RECOVER_DECODE,
    RECOVER_BEGIN,
    RECOVER_READ,
    RECOVER_LOOK,
    RECOVER_CREATE,
    RECOVER_WRITE,
    RECOVER_GO_ON,
};

/* ---- the next segment ---- */

/* It begins where the one before it ends. That one may have lost its end, and a later one not, so
 * this holds of logs with gaps, too; but where all is known to be durable, and behind a gap that a
 * segment cannot span, nothing has been lost (log_append_as_is). */
static bool joins(const struct log_opening *o)
{
    int64_t base = log_opening_segment(o)->base;
    if (o->end < 0 || base == o->end)
        return true;
    return !o->log->config.dense && base > o->end &&
           (base <= o->recovery_point || base - o->end > LOG_GAP_MAX);
}

/* Offsets are missing before this segment, or it begins with some that were there before. */
static enum steps_flow gap(struct log_opening *o)
{
    struct log *log = o->log;
    const struct log_segment *segment = log_opening_segment(o);
    if (o->end < o->recovery_point && !log_cuts_corruption()) {
        const struct log_segment *before = log->segments[o->segment - 1];
        TRACE(log->set->trace, LOG_OFFLINE, .partition = log->id, .topic_id = log->topic_trace,
              .position = before->size, .err = ERR_CORRUPT);
        if (o->end < segment->base)
            return steps_fail(&o->steps, log_missing_text(&o->op->msg, log, o->end, segment->base));
        log_corrupt_text(&o->op->msg, log, segment->disk.file->path, 0,
                         "it begins below the end of the segment before it");
        return steps_fail(&o->steps, ERR_CORRUPT);
    }
    errmsg_set(&o->cut_why, ERR_CORRUPT, "offset %lld where %lld should be",
               (long long)segment->base, (long long)o->end);
    o->copying = o->placed = false;
    o->segment--;
    o->cutting = true;
    o->cut_at = log_opening_segment(o)->size;
    return steps_go(&o->steps, STEPS_END);
}

static enum steps_flow recover_hold(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log_segment *segment = log_opening_segment(o);
    if (!joins(o))
        return gap(o);
    if (segment->disk.file->create) { /* not made yet: there is nothing in it */
        o->end = segment->base;
        return steps_go(steps, STEPS_END);
    }
    dir_hold(&o->hold, segment->disk.file, steps_waiter(steps));
    return STEPS_WAIT;
}

/* ---- where in the first segment ---- */

static enum steps_flow recover_index(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log_segment *segment = log_opening_segment(o);
    o->floor_last = -1;
    if (o->end >= 0 || o->scan_from <= segment->base)
        return steps_go(steps, RECOVER_BEGIN);
    if (log_index_all_got(&o->index))
        return STEPS_NEXT;
    steps_then(steps, STEPS_AGAIN);
    log_index_get_next(&o->index, segment, steps_waiter(steps));
    return STEPS_TRY;
}

/* The entry at which the scan begins stays; what is behind it is made anew by the scan. */
static enum steps_flow recover_decode(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log_segment *segment = log_opening_segment(o);
    struct log_index_found found;
    enum err e = log_index_take(&o->index, segment, INT64_MAX, &found);
    log_opening_drop_got(o);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    o->index_fits = found.whole && found.proven && found.alone && found.log_bytes == segment->size;
    const struct format_index_entry *floor =
        found.proven ? format_index_floor(&segment->index, o->scan_from - 1) : NULL;
    if (floor == NULL) {
        format_index_free(&segment->index);
        return STEPS_NEXT;
    }
    o->floor_last = segment->base + floor->relative;
    o->piece = floor->position;
    format_index_cut(&segment->index, (uint64_t)floor->position + 1);
    return STEPS_NEXT;
}

static enum steps_flow recover_begin(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log_segment *segment = log_opening_segment(o);
    uint64_t position = o->floor_last < 0 ? 0 : o->piece;
    (void)steps;
    segment->exact = true;
    if (segment->index_state != LOG_INDEX_MADE)
        log_index_move(segment, LOG_INDEX_MADE);
    if (position == 0)
        segment->first_timestamp = -1;
    if (o->floor_last < 0)
        format_index_free(&segment->index);
    o->end = segment->base;
    segment->next = segment->base;
    log_walk_begin(&o->walk, segment->disk.file->handle, position, segment->size,
                   position == 0 ? segment->base : -1, true);
    if (o->epochs_known)
        o->walk.scan.epoch_end = format_epochs_latest(&o->log->epochs) + 1;
    return STEPS_NEXT;
}

/* ---- piece by piece ---- */

static enum steps_flow recover_read(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (o->walk.position >= o->walk.end)
        return steps_go(steps, STEPS_END);
    o->piece = o->walk.position;
    log_walk_next(&o->walk, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum err note_epoch(struct log_opening *o, const struct format_note *note)
{
    struct format_epochs *epochs = &o->log->epochs;
    if (note->leader_epoch <= format_epochs_latest(epochs))
        return ERR_NONE;
    enum err e = format_epochs_reserve(epochs, 1);
    if (e == ERR_NONE)
        o->epochs_changed |= format_epochs_assign(epochs, note->leader_epoch, note->base);
    return e;
}

/* From this batch on, all goes into a new file: of this segment, when it is the segment's first
 * batch, else of one that begins here. */
static enum err begin_copy(struct log_opening *o, int64_t base, uint64_t position)
{
    if (o->copying || base < o->recovery_point || KNOWN_BUG(recovered_tail_durable))
        return ERR_NONE;
    o->copying = true;
    o->copy_from = position;
    o->in_place = dir_short_of_room(o->log->dir);
    if (position == 0 || o->in_place)
        return ERR_NONE;
    o->fresh = log_segment_new(o->log, o->end, false);
    if (o->fresh == NULL)
        return ERR_NOMEM;
    log_index_move(o->fresh, LOG_INDEX_MADE);
    return ERR_NONE;
}

static enum err take_note(struct log_opening *o, const struct format_note *found)
{
    struct log *log = o->log;
    struct format_note note = *found;
    enum err e = begin_copy(o, note.base, note.position);
    if (e != ERR_NONE)
        return e;
    struct log_segment *segment = log_opening_segment(o);
    if (o->fresh != NULL) {
        segment = o->fresh;
        note.position -= o->copy_from;
    }
    e = format_index_reserve(&segment->index, 1);
    if (e == ERR_NONE)
        e = note_epoch(o, &note);
    if (e == ERR_NONE && note.producer_id >= 0 && note.base >= o->replay_from)
        e = format_producers_apply(&log->producers, &note, env_now(log_env(log)), NULL);
    if (e != ERR_NONE)
        return e;
    format_index_add(&segment->index, &note, log->config.index_interval_bytes);
    if (note.position == 0)
        segment->first_timestamp = note.max_timestamp;
    format_ranges_add(&segment->checked, note.position, note.position + note.size);
    o->end = segment->next = note.last + 1;
    return ERR_NONE;
}

/* The index led to a place that is not what it says: it is made anew from the segment's start. */
static bool misled(struct log_opening *o)
{
    const struct format_scan *scan = &o->walk.scan;
    struct log *log = o->log;
    int64_t floor_last = o->floor_last;
    o->floor_last = -1;
    if (floor_last < 0 || (scan->note_count > 0 && scan->notes[0].last == floor_last))
        return false;
    if (scan->large_left > 0 && scan->large.last == floor_last)
        return false;
    o->index_fits = false;
    TRACE(log->set->trace, LOG_REBUILT, .partition = log->id, .topic_id = log->topic_trace,
          .what = LOG_REBUILT_INDEX, .base = log_opening_segment(o)->base);
    return true;
}

/* An earlier recovery moved what follows into the next segment and died before it cut this one. */
static bool is_overlap(const struct log_opening *o)
{
    const struct log *log = o->log;
    return o->segment + 1 < log->segment_count && o->end == log->segments[o->segment + 1]->base;
}

static enum steps_flow bad(struct log_opening *o)
{
    const struct format_scan *scan = &o->walk.scan;
    struct log *log = o->log;
    o->cut_at = scan->bad_at;
    o->cut_why = scan->msg;
    /* Of a batch larger than a piece, some may have been written again before its end was seen. */
    if (o->copying)
        o->copied = MIN(o->copied, scan->bad_at - o->copy_from);
    if (o->end < o->recovery_point && !log_cuts_corruption()) {
        log_corrupt_text(&o->op->msg, log, log_opening_segment(o)->disk.file->path, scan->bad_at,
                         scan->msg.text);
        TRACE(log->set->trace, LOG_OFFLINE, .partition = log->id, .topic_id = log->topic_trace,
              .position = scan->bad_at, .err = ERR_CORRUPT);
        return steps_fail(&o->steps, ERR_CORRUPT);
    }
    if (!KNOWN_BUG(torn_tail_kept) || !log_cut_keep(o))
        o->cutting = true;
    o->scanned = true;
    return STEPS_NEXT;
}

static void end_at_overlap(struct log_opening *o, uint64_t position)
{
    SOMETIMES(o->log->set->trace, RECOVERY_FOUND_HALF, true);
    o->overlap_at = position;
    o->scanned = true;
}

static enum steps_flow take_notes(struct log_opening *o)
{
    const struct format_scan *scan = &o->walk.scan;
    for (int32_t i = 0; i < scan->note_count; i++) {
        if (is_overlap(o)) {
            end_at_overlap(o, scan->notes[i].position);
            return STEPS_NEXT;
        }
        enum err e = take_note(o, &scan->notes[i]);
        if (e != ERR_NONE)
            return steps_fail(&o->steps, e);
    }
    if (is_overlap(o) && (scan->end != FORMAT_SCAN_MORE || scan->large_left > 0)) {
        end_at_overlap(o, scan->end != FORMAT_SCAN_MORE ? scan->bad_at : scan->large.position);
        return STEPS_NEXT;
    }
    if (scan->end != FORMAT_SCAN_MORE)
        return bad(o);
    if (scan->large_left == 0)
        return STEPS_NEXT;
    enum err e = begin_copy(o, scan->large.base, scan->large.position);
    return e == ERR_NONE ? STEPS_NEXT : steps_fail(&o->steps, e);
}

/* What of the piece goes into the new file. */
static uint64_t copy_end(const struct log_opening *o)
{
    const struct format_scan *scan = &o->walk.scan;
    uint64_t end = o->piece + scan->used;
    if (o->overlap_at != 0)
        end = MIN(end, o->overlap_at);
    return scan->end == FORMAT_SCAN_MORE ? end : MIN(end, scan->bad_at);
}

static enum steps_flow recover_look(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (misled(o))
        return steps_go(steps, RECOVER_BEGIN);
    if (take_notes(o) == STEPS_FAIL)
        return STEPS_FAIL;
    uint64_t from = MAX(o->piece, o->copy_from);
    if (!o->copying || from >= copy_end(o))
        return steps_go(steps, RECOVER_GO_ON);
    return steps_go(steps, o->copy_file != 0 || o->in_place ? RECOVER_WRITE : RECOVER_CREATE);
}

static enum steps_flow recover_create(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    const struct log_segment *segment = o->fresh != NULL ? o->fresh : log_opening_segment(o);
    dir_path_join(o->copy_path, NULL, segment->disk.file->path, ".tmp");
    env_open_file(steps->env, &steps->io, o->copy_path,
                  ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow recover_write(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (o->copy_file == 0 && !o->in_place)
        o->copy_file = steps->n;
    uint64_t from = MAX(o->piece, o->copy_from);
    o->part =
        (struct env_part){.data = o->walk.buffer + (from - o->piece), .size = copy_end(o) - from};
    o->copied = copy_end(o) - o->copy_from;
    if (o->in_place) {
        const struct dir_file *file = log_opening_segment(o)->disk.file;
        dir_overwrite(o->log->dir, &o->over, file->path, file->handle, from,
                      bytes_of(o->part.data, o->part.size), steps_waiter(steps));
        return STEPS_WAIT;
    }
    env_write(steps->env, &steps->io, o->copy_file, from - o->copy_from, &o->part, 1, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow recover_go_on(struct steps *steps)
{
    return steps_go(steps, log_opening_of(steps)->scanned ? STEPS_END : RECOVER_READ);
}

static const struct step recover_steps[] = {
    [RECOVER_HOLD] = {"recover", recover_hold},
    [RECOVER_INDEX] = {"recover", recover_index},
    [RECOVER_DECODE] = {"recover", recover_decode},
    [RECOVER_BEGIN] = {"recover", recover_begin},
    [RECOVER_READ] = {"recover", recover_read},
    [RECOVER_LOOK] = {"recover", recover_look},
    [RECOVER_CREATE] = {"write again the end of", recover_create},
    [RECOVER_WRITE] = {"write again the end of", recover_write},
    [RECOVER_GO_ON] = {"recover", recover_go_on},
    {NULL, NULL},
};

static void ended(struct steps *steps, enum err e)
{
    struct log_opening *o = log_opening_of(steps);
    if (e != ERR_NONE)
        log_recovery_failed(o, e);
    else if (o->cutting)
        log_cut(o);
    else
        log_copy_finish(o);
}

void log_recover_segment(struct log_opening *o)
{
    o->copying = o->scanned = o->placed = o->in_place = false;
    o->copy_from = o->copied = o->overlap_at = 0;
    log_opening_start(o, LOG_OPENING_SCANS, recover_steps, ended);
}

void log_recover(struct log_opening *o)
{
    struct log *log = o->log;
    o->segment = MAX(log_segment_index(log, o->scan_from), 0);
    o->end = -1;
    enum err e = log_walk_init(&o->walk, log, log->set->limits.piece_bytes, FORMAT_NOTES_MAX);
    if (e != ERR_NONE) {
        log_recovery_failed(o, e);
        return;
    }
    log_recover_segment(o);
}
