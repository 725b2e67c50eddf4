/* rebuild.c - the place where a log will end, and what it will know there: the index of the segment
 * that it is in, and the producers, from the newest snapshot below it and the batches behind that.
 * All that may fail on the way does so before anything has been changed. */
#include "log/truncate.h"

enum {
    FIND_SEGMENT,
    FIND_HOLD,
    FIND_BEGIN,
    FIND_WALK,
    FIND_LOOK,
    FIND_HEAD,
    FIND_TAKE_HEAD,
    FIND_SNAPSHOT,
    FIND_WINDOW,
    FIND_DECODE,
    FIND_REPLAY,
    FIND_REPLAY_HOLD,
    FIND_REPLAY_BEGIN,
    FIND_REPLAY_WALK,
    FIND_REPLAY_LOOK,
};

static struct log_segment *segment_at(const struct log_truncation *t, int32_t i)
{
    ASSERT(i >= 0 && i < t->log->segment_count);
    return t->log->segments[i];
}

/* Behind that batch, or at the segment's beginning. */
static void set_place(struct log_truncation *t, uint64_t position, int64_t end)
{
    t->position = position;
    t->end = end;
}

/* ---- the place ---- */

static enum steps_flow find_segment(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    struct log *log = t->log;
    int64_t asked = MIN(t->asked, log->end);
    t->segment = MAX(log_segment_index(log, asked), 0);
    t->files = t->reset || t->asked < log->end || t->log->write_failed != ERR_NONE;
    struct log_segment *segment = segment_at(t, t->segment);
    if (t->reset)
        return steps_go(steps, STEPS_END);
    if (!t->files) {
        set_place(t, segment->size, log->end);
        return steps_go(steps, STEPS_END);
    }
    set_place(t, 0, segment->base);
    format_index_free(&t->index);
    format_index_init(&t->index, log->set->mem, segment->base);
    if (asked == segment->base || segment->size == 0)
        return steps_go(steps, FIND_SNAPSHOT);
    if (log_index_there(segment))
        return STEPS_NEXT;
    steps_then(steps, STEPS_AGAIN); /* it may have been dropped again */
    log_index_load(segment, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow find_hold(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    if (t->hold.held)
        return STEPS_NEXT;
    dir_hold(&t->hold, segment_at(t, t->segment)->disk.file, steps_waiter(steps));
    return STEPS_WAIT;
}

/* Entries of batches that stay are taken over; what is behind the last of them is walked through.
 */
static enum steps_flow find_begin(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    struct log_segment *segment = segment_at(t, t->segment);
    uint64_t position = 0;
    enum err e = ERR_NONE;
    t->floor_last = -1;
    if (!log_index_known(segment))
        return steps_go(steps, FIND_SEGMENT);
    int64_t last = MIN(t->asked, t->log->end) - 1;
    const struct format_index_entry *floor = format_index_floor(&segment->index, last);
    if (floor != NULL) {
        position = floor->position;
        t->floor_last = segment->base + floor->relative;
        e = format_index_take(&t->index, &segment->index, position + 1);
    }
    if (e == ERR_NONE)
        e = log_walk_init(&t->walk, t->log, t->log->set->limits.piece_small, FORMAT_NOTES_MAX);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    log_walk_begin(&t->walk, t->hold.file->handle, position, segment->size,
                   position == 0 ? segment->base : -1, false);
    return STEPS_NEXT;
}

static enum steps_flow find_walk(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    if (t->walk.position >= t->walk.end)
        return steps_go(steps, FIND_HEAD);
    log_walk_next(&t->walk, steps_waiter(steps));
    return STEPS_WAIT;
}

/* The index has led to a place that is not what it says: it is made from the log, and asked again.
 */
static bool misled(struct log_truncation *t, struct log_segment *segment)
{
    const struct format_scan *scan = &t->walk.scan;
    int64_t floor_last = t->floor_last;
    t->floor_last = -1;
    if (floor_last < 0 || (log_index_known(segment) && log_index_trusted(segment)))
        return false;
    if (scan->note_count > 0 ? scan->notes[0].last == floor_last : scan->end == FORMAT_SCAN_MORE)
        return false;
    if (log_index_known(segment))
        log_index_distrust(segment);
    log_walk_free(&t->walk);
    return true;
}

static enum steps_flow bad_batch(struct log_truncation *t, struct log_segment *segment)
{
    const struct format_scan *scan = &t->walk.scan;
    log_bad_batch(segment, scan->bad_at, scan->msg.text);
    return steps_fail(&t->steps, ERR_CORRUPT);
}

/* False: it does not stay, and the place is found. */
static bool stays(const struct log_truncation *t, const struct format_note *note)
{
    return note->last < t->asked && note->last < t->log->end &&
           !log_segment_over(segment_at(t, t->segment), note->base);
}

static enum steps_flow find_look(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    const struct format_scan *scan = &t->walk.scan;
    struct log_segment *segment = segment_at(t, t->segment);
    if (misled(t, segment))
        return steps_go(steps, FIND_SEGMENT);
    enum err e = format_index_reserve(&t->index, scan->note_count);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    for (int32_t i = 0; i < scan->note_count; i++) {
        const struct format_note *note = &scan->notes[i];
        if (!stays(t, note))
            return steps_go(steps, FIND_HEAD);
        format_index_add(&t->index, note, t->log->config.index_interval_bytes);
        set_place(t, note->position + note->size, note->last + 1);
    }
    if (scan->large_left > 0 && !stays(t, &scan->large))
        return steps_go(steps, FIND_HEAD);
    if (scan->end != FORMAT_SCAN_MORE)
        return bad_batch(t, segment);
    return steps_go(steps, FIND_WALK);
}

/* When the segment began, if nobody knows: it is written to from now on. */
static enum steps_flow find_head(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    if (t->position < WIRE_BATCH_HEAD || segment_at(t, t->segment)->first_timestamp >= 0)
        return steps_go(steps, FIND_SNAPSHOT);
    env_read(steps->env, &steps->io, t->hold.file->handle, 0, t->walk.buffer, WIRE_BATCH_HEAD,
             steps_done);
    return STEPS_WAIT;
}

static enum steps_flow find_take_head(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    struct wire_batch batch;
    enum wire_at at = wire_batch_at(bytes_of(t->walk.buffer, (size_t)steps->n), 0, &batch, NULL);
    if ((at == WIRE_AT_TORN || at == WIRE_AT_BATCH) && steps->n >= WIRE_BATCH_HEAD)
        t->first_timestamp = batch.max_timestamp;
    return STEPS_NEXT;
}

/* ---- producers, as at a start ---- */

static void let_go(struct log_truncation *t)
{
    dir_let_go(&t->hold);
    log_walk_free(&t->walk);
    dir_get_free(&t->get);
}

static enum steps_flow find_snapshot(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    const struct log *log = t->log;
    let_go(t);
    if (log->producers.map.count == 0) /* then there were none before, either */
        return steps_go(steps, STEPS_END);
    format_producers_clear(&t->producers);
    t->replayed = true;
    t->replay_from = log->segments[0]->base;
    do
        t->snapshot--;
    while (t->snapshot >= 0 && log->snapshots[t->snapshot] > t->end);
    if (t->snapshot < 0)
        return steps_go(steps, FIND_REPLAY);
    log_segment_path(log, log->snapshots[t->snapshot], FORMAT_KIND_SNAPSHOT, t->path);
    dir_get(log->dir, &t->get, t->path, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow find_window(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    const struct log *log = t->log;
    enum err e = steps->err == ERR_NONE && t->get.found ? ERR_NONE : ERR_CORRUPT;
    if (e == ERR_NONE)
        e = format_snapshot_decode(&t->producers, dir_got(&t->get), env_now(steps->env), NULL);
    dir_get_free(&t->get);
    if (e == ERR_CORRUPT)
        return steps_go(steps, FIND_SNAPSHOT); /* an older one, then */
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    log_segment_path(log, log->snapshots[t->snapshot], FORMAT_KIND_WINDOW, t->path);
    dir_get(log->dir, &t->get, t->path, steps_waiter(steps));
    return STEPS_TRY;
}

/* Without the older batches a snapshot is of no use: a duplicate of one of them would be refused.
 */
static enum steps_flow find_decode(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    bool none = t->producers.map.count == 0;
    bool read = steps->err == ERR_NONE && t->get.found;
    if (!none && (!read || format_window_decode(&t->producers, dir_got(&t->get), NULL) != ERR_NONE))
        return steps_go(steps, FIND_SNAPSHOT);
    dir_get_free(&t->get);
    t->replay_from = t->log->snapshots[t->snapshot];
    return STEPS_NEXT;
}

static enum steps_flow find_replay(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    (void)steps;
    t->replay = MAX(log_segment_index(t->log, t->replay_from), 0);
    return STEPS_NEXT;
}

/* Where in the segment of the snapshot they begin, its index knows. */
static enum steps_flow find_replay_hold(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    let_go(t);
    if (t->replay > t->segment || t->replay_from >= t->end)
        return steps_go(steps, STEPS_END);
    struct log_segment *segment = segment_at(t, t->replay);
    if (segment->size == 0) {
        t->replay++;
        return steps_go(steps, FIND_REPLAY_HOLD);
    }
    if (t->replay_from > segment->base && !log_index_there(segment)) {
        steps_then(steps, STEPS_AGAIN);
        log_index_load(segment, steps_waiter(steps));
        return STEPS_WAIT;
    }
    dir_hold(&t->hold, segment->disk.file, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow find_replay_begin(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    struct log_segment *segment = segment_at(t, t->replay);
    const struct format_index_entry *floor = NULL;
    t->floor_last = -1;
    if (log_index_known(segment) && t->replay_from > segment->base)
        floor = format_index_floor(&segment->index, t->replay_from - 1);
    if (floor != NULL)
        t->floor_last = segment->base + floor->relative;
    uint64_t position = floor == NULL ? 0 : floor->position;
    enum err e = log_walk_init(&t->walk, t->log, t->log->set->limits.piece_bytes, FORMAT_NOTES_MAX);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    log_walk_begin(&t->walk, t->hold.file->handle, position,
                   t->replay == t->segment ? t->position : segment->size,
                   position == 0 ? segment->base : -1, false);
    return STEPS_NEXT;
}

static enum steps_flow find_replay_walk(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    if (t->walk.position >= t->walk.end) {
        t->replay++;
        return steps_go(steps, FIND_REPLAY_HOLD);
    }
    log_walk_next(&t->walk, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow find_replay_look(struct steps *steps)
{
    struct log_truncation *t = log_truncation_of(steps);
    const struct format_scan *scan = &t->walk.scan;
    struct log_segment *segment = segment_at(t, t->replay);
    if (misled(t, segment))
        return steps_go(steps, FIND_REPLAY_HOLD);
    bool over = log_segment_over(segment, scan->expected);
    if (!over && scan->end != FORMAT_SCAN_MORE)
        return bad_batch(t, segment);
    for (int32_t i = 0; i < scan->note_count; i++) {
        const struct format_note *note = &scan->notes[i];
        if (note->producer_id < 0 || note->base < t->replay_from ||
            log_segment_over(segment, note->base))
            continue;
        enum err e = format_producers_apply(&t->producers, note, env_now(steps->env), NULL);
        if (e != ERR_NONE)
            return steps_fail(steps, e);
    }
    if (over)
        t->walk.position = t->walk.end;
    return steps_go(steps, FIND_REPLAY_WALK);
}

static const struct step find_steps[] = {
    [FIND_SEGMENT] = {"read the index", find_segment},
    [FIND_HOLD] = {"open a segment", find_hold},
    [FIND_BEGIN] = {"read a segment", find_begin},
    [FIND_WALK] = {"read a segment", find_walk},
    [FIND_LOOK] = {"read a segment", find_look},
    [FIND_HEAD] = {"read a segment", find_head},
    [FIND_TAKE_HEAD] = {"read a segment", find_take_head},
    [FIND_SNAPSHOT] = {"read a snapshot", find_snapshot},
    [FIND_WINDOW] = {"read a snapshot", find_window},
    [FIND_DECODE] = {"read a snapshot", find_decode},
    [FIND_REPLAY] = {"read a segment", find_replay},
    [FIND_REPLAY_HOLD] = {"open a segment", find_replay_hold},
    [FIND_REPLAY_BEGIN] = {"read a segment", find_replay_begin},
    [FIND_REPLAY_WALK] = {"read a segment", find_replay_walk},
    [FIND_REPLAY_LOOK] = {"read a segment", find_replay_look},
    {NULL, NULL},
};

static void ended(struct steps *steps, enum err e)
{
    struct log_truncation *t = log_truncation_of(steps);
    let_go(t);
    t->found(t, e);
}

void log_truncation_find(struct log_truncation *t,
                         void (*found)(struct log_truncation *t, enum err e))
{
    t->found = found;
    t->snapshot = t->log->snapshot_count;
    steps_start(&t->steps, log_env(t->log), find_steps, ended);
}
