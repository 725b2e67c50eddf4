/* read.c - reads: a range of an open file. Where memory does not know its ends, or its bytes have
 * not been checked in this life, they are read and checked first, a few reads at once: whoever
 * takes what he asked for slowly, or not at all, holds a file and no memory. */
#include "log/internal.h"

#define READ_NOTES 512           /* batches of one read through memory */
#define READ_BYTES_MAX (1 << 20) /* of one read through memory, but for a larger batch */

struct log_reading {
    struct steps steps;
    struct mem *mem; /* of itself */
    struct log_turn turn;
    struct log_read *read;
    bool loads; /* the bytes are wanted in memory */
    struct log *log;
    struct log_segment *segment; /* counted among its readers */
    uint64_t generation;         /* in which it began */
    struct dir_hold hold;
    struct log_walk walk;
    bool found; /* position is that of the batch that holds the offset */
    uint64_t position;
    int64_t floor_last; /* what the index says stands at position, -1: it says nothing */
};

enum { READ_PLACE, READ_INDEX, READ_HOLD, READ_FIND, READ_LOOK, READ_LOAD, READ_GIVE };

static struct log_reading *reading_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct log_reading, steps);
}

/* After a failed sync the pages above the durable end may be anything (S-5). */
static int64_t end_of(const struct log_read *read)
{
    const struct log *log = read->log;
    int64_t end = log->status == ERR_OFFLINE ? log->durable_end : log->written_end;
    return MIN(read->offset_end, end);
}

static bool file_is_open(const struct log_segment *segment)
{
    return segment->disk.file->state == DIR_FILE_OPEN;
}

/* From position on, where a batch begins, of its file, which is open. False: where it is to end is
 * not known, or it has not been checked in this life. */
static bool give_checked(struct log_read *read, struct log_segment *segment, uint64_t position)
{
    struct log_bound bound;
    if (!log_place_bound(read->log, segment, position, (uint64_t)read->bytes_max, end_of(read),
                         read->at_least_one, &bound))
        return false;
    if (!format_ranges_cover(&segment->checked, position, bound.position))
        return false;
    bool held = dir_hold_open(&read->hold, segment->disk.file);
    ASSERT(held);
    segment->readers++;
    read->segment = segment;
    read->parts[0] = (struct env_part){
        .file = segment->disk.file->handle, .offset = position, .size = bound.position - position};
    read->part_count = 1;
    read->bytes = (int64_t)read->parts[0].size;
    read->next_offset = bound.next;
    log_place_keep(read, bound.next, segment, bound.position);
    return true;
}

/* ---- through memory ---- */

static void let_go(struct log_reading *r)
{
    dir_let_go(&r->hold);
    if (r->segment != NULL)
        log_segment_unread(r->segment);
    r->segment = NULL;
}

static void take_segment(struct log_reading *r, struct log_segment *segment)
{
    let_go(r);
    r->segment = segment;
    segment->readers++;
}

static enum steps_flow read_place(struct steps *steps)
{
    struct log_reading *r = reading_of(steps);
    struct log *log = r->log;
    struct log_segment *segment;
    r->floor_last = -1;
    r->found = log_place_find(r->read, &segment, &r->position);
    if (!r->found) {
        int32_t i = log_segment_index(log, r->read->offset);
        if (i < 0)
            return steps_fail(steps, ERR_RANGE);
        segment = log->segments[i];
    }
    take_segment(r, segment);
    if (r->found)
        return steps_go(steps, READ_HOLD);
    return STEPS_NEXT;
}

static enum steps_flow read_index(struct steps *steps)
{
    struct log_reading *r = reading_of(steps);
    if (!log_index_there(r->segment)) {
        steps_then(steps, STEPS_AGAIN); /* it may have been dropped again */
        log_index_load(r->segment, steps_waiter(steps));
        return STEPS_WAIT;
    }
    const struct format_index_entry *floor =
        format_index_floor(&r->segment->index, r->read->offset);
    r->position = 0;
    if (floor != NULL) {
        r->position = floor->position;
        r->floor_last = r->segment->base + floor->relative;
    }
    return STEPS_NEXT;
}

static enum steps_flow read_hold(struct steps *steps)
{
    struct log_reading *r = reading_of(steps);
    steps_then(steps, r->found ? READ_LOAD : READ_FIND);
    if (r->hold.held)
        return STEPS_NEXT;
    dir_hold(&r->hold, r->segment->disk.file, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum err begin_walk(struct log_reading *r, uint32_t cap, bool crc)
{
    struct log_segment *segment = r->segment;
    log_walk_free(&r->walk);
    enum err e = log_walk_init(&r->walk, r->log, cap, READ_NOTES);
    if (e != ERR_NONE)
        return e;
    log_walk_begin(&r->walk, segment->disk.file->handle, r->position, segment->disk.written,
                   r->position == 0 ? segment->base : -1, crc);
    r->walk.scan.epoch_end = log_latest_epoch(r->log) + 1;
    return ERR_NONE;
}

static enum steps_flow fail_corrupt(struct log_reading *r, uint64_t position, const char *what)
{
    log_bad_batch(r->segment, position, what);
    return steps_fail(&r->steps, ERR_CORRUPT);
}

/* Walks heads from the place that the index gave. */
static enum steps_flow read_find(struct steps *steps)
{
    struct log_reading *r = reading_of(steps);
    if (r->walk.set == NULL) {
        enum err e = begin_walk(r, r->log->set->limits.piece_small, false);
        if (e != ERR_NONE)
            return steps_fail(steps, e);
    }
    if (r->walk.position < r->walk.end) {
        log_walk_next(&r->walk, steps_waiter(steps));
        return STEPS_WAIT;
    }
    /* It is in none of this segment's batches: in the next one, then. */
    int32_t i = log_segment_index(r->log, r->segment->base) + 1;
    if (r->segment->retired || i <= 0 || i >= r->log->segment_count)
        return steps_go(steps, STEPS_END);
    take_segment(r, r->log->segments[i]);
    r->position = 0;
    r->found = true;
    log_walk_free(&r->walk);
    return steps_go(steps, READ_HOLD);
}

static bool index_lied(struct log_reading *r)
{
    const struct format_scan *scan = &r->walk.scan;
    int64_t floor_last = r->floor_last;
    r->floor_last = -1;
    if (floor_last < 0 || log_index_trusted(r->segment) || r->segment->retired)
        return false;
    if (scan->note_count > 0)
        return scan->notes[0].last != floor_last;
    return scan->end != FORMAT_SCAN_MORE;
}

static enum steps_flow found_at(struct log_reading *r, uint64_t position)
{
    r->position = position;
    r->found = true;
    log_walk_free(&r->walk);
    return steps_go(&r->steps, READ_LOAD);
}

/* What it has read may be of the log that this one was. */
static bool is_stale(const struct log_reading *r)
{
    return r->generation != r->log->generation;
}

static enum steps_flow read_look(struct steps *steps)
{
    struct log_reading *r = reading_of(steps);
    const struct format_scan *scan = &r->walk.scan;
    if (is_stale(r))
        return steps_fail(steps, ERR_CANCELLED);
    if (index_lied(r)) {
        if (log_index_known(r->segment))
            log_index_distrust(r->segment);
        log_walk_free(&r->walk);
        return steps_go(steps, READ_INDEX);
    }
    steps_then(steps, READ_FIND);
    for (int32_t i = 0; i < scan->note_count; i++) {
        if (scan->notes[i].last < r->read->offset)
            continue;
        if (log_segment_over(r->segment, scan->notes[i].base)) {
            r->walk.position = r->walk.end; /* READ_FIND goes on in the next segment */
            return STEPS_NEXT;
        }
        return found_at(r, scan->notes[i].position);
    }
    /* A batch larger than a piece: its head is enough to know that it is the one. */
    if (scan->large_left > 0 && scan->large.last >= r->read->offset)
        return found_at(r, scan->large.position);
    if (scan->end != FORMAT_SCAN_MORE)
        return fail_corrupt(r, scan->bad_at, scan->msg.text);
    return STEPS_NEXT;
}

static enum steps_flow read_load(struct steps *steps)
{
    struct log_reading *r = reading_of(steps);
    if (r->walk.set == NULL) {
        bool checked = !r->loads && !r->segment->retired && !is_stale(r);
        if (checked && give_checked(r->read, r->segment, r->position))
            return steps_go(steps, STEPS_END);
        int32_t want = MIN(r->read->bytes_max, READ_BYTES_MAX);
        enum err e = begin_walk(r, MAX((uint32_t)want, r->log->set->limits.piece_small), true);
        if (e != ERR_NONE)
            return steps_fail(steps, e);
    }
    if (r->position >= r->walk.end)
        return steps_go(steps, STEPS_END);
    log_walk_next(&r->walk, steps_waiter(steps));
    return STEPS_WAIT;
}

/* How many of the batches that were read are given. */
static int32_t count_given(const struct log_reading *r)
{
    const struct format_scan *scan = &r->walk.scan;
    const struct log_read *read = r->read;
    int64_t end = end_of(read);
    uint64_t bytes = 0;
    int32_t count = 0;
    while (count < scan->note_count && scan->notes[count].last < end) {
        if (log_segment_over(r->segment, scan->notes[count].base))
            break;
        bytes += scan->notes[count].size;
        if (bytes > (uint64_t)read->bytes_max && !(count == 0 && read->at_least_one))
            break;
        count++;
    }
    return count;
}

/* Of the file that they were read from. */
static void give_range(struct log_reading *r)
{
    struct log_read *read = r->read;
    read->parts[0].file = r->segment->disk.file->handle;
    read->parts[0].offset = r->position;
    bool held = dir_hold_open(&read->hold, r->segment->disk.file);
    ASSERT(held);
    r->segment->readers++;
    read->segment = r->segment;
}

static void give(struct log_reading *r, int32_t count)
{
    const struct format_note *notes = r->walk.scan.notes;
    const struct format_note *last = &notes[count - 1];
    struct log_read *read = r->read;
    read->parts[0] = (struct env_part){.size = last->position + last->size - r->position};
    if (r->loads)
        read->parts[0].data = r->walk.buffer;
    else
        give_range(r);
    read->part_count = 1;
    read->bytes = (int64_t)read->parts[0].size;
    read->next_offset = last->last + 1;
    if (r->segment->retired)
        return;
    format_ranges_add(&r->segment->checked, r->position, last->position + last->size);
    log_place_keep(read, read->next_offset, r->segment, last->position + last->size);
    for (int32_t i = 0; log_index_known(r->segment) && i < count; i++)
        format_index_learn(&r->segment->index, &notes[i]);
}

/* Or, where that one is missing, what comes there. */
static bool holds_offset(const struct log_reading *r, const struct format_note *note)
{
    int64_t offset = r->read->offset;
    return note->last >= offset && (note->base <= offset || !r->log->config.dense);
}

static enum steps_flow read_give(struct steps *steps)
{
    struct log_reading *r = reading_of(steps);
    const struct format_scan *scan = &r->walk.scan;
    if (is_stale(r))
        return steps_fail(steps, ERR_CANCELLED);
    if (scan->note_count == 0 && scan->large_left > 0) {
        /* Not even the first one fits. */
        uint32_t size = scan->large.size;
        if (!r->read->at_least_one || scan->large.last >= end_of(r->read))
            return STEPS_NEXT;
        enum err e = begin_walk(r, size, true);
        if (e != ERR_NONE)
            return steps_fail(steps, e);
        return steps_go(steps, READ_LOAD);
    }
    if (scan->note_count == 0 && scan->end != FORMAT_SCAN_MORE)
        return fail_corrupt(r, scan->bad_at, scan->msg.text);
    if (scan->note_count > 0 && !holds_offset(r, &scan->notes[0]))
        return fail_corrupt(r, r->position, "it has other offsets than it should");
    int32_t count = count_given(r);
    if (count > 0)
        give(r, count);
    return STEPS_NEXT;
}

static const struct step read_steps[] = {
    [READ_PLACE] = {"find", read_place}, [READ_INDEX] = {"find", read_index},
    [READ_HOLD] = {"open", read_hold},   [READ_FIND] = {"find", read_find},
    [READ_LOOK] = {"find", read_look},   [READ_LOAD] = {"read", read_load},
    [READ_GIVE] = {"read", read_give},   {NULL, NULL},
};

static void free_reading(struct log_reading *r)
{
    let_go(r);
    log_walk_free(&r->walk);
    mem_free(r->mem, r);
}

static void ended(struct steps *steps, enum err e)
{
    struct log_reading *r = reading_of(steps);
    struct log_read *read = r->read;
    struct log *log = r->log;
    if (e == ERR_CORRUPT && log->status != ERR_NONE)
        errmsg_set(&read->op.msg, log->status, "%s", log_status_text(log));
    else if (e != ERR_NONE)
        errmsg_set(&read->op.msg, e, "cannot %s offset %lld of %s-%d: %s", steps_what(steps),
                   (long long)read->offset, log->topic, log->partition, err_text(e));
    struct log_set *set = log->set;
    bool had_turn = !r->loads;
    let_go(r);
    if (r->loads && read->part_count > 0) {
        log->given_count++;
    } else {
        free_reading(r);
        read->own = NULL;
    }
    read->op.done(&read->op, e); /* the log stays while it is busy */
    log->busy--;
    log_settle(log);
    if (had_turn)
        log_turn_end(set);
}

static void begin_reading(struct log_reading *r)
{
    steps_start(&r->steps, log_env(r->log), read_steps, ended);
}

static void on_turn(struct log_turn *turn)
{
    begin_reading(CONTAINER_OF(turn, struct log_reading, turn));
}

static void read_through_memory(struct log *log, struct log_read *read, bool loads)
{
    struct mem *mem = read->mem != NULL ? read->mem : log->set->mem;
    struct log_reading *r = mem_zalloc(mem, sizeof *r);
    if (r == NULL) {
        read->op.done(&read->op, errmsg_set(&read->op.msg, ERR_NOMEM, "out of memory"));
        return;
    }
    r->mem = mem;
    r->read = read;
    r->log = log;
    r->generation = log->generation;
    r->loads = loads;
    read->own = r;
    log->busy++;
    if (loads)
        begin_reading(r);
    else
        log_turn_take(log->set, &r->turn, on_turn);
}

/* ---- straight from the file ---- */

/* False: something has to be looked up, opened or checked first. */
static bool read_direct(struct log_read *read)
{
    struct log_segment *segment;
    uint64_t position;
    if (!log_place_find(read, &segment, &position) || !file_is_open(segment))
        return false;
    return give_checked(read, segment, position);
}

/* ---- asking ---- */

/* True: there is something to be read. */
static bool begin(struct log *log, struct log_read *read, log_done *done)
{
    read->op = (struct log_op){.done = done};
    list_init(&read->op.link);
    read->part_count = 0;
    read->bytes = 0;
    read->next_offset = read->offset;
    read->log = log;
    read->generation = log->generation;
    read->segment = NULL;
    read->hold.held = false;
    read->own = NULL;
    enum err e = ERR_NONE;
    if (log->status != ERR_NONE && log->status != ERR_OFFLINE) { /* S-5 stops writes alone */
        errmsg_set(&read->op.msg, log->status, "%s", log_status_text(log));
        e = log->status;
    } else if (read->offset < log_local_start(log) || read->offset > log->end) {
        e = errmsg_set(&read->op.msg, ERR_RANGE, "offset %lld is not within %lld and %lld",
                       (long long)read->offset, (long long)log_local_start(log),
                       (long long)log->end);
    } else if (read->offset < end_of(read) && read->bytes_max >= 0) {
        return true;
    }
    done(&read->op, e);
    return false;
}

void log_read(struct log *log, struct log_read *read, log_done *done)
{
    if (!begin(log, read, done))
        return;
    if (read_direct(read))
        done(&read->op, ERR_NONE);
    else
        read_through_memory(log, read, false);
}

void log_load(struct log *log, struct log_read *read, log_done *done)
{
    if (begin(log, read, done))
        read_through_memory(log, read, true);
}

void log_read_release(struct log_read *read)
{
    struct log *log = read->log;
    if (read->segment != NULL) {
        struct log_segment *segment = read->segment;
        read->segment = NULL;
        dir_let_go(&read->hold);
        log_segment_unread(segment);
    } else if (read->own != NULL) {
        free_reading(read->own);
        read->own = NULL;
        log->given_count--;
    } else {
        return;
    }
    read->part_count = 0;
    log_settle(log);
}
