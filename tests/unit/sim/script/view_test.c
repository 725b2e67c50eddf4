/* view_test.c - who leads, as rows of several brokers tell it: by the newest leader epoch, however
 * late an old leader speaks, and whoever dies without a word. */
#include "check/check.h"
#include "script/view.h"
#include "support/test.h"

struct seen {
    struct test_mem mem;
    struct view *view;
};

static void seen_init(struct seen *s)
{
    test_mem_init(&s->mem);
    assert_ok(script_view_new(&s->view, &s->mem.mem));
}

static void seen_done(struct seen *s)
{
    script_view_free(s->view);
    test_mem_done(&s->mem);
}

static void say(struct seen *s, enum trace_kind kind, uint32_t node, const uint64_t *words)
{
    struct trace_whole whole;
    trace_make(&whole, kind, words, NULL);
    whole.row.node = node;
    script_view_row(s->view, &whole.row);
}

static void lead(struct seen *s, uint32_t node, uint64_t partition, uint64_t leader_epoch)
{
    struct trace_LEADER_ON on = {
        .partition = partition, .leader_epoch = leader_epoch, .partition_epoch = 10 * leader_epoch};
    uint64_t words[TRACE_COLUMNS_MAX] = {0};
    memcpy(words, &on, sizeof on);
    say(s, TRACE_LEADER_ON, node, words);
}

static void lead_no_longer(struct seen *s, uint32_t node, uint64_t partition, uint64_t epoch)
{
    struct trace_LEADER_OFF off = {.partition = partition, .leader_epoch = epoch};
    uint64_t words[TRACE_COLUMNS_MAX] = {0};
    memcpy(words, &off, sizeof off);
    say(s, TRACE_LEADER_OFF, node, words);
}

static void die(struct seen *s, enum trace_kind how, uint32_t node)
{
    uint64_t words[TRACE_COLUMNS_MAX] = {0};
    say(s, how, node, words);
}

static void expect_leader(const struct seen *s, uint64_t partition, uint32_t node, int64_t epoch,
                          bool leads)
{
    struct view_leader leader = script_view_leader(s->view, partition);
    assert_int_equal(leader.node, node);
    assert_int_equal(leader.leader_epoch, epoch);
    assert_int_equal(leader.partition_epoch, epoch < 0 ? -1 : 10 * epoch);
    assert_int_equal(leader.leads, leads);
}

static void know(struct seen *s, uint32_t node, int64_t leader, int64_t partition_epoch,
                 uint64_t isr)
{
    struct trace_PARTITION_STATE is = {
        .partition = 7, .leader = leader, .partition_epoch = partition_epoch, .isr = isr};
    uint64_t words[TRACE_COLUMNS_MAX] = {0};
    memcpy(words, &is, sizeof is);
    say(s, TRACE_PARTITION_STATE, node, words);
}

/* By the newest partition epoch, whoever tells of it and whoever dies. */
TEST(who_is_in_sync_goes_by_the_newest_partition_epoch)
{
    struct seen s;
    seen_init(&s);
    assert_int_equal(script_view_state(s.view, 7).partition_epoch, -1);
    know(&s, 1, 1, 0, 14);
    know(&s, 2, -1, 2, 8);
    know(&s, 1, 2, 1, 12);
    die(&s, TRACE_NODE_KILL, 2);
    struct view_state known = script_view_state(s.view, 7);
    assert_int_equal(known.leader, -1);
    assert_int_equal(known.partition_epoch, 2);
    assert_int_equal(known.isr, 8);
    seen_done(&s);
}

static void register_as(struct seen *s, int64_t epoch, bool fenced, uint64_t offset)
{
    struct trace_BROKER_STATE is = {
        .broker = 2, .epoch = epoch, .fenced = fenced, .metadata_offset = offset};
    uint64_t words[TRACE_COLUMNS_MAX] = {0};
    memcpy(words, &is, sizeof is);
    say(s, TRACE_BROKER_STATE, 1, words);
}

TEST(a_broker_serves_while_it_is_registered_and_not_fenced)
{
    struct seen s;
    seen_init(&s);
    assert_false(script_view_serves(s.view, 2));
    register_as(&s, 5, true, 5);
    assert_false(script_view_serves(s.view, 2));
    register_as(&s, 5, false, 8);
    register_as(&s, 5, true, 5); /* who lags */
    assert_true(script_view_serves(s.view, 2));
    register_as(&s, -1, false, 9);
    assert_false(script_view_serves(s.view, 2));
    seen_done(&s);
}

/* Nobody leads what nobody has said a word of. */
TEST(nobody_leads_before_anybody_says_so)
{
    struct seen s;
    seen_init(&s);
    lead(&s, 1, 7, 0);
    expect_leader(&s, 8, VIEW_NOBODY, -1, false);
    seen_done(&s);
}

/* The newest leader epoch counts; an old leader that hears late of the new one is no leader again.
 */
TEST(the_newest_leader_epoch_counts)
{
    struct seen s;
    seen_init(&s);
    lead(&s, 1, 7, 3);
    lead(&s, 2, 7, 5);
    lead(&s, 1, 7, 4);
    expect_leader(&s, 7, 2, 5, true);
    lead_no_longer(&s, 1, 7, 4);
    expect_leader(&s, 7, 2, 5, true);
    lead_no_longer(&s, 2, 7, 5);
    expect_leader(&s, 7, 2, 5, false);
    seen_done(&s);
}

/* Who dies says nothing: he was the last leader, and leads nothing; the partitions of others are
 * theirs. */
TEST(who_dies_leads_nothing)
{
    static const enum trace_kind ends[] = {TRACE_NODE_KILL, TRACE_POWER_LOSS, TRACE_NODE_EXIT,
                                           TRACE_NODE_START};
    for (int i = 0; i < COUNT_OF(ends); i++) {
        struct seen s;
        seen_init(&s);
        lead(&s, 1, 7, 3);
        lead(&s, 2, 8, 1);
        die(&s, ends[i], 1);
        expect_leader(&s, 7, 1, 3, false);
        expect_leader(&s, 8, 2, 1, true);
        lead(&s, 1, 7, 3); /* the same epoch, in its next life */
        expect_leader(&s, 7, 1, 3, true);
        seen_done(&s);
    }
}

/* Nine brokers lead a thousand partitions; without memory it says so, and knows the others. */
TEST(what_it_cannot_keep_it_says)
{
    struct seen s;
    seen_init(&s);
    for (uint64_t p = 0; p < 1000; p++)
        lead(&s, (uint32_t)(p % 9), p, p % 5);
    for (uint64_t p = 0; p < 1000; p++)
        expect_leader(&s, p, (uint32_t)(p % 9), (int64_t)(p % 5), true);
    assert_true(script_view_is_whole(s.view));
    s.mem.fail_at = 1;
    lead(&s, 1, 5000, 1);
    assert_false(script_view_is_whole(s.view));
    expect_leader(&s, 5000, VIEW_NOBODY, -1, false);
    expect_leader(&s, 10, 1, 0, true);
    s.mem.fail_at = 0;
    seen_done(&s);
}

/* ---- the quorum ---- */

static void take_role(struct seen *s, uint32_t node, int64_t epoch, int64_t role)
{
    struct trace_QUORUM_ROLE is = {.epoch = epoch, .role = role, .leader_id = -1, .voted_id = -1};
    uint64_t words[TRACE_COLUMNS_MAX] = {0};
    memcpy(words, &is, sizeof is);
    say(s, TRACE_QUORUM_ROLE, node, words);
}

static void expect_controller(const struct seen *s, uint32_t node, int64_t epoch, bool leads)
{
    struct view_controller controller = script_view_controller(s->view);
    assert_int_equal(controller.node, node);
    assert_int_equal(controller.epoch, epoch);
    assert_int_equal(controller.leads, leads);
}

TEST(the_controller_is_who_leads_in_the_newest_epoch)
{
    struct seen s;
    seen_init(&s);
    expect_controller(&s, VIEW_NOBODY, -1, false);
    assert_int_equal(script_view_role(s.view, 1), -1);
    take_role(&s, 1, 3, CHECK_ROLE_LEADER);
    expect_controller(&s, 1, 3, true);
    take_role(&s, 2, 3, CHECK_ROLE_FOLLOWER);
    expect_controller(&s, 1, 3, true);
    take_role(&s, 2, 4, CHECK_ROLE_LEADER);
    take_role(&s, 1, 3, CHECK_ROLE_LEADER); /* it has not heard of it */
    expect_controller(&s, 2, 4, true);
    take_role(&s, 1, 3, CHECK_ROLE_RESIGNED);
    expect_controller(&s, 2, 4, true);
    assert_int_equal(script_view_role(s.view, 1), CHECK_ROLE_RESIGNED);
    take_role(&s, 2, 4, CHECK_ROLE_RESIGNED);
    expect_controller(&s, 2, 4, false);
    seen_done(&s);
}

TEST(a_controller_that_dies_leads_no_more_and_knows_nothing)
{
    struct seen s;
    seen_init(&s);
    struct trace_QUORUM_COMMIT commit = {.epoch = 1, .watermark = 7, .durable = 7};
    uint64_t words[TRACE_COLUMNS_MAX] = {0};
    memcpy(words, &commit, sizeof commit);
    take_role(&s, 1, 1, CHECK_ROLE_LEADER);
    say(&s, TRACE_QUORUM_COMMIT, 1, words);
    assert_int_equal(script_view_committed(s.view, 1), 7);
    die(&s, TRACE_NODE_KILL, 1);
    expect_controller(&s, 1, 1, false);
    assert_int_equal(script_view_committed(s.view, 1), -1);
    assert_int_equal(script_view_role(s.view, 1), -1);
    seen_done(&s);
}
