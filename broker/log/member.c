/* member.c - what the log's directory asks of it, and tells it. */
#include "log/internal.h"

static struct log *log_of(const struct dir_member *m)
{
    return CONTAINER_OF(m, struct log, member);
}

static struct log_segment *segment_of(struct dir_writer *w)
{
    return CONTAINER_OF(w, struct log_segment, disk);
}

/* ---- files ---- */

static void on_held(struct dir_member *m, struct dir_writer *w, enum err e)
{
    (void)m;
    log_segment_held(segment_of(w), e);
}

static void on_file_synced(struct dir_member *m, struct dir_writer *w)
{
    (void)m;
    log_segment_clean(segment_of(w));
}

/* The log itself removes what is retired, and nobody waits for that. */
static bool on_unnamed(struct dir_member *m, struct dir_writer *w)
{
    struct log_segment *segment = segment_of(w);
    (void)m;
    if (segment->retired)
        return false;
    log_unnamed(segment);
    return true;
}

static void on_missing(struct dir_member *m, const char *path)
{
    log_missing(log_of(m), path);
}

/* ---- rounds of syncs ---- */

/* It comes back when its files are whole again; or there is no place where it could be durable. */
static bool may_sync(const struct dir_member *m)
{
    const struct log *log = log_of(m);
    return !log_repair_runs(log) && !log_truncation_runs(log) && log->status != ERR_NOTFOUND &&
           log->unnamed_base < 0;
}

static void on_round(struct dir_member *m)
{
    struct log *log = log_of(m);
    log_touch(log);
    log->round_end = log->written_end;
    log->round_bytes = log->written_bytes;
    for (int32_t i = MAX(log_segment_index(log, log->durable_end), 0); i < log->segment_count; i++)
        dir_writer_sync(&log->segments[i]->disk);
}

static void on_durable(struct dir_member *m)
{
    struct log *log = log_of(m);
    log->synced_end = MAX(log->synced_end, log->round_end);
    log_move_durable(log);
}

static void on_round_over(struct dir_member *m)
{
    struct log *log = log_of(m);
    if (dir_status(log->dir) == ERR_NONE && log->written_end > log->durable_end)
        log_commit(log);
    log_seal(log);
    log_look(log);
    log_wake_repair(log);
    log_settle(log);
}

/* ---- S-5 ---- */

static void on_offline(struct dir_member *m, const struct errmsg *why)
{
    struct log *log = log_of(m);
    if (log->status != ERR_NONE)
        return;
    log_explain(log, why);
    log->status = ERR_OFFLINE;
}

static void tell_offline(struct dir_member *m)
{
    struct log *log = log_of(m);
    log_told(log, ERR_OFFLINE);
    log_wake_admissions(log); /* to be refused */
}

static bool waits(const struct dir_member *m)
{
    const struct log *log = log_of(m);
    return log_waits_for_sync(log) && log->written_end > log->durable_end;
}

/* ---- the checkpoints ---- */

static int64_t point(struct dir_member *m, enum dir_points_kind kind)
{
    struct log *log = log_of(m);
    switch (kind) {
    case DIR_POINTS_RECOVERY:
        log->recovery_next = MIN(log->durable_end, log->point_limit);
        return log->recovery_next;
    case DIR_POINTS_START:
        return MAX(log->start_next, log->start_asked);
    default:
        return MIN(log->high_watermark, log->point_limit);
    }
}

static void on_point_written(struct dir_member *m, enum dir_points_kind kind)
{
    struct log *log = log_of(m);
    if (kind == DIR_POINTS_RECOVERY)
        log->recovery_point = log->recovery_next;
}

/* ---- the clean end ---- */

/* One that waits for room, too: what it has been answered for is written, and nothing else is. */
static bool is_durable(const struct log *log)
{
    bool open = log->state == LOG_OPEN || log->state == LOG_REPAIRING;
    return log->status != ERR_NONE || !open ||
           (list_empty(&log->in_flight) && !log->member.in_round && log->durable_end == log->end);
}

static bool is_quiet(const struct dir_member *m)
{
    const struct log *log = log_of(m);
    return is_durable(log) && log->sealing == NULL && log->retention == NULL &&
           log->truncation == NULL && !log->epochs_writing &&
           (log->repair == NULL || log->busy == 0);
}

static bool is_whole(const struct dir_member *m)
{
    const struct log *log = log_of(m);
    return log->status == ERR_NONE && log->state == LOG_OPEN;
}

static bool leaves(const struct dir_member *m)
{
    return log_farewell_due(log_of(m));
}

static void farewell(struct dir_member *m)
{
    log_farewell(log_of(m));
}

const struct dir_member_calls log_member_calls = {
    .held = on_held,
    .file_synced = on_file_synced,
    .unnamed = on_unnamed,
    .missing = on_missing,
    .may_sync = may_sync,
    .round_begins = on_round,
    .durable = on_durable,
    .round_over = on_round_over,
    .offline = on_offline,
    .tell_offline = tell_offline,
    .waits = waits,
    .point = point,
    .point_written = on_point_written,
    .quiet = is_quiet,
    .whole = is_whole,
    .leaves = leaves,
    .farewell = farewell,
};
