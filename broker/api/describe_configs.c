/* describe_configs.c - 32: what is set for a topic, and what it has of its broker. Of other
 * resources it says that they are not described yet. */
#include "api/internal.h"

/* ConfigResource.Type, ConfigEntry.ConfigSource and ConfigType of Kafka's. */
#define RESOURCE_TOPIC 2
#define RESOURCE_GROUP 32
#define SOURCE_TOPIC 1
#define SOURCE_DEFAULT 5

static int8_t type_of(const struct metadata_key *key)
{
    switch (key->type) {
    case METADATA_KEY_BOOL:
        return 1;
    case METADATA_KEY_WORD:
        return 2;
    case METADATA_KEY_INT:
        return 3;
    case METADATA_KEY_LONG:
        return 5;
    case METADATA_KEY_DOUBLE:
        return 6;
    case METADATA_KEY_POLICY:
    case METADATA_KEY_REPLICAS:
        return 7;
    }
    UNREACHABLE();
}

/* Without keys, or with an empty list of them, all are asked for. */
static bool is_asked(const struct wire_describe_configs_request_resource *in,
                     const struct metadata_key *key)
{
    for (int32_t i = 0; i < in->configuration_keys_count; i++) {
        if (wire_string_equal(in->configuration_keys[i], wire_text(key->name)))
            return true;
    }
    return in->configuration_keys_count <= 0;
}

static const char *find_setting(const struct metadata_topic *topic, const char *key)
{
    for (int32_t i = 0; i < topic->setting_count; i++) {
        if (strcmp(topic->settings[i].key, key) == 0)
            return topic->settings[i].value;
    }
    return NULL;
}

/* NULL: no memory. The text lives as long as the request. */
static char *keep(struct request *r, struct bytes text)
{
    char *copy = api_request_alloc(r, text.size + 1, 1);
    if (copy != NULL && text.size > 0)
        memcpy(copy, text.data, text.size);
    return copy;
}

static bool describe(struct request *r, const struct metadata_key *key, const char *set,
                     struct wire_describe_configs_response_config *out)
{
    const struct wire_describe_configs_request *in = r->body;
    struct text text;
    text_init(&text, r->api->mem);
    if (set == NULL)
        metadata_topic_config_print(key, quorum_topic_defaults(r->api->quorum), &text);
    char *value = text.failed   ? NULL
                  : set != NULL ? keep(r, bytes_text(set))
                                : keep(r, bytes_of(text.data, text.size));
    text_free(&text);
    *out = (struct wire_describe_configs_response_config){
        .name = wire_text(key->name),
        .value = wire_text(value),
        .config_source = set != NULL ? SOURCE_TOPIC : SOURCE_DEFAULT,
        .config_type = type_of(key),
        .documentation = WIRE_NULL_STRING,
    };
    if (value == NULL || set == NULL || !in->include_synonyms)
        return value != NULL;
    out->synonyms = api_request_alloc(r, 1, sizeof *out->synonyms);
    if (out->synonyms == NULL)
        return false;
    out->synonyms_count = 1;
    out->synonyms[0] = (struct wire_describe_configs_response_synonym){
        .name = out->name, .value = out->value, .source = SOURCE_TOPIC};
    return true;
}

static bool describe_topic(struct request *r,
                           const struct wire_describe_configs_request_resource *in,
                           const struct metadata_topic *topic,
                           struct wire_describe_configs_response_result *out)
{
    out->configs = api_request_alloc(r, (size_t)metadata_topic_key_count, sizeof *out->configs);
    if (out->configs == NULL)
        return false;
    for (int i = 0; i < metadata_topic_key_count; i++) {
        const struct metadata_key *key = &metadata_topic_keys[i];
        const char *set = find_setting(topic, key->name);
        if ((set == NULL && key->fallback == NULL) || !is_asked(in, key))
            continue;
        if (!describe(r, key, set, &out->configs[out->configs_count++]))
            return false;
    }
    return true;
}

/* 0, or the code for who may not see that (ConfigHelper.handleDescribeConfigsRequest). */
static int16_t check_access(const struct request *r, struct bytes name, int8_t type)
{
    if (type == RESOURCE_TOPIC)
        return api_may(r, API_DESCRIBE_CONFIGS, API_TOPIC, name)
                   ? WIRE_ERROR_NONE
                   : WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    if (type == RESOURCE_GROUP)
        return api_may(r, API_DESCRIBE_CONFIGS, API_GROUP, name)
                   ? WIRE_ERROR_NONE
                   : WIRE_ERROR_GROUP_AUTHORIZATION_FAILED;
    return api_may_cluster(r, API_DESCRIBE_CONFIGS) ? WIRE_ERROR_NONE
                                                    : WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
}

static bool describe_resource(struct request *r,
                              const struct wire_describe_configs_request_resource *in,
                              struct wire_describe_configs_response_result *out)
{
    struct bytes name = bytes_of(in->resource_name.data, (size_t)MAX(in->resource_name.size, 0));
    *out = (struct wire_describe_configs_response_result){
        .error_message = wire_text(""),
        .resource_type = in->resource_type,
        .resource_name = in->resource_name,
    };
    out->error_code = check_access(r, name, in->resource_type);
    if (out->error_code != WIRE_ERROR_NONE) {
        out->error_message = wire_text(wire_error_text(out->error_code));
        return true;
    }
    if (in->resource_type != RESOURCE_TOPIC) {
        out->error_code = WIRE_ERROR_INVALID_REQUEST;
        out->error_message =
            wire_text("this version of kiln describes the configuration of topics alone");
        return true;
    }
    struct errmsg msg = {0};
    if (metadata_topic_name_check(name, &msg) != ERR_NONE) {
        char *text = keep(r, bytes_text(msg.text));
        out->error_code = WIRE_ERROR_INVALID_TOPIC_EXCEPTION;
        out->error_message = wire_text(text);
        return text != NULL;
    }
    const struct metadata_topic *topic = metadata_find(quorum_current(r->api->quorum), name);
    if (topic == NULL) {
        out->error_code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return true;
    }
    return describe_topic(r, in, topic, out);
}

static void begin(struct request *r)
{
    const struct wire_describe_configs_request *in = r->body;
    struct wire_describe_configs_response body;
    wire_defaults(&wire_describe_configs_response_message, &body);
    body.results = api_request_alloc(r, (size_t)MAX(in->resources_count, 0), sizeof *body.results);
    bool good = body.results != NULL;
    for (int32_t i = 0; i < in->resources_count && good; i++)
        good = describe_resource(r, &in->resources[i], &body.results[body.results_count++]);
    if (good)
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

const struct handler api_handler_describe_configs = {
    .key = 32,
    .state_size = sizeof(struct request),
    .begin = begin,
};
