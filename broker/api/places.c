/* places.c - the partitions that a request names, each once: in the order in which they came first,
 * with what was said of them last, as a map of Kafka's has it. It knows no request but its names.
 */
#include "api/internal.h"

#define TOPIC_ITSELF (-1) /* in the map, beside partitions, which may have any number */

struct key {
    struct bytes topic;
    int32_t number;
    bool is_topic;
};

static bool equal(const void *wanted, const struct hmap_node *node)
{
    const struct key *key = wanted;
    const struct api_place *place = CONTAINER_OF(node, struct api_place, node);
    return place->number == key->number && place->is_topic == key->is_topic &&
           bytes_equal(place->topic, key->topic);
}

/* Of a request that names one partition nothing can come twice. */
static bool is_mapped(const struct api_places *places)
{
    return places->max > 1 || places->topic_max > 1;
}

static uint64_t hash_key(const struct api_places *places, const struct key *key)
{
    if (!is_mapped(places))
        return 0;
    uint64_t hash = hash_bytes(key->topic.data, key->topic.size, key->is_topic ? 1 : 0);
    return hash_combine(hash, (uint64_t)(uint32_t)key->number);
}

static struct api_place *find(struct api_places *places, const struct key *key, uint64_t hash)
{
    if (!is_mapped(places))
        return NULL;
    struct hmap_node *node = hmap_find(&places->map, hash, key);
    return node == NULL ? NULL : CONTAINER_OF(node, struct api_place, node);
}

static void add(struct api_places *places, uint64_t hash, struct api_place *place)
{
    if (is_mapped(places))
        hmap_insert(&places->map, hash, &place->node);
}

enum err api_places_begin(struct api_places *places, struct request *r, int32_t topic_max,
                          int32_t partition_max)
{
    *places = (struct api_places){.topic_max = MAX(topic_max, 0), .max = MAX(partition_max, 0)};
    places->items = api_request_alloc(r, (size_t)places->max, sizeof *places->items);
    places->topics = api_request_alloc(r, (size_t)places->topic_max, sizeof *places->topics);
    if (places->items == NULL || places->topics == NULL)
        return ERR_NOMEM;
    return is_mapped(places) ? hmap_init(&places->map, r->api->mem, equal) : ERR_NONE;
}

void api_places_topic(struct api_places *places, struct bytes topic)
{
    struct key key = {.topic = topic, .number = TOPIC_ITSELF, .is_topic = true};
    uint64_t hash = hash_key(places, &key);
    struct api_place *known = find(places, &key, hash);
    if (known == NULL) {
        ASSERT(places->topic_count < places->topic_max);
        known = &places->topics[places->topic_count];
        *known = (struct api_place){.topic = topic,
                                    .number = TOPIC_ITSELF,
                                    .is_topic = true,
                                    .topic_index = places->topic_count++};
        add(places, hash, known);
    }
    places->topic = known;
}

void api_places_partition(struct api_places *places, int32_t number, const void *row)
{
    struct key key = {.topic = places->topic->topic, .number = number};
    uint64_t hash = hash_key(places, &key);
    struct api_place *known = find(places, &key, hash);
    if (known != NULL) {
        known->row = row;
        known->twice = true;
        return;
    }
    ASSERT(places->count < places->max);
    struct api_place *place = &places->items[places->count++];
    *place = (struct api_place){.topic = key.topic,
                                .number = number,
                                .topic_index = places->topic->topic_index,
                                .row = row};
    places->topic->partition_count++;
    add(places, hash, place);
}

void api_places_end(struct api_places *places)
{
    hmap_free(&places->map);
}
