/* several_test.c - quorums of three and of five voters: what raft promises, carried over disks that
 * fail, holds in every history; and when harm ends they are one again. QUORUM_SEED=1000 begins with
 * the thousandth history, QUORUM_SEEDS=500 takes so many: for long campaigns. */
#include "several.h"

static struct several s;

static bool chance(int part)
{
    return rng_next(&s.rng) % 1000 < (uint64_t)part;
}

static int someone(void)
{
    return (int)(rng_next(&s.rng) % (uint64_t)s.count);
}

TEST(three_nodes_elect_one_and_agree)
{
    several_setup(&s, 1, 3, 0, INT64_MAX);
    several_run(3000);
    for (int i = 0; i < 20; i++) {
        assert_true(several_submit(i % 2 == 0));
        several_run(60); /* two syncs, and what is between them */
        assert_int_equal(s.ok_count, i);
    }
    assert_true(several_converges(5000));
    assert_int_equal(s.elections, 1);
    several_teardown();
}

/* Its log is empty, and yet it may have voted. */
TEST(who_has_lost_its_state_gives_no_vote_whatever_its_log_holds)
{
    several_setup(&s, 2, 3, 0, INT64_MAX);
    memset(s.cut, 1, sizeof s.cut);
    several_run(2000);
    world_stop(s.world, s.hosts[0].node);
    several_run(500);
    for (int i = 0; i < 4; i++)
        several_harm("at 0s node 0 disk vanish file=quorum-state");
    several_start(0);
    several_run(2000);
    several_look();
    assert_int_equal(s.hosts[0].said_end, 0);
    assert_int_equal(s.hosts[0].roles, 1u << RAFT_UNATTACHED);
    assert_true(s.hosts[1].roles & 1u << RAFT_PROSPECTIVE);
    assert_true(several_converges(5000));
    several_teardown();
}

static int leader_of(void)
{
    several_look();
    return several_leader();
}

/* K-14. Whoever waited for it is told so when it learns that it leads no longer, and its image is
 * what everybody has. */
TEST(what_a_leader_that_was_cut_off_appended_was_never_there)
{
    several_setup(&s, 3, 3, 0, INT64_MAX);
    several_run(3000);
    several_submit(true); /* registers */
    several_run(200);
    several_submit(true);
    several_run(200);
    int old = leader_of();
    for (int i = 0; i < 3; i++)
        s.cut[old][i] = s.cut[i][old] = true;
    several_submit(true);
    several_submit(false);
    several_run(300);
    assert_int_equal(leader_of(), old);
    assert_false(s.orders[1].done); /* nobody else has it */
    several_run(3000);
    int other = leader_of();
    assert_true(other >= 0);
    assert_int_not_equal(other, old);
    several_submit(true);
    several_run(300);
    assert_true(s.orders[3].done);
    assert_int_equal(s.orders[3].code, WIRE_ERROR_NONE);
    assert_true(several_converges(5000));
    for (int i = 1; i < 3; i++) {
        assert_true(s.orders[i].done);
        assert_int_equal(s.orders[i].code, WIRE_ERROR_NOT_CONTROLLER);
    }
    assert_int_equal(s.hosts[old].topic_count, 2); /* the first, and the new leader's */
    assert_int_equal(s.lost_count, 2);
    several_teardown();
}

/* K-11: whatever its leader says. */
TEST(who_would_give_up_what_is_committed_stops_with_a_sentence)
{
    several_setup(&s, 4, 3, 0, INT64_MAX);
    several_run(3000);
    for (int i = 0; i < 4; i++) {
        several_submit(true);
        several_run(200);
    }
    int leader = leader_of(), follower = (leader + 1) % 3;
    const struct host *h = &s.hosts[follower];
    struct raft_response lie = {.api = RAFT_FETCH,
                                .from_id = leader + 1,
                                .epoch = h->said_epoch,
                                .leader_id = leader + 1,
                                .fetched = RAFT_FETCHED_DIVERGING,
                                .diverging_epoch = h->said_epoch,
                                .diverging_end = 1};
    int64_t end = h->said_end;
    for (int i = 0; i < 20 && h->stopped == NULL; i++) {
        several_answer_fetch(follower, &lie);
        several_run(50);
    }
    assert_non_null(h->stopped);
    assert_non_null(strstr(h->stopped, "committed"));
    s.wrong = NULL;
    several_submit(true); /* the others go on */
    several_run(300);
    several_look();
    assert_int_equal(s.hosts[follower].said_end, end);
    assert_true(s.hosts[leader].said_watermark > end);
    several_teardown();
}

/* ---- an install ---- */

/* A follower has missed so much that the log behind it is gone. */
static void fall_behind(uint64_t seed, int node)
{
    several_setup(&s, seed, 3, 0, 250);
    several_run(2000);
    for (int i = 0; i < 4; i++) {
        several_submit(true);
        several_run(100);
    }
    world_stop(s.world, s.hosts[node].node);
    several_run(1000);
    for (int i = 0; i < 20; i++) {
        several_submit(true);
        several_run(60);
    }
}

/* Whatever operation is the last, of the life that installs and of the one after it, and whether
 * the power goes with it: the node becomes what the others are. */
TEST(an_install_that_is_cut_short_twice_is_brought_to_its_end)
{
    uint32_t k = 1;
    int installs = 0;
    for (bool died = true; died && k < 400; k += 3) {
        fall_behind(7, 0);
        uint32_t id = s.hosts[0].node;
        for (uint32_t life = 0; life < 2; life++) {
            world_kill(s.world, id, life == 0 ? k : 1 + k / 2);
            several_start(0);
            several_run(700);
            if (life == 0)
                died = !several_is_up(0);
            if (k % 2 == 0)
                world_power_loss(s.world, 1ull << id);
        }
        bool converges = several_converges(20000);
        if (!converges)
            print_message("at the operation %u: %s\n", (unsigned)k, s.wrong);
        installs += s.installs;
        several_teardown();
        assert_true(converges);
    }
    assert_true(k > 100);
    assert_true(installs >= (int)k / 3);
}

/* ---- histories ---- */

struct totals {
    int64_t elections, truncations, installs, ok, lost, committed, kills, votes_lost, spoiled;
};

/* Cuts one off, from all or from some, in one way or both. */
static void cut_some(void)
{
    int a = someone();
    bool one_way = chance(300);
    for (int b = 0; b < s.count; b++) {
        if (b == a || chance(300))
            continue;
        s.cut[a][b] = true;
        s.cut[b][a] = !one_way;
    }
}

/* What a node that is down has written down of its votes is gone. */
static void harm_vote(void)
{
    int node = 0;
    while (node < s.voters && several_is_up(node))
        node++;
    for (int i = 0; i < s.voters; i++) /* most of them know */
        if (s.hosts[i].vote_lost)
            return;
    if (node == s.voters || s.hosts[node].saved.epoch == 0)
        return;
    s.hosts[node].vote_lost = true;
    s.votes_lost++;
    for (int i = 0; i < 4; i++) /* the file, its checksum, what a crash left of either */
        several_harm("at 0s node %d disk vanish file=quorum-state", node);
}

static void harm_disk(void)
{
    int node = someone();
    if (chance(500))
        harm_vote();
    switch (rng_next(&s.rng) % 8) {
    case 7:
        several_harm("at 0s node %d disk read_fails times=2 file=.log", node);
        return;
    case 6:
        several_harm("at 0s node %d rate site=alloc rate=%d for 300ms", node,
                     (int)(1 + rng_next(&s.rng) % 20000));
        return;
    case 0:
        several_harm("at 0s node %d disk full bytes=%d for 2s", node,
                     (int)(1 + rng_next(&s.rng) % 4000));
        return;
    case 1:
        several_harm("at 0s node %d disk slow_sync factor=40 for 1s", node);
        return;
    case 2:
        several_harm("at 0s node %d disk write_fails times=1 error=NOSPACE", node);
        return;
    case 3:
        several_harm("at 0s node %d disk slow factor=8 for 1s", node);
        return;
    case 4:
        several_harm("at 0s node %d disk hang for 700ms", node);
        return;
    default:
        if (chance(300))
            several_harm("at 0s node %d disk sync_fails times=1", node);
    }
}

static void harm_node(void)
{
    int node = someone();
    uint32_t id = s.hosts[node].node;
    if (!several_is_up(node))
        return;
    s.kills++;
    if (chance(300))
        world_power_loss(s.world, 1ull << id);
    else if (chance(40))
        world_power_loss(s.world, (1ull << s.count) - 1);
    else if (chance(200))
        world_stop(s.world, id);
    else
        world_kill(s.world, id, (uint32_t)(rng_next(&s.rng) % 12));
}

/* One harm, or none, or the end of one. */
static void disturb(void)
{
    if (chance(60))
        harm_node();
    if (chance(60))
        harm_disk();
    if (chance(80))
        cut_some();
    if (chance(100))
        memset(s.cut, 0, sizeof s.cut);
    if (chance(100)) {
        s.drop = chance(500) ? 0 : 100;
        s.slow = chance(500) ? 0 : 300;
    }
    if (chance(100))
        several_forget(someone());
    for (int i = 0; i < s.count; i++) {
        if (chance(250) && (!several_is_up(i) || s.hosts[i].failed)) {
            world_kill(s.world, s.hosts[i].node, 0);
            several_start(i);
        }
    }
}

static void wander(struct totals *t, uint64_t seed, int voters, int observers,
                   int64_t snapshot_bytes)
{
    several_setup(&s, seed, voters, observers, snapshot_bytes);
    bool converges = true;
    for (int part = 0; part < 3 && converges; part++) {
        for (int step = 0; step < 40 && s.wrong == NULL; step++) {
            for (uint64_t n = rng_next(&s.rng) % 3; n > 0; n--)
                several_submit(chance(500));
            disturb();
            several_run((int64_t)(rng_next(&s.rng) % 200));
        }
        converges = several_converges(20000);
    }
    if (!converges)
        print_message("seed %llu, %d nodes: %s\n", (unsigned long long)seed, s.count,
                      s.wrong != NULL ? s.wrong : "they do not become one");
    struct world_stats stats;
    world_stats(s.world, &stats);
    int64_t seconds = world_now(s.world) / 1000 / NS_PER_MS;
    assert_true((int64_t)stats.event_count < (seconds + 1) * s.count * 4000);
    t->elections += s.elections;
    t->truncations += s.truncations;
    t->installs += s.installs;
    t->ok += s.ok_count;
    t->lost += s.lost_count;
    t->committed += s.committed_end;
    t->kills += s.kills;
    t->votes_lost += s.votes_lost;
    t->spoiled += s.spoiled;
    several_teardown();
    assert_true(converges);
}

static int from_environment(const char *name, int otherwise)
{
    const char *text = getenv(name);
    return text == NULL ? otherwise : atoi(text);
}

static void histories(int count, int voters, int observers, int64_t snapshot_bytes)
{
    struct totals t = {0};
    int from = from_environment("QUORUM_SEED", 0);
    int seeds = from_environment("QUORUM_SEEDS", count);
    for (int i = 0; i < seeds; i++)
        wander(&t, (uint64_t)(from + i) * 7919 + (uint64_t)voters, voters, observers,
               snapshot_bytes);
    print_message("%lld elections, %lld truncations, %lld installs, %lld acknowledged, %lld not, "
                  "%lld committed, %lld lives ended, %lld votes lost, %lld answers spoiled\n",
                  (long long)t.elections, (long long)t.truncations, (long long)t.installs,
                  (long long)t.ok, (long long)t.lost, (long long)t.committed, (long long)t.kills,
                  (long long)t.votes_lost, (long long)t.spoiled);
    assert_true(t.elections > 2 * seeds);
    assert_true(t.ok > 10 * seeds);
    assert_true(t.spoiled > seeds / 4);
    if (voters > 1) {
        assert_true(t.votes_lost > seeds / 8);
        assert_true(t.truncations > seeds / 4);
    }
    if (snapshot_bytes != INT64_MAX)
        assert_true(t.installs > seeds / 8);
}

TEST(three_nodes_agree_over_failing_disks)
{
    histories(TEST_SEARCH(100, 25), 3, 0, INT64_MAX);
}

TEST(three_nodes_with_snapshots_agree_over_failing_disks)
{
    histories(TEST_SEARCH(100, 25), 3, 0, 600);
}

TEST(who_observes_knows_what_is_committed)
{
    histories(TEST_SEARCH(40, 10), 3, 2, 1000);
}

TEST(who_observes_a_quorum_of_one_knows_what_is_committed)
{
    histories(TEST_SEARCH(40, 10), 1, 2, 1000);
}

TEST(five_nodes_agree_over_failing_disks)
{
    histories(TEST_SEARCH(40, 10), 5, 0, 1500);
}
