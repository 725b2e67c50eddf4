/* shrink_case.c - what a run said and what struck it, as the lines of a case. */
#include <inttypes.h>
#include <stdio.h>
#include "cli/record.h"
#include "cli/shrink.h"

/* ---- the plan ---- */

/* Words whose numbers may be less. */
static const char *const counted[] = {"op", "times", "bytes", "factor", "rate"};

static void print_marked_word(struct bytes word, struct text *out)
{
    const uint8_t *equals = memchr(word.data, '=', word.size);
    size_t key = equals == NULL ? word.size : (size_t)(equals - word.data);
    bool number = false;
    for (int i = 0; i < COUNT_OF(counted); i++)
        number |= strlen(counted[i]) == key && memcmp(counted[i], word.data, key) == 0;
    if (equals == NULL || !number) {
        text_add(out, word.data, word.size);
        return;
    }
    text_printf(out, "%.*s%c%.*s%c", (int)(key + 1), (const char *)word.data, EXPLAIN_COUNT,
                (int)(word.size - key - 1), (const char *)equals + 1, EXPLAIN_COUNT);
}

static struct bytes next_word(struct bytes *rest)
{
    while (rest->size > 0 && rest->data[0] == ' ')
        *rest = bytes_of(rest->data + 1, rest->size - 1);
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->data, ' ', rest->size);
    size_t size = end == NULL ? rest->size : (size_t)(end - rest->data);
    struct bytes word = bytes_of(rest->data, size);
    *rest = bytes_of(rest->data + size, rest->size - size);
    return word;
}

/* `at`, its time, whom and what stay; what else it says may go. */
static void print_marked_line(const struct fault_line *line, const struct fault_names *names,
                              struct text *out)
{
    struct mem mem;
    struct text plain;
    mem_system(&mem);
    text_init(&plain, &mem);
    fault_line_print(line, names, &plain);
    struct bytes rest = bytes_of(plain.data, plain.failed ? 0 : plain.size);
    (void)next_word(&rest);
    (void)next_word(&rest);
    text_printf(out, "at %c%" PRId64 "%c", EXPLAIN_TIME, line->at_ns, EXPLAIN_TIME);
    for (struct bytes word = next_word(&rest); word.size > 0; word = next_word(&rest)) {
        bool for_time = word.size == 3 && memcmp(word.data, "for", 3) == 0;
        bool more = for_time || memchr(word.data, '=', word.size) != NULL;
        text_printf(out, more ? "%c " : " ", EXPLAIN_OPEN);
        print_marked_word(word, out);
        if (for_time) {
            (void)next_word(&rest);
            text_printf(out, " %c%" PRId64 "%c", EXPLAIN_TIME, line->for_ns, EXPLAIN_TIME);
        }
        if (more)
            text_printf(out, "%c", EXPLAIN_CLOSE);
    }
    out->failed |= plain.failed;
    text_free(&plain);
}

static void add_fault(struct explain_case *c, struct fault_line line,
                      const struct fault_names *names)
{
    struct text text;
    line.param[FAULT_P_SCRIPT] = 0; /* from now on it is the plan's own */
    text_init(&text, c->mem);
    print_marked_line(&line, names, &text);
    c->failed |= text.failed;
    if (!text.failed)
        explain_add(c, EXPLAIN_FAULT, -1, "", text.data);
    text_free(&text);
}

/* A swarm harms links that nobody uses; who writes such a line is told that it is a mistake. */
static bool is_of_use(const struct fault_line *line, const struct fault_names *names)
{
    static const char broker[] = "broker";
    bool others = line->from == FAULT_OTHERS || line->to == FAULT_OTHERS;
    bool of_use = others || fault_kind_target(line->kind) != FAULT_ON_LINK;
    uint64_t nodes = of_use ? 0 : line->from | line->to;
    for (; nodes != 0 && !of_use; nodes &= nodes - 1)
        of_use = strncmp(names->name[__builtin_ctzll(nodes)], broker, strlen(broker)) == 0;
    return of_use;
}

/* script_too: those that the script did as well. */
static void add_plan(struct explain_case *c, const char *fired, bool script_too)
{
    struct fault_plan plan;
    struct errmsg msg;
    if (fired == NULL)
        return;
    fault_plan_init(&plan, c->mem);
    plan.named = plan.names.open = true;
    c->failed |= fault_plan_parse(&plan, bytes_text(fired), &msg) != ERR_NONE;
    for (int32_t i = 0; i < plan.count && !c->failed; i++) {
        bool wanted = script_too || plan.lines[i].param[FAULT_P_SCRIPT] == 0;
        if (wanted && is_of_use(&plan.lines[i], &plan.names))
            add_fault(c, plan.lines[i], &plan.names);
    }
    fault_plan_free(&plan);
}

/* ---- what was said ---- */

static bool is_said(const char *statement, const char *word)
{
    return strncmp(statement, word, strlen(word)) == 0;
}

/* "TIME\tVARIABLE\tSTATEMENT"; a line of another form is none of ours. */
static void add_statement(struct explain_case *c, char *line)
{
    int64_t at_ns = 0;
    char *variable = strchr(line, '\t');
    char *statement = variable == NULL ? NULL : strchr(variable + 1, '\t');
    if (statement == NULL || text_parse_int(bytes_of(line, (size_t)(variable - line)), &at_ns)) {
        c->failed = true;
        return;
    }
    *statement++ = 0;
    variable++;
    enum explain_kind kind = is_said(statement, "finally") ? EXPLAIN_LAST
                             : at_ns < 0                   ? EXPLAIN_SETTING
                                                           : EXPLAIN_ACT;
    explain_add(c, kind, at_ns, variable, statement);
}

bool shrink_case_heard(struct explain_case *c, const struct campaign_outcome *run)
{
    const struct record *r = run->record;
    if (r == NULL || r->heard_size == 0 || r->heard_size >= RECORD_HEARD_MAX)
        return false;
    char *copy = mem_text(c->mem, r->heard, r->heard_size);
    c->failed |= copy == NULL;
    bool last = false;
    for (char *line = copy; !c->failed && *line != 0;) {
        char *end = strchr(line, '\n');
        if (end == NULL)
            break;
        *end = 0;
        last |= strstr(line, "\tfinally") != NULL;
        add_statement(c, line);
        line = end + 1;
    }
    mem_free(c->mem, copy);
    if (!last)
        explain_add(c, EXPLAIN_LAST, -1, "", "finally { \"nothing acknowledged is lost\" }");
    add_plan(c, run->plan, true);
    /* A run that did not come to the end of its script was under way for so long. */
    explain_end(c, r->heard_all ? r->end_ns : run->result.sim_ns + 1000000000);
    return !c->failed;
}

bool shrink_case_script(struct explain_case *c, const struct campaign_script *script,
                        const struct campaign_outcome *run)
{
    explain_add_source(c, script->source);
    add_plan(c, run->plan, false);
    return !c->failed;
}
