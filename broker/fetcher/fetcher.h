/* fetcher.h - the follower's side of replication: for each broker that leads some of the partitions
 * here one fetch after the other, of all of them together, and each answer into their logs. It
 * decides nothing about who leads, and takes no answer that is not the one to what it asks now. */
#ifndef KILN_FETCHER_H
#define KILN_FETCHER_H

#include "peers/peers.h"
#include "replica/replica.h"

/* Partitions that one request names, and as many that it forgets; a session takes more of them in
 * the requests that follow. */
#define FETCHER_NAMED_MAX 512
/* Partitions of an answer that one event takes, and that one event lets ask again. */
#define FETCHER_STEP 128
/* Partitions of one leader whose logs are being cut, begun anew or trimmed at once. */
#define FETCHER_TAKES_MAX 32
/* What an answer without its records may decode to. */
#define FETCHER_ARENA_BYTES (16 << 20)
/* Of one leader's answer, however many leaders there are. */
#define FETCHER_BYTES_MIN (64 << 10)

struct fetcher_settings {
    int32_t node_id;
    /* replica.fetch.: wait.max.ms, min.bytes, max.bytes (of a partition), response.max.bytes and
     * backoff.ms. */
    int64_t wait_ms_max, backoff_ms;
    int32_t bytes_min, partition_bytes_max, response_bytes_max;
    /* Bytes of a partition that are read before what was read has come to count here. */
    int64_t read_ahead_bytes;
    /* What all answers that are on their way may come to; each leader is asked for its part. */
    int64_t bytes_max;
    int32_t named_max;   /* partitions of a request; 0: FETCHER_NAMED_MAX, which is the most */
    struct trace *trace; /* outlives the set */
};

struct fetcher_watch {
    /* Of this broker, by which a leader knows that it is not one that was here before (KIP-903);
     * -1: it is not registered. */
    int64_t (*broker_epoch)(const struct fetcher_watch *watch);
    /* That broker, as it is registered now, takes a follower's durable end: it may be read ahead
     * from. Otherwise an offset that is asked from says what is stored here. */
    bool (*takes_durable_end)(const struct fetcher_watch *watch, int32_t leader);
    /* Told once of each trouble of a partition or with a leader, until that has passed. */
    void (*tell)(struct fetcher_watch *watch, const char *sentence);
};

struct fetcher_set;

/* mem: for who follows whom. held: for requests and answers, which others may make large; it may
 * have a limit: who finds no room asks again after a pause. All that is passed in outlives the set,
 * and peers know where the leaders are. ERR_NOMEM. */
enum err fetcher_set_new(struct fetcher_set **out, struct env *env, struct mem *mem,
                         struct mem *held, struct peers *peers,
                         const struct fetcher_settings *settings,
                         struct fetcher_watch *watch) MUST_USE;

/* That broker leads it from now on, in the epoch in which the replica follows (P-2): the leader is
 * asked from the log's end on. What was asked before is not taken. Harmless when nothing has
 * changed. The replica is held until it is followed no more. ERR_NOMEM: it is not followed. */
enum err fetcher_follow(struct fetcher_set *set, struct replica *replica, int32_t leader) MUST_USE;
/* Nobody is asked for it any more; what is being taken of it now ends by itself. Harmless on one
 * that is not followed. */
void fetcher_unfollow(struct fetcher_set *set, struct replica *replica);

struct fetcher_op;
typedef void fetcher_done(struct fetcher_op *op);
struct fetcher_op {
    fetcher_done *done;
};
/* Follows nobody any more. Done when no log is being changed for it, perhaps before this returns;
 * its requests have ended by then. */
void fetcher_set_close(struct fetcher_set *set, struct fetcher_op *op, fetcher_done *done);
/* After fetcher_set_close, or before the first fetcher_follow. NULL is harmless. */
void fetcher_set_free(struct fetcher_set *set);

/* How many leaders are asked, for tests and metrics. */
int32_t fetcher_count(const struct fetcher_set *set);

#endif
