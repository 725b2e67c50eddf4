/* print.c - a row as a line for people, its columns by what their types say. */
#include <inttypes.h>
#include "history/internal.h"

struct name {
    struct hmap_node node;
    uint64_t id;
    char text[];
};

struct history_names {
    struct mem *mem;
    struct hmap map;
};

static bool name_equal(const void *key, const struct hmap_node *node)
{
    return CONTAINER_OF(node, struct name, node)->id == *(const uint64_t *)key;
}

enum err history_names_new(struct history_names **out, struct mem *mem)
{
    struct history_names *names = mem_zalloc(mem, sizeof *names);
    if (names == NULL)
        return ERR_NOMEM;
    names->mem = mem;
    enum err e = hmap_init(&names->map, mem, name_equal);
    if (e != ERR_NONE) {
        mem_free(mem, names);
        return e;
    }
    *out = names;
    return ERR_NONE;
}

void history_names_free(struct history_names *names)
{
    if (names == NULL)
        return;
    LIST_EACH (name, &names->map.order, struct name, node.order)
        mem_free(names->mem, name);
    hmap_free(&names->map);
    mem_free(names->mem, names);
}

char history_plain(char c)
{
    return (uint8_t)c < ' ' || c == 0x7f ? '?' : c;
}

/* A name that finds no memory is printed as its number. */
void history_names_row(struct history_names *names, const struct trace_row *row)
{
    if (row->kind != TRACE_NAME || history_name(names, TRACE_AS(row, NAME)->id) != NULL)
        return;
    const char *text = trace_text(row);
    struct name *name = mem_zalloc(names->mem, sizeof *name + strlen(text) + 1);
    if (name == NULL)
        return;
    name->id = TRACE_AS(row, NAME)->id;
    for (size_t i = 0; text[i] != 0; i++)
        name->text[i] = history_plain(text[i]);
    hmap_insert(&names->map, hash_mix(name->id), &name->node);
}

const char *history_name(const struct history_names *names, uint64_t id)
{
    struct hmap_node *found = hmap_find(&names->map, hash_mix(id), &id);
    return found == NULL ? NULL : CONTAINER_OF(found, struct name, node)->text;
}

/* Small numbers name nodes; those of everything else are hashes. */
static const char *name_of(enum trace_type type, uint64_t v, const struct history_names *names)
{
    bool may =
        type == TRACE_PARTITION || type == TRACE_TOPIC || type == TRACE_ID || type == TRACE_NAMED;
    return may && names != NULL && v > UINT32_MAX ? history_name(names, v) : NULL;
}

static void print_column(const struct trace_column *column, uint64_t v,
                         const struct history_names *names, struct text *out)
{
    enum trace_type type = (enum trace_type)column->type;
    const char *name = name_of(type, v, names);
    if (name != NULL)
        text_printf(out, " %s", name);
    else if (type == TRACE_ERR && v < ERR_COUNT)
        text_printf(out, " %s", err_text((enum err)v));
    else if (type == TRACE_BITS)
        text_printf(out, " %s %" PRIx64, column->name, v);
    else
        text_printf(out, " %s %" PRId64, column->name, (int64_t)v);
}

static void print_text(const char *text, struct text *out)
{
    text_add(out, ": ", 2);
    for (; *text != 0; text++) {
        char c = history_plain(*text);
        text_add(out, &c, 1);
    }
}

void history_print(const struct trace_row *row, const struct history_names *names, struct text *out)
{
    const struct trace_kind_info *info = &trace_kinds[row->kind];
    const char *node = names == NULL ? NULL : history_name(names, row->node);
    text_printf(out, "%12.6f  ", (double)row->time_ns / 1e9);
    if (node != NULL || row->node == UINT32_MAX)
        text_printf(out, "%-10s", node != NULL ? node : "-");
    else
        text_printf(out, "node %-5" PRIu32, row->node);
    text_printf(out, " %s", info->text);
    if (info->has_text) { /* which says it all */
        print_text(trace_text(row), out);
        return;
    }
    for (int i = 0; i < info->column_count; i++)
        if (info->columns[i].type != TRACE_TOPIC_ID) /* the name says it, and objects do */
            print_column(&info->columns[i], trace_words(row)[i], names, out);
}

/* ---- objects ---- */

void history_put_column(struct json *j, const struct history_names *names,
                        const struct trace_column *column, uint64_t v)
{
    enum trace_type type = (enum trace_type)column->type;
    const char *name = name_of(type, v, names);
    bool hash = type == TRACE_PARTITION || type == TRACE_TOPIC || type == TRACE_NAMED ||
                type == TRACE_TOPIC_ID;
    if (name != NULL)
        json_put_string(j, column->name, name);
    else if (type == TRACE_ERR && v < ERR_COUNT)
        json_put_string(j, column->name, err_name((enum err)v));
    else if (hash || type == TRACE_BITS)
        json_put_hex(j, column->name, v);
    else
        json_put_int(j, column->name, (int64_t)v);
}
