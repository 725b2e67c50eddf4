/* town.c - see town.h. */
#include <stdio.h>
#include "node/node.h"
#include "town.h"

/* The programs of a world are constants, so the town that is being tested is found here. */
static struct town *current;

/* ---- the broker ---- */

struct host {
    struct world_seat *seat;
    struct broker *broker;
    struct broker_op starting, stopping;
};

static void on_started(struct broker_op *op, enum err e)
{
    (void)op;
    ASSERT(e == ERR_NONE || e == ERR_CANCELLED);
}

static void on_stopped(struct broker_op *op, enum err e)
{
    struct host *host = CONTAINER_OF(op, struct host, stopping);
    struct world_seat *seat = host->seat;
    (void)e;
    broker_free(host->broker);
    mem_free(seat->mem, host);
    world_exit(seat, ERR_NONE);
}

static void broker_seat_stop(struct world_seat *seat)
{
    struct host *host = seat->self;
    broker_stop(host->broker, &host->stopping, on_stopped);
}

static enum err broker_seat_start(struct world_seat *seat)
{
    struct errmsg msg = {0};
    struct broker_config config;
    config_defaults(&broker_config_table, &config);
    enum err e = config_parse(&broker_config_table, &config, seat->args, "args", NULL, &msg);
    ASSERT(e == ERR_NONE);
    struct host *host = mem_zalloc(seat->mem, sizeof *host);
    host->seat = seat;
    seat->self = host;
    e = broker_new(&host->broker, seat->env, seat->mem, seat->trace, &config, NULL);
    ASSERT(e == ERR_NONE);
    broker_start(host->broker, &host->starting, on_started);
    return ERR_NONE;
}

static const struct world_program broker_program = {
    .kind = "broker", .start = broker_seat_start, .stop = broker_seat_stop};

/* ---- the client ---- */

static void on_closed(struct loop_close *op)
{
    world_exit(CONTAINER_OF(op, struct townsman, closing)->seat, ERR_NONE);
}

static void client_seat_stop(struct world_seat *seat)
{
    struct town *town = current;
    ASSERT(town->man.seat == seat);
    town->man.closing.done = on_closed;
    loop_close(&town->man.client, &town->man.closing);
}

static enum err client_seat_start(struct world_seat *seat)
{
    struct town *town = current;
    struct errmsg msg = {0};
    struct client_config config;
    town->man = (struct townsman){.seat = seat, .town = town};
    config_defaults(&client_config_table, &config);
    enum err e = config_parse(&client_config_table, &config, seat->args, "args", NULL, &msg);
    if (e == ERR_NONE)
        e = loop_start(&town->man.client, seat->env, seat->mem, seat->trace, &config, &msg);
    if (e != ERR_NONE)
        panic(__FILE__, __LINE__, msg.text);
    town->begin(town);
    return ERR_NONE;
}

static const struct world_program client_program = {
    .kind = "client", .start = client_seat_start, .stop = client_seat_stop};

/* ---- the town ---- */

void town_init(struct town *town, uint64_t seed, const char *broker_config)
{
    struct errmsg msg = {0};
    char text[1024];
    current = town;
    mem_system(&town->mem);
    struct world_config config = {.seed = seed, .assert_leaks = true, .armed = town->armed};
    town->world = world_new(&town->mem, &config, &msg);
    if (town->world == NULL)
        fail_msg("%s", msg.text);
    snprintf(text, sizeof text, "listeners=broker:9092\n%s", broker_config);
    assert_ok(
        world_add_node(town->world, &broker_program, "broker", bytes_text(text), &town->broker));
    snprintf(text, sizeof text, "bootstrap.servers=broker:9092\n%s",
             town->config == NULL ? "" : town->config);
    assert_ok(
        world_add_node(town->world, &client_program, "client", bytes_text(text), &town->client));
    if (!town->deserted)
        world_start(town->world, town->broker);
}

void town_go(struct town *town)
{
    world_start(town->world, town->client);
}

void town_run(struct town *town, int64_t ms)
{
    world_run_until(town->world, world_now(town->world) + ms * TOWN_MS);
}

void town_done(struct town *town)
{
    world_heal(town->world);
    world_stop(town->world, town->client);
    town_run(town, 60000);
    assert_int_equal(world_node_life(town->world, town->client), WORLD_DOWN);
    world_stop(town->world, town->broker);
    town_run(town, 60000);
    struct world_stats stats;
    world_stats(town->world, &stats);
    assert_int_equal(stats.leaked_count, 0);
    world_free(town->world);
    assert_int_equal(town->mem.live_count, 0);
}
