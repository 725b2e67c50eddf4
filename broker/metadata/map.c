/* map.c - a sorted map whose versions share what did not change: a tree that is balanced by weight,
 * of which a change copies only the path to what it changes. Pure. */
#include "metadata/internal.h"

struct metadata_node {
    uint32_t refs;
    int32_t count; /* of entries below it and its own */
    struct metadata_node *left, *right;
    struct metadata_object *object;
};

/* Adams' trees, with the factors of Haskell's Data.Map: one side has at most three times as many as
 * the other. */
#define WEIGHT_MAX 3
#define WEIGHT_SINGLE 2

void metadata_object_retain(struct metadata_object *object)
{
    ASSERT(object->refs > 0);
    object->refs++;
}

void metadata_object_release(struct metadata_object *object)
{
    if (object == NULL)
        return;
    ASSERT(object->refs > 0);
    if (--object->refs == 0)
        object->free(object);
}

static int32_t count_of(const struct metadata_node *n)
{
    return n == NULL ? 0 : n->count;
}

static void node_retain(struct metadata_node *n)
{
    if (n != NULL)
        n->refs++;
}

/* As deep as the tree is. */
static void node_release(struct mem *mem, struct metadata_node *n)
{
    if (n == NULL || --n->refs > 0)
        return;
    node_release(mem, n->left);
    node_release(mem, n->right);
    metadata_object_release(n->object);
    mem_free(mem, n);
}

/* Makes the node one that nobody else sees. False: no memory, and nothing has changed. */
static bool own(struct mem *mem, struct metadata_node **at)
{
    struct metadata_node *n = *at;
    if (n->refs == 1)
        return true;
    struct metadata_node *copy = mem_alloc(mem, sizeof *copy);
    if (copy == NULL)
        return false;
    *copy = *n;
    copy->refs = 1;
    node_retain(copy->left);
    node_retain(copy->right);
    metadata_object_retain(copy->object);
    n->refs--;
    *at = copy;
    return true;
}

static void count_again(struct metadata_node *n)
{
    n->count = 1 + count_of(n->left) + count_of(n->right);
}

/* The right child becomes the root; both are owned. */
static void rotate_left(struct metadata_node **at)
{
    struct metadata_node *n = *at, *r = n->right;
    n->right = r->left;
    r->left = n;
    count_again(n);
    count_again(r);
    *at = r;
}

static void rotate_right(struct metadata_node **at)
{
    struct metadata_node *n = *at, *l = n->left;
    n->left = l->right;
    l->right = n;
    count_again(n);
    count_again(l);
    *at = l;
}

/* Without memory the tree stays as it is: it is sorted, and the next change mends it. */
static void balance(struct mem *mem, struct metadata_node **at)
{
    struct metadata_node *n = *at;
    int32_t left = count_of(n->left), right = count_of(n->right);
    count_again(n);
    if (left + right <= 1)
        return;
    if (right > WEIGHT_MAX * left && own(mem, &n->right)) {
        struct metadata_node *r = n->right;
        bool twice = count_of(r->left) >= WEIGHT_SINGLE * count_of(r->right);
        if (twice && !own(mem, &r->left))
            return;
        if (twice)
            rotate_right(&n->right);
        rotate_left(at);
    } else if (left > WEIGHT_MAX * right && own(mem, &n->left)) {
        struct metadata_node *l = n->left;
        bool twice = count_of(l->right) >= WEIGHT_SINGLE * count_of(l->left);
        if (twice && !own(mem, &l->right))
            return;
        if (twice)
            rotate_left(&n->left);
        rotate_right(at);
    }
}

static enum err put(struct mem *mem, struct metadata_node **at, struct metadata_object *object)
{
    if (*at == NULL) {
        struct metadata_node *n = mem_zalloc(mem, sizeof *n);
        if (n == NULL)
            return ERR_NOMEM;
        *n = (struct metadata_node){.refs = 1, .count = 1, .object = object};
        *at = n;
        return ERR_NONE;
    }
    if (!own(mem, at))
        return ERR_NOMEM;
    struct metadata_node *n = *at;
    int order = metadata_compare_names(object->key, n->object->key);
    if (order == 0) {
        metadata_object_release(n->object);
        n->object = object;
        return ERR_NONE;
    }
    enum err e = put(mem, order < 0 ? &n->left : &n->right, object);
    if (e == ERR_NONE)
        balance(mem, at);
    return e;
}

enum err metadata_map_put(struct metadata_map *map, struct mem *mem, struct metadata_object *object)
{
    ASSERT(object->refs > 0);
    return put(mem, &map->root, object);
}

/* Takes the least entry out, and its object. */
static enum err take_first(struct mem *mem, struct metadata_node **at, struct metadata_object **out)
{
    if (!own(mem, at))
        return ERR_NOMEM;
    struct metadata_node *n = *at;
    if (n->left == NULL) {
        *out = n->object;
        *at = n->right;
        mem_free(mem, n);
        return ERR_NONE;
    }
    enum err e = take_first(mem, &n->left, out);
    if (e == ERR_NONE)
        balance(mem, at);
    return e;
}

static enum err take_root(struct mem *mem, struct metadata_node **at)
{
    struct metadata_node *n = *at;
    if (n->left != NULL && n->right != NULL) {
        struct metadata_object *next = NULL;
        enum err e = take_first(mem, &n->right, &next);
        if (e != ERR_NONE)
            return e;
        metadata_object_release(n->object);
        n->object = next;
        balance(mem, at);
        return ERR_NONE;
    }
    *at = n->left != NULL ? n->left : n->right;
    metadata_object_release(n->object);
    mem_free(mem, n);
    return ERR_NONE;
}

static enum err take(struct mem *mem, struct metadata_node **at, struct bytes key)
{
    if (!own(mem, at))
        return ERR_NOMEM;
    struct metadata_node *n = *at;
    int order = metadata_compare_names(key, n->object->key);
    if (order == 0)
        return take_root(mem, at);
    enum err e = take(mem, order < 0 ? &n->left : &n->right, key);
    if (e == ERR_NONE)
        balance(mem, at);
    return e;
}

enum err metadata_map_remove(struct metadata_map *map, struct mem *mem, struct bytes key)
{
    return metadata_map_find(map, key) == NULL ? ERR_NONE : take(mem, &map->root, key);
}

struct metadata_object **metadata_map_slot(struct metadata_map *map, struct mem *mem,
                                           struct bytes key)
{
    struct metadata_node **at = &map->root;
    for (;;) {
        ASSERT(*at != NULL);
        if (!own(mem, at))
            return NULL;
        struct metadata_node *n = *at;
        int order = metadata_compare_names(key, n->object->key);
        if (order == 0)
            return &n->object;
        at = order < 0 ? &n->left : &n->right;
    }
}

struct metadata_object *metadata_map_find(const struct metadata_map *map, struct bytes key)
{
    const struct metadata_node *n = map->root;
    while (n != NULL) {
        int order = metadata_compare_names(key, n->object->key);
        if (order == 0)
            return n->object;
        n = order < 0 ? n->left : n->right;
    }
    return NULL;
}

int32_t metadata_map_rank(const struct metadata_map *map, struct bytes key)
{
    int32_t rank = 0;
    for (const struct metadata_node *n = map->root; n != NULL;) {
        bool before = metadata_compare_names(n->object->key, key) < 0;
        rank += before ? count_of(n->left) + 1 : 0;
        n = before ? n->right : n->left;
    }
    return rank;
}

int32_t metadata_map_count(const struct metadata_map *map)
{
    return count_of(map->root);
}

struct metadata_object *metadata_map_at(const struct metadata_map *map, int32_t index)
{
    const struct metadata_node *n = map->root;
    ASSERT(index >= 0);
    ASSERT(index < count_of(n));
    for (;;) {
        int32_t left = count_of(n->left);
        if (index == left)
            return n->object;
        if (index < left) {
            n = n->left;
        } else {
            index -= left + 1;
            n = n->right;
        }
    }
}

void metadata_map_share(struct metadata_map *to, const struct metadata_map *from)
{
    *to = *from;
    node_retain(to->root);
}

void metadata_map_clear(struct metadata_map *map, struct mem *mem)
{
    node_release(mem, map->root);
    map->root = NULL;
}

/* ---- what differs ---- */

void metadata_map_diff(struct metadata_map_diff *d, const struct metadata_map *from,
                       const struct metadata_map *to)
{
    *d = (struct metadata_map_diff){0};
    const struct metadata_map *maps[2] = {from, to};
    for (int side = 0; side < 2; side++) {
        if (maps[side]->root != NULL)
            d->stacks[side][d->depths[side]++] =
                (struct metadata_map_step){maps[side]->root, false};
    }
}

/* The tree on top becomes what it holds, the least first. */
static void open_up(struct metadata_map_diff *d, int side)
{
    struct metadata_map_step *stack = d->stacks[side];
    const struct metadata_node *n = stack[--d->depths[side]].node;
    ASSERT(d->depths[side] + 3 <= METADATA_DIFF_DEPTH_MAX);
    if (n->right != NULL)
        stack[d->depths[side]++] = (struct metadata_map_step){n->right, false};
    stack[d->depths[side]++] = (struct metadata_map_step){n, true};
    if (n->left != NULL)
        stack[d->depths[side]++] = (struct metadata_map_step){n->left, false};
}

static const struct metadata_map_step *top(const struct metadata_map_diff *d, int side)
{
    return d->depths[side] == 0 ? NULL : &d->stacks[side][d->depths[side] - 1];
}

/* Which side's tree must be opened before the two can be compared; -1: none. */
static int side_to_open(const struct metadata_map_step *a, const struct metadata_map_step *b)
{
    bool a_tree = a != NULL && !a->alone, b_tree = b != NULL && !b->alone;
    if (a_tree && b_tree)
        return b->node->count > a->node->count;
    return a_tree ? 0 : b_tree ? 1 : -1;
}

bool metadata_map_diff_next(struct metadata_map_diff *d, struct metadata_object **before,
                            struct metadata_object **after)
{
    for (;;) {
        const struct metadata_map_step *a = top(d, 0), *b = top(d, 1);
        if (a == NULL && b == NULL)
            return false;
        bool same = a != NULL && b != NULL && a->node == b->node && a->alone == b->alone;
        if (same) {
            d->depths[0]--;
            d->depths[1]--;
            continue;
        }
        int side = side_to_open(a, b);
        if (side >= 0) {
            open_up(d, side);
            continue;
        }
        int order = a == NULL ? 1 : b == NULL ? -1 : 0;
        if (order == 0)
            order = metadata_compare_names(a->node->object->key, b->node->object->key);
        *before = order <= 0 ? a->node->object : NULL;
        *after = order >= 0 ? b->node->object : NULL;
        d->depths[0] -= order <= 0;
        d->depths[1] -= order >= 0;
        if (*before != *after)
            return true;
    }
}
