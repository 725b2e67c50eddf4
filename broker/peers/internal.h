/* internal.h - what the files of peers share and nobody else sees. */
#ifndef KILN_PEERS_INTERNAL_H
#define KILN_PEERS_INTERNAL_H

#include "peers/peers.h"

#define PEERS_API_VERSIONS 18
#define PEERS_API_VERSIONS_ASKED 3 /* the newest that every broker since 2.4 speaks */
#define PEERS_CLIENT_ID_MAX 64
/* A request header: key, version, correlation id, client id, tagged fields. */
#define PEERS_HEAD_MAX (2 + 2 + 4 + 2 + PEERS_CLIENT_ID_MAX + 1)
#define PEERS_BACKOFF_FIRST 8         /* the first pause is that part of the one that is set */
#define PEERS_ARENA_BYTES (256 << 10) /* that an answer to ApiVersions may decode to */

struct peers_node {
    int32_t id;
    uint16_t port;
    char host[PEERS_HOST_SIZE];
};

enum link_state {
    LINK_DOWN, /* nothing is connected; retry_ns says from when on it may be */
    LINK_CONNECTING,
    LINK_ASKING, /* connected; which versions does it speak? */
    LINK_UP,
    LINK_CLOSING,   /* a connection of this one; it may be made anew */
    LINK_ABANDONED, /* closes what it still gets, then goes */
};

struct peers_versions {
    int16_t key, oldest, newest;
};

/* A connection to a node for one purpose; kept over reconnects. */
struct peers_link {
    struct list link; /* peers.links */
    struct peers *peers;
    int32_t node;
    enum peers_purpose purpose;
    enum link_state state;
    char host[PEERS_HOST_SIZE]; /* that is being connected */
    struct env_op connecting, closing;
    struct env_timer timer; /* when it may be connected again, or the oldest request is late */
    int64_t retry_ns;
    int32_t failure_count; /* since it was up */
    struct conn conn;
    struct list asks;           /* struct peers_ask, in order */
    int32_t ask_count;          /* in asks */
    struct peers_ask *versions; /* the first question of a connection; NULL: none is under way */
    struct peers_versions apis[PEERS_APIS_MAX];
    int32_t api_count;
};

/* A frame on its way. */
struct peers_ask {
    struct conn_request conn;
    struct list link; /* the link's asks */
    struct peers_link *on;
    struct peers_request *request; /* NULL: nobody waits for the answer */
    int16_t key, version;
    bool sent; /* the connection has it until answer or cancel */
    int64_t deadline_ns;
    struct wire_out body;
    uint8_t head[PEERS_HEAD_MAX];
    struct env_part parts[2];
};

struct peers {
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    struct peers_settings settings;
    struct peers_node nodes[PEERS_NODES_MAX];
    int32_t node_count;
    struct list links;     /* struct peers_link */
    struct list lost;      /* struct peers_request: their owners are to be told */
    struct env_timer tell; /* that they are */
    struct peers_op *closing;
};

/* peers.c */
/* NULL: not known. */
const struct peers_node *peers_node(const struct peers *p, int32_t id);
/* Its owner is told, as an event of its own. */
void peers_lose(struct peers *p, struct peers_request *request, enum err why);
/* Something that peers_close may wait for has ended. */
void peers_closed_some(struct peers *p);

/* link.c */
/* NULL: no memory. */
struct peers_link *peers_link_get(struct peers *p, int32_t node, enum peers_purpose purpose);
/* Takes a request that is new: sends it, or has it wait until it can be. */
void peers_link_take(struct peers_link *l, struct peers_ask *ask);
/* Closes what is open; those that wait are lost. */
void peers_link_end(struct peers_link *l, enum err why);
/* When it is to be looked at next, from what is there. */
void peers_link_keep_time(struct peers_link *l);
/* The connection said something that it may not. */
void peers_link_break(struct peers_link *l, enum err why);
/* conn_owner.closed. */
void peers_link_closed(struct conn *conn, enum err e);
/* What a node speaks is known. */
void peers_link_up(struct peers_link *l, const struct wire_api_versions_response *says);

/* ask.c */
/* NULL: no memory. Not in any list. */
struct peers_ask *peers_ask_new(struct peers_link *l, struct peers_request *request);
/* No connection has it. */
void peers_ask_free(struct peers_ask *ask);
/* The same, and who waits for it is told. */
void peers_ask_lose(struct peers_ask *ask, enum err why);
/* The link is up: encodes and sends it. On error it is lost. */
void peers_ask_send(struct peers_ask *ask);
/* The first question of a connection. */
enum err peers_ask_versions(struct peers_link *l, int16_t version) MUST_USE;
extern const struct conn_owner peers_conn_owner;

#endif
