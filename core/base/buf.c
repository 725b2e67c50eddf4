/* buf.c - reference counts of buffers; one thread, so plain integers. */
#include "base/buf.h"

struct buf *buf_new(struct mem *mem, uint32_t cap)
{
    struct buf *buf = mem_alloc(mem, sizeof *buf + cap);
    if (buf == NULL)
        return NULL;
    buf->mem = mem;
    buf->refs = 1;
    buf->cap = cap;
    return buf;
}

void buf_retain(struct buf *buf)
{
    ASSERT(buf->refs > 0);
    ASSERT(buf->refs < UINT32_MAX);
    buf->refs++;
}

void buf_release(struct buf *buf)
{
    if (buf == NULL)
        return;
    ASSERT(buf->refs > 0);
    if (--buf->refs == 0)
        mem_free(buf->mem, buf);
}
