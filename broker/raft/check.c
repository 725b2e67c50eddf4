/* check.c - what holds of a node between two steps, role by role. */
#include "raft/internal.h"

static void check_log(const struct raft *r)
{
    ASSERT(r->start >= 0);
    ASSERT(r->end >= r->start);
    ASSERT(r->synced <= r->end);
    ASSERT(r->high_watermark <= r->end);
    ASSERT(r->undone >= 0);
    ASSERT(r->undone > 0 || r->synced >= r->start);
    ASSERT(raft_last_epoch(r) <= r->state.epoch || r->abstains);
    ASSERT(r->snapshot.offset >= r->start || r->start == 0);
    ASSERT(r->end == r->start || format_epochs_at(&r->epochs, r->end - 1) >= 0);
}

static void check_voters(const struct raft *r)
{
    ASSERT(r->set_count >= 1);
    ASSERT(r->set_count <= RAFT_VOTER_SETS_MAX);
    for (int32_t i = 1; i < r->set_count; i++)
        ASSERT(r->sets[i].offset > r->sets[i - 1].offset);
    ASSERT(r->sets[r->set_count - 1].offset < r->end || r->set_count == 1);
    for (int32_t i = 0; i < raft_voters(r)->count; i++)
        ASSERT(r->peers[i].key.id == raft_voters(r)->keys[i].id);
}

static void check_role(const struct raft *r)
{
    int32_t self = r->settings.self.id, leader = r->state.leader_id;
    switch (r->role) {
    case RAFT_UNATTACHED:
        ASSERT(leader == RAFT_NOBODY);
        return;
    case RAFT_PROSPECTIVE:
        ASSERT(raft_may_stand(r));
        ASSERT(leader != self);
        return;
    case RAFT_CANDIDATE:
        ASSERT(raft_may_stand(r));
        ASSERT(leader == RAFT_NOBODY);
        ASSERT(r->state.voted.id == self);
        return;
    case RAFT_LEADER:
        ASSERT(leader == self);
        ASSERT(r->state.voted.id == self);
        ASSERT(r->end > r->epoch_start);
        ASSERT(format_epochs_latest(&r->epochs) == r->state.epoch);
        return;
    case RAFT_FOLLOWER:
        ASSERT(leader >= 0);
        ASSERT(leader != self);
        return;
    case RAFT_RESIGNED:
        ASSERT(leader == self);
        return;
    case RAFT_ROLE_COUNT:
        break;
    }
    UNREACHABLE();
}

void raft_check(const struct raft *r)
{
    ASSERT(!r->abstains || !r->saving);
    ASSERT(!r->abstains || r->role == RAFT_UNATTACHED || r->role == RAFT_FOLLOWER);
    check_log(r);
    check_voters(r);
    check_role(r);
}
