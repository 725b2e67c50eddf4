/* talk.h - what raft says between nodes as Kafka says it: Vote, BeginQuorumEpoch, EndQuorumEpoch,
 * Fetch and FetchSnapshot (KIP-595, 630, 853, 996, 1166), and back. Pure: values in, values out.
 * What others send is never believed: it becomes a code of Kafka's, or an error. */
#ifndef KILN_TALK_H
#define KILN_TALK_H

#include "metadata/metadata.h"
#include "raft/raft.h"

/* Greater ones are refused: reckoning with an epoch or an offset that somebody made up stays within
 * its type. */
#define TALK_EPOCH_MAX (INT32_MAX - (1 << 20))
#define TALK_OFFSET_MAX (INT64_MAX / 4)

#define TALK_HOST_SIZE 256
/* Listeners that a leader tells others of. */
#define TALK_ENDPOINTS_MAX 8

/* Uuid.METADATA_TOPIC_ID. */
extern const struct wire_uuid talk_topic_id;

/* Where a listener is. Borrowed with all it points to. */
struct talk_endpoint {
    const char *name, *host;
    uint16_t port;
};

/* The API by which raft's is asked. */
const struct wire_api *talk_api(enum raft_api api);

/* ---- what this node asks ---- */

/* What a request says beside of raft's. */
struct talk_terms {
    const char *cluster_id;
    const struct talk_endpoint *endpoints; /* BEGIN_EPOCH, END_EPOCH: the sender's */
    int32_t endpoint_count;
    int32_t wait_ms_max;    /* FETCH: how long it may be parked */
    int32_t bytes_max;      /* FETCH, FETCH_SNAPSHOT */
    int64_t high_watermark; /* FETCH: that the sender knows (KIP-1166); -1: none */
};

/* Appends the request's body. ERR_NOMEM; ERR_UNSUPPORTED: that version cannot say it (a pre-vote
 * before 2). */
enum err talk_request(const struct raft_request *request, const struct talk_terms *terms,
                      int16_t version, struct wire_out *out) MUST_USE;

/* Reads the body of the answer to a request. out->batches is empty: content has them, or the piece
 * of a snapshot (a view into body). Where the answer names no epoch, epoch and leader_id are -1.
 * ERR_CORRUPT (msg says what), ERR_NOMEM. */
enum err talk_response(const struct raft_request *asked, int16_t version, struct bytes body,
                       struct mem *mem, struct raft_response *out, struct bytes *content,
                       struct errmsg *msg) MUST_USE;

/* Where a node is found, as an answer says. */
struct talk_found {
    char host[TALK_HOST_SIZE];
    uint16_t port;
};

/* Whether the answer to a Fetch says where that leader is (KIP-853: NodeEndpoints). */
bool talk_leader(int16_t version, struct bytes body, struct mem *mem, int32_t leader_id,
                 struct talk_found *out);

/* ---- what this node is asked ---- */

struct talk_asked {
    struct raft_request request; /* number 0, bootstrap -1 */
    int32_t wait_ms_max;         /* FETCH */
    int32_t bytes_max;           /* FETCH, FETCH_SNAPSHOT; at least 0 */
    int64_t high_watermark;      /* FETCH: that the sender knows; INT64_MAX: it does not say */
};

/* Takes what a decoded request (wire_*_request) asks. 0, or Kafka's code to be answered with
 * talk_refuse: the cluster's id is another one or not there (INCONSISTENT_CLUSTER_ID; Kafka lets
 * one that is not there pass), it is not of the metadata log alone (INVALID_REQUEST;
 * UNKNOWN_TOPIC_OR_PARTITION of a snapshot), or a number that cannot be. What raft refuses by
 * itself is passed on. */
int16_t talk_take(enum raft_api api, int16_t version, const void *body, const char *cluster_id,
                  const struct raft_key *self, struct talk_asked *out);

/* A body for wire_encode with what it points to; stays in place. */
struct talk_answer {
    union {
        struct {
            struct wire_vote_response body;
            struct wire_vote_response_topic topic;
            struct wire_vote_response_partition partition;
            struct wire_vote_response_node node;
        } vote;
        struct {
            struct wire_begin_quorum_epoch_response body;
            struct wire_begin_quorum_epoch_response_topic topic;
            struct wire_begin_quorum_epoch_response_partition partition;
            struct wire_begin_quorum_epoch_response_node node;
        } begin;
        struct {
            struct wire_end_quorum_epoch_response body;
            struct wire_end_quorum_epoch_response_topic topic;
            struct wire_end_quorum_epoch_response_partition partition;
            struct wire_end_quorum_epoch_response_node node;
        } end;
        struct {
            struct wire_fetch_response body;
            struct wire_fetch_response_topic topic;
            struct wire_fetch_response_partition partition;
            struct wire_fetch_response_node node;
        } fetch;
        struct {
            struct wire_fetch_snapshot_response body;
            struct wire_fetch_snapshot_response_topic topic;
            struct wire_fetch_snapshot_response_partition partition;
            struct wire_fetch_snapshot_response_node node;
        } snapshot;
    };
};

/* What raft answers, as the body of that version. leader: where who leads is found; NULL: not
 * known. content: of FETCH and FETCH_SNAPSHOT; its data may be NULL (external). Returns the body.
 */
const void *talk_answer(struct talk_answer *a, const struct raft_response *response,
                        int16_t version, const struct talk_endpoint *leader,
                        struct wire_bytes content);
/* For who may not ask, or asks what cannot be: body is the request's, whose names an answer of
 * UNKNOWN_TOPIC_OR_PARTITION repeats. */
const void *talk_refuse(struct talk_answer *a, enum raft_api api, const void *body, int16_t code);

#endif
