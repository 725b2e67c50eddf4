/* epoch_test.c - what a follower does to a log: a batch may bring the epoch that it was written in,
 * and counts as durable only when the checkpoint knows that epoch (E-1). */
#include "rig.h"

#define SEEDS 30
#define END 4 /* of two batches of two records */

static void append_in_epoch(struct rig *rig, int32_t epoch)
{
    struct log_appended out;
    uint64_t body = rig->next_body;
    struct slice batch = rig_batch(rig, 2, 100, env_wall(rig->seat->env), -1, -1, -1);
    assert_non_null(batch.buf);
    log_append(rig->log, batch, epoch, env_wall(rig->seat->env), &out);
    for (int i = 0; out.verdict == LOG_APPENDED && i < 2; i++)
        rig->bodies[out.first + i] = body + (uint64_t)i;
    buf_release(batch.buf);
}

/* Where the log ends after a loss of power, when all of it was durable before. */
static int64_t end_after_power_loss(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    rig_ok(rig, rig_boot(rig));
    append_in_epoch(rig, 0);
    assert_true(rig_until_durable(rig));
    append_in_epoch(rig, 1); /* no leader here has begun that epoch */
    while (rig->seat != NULL && log_durable_end(rig->log) < END)
        rig_step(rig);
    assert_int_equal(log_durable_end(rig->log), END);
    rig_power(rig);
    rig_ok(rig, rig_boot(rig));
    int64_t end = log_end(rig->log);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
    return end;
}

TEST(an_epoch_that_came_with_a_batch_survives_power_loss)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        assert_int_equal(end_after_power_loss(seed), END);
}

/* While the checkpoint cannot be written, what is of the new epoch does not count, however often it
 * is synced; as soon as it can, it does, though nobody appends any more. */
TEST(an_epoch_whose_checkpoint_fails_counts_when_it_is_written_after_all)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct world_config config = {.seed = seed, .armed = UINT32_MAX};
        struct rig *rig = rig_new_with(&config);
        rig_ok(rig, rig_boot(rig));
        append_in_epoch(rig, 0);
        assert_true(rig_until_durable(rig));
        rig_harm(rig, "at 0s node 0 rate site=disk/rename rate=1000000");
        append_in_epoch(rig, 1);
        append_in_epoch(rig, 3);
        assert_true(rig_run(rig, 3000000000));
        assert_int_equal(log_written_end(rig->log), 6);
        assert_int_equal(log_durable_end(rig->log), 2);
        rig_heal(rig);
        assert_true(rig_until_durable(rig));
        rig_power(rig);
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(log_end(rig->log), 6);
        assert_int_equal(log_epoch_at(rig->log, 3), 1);
        assert_int_equal(log_epoch_at(rig->log, 4), 3);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}
