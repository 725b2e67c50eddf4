/* property_test.c - random histories of quorums: what raft promises holds after each step, and when
 * harm ends it goes on. RAFT_SEED=1000 begins with the thousandth history: for long campaigns. */
#include <stdlib.h>
#include "model.h"

#define SECONDS 1000000000ll

struct totals {
    int64_t steps, elections, truncations, installs, changes, abstentions, taken_back, committed;
};

static void add(struct totals *t, const struct model *m)
{
    t->steps += m->steps;
    t->elections += m->elections;
    t->truncations += m->truncations;
    t->installs += m->installs;
    t->changes += m->changes;
    t->abstentions += m->abstentions;
    t->taken_back += m->taken_back;
    t->committed += m->committed_end;
}

static void history(struct totals *t, uint64_t seed, int nodes, int voters, int steps, bool all)
{
    static struct model m;
    model_init(&m, seed, nodes, voters);
    m.votes_lost = m.snapshots = all;
    m.changes_on = all && nodes > 3;
    m.harm = (int[]){3, 20, 150}[seed % 3];
    model_start(&m);
    for (int i = 0; i < steps && m.wrong == NULL; i++)
        model_step(&m);
    bool converges = m.wrong == NULL && model_converges(&m, 60 * SECONDS);
    if (m.wrong != NULL || !converges) {
        print_message("seed %llu, %d nodes, step %lld: %s\n", (unsigned long long)seed, nodes,
                      (long long)m.steps, m.wrong != NULL ? m.wrong : "it stands still");
        model_print(&m);
    }
    assert_null(m.wrong);
    assert_true(converges);
    add(t, &m);
    model_free(&m);
}

static void histories(int count, int nodes, int voters, bool all)
{
    struct totals t = {0};
    const char *from = getenv("RAFT_SEED");
    for (int i = 0; i < count; i++)
        history(&t, (uint64_t)(i + (from ? atoi(from) : 0)) * 977 + (uint64_t)nodes, nodes, voters,
                4000, all);
    print_message("%lld steps, %lld elections, %lld truncations, %lld installs, %lld changes, "
                  "%lld abstentions, %lld taken back, %lld committed\n",
                  (long long)t.steps, (long long)t.elections, (long long)t.truncations,
                  (long long)t.installs, (long long)t.changes, (long long)t.abstentions,
                  (long long)t.taken_back, (long long)t.committed);
    assert_true(t.elections > count);
    assert_true(t.committed > 4 * count);
    assert_true(t.taken_back > count / 8);
    if (nodes > 1)
        assert_true(t.truncations > count / 4);
    if (all)
        assert_true(t.installs > count / 4);
}

TEST(one_node_leads_itself)
{
    histories(30, 1, 1, false);
}

TEST(three_nodes_agree)
{
    histories(120, 3, 3, false);
}

TEST(three_nodes_with_snapshots_and_lost_votes_agree)
{
    histories(120, 3, 3, true);
}

TEST(five_nodes_whose_voters_change_agree)
{
    histories(120, 5, 3, true);
}
