/* omap_test.c - the AVL tree against a sorted array, its shape included. */
#include "support/test.h"

#define KEYS 200

struct item {
    struct omap_node node;
    int key;
};

static int compare_key(const void *key, const struct omap_node *node)
{
    int a = *(const int *)key, b = CONTAINER_OF(node, struct item, node)->key;
    return a < b ? -1 : a > b;
}

/* Heights, balance, parents and count of a subtree. */
static size_t check_subtree(const struct omap_node *node, const struct omap_node *parent)
{
    if (node == NULL)
        return 0;
    assert_ptr_equal(node->parent, parent);
    size_t count = 1 + check_subtree(node->left, node) + check_subtree(node->right, node);
    int left = node->left == NULL ? 0 : node->left->height;
    int right = node->right == NULL ? 0 : node->right->height;
    assert_int_equal(node->height, 1 + MAX(left, right));
    assert_in_range(left - right + 1, 0, 2);
    return count;
}

/* The present item nearest to key in steps of direction, or NULL. */
static struct omap_node *nearest(struct item *items, int key, int direction)
{
    for (; key >= 0 && key < KEYS; key += direction) {
        if (items[key].node.height > 0)
            return &items[key].node;
    }
    return NULL;
}

static void check_against_model(const struct omap *map, struct item *items, int key)
{
    struct omap_node *here = items[key].node.height > 0 ? &items[key].node : NULL;
    assert_ptr_equal(omap_find(map, &key), here);
    assert_ptr_equal(omap_floor(map, &key), nearest(items, key, -1));
    assert_ptr_equal(omap_ceiling(map, &key), nearest(items, key, +1));
    assert_ptr_equal(omap_first(map), nearest(items, 0, +1));
    assert_ptr_equal(omap_last(map), nearest(items, KEYS - 1, -1));
    if (here != NULL) {
        assert_ptr_equal(omap_next(here), nearest(items, key + 1, +1));
        assert_ptr_equal(omap_prev(here), nearest(items, key - 1, -1));
    }
    assert_int_equal(check_subtree(map->root, NULL), map->count);
}

/* Phases that mostly insert alternate with phases that mostly remove, so that it fills and empties.
 */
TEST(omap_agrees_with_a_sorted_array)
{
    static struct item items[KEYS];
    struct omap map;
    omap_init(&map, compare_key);
    struct rng rng = {.state = 21};
    for (int step = 0; step < 40000; step++) {
        int key = (int)random_below(rng_next(&rng), KEYS);
        bool inserts = random_chance(rng_next(&rng), step / 2000 % 2 == 0 ? 3 : 1, 4);
        struct item *item = &items[key];
        bool present = item->node.height > 0;
        if (inserts && !present) {
            item->key = key;
            assert_true(omap_insert(&map, &key, &item->node));
        } else if (inserts) {
            struct item twin = {.key = key};
            assert_false(omap_insert(&map, &key, &twin.node));
            assert_int_equal(twin.node.height, 0);
        } else if (present) {
            omap_remove(&map, &item->node);
            assert_int_equal(item->node.height, 0);
        }
        check_against_model(&map, items, key);
    }
}

TEST(omap_each_walks_all_keys_in_order)
{
    static struct item items[KEYS];
    struct omap map;
    omap_init(&map, compare_key);
    for (int i = 0; i < KEYS; i++) {
        items[i].key = i * 37 % KEYS;
        assert_true(omap_insert(&map, &items[i].key, &items[i].node));
    }
    int expected = 0;
    OMAP_EACH (node, &map)
        assert_int_equal(CONTAINER_OF(node, struct item, node)->key, expected++);
    assert_int_equal(expected, KEYS);
}

/* An AVL tree of n nodes is at most 1.44 log2(n + 2) high. */
TEST(omap_of_ascending_keys_stays_low)
{
    static struct item items[10000];
    struct omap map;
    omap_init(&map, compare_key);
    for (int i = 0; i < COUNT_OF(items); i++) {
        items[i].key = i;
        assert_true(omap_insert(&map, &i, &items[i].node));
    }
    assert_int_equal(map.count, COUNT_OF(items));
    assert_in_range(map.root->height, 14, 19);
}

TEST(omap_that_is_empty_finds_nothing)
{
    struct omap map;
    omap_init(&map, compare_key);
    int key = 0;
    assert_null(omap_find(&map, &key));
    assert_null(omap_floor(&map, &key));
    assert_null(omap_ceiling(&map, &key));
    assert_null(omap_first(&map));
    assert_null(omap_last(&map));
}
