/* points.c - the layout of the offset checkpoints. What cannot be is refused, never guessed. */
#include "format/internal.h"

static int compare_points(const void *a, const void *b)
{
    const struct format_point *x = a;
    const struct format_point *y = b;
    size_t size = MIN(x->topic.size, y->topic.size);
    int order = memcmp(x->topic.data, y->topic.data, size);
    if (order == 0)
        order = (x->topic.size > y->topic.size) - (x->topic.size < y->topic.size);
    return order != 0 ? order : (x->partition > y->partition) - (x->partition < y->partition);
}

static bool parse_point(struct bytes line, struct format_point *out)
{
    struct bytes before;
    int64_t partition;
    if (!format_split_last(line, &before, &out->offset) || out->offset < 0)
        return false;
    if (!format_split_last(before, &out->topic, &partition))
        return false;
    out->partition = (int32_t)partition;
    return partition >= 0 && partition <= INT32_MAX;
}

static enum err parse_rows(struct bytes rest, struct format_points *out, struct errmsg *msg)
{
    struct bytes line;
    for (int32_t i = 0; i < out->count; i++) {
        if (!format_next_line(&rest, &line) || !parse_point(line, &out->rows[i]))
            return errmsg_set(msg, ERR_CORRUPT, "line %d is no topic, partition and offset", i + 3);
    }
    if (rest.size > 0)
        return errmsg_set(msg, ERR_CORRUPT, "line %d is one too many", out->count + 3);
    return ERR_NONE;
}

static enum err refuse_repeats(const struct format_points *points, struct errmsg *msg)
{
    for (int32_t i = 1; i < points->count; i++) {
        const struct format_point *row = &points->rows[i];
        if (compare_points(row - 1, row) == 0)
            return errmsg_set(msg, ERR_CORRUPT, "%.*s-%d stands there twice", (int)row->topic.size,
                              (const char *)row->topic.data, row->partition);
    }
    return ERR_NONE;
}

enum err format_points_parse(struct bytes file, struct mem *mem, struct format_points *out,
                             struct errmsg *msg)
{
    int64_t count = 0;
    *out = (struct format_points){0};
    enum err e = format_parse_head(&file, &count, msg);
    if (e != ERR_NONE)
        return e;
    if (count > INT32_MAX / (int64_t)sizeof *out->rows)
        return errmsg_set(msg, ERR_CORRUPT, "line 2 is too large");
    out->rows = mem_array(mem, (size_t)count + 1, sizeof *out->rows);
    if (out->rows == NULL)
        return ERR_NOMEM;
    out->count = (int32_t)count;
    e = parse_rows(file, out, msg);
    if (e == ERR_NONE)
        e = sort_stable(mem, out->rows, (size_t)count, sizeof *out->rows, compare_points);
    if (e == ERR_NONE)
        e = refuse_repeats(out, msg);
    if (e == ERR_NONE)
        return ERR_NONE;
    mem_free(mem, out->rows);
    *out = (struct format_points){0};
    return e;
}

int64_t format_points_find(const struct format_points *points, struct bytes topic,
                           int32_t partition, int64_t fallback)
{
    struct format_point key = {.topic = topic, .partition = partition};
    int32_t low = 0;
    int32_t high = points->count;
    while (low < high) {
        int32_t middle = low + (high - low) / 2;
        int order = compare_points(&points->rows[middle], &key);
        if (order == 0)
            return points->rows[middle].offset;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return fallback;
}

void format_points_print_head(struct text *out, int32_t count)
{
    text_printf(out, "0\n%d\n", count);
}

void format_points_print_row(struct text *out, const char *topic, int32_t partition, int64_t offset)
{
    ASSERT(offset >= 0);
    text_printf(out, "%s %d %lld\n", topic, partition, (long long)offset);
}
