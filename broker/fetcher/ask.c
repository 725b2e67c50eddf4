/* ask.c - one fetch to one leader: of all that is followed behind it, in a session (KIP-227) that
 * hears only of what has changed. What is named says where the log ends, and how much of that is on
 * the disk here: never more, for the leader takes it as stored. */
#include "fetcher/internal.h"

/* What a request is made of. */
struct draft {
    struct wire_fetch_request_topic *topics;
    struct wire_fetch_request_partition *partitions;
    struct wire_fetch_request_forgotten_topic *forgotten;
    int32_t *numbers; /* of those that are forgotten */
    int32_t partition_count, number_count;
    int32_t partition_cap, number_cap; /* what there is room for, and what may be named */
};

/* ---- what it names ---- */

static bool is_stale(const struct fetcher *f, const struct followed *p)
{
    return p->session != f->session;
}

/* Those that are new or have moved on; then those that were named before, but not to this session.
 */
static struct followed *next_unnamed(const struct fetcher *f)
{
    struct followed *p = LIST_FIRST(&f->queue, struct followed, link);
    if (p != NULL)
        return p;
    p = LIST_FIRST(&f->asked, struct followed, link);
    return p != NULL && is_stale(f, p) && !KNOWN_BUG(rest_of_session_unnamed) ? p : NULL;
}

/* Of records that it is given next; 0: it has read too far ahead of its disk. */
static int32_t bytes_wanted(const struct followed *p)
{
    const struct fetcher_settings *settings = &p->set->settings;
    uint64_t limit = (uint64_t)settings->read_ahead_bytes;
    if (p->asked.counting_end >= p->asked.end)
        return settings->partition_bytes_max;
    if (p->asked.uncounted_bytes >= limit)
        return 0;
    return (int32_t)MIN((uint64_t)settings->partition_bytes_max, limit - p->asked.uncounted_bytes);
}

/* bytes 0: it says how far its disk is, and what it has asked for stands. */
static void name_partition(struct followed *p, struct draft *d, struct wire_fetch_request *body,
                           int32_t bytes)
{
    const struct wire_uuid *id = replica_topic_id(p->replica);
    ASSERT(d->partition_count < d->partition_cap);
    struct wire_fetch_request_partition *row = &d->partitions[d->partition_count++];
    struct wire_fetch_request_topic *topic = &d->topics[MAX(body->topics_count - 1, 0)];
    if (body->topics_count == 0 || !wire_uuid_equal(&topic->topic_id, id)) {
        topic = &d->topics[body->topics_count++];
        *topic = (struct wire_fetch_request_topic){.topic_id = *id, .partitions = row};
    }
    topic->partitions_count++;
    wire_fetch_request_partition_defaults(row);
    row->partition = replica_partition(p->replica);
    row->current_leader_epoch = p->asked.leader_epoch;
    row->fetch_offset = p->asked.end;
    row->last_fetched_epoch =
        KNOWN_BUG(empty_forgets_epoch) && p->was_empty ? -1 : p->asked.last_epoch;
    if (KNOWN_BUG(epoch_of_sixteen_bits))
        row->last_fetched_epoch = (int16_t)p->asked.last_epoch;
    row->log_start_offset = p->asked.start;
    row->partition_max_bytes = bytes;
    if (!p->fetcher->reads_ahead)
        return;
    p->durable_told = MAX(p->durable_told, p->asked.durable_end); /* for a known bug alone */
    row->durable_end = KNOWN_BUG(durable_end_kept) ? p->durable_told : p->asked.durable_end;
}

/* It is asked from its end on. */
static void name_anew(struct followed *p, const struct fetcher_request *r, struct draft *d,
                      struct wire_fetch_request *body)
{
    struct fetcher *f = p->fetcher;
    int32_t bytes = bytes_wanted(p);
    p->session = f->session;
    p->number = r->number;
    p->wants = bytes > 0 || f->set->settings.partition_bytes_max == 0;
    fetcher_move(p, FOLLOWED_ASKED);
    name_partition(p, d, body, bytes);
}

/* An answer to what it has asked for may be on its way, and is taken when it comes. */
static void tell_durable_ends(struct fetcher *f, struct draft *d, struct wire_fetch_request *body)
{
    while (d->partition_count < d->partition_cap && !list_empty(&f->telling)) {
        struct followed *p = CONTAINER_OF(list_pop_front(&f->telling), struct followed, telling);
        struct replica_ends ends;
        replica_ends(p->replica, &ends);
        ASSERT(p->state == FOLLOWED_ASKED);
        ASSERT(ends.end == p->asked.end);
        p->asked = ends;
        name_partition(p, d, body, 0);
    }
}

static void name_all(struct fetcher_request *r, struct draft *d, struct wire_fetch_request *body)
{
    struct fetcher *f = r->fetcher;
    struct followed *p;
    int32_t max = MIN(d->partition_cap, f->set->settings.named_max);
    while (d->partition_count < max && (p = next_unnamed(f)) != NULL) {
        replica_ends(p->replica, &p->asked);
        fetcher_queue(p);
        if (p->state != FOLLOWED_QUEUED)
            continue; /* it cannot be asked for just now */
        name_anew(p, r, d, body);
    }
    tell_durable_ends(f, d, body);
    body->topics = d->topics;
}

/* ---- what it forgets ---- */

static void forget(struct draft *d, struct wire_fetch_request *body, const struct wire_uuid *id,
                   int32_t partition)
{
    struct wire_fetch_request_forgotten_topic *topic =
        &d->forgotten[MAX(body->forgotten_topics_data_count - 1, 0)];
    ASSERT(d->number_count < d->number_cap);
    int32_t *number = &d->numbers[d->number_count++];
    if (body->forgotten_topics_data_count == 0 || !wire_uuid_equal(&topic->topic_id, id)) {
        topic = &d->forgotten[body->forgotten_topics_data_count++];
        *topic = (struct wire_fetch_request_forgotten_topic){.topic_id = *id, .partitions = number};
    }
    *number = partition;
    topic->partitions_count++;
}

/* A session that forgets forgets last: one that has come back is not to be among them. */
static void forget_left(struct fetcher *f, struct draft *d, struct wire_fetch_request *body)
{
    int32_t max = MIN(d->number_cap, f->set->settings.named_max);
    while (d->number_count < max && !list_empty(&f->forgotten)) {
        struct forgotten *row = CONTAINER_OF(list_pop_front(&f->forgotten), struct forgotten, link);
        const struct followed *p = fetcher_find(f->set, &row->topic_id, row->partition);
        bool back = p != NULL && p->fetcher == f && p->session == f->session;
        if (!back)
            forget(d, body, &row->topic_id, row->partition);
        mem_free(f->set->mem, row);
        f->forgotten_count--;
    }
}

/* Those that ask for nothing now, and what they had asked for would be answered. */
static void forget_aside(struct fetcher *f, struct draft *d, struct wire_fetch_request *body)
{
    int32_t max = MIN(d->number_cap, f->set->settings.named_max);
    while (d->number_count < max && !list_empty(&f->aside)) {
        struct followed *p = CONTAINER_OF(list_pop_front(&f->aside), struct followed, link);
        if (!is_stale(f, p))
            forget(d, body, replica_topic_id(p->replica), replica_partition(p->replica));
        p->session = 0;
    }
}

/* ---- the request ---- */

/* What is asked of one leader, so that the answers of all have room. */
static int32_t bytes_of_answer(const struct fetcher_set *set)
{
    int64_t part = set->settings.bytes_max / MAX(set->fetcher_count, 1);
    return (int32_t)MIN(set->settings.response_bytes_max, MAX(part, FETCHER_BYTES_MIN));
}

/* Who is not named yet is not to wait for those who are, and a session is to be had at once.
 * Without one none is ever named for good: they take turns. */
static int32_t wait_ms_of(const struct fetcher *f, bool anew)
{
    int32_t wait_ms = (int32_t)MIN(f->set->settings.wait_ms_max, INT32_MAX);
    bool all = next_unnamed(f) == NULL && list_empty(&f->forgotten) && list_empty(&f->aside) &&
               list_empty(&f->telling);
    if (f->refused)
        return wait_ms / (1 + f->followed_count / f->set->settings.named_max);
    return all && !anew ? wait_ms : 0;
}

/* Its place in the session, or a new one. */
static void enter_session(struct fetcher_request *r, struct wire_fetch_request *body)
{
    struct fetcher *f = r->fetcher;
    r->anew = f->session_epoch == 0;
    if (r->anew) {
        fetcher_begin_anew(f);
        f->broker_epoch = f->set->watch->broker_epoch(f->set->watch);
    }
    r->session = f->session;
    body->session_id = f->session_id;
    body->session_epoch = f->session_epoch;
    if (!r->anew)
        f->session_epoch = f->session_epoch == INT32_MAX ? 1 : f->session_epoch + 1;
}

/* A leader that is told only of what has changed does not learn that what is quiet is followed by
 * another life now, and would not let it in (KIP-903): all of it is named anew. */
static void note_life(struct fetcher *f)
{
    if (f->session_epoch > 0 && f->broker_epoch != f->set->watch->broker_epoch(f->set->watch))
        f->session_epoch = 0;
}

static void fill(struct fetcher_request *r, int16_t version, struct draft *d,
                 struct wire_fetch_request *body)
{
    struct fetcher *f = r->fetcher;
    const struct fetcher_set *set = f->set;
    wire_fetch_request_defaults(body);
    fetcher_look_ahead(f);
    enter_session(r, body);
    forget_aside(f, d, body);
    name_all(r, d, body);
    forget_left(f, d, body);
    body->forgotten_topics_data = d->forgotten;
    ASSERT(!r->anew || body->forgotten_topics_data_count == 0);
    if (version >= 15) {
        body->replica_state.replica_id = set->settings.node_id;
        body->replica_state.replica_epoch = set->watch->broker_epoch(set->watch);
    } else {
        body->replica_id = set->settings.node_id;
    }
    body->max_bytes = bytes_of_answer(set);
    body->min_bytes = set->settings.bytes_min;
    body->max_wait_ms = wait_ms_of(f, r->anew);
}

static int32_t count_up_to_limit(const struct list *list, int32_t count)
{
    for (const struct list *at = list->next; at != list && count < FETCHER_NAMED_MAX; at = at->next)
        count++;
    return count;
}

/* So many name_all may name, and tell_durable_ends; a request that begins a session names all. */
static int32_t count_unnamed(const struct fetcher *f)
{
    if (f->session_epoch == 0)
        return MIN(f->followed_count, FETCHER_NAMED_MAX);
    int32_t count = count_up_to_limit(&f->queue, 0);
    count = count_up_to_limit(&f->telling, count);
    LIST_EACH (p, &f->asked, struct followed, link) {
        if (!is_stale(f, p) || count == FETCHER_NAMED_MAX)
            break;
        count++;
    }
    return count;
}

/* For no more than there can be: most requests name one or two, and each row is cleared. What comes
 * meanwhile has no room, and is for the next one. */
static bool make_draft(struct fetcher *f, struct draft *d)
{
    struct arena *arena = &f->draft;
    d->partition_cap = count_unnamed(f);
    d->number_cap = count_up_to_limit(&f->aside, MIN(f->forgotten_count, FETCHER_NAMED_MAX));
    const size_t named = (size_t)d->partition_cap + 1, left = (size_t)d->number_cap + 1;
    d->topics = arena_alloc(arena, named * sizeof *d->topics);
    d->partitions = arena_alloc(arena, named * sizeof *d->partitions);
    d->forgotten = arena_alloc(arena, left * sizeof *d->forgotten);
    d->numbers = arena_alloc(arena, left * sizeof *d->numbers);
    return d->topics != NULL && d->partitions != NULL && d->forgotten != NULL && d->numbers != NULL;
}

static enum err encode(struct peers_request *request, int16_t version, struct wire_out *out)
{
    struct fetcher_request *r = CONTAINER_OF(request, struct fetcher_request, peers);
    struct fetcher *f = r->fetcher;
    struct wire_fetch_request body;
    struct draft draft = {0};
    if (version < FETCHER_VERSION_MIN)
        return ERR_UNSUPPORTED;
    r->session = f->session;
    if (!make_draft(f, &draft)) {
        arena_reset(&f->draft);
        return ERR_NOMEM;
    }
    fill(r, version, &draft, &body);
    enum err e = wire_encode(&wire_fetch_request_message, version, &body, out);
    arena_reset(&f->draft);
    ASSERT(e == ERR_NONE || e == ERR_NOMEM);
    return e;
}

/* Whether the leader has seen the request or not: its session may be anywhere. Those that went with
 * it are lost with it. */
static void on_lost(struct peers_request *request, enum err why)
{
    struct fetcher_request *r = CONTAINER_OF(request, struct fetcher_request, peers);
    struct fetcher *f = r->fetcher;
    bool first = r->session == f->session;
    fetcher_request_end(r);
    if (first) {
        fetcher_begin_anew(f);
        fetcher_pause(f, true);
        fetcher_tell(f->set, &f->told, "broker %d does not answer fetches: %s; it is asked again",
                     (int)f->leader, err_text(why));
    }
    fetcher_go_on(f);
}

struct fetcher_request *fetcher_first_request(struct fetcher *f)
{
    struct fetcher_request *first = NULL;
    for (int i = 0; i < FETCHER_REQUESTS_MAX; i++) {
        struct fetcher_request *r = &f->requests[i];
        if (r->busy && (first == NULL || r->number < first->number))
            first = r;
    }
    return first;
}

/* In a session that the leader has given. */
bool fetcher_may_double(struct fetcher *f)
{
    int32_t busy_count = 0;
    for (int i = 0; i < FETCHER_REQUESTS_MAX; i++)
        busy_count += f->requests[i].busy;
    return f->session_epoch > 0 &&
           busy_count < (f->reads_ahead ? FETCHER_REQUESTS_MAX : FETCHER_REQUESTS_PLAIN);
}

void fetcher_request_end(struct fetcher_request *r)
{
    peers_cancel(&r->peers);
    buf_release(r->body.buf);
    r->body = (struct slice){0};
    r->busy = false;
}

static struct fetcher_request *free_request(struct fetcher *f)
{
    for (int i = 0; i < FETCHER_REQUESTS_MAX; i++) {
        if (!f->requests[i].busy)
            return &f->requests[i];
    }
    UNREACHABLE(); /* fetcher_may_double */
}

void fetcher_ask(struct fetcher *f)
{
    struct fetcher_request *r = free_request(f);
    ASSERT(!f->answering);
    note_life(f);
    r->busy = true;
    r->number = ++f->number;
    r->session = f->session;
    r->sent_ns = env_now(f->set->env);
    f->round++;
    f->awaited_count = 0;
    r->peers = (struct peers_request){.key = FETCHER_FETCH,
                                      .purpose = PEERS_REPLICA,
                                      .encode = encode,
                                      .answered = fetcher_answered,
                                      .lost = on_lost};
    peers_send(f->set->peers, f->leader, &r->peers);
}
