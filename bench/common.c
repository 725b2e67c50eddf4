/* common.c - how a program of the bench ends when base finds a bug. */
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"

_Noreturn void panic(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    abort();
}
