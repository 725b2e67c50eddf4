/* retain.c - retention: whole segments go when age or size allow it (S-8). First the new log start
 * is durable, then the files get another name, and only after a delay they are removed. */
#include "log/internal.h"

/* Files of a segment; the index's checksum after them. */
static const enum format_file_kind kinds[] = {FORMAT_KIND_LOG, FORMAT_KIND_INDEX,
                                              FORMAT_KIND_TIMEINDEX, FORMAT_KIND_TXNINDEX};
#define FILES (COUNT_OF(kinds) + 1)
#define DELAY_MS_MAX (1ll << 42) /* a hundred years: "never" must not overflow */

static void file_path(const char *folder, int64_t base, int32_t i, const char *suffix,
                      char path[ENV_PATH_MAX])
{
    char name[FORMAT_NAME_MAX];
    format_name_print(name, base, i < COUNT_OF(kinds) ? kinds[i] : FORMAT_KIND_INDEX);
    log_path_join(path, folder, name, i < COUNT_OF(kinds) ? "" : ".crc");
    log_path_join(path, NULL, path, suffix);
}

struct log_retention {
    struct steps steps;
    struct log *log;
    struct log_points_wait points_wait;
    struct log_index_wait index_wait;
    struct log_file_wait file_wait;
    struct log_file *file; /* of the first segment that stays; of one that is asked */
    int64_t limit, wall_ms;
    int32_t count; /* segments that go */
    uint64_t gone; /* their bytes */
    bool by_time, rolled, full;
    bool held, asks; /* file, for its entry; for its time */
    int64_t greatest;
    int32_t kind;
    char path[ENV_PATH_MAX], path_to[ENV_PATH_MAX];
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
    RETAIN_GONE,
    RETAIN_OVER
};

static struct log_retention *retention_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct log_retention, steps);
}

/* ---- a wall clock that may jump ---- */

/* What the wall clock says as far as the steady clock of this life bears it out: it may fall back
 * at once, but ahead only when it has stayed there for LOG_SETTLE_MS. */
static int64_t believe(struct log_dir *dir, int64_t wall_ms)
{
    int64_t now_ns = env_now(dir->env);
    int64_t offset = wall_ms - now_ns / 1000000;
    if (!dir->clock_known || offset < dir->clock_ms + 1000) {
        dir->clock_ms = dir->clock_known ? MIN(offset, dir->clock_ms + 1000) : offset;
        dir->clock_known = true;
        dir->clock_doubted = false;
    } else if (!dir->clock_doubted || offset < dir->doubted_ms - 1000) {
        dir->clock_doubted = true;
        dir->doubted_ms = offset;
        dir->doubted_since_ns = now_ns;
    } else if (now_ns - dir->doubted_since_ns >= LOG_SETTLE_MS * 1000000ll) {
        dir->clock_ms = MIN(offset, dir->doubted_ms + 1000);
        dir->clock_doubted = false;
    }
    return dir->clock_ms + now_ns / 1000000;
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
    return log_bytes(r->log) - gone >= (uint64_t)bytes_max + segment->size;
}

static bool may_go(const struct log_retention *r, const struct log_segment *segment)
{
    return segment->next <= r->limit && segment->synced == segment->size && !segment->syncing &&
           segment->size == segment->written && !segment->dirty_hold;
}

/* As many of the oldest as may go, never the one that is written to. Each is looked at once: the
 * index of one may have taken the place of another's in memory. */
static enum steps_flow retain_choose(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    steps->next = RETAIN_OVER;
    if (!may_retain(log))
        return STEPS_NEXT;
    while (r->count < log->segment_count) {
        struct log_segment *segment = log->segments[r->count];
        bool last = r->count == log->segment_count - 1;
        if (segment->next > r->limit || segment->size == 0)
            break;
        if (!segment->index_known) { /* its greatest timestamp is not known either */
            steps->next = RETAIN_LEARN;
            return STEPS_NEXT;
        }
        if (must_ask_file(segment)) {
            steps->next = RETAIN_HOLD;
            return STEPS_NEXT;
        }
        bool old = is_old(r, segment);
        bool below = segment->next <= log->start; /* left behind by an earlier pass */
        if (!old && (last || !(below || is_too_much(r, segment, r->gone))))
            break;
        if (last && !r->rolled && log->state == LOG_OPEN) {
            steps->next = RETAIN_ROLL;
            return STEPS_NEXT;
        }
        if (last || !may_go(r, segment))
            break;
        r->gone += segment->size;
        r->by_time |= old;
        r->greatest = MAX(r->greatest, segment->index.max_timestamp);
        r->count++;
    }
    if (r->count > 0)
        steps->next = RETAIN_ENTRY;
    return STEPS_NEXT;
}

static void on_index(struct log_index_wait *wait, enum err e)
{
    steps_resume(&CONTAINER_OF(wait, struct log_retention, index_wait)->steps, e);
}

static enum steps_flow retain_learn(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    steps->next = RETAIN_CHOOSE;
    return log_index_want(r->log->segments[r->count], &r->index_wait, on_index) ? STEPS_NEXT
                                                                                : STEPS_WAIT;
}

static void on_asked_held(struct log_file_wait *wait, enum err e)
{
    struct log_retention *r = CONTAINER_OF(wait, struct log_retention, file_wait);
    r->asks = e == ERR_NONE;
    steps_resume(&r->steps, e);
}

/* The file stays where it is while it is held, whatever becomes of its segment. */
static enum steps_flow retain_hold(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    r->file = r->log->segments[r->count]->file;
    r->asks = log_file_hold(r->file, &r->file_wait, on_asked_held);
    return r->asks ? STEPS_NEXT : STEPS_WAIT;
}

static enum steps_flow retain_ask(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    steps->tolerant = true;
    env_size(steps->env, &steps->io, r->file->handle, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow retain_told(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    log_file_release(r->file);
    r->asks = false;
    steps->next = RETAIN_CHOOSE;
    for (int32_t i = 0; i < log->segment_count; i++) {
        struct log_segment *segment = log->segments[i];
        /* Who cannot be asked is as young as can be. */
        if (segment->file == r->file && segment->modified_ms < 0)
            segment->modified_ms =
                steps->err == ERR_NONE ? MAX(steps->io.modified_ms, 0) : r->wall_ms;
    }
    return STEPS_NEXT;
}

/* All of it is old, the segment that is written to as well: a new one is begun. */
static enum steps_flow retain_roll(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    r->rolled = true;
    steps->next = RETAIN_CHOOSE;
    enum err e = log_roll(r->log);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    log_segment_open(log_active(r->log));
    return STEPS_NEXT;
}

/* ---- what is left, and the new log start: durable before a file goes ---- */

static void on_held(struct log_file_wait *wait, enum err e)
{
    struct log_retention *r = CONTAINER_OF(wait, struct log_retention, file_wait);
    r->held = e == ERR_NONE;
    steps_resume(&r->steps, e);
}

/* The segment that will be the first. A directory in which the power left none is taken for a
 * damaged one. */
static enum steps_flow retain_entry(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    struct log_segment *left = log->segments[r->count];
    if (left->entry_durable) {
        steps->next = RETAIN_POINT;
        return STEPS_NEXT;
    }
    if (!r->held) {
        steps->next = RETAIN_ENTRY;
        r->file = left->file;
        r->held = log_file_hold(left->file, &r->file_wait, on_held);
        return r->held ? STEPS_NEXT : STEPS_WAIT;
    }
    steps->tolerant = true;
    env_sync_dir(steps->env, &steps->io, log->path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow retain_entered(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    enum steps_flow flow = log_dir_synced(r->log->dir, steps);
    if (flow == STEPS_NEXT)
        r->log->segments[r->count]->entry_durable = true;
    return flow;
}

static void on_point(struct log_points_wait *wait, enum err e)
{
    steps_resume(&CONTAINER_OF(wait, struct log_retention, points_wait)->steps, e);
}

static enum steps_flow retain_point(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    log->start_next = MAX(log->start, log->segments[r->count]->base);
    r->points_wait.done = on_point;
    steps->tolerant = true;
    log_points_write(log->dir, LOG_POINTS_START, &r->points_wait);
    return STEPS_WAIT;
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
        TRACE(log->dir->trace, LOG_START, log->id, (uint64_t)log->start, (uint64_t)was,
              r->by_time ? LOG_START_TIME : LOG_START_SIZE, (uint64_t)r->greatest,
              (uint64_t)r->wall_ms);
    }
    return STEPS_NEXT;
}

/* ---- the files ---- */

struct removal {
    struct steps steps;
    struct env_timer timer;
    struct log_dir *dir;
    struct list link; /* in dir->removals while the timer runs */
    int64_t base;
    int32_t kind;
    bool unsaid; /* no checkpoint says yet that the log begins behind it */
    struct log_points_wait points_wait;
    char folder[ENV_PATH_MAX], path[ENV_PATH_MAX];
};

enum { REMOVE_EMPTY, REMOVE_CLOSE, REMOVE_POINT, REMOVE_SAID, REMOVE_FILE, REMOVE_OVER };

/* Its name stays until the checkpoint is written, for which there is room now: without either the
 * next start would take it for lost. */
static enum steps_flow remove_empty(struct steps *steps)
{
    struct removal *r = CONTAINER_OF(steps, struct removal, steps);
    if (!r->unsaid) {
        steps->next = REMOVE_FILE;
        return STEPS_NEXT;
    }
    file_path(r->folder, r->base, 0, ".deleted", r->path);
    env_open_file(steps->env, &steps->io, r->path, ENV_OPEN_WRITE | ENV_OPEN_TRUNCATE, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow remove_close(struct steps *steps)
{
    steps->tolerant = true;
    env_close_file(steps->env, &steps->io, steps->n, steps_done);
    return STEPS_WAIT;
}

static void on_said(struct log_points_wait *wait, enum err e)
{
    steps_resume(&CONTAINER_OF(wait, struct removal, points_wait)->steps, e);
}

static enum steps_flow remove_point(struct steps *steps)
{
    struct removal *r = CONTAINER_OF(steps, struct removal, steps);
    steps->tolerant = true;
    r->points_wait.done = on_said;
    log_points_write(r->dir, LOG_POINTS_START, &r->points_wait);
    return STEPS_WAIT;
}

static enum steps_flow remove_said(struct steps *steps)
{
    if (steps->err != ERR_NONE)
        steps->next = REMOVE_OVER;
    return STEPS_NEXT;
}

static enum steps_flow remove_file(struct steps *steps)
{
    struct removal *r = CONTAINER_OF(steps, struct removal, steps);
    if (r->kind == FILES)
        return STEPS_NEXT;
    file_path(r->folder, r->base, r->kind++, ".deleted", r->path);
    steps->next = REMOVE_FILE;
    steps->tolerant = true; /* gone already, or left for the next start */
    env_unlink(steps->env, &steps->io, r->path, steps_done);
    return STEPS_WAIT;
}

static const struct step remove_steps[] = {
    [REMOVE_EMPTY] = {"empty", remove_empty}, [REMOVE_CLOSE] = {"empty", remove_close},
    [REMOVE_POINT] = {"write", remove_point}, [REMOVE_SAID] = {"write", remove_said},
    [REMOVE_FILE] = {"remove", remove_file},  [REMOVE_OVER] = {NULL, NULL},
};

static void removed(struct steps *steps, enum err e)
{
    struct removal *r = CONTAINER_OF(steps, struct removal, steps);
    struct log_dir *dir = r->dir;
    (void)e;
    mem_free(dir->mem, r);
    dir->busy--;
    log_dir_idle(dir);
}

static void on_due(struct env_timer *timer)
{
    struct removal *r = CONTAINER_OF(timer, struct removal, timer);
    list_remove(&r->link);
    r->dir->busy++;
    steps_start(&r->steps, r->dir->env, remove_steps, removed);
}

/* What is not removed in this life is removed at the start of the next. */
void log_removals_stop(struct log_dir *dir)
{
    struct list *link;
    while ((link = list_pop_front(&dir->removals)) != NULL) {
        struct removal *r = CONTAINER_OF(link, struct removal, link);
        env_disarm(dir->env, &r->timer);
        mem_free(dir->mem, r);
    }
}

static void remove_later(struct log *log, int64_t base, bool unsaid)
{
    int64_t delay_ms = unsaid ? 0 : log->config.file_delete_delay_ms;
    struct log_dir *dir = log->dir;
    struct removal *r = mem_zalloc(dir->mem, sizeof *r);
    if (r == NULL)
        return;
    r->dir = dir;
    r->base = base;
    r->unsaid = unsaid;
    r->timer.fire = on_due;
    list_init(&r->link);
    log_path_join(r->folder, NULL, log->path, "");
    list_push_back(&dir->removals, &r->link);
    env_arm(dir->env, &r->timer, env_now(dir->env) + MIN(delay_ms, DELAY_MS_MAX) * 1000000);
}

static enum steps_flow retain_rename(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    struct log_segment *oldest = log->segments[0];
    /* The records first; if they stay, what follows them stays, too, and the next pass goes on. */
    if (r->kind == 1 && steps->err != ERR_NONE && steps->err != ERR_NOTFOUND)
        return STEPS_FAIL;
    if (r->kind < FILES) {
        file_path(log->path, oldest->base, r->kind, "", r->path);
        file_path(log->path, oldest->base, r->kind++, ".deleted", r->path_to);
        steps->next = RETAIN_RENAME;
        steps->tolerant = true; /* not all segments have all files */
        env_rename(steps->env, &steps->io, r->path, r->path_to, steps_done);
        return STEPS_WAIT;
    }
    r->kind = 0;
    r->count--;
    log_segments_take_first(log);
    remove_later(log, oldest->base, r->full);
    log_segment_retire(oldest);
    return STEPS_NEXT;
}

/* Before the next one goes: a loss of power that brings this one back and not the next would leave
 * a gap, which is taken for damage. */
static enum steps_flow retain_sync(struct steps *steps)
{
    steps->tolerant = true;
    env_sync_dir(steps->env, &steps->io, retention_of(steps)->log->path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow retain_gone(struct steps *steps)
{
    struct log_retention *r = retention_of(steps);
    if (r->count > 0)
        steps->next = RETAIN_RENAME;
    return log_dir_synced(r->log->dir, steps);
}

static const struct step retain_steps[] = {
    [RETAIN_CHOOSE] = {"choose", retain_choose}, [RETAIN_LEARN] = {"read the index", retain_learn},
    [RETAIN_HOLD] = {"open", retain_hold},       [RETAIN_ASK] = {"look at", retain_ask},
    [RETAIN_TOLD] = {"look at", retain_told},    [RETAIN_ROLL] = {"begin", retain_roll},
    [RETAIN_ENTRY] = {"sync", retain_entry},     [RETAIN_ENTERED] = {"sync", retain_entered},
    [RETAIN_POINT] = {"write", retain_point},    [RETAIN_MOVE] = {"move", retain_move},
    [RETAIN_RENAME] = {"rename", retain_rename}, [RETAIN_SYNC] = {"sync", retain_sync},
    [RETAIN_GONE] = {"sync", retain_gone},       [RETAIN_OVER] = {NULL, NULL},
};

static void ended(struct steps *steps, enum err e)
{
    struct log_retention *r = retention_of(steps);
    struct log *log = r->log;
    (void)e; /* the next pass tries again */
    if (r->held || r->asks)
        log_file_release(r->file);
    log->start_next = log->start;
    mem_free(log->dir->mem, r);
    log->retention = NULL;
    log->busy--;
    log_settle(log);
}

void log_retain(struct log *log, int64_t limit, int64_t wall_ms)
{
    if (log->retention != NULL || !may_retain(log) || log->dir->closing)
        return;
    int64_t believed = believe(log->dir, wall_ms);
    format_producers_expire(&log->producers, env_now(log_env(log)),
                            log->config.producer_id_expiration_ms * 1000000);
    struct log_retention *r = mem_zalloc(log->dir->mem, sizeof *r);
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
