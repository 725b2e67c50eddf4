/* assign.c - where partitions are: a partition is created in no log directory, and once its own has
 * been made there durably, that is written down. So a directory that is missing tells whether it
 * was ever there: whoever dies in between makes it again, and whoever has written it down never
 * does. Nothing is acknowledged in a partition before its place is durable. */
#include "controller/internal.h"

void controller_assign_directories_init(struct controller_assign_directories *c)
{
    *c = (struct controller_assign_directories){.command.verb = CONTROLLER_ASSIGN_DIRECTORIES,
                                                .broker_epoch = CONTROLLER_NO_EPOCH};
}

/* The record names the directories of all replicas; those of the others stay. */
static enum err add_place(const struct controller_assign_directories *c,
                          const struct controller_place *place, const struct metadata_partition *p,
                          struct arena *arena, struct metadata_batch *batch)
{
    struct metadata_ids replicas = metadata_ids(p, METADATA_REPLICAS);
    struct wire_uuid *ids = arena_alloc(arena, (size_t)replicas.count * sizeof *ids);
    struct wire_partition_change_record record;
    if (ids == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < replicas.count; i++)
        ids[i] =
            replicas.ids[i] == c->broker_id ? c->directory : metadata_directory(p, replicas.ids[i]);
    wire_defaults(&wire_partition_change_record_message, &record);
    record.partition_id = place->partition;
    record.topic_id = place->topic_id;
    record.leader = METADATA_SAME_LEADER;
    record.directories = ids;
    record.directories_count = replicas.count;
    return metadata_batch_add(batch, &wire_partition_change_record_message,
                              PARTITION_CHANGE_VERSION, &record);
}

/* ReplicationControlManager.handleAssignReplicasToDirs. */
static int16_t check_place(const struct controller_view *view, int32_t broker_id,
                           const struct controller_place *place,
                           const struct metadata_partition **out)
{
    const struct metadata_topic *topic = metadata_find_id(view->image, &place->topic_id);
    if (topic == NULL)
        return WIRE_ERROR_UNKNOWN_TOPIC_ID;
    if (place->partition < 0 || place->partition >= topic->partition_count)
        return WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    *out = metadata_partition(topic, place->partition);
    return controller_contains(metadata_ids(*out, METADATA_REPLICAS), broker_id)
               ? WIRE_ERROR_NONE
               : WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
}

static enum err judge_place(const struct controller_view *view,
                            const struct controller_assign_directories *c, int32_t index,
                            struct arena *arena, struct metadata_batch *batch)
{
    const struct metadata_partition *p = NULL;
    int16_t code = check_place(view, c->broker_id, &c->places[index], &p);
    if (c->codes != NULL)
        c->codes[index] = code;
    return code == WIRE_ERROR_NONE ? add_place(c, &c->places[index], p, arena, batch) : ERR_NONE;
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_assign_directories *c =
        CONTAINER_OF(command, struct controller_assign_directories, command);
    enum err e = ERR_NONE;
    struct arena arena;
    ASSERT(c->count > 0);
    ASSERT(c->count <= METADATA_RECORDS_MAX);
    if (c->broker_epoch != CONTROLLER_NO_EPOCH)
        command->code = controller_check_epoch(view, c->broker_id, c->broker_epoch, &command->msg);
    if (command->code != WIRE_ERROR_NONE)
        return;
    arena_init(&arena, view->mem, CONTROLLER_CHANGE_ARENA_BYTES);
    for (int32_t i = 0; i < c->count && e == ERR_NONE; i++) {
        e = judge_place(view, c, i, &arena, batch);
        arena_reset(&arena);
    }
    arena_free(&arena);
    if (e != ERR_NONE)
        command->code = WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    command->rests_on_image = true;
}

const struct verb controller_verb_assign_directories = {.decide = decide};
