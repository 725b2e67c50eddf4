/* builder_test.c - batches that kiln builds, held to Kafka's bytes and to its own reader. */
#include <stdlib.h>
#include "wire/wire.h"
#include "support/test.h"

#define SEGMENT "vectors/kafka-sample-segment/t-0/00000000000000000000.log"
#define HEADERS_MAX 4

static struct wire_bytes bytes_of_text(const char *text)
{
    if (text == NULL)
        return WIRE_NULL_BYTES;
    return (struct wire_bytes){.data = (const uint8_t *)text, .size = (int32_t)strlen(text)};
}

static const struct wire_builder_head plain = {
    .producer_id = -1, .producer_epoch = -1, .base_sequence = -1};

/* Reads what was built; it must be whole and right. */
static struct wire_batch check_built(const struct wire_builder *b)
{
    struct wire_batch batch;
    struct bytes built = bytes_of(b->data, b->size);
    assert_int_equal(wire_batch_at(built, 0, &batch, NULL), WIRE_AT_BATCH);
    assert_int_equal(batch.size, b->size);
    assert_ok(wire_batch_verify(&batch, b->data, NULL));
    return batch;
}

/* Puts the records of Kafka's batch into a builder of exactly its size. */
static void rebuild(const uint8_t *batch, const struct wire_batch *b, struct wire_builder *out)
{
    struct wire_records it;
    assert_ok(wire_records_begin(&it, b, bytes_of(batch, (size_t)b->size), NULL));
    while (it.left > 0) {
        struct wire_record r;
        struct wire_record_header headers[HEADERS_MAX];
        int32_t count = 0;
        assert_ok(wire_records_next(&it, &r, NULL));
        while (count < HEADERS_MAX && wire_record_headers(&r.headers, &headers[count]))
            count++;
        assert_int_equal(count, r.header_count);
        size_t before = out->size;
        size_t cost = wire_builder_cost(out, r.timestamp_ms, r.key, r.value, headers, count);
        assert_ok(wire_builder_add(out, r.timestamp_ms, r.key, r.value, headers, count));
        assert_int_equal(out->size - before, cost);
    }
}

/* Around the lengths at which a varint needs a second and a third byte, and at a batch's end. */
TEST(values_of_all_lengths_are_read_as_they_were_written)
{
    enum { SIZE_MAX_TESTED = 20000, CAP = SIZE_MAX_TESTED + 200 };
    uint8_t *value = calloc(1, SIZE_MAX_TESTED);
    uint8_t *data = malloc(CAP);
    for (int32_t size = 0; size < SIZE_MAX_TESTED; size += size < 300 ? 1 : 61) {
        struct wire_builder builder;
        struct wire_batch b;
        struct wire_records it;
        struct wire_record r;
        struct wire_bytes in = {.data = value, .size = size};
        memset(value, size & 0xff, (size_t)size);
        wire_builder_init(&builder, data, CAP);
        assert_ok(wire_builder_add(&builder, 5, WIRE_NULL_BYTES, WIRE_NULL_BYTES, NULL, 0));
        assert_ok(wire_builder_add(&builder, 5 + size, WIRE_NULL_BYTES, in, NULL, 0));
        wire_builder_finish(&builder, &(struct wire_builder_head){.producer_id = -1});
        assert_int_equal(wire_batch_at(bytes_of(data, builder.size), 0, &b, NULL), WIRE_AT_BATCH);
        assert_ok(wire_records_begin(&it, &b, bytes_of(data, builder.size), NULL));
        assert_ok(wire_records_next(&it, &r, NULL));
        assert_ok(wire_records_next(&it, &r, NULL));
        assert_int_equal(r.timestamp_ms, 5 + size);
        assert_int_equal(r.value.size, size);
        assert_memory_equal(r.value.data, value, (size_t)size);
    }
    free(value);
    free(data);
}

TEST(kafkas_uncompressed_batches_are_rebuilt_byte_for_byte)
{
    size_t size;
    int rebuilt = 0;
    uint8_t *segment = test_read_file(SEGMENT, &size);
    struct wire_batch b;
    for (size_t at = 0; at < size; at += (size_t)b.size) {
        assert_int_equal(wire_batch_at(bytes_of(segment, size), at, &b, NULL), WIRE_AT_BATCH);
        if (wire_batch_codec(&b) != WIRE_CODEC_NONE)
            continue;
        struct wire_builder builder;
        wire_builder_init(&builder, malloc((size_t)b.size), (size_t)b.size);
        rebuild(segment + at, &b, &builder);
        struct wire_builder_head head = {.base_offset = b.base_offset,
                                         .leader_epoch = b.leader_epoch,
                                         .attributes = b.attributes,
                                         .producer_id = b.producer_id,
                                         .producer_epoch = b.producer_epoch,
                                         .base_sequence = b.base_sequence};
        wire_builder_finish(&builder, &head);
        assert_int_equal(builder.size, b.size);
        assert_memory_equal(builder.data, segment + at, (size_t)b.size);
        free(builder.data);
        rebuilt++;
    }
    assert_int_equal(rebuilt, 2);
    free(segment);
}

TEST(a_record_that_does_not_fit_changes_nothing)
{
    uint8_t data[WIRE_BATCH_HEAD + 20];
    struct wire_builder b;
    wire_builder_init(&b, data, sizeof data);
    assert_ok(wire_builder_add(&b, 5, WIRE_NULL_BYTES, bytes_of_text("abc"), NULL, 0));
    struct wire_builder before = b;
    assert_int_equal(wire_builder_add(&b, 9, WIRE_NULL_BYTES, bytes_of_text("abcd"), NULL, 0),
                     ERR_LIMIT);
    assert_memory_equal(&b, &before, sizeof b);
    assert_ok(wire_builder_add(&b, 9, WIRE_NULL_BYTES, bytes_of_text("abc"), NULL, 0));
    assert_int_equal(b.size, sizeof data);
    wire_builder_finish(&b, &plain);
    assert_int_equal(check_built(&b).record_count, 2);
}

TEST(a_builder_goes_on_in_a_larger_place)
{
    struct wire_builder b;
    wire_builder_init(&b, malloc(WIRE_BATCH_HEAD), WIRE_BATCH_HEAD);
    for (int i = 0; i < 100; i++) {
        while (wire_builder_add(&b, i, WIRE_NULL_BYTES, bytes_of_text("v"), NULL, 0) == ERR_LIMIT) {
            b.cap *= 2;
            b.data = realloc(b.data, b.cap);
        }
    }
    wire_builder_finish(&b, &plain);
    assert_int_equal(check_built(&b).record_count, 100);
    free(b.data);
}

TEST(timestamps_may_go_back_within_a_batch)
{
    static const int64_t times[] = {1000, 10, INT64_MAX, -5};
    uint8_t data[300];
    struct wire_builder b;
    struct wire_records it;
    struct wire_record r;
    wire_builder_init(&b, data, sizeof data);
    for (int i = 0; i < COUNT_OF(times); i++)
        assert_ok(wire_builder_add(&b, times[i], WIRE_NULL_BYTES, WIRE_NULL_BYTES, NULL, 0));
    wire_builder_finish(&b, &plain);
    struct wire_batch batch = check_built(&b);
    assert_true(batch.max_timestamp == INT64_MAX);
    assert_ok(wire_records_begin(&it, &batch, bytes_of(b.data, b.size), NULL));
    for (int i = 0; i < COUNT_OF(times); i++) {
        assert_ok(wire_records_next(&it, &r, NULL));
        assert_true(r.timestamp_ms == times[i]);
    }
}

TEST(a_finished_batch_can_be_finished_again_under_another_epoch)
{
    uint8_t data[200], first[200];
    struct wire_builder b;
    struct wire_builder_head head = {.producer_id = 7, .producer_epoch = 1, .base_sequence = 40};
    wire_builder_init(&b, data, sizeof data);
    assert_ok(wire_builder_add(&b, 1, bytes_of_text("k"), bytes_of_text("v"), NULL, 0));
    wire_builder_finish(&b, &head);
    memcpy(first, data, b.size);
    head.producer_epoch = 2;
    head.base_sequence = 0;
    wire_builder_finish(&b, &head);
    struct wire_batch batch = check_built(&b);
    assert_int_equal(batch.producer_epoch, 2);
    assert_int_equal(batch.base_sequence, 0);
    head.producer_epoch = 1;
    head.base_sequence = 40;
    wire_builder_finish(&b, &head);
    assert_memory_equal(first, data, b.size);
}

/* ---- random batches ---- */

#define RANDOM_RECORDS_MAX 40

struct random_record {
    int64_t timestamp_ms;
    struct wire_bytes key, value;
    struct wire_record_header headers[HEADERS_MAX];
    int32_t header_count;
};

static const uint8_t noise[300] = {1, 2, 3, 0xff, 0x80, 0x7f};

static struct wire_bytes random_bytes(struct rng *rng)
{
    if (rng_next(rng) % 4 == 0)
        return WIRE_NULL_BYTES;
    return (struct wire_bytes){.data = noise, .size = (int32_t)(rng_next(rng) % sizeof noise)};
}

static void random_record(struct rng *rng, struct random_record *out)
{
    uint64_t shift = rng_next(rng) % 60;
    out->timestamp_ms = (int64_t)rng_next(rng) >> shift;
    out->key = random_bytes(rng);
    out->value = random_bytes(rng);
    out->header_count = (int32_t)(rng_next(rng) % (HEADERS_MAX + 1));
    for (int32_t i = 0; i < out->header_count; i++) {
        out->headers[i].key = (struct wire_string){.data = (const char *)noise,
                                                   .size = (int32_t)(rng_next(rng) % 10)};
        out->headers[i].value = random_bytes(rng);
    }
}

static void assert_same_bytes(struct wire_bytes a, struct wire_bytes b)
{
    assert_int_equal(a.size, b.size);
    if (a.size > 0)
        assert_memory_equal(a.data, b.data, (size_t)a.size);
}

static void assert_same_record(const struct random_record *a, const struct wire_record *b)
{
    struct bytes headers = b->headers;
    assert_true(a->timestamp_ms == b->timestamp_ms);
    assert_same_bytes(a->key, b->key);
    assert_same_bytes(a->value, b->value);
    assert_int_equal(a->header_count, b->header_count);
    for (int32_t i = 0; i < a->header_count; i++) {
        struct wire_record_header h;
        assert_true(wire_record_headers(&headers, &h));
        assert_true(wire_string_equal(a->headers[i].key, h.key));
        assert_same_bytes(a->headers[i].value, h.value);
    }
    assert_int_equal(headers.size, 0);
}

TEST(random_records_come_out_of_a_batch_as_they_went_in)
{
    struct rng rng = {.state = 4};
    for (int round = 0; round < 300; round++) {
        static uint8_t data[RANDOM_RECORDS_MAX * 4000];
        struct random_record records[RANDOM_RECORDS_MAX];
        struct wire_builder b;
        struct wire_records it;
        int count = 1 + (int)(rng_next(&rng) % RANDOM_RECORDS_MAX);
        wire_builder_init(&b, data, sizeof data);
        for (int i = 0; i < count; i++) {
            random_record(&rng, &records[i]);
            assert_ok(wire_builder_add(&b, records[i].timestamp_ms, records[i].key,
                                       records[i].value, records[i].headers,
                                       records[i].header_count));
        }
        wire_builder_finish(&b, &plain);
        struct wire_batch batch = check_built(&b);
        assert_ok(wire_records_begin(&it, &batch, bytes_of(b.data, b.size), NULL));
        for (int i = 0; i < count; i++) {
            struct wire_record r;
            assert_ok(wire_records_next(&it, &r, NULL));
            assert_int_equal(r.offset, i);
            assert_same_record(&records[i], &r);
        }
        assert_int_equal(it.left, 0);
    }
}

/* ---- control and metadata records ---- */

TEST(a_control_batch_holds_its_messages)
{
    uint8_t data[300];
    struct mem mem;
    struct arena arena;
    struct wire_builder b;
    struct wire_records it;
    struct wire_record r;
    int16_t type;
    mem_system(&mem);
    arena_init(&arena, &mem, 10000);
    struct wire_leader_change_message_voter voter = {.voter_id = 1};
    struct wire_leader_change_message change = {
        .version = 1, .leader_id = 1, .voters_count = 1, .voters = &voter};
    struct wire_kraft_version_record kraft = {.kraft_version = 1};
    struct wire_builder_head head = plain;
    head.attributes = WIRE_BATCH_CONTROL;
    wire_builder_init(&b, data, sizeof data);
    assert_ok(wire_builder_add_control(&b, 10, WIRE_CONTROL_LEADER_CHANGE,
                                       &wire_leader_change_message_message, 1, &change));
    assert_ok(wire_builder_add_control(&b, 10, WIRE_CONTROL_KRAFT_VERSION,
                                       &wire_kraft_version_record_message, 0, &kraft));
    wire_builder_finish(&b, &head);
    struct wire_batch batch = check_built(&b);
    assert_ok(wire_records_begin(&it, &batch, bytes_of(b.data, b.size), NULL));
    assert_ok(wire_records_next(&it, &r, NULL));
    assert_ok(wire_control_type(r.key, &type, NULL));
    assert_int_equal(type, WIRE_CONTROL_LEADER_CHANGE);
    struct wire_leader_change_message decoded;
    assert_ok(wire_decode(&wire_leader_change_message_message, get_i16(r.value.data),
                          bytes_of(r.value.data, (size_t)r.value.size), NULL, &decoded, &arena,
                          NULL));
    assert_true(wire_equal(&wire_leader_change_message_message, &change, &decoded));
    assert_ok(wire_records_next(&it, &r, NULL));
    assert_ok(wire_control_type(r.key, &type, NULL));
    assert_int_equal(type, WIRE_CONTROL_KRAFT_VERSION);
    arena_free(&arena);
}

TEST(a_metadata_record_is_framed_with_its_type_and_version)
{
    uint8_t data[300];
    struct wire_builder b;
    struct wire_records it;
    struct wire_record r;
    struct wire_metadata_head head;
    struct wire_topic_record topic = {.name = wire_text("orders"), .topic_id = {.b = {9}}};
    struct wire_topic_record decoded;
    wire_builder_init(&b, data, sizeof data);
    assert_ok(wire_builder_add_metadata(&b, 10, &wire_topic_record_message, 0, &topic));
    wire_builder_finish(&b, &plain);
    struct wire_batch batch = check_built(&b);
    assert_ok(wire_records_begin(&it, &batch, bytes_of(b.data, b.size), NULL));
    assert_ok(wire_records_next(&it, &r, NULL));
    assert_int_equal(r.key.size, -1);
    assert_memory_equal(r.value.data, "\1\2\0\7orders\11", 11);
    assert_ok(wire_metadata_parse(r.value, &head, NULL));
    assert_ptr_equal(wire_metadata_message(head.type), &wire_topic_record_message);
    assert_ok(wire_decode(&wire_topic_record_message, (int)head.version, head.message, NULL,
                          &decoded, NULL, NULL));
    assert_true(wire_equal(&wire_topic_record_message, &topic, &decoded));
}

TEST(a_metadata_record_that_does_not_fit_or_encode_changes_nothing)
{
    uint8_t data[WIRE_BATCH_HEAD + 20];
    struct wire_builder b;
    struct wire_topic_record topic = {.name = wire_text("orders")};
    wire_builder_init(&b, data, sizeof data);
    assert_int_equal(wire_builder_add_metadata(&b, 1, &wire_topic_record_message, 0, &topic),
                     ERR_LIMIT);
    topic.name = WIRE_NULL_STRING;
    assert_int_equal(wire_builder_add_metadata(&b, 1, &wire_topic_record_message, 0, &topic),
                     ERR_INVALID);
    assert_int_equal(wire_builder_add_metadata(&b, 1, &wire_topic_record_message, -1, &topic),
                     ERR_UNSUPPORTED);
    assert_int_equal(b.record_count, 0);
    assert_int_equal(b.size, WIRE_BATCH_HEAD);
}

TEST(a_value_that_is_no_metadata_record_is_refused)
{
    static const uint8_t frame[] = {2, 2, 0};
    static const uint8_t cut[] = {1, 2};
    static const uint8_t version[] = {1, 2, 0x80, 0x80, 0x02};
    struct wire_metadata_head head;
    struct wire_bytes value = {.data = frame, .size = sizeof frame};
    assert_int_equal(wire_metadata_parse(value, &head, NULL), ERR_UNSUPPORTED);
    value = (struct wire_bytes){.data = cut, .size = sizeof cut};
    assert_int_equal(wire_metadata_parse(value, &head, NULL), ERR_CORRUPT);
    value = (struct wire_bytes){.data = version, .size = sizeof version};
    assert_int_equal(wire_metadata_parse(value, &head, NULL), ERR_CORRUPT);
    assert_int_equal(wire_metadata_parse(WIRE_NULL_BYTES, &head, NULL), ERR_CORRUPT);
}
