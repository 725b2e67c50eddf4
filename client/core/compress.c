/* compress.c - batches compressed before they are sent, and decompressed whole before their records
 * are handed out: a poll's records stay in place until the next poll. */
#include "client/core/internal.h"

/* ---- sending ---- */

void client_batch_compress(struct client *c, struct client_batch *b)
{
    enum wire_codec codec = (enum wire_codec)c->config.compression;
    ASSERT(b->closed);
    if (codec == WIRE_CODEC_NONE || b->builder.codec != WIRE_CODEC_NONE)
        return;
    struct wire_builder packed = b->builder;
    size_t cap = WIRE_BATCH_HEAD + wire_codec_bound(codec, packed.size);
    uint8_t *room = mem_alloc(c->mem, cap);
    if (room == NULL)
        return;
    int32_t level = wire_codec_level_default(codec);
    enum err e = wire_builder_compress(&packed, c->mem, codec, level, room, cap);
    struct buf *buf = e == ERR_NONE ? buf_new(c->mem, (uint32_t)packed.size) : NULL;
    if (buf != NULL) {
        memcpy(buf->data, room, packed.size);
        packed.data = buf->data;
        packed.cap = buf->cap;
        c->producer.buffered += (int64_t)buf->cap - b->buf->cap;
        c->producer.memory_given = true;
        buf_release(b->buf);
        b->buf = buf;
        b->builder = packed;
    }
    mem_free(c->mem, room);
}

/* ---- reading ---- */

#define ROOM_FIRST (64 << 10)
#define RATIO_GUESS 4 /* what most batches yield of a byte */

/* A buf of twice the room with the same first bytes; the old one is let go of, also without. */
static struct buf *grow(struct client *c, struct buf *buf, size_t used)
{
    struct buf *larger = buf_new(c->mem, buf->cap * 2);
    if (larger != NULL)
        memcpy(larger->data, buf->data, used);
    buf_release(buf);
    return larger;
}

/* Decompresses content behind the head of a batch. *out: NULL after an error. */
static enum err decode_content(struct client *c, enum wire_codec codec, struct bytes content,
                               struct buf **out, size_t *size)
{
    struct wire_decoder d;
    struct errmsg msg = {0};
    size_t given = 1;
    *size = WIRE_BATCH_HEAD;
    *out = buf_new(c->mem, (uint32_t)(ROOM_FIRST + MIN(content.size * RATIO_GUESS,
                                                       (size_t)CLIENT_UNPACKED_MAX / 2)));
    enum err e = *out == NULL ? ERR_NOMEM : wire_decoder_begin(&d, c->mem, codec, content);
    if (e != ERR_NONE) {
        buf_release(*out);
        *out = NULL;
        return e;
    }
    while (e == ERR_NONE && given > 0) {
        if (*size == (*out)->cap)
            *out = *size > CLIENT_UNPACKED_MAX ? *out : grow(c, *out, *size);
        if (*out == NULL)
            e = ERR_NOMEM;
        else if (*size == (*out)->cap)
            e = ERR_LIMIT;
        else
            e = wire_decoder_read(&d, (*out)->data + *size, (*out)->cap - *size, &given, &msg);
        *size += e == ERR_NONE ? given : 0;
    }
    wire_decoder_end(&d);
    if (e == ERR_NONE)
        return ERR_NONE;
    buf_release(*out);
    *out = NULL;
    return e == ERR_EOF ? ERR_CORRUPT : e;
}

enum err client_unpack(struct client *c, const struct wire_batch *b, struct bytes in,
                       struct client_chunk **out)
{
    ASSERT((size_t)b->size <= in.size);
    struct bytes content = bytes_of(in.data + WIRE_BATCH_HEAD, (size_t)b->size - WIRE_BATCH_HEAD);
    struct buf *buf;
    size_t size;
    struct client_chunk *chunk = mem_zalloc(c->mem, sizeof *chunk);
    enum err e =
        chunk == NULL ? ERR_NOMEM : decode_content(c, wire_batch_codec(b), content, &buf, &size);
    if (e != ERR_NONE) {
        mem_free(c->mem, chunk);
        return e;
    }
    list_init(&chunk->link);
    chunk->bytes = slice_of(buf, 0, (uint32_t)size);
    *out = chunk;
    return ERR_NONE;
}
