/* panic.c - the end of a program that has found a bug in itself. */
#include <stdio.h>
#include <stdlib.h>
#include "cli/record.h"

static struct {
    char *text; /* of who reads it when this process is no more */
    size_t size;
} left;

void panic_leaves(char *text, size_t size)
{
    left.text = text;
    left.size = size;
}

_Noreturn void panic(const char *file, int line, const char *text)
{
    if (left.text != NULL)
        snprintf(left.text, left.size, "%s:%d: %s", file, line, text);
    fprintf(stderr, "kiln: this is a bug in kiln: %s:%d: %s\n", file, line, text);
    fflush(NULL);
    abort();
}
