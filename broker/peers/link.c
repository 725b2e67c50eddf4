/* link.c - one connection to a node: when it is made, and when it is given up. What waits for it
 * waits no longer than a request may take. */
#include "peers/internal.h"

static const struct state states[] = {
    [LINK_DOWN] = {"down", TO(LINK_CONNECTING)},
    [LINK_CONNECTING] = {"connecting", TO(LINK_ASKING) | TO(LINK_DOWN) | TO(LINK_ABANDONED)},
    [LINK_ASKING] = {"asking", TO(LINK_UP) | TO(LINK_CLOSING) | TO(LINK_DOWN)},
    [LINK_UP] = {"up", TO(LINK_CLOSING) | TO(LINK_DOWN)},
    [LINK_CLOSING] = {"closing", TO(LINK_DOWN)},
    [LINK_ABANDONED] = {"abandoned", 0},
};

static void move(struct peers_link *l, enum link_state next)
{
    STATE_MOVE(states, &l->state, next);
}

static void link_free(struct peers_link *l)
{
    ASSERT(list_empty(&l->asks));
    ASSERT(l->versions == NULL);
    env_disarm(l->peers->env, &l->timer);
    list_remove(&l->link);
    mem_free(l->peers->mem, l);
}

static void on_timer(struct env_timer *timer);

static struct peers_link *link_new(struct peers *p, int32_t node, enum peers_purpose purpose)
{
    struct peers_link *l = mem_zalloc(p->mem, sizeof *l);
    if (l == NULL)
        return NULL;
    l->peers = p;
    l->node = node;
    l->purpose = purpose;
    l->timer.fire = on_timer;
    list_init(&l->asks);
    list_init(&l->link);
    list_push_back(&p->links, &l->link);
    return l;
}

struct peers_link *peers_link_get(struct peers *p, int32_t node, enum peers_purpose purpose)
{
    LIST_EACH (l, &p->links, struct peers_link, link) {
        if (l->node == node && l->purpose == purpose && l->state != LINK_ABANDONED)
            return l;
    }
    return link_new(p, node, purpose);
}

/* ---- down ---- */

/* From the env's chance, so that nodes that lost each other do not come back in step. The first
 * pauses are short: of nodes that start together one is not there yet, and of one that was up it is
 * good to know soon that nobody listens there any more. */
static void back_off(struct peers_link *l)
{
    const struct peers_settings *settings = &l->peers->settings;
    int64_t pause = settings->backoff_ns / PEERS_BACKOFF_FIRST;
    for (int32_t i = 0; i < l->failure_count && pause < settings->backoff_ns_max; i++)
        pause *= 2;
    pause = MIN(pause, settings->backoff_ns_max);
    int64_t spread = pause / 100 * PEERS_JITTER_PERCENT;
    uint64_t key = (uint64_t)(int64_t)l->node * PEERS_PURPOSE_COUNT + (uint64_t)l->purpose;
    uint64_t bits = env_random(l->peers->env, "peers/reconnect", key);
    l->retry_ns = env_now(l->peers->env) + pause + random_between(bits, -spread, spread);
}

/* Those that no connection has. */
static void lose_waiting(struct peers_link *l, enum err why)
{
    LIST_EACH (ask, &l->asks, struct peers_ask, link) {
        if (!ask->sent)
            peers_ask_lose(ask, why);
    }
}

/* Those that waited for a connection that could not be made wait no longer; those that came when
 * one was lost wait for the next. */
static void went_down(struct peers_link *l, enum err why)
{
    bool was_up = l->state == LINK_UP || l->state == LINK_CLOSING;
    move(l, LINK_DOWN);
    if (l->peers->closing != NULL) {
        struct peers *p = l->peers;
        lose_waiting(l, ERR_CANCELLED);
        link_free(l);
        peers_closed_some(p);
        return;
    }
    if (!was_up) {
        l->failure_count++;
        lose_waiting(l, why);
    }
    back_off(l);
    peers_link_keep_time(l);
}

void peers_link_closed(struct conn *conn, enum err e)
{
    struct peers_link *l = CONTAINER_OF(conn, struct peers_link, conn);
    ASSERT(l->versions == NULL);
    went_down(l, e);
}

static void close_conn(struct peers_link *l, enum err why)
{
    ASSERT(l->state == LINK_ASKING || l->state == LINK_UP);
    /* Who could not say what it speaks has not been up: the next try is later. */
    if (l->state == LINK_ASKING) {
        l->failure_count++;
        lose_waiting(l, why);
    }
    move(l, LINK_CLOSING);
    conn_close(&l->conn, why);
}

void peers_link_break(struct peers_link *l, enum err why)
{
    if (l->state == LINK_ASKING || l->state == LINK_UP)
        close_conn(l, why);
}

/* ---- up ---- */

static void on_stream_closed(struct env_op *op, enum err e, uint64_t n)
{
    struct peers_link *l = CONTAINER_OF(op, struct peers_link, closing);
    struct peers *p = l->peers;
    (void)e;
    (void)n;
    link_free(l);
    peers_closed_some(p);
}

static void on_abandoned(struct peers_link *l, enum err e, env_stream stream)
{
    struct peers *p = l->peers;
    if (e == ERR_NONE) {
        env_close(p->env, &l->closing, stream, on_stream_closed);
        return;
    }
    link_free(l);
    peers_closed_some(p);
}

static void begin_conn(struct peers_link *l, env_stream stream)
{
    struct peers *p = l->peers;
    struct conn_limits limits = {
        .frame_bytes_max = p->settings.frame_bytes_max,
        .in_flight_bytes = INT64_MAX,
        .idle_ns_max = p->settings.idle_ns_max,
    };
    move(l, LINK_ASKING);
    l->conn = (struct conn){.filtering = p->settings.filtering};
    conn_start(&l->conn, CONN_CLIENT, p->env, p->mem, p->trace, stream, &limits, &peers_conn_owner);
    enum err e = conn_is_open(&l->conn) ? peers_ask_versions(l, PEERS_API_VERSIONS_ASKED)
                                        : ERR_NOMEM; /* there was none to receive into */
    if (e != ERR_NONE)
        close_conn(l, e);
}

static void on_connected(struct env_op *op, enum err e, uint64_t n)
{
    struct peers_link *l = CONTAINER_OF(op, struct peers_link, connecting);
    if (l->state == LINK_ABANDONED)
        on_abandoned(l, e, n);
    else if (e != ERR_NONE)
        went_down(l, e);
    else
        begin_conn(l, n);
}

static void connect(struct peers_link *l)
{
    const struct peers_node *node = peers_node(l->peers, l->node);
    ASSERT(node != NULL);
    move(l, LINK_CONNECTING);
    memcpy(l->host, node->host, sizeof l->host);
    env_connect(l->peers->env, &l->connecting, l->host, node->port, on_connected);
}

/* Connecting takes too long, and cannot be cancelled: it ends aside, and another takes its place.
 */
static void abandon(struct peers_link *l, enum err why)
{
    struct peers *p = l->peers;
    struct peers_link *next = NULL;
    lose_waiting(l, why);
    if (p->closing == NULL)
        next = link_new(p, l->node, l->purpose);
    if (next == NULL && p->closing == NULL)
        return; /* no memory: it goes on */
    move(l, LINK_ABANDONED);
    env_disarm(p->env, &l->timer);
    if (next == NULL)
        return;
    next->failure_count = l->failure_count + 1;
    back_off(next);
}

void peers_link_up(struct peers_link *l, const struct wire_api_versions_response *says)
{
    l->api_count = 0;
    for (int32_t i = 0; i < says->api_keys_count && l->api_count < PEERS_APIS_MAX; i++) {
        const struct wire_api_versions_response_api_key *k = &says->api_keys[i];
        l->apis[l->api_count++] = (struct peers_versions){
            .key = k->api_key, .oldest = k->min_version, .newest = k->max_version};
    }
    move(l, LINK_UP);
    l->failure_count = 0;
    LIST_EACH (ask, &l->asks, struct peers_ask, link) {
        if (!ask->sent && conn_is_open(&l->conn))
            peers_ask_send(ask);
    }
    peers_link_keep_time(l);
}

/* ---- time ---- */

void peers_link_keep_time(struct peers_link *l)
{
    const struct peers_ask *oldest = LIST_FIRST(&l->asks, struct peers_ask, link);
    if (oldest == NULL || l->state == LINK_CLOSING || l->state == LINK_ABANDONED) {
        env_disarm(l->peers->env, &l->timer);
        return;
    }
    int64_t at_ns = oldest->deadline_ns;
    if (l->state == LINK_DOWN)
        at_ns = MIN(at_ns, l->retry_ns);
    if (!env_armed(&l->timer) || l->timer.deadline_ns != at_ns)
        env_arm(l->peers->env, &l->timer, at_ns);
}

static void give_up(struct peers_link *l)
{
    switch (l->state) {
    case LINK_DOWN:
        peers_ask_lose(LIST_FIRST(&l->asks, struct peers_ask, link), ERR_TIMEOUT);
        return;
    case LINK_CONNECTING:
        abandon(l, ERR_TIMEOUT);
        return;
    case LINK_ASKING:
    case LINK_UP:
        close_conn(l, ERR_TIMEOUT);
        return;
    case LINK_CLOSING:
    case LINK_ABANDONED:
        return;
    }
    UNREACHABLE();
}

static void on_timer(struct env_timer *timer)
{
    struct peers_link *l = CONTAINER_OF(timer, struct peers_link, timer);
    const struct peers_ask *oldest = LIST_FIRST(&l->asks, struct peers_ask, link);
    int64_t now_ns = env_now(l->peers->env);
    if (oldest != NULL && oldest->deadline_ns <= now_ns)
        give_up(l);
    if (l->state == LINK_DOWN && !list_empty(&l->asks) && l->retry_ns <= now_ns)
        connect(l);
    if (l->state != LINK_ABANDONED)
        peers_link_keep_time(l);
}

/* ---- requests ---- */

void peers_link_take(struct peers_link *l, struct peers_ask *ask)
{
    list_push_back(&l->asks, &ask->link);
    l->ask_count++;
    if (l->state == LINK_UP && conn_is_open(&l->conn))
        peers_ask_send(ask);
    else if (l->state == LINK_DOWN && l->retry_ns <= env_now(l->peers->env))
        connect(l);
    peers_link_keep_time(l);
}

void peers_link_end(struct peers_link *l, enum err why)
{
    switch (l->state) {
    case LINK_DOWN:
        lose_waiting(l, why);
        link_free(l);
        return;
    case LINK_CONNECTING:
        abandon(l, why);
        return;
    case LINK_ASKING:
    case LINK_UP:
        lose_waiting(l, why);
        close_conn(l, why);
        return;
    case LINK_CLOSING:
        lose_waiting(l, why);
        return;
    case LINK_ABANDONED:
        return;
    }
    UNREACHABLE();
}
