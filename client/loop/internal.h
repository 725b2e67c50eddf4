/* internal.h - what the files of client/loop share. Nobody outside of this folder includes it. */
#ifndef KILN_CLIENT_LOOP_INTERNAL_H
#define KILN_CLIENT_LOOP_INTERNAL_H

#include "client/loop/loop.h"

#define MS 1000000ll /* nanoseconds */

/* What a broker may send at once: a fetch may hold one batch that is larger than fetch.max.bytes.
 */
#define LOOP_FRAME_BYTES_MIN (100 << 20)
#define LOOP_JITTER_PERCENT 20
/* A request header: key, version, correlation id, client id, tagged fields. */
#define LOOP_HEAD_MAX (2 + 2 + 4 + 2 + CONFIG_STRING_SIZE + 1)
#define LOOP_API_VERSIONS 3 /* the newest that every broker since 2.4 speaks */

enum link_state {
    LINK_IDLE, /* nothing is connected; retry_ns says from when on it may be */
    LINK_CONNECTING,
    LINK_ASKING, /* connected; which versions does it speak? */
    LINK_UP,
    LINK_CLOSING,
    LINK_ABANDONED, /* took too long to connect: closes what it gets, then goes */
};

/* A connection to a node, for one lane; it is kept over reconnects. */
struct loop_link {
    struct list link; /* loop_client.links */
    struct loop_client *client;
    int32_t node;
    enum client_lane lane;
    int32_t state; /* enum link_state */
    uint32_t address_version;
    char host[CLIENT_HOST_MAX];
    uint16_t port;
    struct env_op connecting, closing;
    int64_t retry_ns; /* back-off: not before */
    int64_t give_up_ns;
    int32_t failure_count;
    bool went_down; /* the machine was told that it is up, or wanted it, and does not know yet */
    enum err why;
    struct conn conn;
    struct loop_request *versions; /* the question that comes first, while it is under way */
    struct wire_out versions_body;
};

/* A frame on its way: the machine's request, or (request NULL) the link's own question. */
struct loop_request {
    struct conn_request conn; /* first */
    struct list link;         /* loop_client.lost */
    struct client_request *request;
    struct loop_link *on;
    int16_t api_key, api_version;
    enum err err;
    uint8_t head[LOOP_HEAD_MAX];
    struct env_part *parts;
    int32_t part_count;
};

/* loop.c */
/* Steps the machine and sends what it wants sent. */
void loop_step(struct loop_client *c, struct client_event *ev);
/* After whatever happened: tells the machine what was lost, connects, arms the timer. */
void loop_settle(struct loop_client *c);
/* The end of an event: settles, and tells owners what is done. */
void loop_finish(struct loop_client *c);

/* link.c */
/* Connects what the machine wants connected and what may be by now; drops what moved. */
void loop_links_tend(struct loop_client *c);
/* The next moment at which a link has to be looked at. */
int64_t loop_links_wake(struct loop_client *c);
void loop_links_close(struct loop_client *c);
/* NULL: not connected. */
struct loop_link *loop_link_up(struct loop_client *c, int32_t node, enum client_lane lane);
void loop_link_free(struct loop_link *l);

/* request.c */
/* Sends the machine's request. ERR_NOMEM: it was not sent. */
enum err loop_request_send(struct loop_link *l, struct client_request *request) MUST_USE;
/* Asks for the broker's versions. */
enum err loop_versions_ask(struct loop_link *l, int16_t version) MUST_USE;
/* Takes the header off an answer. ERR_CORRUPT. */
enum err loop_answer_body(const struct loop_request *r, struct slice frame,
                          struct slice *body) MUST_USE;
void loop_request_free(struct loop_client *c, struct loop_request *r);

#endif
