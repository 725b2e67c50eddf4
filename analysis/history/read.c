/* read.c - blocks back into rows. Trusts nothing: a damaged file is reported, never followed. */
#include <zstd.h>
#include "history/internal.h"

#define FILE_KINDS_MAX 1024
#define FILE_COLUMNS_MAX 64 /* of one kind */
#define BLOCK_HEAD 16

/* A kind as the file has it. */
struct file_kind {
    int16_t ours; /* -1: this build does not know it */
    uint8_t column_count;
    bool has_text;
    uint32_t last_at;            /* where its columns stand among the last values */
    int8_t to[FILE_COLUMNS_MAX]; /* our column, or -1 */
};

struct reader {
    struct mem *mem;
    struct bytes file;
    size_t at;
    uint32_t kind_count, column_count; /* of all kinds */
    struct file_kind *kinds;
    uint64_t *last; /* of each column of each kind */
    uint64_t unknown;
    bool (*on_row)(void *context, const struct trace_row *row);
    void *context;
    bool enough; /* on_row wants no more */
    struct history_room heads, raw;
    struct trace_whole row;
};

/* A run of bytes; past its end it gives zeros and stays bad. */
struct cursor {
    const uint8_t *p, *end;
    bool bad;
};

static const uint8_t *get_bytes(struct cursor *c, size_t size)
{
    static const uint8_t nothing[1];
    if ((size_t)(c->end - c->p) < size) {
        c->bad = true;
        c->p = c->end;
        return nothing;
    }
    c->p += size;
    return c->p - size;
}

static uint64_t get_varint(struct cursor *c)
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

static uint64_t get_delta(struct cursor *c, uint64_t *last)
{
    uint64_t z = get_varint(c);
    *last += z >> 1 ^ (0 - (z & 1));
    return *last;
}

/* ---- the head ---- */

static bool is_called(struct bytes name, const char *text)
{
    return bytes_equal(name, bytes_text(text));
}

static struct bytes get_name(struct cursor *c)
{
    size_t size = *get_bytes(c, 1);
    const uint8_t *name = get_bytes(c, size);
    return bytes_of(name, c->bad ? 0 : size);
}

static int16_t find_kind(struct bytes name)
{
    for (int16_t i = 0; i < TRACE_KIND_COUNT; i++) {
        if (is_called(name, trace_kinds[i].name))
            return i;
    }
    return -1;
}

static int8_t find_column(int16_t kind, struct bytes name)
{
    for (int8_t i = 0; kind >= 0 && i < trace_kinds[kind].column_count; i++) {
        if (is_called(name, trace_kinds[kind].columns[i].name))
            return i;
    }
    return -1;
}

static void read_kind(struct reader *r, struct cursor *c, struct file_kind *kind)
{
    kind->ours = find_kind(get_name(c));
    kind->has_text = *get_bytes(c, 1) != 0;
    kind->column_count = *get_bytes(c, 1);
    kind->last_at = r->column_count;
    c->bad |= kind->column_count > FILE_COLUMNS_MAX;
    for (int i = 0; !c->bad && i < kind->column_count; i++) {
        (void)get_bytes(c, 1); /* its type is for those who do not know the column */
        kind->to[i] = find_column(kind->ours, get_name(c));
    }
    r->column_count += kind->column_count;
    if (kind->ours >= 0 && kind->has_text != trace_kinds[kind->ours].has_text)
        kind->ours = -1; /* another row under the same name */
}

static enum err read_kinds(struct reader *r, struct errmsg *msg)
{
    struct cursor c = {.p = r->file.data + 16, .end = r->file.data + r->file.size};
    r->kinds = mem_array(r->mem, MAX(r->kind_count, 1), sizeof *r->kinds);
    if (r->kinds == NULL)
        return errmsg_set(msg, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
    for (uint32_t i = 0; i < r->kind_count && !c.bad; i++)
        read_kind(r, &c, &r->kinds[i]);
    if (c.bad)
        return errmsg_set(msg, ERR_CORRUPT, "the head of the trace file is damaged");
    r->at = (size_t)(c.p - r->file.data);
    r->last = mem_array(r->mem, MAX(r->column_count, 1), sizeof *r->last);
    return r->last == NULL ? errmsg_set(msg, ERR_NOMEM, "%s", err_text(ERR_NOMEM)) : ERR_NONE;
}

static enum err read_head(struct reader *r, struct errmsg *msg)
{
    const uint8_t *p = r->file.data;
    if (r->file.size < 16 || memcmp(p, HISTORY_MAGIC, 8) != 0)
        return errmsg_set(msg, ERR_CORRUPT, "not a trace file");
    uint32_t version = get_u32(p + 8);
    if (version != HISTORY_VERSION)
        return errmsg_set(msg, ERR_CORRUPT,
                          "a trace file of version %u, where this kiln reads version %d: run the "
                          "scenario again with --trace",
                          version, HISTORY_VERSION);
    r->kind_count = get_u32(p + 12);
    if (r->kind_count > FILE_KINDS_MAX)
        return errmsg_set(msg, ERR_CORRUPT, "the head of the trace file is damaged");
    return read_kinds(r, msg);
}

/* ---- blocks ---- */

static void set_field(struct trace_row *row, enum history_column column, uint64_t v)
{
    switch (column) {
    case COLUMN_KIND: /* the file's, in two bytes of its own until its row is read */
        row->kind = (uint8_t)v;
        row->width = (uint8_t)(v >> 8);
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
    case COLUMN_EVENT:
        row->event = v;
        return;
    case HISTORY_COLUMN_COUNT:
        break;
    }
    UNREACHABLE();
}

/* Behind the columns; words is their count. */
static void take_text(struct reader *r, struct cursor *c, size_t words)
{
    uint64_t size = get_varint(c);
    size_t room = (TRACE_WIDTH_MAX - words) * sizeof(uint64_t);
    if (size >= room || c->bad) {
        c->bad = true;
        return;
    }
    const uint8_t *text = get_bytes(c, size);
    if (c->bad || memchr(text, 0, size) != NULL) {
        c->bad = true;
        return;
    }
    memcpy(&r->row.word[words], text, size);
    r->row.row.width = (uint8_t)(words + size / sizeof(uint64_t) + 1);
}

/* One row's own columns; false: nobody here knows it. */
static bool take_row(struct reader *r, struct cursor *c, const struct file_kind *kind)
{
    uint64_t *last = r->last + kind->last_at;
    size_t words = kind->ours < 0 ? 0 : trace_kinds[kind->ours].column_count;
    memset(r->row.word, 0, sizeof r->row.word);
    r->row.row.width = (uint8_t)words;
    r->row.row.kind = (uint8_t)kind->ours;
    for (int i = 0; i < kind->column_count; i++) {
        uint64_t value = get_delta(c, &last[i]);
        if (kind->to[i] >= 0 && kind->ours >= 0)
            r->row.word[kind->to[i]] = value;
    }
    if (kind->has_text)
        take_text(r, c, words);
    return kind->ours >= 0;
}

static bool decode(struct reader *r, uint32_t count, size_t size)
{
    struct trace_row *heads = r->heads.data;
    const uint8_t *raw = r->raw.data;
    struct cursor c = {.p = raw, .end = raw + size};
    for (int column = 0; column < HISTORY_COLUMN_COUNT; column++) {
        uint64_t last = 0;
        for (uint32_t i = 0; i < count; i++)
            set_field(&heads[i], (enum history_column)column, get_delta(&c, &last));
    }
    memset(r->last, 0, r->column_count * sizeof *r->last);
    for (uint32_t i = 0; i < count && !c.bad && !r->enough; i++) {
        uint32_t kind = (uint32_t)heads[i].width << 8 | heads[i].kind;
        if (kind >= r->kind_count)
            return false;
        r->row.row = heads[i];
        bool known = take_row(r, &c, &r->kinds[kind]);
        r->unknown += !known;
        if (known && !c.bad)
            r->enough = !r->on_row(r->context, &r->row.row);
    }
    return !c.bad && (c.p == c.end || r->enough);
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

/* Gives out the rows of the block at r->at. ERR_CORRUPT, ERR_NOMEM. */
static enum err read_block(struct reader *r)
{
    struct block b;
    if (!read_block_head(r, &b))
        return ERR_CORRUPT;
    size_t heads_size = MAX(b.count, 1) * sizeof(struct trace_row);
    enum err e = history_room_for(&r->heads, r->mem, heads_size);
    if (e == ERR_NONE)
        e = history_room_for(&r->raw, r->mem, MAX(b.raw, 1));
    if (e != ERR_NONE)
        return e;
    if (ZSTD_decompress(r->raw.data, b.raw, b.data, b.packed) != b.raw)
        return ERR_CORRUPT;
    r->at += BLOCK_HEAD + b.packed;
    return decode(r, b.count, b.raw) ? ERR_NONE : ERR_CORRUPT;
}

static enum err read_all(struct reader *r, struct errmsg *msg)
{
    enum err e = read_head(r, msg);
    if (e != ERR_NONE)
        return e;
    while (r->at < r->file.size && !r->enough) {
        size_t start = r->at;
        e = read_block(r);
        if (e == ERR_CORRUPT)
            return errmsg_set(msg, e, "the trace file is damaged at byte %zu", start);
        if (e != ERR_NONE)
            return errmsg_set(msg, e, "%s", err_text(e));
    }
    return ERR_NONE;
}

enum err history_read(struct mem *mem, struct bytes file,
                      bool (*on_row)(void *context, const struct trace_row *row), void *context,
                      uint64_t *unknown, struct errmsg *msg)
{
    struct reader *r = mem_zalloc(mem, sizeof *r);
    if (r == NULL)
        return ERR_NOMEM;
    r->mem = mem;
    r->file = file;
    r->on_row = on_row;
    r->context = context;
    enum err e = read_all(r, msg);
    if (unknown != NULL)
        *unknown = r->unknown;
    mem_free(mem, r->kinds);
    mem_free(mem, r->last);
    mem_free(mem, r->heads.data);
    mem_free(mem, r->raw.data);
    mem_free(mem, r);
    return e;
}
