/* model.c - see model.h. It carries out the effects of each node as the contract of raft.h says, in
 * the worst ways that the contract allows. */
#include "inside.h"

static const struct raft_settings timing = {.bootstrap_count = NODES_MAX,
                                            .election_timeout_ns = 1000 * MS,
                                            .election_backoff_ns = 1000 * MS,
                                            .fetch_timeout_ns = 2000 * MS,
                                            .retry_backoff_ns = 20 * MS};

uint64_t model_draw(struct model *m, int64_t below)
{
    return random_below(rng_next(&m->rng), (uint64_t)below);
}

static void wrong(struct model *m, const char *what)
{
    if (m->wrong == NULL)
        m->wrong = what;
}

/* ---- logs ---- */

static void build_epochs(struct model *m, const struct model_log *log, struct format_epochs *out)
{
    *out = (struct format_epochs){.mem = &m->mem.mem};
    for (int64_t i = log->start; i < log->end; i++) {
        assert_ok(format_epochs_reserve(out, 1));
        format_epochs_assign(out, log->entries[i].epoch, i);
    }
}

static void first_voters(const struct model *m, struct raft_voters *out)
{
    *out = (struct raft_voters){.count = m->voter_count};
    for (int i = 0; i < m->voter_count; i++)
        out->keys[i] = (struct raft_key){.id = i, .directory.b = {(uint8_t)(i + 1)}};
}

/* In ascending order; the first is in force where the log starts. */
int32_t model_voter_sets(const struct model *m, const struct model_log *log,
                         struct raft_voter_set *out)
{
    int32_t count = 1;
    out[0].offset = log->start - 1;
    out[0].voters = log->snapshot_voters;
    if (log->start == 0 && log->told)
        first_voters(m, &out[0].voters);
    else if (log->start == 0)
        out[0].voters.count = 0;
    for (int64_t i = log->start; i < log->end; i++) {
        if (!log->entries[i].votes)
            continue;
        if (count == RAFT_VOTER_SETS_MAX)
            memmove(out, out + 1, (size_t)--count * sizeof *out);
        out[count++] = (struct raft_voter_set){.offset = i, .voters = log->entries[i].voters};
    }
    return count;
}

static bool same_entry(const struct entry *a, const struct entry *b)
{
    return a->id == b->id && a->epoch == b->epoch;
}

/* ---- what must hold ---- */

/* LeaderCompleteness, when it begins to lead; ElectionSafety. */
static void check_leader(struct model *m, struct node *n)
{
    int32_t epoch = raft_state(n->raft)->epoch;
    if (raft_role(n->raft) != RAFT_LEADER)
        return;
    assert_true(epoch < EPOCHS_MAX);
    if (m->leader_of[epoch] < 0) {
        m->leader_of[epoch] = n->index;
        m->elections++;
        for (int64_t i = n->log.start; i < m->committed_end; i++) {
            if (i >= n->log.end || !same_entry(&n->log.entries[i], &m->committed[i]))
                wrong(m, "a leader has not all that is committed");
        }
    }
    if (m->leader_of[epoch] != n->index)
        wrong(m, "two leaders in one epoch");
}

static int durable_copies(const struct model *m, const struct raft_voters *voters, int64_t offset,
                          const struct entry *entry)
{
    int count = 0;
    for (int32_t v = 0; v < voters->count; v++) {
        for (int i = 0; i < m->node_count; i++) {
            const struct node *n = &m->nodes[i];
            bool there = offset < n->disk.start ||
                         (offset < n->disk.end && same_entry(&n->disk.entries[offset], entry));
            count += raft_key_equal(&n->key, &voters->keys[v]) && there ? 1 : 0;
        }
    }
    return count;
}

static void check_watermark(struct model *m, struct node *n)
{
    int64_t end = raft_high_watermark(n->raft);
    if (end < n->watermark)
        wrong(m, "a high watermark went back");
    if (end > n->log.end)
        wrong(m, "a high watermark is behind the end");
    for (int64_t i = MAX(n->watermark, n->log.start); i < MIN(end, n->log.end); i++) {
        if (m->committed[i].id == 0)
            m->committed[i] = n->log.entries[i];
        else if (!same_entry(&m->committed[i], &n->log.entries[i]))
            wrong(m, "two records are committed at one offset");
    }
    bool first = end > m->committed_end;
    m->committed_end = MAX(m->committed_end, end);
    n->watermark = MAX(n->watermark, end);
    if (!first || end <= n->log.start || end > n->log.end)
        return;
    if (raft_role(n->raft) != RAFT_LEADER && raft_role(n->raft) != RAFT_RESIGNED)
        wrong(m, "somebody else than a leader commits");
    const struct raft_voters *voters = raft_voters(n->raft);
    if (durable_copies(m, voters, end - 1, &n->log.entries[end - 1]) < voters->count / 2 + 1)
        wrong(m, "committed without a majority of disks");
}

/* LogMatching: the same offset and epoch is the same record, and so is all before it. */
static void check_entry(struct model *m, const struct node *n, int64_t offset)
{
    const struct entry *mine = &n->log.entries[offset];
    for (int i = 0; i < m->node_count; i++) {
        const struct model_log *other = &m->nodes[i].log;
        if (offset < other->start || offset >= other->end ||
            other->entries[offset].epoch != mine->epoch)
            continue;
        if (other->entries[offset].id != mine->id)
            wrong(m, "two records of one offset and epoch");
        if (offset > other->start && offset > n->log.start &&
            !same_entry(&other->entries[offset - 1], &n->log.entries[offset - 1]))
            wrong(m, "the same record stands behind different ones");
    }
}

/* ---- messages ---- */

static struct flight *fly(struct model *m)
{
    if (m->flight_count == IN_FLIGHT_MAX)
        memmove(m->flights, m->flights + 1, (size_t)--m->flight_count * sizeof m->flights[0]);
    struct flight *f = &m->flights[m->flight_count++];
    *f = (struct flight){.from = -1};
    return f;
}

void model_land(struct model *m, int i)
{
    m->flight_count--;
    memmove(m->flights + i, m->flights + i + 1,
            (size_t)(m->flight_count - i) * sizeof m->flights[0]);
}

int model_node_of(const struct model *m, int32_t id)
{
    for (int i = 0; i < m->node_count; i++) {
        if (m->nodes[i].key.id == id)
            return i;
    }
    return -1;
}

bool model_forget_number(struct node *n, uint64_t number)
{
    for (int i = 0; i < n->outstanding_count; i++) {
        if (n->outstanding[i] == number) {
            n->outstanding[i] = n->outstanding[--n->outstanding_count];
            return true;
        }
    }
    return false;
}

static void send(struct model *m, struct node *n, const struct raft_request *request)
{
    int to = request->bootstrap >= 0 ? request->bootstrap % m->node_count
                                     : model_node_of(m, request->to.id);
    assert_true(n->outstanding_count < IN_FLIGHT_MAX);
    n->outstanding[n->outstanding_count++] = request->number;
    if (to < 0)
        return; /* nobody knows where that is: lost */
    struct flight *f = fly(m);
    f->from = n->index;
    f->to = to;
    f->life = n->life;
    f->request = *request;
}

/* What a leader sends along: some of what it has from there on. Who votes alone leads on in its
 * epoch when its disk takes records back: nobody was sent what was not durable. */
static void load(struct model *m, const struct node *n, struct flight *f)
{
    int64_t first = f->request.end;
    int64_t end = raft_voters(n->raft)->count > 1 ? n->log.end : MIN(n->log.end, n->disk.end);
    int64_t most = 1 + (int64_t)model_draw(m, BROUGHT_MAX - 1);
    for (int64_t i = first; i < MIN(end, first + most); i++)
        f->brought.entries[f->brought.count++] = n->log.entries[i];
}

static void respond(struct model *m, struct node *n, const struct raft_request *asked, int to,
                    int32_t life, const struct raft_response *answer)
{
    struct flight *f = fly(m);
    f->is_response = true;
    f->from = n->index;
    f->to = to;
    f->life = life;
    f->request = *asked;
    f->response = *answer;
    if (answer->code != 0)
        return;
    if (answer->api == RAFT_FETCH && answer->fetched == RAFT_FETCHED_RECORDS)
        load(m, n, f);
    if (answer->api == RAFT_FETCH_SNAPSHOT) {
        f->response.snapshot = n->log.snapshot;
        f->response.position = asked->position;
        f->response.bytes = 1;
        f->response.size = PIECES;
        f->snapshot_voters = n->log.snapshot_voters;
    }
}

/* ---- effects ---- */

static void push_op(struct node *n, const struct model_op *op)
{
    assert_true(n->op_count < OPS_MAX);
    n->ops[n->op_count++] = *op;
}

static void append(struct model *m, struct node *n, const struct raft_effects *out,
                   const struct brought *brought)
{
    static struct model_op op;
    op = (struct model_op){.kind = OP_APPEND,
                           .first = n->log.end,
                           .end = n->log.end + brought->count,
                           .generation = out->log_generation};
    assert_int_equal(out->log_offset, n->log.end);
    assert_true(n->log.end + brought->count <= ENTRIES_MAX);
    for (int i = 0; i < brought->count; i++) {
        op.entries[i] = n->log.entries[n->log.end++] = brought->entries[i];
        check_entry(m, n, n->log.end - 1);
    }
    push_op(n, &op);
}

static void truncate(struct model *m, struct node *n, const struct raft_effects *out)
{
    m->truncations++;
    for (int64_t i = out->log_offset; i < MIN(m->committed_end, n->log.end); i++) {
        if (same_entry(&n->log.entries[i], &m->committed[i]))
            wrong(m, "a committed record is truncated");
    }
    n->log.end = out->log_offset;
    push_op(n, &(struct model_op){
                   .kind = OP_TRUNCATE, .end = out->log_offset, .generation = out->log_generation});
}

static void reset(struct model *m, struct node *n, const struct raft_effects *out)
{
    m->installs++;
    struct model_log *log = &n->log;
    assert_int_equal(n->piece_id.offset, out->log_offset);
    log->start = log->end = out->log_offset;
    log->start_epoch = n->piece_id.epoch;
    log->snapshot = n->piece_id;
    log->snapshot_voters = n->piece_voters;
    push_op(n, &(struct model_op){.kind = OP_RESET,
                                  .end = out->log_offset,
                                  .generation = out->log_generation,
                                  .snapshot = n->piece_id,
                                  .voters = n->piece_voters});
}

static void do_log(struct model *m, struct node *n, const struct raft_effects *out,
                   const struct brought *brought)
{
    struct brought made = {.count = 1};
    switch (out->log) {
    case RAFT_LOG_NONE:
        return;
    case RAFT_LOG_LEADER_CHANGE:
        made.count = out->log_count;
        for (int i = 0; i < made.count; i++)
            made.entries[i] =
                (struct entry){.epoch = raft_state(n->raft)->epoch, .id = ++m->id_last};
        made.entries[0].votes = out->log_count == RAFT_FIRST_RECORDS;
        made.entries[0].voters = *raft_voters(n->raft);
        append(m, n, out, &made);
        return;
    case RAFT_LOG_APPEND:
        made = *brought;
        made.count = (int)(raft_end(n->raft) - n->log.end);
        assert_true(made.count <= brought->count);
        append(m, n, out, &made);
        return;
    case RAFT_LOG_TRUNCATE:
        truncate(m, n, out);
        return;
    case RAFT_LOG_RESET:
        reset(m, n, out);
        return;
    }
}

/* All that is to be done once the state is durable. */
static void carry_out(struct model *m, struct node *n, const struct raft_effects *out,
                      const struct brought *brought, const struct raft_request *asked, int from,
                      int32_t life)
{
    do_log(m, n, out, brought);
    assert_int_equal(n->log.end, raft_end(n->raft));
    check_leader(m, n);
    check_watermark(m, n);
    if (out->answered && asked != NULL)
        respond(m, n, asked, from, life, &out->answer);
    for (int i = 0; i < out->message_count; i++)
        send(m, n, &out->messages[i]);
    n->deadline_ns = out->deadline_ns;
}

/* by: the message that brought it, or NULL. */
void model_take(struct model *m, struct node *n, struct raft_event *event,
                const struct brought *brought, const struct flight *by)
{
    static struct raft_effects out;
    bool was_abstaining = raft_abstains(n->raft);
    bool asks = event->type == RAFT_REQUEST;
    event->now_ns = m->now_ns;
    event->chance = rng_next(&m->rng);
    m->steps++;
    assert_ok(raft_step(n->raft, event, &out));
    if (out.stop != NULL)
        wrong(m, out.stop);
    m->abstentions += was_abstaining && !raft_abstains(n->raft) ? 1 : 0;
    n->piece_number = out.store ? event->response.number : n->piece_number;
    if (out.store)
        n->piece_end = event->response.position + event->response.bytes;
    if (!out.save) {
        carry_out(m, n, &out, brought, asks ? &event->request : NULL, asks ? by->from : -1,
                  asks ? by->life : 0);
        return;
    }
    assert_true(out.log == RAFT_LOG_NONE || out.log == RAFT_LOG_LEADER_CHANGE);
    n->saving = true;
    n->held = out;
    n->held_from = asks ? by->from : -1;
    n->held_life = asks ? by->life : 0;
    n->held_request = event->request;
    n->deadline_ns = INT64_MAX;
}

void model_saved(struct model *m, struct node *n)
{
    static struct raft_effects held;
    held = n->held;
    n->state = *raft_state(n->raft);
    n->has_state = true;
    n->saving = false;
    carry_out(m, n, &held, NULL, n->held_from < 0 ? NULL : &n->held_request, n->held_from,
              n->held_life);
    model_take(m, n, &(struct raft_event){.type = RAFT_SAVED}, NULL, NULL);
}

/* ---- disks ---- */

/* count: of an append, how many of its records. */
static void perform(struct node *n, const struct model_op *op, int64_t count)
{
    struct model_log *disk = &n->disk;
    switch (op->kind) {
    case OP_APPEND:
        assert_int_equal(op->first, disk->end);
        for (int64_t i = 0; i < count; i++)
            disk->entries[disk->end++] = op->entries[i];
        return;
    case OP_TRUNCATE:
        disk->end = MIN(disk->end, op->end);
        return;
    case OP_RESET:
        disk->start = disk->end = op->end;
        disk->start_epoch = op->snapshot.epoch;
        disk->snapshot = op->snapshot;
        disk->snapshot_voters = op->voters;
        return;
    }
}

static void pop_op(struct node *n)
{
    memmove(n->ops, n->ops + 1, (size_t)--n->op_count * sizeof n->ops[0]);
}

void model_disk(struct model *m, struct node *n)
{
    struct model_op op = n->ops[0];
    perform(n, &op, op.end - op.first);
    pop_op(n);
    struct raft_event event = {.type = op.kind == OP_APPEND ? RAFT_SYNCED : RAFT_LOG_DONE,
                               .synced = {.end = n->disk.end, .generation = op.generation}};
    model_take(m, n, &event, NULL, NULL);
}

void model_piece(struct model *m, struct node *n)
{
    struct raft_event event = {.type = RAFT_STORED,
                               .stored = {.number = n->piece_number,
                                          .position = n->piece_end,
                                          .whole = n->piece_end == PIECES,
                                          .voters = &n->piece_voters}};
    if (model_draw(m, 10) == 0)
        event.stored.position = -1;
    if (event.stored.position < 0)
        event.stored.whole = false;
    n->piece_number = 0;
    model_take(m, n, &event, NULL, NULL);
}

/* ---- lives ---- */

void model_die(struct model *m, struct node *n)
{
    if (n->saving && model_draw(m, 2) == 0) {
        n->state = *raft_state(n->raft); /* it came to the disk, and nobody was told */
        n->has_state = true;
    }
    for (int64_t todo = (int64_t)model_draw(m, n->op_count + 1); todo > 0; todo--) {
        struct model_op op = n->ops[0];
        perform(n, &op,
                todo == 1 ? (int64_t)model_draw(m, op.end - op.first + 1) : op.end - op.first);
        pop_op(n);
    }
    n->op_count = n->outstanding_count = 0;
    n->piece_number = 0;
    n->saving = false;
    raft_free(n->raft);
    n->raft = NULL;
    n->log = n->disk; /* so that the others are held against what is left */
}

void model_live(struct model *m, struct node *n)
{
    struct format_epochs epochs;
    static struct raft_voter_set sets[RAFT_VOTER_SETS_MAX];
    struct raft_settings settings = timing;
    settings.self = n->key;
    settings.writes_voters = m->writes_voters;
    n->log = n->disk;
    build_epochs(m, &n->disk, &epochs);
    int64_t behind = (int64_t)model_draw(m, 4); /* a checkpoint is a little old */
    int64_t watermark = MAX(n->disk.start, MIN(n->watermark, n->disk.end) - behind);
    struct raft_start start = {.now_ns = m->now_ns,
                               .chance = rng_next(&m->rng),
                               .state = n->has_state ? &n->state : NULL,
                               .log_start = n->disk.start,
                               .log_end = n->disk.end,
                               .log_start_epoch = n->disk.start_epoch,
                               .epochs = &epochs,
                               .snapshot = n->disk.snapshot,
                               .high_watermark = watermark,
                               .voter_sets = sets,
                               .voter_set_count = model_voter_sets(m, &n->disk, sets)};
    n->life++;
    n->watermark = watermark;
    assert_ok(raft_open(&n->raft, &m->mem.mem, &settings, &start));
    format_epochs_free(&epochs);
    model_take(m, n, &(struct raft_event){.type = RAFT_TICK}, NULL, NULL);
}

static bool somebody_abstains(const struct model *m)
{
    for (int i = 0; i < m->node_count; i++) {
        const struct node *n = &m->nodes[i];
        if (!n->has_state || (n->raft != NULL && raft_abstains(n->raft)))
            return true;
    }
    return false;
}

/* Its state is gone, as if the file could not be read. One at a time: of two that forgot, each is
 * needed to know what the other may have voted for. */
void model_lose_vote(struct model *m, struct node *n)
{
    if (m->votes_lost && n->raft == NULL && n->disk.end > 0 && !somebody_abstains(m))
        n->has_state = false;
}

/* An empty disk is in its place: it is another node by the same number, and was told nothing. */
void model_wipe(struct model *m, struct node *n)
{
    if (m->wipes_left == 0)
        return;
    m->wipes_left--;
    m->wipes++;
    n->key.directory.b[1] = (uint8_t)m->wipes;
    n->disk = (struct model_log){.snapshot.offset = -1};
    n->log = n->disk;
    n->has_state = false;
    n->watermark = 0;
}

/* ---- a model ---- */

void model_print(const struct model *m)
{
    for (int i = 0; i < m->node_count; i++) {
        const struct node *n = &m->nodes[i];
        if (n->raft == NULL) {
            print_message("  %d: down\n", i);
            continue;
        }
        print_message(
            "  %d: %s%s epoch %d leader %d voted %d, log %lld..%lld hw %lld, due in %lld "
            "ms, %d asked, %d to do%s\n",
            i, raft_role_name(raft_role(n->raft)), raft_is_voter(n->raft) ? "" : " (observes)",
            raft_state(n->raft)->epoch, raft_state(n->raft)->leader_id,
            raft_state(n->raft)->voted.id, (long long)n->log.start, (long long)n->log.end,
            (long long)raft_high_watermark(n->raft), (long long)(n->deadline_ns - m->now_ns) / MS,
            n->outstanding_count, n->op_count, raft_abstains(n->raft) ? ", abstains" : "");
    }
}

void model_init(struct model *m, uint64_t seed, int node_count, int voter_count)
{
    *m = (struct model){.rng.state = seed, .node_count = node_count, .voter_count = voter_count};
    test_mem_init(&m->mem);
    for (int i = 0; i < EPOCHS_MAX; i++)
        m->leader_of[i] = -1;
    for (int i = 0; i < node_count; i++) {
        struct node *n = &m->nodes[i];
        n->index = i;
        n->key = (struct raft_key){.id = i, .directory.b = {(uint8_t)(i + 1)}};
        n->disk.snapshot.offset = -1;
        n->disk.told = true;
    }
}

void model_write_voters(struct model *m)
{
    m->writes_voters = true;
    for (int i = m->voter_count; i < m->node_count; i++)
        m->nodes[i].disk.told = false;
}

void model_start(struct model *m)
{
    for (int i = 0; i < m->node_count; i++)
        model_live(m, &m->nodes[i]);
}

void model_free(struct model *m)
{
    for (int i = 0; i < m->node_count; i++)
        raft_free(m->nodes[i].raft);
    test_mem_done(&m->mem);
}
