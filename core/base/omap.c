/* omap.c - the AVL tree: after every change each node's subtrees differ by at most one in height.
 */
#include "base/omap.h"

void omap_init(struct omap *map, omap_compare *compare)
{
    *map = (struct omap){.compare = compare};
}

static int32_t height_of(const struct omap_node *node)
{
    return node == NULL ? 0 : node->height;
}

static int32_t lean_of(const struct omap_node *node)
{
    return height_of(node->left) - height_of(node->right);
}

static void measure(struct omap_node *node)
{
    node->height = 1 + MAX(height_of(node->left), height_of(node->right));
}

/* Puts after where before hangs in its parent. after may be NULL. */
static void replace(struct omap *map, struct omap_node *before, struct omap_node *after)
{
    struct omap_node *parent = before->parent;
    if (parent == NULL)
        map->root = after;
    else if (parent->left == before)
        parent->left = after;
    else
        parent->right = after;
    if (after != NULL)
        after->parent = parent;
}

/* Lifts node's left child above node; returns it. */
static struct omap_node *rotate_right(struct omap *map, struct omap_node *node)
{
    struct omap_node *up = node->left;
    replace(map, node, up);
    node->left = up->right;
    if (node->left != NULL)
        node->left->parent = node;
    up->right = node;
    node->parent = up;
    measure(node);
    measure(up);
    return up;
}

static struct omap_node *rotate_left(struct omap *map, struct omap_node *node)
{
    struct omap_node *up = node->right;
    replace(map, node, up);
    node->right = up->left;
    if (node->right != NULL)
        node->right->parent = node;
    up->left = node;
    node->parent = up;
    measure(node);
    measure(up);
    return up;
}

/* Restores the balance of one node; returns the top of its subtree. */
static struct omap_node *balance(struct omap *map, struct omap_node *node)
{
    int32_t lean = lean_of(node);
    ASSERT(lean >= -2);
    ASSERT(lean <= 2);
    if (lean == 2) {
        if (lean_of(node->left) < 0)
            rotate_left(map, node->left);
        return rotate_right(map, node);
    }
    if (lean == -2) {
        if (lean_of(node->right) > 0)
            rotate_right(map, node->right);
        return rotate_left(map, node);
    }
    measure(node);
    return node;
}

/* From node upwards, as far as heights change. */
static void rebalance(struct omap *map, struct omap_node *node)
{
    while (node != NULL) {
        int32_t before = node->height;
        struct omap_node *top = balance(map, node);
        if (top->height == before)
            return;
        node = top->parent;
    }
}

bool omap_insert(struct omap *map, const void *key, struct omap_node *node)
{
    ASSERT(node->height == 0);
    struct omap_node *parent = NULL;
    struct omap_node **link = &map->root;
    while (*link != NULL) {
        parent = *link;
        int order = map->compare(key, parent);
        if (order == 0)
            return false;
        link = order < 0 ? &parent->left : &parent->right;
    }
    *node = (struct omap_node){.parent = parent, .height = 1};
    *link = node;
    map->count++;
    rebalance(map, parent);
    return true;
}

/* Puts next, the least node of node's right subtree, in node's place. Returns the lowest node whose
 * height may have changed. */
static struct omap_node *succeed(struct omap *map, struct omap_node *node, struct omap_node *next)
{
    struct omap_node *lowest = next;
    if (next->parent != node) {
        lowest = next->parent;
        replace(map, next, next->right);
        next->right = node->right;
        next->right->parent = next;
    }
    replace(map, node, next);
    next->left = node->left;
    next->left->parent = next;
    next->height = node->height;
    return lowest;
}

void omap_remove(struct omap *map, struct omap_node *node)
{
    ASSERT(node->height > 0);
    ASSERT(map->count > 0);
    struct omap_node *lowest = node->parent;
    if (node->left == NULL)
        replace(map, node, node->right);
    else if (node->right == NULL)
        replace(map, node, node->left);
    else
        lowest = succeed(map, node, omap_next(node));
    map->count--;
    rebalance(map, lowest);
    *node = (struct omap_node){0};
}

struct omap_node *omap_find(const struct omap *map, const void *key)
{
    struct omap_node *node = map->root;
    while (node != NULL) {
        int order = map->compare(key, node);
        if (order == 0)
            return node;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

struct omap_node *omap_floor(const struct omap *map, const void *key)
{
    struct omap_node *best = NULL;
    struct omap_node *node = map->root;
    while (node != NULL) {
        int order = map->compare(key, node);
        if (order == 0)
            return node;
        if (order > 0)
            best = node;
        node = order < 0 ? node->left : node->right;
    }
    return best;
}

struct omap_node *omap_ceiling(const struct omap *map, const void *key)
{
    struct omap_node *best = NULL;
    struct omap_node *node = map->root;
    while (node != NULL) {
        int order = map->compare(key, node);
        if (order == 0)
            return node;
        if (order < 0)
            best = node;
        node = order < 0 ? node->left : node->right;
    }
    return best;
}

static struct omap_node *leftmost(struct omap_node *node)
{
    while (node != NULL && node->left != NULL)
        node = node->left;
    return node;
}

static struct omap_node *rightmost(struct omap_node *node)
{
    while (node != NULL && node->right != NULL)
        node = node->right;
    return node;
}

struct omap_node *omap_first(const struct omap *map)
{
    return leftmost(map->root);
}

struct omap_node *omap_last(const struct omap *map)
{
    return rightmost(map->root);
}

struct omap_node *omap_next(const struct omap_node *node)
{
    ASSERT(node->height > 0);
    if (node->right != NULL)
        return leftmost(node->right);
    while (node->parent != NULL && node->parent->right == node)
        node = node->parent;
    return node->parent;
}

struct omap_node *omap_prev(const struct omap_node *node)
{
    ASSERT(node->height > 0);
    if (node->left != NULL)
        return rightmost(node->left);
    while (node->parent != NULL && node->parent->left == node)
        node = node->parent;
    return node->parent;
}
