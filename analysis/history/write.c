/* write.c - rows into columns, columns into blocks. */
#include <zstd.h>
#include "history/internal.h"

#define COMPRESSION_LEVEL 1

struct history_writer {
    struct mem *mem;
    history_sink *sink;
    void *context;
    enum err error;
    uint64_t *words;           /* rows of the block to come, one behind the other */
    uint32_t count, size, cap; /* of rows; of words */
    uint64_t sunk;             /* rows of blocks before */
    struct history_room raw, packed;
};

static void emit(struct history_writer *w, const void *data, size_t size)
{
    if (w->error == ERR_NONE)
        w->error = w->sink(w->context, bytes_of(data, size));
}

static void emit_byte(struct history_writer *w, size_t value)
{
    uint8_t byte = (uint8_t)value;
    ASSERT(value <= UINT8_MAX);
    emit(w, &byte, 1);
}

static void emit_name(struct history_writer *w, const char *name)
{
    emit_byte(w, strlen(name));
    emit(w, name, strlen(name));
}

static void emit_kind(struct history_writer *w, const struct trace_kind_info *info)
{
    emit_name(w, info->name);
    emit_byte(w, info->has_text);
    emit_byte(w, info->column_count);
    for (int i = 0; i < info->column_count; i++) {
        emit_byte(w, info->columns[i].type);
        emit_name(w, info->columns[i].name);
    }
}

static void emit_head(struct history_writer *w)
{
    uint8_t head[16];
    memcpy(head, HISTORY_MAGIC, 8);
    put_u32(head + 8, HISTORY_VERSION);
    put_u32(head + 12, TRACE_KIND_COUNT);
    emit(w, head, sizeof head);
    for (int i = 0; i < TRACE_KIND_COUNT; i++)
        emit_kind(w, &trace_kinds[i]);
}

enum err history_open_more(struct history_writer **out, struct mem *mem, history_sink *sink,
                           void *context)
{
    struct history_writer *w = mem_zalloc(mem, sizeof *w);
    if (w == NULL)
        return ERR_NOMEM;
    w->mem = mem;
    w->sink = sink;
    w->context = context;
    *out = w;
    return ERR_NONE;
}

enum err history_open(struct history_writer **out, struct mem *mem, history_sink *sink,
                      void *context)
{
    enum err e = history_open_more(out, mem, sink, context);
    if (e != ERR_NONE)
        return e;
    emit_head(*out);
    return (*out)->error == ERR_NONE ? ERR_NONE : history_close(*out);
}

static uint8_t *put_varint(uint8_t *p, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (uint8_t)(v | 0x80);
    *p++ = (uint8_t)v;
    return p;
}

/* The difference to the column's last value, small numbers of either sign first. */
static uint8_t *put_delta(uint8_t *p, uint64_t *last, uint64_t value)
{
    int64_t delta = (int64_t)(value - *last);
    *last = value;
    return put_varint(p, (uint64_t)delta << 1 ^ (uint64_t)(delta >> 63));
}

static uint8_t *put_heads(const struct history_writer *w, uint8_t *p, enum history_column column)
{
    uint64_t last = 0;
    uint32_t at = 0;
    for (const struct trace_row *row; (row = trace_next(w->words, w->size, &at)) != NULL;)
        p = put_delta(p, &last, history_field(row, column));
    return p;
}

static uint8_t *put_row(uint8_t *p, uint64_t last[TRACE_COLUMNS_MAX], const struct trace_row *row)
{
    const struct trace_kind_info *info = &trace_kinds[row->kind];
    const uint64_t *words = trace_words(row);
    for (int i = 0; i < info->column_count; i++)
        p = put_delta(p, &last[i], words[i]);
    if (!info->has_text)
        return p;
    const char *text = trace_text(row);
    size_t size = strlen(text);
    p = put_varint(p, size);
    memcpy(p, text, size);
    return p + size;
}

static size_t put_rows(struct history_writer *w)
{
    uint64_t last[TRACE_KIND_COUNT][TRACE_COLUMNS_MAX] = {{0}};
    uint8_t *raw = w->raw.data;
    uint8_t *p = raw;
    uint32_t at = 0;
    for (int column = 0; column < HISTORY_COLUMN_COUNT; column++)
        p = put_heads(w, p, (enum history_column)column);
    for (const struct trace_row *row; (row = trace_next(w->words, w->size, &at)) != NULL;)
        p = put_row(p, last[row->kind], row);
    return (size_t)(p - raw);
}

static void emit_block(struct history_writer *w)
{
    size_t raw = put_rows(w);
    size_t packed =
        ZSTD_compress(w->packed.data, w->packed.size, w->raw.data, raw, COMPRESSION_LEVEL);
    ASSERT(!ZSTD_isError(packed));
    uint8_t head[16];
    put_u32(head, (uint32_t)raw);
    put_u32(head + 4, (uint32_t)packed);
    put_u32(head + 8, w->count);
    put_u32(head + 12, crc32c(0, w->packed.data, packed));
    emit(w, head, sizeof head);
    emit(w, w->packed.data, packed);
}

static void flush(struct history_writer *w)
{
    size_t raw_max = HISTORY_RAW_SIZE((size_t)w->count, (size_t)w->size);
    if (w->count == 0 || w->error != ERR_NONE)
        return;
    w->error = history_room_for(&w->raw, w->mem, raw_max);
    if (w->error == ERR_NONE)
        w->error = history_room_for(&w->packed, w->mem, ZSTD_compressBound(raw_max));
    if (w->error == ERR_NONE)
        emit_block(w);
    if (w->error == ERR_NONE)
        w->sunk += w->count;
    w->count = w->size = 0;
}

/* ERR_NOMEM. */
static enum err grow(struct history_writer *w, uint32_t need)
{
    uint32_t cap = MIN(MAX(w->cap * 2, HISTORY_WORDS_MIN), HISTORY_BLOCK_WORDS);
    if (need <= w->cap)
        return ERR_NONE;
    uint64_t *words = mem_realloc(w->mem, w->words, cap * sizeof *words);
    if (words == NULL)
        return ERR_NOMEM;
    w->words = words;
    w->cap = cap;
    return ERR_NONE;
}

void history_row(struct history_writer *w, const struct trace_row *row)
{
    uint32_t words = (uint32_t)(TRACE_HEAD_WORDS + row->width);
    ASSERT(row->kind < TRACE_KIND_COUNT);
    if (w->size + words > HISTORY_BLOCK_WORDS)
        flush(w);
    if (w->error == ERR_NONE)
        w->error = grow(w, w->size + words);
    if (w->error != ERR_NONE)
        return;
    memcpy(w->words + w->size, row, trace_row_size(row));
    w->size += words;
    w->count++;
}

uint64_t history_rows_sunk(const struct history_writer *w)
{
    return w->sunk;
}

enum err history_close(struct history_writer *w)
{
    flush(w);
    enum err e = w->error;
    mem_free(w->mem, w->words);
    mem_free(w->mem, w->raw.data);
    mem_free(w->mem, w->packed.data);
    mem_free(w->mem, w);
    return e;
}
