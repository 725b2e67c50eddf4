/* list_test.c - intrusive lists: order, removal while walking, splicing. */
#include "support/test.h"

struct item {
    struct list node;
    int value;
};

static void assert_values(struct list *list, const int *values, int count)
{
    int i = 0;
    LIST_EACH (item, list, struct item, node) {
        assert_true(i < count);
        assert_int_equal(item->value, values[i++]);
    }
    assert_int_equal(i, count);
}

static void push(struct list *list, struct item *items, int from, int to)
{
    for (int i = from; i < to; i++) {
        items[i].value = i;
        list_init(&items[i].node);
        list_push_back(list, &items[i].node);
    }
}

TEST(list_keeps_the_order_of_its_pushes)
{
    struct list list;
    list_init(&list);
    assert_true(list_empty(&list));
    assert_null(LIST_FIRST(&list, struct item, node));
    struct item items[4];
    push(&list, items, 1, 4);
    items[0] = (struct item){.value = 0};
    list_init(&items[0].node);
    list_push_front(&list, &items[0].node);
    assert_values(&list, (int[]){0, 1, 2, 3}, 4);
    assert_int_equal(LIST_FIRST(&list, struct item, node)->value, 0);
    assert_ptr_equal(list_pop_front(&list), &items[0].node);
    assert_false(list_linked(&items[0].node));
    assert_values(&list, (int[]){1, 2, 3}, 3);
}

TEST(list_items_may_leave_while_walking)
{
    struct list list;
    list_init(&list);
    struct item items[6];
    push(&list, items, 0, 6);
    LIST_EACH (item, &list, struct item, node) {
        if (item->value % 2 == 0) {
            list_remove(&item->node);
            memset(item, 0xee, sizeof *item); /* as if freed */
        }
    }
    assert_values(&list, (int[]){1, 3, 5}, 3);
    list_remove(&items[3].node);
    list_remove(&items[3].node);
    assert_values(&list, (int[]){1, 5}, 2);
}

TEST(list_splice_moves_all_to_the_back)
{
    struct list a, b;
    list_init(&a);
    list_init(&b);
    struct item items[5];
    push(&a, items, 0, 2);
    push(&b, items, 2, 5);
    list_splice_back(&a, &b);
    assert_true(list_empty(&b));
    assert_values(&a, (int[]){0, 1, 2, 3, 4}, 5);
    list_splice_back(&a, &b);
    assert_values(&a, (int[]){0, 1, 2, 3, 4}, 5);
    list_splice_back(&b, &a);
    assert_true(list_empty(&a));
    assert_values(&b, (int[]){0, 1, 2, 3, 4}, 5);
}
