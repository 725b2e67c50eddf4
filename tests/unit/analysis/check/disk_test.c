/* disk_test.c - the disk's own word against the broker's: D20. */
#include "run.h"

static void wrote(struct run *r, uint64_t first, uint64_t last)
{
    SAY(r, BROKER, LOG_APPEND, P, first, last, 1, .producer_id = -1);
    SAY(r, BROKER, LOG_WRITTEN, P, last + 1);
}

static void disk(struct run *r, uint64_t base, uint64_t end)
{
    SAY(r, BROKER, DISK_DURABLE, P, base, end);
}

static void begin_log(struct run *r)
{
    durable(r);
    SAY(r, BROKER, LOG_OPEN, P, 0, 0, 0, 1);
    wrote(r, 0, 9);
    disk(r, 0, 10);
    SAY(r, BROKER, LOG_DURABLE, P, 10);
}

TEST(a_broker_that_says_durable_of_what_was_never_synced)
{
    struct run r;
    begin_log(&r);
    wrote(&r, 10, 19);
    SAY(&r, BROKER, LOG_DURABLE, P, 20);
    expect_only(&r, CHECK_NOT_DURABLE);
}

/* The newer of two segments is synced, the older one is not. */
TEST(a_hole_before_a_durable_segment)
{
    struct run r;
    begin_log(&r);
    wrote(&r, 10, 19);
    wrote(&r, 20, 29);
    disk(&r, 20, 30);
    SAY(&r, BROKER, LOG_DURABLE, P, 30);
    expect_only(&r, CHECK_NOT_DURABLE);
}

TEST(segments_that_become_durable_in_any_order)
{
    struct run r;
    begin_log(&r);
    wrote(&r, 10, 19);
    wrote(&r, 20, 29);
    wrote(&r, 30, 39);
    disk(&r, 30, 40);
    disk(&r, 20, 30);
    disk(&r, 0, 20);
    SAY(&r, BROKER, LOG_DURABLE, P, 40);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* What was cut off is durable no more, whatever the disk said before. */
TEST(a_cut_takes_the_word_back)
{
    struct run r;
    begin_log(&r);
    SAY(&r, BROKER, LOG_CUT, P, 5, 10, 3);
    wrote(&r, 5, 9);
    SAY(&r, BROKER, LOG_DURABLE, P, 10);
    expect_only(&r, CHECK_NOT_DURABLE);
}

/* A hundred segments in one round of syncs, the oldest last. */
TEST(more_segments_at_once_than_are_remembered)
{
    struct run r;
    begin_log(&r);
    for (uint64_t i = 1; i <= 100; i++)
        wrote(&r, i * 10, i * 10 + 9);
    for (uint64_t i = 100; i >= 1; i--)
        disk(&r, i * 10, i * 10 + 10);
    SAY(&r, BROKER, LOG_DURABLE, P, 1010);
    expect_only(&r, CHECK_CODE_COUNT);
}
