/* pages.h - the pages of kiln help that are parts of docs/. */
#ifndef KILN_CLI_PAGES_H
#define KILN_CLI_PAGES_H

#include "cli/cli.h"

struct page {
    const char *name, *summary, *file;
    const char *from, *to; /* headings: from this one on, up to that one */
    const unsigned char *text;
    size_t size;
};

extern const struct page cli_pages[];
extern const int cli_page_count;

/* On stdout, as wide as the terminal. */
void cli_show_page(const struct page *page);

#endif
