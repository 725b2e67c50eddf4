/* min_bytes_test.c - a fetch that waits for bytes: what was appended but not yet shown when it
 * came must count once it is shown. */
#include <stdio.h>
#include "support/broker/help.h"

#define SEEDS 20
#define WAIT_MS 20000
#define SOON_MS 2000 /* far more than a sync takes */

/* Whether the fetch is answered as soon as its bytes are there. */
static bool is_answered_soon(uint64_t seed)
{
    struct help h;
    help_setup(&h, seed, "");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_bytes small = help_batch(&h, 5, -1, 0, 1000);
    struct wire_bytes big = help_batch(&h, 200, -1, 0, 1000);
    int first = help_produce(&h, 9, -1, id, small);
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, first).error_code, 0);
    int sent = help_produce(&h, 9, -1, id, big);
    int waiting = help_fetch(&h, 12, id, 0, WAIT_MS, small.size + big.size / 2);
    h.calls[waiting].together = true;
    help_go(&h, SOON_MS);
    assert_int_equal(help_produced(&h, sent).error_code, 0);
    bool soon = h.calls[waiting].answer.size > 0;
    help_run(&h, WAIT_MS + SOON_MS);
    assert_true(h.calls[waiting].answer.size > 0);
    assert_int_equal(help_fetched(&h, waiting).records.size, small.size + big.size);
    help_teardown(&h);
    return soon;
}

TEST(a_fetch_counts_what_becomes_readable)
{
    for (uint64_t seed = 100; seed < 100 + SEEDS; seed++)
        assert_true(is_answered_soon(seed));
}
