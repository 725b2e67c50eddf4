/* fuzz_script.c - bytes as a scenario whose claim is asked for. Whatever it is, that ends with a
 * claim or a message, and nothing is left behind. */
#include "script/script.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem mem;
    struct errmsg msg = {{0}};
    char claim[SCRIPT_CLAIM_MAX] = {0};
    mem_system(&mem);
    enum err e = script_claim(&mem, "fuzz.lua", bytes_of(data, size), claim, &msg);
    ASSERT(e == ERR_NONE || e == ERR_INVALID);
    ASSERT((e == ERR_NONE) == (claim[0] != 0));
    ASSERT((e == ERR_NONE) == (msg.text[0] == 0));
    ASSERT(memchr(claim, 0, sizeof claim) != NULL);
    ASSERT(mem.live_count == 0);
    return 0;
}
