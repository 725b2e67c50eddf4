/* role.c - the roles, and the only places where a role or the durable state changes. Everything
 * that a role knows begins anew with it. */
#include "raft/internal.h"

/*
 *                 unattached <----------- resigned
 *                  |  ^   ^                   ^
 *       nobody leads|  |   | a greater epoch   | no quorum, or asked to
 *                  v  |   |                   |
 *      +------> prospective -> candidate -> leader
 *      |           |  ^            |
 *      |           v  |            |
 *   silence ---- follower <--------+ somebody leads
 */
static const struct state roles[] = {
    [RAFT_UNATTACHED] = {"unattached",
                         TO(RAFT_UNATTACHED) | TO(RAFT_PROSPECTIVE) | TO(RAFT_FOLLOWER)},
    [RAFT_PROSPECTIVE] = {"prospective",
                          TO(RAFT_UNATTACHED) | TO(RAFT_CANDIDATE) | TO(RAFT_FOLLOWER)},
    [RAFT_CANDIDATE] = {"candidate", TO(RAFT_UNATTACHED) | TO(RAFT_PROSPECTIVE) | TO(RAFT_LEADER) |
                                         TO(RAFT_FOLLOWER)},
    [RAFT_LEADER] = {"leader", TO(RAFT_UNATTACHED) | TO(RAFT_RESIGNED) | TO(RAFT_FOLLOWER)},
    [RAFT_FOLLOWER] = {"follower", TO(RAFT_UNATTACHED) | TO(RAFT_PROSPECTIVE) | TO(RAFT_FOLLOWER)},
    [RAFT_RESIGNED] = {"resigned", TO(RAFT_UNATTACHED) | TO(RAFT_FOLLOWER)},
};

const char *raft_role_name(enum raft_role role)
{
    return roles[role].name;
}

/* What it asked as something else is not waited for any more. */
static void become(struct raft *r, enum raft_role role)
{
    STATE_MOVE(roles, &r->role, role);
    r->lost = r->fetched = false;
    r->fetching = (struct raft_fetching){.due_ns = r->now_ns, .bootstrap = r->fetching.bootstrap};
    r->install = raft_no_install;
    for (int32_t i = 0; i < raft_voters(r)->count; i++) {
        struct raft_peer *peer = &r->peers[i];
        *peer = (struct raft_peer){.key = peer->key,
                                   .due_ns = r->now_ns,
                                   .end = -1,
                                   .fetched_ns = r->now_ns,
                                   .heard = peer->heard};
    }
}

static void set_state(struct raft *r, int32_t epoch, int32_t leader_id,
                      const struct raft_key *voted)
{
    static const struct raft_key nobody = {.id = RAFT_NOBODY};
    ASSERT(!r->abstains);
    ASSERT(epoch >= r->state.epoch);
    bool newer = epoch > r->state.epoch;
    struct raft_key vote = voted != NULL ? *voted : newer ? nobody : r->state.voted;
    bool same = !newer && leader_id == r->state.leader_id && vote.id == r->state.voted.id;
    r->state = (struct raft_state){.epoch = epoch, .leader_id = leader_id, .voted = vote};
    if (!same)
        r->save = true;
}

int64_t raft_election_timeout(struct raft *r)
{
    if (!raft_has_others(r))
        return r->now_ns;
    return r->now_ns +
           raft_draw(r, r->settings.election_timeout_ns, 2 * r->settings.election_timeout_ns - 1);
}

void raft_unattached(struct raft *r, int32_t epoch)
{
    set_state(r, epoch, RAFT_NOBODY, NULL);
    become(r, RAFT_UNATTACHED);
    r->ended = false;
    r->timer_ns = raft_election_timeout(r);
}

void raft_follow(struct raft *r, int32_t epoch, int32_t leader_id)
{
    ASSERT(leader_id >= 0);
    ASSERT(leader_id != r->settings.self.id);
    set_state(r, epoch, leader_id, NULL);
    become(r, RAFT_FOLLOWER);
    r->ended = false;
    r->leader_watermark = -1;
    r->timer_ns = r->now_ns + r->settings.fetch_timeout_ns;
}

/* The vote of this epoch stays, and so does the leader, if it is known (KIP-996). */
void raft_prospect(struct raft *r)
{
    ASSERT(raft_may_stand(r));
    ASSERT(!r->abstains);
    if (r->role == RAFT_CANDIDATE)
        ASSERT(r->state.leader_id == RAFT_NOBODY);
    become(r, RAFT_PROSPECTIVE);
    r->timer_ns = raft_election_timeout(r);
}

void raft_give_up(struct raft *r)
{
    ASSERT(r->role == RAFT_PROSPECTIVE);
    if (r->state.leader_id != RAFT_NOBODY)
        raft_follow(r, r->state.epoch, r->state.leader_id);
    else
        raft_unattached(r, r->state.epoch);
}

void raft_stand(struct raft *r)
{
    ASSERT(raft_may_stand(r));
    ASSERT(!r->abstains);
    set_state(r, r->state.epoch + 1, RAFT_NOBODY, &r->settings.self);
    become(r, RAFT_CANDIDATE);
    r->timer_ns = raft_election_timeout(r);
}

/* K-7. Its own record comes first in its epoch; until it is committed nothing else is (K-8). */
void raft_lead(struct raft *r, struct raft_effects *out)
{
    ASSERT(out->log == RAFT_LOG_NONE);
    ASSERT(format_epochs_latest(&r->epochs) < r->state.epoch);
    set_state(r, r->state.epoch, r->settings.self.id, NULL);
    become(r, RAFT_LEADER);
    r->epoch_start = r->end;
    format_epochs_assign(&r->epochs, r->state.epoch, r->end);
    out->log = RAFT_LOG_LEADER_CHANGE;
    out->log_offset = r->end;
    out->log_count = 1;
    const struct raft_voter_set *set = &r->sets[r->set_count - 1];
    if (r->settings.writes_voters && set->offset < 0) {
        struct raft_voters voters = set->voters;
        bool fits = raft_voters_appended(r, r->end, &voters);
        ASSERT(fits);
        out->log_count = RAFT_FIRST_RECORDS;
    }
    r->end += out->log_count;
}

void raft_step_down(struct raft *r)
{
    ASSERT(r->role == RAFT_LEADER);
    raft_successors(r, &r->successors);
    become(r, RAFT_RESIGNED);
    r->timer_ns = raft_election_timeout(r);
}

void raft_vote_for(struct raft *r, const struct raft_key *key)
{
    ASSERT(r->role == RAFT_UNATTACHED || r->role == RAFT_PROSPECTIVE);
    ASSERT(r->state.leader_id == RAFT_NOBODY);
    ASSERT(r->state.voted.id == RAFT_NOBODY || raft_key_equal(&r->state.voted, key));
    set_state(r, r->state.epoch, RAFT_NOBODY, key);
    r->save = r->save && !KNOWN_BUG(quorum_vote_unsaved);
    r->timer_ns = raft_election_timeout(r); /* its candidate gets the time that it needs */
}

/* From now on nothing is written down: the vote is lost, and stays so until it is known that it
 * cannot count (raft_on_probe). */
static void abstain(struct raft *r)
{
    become(r, RAFT_UNATTACHED);
    r->state.leader_id = RAFT_NOBODY;
    r->state.voted.id = RAFT_NOBODY;
    r->abstains = true;
    r->save = false;
}

bool raft_adopt(struct raft *r, int32_t epoch, int32_t leader_id)
{
    if (r->abstains)
        return false;
    if (epoch > r->state.epoch && leader_id == r->settings.self.id && raft_may_stand(r)) {
        abstain(r); /* it led that epoch and does not know: its state is an old one */
        return true;
    }
    bool named = leader_id >= 0 && leader_id != r->settings.self.id;
    if (epoch < r->state.epoch || (epoch == r->state.epoch && r->state.leader_id != RAFT_NOBODY &&
                                   r->role != RAFT_PROSPECTIVE))
        return false;
    if (named && epoch == r->state.epoch && r->state.leader_id != RAFT_NOBODY &&
        r->state.leader_id != leader_id)
        return false; /* no epoch has two leaders: whoever says so is wrong */
    if (named)
        raft_follow(r, epoch, leader_id);
    else if (epoch > r->state.epoch)
        raft_unattached(r, epoch);
    return named || epoch > r->state.epoch;
}
