/* create_partitions.c - 37: more partitions for topics, answered when they are durable and serve.
 */
#include "api/internal.h"

struct create_partitions {
    struct api_commanded commanded;
    struct controller_create_partitions create;
};

static void fill(const struct controller_grown *grown,
                 struct wire_create_partitions_response_topic *out)
{
    *out = (struct wire_create_partitions_response_topic){
        .name = {.data = (const char *)grown->topic.data, .size = (int32_t)grown->topic.size},
        .error_code = grown->code,
        .error_message = grown->msg.text[0] == 0 ? WIRE_NULL_STRING : wire_text(grown->msg.text),
    };
}

/* A topic that stands twice is answered once. */
static bool fill_all(struct create_partitions *s, struct wire_create_partitions_response *body)
{
    struct api_places places;
    int32_t count = s->create.topic_count;
    body->results = api_request_alloc(&s->commanded.request, (size_t)count, sizeof *body->results);
    if (body->results == NULL ||
        api_places_begin(&places, &s->commanded.request, count, 0) != ERR_NONE)
        return false;
    for (int32_t i = 0; i < count; i++) {
        int32_t before = places.topic_count;
        api_places_topic(&places, s->create.topics[i].topic);
        if (places.topic_count > before)
            fill(&s->create.topics[i], &body->results[body->results_count++]);
    }
    api_places_end(&places);
    return true;
}

static void answer(struct request *r)
{
    struct create_partitions *s = CONTAINER_OF(r, struct create_partitions, commanded.request);
    struct wire_create_partitions_response body;
    wire_defaults(&wire_create_partitions_response_message, &body);
    if (fill_all(s, &body))
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

/* What is being made will be there; who asked is told only that it took too long. */
static void fail(struct request *r, int16_t code)
{
    struct create_partitions *s = CONTAINER_OF(r, struct create_partitions, commanded.request);
    for (int32_t i = 0; i < s->create.topic_count; i++) {
        if (api_command_is_open(s->create.topics[i].code))
            s->create.topics[i].code = code;
    }
}

static const struct api_command_kind kind = {
    .until = QUORUM_APPLIED, .answer = answer, .fail = fail};

static void refuse_twice(struct controller_grown *grown)
{
    grown->code = WIRE_ERROR_INVALID_REQUEST;
    errmsg_set(&grown->msg, ERR_INVALID, "Duplicate topic name.");
}

/* Each topic once (ControllerApis.createPartitions). */
static bool take_all(struct create_partitions *s)
{
    const struct wire_create_partitions_request *in = s->commanded.request.body;
    int32_t count = MAX(in->topics_count, 0);
    struct api_places places;
    controller_create_partitions_init(&s->create);
    s->create.validate_only = in->validate_only;
    s->create.topics =
        api_request_alloc(&s->commanded.request, (size_t)count, sizeof *s->create.topics);
    if (s->create.topics == NULL ||
        api_places_begin(&places, &s->commanded.request, count, count) != ERR_NONE)
        return false;
    s->create.topic_count = count;
    for (int32_t i = 0; i < count; i++) {
        const struct wire_create_partitions_request_topic *topic = &in->topics[i];
        struct controller_grown *grown = &s->create.topics[i];
        *grown = (struct controller_grown){
            .topic = bytes_of(topic->name.data, (size_t)MAX(topic->name.size, 0)),
            .partition_count = topic->count,
            .assignments = topic->assignments,
            .assignment_count = topic->assignments_count,
        };
        int32_t before = places.count;
        api_places_topic(&places, grown->topic);
        if (!api_may(&s->commanded.request, API_ALTER, API_TOPIC, grown->topic))
            grown->code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
        if (places.topic_count > before) {
            api_places_partition(&places, 0, grown);
            continue;
        }
        refuse_twice(grown);
        for (int32_t k = 0; k < i; k++) {
            if (bytes_equal(s->create.topics[k].topic, grown->topic))
                refuse_twice(&s->create.topics[k]);
        }
    }
    api_places_end(&places);
    return true;
}

static void begin(struct request *r)
{
    struct create_partitions *s = CONTAINER_OF(r, struct create_partitions, commanded.request);
    const struct wire_create_partitions_request *in = r->body;
    if (!take_all(s)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    api_command(r, &kind, &s->create.command, in->timeout_ms);
}

const struct handler api_handler_create_partitions = {
    .key = 37,
    .state_size = sizeof(struct create_partitions),
    .begin = begin,
    .hurry = api_command_hurry,
    .drop = api_command_drop,
};
