/* pages.c - kiln help PAGE: a part of docs/, as it was when this program was built, laid out for a
 * terminal. What the pages of docs/ say stands nowhere twice. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "cli/pages.h"
#include "faults_md.h"
#include "scenarios_md.h"

#define ROW_INDENT 6
#define CELLS_MAX 4
#define PARAGRAPH_MAX 4096

const struct page cli_pages[] = {
    {"language", "the words of a scenario", "docs/scenarios.md", "## Words", "## Known bugs",
     scenarios_md, sizeof scenarios_md},
    {"faults", "all that can go wrong, and how to say it", "docs/faults.md", "## Who is harmed",
     "## Examples", faults_md, sizeof faults_md},
};
const int cli_page_count = COUNT_OF(cli_pages);

struct layout {
    char paragraph[PARAGRAPH_MAX]; /* lines of it so far, with a blank between them */
    size_t size;
    bool shown, fenced, blank, colour; /* blank: the last line was */
};

/* Without the marks of Markdown: `code` is code, and [a link](target) is its text. */
static void add_plain(char *to, size_t *at, struct bytes line)
{
    bool code = false;
    for (size_t i = 0; i < line.size && *at + 1 < PARAGRAPH_MAX; i++) {
        char c = (char)line.data[i];
        code ^= c == '`';
        bool target = !code && c == ']' && i + 1 < line.size && line.data[i + 1] == '(';
        if (target)
            while (i < line.size && line.data[i] != ')')
                i++;
        else if (c != '`' && (code || c != '['))
            to[(*at)++] = c;
    }
    to[*at] = 0;
}

static void end_paragraph(struct layout *l)
{
    if (l->size > 0)
        cli_wrap(stdout, "", 0, l->paragraph);
    l->size = 0;
}

static void show_heading(struct layout *l, struct bytes line)
{
    size_t marks = 0;
    while (marks < line.size && (line.data[marks] == '#' || line.data[marks] == ' '))
        marks++;
    printf("%s%.*s%s\n", l->colour ? "\033[1m" : "", (int)(line.size - marks),
           (const char *)line.data + marks, l->colour ? "\033[m" : "");
}

static bool is_at(struct bytes line, size_t at, const char *text)
{
    size_t size = strlen(text);
    return at + size <= line.size && memcmp(line.data + at, text, size) == 0;
}

/* "| a | b |": the cells without the blanks around them. */
static int split_row(struct bytes line, char cells[CELLS_MAX][PARAGRAPH_MAX])
{
    int count = 0;
    size_t from = 1;
    for (size_t i = 1; i < line.size && count < CELLS_MAX; i++) {
        if (line.data[i] != '|' || line.data[i - 1] != ' ')
            continue;
        struct bytes cell = bytes_of(line.data + from, i - from);
        while (cell.size > 0 && cell.data[0] == ' ')
            cell = bytes_of(cell.data + 1, cell.size - 1);
        while (cell.size > 0 && cell.data[cell.size - 1] == ' ')
            cell.size--;
        size_t size = 0;
        add_plain(cells[count++], &size, cell);
        from = i + 1;
    }
    return count;
}

/* What it is called, what it takes, and below them what it is; the head of a table says nothing
 * that they do not. */
static void show_row(struct bytes line, struct bytes next)
{
    char cells[CELLS_MAX][PARAGRAPH_MAX], left[2 * PARAGRAPH_MAX + 2];
    if (is_at(line, 0, "| ---") || is_at(next, 0, "| ---"))
        return;
    int count = split_row(line, cells);
    if (count < 2)
        return;
    snprintf(left, sizeof left, "%s%s%s", cells[0], count > 2 && cells[1][0] != 0 ? " " : "",
             count > 2 ? cells[1] : "");
    if (left[0] != 0)
        cli_wrap(stdout, "  ", ROW_INDENT + 2, left);
    cli_wrap(stdout, "      ", ROW_INDENT, cells[count - 1]);
}

static void show_line(struct layout *l, struct bytes line, struct bytes next)
{
    bool text = line.size > 0 && line.data[0] != '#' && line.data[0] != '|' &&
                line.data[0] != '-' && line.data[0] != ' ';
    if (!text)
        end_paragraph(l);
    bool blank = l->blank;
    l->blank = line.size == 0;
    if (line.size == 0) {
        fputs(blank ? "" : "\n", stdout);
    } else if (line.data[0] == '#') {
        show_heading(l, line);
    } else if (line.data[0] == '|') {
        show_row(line, next);
    } else {
        if (l->size > 0)
            l->paragraph[l->size++] = ' ';
        add_plain(l->paragraph, &l->size, line);
        if (!text) {
            cli_wrap(stdout, "", line.data[0] == '-' ? 2 : ROW_INDENT, l->paragraph);
            l->size = 0;
        }
    }
}

static struct bytes take_line(struct bytes *rest)
{
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->data, '\n', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    struct bytes line = bytes_of(rest->data, size);
    size_t step = MIN(size + 1, rest->size);
    *rest = bytes_of(rest->data + step, rest->size - step);
    return line;
}

/* Examples stay in docs/, where their lines may be longer than a terminal's. */
void cli_show_page(const struct page *page)
{
    struct layout l = {.colour = cli_colours(STDOUT_FILENO)};
    struct bytes rest = bytes_of(page->text, page->size);
    while (rest.size > 0) {
        struct bytes line = take_line(&rest), peek = rest;
        if (is_at(line, 0, page->from))
            l.shown = true;
        if (is_at(line, 0, page->to))
            break;
        bool fence = is_at(line, 0, "```");
        l.fenced ^= fence;
        if (l.shown && !l.fenced && !fence)
            show_line(&l, line, take_line(&peek));
    }
    end_paragraph(&l);
    cli_wrapf(stdout, 0, "%sThere are examples of all this in %s.", l.blank ? "" : "\n",
              page->file);
}
