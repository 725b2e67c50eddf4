/* library.h - the four compression libraries, as decoder.c and encoder.c need them: with the
 * functions that take an allocator, which only static linking gives. Internal to core/wire. */
#ifndef KILN_WIRE_LIBRARY_H
#define KILN_WIRE_LIBRARY_H

#define LZ4F_STATIC_LINKING_ONLY
#define ZSTD_STATIC_LINKING_ONLY
#define ZLIB_CONST
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "wire/codec.h"

#define WIRE_GZIP_WINDOW (MAX_WBITS + 16) /* the largest, with gzip's head and trailer */
/* What snappy-java writes first: a magic, a version and the oldest version that can read it. */
#define WIRE_XERIAL_MAGIC "\x82SNAPPY\0"
#define WIRE_XERIAL_HEAD 16

/* The libraries' allocators over struct mem. */
void *wire_codec_alloc(void *mem, size_t size);
void wire_codec_free(void *mem, void *p);
void *wire_codec_zalloc(void *mem, unsigned count, unsigned size);

#endif
