/* request.c - a command of the controller as Kafka's request. Pure. */
#include "orders/internal.h"

int16_t orders_api(enum controller_verb verb)
{
    switch ((int)verb) {
    case CONTROLLER_ALTER_PARTITION:
        return 56;
    case CONTROLLER_REGISTER_BROKER:
        return 62;
    case CONTROLLER_HEARTBEAT:
        return 63;
    case CONTROLLER_ALLOCATE_PRODUCER_IDS:
        return 67;
    case CONTROLLER_ASSIGN_DIRECTORIES:
        return 73;
    default:
        return -1;
    }
}

/* What a request is made with. */
struct making {
    int16_t version;
    struct arena *arena;
    struct wire_out *out;
};

static enum err encode(const struct making *m, enum controller_verb verb, const void *body)
{
    return wire_encode(wire_api(orders_api(verb))->request, m->version, body, m->out);
}

/* NULL: no memory; also of none. */
static void *make_array(const struct making *m, int32_t count, size_t size)
{
    return arena_alloc(m->arena, (size_t)MAX(count, 1) * size);
}

/* ---- registration and heartbeat ---- */

static enum err fill_lists(const struct making *m, const struct wire_register_broker_record *r,
                           struct wire_broker_registration_request *body)
{
    body->listeners = make_array(m, r->end_points_count, sizeof *body->listeners);
    body->features = make_array(m, r->features_count, sizeof *body->features);
    if (body->listeners == NULL || body->features == NULL)
        return ERR_NOMEM;
    body->listeners_count = r->end_points_count;
    for (int32_t i = 0; i < r->end_points_count; i++)
        body->listeners[i] = (struct wire_broker_registration_request_listener){
            .name = r->end_points[i].name,
            .host = r->end_points[i].host,
            .port = r->end_points[i].port,
            .security_protocol = r->end_points[i].security_protocol};
    body->features_count = r->features_count;
    for (int32_t i = 0; i < r->features_count; i++)
        body->features[i] = (struct wire_broker_registration_request_feature){
            .name = r->features[i].name,
            .min_supported_version = r->features[i].min_supported_version,
            .max_supported_version = r->features[i].max_supported_version};
    return ERR_NONE;
}

static enum err make_registration(const struct making *m, const struct controller_command *command,
                                  const char *cluster_id)
{
    const struct controller_register_broker *c =
        CONTAINER_OF(command, const struct controller_register_broker, command);
    const struct wire_register_broker_record *r = c->record;
    struct wire_broker_registration_request body;
    wire_defaults(&wire_broker_registration_request_message, &body);
    body.broker_id = r->broker_id;
    body.cluster_id = wire_text(cluster_id);
    body.incarnation_id = r->incarnation_id;
    body.rack = r->rack;
    body.log_dirs = r->log_dirs;
    body.log_dirs_count = r->log_dirs_count;
    body.previous_broker_epoch = c->previous_epoch;
    body.kept_broker_epoch = c->kept_epoch;
    enum err e = fill_lists(m, r, &body);
    return e == ERR_NONE ? encode(m, command->verb, &body) : e;
}

static enum err fill_reports(const struct making *m, const struct controller_heartbeat *c,
                             struct wire_broker_heartbeat_request *body)
{
    if (c->report_count == 0)
        return ERR_NONE;
    body->replicas = make_array(m, c->report_count, sizeof *body->replicas);
    if (body->replicas == NULL)
        return ERR_NOMEM;
    body->replicas_count = c->report_count;
    for (int32_t i = 0; i < c->report_count; i++)
        body->replicas[i] = (struct wire_broker_heartbeat_request_replica){
            .topic_id = c->reports[i].topic_id,
            .partition = c->reports[i].partition,
            .leader_epoch = c->reports[i].leader_epoch,
            .trouble = (int8_t)c->reports[i].trouble};
    return ERR_NONE;
}

static enum err make_heartbeat(const struct making *m, const struct controller_command *command)
{
    const struct controller_heartbeat *c =
        CONTAINER_OF(command, const struct controller_heartbeat, command);
    struct wire_broker_heartbeat_request body;
    wire_defaults(&wire_broker_heartbeat_request_message, &body);
    body.broker_id = c->broker_id;
    body.broker_epoch = c->broker_epoch;
    body.current_metadata_offset = c->metadata_offset;
    body.want_fence = c->want_fence;
    body.want_shut_down = c->want_shutdown;
    body.is_full = c->is_full;
    enum err e = fill_reports(m, c, &body);
    return e == ERR_NONE ? encode(m, command->verb, &body) : e;
}

/* ---- who is in sync ---- */

/* Before version 3 without their epochs (KIP-903). */
static enum err fill_isr(const struct making *m, const struct controller_altered_partition *a,
                         struct wire_alter_partition_request_partition *out)
{
    bool epochs = m->version >= 3;
    if (epochs) {
        out->new_isr_with_epochs = make_array(m, a->isr_count, sizeof *out->new_isr_with_epochs);
        out->new_isr_with_epochs_count = a->isr_count;
    } else {
        out->new_isr = make_array(m, a->isr_count, sizeof *out->new_isr);
        out->new_isr_count = a->isr_count;
    }
    if (epochs ? out->new_isr_with_epochs == NULL : out->new_isr == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < a->isr_count; i++) {
        if (epochs)
            out->new_isr_with_epochs[i] = (struct wire_alter_partition_request_member){
                .broker_id = a->isr[i].broker_id, .broker_epoch = a->isr[i].broker_epoch};
        else
            out->new_isr[i] = a->isr[i].broker_id;
    }
    return ERR_NONE;
}

static enum err fill_partition(const struct making *m, const struct controller_altered_partition *a,
                               struct wire_alter_partition_request_partition *out)
{
    wire_alter_partition_request_partition_defaults(out);
    out->partition_index = a->partition;
    out->leader_epoch = a->leader_epoch;
    out->partition_epoch = a->partition_epoch;
    out->leader_recovery_state = a->leader_recovery_state;
    return fill_isr(m, a, out);
}

/* Partitions of one topic that stand together are said together. */
static enum err make_alter_partition(const struct making *m,
                                     const struct controller_command *command)
{
    const struct controller_alter_partition *c =
        CONTAINER_OF(command, const struct controller_alter_partition, command);
    struct wire_alter_partition_request body;
    wire_defaults(&wire_alter_partition_request_message, &body);
    body.broker_id = c->broker_id;
    body.broker_epoch = c->broker_epoch;
    body.topics = make_array(m, c->count, sizeof *body.topics);
    struct wire_alter_partition_request_partition *rows = make_array(m, c->count, sizeof *rows);
    if (body.topics == NULL || rows == NULL)
        return ERR_NOMEM;
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < c->count && e == ERR_NONE; i++) {
        const struct controller_altered_partition *a = &c->altered[i];
        if (i == 0 || !wire_uuid_equal(&a->topic_id, &c->altered[i - 1].topic_id))
            body.topics[body.topics_count++] = (struct wire_alter_partition_request_topic){
                .topic_id = a->topic_id, .partitions = &rows[i]};
        body.topics[body.topics_count - 1].partitions_count++;
        e = fill_partition(m, a, &rows[i]);
    }
    return e == ERR_NONE ? encode(m, command->verb, &body) : e;
}

/* ---- producer ids and directories ---- */

static enum err make_allocation(const struct making *m, const struct controller_command *command)
{
    const struct controller_allocate_producer_ids *c =
        CONTAINER_OF(command, const struct controller_allocate_producer_ids, command);
    struct wire_allocate_producer_ids_request body;
    wire_defaults(&wire_allocate_producer_ids_request_message, &body);
    body.broker_id = c->broker_id;
    body.broker_epoch = c->broker_epoch;
    return encode(m, command->verb, &body);
}

static enum err make_assignment(const struct making *m, const struct controller_command *command)
{
    const struct controller_assign_directories *c =
        CONTAINER_OF(command, const struct controller_assign_directories, command);
    struct wire_assign_replicas_to_dirs_request_directory directory = {
        .id = c->directory, .topics = make_array(m, c->count, sizeof *directory.topics)};
    struct wire_assign_replicas_to_dirs_request body;
    wire_defaults(&wire_assign_replicas_to_dirs_request_message, &body);
    body.broker_id = c->broker_id;
    body.broker_epoch = c->broker_epoch;
    body.directories = &directory;
    body.directories_count = 1;
    struct wire_assign_replicas_to_dirs_request_partition *rows =
        make_array(m, c->count, sizeof *rows);
    if (directory.topics == NULL || rows == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < c->count; i++) {
        const struct controller_place *place = &c->places[i];
        if (i == 0 || !wire_uuid_equal(&place->topic_id, &c->places[i - 1].topic_id))
            directory.topics[directory.topics_count++] =
                (struct wire_assign_replicas_to_dirs_request_topic){.topic_id = place->topic_id,
                                                                    .partitions = &rows[i]};
        directory.topics[directory.topics_count - 1].partitions_count++;
        rows[i].partition_index = place->partition;
    }
    return encode(m, command->verb, &body);
}

/* ---- all of them ---- */

static enum err make(const struct making *m, const struct controller_command *command,
                     const char *cluster_id)
{
    switch ((int)command->verb) {
    case CONTROLLER_REGISTER_BROKER:
        return make_registration(m, command, cluster_id);
    case CONTROLLER_HEARTBEAT:
        return make_heartbeat(m, command);
    case CONTROLLER_ALTER_PARTITION:
        return make_alter_partition(m, command);
    case CONTROLLER_ALLOCATE_PRODUCER_IDS:
        return make_allocation(m, command);
    case CONTROLLER_ASSIGN_DIRECTORIES:
        return make_assignment(m, command);
    default:
        UNREACHABLE();
    }
}

enum err orders_request(const struct controller_command *command, const char *cluster_id,
                        struct mem *mem, int16_t version, struct wire_out *out)
{
    struct arena arena;
    arena_init(&arena, mem, ORDERS_ARENA_BYTES);
    struct making m = {.version = version, .arena = &arena, .out = out};
    enum err e = make(&m, command, cluster_id);
    arena_free(&arena);
    return e;
}
