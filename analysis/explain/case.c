/* case.c - a scenario in pieces: its lines, what may be left out of them, and its numbers. */
#include "explain/internal.h"

#define TOKENS_MAX (4 * EXPLAIN_PIECES_MAX)

void explain_case_init(struct explain_case *c, struct mem *mem, const char *claim)
{
    *c = (struct explain_case){.mem = mem, .end = -1};
    arena_init(&c->texts, mem, 64u << 20);
    c->lines = mem_array(mem, EXPLAIN_LINES_MAX, sizeof *c->lines);
    c->tokens = mem_array(mem, TOKENS_MAX, sizeof *c->tokens);
    c->pieces = mem_array(mem, EXPLAIN_PIECES_MAX, sizeof *c->pieces);
    c->numbers = mem_array(mem, EXPLAIN_PIECES_MAX, sizeof *c->numbers);
    c->whole.on = mem_array(mem, EXPLAIN_PIECES_MAX, sizeof *c->whole.on);
    c->whole.value = mem_array(mem, EXPLAIN_PIECES_MAX, sizeof *c->whole.value);
    char *copy = arena_alloc(&c->texts, strlen(claim) + 1);
    if (copy != NULL)
        memcpy(copy, claim, strlen(claim) + 1);
    c->claim = copy;
    c->failed = c->lines == NULL || c->tokens == NULL || c->pieces == NULL || c->numbers == NULL ||
                c->whole.on == NULL || c->whole.value == NULL || copy == NULL;
}

void explain_case_free(struct explain_case *c)
{
    mem_free(c->mem, c->lines);
    mem_free(c->mem, c->tokens);
    mem_free(c->mem, c->pieces);
    mem_free(c->mem, c->numbers);
    mem_free(c->mem, c->whole.on);
    mem_free(c->mem, c->whole.value);
    arena_free(&c->texts);
}

int32_t explain_new_piece(struct explain_case *c, int32_t parent, enum explain_pass pass)
{
    c->failed |= c->piece_count == EXPLAIN_PIECES_MAX;
    if (c->failed)
        return -1;
    ASSERT(parent < c->piece_count);
    c->pieces[c->piece_count] = (struct explain_piece){.parent = parent, .pass = (uint8_t)pass};
    c->whole.on[c->piece_count] = true;
    return c->piece_count++;
}

int32_t explain_new_number(struct explain_case *c, int32_t piece, enum explain_pass pass,
                           int64_t value, int64_t least, bool time)
{
    c->failed |= c->number_count == EXPLAIN_PIECES_MAX;
    if (c->failed)
        return -1;
    ASSERT(explain_is_of_numbers(pass));
    c->numbers[c->number_count] = (struct explain_number){
        .piece = piece, .least = MIN(least, value), .time = time, .pass = (uint8_t)pass};
    c->whole.value[c->number_count] = value;
    return c->number_count++;
}

struct explain_line *explain_new_line(struct explain_case *c, enum explain_kind kind, int32_t piece)
{
    c->failed |= c->line_count == EXPLAIN_LINES_MAX;
    if (c->failed)
        return NULL;
    struct explain_line *line = &c->lines[c->line_count++];
    *line = (struct explain_line){
        .kind = kind, .piece = piece, .at = -1, .variable = "", .token_first = c->token_count};
    return line;
}

static const char *copy_of(struct explain_case *c, const char *text, size_t size)
{
    char *copy = arena_alloc(&c->texts, size + 1);
    if (copy != NULL && size > 0)
        memcpy(copy, text, size);
    c->failed |= copy == NULL;
    return copy == NULL ? "" : copy;
}

void explain_new_token(struct explain_case *c, enum explain_token_kind kind, const char *text,
                       size_t size, int32_t index)
{
    c->failed |= c->token_count == TOKENS_MAX;
    if (c->failed)
        return;
    ASSERT(c->line_count > 0);
    c->tokens[c->token_count++] = (struct explain_token){
        .kind = kind, .text = copy_of(c, text, size), .size = (int32_t)size, .index = index};
    c->lines[c->line_count - 1].token_count++;
}

static enum explain_pass pass_of_line(enum explain_kind kind)
{
    return kind == EXPLAIN_FAULT ? PASS_FAULTS : kind == EXPLAIN_ACT ? PASS_ACTS : PASS_SETTINGS;
}

#define DEPTH_MAX 16

/* Where a line's text is cut, and what the marks there mean. */
struct marks {
    struct explain_case *c;
    bool fault;
    int32_t open[DEPTH_MAX]; /* pieces */
    int depth;
};

static const char *take_number(struct marks *m, const char *p)
{
    bool time = *p == EXPLAIN_TIME;
    const char *end = strchr(p + 1, *p);
    int64_t value = 0;
    if (end == NULL || text_parse_int(bytes_of(p + 1, (size_t)(end - p - 1)), &value) != ERR_NONE) {
        m->c->failed = true;
        return p + strlen(p);
    }
    int32_t number =
        explain_new_number(m->c, m->open[m->depth], m->fault ? PASS_FAULT_NUMBERS : PASS_NUMBERS,
                           value, time ? 0 : 1, time);
    explain_new_token(m->c, TOKEN_NUMBER, "", 0, number);
    return end + 1;
}

static const char *take_name(struct marks *m, const char *p)
{
    const char *end = strchr(p + 1, EXPLAIN_NAME);
    if (end == NULL) {
        m->c->failed = true;
        return p + strlen(p);
    }
    explain_new_token(m->c, TOKEN_NAME, p + 1, (size_t)(end - p - 1), 0);
    return end + 1;
}

static const char *take_mark(struct marks *m, const char *p)
{
    switch (*p) {
    case EXPLAIN_OPEN:
        m->c->failed |= m->depth == DEPTH_MAX - 1;
        if (m->c->failed)
            return p + strlen(p);
        m->open[m->depth + 1] =
            explain_new_piece(m->c, m->open[m->depth], m->fault ? PASS_FAULT_WORDS : PASS_WORDS);
        m->depth++;
        explain_new_token(m->c, TOKEN_OPEN, "", 0, m->open[m->depth]);
        return p + 1;
    case EXPLAIN_CLOSE:
        m->c->failed |= m->depth == 0;
        if (m->c->failed)
            return p + strlen(p);
        explain_new_token(m->c, TOKEN_CLOSE, "", 0, m->open[m->depth]);
        m->depth--;
        return p + 1;
    case EXPLAIN_NAME:
        return take_name(m, p);
    default:
        return take_number(m, p);
    }
}

static bool stays(enum explain_kind kind, const char *variable)
{
    return kind == EXPLAIN_LAST || strcmp(variable, "cluster") == 0;
}

void explain_add(struct explain_case *c, enum explain_kind kind, int64_t at_ns,
                 const char *variable, const char *marked)
{
    static const char marks[] = {EXPLAIN_OPEN, EXPLAIN_CLOSE, EXPLAIN_NAME,
                                 EXPLAIN_TIME, EXPLAIN_COUNT, 0};
    ASSERT(kind <= EXPLAIN_LAST);
    int32_t piece = stays(kind, variable) ? -1 : explain_new_piece(c, -1, pass_of_line(kind));
    struct explain_line *line = explain_new_line(c, kind, piece);
    struct marks m = {.c = c, .fault = kind == EXPLAIN_FAULT, .open = {piece}};
    if (line == NULL)
        return;
    line->variable = copy_of(c, variable, strlen(variable));
    if (kind == EXPLAIN_ACT)
        line->at = explain_new_number(c, piece, PASS_NUMBERS, at_ns, 0, true);
    for (const char *p = marked; *p != 0;) {
        size_t plain = strcspn(p, marks);
        if (plain > 0)
            explain_new_token(c, TOKEN_TEXT, p, plain, 0);
        p += plain;
        if (*p != 0)
            p = take_mark(&m, p);
    }
    c->failed |= m.depth != 0;
}

void explain_end(struct explain_case *c, int64_t at_ns)
{
    ASSERT(c->end < 0);
    c->end = explain_new_number(c, -1, PASS_NUMBERS, at_ns, 0, true);
}

bool explain_is_on(const struct explain_case *c, const struct explain_state *s, int32_t piece)
{
    for (; piece >= 0; piece = c->pieces[piece].parent) {
        if (!s->on[piece])
            return false;
    }
    return true;
}

int32_t explain_count(const struct explain_case *c, const struct explain_state *s,
                      enum explain_kind kind)
{
    int32_t count = 0;
    for (int32_t i = 0; i < c->line_count; i++)
        count += c->lines[i].kind == kind && explain_is_on(c, s, c->lines[i].piece);
    return count;
}

enum err explain_state_init(const struct explain_case *c, struct explain_state *s)
{
    s->on = mem_array(c->mem, (size_t)MAX(c->piece_count, 1), sizeof *s->on);
    s->value = mem_array(c->mem, (size_t)MAX(c->number_count, 1), sizeof *s->value);
    if (s->on == NULL || s->value == NULL) {
        explain_state_free(c, s);
        return ERR_NOMEM;
    }
    explain_state_copy(c, s, &c->whole);
    return ERR_NONE;
}

void explain_state_copy(const struct explain_case *c, struct explain_state *to,
                        const struct explain_state *from)
{
    if (c->piece_count > 0)
        memcpy(to->on, from->on, (size_t)c->piece_count * sizeof *to->on);
    if (c->number_count > 0)
        memcpy(to->value, from->value, (size_t)c->number_count * sizeof *to->value);
}

void explain_state_free(const struct explain_case *c, struct explain_state *s)
{
    mem_free(c->mem, s->on);
    mem_free(c->mem, s->value);
    *s = (struct explain_state){0};
}
