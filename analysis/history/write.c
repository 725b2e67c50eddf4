/* write.c - rows into columns, columns into blocks. */
#include <zstd.h>
#include "history/internal.h"

#define COMPRESSION_LEVEL 1

struct history_writer {
    struct mem *mem;
    history_sink *sink;
    void *context;
    enum err error;
    struct trace_row *rows; /* of the block to come */
    uint32_t count, cap;
    struct history_room raw, packed;
};

static void emit(struct history_writer *w, const void *data, size_t size)
{
    if (w->error == ERR_NONE)
        w->error = w->sink(w->context, bytes_of(data, size));
}

static void write_head(struct history_writer *w)
{
    uint8_t head[16];
    memcpy(head, HISTORY_MAGIC, 8);
    put_u32(head + 8, HISTORY_VERSION);
    put_u32(head + 12, TRACE_KIND_COUNT);
    emit(w, head, sizeof head);
    for (int i = 0; i < TRACE_KIND_COUNT; i++) {
        uint8_t size = (uint8_t)strlen(trace_kinds[i].name);
        emit(w, &size, 1);
        emit(w, trace_kinds[i].name, size);
    }
}

enum err history_open(struct history_writer **out, struct mem *mem, history_sink *sink,
                      void *context)
{
    struct history_writer *w = mem_zalloc(mem, sizeof *w);
    if (w == NULL)
        return ERR_NOMEM;
    w->mem = mem;
    w->sink = sink;
    w->context = context;
    write_head(w);
    if (w->error != ERR_NONE) {
        enum err e = w->error;
        mem_free(mem, w);
        return e;
    }
    *out = w;
    return ERR_NONE;
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

static uint8_t *put_column(const struct history_writer *w, uint8_t *p, enum history_column column)
{
    uint64_t last = 0;
    for (uint32_t i = 0; i < w->count; i++)
        p = put_delta(p, &last, history_field(&w->rows[i], column));
    return p;
}

static size_t put_rows(struct history_writer *w)
{
    uint64_t last[TRACE_KIND_COUNT][TRACE_ARGS_MAX] = {{0}};
    uint8_t *raw = w->raw.data;
    uint8_t *p = raw;
    for (int column = 0; column < HISTORY_COLUMN_COUNT; column++)
        p = put_column(w, p, (enum history_column)column);
    for (uint32_t i = 0; i < w->count; i++) {
        const struct trace_row *row = &w->rows[i];
        for (int a = 0; a < trace_kinds[row->kind].arg_count; a++)
            p = put_delta(p, &last[row->kind][a], row->arg[a]);
    }
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
    size_t raw_max = w->count * HISTORY_RAW_ROW_MAX;
    if (w->count == 0 || w->error != ERR_NONE)
        return;
    w->error = history_room_for(&w->raw, w->mem, raw_max);
    if (w->error == ERR_NONE)
        w->error = history_room_for(&w->packed, w->mem, ZSTD_compressBound(raw_max));
    if (w->error == ERR_NONE)
        emit_block(w);
    w->count = 0;
}

static enum err grow(struct history_writer *w)
{
    uint32_t cap = MIN(MAX(w->cap * 2, HISTORY_ROWS_MIN), HISTORY_BLOCK_ROWS);
    struct trace_row *rows = mem_realloc(w->mem, w->rows, cap * sizeof *rows);
    if (rows == NULL)
        return ERR_NOMEM;
    w->rows = rows;
    w->cap = cap;
    return ERR_NONE;
}

void history_row(struct history_writer *w, const struct trace_row *row)
{
    ASSERT(row->kind < TRACE_KIND_COUNT);
    if (w->error == ERR_NONE && w->count == w->cap)
        w->error = grow(w);
    if (w->error != ERR_NONE)
        return;
    w->rows[w->count++] = *row;
    if (w->count == HISTORY_BLOCK_ROWS)
        flush(w);
}

enum err history_close(struct history_writer *w)
{
    flush(w);
    enum err e = w->error;
    mem_free(w->mem, w->rows);
    mem_free(w->mem, w->raw.data);
    mem_free(w->mem, w->packed.data);
    mem_free(w->mem, w);
    return e;
}
