/* vectors.c - reads kafka-messages.jsonl. */
#include <ctype.h>
#include <stdlib.h>
#include "vectors.h"

#define VECTORS_MAX 2000

bool vectors_same_name(const char *a, const char *b)
{
    for (;;) {
        a += strspn(a, "_");
        b += strspn(b, "_");
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (*a == 0)
            return true;
        a++;
        b++;
    }
}

static const struct wire_message *find_message(const char *name)
{
    for (int i = 0; i < wire_message_count; i++) {
        if (vectors_same_name(wire_messages[i]->name, name))
            return wire_messages[i];
    }
    fail_msg("no rows for %s", name);
    return NULL;
}

static int nibble(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

static uint8_t *from_hex(const char *hex, size_t *size)
{
    *size = strlen(hex) / 2;
    uint8_t *bytes = malloc(*size);
    for (size_t i = 0; i < *size; i++)
        bytes[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
    return bytes;
}

static void read_line(char *line, struct vector *out)
{
    json_error_t error;
    json_t *row = json_loads(line, 0, &error);
    assert_non_null(row);
    out->message = find_message(json_string_value(json_object_get(row, "name")));
    out->version = (int)json_integer_value(json_object_get(row, "version"));
    out->bytes = from_hex(json_string_value(json_object_get(row, "hex")), &out->size);
    out->json = json_incref(json_object_get(row, "json"));
    json_decref(row);
}

void vectors_read(struct vectors *out)
{
    size_t size;
    char *save = NULL;
    char *text = (char *)test_read_file("vectors/kafka-messages.jsonl", &size);
    *out = (struct vectors){.items = calloc(VECTORS_MAX, sizeof(struct vector))};
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        assert_true(out->count < VECTORS_MAX);
        read_line(line, &out->items[out->count++]);
    }
    free(text);
    assert_true(out->count > 500);
}

void vectors_free(struct vectors *vectors)
{
    for (int i = 0; i < vectors->count; i++) {
        free(vectors->items[i].bytes);
        json_decref(vectors->items[i].json);
    }
    free(vectors->items);
}
