/* lead.c - what a leader does: answers who fetches, appends what its epoch brings, and says how far
 * the log is committed. */
#include "raft/internal.h"

/* ---- commitment ---- */

/* values: in descending order so far. */
static void put_in_order(int64_t *values, int32_t count, int64_t value)
{
    int32_t at = count;
    for (; at > 0 && values[at - 1] < value; at--)
        values[at] = values[at - 1];
    values[at] = value;
}

/* K-8: what a majority of the voters has on disk; the leader's own log as far as it is synced
 * (K-9), and not at all when it is no voter any more (KAFKA-16530). What was written before its
 * epoch is committed by what was written in it, never by itself (Raft, figure 8). */
static int64_t majority_end(const struct raft *r)
{
    int64_t ends[RAFT_VOTERS_MAX];
    int32_t count = raft_voters(r)->count;
    for (int32_t i = 0; i < count; i++)
        put_in_order(ends, i, raft_voter_end(r, i));
    return ends[raft_majority(r) - 1];
}

void raft_commit(struct raft *r, struct raft_effects *out)
{
    if (r->role != RAFT_LEADER)
        return;
    int64_t end = majority_end(r);
    bool older = end <= r->epoch_start && !KNOWN_BUG(quorum_older_epoch_counts);
    if (older || end <= r->high_watermark)
        return;
    ASSERT(end <= r->end);
    r->high_watermark = end;
    out->moved = true;
    raft_voters_committed(r, end);
    bool removed = !raft_is_voter(r) && r->sets[r->set_count - 1].offset < end;
    if (removed)
        raft_step_down(r); /* K-16 */
}

/* K-13 (KAFKA-15489, 16144). */
int64_t raft_quorum_deadline(const struct raft *r)
{
    int64_t times[RAFT_VOTERS_MAX];
    int32_t others = 0, needed = raft_majority(r) - (raft_is_voter(r) ? 1 : 0);
    for (int32_t i = 0; i < raft_voters(r)->count; i++) {
        if (!raft_is_self(r, &r->peers[i]))
            put_in_order(times, others++, r->peers[i].fetched_ns);
    }
    if (needed <= 0 || needed > others || KNOWN_BUG(quorum_never_resigns))
        return NEVER;
    return times[needed - 1] + r->settings.fetch_timeout_ns * 3 / 2;
}

void raft_successors(const struct raft *r, struct raft_voters *out)
{
    int64_t ends[RAFT_VOTERS_MAX];
    out->count = 0;
    for (int32_t i = 0; i < raft_voters(r)->count; i++) {
        if (raft_is_self(r, &r->peers[i]))
            continue;
        int32_t at = out->count++;
        for (; at > 0 && ends[at - 1] < r->peers[i].end; at--) {
            ends[at] = ends[at - 1];
            out->keys[at] = out->keys[at - 1];
        }
        ends[at] = r->peers[i].end;
        out->keys[at] = r->peers[i].key;
    }
}

bool raft_hands_over(const struct raft *r)
{
    int32_t told = 0;
    for (int32_t i = 0; i < raft_voters(r)->count; i++)
        told += r->peers[i].told ? 1 : 0;
    return r->role == RAFT_RESIGNED && r->successors.count > 0 && told < raft_majority(r);
}

/* ---- who fetches ---- */

/* Whether what is asked of a leader is asked of this one, now (K-4). */
static int16_t refusal(const struct raft *r, const struct raft_request *request)
{
    if (request->epoch < 0 || request->end < 0 || request->last_epoch < 0)
        return WIRE_ERROR_INVALID_REQUEST;
    if (request->epoch < r->state.epoch)
        return WIRE_ERROR_FENCED_LEADER_EPOCH;
    if (request->epoch > r->state.epoch)
        return WIRE_ERROR_UNKNOWN_LEADER_EPOCH; /* it is taken from voters and their leader alone */
    return r->role == RAFT_LEADER ? WIRE_ERROR_NONE : WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
}

/* What is known of epochs begins where the log does: who has records of an earlier one is not told
 * where that ended, for nobody here knows (KafkaMetadataLog.validateOffsetAndEpoch). */
static bool needs_snapshot(const struct raft *r, const struct raft_request *request)
{
    if (request->end < r->start || (r->start > 0 && request->last_epoch < r->start_epoch))
        return true;
    if (request->end == r->start && r->start > 0)
        return request->last_epoch != r->start_epoch;
    return request->end == 0 && r->snapshot.offset > 0; /* much at once instead of all of it */
}

/* K-10, E-3. */
static enum raft_fetched judge(const struct raft *r, const struct raft_request *request,
                               struct raft_response *answer)
{
    if (needs_snapshot(r, request)) {
        ASSERT(r->snapshot.offset >= r->start);
        answer->snapshot = r->snapshot;
        return RAFT_FETCHED_SNAPSHOT;
    }
    if (request->end == r->start)
        return RAFT_FETCHED_RECORDS;
    format_epochs_end_of(&r->epochs, r->end, request->last_epoch, &answer->diverging_epoch,
                         &answer->diverging_end);
    bool same = answer->diverging_epoch == request->last_epoch;
    bool blind = KNOWN_BUG(quorum_diverging_kept) && request->end <= r->end;
    if ((same && request->end <= answer->diverging_end) || blind)
        return RAFT_FETCHED_RECORDS;
    return RAFT_FETCHED_DIVERGING;
}

/* What a voter asks for is what it has on disk (K-11); that its log became shorter is no mistake
 * (KAFKA-12181). */
void raft_on_fetch(struct raft *r, const struct raft_request *request, struct raft_effects *out)
{
    int16_t code = refusal(r, request);
    if (code == WIRE_ERROR_NONE && request->last_epoch > r->state.epoch)
        code = WIRE_ERROR_INVALID_REQUEST;
    raft_answer(r, out, code);
    if (code != WIRE_ERROR_NONE)
        return;
    out->answer.fetched = judge(r, request, &out->answer);
    struct raft_peer *peer = raft_peer_of(r, &request->from);
    if (peer != NULL && !raft_is_self(r, peer)) {
        peer->fetched_ns = r->now_ns;
        if (out->answer.fetched == RAFT_FETCHED_RECORDS)
            peer->end = request->end;
        raft_commit(r, out);
    }
    out->answer.high_watermark = r->high_watermark;
}

void raft_on_fetch_snapshot(struct raft *r, const struct raft_request *request,
                            struct raft_effects *out)
{
    int16_t code = refusal(r, request);
    if (code == WIRE_ERROR_NONE &&
        (request->snapshot.offset < 0 || request->snapshot.offset != r->snapshot.offset ||
         request->snapshot.epoch != r->snapshot.epoch))
        code = WIRE_ERROR_SNAPSHOT_NOT_FOUND;
    if (code == WIRE_ERROR_NONE && request->position < 0)
        code = WIRE_ERROR_POSITION_OUT_OF_RANGE;
    raft_answer(r, out, code);
    struct raft_peer *peer = raft_peer_of(r, &request->from);
    if (code == WIRE_ERROR_NONE && peer != NULL && !raft_is_self(r, peer))
        peer->fetched_ns = r->now_ns;
}

/* ---- what is appended ---- */

/* By one voter more, or less; and not while it is open who votes now (K-16). */
static bool may_change(const struct raft *r, const struct raft_voters *voters)
{
    const struct raft_voters *now = raft_voters(r);
    int32_t kept = 0;
    for (int32_t i = 0; i < voters->count; i++) {
        for (int32_t j = 0; j < now->count; j++)
            kept += raft_key_equal(&voters->keys[i], &now->keys[j]) ? 1 : 0;
    }
    bool one = voters->count - kept + now->count - kept <= 1;
    return one && voters->count > 0 && r->high_watermark > r->epoch_start &&
           r->sets[r->set_count - 1].offset < r->high_watermark;
}

void raft_on_append(struct raft *r, const struct raft_event *event, struct raft_effects *out)
{
    const struct raft_voters *voters = event->append.voters;
    ASSERT(event->append.count > 0);
    int16_t code = WIRE_ERROR_NONE;
    if (r->role != RAFT_LEADER || event->append.epoch != r->state.epoch)
        code =
            WIRE_ERROR_NOT_LEADER_OR_FOLLOWER; /* K-17: it was thought out under another leader */
    else if (voters != NULL && !may_change(r, voters))
        code = WIRE_ERROR_REQUEST_TIMED_OUT; /* as Kafka says that another change is under way */
    raft_answer(r, out, code);
    if (code != WIRE_ERROR_NONE)
        return;
    if (voters != NULL && !raft_voters_appended(r, r->end, voters))
        UNREACHABLE(); /* one that is not committed at most */
    out->answer.first = out->log_offset = r->end;
    out->answer.count = event->append.count;
    out->log = RAFT_LOG_APPEND;
    out->log_count = event->append.count;
    r->end += event->append.count;
}
