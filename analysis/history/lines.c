/* lines.c - a stream of rows as lines for people or objects for programs, those that are asked for.
 * It only reads rows. */
#include "history/internal.h"

enum err history_lines_start(struct history_lines *l)
{
    ASSERT(l->put != NULL);
    l->told.event = 0;
    return history_names_new(&l->names, l->mem);
}

void history_lines_end(struct history_lines *l)
{
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
    for (int i = 0; i < info->column_count; i++) {
        uint8_t type = info->columns[i].type;
        bool names = type == TRACE_PARTITION || type == TRACE_TOPIC;
        const char *name = names ? history_name(l->names, trace_words(row)[i]) : NULL;
        if (names_partition(name, l->filter.partition))
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
    if (row->kind == TRACE_EVENT && !f->events)
        return false;
    const char *node = history_name(l->names, row->node);
    if (f->node != NULL && (node == NULL || strcmp(node, f->node) != 0))
        return false;
    return f->partition == NULL || speaks_of(l, row);
}

/* ---- objects ---- */

static void put_event(struct json *j, const struct history_lines *l, const struct trace_EVENT *is)
{
    const char *what = history_name(l->names, is->what);
    json_put_int(j, "cause", is->cause);
    if (is->since != is->cause)
        json_put_int(j, "since", is->since);
    if (what != NULL)
        json_put_string(j, "told", what);
}

static void print_object(const struct history_lines *l, const struct trace_row *row,
                         struct text *out)
{
    const struct trace_kind_info *info = &trace_kinds[row->kind];
    const struct trace_EVENT *is = history_lines_event(l, row);
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
    json_put_uint(&j, "event", row->event);
    if (is != NULL && row->kind != TRACE_EVENT)
        put_event(&j, l, is);
    json_put_string(&j, "row", info->name);
    for (int i = 0; i < info->column_count; i++)
        history_put_column(&j, l->names, &info->columns[i], trace_words(row)[i]);
    if (info->has_text)
        json_put_string(&j, "text", trace_text(row));
    json_put_end(&j);
}

/* ---- rows ---- */

const struct trace_EVENT *history_lines_event(const struct history_lines *l,
                                              const struct trace_row *row)
{
    bool of_it = row->kind != TRACE_FINDING && row->event == l->told.event;
    return of_it && row->event != 0 ? &l->told.is : NULL;
}

void history_lines_row(struct history_lines *l, const struct trace_row *row)
{
    struct text line;
    ASSERT(l->names != NULL);
    history_names_row(l->names, row);
    if (row->kind == TRACE_EVENT) {
        l->told.event = row->event;
        l->told.is = *TRACE_AS(row, EVENT);
    }
    if (row->kind == TRACE_NAME || !is_wanted(l, row))
        return;
    text_init(&line, l->mem);
    if (l->as_json)
        print_object(l, row, &line);
    else
        history_print(row, l->names, &line);
    l->put(l, row, line.failed || line.data == NULL ? "" : line.data);
    text_free(&line);
}
