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

struct buf *buf_of_text(struct mem *mem, struct bytes text)
{
    struct buf *buf = buf_new(mem, (uint32_t)text.size + 1);
    if (buf == NULL)
        return NULL;
    if (text.size > 0)
        memcpy(buf->data, text.data, text.size);
    buf->data[text.size] = 0;
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
