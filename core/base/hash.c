/* hash.c - XXH64 and XXH3, inlined from libxxhash so that no shared library decides what a hash is.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>
#include "base/hash.h"
#include "base/hash_wide.h"

uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return XXH64(data, size, seed);
}

uint64_t hash_digest_plain(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

uint64_t hash_digest(const void *data, size_t size)
{
#ifdef HASH_WIDE
    if (size > XXH3_MIDSIZE_MAX && __builtin_cpu_supports("avx2"))
        return hash_digest_wide(data, size);
#endif
    return hash_digest_plain(data, size);
}

uint64_t hash_text(const char *text)
{
    return hash_bytes(text, strlen(text), 0);
}
