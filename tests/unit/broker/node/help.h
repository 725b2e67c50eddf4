/* help.h - a broker in the simulated world, and a client that sends what a test tells it to and
 * keeps what comes back. */
#ifndef KILN_NODE_HELP_H
#define KILN_NODE_HELP_H

#include "conn/conn.h"
#include "node/node.h"
#include "support/test.h"
#include "wire/wire.h"
#include "world/world.h"

#define HELP_FRAMES_MAX 256
#define HELP_SAID_MAX 4096

/* One request and what came back. */
struct help_call {
    int16_t key, version;
    struct bytes frame;  /* malloc'ed */
    struct bytes answer; /* malloc'ed; size 0: none came */
    bool no_answer;      /* acks=0 */
    bool together;       /* sent without waiting for the one before */
};

struct help {
    struct mem mem;
    struct world *world;
    uint32_t broker, client;
    struct help_call calls[HELP_FRAMES_MAX];
    int call_count, sent_count, done_count;
    enum err closed; /* why the connection ended */
    bool is_closed;
    struct world_sink sink;
    struct arena arena;
    /* What brokers told. */
    enum err started, stopped;
    int start_count, stop_count;
    int64_t leaked;
    char said[HELP_SAID_MAX];
};

/* A world with one broker (more lines of configuration may be given) that has started, or failed
 * to. */
void help_setup(struct help *h, uint64_t seed, const char *config);
/* The same, without starting it. */
void help_prepare(struct help *h, uint64_t seed, const char *config);
void help_teardown(struct help *h);
void help_run(struct help *h, int64_t ms);
void help_restart(struct help *h);

/* Adds a call. body is the request's struct. Returns its index. */
int help_call(struct help *h, int16_t key, int16_t version, const void *body);
/* Adds a frame of any bytes that expects an answer. */
int help_frame(struct help *h, struct bytes frame);
/* Sends what was added, one after the other, and waits; what was sent before is kept. */
void help_go(struct help *h, int64_t ms);
/* Decodes an answer; false: none came. */
bool help_answer(struct help *h, int call, void *out);
/* The answer's body must decode. */
void help_expect(struct help *h, int call, void *out);

/* A batch of records "0", "1", ... as malloc'ed bytes. */
struct wire_bytes help_batch(struct help *h, int count, int64_t producer_id, int32_t sequence,
                             int64_t timestamp_ms);

#endif
