/* edit.c - a new image from an old one and the records between them: a row for each kind of record.
 * Pure: what somebody else can see is copied before it changes. */
#include "metadata/internal.h"

#define RESOURCE_TOPIC 2 /* ConfigResource.Type.TOPIC */
#define REMOVED_CAP_MIN 16

enum err metadata_edit_begin(struct metadata_edit *edit, struct mem *mem,
                             const struct metadata_image *base)
{
    struct metadata_image *image = mem_zalloc(mem, sizeof *image);
    *edit = (struct metadata_edit){.image = image};
    if (image == NULL)
        return ERR_NOMEM;
    if (base == NULL) {
        *image = (struct metadata_image){
            .offset = -1, .producer_ids_broker = -1, .producer_ids_broker_epoch = -1};
    } else {
        *image = *base;
        metadata_map_share(&image->topics, &base->topics);
        metadata_map_share(&image->names, &base->names);
        metadata_map_share(&image->brokers, &base->brokers);
        metadata_map_share(&image->kept, &base->kept);
        if (image->before != NULL)
            metadata_image_retain(image->before);
    }
    image->refs = 1;
    image->mem = mem;
    return ERR_NONE;
}

struct metadata_image *metadata_edit_finish(struct metadata_edit *edit)
{
    struct metadata_image *image = edit->image;
    ASSERT(image->refs == 1);
    ASSERT(image->topic_count == metadata_map_count(&image->topics));
    ASSERT(image->topic_count == metadata_map_count(&image->names));
    edit->image = NULL;
    return image;
}

void metadata_edit_abandon(struct metadata_edit *edit)
{
    metadata_image_release(edit->image);
    edit->image = NULL;
}

/* ---- topics ---- */

/* The topic, such that it may be changed. *out NULL: there is none. */
static enum err own_topic(struct metadata_image *image, const struct wire_uuid *id,
                          struct metadata_topic **out)
{
    *out = NULL;
    if (metadata_find_id(image, id) == NULL)
        return ERR_NONE;
    struct metadata_object **slot =
        metadata_map_slot(&image->topics, image->mem, bytes_of(id, sizeof *id));
    if (slot == NULL)
        return ERR_NOMEM;
    struct metadata_topic *topic = CONTAINER_OF(*slot, struct metadata_topic, object);
    if (topic->object.refs > 1) {
        struct metadata_topic *copy = metadata_topic_copy(topic);
        if (copy == NULL)
            return ERR_NOMEM;
        metadata_topic_release(topic);
        *slot = &copy->object;
        topic = copy;
    }
    *out = topic;
    return ERR_NONE;
}

static struct bytes string_bytes(struct wire_string s)
{
    return bytes_of(s.data, s.size < 0 ? 0 : (size_t)s.size);
}

/* What a row is given. */
struct step {
    struct metadata_image *image;
    struct metadata_removed *removed; /* NULL: nobody asks */
    const struct wire_message *message;
    const void *record; /* decoded */
    struct wire_bytes value;
    struct arena *arena;
    struct errmsg *msg;
};

static enum err add_topic(struct metadata_image *image, struct bytes name,
                          const struct wire_uuid *id)
{
    struct metadata_name *named = metadata_name_new(image->mem, name, id);
    if (named == NULL)
        return ERR_NOMEM;
    struct metadata_topic *topic = metadata_topic_new(image->mem, named);
    enum err e =
        topic == NULL ? ERR_NOMEM : metadata_map_put(&image->names, image->mem, &named->object);
    if (e != ERR_NONE) {
        metadata_object_release(&named->object);
        metadata_topic_release(topic);
        return e;
    }
    e = metadata_map_put(&image->topics, image->mem, &topic->object);
    if (e != ERR_NONE)
        metadata_topic_release(topic);
    else
        image->topic_count++;
    return e;
}

static enum err apply_topic(struct step *s)
{
    const struct wire_topic_record *record = s->record;
    struct bytes name = string_bytes(record->name);
    struct errmsg why = {0};
    if (metadata_topic_name_check(name, &why) != ERR_NONE)
        return errmsg_set(s->msg, ERR_CORRUPT, "a topic record: %s", why.text);
    if (metadata_find(s->image, name) != NULL ||
        metadata_find_id(s->image, &record->topic_id) != NULL)
        return errmsg_set(s->msg, ERR_CORRUPT, "topic \"%.*s\" is created twice", (int)name.size,
                          (const char *)name.data);
    return add_topic(s->image, name, &record->topic_id);
}

void metadata_removed_init(struct metadata_removed *removed, struct mem *mem)
{
    *removed = (struct metadata_removed){.mem = mem};
}

void metadata_removed_free(struct metadata_removed *removed)
{
    mem_free(removed->mem, removed->ids);
    metadata_removed_init(removed, removed->mem);
}

bool metadata_was_removed(const struct metadata_removed *removed, const struct wire_uuid *id)
{
    for (int32_t i = 0; i < removed->count; i++) {
        if (wire_uuid_equal(&removed->ids[i], id))
            return true;
    }
    return false;
}

enum err metadata_removed_add(struct metadata_removed *removed, const struct wire_uuid *id)
{
    if (removed->count == removed->cap) {
        int32_t cap = MAX(removed->cap * 2, REMOVED_CAP_MIN);
        struct wire_uuid *ids = mem_realloc(removed->mem, removed->ids, (size_t)cap * sizeof *ids);
        if (ids == NULL)
            return ERR_NOMEM;
        removed->ids = ids;
        removed->cap = cap;
    }
    removed->ids[removed->count++] = *id;
    return ERR_NONE;
}

static enum err apply_remove_topic(struct step *s)
{
    const struct wire_remove_topic_record *record = s->record;
    struct metadata_image *image = s->image;
    const struct metadata_topic *topic = metadata_find_id(image, &record->topic_id);
    if (topic == NULL)
        return errmsg_set(s->msg, ERR_CORRUPT, "a topic is removed that does not exist");
    int32_t partition_count = topic->partition_count;
    if (s->removed != NULL && metadata_removed_add(s->removed, &record->topic_id) != ERR_NONE)
        return ERR_NOMEM;
    enum err e = metadata_map_remove(&image->names, image->mem, topic->named->object.key);
    if (e == ERR_NONE)
        e = metadata_map_remove(&image->topics, image->mem,
                                bytes_of(&record->topic_id, sizeof record->topic_id));
    if (e != ERR_NONE)
        return e;
    image->topic_count--;
    image->partition_count -= partition_count;
    return ERR_NONE;
}

/* ---- partitions ---- */

/* Puts a partition of those parts where it belongs. */
static enum err put_partition(struct metadata_topic *topic, int32_t number,
                              const struct metadata_parts *parts, struct errmsg *msg)
{
    for (int i = 0; i < METADATA_LIST_COUNT; i++) {
        if (parts->lists[i].count > METADATA_REPLICAS_MAX)
            return errmsg_set(msg, ERR_CORRUPT, "partition %d of topic \"%s\" has %d replicas",
                              (int)number, topic->name, (int)parts->lists[i].count);
    }
    struct metadata_partition *p = metadata_partition_new(topic->mem, parts);
    enum err e = p == NULL ? ERR_NOMEM : metadata_topic_put(topic, number, p);
    if (e != ERR_NONE)
        metadata_partition_release(topic->mem, p);
    return e;
}

static struct metadata_ids list_of(const int32_t *ids, int32_t count)
{
    return (struct metadata_ids){.ids = ids, .count = MAX(count, 0)};
}

static enum err apply_partition(struct step *s)
{
    const struct wire_partition_record *record = s->record;
    struct metadata_topic *topic = NULL;
    enum err e = own_topic(s->image, &record->topic_id, &topic);
    if (e != ERR_NONE)
        return e;
    if (topic == NULL)
        return errmsg_set(s->msg, ERR_CORRUPT, "partition %d belongs to no topic",
                          (int)record->partition_id);
    if (record->partition_id != topic->partition_count ||
        s->image->partition_count == METADATA_PARTITIONS_MAX)
        return errmsg_set(s->msg, ERR_CORRUPT, "partition %d of topic \"%s\" follows on %d others",
                          (int)record->partition_id, topic->name, (int)topic->partition_count);
    bool placed = record->directories_count > 0;
    if (placed && record->directories_count != record->replicas_count)
        return errmsg_set(s->msg, ERR_CORRUPT,
                          "partition %d of topic \"%s\" has %d replicas in %d "
                          "directories",
                          (int)record->partition_id, topic->name, (int)record->replicas_count,
                          (int)record->directories_count);
    struct metadata_parts parts = {
        .leader = record->leader,
        .leader_epoch = record->leader_epoch,
        .partition_epoch = record->partition_epoch,
        .leader_recovery_state = record->leader_recovery_state,
        .lists = {[METADATA_REPLICAS] = list_of(record->replicas, record->replicas_count),
                  [METADATA_ISR] = list_of(record->isr, record->isr_count),
                  [METADATA_ADDING] =
                      list_of(record->adding_replicas, record->adding_replicas_count),
                  [METADATA_REMOVING] =
                      list_of(record->removing_replicas, record->removing_replicas_count),
                  [METADATA_ELR] = list_of(record->eligible_leader_replicas,
                                           record->eligible_leader_replicas_count),
                  [METADATA_LAST_KNOWN_ELR] =
                      list_of(record->last_known_elr, record->last_known_elr_count)},
        .directories = placed ? record->directories : NULL};
    e = put_partition(topic, record->partition_id, &parts, s->msg);
    s->image->partition_count += e == ERR_NONE;
    return e;
}

/* A list of a change: null leaves what is there. */
static void change_list(struct metadata_ids *list, const int32_t *ids, int32_t count)
{
    if (count >= 0)
        *list = list_of(ids, count);
}

/* Other replicas, and nothing said of their directories: each keeps the one that it had. */
static enum err carry_directories(const struct metadata_partition *p, struct metadata_parts *parts,
                                  struct arena *arena)
{
    const struct metadata_ids *replicas = &parts->lists[METADATA_REPLICAS];
    struct wire_uuid *own = arena_alloc(arena, (size_t)MAX(replicas->count, 1) * sizeof *own);
    if (own == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < replicas->count; i++)
        own[i] = metadata_directory(p, replicas->ids[i]);
    parts->directories = own;
    return ERR_NONE;
}

/* PartitionRegistration.merge: naming a leader begins a leader epoch, even when it is the old one.
 */
static enum err change_partition(struct step *s, struct metadata_topic *topic,
                                 const struct wire_partition_change_record *record)
{
    const struct metadata_partition *p = metadata_partition(topic, record->partition_id);
    struct metadata_parts parts;
    metadata_parts_of(p, &parts);
    parts.partition_epoch++;
    struct metadata_ids *lists = parts.lists;
    change_list(&lists[METADATA_REPLICAS], record->replicas, record->replicas_count);
    change_list(&lists[METADATA_ISR], record->isr, record->isr_count);
    change_list(&lists[METADATA_ADDING], record->adding_replicas, record->adding_replicas_count);
    change_list(&lists[METADATA_REMOVING], record->removing_replicas,
                record->removing_replicas_count);
    change_list(&lists[METADATA_ELR], record->eligible_leader_replicas,
                record->eligible_leader_replicas_count);
    change_list(&lists[METADATA_LAST_KNOWN_ELR], record->last_known_elr,
                record->last_known_elr_count);
    if (record->leader != METADATA_SAME_LEADER) {
        parts.leader = record->leader;
        parts.leader_epoch++;
    }
    if (record->leader_recovery_state >= 0)
        parts.leader_recovery_state = record->leader_recovery_state;
    enum err e = ERR_NONE;
    if (record->directories_count > 0 &&
        record->directories_count != lists[METADATA_REPLICAS].count)
        return errmsg_set(s->msg, ERR_CORRUPT,
                          "partition %d of topic \"%s\" has %d replicas in %d "
                          "directories",
                          (int)record->partition_id, topic->name,
                          (int)lists[METADATA_REPLICAS].count, (int)record->directories_count);
    if (record->directories_count > 0)
        parts.directories = record->directories;
    else if (record->replicas_count >= 0)
        e = carry_directories(p, &parts, s->arena);
    return e == ERR_NONE ? put_partition(topic, record->partition_id, &parts, s->msg) : e;
}

static enum err apply_partition_change(struct step *s)
{
    const struct wire_partition_change_record *record = s->record;
    struct metadata_topic *topic = NULL;
    enum err e = own_topic(s->image, &record->topic_id, &topic);
    if (e != ERR_NONE)
        return e;
    if (topic == NULL || record->partition_id < 0 || record->partition_id >= topic->partition_count)
        return errmsg_set(s->msg, ERR_CORRUPT, "partition %d changes and does not exist",
                          (int)record->partition_id);
    return change_partition(s, topic, record);
}

static enum err clear_elr(struct step *s, const struct metadata_topic *seen)
{
    enum err e = ERR_NONE;
    struct metadata_topic *topic = NULL;
    for (int32_t i = 0; i < seen->partition_count && e == ERR_NONE; i++) {
        const struct metadata_partition *p = metadata_partition(seen, i);
        if (p->counts[METADATA_ELR] == 0 && p->counts[METADATA_LAST_KNOWN_ELR] == 0)
            continue;
        struct wire_partition_change_record change;
        wire_defaults(&wire_partition_change_record_message, &change);
        change.partition_id = i;
        change.eligible_leader_replicas_count = change.last_known_elr_count = 0;
        e = own_topic(s->image, &seen->id, &topic);
        if (e == ERR_NONE)
            e = change_partition(s, topic, &change);
        seen = topic;
    }
    return e;
}

/* Of one topic, or, without a name, of all (ClearElrRecord.json). */
static enum err apply_clear_elr(struct step *s)
{
    const struct wire_clear_elr_record *record = s->record;
    struct metadata_image *image = s->image;
    enum err e = ERR_NONE;
    if (record->topic_name.size <= 0) {
        for (int32_t i = 0; i < image->topic_count && e == ERR_NONE; i++)
            e = clear_elr(s, metadata_topic_at(image, i));
        return e;
    }
    const struct metadata_topic *topic = metadata_find(image, string_bytes(record->topic_name));
    if (topic == NULL)
        return errmsg_set(s->msg, ERR_CORRUPT, "the ELR of a topic is cleared that does not exist");
    return clear_elr(s, topic);
}

/* ---- what stands under a key ---- */

static enum err apply_kept(struct step *s)
{
    return metadata_keep(s->image, s->message, s->record, s->value, s->arena);
}

static enum err apply_config(struct step *s)
{
    const struct wire_config_record *record = s->record;
    if (record->resource_type != RESOURCE_TOPIC)
        return apply_kept(s);
    const struct metadata_topic *named =
        metadata_find(s->image, string_bytes(record->resource_name));
    if (named == NULL)
        return errmsg_set(s->msg, ERR_CORRUPT, "a setting belongs to no topic");
    struct metadata_topic *topic = NULL;
    enum err e = own_topic(s->image, &named->id, &topic);
    return e == ERR_NONE ? metadata_topic_set(topic, string_bytes(record->name), record->value) : e;
}

static enum err apply_feature(struct step *s)
{
    const struct wire_feature_level_record *record = s->record;
    if (!bytes_equal(string_bytes(record->name), bytes_text("metadata.version")))
        return apply_kept(s);
    if (record->feature_level < METADATA_VERSION_OLDEST ||
        record->feature_level > METADATA_VERSION_NEWEST)
        return errmsg_set(s->msg, ERR_UNSUPPORTED,
                          "metadata.version is %d and this kiln understands %d to %d: "
                          "start the version that wrote it",
                          record->feature_level, METADATA_VERSION_OLDEST, METADATA_VERSION_NEWEST);
    s->image->metadata_version = record->feature_level;
    return ERR_NONE;
}

static enum err apply_producer_ids(struct step *s)
{
    const struct wire_producer_ids_record *record = s->record;
    struct metadata_image *image = s->image;
    if (record->next_producer_id < image->next_producer_id)
        return errmsg_set(s->msg, ERR_CORRUPT, "producer ids go back from %lld to %lld",
                          (long long)image->next_producer_id, (long long)record->next_producer_id);
    image->next_producer_id = record->next_producer_id;
    image->producer_ids_broker = record->broker_id;
    image->producer_ids_broker_epoch = record->broker_epoch;
    return ERR_NONE;
}

/* ---- transactions: what comes after the beginning is shown when it ends, or never (KIP-868) ----
 */

static enum err apply_begin(struct step *s)
{
    struct metadata_edit copy;
    if (s->image->before != NULL)
        return errmsg_set(s->msg, ERR_CORRUPT, "a transaction begins inside of another");
    enum err e = metadata_edit_begin(&copy, s->image->mem, s->image);
    if (e == ERR_NONE)
        s->image->before = metadata_edit_finish(&copy);
    return e;
}

static enum err apply_end(struct step *s)
{
    if (s->image->before == NULL)
        return errmsg_set(s->msg, ERR_CORRUPT, "a transaction ends that never began");
    metadata_image_release(s->image->before);
    s->image->before = NULL;
    return ERR_NONE;
}

static void swap_maps(struct metadata_map *a, struct metadata_map *b)
{
    struct metadata_map c = *a;
    *a = *b;
    *b = c;
}

static enum err apply_abort(struct step *s)
{
    struct metadata_edit back;
    struct metadata_image *image = s->image;
    if (image->before == NULL)
        return errmsg_set(s->msg, ERR_CORRUPT, "a transaction is aborted that never began");
    enum err e = metadata_edit_begin(&back, image->mem, image->before);
    if (e != ERR_NONE)
        return e;
    swap_maps(&image->topics, &back.image->topics);
    swap_maps(&image->names, &back.image->names);
    swap_maps(&image->brokers, &back.image->brokers);
    swap_maps(&image->kept, &back.image->kept);
    image->topic_count = back.image->topic_count;
    image->partition_count = back.image->partition_count;
    image->metadata_version = back.image->metadata_version;
    image->next_producer_id = back.image->next_producer_id;
    image->producer_ids_broker = back.image->producer_ids_broker;
    image->producer_ids_broker_epoch = back.image->producer_ids_broker_epoch;
    metadata_edit_abandon(&back);
    return apply_end(s);
}

/* Nothing of it is of use to anybody. */
static enum err apply_nothing(struct step *s)
{
    (void)s;
    return ERR_NONE;
}

/* ---- brokers ---- */

static enum err apply_register(struct step *s)
{
    return metadata_broker_put(s->image, s->record, s->msg);
}

static enum err change_broker(struct step *s, int32_t id, int64_t epoch,
                              const struct wire_broker_registration_change_record *change)
{
    const struct metadata_broker *broker = metadata_find_broker(s->image, id);
    if (broker == NULL || broker->epoch != epoch)
        return errmsg_set(s->msg, ERR_CORRUPT, "broker %d changes and is not registered", (int)id);
    struct wire_register_broker_record record;
    enum err e = metadata_broker_record(broker, &record, s->arena);
    if (e != ERR_NONE)
        return e;
    if (change->fenced != 0)
        record.fenced = change->fenced > 0;
    if (change->in_controlled_shutdown != 0)
        record.in_controlled_shutdown = change->in_controlled_shutdown > 0;
    if (change->log_dirs_count > 0) {
        record.log_dirs_count = change->log_dirs_count;
        record.log_dirs = change->log_dirs;
    }
    if (change->cordoned_log_dirs_count >= 0) {
        record.cordoned_log_dirs_count = change->cordoned_log_dirs_count;
        record.cordoned_log_dirs = change->cordoned_log_dirs;
    }
    return metadata_broker_put(s->image, &record, s->msg);
}

static enum err apply_registration_change(struct step *s)
{
    const struct wire_broker_registration_change_record *record = s->record;
    return change_broker(s, record->broker_id, record->broker_epoch, record);
}

static enum err apply_fence(struct step *s)
{
    const struct wire_fence_broker_record *record = s->record;
    struct wire_broker_registration_change_record change;
    wire_defaults(&wire_broker_registration_change_record_message, &change);
    change.fenced = 1;
    return change_broker(s, record->id, record->epoch, &change);
}

static enum err apply_unfence(struct step *s)
{
    const struct wire_unfence_broker_record *record = s->record;
    struct wire_broker_registration_change_record change;
    wire_defaults(&wire_broker_registration_change_record_message, &change);
    change.fenced = -1;
    return change_broker(s, record->id, record->epoch, &change);
}

static enum err apply_unregister(struct step *s)
{
    const struct wire_unregister_broker_record *record = s->record;
    const struct metadata_broker *broker = metadata_find_broker(s->image, record->broker_id);
    if (broker == NULL || broker->epoch != record->broker_epoch)
        return errmsg_set(s->msg, ERR_CORRUPT, "broker %d goes and is not registered",
                          (int)record->broker_id);
    uint8_t key[4];
    put_u32(key, (uint32_t)record->broker_id);
    return metadata_map_remove(&s->image->brokers, s->image->mem, bytes_of(key, sizeof key));
}

/* ---- one record ---- */

static const struct row {
    const struct wire_message *message;
    enum err (*apply)(struct step *s);
} rows[] = {
    {&wire_register_broker_record_message, apply_register},
    {&wire_unregister_broker_record_message, apply_unregister},
    {&wire_topic_record_message, apply_topic},
    {&wire_partition_record_message, apply_partition},
    {&wire_config_record_message, apply_config},
    {&wire_partition_change_record_message, apply_partition_change},
    {&wire_fence_broker_record_message, apply_fence},
    {&wire_unfence_broker_record_message, apply_unfence},
    {&wire_remove_topic_record_message, apply_remove_topic},
    {&wire_delegation_token_record_message, apply_kept},
    {&wire_user_scram_credential_record_message, apply_kept},
    {&wire_feature_level_record_message, apply_feature},
    {&wire_client_quota_record_message, apply_kept},
    {&wire_producer_ids_record_message, apply_producer_ids},
    {&wire_broker_registration_change_record_message, apply_registration_change},
    {&wire_access_control_entry_record_message, apply_kept},
    {&wire_remove_access_control_entry_record_message, apply_kept},
    {&wire_no_op_record_message, apply_nothing},
    {&wire_zk_migration_state_record_message, apply_kept},
    {&wire_remove_user_scram_credential_record_message, apply_kept},
    {&wire_begin_transaction_record_message, apply_begin},
    {&wire_end_transaction_record_message, apply_end},
    {&wire_abort_transaction_record_message, apply_abort},
    {&wire_remove_delegation_token_record_message, apply_kept},
    {&wire_register_controller_record_message, apply_kept},
    {&wire_clear_elr_record_message, apply_clear_elr},
    {&wire_unregister_controller_record_message, apply_kept},
};

static const struct row *row_of(const struct wire_message *m)
{
    for (int i = 0; i < COUNT_OF(rows); i++) {
        if (rows[i].message == m)
            return &rows[i];
    }
    return NULL;
}

static enum err apply_parsed(struct metadata_edit *edit, struct wire_bytes value,
                             struct arena *arena, struct errmsg *msg)
{
    struct wire_metadata_head head;
    enum err e = wire_metadata_parse(value, &head, msg);
    if (e != ERR_NONE)
        return e;
    const struct wire_message *m = wire_metadata_message(head.type);
    const struct row *row = m == NULL ? NULL : row_of(m);
    if (row == NULL)
        return errmsg_set(msg, ERR_UNSUPPORTED,
                          "a record of type %u, which this kiln does not know: start the version "
                          "that wrote it",
                          (unsigned)head.type);
    void *record = arena_alloc(arena, MAX(m->size, 1u));
    if (record == NULL)
        return ERR_NOMEM;
    e = wire_decode(m, (int)head.version, head.message, NULL, record, arena, msg);
    if (e != ERR_NONE)
        return e;
    struct step s = {.image = edit->image,
                     .removed = edit->removed,
                     .message = m,
                     .record = record,
                     .value = value,
                     .arena = arena,
                     .msg = msg};
    return row->apply(&s);
}

enum err metadata_edit_apply(struct metadata_edit *edit, int64_t offset, struct wire_bytes value,
                             struct arena *arena, struct errmsg *msg)
{
    ASSERT(offset > edit->image->offset);
    enum err e = apply_parsed(edit, value, arena, msg);
    if (e != ERR_NONE)
        return errmsg_wrap(msg, e, "metadata record at offset %lld", (long long)offset);
    edit->image->offset = offset;
    return ERR_NONE;
}
