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
        memcpy(buf->data, b->buf->data, b->builder.size);
        b->builder.data = buf->data;
        b->builder.cap = cap;
    }
    buf_release(b->buf);
    b->buf = buf;
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

enum err metadata_batch_image(struct batch *b, int64_t offset, int32_t epoch,
                              const struct metadata_image *base, struct metadata_image **out,
                              struct errmsg *msg)
{
    wire_builder_finish(&b->builder, &(struct wire_builder_head){
                                         .base_offset = offset,
                                         .leader_epoch = epoch,
                                         .attributes = b->control ? WIRE_BATCH_CONTROL : 0,
                                         .producer_id = -1,
                                         .producer_epoch = -1,
                                         .base_sequence = -1,
                                     });
    struct bytes in = bytes_of(b->builder.data, b->builder.size);
    struct wire_batch head;
    enum wire_at at = wire_batch_at(in, 0, &head, msg);
    ASSERT(at == WIRE_AT_BATCH);
    struct metadata_edit edit;
    enum err e = metadata_edit_begin(&edit, b->mem, base);
    if (e != ERR_NONE)
        return e;
    struct arena arena;
    arena_init(&arena, b->mem, BATCH_BYTES_MAX);
    e = metadata_batch_replay(&edit, &head, in, &arena, msg);
    arena_free(&arena);
    if (e != ERR_NONE) {
        metadata_edit_abandon(&edit);
        return e;
    }
    *out = metadata_edit_finish(&edit);
    return ERR_NONE;
}
