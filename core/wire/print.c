/* print.c - messages as text for people and for comparison with Kafka's own JSON. Only reads. */
#include "wire/field.h"

static void print_struct(const struct wire_field *fields, int version, const void *in,
                         struct text *out);

static void print_uuid(const struct wire_uuid *uuid, struct text *out)
{
    char text[WIRE_UUID_TEXT_SIZE];
    wire_uuid_print(uuid, text);
    text_json(out, bytes_text(text));
}

static void print_string(const struct wire_string *s, struct text *out)
{
    if (s->size < 0)
        text_printf(out, "null");
    else
        text_json(out, bytes_of(s->data, (size_t)s->size));
}

static void print_records(const struct wire_bytes *b, struct text *out)
{
    if (b->size < 0)
        text_printf(out, "null");
    else if (b->size == 0)
        text_printf(out, "\"\"");
    else
        text_printf(out, "\"%d bytes\"", b->size);
}

static void print_value(const struct wire_field *f, int version, const void *in, struct text *out)
{
    switch ((enum wire_type)f->type) {
    case WIRE_TYPE_BOOL:
        text_printf(out, "%s", *(const bool *)in ? "true" : "false");
        return;
    case WIRE_TYPE_UUID:
        print_uuid(in, out);
        return;
    case WIRE_TYPE_STRING:
        print_string(in, out);
        return;
    case WIRE_TYPE_RECORDS:
        print_records(in, out);
        return;
    case WIRE_TYPE_STRUCT:
        print_struct(f->part, version, in, out);
        return;
    case WIRE_TYPE_END:
    case WIRE_TYPE_INT8:
    case WIRE_TYPE_INT16:
    case WIRE_TYPE_UINT16:
    case WIRE_TYPE_INT32:
    case WIRE_TYPE_INT64:
        text_printf(out, "%lld", (long long)wire_integer_get(f, in));
        return;
    }
    UNREACHABLE();
}

static void print_array(const struct wire_field *f, int version, const void *in, struct text *out)
{
    int32_t count = *wire_array_count(f, in);
    if (count < 0) {
        text_printf(out, "null");
        return;
    }
    const char *item = *wire_array_items(f, in);
    text_printf(out, "[");
    for (int32_t i = 0; i < count; i++, item += f->size) {
        text_printf(out, "%s", i > 0 ? ", " : "");
        print_value(f, version, item, out);
    }
    text_printf(out, "]");
}

static void print_struct(const struct wire_field *fields, int version, const void *in,
                         struct text *out)
{
    const char *before = "";
    text_printf(out, "{");
    for (const struct wire_field *f = fields; f->type != WIRE_TYPE_END; f++) {
        if (!wire_field_exists(f, version) || (f->tag != 0 && wire_field_unset(f, in)))
            continue;
        text_printf(out, "%s\"%s\": ", before, f->name);
        before = ", ";
        if (f->array)
            print_array(f, version, in, out);
        else
            print_value(f, version, wire_field_value(f, in), out);
    }
    text_printf(out, "}");
}

void wire_print(const struct wire_message *m, int version, const void *in, struct text *out)
{
    print_struct(m->fields, version, in, out);
}
