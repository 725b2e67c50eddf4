/* raft.c - a life of a quorum's node: how it begins, and each step of it. It does nothing itself.
 */
#include "raft/internal.h"

const struct raft_install raft_no_install = {.id.offset = -1, .size = -1};

int64_t raft_draw(struct raft *r, int64_t low, int64_t high)
{
    r->chance = hash_mix(r->chance + 1);
    return random_between(r->chance, low, high);
}

void raft_answer(const struct raft *r, struct raft_effects *out, int16_t code)
{
    out->answered = true;
    out->answer.code = code;
    out->answer.epoch = r->state.epoch;
    out->answer.leader_id = r->state.leader_id;
    out->answer.from_id = r->settings.self.id;
}

struct raft_request *raft_ask(struct raft *r, struct raft_effects *out, enum raft_api api)
{
    ASSERT(out->message_count < RAFT_MESSAGES_MAX);
    struct raft_request *request = &out->messages[out->message_count++];
    *request = (struct raft_request){.api = api,
                                     .number = ++r->number,
                                     .bootstrap = -1,
                                     .from = r->settings.self,
                                     .to.id = RAFT_NOBODY,
                                     .epoch = r->state.epoch,
                                     .snapshot.offset = -1};
    return request;
}

/* ---- how a life begins ---- */

static enum err copy_epochs(struct raft *r, const struct format_epochs *epochs)
{
    r->epochs.mem = r->mem;
    if (epochs == NULL || epochs->count == 0)
        return ERR_NONE;
    enum err e = format_epochs_reserve(&r->epochs, epochs->count);
    if (e != ERR_NONE)
        return e;
    memcpy(r->epochs.rows, epochs->rows, (size_t)epochs->count * sizeof epochs->rows[0]);
    r->epochs.count = epochs->count;
    return ERR_NONE;
}

static void take_log(struct raft *r, const struct raft_start *start)
{
    ASSERT(start->log_start >= 0);
    ASSERT(start->log_end >= start->log_start);
    ASSERT(start->high_watermark >= start->log_start || start->log_start == 0);
    ASSERT(start->high_watermark <= start->log_end);
    ASSERT(start->voter_set_count > 0);
    ASSERT(start->voter_set_count <= RAFT_VOTER_SETS_MAX);
    r->start = start->log_start;
    r->start_epoch = start->log_start_epoch;
    r->end = r->synced = start->log_end;
    r->snapshot = start->snapshot;
    r->high_watermark = start->high_watermark;
    for (int32_t i = 0; i < start->voter_set_count; i++) {
        bool fits =
            raft_voters_appended(r, start->voter_sets[i].offset, &start->voter_sets[i].voters);
        ASSERT(fits);
    }
}

/* The last that began in the log, whether anything was written in it or not. */
static int32_t last_begun(const struct raft *r)
{
    return MAX(r->start_epoch, format_epochs_latest(&r->epochs));
}

static bool is_empty(const struct raft *r)
{
    return r->end == 0 && r->snapshot.offset <= 0;
}

/* A vote that is not known any more is as if it had been given to somebody else. */
static bool vote_is_lost(const struct raft *r, const struct raft_start *start)
{
    const struct raft_state *state = start->state;
    bool older = state != NULL && state->epoch < last_begun(r);
    return older || (state == NULL && (start->vote_lost || !is_empty(r)));
}

/* When it asks whether it would be elected, should it hear of no leader. A voter that knows of no
 * epoch and has no log is most likely one of a cluster that begins, and need not wait for a leader
 * that was never there; where there is one, others say so to a pre-vote, which moves nobody. */
static int64_t first_timeout(struct raft *r)
{
    if (r->role == RAFT_FOLLOWER)
        return r->now_ns + r->settings.fetch_timeout_ns;
    if (is_empty(r) && r->state.epoch == 0 && raft_has_others(r))
        return r->now_ns + raft_draw(r, 0, r->settings.election_timeout_ns / 2);
    return raft_election_timeout(r);
}

/* K-3. */
static void take_state(struct raft *r, const struct raft_start *start)
{
    const struct raft_state *state = start->state;
    r->state = (struct raft_state){.leader_id = RAFT_NOBODY, .voted.id = RAFT_NOBODY};
    r->abstains = vote_is_lost(r, start) && raft_may_stand(r) && raft_has_others(r);
    if (state != NULL && !r->abstains)
        r->state = *state;
    r->state.epoch = MAX(r->state.epoch, last_begun(r));
    if (!raft_has_others(r)) /* nobody else can have heard that it led, or lead now */
        r->state.leader_id = RAFT_NOBODY;
    bool self_leads = r->state.leader_id == r->settings.self.id;
    bool self_voted = r->state.voted.id >= 0 && raft_key_equal(&r->state.voted, &r->settings.self);
    if (self_leads)
        r->role = RAFT_RESIGNED;
    else if (r->state.leader_id >= 0)
        r->role = RAFT_FOLLOWER;
    else if (self_voted && raft_may_stand(r))
        r->role = RAFT_CANDIDATE;
    else
        r->role = RAFT_UNATTACHED;
    r->timer_ns = first_timeout(r);
}

enum err raft_open(struct raft **out, struct mem *mem, const struct raft_settings *settings,
                   const struct raft_start *start)
{
    struct raft *r = mem_zalloc(mem, sizeof *r);
    if (r == NULL)
        return ERR_NOMEM;
    r->mem = mem;
    r->settings = *settings;
    r->now_ns = start->now_ns;
    r->chance = start->chance;
    r->leader_watermark = -1;
    r->install = raft_no_install;
    enum err e = copy_epochs(r, start->epochs);
    if (e != ERR_NONE) {
        mem_free(mem, r);
        return e;
    }
    take_log(r, start);
    take_state(r, start);
    format_epochs_cut(&r->epochs, r->end); /* those that wrote nothing */
    for (int32_t i = 0; i < raft_voters(r)->count; i++)
        r->peers[i].due_ns = r->now_ns;
    r->fetching.due_ns = r->now_ns;
    raft_check(r);
    *out = r;
    return ERR_NONE;
}

void raft_free(struct raft *r)
{
    if (r == NULL)
        return;
    format_epochs_free(&r->epochs);
    mem_free(r->mem, r);
}

/* ---- what is known of it ---- */

enum raft_role raft_role(const struct raft *r)
{
    return r->role;
}

const struct raft_state *raft_state(const struct raft *r)
{
    return &r->state;
}

int64_t raft_high_watermark(const struct raft *r)
{
    return r->high_watermark;
}

bool raft_leads(const struct raft *r)
{
    return r->role == RAFT_LEADER && r->high_watermark > r->epoch_start;
}

int64_t raft_end(const struct raft *r)
{
    return r->end;
}

bool raft_abstains(const struct raft *r)
{
    return r->abstains;
}

/* ---- events ---- */

static void on_tick(struct raft *r)
{
    if (r->role == RAFT_LEADER) {
        if (raft_quorum_deadline(r) <= r->now_ns)
            raft_step_down(r);
        return;
    }
    if (r->timer_ns > r->now_ns || r->abstains)
        return;
    if (r->role == RAFT_RESIGNED)
        raft_unattached(r, r->state.epoch + 1); /* of its own epoch it may not be more */
    switch (r->role) {
    case RAFT_UNATTACHED:
    case RAFT_FOLLOWER:
    case RAFT_CANDIDATE:
        if (raft_may_stand(r) && r->timer_ns <= r->now_ns)
            raft_prospect(r);
        return;
    case RAFT_PROSPECTIVE:
        raft_give_up(r);
        return;
    case RAFT_RESIGNED:
    case RAFT_LEADER:
    case RAFT_ROLE_COUNT:
        UNREACHABLE();
    }
}

static void on_request(struct raft *r, const struct raft_request *request, struct raft_effects *out)
{
    switch (request->api) {
    case RAFT_VOTE:
        raft_on_vote(r, request, out);
        break;
    case RAFT_BEGIN_EPOCH:
        raft_on_begin(r, request, out);
        break;
    case RAFT_END_EPOCH:
        raft_on_end(r, request, out);
        break;
    case RAFT_FETCH:
        raft_on_fetch(r, request, out);
        break;
    case RAFT_FETCH_SNAPSHOT:
        raft_on_fetch_snapshot(r, request, out);
        break;
    case RAFT_API_COUNT:
        UNREACHABLE();
    }
    out->answer.api = request->api;
    out->answer.number = request->number;
}

/* K-4, of those who were asked. True: that was what it said. */
static bool is_news(struct raft *r, const struct raft_response *response)
{
    bool newer = response->epoch > r->state.epoch;
    bool names = response->epoch == r->state.epoch && response->leader_id >= 0 &&
                 response->leader_id != r->settings.self.id && r->state.leader_id == RAFT_NOBODY;
    return (newer || names) && raft_adopt(r, response->epoch, response->leader_id);
}

static void on_log_response(struct raft *r, const struct raft_response *response,
                            struct raft_effects *out)
{
    if (response->number != r->fetching.number || r->abstains) {
        (void)is_news(r, response);
        return;
    }
    r->fetching.number = 0;
    r->fetching.due_ns = r->now_ns;
    if (is_news(r, response))
        return;
    if (response->api == RAFT_FETCH)
        raft_on_fetched(r, response, out);
    else
        raft_on_piece(r, response, out);
}

static void on_voter_response(struct raft *r, const struct raft_response *response)
{
    struct raft_peer *peer = raft_peer_asked(r, response->number);
    if (peer != NULL) {
        peer->number = 0;
        peer->due_ns = r->now_ns;
    }
    if (r->abstains) {
        if (peer != NULL)
            raft_on_probe(r, peer, response);
        return;
    }
    if (is_news(r, response) || peer == NULL)
        return;
    if (response->api == RAFT_VOTE)
        raft_on_ballot(r, peer, response);
    else if (response->api == RAFT_BEGIN_EPOCH)
        peer->due_ns =
            r->now_ns + (response->code == WIRE_ERROR_NONE ? r->settings.fetch_timeout_ns / 2
                                                           : r->settings.retry_backoff_ns);
    else
        peer->told = true;
}

/* Nobody listens where the leader did: who follows it need not wait until it has been silent for
 * long, and says so to who asks. The voters go in their order, each a little later, so that one of
 * them has the votes; whoever still hears the leader refuses a pre-vote, which moves nobody. */
static void on_leader_refused(struct raft *r)
{
    int32_t rank = 0;
    if (r->role != RAFT_FOLLOWER || !raft_may_stand(r) || r->abstains)
        return;
    for (int32_t i = 0; i < raft_voters(r)->count && !raft_is_self(r, &r->peers[i]); i++)
        rank += r->peers[i].key.id != r->state.leader_id;
    r->fetched = false;
    r->timer_ns = MIN(r->timer_ns, r->now_ns + rank * r->settings.retry_backoff_ns);
}

static void on_lost(struct raft *r, uint64_t number, bool refused)
{
    int64_t due_ns = r->now_ns + r->settings.retry_backoff_ns;
    struct raft_peer *peer = raft_peer_asked(r, number);
    if (peer != NULL) {
        peer->number = 0;
        peer->due_ns = due_ns;
    }
    if (number == r->fetching.number) {
        r->fetching.number = 0;
        r->fetching.due_ns = due_ns;
        if (refused)
            on_leader_refused(r);
    }
}

static void on_synced(struct raft *r, int64_t end, uint64_t generation)
{
    if (generation != r->generation)
        return; /* what was synced may be gone */
    ASSERT(end <= r->end);
    r->synced = MAX(r->synced, end);
}

static void on_log_done(struct raft *r, const struct raft_event *event, struct raft_effects *out)
{
    ASSERT(r->undone > 0);
    ASSERT(event->synced.generation <= r->generation);
    r->undone--;
    if (event->synced.generation ==
        r->generation) /* it may end where a batch begins, before that */
        r->synced = MIN(r->synced, event->synced.end);
    on_synced(r, event->synced.end, event->synced.generation);
    if (r->undone > 0 || r->high_watermark >= r->start)
        return;
    ASSERT(r->synced >= r->start); /* a reset: the snapshot stands for all before */
    r->high_watermark = r->start;
    out->moved = true;
}

/* Nobody who votes with it may have seen what it lost: then another one may lead as well. */
static void on_cut(struct raft *r, int64_t end)
{
    ASSERT(end >= r->high_watermark);
    if (end >= r->end)
        return;
    ASSERT(end >= r->synced); /* what was synced stays */
    r->end = end;
    format_epochs_cut(&r->epochs, end);
    raft_voters_cut(r, end);
    if (r->role != RAFT_LEADER)
        return;
    if (raft_has_others(r)) {
        raft_step_down(r);
    } else if (end <= r->epoch_start) {
        raft_unattached(r, r->state.epoch);
        on_tick(r);
    }
}

static void on_snapshot(struct raft *r, const struct raft_event *event)
{
    ASSERT(event->snapshot.id.offset <= r->high_watermark);
    ASSERT(event->snapshot.log_start <= event->snapshot.id.offset);
    if (event->snapshot.id.offset > r->snapshot.offset)
        r->snapshot = event->snapshot.id;
    if (event->snapshot.log_start > r->start) {
        r->start = event->snapshot.log_start;
        r->start_epoch = event->snapshot.log_start_epoch;
    }
}

static void on_event(struct raft *r, const struct raft_event *event, struct raft_effects *out)
{
    switch (event->type) {
    case RAFT_TICK:
        on_tick(r);
        return;
    case RAFT_SAVED:
        r->saving = false;
        return;
    case RAFT_REQUEST:
        on_request(r, &event->request, out);
        return;
    case RAFT_RESPONSE:
        if (event->response.api == RAFT_FETCH || event->response.api == RAFT_FETCH_SNAPSHOT)
            on_log_response(r, &event->response, out);
        else
            on_voter_response(r, &event->response);
        return;
    case RAFT_LOST:
        on_lost(r, event->lost.number, event->lost.refused);
        return;
    case RAFT_APPEND:
        raft_on_append(r, event, out);
        return;
    case RAFT_SYNCED:
        on_synced(r, event->synced.end, event->synced.generation);
        return;
    case RAFT_LOG_DONE:
        on_log_done(r, event, out);
        return;
    case RAFT_STORED:
        raft_on_stored(r, event, out);
        return;
    case RAFT_CUT:
        on_cut(r, event->cut.end);
        return;
    case RAFT_SNAPSHOT:
        on_snapshot(r, event);
        return;
    case RAFT_RESIGN:
        if (r->role == RAFT_LEADER)
            raft_step_down(r);
        return;
    case RAFT_EVENT_COUNT:
        UNREACHABLE();
    }
}

/* Nothing of what it had is touched any more. */
static void stopped(struct raft *r, const struct raft_event *event, struct raft_effects *out)
{
    if (event->type == RAFT_REQUEST || event->type == RAFT_APPEND)
        raft_answer(r, out, WIRE_ERROR_UNKNOWN_SERVER_ERROR);
    if (event->type == RAFT_REQUEST) {
        out->answer.api = event->request.api;
        out->answer.number = event->request.number;
    }
    out->stop = r->stop;
    out->deadline_ns = NEVER;
}

/* How many may begin by it. */
static int32_t epochs_more(const struct raft_event *event)
{
    switch (event->type) {
    case RAFT_TICK:
    case RAFT_SAVED:
    case RAFT_CUT:
        return 1;
    case RAFT_RESPONSE:
        return 1 + MIN(event->response.batch_count, RAFT_BATCHES_MAX);
    case RAFT_REQUEST:
    case RAFT_LOST:
    case RAFT_APPEND:
    case RAFT_SYNCED:
    case RAFT_LOG_DONE:
    case RAFT_STORED:
    case RAFT_SNAPSHOT:
    case RAFT_RESIGN:
        return 0;
    case RAFT_EVENT_COUNT:
        break;
    }
    UNREACHABLE();
}

enum err raft_step(struct raft *r, const struct raft_event *event, struct raft_effects *out)
{
    ASSERT(event->now_ns >= r->now_ns);
    ASSERT(!r->saving || event->type == RAFT_SAVED);
    ASSERT(r->saving || event->type != RAFT_SAVED);
    *out = (struct raft_effects){.deadline_ns = NEVER};
    enum err e = format_epochs_reserve(&r->epochs, epochs_more(event));
    if (e != ERR_NONE)
        return e;
    if (r->stop != NULL) {
        stopped(r, event, out);
        return ERR_NONE;
    }
    struct raft_state before = r->state;
    enum raft_role role = r->role;
    r->now_ns = event->now_ns;
    r->chance = event->chance;
    r->save = false;
    on_event(r, event, out);
    raft_count_votes(r, out);
    raft_commit(r, out);
    raft_follower_watermark(r, out);
    if (r->stop == NULL)
        raft_send_due(r, out);
    out->role_changed =
        role != r->role || before.epoch != r->state.epoch || before.leader_id != r->state.leader_id;
    out->save = r->saving = r->save;
    out->log_generation = r->generation;
    out->stop = r->stop;
    out->deadline_ns = raft_deadline(r);
    raft_check(r);
    return ERR_NONE;
}
