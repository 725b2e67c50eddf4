/* property_test.c - random histories of quorums: what raft promises holds after each step, and when
 * harm ends it goes on. RAFT_SEED=1000 begins with the thousandth history: for long campaigns. */
#include <stdlib.h>
#include "model.h"

#define SECONDS 1000000000ll

struct totals {
    int64_t steps, elections, truncations, installs, changes, abstentions, taken_back, committed,
        wipes;
};

enum kind {
    PLAIN,
    ALL,   /* snapshots, votes that are lost, voters that change */
    WIPED, /* kraft.version 1: a disk is lost, and its node comes back as another one */
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
    t->wipes += m->wipes;
}

static void history(struct totals *t, uint64_t seed, int nodes, int voters, int steps,
                    enum kind kind)
{
    static struct model m;
    model_init(&m, seed, nodes, voters);
    m.snapshots = kind != PLAIN;
    m.votes_lost = kind == ALL;
    m.changes_on = kind == ALL && nodes > 3;
    if (kind == WIPED || m.changes_on)
        model_write_voters(&m);
    m.wipes_left = kind == WIPED ? (voters - 1) / 2 : 0;
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

static void histories(int count, int nodes, int voters, enum kind kind)
{
    struct totals t = {0};
    const char *from = getenv("RAFT_SEED");
    for (int i = 0; i < count; i++)
        history(&t, (uint64_t)(i + (from ? atoi(from) : 0)) * 977 + (uint64_t)nodes, nodes, voters,
                4000, kind);
    print_message("%lld steps, %lld elections, %lld truncations, %lld installs, %lld changes, "
                  "%lld abstentions, %lld taken back, %lld committed, %lld wiped\n",
                  (long long)t.steps, (long long)t.elections, (long long)t.truncations,
                  (long long)t.installs, (long long)t.changes, (long long)t.abstentions,
                  (long long)t.taken_back, (long long)t.committed, (long long)t.wipes);
    assert_true(t.elections > count);
    assert_true(t.committed > 4 * count);
    assert_true(t.taken_back > count / 8);
    if (nodes > 1)
        assert_true(t.truncations > count / 4);
    if (kind == WIPED)
        assert_true(t.wipes > count / 4);
    if (kind != PLAIN)
        assert_true(t.installs > count / 4);
}

TEST(one_node_leads_itself)
{
    histories(30, 1, 1, PLAIN);
}

TEST(three_nodes_agree)
{
    histories(120, 3, 3, PLAIN);
}

TEST(three_nodes_with_snapshots_and_lost_votes_agree)
{
    histories(120, 3, 3, ALL);
}

TEST(five_nodes_whose_voters_change_agree)
{
    histories(120, 5, 3, ALL);
}

TEST(three_voters_of_whom_one_comes_back_as_another_node_agree)
{
    histories(120, 3, 3, WIPED);
}

TEST(five_nodes_who_learn_from_the_log_who_votes_agree)
{
    histories(120, 5, 3, WIPED);
}
