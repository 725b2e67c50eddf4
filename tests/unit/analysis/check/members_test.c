/* members_test.c - what the metadata log says of brokers and partitions: each check of it fires,
 * and a cluster that goes through the same in good order is silent. */
#include "run.h"

/* Brokers 1, 2 and 3 run on nodes 0, 5 and 6. */
enum { N1 = 0, N2 = 5, N3 = 6 };
enum { B1 = 2, B2 = 4, B3 = 8, ALL_THREE = 14 }; /* as bits */

static void broker_as(struct run *r, uint32_t node, int64_t by, int64_t broker, int64_t epoch,
                      bool fenced, uint64_t offset)
{
    SAY(r, node, BROKER_STATE, .broker = broker, .epoch = epoch, .fenced = fenced, .by = by,
        .metadata_offset = offset);
}

/* By the controller, which is broker 1's node. */
static void broker(struct run *r, int64_t id, int64_t epoch, bool fenced, uint64_t offset)
{
    broker_as(r, N1, 1, id, epoch, fenced, offset);
}

static void partition(struct run *r, int64_t leader, int64_t leader_epoch, int64_t partition_epoch,
                      uint64_t isr, uint64_t offset)
{
    SAY(r, N1, PARTITION_STATE, .partition = P, .leader = leader, .leader_epoch = leader_epoch,
        .partition_epoch = partition_epoch, .replicas = ALL_THREE, .isr = isr,
        .metadata_offset = offset);
}

static void open_on(struct run *r, uint32_t node)
{
    SAY(r, node, LOG_OPEN, .partition = P);
}

static void append_on(struct run *r, uint32_t node, uint64_t first, uint64_t last, int64_t epoch)
{
    SAY(r, node, LOG_APPEND, .partition = P, .first = first, .last = last, .crc = first,
        .producer_id = -1, .sequence = -1, .leader_epoch = epoch);
    SAY(r, node, LOG_WRITTEN, .partition = P, .end = last + 1);
    SAY(r, node, LOG_DURABLE, .partition = P, .end = last + 1);
}

/* Three brokers are registered at offsets 10 to 12, and serve from 15 on; broker 1 leads. */
static void three(struct run *r)
{
    static const uint32_t nodes[] = {N1, N2, N3};
    durable(r);
    for (int64_t i = 0; i < 3; i++) {
        broker(r, i + 1, 10 + i, true, 10 + (uint64_t)i);
        broker_as(r, nodes[i], i + 1, i + 1, 10 + i, true, 10 + (uint64_t)i);
    }
    for (int64_t i = 0; i < 3; i++)
        broker(r, i + 1, 10 + i, false, 15);
    partition(r, 1, 0, 0, ALL_THREE, 20);
    for (int i = 0; i < 3; i++)
        open_on(r, nodes[i]);
    SAY(r, N1, LEADER_ON, .partition = P, .leader_epoch = 0);
    for (int i = 0; i < 3; i++)
        append_on(r, nodes[i], 0, 4, 0);
    SAY(r, N1, HIGH_WATERMARK, .partition = P, .offset = 5);
}

/* It is fenced, and what it led goes to another; then it registers anew and comes back. */
TEST(a_broker_that_is_fenced_and_comes_back_has_no_findings)
{
    struct run r;
    three(&r);
    broker(&r, 1, 10, true, 30);
    partition(&r, 2, 1, 1, B2 | B3, 30);
    SAY(&r, N2, LEADER_ON, .partition = P, .leader_epoch = 1, .end = 5);
    append_on(&r, N2, 5, 5, 1);
    append_on(&r, N3, 5, 5, 1);
    SAY(&r, N2, HIGH_WATERMARK, .partition = P, .offset = 6, .leader_epoch = 1);
    broker(&r, 1, 40, true, 40);
    broker(&r, 1, 40, false, 41);
    append_on(&r, N1, 5, 5, 1);
    partition(&r, 2, 1, 2, ALL_THREE, 50);
    broker_as(&r, N3, 3, 1, 10, false, 15); /* who lags tells what was */
    expect_only(&r, CHECK_CODE_COUNT);
}

/* The last that was in sync stays so, and nobody leads. */
TEST(the_last_in_sync_may_be_fenced_while_nobody_leads)
{
    struct run r;
    three(&r);
    partition(&r, 1, 0, 1, B1, 25);
    broker(&r, 1, 10, true, 30);
    partition(&r, -1, 1, 2, B1, 30);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_fenced_broker_that_leads_is_found)
{
    struct run r;
    three(&r);
    broker(&r, 1, 10, true, 30);
    expect_only(&r, CHECK_FENCED_LEADS);
}

TEST(a_fenced_broker_that_is_in_sync_with_a_leader_is_found)
{
    struct run r;
    three(&r);
    broker(&r, 3, 12, true, 30);
    broker(&r, 3, 50, true, 50);
    expect_only(&r, CHECK_FENCED_LEADS);
}

/* Both stand in one image, in whichever order they are told. */
TEST(what_one_image_says_is_judged_as_one)
{
    struct run r;
    three(&r);
    partition(&r, 2, 1, 1, B2 | B3, 30);
    broker(&r, 1, 10, true, 30);
    broker(&r, 1, 10, true, 30);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_broker_that_is_gone_and_leads_is_found)
{
    struct run r;
    three(&r);
    broker(&r, 1, -1, true, 30);
    expect_only(&r, CHECK_FENCED_LEADS);
}

TEST(a_broker_epoch_that_goes_back_is_found)
{
    struct run r;
    three(&r);
    broker(&r, 2, 9, false, 30);
    expect_only(&r, CHECK_BROKER_EPOCH_BACK);
}

TEST(a_broker_epoch_of_another_broker_is_found)
{
    struct run r;
    three(&r);
    broker_as(&r, N2, 2, 2, 12, true, 14);
    broker(&r, 2, 12, false, 30);
    expect_only(&r, CHECK_BROKER_EPOCH_BACK);
}

TEST(a_broker_that_serves_before_it_knows_of_its_registration_is_found)
{
    struct run r;
    durable(&r);
    broker(&r, 2, 10, true, 10);
    broker(&r, 2, 10, false, 11);
    expect_only(&r, CHECK_UNFENCED_EARLY);
}

TEST(a_partition_that_changes_in_its_epoch_is_found)
{
    struct run r;
    three(&r);
    partition(&r, 1, 0, 0, B1 | B2, 30);
    expect_only(&r, CHECK_PARTITION_EPOCH_BACK);
}

TEST(a_leader_that_changes_in_its_epoch_is_found)
{
    struct run r;
    three(&r);
    partition(&r, 2, 0, 1, ALL_THREE, 30);
    expect_only(&r, CHECK_PARTITION_EPOCH_BACK);
}

TEST(a_leader_that_was_not_in_sync_is_found)
{
    struct run r;
    three(&r);
    partition(&r, 1, 0, 1, B1 | B2, 30);
    partition(&r, 3, 1, 2, B3, 40);
    expect_only(&r, CHECK_UNCLEAN_ELECTION);
}

TEST(a_leader_that_is_not_in_sync_is_found)
{
    struct run r;
    three(&r);
    partition(&r, 1, 0, 1, B2 | B3, 30);
    expect_only(&r, CHECK_LEADER_NOT_IN_SYNC);
}

TEST(who_is_in_sync_and_no_replica_is_found)
{
    struct run r;
    three(&r);
    SAY(&r, N1, PARTITION_STATE, .partition = P, .leader = 1, .partition_epoch = 1,
        .replicas = B1 | B2, .isr = B1 | B2, .elr = B3, .metadata_offset = 30);
    expect_only(&r, CHECK_IN_SYNC_WRONG);
}

/* Broker 3 is in sync, and the leader shows what it lacks. */
TEST(what_is_shown_before_all_in_sync_have_it_is_found)
{
    struct run r;
    three(&r);
    append_on(&r, N1, 5, 5, 0);
    append_on(&r, N2, 5, 5, 0);
    SAY(&r, N1, HIGH_WATERMARK, .partition = P, .offset = 6);
    expect_only(&r, CHECK_CANDIDATE_INCOMPLETE);
}

/* It is taken in again before it has caught up. */
TEST(who_is_taken_in_without_what_was_shown_is_found)
{
    struct run r;
    three(&r);
    partition(&r, 1, 0, 1, B1 | B2, 30);
    append_on(&r, N1, 5, 5, 0);
    append_on(&r, N2, 5, 5, 0);
    SAY(&r, N1, HIGH_WATERMARK, .partition = P, .offset = 6);
    partition(&r, 1, 0, 2, ALL_THREE, 40);
    expect_only(&r, CHECK_CANDIDATE_INCOMPLETE);
}

TEST(who_leads_although_another_was_elected_is_found)
{
    struct run r;
    three(&r);
    partition(&r, 2, 1, 1, ALL_THREE, 30);
    SAY(&r, N3, BROKER_READY, .broker = 3);
    SAY(&r, N3, LEADER_ON, .partition = P, .leader_epoch = 1, .end = 5);
    expect_only(&r, CHECK_LED_UNASKED);
}

TEST(who_leads_before_it_was_elected_is_found)
{
    struct run r;
    three(&r);
    SAY(&r, N2, LEADER_ON, .partition = P, .leader_epoch = 1, .end = 5);
    expect_only(&r, CHECK_LED_UNASKED);
}

/* Broker 2 alone is eligible, and broker 3 was the last leader. */
static void nobody_leads(struct run *r)
{
    three(r);
    for (int64_t id = 1; id <= 3; id++)
        broker(r, id, 9 + id, true, 30);
    SAY(r, N1, PARTITION_STATE, .partition = P, .leader = -1, .leader_epoch = 1,
        .partition_epoch = 1, .replicas = ALL_THREE, .elr = B2, .last_known = B3,
        .metadata_offset = 30);
    broker_as(r, N3, 3, 3, 35, true, 35);
    broker(r, 3, 35, true, 35);
    broker(r, 3, 35, false, 36);
}

static void last_leader_leads(struct run *r, uint64_t offset)
{
    SAY(r, N1, PARTITION_STATE, .partition = P, .leader = 3, .leader_epoch = 2,
        .partition_epoch = 2, .recovering = 1, .replicas = ALL_THREE, .isr = B3,
        .metadata_offset = offset);
}

/* In the write of the registration that ends broker 2's eligibility (KIP-966; B-2). */
TEST(the_last_leader_may_be_elected_as_the_last_eligible_one_comes_back_without_what_it_had)
{
    struct run r;
    nobody_leads(&r);
    broker(&r, 2, 40, true, 40);
    last_leader_leads(&r, 40);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* It has said that it lacks something: its disk was damaged. */
TEST(the_last_leader_may_be_elected_where_the_last_eligible_one_was_damaged)
{
    struct run r;
    nobody_leads(&r);
    say(&r, N2, TRACE_FAULT, &(const struct trace_FAULT){.site = hash_text("disk lose")},
        "disk lose");
    last_leader_leads(&r, 40);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(the_last_leader_that_is_elected_while_another_is_eligible_is_found)
{
    struct run r;
    nobody_leads(&r);
    last_leader_leads(&r, 40);
    expect_only(&r, CHECK_UNCLEAN_ELECTION);
}
