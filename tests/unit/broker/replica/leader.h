/* leader.h - a partition that is led on a simulated disk, with two followers and a controller that
 * are the test's hands. */
#ifndef KILN_TESTS_REPLICA_LEADER_H
#define KILN_TESTS_REPLICA_LEADER_H

#include "replica/replica.h"
#include "support/test.h"
#include "world/world.h"

#define NS_PER_MS 1000000ll
#define LAG_MS 100
#define PRODUCES_MAX 16
#define BROKERS_MAX 4 /* by id; 0 is none */
#define PROPOSALS_MAX 8
#define SELF 1

struct leader_produce {
    struct replica_produce op;
    bool done;
};

/* What the test is about, and what it sees. The leader finds it through this pointer. */
extern struct leader {
    struct mem mem;
    struct world *world;
    struct world_sink sink;
    uint32_t node;
    int64_t leaked;
    struct replica_config config;
    enum log_flush flush;
    /* What metadata say: brokers by their id, a bit each. */
    struct replica_broker brokers[BROKERS_MAX];
    int32_t epoch, partition_epoch;
    uint32_t isr;
    bool open, follows;
    struct leader_life *life;
    struct replica *replica;
    struct leader_produce produces[PRODUCES_MAX];
    struct replica_proposal *proposals[PROPOSALS_MAX]; /* that have not ended */
    int proposal_count, proposed_count;                /* there are; there ever were */
    struct replica_fetch parked;                       /* of a follower, or a consumer */
    int woken_count;
    struct replica_trim trim;
    bool is_trimmed;
} * the;

/* Led with replicas 1 (the leader), 2 and 3; isr in that life's first epoch, as bits of ids. */
void leader_setup(struct leader *l, uint64_t seed, enum log_flush flush, uint32_t isr,
                  int32_t min_insync);
void leader_teardown(void);
void leader_run(int64_t ms);
/* Calls what as an event of the leader's, within the first millisecond of so many. */
void leader_order(void (*what)(void), int64_t ms);

/* ---- within an event of the leader's ---- */

void leader_produce(int slot, int16_t acks);
/* What a follower says that asks in this leader epoch. */
struct leader_said {
    int32_t id;
    int64_t offset;
    int32_t epoch_less;   /* it asks in a leader epoch that is earlier by so much */
    int32_t last_epoch;   /* 0: it does not say */
    int64_t broker_epoch; /* 0: the one that metadata have */
    bool says_durable;    /* so far its log is on its disk: */
    int64_t durable_end;
    int64_t log_start;
};
/* Its code. */
int16_t leader_hear(struct leader_said said);
/* A follower asks, and waits: parked. */
void leader_park(struct leader_said said);
/* As metadata say it: in a new leader epoch, or in the same with another partition epoch. */
void leader_elect(uint32_t isr, bool follows);
void leader_change(uint32_t isr);
/* The same of what the test has set itself. */
void leader_publish(void);
void leader_brokers_changed(void);
/* What the controller answers to the oldest proposal; with 0 the partition epoch moves on. True: it
 * has ended. */
bool leader_answer(int16_t code);
/* The same, with what came of it. */
bool leader_answer_as(int16_t code, int32_t epoch, int32_t partition_epoch);
/* Where its log ends. */
int64_t leader_end(void);
/* The brokers that the oldest proposal has, as bits; 0: there is none. */
uint32_t leader_proposed(void);

#endif
