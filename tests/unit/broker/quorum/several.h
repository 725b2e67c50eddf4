/* several.h - several quorums in one simulated world, each on its own disk: the test is the network
 * between them, and keeps a ledger of what each of them said and did. */
#ifndef KILN_TEST_SEVERAL_H
#define KILN_TEST_SEVERAL_H

#include <stdlib.h>
#include "quorum/quorum.h"
#include "support/test.h"
#include "world/world.h"

#define NS_PER_MS 1000000ll
#define NODES_MAX 5
#define ASKS_MAX 32     /* of a node */
#define FLIGHTS_MAX 512 /* messages under way */
#define CALLS_MAX 256   /* requests that have no end yet */
#define COMMANDS_MAX 512
#define ROWS_MAX 8192 /* offsets of a log */
#define EPOCHS_MAX 4096

/* A message on its way: a request, its response, or that there will be none. */
struct flight {
    bool used;
    enum flight_kind { FLIGHT_REQUEST, FLIGHT_RESPONSE, FLIGHT_LOST } kind;
    int from, to;
    int32_t incarnation; /* of who gets it, unless it is a request */
    int64_t due_ns;
    struct raft_request request;
    int64_t high_watermark; /* KIP-1166 */
    struct raft_response response;
    uint8_t *bytes;
    uint32_t size;
};

/* A request that has not ended. */
struct call {
    bool used;
    int from;
    int32_t incarnation;
    enum raft_api api;
    uint64_t number;
    int64_t until_ns;
};

struct batch_row {
    bool there;
    int64_t last;
    int32_t epoch;
    uint32_t crc;
};

/* What is known of a node, by its rows and what it was asked; it outlives its lives. */
struct host {
    uint32_t node;
    int index;
    struct life *life; /* NULL: it is down */
    int32_t incarnation;
    bool open, failed;
    const char *stopped;
    bool vote_lost; /* quorum-state was damaged, and it has written none since */
    /* rows */
    struct batch_row log[ROWS_MAX];
    int64_t start, end; /* of it */
    int32_t epoch;      /* QUORUM_ROLE: never goes back, in no life */
    uint32_t roles;     /* a bit for each that it had in this life */
    struct trace_QUORUM_SAVED saved;
    bool begins;       /* no row of this life yet */
    int64_t watermark; /* of this life */
    /* what it says of itself */
    bool leads;
    enum raft_role role;
    int32_t leader, said_epoch;
    int64_t said_end, said_watermark, image_offset;
    uint64_t digest; /* of its image */
    int64_t next_producer_id;
    int32_t topic_count;
    int64_t snapshot_offset, log_start;
};

/* What somebody asked whoever led. */
struct order {
    bool used, done, is_topic;
    int16_t code;
    int64_t first; /* of a block of producer ids */
    char name[24]; /* of a topic */
};

struct several {
    struct mem mem;
    struct world *world;
    struct world_sink sink;
    struct rng rng;
    uint64_t seed;
    int count, voters; /* the first of them vote, the others observe */
    int64_t snapshot_bytes;
    int64_t due_ns; /* when the next message arrives, or the next call has waited enough */
    int flight_top; /* places behind the last that was ever used */
    struct host hosts[NODES_MAX];
    struct flight flights[FLIGHTS_MAX];
    struct call calls[CALLS_MAX];
    bool cut[NODES_MAX][NODES_MAX];
    int drop, slow; /* per mille, while there is harm */
    bool registered;
    struct order orders[COMMANDS_MAX];
    int order_count;
    /* the ledger */
    int leaders[EPOCHS_MAX]; /* index + 1, by epoch */
    struct batch_row committed[ROWS_MAX];
    int64_t committed_end;
    /* what has happened */
    bool one; /* they agree: what was acknowledged must be there */
    int64_t leaked;
    int elections, truncations, installs, kills, ok_count, lost_count, votes_lost, spoiled;
    const char *wrong;
};

extern struct several *sv;

void several_setup(struct several *s, uint64_t seed, int voters, int observers,
                   int64_t snapshot_bytes);
void several_teardown(void);
/* Lets time pass, and messages arrive. */
void several_run(int64_t ms);
void several_start(int index);
bool several_is_up(int index);
/* One more command, at whoever leads; false: nobody does. */
bool several_submit(bool topic);
/* All say what they are: host.leads and the rest. */
void several_look(void);
/* Who leads, by its own word; -1: nobody. */
int several_leader(void);
/* Who asked it is gone, some of them. */
void several_forget(int index);
/* That is what the node hears instead of its leader's next answer to a fetch. */
void several_answer_fetch(int index, const struct raft_response *response);
/* Harm ends. True: in the given time all are one. */
bool several_converges(int64_t ms);
void several_harm(const char *format, ...) PRINTF_LIKE(1, 2);
/* A row of any node's. */
void several_row(struct world_sink *sink, const struct trace_row *row);
/* The first thing that was wrong. */
void several_wrong(const char *what);

#endif
