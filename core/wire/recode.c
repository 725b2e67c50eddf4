/* recode.c - a batch written anew under another codec, or with the offsets that its records should
 * have had. The content passes through in pieces. */
#include "wire/cursor.h"

#define HEAD_MAX (1 + WIRE_VARLONG_MAX + WIRE_VARINT_MAX) /* of a record, behind its length */

/* All of it, as it is. */
static enum err copy_content(struct wire_encoder *to, struct mem *mem, enum wire_codec codec,
                             struct bytes content)
{
    struct wire_decoder from;
    size_t given = 1;
    if (codec == WIRE_CODEC_NONE)
        return wire_encoder_write(to, content);
    uint8_t *piece = mem_alloc(mem, WIRE_RECORDS_PIECE);
    if (piece == NULL)
        return ERR_NOMEM;
    enum err e = wire_decoder_begin(&from, mem, codec, content);
    if (e != ERR_NONE) {
        mem_free(mem, piece);
        return e;
    }
    while (e == ERR_NONE && given > 0) {
        e = wire_decoder_read(&from, piece, WIRE_RECORDS_PIECE, &given, NULL);
        if (e == ERR_NONE)
            e = wire_encoder_write(to, bytes_of(piece, given));
    }
    wire_decoder_end(&from);
    mem_free(mem, piece);
    return e;
}

/* One record, with another offset delta. inside: what its length counts. */
static enum err write_renumbered(struct wire_encoder *to, struct bytes inside, int32_t delta)
{
    uint8_t head[HEAD_MAX];
    struct cursor c = {.p = inside.data, .end = inside.data + inside.size};
    int n = 0;
    const uint8_t *attributes = take_bytes(&c, 1);
    int64_t timestamp_delta = take_varlong(&c);
    (void)take_varint(&c);
    ASSERT(!c.bad);
    head[n++] = *attributes;
    n += wire_uvarint_put(head + n, wire_zigzag64(timestamp_delta));
    n += wire_uvarint_put(head + n, wire_zigzag32(delta));
    struct bytes rest = bytes_of(c.p, (size_t)(c.end - c.p));
    size_t length = (size_t)n + rest.size;
    if (length > INT32_MAX)
        return ERR_LIMIT;
    uint8_t prefix[WIRE_VARINT_MAX];
    int size = wire_uvarint_put(prefix, wire_zigzag32((int32_t)length));
    enum err e = wire_encoder_write(to, bytes_of(prefix, (size_t)size));
    if (e == ERR_NONE)
        e = wire_encoder_write(to, bytes_of(head, (size_t)n));
    return e == ERR_NONE ? wire_encoder_write(to, rest) : e;
}

static enum err renumber_content(struct wire_encoder *to, struct mem *mem,
                                 const struct wire_batch *b, struct bytes in)
{
    struct wire_records it;
    struct wire_record record;
    enum err e = wire_records_open(&it, mem, b, in, NULL);
    if (e != ERR_NONE)
        return e;
    it.any_offset = true;
    for (int32_t i = 0; i < b->record_count && e == ERR_NONE; i++) {
        e = wire_records_next(&it, &record, NULL);
        if (e == ERR_NONE)
            e = write_renumbered(to, record.inside, i);
    }
    wire_records_close(&it);
    return e;
}

enum err wire_batch_recode(const struct wire_batch *b, struct bytes in,
                           const struct wire_recode *how, struct mem *mem, uint8_t *out, size_t cap,
                           size_t *size)
{
    struct wire_encoder to;
    ASSERT((size_t)b->size <= in.size);
    if (cap < WIRE_BATCH_HEAD)
        return ERR_LIMIT;
    size_t room = MIN(cap, (size_t)INT32_MAX) - WIRE_BATCH_HEAD;
    uint64_t total = how->renumber ? WIRE_TOTAL_UNKNOWN : how->content_size;
    enum err e =
        wire_encoder_begin(&to, mem, how->codec, how->level, total, out + WIRE_BATCH_HEAD, room);
    if (e != ERR_NONE)
        return e;
    struct bytes content = bytes_of(in.data + WIRE_BATCH_HEAD, (size_t)b->size - WIRE_BATCH_HEAD);
    e = how->renumber ? renumber_content(&to, mem, b, in)
                      : copy_content(&to, mem, wire_batch_codec(b), content);
    if (e == ERR_NONE)
        e = wire_encoder_finish(&to);
    *size = WIRE_BATCH_HEAD + to.size;
    wire_encoder_end(&to);
    if (e != ERR_NONE)
        return e;
    struct wire_batch made = *b;
    made.size = (int32_t)*size;
    made.attributes = (int16_t)((b->attributes & ~WIRE_BATCH_CODEC) | how->codec);
    wire_batch_write(out, &made);
    return ERR_NONE;
}
