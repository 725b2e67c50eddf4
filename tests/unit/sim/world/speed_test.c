/* speed_test.c - prints what one core does; asserts no figure, because machines differ. */
#include <stdio.h>
#include <time.h>
#include "programs.h"

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void measure(const char *what, const char *args, bool watched)
{
    struct stage stage;
    double begin = seconds();
    (watched ? stage_open : stage_open_blind)(&stage, &(struct world_config){.seed = 1});
    double opened = seconds();
    stage_add(&stage, &echo_program, "server", "");
    stage_add(&stage, &pinger_program, "client", args);
    world_step(stage.world);
    double first = seconds();
    world_run_until(stage.world, 1000000 * SECOND_NS);
    double end = seconds();
    struct world_stats stats;
    world_stats(stage.world, &stats);
    print_message("%s: %.0f events/s, %llu events, world in %.2f ms, first event in %.2f ms\n",
                  what, (double)stats.event_count / (end - first),
                  (unsigned long long)stats.event_count, (opened - begin) * 1e3,
                  (first - begin) * 1e3);
    assert_true(stats.event_count > 1000);
    stage_close(&stage);
}

TEST(speed_of_ping_pong)
{
    measure("ping-pong of 100 B", "server 200000 100", false);
    measure("ping-pong of 100 B, watched", "server 200000 100", true);
    measure("ping-pong of 4 KiB", "server 50000 4096", false);
}

TEST(speed_of_kills)
{
    enum { KILLS = 500 };
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = 1});
    uint32_t node = stage_add(&stage, &writer_program, "disk", "");
    double begin = seconds();
    for (int i = 0; i < KILLS; i++) {
        world_run_until(stage.world, world_now(stage.world) + 20 * MS_NS);
        world_kill(stage.world, node, 0);
        world_start(stage.world, node);
    }
    double end = seconds();
    assert_int_equal(stage.rows[TRACE_NODE_KILL], KILLS);
    print_message("a life of 20 ms with its kill: %.0f us\n", (end - begin) / KILLS * 1e6);
    stage_close(&stage);
}
