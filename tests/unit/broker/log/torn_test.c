/* torn_test.c - producer snapshots that a crash cut short are gone once the log has been opened,
 * wherever the recovery point stands. */
#include <stdio.h>
#include <stdlib.h>
#include "format/format.h"
#include "rig.h"

#define OFFSETS 200
#define SEEDS 20

static const char *path_of(int64_t offset, const char *suffix)
{
    static char path[ENV_PATH_MAX];
    snprintf(path, sizeof path, "data/orders-0/%020lld%s", (long long)offset, suffix);
    return path;
}

/* A partition with snapshots on both sides of the recovery point, whose broker was killed. */
static struct rig *after_a_kill(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    rig->config.segment_bytes = 4096;
    rig_ok(rig, rig_boot(rig));
    for (int i = 0; i < 30; i++) {
        int64_t now = env_wall(rig->seat->env);
        int32_t next = rig_next_sequence(rig, 7);
        assert_int_equal(rig_append_as(rig, 2, 500, now, 7, 0, next).verdict, LOG_APPENDED);
        assert_true(rig_until_durable(rig));
        if (i == 15)
            assert_true(rig_run(rig, 3000000000ll)); /* the checkpoint, too */
    }
    rig_kill(rig);
    rig_start(rig);
    return rig;
}

/* The offsets that have a snapshot, ascending. */
static int find_snapshots(struct rig *rig, int64_t *offsets)
{
    int count = 0;
    for (int64_t offset = 0; offset < OFFSETS; offset++) {
        if (rig_exists(rig, path_of(offset, ".snapshot")))
            offsets[count++] = offset;
    }
    return count;
}

static void cut_short(struct rig *rig, int64_t offset, const char *suffix, int how)
{
    static const uint8_t zeros[64];
    if (how == 0)
        rig_overwrite(rig, path_of(offset, suffix), 0, zeros, sizeof zeros);
    else
        rig_remove(rig, path_of(offset, suffix));
    if (how == 1)
        rig_make(rig, path_of(offset, suffix));
}

static bool is_whole(struct rig *rig, int64_t offset, const char *suffix)
{
    size_t size = 0;
    uint8_t *bytes = rig_file(rig, path_of(offset, suffix), &size);
    bool whole = format_snapshot_check(bytes_of(bytes, size), NULL) == ERR_NONE;
    free(bytes);
    return whole;
}

static void expect_whole(struct rig *rig)
{
    for (int64_t offset = 0; offset < OFFSETS; offset++) {
        bool window = rig_exists(rig, path_of(offset, ".snapshot-window"));
        bool snapshot = rig_exists(rig, path_of(offset, ".snapshot"));
        assert_int_equal(snapshot, window);
        if (snapshot && !is_whole(rig, offset, ".snapshot"))
            fail_msg("the snapshot of offset %lld is torn", (long long)offset);
        if (window && !is_whole(rig, offset, ".snapshot-window"))
            fail_msg("the window of offset %lld is torn", (long long)offset);
    }
}

/* Zeros, no bytes, or no file at all: of the snapshot or its window. */
static void try(uint64_t seed, int which, int how, const char *suffix)
{
    int64_t offsets[OFFSETS];
    struct rig *rig = after_a_kill(seed);
    int count = find_snapshots(rig, offsets);
    assert_true(count >= 3);
    int64_t torn = offsets[which < 0 ? count + which : which];
    cut_short(rig, torn, suffix, how);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    assert_int_equal(log_end(rig->log), 60);
    assert_int_equal(rig_next_sequence(rig, 7), 60);
    assert_int_equal(rig_count(rig, "data/orders-0", ".snapshot"), count - 1);
    expect_whole(rig);
    rig_check_inside(rig);
    rig_ok(rig, rig_close(rig));
    rig_start(rig);
    expect_whole(rig);
    rig_free(rig);
}

TEST(a_snapshot_that_a_kill_cut_short_is_gone_after_the_next_start)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        for (int how = 0; how < 3; how++)
            try(seed, (int)(seed % 4) - 2, how, ".snapshot");
    }
}

TEST(a_window_that_a_kill_cut_short_is_gone_with_its_snapshot)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        for (int how = 0; how < 2; how++)
            try(seed, (int)(seed % 4) - 2, how, ".snapshot-window");
    }
}

/* After a clean end nothing is torn, and nothing is read that is not needed; but what was found to
 * be of no use does not stay. */
TEST(a_snapshot_that_was_passed_over_does_not_stay)
{
    int64_t offsets[OFFSETS];
    struct rig *rig = after_a_kill(1);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    rig_ok(rig, rig_close(rig));
    rig_start(rig);
    int count = find_snapshots(rig, offsets);
    assert_true(count >= 2);
    cut_short(rig, offsets[count - 1], ".snapshot", 1);
    rig_ok(rig, rig_open_dir(rig));
    rig_ok(rig, rig_open_log(rig));
    expect_whole(rig);
    assert_int_equal(rig_next_sequence(rig, 7), 60);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}
