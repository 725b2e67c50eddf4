/* crc32c.h - CRC-32C (Castagnoli, RFC 3720 B.4), the checksum of Kafka's record batches. */
#ifndef KILN_BASE_CRC32C_H
#define KILN_BASE_CRC32C_H

#include "base/assert.h"

/* The CRC of bytes that follow bytes whose CRC is crc; 0 to begin. "123456789" gives 0xe3069283.
 * Uses SSE4.2 (three ways at once) or ARMv8 where the CPU has it, a table elsewhere; the result is
 * the same. */
uint32_t crc32c(uint32_t crc, const void *data, size_t size);
/* The table alone: what every other way is tested against. */
uint32_t crc32c_table(uint32_t crc, const void *data, size_t size);

#endif
