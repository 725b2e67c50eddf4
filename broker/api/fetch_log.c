/* fetch_log.c - 1, by a listener of controllers: the metadata log, and nothing else (KIP-595). */
#include "api/internal.h"

static void begin(struct request *r)
{
    api_raft_begin(r, RAFT_FETCH);
}

const struct handler api_handler_fetch_log = {
    .key = 1,
    .on = WIRE_ON_CONTROLLER,
    .state_size = sizeof(struct raft_call),
    .begin = begin,
    .hurry = api_raft_hurry,
    .drop = api_raft_drop,
};
