/* rig.h - a follower with real logs in the simulated world, and two nodes that stand in for
 * leaders: they hold a log in memory for each partition, keep a session as Kafka does, and find
 * fault with any fetch that a leader would not understand. */
#ifndef KILN_TEST_FETCHER_RIG_H
#define KILN_TEST_FETCHER_RIG_H

#include "fault/fault.h"
#include "fetcher/internal.h"
#include "support/test.h"
#include "world/world.h"

#define MS 1000000ll
#define SECOND (1000 * MS)
#define PORT 9092
#define FOLLOWER_ID 9
#define BROKER_EPOCH 77
#define LEADERS 2
#define FIRST_LEADER 1 /* node ids: 1 and 2 */
#define PARTITIONS_MAX 1200
#define BATCHES_MAX 64
#define BATCH_BYTES 256
#define CONNS_MAX 64
#define WAIT_MS 500
#define BACKOFF_MS 1000

struct led_batch {
    int64_t base, end;
    int32_t epoch, size;
    uint8_t bytes[BATCH_BYTES];
};

/* A partition as its leader has it. */
struct led {
    int32_t leader, epoch;
    int64_t start, high_watermark;
    int16_t code;  /* not 0: every answer says so */
    bool no_start; /* what is out of range is answered without the log start, as Kafka does */
    struct led_batch batches[BATCHES_MAX];
    int32_t batch_count;
    /* What the follower has said last. */
    int64_t asked_offset, asked_count;
    int32_t asked_epoch, asked_last_epoch;
    int64_t durable_end; /* -1: not said */
};

/* What a leader's session knows of a partition. */
struct named {
    bool is, quiet; /* quiet: it is given nothing until it asks (broker/api/fetch.c) */
    int64_t offset, told_high_watermark;
    int32_t epoch, last_epoch;
};

struct leader_conn {
    struct conn conn;
    struct leader *leader;
    bool used;
};

struct leader {
    struct world_seat *seat;
    int32_t id;
    env_listener listener;
    struct env_op listening, accepting, unlistening;
    struct leader_conn conns[CONNS_MAX];
    bool stopping, unlistened;
    int32_t open_count;
    /* The session. */
    int32_t session_id, session_epoch;
    struct named named[PARTITIONS_MAX];
    int32_t named_count;
    /* The fetch that is parked. */
    struct env_timer parked;
    struct leader_conn *on;
    struct conn_request *request; /* NULL: none */
    int32_t correlation_id;
    int16_t version;
    int64_t until_ns;
    bool full;
    struct conn_request *next_request; /* in line; NULL: none */
    struct slice next_frame;
    /* Counted. */
    int fetches, full_fetches, named_rows, forgotten_rows, seeks, most_named;
    int32_t bytes_max, wait_ms;
};

struct followed_one {
    struct replica *replica;
    struct replica_op op;
    bool open;
};

struct limited {
    struct mem mem;
    struct mem *heap;
    int64_t bytes, bytes_max, most;
};

struct follower {
    struct world_seat *seat;
    struct dir *dir;
    struct log_set *logs;
    struct replica_set replicas;
    struct dir_op dir_op;
    struct peers *peers;
    struct peers_op peers_op;
    struct limited held;
    struct fetcher_set *set;
    struct fetcher_watch watch;
    struct fetcher_op closing;
    struct followed_one ones[PARTITIONS_MAX];
    int32_t closed_count;
    struct replica_op close_op;
    bool fetching; /* the set is there and has not been closed */
};

struct rig {
    struct mem mem;
    struct world *world;
    uint32_t follower_node, leader_nodes[LEADERS];
    struct follower *follower;
    struct leader *leaders[LEADERS];
    int32_t partition_count;
    struct led led[PARTITIONS_MAX];
    struct fetcher_settings settings;
    int64_t held_max;
    bool unsynced; /* the topics have flush.policy=os */
    /* Of the leaders. */
    bool mute, babble, refuse_sessions;
    bool takes_durable_end; /* they are kiln's */
    bool in_line; /* a fetch waits for the one before it on its connection, as Kafka has it */
    int16_t refuse_once; /* the next fetch as a whole */
    int16_t fetch_newest;
    /* Changes an answer before it leaves. */
    void (*twist)(struct leader *leader, struct wire_fetch_response *body, struct arena *arena);
    int overstated, overstated_max; /* durable ends that were said and were none */
    int told, refused;              /* sentences; fetcher_follow without memory */
    int registrations;              /* of the follower after its first */
    char sentence[ERRMSG_SIZE];
    uint64_t value;
};

struct rig *rig_new(uint64_t seed, int32_t partition_count);
/* The leaders and the follower run, and its partitions are open; nobody is followed yet. */
void rig_start(struct rig *r);
void rig_run(struct rig *r, int64_t ms);
/* The follower stops fetching, and all of it ends in good order. */
void rig_end(struct rig *r);
void rig_harm(struct rig *r, const char *text);

const struct wire_uuid *rig_topic_id(int32_t partition);
/* The leader of that partition, in its present epoch, is followed from now on. */
void rig_follow(struct rig *r, int32_t partition);
void rig_follow_all(struct rig *r);
void rig_unfollow(struct rig *r, int32_t partition);
/* Another broker leads it in the next epoch; nobody is told. */
void rig_elect(struct rig *r, int32_t partition, int32_t leader);
/* The follower hears of it. */
void rig_become(struct rig *r, int32_t partition);
/* The leader gets a batch of so many records; committed: its high watermark covers it. */
void rig_produce(struct rig *r, int32_t partition, int count, bool committed);
/* The leader's log ends there. */
void rig_cut(struct rig *r, int32_t partition, int64_t end);
int64_t rig_led_end(const struct led *led);
struct leader *rig_leader(struct rig *r, int32_t id);

struct replica_ends rig_ends(struct rig *r, int32_t partition);
int64_t rig_high_watermark(struct rig *r, int32_t partition);
const struct followed *rig_followed(struct rig *r, int32_t partition);
/* The follower's log is the leader's, byte for byte where both have it, and ends where it does. */
bool rig_is_same(struct rig *r, int32_t partition);
void rig_assert_same(struct rig *r, int32_t partition);

/* So many batches, committed, of one to three records. */
void rig_fill(struct rig *r, int32_t partition, int batches);
/* Partitions that are followed, have what there is, and are in a session. */
struct rig *rig_settled(uint64_t seed, int32_t partition_count);

#define ON_FOLLOWER(r)                                                                             \
    for (int once = (world_sit((r)->world, (r)->follower_node), 1); once;                          \
         once = (world_rise((r)->world, (r)->follower_node), 0))

#endif
