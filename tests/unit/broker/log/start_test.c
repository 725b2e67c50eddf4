/* start_test.c - how a directory and a partition in it come to be, and how they are let go of:
 * whole or not at all, and nothing counts before what it stands on. */
#include <stdlib.h>
#include "rig.h"

#define OWN "what the owner wrote"
#define SECOND_NS 1000000000ll

static struct rig *with_own(struct rig *rig)
{
    rig->birth.name = "own";
    rig->birth.bytes = bytes_text(OWN);
    return rig;
}

static struct rig *new_rig(uint64_t seed)
{
    return with_own(rig_new(seed));
}

/* Under a line of a plan, which stays until the rig is freed. */
static struct rig *new_rig_under(uint64_t seed, const char *line, struct fault_plan *plan,
                                 struct mem *mem)
{
    struct errmsg msg = {0};
    mem_system(mem);
    fault_plan_init(plan, mem);
    if (fault_plan_parse(plan, bytes_text(line), &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    struct world_config config = {.seed = seed, .assert_leaks = true, .plan = plan};
    return with_own(rig_new_with(&config));
}

static void on_op(struct log_op *op, enum err e)
{
    struct rig_op *done = CONTAINER_OF(op, struct rig_op, op);
    done->done = true;
    done->e = e;
}

static void expect_file(struct rig *rig, const char *path, const char *text)
{
    size_t size = 0;
    uint8_t *bytes = rig_file(rig, path, &size);
    assert_non_null(bytes);
    assert_int_equal(size, strlen(text));
    assert_memory_equal(bytes, text, size);
    free(bytes);
}

/* The partition is there with all that it was born with. */
static void expect_whole(struct rig *rig)
{
    assert_int_equal(log_latest_epoch(rig->log), 0);
    expect_file(rig, "data/orders-0/own", OWN);
    expect_file(rig, "data/orders-0/leader-epoch-checkpoint", "0\n1\n0 0\n");
    assert_true(rig_exists(rig, "data/orders-0/own.crc"));
    assert_true(rig_exists(rig, "data/orders-0/leader-epoch-checkpoint.crc"));
    assert_true(rig_exists(rig, "data/orders-0/partition.metadata"));
    assert_true(rig_exists(rig, "data/meta.properties"));
    assert_true(rig_exists(rig, "data/meta.properties.crc"));
}

TEST(a_new_partition_is_durable_with_all_that_it_holds)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *rig = new_rig(seed);
        rig_ok(rig, rig_boot(rig));
        assert_true(rig->birth.made);
        expect_whole(rig);
        rig_power(rig);
        rig->birth.made = false;
        rig_ok(rig, rig_boot(rig));
        assert_false(rig->birth.made);
        expect_whole(rig);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

TEST(an_epoch_that_has_begun_is_not_written_again)
{
    struct rig *rig = new_rig(1);
    rig_ok(rig, rig_boot(rig));
    struct rig_op op = {0};
    log_assign_epoch(rig->log, 0, &op.op, on_op);
    assert_true(op.done);
    assert_ok(op.e);
    op.done = false;
    log_assign_epoch(rig->log, 1, &op.op, on_op);
    assert_false(op.done);
    assert_true(rig_until(rig, &op.done));
    assert_ok(op.e);
    op.done = false;
    log_assign_epoch(rig->log, 1, &op.op, on_op);
    assert_true(op.done);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* What was found on the disk may not be durable there: only what this life wrote is known to be. */
TEST(an_epoch_of_an_earlier_life_is_written_again)
{
    struct rig *rig = new_rig(2);
    rig_ok(rig, rig_boot(rig));
    rig_kill(rig);
    rig_ok(rig, rig_boot(rig));
    struct rig_op op = {0};
    log_assign_epoch(rig->log, 0, &op.op, on_op);
    assert_false(op.done);
    assert_true(rig_until(rig, &op.done));
    assert_ok(op.e);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

static const char *const troubles[] = {
    "at 0s node 0 rate site=disk/write rate=80000\n",
    "at 0s node 0 rate site=disk/space rate=80000\n",
    "at 0s node 0 rate site=disk/sync rate=40000\n",
    "at 0s node 0 rate site=disk/sync_dir rate=80000\n",
    "at 0s node 0 rate site=disk/open rate=80000\n",
    "at 0s node 0 rate site=disk/rename rate=80000\n",
    "at 0s node 0 rate site=disk/list rate=200000\n",
    "at 0s node 0 rate site=alloc rate=80000\n",
};

/* Tries until it is there, a life after the other where one has no hope left. */
static int boot_under(struct rig *rig)
{
    int failed = 0;
    for (int life = 0; life < 100; life++) {
        rig_start(rig);
        enum err e = rig_open_dir(rig);
        for (int i = 0; e == ERR_NONE && i < 5; i++) {
            if (rig_open_log(rig) == ERR_NONE)
                return failed;
            failed++;
            assert_null(rig->log);
            rig_run(rig, SECOND_NS);
        }
        failed++;
        rig_kill(rig);
    }
    fail_msg("it never comes up");
    return failed;
}

TEST(whatever_fails_at_birth_the_partition_is_made_whole_in_the_end)
{
    for (int i = 0; i < COUNT_OF(troubles); i++) {
        int failed = 0;
        for (uint64_t seed = 1; seed <= 40; seed++) {
            struct fault_plan plan;
            struct mem mem;
            struct rig *rig = new_rig_under(seed, troubles[i], &plan, &mem);
            failed += boot_under(rig);
            rig_heal(rig);
            expect_whole(rig);
            rig_power(rig);
            rig_ok(rig, rig_boot(rig));
            expect_whole(rig);
            rig_run(rig, SECOND_NS);
            assert_int_equal(rig_count(rig, "data", "-future"), 0);
            rig_append(rig, 3, 100);
            assert_true(rig_until_durable(rig));
            rig_ok(rig, rig_close(rig));
            rig_free(rig);
            fault_plan_free(&plan);
        }
        if (failed < 10)
            fail_msg("%s%d failures", troubles[i], failed);
    }
}

TEST(a_directory_that_a_failed_birth_left_is_removed_in_the_same_life)
{
    struct rig *rig = new_rig(3);
    rig_start(rig);
    rig_ok(rig, rig_open_dir(rig));
    rig_run(rig, SECOND_NS);
    rig_harm(rig, "at 0s node 0 disk full bytes=0");
    assert_int_equal(rig_open_log(rig), ERR_NOSPACE);
    rig_run(rig, SECOND_NS);
    assert_int_equal(rig_count(rig, "data", "-future"), 0);
    assert_false(rig_exists(rig, "data/orders-0/partition.metadata"));
    rig_heal(rig);
    rig_ok(rig, rig_open_log(rig));
    expect_whole(rig);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(no_log_is_open_before_the_identity_of_its_directory_is_written)
{
    struct rig *rig = new_rig(4);
    rig_start(rig);
    rig_harm(rig, "at 0s node 0 disk write_fails times=1 file=meta.properties");
    enum err e = rig_open_dir(rig);
    if (e == ERR_NONE)
        e = rig_open_log(rig);
    assert_int_equal(e, ERR_IO);
    assert_non_null(strstr(rig->msg.text, "meta.properties"));
    rig_heal(rig);
    rig_kill(rig);
    rig_ok(rig, rig_boot(rig));
    expect_whole(rig);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- letting go ---- */

TEST(a_close_without_memory_lets_go_of_the_lock)
{
    struct fault_plan plan;
    struct mem mem;
    const char *line = "at 100s node 0 rate site=alloc rate=1000000\n";
    struct rig *rig = new_rig_under(5, line, &plan, &mem);
    rig_ok(rig, rig_boot(rig));
    rig_append(rig, 3, 100);
    assert_true(rig_until_durable(rig));
    struct log_dir *dir = rig->dir;
    struct rig_op op = {0};
    rig_run(rig, 101 * SECOND_NS);
    log_dir_close(dir, true, &op.op, on_op);
    assert_true(rig_until(rig, &op.done));
    assert_int_equal(op.e, ERR_NOMEM);
    rig_heal(rig);
    /* Another one opens it while the first is still in memory. */
    struct rig_op other = {0};
    struct log_dir *second = NULL;
    assert_ok(
        log_dir_new(&second, rig->seat->env, rig->seat->mem, rig->seat->trace, &rig->dir_config));
    log_dir_open(second, &other.op, on_op);
    assert_true(rig_until(rig, &other.done));
    assert_ok(other.e);
    assert_false(log_dir_clean(second));
    rig_kill(rig);
    rig_free(rig);
    fault_plan_free(&plan);
}

TEST(an_unclean_end_that_was_not_made_good_for_is_told_again)
{
    struct rig *rig = new_rig(6);
    rig_ok(rig, rig_boot(rig));
    rig_kill(rig);
    for (int life = 0; life < 2; life++) {
        struct rig_op op = {0};
        struct rig_op settled = {0};
        rig_start(rig);
        rig_ok(rig, rig_open_dir(rig));
        assert_false(log_dir_clean(rig->dir));
        log_dir_close(rig->dir, false, &op.op, on_op);
        assert_true(rig_until(rig, &op.done));
        assert_ok(op.e);
        log_dir_settle(rig->dir, &settled.op, on_op);
        assert_true(rig_until(rig, &settled.done));
        rig_kill(rig);
    }
    rig_ok(rig, rig_boot(rig));
    assert_false(log_dir_clean(rig->dir));
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig));
    assert_true(log_dir_clean(rig->dir));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}
