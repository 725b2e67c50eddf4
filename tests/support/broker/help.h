/* help.h - a broker in the simulated world, and a client that sends what a test tells it to and
 * keeps what comes back. */
#ifndef KILN_SUPPORT_BROKER_HELP_H
#define KILN_SUPPORT_BROKER_HELP_H

#include "api/api.h"
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
    bool other;          /* by a second connection */
};

struct help {
    struct mem mem;
    struct world *world;
    uint32_t broker, client;
    uint32_t others[2]; /* help_setup_three */
    char asks[16];      /* whom the client connects to: "broker", or one of the others */
    struct help_call calls[HELP_FRAMES_MAX];
    int call_count, sent_count, done_count;
    enum err closed; /* why the connection ended */
    bool is_closed;
    struct world_sink sink;
    struct arena arena;
    const struct api_access *access; /* of brokers that start from now on */
    /* What brokers told. */
    enum err started, stopped;
    int start_count, stop_count;
    int64_t leaked;
    char said[HELP_SAID_MAX];
    void (*act)(struct help *h, struct broker *broker); /* help_act's */
};

/* A world with one broker (more lines of configuration may be given) that has started, or failed
 * to. */
void help_setup(struct help *h, uint64_t seed, const char *config);
/* Three brokers and controllers of one cluster, "broker", "broker2" and "broker3" with the ids 1
 * to 3. The two others start first, so that one of them leads the metadata quorum; all three serve
 * when this returns. The configuration is that of each. */
void help_setup_three(struct help *h, uint64_t seed, const char *config);
/* The same, without starting it. */
void help_prepare(struct help *h, uint64_t seed, const char *config);
void help_teardown(struct help *h);
void help_run(struct help *h, int64_t ms);
void help_restart(struct help *h);
/* Calls act in the broker, as an event of its own, and waits so long. */
void help_act(struct help *h, void (*act)(struct help *h, struct broker *broker), int64_t ms);
/* The object that runs, for who looks inside. */
struct broker *help_broker(const struct help *h);

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

/* ---- the usual requests: one topic, its partition 0 ---- */

#define HELP_TOPIC "orders"

/* A request with all of it at hand: change what the test is about, then help_call with &body. They
 * point into themselves and are not to be copied. */
struct help_produce {
    struct wire_produce_request body;
    struct wire_produce_request_topic topic;
    struct wire_produce_request_partition partition;
};
struct help_fetch {
    struct wire_fetch_request body;
    struct wire_fetch_request_topic topic;
    struct wire_fetch_request_partition partition;
};
struct help_offsets {
    struct wire_list_offsets_request body;
    struct wire_list_offsets_request_topic topic;
    struct wire_list_offsets_request_partition partition;
};
void help_produce_init(struct help_produce *p, struct wire_uuid id, int16_t acks,
                       struct wire_bytes batch);
void help_fetch_init(struct help_fetch *f, struct wire_uuid id, int64_t offset);
void help_offsets_init(struct help_offsets *o, int64_t timestamp);

/* Add a call, as help_call does. */
int help_produce(struct help *h, int16_t version, int16_t acks, struct wire_uuid id,
                 struct wire_bytes batch);
int help_fetch(struct help *h, int16_t version, struct wire_uuid id, int64_t offset,
               int32_t wait_ms, int32_t min_bytes);
int help_offsets(struct help *h, int16_t version, int64_t timestamp);

/* What came back for their one partition. */
struct wire_produce_response_partition help_produced(struct help *h, int call);
struct wire_fetch_response_partition help_fetched(struct help *h, int call);
struct wire_list_offsets_response_partition help_listed(struct help *h, int call);

/* Asks for one topic's metadata and waits so long. */
struct wire_metadata_response help_metadata(struct help *h, const char *topic, int64_t ms);
/* Makes HELP_TOPIC on first use. */
struct wire_uuid help_make_topic(struct help *h);

/* Everybody may do all but act for the cluster. */
extern const struct api_access help_no_cluster_action;

#endif
