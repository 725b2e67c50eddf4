/* create_topics.c - 19: new topics, answered when they are durable and their partitions serve. */
#include "api/internal.h"

/* DescribeConfigs' sources, ConfigEntry.ConfigSource. */
#define SOURCE_TOPIC 1
#define SOURCE_DEFAULT 5

struct create_topics {
    struct request request;
    struct controller_create_topics create;
    struct quorum_request submitted;
    struct env_timer deadline;
};

/* What the request sets a key to; the last one counts. NULL: nothing. */
static const struct wire_create_topics_request_config *
find_config(const struct wire_create_topics_request_topic *topic, const char *key)
{
    for (int32_t i = topic->configs_count - 1; i >= 0; i--) {
        if (wire_string_equal(topic->configs[i].name, wire_text(key)))
            return &topic->configs[i];
    }
    return NULL;
}

static char *print_default(struct request *r, const struct metadata_key *key)
{
    struct text text;
    text_init(&text, r->api->mem);
    metadata_topic_config_print(key, quorum_topic_defaults(r->api->quorum), &text);
    char *value = text.failed ? NULL : api_request_alloc(r, 1, text.size + 1);
    if (value != NULL && text.size > 0)
        memcpy(value, text.data, text.size);
    text_free(&text);
    return value;
}

/* Every setting of the topic and where it comes from, in the order of the keys; what was set is
 * given back as it was spelled. */
static bool describe(struct request *r, const struct wire_create_topics_request_topic *topic,
                     struct wire_create_topics_response_topic *out)
{
    size_t count = (size_t)metadata_topic_key_count;
    out->configs = api_request_alloc(r, count, sizeof *out->configs);
    if (out->configs == NULL)
        return false;
    out->configs_count = 0;
    for (int i = 0; i < metadata_topic_key_count; i++) {
        const struct metadata_key *key = &metadata_topic_keys[i];
        const struct wire_create_topics_request_config *set = find_config(topic, key->name);
        if (set == NULL && key->fallback == NULL)
            continue;
        struct wire_string value = set != NULL ? set->value : wire_text(print_default(r, key));
        if (value.data == NULL && set == NULL)
            return false;
        out->configs[out->configs_count++] = (struct wire_create_topics_response_config){
            .name = wire_text(key->name),
            .value = value,
            .config_source = set != NULL ? SOURCE_TOPIC : SOURCE_DEFAULT,
        };
    }
    return true;
}

static bool fill(struct request *r, const struct wire_create_topics_request_topic *in,
                 const struct controller_new_topic *topic,
                 struct wire_create_topics_response_topic *out)
{
    *out = (struct wire_create_topics_response_topic){
        .name = in->name,
        .error_code = topic->code,
        .error_message = WIRE_NULL_STRING,
        .num_partitions = -1,
        .replication_factor = -1,
        .configs_count = 0,
    };
    if (topic->code != WIRE_ERROR_NONE) {
        if (topic->msg.text[0] != 0)
            out->error_message = wire_text(topic->msg.text);
        return true;
    }
    out->topic_id = topic->id;
    /* What it is like is told to who may ask for that, too (KIP-525). */
    if (!api_may(r, API_DESCRIBE_CONFIGS, API_TOPIC, topic->name)) {
        out->topic_config_error_code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
        out->configs_count = -1;
        return true;
    }
    out->num_partitions = topic->partition_count;
    out->replication_factor = 1;
    return api_request_version(r) < 5 || describe(r, in, out);
}

/* A topic that stands twice in a request is refused once: clients take a second answer for none of
 * their own. */
static bool fill_all(struct create_topics *s, struct wire_create_topics_response *body)
{
    struct request *r = &s->request;
    const struct wire_create_topics_request *in = r->body;
    struct api_places places;
    bool good = true;
    body->topics = api_request_alloc(r, (size_t)s->create.topic_count, sizeof *body->topics);
    if (body->topics == NULL || api_places_begin(&places, r, s->create.topic_count, 0) != ERR_NONE)
        return false;
    for (int32_t i = 0; i < s->create.topic_count && good; i++) {
        int32_t before = places.topic_count;
        api_places_topic(&places, s->create.topics[i].name);
        if (places.topic_count > before)
            good =
                fill(r, &in->topics[i], &s->create.topics[i], &body->topics[body->topics_count++]);
    }
    api_places_end(&places);
    return good;
}

static void answer(struct create_topics *s)
{
    struct request *r = &s->request;
    struct wire_create_topics_response body;
    env_disarm(r->api->env, &s->deadline);
    wire_defaults(&wire_create_topics_response_message, &body);
    bool good = fill_all(s, &body);
    if (good)
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

static void on_created(struct quorum_request *submitted)
{
    answer(CONTAINER_OF(submitted, struct create_topics, submitted));
}

/* What is being made will be there; who asked is told only that it took too long. */
static void time_out(struct create_topics *s)
{
    for (int32_t i = 0; i < s->create.topic_count; i++) {
        struct controller_new_topic *topic = &s->create.topics[i];
        if (topic->code == WIRE_ERROR_NONE || topic->code == WIRE_ERROR_TOPIC_ALREADY_EXISTS) {
            topic->code = WIRE_ERROR_REQUEST_TIMED_OUT;
            topic->msg = (struct errmsg){0};
        }
    }
    answer(s);
}

static void on_deadline(struct env_timer *timer)
{
    struct create_topics *s = CONTAINER_OF(timer, struct create_topics, deadline);
    if (quorum_cancel(&s->submitted))
        time_out(s);
}

static void refuse(struct controller_new_topic *topic)
{
    topic->refused = true;
    topic->code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    errmsg_set(&topic->msg, ERR_ACCESS, "Authorization failed.");
}

static void begin(struct request *r)
{
    struct create_topics *s = CONTAINER_OF(r, struct create_topics, request);
    const struct wire_create_topics_request *in = r->body;
    int32_t count = MAX(in->topics_count, 0);
    controller_create_topics_init(&s->create);
    s->create.topics = api_request_alloc(r, (size_t)count, sizeof *s->create.topics);
    if (s->create.topics == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    s->create.topic_count = count;
    bool all = api_may_cluster(r, API_CREATE);
    s->create.validate_only = in->validate_only;
    for (int32_t i = 0; i < count; i++) {
        const struct wire_create_topics_request_topic *topic = &in->topics[i];
        s->create.topics[i] = (struct controller_new_topic){
            .name = bytes_of(topic->name.data, (size_t)topic->name.size),
            .partition_count = topic->num_partitions,
            .replication_factor = topic->replication_factor,
            .assignments = topic->assignments,
            .assignment_count = topic->assignments_count,
            .configs = topic->configs,
            .config_count = topic->configs_count,
        };
        if (!all && !api_may(r, API_CREATE, API_TOPIC, s->create.topics[i].name))
            refuse(&s->create.topics[i]);
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
    struct create_topics *s = CONTAINER_OF(r, struct create_topics, request);
    env_disarm(r->api->env, &s->deadline);
}

const struct handler api_handler_create_topics = {
    .key = 19,
    .state_size = sizeof(struct create_topics),
    .begin = begin,
    .drop = drop,
};
