/* membership_test.c - brokers of a cluster: registered, heard of, fenced, back again, and gone. */
#include "company.h"
#include <stdio.h>

static void setup(struct company *c, uint64_t seed, int voters, int brokers)
{
    company_setup(c, seed, voters, brokers, "");
    company_start_all(c);
    company_run(c, 10000);
    assert_true(company_all_serve(c));
}

static int64_t epoch_of(const struct company *c, int index)
{
    const struct metadata_broker *seen = company_sees(c, company_leader(c), index);
    assert_non_null(seen);
    return seen->epoch;
}

/* Somebody who neither leads the metadata nor is the first. */
static int follower(const struct company *c)
{
    return (company_leader(c) + 1) % c->voter_count;
}

/* B-1, B-3: each has the epoch of its own record, and knows of it. */
TEST(nodes_of_both_roles_register_and_serve)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct company c;
        setup(&c, seed, 3, 0);
        for (int i = 0; i < 3; i++) {
            struct broker *b = company_broker(&c, i);
            assert_int_equal(broker_membership_epoch(b), epoch_of(&c, i));
            assert_true(quorum_current(b->quorum)->offset >= epoch_of(&c, i));
            assert_true(orders_is_heard(b->orders));
            assert_int_equal(c.nodes[i].start_count, 1);
        }
        company_teardown(&c);
    }
}

TEST(brokers_alone_register_with_the_controllers_of_others)
{
    struct company c;
    setup(&c, 7, 3, 2);
    for (int i = 3; i < 5; i++) {
        assert_int_equal(broker_membership_epoch(company_broker(&c, i)), epoch_of(&c, i));
        assert_int_equal(quorum_role(company_broker(&c, i)->quorum), RAFT_FOLLOWER);
    }
    company_teardown(&c);
}

/* B-4, and nobody else is. */
TEST(who_is_killed_is_fenced_when_its_session_ends_and_comes_back_as_another)
{
    struct company c;
    setup(&c, 11, 3, 0);
    int leader = company_leader(&c), victim = follower(&c);
    int64_t before = epoch_of(&c, victim);
    world_kill(c.world, c.nodes[victim].node, 0);
    company_run(&c, COMPANY_SESSION_MS - COMPANY_BEAT_MS - 100);
    assert_false(company_sees(&c, leader, victim)->fenced);
    company_run(&c, COMPANY_BEAT_MS + 1000);
    assert_true(company_sees(&c, leader, victim)->fenced);
    assert_false(company_sees(&c, leader, leader)->fenced);
    world_start(c.world, c.nodes[victim].node);
    company_run(&c, 3000);
    assert_true(company_all_serve(&c));
    assert_true(epoch_of(&c, victim) > before);
    assert_int_equal(company_broker(&c, victim)->membership.registration.previous_epoch, -1);
    company_teardown(&c);
}

/* B-1: the life before might still be there. */
TEST(who_starts_again_at_once_waits_for_the_session_of_its_life_before)
{
    struct company c;
    setup(&c, 12, 3, 0);
    int victim = follower(&c);
    int64_t before = epoch_of(&c, victim);
    world_kill(c.world, c.nodes[victim].node, 0);
    company_run(&c, 50);
    world_start(c.world, c.nodes[victim].node);
    company_run(&c, COMPANY_SESSION_MS - COMPANY_BEAT_MS - 500);
    assert_int_equal(epoch_of(&c, victim), before);
    assert_non_null(strstr(c.nodes[victim].said, "DUPLICATE_BROKER_REGISTRATION"));
    company_run(&c, 2500);
    assert_true(company_all_serve(&c));
    assert_true(epoch_of(&c, victim) > before);
    company_teardown(&c);
}

static void cut_off(struct company *c, int index, bool heals)
{
    for (int i = 0; i < c->count; i++) {
        if (i == index)
            continue;
        if (heals)
            world_heal_link(c->world, c->nodes[index].node, c->nodes[i].node);
        else
            world_cut(c->world, c->nodes[index].node, c->nodes[i].node, false);
    }
}

static bool heard[COMPANY_MAX]; /* as each knew in its last event */

static void note_heard(struct company_life *life)
{
    heard[life->index] = orders_is_heard(life->broker->orders);
}

/* Its own clock tells it not later than the controller's tells the others. */
TEST(who_is_cut_off_knows_before_another_leads_what_it_led)
{
    for (uint64_t seed = 20; seed < 26; seed++) {
        struct company c;
        setup(&c, seed, 3, 1);
        int64_t before = epoch_of(&c, 3);
        cut_off(&c, 3, false);
        c.act = note_heard;
        int unheard = 0;
        for (int i = 0; i < 120; i++) {
            bool fenced = company_sees(&c, company_leader(&c), 3)->fenced;
            company_run(&c, 50); /* it is asked as this begins */
            unheard += !heard[3];
            if (fenced)
                assert_false(heard[3]);
        }
        assert_true(unheard > 40);
        cut_off(&c, 3, true);
        company_run(&c, 8000);
        assert_true(company_all_serve(&c));
        assert_true(heard[3]);
        assert_int_equal(epoch_of(&c, 3), before); /* of the same life */
        company_teardown(&c);
    }
}

/* B-2, B-5: it says the epoch of the life before, which had been given leave. */
TEST(who_is_stopped_asks_for_leave_and_says_its_last_epoch)
{
    for (uint64_t seed = 30; seed < 34; seed++) {
        struct company c;
        setup(&c, seed, 3, 1);
        int victim = seed % 2 == 0 ? 3 : company_leader(&c);
        int64_t before = epoch_of(&c, victim);
        world_stop(c.world, c.nodes[victim].node);
        company_run(&c, 2500);
        assert_int_equal(c.nodes[victim].stop_count, 1);
        assert_null(strstr(c.nodes[victim].said, "no controller says"));
        assert_true(company_sees(&c, company_leader(&c), victim)->fenced);
        world_start(c.world, c.nodes[victim].node);
        /* Nobody waits for the session of who had leave; a voter may have to hear who leads. */
        company_run(&c, victim == 3 ? 500 : 4000);
        assert_true(company_all_serve(&c));
        assert_true(epoch_of(&c, victim) > before);
        assert_int_equal(company_broker(&c, victim)->membership.registration.previous_epoch,
                         before);
        company_teardown(&c);
    }
}

/* Nobody is there to give the last one leave. */
TEST(all_can_be_stopped_at_once)
{
    struct company c;
    setup(&c, 40, 3, 2);
    for (int i = 0; i < 5; i++)
        world_stop(c.world, c.nodes[i].node);
    company_run(&c, 20000);
    for (int i = 0; i < 5; i++)
        assert_int_equal(c.nodes[i].stop_count, 1);
    company_start_all(&c);
    company_run(&c, 10000);
    assert_true(company_all_serve(&c));
    company_teardown(&c);
}

static void harm(struct company *c, int index, const char *what)
{
    char text[128];
    struct fault_line line;
    snprintf(text, sizeof text, "at 0s node %d %s", (int)c->nodes[index].node, what);
    assert_ok(fault_line_parse(&line, bytes_text(text), NULL));
    world_harm(c->world, &line);
}

/* Others are to lead what it cannot serve, long before its session ends. */
TEST(whose_directory_is_offline_is_fenced)
{
    struct company c;
    setup(&c, 45, 3, 1);
    int64_t before = epoch_of(&c, 3);
    harm(&c, 3, "disk sync_fails error=IO times=1");
    /* Whatever is decided is synced by all who follow the metadata. */
    world_stop(c.world, c.nodes[follower(&c)].node);
    company_run(&c, 1500);
    assert_int_equal(dir_status(company_broker(&c, 3)->dir), ERR_OFFLINE);
    assert_true(company_broker(&c, 3)->listeners[0].closed); /* clients are to go elsewhere */
    assert_true(company_sees(&c, company_leader(&c), 3)->fenced);
    assert_int_equal(epoch_of(&c, 3), before);
    company_teardown(&c);
}

/* Whoever is short of memory asks again, starts again, or is fenced for a while. */
TEST(nodes_short_of_memory_come_back)
{
    for (uint64_t seed = 500; seed < 540; seed++) {
        struct company c;
        company_setup(&c, seed, 3, 1, "");
        company_start_all(&c);
        company_run(&c, seed % 2 == 0 ? 10000 : 0);
        for (int i = 0; i < 4; i++)
            harm(&c, i,
                 seed % 4 < 2 ? "rate site=alloc rate=3000 for 8s"
                              : "rate site=alloc rate=100000 for 3s");
        for (int i = 0; i < 10; i++) {
            company_run(&c, 1000);
            company_start_all(&c);
        }
        company_run(&c, 25000);
        assert_true(company_all_serve(&c));
        company_teardown(&c);
    }
}

/* B-2: a life that was never registered takes nothing away from the one before. */
TEST(the_mark_of_a_clean_end_outlives_a_start_that_failed)
{
    struct company c;
    company_setup(&c, 46, 3, 1, "initial.broker.registration.timeout.ms=6000\n");
    company_start_all(&c);
    company_run(&c, 6000);
    assert_true(company_all_serve(&c));
    int64_t before = epoch_of(&c, 3);
    world_stop(c.world, c.nodes[3].node);
    company_run(&c, 3000);
    cut_off(&c, 3, false);
    world_start(c.world, c.nodes[3].node);
    company_run(&c, 18000); /* a connection that is being made is not given up before */
    assert_int_equal(c.nodes[3].failed_count, 1);
    cut_off(&c, 3, true);
    world_start(c.world, c.nodes[3].node);
    company_run(&c, 4000);
    assert_true(company_all_serve(&c));
    assert_int_equal(company_broker(&c, 3)->membership.registration.previous_epoch, before);
    company_teardown(&c);
}

TEST(a_start_that_nobody_answers_ends_with_a_sentence)
{
    struct company c;
    company_setup(&c, 50, 3, 1, "initial.broker.registration.timeout.ms=5000\n");
    world_start(c.world, c.nodes[0].node);
    world_start(c.world, c.nodes[3].node);
    company_run(&c, 4000);
    assert_non_null(c.nodes[0].life);
    company_run(&c, 4000);
    for (int i = 0; i < 4; i += 3) {
        assert_int_equal(c.nodes[i].failed_count, 1);
        assert_null(c.nodes[i].life);
        assert_non_null(strstr(c.nodes[i].said, "no controller answers"));
    }
    company_teardown(&c);
}

TEST(a_start_may_be_cut_short_while_it_waits_for_others)
{
    for (int64_t after_ms = 50; after_ms < 4000; after_ms += 350) {
        struct company c;
        company_setup(&c, 51, 3, 1, "");
        world_start(c.world, c.nodes[0].node);
        world_start(c.world, c.nodes[3].node);
        company_run(&c, after_ms);
        world_stop(c.world, c.nodes[0].node);
        world_stop(c.world, c.nodes[3].node);
        company_run(&c, 8000);
        assert_null(c.nodes[0].life);
        assert_null(c.nodes[3].life);
        assert_int_equal(c.nodes[0].start_count + c.nodes[3].start_count, 0);
        company_teardown(&c);
    }
}

/* B-7, and brokers are heard of by whoever leads: nobody is fenced for another's death. */
TEST(a_controller_that_dies_takes_no_brokers_along)
{
    for (uint64_t seed = 60; seed < 66; seed++) {
        struct company c;
        setup(&c, seed, 3, 2);
        int64_t third = epoch_of(&c, 3), fourth = epoch_of(&c, 4);
        int leader = company_leader(&c);
        world_kill(c.world, c.nodes[leader].node, 0);
        for (int i = 0; i < 100; i++) {
            company_run(&c, 100);
            assert_false(company_sees(&c, 3, 3)->fenced);
            assert_false(company_sees(&c, 4, 4)->fenced);
        }
        assert_true(company_sees(&c, 3, leader)->fenced);
        assert_int_equal(epoch_of(&c, 3), third);
        assert_int_equal(epoch_of(&c, 4), fourth);
        company_teardown(&c);
    }
}

/* ---- orders ---- */

#define BLOCKS_MAX 4096

static int64_t blocks[BLOCKS_MAX]; /* firsts */
static int block_count;

/* What a node of the test asks for, in its own heap. */
struct asking {
    struct order order;
    struct controller_allocate_producer_ids allocate;
    struct broker *broker;
};

static void on_block(struct order *order)
{
    struct asking *a = CONTAINER_OF(order, struct asking, order);
    assert_false(orders_under_way(order));
    if (a->allocate.command.code == WIRE_ERROR_NONE && block_count < BLOCKS_MAX)
        blocks[block_count++] = a->allocate.first;
    mem_free(a->broker->mem, a);
}

static void ask_for_block(struct company_life *life)
{
    struct broker *b = life->broker;
    struct asking *a = b->phase == BROKER_SERVING ? mem_zalloc(b->mem, sizeof *a) : NULL;
    if (a == NULL)
        return;
    a->broker = b;
    controller_allocate_producer_ids_init(&a->allocate);
    a->allocate.broker_id = orders_self(b->orders).broker_id;
    a->allocate.broker_epoch = orders_self(b->orders).broker_epoch;
    orders_give(b->orders, &a->order, &a->allocate.command, env_now(b->env) + 2 * SECOND, on_block);
}

/* An order is carried out, perhaps more than once, and what it gives is given to nobody else. */
TEST(blocks_of_producer_ids_are_given_once_however_controllers_die)
{
    for (uint64_t seed = 70; seed < 74; seed++) {
        struct company c;
        setup(&c, seed, 3, 2);
        struct rng rng = {.state = seed};
        block_count = 0;
        c.act = ask_for_block;
        for (int i = 0; i < 12; i++) {
            int victim = (int)random_below(rng_next(&rng), 3);
            world_kill(c.world, c.nodes[victim].node, 0);
            company_run(&c, 200 + (int64_t)random_below(rng_next(&rng), 4000));
            world_start(c.world, c.nodes[victim].node);
            company_run(&c, 200 + (int64_t)random_below(rng_next(&rng), 4000));
        }
        c.act = NULL;
        company_run(&c, 15000);
        assert_true(company_all_serve(&c));
        assert_true(block_count > 500);
        for (int i = 0; i < block_count; i++) {
            assert_int_equal(blocks[i] % CONTROLLER_PRODUCER_ID_BLOCK, 0);
            for (int k = 0; k < i; k++)
                assert_int_not_equal(blocks[i], blocks[k]);
        }
        company_teardown(&c);
    }
}

static int64_t ended_ns;
static int16_t ended_code;

static void on_late(struct order *order)
{
    struct asking *a = CONTAINER_OF(order, struct asking, order);
    ended_ns = env_now(a->broker->env);
    ended_code = a->allocate.command.code;
    mem_free(a->broker->mem, a);
}

static int64_t given_ns;

static void give_late(struct company_life *life)
{
    struct broker *b = life->broker;
    struct asking *a = given_ns == 0 && life->index == 3 ? mem_zalloc(b->mem, sizeof *a) : NULL;
    if (a == NULL)
        return;
    a->broker = b;
    given_ns = env_now(b->env);
    controller_allocate_producer_ids_init(&a->allocate);
    orders_give(b->orders, &a->order, &a->allocate.command, given_ns + 1500 * MS, on_late);
}

TEST(an_order_that_nobody_answers_ends_at_its_deadline)
{
    struct company c;
    setup(&c, 80, 3, 1);
    cut_off(&c, 3, false);
    company_run(&c, 700);
    given_ns = ended_ns = 0;
    c.act = give_late;
    company_run(&c, 3000);
    assert_int_equal(ended_code, WIRE_ERROR_REQUEST_TIMED_OUT);
    assert_int_equal(ended_ns - given_ns, 1500 * MS);
    company_teardown(&c);
}
