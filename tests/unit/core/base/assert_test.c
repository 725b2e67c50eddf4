/* assert_test.c - our own bugs end the process: each case breaks a promise in a child and looks how
 * it died. */
#include "support/test.h"

static void call(void *broken)
{
    (*(void (**)(void))broken)();
}

static void assert_dies(void (*broken)(void))
{
    assert_true(test_dies(call, &broken));
}

enum light { RED, GREEN };
static const struct state lights[] = {
    [RED] = {"red", TO(GREEN)},
    [GREEN] = {"green", 0},
};

static void move_against_the_table(void)
{
    enum light light = GREEN;
    STATE_MOVE(lights, &light, RED);
}

TEST(state_moves_only_as_the_table_allows)
{
    enum light light = RED;
    STATE_MOVE(lights, &light, GREEN);
    assert_int_equal(light, GREEN);
    assert_dies(move_against_the_table);
}

static bool lower_address(const struct heap_node *a, const struct heap_node *b)
{
    return a < b;
}

static void insert_twice(void)
{
    struct heap heap;
    heap_init(&heap, lower_address);
    struct heap_node node = {0};
    heap_insert(&heap, &node);
    heap_insert(&heap, &node);
}

static void remove_what_is_not_there(void)
{
    struct heap heap;
    heap_init(&heap, lower_address);
    struct heap_node node = {0};
    heap_remove(&heap, &node);
}

TEST(heap_node_is_queued_once_and_removed_once)
{
    assert_dies(insert_twice);
    assert_dies(remove_what_is_not_there);
}

static void release_twice(void)
{
    struct mem mem;
    mem_system(&mem);
    mem_free(&mem, mem_alloc(&mem, 1));
    mem.live_count = 0;
    static char none;
    mem_free(&mem, &none);
}

TEST(mem_free_of_more_than_lives_dies)
{
    assert_dies(release_twice);
}

static void overfill(void)
{
    uint64_t rows[8];
    struct trace t;
    trace_init(&t, rows, 8, true);
    TRACE(&t, LOG_WRITTEN, .partition = 1, .end = 2);
    TRACE(&t, LOG_WRITTEN, .partition = 1, .end = 3);
}

TEST(trace_that_must_be_drained_dies_when_full)
{
    assert_dies(overfill);
}

static void push_twice(void)
{
    struct list list, node;
    list_init(&list);
    list_init(&node);
    list_push_back(&list, &node);
    list_push_back(&list, &node);
}

TEST(list_node_stands_in_one_list)
{
    assert_dies(push_twice);
}

static void print_more_than_fits(void)
{
    char to[4];
    text_fit(to, sizeof to, "%d", 1234);
}

TEST(text_that_does_not_fit_its_array_ends_the_process)
{
    assert_dies(print_more_than_fits);
}

static void come_round_in_vain(void)
{
    struct again work = {0};
    again(&work, 7);
    again(&work, 7);
}

static void come_round_with_less(void)
{
    struct again work = {0};
    again(&work, 7);
    again(&work, 6);
}

TEST(work_that_comes_round_has_got_further)
{
    struct again work = {0};
    again(&work, 0);
    again(&work, 1);
    again(&work, 100);
    assert_dies(come_round_in_vain);
    assert_dies(come_round_with_less);
}
