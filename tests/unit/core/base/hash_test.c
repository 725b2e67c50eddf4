/* hash_test.c - the fixed hash has the values that were published and stored. */
#include "support/test.h"

/* From the specification of XXH64: the empty input and "abc". */
TEST(hash_bytes_gives_the_published_values_of_xxh64)
{
    assert_true(hash_bytes("", 0, 0) == 0xef46db3751d8e999ull);
    assert_true(hash_text("abc") == 0x44bc2cf5ad770999ull);
}

TEST(hash_bytes_depends_on_every_bit_and_on_the_seed)
{
    uint8_t data[40] = {0};
    uint64_t plain = hash_bytes(data, sizeof data, 0);
    assert_true(hash_bytes(data, sizeof data, 1) != plain);
    for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(hash_bytes(data, sizeof data, 0) != plain);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

/* The first outputs of splitmix64 seeded with 1234567, as its authors' program prints them. */
TEST(rng_is_splitmix64)
{
    static const uint64_t expected[] = {6457827717110365317ull, 3203168211198807973ull,
                                        9817491932198370423ull, 4593380528125082431ull,
                                        16408922859458223821ull};
    struct rng rng = {.state = 1234567};
    for (int i = 0; i < COUNT_OF(expected); i++)
        assert_true(rng_next(&rng) == expected[i]);
}

TEST(hash_combine_knows_the_order)
{
    uint64_t ab = hash_combine(hash_combine(0, 1), 2);
    uint64_t ba = hash_combine(hash_combine(0, 2), 1);
    assert_true(ab != ba);
}

/* The empty text's value is published with XXH3; whatever the CPU has, the others are the same. */
TEST(digests_are_the_same_on_every_cpu)
{
    uint8_t data[5000];
    assert_true(hash_digest("", 0) == 0x2d06800538d394c2ull);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    for (size_t size = 0; size <= sizeof data; size += 1 + size / 50)
        assert_true(hash_digest(data, size) == hash_digest_plain(data, size));
}
