/* dump.c - an image as the records that make it. Pure. */
#include "metadata/internal.h"

#define PARTITION_VERSION 2
#define BROKER_VERSION 3
#define BROKER_VERSION_CORDONS 4 /* since METADATA_VERSION_CORDONS */
#define METADATA_VERSION_CORDONS 30
#define RESOURCE_TOPIC 2

void metadata_dump_begin(struct metadata_dump *dump, const struct metadata_image *image)
{
    ASSERT(image->before == NULL);
    *dump = (struct metadata_dump){.image = image};
}

/* What a step is given: the index-th of its things. */
struct place {
    const struct metadata_image *image;
    struct metadata_batch *batch;
    struct arena *arena;
    int32_t index;
    int32_t *part; /* of the thing, which has several records; -1: it had its last */
};

static int32_t one(const struct metadata_image *image)
{
    (void)image;
    return 1;
}

static enum err add_version(struct place *p)
{
    struct wire_feature_level_record record = {.name = wire_text("metadata.version"),
                                               .feature_level = p->image->metadata_version};
    *p->part = -1;
    if (record.feature_level == 0)
        return ERR_NONE;
    return metadata_batch_add(p->batch, &wire_feature_level_record_message, 0, &record);
}

static int32_t broker_count(const struct metadata_image *image)
{
    return metadata_map_count(&image->brokers);
}

static enum err add_broker(struct place *p)
{
    const struct metadata_object *object = metadata_map_at(&p->image->brokers, p->index);
    const struct metadata_broker *broker = CONTAINER_OF(object, struct metadata_broker, object);
    struct wire_register_broker_record record;
    *p->part = -1;
    enum err e = metadata_broker_record(broker, &record, p->arena);
    if (e != ERR_NONE)
        return e;
    bool cordons = p->image->metadata_version >= METADATA_VERSION_CORDONS;
    if (!cordons)
        record.cordoned_log_dirs_count = -1;
    return metadata_batch_add(p->batch, &wire_register_broker_record_message,
                              cordons ? BROKER_VERSION_CORDONS : BROKER_VERSION, &record);
}

static int32_t topic_count(const struct metadata_image *image)
{
    return image->topic_count;
}

static struct wire_string name_of(const struct metadata_topic *topic)
{
    return wire_text(topic->name);
}

static void set_list(int32_t **ids, int32_t *count, const struct metadata_partition *p,
                     enum metadata_list list, bool null_if_empty)
{
    struct metadata_ids from = metadata_ids(p, list);
    *ids = (int32_t *)from.ids;
    *count = from.count == 0 && null_if_empty ? -1 : from.count;
}

static enum err add_partition(struct place *p, const struct metadata_topic *topic, int32_t number)
{
    const struct metadata_partition *from = metadata_partition(topic, number);
    struct wire_partition_record r;
    wire_defaults(&wire_partition_record_message, &r);
    r.partition_id = number;
    r.topic_id = topic->id;
    r.leader = from->leader;
    r.leader_epoch = from->leader_epoch;
    r.partition_epoch = from->partition_epoch;
    r.leader_recovery_state = from->leader_recovery_state;
    set_list(&r.replicas, &r.replicas_count, from, METADATA_REPLICAS, false);
    set_list(&r.isr, &r.isr_count, from, METADATA_ISR, false);
    set_list(&r.adding_replicas, &r.adding_replicas_count, from, METADATA_ADDING, false);
    set_list(&r.removing_replicas, &r.removing_replicas_count, from, METADATA_REMOVING, false);
    set_list(&r.eligible_leader_replicas, &r.eligible_leader_replicas_count, from, METADATA_ELR,
             true);
    set_list(&r.last_known_elr, &r.last_known_elr_count, from, METADATA_LAST_KNOWN_ELR, true);
    r.directories = (struct wire_uuid *)metadata_directories(from);
    r.directories_count = r.replicas_count;
    return metadata_batch_add(p->batch, &wire_partition_record_message, PARTITION_VERSION, &r);
}

/* Its own record, then its partitions. */
static enum err add_topic(struct place *p)
{
    const struct metadata_topic *topic = metadata_topic_at(p->image, p->index);
    int32_t part = (*p->part)++;
    if (part == topic->partition_count)
        *p->part = -1;
    if (part > 0)
        return add_partition(p, topic, part - 1);
    struct wire_topic_record record = {.name = name_of(topic), .topic_id = topic->id};
    return metadata_batch_add(p->batch, &wire_topic_record_message, 0, &record);
}

static enum err add_settings(struct place *p)
{
    const struct metadata_topic *topic = metadata_topic_at(p->image, p->index);
    int32_t part = (*p->part)++;
    if (part + 1 >= topic->setting_count)
        *p->part = -1;
    if (topic->setting_count == 0)
        return ERR_NONE;
    struct wire_config_record record = {.resource_type = RESOURCE_TOPIC,
                                        .resource_name = name_of(topic),
                                        .name = wire_text(topic->settings[part].key),
                                        .value = wire_text(topic->settings[part].value)};
    return metadata_batch_add(p->batch, &wire_config_record_message, 0, &record);
}

static enum err add_producer_ids(struct place *p)
{
    struct wire_producer_ids_record record = {
        .broker_id = p->image->producer_ids_broker,
        .broker_epoch = p->image->producer_ids_broker_epoch,
        .next_producer_id = p->image->next_producer_id,
    };
    *p->part = -1;
    if (record.next_producer_id <= 0)
        return ERR_NONE;
    return metadata_batch_add(p->batch, &wire_producer_ids_record_message, 0, &record);
}

static int32_t kept_count(const struct metadata_image *image)
{
    return metadata_map_count(&image->kept);
}

static enum err add_kept(struct place *p)
{
    const struct metadata_object *object = metadata_map_at(&p->image->kept, p->index);
    const struct metadata_kept *kept = CONTAINER_OF(object, struct metadata_kept, object);
    *p->part = -1;
    return metadata_batch_add_value(
        p->batch, (struct wire_bytes){.data = kept->value, .size = (int32_t)kept->size});
}

static const struct {
    int32_t (*count)(const struct metadata_image *image);
    enum err (*add)(struct place *p);
} steps[] = {
    {one, add_version},          {broker_count, add_broker}, {topic_count, add_topic},
    {topic_count, add_settings}, {one, add_producer_ids},    {kept_count, add_kept},
};

enum err metadata_dump_next(struct metadata_dump *dump, struct metadata_batch *batch, int32_t count,
                            struct arena *arena, bool *more)
{
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < count && dump->step < COUNT_OF(steps) && e == ERR_NONE; i++) {
        if (dump->index == steps[dump->step].count(dump->image)) {
            dump->step++;
            dump->index = dump->part = 0;
            continue;
        }
        struct place p = {.image = dump->image,
                          .batch = batch,
                          .arena = arena,
                          .index = dump->index,
                          .part = &dump->part};
        e = steps[dump->step].add(&p);
        arena_reset(arena);
        if (dump->part < 0) {
            dump->part = 0;
            dump->index++;
        }
    }
    *more = dump->step < COUNT_OF(steps);
    return e;
}

/* ---- what it comes to ---- */

uint64_t metadata_batch_digest(uint64_t digest, const struct metadata_batch *b)
{
    for (int32_t i = 0; i < b->write_count; i++) {
        const struct metadata_write *write = &b->writes[i];
        ASSERT(write->size >= WIRE_BATCH_HEAD);
        digest = hash_combine(digest, hash_bytes(write->buf->data + WIRE_BATCH_HEAD,
                                                 write->size - WIRE_BATCH_HEAD, 0));
    }
    return digest;
}

enum err metadata_digest(const struct metadata_image *image, struct mem *mem, uint64_t *digest)
{
    struct metadata_dump dump;
    struct arena arena;
    bool more = true;
    enum err e = ERR_NONE;
    *digest = 0;
    arena_init(&arena, mem, METADATA_BATCH_BYTES_MAX);
    metadata_dump_begin(&dump, image);
    while (e == ERR_NONE && more) {
        struct metadata_batch batch;
        metadata_batch_init(&batch, mem, 0, 0, 0);
        e = metadata_dump_next(&dump, &batch, METADATA_DUMP_STEP, &arena, &more);
        if (e == ERR_NONE)
            e = metadata_batch_finish(&batch);
        if (e == ERR_NONE)
            *digest = metadata_batch_digest(*digest, &batch);
        metadata_batch_free(&batch);
    }
    arena_free(&arena);
    return e;
}
