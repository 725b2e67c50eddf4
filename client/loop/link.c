/* link.c - connections: when to make one, what to ask it first, what is lost with it. */
#include "client/loop/internal.h"

static const struct state states[] = {
    [LINK_IDLE] = {"idle", TO(LINK_CONNECTING)},
    [LINK_CONNECTING] = {"connecting", TO(LINK_ASKING) | TO(LINK_IDLE) | TO(LINK_ABANDONED)},
    [LINK_ASKING] = {"asking", TO(LINK_UP) | TO(LINK_CLOSING) | TO(LINK_IDLE)},
    [LINK_UP] = {"up", TO(LINK_CLOSING) | TO(LINK_IDLE)},
    [LINK_CLOSING] = {"closing", TO(LINK_IDLE)},
    [LINK_ABANDONED] = {"abandoned", 0},
};

static void move(struct loop_link *l, enum link_state next)
{
    STATE_MOVE(states, &l->state, (int32_t)next);
    l->client->links_moved = true;
}

static const struct client_config *config_of(const struct loop_link *l)
{
    return client_config_of(l->client->core);
}

void loop_link_free(struct loop_link *l)
{
    ASSERT(l->versions == NULL);
    l->client->links_moved = true;
    list_remove(&l->link);
    wire_out_free(&l->versions_body);
    mem_free(l->client->mem, l);
}

static struct loop_link *link_find(struct loop_client *c, int32_t node, enum client_lane lane)
{
    LIST_EACH (l, &c->links, struct loop_link, link) {
        if (l->node == node && l->lane == lane && l->state != LINK_ABANDONED)
            return l;
    }
    return NULL;
}

struct loop_link *loop_link_up(struct loop_client *c, int32_t node, enum client_lane lane)
{
    struct loop_link *l = link_find(c, node, lane);
    /* A connection may be closing by itself; what it takes with it is told when it is closed. */
    bool up = l != NULL && l->state == LINK_UP && l->conn.state == CONN_OPEN;
    return up ? l : NULL;
}

/* ---- down ---- */

/* Doubles from reconnect.backoff.ms to its maximum; a link that came up begins again. */
static int64_t pause_ns(struct loop_link *l)
{
    const struct client_config *config = config_of(l);
    int64_t ms = config->reconnect_backoff_ms;
    int64_t ms_max = MAX(ms, config->reconnect_backoff_ms_max);
    for (int32_t i = 1; i < l->failure_count && ms < ms_max; i++)
        ms *= 2;
    int64_t ns = MIN(ms, ms_max) * MS;
    int64_t spread = ns / 100 * LOOP_JITTER_PERCENT;
    uint64_t key = (uint64_t)(int64_t)l->node * CLIENT_LANE_COUNT + (uint64_t)l->lane;
    uint64_t bits = env_random(l->client->env, "client/reconnect", key);
    return ns + random_between(bits, -spread, spread);
}

static void went_down(struct loop_link *l, enum err why)
{
    l->failure_count++;
    int64_t pause = pause_ns(l);
    l->retry_ns = env_now(l->client->env) + MAX(pause, MS);
    l->why = why;
    l->went_down = true;
    l->client->links_moved = true;
}

/* ---- the connection's calls ---- */

static void on_versions(struct loop_link *l, struct loop_request *r, struct slice frame);

static void on_answer(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct loop_link *l = CONTAINER_OF(conn, struct loop_link, conn);
    struct loop_client *c = l->client;
    struct loop_request *r = CONTAINER_OF(request, struct loop_request, conn);
    struct slice body;
    ASSERT(!c->stepping);
    if (r->request == NULL) {
        l->versions = NULL;
        on_versions(l, r, frame);
        loop_request_free(c, r);
        loop_finish(c);
        return;
    }
    enum err e = loop_answer_body(r, frame, &body);
    struct client_event ev = {.kind = e == ERR_NONE ? CLIENT_EV_ANSWER : CLIENT_EV_LOST,
                              .request = r->request,
                              .body = body,
                              .err = e,
                              .sent = true};
    loop_request_free(c, r);
    loop_step(c, &ev);
    if (e != ERR_NONE)
        conn_close(&l->conn, e);
    loop_finish(c);
}

/* Those of a connection that closes come one by one before closed, which sees to them. */
static void on_cancel(struct conn *conn, struct conn_request *request, enum err e)
{
    struct loop_link *l = CONTAINER_OF(conn, struct loop_link, conn);
    struct loop_request *r = CONTAINER_OF(request, struct loop_request, conn);
    if (r->request == NULL) {
        l->versions = NULL;
        loop_request_free(l->client, r);
        return;
    }
    r->err = e;
    list_push_back(&l->client->lost, &r->link);
    if (e == ERR_NONE) /* acks=0: it has left, and the connection lives */
        loop_finish(l->client);
}

static void on_closed(struct conn *conn, enum err e)
{
    struct loop_link *l = CONTAINER_OF(conn, struct loop_link, conn);
    struct loop_client *c = l->client;
    move(l, LINK_IDLE);
    went_down(l, e);
    loop_finish(c);
}

static const struct conn_owner owner = {
    .answer = on_answer, .closed = on_closed, .cancel = on_cancel};

static void link_close(struct loop_link *l, enum err why)
{
    move(l, LINK_CLOSING);
    conn_close(&l->conn, why);
}

/* ---- up ---- */

static void link_up(struct loop_link *l, const struct wire_api_versions_response *response)
{
    struct client_api_version apis[CLIENT_APIS_MAX];
    struct client_event ev = {
        .kind = CLIENT_EV_LANE_UP, .node = l->node, .lane = l->lane, .apis = apis};
    for (int32_t i = 0; i < response->api_keys_count && ev.api_count < CLIENT_APIS_MAX; i++) {
        const struct wire_api_versions_response_api_key *k = &response->api_keys[i];
        apis[ev.api_count++] = (struct client_api_version){
            .api_key = k->api_key, .min = k->min_version, .max = k->max_version};
    }
    move(l, LINK_UP);
    l->failure_count = 0;
    loop_step(l->client, &ev);
}

/* A broker that does not know the version answers in version 0 (KIP-511). */
static enum err take_versions(struct loop_link *l, struct loop_request *r, struct slice frame)
{
    struct wire_api_versions_response response;
    struct slice body;
    struct arena arena;
    enum err e = loop_answer_body(r, frame, &body);
    if (e != ERR_NONE || body.size < 2)
        return ERR_CORRUPT;
    bool unknown = get_i16(body.data) == WIRE_ERROR_UNSUPPORTED_VERSION;
    if (unknown && r->api_version > 0)
        return loop_versions_ask(l, 0);
    arena_init(&arena, l->client->mem, CLIENT_APIS_MAX * 1024);
    e = wire_decode(&wire_api_versions_response_message, r->api_version, slice_bytes(body), NULL,
                    &response, &arena, NULL);
    if (e == ERR_NONE && response.error_code != 0)
        e = ERR_UNSUPPORTED;
    if (e == ERR_NONE)
        link_up(l, &response);
    arena_free(&arena);
    return e;
}

static void on_versions(struct loop_link *l, struct loop_request *r, struct slice frame)
{
    if (l->state != LINK_ASKING)
        return;
    enum err e = take_versions(l, r, frame);
    if (e != ERR_NONE)
        link_close(l, e);
}

static struct conn_limits limits_of(const struct loop_link *l)
{
    const struct client_config *config = config_of(l);
    int64_t bytes = MAX(LOOP_FRAME_BYTES_MIN, config->fetch_bytes_max * 2);
    int64_t wait_ms = l->lane == CLIENT_LANE_FETCH ? config->fetch_wait_ms_max : 0;
    return (struct conn_limits){.frame_bytes_max = (int32_t)MIN(bytes, INT32_MAX),
                                .in_flight_bytes = INT64_MAX,
                                .idle_ns_max = config->connections_idle_ms_max * MS,
                                .request_ns_max = (config->request_timeout_ms + wait_ms) * MS};
}

static void on_stream_closed(struct env_op *op, enum err e, uint64_t n)
{
    struct loop_link *l = CONTAINER_OF(op, struct loop_link, closing);
    struct loop_client *c = l->client;
    (void)e;
    (void)n;
    loop_link_free(l);
    loop_finish(c);
}

static void on_connected(struct env_op *op, enum err e, uint64_t n)
{
    struct loop_link *l = CONTAINER_OF(op, struct loop_link, connecting);
    struct loop_client *c = l->client;
    if (l->state == LINK_ABANDONED) {
        if (e == ERR_NONE)
            env_close(c->env, &l->closing, n, on_stream_closed);
        else
            loop_link_free(l);
    } else if (e != ERR_NONE) {
        move(l, LINK_IDLE);
        went_down(l, e);
    } else {
        struct conn_limits limits = limits_of(l);
        move(l, LINK_ASKING);
        l->conn = (struct conn){.filtering = c->filtering};
        conn_start(&l->conn, CONN_CLIENT, c->env, c->mem, c->trace, n, &limits, &owner);
        e = loop_versions_ask(l, LOOP_API_VERSIONS);
        if (e != ERR_NONE)
            link_close(l, e);
    }
    loop_finish(c);
}

static void connect(struct loop_link *l, const struct client_node *node)
{
    struct env *env = l->client->env;
    move(l, LINK_CONNECTING);
    memcpy(l->host, node->host, sizeof l->host);
    l->port = node->port;
    l->address_version = node->address_version;
    l->give_up_ns = env_now(env) + config_of(l)->connection_setup_ms_max * MS;
    env_connect(env, &l->connecting, l->host, l->port, on_connected);
}

/* ---- tending ---- */

static struct loop_link *link_new(struct loop_client *c, int32_t node, enum client_lane lane)
{
    struct loop_link *l = mem_zalloc(c->mem, sizeof *l);
    if (l == NULL)
        return NULL;
    l->client = c;
    l->node = node;
    l->lane = lane;
    c->links_moved = true;
    list_init(&l->link);
    list_push_back(&c->links, &l->link);
    return l;
}

/* Connecting takes too long. The operation cannot be cancelled, so the link waits for it aside, and
 * another takes its place. */
static void abandon(struct loop_link *l)
{
    struct loop_link *next = link_new(l->client, l->node, l->lane);
    if (next == NULL)
        return; /* no memory: go on waiting */
    next->failure_count = l->failure_count;
    move(l, LINK_ABANDONED);
    went_down(next, ERR_TIMEOUT);
}

static void tend(struct loop_client *c, const struct client_node *node, enum client_lane lane)
{
    struct loop_link *l = link_find(c, node->id, lane);
    bool wanted = node->lanes[lane].wanted;
    if (l == NULL && wanted)
        l = link_new(c, node->id, lane);
    if (l == NULL)
        return;
    int64_t now = env_now(c->env);
    switch ((enum link_state)l->state) {
    case LINK_IDLE:
        if (wanted && !l->went_down && now >= l->retry_ns)
            connect(l, node);
        return;
    case LINK_CONNECTING:
        if (now >= l->give_up_ns)
            abandon(l);
        return;
    case LINK_ASKING:
    case LINK_UP:
        if (l->address_version != node->address_version)
            link_close(l, ERR_RESET);
        return;
    case LINK_CLOSING:
    case LINK_ABANDONED:
        return;
    }
    UNREACHABLE();
}

void loop_links_tend(struct loop_client *c)
{
    if (c->closing != NULL) {
        LIST_EACH (l, &c->links, struct loop_link, link) {
            if (l->state == LINK_IDLE && !l->went_down)
                loop_link_free(l);
        }
        return;
    }
    uint32_t wishes = client_wishes(c->core);
    bool still = !c->links_moved && c->tended == wishes && env_now(c->env) < c->links_wake_ns;
    if (still)
        return;
    c->tended = wishes;
    c->links_moved = true;
    LIST_EACH (node, client_nodes(c->core), struct client_node, link) {
        for (int lane = 0; lane < CLIENT_LANE_COUNT; lane++)
            tend(c, node, (enum client_lane)lane);
    }
}

int64_t loop_links_wake(struct loop_client *c)
{
    int64_t next = INT64_MAX;
    if (!c->links_moved)
        return c->links_wake_ns;
    LIST_EACH (l, &c->links, struct loop_link, link) {
        const struct client_node *node = client_node_find(c->core, l->node);
        if (l->state == LINK_CONNECTING)
            next = MIN(next, l->give_up_ns);
        if (l->state == LINK_IDLE && (l->went_down || node->lanes[l->lane].wanted))
            next = MIN(next, l->retry_ns);
    }
    c->links_wake_ns = next;
    c->links_moved = false;
    return next;
}

void loop_links_close(struct loop_client *c)
{
    LIST_EACH (l, &c->links, struct loop_link, link) {
        if (l->state == LINK_CONNECTING)
            move(l, LINK_ABANDONED);
        else if (l->state == LINK_ASKING || l->state == LINK_UP)
            link_close(l, ERR_CANCELLED);
    }
}
