/* create_topics.c - 19: new topics, answered when they are durable and their partitions serve. */
#include "api/internal.h"

/* DescribeConfigs' sources, ConfigEntry.ConfigSource. */
#define SOURCE_TOPIC 1
#define SOURCE_DEFAULT 5

/* A name that has been answered. */
struct told {
    struct hmap_node node;
    struct wire_string name;
};

struct create_topics {
    struct request request;
    struct metadata_create create;
    struct hmap told; /* struct told */
};

static bool is_set(const struct wire_create_topics_request_topic *topic, const char *key)
{
    for (int32_t i = 0; i < topic->configs_count; i++) {
        if (wire_string_equal(topic->configs[i].name, wire_text(key)))
            return true;
    }
    return false;
}

/* Every setting of the topic and where it comes from, in the order of the table. */
static bool describe(struct request *r, const struct wire_create_topics_request_topic *topic,
                     struct wire_create_topics_response_topic *out)
{
    struct metadata_topic_config config = *metadata_topic_defaults(r->api->metadata);
    for (int32_t i = 0; i < topic->configs_count; i++) {
        char key[METADATA_CONFIG_VALUE_MAX + 1] = {0};
        memcpy(key, topic->configs[i].name.data, (size_t)topic->configs[i].name.size);
        struct bytes value =
            bytes_of(topic->configs[i].value.data, (size_t)topic->configs[i].value.size);
        enum err e = config_set(&metadata_topic_table, &config, key, value, NULL);
        ASSERT(e == ERR_NONE);
    }
    int count = metadata_topic_table.count;
    out->configs = api_request_alloc(r, (size_t)count, sizeof *out->configs);
    if (out->configs == NULL)
        return false;
    out->configs_count = count;
    for (int i = 0; i < count; i++) {
        const struct config_row *row = &metadata_topic_table.rows[i];
        struct text text;
        text_init(&text, r->api->mem);
        config_print(row, &config, &text);
        char *value = text.failed ? NULL : api_request_alloc(r, 1, text.size + 1);
        if (value != NULL)
            memcpy(value, text.data, text.size);
        text_free(&text);
        if (value == NULL)
            return false;
        out->configs[i] = (struct wire_create_topics_response_config){
            .name = wire_text(row->key),
            .value = wire_text(value),
            .config_source = is_set(topic, row->key) ? SOURCE_TOPIC : SOURCE_DEFAULT,
        };
    }
    return true;
}

static bool fill(struct request *r, const struct wire_create_topics_request_topic *in,
                 const struct metadata_new_topic *topic,
                 struct wire_create_topics_response_topic *out)
{
    *out = (struct wire_create_topics_response_topic){
        .name = in->name,
        .error_code = topic->code,
        .error_message = WIRE_NULL_STRING,
        .num_partitions = -1,
        .replication_factor = -1,
        .configs_count = -1,
    };
    if (topic->code != WIRE_ERROR_NONE) {
        out->error_message = wire_text(topic->msg.text);
        return true;
    }
    if (topic->topic != NULL)
        out->topic_id = topic->topic->id;
    out->num_partitions = topic->partition_count;
    out->replication_factor = 1;
    return api_request_version(r) < 5 || describe(r, in, out);
}

static bool equal_name(const void *key, const struct hmap_node *node)
{
    return wire_string_equal(*(const struct wire_string *)key,
                             CONTAINER_OF(node, struct told, node)->name);
}

/* A topic that stands twice in a request is refused once: clients take a second answer for none of
 * their own. */
static bool told_already(struct create_topics *s, struct told *told, struct wire_string name)
{
    uint64_t hash = hash_bytes(name.data, (size_t)name.size, 0);
    if (hmap_find(&s->told, hash, &name) != NULL)
        return true;
    told->name = name;
    hmap_insert(&s->told, hash, &told->node);
    return false;
}

static bool fill_all(struct create_topics *s, struct wire_create_topics_response *body)
{
    struct request *r = &s->request;
    const struct wire_create_topics_request *in = r->body;
    size_t count = (size_t)s->create.topic_count;
    struct told *told = api_request_alloc(r, count, sizeof *told);
    body->topics = api_request_alloc(r, count, sizeof *body->topics);
    if (told == NULL || body->topics == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (told_already(s, &told[i], in->topics[i].name))
            continue;
        if (!fill(r, &in->topics[i], &s->create.topics[i], &body->topics[body->topics_count++]))
            return false;
    }
    return true;
}

static void on_created(struct metadata_create *create)
{
    struct create_topics *s = CONTAINER_OF(create, struct create_topics, create);
    struct request *r = &s->request;
    struct wire_create_topics_response body;
    wire_defaults(&wire_create_topics_response_message, &body);
    bool good = fill_all(s, &body);
    if (good)
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

static void begin(struct request *r)
{
    struct create_topics *s = CONTAINER_OF(r, struct create_topics, request);
    const struct wire_create_topics_request *in = r->body;
    int32_t count = MAX(in->topics_count, 0);
    s->create.topics = api_request_alloc(r, (size_t)count, sizeof *s->create.topics);
    if (s->create.topics == NULL || hmap_init(&s->told, r->api->mem, equal_name) != ERR_NONE) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    s->create.topic_count = count;
    s->create.validate_only = in->validate_only;
    for (int32_t i = 0; i < count; i++) {
        const struct wire_create_topics_request_topic *topic = &in->topics[i];
        s->create.topics[i] = (struct metadata_new_topic){
            .name = bytes_of(topic->name.data, (size_t)topic->name.size),
            .partition_count = topic->num_partitions,
            .replication_factor = topic->replication_factor,
            .assignments = topic->assignments,
            .assignment_count = topic->assignments_count,
            .configs = topic->configs,
            .config_count = topic->configs_count,
        };
    }
    metadata_create(r->api->metadata, &s->create, on_created);
}

static void drop(struct request *r)
{
    struct create_topics *s = CONTAINER_OF(r, struct create_topics, request);
    metadata_create_free(&s->create);
    hmap_free(&s->told);
}

const struct handler api_handler_create_topics = {
    .key = 19,
    .state_size = sizeof(struct create_topics),
    .begin = begin,
    .drop = drop,
};
