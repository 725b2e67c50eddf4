/* lag_test.c - whom a leader lets go, keeps and lets in: each check of it fires, and a leader that
 * goes by the rules is silent. */
#include "run.h"

enum { B1 = 2, B2 = 4, B3 = 8, ALL_THREE = 14 }; /* brokers, as bits */

static int64_t seconds(int64_t count)
{
    return count * 1000000000;
}

static void later(struct run *r, int64_t ns)
{
    r->now_ns += ns;
}

static void isr(struct run *r, uint64_t in_sync, uint64_t asked, int64_t partition_epoch)
{
    SAY(r, BROKER, ISR, .partition = P, .in_sync = in_sync, .maximal = in_sync | asked,
        .asked = asked, .lag_ms = 10000, .leader_epoch = 3, .partition_epoch = partition_epoch,
        .min_insync = 1);
}

static void heard(struct run *r, int64_t broker, uint64_t end)
{
    SAY(r, BROKER, REPLICA_END, .partition = P, .broker = broker, .broker_epoch = 10 + broker,
        .end = end, .leader_epoch = 3);
}

static void append_one(struct run *r, uint64_t offset)
{
    SAY(r, BROKER, LOG_APPEND, .partition = P, .first = offset, .last = offset, .crc = 1 + offset,
        .producer_id = -1, .sequence = -1, .leader_epoch = 3);
    SAY(r, BROKER, LOG_WRITTEN, .partition = P, .end = offset + 1);
    SAY(r, BROKER, LOG_DURABLE, .partition = P, .end = offset + 1);
}

static void watermark(struct run *r, uint64_t offset)
{
    SAY(r, BROKER, HIGH_WATERMARK, .partition = P, .offset = offset, .leader_epoch = 3);
}

static void metadata(struct run *r, uint64_t in_sync, int64_t partition_epoch)
{
    SAY(r, BROKER, PARTITION_STATE, .partition = P, .leader = 1, .leader_epoch = 3,
        .partition_epoch = partition_epoch, .replicas = ALL_THREE, .isr = in_sync,
        .metadata_offset = 20 + (uint64_t)partition_epoch);
}

/* Broker 1 leads with those in sync; its log has a record. */
static void led(struct run *r, uint64_t in_sync)
{
    durable(r);
    for (int64_t id = 1; id <= 3; id++)
        SAY(r, id == 1 ? BROKER : (uint32_t)(10 + id), BROKER_STATE, .broker = id, .epoch = 10 + id,
            .fenced = 1, .by = id, .metadata_offset = (uint64_t)(10 + id));
    for (int64_t id = 1; id <= 3; id++)
        SAY(r, BROKER, BROKER_STATE, .broker = id, .epoch = 10 + id, .by = 1,
            .metadata_offset = 15);
    SAY(r, BROKER, BROKER_READY, .broker = 1);
    SAY(r, BROKER, LOG_OPEN, .partition = P);
    append_one(r, 0);
    metadata(r, in_sync, 7);
    SAY(r, BROKER, LEADER_ON, .partition = P, .leader_epoch = 3, .end = 1);
    isr(r, in_sync, 0, 7);
}

TEST(a_laggard_leaves_and_comes_back)
{
    struct run r;
    led(&r, B1 | B2);
    heard(&r, 2, 1);
    later(&r, seconds(20));
    append_one(&r, 1); /* it has had all there was until now */
    later(&r, seconds(11));
    isr(&r, B1 | B2, B1, 7);
    metadata(&r, B1, 8);
    isr(&r, B1, 0, 8);
    heard(&r, 2, 2);
    isr(&r, B1, B1 | B2, 8);
    metadata(&r, B1 | B2, 9);
    isr(&r, B1 | B2, 0, 9);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(d25_whoever_has_all_that_counts_stays)
{
    struct run r;
    led(&r, B1 | B2);
    heard(&r, 2, 1);
    later(&r, seconds(60));
    isr(&r, B1 | B2, B1, 7);
    expect_only(&r, CHECK_LEFT_EARLY);
}

TEST(d25_and_so_does_who_had_it_until_a_moment_ago)
{
    struct run r;
    led(&r, B1 | B2);
    heard(&r, 2, 1);
    later(&r, seconds(60));
    append_one(&r, 1);
    later(&r, seconds(9));
    isr(&r, B1 | B2, B1, 7);
    expect_only(&r, CHECK_LEFT_EARLY);
}

TEST(d25_an_epoch_begins_with_all_in_sync_caught_up)
{
    struct run r;
    led(&r, B1 | B2);
    later(&r, seconds(9));
    isr(&r, B1 | B2, B1, 7);
    expect_only(&r, CHECK_LEFT_EARLY);
}

TEST(d26_in_sync_is_who_is_by_the_metadata_log)
{
    struct run r;
    led(&r, B1 | B2);
    heard(&r, 2, 1);
    metadata(&r, B1, 8);
    isr(&r, B1 | B2, 0, 8);
    expect_only(&r, CHECK_IN_SYNC_UNTOLD);
}

TEST(d27_who_lags_is_looked_for_in_time)
{
    struct run r;
    led(&r, B1 | B2);
    append_one(&r, 1);
    later(&r, seconds(17));
    isr(&r, B1 | B2, B1, 7);
    expect_only(&r, CHECK_LAGGARD_KEPT);
}

TEST(d27_and_not_when_timers_could_not_fire)
{
    struct run r;
    led(&r, B1 | B2);
    append_one(&r, 1);
    say(&r, BROKER, TRACE_FAULT,
        &(const struct trace_FAULT){.site = hash_text("pause"), .until_ns = r.now_ns + seconds(10)},
        "pause");
    later(&r, seconds(17));
    isr(&r, B1 | B2, B1, 7);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(d28_whoever_has_all_it_takes_is_let_in)
{
    struct run r;
    led(&r, B1);
    watermark(&r, 1);
    later(&r, seconds(60));
    heard(&r, 2, 1);
    later(&r, seconds(2));
    isr(&r, B1, B1 | B2, 7);
    expect_only(&r, CHECK_KEPT_OUT);
}

TEST(d29_only_the_registered_life_of_a_replica_is_heard)
{
    struct run r;
    led(&r, B1);
    SAY(&r, BROKER, BROKER_STATE, .broker = 2, .epoch = 30, .fenced = 1, .by = 1,
        .metadata_offset = 40);
    heard(&r, 2, 1);
    expect_only(&r, CHECK_OLDER_LIFE_HEARD);
}

TEST(e21_a_broker_without_a_directory_is_fenced)
{
    struct run r;
    led(&r, B1);
    SAY(&r, BROKER, DIR_OFFLINE, .err = 5);
    SAY(&r, READER, POLL_INVOKE, .op = 1);
    later(&r, seconds(11));
    SAY(&r, READER, POLL_INVOKE, .op = 2);
    expect_only(&r, CHECK_OFFLINE_SERVES);
}
