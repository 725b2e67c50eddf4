/* encoder.c - the records of a batch compressed into the caller's bytes, in the framings that
 * Kafka's clients write. */
#include "wire/library.h"

#define XERIAL_BLOCK (32 << 10) /* snappy-java's */
#define XERIAL_BLOCK_MAX                                                                           \
    38400 /* compressed: what snappy_max_compressed_length says, rounded up                        \
           */
#define LENGTH_SIZE 4
#define GZIP_MEMORY 8 /* zlib's default */
#define LZ4_LEVEL_MAX 17
#define LZ4_HIGH_MIN 3 /* the library's first level that is not the fast one */
#define ZSTD_LEVEL_MIN (-131072)
#define ZSTD_LEVEL_MAX 22

int32_t wire_codec_level_default(enum wire_codec codec)
{
    switch (codec) {
    case WIRE_CODEC_GZIP:
        return WIRE_GZIP_LEVEL_DEFAULT;
    case WIRE_CODEC_LZ4:
        return WIRE_LZ4_LEVEL_DEFAULT;
    case WIRE_CODEC_ZSTD:
        return WIRE_ZSTD_LEVEL_DEFAULT;
    case WIRE_CODEC_NONE:
    case WIRE_CODEC_SNAPPY:
    case WIRE_CODEC_COUNT:
        break;
    }
    return 0;
}

bool wire_codec_level_valid(enum wire_codec codec, int32_t level)
{
    switch (codec) {
    case WIRE_CODEC_GZIP:
        return level == WIRE_GZIP_LEVEL_DEFAULT || (level >= 1 && level <= 9);
    case WIRE_CODEC_LZ4:
        return level >= 1 && level <= LZ4_LEVEL_MAX;
    case WIRE_CODEC_ZSTD:
        return level >= ZSTD_LEVEL_MIN && level <= ZSTD_LEVEL_MAX;
    case WIRE_CODEC_NONE:
    case WIRE_CODEC_SNAPPY:
    case WIRE_CODEC_COUNT:
        break;
    }
    return level == 0;
}

/* ---- gzip ---- */

static enum err gzip_begin(struct wire_encoder *e, int32_t level)
{
    z_stream *z = mem_zalloc(e->mem, sizeof *z);
    if (z == NULL)
        return ERR_NOMEM;
    z->zalloc = wire_codec_zalloc;
    z->zfree = wire_codec_free;
    z->opaque = e->mem;
    if (deflateInit2(z, level, Z_DEFLATED, WIRE_GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        mem_free(e->mem, z);
        return ERR_NOMEM;
    }
    e->state = z;
    return ERR_NONE;
}

static enum err gzip_write(struct wire_encoder *e, struct bytes in, int flush)
{
    z_stream *z = e->state;
    size_t room = MIN(e->cap - e->size, (size_t)INT32_MAX);
    z->next_in = in.data;
    z->avail_in = (unsigned)in.size;
    z->next_out = e->out + e->size;
    z->avail_out = (unsigned)room;
    int code = deflate(z, flush);
    e->size += room - z->avail_out;
    bool all = flush == Z_FINISH ? code == Z_STREAM_END : z->avail_in == 0;
    return all ? ERR_NONE : ERR_LIMIT;
}

static void gzip_end(struct wire_encoder *e)
{
    (void)deflateEnd(e->state); /* says that what was begun was not finished, which is no fault */
    mem_free(e->mem, e->state);
}

/* ---- lz4 ---- */

/* Kafka's fast level is its default, 9; all others are the library's high compression. */
static int lz4_level(int32_t level)
{
    return level == WIRE_LZ4_LEVEL_DEFAULT ? 0 : MAX(level, LZ4_HIGH_MIN);
}

static enum err lz4_took(struct wire_encoder *e, size_t code)
{
    if (!LZ4F_isError(code)) {
        e->size += code;
        ASSERT(e->size <= e->cap);
        return ERR_NONE;
    }
    return LZ4F_getErrorCode(code) == LZ4F_ERROR_allocation_failed ? ERR_NOMEM : ERR_LIMIT;
}

static enum err lz4_begin(struct wire_encoder *e, int32_t level)
{
    LZ4F_CustomMem heap = {
        .customAlloc = wire_codec_alloc, .customFree = wire_codec_free, .opaqueState = e->mem};
    LZ4F_preferences_t how = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = lz4_level(level)};
    e->state = LZ4F_createCompressionContext_advanced(heap, LZ4F_VERSION);
    if (e->state == NULL)
        return ERR_NOMEM;
    return lz4_took(e, LZ4F_compressBegin(e->state, e->out, e->cap, &how));
}

/* The library wants room for the worst case before it begins; so it is given small pieces. */
#define LZ4_PIECE (16 << 10)

static enum err lz4_write(struct wire_encoder *e, struct bytes in)
{
    enum err err = ERR_NONE;
    for (size_t at = 0; at < in.size && err == ERR_NONE; at += LZ4_PIECE) {
        size_t size = MIN(in.size - at, (size_t)LZ4_PIECE);
        err = lz4_took(e, LZ4F_compressUpdate(e->state, e->out + e->size, e->cap - e->size,
                                              in.data + at, size, NULL));
    }
    return err;
}

/* ---- zstd ---- */

static enum err zstd_begin(struct wire_encoder *e, int32_t level, uint64_t total)
{
    ZSTD_customMem heap = {
        .customAlloc = wire_codec_alloc, .customFree = wire_codec_free, .opaque = e->mem};
    e->state = ZSTD_createCCtx_advanced(heap);
    if (e->state == NULL)
        return ERR_NOMEM;
    (void)ZSTD_CCtx_setParameter(e->state, ZSTD_c_compressionLevel, level);
    if (total != WIRE_TOTAL_UNKNOWN)
        (void)ZSTD_CCtx_setPledgedSrcSize(e->state, total);
    return ERR_NONE;
}

static enum err zstd_write(struct wire_encoder *e, struct bytes in, ZSTD_EndDirective how)
{
    ZSTD_inBuffer from = {.src = in.data, .size = in.size};
    ZSTD_outBuffer to = {.dst = e->out, .size = e->cap, .pos = e->size};
    size_t left = 1;
    while (left > 0 && (how == ZSTD_e_end || from.pos < from.size)) {
        size_t taken = from.pos;
        left = ZSTD_compressStream2(e->state, &to, &from, how);
        if (ZSTD_isError(left))
            return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? ERR_NOMEM : ERR_LIMIT;
        bool moved = to.pos > e->size || from.pos > taken;
        e->size = to.pos;
        if (left > 0 && to.pos == to.size && !moved)
            return ERR_LIMIT;
    }
    return ERR_NONE;
}

/* ---- snappy ---- */

static enum err snappy_begin(struct wire_encoder *e)
{
    static const uint8_t head[WIRE_XERIAL_HEAD] = WIRE_XERIAL_MAGIC "\0\0\0\1\0\0\0\1";
    if (e->cap < sizeof head)
        return ERR_LIMIT;
    ASSERT(snappy_max_compressed_length(XERIAL_BLOCK) <= XERIAL_BLOCK_MAX);
    e->block = mem_alloc(e->mem, XERIAL_BLOCK + XERIAL_BLOCK_MAX);
    if (e->block == NULL)
        return ERR_NOMEM;
    memcpy(e->out, head, sizeof head);
    e->size = sizeof head;
    return ERR_NONE;
}

/* Writes what waits as a block. */
static enum err snappy_flush(struct wire_encoder *e)
{
    if (e->block_size == 0)
        return ERR_NONE;
    uint8_t *to = e->block + XERIAL_BLOCK;
    size_t size = XERIAL_BLOCK_MAX;
    snappy_status status =
        snappy_compress((const char *)e->block, e->block_size, (char *)to, &size);
    ASSERT(status == SNAPPY_OK);
    e->block_size = 0;
    if (size + LENGTH_SIZE > e->cap - e->size)
        return ERR_LIMIT;
    put_u32(e->out + e->size, (uint32_t)size);
    memcpy(e->out + e->size + LENGTH_SIZE, to, size);
    e->size += size + LENGTH_SIZE;
    return ERR_NONE;
}

static enum err snappy_write(struct wire_encoder *e, struct bytes in)
{
    while (in.size > 0) {
        size_t size = MIN(in.size, XERIAL_BLOCK - e->block_size);
        memcpy(e->block + e->block_size, in.data, size);
        e->block_size += size;
        in = bytes_of(in.data + size, in.size - size);
        enum err err = e->block_size == XERIAL_BLOCK ? snappy_flush(e) : ERR_NONE;
        if (err != ERR_NONE)
            return err;
    }
    return ERR_NONE;
}

/* ---- whichever ---- */

static enum err begin_codec(struct wire_encoder *e, int32_t level, uint64_t total)
{
    switch (e->codec) {
    case WIRE_CODEC_NONE:
        return ERR_NONE;
    case WIRE_CODEC_GZIP:
        return gzip_begin(e, level);
    case WIRE_CODEC_SNAPPY:
        return snappy_begin(e);
    case WIRE_CODEC_LZ4:
        return lz4_begin(e, level);
    case WIRE_CODEC_ZSTD:
        return zstd_begin(e, level, total);
    case WIRE_CODEC_COUNT:
        break;
    }
    UNREACHABLE();
}

enum err wire_encoder_begin(struct wire_encoder *e, struct mem *mem, enum wire_codec codec,
                            int32_t level, uint64_t total, uint8_t *out, size_t cap)
{
    ASSERT(codec < WIRE_CODEC_COUNT);
    ASSERT(wire_codec_level_valid(codec, level));
    *e = (struct wire_encoder){.mem = mem, .codec = codec, .out = out, .cap = cap};
    enum err err = begin_codec(e, level, total);
    if (err != ERR_NONE)
        wire_encoder_end(e);
    return err;
}

static enum err copy_write(struct wire_encoder *e, struct bytes in)
{
    if (in.size > e->cap - e->size)
        return ERR_LIMIT;
    if (in.size > 0)
        memcpy(e->out + e->size, in.data, in.size);
    e->size += in.size;
    return ERR_NONE;
}

enum err wire_encoder_write(struct wire_encoder *e, struct bytes in)
{
    ASSERT(in.size <= INT32_MAX);
    switch (e->codec) {
    case WIRE_CODEC_NONE:
        return copy_write(e, in);
    case WIRE_CODEC_GZIP:
        return gzip_write(e, in, Z_NO_FLUSH);
    case WIRE_CODEC_SNAPPY:
        return snappy_write(e, in);
    case WIRE_CODEC_LZ4:
        return lz4_write(e, in);
    case WIRE_CODEC_ZSTD:
        return zstd_write(e, in, ZSTD_e_continue);
    case WIRE_CODEC_COUNT:
        break;
    }
    UNREACHABLE();
}

enum err wire_encoder_finish(struct wire_encoder *e)
{
    struct bytes none = bytes_of(NULL, 0);
    switch (e->codec) {
    case WIRE_CODEC_NONE:
        return ERR_NONE;
    case WIRE_CODEC_GZIP:
        return gzip_write(e, none, Z_FINISH);
    case WIRE_CODEC_SNAPPY:
        return snappy_flush(e);
    case WIRE_CODEC_LZ4:
        return lz4_took(e, LZ4F_compressEnd(e->state, e->out + e->size, e->cap - e->size, NULL));
    case WIRE_CODEC_ZSTD:
        return zstd_write(e, none, ZSTD_e_end);
    case WIRE_CODEC_COUNT:
        break;
    }
    UNREACHABLE();
}

void wire_encoder_end(struct wire_encoder *e)
{
    if (e->codec == WIRE_CODEC_GZIP && e->state != NULL)
        gzip_end(e);
    if (e->codec == WIRE_CODEC_LZ4)
        (void)LZ4F_freeCompressionContext(e->state);
    if (e->codec == WIRE_CODEC_ZSTD)
        (void)ZSTD_freeCCtx(e->state);
    if (e->mem != NULL)
        mem_free(e->mem, e->block);
    e->state = NULL;
    e->block = NULL;
}

#define GZIP_BOUND_SLACK 64

size_t wire_codec_bound(enum wire_codec codec, size_t size)
{
    size_t blocks = size / XERIAL_BLOCK + 1;
    LZ4F_preferences_t how = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent}};
    switch (codec) {
    case WIRE_CODEC_GZIP: /* stored blocks and more: deflateBound without a stream */
        return size + (size >> 5) + (size >> 7) + (size >> 11) + GZIP_BOUND_SLACK;
    case WIRE_CODEC_SNAPPY:
        return WIRE_XERIAL_HEAD + blocks * (LENGTH_SIZE + XERIAL_BLOCK_MAX);
    case WIRE_CODEC_LZ4: /* the library wants room for a whole block more than there may be */
        return LZ4F_compressFrameBound(size, &how) + LZ4F_compressBound(LZ4_PIECE, &how);
    case WIRE_CODEC_ZSTD:
        return ZSTD_compressBound(size);
    case WIRE_CODEC_NONE:
    case WIRE_CODEC_COUNT:
        break;
    }
    return size;
}

enum err wire_compress(struct mem *mem, enum wire_codec codec, int32_t level, struct bytes in,
                       uint8_t *out, size_t cap, size_t *size)
{
    struct wire_encoder e;
    enum err err = wire_encoder_begin(&e, mem, codec, level, in.size, out, cap);
    if (err != ERR_NONE)
        return err;
    err = wire_encoder_write(&e, in);
    if (err == ERR_NONE)
        err = wire_encoder_finish(&e);
    *size = e.size;
    wire_encoder_end(&e);
    return err;
}
