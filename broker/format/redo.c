/* redo.c - the journal of a write over bytes that may be the only copy: what is written, and where,
 * so that whoever finds the write half done does it again. */
#include "format/format.h"

static const uint8_t magic[8] = {'K', 'I', 'L', 'N', 'R', 'E', 'D', 'O'};

enum { AT_CRC = 8, AT_SIZE = 12, AT_POSITION = 16, AT_PATH_SIZE = 24, AT_PATH = 26 };

static uint32_t redo_crc(const uint8_t *head, struct bytes bytes)
{
    uint32_t crc = crc32c(0, head + AT_SIZE, FORMAT_REDO_HEAD - AT_SIZE);
    return crc32c(crc, bytes.data, bytes.size);
}

void format_redo_head(const struct format_redo *redo, uint8_t out[FORMAT_REDO_HEAD])
{
    ASSERT(redo->bytes.size <= FORMAT_REDO_BYTES);
    ASSERT(redo->path.size <= FORMAT_REDO_PATH_MAX);
    memset(out, 0, FORMAT_REDO_HEAD);
    memcpy(out, magic, sizeof magic);
    put_u32(out + AT_SIZE, (uint32_t)redo->bytes.size);
    put_u64(out + AT_POSITION, redo->position);
    put_u16(out + AT_PATH_SIZE, (uint16_t)redo->path.size);
    memcpy(out + AT_PATH, redo->path.data, redo->path.size);
    put_u32(out + AT_CRC, redo_crc(out, redo->bytes));
}

enum err format_redo_parse(struct bytes file, struct format_redo *out)
{
    if (file.size < FORMAT_REDO_HEAD || memcmp(file.data, magic, sizeof magic) != 0)
        return ERR_CORRUPT;
    uint32_t size = get_u32(file.data + AT_SIZE);
    uint16_t path_size = get_u16(file.data + AT_PATH_SIZE);
    if (size > FORMAT_REDO_BYTES || size > file.size - FORMAT_REDO_HEAD ||
        path_size > FORMAT_REDO_PATH_MAX)
        return ERR_CORRUPT;
    *out = (struct format_redo){.path = bytes_of(file.data + AT_PATH, path_size),
                                .position = get_u64(file.data + AT_POSITION),
                                .bytes = bytes_of(file.data + FORMAT_REDO_HEAD, size)};
    if (get_u32(file.data + AT_CRC) != redo_crc(file.data, out->bytes))
        return ERR_CORRUPT;
    return ERR_NONE;
}
