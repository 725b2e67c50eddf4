/* assert.h - our own bugs. ASSERT is on in production too; a broken promise ends the process, it is
 * never carried on. */
#ifndef KILN_BASE_ASSERT_H
#define KILN_BASE_ASSERT_H

#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>

/* Defined once in the program (cli/panic.c, tests/support/panic.c): says where and what, writes
 * what it can, aborts. */
_Noreturn __attribute__((cold)) void panic(const char *file, int line, const char *text);

#define ASSERT(cond) ((cond) ? (void)0 : panic(__FILE__, __LINE__, #cond))
#define UNREACHABLE() panic(__FILE__, __LINE__, "unreachable")

#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define COUNT_OF(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_arg)                                                       \
    __attribute__((format(printf, format_index, first_arg)))

#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
