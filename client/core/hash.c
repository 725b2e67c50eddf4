/* hash.c - which partition a key belongs to: the same one for every client of Kafka's. */
#include "client/core/core.h"

#define MURMUR_SEED 0x9747b28cu
#define MURMUR_M 0x5bd1e995u
#define MURMUR_R 24

static uint32_t get_u32_little(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t client_murmur2(struct bytes key)
{
    const uint8_t *p = key.data;
    size_t left = key.size;
    uint32_t h = MURMUR_SEED ^ (uint32_t)key.size;
    for (; left >= 4; p += 4, left -= 4) {
        uint32_t k = get_u32_little(p) * MURMUR_M;
        k ^= k >> MURMUR_R;
        h = h * MURMUR_M ^ k * MURMUR_M;
    }
    if (left >= 3)
        h ^= (uint32_t)p[2] << 16;
    if (left >= 2)
        h ^= (uint32_t)p[1] << 8;
    if (left >= 1)
        h = (h ^ p[0]) * MURMUR_M;
    h ^= h >> 13;
    h *= MURMUR_M;
    return h ^ h >> 15;
}

int32_t client_partition_of(struct bytes key, int32_t partition_count)
{
    ASSERT(partition_count > 0);
    return (int32_t)(client_murmur2(key) & 0x7fffffff) % partition_count;
}
