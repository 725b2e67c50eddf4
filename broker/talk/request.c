/* request.c - what raft asks, as Kafka's requests and from them. */
#include "talk/internal.h"

const struct wire_uuid talk_topic_id = {.b = {[15] = 1}};

static const int16_t keys[RAFT_API_COUNT] = {
    [RAFT_VOTE] = 52, [RAFT_BEGIN_EPOCH] = 53,    [RAFT_END_EPOCH] = 54,
    [RAFT_FETCH] = 1, [RAFT_FETCH_SNAPSHOT] = 59,
};

const struct wire_api *talk_api(enum raft_api api)
{
    const struct wire_api *kind = wire_api(keys[api]);
    ASSERT(kind != NULL);
    return kind;
}

/* ---- out ---- */

static enum err encode(enum raft_api api, int16_t version, const void *body, struct wire_out *out)
{
    enum err e = wire_encode(talk_api(api)->request, version, body, out);
    ASSERT(e == ERR_NONE || e == ERR_NOMEM || e == ERR_UNSUPPORTED);
    return e;
}

static enum err ask_vote(const struct raft_request *r, const struct talk_terms *terms,
                         int16_t version, struct wire_out *out)
{
    if (r->pre_vote && version < 2)
        return ERR_UNSUPPORTED;
    struct wire_vote_request_partition partition = {
        .replica_epoch = r->epoch,
        .replica_id = r->from.id,
        .replica_directory_id = r->from.directory,
        .voter_directory_id = r->to.directory,
        .last_offset_epoch = r->last_epoch,
        .last_offset = r->end,
        .pre_vote = r->pre_vote,
    };
    struct wire_vote_request_topic topic = {.topic_name = wire_text(METADATA_LOG_TOPIC),
                                            .partitions = &partition,
                                            .partitions_count = 1};
    struct wire_vote_request body = {.cluster_id = wire_text(terms->cluster_id),
                                     .voter_id = r->to.id,
                                     .topics = &topic,
                                     .topics_count = 1};
    return encode(r->api, version, &body, out);
}

static enum err ask_begin(const struct raft_request *r, const struct talk_terms *terms,
                          int16_t version, struct wire_out *out)
{
    struct wire_begin_quorum_epoch_request_endpoint endpoints[TALK_ENDPOINTS_MAX];
    struct wire_begin_quorum_epoch_request_partition partition = {
        .voter_directory_id = r->to.directory, .leader_id = r->from.id, .leader_epoch = r->epoch};
    struct wire_begin_quorum_epoch_request_topic topic = {.topic_name =
                                                              wire_text(METADATA_LOG_TOPIC),
                                                          .partitions = &partition,
                                                          .partitions_count = 1};
    struct wire_begin_quorum_epoch_request body = {.cluster_id = wire_text(terms->cluster_id),
                                                   .voter_id = r->to.id,
                                                   .topics = &topic,
                                                   .topics_count = 1,
                                                   .leader_endpoints = endpoints};
    for (; body.leader_endpoints_count < terms->endpoint_count; body.leader_endpoints_count++) {
        const struct talk_endpoint *from = &terms->endpoints[body.leader_endpoints_count];
        endpoints[body.leader_endpoints_count] = (struct wire_begin_quorum_epoch_request_endpoint){
            .name = wire_text(from->name), .host = wire_text(from->host), .port = from->port};
    }
    return encode(r->api, version, &body, out);
}

static enum err ask_end(const struct raft_request *r, const struct talk_terms *terms,
                        int16_t version, struct wire_out *out)
{
    int32_t ids[RAFT_VOTERS_MAX];
    struct wire_end_quorum_epoch_request_candidate candidates[RAFT_VOTERS_MAX];
    struct wire_end_quorum_epoch_request_endpoint endpoints[TALK_ENDPOINTS_MAX];
    int32_t count = r->successors.count;
    for (int32_t i = 0; i < count; i++) {
        const struct raft_key *key = &r->successors.keys[i];
        ids[i] = key->id;
        candidates[i] = (struct wire_end_quorum_epoch_request_candidate){
            .candidate_id = key->id, .candidate_directory_id = key->directory};
    }
    struct wire_end_quorum_epoch_request_partition partition = {
        .leader_id = r->from.id,
        .leader_epoch = r->epoch,
        .preferred_successors = ids,
        .preferred_successors_count = count,
        .preferred_candidates = candidates,
        .preferred_candidates_count = count,
    };
    struct wire_end_quorum_epoch_request_topic topic = {.topic_name = wire_text(METADATA_LOG_TOPIC),
                                                        .partitions = &partition,
                                                        .partitions_count = 1};
    struct wire_end_quorum_epoch_request body = {.cluster_id = wire_text(terms->cluster_id),
                                                 .topics = &topic,
                                                 .topics_count = 1,
                                                 .leader_endpoints = endpoints};
    for (; body.leader_endpoints_count < terms->endpoint_count; body.leader_endpoints_count++) {
        const struct talk_endpoint *from = &terms->endpoints[body.leader_endpoints_count];
        endpoints[body.leader_endpoints_count] = (struct wire_end_quorum_epoch_request_endpoint){
            .name = wire_text(from->name), .host = wire_text(from->host), .port = from->port};
    }
    return encode(r->api, version, &body, out);
}

static enum err ask_fetch(const struct raft_request *r, const struct talk_terms *terms,
                          int16_t version, struct wire_out *out)
{
    struct wire_fetch_request_partition partition;
    struct wire_fetch_request_topic topic;
    struct wire_fetch_request body;
    if (version < TALK_FETCH_OLDEST)
        return ERR_UNSUPPORTED;
    wire_fetch_request_defaults(&body);
    wire_fetch_request_topic_defaults(&topic);
    wire_fetch_request_partition_defaults(&partition);
    partition.current_leader_epoch = r->epoch;
    partition.fetch_offset = r->end;
    partition.last_fetched_epoch = r->last_epoch;
    partition.partition_max_bytes = terms->bytes_max;
    partition.replica_directory_id = r->from.directory;
    partition.high_watermark = terms->high_watermark;
    topic.topic_id = talk_topic_id;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    body.cluster_id = wire_text(terms->cluster_id);
    if (version < 15)
        body.replica_id = r->from.id;
    else
        body.replica_state.replica_id = r->from.id;
    body.max_wait_ms = terms->wait_ms_max;
    body.min_bytes = 1;
    body.max_bytes = terms->bytes_max;
    body.topics = &topic;
    body.topics_count = 1;
    return encode(r->api, version, &body, out);
}

static enum err ask_snapshot(const struct raft_request *r, const struct talk_terms *terms,
                             int16_t version, struct wire_out *out)
{
    struct wire_fetch_snapshot_request_partition partition = {
        .current_leader_epoch = r->epoch,
        .snapshot_id = {.end_offset = r->snapshot.offset, .epoch = r->snapshot.epoch},
        .position = r->position,
        .replica_directory_id = r->from.directory,
    };
    struct wire_fetch_snapshot_request_topic topic = {
        .name = wire_text(METADATA_LOG_TOPIC), .partitions = &partition, .partitions_count = 1};
    struct wire_fetch_snapshot_request body = {.cluster_id = wire_text(terms->cluster_id),
                                               .replica_id = r->from.id,
                                               .max_bytes = terms->bytes_max,
                                               .topics = &topic,
                                               .topics_count = 1};
    return encode(r->api, version, &body, out);
}

enum err talk_request(const struct raft_request *request, const struct talk_terms *terms,
                      int16_t version, struct wire_out *out)
{
    ASSERT(terms->endpoint_count >= 0);
    ASSERT(terms->endpoint_count <= TALK_ENDPOINTS_MAX);
    switch (request->api) {
    case RAFT_VOTE:
        return ask_vote(request, terms, version, out);
    case RAFT_BEGIN_EPOCH:
        return ask_begin(request, terms, version, out);
    case RAFT_END_EPOCH:
        return ask_end(request, terms, version, out);
    case RAFT_FETCH:
        return ask_fetch(request, terms, version, out);
    case RAFT_FETCH_SNAPSHOT:
        return ask_snapshot(request, terms, version, out);
    case RAFT_API_COUNT:
        break;
    }
    UNREACHABLE();
}

/* ---- in ---- */

static bool of_cluster(struct wire_string said, const char *cluster_id)
{
    return wire_string_equal(said, wire_text(cluster_id));
}

static bool of_log(struct wire_string topic, int32_t partition)
{
    return partition == 0 && wire_string_equal(topic, wire_text(METADATA_LOG_TOPIC));
}

static int16_t take_vote(const struct wire_vote_request *in, int16_t version,
                         const char *cluster_id, struct raft_request *out)
{
    if (!of_cluster(in->cluster_id, cluster_id))
        return WIRE_ERROR_INCONSISTENT_CLUSTER_ID;
    if (in->topics_count != 1 || in->topics[0].partitions_count != 1)
        return WIRE_ERROR_INVALID_REQUEST;
    const struct wire_vote_request_partition *p = &in->topics[0].partitions[0];
    if (!of_log(in->topics[0].topic_name, p->partition_index))
        return WIRE_ERROR_INVALID_REQUEST;
    out->from = (struct raft_key){.id = p->replica_id, .directory = p->replica_directory_id};
    if (version >= 1 && in->voter_id >= 0)
        out->to = (struct raft_key){.id = in->voter_id, .directory = p->voter_directory_id};
    out->epoch = p->replica_epoch;
    out->pre_vote = p->pre_vote;
    out->last_epoch = p->last_offset_epoch;
    out->end = p->last_offset;
    return WIRE_ERROR_NONE;
}

static int16_t take_begin(const struct wire_begin_quorum_epoch_request *in, int16_t version,
                          const char *cluster_id, struct raft_request *out)
{
    if (!of_cluster(in->cluster_id, cluster_id))
        return WIRE_ERROR_INCONSISTENT_CLUSTER_ID;
    if (in->topics_count != 1 || in->topics[0].partitions_count != 1)
        return WIRE_ERROR_INVALID_REQUEST;
    const struct wire_begin_quorum_epoch_request_partition *p = &in->topics[0].partitions[0];
    if (!of_log(in->topics[0].topic_name, p->partition_index))
        return WIRE_ERROR_INVALID_REQUEST;
    out->from.id = p->leader_id;
    if (version >= 1 && in->voter_id >= 0)
        out->to = (struct raft_key){.id = in->voter_id, .directory = p->voter_directory_id};
    out->epoch = p->leader_epoch;
    return WIRE_ERROR_NONE;
}

/* More than may vote are cut off: they stand in the order of preference. */
static void take_successors(const struct wire_end_quorum_epoch_request_partition *p,
                            int16_t version, struct raft_voters *out)
{
    bool keyed = version >= 1;
    int32_t count = keyed ? p->preferred_candidates_count : p->preferred_successors_count;
    for (int32_t i = 0; i < MIN(count, RAFT_VOTERS_MAX); i++) {
        struct raft_key *key = &out->keys[out->count++];
        if (keyed)
            *key =
                (struct raft_key){.id = p->preferred_candidates[i].candidate_id,
                                  .directory = p->preferred_candidates[i].candidate_directory_id};
        else
            *key = (struct raft_key){.id = p->preferred_successors[i]};
    }
}

static int16_t take_end(const struct wire_end_quorum_epoch_request *in, int16_t version,
                        const char *cluster_id, struct raft_request *out)
{
    if (!of_cluster(in->cluster_id, cluster_id))
        return WIRE_ERROR_INCONSISTENT_CLUSTER_ID;
    if (in->topics_count != 1 || in->topics[0].partitions_count != 1)
        return WIRE_ERROR_INVALID_REQUEST;
    const struct wire_end_quorum_epoch_request_partition *p = &in->topics[0].partitions[0];
    if (!of_log(in->topics[0].topic_name, p->partition_index))
        return WIRE_ERROR_INVALID_REQUEST;
    out->from.id = p->leader_id;
    out->epoch = p->leader_epoch;
    take_successors(p, version, &out->successors);
    return WIRE_ERROR_NONE;
}

static int16_t take_fetch(const struct wire_fetch_request *in, int16_t version,
                          const char *cluster_id, struct talk_asked *out)
{
    if (!of_cluster(in->cluster_id, cluster_id))
        return WIRE_ERROR_INCONSISTENT_CLUSTER_ID;
    if (in->topics_count != 1 || in->topics[0].partitions_count != 1)
        return WIRE_ERROR_INVALID_REQUEST;
    const struct wire_fetch_request_partition *p = &in->topics[0].partitions[0];
    if (p->partition != 0 || !wire_uuid_equal(&in->topics[0].topic_id, &talk_topic_id))
        return WIRE_ERROR_INVALID_REQUEST;
    if (in->max_wait_ms < 0)
        return WIRE_ERROR_INVALID_REQUEST;
    out->request.from =
        (struct raft_key){.id = version < 15 ? in->replica_id : in->replica_state.replica_id,
                          .directory = p->replica_directory_id};
    out->request.epoch = p->current_leader_epoch;
    out->request.last_epoch = p->last_fetched_epoch;
    out->request.end = p->fetch_offset;
    out->wait_ms_max = in->max_wait_ms;
    out->bytes_max = MAX(MIN(in->max_bytes, p->partition_max_bytes), 0);
    out->high_watermark = p->high_watermark;
    return WIRE_ERROR_NONE;
}

static int16_t take_snapshot(const struct wire_fetch_snapshot_request *in, const char *cluster_id,
                             struct talk_asked *out)
{
    if (!of_cluster(in->cluster_id, cluster_id))
        return WIRE_ERROR_INCONSISTENT_CLUSTER_ID;
    if (in->topics_count != 1 || in->topics[0].partitions_count != 1)
        return WIRE_ERROR_INVALID_REQUEST;
    const struct wire_fetch_snapshot_request_partition *p = &in->topics[0].partitions[0];
    if (!of_log(in->topics[0].name, p->partition))
        return WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    out->request.from =
        (struct raft_key){.id = in->replica_id, .directory = p->replica_directory_id};
    out->request.epoch = p->current_leader_epoch;
    out->request.snapshot = (struct raft_snapshot_id){.offset = p->snapshot_id.end_offset,
                                                      .epoch = p->snapshot_id.epoch};
    out->request.position = p->position;
    out->bytes_max = MAX(in->max_bytes, 0);
    return WIRE_ERROR_NONE;
}

/* No number is so great that reckoning with it ends. */
static bool is_bounded(const struct raft_request *r)
{
    return r->epoch <= TALK_EPOCH_MAX && r->last_epoch <= TALK_EPOCH_MAX &&
           r->snapshot.epoch <= TALK_EPOCH_MAX && r->end <= TALK_OFFSET_MAX &&
           r->snapshot.offset <= TALK_OFFSET_MAX && r->position <= TALK_OFFSET_MAX;
}

static int16_t take(enum raft_api api, int16_t version, const void *body, const char *cluster_id,
                    struct talk_asked *out)
{
    switch (api) {
    case RAFT_VOTE:
        return take_vote(body, version, cluster_id, &out->request);
    case RAFT_BEGIN_EPOCH:
        return take_begin(body, version, cluster_id, &out->request);
    case RAFT_END_EPOCH:
        return take_end(body, version, cluster_id, &out->request);
    case RAFT_FETCH:
        return take_fetch(body, version, cluster_id, out);
    case RAFT_FETCH_SNAPSHOT:
        return take_snapshot(body, cluster_id, out);
    case RAFT_API_COUNT:
        break;
    }
    UNREACHABLE();
}

int16_t talk_take(enum raft_api api, int16_t version, const void *body, const char *cluster_id,
                  const struct raft_key *self, struct talk_asked *out)
{
    *out = (struct talk_asked){.request = {.api = api, .bootstrap = -1, .to = *self},
                               .high_watermark = INT64_MAX};
    int16_t code = take(api, version, body, cluster_id, out);
    if (code == WIRE_ERROR_NONE && !is_bounded(&out->request))
        code = WIRE_ERROR_INVALID_REQUEST;
    return code;
}
