/* print.c - a choice as a scenario that a person can read and run. */
#include <inttypes.h>
#include "explain/internal.h"

#define SECOND_NS INT64_C(1000000000)
#define MILLI_NS INT64_C(1000000)

/* ---- times ---- */

/* "1.5s", "250ms", "17us": exact, in the greatest unit that needs three decimals at most. */
static void print_plan_time(int64_t ns, struct text *out)
{
    static const struct {
        int64_t ns;
        const char *name;
    } units[] = {{SECOND_NS, "s"}, {MILLI_NS, "ms"}, {1000, "us"}};
    if (ns == 0)
        text_printf(out, "0s");
    for (int i = 0; i < COUNT_OF(units) && ns > 0; i++) {
        int64_t thousandth = units[i].ns / 1000;
        if (ns < units[i].ns || ns % thousandth != 0)
            continue;
        int64_t rest = ns % units[i].ns / thousandth;
        text_printf(out, "%" PRId64, ns / units[i].ns);
        if (rest > 0)
            text_printf(out, ".%03d", (int)rest);
        while (rest > 0 && out->size > 0 && out->data[out->size - 1] == '0')
            out->size--;
        text_printf(out, "%s", units[i].name);
        return;
    }
    if (ns > 0)
        text_printf(out, "%" PRId64 "ns", ns);
}

/* "seconds(2)", "millis(250)"; what is finer is rounded up to microseconds. */
static void print_lua_time(int64_t ns, struct text *out)
{
    int64_t us = (ns + 999) / 1000;
    if (ns % SECOND_NS == 0)
        text_printf(out, "seconds(%" PRId64 ")", ns / SECOND_NS);
    else if (us % 1000 == 0)
        text_printf(out, "millis(%" PRId64 ")", us / 1000);
    else
        text_printf(out, "millis(%" PRId64 ".%03d)", us / 1000, (int)(us % 1000));
}

/* ---- a line ---- */

/* Nothing, "{ " or ", ", by what stands before a piece that is there; nothing within words. */
static void print_joint(struct text *out)
{
    char last = out->size == 0 ? 0 : out->data[out->size - 1];
    if (last == '{')
        text_printf(out, " ");
    else if (last != ' ')
        text_printf(out, ", ");
}

static void print_number(const struct explain_case *c, const struct explain_state *s,
                         const struct explain_line *line, int32_t number, struct text *out)
{
    if (!c->numbers[number].time)
        text_printf(out, "%" PRId64, s->value[number]);
    else if (line->kind == EXPLAIN_FAULT)
        print_plan_time(s->value[number], out);
    else
        print_lua_time(s->value[number], out);
}

static void print_text(const struct explain_token *t, bool plain, struct text *out)
{
    bool pieces = out->size > 0 && t->size > 0 && t->text[0] == '}' &&
                  out->data[out->size - 1] != '{' && !plain;
    text_printf(out, "%s%.*s", pieces ? " " : "", (int)t->size, t->text);
}

static void print_tokens(const struct explain_case *c, const struct explain_state *s,
                         const struct explain_line *line, struct text *out)
{
    bool fault = line->kind == EXPLAIN_FAULT;
    for (int32_t i = 0; i < line->token_count; i++) {
        const struct explain_token *t = &c->tokens[line->token_first + i];
        switch (t->kind) {
        case TOKEN_TEXT:
            print_text(t, fault || line->kind == EXPLAIN_RAW, out);
            break;
        case TOKEN_NAME:
            text_printf(out, "%.*s", (int)t->size, t->text);
            break;
        case TOKEN_NUMBER:
            print_number(c, s, line, t->index, out);
            break;
        case TOKEN_OPEN:
            if (s->on[t->index] && !fault)
                print_joint(out);
            while (!s->on[t->index] && i + 1 < line->token_count &&
                   !(c->tokens[line->token_first + i].kind == TOKEN_CLOSE &&
                     c->tokens[line->token_first + i].index == t->index))
                i++;
            break;
        case TOKEN_CLOSE:
            break;
        }
    }
}

/* ---- variables ---- */

static bool names_variable(const struct explain_case *c, const struct explain_state *s,
                           const struct explain_line *line, const char *variable)
{
    size_t size = strlen(variable);
    for (int32_t i = 0; i < line->token_count; i++) {
        const struct explain_token *t = &c->tokens[line->token_first + i];
        if (t->kind == TOKEN_OPEN && !s->on[t->index]) {
            int32_t piece = t->index;
            while (i + 1 < line->token_count &&
                   !(c->tokens[line->token_first + i].kind == TOKEN_CLOSE &&
                     c->tokens[line->token_first + i].index == piece))
                i++;
        } else if (t->kind == TOKEN_NAME && (size_t)t->size == size &&
                   memcmp(t->text, variable, size) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_used(const struct explain_case *c, const struct explain_state *s,
                    const struct explain_line *by)
{
    for (int32_t i = 0; by->variable[0] != 0 && i < c->line_count; i++) {
        const struct explain_line *line = &c->lines[i];
        if (line != by && explain_is_on(c, s, line->piece) &&
            names_variable(c, s, line, by->variable))
            return true;
    }
    return false;
}

/* ---- all of it ---- */

static void print_quoted(const char *text, struct text *out)
{
    text_printf(out, "\"");
    for (; *text != 0; text++) {
        bool escaped = *text == '"' || *text == '\\';
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            text_printf(out, "\\%03d", (unsigned char)*text);
        else
            text_printf(out, "%s%c", escaped ? "\\" : "", *text);
    }
    text_printf(out, "\"");
}

static int64_t time_of(const struct explain_case *c, const struct explain_state *s, int32_t line)
{
    for (int32_t i = 0; i < c->lines[line].token_count; i++) {
        const struct explain_token *t = &c->tokens[c->lines[line].token_first + i];
        if (t->kind == TOKEN_NUMBER)
            return s->value[t->index];
    }
    return 0;
}

/* The fault behind that one (-1: the first), by time; equal times keep their order. -1: none. */
static int32_t next_fault(const struct explain_case *c, const struct explain_state *s, int32_t last)
{
    int32_t next = -1;
    for (int32_t i = 0; i < c->line_count; i++) {
        if (c->lines[i].kind != EXPLAIN_FAULT || !explain_is_on(c, s, c->lines[i].piece))
            continue;
        int64_t at = time_of(c, s, i);
        bool behind =
            last < 0 || at > time_of(c, s, last) || (at == time_of(c, s, last) && i > last);
        if (behind && (next < 0 || at < time_of(c, s, next)))
            next = i;
    }
    return next;
}

static void print_plan(const struct explain_case *c, const struct explain_state *s,
                       struct text *out)
{
    int32_t count = explain_count(c, s, EXPLAIN_FAULT);
    if (count == 0)
        return;
    text_printf(out, "plan [[%s", count == 1 ? " " : "\n");
    int32_t last = -1;
    while ((last = next_fault(c, s, last)) >= 0) {
        text_printf(out, "%s", count == 1 ? "" : "  ");
        print_tokens(c, s, &c->lines[last], out);
        text_printf(out, "%s", count == 1 ? " " : "\n");
    }
    text_printf(out, "]]\n");
}

static void print_setting(const struct explain_case *c, const struct explain_state *s,
                          const struct explain_line *line, struct text *out)
{
    if (is_used(c, s, line))
        text_printf(out, "local %s = ", line->variable);
    print_tokens(c, s, line, out);
    text_printf(out, "\n");
}

/* What is made in one function and used in another is known to both. */
static void print_act(const struct explain_case *c, const struct explain_state *s,
                      const struct explain_line *line, struct text *out)
{
    bool used = is_used(c, s, line);
    if (used)
        text_printf(out, "local %s\n", line->variable);
    text_printf(out, "after(");
    print_lua_time(s->value[line->at], out);
    text_printf(out, ", function() ");
    if (used)
        text_printf(out, "%s = ", line->variable);
    print_tokens(c, s, line, out);
    text_printf(out, " end)\n");
}

static void print_kind(const struct explain_case *c, const struct explain_state *s,
                       enum explain_kind kind, struct text *out)
{
    for (int32_t i = 0; i < c->line_count; i++) {
        const struct explain_line *line = &c->lines[i];
        if (line->kind != kind || !explain_is_on(c, s, line->piece))
            continue;
        if (kind == EXPLAIN_ACT)
            print_act(c, s, line, out);
        else
            print_setting(c, s, line, out);
    }
}

static bool print_raw(const struct explain_case *c, const struct explain_state *s, struct text *out)
{
    bool raw = false;
    for (int32_t i = 0; i < c->line_count; i++) {
        const struct explain_line *line = &c->lines[i];
        raw |= line->kind == EXPLAIN_RAW;
        if (line->kind == EXPLAIN_PLAN)
            print_plan(c, s, out);
        if (line->kind != EXPLAIN_RAW || !explain_is_on(c, s, line->piece))
            continue;
        print_tokens(c, s, line, out);
        text_printf(out, "\n");
    }
    return raw;
}

void explain_print(const struct explain_case *c, const struct explain_state *s, struct text *out)
{
    if (print_raw(c, s, out))
        return;
    text_printf(out, "scenario ");
    print_quoted(c->claim, out);
    text_printf(out, "\n");
    print_kind(c, s, EXPLAIN_SETTING, out);
    print_plan(c, s, out);
    print_kind(c, s, EXPLAIN_ACT, out);
    if (c->end >= 0 && s->value[c->end] > 0) {
        text_printf(out, "sleep(");
        print_lua_time(s->value[c->end], out);
        text_printf(out, ")\n");
    }
    print_kind(c, s, EXPLAIN_LAST, out);
}
