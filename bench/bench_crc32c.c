/* bench_crc32c.c - how fast crc32c is, beside ISA-L and its own table, for sizes of record batches.
 *
 *   bench_crc32c     prints GB/s, the best of seven rounds each: others on the machine only slow it
 */
#include <isa-l/crc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "base/base.h"

#define BYTES_PER_ROUND (64 << 20)
#define ROUNDS 7

_Noreturn void panic(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, text);
    abort();
}

typedef uint32_t checksum(uint32_t crc, const void *data, size_t size);

static uint32_t by_isal(uint32_t crc, const void *data, size_t size)
{
    return ~crc32_iscsi((unsigned char *)data, (int)size, ~crc);
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Each CRC begins with the last one, so that none can be left out or begun before. */
static int64_t measure(checksum *function, const uint8_t *data, size_t size, uint32_t *crc)
{
    int64_t best = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = now_ns();
        for (size_t done = 0; done < BYTES_PER_ROUND; done += size)
            *crc = function(*crc, data, size);
        int64_t took = now_ns() - start;
        best = MIN(best, took);
    }
    return MAX(best, 1);
}

static double gigabytes(int64_t took_ns)
{
    return (double)BYTES_PER_ROUND / (double)took_ns;
}

int main(void)
{
    static const size_t sizes[] = {64, 256, 1024, 4096, 16384, 65536, 1 << 20};
    static uint8_t data[1 << 20];
    struct rng rng = {.state = 1};
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)rng_next(&rng);
    printf("%10s %10s %10s %10s  GB/s\n", "bytes", "crc32c", "isa-l", "table");
    for (int i = 0; i < COUNT_OF(sizes); i++) {
        uint32_t ours = 0, theirs = 0, tables = 0;
        int64_t ours_ns = measure(crc32c, data, sizes[i], &ours);
        int64_t theirs_ns = measure(by_isal, data, sizes[i], &theirs);
        int64_t tables_ns = measure(crc32c_table, data, sizes[i], &tables);
        ASSERT(ours == theirs);
        ASSERT(ours == tables);
        printf("%10zu %10.2f %10.2f %10.2f\n", sizes[i], gigabytes(ours_ns), gigabytes(theirs_ns),
               gigabytes(tables_ns));
    }
    return 0;
}
