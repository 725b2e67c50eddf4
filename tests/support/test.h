/* test.h - how a test case is written: TEST(a_sentence) { ... }; every case registers itself and is
 * a ctest of its own. */
#ifndef KILN_TEST_H
#define KILN_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/base.h"

struct test_case {
    const char *name;
    void (*run)(void **state);
    struct test_case *next;
};

void test_register(struct test_case *test);

#define TEST(sentence)                                                                             \
    static void sentence(void **state);                                                            \
    __attribute__((constructor)) static void register_##sentence(void)                             \
    {                                                                                              \
        static struct test_case test = {.name = #sentence, .run = sentence};                       \
        test_register(&test);                                                                      \
    }                                                                                              \
    static void sentence(__attribute__((unused)) void **state)

/* A row of the trace that a test keeps, without its text. */
struct test_row {
    struct trace_row row;
    uint64_t arg[TRACE_COLUMNS_MAX];
};

static inline void test_row_keep(struct test_row *kept, const struct trace_row *row)
{
    kept->row = *row;
    memcpy(kept->arg, trace_words(row), trace_kinds[row->kind].column_count * sizeof kept->arg[0]);
}

/* What stands in a column of it: TEST_COLUMN(&kept, LOG_OPEN, end). */
#define TEST_COLUMN(kept, kind, column)                                                            \
    (((const struct trace_##kind *)trace_columns(&(kept)->row, TRACE_##kind))->column)

/* How far a search by chance goes: not as far where a sanitizer makes each step cost ten times as
 * much, for it looks at how a step is done, and the plain build at which steps there are. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_SEARCH(plain, sanitized) (sanitized)
#else
#define TEST_SEARCH(plain, sanitized) (plain)
#endif

#define assert_ok(expression) assert_int_equal((expression), ERR_NONE)

/* Reads tests/<path> whole into malloc'ed memory; fails the test when it cannot. */
uint8_t *test_read_file(const char *path, size_t *size);

/* Runs broken(arg) in a child: true when an assertion ends it. Its last words are not shown. */
bool test_dies(void (*broken)(void *arg), void *arg);

/* A heap whose n-th allocation from now fails (n = 1: the next); n = 0 disarms. failed counts the
 * refusals. It fails the test at test_mem_done when something is still live. For fault loops: n =
 * 1, 2, ... until failed stays 0. */
struct test_mem {
    struct mem mem;
    uint64_t fail_at;
    uint64_t failed;
    uint64_t bytes, bytes_peak; /* held, as the heap rounds them */
};

void test_mem_init(struct test_mem *mem);
void test_mem_done(struct test_mem *mem);

#endif
