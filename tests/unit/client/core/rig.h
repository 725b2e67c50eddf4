/* rig.h - a client machine on a bench: steps it, keeps what it asks for, answers by hand. */
#ifndef KILN_TEST_CLIENT_RIG_H
#define KILN_TEST_CLIENT_RIG_H

#include "client/core/core.h"
#include "support/test.h"

#define RIG_MS 1000000ll
#define RIG_DONE_MAX 4096

struct rig {
    struct test_mem mem; /* the machine's */
    struct mem own;      /* the rig's */
    struct trace trace;
    uint64_t rows[2560];
    struct client_config config;
    struct client *client;
    struct arena arena; /* of what was decoded */
    struct rng rng;
    int64_t now_ns, wall_ms, wake_ns;
    uint32_t slack;       /* bytes around an answer in its buffer */
    struct list requests; /* not yet answered, oldest first */
    struct client_op *done[RIG_DONE_MAX];
    int done_count;
    uint8_t topic_id;  /* of every topic in metadata, its last byte */
    bool forgets_done; /* there are more than the rig has room for */
};

/* Defaults, but linger.ms=0; key=value pairs follow, ended by NULL. */
void rig_init(struct rig *r, ...);
/* Closes the machine, loses what is in flight and checks that nothing leaks. */
void rig_done(struct rig *r);

void rig_step(struct rig *r, struct client_event ev);
void rig_submit(struct rig *r, enum client_op_kind kind, struct client_op *op);
/* Moves time on, with a tick whenever the machine asked for one. */
void rig_pass(struct rig *r, int64_t ms);
void rig_up(struct rig *r, int32_t node, enum client_lane lane);
/* Loses the lane's requests, as sent, and the lane. */
void rig_down(struct rig *r, int32_t node, enum client_lane lane);
bool rig_wanted(struct rig *r, int32_t node, enum client_lane lane);

/* The oldest request of that API, taken out of the list; NULL: none. */
struct client_request *rig_take(struct rig *r, int16_t api_key);
int rig_count(const struct rig *r, int16_t api_key);
/* Its parts in one piece (of the arena). */
struct bytes rig_body(struct rig *r, const struct client_request *request);
/* Decodes it. */
void rig_read(struct rig *r, const struct client_request *request, void *out);
/* Encodes the answer and steps with it. */
void rig_answer(struct rig *r, struct client_request *request, const void *answer);
void rig_lose(struct rig *r, struct client_request *request, bool sent);

/* Brings up the bootstrap node and broker 0 (main lanes), answers metadata with one topic of that
 * many partitions led by 0, and the producer id 7 if it is asked for. */
void rig_cluster(struct rig *r, const char *topic, int32_t partition_count);
void rig_answer_metadata(struct rig *r, const char *topic, int32_t partition_count, int16_t code);
/* The same with one partition of that leader (-1: none) in that epoch. */
void rig_answer_leader(struct rig *r, const char *topic, int32_t leader, int32_t leader_epoch);

/* A record for topic/partition with that value; the op is the test's. */
void rig_send(struct rig *r, struct client_send *send, const char *topic, int32_t partition,
              const char *value);
/* The only batch of a produce request. */
struct wire_batch rig_batch(struct rig *r, const struct client_request *request);
/* Answers a produce request that has one batch. */
void rig_produced(struct rig *r, struct client_request *request, int16_t code, int64_t offset);

#endif
