/* conn.h - one connection, either end, over the door: frames, their order, how many may be in
 * flight and for how long. It knows frames and correlation ids, and nothing of what is inside. */
#ifndef KILN_CONN_H
#define KILN_CONN_H

#include "env/env.h"

/* A frame on the wire is an int32 size and that many bytes (Kafka protocol guide, "Common Request
 * and Response Structure"). */
#define CONN_FRAME_HEAD 4
/* Received frames that wait for their answers; beyond it, or beyond conn_limits.in_flight_bytes,
 * nothing more is received. */
#define CONN_REQUESTS_MAX 64
/* Parts of one answer: its head, and for a fetch the head and the ranges of each partition. */
#define CONN_PARTS_MAX ENV_PARTS_MAX

struct conn;
struct conn_request;

struct conn_limits {
    int32_t frame_bytes_max; /* a longer frame closes the connection (socket.request.max.bytes) */
    int64_t in_flight_bytes; /* of frames that wait for their answers */
    int64_t idle_ns_max;    /* without a byte in either direction while nothing is in flight; 0: for
                               ever */
    int64_t request_ns_max; /* client: an answer that takes longer closes the connection with
                               ERR_TIMEOUT; 0: for ever */
};

/* What the owner of a connection is told. Each call is the last thing its event does with the
 * connection. */
struct conn_owner {
    /* Server: a whole frame came (without its size). request waits for conn_answer, in any order;
     * answers leave in the order of the frames. frame is borrowed: retain frame.buf to keep it. */
    void (*request)(struct conn *conn, struct conn_request *request, struct slice frame);
    /* Client: the answer to the oldest request that expects one. frame as above. */
    void (*answer)(struct conn *conn, struct conn_request *request, struct slice frame);
    /* Once, when the stream is closed and no operation is in flight: nothing of the connection is
     * used any more and conn_free may be called from here. Requests not answered were cancelled
     * first: by cancel, each. */
    void (*closed)(struct conn *conn, enum err e);
    /* A request that will have no answer: client side, the peer may or may not have acted on it;
     * server side, nobody waits. */
    void (*cancel)(struct conn *conn, struct conn_request *request, enum err e);
};

/* Server: one frame that is being answered. It belongs to the conn until conn_answer. Client:
 * embedded in its owner until answer or cancel. */
struct conn_request {
    struct list link;
    struct slice frame;     /* server: retained until the answer has left; client: what was asked */
    int64_t deadline_ns;    /* client */
    int32_t correlation_id; /* client: conn_send draws it and expects it back */
    bool answered, no_answer;
    struct conn_answer *answer;
    void *context; /* the owner's, server side; NULL at first */
};

/* An answer's bytes: retained memory and file ranges; the owner gives release to let go of them
 * when they have been sent (or never will). */
struct conn_answer {
    struct env_part
        *parts; /* the sizes must add up to what the frame's head, which conn writes, will say */
    int32_t part_count;
    void (*release)(struct conn_answer *answer);
};

enum conn_role {
    CONN_SERVER,
    CONN_CLIENT,
};

struct conn {
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    const struct conn_owner *owner;
    struct conn_limits limits;
    enum conn_role role;
    env_stream stream;
    /* Everything below is the conn's own. */
    struct list requests; /* oldest first */
    int32_t request_count;
    int64_t request_bytes;
    struct env_op receiving, sending, closing;
    struct env_timer timer;
    struct buf *in; /* frames are slices of it; a frame that does not fit moves to a new one */
    uint32_t in_start, in_end;
    struct conn_answer *answer_sending;
    struct env_part parts[CONN_PARTS_MAX];
    uint8_t head[CONN_FRAME_HEAD];
    int32_t correlation_id;
    int64_t moved_ns; /* the last byte in either direction */
    enum err error;
    bool stopping, closed;
};

/* Takes over an open stream. conn is the caller's memory, zeroed; it must stay in place until
 * closed. */
void conn_start(struct conn *conn, enum conn_role role, struct env *env, struct mem *mem,
                struct trace *trace, env_stream stream, const struct conn_limits *limits,
                const struct conn_owner *owner);
/* Server: sends the answer when its turn comes. answer and its parts stay until release; NULL: no
 * answer (acks=0), the turn is skipped. May be called inside the request call. */
void conn_answer(struct conn *conn, struct conn_request *request, struct conn_answer *answer);
/* Client: sends a frame (its size is put before it). expects_answer: false for acks=0
 * (owner->answer is then not called; cancel is, with ERR_NONE, when it has been sent).
 * correlation_id must already stand in the frame. request and parts stay until answer or cancel. */
void conn_send(struct conn *conn, struct conn_request *request, const struct env_part *parts,
               int part_count, bool expects_answer);
int32_t conn_next_correlation_id(struct conn *conn);
/* Closes: cancels what waits, then owner->closed. Harmless when closing already. */
void conn_close(struct conn *conn, enum err why);
/* Server: receives no further request, answers what is in flight, then closes. */
void conn_drain(struct conn *conn);

#endif
