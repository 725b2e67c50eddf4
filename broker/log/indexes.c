/* indexes.c - the indexes of older segments: read from their files when they are wanted, built from
 * the log when those do not fit it, dropped when others need the room. */
#include "log/internal.h"

struct loading {
    struct steps steps;
    struct log_segment *segment;
    struct log_index_files files;
    struct log_walk walk;
    struct dir_hold hold;
    struct list waiters;
    bool made; /* from the log */
};

enum {
    LOAD_READ,
    LOAD_DECODE,
    LOAD_HOLD,
    LOAD_BEGIN,
    LOAD_WALK,
    LOAD_ADD,
};

static struct loading *loading_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct loading, steps);
}

/* ---- from its files ---- */

static enum steps_flow load_read(struct steps *steps)
{
    struct loading *l = loading_of(steps);
    if (l->segment->index_state == LOG_INDEX_WRONG)
        return steps_go(steps, LOAD_HOLD);
    if (log_index_all_got(&l->files))
        return STEPS_NEXT;
    steps_then(steps, STEPS_AGAIN);
    log_index_get_next(&l->files, l->segment, steps_waiter(steps));
    return STEPS_WAIT;
}

/* A file that is not there, does not match, or is of a segment that went on, is not believed. */
static enum steps_flow load_decode(struct steps *steps)
{
    struct loading *l = loading_of(steps);
    struct log_segment *segment = l->segment;
    struct log_index_found found;
    enum err e = log_index_take(&l->files, segment, segment->next, &found);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    bool fits = found.whole && found.proven && found.log_bytes == segment->size;
    return steps_go(steps, fits ? STEPS_END : LOAD_HOLD);
}

/* ---- from the log ---- */

static enum steps_flow load_hold(struct steps *steps)
{
    struct loading *l = loading_of(steps);
    struct log_segment *segment = l->segment;
    TRACE(segment->log->set->trace, LOG_REBUILT, .partition = segment->log->id,
          .topic_id = segment->log->topic_trace, .what = LOG_REBUILT_INDEX, .base = segment->base);
    format_index_free(&segment->index);
    log_index_unsave(segment);
    enum err e = log_walk_init(&l->walk, segment->log, segment->log->set->limits.piece_bytes,
                               FORMAT_NOTES_MAX);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    dir_hold(&l->hold, segment->disk.file, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow load_begin(struct steps *steps)
{
    struct loading *l = loading_of(steps);
    struct log_segment *segment = l->segment;
    log_walk_begin(&l->walk, segment->disk.file->handle, 0, segment->size, segment->base, false);
    return STEPS_NEXT;
}

static enum steps_flow load_walk(struct steps *steps)
{
    struct loading *l = loading_of(steps);
    if (l->walk.position >= l->walk.end) {
        l->made = true;
        format_index_seal(&l->segment->index);
        return steps_go(steps, STEPS_END);
    }
    log_walk_next(&l->walk, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow load_add(struct steps *steps)
{
    struct loading *l = loading_of(steps);
    struct log_segment *segment = l->segment;
    const struct format_scan *scan = &l->walk.scan;
    bool over = log_segment_over(segment, scan->expected);
    if (!over && scan->end != FORMAT_SCAN_MORE) {
        log_bad_batch(segment, scan->bad_at, scan->msg.text);
        return steps_fail(steps, ERR_CORRUPT);
    }
    enum err e = format_index_reserve(&segment->index, scan->note_count + 1);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    steps_then(steps, LOAD_WALK);
    for (int32_t i = 0; i < scan->note_count; i++) {
        if (!log_segment_over(segment, scan->notes[i].base))
            format_index_add(&segment->index, &scan->notes[i],
                             segment->log->config.index_interval_bytes);
    }
    if (over) /* whatever else stands there is the next segment's, or was */
        l->walk.position = l->walk.end;
    return STEPS_NEXT;
}

static const struct step load_steps[] = {
    [LOAD_READ] = {"read the index", load_read},
    [LOAD_DECODE] = {"read the index", load_decode},
    [LOAD_HOLD] = {"build the index", load_hold},
    [LOAD_BEGIN] = {"build the index", load_begin},
    [LOAD_WALK] = {"build the index", load_walk},
    [LOAD_ADD] = {"build the index", load_add},
    {NULL, NULL},
};

static void ended(struct steps *steps, enum err e)
{
    struct loading *l = loading_of(steps);
    struct log_segment *segment = l->segment;
    struct log *log = segment->log;
    struct mem *mem = log->set->mem;
    log_index_files_free(&l->files);
    log_walk_free(&l->walk);
    dir_let_go(&l->hold);
    segment->loading = NULL;
    if (e != ERR_NONE)
        format_index_free(&segment->index);
    else
        log_index_move(segment, l->made ? LOG_INDEX_MADE : LOG_INDEX_READ);
    if (segment->index_state == LOG_INDEX_READ)
        log_index_cache(segment);
    waiters_tell(&l->waiters, e);
    mem_free(mem, l);
    log->busy--;
    log_segment_unread(segment);
    log_seal(log);
    log_settle(log);
}

bool log_index_there(struct log_segment *segment)
{
    if (list_linked(&segment->cached))
        log_index_cache(segment); /* used last */
    return log_index_known(segment);
}

void log_index_load(struct log_segment *segment, struct waiter *waiter)
{
    struct log *log = segment->log;
    struct loading *l = segment->loading;
    ASSERT(!log_index_known(segment));
    if (l != NULL) {
        waiter_add(&l->waiters, waiter);
        return;
    }
    l = mem_zalloc(log->set->mem, sizeof *l);
    if (l == NULL) {
        waiter_tell(waiter, ERR_NOMEM);
        return;
    }
    l->segment = segment;
    list_init(&l->waiters);
    waiter_add(&l->waiters, waiter);
    segment->loading = l;
    segment->readers++;
    log->busy++;
    steps_start(&l->steps, log_env(log), load_steps, ended);
}
