/* cursor.h - the numbers and runs of bytes that records are made of. Internal to core/wire. */
#ifndef KILN_WIRE_CURSOR_H
#define KILN_WIRE_CURSOR_H

#include "wire/wire.h"

/* A run of bytes being taken apart. After the first thing that cannot be, bad is set, everything
 * taken is zero, and nothing moves any more. */
struct cursor {
    const uint8_t *p, *end;
    bool bad;
};

static inline uint64_t take_slowly(struct cursor *c)
{
    uint64_t v;
    int n = wire_uvarlong_get(c->p, (size_t)(c->end - c->p), &v);
    if (n == 0)
        c->bad = true;
    if (c->bad)
        return 0;
    c->p += n;
    return v;
}

/* Nearly all have one byte or two; every record that comes in is walked through, so it shows. */
static inline uint64_t take_uvarlong(struct cursor *c)
{
    const uint8_t *p = c->p;
    if (c->bad || c->end - p < 2)
        return take_slowly(c);
    if (p[0] < 0x80) {
        c->p = p + 1;
        return p[0];
    }
    if (p[1] < 0x80) {
        c->p = p + 2;
        return (p[0] & 0x7fu) | (uint32_t)p[1] << 7;
    }
    return take_slowly(c);
}

static inline int64_t take_varlong(struct cursor *c)
{
    return wire_unzigzag64(take_uvarlong(c));
}

/* Of five bytes at most. Bits beyond the 32nd are lost, as in Kafka (ByteUtils.readVarint). */
static inline int32_t take_varint(struct cursor *c)
{
    const uint8_t *start = c->p;
    uint64_t v = take_uvarlong(c);
    if (c->p - start > WIRE_VARINT_MAX)
        c->bad = true;
    return c->bad ? 0 : wire_unzigzag32((uint32_t)v);
}

static inline const uint8_t *take_bytes(struct cursor *c, int32_t size)
{
    if (size < 0 || size > c->end - c->p)
        c->bad = true;
    if (c->bad)
        return NULL;
    const uint8_t *p = c->p;
    c->p += size;
    return p;
}

/* A varint length and so many bytes. A negative one is null, in Kafka any. */
static inline struct wire_bytes take_run(struct cursor *c)
{
    int32_t size = take_varint(c);
    if (size < 0)
        return WIRE_NULL_BYTES;
    const uint8_t *data = take_bytes(c, size);
    return (struct wire_bytes){.data = data, .size = c->bad ? 0 : size};
}

static inline void take_header(struct cursor *c, struct wire_record_header *out)
{
    struct wire_bytes key = take_run(c);
    if (key.size < 0)
        c->bad = true;
    out->key = (struct wire_string){.data = (const char *)key.data, .size = key.size};
    out->value = take_run(c);
}

static inline struct bytes take_headers(struct cursor *c, int32_t *count)
{
    *count = take_varint(c);
    const uint8_t *start = c->p;
    if (*count < 0)
        c->bad = true;
    for (int32_t i = 0; i < *count && !c->bad; i++) {
        struct wire_record_header header;
        take_header(c, &header);
    }
    return bytes_of(start, (size_t)(c->p - start));
}

/* Writes b's head over the first bytes of a whole batch, and the CRC of all of it (batch.c). */
void wire_batch_write(uint8_t *batch, const struct wire_batch *b);

#endif
