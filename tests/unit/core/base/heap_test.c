/* heap_test.c - the pairing heap against an array that is searched. */
#include <stdlib.h>
#include "support/test.h"

#define ITEMS 300

struct item {
    struct heap_node node;
    uint64_t key;
};

static bool item_before(const struct heap_node *a, const struct heap_node *b)
{
    const struct item *x = CONTAINER_OF(a, struct item, node);
    const struct item *y = CONTAINER_OF(b, struct item, node);
    return x->key != y->key ? x->key < y->key : x < y;
}

static struct item *model_min(struct item *items)
{
    struct item *min = NULL;
    for (int i = 0; i < ITEMS; i++) {
        bool better =
            items[i].node.queued && (min == NULL || item_before(&items[i].node, &min->node));
        if (better)
            min = &items[i];
    }
    return min;
}

/* Inserts, removes any node and pops, as the draws will have it. */
TEST(heap_agrees_with_a_searched_array)
{
    static struct item items[ITEMS];
    struct heap heap;
    heap_init(&heap, item_before);
    struct rng rng = {.state = 11};
    for (int step = 0; step < 60000; step++) {
        struct item *item = &items[random_below(rng_next(&rng), ITEMS)];
        uint64_t what = random_below(rng_next(&rng), 8);
        if (what == 0) {
            struct item *min = model_min(items);
            struct heap_node *popped = heap_pop(&heap);
            assert_ptr_equal(popped, min == NULL ? NULL : &min->node);
            assert_true(min == NULL || !min->node.queued);
        } else if (item->node.queued) {
            heap_remove(&heap, &item->node);
            assert_false(item->node.queued);
        } else {
            item->key = random_below(rng_next(&rng), ITEMS / 2);
            heap_insert(&heap, &item->node);
        }
        struct item *min = model_min(items);
        assert_ptr_equal(heap_min(&heap), min == NULL ? NULL : &min->node);
        assert_int_equal(heap_empty(&heap), min == NULL);
    }
}

TEST(heap_pops_in_order)
{
    static struct item items[10000];
    struct heap heap;
    heap_init(&heap, item_before);
    struct rng rng = {.state = 12};
    for (int i = 0; i < COUNT_OF(items); i++) {
        items[i].key = rng_next(&rng);
        heap_insert(&heap, &items[i].node);
    }
    uint64_t last = 0;
    for (int i = 0; i < COUNT_OF(items); i++) {
        struct item *item = CONTAINER_OF(heap_pop(&heap), struct item, node);
        assert_true(item->key >= last);
        last = item->key;
    }
    assert_null(heap_pop(&heap));
}

/* A million siblings: a recursive merge would overflow the stack here. */
TEST(heap_of_a_million_equal_siblings_pops)
{
    size_t count = 1000000;
    struct item *items = calloc(count, sizeof *items);
    struct heap heap;
    heap_init(&heap, item_before);
    for (size_t i = 0; i < count; i++)
        heap_insert(&heap, &items[i].node);
    for (size_t i = 0; i < count; i++)
        assert_ptr_equal(heap_pop(&heap), &items[i].node);
    free(items);
}
