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
        count += log->segments[i]->index_state == LOG_INDEX_MADE;
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
        rig->flush = policies[k];
        rig->config.segment_bytes = 300;
        rig_ok(rig, rig_boot(rig));
        ask(rig, asked, ASKED);
        assert_false(asked[ASKED - 1].done);
        for (int steps = 0; !asked[ASKED - 1].done; steps++) {
            assert_true(steps < RIG_STEPS_MAX);
            assert_in_range(unsealed(rig->log), 0, LOG_UNSEALED_MAX + 1);
            assert_in_range(rig->logs->snapshot_bytes, 0, LOG_SNAPSHOTS_BYTES);
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
    for (int k = 0; k < 2; k++) { /* before what was asked has been looked at, and long after */
        struct rig *rig = rig_new(3);
        rig->config.segment_bytes = 300;
        rig_ok(rig, rig_boot(rig));
        rig_harm(rig, "at 0s node 0 disk full");
        if (k > 0)
            rig_harm(rig, "at 0s node 0 disk hang for 1s");
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
}

/* What they sent is memory that others wait for. */
TEST(who_waits_is_refused_when_the_log_goes_offline)
{
    static struct asked asked[ASKED];
    struct rig *rig = rig_new(3);
    rig->config.segment_bytes = 300;
    rig_ok(rig, rig_boot(rig));
    rig_harm(rig, "at 0s node 0 disk hang for 1s");
    ask(rig, asked, ASKED);
    assert_true(rig_run(rig, 500000000));
    assert_false(list_empty(&rig->log->admissions));
    log_offline(rig->log, ERR_CORRUPT, 0);
    assert_true(list_empty(&rig->log->admissions));
    assert_int_equal(asked[ASKED - 1].p.out.verdict, LOG_REFUSED);
    assert_true(rig_run(rig, 2000000000));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

static void on_closed(struct log_op *op, enum err e)
{
    struct rig_op *closed = CONTAINER_OF(op, struct rig_op, op);
    closed->done = true;
    closed->e = e;
}

TEST(who_waits_is_refused_when_the_log_is_closed)
{
    static struct asked asked[ASKED];
    struct rig *rig = rig_new(3);
    rig->config.segment_bytes = 300;
    rig_ok(rig, rig_boot(rig));
    rig_harm(rig, "at 0s node 0 disk hang for 1s");
    ask(rig, asked, ASKED);
    assert_true(rig_run(rig, 500000000));
    assert_false(asked[ASKED - 1].done);
    struct rig_op op = {0};
    struct log *log = rig->log;
    rig->log = NULL;
    log_close(log, &op.op, on_closed);
    assert_true(rig_until(rig, &op.done));
    assert_ok(op.e);
    for (int i = 0; i < ASKED; i++)
        assert_true(asked[i].done);
    assert_int_equal(asked[ASKED - 1].p.out.verdict, LOG_REFUSED);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* Whoever leads the partition tells those who ask when the log goes offline; what they sent must
 * not be held, for it is memory that others wait for. */
TEST(what_waits_is_let_go_of_when_a_sync_fails)
{
    static struct asked asked[ASKED];
    struct rig *rig = rig_new(3);
    rig->dir_config.open_files_max = 160; /* nobody waits for a place, to be told so, too */
    rig->config.segment_bytes = 300;
    rig_ok(rig, rig_boot(rig));
    rig_harm(rig, "at 0s node 0 disk hang for 1s");
    rig_harm(rig, "at 0s node 0 disk sync_fails times=1");
    ask(rig, asked, ASKED);
    while (log_status(rig->log) == ERR_NONE)
        assert_true(rig_step(rig));
    for (int i = 0; i < ASKED; i++) {
        if (!asked[i].done && asked[i].p.admission != NULL)
            log_produce_cancel(&asked[i].p);
    }
    assert_true(rig_run(rig, 60000000000));
    assert_true(list_empty(&rig->log->admissions));
    rig_kill(rig);
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

/* ---- one request to many partitions ---- */

#define CROWD 400

static void on_done(struct log_op *op, enum err e)
{
    struct rig_op *it = CONTAINER_OF(op, struct rig_op, op);
    it->done = true;
    it->e = e;
}

static void open_crowd(struct rig *rig, struct log **logs)
{
    rig_start(rig);
    rig_ok(rig, rig_open_dir(rig));
    for (int i = 0; i < CROWD; i++) {
        struct rig_op op = {0};
        log_open(rig->logs, &logs[i], "crowd", i, rig->topic_id, &rig->config, &rig->birth, NULL,
                 &op.op, on_done);
        assert_true(rig_until(rig, &op.done));
        assert_ok(op.e);
    }
}

static void close_crowd(struct rig *rig, struct log **logs)
{
    for (int i = 0; i < CROWD; i++) {
        struct rig_op op = {0};
        log_close(logs[i], &op.op, on_done);
        assert_true(rig_until(rig, &op.done));
        assert_ok(op.e);
    }
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

static void ask_of(struct rig *rig, struct log *log, struct asked *asked, bool late)
{
    struct slice batch = rig_batch(rig, 1, 100, env_wall(rig->seat->env), -1, -1, -1);
    *asked = (struct asked){.p = {.batch = batch, .leader_epoch = 0, .late = late}};
    log_produce(log, &asked->p, on_produced);
    buf_release(batch.buf);
}

static int durable_count(struct log **logs, int count)
{
    int durable = 0;
    for (int i = 0; i < count; i++)
        durable += log_counting_end(logs[i]) > 0;
    return durable;
}

/* Somebody else, who asks for one partition when all others wait already, waits for two rounds of
 * syncs at most: the one that runs, and the next. So it is, too, where few files may be open. */
TEST(who_asks_for_one_partition_does_not_wait_for_who_asks_for_many)
{
    static struct log *logs[CROWD];
    static struct asked asked[CROWD];
    static const int32_t open_max[] = {0, 100};
    for (int k = 0; k < COUNT_OF(open_max); k++) {
        struct rig *rig = rig_new(10 + (uint64_t)k);
        if (open_max[k] > 0)
            rig->dir_config.open_files_max = open_max[k];
        open_crowd(rig, logs);
        for (int i = 0; i < CROWD - 1; i++)
            ask_of(rig, logs[i], &asked[i], true);
        assert_true(rig_step(rig));
        ask_of(rig, logs[CROWD - 1], &asked[CROWD - 1], false);
        while (durable_count(&logs[CROWD - 1], 1) == 0)
            assert_true(rig_step(rig));
        assert_in_range(durable_count(logs, CROWD - 1), 0, 2 * DIR_ROUND_MEMBERS);
        for (int i = 0; durable_count(logs, CROWD) < CROWD; i++) {
            assert_true(i < RIG_STEPS_MAX);
            assert_true(rig_step(rig));
        }
        close_crowd(rig, logs);
    }
}

/* And who asks for many is not kept waiting by others for ever. */
TEST(who_asks_for_many_partitions_has_a_share_of_each_round)
{
    static struct log *logs[CROWD];
    static struct asked asked[CROWD];
    struct rig *rig = rig_new(12);
    rig->dir_config.open_files_max = 2 * CROWD + 50;
    open_crowd(rig, logs);
    ask_of(rig, logs[0], &asked[0], true);
    for (int steps = 0; durable_count(logs, 1) == 0; steps++) {
        assert_true(steps < 20 * CROWD);
        for (int i = 1; i < CROWD; i++) {
            if (log_counting_end(logs[i]) == log_end(logs[i]))
                ask_of(rig, logs[i], &asked[i], false);
        }
        assert_true(rig_step(rig));
    }
    close_crowd(rig, logs);
}

/* ---- a clean end of many partitions ---- */

/* What logs leave for a quicker start takes no more than its time, though all of them wait for a
 * slow disk; what is not left is no loss. */
TEST(a_clean_end_of_many_partitions_is_bounded_in_time)
{
    static struct log *logs[CROWD];
    static struct asked asked[CROWD];
    struct rig *rig = rig_new(13);
    open_crowd(rig, logs);
    for (int i = 0; i < CROWD; i++)
        ask_of(rig, logs[i], &asked[i], false);
    while (durable_count(logs, CROWD) < CROWD)
        assert_true(rig_step(rig));
    rig_harm(rig, "at 0s node 0 disk slow factor=100");
    int64_t began_ns = env_now(rig->seat->env);
    struct rig_op op = {0};
    dir_close(rig->dir, true, &op.dir_op, rig_dir_done);
    assert_true(rig_until(rig, &op.done));
    assert_ok(op.e);
    assert_in_range(env_now(rig->seat->env) - began_ns, 1, 4000000000);
    rig_kill(rig);
    rig_heal(rig);
    open_crowd(rig, logs);
    assert_true(dir_clean(rig->dir));
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(log_end(logs[i]), 1);
    assert_true(rig_count(rig, "data/crowd-0", ".snapshot") > 0);
    assert_int_equal(rig_count(rig, "data/crowd-399", ".snapshot"), 0);
    close_crowd(rig, logs);
}
