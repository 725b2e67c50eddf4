/* conn.h - one connection, either end, over the door: a filter if it has one, frames, their order,
 * how many may be in flight and for how long. It knows frames and correlation ids, and nothing of
 * what is inside. */
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
/* Parts of one send: answers that are ready together leave together, longer ones leave in turns. */
#define CONN_SEND_PARTS_MAX 64
/* Answers that are ready join a send that has less than this. */
#define CONN_SEND_BYTES (256 << 10)

/* What a connection without traffic holds to receive into. */
#define CONN_IDLE_BYTES (8 << 10)
/* What is received into when many small frames come one behind the other. */
#define CONN_STREAM_BYTES (256 << 10)
/* Frames up to this are small: several share a buffer. */
#define CONN_SMALL_FRAME (32 << 10)
/* A long frame gets this much at once; beyond it, buffers grow with what has really come, so that a
 * length alone costs nothing. */
#define CONN_GROW_FIRST (1 << 20)
#define CONN_GROW_FACTOR 4

/* What a request may take to be decoded and answered, for each byte of its frame, and at most. */
#define CONN_TAKE_FACTOR 8
#define CONN_TAKE_BYTES_MIN 4096
#define CONN_TAKE_BYTES_MAX (64 << 20)
/* While others wait for memory, who holds a part of a frame and gets no byte for so long is closed;
 * and who takes none of his answers for so long. */
#define CONN_STALL_NS_MAX (10ll * 1000 * 1000 * 1000)
#define CONN_UNREAD_NS_MAX (60ll * 1000 * 1000 * 1000)

struct conn;
struct conn_request;
struct conn_filtered;

enum conn_role {
    CONN_SERVER,
    CONN_CLIENT,
};

/* How much of the heap may be held for what. */
enum conn_room {
    CONN_ROOM_COMMON, /* up to the limit: for everybody, in order of arrival */
    CONN_ROOM_SMALL,  /* a little beyond it: for a small request of a connection that has no other,
                         whoever else waits, so that those who hold memory shut nobody out */
    CONN_ROOM_LAST,   /* all there is: so that there is always one who can go on */
};

/* Connections that share a heap with a limit. Who needs more of it than there is receives nothing
 * until there is (back-pressure), in order of arrival; nobody is closed for it. Clients have one;
 * what must never wait behind clients (other brokers, the quorum) gets one of its own, over a heap
 * of its own. */
struct conn_lane {
    struct env *env;
    /* Whether size bytes more may be held now. */
    bool (*room)(struct conn_lane *lane, uint64_t size, enum conn_room level);
    /* The first one begins to wait. May be NULL. */
    void (*full)(struct conn_lane *lane);
    /* Its own. */
    struct list members;   /* struct conn, all of them */
    struct list waiting;   /* struct conn */
    struct conn *first;    /* whose turn it is just now */
    struct conn *favoured; /* who receives into what is beyond the limit */
    struct env_timer wake, stall;
};

void conn_lane_init(struct conn_lane *lane, struct env *env,
                    bool (*room)(struct conn_lane *lane, uint64_t size, enum conn_room level));
/* Some of the memory is free again. May be called from the heap's free; harmless on a zeroed lane.
 */
void conn_lane_freed(struct conn_lane *lane);
/* Its connections are closed. Harmless on a zeroed lane. */
void conn_lane_free(struct conn_lane *lane);

struct conn_limits {
    int32_t frame_bytes_max; /* a longer frame closes the connection (socket.request.max.bytes) */
    int64_t in_flight_bytes; /* of frames that wait for their answers, and of answers that wait to
                                be read by the peer, as far as they are in memory */
    int64_t idle_ns_max;    /* without a byte in either direction while nothing waits for an answer,
                               or while one is being sent; 0: for ever */
    int64_t request_ns_max; /* client: an answer that takes longer closes the connection with
                               ERR_TIMEOUT; 0: for ever */
    struct conn_lane *lane; /* server: outlives the connection. NULL: its heap has no other limit
                               than the machine's, and no memory closes it */
};

/* ---- filters ---- */

/* What may stand between a stream and its frames: TLS, say. Bytes of the stream go in and plain
 * ones come out, and the other way; it may have bytes of its own to say (a handshake, an end). It
 * starts no operation: the connection moves the bytes, and gives it them in pieces of at most
 * CONN_FILTER_BYTES, so that what it holds is bounded. Shaped after OpenSSL over two memory BIOs:
 * feed is BIO_write, read SSL_read, write SSL_write, pending and take are BIO_pending and BIO_read,
 * finish is SSL_shutdown. */
#define CONN_FILTER_BYTES (16 << 10)
/* What is sent at once of a filter's bytes, and read at once of a file that passes through it. */
#define CONN_FILTER_SEND_BYTES (32 << 10)
/* A filter's last words have so long to leave before the stream is closed. */
#define CONN_FILTER_FAREWELL_NS (1000ll * 1000 * 1000)

struct conn_filter {
    const struct conn_filter_kind *kind;
};

struct conn_filter_kind {
    /* Bytes of the stream: takes all, or the beginning (*used, at least one). Only after read had
     * nothing. ERR_CORRUPT, ERR_NOMEM. */
    enum err (*feed)(struct conn_filter *filter, const uint8_t *bytes, size_t size, size_t *used);
    /* Gives plain bytes, up to cap. *got 0: there are none before more was fed. ERR_EOF: the peer
     * has said that nothing follows. ERR_CORRUPT, ERR_ACCESS (its handshake), ERR_NOMEM. */
    enum err (*read)(struct conn_filter *filter, uint8_t *plain, size_t cap, size_t *got);
    /* Takes plain bytes to be sent, or a beginning of them. *used 0: not before what is pending was
     * taken, or (in a handshake) more was fed. ERR_NOMEM. */
    enum err (*write)(struct conn_filter *filter, const uint8_t *plain, size_t size, size_t *used);
    /* Bytes for the stream that wait to be taken. */
    size_t (*pending)(const struct conn_filter *filter);
    /* Gives the first of them, up to cap; returns how many. */
    size_t (*take)(struct conn_filter *filter, uint8_t *bytes, size_t cap);
    /* Nothing more will be written: what tells the peer so (or what was wrong with him) is pending
     * afterwards, or nothing. Also after an error. */
    void (*finish)(struct conn_filter *filter);
    void (*free)(struct conn_filter *filter);
};

/* Makes the filters of a listener's or a client's connections. */
struct conn_filtering {
    /* All that it holds comes from mem, the connection's. NULL: no memory. */
    struct conn_filter *(*make)(const struct conn_filtering *filtering, enum conn_role role,
                                struct env *env, struct mem *mem);
    uint32_t bytes; /* that a filter holds at most */
};

/* What a connection holds before its first byte. filtering: NULL, or that of its stream. */
uint64_t conn_idle_bytes(const struct conn_filtering *filtering);

/* ---- connections ---- */

/* reason of REQUEST_REFUSED rows. */
enum conn_refusal {
    CONN_REFUSED_NEGATIVE = 101, /* a size below zero */
    CONN_REFUSED_TOO_LONG,       /* above frame_bytes_max */
    CONN_REFUSED_MEMORY,         /* there is none, and nobody to wait for */
};

/* What the owner of a connection is told. The connection is in order at each call, which may call
 * all functions below. */
struct conn_owner {
    /* Server: a whole frame came (without its size). request waits for conn_answer, in any order;
     * answers leave in the order of the frames. frame is borrowed: retain frame.buf to keep it. The
     * last thing its event does. */
    void (*request)(struct conn *conn, struct conn_request *request, struct slice frame);
    /* Client: the answer to the oldest request that expects one. frame as above. The request is its
     * owner's again. The last thing its event does. */
    void (*answer)(struct conn *conn, struct conn_request *request, struct slice frame);
    /* Once, when the stream is closed and no operation is in flight: nothing of the connection is
     * used any more and its memory may be freed from here. ERR_EOF: the peer has ended it in good
     * order, which with a filter is what the filter says (else ERR_RESET). Requests not answered
     * were cancelled first: by cancel, each. */
    void (*closed)(struct conn *conn, enum err e);
    /* Server: the size of a frame cannot be right, and the connection will be closed. May be NULL.
     */
    void (*refused)(struct conn *conn, enum conn_refusal why, int32_t size);
    /* A request that will have no answer: client side, the peer may or may not have acted on it,
     * and the request is its owner's again; server side, nobody waits, and the request is gone.
     * Others of the connection that waited for it may be answered from here. */
    void (*cancel)(struct conn *conn, struct conn_request *request, enum err e);
};

/* Server: one frame that is being answered. It belongs to the conn, until conn_answer or cancel.
 * Client: embedded in its owner until answer or cancel. */
struct conn_request {
    struct list link;
    struct slice frame;     /* server: retained until the answer has left */
    int64_t deadline_ns;    /* client */
    int32_t correlation_id; /* client: what conn_next_correlation_id said */
    bool answered, no_answer;
    uint32_t answer_bytes; /* of the parts that are in memory */
    struct conn_answer *answer;
    void *context; /* the owner's, server side; NULL at first */
    /* What is to be sent behind the head. */
    const struct env_part *parts;
    int32_t part_count;
    uint8_t head[CONN_FRAME_HEAD];
};

/* An answer's bytes: memory and file ranges; the owner gives release to let go of them when they
 * have been sent (or never will). */
struct conn_answer {
    struct env_part *parts; /* the sum of their sizes is the size that conn writes before them */
    int32_t part_count;
    void (*release)(struct conn_answer *answer);
};

enum conn_state {
    CONN_NONE,
    CONN_OPEN,
    CONN_DRAINING, /* no further request is received */
    CONN_CLOSING,  /* the stream is being closed */
    CONN_CLOSED,
};

struct conn {
    struct env *env;
    struct mem *mem;
    struct trace *trace;
    const struct conn_owner *owner;
    struct conn_limits limits;
    enum conn_role role;
    env_stream stream;
    char peer[ENV_PEER_SIZE]; /* who is at the other end, for people; its owner fills it, or not */
    const struct conn_filtering *filtering; /* its owner fills it, or not; outlives it */
    /* Everything below is the conn's own. */
    enum conn_state state;
    enum err error; /* why it closes */
    bool waits;     /* for memory: in limits.lane */
    struct list lane_link, lane_member;
    struct list requests; /* oldest first; server: not answered or not sent yet, client: not sent */
    struct list asked;    /* client: sent, and waiting for their answers */
    int32_t request_count; /* in both */
    int64_t request_bytes; /* server: of their frames, and of answers in memory */
    struct env_op receiving, sending, closing;
    struct env_timer timer; /* idle, or the oldest request's deadline */
    struct env_timer turn;  /* further frames that are here already, each as an event of its own */
    struct buf *in;         /* frames are slices of it */
    uint32_t in_start, in_end;
    uint32_t frame_size_last;
    bool in_was_full; /* the last receive took all the room there was: more waits */
    struct env_part parts[CONN_SEND_PARTS_MAX];
    int32_t sending_count; /* requests that the send in flight completes */
    int32_t part_next;     /* of the first request behind those; 0: its head */
    int32_t correlation_id;
    int64_t moved_ns;               /* the last byte in either direction */
    struct conn_filtered *filtered; /* NULL: the stream's bytes are the frames' */
};

/* Takes over an open stream. conn is the caller's memory, zeroed; it must stay in place until
 * closed. */
void conn_start(struct conn *conn, enum conn_role role, struct env *env, struct mem *mem,
                struct trace *trace, env_stream stream, const struct conn_limits *limits,
                const struct conn_owner *owner);
/* Server: sends the answer when its turn comes. answer and its parts stay until release; NULL: no
 * answer (acks=0), the turn is skipped. May be called inside the request call, when the connection
 * closes already, and inside the cancel call of another. */
void conn_answer(struct conn *conn, struct conn_request *request, struct conn_answer *answer);
/* Client: sends a frame (its size is put before it). expects_answer: false for acks=0
 * (owner->answer is then not called; cancel is, with ERR_NONE, when it has been sent).
 * conn_next_correlation_id must already stand in the frame. request and parts stay until answer or
 * cancel. Not to be called once the connection closes. */
void conn_send(struct conn *conn, struct conn_request *request, const struct env_part *parts,
               int part_count, bool expects_answer);
/* The id that the next conn_send expects back. */
int32_t conn_next_correlation_id(const struct conn *conn);
/* False once it drains or closes. */
static inline bool conn_is_open(const struct conn *conn)
{
    return conn->state == CONN_OPEN;
}
/* Closes: cancels what waits, then owner->closed, as a later event. A filter has its last words
 * first, where no send is in their way. Harmless when closing already. */
void conn_close(struct conn *conn, enum err why);
/* Server: receives no further request, answers what is in flight, then closes with ERR_NONE. */
void conn_drain(struct conn *conn);

#endif
