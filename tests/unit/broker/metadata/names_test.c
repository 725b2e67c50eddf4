/* names_test.c - what a topic may be called. */
#include "metadata/metadata.h"
#include "support/test.h"

static bool good(const char *name)
{
    return metadata_topic_name_check(bytes_text(name), NULL) == ERR_NONE;
}

TEST(letters_digits_and_three_marks_make_a_name)
{
    assert_true(good("a"));
    assert_true(good("Orders_2.eu-west"));
    assert_true(good("..."));
    assert_false(good(""));
    assert_false(good("."));
    assert_false(good(".."));
    assert_false(good("a b"));
    assert_false(good("a/b"));
    assert_false(good("\xc3\xa4"));
}

TEST(a_name_has_at_most_249_bytes)
{
    char name[251];
    memset(name, 'x', sizeof name);
    assert_ok(metadata_topic_name_check(bytes_of(name, 249), NULL));
    assert_int_equal(metadata_topic_name_check(bytes_of(name, 250), NULL), ERR_INVALID);
}
