/* create_topics.c - 19: new topics, answered when they are durable and their partitions serve. */
#include "api/internal.h"

struct create_topics {
    struct api_commanded commanded;
    struct controller_create_topics create;
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
        struct api_config config;
        if (!api_config_of_topic(r, key, set != NULL ? set->value : WIRE_NULL_STRING, &config))
            return false;
        out->configs[out->configs_count++] = (struct wire_create_topics_response_config){
            .name = wire_text(key->name),
            .value = config.value,
            .config_source = (int8_t)config.source,
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
    out->replication_factor = (int16_t)topic->factor;
    return api_request_version(r) < 5 || describe(r, in, out);
}

/* A topic that stands twice in a request is refused once: clients take a second answer for none of
 * their own. */
static bool fill_all(struct create_topics *s, struct wire_create_topics_response *body)
{
    struct request *r = &s->commanded.request;
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

static void answer(struct request *r)
{
    struct create_topics *s = CONTAINER_OF(r, struct create_topics, commanded.request);
    struct wire_create_topics_response body;
    wire_defaults(&wire_create_topics_response_message, &body);
    bool good = fill_all(s, &body);
    if (good)
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

/* What is being made will be there; who asked is told only that it took too long. */
static void fail(struct request *r, int16_t code)
{
    struct create_topics *s = CONTAINER_OF(r, struct create_topics, commanded.request);
    for (int32_t i = 0; i < s->create.topic_count; i++) {
        struct controller_new_topic *topic = &s->create.topics[i];
        if (api_command_is_open(topic->code) || topic->code == WIRE_ERROR_TOPIC_ALREADY_EXISTS) {
            topic->code = code;
            topic->msg = (struct errmsg){0};
        }
    }
}

static const struct api_command_kind kind = {
    .until = QUORUM_APPLIED, .answer = answer, .fail = fail};

static void refuse(struct controller_new_topic *topic)
{
    topic->refused = true;
    topic->code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    errmsg_set(&topic->msg, ERR_ACCESS, "Authorization failed.");
}

static void begin(struct request *r)
{
    struct create_topics *s = CONTAINER_OF(r, struct create_topics, commanded.request);
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
    api_command(r, &kind, &s->create.command, in->timeout_ms);
}

const struct handler api_handler_create_topics = {
    .key = 19,
    .state_size = sizeof(struct create_topics),
    .begin = begin,
    .hurry = api_command_hurry,
    .drop = api_command_drop,
};
