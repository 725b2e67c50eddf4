/* send.c - the requests that a role has for others, each when it is due: one at a time to each
 * voter, and one for the log. */
#include "raft/internal.h"

/* When a leader announces itself to that voter: until it fetches, and when it has not for a while
 * (K-12). */
static int64_t announcement(const struct raft *r, const struct raft_peer *peer)
{
    if (peer->end < 0)
        return peer->due_ns;
    return MAX(peer->due_ns, peer->fetched_ns + r->settings.fetch_timeout_ns / 2);
}

/* When this voter is to be asked something; NEVER: there is nothing to ask. */
static int64_t due(const struct raft *r, const struct raft_peer *peer)
{
    if (peer->number != 0 || raft_is_self(r, peer))
        return NEVER;
    switch (r->role) {
    case RAFT_UNATTACHED:
    case RAFT_FOLLOWER:
        return r->abstains && !peer->heard ? peer->due_ns : NEVER;
    case RAFT_PROSPECTIVE:
    case RAFT_CANDIDATE:
        return peer->ballot == BALLOT_NONE ? peer->due_ns : NEVER;
    case RAFT_LEADER:
        return announcement(r, peer);
    case RAFT_RESIGNED:
        return peer->told || r->successors.count == 0 ? NEVER : peer->due_ns;
    case RAFT_ROLE_COUNT:
        break;
    }
    UNREACHABLE();
}

static enum raft_api wanted(const struct raft *r)
{
    if (r->role == RAFT_LEADER)
        return RAFT_BEGIN_EPOCH;
    return r->role == RAFT_RESIGNED ? RAFT_END_EPOCH : RAFT_VOTE;
}

static void ask_voter(struct raft *r, struct raft_peer *peer, struct raft_effects *out)
{
    struct raft_request *request = raft_ask(r, out, wanted(r));
    request->to = peer->key;
    peer->number = request->number;
    if (request->api == RAFT_VOTE) {
        request->pre_vote = r->role != RAFT_CANDIDATE;
        request->last_epoch = raft_last_epoch(r);
        request->end = r->end;
    } else if (request->api == RAFT_END_EPOCH) {
        request->successors = r->successors;
    }
}

void raft_send_due(struct raft *r, struct raft_effects *out)
{
    for (int32_t i = 0; i < raft_voters(r)->count; i++) {
        if (due(r, &r->peers[i]) <= r->now_ns)
            ask_voter(r, &r->peers[i], out);
    }
    if (raft_may_fetch(r) && r->fetching.number == 0 && r->fetching.due_ns <= r->now_ns)
        raft_fetch(r, out);
}

int64_t raft_deadline(const struct raft *r)
{
    int64_t deadline_ns = NEVER;
    if (r->stop != NULL || r->saving)
        return NEVER;
    for (int32_t i = 0; i < raft_voters(r)->count; i++)
        deadline_ns = MIN(deadline_ns, due(r, &r->peers[i]));
    if (raft_may_fetch(r) && r->fetching.number == 0)
        deadline_ns = MIN(deadline_ns, r->fetching.due_ns);
    if (r->role == RAFT_LEADER)
        return MIN(deadline_ns, raft_quorum_deadline(r));
    bool runs = raft_may_stand(r) || r->role == RAFT_RESIGNED || r->role == RAFT_PROSPECTIVE;
    return runs && !r->abstains ? MIN(deadline_ns, r->timer_ns) : deadline_ns;
}
