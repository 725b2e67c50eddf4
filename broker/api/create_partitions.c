/* create_partitions.c - 37: more partitions for topics, answered when they are durable and serve.
 */
#include "api/internal.h"

struct create_partitions {
    struct request request;
    struct controller_create_partitions create;
    struct quorum_request submitted;
    struct env_timer deadline;
};

static void fill(const struct controller_grown *grown,
                 struct wire_create_partitions_response_topic *out)
{
    const char *sentence = grown->msg.text[0] != 0 ? grown->msg.text : wire_error_text(grown->code);
    *out = (struct wire_create_partitions_response_topic){
        .name = {.data = (const char *)grown->topic.data, .size = (int32_t)grown->topic.size},
        .error_code = grown->code,
        .error_message = grown->code == WIRE_ERROR_NONE ? WIRE_NULL_STRING : wire_text(sentence),
    };
}

/* A topic that stands twice is answered once. */
static bool fill_all(struct create_partitions *s, struct wire_create_partitions_response *body)
{
    struct api_places places;
    int32_t count = s->create.topic_count;
    body->results = api_request_alloc(&s->request, (size_t)count, sizeof *body->results);
    if (body->results == NULL || api_places_begin(&places, &s->request, count, 0) != ERR_NONE)
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

static void answer(struct create_partitions *s)
{
    struct request *r = &s->request;
    struct wire_create_partitions_response body;
    env_disarm(r->api->env, &s->deadline);
    wire_defaults(&wire_create_partitions_response_message, &body);
    if (fill_all(s, &body))
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

static void on_created(struct quorum_request *submitted)
{
    answer(CONTAINER_OF(submitted, struct create_partitions, submitted));
}

/* What is being made will be there; who asked is told only that it took too long. */
static void time_out(struct create_partitions *s)
{
    for (int32_t i = 0; i < s->create.topic_count; i++) {
        if (s->create.topics[i].code == WIRE_ERROR_NONE)
            s->create.topics[i].code = WIRE_ERROR_REQUEST_TIMED_OUT;
    }
    answer(s);
}

static void on_deadline(struct env_timer *timer)
{
    struct create_partitions *s = CONTAINER_OF(timer, struct create_partitions, deadline);
    if (quorum_cancel(&s->submitted))
        time_out(s);
}

static void refuse_twice(struct controller_grown *grown)
{
    grown->code = WIRE_ERROR_INVALID_REQUEST;
    errmsg_set(&grown->msg, ERR_INVALID, "Duplicate topic name.");
}

/* Each topic once (ControllerApis.createPartitions). */
static bool take_all(struct create_partitions *s)
{
    const struct wire_create_partitions_request *in = s->request.body;
    int32_t count = MAX(in->topics_count, 0);
    struct api_places places;
    controller_create_partitions_init(&s->create);
    s->create.validate_only = in->validate_only;
    s->create.topics = api_request_alloc(&s->request, (size_t)count, sizeof *s->create.topics);
    if (s->create.topics == NULL ||
        api_places_begin(&places, &s->request, count, count) != ERR_NONE)
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
        if (!api_may(&s->request, API_ALTER, API_TOPIC, grown->topic))
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
    struct create_partitions *s = CONTAINER_OF(r, struct create_partitions, request);
    const struct wire_create_partitions_request *in = r->body;
    if (!take_all(s)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    /* Kafka's controller does not even begin what is late already. */
    if (in->timeout_ms <= 0) {
        time_out(s);
        return;
    }
    s->deadline.fire = on_deadline;
    env_arm(r->api->env, &s->deadline, api_request_deadline(r, in->timeout_ms));
    quorum_submit(r->api->quorum, &s->submitted, &s->create.command, QUORUM_APPLIED, on_created);
}

static void drop(struct request *r)
{
    struct create_partitions *s = CONTAINER_OF(r, struct create_partitions, request);
    env_disarm(r->api->env, &s->deadline);
}

const struct handler api_handler_create_partitions = {
    .key = 37,
    .state_size = sizeof(struct create_partitions),
    .begin = begin,
    .drop = drop,
};
