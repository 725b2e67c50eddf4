/* hash.h - a fixed 64-bit hash and its chain. Values may be stored and compared between builds;
 * never use them as a checksum. */
#ifndef KILN_BASE_HASH_H
#define KILN_BASE_HASH_H

#include "base/bytes.h"

/* Bijective, avalanching (the finaliser of splitmix64, Steele et al. 2014). */
static inline uint64_t hash_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

static inline uint64_t hash_combine(uint64_t h, uint64_t v)
{
    return hash_mix(h ^ (v + 0x9e3779b97f4a7c15ull + (h << 6) + (h >> 2)));
}

/* XXH64 of the bytes (by libxxhash, inlined). */
uint64_t hash_bytes(const void *data, size_t size, uint64_t seed);
uint64_t hash_text(const char *text);
/* XXH3 of the bytes: for what is long and only ever compared with another of its kind. */
uint64_t hash_digest(const void *data, size_t size);
/* Without what only some CPUs have: what the other way is tested against. */
uint64_t hash_digest_plain(const void *data, size_t size);

#endif
