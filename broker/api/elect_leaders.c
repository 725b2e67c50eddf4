/* elect_leaders.c - 43: other leaders, as an administrator wants them (KIP-460). */
#include "api/internal.h"

/* ElectionType */
#define PREFERRED 0
#define UNCLEAN 1

struct elect_leaders {
    struct api_commanded commanded;
    struct controller_elect_leaders command;
    struct metadata_image *image; /* that all topics were taken of; NULL: they were named */
};

/* ---- a refusal: of all that was named, too, for version 0 has no code of the whole ---- */

static void refuse_topic(const struct wire_elect_leaders_request_topic *in, int16_t code,
                         struct wire_elect_leaders_response_partition *rows,
                         struct wire_elect_leaders_response_result *topic)
{
    *topic =
        (struct wire_elect_leaders_response_result){.topic = in->topic, .partition_result = rows};
    for (; topic->partition_result_count < in->partitions_count; topic->partition_result_count++)
        rows[topic->partition_result_count] = (struct wire_elect_leaders_response_partition){
            .partition_id = in->partitions[topic->partition_result_count],
            .error_code = code,
            .error_message = wire_text(wire_error_text(code))};
}

static int64_t count_named(const struct wire_elect_leaders_request *in)
{
    int64_t count = 0;
    for (int32_t i = 0; i < in->topic_partitions_count; i++)
        count += MAX(in->topic_partitions[i].partitions_count, 0);
    return count;
}

static void refuse(struct request *r, int16_t code)
{
    const struct wire_elect_leaders_request *in = r->body;
    size_t topic_count = (size_t)MAX(in->topic_partitions_count, 0);
    struct wire_elect_leaders_response body;
    wire_defaults(&wire_elect_leaders_response_message, &body);
    struct wire_elect_leaders_response_partition *rows =
        api_request_alloc(r, (size_t)count_named(in), sizeof *rows);
    body.replica_election_results =
        api_request_alloc(r, topic_count, sizeof *body.replica_election_results);
    if (rows == NULL || body.replica_election_results == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    body.error_code = api_request_version(r) >= 1 ? code : WIRE_ERROR_NONE;
    for (size_t i = 0; i < topic_count; i++) {
        refuse_topic(&in->topic_partitions[i], code, rows, &body.replica_election_results[i]);
        rows += MAX(in->topic_partitions[i].partitions_count, 0);
    }
    body.replica_election_results_count = (int32_t)topic_count;
    api_request_answer(r, &body);
}

/* ---- the answer: topic by topic, as they were asked for ---- */

static void fill_one(const struct controller_election *e,
                     struct wire_elect_leaders_response_result *topic)
{
    topic->partition_result[topic->partition_result_count++] =
        (struct wire_elect_leaders_response_partition){.partition_id = e->partition,
                                                       .error_code = e->code,
                                                       .error_message =
                                                           api_sentence(e->code, &e->msg)};
}

/* Of all partitions those that had nothing to be done are not told. */
static bool fill(struct request *r, const struct elect_leaders *s,
                 struct wire_elect_leaders_response *body)
{
    const struct controller_elect_leaders *c = &s->command;
    size_t count = (size_t)c->count;
    struct wire_elect_leaders_response_partition *rows = api_request_alloc(r, count, sizeof *rows);
    body->replica_election_results =
        api_request_alloc(r, count, sizeof *body->replica_election_results);
    if (rows == NULL || body->replica_election_results == NULL)
        return false;
    struct wire_elect_leaders_response_result *topic = NULL;
    for (int32_t i = 0; i < c->count; i++) {
        const struct controller_election *e = &c->elections[i];
        if (s->image != NULL && e->code == WIRE_ERROR_ELECTION_NOT_NEEDED)
            continue;
        struct wire_string name = {.data = (const char *)e->topic.data,
                                   .size = (int32_t)e->topic.size};
        if (topic == NULL || !wire_string_equal(topic->topic, name)) {
            topic = &body->replica_election_results[body->replica_election_results_count++];
            *topic = (struct wire_elect_leaders_response_result){.topic = name,
                                                                 .partition_result = rows + i};
        }
        fill_one(e, topic);
    }
    return true;
}

static void answer(struct request *r)
{
    struct elect_leaders *s = CONTAINER_OF(r, struct elect_leaders, commanded.request);
    struct wire_elect_leaders_response body;
    wire_defaults(&wire_elect_leaders_response_message, &body);
    if (s->command.command.code != WIRE_ERROR_NONE)
        refuse(r, s->command.command.code);
    else if (fill(r, s, &body))
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

static void fail(struct request *r, int16_t code)
{
    struct elect_leaders *s = CONTAINER_OF(r, struct elect_leaders, commanded.request);
    s->command.command.code = code;
}

/* ---- the command ---- */

static bool take_named(struct request *r, struct controller_elect_leaders *c)
{
    const struct wire_elect_leaders_request *in = r->body;
    c->elections = api_request_alloc(r, (size_t)count_named(in), sizeof *c->elections);
    for (int32_t i = 0; i < in->topic_partitions_count && c->elections != NULL; i++) {
        const struct wire_elect_leaders_request_topic *topic = &in->topic_partitions[i];
        for (int32_t k = 0; k < topic->partitions_count; k++)
            c->elections[c->count++] = (struct controller_election){
                .topic = bytes_of(topic->topic.data, (size_t)MAX(topic->topic.size, 0)),
                .partition = topic->partitions[k]};
    }
    return c->elections != NULL;
}

static bool take_all(struct request *r, struct elect_leaders *s)
{
    struct controller_elect_leaders *c = &s->command;
    s->image = (struct metadata_image *)quorum_current(r->api->quorum);
    metadata_image_retain(s->image); /* the names are its */
    c->elections = api_request_alloc(r, (size_t)s->image->partition_count, sizeof *c->elections);
    for (int32_t i = 0; i < s->image->topic_count && c->elections != NULL; i++) {
        const struct metadata_topic *topic = metadata_topic_at(s->image, i);
        for (int32_t k = 0; k < topic->partition_count; k++)
            c->elections[c->count++] =
                (struct controller_election){.topic = bytes_text(topic->name), .partition = k};
    }
    return c->elections != NULL;
}

static const struct api_command_kind kind = {
    .until = QUORUM_COMMITTED, .answer = answer, .fail = fail};

static void begin(struct request *r)
{
    struct elect_leaders *s = CONTAINER_OF(r, struct elect_leaders, commanded.request);
    const struct wire_elect_leaders_request *in = r->body;
    bool all = in->topic_partitions_count < 0;
    if (!api_may_cluster(r, API_ALTER)) {
        refuse(r, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    if (in->election_type != PREFERRED && in->election_type != UNCLEAN) {
        refuse(r, WIRE_ERROR_INVALID_REQUEST);
        return;
    }
    controller_elect_leaders_init(&s->command);
    if (!(all ? take_all(r, s) : take_named(r, &s->command))) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    s->command.unclean = in->election_type == UNCLEAN;
    api_command(r, &kind, &s->command.command, in->timeout_ms);
}

static void drop(struct request *r)
{
    struct elect_leaders *s = CONTAINER_OF(r, struct elect_leaders, commanded.request);
    api_command_drop(r);
    metadata_image_release(s->image);
}

const struct handler api_handler_elect_leaders = {
    .key = 43,
    .state_size = sizeof(struct elect_leaders),
    .begin = begin,
    .hurry = api_command_hurry,
    .drop = drop,
};
