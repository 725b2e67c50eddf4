/* generate.c - random messages for tests and fuzzing: valid in their version, and fond of the edges
 * (null, empty, extremes, lengths whose varint has two bytes). */
#include "wire/field.h"

#define GENERATE_ELEMENTS_MAX 3
#define GENERATE_SHORT_MAX 12
#define GENERATE_LONG_MAX 300 /* more than one byte of varint, and more than one of int16 */

struct generator {
    int version;
    struct rng *rng;
    struct arena *arena;
};

static enum err generate_struct(struct generator *g, const struct wire_field *fields, void *out);

static bool one_in(struct generator *g, uint64_t n)
{
    return random_below(rng_next(g->rng), n) == 0;
}

static int64_t random_integer(struct generator *g)
{
    switch (random_below(rng_next(g->rng), 5)) {
    case 0:
        return random_between(rng_next(g->rng), -2, 2);
    case 1:
        return INT64_MAX;
    case 2:
        return INT64_MIN;
    case 3:
        return random_between(rng_next(g->rng), 0, 1000);
    }
    return (int64_t)rng_next(g->rng);
}

/* *size -1 and *data NULL for null. */
static enum err generate_run(struct generator *g, const struct wire_field *f, char **data,
                             int32_t *size)
{
    *data = NULL;
    *size = -1;
    if (wire_field_nullable(f, g->version) && one_in(g, 5))
        return ERR_NONE;
    uint64_t max = one_in(g, 20) ? GENERATE_LONG_MAX : GENERATE_SHORT_MAX;
    *size = (int32_t)random_below(rng_next(g->rng), max + 1);
    *data = arena_alloc(g->arena, (size_t)*size);
    if (*data == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < *size; i++)
        (*data)[i] = (char)random_between(rng_next(g->rng), 'a', 'z');
    return ERR_NONE;
}

static enum err generate_value(struct generator *g, const struct wire_field *f, void *out)
{
    char *data;
    int32_t size;
    enum err e;
    switch ((enum wire_type)f->type) {
    case WIRE_TYPE_STRING:
        e = generate_run(g, f, &data, &size);
        *(struct wire_string *)out = (struct wire_string){.data = data, .size = size};
        return e;
    case WIRE_TYPE_RECORDS:
        e = generate_run(g, f, &data, &size);
        *(struct wire_bytes *)out = (struct wire_bytes){.data = (uint8_t *)data, .size = size};
        return e;
    case WIRE_TYPE_UUID:
        for (int i = 0; i < 16; i++)
            ((struct wire_uuid *)out)->b[i] = (uint8_t)rng_next(g->rng);
        return ERR_NONE;
    case WIRE_TYPE_STRUCT:
        return generate_struct(g, f->part, out);
    case WIRE_TYPE_END:
    case WIRE_TYPE_BOOL:
    case WIRE_TYPE_INT8:
    case WIRE_TYPE_INT16:
    case WIRE_TYPE_UINT16:
    case WIRE_TYPE_INT32:
    case WIRE_TYPE_INT64:
    case WIRE_TYPE_FLOAT64:
        wire_integer_set(f, out, random_integer(g));
        return ERR_NONE;
    }
    UNREACHABLE();
}

static enum err generate_array(struct generator *g, const struct wire_field *f, void *out)
{
    int32_t *count = wire_array_count(f, out);
    *count = -1;
    *wire_array_items(f, out) = NULL;
    if (wire_field_nullable(f, g->version) && one_in(g, 5))
        return ERR_NONE;
    *count = f->optional ? 1 : (int32_t)random_below(rng_next(g->rng), GENERATE_ELEMENTS_MAX + 1);
    char *item = arena_alloc(g->arena, (size_t)*count * f->size);
    if (item == NULL)
        return ERR_NOMEM;
    *wire_array_items(f, out) = item;
    for (int32_t i = 0; i < *count; i++, item += f->size) {
        enum err e = generate_value(g, f, item);
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

static enum err generate_struct(struct generator *g, const struct wire_field *fields, void *out)
{
    for (const struct wire_field *f = fields; f->type != WIRE_TYPE_END; f++) {
        enum err e = ERR_NONE;
        wire_field_reset(f, out);
        if (!wire_field_exists(f, g->version) || (f->tag != 0 && one_in(g, 2)))
            continue;
        if (f->array)
            e = generate_array(g, f, out);
        else
            e = generate_value(g, f, wire_field_value(f, out));
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

enum err wire_generate(const struct wire_message *m, int version, struct rng *rng,
                       struct arena *arena, void *out)
{
    ASSERT(m->oldest <= version);
    ASSERT(version <= m->newest);
    struct generator g = {.version = version, .rng = rng, .arena = arena};
    return generate_struct(&g, m->fields, out);
}
