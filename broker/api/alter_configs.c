/* alter_configs.c - 33 and 44: what is set for topics and for brokers, whole or key by key;
 * answered when that is committed and the partitions here go by it. */
#include "api/internal.h"

struct alter_configs {
    struct api_commanded commanded;
    struct controller_alter_configs alter;
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

static void answer_incremental(struct request *r)
{
    struct alter_configs *s = CONTAINER_OF(r, struct alter_configs, commanded.request);
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
                .resource_type = altered->type,
                .resource_name = string_from(altered->name)};
    }
    api_request_answer(r, &body);
}

static void answer_whole(struct request *r)
{
    struct alter_configs *s = CONTAINER_OF(r, struct alter_configs, commanded.request);
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
            .resource_type = altered->type,
            .resource_name = string_from(altered->name)};
    }
    api_request_answer(r, &body);
}

static void fail(struct request *r, int16_t code)
{
    struct alter_configs *s = CONTAINER_OF(r, struct alter_configs, commanded.request);
    for (int32_t i = 0; i < s->alter.altered_count; i++) {
        struct controller_altered *altered = &s->alter.altered[i];
        if (!api_command_is_open(altered->code))
            continue;
        altered->code = code;
        altered->msg = (struct errmsg){0};
    }
}

static const struct api_command_kind incremental = {
    .until = QUORUM_APPLIED, .answer = answer_incremental, .fail = fail, .is_untimed = true};
static const struct api_command_kind replacing = {.until = QUORUM_APPLIED,
                                                  .answer = answer_whole,
                                                  .fail = fail,
                                                  .is_untimed = true,
                                                  .again = true};

/* ---- what is asked for (ConfigAdminManager.preprocess) ---- */

static void refuse(struct controller_altered *altered, const char *sentence)
{
    altered->code = WIRE_ERROR_INVALID_REQUEST;
    errmsg_set(&altered->msg, ERR_INVALID, "%s", sentence);
}

/* 0, or the code for who may not change that (ControllerApis.authorizeAlterResource). */
static int16_t check_access(const struct request *r, struct bytes name, int8_t type)
{
    switch (type) {
    case METADATA_RESOURCE_TOPIC:
        return api_may(r, API_ALTER_CONFIGS, API_TOPIC, name)
                   ? WIRE_ERROR_NONE
                   : WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    case API_RESOURCE_GROUP:
        return api_may(r, API_ALTER_CONFIGS, API_GROUP, name)
                   ? WIRE_ERROR_NONE
                   : WIRE_ERROR_GROUP_AUTHORIZATION_FAILED;
    case METADATA_RESOURCE_BROKER:
    case API_RESOURCE_BROKER_LOGGER:
    case API_RESOURCE_CLIENT_METRICS:
        return api_may_cluster(r, API_ALTER_CONFIGS) ? WIRE_ERROR_NONE
                                                     : WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
    default:
        return WIRE_ERROR_NONE;
    }
}

/* Of one broker, only it is asked by clients; whoever leads the controllers believes the one that
 * passed it on. */
static void check_broker(const struct request *r, struct controller_altered *altered)
{
    int64_t id;
    int32_t self = quorum_node_id(r->api->quorum);
    bool is_direct = r->envelope == NULL && r->caller.listener->on == WIRE_ON_BROKER;
    /* What is no number of a broker at all is refused by whoever leads, with its own words. */
    if (!is_direct || text_parse_int(altered->name, &id) != ERR_NONE || id != (int32_t)id ||
        id == self)
        return;
    altered->code = WIRE_ERROR_INVALID_REQUEST;
    errmsg_set(&altered->msg, ERR_INVALID, "Unexpected broker id, expected %d, but received %.*s",
               (int)self, (int)altered->name.size, (const char *)altered->name.data);
}

/* There are no loggers here whose levels could be set (ConfigAdminManager). */
static void check_loggers(const struct request *r, struct controller_altered *altered)
{
    int64_t id;
    int size = (int)altered->name.size;
    const char *name = (const char *)altered->name.data;
    altered->code = WIRE_ERROR_INVALID_REQUEST;
    if (text_parse_int(altered->name, &id) != ERR_NONE) {
        errmsg_set(&altered->msg, ERR_INVALID, "Node id must be an integer, but it is: %.*s", size,
                   name);
    } else if (id != quorum_node_id(r->api->quorum)) {
        errmsg_set(&altered->msg, ERR_INVALID, "Unexpected node id. Expected %d, but received %.*s",
                   (int)quorum_node_id(r->api->quorum), size, name);
    } else if (altered->setting_count > 0) {
        altered->code = WIRE_ERROR_INVALID_CONFIG;
        errmsg_set(&altered->msg, ERR_NOTFOUND, "Logger %.*s does not exist!",
                   (int)altered->settings[0].key.size, (const char *)altered->settings[0].key.data);
    } else {
        altered->settled = true;
        altered->code = WIRE_ERROR_NONE;
    }
}

static void check_type(const struct request *r, struct controller_altered *altered)
{
    if (altered->code != WIRE_ERROR_NONE)
        return;
    switch (altered->type) {
    case METADATA_RESOURCE_TOPIC:
        return;
    case METADATA_RESOURCE_BROKER:
        check_broker(r, altered);
        return;
    case API_RESOURCE_CLIENT_METRICS:
    case API_RESOURCE_GROUP:
        refuse(altered, "this version of kiln has neither groups nor client metrics to configure");
        return;
    default:
        break;
    }
    if (altered->type == API_RESOURCE_BROKER_LOGGER && is_incremental(r)) {
        check_loggers(r, altered);
        return;
    }
    altered->code = WIRE_ERROR_INVALID_REQUEST;
    errmsg_set(&altered->msg, ERR_INVALID, "Unknown resource type %d", altered->type);
}

/* Each resource once, and each of its keys. */
static bool refuse_twice(struct alter_configs *s, int32_t key_count)
{
    struct api_places places, keys;
    int32_t count = s->alter.altered_count;
    if (api_places_begin(&places, &s->commanded.request, count, count) != ERR_NONE)
        return false;
    bool good = api_places_begin(&keys, &s->commanded.request, key_count, key_count) == ERR_NONE;
    for (int32_t i = 0; i < count && good; i++) {
        struct controller_altered *altered = &s->alter.altered[i];
        api_places_topic(&places, altered->name);
        api_places_partition(&places, altered->type, altered);
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
            if (places.items[k].twice && bytes_equal(last->name, s->alter.altered[i].name) &&
                places.items[k].number == s->alter.altered[i].type)
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
        errmsg_set(&altered->msg, ERR_INVALID, "Unknown operations type %d", op);
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
        api_request_alloc(&s->commanded.request, (size_t)count, sizeof *settings);
    if (settings == NULL)
        return NULL;
    *altered = (struct controller_altered){
        .type = type, .name = bytes_from(name), .settings = settings, .setting_count = count};
    altered->code = check_access(&s->commanded.request, altered->name, type);
    if (altered->code != WIRE_ERROR_NONE)
        errmsg_set(&altered->msg, ERR_ACCESS, "%s", wire_error_text(altered->code));
    return settings;
}

static bool take_incremental(struct alter_configs *s, int32_t *key_count)
{
    const struct wire_incremental_alter_configs_request *in = s->commanded.request.body;
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
        check_type(&s->commanded.request, &s->alter.altered[i]);
        *key_count += count;
    }
    return true;
}

static bool take_whole(struct alter_configs *s, int32_t *key_count)
{
    const struct wire_alter_configs_request *in = s->commanded.request.body;
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
        check_type(&s->commanded.request, &s->alter.altered[i]);
        *key_count += count;
    }
    return true;
}

static bool begin_taking(struct alter_configs *s, int32_t count)
{
    count = MAX(count, 0);
    controller_alter_configs_init(&s->alter);
    s->alter.altered =
        api_request_alloc(&s->commanded.request, (size_t)count, sizeof *s->alter.altered);
    s->alter.altered_count = count;
    return s->alter.altered != NULL;
}

static void submit(struct alter_configs *s, bool taken, int32_t key_count)
{
    struct request *r = &s->commanded.request;
    if (!taken || !refuse_twice(s, key_count)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    api_command(r, is_incremental(r) ? &incremental : &replacing, &s->alter.command, 0);
}

static void begin_incremental(struct request *r)
{
    struct alter_configs *s = CONTAINER_OF(r, struct alter_configs, commanded.request);
    const struct wire_incremental_alter_configs_request *in = r->body;
    int32_t key_count = 0;
    bool taken = begin_taking(s, in->resources_count) && take_incremental(s, &key_count);
    s->alter.validate_only = in->validate_only;
    submit(s, taken, key_count);
}

static void begin_whole(struct request *r)
{
    struct alter_configs *s = CONTAINER_OF(r, struct alter_configs, commanded.request);
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
    .hurry = api_command_hurry,
    .drop = api_command_drop,
};

const struct handler api_handler_alter_configs = {
    .key = 33,
    .state_size = sizeof(struct alter_configs),
    .begin = begin_whole,
    .hurry = api_command_hurry,
    .drop = api_command_drop,
};
