/* panic.c - the end of a program that has found a bug in itself. */
#include <stdio.h>
#include <stdlib.h>
#include "base/base.h"

_Noreturn void panic(const char *file, int line, const char *text)
{
    fprintf(stderr, "kiln: this is a bug in kiln: %s:%d: %s\n", file, line, text);
    fflush(NULL);
    abort();
}
