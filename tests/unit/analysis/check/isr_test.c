/* isr_test.c - what a leader tells of its followers: each check of it fires, and a leader that goes
 * by the rules is silent. */
#include "run.h"

/* Brokers 1, 2 and 3 run on nodes 0, 5 and 6. */
enum { N1 = 0, N2 = 5, N3 = 6 };
enum { B1 = 2, B2 = 4, B3 = 8, ALL_THREE = 14 }; /* as bits */

static void append_on(struct run *r, uint32_t node, uint64_t first, uint64_t last)
{
    SAY(r, node, LOG_APPEND, .partition = P, .first = first, .last = last, .crc = first,
        .producer_id = -1, .sequence = -1, .leader_epoch = 3);
    SAY(r, node, LOG_WRITTEN, .partition = P, .end = last + 1);
    SAY(r, node, LOG_DURABLE, .partition = P, .end = last + 1);
}

static void isr(struct run *r, uint64_t in_sync, uint64_t maximal)
{
    SAY(r, N1, ISR, .partition = P, .in_sync = in_sync, .maximal = maximal, .leader_epoch = 3,
        .partition_epoch = 7, .min_insync = 2);
}

static void heard(struct run *r, int64_t broker, uint64_t end)
{
    SAY(r, N1, REPLICA_END, .partition = P, .broker = broker, .broker_epoch = 10 * broker,
        .end = end, .leader_epoch = 3);
}

static void watermark(struct run *r, uint64_t offset)
{
    SAY(r, N1, HIGH_WATERMARK, .partition = P, .offset = offset, .leader_epoch = 3);
}

static void broker(struct run *r, uint32_t node, int64_t by, int64_t id, bool fenced, uint64_t at)
{
    SAY(r, node, BROKER_STATE, .broker = id, .epoch = 9 + id, .fenced = fenced, .by = by,
        .metadata_offset = at);
}

/* At offsets 10 to 12, and they serve from 15 on. */
static void register_all(struct run *r)
{
    static const uint32_t nodes[] = {N1, N2, N3};
    for (int64_t id = 1; id <= 3; id++) {
        broker(r, N1, 1, id, true, 9 + (uint64_t)id);
        broker(r, nodes[id - 1], id, id, true, 9 + (uint64_t)id);
    }
    for (int64_t id = 1; id <= 3; id++)
        broker(r, N1, 1, id, false, 15);
}

/* Broker 1 leads what ends at 5, of which nothing is committed; all have ten records then. */
static void led(struct run *r, uint64_t in_sync)
{
    static const uint32_t nodes[] = {N1, N2, N3};
    durable(r);
    register_all(r);
    for (int i = 0; i < 3; i++) {
        SAY(r, nodes[i], BROKER_READY, .broker = i + 1);
        SAY(r, nodes[i], LOG_OPEN, .partition = P);
        append_on(r, nodes[i], 0, 4);
    }
    SAY(r, N1, LEADER_ON, .partition = P, .leader_epoch = 3, .end = 5);
    isr(r, in_sync, in_sync);
    for (int i = 0; i < 3; i++)
        append_on(r, nodes[i], 5, 9);
}

static void metadata(struct run *r, uint64_t in_sync, int64_t partition_epoch)
{
    SAY(r, N1, PARTITION_STATE, .partition = P, .leader = 1, .leader_epoch = 3,
        .partition_epoch = partition_epoch, .replicas = ALL_THREE, .isr = in_sync,
        .metadata_offset = 20 + (uint64_t)partition_epoch);
}

TEST(a_leader_by_the_rules_has_no_findings)
{
    struct run r;
    led(&r, B1 | B2);
    metadata(&r, B1 | B2, 7);
    heard(&r, 2, 5);
    watermark(&r, 5);
    heard(&r, 3, 7);
    isr(&r, B1 | B2, ALL_THREE);
    metadata(&r, ALL_THREE, 8);
    heard(&r, 2, 10);
    watermark(&r, 7);
    isr(&r, ALL_THREE, ALL_THREE);
    heard(&r, 3, 10);
    watermark(&r, 10);
    SAY(&r, N1, ACK, .partition = P, .first = 0, .last = 9, .acks = -1, .leader_epoch = 3,
        .producer_id = -1);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(d7_whoever_is_in_sync_by_the_metadata_is_counted)
{
    struct run r;
    led(&r, B1 | B2);
    metadata(&r, B1 | B2, 7);
    metadata(&r, ALL_THREE, 8);
    expect_only(&r, CHECK_COUNTS_TOO_FEW);
}

TEST(d8_the_watermark_waits_for_who_is_about_to_join)
{
    struct run r;
    led(&r, B1 | B2);
    heard(&r, 3, 5);
    isr(&r, B1 | B2, ALL_THREE);
    heard(&r, 2, 10);
    watermark(&r, 10);
    expect_only(&r, CHECK_WATERMARK_PAST_REPLICA);
}

TEST(d8_it_waits_for_who_was_not_heard)
{
    struct run r;
    led(&r, B1 | B2);
    watermark(&r, 5);
    expect_only(&r, CHECK_WATERMARK_PAST_REPLICA);
}

TEST(d15_who_lacks_what_the_epoch_began_with_does_not_join)
{
    struct run r;
    led(&r, B1 | B2);
    heard(&r, 3, 4);
    isr(&r, B1 | B2, ALL_THREE);
    expect_only(&r, CHECK_JOINED_BEHIND);
}

TEST(d15_nor_who_was_not_heard)
{
    struct run r;
    led(&r, B1 | B2);
    isr(&r, B1 | B2, ALL_THREE);
    expect_only(&r, CHECK_JOINED_BEHIND);
}

TEST(d23_the_watermark_stands_below_the_minimum)
{
    struct run r;
    led(&r, B1);
    watermark(&r, 5);
    expect_only(&r, CHECK_COMMITTED_BY_TOO_FEW);
}

TEST(d23_and_nothing_is_acknowledged)
{
    struct run r;
    led(&r, B1 | B2);
    heard(&r, 2, 10);
    watermark(&r, 10);
    isr(&r, B1, B1);
    SAY(&r, N1, ACK, .partition = P, .first = 0, .last = 9, .acks = -1, .leader_epoch = 3,
        .producer_id = -1);
    expect_only(&r, CHECK_COMMITTED_BY_TOO_FEW);
}
