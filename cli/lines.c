/* lines.c - what people read, within the width of where they read it: sentences break between
 * words, commands so that they still run as they stand. */
#include <stdio.h>
#include <string.h>
#include "cli/cli.h"

/* Columns of size bytes: of a letter of several bytes the first counts. */
static int columns_of(const char *text, size_t size)
{
    int columns = 0;
    for (size_t i = 0; i < size; i++)
        columns += ((uint8_t)text[i] & 0xc0) != 0x80;
    return columns;
}

/* Bytes up to the next blank, a line's end or the end. */
static size_t word_size(const char *text)
{
    return strcspn(text, " \n");
}

/* Of a command a quoted word is one, and so are an option and its value. */
static size_t command_word_size(const char *text)
{
    bool quoted = false, option = strncmp(text, "--", 2) == 0;
    size_t size = 0;
    for (; text[size] != 0; size++) {
        quoted ^= text[size] == '\'';
        if (quoted || text[size] != ' ')
            continue;
        if (!option || text[size + 1] == '-')
            break;
        option = false;
    }
    return size;
}

/* Each line but the last ends with more, which fits, too. */
static void print_words(FILE *out, const char *before, int indent, const char *text,
                        const char *more)
{
    bool command = more[0] != 0;
    int width = cli_columns(out) - (int)strlen(more);
    const char *line = strrchr(before, '\n');
    int at = line == NULL ? columns_of(before, strlen(before)) : (int)strlen(line + 1);
    bool first = true; /* of its line */
    size_t blanks = strspn(text, " ");
    fprintf(out, "%s%*s", before, (int)blanks, "");
    at += (int)blanks;
    text += blanks;
    while (*text != 0) {
        size_t size = command ? command_word_size(text) : word_size(text);
        int columns = columns_of(text, size);
        if ((!first || at > indent) && at + !first + columns > width) {
            fprintf(out, "%s\n%*s", more, indent, "");
            at = indent;
            first = true;
        }
        fprintf(out, "%s%.*s", first ? "" : " ", (int)size, text);
        at += columns + !first;
        first = false;
        text += size;
        if (*text == '\n') {
            fprintf(out, "\n%*s", text[1] == 0 ? 0 : indent, "");
            at = indent;
            first = true;
            text++;
        }
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

void cli_wrap(FILE *out, const char *before, int indent, const char *text)
{
    print_words(out, before, indent, text, "");
}

void cli_row(FILE *out, const char *left, int indent, const char *text)
{
    char before[CLI_SENTENCE_MAX];
    int columns = columns_of(left, strlen(left));
    if (columns >= indent)
        snprintf(before, sizeof before, "%s\n%*s", left, indent, "");
    else
        snprintf(before, sizeof before, "%s%*s", left, indent - columns, "");
    print_words(out, before, indent, text, "");
}

void cli_wrapf(FILE *out, int indent, const char *format, ...)
{
    char text[CLI_SENTENCE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_wrap(out, "", indent, text);
}

/* ---- commands ---- */

#define COMMAND_INDENT 4

void cli_print_command(FILE *out, const char *before, const char *command)
{
    print_words(out, before, (int)strspn(before, " ") + COMMAND_INDENT, command, " \\");
}

const char *cli_quote(const char *word, char quoted[CLI_QUOTED_MAX])
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./=:,@%+-";
    size_t at = 0;
    if (word[0] != 0 && word[strspn(word, plain)] == 0) {
        snprintf(quoted, CLI_QUOTED_MAX, "%s", word);
        return quoted;
    }
    quoted[at++] = '\'';
    for (; *word != 0 && at + 6 < CLI_QUOTED_MAX; word++) {
        if (*word == '\'')
            at += (size_t)snprintf(quoted + at, CLI_QUOTED_MAX - at, "'\\''");
        else
            quoted[at++] = *word;
    }
    quoted[at++] = '\'';
    quoted[at] = 0;
    return quoted;
}

static const char *program = "kiln";

void cli_called(const char *name)
{
    if (name != NULL && strchr(name, '/') != NULL)
        program = name;
}

const char *cli_program(void)
{
    return program;
}
