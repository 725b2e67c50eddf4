/* codec_test.c - compression against what Apache Kafka's classes wrote (kafka-codecs.jsonl),
 * against itself, and against bytes that nobody should write. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "wire/cursor.h"
#include "wire/wire.h"
#include "support/test.h"

#define VECTORS "vectors/kafka-codecs.jsonl"
#define SEGMENT "vectors/kafka-sample-segment/t-0/00000000000000000000.log"
#define ROWS 28

static const enum wire_codec codecs[] = {WIRE_CODEC_GZIP, WIRE_CODEC_SNAPPY, WIRE_CODEC_LZ4,
                                         WIRE_CODEC_ZSTD};
#define CODECS 4

struct block {
    uint8_t *data;
    size_t size;
};

static struct bytes bytes_in(const struct block *b)
{
    return bytes_of(b->data, b->size);
}

/* What the rows of the vectors hold. */
static struct block lines(int count)
{
    struct block b = {.data = malloc((size_t)count * 10 + 1)};
    for (int i = 0; i < count; i++)
        b.size += (size_t)snprintf((char *)b.data + b.size, 11, "kiln %d\n", i % 100);
    return b;
}

static struct block noise(size_t size, uint64_t seed)
{
    struct block b = {.data = malloc(size), .size = size};
    struct rng rng = {.state = seed};
    for (size_t i = 0; i < size; i++)
        b.data[i] = (uint8_t)rng_next(&rng);
    return b;
}

/* Everything, in pieces of so many bytes. */
static enum err decode(struct mem *mem, enum wire_codec codec, struct bytes in, size_t piece,
                       struct block *out, struct errmsg *msg)
{
    struct wire_decoder d;
    size_t given = 1, cap = 0;
    *out = (struct block){.size = 0};
    enum err e = wire_decoder_begin(&d, mem, codec, in);
    if (e != ERR_NONE)
        return e;
    while (e == ERR_NONE && given > 0) {
        if (cap - out->size < piece) {
            cap = cap * 2 + piece;
            out->data = realloc(out->data, cap);
        }
        e = wire_decoder_read(&d, out->data + out->size, piece, &given, msg);
        out->size += given;
    }
    wire_decoder_end(&d);
    return e;
}

/* A copy of its own size, which ASan watches. */
static struct block exactly(struct bytes in, size_t size)
{
    struct block b = {.data = malloc(MAX(size, 1)), .size = size};
    if (size > 0)
        memcpy(b.data, in.data, size);
    return b;
}

static struct block compress(struct mem *mem, enum wire_codec codec, int32_t level, struct bytes in)
{
    struct block b = {.size = 0};
    size_t cap = wire_codec_bound(codec, in.size);
    b.data = malloc(cap);
    assert_ok(wire_compress(mem, codec, level, in, b.data, cap, &b.size));
    return b;
}

static void assert_decodes(enum wire_codec codec, struct bytes in, struct bytes content,
                           size_t piece)
{
    struct test_mem mem;
    struct block out;
    struct errmsg msg = {0};
    test_mem_init(&mem);
    enum err e = decode(&mem.mem, codec, in, piece, &out, &msg);
    if (e != ERR_NONE)
        fail_msg("%s: %s", wire_codec_names[codec], msg.text);
    assert_true(bytes_equal(bytes_in(&out), content));
    free(out.data);
    test_mem_done(&mem);
}

static struct block from_hex(const char *hex)
{
    struct block b = {.size = strlen(hex) / 2};
    b.data = malloc(MAX(b.size, 1));
    for (size_t i = 0; i < b.size; i++) {
        unsigned v;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        b.data[i] = (uint8_t)v;
    }
    return b;
}

TEST(what_kafka_compressed_comes_out_again_in_pieces_of_any_size)
{
    static const size_t pieces[] = {1, 7, 4096, 1 << 20};
    size_t size;
    char *save = NULL;
    char *text = (char *)test_read_file(VECTORS, &size);
    int count = 0;
    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        enum wire_codec codec;
        json_t *row = json_loads(line, 0, NULL);
        assert_non_null(row);
        struct block in = from_hex(json_string_value(json_object_get(row, "hex")));
        struct block content = lines((int)json_integer_value(json_object_get(row, "lines")));
        if (strcmp(json_string_value(json_object_get(row, "name")), "twice") == 0)
            assert_int_equal(content.size, 2 * (10 * 7 + 90 * 8));
        const char *name = json_string_value(json_object_get(row, "codec"));
        assert_true(wire_codec_parse(bytes_text(name), &codec));
        for (int i = 0; i < 4; i++)
            assert_decodes(codec, bytes_in(&in), bytes_in(&content), pieces[i]);
        free(in.data);
        free(content.data);
        json_decref(row);
        count++;
    }
    assert_int_equal(count, ROWS);
    free(text);
}

TEST(what_stands_behind_the_end_of_lz4_and_gzip_is_passed_over_and_can_be_asked_for)
{
    struct mem mem;
    mem_system(&mem);
    struct block content = lines(3);
    for (int i = 0; i < CODECS; i++) {
        struct wire_decoder d;
        uint8_t out[100];
        size_t given = 1;
        struct block in =
            compress(&mem, codecs[i], wire_codec_level_default(codecs[i]), bytes_in(&content));
        in.data = realloc(in.data, in.size + 3);
        memcpy(in.data + in.size, "xyz", 3);
        in.size += 3;
        assert_ok(wire_decoder_begin(&d, &mem, codecs[i], bytes_in(&in)));
        enum err e = ERR_NONE;
        while (e == ERR_NONE && given > 0)
            e = wire_decoder_read(&d, out, sizeof out, &given, NULL);
        assert_int_equal(d.given, content.size);
        assert_int_equal(e, codecs[i] == WIRE_CODEC_ZSTD ? ERR_CORRUPT : ERR_NONE);
        if (e == ERR_NONE)
            assert_int_equal(d.left.size, 3);
        wire_decoder_end(&d);
        free(in.data);
    }
    free(content.data);
}

TEST(what_was_compressed_at_any_level_comes_out_again)
{
    static const int32_t levels[][4] = {
        {-1, 1, 6, 9}, {0, 0, 0, 0}, {9, 1, 12, 17}, {3, -5, 1, 19}};
    struct mem mem;
    mem_system(&mem);
    for (int i = 0; i < CODECS; i++) {
        for (int k = 0; k < 4; k++) {
            struct block contents[] = {lines(0), lines(1), lines(20000), noise(1, 5),
                                       noise(200000, 6)};
            assert_true(wire_codec_level_valid(codecs[i], levels[i][k]));
            for (size_t n = 0; n < sizeof contents / sizeof *contents; n++) {
                struct bytes content = bytes_in(&contents[n]);
                struct block in = compress(&mem, codecs[i], levels[i][k], content);
                assert_decodes(codecs[i], bytes_in(&in), content, 4096);
                free(in.data);
                free(contents[n].data);
            }
        }
    }
    assert_int_equal(mem.live_count, 0);
}

TEST(levels_outside_of_kafkas_ranges_are_not_valid)
{
    assert_false(wire_codec_level_valid(WIRE_CODEC_GZIP, 0));
    assert_false(wire_codec_level_valid(WIRE_CODEC_GZIP, 10));
    assert_false(wire_codec_level_valid(WIRE_CODEC_LZ4, 0));
    assert_false(wire_codec_level_valid(WIRE_CODEC_LZ4, 18));
    assert_false(wire_codec_level_valid(WIRE_CODEC_ZSTD, 23));
    assert_false(wire_codec_level_valid(WIRE_CODEC_ZSTD, -131073));
    for (int i = 0; i < WIRE_CODEC_COUNT; i++)
        assert_true(wire_codec_level_valid(i, wire_codec_level_default(i)));
}

TEST(an_input_cut_anywhere_is_an_error_or_ends_before_its_content_does)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct block content = lines(300);
    for (int i = 0; i < CODECS; i++) {
        struct block in =
            compress(&mem.mem, codecs[i], wire_codec_level_default(codecs[i]), bytes_in(&content));
        int premature = 0;
        for (size_t size = 0; size < in.size; size++) {
            struct block cut = exactly(bytes_in(&in), size);
            struct block out;
            enum err e = decode(&mem.mem, codecs[i], bytes_in(&cut), 1000, &out, NULL);
            assert_true(e == ERR_EOF || e == ERR_CORRUPT || out.size < content.size);
            premature += e == ERR_EOF;
            free(out.data);
            free(cut.data);
        }
        assert_true(premature > 0);
        free(in.data);
    }
    free(content.data);
    test_mem_done(&mem);
}

TEST(bytes_that_are_no_compression_are_corrupt)
{
    struct test_mem mem;
    test_mem_init(&mem);
    for (int i = 0; i < CODECS; i++) {
        for (uint64_t seed = 0; seed < 200; seed++) {
            struct block in = noise(100 + seed, seed);
            struct block out;
            struct errmsg msg = {0};
            enum err e = decode(&mem.mem, codecs[i], bytes_in(&in), 1000, &out, &msg);
            assert_true(e == ERR_CORRUPT || e == ERR_EOF);
            assert_true(msg.text[0] != 0);
            free(out.data);
            free(in.data);
        }
    }
    test_mem_done(&mem);
}

/* Of a flipped bit snappy may know nothing: it has no checksum. Nothing worse may happen than that
 * other bytes come out. */
TEST(a_flipped_bit_is_found_wherever_there_is_a_checksum)
{
    struct test_mem mem;
    test_mem_init(&mem);
    struct block content = lines(40);
    for (int i = 0; i < CODECS; i++) {
        struct block in =
            compress(&mem.mem, codecs[i], wire_codec_level_default(codecs[i]), bytes_in(&content));
        for (size_t bit = 0; bit < in.size * 8; bit++) {
            struct block out;
            in.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            enum err e = decode(&mem.mem, codecs[i], bytes_in(&in), 1000, &out, NULL);
            in.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (codecs[i] == WIRE_CODEC_GZIP && e == ERR_NONE)
                assert_true(bytes_equal(bytes_in(&out), bytes_in(&content)));
            assert_true(e == ERR_NONE || e == ERR_CORRUPT || e == ERR_EOF || e == ERR_LIMIT);
            free(out.data);
        }
        free(in.data);
    }
    free(content.data);
    test_mem_done(&mem);
}

/* A block of four bytes that says it is 4 GiB must cost nothing. */
TEST(a_snappy_block_that_claims_more_than_it_can_yield_is_refused_before_memory_is_taken)
{
    static const uint8_t raw[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61};
    struct test_mem mem;
    struct block out;
    test_mem_init(&mem);
    mem.fail_at = 1;
    enum err e = decode(&mem.mem, WIRE_CODEC_SNAPPY, bytes_of(raw, sizeof raw), 10, &out, NULL);
    assert_int_equal(e, ERR_CORRUPT);
    assert_int_equal(mem.failed, 0);
    mem.fail_at = 0;
    free(out.data);
    test_mem_done(&mem);
}

/* However it is read: a frame of one empty block that says it holds 250 bytes. */
TEST(a_frame_that_holds_less_than_it_says_is_none)
{
    static const uint8_t raw[] = {0x28, 0xb5, 0x2f, 0xfd, 0x20, 0xfa, 0x01, 0x00, 0x00};
    for (size_t piece = 1; piece < 1000; piece = piece * 3 + 1) {
        struct test_mem mem;
        struct block out;
        test_mem_init(&mem);
        enum err e =
            decode(&mem.mem, WIRE_CODEC_ZSTD, bytes_of(raw, sizeof raw), piece, &out, NULL);
        assert_int_equal(e, ERR_CORRUPT);
        free(out.data);
        test_mem_done(&mem);
    }
}

TEST(content_without_end_stops_at_the_limit)
{
    /* One zstd frame: 9,000 blocks of 128 KiB of one byte, no content size. */
    struct block in = {.data = malloc(6 + 9000 * 4)};
    static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38};
    memcpy(in.data, head, sizeof head);
    in.size = sizeof head;
    for (int i = 0; i < 9000; i++) {
        uint32_t block = (128u << 10) << 3 | 1u << 1; /* a repeated byte, not the last block */
        for (int k = 0; k < 3; k++)
            in.data[in.size++] = (uint8_t)(block >> 8 * k);
        in.data[in.size++] = 'x';
    }
    struct test_mem mem;
    struct wire_decoder d;
    size_t given;
    enum err e = ERR_NONE;
    uint8_t *out = malloc(1 << 20);
    test_mem_init(&mem);
    assert_ok(wire_decoder_begin(&d, &mem.mem, WIRE_CODEC_ZSTD, bytes_in(&in)));
    while (e == ERR_NONE)
        e = wire_decoder_read(&d, out, 1 << 20, &given, NULL);
    assert_int_equal(e, ERR_LIMIT);
    assert_true(d.given <= (uint64_t)WIRE_DECODED_MAX + (1 << 20));
    wire_decoder_end(&d);
    free(out);
    free(in.data);
    test_mem_done(&mem);
}

/* A window of 128 MB is what the highest levels ask for; a small content is read all the same. */
TEST(a_frame_with_a_large_window_may_yield_less)
{
    static const uint8_t head[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88};
    for (int blocks = 200; blocks <= 300; blocks += 100) {
        struct block in = {.data = malloc(6 + 300 * 4), .size = sizeof head};
        memcpy(in.data, head, sizeof head);
        for (int i = 0; i < blocks; i++) {
            uint32_t block = (128u << 10) << 3 | 1u << 1 | (i == blocks - 1);
            for (int k = 0; k < 3; k++)
                in.data[in.size++] = (uint8_t)(block >> 8 * k);
            in.data[in.size++] = 'x';
        }
        struct test_mem mem;
        struct block out;
        test_mem_init(&mem);
        enum err e = decode(&mem.mem, WIRE_CODEC_ZSTD, bytes_in(&in), 1 << 20, &out, NULL);
        assert_int_equal(e, blocks == 200 ? ERR_NONE : ERR_LIMIT);
        free(out.data);
        free(in.data);
        test_mem_done(&mem);
    }
}

TEST(without_memory_nothing_is_left_behind)
{
    struct block content = lines(3000);
    for (int i = 0; i < CODECS; i++) {
        struct test_mem mem;
        uint64_t n = 0;
        bool failed = true;
        size_t cap = wire_codec_bound(codecs[i], content.size), size;
        uint8_t *to = malloc(cap);
        test_mem_init(&mem);
        for (; failed; n++) {
            assert_true(n < 100);
            struct block out = {.size = 0};
            mem.fail_at = n + 1;
            mem.failed = 0;
            enum err e = wire_compress(&mem.mem, codecs[i], wire_codec_level_default(codecs[i]),
                                       bytes_in(&content), to, cap, &size);
            if (e == ERR_NONE)
                e = decode(&mem.mem, codecs[i], bytes_of(to, size), 1000, &out, NULL);
            failed = mem.failed > 0;
            mem.fail_at = 0;
            assert_int_equal(e, failed ? ERR_NOMEM : ERR_NONE);
            assert_int_equal(mem.mem.live_count, 0);
            free(out.data);
        }
        assert_true(n > 1);
        free(to);
        test_mem_done(&mem);
    }
    free(content.data);
}

TEST(an_output_that_does_not_fit_is_a_limit)
{
    struct block content = noise(100000, 3);
    uint8_t *to = malloc(50000);
    struct mem mem;
    size_t size;
    mem_system(&mem);
    for (int i = 0; i < CODECS; i++) {
        for (size_t cap = 0; cap <= 50000; cap += 5000)
            assert_int_equal(wire_compress(&mem, codecs[i], wire_codec_level_default(codecs[i]),
                                           bytes_in(&content), to, cap, &size),
                             ERR_LIMIT);
    }
    assert_int_equal(mem.live_count, 0);
    free(to);
    free(content.data);
}

/* ---- records of a compressed batch ---- */

/* A batch of records of these sizes whose content is compressed; made by hand, with its CRC. */
static struct block build(struct mem *mem, enum wire_codec codec, const int32_t *sizes,
                          int32_t count)
{
    struct wire_builder builder;
    size_t total = WIRE_BATCH_HEAD;
    for (int32_t i = 0; i < count; i++)
        total += (size_t)sizes[i] + 40;
    uint8_t *plain = malloc(total);
    wire_builder_init(&builder, plain, total);
    for (int32_t i = 0; i < count; i++) {
        struct block value = noise((size_t)sizes[i] + 1, (uint64_t)i);
        struct wire_bytes v = {.data = value.data, .size = sizes[i]};
        assert_ok(wire_builder_add(&builder, 1000 + i * 10, WIRE_NULL_BYTES, v, NULL, 0));
        free(value.data);
    }
    struct wire_builder_head head = {.producer_id = -1, .producer_epoch = -1, .base_sequence = -1};
    wire_builder_finish(&builder, &head);
    struct bytes content = bytes_of(plain + WIRE_BATCH_HEAD, builder.size - WIRE_BATCH_HEAD);
    struct block inside = compress(mem, codec, wire_codec_level_default(codec), content);
    struct block batch = {.data = malloc(WIRE_BATCH_HEAD + inside.size),
                          .size = WIRE_BATCH_HEAD + inside.size};
    memcpy(batch.data, plain, WIRE_BATCH_HEAD);
    memcpy(batch.data + WIRE_BATCH_HEAD, inside.data, inside.size);
    put_u32(batch.data + 8, (uint32_t)batch.size - WIRE_BATCH_PREFIX);
    put_u16(batch.data + 21, (uint16_t)codec);
    free(inside.data);
    free(plain);
    return batch;
}

static void assert_records(struct mem *mem, struct block *batch, const int32_t *sizes,
                           int32_t count)
{
    struct wire_batch b;
    struct wire_records it;
    struct errmsg msg = {0};
    assert_int_equal(wire_batch_at(bytes_in(batch), 0, &b, NULL), WIRE_AT_BATCH);
    assert_ok(wire_records_open(&it, mem, &b, bytes_in(batch), &msg));
    for (int32_t i = 0; i < count; i++) {
        struct wire_record r;
        struct block value = noise((size_t)sizes[i] + 1, (uint64_t)i);
        assert_int_equal(it.left, count - i);
        if (wire_records_next(&it, &r, &msg) != ERR_NONE)
            fail_msg("record %d: %s", i, msg.text);
        assert_int_equal(r.offset, i);
        assert_int_equal(r.timestamp_ms, 1000 + i * 10);
        assert_int_equal(r.value.size, sizes[i]);
        assert_memory_equal(r.value.data, value.data, (size_t)sizes[i]);
        free(value.data);
    }
    assert_int_equal(it.left, 0);
    assert_true(it.buffer_cap < 400000); /* never the whole */
    wire_records_close(&it);
}

TEST(records_come_out_of_batches_of_every_codec_whatever_their_sizes)
{
    static const int32_t sizes[] = {0,     10,    40000, 5, 16350, 16384, 20, 20, 100000,
                                    33000, 16370, 1,     2, 99999, 99999, 3,  40, 99999};
    int32_t count = sizeof sizes / sizeof *sizes;
    struct test_mem mem;
    test_mem_init(&mem);
    for (int i = 0; i < WIRE_CODEC_COUNT; i++) {
        struct block batch = build(&mem.mem, i, sizes, count);
        assert_records(&mem.mem, &batch, sizes, count);
        free(batch.data);
    }
    test_mem_done(&mem);
}

TEST(records_of_kafkas_segment_can_be_read_in_every_codec)
{
    size_t size, at = 0;
    uint8_t *data = test_read_file(SEGMENT, &size);
    struct test_mem mem;
    struct wire_batch b;
    int seen = 0;
    test_mem_init(&mem);
    while (wire_batch_at(bytes_of(data, size), at, &b, NULL) == WIRE_AT_BATCH) {
        struct wire_records it;
        struct wire_record r;
        assert_ok(wire_records_open(&it, &mem.mem, &b, bytes_of(data + at, size - at), NULL));
        while (it.left > 0)
            assert_ok(wire_records_next(&it, &r, NULL));
        seen |= 1 << wire_batch_codec(&b);
        wire_records_close(&it);
        at += (size_t)b.size;
    }
    assert_int_equal(at, size);
    assert_int_equal(seen, 31);
    free(data);
    test_mem_done(&mem);
}

/* What a reader does with all of a batch. */
static enum err read_all(struct mem *mem, struct block *batch)
{
    struct wire_batch b;
    struct wire_records it;
    struct wire_record r;
    if (wire_batch_at(bytes_in(batch), 0, &b, NULL) != WIRE_AT_BATCH)
        return ERR_CORRUPT;
    enum err e = wire_records_open(&it, mem, &b, bytes_in(batch), NULL);
    if (e != ERR_NONE)
        return e;
    while (e == ERR_NONE && it.left > 0)
        e = wire_records_next(&it, &r, NULL);
    wire_records_close(&it);
    return e;
}

TEST(a_batch_that_says_more_or_fewer_records_than_it_holds_is_corrupt)
{
    static const int32_t sizes[] = {10, 20, 30};
    static const int32_t claims[] = {1, 2, 4, 1000, 200000000, INT32_MAX};
    struct test_mem mem;
    test_mem_init(&mem);
    for (int i = 0; i < WIRE_CODEC_COUNT; i++) {
        for (int k = 0; k < 6; k++) {
            struct block batch = build(&mem.mem, i, sizes, 3);
            put_u32(batch.data + 23, (uint32_t)claims[k] - 1);
            put_u32(batch.data + 57, (uint32_t)claims[k]);
            assert_int_equal(read_all(&mem.mem, &batch), ERR_CORRUPT);
            free(batch.data);
        }
    }
    test_mem_done(&mem);
}

TEST(records_without_memory_leave_nothing_behind)
{
    static const int32_t sizes[] = {10, 100000, 30};
    for (int i = 0; i < CODECS; i++) {
        struct mem plain;
        mem_system(&plain);
        struct block batch = build(&plain, codecs[i], sizes, 3);
        struct test_mem mem;
        test_mem_init(&mem);
        mem.failed = 1;
        for (uint64_t n = 1; mem.failed > 0; n++) {
            assert_true(n < 100);
            mem.fail_at = n;
            mem.failed = 0;
            enum err e = read_all(&mem.mem, &batch);
            assert_int_equal(e, mem.failed > 0 ? ERR_NOMEM : ERR_NONE);
            assert_int_equal(mem.mem.live_count, 0);
        }
        mem.fail_at = 0;
        test_mem_done(&mem);
        free(batch.data);
    }
}

/* Each record says that its offset is the first one: the true ones are longer. */
TEST(what_grows_as_it_is_renumbered_is_written_whole)
{
    static const uint8_t record[] = {12, 0, 0, 0, 1, 1, 0};
    uint8_t in[WIRE_BATCH_HEAD + 100 * sizeof record], out[8192];
    struct test_mem mem;
    test_mem_init(&mem);
    struct wire_batch b = {
        .size = sizeof in, .record_count = 100, .last_offset_delta = 99, .producer_id = -1};
    for (int i = 0; i < 100; i++)
        memcpy(in + WIRE_BATCH_HEAD + i * sizeof record, record, sizeof record);
    wire_batch_write(in, &b);
    for (int codec = 0; codec < WIRE_CODEC_COUNT; codec++) {
        size_t size;
        struct wire_recode how = {
            .codec = (enum wire_codec)codec,
            .level = codec == 0 ? 0 : wire_codec_level_default((enum wire_codec)codec),
            .renumber = true,
            .content_size = sizeof in - WIRE_BATCH_HEAD};
        assert_ok(
            wire_batch_recode(&b, bytes_of(in, sizeof in), &how, &mem.mem, out, sizeof out, &size));
    }
    test_mem_done(&mem);
}
