/* describe_configs.c - 32: what a topic, this broker, or all brokers go by, and where each value
 * comes from (ConfigHelper of Kafka's). */
#include "api/internal.h"

#define MALFORMED                                                                                  \
    "This most likely occurs because of a request being malformed by the client library or the "   \
    "message was sent to an incompatible broker. See the broker logs for more details."

/* One resource of the request, and its part of the answer. */
struct described {
    struct request *r;
    const struct wire_describe_configs_request_resource *in;
    struct wire_describe_configs_response_result *out;
    struct bytes name;
};

/* Without keys, or with an empty list of them, all are asked for. */
static bool is_asked(const struct described *d, struct wire_string name)
{
    for (int32_t i = 0; i < d->in->configuration_keys_count; i++) {
        if (wire_string_equal(d->in->configuration_keys[i], name))
            return true;
    }
    return d->in->configuration_keys_count <= 0;
}

static bool make_room(struct described *d, int32_t count)
{
    d->out->configs = api_request_alloc(d->r, (size_t)count, sizeof *d->out->configs);
    return d->out->configs != NULL;
}

static void add(struct described *d, struct wire_string name, const struct api_config *config)
{
    const struct wire_describe_configs_request *request = d->r->body;
    bool explains = request->include_documentation && config->help != NULL;
    d->out->configs[d->out->configs_count++] = (struct wire_describe_configs_response_config){
        .name = name,
        .value = config->value,
        .read_only = config->read_only,
        .config_source = (int8_t)config->source,
        .is_sensitive = config->is_sensitive,
        .synonyms_count = request->include_synonyms ? config->synonym_count : 0,
        .synonyms = config->synonyms,
        .config_type = config->type,
        .documentation = explains ? wire_text(config->help) : WIRE_NULL_STRING,
    };
}

static bool refuse(struct described *d, int16_t code, const char *before, const char *behind)
{
    struct errmsg msg = {0};
    errmsg_set(&msg, ERR_INVALID, "%s%.*s%s", before, (int)d->name.size, (const char *)d->name.data,
               behind);
    size_t size = strlen(msg.text) + 1;
    char *text = api_request_alloc(d->r, size, 1);
    if (text == NULL)
        return false;
    memcpy(text, msg.text, size);
    d->out->error_code = code;
    d->out->error_message = wire_text(text);
    return true;
}

/* ---- topics ---- */

static struct wire_string find_setting(const struct metadata_topic *topic, const char *key)
{
    for (int32_t i = 0; i < topic->setting_count; i++) {
        if (strcmp(topic->settings[i].key, key) == 0)
            return wire_text(topic->settings[i].value);
    }
    return WIRE_NULL_STRING;
}

/* False: no memory. */
static bool describe_key(struct described *d, const struct metadata_topic *topic,
                         const struct metadata_key *key)
{
    struct api_config config;
    struct wire_string name = wire_text(key->name), set = find_setting(topic, key->name);
    if ((set.size < 0 && key->fallback == NULL) || !is_asked(d, name))
        return true;
    if (!api_config_of_topic(d->r, key, set, &config))
        return false;
    add(d, name, &config);
    return true;
}

static bool describe_topic(struct described *d)
{
    struct errmsg msg = {0};
    if (metadata_topic_name_check(d->name, &msg) != ERR_NONE) {
        d->name = bytes_of(NULL, 0);
        return refuse(d, WIRE_ERROR_INVALID_TOPIC_EXCEPTION, msg.text, "");
    }
    const struct metadata_topic *topic = metadata_find(quorum_current(d->r->api->quorum), d->name);
    if (topic == NULL) {
        d->out->error_code = WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        return true;
    }
    bool good = make_room(d, metadata_topic_key_count + metadata_own_key_count);
    for (int i = 0; i < metadata_topic_key_count && good; i++)
        good = describe_key(d, topic, &metadata_topic_keys[i]);
    for (int i = 0; i < metadata_own_key_count && good; i++)
        good = describe_key(d, topic, &metadata_own_keys[i]);
    return good;
}

/* ---- brokers ---- */

/* What was set for that resource, and of a broker what kiln has no key for alone. */
static bool describe_settings(struct described *d, struct bytes resource, bool add_them,
                              int32_t *count)
{
    struct metadata_config_walk walk;
    struct metadata_config setting;
    struct api_config config;
    const struct metadata_image *image = quorum_current(d->r->api->quorum);
    metadata_config_walk_begin(&walk, image, METADATA_RESOURCE_BROKER, resource);
    while (metadata_config_walk_next(&walk, image, &setting) &&
           bytes_equal(setting.resource, resource)) {
        bool known = metadata_broker_key(setting.key) != NULL;
        struct wire_string name = {.data = (const char *)setting.key.data,
                                   .size = (int32_t)setting.key.size};
        if ((resource.size > 0 && known) || !is_asked(d, name))
            continue;
        (*count)++;
        if (!add_them)
            continue;
        if (!api_config_of_setting(d->r, &setting, &config))
            return false;
        add(d, config.synonyms[0].name, &config);
    }
    return true;
}

static bool describe_known(struct described *d)
{
    struct api_config config;
    for (int i = 0; i < metadata_broker_key_count; i++) {
        struct wire_string name = wire_text(metadata_broker_keys[i].key.name);
        if (!is_asked(d, name))
            continue;
        if (!api_config_of_broker(d->r, i, &config))
            return false;
        add(d, name, &config);
    }
    return true;
}

static bool describe_broker(struct described *d)
{
    int64_t id = 0;
    int32_t node_id = quorum_node_id(d->r->api->quorum), count = 0;
    struct errmsg expected = {0};
    char self[METADATA_BROKER_NAME_SIZE] = "";
    bool is_logger = d->in->resource_type == API_RESOURCE_BROKER_LOGGER;
    if (is_logger && d->name.size == 0)
        return refuse(d, WIRE_ERROR_INVALID_REQUEST, "Broker id must not be empty", "");
    if (d->name.size > 0 && (text_parse_int(d->name, &id) != ERR_NONE || id != (int32_t)id))
        return refuse(d, WIRE_ERROR_INVALID_REQUEST,
                      "Broker id must be an integer, but it is: ", "");
    errmsg_set(&expected, ERR_INVALID, "Unexpected broker id, expected %d%s but received ",
               (int)node_id, is_logger ? "" : " or empty string,");
    if (d->name.size > 0 && id != node_id)
        return refuse(d, WIRE_ERROR_INVALID_REQUEST, expected.text, "");
    if (is_logger) /* there are none */
        return true;
    bool one = d->name.size > 0;
    if (one)
        metadata_broker_name(node_id, self);
    if (!describe_settings(d, bytes_text(self), false, &count) ||
        !make_room(d, count + metadata_broker_key_count))
        return false;
    return (!one || describe_known(d)) && describe_settings(d, bytes_text(self), true, &count);
}

/* ---- all of it ---- */

/* 0, or the code for who may not see that (ConfigHelper.handleDescribeConfigsRequest). */
static int16_t check_access(const struct described *d)
{
    if (d->in->resource_type == METADATA_RESOURCE_TOPIC)
        return api_may(d->r, API_DESCRIBE_CONFIGS, API_TOPIC, d->name)
                   ? WIRE_ERROR_NONE
                   : WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    if (d->in->resource_type == API_RESOURCE_GROUP)
        return api_may(d->r, API_DESCRIBE_CONFIGS, API_GROUP, d->name)
                   ? WIRE_ERROR_NONE
                   : WIRE_ERROR_GROUP_AUTHORIZATION_FAILED;
    return api_may_cluster(d->r, API_DESCRIBE_CONFIGS) ? WIRE_ERROR_NONE
                                                       : WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
}

static bool describe(struct described *d)
{
    *d->out = (struct wire_describe_configs_response_result){
        .error_message = wire_text(""),
        .resource_type = d->in->resource_type,
        .resource_name = d->in->resource_name,
    };
    d->out->error_code = check_access(d);
    if (d->out->error_code != WIRE_ERROR_NONE) {
        d->out->error_message = wire_text(wire_error_text(d->out->error_code));
        return true;
    }
    switch (d->in->resource_type) {
    case METADATA_RESOURCE_TOPIC:
        return describe_topic(d);
    case METADATA_RESOURCE_BROKER:
    case API_RESOURCE_BROKER_LOGGER:
        return describe_broker(d);
    case API_RESOURCE_CLIENT_METRICS:
    case API_RESOURCE_GROUP:
        d->name = bytes_of(NULL, 0);
        return refuse(d, WIRE_ERROR_INVALID_REQUEST,
                      "this version of kiln has neither groups nor client metrics to configure",
                      "");
    default:
        d->name = bytes_of(NULL, 0);
        return refuse(d, WIRE_ERROR_INVALID_REQUEST, MALFORMED, "");
    }
}

static void begin(struct request *r)
{
    const struct wire_describe_configs_request *in = r->body;
    struct wire_describe_configs_response body;
    wire_defaults(&wire_describe_configs_response_message, &body);
    body.results = api_request_alloc(r, (size_t)MAX(in->resources_count, 0), sizeof *body.results);
    bool good = body.results != NULL;
    for (int32_t i = 0; i < in->resources_count && good; i++) {
        const struct wire_describe_configs_request_resource *resource = &in->resources[i];
        struct described d = {.r = r, .in = resource, .out = &body.results[body.results_count++]};
        d.name =
            bytes_of(resource->resource_name.data, (size_t)MAX(resource->resource_name.size, 0));
        good = describe(&d);
    }
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
