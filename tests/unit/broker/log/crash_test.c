/* crash_test.c - the node dies at every operation, by itself and with the power, in the middle of
 * work and in the middle of recovery: what was shown to be durable is still there. */
#include <stdlib.h>
#include "rig.h"

/* By one of two idempotent producers, or by nobody. */
static void append_one(struct rig *rig, int records, int size, int i)
{
    int64_t id = i % 3 == 0 ? -1 : i % 3;
    int64_t wall_ms = env_wall(rig->seat->env);
    if (id < 0)
        rig_append(rig, records, size);
    else
        rig_append_as(rig, records, size, wall_ms, id, 0, rig_next_sequence(rig, id));
}

/* Appends, waits now and then, until it has done so often enough or the node is down. */
static void work(struct rig *rig, uint64_t seed)
{
    struct rng rng = {.state = seed};
    for (int i = 0; i < 24 && rig->seat != NULL; i++) {
        int records = 1 + (int)random_below(rng_next(&rng), 4);
        int size = 50 + (int)random_below(rng_next(&rng), 900);
        append_one(rig, records, size, i);
        if (random_chance(rng_next(&rng), 1, 3))
            rig_until_durable(rig);
        else if (random_chance(rng_next(&rng), 1, 2))
            rig_step(rig);
    }
    if (rig->seat != NULL)
        rig_until_durable(rig);
}

static void check(struct rig *rig)
{
    assert_true(log_end(rig->log) >= rig->durable);
    assert_true(log_durable_end(rig->log) <= log_end(rig->log));
    int64_t end = log_end(rig->log);
    int64_t start = log_start(rig->log);
    int64_t read = rig_read_all(rig, end, 3000, false);
    assert_true(read == end - start || rig->seat == NULL);
    if (rig->seat == NULL)
        return;
    read = rig_read_all(rig, end, 100000, true);
    assert_true(read == end - start || rig->seat == NULL);
}

static void end_well(struct rig *rig)
{
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_latest_epoch(rig->log), 0);
    check(rig);
    rig_check_inside(rig);
    work(rig, 99);
    assert_true(rig_until_durable(rig));
    assert_int_equal(log_durable_end(rig->log), log_end(rig->log));
    rig_check_inside(rig);
    rig_ok(rig, rig_close(rig));
    rig_ok(rig, rig_boot(rig));
    assert_int_equal(log_end(rig->log), rig->durable);
    check(rig);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

static struct rig *small_rig(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    rig->config.segment_bytes = 4096;
    rig->config.index_interval_bytes = 256;
    rig->dir_config.checkpoint_bytes = 3000;
    return rig;
}

/* True: the node died before. */
static bool leave(struct rig *rig, bool power)
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

/* True: the k-th operation was met. */
static bool live_until(struct rig *rig, int k, uint64_t seed, bool power)
{
    rig_start(rig);
    rig_doom(rig, k);
    if (rig_open_dir(rig) == ERR_NONE && rig_open_log(rig) == ERR_NONE) {
        assert_int_equal(log_latest_epoch(rig->log), 0); /* E-1 */
        check(rig);
        if (rig->seat != NULL)
            work(rig, seed);
    }
    return leave(rig, power);
}

/* The same without work. */
static bool open_until(struct rig *rig, int k, bool power)
{
    rig_start(rig);
    rig_doom(rig, k);
    enum err e = rig_open_dir(rig);
    if (e == ERR_NONE)
        e = rig_open_log(rig);
    if (rig->seat != NULL)
        rig_ok(rig, e);
    if (e == ERR_NONE)
        check(rig);
    return leave(rig, power);
}

static void die_at_every_operation(bool power)
{
    bool met = true;
    for (int k = 1; met; k++) {
        struct rig *rig = small_rig((uint64_t)k);
        met = live_until(rig, k, 1, power);
        end_well(rig);
    }
}

TEST(a_kill_at_every_operation_loses_nothing_durable)
{
    die_at_every_operation(false);
}

TEST(a_power_loss_at_every_operation_loses_nothing_durable)
{
    die_at_every_operation(true);
}

/* A first life that leaves a torn tail, then death at every operation of the recovery. */
static void die_at_every_operation_of_recovery(bool power)
{
    bool met = true;
    for (int k = 1; met; k++) {
        struct rig *rig = small_rig(7);
        live_until(rig, 70, 1, true);
        met = live_until(rig, k, 2, power);
        live_until(rig, k, 3, power);
        end_well(rig);
    }
}

TEST(a_kill_at_every_operation_of_recovery_loses_nothing_durable)
{
    die_at_every_operation_of_recovery(false);
}

TEST(a_power_loss_at_every_operation_of_recovery_loses_nothing_durable)
{
    die_at_every_operation_of_recovery(true);
}

/* The same on a disk that has filled meanwhile: the tail is written over in place. What bytes are
 * left may be enough for the beginning of a second copy. */
static bool die_on_a_full_disk(uint64_t seed, int k, bool power)
{
    static const char *const lines[] = {"at 0s node 0 disk full bytes=0",
                                        "at 0s node 0 disk full bytes=5000"};
    struct rig *rig = small_rig(seed);
    rig->config.segment_bytes = 1 << 20; /* so that it is not only a segment of its own */
    rig->dir_config.reserve = true;
    rig_ok(rig, rig_boot(rig));
    assert_true(rig_run(rig, 1000000000)); /* the reserve is there */
    rig_ok(rig, rig_close(rig));
    live_until(rig, 90 + (int)(seed % 5) * 8, seed, false); /* some is written and not synced */
    rig_harm(rig, lines[k % 2]);
    bool met = open_until(rig, k, power);
    met |= open_until(rig, k + 1, power);
    rig_ok(rig, rig_boot(rig)); /* without a word from anybody */
    check(rig);
    rig_kill(rig);
    rig_heal(rig);
    end_well(rig);
    return met;
}

static void die_at_every_operation_on_a_full_disk(bool power)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        for (int k = 1; die_on_a_full_disk(seed, k, power); k++)
            continue;
    }
}

TEST(a_kill_at_every_operation_of_recovery_on_a_full_disk_loses_nothing_durable)
{
    die_at_every_operation_on_a_full_disk(false);
}

TEST(a_power_loss_at_every_operation_of_recovery_on_a_full_disk_loses_nothing_durable)
{
    die_at_every_operation_on_a_full_disk(true);
}

TEST(many_lives_end_anywhere)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rng rng = {.state = seed};
        struct rig *rig = small_rig(seed);
        for (int life = 0; life < 6; life++) {
            int k = 1 + (int)random_below(rng_next(&rng), 200);
            bool power = random_chance(rng_next(&rng), 1, 2);
            live_until(rig, k, seed * 10 + (uint64_t)life, power);
        }
        end_well(rig);
    }
}
