/* gone_test.c - what was there and is missing is told by its name and never made anew in silence;
 * what never was there is made. */
#include <stdio.h>
#include "rig.h"

/* A partition of two segments, whose life ended well or not. */
static struct rig *after_a_life(uint64_t seed, bool clean)
{
    struct rig *rig = rig_new(seed);
    rig->config.segment_bytes = 4096;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 12; i++)
        assert_int_equal(rig_append(rig, 2, 500).verdict, LOG_APPENDED);
    assert_true(rig_until_durable(rig));
    assert_true(rig_run(rig, 3000000000ll)); /* the checkpoint, too */
    if (clean)
        rig_ok(rig, rig_close(rig));
    else
        rig_kill(rig);
    rig->birth.known = true; /* as the metadata log says */
    rig->birth.made = false;
    return rig;
}

/* Opening fails, and the sentence has that in it. */
static void expect_refused(struct rig *rig, const char *part)
{
    rig_ok(rig, rig_open_dir(rig));
    assert_int_equal(rig_open_log(rig), ERR_CORRUPT);
    if (strstr(rig->msg.text, part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, rig->msg.text);
}

TEST(a_partition_that_is_gone_is_not_made_anew)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig *rig = after_a_life(seed, seed % 2 == 0);
        rig_start(rig);
        rig_remove(rig, "data/orders-0");
        expect_refused(rig, "data/orders-0 is gone");
        assert_non_null(strstr(rig->msg.text, "orders-0.start-empty"));
        rig_free(rig);
    }
}

/* The checkpoint is enough, and so is the metadata log. */
TEST(each_that_knows_a_partition_is_enough)
{
    for (int who = 0; who < 2; who++) {
        struct rig *rig = after_a_life(7, true);
        rig->birth.known = who == 0;
        rig_start(rig);
        rig_remove(rig, "data/orders-0");
        if (who == 0) {
            rig_remove(rig, "data/recovery-point-offset-checkpoint");
            rig_remove(rig, "data/recovery-point-offset-checkpoint.crc");
        }
        expect_refused(rig, "data/orders-0 is gone");
        rig_free(rig);
    }
}

TEST(a_person_may_give_up_what_is_gone)
{
    struct rig *rig = after_a_life(3, true);
    rig_start(rig);
    rig_remove(rig, "data/orders-0");
    rig_make(rig, "data/orders-0.start-empty");
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    assert_true(rig->birth.made);
    assert_int_equal(log_end(rig->log), 0);
    assert_false(rig_exists(rig, "data/orders-0.start-empty"));
    rig_free(rig);
}

/* A file that asks for it counts once. */
TEST(what_was_given_up_once_is_not_given_up_again)
{
    struct rig *rig = after_a_life(3, true);
    rig_start(rig);
    rig_make(rig, "data/orders-0.start-empty");
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    assert_true(log_end(rig->log) > 0);
    assert_false(rig_exists(rig, "data/orders-0.start-empty"));
    rig_free(rig);
}

TEST(a_new_identity_makes_partitions_anew)
{
    struct rig *rig = after_a_life(5, true);
    rig->birth.known = false; /* the metadata log knows it in another directory */
    rig_start(rig);
    rig_remove(rig, "data/orders-0");
    rig_remove(rig, "data/meta.properties");
    rig_remove(rig, "data/meta.properties.crc");
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    assert_true(rig->birth.made);
    rig_free(rig);
}

TEST(a_directory_without_a_segment_is_not_taken_for_a_new_one)
{
    struct rig *rig = after_a_life(5, true);
    rig_start(rig);
    while (rig_count(rig, "data/orders-0", ".log") > 0) {
        char path[ENV_PATH_MAX];
        for (int i = 0; i < 100; i++) {
            snprintf(path, sizeof path, "data/orders-0/%020d.log", i);
            if (rig_exists(rig, path))
                rig_remove(rig, path);
        }
    }
    expect_refused(rig, "data/orders-0 holds no segment any more");
    rig_free(rig);
}

/* Nothing of a partition counts before it is known to have been made. */
TEST(an_unmarked_partition_acknowledges_nothing)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig *rig = rig_new(seed);
        rig->birth.unmarked = true;
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(rig_append(rig, 3, 100).verdict, LOG_APPENDED);
        assert_true(rig_run(rig, 1000000000ll));
        assert_int_equal(log_durable_end(rig->log), 3);
        assert_int_equal(log_counting_end(rig->log), 0);
        int moves = rig->moves;
        log_mark(rig->log);
        assert_int_equal(log_counting_end(rig->log), 3);
        assert_int_equal(rig->moves, moves + 1);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* ---- single segments ---- */

static int64_t bases[64];

/* The segments of the partition, in order. */
static int find_segments(struct rig *rig)
{
    int count = 0;
    for (int i = 0; i < 200; i++) {
        char path[ENV_PATH_MAX];
        snprintf(path, sizeof path, "data/orders-0/%020d.log", i);
        if (rig_exists(rig, path))
            bases[count++] = i;
    }
    return count;
}

/* Removes the segment's log, and with `all` what stands beside it. */
static void remove_segment(struct rig *rig, int64_t base, bool all)
{
    static const char *const suffixes[] = {".log", ".index", ".timeindex", ".index.crc"};
    for (int i = 0; i < (all ? COUNT_OF(suffixes) : 1); i++) {
        char path[ENV_PATH_MAX];
        snprintf(path, sizeof path, "data/orders-0/%020lld%s", (long long)base, suffixes[i]);
        if (rig_exists(rig, path))
            rig_remove(rig, path);
    }
}

TEST(a_segment_that_is_missing_is_told_by_its_own_name)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig *rig = after_a_life(seed, seed % 2 == 0);
        rig_start(rig);
        int count = find_segments(rig);
        assert_true(count >= 3);
        int which = seed % 3 == 0 ? 0 : seed % 3 == 1 ? count / 2 : count - 1;
        bool last = which == count - 1;
        remove_segment(rig, bases[which], seed % 4 < 2 && !last);
        char part[64];
        snprintf(part, sizeof part, "%020lld.log is missing", (long long)bases[which]);
        expect_refused(rig, last ? "data/orders-0/" : part);
        rig_free(rig);
    }
}

/* Retention takes segments from the front, and says so before it does. */
TEST(a_segment_that_retention_took_is_not_missing)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *rig = after_a_life(seed, seed % 2 == 0);
        rig->config.retention_bytes = 5000;
        rig->config.file_delete_delay_ms = 100;
        rig_ok(rig, rig_boot(rig));
        log_retain(rig->log, log_end(rig->log), env_wall(rig->seat->env));
        rig_run(rig, 50000000ll * (int64_t)(seed % 10));
        if (seed % 3 == 0)
            rig_power(rig);
        else
            rig_kill(rig);
        rig_ok(rig, rig_boot(rig));
        rig_free(rig);
    }
}

TEST(a_directory_that_vanishes_under_a_log_is_told)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig *rig = after_a_life(seed, true);
        rig->birth.known = seed % 2 == 0;
        rig_ok(rig, rig_boot(rig));
        rig_remove(rig, "data/orders-0");
        for (int i = 0; i < 20 && log_status(rig->log) == ERR_NONE; i++) {
            rig_append(rig, 1, seed % 2 == 0 ? 20 : 900);
            rig_run(rig, 500000000ll);
        }
        assert_int_equal(log_status(rig->log), ERR_NOTFOUND);
        assert_non_null(strstr(log_status_text(rig->log), "data/orders-0 is gone"));
        assert_int_equal(rig->told, ERR_NOTFOUND);
        assert_int_equal(dir_status(rig->dir), ERR_NONE);
        assert_int_equal(rig_append(rig, 1, 20).verdict, LOG_REFUSED);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* What stands in a file that nobody will find again is not acknowledged: the sync itself tells. */
TEST(nothing_is_durable_in_a_segment_that_has_vanished)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig *rig = seed % 2 == 0 ? after_a_life(seed, true) : rig_new(seed);
        rig->config.segment_bytes = 1 << 20;
        rig->flush = seed % 8 < 4 ? LOG_FLUSH_ACK : LOG_FLUSH_OS;
        rig_ok(rig, rig_boot(rig));
        rig_append(rig, 1, 20);
        rig_run(rig, 20000000000ll); /* with LOG_FLUSH_OS, too */
        int count = find_segments(rig);
        int64_t durable = log_durable_end(rig->log);
        if (seed % 4 < 2)
            rig_remove(rig, "data/orders-0");
        else
            remove_segment(rig, bases[count - 1], false);
        for (int i = 0; log_status(rig->log) == ERR_NONE; i++) {
            assert_true(i < 100000);
            if (i < 3)
                rig_append(rig, 1, 20);
            assert_true(rig_step(rig));
            assert_int_equal(log_durable_end(rig->log), durable);
        }
        assert_int_equal(log_durable_end(rig->log), durable);
        assert_int_equal(log_status(rig->log), ERR_NOTFOUND);
        const char *what = seed % 4 < 2 ? "data/orders-0 is gone" : ".log is gone";
        assert_non_null(strstr(log_status_text(rig->log), what));
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* Its file is open, so that no write says it. */
TEST(a_segment_that_vanishes_under_a_writer_is_told)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *rig = seed % 2 == 0 ? after_a_life(seed, true) : rig_new(seed);
        rig->config.segment_bytes = 1 << 20; /* it stays the one that is written to */
        rig_ok(rig, rig_boot(rig));
        rig_append(rig, 1, 20);
        assert_true(rig_until_durable(rig));
        int count = find_segments(rig);
        remove_segment(rig, bases[count - 1], seed % 4 < 2);
        for (int i = 0; i < 15 && log_status(rig->log) == ERR_NONE; i++) {
            rig_append(rig, 1, 20);
            rig_run(rig, 100000000ll);
        }
        assert_int_equal(log_status(rig->log), ERR_NOTFOUND);
        char part[64];
        snprintf(part, sizeof part, "%020lld.log is gone", (long long)bases[count - 1]);
        assert_non_null(strstr(log_status_text(rig->log), part));
        assert_int_equal(rig->told, ERR_NOTFOUND);
        assert_int_equal(dir_status(rig->dir), ERR_NONE);
        assert_int_equal(rig_append(rig, 1, 20).verdict, LOG_REFUSED);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* Not what retention takes, or a repair, or what a new segment has taken the place of. */
TEST(a_segment_that_the_log_itself_removes_is_not_missed)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *rig = rig_new(seed);
        rig->config.segment_bytes = 2048;
        rig->config.retention_ms = 1;
        rig->config.file_delete_delay_ms = 0;
        rig_ok(rig, rig_boot(rig));
        for (int i = 0; i < 100; i++) {
            rig_append(rig, 1, 900);
            rig_run(rig, 30000000ll + (int64_t)seed * 1000000);
            if (i == 50)
                rig_harm(rig, "at 0s node 0 disk write_fails times=2 file=.log");
            log_retain(rig->log, log_end(rig->log), env_wall(rig->seat->env) + 600000);
            assert_int_equal(log_status(rig->log), ERR_NONE);
        }
        assert_int_equal(rig->cuts, 1);
        assert_true(log_start(rig->log) > 0);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

TEST(a_segment_that_vanishes_under_a_reader_is_told)
{
    struct rig *rig = after_a_life(1, true);
    rig->dir_config.open_files_max = 1; /* others are opened when they are read */
    rig_ok(rig, rig_boot(rig));
    find_segments(rig);
    remove_segment(rig, bases[1], true);
    assert_int_equal(rig_read_all(rig, log_end(rig->log), 1 << 20, false), -1);
    assert_int_equal(log_status(rig->log), ERR_NOTFOUND);
    assert_non_null(strstr(log_status_text(rig->log), ".log is gone"));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}
