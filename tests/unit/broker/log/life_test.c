/* life_test.c - what a log remembers over its lives, and what it forgets on purpose. */
#include <stdlib.h>
#include <stdio.h>
#include "format/format.h"
#include "rig.h"

#define WALL_MS(rig) env_wall((rig)->seat->env)
#define SECOND_NS 1000000000ll

/* ---- idempotent producers ---- */

static struct log_appended send(struct rig *rig, int64_t id, int32_t sequence)
{
    return rig_append_as(rig, 2, 100, WALL_MS(rig), id, 0, sequence);
}

static void expect_window(struct rig *rig, int64_t id, int32_t next)
{
    for (int32_t back = 1; back <= 5; back++) {
        struct log_appended out = send(rig, id, next - 2 * back);
        assert_int_equal(out.verdict, LOG_DUPLICATE);
        assert_int_equal(out.last, out.first + 1);
    }
    struct log_appended out = send(rig, id, next - 12);
    assert_int_equal(out.verdict, LOG_REFUSED);
    assert_int_equal(out.code, WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    out = send(rig, id, next + 2);
    assert_int_equal(out.verdict, LOG_REFUSED);
    assert_int_equal(send(rig, id, next).verdict, LOG_APPENDED);
}

static struct rig *after_sending(uint64_t seed, int count)
{
    struct rig *rig = rig_new(seed);
    rig->config.segment_bytes = 2048; /* snapshots in the middle of windows */
    rig->dir_config.checkpoint_bytes = 1000;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < count; i++) {
        assert_int_equal(send(rig, 7, i * 2).verdict, LOG_APPENDED);
        assert_int_equal(send(rig, 8, i * 2).verdict, LOG_APPENDED);
        if (i % 3 == 0)
            assert_true(rig_until_durable(rig));
    }
    assert_true(rig_until_durable(rig));
    return rig;
}

TEST(a_duplicate_is_answered_with_its_original)
{
    struct rig *rig = rig_new(1);
    rig_ok(rig, rig_boot(rig));
    struct log_appended first = send(rig, 7, 0);
    struct log_appended again = send(rig, 7, 0);
    assert_int_equal(again.verdict, LOG_DUPLICATE);
    assert_int_equal(again.first, first.first);
    assert_int_equal(again.last, first.last);
    assert_int_equal(log_end(rig->log), 2);
    assert_int_equal(log_counting_end(rig->log), 0); /* I-3: its answer waits, too */
    assert_true(rig_until_durable(rig));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(producers_are_known_after_a_clean_end)
{
    struct rig *rig = after_sending(2, 20);
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig));
    expect_window(rig, 7, 40);
    expect_window(rig, 8, 40);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(producers_are_known_after_a_kill_or_a_power_loss)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig *rig = after_sending(seed, 5 + (int)seed % 16);
        int32_t next = 2 * (5 + (int)seed % 16);
        if (seed % 2 == 0)
            rig_kill(rig);
        else
            rig_power(rig);
        rig_ok(rig, rig_boot(rig));
        if (next >= 12) {
            expect_window(rig, 7, next);
            expect_window(rig, 8, next);
        }
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

TEST(a_producer_whose_write_failed_may_send_it_again)
{
    struct rig *rig = rig_new(3);
    rig_ok(rig, rig_boot(rig));
    send(rig, 7, 0);
    assert_true(rig_until_durable(rig));
    rig_harm(rig, "at 0s node 0 disk write_fails times=1 file=.log");
    assert_int_equal(send(rig, 7, 2).verdict, LOG_APPENDED);
    assert_int_equal(send(rig, 7, 4).verdict, LOG_APPENDED);
    rig_run(rig, 2 * SECOND_NS);
    assert_int_equal(rig->cuts, 1);
    assert_int_equal(rig->cut_end, 2);
    assert_int_equal(log_end(rig->log), 2);
    assert_int_equal(send(rig, 7, 4).verdict, LOG_REFUSED);
    struct log_appended out = send(rig, 7, 2);
    assert_int_equal(out.verdict, LOG_APPENDED);
    assert_int_equal(out.first, 2);
    assert_true(rig_until_durable(rig));
    assert_int_equal(rig_read_all(rig, 4, 1000, false), 4);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- retention ---- */

static void fill(struct rig *rig, int batches, int64_t timestamp)
{
    for (int i = 0; i < batches; i++)
        rig_append_as(rig, 2, 400, timestamp, -1, -1, -1);
    assert_true(rig_until_durable(rig));
}

static struct rig *retention_rig(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    rig->config.segment_bytes = 4096;
    return rig;
}

TEST(retention_by_size_keeps_what_fits)
{
    struct rig *rig = retention_rig(1);
    rig->config.retention_bytes = 10000;
    rig_ok(rig, rig_boot(rig));
    fill(rig, 40, WALL_MS(rig));
    int files = rig_count(rig, "data/orders-0", ".log");
    log_retain(rig->log, log_durable_end(rig->log), WALL_MS(rig));
    rig_run(rig, SECOND_NS / 2);
    assert_true(log_start(rig->log) > 0);
    assert_true(log_bytes(rig->log) >= 10000);
    assert_true(log_bytes(rig->log) < 10000 + 2 * 4096);
    assert_true(rig_count(rig, "data/orders-0", ".log") < files);
    assert_true(rig_count(rig, "data/orders-0", ".log.deleted") > 0);
    rig_run(rig, 2 * SECOND_NS);
    assert_int_equal(rig_count(rig, "data/orders-0", ".deleted"), 0);
    assert_int_equal(TEST_COLUMN(&rig->last[TRACE_LOG_START], LOG_START, reason), LOG_START_SIZE);
    int64_t start = log_start(rig->log);
    assert_int_equal(rig_read_all(rig, 80, 3000, false), 80 - start);
    rig_kill(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_start(rig->log), start);
    assert_int_equal(rig_read_all(rig, 80, 3000, false), 80 - start);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(retention_never_reaches_above_its_limit)
{
    struct rig *rig = retention_rig(2);
    rig->config.retention_bytes = 0;
    rig_ok(rig, rig_boot(rig));
    fill(rig, 40, WALL_MS(rig));
    log_retain(rig->log, 30, WALL_MS(rig));
    rig_run(rig, SECOND_NS);
    assert_true(log_start(rig->log) > 10);
    assert_true(log_start(rig->log) <= 30);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(retention_by_age_takes_even_the_segment_that_is_written_to)
{
    struct rig *rig = retention_rig(3);
    rig->config.retention_ms = 10000;
    rig_ok(rig, rig_boot(rig));
    fill(rig, 20, WALL_MS(rig));
    log_retain(rig->log, 40, WALL_MS(rig));
    rig_run(rig, 9 * SECOND_NS);
    assert_int_equal(log_start(rig->log), 0);
    log_retain(rig->log, 40, WALL_MS(rig));
    rig_run(rig, 2 * SECOND_NS);
    assert_int_equal(log_start(rig->log), 0);
    log_retain(rig->log, 40, WALL_MS(rig));
    rig_run(rig, 2 * SECOND_NS);
    assert_int_equal(log_start(rig->log), 40);
    assert_int_equal(log_bytes(rig->log), 0);
    assert_int_equal(TEST_COLUMN(&rig->last[TRACE_LOG_START], LOG_START, reason), LOG_START_TIME);
    fill(rig, 1, WALL_MS(rig));
    assert_int_equal(rig_read_all(rig, 42, 3000, false), 2);
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_start(rig->log), 40);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(a_wall_clock_a_year_ahead_for_a_minute_deletes_nothing)
{
    struct rig *rig = retention_rig(4);
    rig->config.retention_ms = 7 * 86400000ll;
    rig_ok(rig, rig_boot(rig));
    fill(rig, 20, WALL_MS(rig));
    log_retain(rig->log, 40, WALL_MS(rig));
    rig_run(rig, 3600 * SECOND_NS);
    int64_t year_ms = 365 * 86400000ll;
    for (int i = 0; i < 60; i++) {
        log_retain(rig->log, 40, WALL_MS(rig) + year_ms);
        rig_run(rig, SECOND_NS);
    }
    assert_int_equal(log_start(rig->log), 0);
    for (int i = 0; i < 60; i++) {
        log_retain(rig->log, 40, WALL_MS(rig));
        rig_run(rig, SECOND_NS);
    }
    assert_int_equal(log_start(rig->log), 0);
    rig_ok(rig, rig_close(rig));
    /* The same at the beginning of a life. */
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 60; i++) {
        log_retain(rig->log, 40, WALL_MS(rig) + year_ms);
        rig_run(rig, SECOND_NS);
    }
    assert_int_equal(log_start(rig->log), 0);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(a_wall_clock_that_stays_ahead_is_believed_in_the_end)
{
    struct rig *rig = retention_rig(5);
    rig->config.retention_ms = 3600000;
    rig_ok(rig, rig_boot(rig));
    fill(rig, 20, WALL_MS(rig));
    log_retain(rig->log, 40, WALL_MS(rig));
    for (int i = 0; i < 70; i++) {
        log_retain(rig->log, 40, WALL_MS(rig) + 86400000);
        rig_run(rig, 10 * SECOND_NS);
    }
    assert_int_equal(log_start(rig->log), 40);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

struct held {
    struct log_read read;
    bool done;
    enum err e;
};

static void on_held(struct log_op *op, enum err e)
{
    struct log_read *read = CONTAINER_OF(op, struct log_read, op);
    struct held *h = CONTAINER_OF(read, struct held, read);
    h->done = true;
    h->e = e;
}

static void on_read_back(struct env_op *op, enum err e, uint64_t n)
{
    (void)op;
    assert_ok(e);
    assert_true(n > 0);
}

TEST(a_file_that_is_being_sent_outlives_its_segment)
{
    struct rig *rig = retention_rig(6);
    rig->config.retention_bytes = 0;
    rig->config.file_delete_delay_ms = 0;
    rig_ok(rig, rig_boot(rig));
    fill(rig, 20, WALL_MS(rig));
    assert_int_equal(rig_read_all(rig, 40, 1000, false), 40); /* places are known now */
    struct held h = {
        .read = {.offset = 0, .offset_end = 40, .bytes_max = 900, .at_least_one = true}};
    log_read(rig->log, &h.read, on_held);
    assert_true(rig_until(rig, &h.done));
    assert_ok(h.e);
    assert_int_equal(h.read.part_count, 1);
    log_retain(rig->log, 40, WALL_MS(rig));
    rig_run(rig, 2 * SECOND_NS);
    assert_true(log_start(rig->log) > 0);
    struct world_stats stats;
    world_stats(rig->world, &stats);
    assert_int_equal(stats.mark_count[MARK_SEGMENT_DELETED_DURING_FETCH] > 0,
                     h.read.parts[0].data == NULL);
    if (h.read.parts[0].data == NULL) {
        uint8_t bytes[100];
        struct env_op op = {0};
        env_read(rig->seat->env, &op, h.read.parts[0].file, h.read.parts[0].offset, bytes,
                 sizeof bytes, on_read_back);
        rig_run(rig, SECOND_NS);
        assert_false(op.in_flight);
    }
    log_read_release(&h.read);
    h.done = false;
    h.read = (struct log_read){.offset = 0, .offset_end = 40, .bytes_max = 900};
    log_read(rig->log, &h.read, on_held);
    assert_true(rig_until(rig, &h.done));
    assert_int_equal(h.e, ERR_RANGE);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- offsets by time ---- */

struct sought {
    struct log_seek seek;
    bool done;
    enum err e;
};

static void on_sought(struct log_op *op, enum err e)
{
    struct log_seek *seek = CONTAINER_OF(op, struct log_seek, op);
    struct sought *s = CONTAINER_OF(seek, struct sought, seek);
    s->done = true;
    s->e = e;
}

static struct log_seek seek(struct rig *rig, int64_t timestamp, int64_t end)
{
    struct sought s = {.seek = {.timestamp_ms = timestamp, .offset_end = end}};
    log_seek(rig->log, &s.seek, on_sought);
    assert_true(rig_until(rig, &s.done));
    assert_ok(s.e);
    return s.seek;
}

static void check_seeks(struct rig *rig, const int64_t *times, int count)
{
    int64_t greatest = -1, greatest_at = -1;
    for (int i = 0; i < count; i++) {
        if (times[i] > greatest) {
            greatest = times[i];
            greatest_at = i;
        }
    }
    for (int64_t t = 90; t < 1200; t += 13) {
        int want = 0;
        while (want < count && times[want] < t)
            want++;
        struct log_seek found = seek(rig, t, count);
        assert_int_equal(found.found, want < count);
        if (found.found) {
            assert_int_equal(found.offset, want);
            assert_int_equal(found.timestamp_found_ms, times[want]);
            assert_int_equal(found.leader_epoch, 0);
        }
    }
    struct log_seek most = seek(rig, -3, count);
    assert_true(most.found);
    assert_int_equal(most.offset, greatest_at);
}

TEST(offsets_are_found_by_time_in_every_segment)
{
    int64_t times[300];
    struct rng rng = {.state = 9};
    struct rig *rig = retention_rig(7);
    rig->config.index_interval_bytes = 500;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 300; i++) {
        times[i] = 100 + i * 3 + (int64_t)random_below(rng_next(&rng), 100);
        rig_append_as(rig, 1, 150, times[i], -1, -1, -1);
        if (i % 20 == 0)
            assert_true(rig_until_durable(rig));
    }
    assert_true(rig_until_durable(rig));
    check_seeks(rig, times, 300);
    assert_false(seek(rig, 100, 0).found);
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig)); /* through the files of the indexes */
    check_seeks(rig, times, 300);
    rig_kill(rig);
    rig_ok(rig, rig_boot(rig));
    check_seeks(rig, times, 300);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(of_equal_greatest_times_the_first_is_found)
{
    struct rig *rig = retention_rig(7);
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 60; i++)
        rig_append_as(rig, 1, 400, 500, -1, -1, -1);
    assert_true(rig_until_durable(rig));
    assert_int_equal(seek(rig, -3, 60).offset, 0);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- corruption ---- */

/* A log of many segments, all durable, all below the recovery point. */
static struct rig *old_log(uint64_t seed)
{
    struct rig *rig = retention_rig(seed);
    rig_ok(rig, rig_boot(rig));
    fill(rig, 40, WALL_MS(rig));
    rig_ok(rig, rig_close(rig));
    rig_start(rig);
    return rig;
}

static void flip(struct rig *rig, const char *path, uint64_t offset)
{
    size_t size;
    uint8_t *bytes = rig_file(rig, path, &size);
    assert_non_null(bytes);
    assert_true(offset < size);
    uint8_t byte = bytes[offset] ^ 0x10;
    rig_overwrite(rig, path, offset, &byte, 1);
    free(bytes);
}

TEST(a_byte_that_rotted_below_the_recovery_point_is_never_served)
{
    struct rig *rig = old_log(1);
    flip(rig, "data/orders-0/00000000000000000000.log", 500);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    assert_int_equal(rig_read_all(rig, 80, 2000, false), -1);
    assert_int_equal(rig->told, ERR_CORRUPT);
    assert_int_equal(log_status(rig->log), ERR_CORRUPT);
    const char *text = log_status_text(rig->log);
    assert_non_null(strstr(text, "00000000000000000000.log"));
    assert_non_null(strstr(text, "position 0"));
    assert_non_null(strstr(text, "put the file back"));
    assert_non_null(strstr(rig->msg.text, "position 0"));
    assert_int_equal(rig_append(rig, 1, 10).verdict, LOG_REFUSED);
    assert_int_equal(rig->rows[TRACE_LOG_OFFLINE], 1);
    assert_ok(dir_status(rig->dir)); /* the others serve on */
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* A loss of power may undo a truncation: what stands behind the offset at which the next segment
 * begins is nobody's. */
TEST(what_follows_a_segments_last_record_is_no_damage)
{
    struct rig *rig = old_log(8);
    const char *path = "data/orders-0/00000000000000000000.log";
    uint8_t junk[700];
    size_t size;
    memset(junk, 0x5a, sizeof junk);
    free(rig_file(rig, path, &size));
    rig_overwrite(rig, path, size, junk, sizeof junk);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    struct log_seek greatest = seek(rig, -3, 80); /* every index is looked at */
    assert_true(greatest.found);
    assert_false(seek(rig, greatest.timestamp_found_ms + 1, 80).found);
    assert_int_equal(rig_read_all(rig, 80, 2000, false), 80);
    assert_ok(log_status(rig->log));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(a_byte_that_rotted_where_the_scan_looks_keeps_the_log_closed)
{
    struct rig *rig = old_log(2);
    size_t size;
    free(rig_file(rig, "data/orders-0/00000000000000000072.log", &size));
    flip(rig, "data/orders-0/00000000000000000072.log", size - 10);
    rig_ok(rig, rig_open_dir(rig));
    assert_int_equal(rig_open_log(rig), ERR_CORRUPT);
    assert_non_null(strstr(rig->msg.text, "00000000000000000072.log"));
    assert_int_equal(rig->rows[TRACE_LOG_OFFLINE], 1);
    assert_null(rig->log);
    rig_ok(rig, rig_close(rig));
    /* Nothing was cut. */
    rig_start(rig);
    size_t after;
    free(rig_file(rig, "data/orders-0/00000000000000000072.log", &after));
    assert_int_equal(after, size);
    rig_kill(rig);
    rig_free(rig);
}

TEST(a_hole_above_the_recovery_point_is_cut_and_kept)
{
    struct rig *rig = rig_new(3);
    rig->dir_config.checkpoint_ms = 1000000;
    rig_ok(rig, rig_boot(rig));
    fill(rig, 10, WALL_MS(rig));
    rig_kill(rig);
    rig_start(rig);
    size_t size;
    uint8_t *before = rig_file(rig, "data/orders-0/00000000000000000000.log", &size);
    flip(rig, "data/orders-0/00000000000000000000.log", size / 2);
    rig->durable = 0; /* of this damage no promise was made */
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    int64_t end = log_end(rig->log);
    assert_int_equal(end, 10);
    assert_int_equal(TEST_COLUMN(&rig->last[TRACE_LOG_CUT], LOG_CUT, reason), LOG_CUT_HOLE);
    assert_non_null(strstr(log_notice(rig->log), "offset 10"));
    size_t kept_size;
    uint8_t *kept = rig_file(rig, "data/orders-0/00000000000000000000.log.cut-10", &kept_size);
    assert_non_null(kept);
    assert_true(kept_size > size / 3);
    before[size / 2] ^= 0x10;
    assert_memory_equal(kept, before + (size - kept_size), kept_size);
    assert_int_equal(rig_read_all(rig, end, 3000, false), end);
    free(before);
    free(kept);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(a_wrong_recovery_checkpoint_is_not_believed)
{
    struct rig *rig = old_log(4);
    flip(rig, "data/recovery-point-offset-checkpoint", 4);
    rig_ok(rig, rig_open_dir(rig));
    assert_true(rig->rows[TRACE_LOG_REBUILT] > 0);
    rig_ok(rig, rig_open_log(rig));
    assert_int_equal(log_end(rig->log), 80);
    assert_int_equal(rig_read_all(rig, 80, 3000, false), 80);
    rig_ok(rig, rig_close(rig));
    /* And without it, nothing that might be good is cut. */
    rig_start(rig);
    flip(rig, "data/recovery-point-offset-checkpoint", 4);
    flip(rig, "data/orders-0/00000000000000000000.log", 700);
    rig_ok(rig, rig_open_dir(rig));
    assert_int_equal(rig_open_log(rig), ERR_CORRUPT);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(a_wrong_epoch_checkpoint_is_rebuilt_from_the_log)
{
    struct rig *rig = old_log(5);
    flip(rig, "data/orders-0/leader-epoch-checkpoint", 4);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    assert_int_equal(TEST_COLUMN(&rig->last[TRACE_LOG_REBUILT], LOG_REBUILT, what),
                     LOG_REBUILT_EPOCHS);
    assert_int_equal(log_latest_epoch(rig->log), 0);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(a_wrong_index_is_built_again_from_the_log)
{
    struct rig *rig = retention_rig(6);
    rig->config.index_interval_bytes = 300;
    rig_ok(rig, rig_boot(rig));
    fill(rig, 40, WALL_MS(rig));
    rig_ok(rig, rig_close(rig));
    rig_start(rig);
    size_t size, after;
    uint8_t *right = rig_file(rig, "data/orders-0/00000000000000000000.index", &size);
    assert_true(size >= 16);
    flip(rig, "data/orders-0/00000000000000000000.index", size - 1);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    struct held h = {
        .read = {.offset = 7, .offset_end = 80, .bytes_max = 900, .at_least_one = true}};
    log_load(rig->log, &h.read, on_held);
    assert_true(rig_until(rig, &h.done));
    rig->msg = h.read.op.msg;
    rig_ok(rig, h.e);
    log_read_release(&h.read);
    assert_int_equal(TEST_COLUMN(&rig->last[TRACE_LOG_REBUILT], LOG_REBUILT, what),
                     LOG_REBUILT_INDEX);
    rig_run(rig, 5 * SECOND_NS);
    uint8_t *healed = rig_file(rig, "data/orders-0/00000000000000000000.index", &after);
    assert_int_equal(size, after);
    assert_memory_equal(right, healed, size);
    free(right);
    free(healed);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- whose directory it is ---- */

TEST(a_directory_of_another_node_or_cluster_is_refused)
{
    struct rig *rig = old_log(7);
    rig->dir_config.node_id = 2;
    assert_int_equal(rig_open_dir(rig), ERR_INVALID);
    assert_non_null(strstr(rig->msg.text, "node 1"));
    rig_free_dir(rig);
    rig->dir_config.node_id = 1;
    rig->dir_config.cluster_id = "another";
    assert_int_equal(rig_open_dir(rig), ERR_INVALID);
    assert_non_null(strstr(rig->msg.text, "another"));
    rig_free_dir(rig);
    rig->dir_config.cluster_id = NULL;
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(a_directory_in_use_is_refused)
{
    struct rig *rig = old_log(8);
    rig_ok(rig, rig_open_dir(rig));
    struct dir *first = rig->dir;
    struct log_set *logs = rig->logs;
    assert_int_equal(rig_open_dir(rig), ERR_BUSY);
    assert_non_null(strstr(rig->msg.text, "another broker uses it"));
    rig_free_dir(rig);
    rig->dir = first;
    rig->logs = logs;
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(a_partition_of_another_topic_is_refused)
{
    struct rig *rig = old_log(9);
    rig->topic_id[3] ^= 1;
    rig_ok(rig, rig_open_dir(rig));
    assert_int_equal(rig_open_log(rig), ERR_INVALID);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(the_identity_stays_over_lives)
{
    struct rig *rig = old_log(10);
    rig_ok(rig, rig_open_dir(rig));
    char cluster[64];
    uint8_t id[16];
    snprintf(cluster, sizeof cluster, "%s", dir_cluster_id(rig->dir));
    memcpy(id, dir_id(rig->dir), 16);
    const struct dir_entry *entries;
    assert_int_equal(dir_entries(rig->dir, &entries), 1);
    assert_string_equal(entries[0].topic, "orders");
    assert_int_equal(entries[0].partition, 0);
    assert_memory_equal(entries[0].topic_id, rig->topic_id, 16);
    rig_ok(rig, rig_close(rig));
    rig_start(rig);
    rig_ok(rig, rig_open_dir(rig));
    assert_string_equal(cluster, dir_cluster_id(rig->dir));
    assert_memory_equal(id, dir_id(rig->dir), 16);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- deleting ---- */

static void on_op(struct log_op *op, enum err e)
{
    struct rig_op *done = CONTAINER_OF(op, struct rig_op, op);
    done->done = true;
    done->e = e;
}

TEST(a_deleted_partition_is_gone_for_good)
{
    struct rig *rig = old_log(11);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    struct rig_op op = {0};
    struct log *log = rig->log;
    rig->log = NULL;
    log_delete(log, &op.op, on_op);
    assert_true(rig_until(rig, &op.done));
    assert_ok(op.e);
    rig_power(rig);
    rig->durable = 0;
    rig_start(rig);
    rig_ok(rig, rig_open_dir(rig));
    rig_run(rig, SECOND_NS);
    const struct dir_entry *entries;
    assert_int_equal(dir_entries(rig->dir, &entries), 0);
    assert_int_equal(rig_count(rig, "data", "-delete"), 0);
    rig_ok(rig, rig_open_log(rig));
    assert_int_equal(log_end(rig->log), 0);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(an_epoch_is_durable_once_it_is_assigned)
{
    struct rig *rig = old_log(12);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    struct rig_op op = {0};
    log_assign_epoch(rig->log, 5, &op.op, on_op);
    assert_true(rig_until(rig, &op.done));
    assert_ok(op.e);
    rig_power(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_latest_epoch(rig->log), 5);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(log_append_time_is_the_brokers)
{
    struct rig *rig = rig_new(14);
    rig->config.log_append_time = true;
    rig_ok(rig, rig_boot(rig));
    struct log_appended out = rig_append_as(rig, 2, 100, 5, -1, -1, -1);
    assert_int_equal(out.timestamp_ms, WALL_MS(rig));
    assert_true(rig_until_durable(rig));
    struct log_seek found = seek(rig, 6, 2);
    assert_true(found.found);
    assert_int_equal(found.timestamp_found_ms, out.timestamp_ms);
    assert_int_equal(rig_read_all(rig, 2, 1000, true), 2);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(with_flush_os_what_is_written_counts_and_is_synced_later)
{
    struct rig *rig = rig_new(15);
    rig->flush = LOG_FLUSH_OS;
    rig_ok(rig, rig_boot(rig));
    fill(rig, 0, 0);
    rig_append(rig, 3, 100);
    rig_run(rig, SECOND_NS / 100);
    assert_int_equal(log_counting_end(rig->log), 3);
    assert_int_equal(log_durable_end(rig->log), 0);
    rig_run(rig, 2 * SECOND_NS);
    assert_int_equal(log_durable_end(rig->log), 3);
    rig_kill(rig);
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_end(rig->log), 3);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(with_flush_os_a_sync_comes_after_so_many_bytes)
{
    struct rig *rig = rig_new(16);
    rig->flush = LOG_FLUSH_OS;
    rig->dir_config.flush_bytes = 2000;
    rig->dir_config.flush_ms = 1 << 30;
    rig_ok(rig, rig_boot(rig));
    rig_append(rig, 1, 1000);
    rig_run(rig, 60 * SECOND_NS);
    assert_int_equal(log_durable_end(rig->log), 0);
    rig_append(rig, 1, 1000);
    rig_run(rig, SECOND_NS);
    assert_int_equal(log_durable_end(rig->log), 2);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- a log start inside of a segment, as Kafka's DeleteRecords leaves it ---- */

static void move_start(struct rig *rig, char digit)
{
    const char *path = "data/log-start-offset-checkpoint";
    char crc_path[64];
    char crc[FORMAT_CRC_FILE_SIZE + 1];
    size_t size;
    uint8_t *bytes = rig_file(rig, path, &size);
    assert_non_null(bytes);
    assert_int_equal(bytes[size - 2], '0');
    bytes[size - 2] = (uint8_t)digit;
    uint32_t sum = crc32c(0, bytes, size);
    format_crc_print(sum, sum, crc);
    snprintf(crc_path, sizeof crc_path, "%s.crc", path);
    rig_overwrite(rig, path, 0, bytes, size);
    rig_overwrite(rig, crc_path, 0, crc, FORMAT_CRC_FILE_SIZE);
    free(bytes);
}

TEST(offsets_are_found_by_time_behind_a_start_inside_of_a_segment)
{
    struct rig *rig = retention_rig(14);
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 20; i++)
        rig_append_as(rig, 2, 400, 1000 + i, -1, -1, -1);
    assert_true(rig_until_durable(rig));
    rig_ok(rig, rig_close(rig));
    rig_start(rig);
    move_start(rig, '3');
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    assert_int_equal(log_start(rig->log), 3);
    assert_int_equal(seek(rig, 900, 40).offset, 3);
    assert_int_equal(seek(rig, 1001, 40).offset, 3);
    assert_int_equal(seek(rig, 1002, 40).offset, 4);
    assert_int_equal(seek(rig, 1003, 40).offset, 6);
    assert_int_equal(seek(rig, 1019, 40).offset, 38);
    assert_int_equal(seek(rig, -3, 40).offset, 38);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}
