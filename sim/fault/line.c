/* line.c - one fault as a line of text, both ways. The tables decide; a new kind needs a row, no
 * code. */
#include <stdio.h>
#include "fault/inside.h"

static const struct {
    const char *name;
    enum fault_target target;
    uint32_t takes;
} kinds[FAULT_KIND_COUNT] = {
#define X(name, text, target, takes) [FAULT_##name] = {text, FAULT_ON_##target, takes},
    FAULT_KINDS(X)
#undef X
};

static const struct {
    const char *name;
    enum err error;
} sites[FAULT_SITE_COUNT] = {
#define X(name, text, error) [FAULT_##name] = {text, ERR_##error},
    FAULT_SITES(X)
#undef X
};

#define IT "it" /* the node whose row a line has waited for */

enum format {
    AS_INT,
    AS_SIGNED,
    AS_HEX,
    AS_TIME,
    AS_SITE,
    AS_ERROR,
    AS_NODE,
};

static const struct {
    const char *name;
    enum format format;
} params[FAULT_PARAM_COUNT] = {
    [FAULT_P_OP] = {"op", AS_INT},         [FAULT_P_BY] = {"by", AS_TIME},
    [FAULT_P_TIMES] = {"times", AS_INT},   [FAULT_P_BYTES] = {"bytes", AS_INT},
    [FAULT_P_FACTOR] = {"factor", AS_INT}, [FAULT_P_OFFSET] = {"offset", AS_INT},
    [FAULT_P_BIT] = {"bit", AS_INT},       [FAULT_P_WITH] = {"with", AS_NODE},
    [FAULT_P_RATE] = {"rate", AS_INT},     [FAULT_P_SITE] = {"site", AS_SITE},
    [FAULT_P_KEY] = {"key", AS_HEX},       [FAULT_P_COUNT] = {"count", AS_INT},
    [FAULT_P_ERROR] = {"error", AS_ERROR}, [FAULT_P_CHOICE] = {"choice", AS_HEX},
    [FAULT_P_SCRIPT] = {"script", AS_INT}, [FAULT_P_LIFE] = {"life", AS_INT},
    [FAULT_P_EVERY] = {"every", AS_TIME},  [FAULT_P_PPM] = {"ppm", AS_SIGNED},
    [FAULT_P_TO] = {"to", AS_INT},
};

const char *fault_site_name(enum fault_site site)
{
    ASSERT((uint32_t)site < FAULT_SITE_COUNT);
    return sites[site].name;
}

enum err fault_site_error(enum fault_site site)
{
    ASSERT((uint32_t)site < FAULT_SITE_COUNT);
    return sites[site].error;
}

const char *fault_kind_name(enum fault_kind kind)
{
    ASSERT((uint32_t)kind < FAULT_KIND_COUNT);
    return kinds[kind].name;
}

enum fault_target fault_kind_target(enum fault_kind kind)
{
    ASSERT((uint32_t)kind < FAULT_KIND_COUNT);
    return kinds[kind].target;
}

bool fault_kind_takes_for(enum fault_kind kind)
{
    ASSERT((uint32_t)kind < FAULT_KIND_COUNT);
    return (kinds[kind].takes & FAULT_TAKES_FOR) != 0;
}

/* A script may do any harm, so every kind takes its number. */
static bool takes_param(enum fault_kind kind, int param)
{
    return param == FAULT_P_SCRIPT || (kinds[kind].takes & (1u << param)) != 0;
}

uint64_t fault_line_nodes(const struct fault_line *line)
{
    uint64_t from = line->from == FAULT_OTHERS ? 0 : line->from;
    uint64_t to = line->to == FAULT_OTHERS ? 0 : line->to;
    return line->nodes | from | to;
}

struct fault_line fault_line_fire(const struct fault_line *line, uint32_t node, int64_t now_ns)
{
    struct fault_line fired = *line;
    ASSERT(line->on_row != 0);
    fired.at_ns = now_ns;
    fired.nodes |= (line->it & FAULT_IT_NODES) != 0 ? fault_node(node) : 0;
    fired.from |= (line->it & FAULT_IT_FROM) != 0 ? fault_node(node) : 0;
    fired.to |= (line->it & FAULT_IT_TO) != 0 ? fault_node(node) : 0;
    fired.on_row = fired.it = 0;
    fired.on_count = 0;
    return fired;
}

uint64_t fault_line_id(const struct fault_line *line)
{
    uint64_t h = hash_combine((uint64_t)line->at_ns, (uint64_t)line->for_ns);
    h = hash_combine(h, (uint64_t)line->kind);
    h = hash_combine(h, line->nodes);
    h = hash_combine(h, line->from == line->to ? 0 : hash_combine(line->from, line->to));
    if (line->one_way || line->on_row != 0)
        h = hash_combine(h, (uint64_t)line->on_row << 56 ^ (uint64_t)line->it << 48 ^
                                (uint64_t)line->on_count << 1 ^ line->one_way);
    for (int i = 0; i < FAULT_PARAM_COUNT; i++)
        h = i <= FAULT_P_LIFE || line->param[i] != 0 ? hash_combine(h, (uint64_t)line->param[i])
                                                     : h;
    return hash_combine(h, hash_text(line->file));
}

/* ---- to text ---- */

static void print_node(const struct fault_names *names, int64_t node, struct text *out)
{
    if (names != NULL && node < names->count)
        text_printf(out, "%s", names->name[node]);
    else
        text_printf(out, "%lld", (long long)node);
}

static void print_nodes(uint64_t nodes, bool it, const struct fault_names *names, struct text *out)
{
    const char *separator = "";
    if (nodes == FAULT_OTHERS) {
        text_add(out, "*", 1);
        return;
    }
    if (it) {
        text_printf(out, "%s", IT);
        separator = ",";
    }
    for (uint32_t i = 0; i < FAULT_NODES_MAX; i++) {
        if ((nodes & fault_node(i)) == 0)
            continue;
        text_printf(out, "%s", separator);
        print_node(names, i, out);
        separator = ",";
    }
}

static void print_target(const struct fault_line *line, const struct fault_names *names,
                         struct text *out)
{
    bool on_link = kinds[line->kind].target == FAULT_ON_LINK;
    text_printf(out, "%s", on_link ? "link " : "node ");
    if (!on_link) {
        print_nodes(line->nodes, (line->it & FAULT_IT_NODES) != 0, names, out);
        return;
    }
    print_nodes(line->from, (line->it & FAULT_IT_FROM) != 0, names, out);
    text_add(out, line->one_way ? ">" : "-", 1);
    print_nodes(line->to, (line->it & FAULT_IT_TO) != 0, names, out);
}

static void print_when(const struct fault_line *line, struct text *out)
{
    if (line->on_row != 0) {
        text_printf(out, "on %s(%lld) do", trace_kinds[line->on_row - 1].name,
                    (long long)line->on_count);
        return;
    }
    text_add(out, "at ", 3);
    fault_time_print(line->at_ns, out);
}

static void print_value(enum format format, int64_t value, const struct fault_names *names,
                        struct text *out)
{
    switch (format) {
    case AS_INT:
    case AS_SIGNED:
        text_printf(out, "%lld", (long long)value);
        return;
    case AS_HEX:
        text_printf(out, "0x%llx", (unsigned long long)value);
        return;
    case AS_TIME:
        fault_time_print(value, out);
        return;
    case AS_SITE:
        text_printf(out, "%s", fault_site_name((enum fault_site)value));
        return;
    case AS_ERROR:
        text_printf(out, "%s", err_name((enum err)value));
        return;
    case AS_NODE:
        print_node(names, value, out);
        return;
    }
    UNREACHABLE();
}

/* A zero is the first site, the first node and a key as any, and elsewhere nothing. */
static bool says(const struct fault_line *line, int param)
{
    bool zero_counts = param == FAULT_P_SITE || param == FAULT_P_WITH || param == FAULT_P_KEY;
    return takes_param(line->kind, param) && (line->param[param] != 0 || zero_counts);
}

void fault_line_print(const struct fault_line *line, const struct fault_names *names,
                      struct text *out)
{
    print_when(line, out);
    text_add(out, " ", 1);
    print_target(line, names, out);
    text_printf(out, " %s", kinds[line->kind].name);
    if (line->file[0] != 0)
        text_printf(out, " file=%s", line->file);
    for (int i = 0; i < FAULT_PARAM_COUNT; i++) {
        if (!says(line, i))
            continue;
        text_printf(out, " %s=", params[i].name);
        print_value(params[i].format, line->param[i], names, out);
    }
    if (line->for_ns != 0) {
        text_add(out, " for ", 5);
        fault_time_print(line->for_ns, out);
    }
}

/* ---- from text ---- */

/* The words that are left. */
struct words {
    struct bytes rest;
    struct fault_names *names; /* NULL: nodes are numbers */
    struct errmsg *msg;
    uint32_t seen; /* of the parameters, a bit each */
    bool has_it;   /* the line waits for a row, so there is a node that wrote it */
};

static struct bytes next_word(struct words *w)
{
    while (w->rest.size > 0 && (w->rest.data[0] == ' ' || w->rest.data[0] == '\t'))
        w->rest = bytes_of(w->rest.data + 1, w->rest.size - 1);
    size_t size = 0;
    while (size < w->rest.size && w->rest.data[size] != ' ' && w->rest.data[size] != '\t')
        size++;
    struct bytes word = bytes_of(w->rest.data, size);
    w->rest = bytes_of(w->rest.data + size, w->rest.size - size);
    return word;
}

static bool is_word(struct bytes word, const char *text)
{
    return bytes_equal(word, bytes_text(text));
}

static enum err refuse(struct words *w, struct bytes word, const char *expected)
{
    if (word.size == 0)
        return errmsg_set(w->msg, ERR_INVALID, "ends where %s should stand", expected);
    return errmsg_set(w->msg, ERR_INVALID, "\"%.*s\" is not %s", (int)word.size, word.data,
                      expected);
}

/* Names for a message, cut where it would be. */
struct listed {
    char text[ERRMSG_SIZE];
    size_t size;
};

static void list_name(struct listed *list, const char *name, const char *tail)
{
    size_t room = sizeof list->text - list->size;
    int n =
        snprintf(list->text + list->size, room, "%s%s%s", list->size == 0 ? "" : ", ", name, tail);
    list->size += n < 0 || (size_t)n >= room ? 0 : (size_t)n;
    list->text[list->size] = 0;
}

static bool parse_node(struct words *w, struct bytes text, int64_t *node)
{
    uint32_t index;
    if (w->names == NULL)
        return text_parse_int(text, node) == ERR_NONE && *node >= 0 && *node < FAULT_NODES_MAX;
    bool found = fault_names_find(w->names, text, &index);
    if (!found && w->names->open && fault_names_add(w->names, text) == ERR_NONE) {
        index = (uint32_t)w->names->count - 1;
        found = true;
    }
    *node = found ? index : 0;
    return found;
}

/* Says which nodes there are; where nobody knows, what a name looks like. */
static enum err refuse_node(struct words *w, struct bytes word, const char *expected)
{
    struct listed list = {.size = 0};
    if (w->names == NULL || word.size == 0)
        return refuse(w, word, expected);
    for (int32_t i = 0; i < w->names->count; i++)
        list_name(&list, w->names->name[i], "");
    if (w->names->open || list.size == 0)
        return errmsg_set(w->msg, ERR_INVALID,
                          "\"%.*s\" is no node; nodes have names, as broker1 and client1",
                          (int)word.size, (const char *)word.data);
    return errmsg_set(w->msg, ERR_INVALID, "there is no node \"%.*s\"; there are %s",
                      (int)word.size, (const char *)word.data, list.text);
}

/* The part before the first of those characters; moves text behind it. */
static struct bytes cut_at(struct bytes *text, const char *characters)
{
    size_t size = 0;
    while (size < text->size && strchr(characters, text->data[size]) == NULL)
        size++;
    struct bytes head = bytes_of(text->data, size);
    size_t skip = size < text->size ? size + 1 : size;
    *text = bytes_of(text->data + skip, text->size - skip);
    return head;
}

/* A list of nodes, each once. */
static enum err parse_list(struct words *w, struct bytes word, const char *expected,
                           uint64_t *nodes, bool *it)
{
    struct bytes left = word;
    do {
        int64_t node;
        struct bytes name = cut_at(&left, ",");
        if (w->has_it && is_word(name, IT)) {
            *it = true;
            continue;
        }
        if (!parse_node(w, name, &node))
            return refuse_node(w, w->names == NULL ? word : name, expected);
        *nodes |= fault_node((uint32_t)node);
    } while (left.size > 0);
    return ERR_NONE;
}

static enum err parse_nodes(struct words *w, struct fault_line *line)
{
    bool it = false;
    enum err e = parse_list(w, next_word(w), "a list of nodes as 0,2", &line->nodes, &it);
    line->it |= it ? FAULT_IT_NODES : 0;
    return e;
}

/* All that stands in the list is known. */
static bool is_list(struct words *w, struct bytes list)
{
    uint32_t node;
    do {
        struct bytes name = cut_at(&list, ",");
        bool known = fault_names_find(w->names, name, &node) || is_word(name, "*");
        if (!known && !(w->has_it && is_word(name, IT)))
            return false;
    } while (list.size > 0);
    return true;
}

/* Names may hold a '-' themselves: the one that stands between two sides is the one where both
 * sides are known, or the only one there is. 0: none. */
static size_t find_middle(struct words *w, struct bytes word)
{
    size_t middle = 0, count = 0;
    const uint8_t *arrow = word.size > 0 ? memchr(word.data, '>', word.size) : NULL;
    if (arrow != NULL)
        return (size_t)(arrow - word.data);
    for (size_t i = 1; i + 1 < word.size; i++) {
        if (word.data[i] != '-')
            continue;
        count++;
        middle = count == 1 ? i : middle;
        if (w->names != NULL && is_list(w, bytes_of(word.data, i)) &&
            is_list(w, bytes_of(word.data + i + 1, word.size - i - 1)))
            return i;
    }
    return count == 1 ? middle : 0;
}

static enum err parse_side(struct words *w, struct bytes word, const char *expected,
                           uint64_t *nodes, bool *it)
{
    *nodes = is_word(word, "*") ? FAULT_OTHERS : 0;
    return *nodes != 0 ? ERR_NONE : parse_list(w, word, expected, nodes, it);
}

static enum err parse_link(struct words *w, struct fault_line *line)
{
    const char *expected =
        w->names == NULL ? "a link as 0-1 or 0>1" : "a link as broker1-client1 or broker1>client1";
    struct bytes word = next_word(w);
    size_t middle = find_middle(w, word);
    if (middle == 0 || middle + 1 >= word.size)
        return refuse(w, word, expected);
    struct bytes from = bytes_of(word.data, middle);
    struct bytes to = bytes_of(word.data + middle + 1, word.size - middle - 1);
    bool from_it = false, to_it = false;
    enum err e = parse_side(w, from, expected, &line->from, &from_it);
    if (e == ERR_NONE)
        e = parse_side(w, to, expected, &line->to, &to_it);
    if (e != ERR_NONE)
        return e;
    bool both_others = line->from == FAULT_OTHERS && line->to == FAULT_OTHERS;
    bool others = line->from == FAULT_OTHERS || line->to == FAULT_OTHERS;
    if (both_others || (!others && (line->from & line->to) != 0) || (from_it && to_it))
        return refuse(w, word, expected);
    line->one_way = word.data[middle] == '>';
    line->it |= (from_it ? FAULT_IT_FROM : 0) | (to_it ? FAULT_IT_TO : 0);
    return ERR_NONE;
}

/* The faults of that target, or what a disk takes: the message lists them. */
static enum err refuse_kind(struct words *w, struct bytes first, struct bytes second,
                            enum fault_target target)
{
    static const char disk[] = "disk ";
    bool on_disk = is_word(first, "disk") && target == FAULT_ON_NODES;
    const char *whose = target == FAULT_ON_LINK ? "a fault of a link" : "a fault of a node";
    struct listed list = {.size = 0};
    if (first.size == 0)
        return refuse(w, first, whose);
    for (int k = 0; k < FAULT_KIND_COUNT; k++) {
        bool of_disk = strncmp(kinds[k].name, disk, strlen(disk)) == 0;
        if (kinds[k].target == target && (!on_disk || of_disk))
            list_name(&list, kinds[k].name + (on_disk ? strlen(disk) : 0), "");
    }
    if (on_disk && second.size == 0)
        return errmsg_set(w->msg, ERR_INVALID, "what of the disk? there are %s", list.text);
    return errmsg_set(w->msg, ERR_INVALID, "\"%.*s%s%.*s\" is not %s; there are %s",
                      (int)first.size, (const char *)first.data, on_disk ? " " : "",
                      on_disk ? (int)second.size : 0, (const char *)second.data, whose, list.text);
}

/* Names of one or two words. */
static enum err parse_kind(struct words *w, enum fault_target target, struct fault_line *line)
{
    struct bytes first = next_word(w);
    struct words peek = *w;
    struct bytes second = next_word(&peek);
    for (int k = 0; k < FAULT_KIND_COUNT; k++) {
        struct bytes tail = bytes_text(kinds[k].name);
        struct bytes head = cut_at(&tail, " ");
        if (kinds[k].target != target || !bytes_equal(head, first))
            continue;
        if (tail.size > 0 && !bytes_equal(tail, second))
            continue;
        if (tail.size > 0)
            *w = peek;
        line->kind = (enum fault_kind)k;
        return ERR_NONE;
    }
    return refuse_kind(w, first, second, target);
}

static enum err parse_hex(struct bytes text, int64_t *value)
{
    uint64_t v = 0;
    if (text.size < 3 || text.size > 18 || text.data[0] != '0' || text.data[1] != 'x')
        return ERR_INVALID;
    for (size_t i = 2; i < text.size; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = memchr(digits, text.data[i], 16);
        if (digit == NULL)
            return ERR_INVALID;
        v = v << 4 | (uint64_t)(digit - digits);
    }
    *value = (int64_t)v;
    return ERR_NONE;
}

static enum err parse_site(struct bytes text, int64_t *value)
{
    for (int i = 0; i < FAULT_SITE_COUNT; i++) {
        *value = i;
        if (is_word(text, sites[i].name))
            return ERR_NONE;
    }
    return ERR_INVALID;
}

static enum err parse_error(struct bytes text, int64_t *value)
{
    char name[32] = {0};
    enum err e;
    memcpy(name, text.data, MIN(text.size, sizeof name - 1));
    if (text.size >= sizeof name || !err_parse(name, &e))
        return ERR_INVALID;
    *value = e;
    return ERR_NONE;
}

static enum err parse_value(struct words *w, enum format format, struct bytes text, int64_t *value)
{
    enum err e;
    switch (format) {
    case AS_INT:
        e = text_parse_int(text, value);
        return e == ERR_NONE && *value < 0 ? ERR_INVALID : e;
    case AS_SIGNED:
        return text_parse_int(text, value);
    case AS_HEX:
        return parse_hex(text, value);
    case AS_TIME:
        return fault_time_parse(text, value);
    case AS_SITE:
        return parse_site(text, value);
    case AS_ERROR:
        return parse_error(text, value);
    case AS_NODE:
        return parse_node(w, text, value) ? ERR_NONE : ERR_INVALID;
    }
    UNREACHABLE();
}

static enum err parse_file(struct words *w, struct bytes value, struct fault_line *line)
{
    if (value.size == 0 || value.size >= sizeof line->file)
        return refuse(w, value, "part of a path of at most 63 bytes");
    memcpy(line->file, value.data, value.size);
    return ERR_NONE;
}

static enum err refuse_site(struct words *w, struct bytes word)
{
    struct listed list = {.size = 0};
    for (int i = 0; i < FAULT_SITE_COUNT; i++)
        list_name(&list, sites[i].name, "");
    return errmsg_set(w->msg, ERR_INVALID, "\"%.*s\" is no fault point; there are %s",
                      (int)word.size, (const char *)word.data, list.text);
}

static enum err refuse_value(struct words *w, struct bytes word, enum format format)
{
    static const char *const right[] = {
        [AS_INT] = "a number from 0 on",
        [AS_SIGNED] = "a number as 200 or -200",
        [AS_HEX] = "hexadecimal as 0x12ab",
        [AS_TIME] = "a time as 250ms",
        [AS_SITE] = "",
        [AS_ERROR] = "an error as IO, NOSPACE, READONLY or ACCESS",
        [AS_NODE] = "a node that there is",
    };
    if (format == AS_SITE)
        return refuse_site(w, word);
    return errmsg_set(w->msg, ERR_INVALID, "\"%.*s\" is not understood: its value must be %s",
                      (int)word.size, (const char *)word.data, right[format]);
}

/* Lists what the fault takes. */
static enum err refuse_param(struct words *w, struct bytes word, enum fault_kind kind)
{
    struct listed list = {.size = 0};
    for (int i = 0; i < FAULT_PARAM_COUNT; i++) {
        if ((kinds[kind].takes & (1u << i)) != 0)
            list_name(&list, params[i].name, "=");
    }
    if ((kinds[kind].takes & FAULT_TAKES_FILE) != 0)
        list_name(&list, "file", "=");
    if ((kinds[kind].takes & FAULT_TAKES_FOR) != 0)
        list_name(&list, "for TIME", "");
    return errmsg_set(w->msg, ERR_INVALID, "\"%.*s\" is nothing that %s takes; it takes %s",
                      (int)word.size, (const char *)word.data, kinds[kind].name,
                      list.size == 0 ? "nothing" : list.text);
}

static enum err refuse_twice(struct words *w, const char *name)
{
    return errmsg_set(w->msg, ERR_INVALID, "says %s twice", name);
}

/* Where none of it would be no fault at all. */
static enum err check_number(struct words *w, struct bytes word, enum fault_kind kind, int param,
                             int64_t value)
{
    bool none = param == FAULT_P_TIMES || param == FAULT_P_FACTOR || param == FAULT_P_RATE ||
                param == FAULT_P_PPM || (param == FAULT_P_BYTES && kind != FAULT_DISK_FULL);
    if (none && value == 0)
        return errmsg_set(w->msg, ERR_INVALID, "\"%.*s\" would do nothing: it must be 1 or more",
                          (int)word.size, (const char *)word.data);
    bool forward = param == FAULT_P_EVERY || (param == FAULT_P_BY && kind == FAULT_STALL);
    if ((forward && value <= 0) || (param == FAULT_P_BY && value == 0))
        return errmsg_set(w->msg, ERR_INVALID, "\"%.*s\" must be longer than nothing",
                          (int)word.size, (const char *)word.data);
    if (param == FAULT_P_PPM && (value > FAULT_PPM_MAX || value < -FAULT_PPM_MAX))
        return errmsg_set(w->msg, ERR_INVALID,
                          "\"%.*s\" is no clock: %d parts of a million at most", (int)word.size,
                          (const char *)word.data, FAULT_PPM_MAX);
    if (param == FAULT_P_BIT && value > 7)
        return errmsg_set(w->msg, ERR_INVALID, "\"%.*s\" is none of a byte: 0 to 7", (int)word.size,
                          (const char *)word.data);
    if (param == FAULT_P_RATE && value > FAULT_RATE_WHOLE)
        return errmsg_set(w->msg, ERR_INVALID,
                          "\"%.*s\" is more than all: a rate is per million, %d at most",
                          (int)word.size, (const char *)word.data, FAULT_RATE_WHOLE);
    return ERR_NONE;
}

/* What a fault cannot do without. */
static enum err check_whole(struct words *w, const struct fault_line *line)
{
    static const struct {
        enum fault_kind kind;
        enum fault_param param;
        const char *example;
    } needs[] = {
        {FAULT_RATE, FAULT_P_SITE, "site=disk/sync"},
        {FAULT_RATE, FAULT_P_RATE, "rate=1000"},
        {FAULT_FAIL, FAULT_P_SITE, "site=disk/sync"},
        {FAULT_FAIL, FAULT_P_KEY, "key=0x12ab"},
        {FAULT_CLOCK, FAULT_P_BY, "by=+1h"},
        {FAULT_DISK_SWAP, FAULT_P_WITH, "with=broker2"},
        {FAULT_DRIFT, FAULT_P_PPM, "ppm=200"},
    };
    if (line->kind == FAULT_DISK_VANISH && line->file[0] == 0)
        return errmsg_set(w->msg, ERR_INVALID, "%s needs file=, as file=orders-0",
                          kinds[line->kind].name);
    if (line->param[FAULT_P_EVERY] != 0 && line->kind == FAULT_CUT && line->for_ns == 0)
        return errmsg_set(w->msg, ERR_INVALID, "cut every= needs a time, as for 5s");
    for (int i = 0; i < COUNT_OF(needs); i++) {
        if (needs[i].kind == line->kind && (w->seen >> needs[i].param & 1) == 0)
            return errmsg_set(w->msg, ERR_INVALID, "%s needs %s=, as %s", kinds[line->kind].name,
                              params[needs[i].param].name, needs[i].example);
    }
    return ERR_NONE;
}

static enum err parse_param(struct words *w, struct bytes word, struct fault_line *line)
{
    struct bytes value = word;
    struct bytes key = cut_at(&value, "=");
    if (is_word(key, "file") && (kinds[line->kind].takes & FAULT_TAKES_FILE) != 0)
        return line->file[0] != 0 ? refuse_twice(w, "file") : parse_file(w, value, line);
    for (int i = 0; i < FAULT_PARAM_COUNT; i++) {
        if (!takes_param(line->kind, i) || !is_word(key, params[i].name))
            continue;
        if ((w->seen >> i & 1) != 0)
            return refuse_twice(w, params[i].name);
        w->seen |= 1u << i;
        if (parse_value(w, params[i].format, value, &line->param[i]) != ERR_NONE)
            return refuse_value(w, word, params[i].format);
        return check_number(w, word, line->kind, i, line->param[i]);
    }
    return refuse_param(w, word, line->kind);
}

static enum err parse_rest(struct words *w, struct fault_line *line)
{
    for (struct bytes word = next_word(w); word.size > 0; word = next_word(w)) {
        bool is_for = is_word(word, "for") && (kinds[line->kind].takes & FAULT_TAKES_FOR) != 0;
        enum err e = ERR_NONE;
        if (!is_for)
            e = parse_param(w, word, line);
        else if (line->for_ns != 0)
            e = refuse_twice(w, "for");
        else if (word = next_word(w),
                 fault_time_parse(word, &line->for_ns) != ERR_NONE || line->for_ns <= 0)
            e = refuse(w, word, "a time as 250ms");
        if (e != ERR_NONE)
            return e;
    }
    return check_whole(w, line);
}

/* A plan is for people: a byte that they cannot see would be lost between two printings. */
static bool is_text(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        if ((text.data[i] < ' ' && text.data[i] != '\t') || text.data[i] == 0x7f)
            return false;
    }
    return true;
}

/* "LEADER_ON(3)": a kind of row, and which of them, counted from 1. */
static enum err parse_row(struct words *w, struct bytes word, struct fault_line *line)
{
    struct bytes left = word;
    struct bytes name = cut_at(&left, "(");
    bool closed = left.size > 1 && left.data[left.size - 1] == ')';
    int64_t count = 0;
    if (closed)
        closed = text_parse_int(bytes_of(left.data, left.size - 1), &count) == ERR_NONE;
    if (!closed || count < 1)
        return refuse(w, word, "a row of the trace and which of them, as LEADER_ON(1)");
    for (int kind = 0; kind < TRACE_KIND_COUNT; kind++) {
        if (!is_word(name, trace_kinds[kind].name))
            continue;
        line->on_row = (uint8_t)(kind + 1);
        line->on_count = count;
        w->has_it = true;
        return ERR_NONE;
    }
    return errmsg_set(w->msg, ERR_INVALID,
                      "\"%.*s\" is no kind of row; rows are called as kiln trace prints them, as "
                      "LEADER_ON",
                      (int)name.size, (const char *)name.data);
}

static enum err parse_when(struct words *w, struct fault_line *line)
{
    struct bytes word = next_word(w);
    if (is_word(word, "on")) {
        enum err e = parse_row(w, next_word(w), line);
        if (e != ERR_NONE)
            return e;
        word = next_word(w);
        return is_word(word, "do") ? ERR_NONE : refuse(w, word, "\"do\", as in on LEADER_ON(1) do");
    }
    if (!is_word(word, "at"))
        return refuse(w, word, "a time as at 12.4s, with which a line of a plan begins");
    word = next_word(w);
    if (fault_time_parse(word, &line->at_ns) != ERR_NONE || line->at_ns < 0)
        return refuse(w, word, "a time as 12.4s");
    return ERR_NONE;
}

enum err fault_line_parse(struct fault_line *line, struct bytes text, struct errmsg *msg)
{
    return fault_line_parse_named(line, text, NULL, msg);
}

enum err fault_line_parse_named(struct fault_line *line, struct bytes text,
                                struct fault_names *names, struct errmsg *msg)
{
    struct words w = {.rest = text, .names = names, .msg = msg};
    *line = (struct fault_line){0};
    if (!is_text(text))
        return errmsg_set(msg, ERR_INVALID, "a control character in a line of a plan");
    enum err e = parse_when(&w, line);
    if (e != ERR_NONE)
        return e;
    struct bytes word = next_word(&w);
    bool on_link = is_word(word, "link");
    if (!on_link && !is_word(word, "node"))
        return refuse(&w, word, "\"node\" or \"link\", as in node broker1 kill");
    e = on_link ? parse_link(&w, line) : parse_nodes(&w, line);
    if (e == ERR_NONE)
        e = parse_kind(&w, on_link ? FAULT_ON_LINK : FAULT_ON_NODES, line);
    if (e == ERR_NONE)
        e = parse_rest(&w, line);
    return e;
}
