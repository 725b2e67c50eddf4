/* value.c - what the engine does with values in memory: defaults and comparison. Touches no encoded
 * byte. */
#include "wire/field.h"

const uint8_t wire_type_bytes[] = {
    [WIRE_TYPE_BOOL] = 1,   [WIRE_TYPE_INT8] = 1,    [WIRE_TYPE_INT16] = 2,
    [WIRE_TYPE_UINT16] = 2, [WIRE_TYPE_INT32] = 4,   [WIRE_TYPE_INT64] = 8,
    [WIRE_TYPE_UUID] = 16,  [WIRE_TYPE_STRING] = 0,  [WIRE_TYPE_RECORDS] = 0,
    [WIRE_TYPE_STRUCT] = 0, [WIRE_TYPE_FLOAT64] = 8,
};

int64_t wire_integer_get(const struct wire_field *f, const void *value)
{
    switch ((enum wire_type)f->type) {
    case WIRE_TYPE_BOOL:
        return *(const bool *)value;
    case WIRE_TYPE_INT8:
        return *(const int8_t *)value;
    case WIRE_TYPE_INT16:
        return *(const int16_t *)value;
    case WIRE_TYPE_UINT16:
        return *(const uint16_t *)value;
    case WIRE_TYPE_INT32:
        return *(const int32_t *)value;
    case WIRE_TYPE_INT64:
    case WIRE_TYPE_FLOAT64:
        return *(const int64_t *)value;
    case WIRE_TYPE_END:
    case WIRE_TYPE_UUID:
    case WIRE_TYPE_STRING:
    case WIRE_TYPE_RECORDS:
    case WIRE_TYPE_STRUCT:
        break;
    }
    UNREACHABLE();
}

void wire_integer_set(const struct wire_field *f, void *value, int64_t v)
{
    switch ((enum wire_type)f->type) {
    case WIRE_TYPE_BOOL:
        *(bool *)value = v != 0;
        return;
    case WIRE_TYPE_INT8:
        *(int8_t *)value = (int8_t)v;
        return;
    case WIRE_TYPE_INT16:
        *(int16_t *)value = (int16_t)v;
        return;
    case WIRE_TYPE_UINT16:
        *(uint16_t *)value = (uint16_t)v;
        return;
    case WIRE_TYPE_INT32:
        *(int32_t *)value = (int32_t)v;
        return;
    case WIRE_TYPE_INT64:
    case WIRE_TYPE_FLOAT64:
        *(int64_t *)value = v;
        return;
    case WIRE_TYPE_END:
    case WIRE_TYPE_UUID:
    case WIRE_TYPE_STRING:
    case WIRE_TYPE_RECORDS:
    case WIRE_TYPE_STRUCT:
        break;
    }
    UNREACHABLE();
}

static void reset_value(const struct wire_field *f, void *value)
{
    int32_t size = f->fallback_null ? -1 : 0;
    switch ((enum wire_type)f->type) {
    case WIRE_TYPE_UUID:
        *(struct wire_uuid *)value = (struct wire_uuid){0};
        return;
    case WIRE_TYPE_STRING:
        *(struct wire_string *)value = (struct wire_string){.size = size};
        return;
    case WIRE_TYPE_RECORDS:
        *(struct wire_bytes *)value = (struct wire_bytes){.size = size};
        return;
    case WIRE_TYPE_STRUCT:
        wire_fields_reset(f->part, value);
        return;
    case WIRE_TYPE_END:
    case WIRE_TYPE_BOOL:
    case WIRE_TYPE_INT8:
    case WIRE_TYPE_INT16:
    case WIRE_TYPE_UINT16:
    case WIRE_TYPE_INT32:
    case WIRE_TYPE_INT64:
    case WIRE_TYPE_FLOAT64:
        wire_integer_set(f, value, f->fallback);
        return;
    }
    UNREACHABLE();
}

void wire_field_reset(const struct wire_field *f, void *at)
{
    if (!f->array) {
        reset_value(f, wire_field_value(f, at));
        return;
    }
    *wire_array_count(f, at) = f->fallback_null ? -1 : 0;
    *wire_array_items(f, at) = NULL;
}

void wire_fields_reset(const struct wire_field *fields, void *at)
{
    for (const struct wire_field *f = fields; f->type != WIRE_TYPE_END; f++)
        wire_field_reset(f, at);
}

void wire_defaults(const struct wire_message *m, void *out)
{
    wire_fields_reset(m->fields, out);
}

static bool unset_struct(const struct wire_field *fields, const void *at)
{
    for (const struct wire_field *f = fields; f->type != WIRE_TYPE_END; f++) {
        if (!wire_field_unset(f, at))
            return false;
    }
    return true;
}

bool wire_field_unset(const struct wire_field *f, const void *at)
{
    static const struct wire_uuid zero;
    int32_t size = f->fallback_null ? -1 : 0;
    if (f->array)
        return *wire_array_count(f, at) == size;
    const void *value = wire_field_value(f, at);
    switch ((enum wire_type)f->type) {
    case WIRE_TYPE_UUID:
        return wire_uuid_equal(value, &zero);
    case WIRE_TYPE_STRING:
        return ((const struct wire_string *)value)->size == size;
    case WIRE_TYPE_RECORDS:
        return ((const struct wire_bytes *)value)->size == size;
    case WIRE_TYPE_STRUCT:
        return unset_struct(f->part, value);
    case WIRE_TYPE_END:
    case WIRE_TYPE_BOOL:
    case WIRE_TYPE_INT8:
    case WIRE_TYPE_INT16:
    case WIRE_TYPE_UINT16:
    case WIRE_TYPE_INT32:
    case WIRE_TYPE_INT64:
    case WIRE_TYPE_FLOAT64:
        return wire_integer_get(f, value) == f->fallback;
    }
    UNREACHABLE();
}

static bool equal_struct(const struct wire_field *fields, const void *a, const void *b);

static bool equal_records(const struct wire_bytes *a, const struct wire_bytes *b)
{
    if (a->size != b->size || (a->data == NULL) != (b->data == NULL))
        return a->size == b->size && a->size <= 0;
    return a->data == NULL || a->size <= 0 || memcmp(a->data, b->data, (size_t)a->size) == 0;
}

static bool equal_value(const struct wire_field *f, const void *a, const void *b)
{
    switch ((enum wire_type)f->type) {
    case WIRE_TYPE_UUID:
        return wire_uuid_equal(a, b);
    case WIRE_TYPE_STRING:
        return wire_string_equal(*(const struct wire_string *)a, *(const struct wire_string *)b);
    case WIRE_TYPE_RECORDS:
        return equal_records(a, b);
    case WIRE_TYPE_STRUCT:
        return equal_struct(f->part, a, b);
    case WIRE_TYPE_END:
    case WIRE_TYPE_BOOL:
    case WIRE_TYPE_INT8:
    case WIRE_TYPE_INT16:
    case WIRE_TYPE_UINT16:
    case WIRE_TYPE_INT32:
    case WIRE_TYPE_INT64:
    case WIRE_TYPE_FLOAT64:
        return wire_integer_get(f, a) == wire_integer_get(f, b);
    }
    UNREACHABLE();
}

static bool equal_array(const struct wire_field *f, const void *a, const void *b)
{
    int32_t count = *wire_array_count(f, a);
    if (count != *wire_array_count(f, b))
        return false;
    const char *x = *wire_array_items(f, a);
    const char *y = *wire_array_items(f, b);
    for (int32_t i = 0; i < count; i++) {
        if (!equal_value(f, x + (size_t)i * f->size, y + (size_t)i * f->size))
            return false;
    }
    return true;
}

static bool equal_struct(const struct wire_field *fields, const void *a, const void *b)
{
    for (const struct wire_field *f = fields; f->type != WIRE_TYPE_END; f++) {
        bool equal = f->array ? equal_array(f, a, b)
                              : equal_value(f, wire_field_value(f, a), wire_field_value(f, b));
        if (!equal)
            return false;
    }
    return true;
}

bool wire_equal(const struct wire_message *m, const void *a, const void *b)
{
    return equal_struct(m->fields, a, b);
}
