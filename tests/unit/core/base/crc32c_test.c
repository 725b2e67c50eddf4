/* crc32c_test.c - CRC-32C against published vectors, against its own table and against ISA-L. */
#include <isa-l/crc.h>
#include "support/test.h"

#define DATA_SIZE 20000

static void assert_both(uint32_t expected, const void *data, size_t size)
{
    assert_int_equal(crc32c(0, data, size), expected);
    assert_int_equal(crc32c_table(0, data, size), expected);
}

TEST(crc32c_of_the_digits_is_the_check_value)
{
    assert_both(0xe3069283, "123456789", 9);
    assert_both(0, "", 0);
}

/* RFC 3720 B.4. */
TEST(crc32c_gives_the_vectors_of_iscsi)
{
    uint8_t data[32];
    memset(data, 0, sizeof data);
    assert_both(0x8a9136aa, data, sizeof data);
    memset(data, 0xff, sizeof data);
    assert_both(0x62a8ab43, data, sizeof data);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    assert_both(0x46dd794e, data, sizeof data);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(31 - i);
    assert_both(0x113fdb5c, data, sizeof data);
}

static const uint8_t *random_bytes(void)
{
    static uint8_t data[DATA_SIZE];
    struct rng rng = {.state = 1};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)rng_next(&rng);
    return data;
}

/* Every length around the sizes of the interleaved blocks, at every alignment. */
TEST(crc32c_by_instruction_equals_the_table)
{
    const uint8_t *data = random_bytes();
    for (size_t size = 0; size < 3500; size++) {
        const uint8_t *p = data + size % 16;
        assert_int_equal(crc32c(7, p, size), crc32c_table(7, p, size));
    }
    assert_int_equal(crc32c(0, data, DATA_SIZE), crc32c_table(0, data, DATA_SIZE));
}

/* ISA-L takes and gives the register itself, which is the complement. */
TEST(crc32c_equals_isal)
{
    const uint8_t *data = random_bytes();
    struct rng rng = {.state = 2};
    for (int i = 0; i < 2000; i++) {
        size_t from = random_below(rng_next(&rng), DATA_SIZE);
        size_t size = random_below(rng_next(&rng), DATA_SIZE - from + 1);
        uint32_t begin = (uint32_t)rng_next(&rng);
        uint32_t theirs = ~crc32_iscsi((unsigned char *)data + from, (int)size, ~begin);
        assert_int_equal(crc32c(begin, data + from, size), theirs);
    }
}

TEST(crc32c_of_parts_is_the_crc_of_the_whole)
{
    const uint8_t *data = random_bytes();
    uint32_t whole = crc32c(0, data, DATA_SIZE);
    struct rng rng = {.state = 3};
    for (int i = 0; i < 200; i++) {
        size_t cut = random_below(rng_next(&rng), DATA_SIZE + 1);
        uint32_t first = crc32c(0, data, cut);
        assert_int_equal(crc32c(first, data + cut, DATA_SIZE - cut), whole);
    }
}
