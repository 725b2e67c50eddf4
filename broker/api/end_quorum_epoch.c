/* end_quorum_epoch.c - 54: who led the metadata log does so no longer (KIP-595). */
#include "api/internal.h"

static void begin(struct request *r)
{
    api_raft_begin(r, RAFT_END_EPOCH);
}

const struct handler api_handler_end_quorum_epoch = {
    .key = 54,
    .state_size = sizeof(struct raft_call),
    .begin = begin,
    .hurry = api_raft_hurry,
    .drop = api_raft_drop,
};
