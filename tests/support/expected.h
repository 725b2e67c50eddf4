/* expected.h - tests that are expected to fail until an issue mends what they show. Such a test
 * states the wrong value that it sees today: a crash, a build that breaks, a third value and an
 * unexpected pass all fail. */
#ifndef KILN_TEST_EXPECTED_H
#define KILN_TEST_EXPECTED_H

#include "support/test.h"

/* The titles of the issues that tests wait for. */
#define ISSUE_WORLD "A world of many nodes"
#define ISSUE_BROKER "A broker that can follow"

/* is_right: what the test is about is as it must be. seen: what was there, as a text; wrong: what
 * is there until the issue is done. */
enum test_expectation {
    TEST_FAILS_AS_STATED,
    TEST_PASSES_UNEXPECTEDLY,
    TEST_FAILS_OTHERWISE,
};

enum test_expectation test_expectation(bool is_right, const char *seen, const char *wrong);
/* The same, and fails the test unless it fails as stated. */
void test_expected_to_fail(const char *issue, bool is_right, const char *seen, const char *wrong);

#endif
