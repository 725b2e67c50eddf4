/* builder.c - record batches written into the caller's bytes. A record that does not fit changes
 * nothing. The head is written last, by wire_builder_finish. */
#include "wire/wire.h"

#define METADATA_FRAME_VERSION 1
#define METADATA_FRAME_MAX (3 * WIRE_VARINT_MAX)
#define CONTROL_KEY_SIZE 4

void wire_builder_init(struct wire_builder *b, uint8_t *data, size_t cap)
{
    ASSERT(cap >= WIRE_BATCH_HEAD);
    *b = (struct wire_builder){.data = data, .cap = cap, .size = WIRE_BATCH_HEAD};
}

static size_t varint_size(int32_t v)
{
    return (size_t)wire_uvarint_size(wire_zigzag32(v));
}

static uint8_t *put_varint(uint8_t *p, int32_t v)
{
    return p + wire_uvarint_put(p, wire_zigzag32(v));
}

static size_t run_size(int32_t size)
{
    return varint_size(size) + (size_t)MAX(size, 0);
}

static uint8_t *put_run(uint8_t *p, const void *data, int32_t size)
{
    p = put_varint(p, size);
    if (size > 0)
        memcpy(p, data, (size_t)size);
    return p + MAX(size, 0);
}

static size_t headers_size(const struct wire_record_header *headers, int32_t count)
{
    size_t sum = varint_size(count);
    for (int32_t i = 0; i < count; i++)
        sum += run_size(headers[i].key.size) + run_size(headers[i].value.size);
    return sum;
}

static int64_t timestamp_delta(const struct wire_builder *b, int64_t timestamp_ms)
{
    return b->record_count == 0 ? 0 : timestamp_ms - b->base_timestamp;
}

/* Of a record without its own length. */
static size_t inside_size(const struct wire_builder *b, int64_t timestamp_ms, int32_t key_size,
                          int32_t value_size, const struct wire_record_header *headers,
                          int32_t header_count)
{
    return 1 + (size_t)wire_uvarint_size(wire_zigzag64(timestamp_delta(b, timestamp_ms))) +
           varint_size(b->record_count) + run_size(key_size) + run_size(value_size) +
           headers_size(headers, header_count);
}

/* Of a record, or SIZE_MAX when it is longer than a length can say. */
static size_t record_size(size_t inside)
{
    if (inside > INT32_MAX)
        return SIZE_MAX;
    return varint_size((int32_t)inside) + inside;
}

size_t wire_builder_cost(const struct wire_builder *b, int64_t timestamp_ms, struct wire_bytes key,
                         struct wire_bytes value, const struct wire_record_header *headers,
                         int32_t header_count)
{
    return record_size(inside_size(b, timestamp_ms, key.size, value.size, headers, header_count));
}

/* Writes the record up to where its value's bytes begin; NULL when the whole does not fit. */
static uint8_t *begin_record(struct wire_builder *b, int64_t timestamp_ms, struct wire_bytes key,
                             int32_t value_size, const struct wire_record_header *headers,
                             int32_t header_count)
{
    ASSERT(b->size <= b->cap);
    size_t inside = inside_size(b, timestamp_ms, key.size, value_size, headers, header_count);
    if (record_size(inside) > MIN(b->cap, (size_t)INT32_MAX) - b->size)
        return NULL;
    uint8_t *p = put_varint(b->data + b->size, (int32_t)inside);
    *p++ = 0; /* attributes: none are defined */
    p += wire_uvarint_put(p, wire_zigzag64(timestamp_delta(b, timestamp_ms)));
    p = put_varint(p, b->record_count);
    p = put_run(p, key.data, key.size);
    return put_varint(p, value_size);
}

/* p: behind the value. */
static void end_record(struct wire_builder *b, int64_t timestamp_ms, uint8_t *p,
                       const struct wire_record_header *headers, int32_t header_count)
{
    p = put_varint(p, header_count);
    for (int32_t i = 0; i < header_count; i++) {
        ASSERT(headers[i].key.size >= 0);
        p = put_run(p, headers[i].key.data, headers[i].key.size);
        p = put_run(p, headers[i].value.data, headers[i].value.size);
    }
    b->size = (size_t)(p - b->data);
    ASSERT(b->size <= b->cap);
    if (b->record_count == 0)
        b->base_timestamp = b->max_timestamp = timestamp_ms;
    b->max_timestamp = MAX(b->max_timestamp, timestamp_ms);
    b->record_count++;
}

enum err wire_builder_compress(struct wire_builder *b, struct mem *mem, enum wire_codec codec,
                               int32_t level, uint8_t *out, size_t cap)
{
    struct wire_batch batch;
    struct bytes in = bytes_of(b->data, b->size);
    size_t size;
    enum wire_at at = wire_batch_at(in, 0, &batch, NULL);
    ASSERT(at == WIRE_AT_BATCH); /* finished */
    ASSERT(b->codec == WIRE_CODEC_NONE);
    struct wire_recode how = {
        .codec = codec, .level = level, .content_size = b->size - WIRE_BATCH_HEAD};
    enum err e = wire_batch_recode(&batch, in, &how, mem, out, cap, &size);
    if (e != ERR_NONE)
        return e;
    b->data = out;
    b->cap = cap;
    b->size = size;
    b->codec = codec;
    return ERR_NONE;
}

enum err wire_builder_add(struct wire_builder *b, int64_t timestamp_ms, struct wire_bytes key,
                          struct wire_bytes value, const struct wire_record_header *headers,
                          int32_t header_count)
{
    ASSERT(b->codec == WIRE_CODEC_NONE);
    ASSERT(key.size >= -1);
    ASSERT(value.size >= -1);
    uint8_t *p = begin_record(b, timestamp_ms, key, value.size, headers, header_count);
    if (p == NULL)
        return ERR_LIMIT;
    if (value.size > 0)
        memcpy(p, value.data, (size_t)value.size);
    end_record(b, timestamp_ms, p + MAX(value.size, 0), headers, header_count);
    return ERR_NONE;
}

/* Adds a record whose value is prefix and the message. */
static enum err add_message(struct wire_builder *b, int64_t timestamp_ms, struct wire_bytes key,
                            struct bytes prefix, const struct wire_message *m, int version,
                            const void *in)
{
    size_t size;
    enum err e = wire_size(m, version, in, &size);
    if (e != ERR_NONE)
        return e;
    if (size > INT32_MAX - prefix.size)
        return ERR_LIMIT;
    int32_t value_size = (int32_t)(prefix.size + size);
    uint8_t *p = begin_record(b, timestamp_ms, key, value_size, NULL, 0);
    if (p == NULL)
        return ERR_LIMIT;
    if (prefix.size > 0)
        memcpy(p, prefix.data, prefix.size);
    struct wire_out out;
    wire_out_fixed(&out, p + prefix.size, size);
    e = wire_encode(m, version, in, &out);
    ASSERT(e == ERR_NONE); /* wire_size has measured it; records of this kind have no gaps */
    end_record(b, timestamp_ms, p + value_size, NULL, 0);
    return ERR_NONE;
}

enum err wire_builder_add_control(struct wire_builder *b, int64_t timestamp_ms,
                                  enum wire_control type, const struct wire_message *m, int version,
                                  const void *in)
{
    uint8_t key[CONTROL_KEY_SIZE] = {0}; /* version 0 */
    put_u16(key + 2, (uint16_t)type);
    struct wire_bytes key_bytes = {.data = key, .size = sizeof key};
    return add_message(b, timestamp_ms, key_bytes, bytes_of(NULL, 0), m, version, in);
}

enum err wire_builder_add_metadata(struct wire_builder *b, int64_t timestamp_ms,
                                   const struct wire_message *m, int version, const void *in)
{
    ASSERT(m->key >= 0);
    if (version < 0)
        return ERR_UNSUPPORTED;
    uint8_t frame[METADATA_FRAME_MAX];
    int size = wire_uvarint_put(frame, METADATA_FRAME_VERSION);
    size += wire_uvarint_put(frame + size, (uint64_t)m->key);
    size += wire_uvarint_put(frame + size, (uint64_t)version);
    return add_message(b, timestamp_ms, WIRE_NULL_BYTES, bytes_of(frame, (size_t)size), m, version,
                       in);
}
