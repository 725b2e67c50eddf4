/* exhaustive_test.c - all schedules of three nodes within small bounds: who times out, which
 * message comes when or never, what is on disk as a node dies. Two that lead to one state are
 * followed once.
 */
#include <stdlib.h>
#include "raft/internal.h"
#include "support/test.h"

#define NODES 3
#define LOG_MAX 6
#define MESSAGES_MAX 12
#define SEEN_BITS 23 /* of the table of states */

/* What may still happen. */
struct budget {
    int8_t depth, timeouts, deaths, proposals;
};

struct small_node {
    struct raft raft; /* a copy of all that it is; its epochs stand below */
    struct format_epoch epochs[LOG_MAX + 2];
    int32_t log[LOG_MAX], disk[LOG_MAX]; /* the epoch of each record, and who wrote it */
    int8_t log_end, disk_end;
    int64_t watermark;
    bool down;
    struct raft_state state; /* on disk */
};

struct message {
    bool is_response;
    int8_t from, to;
    struct raft_request request;
    struct raft_response response;
    int32_t records[LOG_MAX];
    int8_t record_count;
};

struct world {
    struct small_node nodes[NODES];
    struct message messages[MESSAGES_MAX];
    int8_t message_count;
    int8_t leader_of[8]; /* of each epoch, + 1 */
    int32_t committed[LOG_MAX];
    int8_t committed_end;
    int8_t record_last; /* records are numbered, so that two of one epoch differ */
};

static struct {
    struct mem mem;
    uint64_t *seen;
    int64_t states, elections, commits;
    const char *wrong;
} search;

static struct raft_settings settings_of(int i)
{
    return (struct raft_settings){.self = {.id = i, .directory.b = {(uint8_t)(i + 1)}},
                                  .election_timeout_ns = 1,
                                  .election_backoff_ns = 1,
                                  .fetch_timeout_ns = 2,
                                  .retry_backoff_ns = 1};
}

/* ---- what must hold ---- */

static void wrong(const char *what)
{
    if (search.wrong == NULL)
        search.wrong = what;
}

static void look_at(struct world *w, int i)
{
    struct small_node *n = &w->nodes[i];
    const struct raft *r = &n->raft;
    int64_t end = r->high_watermark;
    for (int64_t at = 0; at < end; at++) {
        if (at >= w->committed_end) {
            w->committed[w->committed_end++] = n->log[at];
            search.commits++;
        } else if (w->committed[at] != n->log[at]) {
            wrong("two records are committed at one offset");
        }
    }
    if (end < n->watermark)
        wrong("a high watermark went back");
    n->watermark = end;
    if (r->role != RAFT_LEADER)
        return;
    int8_t *leader = &w->leader_of[r->state.epoch];
    if (*leader == 0) {
        search.elections++;
        for (int at = 0; at < w->committed_end; at++) {
            if (at >= n->log_end || n->log[at] != w->committed[at])
                wrong("a leader has not all that is committed");
        }
    } else if (*leader != i + 1) {
        wrong("two leaders in one epoch");
    }
    *leader = (int8_t)(i + 1);
}

/* ---- one step, and its effects ---- */

static void put(struct world *w, const struct message *message)
{
    if (w->message_count < MESSAGES_MAX)
        w->messages[w->message_count++] = *message;
}

static int32_t record_of(int32_t epoch, int number)
{
    return epoch << 8 | number;
}

static void write_log(struct world *w, struct small_node *n, const struct raft_effects *out,
                      const struct message *by)
{
    switch (out->log) {
    case RAFT_LOG_LEADER_CHANGE:
        n->log[n->log_end++] = record_of(n->raft.state.epoch, ++w->record_last);
        return;
    case RAFT_LOG_APPEND:
        if (by == NULL)
            n->log[n->log_end++] = record_of(n->raft.state.epoch, ++w->record_last);
        for (int i = 0; by != NULL && i < out->log_count; i++)
            n->log[n->log_end++] = by->records[i];
        return;
    case RAFT_LOG_TRUNCATE:
        for (int64_t at = out->log_offset; at < MIN(n->log_end, w->committed_end); at++) {
            if (n->log[at] == w->committed[at])
                wrong("a committed record is truncated");
        }
        n->log_end = (int8_t)out->log_offset;
        n->disk_end = MIN(n->disk_end, n->log_end);
        return;
    case RAFT_LOG_NONE:
        return;
    case RAFT_LOG_RESET:
        UNREACHABLE();
    }
}

static void respond(struct world *w, int i, const struct message *by,
                    const struct raft_response *answer)
{
    const struct small_node *n = &w->nodes[i];
    struct message message = {.is_response = true,
                              .from = (int8_t)i,
                              .to = by->from,
                              .request = by->request,
                              .response = *answer};
    bool records =
        answer->api == RAFT_FETCH && answer->code == 0 && answer->fetched == RAFT_FETCHED_RECORDS;
    for (int64_t at = by->request.end; records && at < n->log_end; at++)
        message.records[message.record_count++] = n->log[at];
    put(w, &message);
}

/* A step, and when it must be durable its save; a death in between is a death before (with the old
 * state) or behind it. */
static void step(struct world *w, int i, struct raft_event *event, const struct message *by)
{
    struct small_node *n = &w->nodes[i];
    struct raft_effects out;
    struct raft *r = &n->raft;
    r->epochs = (struct format_epochs){
        .mem = &search.mem, .rows = n->epochs, .count = r->epochs.count, .cap = LOG_MAX + 2};
    for (bool again = true; again; event = &(struct raft_event){.type = RAFT_SAVED}) {
        event->now_ns = r->now_ns;
        event->chance = 1;
        assert_ok(raft_step(r, event, &out));
        if (out.stop != NULL)
            wrong(out.stop);
        if (out.save)
            n->state = r->state;
        write_log(w, n, &out, by);
        look_at(w, i);
        if (event->type == RAFT_REQUEST)
            respond(w, i, by, &out.answer);
        for (int m = 0; m < out.message_count; m++)
            put(w, &(struct message){.from = (int8_t)i,
                                     .to = (int8_t)out.messages[m].to.id,
                                     .request = out.messages[m]});
        if (out.log == RAFT_LOG_TRUNCATE) {
            struct raft_event done = {
                .type = RAFT_LOG_DONE,
                .now_ns = r->now_ns,
                .synced = {.end = n->disk_end, .generation = out.log_generation}};
            step(w, i, &done, NULL);
        }
        again = out.save;
    }
}

/* ---- what may happen ---- */

static void born(struct world *w, int i, bool first)
{
    struct small_node *n = &w->nodes[i];
    struct raft_voter_set set = {.offset = -1, .voters.count = NODES};
    struct format_epochs epochs = {.mem = &search.mem, .rows = n->epochs, .cap = LOG_MAX + 2};
    struct raft_settings settings = settings_of(i);
    struct raft *r;
    for (int v = 0; v < NODES; v++)
        set.voters.keys[v] = settings_of(v).self;
    memcpy(n->log, n->disk, sizeof n->log);
    n->log_end = n->disk_end;
    for (int at = 0; at < n->log_end; at++)
        format_epochs_assign(&epochs, n->log[at] >> 8, at);
    struct raft_start start = {.chance = 1,
                               .state = first ? NULL : &n->state,
                               .log_end = n->log_end,
                               .epochs = &epochs,
                               .snapshot.offset = -1,
                               .voter_sets = &set,
                               .voter_set_count = 1};
    assert_ok(raft_open(&r, &search.mem, &settings, &start));
    n->raft = *r;
    memcpy(n->epochs, epochs.rows, sizeof n->epochs);
    raft_free(r);
    n->watermark = 0;
    n->down = false;
    step(w, i, &(struct raft_event){.type = RAFT_TICK}, NULL);
}

static void deliver(struct world *w, int m)
{
    struct message message = w->messages[m];
    struct raft_batch batches[LOG_MAX];
    w->messages[m] = w->messages[--w->message_count];
    if (w->nodes[message.to].down)
        return;
    struct raft_event event = {.type = RAFT_REQUEST, .request = message.request};
    if (message.is_response) {
        event = (struct raft_event){.type = RAFT_RESPONSE, .response = message.response};
        for (int i = 0; i < message.record_count; i++)
            batches[i] = (struct raft_batch){.first = message.request.end + i,
                                             .end = message.request.end + i + 1,
                                             .epoch = message.records[i] >> 8};
        event.response.batches = batches;
        event.response.batch_count = message.record_count;
    }
    step(w, message.to, &event, &message);
}

/* Its role's timer, whichever it is. */
static bool time_out(struct world *w, int i)
{
    struct raft *r = &w->nodes[i].raft;
    if (r->role == RAFT_LEADER || r->state.epoch >= 3)
        return false;
    int64_t now_ns = r->now_ns;
    r->now_ns = r->timer_ns;
    step(w, i, &(struct raft_event){.type = RAFT_TICK}, NULL);
    /* Time itself is no part of a state. */
    r->timer_ns -= r->now_ns - now_ns;
    for (int p = 0; p < NODES; p++) {
        r->peers[p].due_ns -= r->now_ns - now_ns;
        r->peers[p].fetched_ns -= r->now_ns - now_ns;
    }
    r->fetching.due_ns -= r->now_ns - now_ns;
    r->now_ns = now_ns;
    return true;
}

static bool sync(struct world *w, int i)
{
    struct small_node *n = &w->nodes[i];
    if (n->disk_end == n->log_end && n->raft.synced == n->log_end)
        return false;
    memcpy(n->disk, n->log, sizeof n->disk);
    n->disk_end = n->log_end;
    step(w, i,
         &(struct raft_event){.type = RAFT_SYNCED,
                              .synced = {.end = n->disk_end, .generation = n->raft.generation}},
         NULL);
    return true;
}

/* Its connections end with it: nothing that it asked or was asked comes any more. */
static void die(struct world *w, int i)
{
    w->nodes[i].down = true;
    for (int m = w->message_count - 1; m >= 0; m--) {
        const struct message *message = &w->messages[m];
        bool own = message->is_response ? message->to == i : message->from == i;
        if (own)
            w->messages[m] = w->messages[--w->message_count];
    }
}

static bool propose(struct world *w, int i)
{
    struct raft *r = &w->nodes[i].raft;
    if (r->role != RAFT_LEADER || w->nodes[i].log_end >= LOG_MAX - 2)
        return false;
    step(w, i,
         &(struct raft_event){.type = RAFT_APPEND, .append = {.epoch = r->state.epoch, .count = 1}},
         NULL);
    return true;
}

/* ---- states ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return hash_mix(hash ^ (value + 0x9e3779b97f4a7c15ull));
}

static uint64_t digest_node(const struct small_node *n)
{
    const struct raft *r = &n->raft;
    uint64_t h = mix(n->down, (uint64_t)n->disk_end);
    for (int i = 0; i < n->disk_end; i++)
        h = mix(h, (uint64_t)n->disk[i]);
    h = mix(mix(h, (uint64_t)n->state.epoch), (uint64_t)n->state.leader_id);
    h = mix(h, (uint64_t)n->state.voted.id);
    if (n->down)
        return h;
    for (int i = 0; i < n->log_end; i++)
        h = mix(h, (uint64_t)n->log[i] + 7);
    h = mix(mix(h, r->role), (uint64_t)(r->lost << 1 | r->fetched));
    h = mix(mix(h, (uint64_t)r->synced), (uint64_t)r->high_watermark);
    h = mix(mix(h, (uint64_t)r->leader_watermark), r->fetching.number != 0);
    for (int i = 0; i < NODES; i++)
        h = mix(mix(h, r->peers[i].ballot),
                (uint64_t)(r->peers[i].end << 1) + (r->peers[i].number != 0));
    return h;
}

/* Numbers of requests differ from way to way; whether an answer is still waited for does not. */
static uint64_t digest_message(const struct world *w, const struct message *m)
{
    const struct raft *r = &w->nodes[m->is_response ? m->to : m->from].raft;
    bool waits = r->fetching.number == m->request.number;
    for (int i = 0; i < NODES; i++)
        waits = waits || r->peers[i].number == m->request.number;
    uint64_t h = mix(m->is_response, (uint64_t)(m->from * NODES + m->to));
    h = mix(mix(h, m->request.api * 2 + m->request.pre_vote), (uint64_t)m->request.epoch);
    h = mix(mix(h, (uint64_t)m->request.end), (uint64_t)m->request.last_epoch * 2 + waits);
    if (!m->is_response)
        return h;
    h = mix(mix(h, (uint64_t)m->response.code), (uint64_t)m->response.epoch);
    h = mix(mix(h, (uint64_t)m->response.leader_id), m->response.granted * 4 + m->response.fetched);
    h = mix(mix(h, (uint64_t)m->response.high_watermark), (uint64_t)m->response.diverging_end);
    for (int i = 0; i < m->record_count; i++)
        h = mix(h, (uint64_t)m->records[i]);
    return h;
}

static bool is_new(const struct world *w, const struct budget *left)
{
    uint64_t h = 0, messages = 0;
    for (int i = 0; i < NODES; i++)
        h = mix(h, digest_node(&w->nodes[i]));
    for (int i = 0; i < w->message_count; i++)
        messages += digest_message(w, &w->messages[i]);
    h = mix(mix(h, messages), (uint64_t)w->committed_end);
    h = mix(h, (uint64_t)(left->timeouts << 16 | left->deaths << 8 | left->proposals));
    uint64_t *slot = &search.seen[h >> (64 - SEEN_BITS)];
    uint64_t state = h & ~(uint64_t)31, seen_depth = *slot & 31;
    if ((*slot & ~(uint64_t)31) == state && seen_depth >= (uint64_t)left->depth)
        return false; /* it was followed at least as far from there */
    *slot = state | (uint64_t)left->depth;
    return true;
}

static void explore(const struct world *w, struct budget left);

/* All that may follow from there, each in a copy of its own. */
static void follow(const struct world *w, struct budget left, int i)
{
    struct world next;
    bool down = w->nodes[i].down;
    if (down) {
        next = *w;
        born(&next, i, false);
        explore(&next, left);
        return;
    }
    next = *w;
    if (sync(&next, i))
        explore(&next, left);
    if (left.timeouts > 0 && (next = *w, time_out(&next, i))) {
        struct budget less = left;
        less.timeouts--;
        explore(&next, less);
    }
    if (left.proposals > 0 && (next = *w, propose(&next, i))) {
        struct budget less = left;
        less.proposals--;
        explore(&next, less);
    }
    if (left.deaths > 0) {
        struct budget less = left;
        less.deaths--;
        next = *w;
        die(&next, i);
        explore(&next, less);
    }
}

static void explore(const struct world *w, struct budget left)
{
    if (search.wrong != NULL || left.depth == 0 || !is_new(w, &left))
        return;
    search.states++;
    left.depth--;
    for (int m = 0; m < w->message_count && search.wrong == NULL; m++) {
        struct world next = *w;
        deliver(&next, m);
        explore(&next, left);
    }
    for (int i = 0; i < NODES && search.wrong == NULL; i++)
        follow(w, left, i);
}

static void drop(struct world *w, int i)
{
    for (int m = w->message_count - 1; m >= 0; m--) {
        if (w->messages[m].from == i || w->messages[m].to == i)
            w->messages[m] = w->messages[--w->message_count];
    }
}

/* Node 0 is elected and its first record committed by it and node 1; 2 hears of nothing. */
static void elect(struct world *w)
{
    (void)time_out(w, 0);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < NODES; i++)
            (void)sync(w, i);
        drop(w, 2);
        if (w->message_count > 0 && w->committed_end == 0)
            deliver(w, 0);
    }
    assert_int_equal(w->committed_end, 1);
    w->message_count = 0; /* what is under way never comes; who waits for it waits */
    for (int i = 0; i < NODES; i++)
        w->nodes[i].raft.fetching.number = 0;
}

static void search_from(const struct world *first, struct budget budget)
{
    search.seen = mem_array(&search.mem, (size_t)1 << SEEN_BITS, sizeof *search.seen);
    assert_non_null(search.seen);
    explore(first, budget);
    mem_free(&search.mem, search.seen);
    print_message("%lld states, %lld elections, %lld commits%s%s\n", (long long)search.states,
                  (long long)search.elections, (long long)search.commits,
                  search.wrong == NULL ? "" : ": ", search.wrong == NULL ? "" : search.wrong);
    assert_null(search.wrong);
    assert_true(search.states > 1000);
    assert_true(search.elections > 0);
}

static void begin(struct world *w)
{
    memset(&search, 0, sizeof search);
    mem_system(&search.mem);
    *w = (struct world){0};
    for (int i = 0; i < NODES; i++)
        born(w, i, true);
}

TEST(no_schedule_of_elections_and_a_death_elects_two)
{
    static struct world w;
    begin(&w);
    search_from(&w, (struct budget){.depth = TEST_SEARCH(10, 8), .timeouts = 3, .deaths = 1});
}

TEST(no_schedule_after_a_commit_loses_it)
{
    static struct world w;
    begin(&w);
    elect(&w);
    search_from(&w, (struct budget){.depth = 12, .timeouts = 2, .deaths = 1, .proposals = 1});
}
