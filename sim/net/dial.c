/* dial.c - how connections come to be: a handshake that travels, is refused, waits in a backlog, or
 * is never answered. */
#include "net/inside.h"

#define BACKLOG_RETRY_NS 1000000000ll /* a full backlog drops the handshake; it comes again */
#define DUPLICATE_NS_MAX (3 * 1000000000ull) /* until the second one of a handshake is reset */
#define PORT_TRIES_MAX 1024

enum use {
    USE_STREAM = 0x6469616c,
    USE_PORT,
    USE_LISTENER,
    USE_AGAIN,
};

/* ---- listeners ---- */

static struct net_listener *listener_at(const struct net *net, uint32_t node, uint16_t port)
{
    for (int i = 0; i < NET_LISTENERS_MAX; i++) {
        struct net_listener *listener = net->nodes[node].listeners[i];
        if (listener != NULL && listener->port == port && listener->closing == NULL)
            return listener;
    }
    return NULL;
}

static bool port_taken(const struct net *net, uint32_t node, uint16_t port)
{
    for (int i = 0; i < NET_LISTENERS_MAX; i++) {
        struct net_listener *listener = net->nodes[node].listeners[i];
        if (listener != NULL && listener->port == port)
            return true;
    }
    return false;
}

/* 0: none was found. */
static uint16_t free_port(struct net *net, uint32_t node)
{
    for (int i = 0; i < PORT_TRIES_MAX; i++) {
        uint64_t bits = fault_draw(net->options.dice, node, USE_PORT, 0);
        uint16_t port =
            (uint16_t)(NET_PORT_FREE_FIRST + random_below(bits, UINT16_MAX - NET_PORT_FREE_FIRST));
        if (!port_taken(net, node, port))
            return port;
    }
    return 0;
}

static struct net_listener **free_place(struct net *net, uint32_t node)
{
    for (int i = 0; i < NET_LISTENERS_MAX; i++)
        if (net->nodes[node].listeners[i] == NULL)
            return &net->nodes[node].listeners[i];
    return NULL;
}

enum err net_listen(struct net *net, uint32_t node, uint16_t port, uint64_t *handle)
{
    struct net_listener **place = free_place(net, node);
    if (place == NULL)
        return ERR_TOOMANY;
    if (port != 0 && port_taken(net, node, port))
        return ERR_BUSY;
    port = port != 0 ? port : free_port(net, node);
    if (port == 0)
        return ERR_BUSY;
    struct net_listener *listener = mem_zalloc(net->mem, sizeof *listener);
    if (listener == NULL)
        return ERR_NOMEM;
    listener->handle = net_name(net, node, port, listener);
    if (listener->handle == 0) {
        mem_free(net->mem, listener);
        return ERR_TOOMANY;
    }
    listener->node = node;
    listener->port = port;
    listener->identity = fault_draw(net->options.dice, node, USE_LISTENER, port);
    list_init(&listener->backlog);
    for (int i = 0; i < LISTENER_EVENT_COUNT; i++)
        net_event_init(&listener->events[i], i, true);
    *place = listener;
    *handle = listener->handle;
    return ERR_NONE;
}

static void soon(struct net *net, struct net_listener *listener, enum listener_event event)
{
    uint64_t bits = hash_combine(listener->identity + (uint64_t)event, listener->draw_count++);
    int64_t wait_ns = 1000 + (int64_t)random_below(bits, 30000);
    net_schedule(net, &listener->events[event], net->now_ns + wait_ns, hash_mix(bits));
}

void net_accept(struct net *net, uint32_t node, uint64_t handle, struct net_op *op)
{
    ASSERT(handle >> 48 != 0);
    struct net_listener *listener = net_named(net, node, handle);
    ASSERT(listener != NULL);
    ASSERT(listener->accepting == NULL);
    ASSERT(listener->closing == NULL);
    *op = (struct net_op){0};
    listener->accepting = op;
    if (listener->backlog_count > 0)
        soon(net, listener, LISTENER_ACCEPT);
}

/* A backlog that nobody will accept is reset. */
static void empty_backlog(struct net *net, struct net_listener *listener, bool silent)
{
    while (!list_empty(&listener->backlog)) {
        struct net_end *end = LIST_FIRST(&listener->backlog, struct net_end, waiting);
        struct net_end *peer = net_peer(end);
        peer->ended_by = net->event;
        if (peer->state != END_IS_GONE && !silent)
            net_end_travel(net, peer, END_RST, end->node, peer->node);
        net_end_leave(net, end, LEAVE_SILENT);
    }
    listener->backlog_count = 0;
}

void net_listener_free(struct net *net, struct net_listener *listener, bool silent)
{
    struct net_listener **places = net->nodes[listener->node].listeners;
    empty_backlog(net, listener, silent);
    for (int i = 0; i < LISTENER_EVENT_COUNT; i++)
        net_unschedule(net, &listener->events[i]);
    net_unname(net, listener->node, listener->handle);
    for (int i = 0; i < NET_LISTENERS_MAX; i++)
        places[i] = places[i] == listener ? NULL : places[i];
    mem_free(net->mem, listener);
}

void net_listener_close(struct net *net, struct net_listener *listener, struct net_op *op)
{
    ASSERT(listener->closing == NULL);
    listener->closing = op;
    net_unschedule(net, &listener->events[LISTENER_ACCEPT]);
    soon(net, listener, LISTENER_CLOSE);
}

static struct net_op *accept_one(struct net *net, struct net_listener *listener)
{
    struct net_end *end = LIST_FIRST(&listener->backlog, struct net_end, waiting);
    if (end == NULL || listener->accepting == NULL)
        return NULL;
    uint64_t handle = net_name(net, listener->node, 0, end);
    if (handle == 0)
        return net_end_complete(&listener->accepting, ERR_TOOMANY, 0);
    list_remove(&end->waiting);
    listener->backlog_count--;
    end->handle = handle;
    end->state = END_IS_OPEN;
    uint64_t event = end->stream->connected_by;
    listener->accepting->cause = (struct net_cause){event, event};
    return net_end_complete(&listener->accepting, ERR_NONE, handle);
}

struct net_op *net_listener_step(struct net *net, struct net_listener *listener,
                                 enum listener_event event)
{
    if (event == LISTENER_ACCEPT)
        return accept_one(net, listener);
    if (listener->accepting != NULL) {
        soon(net, listener, LISTENER_CLOSE);
        return net_end_complete(&listener->accepting, ERR_CANCELLED, 0);
    }
    struct net_op *done = net_end_complete(&listener->closing, ERR_NONE, 0);
    net_listener_free(net, listener, false);
    return done;
}

/* ---- connecting ---- */

enum err net_connect(struct net *net, uint32_t node, uint32_t to, uint16_t port, struct net_op *op)
{
    ASSERT(to < net->node_count);
    *op = (struct net_op){0};
    struct net_stream *stream = mem_zalloc(net->mem, sizeof *stream);
    if (stream == NULL)
        return ERR_NOMEM;
    uint64_t identity = fault_draw(net->options.dice, node, USE_STREAM, (uint64_t)to << 16 | port);
    stream->port = port;
    stream->connected_by = net->event;
    net_end_init(net, stream, 0, node, identity);
    net_end_init(net, stream, 1, to, identity);
    struct net_end *end = &stream->end[0];
    op->end = end;
    end->state = END_IS_DIALLING;
    end->connecting = op;
    list_push_back(&net->nodes[node].ends, &end->of_node);
    net_end_travel(net, end, END_DIAL, node, to);
    net_schedule(net, &end->events[END_GIVE_UP], net->now_ns + NET_CONNECT_NS,
                 net_end_draw(end, END_GIVE_UP));
    return ERR_NONE;
}

/* The handshake has come to the other machine. */
static void knock(struct net *net, struct net_end *end)
{
    struct net_stream *stream = end->stream;
    struct net_end *server = net_peer(end);
    struct net_listener *listener = listener_at(net, server->node, stream->port);
    if (listener != NULL && listener->backlog_count == NET_BACKLOG_MAX) {
        net_schedule(net, &end->events[END_DIAL], net->now_ns + BACKLOG_RETRY_NS,
                     net_end_draw(end, END_DIAL));
        return;
    }
    stream->answered = true;
    stream->refused = listener == NULL;
    if (listener != NULL) {
        server->state = END_IS_WAITING;
        list_push_back(&net->nodes[server->node].ends, &server->of_node);
        list_push_back(&listener->backlog, &server->waiting);
        listener->backlog_count++;
        if (listener->accepting != NULL)
            soon(net, listener, LISTENER_ACCEPT);
    }
    net_end_travel(net, end, END_DIAL, server->node, end->node);
}

/* Of a connection that nobody holds: it waits in the backlog as any other, and its server learns
 * after a while that there is nobody. */
void net_dial_again(struct net *net, struct net_end *end)
{
    const struct net_stream *stream = end->stream;
    uint32_t from = end->node, to = stream->end[1].node;
    struct net_listener *listener = listener_at(net, to, stream->port);
    if (listener == NULL || listener->backlog_count == NET_BACKLOG_MAX ||
        net_blocked(net, from, to))
        return;
    struct net_stream *again = mem_zalloc(net->mem, sizeof *again);
    if (again == NULL)
        return;
    uint64_t identity = fault_draw(net->options.dice, from, USE_AGAIN, (uint64_t)to);
    again->port = stream->port;
    again->connected_by = net->event;
    net_end_init(net, again, 0, from, identity);
    net_end_init(net, again, 1, to, identity);
    struct net_end *server = &again->end[1];
    server->state = END_IS_WAITING;
    server->ended_by = net->event;
    list_push_back(&net->nodes[to].ends, &server->of_node);
    list_push_back(&listener->backlog, &server->waiting);
    listener->backlog_count++;
    if (listener->accepting != NULL)
        soon(net, listener, LISTENER_ACCEPT);
    int64_t wait_ns = (int64_t)random_below(identity, DUPLICATE_NS_MAX);
    net_schedule(net, &server->events[END_RST], net->now_ns + wait_ns, hash_mix(identity));
}

/* Ends the attempt. The other side, if there is one, is told when it can be. */
static struct net_op *fail(struct net *net, struct net_end *end, enum err e)
{
    struct net_end *server = net_peer(end);
    struct net_op *done = net_end_complete(&end->connecting, e, 0);
    server->ended_by = net->event;
    if (server->state != END_IS_GONE)
        net_end_travel(net, server, END_RST, end->node, server->node);
    net_end_leave(net, end, LEAVE_SILENT);
    return done;
}

struct net_op *net_dial_give_up(struct net *net, struct net_end *end)
{
    return fail(net, end, ERR_TIMEOUT);
}

/* The handshake's answer has come back. */
static struct net_op *answer(struct net *net, struct net_end *end)
{
    struct net_stream *stream = end->stream;
    if (stream->refused || end->broken)
        return fail(net, end, stream->refused ? ERR_REFUSED : ERR_RESET);
    end->handle = net_name(net, end->node, 0, end);
    if (end->handle == 0)
        return fail(net, end, ERR_TOOMANY);
    net_unschedule(net, &end->events[END_GIVE_UP]);
    end->state = END_IS_OPEN;
    return net_end_complete(&end->connecting, ERR_NONE, end->handle);
}

struct net_op *net_dial_step(struct net *net, struct net_end *end)
{
    struct net_end *server = net_peer(end);
    bool answered = end->stream->answered;
    uint32_t from = answered ? server->node : end->node;
    uint32_t to = answered ? end->node : server->node;
    if (net_blocked(net, from, to)) {
        net_hold(net, &end->events[END_DIAL], net_link_of(net, from, to));
        return NULL;
    }
    if (answered)
        return answer(net, end);
    knock(net, end);
    return NULL;
}
