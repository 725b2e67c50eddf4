/* common.h - what the programs of the bench share: reading and writing Kafka's plain (not flexible)
 * fields, clocks, quantiles and words to a person. */
#ifndef KILN_BENCH_COMMON_H
#define KILN_BENCH_COMMON_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/bytes.h"

#define die(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(1))

static inline int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Reads fields off a frame; past its end everything is 0 and empty. */
struct reader {
    const uint8_t *at, *end;
};

static inline const uint8_t *reader_take(struct reader *r, size_t size)
{
    static const uint8_t zeros[8];
    if ((size_t)(r->end - r->at) < size) {
        r->at = r->end;
        return zeros;
    }
    r->at += size;
    return r->at - size;
}

static inline int16_t reader_i16(struct reader *r)
{
    return get_i16(reader_take(r, 2));
}

static inline int32_t reader_i32(struct reader *r)
{
    return get_i32(reader_take(r, 4));
}

static inline int64_t reader_i64(struct reader *r)
{
    return get_i64(reader_take(r, 8));
}

static inline struct bytes reader_span(struct reader *r, int64_t size)
{
    if (size < 0 || size > r->end - r->at)
        size = 0;
    r->at += size;
    return bytes_of(r->at - size, (size_t)size);
}

static inline struct bytes reader_text(struct reader *r)
{
    return reader_span(r, reader_i16(r));
}

static inline struct bytes reader_bytes(struct reader *r)
{
    return reader_span(r, reader_i32(r));
}

/* Grows as it is written. */
struct writer {
    uint8_t *data;
    size_t size, cap;
};

static inline uint8_t *writer_room(struct writer *w, size_t size)
{
    if (w->size + size > w->cap) {
        w->cap = MAX(w->cap * 2, w->size + size + 256);
        w->data = realloc(w->data, w->cap);
    }
    w->size += size;
    return w->data + w->size - size;
}

static inline void writer_i8(struct writer *w, int8_t v)
{
    *writer_room(w, 1) = (uint8_t)v;
}

static inline void writer_i16(struct writer *w, int16_t v)
{
    put_u16(writer_room(w, 2), (uint16_t)v);
}

static inline void writer_i32(struct writer *w, int32_t v)
{
    put_u32(writer_room(w, 4), (uint32_t)v);
}

static inline void writer_i64(struct writer *w, int64_t v)
{
    put_u64(writer_room(w, 8), (uint64_t)v);
}

static inline void writer_text(struct writer *w, struct bytes s)
{
    writer_i16(w, (int16_t)s.size);
    if (s.size > 0)
        memcpy(writer_room(w, s.size), s.data, s.size);
}

#endif
