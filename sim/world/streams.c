/* streams.c - the stream verbs: names of hosts become nodes, bytes are copied out of the node at
 * its sends and into it at the end of its receives; the rest is the net's. */
#include <stdio.h>
#include "world/inside.h"

/* A node is called by its name; itself also as everybody calls himself. */
static bool resolve(struct world_node *node, const char *host, uint32_t *to)
{
    static const char *const self[] = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", ""};
    *to = node->index;
    for (int i = 0; i < COUNT_OF(self); i++)
        if (strcmp(host, self[i]) == 0)
            return true;
    return world_find_node(node->world, host, to);
}

static void note(struct flight *flight, uint64_t digest)
{
    flight->key = digest;
    world_note(flight->node, env_verb_names[flight->verb], NOTE_SUBMIT + flight->verb,
               flight->number, digest, ERR_NONE, 0, flight->cause);
}

/* It ends without the net. */
static void fail(struct flight *flight, enum err e)
{
    flight->fault = e;
    world_fly(flight, world_disk_delay(flight, 0));
}

/* ---- sends ---- */

static enum err gather_part(struct world_node *node, const struct half_part *part, uint8_t *at)
{
    uint64_t n;
    enum err e = world_file_read(node, part->file, part->offset, at, part->size, &n);
    if (e != ERR_NONE)
        return ERR_IO;
    return n < part->size ? ERR_CORRUPT : ERR_NONE;
}

/* What is memory stands in its place already. */
static enum err gather(struct flight *flight, const struct half_asked *asked, struct buf *buf)
{
    uint8_t *at = buf->data;
    for (int32_t i = 0; i < asked->ask->part_count; i++) {
        const struct half_part *part = &asked->parts[i];
        bool of_file = part->file != 0 && part->size > 0;
        enum err e = of_file ? gather_part(flight->node, part, at) : ERR_NONE;
        if (e != ERR_NONE)
            return e;
        at += part->size;
    }
    return ERR_NONE;
}

static void submit_send(struct flight *flight, const struct half_asked *asked)
{
    struct world_node *node = flight->node;
    struct world *world = node->world;
    struct buf *buf = world_half_log_take(&world->log, asked->ask->extent);
    enum err e = gather(flight, asked, buf);
    uint64_t content = e == ERR_NONE ? hash_digest(buf->data, flight->size) : 0;
    note(flight, hash_combine(content, flight->handle));
    if (e == ERR_NONE)
        e = FAULT(&node->points, NET_SEND, content);
    flight->on_net = true;
    if (e == ERR_NONE) {
        net_send(world->net, node->index, flight->handle, buf, (uint32_t)flight->size, content,
                 &flight->net);
        return;
    }
    buf_release(buf);
    net_send_fails(world->net, node->index, flight->handle, e, &flight->net);
}

/* ---- the others ---- */

static void submit_connect(struct flight *flight)
{
    struct world_node *node = flight->node;
    struct world *world = node->world;
    uint32_t to;
    note(flight, hash_combine(hash_text(flight->path), flight->port));
    if (!resolve(node, flight->path, &to)) {
        fail(flight, ERR_UNREACHABLE);
        return;
    }
    enum err e = FAULT(&node->points, NET_CONNECT, flight->key);
    if (e == ERR_NONE)
        e = FAULT(&node->points, NET_HANDLES, flight->key);
    if (e == ERR_NONE)
        e = net_connect(world->net, node->index, to, flight->port, &flight->net);
    flight->on_net = e == ERR_NONE;
    if (e != ERR_NONE)
        fail(flight, e);
}

void world_stream_submit(struct flight *flight, const struct half_asked *asked)
{
    struct world_node *node = flight->node;
    struct net *net = node->world->net;
    switch ((enum env_verb)flight->verb) {
    case ENV_LISTEN:
        note(flight, hash_combine(hash_text(flight->path), flight->port));
        world_fly(flight, world_disk_delay(flight, 0));
        return;
    case ENV_ACCEPT:
        note(flight, flight->handle);
        flight->on_net = true;
        net_accept(net, node->index, flight->handle, &flight->net);
        return;
    case ENV_CONNECT:
        submit_connect(flight);
        return;
    case ENV_SEND:
        submit_send(flight, asked);
        return;
    case ENV_RECEIVE:
        note(flight, hash_combine(flight->handle, flight->size));
        flight->on_net = true;
        net_receive(net, node->index, flight->handle, flight->size, &flight->net);
        return;
    case ENV_CLOSE:
        note(flight, flight->handle);
        flight->on_net = true;
        net_close(net, node->index, flight->handle, &flight->net);
        return;
    default:
        UNREACHABLE();
    }
}

enum err world_stream_perform(struct flight *flight)
{
    struct world_node *node = flight->node;
    uint32_t to;
    if (flight->fault != ERR_NONE)
        return flight->fault;
    ASSERT(flight->verb == ENV_LISTEN);
    if (!resolve(node, flight->path, &to) || to != node->index)
        return ERR_UNREACHABLE;
    return net_listen(node->world->net, node->index, flight->port, &flight->n);
}

/* Bytes reach the node here. A fault point may break the stream under them instead. */
static enum err take(struct flight *flight)
{
    struct world_node *node = flight->node;
    struct world *world = node->world;
    const uint8_t *at = net_peek(world->net, &flight->net, &flight->held);
    uint8_t *buffer = at != NULL ? NULL : world_inbox(world, flight->net.n);
    flight->bytes = bytes_of(at != NULL ? at : buffer, flight->net.n);
    flight->key = net_take(world->net, &flight->net, buffer);
    enum err e = FAULT(&node->points, NET_RECEIVE, flight->key);
    if (e != ERR_NONE)
        net_break(world->net, node->index, flight->handle);
    return e;
}

/* A connection came. A fault point may take it away again. */
static enum err greet(struct flight *flight)
{
    struct world_node *node = flight->node;
    struct world *world = node->world;
    uint16_t port = env_listener_port(flight->handle);
    enum err e = FAULT(&node->points, NET_ACCEPT, port);
    if (e != ERR_NONE) {
        net_drop(world->net, node->index, flight->net.n);
        return e;
    }
    uint32_t peer = net_peer_node(world->net, node->index, flight->net.n);
    char *who = (char *)world_inbox(world, ENV_PEER_SIZE);
    snprintf(who, ENV_PEER_SIZE, "%s", world_node_name(world, peer));
    flight->bytes = bytes_of((uint8_t *)who, strlen(who) + 1);
    return ERR_NONE;
}

void world_stream_land(struct flight *flight)
{
    enum err e = flight->net.err;
    flight->on_net = false;
    if (e == ERR_NONE && flight->verb == ENV_RECEIVE)
        e = take(flight);
    if (e == ERR_NONE && flight->verb == ENV_ACCEPT)
        e = greet(flight);
    if (flight->net.cause.last != 0)
        flight->cause = flight->net.cause;
    world_finish(flight, e, flight->net.n);
}
