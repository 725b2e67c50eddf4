/* trace_test.c - the ring of rows: order, fullness, names, and tables without gaps. */
#include "support/test.h"

TEST(trace_gives_rows_back_in_order_around_the_ring)
{
    struct trace_row rows[4];
    struct trace t;
    trace_init(&t, rows, 4, true);
    uint64_t put = 0, taken = 0;
    struct rng rng = {.state = 71};
    for (int step = 0; step < 1000; step++) {
        if (t.head - t.tail < 4 && random_chance(rng_next(&rng), 1, 2)) {
            TRACE(&t, LOG_WRITTEN, 1, put++);
            continue;
        }
        struct trace_row *row = trace_take(&t);
        assert_int_equal(row != NULL, taken < put);
        if (row != NULL) {
            assert_int_equal(row->kind, TRACE_LOG_WRITTEN);
            assert_int_equal(row->arg[1], taken++);
            assert_int_equal(row->arg[2], 0);
        }
    }
    assert_true(taken > 100);
}

TEST(trace_that_is_full_loses_rows_and_counts_them)
{
    struct trace_row rows[2];
    struct trace t;
    trace_init(&t, rows, 2, false);
    for (uint64_t i = 0; i < 5; i++)
        TRACE(&t, LOG_WRITTEN, 1, i);
    assert_int_equal(t.lost_count, 3);
    assert_int_equal(trace_take(&t)->arg[1], 0);
    assert_int_equal(trace_take(&t)->arg[1], 1);
    assert_null(trace_take(&t));
}

TEST(trace_counts_what_happened_sometimes)
{
    struct trace_row rows[2];
    struct trace t;
    trace_init(&t, rows, 2, false);
    for (int i = 0; i < 6; i++)
        SOMETIMES(&t, RECOVERY_CUT_TAIL, i % 3 == 0);
    assert_int_equal(t.mark_count[MARK_RECOVERY_CUT_TAIL], 2);
}

TEST(trace_name_carries_up_to_48_bytes)
{
    struct trace_row rows[1];
    struct trace t;
    trace_init(&t, rows, 1, true);
    trace_name(&t, 9, "orders-0");
    struct trace_row *row = trace_take(&t);
    assert_int_equal(row->arg[0], 9);
    assert_memory_equal(&row->arg[1], "orders-0\0\0\0\0", 12);
    trace_name(&t, 9, "123456789 123456789 123456789 123456789 12345678 and more");
    row = trace_take(&t);
    assert_memory_equal(&row->arg[1], "123456789 123456789 123456789 123456789 12345678", 48);
}

TEST(trace_kinds_and_marks_all_have_texts)
{
    for (int kind = 0; kind < TRACE_KIND_COUNT; kind++) {
        const struct trace_kind_info *info = &trace_kinds[kind];
        assert_non_null(info->name);
        assert_non_null(info->text);
        assert_in_range(info->arg_count, 1, TRACE_ARGS_MAX);
        for (int i = 0; i < info->arg_count; i++)
            assert_non_null(info->args[i]);
    }
    for (int mark = 0; mark < TRACE_MARK_COUNT; mark++)
        assert_non_null(trace_mark_texts[mark]);
}

TEST(trace_rows_have_no_padding)
{
    assert_int_equal(sizeof(struct trace_row), 80);
}

TEST(trace_partition_tells_topics_and_partitions_apart)
{
    assert_true(trace_partition("a", 0) == trace_partition("a", 0));
    assert_true(trace_partition("a", 0) != trace_partition("a", 1));
    assert_true(trace_partition("a", 0) != trace_partition("b", 0));
}
