/* topic.c - a topic: its name and settings, and its partitions in slabs, so that a change of one
 * copies one slab and not the topic. Pure. */
#include "metadata/internal.h"

#define SLAB 64 /* partitions */

struct metadata_slab {
    uint32_t refs;
    struct metadata_partition *at[SLAB];
};

struct metadata_settings_block {
    uint32_t refs;
    struct metadata_setting at[]; /* and behind them their texts */
};

/* ---- names ---- */

static void name_free(struct metadata_object *object)
{
    struct metadata_name *name = CONTAINER_OF(object, struct metadata_name, object);
    mem_free(name->mem, name);
}

struct metadata_name *metadata_name_new(struct mem *mem, struct bytes name,
                                        const struct wire_uuid *id)
{
    struct metadata_name *n = mem_zalloc(mem, sizeof *n + name.size + 1);
    if (n == NULL)
        return NULL;
    memcpy(n->text, name.data, name.size);
    n->mem = mem;
    n->id = *id;
    n->object =
        (struct metadata_object){.refs = 1, .key = bytes_of(n->text, name.size), .free = name_free};
    return n;
}

/* ---- partitions ---- */

static int32_t ids_count(const struct metadata_partition *p)
{
    int32_t count = 0;
    for (int i = 0; i < METADATA_LIST_COUNT; i++)
        count += p->counts[i];
    return count;
}

struct metadata_ids metadata_ids(const struct metadata_partition *p, enum metadata_list list)
{
    int32_t before = 0;
    for (int i = 0; i < (int)list; i++)
        before += p->counts[i];
    return (struct metadata_ids){.ids = p->ids + before, .count = p->counts[list]};
}

const struct wire_uuid *metadata_directories(const struct metadata_partition *p)
{
    return (const struct wire_uuid *)(p->ids + ids_count(p));
}

struct wire_uuid metadata_directory(const struct metadata_partition *p, int32_t broker_id)
{
    struct metadata_ids replicas = metadata_ids(p, METADATA_REPLICAS);
    for (int32_t i = 0; i < replicas.count; i++) {
        if (replicas.ids[i] == broker_id)
            return metadata_directories(p)[i];
    }
    return (struct wire_uuid){{0}};
}

void metadata_parts_of(const struct metadata_partition *p, struct metadata_parts *out)
{
    *out = (struct metadata_parts){.leader = p->leader,
                                   .leader_epoch = p->leader_epoch,
                                   .partition_epoch = p->partition_epoch,
                                   .leader_recovery_state = p->leader_recovery_state,
                                   .directories = metadata_directories(p)};
    for (int i = 0; i < METADATA_LIST_COUNT; i++)
        out->lists[i] = metadata_ids(p, (enum metadata_list)i);
}

struct metadata_partition *metadata_partition_new(struct mem *mem,
                                                  const struct metadata_parts *parts)
{
    size_t count = 0;
    for (int i = 0; i < METADATA_LIST_COUNT; i++)
        count += (size_t)parts->lists[i].count;
    size_t replicas = (size_t)parts->lists[METADATA_REPLICAS].count;
    struct metadata_partition *p =
        mem_zalloc(mem, sizeof *p + count * sizeof(int32_t) + replicas * sizeof(struct wire_uuid));
    if (p == NULL)
        return NULL;
    p->refs = 1;
    p->leader = parts->leader;
    p->leader_epoch = parts->leader_epoch;
    p->partition_epoch = parts->partition_epoch;
    p->leader_recovery_state = parts->leader_recovery_state;
    int32_t *at = p->ids;
    for (int i = 0; i < METADATA_LIST_COUNT; i++) {
        const struct metadata_ids *list = &parts->lists[i];
        ASSERT(list->count <= METADATA_REPLICAS_MAX);
        p->counts[i] = (uint16_t)list->count;
        if (list->count > 0)
            memcpy(at, list->ids, (size_t)list->count * sizeof *at);
        at += list->count;
    }
    if (parts->directories != NULL && replicas > 0)
        memcpy(at, parts->directories, replicas * sizeof(struct wire_uuid));
    return p;
}

void metadata_partition_release(struct mem *mem, struct metadata_partition *p)
{
    if (p == NULL)
        return;
    ASSERT(p->refs > 0);
    if (--p->refs == 0)
        mem_free(mem, p);
}

/* ---- slabs ---- */

static void slab_release(struct mem *mem, struct metadata_slab *slab)
{
    if (slab == NULL || --slab->refs > 0)
        return;
    for (int i = 0; i < SLAB; i++)
        metadata_partition_release(mem, slab->at[i]);
    mem_free(mem, slab);
}

/* One that no other version sees. NULL: no memory. */
static struct metadata_slab *own_slab(struct metadata_topic *topic, int32_t index)
{
    struct metadata_slab *slab = topic->slabs[index];
    if (slab != NULL && slab->refs == 1)
        return slab;
    struct metadata_slab *copy = mem_zalloc(topic->mem, sizeof *copy);
    if (copy == NULL)
        return NULL;
    if (slab != NULL) {
        *copy = *slab;
        for (int i = 0; i < SLAB; i++) {
            if (copy->at[i] != NULL)
                copy->at[i]->refs++;
        }
        slab_release(topic->mem, slab);
    }
    copy->refs = 1;
    topic->slabs[index] = copy;
    return copy;
}

static int32_t slab_count(int32_t partition_count)
{
    return (partition_count + SLAB - 1) / SLAB;
}

/* Room for the slab of that partition: arrays have the next power of two, so that no capacity need
 * be kept. */
static enum err grow_slabs(struct metadata_topic *topic)
{
    int32_t count = slab_count(topic->partition_count);
    if (topic->partition_count % SLAB != 0 || (count != 0 && (count & (count - 1)) != 0))
        return ERR_NONE;
    size_t cap = count == 0 ? 1 : (size_t)count * 2;
    struct metadata_slab **slabs =
        mem_realloc(topic->mem, topic->slabs, cap * sizeof(struct metadata_slab *));
    if (slabs == NULL)
        return ERR_NOMEM;
    topic->slabs = slabs;
    return ERR_NONE;
}

enum err metadata_topic_put(struct metadata_topic *topic, int32_t number,
                            struct metadata_partition *partition)
{
    ASSERT(number >= 0);
    ASSERT(number <= topic->partition_count);
    bool more = number == topic->partition_count;
    if (more && grow_slabs(topic) != ERR_NONE)
        return ERR_NOMEM;
    if (more && number % SLAB == 0)
        topic->slabs[number / SLAB] = NULL;
    struct metadata_slab *slab = own_slab(topic, number / SLAB);
    if (slab == NULL)
        return ERR_NOMEM;
    topic->partition_count += more;
    metadata_partition_release(topic->mem, slab->at[number % SLAB]);
    slab->at[number % SLAB] = partition;
    return ERR_NONE;
}

const struct metadata_partition *metadata_partition(const struct metadata_topic *topic,
                                                    int32_t number)
{
    ASSERT(number >= 0);
    ASSERT(number < topic->partition_count);
    return topic->slabs[number / SLAB]->at[number % SLAB];
}

void metadata_partition_diff(struct metadata_partition_diff *d, const struct metadata_topic *before,
                             const struct metadata_topic *after)
{
    *d = (struct metadata_partition_diff){.before = before, .after = after};
}

static const struct metadata_slab *slab_at(const struct metadata_topic *topic, int32_t number)
{
    return topic == NULL || number >= topic->partition_count ? NULL : topic->slabs[number / SLAB];
}

bool metadata_partition_diff_next(struct metadata_partition_diff *d, int32_t *number,
                                  const struct metadata_partition **before,
                                  const struct metadata_partition **after)
{
    int32_t end = MAX(d->before == NULL ? 0 : d->before->partition_count,
                      d->after == NULL ? 0 : d->after->partition_count);
    while (d->next < end) {
        const struct metadata_slab *a = slab_at(d->before, d->next);
        const struct metadata_slab *b = slab_at(d->after, d->next);
        if (a == b) {
            d->next = (d->next / SLAB + 1) * SLAB;
            continue;
        }
        *number = d->next++;
        *before = a == NULL ? NULL : a->at[*number % SLAB];
        *after = b == NULL ? NULL : b->at[*number % SLAB];
        if (*before != *after)
            return true;
    }
    return false;
}

/* ---- settings ---- */

static void settings_release(struct mem *mem, struct metadata_settings_block *block)
{
    if (block != NULL && --block->refs == 0)
        mem_free(mem, block);
}

static char *put_text(char **at, const char *text, size_t size)
{
    char *start = *at;
    if (size > 0)
        memcpy(start, text, size);
    start[size] = 0;
    *at += size + 1;
    return start;
}

/* All but the one at skip, and before the one at `at` another one (value.size -1: none). */
static enum err rebuild_settings(struct metadata_topic *topic, int32_t at, int32_t skip,
                                 struct bytes key, struct wire_string value)
{
    bool adds = value.size >= 0;
    int32_t count = topic->setting_count - (skip >= 0) + adds;
    size_t size = sizeof(struct metadata_settings_block) +
                  (size_t)count * sizeof(struct metadata_setting) +
                  (adds ? key.size + (size_t)value.size + 2 : 0);
    for (int32_t i = 0; i < topic->setting_count; i++)
        size += strlen(topic->settings[i].key) + strlen(topic->settings[i].value) + 2;
    struct metadata_settings_block *block = mem_alloc(topic->mem, size);
    if (block == NULL)
        return ERR_NOMEM;
    block->refs = 1;
    char *text = (char *)(block->at + count);
    int32_t n = 0;
    for (int32_t i = 0; i <= topic->setting_count; i++) {
        if (i == at && adds) {
            const char *k = put_text(&text, (const char *)key.data, key.size);
            const char *v = put_text(&text, value.data, (size_t)value.size);
            block->at[n++] = (struct metadata_setting){.key = k, .value = v};
        }
        if (i == skip || i == topic->setting_count)
            continue;
        const struct metadata_setting *s = &topic->settings[i];
        const char *k = put_text(&text, s->key, strlen(s->key));
        const char *v = put_text(&text, s->value, strlen(s->value));
        block->at[n++] = (struct metadata_setting){.key = k, .value = v};
    }
    ASSERT(n == count);
    settings_release(topic->mem, topic->settings_block);
    topic->settings_block = block;
    topic->settings = block->at;
    topic->setting_count = count;
    return ERR_NONE;
}

enum err metadata_topic_set(struct metadata_topic *topic, struct bytes key,
                            struct wire_string value)
{
    int32_t at = 0;
    while (at < topic->setting_count &&
           metadata_compare_names(bytes_text(topic->settings[at].key), key) < 0)
        at++;
    bool there = at < topic->setting_count && bytes_equal(bytes_text(topic->settings[at].key), key);
    if (!there && value.size < 0)
        return ERR_NONE;
    return rebuild_settings(topic, at, there ? at : -1, key, value);
}

/* ---- topics ---- */

static void topic_free(struct metadata_object *object)
{
    struct metadata_topic *topic = CONTAINER_OF(object, struct metadata_topic, object);
    for (int32_t i = 0; i < slab_count(topic->partition_count); i++)
        slab_release(topic->mem, topic->slabs[i]);
    mem_free(topic->mem, topic->slabs);
    settings_release(topic->mem, topic->settings_block);
    metadata_object_release(&topic->named->object);
    mem_free(topic->mem, topic);
}

struct metadata_topic *metadata_topic_new(struct mem *mem, struct metadata_name *name)
{
    struct metadata_topic *topic = mem_zalloc(mem, sizeof *topic);
    if (topic == NULL)
        return NULL;
    topic->mem = mem;
    topic->id = name->id;
    topic->object = (struct metadata_object){
        .refs = 1, .key = bytes_of(&topic->id, sizeof topic->id), .free = topic_free};
    topic->named = name;
    topic->name = name->text;
    metadata_object_retain(&name->object);
    return topic;
}

struct metadata_topic *metadata_topic_copy(const struct metadata_topic *from)
{
    struct metadata_topic *topic = metadata_topic_new(from->mem, from->named);
    if (topic == NULL)
        return NULL;
    int32_t count = slab_count(from->partition_count);
    size_t cap = 1;
    while (cap < (size_t)count)
        cap *= 2;
    topic->slabs = count == 0 ? NULL : mem_array(topic->mem, cap, sizeof(struct metadata_slab *));
    if (count > 0 && topic->slabs == NULL) {
        metadata_topic_release(topic);
        return NULL;
    }
    for (int32_t i = 0; i < count; i++) {
        topic->slabs[i] = from->slabs[i];
        topic->slabs[i]->refs++;
    }
    topic->partition_count = from->partition_count;
    topic->setting_count = from->setting_count;
    topic->settings = from->settings;
    topic->settings_block = from->settings_block;
    if (topic->settings_block != NULL)
        topic->settings_block->refs++;
    return topic;
}

/* Readers hold topics that are const to them; only the count moves. */
void metadata_topic_retain(const struct metadata_topic *topic)
{
    metadata_object_retain((struct metadata_object *)&topic->object);
}

void metadata_topic_release(const struct metadata_topic *topic)
{
    if (topic != NULL)
        metadata_object_release((struct metadata_object *)&topic->object);
}
