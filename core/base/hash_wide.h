/* hash_wide.h - between hash.c and hash_wide.c alone. */
#ifndef KILN_BASE_HASH_WIDE_H
#define KILN_BASE_HASH_WIDE_H

#include <stddef.h>
#include <stdint.h>

#ifdef HASH_WIDE
uint64_t hash_digest_wide(const void *data, size_t size);
#endif

#endif
