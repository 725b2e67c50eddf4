/* text.h - text that grows, and numbers read strictly: no locale, no trailing garbage, no silent
 * overflow. */
#ifndef KILN_BASE_TEXT_H
#define KILN_BASE_TEXT_H

#include <stdarg.h>
#include "base/bytes.h"
#include "base/err.h"
#include "base/mem.h"

/* Grows in mem; after a failed growth it stays cut and failed is true. Zero-terminated once
 * anything was added. */
struct text {
    struct mem *mem;
    char *data;
    size_t size, cap;
    bool failed;
};

void text_init(struct text *t, struct mem *mem);
void text_free(struct text *t);
void text_add(struct text *t, const void *data, size_t size);
void text_printf(struct text *t, const char *format, ...) PRINTF_LIKE(2, 3);
/* Adds it as a JSON string with quotes; each byte that is no UTF-8 becomes U+FFFD. */
void text_json(struct text *t, struct bytes s);

/* How many bytes at i make one character of UTF-8; *good false: they make none, and Java's decoder
 * puts one U+FFFD in their place (the longest beginning of a character, and a surrogate whole). */
size_t text_utf8_piece(struct bytes s, size_t i, bool *good);

/* The greatest size up to max at which s can be cut without cutting a character of UTF-8. */
size_t text_cut(struct bytes s, size_t max);

/* Formats into an array of size > 0 bytes: cut there (never within a character of UTF-8), always
 * terminated, in no locale. */
void text_format(char *to, size_t size, const char *format, va_list args) PRINTF_LIKE(3, 0);
/* The same into an array that holds all of it, which is asserted. */
void text_fit(char *to, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);

bool text_ends_with(const char *text, const char *tail);

/* Decimal, optional '-'; all of s must be digits. ERR_INVALID, ERR_RANGE. */
enum err text_parse_int(struct bytes s, int64_t *out) MUST_USE;
/* The least number of insertions, deletions, changes and swaps of neighbours (no place edited
 * twice: optimal string alignment), letters of either case being the same; both up to 63 long, else
 * 1000. */
int text_distance(const char *a, const char *b);

#endif
