/* model.h - a quorum in miniature: nodes whose disks, connections and clocks are lists of what may
 * happen next, chosen by chance; and after each step all that raft promises is looked at. */
#ifndef KILN_TEST_RAFT_MODEL_H
#define KILN_TEST_RAFT_MODEL_H

#include "raft/raft.h"
#include "support/test.h"

#define NODES_MAX 5
#define ENTRIES_MAX 512
#define EPOCHS_MAX 4096
#define IN_FLIGHT_MAX 256
#define OPS_MAX 64
#define PIECES 3      /* of a snapshot's file */
#define BROUGHT_MAX 8 /* records of one event */

/* One record. Two of one offset and epoch are the same, or something is broken. */
struct entry {
    int32_t epoch;
    uint64_t id;
    bool votes; /* it says who votes */
    struct raft_voters voters;
};

/* A log: entries before start are those of a snapshot. */
struct model_log {
    int64_t start, end;
    int32_t start_epoch;
    bool told; /* who votes first: the directory was formatted so */
    struct entry entries[ENTRIES_MAX];
    struct raft_snapshot_id snapshot;
    struct raft_voters snapshot_voters;
};

enum op_kind {
    OP_APPEND,
    OP_TRUNCATE,
    OP_RESET,
};

/* Something that the disk is to do, in order. */
struct model_op {
    enum op_kind kind;
    int64_t first, end; /* APPEND: its records; else end alone */
    uint64_t generation;
    struct entry entries[BROUGHT_MAX];
    struct raft_snapshot_id snapshot;
    struct raft_voters voters;
};

/* What an event brings that raft does not look into. */
struct brought {
    struct entry entries[BROUGHT_MAX];
    int count;
};

struct node {
    int index;
    struct raft_key key;
    struct raft *raft; /* NULL: it is down */
    int32_t life;
    struct model_log log;  /* as it is once all is done */
    struct model_log disk; /* what another life would find */
    bool has_state;
    struct raft_state state; /* on disk */
    bool saving;
    struct raft_effects held; /* what waits for that */
    struct raft_request held_request;
    int held_from;
    int32_t held_life;
    struct model_op ops[OPS_MAX];
    int op_count;
    int64_t deadline_ns;
    int64_t watermark;                   /* of this life */
    uint64_t outstanding[IN_FLIGHT_MAX]; /* numbers of its requests */
    int outstanding_count;
    /* The piece of a snapshot that is to be stored. */
    uint64_t piece_number; /* 0: none */
    int64_t piece_end;
    struct raft_snapshot_id piece_id;
    struct raft_voters piece_voters;
};

struct flight {
    bool is_response;
    int from, to; /* nodes */
    int32_t life; /* of who asked */
    struct raft_request request;
    struct raft_response response;
    struct brought brought; /* what a fetch brings */
    struct raft_voters snapshot_voters;
};

struct model {
    struct test_mem mem;
    struct rng rng;
    int64_t now_ns;
    int node_count, voter_count;
    struct node nodes[NODES_MAX];
    struct flight flights[IN_FLIGHT_MAX];
    int flight_count;
    bool cut[NODES_MAX][NODES_MAX]; /* nothing arrives there from here */
    uint64_t id_last;
    /* What must be true of all of them. */
    int leader_of[EPOCHS_MAX];           /* -1: nobody led it yet */
    struct entry committed[ENTRIES_MAX]; /* id 0: not yet */
    int64_t committed_end;
    int64_t steps, elections, truncations, installs, changes, abstentions, taken_back;
    int64_t wipes;
    int wipes_left; /* disks that may yet be lost, each with the identity of its node */
    bool writes_voters;
    int harm;                               /* of a thousand steps */
    bool votes_lost, snapshots, changes_on; /* what this history has; before model_start */
    const char *wrong;                      /* the first thing that was not as it must be */
};

void model_init(struct model *m, uint64_t seed, int node_count, int voter_count);
/* kraft.version 1: who does not vote is told of nobody. Before model_start. */
void model_write_voters(struct model *m);
void model_start(struct model *m);
/* Where each node stands, for people. */
void model_print(const struct model *m);
void model_free(struct model *m);
/* One thing happens, by chance. */
void model_step(struct model *m);
/* Nothing goes wrong any more, all are up: whether a record that is appended now is committed
 * everywhere within that time. */
bool model_converges(struct model *m, int64_t within_ns);

#endif
