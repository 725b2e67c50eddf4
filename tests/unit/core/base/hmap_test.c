/* hmap_test.c - the hash map against a table of flags; its order is the order of insertion. */
#include "support/test.h"

#define KEYS 500

struct item {
    struct hmap_node node;
    int key;
    bool present;
    uint64_t inserted_at;
};

static bool equal_key(const void *key, const struct hmap_node *node)
{
    return *(const int *)key == CONTAINER_OF(node, struct item, node)->key;
}

/* Only 64 different hashes: keys that collide must still be told apart. */
static uint64_t hash_of(int key)
{
    return hash_mix((uint64_t)key % 64);
}

static void insert(struct hmap *map, struct item *item, int key, uint64_t now)
{
    item->key = key;
    item->present = true;
    item->inserted_at = now;
    hmap_insert(map, hash_of(key), &item->node);
}

static void check_order(struct hmap *map, size_t present_count)
{
    uint64_t last = 0;
    size_t count = 0;
    LIST_EACH (item, &map->order, struct item, node.order) {
        assert_true(item->present);
        assert_true(item->inserted_at > last);
        last = item->inserted_at;
        count++;
    }
    assert_int_equal(count, present_count);
    assert_int_equal(map->count, present_count);
}

TEST(hmap_agrees_with_a_table_of_flags)
{
    static struct item items[KEYS];
    struct test_mem mem;
    test_mem_init(&mem);
    struct hmap map;
    assert_ok(hmap_init(&map, &mem.mem, equal_key));
    struct rng rng = {.state = 31};
    size_t count = 0;
    for (uint64_t step = 1; step <= 30000; step++) {
        int key = (int)random_below(rng_next(&rng), KEYS);
        struct item *item = &items[key];
        struct hmap_node *found = hmap_find(&map, hash_of(key), &key);
        assert_ptr_equal(found, item->present ? &item->node : NULL);
        if (item->present) {
            hmap_remove(&map, &item->node);
            item->present = false;
            count--;
        } else {
            insert(&map, item, key, step);
            count++;
        }
        if (step % 100 == 0)
            check_order(&map, count);
    }
    assert_true(map.bucket_count > 16); /* it has grown */
    hmap_free(&map);
    test_mem_done(&mem);
}

TEST(hmap_without_memory_to_grow_still_finds_all)
{
    static struct item items[KEYS];
    struct test_mem mem;
    test_mem_init(&mem);
    struct hmap map;
    assert_ok(hmap_init(&map, &mem.mem, equal_key));
    size_t buckets_at_first = map.bucket_count;
    for (int key = 0; key < KEYS; key++) {
        mem.fail_at = 1;
        insert(&map, &items[key], key, (uint64_t)key + 1);
    }
    assert_true(mem.failed > 0);
    assert_int_equal(map.bucket_count, buckets_at_first);
    for (int key = 0; key < KEYS; key++)
        assert_ptr_equal(hmap_find(&map, hash_of(key), &key), &items[key].node);
    check_order(&map, KEYS);
    hmap_free(&map);
    test_mem_done(&mem);
}

TEST(hmap_init_without_memory_says_so)
{
    struct test_mem mem;
    test_mem_init(&mem);
    mem.fail_at = 1;
    struct hmap map;
    assert_int_equal(hmap_init(&map, &mem.mem, equal_key), ERR_NOMEM);
    hmap_free(&map);
    test_mem_done(&mem);
}

TEST(hmap_items_may_be_removed_while_walking)
{
    static struct item items[KEYS];
    struct test_mem mem;
    test_mem_init(&mem);
    struct hmap map;
    assert_ok(hmap_init(&map, &mem.mem, equal_key));
    for (int key = 0; key < KEYS; key++)
        insert(&map, &items[key], key, (uint64_t)key + 1);
    LIST_EACH (item, &map.order, struct item, node.order) {
        if (item->key % 2 == 0)
            hmap_remove(&map, &item->node);
    }
    int expected = 1;
    LIST_EACH (item, &map.order, struct item, node.order) {
        assert_int_equal(item->key, expected);
        expected += 2;
    }
    assert_int_equal(map.count, KEYS / 2);
    hmap_free(&map);
    test_mem_done(&mem);
}

TEST(hmap_free_is_harmless_on_a_zeroed_map)
{
    struct hmap map = {0};
    hmap_free(&map);
    assert_int_equal(map.count, 0);
}
