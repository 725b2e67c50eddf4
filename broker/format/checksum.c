/* checksum.c - the checksums that lie beside files whose own layout has none. */
#include "format/internal.h"

void format_crc_print(uint32_t now, uint32_t before, char out[FORMAT_CRC_FILE_SIZE + 1])
{
    text_fit(out, FORMAT_CRC_FILE_SIZE + 1, "%08x\n%08x\n", now, before);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool parse_hex(struct bytes line, uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < line.size; i++) {
        int digit = hex_digit(line.data[i]);
        if (digit < 0)
            return false;
        *out = *out << 4 | (uint32_t)digit;
    }
    return line.size == 8;
}

enum err format_crc_check(struct bytes crc_file, struct bytes file)
{
    struct bytes line;
    uint32_t want;
    uint32_t have = crc32c(0, file.data, file.size);
    for (int i = 0; i < 2 && format_next_line(&crc_file, &line); i++) {
        if (!parse_hex(line, &want))
            return ERR_CORRUPT;
        if (want == have)
            return ERR_NONE;
    }
    return ERR_CORRUPT;
}

void format_index_crc_print(const struct format_index_crc *crc, char out[FORMAT_INDEX_CRC_SIZE + 1])
{
    for (int i = 0; i < FORMAT_DERIVED; i++, out += 9)
        text_fit(out, 9 + 1, "%08x\n", crc->crc[i]);
    for (int i = 0; i < FORMAT_DERIVED; i++, out += 21)
        text_fit(out, 21 + 1, "%020llu\n", (unsigned long long)crc->size[i]);
    text_fit(out, 21 + 1, "%020llu\n", (unsigned long long)crc->log_bytes);
}

static bool next_hex(struct bytes *text, uint32_t *out)
{
    struct bytes line;
    return format_next_line(text, &line) && parse_hex(line, out);
}

static bool next_size(struct bytes *text, uint64_t *out)
{
    struct bytes line;
    int64_t value;
    if (!format_next_line(text, &line) || text_parse_int(line, &value) != ERR_NONE || value < 0)
        return false;
    *out = (uint64_t)value;
    return true;
}

enum err format_index_crc_parse(struct bytes crc_file, struct format_index_crc *out)
{
    bool right = crc_file.size == FORMAT_INDEX_CRC_SIZE;
    for (int i = 0; i < FORMAT_DERIVED; i++)
        right = right && next_hex(&crc_file, &out->crc[i]);
    for (int i = 0; i < FORMAT_DERIVED; i++)
        right = right && next_size(&crc_file, &out->size[i]);
    right = right && next_size(&crc_file, &out->log_bytes) && crc_file.size == 0;
    return right ? ERR_NONE : ERR_CORRUPT;
}

static bool narrow(struct bytes *file, uint64_t size, uint32_t crc)
{
    if (file->size < size)
        return false;
    file->size = (size_t)size;
    return crc32c(0, file->data, file->size) == crc;
}

enum err format_index_crc_check(struct bytes crc_file, struct bytes files[FORMAT_DERIVED],
                                uint64_t *log_bytes)
{
    struct format_index_crc crc;
    bool right = format_index_crc_parse(crc_file, &crc) == ERR_NONE;
    for (int i = 0; i < FORMAT_DERIVED; i++)
        right = right && narrow(&files[i], crc.size[i], crc.crc[i]);
    if (!right)
        return ERR_CORRUPT;
    *log_bytes = crc.log_bytes;
    return ERR_NONE;
}
