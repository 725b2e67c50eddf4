/* state_test.c - what is asserted of a log between two events notices what cannot be. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "log/internal.h"
#include "rig.h"

/* One field after the other is made wrong, each in a process of its own. */
static void ends_crossed(struct log *log)
{
    log->durable_end = log->written_end + 1;
}

static void synced_beyond(struct log *log)
{
    log_active(log)->disk.synced = log_active(log)->disk.written + 1;
}

static void segments_apart(struct log *log)
{
    log->segments[0]->next++;
}

static void bytes_wrong(struct log *log)
{
    log->bytes--;
}

static void point_ahead(struct log *log)
{
    log->recovery_point = log->recovery_next = log->durable_end + 1;
}

static void start_behind_its_checkpoint(struct log *log)
{
    log->start_next = log->start - 1;
}

static void watermark_beyond(struct log *log)
{
    log->high_watermark = log->end + 1;
}

static void repairing_without_a_repair(struct log *log)
{
    log->state = LOG_REPAIRING;
}

static void process_not_counted(struct log *log)
{
    log->busy = -1;
}

static void index_beyond_the_log(struct log *log)
{
    const struct format_index *index = &log_active(log)->index;
    int32_t count = index->counts.of[FORMAT_OFFSETS];
    assert_true(count > 0);
    format_index_offset(index, count - 1)->position = (uint32_t)log_active(log)->size;
}

static void epoch_of_the_future(struct log *log)
{
    log->epochs.rows[log->epochs.count - 1].start = log->end + 1;
}

static void in_flight_bytes_wrong(struct log *log)
{
    log->in_flight_bytes = -1;
}

static void first_time_of_nothing(struct log *log)
{
    struct log_segment *last = log_active(log);
    log->bytes -= last->size;
    last->size = last->disk.written = last->disk.synced = 0;
    last->index.counts.of[FORMAT_OFFSETS] = last->saved.of[FORMAT_OFFSETS] = 0;
    assert_true(last->first_timestamp >= 0);
}

static void index_saved_of_what_may_go(struct log *log)
{
    struct log_segment *last = log_active(log);
    int32_t count = last->index.counts.of[FORMAT_OFFSETS];
    last->saved.of[FORMAT_OFFSETS] = count;
    last->disk.synced = format_index_offset(&last->index, count - 1)->position;
}

static void nobody_syncs_it(struct log *log)
{
    log->synced_end = log->durable_end = log->recovery_point = log->recovery_next = log->start;
}

static void place_that_nobody_gave(struct log *log)
{
    assert_int_equal(log->segments[0]->disk.file->state, DIR_FILE_OPEN);
    log->segments[0]->disk.state = DIR_WRITER_HELD;
    log->segments[0]->disk.synced--;
}

static void place_kept_for_nothing(struct log *log)
{
    assert_int_equal(log->segments[0]->disk.file->state, DIR_FILE_OPEN);
    log->segments[0]->disk.state = DIR_WRITER_HELD;
}

static bool dies(struct log *log, void (*harm)(struct log *log))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO); /* its last words are expected */
        if (harm != NULL)
            harm(log);
        log_set_assert(log->set, true);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

TEST(a_state_that_cannot_be_ends_the_process)
{
    static void (*const harms[])(struct log *) = {
        ends_crossed,
        synced_beyond,
        segments_apart,
        bytes_wrong,
        point_ahead,
        start_behind_its_checkpoint,
        watermark_beyond,
        repairing_without_a_repair,
        process_not_counted,
        index_beyond_the_log,
        epoch_of_the_future,
        in_flight_bytes_wrong,
        first_time_of_nothing,
        index_saved_of_what_may_go,
        nobody_syncs_it,
        place_that_nobody_gave,
        place_kept_for_nothing,
    };
    struct rig *rig = rig_new(1);
    rig->config.segment_bytes = 20000;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 30; i++)
        rig_append(rig, 4, 300);
    assert_true(rig_until_durable(rig));
    assert_true(rig->log->segment_count > 1);
    assert_false(dies(rig->log, NULL));
    for (int i = 0; i < COUNT_OF(harms); i++)
        assert_true(dies(rig->log, harms[i]));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}
