/* model.h - one partition of three to five replicas that keeps the rules of replication, and says
 * in rows what its brokers would: what it draws is legal, unless a test has it do otherwise. */
#ifndef KILN_TEST_CHECK_MODEL_H
#define KILN_TEST_CHECK_MODEL_H

#include "run.h"

#define MODEL_TOPIC 9u
#define MODEL_NODES_MAX 5
#define MODEL_BATCHES_MAX 256
#define MODEL_SEGMENTS_MAX 64
#define MODEL_SENDS_MAX 8 /* that are not answered */
#define MODEL_STEPS 120

struct model_batch {
    uint64_t first, last, crc, vid; /* of its first record */
    int64_t epoch, producer_epoch, sequence, time_ms, bytes;
};

struct model_node {
    uint32_t id;
    uint16_t life;
    bool alive, leading, clean;
    uint64_t start, end, written, durable, watermark;
    struct model_batch batches[MODEL_BATCHES_MAX];
    uint32_t count;
    uint64_t segments[MODEL_SEGMENTS_MAX]; /* their base offsets */
    uint32_t segment_count;
    /* As a leader; it may be one that does not know yet that another one leads. */
    int64_t epoch;
    uint64_t epoch_start;
    uint32_t in_sync; /* bits by index */
    uint64_t known[MODEL_NODES_MAX];
    uint32_t fetched; /* who has, in this epoch; bits */
};

struct model_send {
    struct model_batch batch;
    struct model_node *node;
    uint16_t life;
    bool said; /* the broker has acknowledged it, and the answer is under way */
};

/* What was drawn, for a test that wants all of it to happen. */
struct model_counts {
    int elections, unclean, stale, kills, power_losses, cuts, resets, retained, acked, lost, late;
};

struct model {
    struct run *run;
    struct rng rng;
    bool durable, unclean, acks_all;
    int64_t retention_ms, retention_bytes;
    struct model_node nodes[MODEL_NODES_MAX];
    int node_count;
    struct model_node *leader; /* the newest; it may be down */
    uint32_t in_sync;          /* as the controller knows; bits */
    int64_t epoch;
    struct model_send sends[MODEL_SENDS_MAX];
    int send_count;
    uint64_t sequence_end, crc;
    const struct model_node *sent_to;
    int64_t sent_epoch, producer_epoch, producer_sequence;
    uint16_t sent_life;
    uint64_t read_end, poll;
    struct model_counts counts;
};

/* Draws the partition, and begins it in run. */
void model_start(struct model *m, struct run *run, uint64_t seed);
/* One legal step. */
void model_step(struct model *m);
/* Everybody is back, has caught up, is answered and read. */
void model_finish(struct model *m);

/* ---- for steps that are not legal ---- */

uint64_t model_below(struct model *m, uint64_t n);
/* NULL: it is down. */
struct model_node *model_leader(struct model *m);
/* Any that is alive and does not lead; NULL: none. */
struct model_node *model_follower(struct model *m);
uint64_t model_counting(const struct model *m, const struct model_node *n);
struct model_batch *model_last(struct model_node *n);
/* That begins at the end of its log. */
struct model_batch model_batch(struct model *m, const struct model_node *n, int64_t epoch);
void model_append(struct model *m, struct model_node *n, const struct model_batch *b);
void model_produce(struct model *m, struct model_node *n);
void model_sync(struct model *m, struct model_node *n, uint64_t to);
void model_cut(struct model *m, struct model_node *n, uint64_t to, int64_t reason);
void model_die(struct model *m, struct model_node *n, bool power, uint64_t left);
void model_open(struct model *m, struct model_node *n);
void model_catch_up(struct model *m, struct model_node *n);
void model_lead(struct model *m, struct model_node *n, int64_t epoch);
/* By age (1), size (2), or as asked (3). */
void model_move_start(struct model *m, struct model_node *n, uint64_t to, int64_t reason,
                      int64_t max_timestamp);
void model_show(struct model *m, struct model_node *n, uint64_t to);
uint64_t model_read(struct model *m, uint64_t count);

/* A row of a node's life about the partition. */
#define MODEL_SAY(m, n, kind, ...)                                                                 \
    do {                                                                                           \
        (m)->run->incarnation = (n)->life;                                                         \
        SAY((m)->run, (n)->id, kind, .partition = P, .topic_id = MODEL_TOPIC, __VA_ARGS__);        \
    } while (0)

#endif
