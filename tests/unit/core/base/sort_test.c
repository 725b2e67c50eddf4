/* sort_test.c - the merge sort against an insertion sort, which is stable by construction. */
#include "support/test.h"

#define ITEMS_MAX 300

struct item {
    int key;
    int serial; /* tells equals apart */
    char filler[3];
};

static int compare_key(const void *a, const void *b)
{
    int x = ((const struct item *)a)->key, y = ((const struct item *)b)->key;
    return x < y ? -1 : x > y;
}

static void insertion_sort(struct item *items, int count)
{
    for (int i = 1; i < count; i++) {
        struct item item = items[i];
        int j = i;
        for (; j > 0 && items[j - 1].key > item.key; j--)
            items[j] = items[j - 1];
        items[j] = item;
    }
}

static void fill(struct item *items, int count, int keys, struct rng *rng)
{
    memset(items, 0, (size_t)count * sizeof *items);
    for (int i = 0; i < count; i++) {
        items[i].key = (int)random_below(rng_next(rng), (uint64_t)keys);
        items[i].serial = i;
    }
}

TEST(sort_agrees_with_insertion_sort_for_every_count)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct rng rng = {.state = 41};
    for (int count = 0; count <= ITEMS_MAX; count++) {
        struct item sorted[ITEMS_MAX + 1], expected[ITEMS_MAX + 1];
        fill(sorted, count, 1 + count / 4, &rng);
        memcpy(expected, sorted, sizeof expected);
        insertion_sort(expected, count);
        assert_ok(sort_stable(&mem.mem, sorted, (size_t)count, sizeof *sorted, compare_key));
        assert_memory_equal(sorted, expected, (size_t)count * sizeof *sorted);
    }
    test_mem_done(&mem);
}

TEST(sort_without_memory_leaves_the_items_as_they_were)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct rng rng = {.state = 42};
    struct item items[ITEMS_MAX], before[ITEMS_MAX];
    fill(items, ITEMS_MAX, 1000, &rng);
    memcpy(before, items, sizeof items);
    mem.fail_at = 1;
    enum err e = sort_stable(&mem.mem, items, ITEMS_MAX, sizeof *items, compare_key);
    assert_int_equal(e, ERR_NOMEM);
    assert_memory_equal(items, before, sizeof items);
    test_mem_done(&mem);
}

TEST(sort_of_sorted_items_takes_no_memory)
{
    struct test_mem mem;
    test_mem_init(&mem);
    mem.fail_at = 1;
    struct item items[] = {{.key = 1}, {.key = 2, .serial = 1}, {.key = 2, .serial = 2}};
    assert_ok(sort_stable(&mem.mem, items, COUNT_OF(items), sizeof *items, compare_key));
    assert_int_equal(items[1].serial, 1);
    test_mem_done(&mem);
}
