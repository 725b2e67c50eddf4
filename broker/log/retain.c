/* retain.c - retention: whole segments go when age or size allow it (S-8). First the new log start
 * is durable, then the files get another name, and only after a delay they are removed. */
#include "log/internal.h"

struct log_retention {
    struct steps steps;
    struct log *log;
    struct dir_sync sync;
    struct dir_hold left, asked; /* of the first segment that stays; of one whose time is asked */
    int64_t limit, wall_ms;
    int32_t count; /* segments that go */
    uint64_t gone; /* their bytes */
    bool by_time, rolled, full;
    int64_t greatest;
    int32_t kind;
    char path[ENV_PATH_MAX], path_to[ENV_PATH_MAX];
    struct again choices, removals;
};

enum {
    RETAIN_CHOOSE,
    RETAIN_LEARN,
    RETAIN_HOLD,
    RETAIN_ASK,
    RETAIN_TOLD,
    RETAIN_ROLL,
    RETAIN_ENTRY,
    RETAIN_ENTERED,
    RETAIN_POINT,
    RETAIN_MOVE,
    RETAIN_RENAME,
    RETAIN_SYNC,
};

static struct log_retention *retention_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct log_retention, steps);
}

/* ---- a wall clock that may jump ---- */

/* What the wall clock says as far as the steady clock of this life bears it out: it may fall back
 * at once, but ahead only when it has stayed there for LOG_SETTLE_MS. */
static int64_t believe(struct log_set *set, int64_t wall_ms)
{
    int64_t now_ns = env_now(set->env);
    int64_t offset = wall_ms - now_ns / 1000000;
    if (!set->clock_known || offset < set->clock_ms + 1000) {
        set->clock_ms = set->clock_known ? MIN(offset, set->clock_ms + 1000) : offset;
        set->clock_known = true;
        set->clock_doubted = false;
    } else if (!set->clock_doubted || offset < set->doubted_ms - 1000) {
        set->clock_doubted = true;
        set->doubted_ms = offset;
        set->doubted_since_ns = now_ns;
    } else if (now_ns - set->doubted_since_ns >= LOG_SETTLE_MS * 1000000ll) {
        set->clock_ms = MIN(offset, set->doubted_ms + 1000);
        set->clock_doubted = false;
    }
    return set->clock_ms + now_ns / 1000000;
}

/* ---- which ---- */

/* Also while the log repairs itself: on a full disk, what goes here is what makes room. */
static bool may_retain(const struct log *log)
{
    return log->status == ERR_NONE && (log->state == LOG_OPEN || log->state == LOG_REPAIRING);
}

static bool left_alone(const struct log_segment *segment, int64_t retention_ms)
{
    int64_t alone_ns = env_now(log_env(segment->log)) - segment->touched_ns;
    return alone_ns >= MIN(retention_ms, LOG_SETTLE_MS) * 1000000ll;
}

/* Records without a timestamp age by the time of their append: this life knows it, of earlier ones
 * the file's own time tells (LogSegment.largestTimestamp). */
static bool must_ask_file(const struct log_segment *segment)
{
    return segment->size > 0 && segment->index.max_timestamp < 0 && segment->modified_ms < 0;
}

static bool is_old(const struct log_retention *r, const struct log_segment *segment)
{
    int64_t retention_ms = r->log->config.retention_ms;
    int64_t greatest = segment->index.max_timestamp;
    if (retention_ms < 0 || segment->size == 0)
        return false;
    if (greatest < 0)
        greatest = segment->modified_ms;
    ASSERT(greatest >= 0);
    if (KNOWN_BUG(age_of_the_oldest) && segment->first_timestamp >= 0)
        greatest = segment->first_timestamp;
    /* Subtracted so that no timestamp, however odd, overflows. */
    return greatest < r->wall_ms && r->wall_ms - greatest > retention_ms &&
           left_alone(segment, retention_ms);
}

static bool is_too_much(const struct log_retention *r, const struct log_segment *segment,
                        uint64_t gone)
{
    int64_t bytes_max = r->log->config.retention_bytes;
    if (bytes_max < 0)
        return false;
    if (KNOWN_BUG(one_segment_too_many))
        return log_bytes(r->log) - gone > (uint64_t)bytes_max;
    return log_bytes(r->log) - gone >= (uint64_t)bytes_max + segment->size;
}

static bool may_go(const struct log_retention *r, const struct log_segment *segment)
{
    return segment->next <= r->limit && segment->disk.synced == segment->size &&
           !segment->disk.syncing && segment->size == segment->disk.written &&
           segment->disk.state != DIR_WRITER_HELD;
}

/* Each time it looks again it knows more of the segment that it has come to: when it was written,
 * and then its index, which others may have put out of memory meanwhile. */
static uint64_t learnt(const struct log_retention *r)
{
    uint64_t known = r->rolled;
    if (r->count < r->log->segment_count) {
        const struct log_segment *segment = r->log->segments[r->count];
        known += (segment->modified_ms >= 0 ? 2u : 0u) + log_index_known(segment);
    }
    return (uint64_t)r->count * 8 + known;
}

/* As many of the oldest as may go, never the one that is written to. Each is looked at once: the
 * index of one may have taken the place of another's in memory. */
static enum steps_flow retain_choose(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    again(&r->choices, learnt(r));
    if (!may_retain(log))
        return steps_go(steps, STEPS_END);
    while (r->count < log->segment_count) {
        struct log_segment *segment = log->segments[r->count];
        bool last = r->count == log->segment_count - 1;
        if (segment->next > r->limit || segment->size == 0)
            break;
        if (!log_index_known(segment))
            return steps_go(steps, RETAIN_LEARN); /* its greatest timestamp is not known either */
        if (must_ask_file(segment))
            return steps_go(steps, RETAIN_HOLD);
        bool old = is_old(r, segment);
        bool below = segment->next <= log->start; /* left behind by an earlier pass */
        if (!old && (last || !(below || is_too_much(r, segment, r->gone))))
            break;
        if (last && !r->rolled && log->state == LOG_OPEN)
            return steps_go(steps, RETAIN_ROLL);
        if (last || !may_go(r, segment))
            break;
        r->gone += segment->size;
        r->by_time |= old;
        r->greatest = MAX(r->greatest, segment->index.max_timestamp);
        r->count++;
    }
    if (r->count > 0)
        return steps_go(steps, RETAIN_ENTRY);
    return steps_go(steps, STEPS_END);
}

static enum steps_flow retain_learn(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    steps_then(steps, RETAIN_CHOOSE);
    log_index_load(r->log->segments[r->count], steps_waiter(steps));
    return STEPS_WAIT;
}

/* The file stays where it is while it is held, whatever becomes of its segment. */
static enum steps_flow retain_hold(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    dir_hold(&r->asked, r->log->segments[r->count]->disk.file, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow retain_ask(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    env_size(steps->env, &steps->io, r->asked.file->handle, steps_done);
    return STEPS_TRY;
}

static enum steps_flow retain_told(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    struct dir_file *file = r->asked.file;
    dir_let_go(&r->asked);
    for (int32_t i = 0; i < log->segment_count; i++) {
        struct log_segment *segment = log->segments[i];
        /* Who cannot be asked is as young as can be. */
        if (segment->disk.file == file && segment->modified_ms < 0)
            segment->modified_ms =
                steps->err == ERR_NONE ? MAX(steps->io.modified_ms, 0) : r->wall_ms;
    }
    return steps_go(steps, RETAIN_CHOOSE);
}

/* All of it is old, the segment that is written to as well: a new one is begun. */
static enum steps_flow retain_roll(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    r->rolled = true;
    steps_then(steps, RETAIN_CHOOSE);
    enum err e = log_roll(r->log, r->log->end);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    log_segment_open(log_active(r->log));
    return STEPS_NEXT;
}

/* ---- what is left, and the new log start: durable before a file goes ---- */

/* The segment that will be the first. A directory in which the power left none is taken for a
 * damaged one. */
static enum steps_flow retain_entry(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    struct log_segment *left = log->segments[r->count];
    if (left->disk.entry_durable)
        return steps_go(steps, RETAIN_POINT);
    if (!r->left.held) {
        steps_then(steps, STEPS_AGAIN);
        dir_hold(&r->left, left->disk.file, steps_waiter(steps));
        return STEPS_WAIT;
    }
    dir_sync_folder(log->dir, &r->sync, log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow retain_entered(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    r->log->segments[r->count]->disk.entry_durable = true;
    return STEPS_NEXT;
}

static enum steps_flow retain_point(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    log->start_next = MAX(log->start, log->segments[r->count]->base);
    dir_points_write(log->dir, DIR_POINTS_START, steps_waiter(steps));
    return STEPS_TRY;
}

/* A disk without room even for the checkpoint needs the room of a segment more. The oldest goes,
 * alone and at once; until a checkpoint says where the log starts, what is left of it does. */
static enum steps_flow retain_move(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    if (steps->err != ERR_NONE && steps->err != ERR_NOSPACE)
        return STEPS_FAIL;
    r->full = steps->err == ERR_NOSPACE;
    if (r->full) {
        r->count = 1;
        log->start_next = MAX(log->start, log->segments[1]->base);
    }
    if (log->start_next > log->start) {
        int64_t was = log->start;
        log->start = log->start_next;
        TRACE(log->set->trace, LOG_START, .partition = log->id, .topic_id = log->topic_trace,
              .start = log->start, .was = was,
              .reason = r->by_time ? LOG_START_TIME : LOG_START_SIZE, .max_timestamp = r->greatest,
              .wall = r->wall_ms);
    }
    return STEPS_NEXT;
}

/* ---- the files ---- */

static enum steps_flow retain_rename(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    struct log_segment *oldest = log->segments[0];
    char name[FORMAT_NAME_MAX];
    /* The records first; if they stay, what follows them stays, too, and the next pass goes on. */
    if (r->kind == 1 && steps->err != ERR_NONE && steps->err != ERR_NOTFOUND)
        return STEPS_FAIL;
    if (r->kind == 0)
        again(&r->removals, (uint64_t)oldest->base);
    if (r->kind < FORMAT_SEGMENT_FILES) {
        format_segment_name(name, oldest->base, r->kind++);
        dir_path_join(r->path, log->path, name, "");
        dir_path_join(r->path_to, log->path, name, ".deleted");
        steps_then(steps, STEPS_AGAIN);
        env_rename(steps->env, &steps->io, r->path, r->path_to, steps_done);
        return STEPS_TRY; /* not all segments have all files */
    }
    r->kind = 0;
    r->count--;
    log_segments_take_first(log);
    dir_remove_segment(log->dir, log->path, oldest->base, log->config.file_delete_delay_ms,
                       r->full);
    log_segment_retire(oldest);
    return STEPS_NEXT;
}

/* Before the next one goes: a loss of power that brings this one back and not the next would leave
 * a gap, which is taken for damage. */
static enum steps_flow retain_sync(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    steps_then(steps, r->count > 0 ? RETAIN_RENAME : STEPS_END);
    dir_sync_folder(r->log->dir, &r->sync, r->log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static const struct step retain_steps[] = {
    [RETAIN_CHOOSE] = {"choose", retain_choose},
    [RETAIN_LEARN] = {"read the index", retain_learn},
    [RETAIN_HOLD] = {"open", retain_hold},
    [RETAIN_ASK] = {"look at", retain_ask},
    [RETAIN_TOLD] = {"look at", retain_told},
    [RETAIN_ROLL] = {"begin", retain_roll},
    [RETAIN_ENTRY] = {"sync", retain_entry},
    [RETAIN_ENTERED] = {"sync", retain_entered},
    [RETAIN_POINT] = {"write", retain_point},
    [RETAIN_MOVE] = {"move", retain_move},
    [RETAIN_RENAME] = {"rename", retain_rename},
    [RETAIN_SYNC] = {"sync", retain_sync},
    {NULL, NULL},
};

static void ended(struct steps *steps, enum err e)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    (void)e; /* the next pass tries again */
    dir_let_go(&r->left);
    dir_let_go(&r->asked);
    log->start_next = log->start;
    mem_free(log->set->mem, r);
    log->retention = NULL;
    log->busy--;
    log_settle(log);
}

void log_retain(struct log *log, int64_t limit, int64_t wall_ms)
{
    if (log->retention != NULL || !may_retain(log) || dir_closing(log->dir))
        return;
    int64_t believed = believe(log->set, wall_ms);
    format_producers_expire(&log->producers, env_now(log_env(log)),
                            log->config.producer_id_expiration_ms * 1000000);
    struct log_retention *r = mem_zalloc(log->set->mem, sizeof *r);
    if (r == NULL)
        return;
    r->log = log;
    r->greatest = -1;
    r->limit = MIN(limit, log->durable_end);
    r->wall_ms = MIN(believed, wall_ms);
    log->retention = r;
    log->busy++;
    steps_start(&r->steps, log_env(log), retain_steps, ended);
}
