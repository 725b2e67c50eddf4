/* town.h - a simulated world with one real broker and one real client, whose program a test gives.
 */
#ifndef KILN_TEST_CLIENT_TOWN_H
#define KILN_TEST_CLIENT_TOWN_H

#include "client/loop/loop.h"
#include "support/test.h"
#include "world/world.h"

#define TOWN_MS 1000000ll
#define TOWN_SECOND (1000 * TOWN_MS)

struct town;

/* What the client's node holds; a test's own state follows it in memory that the test gives. */
struct townsman {
    struct world_seat *seat;
    struct loop_client client;
    struct loop_close closing;
    struct town *town;
};

struct town {
    struct mem mem;
    struct world *world;
    uint32_t broker, client;
    struct townsman man;
    const char *config; /* of the client, lines key=value */
    bool deserted;      /* the broker is not started */
    uint32_t armed;     /* fault sites, a bit each */
    void (*begin)(struct town *town);
    void *self; /* the test's */
};

/* A world whose broker runs; start the client with town_go. config adds lines to the broker's. */
void town_init(struct town *town, uint64_t seed, const char *broker_config);
/* Starts the client, whose begin is then called on its node. */
void town_go(struct town *town);
void town_run(struct town *town, int64_t ms);
/* Closes the client, heals the world, ends both nodes in good order and checks that nothing leaked.
 */
void town_done(struct town *town);

#endif
