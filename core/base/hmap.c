/* hmap.c - buckets of chains that double as the map fills; the order of insertion is a list beside
 * them, so that growing changes nothing anybody sees. */
#include "base/hmap.h"

#define BUCKETS_AT_FIRST 16

enum err hmap_init(struct hmap *map, struct mem *mem, hmap_equal *equal)
{
    *map = (struct hmap){.mem = mem, .equal = equal, .bucket_count = BUCKETS_AT_FIRST};
    list_init(&map->order);
    map->buckets = mem_array(mem, BUCKETS_AT_FIRST, sizeof *map->buckets);
    return map->buckets == NULL ? ERR_NOMEM : ERR_NONE;
}

void hmap_free(struct hmap *map)
{
    if (map->buckets != NULL)
        mem_free(map->mem, map->buckets);
    *map = (struct hmap){0};
}

void hmap_take(struct hmap *map, struct hmap *from)
{
    ASSERT(map->buckets == NULL);
    *map = *from;
    list_init(&map->order);
    list_splice_back(&map->order, &from->order);
    *from = (struct hmap){0};
}

static struct hmap_node **bucket_of(const struct hmap *map, uint64_t hash)
{
    return &map->buckets[hash & (map->bucket_count - 1)];
}

static void chain(struct hmap *map, struct hmap_node *node)
{
    struct hmap_node **bucket = bucket_of(map, node->hash);
    node->next = *bucket;
    *bucket = node;
}

/* Without memory it stays as it is: slower, not wrong. */
static void grow(struct hmap *map)
{
    size_t count = map->bucket_count * 2;
    struct hmap_node **buckets = mem_array(map->mem, count, sizeof *buckets);
    if (buckets == NULL)
        return;
    mem_free(map->mem, map->buckets);
    map->buckets = buckets;
    map->bucket_count = count;
    LIST_EACH (node, &map->order, struct hmap_node, order)
        chain(map, node);
}

void hmap_insert(struct hmap *map, uint64_t hash, struct hmap_node *node)
{
    ASSERT(map->buckets != NULL);
    if (map->count >= map->bucket_count)
        grow(map);
    *node = (struct hmap_node){.hash = hash};
    list_init(&node->order);
    chain(map, node);
    list_push_back(&map->order, &node->order);
    map->count++;
}

void hmap_remove(struct hmap *map, struct hmap_node *node)
{
    ASSERT(map->count > 0);
    ASSERT(list_linked(&node->order));
    struct hmap_node **link = bucket_of(map, node->hash);
    while (*link != node) {
        ASSERT(*link != NULL);
        link = &(*link)->next;
    }
    *link = node->next;
    node->next = NULL;
    list_remove(&node->order);
    map->count--;
}

struct hmap_node *hmap_find(const struct hmap *map, uint64_t hash, const void *key)
{
    ASSERT(map->buckets != NULL);
    for (struct hmap_node *node = *bucket_of(map, hash); node != NULL; node = node->next) {
        if (node->hash == hash && map->equal(key, node))
            return node;
    }
    return NULL;
}
