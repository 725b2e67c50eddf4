/* lines.c - a stream of rows as lines for people or objects for programs, those that are asked for.
 * It only reads rows. */
#include "history/internal.h"

bool history_is_text(const struct trace_row *row)
{
    return row->kind == TRACE_SAY || row->kind == TRACE_FINDING;
}

bool history_text_goes_on(const struct trace_row *row)
{
    return history_is_text(row) && memchr(row->arg, 0, sizeof row->arg) == NULL;
}

void history_put_text(const struct trace_row *like, const char *text,
                      void (*put)(void *context, const struct trace_row *row), void *context)
{
    struct trace_row row = *like;
    size_t size = strlen(text) + 1; /* the zero ends it, be it in a row of its own */
    ASSERT(history_is_text(like));
    for (size_t at = 0; at < size; at += sizeof row.arg) {
        memset(row.arg, 0, sizeof row.arg);
        memcpy(row.arg, text + at, MIN(size - at, sizeof row.arg));
        put(context, &row);
    }
}

enum err history_lines_start(struct history_lines *l)
{
    ASSERT(l->put != NULL);
    text_init(&l->line, l->mem);
    return history_names_new(&l->names, l->mem);
}

void history_lines_end(struct history_lines *l)
{
    text_free(&l->line);
    history_names_free(l->names);
    l->names = NULL;
}

/* ---- what is wanted ---- */

/* "orders" and "orders-0" name orders-0. */
static bool names_partition(const char *name, const char *wanted)
{
    size_t size = strlen(wanted);
    if (name == NULL || strncmp(name, wanted, size) != 0)
        return false;
    if (name[size] == 0)
        return true;
    return name[size] == '-' && strspn(name + size + 1, "0123456789") == strlen(name + size + 1);
}

static bool speaks_of(const struct history_lines *l, const struct trace_row *row)
{
    const struct trace_kind_info *info = &trace_kinds[row->kind];
    for (int i = 0; i < info->arg_count; i++) {
        bool names = strcmp(info->args[i], "partition") == 0 || strcmp(info->args[i], "topic") == 0;
        if (names && names_partition(history_name(l->names, row->arg[i]), l->filter.partition))
            return true;
    }
    return false;
}

/* What broke is always wanted, in its time. */
static bool is_wanted(const struct history_lines *l, const struct trace_row *row)
{
    const struct history_filter *f = &l->filter;
    if (row->time_ns < f->from_ns || (f->to_ns != 0 && row->time_ns > f->to_ns))
        return false;
    if (row->kind == TRACE_FINDING)
        return true;
    const char *node = history_name(l->names, row->node);
    if (f->node != NULL && (node == NULL || strcmp(node, f->node) != 0))
        return false;
    return f->partition == NULL || speaks_of(l, row);
}

/* ---- objects ---- */

static bool is_label(const char *label, const char *const *labels)
{
    for (; *labels != NULL; labels++) {
        if (strcmp(label, *labels) == 0)
            return true;
    }
    return false;
}

static void put_argument(struct json *j, const struct history_names *names, const char *label,
                         uint64_t v)
{
    static const char *const hashes[] = {"partition", "topic", "kind", "site", "action",
                                         "vid",       "key",   "body", "crc",  NULL};
    const char *name = v > UINT32_MAX ? history_name(names, v) : NULL;
    if (name != NULL)
        json_put_string(j, label, name);
    else if (strcmp(label, "err") == 0 && v < ERR_COUNT)
        json_put_string(j, label, err_name((enum err)v));
    else if (is_label(label, hashes))
        json_put_hex(j, label, v);
    else
        json_put_int(j, label, (int64_t)v);
}

/* text: of a sentence, put together; else the arguments say all. */
static void print_object(const struct history_lines *l, const struct trace_row *row,
                         const char *sentence, struct text *out)
{
    const struct trace_kind_info *info = &trace_kinds[row->kind];
    const char *node = history_name(l->names, row->node);
    struct json j;
    json_put_init(&j, out);
    json_put_object(&j, NULL);
    json_put_seconds(&j, "time_s", row->time_ns);
    if (node != NULL)
        json_put_string(&j, "node", node);
    else if (row->node != UINT32_MAX)
        json_put_int(&j, "node", row->node);
    json_put_int(&j, "life", row->incarnation);
    json_put_uint(&j, "event", row->cause);
    json_put_string(&j, "row", info->name);
    if (history_is_text(row))
        json_put_string(&j, "text", sentence);
    for (int i = 0; i < info->arg_count && !history_is_text(row); i++)
        put_argument(&j, l->names, info->args[i], row->arg[i]);
    json_put_end(&j);
}

static void put_object(struct history_lines *l, const struct trace_row *row, const char *sentence)
{
    struct text object;
    text_init(&object, l->mem);
    print_object(l, row, sentence, &object);
    l->put(l, row, object.failed ? "" : object.data);
    text_free(&object);
}

/* ---- rows ---- */

static void emit(struct history_lines *l)
{
    const char *line = l->line.failed || l->line.data == NULL ? "" : l->line.data;
    if (l->as_json)
        put_object(l, &l->first, line);
    else
        l->put(l, &l->first, line);
}

static void add_piece(struct history_lines *l, const struct trace_row *row)
{
    const char *piece = (const char *)row->arg;
    for (size_t i = 0; i < sizeof row->arg && piece[i] != 0; i++) {
        char c = l->as_json ? piece[i] : history_plain(piece[i]);
        text_add(&l->line, &c, 1);
    }
}

void history_lines_row(struct history_lines *l, const struct trace_row *row)
{
    ASSERT(l->names != NULL);
    history_names_row(l->names, row);
    if (row->kind == TRACE_NAME)
        return;
    bool goes_on = l->open && row->kind == l->first.kind;
    if (!goes_on) {
        l->first = *row;
        l->wanted = is_wanted(l, row);
    }
    l->open = history_text_goes_on(row);
    if (!l->wanted)
        return;
    if (goes_on || (l->as_json && history_is_text(row)))
        add_piece(l, row);
    else if (!l->as_json)
        history_print(row, l->names, &l->line);
    if (l->open)
        return;
    emit(l);
    text_free(&l->line);
}
