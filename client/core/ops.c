/* ops.c - questions and orders of their own: offsets, topics, creations. Each is one request to the
 * node that can answer it, again and again until its time is over. */
#include "client/core/internal.h"

/* ---- in and out ---- */

static void retry_later(struct client *c, struct client_op *op)
{
    op->attempt_count++;
    op->retry_ns = c->now_ns + client_backoff_ns(c, op->attempt_count);
    client_arm(c, &op->timer, CLIENT_TIMER_OP, MIN(op->retry_ns, op->deadline_ns));
    c->ops_dirty = true;
}

static void end(struct client *c, struct client_op *op, enum client_outcome outcome, int16_t code,
                enum err err)
{
    if (op->call != NULL)
        op->call->op = NULL;
    op->call = NULL;
    client_op_done(c, op, outcome, code, err);
}

/* It is no question: whether it was done matters. */
static bool changes(const struct client_op *op)
{
    return op->kind == CLIENT_CREATE_TOPIC || op->kind == CLIENT_DELETE_TOPIC ||
           op->kind == CLIENT_ADD_PARTITIONS || op->kind == CLIENT_ALTER_CONFIGS ||
           op->kind == CLIENT_TRIM;
}

/* Over without an answer; only a change leaves a doubt. */
static void end_unanswered(struct client *c, struct client_op *op, enum err err)
{
    bool doubt = changes(op) && (op->maybe_done || op->call != NULL);
    end(c, op, doubt ? CLIENT_UNKNOWN : CLIENT_FAILED, op->code, err);
}

void client_op_submit(struct client *c, struct client_op *op)
{
    op->deadline_ns = c->now_ns + c->config.api_timeout_ms * MS;
    op->retry_ns = c->now_ns;
    list_push_back(&c->ops, &op->link);
    client_arm(c, &op->timer, CLIENT_TIMER_OP, op->deadline_ns);
    c->ops_dirty = true;
}

void client_op_timer(struct client *c, struct client_op *op)
{
    if (c->now_ns >= op->deadline_ns) {
        end_unanswered(c, op, ERR_TIMEOUT);
        return;
    }
    client_arm(c, &op->timer, CLIENT_TIMER_OP, op->deadline_ns);
    c->ops_dirty = true;
}

void client_ops_close(struct client *c)
{
    LIST_EACH (op, &c->ops, struct client_op, link)
        end_unanswered(c, op, ERR_CANCELLED);
}

void client_op_lost(struct client *c, struct client_call *call, bool sent)
{
    struct client_op *op = call->op;
    if (op == NULL)
        return;
    op->call = NULL;
    op->maybe_done |= sent;
    retry_later(c, op);
}

/* True when the code has settled the operation: it is tried again, or it has failed. */
static bool refused(struct client *c, struct client_op *op, int16_t code)
{
    op->code = code;
    if (code == 0)
        return false;
    op->maybe_done |= client_code_maybe_done(code);
    if (client_code_stale_metadata(code))
        client_metadata_want(c);
    if (client_code_retriable(code))
        retry_later(c, op);
    else
        end(c, op, op->maybe_done && changes(op) ? CLIENT_UNKNOWN : CLIENT_FAILED, code, ERR_NONE);
    return true;
}

/* ---- offsets ---- */

/* The node that leads a partition, if it is known and there. */
static struct client_node *leader_node(struct client *c, struct client_op *op, const char *name,
                                       int32_t partition)
{
    struct client_topic *topic = client_topic_of(c, name);
    if (topic == NULL) {
        end(c, op, CLIENT_FAILED, 0, ERR_NOMEM);
        return NULL;
    }
    if (topic->partition_count == 0 && topic->code != 0) {
        op->code = topic->code;
        if (!client_code_retriable(topic->code))
            end(c, op, CLIENT_FAILED, topic->code, ERR_NONE);
        return NULL;
    }
    struct client_node *node = client_leader(c, topic, partition);
    return node != NULL && client_lane_ready(node, CLIENT_LANE_MAIN) ? node : NULL;
}

static struct client_node *offsets_node(struct client *c, struct client_op *op)
{
    struct client_offsets *offsets = CONTAINER_OF(op, struct client_offsets, op);
    client_topic_id(c, offsets->topic, offsets->topic_id);
    return leader_node(c, op, offsets->topic, offsets->partition);
}

static enum err ask_offsets(struct client *c, const struct client_op *op, struct client_call *call)
{
    const struct client_offsets *offsets = CONTAINER_OF(op, struct client_offsets, op);
    struct wire_list_offsets_request_partition part = {.partition_index = offsets->partition,
                                                       .current_leader_epoch = -1,
                                                       .timestamp = offsets->timestamp_ms};
    struct wire_list_offsets_request_topic topic = {
        .name = wire_text(offsets->topic), .partitions_count = 1, .partitions = &part};
    struct wire_list_offsets_request request;
    wire_defaults(&wire_list_offsets_request_message, &request);
    request.replica_id = -1;
    request.timeout_ms = (int32_t)c->config.request_timeout_ms;
    request.topics_count = 1;
    request.topics = &topic;
    return client_call_send(c, call, &request);
}

static enum err offsets_answer(struct client *c, struct client_op *op, struct client_call *call,
                               struct bytes body)
{
    struct client_offsets *offsets = CONTAINER_OF(op, struct client_offsets, op);
    struct wire_list_offsets_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (response.topics_count != 1 || response.topics[0].partitions_count != 1)
        return ERR_CORRUPT;
    const struct wire_list_offsets_response_partition *in = &response.topics[0].partitions[0];
    if (refused(c, op, in->error_code))
        return ERR_NONE;
    offsets->offset = in->offset;
    offsets->offset_timestamp_ms = in->timestamp;
    offsets->leader_epoch = in->leader_epoch;
    end(c, op, CLIENT_OK, 0, ERR_NONE);
    return ERR_NONE;
}

/* ---- topics ---- */

static enum err ask_topics(struct client *c, const struct client_op *op, struct client_call *call)
{
    const struct client_topics *topics = CONTAINER_OF(op, struct client_topics, op);
    struct wire_metadata_request_topic one = {.name = wire_text(topics->topic)};
    struct wire_metadata_request request;
    wire_defaults(&wire_metadata_request_message, &request);
    request.topics_count = topics->topic == NULL ? -1 : 1;
    request.topics = &one;
    request.allow_auto_topic_creation = call->request.api_version < 4;
    return client_call_send(c, call, &request);
}

static enum err copy_topic(struct arena *arena, const struct wire_metadata_response_topic *in,
                           struct client_topic_info *out)
{
    int32_t size = MAX(0, MIN(in->name.size, CLIENT_TOPIC_NAME_MAX - 1));
    if (size > 0)
        memcpy(out->name, in->name.data, (size_t)size);
    memcpy(out->topic_id, in->topic_id.b, sizeof out->topic_id);
    out->code = in->error_code;
    out->internal = in->is_internal;
    out->partition_count = MAX(0, in->partitions_count);
    out->partitions = arena_alloc(arena, (size_t)out->partition_count * sizeof *out->partitions);
    if (out->partitions == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < out->partition_count; i++) {
        const struct wire_metadata_response_partition *p = &in->partitions[i];
        out->partitions[i] = (struct client_partition_info){.id = p->partition_index,
                                                            .leader = p->leader_id,
                                                            .leader_epoch = p->leader_epoch,
                                                            .replica_count = p->replica_nodes_count,
                                                            .isr_count = p->isr_nodes_count,
                                                            .code = p->error_code};
    }
    return ERR_NONE;
}

static enum err copy_topics(struct client *c, struct client_topics *out,
                            const struct wire_metadata_response *response)
{
    arena_init(&out->arena, c->mem, CLIENT_ARENA_MAX);
    out->topic_count = 0;
    out->topics = arena_alloc(&out->arena, (size_t)response->topics_count * sizeof *out->topics);
    enum err e = out->topics == NULL ? ERR_NOMEM : ERR_NONE;
    for (int32_t i = 0; e == ERR_NONE && i < response->topics_count; i++)
        e = copy_topic(&out->arena, &response->topics[i], &out->topics[out->topic_count++]);
    if (e != ERR_NONE)
        client_topics_free(out);
    return e;
}

void client_topics_free(struct client_topics *op)
{
    if (op->arena.mem != NULL)
        arena_free(&op->arena);
    op->arena = (struct arena){0};
    op->topics = NULL;
    op->topic_count = 0;
}

static enum err topics_answer(struct client *c, struct client_op *op, struct client_call *call,
                              struct bytes body)
{
    struct client_topics *topics = CONTAINER_OF(op, struct client_topics, op);
    struct wire_metadata_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (refused(c, op, response.error_code))
        return ERR_NONE;
    e = copy_topics(c, topics, &response);
    if (e == ERR_NONE)
        end(c, op, CLIENT_OK, 0, ERR_NONE);
    return e;
}

/* ---- creations ---- */

/* The controller when it is known; any broker else, which passes it on or says who is. */
static struct client_node *controller_node(struct client *c)
{
    int32_t id = c->metadata.controller;
    struct client_node *node = id < 0 ? NULL : client_node_find(c, id);
    if (node == NULL)
        return client_any_node(c);
    return client_lane_ready(node, CLIENT_LANE_MAIN) ? node : NULL;
}

static enum err ask_creation(struct client *c, const struct client_op *op, struct client_call *call)
{
    const struct client_create_topic *create = CONTAINER_OF(op, struct client_create_topic, op);
    struct wire_create_topics_request_topic topic = {.name = wire_text(create->topic),
                                                     .num_partitions = create->partition_count,
                                                     .replication_factor =
                                                         create->replication_factor,
                                                     .configs_count = create->config_count};
    struct wire_create_topics_request request;
    wire_defaults(&wire_create_topics_request_message, &request);
    topic.configs = arena_alloc(&c->arena, (size_t)create->config_count * sizeof *topic.configs);
    if (topic.configs == NULL) {
        client_call_end(c, call);
        return ERR_NOMEM;
    }
    for (int32_t i = 0; i < create->config_count; i++)
        topic.configs[i] = (struct wire_create_topics_request_config){
            .name = wire_text(create->configs[i].key),
            .value = wire_text(create->configs[i].value)};
    request.topics_count = 1;
    request.topics = &topic;
    request.timeout_ms = (int32_t)c->config.request_timeout_ms;
    return client_call_send(c, call, &request);
}

static enum err creation_answer(struct client *c, struct client_op *op, struct client_call *call,
                                struct bytes body)
{
    struct client_create_topic *create = CONTAINER_OF(op, struct client_create_topic, op);
    struct wire_create_topics_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (response.topics_count != 1)
        return ERR_CORRUPT;
    const struct wire_create_topics_response_topic *in = &response.topics[0];
    int32_t size = MAX(0, MIN(in->error_message.size, ERRMSG_SIZE - 1));
    if (size > 0)
        memcpy(create->message, in->error_message.data, (size_t)size);
    create->message[size] = 0;
    create->partition_count_created = in->num_partitions;
    memcpy(create->topic_id, in->topic_id.b, sizeof create->topic_id);
    /* It is there, and an earlier attempt of ours whose answer was lost may have made it. */
    bool ours = in->error_code == WIRE_ERROR_TOPIC_ALREADY_EXISTS && op->maybe_done;
    if (!ours && refused(c, op, in->error_code))
        return ERR_NONE;
    end(c, op, CLIENT_OK, in->error_code, ERR_NONE);
    return ERR_NONE;
}

/* ---- the settings of a topic ---- */

#define RESOURCE_TOPIC 2
#define SOURCE_TOPIC 1 /* ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG */

static enum err ask_configs(struct client *c, const struct client_op *op, struct client_call *call)
{
    const struct client_configs *configs = CONTAINER_OF(op, struct client_configs, op);
    struct wire_describe_configs_request_resource resource = {.resource_type = RESOURCE_TOPIC,
                                                              .resource_name =
                                                                  wire_text(configs->topic),
                                                              .configuration_keys_count = -1};
    struct wire_describe_configs_request request;
    wire_defaults(&wire_describe_configs_request_message, &request);
    request.resources_count = 1;
    request.resources = &resource;
    return client_call_send(c, call, &request);
}

/* NULL: no memory. */
static const char *keep_text(struct arena *arena, struct wire_string text)
{
    size_t size = (size_t)MAX(text.size, 0);
    char *copy = arena_alloc(arena, size + 1);
    if (copy != NULL && size > 0)
        memcpy(copy, text.data, size);
    return copy;
}

static enum err copy_configs(struct client *c, struct client_configs *out,
                             const struct wire_describe_configs_response_result *in)
{
    arena_init(&out->arena, c->mem, CLIENT_ARENA_MAX);
    out->setting_count = MAX(in->configs_count, 0);
    out->settings = arena_alloc(&out->arena, (size_t)out->setting_count * sizeof *out->settings);
    bool good = out->settings != NULL;
    for (int32_t i = 0; good && i < out->setting_count; i++) {
        const struct wire_describe_configs_response_config *from = &in->configs[i];
        struct client_setting *to = &out->settings[i];
        to->key = keep_text(&out->arena, from->name);
        to->value = keep_text(&out->arena, from->value);
        to->own = from->config_source == SOURCE_TOPIC;
        good = to->key != NULL && to->value != NULL;
    }
    if (!good)
        client_configs_free(out);
    return good ? ERR_NONE : ERR_NOMEM;
}

void client_configs_free(struct client_configs *op)
{
    if (op->arena.mem != NULL)
        arena_free(&op->arena);
    op->arena = (struct arena){0};
    op->settings = NULL;
    op->setting_count = 0;
}

static enum err configs_answer(struct client *c, struct client_op *op, struct client_call *call,
                               struct bytes body)
{
    struct client_configs *configs = CONTAINER_OF(op, struct client_configs, op);
    struct wire_describe_configs_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (response.results_count != 1)
        return ERR_CORRUPT;
    if (refused(c, op, response.results[0].error_code))
        return ERR_NONE;
    e = copy_configs(c, configs, &response.results[0]);
    if (e == ERR_NONE)
        end(c, op, CLIENT_OK, 0, ERR_NONE);
    return e;
}

/* ---- changes of a topic that is there ---- */

static void take_message(struct client_change_topic *change, struct wire_string message)
{
    int32_t size = MAX(0, MIN(message.size, ERRMSG_SIZE - 1));
    if (size > 0)
        memcpy(change->message, message.data, (size_t)size);
    change->message[size] = 0;
}

/* That there is no such topic is final; it may be gone by an attempt whose answer was lost. */
static void settle_change(struct client *c, struct client_op *op, int16_t code,
                          struct wire_string message)
{
    take_message(CONTAINER_OF(op, struct client_change_topic, op), message);
    bool missing = code == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (missing && op->kind == CLIENT_DELETE_TOPIC && op->maybe_done)
        end(c, op, CLIENT_OK, code, ERR_NONE);
    else if (missing)
        end(c, op, CLIENT_FAILED, code, ERR_NONE);
    else if (!refused(c, op, code))
        end(c, op, CLIENT_OK, code, ERR_NONE);
}

static enum err ask_deletion(struct client *c, const struct client_op *op, struct client_call *call)
{
    const struct client_change_topic *change = CONTAINER_OF(op, struct client_change_topic, op);
    struct wire_delete_topics_request_topic topic = {.name = wire_text(change->topic)};
    struct wire_string name = topic.name;
    struct wire_delete_topics_request request;
    wire_defaults(&wire_delete_topics_request_message, &request);
    bool with_ids = call->request.api_version >= 6;
    request.topics = &topic;
    request.topics_count = with_ids;
    request.topic_names = &name;
    request.topic_names_count = !with_ids;
    request.timeout_ms = (int32_t)c->config.request_timeout_ms;
    return client_call_send(c, call, &request);
}

static enum err deletion_answer(struct client *c, struct client_op *op, struct client_call *call,
                                struct bytes body)
{
    struct wire_delete_topics_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (response.responses_count != 1)
        return ERR_CORRUPT;
    settle_change(c, op, response.responses[0].error_code, response.responses[0].error_message);
    return ERR_NONE;
}

static enum err ask_partitions(struct client *c, const struct client_op *op,
                               struct client_call *call)
{
    const struct client_change_topic *change = CONTAINER_OF(op, struct client_change_topic, op);
    struct wire_create_partitions_request_topic topic = {.name = wire_text(change->topic),
                                                         .count = change->partition_count,
                                                         .assignments_count = -1};
    struct wire_create_partitions_request request;
    wire_defaults(&wire_create_partitions_request_message, &request);
    request.topics = &topic;
    request.topics_count = 1;
    request.timeout_ms = (int32_t)c->config.request_timeout_ms;
    return client_call_send(c, call, &request);
}

static enum err partitions_answer(struct client *c, struct client_op *op, struct client_call *call,
                                  struct bytes body)
{
    struct wire_create_partitions_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (response.results_count != 1)
        return ERR_CORRUPT;
    settle_change(c, op, response.results[0].error_code, response.results[0].error_message);
    return ERR_NONE;
}

#define OP_SET 0 /* AlterConfigOp.OpType */
#define OP_DELETE 1

static enum err ask_alteration(struct client *c, const struct client_op *op,
                               struct client_call *call)
{
    const struct client_change_topic *change = CONTAINER_OF(op, struct client_change_topic, op);
    struct wire_incremental_alter_configs_request_resource resource = {
        .resource_type = RESOURCE_TOPIC,
        .resource_name = wire_text(change->topic),
        .configs_count = change->config_count};
    struct wire_incremental_alter_configs_request request;
    wire_defaults(&wire_incremental_alter_configs_request_message, &request);
    resource.configs =
        arena_alloc(&c->arena, (size_t)change->config_count * sizeof *resource.configs);
    if (resource.configs == NULL) {
        client_call_end(c, call);
        return ERR_NOMEM;
    }
    for (int32_t i = 0; i < change->config_count; i++) {
        const struct client_topic_config *config = &change->configs[i];
        resource.configs[i] = (struct wire_incremental_alter_configs_request_config){
            .name = wire_text(config->key),
            .config_operation = config->value == NULL ? OP_DELETE : OP_SET,
            .value = config->value == NULL ? WIRE_NULL_STRING : wire_text(config->value)};
    }
    request.resources = &resource;
    request.resources_count = 1;
    return client_call_send(c, call, &request);
}

static enum err alteration_answer(struct client *c, struct client_op *op, struct client_call *call,
                                  struct bytes body)
{
    struct wire_incremental_alter_configs_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (response.responses_count != 1)
        return ERR_CORRUPT;
    settle_change(c, op, response.responses[0].error_code, response.responses[0].error_message);
    return ERR_NONE;
}

/* ---- records that are not wanted any more ---- */

static struct client_node *trim_node(struct client *c, struct client_op *op)
{
    const struct client_trim *trim = CONTAINER_OF(op, struct client_trim, op);
    return leader_node(c, op, trim->topic, trim->partition);
}

static enum err ask_trim(struct client *c, const struct client_op *op, struct client_call *call)
{
    const struct client_trim *trim = CONTAINER_OF(op, struct client_trim, op);
    struct wire_delete_records_request_partition part = {.partition_index = trim->partition,
                                                         .offset = trim->offset};
    struct wire_delete_records_request_topic topic = {
        .name = wire_text(trim->topic), .partitions = &part, .partitions_count = 1};
    struct wire_delete_records_request request = {
        .topics = &topic, .topics_count = 1, .timeout_ms = (int32_t)c->config.request_timeout_ms};
    return client_call_send(c, call, &request);
}

static enum err trim_answer(struct client *c, struct client_op *op, struct client_call *call,
                            struct bytes body)
{
    struct client_trim *trim = CONTAINER_OF(op, struct client_trim, op);
    struct wire_delete_records_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (response.topics_count != 1 || response.topics[0].partitions_count != 1)
        return ERR_CORRUPT;
    const struct wire_delete_records_response_partition *in = &response.topics[0].partitions[0];
    if (refused(c, op, in->error_code))
        return ERR_NONE;
    trim->log_start = in->low_watermark;
    end(c, op, CLIENT_OK, 0, ERR_NONE);
    return ERR_NONE;
}

/* ---- all of them ---- */

/* What an operation of each kind asks, and what it makes of the answer. */
static const struct {
    int16_t api;
    enum err (*ask)(struct client *c, const struct client_op *op, struct client_call *call);
    enum err (*answer)(struct client *c, struct client_op *op, struct client_call *call,
                       struct bytes body);
} kinds[] = {
    [CLIENT_OFFSETS] = {2, ask_offsets, offsets_answer},
    [CLIENT_TOPICS] = {3, ask_topics, topics_answer},
    [CLIENT_CREATE_TOPIC] = {19, ask_creation, creation_answer},
    [CLIENT_CONFIGS] = {32, ask_configs, configs_answer},
    [CLIENT_DELETE_TOPIC] = {20, ask_deletion, deletion_answer},
    [CLIENT_ADD_PARTITIONS] = {37, ask_partitions, partitions_answer},
    [CLIENT_ALTER_CONFIGS] = {44, ask_alteration, alteration_answer},
    [CLIENT_TRIM] = {21, ask_trim, trim_answer},
};

static struct client_node *node_of(struct client *c, struct client_op *op)
{
    switch (op->kind) {
    case CLIENT_OFFSETS:
        return offsets_node(c, op);
    case CLIENT_TRIM:
        return trim_node(c, op);
    case CLIENT_TOPICS:
    case CLIENT_CONFIGS:
        return client_any_node(c);
    case CLIENT_CREATE_TOPIC:
    case CLIENT_DELETE_TOPIC:
    case CLIENT_ADD_PARTITIONS:
    case CLIENT_ALTER_CONFIGS:
        return controller_node(c);
    case CLIENT_SEND:
    case CLIENT_FLUSH:
    case CLIENT_POLL:
        break;
    }
    UNREACHABLE();
}

static enum err ask(struct client *c, struct client_op *op, struct client_node *node)
{
    struct client_call *call;
    enum err e =
        client_call_new(c, CLIENT_CALL_OP, node, CLIENT_LANE_MAIN, kinds[op->kind].api, &call);
    if (e != ERR_NONE)
        return e;
    call->op = op;
    e = kinds[op->kind].ask(c, op, call);
    arena_reset(&c->arena);
    if (e == ERR_NONE)
        op->call = call;
    return e;
}

void client_ops_pump(struct client *c)
{
    if (!c->ops_dirty)
        return;
    c->ops_dirty = false;
    LIST_EACH (op, &c->ops, struct client_op, link) {
        if (op->call != NULL || op->retry_ns > c->now_ns)
            continue;
        struct client_node *node = node_of(c, op);
        if (node == NULL)
            continue;
        enum err e = ask(c, op, node);
        if (e == ERR_UNSUPPORTED || e == ERR_INVALID)
            end(c, op, CLIENT_FAILED, WIRE_ERROR_UNSUPPORTED_VERSION, e);
        else if (e != ERR_NONE)
            retry_later(c, op);
    }
}

void client_op_answer(struct client *c, struct client_call *call, struct bytes body)
{
    struct client_op *op = call->op;
    if (op == NULL)
        return;
    op->call = NULL;
    call->op = NULL;
    enum err e = kinds[op->kind].answer(c, op, call, body);
    if (e != ERR_NONE) { /* an answer that cannot be read, or kept: as good as none */
        op->maybe_done = true;
        retry_later(c, op);
    }
}
