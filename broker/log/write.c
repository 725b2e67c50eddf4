/* write.c - how assigned batches come into their segment's file: which is open, and has a place
 * among those whose bytes are not synced, for as long as some are not. */
#include "log/internal.h"

static void write_now(struct log_append *append)
{
    struct log_segment *segment = append->segment;
    list_remove(&append->waiting);
    segment->appending++;
    env_append(log_env(append->log), &append->io, segment->disk.file->handle, &append->part, 1,
               append->written);
}

void log_write_waiting(struct log_segment *segment)
{
    LIST_EACH (append, &segment->waiting, struct log_append, waiting)
        write_now(append);
}

/* While others wait for a place, what comes during a sync is written when its turn comes again; and
 * nothing overtakes what waits. */
static bool must_wait(const struct log_segment *segment)
{
    if (segment->disk.state != DIR_WRITER_HELD || !list_empty(&segment->waiting))
        return true;
    return segment->disk.syncing && dir_writers_crowded(segment->log->dir);
}

/* Once all that was written of the segment is synced, its file may be closed. */
void log_segment_clean(struct log_segment *segment)
{
    if (segment->disk.state != DIR_WRITER_HELD)
        return;
    bool more = !list_empty(&segment->waiting);
    if (more && !dir_writers_crowded(segment->log->dir)) {
        log_write_waiting(segment);
        return;
    }
    if (segment->disk.syncing || segment->disk.synced < segment->disk.written ||
        segment->appending > 0)
        return;
    dir_writer_release(&segment->disk);
    if (more)
        log_segment_open(segment);
}

void log_segment_open(struct log_segment *segment)
{
    if (segment->disk.state != DIR_WRITER_CLOSED)
        return;
    segment->log->busy++;
    dir_writer_hold(&segment->disk, !log_is_soon(segment->log));
}

void log_write(struct log_append *append, env_done *written)
{
    struct log *log = append->log;
    struct log_segment *segment = append->segment;
    append->written = written;
    list_init(&append->link);
    list_init(&append->waiting);
    list_push_back(&log->in_flight, &append->link);
    log->in_flight_bytes += append->slice.size;
    bool wait = must_wait(segment);
    list_push_back(&segment->waiting, &append->waiting);
    if (!wait)
        write_now(append);
    else if (segment->disk.state != DIR_WRITER_HELD)
        log_segment_open(segment);
}
