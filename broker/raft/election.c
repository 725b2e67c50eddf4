/* election.c - who may lead: votes that are given, votes that are counted, and what becomes of a
 * node whose own vote was lost. */
#include "raft/internal.h"

int32_t raft_last_epoch(const struct raft *r)
{
    return r->end == r->start ? r->start_epoch : format_epochs_at(&r->epochs, r->end - 1);
}

/* K-5: the log of who is elected holds all that is committed. */
static bool is_up_to_date(const struct raft *r, const struct raft_request *request)
{
    int32_t epoch = raft_last_epoch(r);
    if (KNOWN_BUG(quorum_shorter_log_elected))
        return true;
    return request->last_epoch > epoch || (request->last_epoch == epoch && request->end >= r->end);
}

static bool hears_leader(const struct raft *r)
{
    return r->role == RAFT_FOLLOWER && r->fetched && r->timer_ns > r->now_ns;
}

/* It hears from its leader, or is one that is heard. */
bool raft_has_living_leader(const struct raft *r)
{
    if (r->role == RAFT_LEADER)
        return raft_quorum_deadline(r) > r->now_ns;
    return hears_leader(r);
}

/* Who is no voter may be one soon (KIP-853), so that its log decides; but not while all is well: it
 * may as well have been removed, or never have belonged here (Raft, 4.2.3). */
static bool disturbs(struct raft *r, const struct raft_key *key)
{
    return raft_peer_of(r, key) == NULL && raft_has_living_leader(r);
}

static bool may_grant(const struct raft *r, const struct raft_request *request)
{
    bool up_to_date = is_up_to_date(r, request);
    switch (r->role) {
    case RAFT_UNATTACHED:
    case RAFT_PROSPECTIVE:
        if (request->pre_vote)
            return up_to_date;
        if (r->state.leader_id != RAFT_NOBODY)
            return false;
        /* Also when it asks again: a candidate that died may have lost what it had not synced, and
         * stands again in the same epoch (K-3) with less than it had been voted for. */
        return up_to_date && (r->state.voted.id == RAFT_NOBODY ||
                              raft_key_equal(&r->state.voted, &request->from));
    case RAFT_FOLLOWER:
        return request->pre_vote && up_to_date &&
               (!r->fetched || KNOWN_BUG(quorum_pre_vote_beside_leader));
    case RAFT_CANDIDATE:
    case RAFT_RESIGNED:
        return request->pre_vote && up_to_date;
    case RAFT_LEADER:
    case RAFT_ROLE_COUNT:
        return false;
    }
    UNREACHABLE();
}

static bool is_sound(const struct raft_request *request)
{
    /* Whoever stands for an epoch has no record of it yet. */
    int32_t below = request->pre_vote ? 0 : 1;
    return request->from.id >= 0 && request->epoch >= 0 && request->end >= 0 &&
           request->last_epoch >= 0 && request->last_epoch <= request->epoch - below;
}

/* K-4, K-5. A pre-vote changes nothing, here or there (K-6): nor does its epoch. */
void raft_on_vote(struct raft *r, const struct raft_request *request, struct raft_effects *out)
{
    raft_answer(r, out, WIRE_ERROR_NONE);
    if (!is_sound(request)) {
        raft_answer(r, out, WIRE_ERROR_INVALID_REQUEST);
        return;
    }
    if (r->abstains)
        return;
    if (request->epoch < r->state.epoch) {
        raft_answer(r, out, WIRE_ERROR_FENCED_LEADER_EPOCH);
        return;
    }
    if (!raft_key_equal(&request->to, &r->settings.self)) {
        raft_answer(r, out, WIRE_ERROR_INVALID_VOTER_KEY);
        return;
    }
    if (!request->pre_vote && disturbs(r, &request->from))
        return;
    if (!request->pre_vote)
        (void)raft_adopt(r, request->epoch, RAFT_NOBODY);
    bool granted = !r->abstains && may_grant(r, request);
    if (granted && !request->pre_vote)
        raft_vote_for(r, &request->from);
    raft_answer(r, out, WIRE_ERROR_NONE);
    out->answer.granted = granted;
}

void raft_on_ballot(struct raft *r, struct raft_peer *peer, const struct raft_response *response)
{
    if (r->role != RAFT_PROSPECTIVE && r->role != RAFT_CANDIDATE)
        return;
    /* Others may hear a little later that their leader leads no longer, and say yes then. */
    bool again = r->role == RAFT_PROSPECTIVE && r->ended && !response->granted;
    if (response->code == WIRE_ERROR_NONE && !again)
        peer->ballot = response->granted ? BALLOT_GRANTED : BALLOT_REJECTED;
    else
        peer->due_ns = r->now_ns + r->settings.retry_backoff_ns;
}

static bool count(const struct raft *r, bool *lost)
{
    int32_t granted = 0, open = 0;
    for (int32_t i = 0; i < raft_voters(r)->count; i++) {
        bool self = raft_is_self(r, &r->peers[i]);
        granted += self || r->peers[i].ballot == BALLOT_GRANTED ? 1 : 0;
        open += !self && r->peers[i].ballot == BALLOT_NONE ? 1 : 0;
    }
    *lost = granted + open < raft_majority(r);
    return granted >= raft_majority(r);
}

/* Its own vote counts when it is durable (K-1); one that leads by that alone writes down both at
 * once, for nobody was told of either. */
void raft_count_votes(struct raft *r, struct raft_effects *out)
{
    bool lost = false;
    if (r->role == RAFT_PROSPECTIVE) {
        if (count(r, &lost) || KNOWN_BUG(quorum_without_pre_vote))
            raft_stand(r);
        else if (lost)
            raft_give_up(r);
    }
    if (r->role != RAFT_CANDIDATE || (r->save && raft_has_others(r)))
        return;
    if (count(r, &lost)) {
        raft_lead(r, out);
    } else if (lost && !r->lost) {
        r->lost = true;
        r->timer_ns = r->now_ns + raft_draw(r, 1, r->settings.election_backoff_ns);
    }
}

/* What it voted for is lost: some epoch, up to the greatest that any voter knows, for whoever it
 * stood for that epoch has written it down. Once all others have said how far they are, the next
 * epoch is one that it never voted in. Until then nothing is written down either, or another life
 * would take that for the vote. */
void raft_on_probe(struct raft *r, struct raft_peer *peer, const struct raft_response *response)
{
    ASSERT(r->abstains);
    if (response->api != RAFT_VOTE || response->code == WIRE_ERROR_INVALID_VOTER_KEY) {
        peer->due_ns = r->now_ns + r->settings.retry_backoff_ns;
        return;
    }
    peer->heard = true;
    r->state.epoch = MAX(r->state.epoch, response->epoch);
    for (int32_t i = 0; i < raft_voters(r)->count; i++) {
        if (!r->peers[i].heard && !raft_is_self(r, &r->peers[i]))
            return;
    }
    r->abstains = false;
    raft_unattached(r, r->state.epoch + 1);
}
