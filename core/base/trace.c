/* trace.c - the buffer of rows and the tables of what they mean. */
#include <stdatomic.h>
#include <string.h>
#include "base/bytes.h"
#include "base/hash.h"
#include "base/trace.h"

#define WORD sizeof(uint64_t)

const struct trace_kind_info trace_kinds[TRACE_KIND_COUNT] = {
#define C(type, name) {#name, TRACE_##type},
#define KIND(name, text, has_text, ...)                                                            \
    [TRACE_##name] = {#name, text, sizeof(struct trace_##name) / WORD, has_text, {__VA_ARGS__}},
#define ROW(name, text, ...) KIND(name, text, false, __VA_ARGS__)
#define SENTENCE(name, text, ...) KIND(name, text, true, __VA_ARGS__)
#include "base/trace_rows.def"
#undef SENTENCE
#undef ROW
#undef KIND
#undef C
};

const char *const trace_mark_texts[TRACE_MARK_COUNT] = {
#define MARK(name, room, text) [MARK_##name] = text,
#include "base/marks.def"
#undef MARK
};

const char *const trace_mark_rooms[TRACE_MARK_COUNT] = {
#define MARK(name, room, text) [MARK_##name] = #room,
#include "base/marks.def"
#undef MARK
};

_Static_assert(TRACE_KIND_COUNT <= UINT8_MAX, "a kind is a byte");

void trace_init(struct trace *t, uint64_t *words, uint32_t cap, bool must_drain)
{
    ASSERT(cap > 0);
    memset(t, 0, sizeof *t);
    t->words = words;
    t->cap = cap;
    t->must_drain = must_drain;
    words[0] = TRACE_END;
}

/* Room for a row of that width, with its head but for the stamp; NULL: there is none. It ends what
 * was written until publish: who reads what a process left that was killed reads whole rows. */
static struct trace_row *add(struct trace *t, enum trace_kind kind, size_t width)
{
    ASSERT(width <= TRACE_WIDTH_MAX);
    if (t->cap - t->head < TRACE_HEAD_WORDS + width) {
        ASSERT(!t->must_drain);
        t->lost_count++;
        return NULL;
    }
    struct trace_row *row = (struct trace_row *)(t->words + t->head);
    t->head += (uint32_t)(TRACE_HEAD_WORDS + width);
    if (t->head < t->cap)
        t->words[t->head] = TRACE_END;
    row->event = 0;
    row->node = 0;
    row->incarnation = 0;
    row->kind = (uint8_t)kind;
    row->width = (uint8_t)width;
    return row;
}

/* Its first word, which was TRACE_END, last of all. */
static void publish(struct trace_row *row)
{
    atomic_signal_fence(memory_order_release);
    row->time_ns = 0;
}

void trace_put(struct trace *t, enum trace_kind kind, const void *columns, size_t size)
{
    ASSERT(size == trace_kinds[kind].column_count * WORD);
    ASSERT(!trace_kinds[kind].has_text);
    struct trace_row *row = add(t, kind, size / WORD);
    if (row == NULL)
        return;
    memcpy(row + 1, columns, size);
    publish(row);
}

/* Words for that much of a text as there is room for, with its zero. */
static size_t text_width(const struct trace_kind_info *info, const char *text)
{
    size_t words = strlen(text) / WORD + 1;
    return MIN(words, (size_t)TRACE_WIDTH_MAX - info->column_count);
}

static void fill(struct trace_row *row, const void *columns, const char *text)
{
    const struct trace_kind_info *info = &trace_kinds[row->kind];
    uint64_t *word = (uint64_t *)(row + 1);
    size_t room = (row->width - info->column_count) * WORD;
    if (info->column_count > 0)
        memcpy(word, columns, info->column_count * WORD);
    if (room == 0)
        return;
    char *to = (char *)(word + info->column_count);
    size_t size = MIN(strlen(text), room - 1);
    memcpy(to, text, size);
    memset(to + size, 0, room - size);
}

void trace_put_text(struct trace *t, enum trace_kind kind, const void *columns, const char *text)
{
    const struct trace_kind_info *info = &trace_kinds[kind];
    ASSERT(info->has_text);
    struct trace_row *row = add(t, kind, info->column_count + text_width(info, text));
    if (row == NULL)
        return;
    fill(row, columns, text);
    publish(row);
}

void trace_make(struct trace_whole *whole, enum trace_kind kind, const void *columns,
                const char *text)
{
    const struct trace_kind_info *info = &trace_kinds[kind];
    ASSERT(info->has_text == (text != NULL));
    size_t width = info->column_count + (text == NULL ? 0 : text_width(info, text));
    whole->row = (struct trace_row){.kind = (uint8_t)kind, .width = (uint8_t)width};
    fill(&whole->row, columns, text);
}

const char *trace_text(const struct trace_row *row)
{
    const struct trace_kind_info *info = &trace_kinds[row->kind];
    ASSERT(info->has_text);
    ASSERT(row->width > info->column_count);
    return (const char *)(trace_words(row) + info->column_count);
}

bool trace_is_sound(const struct trace_row *row, uint32_t words)
{
    if (words < TRACE_HEAD_WORDS || row->kind >= TRACE_KIND_COUNT)
        return false;
    const struct trace_kind_info *info = &trace_kinds[row->kind];
    uint32_t left = words - (uint32_t)TRACE_HEAD_WORDS;
    if (row->width > left || row->width < info->column_count + info->has_text)
        return false;
    if (!info->has_text)
        return row->width == info->column_count;
    return memchr(trace_text(row), 0, (row->width - info->column_count) * WORD) != NULL;
}

struct trace_row *trace_take(struct trace *t)
{
    struct trace_row *row = trace_next(t->words, t->head, &t->tail);
    if (t->tail == t->head)
        t->head = t->tail = 0; /* the row still stands there */
    return row;
}

void trace_clear(struct trace *t)
{
    t->head = t->tail = 0;
    t->words[0] = TRACE_END;
}

uint32_t trace_rows_left(const uint64_t *words, uint32_t cap)
{
    uint32_t at = 0;
    while (at < cap && words[at] != TRACE_END) {
        const struct trace_row *row = (const struct trace_row *)(words + at);
        if (!trace_is_sound(row, cap - at))
            break;
        at += (uint32_t)(TRACE_HEAD_WORDS + row->width);
    }
    return at;
}

void trace_name(struct trace *t, uint64_t id, const char *text)
{
    trace_put_text(t, TRACE_NAME, &(const struct trace_NAME){.id = id}, text);
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

uint64_t trace_topic_id(const uint8_t id[16])
{
    return get_u64(id) ^ get_u64(id + 8);
}
