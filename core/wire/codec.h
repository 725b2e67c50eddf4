/* codec.h - compression of record batches: gzip, snappy, lz4 and zstd as Kafka's clients write and
 * read them. Part of wire.h. Pure: bytes in, bytes out; what the libraries hold is the caller's
 * heap's (but for snappy's encoder, which frees its table before it returns). */
#ifndef KILN_WIRE_CODEC_H
#define KILN_WIRE_CODEC_H

#include "base/base.h"

enum wire_codec {
    WIRE_CODEC_NONE,
    WIRE_CODEC_GZIP,
    WIRE_CODEC_SNAPPY,
    WIRE_CODEC_LZ4,
    WIRE_CODEC_ZSTD,
    WIRE_CODEC_COUNT,
};

/* "none", "gzip", "snappy", "lz4", "zstd": Kafka's words for compression.type. */
extern const char *const wire_codec_names[WIRE_CODEC_COUNT];
/* False: no codec has that name. */
bool wire_codec_parse(struct bytes name, enum wire_codec *out);

/* ---- reading ---- */

/* Bytes that one batch may decompress to. Kafka has no such limit; its records would not fit into
 * a consumer's memory either. */
#define WIRE_DECODED_MAX (1 << 30)
/* Of a zstd frame that wants its reader to remember more than WIRE_WINDOW_SMALL bytes (levels from
 * 20 on, or somebody who wants the reader's memory): it may yield no more than this, and so takes
 * no more memory. */
#define WIRE_WINDOW_SMALL (8 << 20)
#define WIRE_DECODED_WIDE_MAX (32 << 20)

/* The most that the codec can make of size bytes, and never more than WIRE_DECODED_MAX: what a
 * claim about the content is held against before anything is decompressed. */
uint64_t wire_codec_yield_max(enum wire_codec codec, size_t size);

/* Decompresses piece by piece, as the stream that Kafka 4.3.1 reads batches with: several members
 * of gzip and several frames of zstd are one content; what stands behind the last member of gzip or
 * behind the one frame of lz4 is passed over; snappy is a raw block, or the framing of snappy-java
 * ("xerial"). Everything may be read. */
struct wire_decoder {
    struct mem *mem;
    enum wire_codec codec;
    struct bytes left; /* not yet looked at; at the end of the content: what was passed over */
    uint64_t given;    /* bytes of content so far */
    bool started;      /* lz4, snappy: the head was looked at */
    bool framed;       /* snappy: in snappy-java's framing */
    bool between;      /* zstd: no frame is open */
    bool wide;         /* zstd: a frame had a window above WIRE_WINDOW_SMALL */
    uint64_t frame_size, frame_given; /* zstd: bytes of the frame, as it says and so far */
    bool ended;                       /* the content's end was seen */
    void *state;                      /* the library's; NULL for what needs none */
    uint8_t *block;                   /* snappy: one block of the content */
    size_t block_size, block_at, block_cap;
};

/* in is borrowed until wire_decoder_end; codec < WIRE_CODEC_COUNT. mem is touched only inside of
 * these functions. ERR_NOMEM: there is nothing to end. */
enum err wire_decoder_begin(struct wire_decoder *d, struct mem *mem, enum wire_codec codec,
                            struct bytes in) MUST_USE;
/* Gives 1 to size bytes of content (size > 0), or none and ERR_NONE: it ends here, and in good
 * order. ERR_EOF: the input ends inside; ERR_CORRUPT: it is no such compression, or a checksum is
 * wrong; ERR_LIMIT: more than WIRE_DECODED_MAX (or _WIDE_MAX); ERR_NOMEM. After an error only
 * wire_decoder_end. */
enum err wire_decoder_read(struct wire_decoder *d, void *out, size_t size, size_t *given,
                           struct errmsg *msg) MUST_USE;
/* Harmless on a zeroed decoder. */
void wire_decoder_end(struct wire_decoder *d);

/* ---- writing ---- */

/* Kafka's: compression.gzip.level, compression.lz4.level, compression.zstd.level. */
#define WIRE_GZIP_LEVEL_DEFAULT (-1) /* or 1 to 9 */
#define WIRE_LZ4_LEVEL_DEFAULT 9     /* 1 to 17; 9 is the fast one, as in Kafka */
#define WIRE_ZSTD_LEVEL_DEFAULT 3    /* -131072 to 22 */

/* Of the codec, whatever has no levels included. */
int32_t wire_codec_level_default(enum wire_codec codec);
bool wire_codec_level_valid(enum wire_codec codec, int32_t level);

/* Compresses into the caller's bytes: one gzip member; one lz4 frame of independent blocks of 64
 * KiB; one zstd frame; snappy in the framing of snappy-java, blocks of 32 KiB. The same bytes and
 * level give the same output. */
struct wire_encoder {
    struct mem *mem;
    enum wire_codec codec;
    uint8_t *out;
    size_t cap, size; /* size: bytes written to out */
    void *state;
    uint8_t *block;    /* snappy: what waits for a whole block */
    size_t block_size; /* bytes in it */
};

#define WIRE_TOTAL_UNKNOWN UINT64_MAX

/* total: how many bytes will be written, exactly, or WIRE_TOTAL_UNKNOWN. A high level of zstd takes
 * hundreds of megabytes when it does not know, and no more than the content needs when it does.
 * ERR_LIMIT: cap is too small even for the head; ERR_NOMEM. After an error there is nothing to
 * end. */
enum err wire_encoder_begin(struct wire_encoder *e, struct mem *mem, enum wire_codec codec,
                            int32_t level, uint64_t total, uint8_t *out, size_t cap) MUST_USE;
/* ERR_LIMIT: the output does not fit into cap. ERR_NOMEM. After an error only wire_encoder_end. */
enum err wire_encoder_write(struct wire_encoder *e, struct bytes in) MUST_USE;
/* e->size bytes at e->out are the whole. Errors as wire_encoder_write. */
enum err wire_encoder_finish(struct wire_encoder *e) MUST_USE;
/* Harmless on a zeroed encoder. */
void wire_encoder_end(struct wire_encoder *e);

/* Bytes that size bytes take compressed at most. */
size_t wire_codec_bound(enum wire_codec codec, size_t size);
/* All at once. Errors as wire_encoder_*. */
enum err wire_compress(struct mem *mem, enum wire_codec codec, int32_t level, struct bytes in,
                       uint8_t *out, size_t cap, size_t *size) MUST_USE;

#endif
