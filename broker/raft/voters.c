/* voters.c - who votes: the last record that says so, committed or not, is in force from its append
 * on, and is as if it had never been once it is truncated (K-16, KIP-853). */
#include "raft/internal.h"

static bool is_zero(const struct wire_uuid *uuid)
{
    static const struct wire_uuid zero;
    return wire_uuid_equal(uuid, &zero);
}

bool raft_key_equal(const struct raft_key *a, const struct raft_key *b)
{
    bool known =
        !is_zero(&a->directory) && !is_zero(&b->directory) && !KNOWN_BUG(quorum_voter_by_id_alone);
    return a->id == b->id && (!known || wire_uuid_equal(&a->directory, &b->directory));
}

bool raft_key_votes(const struct raft_key *voter, const struct raft_key *replica)
{
    bool same = is_zero(&voter->directory) || KNOWN_BUG(quorum_voter_by_id_alone) ||
                wire_uuid_equal(&voter->directory, &replica->directory);
    return voter->id == replica->id && same;
}

const struct raft_voter_set *raft_voter_sets(const struct raft *r, int32_t *count)
{
    *count = r->set_count;
    return r->sets;
}

const struct raft_voters *raft_voters(const struct raft *r)
{
    ASSERT(r->set_count > 0);
    return &r->sets[r->set_count - 1].voters;
}

int32_t raft_majority(const struct raft *r)
{
    return raft_voters(r)->count / 2 + 1;
}

static bool holds(const struct raft_voters *voters, const struct raft_key *key)
{
    for (int32_t i = 0; i < voters->count; i++) {
        if (raft_key_votes(&voters->keys[i], key))
            return true;
    }
    return false;
}

bool raft_is_voter(const struct raft *r)
{
    return holds(raft_voters(r), &r->settings.self);
}

bool raft_may_stand(const struct raft *r)
{
    for (int32_t i = 0; i < r->set_count; i++) {
        if (holds(&r->sets[i].voters, &r->settings.self))
            return true;
    }
    return false;
}

bool raft_has_others(const struct raft *r)
{
    return raft_voters(r)->count > (raft_is_voter(r) ? 1 : 0);
}

bool raft_is_self(const struct raft *r, const struct raft_peer *peer)
{
    return raft_key_votes(&peer->key, &r->settings.self);
}

struct raft_peer *raft_peer_of(struct raft *r, const struct raft_key *key)
{
    for (int32_t i = 0; i < raft_voters(r)->count; i++) {
        if (raft_key_votes(&r->peers[i].key, key))
            return &r->peers[i];
    }
    return NULL;
}

struct raft_peer *raft_peer_asked(struct raft *r, uint64_t number)
{
    for (int32_t i = 0; i < raft_voters(r)->count; i++) {
        if (number != 0 && r->peers[i].number == number)
            return &r->peers[i];
    }
    return NULL;
}

int64_t raft_voter_end(const struct raft *r, int32_t voter_index)
{
    ASSERT(voter_index >= 0);
    ASSERT(voter_index < raft_voters(r)->count);
    const struct raft_peer *peer = &r->peers[voter_index];
    return raft_is_self(r, peer) ? r->synced : peer->end;
}

/* Who voted before and votes still is known as well as before. */
static void meet_peers(struct raft *r)
{
    struct raft_peer before[RAFT_VOTERS_MAX];
    memcpy(before, r->peers, sizeof before);
    const struct raft_voters *voters = raft_voters(r);
    for (int32_t i = 0; i < voters->count; i++) {
        r->peers[i] =
            (struct raft_peer){.key = voters->keys[i], .end = -1, .fetched_ns = r->now_ns};
        for (int32_t j = 0; j < RAFT_VOTERS_MAX; j++) {
            if (before[j].key.id == voters->keys[i].id &&
                wire_uuid_equal(&before[j].key.directory, &voters->keys[i].directory))
                r->peers[i] = before[j];
        }
    }
    for (int32_t i = voters->count; i < RAFT_VOTERS_MAX; i++)
        r->peers[i] = (struct raft_peer){.key.id = RAFT_NOBODY};
}

bool raft_voters_appended(struct raft *r, int64_t offset, const struct raft_voters *voters)
{
    ASSERT(voters->count > 0 || offset < 0);
    ASSERT(voters->count <= RAFT_VOTERS_MAX);
    ASSERT(r->set_count == 0 || offset > r->sets[r->set_count - 1].offset);
    if (r->set_count == RAFT_VOTER_SETS_MAX)
        return false;
    r->sets[r->set_count++] = (struct raft_voter_set){.offset = offset, .voters = *voters};
    meet_peers(r);
    return true;
}

void raft_voters_cut(struct raft *r, int64_t offset)
{
    int32_t before = r->set_count;
    while (r->set_count > 0 && r->sets[r->set_count - 1].offset >= offset)
        r->set_count--;
    ASSERT(r->set_count > 0);
    if (r->set_count < before)
        meet_peers(r);
}

void raft_voters_reset(struct raft *r, int64_t offset, const struct raft_voters *voters)
{
    struct raft_voter_set set = {.offset = offset - 1,
                                 .voters = voters == NULL ? *raft_voters(r) : *voters};
    r->sets[0] = set;
    r->set_count = 1;
    meet_peers(r);
}

void raft_voters_committed(struct raft *r, int64_t offset)
{
    int32_t keep = 0;
    while (keep + 1 < r->set_count && r->sets[keep + 1].offset < offset)
        keep++;
    r->set_count -= keep;
    memmove(r->sets, r->sets + keep, (size_t)r->set_count * sizeof r->sets[0]);
}
