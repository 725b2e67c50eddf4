/* expected_test.c - a test that is expected to fail may do so in one way only. */
#include "support/expected.h"

TEST(a_failure_that_is_expected_must_be_the_one_that_was_stated)
{
    assert_int_equal(test_expectation(false, "A5 x1", "A5 x1"), TEST_FAILS_AS_STATED);
    assert_int_equal(test_expectation(false, "A5 x2", "A5 x1"), TEST_FAILS_OTHERWISE);
    assert_int_equal(test_expectation(true, "nothing", "A5 x1"), TEST_PASSES_UNEXPECTEDLY);
    assert_int_equal(test_expectation(true, "A5 x1", "A5 x1"), TEST_PASSES_UNEXPECTEDLY);
}
