/* describe_quorum.c - 55: who leads the metadata log and how far it is (KRaft's, KIP-595). */
#include "api/internal.h"

static const struct wire_string nothing_wrong = {.data = "", .size = 0};

static void describe_missing(const struct wire_describe_quorum_request_partition *in,
                             struct wire_describe_quorum_response_partition *out)
{
    *out = (struct wire_describe_quorum_response_partition){
        .partition_index = in->partition_index,
        .error_code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION,
        .error_message = wire_text("This server does not host this topic-partition."),
    };
}

static bool describe_topic(struct request *r, const struct wire_describe_quorum_request_topic *in,
                           struct wire_describe_quorum_response_topic *out)
{
    int32_t count = MAX(in->partitions_count, 0);
    *out = (struct wire_describe_quorum_response_topic){.topic_name = in->topic_name};
    out->partitions = api_request_alloc(r, (size_t)count, sizeof *out->partitions);
    if (out->partitions == NULL)
        return false;
    for (; out->partitions_count < count; out->partitions_count++)
        describe_missing(&in->partitions[out->partitions_count],
                         &out->partitions[out->partitions_count]);
    return true;
}

/* Kafka describes the metadata log where it is asked for alone. */
static bool asks_for_it(const struct wire_describe_quorum_request *in)
{
    return in->topics_count == 1 && in->topics[0].partitions_count == 1 &&
           in->topics[0].partitions[0].partition_index == 0 &&
           wire_string_equal(in->topics[0].topic_name, wire_text(METADATA_LOG_TOPIC));
}

static void answer_quorum(struct request *r, struct wire_describe_quorum_response *body)
{
    const struct quorum *q = r->api->quorum;
    int64_t now_ms = env_wall(r->api->env);
    struct wire_describe_quorum_response_replica self = {
        .replica_id = quorum_node_id(q),
        .replica_directory_id = quorum_directory(q),
        .log_end_offset = quorum_end(q),
        .last_fetch_timestamp = now_ms,
        .last_caught_up_timestamp = now_ms,
    };
    struct wire_describe_quorum_response_partition partition = {
        .error_message = nothing_wrong,
        .leader_id = quorum_leads(q) ? self.replica_id : -1,
        .leader_epoch = quorum_epoch(q),
        .high_watermark = quorum_high_watermark(q),
        .current_voters = &self,
        .current_voters_count = 1,
    };
    struct wire_describe_quorum_response_topic topic = {.topic_name = wire_text(METADATA_LOG_TOPIC),
                                                        .partitions = &partition,
                                                        .partitions_count = 1};
    struct wire_describe_quorum_response_listener listener = {
        .name = wire_text(r->caller.listener->name),
        .host = wire_text(r->caller.listener->host),
        .port = r->caller.listener->port,
    };
    struct wire_describe_quorum_response_node node = {
        .node_id = self.replica_id, .listeners = &listener, .listeners_count = 1};
    body->topics = &topic;
    body->topics_count = 1;
    body->nodes = &node;
    body->nodes_count = 1;
    api_request_answer(r, body);
}

static void begin(struct request *r)
{
    const struct wire_describe_quorum_request *in = r->body;
    struct wire_describe_quorum_response body;
    wire_defaults(&wire_describe_quorum_response_message, &body);
    body.error_message = nothing_wrong;
    if (!api_may_cluster(r, API_DESCRIBE)) {
        body.error_code = WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
        body.error_message = wire_text(wire_error_text(body.error_code));
        api_request_answer(r, &body);
        return;
    }
    if (asks_for_it(in)) {
        answer_quorum(r, &body);
        return;
    }
    int32_t count = MAX(in->topics_count, 0);
    body.topics = api_request_alloc(r, (size_t)count, sizeof *body.topics);
    bool good = body.topics != NULL;
    for (int32_t i = 0; i < count && good; i++)
        good = describe_topic(r, &in->topics[i], &body.topics[body.topics_count++]);
    if (good)
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

const struct handler api_handler_describe_quorum = {
    .key = 55,
    .state_size = sizeof(struct request),
    .begin = begin,
};
