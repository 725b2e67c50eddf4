/* text_test.c - ids, error codes and integers of variable length. */
#include <stdlib.h>
#include "wire/wire.h"
#include "support/test.h"

TEST(a_uuid_is_spelled_as_kafka_spells_it)
{
    struct wire_uuid uuid;
    char text[WIRE_UUID_TEXT_SIZE];
    for (int i = 0; i < 16; i++)
        uuid.b[i] = (uint8_t)(i + 4);
    wire_uuid_print(&uuid, text);
    assert_string_equal(text, "BAUGBwgJCgsMDQ4PEBESEw"); /* from kafka-messages.jsonl */
}

TEST(every_uuid_survives_its_spelling)
{
    struct rng rng = {.state = 3};
    for (int i = 0; i < 1000; i++) {
        struct wire_uuid before, after;
        char text[WIRE_UUID_TEXT_SIZE];
        for (int k = 0; k < 16; k++)
            before.b[k] = (uint8_t)rng_next(&rng);
        wire_uuid_print(&before, text);
        assert_ok(wire_uuid_parse(bytes_text(text), &after));
        assert_true(wire_uuid_equal(&before, &after));
    }
}

TEST(what_is_no_uuid_is_invalid)
{
    static const char *const texts[] = {
        "",
        "AAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAA+AAAAAAAAAAA",
        "AAAAAAAAAAAAAAAAAAAAAB", /* bits behind the sixteenth byte */
    };
    struct wire_uuid uuid;
    for (int i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(wire_uuid_parse(bytes_text(texts[i]), &uuid), ERR_INVALID);
    assert_int_equal(wire_uuid_parse(bytes_of("AAAAAAAAAAAAAAAAAAAA\0A", 22), &uuid), ERR_INVALID);
}

TEST(error_codes_have_kafkas_names)
{
    assert_int_equal(WIRE_ERROR_NOT_LEADER_OR_FOLLOWER, 6);
    assert_int_equal(WIRE_ERROR_UNSUPPORTED_VERSION, 35);
    assert_int_equal(WIRE_ERROR_INVALID_REQUEST, 42);
    assert_int_equal(WIRE_ERROR_KAFKA_STORAGE_ERROR, 56);
    assert_int_equal(WIRE_ERROR_INVALID_RECORD, 87);
    assert_int_equal(WIRE_ERROR_UNKNOWN_TOPIC_ID, 100);
    assert_string_equal(wire_error_name(-1), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(wire_error_name(45), "OUT_OF_ORDER_SEQUENCE_NUMBER");
    assert_string_equal(wire_error_name(133), "SHARE_SESSION_LIMIT_REACHED");
}

TEST(every_code_up_to_133_has_a_name_and_no_other)
{
    for (int code = -1; code <= 133; code++)
        assert_string_not_equal(wire_error_name((int16_t)code), "UNKNOWN_ERROR");
    assert_string_equal(wire_error_name(134), "UNKNOWN_ERROR");
    assert_string_equal(wire_error_name(-2), "UNKNOWN_ERROR");
    assert_string_equal(wire_error_name(INT16_MIN), "UNKNOWN_ERROR");
    assert_string_equal(wire_error_name(INT16_MAX), "UNKNOWN_ERROR");
    assert_true(wire_error_text(INT16_MAX)[0] != 0);
}

static const uint64_t edges[] = {0,          1,          127,        128,
                                 16383,      16384,      2097151,    2097152,
                                 268435455,  268435456,  INT32_MAX,  UINT32_MAX,
                                 1ull << 35, 1ull << 42, 1ull << 49, (1ull << 56) - 1,
                                 1ull << 56, 1ull << 63, UINT64_MAX};

TEST(variable_length_integers_survive_at_their_edges)
{
    for (int i = 0; i < COUNT_OF(edges); i++) {
        uint8_t p[WIRE_VARLONG_MAX];
        uint64_t wide;
        uint32_t narrow;
        int size = wire_uvarint_put(p, edges[i]);
        assert_int_equal(size, wire_uvarint_size(edges[i]));
        assert_int_equal(wire_uvarlong_get(p, (size_t)size, &wide), size);
        assert_true(wide == edges[i]);
        assert_int_equal(wire_uvarlong_get(p, (size_t)size - 1, &wide), 0);
        int narrow_size = wire_uvarint_get(p, (size_t)size, &narrow);
        assert_int_equal(narrow_size, edges[i] <= UINT32_MAX ? size : 0);
        assert_true(narrow_size == 0 || narrow == edges[i]);
    }
}

TEST(zigzag_keeps_small_numbers_short_whatever_their_sign)
{
    assert_int_equal(wire_zigzag32(0), 0);
    assert_int_equal(wire_zigzag32(-1), 1);
    assert_int_equal(wire_zigzag32(1), 2);
    assert_int_equal(wire_zigzag32(INT32_MIN), UINT32_MAX);
    assert_true(wire_zigzag64(INT64_MIN) == UINT64_MAX);
    for (int i = 0; i < COUNT_OF(edges); i++) {
        int64_t v = (int64_t)edges[i];
        assert_true(wire_unzigzag64(wire_zigzag64(v)) == v);
        assert_true(wire_unzigzag64(wire_zigzag64(-v)) == -v);
        assert_true(wire_unzigzag32(wire_zigzag32((int32_t)v)) == (int32_t)v);
    }
}

TEST(a_variable_length_integer_that_does_not_fit_is_refused)
{
    static const uint8_t five[] = {0xff, 0xff, 0xff, 0xff, 0x10};
    static const uint8_t six[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    static const uint8_t ten[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    uint64_t wide;
    uint32_t narrow;
    assert_int_equal(wire_uvarint_get(five, sizeof five, &narrow), 0);
    assert_int_equal(wire_uvarint_get(six, sizeof six, &narrow), 0);
    assert_int_equal(wire_uvarlong_get(ten, sizeof ten, &wide), 0);
    assert_int_equal(wire_uvarlong_get(ten, 0, &wide), 0);
}
