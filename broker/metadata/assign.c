/* assign.c - where partitions are: a partition is created in no log directory, and once its own has
 * been made there durably, that is written down. So a directory that is missing tells whether it
 * was ever there: whoever dies in between makes it again, and whoever has written it down never
 * does. Nothing is acknowledged in a partition before its place is durable. */
#include "metadata/internal.h"

static enum err add_place(struct metadata *m, struct batch *batch,
                          const struct metadata_place *place)
{
    struct wire_uuid directory;
    memcpy(&directory, dir_id(m->dir), sizeof directory);
    struct wire_partition_change_record record;
    wire_defaults(&wire_partition_change_record_message, &record);
    record.partition_id = place->partition;
    record.topic_id = place->topic_id;
    record.leader = METADATA_SAME_LEADER;
    record.directories = &directory;
    record.directories_count = 1;
    return metadata_batch_add(batch, &wire_partition_change_record_message,
                              METADATA_PARTITION_CHANGE_VERSION, &record);
}

static int16_t append(struct metadata *m, const struct metadata_place *places, int32_t count)
{
    struct change *change = metadata_change_new(m, 0);
    if (change == NULL)
        return WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    struct batch batch;
    metadata_batch_init(&batch, m->mem, env_wall(m->env));
    enum err e = ERR_NONE;
    int32_t added = 0;
    for (int32_t i = 0; i < count && e == ERR_NONE; i++) {
        if (metadata_find_id(m->tail, &places[i].topic_id) == NULL)
            continue;
        e = add_place(m, &batch, &places[i]);
        added++;
    }
    int16_t code = WIRE_ERROR_NONE;
    if (e != ERR_NONE)
        code = WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    else if (added > 0)
        code = metadata_change_append(m, &batch, change, NULL);
    metadata_batch_free(&batch);
    if (code != WIRE_ERROR_NONE || added == 0)
        metadata_change_free(m, change);
    return code;
}

void metadata_assigns_durable(struct metadata *m)
{
    for (;;) {
        struct metadata_assign *assign = LIST_FIRST(&m->assigns, struct metadata_assign, link);
        if (assign == NULL || assign->end > log_counting_end(m->log))
            return;
        list_remove(&assign->link);
        assign->done(assign);
    }
}

void metadata_assigns_fail(struct metadata *m, int64_t end)
{
    struct list failed;
    list_init(&failed);
    LIST_EACH (assign, &m->assigns, struct metadata_assign, link) {
        if (assign->end <= end)
            continue;
        list_remove(&assign->link);
        list_push_back(&failed, &assign->link);
    }
    struct list *link;
    while ((link = list_pop_front(&failed)) != NULL) {
        struct metadata_assign *assign = CONTAINER_OF(link, struct metadata_assign, link);
        assign->code = WIRE_ERROR_KAFKA_STORAGE_ERROR;
        assign->done(assign);
    }
}

void metadata_assign(struct metadata *m, struct metadata_assign *assign,
                     const struct metadata_place *places, int32_t count, metadata_assign_done *done)
{
    ASSERT(count > 0);
    ASSERT(count <= METADATA_RECORDS_MAX);
    *assign = (struct metadata_assign){.done = done};
    list_init(&assign->link);
    if (metadata_refuses(m))
        assign->code = WIRE_ERROR_KAFKA_STORAGE_ERROR;
    else
        assign->code = append(m, places, count);
    assign->end = log_end(m->log);
    if (assign->code != WIRE_ERROR_NONE) {
        done(assign);
        return;
    }
    list_push_back(&m->assigns, &assign->link);
    metadata_change_advance(m);
}
