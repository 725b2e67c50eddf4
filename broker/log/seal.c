/* seal.c - what is written about segments in the background: indexes of those that are full, the
 * index of the active one now and then, and producer snapshots (S-7). None of it is needed for
 * anything but speed: all of it can be made again from the log. What waits to be written is
 * bounded: who appends faster than that waits (log_must_wait). */
#include "log/internal.h"

enum target {
    TARGET_NONE,
    TARGET_INDEX,    /* of a full segment, whole and synced */
    TARGET_PREFIX,   /* of the active segment, what is new in it */
    TARGET_SNAPSHOT, /* of a segment's base */
};

struct log_sealing {
    struct steps steps;
    struct log *log;
    struct log_segment *segment; /* counted among its readers while held */
    bool held;
    enum target target;
    int64_t offset; /* of the snapshot */
    int64_t prune;  /* the snapshot to be removed */
    struct again rounds;
    uint64_t saved; /* index entries, indexes and snapshots, by all rounds */
    struct dir_sync sync;
    struct log_index_part part;
    struct log_derived files;
    char path[ENV_PATH_MAX];
};

enum {
    SEAL_CHOOSE,
    SEAL_INDEX,
    SEAL_SNAPSHOT,
    SEAL_WRITE,
    SEAL_SYNC_DIR,
    SEAL_INDEXED,
    SEAL_LISTED,
    SEAL_PRUNE,
    SEAL_PRUNE_WINDOW,
    SEAL_AGAIN,
};

static struct log_sealing *sealing_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct log_sealing, steps);
}

/* ---- choosing ---- */

/* Retention may take the segment out of service while its files are being written. */
static void hold(struct log_sealing *s)
{
    ASSERT(!s->held);
    s->held = true;
    s->segment->sealing = true;
    s->segment->readers++;
}

static void let_go(struct log_sealing *s)
{
    if (!s->held)
        return;
    s->held = false;
    s->segment->sealing = false;
    log_segment_unread(s->segment);
}

/* There is an entry to be saved, and so many bytes stand behind the last one that was. */
static bool wants_prefix(const struct log_segment *active)
{
    int32_t saved = active->saved.of[FORMAT_OFFSETS];
    if (!log_index_known(active) || saved >= active->index.counts.of[FORMAT_OFFSETS] ||
        format_index_offset(&active->index, saved)->position >= active->disk.synced)
        return false;
    uint64_t from = saved == 0 ? 0 : format_index_offset(&active->index, saved - 1)->position;
    return active->disk.synced > from + (uint64_t)active->log->set->limits.prefix_bytes;
}

/* An index on disk is of bytes that will never change, so it cannot grow wrong. */
static bool wants_index(const struct log_segment *full)
{
    return full->index_state == LOG_INDEX_MADE;
}

/* Of full segments the oldest first: behind the newest one whose index is proven, recovery looks
 * for no other (open_derived). */
static enum target choose(const struct log *log, struct log_segment **segment)
{
    enum target target = TARGET_NONE;
    *segment = log_active(log);
    /* Only what can no longer be taken back: a snapshot on disk is right for good. */
    if (log->snapshot.data != NULL && log->snapshot_offset <= log->durable_end)
        return TARGET_SNAPSHOT;
    if (!(*segment)->disk.file->create && wants_prefix(*segment))
        return TARGET_PREFIX;
    /* Those before LOG_SEAL_LOOK have been done long ago. */
    int32_t first = MAX(log->segment_count - 1 - LOG_SEAL_LOOK, 0);
    for (int32_t i = log->segment_count - 2; i >= first; i--) {
        struct log_segment *s = log->segments[i];
        if (s->disk.file->create || !wants_index(s))
            continue;
        *segment = s;
        target = s->disk.synced == s->size ? TARGET_INDEX : TARGET_NONE;
    }
    return target;
}

static enum steps_flow seal_choose(struct steps *steps)
{
    struct log_sealing *s = sealing_of(steps);
    s->target = choose(s->log, &s->segment);
    /* A repair may put an end to segments: what is full now may be written to again. */
    if (s->target == TARGET_NONE || s->log->status != ERR_NONE || s->log->repair != NULL ||
        s->log->truncation != NULL)
        return steps_go(steps, STEPS_END);
    again(&s->rounds, s->saved);
    hold(s);
    return steps_go(steps, s->target == TARGET_SNAPSHOT ? SEAL_SNAPSHOT : SEAL_INDEX);
}

/* ---- indexes ---- */

/* What is added to a prefix may be lost: recovery scans the active segment. */
static bool is_synced(const struct log_sealing *s)
{
    return s->target == TARGET_SNAPSHOT ||
           (s->target == TARGET_INDEX && !KNOWN_BUG(index_not_synced));
}

static enum steps_flow seal_index(struct steps *steps)
{
    struct log_sealing *s = sealing_of(steps);
    struct log_segment *segment = s->segment;
    struct format_index *index = &segment->index;
    bool whole = s->target == TARGET_INDEX;
    s->part = (struct log_index_part){0};
    if (whole) {
        enum err e = format_index_reserve(index, 1);
        if (e != ERR_NONE)
            return steps_fail(steps, e);
        format_index_seal(index);
        s->part.end = index->counts;
    } else { /* entries of batches that will never be taken back */
        s->part.first = segment->saved;
        s->part.end = format_index_below(index, segment->disk.synced);
        segment->log->left_end = -1; /* these are not synced */
    }
    log_derived_init(&s->files, s->log, is_synced(s));
    enum err e = log_derived_add_index(&s->files, segment, &s->part);
    return e == ERR_NONE ? steps_go(steps, SEAL_WRITE) : steps_fail(steps, e);
}

/* The window first: a snapshot that has none beside it is passed over. */
static enum steps_flow seal_snapshot(struct steps *steps)
{
    struct log_sealing *s = sealing_of(steps);
    struct log *log = s->log;
    s->offset = log->snapshot_offset;
    log_derived_init(&s->files, log, true);
    if (log->window.data != NULL)
        log_derived_add(&s->files, s->offset, FORMAT_KIND_WINDOW, log->window);
    log_derived_add(&s->files, s->offset, FORMAT_KIND_SNAPSHOT, log->snapshot);
    return STEPS_NEXT;
}

static enum steps_flow seal_write(struct steps *steps)
{
    struct log_sealing *s = sealing_of(steps);
    bool of_index = s->target != TARGET_SNAPSHOT;
    if (log_derived_all_saved(&s->files) || (of_index && s->segment->retired))
        return steps_go(steps, is_synced(s) ? SEAL_SYNC_DIR : SEAL_INDEXED);
    steps_then(steps, STEPS_AGAIN);
    log_derived_save_next(&s->files, steps_waiter(steps));
    return STEPS_WAIT;
}

/* What has been made has an entry that the power does not take. */
static enum steps_flow seal_sync_dir(struct steps *steps)
{
    struct log_sealing *s = sealing_of(steps);
    steps_then(steps, s->target == TARGET_SNAPSHOT ? SEAL_LISTED : SEAL_INDEXED);
    dir_sync_folder(s->log->dir, &s->sync, s->log->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow seal_indexed(struct steps *steps)
{
    struct log_sealing *s = sealing_of(steps);
    struct log_segment *segment = s->segment;
    steps_then(steps, SEAL_AGAIN);
    if (segment->retired) {
        s->saved++; /* it will not be chosen again */
        return STEPS_NEXT;
    }
    if (s->target == TARGET_PREFIX) {
        s->saved += (uint64_t)(s->part.end.of[FORMAT_OFFSETS] - s->part.first.of[FORMAT_OFFSETS]);
        segment->saved = s->part.end;
        memcpy(segment->saved_crc, s->part.crc.crc, sizeof segment->saved_crc);
    } else {
        s->saved++;
        log_index_move(segment, LOG_INDEX_SAVED);
        log_index_cache(segment);
    }
    return STEPS_NEXT;
}

/* ---- snapshots ---- */

static void take_snapshot(struct log *log);

/* The snapshot is one now. Of those below the recovery point the newest are kept (KAFKA-5829). */
static enum steps_flow seal_listed(struct steps *steps)
{
    struct log_sealing *s = sealing_of(steps);
    struct log *log = s->log;
    enum err e = log_snapshots_add(log, s->offset);
    if (e != ERR_NONE)
        return steps_fail(steps, e);
    ASSERT(s->offset == log->snapshot_offset);
    log_snapshot_drop(log);
    take_snapshot(log);
    s->saved++;
    return STEPS_NEXT;
}

static enum steps_flow seal_prune(struct steps *steps)
{
    struct log_sealing *s = sealing_of(steps);
    struct log *log = s->log;
    int32_t below = 0;
    while (below < log->snapshot_count && log->snapshots[below] <= log->recovery_point)
        below++;
    if (below <= LOG_SNAPSHOTS_KEPT)
        return steps_go(steps, SEAL_AGAIN);
    s->prune = log->snapshots[0];
    log->snapshot_count--;
    memmove(&log->snapshots[0], &log->snapshots[1],
            (size_t)log->snapshot_count * sizeof log->snapshots[0]);
    log_segment_path(log, s->prune, FORMAT_KIND_SNAPSHOT, s->path);
    env_unlink(steps->env, &steps->io, s->path, steps_done);
    return STEPS_TRY; /* one too many does no harm */
}

static enum steps_flow seal_prune_window(struct steps *steps)
{
    struct log_sealing *s = sealing_of(steps);
    log_segment_path(s->log, s->prune, FORMAT_KIND_WINDOW, s->path);
    steps_then(steps, SEAL_PRUNE);
    env_unlink(steps->env, &steps->io, s->path, steps_done);
    return STEPS_TRY;
}

/* More than LOG_UNSEALED_MAX are full. */
static bool is_crowded(const struct log *log)
{
    int32_t i = log->segment_count - 2 - LOG_UNSEALED_MAX;
    return i >= 0 && wants_index(log->segments[i]);
}

static void let_in(struct log *log)
{
    if (!log->held_back || is_crowded(log))
        return;
    log->held_back = false;
    log_wake_admissions(log);
}

static enum steps_flow seal_again(struct steps *steps)
{
    struct log_sealing *s = sealing_of(steps);
    let_go(s);
    log_derived_free(&s->files);
    let_in(s->log);
    return steps_go(steps, SEAL_CHOOSE);
}

static const struct step seal_steps[] = {
    [SEAL_CHOOSE] = {"choose", seal_choose},
    [SEAL_INDEX] = {"write the index", seal_index},
    [SEAL_SNAPSHOT] = {"write a snapshot", seal_snapshot},
    [SEAL_WRITE] = {"write", seal_write},
    [SEAL_SYNC_DIR] = {"write", seal_sync_dir},
    [SEAL_INDEXED] = {"write the index", seal_indexed},
    [SEAL_LISTED] = {"write a snapshot", seal_listed},
    [SEAL_PRUNE] = {"remove a snapshot", seal_prune},
    [SEAL_PRUNE_WINDOW] = {"remove a snapshot", seal_prune_window},
    [SEAL_AGAIN] = {"choose", seal_again},
    {NULL, NULL},
};

/* ---- when ---- */

static void on_retry(struct env_timer *timer)
{
    log_seal(CONTAINER_OF(timer, struct log, retry));
}

static void retry_later(struct log *log)
{
    log->retry.fire = on_retry;
    env_arm(log_env(log), &log->retry, env_now(log_env(log)) + LOG_RETRY_MS * 1000000ll);
}

static void ended(struct steps *steps, enum err e)
{
    struct log_sealing *s = sealing_of(steps);
    struct log *log = s->log;
    let_go(s);
    log_derived_free(&s->files);
    mem_free(log->set->mem, s);
    log->sealing = NULL;
    log->busy--;
    if (e == ERR_NOTFOUND)
        log_missing(log, log->path);
    if (e != ERR_NONE && log->status == ERR_NONE)
        retry_later(log);
    else if (log->held_back)
        dir_commit_flush(log->dir);
    log_wake_repair(log);
    log_settle(log);
}

void log_seal(struct log *log)
{
    struct log_segment *segment;
    if (log->sealing != NULL || log->status != ERR_NONE || log->closing != NULL ||
        log->state == LOG_OPENING || log->repair != NULL || log->truncation != NULL ||
        env_armed(&log->retry))
        return;
    /* Between two segments, too: a broker that is killed late in a large one starts as quickly. */
    if (log->bytes_since_snapshot >= log->set->limits.snapshot_bytes)
        log->snapshot_due = true;
    take_snapshot(log);
    if (choose(log, &segment) == TARGET_NONE)
        return;
    struct log_sealing *s = mem_zalloc(log->set->mem, sizeof *s);
    if (s == NULL) {
        retry_later(log);
        return;
    }
    s->log = log;
    log->sealing = s;
    log->busy++;
    steps_start(&s->steps, log_env(log), seal_steps, ended);
}

bool log_must_wait(struct log *log)
{
    if (log->status != ERR_NONE || log->state != LOG_OPEN || dir_closing(log->dir) ||
        !is_crowded(log))
        return false;
    log->held_back = true;
    log_seal(log);
    /* What is full is saved once it is synced, though nobody else may wait for that. */
    if (log->sealing == NULL && !env_armed(&log->retry))
        dir_commit_flush(log->dir);
    return true;
}

/* ---- a log's list of snapshots ---- */

/* The most that format_snapshot_encode gives. */
static int64_t size_max(const struct log *log)
{
    int64_t entries = (int64_t)log->producers.map.count * FORMAT_WINDOW;
    return entries * FORMAT_SNAPSHOT_ENTRY + 2 * FORMAT_SNAPSHOT_HEAD;
}

/* A snapshot is not taken before as many bytes have been appended as the last one took: however
 * fast segments begin, snapshots are no more work than records. Without memory or room among those
 * of the directory it stays due. */
static void take_snapshot(struct log *log)
{
    struct log_set *set = log->set;
    bool room =
        set->snapshot_bytes == 0 || set->snapshot_bytes + size_max(log) <= LOG_SNAPSHOTS_BYTES;
    if (!log->snapshot_due || log->snapshot.data != NULL || !room ||
        log->bytes_since_snapshot < log->snapshot_size)
        return;
    if (log->snapshot_count > 0 && log->snapshots[log->snapshot_count - 1] >= log->end)
        return; /* there is one */
    if (format_snapshot_encode(&log->producers, set->mem, &log->snapshot, &log->window) != ERR_NONE)
        return;
    log->snapshot_offset = log->end;
    log->snapshot_size = log->snapshot.size + log->window.size;
    log->bytes_since_snapshot = 0;
    log->snapshot_due = false;
    set->snapshot_bytes += (int64_t)log->snapshot_size;
}

void log_snapshot_want(struct log *log)
{
    log->snapshot_due = true;
    take_snapshot(log);
}

void log_snapshot_drop(struct log *log)
{
    struct mem *mem = log->set->mem;
    log->set->snapshot_bytes -= (int64_t)(log->snapshot.size + log->window.size);
    ASSERT(log->set->snapshot_bytes >= 0);
    mem_free(mem, (void *)(uintptr_t)log->snapshot.data);
    mem_free(mem, (void *)(uintptr_t)log->window.data);
    log->snapshot = log->window = bytes_of(NULL, 0);
}

enum err log_snapshots_add(struct log *log, int64_t offset)
{
    int32_t at = log->snapshot_count;
    while (at > 0 && log->snapshots[at - 1] > offset)
        at--;
    if (at > 0 && log->snapshots[at - 1] == offset)
        return ERR_NONE;
    if (log->snapshot_count == log->snapshot_cap) {
        int32_t cap = log->snapshot_cap == 0 ? 4 : log->snapshot_cap * 2;
        void *grown = mem_realloc(log->set->mem, log->snapshots, (size_t)cap * sizeof offset);
        if (grown == NULL)
            return ERR_NOMEM;
        log->snapshots = grown;
        log->snapshot_cap = cap;
    }
    memmove(&log->snapshots[at + 1], &log->snapshots[at],
            (size_t)(log->snapshot_count - at) * sizeof offset);
    log->snapshots[at] = offset;
    log->snapshot_count++;
    return ERR_NONE;
}
