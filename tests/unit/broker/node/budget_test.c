/* budget_test.c - a heap with an end. */
#include "node/internal.h"
#include "support/test.h"

TEST(a_budget_gives_no_more_than_it_has)
{
    struct test_mem heap;
    test_mem_init(&heap);
    struct budget budget;
    broker_budget_init(&budget, NULL, &heap.mem, 900, 100);
    void *a = mem_alloc(&budget.mem, 600);
    assert_non_null(a);
    assert_null(mem_alloc(&budget.mem, 401));
    void *b = mem_alloc(&budget.mem, 400);
    assert_non_null(b);
    mem_free(&budget.mem, a);
    assert_int_equal(budget.bytes, 400);
    mem_free(&budget.mem, b);
    assert_int_equal(budget.bytes, 0);
    assert_int_equal(budget.mem.live_count, 0);
    test_mem_done(&heap);
}

/* What is beyond the limit is for those who are in already. */
TEST(a_budget_has_room_below_its_limit_and_some_beyond)
{
    struct test_mem heap;
    test_mem_init(&heap);
    struct budget budget;
    broker_budget_init(&budget, NULL, &heap.mem, 900, 100);
    assert_true(broker_budget_has(&budget, 900, CONN_ROOM_COMMON));
    assert_false(broker_budget_has(&budget, 901, CONN_ROOM_COMMON));
    assert_true(broker_budget_has(&budget, 925, CONN_ROOM_SMALL));
    assert_false(broker_budget_has(&budget, 926, CONN_ROOM_SMALL));
    void *a = mem_alloc(&budget.mem, 950);
    assert_non_null(a);
    assert_false(broker_budget_has(&budget, 0, CONN_ROOM_COMMON));
    assert_false(budget.lane.room(&budget.lane, 1, CONN_ROOM_COMMON));
    assert_true(budget.lane.room(&budget.lane, 50, CONN_ROOM_LAST));
    assert_false(budget.lane.room(&budget.lane, 51, CONN_ROOM_LAST));
    mem_free(&budget.mem, a);
    broker_budget_free(&budget);
    broker_budget_init(&budget, NULL, &heap.mem, INT64_MAX, 100);
    assert_true(broker_budget_has(&budget, INT64_MAX - 100, CONN_ROOM_COMMON));
    assert_true(budget.lane.room(&budget.lane, INT64_MAX, CONN_ROOM_LAST));
    test_mem_done(&heap);
}

TEST(a_piece_that_moves_is_counted_once)
{
    struct test_mem heap;
    test_mem_init(&heap);
    struct budget budget;
    broker_budget_init(&budget, NULL, &heap.mem, 900, 100);
    uint8_t *p = mem_alloc(&budget.mem, 100);
    memset(p, 7, 100);
    assert_null(mem_realloc(&budget.mem, p, 1001));
    p = mem_realloc(&budget.mem, p, 1000);
    assert_non_null(p);
    assert_int_equal(p[99], 7);
    assert_int_equal(budget.bytes, 1000);
    p = mem_realloc(&budget.mem, p, 10);
    assert_int_equal(budget.bytes, 10);
    mem_free(&budget.mem, p);
    test_mem_done(&heap);
}

TEST(a_heap_without_memory_costs_the_budget_nothing)
{
    struct test_mem heap;
    test_mem_init(&heap);
    struct budget budget;
    broker_budget_init(&budget, NULL, &heap.mem, 900, 100);
    heap.fail_at = 1;
    assert_null(mem_alloc(&budget.mem, 10));
    assert_int_equal(budget.bytes, 0);
    test_mem_done(&heap);
}
