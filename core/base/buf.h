/* buf.h - the only reference-counted thing: a block of memory that travels from the socket to the
 * log without a copy. */
#ifndef KILN_BASE_BUF_H
#define KILN_BASE_BUF_H

#include "base/bytes.h"
#include "base/mem.h"

struct buf {
    struct mem *mem;
    uint32_t refs;
    uint32_t cap; /* bytes at data */
    uint8_t data[];
};

/* One reference, contents undefined. NULL: out of memory. */
struct buf *buf_new(struct mem *mem, uint32_t cap) MUST_USE;
/* One reference, a copy of text with a zero behind it, which cap counts. NULL: out of memory. */
struct buf *buf_of_text(struct mem *mem, struct bytes text) MUST_USE;
void buf_retain(struct buf *buf);
/* Frees it with the last reference. buf may be NULL. */
void buf_release(struct buf *buf);

/* A range of a buf. Copying the struct does not retain; whoever keeps one across events retains its
 * buf. buf may be NULL for bytes that outlive every use (constants). */
struct slice {
    struct buf *buf;
    uint8_t *data;
    uint32_t size;
};

static inline struct slice slice_of(struct buf *buf, uint32_t offset, uint32_t size)
{
    ASSERT(offset <= buf->cap);
    ASSERT(size <= buf->cap - offset);
    return (struct slice){.buf = buf, .data = buf->data + offset, .size = size};
}

static inline struct bytes slice_bytes(struct slice s)
{
    return bytes_of(s.data, s.size);
}

#endif
