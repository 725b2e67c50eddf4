/* assign.c - where partitions are: a partition is created in no log directory, and once its own has
 * been made there durably, that is written down. So a directory that is missing tells whether it
 * was ever there: whoever dies in between makes it again, and whoever has written it down never
 * does. Nothing is acknowledged in a partition before its place is durable. */
#include "controller/internal.h"

void controller_assign_directories_init(struct controller_assign_directories *c)
{
    *c = (struct controller_assign_directories){.command.verb = CONTROLLER_ASSIGN_DIRECTORIES};
}

static enum err add_place(struct metadata_batch *batch, const struct controller_place *place,
                          const struct wire_uuid *directory)
{
    struct wire_uuid id = *directory;
    struct wire_partition_change_record record;
    wire_defaults(&wire_partition_change_record_message, &record);
    record.partition_id = place->partition;
    record.topic_id = place->topic_id;
    record.leader = METADATA_SAME_LEADER;
    record.directories = &id;
    record.directories_count = 1;
    return metadata_batch_add(batch, &wire_partition_change_record_message,
                              PARTITION_CHANGE_VERSION, &record);
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_assign_directories *c =
        CONTAINER_OF(command, struct controller_assign_directories, command);
    enum err e = ERR_NONE;
    ASSERT(c->count > 0);
    ASSERT(c->count <= METADATA_RECORDS_MAX);
    for (int32_t i = 0; i < c->count && e == ERR_NONE; i++) {
        if (metadata_find_id(view->image, &c->places[i].topic_id) != NULL)
            e = add_place(batch, &c->places[i], &c->directory);
    }
    if (e != ERR_NONE)
        command->code = WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    command->rests_on_image = true;
}

const struct verb controller_verb_assign_directories = {.decide = decide};
