/* clients.c - the listeners and the connections. Strangers come and go here; whatever they do, they
 * cost no more than the limits say. */
#include "node/internal.h"
#include <inttypes.h>

static const struct conn_owner owner;

static struct client *client_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct client, conn);
}

/* ---- memory ---- */

static void on_full(struct conn_lane *lane)
{
    struct budget *budget = CONTAINER_OF(lane, struct budget, lane);
    struct lane *full = CONTAINER_OF(budget, struct lane, budget);
    struct broker *b = full->broker;
    int64_t now_ns = env_now(b->env);
    if (full->told_ns != 0 && now_ns - full->told_ns < OVERLOAD_NOTE_NS)
        return;
    full->told_ns = now_ns;
    if (full->kind == LANE_CLIENTS)
        NOTE(b->notes, CLIENTS_WAIT,
             "clients wait for memory: %" PRId64 " of queued.max.request.bytes = %" PRId64
             " are in use; if it goes on, raise it, or have clients send less at once",
             budget->bytes, budget->bytes_max);
    else
        NOTE(b->notes, CLIENTS_WAIT,
             "other nodes wait for memory: %" PRId64 " of %" PRId64
             " bytes are in use; see that none but brokers and controllers use their listeners",
             budget->bytes, budget->bytes_max);
}

static void lane_init(struct broker *b, enum lane_kind kind, int64_t bytes_max)
{
    struct lane *lane = &b->lanes[kind];
    int64_t frame_max = b->config.socket_request_max_bytes;
    /* One frame, moved from a buffer to a larger one, and what it may decode to; the share of small
     * requests comes on top, or idle connections could take what the one frame needs. */
    int64_t frame_needs = 2 * frame_max + CONN_TAKE_BYTES_MAX;
    lane->broker = b;
    lane->kind = kind;
    broker_budget_init(&lane->budget, b->env, b->mem, bytes_max,
                       frame_needs / (BUDGET_SMALL_SHARE - 1) * BUDGET_SMALL_SHARE);
    lane->budget.lane.full = on_full;
}

void broker_clients_init(struct broker *b)
{
    lane_init(b, LANE_CLIENTS, b->config.queued_max_request_bytes);
    lane_init(b, LANE_NODES, NODE_BYTES_MAX);
}

void broker_clients_free(struct broker *b)
{
    for (int i = 0; i < LANE_COUNT; i++) {
        ASSERT(b->lanes[i].connection_count == 0);
        broker_budget_free(&b->lanes[i].budget);
    }
}

/* A node that joins is asked by other nodes already: without them it could not. */
static bool takes_clients(const struct listener *l)
{
    const struct broker *b = l->broker;
    if (l->closed || l->unlistening.in_flight)
        return false;
    return broker_serves(b) || (b->phase == BROKER_JOINING && l->address.of_quorum);
}

static struct lane *lane_of(const struct listener *l)
{
    return &l->broker->lanes[l->address.of_nodes ? LANE_NODES : LANE_CLIENTS];
}

/* ---- connections ---- */

static void on_request(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct client *client = client_of(conn);
    api_request(client->broker->api, &client->caller, conn, request, frame);
}

static void on_cancel(struct conn *conn, struct conn_request *request, enum err e)
{
    (void)e;
    api_cancel(client_of(conn)->broker->api, request);
}

static void on_closed(struct conn *conn, enum err e)
{
    (void)e;
    struct client *client = client_of(conn);
    struct broker *b = client->broker;
    struct lane *lane = client->lane;
    list_remove(&client->link);
    b->client_count--;
    lane->connection_count--;
    mem_free(&lane->budget.mem, client);
    if (broker_serves(b) || b->phase == BROKER_JOINING)
        broker_clients_accept(b);
    else
        broker_stop_go_on(b);
}

static void on_refused(struct conn *conn, enum conn_refusal why, int32_t size)
{
    api_refuse_frame(client_of(conn)->broker->api, conn, why, size);
}

static const struct conn_owner owner = {
    .request = on_request,
    .refused = on_refused,
    .closed = on_closed,
    .cancel = on_cancel,
};

static bool start_client(struct listener *l, env_stream stream)
{
    struct broker *b = l->broker;
    struct lane *lane = lane_of(l);
    struct client *client = mem_zalloc(&lane->budget.mem, sizeof *client);
    if (client == NULL)
        return false;
    client->broker = b;
    client->lane = lane;
    client->caller = (struct api_caller){.listener = &l->told, .principal = API_ANONYMOUS};
    list_init(&client->link);
    list_push_back(&b->clients, &client->link);
    b->client_count++;
    lane->connection_count++;
    struct conn_limits limits = {
        .lane = &lane->budget.lane,
        .frame_bytes_max = (int32_t)b->config.socket_request_max_bytes,
        .in_flight_bytes = CLIENT_IN_FLIGHT_BYTES,
        .idle_ns_max = ENV_NS_OF_MS(MAX(b->config.connections_max_idle_ms, 0)),
    };
    client->conn.filtering = b->filtering;
    memcpy(client->conn.peer, l->peer, sizeof client->conn.peer);
    conn_start(&client->conn, CONN_SERVER, b->env, &lane->budget.mem, b->trace, stream, &limits,
               &owner);
    return true;
}

/* ---- accepting ---- */

static void on_accepted(struct env_op *op, enum err e, uint64_t n);
static void on_accept_again(struct env_timer *timer);

static void accept_later(struct listener *l)
{
    l->accept_again.fire = on_accept_again;
    env_arm(l->broker->env, &l->accept_again, env_now(l->broker->env) + ACCEPT_PAUSE_NS);
}

static void accept_next(struct listener *l)
{
    struct broker *b = l->broker;
    struct lane *lane = lane_of(l);
    int64_t max = lane->kind == LANE_NODES ? NODE_CONNECTIONS_MAX : b->going.max_connections;
    bool room = lane->connection_count < max;
    if (!takes_clients(l) || !room || l->accepting.in_flight || l->refusing.in_flight)
        return;
    env_disarm(b->env, &l->accept_again);
    /* Nobody is let in who would have to wait for memory before his first byte. */
    uint64_t needs = sizeof(struct client) + conn_idle_bytes(b->filtering);
    if (!broker_budget_has(&lane->budget, needs, CONN_ROOM_SMALL)) {
        on_full(&lane->budget.lane);
        accept_later(l);
        return;
    }
    env_accept(b->env, &l->accepting, l->name, l->peer, on_accepted);
}

static void on_refused_closed(struct env_op *op, enum err e, uint64_t n)
{
    (void)e;
    (void)n;
    struct listener *l = CONTAINER_OF(op, struct listener, refusing);
    if (takes_clients(l))
        accept_next(l);
    else
        broker_stop_go_on(l->broker);
}

static void on_accept_again(struct env_timer *timer)
{
    accept_next(CONTAINER_OF(timer, struct listener, accept_again));
}

static void on_accepted(struct env_op *op, enum err e, uint64_t n)
{
    struct listener *l = CONTAINER_OF(op, struct listener, accepting);
    struct broker *b = l->broker;
    bool serving = takes_clients(l);
    if (e == ERR_CANCELLED)
        return;
    if (e != ERR_NONE) {
        if (serving)
            accept_later(l);
        return;
    }
    if (serving && start_client(l, n))
        accept_next(l);
    else
        env_close(b->env, &l->refusing, n, on_refused_closed);
}

void broker_clients_accept(struct broker *b)
{
    for (int i = 0; i < b->listener_count; i++)
        accept_next(&b->listeners[i]);
}

/* ---- listeners ---- */

static const char *advice(enum err e)
{
    switch (e) {
    case ERR_BUSY:
        return "; is another broker running there? give another port with --listen";
    case ERR_ACCESS:
        return "; ports below 1024 need rights: give another port with --listen";
    case ERR_UNREACHABLE:
        return "; give an address of this machine with --listen";
    default:
        return "";
    }
}

static void on_listening(struct env_op *op, enum err e, uint64_t n);

/* The next that does not listen yet, or on with the start. */
static void listen_next(struct broker *b)
{
    for (int i = 0; i < b->listener_count; i++) {
        struct listener *l = &b->listeners[i];
        const struct endpoint *at = &l->address.at;
        if (l->name != 0)
            continue;
        env_listen(b->env, &l->listening, at->host, at->port, on_listening);
        return;
    }
    broker_start_listening_done(b);
}

static void on_listening(struct env_op *op, enum err e, uint64_t n)
{
    struct listener *l = CONTAINER_OF(op, struct listener, listening);
    struct broker *b = l->broker;
    const struct listener_address *address = &l->address;
    if (e != ERR_NONE) {
        struct errmsg msg = {{0}};
        errmsg_set(&msg, e, "cannot listen on %s:%u: %s%s", address->at.host,
                   (unsigned)address->at.port,
                   e == ERR_BUSY ? "the address is in use" : err_text(e), advice(e));
        broker_start_failed(b, e, &msg);
        return;
    }
    uint16_t port = address->advertised.port;
    l->name = n;
    l->told = (struct api_listener){.on = address->of_quorum ? WIRE_ON_CONTROLLER : WIRE_ON_BROKER,
                                    .of_brokers = address->of_brokers,
                                    .name = address->name,
                                    .host = address->advertised.host,
                                    .port = port != 0 ? port : env_listener_port(n)};
    if (b->listener_count > 1)
        NOTE(b->notes, LISTENING, "%s listens on %s:%u; its clients are told %s:%u", address->name,
             address->at.host, (unsigned)env_listener_port(n), l->told.host,
             (unsigned)l->told.port);
    if (!broker_start_cut_short(b))
        listen_next(b);
}

void broker_clients_listen(struct broker *b)
{
    ASSERT(b->listener_count > 0);
    listen_next(b);
}

static void on_unlistened(struct env_op *op, enum err e, uint64_t n)
{
    (void)e;
    (void)n;
    struct listener *l = CONTAINER_OF(op, struct listener, unlistening);
    l->closed = true;
    broker_stop_go_on(l->broker);
}

static void unlisten(struct listener *l)
{
    struct broker *b = l->broker;
    env_disarm(b->env, &l->accept_again);
    if (l->name == 0)
        l->closed = true;
    else if (!l->closed && !l->unlistening.in_flight)
        env_close(b->env, &l->unlistening, l->name, on_unlistened);
}

void broker_clients_stop_listening(struct broker *b)
{
    for (int i = 0; i < b->listener_count; i++)
        unlisten(&b->listeners[i]);
}

void broker_clients_refuse(struct broker *b)
{
    for (int i = 0; i < b->listener_count; i++) {
        if (!b->listeners[i].address.of_quorum)
            unlisten(&b->listeners[i]);
    }
    LIST_EACH (client, &b->clients, struct client, link) {
        if (client->caller.listener->on == WIRE_ON_BROKER)
            conn_close(&client->conn, ERR_OFFLINE);
    }
}

bool broker_clients_shut(const struct broker *b)
{
    for (int i = 0; i < b->listener_count; i++) {
        const struct listener *l = &b->listeners[i];
        if (!l->closed || l->accepting.in_flight || l->refusing.in_flight)
            return false;
    }
    return true;
}

void broker_clients_drain(struct broker *b)
{
    LIST_EACH (client, &b->clients, struct client, link)
        conn_drain(&client->conn);
}

void broker_clients_close(struct broker *b)
{
    LIST_EACH (client, &b->clients, struct client, link)
        conn_close(&client->conn, ERR_TIMEOUT);
}
