/* internal.h - what the files of talk share and nobody else sees. */
#ifndef KILN_TALK_INTERNAL_H
#define KILN_TALK_INTERNAL_H

#include "talk/talk.h"

#define TALK_FETCH_OLDEST 13      /* the first that names the log by its id (KIP-516) */
#define TALK_FETCH_NODES_SINCE 16 /* KIP-951 */
/* An answer of one partition decodes to less. */
#define TALK_ARENA_BYTES (64 << 10)

static inline bool talk_is_epoch(int32_t epoch)
{
    return epoch >= -1 && epoch <= TALK_EPOCH_MAX;
}

static inline bool talk_is_offset(int64_t offset)
{
    return offset >= -1 && offset <= TALK_OFFSET_MAX;
}

#endif
