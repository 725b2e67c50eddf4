/* text.c - how ids and error codes are spelled, and integers of variable length are read. */
#include "wire/wire.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void wire_uuid_print(const struct wire_uuid *uuid, char text[WIRE_UUID_TEXT_SIZE])
{
    uint32_t bits = 0;
    int have = 0;
    int size = 0;
    for (int i = 0; i < 16; i++) {
        bits = bits << 8 | uuid->b[i];
        have += 8;
        for (; have >= 6; have -= 6)
            text[size++] = alphabet[bits >> (have - 6) & 63];
    }
    text[size++] = alphabet[bits << (6 - have) & 63];
    ASSERT(size == WIRE_UUID_TEXT_SIZE - 1);
    text[size] = 0;
}

/* 0 to 63, or -1. */
static int digit(uint8_t c)
{
    const char *at = c == 0 ? NULL : memchr(alphabet, c, sizeof alphabet - 1);
    return at == NULL ? -1 : (int)(at - alphabet);
}

enum err wire_uuid_parse(struct bytes text, struct wire_uuid *out)
{
    uint32_t bits = 0;
    int have = 0;
    int size = 0;
    if (text.size != WIRE_UUID_TEXT_SIZE - 1)
        return ERR_INVALID;
    for (size_t i = 0; i < text.size; i++) {
        int value = digit(text.data[i]);
        if (value < 0)
            return ERR_INVALID;
        bits = bits << 6 | (uint32_t)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out->b[size++] = (uint8_t)(bits >> have);
        }
    }
    /* Four bits are left over; were they set, two texts would name one id. */
    return (bits & 15) == 0 ? ERR_NONE : ERR_INVALID;
}

struct error_info {
    const char *name, *text;
};

#define ERROR_CODE_MIN (-1)

static const struct error_info errors[] = {
#define WIRE_ERROR(code, text_name, sentence) [(code)-ERROR_CODE_MIN] = {#text_name, sentence},
#include "wire/errors.def"
#undef WIRE_ERROR
};

static const struct error_info *find_error(int16_t code)
{
    static const struct error_info unknown = {"UNKNOWN_ERROR", "an error without a name in kiln"};
    int index = code - ERROR_CODE_MIN;
    if (index < 0 || index >= COUNT_OF(errors) || errors[index].name == NULL)
        return &unknown;
    return &errors[index];
}

const char *wire_error_name(int16_t code)
{
    return find_error(code)->name;
}

const char *wire_error_text(int16_t code)
{
    return find_error(code)->text;
}

int wire_uvarint_get(const uint8_t *p, size_t left, uint32_t *v)
{
    uint64_t wide;
    int n = wire_uvarlong_get(p, MIN(left, WIRE_VARINT_MAX), &wide);
    if (n == 0 || wide > UINT32_MAX)
        return 0;
    *v = (uint32_t)wide;
    return n;
}

int wire_uvarlong_get(const uint8_t *p, size_t left, uint64_t *v)
{
    uint64_t value = 0;
    int max = (int)MIN(left, WIRE_VARLONG_MAX);
    for (int n = 0; n < max; n++) {
        uint64_t low = p[n] & 0x7f;
        if (n == WIRE_VARLONG_MAX - 1 && p[n] > 1)
            return 0; /* more than 64 bits */
        value |= low << (7 * n);
        if (p[n] < 0x80) {
            *v = value;
            return n + 1;
        }
    }
    return 0;
}
