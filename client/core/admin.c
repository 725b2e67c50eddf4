/* admin.c - what administrators ask for and change: settings, topics that are there, the cluster
 * and its disks. Each operation's request and its answer; who is asked and how often is in ops.c.
 */
#include "client/core/internal.h"

/* ---- the settings of a topic ---- */

/* ConfigResource.Type */
static const int8_t resource_types[] = {[CLIENT_RESOURCE_TOPIC] = 2, [CLIENT_RESOURCE_BROKER] = 4};

const char *client_op_broker(const struct client_op *op)
{
    const struct client_configs *asked = CONTAINER_OF(op, struct client_configs, op);
    const struct client_change_topic *change = CONTAINER_OF(op, struct client_change_topic, op);
    bool asks = op->kind == CLIENT_CONFIGS && asked->resource == CLIENT_RESOURCE_BROKER;
    bool changes = op->kind == CLIENT_ALTER_CONFIGS && change->resource == CLIENT_RESOURCE_BROKER;
    const char *name = asks ? asked->topic : changes ? change->topic : "";
    return name[0] == 0 ? NULL : name;
}

void client_take_message(char message[ERRMSG_SIZE], struct wire_string text)
{
    int32_t size = MAX(0, MIN(text.size, ERRMSG_SIZE - 1));
    if (size > 0)
        memcpy(message, text.data, (size_t)size);
    message[size] = 0;
}

enum err client_ask_configs(struct client *c, const struct client_op *op, struct client_call *call)
{
    const struct client_configs *configs = CONTAINER_OF(op, struct client_configs, op);
    struct wire_describe_configs_request_resource resource = {
        .resource_type = resource_types[configs->resource],
        .resource_name = wire_text(configs->topic),
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
        bool hidden = from->value.size < 0 || from->is_sensitive;
        bool known = from->config_source > 0 && from->config_source < CLIENT_SOURCE_COUNT;
        to->value = hidden ? NULL : keep_text(&out->arena, from->value);
        to->source = known ? (enum client_source)from->config_source : CLIENT_SOURCE_UNKNOWN;
        to->read_only = from->read_only;
        to->is_sensitive = from->is_sensitive;
        good = to->key != NULL && (hidden || to->value != NULL);
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

enum err client_configs_answer(struct client *c, struct client_op *op, struct client_call *call,
                               struct bytes body)
{
    struct client_configs *configs = CONTAINER_OF(op, struct client_configs, op);
    struct wire_describe_configs_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (response.results_count != 1)
        return ERR_CORRUPT;
    client_take_message(configs->message, response.results[0].error_message);
    if (client_op_refused(c, op, response.results[0].error_code))
        return ERR_NONE;
    e = copy_configs(c, configs, &response.results[0]);
    if (e == ERR_NONE)
        client_op_end(c, op, CLIENT_OK, 0, ERR_NONE);
    return e;
}

/* ---- changes of a topic that is there ---- */

/* That there is no such topic is final; it may be gone by an attempt whose answer was lost. */
static void settle_change(struct client *c, struct client_op *op, int16_t code,
                          struct wire_string message)
{
    client_take_message(CONTAINER_OF(op, struct client_change_topic, op)->message, message);
    bool missing = code == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    if (missing && op->kind == CLIENT_DELETE_TOPIC && op->maybe_done)
        client_op_end(c, op, CLIENT_OK, code, ERR_NONE);
    else if (missing)
        client_op_end(c, op, CLIENT_FAILED, code, ERR_NONE);
    else if (!client_op_refused(c, op, code))
        client_op_end(c, op, CLIENT_OK, code, ERR_NONE);
}

enum err client_ask_deletion(struct client *c, const struct client_op *op, struct client_call *call)
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

enum err client_deletion_answer(struct client *c, struct client_op *op, struct client_call *call,
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

enum err client_ask_partitions(struct client *c, const struct client_op *op,
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

enum err client_partitions_answer(struct client *c, struct client_op *op, struct client_call *call,
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

enum err client_ask_alteration(struct client *c, const struct client_op *op,
                               struct client_call *call)
{
    const struct client_change_topic *change = CONTAINER_OF(op, struct client_change_topic, op);
    struct wire_incremental_alter_configs_request_resource resource = {
        .resource_type = resource_types[change->resource],
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
    request.validate_only = change->validate_only;
    return client_call_send(c, call, &request);
}

enum err client_alteration_answer(struct client *c, struct client_op *op, struct client_call *call,
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

/* ---- the cluster ---- */

enum err client_ask_cluster(struct client *c, const struct client_op *op, struct client_call *call)
{
    struct wire_describe_cluster_request request;
    (void)op;
    wire_defaults(&wire_describe_cluster_request_message, &request);
    request.include_fenced_brokers = call->request.api_version >= 2;
    if (client_asks_controllers(c))
        request.endpoint_type = CLIENT_ENDPOINT_CONTROLLER;
    return client_call_send(c, call, &request);
}

static void copy_text(char *to, int32_t room, struct wire_string from)
{
    int32_t size = MAX(0, MIN(from.size, room - 1));
    if (size > 0)
        memcpy(to, from.data, (size_t)size);
    to[size] = 0;
}

enum err client_cluster_answer(struct client *c, struct client_op *op, struct client_call *call,
                               struct bytes body)
{
    struct client_cluster *cluster = CONTAINER_OF(op, struct client_cluster, op);
    struct wire_describe_cluster_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (client_op_refused(c, op, response.error_code))
        return ERR_NONE;
    copy_text(cluster->id, sizeof cluster->id, response.cluster_id);
    cluster->controller = response.controller_id;
    cluster->broker_count = MAX(response.brokers_count, 0);
    for (int32_t i = 0; i < MIN(cluster->broker_count, CLIENT_BROKERS_MAX); i++) {
        const struct wire_describe_cluster_response_broker *from = &response.brokers[i];
        struct client_broker_info *to = &cluster->brokers[i];
        *to = (struct client_broker_info){
            .id = from->broker_id, .port = from->port, .fenced = from->is_fenced};
        copy_text(to->host, sizeof to->host, from->host);
    }
    client_op_end(c, op, CLIENT_OK, 0, ERR_NONE);
    return ERR_NONE;
}

enum err client_ask_quorum(struct client *c, const struct client_op *op, struct client_call *call)
{
    struct wire_describe_quorum_request_partition partition = {.partition_index = 0};
    struct wire_describe_quorum_request_topic topic = {.topic_name =
                                                           wire_text("__cluster_metadata"),
                                                       .partitions = &partition,
                                                       .partitions_count = 1};
    struct wire_describe_quorum_request request = {.topics = &topic, .topics_count = 1};
    (void)op;
    return client_call_send(c, call, &request);
}

static void copy_replicas(struct client_quorum *quorum, int32_t at,
                          const struct wire_describe_quorum_response_replica *in, int32_t count)
{
    for (int32_t i = 0; i < count && at + i < CLIENT_REPLICAS_MAX; i++) {
        struct client_replica_info *to = &quorum->replicas[at + i];
        *to = (struct client_replica_info){.id = in[i].replica_id,
                                           .end = in[i].log_end_offset,
                                           .fetched_ms = in[i].last_fetch_timestamp,
                                           .caught_up_ms = in[i].last_caught_up_timestamp};
        memcpy(to->directory, in[i].replica_directory_id.b, sizeof to->directory);
    }
}

static void copy_endpoint(struct client_quorum *quorum,
                          const struct wire_describe_quorum_response_node *in)
{
    if (in->listeners_count < 1)
        return;
    const struct wire_describe_quorum_response_listener *at = &in->listeners[0];
    if (at->name.size + at->host.size + 16 > CLIENT_ENDPOINT_MAX)
        return; /* no host is as long */
    for (int32_t i = 0; i < MIN(quorum->voter_count, CLIENT_REPLICAS_MAX); i++) {
        struct client_replica_info *voter = &quorum->replicas[i];
        if (voter->id == in->node_id)
            text_fit(voter->endpoint, sizeof voter->endpoint, "%.*s://%.*s:%d",
                     (int)MAX(at->name.size, 0), at->name.data, (int)MAX(at->host.size, 0),
                     at->host.data, (int)at->port);
    }
}

enum err client_quorum_answer(struct client *c, struct client_op *op, struct client_call *call,
                              struct bytes body)
{
    struct client_quorum *quorum = CONTAINER_OF(op, struct client_quorum, op);
    struct wire_describe_quorum_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (client_op_refused(c, op, response.error_code))
        return ERR_NONE;
    if (response.topics_count != 1 || response.topics[0].partitions_count != 1)
        return ERR_CORRUPT;
    const struct wire_describe_quorum_response_partition *in = &response.topics[0].partitions[0];
    if (client_op_refused(c, op, in->error_code))
        return ERR_NONE;
    quorum->leader = in->leader_id;
    quorum->leader_epoch = in->leader_epoch;
    quorum->voter_count = MAX(in->current_voters_count, 0);
    quorum->observer_count = MAX(in->observers_count, 0);
    quorum->high_watermark = in->high_watermark;
    copy_replicas(quorum, 0, in->current_voters, quorum->voter_count);
    copy_replicas(quorum, quorum->voter_count, in->observers, quorum->observer_count);
    for (int32_t i = 0; i < response.nodes_count; i++)
        copy_endpoint(quorum, &response.nodes[i]);
    client_op_end(c, op, CLIENT_OK, 0, ERR_NONE);
    return ERR_NONE;
}

enum err client_ask_dirs(struct client *c, const struct client_op *op, struct client_call *call)
{
    struct wire_describe_log_dirs_request request = {.topics_count = -1};
    (void)op;
    return client_call_send(c, call, &request);
}

static void add_dir(struct client_dirs *dirs,
                    const struct wire_describe_log_dirs_response_result *in)
{
    dirs->dir_count++;
    dirs->offline_count += in->error_code != WIRE_ERROR_NONE;
    for (int32_t t = 0; t < in->topics_count; t++) {
        const struct wire_describe_log_dirs_response_topic *topic = &in->topics[t];
        for (int32_t p = 0; p < topic->partitions_count; p++) {
            dirs->partition_count++;
            dirs->bytes += MAX(topic->partitions[p].partition_size, 0);
        }
    }
}

enum err client_dirs_answer(struct client *c, struct client_op *op, struct client_call *call,
                            struct bytes body)
{
    struct client_dirs *dirs = CONTAINER_OF(op, struct client_dirs, op);
    struct wire_describe_log_dirs_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (client_op_refused(c, op, response.error_code))
        return ERR_NONE;
    dirs->dir_count = dirs->offline_count = dirs->partition_count = 0;
    dirs->bytes = 0;
    for (int32_t i = 0; i < response.results_count; i++)
        add_dir(dirs, &response.results[i]);
    client_op_end(c, op, CLIENT_OK, 0, ERR_NONE);
    return ERR_NONE;
}

/* ---- leaders ---- */

enum err client_ask_election(struct client *c, const struct client_op *op, struct client_call *call)
{
    const struct client_elect *elect = CONTAINER_OF(op, struct client_elect, op);
    struct wire_elect_leaders_request_topic topic = {
        .topic = wire_text(elect->topic == NULL ? "" : elect->topic),
        .partitions = (int32_t *)elect->partitions,
        .partitions_count = elect->partition_count};
    struct wire_elect_leaders_request request;
    wire_defaults(&wire_elect_leaders_request_message, &request);
    request.topic_partitions = &topic;
    request.topic_partitions_count = elect->topic == NULL ? -1 : 1;
    request.election_type = elect->unclean ? 1 : 0;
    request.timeout_ms = (int32_t)c->config.request_timeout_ms;
    return client_call_send(c, call, &request);
}

static bool copy_elected(struct client_elect *out, const struct wire_elect_leaders_response *in)
{
    int32_t count = 0;
    for (int32_t i = 0; i < in->replica_election_results_count; i++)
        count += MAX(in->replica_election_results[i].partition_result_count, 0);
    out->elected = arena_alloc(&out->arena, (size_t)count * sizeof *out->elected);
    for (int32_t i = 0; i < in->replica_election_results_count && out->elected != NULL; i++) {
        const struct wire_elect_leaders_response_result *topic = &in->replica_election_results[i];
        char *name = arena_alloc(&out->arena, CLIENT_TOPIC_NAME_MAX);
        if (name == NULL)
            return false;
        copy_text(name, CLIENT_TOPIC_NAME_MAX, topic->topic);
        for (int32_t k = 0; k < topic->partition_result_count; k++)
            out->elected[out->count++] =
                (struct client_elected){.topic = name,
                                        .partition = topic->partition_result[k].partition_id,
                                        .code = topic->partition_result[k].error_code};
    }
    return out->elected != NULL;
}

enum err client_election_answer(struct client *c, struct client_op *op, struct client_call *call,
                                struct bytes body)
{
    struct client_elect *elect = CONTAINER_OF(op, struct client_elect, op);
    struct wire_elect_leaders_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (client_op_refused(c, op, response.error_code))
        return ERR_NONE;
    elect->count = 0;
    arena_init(&elect->arena, c->mem, CLIENT_ARENA_MAX);
    if (!copy_elected(elect, &response)) {
        client_elect_free(elect);
        return ERR_NOMEM;
    }
    client_op_end(c, op, CLIENT_OK, 0, ERR_NONE);
    return ERR_NONE;
}

void client_elect_free(struct client_elect *op)
{
    if (op->arena.mem != NULL)
        arena_free(&op->arena);
    op->arena = (struct arena){0};
    op->elected = NULL;
    op->count = 0;
}

/* ---- a broker that will not come back ---- */

enum err client_ask_unregistration(struct client *c, const struct client_op *op,
                                   struct client_call *call)
{
    struct wire_unregister_broker_request request = {
        .broker_id = CONTAINER_OF(op, struct client_unregister, op)->broker_id};
    return client_call_send(c, call, &request);
}

enum err client_unregistration_answer(struct client *c, struct client_op *op,
                                      struct client_call *call, struct bytes body)
{
    struct client_unregister *u = CONTAINER_OF(op, struct client_unregister, op);
    struct wire_unregister_broker_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    copy_text(u->message, sizeof u->message, response.error_message);
    /* Nobody is registered by that id, and an earlier attempt of ours may have seen to that. */
    bool ours = response.error_code == WIRE_ERROR_BROKER_ID_NOT_REGISTERED && op->maybe_done;
    if (ours || !client_op_refused(c, op, response.error_code))
        client_op_end(c, op, CLIENT_OK, response.error_code, ERR_NONE);
    return ERR_NONE;
}
