/* image.c - what the metadata log adds up to: versions that never change, counted references, and
 * looking things up in them. Pure. */
#include "metadata/internal.h"

/* Readers hold images that are const to them; only the count moves. */
void metadata_topic_retain(const struct metadata_topic *topic)
{
    struct metadata_topic *own = (struct metadata_topic *)topic;
    ASSERT(own->refs > 0);
    own->refs++;
}

void metadata_topic_release(const struct metadata_topic *topic)
{
    struct metadata_topic *own = (struct metadata_topic *)topic;
    if (own == NULL)
        return;
    ASSERT(own->refs > 0);
    if (--own->refs > 0)
        return;
    for (int32_t i = 0; i < own->setting_count; i++) {
        mem_free(own->mem, own->settings[i].key);
        mem_free(own->mem, own->settings[i].value);
    }
    mem_free(own->mem, own->settings);
    mem_free(own->mem, own->partitions);
    mem_free(own->mem, own->name);
    mem_free(own->mem, own);
}

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
    for (int32_t i = 0; i < own->topic_count; i++)
        metadata_topic_release(own->topics[i]);
    mem_free(own->mem, own->topics);
    mem_free(own->mem, own->by_id);
    mem_free(own->mem, own);
}

int metadata_compare_names(struct bytes a, struct bytes b)
{
    int order = memcmp(a.data, b.data, MIN(a.size, b.size));
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

int32_t metadata_name_index(const struct metadata_image *image, struct bytes name)
{
    int32_t low = 0;
    int32_t high = image->topic_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (metadata_compare_names(bytes_text(image->topics[middle]->name), name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int32_t metadata_id_index(const struct metadata_image *image, const struct wire_uuid *id)
{
    int32_t low = 0;
    int32_t high = image->topic_count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (memcmp(&image->by_id[middle]->id, id, sizeof *id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct metadata_topic *metadata_find(const struct metadata_image *image, struct bytes name)
{
    if (name.size == 0)
        return NULL;
    int32_t at = metadata_name_index(image, name);
    if (at == image->topic_count || !bytes_equal(bytes_text(image->topics[at]->name), name))
        return NULL;
    return image->topics[at];
}

const struct metadata_topic *metadata_find_id(const struct metadata_image *image,
                                              const struct wire_uuid *id)
{
    int32_t at = metadata_id_index(image, id);
    if (at == image->topic_count || !wire_uuid_equal(&image->by_id[at]->id, id))
        return NULL;
    return image->by_id[at];
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
        struct bytes other = bytes_text(image->topics[i]->name);
        if (collides(other, name) && !bytes_equal(other, name))
            return image->topics[i];
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
