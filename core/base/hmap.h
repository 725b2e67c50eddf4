/* hmap.h - an intrusive hash map that is walked in the order of insertion, so that no hash decides
 * what happens next. */
#ifndef KILN_BASE_HMAP_H
#define KILN_BASE_HMAP_H

#include "base/err.h"
#include "base/list.h"
#include "base/mem.h"

struct hmap_node {
    struct hmap_node *next; /* in the bucket */
    uint64_t hash;
    struct list order;
};

typedef bool hmap_equal(const void *key, const struct hmap_node *node);

struct hmap {
    struct mem *mem;
    hmap_equal *equal;
    struct hmap_node **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
    struct list order; /* of all nodes; walk it with LIST_EACH(x, &map.order, type, member.order) */
};

/* ERR_NOMEM. */
enum err hmap_init(struct hmap *map, struct mem *mem, hmap_equal *equal) MUST_USE;
/* Frees the buckets; the nodes are the caller's. Harmless on a zeroed map. */
void hmap_free(struct hmap *map);
/* All of from, into what is no map (any more); from is none then. */
void hmap_take(struct hmap *map, struct hmap *from);
/* Never fails: without memory to grow, the chains become longer. The key must not be there yet. */
void hmap_insert(struct hmap *map, uint64_t hash, struct hmap_node *node);
void hmap_remove(struct hmap *map, struct hmap_node *node);
/* NULL when absent. */
struct hmap_node *hmap_find(const struct hmap *map, uint64_t hash, const void *key);

#endif
