/* json.c - JSON, value by value. It never leaves a comma too many or too few; that every name has a
 * value and every level an end is asserted. */
#include <inttypes.h>
#include "base/json.h"

void json_put_init(struct json *j, struct text *out)
{
    *j = (struct json){.out = out};
}

static uint64_t level(const struct json *j)
{
    return 1ull << (j->depth - 1);
}

void json_put_name(struct json *j, const char *name)
{
    bool in_object = j->depth > 0 && !(j->arrays & level(j));
    ASSERT(in_object == (name != NULL));
    if (j->depth > 0 && j->filled & level(j))
        text_add(j->out, ",", 1);
    if (j->depth > 0)
        j->filled |= level(j);
    if (name == NULL)
        return;
    text_json(j->out, bytes_text(name));
    text_add(j->out, ":", 1);
}

static void open_level(struct json *j, const char *name, bool array)
{
    ASSERT(j->depth < JSON_DEPTH_MAX);
    json_put_name(j, name);
    text_add(j->out, array ? "[" : "{", 1);
    j->depth++;
    j->filled &= ~level(j);
    j->arrays = array ? j->arrays | level(j) : j->arrays & ~level(j);
}

void json_put_object(struct json *j, const char *name)
{
    open_level(j, name, false);
}

void json_put_array(struct json *j, const char *name)
{
    open_level(j, name, true);
}

void json_put_end(struct json *j)
{
    ASSERT(j->depth > 0);
    text_add(j->out, j->arrays & level(j) ? "]" : "}", 1);
    j->depth--;
}

void json_put_text(struct json *j, const char *name, struct bytes value)
{
    json_put_name(j, name);
    text_json(j->out, value);
}

void json_put_string(struct json *j, const char *name, const char *value)
{
    json_put_text(j, name, bytes_text(value));
}

/* By hand: a dump is millions of numbers. */
static void put_number(struct json *j, bool negative, uint64_t rest)
{
    char digits[21];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (negative)
        digits[--at] = '-';
    text_add(j->out, digits + at, sizeof digits - at);
}

void json_put_int(struct json *j, const char *name, int64_t value)
{
    json_put_name(j, name);
    put_number(j, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void json_put_uint(struct json *j, const char *name, uint64_t value)
{
    json_put_name(j, name);
    put_number(j, false, value);
}

void json_put_bool(struct json *j, const char *name, bool value)
{
    json_put_name(j, name);
    text_printf(j->out, "%s", value ? "true" : "false");
}

void json_put_null(struct json *j, const char *name)
{
    json_put_name(j, name);
    text_add(j->out, "null", 4);
}

void json_put_seconds(struct json *j, const char *name, int64_t ns)
{
    json_put_name(j, name);
    text_printf(j->out, "%.6f", (double)ns / 1e9);
}

void json_put_hex(struct json *j, const char *name, uint64_t value)
{
    json_put_name(j, name);
    text_printf(j->out, "\"%016" PRIx64 "\"", value);
}
