/* advance_test.c - a log start that moves on inside of a segment: what is below it is gone for
 * good, whatever happens, and what is above it is there. */
#include <stdlib.h>
#include "log/internal.h"
#include "leader.h"

static struct leader *boot(struct rig **out, uint64_t seed)
{
    struct leader *l = leader_new(seed, false);
    struct rig *rig = *out = rig_new(seed);
    enum err e;
    rig->config.segment_bytes = 4096;
    rig->birth.leader_epoch = -1;
    for (int i = 0; i < 40; i++)
        leader_append(l);
    rig_ok(rig, rig_boot(rig));
    assert_true(leader_follow(l, rig, 5, &e));
    assert_true(rig_until_durable(rig));
    return l;
}

static void leave(struct rig *rig, struct leader *l)
{
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
    free(l);
}

struct one_read {
    struct log_read read;
    bool done;
    enum err e;
};

static void on_read(struct log_op *op, enum err e)
{
    struct log_read *read = CONTAINER_OF(op, struct log_read, op);
    struct one_read *one = CONTAINER_OF(read, struct one_read, read);
    one->done = true;
    one->e = e;
}

static enum err read_at(struct rig *rig, int64_t offset)
{
    struct one_read one = {
        .read = {
            .offset = offset, .offset_end = INT64_MAX, .bytes_max = 100, .at_least_one = true}};
    log_read(rig->log, &one.read, on_read);
    assert_true(rig_until(rig, &one.done));
    log_read_release(&one.read);
    return one.e;
}

TEST(a_start_inside_of_a_segment_stays_where_it_is)
{
    struct rig *rig;
    struct leader *l = boot(&rig, 1);
    int64_t to = l->batches[25].last;
    int32_t segments = rig->log->segment_count;
    rig_ok(rig, rig_advance(rig, to));
    assert_int_equal(log_start(rig->log), to);
    assert_int_equal(log_local_start(rig->log), to);
    assert_int_equal(TEST_COLUMN(&rig->last[TRACE_LOG_START], LOG_START, reason), LOG_START_ASKED);
    rig_ok(rig, rig_advance(rig, to - 1)); /* never back */
    assert_int_equal(log_start(rig->log), to);
    assert_int_equal(read_at(rig, to - 1), ERR_RANGE);
    assert_int_equal(read_at(rig, to), ERR_NONE);
    assert_int_equal(rig_advance(rig, l->end + 1), ERR_RANGE);
    rig_power(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_start(rig->log), to);
    leader_check(l, rig);
    assert_int_equal(rig->log->segment_count, segments);
    log_retain(rig->log, l->end, env_wall(rig->seat->env));
    assert_true(rig_run(rig, 5000000000));
    assert_true(rig->log->segment_count < segments);
    assert_true(rig->log->segments[0]->base <= to);
    assert_true(rig->log->segments[0]->next > to);
    assert_int_equal(log_start(rig->log), to);
    leader_check(l, rig);
    leave(rig, l);
}

TEST(a_start_may_be_the_end)
{
    struct rig *rig;
    struct leader *l = boot(&rig, 1);
    enum err e;
    rig_ok(rig, rig_advance(rig, l->end));
    assert_int_equal(log_start(rig->log), log_end(rig->log));
    leader_append(l);
    assert_true(leader_follow(l, rig, 1, &e));
    assert_true(rig_until_durable(rig));
    rig_kill(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_start(rig->log), l->batches[40].base);
    leader_check(l, rig);
    leave(rig, l);
}

/* Two who ask at once, and retention, which writes the same checkpoint. */
TEST(starts_that_are_asked_for_at_once)
{
    struct rig *rig;
    struct leader *l = boot(&rig, 3);
    struct rig_op op[2] = {0};
    rig->config.retention_bytes = 12000;
    log_reconfigure(rig->log, &rig->config);
    log_retain(rig->log, l->end, env_wall(rig->seat->env));
    log_advance_start(rig->log, l->batches[30].base + 1, &op[0].op, rig_log_done);
    log_advance_start(rig->log, l->batches[20].base, &op[1].op, rig_log_done);
    assert_true(rig_until(rig, &op[0].done));
    assert_true(rig_until(rig, &op[1].done));
    assert_ok(op[0].e);
    assert_ok(op[1].e);
    assert_true(rig_run(rig, 5000000000));
    assert_int_equal(log_start(rig->log), l->batches[30].base + 1);
    rig_power(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_start(rig->log), l->batches[30].base + 1);
    leader_check(l, rig);
    leave(rig, l);
}

/* What would be left begins inside of what was deleted before. */
TEST(a_truncation_into_the_batch_of_the_start_leaves_an_empty_log)
{
    struct rig *rig;
    struct leader *l = boot(&rig, 2);
    int i = 20;
    enum err e;
    while (l->batches[i].last < l->batches[i].base + 2)
        i++;
    int64_t start = l->batches[i].base + 1;
    rig_ok(rig, rig_advance(rig, start));
    rig_ok(rig, rig_truncate(rig, start + 1));
    assert_int_equal(log_start(rig->log), start);
    assert_int_equal(log_end(rig->log), start);
    assert_int_equal(log_bytes(rig->log), 0);
    assert_int_equal(rig_truncate(rig, start - 1), ERR_RANGE);
    rig_power(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_start(rig->log), start);
    assert_int_equal(log_end(rig->log), start);
    /* The leader's batch begins below: the log does, too, and its start moves on again. */
    rig_ok(rig, rig_reset(rig, l->batches[i].base));
    assert_true(leader_follow(l, rig, 4, &e));
    rig_ok(rig, rig_advance(rig, start));
    assert_true(rig_until_durable(rig));
    leader_check(l, rig);
    leave(rig, l);
}

TEST(a_start_that_cannot_be_written_down_stays)
{
    struct rig *rig;
    struct leader *l = boot(&rig, 2);
    rig_harm(rig, "at 0s node 0 disk full bytes=0");
    assert_int_equal(rig_advance(rig, l->batches[20].base), ERR_NOSPACE);
    assert_int_equal(log_start(rig->log), 0);
    rig_heal(rig);
    rig_ok(rig, rig_advance(rig, l->batches[20].base));
    rig_kill(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_start(rig->log), l->batches[20].base);
    leader_check(l, rig);
    leave(rig, l);
}

static bool advance_until(struct rig *rig, int64_t to, int k, bool power, bool *told)
{
    rig_start(rig);
    rig_doom(rig, k);
    enum err e = rig_open_dir(rig);
    if (e == ERR_NONE)
        e = rig_open_log(rig);
    if (e == ERR_NONE)
        e = rig_advance(rig, to);
    if (rig->seat != NULL)
        rig_ok(rig, e);
    *told = e == ERR_NONE;
    if (rig->seat == NULL && power)
        rig_start(rig);
    else if (rig->seat == NULL)
        return true;
    bool met = !*told;
    if (power)
        rig_power(rig);
    else
        rig_kill(rig);
    return met;
}

static void die_at_every_operation(bool power)
{
    bool met = true;
    for (int k = 1; met; k++) {
        struct rig *rig;
        struct leader *l = boot(&rig, (uint64_t)k);
        int64_t to = l->batches[25].base + 1;
        bool told[2];
        rig_ok(rig, rig_close(rig));
        met = advance_until(rig, to, k, power, &told[0]);
        advance_until(rig, to + 10, k, power, &told[1]);
        rig_ok(rig, rig_boot(rig));
        assert_true(!told[0] || log_start(rig->log) >= to);
        assert_true(!told[1] || log_start(rig->log) == to + 10);
        assert_int_equal(log_end(rig->log), l->end);
        leader_check(l, rig);
        leave(rig, l);
    }
}

TEST(death_at_every_operation_of_a_start_that_moves_on)
{
    die_at_every_operation(false);
    die_at_every_operation(true);
}
