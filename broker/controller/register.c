/* register.c - what a node that comes up writes first: on an empty log the feature levels, its own
 * registration, and, when it may have lost what it had shown, a leader epoch for each partition.
 * Pure. */
#include "controller/internal.h"

#define NEW_LEADER_BYTES 40 /* of a record, and no more */

void controller_register_init(struct controller_register *c)
{
    *c = (struct controller_register){.command.verb = CONTROLLER_REGISTER};
}

static enum err add_feature_levels(struct metadata_batch *batch)
{
    struct wire_feature_level_record level = {.name = wire_text(METADATA_FEATURE_VERSION),
                                              .feature_level = METADATA_VERSION};
    return metadata_batch_add(batch, &wire_feature_level_record_message, 0, &level);
}

/* A cluster of several begins with eligible leader replicas, as Kafka's do since 4.1. Who is alone
 * has nobody else to elect. */
static enum err add_cluster_levels(struct metadata_batch *batch)
{
    struct wire_feature_level_record level = {.name = wire_text(METADATA_FEATURE_ELR),
                                              .feature_level = 1};
    enum err e = add_feature_levels(batch);
    return e == ERR_NONE ? metadata_batch_add(batch, &wire_feature_level_record_message, 0, &level)
                         : e;
}

/* Registered fenced, then unfenced, as a controller does once a broker has caught up (B-3); its
 * epoch is the offset of its registration (B-1). */
static enum err add_registration(const struct controller_view *view,
                                 const struct controller_register *c, struct metadata_batch *batch)
{
    struct wire_uuid directory = c->directory;
    struct wire_register_broker_record_endpoint endpoint = {
        .name = wire_text("PLAINTEXT"), .host = wire_text(c->host), .port = c->port};
    struct wire_register_broker_record_feature feature = {
        .name = wire_text("metadata.version"),
        .min_supported_version = METADATA_VERSION_OLDEST,
        .max_supported_version = METADATA_VERSION};
    struct wire_register_broker_record record;
    wire_defaults(&wire_register_broker_record_message, &record);
    record.broker_id = view->settings->node_id;
    record.incarnation_id =
        controller_draw_uuid(view->chance, "metadata/incarnation", (uint64_t)batch->leader_epoch);
    record.broker_epoch = batch->offset + metadata_batch_count(batch);
    record.end_points_count = 1;
    record.end_points = &endpoint;
    record.features_count = 1;
    record.features = &feature;
    record.rack = WIRE_NULL_STRING;
    record.fenced = true;
    record.log_dirs_count = 1;
    record.log_dirs = &directory;
    enum err e =
        metadata_batch_add(batch, &wire_register_broker_record_message, REGISTER_VERSION, &record);
    if (e != ERR_NONE)
        return e;
    return controller_add_registration_change(batch, record.broker_id, record.broker_epoch,
                                              CONTROLLER_UNFENCES, 0);
}

static enum err add_new_leader(const struct controller_view *view, struct metadata_batch *batch,
                               const struct metadata_topic *topic, int32_t partition)
{
    struct wire_partition_change_record record;
    wire_defaults(&wire_partition_change_record_message, &record);
    record.partition_id = partition;
    record.topic_id = topic->id;
    record.leader = view->settings->node_id;
    return controller_add(batch, &wire_partition_change_record_message, PARTITION_CHANGE_VERSION,
                          &record);
}

/* What the cluster has no default of yet gets the one of the file of the broker that makes it. */
static enum err add_cluster_defaults(const struct controller_view *view,
                                     struct metadata_batch *batch)
{
    enum err e = ERR_NONE;
    for (int i = 0; i < metadata_broker_key_count && e == ERR_NONE; i++) {
        const struct metadata_broker_key *key = &metadata_broker_keys[i];
        struct bytes name = bytes_text(key->key.name);
        struct text value;
        if (key->scope != METADATA_OF_CLUSTER ||
            metadata_find_config(view->image, METADATA_RESOURCE_BROKER, bytes_text(""), name)
                    .size >= 0)
            continue;
        text_init(&value, view->mem);
        metadata_config_print(&key->key, &view->settings->file, &value);
        struct wire_config_record record = {
            .resource_type = METADATA_RESOURCE_BROKER,
            .resource_name = wire_text(""),
            .name = wire_text(key->key.name),
            .value = {.data = value.data, .size = (int32_t)value.size}};
        e = value.failed ? ERR_NOMEM
                         : metadata_batch_add(batch, &wire_config_record_message, 0, &record);
        text_free(&value);
    }
    return e;
}

/* A new leader epoch for every partition, or for none. */
static enum err add_new_leaders(const struct controller_view *view, struct metadata_batch *batch)
{
    const struct metadata_image *image = view->image;
    enum err e = controller_expect(batch, image->partition_count,
                                   image->partition_count * NEW_LEADER_BYTES, "new leader epochs");
    for (int32_t i = 0; i < image->topic_count && e == ERR_NONE; i++) {
        const struct metadata_topic *topic = metadata_topic_at(image, i);
        for (int32_t p = 0; p < topic->partition_count && e == ERR_NONE; p++) {
            e = add_new_leader(view, batch, topic, p);
        }
    }
    return e == ERR_NONE ? controller_end(batch) : e;
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_register *c = CONTAINER_OF(command, struct controller_register, command);
    enum err e = ERR_NONE;
    if (view->image->metadata_version == 0)
        e = add_feature_levels(batch);
    if (e == ERR_NONE)
        e = add_registration(view, c, batch);
    if (e == ERR_NONE)
        e = add_cluster_defaults(view, batch);
    if (e == ERR_NONE && c->bump_leaders)
        e = add_new_leaders(view, batch);
    command->code = controller_code_of(e);
}

const struct verb controller_verb_register = {.decide = decide};

/* ---- the same without a broker ---- */

static void decide_bootstrap(const struct controller_view *view, struct controller_command *command,
                             struct metadata_batch *batch)
{
    enum err e = ERR_NONE;
    if (view->image->metadata_version == 0)
        e = add_cluster_levels(batch);
    if (e == ERR_NONE)
        e = add_cluster_defaults(view, batch);
    command->code = controller_code_of(e);
}

void controller_bootstrap_init(struct controller_bootstrap *c)
{
    *c = (struct controller_bootstrap){.command.verb = CONTROLLER_BOOTSTRAP};
}

const struct verb controller_verb_bootstrap = {.decide = decide_bootstrap};
