/* large_test.c - batches larger than what one look at the disk brings: torn by a crash they leave
 * nothing of themselves, whole they come back. */
#include <stdlib.h>
#include "rig.h"

#define FIRST "data/orders-0/00000000000000000000.log"

static struct rig *large_rig(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    rig->config.segment_bytes = 64 << 20;
    rig->config.max_message_bytes = 16 << 20;
    rig->dir_config.checkpoint_ms = 1000000;
    return rig;
}

struct call {
    struct env_op op;
    bool done;
    enum err e;
    uint64_t n;
};

static void on_call(struct env_op *op, enum err e, uint64_t n)
{
    struct call *call = CONTAINER_OF(op, struct call, op);
    call->done = true;
    call->e = e;
    call->n = n;
}

/* Cuts that many bytes off its end. */
static void tear(struct rig *rig, const char *path, uint64_t bytes)
{
    struct env *env = rig->seat->env;
    struct call open = {0}, size = {0}, cut = {0}, close = {0};
    env_open_file(env, &open.op, path, ENV_OPEN_READ | ENV_OPEN_WRITE, on_call);
    assert_true(rig_until(rig, &open.done));
    assert_ok(open.e);
    env_size(env, &size.op, open.n, on_call);
    assert_true(rig_until(rig, &size.done));
    env_truncate(env, &cut.op, open.n, size.n - bytes, on_call);
    assert_true(rig_until(rig, &cut.done));
    assert_ok(cut.e);
    env_close_file(env, &close.op, open.n, on_call);
    assert_true(rig_until(rig, &close.done));
}

static void boot_again(struct rig *rig)
{
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
}

/* Lives on behind end, through two more crashes. */
static void live_on(struct rig *rig, int64_t end)
{
    assert_int_equal(log_end(rig->log), end);
    assert_int_equal(rig_read_all(rig, end, 100000, false), end);
    for (int life = 0; life < 2; life++) {
        rig_append(rig, 5, 100);
        rig_append(rig, 30, 100000);
        end += 35;
        assert_true(rig_until_durable(rig));
        assert_int_equal(rig_read_all(rig, end, 100000, false), end);
        rig_check_inside(rig);
        rig_kill(rig);
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(log_end(rig->log), end);
        assert_int_equal(rig_read_all(rig, end, 100000, false), end);
        rig_check_inside(rig);
    }
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(a_large_torn_batch_leaves_nothing_of_itself)
{
    for (int small = 0; small <= 5; small += 5) {
        struct rig *rig = large_rig(1);
        rig_ok(rig, rig_boot(rig));
        if (small > 0)
            rig_append(rig, small, 100);
        rig_append(rig, 30, 100000);
        assert_true(rig_until_durable(rig));
        rig_kill(rig);
        rig->durable = 0; /* of this damage no promise was made */
        rig_start(rig);
        tear(rig, FIRST, 500000);
        boot_again(rig);
        live_on(rig, small);
    }
}

TEST(a_large_batch_torn_behind_the_recovery_point_leaves_nothing_of_itself)
{
    struct rig *rig = large_rig(2);
    rig_ok(rig, rig_boot(rig));
    rig_append(rig, 5, 100);
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig));
    rig_append(rig, 3, 100);
    rig_append(rig, 30, 100000);
    assert_true(rig_until_durable(rig));
    rig_kill(rig);
    rig->durable = 0;
    rig_start(rig);
    tear(rig, FIRST, 500000);
    boot_again(rig);
    live_on(rig, 8);
}

TEST(a_large_batch_with_a_wrong_crc_leaves_nothing_of_itself)
{
    struct rig *rig = large_rig(3);
    size_t size;
    rig_ok(rig, rig_boot(rig));
    rig_append(rig, 5, 100);
    rig_append(rig, 30, 100000);
    assert_true(rig_until_durable(rig));
    rig_kill(rig);
    rig->durable = 0;
    rig_start(rig);
    free(rig_file(rig, FIRST, &size));
    rig_overwrite(rig, FIRST, size - 300000, "rotten", 6);
    boot_again(rig);
    live_on(rig, 5);
}

/* ---- the index of a large segment ---- */

#define INDEX "data/orders-0/00000000000000000000.index"
#define TIMES "data/orders-0/00000000000000000000.timeindex"

static int64_t time_to_open(struct rig *rig)
{
    int64_t began = env_now(rig->seat->env);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    assert_int_equal(log_end(rig->log), 100);
    return env_now(rig->seat->env) - began;
}

static void add_junk(struct rig *rig, const char *path)
{
    size_t size;
    uint8_t *bytes = rig_file(rig, path, &size);
    assert_non_null(bytes);
    assert_true(size > 0);
    rig_overwrite(rig, path, size, "entries of which nobody knows", 24);
    free(bytes);
}

/* The index grows, then its checksum: a broker that is killed in between has not lost it. */
TEST(entries_behind_the_checksum_of_an_index_cost_no_scan)
{
    struct rig *rig = large_rig(9);
    rig->config.segment_bytes = 1 << 30;
    rig->dir_config.checkpoint_ms = 1000;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 100; i++) {
        assert_int_equal(rig_append(rig, 1, 1 << 20).verdict, LOG_APPENDED);
        assert_true(rig_until_durable(rig));
    }
    rig_run(rig, 5000000000);
    rig_kill(rig);
    rig_start(rig);
    int64_t before = time_to_open(rig);
    rig_run(rig, 5000000000);
    rig_kill(rig);
    rig_start(rig);
    add_junk(rig, INDEX);
    add_junk(rig, TIMES);
    int64_t after = time_to_open(rig);
    assert_in_range(after, 1, 2 * before);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- an index with few entries ---- */

/* More than LOG_PREFIX_BYTES stand behind the last entry of the index, or no entry is there at all:
 * the index of the active segment has nothing that could be saved. It was chosen again for ever. */
TEST(an_index_without_entries_is_left_alone_and_the_log_comes_to_rest)
{
    static const int64_t intervals[] = {INT32_MAX, 80 << 20};
    for (int i = 0; i < COUNT_OF(intervals); i++) {
        struct rig *rig = rig_new(7 + (uint64_t)i);
        rig->config.segment_bytes = 1 << 30;
        rig->config.index_interval_bytes = intervals[i];
        rig->config.max_message_bytes = 16 << 20;
        rig_ok(rig, rig_boot(rig));
        for (int k = 0; k < 24; k++) {
            assert_int_equal(rig_append(rig, 1, 8 << 20).verdict, LOG_APPENDED);
            assert_true(rig_until_durable(rig));
        }
        int steps = 0;
        while (!rig->idle) {
            assert_true(steps++ < 100000);
            rig_step(rig);
        }
        rig_check_inside(rig);
        rig_ok(rig, rig_close(rig));
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(log_end(rig->log), 24);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}
