/* net.h - byte streams between nodes as TCP gives them: in order, in pieces, with windows, resets,
 * half-open ends and links that are slow or cut. A machine of its own queue of moments: the world
 * asks when the next is due and steps it. It knows no node's memory but the ops it is lent. */
#ifndef KILN_NET_H
#define KILN_NET_H

#include "base/base.h"
#include "fault/fault.h"

#define NET_STREAMS_MAX 8192      /* of one node */
#define NET_LISTENERS_MAX 64      /* of one node */
#define NET_BACKLOG_MAX 128       /* connections of one listener that nobody has accepted yet */
#define NET_PORT_FREE_FIRST 32768 /* where free ports are looked for */
#define NET_CONNECT_NS (10ll * 1000000000) /* how long a connect is tried */

struct net;
struct net_end;

/* What made an operation end: the event in which the last of its bytes was sent, or its peer closed
 * or connected, and the one in which the first of its bytes was. 0: nobody but its own node. */
struct net_cause {
    uint64_t last, first;
};

/* An operation in flight, embedded in its owner's record of it. net_step hands it back when it is
 * complete. */
struct net_op {
    enum err err;
    uint64_t n;
    struct net_cause cause; /* of an accept, and of a receive once it was taken or has failed */
    /* The net's own. */
    struct net_end *end;
    uint64_t size;
};

/* How streams are cut into pieces. */
enum net_split {
    NET_SPLIT_RANDOM, /* often whole, often not, with a liking for the first bytes of a send */
    NET_SPLIT_NONE,   /* as large as the receiver allows */
    NET_SPLIT_BYTES,  /* each byte alone */
};

struct net_options {
    uint64_t seed;
    struct fault_dice *dice;
    enum net_split split;
    int64_t delay_mean_ns; /* of each link; the links differ by up to 2 either way */
};

/* ERR_NOMEM. */
enum err net_new(struct net **out, struct mem *mem, const struct net_options *options) MUST_USE;
void net_free(struct net *net);
/* Nodes have the numbers 0, 1, ... ERR_NOMEM, ERR_LIMIT. */
enum err net_add_node(struct net *net) MUST_USE;

/* ---- time ---- */

/* When the next moment is due, and its rank among the world's of the same time. */
struct net_moment {
    int64_t at_ns;
    uint64_t priority;
};

/* False: nothing is due. */
bool net_next(const struct net *net, struct net_moment *moment);
/* Lives through the next moment. *done: the operation that it completed, or NULL. */
void net_step(struct net *net, struct net_op **done);
/* The owner's clock, and what it calls the event that happens then (for struct net_cause); every
 * call below is made in it. Neither goes back. */
void net_set_now(struct net *net, int64_t now_ns, uint64_t event);
/* Something is on its way: bytes, a handshake, a completion. */
bool net_busy(const struct net *net);

/* ---- a node's calls; each op completes in a later net_step ---- */

/* Listens from now on; port 0 is any free one. *listener is env_listener's. ERR_BUSY, ERR_TOOMANY,
 * ERR_NOMEM. */
enum err net_listen(struct net *net, uint32_t node, uint16_t port, uint64_t *listener) MUST_USE;
/* n: the stream. ERR_CANCELLED, ERR_TOOMANY. */
void net_accept(struct net *net, uint32_t node, uint64_t listener, struct net_op *op);
/* n: the stream. ERR_REFUSED, ERR_TIMEOUT, ERR_RESET, ERR_TOOMANY. Returns ERR_NOMEM, and op is not
 * in flight. */
enum err net_connect(struct net *net, uint32_t node, uint32_t to, uint16_t port,
                     struct net_op *op) MUST_USE;
/* Takes the reference to buf, whose first size bytes are sent. key: a digest of them, by which
 * delays are drawn. n: size. ERR_RESET, ERR_CANCELLED, ERR_NOMEM. */
void net_send(struct net *net, uint32_t node, uint64_t stream, struct buf *buf, uint32_t size,
              uint64_t key, struct net_op *op);
/* As net_send, for a send that cannot even be tried: the stream breaks and op ends with e. */
void net_send_fails(struct net *net, uint32_t node, uint64_t stream, enum err e, struct net_op *op);
/* n: 1 to size; net_take hands them out. ERR_EOF, ERR_RESET, ERR_TIMEOUT, ERR_CANCELLED. */
void net_receive(struct net *net, uint32_t node, uint64_t stream, uint64_t size, struct net_op *op);
/* Copies the op->n bytes of a completed receive. To be called once, before anything else is done
 * with that stream. Returns a digest of them: by the keys of the sends and where in them they
 * stand, so that bytes are digested once. */
uint64_t net_take(struct net *net, struct net_op *op, uint8_t *buffer);
/* Where those bytes are, when they are in one piece, for as long as the caller holds *held, a
 * reference that it is given; it then takes them without a buffer (NULL). NULL: they are not. */
const uint8_t *net_peek(struct net *net, const struct net_op *op, struct buf **held);
/* A stream or a listener: completes what is in flight on it with ERR_CANCELLED, one by one, then
 * op. */
void net_close(struct net *net, uint32_t node, uint64_t handle, struct net_op *op);
enum net_use {
    NET_SENDS,
    NET_RECEIVES,
    NET_ACCEPTS,
    NET_CLOSES,
};
/* Whether that call may be made: on what is open, and one of a kind at a time. handle may be
 * anything. */
bool net_may(const struct net *net, uint32_t node, uint64_t handle, enum net_use use);
/* True for the names that this node holds open. */
bool net_is_open(const struct net *net, uint32_t node, uint64_t handle);

/* ---- lives ---- */

enum net_death {
    NET_KILLED,      /* the process: its machine closes what it had open */
    NET_POWERED_OFF, /* the machine: nobody is told; whoever sends to it hears nothing */
};

/* Drops all operations of the node and all that it has open. */
void net_node_down(struct net *net, uint32_t node, enum net_death death);
/* The machine answers again. */
void net_node_up(struct net *net, uint32_t node);
/* The node has this stream break under it, as a fault point wants it: as if a reset had come. */
void net_break(struct net *net, uint32_t node, uint64_t stream);

/* Who is at the other end of that open stream. */
uint32_t net_peer_node(struct net *net, uint32_t node, uint64_t stream);

/* The node never had this stream: its peer is told so. */
void net_drop(struct net *net, uint32_t node, uint64_t stream);

/* ---- links; from > to alone ---- */

void net_cut(struct net *net, uint32_t from, uint32_t to, bool cut);
/* Added to every delay. */
void net_set_delay(struct net *net, uint32_t from, uint32_t to, int64_t delay_ns);
/* 0: no limit. */
void net_set_bandwidth(struct net *net, uint32_t from, uint32_t to, int64_t bytes_per_s);
/* Both ways: every connection between the two is reset, or forgotten by whatever stands between
 * them, so that neither end is ever told. */
void net_reset_link(struct net *net, uint32_t a, uint32_t b);
void net_half_open(struct net *net, uint32_t a, uint32_t b);
/* The handshake of each connection between the two arrives a second time: whoever listens accepts
 * one more, on which nothing ever comes, and which is reset once its peer hears of it. */
void net_duplicate(struct net *net, uint32_t a, uint32_t b);

struct net_stats {
    uint64_t bytes_delivered;
    int64_t stream_count; /* now */
};

void net_stats(const struct net *net, struct net_stats *stats);

#endif
