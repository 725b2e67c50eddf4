/* config.c - values in and out of a struct by rows, and Java's properties files read into it. */
#include "base/config.h"

#define KEY_SIZE 256
#define VALUE_SIZE 1024     /* longer values are refused, unless their key is ignored */
#define SHOWN_SIZE 64       /* of a value, in a message */
#define NEAR_DISTANCE_MAX 4 /* what is further away is no slip of the finger */
#define NEAR_SHARE 3        /* nor what differs in more than one letter of so many */
#define SQUEEZED_SIZE 64

const struct config_row *config_find(const struct config_table *table, const char *key)
{
    for (int i = 0; i < table->count; i++) {
        if (strcmp(table->rows[i].key, key) == 0)
            return &table->rows[i];
    }
    return NULL;
}

/* The letters and digits of a key alone: log_dirs and logDirs mean log.dirs. */
static void squeeze(const char *key, char *out)
{
    size_t size = 0;
    for (; *key != 0 && size < SQUEEZED_SIZE - 1; key++) {
        bool upper = *key >= 'A' && *key <= 'Z';
        bool joint = *key == '.' || *key == '_' || *key == '-';
        if (!joint)
            out[size++] = upper ? (char)(*key - 'A' + 'a') : *key;
    }
    out[size] = 0;
}

/* The last words of a key, as segment.bytes is of log.segment.bytes. */
static bool is_end_of(const char *end, const char *key)
{
    size_t end_size = strlen(end);
    size_t size = strlen(key);
    return strchr(end, '.') != NULL && end_size < size && strcmp(key + size - end_size, end) == 0 &&
           key[size - end_size - 1] == '.';
}

static int distance_of(const char *key, const char *known)
{
    char a[SQUEEZED_SIZE], b[SQUEEZED_SIZE];
    if (is_end_of(key, known) || is_end_of(known, key))
        return 1;
    squeeze(key, a);
    squeeze(known, b);
    return text_distance(a, b);
}

const char *config_nearest(const struct config_table *table, const char *key)
{
    const char *nearest = NULL;
    char letters[SQUEEZED_SIZE];
    squeeze(key, letters);
    int best = MIN((int)strlen(letters) / NEAR_SHARE, NEAR_DISTANCE_MAX) + 1;
    for (int i = 0; i < table->count; i++) {
        int distance = distance_of(key, table->rows[i].key);
        if (distance < best) {
            best = distance;
            nearest = table->rows[i].key;
        }
    }
    return nearest;
}

static enum err unknown_key(const struct config_table *table, const char *key, struct errmsg *msg)
{
    const char *nearest = config_nearest(table, key);
    if (nearest == NULL)
        return errmsg_set(msg, ERR_NOTFOUND, "there is no key \"%s\"", key);
    return errmsg_set(msg, ERR_NOTFOUND, "there is no key \"%s\"; did you mean \"%s\"?", key,
                      nearest);
}

/* As Java's String.trim, which Kafka applies to each value. */
static bool is_space(uint8_t c)
{
    return c <= ' ';
}

static struct bytes trim(struct bytes s)
{
    while (s.size > 0 && is_space(s.data[0]))
        s = bytes_of(s.data + 1, s.size - 1);
    while (s.size > 0 && is_space(s.data[s.size - 1]))
        s.size--;
    return s;
}

static int shown(struct bytes value)
{
    return (int)MIN(value.size, SHOWN_SIZE);
}

/* People look for a comment behind a value; Java's properties have none there. */
static const char *comment_hint(struct bytes value)
{
    bool mark = value.size > 0 && memchr(value.data, '#', value.size) != NULL;
    return mark ? " (a comment needs a line of its own)" : "";
}

/* Kafka takes True and FALSE as well. */
static bool is_word(struct bytes value, const char *word)
{
    if (value.size != strlen(word))
        return false;
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != word[i])
            return false;
    }
    return true;
}

static enum err set_bool(const struct config_row *row, void *field, struct bytes value,
                         struct errmsg *msg)
{
    bool yes = is_word(value, "true");
    if (!yes && !is_word(value, "false"))
        return errmsg_set(msg, ERR_INVALID, "%s: \"%.*s\" is neither true nor false%s", row->key,
                          shown(value), (const char *)value.data, comment_hint(value));
    memcpy(field, &yes, sizeof yes);
    return ERR_NONE;
}

static enum err set_int(const struct config_row *row, void *field, struct bytes value,
                        struct errmsg *msg)
{
    int64_t number = 0;
    bool plus = value.size > 1 && value.data[0] == '+' && value.data[1] != '-';
    enum err e = text_parse_int(plus ? bytes_of(value.data + 1, value.size - 1) : value, &number);
    if (e == ERR_INVALID)
        return errmsg_set(msg, e, "%s: \"%.*s\" is not a whole number%s", row->key, shown(value),
                          (const char *)value.data, comment_hint(value));
    if (row->min == row->max && (e == ERR_RANGE || number != row->min))
        return errmsg_set(msg, ERR_RANGE, "%s: %.*s is not %lld, and that alone can be had",
                          row->key, shown(value), (const char *)value.data, (long long)row->min);
    if (e == ERR_RANGE || number < row->min || number > row->max)
        return errmsg_set(msg, ERR_RANGE, "%s: %.*s is not between %lld and %lld", row->key,
                          shown(value), (const char *)value.data, (long long)row->min,
                          (long long)row->max);
    memcpy(field, &number, sizeof number);
    return ERR_NONE;
}

/* The index-th of "a|b|c"; false behind the last. */
static bool choice_at(const char *values, int32_t index, struct bytes *out)
{
    for (; index > 0; index--) {
        values = strchr(values, '|');
        if (values == NULL)
            return false;
        values++;
    }
    *out = bytes_of(values, strcspn(values, "|"));
    return true;
}

static enum err set_enum(const struct config_row *row, void *field, struct bytes value,
                         struct errmsg *msg)
{
    struct bytes choice;
    for (int32_t i = 0; choice_at(row->values, i, &choice); i++) {
        if (bytes_equal(choice, value)) {
            memcpy(field, &i, sizeof i);
            return ERR_NONE;
        }
    }
    return errmsg_set(msg, ERR_INVALID, "%s: \"%.*s\" is none of %s%s", row->key, shown(value),
                      (const char *)value.data, row->values, comment_hint(value));
}

static enum err set_string(const struct config_row *row, void *field, struct bytes value,
                           struct errmsg *msg)
{
    if (value.size >= CONFIG_STRING_SIZE)
        return errmsg_set(msg, ERR_RANGE, "%s: \"%.*s...\" has %zu bytes; up to %d are allowed",
                          row->key, shown(value), (const char *)value.data, value.size,
                          CONFIG_STRING_SIZE - 1);
    if (value.size > 0 && memchr(value.data, 0, value.size) != NULL)
        return errmsg_set(msg, ERR_INVALID, "%s: the value contains a zero byte", row->key);
    memset(field, 0, CONFIG_STRING_SIZE);
    if (value.size > 0)
        memcpy(field, value.data, value.size);
    return ERR_NONE;
}

static enum err set_field(const struct config_row *row, void *target, struct bytes value,
                          struct errmsg *msg)
{
    void *field = (uint8_t *)target + row->offset;
    switch (row->type) {
    case CONFIG_BOOL:
        return set_bool(row, field, value, msg);
    case CONFIG_INT:
        return set_int(row, field, value, msg);
    case CONFIG_ENUM:
        return set_enum(row, field, value, msg);
    case CONFIG_STRING:
        return set_string(row, field, value, msg);
    }
    UNREACHABLE();
}

static struct config_given *given_of(const struct config_table *table, void *target)
{
    ASSERT(table->given_offset == 0 || table->count <= CONFIG_ROWS_MAX);
    return table->given_offset == 0
               ? NULL
               : (struct config_given *)((uintptr_t)target + table->given_offset);
}

void config_defaults(const struct config_table *table, void *target)
{
    struct config_given *given = given_of(table, target);
    if (given != NULL)
        *given = (struct config_given){0};
    for (int i = 0; i < table->count; i++) {
        const struct config_row *row = &table->rows[i];
        enum err e = set_field(row, target, bytes_text(row->fallback), NULL);
        ASSERT(e == ERR_NONE);
    }
}

enum err config_set(const struct config_table *table, void *target, const char *key,
                    struct bytes value, struct errmsg *msg)
{
    const struct config_row *row = config_find(table, key);
    if (row == NULL)
        return unknown_key(table, key, msg);
    enum err e = set_field(row, target, trim(value), msg);
    struct config_given *given = given_of(table, target);
    uint64_t index = (uint64_t)(row - table->rows);
    if (e == ERR_NONE && given != NULL)
        given->words[index / 64] |= 1ull << index % 64;
    return e;
}

bool config_given(const struct config_table *table, const void *target, int index)
{
    const struct config_given *given = given_of(table, (void *)(uintptr_t)target);
    ASSERT(index >= 0);
    ASSERT(index < table->count);
    return given != NULL && (given->words[index / 64] >> index % 64 & 1) != 0;
}

void config_print(const struct config_row *row, const void *target, struct text *out)
{
    const void *field = (const uint8_t *)target + row->offset;
    int64_t number;
    int32_t index;
    struct bytes choice;
    switch (row->type) {
    case CONFIG_BOOL:
        text_printf(out, "%s", *(const bool *)field ? "true" : "false");
        return;
    case CONFIG_INT:
        memcpy(&number, field, sizeof number);
        text_printf(out, "%lld", (long long)number);
        return;
    case CONFIG_ENUM:
        memcpy(&index, field, sizeof index);
        bool known = index >= 0 && choice_at(row->values, index, &choice);
        ASSERT(known);
        text_add(out, choice.data, choice.size);
        return;
    case CONFIG_STRING:
        text_add(out, field, strlen(field));
        return;
    }
    UNREACHABLE();
}

/* What is left of a properties file. */
struct reader {
    const uint8_t *at, *end;
    int line;
};

/* One character of a logical line; those that follow are no character. */
#define LINE_ENDS (-1)
#define BAD_ESCAPE (-2)

struct piece {
    char text[VALUE_SIZE];
    size_t size; /* counts on behind the end of text */
};

static void add_byte(struct piece *piece, uint32_t byte)
{
    if (piece->size < sizeof piece->text)
        piece->text[piece->size] = (char)byte;
    piece->size++;
}

static void add_utf8(struct piece *piece, uint32_t c)
{
    if (c < 0x80) {
        add_byte(piece, c);
    } else if (c < 0x800) {
        add_byte(piece, 0xc0 | c >> 6);
        add_byte(piece, 0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        add_byte(piece, 0xe0 | c >> 12);
        add_byte(piece, 0x80 | (c >> 6 & 0x3f));
        add_byte(piece, 0x80 | (c & 0x3f));
    } else {
        add_byte(piece, 0xf0 | c >> 18);
        add_byte(piece, 0x80 | (c >> 12 & 0x3f));
        add_byte(piece, 0x80 | (c >> 6 & 0x3f));
        add_byte(piece, 0x80 | (c & 0x3f));
    }
}

static bool skip_line_end(struct reader *r)
{
    bool cr = r->at < r->end && *r->at == '\r';
    r->at += cr;
    bool lf = r->at < r->end && *r->at == '\n';
    r->at += lf;
    r->line += cr || lf;
    return cr || lf;
}

static void skip_blanks(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\f'))
        r->at++;
}

static int32_t take_hex(struct reader *r)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        const char *digit = r->at == r->end || *r->at == 0 ? NULL : strchr(digits, (char)*r->at);
        if (digit == NULL)
            return BAD_ESCAPE;
        int32_t index = (int32_t)(digit - digits);
        value = value * 16 + (index < 16 ? index : index - 6);
        r->at++;
    }
    return value;
}

static bool is_surrogate(int32_t c)
{
    return c >= 0xd800 && c <= 0xdfff;
}

/* After "\u". Java writes a character beyond U+FFFF as two halves. */
static int32_t take_unicode(struct reader *r)
{
    int32_t high = take_hex(r);
    if (!is_surrogate(high))
        return high;
    if (high >= 0xdc00 || r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
        return BAD_ESCAPE;
    r->at += 2;
    int32_t low = take_hex(r);
    if (!is_surrogate(low) || low < 0xdc00)
        return BAD_ESCAPE;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* The next character of the logical line. *escaped: a backslash took away its meaning. */
static int32_t take(struct reader *r, bool *escaped)
{
    *escaped = false;
    while (r->at < r->end) {
        if (skip_line_end(r))
            return LINE_ENDS;
        uint8_t c = *r->at++;
        if (c != '\\')
            return c;
        if (skip_line_end(r)) {
            skip_blanks(r);
            continue;
        }
        if (r->at == r->end)
            return LINE_ENDS;
        c = *r->at++;
        *escaped = c < 0x80; /* no byte of a longer character has a meaning to lose */
        if (c == 'u')
            return take_unicode(r);
        return c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c == 'f' ? '\f' : c;
    }
    return LINE_ENDS;
}

enum place { IN_KEY, BEFORE_SEPARATOR, BEFORE_VALUE, IN_VALUE };

/* Where a character stands that comes after one that stood at place. */
static enum place place_of(enum place place, int32_t c, bool escaped)
{
    bool blank = !escaped && (c == ' ' || c == '\t' || c == '\f');
    bool separator = !escaped && (c == '=' || c == ':');
    switch (place) {
    case IN_KEY:
        return separator ? BEFORE_VALUE : blank ? BEFORE_SEPARATOR : IN_KEY;
    case BEFORE_SEPARATOR:
        return separator ? BEFORE_VALUE : blank ? BEFORE_SEPARATOR : IN_VALUE;
    case BEFORE_VALUE:
        return blank ? BEFORE_VALUE : IN_VALUE;
    case IN_VALUE:
        return IN_VALUE;
    }
    UNREACHABLE();
}

static enum err read_pair(struct reader *r, struct piece *key, struct piece *value)
{
    key->size = 0;
    value->size = 0;
    enum place place = IN_KEY;
    for (;;) {
        bool escaped;
        int32_t c = take(r, &escaped);
        if (c == LINE_ENDS)
            return ERR_NONE;
        if (c == BAD_ESCAPE)
            return ERR_INVALID;
        place = place_of(place, c, escaped);
        struct piece *piece = place == IN_KEY ? key : place == IN_VALUE ? value : NULL;
        bool is_code_point = escaped && c >= 0x80;
        if (piece != NULL && is_code_point)
            add_utf8(piece, (uint32_t)c);
        else if (piece != NULL)
            add_byte(piece, (uint32_t)c);
    }
}

/* Passes over blank lines and comments; false at the end of the file. */
static bool find_pair(struct reader *r)
{
    for (;;) {
        skip_blanks(r);
        if (r->at == r->end)
            return false;
        if (*r->at == '#' || *r->at == '!') {
            while (r->at < r->end && *r->at != '\n' && *r->at != '\r')
                r->at++;
        }
        if (r->at < r->end && !skip_line_end(r))
            return true;
    }
}

static enum err parse_pair(const struct config_table *table, void *target, struct reader *r,
                           config_other *other, struct errmsg *msg)
{
    struct piece key, value;
    enum err e = read_pair(r, &key, &value);
    if (e != ERR_NONE)
        return errmsg_set(msg, e, "a \\u needs four hexadecimal digits, and halves come in pairs");
    if (key.size >= KEY_SIZE || memchr(key.text, 0, key.size) != NULL)
        return errmsg_set(msg, ERR_INVALID, "a key is text of up to %d bytes", KEY_SIZE - 1);
    key.text[key.size] = 0;
    struct bytes text = bytes_of(value.text, MIN(value.size, sizeof value.text));
    if (other != NULL && config_find(table, key.text) == NULL)
        return other(key.text, trim(text), msg);
    if (value.size > sizeof value.text)
        return errmsg_set(msg, ERR_RANGE, "%s: the value has %zu bytes; up to %d are read",
                          key.text, value.size, VALUE_SIZE);
    return config_set(table, target, key.text, text, msg);
}

/* Windows' editors write a byte order mark; it belongs to no key. */
static void skip_mark(struct reader *r)
{
    static const uint8_t mark[] = {0xef, 0xbb, 0xbf};
    if ((size_t)(r->end - r->at) >= sizeof mark && memcmp(r->at, mark, sizeof mark) == 0)
        r->at += sizeof mark;
}

enum err config_parse(const struct config_table *table, void *target, struct bytes file,
                      const char *name, config_other *other, struct errmsg *msg)
{
    struct reader r = {.at = file.data, .end = file.data + file.size, .line = 1};
    if (file.size > 0)
        skip_mark(&r);
    while (find_pair(&r)) {
        int line = r.line;
        enum err e = parse_pair(table, target, &r, other, msg);
        if (e != ERR_NONE)
            return errmsg_wrap(msg, e, "%s:%d", name, line);
    }
    return ERR_NONE;
}
