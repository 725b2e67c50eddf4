/* records.c - the records of a batch, one after the other, decompressed on the way. Every length is
 * checked against the record's own end, and that against the batch's. */
#include "wire/cursor.h"

enum err wire_records_begin(struct wire_records *it, const struct wire_batch *b, struct bytes in,
                            struct errmsg *msg)
{
    ASSERT(b->size >= WIRE_BATCH_HEAD);
    ASSERT((size_t)b->size <= in.size);
    if (wire_batch_codec(b) != WIRE_CODEC_NONE)
        return errmsg_set(msg, ERR_UNSUPPORTED, "the batch is compressed with codec %d",
                          wire_batch_codec(b));
    if (b->record_count == 0 && b->size > WIRE_BATCH_HEAD)
        return errmsg_set(msg, ERR_CORRUPT, "%d bytes where no record is", b->size);
    *it = (struct wire_records){.batch = *b,
                                .next = in.data + WIRE_BATCH_HEAD,
                                .end = in.data + b->size,
                                .left = b->record_count,
                                .last_delta = -1};
    return ERR_NONE;
}

enum err wire_records_open(struct wire_records *it, struct mem *mem, const struct wire_batch *b,
                           struct bytes in, struct errmsg *msg)
{
    enum wire_codec codec = wire_batch_codec(b);
    if (codec == WIRE_CODEC_NONE)
        return wire_records_begin(it, b, in, msg);
    ASSERT(b->size >= WIRE_BATCH_HEAD);
    ASSERT((size_t)b->size <= in.size);
    struct bytes content = bytes_of(in.data + WIRE_BATCH_HEAD, (size_t)b->size - WIRE_BATCH_HEAD);
    if (codec >= WIRE_CODEC_COUNT)
        return errmsg_set(msg, ERR_CORRUPT, "codec %d", codec);
    if ((uint64_t)b->record_count * WIRE_RECORD_MIN > wire_codec_yield_max(codec, content.size))
        return errmsg_set(msg, ERR_CORRUPT, "%d records cannot come out of %zu bytes of %s",
                          b->record_count, content.size, wire_codec_names[codec]);
    *it = (struct wire_records){.batch = *b, .left = b->record_count, .last_delta = -1};
    it->buffer = mem_alloc(mem, WIRE_RECORDS_PIECE);
    if (it->buffer == NULL)
        return ERR_NOMEM;
    it->buffer_cap = WIRE_RECORDS_PIECE;
    it->next = it->end = it->buffer;
    enum err e = wire_decoder_begin(&it->decoder, mem, codec, content);
    if (e != ERR_NONE)
        mem_free(mem, it->buffer);
    return e;
}

void wire_records_close(struct wire_records *it)
{
    if (it->decoder.mem == NULL)
        return;
    struct mem *mem = it->decoder.mem;
    wire_decoder_end(&it->decoder);
    mem_free(mem, it->buffer);
    *it = (struct wire_records){.left = 0};
}

/* Room for more than there is: what was taken makes way, and a large record a larger buffer. */
static enum err make_room(struct wire_records *it)
{
    size_t have = (size_t)(it->end - it->next);
    if (have == it->buffer_cap) {
        uint8_t *larger = mem_realloc(it->decoder.mem, it->buffer, it->buffer_cap * 2);
        if (larger == NULL)
            return ERR_NOMEM;
        it->next = larger + (it->next - it->buffer);
        it->buffer = larger;
        it->buffer_cap *= 2;
    }
    memmove(it->buffer, it->next, have);
    it->next = it->buffer;
    it->end = it->buffer + have;
    return ERR_NONE;
}

/* Decompresses until size bytes wait, or the content ends. */
static enum err fill(struct wire_records *it, size_t size, struct errmsg *msg)
{
    enum err e = ERR_NONE;
    while ((size_t)(it->end - it->next) < size && !it->decoder.ended && e == ERR_NONE) {
        size_t given, used = (size_t)(it->end - it->buffer);
        e = it->next > it->buffer || used == it->buffer_cap ? make_room(it) : ERR_NONE;
        if (e != ERR_NONE)
            return e;
        used = (size_t)(it->end - it->buffer);
        e = wire_decoder_read(&it->decoder, it->buffer + used, it->buffer_cap - used, &given, msg);
        it->end += given;
    }
    return e == ERR_EOF ? ERR_CORRUPT : e;
}

/* Of a compressed batch: the next record's bytes, as far as there are any. */
static enum err fill_record(struct wire_records *it, struct errmsg *msg)
{
    uint32_t length;
    enum err e = fill(it, WIRE_VARINT_MAX, msg);
    if (e != ERR_NONE)
        return e;
    int n = wire_uvarint_get(it->next, (size_t)(it->end - it->next), &length);
    if (n == 0 || wire_unzigzag32(length) < 0)
        return ERR_NONE; /* taking it will say so */
    return fill(it, (size_t)n + (size_t)wire_unzigzag32(length), msg);
}

/* Takes one record's inside, which must end where its length said. */
static void take_record(struct wire_records *it, struct cursor *c, struct wire_record *out)
{
    take_bytes(c, 1); /* attributes: none are defined */
    int64_t timestamp_delta = take_varlong(c);
    int32_t delta = take_varint(c);
    out->key = take_run(c);
    out->value = take_run(c);
    out->headers = take_headers(c, &out->header_count);
    bool ascends = delta > it->last_delta && delta <= it->batch.last_offset_delta;
    if (c->p != c->end || (!ascends && !it->any_offset))
        c->bad = true;
    it->last_delta = delta;
    out->offset = it->batch.base_offset + delta;
    out->timestamp_ms = (it->batch.attributes & WIRE_BATCH_LOG_APPEND_TIME) != 0
                            ? it->batch.max_timestamp
                            : it->batch.base_timestamp + timestamp_delta;
}

/* Behind the last record there is nothing. It is looked for in place: the record's views stay. */
static enum err check_end(struct wire_records *it, struct errmsg *msg)
{
    uint8_t more;
    size_t left = (size_t)(it->end - it->next);
    if (left == 0 && it->decoder.mem != NULL && !it->decoder.ended) {
        enum err e = wire_decoder_read(&it->decoder, &more, sizeof more, &left, msg);
        if (e != ERR_NONE)
            return e == ERR_EOF ? ERR_CORRUPT : e;
    }
    if (left > 0)
        return errmsg_set(msg, ERR_CORRUPT, "%zu bytes or more behind the last record", left);
    return ERR_NONE;
}

enum err wire_records_next(struct wire_records *it, struct wire_record *out, struct errmsg *msg)
{
    ASSERT(it->left > 0);
    int32_t number = it->batch.record_count - it->left;
    enum err e = it->decoder.mem != NULL ? fill_record(it, msg) : ERR_NONE;
    if (e != ERR_NONE)
        return e;
    struct cursor c = {.p = it->next, .end = it->end};
    int32_t length = take_varint(&c);
    const uint8_t *inside = take_bytes(&c, length);
    if (c.bad)
        return errmsg_set(msg, ERR_CORRUPT, "record %d does not fit into its batch", number);
    it->next = c.p;
    struct cursor record = {.p = inside, .end = c.p};
    out->inside = bytes_of(inside, (size_t)length);
    take_record(it, &record, out);
    if (record.bad)
        return errmsg_set(msg, ERR_CORRUPT, "record %d is malformed", number);
    it->left--;
    return it->left == 0 ? check_end(it, msg) : ERR_NONE;
}

bool wire_record_headers(struct bytes *headers, struct wire_record_header *out)
{
    if (headers->size == 0)
        return false;
    struct cursor c = {.p = headers->data, .end = headers->data + headers->size};
    take_header(&c, out);
    ASSERT(!c.bad); /* wire_records_next has checked them */
    *headers = bytes_of(c.p, (size_t)(c.end - c.p));
    return true;
}

enum err wire_control_type(struct wire_bytes key, int16_t *type, struct errmsg *msg)
{
    if (key.size < 4 || get_i16(key.data) < 0)
        return errmsg_set(msg, ERR_CORRUPT, "no key of a control record: %d bytes", key.size);
    *type = get_i16(key.data + 2);
    return ERR_NONE;
}

#define METADATA_FRAME_VERSION 1

enum err wire_metadata_parse(struct wire_bytes value, struct wire_metadata_head *out,
                             struct errmsg *msg)
{
    struct cursor c = {.p = value.data, .end = value.data + MAX(value.size, 0)};
    uint64_t frame = take_uvarlong(&c);
    uint64_t type = take_uvarlong(&c);
    uint64_t version = take_uvarlong(&c);
    if (c.bad || type > UINT32_MAX || version > INT16_MAX)
        return errmsg_set(msg, ERR_CORRUPT, "no metadata record: %d bytes", value.size);
    if (frame != METADATA_FRAME_VERSION)
        return errmsg_set(msg, ERR_UNSUPPORTED, "metadata frame version %llu",
                          (unsigned long long)frame);
    out->type = (uint32_t)type;
    out->version = (uint32_t)version;
    out->message = bytes_of(c.p, (size_t)(c.end - c.p));
    return ERR_NONE;
}
