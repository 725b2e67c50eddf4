/* fetcher.c - which partitions are followed behind whom, and when the next request goes out. */
#include <stdarg.h>
#include "fetcher/internal.h"

/* What fetcher_queue makes of each of them. */
#define ONWARDS (TO(FOLLOWED_QUEUED) | TO(FOLLOWED_SYNCING) | TO(FOLLOWED_RESTING))

static const struct state states[] = {
    [FOLLOWED_RESTING] = {"resting", ONWARDS},
    [FOLLOWED_QUEUED] = {"queued", ONWARDS | TO(FOLLOWED_ASKED)},
    [FOLLOWED_ASKED] = {"asked", ONWARDS | TO(FOLLOWED_TAKING) | TO(FOLLOWED_FINDING) |
                                     TO(FOLLOWED_DELAYED)},
    [FOLLOWED_TAKING] = {"taking", ONWARDS | TO(FOLLOWED_ASKED) | TO(FOLLOWED_DELAYED)},
    [FOLLOWED_SYNCING] = {"syncing", ONWARDS},
    [FOLLOWED_FINDING] = {"finding", ONWARDS | TO(FOLLOWED_TAKING) | TO(FOLLOWED_DELAYED)},
    [FOLLOWED_DELAYED] = {"delayed", ONWARDS},
};

void fetcher_tell(struct fetcher_set *set, bool *told, const char *format, ...)
{
    struct errmsg msg = {{0}};
    va_list args;
    if (*told)
        return;
    *told = true;
    va_start(args, format);
    errmsg_vset(&msg, format, args);
    va_end(args);
    set->watch->tell(set->watch, msg.text);
}

/* ---- states ---- */

/* The next request waits for it. */
static bool is_awaited(const struct followed *p)
{
    bool busy = p->state == FOLLOWED_TAKING || p->state == FOLLOWED_SYNCING;
    return busy && p->round == p->fetcher->round;
}

static bool is_named(const struct followed *p)
{
    return p->session != 0 && p->session == p->fetcher->session;
}

static struct list *list_of(const struct followed *p)
{
    struct fetcher *f = p->fetcher;
    switch (p->state) {
    case FOLLOWED_QUEUED:
        return &f->queue;
    case FOLLOWED_ASKED:
        return &f->asked;
    case FOLLOWED_FINDING:
        return &f->finding;
    case FOLLOWED_RESTING:
    case FOLLOWED_TAKING:
    case FOLLOWED_SYNCING:
    case FOLLOWED_DELAYED:
        return is_named(p) ? &f->aside : NULL;
    }
    UNREACHABLE();
}

/* What counts here has moved since the leader was told. */
static bool has_news(const struct followed *p, const struct replica_ends *ends)
{
    return p->state == FOLLOWED_ASKED && p->fetcher->reads_ahead && is_named(p) &&
           ends->counting_end != p->asked.counting_end && !KNOWN_BUG(durable_end_not_told);
}

/* Out of its fetcher's hands, or into them. */
static void take_out(struct followed *p)
{
    list_remove(&p->link);
    list_remove(&p->telling);
    if (p->delayed.queued)
        heap_remove(&p->fetcher->delayed, &p->delayed);
    p->fetcher->awaited_count -= is_awaited(p);
    if (p->fetcher->found_for == p) { /* its answer is nobody's */
        p->fetcher->found_for = NULL;
        peers_cancel(&p->fetcher->find);
    }
}

static void put_in(struct followed *p)
{
    struct list *list = list_of(p);
    struct replica_ends ends;
    p->fetcher->awaited_count += is_awaited(p);
    if (list != NULL)
        list_push_back(list, &p->link);
    replica_ends(p->replica, &ends);
    if (has_news(p, &ends))
        list_push_back(&p->fetcher->telling, &p->telling);
    if (p->state == FOLLOWED_DELAYED)
        heap_insert(&p->fetcher->delayed, &p->delayed);
}

void fetcher_move(struct followed *p, enum followed_state state)
{
    take_out(p);
    STATE_MOVE(states, &p->state, state);
    put_in(p);
    ASSERT(p->fetcher->awaited_count >= 0);
}

/* Without a session for this broker a leader would be told of a durable end by the next fetch
 * alone, which is parked. */
void fetcher_look_ahead(struct fetcher *f)
{
    const struct fetcher_set *set = f->set;
    f->reads_ahead = !f->refused && set->settings.read_ahead_bytes > 0 &&
                     set->watch->takes_durable_end(set->watch, f->leader);
}

/* An offset that is asked from says that all before it counts here; to who is told the durable end
 * besides, that it is written. */
static bool may_ask(const struct followed *p, const struct replica_ends *ends)
{
    return ends->counting_end >= ends->end ||
           (p->fetcher->reads_ahead && ends->written_end >= ends->end);
}

void fetcher_queue(struct followed *p)
{
    struct replica_ends ends;
    replica_ends(p->replica, &ends);
    if (ends.leader_epoch < 0)
        fetcher_move(p, FOLLOWED_RESTING);
    else
        fetcher_move(p, may_ask(p, &ends) ? FOLLOWED_QUEUED : FOLLOWED_SYNCING);
}

/* What has come to nothing comes to something soon, or to nothing for long. */
static int64_t pause_ms(const struct fetcher_set *set, bool soon, int32_t *count)
{
    int64_t longest = set->settings.backoff_ms;
    int64_t pause = FETCHER_PAUSE_FIRST_MS;
    for (int32_t i = 0; i < *count && pause < longest; i++)
        pause *= 2;
    *count += soon && pause < longest;
    return soon ? MIN(pause, longest) : longest;
}

void fetcher_delay(struct followed *p, bool soon)
{
    struct fetcher_set *set = p->set;
    p->due_ns = env_now(set->env) + ENV_NS_OF_MS(pause_ms(set, soon, &p->soon_count));
    p->sequence = set->sequence++;
    fetcher_move(p, FOLLOWED_DELAYED);
}

static bool is_due_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct followed *x = CONTAINER_OF(a, struct followed, delayed);
    const struct followed *y = CONTAINER_OF(b, struct followed, delayed);
    return x->due_ns != y->due_ns ? x->due_ns < y->due_ns : x->sequence < y->sequence;
}

/* ---- when the next request goes out ---- */

void fetcher_pause(struct fetcher *f, bool soon)
{
    const struct fetcher_set *set = f->set;
    int64_t pause = pause_ms(set, soon, &f->soon_count);
    f->paused_until_ns = env_now(set->env) + ENV_NS_OF_MS(pause);
}

static void forget_all(struct fetcher *f)
{
    LIST_EACH (row, &f->forgotten, struct forgotten, link) {
        list_remove(&row->link);
        mem_free(f->set->mem, row);
    }
    f->forgotten_count = 0;
}

/* Those in aside are in no session any more, and leave the list when they are looked at. */
void fetcher_begin_anew(struct fetcher *f)
{
    SOMETIMES(f->set->settings.trace, FOLLOWER_SESSION_LOST, f->session > 1);
    f->session++;
    f->session_epoch = 0;
    forget_all(f);
}

static void wake_delayed(struct fetcher *f)
{
    int64_t now_ns = env_now(f->set->env);
    for (int i = 0; i < FETCHER_STEP && !heap_empty(&f->delayed); i++) {
        struct followed *p = CONTAINER_OF(heap_min(&f->delayed), struct followed, delayed);
        if (p->due_ns > now_ns)
            return;
        fetcher_queue(p);
    }
}

/* What was taken just now is soon to be asked for again: together with all, unless it takes long.
 */
static int64_t ask_at_ns(struct fetcher *f)
{
    const struct fetcher_request *before = fetcher_first_request(f);
    bool news = !list_empty(&f->queue) || !list_empty(&f->telling);
    bool some = before == NULL ? news || !list_empty(&f->asked) : news && fetcher_may_double(f);
    if (!some || f->answering)
        return INT64_MAX;
    int64_t at_ns = MAX(f->paused_until_ns, f->awaited_count > 0 ? f->settle_ns : 0);
    bool at_once = before == NULL || f->reads_ahead;
    return at_once ? at_ns : MAX(at_ns, before->sent_ns + FETCHER_PARKED_NS);
}

static void keep_time(struct fetcher *f)
{
    struct env *env = f->set->env;
    int64_t now_ns = env_now(env);
    int64_t at_ns = ask_at_ns(f);
    if (!heap_empty(&f->delayed)) {
        struct heap_node *least = heap_min(&f->delayed);
        at_ns = MIN(at_ns, CONTAINER_OF(least, struct followed, delayed)->due_ns);
    }
    if (at_ns == INT64_MAX)
        env_disarm(env, &f->timer);
    else if (!env_armed(&f->timer) || f->timer.deadline_ns != at_ns)
        env_arm(env, &f->timer, MAX(at_ns, now_ns));
}

/* Its log counts further, or the replica follows no more. */
static void on_moved(struct replica_follow_watch *watch)
{
    struct followed *p = CONTAINER_OF(watch, struct followed, watch);
    struct replica_ends ends;
    if (p->fetcher == NULL || p->state == FOLLOWED_TAKING)
        return;
    replica_ends(p->replica, &ends);
    bool is_behind = p->state == FOLLOWED_SYNCING || (p->state == FOLLOWED_ASKED && !p->wants);
    bool is_cut = p->state == FOLLOWED_ASKED && ends.end != p->asked.end;
    if (ends.leader_epoch < 0 && p->state != FOLLOWED_RESTING)
        fetcher_move(p, FOLLOWED_RESTING);
    else if (ends.leader_epoch >= 0 && (is_behind || is_cut))
        fetcher_queue(p);
    else if (has_news(p, &ends) && !list_linked(&p->telling))
        list_push_back(&p->fetcher->telling, &p->telling);
    else
        return;
    /* As an event of its own: a round of syncs ends for many at once. */
    if (ask_at_ns(p->fetcher) <= env_now(p->set->env))
        env_arm(p->set->env, &p->fetcher->timer, env_now(p->set->env));
    else
        keep_time(p->fetcher);
}

void fetcher_go_on(struct fetcher *f)
{
    if (f->stepping)
        return; /* it comes here when it has taken what it can */
    fetcher_look_ahead(f);
    if (f->followed_count == 0) { /* it goes, as an event of its own */
        env_arm(f->set->env, &f->step, env_now(f->set->env));
        return;
    }
    wake_delayed(f);
    fetcher_seek_on(f);
    if (ask_at_ns(f) <= env_now(f->set->env))
        fetcher_ask(f);
    keep_time(f);
}

static void on_timer(struct env_timer *timer)
{
    fetcher_go_on(CONTAINER_OF(timer, struct fetcher, timer));
}

/* ---- leaders ---- */

static void fetcher_free(struct fetcher *f)
{
    struct fetcher_set *set = f->set;
    ASSERT(f->followed_count == 0);
    ASSERT(f->take_count == 0);
    for (int i = 0; i < FETCHER_REQUESTS_MAX; i++)
        fetcher_request_end(&f->requests[i]);
    peers_cancel(&f->find);
    fetcher_drop_answer(f);
    arena_free(&f->arena);
    arena_free(&f->draft);
    forget_all(f);
    env_disarm(set->env, &f->timer);
    env_disarm(set->env, &f->step);
    list_remove(&f->link);
    set->fetcher_count--;
    mem_free(set->mem, f);
}

/* It goes when nothing of it is under way: a fetch that is parked would hold up those that come
 * behind it, should somebody be followed there again. */
static bool is_over(struct fetcher *f)
{
    bool waits = fetcher_first_request(f) != NULL && !f->set->closed;
    return f->followed_count == 0 && f->take_count == 0 && !waits;
}

static void on_step(struct env_timer *timer)
{
    struct fetcher *f = CONTAINER_OF(timer, struct fetcher, step);
    struct fetcher_set *set = f->set;
    if (f->answering) /* what is not followed any more is passed over */
        fetcher_take_some(f);
    if (f->followed_count > 0) {
        fetcher_go_on(f);
    } else if (is_over(f)) {
        fetcher_free(f);
        fetcher_ended_some(set);
    }
}

static struct fetcher *fetcher_new(struct fetcher_set *set, int32_t leader)
{
    struct fetcher *f = mem_zalloc(set->mem, sizeof *f);
    if (f == NULL)
        return NULL;
    f->set = set;
    f->leader = leader;
    f->session = f->round = 1;
    f->timer.fire = on_timer;
    f->step.fire = on_step;
    list_init(&f->queue);
    list_init(&f->asked);
    list_init(&f->aside);
    list_init(&f->finding);
    list_init(&f->telling);
    list_init(&f->forgotten);
    heap_init(&f->delayed, is_due_before);
    arena_init(&f->arena, set->held, FETCHER_ARENA_BYTES);
    arena_init(&f->draft, set->held, FETCHER_ARENA_BYTES);
    for (int i = 0; i < FETCHER_REQUESTS_MAX; i++)
        f->requests[i].fetcher = f;
    list_init(&f->link);
    list_push_back(&set->fetchers, &f->link);
    set->fetcher_count++;
    return f;
}

static struct fetcher *fetcher_get(struct fetcher_set *set, int32_t leader)
{
    LIST_EACH (f, &set->fetchers, struct fetcher, link) {
        if (f->leader == leader)
            return f;
    }
    return fetcher_new(set, leader);
}

/* ---- partitions ---- */

struct key {
    const struct wire_uuid *topic_id;
    int32_t partition;
};

static uint64_t hash_key(const struct wire_uuid *topic_id, int32_t partition)
{
    return hash_combine(get_u64(topic_id->b) ^ get_u64(topic_id->b + 8), (uint64_t)partition);
}

static bool equal_key(const void *key, const struct hmap_node *node)
{
    const struct key *k = key;
    const struct replica *r = CONTAINER_OF(node, struct followed, node)->replica;
    return k->partition == replica_partition(r) &&
           wire_uuid_equal(k->topic_id, replica_topic_id(r));
}

struct followed *fetcher_find(const struct fetcher_set *set, const struct wire_uuid *topic_id,
                              int32_t partition)
{
    struct key key = {.topic_id = topic_id, .partition = partition};
    struct hmap_node *node = hmap_find(&set->map, hash_key(topic_id, partition), &key);
    return node == NULL ? NULL : CONTAINER_OF(node, struct followed, node);
}

/* Its session would go on answering for it: it is told that nobody asks, or begins anew. */
static void leave_session(struct followed *p)
{
    struct fetcher *f = p->fetcher;
    if (!is_named(p))
        return;
    struct forgotten *row = mem_zalloc(f->set->mem, sizeof *row);
    if (row == NULL) {
        fetcher_begin_anew(f);
        return;
    }
    row->topic_id = *replica_topic_id(p->replica);
    row->partition = replica_partition(p->replica);
    list_init(&row->link);
    list_push_back(&f->forgotten, &row->link);
    f->forgotten_count++;
}

/* It is no more its fetcher's; it may still be taken. */
static void leave(struct followed *p)
{
    struct fetcher *f = p->fetcher;
    if (p->state != FOLLOWED_TAKING)
        fetcher_move(p, FOLLOWED_RESTING);
    leave_session(p);
    take_out(p);
    p->session = p->round = 0;
    p->fetcher = NULL;
    f->followed_count--;
    fetcher_go_on(f);
}

static void enter(struct followed *p, struct fetcher *f)
{
    p->fetcher = f;
    f->followed_count++;
    put_in(p);
}

static struct followed *followed_new(struct fetcher_set *set, struct replica *replica)
{
    struct followed *p = mem_zalloc(set->mem, sizeof *p);
    if (p == NULL)
        return NULL;
    list_init(&p->link);
    list_init(&p->telling);
    p->set = set;
    p->replica = replica_hold(replica);
    p->watch.moved = on_moved;
    replica_follow_watch(replica, &p->watch);
    hmap_insert(&set->map, hash_key(replica_topic_id(replica), replica_partition(replica)),
                &p->node);
    return p;
}

static void followed_free(struct followed *p)
{
    struct mem *mem = p->set->mem;
    replica_let_go(p->replica);
    mem_free(mem, p);
}

/* In another epoch than it was asked for, it is asked for again (P-2). */
static void ask_anew(struct followed *p)
{
    struct replica_ends ends;
    replica_ends(p->replica, &ends);
    bool same = ends.leader_epoch >= 0 && ends.leader_epoch == p->asked.leader_epoch;
    p->soon_count = same ? p->soon_count : 0;
    if (KNOWN_BUG(stale_answer_taken) && p->state == FOLLOWED_ASKED)
        return;
    if (p->state == FOLLOWED_RESTING || (p->state != FOLLOWED_TAKING && !same))
        fetcher_queue(p);
}

enum err fetcher_follow(struct fetcher_set *set, struct replica *replica, int32_t leader)
{
    ASSERT(!set->closed);
    struct fetcher *f = fetcher_get(set, leader);
    struct followed *p = fetcher_find(set, replica_topic_id(replica), replica_partition(replica));
    if (f == NULL)
        return ERR_NOMEM;
    if (p != NULL && p->fetcher != f)
        leave(p);
    if (p == NULL)
        p = followed_new(set, replica);
    if (p == NULL) {
        fetcher_go_on(f); /* it may have been made for nothing */
        return ERR_NOMEM;
    }
    if (p->fetcher == NULL)
        enter(p, f);
    ask_anew(p);
    fetcher_go_on(f);
    return ERR_NONE;
}

void fetcher_left(struct followed *p)
{
    struct fetcher_set *set = p->set;
    ASSERT(p->fetcher == NULL);
    ASSERT(set->leaving_count > 0);
    set->leaving_count--;
    followed_free(p);
}

static void unfollow(struct followed *p)
{
    leave(p);
    hmap_remove(&p->set->map, &p->node);
    replica_follow_watch(p->replica, NULL);
    if (p->state == FOLLOWED_TAKING)
        p->set->leaving_count++;
    else
        followed_free(p);
}

void fetcher_unfollow(struct fetcher_set *set, struct replica *replica)
{
    struct followed *p = fetcher_find(set, replica_topic_id(replica), replica_partition(replica));
    if (p != NULL)
        unfollow(p);
}

/* ---- the set ---- */

enum err fetcher_set_new(struct fetcher_set **out, struct env *env, struct mem *mem,
                         struct mem *held, struct peers *peers,
                         const struct fetcher_settings *settings, struct fetcher_watch *watch)
{
    ASSERT(settings->backoff_ms >= 0);
    ASSERT(settings->response_bytes_max >= 0);
    struct fetcher_set *set = mem_zalloc(mem, sizeof *set);
    if (set == NULL)
        return ERR_NOMEM;
    *set = (struct fetcher_set){.env = env,
                                .mem = mem,
                                .held = held,
                                .peers = peers,
                                .settings = *settings,
                                .watch = watch};
    if (settings->named_max <= 0 || settings->named_max > FETCHER_NAMED_MAX)
        set->settings.named_max = FETCHER_NAMED_MAX;
    list_init(&set->fetchers);
    if (hmap_init(&set->map, mem, equal_key) != ERR_NONE) {
        mem_free(mem, set);
        return ERR_NOMEM;
    }
    *out = set;
    return ERR_NONE;
}

void fetcher_ended_some(struct fetcher_set *set)
{
    struct fetcher_op *op = set->closing;
    if (op == NULL || !list_empty(&set->fetchers))
        return;
    ASSERT(set->leaving_count == 0);
    set->closing = NULL;
    op->done(op);
}

void fetcher_set_close(struct fetcher_set *set, struct fetcher_op *op, fetcher_done *done)
{
    ASSERT(!set->closed);
    op->done = done;
    set->closed = true;
    set->closing = op;
    LIST_EACH (p, &set->map.order, struct followed, node.order)
        unfollow(p);
    /* One that nobody is followed at any more waits for its last request, and need not now. */
    LIST_EACH (f, &set->fetchers, struct fetcher, link)
        fetcher_go_on(f);
    fetcher_ended_some(set);
}

void fetcher_set_free(struct fetcher_set *set)
{
    if (set == NULL)
        return;
    ASSERT(list_empty(&set->fetchers));
    ASSERT(set->map.count == 0);
    hmap_free(&set->map);
    mem_free(set->mem, set);
}

int32_t fetcher_count(const struct fetcher_set *set)
{
    return set->fetcher_count;
}
