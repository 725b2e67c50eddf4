/* image.c - what the metadata log adds up to: versions that never change, counted references, and
 * looking things up in them. Pure. */
#include "metadata/internal.h"

/* Readers hold images that are const to them; only the count moves. */
void metadata_image_retain(const struct metadata_image *image)
{
    struct metadata_image *own = (struct metadata_image *)image;
    ASSERT(own->refs > 0);
    own->refs++;
}

void metadata_image_release(const struct metadata_image *image)
{
    struct metadata_image *own = (struct metadata_image *)image;
    if (own == NULL)
        return;
    ASSERT(own->refs > 0);
    if (--own->refs > 0)
        return;
    metadata_map_clear(&own->topics, own->mem);
    metadata_map_clear(&own->names, own->mem);
    metadata_map_clear(&own->brokers, own->mem);
    metadata_map_clear(&own->kept, own->mem);
    metadata_image_release(own->before);
    mem_free(own->mem, own);
}

const struct metadata_image *metadata_visible(const struct metadata_image *image)
{
    return image->before != NULL ? image->before : image;
}

int metadata_compare_names(struct bytes a, struct bytes b)
{
    int order = memcmp(a.data, b.data, MIN(a.size, b.size));
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

static const struct metadata_topic *topic_of(const struct metadata_image *image,
                                             const struct metadata_object *named)
{
    const struct metadata_name *name = CONTAINER_OF(named, struct metadata_name, object);
    const struct metadata_topic *topic = metadata_find_id(image, &name->id);
    ASSERT(topic != NULL);
    return topic;
}

const struct metadata_topic *metadata_find(const struct metadata_image *image, struct bytes name)
{
    if (name.size == 0)
        return NULL;
    const struct metadata_object *named = metadata_map_find(&image->names, name);
    return named == NULL ? NULL : topic_of(image, named);
}

const struct metadata_topic *metadata_find_id(const struct metadata_image *image,
                                              const struct wire_uuid *id)
{
    struct metadata_object *found = metadata_map_find(&image->topics, bytes_of(id, sizeof *id));
    return found == NULL ? NULL : CONTAINER_OF(found, struct metadata_topic, object);
}

const struct metadata_topic *metadata_topic_at(const struct metadata_image *image, int32_t index)
{
    return topic_of(image, metadata_map_at(&image->names, index));
}

const struct metadata_broker *metadata_broker_at(const struct metadata_image *image, int32_t index)
{
    return CONTAINER_OF(metadata_map_at(&image->brokers, index), struct metadata_broker, object);
}

const struct metadata_broker *metadata_find_broker(const struct metadata_image *image, int32_t id)
{
    uint8_t key[4];
    put_u32(key, (uint32_t)id);
    struct metadata_object *found = metadata_map_find(&image->brokers, bytes_of(key, sizeof key));
    return found == NULL ? NULL : CONTAINER_OF(found, struct metadata_broker, object);
}

static uint8_t without_dots(uint8_t c)
{
    return c == '.' ? '_' : c;
}

static bool collides(struct bytes a, struct bytes b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        if (without_dots(a.data[i]) != without_dots(b.data[i]))
            return false;
    }
    return true;
}

const struct metadata_topic *metadata_find_collision(const struct metadata_image *image,
                                                     struct bytes name)
{
    bool possible = false;
    for (size_t i = 0; i < name.size; i++)
        possible |= name.data[i] == '.' || name.data[i] == '_';
    for (int32_t i = 0; possible && i < image->topic_count; i++) {
        const struct metadata_object *other = metadata_map_at(&image->names, i);
        if (collides(other->key, name) && !bytes_equal(other->key, name))
            return topic_of(image, other);
    }
    return NULL;
}

void metadata_topic_configured(const struct metadata_topic *topic,
                               const struct metadata_topic_config *defaults,
                               struct metadata_topic_config *out)
{
    *out = *defaults;
    for (int32_t i = 0; i < topic->setting_count; i++) {
        struct bytes value = bytes_text(topic->settings[i].value);
        /* A log of another version may hold what this one refuses; the default stands then. */
        struct bytes key = bytes_text(topic->settings[i].key);
        if (metadata_topic_config_set(out, key, value, NULL) != ERR_NONE)
            continue;
    }
}

/* ---- what differs ---- */

void metadata_delta(struct metadata_map_diff *d, const struct metadata_image *from,
                    const struct metadata_image *to)
{
    metadata_map_diff(d, &from->topics, &to->topics);
}

bool metadata_delta_next(struct metadata_map_diff *d, const struct metadata_topic **before,
                         const struct metadata_topic **after)
{
    struct metadata_object *a = NULL, *b = NULL;
    if (!metadata_map_diff_next(d, &a, &b))
        return false;
    *before = a == NULL ? NULL : CONTAINER_OF(a, struct metadata_topic, object);
    *after = b == NULL ? NULL : CONTAINER_OF(b, struct metadata_topic, object);
    return true;
}
