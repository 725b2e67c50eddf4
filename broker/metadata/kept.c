/* kept.c - records that are understood and not served yet: each is kept as it came, under what its
 * kind is identified by, until another of the same identity takes its place or takes it away. Pure.
 */
#include "metadata/internal.h"

/* What is the same in a record and in the one that takes it away. */
struct identity {
    struct wire_bytes parts[4];
    int count;
};

#define CONFIG_TYPE 4
#define FEATURE_TYPE 12
#define RECORD(name) const struct wire_##name *r = record

static void add_part(struct identity *id, const void *data, int32_t size)
{
    ASSERT(id->count < COUNT_OF(id->parts));
    id->parts[id->count++] = (struct wire_bytes){.data = data, .size = size};
}

static void add_string(struct identity *id, const struct wire_string *s)
{
    add_part(id, s->data, s->size);
}

static void of_config(const void *record, struct identity *id)
{
    RECORD(config_record);
    add_part(id, &r->resource_type, sizeof r->resource_type);
    add_string(id, &r->resource_name);
    add_string(id, &r->name);
}

static void of_token(const void *record, struct identity *id)
{
    RECORD(delegation_token_record);
    add_string(id, &r->token_id);
}

static void of_removed_token(const void *record, struct identity *id)
{
    RECORD(remove_delegation_token_record);
    add_string(id, &r->token_id);
}

static void of_scram(const void *record, struct identity *id)
{
    RECORD(user_scram_credential_record);
    add_string(id, &r->name);
    add_part(id, &r->mechanism, sizeof r->mechanism);
}

static void of_removed_scram(const void *record, struct identity *id)
{
    RECORD(remove_user_scram_credential_record);
    add_string(id, &r->name);
    add_part(id, &r->mechanism, sizeof r->mechanism);
}

static void of_feature(const void *record, struct identity *id)
{
    RECORD(feature_level_record);
    add_string(id, &r->name);
}

static void of_acl(const void *record, struct identity *id)
{
    RECORD(access_control_entry_record);
    add_part(id, &r->id, sizeof r->id);
}

static void of_removed_acl(const void *record, struct identity *id)
{
    RECORD(remove_access_control_entry_record);
    add_part(id, &r->id, sizeof r->id);
}

static void of_controller(const void *record, struct identity *id)
{
    RECORD(register_controller_record);
    add_part(id, &r->controller_id, sizeof r->controller_id);
}

static void of_removed_controller(const void *record, struct identity *id)
{
    RECORD(unregister_controller_record);
    add_part(id, &r->controller_id, sizeof r->controller_id);
}

static void of_nothing(const void *record, struct identity *id)
{
    (void)record;
    (void)id;
}

static bool is_removed_config(const void *record)
{
    RECORD(config_record);
    return r->value.size < 0;
}

static bool is_removed_feature(const void *record)
{
    RECORD(feature_level_record);
    return r->feature_level == 0;
}

static bool is_removed_quota(const void *record)
{
    RECORD(client_quota_record);
    return r->remove;
}

static bool always(const void *record)
{
    (void)record;
    return true;
}

/* A kind of record. */
struct kind {
    const struct wire_message *message;
    int16_t of; /* the type of the record that it is, or that it takes away */
    void (*identify)(const void *record, struct identity *id); /* NULL: a quota */
    bool (*removes)(const void *record);                       /* NULL: never */
};

static const struct kind kinds[] = {
    {&wire_config_record_message, CONFIG_TYPE, of_config, is_removed_config},
    {&wire_delegation_token_record_message, 10, of_token, NULL},
    {&wire_remove_delegation_token_record_message, 10, of_removed_token, always},
    {&wire_user_scram_credential_record_message, 11, of_scram, NULL},
    {&wire_remove_user_scram_credential_record_message, 11, of_removed_scram, always},
    {&wire_feature_level_record_message, FEATURE_TYPE, of_feature, is_removed_feature},
    {&wire_client_quota_record_message, 14, NULL, is_removed_quota},
    {&wire_access_control_entry_record_message, 18, of_acl, NULL},
    {&wire_remove_access_control_entry_record_message, 18, of_removed_acl, always},
    {&wire_zk_migration_state_record_message, 21, of_nothing, NULL},
    {&wire_register_controller_record_message, 27, of_controller, NULL},
    {&wire_unregister_controller_record_message, 27, of_removed_controller, always},
};

static const struct kind *kind_of(const struct wire_message *m)
{
    for (int i = 0; i < COUNT_OF(kinds); i++) {
        if (kinds[i].message == m)
            return &kinds[i];
    }
    return NULL;
}

/* ---- keys: the type, then each part behind its size ---- */

static size_t part_size(const struct wire_bytes *part)
{
    return sizeof(uint32_t) + (size_t)MAX(part->size, 0);
}

static uint8_t *put_part(uint8_t *at, const struct wire_bytes *part)
{
    put_u32(at, (uint32_t)part->size);
    if (part->size > 0)
        memcpy(at + sizeof(uint32_t), part->data, (size_t)part->size);
    return at + part_size(part);
}

static enum err make_key(int16_t type, const struct wire_bytes *parts, int count,
                         struct arena *arena, struct bytes *out)
{
    size_t size = sizeof(uint16_t);
    for (int i = 0; i < count; i++)
        size += part_size(&parts[i]);
    uint8_t *key = arena_alloc(arena, size);
    if (key == NULL)
        return ERR_NOMEM;
    put_u16(key, (uint16_t)type);
    uint8_t *at = key + sizeof(uint16_t);
    for (int i = 0; i < count; i++)
        at = put_part(at, &parts[i]);
    *out = bytes_of(key, size);
    return ERR_NONE;
}

/* Its entities and its key. */
static enum err quota_key(const struct wire_client_quota_record *r, struct arena *arena,
                          struct bytes *out)
{
    int count = 2 * MAX(r->entity_count, 0) + 1;
    struct wire_bytes *parts = arena_alloc(arena, (size_t)count * sizeof *parts);
    if (parts == NULL)
        return ERR_NOMEM;
    for (int i = 0; i < r->entity_count; i++) {
        const struct wire_string *type = &r->entity[i].entity_type,
                                 *name = &r->entity[i].entity_name;
        parts[2 * i] = (struct wire_bytes){.data = (const uint8_t *)type->data, .size = type->size};
        parts[2 * i + 1] =
            (struct wire_bytes){.data = (const uint8_t *)name->data, .size = name->size};
    }
    parts[count - 1] =
        (struct wire_bytes){.data = (const uint8_t *)r->key.data, .size = r->key.size};
    return make_key(wire_client_quota_record_message.key, parts, count, arena, out);
}

static void kept_free(struct metadata_object *object)
{
    struct metadata_kept *kept = CONTAINER_OF(object, struct metadata_kept, object);
    mem_free(kept->mem, kept);
}

static struct metadata_kept *kept_new(struct mem *mem, struct bytes key, struct wire_bytes value)
{
    size_t size = (size_t)MAX(value.size, 0);
    struct metadata_kept *kept = mem_alloc(mem, sizeof *kept + key.size + size);
    if (kept == NULL)
        return NULL;
    uint8_t *tail = (uint8_t *)(kept + 1);
    memcpy(tail, key.data, key.size);
    memcpy(tail + key.size, value.data, size);
    *kept = (struct metadata_kept){
        .object = {.refs = 1, .key = bytes_of(tail, key.size), .free = kept_free},
        .mem = mem,
        .size = (uint32_t)size,
        .value = tail + key.size};
    return kept;
}

enum err metadata_keep(struct metadata_image *image, const struct wire_message *m,
                       const void *record, struct wire_bytes value, struct arena *arena)
{
    const struct kind *kind = kind_of(m);
    struct identity id = {.count = 0};
    struct bytes key;
    ASSERT(kind != NULL);
    enum err e;
    if (kind->identify != NULL) {
        kind->identify(record, &id);
        e = make_key(kind->of, id.parts, id.count, arena, &key);
    } else {
        e = quota_key(record, arena, &key);
    }
    if (e != ERR_NONE)
        return e;
    if (kind->removes != NULL && kind->removes(record))
        return metadata_map_remove(&image->kept, image->mem, key);
    struct metadata_kept *kept = kept_new(image->mem, key, value);
    if (kept == NULL)
        return ERR_NOMEM;
    e = metadata_map_put(&image->kept, image->mem, &kept->object);
    if (e != ERR_NONE)
        metadata_object_release(&kept->object);
    return e;
}

/* ---- settings of what is no topic ---- */

#define CONFIG_KEY_MAX 1024

/* Up to so many of the parts of a setting's key; its size, or 0 where no key is that long. */
static size_t config_key(uint8_t bytes[CONFIG_KEY_MAX], const int8_t *type,
                         const struct bytes *names, int name_count)
{
    struct wire_bytes part = {.data = (const uint8_t *)type, .size = sizeof *type};
    uint8_t *at = bytes + sizeof(uint16_t);
    put_u16(bytes, CONFIG_TYPE);
    at = put_part(at, &part);
    for (int i = 0; i < name_count; i++) {
        part = (struct wire_bytes){.data = names[i].data, .size = (int32_t)names[i].size};
        if (names[i].size > CONFIG_KEY_MAX ||
            part_size(&part) > CONFIG_KEY_MAX - (size_t)(at - bytes))
            return 0;
        at = put_part(at, &part);
    }
    return (size_t)(at - bytes);
}

/* Of a kind without arrays. */
static void read_record(const struct metadata_object *object, const struct wire_message *m,
                        void *out)
{
    const struct metadata_kept *kept = CONTAINER_OF(object, struct metadata_kept, object);
    struct wire_metadata_head head;
    struct wire_bytes value = {.data = kept->value, .size = (int32_t)kept->size};
    enum err e = wire_metadata_parse(value, &head, NULL);
    if (e == ERR_NONE)
        e = wire_decode(m, (int)head.version, head.message, NULL, out, NULL, NULL);
    ASSERT(e == ERR_NONE);
}

static void read_config(const struct metadata_object *object, struct wire_config_record *out)
{
    read_record(object, &wire_config_record_message, out);
}

struct wire_string metadata_find_config(const struct metadata_image *image, int8_t resource_type,
                                        struct bytes resource, struct bytes key)
{
    uint8_t bytes[CONFIG_KEY_MAX];
    struct bytes names[] = {resource, key};
    size_t size = config_key(bytes, &resource_type, names, COUNT_OF(names));
    const struct metadata_object *found =
        size == 0 ? NULL : metadata_map_find(&image->kept, bytes_of(bytes, size));
    struct wire_config_record record;
    if (found == NULL)
        return WIRE_NULL_STRING;
    read_config(found, &record);
    return record.value;
}

void metadata_config_walk_begin(struct metadata_config_walk *walk,
                                const struct metadata_image *image, int8_t type,
                                struct bytes resource)
{
    uint8_t bytes[CONFIG_KEY_MAX];
    size_t size = config_key(bytes, &type, &resource, resource.size > 0);
    *walk = (struct metadata_config_walk){.type = type};
    walk->next = size == 0 ? metadata_map_count(&image->kept)
                           : metadata_map_rank(&image->kept, bytes_of(bytes, size));
}

static struct bytes view(struct wire_string s)
{
    return bytes_of(s.data, (size_t)MAX(s.size, 0));
}

bool metadata_config_walk_next(struct metadata_config_walk *walk,
                               const struct metadata_image *image, struct metadata_config *out)
{
    uint8_t bytes[CONFIG_KEY_MAX];
    size_t size = config_key(bytes, &walk->type, NULL, 0);
    struct wire_config_record record;
    if (walk->next >= metadata_map_count(&image->kept))
        return false;
    const struct metadata_object *found = metadata_map_at(&image->kept, walk->next++);
    if (found->key.size < size || memcmp(found->key.data, bytes, size) != 0)
        return false;
    read_config(found, &record);
    *out = (struct metadata_config){.resource = view(record.resource_name),
                                    .key = view(record.name),
                                    .value = view(record.value)};
    return true;
}

/* ---- feature levels ---- */

const struct metadata_feature metadata_features[METADATA_FEATURES] = {
    {METADATA_FEATURE_VERSION, METADATA_VERSION_OLDEST, METADATA_VERSION},
    {METADATA_FEATURE_ELR, 0, 1},
};

#define FEATURE_KEY_MAX 128

int16_t metadata_feature_level(const struct metadata_image *image, const char *name)
{
    uint8_t bytes[FEATURE_KEY_MAX];
    struct wire_bytes part = {.data = (const uint8_t *)name, .size = (int32_t)strlen(name)};
    struct wire_feature_level_record record;
    if (bytes_equal(bytes_text(name), bytes_text(METADATA_FEATURE_VERSION)))
        return image->metadata_version;
    ASSERT(sizeof(uint16_t) + part_size(&part) <= sizeof bytes);
    put_u16(bytes, FEATURE_TYPE);
    size_t size = (size_t)(put_part(bytes + sizeof(uint16_t), &part) - bytes);
    const struct metadata_object *found = metadata_map_find(&image->kept, bytes_of(bytes, size));
    if (found == NULL)
        return 0;
    read_record(found, &wire_feature_level_record_message, &record);
    return record.feature_level;
}
