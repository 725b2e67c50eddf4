/* line.c - one fault as a line of text, both ways. The tables decide; a new kind needs a row, no
 * code. */
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

enum format {
    AS_INT,
    AS_HEX,
    AS_TIME,
    AS_SITE,
    AS_ERROR,
};

static const struct {
    const char *name;
    enum format format;
} params[FAULT_PARAM_COUNT] = {
    [FAULT_P_OP] = {"op", AS_INT},         [FAULT_P_BY] = {"by", AS_TIME},
    [FAULT_P_TIMES] = {"times", AS_INT},   [FAULT_P_BYTES] = {"bytes", AS_INT},
    [FAULT_P_FACTOR] = {"factor", AS_INT}, [FAULT_P_OFFSET] = {"offset", AS_INT},
    [FAULT_P_BIT] = {"bit", AS_INT},       [FAULT_P_WITH] = {"with", AS_INT},
    [FAULT_P_RATE] = {"rate", AS_INT},     [FAULT_P_SITE] = {"site", AS_SITE},
    [FAULT_P_KEY] = {"key", AS_HEX},       [FAULT_P_COUNT] = {"count", AS_INT},
    [FAULT_P_ERROR] = {"error", AS_ERROR}, [FAULT_P_CHOICE] = {"choice", AS_HEX},
    [FAULT_P_SCRIPT] = {"script", AS_INT},
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

/* A script may do any harm, so every kind takes its number. */
static bool takes_param(enum fault_kind kind, int param)
{
    return param == FAULT_P_SCRIPT || (kinds[kind].takes & (1u << param)) != 0;
}

uint64_t fault_line_id(const struct fault_line *line)
{
    uint64_t h = hash_combine((uint64_t)line->at_ns, (uint64_t)line->for_ns);
    h = hash_combine(h, (uint64_t)line->kind);
    h = hash_combine(h, line->nodes);
    h = hash_combine(h, (uint64_t)line->from << 33 ^ (uint64_t)line->to << 1 ^ line->one_way);
    for (int i = 0; i < FAULT_PARAM_COUNT; i++)
        h = hash_combine(h, (uint64_t)line->param[i]);
    return hash_combine(h, hash_text(line->file));
}

/* ---- to text ---- */

static void print_target(const struct fault_line *line, struct text *out)
{
    if (kinds[line->kind].target == FAULT_ON_LINK) {
        text_printf(out, "link %d%c%d", line->from, line->one_way ? '>' : '-', line->to);
        return;
    }
    const char *separator = "node ";
    for (uint32_t i = 0; i < FAULT_NODES_MAX; i++) {
        if ((line->nodes & fault_node(i)) == 0)
            continue;
        text_printf(out, "%s%u", separator, i);
        separator = ",";
    }
}

static void print_value(enum format format, int64_t value, struct text *out)
{
    switch (format) {
    case AS_INT:
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
    }
    UNREACHABLE();
}

void fault_line_print(const struct fault_line *line, struct text *out)
{
    text_add(out, "at ", 3);
    fault_time_print(line->at_ns, out);
    text_add(out, " ", 1);
    print_target(line, out);
    text_printf(out, " %s", kinds[line->kind].name);
    if (line->file[0] != 0)
        text_printf(out, " file=%s", line->file);
    for (int i = 0; i < FAULT_PARAM_COUNT; i++) {
        if (!takes_param(line->kind, i) || (line->param[i] == 0 && i != FAULT_P_SITE))
            continue;
        text_printf(out, " %s=", params[i].name);
        print_value(params[i].format, line->param[i], out);
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
    struct errmsg *msg;
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

static bool parse_node(struct bytes text, int64_t *node)
{
    return text_parse_int(text, node) == ERR_NONE && *node >= 0 && *node < FAULT_NODES_MAX;
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

static enum err parse_nodes(struct words *w, struct fault_line *line)
{
    struct bytes word = next_word(w);
    struct bytes left = word;
    do {
        int64_t node;
        if (!parse_node(cut_at(&left, ","), &node))
            return refuse(w, word, "a list of nodes as 0,2");
        line->nodes |= fault_node((uint32_t)node);
    } while (left.size > 0);
    return ERR_NONE;
}

static enum err parse_link(struct words *w, struct fault_line *line)
{
    struct bytes word = next_word(w);
    struct bytes to = word;
    struct bytes from = cut_at(&to, "->");
    int64_t a, b;
    if (!parse_node(from, &a) || !parse_node(to, &b) || a == b)
        return refuse(w, word, "a link as 0-1 or 0>1");
    line->one_way = word.data[from.size] == '>';
    line->from = (int32_t)a;
    line->to = (int32_t)b;
    return ERR_NONE;
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
    return refuse(w, first, target == FAULT_ON_LINK ? "a fault of a link" : "a fault of a node");
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

static enum err parse_value(enum format format, struct bytes text, int64_t *value)
{
    enum err e;
    switch (format) {
    case AS_INT:
        e = text_parse_int(text, value);
        return e == ERR_NONE && *value < 0 ? ERR_INVALID : e;
    case AS_HEX:
        return parse_hex(text, value);
    case AS_TIME:
        return fault_time_parse(text, value);
    case AS_SITE:
        return parse_site(text, value);
    case AS_ERROR:
        return parse_error(text, value);
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

static enum err parse_param(struct words *w, struct bytes word, struct fault_line *line)
{
    struct bytes value = word;
    struct bytes key = cut_at(&value, "=");
    if (is_word(key, "file") && (kinds[line->kind].takes & FAULT_TAKES_FILE) != 0)
        return parse_file(w, value, line);
    for (int i = 0; i < FAULT_PARAM_COUNT; i++) {
        if (!takes_param(line->kind, i) || !is_word(key, params[i].name))
            continue;
        if (parse_value(params[i].format, value, &line->param[i]) != ERR_NONE)
            return refuse(w, word, "understood: its value is wrong");
        return ERR_NONE;
    }
    return refuse(w, word, "something that this fault takes");
}

static enum err parse_rest(struct words *w, struct fault_line *line)
{
    for (struct bytes word = next_word(w); word.size > 0; word = next_word(w)) {
        bool is_for = is_word(word, "for") && (kinds[line->kind].takes & FAULT_TAKES_FOR) != 0;
        enum err e = ERR_NONE;
        if (!is_for)
            e = parse_param(w, word, line);
        else if (word = next_word(w),
                 fault_time_parse(word, &line->for_ns) != ERR_NONE || line->for_ns <= 0)
            e = refuse(w, word, "a time as 250ms");
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
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

enum err fault_line_parse(struct fault_line *line, struct bytes text, struct errmsg *msg)
{
    struct words w = {.rest = text, .msg = msg};
    *line = (struct fault_line){0};
    if (!is_text(text))
        return errmsg_set(msg, ERR_INVALID, "a control character in a line of a plan");
    struct bytes word = next_word(&w);
    if (!is_word(word, "at"))
        return refuse(&w, word, "\"at\"");
    word = next_word(&w);
    if (fault_time_parse(word, &line->at_ns) != ERR_NONE || line->at_ns < 0)
        return refuse(&w, word, "a time as 12.4s");
    word = next_word(&w);
    bool on_link = is_word(word, "link");
    if (!on_link && !is_word(word, "node"))
        return refuse(&w, word, "\"node\" or \"link\"");
    enum err e = on_link ? parse_link(&w, line) : parse_nodes(&w, line);
    if (e == ERR_NONE)
        e = parse_kind(&w, on_link ? FAULT_ON_LINK : FAULT_ON_NODES, line);
    if (e == ERR_NONE)
        e = parse_rest(&w, line);
    return e;
}
