/* fetch_snapshot.c - 59: a piece of a snapshot of the metadata (KIP-630). */
#include "api/internal.h"

static void begin(struct request *r)
{
    api_raft_begin(r, RAFT_FETCH_SNAPSHOT);
}

const struct handler api_handler_fetch_snapshot = {
    .key = 59,
    .state_size = sizeof(struct raft_call),
    .begin = begin,
    .hurry = api_raft_hurry,
    .drop = api_raft_drop,
};
