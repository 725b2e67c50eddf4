/* batch_test.c - record batches against a segment that Kafka's own classes wrote, and against
 * bytes that nobody should write. */
#include <stdio.h>
#include <stdlib.h>
#include "wire/wire.h"
#include "support/test.h"

#define SEGMENT "vectors/kafka-sample-segment/t-0/00000000000000000000.log"
#define DUMP "vectors/kafka-sample-segment/t-0.dump.txt"
#define BATCHES 6

static struct bytes read_segment(void)
{
    size_t size;
    uint8_t *data = test_read_file(SEGMENT, &size);
    return bytes_of(data, size);
}

static void free_bytes(struct bytes b)
{
    free((void *)b.data);
}

/* A copy of its own size, which ASan watches. */
static uint8_t *copy_bytes(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

/* The n-th batch of the segment, alone and writable. */
static uint8_t *read_batch(int n, struct wire_batch *out)
{
    struct bytes segment = read_segment();
    size_t at = 0;
    for (int i = 0; i <= n; i++) {
        at += i > 0 ? (size_t)out->size : 0;
        assert_int_equal(wire_batch_at(segment, at, out, NULL), WIRE_AT_BATCH);
    }
    uint8_t *batch = copy_bytes(segment.data + at, (size_t)out->size);
    free_bytes(segment);
    return batch;
}

/* ---- what Kafka wrote ---- */

static void assert_like_dump(const struct wire_batch *b, size_t at, const char *line)
{
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    char ours[1000];
    bool none = b->base_sequence < 0;
    snprintf(ours, sizeof ours,
             "baseOffset: %lld lastOffset: %lld count: %d baseSequence: %d lastSequence: %d "
             "producerId: %lld producerEpoch: %d partitionLeaderEpoch: %d isTransactional: %s "
             "isControl: %s deleteHorizonMs: OptionalLong.empty position: %zu CreateTime: %lld "
             "size: %d magic: %d compresscodec: %s crc: %u isvalid: true",
             (long long)b->base_offset, (long long)wire_batch_last_offset(b), b->record_count,
             b->base_sequence, none ? -1 : b->base_sequence + b->last_offset_delta,
             (long long)b->producer_id, b->producer_epoch, b->leader_epoch,
             b->attributes & WIRE_BATCH_TRANSACTIONAL ? "true" : "false",
             b->attributes & WIRE_BATCH_CONTROL ? "true" : "false", at, (long long)b->max_timestamp,
             b->size, b->magic, codecs[wire_batch_codec(b)], b->crc);
    assert_string_equal(ours, line);
}

TEST(heads_of_kafkas_segment_say_what_its_dump_tool_says)
{
    size_t size;
    char *save = NULL;
    char *dump = (char *)test_read_file(DUMP, &size);
    struct bytes segment = read_segment();
    size_t at = 0;
    int count = 0;
    for (char *line = strtok_r(dump, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        struct wire_batch b;
        if (strncmp(line, "baseOffset", 10) != 0)
            continue;
        assert_int_equal(wire_batch_at(segment, at, &b, NULL), WIRE_AT_BATCH);
        assert_like_dump(&b, at, line);
        assert_ok(wire_batch_verify(&b, segment.data + at, NULL));
        at += (size_t)b.size;
        count++;
    }
    struct wire_batch none;
    assert_int_equal(count, BATCHES);
    assert_int_equal(wire_batch_at(segment, at, &none, NULL), WIRE_AT_END);
    free_bytes(segment);
    free(dump);
}

TEST(records_of_kafkas_batch_are_what_its_dump_tool_says)
{
    struct wire_batch b;
    struct wire_records it;
    uint8_t *batch = read_batch(0, &b);
    assert_ok(wire_records_begin(&it, &b, bytes_of(batch, (size_t)b.size), NULL));
    for (int i = 0; i < 3; i++) {
        struct wire_record r;
        struct wire_record_header h;
        char key[8], value[16];
        snprintf(key, sizeof key, "key%d", i);
        snprintf(value, sizeof value, "value-0-%d", i);
        assert_int_equal(it.left, 3 - i);
        assert_ok(wire_records_next(&it, &r, NULL));
        assert_int_equal(r.offset, i);
        assert_true(r.timestamp_ms == 1700000000000 + i);
        assert_int_equal(r.key.size, i == 1 ? -1 : 4);
        assert_int_equal(r.value.size, i == 2 ? -1 : 9);
        if (i != 1)
            assert_memory_equal(r.key.data, key, 4);
        if (i != 2)
            assert_memory_equal(r.value.data, value, 9);
        assert_int_equal(r.header_count, 2);
        assert_true(wire_record_headers(&r.headers, &h));
        assert_true(wire_string_equal(h.key, wire_text("h")));
        assert_true(wire_record_headers(&r.headers, &h));
        assert_true(wire_string_equal(h.key, wire_text("n")));
        assert_false(wire_record_headers(&r.headers, &h));
    }
    assert_int_equal(it.left, 0);
    free(batch);
}

TEST(kafkas_transaction_marker_is_a_control_record_of_type_commit)
{
    struct wire_batch b;
    struct wire_records it;
    struct wire_record r;
    int16_t type;
    uint8_t *batch = read_batch(BATCHES - 1, &b);
    assert_int_equal(b.attributes, WIRE_BATCH_CONTROL | WIRE_BATCH_TRANSACTIONAL);
    assert_ok(wire_records_begin(&it, &b, bytes_of(batch, (size_t)b.size), NULL));
    assert_ok(wire_records_next(&it, &r, NULL));
    assert_ok(wire_control_type(r.key, &type, NULL));
    assert_int_equal(type, WIRE_CONTROL_COMMIT);
    assert_int_equal(r.value.size, 6);
    assert_int_equal(get_i32(r.value.data + 2), 5); /* coordinator epoch */
    free(batch);
}

TEST(records_of_a_compressed_batch_are_not_supported)
{
    for (int n = 1; n < BATCHES - 1; n++) {
        struct wire_batch b;
        struct wire_records it;
        uint8_t *batch = read_batch(n, &b);
        assert_int_equal(wire_batch_codec(&b), n);
        assert_int_equal(wire_records_begin(&it, &b, bytes_of(batch, (size_t)b.size), NULL),
                         ERR_UNSUPPORTED);
        free(batch);
    }
}

/* ---- torn or corrupt ---- */

TEST(a_segment_cut_anywhere_gives_its_whole_batches_and_then_says_torn)
{
    struct bytes segment = read_segment();
    size_t ends[BATCHES];
    size_t end = 0;
    for (int i = 0; i < BATCHES; i++) {
        struct wire_batch b;
        assert_int_equal(wire_batch_at(segment, end, &b, NULL), WIRE_AT_BATCH);
        ends[i] = end += (size_t)b.size;
    }
    for (size_t cut = 0; cut < segment.size; cut++) {
        uint8_t *copy = copy_bytes(segment.data, cut);
        struct wire_batch b;
        size_t at = 0;
        enum wire_at found;
        while ((found = wire_batch_at(bytes_of(copy, cut), at, &b, NULL)) == WIRE_AT_BATCH)
            at += (size_t)b.size;
        bool boundary = cut == 0;
        size_t last = 0;
        for (int i = 0; i < BATCHES; i++) {
            boundary = boundary || ends[i] == cut;
            last = ends[i] <= cut ? ends[i] : last;
        }
        assert_int_equal(found, boundary ? WIRE_AT_END : WIRE_AT_TORN);
        assert_int_equal(at, last);
        free(copy);
    }
    free_bytes(segment);
}

TEST(a_torn_batch_whose_head_is_there_tells_its_size)
{
    struct wire_batch b;
    struct wire_batch torn = {0};
    uint8_t *batch = read_batch(0, &b);
    assert_int_equal(wire_batch_at(bytes_of(batch, WIRE_BATCH_HEAD), 0, &torn, NULL), WIRE_AT_TORN);
    assert_int_equal(torn.size, b.size);
    free(batch);
}

TEST(a_flipped_bit_under_the_checksum_is_corrupt)
{
    struct wire_batch b;
    uint8_t *batch = read_batch(3, &b);
    for (int bit = 17 * 8; bit < b.size * 8; bit++) {
        struct wire_batch damaged;
        batch[bit / 8] ^= (uint8_t)(1 << bit % 8);
        enum wire_at at = wire_batch_at(bytes_of(batch, (size_t)b.size), 0, &damaged, NULL);
        if (at == WIRE_AT_BATCH)
            assert_int_equal(wire_batch_verify(&damaged, batch, NULL), ERR_CORRUPT);
        else
            assert_int_equal(at, WIRE_AT_CORRUPT);
        batch[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    free(batch);
}

/* The head of Kafka's first batch with size bytes at offset at replaced by value. */
static enum wire_at at_changed(size_t offset, size_t size, int64_t value, struct errmsg *msg)
{
    struct wire_batch b;
    uint8_t *batch = read_batch(0, &b);
    for (size_t i = 0; i < size; i++)
        batch[offset + i] = (uint8_t)(value >> 8 * (size - 1 - i));
    enum wire_at at = wire_batch_at(bytes_of(batch, (size_t)b.size), 0, &b, msg);
    free(batch);
    return at;
}

TEST(a_head_that_cannot_be_is_corrupt_and_says_why)
{
    static const struct {
        size_t offset, size;
        int64_t value;
        const char *text;
    } cases[] = {
        {0, 8, INT64_MAX, "base offset 9223372036854775807"},
        {8, 4, -1, "no record batch: length -1"},
        {8, 4, 48, "no record batch: length 48"},
        {8, 4, INT32_MAX - 11, "no record batch: length 2147483636"},
        {16, 1, 1, "no record batch: magic 1, not 2"},
        {16, 1, -2, "no record batch: magic -2, not 2"},
        {21, 2, 5, "codec 5"},
        {23, 4, -1, "last offset delta -1"},
        {57, 4, -1, "-1 records at 3 offsets"},
        {57, 4, 4, "4 records at 3 offsets"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct errmsg msg = {0};
        assert_int_equal(at_changed(cases[i].offset, cases[i].size, cases[i].value, &msg),
                         WIRE_AT_CORRUPT);
        assert_string_equal(msg.text, cases[i].text);
    }
}

TEST(more_records_than_the_bytes_can_hold_are_corrupt)
{
    struct wire_batch b;
    struct errmsg msg = {0};
    uint8_t *batch = read_batch(0, &b);
    put_u32(batch + 23, 9999);
    put_u32(batch + 57, 10000);
    assert_int_equal(wire_batch_at(bytes_of(batch, (size_t)b.size), 0, &b, &msg), WIRE_AT_CORRUPT);
    assert_string_equal(msg.text, "10000 records in a batch of 132 bytes");
    free(batch);
}

TEST(a_batch_longer_than_its_bytes_is_torn_not_corrupt)
{
    assert_int_equal(at_changed(8, 4, INT32_MAX - 12, NULL), WIRE_AT_TORN);
}

TEST(a_compacted_batch_may_have_fewer_records_than_offsets)
{
    assert_int_equal(at_changed(57, 4, 0, NULL), WIRE_AT_BATCH);
    assert_int_equal(at_changed(23, 4, 1000, NULL), WIRE_AT_BATCH);
}

/* Any byte of the records changed: the cursor gives records inside of the batch, or an error. */
TEST(damaged_records_never_lead_out_of_their_batch)
{
    struct wire_batch b;
    uint8_t *batch = read_batch(0, &b);
    for (int at = WIRE_BATCH_HEAD; at < b.size; at++) {
        uint8_t saved = batch[at];
        for (int value = 0; value < 256; value++) {
            struct wire_records it;
            struct wire_record r;
            batch[at] = (uint8_t)value;
            assert_ok(wire_records_begin(&it, &b, bytes_of(batch, (size_t)b.size), NULL));
            enum err e = ERR_NONE;
            while (e == ERR_NONE && it.left > 0) {
                e = wire_records_next(&it, &r, NULL);
                struct wire_record_header h;
                while (e == ERR_NONE && wire_record_headers(&r.headers, &h))
                    assert_true((const uint8_t *)h.key.data < batch + b.size);
            }
            assert_true(e == ERR_NONE || e == ERR_CORRUPT);
        }
        batch[at] = saved;
    }
    free(batch);
}

/* Two records, each: length, attributes, timestamp, offset, key null, value "v", one header with an
 * empty key and a null value. */
#define SMALL_RECORD 10

static struct wire_batch small_batch(uint8_t *data, size_t cap)
{
    static const struct wire_record_header header = {.value = {.size = -1}};
    struct wire_bytes value = {.data = (const uint8_t *)"v", .size = 1};
    struct wire_builder_head head = {.producer_id = -1};
    struct wire_builder builder;
    struct wire_batch b;
    wire_builder_init(&builder, data, cap);
    for (int i = 0; i < 2; i++)
        assert_ok(wire_builder_add(&builder, 0, WIRE_NULL_BYTES, value, &header, 1));
    assert_int_equal(builder.size, WIRE_BATCH_HEAD + 2 * SMALL_RECORD);
    wire_builder_finish(&builder, &head);
    assert_int_equal(wire_batch_at(bytes_of(data, builder.size), 0, &b, NULL), WIRE_AT_BATCH);
    return b;
}

/* Reads both records after the byte at that place of the second was changed. */
static enum err read_changed(size_t at, uint8_t value, struct errmsg *msg)
{
    uint8_t data[WIRE_BATCH_HEAD + 2 * SMALL_RECORD];
    struct wire_batch b = small_batch(data, sizeof data);
    struct wire_records it;
    struct wire_record r;
    data[WIRE_BATCH_HEAD + SMALL_RECORD + at] = value;
    assert_ok(wire_records_begin(&it, &b, bytes_of(data, sizeof data), NULL));
    assert_ok(wire_records_next(&it, &r, NULL));
    return wire_records_next(&it, &r, msg);
}

TEST(a_record_that_cannot_be_is_malformed)
{
    static const struct {
        size_t at;
        uint8_t value;
    } cases[] = {
        {3, 0},    /* the offset of the record before it */
        {3, 4},    /* an offset behind the batch's last */
        {3, 1},    /* a negative offset delta */
        {4, 40},   /* a key longer than the record */
        {7, 0},    /* no headers, and bytes behind them */
        {7, 1},    /* header count -1 */
        {8, 1},    /* a header whose key is null */
        {9, 2},    /* a header's value behind the record */
        {9, 0x80}, /* a number that ends behind the record */
    };
    assert_ok(read_changed(0, 2 * (SMALL_RECORD - 1), NULL));
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct errmsg msg = {0};
        assert_int_equal(read_changed(cases[i].at, cases[i].value, &msg), ERR_CORRUPT);
        assert_string_equal(msg.text, "record 1 is malformed");
    }
}

TEST(a_record_that_leaves_its_batch_is_corrupt)
{
    struct errmsg msg = {0};
    assert_int_equal(read_changed(0, 2 * SMALL_RECORD, &msg), ERR_CORRUPT);
    assert_string_equal(msg.text, "record 1 does not fit into its batch");
    assert_int_equal(read_changed(0, 1, NULL), ERR_CORRUPT);
}

TEST(bytes_behind_the_last_record_are_corrupt)
{
    struct wire_batch b;
    struct wire_records it;
    struct wire_record r;
    uint8_t *batch = read_batch(0, &b);
    b.record_count = 2;
    assert_ok(wire_records_begin(&it, &b, bytes_of(batch, (size_t)b.size), NULL));
    assert_ok(wire_records_next(&it, &r, NULL));
    assert_int_equal(wire_records_next(&it, &r, NULL), ERR_CORRUPT);
    b.record_count = 0;
    assert_int_equal(wire_records_begin(&it, &b, bytes_of(batch, (size_t)b.size), NULL),
                     ERR_CORRUPT);
    free(batch);
}

TEST(a_key_that_is_no_control_key_is_corrupt)
{
    static const uint8_t negative[] = {0xff, 0xff, 0, 1};
    int16_t type;
    assert_int_equal(wire_control_type(WIRE_NULL_BYTES, &type, NULL), ERR_CORRUPT);
    assert_int_equal(
        wire_control_type((struct wire_bytes){.data = negative, .size = 3}, &type, NULL),
        ERR_CORRUPT);
    assert_int_equal(
        wire_control_type((struct wire_bytes){.data = negative, .size = 4}, &type, NULL),
        ERR_CORRUPT);
}

/* ---- changed in place ---- */

TEST(offset_and_leader_epoch_change_without_a_new_checksum)
{
    struct wire_batch b;
    uint8_t *batch = read_batch(2, &b);
    wire_batch_set_offset(batch, 1ll << 40);
    wire_batch_set_leader_epoch(batch, 77);
    assert_int_equal(wire_batch_at(bytes_of(batch, (size_t)b.size), 0, &b, NULL), WIRE_AT_BATCH);
    assert_true(b.base_offset == 1ll << 40);
    assert_int_equal(b.leader_epoch, 77);
    assert_ok(wire_batch_verify(&b, batch, NULL));
    free(batch);
}

TEST(log_append_time_is_the_time_of_every_record)
{
    struct wire_batch b;
    struct wire_records it;
    struct wire_record r;
    uint8_t *batch = read_batch(0, &b);
    wire_batch_set_append_time(batch, 42);
    assert_int_equal(wire_batch_at(bytes_of(batch, (size_t)b.size), 0, &b, NULL), WIRE_AT_BATCH);
    assert_ok(wire_batch_verify(&b, batch, NULL));
    assert_int_equal(b.attributes, WIRE_BATCH_LOG_APPEND_TIME);
    assert_int_equal(b.max_timestamp, 42);
    assert_ok(wire_records_begin(&it, &b, bytes_of(batch, (size_t)b.size), NULL));
    while (it.left > 0) {
        assert_ok(wire_records_next(&it, &r, NULL));
        assert_int_equal(r.timestamp_ms, 42);
    }
    free(batch);
}
