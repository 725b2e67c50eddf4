/* base.h - what every module stands on: errors, memory, buffers, containers, chance, checksums,
 * rows. It knows no clock, no I/O and no module above it. */
#ifndef KILN_BASE_H
#define KILN_BASE_H

#include "base/assert.h"
#include "base/again.h"
#include "base/err.h"
#include "base/bytes.h"
#include "base/mem.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/waiter.h"
#include "base/heap.h"
#include "base/omap.h"
#include "base/hmap.h"
#include "base/sort.h"
#include "base/random.h"
#include "base/hash.h"
#include "base/crc32c.h"
#include "base/state.h"
#include "base/text.h"
#include "base/json.h"
#include "base/trace.h"
#include "base/note.h"
#include "base/config.h"
#include "base/known_bug.h"

#endif
