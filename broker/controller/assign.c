/* assign.c - where partitions are: a partition is created in no log directory, and once its own has
 * been made there durably, that is written down. So a directory that is missing tells whether it
 * was ever there: whoever dies in between makes it again, and whoever has written it down never
 * does. Nothing is acknowledged in a partition before its place is durable. */
#include "controller/internal.h"

void controller_assign_directories_init(struct controller_assign_directories *c)
{
    *c = (struct controller_assign_directories){.command.verb = CONTROLLER_ASSIGN_DIRECTORIES};
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

/* Of a topic that is gone, or of which that broker has no replica any more: nothing. */
static enum err judge_place(const struct controller_view *view,
                            const struct controller_assign_directories *c,
                            const struct controller_place *place, struct arena *arena,
                            struct metadata_batch *batch)
{
    const struct metadata_topic *topic = metadata_find_id(view->image, &place->topic_id);
    if (topic == NULL || place->partition < 0 || place->partition >= topic->partition_count)
        return ERR_NONE;
    const struct metadata_partition *p = metadata_partition(topic, place->partition);
    if (!controller_contains(metadata_ids(p, METADATA_REPLICAS), c->broker_id))
        return ERR_NONE;
    return add_place(c, place, p, arena, batch);
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
    arena_init(&arena, view->mem, CONTROLLER_CHANGE_ARENA_BYTES);
    for (int32_t i = 0; i < c->count && e == ERR_NONE; i++) {
        e = judge_place(view, c, &c->places[i], &arena, batch);
        arena_reset(&arena);
    }
    arena_free(&arena);
    if (e != ERR_NONE)
        command->code = WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    command->rests_on_image = true;
}

const struct verb controller_verb_assign_directories = {.decide = decide};
