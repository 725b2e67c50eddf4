/* omap.h - an intrusive ordered map (AVL tree): ordered by key, never by address; it never
 * allocates. */
#ifndef KILN_BASE_OMAP_H
#define KILN_BASE_OMAP_H

#include "base/assert.h"

struct omap_node {
    struct omap_node *parent, *left, *right;
    int32_t height; /* 0: in no map */
};

/* Orders a key against a node: < 0 when the key is before it, 0 when equal. */
typedef int omap_compare(const void *key, const struct omap_node *node);

struct omap {
    omap_compare *compare;
    struct omap_node *root;
    size_t count;
};

void omap_init(struct omap *map, omap_compare *compare);
/* False, and nothing changed, when the key is there already. node must be in no map. */
bool omap_insert(struct omap *map, const void *key, struct omap_node *node) MUST_USE;
void omap_remove(struct omap *map, struct omap_node *node);
/* NULL when absent. */
struct omap_node *omap_find(const struct omap *map, const void *key);
/* The greatest node <= key, or NULL. */
struct omap_node *omap_floor(const struct omap *map, const void *key);
/* The least node >= key, or NULL. */
struct omap_node *omap_ceiling(const struct omap *map, const void *key);
struct omap_node *omap_first(const struct omap *map);
struct omap_node *omap_last(const struct omap *map);
struct omap_node *omap_next(const struct omap_node *node);
struct omap_node *omap_prev(const struct omap_node *node);

#define OMAP_EACH(node, map)                                                                       \
    for (struct omap_node *node = omap_first(map); node != NULL; node = omap_next(node))

#endif
