/* retain_test.c - retention at its limits: on a disk that is full, with more to look at than memory
 * holds, and when the power goes in the middle. */
#include <stdlib.h>
#include "rig.h"

#define WALL_MS(rig) env_wall((rig)->seat->env)
#define SECOND_NS 1000000000ll

static void fill(struct rig *rig, int batches, int64_t timestamp)
{
    for (int i = 0; i < batches; i++)
        rig_append_as(rig, 2, 400, timestamp, -1, -1, -1);
    assert_true(rig_until_durable(rig));
}

static void step_some(struct rig *rig, int count)
{
    for (int i = 0; i < count && rig->seat != NULL; i++)
        rig_step(rig);
}

/* All of it goes, so that a new segment is all that is left. */
TEST(a_log_that_lost_all_its_records_opens_after_a_loss_of_power)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct rig *rig = rig_new(seed);
        rig->config.segment_bytes = 4096;
        rig->config.retention_ms = 1000;
        rig->dir_config.checkpoint_ms = 100;
        rig_ok(rig, rig_boot(rig));
        fill(rig, 6, WALL_MS(rig));
        rig_run(rig, 3 * SECOND_NS);
        log_retain(rig->log, 12, WALL_MS(rig));
        step_some(rig, (int)(seed % 75));
        rig_power(rig);
        rig_ok(rig, rig_boot(rig));
        assert_int_equal(log_end(rig->log), 12);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* The scan begins with the first segment, because the epochs must be read from the log. */
static void open_without_epochs(struct rig *rig)
{
    const char *path = "data/orders-0/leader-epoch-checkpoint";
    size_t size;
    rig_start(rig);
    uint8_t *bytes = rig_file(rig, path, &size);
    assert_non_null(bytes);
    uint8_t byte = bytes[4] ^ 0x10;
    rig_overwrite(rig, path, 4, &byte, 1);
    free(bytes);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
}

/* Whatever of their names the power brings back. */
TEST(segments_that_went_leave_no_gap)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        struct rig *rig = rig_new(seed);
        rig->config.segment_bytes = 4096;
        rig_ok(rig, rig_boot(rig));
        fill(rig, 40, WALL_MS(rig));
        rig_run(rig, SECOND_NS);
        for (int pass = 2; pass > 0; pass--) {
            rig->config.retention_bytes = pass * 10000;
            log_reconfigure(rig->log, &rig->config);
            log_retain(rig->log, 80, WALL_MS(rig));
            step_some(rig, (int)(seed % 50));
        }
        rig_power(rig);
        open_without_epochs(rig);
        assert_int_equal(log_end(rig->log), 80);
        assert_int_equal(rig_read_all(rig, 80, 3000, false), 80 - log_start(rig->log));
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* Whichever of their names cannot be changed. */
TEST(segments_that_could_not_go_leave_no_gap)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct fault_plan plan;
        struct world_config config = {.seed = seed, .assert_leaks = true, .plan = &plan};
        struct mem mem;
        const char *line = "at 10s node 0 rate site=disk/rename rate=300000 for 5s\n";
        mem_system(&mem);
        fault_plan_init(&plan, &mem);
        assert_ok(fault_plan_parse(&plan, bytes_text(line), NULL));
        struct rig *rig = rig_new_with(&config);
        rig->config.segment_bytes = 4096;
        rig->config.retention_bytes = 5000;
        rig_ok(rig, rig_boot(rig));
        fill(rig, 40, WALL_MS(rig));
        rig_run(rig, 10 * SECOND_NS);
        for (int pass = 0; pass < 3; pass++) {
            log_retain(rig->log, 80, WALL_MS(rig));
            rig_run(rig, SECOND_NS);
        }
        rig_run(rig, 5 * SECOND_NS);
        rig_kill(rig);
        open_without_epochs(rig);
        assert_int_equal(rig_read_all(rig, 80, 3000, false), 80 - log_start(rig->log));
        log_retain(rig->log, 80, WALL_MS(rig)); /* what stayed goes now */
        rig_run(rig, SECOND_NS);
        assert_true(log_bytes(rig->log) < 5000 + 2 * 4096);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
        fault_plan_free(&plan);
        assert_int_equal(mem.live_count, 0);
    }
}

/* Only what retention removes can make room. */
TEST(retention_makes_room_on_a_full_disk)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig *rig = rig_new(seed);
        rig->config.segment_bytes = 512 << 10;
        rig->config.file_delete_delay_ms = 60000;
        rig_ok(rig, rig_boot(rig));
        for (int i = 0; i < 24; i++)
            rig_append(rig, 1, 100000);
        assert_true(rig_until_durable(rig));
        rig_run(rig, 5 * SECOND_NS);
        rig_harm(rig, "at 0s node 0 disk full bytes=0");
        for (int i = 0; i < 30 && rig->cuts == 0; i++) {
            rig_append(rig, 2, 100000);
            rig_run(rig, SECOND_NS / 10);
        }
        assert_true(rig->cuts > 0);
        rig->config.retention_bytes = 1 << 20;
        log_reconfigure(rig->log, &rig->config);
        for (int i = 0; i < 10; i++) {
            log_retain(rig->log, log_durable_end(rig->log), WALL_MS(rig));
            rig_run(rig, 70 * SECOND_NS);
        }
        assert_true(log_start(rig->log) > 0);
        assert_int_equal(rig_append(rig, 1, 1000).verdict, LOG_APPENDED);
        assert_true(rig_until_durable(rig));
        int64_t start = log_start(rig->log);
        int64_t end = log_end(rig->log);
        assert_int_equal(rig_read_all(rig, end, 300000, false), end - start);
        rig_kill(rig);
        rig_ok(rig, rig_boot(rig));
        assert_true(log_start(rig->log) >= start);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* More indexes than the cache of a directory holds (LOG_INDEX_CACHE_BYTES). */
#define BATCHES_AN_APPEND 64

static void append_many(struct rig *rig, int64_t timestamp)
{
    uint8_t one[128];
    struct wire_builder b;
    struct log_appended out;
    struct buf *buf = buf_new(rig->seat->mem, BATCHES_AN_APPEND * sizeof one);
    uint32_t size = 0;
    for (int i = 0; i < BATCHES_AN_APPEND; i++) {
        wire_builder_init(&b, one, sizeof one);
        assert_ok(wire_builder_add(&b, timestamp + i, WIRE_NULL_BYTES, WIRE_NULL_BYTES, NULL, 0));
        wire_builder_finish(&b, &(struct wire_builder_head){.base_offset = i,
                                                            .leader_epoch = -1,
                                                            .producer_id = -1,
                                                            .producer_epoch = -1,
                                                            .base_sequence = -1});
        memcpy(buf->data + size, one, b.size);
        size += (uint32_t)b.size;
    }
    log_append(rig->log, slice_of(buf, 0, size), 0, WALL_MS(rig), &out);
    assert_int_equal(out.verdict, LOG_APPENDED);
    buf_release(buf);
}

TEST(retention_ends_although_the_indexes_do_not_all_fit_into_memory)
{
    struct rig *rig = rig_new(1);
    rig->config.segment_bytes = 16 << 20;
    rig->config.index_interval_bytes = 0;
    rig->config.segment_index_bytes = 100 << 20;
    rig->config.retention_ms = 1000;
    rig_ok(rig, rig_boot(rig));
    int64_t timestamp = 1000;
    while (log_bytes(rig->log) < (64u << 20) + 1000) {
        append_many(rig, timestamp);
        rig_step(rig);
        timestamp += BATCHES_AN_APPEND;
        if (timestamp % (1 << 14) < BATCHES_AN_APPEND)
            assert_true(rig_until_durable(rig));
    }
    assert_true(rig_until_durable(rig));
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig));
    rig_run(rig, 3 * SECOND_NS);
    log_retain(rig->log, log_durable_end(rig->log), WALL_MS(rig));
    rig_run(rig, 60 * SECOND_NS);
    assert_int_equal(log_start(rig->log), log_end(rig->log));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

TEST(files_that_are_never_to_be_deleted_stay)
{
    struct rig *rig = rig_new(1);
    rig->config.segment_bytes = 4096;
    rig->config.retention_bytes = 0;
    rig->config.file_delete_delay_ms = INT64_MAX;
    rig_ok(rig, rig_boot(rig));
    fill(rig, 20, WALL_MS(rig));
    log_retain(rig->log, 40, WALL_MS(rig));
    rig_run(rig, 3600 * SECOND_NS);
    assert_true(log_start(rig->log) > 0);
    assert_true(rig_count(rig, "data/orders-0", ".log.deleted") > 0);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* Sarama's older records have none: they must neither stay for ever nor go at once. */
TEST(records_without_a_timestamp_age_by_the_time_of_their_append)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig *rig = rig_new(seed);
        rig->config.segment_bytes = 4096;
        rig->config.retention_ms = 5000;
        rig_ok(rig, rig_boot(rig));
        for (int i = 0; i < 20; i++)
            rig_append_as(rig, 1, 800, -1, -1, -1, -1);
        assert_true(rig_until_durable(rig));
        rig_run(rig, 4 * SECOND_NS);
        log_retain(rig->log, 20, WALL_MS(rig));
        rig_run(rig, SECOND_NS / 10);
        assert_int_equal(log_start(rig->log), 0);
        if (seed % 2 == 0) { /* another life asks the file */
            rig_ok(rig, rig_close(rig));
            rig_ok(rig, rig_boot(rig));
            log_retain(rig->log, 20, WALL_MS(rig));
            rig_run(rig, SECOND_NS / 10);
            assert_int_equal(log_start(rig->log), 0);
            rig_run(rig, 4 * SECOND_NS); /* and leaves it alone for as long as any other */
        }
        rig_run(rig, 2 * SECOND_NS);
        log_retain(rig->log, 20, WALL_MS(rig));
        rig_run(rig, SECOND_NS);
        assert_int_equal(log_start(rig->log), 20);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}
