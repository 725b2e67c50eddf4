/* expected.c - holds what a test sees against the wrong value that it states. */
#include <stdio.h>
#include <string.h>
#include "support/expected.h"

enum test_expectation test_expectation(bool is_right, const char *seen, const char *wrong)
{
    if (is_right)
        return TEST_PASSES_UNEXPECTEDLY;
    return strcmp(seen, wrong) == 0 ? TEST_FAILS_AS_STATED : TEST_FAILS_OTHERWISE;
}

void test_expected_to_fail(const char *issue, bool is_right, const char *seen, const char *wrong)
{
    enum test_expectation came = test_expectation(is_right, seen, wrong);
    if (came == TEST_PASSES_UNEXPECTEDLY)
        fail_msg("it passes, unexpectedly (saw: %s): \"%s\" was done? then say what is right, and "
                 "take the mark away",
                 seen, issue);
    if (came == TEST_FAILS_OTHERWISE)
        fail_msg("neither right nor wrong as before: saw \"%s\", where \"%s\" was expected until "
                 "\"%s\"",
                 seen, wrong, issue);
    printf("expected to fail until \"%s\": %s\n", issue, seen);
}
