/* ends_test.c - clean ends: L17 and L18. */
#include "run.h"

#define INDEX 1

static void end_and_begin(struct run *r, bool clean)
{
    SAY(r, BROKER, BROKER_STOPPED, 1, clean);
    SAY(r, BROKER, NODE_START, 0);
    SAY(r, BROKER, BROKER_READY, 1, 9092);
}

static void unsound(struct run *r, const char *text)
{
    say(r, BROKER, TRACE_LEFT_UNSOUND, NULL, text);
}

TEST(an_index_made_anew_after_a_clean_end)
{
    struct run r;
    durable(&r);
    end_and_begin(&r, true);
    SAY(&r, BROKER, LOG_REBUILT, P, INDEX, 0);
    expect_only(&r, CHECK_REBUILT_IN_VAIN);
}

TEST(an_index_made_anew_after_a_crash_is_none)
{
    struct run r;
    durable(&r);
    end_and_begin(&r, false);
    SAY(&r, BROKER, LOG_REBUILT, P, INDEX, 0);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_clean_end_that_leaves_damage)
{
    struct run r;
    durable(&r);
    SAY(&r, BROKER, NODE_KILL, 0); /* which explains no damage */
    unsound(&r, "damage: data/orders-0/00000000000000000000.index: it is wrong");
    expect_only(&r, CHECK_LEFT_UNSOUND);
}

TEST(a_file_left_over_where_nothing_has_struck)
{
    struct run r;
    durable(&r);
    unsound(&r, "note: data/orders-0/00000000000000000000.timeindex: there is no .log beside it");
    expect_only(&r, CHECK_LEFT_UNSOUND);
}

TEST(a_file_left_over_after_a_crash_is_none)
{
    struct run r;
    durable(&r);
    SAY(&r, BROKER, NODE_KILL, 0);
    unsound(&r, "note: data/orders-0/00000000000000000000.timeindex: there is no .log beside it");
    expect_only(&r, CHECK_CODE_COUNT);
}

static void image(struct run *r, uint64_t offset, uint64_t left, uint64_t replayed)
{
    SAY(r, BROKER, IMAGE_LEFT, offset, left);
    SAY(r, BROKER, BROKER_STOPPED, 1, 1);
    SAY(r, BROKER, IMAGE_REPLAYED, offset, replayed);
}

TEST(metadata_that_are_what_their_log_comes_to)
{
    struct run r;
    durable(&r);
    image(&r, 7, 0xabc, 0xabc);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(metadata_that_are_not_what_their_log_comes_to)
{
    struct run r;
    durable(&r);
    image(&r, 7, 0xabc, 0xabd);
    expect_only(&r, CHECK_IMAGE_NOT_REPLAYED);
}
