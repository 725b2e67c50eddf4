/* street.h - two nodes in the simulated world: one asks by its peers, and one stands in for another
 * node: it says what it speaks, answers votes at once and parks fetches. */
#ifndef KILN_TEST_PEERS_STREET_H
#define KILN_TEST_PEERS_STREET_H

#include "fault/fault.h"
#include "peers/internal.h"
#include "support/test.h"
#include "world/world.h"

#define MS 1000000ll
#define SECOND (1000 * MS)
#define PORT 9093
#define OTHER 2 /* the server's node id */
#define REQUEST_NS (1500 * MS)
#define SENDS_MAX 4096
#define CONNS_MAX 256
#define PARKED_MAX 64

struct parked {
    struct env_timer timer;
    struct server_conn *on;
    struct conn_request *request; /* NULL: free */
    int32_t correlation_id;
    int64_t number;
};

struct server_conn {
    struct conn conn;
    struct server *server;
    bool used;
};

struct server {
    struct world_seat *seat;
    env_listener listener;
    struct env_op listening, accepting, unlistening;
    struct server_conn conns[CONNS_MAX];
    struct parked parked[PARKED_MAX];
    bool stopping, unlistened;
    int votes, fetches;
    int32_t open_count;
};

struct sending {
    struct peers_request request; /* first */
    struct asker *asker;
    int64_t number, sent_ns, ended_ns;
    int32_t wait_ms;
    int ended; /* how often */
    bool cancelled, answered;
    enum err why;
    int16_t version;
};

struct asker {
    struct world_seat *seat;
    struct peers *peers;
    struct peers_op closing;
    struct env_timer next;
    struct sending *sendings;
    int count, answered, lost, cancelled;
    bool inside; /* of peers_send */
};

/* A test, and what its nodes are to do. */
struct street {
    struct mem mem;
    struct world *world;
    uint32_t asker_node, server_node;
    struct asker asker;
    struct server *server; /* of the life that is */
    struct sending sendings[SENDS_MAX];
    int64_t every_ns; /* the asker sends so often; 0: only what the test sends */
    int32_t wait_ms_max;
    int cancel_percent;
    /* of the server */
    int16_t versions_asked_max; /* a later ApiVersions gets UNSUPPORTED_VERSION */
    int16_t vote_newest;
    bool mute;   /* it accepts and answers nothing */
    bool babble; /* its answers are none */
    uint64_t seed;
};

/* Both nodes are there and do not run. plan may be NULL; armed: fault sites, a bit each. */
struct street *street_new(uint64_t seed, const struct fault_plan *plan, uint32_t armed);
void street_start(struct street *s);
void street_run(struct street *s, int64_t ms);
void street_harm(struct street *s, const char *text);
/* All of it ends, in good order, and every request has ended once. */
void street_end(struct street *s);
/* On the asker's node. wait_ms: of a fetch. */
struct sending *street_send(struct asker *a, enum peers_purpose purpose, int32_t wait_ms);
/* What a test does on the asker's node. */
#define ON_ASKER(s)                                                                                \
    for (int once = (world_sit((s)->world, (s)->asker_node), 1); once;                             \
         once = (world_rise((s)->world, (s)->asker_node), 0))

#endif
