/* decoder.c - the compressed bytes of a record batch, decompressed piece by piece as Kafka's
 * streams read them. */
#include "wire/library.h"

#define GZIP_MEMBER_MIN 18    /* bytes of a head and a trailer */
#define LZ4_MAGIC 0x04224d18u /* as the bytes stand */
#define LZ4_FLAGS_AT 4
#define LZ4_INDEPENDENT 0x20 /* no block looks back into another */
#define LENGTH_SIZE 4        /* before each block of snappy's framing */

/* What a codec can make of one byte at most: gzip 258 bytes of two bits, snappy 64 of three bytes,
 * lz4 255 of one, zstd a block of 128 KiB of four bytes. */
static const uint64_t yields[WIRE_CODEC_COUNT] = {1, 1032, 22, 255, 32768};
#define YIELD_SLACK 256 /* where there are few bytes */

const char *const wire_codec_names[WIRE_CODEC_COUNT] = {"none", "gzip", "snappy", "lz4", "zstd"};

bool wire_codec_parse(struct bytes name, enum wire_codec *out)
{
    for (int i = 0; i < WIRE_CODEC_COUNT; i++) {
        if (bytes_equal(name, bytes_text(wire_codec_names[i]))) {
            *out = (enum wire_codec)i;
            return true;
        }
    }
    return false;
}

uint64_t wire_codec_yield_max(enum wire_codec codec, size_t size)
{
    ASSERT(codec < WIRE_CODEC_COUNT);
    if (codec == WIRE_CODEC_NONE)
        return size;
    size_t bounded = MIN(size, (size_t)WIRE_DECODED_MAX);
    return MIN(bounded * yields[codec] + YIELD_SLACK, (uint64_t)WIRE_DECODED_MAX);
}

/* ---- the libraries' memory ---- */

void *wire_codec_alloc(void *mem, size_t size)
{
    return mem_alloc(mem, MAX(size, 1));
}

void wire_codec_free(void *mem, void *p)
{
    mem_free(mem, p);
}

void *wire_codec_zalloc(void *mem, unsigned count, unsigned size)
{
    return mem_array(mem, count, size);
}

/* ---- gzip ---- */

static enum err gzip_begin(struct wire_decoder *d)
{
    z_stream *z = mem_zalloc(d->mem, sizeof *z);
    if (z == NULL)
        return ERR_NOMEM;
    z->zalloc = wire_codec_zalloc;
    z->zfree = wire_codec_free;
    z->opaque = d->mem;
    if (inflateInit2(z, WIRE_GZIP_WINDOW) != Z_OK) {
        mem_free(d->mem, z);
        return ERR_NOMEM;
    }
    d->state = z;
    return ERR_NONE;
}

/* Java's GZIPInputStream takes what is no head of a member for padding. */
static bool gzip_goes_on(const struct wire_decoder *d)
{
    return d->left.size > GZIP_MEMBER_MIN && d->left.data[0] == 0x1f && d->left.data[1] == 0x8b &&
           d->left.data[2] == Z_DEFLATED;
}

static enum err gzip_read(struct wire_decoder *d, uint8_t *out, size_t size, size_t *given,
                          struct errmsg *msg)
{
    z_stream *z = d->state;
    z->next_out = out;
    z->avail_out = (unsigned)MIN(size, (size_t)INT32_MAX);
    unsigned wanted = z->avail_out;
    while (z->avail_out == wanted && !d->ended) {
        z->next_in = d->left.data;
        z->avail_in = (unsigned)MIN(d->left.size, (size_t)INT32_MAX);
        unsigned had = z->avail_in;
        int code = inflate(z, Z_NO_FLUSH);
        size_t used = had - z->avail_in;
        d->left = bytes_of(d->left.data + used, d->left.size - used);
        *given = wanted - z->avail_out;
        if (code == Z_MEM_ERROR)
            return ERR_NOMEM;
        if (code == Z_STREAM_END && gzip_goes_on(d))
            code = inflateReset(z);
        else if (code == Z_STREAM_END)
            d->ended = true;
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return errmsg_set(msg, ERR_CORRUPT, "no gzip: %s", z->msg != NULL ? z->msg : "broken");
        else if (*given == 0 && d->left.size == 0)
            return errmsg_set(msg, ERR_EOF, "the gzip stream ends too early");
    }
    return ERR_NONE;
}

static void gzip_end(struct wire_decoder *d)
{
    (void)inflateEnd(d->state); /* fails only for a state that it does not know */
    mem_free(d->mem, d->state);
}

/* ---- lz4 ---- */

static enum err lz4_begin(struct wire_decoder *d)
{
    LZ4F_CustomMem heap = {
        .customAlloc = wire_codec_alloc, .customFree = wire_codec_free, .opaqueState = d->mem};
    d->state = LZ4F_createDecompressionContext_advanced(heap, LZ4F_VERSION);
    return d->state == NULL ? ERR_NOMEM : ERR_NONE;
}

static enum err lz4_fail(size_t code, struct errmsg *msg)
{
    if (LZ4F_getErrorCode(code) == LZ4F_ERROR_allocation_failed)
        return ERR_NOMEM;
    return errmsg_set(msg, ERR_CORRUPT, "no lz4 frame: %s", LZ4F_getErrorName(code));
}

/* Kafka's reader knows one frame of independent blocks, and no frame to skip. */
static enum err lz4_check_head(const struct wire_decoder *d, struct errmsg *msg)
{
    const uint8_t *p = d->left.data;
    if (d->left.size <= LZ4_FLAGS_AT)
        return errmsg_set(msg, ERR_EOF, "the lz4 frame ends too early");
    if (get_u32(p) != LZ4_MAGIC)
        return errmsg_set(msg, ERR_CORRUPT, "no lz4 frame: it begins with %08x", get_u32(p));
    if ((p[LZ4_FLAGS_AT] & LZ4_INDEPENDENT) == 0)
        return errmsg_set(msg, ERR_CORRUPT, "the lz4 frame has blocks that depend on each other");
    return ERR_NONE;
}

static enum err lz4_read(struct wire_decoder *d, uint8_t *out, size_t size, size_t *given,
                         struct errmsg *msg)
{
    if (!d->started) {
        enum err e = lz4_check_head(d, msg);
        if (e != ERR_NONE)
            return e;
        d->started = true;
    }
    while (*given == 0 && !d->ended) {
        size_t used = d->left.size, filled = size;
        size_t hint = LZ4F_decompress(d->state, out, &filled, d->left.data, &used, NULL);
        if (LZ4F_isError(hint))
            return lz4_fail(hint, msg);
        d->left = bytes_of(d->left.data + used, d->left.size - used);
        *given = filled;
        d->ended = hint == 0;
        if (!d->ended && filled == 0 && used == 0)
            return errmsg_set(msg, ERR_EOF, "the lz4 frame ends too early");
    }
    return ERR_NONE;
}

/* ---- zstd ---- */

static enum err zstd_begin(struct wire_decoder *d)
{
    ZSTD_customMem heap = {
        .customAlloc = wire_codec_alloc, .customFree = wire_codec_free, .opaque = d->mem};
    d->state = ZSTD_createDCtx_advanced(heap);
    d->between = true;
    return d->state == NULL ? ERR_NOMEM : ERR_NONE;
}

static enum err zstd_fail(size_t code, struct errmsg *msg)
{
    if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
        return ERR_NOMEM;
    return errmsg_set(msg, ERR_CORRUPT, "no zstd frame: %s", ZSTD_getErrorName(code));
}

/* At the beginning of a frame: what it wants to be remembered, and how much it says it holds. */
static void zstd_look(struct wire_decoder *d)
{
    ZSTD_frameHeader head;
    bool known =
        ZSTD_getFrameHeader(&head, d->left.data, d->left.size) == 0 && head.frameType == ZSTD_frame;
    d->wide |= known && head.windowSize > WIRE_WINDOW_SMALL;
    d->frame_size = known ? head.frameContentSize : ZSTD_CONTENTSIZE_UNKNOWN;
    d->frame_given = 0;
}

/* The library looks at it only where the output has room for the whole frame: a frame that ends
 * with an empty block would be whole or not by how it is read. */
static bool zstd_is_whole(const struct wire_decoder *d)
{
    return d->frame_size == ZSTD_CONTENTSIZE_UNKNOWN || d->frame_size == d->frame_given;
}

static enum err zstd_read(struct wire_decoder *d, uint8_t *out, size_t size, size_t *given,
                          struct errmsg *msg)
{
    while (*given == 0 && !d->ended) {
        if (d->left.size == 0 && d->between) {
            d->ended = true;
            break;
        }
        if (d->between)
            zstd_look(d);
        ZSTD_inBuffer in = {.src = d->left.data, .size = d->left.size};
        ZSTD_outBuffer to = {.dst = out, .size = size};
        size_t hint = ZSTD_decompressStream(d->state, &to, &in);
        if (ZSTD_isError(hint))
            return zstd_fail(hint, msg);
        d->left = bytes_of(d->left.data + in.pos, d->left.size - in.pos);
        d->between = hint == 0;
        d->frame_given += to.pos;
        *given = to.pos;
        if (d->between && !zstd_is_whole(d))
            return errmsg_set(msg, ERR_CORRUPT, "no zstd frame: it holds less than it says");
        if (!d->between && to.pos == 0 && d->left.size == 0)
            return errmsg_set(msg, ERR_EOF, "the zstd frame ends too early");
    }
    return ERR_NONE;
}

/* ---- snappy ---- */

/* Decompresses one block of the library's format into d->block. */
static enum err snappy_block(struct wire_decoder *d, struct bytes in, struct errmsg *msg)
{
    size_t size;
    const char *from = (const char *)in.data;
    if (snappy_uncompressed_length(from, in.size, &size) != SNAPPY_OK ||
        size > wire_codec_yield_max(WIRE_CODEC_SNAPPY, in.size))
        return errmsg_set(msg, ERR_CORRUPT, "no snappy block: its length cannot be");
    if (d->block == NULL || size > d->block_cap) {
        mem_free(d->mem, d->block);
        d->block_cap = 0;
        d->block = mem_alloc(d->mem, MAX(size, 1));
        if (d->block == NULL)
            return ERR_NOMEM;
        d->block_cap = size;
    }
    d->block_at = 0;
    d->block_size = size;
    if (snappy_uncompress(from, in.size, (char *)d->block, &size) != SNAPPY_OK)
        return errmsg_set(msg, ERR_CORRUPT, "no snappy block");
    ASSERT(size == d->block_size);
    return ERR_NONE;
}

static bool has_frame_head(struct bytes in)
{
    return in.size >= WIRE_XERIAL_HEAD &&
           memcmp(in.data, WIRE_XERIAL_MAGIC, sizeof WIRE_XERIAL_MAGIC - 1) == 0;
}

static void pass(struct wire_decoder *d, size_t size)
{
    ASSERT(size <= d->left.size);
    d->left = bytes_of(d->left.data + size, d->left.size - size);
}

/* The next block of the framing. Several framed contents may follow each other; too few bytes for
 * a length are passed over, as snappy-java does. */
static enum err snappy_next(struct wire_decoder *d, struct errmsg *msg)
{
    while (has_frame_head(d->left))
        pass(d, WIRE_XERIAL_HEAD);
    if (d->left.size < LENGTH_SIZE) {
        d->ended = true;
        return ERR_NONE;
    }
    uint32_t size = get_u32(d->left.data);
    if (size > INT32_MAX)
        return errmsg_set(msg, ERR_CORRUPT, "no snappy frame: a block of %u bytes", size);
    if (size > d->left.size - LENGTH_SIZE)
        return errmsg_set(msg, ERR_EOF, "the snappy frame ends too early");
    pass(d, LENGTH_SIZE);
    struct bytes block = bytes_of(d->left.data, size);
    pass(d, size);
    return snappy_block(d, block, msg);
}

static enum err snappy_read(struct wire_decoder *d, uint8_t *out, size_t size, size_t *given,
                            struct errmsg *msg)
{
    if (!d->started) {
        d->started = true;
        d->framed = has_frame_head(d->left);
        if (!d->framed) {
            struct bytes whole = d->left;
            pass(d, whole.size);
            enum err e = snappy_block(d, whole, msg);
            if (e != ERR_NONE)
                return e;
        }
    }
    while (d->block_at == d->block_size && !d->ended) {
        d->ended = !d->framed;
        enum err e = d->framed ? snappy_next(d, msg) : ERR_NONE;
        if (e != ERR_NONE)
            return e;
    }
    *given = MIN(size, d->block_size - d->block_at);
    if (*given > 0)
        memcpy(out, d->block + d->block_at, *given);
    d->block_at += *given;
    return ERR_NONE;
}

/* ---- whichever ---- */

static enum err copy_read(struct wire_decoder *d, uint8_t *out, size_t size, size_t *given)
{
    *given = MIN(size, d->left.size);
    if (*given > 0)
        memcpy(out, d->left.data, *given);
    pass(d, *given);
    d->ended = *given == 0;
    return ERR_NONE;
}

enum err wire_decoder_begin(struct wire_decoder *d, struct mem *mem, enum wire_codec codec,
                            struct bytes in)
{
    ASSERT(codec < WIRE_CODEC_COUNT);
    *d = (struct wire_decoder){.mem = mem, .codec = codec, .left = in};
    switch (codec) {
    case WIRE_CODEC_GZIP:
        return gzip_begin(d);
    case WIRE_CODEC_LZ4:
        return lz4_begin(d);
    case WIRE_CODEC_ZSTD:
        return zstd_begin(d);
    case WIRE_CODEC_NONE:
    case WIRE_CODEC_SNAPPY:
    case WIRE_CODEC_COUNT:
        break;
    }
    return ERR_NONE;
}

static enum err read_some(struct wire_decoder *d, uint8_t *out, size_t size, size_t *given,
                          struct errmsg *msg)
{
    switch (d->codec) {
    case WIRE_CODEC_NONE:
        return copy_read(d, out, size, given);
    case WIRE_CODEC_GZIP:
        return gzip_read(d, out, size, given, msg);
    case WIRE_CODEC_SNAPPY:
        return snappy_read(d, out, size, given, msg);
    case WIRE_CODEC_LZ4:
        return lz4_read(d, out, size, given, msg);
    case WIRE_CODEC_ZSTD:
        return zstd_read(d, out, size, given, msg);
    case WIRE_CODEC_COUNT:
        break;
    }
    UNREACHABLE();
}

enum err wire_decoder_read(struct wire_decoder *d, void *out, size_t size, size_t *given,
                           struct errmsg *msg)
{
    ASSERT(size > 0);
    *given = 0;
    enum err e = read_some(d, out, size, given, msg);
    if (e != ERR_NONE)
        return e;
    ASSERT(*given <= size);
    ASSERT(*given > 0 || d->ended);
    d->given += *given;
    uint64_t limit = d->wide ? WIRE_DECODED_WIDE_MAX : WIRE_DECODED_MAX;
    if (d->given > limit)
        return errmsg_set(msg, ERR_LIMIT, "more than %llu bytes come out of the batch",
                          (unsigned long long)limit);
    return ERR_NONE;
}

void wire_decoder_end(struct wire_decoder *d)
{
    if (d->codec == WIRE_CODEC_GZIP && d->state != NULL)
        gzip_end(d);
    if (d->codec == WIRE_CODEC_LZ4)
        (void)LZ4F_freeDecompressionContext(d->state);
    if (d->codec == WIRE_CODEC_ZSTD)
        (void)ZSTD_freeDCtx(d->state);
    if (d->mem != NULL)
        mem_free(d->mem, d->block);
    *d = (struct wire_decoder){.ended = true};
}
