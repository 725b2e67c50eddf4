/* state.c - what holds of a log between any two events, asserted. SQLite's assert_pager_state is
 * the model: who reads it knows which of the fields go together, and when. It changes nothing. */
#include "log/internal.h"

#define SEGMENTS_LOOKED_AT 3 /* of one that an event has touched: the youngest */
#define APPENDS_LOOKED_AT 16 /* the oldest of them */
#define SLOW_LOOKS 8         /* of what few events change, one in so many looks */

/* What was begun behind the place where a failed write has cut the log waits for the repair. */
static bool is_cut_off(const struct log *log, const struct log_segment *s)
{
    return s->base > log->end &&
           (log->repair != NULL || log->truncation != NULL || log->status != ERR_NONE);
}

/* An index in memory is of bytes that are there, and its files are of those that will stay. */
static void assert_index(const struct log_segment *s)
{
    const struct format_index *index = &s->index;
    int32_t count = index->counts.of[FORMAT_OFFSETS];
    int32_t saved = s->saved.of[FORMAT_OFFSETS];
    for (int kind = 0; kind < FORMAT_DERIVED; kind++)
        ASSERT(s->saved.of[kind] <= index->counts.of[kind]);
    ASSERT(count == 0 || format_index_offset(index, count - 1)->position < s->size);
    ASSERT(saved == 0 || format_index_offset(index, saved - 1)->position < s->disk.synced);
}

/* Bytes are assigned, then written, then synced; what is under way has a place and an open file. */
static void assert_segment(const struct log *log, const struct log_segment *s)
{
    const struct dir_writer *disk = &s->disk;
    ASSERT(s->log == log);
    ASSERT(s->base <= s->next);
    ASSERT(disk->member == &log->member);
    ASSERT(disk->synced <= disk->written);
    ASSERT(disk->written <= s->size || is_cut_off(log, s));
    ASSERT(!disk->syncing || disk->state == DIR_WRITER_HELD);
    ASSERT(s->appending == 0 || disk->state == DIR_WRITER_HELD);
    ASSERT(disk->state != DIR_WRITER_HELD || disk->file->state == DIR_FILE_OPEN);
    ASSERT(list_empty(&s->waiting) || disk->state != DIR_WRITER_CLOSED);
    ASSERT(!log_index_known(s) || s->loading == NULL);
    ASSERT(list_linked(&s->cached) == (log_index_known(s) && s->index_state != LOG_INDEX_MADE));
    if (log_index_known(s))
        assert_index(s);
    ASSERT(s->size > 0 || s->first_timestamp < 0);
    ASSERT(s->checked.count == 0 || s->checked.rows[s->checked.count - 1].to <= s->size);
    ASSERT(!s->sealing || s->readers > 0);
    ASSERT(!s->retired);
}

/* Nobody keeps a place that others may wait for without something to write or to sync. */
static void assert_place_is_used(const struct log_segment *s)
{
    ASSERT(s->disk.state != DIR_WRITER_HELD || s->disk.synced < s->disk.written ||
           s->disk.syncing || s->appending > 0 || !list_empty(&s->waiting));
}

/* Readers have stopped where the log still goes. */
static void assert_cursors(const struct log *log)
{
    for (int32_t i = 0; i < LOG_CURSORS_MAX; i++) {
        const struct log_cursor *cursor = &log->cursors[i];
        ASSERT(cursor->places <= log->places);
        ASSERT(cursor->places != log->places || cursor->offset <= log->end);
    }
}

/* Segments ascend and join; the last one is written to. */
static void assert_segments(const struct log *log, int32_t looked_at)
{
    int32_t first = MAX(log->segment_count - looked_at, 0);
    uint64_t bytes = 0;
    ASSERT(log->segment_count > 0);
    for (int32_t i = first; i < log->segment_count; i++) {
        const struct log_segment *s = log->segments[i];
        assert_segment(log, s);
        if (log->state == LOG_OPEN && log->status == ERR_NONE)
            assert_place_is_used(s);
        bytes += s->size;
        const struct log_segment *next = i + 1 < log->segment_count ? log->segments[i + 1] : NULL;
        bool joins =
            next == NULL || s->next == next->base || (s->next < next->base && !log->config.dense);
        ASSERT(joins || is_cut_off(log, next));
    }
    ASSERT(log_active(log)->next == log->end || is_cut_off(log, log_active(log)));
    ASSERT(first > 0 || bytes == log->bytes);
}

/* What has been assigned and not written ends the log, in order, and lies in its last segments. */
static void assert_appends(const struct log *log, bool whole)
{
    int64_t next = log->written_end;
    int64_t bytes = 0;
    int32_t count = 0;
    LIST_EACH (append, &log->in_flight, struct log_append, link) {
        if (!whole && ++count > APPENDS_LOOKED_AT)
            return;
        bytes += append->slice.size;
        ASSERT(append->log == log);
        ASSERT(append->first < append->end);
        ASSERT(!append->done || !append->io.in_flight);
        if (append->dead)
            continue;
        ASSERT(append->first == next);
        ASSERT(append->end <= log->end);
        next = append->end;
    }
    ASSERT(next == log->end);
    ASSERT(bytes <= log->in_flight_bytes); /* the rest is being checked: admit.c */
    ASSERT(bytes == log->in_flight_bytes || !list_empty(&log->admissions));
}

/* start <= recovery point, durable end <= written end <= end (S-1): a checkpoint never claims more
 * than was synced, and a sync never more than was written. */
static void assert_ends(const struct log *log)
{
    ASSERT(log->segments[0]->base <= log->start);
    ASSERT(log->start <= log->start_next);
    ASSERT((log->advances > 0) == (log->start_asked >= 0));
    ASSERT(log->start <= log->end);
    ASSERT(log->durable_end <= log->synced_end);
    ASSERT(log->synced_end <= log->written_end);
    ASSERT(log->written_end <= log->end);
    ASSERT(log->recovery_point <= log->recovery_next || log->point_limit != INT64_MAX);
    ASSERT(log->recovery_point <= log->durable_end);
    ASSERT(log->recovery_next <= log->durable_end);
    ASSERT(log->high_watermark <= log->end);
    ASSERT(!log->member.in_round || log->round_end <= log->written_end);
}

static void assert_epochs(const struct log *log, bool whole)
{
    const struct format_epochs *epochs = &log->epochs;
    int32_t first = whole ? 0 : MAX(epochs->count - 2, 0);
    for (int32_t i = first; i + 1 < epochs->count; i++) {
        ASSERT(epochs->rows[i].epoch < epochs->rows[i + 1].epoch);
        ASSERT(epochs->rows[i].start < epochs->rows[i + 1].start);
    }
    ASSERT(epochs->count == 0 || epochs->rows[epochs->count - 1].start <= log->end);
    ASSERT(!log->epochs_durable || !log->epochs_changed);
    ASSERT(!log->epochs_durable || log->epoch_durable == format_epochs_latest(epochs));
}

/* A snapshot in memory speaks of nothing that is in no log. */
static void assert_snapshots(const struct log *log)
{
    ASSERT(log->snapshot.data == NULL || log->snapshot_offset <= log->end);
    ASSERT(log->window.data == NULL || log->snapshot.data != NULL);
    for (int32_t i = 0; i + 1 < log->snapshot_count; i++)
        ASSERT(log->snapshots[i] < log->snapshots[i + 1]);
}

/* Which processes may run at the same time. */
static void assert_processes(const struct log *log)
{
    bool open = log->state == LOG_OPEN;
    ASSERT(open || log->state == LOG_REPAIRING || log->state == LOG_TRUNCATING ||
           log->state == LOG_CLOSING);
    ASSERT(log->truncation == NULL || !open);
    ASSERT(log->state != LOG_TRUNCATING || log->truncation != NULL);
    ASSERT(log->truncation != NULL || log->point_limit == INT64_MAX);
    ASSERT(log_truncation_comes(log));
    ASSERT((log->closing != NULL || log->deletion == LOG_DELETED) == (log->state == LOG_CLOSING));
    ASSERT(log->repair == NULL || !open || log->status != ERR_NONE);
    ASSERT(log->state != LOG_REPAIRING || log->repair != NULL || log->status != ERR_NONE);
    ASSERT(log->busy >= (log->sealing != NULL) + (log->retention != NULL) + log_repair_runs(log) +
                            (log->truncation != NULL));
    ASSERT(log->status != ERR_NONE || dir_status(log->dir) == ERR_NONE);
    ASSERT(log->status != ERR_NONE || log_repair_comes(log));
}

/* What has been written is in a round of syncs, or lined up for one. */
static void assert_sync_comes(const struct log *log)
{
    if (log->state != LOG_OPEN || log->unnamed_base >= 0 || log_repair_runs(log))
        return;
    ASSERT(log->written_end == log->synced_end || list_linked(&log->member.dirty));
}

/* What few events change. */
static void assert_slow(const struct log *log, bool whole)
{
    assert_cursors(log);
    assert_epochs(log, whole);
    if (log->status == ERR_NONE) /* else what was under way ends in disorder */
        assert_snapshots(log);
}

void log_assert(struct log *log, bool whole)
{
    if (log->state == LOG_OPENING) /* its fields come to be one after the other */
        return;
    bool slow = whole || ++log->looks % SLOW_LOOKS == 0;
    assert_processes(log);
    assert_segments(log, whole ? INT32_MAX : slow ? SEGMENTS_LOOKED_AT : 1);
    assert_ends(log);
    if (slow)
        assert_slow(log, whole);
    if (log->status != ERR_NONE)
        return;
    assert_appends(log, whole);
    assert_sync_comes(log);
}

/* Whoever has a place among the writers is a segment of some log. */
static void assert_places(const struct log_set *set)
{
    struct dir_counts counts;
    int32_t places = 0;
    LIST_EACH (log, &set->logs, struct log, link) {
        for (int32_t i = 0; i < log->segment_count; i++)
            places += dir_writer_has_place(&log->segments[i]->disk);
    }
    dir_count(set->dir, &counts);
    ASSERT(places == counts.writers);
}

void log_set_assert(struct log_set *set, bool whole)
{
    struct list *link;
    set->asserts = true;
    if (!list_empty(&set->touched)) /* the directory asks its members */
        dir_touch(set->dir);
    dir_assert(set->dir, whole);
    while ((link = list_pop_front(&set->touched)) != NULL)
        log_assert(CONTAINER_OF(link, struct log, touched), false);
    if (!whole)
        return;
    LIST_EACH (log, &set->logs, struct log, link)
        log_assert(log, true);
    assert_places(set);
}
