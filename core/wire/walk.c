/* walk.c - all records of a batch that a client sent, looked at one by one as Kafka 4.3.1 does
 * before it believes the head. Keys and values are passed over where they do not fit into the
 * buffer, so that no batch, whatever it decompresses to, takes more memory than that. */
#include "wire/cursor.h"

/* ---- the content, a buffer of it at a time ---- */

enum err wire_walk_begin(struct wire_walk *w, struct mem *mem, const struct wire_batch *b,
                         struct bytes in, uint64_t content_max, struct errmsg *msg)
{
    enum wire_codec codec = wire_batch_codec(b);
    ASSERT((size_t)b->size <= in.size);
    ASSERT(codec < WIRE_CODEC_COUNT);
    struct bytes content = bytes_of(in.data + WIRE_BATCH_HEAD, (size_t)b->size - WIRE_BATCH_HEAD);
    *w = (struct wire_walk){.batch = *b, .content_max = content_max};
    if ((uint64_t)b->record_count * WIRE_RECORD_MIN > wire_codec_yield_max(codec, content.size)) {
        w->index = b->record_count; /* no record is to blame */
        return errmsg_set(msg, ERR_CORRUPT, "%d records cannot come out of %zu bytes",
                          b->record_count, content.size);
    }
    if (codec == WIRE_CODEC_NONE) {
        w->next = content.data;
        w->end = content.data + content.size;
        return ERR_NONE;
    }
    w->buffer = mem_alloc(mem, WIRE_RECORDS_PIECE);
    if (w->buffer == NULL)
        return ERR_NOMEM;
    w->next = w->end = w->buffer;
    enum err e = wire_decoder_begin(&w->decoder, mem, codec, content);
    if (e != ERR_NONE)
        mem_free(mem, w->buffer);
    return e;
}

void wire_walk_end(struct wire_walk *w)
{
    struct mem *mem = w->decoder.mem;
    wire_decoder_end(&w->decoder);
    if (mem != NULL)
        mem_free(mem, w->buffer);
    w->buffer = NULL;
}

/* What a decoder says, as this walk's errors. */
static enum err decoder_error(enum err e)
{
    return e == ERR_EOF || e == ERR_CORRUPT ? ERR_INVALID : e;
}

static enum err decompress(struct wire_walk *w, size_t size, struct errmsg *msg)
{
    ASSERT(size <= WIRE_RECORDS_PIECE);
    while ((size_t)(w->end - w->next) < size && !w->decoder.ended) {
        size_t given, have = (size_t)(w->end - w->next);
        if (w->decoder.given > w->content_max)
            return ERR_RANGE;
        memmove(w->buffer, w->next, have);
        w->next = w->buffer;
        w->end = w->buffer + have;
        enum err e = wire_decoder_read(&w->decoder, w->buffer + have, WIRE_RECORDS_PIECE - have,
                                       &given, msg);
        w->end += given;
        if (e != ERR_NONE)
            return decoder_error(e);
    }
    return ERR_NONE;
}

/* Decompresses until size bytes wait in the buffer, or the content ends. What is not compressed
 * waits already. */
static inline enum err fill(struct wire_walk *w, size_t size, struct errmsg *msg)
{
    return w->decoder.mem == NULL ? ERR_NONE : decompress(w, size, msg);
}

/* ---- a record that is larger than the buffer ---- */

struct stream {
    struct wire_walk *w;
    int64_t room; /* bytes of the record not yet taken */
    enum err err; /* the first one; then nothing moves any more */
    struct errmsg *msg;
};

static void stream_skip(struct stream *s, int64_t size)
{
    struct wire_walk *w = s->w;
    if (size > s->room)
        s->err = ERR_CORRUPT;
    while (size > 0 && s->err == ERR_NONE) {
        s->err = fill(w, 1, s->msg);
        int64_t step = MIN(size, (int64_t)(w->end - w->next));
        if (s->err == ERR_NONE && step == 0)
            s->err = ERR_CORRUPT; /* the content ends inside of the record */
        w->next += step;
        s->room -= step;
        size -= step;
    }
}

static uint64_t stream_number(struct stream *s, uint64_t (*take)(struct cursor *c))
{
    struct wire_walk *w = s->w;
    if (s->err == ERR_NONE)
        s->err = fill(w, WIRE_VARLONG_MAX, s->msg);
    if (s->err != ERR_NONE)
        return 0;
    struct cursor c = {.p = w->next, .end = w->next + MIN(s->room, (int64_t)(w->end - w->next))};
    uint64_t v = take(&c);
    if (c.bad)
        s->err = ERR_CORRUPT;
    s->room -= c.p - w->next;
    w->next = c.p;
    return v;
}

static uint64_t varint_of(struct cursor *c)
{
    return (uint64_t)(int64_t)take_varint(c);
}

static uint64_t varlong_of(struct cursor *c)
{
    return (uint64_t)take_varlong(c);
}

static int32_t stream_varint(struct stream *s)
{
    return (int32_t)stream_number(s, varint_of);
}

static void stream_record(struct stream *s, struct wire_walked *out)
{
    stream_skip(s, 1);
    out->timestamp_delta = (int64_t)stream_number(s, varlong_of);
    out->offset_delta = stream_varint(s);
    stream_skip(s, stream_varint(s)); /* the key */
    stream_skip(s, stream_varint(s)); /* the value */
    int32_t headers = stream_varint(s);
    if (headers < 0)
        s->err = s->err != ERR_NONE ? s->err : ERR_CORRUPT;
    for (int32_t i = 0; i < headers && s->err == ERR_NONE; i++) {
        int32_t name = stream_varint(s);
        if (name < 0)
            s->err = s->err != ERR_NONE ? s->err : ERR_CORRUPT;
        stream_skip(s, name);
        stream_skip(s, stream_varint(s));
    }
    if (s->err == ERR_NONE && s->room > 0)
        s->err = ERR_CORRUPT;
}

/* ---- one after the other ---- */

static enum err say_malformed(const struct wire_walk *w, enum err e, struct errmsg *msg)
{
    return e != ERR_CORRUPT ? e
                            : errmsg_set(msg, e, "record %d of the batch is malformed", w->index);
}

/* As take_run and take_headers, of which nothing is kept. Every record that comes in is walked
 * through: calls show. */
static inline int32_t pass_run(struct cursor *c)
{
    int32_t size = take_varint(c);
    if (size >= 0)
        take_bytes(c, size);
    return size;
}

static inline void pass_headers(struct cursor *c)
{
    int32_t count = take_varint(c);
    if (count < 0)
        c->bad = true;
    for (int32_t i = 0; i < count && !c->bad; i++) {
        if (pass_run(c) < 0)
            c->bad = true;
        pass_run(c);
    }
}

/* All of it waits in the buffer. */
static enum err take_whole(struct wire_walk *w, int32_t length, struct wire_walked *out)
{
    struct cursor c = {.p = w->next, .end = w->next + length};
    take_bytes(&c, 1);
    out->timestamp_delta = take_varlong(&c);
    out->offset_delta = take_varint(&c);
    pass_run(&c); /* the key */
    pass_run(&c); /* the value */
    pass_headers(&c);
    if (c.bad || c.p != c.end)
        return ERR_CORRUPT;
    w->next = c.p;
    return ERR_NONE;
}

/* Takes the length of the next record; after it, as much of the record waits as the buffer holds.
 */
static enum err take_length(struct wire_walk *w, int32_t *length, struct errmsg *msg)
{
    enum err e = fill(w, WIRE_VARINT_MAX, msg);
    if (e != ERR_NONE)
        return e;
    struct cursor c = {.p = w->next, .end = w->end};
    *length = take_varint(&c);
    bool endless = c.bad && w->end - w->next >= WIRE_VARINT_MAX;
    w->next = c.p;
    if (endless && w->decoder.mem == NULL)
        return errmsg_set(msg, ERR_INVALID, "the length of record %d does not end", w->index);
    if (c.bad || *length < 0)
        return ERR_CORRUPT;
    return fill(w, MIN((size_t)*length, (size_t)WIRE_RECORDS_PIECE), msg);
}

/* Nothing may stand behind the last record. */
static enum err check_end(struct wire_walk *w, struct errmsg *msg)
{
    enum err e = fill(w, 1, msg);
    if (e != ERR_NONE)
        return e;
    if (w->end > w->next)
        return errmsg_set(msg, ERR_CORRUPT, "the batch holds more than its %d records",
                          w->batch.record_count);
    return ERR_NONE;
}

enum err wire_walk_next(struct wire_walk *w, struct wire_walked *out, struct errmsg *msg)
{
    ASSERT(w->index < w->batch.record_count);
    int32_t length;
    enum err e = take_length(w, &length, msg);
    if (e != ERR_NONE)
        return say_malformed(w, e, msg);
    if (length <= w->end - w->next) {
        e = take_whole(w, length, out);
    } else if (w->decoder.mem == NULL) {
        e = ERR_CORRUPT;
    } else {
        struct stream s = {.w = w, .room = length, .msg = msg};
        stream_record(&s, out);
        e = s.err;
    }
    if (e != ERR_NONE)
        return say_malformed(w, e, msg);
    bool append_time = (w->batch.attributes & WIRE_BATCH_LOG_APPEND_TIME) != 0;
    out->index = w->index++;
    out->timestamp_ms =
        append_time ? w->batch.max_timestamp : w->batch.base_timestamp + out->timestamp_delta;
    return w->index < w->batch.record_count ? ERR_NONE : check_end(w, msg);
}

uint64_t wire_walk_size(const struct wire_walk *w)
{
    ASSERT(w->index == w->batch.record_count);
    return w->decoder.mem != NULL ? w->decoder.given : (uint64_t)(w->batch.size - WIRE_BATCH_HEAD);
}
