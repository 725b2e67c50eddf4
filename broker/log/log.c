/* log.c - one partition: what others ask of it, how it goes offline, and who is woken when
 * something of it has come to its end. */
#include "log/internal.h"
#include <stdio.h>

static const struct state states[] = {
    [LOG_OPENING] = {"opening", TO(LOG_OPEN)},
    [LOG_OPEN] = {"open", TO(LOG_REPAIRING) | TO(LOG_TRUNCATING) | TO(LOG_CLOSING)},
    [LOG_REPAIRING] = {"repairing", TO(LOG_OPEN) | TO(LOG_TRUNCATING) | TO(LOG_CLOSING)},
    [LOG_TRUNCATING] = {"truncating", TO(LOG_OPEN) | TO(LOG_CLOSING)},
    [LOG_CLOSING] = {"closing", 0},
};

void log_move(struct log *log, enum log_state next)
{
    STATE_MOVE(states, &log->state, next);
}

/* ---- asking ---- */

int64_t log_start(const struct log *log)
{
    return log->start;
}

int64_t log_local_start(const struct log *log)
{
    return log->start;
}

int64_t log_end(const struct log *log)
{
    return log->end;
}

int64_t log_written_end(const struct log *log)
{
    return log->written_end;
}

int64_t log_durable_end(const struct log *log)
{
    return log->durable_end;
}

bool log_waits_for_sync(const struct log *log)
{
    return log->set->flush == LOG_FLUSH_ACK || log->config.always_sync;
}

int64_t log_counting_end(const struct log *log)
{
    if (KNOWN_BUG(ack_without_sync))
        return log->written_end;
    if (log->unmarked)
        return log->start;
    return log_waits_for_sync(log) ? log->durable_end : log->written_end;
}

uint64_t log_counting_bytes(const struct log *log)
{
    bool durable =
        log_waits_for_sync(log) && !KNOWN_BUG(ack_without_sync) && !KNOWN_BUG(shown_before_durable);
    return durable ? log->durable_bytes : log->written_bytes;
}

uint64_t log_written_bytes(const struct log *log)
{
    return log->written_bytes;
}

bool log_lacks(const struct log *log)
{
    return log->lacks && !KNOWN_BUG(cut_passed_over);
}

bool log_is_settled(const struct log *log)
{
    return log_waits_for_sync(log) && log->durable_end >= MIN(log->soft_end, log->end);
}

int64_t log_high_watermark(const struct log *log)
{
    return log->high_watermark;
}

void log_note_high_watermark(struct log *log, int64_t offset)
{
    ASSERT(offset <= log->end);
    log->high_watermark = offset;
}

uint64_t log_generation(const struct log *log)
{
    return log->generation;
}

uint64_t log_bytes(const struct log *log)
{
    return log->bytes;
}

uint64_t log_trace_id(const struct log *log)
{
    return log->id;
}

enum err log_status(const struct log *log)
{
    return log->status;
}

const char *log_status_text(const struct log *log)
{
    if (log->status == ERR_NONE)
        return "";
    return log->why != NULL ? log->why : err_text(log->status);
}

void log_explain(struct log *log, const struct errmsg *why)
{
    if (log->why == NULL)
        log->why = mem_text(log->set->mem, why->text, strlen(why->text));
}

const char *log_notice(const struct log *log)
{
    return log->notice;
}

void log_reconfigure(struct log *log, const struct log_config *config)
{
    bool dense = log->config.dense && config->dense;
    bool waited = log_waits_for_sync(log);
    log->config = *config;
    log->config.dense = dense;
    bool begins = !waited && log_waits_for_sync(log) && log->written_end > log->durable_end;
    if (begins)
        log->soft_end = log->written_end;
    if (!begins || log->status != ERR_NONE || dir_status(log->dir) != ERR_NONE)
        return;
    if (KNOWN_BUG(written_before_ack_counts)) {
        log->synced_end = log->written_end;
        log_move_durable(log);
    }
    log_commit(log); /* what was written before counts when it is synced, and not sooner */
}

void log_mark(struct log *log)
{
    if (!log->unmarked)
        return;
    log->unmarked = false;
    log_told(log, ERR_NONE);
}

/* ---- telling ---- */

void log_move_durable(struct log *log)
{
    int64_t limit = log_epochs_limit(log);
    int64_t end = MIN(log->synced_end, limit);
    if (!log->config.dense && limit < log->synced_end)
        return; /* an epoch may begin behind a gap: the log does not reach that far without it */
    if (end <= log->durable_end || dir_status(log->dir) != ERR_NONE)
        return;
    log->durable_end = end;
    log->durable_bytes = log->round_bytes;
    TRACE(log->set->trace, LOG_DURABLE, .partition = log->id, .topic_id = log->topic_trace,
          .end = log->durable_end);
    log_told(log, ERR_NONE);
}

void log_commit(struct log *log)
{
    enum dir_turn turn = DIR_TURN_IDLE;
    if (log_waits_for_sync(log))
        turn = log_is_soon(log) ? DIR_TURN_SOON : DIR_TURN_LATE;
    dir_commit_mark(&log->member, turn);
}

void log_told(struct log *log, enum err e)
{
    log_touch(log);
    if (log->watch != NULL && log->watch->moved != NULL && log->state != LOG_OPENING)
        log->watch->moved(log->watch, e);
}

void log_offline(struct log *log, enum err e, int64_t position)
{
    ASSERT(e != ERR_NONE);
    if (log->status != ERR_NONE)
        return;
    struct errmsg why;
    errmsg_set(&why, e, "%s%s", err_text(e), dir_advice(e));
    log->status = e;
    log_explain(log, &why);
    TRACE(log->set->trace, LOG_OFFLINE, .partition = log->id, .topic_id = log->topic_trace,
          .position = position, .err = e);
    log_told(log, e);
    log_wake_admissions(log);
}

void log_missing(struct log *log, const char *path)
{
    if (log->state == LOG_OPENING || log->status != ERR_NONE || dir_status(log->dir) != ERR_NONE)
        return;
    struct errmsg why;
    errmsg_set(&why, ERR_NOTFOUND,
               "%s is gone, although nobody but the broker may remove it: stop the broker, put it "
               "back from a copy, then start it again",
               path);
    log_explain(log, &why);
    log_offline(log, ERR_NOTFOUND, -1);
}

/* A sync has found the file without a name: is its directory there? */
static void on_folder(struct env_op *op, enum err e, uint64_t n)
{
    struct log *log = CONTAINER_OF(op, struct log, look);
    char path[ENV_PATH_MAX];
    (void)n;
    ASSERT(log->unnamed_base >= 0);
    log_segment_path(log, log->unnamed_base, FORMAT_KIND_LOG, path);
    log_missing(log, e == ERR_NOTFOUND ? log->path : path);
    log->busy--;
    log_settle(log);
}

static void look_at_folder(struct log *log)
{
    log->busy++;
    env_space(log_env(log), &log->look, log->path, on_folder);
}

void log_unnamed(struct log_segment *segment)
{
    struct log *log = segment->log;
    ASSERT(!segment->retired);
    if (log->unnamed_base >= 0 || log->status != ERR_NONE)
        return;
    log->unnamed_base = segment->base;
    if (!log->look.in_flight)
        look_at_folder(log);
}

static void end_look(struct log *log)
{
    dir_let_go(&log->looked);
    if (log->unnamed_base >= 0 && log->status == ERR_NONE)
        look_at_folder(log);
    log->busy--;
    log_settle(log);
}

/* The file that was looked at is still the one that must be there: no other has taken its place,
 * and no repair takes it back. */
static bool still_active(const struct log *log)
{
    return log->looked.file == log_active(log)->disk.file && log->repair == NULL &&
           log->truncation == NULL;
}

/* The segment's file is not there: is its directory? */
static void on_looked_again(struct env_op *op, enum err e, uint64_t n)
{
    struct log *log = CONTAINER_OF(op, struct log, look);
    (void)n;
    if (e == ERR_NOTFOUND)
        log_missing(log, log->path);
    else if (still_active(log))
        log_missing(log, log->looked.file->path);
    end_look(log);
}

static void on_looked(struct env_op *op, enum err e, uint64_t n)
{
    struct log *log = CONTAINER_OF(op, struct log, look);
    (void)n;
    ASSERT(log->busy > 0);
    if (e == ERR_NOTFOUND && log->looked.held && still_active(log)) {
        env_space(log_env(log), op, log->path, on_looked_again);
        return;
    }
    if (e == ERR_NOTFOUND && !log->looked.held)
        log_missing(log, log->path);
    end_look(log);
}

void log_look(struct log *log)
{
    int64_t now = env_now(log_env(log));
    struct dir_file *file = log_active(log)->disk.file;
    if (log->look.in_flight || log->closing != NULL || log->status != ERR_NONE ||
        now - log->looked_ns < LOG_LOOK_MS * 1000000ll)
        return;
    log->looked_ns = now;
    log->busy++;
    bool open = dir_hold_open(&log->looked, file);
    env_space(log_env(log), &log->look, open ? file->path : log->path, on_looked);
}

const char *log_name(const struct log *log)
{
    return strrchr(log->path, '/') + 1;
}

void log_bad_batch(struct log_segment *segment, uint64_t position, const char *what)
{
    struct log *log = segment->log;
    if (log->status != ERR_NONE)
        return;
    struct errmsg why;
    log_corrupt_text(&why, log, segment->disk.file->path, position, what);
    log_explain(log, &why);
    log_offline(log, ERR_CORRUPT, (int64_t)position);
}

void log_corrupt_text(struct errmsg *msg, const struct log *log, const char *path,
                      uint64_t position, const char *what)
{
    errmsg_set(msg, ERR_CORRUPT,
               "%s has a bad batch at position %llu (%s), where the disk held good ones; put the "
               "file back from a copy, or " LOG_GIVE_UP,
               path, (unsigned long long)position, what, log_name(log));
}

void log_path(const struct log_set *set, const char *topic, int32_t partition,
              char path[ENV_PATH_MAX])
{
    int size = snprintf(path, ENV_PATH_MAX, "%s/%s-%d", dir_path(set->dir), topic, partition);
    ASSERT(size < ENV_PATH_MAX);
}

void log_unique_path(const struct log_set *set, const char *topic, int32_t partition,
                     const char *suffix, char path[ENV_PATH_MAX])
{
    char id[33];
    char number[16];
    uint64_t high = env_random(set->env, "log/unique", 0);
    uint64_t low = env_random(set->env, "log/unique", 1);
    snprintf(id, sizeof id, "%016llx%016llx", (unsigned long long)high, (unsigned long long)low);
    snprintf(number, sizeof number, "-%d.", partition);
    int room = 255 - (int)(strlen(number) + 32 + 1 + strlen(suffix));
    int size = snprintf(path, ENV_PATH_MAX, "%s/%.*s%s%s-%s", dir_path(set->dir), room, topic,
                        number, id, suffix);
    ASSERT(size < ENV_PATH_MAX);
}

/* ---- whoever waits for the log ---- */

void log_wake_admissions(struct log *log)
{
    if (log->admit != NULL)
        log->admit(log);
}

void log_wake_repair(struct log *log)
{
    if (log->repair_next != NULL)
        log->repair_next(log);
    if (log->truncate_next != NULL)
        log->truncate_next(log);
}

void log_settle(struct log *log)
{
    log_touch(log);
    if (log->truncate_next != NULL)
        log->truncate_next(log);
    if (log->close_next != NULL)
        log->close_next(log);
    else
        dir_idle(log->dir);
}
