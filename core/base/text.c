/* text.c - growing text, JSON strings, strict numbers and how far two words are apart. */
#include <locale.h>
#include <stdio.h>
#include "base/text.h"

#define CAP_AT_FIRST 64
#define DISTANCE_LENGTH_MAX 63
#define DISTANCE_FAR 1000
#define UTF8_MAX 4

void text_init(struct text *t, struct mem *mem)
{
    *t = (struct text){.mem = mem};
}

void text_free(struct text *t)
{
    if (t->data != NULL)
        mem_free(t->mem, t->data);
    *t = (struct text){.mem = t->mem};
}

/* Room for size bytes and a zero behind them. */
static bool reserve(struct text *t, size_t size)
{
    if (t->failed)
        return false;
    ASSERT(size < SIZE_MAX / 2 - t->size);
    size_t needed = t->size + size + 1;
    if (needed <= t->cap)
        return true;
    size_t cap = MAX(MAX(needed, t->cap * 2), CAP_AT_FIRST);
    char *data = mem_realloc(t->mem, t->data, cap);
    if (data == NULL) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->cap = cap;
    return true;
}

void text_add(struct text *t, const void *data, size_t size)
{
    if (!reserve(t, size))
        return;
    if (size > 0)
        memcpy(t->data + t->size, data, size);
    t->size += size;
    t->data[t->size] = 0;
}

/* vsnprintf in the C locale: a host program's locale would decide the point of floating numbers.
 * newlocale gives the built-in C locale; nothing is allocated. */
static size_t print(char *to, size_t room, const char *format, va_list args)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    ASSERT(plain != (locale_t)0);
    locale_t before = uselocale(plain);
    int size = vsnprintf(to, room, format, args);
    uselocale(before);
    ASSERT(size >= 0);
    return (size_t)size;
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t room = t->failed ? 0 : t->cap - t->size;
    size_t size = print(room > 0 ? t->data + t->size : NULL, room, format, args);
    va_end(args);
    if (size < room) {
        t->size += size;
    } else if (reserve(t, size)) {
        print(t->data + t->size, t->cap - t->size, format, again);
        t->size += size;
    } else if (room > 0) {
        t->data[t->size] = 0; /* takes back the beginning of what did not fit */
    }
    va_end(again);
}

void text_fit(char *to, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t used = print(to, size, format, args);
    va_end(args);
    ASSERT(used < size);
}

bool text_ends_with(const char *text, const char *tail)
{
    size_t size = strlen(text), tail_size = strlen(tail);
    return size >= tail_size && memcmp(text + size - tail_size, tail, tail_size) == 0;
}

static bool follows(struct bytes s, size_t i, uint8_t low, uint8_t high)
{
    return i < s.size && s.data[i] >= low && s.data[i] <= high;
}

/* The size of the well-formed UTF-8 sequence at i (Unicode 15, table 3-7), 0 when there is none. */
static size_t utf8_size(struct bytes s, size_t i)
{
    uint8_t lead = s.data[i];
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return follows(s, i + 1, 0x80, 0xbf) ? 2 : 0;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead < 0xe0 || lead > 0xf4)
        return 0;
    if (!follows(s, i + 1, low, high) || !follows(s, i + 2, 0x80, 0xbf))
        return 0;
    if (lead < 0xf0)
        return 3;
    return follows(s, i + 3, 0x80, 0xbf) ? 4 : 0;
}

size_t text_utf8_piece(struct bytes s, size_t i, bool *good)
{
    ASSERT(i < s.size);
    size_t size = utf8_size(s, i);
    *good = size > 0;
    if (size > 0)
        return size;
    uint8_t lead = s.data[i];
    if (lead < 0xe0 || lead > 0xf4)
        return 1;
    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xf4 ? 0x8f : 0xbf; /* behind 0xed a surrogate is one piece */
    if (!follows(s, i + 1, low, high))
        return 1;
    bool third = follows(s, i + 2, 0x80, 0xbf);
    return third ? 3 : 2;
}

/* Where the character begins that byte i may be of. */
static size_t character_of(struct bytes s, size_t i)
{
    size_t first = i;
    while (first > 0 && i - first < UTF8_MAX - 1 && (s.data[first] & 0xc0) == 0x80)
        first--;
    return first;
}

size_t text_cut(struct bytes s, size_t max)
{
    if (s.size <= max)
        return s.size;
    size_t first = character_of(s, max); /* over whose bytes the cut would go */
    return utf8_size(s, first) > max - first ? first : max;
}

void text_format(char *to, size_t size, const char *format, va_list args)
{
    ASSERT(size > 0);
    size_t whole = print(to, size, format, args);
    if (whole < size)
        return;
    /* What was cut off is not known any more: a character that began is taken to go on. */
    struct bytes all = bytes_of(to, size - 1);
    size_t last = all.size == 0 ? 0 : character_of(all, all.size - 1);
    if (all.size > 0 && all.data[last] >= 0xc0 && utf8_size(all, last) == 0)
        to[last] = 0;
}

static void add_json_char(struct text *t, char c)
{
    static const char named[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    const char *found = c == 0 ? NULL : strchr(named, c);
    if (found != NULL)
        text_printf(t, "\\%c", names[found - named]);
    else if ((uint8_t)c < 0x20)
        text_printf(t, "\\u%04x", (unsigned)c);
    else
        text_add(t, &c, 1);
}

void text_json(struct text *t, struct bytes s)
{
    text_add(t, "\"", 1);
    for (size_t i = 0; i < s.size;) {
        size_t size = utf8_size(s, i);
        if (size == 0)
            text_add(t, "\xef\xbf\xbd", 3);
        else if (size == 1)
            add_json_char(t, (char)s.data[i]);
        else
            text_add(t, s.data + i, size);
        i += MAX(size, 1);
    }
    text_add(t, "\"", 1);
}

enum err text_parse_int(struct bytes s, int64_t *out)
{
    bool negative = s.size > 0 && s.data[0] == '-';
    size_t first = negative ? 1 : 0;
    if (s.size == first)
        return ERR_INVALID;
    int64_t value = 0;
    bool fits = true;
    for (size_t i = first; i < s.size; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return ERR_INVALID;
        int64_t digit = s.data[i] - '0';
        /* Downwards, for there is one negative number more. */
        fits = fits && !__builtin_mul_overflow(value, 10, &value) &&
               !__builtin_sub_overflow(value, digit, &value);
    }
    if (!fits || (!negative && value == INT64_MIN))
        return ERR_RANGE;
    *out = negative ? value : -value;
    return ERR_NONE;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

int text_distance(const char *a, const char *b)
{
    size_t a_size = strlen(a), b_size = strlen(b);
    if (a_size > DISTANCE_LENGTH_MAX || b_size > DISTANCE_LENGTH_MAX)
        return DISTANCE_FAR;
    /* rows[i % 3][j]: from the first i of a to the first j of b; a swap looks two rows back. */
    int rows[3][DISTANCE_LENGTH_MAX + 1];
    for (size_t i = 0; i <= a_size; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (int)i;
        for (size_t j = 1; j <= b_size; j++) {
            if (i == 0) {
                row[j] = (int)j;
                continue;
            }
            int change = above[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            row[j] = MIN(change, MIN(above[j], row[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                           lower(a[i - 2]) == lower(b[j - 1]);
            if (swapped)
                row[j] = MIN(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a_size % 3][b_size];
}
