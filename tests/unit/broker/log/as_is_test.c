/* as_is_test.c - a follower's log: what a leader has is appended byte for byte, with its offsets
 * and epochs, and what would make it another log is refused. */
#include <stdlib.h>
#include "leader.h"

static struct rig *boot(uint64_t seed, bool gaps)
{
    struct rig *rig = rig_new(seed);
    rig->config.segment_bytes = 4096;
    rig->config.index_interval_bytes = 512;
    rig->config.dense = !gaps;
    rig->birth.leader_epoch = -1;
    rig_ok(rig, rig_boot(rig));
    return rig;
}

static struct leader *some_leader(uint64_t seed, bool gaps)
{
    struct leader *l = leader_new(seed, gaps);
    for (int i = 0; i < 60; i++) {
        l->epoch += i % 7 == 6;
        leader_append(l);
    }
    return l;
}

static enum err take(struct rig *rig, const struct leader *l, int batch, int count,
                     struct log_taken *out)
{
    struct slice batches = leader_fetch(l, rig, batch, count);
    assert_non_null(batches.buf);
    enum err e = log_append_as_is(rig->log, batches, l->epoch, out, &rig->msg);
    buf_release(batches.buf);
    return e;
}

static void take_all(struct rig *rig, const struct leader *l, int count)
{
    struct log_taken taken;
    while (log_end(rig->log) < l->end) {
        rig_ok(rig, take(rig, l, leader_find(l, log_end(rig->log)), count, &taken));
        assert_int_equal(taken.last, log_end(rig->log) - 1);
    }
}

static void leave(struct rig *rig, struct leader *l)
{
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
    free(l);
}

/* Whatever the pieces in which it comes, and after each kind of end. */
static void becomes_the_leaders(uint64_t seed, bool gaps)
{
    static const int counts[] = {1, 5, 100};
    struct leader *l = some_leader(seed, gaps);
    struct rig *rig = boot(seed, gaps);
    take_all(rig, l, counts[seed % 3]);
    leader_check(l, rig);
    assert_true(rig_until_durable(rig));
    rig_check_inside(rig);
    leader_check(l, rig);
    for (int life = 0; life < 3; life++) {
        if (life == 0)
            rig_power(rig);
        else if (life == 1)
            rig_kill(rig);
        else
            rig_ok(rig, rig_close(rig));
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(log_end(rig->log), l->end);
        leader_check(l, rig);
        rig_check_inside(rig);
    }
    for (int i = 0; i < 5; i++)
        leader_append(l);
    take_all(rig, l, 2);
    leader_check(l, rig);
    leave(rig, l);
}

TEST(a_follower_has_its_leaders_bytes_and_epochs)
{
    for (uint64_t seed = 1; seed <= 30; seed++)
        becomes_the_leaders(seed, false);
}

TEST(a_follower_of_a_log_with_gaps_has_them_too)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        becomes_the_leaders(seed, true);
}

/* More batches than one append takes, and a batch that the fetch has cut off at its end. */
TEST(a_fetch_of_many_batches_ends_anywhere)
{
    struct leader *l = leader_new(3, false);
    for (int i = 0; i < 150; i++)
        leader_append(l);
    struct rig *rig = boot(3, false);
    rig->config.segment_bytes = 1 << 20;
    log_reconfigure(rig->log, &rig->config);
    struct log_taken taken;
    struct slice all = leader_fetch(l, rig, 0, 150);
    all.size -= 1;
    rig_ok(rig, log_append_as_is(rig->log, all, 0, &taken, &rig->msg));
    assert_int_equal(taken.first, 0);
    assert_int_equal(taken.last, l->batches[148].last);
    assert_int_equal(taken.bytes, l->batches[149].at);
    buf_release(all.buf);
    take_all(rig, l, 1);
    leader_check(l, rig);
    leave(rig, l);
}

/* KAFKA-18723: what a later leader wrote is asked of that leader. */
TEST(batches_of_a_later_epoch_than_the_leaders_are_left)
{
    struct leader *l = leader_new(3, false);
    leader_append(l);
    leader_append(l);
    l->epoch = 1;
    leader_append(l);
    struct rig *rig = boot(3, false);
    struct log_taken taken;
    struct slice all = leader_fetch(l, rig, 0, 3);
    rig_ok(rig, log_append_as_is(rig->log, all, 0, &taken, &rig->msg));
    assert_int_equal(taken.bytes, l->batches[2].at);
    assert_int_equal(log_end(rig->log), l->batches[2].base);
    buf_release(all.buf);
    leave(rig, l);
}

/* Damages the second of three batches; the first is taken, and the log goes on. */
static void refuses(size_t at, uint8_t flip, enum err expected, const char *word)
{
    struct leader *l = leader_new(9, false);
    for (int i = 0; i < 3; i++) {
        l->epoch = 4;
        leader_append(l);
    }
    struct rig *rig = boot(9, false);
    struct log_taken taken;
    struct slice all = leader_fetch(l, rig, 0, 3);
    all.data[l->batches[1].at + at] ^= flip;
    assert_int_equal(log_append_as_is(rig->log, all, 4, &taken, &rig->msg), expected);
    if (strstr(rig->msg.text, word) == NULL)
        fail_msg("%s", rig->msg.text);
    assert_int_equal(taken.bytes, l->batches[1].at);
    assert_int_equal(log_end(rig->log), l->batches[1].base);
    buf_release(all.buf);
    take_all(rig, l, 1);
    leader_check(l, rig);
    leave(rig, l);
}

TEST(what_would_make_it_another_log_is_refused_with_a_sentence)
{
    refuses(7, 0x40, ERR_RANGE, "missing");    /* a base offset that is too great */
    refuses(15, 0x04, ERR_INVALID, "epoch 0"); /* an epoch that goes back */
    refuses(16, 0x01, ERR_CORRUPT, "magic");
    refuses(40, 0x01, ERR_CORRUPT, "checksum");
}

TEST(a_batch_below_the_end_is_refused)
{
    struct leader *l = some_leader(1, false);
    struct rig *rig = boot(1, false);
    struct log_taken taken;
    rig_ok(rig, take(rig, l, 0, 3, &taken));
    assert_int_equal(take(rig, l, 2, 3, &taken), ERR_RANGE);
    assert_int_equal(taken.bytes, 0);
    assert_non_null(strstr(rig->msg.text, "has all below"));
    leave(rig, l);
}

TEST(the_first_batch_must_be_whole)
{
    struct leader *l = some_leader(1, false);
    struct rig *rig = boot(1, false);
    struct log_taken taken;
    struct slice all = leader_fetch(l, rig, 0, 1);
    all.size -= 1;
    assert_int_equal(log_append_as_is(rig->log, all, 0, &taken, &rig->msg), ERR_CORRUPT);
    buf_release(all.buf);
    leave(rig, l);
}

/* A log that is dense does not take what a compacted one holds. */
TEST(a_gap_is_refused_by_a_dense_log)
{
    struct leader *l = some_leader(5, true);
    struct rig *rig = boot(5, false);
    struct log_taken taken;
    enum err e = ERR_NONE;
    while (e == ERR_NONE)
        e = take(rig, l, leader_find(l, log_end(rig->log)), 1, &taken);
    assert_int_equal(e, ERR_RANGE);
    leave(rig, l);
}

/* Offsets further apart than an index can tell begin another segment. */
TEST(a_gap_of_billions_of_offsets_is_taken)
{
    struct leader *l = leader_new(2, true);
    for (int i = 0; i < 12; i++) {
        leader_append(l);
        l->end += i % 3 == 2 ? 3000000000 : 0;
    }
    l->end = l->batches[l->count - 1].last + 1;
    struct rig *rig = boot(2, true);
    struct log_taken taken;
    int waits = 0;
    while (log_end(rig->log) < l->end) {
        enum err e = take(rig, l, leader_find(l, log_end(rig->log)), 100, &taken);
        assert_true(e == ERR_NONE || e == ERR_BUSY);
        waits += e == ERR_BUSY;
        if (e == ERR_BUSY)
            assert_true(rig_until_durable(rig));
    }
    assert_int_equal(waits, 3);
    leader_check(l, rig);
    assert_true(rig_until_durable(rig));
    rig_power(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_end(rig->log), l->end);
    leader_check(l, rig);
    leave(rig, l);
}

/* A write that fails takes batches of several producers back, and all they brought. */
TEST(what_a_full_disk_did_not_take_is_taken_back_and_taken_later)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct leader *l = some_leader(seed, seed % 2 == 0);
        struct rig *rig = boot(seed, seed % 2 == 0);
        struct log_taken taken;
        rig_harm(rig, "at 0s node 0 disk full bytes=9000");
        for (int i = 0; i < 12 && log_end(rig->log) < l->end; i++) {
            enum err e = take(rig, l, leader_find(l, log_end(rig->log)), 10, &taken);
            assert_true(e == ERR_NONE || e == ERR_NOSPACE);
            rig_run(rig, 100000000);
        }
        assert_true(rig->cuts > 0);
        assert_int_equal(log_written_end(rig->log), log_end(rig->log));
        leader_check(l, rig);
        rig_check_inside(rig);
        rig_heal(rig);
        assert_true(rig_run(rig, 2000000000));
        take_all(rig, l, 10);
        assert_true(rig_until_durable(rig));
        leader_check(l, rig);
        rig_check_inside(rig);
        leave(rig, l);
    }
}

/* The leader goes on while the follower dies at the k-th operation. True: it met it. */
static bool follow_until(struct rig *rig, struct leader *l, int k, bool power)
{
    struct log_taken taken;
    rig_start(rig);
    rig_doom(rig, k);
    enum err e = rig_open_dir(rig);
    if (e == ERR_NONE)
        e = rig_open_log(rig);
    if (rig->seat != NULL)
        rig_ok(rig, e);
    for (int i = 0; i < 12 && rig->log != NULL; i++) {
        leader_append(l);
        leader_append(l);
        l->epoch += i % 5 == 4;
        rig_ok(rig, take(rig, l, leader_find(l, log_end(rig->log)), 3, &taken));
        if (i % 3 == 2)
            rig_until_durable(rig);
        else
            rig_step(rig);
    }
    if (rig->seat == NULL) {
        if (power)
            rig_start(rig);
        if (power)
            rig_power(rig);
        return true;
    }
    if (power)
        rig_power(rig);
    else
        rig_kill(rig);
    return false;
}

static void die_at_every_operation(bool gaps, bool power)
{
    bool met = true;
    for (int k = 1; met; k++) {
        struct leader *l = leader_new((uint64_t)k, gaps);
        struct rig *rig = rig_new((uint64_t)k);
        rig->config.segment_bytes = 8192;
        rig->dir_config.checkpoint_bytes = 3000;
        rig->config.dense = !gaps;
        rig->birth.leader_epoch = -1;
        follow_until(rig, l, 60, power);
        met = follow_until(rig, l, k, power);
        follow_until(rig, l, k, power);
        rig_ok(rig, rig_boot(rig));
        assert_true(log_end(rig->log) >= rig->durable);
        leader_check(l, rig);
        rig_check_inside(rig);
        take_all(rig, l, 4);
        assert_true(rig_until_durable(rig));
        leader_check(l, rig);
        rig_close_sound(rig);
        rig_free(rig);
        free(l);
    }
}

TEST(a_follower_that_dies_at_any_operation_loses_nothing_durable)
{
    die_at_every_operation(false, false);
    die_at_every_operation(true, false);
}

TEST(a_follower_that_loses_power_at_any_operation_loses_nothing_durable)
{
    die_at_every_operation(false, true);
    die_at_every_operation(true, true);
}
