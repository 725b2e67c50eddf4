/* fuzz_history.c - bytes as a trace file: as they are, or (first byte odd) as the columns of one
 * block that is packed and checksummed as it should be, so that what lies behind the checksum is
 * reached. Rows that can be read must come out the same of a file written from them. */
#include <zstd.h>
#include "history/history.h"
#include "fuzz.h"

#define BLOCK_HEAD 16

/* Rows one behind the other. */
struct rows {
    struct mem mem;
    uint64_t *words;
    uint32_t size, cap, at; /* at: how far they have been compared */
};

static bool keep_row(void *context, const struct trace_row *row)
{
    struct rows *rows = context;
    uint32_t words = (uint32_t)(TRACE_HEAD_WORDS + row->width);
    ASSERT(row->kind < TRACE_KIND_COUNT);
    while (rows->size + words > rows->cap) {
        rows->cap = MAX(rows->cap * 2, 1024u);
        rows->words = mem_realloc(&rows->mem, rows->words, rows->cap * sizeof *rows->words);
        ASSERT(rows->words != NULL);
    }
    memcpy(rows->words + rows->size, row, trace_row_size(row));
    rows->size += words;
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
    const struct trace_row *first = trace_next(rows->words, rows->size, &rows->at);
    ASSERT(first != NULL);
    ASSERT(first->width == row->width);
    ASSERT(memcmp(first, row, trace_row_size(row)) == 0);
    return true;
}

static void check_again(struct rows *rows, struct mem *mem)
{
    struct history_writer *writer;
    struct text file;
    uint32_t at = 0;
    uint64_t unknown;
    text_init(&file, mem);
    enum err e = history_open(&writer, mem, to_text, &file);
    ASSERT(e == ERR_NONE);
    for (const struct trace_row *row; (row = trace_next(rows->words, rows->size, &at)) != NULL;)
        history_row(writer, row);
    e = history_close(writer);
    ASSERT(e == ERR_NONE);
    e = history_read(mem, bytes_of(file.data, file.size), same_row, rows, &unknown, NULL);
    ASSERT(e == ERR_NONE);
    ASSERT(rows->at == rows->size);
    ASSERT(unknown == 0);
    text_free(&file);
}

static void put_line(struct history_lines *lines, const struct trace_row *row, const char *line)
{
    (void)lines;
    ASSERT(row->kind != TRACE_NAME);
    ASSERT(line[0] != 0);
    ASSERT(strchr(line, '\n') == NULL);
}

static void check_print(struct rows *rows, struct mem *mem, bool as_json)
{
    struct history_lines lines = {
        .mem = mem, .put = put_line, .as_json = as_json, .filter = {.events = true}};
    uint32_t at = 0;
    enum err e = history_lines_start(&lines);
    ASSERT(e == ERR_NONE);
    for (const struct trace_row *row; (row = trace_next(rows->words, rows->size, &at)) != NULL;)
        history_lines_row(&lines, row);
    history_lines_end(&lines);
}

static void check_file(struct bytes file)
{
    struct rows rows = {0};
    struct errmsg msg = {{0}};
    mem_system(&rows.mem);
    enum err e = history_read(&rows.mem, file, keep_row, &rows, NULL, &msg);
    ASSERT(e == ERR_NONE || e == ERR_CORRUPT);
    ASSERT((e == ERR_NONE) == (msg.text[0] == 0));
    check_again(&rows, &rows.mem);
    check_print(&rows, &rows.mem, false);
    check_print(&rows, &rows.mem, true);
    mem_free(&rows.mem, rows.words);
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
