/* history_test.c - what is written to a trace file is read back; damage is named, never followed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>
#include "history/history.h"
#include "support/test.h"

struct file {
    struct mem *mem;
    struct text text;
};

static enum err to_file(void *context, struct bytes bytes)
{
    struct file *file = context;
    text_add(&file->text, bytes.data, bytes.size);
    return file->text.failed ? ERR_NOMEM : ERR_NONE;
}

static void random_row(struct rng *rng, int64_t time_ns, struct trace_whole *whole)
{
    uint64_t words[TRACE_COLUMNS_MAX];
    char text[64];
    uint64_t event = rng_next(rng) >> 40;
    uint32_t node = (uint32_t)(rng_next(rng) % 5);
    uint16_t incarnation = (uint16_t)(rng_next(rng) % 3);
    enum trace_kind kind = (enum trace_kind)(rng_next(rng) % TRACE_KIND_COUNT);
    for (int i = 0; i < TRACE_COLUMNS_MAX; i++) {
        uint64_t shift = rng_next(rng) % 64;
        words[i] = rng_next(rng) >> shift;
    }
    size_t size = (size_t)(rng_next(rng) % sizeof text);
    memset(text, 'a' + (int)(rng_next(rng) % 26), size);
    text[size] = 0;
    trace_make(whole, kind, words, trace_kinds[kind].has_text ? text : NULL);
    whole->row.time_ns = time_ns;
    whole->row.event = event;
    whole->row.node = node;
    whole->row.incarnation = incarnation;
}

static void write_rows(struct mem *mem, struct file *file, int count, uint64_t seed)
{
    struct rng rng = {seed};
    struct history_writer *writer;
    file->mem = mem;
    text_init(&file->text, mem);
    assert_ok(history_open(&writer, mem, to_file, file));
    for (int i = 0; i < count; i++) {
        struct trace_whole whole;
        random_row(&rng, i * 1000, &whole);
        history_row(writer, &whole.row);
    }
    assert_ok(history_close(writer));
}

struct expected {
    struct rng rng;
    int count, wrong;
};

static bool compare(void *context, const struct trace_row *row)
{
    struct expected *expected = context;
    struct trace_whole want;
    random_row(&expected->rng, expected->count * 1000, &want);
    expected->wrong += row->width != want.row.width;
    expected->wrong += memcmp(row, &want, trace_row_size(&want.row)) != 0;
    expected->count++;
    return true;
}

TEST(rows_come_back_as_they_were_written)
{
    const int counts[] = {0, 1, 1000, 1001, 40000};
    for (int i = 0; i < COUNT_OF(counts); i++) {
        struct test_mem mem;
        test_mem_init(&mem);
        struct file file;
        write_rows(&mem.mem, &file, counts[i], 3);
        struct expected expected = {.rng = {3}};
        struct errmsg msg = {0};
        assert_ok(history_read(&mem.mem, bytes_of(file.text.data, file.text.size), compare,
                               &expected, NULL, &msg));
        assert_int_equal(expected.count, counts[i]);
        assert_int_equal(expected.wrong, 0);
        text_free(&file.text);
        test_mem_done(&mem);
    }
}

static bool ignore_row(void *context, const struct trace_row *row)
{
    (void)context;
    assert_true(row->kind < TRACE_KIND_COUNT);
    return true;
}

TEST(a_damaged_file_is_reported_and_never_believed)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct file file;
    write_rows(&mem.mem, &file, 300, 5);
    struct rng rng = {9};
    int found_count = 0;
    for (int i = 0; i < 300; i++) {
        size_t at = (size_t)(rng_next(&rng) % file.text.size);
        uint8_t flip = (uint8_t)(1u << (rng_next(&rng) % 8));
        file.text.data[at] = (char)((uint8_t)file.text.data[at] ^ flip);
        struct errmsg msg = {0};
        enum err e = history_read(&mem.mem, bytes_of(file.text.data, file.text.size), ignore_row,
                                  NULL, NULL, &msg);
        /* A flipped letter of a kind's name only makes that kind unknown. */
        found_count += e == ERR_CORRUPT;
        file.text.data[at] = (char)((uint8_t)file.text.data[at] ^ flip);
    }
    assert_true(found_count > 200);
    text_free(&file.text);
    test_mem_done(&mem);
}

/* A heap that has no piece larger than that. */
#define PIECE_MAX 65536

static const struct mem_impl *system_impl;

static void *small_alloc(struct mem *mem, size_t size)
{
    return size <= PIECE_MAX ? system_impl->alloc(mem, size) : NULL;
}

static void *small_realloc(struct mem *mem, void *p, size_t size)
{
    return size <= PIECE_MAX ? system_impl->realloc(mem, p, size) : NULL;
}

static void small_free(struct mem *mem, void *p)
{
    system_impl->free(mem, p);
}

/* Most of those who open one write or read little, and the fuzzer does nothing else. */
TEST(a_short_trace_takes_little_memory)
{
    static const struct mem_impl small = {small_alloc, small_realloc, small_free};
    struct mem mem;
    mem_system(&mem);
    system_impl = mem.impl;
    mem.impl = &small;
    struct file file;
    write_rows(&mem, &file, 100, 3);
    struct expected expected = {.rng = {3}};
    assert_ok(history_read(&mem, bytes_of(file.text.data, file.text.size), compare, &expected, NULL,
                           NULL));
    assert_int_equal(expected.count, 100);
    assert_int_equal(expected.wrong, 0);
    text_free(&file.text);
    assert_int_equal(mem.live_count, 0);
}

TEST(without_memory_a_trace_is_an_error_and_nothing_is_left_behind)
{
    struct test_mem mem;
    struct file file;
    uint64_t tried = 0;
    do {
        test_mem_init(&mem);
        mem.fail_at = ++tried;
        struct history_writer *writer;
        struct rng rng = {3};
        file = (struct file){.mem = &mem.mem};
        text_init(&file.text, &mem.mem);
        enum err e = history_open(&writer, &mem.mem, to_file, &file);
        for (int i = 0; e == ERR_NONE && i < 200; i++) {
            struct trace_whole whole;
            random_row(&rng, i * 1000, &whole);
            history_row(writer, &whole.row);
        }
        e = e == ERR_NONE ? history_close(writer) : e;
        if (e == ERR_NONE) {
            struct expected expected = {.rng = {3}};
            e = history_read(&mem.mem, bytes_of(file.text.data, file.text.size), compare, &expected,
                             NULL, NULL);
            assert_int_equal(expected.wrong, 0);
        }
        assert_int_equal(e, mem.failed > 0 ? ERR_NOMEM : ERR_NONE);
        text_free(&file.text);
        test_mem_done(&mem);
    } while (mem.failed > 0);
    assert_true(tried > 6);
}

TEST(a_cut_file_is_reported)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct file file;
    write_rows(&mem.mem, &file, 300, 5);
    struct errmsg msg = {0};
    for (size_t cut = 1; cut < 200; cut++)
        assert_int_equal(history_read(&mem.mem, bytes_of(file.text.data, file.text.size - cut),
                                      ignore_row, NULL, NULL, &msg),
                         ERR_CORRUPT);
    text_free(&file.text);
    test_mem_done(&mem);
}

/* The line of the last row of a ring, after the names in those before it were noted. */
static void assert_last_prints(struct trace *ring, const char *line)
{
    struct test_mem mem;
    struct history_names *names;
    struct text out;
    test_mem_init(&mem);
    assert_ok(history_names_new(&names, &mem.mem));
    text_init(&out, &mem.mem);
    for (struct trace_row *row = trace_take(ring); row != NULL; row = trace_take(ring)) {
        history_names_row(names, row);
        row->time_ns = 1500000000;
        text_free(&out);
        text_init(&out, &mem.mem);
        history_print(row, names, &out);
    }
    assert_string_equal(out.data, line);
    text_free(&out);
    history_names_free(names);
    test_mem_done(&mem);
}

TEST(a_row_prints_with_the_names_of_its_ids)
{
    uint64_t rows[80];
    struct trace ring;
    uint64_t orders = trace_partition("orders", 0);
    trace_init(&ring, rows, 80, true);
    trace_name(&ring, orders, "orders-0");
    TRACE(&ring, HIGH_WATERMARK, .partition = orders, .offset = 17);
    assert_last_prints(&ring,
                       "    1.500000  node 0     moved the high watermark orders-0 offset 17 "
                       "leader_epoch 0");
}

TEST(a_small_number_names_a_node_and_nothing_else)
{
    uint64_t rows[80];
    struct trace ring;
    trace_init(&ring, rows, 80, true);
    trace_name(&ring, 0, "broker0");
    TRACE(&ring, HIGH_WATERMARK, .partition = 0, .offset = 17);
    assert_last_prints(&ring,
                       "    1.500000  broker0    moved the high watermark partition 0 offset 17 "
                       "leader_epoch 0");
}

TEST(what_is_said_prints_as_it_was_said)
{
    uint64_t rows[80];
    struct trace ring;
    trace_init(&ring, rows, 80, true);
    trace_put_text(&ring, TRACE_SAY, NULL, "the disk\nis full");
    assert_last_prints(&ring, "    1.500000  node 0     says: the disk?is full");
}

/* A damaged trace must not make two lines of one. */
TEST(a_name_prints_in_one_line_whatever_it_holds)
{
    uint64_t rows[80];
    struct trace ring;
    uint64_t id = hash_text("x");
    trace_init(&ring, rows, 80, true);
    trace_name(&ring, id, "a\nb\033[2J");
    TRACE(&ring, HIGH_WATERMARK, .partition = id, .offset = 1);
    assert_last_prints(&ring, "    1.500000  node 0     moved the high watermark a?b?[2J offset 1 "
                              "leader_epoch 0");
}

/* ---- lines ---- */

struct printed {
    struct history_lines lines;
    struct mem mem;
    struct text text;
};

static void put_printed(struct history_lines *lines, const struct trace_row *first,
                        const char *line)
{
    struct printed *p = CONTAINER_OF(lines, struct printed, lines);
    (void)first;
    text_printf(&p->text, "%s\n", line);
}

static void printed_start(struct printed *p, struct history_filter filter, bool as_json)
{
    mem_system(&p->mem);
    text_init(&p->text, &p->mem);
    p->lines = (struct history_lines){
        .mem = &p->mem, .filter = filter, .as_json = as_json, .put = put_printed};
    assert_ok(history_lines_start(&p->lines));
}

/* Two nodes and two partitions, a millisecond from row to row, and in between what broke. */
static void printed_history(struct printed *p)
{
    static const char *const topics[] = {"orders-0", "orders-1", "orders-x"};
    uint64_t rows[80];
    struct trace ring;
    trace_init(&ring, rows, 80, true);
    trace_name(&ring, 0, "broker0");
    trace_name(&ring, 1, "broker1");
    for (int i = 0; i < COUNT_OF(topics); i++)
        trace_name(&ring, hash_text(topics[i]), topics[i]);
    while (ring.tail != ring.head)
        history_lines_row(&p->lines, trace_take(&ring));
    for (int i = 0; i < 6; i++) {
        TRACE(&ring, LOG_WRITTEN, .partition = hash_text(topics[i / 2]), .end = (uint64_t)i);
        struct trace_row *row = trace_take(&ring);
        row->time_ns = i * 1000000;
        row->node = (uint32_t)i % 2;
        history_lines_row(&p->lines, row);
    }
}

static void assert_lines(struct history_filter filter, const char *expected)
{
    struct printed p;
    printed_start(&p, filter, false);
    printed_history(&p);
    char offsets[16] = {0};
    for (const char *c = p.text.size == 0 ? "" : p.text.data; *c != 0; c++) {
        if (c[1] == '\n')
            offsets[strlen(offsets)] = *c;
    }
    assert_string_equal(offsets, expected);
    text_free(&p.text);
    history_lines_end(&p.lines);
}

TEST(lines_are_those_that_are_asked_for)
{
    assert_lines((struct history_filter){0}, "012345");
    assert_lines((struct history_filter){.from_ns = 2000000}, "2345");
    assert_lines((struct history_filter){.from_ns = 1000000, .to_ns = 3000000}, "123");
    assert_lines((struct history_filter){.node = "broker1"}, "135");
    assert_lines((struct history_filter){.partition = "orders-1"}, "23");
    assert_lines((struct history_filter){.partition = "orders"}, "0123");
    assert_lines((struct history_filter){.partition = "order"}, "");
    assert_lines((struct history_filter){.node = "broker0", .partition = "orders-0"}, "0");
}

TEST(a_sentence_is_one_line)
{
    char sentence[200];
    for (size_t size = 0; size < sizeof sentence; size++) {
        struct printed p;
        struct trace_whole whole;
        char expected[320];
        memset(sentence, 'a', size);
        sentence[size] = 0;
        printed_start(&p, (struct history_filter){0}, true);
        trace_make(&whole, TRACE_FINDING, NULL, sentence);
        whole.row.node = UINT32_MAX;
        history_lines_row(&p.lines, &whole.row);
        (void)snprintf(expected, sizeof expected,
                       "{\"time_s\":0.000000,\"life\":0,\"event\":0,\"row\":\"FINDING\","
                       "\"text\":\"%s\"}\n",
                       sentence);
        assert_string_equal(p.text.data, expected);
        text_free(&p.text);
        history_lines_end(&p.lines);
    }
}

TEST(a_sentence_steers_no_terminal)
{
    struct printed p;
    struct trace_whole whole;
    char sentence[121];
    memset(sentence, '\033', sizeof sentence - 1);
    sentence[sizeof sentence - 1] = 0;
    printed_start(&p, (struct history_filter){0}, false);
    trace_make(&whole, TRACE_FINDING, NULL, sentence);
    history_lines_row(&p.lines, &whole.row);
    assert_null(strchr(p.text.data, '\033'));
    text_free(&p.text);
    history_lines_end(&p.lines);
}

/* ---- events ---- */

static void put_event(struct history_lines *lines, uint64_t event, int64_t cause, int64_t since)
{
    struct trace_whole whole;
    struct trace_EVENT is = {.what = hash_text("done receive"), .cause = cause, .since = since};
    trace_make(&whole, TRACE_EVENT, &is, NULL);
    whole.row.event = event;
    history_lines_row(lines, &whole.row);
}

static void put_poll(struct history_lines *lines, uint64_t event)
{
    struct trace_whole whole;
    trace_make(&whole, TRACE_POLL_INVOKE, &(const struct trace_POLL_INVOKE){.op = 1}, NULL);
    whole.row.event = event;
    history_lines_row(lines, &whole.row);
}

TEST(a_row_says_which_event_caused_its_own)
{
    struct printed p;
    struct trace_whole name;
    printed_start(&p, (struct history_filter){0}, true);
    trace_make(&name, TRACE_NAME, &(const struct trace_NAME){.id = hash_text("done receive")},
               "done receive");
    history_lines_row(&p.lines, &name.row);
    put_event(&p.lines, 12, 9, 7);
    put_poll(&p.lines, 12);
    put_poll(&p.lines, 13); /* of which the trace says nothing */
    assert_string_equal(
        p.text.data,
        "{\"time_s\":0.000000,\"node\":0,\"life\":0,\"event\":12,\"cause\":9,\"since\":7,"
        "\"told\":\"done receive\",\"row\":\"POLL_INVOKE\",\"op\":1}\n"
        "{\"time_s\":0.000000,\"node\":0,\"life\":0,\"event\":13,"
        "\"row\":\"POLL_INVOKE\",\"op\":1}\n");
    text_free(&p.text);
    history_lines_end(&p.lines);
}

/* ---- files of others ---- */

/* A file of a build whose HIGH_WATERMARK has another order, a column more and one less, and that
 * has a kind of its own. */
static void foreign_file(struct text *file)
{
    static const char columns[] = "\x0eHIGH_WATERMARK\0\x03"
                                  "\x05\x05later"
                                  "\x04\x06offset"
                                  "\x00\x09partition"
                                  "\x05WEIRD\x01\x01\x05\x01n";
    static const uint8_t raw[] = {
        0,  2,  1,                       /* kinds 0, 1, 0 */
        2,  0,  0,                       /* node 1 */
        0,  0,  0,                       /* life 0 */
        20, 0,  0,                       /* time 10 */
        4,  2,  2,                       /* events 2, 3, 4 */
        2,  10, 6,                       /* later 1, offset 5, partition 3 */
        14, 5,  'h', 'e', 'l', 'l', 'o', /* n 7 and a text */
        2,  2,  0,                       /* later 2, offset 6, partition 3 */
    };
    uint8_t head[16], packed[256];
    memcpy(head, HISTORY_MAGIC, 8);
    put_u32(head + 8, HISTORY_VERSION);
    put_u32(head + 12, 2);
    text_add(file, head, sizeof head);
    text_add(file, columns, sizeof columns - 1);
    size_t size = ZSTD_compress(packed, sizeof packed, raw, sizeof raw, 1);
    put_u32(head, sizeof raw);
    put_u32(head + 4, (uint32_t)size);
    put_u32(head + 8, 3);
    put_u32(head + 12, crc32c(0, packed, size));
    text_add(file, head, sizeof head);
    text_add(file, packed, size);
}

static bool watch_marks(void *context, const struct trace_row *row)
{
    struct text *seen = context;
    const struct trace_HIGH_WATERMARK *is = TRACE_AS(row, HIGH_WATERMARK);
    text_printf(seen, "%d/%d/%d/%d ", (int)row->event, (int)is->partition, (int)is->offset,
                (int)is->leader_epoch);
    return true;
}

TEST(a_file_of_another_build_is_read_by_names)
{
    struct test_mem mem;
    struct text file, seen;
    uint64_t unknown = 0;
    struct errmsg msg = {{0}};
    test_mem_init(&mem);
    text_init(&file, &mem.mem);
    text_init(&seen, &mem.mem);
    foreign_file(&file);
    assert_ok(
        history_read(&mem.mem, bytes_of(file.data, file.size), watch_marks, &seen, &unknown, &msg));
    assert_string_equal(seen.data, "2/3/5/0 4/3/6/0 ");
    assert_int_equal(unknown, 1);
    text_free(&file);
    text_free(&seen);
    test_mem_done(&mem);
}

TEST(a_file_of_another_version_is_refused_with_a_sentence)
{
    struct test_mem mem;
    struct file file;
    struct errmsg msg = {{0}};
    test_mem_init(&mem);
    write_rows(&mem.mem, &file, 3, 5);
    put_u32((uint8_t *)file.text.data + 8, 1);
    assert_int_equal(history_read(&mem.mem, bytes_of(file.text.data, file.text.size), ignore_row,
                                  NULL, NULL, &msg),
                     ERR_CORRUPT);
    assert_non_null(strstr(msg.text, "a trace file of version 1, where this kiln reads version 2"));
    text_free(&file.text);
    test_mem_done(&mem);
}

/* ---- a crash ---- */

/* What the sink has, at any time, is a whole file, to which the rest can be added. */
TEST(a_file_that_ends_behind_a_block_is_whole)
{
    struct test_mem mem;
    struct history_writer *writer, *more;
    struct file file;
    struct rng rng = {3};
    test_mem_init(&mem);
    file.mem = &mem.mem;
    text_init(&file.text, &mem.mem);
    assert_ok(history_open(&writer, &mem.mem, to_file, &file));
    for (int i = 0; i < 5000; i++) {
        struct trace_whole whole;
        random_row(&rng, i * 1000, &whole);
        history_row(writer, &whole.row);
    }
    size_t size = file.text.size;
    uint64_t sunk = history_rows_sunk(writer);
    assert_in_range(sunk, 2000, 4999);
    assert_ok(history_close(writer)); /* which writes the others: the crash did not */
    file.text.size = size;
    rng = (struct rng){3};
    assert_ok(history_open_more(&more, &mem.mem, to_file, &file));
    for (int i = 0; i < 5000; i++) {
        struct trace_whole whole;
        random_row(&rng, i * 1000, &whole);
        if (i >= (int)sunk)
            history_row(more, &whole.row);
    }
    assert_ok(history_close(more));
    struct expected expected = {.rng = {3}};
    assert_ok(history_read(&mem.mem, bytes_of(file.text.data, file.text.size), compare, &expected,
                           NULL, NULL));
    assert_int_equal(expected.count, 5000);
    assert_int_equal(expected.wrong, 0);
    text_free(&file.text);
    test_mem_done(&mem);
}
