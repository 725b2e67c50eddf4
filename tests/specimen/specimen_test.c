/* specimen_test.c - what the world finds in a replicated register, and that it finds nothing in one
 * without a mistake. */
#include <stdio.h>
#include "shm/shm.h"
#include "specimen/campaign.h"
#include "support/test.h"

#define MANY_SEEDS 30                  /* in which a mistake must be found ... */
#define SOUND_SEEDS TEST_SEARCH(30, 8) /* ... and the sound one must not fail */
#define SECOND_NS 1000000000ll
#define ISOLATES(n) "on ACK(" #n ") do link it-register0,register1,register2 cut for 1500ms\n"

/* Where each mistake shows: harm at the right moment, which its rows tell. */
static const struct trouble {
    enum mistake mistake;
    const char *plan;
} troubles[] = {
    {MISTAKE_COUNTS_UNSYNCED,
     "on ACK(30) do node register0,register1,register2 power_loss for 100ms\n"
     "on ACK(60) do node register0,register1,register2 power_loss for 100ms\n"
     "at 100ms node register0,register1,register2 disk slow_sync factor=20 for 9s\n"},
    {MISTAKE_VOTES_TWICE,
     "at 1s link register0-register1 cut for 8s\n"
     "at 1s node register0,register1,register2 disk slow_sync factor=20 for 8s\n"
     "on LEADER_ON(2) do node register2 kill for 10ms\n"
     "on LEADER_ON(3) do node register2 kill for 10ms\n"
     "on LEADER_ON(4) do node register2 kill for 10ms\n"
     "on LEADER_ON(5) do node register2 kill for 10ms\n"
     "on LEADER_ON(6) do node register2 kill for 10ms\n"
     "on LEADER_ON(7) do node register2 kill for 10ms\n"
     "on LEADER_ON(8) do node register2 kill for 10ms\n"
     "on LEADER_ON(9) do node register2 kill for 10ms\n"},
    {MISTAKE_KEEPS_FOLLOWERS,
     ISOLATES(150) ISOLATES(160) ISOLATES(170) ISOLATES(180) ISOLATES(190) ISOLATES(200)},
    {MISTAKE_STALE_SERVES, ISOLATES(100)},
    {MISTAKE_CUTS_TO_WATERMARK, "on ACK(40) do node it kill for 50ms\n"
                                "on LOG_CUT(2) do node register0 kill for 500ms\n"},
    {MISTAKE_RESURRECTS, "on ACK(40) do node it power_loss for 20ms\n"},
};

static void run_trouble(const struct trouble *trouble, enum mistake mistake, uint64_t seed,
                        struct half_host *host, struct run *run)
{
    run_specimen(&(struct run_options){.seed = seed,
                                       .mistake = mistake,
                                       .plan = trouble->plan,
                                       .host = host,
                                       .harm_ns = 20 * SECOND_NS,
                                       .end_ns = 30 * SECOND_NS},
                 run);
}

static void assert_sound(const struct run *run, uint64_t seed)
{
    if (run->finding != FINDING_NONE)
        fail_msg("seed %llu: %s at %lld ms", (unsigned long long)seed, finding_text(run->finding),
                 (long long)run->found_ns / 1000000);
}

TEST(each_mistake_is_found)
{
    for (int i = 0; i < COUNT_OF(troubles); i++) {
        int found = 0;
        for (uint64_t seed = 1; seed <= MANY_SEEDS; seed++) {
            struct run run;
            run_trouble(&troubles[i], troubles[i].mistake, seed, NULL, &run);
            found += run.finding != FINDING_NONE;
        }
        printf("mistake %d: found by %d of %d seeds\n", troubles[i].mistake, found, MANY_SEEDS);
        assert_true(found > 0);
    }
}

TEST(the_sound_one_survives_what_shows_each_mistake)
{
    for (int i = 0; i < COUNT_OF(troubles); i++) {
        for (uint64_t seed = 1; seed <= SOUND_SEEDS; seed++) {
            struct run run;
            run_trouble(&troubles[i], MISTAKE_NONE, seed, NULL, &run);
            assert_sound(&run, seed);
            assert_true(run.faults > 0);
        }
    }
}

TEST(the_sound_one_survives_swarms)
{
    uint64_t acked = 0, leaders = 0, faults = 0;
    for (uint64_t seed = 1; seed <= 2 * SOUND_SEEDS; seed++) {
        struct run run;
        uint32_t nodes = seed % 4 == 0 ? 5 : 3;
        run_specimen(&(struct run_options){.seed = seed, .nodes = nodes, .kinds = FAULT_SURVIVABLE},
                     &run);
        assert_sound(&run, seed);
        acked += run.acked;
        leaders += run.leaders;
        faults += run.faults;
    }
    assert_true(acked > 100 * 2 * SOUND_SEEDS);
    assert_true(leaders > 2 * 2 * SOUND_SEEDS);
    assert_true(faults > 2 * SOUND_SEEDS);
}

/* A majority and the clients are enough, whoever of them was down; fewer are not. */
TEST(a_healed_core_goes_on_without_the_rest)
{
    for (uint64_t seed = 1; seed <= MANY_SEEDS; seed++) {
        struct run run;
        uint64_t clients = fault_node(3) | fault_node(4), two = 7 & ~fault_node(seed % 3);
        struct run_options options = {.seed = seed,
                                      .kinds = FAULT_SURVIVABLE,
                                      .core = clients | two,
                                      .end_ns = 30 * SECOND_NS};
        run_specimen(&options, &run);
        assert_sound(&run, seed);
        options.core = clients | fault_node(seed % 3);
        run_specimen(&options, &run);
        assert_int_equal(run.finding, FINDING_STUCK);
    }
}

/* Two nodes go back to what they knew before, while the third is down: what all had acknowledged
 * stands nowhere that counts. */
TEST(old_disks_put_back_lose_what_was_acknowledged)
{
    int lost = 0;
    for (uint64_t seed = 1; seed <= MANY_SEEDS; seed++) {
        struct run run;
        struct run_options options = {.seed = seed,
                                      .plan =
                                          "at 2s node register0,register1 disk backup\n"
                                          "on ACK(90) do node register2 kill for 3s\n"
                                          "on ACK(90) do node register0,register1 disk restore\n"};
        run_specimen(&options, &run);
        lost += run.finding != FINDING_NONE;
    }
    printf("an old image on a majority was found by %d of %d seeds\n", lost, MANY_SEEDS);
    assert_true(lost > 2);
}

/* Its nodes as processes: each of its lives ends by a real SIGKILL, and all is the same. */
TEST(the_same_happens_in_processes)
{
    for (int i = 0; i < COUNT_OF(troubles); i++) {
        for (int wrong = 0; wrong < 2; wrong++) {
            struct mem mem;
            struct half_host *host;
            struct run here, there;
            enum mistake mistake = wrong == 1 ? troubles[i].mistake : MISTAKE_NONE;
            mem_system(&mem);
            assert_ok(shm_processes_new(&host, &mem, 0));
            run_trouble(&troubles[i], mistake, 1, NULL, &here);
            run_trouble(&troubles[i], mistake, 1, host, &there);
            shm_free(host);
            assert_true(here.hash == there.hash);
            assert_true(here.rows_hash == there.rows_hash);
            assert_true(here.events == there.events);
            assert_int_equal(here.finding, there.finding);
        }
    }
}
