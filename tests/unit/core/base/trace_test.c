/* trace_test.c - rows as wide as their kinds: order, fullness, texts, and tables without gaps. */
#include "support/test.h"

#define WORDS 64

TEST(trace_gives_rows_back_in_order)
{
    uint64_t words[WORDS];
    struct trace t;
    trace_init(&t, words, WORDS, true);
    int64_t put = 0, taken = 0;
    struct rng rng = {.state = 71};
    for (int step = 0; step < 5000; step++) {
        bool room = WORDS - t.head >= TRACE_HEAD_WORDS + 6;
        bool wide = random_chance(rng_next(&rng), 1, 2);
        if (room && random_chance(rng_next(&rng), 1, 2)) {
            if (wide)
                TRACE(&t, LOG_START, .partition = 1, .wall = put++);
            else
                TRACE(&t, POLL_INVOKE, .op = put++);
            continue;
        }
        const struct trace_row *row = trace_take(&t);
        assert_int_equal(row != NULL, taken < put);
        if (row != NULL && row->kind == TRACE_LOG_START)
            assert_int_equal(TRACE_AS(row, LOG_START)->wall, taken++);
        else if (row != NULL)
            assert_int_equal(TRACE_AS(row, POLL_INVOKE)->op, taken++);
    }
    assert_true(taken > 1000);
}

TEST(trace_that_is_full_loses_rows_and_counts_them)
{
    uint64_t words[2 * (TRACE_HEAD_WORDS + 3) + 4];
    struct trace t;
    trace_init(&t, words, COUNT_OF(words), false);
    for (uint64_t i = 0; i < 5; i++)
        TRACE(&t, LOG_WRITTEN, .partition = 1, .end = i);
    assert_int_equal(t.lost_count, 3);
    TRACE(&t, POLL_INVOKE, .op = 7); /* a narrow one still has its place */
    assert_int_equal(t.lost_count, 3);
    assert_int_equal(TRACE_AS(trace_take(&t), LOG_WRITTEN)->end, 0);
    assert_int_equal(TRACE_AS(trace_take(&t), LOG_WRITTEN)->end, 1);
    assert_int_equal(TRACE_AS(trace_take(&t), POLL_INVOKE)->op, 7);
    assert_null(trace_take(&t));
    TRACE(&t, LOG_WRITTEN, .partition = 1, .end = 9);
    assert_int_equal(TRACE_AS(trace_take(&t), LOG_WRITTEN)->end, 9);
}

TEST(trace_counts_what_happened_sometimes)
{
    uint64_t words[WORDS];
    struct trace t;
    trace_init(&t, words, WORDS, false);
    for (int i = 0; i < 6; i++)
        SOMETIMES(&t, RECOVERY_CUT_TAIL, i % 3 == 0);
    assert_int_equal(t.mark_count[MARK_RECOVERY_CUT_TAIL], 2);
}

/* Every length around a word, and around the widest row. */
TEST(a_text_ends_within_its_row)
{
    static char text[3000];
    const size_t most = (TRACE_WIDTH_MAX - 1) * sizeof(uint64_t) - 1; /* behind the id */
    for (size_t size = 0; size < sizeof text; size += size < 40 || size + 1900 > 3000 ? 1 : 53) {
        uint64_t words[TRACE_HEAD_WORDS + TRACE_WIDTH_MAX];
        struct trace t;
        trace_init(&t, words, COUNT_OF(words), true);
        memset(text, 'x', size);
        text[size] = 0;
        memset(words, 0xff, sizeof words);
        trace_name(&t, 9, text);
        const struct trace_row *row = trace_take(&t);
        assert_int_equal(TRACE_AS(row, NAME)->id, 9);
        assert_int_equal(strlen(trace_text(row)), MIN(size, most));
        assert_int_equal(row->width, 1 + MIN(size, most) / sizeof(uint64_t) + 1);
    }
}

/* What is not named is 0, and what a row does not have is not there. */
TEST(a_row_is_as_wide_as_its_kind)
{
    struct trace_whole whole;
    uint64_t words[WORDS];
    struct trace t;
    trace_init(&t, words, WORDS, true);
    TRACE(&t, LOG_CUT, .partition = 3, .was = 8);
    const struct trace_row *row = trace_take(&t);
    assert_int_equal(row->width, 6);
    assert_int_equal(trace_row_size(row), sizeof(struct trace_row) + sizeof(struct trace_LOG_CUT));
    assert_int_equal(TRACE_AS(row, LOG_CUT)->end, 0);
    trace_make(&whole, TRACE_SAY, NULL, "");
    assert_int_equal(whole.row.width, 1);
    assert_string_equal(trace_text(&whole.row), "");
}

TEST(a_row_of_others_is_sound_or_it_is_not)
{
    struct trace_whole whole;
    uint32_t words = TRACE_HEAD_WORDS + TRACE_WIDTH_MAX;
    trace_make(&whole, TRACE_LOG_CUT, &(const struct trace_LOG_CUT){.end = 1}, NULL);
    assert_true(trace_is_sound(&whole.row, TRACE_HEAD_WORDS + 6));
    assert_false(trace_is_sound(&whole.row, TRACE_HEAD_WORDS + 5));
    assert_false(trace_is_sound(&whole.row, TRACE_HEAD_WORDS - 1));
    whole.row.width = 7;
    assert_false(trace_is_sound(&whole.row, words));
    whole.row.width = 6;
    whole.row.kind = TRACE_KIND_COUNT;
    assert_false(trace_is_sound(&whole.row, words));
    trace_make(&whole, TRACE_SAY, NULL, "1234567");
    assert_true(trace_is_sound(&whole.row, words));
    whole.word[0] |= 0xffull << 56; /* its zero */
    assert_false(trace_is_sound(&whole.row, words));
    whole.row.width = 0;
    assert_false(trace_is_sound(&whole.row, words));
}

TEST(trace_kinds_and_marks_all_have_texts)
{
    for (int kind = 0; kind < TRACE_KIND_COUNT; kind++) {
        const struct trace_kind_info *info = &trace_kinds[kind];
        assert_non_null(info->name);
        assert_non_null(info->text);
        assert_in_range(info->column_count + info->has_text, 1, TRACE_COLUMNS_MAX);
        for (int i = 0; i < info->column_count; i++) {
            assert_non_null(info->columns[i].name);
            for (int j = 0; j < i; j++)
                assert_string_not_equal(info->columns[i].name, info->columns[j].name);
        }
    }
    for (int mark = 0; mark < TRACE_MARK_COUNT; mark++)
        assert_non_null(trace_mark_texts[mark]);
}

TEST(trace_rows_have_no_padding)
{
    assert_int_equal(sizeof(struct trace_row), 24);
}

TEST(trace_partition_tells_topics_and_partitions_apart)
{
    assert_true(trace_partition("a", 0) == trace_partition("a", 0));
    assert_true(trace_partition("a", 0) != trace_partition("a", 1));
    assert_true(trace_partition("a", 0) != trace_partition("b", 0));
}
