/* plan.c - a list of faults that can be printed, read, sorted and shortened. */
#include "fault/fault.h"

/* Begins the last line of a record that did not hold all that fired. */
#define CUT_SHORT "# and more than"
/* Begins the line that lists the nodes in the order of their numbers. */
#define NODES "nodes "

void fault_plan_init(struct fault_plan *plan, struct mem *mem)
{
    *plan = (struct fault_plan){.mem = mem};
}

void fault_plan_free(struct fault_plan *plan)
{
    mem_free(plan->mem, plan->lines);
    fault_plan_init(plan, plan->mem);
}

static enum err grow(struct fault_plan *plan)
{
    int32_t cap = plan->cap == 0 ? 16 : plan->cap * 2;
    void *lines = mem_realloc(plan->mem, plan->lines, (size_t)cap * sizeof *plan->lines);
    if (lines == NULL)
        return ERR_NOMEM;
    plan->lines = lines;
    plan->cap = cap;
    return ERR_NONE;
}

enum err fault_plan_add(struct fault_plan *plan, const struct fault_line *line)
{
    if (plan->count == FAULT_PLAN_LINES_MAX) {
        plan->truncated = true;
        return ERR_LIMIT;
    }
    enum err e = plan->count == plan->cap ? grow(plan) : ERR_NONE;
    if (e != ERR_NONE)
        return e;
    plan->lines[plan->count++] = *line;
    return ERR_NONE;
}

void fault_plan_remove(struct fault_plan *plan, int32_t index)
{
    ASSERT(index >= 0);
    ASSERT(index < plan->count);
    plan->count--;
    memmove(plan->lines + index, plan->lines + index + 1,
            (size_t)(plan->count - index) * sizeof *plan->lines);
}

static int by_time(const void *a, const void *b)
{
    const struct fault_line *x = a, *y = b;
    return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

enum err fault_plan_sort(struct fault_plan *plan)
{
    return sort_stable(plan->mem, plan->lines, (size_t)plan->count, sizeof *plan->lines, by_time);
}

void fault_plan_print(const struct fault_plan *plan, struct text *out)
{
    const struct fault_names *names = plan->named ? &plan->names : NULL;
    if (plan->named && plan->names.count > 0) {
        text_printf(out, NODES);
        fault_names_print(names, " ", out);
        text_add(out, "\n", 1);
    }
    for (int32_t i = 0; i < plan->count; i++) {
        fault_line_print(&plan->lines[i], names, out);
        text_add(out, "\n", 1);
    }
    if (plan->truncated)
        text_printf(out, CUT_SHORT " these %d faults: the rest was not written down\n",
                    plan->count);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* What stands before a comment, without the blanks around it. */
static struct bytes trimmed(struct bytes line)
{
    const uint8_t *comment = line.size > 0 ? memchr(line.data, '#', line.size) : NULL;
    if (comment != NULL)
        line.size = (size_t)(comment - line.data);
    while (line.size > 0 && is_blank(line.data[line.size - 1]))
        line.size--;
    while (line.size > 0 && is_blank(line.data[0]))
        line = bytes_of(line.data + 1, line.size - 1);
    return line;
}

/* The names of a line "nodes a b c". They come before any line that speaks of a node. */
static enum err parse_names(struct fault_plan *plan, struct bytes words, struct errmsg *msg)
{
    if (plan->names.count > 0)
        return errmsg_set(msg, ERR_INVALID, "the nodes are listed before anything else");
    while (words.size > 0) {
        const uint8_t *space = memchr(words.data, ' ', words.size);
        size_t size = space == NULL ? words.size : (size_t)(space - words.data);
        struct bytes name = bytes_of(words.data, size);
        uint32_t node;
        if (size > 0 && (fault_names_find(&plan->names, name, &node) ||
                         fault_names_add(&plan->names, name) != ERR_NONE))
            return errmsg_set(msg, ERR_INVALID, "\"%.*s\" is no name of one more node", (int)size,
                              (const char *)name.data);
        size += space != NULL;
        words = bytes_of(words.data + size, words.size - size);
    }
    return ERR_NONE;
}

static enum err parse_line(struct fault_plan *plan, struct bytes text, struct errmsg *msg)
{
    struct bytes words = trimmed(text);
    struct fault_line line;
    size_t mark = strlen(CUT_SHORT);
    if (text.size >= mark && memcmp(text.data, CUT_SHORT, mark) == 0)
        return errmsg_set(msg, ERR_INVALID,
                          "more faults fired than were written down, so this plan is not the "
                          "whole run; take this line out to run what is there");
    if (words.size == 0)
        return ERR_NONE;
    size_t head = strlen(NODES);
    if (plan->named && words.size > head && memcmp(words.data, NODES, head) == 0)
        return parse_names(plan, bytes_of(words.data + head, words.size - head), msg);
    enum err e = plan->named ? fault_line_parse_named(&line, words, &plan->names, msg)
                             : fault_line_parse(&line, words, msg);
    return e != ERR_NONE ? e : fault_plan_add(plan, &line);
}

enum err fault_plan_parse(struct fault_plan *plan, struct bytes text, struct errmsg *msg)
{
    for (int number = 1; text.size > 0; number++) {
        const uint8_t *newline = memchr(text.data, '\n', text.size);
        size_t size = newline == NULL ? text.size : (size_t)(newline - text.data);
        enum err e = parse_line(plan, bytes_of(text.data, size), msg);
        if (e != ERR_NONE)
            return errmsg_wrap(msg, e, "line %d", number);
        size += newline != NULL;
        text = bytes_of(text.data + size, text.size - size);
    }
    return ERR_NONE;
}
