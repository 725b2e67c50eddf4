/* again.h - work that finds itself again. Whatever comes round by itself, and not because somebody
 * asked or time has passed, must have got further since: by a measure that nothing but its own
 * progress moves. Else it would come round for ever, and take a core and its owner's end with it.
 */
#ifndef KILN_BASE_AGAIN_H
#define KILN_BASE_AGAIN_H

#include <stdbool.h>
#include <stdint.h>
#include "base/assert.h"

/* Zeroed: it has not come round yet. */
struct again {
    uint64_t progress;
    bool begun;
};

/* It comes round once more, and has got so far. */
static inline void again(struct again *work, uint64_t progress)
{
    ASSERT(!work->begun || progress > work->progress);
    work->begun = true;
    work->progress = progress;
}

#endif
