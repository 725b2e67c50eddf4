/* clients.c - the listener and the connections. Strangers come and go here; whatever they do, they
 * cost no more than the limits say. */
#include "node/internal.h"

static const struct conn_owner owner;

static struct client *client_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct client, conn);
}

/* ---- connections ---- */

static void on_request(struct conn *conn, struct conn_request *request, struct slice frame)
{
    api_request(client_of(conn)->broker->api, conn, request, frame);
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
    list_remove(&client->link);
    b->client_count--;
    mem_free(&b->client_mem.mem, client);
    if (b->phase == BROKER_SERVING)
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

static bool start_client(struct broker *b, env_stream stream)
{
    struct client *client = mem_zalloc(&b->client_mem.mem, sizeof *client);
    if (client == NULL)
        return false;
    client->broker = b;
    list_init(&client->link);
    list_push_back(&b->clients, &client->link);
    b->client_count++;
    struct conn_limits limits = {
        .frame_bytes_max = (int32_t)b->config.socket_request_max_bytes,
        .in_flight_bytes = CLIENT_IN_FLIGHT_BYTES,
        .idle_ns_max = b->config.connections_max_idle_ms * 1000000,
    };
    memcpy(client->conn.peer, b->peer, sizeof client->conn.peer);
    conn_start(&client->conn, CONN_SERVER, b->env, &b->client_mem.mem, b->trace, stream, &limits,
               &owner);
    return true;
}

/* ---- accepting ---- */

static void on_refused_closed(struct env_op *op, enum err e, uint64_t n)
{
    (void)e;
    (void)n;
    struct broker *b = CONTAINER_OF(op, struct broker, refusing);
    if (b->phase == BROKER_SERVING)
        broker_clients_accept(b);
    else
        broker_stop_go_on(b);
}

static void on_accept_again(struct env_timer *timer)
{
    broker_clients_accept(CONTAINER_OF(timer, struct broker, accept_again));
}

static void on_accepted(struct env_op *op, enum err e, uint64_t n)
{
    struct broker *b = CONTAINER_OF(op, struct broker, accepting);
    bool serving = b->phase == BROKER_SERVING;
    if (e == ERR_CANCELLED)
        return;
    if (e != ERR_NONE) {
        b->accept_again.fire = on_accept_again;
        if (serving)
            env_arm(b->env, &b->accept_again, env_now(b->env) + ACCEPT_PAUSE_NS);
        return;
    }
    if (serving && start_client(b, n))
        broker_clients_accept(b);
    else
        env_close(b->env, &b->refusing, n, on_refused_closed);
}

void broker_clients_accept(struct broker *b)
{
    bool room = b->client_count < b->config.max_connections;
    if (b->phase != BROKER_SERVING || !room || b->accepting.in_flight || b->refusing.in_flight)
        return;
    env_disarm(b->env, &b->accept_again);
    env_accept(b->env, &b->accepting, b->listener, b->peer, on_accepted);
}

/* ---- the listener ---- */

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

static void on_listening(struct env_op *op, enum err e, uint64_t n)
{
    struct broker *b = CONTAINER_OF(op, struct broker, listening);
    if (e == ERR_NONE) {
        b->listener = n;
        broker_start_listening_done(b);
        return;
    }
    struct errmsg msg = {{0}};
    errmsg_set(&msg, e, "cannot listen on %s:%u: %s%s", b->listen_at.host,
               (unsigned)b->listen_at.port, e == ERR_BUSY ? "the address is in use" : err_text(e),
               advice(e));
    broker_start_failed(b, e, &msg);
}

void broker_clients_listen(struct broker *b)
{
    env_listen(b->env, &b->listening, b->listen_at.host, b->listen_at.port, on_listening);
}

static void on_unlistened(struct env_op *op, enum err e, uint64_t n)
{
    (void)e;
    (void)n;
    struct broker *b = CONTAINER_OF(op, struct broker, unlistening);
    b->listener_closed = true;
    broker_stop_go_on(b);
}

void broker_clients_stop_listening(struct broker *b)
{
    env_disarm(b->env, &b->accept_again);
    if (b->listener == 0)
        b->listener_closed = true;
    else if (!b->listener_closed && !b->unlistening.in_flight)
        env_close(b->env, &b->unlistening, b->listener, on_unlistened);
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
