/* inside.h - what the files of this folder share: events, ends, streams, listeners, links. */
#ifndef KILN_NET_INSIDE_H
#define KILN_NET_INSIDE_H

#include "net/net.h"

/* ---- events ---- */

/* What an end waits for. Each end has one of each. */
enum end_event {
    END_ARRIVE,  /* the first segment on its wire reaches the peer */
    END_ACK,     /* the peer's reading has made room in its window */
    END_RST,     /* a reset reaches it */
    END_SENT,    /* its send completes */
    END_READY,   /* its receive completes */
    END_CLOSE,   /* the next step of its close */
    END_GIVE_UP, /* what it sent was never acknowledged */
    END_DIAL,    /* the next step of its connect */
    END_EVENT_COUNT
};

enum listener_event { LISTENER_ACCEPT, LISTENER_CLOSE, LISTENER_EVENT_COUNT };

struct net_event {
    struct heap_node node;
    struct list held; /* by a link that is cut */
    int64_t at_ns;
    uint64_t priority, sequence;
    uint8_t kind; /* enum end_event, or enum listener_event where of_listener */
    bool of_listener;
};

/* ---- streams ---- */

/* A run of bytes on the wire, or arrived and not yet read. */
struct segment {
    struct list link;
    struct buf *buf; /* NULL: the orderly end */
    uint32_t offset, size;
    int64_t at_ns;  /* not before */
    uint64_t key;   /* of the send that it is a part of */
    uint64_t event; /* in which it was sent */
};

enum end_state {
    END_IS_DIALLING, /* the client's, until its connect completes */
    END_IS_WAITING,  /* the server's, in the backlog */
    END_IS_OPEN,
    END_IS_CLOSING,
    END_IS_GONE, /* nobody holds it; what it sent may still be under way */
};

struct net_stream;

struct net_end {
    struct net_stream *stream;
    uint32_t node;
    uint8_t state;                  /* enum end_state */
    bool unheard_acks;              /* what it sent arrived, but no acknowledgement comes back */
    bool broken, timed_out, at_end; /* reset came; gave up; the peer's orderly end came */
    uint64_t handle;
    uint64_t identity; /* what its draws are keyed by */
    uint64_t draw_count;
    struct list of_node;
    struct list waiting; /* in a backlog */
    struct net_op *connecting, *sending, *receiving, *closing;
    bool untaken; /* the last receive's bytes are still in arrived */
    struct list arrived;
    uint64_t unread;
    struct list wire; /* on its way to the peer, in order */
    int64_t wire_at_ns;
    uint64_t window, in_use; /* bytes that may be sent and not read by the peer; that are */
    struct buf *pending;     /* of the send: what the window has not admitted yet */
    uint32_t pending_at, pending_size;
    uint64_t send_key, send_event;
    uint64_t ended_by; /* the event in which its peer left, or the stream was broken */
    struct net_event events[END_EVENT_COUNT];
};

struct net_stream {
    struct net_end end[2]; /* who connected, who accepted */
    uint16_t port;
    uint64_t connected_by; /* the event */
    bool lost;             /* forgotten by what stands between: nothing arrives any more */
    bool answered;         /* the handshake is on its way back */
    bool refused;
};

struct net_listener {
    struct net_op *accepting, *closing;
    uint64_t handle;
    uint32_t node;
    uint16_t port;
    struct list backlog;
    int32_t backlog_count;
    uint64_t identity, draw_count;
    struct net_event events[LISTENER_EVENT_COUNT];
};

struct net_link {
    bool cut;
    int64_t min_ns, mean_ns, extra_ns;
    int64_t bytes_per_s; /* 0: no limit */
    int64_t free_at_ns;  /* when it has carried what it carries */
    struct list held;    /* events that wait for it to heal */
};

/* A name: an end or a listener. */
struct net_slot {
    uint64_t handle; /* 0: free */
    void *what;
    int32_t next_free;
};

struct net_node {
    bool off;
    struct net_link *links; /* to every node */
    struct list ends;
    int32_t stream_count;
    struct net_listener *listeners[NET_LISTENERS_MAX];
    struct net_slot *slots;
    int32_t slot_cap, slot_free; /* slot_free: -1 when full */
    uint32_t serial;
};

struct net {
    struct mem *mem;
    struct net_options options;
    int64_t now_ns;
    uint64_t event; /* of the owner, that is under way */
    uint64_t sequence;
    int64_t busy_count;
    struct heap events;
    uint32_t node_count;
    struct net_node nodes[FAULT_NODES_MAX];
    struct list spare; /* segments */
    int64_t stream_count;
    uint64_t bytes_delivered;
};

/* queue: net.c */
void net_event_init(struct net_event *event, int kind, bool of_listener);
void net_schedule(struct net *net, struct net_event *event, int64_t at_ns, uint64_t priority);
void net_unschedule(struct net *net, struct net_event *event);
void net_hold(struct net *net, struct net_event *event, struct net_link *link);
struct net_link *net_link_of(struct net *net, uint32_t from, uint32_t to);
bool net_blocked(struct net *net, uint32_t from, uint32_t to);
int64_t net_link_delay(struct net *net, uint32_t from, uint32_t to, uint64_t bits);
/* 0: ERR_TOOMANY or no memory for it. port 0: a stream. */
uint64_t net_name(struct net *net, uint32_t node, uint16_t port, void *what);
void net_unname(struct net *net, uint32_t node, uint64_t handle);
void *net_named(const struct net *net, uint32_t node, uint64_t handle);

/* ends: stream.c */
uint64_t net_end_draw(struct net_end *end, enum end_event event);
struct net_end *net_peer(struct net_end *end);
void net_end_init(struct net *net, struct net_stream *stream, int index, uint32_t node,
                  uint64_t identity);
/* In between 1 and 30 us: what a node's own machine takes to tell it. */
void net_end_soon(struct net *net, struct net_end *end, enum end_event event);
void net_end_travel(struct net *net, struct net_end *end, enum end_event event, uint32_t from,
                    uint32_t to);
struct net_op *net_end_step(struct net *net, struct net_end *end, enum end_event event);
/* Nobody holds it any more. */
enum leave {
    LEAVE_CLOSED, /* in good order */
    LEAVE_KILLED, /* its machine closes it */
    LEAVE_SILENT, /* the peer is not told */
};

/* Frees the stream with its second end. */
void net_end_leave(struct net *net, struct net_end *end, enum leave leave);
/* What the window has not admitted stays so for good, unless an acknowledgement comes in time. */
void net_end_unheard(struct net *net, struct net_end *end);
/* Acknowledgements come through again. */
void net_end_heard(struct net *net, struct net_end *end);
void net_end_reset(struct net *net, struct net_end *end);
struct net_op *net_end_complete(struct net_op **op, enum err e, uint64_t n);

/* handshakes: dial.c */
struct net_op *net_dial_step(struct net *net, struct net_end *end);
struct net_op *net_dial_give_up(struct net *net, struct net_end *end);
struct net_op *net_listener_step(struct net *net, struct net_listener *listener,
                                 enum listener_event event);
/* The handshake of that end's connection comes once more. */
void net_dial_again(struct net *net, struct net_end *end);
void net_listener_close(struct net *net, struct net_listener *listener, struct net_op *op);
/* silent: who waits in its backlog is not told. */
void net_listener_free(struct net *net, struct net_listener *listener, bool silent);

#endif
