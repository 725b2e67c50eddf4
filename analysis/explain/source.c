/* source.c - a script as it was written, in lines and blocks that may be left out. It knows so much
 * of Lua as it takes to see where a block begins and ends. */
#include "explain/internal.h"

#define DEPTH_MAX 256

struct reader {
    struct explain_case *c;
    int32_t open[DEPTH_MAX]; /* the piece of each block and brace that is open */
    int depth;
    bool has_plan;
    bool dropping; /* a plan or a swarm of the script's own, which has not ended */
};

static bool is_word_byte(char byte)
{
    return byte == '_' || (byte >= '0' && byte <= '9') ||
           ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z');
}

/* Behind a text in quotes, or a comment, that begins there; or 0. */
static size_t inert(const char *line, size_t size, size_t at)
{
    char quote = line[at];
    if (quote == '-' && at + 1 < size && line[at + 1] == '-')
        return size;
    if (quote != '"' && quote != '\'')
        return 0;
    for (at++; at < size && line[at] != quote; at++)
        at += line[at] == '\\';
    return MIN(at + 1, size);
}

static size_t word_at(const char *line, size_t size, size_t at)
{
    size_t end = at;
    while (end < size && is_word_byte(line[end]))
        end++;
    return end - at;
}

/* 1: a block or brace begins; -1: one ends; 0: neither. */
static int turn_of(const char *word, size_t size)
{
    static const struct {
        const char *word;
        int turn;
    } words[] = {{"function", 1}, {"then", 1},    {"do", 1}, {"repeat", 1}, {"{", 1}, {"(", 1},
                 {"end", -1},     {"elseif", -1}, {"}", -1}, {"until", -1}, {")", -1}};
    for (int i = 0; i < COUNT_OF(words); i++) {
        if (strlen(words[i].word) == size && memcmp(words[i].word, word, size) == 0)
            return words[i].turn;
    }
    return 0;
}

/* How many blocks of earlier lines the line ends, and how many of its own it leaves open. */
static void count_turns(const char *line, size_t size, int *ends, int *begins)
{
    *ends = *begins = 0;
    for (size_t at = 0; at < size;) {
        size_t behind = inert(line, size, at);
        size_t word = behind > 0 ? 0 : MAX(word_at(line, size, at), 1);
        int turn = word > 0 ? turn_of(line + at, word) : 0;
        *begins += turn > 0;
        *ends += turn < 0 && *begins == 0;
        *begins -= turn < 0 && *begins > 0;
        at = behind > 0 ? behind : at + word;
    }
}

static bool begins_with(const char *line, size_t size, const char *word)
{
    size_t at = 0;
    while (at < size && (line[at] == ' ' || line[at] == '\t'))
        at++;
    return word_at(line, size, at) == strlen(word) && memcmp(line + at, word, strlen(word)) == 0;
}

static bool contains(const char *line, size_t size, const char *word)
{
    for (size_t at = 0; at < size;) {
        size_t behind = inert(line, size, at);
        size_t length = behind > 0 ? behind - at : MAX(word_at(line, size, at), 1);
        if (behind == 0 && length == strlen(word) && memcmp(line + at, word, length) == 0)
            return true;
        at += length;
    }
    return false;
}

/* A whole number above 0; parts of other numbers and of names are none. */
static bool is_count(const char *line, size_t at, size_t word, size_t size, int64_t *value)
{
    bool part = (at > 0 && line[at - 1] == '.') || (at + word < size && line[at + word] == '.');
    return !part && text_parse_int(bytes_of(line + at, word), value) == ERR_NONE && *value > 0;
}

static void add_tokens(struct explain_case *c, int32_t piece, const char *line, size_t size)
{
    size_t from = 0;
    for (size_t at = 0; at < size;) {
        size_t behind = inert(line, size, at);
        size_t length = behind > 0 ? behind - at : MAX(word_at(line, size, at), 1);
        int64_t value;
        if (behind == 0 && is_count(line, at, length, size, &value)) {
            explain_new_token(c, TOKEN_TEXT, line + from, at - from, 0);
            explain_new_token(c, TOKEN_NUMBER, "", 0,
                              explain_new_number(c, piece, PASS_NUMBERS, value, 1, false));
            from = at + length;
        }
        at += length;
    }
    explain_new_token(c, TOKEN_TEXT, line + from, size - from, 0);
}

/* The piece that a line goes with. */
static int32_t place_line(struct reader *r, bool stays, int ends, int begins)
{
    int32_t parent = r->depth > 0 ? r->open[r->depth - 1] : -1;
    int32_t piece = -1;
    for (int i = 0; i < ends && r->depth > 0; i++)
        piece = r->open[--r->depth];
    if (ends == 0)
        piece = stays ? -1 : explain_new_piece(r->c, parent, PASS_SETTINGS);
    for (int i = 0; i < begins; i++) {
        r->c->failed |= r->depth == DEPTH_MAX;
        if (r->c->failed)
            return -1;
        r->open[r->depth++] = piece;
    }
    return piece;
}

/* Until its bracket closes. */
static bool drops(struct reader *r, const char *line, size_t size)
{
    bool plan = begins_with(line, size, "plan"), swarm = begins_with(line, size, "swarm");
    if (!r->dropping && !plan && !swarm)
        return false;
    r->dropping = memchr(line, ']', size) == NULL && memchr(line, '}', size) == NULL;
    return true;
}

static void add_line(struct reader *r, const char *line, size_t size)
{
    int ends, begins;
    if (drops(r, line, size) || size == 0)
        return;
    bool claim = begins_with(line, size, "scenario");
    bool stays = claim || begins_with(line, size, "finally") || contains(line, size, "Cluster");
    count_turns(line, size, &ends, &begins);
    int32_t piece = place_line(r, stays, ends, begins);
    if (explain_new_line(r->c, EXPLAIN_RAW, piece) != NULL)
        add_tokens(r->c, piece, line, size);
    if (claim && !r->has_plan)
        explain_new_line(r->c, EXPLAIN_PLAN, -1);
    r->has_plan |= claim;
}

void explain_add_source(struct explain_case *c, struct bytes source)
{
    struct reader r = {.c = c};
    const char *text = (const char *)source.data;
    for (size_t at = 0; at < source.size && !c->failed;) {
        const char *newline = memchr(text + at, '\n', source.size - at);
        size_t size = newline == NULL ? source.size - at : (size_t)(newline - text) - at;
        add_line(&r, text + at, size);
        at += size + 1;
    }
    c->failed |= r.depth != 0;
}
