/* vote.c - 52: who another node is to vote for (KIP-595, KIP-853, KIP-996). */
#include "api/internal.h"

static void begin(struct request *r)
{
    api_raft_begin(r, RAFT_VOTE);
}

const struct handler api_handler_vote = {
    .key = 52,
    .state_size = sizeof(struct raft_call),
    .begin = begin,
    .hurry = api_raft_hurry,
    .drop = api_raft_drop,
};
