/* field.h - one row as the engine sees it. Internal to core/wire. */
#ifndef KILN_WIRE_FIELD_H
#define KILN_WIRE_FIELD_H

#include "wire/wire.h"

enum wire_type {
    WIRE_TYPE_END, /* behind the last row of a struct */
    WIRE_TYPE_BOOL,
    WIRE_TYPE_INT8,
    WIRE_TYPE_INT16,
    WIRE_TYPE_UINT16,
    WIRE_TYPE_INT32,
    WIRE_TYPE_INT64,
    WIRE_TYPE_FLOAT64,
    WIRE_TYPE_UUID,
    WIRE_TYPE_STRING,
    WIRE_TYPE_RECORDS,
    WIRE_TYPE_STRUCT,
};

struct wire_field {
    const char *name;
    const struct wire_field *part; /* WIRE_TYPE_STRUCT: its rows */
    int64_t fallback;              /* of an integer */
    uint32_t offset;               /* of the value, or of the pointer to an array's */
    uint32_t count_offset;         /* of an array's count */
    uint32_t size;                 /* in memory, of one value */
    uint8_t type;                  /* enum wire_type */
    int8_t since, until;
    uint8_t nullable; /* 1 + the first version that allows null; 0: none does */
    uint16_t tag;     /* 1 + the tag; 0: not tagged */
    bool array, ignorable, fallback_null, never_compact;
    bool optional; /* an array of one struct or null, which the wire tells by a byte, not a count */
};

/* Bytes on the wire of one value of a type whose size is fixed, else 0. */
extern const uint8_t wire_type_bytes[];

/* Bytes on the wire of a plain field whose size is fixed, else 0. */
static inline size_t wire_field_bytes(const struct wire_field *f)
{
    return f->array ? 0 : wire_type_bytes[f->type];
}

static inline bool wire_field_exists(const struct wire_field *f, int version)
{
    return f->since <= version && version <= f->until;
}

static inline bool wire_field_nullable(const struct wire_field *f, int version)
{
    return f->nullable != 0 && version >= f->nullable - 1;
}

static inline bool wire_flexible(const struct wire_message *m, int version)
{
    return version >= m->flexible_since;
}

/* Sets the field of the struct at to what it is when nothing says otherwise. */
void wire_field_reset(const struct wire_field *f, void *at);
/* True when it is that. */
bool wire_field_unset(const struct wire_field *f, const void *at);
void wire_fields_reset(const struct wire_field *fields, void *at);

/* Of an array field of the struct at. */
static inline int32_t *wire_array_count(const struct wire_field *f, const void *at)
{
    ASSERT(f->array);
    return (int32_t *)((uintptr_t)at + f->count_offset);
}

static inline void **wire_array_items(const struct wire_field *f, const void *at)
{
    ASSERT(f->array);
    return (void **)((uintptr_t)at + f->offset);
}

/* The value of a plain field of the struct at. */
static inline void *wire_field_value(const struct wire_field *f, const void *at)
{
    ASSERT(!f->array);
    return (void *)((uintptr_t)at + f->offset);
}

/* An integer or bool of the field's type. */
int64_t wire_integer_get(const struct wire_field *f, const void *value);
void wire_integer_set(const struct wire_field *f, void *value, int64_t v);

#endif
