/* bound_test.c - what a client can make a log hold while the disk is slow, and that it goes on when
 * the disk has caught up. */
#include <stdlib.h>
#include "log/internal.h"
#include "rig.h"

#define ASKED 600

struct asked {
    struct log_produce p;
    bool done;
};

static void on_produced(struct log_produce *p)
{
    CONTAINER_OF(p, struct asked, p)->done = true;
}

/* Full segments whose indexes are not saved yet. */
static int32_t unsealed(const struct log *log)
{
    int32_t count = 0;
    for (int32_t i = 0; i < log->segment_count - 1; i++)
        count += !log->segments[i]->index_saved;
    return count;
}

/* Each batch is a producer's own and begins a segment. */
static void ask(struct rig *rig, struct asked *asked, int count)
{
    for (int i = 0; i < count; i++) {
        struct slice batch = rig_batch(rig, 1, 100, env_wall(rig->seat->env), 1000 + i, 0, 0);
        asked[i] = (struct asked){.p = {.batch = batch, .leader_epoch = 0}};
        log_produce(rig->log, &asked[i].p, on_produced);
        buf_release(batch.buf);
    }
}

/* The disk has done nothing yet when the last of them comes. */
TEST(segments_that_begin_faster_than_they_can_be_saved_make_clients_wait)
{
    static struct asked asked[ASKED];
    static const enum log_flush policies[] = {LOG_FLUSH_ACK, LOG_FLUSH_OS};
    for (int k = 0; k < COUNT_OF(policies); k++) {
        struct rig *rig = rig_new(1 + (uint64_t)k);
        rig->dir_config.flush = policies[k];
        rig->config.segment_bytes = 300;
        rig_ok(rig, rig_boot(rig));
        ask(rig, asked, ASKED);
        assert_false(asked[ASKED - 1].done);
        for (int steps = 0; !asked[ASKED - 1].done; steps++) {
            assert_true(steps < RIG_STEPS_MAX);
            assert_in_range(unsealed(rig->log), 0, LOG_UNSEALED_MAX + 1);
            assert_in_range(rig->dir->snapshot_bytes, 0, LOG_SNAPSHOTS_BYTES);
            assert_true(rig_step(rig));
        }
        for (int i = 0; i < ASKED; i++) {
            assert_int_equal(asked[i].p.out.verdict, LOG_APPENDED);
            assert_int_equal(asked[i].p.out.first, i); /* in the order in which they came */
        }
        assert_true(rig_until_durable(rig));
        rig_ok(rig, rig_close(rig));
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(log_end(rig->log), ASKED);
        rig_check_inside(rig);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* Who waits is refused when the log cannot go on, and lost by nobody. */
TEST(who_waits_is_refused_when_the_disk_fills)
{
    static struct asked asked[ASKED];
    struct rig *rig = rig_new(3);
    rig->config.segment_bytes = 300;
    rig_ok(rig, rig_boot(rig));
    rig_harm(rig, "at 0s node 0 disk full");
    ask(rig, asked, ASKED);
    assert_true(rig_run(rig, 5000000000));
    int refused = 0;
    for (int i = 0; i < ASKED; i++) {
        assert_true(asked[i].done);
        refused += asked[i].p.out.verdict == LOG_REFUSED;
    }
    assert_true(refused > ASKED / 2);
    rig_heal(rig);
    assert_true(rig_run(rig, 5000000000));
    assert_int_equal(rig_append(rig, 1, 100).verdict, LOG_APPENDED);
    assert_true(rig_until_durable(rig));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* A snapshot takes as many bytes as its producers do, however small the batches are: so many bytes
 * must have come since the last one. */
TEST(snapshots_are_no_more_work_than_records)
{
    static struct asked asked[ASKED];
    struct rig *rig = rig_new(4);
    uint64_t bytes = 0;
    int taken = 0;
    rig->config.segment_bytes = 300;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < ASKED; i++) {
        int64_t before = rig->log->snapshot_offset;
        struct slice batch = rig_batch(rig, 1, 100, env_wall(rig->seat->env), 5000 + i, 0, 0);
        asked[0] = (struct asked){.p = {.batch = batch}};
        log_produce(rig->log, &asked[0].p, on_produced);
        buf_release(batch.buf);
        assert_true(rig_until_durable(rig));
        assert_true(rig_run(rig, 1000000));
        if (rig->log->snapshot_offset == before)
            continue;
        taken++;
        bytes += rig->log->snapshot_size;
    }
    assert_in_range(taken, 10, ASKED - 100);
    assert_in_range(bytes - rig->log->snapshot_size, 1, rig->log->bytes); /* before the last one */
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}
