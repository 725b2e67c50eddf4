/* swarm_test.c - what 2,000 drawn plans hold, for clusters of every size: quiet seeds and busy
 * ones, clients as victims, nets that fall apart, and no damage to what shall stay intact. */
#include <stdio.h>
#include "fault/fault.h"
#include "support/test.h"

#define SEEDS 2000
#define CLIENTS 5
#define SECOND_NS 1000000000ll
#define QUIET_LINES 4

/* What all plans of one size of cluster hold. */
struct tally {
    struct mem mem;
    uint32_t servers;
    int32_t intact;
    uint64_t kinds;
    int32_t quiet, busy, empty, isolated, halved, of_clients, flapping, one_way, damaged_all;
    int32_t paired, paired_dir; /* with a fault, and with one of directories, before the power */
    int64_t lines;
    uint64_t seen; /* kinds, a bit each */
};

static uint64_t all_servers(const struct tally *t)
{
    return (1ull << t->servers) - 1;
}

static bool holds_at(const struct fault_line *line, int64_t at_ns)
{
    return line->kind == FAULT_CUT && line->at_ns <= at_ns && at_ns < line->at_ns + line->for_ns;
}

/* From whom a server is cut, both ways, at that moment. */
static uint64_t cut_from(const struct fault_plan *plan, uint64_t server, int64_t at_ns)
{
    uint64_t others = 0;
    for (int32_t i = 0; i < plan->count; i++) {
        const struct fault_line *line = &plan->lines[i];
        if (!holds_at(line, at_ns) || line->one_way)
            continue;
        others |= (line->from & server) != 0 ? line->to : 0;
        others |= (line->to & server) != 0 ? line->from : 0;
    }
    return others & ~server;
}

static bool isolates(const struct tally *t, const struct fault_plan *plan)
{
    for (int32_t i = 0; i < plan->count; i++) {
        for (uint32_t s = 0; plan->lines[i].kind == FAULT_CUT && s < t->servers; s++) {
            uint64_t server = fault_node(s), peers = all_servers(t) & ~server;
            if ((cut_from(plan, server, plan->lines[i].at_ns) & peers) == peers)
                return true;
        }
    }
    return false;
}

static void count_line(struct tally *t, const struct fault_line *line, bool *client,
                       uint64_t *damage)
{
    uint64_t clients = ((1ull << CLIENTS) - 1) << t->servers;
    bool several = __builtin_popcountll(line->from & all_servers(t)) > 1 &&
                   __builtin_popcountll(line->to & all_servers(t)) > 1;
    t->seen |= 1ull << line->kind;
    t->flapping += line->kind == FAULT_CUT && line->param[FAULT_P_EVERY] > 0;
    t->one_way += line->one_way;
    t->halved += line->kind == FAULT_CUT && line->from != FAULT_OTHERS &&
                 line->to != FAULT_OTHERS && several;
    *client |= line->kind != FAULT_SLOW_READER && (line->nodes & clients) != 0;
    *damage |= (FAULT_DAMAGING >> line->kind & 1) != 0 ? line->nodes : 0;
    if (line->kind == FAULT_DISK_SWAP)
        *damage |= fault_node((uint32_t)line->param[FAULT_P_WITH]);
}

/* The power goes a few operations after it, at one of its nodes. */
static bool is_first(const struct fault_line *first, const struct fault_line *power)
{
    return power->kind == FAULT_POWER_LOSS && power->param[FAULT_P_OP] > 0 && first != power &&
           power->at_ns == first->at_ns && (power->nodes & first->nodes) != 0;
}

static void count_pairs(struct tally *t, const struct fault_plan *plan)
{
    bool any = false, dir = false;
    for (int32_t i = 0; i < plan->count; i++) {
        const struct fault_line *first = &plan->lines[i];
        bool of_dir =
            first->kind == FAULT_RATE && first->param[FAULT_P_SITE] == FAULT_DISK_SYNC_DIR;
        for (int32_t k = 0; k < plan->count; k++) {
            any |= is_first(first, &plan->lines[k]);
            dir |= of_dir && is_first(first, &plan->lines[k]);
        }
    }
    t->paired += any;
    t->paired_dir += dir;
}

static void count_plan(struct tally *t, const struct fault_plan *plan)
{
    count_pairs(t, plan);
    bool client = false;
    uint64_t damage = 0;
    for (int32_t i = 0; i < plan->count; i++)
        count_line(t, &plan->lines[i], &client, &damage);
    t->lines += plan->count;
    t->empty += plan->count == 0;
    t->quiet += plan->count <= QUIET_LINES;
    t->busy += plan->count > 30;
    t->of_clients += client;
    t->damaged_all += (damage & all_servers(t)) == all_servers(t);
    t->isolated += t->servers > 1 && isolates(t, plan);
}

static void draw_all(struct tally *t)
{
    mem_system(&t->mem);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fault_plan plan;
        struct fault_swarm swarm = {.seed = seed,
                                    .kinds = t->kinds,
                                    .servers = all_servers(t),
                                    .clients = ((1ull << CLIENTS) - 1) << t->servers,
                                    .nodes = (1ull << (t->servers + CLIENTS)) - 1,
                                    .intact = t->intact,
                                    .start_ns = SECOND_NS / 2,
                                    .end_ns = 20 * SECOND_NS};
        fault_plan_init(&plan, &t->mem);
        assert_ok(fault_plan_draw(&plan, &swarm));
        count_plan(t, &plan);
        fault_plan_free(&plan);
    }
    printf("%u servers: %lld lines; of %d seeds %d quiet, %d busy, %d isolate a server, %d harm a "
           "client\n",
           t->servers, (long long)t->lines, SEEDS, t->quiet, t->busy, t->isolated, t->of_clients);
}

static bool is_share(int32_t count, int32_t percent_min, int32_t percent_max)
{
    return count * 100 >= percent_min * SEEDS && count * 100 <= percent_max * SEEDS;
}

/* Where a broker is cut from all its peers it must step down, or others must go on without it. */
TEST(of_a_cluster_some_seeds_cut_a_server_from_all_its_peers)
{
    static const uint32_t sizes[] = {2, 3, 5, 9};
    for (int i = 0; i < COUNT_OF(sizes); i++) {
        struct tally t = {.servers = sizes[i], .kinds = FAULT_SURVIVABLE};
        draw_all(&t);
        assert_true(is_share(t.isolated, 5, 60));
        assert_true(sizes[i] < 5 || is_share(t.halved, 5, 100));
        assert_true(is_share(t.flapping, 5, 200));
        assert_true(is_share(t.one_way, 5, 200));
    }
}

TEST(a_third_of_the_seeds_is_quiet_and_some_are_not)
{
    struct tally t = {.servers = 1, .kinds = FAULT_SURVIVABLE};
    draw_all(&t);
    assert_int_equal(t.empty, 0);
    assert_true(is_share(t.quiet, 33, 60));
    assert_true(is_share(t.busy, 10, 50));
    assert_true(t.seen == FAULT_SURVIVABLE);
}

/* What a fault leaves is found by who starts on it. */
TEST(some_seeds_lose_power_a_few_operations_after_a_fault)
{
    struct tally t = {.servers = 3, .kinds = FAULT_SURVIVABLE};
    draw_all(&t);
    printf("%d pairs, %d of directories\n", t.paired, t.paired_dir);
    assert_true(is_share(t.paired, 15, 60));
    assert_true(is_share(t.paired_dir, 5, 40));
    struct tally none = {.servers = 3, .kinds = FAULT_SURVIVABLE & ~FAULT_BIT(POWER_LOSS)};
    draw_all(&none);
    assert_int_equal(none.paired, 0);
}

TEST(clients_are_harmed_as_servers_are)
{
    struct tally t = {.servers = 3, .kinds = FAULT_SURVIVABLE};
    draw_all(&t);
    assert_true(is_share(t.of_clients, 10, 60));
}

TEST(damage_leaves_as_many_servers_intact_as_it_is_told)
{
    for (int32_t intact = 0; intact < 3; intact++) {
        struct tally t = {
            .servers = 3, .kinds = FAULT_DAMAGING | FAULT_BIT(KILL), .intact = intact};
        draw_all(&t);
        assert_true(intact == 0 ? t.damaged_all > 0 : t.damaged_all == 0);
        uint64_t possible = FAULT_DAMAGING | FAULT_BIT(KILL) | FAULT_BIT(DISK_BACKUP);
        possible &= intact == 2 ? ~FAULT_BIT(DISK_SWAP) : UINT64_MAX;
        assert_true(t.seen == possible);
    }
}
