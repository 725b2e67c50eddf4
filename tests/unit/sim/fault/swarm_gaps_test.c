/* swarm_gaps_test.c - what swarms never draw today: each is expected to fail, and states what is
 * drawn instead. */
#include <stdio.h>
#include "fault/fault.h"
#include "support/expected.h"

#define SEEDS 500
#define SERVERS 5
#define CLIENTS 5
#define QUIET_LINES 3

static void draw_plan(struct fault_plan *plan, struct mem *mem, uint64_t seed)
{
    struct fault_swarm swarm = {.seed = seed,
                                .kinds = FAULT_SURVIVABLE,
                                .servers = (1u << SERVERS) - 1,
                                .nodes = (1u << (SERVERS + CLIENTS)) - 1,
                                .start_ns = 500000000,
                                .end_ns = 20000000000};
    fault_plan_init(plan, mem);
    assert_ok(fault_plan_draw(plan, &swarm));
}

/* How many of the seeds' plans are so. */
static int count_seeds(bool (*is_so)(const struct fault_plan *plan))
{
    struct mem mem;
    int count = 0;
    mem_system(&mem);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fault_plan plan;
        draw_plan(&plan, &mem, seed);
        count += is_so(&plan);
        fault_plan_free(&plan);
    }
    return count;
}

static void expect_none_yet(bool (*is_so)(const struct fault_plan *plan), const char *what)
{
    char seen[128], wrong[128];
    int count = count_seeds(is_so);
    snprintf(seen, sizeof seen, "%d of %d seeds %s", count, SEEDS, what);
    snprintf(wrong, sizeof wrong, "0 of %d seeds %s", SEEDS, what);
    test_expected_to_fail(ISSUE_WORLD, count > 0, seen, wrong);
}

static bool is_quiet(const struct fault_plan *plan)
{
    return plan->count <= QUIET_LINES;
}

TEST(expected_to_fail_some_seeds_are_quiet)
{
    expect_none_yet(is_quiet, "have three faults or fewer");
}

static bool cuts(const struct fault_line *line, int32_t a, int32_t b, int64_t at_ns)
{
    bool between = (line->from == a && line->to == b) || (line->from == b && line->to == a);
    return line->kind == FAULT_CUT && !line->one_way && between && line->at_ns <= at_ns &&
           at_ns < line->at_ns + line->for_ns;
}

static bool is_alone(const struct fault_plan *plan, int32_t server, int64_t at_ns)
{
    int cut_count = 0;
    for (int32_t other = 0; other < SERVERS; other++) {
        bool is_cut = false;
        for (int32_t i = 0; i < plan->count; i++)
            is_cut |= other != server && cuts(&plan->lines[i], server, other, at_ns);
        cut_count += is_cut;
    }
    return cut_count == SERVERS - 1;
}

static bool isolates_a_server(const struct fault_plan *plan)
{
    for (int32_t i = 0; i < plan->count; i++) {
        for (int32_t server = 0; plan->lines[i].kind == FAULT_CUT && server < SERVERS; server++) {
            if (is_alone(plan, server, plan->lines[i].at_ns))
                return true;
        }
    }
    return false;
}

TEST(expected_to_fail_some_seeds_cut_a_server_from_all_others)
{
    expect_none_yet(isolates_a_server, "cut a server from all others at once");
}

static bool harms_a_client(const struct fault_plan *plan)
{
    uint64_t clients = ((1ull << CLIENTS) - 1) << SERVERS;
    for (int32_t i = 0; i < plan->count; i++) {
        const struct fault_line *line = &plan->lines[i];
        bool of_process = line->kind == FAULT_KILL || line->kind == FAULT_PAUSE ||
                          line->kind == FAULT_CLOCK || line->kind == FAULT_POWER_LOSS;
        if (of_process && (line->nodes & clients) != 0)
            return true;
    }
    return false;
}

TEST(expected_to_fail_some_seeds_harm_a_client)
{
    expect_none_yet(harms_a_client, "kill, pause or confuse a client");
}
