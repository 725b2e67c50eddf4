/* broker_test.c - what a broker must remember and must not say: each check fires, and its good twin
 * is silent. */
#include "run.h"

TEST(a_duplicate_that_is_answered_before_the_watermark_is_early)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    store(&r, 0, 4);
    append(&r, 5, 9);
    SAY(&r, BROKER, DUPLICATE, P, 0, 4, (uint64_t)-1, 1, 0);
    SAY(&r, BROKER, DUPLICATE, P, 5, 9, 1, 1, 5); /* acks=1 waits for nothing more */
    assert_int_equal(count(&r, CHECK_EARLY_ACK), 0);
    SAY(&r, BROKER, DUPLICATE, P, 5, 9, (uint64_t)-1, 1, 5);
    expect_only(&r, CHECK_EARLY_ACK);
}

static void append_batch(struct run *r, uint64_t first, uint64_t last, uint64_t crc)
{
    SAY(r, BROKER, LOG_APPEND, P, first, last, crc, 7, first, 100);
}

static void refuse_batch(struct run *r, uint64_t code, uint64_t sequence, uint64_t crc)
{
    SAY(r, BROKER, NACK, P, code, 7, sequence, crc);
}

TEST(a_refused_batch_of_the_last_five_is_found)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    for (uint64_t i = 0; i < 6; i++)
        append_batch(&r, i, i, 100 + i);
    refuse_batch(&r, 45, 1, 101);
    expect_only(&r, CHECK_DUPLICATE_REFUSED);
}

/* The sixth from the end is too old, one that was cut off is not there, a new epoch has a CRC of
 * its own, and other codes say other things. */
TEST(a_refused_batch_that_is_not_among_the_last_five_is_none)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    for (uint64_t i = 0; i < 6; i++)
        append_batch(&r, i, i, 100 + i);
    refuse_batch(&r, 45, 0, 100);
    refuse_batch(&r, 45, 3, 999);
    refuse_batch(&r, 56, 3, 103);
    SAY(&r, BROKER, LOG_CUT, P, 5, 6, 3);
    refuse_batch(&r, 45, 6, 105);
    open_log(&r, 0, 3);
    refuse_batch(&r, 45, 4, 104);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(the_next_batch_of_a_producer_is_not_refused)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    append_batch(&r, 0, 4, 100);
    refuse_batch(&r, 45, 6, 106);
    assert_int_equal(count(&r, CHECK_NEXT_REFUSED), 0);
    refuse_batch(&r, 45, 5, 105);
    expect_only(&r, CHECK_NEXT_REFUSED);
}

/* Behind the greatest sequence comes 0, and no other. */
TEST(behind_the_greatest_sequence_0_is_the_next)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    SAY(&r, BROKER, LOG_APPEND, P, 0, 4, 100, 7, INT32_MAX - 4, 100);
    refuse_batch(&r, 45, 1, 101);
    assert_int_equal(count(&r, CHECK_NEXT_REFUSED), 0);
    refuse_batch(&r, 45, 0, 102);
    expect_only(&r, CHECK_NEXT_REFUSED);
}

TEST(a_log_that_is_corrupt_on_a_sound_disk_is_found)
{
    struct run r;
    durable(&r);
    SAY(&r, BROKER, LOG_OFFLINE, P, 4096, ERR_CORRUPT);
    expect_only(&r, CHECK_UNHARMED_CORRUPT);
}

TEST(a_log_that_is_corrupt_on_a_damaged_disk_is_none)
{
    static const char *const damages[] = {"disk flip", "disk lose", "disk swap", "disk sync_late",
                                          "disk vanish"};
    for (int i = 0; i < COUNT_OF(damages); i++) {
        struct run r;
        durable(&r);
        SAY(&r, BROKER, LOG_OFFLINE, P, 0, ERR_IO);
        say(&r, BROKER, TRACE_FAULT, &(const struct trace_FAULT){.site = hash_text(damages[i])},
            damages[i]);
        SAY(&r, BROKER, LOG_OFFLINE, P, 4096, ERR_CORRUPT);
        expect_only(&r, CHECK_CODE_COUNT);
    }
}
