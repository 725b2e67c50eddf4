/* repair_test.c - what a log mends by itself after something could not be written. */
#include <stdlib.h>
#include "log/internal.h"
#include "rig.h"

#define SECOND_NS 1000000000ll

/* Nothing else is under way that could remind the log of its repair. */
TEST(a_segment_that_could_not_be_made_is_tried_again)
{
    struct fault_plan plan;
    struct world_config config = {.seed = 1, .assert_leaks = true, .plan = &plan};
    struct mem mem;
    const char *line = "at 100s node 0 rate site=disk/open rate=1000000 for 10s\n";
    mem_system(&mem);
    fault_plan_init(&plan, &mem);
    assert_ok(fault_plan_parse(&plan, bytes_text(line), NULL));
    struct rig *rig = rig_new_with(&config);
    rig->config.segment_bytes = 2048;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 3; i++)
        rig_append(rig, 1, 500);
    assert_true(rig_until_durable(rig));
    rig_run(rig, 105 * SECOND_NS);
    assert_int_equal(rig_append(rig, 1, 700).verdict, LOG_APPENDED);
    rig_run(rig, SECOND_NS);
    assert_int_equal(rig->cuts, 1);
    assert_int_equal(rig->cut_end, 3);
    rig_run(rig, 10 * SECOND_NS);
    assert_int_equal(rig_append(rig, 1, 700).verdict, LOG_APPENDED);
    assert_true(rig_until_durable(rig));
    assert_int_equal(rig_read_all(rig, 4, 3000, false), 4);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
    fault_plan_free(&plan);
    assert_int_equal(mem.live_count, 0);
}

static bool has_snapshot(const struct rig *rig)
{
    return rig->log->snapshot.data != NULL;
}

/* Its snapshot could not be saved while the disk was full, and nobody appends any more. */
TEST(what_could_not_be_saved_is_saved_after_the_repair)
{
    struct rig *rig = rig_new(2);
    rig->flush = LOG_FLUSH_OS;
    rig->config.segment_bytes = 2048;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 3; i++)
        rig_append_as(rig, 1, 500, env_wall(rig->seat->env), 7, 0, i);
    rig_run(rig, 3 * SECOND_NS);
    rig_harm(rig, "at 0s node 0 disk full bytes=0");
    for (int i = 3; i < 8 && rig->cuts == 0; i++) {
        rig_append_as(rig, 1, 500, env_wall(rig->seat->env), 7, 0, i);
        rig_run(rig, SECOND_NS / 100);
    }
    assert_int_equal(rig->cuts, 1);
    rig_run(rig, 3 * SECOND_NS);
    rig_heal(rig);
    rig_run(rig, 5 * SECOND_NS);
    assert_false(has_snapshot(rig));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

#define MB (1 << 20)

static bool speaks_of_the_lost(const struct rig *rig)
{
    return has_snapshot(rig) && rig->log->snapshot_offset > log_end(rig->log);
}

/* Else a producer would be told that its record is there, once the snapshot has been read. */
TEST(no_snapshot_speaks_of_what_was_taken_back)
{
    int met = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct rig *rig = rig_new(seed);
        rig->config.segment_bytes = 36 * MB;
        rig->config.max_message_bytes = 16 * MB;
        rig_ok(rig, rig_boot(rig));
        for (int i = 0; i < 31; i++)
            rig_append(rig, 1, MB);
        assert_true(rig_until_durable(rig));
        rig_run(rig, SECOND_NS);
        rig_append(rig, 1, MB + MB / 4); /* its sync ends with a look at what is to be saved */
        for (int32_t i = 0; !has_snapshot(rig); i++) {
            rig_append_as(rig, 1, 100, env_wall(rig->seat->env), 7, 0, i);
            assert_true(rig_step(rig));
        }
        rig_harm(rig, "at 0s node 0 disk write_fails times=1 file=.log");
        int64_t end = log_end(rig->log);
        rig_append(rig, 1, 4 * MB); /* begins a segment */
        while (rig->cuts == 0)
            assert_true(rig_step(rig));
        met += rig->cut_end < end;
        assert_false(speaks_of_the_lost(rig));
        rig_run(rig, SECOND_NS);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
    assert_true(met > 0);
}
