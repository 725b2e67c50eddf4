/* places.c - what the metadata log says of the partitions of a directory: their topics'
 * names and ids, which of them were made here, and which are compacted. Pure. */
#include "inspect/internal.h"

#define RESOURCE_TOPIC 2 /* ConfigResource.Type.TOPIC */

struct place {
    struct wire_uuid directory; /* zero: in none yet */
};

struct topic {
    struct omap_node node; /* by id */
    struct wire_uuid id;
    char *name;
    bool compacted;
    struct place *places;
    int32_t count;
};

struct inspect_places {
    struct mem *mem;
    struct omap topics;
    bool known; /* a record has been seen */
};

static int compare_topics(const void *key, const struct omap_node *node)
{
    const struct topic *t = CONTAINER_OF(node, struct topic, node);
    return memcmp(((const struct wire_uuid *)key)->b, t->id.b, sizeof t->id.b);
}

struct inspect_places *inspect_places_new(struct mem *mem)
{
    struct inspect_places *p = mem_zalloc(mem, sizeof *p);
    if (p == NULL)
        return NULL;
    p->mem = mem;
    omap_init(&p->topics, compare_topics);
    return p;
}

static void drop(struct inspect_places *p, struct topic *t)
{
    omap_remove(&p->topics, &t->node);
    mem_free(p->mem, t->name);
    mem_free(p->mem, t->places);
    mem_free(p->mem, t);
}

void inspect_places_free(struct inspect_places *p)
{
    struct omap_node *node;
    if (p == NULL)
        return;
    while ((node = omap_first(&p->topics)) != NULL)
        drop(p, CONTAINER_OF(node, struct topic, node));
    mem_free(p->mem, p);
}

static struct topic *find(struct inspect_places *p, const struct wire_uuid *id)
{
    struct omap_node *node = omap_find(&p->topics, id);
    return node == NULL ? NULL : CONTAINER_OF(node, struct topic, node);
}

static struct topic *find_name(struct inspect_places *p, struct bytes name)
{
    OMAP_EACH (node, &p->topics) {
        struct topic *t = CONTAINER_OF(node, struct topic, node);
        if (bytes_equal(bytes_text(t->name), name))
            return t;
    }
    return NULL;
}

/* ---- records ---- */

static struct bytes bytes_of_string(struct wire_string s)
{
    return bytes_of(s.data, s.size < 0 ? 0 : (size_t)s.size);
}

static enum err take_topic(struct inspect_places *p, const struct wire_topic_record *record)
{
    if (find(p, &record->topic_id) != NULL)
        return ERR_NONE;
    struct bytes name = bytes_of_string(record->name);
    struct topic *t = mem_zalloc(p->mem, sizeof *t);
    if (t == NULL)
        return ERR_NOMEM;
    t->id = record->topic_id;
    t->name = mem_text(p->mem, (const char *)name.data, name.size);
    if (t->name == NULL) {
        mem_free(p->mem, t);
        return ERR_NOMEM;
    }
    bool added = omap_insert(&p->topics, &t->id, &t->node);
    ASSERT(added);
    return ERR_NONE;
}

static enum err take_partition(struct inspect_places *p, const struct wire_partition_record *record)
{
    struct topic *t = find(p, &record->topic_id);
    if (t == NULL || record->partition_id != t->count)
        return ERR_NONE;
    struct place *places = mem_realloc(p->mem, t->places, (size_t)(t->count + 1) * sizeof *places);
    if (places == NULL)
        return ERR_NOMEM;
    t->places = places;
    places[t->count] = (struct place){{{0}}};
    if (record->directories_count > 0)
        places[t->count].directory = record->directories[0];
    t->count++;
    return ERR_NONE;
}

static void take_change(struct inspect_places *p, const struct wire_partition_change_record *record)
{
    const struct topic *t = find(p, &record->topic_id);
    if (t != NULL && record->partition_id >= 0 && record->partition_id < t->count &&
        record->directories_count > 0)
        t->places[record->partition_id].directory = record->directories[0];
}

static void take_config(struct inspect_places *p, const struct wire_config_record *record)
{
    if (record->resource_type != RESOURCE_TOPIC ||
        !bytes_equal(bytes_of_string(record->name), bytes_text("cleanup.policy")))
        return;
    struct topic *t = find_name(p, bytes_of_string(record->resource_name));
    struct bytes value = bytes_of_string(record->value);
    struct bytes word = bytes_text("compact");
    for (size_t at = 0; t != NULL && at + word.size <= value.size; at++)
        t->compacted |= memcmp(value.data + at, word.data, word.size) == 0;
}

enum err inspect_places_take(struct inspect_places *p, const struct wire_message *m,
                             const void *record)
{
    p->known = true;
    if (m == &wire_topic_record_message)
        return take_topic(p, record);
    if (m == &wire_partition_record_message)
        return take_partition(p, record);
    if (m == &wire_partition_change_record_message)
        take_change(p, record);
    else if (m == &wire_config_record_message)
        take_config(p, record);
    else if (m == &wire_remove_topic_record_message) {
        struct topic *t = find(p, &((const struct wire_remove_topic_record *)record)->topic_id);
        if (t != NULL)
            drop(p, t);
    }
    return ERR_NONE;
}

/* ---- what it adds up to ---- */

bool inspect_places_known(const struct inspect_places *p)
{
    return p->known;
}

bool inspect_places_compacted(struct inspect_places *p, struct bytes topic)
{
    const struct topic *t = find_name(p, topic);
    return t != NULL && t->compacted;
}

bool inspect_places_made(struct inspect_places *p, const struct wire_uuid *directory,
                         struct bytes topic, int32_t partition)
{
    const struct topic *t = find_name(p, topic);
    return t != NULL && partition < t->count &&
           wire_uuid_equal(&t->places[partition].directory, directory);
}

void inspect_places_each(struct inspect_places *p, const struct wire_uuid *directory,
                         void (*made)(void *context, const char *name), void *context)
{
    OMAP_EACH (node, &p->topics) {
        const struct topic *t = CONTAINER_OF(node, struct topic, node);
        for (int32_t i = 0; i < t->count; i++) {
            char name[FORMAT_TOPIC_MAX + sizeof "-2147483647"];
            if (!wire_uuid_equal(&t->places[i].directory, directory) ||
                strlen(t->name) > FORMAT_TOPIC_MAX)
                continue; /* no directory has such a name */
            text_fit(name, sizeof name, "%s-%d", t->name, i);
            made(context, name);
        }
    }
}
