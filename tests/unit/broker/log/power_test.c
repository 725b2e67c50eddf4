/* power_test.c - entries of directories and the power: what was removed does not come back and
 * stand in for what was answered, what was made stays, and no checkpoint knows more than the disk.
 */
#include "log/internal.h"
#include "rig.h"

#define SECOND_NS 1000000000ll
#define SEEDS 40

static struct rig *with_three_records(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    rig->config.segment_bytes = 2048;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 3; i++)
        rig_append(rig, 1, 500);
    assert_true(rig_until_durable(rig));
    rig_run(rig, 2 * SECOND_NS); /* a checkpoint says so */
    return rig;
}

static void expect_all_durable(struct rig *rig)
{
    int64_t durable = rig->durable;
    rig_power(rig);
    rig_ok(rig, rig_boot(rig));
    assert_true(log_end(rig->log) >= durable);
    assert_int_equal(rig_read_all(rig, log_end(rig->log), 1 << 20, false), log_end(rig->log));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* It would begin where the segment before it has gone on meanwhile. */
TEST(a_segment_that_a_repair_removed_does_not_come_back)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *rig = with_three_records(seed);
        rig_harm(rig, "at 0s node 0 disk write_fails times=2 file=.log");
        rig_append(rig, 1, 100);
        rig_append(rig, 1, 700); /* begins a segment */
        while (rig->cuts == 0 || rig->log->state != LOG_OPEN)
            assert_true(rig_step(rig));
        rig_append(rig, 1, 50);
        rig_append(rig, 1, 50);
        assert_int_equal(rig->log->segment_count, 1);
        assert_true(rig_until_durable(rig));
        expect_all_durable(rig);
    }
}

/* What is written again goes into a new segment, and the old one is cut: nobody looks for the cut
 * tail again when the recovery point has passed it, so it must not be there again either. */
TEST(a_tail_that_was_written_again_does_not_come_back)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *rig = rig_new(seed);
        rig->config.segment_bytes = 40000;
        rig_ok(rig, rig_boot(rig));
        for (int i = 0; i < 3; i++)
            rig_append(rig, 1, 5000);
        assert_true(rig_until_durable(rig));
        rig_run(rig, 2 * SECOND_NS);
        for (int i = 0; i < 4; i++)
            rig_append(rig, 1, 5000);
        assert_true(rig_until_durable(rig));
        rig_kill(rig); /* and no checkpoint says so */
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(rig->log->segment_count, 2);
        uint64_t size = rig->log->segments[0]->size;
        for (int i = 0; i < 8; i++) /* another segment begins */
            rig_append(rig, 1, 5000);
        assert_true(rig_until_durable(rig));
        rig_run(rig, 2 * SECOND_NS); /* now one does */
        rig_power(rig);
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(rig->log->segments[0]->size, size);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* The life that made it has died before its entry was durable, and no byte of it is above the
 * recovery point, to be written again. */
TEST(a_segment_that_was_found_empty_is_as_durable_as_its_records)
{
    int found = 0;
    for (int k = 1; k <= SEEDS; k++) {
        struct rig *rig = with_three_records((uint64_t)k);
        rig_doom(rig, 1 + k % 8);
        rig_append(rig, 1, 700); /* begins a segment */
        while (rig->seat != NULL && !rig->idle)
            rig_step(rig);
        if (rig->seat != NULL)
            rig_kill(rig);
        rig_ok(rig, rig_boot(rig));
        found += log_active(rig->log)->base == 3 && log_end(rig->log) == 3;
        rig_append(rig, 1, 100);
        assert_true(rig_until_durable(rig));
        expect_all_durable(rig);
    }
    assert_true(found > 0);
}

/* On a full disk its bytes are written over in place: then it is its entry alone that may go. */
TEST(a_segment_that_was_recovered_in_place_is_as_durable_as_its_records)
{
    int in_place = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *rig = with_three_records(seed);
        rig_append(rig, 1, 700); /* begins a segment */
        while (log_written_end(rig->log) < 4)
            assert_true(rig_step(rig));
        rig_kill(rig);
        rig_harm(rig, "at 0s node 0 disk full");
        rig->dir_config.reserve = true; /* who keeps one asks whether there is room */
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(log_end(rig->log), 4);
        in_place += dir_short_of_room(rig->dir);
        assert_int_equal(log_durable_end(rig->log), 4);
        rig->dir_config.reserve = false;
        rig_power(rig);
        rig_heal(rig);
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(log_end(rig->log), 4);
        assert_int_equal(rig_read_all(rig, 4, 1 << 20, false), 4);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
    assert_true(in_place > 0);
}

/* Else a start after it would read all of the log for what the producers have done. */
TEST(a_snapshot_that_was_written_is_there_after_the_power)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *rig = with_three_records(seed);
        rig_append(rig, 1, 700); /* begins a segment, and with it a snapshot */
        assert_true(rig_until_durable(rig));
        while (rig->log->snapshot_count == 0)
            assert_true(rig_step(rig));
        rig_power(rig);
        rig_start(rig);
        assert_int_equal(rig_count(rig, "data/orders-0", ".snapshot"), 1);
        rig_ok(rig, rig_open_dir(rig));
        rig_ok(rig, rig_open_log(rig));
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* A marker that came back would tell of a clean end that there was not. */
TEST(a_marker_that_was_read_does_not_come_back)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *rig = with_three_records(seed);
        rig_ok(rig, rig_close(rig));
        rig_start(rig);
        rig_ok(rig, rig_open_dir(rig));
        assert_true(dir_clean(rig->dir));
        rig_power(rig);
        rig_start(rig);
        rig_ok(rig, rig_open_dir(rig));
        assert_false(dir_clean(rig->dir));
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* When all there was goes, the segment that is left was begun for that. */
TEST(retention_that_takes_all_leaves_a_segment)
{
    int gone = 0;
    for (int steps = 0; steps < 120; steps++) {
        for (uint64_t seed = 1; seed <= 12; seed++) {
            struct rig *rig = rig_new(seed);
            rig->config.retention_ms = 1;
            rig_ok(rig, rig_boot(rig));
            for (int i = 0; i < 3; i++)
                rig_append(rig, 1, 500);
            assert_true(rig_until_durable(rig));
            rig_ok(rig, rig_close(rig)); /* leaves a snapshot: no other one's sync helps */
            rig_ok(rig, rig_boot(rig));
            rig_run(rig, 2 * SECOND_NS);
            log_retain(rig->log, 3, env_wall(rig->seat->env));
            for (int i = 0; i < steps; i++)
                rig_step(rig);
            gone += log_start(rig->log) == 3;
            rig_power(rig);
            rig_ok(rig, rig_boot(rig));
            assert_int_equal(log_end(rig->log), 3);
            rig_ok(rig, rig_close(rig));
            rig_free(rig);
        }
    }
    assert_true(gone > 0);
}

/* It would begin where the segment that was cut has gone on meanwhile. */
TEST(a_segment_that_a_recovery_moved_away_does_not_come_back)
{
    int moved = 0;
    for (uint64_t seed = 1; seed <= 3 * SEEDS; seed++) {
        struct rig *rig = rig_new(seed);
        rig->flush = LOG_FLUSH_OS;
        rig->config.segment_bytes = 2048;
        rig_ok(rig, rig_boot(rig));
        for (int i = 0; i < 6; i++)
            rig_append(rig, 1, 500);
        while (log_written_end(rig->log) < 6)
            assert_true(rig_step(rig));
        rig_power(rig);
        rig->durable = 0;
        rig->flush = LOG_FLUSH_ACK;
        rig_start(rig);
        bool two = rig_count(rig, "data/orders-0", ".log") == 2;
        enum err e = rig_open_dir(rig);
        if (e == ERR_NONE)
            e = rig_open_log(rig);
        rig_ok(rig, e);
        moved += two && rig->log->segment_count == 1 && log_end(rig->log) < 3;
        while (log_end(rig->log) < 5)
            rig_append(rig, 1, 50);
        assert_true(rig_until_durable(rig));
        expect_all_durable(rig);
    }
    assert_true(moved > 0);
}

static void on_op(struct log_op *op, enum err e)
{
    struct rig_op *done = CONTAINER_OF(op, struct rig_op, op);
    done->done = true;
    done->e = e;
}

/* Also when no checkpoint can be written, whose own sync would do the same. */
TEST(a_partition_that_was_deleted_on_a_full_disk_does_not_come_back)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *rig = with_three_records(seed);
        struct rig_op op = {0};
        struct log *log = rig->log;
        rig_harm(rig, "at 0s node 0 disk full");
        rig->log = NULL;
        log_delete(log, &op.op, on_op);
        assert_true(rig_until(rig, &op.done));
        assert_ok(op.e);
        rig_power(rig);
        rig_heal(rig);
        rig_start(rig);
        rig_ok(rig, rig_open_dir(rig));
        const struct dir_entry *entries;
        assert_int_equal(dir_entries(rig->dir, &entries), 0);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* One that nobody waits for the syncs of may be closed before there is one: what a checkpoint of
 * later says of it is no more than was synced. */
TEST(of_a_log_that_was_closed_a_checkpoint_says_what_is_durable)
{
    int more = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rig *rig = rig_new(seed);
        rig->flush = LOG_FLUSH_OS;
        rig_ok(rig, rig_boot(rig));
        for (int i = 0; i < 3; i++)
            rig_append(rig, 1, 500);
        while (log_written_end(rig->log) < 3)
            assert_true(rig_step(rig));
        more += log_durable_end(rig->log) < 3;
        struct rig_op op = {0};
        struct log *log = rig->log;
        rig->log = NULL;
        log_close(log, &op.op, on_op);
        assert_true(rig_until(rig, &op.done));
        assert_ok(op.e);
        dir_points_write(rig->dir, DIR_POINTS_RECOVERY, NULL);
        assert_true(rig_run(rig, SECOND_NS));
        rig_power(rig);
        rig_ok(rig, rig_boot(rig));
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
    assert_true(more > 0);
}
