/* err_test.c - names and texts of errors, and sentences put together from them. */
#include "support/test.h"

TEST(err_names_are_parsed_back)
{
    for (int e = 0; e < ERR_COUNT; e++) {
        enum err parsed = ERR_COUNT;
        assert_true(err_parse(err_name((enum err)e), &parsed));
        assert_int_equal(parsed, e);
        assert_true(strlen(err_text((enum err)e)) > 0);
    }
    enum err untouched = ERR_IO;
    assert_false(err_parse("NOSUCH", &untouched));
    assert_false(err_parse("", &untouched));
    assert_int_equal(untouched, ERR_IO);
}

TEST(err_texts_are_all_different)
{
    for (int a = 0; a < ERR_COUNT; a++) {
        for (int b = a + 1; b < ERR_COUNT; b++)
            assert_string_not_equal(err_text((enum err)a), err_text((enum err)b));
    }
}

TEST(errmsg_set_replaces_and_returns_the_error)
{
    struct errmsg msg = {0};
    assert_int_equal(errmsg_set(&msg, ERR_RANGE, "%d is too much", 7), ERR_RANGE);
    assert_string_equal(msg.text, "7 is too much");
    assert_int_equal(errmsg_set(&msg, ERR_IO, "now this"), ERR_IO);
    assert_string_equal(msg.text, "now this");
    assert_int_equal(errmsg_set(NULL, ERR_IO, "nobody listens"), ERR_IO);
}

TEST(errmsg_wrap_puts_the_place_before_the_text)
{
    struct errmsg msg = {0};
    assert_int_equal(errmsg_wrap(&msg, ERR_NOSPACE, "segment %s", "7.log"), ERR_NOSPACE);
    assert_string_equal(msg.text, "segment 7.log: no space left on the disk");
    assert_int_equal(errmsg_wrap(&msg, ERR_NOSPACE, "orders-%d", 3), ERR_NOSPACE);
    assert_string_equal(msg.text, "orders-3: segment 7.log: no space left on the disk");
    assert_int_equal(errmsg_wrap(NULL, ERR_IO, "nobody listens"), ERR_IO);
}

TEST(errmsg_is_cut_at_its_size)
{
    char filler[2 * ERRMSG_SIZE];
    memset(filler, 'x', sizeof filler);
    filler[sizeof filler - 1] = 0;
    struct errmsg msg = {0};
    assert_int_equal(errmsg_set(&msg, ERR_IO, "%s", filler), ERR_IO);
    assert_int_equal(strlen(msg.text), ERRMSG_SIZE - 1);
    assert_int_equal(errmsg_wrap(&msg, ERR_IO, "in front"), ERR_IO);
    assert_int_equal(strlen(msg.text), ERRMSG_SIZE - 1);
    assert_memory_equal(msg.text, "in front: xxx", 13);
    assert_int_equal(errmsg_wrap(&msg, ERR_IO, "%s", filler), ERR_IO);
    assert_int_equal(strlen(msg.text), ERRMSG_SIZE - 1);
}
