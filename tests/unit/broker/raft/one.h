/* one.h - one node of a quorum, and what others tell it. */
#ifndef KILN_TEST_RAFT_ONE_H
#define KILN_TEST_RAFT_ONE_H

#include "raft/raft.h"
#include "support/test.h"

#define MS 1000000ll
#define SELF 0

/* A node of a quorum of three (0, 1, 2), in epoch 0 with an empty log unless a test says otherwise.
 */
struct one {
    struct test_mem mem;
    struct raft *raft;
    struct raft_settings settings;
    struct raft_start start;
    struct raft_voter_set sets[1];
    struct raft_state state;
    struct format_epochs epochs;
    struct format_epoch epoch_rows[8];
    struct raft_effects out;
    int64_t now_ns;
};

struct raft_key key_of(int32_t id);
struct raft_voters voters_of(int count);
void prepare(struct one *o, int voter_count);
/* Its log has records of that epoch up to end. */
void has_log(struct one *o, int32_t epoch, int64_t end);
void take(struct one *o, struct raft_event event);
void begin(struct one *o);
void end(struct one *o);
void saved(struct one *o);
void ask(struct one *o, struct raft_request request);
struct raft_request vote(int32_t from, int32_t epoch, int32_t last_epoch, int64_t log_end);
struct raft_request fetch(int32_t from, int32_t epoch, int32_t last_epoch, int64_t log_end);
/* The request to that voter among the last effects. */
const struct raft_request *sent(const struct one *o, enum raft_api api, int32_t to);
void answer(struct one *o, const struct raft_request *request, struct raft_response response);
/* Its election timer has run out: it asks for pre-votes. */
void time_out(struct one *o);
struct raft_response says(int32_t epoch, bool granted);
void becomes_candidate(struct one *o);
/* Its LeaderChange is durable; nobody fetched yet. */
void becomes_leader(struct one *o);
void becomes_follower(struct one *o, int32_t leader, int32_t epoch);
/* It has become one, and that is durable: its first fetch. */
struct raft_request follows(struct one *o, int32_t leader, int32_t epoch);
struct raft_response fetched(int32_t epoch, int32_t leader, int64_t high_watermark,
                             const struct raft_batch *batches, int32_t count);
void diverge(struct one *o, int32_t epoch, int64_t at);

#endif
