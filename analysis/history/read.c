/* read.c - blocks back into rows. Trusts nothing: a damaged file is reported, never followed. */
#include <zstd.h>
#include "history/internal.h"

#define FILE_KINDS_MAX 4096
#define BLOCK_HEAD 16

struct reader {
    struct mem *mem;
    struct bytes file;
    size_t at;
    uint32_t kind_count;
    int32_t kinds[FILE_KINDS_MAX]; /* the file's kind -> ours, or -1 */
    struct history_room rows, raw;
};

/* A run of varints; past its end it gives zeros and stays bad. */
struct column {
    const uint8_t *p, *end;
    bool bad;
};

static uint64_t get_varint(struct column *c)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (c->p == c->end)
            break;
        uint8_t b = *c->p++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    c->bad = true;
    return 0;
}

static uint64_t get_delta(struct column *c, uint64_t *last)
{
    uint64_t z = get_varint(c);
    *last += z >> 1 ^ (0 - (z & 1));
    return *last;
}

static int32_t find_kind(const uint8_t *name, size_t size)
{
    for (int i = 0; i < TRACE_KIND_COUNT; i++) {
        if (strlen(trace_kinds[i].name) == size && memcmp(trace_kinds[i].name, name, size) == 0)
            return i;
    }
    return -1;
}

static bool read_head(struct reader *r)
{
    const uint8_t *p = r->file.data;
    if (r->file.size < 16 || memcmp(p, HISTORY_MAGIC, 8) != 0)
        return false;
    if (get_u32(p + 8) != HISTORY_VERSION || get_u32(p + 12) > FILE_KINDS_MAX)
        return false;
    r->kind_count = get_u32(p + 12);
    r->at = 16;
    for (uint32_t i = 0; i < r->kind_count; i++) {
        if (r->at >= r->file.size || p[r->at] >= r->file.size - r->at)
            return false;
        r->kinds[i] = find_kind(p + r->at + 1, p[r->at]);
        r->at += 1u + p[r->at];
    }
    return true;
}

static void set_field(struct trace_row *row, enum history_column column, uint64_t v)
{
    switch (column) {
    case COLUMN_KIND:
        row->kind = (uint16_t)v;
        return;
    case COLUMN_NODE:
        row->node = (uint32_t)v;
        return;
    case COLUMN_INCARNATION:
        row->incarnation = (uint16_t)v;
        return;
    case COLUMN_TIME:
        row->time_ns = (int64_t)v;
        return;
    case COLUMN_CAUSE:
        row->cause = v;
        return;
    case HISTORY_COLUMN_COUNT:
        break;
    }
    UNREACHABLE();
}

/* The kinds of another build may have other arguments; only rows of kinds that we know are read, so
 * their counts must agree. */
static bool decode(struct reader *r, uint32_t count, size_t size)
{
    struct trace_row *rows = r->rows.data;
    const uint8_t *raw = r->raw.data;
    struct column c = {.p = raw, .end = raw + size};
    for (int column = 0; column < HISTORY_COLUMN_COUNT; column++) {
        uint64_t last = 0;
        for (uint32_t i = 0; i < count; i++)
            set_field(&rows[i], (enum history_column)column, get_delta(&c, &last));
    }
    uint64_t last[TRACE_KIND_COUNT][TRACE_ARGS_MAX] = {{0}};
    for (uint32_t i = 0; i < count && !c.bad; i++) {
        struct trace_row *row = &rows[i];
        if (row->kind >= r->kind_count || r->kinds[row->kind] < 0)
            return false;
        row->kind = (uint16_t)r->kinds[row->kind];
        memset(row->arg, 0, sizeof row->arg);
        for (int a = 0; a < trace_kinds[row->kind].arg_count; a++)
            row->arg[a] = get_delta(&c, &last[row->kind][a]);
    }
    return !c.bad && c.p == c.end;
}

/* What a block says of itself, before anything is done for it. */
struct block {
    uint32_t raw, packed, count, crc;
    const uint8_t *data;
};

static bool read_block_head(const struct reader *r, struct block *b)
{
    const uint8_t *head = r->file.data + r->at;
    if (r->file.size - r->at < BLOCK_HEAD)
        return false;
    *b = (struct block){.raw = get_u32(head),
                        .packed = get_u32(head + 4),
                        .count = get_u32(head + 8),
                        .crc = get_u32(head + 12),
                        .data = head + BLOCK_HEAD};
    return b->raw <= HISTORY_RAW_MAX && b->count <= HISTORY_BLOCK_ROWS &&
           b->raw >= b->count * HISTORY_COLUMN_COUNT &&
           b->packed <= r->file.size - r->at - BLOCK_HEAD &&
           crc32c(0, b->data, b->packed) == b->crc;
}

/* Unpacks the block at r->at; *count rows then stand in r->rows. ERR_CORRUPT, ERR_NOMEM. */
static enum err read_block(struct reader *r, uint32_t *count)
{
    struct block b;
    if (!read_block_head(r, &b))
        return ERR_CORRUPT;
    size_t rows_size = MAX(b.count, HISTORY_ROWS_MIN) * sizeof(struct trace_row);
    enum err e = history_room_for(&r->rows, r->mem, rows_size);
    if (e == ERR_NONE)
        e = history_room_for(&r->raw, r->mem, MAX(b.raw, 1));
    if (e != ERR_NONE)
        return e;
    if (ZSTD_decompress(r->raw.data, b.raw, b.data, b.packed) != b.raw)
        return ERR_CORRUPT;
    memset(r->rows.data, 0, b.count * sizeof(struct trace_row));
    r->at += BLOCK_HEAD + b.packed;
    *count = b.count;
    return decode(r, b.count, b.raw) ? ERR_NONE : ERR_CORRUPT;
}

static enum err read_all(struct reader *r, bool (*on_row)(void *, const struct trace_row *),
                         void *context, struct errmsg *msg)
{
    if (!read_head(r))
        return errmsg_set(msg, ERR_CORRUPT, "not a trace file of this version");
    while (r->at < r->file.size) {
        size_t start = r->at;
        uint32_t count;
        enum err e = read_block(r, &count);
        if (e == ERR_CORRUPT)
            return errmsg_set(msg, e, "the trace file is damaged at byte %zu", start);
        if (e != ERR_NONE)
            return errmsg_set(msg, e, "%s", err_text(e));
        const struct trace_row *rows = r->rows.data;
        for (uint32_t i = 0; i < count; i++) {
            if (!on_row(context, &rows[i]))
                return ERR_NONE;
        }
    }
    return ERR_NONE;
}

enum err history_read(struct mem *mem, struct bytes file,
                      bool (*on_row)(void *context, const struct trace_row *row), void *context,
                      struct errmsg *msg)
{
    struct reader *r = mem_zalloc(mem, sizeof *r);
    if (r == NULL)
        return ERR_NOMEM;
    r->mem = mem;
    r->file = file;
    enum err e = read_all(r, on_row, context, msg);
    mem_free(mem, r->rows.data);
    mem_free(mem, r->raw.data);
    mem_free(mem, r);
    return e;
}
