/* ops.c - questions and orders of their own: offsets, topics, creations. Each is one request to the
 * node that can answer it, again and again until its time is over. */
#include "client/core/internal.h"

#define BROKER_SOUGHT_MAX 2 /* questions who belongs to the cluster, for one that is not named */

/* ---- in and out ---- */

static void retry_later(struct client *c, struct client_op *op)
{
    op->attempt_count++;
    op->retry_ns = c->now_ns + client_backoff_ns(c, op->attempt_count);
    client_arm(c, &op->timer, CLIENT_TIMER_OP, MIN(op->retry_ns, op->deadline_ns));
    c->ops_dirty = true;
}

void client_op_end(struct client *c, struct client_op *op, enum client_outcome outcome,
                   int16_t code, enum err err)
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
           op->kind == CLIENT_TRIM || op->kind == CLIENT_ELECT || op->kind == CLIENT_UNREGISTER ||
           op->kind == CLIENT_UPDATE_FEATURES;
}

/* Over without an answer; only a change leaves a doubt. */
static void end_unanswered(struct client *c, struct client_op *op, enum err err)
{
    bool doubt = changes(op) && (op->maybe_done || op->call != NULL);
    client_op_end(c, op, doubt ? CLIENT_UNKNOWN : CLIENT_FAILED, op->code, err);
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

bool client_op_refused(struct client *c, struct client_op *op, int16_t code)
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
        client_op_end(c, op, op->maybe_done && changes(op) ? CLIENT_UNKNOWN : CLIENT_FAILED, code,
                      ERR_NONE);
    return true;
}

/* ---- offsets ---- */

/* The node that leads a partition, if it is known and there. */
static struct client_node *leader_node(struct client *c, struct client_op *op, const char *name,
                                       int32_t partition)
{
    struct client_topic *topic = client_topic_of(c, name);
    if (topic == NULL) {
        client_op_end(c, op, CLIENT_FAILED, 0, ERR_NOMEM);
        return NULL;
    }
    if (topic->partition_count == 0 && topic->code != 0) {
        op->code = topic->code;
        if (!client_code_retriable(topic->code))
            client_op_end(c, op, CLIENT_FAILED, topic->code, ERR_NONE);
        return NULL;
    }
    struct client_node *node = client_leader(c, topic, partition);
    return node != NULL && client_lane_ready(c, node, CLIENT_LANE_MAIN) ? node : NULL;
}

/* Both ask the leader of one partition. */
static struct client_node *partition_node(struct client *c, struct client_op *op)
{
    struct client_offsets *offsets = CONTAINER_OF(op, struct client_offsets, op);
    const struct client_trim *trim = CONTAINER_OF(op, struct client_trim, op);
    bool trims = op->kind == CLIENT_TRIM;
    if (!trims)
        client_topic_id(c, offsets->topic, offsets->topic_id);
    return leader_node(c, op, trims ? trim->topic : offsets->topic,
                       trims ? trim->partition : offsets->partition);
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
    if (client_op_refused(c, op, in->error_code))
        return ERR_NONE;
    offsets->offset = in->offset;
    offsets->offset_timestamp_ms = in->timestamp;
    offsets->leader_epoch = in->leader_epoch;
    client_op_end(c, op, CLIENT_OK, 0, ERR_NONE);
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

static bool copy_ids(struct arena *arena, const int32_t *ids, int32_t count, struct client_ids *out)
{
    size_t size = (size_t)MAX(count, 0) * sizeof *ids;
    int32_t *copy = arena_alloc(arena, size);
    if (copy == NULL)
        return false;
    if (size > 0)
        memcpy(copy, ids, size);
    *out = (struct client_ids){.ids = copy, .count = MAX(count, 0)};
    return true;
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
        struct client_partition_info *to = &out->partitions[i];
        *to = (struct client_partition_info){.id = p->partition_index,
                                             .leader = p->leader_id,
                                             .leader_epoch = p->leader_epoch,
                                             .code = p->error_code};
        if (!copy_ids(arena, p->replica_nodes, p->replica_nodes_count, &to->replicas) ||
            !copy_ids(arena, p->isr_nodes, p->isr_nodes_count, &to->isr) ||
            !copy_ids(arena, p->offline_replicas, p->offline_replicas_count, &to->offline))
            return ERR_NOMEM;
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
    if (client_op_refused(c, op, response.error_code))
        return ERR_NONE;
    e = copy_topics(c, topics, &response);
    if (e == ERR_NONE)
        client_op_end(c, op, CLIENT_OK, 0, ERR_NONE);
    return e;
}

/* ---- the partitions of one topic ---- */

static enum err ask_partitions(struct client *c, const struct client_op *op,
                               struct client_call *call)
{
    const struct client_topics *topics = CONTAINER_OF(op, struct client_topics, op);
    struct wire_describe_topic_partitions_request_topic one = {.name = wire_text(topics->topic)};
    struct wire_describe_topic_partitions_request request;
    wire_defaults(&wire_describe_topic_partitions_request_message, &request);
    request.topics = &one;
    request.topics_count = 1;
    return client_call_send(c, call, &request);
}

static bool copy_partition(struct arena *arena,
                           const struct wire_describe_topic_partitions_response_partition *in,
                           struct client_partition_info *out)
{
    *out = (struct client_partition_info){.id = in->partition_index,
                                          .leader = in->leader_id,
                                          .leader_epoch = in->leader_epoch,
                                          .code = in->error_code};
    return copy_ids(arena, in->replica_nodes, in->replica_nodes_count, &out->replicas) &&
           copy_ids(arena, in->isr_nodes, in->isr_nodes_count, &out->isr) &&
           copy_ids(arena, in->offline_replicas, in->offline_replicas_count, &out->offline) &&
           copy_ids(arena, in->eligible_leader_replicas, in->eligible_leader_replicas_count,
                    &out->elr);
}

static enum err partitions_answer(struct client *c, struct client_op *op, struct client_call *call,
                                  struct bytes body)
{
    struct client_topics *out = CONTAINER_OF(op, struct client_topics, op);
    struct wire_describe_topic_partitions_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (response.topics_count != 1)
        return ERR_CORRUPT;
    const struct wire_describe_topic_partitions_response_topic *in = &response.topics[0];
    if (client_op_refused(c, op, in->error_code))
        return ERR_NONE;
    size_t count = (size_t)MAX(in->partitions_count, 0);
    arena_init(&out->arena, c->mem, CLIENT_ARENA_MAX);
    out->topics = arena_alloc(&out->arena, sizeof *out->topics);
    if (out->topics != NULL)
        out->topics->partitions = arena_alloc(&out->arena, count * sizeof *out->topics->partitions);
    bool good = out->topics != NULL && out->topics->partitions != NULL;
    for (size_t i = 0; i < count && good; i++)
        good = copy_partition(&out->arena, &in->partitions[i],
                              &out->topics->partitions[out->topics->partition_count++]);
    out->topic_count = good;
    if (!good) {
        client_topics_free(out);
        return ERR_NOMEM;
    }
    client_op_end(c, op, CLIENT_OK, 0, ERR_NONE);
    return ERR_NONE;
}

/* ---- creations ---- */

/* The controller when it is known; any broker else, which passes it on or says who is. */
static struct client_node *controller_node(struct client *c)
{
    int32_t id = c->metadata.controller;
    struct client_node *node = id < 0 ? NULL : client_node_find(c, id);
    if (node == NULL)
        return client_any_node(c);
    return client_lane_ready(c, node, CLIENT_LANE_MAIN) ? node : NULL;
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
    /* It is there, and an earlier attempt of ours whose answer was lost may have made it. */
    bool ours = in->error_code == WIRE_ERROR_TOPIC_ALREADY_EXISTS && op->maybe_done;
    if (!ours && client_op_refused(c, op, in->error_code))
        return ERR_NONE;
    client_op_end(c, op, CLIENT_OK, in->error_code, ERR_NONE);
    return ERR_NONE;
}

/* ---- records that are not wanted any more ---- */

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
    if (client_op_refused(c, op, in->error_code))
        return ERR_NONE;
    trim->log_start = in->low_watermark;
    client_op_end(c, op, CLIENT_OK, 0, ERR_NONE);
    return ERR_NONE;
}

/* ---- all of them ---- */

/* What an operation of each kind asks, and what it makes of the answer. */
static const struct {
    int16_t api;
    client_ask *ask;
    client_op_answered *answer;
} kinds[] = {
    [CLIENT_OFFSETS] = {2, ask_offsets, offsets_answer},
    [CLIENT_TOPICS] = {3, ask_topics, topics_answer},
    [CLIENT_CREATE_TOPIC] = {19, ask_creation, creation_answer},
    [CLIENT_CONFIGS] = {32, client_ask_configs, client_configs_answer},
    [CLIENT_DELETE_TOPIC] = {20, client_ask_deletion, client_deletion_answer},
    [CLIENT_ADD_PARTITIONS] = {37, client_ask_partitions, client_partitions_answer},
    [CLIENT_ALTER_CONFIGS] = {44, client_ask_alteration, client_alteration_answer},
    [CLIENT_CLUSTER] = {60, client_ask_cluster, client_cluster_answer},
    [CLIENT_QUORUM] = {55, client_ask_quorum, client_quorum_answer},
    [CLIENT_DIRS] = {35, client_ask_dirs, client_dirs_answer},
    [CLIENT_TRIM] = {21, ask_trim, trim_answer},
    [CLIENT_PARTITIONS] = {75, ask_partitions, partitions_answer},
    [CLIENT_ELECT] = {43, client_ask_election, client_election_answer},
    [CLIENT_UNREGISTER] = {64, client_ask_unregistration, client_unregistration_answer},
    [CLIENT_FEATURES] = {18, client_ask_features, client_features_answer},
    [CLIENT_UPDATE_FEATURES] = {57, client_ask_features_update, client_features_update_answer},
};

/* What is set for one broker is that broker's to say and to check, so it is found and asked itself.
 * It may have come since the nodes were told last; who is not there after that is in no cluster, or
 * is down. */
static struct client_node *broker_node(struct client *c, struct client_op *op, const char *name)
{
    int64_t id;
    struct client_node *node = NULL;
    if (text_parse_int(bytes_text(name), &id) != ERR_NONE || id < 0 || id > INT32_MAX)
        return client_any_node(c); /* any broker says what is wrong with that */
    node = client_node_find(c, (int32_t)id);
    if (node != NULL)
        return client_lane_ready(c, node, CLIENT_LANE_MAIN) ? node : NULL;
    if (c->metadata.nodes_known && op->attempt_count == BROKER_SOUGHT_MAX) {
        client_op_end(c, op, CLIENT_FAILED, WIRE_ERROR_BROKER_NOT_AVAILABLE, ERR_NONE);
        return NULL;
    }
    client_nodes_want(c);
    if (c->metadata.nodes_known)
        retry_later(c, op);
    return NULL;
}

static struct client_node *node_of(struct client *c, struct client_op *op)
{
    const char *broker = client_asks_controllers(c) ? NULL : client_op_broker(op);
    if (broker != NULL)
        return broker_node(c, op, broker);
    switch (op->kind) {
    case CLIENT_OFFSETS:
    case CLIENT_TRIM:
        return partition_node(c, op);
    case CLIENT_TOPICS:
    case CLIENT_CONFIGS:
    case CLIENT_CLUSTER:
    case CLIENT_DIRS:
    case CLIENT_PARTITIONS:
    case CLIENT_FEATURES:
        return client_any_node(c);
    case CLIENT_QUORUM: /* a broker passes it on, a controller that does not lead refuses it */
        return client_asks_controllers(c) ? controller_node(c) : client_any_node(c);
    case CLIENT_CREATE_TOPIC:
    case CLIENT_DELETE_TOPIC:
    case CLIENT_ADD_PARTITIONS:
    case CLIENT_ALTER_CONFIGS:
    case CLIENT_ELECT:
    case CLIENT_UNREGISTER:
    case CLIENT_UPDATE_FEATURES:
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
            client_op_end(c, op, CLIENT_FAILED, WIRE_ERROR_UNSUPPORTED_VERSION, e);
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
