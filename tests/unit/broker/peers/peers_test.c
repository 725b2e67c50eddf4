/* peers_test.c - requests to another node in the simulated world: each ends once, in time, with its
 * own answer or none, whatever becomes of the connection. */
#include <stdio.h>
#include "street.h"

/* ---- what holds ---- */

TEST(a_request_is_answered_by_a_connection_that_is_made_for_it)
{
    struct street *s = street_new(1, NULL, 0);
    street_start(s);
    assert_int_equal(peers_connection_count(s->asker.peers), 0);
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
        street_send(&s->asker, PEERS_VOTES, 0);
    }
    street_run(s, 1000);
    assert_int_equal(s->asker.answered, 2);
    assert_int_equal(s->sendings[0].version, 2);
    assert_int_equal(peers_connection_count(s->asker.peers), 1);
    street_end(s);
}

/* The leader parks a fetch; a vote is answered meanwhile. */
TEST(a_parked_fetch_holds_back_no_vote)
{
    struct street *s = street_new(2, NULL, 0);
    street_start(s);
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_LOG, 1000);
    }
    street_run(s, 300);
    assert_int_equal(s->server->fetches, 1);
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
    }
    street_run(s, 300);
    assert_true(s->sendings[1].answered);
    assert_int_equal(s->sendings[0].ended, 0);
    street_run(s, 1000);
    assert_true(s->sendings[0].answered);
    assert_int_equal(peers_connection_count(s->asker.peers), 2);
    street_end(s);
}

TEST(the_newest_version_that_both_speak_is_sent)
{
    struct street *s = street_new(3, NULL, 0);
    s->versions_asked_max = 0; /* a node that knows ApiVersions 0 alone */
    s->vote_newest = 1;
    street_start(s);
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
        struct sending *none = street_send(&s->asker, PEERS_VOTES, 0);
        peers_cancel(&none->request);
        none->request.key = 53; /* of which it speaks no version that kiln has */
        peers_send(s->asker.peers, OTHER, &none->request);
    }
    street_run(s, 1000);
    assert_true(s->sendings[0].answered);
    assert_int_equal(s->sendings[0].version, 1);
    assert_int_equal(s->sendings[1].why, ERR_UNSUPPORTED);
    street_end(s);
}

TEST(a_node_without_an_address_and_too_many_requests_are_refused_as_events_of_their_own)
{
    struct street *s = street_new(4, NULL, 0);
    street_start(s);
    ON_ASKER(s)
    {
        struct sending *none = street_send(&s->asker, PEERS_VOTES, 0);
        peers_cancel(&none->request);
        peers_send(s->asker.peers, 77, &none->request);
        for (int i = 0; i < PEERS_IN_FLIGHT_MAX + 3; i++)
            street_send(&s->asker, PEERS_VOTES, 0);
        assert_int_equal(s->asker.lost, 0);
    }
    street_run(s, 1000);
    assert_int_equal(s->sendings[0].why, ERR_NOTFOUND);
    assert_int_equal(s->asker.lost, 4);
    assert_int_equal(s->asker.answered, PEERS_IN_FLIGHT_MAX);
    assert_int_equal(s->sendings[s->asker.count - 1].why, ERR_LIMIT);
    street_end(s);
}

TEST(nobody_listens_and_then_somebody_does)
{
    struct street *s = street_new(5, NULL, 0);
    world_start(s->world, s->asker_node);
    street_run(s, 100);
    for (int i = 0; i < 5; i++) {
        ON_ASKER(s)
        {
            street_send(&s->asker, PEERS_VOTES, 0);
        }
        street_run(s, 400);
        assert_int_equal(s->sendings[i].why, ERR_REFUSED);
    }
    world_start(s->world, s->server_node);
    street_run(s, 100);
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
    }
    street_run(s, 400); /* twice the longest pause */
    assert_true(s->sendings[5].answered);
    street_end(s);
}

/* Accepted, and never a word: to ApiVersions, or later. */
TEST(who_does_not_answer_loses_the_connection_in_time)
{
    struct street *s = street_new(6, NULL, 0);
    s->mute = true;
    street_start(s);
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
    }
    street_run(s, 2000);
    assert_int_equal(s->sendings[0].why, ERR_TIMEOUT);
    s->mute = false;
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
    }
    street_run(s, 1000);
    assert_true(s->sendings[1].answered);
    s->mute = true;
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
    }
    street_run(s, 2000);
    assert_int_equal(s->sendings[2].why, ERR_TIMEOUT);
    assert_int_equal(peers_connection_count(s->asker.peers), 0);
    street_end(s);
}

TEST(an_answer_that_is_none_closes_the_connection)
{
    struct street *s = street_new(7, NULL, 0);
    street_start(s);
    s->babble = true;
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
    }
    street_run(s, 1000);
    assert_int_equal(s->sendings[0].why, ERR_CORRUPT);
    s->babble = false;
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
    }
    street_run(s, 1000);
    assert_true(s->sendings[1].answered);
    street_end(s);
}

/* A cut link swallows the handshake: the request ends in time, and the next one after the cut is
 * answered although the first attempt still hangs. */
TEST(a_connect_that_hangs_is_left_behind)
{
    struct street *s = street_new(8, NULL, 0);
    street_start(s);
    street_harm(s, "at 0s link 0-1 cut");
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
    }
    street_run(s, 1600);
    assert_int_equal(s->sendings[0].why, ERR_TIMEOUT);
    world_heal_link(s->world, 0, 1);
    world_heal_link(s->world, 1, 0);
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_VOTES, 0);
    }
    street_run(s, 500);
    assert_true(s->sendings[1].answered);
    street_run(s, 20000); /* the first attempt came to something, and is closed */
    assert_int_equal(s->server->open_count, 1);
    assert_int_equal(peers_connection_count(s->asker.peers), 1);
    street_end(s);
}

TEST(an_address_that_moves_takes_its_connections_with_it)
{
    struct street *s = street_new(9, NULL, 0);
    street_start(s);
    ON_ASKER(s)
    {
        street_send(&s->asker, PEERS_LOG, 1000);
    }
    street_run(s, 300);
    ON_ASKER(s)
    {
        assert_ok(peers_know(s->asker.peers, OTHER, "server", PORT));
        assert_int_equal(peers_connection_count(s->asker.peers), 1);
        assert_ok(peers_know(s->asker.peers, OTHER, "server", PORT + 1));
        assert_ok(peers_know(s->asker.peers, OTHER, "server", PORT));
        street_send(&s->asker, PEERS_LOG, 0);
    }
    street_run(s, 700);
    assert_int_equal(s->sendings[0].why, ERR_RESET);
    assert_true(s->sendings[1].answered);
    street_end(s);
}

/* Who is closed with all of it under way tells each that it is over. */
TEST(a_close_ends_what_waits_and_what_was_sent)
{
    for (uint64_t seed = 10; seed < 60; seed++) {
        struct street *s = street_new(seed, NULL, 0);
        s->every_ns = 7 * MS;
        street_start(s);
        if (seed % 3 == 0)
            street_harm(s, "at 0s link 0-1 cut");
        street_run(s, (int64_t)(seed % 7) * 31);
        street_end(s);
    }
}

/* ---- swarms ---- */

#define SWARM_SEEDS 300
#define HARM_NS (12 * SECOND)

static void draw_plan(struct fault_plan *plan, struct mem *mem, uint64_t seed)
{
    const struct fault_swarm swarm = {
        .seed = seed,
        .kinds = FAULT_BIT(KILL) | FAULT_BIT(PAUSE) | FAULT_BIT(CUT) | FAULT_BIT(RESET) |
                 FAULT_BIT(HALF_OPEN) | FAULT_BIT(DELAY) | FAULT_BIT(BANDWIDTH) |
                 FAULT_BIT(SLOW_READER) | FAULT_BIT(DUPLICATE) | FAULT_BIT(STALL),
        .servers = 1 << 1,
        .nodes = 3,
        .start_ns = SECOND / 2,
        .end_ns = HARM_NS,
    };
    fault_plan_init(plan, mem);
    assert_ok(fault_plan_draw(plan, &swarm));
}

/* Whatever happens to the server and to the links: each request ends once, in time, with its own
 * answer or none; and when all is well again, all are answered. */
TEST(each_request_ends_once_whatever_happens)
{
    int answered = 0, lost = 0, cancelled = 0;
    for (uint64_t seed = 100; seed < 100 + SWARM_SEEDS; seed++) {
        struct mem mem;
        struct fault_plan plan;
        mem_system(&mem);
        draw_plan(&plan, &mem, seed);
        struct street *s = street_new(seed, &plan, 0);
        s->every_ns = (5 + (int64_t)(seed % 40)) * MS;
        s->cancel_percent = seed % 2 == 0 ? 10 : 0;
        s->wait_ms_max = seed % 5 == 0 ? 0 : 50;
        street_start(s);
        world_run_until(s->world, HARM_NS);
        world_heal(s->world);
        street_run(s, 5000);
        int before = s->asker.lost;
        int count = s->asker.count;
        street_run(s, 2000);
        assert_int_equal(s->asker.lost, before);
        assert_true(s->asker.count > count || count == SENDS_MAX);
        answered += s->asker.answered;
        lost += s->asker.lost;
        cancelled += s->asker.cancelled;
        street_end(s);
        fault_plan_free(&plan);
    }
    assert_true(answered > SWARM_SEEDS * 100);
    assert_true(lost > SWARM_SEEDS * 10);
    assert_true(cancelled > SWARM_SEEDS);
}

/* Sends, receives, connects and allocations fail now and then, on both nodes. */
TEST(each_request_ends_once_when_calls_fail)
{
    static const char *const sites[] = {"net/connect", "net/send", "net/receive", "alloc"};
    int answered = 0, lost = 0;
    for (uint64_t seed = 1000; seed < 1000 + SWARM_SEEDS / 3; seed++) {
        struct street *s = street_new(seed, NULL,
                                      1u << FAULT_NET_CONNECT | 1u << FAULT_NET_SEND |
                                          1u << FAULT_NET_RECEIVE | 1u << FAULT_ALLOC);
        char line[100];
        s->every_ns = 10 * MS;
        s->wait_ms_max = 50;
        street_start(s);
        for (int i = 0; i < COUNT_OF(sites); i++) {
            snprintf(line, sizeof line, "at 0s node 0,1 rate site=%s rate=%d", sites[i],
                     (int)(seed % 4) * 20000 + 5000);
            street_harm(s, line);
        }
        street_run(s, 5000);
        world_heal(s->world);
        street_run(s, 3000);
        int before = s->asker.lost;
        street_run(s, 1000);
        assert_int_equal(s->asker.lost, before);
        answered += s->asker.answered;
        lost += s->asker.lost;
        street_end(s);
    }
    assert_true(answered > SWARM_SEEDS * 10);
    assert_true(lost > SWARM_SEEDS);
}
