/* check.c - what a replica says to who asks it for something that it may not do now. */
#include "replica/internal.h"

static int16_t check_role(const struct replica *r)
{
    if (r->deleted)
        return WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    switch (r->role) {
    case ROLE_LEADER:
        return WIRE_ERROR_NONE;
    case ROLE_CLOSED:
        if (r->gone)
            return WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
        return WIRE_ERROR_KAFKA_STORAGE_ERROR;
    case ROLE_OPENING:
    case ROLE_OFFLINE:
        return WIRE_ERROR_KAFKA_STORAGE_ERROR;
    case ROLE_FOLLOWER:
    case ROLE_RESIGNED:
    case ROLE_CLOSING:
    case ROLE_DELETING:
    case ROLE_DELETED:
        return WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    UNREACHABLE();
}

static int16_t check_epoch(const struct replica *r, int32_t leader_epoch)
{
    if (leader_epoch == -1)
        return WIRE_ERROR_NONE;
    if (leader_epoch < r->leader_epoch)
        return WIRE_ERROR_FENCED_LEADER_EPOCH;
    return leader_epoch > r->leader_epoch ? WIRE_ERROR_UNKNOWN_LEADER_EPOCH : WIRE_ERROR_NONE;
}

int16_t replica_check(const struct replica *r, int32_t leader_epoch)
{
    int16_t code = check_role(r);
    return code == WIRE_ERROR_NONE ? check_epoch(r, leader_epoch) : code;
}

int16_t replica_check_readable(const struct replica *r, int32_t leader_epoch)
{
    bool holds = r->role == ROLE_OFFLINE && r->log != NULL;
    return holds ? WIRE_ERROR_NONE : replica_check(r, leader_epoch);
}

int16_t replica_check_follower(const struct replica *r, int32_t leader_epoch)
{
    bool follows = r->role == ROLE_FOLLOWER && !r->deleted;
    return follows ? check_epoch(r, leader_epoch) : replica_check_readable(r, leader_epoch);
}
