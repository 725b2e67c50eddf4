/* many_test.c - more partitions than files may be open: appends wait for the syncs of others, no
 * file is closed with bytes that are not synced, and no shortage is taken for a failed sync. */
#include "rig.h"

#define LOGS 12

struct many {
    struct rig *rig;
    struct log *logs[LOGS];
};

static void on_done(struct log_op *op, enum err e)
{
    struct rig_op *it = CONTAINER_OF(op, struct rig_op, op);
    it->done = true;
    it->e = e;
}

static void open_many(struct many *m, uint64_t seed, enum log_flush flush)
{
    *m = (struct many){.rig = rig_new(seed)};
    m->rig->flush = flush;
    rig_start(m->rig);
    rig_ok(m->rig, rig_open_dir(m->rig));
    for (int i = 0; i < LOGS; i++) {
        struct rig_op op = {0};
        log_open(m->rig->logs, &m->logs[i], "many", i, m->rig->topic_id, &m->rig->config,
                 &m->rig->birth, NULL, &op.op, on_done);
        assert_true(rig_until(m->rig, &op.done));
        assert_ok(op.e);
    }
}

static void close_many(struct many *m)
{
    struct rig *rig = m->rig;
    for (int i = 0; i < LOGS; i++) {
        struct rig_op op = {0};
        log_close(m->logs[i], &op.op, on_done);
        assert_true(rig_until(rig, &op.done));
        assert_ok(op.e);
    }
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

static void append_to(struct many *m, int i)
{
    struct rig *rig = m->rig;
    struct log_appended out;
    int64_t wall_ms = env_wall(rig->seat->env);
    struct slice batch = rig_batch(rig, 1, 200, wall_ms, -1, -1, -1);
    log_append(m->logs[i], batch, 0, wall_ms, &out);
    if (out.verdict != LOG_APPENDED)
        fail_msg("refused: %d %s", out.code, out.reason);
    buf_release(batch.buf);
}

/* All of them, without a pause, so that some are always waiting. */
static void append_to_all(struct many *m, int rounds)
{
    for (int i = 0; i < rounds * LOGS; i++) {
        append_to(m, i % LOGS);
        rig_step(m->rig);
        rig_check_files(m->rig);
    }
}

static uint64_t mark_count(struct rig *rig, int mark)
{
    struct world_stats stats;
    world_stats(rig->world, &stats);
    return stats.mark_count[mark];
}

static void check_many(struct many *m, int64_t records)
{
    for (int i = 0; i < LOGS; i++) {
        assert_ok(log_status(m->logs[i]));
        assert_int_equal(log_end(m->logs[i]), records);
        assert_int_equal(log_counting_end(m->logs[i]), records);
    }
}

TEST(appends_to_many_partitions_wait_for_the_syncs_of_others)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct many m;
        open_many(&m, seed, LOG_FLUSH_ACK);
        append_to_all(&m, 30);
        for (int i = 0; i < 200; i++) {
            rig_run(m.rig, 5000000);
            rig_check_files(m.rig);
        }
        check_many(&m, 30);
        assert_true(mark_count(m.rig, MARK_APPEND_WAITED_FOR_SYNC) > 0);
        close_many(&m);
    }
}

/* Nobody waits for syncs there but who waits for a place; it must not take until the checkpoint. */
TEST(a_crowd_is_synced_even_where_nothing_waits_for_syncs)
{
    struct many m;
    open_many(&m, 1, LOG_FLUSH_OS);
    m.rig->dir_config.flush_ms = 1 << 30;
    append_to_all(&m, 30);
    rig_run(m.rig, 900000000);
    check_many(&m, 30);
    assert_true(mark_count(m.rig, MARK_APPEND_WAITED_FOR_SYNC) > 0);
    close_many(&m);
}

TEST(a_busy_partition_does_not_keep_the_others_out)
{
    struct many m;
    open_many(&m, 1, LOG_FLUSH_ACK);
    for (int i = 2; i < LOGS; i++)
        append_to(&m, i);
    for (int i = 0; i < 3000; i++) {
        append_to(&m, i % 2);
        rig_step(m.rig);
    }
    for (int i = 2; i < LOGS; i++)
        assert_int_equal(log_durable_end(m.logs[i]), 1);
    rig_run(m.rig, 2000000000);
    close_many(&m);
}

TEST(who_waits_for_a_place_is_told_when_a_sync_fails)
{
    struct many m;
    open_many(&m, 1, LOG_FLUSH_ACK);
    rig_harm(m.rig, "at 0s node 0 disk sync_fails times=1 file=.log");
    for (int i = 0; i < LOGS; i++)
        append_to(&m, i);
    rig_run(m.rig, 1000000000);
    assert_int_equal(dir_status(m.rig->dir), ERR_OFFLINE);
    for (int i = 0; i < LOGS; i++) {
        struct rig_op op = {0};
        assert_int_equal(log_status(m.logs[i]), ERR_OFFLINE);
        assert_int_equal(log_counting_end(m.logs[i]), 0);
        log_close(m.logs[i], &op.op, on_done);
        assert_true(rig_until(m.rig, &op.done));
    }
    assert_int_equal(rig_close(m.rig), ERR_OFFLINE);
    rig_free(m.rig);
}

/* ---- no descriptors ---- */

#define FILES_MAX 1100

struct filler {
    struct env_op op;
    bool done;
    enum err e;
    env_file file;
};

static void on_file(struct env_op *op, enum err e, uint64_t n)
{
    struct filler *f = CONTAINER_OF(op, struct filler, op);
    f->done = true;
    f->e = e;
    f->file = n;
}

/* Opens files until the door gives no more. Returns their number. */
static int fill(struct rig *rig, struct filler *fillers)
{
    for (int i = 0; i < FILES_MAX; i++) {
        fillers[i] = (struct filler){0};
        env_open_file(rig->seat->env, &fillers[i].op, "filler", ENV_OPEN_WRITE | ENV_OPEN_CREATE,
                      on_file);
        assert_true(rig_until(rig, &fillers[i].done));
        if (fillers[i].e == ERR_TOOMANY)
            return i;
        assert_ok(fillers[i].e);
    }
    fail_msg("the door gives descriptors without end");
    return 0;
}

static void let_go(struct rig *rig, struct filler *filler)
{
    filler->done = false;
    env_close_file(rig->seat->env, &filler->op, filler->file, on_file);
    assert_true(rig_until(rig, &filler->done));
}

/* False: with this seed the folder was opened before there was no descriptor left. */
static bool folder_cannot_be_opened(uint64_t seed)
{
    static struct filler fillers[FILES_MAX];
    struct rig *rig = rig_new(seed);
    rig->config.segment_bytes = 2000;
    rig_ok(rig, rig_boot(rig));
    rig_append(rig, 1, 1500);
    assert_true(rig_until_durable(rig));
    int count = fill(rig, fillers);
    let_go(rig, &fillers[--count]);
    rig_append(rig, 1, 1500);
    while (rig_open_files(rig) < 2)
        assert_true(rig_step(rig));
    int more = fill(rig, fillers + count);
    for (int i = 0;
         i < 1000 && TEST_COLUMN(&rig->last[TRACE_SYNC_DONE], SYNC_DONE, err) == ERR_NONE; i++)
        assert_true(rig_step(rig));
    bool met = TEST_COLUMN(&rig->last[TRACE_SYNC_DONE], SYNC_DONE, err) == ERR_TOOMANY;
    assert_true(!met || log_durable_end(rig->log) == 1);
    rig_run(rig, 100000000);
    assert_ok(dir_status(rig->dir));
    for (int i = 0; i < count + more; i++)
        let_go(rig, &fillers[i]);
    assert_true(rig_until_durable(rig));
    assert_int_equal(log_durable_end(rig->log), 2);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
    return met;
}

/* The new segment's file opens, but its folder does not. */
TEST(a_folder_that_cannot_be_opened_for_its_sync_is_synced_later)
{
    int met = 0;
    for (uint64_t seed = 1; seed <= 8; seed++)
        met += folder_cannot_be_opened(seed);
    assert_in_range(met, 1, 8);
}

TEST(an_append_waits_for_a_descriptor)
{
    static struct filler fillers[FILES_MAX];
    struct rig *rig = rig_new(1);
    rig_ok(rig, rig_boot(rig));
    rig_run(rig, 2000000000);
    int count = fill(rig, fillers);
    rig->config.segment_bytes = 2000;
    log_reconfigure(rig->log, &rig->config);
    for (int i = 0; i < 8; i++)
        rig_append(rig, 1, 1500);
    rig_run(rig, 1000000000);
    assert_int_equal(rig->cuts, 0);
    assert_ok(log_status(rig->log));
    for (int i = 0; i < count; i++)
        let_go(rig, &fillers[i]);
    assert_true(rig_until_durable(rig));
    assert_int_equal(log_durable_end(rig->log), 8);
    assert_int_equal(rig_read_all(rig, 8, 100000, false), 8);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}
