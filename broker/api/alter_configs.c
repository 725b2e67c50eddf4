/* alter_configs.c - 33 and 44: what is set for topics, whole or key by key; answered when that is
 * committed and the partitions here go by it. */
#include "api/internal.h"

/* ConfigResource.Type */
#define RESOURCE_TOPIC 2
#define RESOURCE_BROKER 4
#define RESOURCE_BROKER_LOGGER 8
#define RESOURCE_CLIENT_METRICS 16
#define RESOURCE_GROUP 32

struct alter_configs {
    struct request request;
    struct controller_alter_configs alter;
    struct quorum_request submitted;
    int8_t *types;
};

static struct bytes bytes_from(struct wire_string s)
{
    return bytes_of(s.data, s.size < 0 ? 0 : (size_t)s.size);
}

static struct wire_string string_from(struct bytes b)
{
    return (struct wire_string){.data = (const char *)b.data, .size = (int32_t)b.size};
}

/* ---- the answer ---- */

static bool is_incremental(const struct request *r)
{
    return r->kind->request == &wire_incremental_alter_configs_request_message;
}

static struct wire_string sentence_of(const struct controller_altered *altered)
{
    return altered->code != WIRE_ERROR_NONE && altered->msg.text[0] != 0
               ? wire_text(altered->msg.text)
               : WIRE_NULL_STRING;
}

static void answer_incremental(struct alter_configs *s)
{
    struct request *r = &s->request;
    struct wire_incremental_alter_configs_response body;
    wire_defaults(&wire_incremental_alter_configs_response_message, &body);
    body.responses = api_request_alloc(r, (size_t)s->alter.altered_count, sizeof *body.responses);
    if (body.responses == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    for (; body.responses_count < s->alter.altered_count; body.responses_count++) {
        const struct controller_altered *altered = &s->alter.altered[body.responses_count];
        body.responses[body.responses_count] =
            (struct wire_incremental_alter_configs_response_resource){
                .error_code = altered->code,
                .error_message = sentence_of(altered),
                .resource_type = s->types[body.responses_count],
                .resource_name = string_from(altered->topic)};
    }
    api_request_answer(r, &body);
}

static void answer_whole(struct alter_configs *s)
{
    struct request *r = &s->request;
    struct wire_alter_configs_response body;
    wire_defaults(&wire_alter_configs_response_message, &body);
    body.responses = api_request_alloc(r, (size_t)s->alter.altered_count, sizeof *body.responses);
    if (body.responses == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    for (; body.responses_count < s->alter.altered_count; body.responses_count++) {
        const struct controller_altered *altered = &s->alter.altered[body.responses_count];
        body.responses[body.responses_count] = (struct wire_alter_configs_response_resource){
            .error_code = altered->code,
            .error_message = sentence_of(altered),
            .resource_type = s->types[body.responses_count],
            .resource_name = string_from(altered->topic)};
    }
    api_request_answer(r, &body);
}

static void on_altered(struct quorum_request *submitted)
{
    struct alter_configs *s = CONTAINER_OF(submitted, struct alter_configs, submitted);
    if (is_incremental(&s->request))
        answer_incremental(s);
    else
        answer_whole(s);
}

/* ---- what is asked for (ConfigAdminManager.preprocess) ---- */

static void refuse(struct controller_altered *altered, const char *sentence)
{
    altered->code = WIRE_ERROR_INVALID_REQUEST;
    errmsg_set(&altered->msg, ERR_INVALID, "%s", sentence);
}

/* 0, or the code for who may not change that (ControllerApis.authorizeAlterResource). */
static int16_t check_access(const struct request *r, struct bytes name, int8_t type)
{
    if (type == RESOURCE_TOPIC && !api_may(r, API_ALTER_CONFIGS, API_TOPIC, name))
        return WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    if (type == RESOURCE_GROUP && !api_may(r, API_ALTER_CONFIGS, API_GROUP, name))
        return WIRE_ERROR_GROUP_AUTHORIZATION_FAILED;
    bool cluster = type == RESOURCE_BROKER || type == RESOURCE_BROKER_LOGGER ||
                   type == RESOURCE_CLIENT_METRICS;
    if (cluster && !api_may_cluster(r, API_ALTER_CONFIGS))
        return WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
    return WIRE_ERROR_NONE;
}

static void check_type(struct controller_altered *altered, int8_t type)
{
    switch (type) {
    case RESOURCE_TOPIC:
        return;
    case RESOURCE_BROKER:
    case RESOURCE_BROKER_LOGGER:
    case RESOURCE_CLIENT_METRICS:
    case RESOURCE_GROUP:
        refuse(altered, "this version of kiln alters the configuration of topics alone");
        return;
    default:
        altered->code = WIRE_ERROR_INVALID_REQUEST;
        errmsg_set(&altered->msg, ERR_INVALID, "Unknown resource type %d", type);
        return;
    }
}

/* Each resource once, and each of its keys. */
static bool refuse_twice(struct alter_configs *s, int32_t key_count)
{
    struct api_places places, keys;
    int32_t count = s->alter.altered_count;
    if (api_places_begin(&places, &s->request, count, count) != ERR_NONE)
        return false;
    bool good = api_places_begin(&keys, &s->request, key_count, key_count) == ERR_NONE;
    for (int32_t i = 0; i < count && good; i++) {
        struct controller_altered *altered = &s->alter.altered[i];
        api_places_topic(&places, altered->topic);
        api_places_partition(&places, s->types[i], altered);
        for (int32_t k = 0; k < altered->setting_count; k++) {
            api_places_topic(&keys, altered->settings[k].key);
            int32_t before = keys.count;
            api_places_partition(&keys, i, NULL);
            if (keys.count == before)
                refuse(altered, "Error due to duplicate config keys");
        }
    }
    for (int32_t i = 0; i < count && good; i++) {
        for (int32_t k = 0; k < places.count; k++) {
            const struct controller_altered *last = places.items[k].row;
            if (places.items[k].twice && bytes_equal(last->topic, s->alter.altered[i].topic) &&
                places.items[k].number == s->types[i])
                refuse(&s->alter.altered[i], "Each resource must appear at most once.");
        }
    }
    if (good)
        api_places_end(&keys);
    api_places_end(&places);
    return good;
}

/* Null is no value; whoever wants the default back deletes. */
static void take_setting(struct controller_altered *altered, struct controller_setting *out,
                         struct wire_string key, int8_t op, struct wire_string value)
{
    *out = (struct controller_setting){
        .key = bytes_from(key), .value = bytes_from(value), .op = CONTROLLER_CONFIG_SET};
    if (altered->code != WIRE_ERROR_NONE)
        return;
    if (op < 0 || op >= CONTROLLER_CONFIG_OP_COUNT) {
        altered->code = WIRE_ERROR_INVALID_REQUEST;
        errmsg_set(&altered->msg, ERR_INVALID, "Unknown operation type %d", op);
        return;
    }
    out->op = (enum controller_config_op)op;
    if (value.size >= 0 || out->op == CONTROLLER_CONFIG_DELETE)
        return;
    altered->code = WIRE_ERROR_INVALID_REQUEST;
    errmsg_set(&altered->msg, ERR_INVALID, "Null value not supported for : %.*s", (int)key.size,
               key.data);
}

/* One resource; what it is to have is yet to be filled in. NULL: no memory. */
static struct controller_setting *take_resource(struct alter_configs *s, int32_t index, int8_t type,
                                                struct wire_string name, int32_t count)
{
    struct controller_altered *altered = &s->alter.altered[index];
    struct controller_setting *settings =
        api_request_alloc(&s->request, (size_t)count, sizeof *settings);
    if (settings == NULL)
        return NULL;
    *altered = (struct controller_altered){
        .topic = bytes_from(name), .settings = settings, .setting_count = count};
    s->types[index] = type;
    altered->code = check_access(&s->request, altered->topic, type);
    if (altered->code == WIRE_ERROR_NONE)
        check_type(altered, type);
    else
        errmsg_set(&altered->msg, ERR_ACCESS, "%s", wire_error_text(altered->code));
    return settings;
}

static bool take_incremental(struct alter_configs *s, int32_t *key_count)
{
    const struct wire_incremental_alter_configs_request *in = s->request.body;
    for (int32_t i = 0; i < s->alter.altered_count; i++) {
        const struct wire_incremental_alter_configs_request_resource *resource = &in->resources[i];
        int32_t count = MAX(resource->configs_count, 0);
        struct controller_setting *settings =
            take_resource(s, i, resource->resource_type, resource->resource_name, count);
        if (settings == NULL)
            return false;
        for (int32_t k = 0; k < count; k++)
            take_setting(&s->alter.altered[i], &settings[k], resource->configs[k].name,
                         resource->configs[k].config_operation, resource->configs[k].value);
        *key_count += count;
    }
    return true;
}

static bool take_whole(struct alter_configs *s, int32_t *key_count)
{
    const struct wire_alter_configs_request *in = s->request.body;
    for (int32_t i = 0; i < s->alter.altered_count; i++) {
        const struct wire_alter_configs_request_resource *resource = &in->resources[i];
        int32_t count = MAX(resource->configs_count, 0);
        struct controller_setting *settings =
            take_resource(s, i, resource->resource_type, resource->resource_name, count);
        if (settings == NULL)
            return false;
        for (int32_t k = 0; k < count; k++)
            take_setting(&s->alter.altered[i], &settings[k], resource->configs[k].name,
                         CONTROLLER_CONFIG_SET, resource->configs[k].value);
        *key_count += count;
    }
    return true;
}

static bool begin_taking(struct alter_configs *s, int32_t count)
{
    count = MAX(count, 0);
    controller_alter_configs_init(&s->alter);
    s->alter.altered = api_request_alloc(&s->request, (size_t)count, sizeof *s->alter.altered);
    s->types = api_request_alloc(&s->request, (size_t)count, 1);
    s->alter.altered_count = count;
    return s->alter.altered != NULL && s->types != NULL;
}

static void submit(struct alter_configs *s, bool taken, int32_t key_count)
{
    struct request *r = &s->request;
    if (!taken || !refuse_twice(s, key_count)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    quorum_submit(r->api->quorum, &s->submitted, &s->alter.command, QUORUM_APPLIED, on_altered);
}

static void begin_incremental(struct request *r)
{
    struct alter_configs *s = CONTAINER_OF(r, struct alter_configs, request);
    const struct wire_incremental_alter_configs_request *in = r->body;
    int32_t key_count = 0;
    bool taken = begin_taking(s, in->resources_count) && take_incremental(s, &key_count);
    s->alter.validate_only = in->validate_only;
    submit(s, taken, key_count);
}

static void begin_whole(struct request *r)
{
    struct alter_configs *s = CONTAINER_OF(r, struct alter_configs, request);
    const struct wire_alter_configs_request *in = r->body;
    int32_t key_count = 0;
    bool taken = begin_taking(s, in->resources_count) && take_whole(s, &key_count);
    s->alter.validate_only = in->validate_only;
    s->alter.replaces = true;
    submit(s, taken, key_count);
}

const struct handler api_handler_incremental_alter_configs = {
    .key = 44,
    .state_size = sizeof(struct alter_configs),
    .begin = begin_incremental,
};

const struct handler api_handler_alter_configs = {
    .key = 33,
    .state_size = sizeof(struct alter_configs),
    .begin = begin_whole,
};
