/* company.h - several real nodes of one cluster in the simulated world, and a way to look into each
 * of them. */
#ifndef KILN_TEST_NODE_COMPANY_H
#define KILN_TEST_NODE_COMPANY_H

#include "fault/fault.h"
#include "node/internal.h"
#include "support/test.h"
#include "world/world.h"

#define COMPANY_MAX 5
#define MS 1000000ll
#define SECOND (1000 * MS)
#define COMPANY_SESSION_MS 3000
#define COMPANY_BEAT_MS 500

struct company;

/* A life of one of them. */
struct company_life {
    struct world_seat *seat;
    struct broker *broker;
    struct broker_op starting, stopping;
    struct notes notes;
    int index;
    bool started, stopped;
};

struct company_node {
    uint32_t node;               /* of the world */
    struct company_life *life;   /* NULL: it is down */
    int start_count, stop_count; /* that came to a good end */
    int failed_count;            /* starts that did not */
    char said[1024], args[1024];
};

struct company {
    struct mem mem;
    struct world *world;
    struct company_node nodes[COMPANY_MAX]; /* node.id 1, 2, ... */
    int voter_count, count;
    /* Called in each node that has started, every 50 ms. NULL: nothing is done. */
    void (*act)(struct company_life *life);
};

/* So many voters that are brokers, too, and so many brokers alone behind them; none runs. */
void company_setup(struct company *c, uint64_t seed, int voters, int brokers, const char *more);
void company_teardown(struct company *c);
void company_run(struct company *c, int64_t ms);
void company_start_all(struct company *c);
/* NULL: it does not run. */
struct broker *company_broker(const struct company *c, int index);
/* What that node's image says of that broker: NULL, or its registration. */
const struct metadata_broker *company_sees(const struct company *c, int index, int other);
/* Whoever takes commands; -1: nobody. */
int company_leader(const struct company *c);
/* It runs and has started, and all that run see it unfenced. */
bool company_serves(const struct company *c, int index);
bool company_all_serve(const struct company *c);

#endif
