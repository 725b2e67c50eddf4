/* peers.h - connections from this node to others of its cluster: made when there is something to
 * say, one for each node and purpose, and each request on them ends once, with its answer or
 * without. It knows frames, versions and addresses, and nothing of what is said. */
#ifndef KILN_PEERS_H
#define KILN_PEERS_H

#include "conn/conn.h"
#include "wire/wire.h"

#define PEERS_HOST_SIZE 256
#define PEERS_NODES_MAX 64     /* addresses that are known */
#define PEERS_IN_FLIGHT_MAX 16 /* requests of a connection that have not ended */
#define PEERS_APIS_MAX 256     /* of a node, that are remembered */
#define PEERS_JITTER_PERCENT 20

/* What a connection is for. Answers come in the order of the requests, so what may wait long at the
 * other end has a connection of its own: a fetch that is parked at a leader holds back no vote.
 * (Kafka has one, with one request in flight, and the vote waits.) */
enum peers_purpose {
    PEERS_VOTES,   /* of the metadata quorum: Vote, BeginQuorumEpoch, EndQuorumEpoch */
    PEERS_LOG,     /* of the metadata log: Fetch, FetchSnapshot */
    PEERS_ORDERS,  /* of a broker to the leading controller: what changes the cluster */
    PEERS_REPLICA, /* of the partitions that the other end leads: Fetch, ListOffsets */
    PEERS_FORWARD, /* Envelope: what clients ask the controller, by way of a broker */
    PEERS_PURPOSE_COUNT,
};

struct peers_settings {
    const char *client_id; /* that others are told; outlives the peers */
    /* From peers_send until the answer; a connection whose oldest request takes longer is closed,
     * and so are those behind it (controller.quorum.request.timeout.ms). */
    int64_t request_ns_max;
    /* After a connection that could not be made, or was lost, the next one is tried after so long,
     * doubled up to the maximum by each that could not be made. */
    int64_t backoff_ns, backoff_ns_max;
    int64_t idle_ns_max;     /* a connection without a word for so long is closed; 0: never */
    int32_t frame_bytes_max; /* a longer answer closes the connection */
    const struct conn_filtering *filtering; /* NULL: none; outlives the peers */
};

struct peers;
struct peers_ask; /* its own: a request on its way */

/* Embedded in its owner, zeroed; in place until it has ended. */
struct peers_request {
    int16_t key; /* of the API */
    enum peers_purpose purpose;
    int64_t ns_max; /* instead of peers_settings.request_ns_max; 0: that */
    /* Appends the body of that version, the newest that both ends speak. Perhaps called inside
     * peers_send. Errors end the request. */
    enum err (*encode)(struct peers_request *request, int16_t version, struct wire_out *out);
    /* The answer's body; retain body.buf to keep it. Strangers wrote it. */
    void (*answered)(struct peers_request *request, int16_t version, struct slice body);
    /* There will be no answer; the other end may have acted on it, or may yet. ERR_NOTFOUND (no
     * address), ERR_UNSUPPORTED (no common version), ERR_TIMEOUT, ERR_LIMIT (too many in flight),
     * ERR_NOMEM, ERR_CORRUPT (no answer of Kafka's), ERR_CANCELLED (peers_close), and as
     * env_connect and env_receive. */
    void (*lost)(struct peers_request *request, enum err why);
    bool was_sent; /* out: lost behind it, the other end may have got it */
    /* The peers' own. */
    struct peers *peers; /* NULL: it has ended */
    struct peers_ask *ask;
    struct list link;
    enum err why;
};

/* ERR_NOMEM. All that is passed in outlives it; mem takes what others send. */
enum err peers_new(struct peers **out, struct env *env, struct mem *mem, struct trace *trace,
                   const struct peers_settings *settings) MUST_USE;

/* Where a node is. An address that is not what it was closes the node's connections. Ids below 0
 * are the owner's: addresses at which it is not known who answers. host is copied. ERR_LIMIT: more
 * than PEERS_NODES_MAX, or a host too long. */
enum err peers_know(struct peers *peers, int32_t node, const char *host, uint16_t port) MUST_USE;

/* It ends with exactly one of answered and lost, unless it is cancelled, and never inside this. */
void peers_send(struct peers *peers, int32_t node, struct peers_request *request);
/* Nobody waits for it any more. Harmless on one that has ended or is zeroed. */
void peers_cancel(struct peers_request *request);

struct peers_op;
typedef void peers_done(struct peers_op *op);
struct peers_op {
    peers_done *done;
};
/* Ends all requests and connections; done is called perhaps before this returns. Requests that come
 * later are lost, until then. */
void peers_close(struct peers *peers, struct peers_op *op, peers_done *done);
/* After peers_close, or before the first peers_send. NULL is harmless. */
void peers_free(struct peers *peers);

/* How many connections are open, for tests and metrics. */
int32_t peers_connection_count(const struct peers *peers);

#endif
