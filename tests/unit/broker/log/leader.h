/* leader.h - a leader's log as a test knows it: batches in memory, their epochs and what came of
 * them, from which followers are fed and with which they are compared. */
#ifndef TEST_LOG_LEADER_H
#define TEST_LOG_LEADER_H

#include "rig.h"

#define LEADER_BATCHES_MAX 400
#define LEADER_BYTES_MAX (512 << 10)

struct leader_batch {
    int64_t base, last;
    int32_t epoch;
    size_t at, size; /* in bytes */
};

struct leader {
    bool gaps; /* offsets may be missing between batches */
    struct rng rng;
    int32_t epoch;
    int64_t end;
    int count;
    size_t size;
    int32_t sequence; /* of the producer 7 */
    struct leader_batch batches[LEADER_BATCHES_MAX];
    uint8_t bytes[LEADER_BYTES_MAX];
};

struct leader *leader_new(uint64_t seed, bool gaps);
/* One batch more, by nobody, an idempotent producer, or a transaction's marker. */
void leader_append(struct leader *l);
/* Forgets what stands at or above that offset, which is a batch's base or the end. */
void leader_cut(struct leader *l, int64_t end);
/* E-2, the long way. */
void leader_epoch_end(const struct leader *l, int32_t epoch, int32_t *found, int64_t *end);
/* The batch that holds offset, or comes there; count: none. */
int leader_find(const struct leader *l, int64_t offset);
/* Up to so many batches from that one on, in the node's memory; no buf: out of memory. */
struct slice leader_fetch(const struct leader *l, struct rig *rig, int batch, int count);
/* What the follower's log has written is what the leader's holds from its own start on, byte for
 * byte, and it knows the same epochs. */
void leader_check(const struct leader *l, struct rig *rig);

/* Follows: truncates as long as the leader says that the logs have parted (E-3, E-4), then fetches
 * so many batches at a time until it has all. False: the node went down, or e says why not. */
bool leader_follow(const struct leader *l, struct rig *rig, int count, enum err *e);

#endif
