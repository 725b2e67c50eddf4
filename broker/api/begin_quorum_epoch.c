/* begin_quorum_epoch.c - 53: who leads the metadata log says so (KIP-595). */
#include "api/internal.h"

static void begin(struct request *r)
{
    api_raft_begin(r, RAFT_BEGIN_EPOCH);
}

const struct handler api_handler_begin_quorum_epoch = {
    .key = 53,
    .state_size = sizeof(struct raft_call),
    .begin = begin,
    .hurry = api_raft_hurry,
    .drop = api_raft_drop,
};
