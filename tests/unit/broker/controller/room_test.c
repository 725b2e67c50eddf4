/* room_test.c - brokers whose disks are full: who leads, and who is in sync, without them. */
#include "cluster.h"

static const int32_t three[] = {1, 2, 3};

static void begin(struct box *box, const char *min_insync)
{
    box_init(box);
    box_register(box); /* feature levels, and broker 1 as its own quorum's */
    controller_sessions_clear(&box->sessions);
    cluster_up(box, 3);
    cluster_topic(box, "orders", three, 3, min_insync, "false");
}

static void beat(struct box *box, int32_t id, bool is_full, bool leaves)
{
    struct controller_heartbeat c;
    controller_heartbeat_init(&c);
    c.broker_id = id;
    c.broker_epoch = cluster_epoch(box, id);
    c.metadata_offset = box->image->offset;
    c.is_full = is_full;
    c.want_shutdown = leaves;
    box_decide(box, &c.command);
    assert_int_equal(c.command.code, 0);
}

static void say(struct box *box, int32_t id, bool is_full)
{
    beat(box, id, is_full, false);
}

static int32_t leader(const struct box *box)
{
    return cluster_partition(box, "orders")->leader;
}

static int32_t isr_count(const struct box *box)
{
    return metadata_ids(cluster_partition(box, "orders"), METADATA_ISR).count;
}

TEST(who_has_room_leads_instead_of_who_has_none)
{
    struct box box;
    begin(&box, "2");
    say(&box, 1, true);
    assert_int_equal(leader(&box), 2);
    assert_int_equal(isr_count(&box), 2);
    int32_t epoch = cluster_partition(&box, "orders")->partition_epoch;
    say(&box, 1, true); /* once is enough */
    assert_int_equal(cluster_partition(&box, "orders")->partition_epoch, epoch);
    box_done(&box);
}

/* What is committed is shown only while enough of them are in sync (P-8). */
TEST(who_has_no_room_stays_in_sync_where_too_few_would_be_left)
{
    struct box box;
    begin(&box, "3");
    say(&box, 3, true);
    assert_int_equal(isr_count(&box), 3);
    assert_int_equal(leader(&box), 1);
    say(&box, 1, true);
    assert_int_equal(isr_count(&box), 3);
    assert_int_equal(leader(&box), 2);
    box_done(&box);
}

TEST(where_nobody_has_room_the_leader_stays)
{
    struct box box;
    begin(&box, "1");
    say(&box, 2, true);
    say(&box, 3, true);
    assert_int_equal(isr_count(&box), 1);
    say(&box, 1, true);
    assert_int_equal(leader(&box), 1);
    assert_int_equal(isr_count(&box), 1);
    box_done(&box);
}

TEST(who_has_no_room_joins_when_it_has_some_and_not_before)
{
    struct box box;
    begin(&box, "2");
    say(&box, 3, true);
    assert_int_equal(isr_count(&box), 2);
    assert_int_equal(cluster_alter(&box, "orders", three, 3), WIRE_ERROR_INELIGIBLE_REPLICA);
    say(&box, 3, false);
    assert_int_equal(cluster_alter(&box, "orders", three, 3), WIRE_ERROR_NONE);
    assert_int_equal(isr_count(&box), 3);
    box_done(&box);
}

TEST(among_those_in_sync_who_has_room_is_elected_first)
{
    struct box box;
    begin(&box, "3");
    say(&box, 2, true);
    beat(&box, 1, false, true);
    assert_int_equal(leader(&box), 3);
    say(&box, 3, true);
    assert_int_equal(leader(&box), 3);
    beat(&box, 3, true, true);
    assert_int_equal(leader(&box), 2);
    box_done(&box);
}
