/* hash.c - XXH64, inlined from libxxhash so that no shared library decides what a hash is. */
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "base/hash.h"

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return XXH64(data, size, seed);
}

uint64_t hash_text(const char *text)
{
    return hash_bytes(text, strlen(text), 0);
}
