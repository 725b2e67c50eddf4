/* seek.c - the first record at or behind a time (ListOffsets), through the time index: its segment,
 * its batch by the heads, and itself by its own timestamp, compressed or not. */
#include "log/internal.h"

#define SEEK_NOTES 256
#define SEEK_GREATEST (-3)
#define NOTHING_SEEN INT64_MIN

/* What is looked for in one batch; it may be looked for away from the loop. */
struct search {
    struct bytes in; /* the batch */
    int64_t timestamp_ms, start;
    bool unread; /* its records cannot be read */
    bool found;
    int64_t offset, found_ms;
};

struct log_seeking {
    struct steps steps;
    struct log_turn turn;
    struct mem *mem; /* of itself */
    struct log_seek *seek;
    struct log *log;
    struct log_segment *segment;
    uint64_t generation; /* of the log in which it began */
    struct dir_hold hold;
    struct log_walk walk;
    int64_t base; /* of the segment being looked at */
    int64_t timestamp;
    bool greatest_known;
    int64_t best_base, best_timestamp; /* of the segment with the greatest timestamp so far */
    struct format_note note;           /* the batch it is in */
    struct search search;
};

enum {
    SEEK_SEGMENT,
    SEEK_INDEX,
    SEEK_HOLD,
    SEEK_WALK,
    SEEK_LOOK,
    SEEK_BATCH,
    SEEK_RECORD,
    SEEK_FOUND,
};

static struct log_seeking *seeking_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct log_seeking, steps);
}

static void let_go(struct log_seeking *s)
{
    dir_let_go(&s->hold);
    if (s->segment != NULL)
        log_segment_unread(s->segment);
    s->segment = NULL;
}

static int64_t end_of(const struct log_seeking *s)
{
    return MIN(s->seek->offset_end, s->log->written_end);
}

/* ---- which segment ---- */

/* All have been looked at. */
static enum steps_flow no_more(struct log_seeking *s)
{
    if (s->seek->timestamp_ms != SEEK_GREATEST || s->greatest_known ||
        s->best_timestamp == NOTHING_SEEN)
        return steps_go(&s->steps, STEPS_END);
    /* Now that the greatest is known, it is a time like any other, in that segment; records without
     * a timestamp have -1. */
    s->timestamp = s->best_timestamp;
    s->base = s->best_base;
    s->greatest_known = true;
    return steps_go(&s->steps, SEEK_SEGMENT);
}

static enum steps_flow seek_segment(struct steps *steps)
{
    struct log_seeking *s = seeking_of(steps);
    struct log *log = s->log;
    int32_t i = MAX(log_segment_index(log, s->base), 0);
    let_go(s);
    if (log->segments[i]->base < s->base)
        i++;
    if (i >= log->segment_count || log->segments[i]->base >= end_of(s))
        return no_more(s);
    s->segment = log->segments[i];
    s->segment->readers++;
    s->base = s->segment->base;
    return STEPS_NEXT;
}

static enum steps_flow next_segment(struct log_seeking *s)
{
    s->base = s->segment->next > s->base ? s->segment->next : s->base + 1;
    return steps_go(&s->steps, SEEK_SEGMENT);
}

static enum steps_flow seek_index(struct steps *steps)
{
    struct log_seeking *s = seeking_of(steps);
    if (!log_index_there(s->segment)) {
        steps_then(steps, STEPS_AGAIN);
        log_index_load(s->segment, steps_waiter(steps));
        return STEPS_WAIT;
    }
    const struct format_index *index = &s->segment->index;
    if (s->seek->timestamp_ms == SEEK_GREATEST && !s->greatest_known) {
        if (index->max_timestamp > s->best_timestamp) {
            s->best_timestamp = index->max_timestamp;
            s->best_base = s->segment->base;
        }
        return next_segment(s);
    }
    return index->max_timestamp < s->timestamp ? next_segment(s) : STEPS_NEXT;
}

/* ---- which batch ---- */

static enum steps_flow walk_from(struct log_seeking *s, uint64_t position)
{
    log_walk_free(&s->walk);
    enum err e = log_walk_init(&s->walk, s->log, s->log->set->limits.piece_small, SEEK_NOTES);
    if (e != ERR_NONE)
        return steps_fail(&s->steps, e);
    /* After a failed sync what is not durable may be anything, or nothing (S-5). */
    uint64_t end =
        s->log->status == ERR_OFFLINE ? s->segment->disk.synced : s->segment->disk.written;
    log_walk_begin(&s->walk, s->segment->disk.file->handle, MIN(position, end), end,
                   position == 0 ? s->segment->base : -1, false);
    return steps_go(&s->steps, SEEK_WALK);
}

static enum steps_flow seek_hold(struct steps *steps)
{
    struct log_seeking *s = seeking_of(steps);
    if (!s->hold.held) {
        steps_then(steps, STEPS_AGAIN);
        dir_hold(&s->hold, s->segment->disk.file, steps_waiter(steps));
        return STEPS_WAIT;
    }
    uint64_t position = 0;
    if (log_index_known(s->segment)) {
        int64_t from = format_index_floor_time(&s->segment->index, s->timestamp);
        const struct format_index_entry *floor = format_index_floor(&s->segment->index, from);
        position = floor == NULL ? 0 : floor->position;
    }
    return walk_from(s, position);
}

/* Readers have been shown more of the segment than can be looked at now: what is sought may stand
 * there, so that nobody can say that it is nowhere. */
static bool is_cut_short(const struct log_seeking *s)
{
    int64_t durable = s->log->durable_end;
    return s->log->status == ERR_OFFLINE && durable < end_of(s) && durable < s->segment->next;
}

static enum steps_flow seek_walk(struct steps *steps)
{
    struct log_seeking *s = seeking_of(steps);
    if (s->walk.position >= s->walk.end)
        return is_cut_short(s) ? steps_fail(steps, ERR_OFFLINE) : next_segment(s);
    log_walk_next(&s->walk, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow found_batch(struct log_seeking *s, const struct format_note *note)
{
    s->note = *note;
    bool shown = note->last < end_of(s);
    return steps_go(&s->steps, shown ? SEEK_BATCH : STEPS_END);
}

static enum steps_flow seek_look(struct steps *steps)
{
    struct log_seeking *s = seeking_of(steps);
    const struct format_scan *scan = &s->walk.scan;
    if (s->generation != s->log->generation)
        return steps_fail(steps, ERR_CANCELLED);
    for (int32_t i = 0; i < scan->note_count; i++) {
        if (log_segment_over(s->segment, scan->notes[i].base))
            return next_segment(s);
        if (scan->notes[i].last >= s->log->start && scan->notes[i].max_timestamp >= s->timestamp)
            return found_batch(s, &scan->notes[i]);
    }
    if (log_segment_over(s->segment, scan->expected))
        return next_segment(s);
    if (scan->large_left > 0 && scan->large.last >= s->log->start &&
        scan->large.max_timestamp >= s->timestamp)
        return found_batch(s, &scan->large);
    if (scan->end != FORMAT_SCAN_MORE) {
        log_bad_batch(s->segment, scan->bad_at, scan->msg.text);
        return steps_fail(steps, ERR_CORRUPT);
    }
    return steps_go(steps, SEEK_WALK);
}

/* ---- which record ---- */

static enum steps_flow seek_batch(struct steps *steps)
{
    struct log_seeking *s = seeking_of(steps);
    log_walk_free(&s->walk);
    uint32_t cap = MAX(s->note.size, s->log->set->limits.piece_small);
    enum err e = log_walk_init(&s->walk, s->log, cap, SEEK_NOTES);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    log_walk_begin(&s->walk, s->segment->disk.file->handle, s->note.position,
                   s->note.position + s->note.size, s->note.base, true);
    log_walk_next(&s->walk, steps_waiter(steps));
    return STEPS_WAIT;
}

/* The first record that is late enough. Touches nothing but the search: runs under env_offload. */
static void search_batch(void *argument)
{
    struct search *search = argument;
    struct mem mem;
    struct wire_batch batch;
    struct wire_records records;
    struct wire_record record;
    mem_system(&mem);
    enum err e = wire_batch_at(search->in, 0, &batch, NULL) == WIRE_AT_BATCH
                     ? wire_records_open(&records, &mem, &batch, search->in, NULL)
                     : ERR_CORRUPT;
    search->unread = e != ERR_NONE;
    if (search->unread)
        return;
    bool by_broker = (batch.attributes & WIRE_BATCH_LOG_APPEND_TIME) != 0;
    while (records.left > 0 && e == ERR_NONE && !search->found) {
        e = wire_records_next(&records, &record, NULL);
        int64_t timestamp_ms = by_broker ? batch.max_timestamp : record.timestamp_ms;
        if (e != ERR_NONE || timestamp_ms < search->timestamp_ms || record.offset < search->start)
            continue;
        search->found = true;
        search->offset = record.offset;
        search->found_ms = timestamp_ms;
    }
    search->unread = e != ERR_NONE;
    wire_records_close(&records);
}

static enum steps_flow seek_record(struct steps *steps)
{
    struct log_seeking *s = seeking_of(steps);
    const struct format_scan *scan = &s->walk.scan;
    if (s->generation != s->log->generation)
        return steps_fail(steps, ERR_CANCELLED);
    if (scan->note_count != 1) {
        log_bad_batch(s->segment, s->note.position, scan->msg.text);
        return steps_fail(steps, ERR_CORRUPT);
    }
    s->search = (struct search){.in = bytes_of(s->walk.buffer, s->note.size),
                                .timestamp_ms = s->timestamp,
                                .start = s->log->start};
    if ((s->note.attributes & WIRE_BATCH_CODEC) == 0) {
        search_batch(&s->search);
        return STEPS_NEXT;
    }
    env_offload(steps->env, &steps->io, search_batch, &s->search, steps_done);
    return STEPS_WAIT;
}

/* A head that promises what no record holds is passed over, as Kafka does; what cannot be read is
 * given by its first offset, so that nothing is ever passed over unread. */
static enum steps_flow seek_found(struct steps *steps)
{
    struct log_seeking *s = seeking_of(steps);
    struct log_seek *seek = s->seek;
    if (!s->search.found && !s->search.unread)
        return walk_from(s, s->note.position + s->note.size);
    bool found = s->search.found;
    seek->found = true;
    seek->offset = found ? s->search.offset : MAX(s->note.base, s->log->start);
    seek->timestamp_found_ms = found ? s->search.found_ms : s->note.max_timestamp;
    seek->leader_epoch = s->note.leader_epoch;
    return STEPS_NEXT;
}

static const struct step seek_steps[] = {
    [SEEK_SEGMENT] = {"find", seek_segment},
    [SEEK_INDEX] = {"find", seek_index},
    [SEEK_HOLD] = {"open", seek_hold},
    [SEEK_WALK] = {"find", seek_walk},
    [SEEK_LOOK] = {"find", seek_look},
    [SEEK_BATCH] = {"read", seek_batch},
    [SEEK_RECORD] = {"read", seek_record},
    [SEEK_FOUND] = {"read", seek_found},
    {NULL, NULL},
};

static void ended(struct steps *steps, enum err e)
{
    struct log_seeking *s = seeking_of(steps);
    struct log_seek *seek = s->seek;
    struct log *log = s->log;
    struct log_set *set = log->set;
    if (e == ERR_CORRUPT && log->status != ERR_NONE)
        errmsg_set(&seek->op.msg, log->status, "%s", log_status_text(log));
    else if (e != ERR_NONE)
        errmsg_set(&seek->op.msg, e, "cannot %s the time %lld in %s-%d: %s", steps_what(steps),
                   (long long)seek->timestamp_ms, log->topic, log->partition, err_text(e));
    let_go(s);
    log_walk_free(&s->walk);
    mem_free(s->mem, s);
    seek->own = NULL;
    seek->op.done(&seek->op, e);
    log->busy--;
    log_settle(log);
    log_turn_end(set);
}

static void on_turn(struct log_turn *turn)
{
    struct log_seeking *s = CONTAINER_OF(turn, struct log_seeking, turn);
    steps_start(&s->steps, log_env(s->log), seek_steps, ended);
}

void log_seek(struct log *log, struct log_seek *seek, log_done *done)
{
    seek->op = (struct log_op){.done = done};
    list_init(&seek->op.link);
    seek->log = log;
    seek->found = false;
    seek->offset = seek->timestamp_found_ms = -1;
    seek->leader_epoch = -1;
    if (log->status != ERR_NONE && log->status != ERR_OFFLINE) { /* S-5 stops writes alone */
        errmsg_set(&seek->op.msg, log->status, "%s", log_status_text(log));
        done(&seek->op, log->status);
        return;
    }
    struct mem *mem = seek->mem != NULL ? seek->mem : log->set->mem;
    struct log_seeking *s = mem_zalloc(mem, sizeof *s);
    if (s == NULL) {
        done(&seek->op, errmsg_set(&seek->op.msg, ERR_NOMEM, "out of memory"));
        return;
    }
    s->mem = mem;
    s->seek = seek;
    s->log = log;
    s->generation = log->generation;
    s->timestamp = seek->timestamp_ms;
    s->base = log->segments[MAX(log_segment_index(log, log->start), 0)]->base;
    s->best_timestamp = NOTHING_SEEN;
    seek->own = s;
    log->busy++;
    log_turn_take(log->set, &s->turn, on_turn);
}
