/* encode.c - structs into bytes, for every message by its rows. Each message is walked twice, first
 * to measure and refuse, then to write, so that a refused one leaves no trace. */
#include "wire/field.h"

struct encoder {
    uint8_t *p; /* NULL: only measures */
    size_t size;
    int version;
    bool flexible;
    struct wire_out *out; /* takes the gaps when writing */
    int32_t gap_count;
    const char *bad; /* the first field that cannot be encoded */
};

static void encode_struct(struct encoder *e, const struct wire_field *fields, const void *in);

static void put(struct encoder *e, const void *data, size_t size)
{
    if (e->p != NULL && size > 0)
        memcpy(e->p + e->size, data, size);
    e->size += size;
}

static void put_uvarint(struct encoder *e, uint64_t v)
{
    if (e->p != NULL)
        e->size += (size_t)wire_uvarint_put(e->p + e->size, v);
    else
        e->size += (size_t)wire_uvarint_size(v);
}

static void refuse(struct encoder *e, const struct wire_field *f)
{
    if (e->bad == NULL)
        e->bad = f->name;
}

/* A length or count; -1 is null. width: of the plain form. */
static void put_length(struct encoder *e, const struct wire_field *f, int32_t length, size_t width)
{
    if (length < -1 || (length == -1 && !wire_field_nullable(f, e->version)))
        refuse(e, f);
    if (e->flexible && !f->never_compact) {
        put_uvarint(e, (uint32_t)length + 1);
        return;
    }
    if (e->p != NULL && width == sizeof(int16_t))
        put_u16(e->p + e->size, (uint16_t)length);
    else if (e->p != NULL)
        put_u32(e->p + e->size, (uint32_t)length);
    e->size += width;
}

static void encode_string(struct encoder *e, const struct wire_field *f,
                          const struct wire_string *s)
{
    if (s->size > INT16_MAX)
        refuse(e, f);
    put_length(e, f, s->size, sizeof(int16_t));
    if (s->size > 0)
        put(e, s->data, (size_t)s->size);
}

static void encode_records(struct encoder *e, const struct wire_field *f,
                           const struct wire_bytes *b)
{
    put_length(e, f, b->size, sizeof(int32_t));
    if (b->size <= 0)
        return;
    if (b->data != NULL) {
        put(e, b->data, (size_t)b->size);
        return;
    }
    if (e->p != NULL) {
        struct wire_out *out = e->out;
        ASSERT(out->gap_count < out->gap_cap);
        out->gaps[out->gap_count++] =
            (struct wire_gap){.offset = out->size + e->size, .size = b->size};
    }
    e->gap_count++;
}

/* A value whose size on the wire is fixed. */
static inline void write_fixed(uint8_t *p, enum wire_type type, const void *in)
{
    switch (type) {
    case WIRE_TYPE_BOOL:
        *p = *(const bool *)in;
        return;
    case WIRE_TYPE_INT8:
        *p = *(const uint8_t *)in;
        return;
    case WIRE_TYPE_INT16:
    case WIRE_TYPE_UINT16:
        put_u16(p, *(const uint16_t *)in);
        return;
    case WIRE_TYPE_INT32:
        put_u32(p, *(const uint32_t *)in);
        return;
    case WIRE_TYPE_INT64:
    case WIRE_TYPE_FLOAT64:
        put_u64(p, *(const uint64_t *)in);
        return;
    case WIRE_TYPE_UUID:
        memcpy(p, in, sizeof(struct wire_uuid));
        return;
    case WIRE_TYPE_END:
    case WIRE_TYPE_STRING:
    case WIRE_TYPE_RECORDS:
    case WIRE_TYPE_STRUCT:
        break;
    }
    UNREACHABLE();
}

static inline void encode_fixed(struct encoder *e, enum wire_type type, const void *in, size_t size)
{
    if (e->p != NULL)
        write_fixed(e->p + e->size, type, in);
    e->size += size;
}

static void encode_value(struct encoder *e, const struct wire_field *f, const void *in)
{
    enum wire_type type = (enum wire_type)f->type;
    if (type == WIRE_TYPE_STRUCT)
        encode_struct(e, f->part, in);
    else if (type == WIRE_TYPE_STRING)
        encode_string(e, f, in);
    else if (type == WIRE_TYPE_RECORDS)
        encode_records(e, f, in);
    else
        encode_fixed(e, type, in, wire_type_bytes[type]);
}

/* Whether an optional struct is there. */
static void put_presence(struct encoder *e, const struct wire_field *f, int32_t count)
{
    int8_t byte = (int8_t)count;
    if (count != 1 && (count != -1 || !wire_field_nullable(f, e->version)))
        refuse(e, f);
    encode_fixed(e, WIRE_TYPE_INT8, &byte, sizeof byte);
}

static void encode_field(struct encoder *e, const struct wire_field *f, const void *in)
{
    if (!f->array) {
        encode_value(e, f, wire_field_value(f, in));
        return;
    }
    int32_t count = *wire_array_count(f, in);
    const char *item = *wire_array_items(f, in);
    ASSERT(count <= 0 || item != NULL);
    if (f->optional)
        put_presence(e, f, count);
    else
        put_length(e, f, count, sizeof(int32_t));
    for (int32_t i = 0; i < count && e->bad == NULL; i++, item += f->size)
        encode_value(e, f, item);
}

/* A tagged field that is to be written: it exists in this version and is set. */
static bool tag_is_due(const struct encoder *e, const struct wire_field *f, const void *in)
{
    return f->tag != 0 && wire_field_exists(f, e->version) && !wire_field_unset(f, in);
}

static void encode_tags(struct encoder *e, const struct wire_field *fields, const void *in)
{
    uint32_t count = 0;
    uint32_t previous = 0;
    for (const struct wire_field *f = fields; f->type != WIRE_TYPE_END; f++)
        count += tag_is_due(e, f, in) ? 1 : 0;
    put_uvarint(e, count);
    for (const struct wire_field *f = fields; count > 0 && f->type != WIRE_TYPE_END; f++) {
        if (!tag_is_due(e, f, in))
            continue;
        ASSERT(f->tag > previous); /* rows stand in the order of their tags */
        previous = f->tag;
        struct encoder measure = *e;
        measure.p = NULL;
        measure.size = 0;
        encode_field(&measure, f, in);
        ASSERT(measure.gap_count == e->gap_count);
        put_uvarint(e, f->tag - 1u);
        put_uvarint(e, measure.size);
        encode_field(e, f, in);
        count--;
    }
}

static void encode_struct(struct encoder *e, const struct wire_field *fields, const void *in)
{
    for (const struct wire_field *f = fields; f->type != WIRE_TYPE_END; f++) {
        if (!wire_field_exists(f, e->version)) {
            if (!f->ignorable && !wire_field_unset(f, in))
                refuse(e, f);
        } else if (f->tag == 0) {
            /* Most fields are of a fixed size, and most of what is asked is small. */
            size_t size = wire_field_bytes(f);
            if (size > 0)
                encode_fixed(e, (enum wire_type)f->type, wire_field_value(f, in), size);
            else
                encode_field(e, f, in);
        }
    }
    if (e->flexible)
        encode_tags(e, fields, in);
}

static struct encoder encoder_of(const struct wire_message *m, int version, struct wire_out *out)
{
    return (struct encoder){.version = version, .flexible = wire_flexible(m, version), .out = out};
}

/* ERR_UNSUPPORTED, ERR_INVALID (measured->bad). */
static enum err measure_message(const struct wire_message *m, int version, const void *in,
                                struct encoder *measured)
{
    if (version < m->oldest || version > m->newest)
        return ERR_UNSUPPORTED;
    *measured = encoder_of(m, version, NULL);
    encode_struct(measured, m->fields, in);
    return measured->bad != NULL ? ERR_INVALID : ERR_NONE;
}

enum err wire_size(const struct wire_message *m, int version, const void *in, size_t *out)
{
    struct encoder measured = {0};
    enum err e = measure_message(m, version, in, &measured);
    *out = e == ERR_NONE ? measured.size : 0;
    return e;
}

/* ---- where the bytes go ---- */

#define OUT_CAP_MIN 256
#define OUT_GAPS_MIN 8

void wire_out_init(struct wire_out *out, struct mem *mem)
{
    *out = (struct wire_out){.mem = mem};
}

void wire_out_fixed(struct wire_out *out, uint8_t *data, size_t cap)
{
    *out = (struct wire_out){.data = data, .cap = cap};
}

void wire_out_reset(struct wire_out *out)
{
    out->size = 0;
    out->gap_count = 0;
    out->field = NULL;
}

void wire_out_free(struct wire_out *out)
{
    if (out->mem != NULL) {
        mem_free(out->mem, out->data);
        mem_free(out->mem, out->gaps);
    }
    *out = (struct wire_out){.mem = out->mem};
}

static enum err reserve_bytes(struct wire_out *out, size_t size)
{
    if (size <= out->cap - out->size)
        return ERR_NONE;
    if (out->mem == NULL)
        return ERR_LIMIT;
    size_t cap = MAX(MAX(out->size + size, out->cap * 2), OUT_CAP_MIN);
    uint8_t *data = mem_realloc(out->mem, out->data, cap);
    if (data == NULL)
        return ERR_NOMEM;
    out->data = data;
    out->cap = cap;
    return ERR_NONE;
}

static enum err reserve_gaps(struct wire_out *out, int32_t count)
{
    if (count <= out->gap_cap - out->gap_count)
        return ERR_NONE;
    if (out->mem == NULL)
        return ERR_LIMIT;
    int32_t cap = MAX(MAX(out->gap_count + count, out->gap_cap * 2), OUT_GAPS_MIN);
    struct wire_gap *gaps = mem_realloc(out->mem, out->gaps, (size_t)cap * sizeof *gaps);
    if (gaps == NULL)
        return ERR_NOMEM;
    out->gaps = gaps;
    out->gap_cap = cap;
    return ERR_NONE;
}

enum err wire_encode(const struct wire_message *m, int version, const void *in,
                     struct wire_out *out)
{
    struct encoder measured = {0};
    enum err e = measure_message(m, version, in, &measured);
    out->field = measured.bad;
    if (e == ERR_NONE)
        e = reserve_bytes(out, measured.size);
    if (e == ERR_NONE)
        e = reserve_gaps(out, measured.gap_count);
    if (e != ERR_NONE)
        return e;
    struct encoder writing = encoder_of(m, version, out);
    writing.p = out->data + out->size;
    encode_struct(&writing, m->fields, in);
    ASSERT(writing.size == measured.size);
    ASSERT(writing.bad == NULL);
    out->size += writing.size;
    return ERR_NONE;
}
