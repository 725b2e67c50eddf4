/* random.h - keyed random numbers and integer distributions: a draw is a pure function of its key,
 * so one draw more moves no other. */
#ifndef KILN_BASE_RANDOM_H
#define KILN_BASE_RANDOM_H

#include "base/hash.h"

/* A small stream for those who own one (generators, tests): splitmix64. Seed it by assignment. */
struct rng {
    uint64_t state;
};

static inline uint64_t rng_next(struct rng *rng)
{
    rng->state += 0x9e3779b97f4a7c15ull;
    return hash_mix(rng->state);
}

/* All of these turn 64 random bits into a value, with integers alone, so that every compiler
 * agrees. */

/* Uniform in [0, n); n > 0. Multiply-shift: the bias is below n / 2^64. */
uint64_t random_below(uint64_t bits, uint64_t n);
/* Uniform in [low, high]; low <= high. */
int64_t random_between(uint64_t bits, int64_t low, int64_t high);
/* True with a chance of part in whole; 0 < whole. */
bool random_chance(uint64_t bits, uint64_t part, uint64_t whole);
/* Exponentially distributed with that mean, cut at 20 means; a fixed-point table of logarithms.
 * mean >= 0. */
int64_t random_exponential(uint64_t bits, int64_t mean);
/* An index into weights, each with a chance proportional to its weight; the sum must be > 0 and fit
 * 32 bits. */
int random_weighted(uint64_t bits, const uint32_t *weights, int count);

#endif
