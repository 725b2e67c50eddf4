/* fault_test.c - disks that are full, fail, or lie, and memory that runs out: nothing durable is
 * lost, nothing is shown that is not, and what can be mended mends itself. */
#include <stdlib.h>
#include "rig.h"

static struct rig *small_rig(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    rig->config.segment_bytes = 4096;
    rig->config.index_interval_bytes = 256;
    rig->dir_config.checkpoint_bytes = 3000;
    return rig;
}

/* By one of two idempotent producers, or by nobody. */
static void append_one(struct rig *rig, int records, int size, int i)
{
    int64_t id = i % 3 == 0 ? -1 : i % 3;
    int64_t wall_ms = env_wall(rig->seat->env);
    if (id < 0)
        rig_append(rig, records, size);
    else
        rig_append_as(rig, records, size, wall_ms, id, 0, rig_next_sequence(rig, id));
}

static void work(struct rig *rig, struct rng *rng, int count)
{
    for (int i = 0; i < count && rig->seat != NULL; i++) {
        int records = 1 + (int)random_below(rng_next(rng), 4);
        int size = 50 + (int)random_below(rng_next(rng), 900);
        append_one(rig, records, size, i);
        if (random_chance(rng_next(rng), 1, 2))
            rig_step(rig);
        if (random_chance(rng_next(rng), 1, 5))
            rig_run(rig, 20000000);
    }
}

static void check(struct rig *rig)
{
    int64_t end = log_end(rig->log);
    int64_t start = log_start(rig->log);
    assert_true(end >= rig->durable);
    assert_int_equal(rig_read_all(rig, end, 3000, false), end - start);
    assert_int_equal(rig_read_all(rig, end, 100000, true), end - start);
    rig_check_inside(rig);
}

TEST(a_full_disk_refuses_and_takes_again_when_there_is_room)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rng rng = {.state = seed};
        struct rig *rig = small_rig(seed);
        rig_ok(rig, rig_boot(rig));
        work(rig, &rng, 10);
        assert_true(rig_until_durable(rig));
        rig_harm(rig, "at 0s node 0 disk full bytes=0");
        for (int i = 0; i < 30 && rig->cuts == 0; i++) {
            rig_append(rig, 2, 600);
            rig_run(rig, 5000000);
        }
        assert_true(rig->cuts > 0);
        assert_ok(log_status(rig->log));
        assert_int_equal(log_end(rig->log), log_written_end(rig->log));
        struct log_appended out = rig_append(rig, 1, 5000);
        assert_int_equal(out.verdict, LOG_REFUSED);
        assert_int_equal(out.code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
        int64_t durable = log_durable_end(rig->log);
        assert_int_equal(rig_read_all(rig, durable, 3000, false), durable);
        rig_heal(rig);
        rig_run(rig, 3000000000);
        work(rig, &rng, 10);
        assert_true(rig_until_durable(rig));
        assert_true(rig->durable > durable);
        check(rig);
        assert_int_equal(rig->told, ERR_NONE);
        rig_kill(rig);
        rig_ok(rig, rig_boot(rig));
        check(rig);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

TEST(the_index_is_cut_with_the_log)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *rig = rig_new(seed);
        rig->config.index_interval_bytes = 256;
        rig_ok(rig, rig_boot(rig));
        for (int i = 0; i < 10; i++)
            rig_append(rig, 1, 100);
        assert_true(rig_until_durable(rig));
        rig_harm(rig, "at 0s node 0 disk write_fails times=1 file=.log");
        for (int i = 0; i < 20; i++)
            rig_append(rig, 1, 300);
        rig_run(rig, 2000000000);
        assert_int_equal(rig->cut_end, 10);
        for (int i = 0; i < 40; i++)
            rig_append(rig, 3, 50 + i * (int)seed);
        assert_true(rig_until_durable(rig));
        assert_int_equal(rig_read_all(rig, 130, 1500, false), 130);
        rig_ok(rig, rig_close(rig));
        rig_ok(rig, rig_boot(rig));
        check(rig);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

TEST(a_failed_sync_takes_the_directory_offline_for_good)
{
    struct rig *rig = small_rig(1);
    rig_ok(rig, rig_boot(rig));
    rig_append(rig, 3, 100);
    assert_true(rig_until_durable(rig));
    rig_run(rig, 5000000000); /* checkpoints are written, too */
    rig_harm(rig, "at 0s node 0 disk sync_fails times=1 file=.log");
    rig_append(rig, 3, 100);
    assert_false(log_status(rig->log) == ERR_NONE && !rig_run(rig, 1000000000));
    assert_int_equal(rig->told, ERR_OFFLINE);
    assert_int_equal(log_status(rig->log), ERR_OFFLINE);
    assert_int_equal(dir_status(rig->dir), ERR_OFFLINE);
    assert_int_equal(log_durable_end(rig->log), 3);
    assert_int_equal(rig_append(rig, 1, 10).verdict, LOG_REFUSED);
    rig_run(rig, 5000000000);
    assert_int_equal(log_counting_end(rig->log), 3);
    assert_int_equal(rig->rows[TRACE_DIR_OFFLINE], 1);
    struct world_stats stats;
    world_stats(rig->world, &stats);
    assert_true(stats.mark_count[MARK_SYNC_FAILED_WHILE_WAITING] > 0);
    assert_int_equal(rig_close(rig), ERR_OFFLINE);
    rig_ok(rig, rig_boot(rig));
    assert_true(log_end(rig->log) >= 3);
    check(rig);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

static void on_nothing_read(struct log_op *op, enum err e)
{
    struct log_read *read = CONTAINER_OF(op, struct log_read, op);
    assert_ok(e);
    assert_int_equal(read->part_count, 0);
    assert_int_equal(read->next_offset, read->offset);
}

/* With flush.policy = os readers had been shown it, but now its pages may be anything. */
TEST(what_was_not_durable_when_a_sync_failed_is_not_read_any_more)
{
    struct rig *rig = rig_new(1);
    rig->flush = LOG_FLUSH_OS;
    rig_ok(rig, rig_boot(rig));
    rig_append(rig, 3, 100);
    rig_run(rig, 3000000000);
    assert_int_equal(log_durable_end(rig->log), 3);
    rig_append(rig, 3, 100);
    rig_run(rig, 1000000);
    assert_int_equal(log_counting_end(rig->log), 6);
    assert_int_equal(rig_read_all(rig, 6, 1000, false), 6);
    rig_harm(rig, "at 0s node 0 disk sync_fails times=1 file=.log");
    rig_run(rig, 3000000000);
    assert_int_equal(log_status(rig->log), ERR_OFFLINE);
    assert_int_equal(rig_read_all(rig, 3, 1000, false), 3);
    struct log_read read = {.offset = 3, .offset_end = 6, .bytes_max = 1000, .at_least_one = true};
    log_read(rig->log, &read, on_nothing_read);
    assert_true(read.op.done == on_nothing_read);
    assert_int_equal(rig_close(rig), ERR_OFFLINE);
    rig_free(rig);
}

struct looked {
    struct log_seek seek;
    bool done;
    enum err err;
};

static void on_looked(struct log_op *op, enum err e)
{
    struct log_seek *seek = CONTAINER_OF(op, struct log_seek, op);
    CONTAINER_OF(seek, struct looked, seek)->done = true;
    CONTAINER_OF(seek, struct looked, seek)->err = e;
}

/* The failed sync may have left the file shorter than it was written. What readers have been shown
 * behind that may be what is sought, and cannot be looked at: "there is none" would be a guess. */
TEST(a_search_by_time_ends_where_a_failed_sync_left_the_log)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *rig = small_rig(seed);
        rig_ok(rig, rig_boot(rig));
        int64_t now = env_wall(rig->seat->env);
        rig_append_as(rig, 3, 100, now, -1, -1, -1);
        assert_true(rig_until_durable(rig));
        rig_harm(rig, "at 0s node 0 disk sync_fails times=1 file=.log");
        rig_append_as(rig, 3, 100, now + 5, -1, -1, -1);
        rig_run(rig, 1000000000);
        assert_int_equal(log_status(rig->log), ERR_OFFLINE);
        for (int64_t shown = 3; shown <= 6; shown += 3) {
            struct looked late = {.seek = {.timestamp_ms = now + 5, .offset_end = shown}};
            log_seek(rig->log, &late.seek, on_looked);
            assert_true(rig_until(rig, &late.done));
            assert_false(late.seek.found);
            assert_int_equal(late.err, shown == 3 ? ERR_NONE : ERR_OFFLINE);
        }
        struct looked early = {.seek = {.timestamp_ms = now, .offset_end = 6}};
        log_seek(rig->log, &early.seek, on_looked);
        assert_true(rig_until(rig, &early.done));
        assert_ok(early.err);
        assert_int_equal(early.seek.offset, 0);
        assert_int_equal(rig_close(rig), ERR_OFFLINE);
        rig_free(rig);
    }
}

/* The pages are marked clean, the cache shows them, the disk lacks them; then the power goes. */
TEST(what_a_failed_sync_left_in_the_cache_is_written_again_before_it_counts)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng rng = {.state = seed};
        struct rig *rig = small_rig(seed);
        rig_ok(rig, rig_boot(rig));
        work(rig, &rng, 5);
        rig_harm(rig, "at 0s node 0 disk sync_fails times=1");
        work(rig, &rng, 5);
        rig_run(rig, 1000000000);
        rig_kill(rig);
        rig_ok(rig, rig_boot(rig));
        work(rig, &rng, 3);
        rig_until_durable(rig);
        rig_power(rig);
        rig_ok(rig, rig_boot(rig));
        check(rig);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* Lives under a rate of failures, which end well or not at all, and one more without any. */
static void live_under(uint64_t seed, const char *line)
{
    struct rng rng = {.state = seed};
    struct fault_plan plan;
    struct world_config config = {.seed = seed, .assert_leaks = true, .plan = &plan};
    struct mem mem;
    struct errmsg msg = {0};
    mem_system(&mem);
    fault_plan_init(&plan, &mem);
    if (fault_plan_parse(&plan, bytes_text(line), &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    struct rig *rig = rig_new_with(&config);
    rig->config.segment_bytes = 4096;
    rig->config.index_interval_bytes = 256;
    rig->dir_config.checkpoint_bytes = 3000;
    for (int life = 0; life < 5; life++) {
        if (rig_boot(rig) == ERR_NONE) {
            int64_t end = log_end(rig->log);
            assert_true(end >= rig->durable);
            work(rig, &rng, 15);
            rig_run(rig, 2000000000);
            if (random_chance(rng_next(&rng), 1, 3)) {
                (void)!rig_close(rig);
                continue;
            }
        }
        if (random_chance(rng_next(&rng), 1, 2))
            rig_power(rig);
        else
            rig_kill(rig);
    }
    rig_heal(rig);
    while (world_node_life(rig->world, rig->node) != WORLD_DOWN || rig->seat != NULL)
        rig_kill(rig);
    rig_ok(rig, rig_boot(rig));
    check(rig);
    work(rig, &rng, 5);
    assert_true(rig_until_durable(rig));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
    fault_plan_free(&plan);
    assert_int_equal(mem.live_count, 0);
}

#define SEEDS 60

TEST(failing_writes_lose_nothing)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        live_under(seed, "at 0s node 0 rate site=disk/write rate=100000\n");
}

TEST(a_disk_without_room_now_and_then_loses_nothing)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        live_under(seed, "at 0s node 0 rate site=disk/space rate=100000\n");
}

TEST(failing_syncs_lose_nothing)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        live_under(seed, "at 0s node 0 rate site=disk/sync rate=20000\n"
                         "at 0s node 0 rate site=disk/sync_dir rate=20000\n");
}

TEST(failing_reads_opens_and_names_lose_nothing)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        live_under(seed, "at 0s node 0 rate site=disk/read rate=50000\n"
                         "at 0s node 0 rate site=disk/open rate=50000\n"
                         "at 0s node 0 rate site=disk/rename rate=50000\n"
                         "at 0s node 0 rate site=disk/unlink rate=50000\n"
                         "at 0s node 0 rate site=disk/list rate=50000\n");
}

TEST(memory_that_runs_out_loses_nothing)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        live_under(seed, "at 0s node 0 rate site=alloc rate=30000\n");
}

TEST(everything_at_once_loses_nothing)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        live_under(seed, "at 0s node 0 rate site=disk/write rate=20000\n"
                         "at 0s node 0 rate site=disk/space rate=20000\n"
                         "at 0s node 0 rate site=disk/sync rate=3000\n"
                         "at 0s node 0 rate site=disk/read rate=10000\n"
                         "at 0s node 0 rate site=disk/open rate=10000\n"
                         "at 0s node 0 rate site=disk/rename rate=10000\n"
                         "at 0s node 0 rate site=disk/unlink rate=10000\n"
                         "at 0s node 0 rate site=alloc rate=5000\n");
}
