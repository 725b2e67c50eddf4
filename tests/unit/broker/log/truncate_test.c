/* truncate_test.c - a log that ends earlier, or begins anew elsewhere: what is left of it is what
 * was there before, in every respect, and a follower that has parted from its leader is the same
 * again. */
#include <stdlib.h>
#include "log/internal.h"
#include "leader.h"

static struct rig *rig_of(uint64_t seed, bool gaps)
{
    struct world_config config = {.seed = seed, .armed = UINT32_MAX, .assert_leaks = true};
    struct rig *rig = rig_new_with(&config);
    rig->config.segment_bytes = 4096;
    rig->config.index_interval_bytes = 512;
    rig->dir_config.checkpoint_bytes = 5000;
    rig->config.dense = !gaps;
    rig->birth.leader_epoch = -1;
    return rig;
}

static void lead(struct leader *l, int batches)
{
    for (int i = 0; i < batches; i++) {
        l->epoch += random_chance(rng_next(&l->rng), 1, 8);
        leader_append(l);
    }
}

/* What a leader that had less would have led to. */
static void part(struct leader *l)
{
    int64_t end = 0;
    if (l->count > 0)
        end = l->batches[random_below(rng_next(&l->rng), (uint64_t)l->count)].base;
    leader_cut(l, end);
    l->epoch += 1 + (int32_t)random_below(rng_next(&l->rng), 2);
    lead(l, (int)random_below(rng_next(&l->rng), 30));
}

static void follow(const struct leader *l, struct rig *rig, int count)
{
    enum err e;
    bool done = leader_follow(l, rig, count, &e);
    rig_ok(rig, e);
    assert_true(done);
    assert_int_equal(log_end(rig->log), l->end);
}

static void check_all(const struct leader *l, struct rig *rig)
{
    assert_true(rig_until_durable(rig));
    assert_int_equal(log_durable_end(rig->log), l->end);
    leader_check(l, rig);
    rig_check_inside(rig);
    rig_check_files(rig);
}

static void leave(struct rig *rig, struct leader *l)
{
    if (rig->seat != NULL)
        rig_ok(rig, rig_close(rig));
    rig_free(rig);
    free(l);
}

static void part_and_follow(uint64_t seed, bool gaps)
{
    struct leader *l = leader_new(seed, gaps);
    struct rig *rig = rig_of(seed, gaps);
    rig_ok(rig, rig_boot(rig));
    lead(l, 40);
    for (int i = 0; i < 8; i++) {
        follow(l, rig, 1 + (int)random_below(rng_next(&l->rng), 9));
        if (random_chance(rng_next(&l->rng), 1, 2))
            check_all(l, rig);
        if (random_chance(rng_next(&l->rng), 1, 3)) {
            rig_ok(rig, rig_close(rig));
            rig_ok(rig, rig_boot(rig));
        }
        part(l);
    }
    follow(l, rig, 3);
    check_all(l, rig);
    rig->durable = 0;
    rig_power(rig);
    rig_ok(rig, rig_boot(rig));
    check_all(l, rig);
    leave(rig, l);
}

TEST(a_follower_equals_its_leader_however_often_they_part)
{
    for (uint64_t seed = 1; seed <= 60; seed++)
        part_and_follow(seed, seed % 2 == 0);
}

/* ---- what a truncation says and does ---- */

/* A log of batches of epoch 0 and, from the batch `second` on, 1. */
static struct leader *two_epochs(struct rig *rig, int batches, int second)
{
    struct leader *l = leader_new(5, false);
    for (int i = 0; i < batches; i++) {
        l->epoch = i >= second;
        leader_append(l);
    }
    rig_ok(rig, rig_boot(rig));
    follow(l, rig, 5);
    assert_true(rig_until_durable(rig));
    return l;
}

TEST(a_truncation_takes_all_that_knows_of_the_end_with_it)
{
    struct rig *rig = rig_of(1, false);
    struct leader *l = two_epochs(rig, 60, 30);
    int64_t to = l->batches[20].base;
    log_note_high_watermark(rig->log, l->end);
    uint64_t generation = log_generation(rig->log);
    assert_true(rig->log->segment_count > 3);
    rig_ok(rig, rig_truncate(rig, to));
    assert_int_equal(log_end(rig->log), to);
    assert_int_equal(log_written_end(rig->log), to);
    assert_int_equal(log_durable_end(rig->log), to);
    assert_true(rig->log->recovery_point <= to);
    assert_int_equal(rig->log->high_watermark, to);
    assert_int_equal(log_latest_epoch(rig->log), 0);
    assert_true(log_generation(rig->log) > generation);
    assert_int_equal(rig->cut_end, to);
    assert_int_equal(rig->cuts, 1);
    assert_int_equal(TEST_COLUMN(&rig->last[TRACE_LOG_CUT], LOG_CUT, end), to);
    assert_int_equal(TEST_COLUMN(&rig->last[TRACE_LOG_CUT], LOG_CUT, was), l->end);
    assert_int_equal(TEST_COLUMN(&rig->last[TRACE_LOG_CUT], LOG_CUT, reason), LOG_CUT_ASKED);
    while (rig->log->sealing != NULL) /* of those that are full an index is being saved */
        assert_true(rig_step(rig));
    assert_int_equal(rig_count(rig, "data/orders-0", ".log"), rig->log->segment_count);
    assert_int_equal(rig_count(rig, "data/orders-0", ".index"), rig->log->segment_count - 1);
    for (int i = 0; i < rig->log->snapshot_count; i++)
        assert_true(rig->log->snapshots[i] <= to);
    leader_cut(l, to);
    check_all(l, rig);
    leave(rig, l);
}

/* KAFKA-10706. */
TEST(an_epoch_that_begins_at_the_end_is_forgotten)
{
    struct rig *rig = rig_of(1, false);
    struct leader *l = two_epochs(rig, 10, 10);
    struct rig_op op = {0};
    uint64_t generation = log_generation(rig->log);
    log_assign_epoch(rig->log, 7, &op.op, rig_log_done);
    assert_true(rig_until(rig, &op.done));
    assert_int_equal(log_latest_epoch(rig->log), 7);
    rig_ok(rig, rig_truncate(rig, l->end));
    assert_int_equal(log_latest_epoch(rig->log), 0);
    assert_int_equal(log_generation(rig->log), generation);
    assert_int_equal(rig->cuts, 0);
    rig_power(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_latest_epoch(rig->log), 0);
    check_all(l, rig);
    leave(rig, l);
}

TEST(a_truncation_inside_of_a_batch_ends_where_it_begins)
{
    struct rig *rig = rig_of(1, false);
    struct leader *l = two_epochs(rig, 30, 30);
    int i = 0;
    while (l->batches[i].last == l->batches[i].base || i < 10)
        i++;
    rig_ok(rig, rig_truncate(rig, l->batches[i].last));
    assert_int_equal(log_end(rig->log), l->batches[i].base);
    leader_cut(l, l->batches[i].base);
    check_all(l, rig);
    leave(rig, l);
}

TEST(a_truncation_below_the_start_is_refused)
{
    struct rig *rig = rig_of(1, false);
    struct leader *l = two_epochs(rig, 30, 30);
    assert_int_equal(rig_truncate(rig, -1), ERR_RANGE);
    assert_non_null(strstr(rig->msg.text, "cannot end at -1"));
    leave(rig, l);
}

/* One after the other, and nothing else meanwhile. */
TEST(a_log_that_is_truncated_takes_nothing)
{
    struct rig *rig = rig_of(1, false);
    struct leader *l = two_epochs(rig, 30, 30);
    struct rig_op op[3] = {0};
    struct log_taken taken;
    log_truncate(rig->log, 0, &op[0].op, rig_log_done);
    log_truncate(rig->log, 0, &op[1].op, rig_log_done);
    log_assign_epoch(rig->log, 9, &op[2].op, rig_log_done);
    assert_int_equal(op[1].e, ERR_BUSY);
    assert_int_equal(op[2].e, ERR_BUSY);
    struct slice batch = leader_fetch(l, rig, 0, 1);
    assert_int_equal(log_append_as_is(rig->log, batch, 1, &taken, &rig->msg), ERR_OFFLINE);
    buf_release(batch.buf);
    assert_true(rig_until(rig, &op[0].done));
    rig_ok(rig, op[0].e);
    assert_int_equal(log_end(rig->log), 0);
    follow(l, rig, 4);
    check_all(l, rig);
    leave(rig, l);
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

/* At whatever moment of a truncation a read begins, it gives what was or is there, or says that it
 * cannot; the log is never taken for a damaged one. */
TEST(reads_during_a_truncation)
{
    int cancelled = 0;
    for (int step = 0; step < 60; step++) {
        struct rig *rig = rig_of((uint64_t)step, false);
        struct leader *l = two_epochs(rig, 40, 40);
        struct rig_op op = {0};
        struct one_read one = {
            .read = {.offset = l->batches[20].base, .offset_end = INT64_MAX, .bytes_max = 100000}};
        rig_ok(rig, rig_close(rig));
        rig_ok(rig, rig_boot(rig));
        log_truncate(rig->log, l->batches[step % 2 == 0 ? 21 : 20].base, &op.op, rig_log_done);
        for (int i = 0; i < step && !op.done; i++)
            rig_step(rig);
        log_read(rig->log, &one.read, on_read);
        assert_true(rig_until(rig, &one.done));
        assert_true(rig_until(rig, &op.done));
        rig_ok(rig, op.e);
        cancelled += one.e == ERR_CANCELLED;
        assert_true(one.e == ERR_NONE || one.e == ERR_CANCELLED || one.e == ERR_RANGE);
        assert_ok(log_status(rig->log));
        if (one.e == ERR_NONE)
            log_read_release(&one.read);
        leave(rig, l);
    }
    assert_true(cancelled > 0);
}

/* ---- death at every operation ---- */

/* What was there first, what it is to become, and how far they are the same. */
struct branches {
    struct leader *old, *now;
    int64_t common;
};

static struct branches fork_at(uint64_t seed, bool gaps)
{
    struct branches b = {.old = leader_new(seed, gaps), .now = leader_new(seed, gaps)};
    lead(b.old, 40);
    *b.now = *b.old;
    int at = 8 + (int)random_below(rng_next(&b.now->rng), 30);
    b.common = b.now->batches[at].base;
    leader_cut(b.now, b.common);
    b.common = b.now->end;
    b.now->epoch += 1;
    lead(b.now, 20);
    return b;
}

/* True: the node is down already. */
static bool go_down(struct rig *rig, bool power)
{
    if (rig->seat != NULL) {
        if (power)
            rig_power(rig);
        else
            rig_kill(rig);
        return false;
    }
    if (power) { /* what the dead node had not made durable goes, too */
        rig_start(rig);
        rig_power(rig);
    }
    return true;
}

/* Starts a life that ends at the k-th operation, and opens the log. */
static void open_doomed(struct rig *rig, int k)
{
    rig_start(rig);
    rig_doom(rig, k);
    enum err e = rig_open_dir(rig);
    if (e == ERR_NONE)
        e = rig_open_log(rig);
    if (rig->seat != NULL)
        rig_ok(rig, e);
}

static bool truncate_until(int64_t to, struct rig *rig, int k, bool power)
{
    open_doomed(rig, k);
    if (rig->seat != NULL) {
        enum err e = rig_truncate(rig, to);
        if (rig->seat != NULL)
            rig_ok(rig, e);
    }
    return go_down(rig, power);
}

/* A truncation that has come halfway has left a log that only ends later. */
static bool follow_until(const struct branches *b, struct rig *rig, int k, bool power)
{
    open_doomed(rig, k);
    if (rig->seat != NULL) {
        assert_null(log_notice(rig->log));
        assert_true(log_end(rig->log) >= b->common);
        leader_check(b->old, rig);
    }
    if (rig->seat != NULL) {
        enum err e;
        leader_follow(b->now, rig, 3, &e);
        if (rig->seat != NULL)
            rig_ok(rig, e);
    }
    return go_down(rig, power);
}

static void die_at_every_operation(uint64_t seed, bool gaps, bool power)
{
    bool met = true;
    for (int k = 1; met; k++) {
        struct branches b = fork_at(seed, gaps);
        struct rig *rig = rig_of((uint64_t)k, gaps);
        rig_ok(rig, rig_boot(rig));
        follow(b.old, rig, 6);
        assert_true(rig_until_durable(rig));
        if (seed % 2 == 0)
            rig_ok(rig, rig_close(rig));
        else
            go_down(rig, power);
        met = truncate_until(b.common, rig, k, power);
        met |= follow_until(&b, rig, k, power);
        rig_ok(rig, rig_boot(rig));
        assert_true(log_end(rig->log) >= b.common);
        follow(b.now, rig, 3);
        check_all(b.now, rig);
        free(b.old);
        leave(rig, b.now);
    }
}

TEST(a_kill_at_every_operation_of_a_truncation)
{
    die_at_every_operation(1, false, false);
    die_at_every_operation(2, true, false);
}

TEST(a_power_loss_at_every_operation_of_a_truncation)
{
    die_at_every_operation(1, false, true);
    die_at_every_operation(2, true, true);
}

/* ---- resets ---- */

/* Of a leader whose log begins there. */
static struct leader *leader_from(uint64_t seed, int64_t start)
{
    struct leader *l = leader_new(seed, false);
    l->end = start;
    l->epoch = 20;
    lead(l, 20);
    return l;
}

static int64_t some_start(const struct leader *l, int which)
{
    switch (which) {
    case 0:
        return 0; /* where a segment begins already */
    case 1:
        return l->end / 2;
    case 2:
        return l->end;
    default:
        return l->end + 1000;
    }
}

TEST(a_log_begins_anew_anywhere)
{
    for (int which = 0; which < 4; which++) {
        struct rig *rig = rig_of((uint64_t)which, false);
        struct leader *l = two_epochs(rig, 60, 30);
        int64_t start = some_start(l, which);
        log_note_high_watermark(rig->log, l->end);
        rig_ok(rig, rig_reset(rig, start));
        assert_int_equal(log_start(rig->log), start);
        assert_int_equal(log_end(rig->log), start);
        assert_int_equal(log_durable_end(rig->log), start);
        assert_int_equal(log_latest_epoch(rig->log), -1);
        assert_int_equal(log_bytes(rig->log), 0);
        assert_int_equal(rig->cut_end, start);
        assert_int_equal(rig_count(rig, "data/orders-0", ".log"), 1);
        assert_int_equal(rig_count(rig, "data/orders-0", ".index"), 0);
        assert_int_equal(rig_count(rig, "data/orders-0", ".snapshot"), 0);
        struct leader *other = leader_from(3, start);
        follow(other, rig, 4);
        check_all(other, rig);
        rig_power(rig);
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(log_start(rig->log), start);
        check_all(other, rig);
        free(l);
        leave(rig, other);
    }
}

/* Back in an even life, when it was far ahead in an odd one. */
static void reset_until(struct rig *rig, int64_t start, int k, bool power, bool *met)
{
    open_doomed(rig, k);
    if (rig->seat != NULL) {
        enum err e = rig_reset(rig, start);
        if (rig->seat != NULL)
            rig_ok(rig, e);
    }
    *met = go_down(rig, power);
}

static void die_at_every_operation_of_a_reset(int which, bool power, uint64_t seed)
{
    bool met = true;
    for (int k = 1; met; k += TEST_SEARCH(1, 3)) {
        struct rig *rig = rig_of(seed + (uint64_t)k, false);
        struct leader *l = two_epochs(rig, 40, 20);
        int64_t start = some_start(l, which);
        bool again;
        rig_ok(rig, rig_close(rig));
        reset_until(rig, start, k, power, &met);
        reset_until(rig, which == 3 ? 7 : start, k, power, &again);
        rig_ok(rig, rig_boot(rig));
        assert_null(log_notice(rig->log));
        int64_t now = log_start(rig->log);
        if (now != start && log_end(rig->log) > now)
            leader_check(l, rig);
        rig_ok(rig, rig_reset(rig, start));
        struct leader *other = leader_from(3, start);
        follow(other, rig, 4);
        check_all(other, rig);
        rig_power(rig);
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(log_start(rig->log), start);
        check_all(other, rig);
        free(l);
        leave(rig, other);
    }
}

TEST(a_kill_at_every_operation_of_a_reset)
{
    for (int which = 0; which < 4; which++)
        die_at_every_operation_of_a_reset(which, false, 0);
}

TEST(a_power_loss_at_every_operation_of_a_reset)
{
    for (int which = 0; which < 4; which++)
        die_at_every_operation_of_a_reset(which, true, 0);
    for (uint64_t seed = 100; seed < 300; seed += 100)
        die_at_every_operation_of_a_reset(1, true, seed);
}

/* ---- disks that fail ---- */

/* Whatever fails in the midst: the operation says so, and the log goes on as it was or is offline;
 * after a restart it is the leader's in the end. */
static void fail_in_the_midst(uint64_t seed, const char *harm, int *failures)
{
    struct branches b = fork_at(seed, seed % 2 == 0);
    struct rig *rig = rig_of(seed, seed % 2 == 0);
    enum err e;
    rig_ok(rig, rig_boot(rig));
    follow(b.old, rig, 6);
    assert_true(rig_until_durable(rig));
    rig_harm(rig, harm);
    int64_t end = log_end(rig->log);
    leader_follow(b.now, rig, 3, &e);
    *failures += e != ERR_NONE;
    if (e != ERR_NONE && log_status(rig->log) == ERR_NONE && rig->cuts == 0)
        assert_int_equal(log_end(rig->log), end);
    if (e == ERR_NONE)
        rig_run(rig, 1000000000);
    rig_heal(rig);
    if (log_status(rig->log) != ERR_NONE || dir_status(rig->dir) != ERR_NONE || seed % 3 == 0) {
        go_down(rig, seed % 4 < 2);
        rig_ok(rig, rig_boot(rig));
    } else {
        assert_true(rig_run(rig, 2000000000)); /* a repair may be under way */
    }
    assert_true(log_end(rig->log) >= b.common);
    follow(b.now, rig, 3);
    check_all(b.now, rig);
    free(b.old);
    leave(rig, b.now);
}

TEST(a_truncation_on_a_disk_that_fails_loses_nothing_silently)
{
    static const char *const harms[] = {
        "at 0s node 0 disk full bytes=0",
        "at 0s node 0 disk full bytes=3000",
        "at 0s node 0 disk sync_fails times=1",
        "at 0s node 0 disk sync_fails times=1 file=.log",
        "at 0s node 0 disk write_fails times=1",
        "at 0s node 0 rate site=disk/unlink rate=200000",
        "at 0s node 0 rate site=disk/rename rate=500000",
        "at 0s node 0 rate site=disk/sync_dir rate=200000",
        "at 0s node 0 rate site=disk/open rate=300000",
        "at 0s node 0 rate site=disk/read rate=300000",
    };
    for (int i = 0; i < COUNT_OF(harms); i++) {
        int failures = 0;
        for (uint64_t seed = 1; seed <= 20; seed++)
            fail_in_the_midst(seed, harms[i], &failures);
        if (failures == 0)
            fail_msg("%s has harmed nobody", harms[i]);
    }
}

/* ---- in the midst of something else ---- */

/* A checkpoint that says more than the log has had since would show what nobody has agreed to. */
TEST(a_high_watermark_above_the_end_does_not_come_back)
{
    struct rig *rig = rig_of(1, false);
    struct leader *l = two_epochs(rig, 40, 40);
    int64_t to = l->batches[20].base;
    log_note_high_watermark(rig->log, l->end);
    assert_true(rig_run(rig, 6000000000)); /* it has been written */
    lead(l, 1);
    follow(l, rig, 1);
    assert_true(rig_run(rig, 2000000000));
    rig_ok(rig, rig_truncate(rig, to));
    follow(l, rig, 5);
    assert_true(rig_until_durable(rig));
    rig_kill(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(rig->log->high_watermark, to);
    check_all(l, rig);
    leave(rig, l);
}

/* What a repair waits for room for, a truncation does; and it takes over what fails while it waits.
 */
TEST(a_truncation_of_a_log_that_has_no_room)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rig *rig = rig_of(seed, false);
        struct leader *l = two_epochs(rig, 30, 30);
        struct rig_op op = {0};
        struct log_taken taken;
        lead(l, 12);
        rig_harm(rig, "at 0s node 0 disk full bytes=2000");
        struct slice batches = leader_fetch(l, rig, 30, 12);
        rig_ok(rig, log_append_as_is(rig->log, batches, l->epoch, &taken, &rig->msg));
        buf_release(batches.buf);
        for (uint64_t i = 0; i < seed / 2; i++)
            rig_step(rig);
        if (seed % 2 == 0)
            rig_heal(rig);
        leader_cut(l, l->batches[seed % 3 == 0 ? 25 : 5].base);
        log_truncate(rig->log, l->end, &op.op, rig_log_done);
        assert_true(rig_until(rig, &op.done));
        rig_heal(rig);
        assert_true(rig_run(rig, 2000000000));
        if (op.e != ERR_NONE) /* not even a checkpoint had room */
            assert_int_equal(op.e, ERR_NOSPACE);
        if (log_status(rig->log) != ERR_NONE) {
            rig_kill(rig);
            rig_ok(rig, rig_boot(rig));
        }
        l->epoch += 2;
        lead(l, 10);
        follow(l, rig, 4);
        check_all(l, rig);
        leave(rig, l);
    }
}

/* A clean end waits for it. */
TEST(a_truncation_ends_before_its_directory_is_closed)
{
    for (int step = 0; step < 40; step++) {
        struct rig *rig = rig_of((uint64_t)step, false);
        struct leader *l = two_epochs(rig, 40, 20);
        struct rig_op op = {0};
        lead(l, 3);
        leader_follow(l, rig, 1, &op.e);
        leader_cut(l, l->batches[10].base);
        log_truncate(rig->log, l->end, &op.op, rig_log_done);
        for (int i = 0; i < step && !op.done; i++)
            rig_step(rig);
        rig_ok(rig, rig_close(rig));
        assert_true(op.done);
        assert_ok(op.e);
        rig_ok(rig, rig_boot(rig));
        assert_true(TEST_COLUMN(&rig->last[TRACE_LOG_OPEN], LOG_OPEN, clean)); /* clean */
        assert_int_equal(log_end(rig->log), l->end);
        check_all(l, rig);
        leave(rig, l);
    }
}

TEST(a_truncation_ends_before_its_log_is_closed)
{
    for (int step = 0; step < 40; step++) {
        struct rig *rig = rig_of((uint64_t)step, false);
        struct leader *l = two_epochs(rig, 40, 20);
        struct rig_op op[2] = {0};
        leader_cut(l, l->batches[10].base);
        log_truncate(rig->log, l->end, &op[0].op, rig_log_done);
        for (int i = 0; i < step && !op[0].done; i++)
            rig_step(rig);
        log_close(rig->log, &op[1].op, rig_log_done);
        assert_true(rig_until(rig, &op[1].done));
        assert_true(op[0].done);
        assert_ok(op[0].e);
        rig->log = NULL;
        rig_ok(rig, rig_open_log(rig));
        assert_int_equal(log_end(rig->log), l->end);
        check_all(l, rig);
        leave(rig, l);
    }
}
