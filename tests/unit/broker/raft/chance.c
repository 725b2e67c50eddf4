/* chance.c - which of all that may happen in a quorum happens next; and what happens when harm
 * ends. */
#include "inside.h"

/* ---- events ---- */

static void deliver_request(struct model *m, const struct flight *f)
{
    struct raft_event event = {.type = RAFT_REQUEST, .request = f->request};
    model_take(m, &m->nodes[f->to], &event, NULL, f);
}

static void deliver_response(struct model *m, const struct flight *f)
{
    struct node *n = &m->nodes[f->to];
    struct raft_batch batches[BROUGHT_MAX];
    if (f->life != n->life || !model_forget_number(n, f->request.number))
        return;
    struct raft_event event = {.type = RAFT_RESPONSE, .response = f->response};
    for (int i = 0; i < f->brought.count; i++) {
        const struct entry *entry = &f->brought.entries[i];
        batches[i] = (struct raft_batch){.first = f->request.end + i,
                                         .end = f->request.end + i + 1,
                                         .epoch = entry->epoch,
                                         .voters = entry->votes ? &entry->voters : NULL};
    }
    event.response.batches = batches;
    event.response.batch_count = f->brought.count;
    if (f->response.api == RAFT_FETCH_SNAPSHOT && f->response.code == 0 && n->piece_number == 0) {
        n->piece_id = f->response.snapshot;
        n->piece_voters = f->snapshot_voters;
    }
    model_take(m, n, &event, &f->brought, f);
}

static void deliver(struct model *m, int i, bool again)
{
    static struct flight f;
    f = m->flights[i];
    struct node *n = &m->nodes[f.to];
    if (n->raft != NULL && n->saving)
        return; /* later */
    if (!again || f.is_response)
        model_land(m, i);
    if (n->raft == NULL || m->cut[f.from][f.to])
        return;
    if (f.is_response)
        deliver_response(m, &f);
    else
        deliver_request(m, &f);
}

static void lose_request(struct model *m, struct node *n, int i)
{
    /* It may even be refused by somebody who is there. */
    struct raft_event event = {
        .type = RAFT_LOST, .lost = {.number = n->outstanding[i], .refused = model_draw(m, 2) == 0}};
    (void)model_forget_number(n, n->outstanding[i]);
    model_take(m, n, &event, NULL, NULL);
}

static void tick(struct model *m, struct node *n)
{
    if (n->deadline_ns < INT64_MAX)
        m->now_ns = MAX(m->now_ns, n->deadline_ns);
    model_take(m, n, &(struct raft_event){.type = RAFT_TICK}, NULL, NULL);
}

static void propose(struct model *m, struct node *n, const struct raft_voters *voters)
{
    struct brought brought = {.count = voters != NULL ? 1 : 1 + (int)model_draw(m, 3)};
    int32_t epoch =
        raft_state(n->raft)->epoch - (model_draw(m, 8) == 0 ? 1 : 0); /* or a stale one */
    for (int i = 0; i < brought.count; i++)
        brought.entries[i] = (struct entry){.epoch = epoch, .id = ++m->id_last};
    if (voters != NULL) {
        brought.entries[0].votes = true;
        brought.entries[0].voters = *voters;
    }
    struct raft_event event = {
        .type = RAFT_APPEND, .append = {.epoch = epoch, .count = brought.count, .voters = voters}};
    int64_t end = n->log.end;
    model_take(m, n, &event, &brought, NULL);
    m->changes += voters != NULL && n->log.end > end ? 1 : 0;
}

/* One more votes, or one less. */
static void change_voters(struct model *m, struct node *n)
{
    struct raft_voters voters = *raft_voters(n->raft);
    const struct raft_key *key = &m->nodes[model_draw(m, m->node_count)].key;
    int32_t at = 0;
    while (at < voters.count && !raft_key_equal(&voters.keys[at], key))
        at++;
    if (at == voters.count)
        voters.keys[voters.count++] = *key;
    else if (voters.count > 1)
        voters.keys[at] = voters.keys[--voters.count];
    propose(m, n, &voters);
}

static void snapshot(struct model *m, struct node *n)
{
    int64_t end = n->watermark;
    struct raft_voter_set sets[RAFT_VOTER_SETS_MAX];
    if (end <= MAX(n->disk.start, n->disk.snapshot.offset) || end > n->disk.end || n->op_count > 0)
        return;
    static struct model_log below;
    below = n->disk;
    below.end = end;
    struct raft_voters voters = sets[model_voter_sets(m, &below, sets) - 1].voters;
    struct raft_event event = {.type = RAFT_SNAPSHOT};
    event.snapshot.id =
        (struct raft_snapshot_id){.offset = end, .epoch = n->disk.entries[end - 1].epoch};
    event.snapshot.log_start = n->disk.start;
    event.snapshot.log_start_epoch = n->disk.start_epoch;
    if (model_draw(m, 2) == 0) {
        event.snapshot.log_start = end;
        event.snapshot.log_start_epoch = event.snapshot.id.epoch;
        n->disk.start = n->log.start = end;
        n->disk.start_epoch = n->log.start_epoch = event.snapshot.id.epoch;
    }
    n->disk.snapshot = n->log.snapshot = event.snapshot.id;
    n->disk.snapshot_voters = n->log.snapshot_voters = voters;
    model_take(m, n, &event, NULL, NULL);
}

static void disturb_links(struct model *m)
{
    int a = (int)model_draw(m, m->node_count), b = (int)model_draw(m, m->node_count);
    bool cut = model_draw(m, 3) == 0;
    m->cut[a][b] = cut;
    if (model_draw(m, 2) == 0)
        m->cut[b][a] = cut;
}

static struct node *earliest(struct model *m)
{
    struct node *first = NULL;
    for (int i = 0; i < m->node_count; i++) {
        struct node *n = &m->nodes[i];
        bool ready = n->raft != NULL && !n->saving && n->deadline_ns < INT64_MAX;
        if (ready && (first == NULL || n->deadline_ns < first->deadline_ns))
            first = n;
    }
    return first;
}

/* Its disk took the newest records back: they are in no log of its own, whoever fetched them. */
static void take_back(struct model *m, struct node *n)
{
    const struct model_op *op = n->op_count > 0 ? &n->ops[n->op_count - 1] : NULL;
    if (op == NULL || op->kind != OP_APPEND || op->first < n->watermark)
        return;
    struct raft_event event = {.type = RAFT_CUT, .cut.end = op->first};
    n->log.end = op->first;
    n->op_count--;
    m->taken_back++;
    model_take(m, n, &event, NULL, NULL);
}

/* Something that happens at that node. */
static void something(struct model *m, struct node *n, int what)
{
    bool leads = raft_role(n->raft) == RAFT_LEADER;
    if (what < 12 && n->op_count > 0)
        model_disk(m, n);
    else if (what < 16 && n->piece_number != 0)
        model_piece(m, n);
    else if (what < 20 && n->outstanding_count > 0)
        lose_request(m, n, 0);
    else if (what < 28 && leads && n->log.end < ENTRIES_MAX / 2)
        propose(m, n, NULL);
    else if (what < 29 && leads && m->changes_on && n->log.end < ENTRIES_MAX / 2)
        change_voters(m, n);
    else if (what < 30 && m->snapshots)
        snapshot(m, n);
    else if (what == 30 && leads && model_draw(m, 4) == 0)
        take_back(m, n);
    else if (what < 31 && model_draw(m, 8) == 0)
        model_take(m, n, &(struct raft_event){.type = RAFT_RESIGN}, NULL, NULL);
    else if (what < 33)
        tick(m, n);
}

/* Of a history whose disks may be lost that happens to one that held something. */
static void revive(struct model *m, struct node *n)
{
    uint64_t what = model_draw(m, 4);
    if (what == 0 && n->disk.end > 0)
        model_wipe(m, n);
    if (what == 0)
        model_lose_vote(m, n);
    else
        model_live(m, n);
}

/* A link, a message, a timer that fires before what is under way has come, a life. */
static void harm(struct model *m, struct node *n, int what)
{
    if (what < 3 && m->flight_count > 0)
        model_land(m, (int)model_draw(m, m->flight_count));
    else if (what < 6 && earliest(m) != NULL)
        tick(m, earliest(m));
    else if (what < 8)
        disturb_links(m);
    else if (n->raft == NULL)
        revive(m, n);
    else if (model_draw(m, 2) == 0)
        model_die(m, n);
}

static void go_on(struct model *m, struct node *n, int what)
{
    if (n->raft != NULL && n->saving)
        model_saved(m, n);
    else if (what < 34 && n->raft != NULL)
        something(m, n, what);
    else if (m->flight_count > 0)
        deliver(m, (int)model_draw(m, m->flight_count), model_draw(m, 20) == 0);
    else if (earliest(m) != NULL)
        tick(m, earliest(m));
}

void model_step(struct model *m)
{
    struct node *n = &m->nodes[model_draw(m, m->node_count)];
    m->now_ns += (int64_t)model_draw(m, 3) * MS;
    while (n->raft != NULL && !n->saving && n->outstanding_count > IN_FLIGHT_MAX / 4)
        lose_request(m, n, 0);
    if (model_draw(m, 1000) < (uint64_t)m->harm)
        harm(m, n, (int)model_draw(m, 10));
    else
        go_on(m, n, (int)model_draw(m, 100));
}

/* ---- calm ---- */

/* One thing of what is under way, the oldest first. False: all rests until a deadline. */
static bool settle(struct model *m)
{
    for (int i = 0; i < m->node_count; i++) {
        struct node *n = &m->nodes[i];
        if (n->saving)
            model_saved(m, n);
        else if (n->op_count > 0)
            model_disk(m, n);
        else if (n->piece_number != 0)
            model_piece(m, n);
        else
            continue;
        return true;
    }
    if (m->flight_count == 0)
        return false;
    deliver(m, 0, false);
    return true;
}

static bool is_under_way(const struct model *m, const struct node *n, uint64_t number)
{
    for (int i = 0; i < m->flight_count; i++) {
        const struct flight *f = &m->flights[i];
        int asker = f->is_response ? f->to : f->from;
        if (asker == n->index && f->life == n->life && f->request.number == number)
            return true;
    }
    return false;
}

/* A request whose message is gone is given up, as its time-out would. */
static void give_up_lost(struct model *m)
{
    for (int i = 0; i < m->node_count; i++) {
        struct node *n = &m->nodes[i];
        for (int j = 0; j < n->outstanding_count && !n->saving; j++) {
            if (!is_under_way(m, n, n->outstanding[j]))
                lose_request(m, n, j--);
        }
    }
}

static void tick_late(struct model *m)
{
    for (int i = 0; i < m->node_count; i++) {
        if (!m->nodes[i].saving && m->nodes[i].deadline_ns <= m->now_ns)
            tick(m, &m->nodes[i]);
    }
}

static const struct node *leader(const struct model *m)
{
    const struct node *found = NULL;
    for (int i = 0; i < m->node_count; i++) {
        const struct node *n = &m->nodes[i];
        bool later = found == NULL || raft_state(n->raft)->epoch > raft_state(found->raft)->epoch;
        if (!n->saving && raft_leads(n->raft) && later)
            found = n;
    }
    return found;
}

/* Who votes has it; somebody who was voted out and does not know may wait for ever. */
static bool all_have(const struct model *m, int64_t offset)
{
    const struct node *first = leader(m);
    if (first == NULL)
        return false;
    const struct raft_voters *voters = raft_voters(first->raft);
    for (int32_t v = 0; v < voters->count; v++) {
        const struct node *n = &m->nodes[model_node_of(m, voters->keys[v].id)];
        if (raft_high_watermark(n->raft) <= offset)
            return false;
    }
    return true;
}

/* The offset of a record that a leader takes; -1: nobody takes one. */
static int64_t propose_somewhere(struct model *m)
{
    for (int i = 0; i < m->node_count; i++) {
        struct node *n = &m->nodes[i];
        int64_t end = n->log.end;
        if (n->saving || !raft_leads(n->raft))
            continue;
        propose(m, n, NULL);
        if (n->log.end > end)
            return end;
    }
    return -1;
}

bool model_converges(struct model *m, int64_t within_ns)
{
    int64_t until_ns = m->now_ns + within_ns, offset = -1, lost_ns = 0;
    memset(m->cut, 0, sizeof m->cut);
    for (int i = 0; i < m->node_count; i++) {
        if (m->nodes[i].raft == NULL)
            model_live(m, &m->nodes[i]);
    }
    while (m->now_ns < until_ns && m->wrong == NULL) {
        m->now_ns += MS / 2;
        if (offset < 0 || m->now_ns > lost_ns) {
            offset = propose_somewhere(m);
            lost_ns = m->now_ns + 10 * 1000 * MS; /* whoever took it may lead no more */
        }
        if (offset >= 0 && all_have(m, offset))
            return true;
        give_up_lost(m);
        tick_late(m);
        if (!settle(m) && m->flight_count == 0 && earliest(m) != NULL)
            tick(m, earliest(m));
    }
    return false;
}
