/* seams.c - does every segment begin where the one before it ends? Of what recovery scans, the scan
 * tells; of older segments only the last batches are looked at, from the last entry of the index
 * on. A file that is missing is told by its own name; in a log that is not dense none can be said
 * to be. Nothing is written. */
#include "log/opening.h"

#define SEAM_BYTES (4u << 20) /* at most so much of a segment's end is walked */
#define SEAM_NOTES 512

enum { SEAM_NEXT, SEAM_SIZE, SEAM_READ, SEAM_CLOSE, SEAM_PLACE, SEAM_WALK, SEAM_LOOK, SEAM_JUDGE };

/* ---- words ---- */

enum err log_missing_text(struct errmsg *msg, const struct log *log, int64_t base, int64_t next)
{
    char name[FORMAT_NAME_MAX];
    format_name_print(name, base, FORMAT_KIND_LOG);
    if (next > base)
        return errmsg_set(msg, ERR_CORRUPT,
                          "%s/%s is missing, with offsets %lld to %lld; put the file back from a "
                          "copy, or " LOG_GIVE_UP,
                          log->path, name, (long long)base, (long long)next - 1, log_name(log));
    return errmsg_set(msg, ERR_CORRUPT,
                      "%s/%s is missing, with offset %lld and what followed; put the file back "
                      "from a copy, or " LOG_GIVE_UP,
                      log->path, name, (long long)base, log_name(log));
}

/* ---- the first segment ---- */

/* The first offset of an index without its log, below that one; -1: none. */
static int64_t first_orphan(const struct log_opening *o, int64_t below)
{
    int64_t first = -1;
    for (uint64_t at = 0; at < o->size; at += strlen(o->names + at) + 1) {
        int64_t offset;
        enum format_file_kind kind = format_name_kind(o->names + at, &offset);
        bool index = kind == FORMAT_KIND_INDEX || kind == FORMAT_KIND_TIMEINDEX;
        if (index && offset < below && (first < 0 || offset < first))
            first = offset;
    }
    return first;
}

/* Retention took the oldest segment when the disk had no room even to say where the log begins. */
static bool removed_unsaid(const struct log_opening *o)
{
    for (uint64_t at = 0; at < o->size; at += strlen(o->names + at) + 1) {
        if (text_ends_with(o->names + at + 1, ".log.deleted")) /* and something before it */
            return true;
    }
    return false;
}

/* Before a segment goes, a checkpoint of kiln's says durably where the log begins from then on; one
 * that does not name the log has never had to. Kafka's says less. */
enum err log_seams_first(struct log_opening *o)
{
    const struct log *log = o->log;
    const struct dir *dir = log->dir;
    int64_t first = log->segments[0]->base;
    int64_t start = log->member.known->offsets[DIR_POINTS_START];
    if (log->segments[0]->disk.file->create || dir_points_wrong(dir, DIR_POINTS_START))
        return ERR_NONE;
    if (start < 0)
        start = dir_points_own(dir, DIR_POINTS_START) ? 0 : first_orphan(o, first);
    if (start < 0 || start >= first)
        return ERR_NONE;
    if (removed_unsaid(o)) {
        o->start_unsaid = true;
        return ERR_NONE;
    }
    return log_missing_text(&o->op->msg, log, start, first);
}

/* ---- the others ---- */

/* Without an index all of a small segment is walked, and a large one is left to its readers. */
static void begin_at(struct log_opening *o, uint64_t position)
{
    bool walked = log_opening_segment(o)->size - position <= SEAM_BYTES;
    o->piece = position;
    o->segment += !walked;
    steps_then(&o->steps, walked ? SEAM_PLACE : SEAM_NEXT);
}

static enum steps_flow seam_next(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    if (!log->config.dense || o->segment >= MAX(log_segment_index(log, o->scan_from), 0))
        return steps_go(steps, STEPS_END);
    o->end = log_opening_segment(o)->base;
    if (log_opening_segment(o)->size == 0)
        return steps_go(steps, SEAM_JUDGE);
    log_segment_path(log, o->end, FORMAT_KIND_INDEX, o->path);
    env_open_file(steps->env, &steps->io, o->path, ENV_OPEN_READ, steps_done);
    return STEPS_TRY;
}

static enum steps_flow seam_size(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (steps->err != ERR_NONE) {
        begin_at(o, 0);
        return STEPS_NEXT;
    }
    o->seam_file = steps->n;
    env_size(steps->env, &steps->io, o->seam_file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow seam_read(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    uint64_t size = steps->err == ERR_NONE ? steps->n : 0;
    memset(o->entry, 0, sizeof o->entry);
    steps->err = ERR_NONE;
    if (size < FORMAT_INDEX_ENTRY_SIZE || size % FORMAT_INDEX_ENTRY_SIZE != 0)
        return STEPS_NEXT;
    env_read(steps->env, &steps->io, o->seam_file, size - FORMAT_INDEX_ENTRY_SIZE, o->entry,
             FORMAT_INDEX_ENTRY_SIZE, steps_done);
    return STEPS_TRY;
}

static enum steps_flow seam_close(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    uint64_t position = steps->err == ERR_NONE ? get_u32(o->entry + 4) : 0;
    begin_at(o, position < log_opening_segment(o)->size ? position : 0);
    env_file file = o->seam_file;
    o->seam_file = 0;
    env_close_file(steps->env, &steps->io, file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow seam_place(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    dir_hold(&o->hold, log_opening_segment(o)->disk.file, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow seam_walk(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    const struct log_segment *segment = log_opening_segment(o);
    if (o->walk.set == NULL) {
        enum err e = log_walk_init(&o->walk, o->log, o->log->set->limits.piece_small, SEAM_NOTES);
        if (e != ERR_NONE)
            return steps_fail(steps, e);
    }
    if (o->walk.file != segment->disk.file->handle || o->walk.end == 0)
        log_walk_begin(&o->walk, segment->disk.file->handle, o->piece, segment->size, -1, false);
    if (o->walk.position >= o->walk.end)
        return steps_go(steps, SEAM_JUDGE);
    log_walk_next(&o->walk, steps_waiter(steps));
    return STEPS_WAIT;
}

/* What cannot be read here is told by whoever reads it, and by kiln log check. */
static enum steps_flow seam_look(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    const struct format_scan *scan = &o->walk.scan;
    if (scan->note_count > 0)
        o->end = scan->notes[scan->note_count - 1].last + 1;
    if (scan->end == FORMAT_SCAN_MORE)
        return steps_go(steps, SEAM_WALK);
    o->end = INT64_MAX;
    return STEPS_NEXT;
}

static enum steps_flow seam_judge(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct log *log = o->log;
    int64_t next = log->segments[o->segment + 1]->base;
    dir_let_go(&o->hold);
    o->walk.end = 0; /* the next segment's walk begins anew */
    if (o->end < next) {
        TRACE(log->set->trace, LOG_OFFLINE, .partition = log->id, .topic_id = log->topic_trace,
              .position = log_opening_segment(o)->size, .err = ERR_CORRUPT);
        return steps_fail(steps, log_missing_text(&o->op->msg, log, o->end, next));
    }
    o->segment++;
    return steps_go(steps, SEAM_NEXT);
}

static const struct step seam_steps[] = {
    [SEAM_NEXT] = {"look at the end of a segment of", seam_next},
    [SEAM_SIZE] = {"look at the end of a segment of", seam_size},
    [SEAM_READ] = {"look at the end of a segment of", seam_read},
    [SEAM_CLOSE] = {"look at the end of a segment of", seam_close},
    [SEAM_PLACE] = {"look at the end of a segment of", seam_place},
    [SEAM_WALK] = {"look at the end of a segment of", seam_walk},
    [SEAM_LOOK] = {"look at the end of a segment of", seam_look},
    [SEAM_JUDGE] = {"look at the end of a segment of", seam_judge},
    {NULL, NULL},
};

static void ended(struct steps *steps, enum err e)
{
    struct log_opening *o = log_opening_of(steps);
    log_walk_free(&o->walk);
    if (e == ERR_NONE)
        log_recover(o);
    else
        log_recovery_failed(o, e);
}

void log_seams(struct log_opening *o)
{
    o->segment = 0;
    log_opening_start(o, LOG_OPENING_SEAMS, seam_steps, ended);
}
