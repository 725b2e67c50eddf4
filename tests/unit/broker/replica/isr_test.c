/* isr_test.c - a leader and its followers: who is in sync, what is committed, and who is told. */
#include "leader.h"

#define IN(id) (1u << (id))
#define ALL (IN(1) | IN(2) | IN(3))

static void produce_all(void)
{
    leader_produce(0, -1);
}

static void produce_one(void)
{
    leader_produce(1, 1);
}

static int16_t hear(int32_t id, int64_t offset)
{
    return leader_hear((struct leader_said){.id = id, .offset = offset});
}

static void second_has_three(void)
{
    assert_int_equal(hear(2, 3), 0);
}

static void third_has_nothing(void)
{
    assert_int_equal(hear(3, 0), 0);
}

static void third_has_three(void)
{
    assert_int_equal(hear(3, 3), 0);
}

static int64_t watermark(void)
{
    return replica_high_watermark(the->replica);
}

static void accept(void)
{
    assert_true(leader_answer(WIRE_ERROR_NONE));
}

/* ---- what is committed ---- */

TEST(what_all_in_sync_replicas_have_is_committed)
{
    struct leader l;
    leader_setup(&l, 1, LOG_FLUSH_ACK, ALL, 2);
    leader_order(produce_all, 50);
    assert_int_equal(watermark(), 0);
    leader_order(second_has_three, 1);
    assert_int_equal(watermark(), 0);
    assert_false(l.produces[0].done);
    leader_order(third_has_three, 1);
    assert_int_equal(watermark(), 3);
    assert_true(l.produces[0].done);
    assert_int_equal(l.produces[0].op.code, 0);
    leader_teardown();
}

static void second_is_slow(void)
{
    leader_hear((struct leader_said){.id = 2, .offset = 3, .says_durable = true, .durable_end = 1});
}

static void second_has_synced(void)
{
    leader_hear((struct leader_said){.id = 2, .offset = 3, .says_durable = true, .durable_end = 3});
}

TEST(with_ack_a_followers_end_is_what_it_has_synced)
{
    struct leader l;
    leader_setup(&l, 2, LOG_FLUSH_ACK, IN(1) | IN(2), 2);
    leader_order(produce_all, 50);
    leader_order(second_is_slow, 1);
    assert_int_equal(watermark(), 1);
    leader_order(second_has_synced, 1);
    assert_int_equal(watermark(), 3);
    leader_teardown();
}

TEST(with_os_it_is_what_it_asks_from)
{
    struct leader l;
    leader_setup(&l, 3, LOG_FLUSH_OS, IN(1) | IN(2), 2);
    leader_order(produce_all, 50);
    leader_order(second_is_slow, 1);
    assert_int_equal(watermark(), 3);
    leader_teardown();
}

static void lower_the_minimum(void)
{
    replica_reconfigure(the->replica, &the->config.log, 1);
}

TEST(too_few_in_sync_refuse_all_and_commit_nothing_until_the_minimum_is_less)
{
    struct leader l;
    leader_setup(&l, 4, LOG_FLUSH_OS, IN(1), 2);
    leader_order(produce_all, 10);
    assert_true(l.produces[0].done);
    assert_int_equal(l.produces[0].op.code, WIRE_ERROR_NOT_ENOUGH_REPLICAS);
    leader_order(produce_one, 10);
    assert_int_equal(l.produces[1].op.code, 0);
    assert_int_equal(watermark(), 0);
    leader_order(lower_the_minimum, 1);
    assert_int_equal(watermark(), 3);
    leader_teardown();
}

TEST(a_minimum_above_the_number_of_replicas_is_that_number)
{
    struct leader l;
    leader_setup(&l, 5, LOG_FLUSH_OS, ALL, 9);
    leader_order(produce_all, 10);
    leader_order(second_has_three, 1);
    leader_order(third_has_three, 1);
    assert_int_equal(l.produces[0].op.code, 0);
    assert_true(l.produces[0].done);
    leader_teardown();
}

static void shrink_to_self(void)
{
    leader_change(IN(1));
}

static void join_again_with_a_greater_minimum(void)
{
    replica_reconfigure(the->replica, &the->config.log, 1);
}

/* The watermark passes them only when the minimum was lowered, and then enough are in sync. */
TEST(who_waits_while_too_few_are_in_sync_waits_on)
{
    struct leader l;
    leader_setup(&l, 6, LOG_FLUSH_OS, IN(1) | IN(2), 2);
    leader_order(produce_all, 10);
    leader_order(shrink_to_self, 10);
    assert_false(l.produces[0].done);
    assert_int_equal(watermark(), 0);
    leader_order(join_again_with_a_greater_minimum, 1);
    assert_true(l.produces[0].done);
    assert_int_equal(l.produces[0].op.code, 0);
    leader_teardown();
}

/* ---- who joins and who leaves ---- */

TEST(a_replica_that_has_what_is_committed_joins_and_is_counted_from_then_on)
{
    struct leader l;
    leader_setup(&l, 10, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(produce_one, 10);
    leader_order(second_has_three, 1);
    assert_int_equal(watermark(), 3);
    leader_order(third_has_nothing, 1);
    assert_int_equal(l.proposed_count, 0);
    leader_order(third_has_three, 1);
    assert_int_equal(leader_proposed(), ALL);
    assert_int_equal(l.proposals[0]->leader_epoch, l.epoch);
    assert_int_equal(l.proposals[0]->partition_epoch, l.partition_epoch);
    for (int32_t i = 0; i < l.proposals[0]->isr_count; i++) {
        const struct replica_in_sync *member = &l.proposals[0]->isr[i];
        assert_int_equal(member->broker_epoch, l.brokers[member->broker_id].epoch);
    }
    leader_order(accept, 1);
    assert_int_equal(l.proposal_count, 0);
    leader_order(produce_all, 10);
    assert_int_equal(watermark(), 3);
    leader_teardown();
}

static void second_has_all(void)
{
    hear(2, leader_end());
}

TEST(a_replica_that_lags_leaves_and_nobody_removes_himself)
{
    struct leader l;
    leader_setup(&l, 11, LOG_FLUSH_OS, ALL, 1);
    leader_order(produce_all, 5);
    for (int i = 0; i < LAG_MS - 20; i++)
        leader_order(second_has_all, 1);
    assert_int_equal(l.proposed_count, 0);
    for (int i = 0; i < LAG_MS + 20; i++)
        leader_order(second_has_all, 1);
    assert_int_equal(leader_proposed(), IN(1) | IN(2));
    assert_false(l.produces[0].done); /* both sets count until it is answered */
    leader_order(accept, 1);
    assert_true(l.produces[0].done);
    leader_run(5 * LAG_MS); /* nothing comes, so that the second has all there is */
    assert_int_equal(l.proposed_count, 1);
    leader_order(produce_one, 5 * LAG_MS);
    assert_int_equal(leader_proposed(), IN(1));
    leader_teardown();
}

static void keep_up(void)
{
    leader_produce(2, 1);
    hear(2, leader_end() - 3);
    hear(3, leader_end() - 3);
}

/* Each fetch asks from where the log ended at the one before it. */
TEST(who_is_one_fetch_behind_all_the_time_is_in_sync)
{
    struct leader l;
    leader_setup(&l, 12, LOG_FLUSH_OS, ALL, 1);
    for (int i = 0; i < 5; i++)
        leader_order(keep_up, LAG_MS / 2);
    for (int i = 0; i < 5; i++)
        leader_order(keep_up, LAG_MS / 2 + 10);
    assert_int_equal(l.proposed_count, 0);
    leader_teardown();
}

static void fence_third(void)
{
    the->brokers[3].may_join = the->brokers[3].is_alive = false;
}

static void unfence_third(void)
{
    the->brokers[3].may_join = the->brokers[3].is_alive = true;
    leader_brokers_changed();
}

TEST(one_that_could_not_join_joins_when_it_may)
{
    struct leader l;
    leader_setup(&l, 13, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(fence_third, 1);
    leader_order(third_has_nothing, 1);
    leader_order(second_has_all, 2 * LAG_MS);
    assert_int_equal(l.proposed_count, 0);
    leader_order(unfence_third, 2);
    assert_int_equal(leader_proposed(), ALL);
    leader_teardown();
}

/* ---- what the controller answers ---- */

static void is_ineligible(void)
{
    assert_true(leader_answer(WIRE_ERROR_INELIGIBLE_REPLICA));
}

TEST(what_was_refused_is_taken_back)
{
    struct leader l;
    leader_setup(&l, 20, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(third_has_nothing, 1);
    leader_order(is_ineligible, 1);
    assert_int_equal(l.proposal_count, 0); /* not before it is heard of again */
    leader_order(fence_third, 1);
    leader_order(produce_all, 10);
    leader_order(second_has_three, 1);
    assert_int_equal(watermark(), 3);
    leader_teardown();
}

static void is_behind(void)
{
    assert_true(leader_answer(WIRE_ERROR_INVALID_UPDATE_VERSION));
}

static void nobody_knows(void)
{
    assert_false(leader_answer(WIRE_ERROR_REQUEST_TIMED_OUT));
}

static void metadata_without_third(void)
{
    leader_change(IN(1) | IN(2));
}

/* It may have been done: both sets count until metadata tell. */
TEST(what_may_have_been_done_stays_open_until_metadata_tell)
{
    struct leader l;
    leader_setup(&l, 21, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(third_has_nothing, 1);
    leader_order(nobody_knows, 1);
    assert_int_equal(l.proposal_count, 1);
    leader_order(is_behind, 1);
    assert_int_equal(l.proposal_count, 0);
    leader_order(produce_all, 3 * LAG_MS);
    leader_order(second_has_three, 1);
    assert_int_equal(watermark(), 0);
    leader_order(third_has_nothing, 1);
    assert_int_equal(l.proposed_count, 1);
    leader_order(metadata_without_third, 1);
    assert_int_equal(watermark(), 3);
    leader_teardown();
}

static void metadata_with_third(void)
{
    leader_change(ALL);
}

TEST(metadata_that_come_before_the_answer_end_it)
{
    struct leader l;
    leader_setup(&l, 22, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(third_has_nothing, 1);
    leader_order(metadata_with_third, 1);
    assert_true(l.proposals[0]->is_void);
    leader_order(produce_all, 3 * LAG_MS);
    leader_order(second_has_three, 1);
    assert_int_equal(watermark(), 0);
    assert_int_equal(l.proposed_count, 1);
    leader_order(accept, 1); /* it is not believed any more; the third lags, and goes */
    leader_run(2 * LAG_MS);
    assert_int_equal(leader_proposed(), IN(1) | IN(2));
    leader_teardown();
}

static void follow(void)
{
    leader_elect(IN(2) | IN(3), true);
}

TEST(who_leads_no_more_proposes_nothing_and_answers_who_waits)
{
    struct leader l;
    leader_setup(&l, 23, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(produce_all, 10);
    leader_order(third_has_nothing, 1);
    leader_order(follow, 1);
    assert_int_equal(l.produces[0].op.code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_true(l.proposals[0]->is_void);
    leader_order(accept, 5 * LAG_MS);
    assert_int_equal(l.proposed_count, 1);
    leader_teardown();
}

/* ---- who may ask ---- */

static void ask_strangely(void)
{
    struct leader_said said = {.id = 3, .offset = 0, .epoch_less = 1};
    assert_int_equal(leader_hear(said), WIRE_ERROR_FENCED_LEADER_EPOCH);
    said.epoch_less = -1;
    assert_int_equal(leader_hear(said), WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    said = (struct leader_said){.id = 3, .offset = 0, .broker_epoch = the->brokers[3].epoch - 1};
    assert_int_equal(leader_hear(said), WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    said = (struct leader_said){.id = 3, .offset = 1};
    assert_int_equal(leader_hear(said), WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    said = (struct leader_said){.id = SELF, .offset = 0};
    assert_int_equal(leader_hear(said), WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    said = (struct leader_said){.id = 3, .offset = 0, .broker_epoch = -1}; /* is served alone */
    assert_int_equal(leader_hear(said), 0);
}

TEST(only_a_replica_of_this_life_and_epoch_is_heard)
{
    struct leader l;
    leader_setup(&l, 30, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(ask_strangely, 1);
    assert_int_equal(l.proposed_count, 0);
    leader_teardown();
}

static void park_second(void)
{
    leader_park((struct leader_said){.id = 2, .offset = 3});
}

TEST(a_follower_that_waits_is_told_of_records_and_of_the_watermark)
{
    struct leader l;
    leader_setup(&l, 31, LOG_FLUSH_ACK, ALL, 1);
    leader_order(produce_one, 50);
    leader_order(park_second, 1);
    assert_int_equal(l.woken_count, 0);
    assert_false(l.parked.some);
    leader_order(third_has_three, 1);
    assert_int_equal(l.woken_count, 1);
    assert_int_equal(l.parked.high_watermark, 3);
    leader_order(produce_all, 50);
    assert_true(l.woken_count >= 2);
    assert_true(l.parked.some); /* it reads what consumers may not */
    assert_int_equal(l.parked.high_watermark, 3);
    leader_teardown();
}

/* ---- the log start ---- */

static void on_trimmed(struct replica_trim *t)
{
    (void)t;
    the->is_trimmed = true;
}

static void trim(void)
{
    the->is_trimmed = false;
    the->trim = (struct replica_trim){.offset = 2};
    replica_trim(the->replica, &the->trim, on_trimmed);
}

static void second_begins_there(void)
{
    leader_hear((struct leader_said){.id = 2, .offset = 3, .log_start = 2});
}

static void give_up_trim(void)
{
    replica_trim_cancel(&the->trim, WIRE_ERROR_REQUEST_TIMED_OUT);
}

static void commit_three(struct leader *l, uint64_t seed)
{
    leader_setup(l, seed, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(fence_third, 1);
    leader_order(produce_one, 10);
    leader_order(second_has_three, 1);
    leader_order(trim, 200);
}

TEST(records_are_gone_when_the_replicas_that_live_begin_behind_them)
{
    struct leader l;
    commit_three(&l, 40);
    assert_int_equal(replica_log_start(l.replica), 2);
    assert_false(l.is_trimmed);
    leader_order(second_begins_there, 1);
    assert_true(l.is_trimmed);
    assert_int_equal(l.trim.code, 0);
    assert_int_equal(l.trim.low_watermark, 2);
    leader_teardown();
}

TEST(who_has_waited_long_enough_for_them_is_told_so)
{
    struct leader l;
    commit_three(&l, 41);
    leader_order(give_up_trim, 1);
    assert_true(l.is_trimmed);
    assert_int_equal(l.trim.code, WIRE_ERROR_REQUEST_TIMED_OUT);
    leader_teardown();
}

TEST(who_waits_for_them_is_told_that_another_leads)
{
    struct leader l;
    commit_three(&l, 42);
    leader_order(follow, 1);
    assert_true(l.is_trimmed);
    assert_int_equal(l.trim.code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    leader_teardown();
}

/* ---- whom a consumer may ask instead (V-1) ---- */

static void on_asked(struct replica_fetch *f)
{
    (void)f;
}

/* A consumer asks the leader for that offset, and 2 and 3 stand nearer. */
static int32_t named_for(int64_t offset)
{
    static const int32_t nearby[] = {2, 3};
    struct replica_fetch f;
    replica_fetch_init(&f, the->replica);
    f.offset = offset;
    f.at_follower = true;
    f.nearby = nearby;
    f.nearby_count = COUNT_OF(nearby);
    f.done = on_asked;
    replica_fetch(&f);
    int32_t id = f.preferred;
    replica_fetch_end(&f);
    return id;
}

static void nobody_is_heard(void)
{
    assert_int_equal(named_for(0), -1);
}

static void the_farthest_is_named(void)
{
    assert_int_equal(hear(2, 3), 0);
    assert_int_equal(hear(3, 1), 0);
    assert_int_equal(named_for(3), 2);
    assert_int_equal(named_for(0), 2);
    the->brokers[2].may_join = false;
    assert_int_equal(named_for(0), 3);
    assert_int_equal(named_for(1), 3);
    assert_int_equal(named_for(2), -1);
    the->brokers[2].may_join = true;
}

static void out_of_the_isr_is_nobody(void)
{
    leader_change(IN(1) | IN(3));
    assert_int_equal(named_for(0), 3);
    assert_int_equal(named_for(3), -1);
}

TEST(a_consumer_is_sent_to_who_is_in_sync_lives_and_has_what_it_asks_for)
{
    struct leader l;
    leader_setup(&l, 43, LOG_FLUSH_OS, ALL, 2);
    leader_order(produce_all, 10);
    leader_order(nobody_is_heard, 1);
    leader_order(the_farthest_is_named, 1);
    leader_order(out_of_the_isr_is_nobody, 1);
    leader_teardown();
}
