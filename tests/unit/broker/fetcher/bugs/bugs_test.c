/* bugs_test.c - a follower with a historic mistake switched on comes to hold what its leader does
 * not; without it, it does not. */
#include "../rig.h"

#define BUG(name, ...)                                                                             \
    extern bool known_bug_##name;                                                                  \
    bool known_bug_##name;
#include "known_bugs.def"
#undef BUG

/* KIP-279: the follower has epoch 4 where the leader has more of epoch 3, and names that. */
static bool parts_twice(uint64_t seed)
{
    struct rig *r = rig_settled(seed, 1);
    struct led *led = &r->led[0];
    int64_t end = rig_led_end(led);
    rig_elect(r, 0, 1);
    rig_produce(r, 0, 2, false);
    rig_become(r, 0);
    rig_run(r, 2 * WAIT_MS);
    rig_assert_same(r, 0);
    rig_cut(r, 0, end);
    led->epoch = 3;
    rig_produce(r, 0, 2, true);
    led->epoch = 5;
    rig_produce(r, 0, 1, true);
    rig_become(r, 0);
    rig_run(r, 3 * BACKOFF_MS);
    bool same = rig_is_same(r, 0);
    rig_end(r);
    return same;
}

/* KAFKA-7786: an answer is on its way when the next epoch begins. What is taken of it has to be cut
 * again. */
static bool changes_leaders(uint64_t seed)
{
    struct rig *r = rig_settled(seed, 1);
    int64_t end = rig_led_end(&r->led[0]);
    rig_produce(r, 0, 3, true);
    world_run_until(r->world, world_now(r->world) + (int64_t)(seed % 60) * MS / 20);
    bool taken = rig_ends(r, 0).end > end; /* before */
    rig_cut(r, 0, end);
    rig_elect(r, 0, 1);
    rig_produce(r, 0, 3, true);
    uint64_t generation = rig_ends(r, 0).generation;
    rig_become(r, 0);
    rig_run(r, 3 * WAIT_MS);
    rig_assert_same(r, 0);
    bool same = taken || rig_ends(r, 0).generation == generation;
    rig_end(r);
    return same;
}

/* KAFKA-15510: nothing comes for a while, then the log of the next leader parts below its end. */
static bool parts_when_idle(uint64_t seed)
{
    struct rig *r = rig_settled(seed, 1);
    rig_run(r, 3 * WAIT_MS);
    r->led[0].high_watermark--; /* it is told that, and nothing else */
    rig_run(r, WAIT_MS);
    rig_cut(r, 0, 3);
    rig_elect(r, 0, 1);
    rig_produce(r, 0, 3, true);
    rig_produce(r, 0, 2, true);
    rig_become(r, 0);
    rig_run(r, 3 * BACKOFF_MS);
    bool same = rig_is_same(r, 0);
    rig_end(r);
    return same;
}

/* What was synced is cut, and other records come in its place, whose sync takes long. */
static bool is_cut_while_it_syncs(uint64_t seed)
{
    struct rig *r = rig_settled(seed, 1);
    int64_t end = rig_led_end(&r->led[0]);
    r->takes_durable_end = true;
    r->overstated_max = INT32_MAX;
    rig_produce(r, 0, 5, false);
    rig_run(r, WAIT_MS);
    rig_harm(r, "at 0s node 0 disk slow_sync factor=500");
    rig_cut(r, 0, end);
    rig_elect(r, 0, 1);
    rig_produce(r, 0, 7, false);
    rig_become(r, 0);
    rig_run(r, 3 * BACKOFF_MS);
    bool same = r->overstated == 0;
    rig_end(r);
    return same;
}

static const struct {
    bool *bug;
    bool (*is_same)(uint64_t seed);
} shown[] = {
    {&known_bug_parted_by_offset_alone, parts_twice},
    {&known_bug_stale_answer_taken, changes_leaders},
    {&known_bug_empty_forgets_epoch, parts_when_idle},
    {&known_bug_durable_end_kept, is_cut_while_it_syncs},
};

/* The first of so many seeds with which follower and leader end up apart; 0: none. */
static uint64_t first_apart(int i, bool on, uint64_t seeds)
{
    bool apart = false;
    uint64_t seed = 0;
    *shown[i].bug = on;
    while (!apart && seed < seeds)
        apart = !shown[i].is_same(++seed);
    *shown[i].bug = false;
    return apart ? seed : 0;
}

TEST(a_follower_with_a_historic_mistake_is_found_out)
{
    for (int i = 0; i < COUNT_OF(shown); i++) {
        uint64_t found = first_apart(i, true, 60);
        assert_true(found > 0);
        assert_int_equal(first_apart(i, false, MAX(found, 20)), 0);
    }
}
