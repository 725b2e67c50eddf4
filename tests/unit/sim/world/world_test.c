/* world_test.c - one seed, one history: time, chain, streams, lives. */
#include "programs.h"

static uint64_t ping_pong(uint64_t seed, const char *args, enum net_split split, bool watched)
{
    struct stage stage;
    struct world_config config = {.seed = seed, .split = split};
    (watched ? stage_open : stage_open_blind)(&stage, &config);
    stage_add(&stage, &echo_program, "server", "");
    uint32_t client = stage_add(&stage, &pinger_program, "client", args);
    if (watched) {
        struct pinger_report report = stage_ask_pinger(&stage, client);
        assert_true(report.finished);
        assert_int_equal(report.wrong, 0);
    }
    world_run_until(stage.world, 60 * SECOND_NS);
    uint64_t hash = stage_hash(&stage);
    stage_close(&stage);
    return hash;
}

TEST(same_seed_same_hash)
{
    for (uint64_t seed = 1; seed < 10; seed++)
        assert_true(ping_pong(seed, "server 50 300", NET_SPLIT_RANDOM, true) ==
                    ping_pong(seed, "server 50 300", NET_SPLIT_RANDOM, true));
}

TEST(another_seed_another_hash)
{
    for (uint64_t seed = 1; seed < 10; seed++)
        assert_true(ping_pong(seed, "server 50 300", NET_SPLIT_RANDOM, true) !=
                    ping_pong(seed + 1, "server 50 300", NET_SPLIT_RANDOM, true));
}
