/* epoch_gap_test.c - what a follower will do to a log: a batch may bring the epoch that it was
 * written in. Expected to fail: it states what is lost today. */
#include <stdio.h>
#include "rig.h"
#include "support/expected.h"

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

TEST(expected_to_fail_an_epoch_that_came_with_a_batch_survives_power_loss)
{
    int64_t shortest = END;
    char seen[64];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        int64_t end = end_after_power_loss(seed);
        shortest = MIN(shortest, end);
    }
    snprintf(seen, sizeof seen, "of %d durable records %d are there", END, (int)shortest);
    test_expected_to_fail(ISSUE_BROKER, shortest == END, seen, "of 4 durable records 2 are there");
}
