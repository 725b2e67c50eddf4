/* quorum.c - the metadata quorum as its rows tell it: who leads in which epoch, who voted for whom,
 * what of it is on disk, and what is committed: E1 to E8, E15, E16 (KRaft: rules K-1 to K-13). Its
 * log is a partition's like any other: what a leader commits becomes canonical (canon.c). */
#include <inttypes.h>
#include "check/internal.h"

#define METADATA_TOPIC "__cluster_metadata"
/* In peace a majority finds its leader much sooner; Kafka's time-outs are 1 s and 2 s. */
#define LEADERLESS_NS (30ll * 1000000000)
#define PEACE_NS LEADERLESS_NS

/* Where a role may go to. What a step passes through is told by nobody: of a greater epoch a node
 * hears as anything, and may know its leader at once. */
static const uint32_t next_roles[CHECK_ROLE_COUNT] = {
    [CHECK_ROLE_UNATTACHED] =
        TO(CHECK_ROLE_UNATTACHED) | TO(CHECK_ROLE_PROSPECTIVE) | TO(CHECK_ROLE_FOLLOWER),
    [CHECK_ROLE_PROSPECTIVE] = TO(CHECK_ROLE_PROSPECTIVE) | TO(CHECK_ROLE_UNATTACHED) |
                               TO(CHECK_ROLE_CANDIDATE) | TO(CHECK_ROLE_FOLLOWER),
    [CHECK_ROLE_CANDIDATE] = TO(CHECK_ROLE_CANDIDATE) | TO(CHECK_ROLE_UNATTACHED) |
                             TO(CHECK_ROLE_PROSPECTIVE) | TO(CHECK_ROLE_LEADER) |
                             TO(CHECK_ROLE_FOLLOWER),
    [CHECK_ROLE_LEADER] = TO(CHECK_ROLE_LEADER) | TO(CHECK_ROLE_UNATTACHED) |
                          TO(CHECK_ROLE_RESIGNED) | TO(CHECK_ROLE_FOLLOWER),
    [CHECK_ROLE_FOLLOWER] =
        TO(CHECK_ROLE_FOLLOWER) | TO(CHECK_ROLE_UNATTACHED) | TO(CHECK_ROLE_PROSPECTIVE),
    [CHECK_ROLE_RESIGNED] =
        TO(CHECK_ROLE_RESIGNED) | TO(CHECK_ROLE_UNATTACHED) | TO(CHECK_ROLE_FOLLOWER),
};

/* With which a life begins: who led leads no more (K-3). */
#define FIRST_ROLES                                                                                \
    (TO(CHECK_ROLE_UNATTACHED) | TO(CHECK_ROLE_PROSPECTIVE) | TO(CHECK_ROLE_CANDIDATE) |           \
     TO(CHECK_ROLE_FOLLOWER) | TO(CHECK_ROLE_RESIGNED))

const char *const check_role_names[CHECK_ROLE_COUNT] = {"unattached", "prospective", "candidate",
                                                        "leader",     "follower",    "resigned"};

static const struct about nothing;

bool check_is_metadata(const struct check *c, const struct part *part)
{
    return part->id == c->quorum.partition;
}

/* NULL: memory is out. */
static struct voter *voter_of(struct check *c, const struct trace_row *row)
{
    uint64_t id = row->node;
    struct hmap_node *found = hmap_find(&c->quorum.voters, hash_mix(id), &id);
    if (found != NULL)
        return CONTAINER_OF(found, struct voter, node);
    struct voter *v = mem_zalloc(c->mem, sizeof *v);
    if (v == NULL) {
        c->error = ERR_NOMEM;
        return NULL;
    }
    v->id = id;
    v->saved_epoch = v->vote_epoch = v->saved_voted = -1;
    v->role = CHECK_ROLE_COUNT;
    hmap_insert(&c->quorum.voters, hash_mix(id), &v->node);
    return v;
}

static bool is_damaged(struct check *c, const struct trace_row *row)
{
    const struct host *host = check_host(c, row->node);
    return host == NULL || host->damaged;
}

/* ---- whether somebody leads ---- */

static void lose_leader(struct check *c, const struct trace_row *row)
{
    c->quorum.leads = false;
    c->quorum.calm_ns = row->time_ns;
}

/* Nobody led for so long although nothing was in the way of it. */
static void judge_calm(struct check *c, const struct trace_row *row, int64_t now_ns)
{
    const struct quorum *q = &c->quorum;
    int32_t majority = c->contract.voter_count / 2 + 1;
    bool harmed =
        c->harm_until_ns > now_ns || c->offline_count > 0 || q->alive_count < majority || q->leads;
    int64_t since_ns = MAX(MAX(q->calm_ns, c->harmed_ns), c->harm_until_ns);
    if (c->contract.voter_count < 2 || harmed || now_ns - since_ns < LEADERLESS_NS)
        return;
    check_note(c, CHECK_NO_CONTROLLER, row, nothing, false,
               "nobody led for %.1f s, with %" PRId32 " of %" PRId32 " controllers there",
               (double)(now_ns - since_ns) / 1e9, q->alive_count, c->contract.voter_count);
}

/* Who leads goes on leading in peace. Once it may have been asked to end, and has not done so yet
 * when the next one leads. */
static void judge_need(struct check *c, const struct trace_row *row)
{
    struct quorum *q = &c->quorum;
    bool first = q->epoch < 0;
    int64_t since_ns = MAX(MAX(q->peace_ns, c->harmed_ns), c->harm_until_ns);
    bool peace = row->time_ns - since_ns >= PEACE_NS && c->offline_count == 0;
    if (!first && peace && q->needless)
        check_note(c, CHECK_NEEDLESS_ELECTION, row, nothing, false,
                   "nothing was amiss for %.1f s, and the second in a row leads",
                   (double)(row->time_ns - since_ns) / 1e9);
    q->needless = !first && peace;
    q->needless_leader = q->leader;
}

/* ---- leading ---- */

static struct replica *log_of(struct check *c, const struct trace_row *row)
{
    struct part *part = check_tables_part(&c->tables, c->quorum.partition, 0);
    return part == NULL ? NULL : check_replica(c, row->node, part);
}

/* An epoch has one leader, in one life of one node (E1). */
static void check_alone(struct check *c, const struct trace_row *row, const struct voter *v)
{
    struct check_lead *lead = &c->quorum.leads_of[(uint64_t)v->epoch & (QUORUM_LEADS_MAX - 1)];
    bool known = lead->known && lead->epoch == v->epoch;
    if (known && (lead->node != row->node || lead->life != row->incarnation))
        check_note(c, CHECK_TWO_CONTROLLERS, row, nothing, false,
                   "node %" PRIu32 ", life %u, leads in epoch %" PRId64 ", in which node %" PRIu32
                   ", life %u, led",
                   row->node, (unsigned)row->incarnation, v->epoch, lead->node,
                   (unsigned)lead->life);
    if (!known)
        *lead = (struct check_lead){
            .epoch = (int32_t)v->epoch, .node = row->node, .life = row->incarnation, .known = true};
}

/* It leads from the moment at which its state says so on disk, and does nothing as a leader before
 * (K-1). */
static void lead_if_saved(struct check *c, const struct trace_row *row, struct voter *v)
{
    bool saved = v->saved_epoch == v->epoch && v->saved_leader == v->own_id;
    if (v->role != CHECK_ROLE_LEADER || !saved || v->leading)
        return;
    v->leading = true;
    c->counts.elections++;
    check_alone(c, row, v);
    if (v->epoch < c->quorum.epoch)
        return;
    judge_calm(c, row, row->time_ns);
    judge_need(c, row);
    c->quorum.epoch = v->epoch;
    c->quorum.leads = true;
    c->quorum.leader = v->id;
    struct replica *r = log_of(c, row);
    if (r == NULL)
        return;
    r->leading = true;
    r->lead_epoch = (int32_t)v->epoch;
    check_canon_lead(c, row, r);
    v->epoch_start = r->end;
}

static void stop_leading(struct check *c, const struct trace_row *row, struct voter *v)
{
    v->leading = false;
    if (c->quorum.leads && c->quorum.leader == v->id)
        lose_leader(c, row);
    struct replica *r = log_of(c, row);
    if (r != NULL)
        r->leading = false;
}

/* ---- roles ---- */

static void check_turn(struct check *c, const struct trace_row *row, const struct voter *v,
                       bool first)
{
    const struct trace_QUORUM_ROLE *is = TRACE_AS(row, QUORUM_ROLE);
    uint32_t may = first ? FIRST_ROLES : next_roles[v->role];
    bool alone = c->contract.voter_count < 2;
    if ((may >> is->role & 1) == 0 && !alone)
        check_note(c, CHECK_ROLE_OUT_OF_TURN, row, nothing, false, "%s after %s",
                   check_role_names[is->role], first ? "a start" : check_role_names[v->role]);
    int64_t least = first ? v->saved_epoch : v->epoch;
    if (is->epoch < least)
        check_note(c, CHECK_QUORUM_EPOCH_BACK, row, nothing, first && is_damaged(c, row),
                   "epoch %" PRId64 " after %" PRId64, is->epoch, least);
}

static void on_role(struct check *c, const struct trace_row *row, struct voter *v)
{
    const struct trace_QUORUM_ROLE *is = TRACE_AS(row, QUORUM_ROLE);
    bool first = v->role == CHECK_ROLE_COUNT || v->life != row->incarnation;
    if (is->role < 0 || is->role >= CHECK_ROLE_COUNT)
        return;
    check_turn(c, row, v, first);
    if (first) {
        v->life = row->incarnation;
        v->watermark = 0;
        c->quorum.calm_ns = c->quorum.peace_ns = row->time_ns;
        c->quorum.alive_count += !v->alive;
        v->alive = true;
    }
    if (v->leading && (first || is->role != CHECK_ROLE_LEADER || is->epoch != v->epoch))
        stop_leading(c, row, v);
    v->role = (int32_t)is->role;
    v->epoch = is->epoch;
    if (is->role == CHECK_ROLE_LEADER)
        v->own_id = is->leader_id;
    lead_if_saved(c, row, v);
}

/* ---- votes ---- */

static void note_two_votes(struct check *c, const struct trace_row *row, int64_t epoch, int64_t now,
                           int64_t before)
{
    check_note(c, CHECK_VOTED_TWICE, row, nothing, is_damaged(c, row),
               "for %" PRId64 " in epoch %" PRId64 ", and for %" PRId64 " before", now, epoch,
               before);
}

/* What is on disk of an epoch's vote stays (E2, E7). */
static void on_saved(struct check *c, const struct trace_row *row, struct voter *v)
{
    const struct trace_QUORUM_SAVED *is = TRACE_AS(row, QUORUM_SAVED);
    if (is->epoch < v->saved_epoch)
        check_note(c, CHECK_QUORUM_EPOCH_BACK, row, nothing, is_damaged(c, row),
                   "epoch %" PRId64 " on disk after %" PRId64, is->epoch, v->saved_epoch);
    if (is->epoch == v->saved_epoch && v->saved_voted >= 0 && is->voted_id != v->saved_voted)
        note_two_votes(c, row, is->epoch, is->voted_id, v->saved_voted);
    v->saved_epoch = is->epoch;
    v->saved_leader = is->leader_id;
    v->saved_voted = is->voted_id;
    lead_if_saved(c, row, v);
}

/* A vote that has left is on disk, and the only one of its epoch (K-1, K-5). A pre-vote binds
 * nobody (K-6). */
static void on_vote(struct check *c, const struct trace_row *row, struct voter *v)
{
    const struct trace_QUORUM_VOTE *is = TRACE_AS(row, QUORUM_VOTE);
    if (is->granted == 0 || is->pre != 0)
        return;
    if (is->epoch < v->vote_epoch)
        check_note(c, CHECK_QUORUM_EPOCH_BACK, row, nothing, is_damaged(c, row),
                   "a vote in epoch %" PRId64 " after one in %" PRId64, is->epoch, v->vote_epoch);
    if (is->epoch == v->vote_epoch && is->candidate != v->vote)
        note_two_votes(c, row, is->epoch, is->candidate, v->vote);
    if (is->epoch != v->saved_epoch || is->candidate != v->saved_voted)
        check_note(c, CHECK_VOTE_NOT_SAVED, row, nothing, false,
                   "for %" PRId64 " in epoch %" PRId64 "; on disk is %" PRId64 " in epoch %" PRId64,
                   is->candidate, is->epoch, v->saved_voted, v->saved_epoch);
    v->vote_epoch = is->epoch;
    v->vote = is->candidate;
}

/* ---- what is committed ---- */

/* A leader commits what a majority has on disk, and nothing before a record of its own epoch (K-8;
 * the Raft paper's figure 8). */
static void check_majority(struct check *c, const struct trace_row *row, const struct voter *v,
                           uint64_t to)
{
    int32_t have = 0;
    if (c->contract.voter_count < 2)
        return;
    LIST_EACH (other, &c->quorum.voters.order, struct voter, node.order)
        have += other->durable >= to;
    struct about about = {.partition = c->quorum.partition, .offset = to};
    if (have < c->contract.voter_count / 2 + 1)
        check_note(c, CHECK_COMMITTED_EARLY, row, about, false,
                   "committed up to %" PRIu64 ", which %" PRId32 " of %" PRId32
                   " controllers have on disk",
                   to, have, c->contract.voter_count);
    if (to <= v->epoch_start)
        check_note(c, CHECK_COMMITTED_EARLY, row, about, false,
                   "committed up to %" PRIu64 ", where nothing is of epoch %" PRId64
                   ", which begins at %" PRIu64,
                   to, v->epoch, v->epoch_start);
}

static void on_commit(struct check *c, const struct trace_row *row, struct voter *v)
{
    uint64_t to = TRACE_AS(row, QUORUM_COMMIT)->watermark;
    struct about about = {.partition = c->quorum.partition, .offset = to};
    struct replica *r = log_of(c, row);
    if (r == NULL)
        return;
    if (to < v->watermark)
        check_note(c, CHECK_WATERMARK_BACK, row, about, false, "%" PRIu64 " after %" PRIu64, to,
                   v->watermark);
    if (to > TRACE_AS(row, QUORUM_COMMIT)->durable)
        check_note(c, CHECK_WATERMARK_AHEAD, row, about, false,
                   "%" PRIu64 ", but only %" PRIu64 " is durable here", to,
                   TRACE_AS(row, QUORUM_COMMIT)->durable);
    if (v->leading && to > v->watermark)
        check_majority(c, row, v, to);
    if (!v->leading && to > c->quorum.committed && c->contract.voter_count > 1)
        check_note(c, CHECK_COMMITTED_UNKNOWN, row, about, false,
                   "%" PRIu64 ", where leaders have committed up to %" PRIu64, to,
                   c->quorum.committed);
    v->watermark = to;
    if (v->leading)
        c->quorum.committed = MAX(c->quorum.committed, to);
    c->counts.committed = c->quorum.committed;
    r->watermark = MIN(to, r->end);
    check_canon_show(c, row, r, to);
}

/* An image is a function of the log (E14), and so is a snapshot (E13). */
static void on_image(struct check *c, const struct trace_row *row)
{
    const struct trace_QUORUM_IMAGE *is = TRACE_AS(row, QUORUM_IMAGE);
    struct quorum *q = &c->quorum;
    struct about about = {.partition = q->partition, .offset = is->offset};
    for (uint32_t i = 0; i < MIN(q->image_count, QUORUM_IMAGES_MAX); i++) {
        const struct told_image *image = &q->images[i];
        if (image->offset != is->offset)
            continue;
        c->counts.images_compared++;
        if (image->digest != is->digest)
            check_note(c, CHECK_IMAGES_DIFFER, row, about, false,
                       "up to %" PRIu64 " it comes to %016" PRIx64 ", and to %016" PRIx64
                       " for node %" PRIu32,
                       is->offset, is->digest, image->digest, image->node);
        return;
    }
    q->images[q->image_count++ & (QUORUM_IMAGES_MAX - 1)] =
        (struct told_image){.offset = is->offset, .digest = is->digest, .node = row->node};
}

/* ---- one voter's log and life ---- */

static void on_log(struct voter *v, const struct trace_row *row)
{
    switch (row->kind) {
    case TRACE_LOG_OPEN:
        v->durable = MIN(v->durable, TRACE_AS(row, LOG_OPEN)->end);
        break;
    case TRACE_LOG_CUT:
        v->durable = MIN(v->durable, TRACE_AS(row, LOG_CUT)->end);
        break;
    case TRACE_LOG_START: /* a snapshot stands for what was before */
        v->durable = MAX(v->durable, TRACE_AS(row, LOG_START)->start);
        break;
    case TRACE_LOG_DURABLE:
        v->durable = MAX(v->durable, TRACE_AS(row, LOG_DURABLE)->end);
        break;
    default:
        break;
    }
}

static void on_end_of_life(struct check *c, const struct trace_row *row, struct voter *v)
{
    c->quorum.alive_count -= v->alive;
    v->alive = false;
    if (v->leading)
        stop_leading(c, row, v);
    c->quorum.calm_ns = c->quorum.peace_ns = row->time_ns;
    c->quorum.needless &= c->quorum.needless_leader != v->id;
}

static bool is_of_log(const struct trace_row *row)
{
    return row->kind == TRACE_LOG_OPEN || row->kind == TRACE_LOG_CUT ||
           row->kind == TRACE_LOG_START || row->kind == TRACE_LOG_DURABLE;
}

static void on_quorum_row(struct check *c, const struct trace_row *row)
{
    if (is_of_log(row) && trace_words(row)[0] != c->quorum.partition)
        return;
    struct voter *v = voter_of(c, row);
    if (v == NULL)
        return;
    switch (row->kind) {
    case TRACE_QUORUM_ROLE:
        on_role(c, row, v);
        break;
    case TRACE_QUORUM_SAVED:
        on_saved(c, row, v);
        break;
    case TRACE_QUORUM_VOTE:
        on_vote(c, row, v);
        break;
    case TRACE_QUORUM_COMMIT:
        on_commit(c, row, v);
        break;
    case TRACE_QUORUM_IMAGE:
        on_image(c, row);
        break;
    case TRACE_NODE_KILL:
    case TRACE_NODE_EXIT:
    case TRACE_POWER_LOSS:
        on_end_of_life(c, row, v);
        break;
    default:
        on_log(v, row);
        break;
    }
}

static void on_end(struct check *c)
{
    static const struct trace_row none = {.node = CHECK_NO_NODE};
    judge_calm(c, &none, c->last_ns);
}

static const enum trace_kind kinds[] = {
    TRACE_QUORUM_ROLE, TRACE_QUORUM_SAVED, TRACE_QUORUM_VOTE, TRACE_QUORUM_COMMIT,
    TRACE_LOG_OPEN,    TRACE_LOG_CUT,      TRACE_LOG_START,   TRACE_LOG_DURABLE,
    TRACE_NODE_KILL,   TRACE_NODE_EXIT,    TRACE_POWER_LOSS,  TRACE_QUORUM_IMAGE,
};

const struct check_rule check_rule_quorum = {
    .name = "quorum",
    .kinds = kinds,
    .kind_count = COUNT_OF(kinds),
    .on_row = on_quorum_row,
    .on_end = on_end,
    .memory = "nodes, and the last epochs of the quorum",
};

static bool voter_equal(const void *key, const struct hmap_node *node)
{
    return CONTAINER_OF(node, struct voter, node)->id == *(const uint64_t *)key;
}

bool check_quorum_init(struct check *c)
{
    c->quorum.partition = trace_partition(METADATA_TOPIC, 0);
    c->quorum.epoch = -1;
    return hmap_init(&c->quorum.voters, c->mem, voter_equal) == ERR_NONE;
}
