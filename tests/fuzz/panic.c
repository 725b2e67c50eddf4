/* panic.c - a broken promise is a finding. */
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"

_Noreturn void panic(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    abort();
}
