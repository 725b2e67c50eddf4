/* trace.c - the ring of rows and the tables of what they mean. */
#include <string.h>
#include "base/hash.h"
#include "base/trace.h"

const struct trace_kind_info trace_kinds[TRACE_KIND_COUNT] = {
#define ROW(name, text, ...)                                                                       \
    [TRACE_##name] = {                                                                             \
        #name, text, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), {__VA_ARGS__}},
#include "base/trace_rows.def"
#undef ROW
};

const char *const trace_mark_texts[TRACE_MARK_COUNT] = {
#define MARK(name, text) [MARK_##name] = text,
#include "base/marks.def"
#undef MARK
};

void trace_init(struct trace *t, struct trace_row *rows, uint32_t cap, bool must_drain)
{
    ASSERT(cap > 0);
    ASSERT((cap & (cap - 1)) == 0);
    memset(t, 0, sizeof *t);
    t->rows = rows;
    t->cap = cap;
    t->must_drain = must_drain;
}

void trace_put(struct trace *t, enum trace_kind kind, const uint64_t *args, int count)
{
    ASSERT(count == trace_kinds[kind].arg_count);
    if (t->head - t->tail == t->cap) {
        ASSERT(!t->must_drain);
        t->lost_count++;
        return;
    }
    struct trace_row *row = &t->rows[t->head++ & (t->cap - 1)];
    memset(row, 0, sizeof *row);
    row->kind = (uint16_t)kind;
    memcpy(row->arg, args, (size_t)count * sizeof *args);
}

struct trace_row *trace_take(struct trace *t)
{
    if (t->head == t->tail)
        return NULL;
    return &t->rows[t->tail++ & (t->cap - 1)];
}

void trace_name(struct trace *t, uint64_t id, const char *text)
{
    uint64_t args[TRACE_ARGS_MAX] = {id};
    size_t size = MIN(strlen(text), sizeof args - sizeof args[0]);
    memcpy(args + 1, text, size);
    trace_put(t, TRACE_NAME, args, TRACE_ARGS_MAX);
}

uint64_t trace_topic(const char *topic)
{
    return hash_text(topic);
}

uint64_t trace_partition_of(uint64_t topic, int32_t partition)
{
    return hash_combine(topic, (uint64_t)partition);
}

uint64_t trace_partition(const char *topic, int32_t partition)
{
    return trace_partition_of(trace_topic(topic), partition);
}
