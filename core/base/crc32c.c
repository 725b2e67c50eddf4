/* crc32c.c - CRC-32C by eight tables, by SSE4.2 in three interleaved streams, or by ARMv8's
 * instruction; all give the same. */
#include <string.h>
#include "base/crc32c.h"

/* A CRC is linear: a table's entry is the exclusive or of its entries for the single bits, so eight
 * numbers say a whole table. Row k: a byte's bits, moved on by k + 1 bytes. */
#define BIT(i, b, value) ((i) >> (b)&1 ? (value) : 0u)
#define ENTRY_0(i)                                                                                 \
    (BIT(i, 0, 0xf26b8303u) ^ BIT(i, 1, 0xe13b70f7u) ^ BIT(i, 2, 0xc79a971fu) ^                    \
     BIT(i, 3, 0x8ad958cfu) ^ BIT(i, 4, 0x105ec76fu) ^ BIT(i, 5, 0x20bd8edeu) ^                    \
     BIT(i, 6, 0x417b1dbcu) ^ BIT(i, 7, 0x82f63b78u))
#define ENTRY_1(i)                                                                                 \
    (BIT(i, 0, 0x13a29877u) ^ BIT(i, 1, 0x274530eeu) ^ BIT(i, 2, 0x4e8a61dcu) ^                    \
     BIT(i, 3, 0x9d14c3b8u) ^ BIT(i, 4, 0x3fc5f181u) ^ BIT(i, 5, 0x7f8be302u) ^                    \
     BIT(i, 6, 0xff17c604u) ^ BIT(i, 7, 0xfbc3faf9u))
#define ENTRY_2(i)                                                                                 \
    (BIT(i, 0, 0xa541927eu) ^ BIT(i, 1, 0x4f6f520du) ^ BIT(i, 2, 0x9edea41au) ^                    \
     BIT(i, 3, 0x38513ec5u) ^ BIT(i, 4, 0x70a27d8au) ^ BIT(i, 5, 0xe144fb14u) ^                    \
     BIT(i, 6, 0xc76580d9u) ^ BIT(i, 7, 0x8b277743u))
#define ENTRY_3(i)                                                                                 \
    (BIT(i, 0, 0xdd45aab8u) ^ BIT(i, 1, 0xbf672381u) ^ BIT(i, 2, 0x7b2231f3u) ^                    \
     BIT(i, 3, 0xf64463e6u) ^ BIT(i, 4, 0xe964b13du) ^ BIT(i, 5, 0xd725148bu) ^                    \
     BIT(i, 6, 0xaba65fe7u) ^ BIT(i, 7, 0x52a0c93fu))
#define ENTRY_4(i)                                                                                 \
    (BIT(i, 0, 0x38116facu) ^ BIT(i, 1, 0x7022df58u) ^ BIT(i, 2, 0xe045beb0u) ^                    \
     BIT(i, 3, 0xc5670b91u) ^ BIT(i, 4, 0x8f2261d3u) ^ BIT(i, 5, 0x1ba8b557u) ^                    \
     BIT(i, 6, 0x37516aaeu) ^ BIT(i, 7, 0x6ea2d55cu))
#define ENTRY_5(i)                                                                                 \
    (BIT(i, 0, 0xef306b19u) ^ BIT(i, 1, 0xdb8ca0c3u) ^ BIT(i, 2, 0xb2f53777u) ^                    \
     BIT(i, 3, 0x6006181fu) ^ BIT(i, 4, 0xc00c303eu) ^ BIT(i, 5, 0x85f4168du) ^                    \
     BIT(i, 6, 0x0e045bebu) ^ BIT(i, 7, 0x1c08b7d6u))
#define ENTRY_6(i)                                                                                 \
    (BIT(i, 0, 0x68032cc8u) ^ BIT(i, 1, 0xd0065990u) ^ BIT(i, 2, 0xa5e0c5d1u) ^                    \
     BIT(i, 3, 0x4e2dfd53u) ^ BIT(i, 4, 0x9c5bfaa6u) ^ BIT(i, 5, 0x3d5b83bdu) ^                    \
     BIT(i, 6, 0x7ab7077au) ^ BIT(i, 7, 0xf56e0ef4u))
#define ENTRY_7(i)                                                                                 \
    (BIT(i, 0, 0x493c7d27u) ^ BIT(i, 1, 0x9278fa4eu) ^ BIT(i, 2, 0x211d826du) ^                    \
     BIT(i, 3, 0x423b04dau) ^ BIT(i, 4, 0x847609b4u) ^ BIT(i, 5, 0x0d006599u) ^                    \
     BIT(i, 6, 0x1a00cb32u) ^ BIT(i, 7, 0x34019664u))

#define FOUR(entry, i) entry(i), entry(i + 1), entry(i + 2), entry(i + 3)
#define SIXTEEN(entry, i)                                                                          \
    FOUR(entry, i), FOUR(entry, i + 4), FOUR(entry, i + 8), FOUR(entry, i + 12)
#define SIXTY_FOUR(entry, i)                                                                       \
    SIXTEEN(entry, i), SIXTEEN(entry, i + 16), SIXTEEN(entry, i + 32), SIXTEEN(entry, i + 48)
#define TABLE(entry)                                                                               \
    {                                                                                              \
        SIXTY_FOUR(entry, 0u), SIXTY_FOUR(entry, 64u), SIXTY_FOUR(entry, 128u),                    \
            SIXTY_FOUR(entry, 192u)                                                                \
    }

static const uint32_t tables[8][256] = {
    TABLE(ENTRY_0), TABLE(ENTRY_1), TABLE(ENTRY_2), TABLE(ENTRY_3),
    TABLE(ENTRY_4), TABLE(ENTRY_5), TABLE(ENTRY_6), TABLE(ENTRY_7),
};

/* The tables see bytes in order of their significance: little end first on every machine. */
static uint32_t load_u32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static uint32_t eight_by_table(uint32_t crc, const uint8_t *p)
{
    uint32_t low = crc ^ load_u32(p);
    uint32_t high = load_u32(p + 4);
    return tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^ tables[5][low >> 16 & 0xff] ^
           tables[4][low >> 24] ^ tables[3][high & 0xff] ^ tables[2][high >> 8 & 0xff] ^
           tables[1][high >> 16 & 0xff] ^ tables[0][high >> 24];
}

uint32_t crc32c_table(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;
    crc = ~crc;
    for (; size >= 8; size -= 8, p += 8)
        crc = eight_by_table(crc, p);
    for (; size > 0; size--)
        crc = crc >> 8 ^ tables[0][(crc ^ *p++) & 0xff];
    return ~crc;
}

#if defined(__x86_64__) || defined(__AARCH64EL__)

static inline uint64_t load_word(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

#endif

#if defined(__x86_64__)
#include <nmmintrin.h>
#include <wmmintrin.h>

#define WITH_SSE __attribute__((target("sse4.2,pclmul")))

/* The instruction takes three cycles but can begin anew in each, so three runs of a block go side
 * by side. A block's CRC moves over the n bytes behind it by a product with x^(8n - 33) modulo the
 * polynomial: the product of two reflected halves is short of one x, the instruction adds 32. */
struct blocks {
    size_t size;
    uint32_t over_one, over_two; /* x^(8 size - 33), x^(16 size - 33) */
};

static const struct blocks block_sizes[] = {
    {1024, 0x170076fa, 0xa51b6135},
    {256, 0xb9e02b86, 0xdd7e3b0c},
    {64, 0x9e4addf8, 0x0d3b6092},
};

WITH_SSE static inline uint32_t move_over(uint32_t crc, uint32_t power)
{
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), _mm_cvtsi32_si128((int)power), 0);
    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

WITH_SSE static uint32_t three_blocks(uint32_t crc, const uint8_t *p, const struct blocks *blocks)
{
    size_t size = blocks->size;
    uint64_t a = crc, b = 0, c = 0;
    for (const uint8_t *end = p + size; p < end; p += 8) {
        a = _mm_crc32_u64(a, load_word(p));
        b = _mm_crc32_u64(b, load_word(p + size));
        c = _mm_crc32_u64(c, load_word(p + 2 * size));
    }
    return move_over((uint32_t)a, blocks->over_two) ^ move_over((uint32_t)b, blocks->over_one) ^
           (uint32_t)c;
}

WITH_SSE static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t size)
{
    crc = ~crc;
    for (int i = 0; i < COUNT_OF(block_sizes); i++) {
        size_t three = 3 * block_sizes[i].size;
        for (; size >= three; size -= three, p += three)
            crc = three_blocks(crc, p, &block_sizes[i]);
    }
    for (; size >= 8; size -= 8, p += 8)
        crc = (uint32_t)_mm_crc32_u64(crc, load_word(p));
    for (; size > 0; size--)
        crc = _mm_crc32_u8(crc, *p++);
    return ~crc;
}

static bool has_instruction(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

#elif defined(__AARCH64EL__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

/* By hand, for clang's arm_acle.h has these only when the whole file is built for them. */
static inline uint32_t add_word(uint32_t crc, uint64_t word)
{
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
    return crc;
}

static inline uint32_t add_byte(uint32_t crc, uint32_t byte)
{
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(byte));
    return crc;
}

static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t size)
{
    crc = ~crc;
    for (; size >= 8; size -= 8, p += 8)
        crc = add_word(crc, load_word(p));
    for (; size > 0; size--)
        crc = add_byte(crc, *p++);
    return ~crc;
}

static bool has_instruction(void)
{
    return getauxval(AT_HWCAP) & HWCAP_CRC32;
}

#else

static uint32_t by_instruction(uint32_t crc, const uint8_t *p, size_t size)
{
    return crc32c_table(crc, p, size);
}

static bool has_instruction(void)
{
    return false;
}

#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t size)
{
    return has_instruction() ? by_instruction(crc, data, size) : crc32c_table(crc, data, size);
}
