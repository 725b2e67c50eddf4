/* batch.c - metadata records into batches and out of them. Pure. */
#include "metadata/internal.h"

#define BATCH_BYTES_FIRST 4096
#define WRITE_BYTES_MAX METADATA_BATCH_BYTES_MAX
#define ARENA_BYTES_MAX (16u << 20)

void metadata_batch_init(struct metadata_batch *b, struct mem *mem, int64_t timestamp_ms,
                         int64_t offset, int32_t leader_epoch)
{
    *b = (struct metadata_batch){
        .mem = mem, .timestamp_ms = timestamp_ms, .offset = offset, .leader_epoch = leader_epoch};
}

void metadata_batch_free(struct metadata_batch *b)
{
    for (int32_t i = 0; i < b->write_count; i++)
        buf_release(b->writes[i].buf);
    b->write_count = 0;
    buf_release(b->buf);
    b->buf = NULL;
}

/* Twice the room, with what is there. */
static enum err grow(struct metadata_batch *b)
{
    uint32_t cap = b->buf == NULL ? BATCH_BYTES_FIRST : b->buf->cap * 2;
    if (cap > WRITE_BYTES_MAX)
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

int64_t metadata_batch_count(const struct metadata_batch *b)
{
    return b->record_count + (b->buf == NULL ? 0 : b->builder.record_count);
}

int64_t metadata_batch_write_count(const struct metadata_batch *b)
{
    return metadata_batch_count(b) - b->start_count;
}

static void finish_batch(struct metadata_batch *b)
{
    ASSERT(b->builder.record_count > 0);
    wire_builder_finish(&b->builder, &(struct wire_builder_head){
                                         .base_offset = b->offset + b->record_count,
                                         .leader_epoch = b->leader_epoch,
                                         .attributes = b->is_control ? WIRE_BATCH_CONTROL : 0,
                                         .producer_id = -1,
                                         .producer_epoch = -1,
                                         .base_sequence = -1,
                                     });
    b->record_count += b->builder.record_count;
    b->is_control = false;
}

enum err metadata_batch_next(struct metadata_batch *b)
{
    finish_batch(b);
    size_t start = b->start + b->builder.size;
    while (b->buf->cap - start < WIRE_BATCH_HEAD) {
        enum err e = grow(b);
        if (e != ERR_NONE)
            return e;
    }
    b->start = start;
    wire_builder_init(&b->builder, b->buf->data + start, b->buf->cap - start);
    return ERR_NONE;
}

enum err metadata_batch_next_write(struct metadata_batch *b)
{
    ASSERT(b->buf != NULL);
    if (b->write_count == METADATA_WRITES_MAX)
        return ERR_LIMIT;
    finish_batch(b);
    b->writes[b->write_count++] = (struct metadata_write){
        .buf = b->buf,
        .size = (uint32_t)(b->start + b->builder.size),
        .record_count = b->record_count - b->start_count,
    };
    b->buf = NULL;
    b->start = 0;
    b->start_count = b->record_count;
    return ERR_NONE;
}

enum err metadata_batch_finish(struct metadata_batch *b)
{
    return b->buf == NULL ? ERR_NONE : metadata_batch_next_write(b);
}

enum err metadata_batch_add(struct metadata_batch *b, const struct wire_message *m, int version,
                            const void *record)
{
    ASSERT(!b->is_control);
    enum err e = b->buf == NULL ? grow(b) : ERR_NONE;
    while (e == ERR_NONE) {
        e = wire_builder_add_metadata(&b->builder, b->timestamp_ms, m, version, record);
        if (e != ERR_LIMIT)
            return e;
        e = grow(b);
    }
    return e;
}

enum err metadata_batch_add_value(struct metadata_batch *b, struct wire_bytes value)
{
    static const struct wire_bytes no_key = {.size = -1};
    ASSERT(!b->is_control);
    enum err e = b->buf == NULL ? grow(b) : ERR_NONE;
    while (e == ERR_NONE) {
        e = wire_builder_add(&b->builder, b->timestamp_ms, no_key, value, NULL, 0);
        if (e != ERR_LIMIT)
            return e;
        e = grow(b);
    }
    return e;
}

enum err metadata_batch_add_control(struct metadata_batch *b, enum wire_control type,
                                    const struct wire_message *m, const void *record)
{
    ASSERT(b->is_control || b->buf == NULL || b->builder.record_count == 0);
    enum err e = b->buf == NULL ? grow(b) : ERR_NONE;
    b->is_control = true;
    while (e == ERR_NONE) {
        e = wire_builder_add_control(&b->builder, b->timestamp_ms, type, m, 0, record);
        if (e != ERR_LIMIT)
            return e;
        e = grow(b);
    }
    return e;
}

enum err metadata_batch_add_leader_change(struct metadata_batch *b,
                                          const struct wire_leader_change_message *m)
{
    return metadata_batch_add_control(b, WIRE_CONTROL_LEADER_CHANGE,
                                      &wire_leader_change_message_message, m);
}

/* ---- and out of them ---- */

enum err metadata_batch_replay(struct metadata_edit *edit, const struct wire_batch *batch,
                               struct bytes in, struct arena *arena, struct errmsg *msg)
{
    edit->image->epoch = batch->leader_epoch;
    edit->image->timestamp_ms = batch->max_timestamp;
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

static enum err replay_all(const struct metadata_write *write, struct metadata_edit *edit,
                           struct errmsg *msg)
{
    struct bytes in = bytes_of(write->buf->data, write->size);
    struct wire_batch head;
    struct arena arena;
    enum err e = ERR_NONE;
    arena_init(&arena, edit->image->mem, ARENA_BYTES_MAX);
    for (size_t at = 0; at < in.size && e == ERR_NONE; at += (size_t)head.size) {
        enum wire_at what = wire_batch_at(in, at, &head, msg);
        ASSERT(what == WIRE_AT_BATCH);
        e = metadata_batch_replay(edit, &head, bytes_of(in.data + at, (size_t)head.size), &arena,
                                  msg);
    }
    arena_free(&arena);
    return e;
}

enum err metadata_batch_image(const struct metadata_write *write, struct mem *mem,
                              const struct metadata_image *base, struct metadata_image **out,
                              struct errmsg *msg)
{
    struct metadata_edit edit;
    enum err e = metadata_edit_begin(&edit, mem, base);
    if (e != ERR_NONE)
        return e;
    e = replay_all(write, &edit, msg);
    if (e != ERR_NONE) {
        metadata_edit_abandon(&edit);
        return e;
    }
    *out = metadata_edit_finish(&edit);
    return ERR_NONE;
}
