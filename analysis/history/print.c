/* print.c - a row as a line for people. */
#include <inttypes.h>
#include "history/internal.h"

#define NAME_SIZE (8 * (TRACE_ARGS_MAX - 1))

struct name {
    struct hmap_node node;
    uint64_t id;
    char text[NAME_SIZE + 1];
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
    if (row->kind != TRACE_NAME || history_name(names, row->arg[0]) != NULL)
        return;
    struct name *name = mem_zalloc(names->mem, sizeof *name);
    if (name == NULL)
        return;
    name->id = row->arg[0];
    memcpy(name->text, &row->arg[1], NAME_SIZE);
    for (char *c = name->text; *c != 0; c++)
        *c = history_plain(*c);
    hmap_insert(&names->map, hash_mix(name->id), &name->node);
}

const char *history_name(const struct history_names *names, uint64_t id)
{
    struct hmap_node *found = hmap_find(&names->map, hash_mix(id), &id);
    return found == NULL ? NULL : CONTAINER_OF(found, struct name, node)->text;
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(word, *words) == 0)
            return true;
    }
    return false;
}

static void print_argument(const char *label, uint64_t v, const struct history_names *names,
                           struct text *out)
{
    static const char *const ids[] = {"partition", "topic", "id", "kind", "site", "action", NULL};
    static const char *const hex[] = {"vid", "key", "body", "crc", NULL};
    /* Small numbers name nodes; those of everything else are hashes. */
    bool has_name = names != NULL && v > UINT32_MAX && is_one_of(label, ids);
    const char *name = has_name ? history_name(names, v) : NULL;
    if (name != NULL)
        text_printf(out, " %s", name);
    else if (strcmp(label, "err") == 0 && v < ERR_COUNT)
        text_printf(out, " %s", err_text((enum err)v));
    else if (is_one_of(label, hex))
        text_printf(out, " %s %" PRIx64, label, v);
    else
        text_printf(out, " %s %" PRId64, label, (int64_t)v);
}

static void print_sentence(const struct trace_row *row, struct text *out)
{
    const char *text = (const char *)row->arg;
    text_add(out, ": ", 2);
    for (size_t i = 0; i < sizeof row->arg && text[i] != 0; i++) {
        char c = history_plain(text[i]);
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
    if (row->kind == TRACE_NAME)
        return;
    if (history_is_text(row)) {
        print_sentence(row, out);
        return;
    }
    for (int i = 0; i < info->arg_count; i++)
        print_argument(info->args[i], row->arg[i], names, out);
}
