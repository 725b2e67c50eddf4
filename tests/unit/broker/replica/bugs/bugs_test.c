/* bugs_test.c - each historic mistake of a leader with followers, by a schedule that shows it: what
 * holds without the mistake does not hold with it. */
#include "../leader.h"

#define BUG(name, origin, check, scenario, text, happened, why) extern bool known_bug_##name;
#include "known_bugs.def"
#undef BUG
#define BUG(name, origin, check, scenario, text, happened, why) bool known_bug_##name;
#include "known_bugs.def"
#undef BUG

#define IN(id) (1u << (id))
#define ALL (IN(1) | IN(2) | IN(3))

/* What it comes to: a watermark, or who is proposed. */
typedef int64_t schedule(void);

/* Runs it without the mistake, and with it. */
static void shows(bool *bug, schedule *run, int64_t right, int64_t wrong)
{
    *bug = false;
    assert_int_equal(run(), right);
    *bug = true;
    int64_t came = run();
    *bug = false;
    assert_int_equal(came, wrong);
}

static int64_t end_with_watermark(void)
{
    int64_t watermark = replica_high_watermark(the->replica);
    leader_teardown();
    return watermark;
}

static int64_t end_with_proposed(void)
{
    int64_t proposed = leader_proposed();
    leader_teardown();
    return proposed;
}

static void produce(void)
{
    leader_produce(0, 1);
}

static void produce_more(void)
{
    leader_produce(1, 1);
}

static void second_has_three(void)
{
    leader_hear((struct leader_said){.id = 2, .offset = 3});
}

static void third_has_nothing(void)
{
    leader_hear((struct leader_said){.id = 3, .offset = 0});
}

/* ---- schedules ---- */

/* The third asks to join, and the answer takes longer than anybody may lag. */
static int64_t joins_slowly(void)
{
    struct leader l;
    leader_setup(&l, 1, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(third_has_nothing, 1);
    leader_order(produce, 3 * LAG_MS);
    leader_order(second_has_three, 1);
    return end_with_watermark();
}

TEST(a_replica_that_is_about_to_join_is_counted)
{
    shows(&known_bug_joining_not_counted, joins_slowly, 0, 3);
}

static void lead_anew(void)
{
    leader_elect(IN(1) | IN(2), false);
}

static int64_t joins_at_the_watermark(void)
{
    struct leader l;
    leader_setup(&l, 2, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(produce, 10);
    leader_order(lead_anew, 10);
    leader_order(third_has_nothing, 1);
    return end_with_proposed();
}

TEST(nobody_joins_before_he_has_what_the_epoch_began_with)
{
    shows(&known_bug_joins_before_epoch_start, joins_at_the_watermark, 0, ALL);
}

static void third_is_fenced(void)
{
    the->brokers[3].may_join = the->brokers[3].is_alive = false;
}

static void third_lives_anew(void)
{
    the->brokers[3] = (struct replica_broker){.epoch = 31, .is_alive = true, .may_join = true};
}

static int64_t another_life(void)
{
    struct leader l;
    leader_setup(&l, 3, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(third_is_fenced, 1);
    leader_order(third_has_nothing, 1);
    leader_order(third_lives_anew, LAG_MS - 20);
    return end_with_proposed();
}

TEST(nobody_joins_by_what_an_earlier_life_had)
{
    shows(&known_bug_older_life_joins, another_life, 0, ALL);
}

static int64_t one_that_may_not_join(void)
{
    struct leader l;
    leader_setup(&l, 4, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(third_is_fenced, 1);
    leader_order(third_has_nothing, 1);
    leader_order(produce, 5);
    leader_order(second_has_three, 1);
    return end_with_watermark();
}

TEST(who_may_not_join_is_not_waited_for)
{
    shows(&known_bug_waits_for_ineligible, one_that_may_not_join, 3, 0);
}

static void let_it_go(void)
{
    assert_int_equal(leader_proposed(), IN(1) | IN(2));
    assert_true(leader_answer(WIRE_ERROR_NONE));
}

static int64_t the_last_slow_one_leaves(void)
{
    struct leader l;
    leader_setup(&l, 5, LOG_FLUSH_OS, ALL, 1);
    leader_order(third_has_nothing, 1);
    leader_order(produce, 5);
    for (int i = 0; i < 2 * LAG_MS && leader_proposed() == 0; i++)
        leader_order(second_has_three, 1);
    leader_order(let_it_go, 1);
    return end_with_watermark();
}

TEST(the_watermark_moves_when_the_last_slow_replica_has_left)
{
    shows(&known_bug_shrink_moves_nothing, the_last_slow_one_leaves, 3, 0);
}

static int64_t below_the_minimum(void)
{
    struct leader l;
    leader_setup(&l, 6, LOG_FLUSH_OS, IN(1), 2);
    leader_order(produce, 10);
    return end_with_watermark();
}

TEST(nothing_is_committed_below_the_minimum)
{
    shows(&known_bug_watermark_not_gated, below_the_minimum, 0, 3);
}

static void follow(void)
{
    leader_elect(IN(1) | IN(2), true);
}

static int64_t two_reigns(void)
{
    struct leader l;
    leader_setup(&l, 7, LOG_FLUSH_OS, ALL, 1);
    leader_order(produce, 10);
    leader_order(second_has_three, 1);
    leader_order(follow, 5);
    leader_order(lead_anew, 5);
    return end_with_watermark();
}

TEST(a_new_epoch_knows_nothing_of_its_followers)
{
    shows(&known_bug_followers_remembered, two_reigns, 0, 3);
}

static void refuse(void)
{
    assert_true(leader_answer(WIRE_ERROR_INELIGIBLE_REPLICA));
}

/* What the first reign has proposed is answered between the two. */
static int64_t answered_between_reigns(void)
{
    struct leader l;
    leader_setup(&l, 17, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(third_has_nothing, 1);
    leader_order(follow, 1);
    leader_order(refuse, 1);
    leader_order(lead_anew, 1);
    leader_order(third_has_nothing, 1);
    return end_with_proposed();
}

/* The mistake is what it says and no other: a proposal that has ended is in nobody's hands. */
TEST(who_remembers_followers_does_not_remember_what_he_proposed)
{
    shows(&known_bug_followers_remembered, answered_between_reigns, ALL, ALL);
}

static void second_has_parted(void)
{
    leader_hear((struct leader_said){.id = 2, .offset = 5, .last_epoch = the->epoch - 1});
}

static int64_t logs_part(void)
{
    struct leader l;
    leader_setup(&l, 8, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(produce, 10);
    leader_order(lead_anew, 10);
    leader_order(produce_more, 10);
    leader_order(second_has_parted, 1);
    return end_with_watermark();
}

TEST(who_diverges_has_not_got_what_he_asks_from)
{
    shows(&known_bug_diverging_counts, logs_part, 0, 5);
}

static void second_asks_late(void)
{
    leader_hear((struct leader_said){.id = 2, .offset = 3, .epoch_less = 1});
}

static int64_t a_fetch_was_held_up(void)
{
    struct leader l;
    leader_setup(&l, 9, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(produce, 10);
    leader_order(lead_anew, 10);
    leader_order(second_asks_late, 1);
    return end_with_watermark();
}

TEST(a_fetch_of_an_earlier_epoch_says_nothing)
{
    shows(&known_bug_older_epoch_counts, a_fetch_was_held_up, 0, 3);
}

static void hear_the_same_again(void)
{
    the->partition_epoch--;
    leader_change(the->isr);
}

static int64_t metadata_of_before(void)
{
    struct leader l;
    leader_setup(&l, 10, LOG_FLUSH_OS, IN(1) | IN(2), 1);
    leader_order(third_has_nothing, 1);
    leader_order(hear_the_same_again, 1);
    leader_order(produce, 3 * LAG_MS);
    leader_order(second_has_three, 1);
    return end_with_watermark();
}

TEST(only_a_later_version_ends_a_change)
{
    shows(&known_bug_pending_ended_early, metadata_of_before, 0, 3);
}

static void second_has_written(void)
{
    leader_hear((struct leader_said){.id = 2, .offset = 3, .says_durable = true});
}

static int64_t in_the_page_cache(void)
{
    struct leader l;
    leader_setup(&l, 11, LOG_FLUSH_ACK, IN(1) | IN(2), 1);
    leader_order(produce, 500);
    leader_order(second_has_written, 1);
    return end_with_watermark();
}

TEST(what_a_follower_has_not_synced_does_not_count)
{
    shows(&known_bug_follower_unsynced_counts, in_the_page_cache, 0, 3);
}
