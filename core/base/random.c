/* random.c - random bits made into values, with integers alone: no compiler, no maths library can
 * disagree about them. */
#include "base/random.h"

#define EXPONENTIAL_MEANS_MAX 20
#define LN2_Q32 0xb17217f8u /* ln 2 in units of 2^-32 */
#define LOG_STEPS 64

uint64_t random_below(uint64_t bits, uint64_t n)
{
    ASSERT(n > 0);
    return (uint64_t)((unsigned __int128)bits * n >> 64);
}

int64_t random_between(uint64_t bits, int64_t low, int64_t high)
{
    ASSERT(low <= high);
    uint64_t count = (uint64_t)high - (uint64_t)low + 1;
    if (count == 0) /* the whole of int64 */
        return (int64_t)bits;
    return (int64_t)((uint64_t)low + random_below(bits, count));
}

bool random_chance(uint64_t bits, uint64_t part, uint64_t whole)
{
    return random_below(bits, whole) < part;
}

/* log2(1 + i / 64) in units of 2^-31. */
static const uint32_t log_steps[LOG_STEPS + 1] = {
    0x00000000, 0x02dcf2d1, 0x05aeb4dd, 0x08759c50, 0x0b31fb7d, 0x0de42120, 0x108c588d, 0x132ae9e2,
    0x15c01a3a, 0x184c2bd0, 0x1acf5e2e, 0x1d49ee4c, 0x1fbc16b9, 0x22260fb6, 0x24880f56, 0x26e2499d,
    0x2934f098, 0x2b803474, 0x2dc4439b, 0x30014ac6, 0x32377512, 0x3466ec15, 0x368fd7ee, 0x38b25f5a,
    0x3acea7c0, 0x3ce4d544, 0x3ef50ad2, 0x40ff6a2e, 0x43041403, 0x450327eb, 0x46fcc47a, 0x48f10751,
    0x4ae00d1d, 0x4cc9f1ab, 0x4eaecfeb, 0x508ec1fa, 0x5269e12f, 0x5440461c, 0x5612089a, 0x57df3fd0,
    0x59a80239, 0x5b6c65aa, 0x5d2c7f59, 0x5ee863e5, 0x60a02757, 0x6253dd2c, 0x64039858, 0x65af6b4b,
    0x675767f5, 0x68fb9fce, 0x6a9c23d6, 0x6c39049b, 0x6dd2523d, 0x6f681c73, 0x70fa728c, 0x72896373,
    0x7414fdb5, 0x759d4f81, 0x772266ad, 0x78a450b8, 0x7a231ace, 0x7b9ed1c7, 0x7d17822f, 0x7e8d3846,
    0x80000000,
};

/* -log2(x / 2^64) in units of 2^-32, for x > 0; straight lines between the steps, which is off by
 * less than 2^-14. */
static uint64_t minus_log2(uint64_t x)
{
    int zeros = __builtin_clzll(x);
    uint64_t mantissa = x << zeros; /* 1.xxx with the point behind bit 63 */
    uint64_t step = mantissa >> 57 & (LOG_STEPS - 1);
    uint64_t between = mantissa >> 25 & UINT32_MAX; /* of the way to the next step, 2^-32 */
    uint64_t low = log_steps[step], high = log_steps[step + 1];
    uint64_t log = 2 * low + ((high - low) * between >> 31);
    return ((uint64_t)(zeros + 1) << 32) - log;
}

int64_t random_exponential(uint64_t bits, int64_t mean)
{
    ASSERT(mean >= 0);
    uint64_t means = minus_log2(MAX(bits, 1)) * (unsigned __int128)LN2_Q32 >> 32;
    means = MIN(means, (uint64_t)EXPONENTIAL_MEANS_MAX << 32);
    unsigned __int128 value = (unsigned __int128)means * (uint64_t)mean >> 32;
    return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

int random_weighted(uint64_t bits, const uint32_t *weights, int count)
{
    uint64_t sum = 0;
    for (int i = 0; i < count; i++)
        sum += weights[i];
    ASSERT(sum > 0);
    ASSERT(sum <= UINT32_MAX);
    uint64_t drawn = random_below(bits, sum);
    for (int i = 0; i < count; i++) {
        if (drawn < weights[i])
            return i;
        drawn -= weights[i];
    }
    UNREACHABLE();
}
