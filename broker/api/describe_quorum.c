/* describe_quorum.c - 55: who leads the metadata log and how far it is (KRaft's, KIP-595). */
#include "api/internal.h"

struct describe_quorum {
    struct request request;
    struct api_forwarded forwarded;
    bool flies;
    struct env_timer deadline;
};

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

/* Only who leads knows how far the others are. */
static void answer_other(struct request *r, struct wire_describe_quorum_response *body)
{
    struct wire_describe_quorum_response_partition partition = {
        .error_code = WIRE_ERROR_NOT_LEADER_OR_FOLLOWER,
        .error_message = wire_text(wire_error_text(WIRE_ERROR_NOT_LEADER_OR_FOLLOWER)),
        .leader_id = quorum_leader(r->api->quorum),
        .leader_epoch = quorum_epoch(r->api->quorum),
        .high_watermark = -1,
    };
    struct wire_describe_quorum_response_topic topic = {.topic_name = wire_text(METADATA_LOG_TOPIC),
                                                        .partitions = &partition,
                                                        .partitions_count = 1};
    body->topics = &topic;
    body->topics_count = 1;
    api_request_answer(r, body);
}

/* Voters come first, in readers as in rows. */
static void fill_replicas(const struct quorum_reader *readers, int32_t count,
                          struct wire_describe_quorum_response_replica *rows,
                          struct wire_describe_quorum_response_partition *partition)
{
    partition->current_voters = rows;
    for (int32_t i = 0; i < count; i++) {
        rows[i] = (struct wire_describe_quorum_response_replica){
            .replica_id = readers[i].key.id,
            .replica_directory_id = readers[i].key.directory,
            .log_end_offset = readers[i].end,
            .last_fetch_timestamp = readers[i].fetched_ms,
            .last_caught_up_timestamp = readers[i].caught_up_ms,
        };
        partition->current_voters_count += readers[i].votes;
    }
    partition->observers = rows + partition->current_voters_count;
    partition->observers_count = count - partition->current_voters_count;
}

static struct talk_endpoint where_he_came(const struct request *r)
{
    const struct api_listener *by = r->caller.listener;
    return (struct talk_endpoint){.name = by->name, .host = by->host, .port = by->port};
}

static void answer_leader(struct request *r, struct wire_describe_quorum_response *body,
                          const struct quorum_reader *readers, int32_t count)
{
    struct wire_describe_quorum_response_replica rows[RAFT_VOTERS_MAX + QUORUM_READERS_MAX];
    struct wire_describe_quorum_response_listener listeners[RAFT_VOTERS_MAX];
    struct wire_describe_quorum_response_node nodes[RAFT_VOTERS_MAX];
    const struct api_settings *settings = &r->api->settings;
    const struct quorum *q = r->api->quorum;
    bool alone = settings->voter_count == 1 && quorum_voters_record(q) == NULL;
    struct wire_describe_quorum_response_partition partition = {
        .error_message = nothing_wrong,
        .leader_id = alone && !quorum_leads(q) ? RAFT_NOBODY : quorum_leader(q),
        .leader_epoch = quorum_epoch(q),
        .high_watermark = quorum_high_watermark(q),
    };
    struct wire_describe_quorum_response_topic topic = {.topic_name = wire_text(METADATA_LOG_TOPIC),
                                                        .partitions = &partition,
                                                        .partitions_count = 1};
    fill_replicas(readers, count, rows, &partition);
    for (int32_t i = 0; i < settings->voter_count; i++) {
        const struct api_voter *voter = &settings->voters[i];
        struct talk_endpoint at = alone ? where_he_came(r) : voter->at;
        listeners[i] = (struct wire_describe_quorum_response_listener){
            .name = wire_text(at.name), .host = wire_text(at.host), .port = at.port};
        nodes[i] = (struct wire_describe_quorum_response_node){
            .node_id = voter->id, .listeners = &listeners[i], .listeners_count = 1};
    }
    body->topics = &topic;
    body->topics_count = 1;
    body->nodes = nodes;
    body->nodes_count = settings->voter_count;
    api_request_answer(r, body);
}

static void answer_quorum(struct request *r, struct wire_describe_quorum_response *body)
{
    struct quorum_reader readers[RAFT_VOTERS_MAX + QUORUM_READERS_MAX];
    int32_t count = quorum_readers(r->api->quorum, readers);
    if (count == 0)
        answer_other(r, body);
    else
        answer_leader(r, body, readers, count);
}

/* ---- where another node leads ---- */

static void fail(struct request *r, int16_t code)
{
    struct wire_describe_quorum_response body;
    wire_defaults(&wire_describe_quorum_response_message, &body);
    body.error_code = code;
    body.error_message = wire_text(wire_error_text(code));
    api_request_answer(r, &body);
}

static void describe(struct request *r);

static void on_forwarded(struct api_forwarded *op)
{
    struct describe_quorum *s = CONTAINER_OF(op, struct describe_quorum, forwarded);
    struct request *r = &s->request;
    s->flies = false;
    env_disarm(r->api->env, &s->deadline);
    switch (op->end) {
    case API_FORWARD_ANSWERED:
        if (api_forward_take(r, op))
            api_forward_pass(r);
        else
            fail(r, WIRE_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    case API_FORWARD_HERE:
        describe(r);
        return;
    case API_FORWARD_LATE:
        fail(r, WIRE_ERROR_REQUEST_TIMED_OUT);
        return;
    case API_FORWARD_REFUSED:
        fail(r, WIRE_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    UNREACHABLE();
}

static void hurry(struct request *r)
{
    struct describe_quorum *s = CONTAINER_OF(r, struct describe_quorum, request);
    if (!s->flies)
        return;
    s->flies = false;
    api_forward_cancel(r, &s->forwarded);
    fail(r, WIRE_ERROR_REQUEST_TIMED_OUT);
}

static void on_deadline(struct env_timer *timer)
{
    hurry(&CONTAINER_OF(timer, struct describe_quorum, deadline)->request);
}

static void begin(struct request *r)
{
    struct describe_quorum *s = CONTAINER_OF(r, struct describe_quorum, request);
    s->flies = api_forwards(r);
    if (!s->flies) {
        describe(r);
        return;
    }
    s->deadline.fire = on_deadline;
    env_arm(r->api->env, &s->deadline, api_request_deadline(r, API_FORWARD_MS_MAX));
    api_forward_begin(r, &s->forwarded, slice_bytes(r->frame), s->deadline.deadline_ns, true,
                      on_forwarded);
}

static void drop(struct request *r)
{
    env_disarm(r->api->env, &CONTAINER_OF(r, struct describe_quorum, request)->deadline);
}

/* ---- here ---- */

static void describe(struct request *r)
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
    .state_size = sizeof(struct describe_quorum),
    .begin = begin,
    .hurry = hurry,
    .drop = drop,
};
