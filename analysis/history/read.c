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
    struct trace_row *rows;
    uint8_t *raw;
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
    struct column c = {.p = r->raw, .end = r->raw + size};
    for (int column = 0; column < HISTORY_COLUMN_COUNT; column++) {
        uint64_t last = 0;
        for (uint32_t i = 0; i < count; i++)
            set_field(&r->rows[i], (enum history_column)column, get_delta(&c, &last));
    }
    uint64_t last[TRACE_KIND_COUNT][TRACE_ARGS_MAX] = {{0}};
    for (uint32_t i = 0; i < count && !c.bad; i++) {
        struct trace_row *row = &r->rows[i];
        if (row->kind >= r->kind_count || r->kinds[row->kind] < 0)
            return false;
        row->kind = (uint16_t)r->kinds[row->kind];
        memset(row->arg, 0, sizeof row->arg);
        for (int a = 0; a < trace_kinds[row->kind].arg_count; a++)
            row->arg[a] = get_delta(&c, &last[row->kind][a]);
    }
    return !c.bad && c.p == c.end;
}

/* Unpacks the block at r->at; *count rows then stand in r->rows. */
static bool read_block(struct reader *r, uint32_t *count)
{
    const uint8_t *head = r->file.data + r->at;
    if (r->file.size - r->at < BLOCK_HEAD)
        return false;
    uint32_t raw = get_u32(head);
    uint32_t packed = get_u32(head + 4);
    *count = get_u32(head + 8);
    if (raw > HISTORY_RAW_MAX || *count > HISTORY_BLOCK_ROWS)
        return false;
    if (packed > r->file.size - r->at - BLOCK_HEAD)
        return false;
    if (crc32c(0, head + BLOCK_HEAD, packed) != get_u32(head + 12))
        return false;
    if (ZSTD_decompress(r->raw, HISTORY_RAW_MAX, head + BLOCK_HEAD, packed) != raw)
        return false;
    r->at += BLOCK_HEAD + packed;
    return decode(r, *count, raw);
}

static enum err read_all(struct reader *r, bool (*on_row)(void *, const struct trace_row *),
                         void *context, struct errmsg *msg)
{
    if (!read_head(r))
        return errmsg_set(msg, ERR_CORRUPT, "not a trace file of this version");
    while (r->at < r->file.size) {
        size_t start = r->at;
        uint32_t count;
        if (!read_block(r, &count))
            return errmsg_set(msg, ERR_CORRUPT, "the trace file is damaged at byte %zu", start);
        for (uint32_t i = 0; i < count; i++) {
            if (!on_row(context, &r->rows[i]))
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
    r->rows = mem_array(mem, HISTORY_BLOCK_ROWS, sizeof *r->rows);
    r->raw = mem_alloc(mem, HISTORY_RAW_MAX);
    enum err e = ERR_NOMEM;
    if (r->rows != NULL && r->raw != NULL)
        e = read_all(r, on_row, context, msg);
    mem_free(mem, r->rows);
    mem_free(mem, r->raw);
    mem_free(mem, r);
    return e;
}
