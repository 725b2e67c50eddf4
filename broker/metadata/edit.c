/* edit.c - a new image from an old one and the records between them. Pure: a topic that somebody
 * else can see is copied before it changes. */
#include "metadata/internal.h"

#define RESOURCE_TOPIC 2 /* ConfigResource.Type.TOPIC */
#define TOPIC_CAP_MIN 16
#define DELTA_CAP_MIN 4

static enum err grow(struct metadata_edit *edit)
{
    struct metadata_image *image = edit->image;
    if (image->topic_count < edit->topic_cap)
        return ERR_NONE;
    int32_t cap = MAX(edit->topic_cap * 2, TOPIC_CAP_MIN);
    struct metadata_topic **topics =
        mem_realloc(image->mem, image->topics, (size_t)cap * sizeof(void *));
    if (topics == NULL)
        return ERR_NOMEM;
    image->topics = topics;
    struct metadata_topic **by_id =
        mem_realloc(image->mem, image->by_id, (size_t)cap * sizeof(void *));
    if (by_id == NULL)
        return ERR_NOMEM;
    image->by_id = by_id;
    edit->topic_cap = cap;
    return ERR_NONE;
}

enum err metadata_edit_begin(struct metadata_edit *edit, struct mem *mem,
                             const struct metadata_image *base)
{
    struct metadata_image *image = mem_zalloc(mem, sizeof *image);
    if (image == NULL)
        return ERR_NOMEM;
    if (base != NULL)
        *image = *base;
    else
        *image = (struct metadata_image){.offset = -1, .broker = {.id = -1, .epoch = -1}};
    int32_t count = image->topic_count;
    image->refs = 1;
    image->mem = mem;
    image->topics = NULL;
    image->by_id = NULL;
    image->topic_count = 0;
    *edit = (struct metadata_edit){.image = image, .topic_cap = count};
    if (count == 0)
        return ERR_NONE;
    image->topics = mem_array(mem, (size_t)count, sizeof(void *));
    image->by_id = mem_array(mem, (size_t)count, sizeof(void *));
    if (image->topics == NULL || image->by_id == NULL) {
        metadata_edit_abandon(edit);
        return ERR_NOMEM;
    }
    memcpy(image->topics, base->topics, (size_t)count * sizeof(void *));
    memcpy(image->by_id, base->by_id, (size_t)count * sizeof(void *));
    image->topic_count = count;
    for (int32_t i = 0; i < count; i++)
        metadata_topic_retain(image->topics[i]);
    return ERR_NONE;
}

struct metadata_image *metadata_edit_finish(struct metadata_edit *edit)
{
    struct metadata_image *image = edit->image;
    ASSERT(image->refs == 1);
    edit->image = NULL;
    return image;
}

void metadata_edit_abandon(struct metadata_edit *edit)
{
    metadata_image_release(edit->image);
    edit->image = NULL;
}

/* ---- topics ---- */

static void insert_at(struct metadata_topic **array, int32_t count, int32_t at,
                      struct metadata_topic *topic)
{
    memmove(array + at + 1, array + at, (size_t)(count - at) * sizeof(void *));
    array[at] = topic;
}

static void remove_at(struct metadata_topic **array, int32_t count, int32_t at)
{
    memmove(array + at, array + at + 1, (size_t)(count - at - 1) * sizeof(void *));
}

static enum err add_setting(struct metadata_topic *topic, int32_t at, struct bytes key,
                            struct bytes value)
{
    size_t size = (size_t)(topic->setting_count + 1) * sizeof *topic->settings;
    struct metadata_setting *settings = mem_realloc(topic->mem, topic->settings, size);
    if (settings == NULL)
        return ERR_NOMEM;
    topic->settings = settings;
    char *key_text = mem_text(topic->mem, (const char *)key.data, key.size);
    char *value_text = mem_text(topic->mem, (const char *)value.data, value.size);
    if (key_text == NULL || value_text == NULL) {
        mem_free(topic->mem, key_text);
        mem_free(topic->mem, value_text);
        return ERR_NOMEM;
    }
    memmove(settings + at + 1, settings + at,
            (size_t)(topic->setting_count - at) * sizeof *settings);
    settings[at] = (struct metadata_setting){.key = key_text, .value = value_text};
    topic->setting_count++;
    return ERR_NONE;
}

static void remove_setting(struct metadata_topic *topic, int32_t at)
{
    mem_free(topic->mem, topic->settings[at].key);
    mem_free(topic->mem, topic->settings[at].value);
    memmove(topic->settings + at, topic->settings + at + 1,
            (size_t)(topic->setting_count - at - 1) * sizeof *topic->settings);
    topic->setting_count--;
}

/* Room for one more: arrays have the next power of two, so no capacity need be kept. */
static enum err grow_partitions(struct metadata_topic *topic)
{
    int32_t count = topic->partition_count;
    if (count != 0 && (count & (count - 1)) != 0)
        return ERR_NONE;
    size_t cap = count == 0 ? 1 : (size_t)count * 2;
    struct metadata_partition *partitions =
        mem_realloc(topic->mem, topic->partitions, cap * sizeof *partitions);
    if (partitions == NULL)
        return ERR_NOMEM;
    topic->partitions = partitions;
    return ERR_NONE;
}

static struct metadata_topic *new_topic(struct mem *mem, struct bytes name,
                                        const struct wire_uuid *id)
{
    struct metadata_topic *topic = mem_zalloc(mem, sizeof *topic);
    if (topic == NULL)
        return NULL;
    *topic = (struct metadata_topic){.refs = 1, .mem = mem, .id = *id};
    topic->name = mem_text(mem, (const char *)name.data, name.size);
    if (topic->name == NULL) {
        metadata_topic_release(topic);
        return NULL;
    }
    return topic;
}

static struct metadata_topic *copy_topic(const struct metadata_topic *from)
{
    struct metadata_topic *topic = new_topic(from->mem, bytes_text(from->name), &from->id);
    if (topic == NULL)
        return NULL;
    enum err e = ERR_NONE;
    for (int32_t i = 0; i < from->partition_count && e == ERR_NONE; i++) {
        e = grow_partitions(topic);
        if (e == ERR_NONE)
            topic->partitions[topic->partition_count++] = from->partitions[i];
    }
    for (int32_t i = 0; i < from->setting_count && e == ERR_NONE; i++)
        e = add_setting(topic, i, bytes_text(from->settings[i].key),
                        bytes_text(from->settings[i].value));
    if (e == ERR_NONE)
        return topic;
    metadata_topic_release(topic);
    return NULL;
}

/* The topic, such that it may be changed. *out NULL: there is none. */
static enum err own_topic(struct metadata_image *image, const struct wire_uuid *id,
                          struct metadata_topic **out)
{
    int32_t at = metadata_id_index(image, id);
    *out = NULL;
    if (at == image->topic_count || !wire_uuid_equal(&image->by_id[at]->id, id))
        return ERR_NONE;
    *out = image->by_id[at];
    if ((*out)->refs == 1)
        return ERR_NONE;
    struct metadata_topic *copy = copy_topic(*out);
    if (copy == NULL)
        return ERR_NOMEM;
    image->by_id[at] = copy;
    image->topics[metadata_name_index(image, bytes_text(copy->name))] = copy;
    metadata_topic_release(*out);
    *out = copy;
    return ERR_NONE;
}

/* ---- what has changed ---- */

void metadata_delta_init(struct metadata_delta *delta, struct mem *mem)
{
    *delta = (struct metadata_delta){.mem = mem};
}

void metadata_delta_free(struct metadata_delta *delta)
{
    mem_free(delta->mem, delta->topics);
    metadata_delta_init(delta, delta->mem);
}

static enum err note_topic(struct metadata_delta *delta, const struct wire_uuid *id)
{
    if (delta == NULL)
        return ERR_NONE;
    if (delta->topic_count == delta->topic_cap) {
        int32_t cap = MAX(delta->topic_cap * 2, DELTA_CAP_MIN);
        struct wire_uuid *topics =
            mem_realloc(delta->mem, delta->topics, (size_t)cap * sizeof *topics);
        if (topics == NULL)
            return ERR_NOMEM;
        delta->topics = topics;
        delta->topic_cap = cap;
    }
    delta->topics[delta->topic_count++] = *id;
    return ERR_NONE;
}

/* ---- records of topics ---- */

static struct bytes string_bytes(struct wire_string s)
{
    return bytes_of(s.data, s.size < 0 ? 0 : (size_t)s.size);
}

static enum err apply_topic(struct metadata_edit *edit, const struct wire_topic_record *record,
                            struct errmsg *msg)
{
    struct metadata_image *image = edit->image;
    struct bytes name = string_bytes(record->name);
    struct errmsg why = {0};
    if (metadata_topic_name_check(name, &why) != ERR_NONE)
        return errmsg_set(msg, ERR_CORRUPT, "a topic record: %s", why.text);
    if (metadata_find(image, name) != NULL || metadata_find_id(image, &record->topic_id) != NULL)
        return errmsg_set(msg, ERR_CORRUPT, "topic \"%.*s\" is created twice", (int)name.size,
                          (const char *)name.data);
    if (grow(edit) != ERR_NONE || note_topic(edit->delta, &record->topic_id) != ERR_NONE)
        return ERR_NOMEM;
    struct metadata_topic *topic = new_topic(image->mem, name, &record->topic_id);
    if (topic == NULL)
        return ERR_NOMEM;
    insert_at(image->topics, image->topic_count, metadata_name_index(image, name), topic);
    insert_at(image->by_id, image->topic_count, metadata_id_index(image, &topic->id), topic);
    image->topic_count++;
    return ERR_NONE;
}

static enum err apply_remove(struct metadata_edit *edit,
                             const struct wire_remove_topic_record *record, struct errmsg *msg)
{
    struct metadata_image *image = edit->image;
    int32_t at = metadata_id_index(image, &record->topic_id);
    if (at == image->topic_count || !wire_uuid_equal(&image->by_id[at]->id, &record->topic_id))
        return errmsg_set(msg, ERR_CORRUPT, "a topic is removed that does not exist");
    struct metadata_topic *topic = image->by_id[at];
    remove_at(image->topics, image->topic_count,
              metadata_name_index(image, bytes_text(topic->name)));
    remove_at(image->by_id, image->topic_count, at);
    image->topic_count--;
    image->partition_count -= topic->partition_count;
    metadata_topic_release(topic);
    return ERR_NONE;
}

static enum err apply_partition(struct metadata_edit *edit,
                                const struct wire_partition_record *record, struct errmsg *msg)
{
    struct metadata_topic *topic = NULL;
    enum err e = own_topic(edit->image, &record->topic_id, &topic);
    if (e != ERR_NONE)
        return e;
    if (topic == NULL)
        return errmsg_set(msg, ERR_CORRUPT, "partition %d belongs to no topic",
                          (int)record->partition_id);
    if (record->partition_id != topic->partition_count ||
        edit->image->partition_count == METADATA_PARTITIONS_MAX)
        return errmsg_set(msg, ERR_CORRUPT, "partition %d of topic \"%s\" follows on %d others",
                          (int)record->partition_id, topic->name, (int)topic->partition_count);
    e = grow_partitions(topic);
    if (e != ERR_NONE)
        return e;
    topic->partitions[topic->partition_count++] =
        (struct metadata_partition){.leader = record->leader,
                                    .leader_epoch = record->leader_epoch,
                                    .partition_epoch = record->partition_epoch};
    if (record->directories_count > 0)
        topic->partitions[topic->partition_count - 1].directory = record->directories[0];
    edit->image->partition_count++;
    return ERR_NONE;
}

/* Naming a leader begins a leader epoch, even when it is the old one. */
static enum err apply_partition_change(struct metadata_edit *edit,
                                       const struct wire_partition_change_record *record,
                                       struct errmsg *msg)
{
    struct metadata_topic *topic = NULL;
    enum err e = own_topic(edit->image, &record->topic_id, &topic);
    if (e != ERR_NONE)
        return e;
    if (topic == NULL || record->partition_id < 0 || record->partition_id >= topic->partition_count)
        return errmsg_set(msg, ERR_CORRUPT, "partition %d changes and does not exist",
                          (int)record->partition_id);
    struct metadata_partition *partition = &topic->partitions[record->partition_id];
    partition->partition_epoch++;
    if (record->directories_count > 0)
        partition->directory = record->directories[0];
    if (record->leader != METADATA_SAME_LEADER) {
        partition->leader = record->leader;
        partition->leader_epoch++;
    }
    return ERR_NONE;
}

static enum err apply_config(struct metadata_edit *edit, const struct wire_config_record *record,
                             struct errmsg *msg)
{
    if (record->resource_type != RESOURCE_TOPIC)
        return ERR_NONE;
    const struct metadata_topic *named =
        metadata_find(edit->image, string_bytes(record->resource_name));
    if (named == NULL)
        return errmsg_set(msg, ERR_CORRUPT, "a setting belongs to no topic");
    struct metadata_topic *topic = NULL;
    enum err e = own_topic(edit->image, &named->id, &topic);
    if (e != ERR_NONE)
        return e;
    struct bytes key = string_bytes(record->name);
    int32_t at = 0;
    while (at < topic->setting_count &&
           metadata_compare_names(bytes_text(topic->settings[at].key), key) < 0)
        at++;
    if (at < topic->setting_count && bytes_equal(bytes_text(topic->settings[at].key), key))
        remove_setting(topic, at);
    if (record->value.size < 0)
        return ERR_NONE;
    return add_setting(topic, at, key, string_bytes(record->value));
}

/* ---- the broker and the cluster ---- */

static enum err apply_register(struct metadata_edit *edit,
                               const struct wire_register_broker_record *record, struct errmsg *msg)
{
    struct metadata_broker *broker = &edit->image->broker;
    *broker = (struct metadata_broker){
        .id = record->broker_id, .epoch = record->broker_epoch, .fenced = record->fenced};
    if (record->end_points_count == 0)
        return ERR_NONE;
    struct bytes host = string_bytes(record->end_points[0].host);
    if (host.size >= sizeof broker->host)
        return errmsg_set(msg, ERR_CORRUPT, "broker %d has a host name of %zu bytes",
                          (int)broker->id, host.size);
    memcpy(broker->host, host.data, host.size);
    broker->port = record->end_points[0].port;
    return ERR_NONE;
}

static enum err
apply_registration_change(struct metadata_edit *edit,
                          const struct wire_broker_registration_change_record *record,
                          struct errmsg *msg)
{
    struct metadata_broker *broker = &edit->image->broker;
    if (record->broker_id != broker->id || record->broker_epoch != broker->epoch)
        return errmsg_set(msg, ERR_CORRUPT, "broker %d changes and is not registered",
                          (int)record->broker_id);
    if (record->fenced != 0)
        broker->fenced = record->fenced > 0;
    return ERR_NONE;
}

static enum err apply_feature(struct metadata_edit *edit,
                              const struct wire_feature_level_record *record, struct errmsg *msg)
{
    struct bytes name = string_bytes(record->name);
    if (!bytes_equal(name, bytes_text("metadata.version")))
        return ERR_NONE;
    if (record->feature_level < METADATA_VERSION_OLDEST || record->feature_level > METADATA_VERSION)
        return errmsg_set(msg, ERR_UNSUPPORTED,
                          "metadata.version is %d and this kiln understands %d to %d: "
                          "start the version that wrote it",
                          record->feature_level, METADATA_VERSION_OLDEST, METADATA_VERSION);
    edit->image->metadata_version = record->feature_level;
    return ERR_NONE;
}

static enum err apply_producer_ids(struct metadata_edit *edit,
                                   const struct wire_producer_ids_record *record,
                                   struct errmsg *msg)
{
    if (record->next_producer_id < edit->image->next_producer_id)
        return errmsg_set(msg, ERR_CORRUPT, "producer ids go back from %lld to %lld",
                          (long long)edit->image->next_producer_id,
                          (long long)record->next_producer_id);
    edit->image->next_producer_id = record->next_producer_id;
    return ERR_NONE;
}

/* ---- one record ---- */

union record {
    struct wire_register_broker_record register_broker;
    struct wire_topic_record topic;
    struct wire_partition_record partition;
    struct wire_config_record config;
    struct wire_partition_change_record partition_change;
    struct wire_remove_topic_record remove;
    struct wire_feature_level_record feature;
    struct wire_producer_ids_record producer_ids;
    struct wire_broker_registration_change_record change;
    struct wire_no_op_record no_op;
};

static enum err dispatch(struct metadata_edit *edit, const struct wire_message *m,
                         const union record *record, struct errmsg *msg)
{
    if (m == &wire_register_broker_record_message)
        return apply_register(edit, &record->register_broker, msg);
    if (m == &wire_topic_record_message)
        return apply_topic(edit, &record->topic, msg);
    if (m == &wire_partition_record_message)
        return apply_partition(edit, &record->partition, msg);
    if (m == &wire_config_record_message)
        return apply_config(edit, &record->config, msg);
    if (m == &wire_partition_change_record_message)
        return apply_partition_change(edit, &record->partition_change, msg);
    if (m == &wire_remove_topic_record_message)
        return apply_remove(edit, &record->remove, msg);
    if (m == &wire_feature_level_record_message)
        return apply_feature(edit, &record->feature, msg);
    if (m == &wire_producer_ids_record_message)
        return apply_producer_ids(edit, &record->producer_ids, msg);
    if (m == &wire_broker_registration_change_record_message)
        return apply_registration_change(edit, &record->change, msg);
    return ERR_NONE;
}

enum err metadata_edit_apply(struct metadata_edit *edit, int64_t offset, struct wire_bytes value,
                             struct arena *arena, struct errmsg *msg)
{
    ASSERT(offset > edit->image->offset);
    struct wire_metadata_head head;
    enum err e = wire_metadata_parse(value, &head, msg);
    if (e != ERR_NONE)
        return errmsg_wrap(msg, e, "metadata record at offset %lld", (long long)offset);
    const struct wire_message *m = wire_metadata_message(head.type);
    union record record;
    if (m != NULL) {
        ASSERT(m->size <= sizeof record);
        e = wire_decode(m, (int)head.version, head.message, NULL, &record, arena, msg);
        if (e == ERR_NONE)
            e = dispatch(edit, m, &record, msg);
    }
    if (e != ERR_NONE)
        return errmsg_wrap(msg, e, "metadata record at offset %lld", (long long)offset);
    edit->image->offset = offset;
    return ERR_NONE;
}
