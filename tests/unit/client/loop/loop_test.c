/* loop_test.c - the client against the real broker in the simulated world: what is acknowledged is
 * read, once and in order, whatever happens to the broker and the wires. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "town.h"

#define RECORDS_MAX 2000
#define PARTITIONS 3
#define POLL_RECORDS 100
#define WINDOW 64

struct traffic;

struct slot {
    struct loop_send op;
    struct traffic *traffic;
    int number;
    char key[16], value[16];
};

/* Produces record_count records, WINDOW at a time, and reads all partitions meanwhile. */
struct traffic {
    struct town town;
    int record_count, next, done_count;
    struct slot slots[WINDOW];
    enum client_outcome outcomes[RECORDS_MAX];
    int64_t offsets[RECORDS_MAX];
    struct loop_poll poll;
    struct client_fetched records[POLL_RECORDS];
    struct client_assignment assigned[PARTITIONS];
    int last_read[PARTITIONS]; /* number of the record read last; -1: none */
    int read_count[RECORDS_MAX];
    int64_t read_at[RECORDS_MAX];
    struct loop_create_topic create;
};

static void send_next(struct slot *slot)
{
    struct traffic *t = slot->traffic;
    if (t->next == t->record_count)
        return;
    slot->number = t->next++;
    snprintf(slot->key, sizeof slot->key, "%d", slot->number % 7);
    snprintf(slot->value, sizeof slot->value, "%d", slot->number);
    struct client_send *send = &slot->op.send;
    send->topic = "t";
    send->partition = slot->number % PARTITIONS;
    send->timestamp_ms = -1;
    send->key = bytes_text(slot->key);
    send->value = bytes_text(slot->value);
    loop_send(&t->town.man.client, &slot->op);
}

static void on_sent(struct loop_send *op)
{
    struct slot *slot = CONTAINER_OF(op, struct slot, op);
    struct traffic *t = slot->traffic;
    t->outcomes[slot->number] = op->send.op.outcome;
    t->offsets[slot->number] = op->send.offset;
    t->done_count++;
    if (op->send.op.err != ERR_CANCELLED)
        send_next(slot);
}

static void note(struct traffic *t, const struct client_fetched *r)
{
    char text[16];
    assert_true(r->value.size < sizeof text);
    memcpy(text, r->value.data, r->value.size);
    text[r->value.size] = 0;
    int number = atoi(text), partition = r->assignment->partition;
    assert_int_equal(number % PARTITIONS, partition);
    assert_true(number > t->last_read[partition]); /* in order, none twice */
    t->last_read[partition] = number;
    t->read_count[number]++;
    t->read_at[number] = r->offset;
}

static void poll_next(struct traffic *t)
{
    t->poll.poll.records = t->records;
    t->poll.poll.record_max = POLL_RECORDS;
    t->poll.poll.wait_ms = 200;
    loop_poll(&t->town.man.client, &t->poll);
}

static void on_polled(struct loop_poll *op)
{
    struct traffic *t = CONTAINER_OF(op, struct traffic, poll);
    if (op->poll.op.err == ERR_CANCELLED)
        return;
    assert_true(op->poll.notice == CLIENT_NOTICE_NONE || op->poll.notice == CLIENT_NOTICE_STARTED);
    for (int32_t i = 0; i < op->poll.record_count; i++)
        note(t, &op->poll.records[i]);
    poll_next(t);
}

static void on_created(struct loop_create_topic *op)
{
    struct traffic *t = CONTAINER_OF(op, struct traffic, create);
    if (op->create.op.err == ERR_CANCELLED)
        return;
    assert_int_equal(op->create.op.outcome, CLIENT_OK);
    for (int i = 0; i < WINDOW; i++)
        send_next(&t->slots[i]);
    for (int i = 0; i < PARTITIONS; i++) {
        t->assigned[i] = (struct client_assignment){
            .topic = "t", .partition = i, .start = CLIENT_START_EARLIEST};
        loop_assign(&t->town.man.client, &t->assigned[i]);
    }
    poll_next(t);
}

static void begin(struct town *town)
{
    struct traffic *t = town->self;
    for (int i = 0; i < PARTITIONS; i++)
        t->last_read[i] = -1;
    for (int i = 0; i < WINDOW; i++) {
        t->slots[i].traffic = t;
        t->slots[i].op.done = on_sent;
    }
    t->poll.done = on_polled;
    t->create.done = on_created;
    t->create.create.topic = "t";
    t->create.create.partition_count = PARTITIONS;
    t->create.create.replication_factor = 1;
    loop_create_topic(&town->man.client, &t->create);
}

static struct traffic *traffic_new(uint64_t seed, int record_count, const char *config)
{
    struct traffic *t = calloc(1, sizeof *t);
    t->town.armed = 1u << FAULT_ALLOC | 1u << FAULT_NET_CONNECT | 1u << FAULT_NET_SEND |
                    1u << FAULT_NET_RECEIVE;
    t->record_count = record_count;
    t->town.self = t;
    t->town.begin = begin;
    t->town.config = config;
    town_init(&t->town, seed, "");
    return t;
}

/* Everything is told, what is acknowledged is read where it was said to be, what failed is not. */
static void traffic_check(struct traffic *t)
{
    town_run(&t->town, 150000); /* more than delivery.timeout.ms */
    assert_int_equal(t->done_count, t->record_count);
    for (int i = 0; i < t->record_count; i++) {
        if (t->outcomes[i] == CLIENT_OK) {
            assert_int_equal(t->read_count[i], 1);
            assert_int_equal(t->read_at[i], t->offsets[i]);
        }
        if (t->outcomes[i] == CLIENT_FAILED)
            assert_int_equal(t->read_count[i], 0);
    }
    town_done(&t->town);
    free(t);
}

static int count_outcome(const struct traffic *t, enum client_outcome outcome)
{
    int count = 0;
    for (int i = 0; i < t->next; i++)
        count += t->outcomes[i] == outcome;
    return count;
}

TEST(records_are_produced_and_read_in_order)
{
    struct traffic *t = traffic_new(1, RECORDS_MAX, "");
    town_go(&t->town);
    town_run(&t->town, 60000);
    assert_int_equal(count_outcome(t, CLIENT_OK), RECORDS_MAX);
    traffic_check(t);
}

TEST(a_broker_that_dies_and_comes_back_loses_and_doubles_nothing)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct traffic *t = traffic_new(seed, RECORDS_MAX, "");
        struct rng rng = {.state = seed};
        town_go(&t->town);
        for (int i = 0; i < 8; i++) {
            town_run(&t->town, random_between(rng_next(&rng), 5, 400));
            world_kill(t->town.world, t->town.broker, (uint32_t)random_below(rng_next(&rng), 50));
            town_run(&t->town, random_between(rng_next(&rng), 1, 2000));
            world_start(t->town.world, t->town.broker);
        }
        world_heal(t->town.world);
        town_run(&t->town, 60000);
        assert_true(count_outcome(t, CLIENT_OK) > RECORDS_MAX / 2);
        traffic_check(t);
    }
}

TEST(connections_that_break_lose_and_double_nothing)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct traffic *t = traffic_new(seed, RECORDS_MAX, "");
        struct rng rng = {.state = seed};
        town_go(&t->town);
        for (int i = 0; i < 20; i++) {
            town_run(&t->town, random_between(rng_next(&rng), 1, 200));
            world_reset(t->town.world, t->town.client, t->town.broker);
        }
        traffic_check(t);
    }
}

TEST(a_cut_network_only_delays)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct traffic *t = traffic_new(seed, RECORDS_MAX, "request.timeout.ms=2000\n");
        struct rng rng = {.state = seed};
        town_go(&t->town);
        for (int i = 0; i < 4; i++) {
            town_run(&t->town, random_between(rng_next(&rng), 1, 300));
            bool one_way = random_chance(rng_next(&rng), 1, 2);
            world_cut(t->town.world, t->town.client, t->town.broker, one_way);
            town_run(&t->town, random_between(rng_next(&rng), 100, 8000));
            world_heal_link(t->town.world, t->town.client, t->town.broker);
        }
        town_run(&t->town, 60000);
        assert_int_equal(count_outcome(t, CLIENT_OK), RECORDS_MAX);
        traffic_check(t);
    }
}

/* From now on, on the client's node. */
static void set_rate(struct town *town, enum fault_site site, int64_t per_million)
{
    struct fault_line line = {.kind = FAULT_RATE, .nodes = fault_node(town->client)};
    line.param[FAULT_P_SITE] = site;
    line.param[FAULT_P_RATE] = per_million;
    world_harm(town->world, &line);
}

TEST(memory_and_calls_that_fail_now_and_then_double_nothing)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct traffic *t = traffic_new(seed, RECORDS_MAX, "");
        town_go(&t->town);
        town_run(&t->town, 1);
        set_rate(&t->town, FAULT_ALLOC, 20000);
        set_rate(&t->town, FAULT_NET_CONNECT, 200000);
        set_rate(&t->town, FAULT_NET_SEND, 20000);
        set_rate(&t->town, FAULT_NET_RECEIVE, 20000);
        town_run(&t->town, 20000);
        struct world_stats stats;
        world_stats(t->town.world, &stats);
        assert_true(stats.fault_count > 10);
        world_heal(t->town.world);
        traffic_check(t);
    }
}

TEST(closing_in_the_middle_tells_everybody_and_leaves_nothing)
{
    for (int ms = 0; ms < 60; ms += 7) {
        struct traffic *t = traffic_new(3, RECORDS_MAX, "");
        town_go(&t->town);
        town_run(&t->town, ms);
        world_stop(t->town.world, t->town.client);
        town_run(&t->town, 30000);
        assert_int_equal(t->done_count, t->next);
        town_done(&t->town);
        free(t);
    }
}

/* ---- alone ---- */

struct hermit {
    struct town town;
    struct loop_send send;
    struct loop_topics topics;
    struct loop_offsets offsets;
    int done_count;
    int64_t done_ns;
};

static void on_hermit_sent(struct loop_send *op)
{
    struct hermit *h = CONTAINER_OF(op, struct hermit, send);
    h->done_count++;
    h->done_ns = env_now(h->town.man.seat->env);
}

static void hermit_begin(struct town *town)
{
    struct hermit *h = town->self;
    h->send.done = on_hermit_sent;
    h->send.send.topic = "t";
    h->send.send.timestamp_ms = -1;
    h->send.send.value = bytes_text("x");
    loop_send(&town->man.client, &h->send);
    assert_int_equal(h->done_count, 0);
}

TEST(without_a_broker_a_record_fails_after_max_block)
{
    struct hermit h = {
        .town = {.begin = hermit_begin, .deserted = true, .config = "max.block.ms=3000\n"}};
    h.town.self = &h;
    town_init(&h.town, 1, "");
    town_go(&h.town);
    town_run(&h.town, 10000);
    assert_int_equal(h.done_count, 1);
    assert_int_equal(h.send.send.op.outcome, CLIENT_FAILED);
    assert_int_equal(h.send.send.op.err, ERR_TIMEOUT);
    town_done(&h.town);
}

TEST(a_record_waits_for_the_broker_to_come)
{
    struct hermit h = {.town = {.begin = hermit_begin, .deserted = true}};
    h.town.self = &h;
    town_init(&h.town, 1, "");
    town_go(&h.town);
    town_run(&h.town, 20000);
    assert_int_equal(h.done_count, 0);
    world_start(h.town.world, h.town.broker);
    town_run(&h.town, 5000);
    assert_int_equal(h.done_count, 1);
    assert_int_equal(h.send.send.op.outcome, CLIENT_OK);
    assert_int_equal(h.send.send.offset, 0);
    town_done(&h.town);
}

/* A record of too great a size fails at once, but still in an event of its own. */
static void too_large_begin(struct town *town)
{
    struct hermit *h = town->self;
    static char big[2048];
    memset(big, 'x', sizeof big - 1);
    h->send.done = on_hermit_sent;
    h->send.send.topic = "t";
    h->send.send.timestamp_ms = -1;
    h->send.send.value = bytes_text(big);
    loop_send(&town->man.client, &h->send);
    assert_int_equal(h->done_count, 0);
}

TEST(what_fails_at_once_is_told_in_an_event_of_its_own)
{
    struct hermit h = {.town = {.begin = too_large_begin, .config = "max.request.size=1024\n"}};
    h.town.self = &h;
    town_init(&h.town, 1, "");
    town_go(&h.town);
    town_run(&h.town, 1000);
    assert_int_equal(h.done_count, 1);
    assert_int_equal(h.send.send.op.code, WIRE_ERROR_MESSAGE_TOO_LARGE);
    town_done(&h.town);
}
