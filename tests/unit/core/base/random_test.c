/* random_test.c - distributions: their bounds, their means, and that they never change. */
#include "support/test.h"

#define DRAWS 200000

TEST(random_below_keeps_its_bounds)
{
    assert_int_equal(random_below(0, 10), 0);
    assert_int_equal(random_below(UINT64_MAX, 10), 9);
    assert_int_equal(random_below(UINT64_MAX, 1), 0);
    assert_true(random_below(UINT64_MAX, UINT64_MAX) == UINT64_MAX - 1);
}

TEST(random_between_reaches_both_ends)
{
    assert_int_equal(random_between(0, -3, 3), -3);
    assert_int_equal(random_between(UINT64_MAX, -3, 3), 3);
    assert_int_equal(random_between(77, 5, 5), 5);
    assert_true(random_between(0, INT64_MIN, INT64_MAX - 1) == INT64_MIN);
    assert_true(random_between(UINT64_MAX, INT64_MIN + 1, INT64_MAX) == INT64_MAX);
    assert_int_equal(random_between(42, INT64_MIN, INT64_MAX), 42);
}

/* 100 boxes of 2,000 expected: the deviation is 44.5 a box; six of them are allowed. */
TEST(random_below_is_uniform)
{
    int boxes[100] = {0};
    struct rng rng = {.state = 51};
    for (int i = 0; i < DRAWS; i++)
        boxes[random_below(rng_next(&rng), 100)]++;
    for (int i = 0; i < 100; i++)
        assert_in_range(boxes[i], 2000 - 267, 2000 + 267);
}

TEST(random_chance_comes_true_as_often_as_it_says)
{
    struct rng rng = {.state = 52};
    int count = 0;
    for (int i = 0; i < DRAWS; i++) {
        uint64_t bits = rng_next(&rng);
        assert_false(random_chance(bits, 0, 7));
        assert_true(random_chance(bits, 7, 7));
        count += random_chance(bits, 1, 8);
    }
    assert_in_range(count, DRAWS / 8 - 900, DRAWS / 8 + 900);
}

/* -ln(x / 2^64) in units of 2^-32, bit by bit: squaring a mantissa doubles its logarithm. */
static uint64_t slow_minus_ln(uint64_t x)
{
    int zeros = __builtin_clzll(x);
    uint64_t mantissa = x << zeros, log = 0;
    for (int i = 0; i < 32; i++) {
        unsigned __int128 square = (unsigned __int128)mantissa * mantissa;
        bool two_or_more = square >> 127 & 1;
        mantissa = (uint64_t)(square >> (two_or_more ? 64 : 63));
        log = log << 1 | two_or_more;
    }
    uint64_t log2 = ((uint64_t)(zeros + 1) << 32) - log;
    return (uint64_t)((unsigned __int128)log2 * 0xb17217f8u >> 32);
}

TEST(random_exponential_is_the_logarithm)
{
    struct rng rng = {.state = 53};
    int64_t mean = 1ll << 32;
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rng_next(&rng);
        bits >>= random_below(rng_next(&rng), 25);
        if (bits == 0)
            continue;
        int64_t exact = MIN((int64_t)slow_minus_ln(bits), 20 * mean);
        int64_t error = random_exponential(bits, mean) - exact;
        assert_in_range(error + (1 << 18), 0, 1 << 19);
    }
}

TEST(random_exponential_is_cut_at_twenty_means)
{
    assert_int_equal(random_exponential(0, 1000), 20000);
    assert_int_equal(random_exponential(1, 1000), 20000);
    assert_int_equal(random_exponential(UINT64_MAX, 1000), 0);
    assert_int_equal(random_exponential(12345, 0), 0);
    assert_true(random_exponential(0, INT64_MAX) == INT64_MAX);
}

/* The mean of 200,000 draws deviates by 1/447 of the mean; six of them are allowed. */
TEST(random_exponential_has_the_mean_it_was_told)
{
    struct rng rng = {.state = 54};
    int64_t sum = 0;
    for (int i = 0; i < DRAWS; i++)
        sum += random_exponential(rng_next(&rng), 1000000);
    assert_in_range(sum / DRAWS, 1000000 - 13400, 1000000 + 13400);
}

/* Stored seeds mean these very values. */
TEST(random_exponential_never_changes)
{
    static const int64_t expected[] = {844014129, 3474753072, 187231302,
                                       78175504,  427329191,  1391285695};
    struct rng rng = {.state = 55};
    for (int i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(random_exponential(rng_next(&rng), 1000000000), expected[i]);
}

TEST(random_weighted_follows_the_weights)
{
    static const uint32_t weights[] = {0, 1, 0, 3, 4, 0};
    int counts[COUNT_OF(weights)] = {0};
    struct rng rng = {.state = 56};
    for (int i = 0; i < 80000; i++)
        counts[random_weighted(rng_next(&rng), weights, COUNT_OF(weights))]++;
    for (int i = 0; i < COUNT_OF(weights); i++) {
        int mean = (int)weights[i] * 10000;
        assert_in_range(counts[i], mean - MIN(mean, 900), mean + (mean > 0 ? 900 : 0));
    }
    assert_int_equal(random_weighted(0, weights, COUNT_OF(weights)), 1);
    assert_int_equal(random_weighted(UINT64_MAX, weights, COUNT_OF(weights)), 4);
}
