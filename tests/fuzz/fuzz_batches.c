/* fuzz_batches.c - bytes as a run of record batches. Checksums are not asked for, so that the
 * records behind them are reached; what can be read must come out the same of a batch built from
 * it. */
#include "wire/wire.h"
#include "fuzz.h"

#define HEADERS_MAX 16
#define WALK_MAX (1 << 20) /* enough has been seen then */

static void check_metadata(const struct wire_record *r, struct mem *mem)
{
    struct wire_metadata_head head;
    struct arena arena;
    int16_t type;
    enum err e = wire_control_type(r->key, &type, NULL);
    ASSERT(e == ERR_NONE || e == ERR_CORRUPT);
    if (wire_metadata_parse(r->value, &head, NULL) != ERR_NONE)
        return;
    const struct wire_message *m = wire_metadata_message(head.type);
    if (m == NULL)
        return;
    arena_init(&arena, mem, SIZE_MAX);
    void *message = arena_alloc(&arena, m->size);
    e = wire_decode(m, (int)head.version, head.message, NULL, message, &arena, NULL);
    ASSERT(e != ERR_NOMEM);
    arena_free(&arena);
}

/* False when the record has more headers than the check keeps. */
static bool add_record(struct wire_builder *b, const struct wire_record *r)
{
    struct wire_record_header headers[HEADERS_MAX];
    struct bytes left = r->headers;
    int32_t count = 0;
    while (count < HEADERS_MAX && wire_record_headers(&left, &headers[count]))
        count++;
    if (left.size > 0)
        return false;
    ASSERT(count == r->header_count);
    enum err e = wire_builder_add(b, r->timestamp_ms, r->key, r->value, headers, count);
    return e == ERR_NONE;
}

static void check_same(struct wire_bytes a, struct wire_bytes b)
{
    ASSERT(a.size == b.size);
    ASSERT(a.size <= 0 || memcmp(a.data, b.data, (size_t)a.size) == 0);
}

/* Reads batch and built side by side. */
static void check_built(const struct wire_batch *b, struct bytes batch, struct bytes built)
{
    struct wire_batch again;
    struct wire_records x, y;
    enum wire_at at = wire_batch_at(built, 0, &again, NULL);
    ASSERT(at == WIRE_AT_BATCH);
    enum err e = wire_batch_verify(&again, built.data, NULL);
    ASSERT(e == ERR_NONE);
    e = wire_records_begin(&x, b, batch, NULL);
    ASSERT(e == ERR_NONE);
    e = wire_records_begin(&y, &again, built, NULL);
    ASSERT(e == ERR_NONE);
    while (x.left > 0) {
        struct wire_record p, q;
        e = wire_records_next(&x, &p, NULL);
        ASSERT(e == ERR_NONE);
        e = wire_records_next(&y, &q, NULL);
        ASSERT(e == ERR_NONE);
        ASSERT(p.timestamp_ms == q.timestamp_ms);
        check_same(p.key, q.key);
        check_same(p.value, q.value);
        ASSERT(p.header_count == q.header_count);
    }
    ASSERT(y.left == 0);
}

/* Builds the batch anew from its records. Delta encoding may make it longer or shorter. */
static void check_rebuild(const struct wire_batch *b, struct bytes batch, struct mem *mem)
{
    struct wire_builder_head head = {.base_offset = b->base_offset, .producer_id = b->producer_id};
    struct wire_builder builder;
    struct wire_records it;
    size_t cap = WIRE_BATCH_HEAD + batch.size * 4;
    if (b->record_count == 0 || wire_records_begin(&it, b, batch, NULL) != ERR_NONE)
        return;
    uint8_t *data = mem_alloc(mem, cap);
    ASSERT(data != NULL);
    wire_builder_init(&builder, data, cap);
    bool whole = true;
    while (whole && it.left > 0) {
        struct wire_record r;
        whole = wire_records_next(&it, &r, NULL) == ERR_NONE;
        if (!whole)
            break;
        check_metadata(&r, mem);
        whole = add_record(&builder, &r);
    }
    if (whole) {
        wire_builder_finish(&builder, &head);
        check_built(b, batch, bytes_of(builder.data, builder.size));
    }
    mem_free(mem, data);
}

/* Reads all records of a batch of any codec; *crc says what they were. */
static enum err read_records(const struct wire_batch *b, struct bytes in, struct mem *mem,
                             uint32_t *crc)
{
    struct wire_records it;
    struct wire_record r;
    *crc = 0;
    enum err e = wire_records_open(&it, mem, b, in, NULL);
    if (e != ERR_NONE)
        return e;
    while (e == ERR_NONE && it.left > 0) {
        e = wire_records_next(&it, &r, NULL);
        if (e == ERR_NONE && r.value.size > 0)
            *crc = crc32c(*crc, r.value.data, (size_t)r.value.size);
        if (e == ERR_NONE)
            *crc = crc32c(*crc, &r.timestamp_ms, sizeof r.timestamp_ms);
    }
    wire_records_close(&it);
    return e;
}

/* Written anew under each codec, the records are the same. */
static void check_recode(const struct wire_batch *b, struct bytes batch, uint64_t size,
                         bool renumber, uint32_t crc, struct mem *mem)
{
    size_t cap = WIRE_BATCH_HEAD + (size_t)size * 2 + WIRE_RECODE_SLACK;
    uint8_t *out = mem_alloc(mem, cap);
    ASSERT(out != NULL);
    for (int codec = 0; codec < WIRE_CODEC_COUNT; codec++) {
        struct wire_batch made;
        uint32_t again;
        size_t made_size;
        struct wire_recode how = {.codec = codec,
                                  .level = wire_codec_level_default(codec),
                                  .renumber = renumber,
                                  .content_size = size};
        enum err e = wire_batch_recode(b, batch, &how, mem, out, cap, &made_size);
        ASSERT(e == ERR_NONE);
        enum wire_at at = wire_batch_at(bytes_of(out, made_size), 0, &made, NULL);
        ASSERT(at == WIRE_AT_BATCH);
        e = wire_batch_verify(&made, out, NULL);
        ASSERT(e == ERR_NONE);
        e = read_records(&made, bytes_of(out, made_size), mem, &again);
        ASSERT(e == ERR_NONE);
        ASSERT(again == crc || renumber);
    }
    mem_free(mem, out);
}

/* What readers can read, the walk of the broker finds sound; and the other way round, but for the
 * offsets, which the broker then puts right. */
static void check_walk(const struct wire_batch *b, struct bytes batch, struct mem *mem)
{
    struct wire_walk w;
    struct wire_walked r;
    uint32_t crc;
    bool ascending = true;
    if (b->record_count == 0 || b->last_offset_delta != b->record_count - 1)
        return;
    enum err read = read_records(b, batch, mem, &crc);
    enum err e = wire_walk_begin(&w, mem, b, batch, WALK_MAX, NULL);
    if (e == ERR_NONE) {
        for (int32_t i = 0; i < b->record_count && e == ERR_NONE; i++) {
            e = wire_walk_next(&w, &r, NULL);
            ascending &= e != ERR_NONE || r.offset_delta == i;
        }
        uint64_t size = e == ERR_NONE ? wire_walk_size(&w) : 0;
        wire_walk_end(&w);
        if (e == ERR_NONE)
            check_recode(b, batch, size, !ascending, crc, mem);
    }
    if (e != ERR_RANGE && ascending)
        ASSERT((e == ERR_NONE) == (read == ERR_NONE));
}

/* Makes the checksum right by the only way that computes one in place. */
static void check_append_time(struct bytes batch, struct mem *mem)
{
    struct wire_batch b;
    uint8_t *copy = mem_alloc(mem, batch.size);
    ASSERT(copy != NULL);
    memcpy(copy, batch.data, batch.size);
    wire_batch_set_append_time(copy, 12345);
    enum wire_at at = wire_batch_at(bytes_of(copy, batch.size), 0, &b, NULL);
    ASSERT(at == WIRE_AT_BATCH);
    enum err e = wire_batch_verify(&b, copy, NULL);
    ASSERT(e == ERR_NONE);
    ASSERT(b.max_timestamp == 12345);
    mem_free(mem, copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem mem;
    struct wire_batch b;
    struct errmsg msg = {0};
    struct bytes in = bytes_of(data, size);
    size_t at = 0;
    enum wire_at found;
    mem_system(&mem);
    while ((found = wire_batch_at(in, at, &b, &msg)) == WIRE_AT_BATCH) {
        ASSERT(b.size >= WIRE_BATCH_HEAD);
        ASSERT((size_t)b.size <= size - at);
        struct bytes batch = bytes_of(data + at, (size_t)b.size);
        enum err e = wire_batch_verify(&b, batch.data, NULL);
        ASSERT(e == ERR_NONE || e == ERR_CORRUPT);
        check_rebuild(&b, batch, &mem);
        check_walk(&b, batch, &mem);
        check_append_time(batch, &mem);
        at += (size_t)b.size;
    }
    ASSERT((found == WIRE_AT_END) == (at == size));
    ASSERT((found == WIRE_AT_CORRUPT) == (msg.text[0] != 0));
    ASSERT(mem.live_count == 0);
    return 0;
}
