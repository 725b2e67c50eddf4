/* follow.c - what a follower does: takes its leader's log as it is, gives up what differs, and
 * fetches a snapshot where the log is gone. It asks for more when all it has is durable. */
#include "raft/internal.h"

/* ---- what a leader says of its epoch ---- */

static int16_t refusal(const struct raft *r, const struct raft_request *request)
{
    if (request->from.id < 0 || request->epoch < 1 || request->from.id == r->settings.self.id)
        return WIRE_ERROR_INVALID_REQUEST;
    if (r->abstains)
        return WIRE_ERROR_BROKER_NOT_AVAILABLE;
    if (request->epoch < r->state.epoch)
        return WIRE_ERROR_FENCED_LEADER_EPOCH;
    if (!raft_key_equal(&request->to, &r->settings.self))
        return WIRE_ERROR_INVALID_VOTER_KEY;
    bool other = r->state.leader_id != RAFT_NOBODY && r->state.leader_id != request->from.id;
    return request->epoch == r->state.epoch && other ? WIRE_ERROR_INVALID_REQUEST : WIRE_ERROR_NONE;
}

/* A stranger that leads an epoch of its own moves nobody who has a leader, or is one. */
static bool is_stranger(struct raft *r, const struct raft_request *request)
{
    return request->epoch > r->state.epoch && raft_peer_of(r, &request->from) == NULL &&
           raft_has_living_leader(r);
}

/* K-12. */
void raft_on_begin(struct raft *r, const struct raft_request *request, struct raft_effects *out)
{
    int16_t code = refusal(r, request);
    if (code == WIRE_ERROR_NONE && is_stranger(r, request))
        code = WIRE_ERROR_INVALID_REQUEST;
    if (code == WIRE_ERROR_NONE) {
        (void)raft_adopt(r, request->epoch, request->from.id);
        if (r->role == RAFT_FOLLOWER)
            r->timer_ns = r->now_ns + r->settings.fetch_timeout_ns;
    }
    raft_answer(r, out, code);
}

/* The first of those that it names asks for votes at once, the others a little later each. */
void raft_on_end(struct raft *r, const struct raft_request *request, struct raft_effects *out)
{
    int16_t code = refusal(r, request);
    if (code == WIRE_ERROR_NONE && is_stranger(r, request))
        code = WIRE_ERROR_INVALID_REQUEST;
    if (code == WIRE_ERROR_NONE)
        (void)raft_adopt(r, request->epoch, request->from.id);
    raft_answer(r, out, code);
    if (code != WIRE_ERROR_NONE || r->role != RAFT_FOLLOWER)
        return;
    int32_t rank = 0;
    while (rank < request->successors.count &&
           !raft_key_equal(&request->successors.keys[rank], &r->settings.self))
        rank++;
    int64_t wait_ns = r->settings.retry_backoff_ns << MIN(rank, 16);
    r->fetched = false;
    r->ended = true;
    r->timer_ns = r->now_ns + (rank == 0 ? 0 : MIN(wait_ns, r->settings.election_backoff_ns));
}

/* ---- the log ---- */

static void fetch_later(struct raft *r)
{
    r->fetching.due_ns = r->now_ns + r->settings.retry_backoff_ns;
}

static bool is_of_leader(const struct raft *r, const struct raft_response *response)
{
    return r->role == RAFT_FOLLOWER && response->from_id == r->state.leader_id &&
           response->epoch == r->state.epoch;
}

static void has_fetched(struct raft *r)
{
    if (r->ended)
        return; /* it was on its way when its leader ended */
    r->fetched = true;
    r->timer_ns = r->now_ns + r->settings.fetch_timeout_ns;
}

bool raft_may_fetch(const struct raft *r)
{
    bool asks = r->role == RAFT_FOLLOWER || (r->role == RAFT_UNATTACHED && !raft_may_stand(r));
    bool durable = r->synced == r->end || KNOWN_BUG(quorum_unsynced_counts);
    return asks && !r->abstains && r->undone == 0 && durable && r->install.storing == 0;
}

/* Who observes and hears nothing of its leader asks around. */
static bool asks_around(const struct raft *r)
{
    return r->role == RAFT_UNATTACHED || (!raft_may_stand(r) && r->timer_ns <= r->now_ns);
}

void raft_fetch(struct raft *r, struct raft_effects *out)
{
    ASSERT(raft_may_fetch(r));
    ASSERT(r->fetching.number == 0);
    bool install = r->install.id.offset >= 0;
    if (asks_around(r) && r->settings.bootstrap_count == 0 && r->role == RAFT_UNATTACHED)
        return;
    struct raft_request *request = raft_ask(r, out, install ? RAFT_FETCH_SNAPSHOT : RAFT_FETCH);
    request->end = r->end;
    request->last_epoch = raft_last_epoch(r);
    request->snapshot = r->install.id;
    request->position = r->install.position;
    if (asks_around(r) && r->settings.bootstrap_count > 0) {
        request->bootstrap = r->fetching.bootstrap % r->settings.bootstrap_count;
        r->fetching.bootstrap = request->bootstrap + 1;
    } else {
        request->to.id = r->state.leader_id;
        const struct raft_peer *peer = raft_peer_of(r, &request->to);
        if (peer != NULL)
            request->to = peer->key;
    }
    r->fetching.number = request->number;
}

/* P-10, K-11: never beyond what is durable here. */
void raft_follower_watermark(struct raft *r, struct raft_effects *out)
{
    int64_t here = KNOWN_BUG(quorum_unsynced_applied) ? r->end : r->synced;
    int64_t committed = MIN(r->leader_watermark, here);
    if (r->role != RAFT_FOLLOWER || r->undone > 0 || committed <= r->high_watermark)
        return;
    r->high_watermark = committed;
    out->moved = true;
    raft_voters_committed(r, committed);
}

/* How many of them continue the log. What does not is no leader's log. */
static int32_t take(struct raft *r, const struct raft_response *response)
{
    int32_t count = 0;
    for (; count < MIN(response->batch_count, RAFT_BATCHES_MAX); count++) {
        const struct raft_batch *batch = &response->batches[count];
        bool next = batch->first == r->end && batch->end > batch->first &&
                    batch->epoch >= raft_last_epoch(r) && batch->epoch <= r->state.epoch;
        if (!next)
            break;
        if (batch->voters != NULL && !raft_voters_appended(r, r->end, batch->voters))
            break; /* what is there must be committed first */
        if (format_epochs_latest(&r->epochs) != batch->epoch)
            format_epochs_assign(&r->epochs, batch->epoch, batch->first);
        r->end = batch->end;
    }
    return count;
}

static void append(struct raft *r, const struct raft_response *response, struct raft_effects *out)
{
    int64_t first = r->end;
    r->leader_watermark = MAX(r->leader_watermark, response->high_watermark);
    int32_t count = take(r, response);
    if (count > 0) {
        out->log = RAFT_LOG_APPEND;
        out->log_offset = first;
        out->log_count = count;
    } else if (response->batch_count > 0) {
        fetch_later(r);
    }
}

/* E-4, E-5: one effect; what was synced above it says nothing any more. */
static void truncate(struct raft *r, const struct raft_response *response, struct raft_effects *out)
{
    int64_t end = format_epochs_common(&r->epochs, r->end, response->diverging_epoch,
                                       response->diverging_end);
    if (end < r->high_watermark || end < r->start) {
        r->stop = "the leader's log differs below the high watermark: committed records would be "
                  "given up";
        return;
    }
    if (end >= r->end) { /* it does not diverge there */
        fetch_later(r);
        return;
    }
    out->log = RAFT_LOG_TRUNCATE;
    out->log_offset = r->end = end;
    r->synced = MIN(r->synced, end);
    r->generation++;
    r->undone++;
    format_epochs_cut(&r->epochs, end);
    raft_voters_cut(r, end);
}

/* ---- snapshots ---- */

static void begin_install(struct raft *r, const struct raft_response *response)
{
    if (response->snapshot.offset <= r->high_watermark || response->snapshot.offset <= 0) {
        fetch_later(r);
        return; /* of what is here already: not a leader's answer */
    }
    r->install = (struct raft_install){.id = response->snapshot, .size = -1};
}

void raft_on_fetched(struct raft *r, const struct raft_response *response, struct raft_effects *out)
{
    if (response->code != WIRE_ERROR_NONE || !is_of_leader(r, response)) {
        fetch_later(r);
        return;
    }
    has_fetched(r);
    switch (response->fetched) {
    case RAFT_FETCHED_RECORDS:
        append(r, response, out);
        return;
    case RAFT_FETCHED_DIVERGING:
        truncate(r, response, out);
        return;
    case RAFT_FETCHED_SNAPSHOT:
        begin_install(r, response);
        return;
    }
    UNREACHABLE();
}

static void forget_install(struct raft *r)
{
    r->install = raft_no_install;
    fetch_later(r);
}

/* A piece that is not the next one, or says another size than those before, is of no use. */
void raft_on_piece(struct raft *r, const struct raft_response *response, struct raft_effects *out)
{
    struct raft_install *install = &r->install;
    if (install->id.offset < 0 || !is_of_leader(r, response))
        return;
    bool next =
        response->code == WIRE_ERROR_NONE && response->snapshot.offset == install->id.offset &&
        response->snapshot.epoch == install->id.epoch && response->position == install->position &&
        response->bytes > 0 && (install->size < 0 || response->size == install->size) &&
        response->position + response->bytes <= response->size;
    if (!next) {
        forget_install(r); /* it asks for the log, and hears of a newer one */
        return;
    }
    has_fetched(r);
    install->size = response->size;
    install->storing = response->number;
    install->piece = response->bytes;
    out->store = true;
}

/* K-15: when the whole is durable the log is put away in its favour. */
static void install_whole(struct raft *r, const struct raft_voters *voters,
                          struct raft_effects *out)
{
    struct raft_snapshot_id id = r->install.id;
    r->install = raft_no_install;
    if (id.offset <= r->high_watermark)
        return;
    out->log = RAFT_LOG_RESET;
    out->log_offset = r->start = r->end = id.offset;
    r->start_epoch = id.epoch;
    r->snapshot = id;
    r->synced = MIN(r->synced, id.offset);
    r->generation++;
    r->undone++;
    format_epochs_cut(&r->epochs, INT64_MIN);
    raft_voters_reset(r, id.offset, voters);
}

void raft_on_stored(struct raft *r, const struct raft_event *event, struct raft_effects *out)
{
    struct raft_install *install = &r->install;
    if (install->storing == 0 || event->stored.number != install->storing)
        return; /* of one that was given up */
    install->storing = 0;
    if (event->stored.position != install->position + install->piece) {
        forget_install(r);
        return;
    }
    install->position = event->stored.position;
    ASSERT(event->stored.whole == (install->position == install->size));
    if (event->stored.whole)
        install_whole(r, event->stored.voters, out);
}
