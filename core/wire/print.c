/* print.c - messages as text for people and for comparison with Kafka's own JSON. Only reads. */
#include "wire/field.h"

static void print_struct(const struct wire_field *fields, int version, const void *in,
                         struct json *j, const char *name);

static void print_string(const struct wire_string *s, struct json *j, const char *name)
{
    if (s->size < 0)
        json_put_null(j, name);
    else
        json_put_text(j, name, bytes_of(s->data, (size_t)s->size));
}

static void print_records(const struct wire_bytes *b, struct json *j, const char *name)
{
    if (b->size < 0) {
        json_put_null(j, name);
        return;
    }
    json_put_name(j, name);
    text_printf(j->out, b->size == 0 ? "\"\"" : "\"%d bytes\"", b->size);
}

static void print_double(const void *bits, struct json *j, const char *name)
{
    double value;
    memcpy(&value, bits, sizeof value);
    bool whole = value > -1e15 && value < 1e15 && value == (double)(int64_t)value;
    json_put_name(j, name);
    text_printf(j->out, whole ? "%.1f" : "%.17g", value);
}

static void print_value(const struct wire_field *f, int version, const void *in, struct json *j,
                        const char *name)
{
    char uuid[WIRE_UUID_TEXT_SIZE];
    switch ((enum wire_type)f->type) {
    case WIRE_TYPE_BOOL:
        json_put_bool(j, name, *(const bool *)in);
        return;
    case WIRE_TYPE_UUID:
        wire_uuid_print(in, uuid);
        json_put_string(j, name, uuid);
        return;
    case WIRE_TYPE_STRING:
        print_string(in, j, name);
        return;
    case WIRE_TYPE_RECORDS:
        print_records(in, j, name);
        return;
    case WIRE_TYPE_FLOAT64:
        print_double(in, j, name);
        return;
    case WIRE_TYPE_STRUCT:
        print_struct(f->part, version, in, j, name);
        return;
    case WIRE_TYPE_END:
    case WIRE_TYPE_INT8:
    case WIRE_TYPE_INT16:
    case WIRE_TYPE_UINT16:
    case WIRE_TYPE_INT32:
    case WIRE_TYPE_INT64:
        json_put_int(j, name, wire_integer_get(f, in));
        return;
    }
    UNREACHABLE();
}

static void print_array(const struct wire_field *f, int version, const void *in, struct json *j)
{
    int32_t count = *wire_array_count(f, in);
    if (count < 0) {
        json_put_null(j, f->name);
        return;
    }
    const char *item = *wire_array_items(f, in);
    if (f->optional) {
        print_value(f, version, item, j, f->name);
        return;
    }
    json_put_array(j, f->name);
    for (int32_t i = 0; i < count; i++, item += f->size)
        print_value(f, version, item, j, NULL);
    json_put_end(j);
}

static void print_struct(const struct wire_field *fields, int version, const void *in,
                         struct json *j, const char *name)
{
    json_put_object(j, name);
    for (const struct wire_field *f = fields; f->type != WIRE_TYPE_END; f++) {
        if (!wire_field_exists(f, version) || (f->tag != 0 && wire_field_unset(f, in)))
            continue;
        if (f->array)
            print_array(f, version, in, j);
        else
            print_value(f, version, wire_field_value(f, in), j, f->name);
    }
    json_put_end(j);
}

void wire_print(const struct wire_message *m, int version, const void *in, struct text *out)
{
    struct json j;
    json_put_init(&j, out);
    print_struct(m->fields, version, in, &j, NULL);
}
