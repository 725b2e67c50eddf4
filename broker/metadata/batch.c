/* batch.c - metadata records into batches and out of them. Pure. */
#include "metadata/internal.h"

void metadata_batch_init(struct batch *b, struct mem *mem, int64_t timestamp_ms)
{
    *b = (struct batch){.mem = mem, .timestamp_ms = timestamp_ms};
}

void metadata_batch_free(struct batch *b)
{
    buf_release(b->buf);
    b->buf = NULL;
}

/* Twice the room, with what is there. */
static enum err grow(struct batch *b)
{
    uint32_t cap = b->buf == NULL ? BATCH_BYTES_FIRST : b->buf->cap * 2;
    if (cap > BATCH_BYTES_MAX)
        return ERR_LIMIT;
    struct buf *buf = buf_new(b->mem, cap);
    if (buf == NULL)
        return ERR_NOMEM;
    if (b->buf == NULL) {
        wire_builder_init(&b->builder, buf->data, cap);
    } else {
        memcpy(buf->data, b->buf->data, b->start + b->builder.size);
        b->builder.data = buf->data + b->start;
        b->builder.cap = cap - b->start;
    }
    buf_release(b->buf);
    b->buf = buf;
    return ERR_NONE;
}

static void finish(struct batch *b, int64_t offset, int32_t epoch)
{
    wire_builder_finish(&b->builder, &(struct wire_builder_head){
                                         .base_offset = offset + b->offset,
                                         .leader_epoch = epoch,
                                         .attributes = b->control ? WIRE_BATCH_CONTROL : 0,
                                         .producer_id = -1,
                                         .producer_epoch = -1,
                                         .base_sequence = -1,
                                     });
}

int64_t metadata_batch_count(const struct batch *b)
{
    return b->offset + (b->buf == NULL ? 0 : b->builder.record_count);
}

enum err metadata_batch_split(struct batch *b, int64_t offset, int32_t epoch)
{
    ASSERT(b->builder.record_count > 0);
    finish(b, offset, epoch);
    size_t start = b->start + b->builder.size;
    while (b->buf->cap - start < WIRE_BATCH_HEAD) {
        enum err e = grow(b);
        if (e != ERR_NONE)
            return e;
    }
    b->offset = metadata_batch_count(b);
    b->start = start;
    b->control = false;
    wire_builder_init(&b->builder, b->buf->data + start, b->buf->cap - start);
    return ERR_NONE;
}

enum err metadata_batch_add(struct batch *b, const struct wire_message *m, int version,
                            const void *record)
{
    ASSERT(!b->control);
    enum err e = b->buf == NULL ? grow(b) : ERR_NONE;
    while (e == ERR_NONE) {
        e = wire_builder_add_metadata(&b->builder, b->timestamp_ms, m, version, record);
        if (e != ERR_LIMIT)
            return e;
        e = grow(b);
    }
    return e;
}

enum err metadata_batch_add_leader_change(struct batch *b,
                                          const struct wire_leader_change_message *m)
{
    ASSERT(b->buf == NULL);
    enum err e = grow(b);
    if (e != ERR_NONE)
        return e;
    b->control = true;
    return wire_builder_add_control(&b->builder, b->timestamp_ms, WIRE_CONTROL_LEADER_CHANGE,
                                    &wire_leader_change_message_message, 0, m);
}

enum err metadata_batch_replay(struct metadata_edit *edit, const struct wire_batch *batch,
                               struct bytes in, struct arena *arena, struct errmsg *msg)
{
    if (batch->attributes & WIRE_BATCH_CONTROL) {
        edit->image->offset = wire_batch_last_offset(batch);
        return ERR_NONE;
    }
    struct wire_records it;
    enum err e = wire_records_begin(&it, batch, in, msg);
    while (e == ERR_NONE && it.left > 0) {
        struct wire_record record;
        e = wire_records_next(&it, &record, msg);
        if (e == ERR_NONE)
            e = metadata_edit_apply(edit, record.offset, record.value, arena, msg);
        arena_reset(arena);
    }
    return e;
}

static enum err replay_all(struct batch *b, struct metadata_edit *edit, struct errmsg *msg)
{
    struct bytes in = bytes_of(b->buf->data, b->start + b->builder.size);
    struct wire_batch head;
    struct arena arena;
    enum err e = ERR_NONE;
    arena_init(&arena, b->mem, BATCH_BYTES_MAX);
    for (size_t at = 0; at < in.size && e == ERR_NONE; at += (size_t)head.size) {
        enum wire_at what = wire_batch_at(in, at, &head, msg);
        ASSERT(what == WIRE_AT_BATCH);
        e = metadata_batch_replay(edit, &head, bytes_of(in.data + at, (size_t)head.size), &arena,
                                  msg);
    }
    arena_free(&arena);
    return e;
}

enum err metadata_batch_image(struct batch *b, int64_t offset, int32_t epoch,
                              const struct metadata_image *base, struct metadata_image **out,
                              struct errmsg *msg)
{
    finish(b, offset, epoch);
    struct metadata_edit edit;
    enum err e = metadata_edit_begin(&edit, b->mem, base);
    if (e != ERR_NONE)
        return e;
    e = replay_all(b, &edit, msg);
    if (e != ERR_NONE) {
        metadata_edit_abandon(&edit);
        return e;
    }
    *out = metadata_edit_finish(&edit);
    return ERR_NONE;
}
