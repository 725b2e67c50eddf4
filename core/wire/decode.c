/* decode.c - bytes into structs, for every message by its rows. Trusts nothing: no length moves
 * beyond the input, no count takes more memory than the bytes left could fill. */
#include "base/text.h"
#include "wire/field.h"

struct decoder {
    const uint8_t *p, *end;
    int version;
    bool flexible;
    bool lenient; /* a request's: see wire_decode_request */
    struct arena *arena;
    struct errmsg *msg;
};

static enum err decode_struct(struct decoder *d, const struct wire_field *fields, void *out);

static size_t left(const struct decoder *d)
{
    return (size_t)(d->end - d->p);
}

static enum err truncated(const struct decoder *d, uint64_t need)
{
    return errmsg_set(d->msg, ERR_CORRUPT, "needs %llu bytes, %zu are left",
                      (unsigned long long)need, left(d));
}

/* Of what is more than 32 bits, Kafka's reader of requests keeps the low ones. */
static enum err take_uvarint(struct decoder *d, uint32_t *out)
{
    uint64_t wide = 0;
    if (left(d) > 0 && *d->p < 0x80) { /* as nearly all are */
        *out = *d->p++;
        return ERR_NONE;
    }
    int n = d->lenient ? wire_uvarlong_get(d->p, MIN(left(d), WIRE_VARINT_MAX), &wide)
                       : wire_uvarint_get(d->p, left(d), out);
    if (d->lenient)
        *out = (uint32_t)wide;
    if (n == 0)
        return errmsg_set(d->msg, ERR_CORRUPT, "no variable length integer in the %zu bytes left",
                          left(d));
    d->p += n;
    return ERR_NONE;
}

static bool compact(const struct decoder *d, const struct wire_field *f)
{
    return d->flexible && !f->never_compact;
}

/* Takes a length or count; -1 is null, which the field must allow. width: of the plain form. */
static enum err take_length(struct decoder *d, const struct wire_field *f, size_t width,
                            int32_t *out)
{
    if (compact(d, f)) {
        uint32_t raw;
        enum err e = take_uvarint(d, &raw);
        if (e != ERR_NONE)
            return e;
        if (raw > (uint32_t)INT32_MAX && !d->lenient)
            return errmsg_set(d->msg, ERR_CORRUPT, "length %u", raw - 1);
        *out = (int32_t)(raw - 1);
    } else {
        if (left(d) < width)
            return truncated(d, width);
        *out = width == sizeof(int16_t) ? get_i16(d->p) : get_i32(d->p);
        d->p += width;
    }
    if (*out < -1 && d->lenient)
        *out = -1; /* as Kafka's generated readers take it */
    if (*out < -1)
        return errmsg_set(d->msg, ERR_CORRUPT, "length %d", *out);
    if (*out == -1 && !wire_field_nullable(f, d->version))
        return errmsg_set(d->msg, ERR_CORRUPT, "null where version %d has no null", d->version);
    return ERR_NONE;
}

/* Takes a length and so many bytes; *data stays NULL for null. */
static enum err take_run(struct decoder *d, const struct wire_field *f, size_t width,
                         const uint8_t **data, int32_t *size)
{
    enum err e = take_length(d, f, width, size);
    if (e != ERR_NONE)
        return e;
    *data = NULL;
    if (*size < 0)
        return ERR_NONE;
    if (left(d) < (size_t)*size)
        return truncated(d, (uint64_t)*size);
    *data = d->p;
    d->p += *size;
    return ERR_NONE;
}

/* A request's text that is no UTF-8 is what Java makes of it, for it goes back in answers, and
 * clients refuse an answer that is no text. A header has no arena, and is not sent back. */
static enum err mend_text(struct decoder *d, struct wire_string *text)
{
    struct bytes in = {.data = (const uint8_t *)text->data, .size = (size_t)text->size};
    static const char instead[] = {'\xef', '\xbf', '\xbd'};
    size_t size = 0;
    bool all_good = true, good;
    for (size_t i = 0, n; i < in.size; i += n) {
        n = text_utf8_piece(in, i, &good);
        size += good ? n : sizeof instead;
        all_good = all_good && good;
    }
    if (all_good)
        return ERR_NONE;
    if (size > INT16_MAX)
        return errmsg_set(d->msg, ERR_CORRUPT, "a string of %d bytes that is no UTF-8", text->size);
    char *to = arena_alloc(d->arena, size);
    if (to == NULL)
        return errmsg_set(d->msg, ERR_NOMEM, "no memory for a string of %zu bytes", size);
    *text = (struct wire_string){.data = to, .size = (int32_t)size};
    for (size_t i = 0, n; i < in.size; i += n) {
        n = text_utf8_piece(in, i, &good);
        size_t put = good ? n : sizeof instead;
        memcpy(to, good ? (const char *)in.data + i : instead, put);
        to += put;
    }
    ASSERT(to == text->data + text->size);
    return ERR_NONE;
}

static enum err decode_string(struct decoder *d, const struct wire_field *f,
                              struct wire_string *out)
{
    const uint8_t *data;
    enum err e = take_run(d, f, sizeof(int16_t), &data, &out->size);
    if (e != ERR_NONE)
        return e;
    if (out->size > INT16_MAX)
        return errmsg_set(d->msg, ERR_CORRUPT, "a string of %d bytes", out->size);
    out->data = (const char *)data;
    return d->lenient && d->arena != NULL && out->size > 0 ? mend_text(d, out) : ERR_NONE;
}

/* A value whose size on the wire is fixed and which is there whole. */
static inline void decode_fixed(const uint8_t *p, enum wire_type type, void *out)
{
    switch (type) {
    case WIRE_TYPE_BOOL:
        *(bool *)out = *p != 0;
        return;
    case WIRE_TYPE_INT8:
        *(int8_t *)out = (int8_t)*p;
        return;
    case WIRE_TYPE_INT16:
        *(int16_t *)out = get_i16(p);
        return;
    case WIRE_TYPE_UINT16:
        *(uint16_t *)out = get_u16(p);
        return;
    case WIRE_TYPE_INT32:
        *(int32_t *)out = get_i32(p);
        return;
    case WIRE_TYPE_INT64:
    case WIRE_TYPE_FLOAT64:
        *(int64_t *)out = get_i64(p);
        return;
    case WIRE_TYPE_UUID:
        memcpy(out, p, sizeof(struct wire_uuid));
        return;
    case WIRE_TYPE_END:
    case WIRE_TYPE_STRING:
    case WIRE_TYPE_RECORDS:
    case WIRE_TYPE_STRUCT:
        break;
    }
    UNREACHABLE();
}

static enum err decode_value(struct decoder *d, const struct wire_field *f, void *out)
{
    if (f->type == WIRE_TYPE_STRUCT)
        return decode_struct(d, f->part, out);
    if (f->type == WIRE_TYPE_STRING)
        return decode_string(d, f, out);
    if (f->type == WIRE_TYPE_RECORDS) {
        struct wire_bytes *bytes = out;
        return take_run(d, f, sizeof(int32_t), &bytes->data, &bytes->size);
    }
    size_t size = wire_type_bytes[f->type];
    if (left(d) < size)
        return truncated(d, size);
    decode_fixed(d->p, (enum wire_type)f->type, out);
    d->p += size;
    return ERR_NONE;
}

/* The fewest bytes that one value of the row can take. Rows nest only downwards, so it ends. */
static size_t bytes_min(const struct decoder *d, const struct wire_field *f)
{
    if (f->type == WIRE_TYPE_STRING)
        return compact(d, f) ? 1 : sizeof(int16_t);
    if (f->type == WIRE_TYPE_RECORDS)
        return compact(d, f) ? 1 : sizeof(int32_t);
    if (f->type != WIRE_TYPE_STRUCT)
        return wire_type_bytes[f->type];
    size_t sum = d->flexible ? 1 : 0;
    for (const struct wire_field *part = f->part; part->type != WIRE_TYPE_END; part++) {
        if (part->tag != 0 || !wire_field_exists(part, d->version))
            continue;
        if (part->array)
            sum += compact(d, part) || part->optional ? 1 : sizeof(int32_t);
        else
            sum += bytes_min(d, part);
    }
    return sum;
}

/* Takes the byte that says whether an optional struct is there. */
static enum err take_presence(struct decoder *d, const struct wire_field *f, int32_t *out)
{
    if (left(d) < 1)
        return truncated(d, 1);
    *out = (int8_t)*d->p++ < 0 ? -1 : 1;
    if (*out < 0 && !wire_field_nullable(f, d->version))
        return errmsg_set(d->msg, ERR_CORRUPT, "null where version %d has no null", d->version);
    return ERR_NONE;
}

/* Takes the count and makes room for so many values. */
static enum err decode_count(struct decoder *d, const struct wire_field *f, void *out)
{
    int32_t *count = wire_array_count(f, out);
    void **items = wire_array_items(f, out);
    *items = NULL;
    enum err e =
        f->optional ? take_presence(d, f, count) : take_length(d, f, sizeof(int32_t), count);
    if (e != ERR_NONE || *count <= 0)
        return e;
    size_t min = bytes_min(d, f);
    ASSERT(min > 0);
    if ((size_t)*count > left(d) / min)
        return errmsg_set(d->msg, ERR_CORRUPT, "%d elements in %zu bytes", *count, left(d));
    *items = arena_alloc(d->arena, (size_t)*count * f->size);
    if (*items == NULL)
        return errmsg_set(d->msg, ERR_NOMEM, "no memory for %d elements", *count);
    return ERR_NONE;
}

static enum err decode_array(struct decoder *d, const struct wire_field *f, void *out)
{
    enum err e = decode_count(d, f, out);
    if (e != ERR_NONE)
        return errmsg_wrap(d->msg, e, "%s", f->name);
    int32_t count = *wire_array_count(f, out);
    char *item = *wire_array_items(f, out);
    for (int32_t i = 0; i < count; i++, item += f->size) {
        e = decode_value(d, f, item);
        if (e != ERR_NONE)
            return errmsg_wrap(d->msg, e, "%s[%d]", f->name, i);
    }
    return ERR_NONE;
}

static enum err decode_field(struct decoder *d, const struct wire_field *f, void *out)
{
    if (f->array)
        return decode_array(d, f, out);
    enum err e = decode_value(d, f, wire_field_value(f, out));
    if (e != ERR_NONE)
        return errmsg_wrap(d->msg, e, "%s", f->name);
    return ERR_NONE;
}

static const struct wire_field *find_tag(const struct wire_field *fields, int version, uint32_t tag)
{
    for (const struct wire_field *f = fields; f->type != WIRE_TYPE_END; f++) {
        if (f->tag != 0 && f->tag - 1u == tag && wire_field_exists(f, version))
            return f;
    }
    return NULL;
}

/* One tagged field; an unknown one is passed over (KIP-482). Tags ascend, which also keeps a field
 * from being decoded twice; a request may name one again, within the limit of its arena. Kafka
 * reads a request's known field without a look at its size. */
static enum err decode_tag(struct decoder *d, const struct wire_field *fields, int64_t *previous,
                           void *out)
{
    uint32_t tag, size;
    enum err e = take_uvarint(d, &tag);
    if (e == ERR_NONE)
        e = take_uvarint(d, &size);
    if (e != ERR_NONE)
        return e;
    if (tag <= *previous && !d->lenient)
        return errmsg_set(d->msg, ERR_CORRUPT, "tag %u behind tag %d", tag, (int)*previous);
    *previous = tag;
    const struct wire_field *f = find_tag(fields, d->version, tag);
    if (f != NULL && d->lenient)
        return decode_field(d, f, out);
    if (left(d) < size)
        return truncated(d, size);
    struct decoder inner = *d;
    inner.end = d->p + size;
    d->p += size;
    if (f == NULL)
        return ERR_NONE;
    e = decode_field(&inner, f, out);
    if (e == ERR_NONE && inner.p != inner.end)
        return errmsg_set(d->msg, ERR_CORRUPT, "%s: %zu bytes too many", f->name, left(&inner));
    return e;
}

static enum err decode_tags(struct decoder *d, const struct wire_field *fields, void *out)
{
    uint32_t count;
    int64_t previous = -1;
    enum err e = take_uvarint(d, &count);
    if (e != ERR_NONE)
        return errmsg_wrap(d->msg, e, "tagged fields");
    if (d->lenient && count > (uint32_t)INT32_MAX)
        count = 0; /* below zero, as Kafka reads it */
    for (uint32_t i = 0; i < count; i++) {
        e = decode_tag(d, fields, &previous, out);
        if (e != ERR_NONE)
            return errmsg_wrap(d->msg, e, "tagged field %u of %u", i + 1, count);
    }
    return ERR_NONE;
}

static enum err decode_struct(struct decoder *d, const struct wire_field *fields, void *out)
{
    for (const struct wire_field *f = fields; f->type != WIRE_TYPE_END; f++) {
        if (f->tag != 0 || !wire_field_exists(f, d->version)) {
            wire_field_reset(f, out);
            continue;
        }
        size_t size = wire_field_bytes(f); /* as most fields have one */
        if (size > 0 && size <= left(d)) {
            decode_fixed(d->p, (enum wire_type)f->type, wire_field_value(f, out));
            d->p += size;
            continue;
        }
        enum err e = decode_field(d, f, out);
        if (e != ERR_NONE)
            return e;
    }
    return d->flexible ? decode_tags(d, fields, out) : ERR_NONE;
}

/* *used: how many bytes it took; NULL: they must be all of them, unless d is lenient. */
static enum err decode_message(const struct wire_message *m, int version, struct bytes in,
                               bool lenient, size_t *used, void *out, struct arena *arena,
                               struct errmsg *msg)
{
    if (version < m->oldest || version > m->newest)
        return errmsg_set(msg, ERR_UNSUPPORTED, "%s has versions %d to %d, not %d", m->name,
                          m->oldest, m->newest, version);
    static const uint8_t nothing[1]; /* arithmetic on NULL is undefined */
    const uint8_t *start = in.size > 0 ? in.data : nothing;
    struct decoder d = {.p = start,
                        .end = start + in.size,
                        .version = version,
                        .flexible = wire_flexible(m, version),
                        .lenient = lenient,
                        .arena = arena,
                        .msg = msg};
    enum err e = decode_struct(&d, m->fields, out);
    if (e == ERR_NONE && used == NULL && d.p != d.end && !lenient)
        e = errmsg_set(msg, ERR_CORRUPT, "%zu bytes too many", left(&d));
    if (e != ERR_NONE)
        return errmsg_wrap(msg, e, "%s v%d", m->name, version);
    ASSERT(d.p <= d.end);
    if (used != NULL)
        *used = (size_t)(d.p - start);
    return ERR_NONE;
}

enum err wire_decode(const struct wire_message *m, int version, struct bytes in, size_t *used,
                     void *out, struct arena *arena, struct errmsg *msg)
{
    return decode_message(m, version, in, false, used, out, arena, msg);
}

enum err wire_decode_request(const struct wire_message *m, int version, struct bytes in, void *out,
                             struct arena *arena, struct errmsg *msg)
{
    return decode_message(m, version, in, true, NULL, out, arena, msg);
}

enum err wire_decode_request_header(struct bytes in, size_t *used, struct wire_request_header *out,
                                    struct errmsg *msg)
{
    int header_version = 1;
    if (in.size >= 2 * sizeof(int16_t)) {
        const struct wire_api *api = wire_api(get_i16(in.data));
        if (api != NULL)
            header_version = wire_request_header_version(api, get_i16(in.data + sizeof(int16_t)));
    }
    return decode_message(&wire_request_header_message, header_version, in, true, used, out, NULL,
                          msg);
}
