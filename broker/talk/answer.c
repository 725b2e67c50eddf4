/* answer.c - what raft answers, as bodies of Kafka's answers. */
#include "talk/internal.h"

static int32_t leader_of(const struct raft_response *r)
{
    return r->leader_id >= 0 ? r->leader_id : RAFT_NOBODY;
}

/* Versions before 1 have no endpoints (KIP-853). */
static int32_t nodes_said(const struct raft_response *r, int16_t version,
                          const struct talk_endpoint *leader)
{
    return version >= 1 && leader != NULL && r->leader_id >= 0 ? 1 : 0;
}

static const void *answer_vote(struct talk_answer *a, const struct raft_response *r,
                               int16_t version, const struct talk_endpoint *leader)
{
    a->vote.partition = (struct wire_vote_response_partition){.error_code = r->code,
                                                              .leader_id = leader_of(r),
                                                              .leader_epoch = r->epoch,
                                                              .vote_granted = r->granted};
    a->vote.topic = (struct wire_vote_response_topic){.topic_name = wire_text(METADATA_LOG_TOPIC),
                                                      .partitions = &a->vote.partition,
                                                      .partitions_count = 1};
    a->vote.body = (struct wire_vote_response){
        .topics = &a->vote.topic, .topics_count = 1, .node_endpoints = &a->vote.node};
    a->vote.body.node_endpoints_count = nodes_said(r, version, leader);
    if (a->vote.body.node_endpoints_count > 0)
        a->vote.node = (struct wire_vote_response_node){
            .node_id = r->leader_id, .host = wire_text(leader->host), .port = leader->port};
    return &a->vote.body;
}

static const void *answer_begin(struct talk_answer *a, const struct raft_response *r,
                                int16_t version, const struct talk_endpoint *leader)
{
    a->begin.partition = (struct wire_begin_quorum_epoch_response_partition){
        .error_code = r->code, .leader_id = leader_of(r), .leader_epoch = r->epoch};
    a->begin.topic =
        (struct wire_begin_quorum_epoch_response_topic){.topic_name = wire_text(METADATA_LOG_TOPIC),
                                                        .partitions = &a->begin.partition,
                                                        .partitions_count = 1};
    a->begin.body = (struct wire_begin_quorum_epoch_response){
        .topics = &a->begin.topic, .topics_count = 1, .node_endpoints = &a->begin.node};
    a->begin.body.node_endpoints_count = nodes_said(r, version, leader);
    if (a->begin.body.node_endpoints_count > 0)
        a->begin.node = (struct wire_begin_quorum_epoch_response_node){
            .node_id = r->leader_id, .host = wire_text(leader->host), .port = leader->port};
    return &a->begin.body;
}

static const void *answer_end(struct talk_answer *a, const struct raft_response *r, int16_t version,
                              const struct talk_endpoint *leader)
{
    a->end.partition = (struct wire_end_quorum_epoch_response_partition){
        .error_code = r->code, .leader_id = leader_of(r), .leader_epoch = r->epoch};
    a->end.topic =
        (struct wire_end_quorum_epoch_response_topic){.topic_name = wire_text(METADATA_LOG_TOPIC),
                                                      .partitions = &a->end.partition,
                                                      .partitions_count = 1};
    a->end.body = (struct wire_end_quorum_epoch_response){
        .topics = &a->end.topic, .topics_count = 1, .node_endpoints = &a->end.node};
    a->end.body.node_endpoints_count = nodes_said(r, version, leader);
    if (a->end.body.node_endpoints_count > 0)
        a->end.node = (struct wire_end_quorum_epoch_response_node){
            .node_id = r->leader_id, .host = wire_text(leader->host), .port = leader->port};
    return &a->end.body;
}

/* What was fetched: records, or where the logs differ, or which snapshot to fetch instead. */
static void fill_fetched(struct wire_fetch_response_partition *p, const struct raft_response *r,
                         struct wire_bytes content)
{
    p->high_watermark = r->high_watermark;
    switch (r->fetched) {
    case RAFT_FETCHED_RECORDS:
        p->records = content;
        return;
    case RAFT_FETCHED_DIVERGING:
        p->diverging_epoch = (struct wire_fetch_response_epoch_end){.epoch = r->diverging_epoch,
                                                                    .end_offset = r->diverging_end};
        return;
    case RAFT_FETCHED_SNAPSHOT:
        p->snapshot_id = (struct wire_fetch_response_snapshot){.end_offset = r->snapshot.offset,
                                                               .epoch = r->snapshot.epoch};
        return;
    }
    UNREACHABLE();
}

static const void *answer_fetch(struct talk_answer *a, const struct raft_response *r,
                                int16_t version, const struct talk_endpoint *leader,
                                struct wire_bytes content)
{
    struct wire_fetch_response_partition *p = &a->fetch.partition;
    wire_fetch_response_defaults(&a->fetch.body);
    wire_fetch_response_topic_defaults(&a->fetch.topic);
    wire_fetch_response_partition_defaults(p);
    p->error_code = r->code;
    p->high_watermark = -1;
    p->current_leader =
        (struct wire_fetch_response_leader){.leader_id = leader_of(r), .leader_epoch = r->epoch};
    p->records = (struct wire_bytes){.data = (const uint8_t *)"", .size = 0};
    if (r->code == WIRE_ERROR_NONE)
        fill_fetched(p, r, content);
    a->fetch.topic.topic = wire_text(METADATA_LOG_TOPIC);
    a->fetch.topic.topic_id = talk_topic_id;
    a->fetch.topic.partitions = p;
    a->fetch.topic.partitions_count = 1;
    a->fetch.body.responses = &a->fetch.topic;
    a->fetch.body.responses_count = 1;
    if (version < TALK_FETCH_NODES_SINCE || nodes_said(r, version, leader) == 0)
        return &a->fetch.body;
    a->fetch.node = (struct wire_fetch_response_node){.node_id = r->leader_id,
                                                      .host = wire_text(leader->host),
                                                      .port = leader->port,
                                                      .rack = WIRE_NULL_STRING};
    a->fetch.body.node_endpoints = &a->fetch.node;
    a->fetch.body.node_endpoints_count = 1;
    return &a->fetch.body;
}

static const void *answer_snapshot(struct talk_answer *a, const struct raft_response *r,
                                   int16_t version, const struct talk_endpoint *leader,
                                   struct wire_bytes content)
{
    struct wire_fetch_snapshot_response_partition *p = &a->snapshot.partition;
    wire_fetch_snapshot_response_partition_defaults(p);
    p->error_code = r->code;
    p->current_leader = (struct wire_fetch_snapshot_response_leader){.leader_id = leader_of(r),
                                                                     .leader_epoch = r->epoch};
    p->unaligned_records = (struct wire_bytes){.data = (const uint8_t *)"", .size = 0};
    if (r->code == WIRE_ERROR_NONE) {
        p->snapshot_id = (struct wire_fetch_snapshot_response_id){.end_offset = r->snapshot.offset,
                                                                  .epoch = r->snapshot.epoch};
        p->size = r->size;
        p->position = r->position;
        p->unaligned_records = content;
    }
    a->snapshot.topic = (struct wire_fetch_snapshot_response_topic){
        .name = wire_text(METADATA_LOG_TOPIC), .partitions = p, .partitions_count = 1};
    a->snapshot.body = (struct wire_fetch_snapshot_response){
        .topics = &a->snapshot.topic, .topics_count = 1, .node_endpoints = &a->snapshot.node};
    a->snapshot.body.node_endpoints_count = nodes_said(r, version, leader);
    if (a->snapshot.body.node_endpoints_count > 0)
        a->snapshot.node = (struct wire_fetch_snapshot_response_node){
            .node_id = r->leader_id, .host = wire_text(leader->host), .port = leader->port};
    return &a->snapshot.body;
}

const void *talk_answer(struct talk_answer *a, const struct raft_response *response,
                        int16_t version, const struct talk_endpoint *leader,
                        struct wire_bytes content)
{
    *a = (struct talk_answer){0};
    switch (response->api) {
    case RAFT_VOTE:
        return answer_vote(a, response, version, leader);
    case RAFT_BEGIN_EPOCH:
        return answer_begin(a, response, version, leader);
    case RAFT_END_EPOCH:
        return answer_end(a, response, version, leader);
    case RAFT_FETCH:
        return answer_fetch(a, response, version, leader, content);
    case RAFT_FETCH_SNAPSHOT:
        return answer_snapshot(a, response, version, leader, content);
    case RAFT_API_COUNT:
        break;
    }
    UNREACHABLE();
}

/* ---- refusals ---- */

/* Kafka says of which partition it knows nothing. */
static const void *refuse_snapshot(struct talk_answer *a,
                                   const struct wire_fetch_snapshot_request *in, int16_t code)
{
    wire_fetch_snapshot_response_defaults(&a->snapshot.body);
    if (code != WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION) {
        a->snapshot.body.error_code = code;
        return &a->snapshot.body;
    }
    wire_fetch_snapshot_response_partition_defaults(&a->snapshot.partition);
    a->snapshot.partition.index = in->topics[0].partitions[0].partition;
    a->snapshot.partition.error_code = code;
    a->snapshot.partition.unaligned_records =
        (struct wire_bytes){.data = (const uint8_t *)"", .size = 0};
    a->snapshot.topic = (struct wire_fetch_snapshot_response_topic){
        .name = in->topics[0].name, .partitions = &a->snapshot.partition, .partitions_count = 1};
    a->snapshot.body.topics = &a->snapshot.topic;
    a->snapshot.body.topics_count = 1;
    return &a->snapshot.body;
}

const void *talk_refuse(struct talk_answer *a, enum raft_api api, const void *body, int16_t code)
{
    ASSERT(code != WIRE_ERROR_NONE);
    *a = (struct talk_answer){0};
    switch (api) {
    case RAFT_VOTE:
        a->vote.body.error_code = code;
        return &a->vote.body;
    case RAFT_BEGIN_EPOCH:
        a->begin.body.error_code = code;
        return &a->begin.body;
    case RAFT_END_EPOCH:
        a->end.body.error_code = code;
        return &a->end.body;
    case RAFT_FETCH:
        wire_fetch_response_defaults(&a->fetch.body);
        a->fetch.body.error_code = code;
        return &a->fetch.body;
    case RAFT_FETCH_SNAPSHOT:
        return refuse_snapshot(a, body, code);
    case RAFT_API_COUNT:
        break;
    }
    UNREACHABLE();
}
