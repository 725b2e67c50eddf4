/* hash_wide.c - XXH3 once more, compiled for AVX2 where the compiler can: the same values, with a
 * third of the instructions. Only hash.c calls it, once it has seen that the CPU can. */
#include "base/hash_wide.h"
#ifdef HASH_WIDE
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash_digest_wide(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}
#endif
