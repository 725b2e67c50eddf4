/* messages_test.c - what the engine promises of every message, and of single fields. */
#include <stdlib.h>
#include "wire/wire.h"
#include "support/test.h"

#define ARENA_LIMIT (1 << 20)
#define ROUNDS 40

struct fixture {
    struct test_mem mem;
    struct arena arena;
    struct wire_out out;
    struct errmsg msg;
};

static void setup(struct fixture *f)
{
    *f = (struct fixture){0};
    test_mem_init(&f->mem);
    arena_init(&f->arena, &f->mem.mem, ARENA_LIMIT);
    wire_out_init(&f->out, &f->mem.mem);
}

static void teardown(struct fixture *f)
{
    wire_out_free(&f->out);
    arena_free(&f->arena);
    test_mem_done(&f->mem);
}

static struct bytes encoded(const struct fixture *f)
{
    return bytes_of(f->out.data, f->out.size);
}

static void round_trip(struct fixture *f, const struct wire_message *m, int version,
                       struct rng *rng)
{
    size_t size, used;
    arena_reset(&f->arena);
    wire_out_reset(&f->out);
    void *before = arena_alloc(&f->arena, m->size);
    void *after = arena_alloc(&f->arena, m->size);
    assert_ok(wire_generate(m, version, rng, &f->arena, before));
    assert_ok(wire_encode(m, version, before, &f->out));
    assert_ok(wire_size(m, version, before, &size));
    assert_int_equal(size, f->out.size);
    if (wire_decode(m, version, encoded(f), &used, after, &f->arena, &f->msg) != ERR_NONE)
        fail_msg("%s", f->msg.text);
    assert_int_equal(used, f->out.size);
    assert_true(wire_equal(m, before, after));
}

TEST(random_messages_of_every_version_survive_the_round_trip)
{
    struct fixture f;
    struct rng rng = {.state = 1};
    setup(&f);
    for (int i = 0; i < wire_message_count; i++) {
        const struct wire_message *m = wire_messages[i];
        for (int version = m->oldest; version <= m->newest; version++) {
            for (int round = 0; round < ROUNDS; round++)
                round_trip(&f, m, version, &rng);
        }
    }
    teardown(&f);
}

TEST(messages_that_differ_in_one_random_draw_are_not_equal)
{
    struct fixture f;
    struct rng rng = {.state = 2};
    setup(&f);
    int different = 0;
    for (int i = 0; i < 100; i++) {
        struct wire_metadata_response a, b;
        const struct wire_message *m = &wire_metadata_response_message;
        arena_reset(&f.arena);
        assert_ok(wire_generate(m, 9, &rng, &f.arena, &a));
        assert_ok(wire_generate(m, 9, &rng, &f.arena, &b));
        assert_true(wire_equal(m, &a, &a));
        different += !wire_equal(m, &a, &b);
    }
    assert_int_equal(different, 100);
    teardown(&f);
}

TEST(a_version_outside_of_the_message_is_unsupported_both_ways)
{
    struct fixture f;
    setup(&f);
    for (int i = 0; i < wire_message_count; i++) {
        const struct wire_message *m = wire_messages[i];
        const int versions[] = {m->oldest - 1, m->newest + 1, -32768, 32767};
        void *message = calloc(1, m->size + 1);
        for (int k = 0; k < COUNT_OF(versions); k++) {
            size_t size;
            assert_int_equal(
                wire_decode(m, versions[k], bytes_of("", 0), &size, message, &f.arena, &f.msg),
                ERR_UNSUPPORTED);
            assert_int_equal(wire_encode(m, versions[k], message, &f.out), ERR_UNSUPPORTED);
            assert_int_equal(wire_size(m, versions[k], message, &size), ERR_UNSUPPORTED);
        }
        free(message);
    }
    assert_int_equal(f.out.size, 0);
    teardown(&f);
}

TEST(the_path_of_the_broken_field_is_in_the_message)
{
    /* v3: no transactional id, acks 0, timeout 0, one topic "t", one partition, 9 of 100 bytes. */
    static const uint8_t in[] = {0xff, 0xff, 0, 0, 0, 0, 0, 0, 0,   0, 0, 1, 0, 1, 't', 0, 0, 0,
                                 1,    0,    0, 0, 7, 0, 0, 0, 100, 1, 2, 3, 4, 5, 6,   7, 8, 9};
    struct fixture f;
    struct wire_produce_request request;
    size_t used;
    setup(&f);
    assert_int_equal(wire_decode(&wire_produce_request_message, 3, bytes_of(in, sizeof in), &used,
                                 &request, &f.arena, &f.msg),
                     ERR_CORRUPT);
    assert_string_equal(f.msg.text, "produce_request v3: topic_data[0]: partition_data[0]: "
                                    "records: needs 100 bytes, 9 are left");
    teardown(&f);
}

TEST(records_of_a_produce_request_are_views_into_the_input)
{
    static uint8_t records[1000];
    struct fixture f;
    setup(&f);
    struct wire_produce_request_partition partition = {
        .index = 3, .records = {.data = records, .size = sizeof records}};
    struct wire_produce_request_topic topic = {
        .name = wire_text("t"), .partition_data_count = 1, .partition_data = &partition};
    struct wire_produce_request request = {.transactional_id = WIRE_NULL_STRING,
                                           .acks = -1,
                                           .topic_data_count = 1,
                                           .topic_data = &topic};
    assert_ok(wire_encode(&wire_produce_request_message, 9, &request, &f.out));
    struct wire_produce_request decoded;
    assert_ok(
        wire_decode(&wire_produce_request_message, 9, encoded(&f), NULL, &decoded, &f.arena, NULL));
    struct wire_bytes view = decoded.topic_data[0].partition_data[0].records;
    assert_int_equal(view.size, sizeof records);
    assert_true(view.data > f.out.data);
    assert_true(view.data + view.size <= f.out.data + f.out.size);
    teardown(&f);
}

/* ---- null, defaults, versions that lack a field ---- */

TEST(null_where_the_version_has_no_null_is_corrupt)
{
    static const uint8_t null_topics[] = {0xff, 0xff, 0xff, 0xff};
    struct fixture f;
    struct wire_metadata_request request;
    size_t used;
    setup(&f);
    struct bytes in = bytes_of(null_topics, sizeof null_topics);
    const struct wire_message *m = &wire_metadata_request_message;
    assert_int_equal(wire_decode(m, 0, in, &used, &request, &f.arena, NULL), ERR_CORRUPT);
    assert_ok(wire_decode(m, 1, in, &used, &request, &f.arena, NULL));
    assert_int_equal(request.topics_count, -1);
    assert_null(request.topics);
    teardown(&f);
}

TEST(null_where_the_version_has_no_null_does_not_encode)
{
    struct fixture f;
    setup(&f);
    struct wire_metadata_request request;
    wire_defaults(&wire_metadata_request_message, &request);
    request.topics_count = -1;
    assert_int_equal(wire_encode(&wire_metadata_request_message, 0, &request, &f.out), ERR_INVALID);
    assert_string_equal(f.out.field, "topics");
    assert_int_equal(f.out.size, 0);
    assert_ok(wire_encode(&wire_metadata_request_message, 1, &request, &f.out));
    teardown(&f);
}

TEST(a_length_below_minus_one_is_corrupt)
{
    static const uint8_t in[] = {0xff, 0xff, 0xff, 0xfe};
    struct fixture f;
    struct wire_metadata_request request;
    size_t used;
    setup(&f);
    assert_int_equal(wire_decode(&wire_metadata_request_message, 1, bytes_of(in, sizeof in), &used,
                                 &request, &f.arena, NULL),
                     ERR_CORRUPT);
    teardown(&f);
}

TEST(fields_that_a_version_lacks_get_their_defaults)
{
    struct fixture f;
    struct wire_fetch_request request;
    setup(&f);
    wire_defaults(&wire_fetch_request_message, &request);
    assert_ok(wire_encode(&wire_fetch_request_message, 4, &request, &f.out));
    memset(&request, 0xa5, sizeof request);
    assert_ok(
        wire_decode(&wire_fetch_request_message, 4, encoded(&f), NULL, &request, &f.arena, NULL));
    assert_int_equal(request.session_epoch, -1);
    assert_int_equal(request.cluster_id.size, -1);
    assert_int_equal(request.rack_id.size, 0);
    assert_int_equal(request.replica_state.replica_id, -1);
    assert_int_equal(request.replica_state.replica_epoch, -1);
    assert_int_equal(request.forgotten_topics_data_count, 0);
    teardown(&f);
}

TEST(a_set_field_that_the_version_lacks_is_an_error_and_leaves_no_byte)
{
    struct fixture f;
    struct wire_list_offsets_request request;
    setup(&f);
    wire_defaults(&wire_list_offsets_request_message, &request);
    request.isolation_level = 1;
    assert_int_equal(wire_encode(&wire_list_offsets_request_message, 1, &request, &f.out),
                     ERR_INVALID);
    assert_string_equal(f.out.field, "isolation_level");
    assert_int_equal(f.out.size, 0);
    assert_ok(wire_encode(&wire_list_offsets_request_message, 2, &request, &f.out));
    teardown(&f);
}

TEST(an_ignorable_field_that_the_version_lacks_is_dropped)
{
    struct fixture f;
    struct wire_list_offsets_response response;
    setup(&f);
    wire_defaults(&wire_list_offsets_response_message, &response);
    response.throttle_time_ms = 5;
    assert_ok(wire_encode(&wire_list_offsets_response_message, 1, &response, &f.out));
    assert_int_equal(f.out.size, 4);
    teardown(&f);
}

TEST(a_string_too_long_for_int16_does_not_encode_in_any_version)
{
    static char text[INT16_MAX + 1];
    struct fixture f;
    setup(&f);
    struct wire_init_producer_id_request request;
    wire_defaults(&wire_init_producer_id_request_message, &request);
    request.transactional_id = (struct wire_string){.data = text, .size = sizeof text};
    assert_int_equal(wire_encode(&wire_init_producer_id_request_message, 1, &request, &f.out),
                     ERR_INVALID);
    assert_int_equal(wire_encode(&wire_init_producer_id_request_message, 2, &request, &f.out),
                     ERR_INVALID);
    request.transactional_id.size--;
    assert_ok(wire_encode(&wire_init_producer_id_request_message, 2, &request, &f.out));
    teardown(&f);
}

TEST(a_compact_string_too_long_for_int16_is_corrupt)
{
    static uint8_t in[INT16_MAX + 100];
    struct fixture f;
    struct wire_init_producer_id_request request;
    size_t used;
    setup(&f);
    const struct wire_message *m = &wire_init_producer_id_request_message;
    wire_uvarint_put(in, INT16_MAX + 1);
    assert_ok(wire_decode(m, 2, bytes_of(in, sizeof in), &used, &request, &f.arena, &f.msg));
    wire_uvarint_put(in, INT16_MAX + 2);
    assert_int_equal(wire_decode(m, 2, bytes_of(in, sizeof in), &used, &request, &f.arena, &f.msg),
                     ERR_CORRUPT);
    assert_string_equal(f.msg.text,
                        "init_producer_id_request v2: transactional_id: a string of 32768 bytes");
    teardown(&f);
}

static bool equal_records(struct wire_bytes a, struct wire_bytes b)
{
    struct wire_fetch_response_partition x, y;
    wire_fetch_response_partition_defaults(&x);
    y = x;
    x.records = a;
    y.records = b;
    struct wire_fetch_response_topic tx = {.partitions_count = 1, .partitions = &x};
    struct wire_fetch_response_topic ty = {.partitions_count = 1, .partitions = &y};
    struct wire_fetch_response rx = {.responses_count = 1, .responses = &tx};
    struct wire_fetch_response ry = {.responses_count = 1, .responses = &ty};
    return wire_equal(&wire_fetch_response_message, &rx, &ry);
}

TEST(records_are_equal_when_their_bytes_are)
{
    struct wire_bytes null = WIRE_NULL_BYTES;
    struct wire_bytes empty = {.size = 0};
    struct wire_bytes empty_view = {.data = (const uint8_t *)"a", .size = 0};
    struct wire_bytes a = {.data = (const uint8_t *)"a", .size = 1};
    struct wire_bytes b = {.data = (const uint8_t *)"b", .size = 1};
    struct wire_bytes external = {.size = 1};
    assert_true(equal_records(null, null));
    assert_false(equal_records(null, empty));
    assert_true(equal_records(empty, empty_view));
    assert_true(equal_records(a, a));
    assert_false(equal_records(a, b));
    assert_false(equal_records(a, empty));
    assert_true(equal_records(external, external));
    assert_false(equal_records(a, external));
}

/* ---- tagged fields ---- */

static enum err decode_response_header(struct fixture *f, struct bytes in)
{
    struct wire_response_header header;
    return wire_decode(&wire_response_header_message, 1, in, NULL, &header, &f->arena, &f->msg);
}

TEST(unknown_tagged_fields_are_passed_over)
{
    static const uint8_t in[] = {0, 0, 0, 9, 2, 5, 3, 1, 2, 3, 0x80, 0x01, 0};
    struct fixture f;
    setup(&f);
    assert_ok(decode_response_header(&f, bytes_of(in, sizeof in)));
    teardown(&f);
}

TEST(a_tag_that_does_not_ascend_is_corrupt)
{
    static const uint8_t in[] = {0, 0, 0, 9, 2, 5, 0, 5, 0};
    struct fixture f;
    setup(&f);
    assert_int_equal(decode_response_header(&f, bytes_of(in, sizeof in)), ERR_CORRUPT);
    teardown(&f);
}

TEST(a_tagged_field_longer_than_its_message_is_corrupt)
{
    static const uint8_t in[] = {0, 0, 0, 9, 1, 5, 0x7f, 0};
    struct fixture f;
    setup(&f);
    assert_int_equal(decode_response_header(&f, bytes_of(in, sizeof in)), ERR_CORRUPT);
    teardown(&f);
}

TEST(a_huge_count_of_tagged_fields_ends_with_the_bytes)
{
    static const uint8_t in[] = {0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0x0f};
    struct fixture f;
    setup(&f);
    assert_int_equal(decode_response_header(&f, bytes_of(in, sizeof in)), ERR_CORRUPT);
    teardown(&f);
}

TEST(a_known_tagged_field_must_fill_its_size)
{
    /* api_versions_response v3: error 0, no keys, throttle 0, tag 1 (int64) with 9 bytes. */
    static const uint8_t in[] = {0, 0, 1, 0, 0, 0, 0, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 7, 0};
    struct fixture f;
    struct wire_api_versions_response response;
    setup(&f);
    assert_int_equal(wire_decode(&wire_api_versions_response_message, 3, bytes_of(in, sizeof in),
                                 NULL, &response, &f.arena, &f.msg),
                     ERR_CORRUPT);
    teardown(&f);
}

/* ---- counts from outside ---- */

TEST(a_count_beyond_the_bytes_left_allocates_nothing)
{
    static const uint8_t in[] = {0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0};
    struct fixture f;
    struct wire_metadata_request request;
    size_t used;
    setup(&f);
    assert_int_equal(wire_decode(&wire_metadata_request_message, 1, bytes_of(in, sizeof in), &used,
                                 &request, &f.arena, &f.msg),
                     ERR_CORRUPT);
    assert_int_equal(f.arena.total, 0);
    teardown(&f);
}

TEST(a_count_that_the_bytes_left_just_hold_decodes)
{
    /* Two topics with empty names of two bytes each; a third does not fit. */
    uint8_t in[] = {0, 0, 0, 2, 0, 0, 0, 0};
    struct fixture f;
    struct wire_metadata_request request;
    setup(&f);
    assert_ok(wire_decode(&wire_metadata_request_message, 1, bytes_of(in, sizeof in), NULL,
                          &request, &f.arena, &f.msg));
    assert_int_equal(request.topics_count, 2);
    in[3] = 3;
    f.arena.total = 0;
    assert_int_equal(wire_decode(&wire_metadata_request_message, 1, bytes_of(in, sizeof in), NULL,
                                 &request, &f.arena, &f.msg),
                     ERR_CORRUPT);
    assert_int_equal(f.arena.total, 0);
    teardown(&f);
}

TEST(the_arenas_limit_is_out_of_memory)
{
    static const uint8_t in[] = {0, 0, 0, 2, 0, 0, 0, 0};
    struct fixture f;
    struct wire_metadata_request request;
    setup(&f);
    f.arena.limit = sizeof(struct wire_metadata_request_topic) * 2 - 1;
    assert_int_equal(wire_decode(&wire_metadata_request_message, 1, bytes_of(in, sizeof in), NULL,
                                 &request, &f.arena, &f.msg),
                     ERR_NOMEM);
    teardown(&f);
}

TEST(bytes_behind_the_message_are_an_error_only_without_used)
{
    static const uint8_t in[] = {0, 0, 0, 9, 77};
    struct fixture f;
    struct wire_response_header header;
    size_t used;
    setup(&f);
    const struct wire_message *m = &wire_response_header_message;
    assert_ok(wire_decode(m, 0, bytes_of(in, sizeof in), &used, &header, &f.arena, NULL));
    assert_int_equal(used, 4);
    assert_int_equal(wire_decode(m, 0, bytes_of(in, sizeof in), NULL, &header, &f.arena, NULL),
                     ERR_CORRUPT);
    teardown(&f);
}

/* librdkafka 2.3 to 2.16 writes three bytes more than Metadata v9+ for all topics has. */
TEST(bytes_behind_a_request_are_passed_over)
{
    static const uint8_t in[] = {0, 0, 0, 0, 0, 1, 0, 0};
    const struct wire_message *m = &wire_metadata_request_message;
    struct fixture f;
    struct wire_metadata_request request;
    setup(&f);
    for (size_t size = 4; size <= sizeof in; size++) {
        assert_ok(wire_decode_request(m, 12, bytes_of(in, size), &request, &f.arena, &f.msg));
        assert_int_equal(request.topics_count, -1);
    }
    assert_int_equal(wire_decode(m, 12, bytes_of(in, sizeof in), NULL, &request, &f.arena, &f.msg),
                     ERR_CORRUPT);
    assert_int_equal(wire_decode_request(m, 12, bytes_of(in, 3), &request, &f.arena, &f.msg),
                     ERR_CORRUPT);
    teardown(&f);
}

/* A cluster id (tag 0) of two bytes whose size says one, and once more behind tag 9, where it says
 * five: Kafka's reader does not look. */
TEST(tagged_fields_of_a_request_may_lie_come_again_and_in_any_order)
{
    enum { FIXED = 25 }; /* bytes of a fetch before its arrays */
    static const uint8_t behind[] = {1, 1, 1, 3, 0, 1, 3, 'a', 'b', 9, 1, 8, 0, 5, 3, 'c', 'd'};
    uint8_t in[FIXED + sizeof behind] = {0};
    memcpy(in + FIXED, behind, sizeof behind);
    const struct wire_message *m = &wire_fetch_request_message;
    struct fixture f;
    struct wire_fetch_request request;
    setup(&f);
    assert_ok(wire_decode_request(m, 12, bytes_of(in, sizeof in), &request, &f.arena, &f.msg));
    assert_int_equal(request.cluster_id.size, 2);
    assert_memory_equal(request.cluster_id.data, "cd", 2);
    assert_int_equal(wire_decode(m, 12, bytes_of(in, sizeof in), NULL, &request, &f.arena, &f.msg),
                     ERR_CORRUPT);
    teardown(&f);
}

/* Below zero is null, and 32 bits are all that count. */
TEST(compact_lengths_of_a_request_have_32_bits)
{
    static const uint8_t lengths[][6] = {
        {1, 0}, {2, 0x80, 0}, {5, 0xff, 0xff, 0xff, 0xff, 0x0f}, {5, 0xff, 0xff, 0xff, 0xff, 0x7f}};
    const struct wire_message *m = &wire_metadata_request_message;
    struct fixture f;
    struct wire_metadata_request request;
    setup(&f);
    for (int i = 0; i < COUNT_OF(lengths); i++) {
        uint8_t in[16] = {0};
        memcpy(in, lengths[i] + 1, lengths[i][0]);
        size_t size = lengths[i][0] + 4u;
        assert_ok(wire_decode_request(m, 9, bytes_of(in, size), &request, &f.arena, &f.msg));
        assert_int_equal(request.topics_count, -1);
    }
    static const uint8_t large[] = {0x80, 0x80, 0x80, 0x80, 0x08, 0, 0, 0, 0};
    static const uint8_t six[] = {0x81, 0x80, 0x80, 0x80, 0x80, 0, 0, 0, 0, 0};
    assert_int_equal(
        wire_decode_request(m, 9, bytes_of(large, sizeof large), &request, &f.arena, &f.msg),
        ERR_CORRUPT);
    assert_int_equal(
        wire_decode_request(m, 9, bytes_of(six, sizeof six), &request, &f.arena, &f.msg),
        ERR_CORRUPT);
    static const uint8_t negative_tags[] = {0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f};
    assert_ok(wire_decode_request(m, 9, bytes_of(negative_tags, sizeof negative_tags), &request,
                                  &f.arena, &f.msg));
    teardown(&f);
}

static enum err decode_name(struct fixture *f, const char *name, size_t size, bool of_request,
                            struct wire_string *out)
{
    static uint8_t in[6 + INT16_MAX];
    struct wire_metadata_request request;
    put_u32(in, 1);
    put_u16(in + 4, (uint16_t)size);
    memcpy(in + 6, name, size);
    const struct wire_message *m = &wire_metadata_request_message;
    struct bytes bytes = bytes_of(in, 6 + size);
    enum err e = of_request ? wire_decode_request(m, 1, bytes, &request, &f->arena, &f->msg)
                            : wire_decode(m, 1, bytes, NULL, &request, &f->arena, &f->msg);
    if (e == ERR_NONE)
        *out = request.topics[0].name;
    return e;
}

/* It comes back in the answer, and clients break on an answer that is no text. */
TEST(text_of_a_request_that_is_no_utf8_is_what_java_makes_of_it)
{
    static const char name[] = "ab\xe2\x28\xa1"
                               "cd\xed\xa0\x80\u20ac";
    struct fixture f;
    struct wire_string text;
    setup(&f);
    assert_ok(decode_name(&f, name, sizeof name - 1, true, &text));
    assert_true(wire_string_equal(text, wire_text("ab\ufffd(\ufffdcd\ufffd\u20ac")));
    assert_ok(decode_name(&f, name, sizeof name - 1, false, &text));
    assert_int_equal(text.size, sizeof name - 1);
    static char many[INT16_MAX];
    memset(many, 0xff, sizeof many);
    assert_ok(decode_name(&f, many, INT16_MAX / 3, true, &text));
    assert_int_equal(text.size, INT16_MAX / 3 * 3);
    assert_int_equal(decode_name(&f, many, INT16_MAX / 3 + 1, true, &text), ERR_CORRUPT);
    teardown(&f);
}

/* ---- external records ---- */

/* A fetch answer of two partitions, the first with 1000 external bytes, the second with 5 here. */
static void encode_fetch(struct fixture *f, const uint8_t *first, int version)
{
    struct wire_fetch_response_partition partitions[2];
    for (int i = 0; i < 2; i++) {
        wire_fetch_response_partition_defaults(&partitions[i]);
        partitions[i].partition_index = i;
    }
    partitions[0].records = (struct wire_bytes){.data = first, .size = 1000};
    partitions[1].records = (struct wire_bytes){.data = (const uint8_t *)"hello", .size = 5};
    struct wire_fetch_response_topic topic = {.partitions_count = 2, .partitions = partitions};
    struct wire_fetch_response response = {.responses_count = 1, .responses = &topic};
    assert_ok(wire_encode(&wire_fetch_response_message, version, &response, &f->out));
}

TEST(external_records_leave_a_gap_where_their_bytes_belong)
{
    uint8_t records[1000];
    memset(records, 'r', sizeof records);
    for (int version = 4; version <= 18; version++) {
        struct fixture whole, parts;
        setup(&whole);
        setup(&parts);
        encode_fetch(&whole, records, version);
        encode_fetch(&parts, NULL, version);
        assert_int_equal(whole.out.gap_count, 0);
        assert_int_equal(parts.out.gap_count, 1);
        struct wire_gap gap = parts.out.gaps[0];
        assert_int_equal(gap.size, 1000);
        assert_int_equal(parts.out.size + 1000, whole.out.size);
        assert_memory_equal(parts.out.data, whole.out.data, gap.offset);
        assert_memory_equal(records, whole.out.data + gap.offset, 1000);
        assert_memory_equal(parts.out.data + gap.offset, whole.out.data + gap.offset + 1000,
                            parts.out.size - gap.offset);
        teardown(&whole);
        teardown(&parts);
    }
}

TEST(gaps_count_from_the_start_of_what_was_encoded_before)
{
    struct fixture f;
    struct wire_response_header header = {.correlation_id = 7};
    setup(&f);
    encode_fetch(&f, NULL, 12);
    size_t offset = f.out.gaps[0].offset;
    wire_out_reset(&f.out);
    assert_ok(wire_encode(&wire_response_header_message, 1, &header, &f.out));
    encode_fetch(&f, NULL, 12);
    assert_int_equal(f.out.gaps[0].offset, offset + 5);
    teardown(&f);
}

TEST(fixed_bytes_that_are_too_few_are_a_limit)
{
    uint8_t data[4];
    struct wire_out out;
    struct wire_response_header header = {.correlation_id = 0x01020304};
    wire_out_fixed(&out, data, 3);
    assert_int_equal(wire_encode(&wire_response_header_message, 0, &header, &out), ERR_LIMIT);
    assert_int_equal(out.size, 0);
    wire_out_fixed(&out, data, 4);
    assert_ok(wire_encode(&wire_response_header_message, 0, &header, &out));
    assert_memory_equal(data, "\1\2\3\4", 4);
    assert_int_equal(wire_encode(&wire_response_header_message, 0, &header, &out), ERR_LIMIT);
}

TEST(a_refused_allocation_for_gaps_leaves_the_bytes_as_they_were)
{
    struct fixture f;
    struct wire_fetch_response_partition partition;
    struct wire_fetch_response_topic topic = {.partitions_count = 1, .partitions = &partition};
    struct wire_fetch_response response = {.responses_count = 1, .responses = &topic};
    setup(&f);
    wire_fetch_response_partition_defaults(&partition);
    partition.records.size = 10;
    f.mem.fail_at = 2;
    assert_int_equal(wire_encode(&wire_fetch_response_message, 4, &response, &f.out), ERR_NOMEM);
    assert_int_equal(f.out.size, 0);
    assert_int_equal(f.out.gap_count, 0);
    assert_ok(wire_encode(&wire_fetch_response_message, 4, &response, &f.out));
    teardown(&f);
}

/* ---- APIs and headers ---- */

TEST(every_api_agrees_with_its_messages)
{
    for (int i = 0; i < wire_api_count; i++) {
        const struct wire_api *api = &wire_apis[i];
        assert_ptr_equal(wire_api(api->key), api);
        assert_int_equal(api->request->key, api->key);
        assert_int_equal(api->response->key, api->key);
        assert_int_equal(api->request->oldest, api->response->oldest);
        assert_int_equal(api->request->newest, api->response->newest);
        assert_int_equal(api->request->flexible_since, api->response->flexible_since);
        assert_true(api->advertised_oldest <= api->request->oldest);
        assert_true(i == 0 || api->key > wire_apis[i - 1].key);
        assert_true(api->listeners != 0);
    }
    assert_null(wire_api(9));
    assert_null(wire_api(-1));
}

TEST(produce_is_advertised_from_0_and_served_from_3)
{
    const struct wire_api *produce = wire_api(0);
    assert_int_equal(produce->advertised_oldest, 0);
    assert_false(wire_api_serves(produce, 2));
    assert_true(wire_api_serves(produce, 3));
    assert_true(wire_api_serves(produce, 13));
    assert_false(wire_api_serves(produce, 14));
}

/* Of what Kafka 4.3.1 offers by each listener (kafka-api-versions-4.3.1.txt). */
TEST(what_moves_votes_is_asked_on_controllers_listeners_alone)
{
    static const int16_t controllers_alone[] = {52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73};
    static const int16_t both[] = {1, 17, 18, 19, 20, 32, 33, 36, 37, 43, 44, 55, 57, 60, 64};
    int alone = 0;
    for (int i = 0; i < COUNT_OF(controllers_alone); i++)
        assert_int_equal(wire_api(controllers_alone[i])->listeners, WIRE_ON_CONTROLLER);
    for (int i = 0; i < COUNT_OF(both); i++)
        assert_int_equal(wire_api(both[i])->listeners, WIRE_ON_BROKER | WIRE_ON_CONTROLLER);
    for (int i = 0; i < wire_api_count; i++)
        alone += wire_apis[i].listeners == WIRE_ON_BROKER;
    assert_int_equal(alone + COUNT_OF(controllers_alone) + COUNT_OF(both), wire_api_count);
}

TEST(an_answer_to_api_versions_never_has_a_flexible_header)
{
    for (int16_t version = 0; version <= 5; version++)
        assert_int_equal(wire_response_header_version(wire_api(18), version), 0);
    assert_int_equal(wire_response_header_version(wire_api(0), 8), 0);
    assert_int_equal(wire_response_header_version(wire_api(0), 9), 1);
    assert_int_equal(wire_request_header_version(wire_api(18), 3), 2);
    assert_int_equal(wire_request_header_version(wire_api(18), 2), 1);
}

TEST(request_headers_decode_in_the_version_that_they_tell)
{
    /* Metadata v9 is flexible: the client id is not compact, but tagged fields follow. */
    static const uint8_t flexible[] = {0, 3, 0, 9, 0, 0, 0, 5, 0, 2, 'm', 'e', 0, 0xaa};
    static const uint8_t plain[] = {0, 3, 0, 8, 0, 0, 0, 5, 0xff, 0xff, 0xaa};
    struct wire_request_header header;
    size_t used;
    assert_ok(
        wire_decode_request_header(bytes_of(flexible, sizeof flexible), &used, &header, NULL));
    assert_int_equal(used, 13);
    assert_int_equal(header.correlation_id, 5);
    assert_true(wire_string_equal(header.client_id, wire_text("me")));
    assert_ok(wire_decode_request_header(bytes_of(plain, sizeof plain), &used, &header, NULL));
    assert_int_equal(used, 10);
    assert_int_equal(header.client_id.size, -1);
}

TEST(the_header_of_an_unknown_key_or_version_decodes)
{
    static const uint8_t key[] = {0x7f, 0, 0, 0, 0, 0, 0, 6, 0xff, 0xff};
    static const uint8_t version[] = {0, 18, 0, 99, 0, 0, 0, 6, 0, 1, 'x', 0};
    struct wire_request_header header;
    size_t used;
    assert_ok(wire_decode_request_header(bytes_of(key, sizeof key), &used, &header, NULL));
    assert_int_equal(header.request_api_key, 0x7f00);
    assert_ok(wire_decode_request_header(bytes_of(version, sizeof version), &used, &header, NULL));
    assert_int_equal(header.request_api_version, 99);
    assert_int_equal(header.correlation_id, 6);
}

TEST(a_header_cut_short_is_corrupt_at_every_length)
{
    static const uint8_t in[] = {0, 3, 0, 9, 0, 0, 0, 5, 0, 2, 'm', 'e', 0};
    for (size_t size = 0; size < sizeof in; size++) {
        struct wire_request_header header;
        struct errmsg msg = {0};
        size_t used;
        assert_int_equal(wire_decode_request_header(bytes_of(in, size), &used, &header, &msg),
                         ERR_CORRUPT);
    }
}

TEST(metadata_records_are_found_by_their_type)
{
    assert_ptr_equal(wire_metadata_message(2), &wire_topic_record_message);
    assert_ptr_equal(wire_metadata_message(20), &wire_no_op_record_message);
    /* All of Kafka 4.3.1's: types 0 to 29 but three that were never used. */
    for (uint32_t type = 0; type < 32; type++) {
        bool none = type == 6 || type == 13 || type == 16 || type > 29;
        assert_int_equal(wire_metadata_message(type) == NULL, none);
    }
    assert_null(wire_metadata_message(UINT32_MAX)); /* key -1 of the control records */
}

/* ---- text ---- */

TEST(a_message_prints_as_one_line_of_json)
{
    struct fixture f;
    struct text text;
    setup(&f);
    struct wire_produce_request_partition partition = {.index = 1, .records = {.size = 70}};
    struct wire_produce_request_topic topic = {.name = wire_text("a\"b"),
                                               .topic_id = {.b = {[15] = 1}},
                                               .partition_data_count = 1,
                                               .partition_data = &partition};
    struct wire_produce_request request = {.transactional_id = WIRE_NULL_STRING,
                                           .acks = -1,
                                           .topic_data_count = 1,
                                           .topic_data = &topic};
    text_init(&text, &f.mem.mem);
    wire_print(&wire_produce_request_message, 12, &request, &text);
    assert_string_equal(text.data, "{\"transactional_id\":null,\"acks\":-1,\"timeout_ms\":0,"
                                   "\"topic_data\":[{\"name\":\"a\\\"b\",\"partition_data\":"
                                   "[{\"index\":1,\"records\":\"70 bytes\"}]}]}");
    text_free(&text);
    text_init(&text, &f.mem.mem);
    wire_print(&wire_produce_request_message, 13, &request, &text);
    assert_non_null(strstr(text.data, "{\"topic_id\":\"AAAAAAAAAAAAAAAAAAAAAQ\","));
    text_free(&text);
    teardown(&f);
}
