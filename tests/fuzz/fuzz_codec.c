/* fuzz_codec.c - the first byte names a codec, the rest is its input: read in pieces of two sizes,
 * which must come to the same end; then the bytes themselves compressed and read again. */
#include "wire/wire.h"
#include "fuzz.h"

#define GIVEN_MAX (1 << 20) /* enough has been seen then */
#define INPUT_MAX (1 << 16) /* of what is compressed */

/* The end that reading comes to; *given and *crc say what was read. */
static enum err read_pieces(struct mem *mem, enum wire_codec codec, struct bytes in, size_t piece,
                            uint64_t *given, uint32_t *crc)
{
    static uint8_t out[GIVEN_MAX];
    struct wire_decoder d;
    struct errmsg msg = {0};
    size_t n = 1;
    enum err e = wire_decoder_begin(&d, mem, codec, in);
    ASSERT(e == ERR_NONE);
    *crc = 0;
    while (e == ERR_NONE && n > 0 && d.given < GIVEN_MAX) {
        e = wire_decoder_read(&d, out, MIN(piece, GIVEN_MAX - (size_t)d.given), &n, &msg);
        ASSERT(e == ERR_NONE || n == 0 || e == ERR_EOF || e == ERR_CORRUPT || e == ERR_LIMIT);
        if (e == ERR_NONE)
            *crc = crc32c(*crc, out, n);
    }
    ASSERT(e == ERR_NONE || msg.text[0] != 0);
    ASSERT(d.given <= wire_codec_yield_max(codec, in.size));
    *given = d.given;
    wire_decoder_end(&d);
    return e;
}

static void check_read(struct mem *mem, enum wire_codec codec, struct bytes in)
{
    uint64_t given, again;
    uint32_t crc, crc_again;
    enum err e = read_pieces(mem, codec, in, GIVEN_MAX, &given, &crc);
    enum err f = read_pieces(mem, codec, in, 97, &again, &crc_again);
    ASSERT((e == ERR_NONE) == (f == ERR_NONE));
    if (e == ERR_NONE) {
        ASSERT(given == again);
        ASSERT(crc == crc_again);
    }
}

static void check_written(struct mem *mem, enum wire_codec codec, struct bytes in)
{
    size_t cap = wire_codec_bound(codec, in.size), size;
    uint8_t *to = mem_alloc(mem, MAX(cap, 1));
    ASSERT(to != NULL);
    uint64_t given;
    uint32_t crc;
    enum err e = wire_compress(mem, codec, wire_codec_level_default(codec), in, to, cap, &size);
    ASSERT(e == ERR_NONE);
    e = read_pieces(mem, codec, bytes_of(to, size), 4096, &given, &crc);
    ASSERT(e == ERR_NONE);
    ASSERT(given == in.size);
    ASSERT(crc == crc32c(0, in.data, in.size));
    mem_free(mem, to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem mem;
    if (size == 0)
        return 0;
    mem_system(&mem);
    enum wire_codec codec = data[0] % WIRE_CODEC_COUNT;
    struct bytes in = bytes_of(data + 1, size - 1);
    check_read(&mem, codec, in);
    check_written(&mem, codec, bytes_of(in.data, MIN(in.size, (size_t)INPUT_MAX)));
    ASSERT(mem.live_count == 0);
    return 0;
}
