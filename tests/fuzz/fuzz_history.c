/* fuzz_history.c - bytes as a trace file: as they are, or (first byte odd) as the columns of one
 * block that is packed and checksummed as it should be, so that what lies behind the checksum is
 * reached. Rows that can be read must come out the same of a file written from them. */
#include <zstd.h>
#include "history/history.h"
#include "fuzz.h"

#define BLOCK_HEAD 16

struct rows {
    struct mem mem;
    struct trace_row *at;
    size_t count, cap;
};

static bool keep_row(void *context, const struct trace_row *row)
{
    struct rows *rows = context;
    ASSERT(row->kind < TRACE_KIND_COUNT);
    if (rows->count == rows->cap) {
        rows->cap = MAX(rows->cap * 2, 64u);
        rows->at = mem_realloc(&rows->mem, rows->at, rows->cap * sizeof *rows->at);
        ASSERT(rows->at != NULL);
    }
    rows->at[rows->count++] = *row;
    return true;
}

static enum err to_text(void *context, struct bytes bytes)
{
    text_add(context, bytes.data, bytes.size);
    return ERR_NONE;
}

static bool same_row(void *context, const struct trace_row *row)
{
    struct rows *rows = context;
    ASSERT(rows->count < rows->cap);
    ASSERT(memcmp(&rows->at[rows->count], row, sizeof *row) == 0);
    rows->count++;
    return true;
}

static void check_again(const struct rows *rows, struct mem *mem)
{
    struct history_writer *writer;
    struct text file;
    text_init(&file, mem);
    enum err e = history_open(&writer, mem, to_text, &file);
    ASSERT(e == ERR_NONE);
    for (size_t i = 0; i < rows->count; i++)
        history_row(writer, &rows->at[i]);
    e = history_close(writer);
    ASSERT(e == ERR_NONE);
    struct rows read = {.at = rows->at, .cap = rows->count};
    e = history_read(mem, bytes_of(file.data, file.size), same_row, &read, NULL);
    ASSERT(e == ERR_NONE);
    ASSERT(read.count == rows->count);
    text_free(&file);
}

static void check_print(const struct rows *rows, struct mem *mem)
{
    struct history_names *names;
    enum err e = history_names_new(&names, mem);
    ASSERT(e == ERR_NONE);
    for (size_t i = 0; i < rows->count; i++) {
        struct text line;
        text_init(&line, mem);
        history_names_row(names, &rows->at[i]);
        history_print(&rows->at[i], names, &line);
        ASSERT(line.size > 0);
        ASSERT(memchr(line.data, '\n', line.size) == NULL);
        text_free(&line);
    }
    history_names_free(names);
}

static void check_file(struct bytes file)
{
    struct rows rows = {0};
    struct errmsg msg = {{0}};
    mem_system(&rows.mem);
    enum err e = history_read(&rows.mem, file, keep_row, &rows, &msg);
    ASSERT(e == ERR_NONE || e == ERR_CORRUPT);
    ASSERT((e == ERR_NONE) == (msg.text[0] == 0));
    check_again(&rows, &rows.mem);
    check_print(&rows, &rows.mem);
    mem_free(&rows.mem, rows.at);
    ASSERT(rows.mem.live_count == 0);
}

/* data: u16 rows, then the columns. */
static void check_columns(const uint8_t *data, size_t size, struct mem *mem)
{
    struct history_writer *writer;
    struct text file;
    if (size < 2)
        return;
    text_init(&file, mem);
    enum err e = history_open(&writer, mem, to_text, &file);
    ASSERT(e == ERR_NONE);
    e = history_close(writer); /* a head without blocks */
    ASSERT(e == ERR_NONE);
    size_t cap = BLOCK_HEAD + ZSTD_compressBound(size - 2);
    uint8_t *block = mem_alloc(mem, cap);
    ASSERT(block != NULL);
    size_t packed =
        ZSTD_compress(block + BLOCK_HEAD, cap - BLOCK_HEAD, data + 2, size - 2, /* level */ 1);
    ASSERT(!ZSTD_isError(packed));
    put_u32(block, (uint32_t)size - 2);
    put_u32(block + 4, (uint32_t)packed);
    put_u32(block + 8, get_u16(data));
    put_u32(block + 12, crc32c(0, block + BLOCK_HEAD, packed));
    text_add(&file, block, BLOCK_HEAD + packed);
    check_file(bytes_of(file.data, file.size));
    mem_free(mem, block);
    text_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem mem;
    mem_system(&mem);
    if (size > 0 && (data[0] & 1) != 0)
        check_columns(data + 1, size - 1, &mem);
    else if (size > 0)
        check_file(bytes_of(data + 1, size - 1));
    ASSERT(mem.live_count == 0);
    return 0;
}
