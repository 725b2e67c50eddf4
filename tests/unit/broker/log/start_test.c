/* start_test.c - how a directory and a partition in it come to be, and how they are let go of:
 * whole or not at all, and nothing counts before what it stands on. */
#include <stdio.h>
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
    assert_non_null(strstr(rig->msg.text, "free some space"));
    assert_null(strstr(rig->msg.text, "start again")); /* the broker runs, and tries it again */
    rig_run(rig, SECOND_NS);
    assert_int_equal(rig_count(rig, "data", "-future"), 0);
    assert_false(rig_exists(rig, "data/orders-0/partition.metadata"));
    rig_heal(rig);
    rig_ok(rig, rig_open_log(rig));
    expect_whole(rig);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

struct file {
    struct env_op op;
    bool done;
    env_file file; /* 0: none */
};

static void on_file(struct env_op *op, enum err e, uint64_t n)
{
    struct file *f = CONTAINER_OF(op, struct file, op);
    f->done = true;
    f->file = e == ERR_NONE ? n : 0;
}

static bool take_file(struct rig *rig, struct file *f)
{
    f->done = false;
    env_open_file(rig->seat->env, &f->op, "data/.lock", ENV_OPEN_READ, on_file);
    assert_true(rig_until(rig, &f->done));
    return f->file != 0;
}

static void give_file(struct rig *rig, struct file *f)
{
    f->done = false;
    env_close_file(rig->seat->env, &f->op, f->file, on_file);
    assert_true(rig_until(rig, &f->done));
}

#define FREE 8 /* descriptors, which suffice */

/* Takes all but FREE, and after some steps of log_open all that it gives back, too. True: it
 * failed, and its directory is there. */
static bool born_short(uint64_t seed, int steps)
{
    struct rig *rig = new_rig(seed);
    rig_start(rig);
    rig_ok(rig, rig_open_dir(rig));
    rig_run(rig, SECOND_NS);
    int32_t max = rig->seat->env->disk.files_max;
    struct file *files = calloc((size_t)max, sizeof *files);
    struct file last[FREE] = {0};
    int32_t count = 0;
    while (count < max && take_file(rig, &files[count]))
        count++;
    for (int32_t i = 0; i < FREE; i++)
        give_file(rig, &files[--count]);
    struct rig_op op = {0};
    log_open(rig->logs, &rig->log, "orders", 0, rig->topic_id, &rig->config, &rig->birth, NULL,
             &op.op, on_op);
    for (int i = 0; i < steps && !op.done; i++)
        rig_step(rig);
    while (!op.done) {
        for (int i = 0; i < FREE; i++) {
            if (!last[i].op.in_flight && last[i].file == 0)
                env_open_file(rig->seat->env, &last[i].op, "data/.lock", ENV_OPEN_READ, on_file);
        }
        rig_step(rig);
    }
    for (int i = 0; i < FREE; i++) {
        while (last[i].op.in_flight)
            rig_step(rig);
        if (last[i].file != 0)
            give_file(rig, &last[i]);
    }
    while (count > 0)
        give_file(rig, &files[--count]);
    free(files);
    assert_ok(dir_status(rig->dir));
    bool left = op.e != ERR_NONE && rig_exists(rig, "data/orders-0/partition.metadata");
    if (op.e != ERR_NONE)
        rig_ok(rig, rig_open_log(rig));
    rig_append(rig, 3, 100);
    assert_true(rig_until_durable(rig));
    rig_power(rig);
    rig_ok(rig, rig_boot(rig));
    expect_whole(rig);
    assert_int_equal(log_end(rig->log), 3);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
    return left;
}

/* A sync that no descriptor was left for is no failed one: the life goes on, and what it was to
 * make durable must not be taken for it. */
TEST(a_partition_that_was_short_of_descriptors_at_birth_is_durable_before_it_is_used)
{
    int left = 0;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        for (int steps = 0; steps < 60; steps++)
            left += born_short(seed, steps);
    }
    assert_true(left > 0);
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

/* ---- on a full disk ---- */

/* What may not be durable is written again into a new file where there is room for it, and in place
 * where there is not, however much is left. */
TEST(a_log_is_opened_on_a_disk_without_room_for_a_second_copy)
{
    static const int left[] = {0, 3000, 20000};
    for (uint64_t seed = 1; seed <= 30; seed++) {
        char full[64];
        struct rig *rig = new_rig(seed);
        rig->config.segment_bytes = seed % 2 == 0 ? 8192 : 1 << 20;
        rig_ok(rig, rig_boot(rig));
        for (int i = 0; i < 60; i++)
            rig_append(rig, 1 + i % 3, 500);
        assert_true(rig_until_durable(rig));
        int64_t end = log_end(rig->log);
        snprintf(full, sizeof full, "at 0s node 0 disk full bytes=%d", left[seed % 3]);
        rig_harm(rig, full);
        for (int life = 0; life < 8; life++) {
            if (seed % 5 == 0)
                rig_power(rig);
            else
                rig_kill(rig);
            rig_ok(rig, rig_boot(rig));
            assert_int_equal(log_end(rig->log), end);
            assert_int_equal(rig_read_all(rig, end, 3000, false), end);
        }
        rig_heal(rig);
        assert_int_equal(rig_append(rig, 1, 100).verdict, LOG_APPENDED);
        assert_true(rig_until_durable(rig));
        rig_check_inside(rig);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
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
    struct dir *dir = rig->dir;
    struct rig_op op = {0};
    rig_run(rig, 101 * SECOND_NS);
    dir_close(dir, true, &op.dir_op, rig_dir_done);
    assert_true(rig_until(rig, &op.done));
    assert_int_equal(op.e, ERR_NOMEM);
    rig_heal(rig);
    /* Another one opens it while the first is still in memory. */
    struct rig_op other = {0};
    struct dir *second = NULL;
    assert_ok(dir_new(&second, rig->seat->env, rig->seat->mem, rig->seat->trace, &rig->dir_config));
    dir_open(second, &other.dir_op, rig_dir_done);
    assert_true(rig_until(rig, &other.done));
    assert_ok(other.e);
    assert_false(dir_clean(second));
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
        assert_false(dir_clean(rig->dir));
        dir_close(rig->dir, false, &op.dir_op, rig_dir_done);
        assert_true(rig_until(rig, &op.done));
        assert_ok(op.e);
        dir_settle(rig->dir, &settled.dir_op, rig_dir_done);
        assert_true(rig_until(rig, &settled.done));
        rig_kill(rig);
    }
    rig_ok(rig, rig_boot(rig));
    assert_false(dir_clean(rig->dir));
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig));
    assert_true(dir_clean(rig->dir));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}
