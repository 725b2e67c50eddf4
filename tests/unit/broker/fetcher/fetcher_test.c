/* fetcher_test.c - a follower asks its leaders in the simulated world: whatever becomes of them and
 * of what they say, its logs become theirs, and nobody waits for another's trouble. */
#include <stdio.h>
#include "rig.h"

/* ---- what there is comes over ---- */

TEST(a_follower_has_what_its_leader_has)
{
    struct rig *r = rig_new(1, 1);
    rig_start(r);
    for (int i = 0; i < 5; i++)
        rig_produce(r, 0, 3, true);
    rig_follow(r, 0);
    rig_run(r, 300);
    rig_assert_same(r, 0);
    assert_int_equal(rig_high_watermark(r, 0), 15);
    rig_produce(r, 0, 2, false);
    rig_run(r, 300);
    rig_assert_same(r, 0);
    assert_int_equal(rig_high_watermark(r, 0), 15); /* P-10: not what is not committed */
    r->led[0].high_watermark = 17;
    rig_run(r, 300);
    assert_int_equal(rig_high_watermark(r, 0), 17);
    assert_int_equal(rig_leader(r, 1)->full_fetches, 1);
    assert_int_equal(r->told, 0);
    rig_end(r);
}

/* E-6: what is empty says nothing of the epoch in which was read last; and a partition that has
 * nothing new is not named again. */
TEST(an_empty_answer_changes_nothing)
{
    struct rig *r = rig_settled(2, 2);
    int64_t asked = r->led[0].asked_count;
    int fetches = rig_leader(r, 1)->fetches;
    rig_run(r, 5 * WAIT_MS);
    assert_true(rig_leader(r, 1)->fetches >= fetches + 4); /* it waits no longer than it is told */
    assert_true(rig_leader(r, 1)->fetches <= fetches + 8); /* nor shorter */
    assert_int_equal(r->led[0].asked_count, asked);
    assert_int_equal(r->led[0].asked_last_epoch, 3);
    /* Only what has moved on is named. */
    rig_produce(r, 0, 1, true);
    asked = r->led[1].asked_count;
    rig_run(r, 200);
    rig_assert_same(r, 0);
    assert_int_equal(r->led[1].asked_count, asked);
    rig_end(r);
}

/* Epoch 0 is an epoch as any other (KAFKA-10432). */
TEST(the_first_epoch_counts)
{
    struct rig *r = rig_new(3, 1);
    r->led[0].epoch = 0;
    rig_start(r);
    rig_fill(r, 0, 4);
    rig_follow(r, 0);
    rig_run(r, 300);
    rig_assert_same(r, 0);
    assert_int_equal(r->led[0].asked_last_epoch, 0);
    rig_cut(r, 0, 3);
    rig_elect(r, 0, 1);
    rig_produce(r, 0, 2, true);
    rig_become(r, 0);
    rig_run(r, 300);
    rig_assert_same(r, 0);
    rig_end(r);
}

TEST(each_version_that_knows_topics_by_their_ids_will_do)
{
    for (int16_t version = 12; version <= 18; version++) {
        struct rig *r = rig_new(4, 2);
        r->fetch_newest = version;
        rig_start(r);
        rig_fill(r, 0, 3);
        rig_fill(r, 1, 3);
        rig_follow_all(r);
        rig_run(r, 300);
        if (version >= FETCHER_VERSION_MIN) {
            rig_assert_same(r, 0);
            rig_assert_same(r, 1);
            assert_int_equal(r->told, 0);
        } else {
            assert_int_equal(rig_ends(r, 0).end, 0);
            rig_run(r, 5000);
            assert_int_equal(r->told, 1);
        }
        rig_end(r);
    }
}

/* With a disk that answers late the next fetch waits for the sync: a fetch from an offset says that
 * all before it is stored (the leader in the rig looks at that in every fetch). */
TEST(nothing_is_said_to_be_stored_before_it_is)
{
    struct rig *r = rig_settled(5, 2);
    rig_harm(r, "at 0s node 0 disk slow_sync factor=200");
    for (int i = 0; i < 10; i++) {
        rig_produce(r, 0, 2, true);
        rig_run(r, 37);
    }
    rig_run(r, 3000);
    rig_assert_same(r, 0);
    rig_end(r);
}

/* Behind a leader that takes a durable end it reads on, and says that end at once (the leader in
 * the rig sees to it that it never says more). */
TEST(it_reads_on_while_its_disk_syncs)
{
    struct rig *r = rig_settled(8, 2);
    r->takes_durable_end = true;
    rig_harm(r, "at 0s node 0 disk slow_sync factor=500");
    int ahead = 0;
    for (int i = 0; i < 20; i++) {
        rig_produce(r, 0, 2, true);
        rig_run(r, 20);
        struct replica_ends ends = rig_ends(r, 0);
        ahead += ends.end == rig_led_end(&r->led[0]) && ends.counting_end < ends.end;
        assert_true(r->led[0].durable_end >= 0 || i == 0);
    }
    assert_true(ahead > 10);
    for (int i = 0; i < 100 && rig_ends(r, 0).counting_end < rig_ends(r, 0).end; i++)
        rig_run(r, 20);
    rig_run(r, 20);
    rig_assert_same(r, 0);
    assert_int_equal(r->led[0].durable_end, rig_led_end(&r->led[0]));
    rig_end(r);
}

TEST(it_reads_no_more_ahead_than_it_may)
{
    struct rig *r = rig_settled(9, 1);
    r->takes_durable_end = true;
    rig_harm(r, "at 0s node 0 disk slow_sync factor=1000000 for 10s");
    int64_t before = rig_ends(r, 0).end;
    rig_run(r, 100);
    for (int i = 0; i < 40; i++) {
        rig_produce(r, 0, 1, true);
        rig_run(r, 50);
    }
    struct replica_ends ends = rig_ends(r, 0);
    assert_true(ends.end > before);
    assert_true(ends.end < rig_led_end(&r->led[0]));
    assert_true(ends.uncounted_bytes >= (uint64_t)r->settings.read_ahead_bytes);
    assert_true(ends.uncounted_bytes < (uint64_t)r->settings.read_ahead_bytes + BATCH_BYTES);
    int64_t asked = r->led[0].asked_count;
    rig_run(r, 1000);
    assert_true(r->led[0].asked_count <= asked + 3); /* nor does it ask for nothing */
    rig_run(r, 15000);
    rig_assert_same(r, 0);
    rig_end(r);
}

TEST(a_thousand_partitions_are_named_in_parts)
{
    struct rig *r = rig_new(6, PARTITIONS_MAX);
    rig_start(r);
    for (int32_t i = 0; i < PARTITIONS_MAX; i++)
        rig_fill(r, i, 2);
    rig_follow_all(r);
    rig_run(r, 2000);
    for (int32_t i = 0; i < PARTITIONS_MAX; i += 97)
        rig_assert_same(r, i);
    struct leader *l = rig_leader(r, 1);
    assert_int_equal(l->most_named, FETCHER_NAMED_MAX);
    assert_int_equal(l->full_fetches, 1);
    assert_int_equal(l->named_count, PARTITIONS_MAX);
    rig_run(r, 2 * WAIT_MS); /* all is named, and rests */
    int named = l->named_rows;
    rig_produce(r, 1000, 1, true);
    rig_run(r, 200);
    rig_assert_same(r, 1000);
    assert_true(l->named_rows - named <= 2);
    rig_end(r);
}

/* A fetch is parked when there is something new to ask: one of kiln's leaders answers it at once
 * for the one behind it, one of Kafka's when its time is over. */
TEST(what_is_new_waits_for_no_parked_fetch)
{
    for (int in_line = 0; in_line < 2; in_line++) {
        struct rig *r = rig_new(7, 3);
        r->in_line = in_line;
        rig_start(r);
        rig_fill(r, 1, 3);
        rig_fill(r, 2, 3);
        rig_follow(r, 0);
        rig_run(r, 200);
        rig_follow(r, 1);
        rig_run(r, 150);
        assert_true(rig_is_same(r, 1) == !in_line);
        rig_follow(r, 2); /* no third one is asked */
        rig_run(r, 2 * WAIT_MS);
        rig_assert_same(r, 1);
        rig_assert_same(r, 2);
        assert_int_equal(rig_leader(r, 1)->full_fetches, 1);
        rig_end(r);
    }
}

/* ---- trouble of one partition ---- */

TEST(a_partition_in_error_waits_and_no_other_does)
{
    static const struct {
        int16_t code;
        int asked; /* while it lasts; some pass soon, or not for long */
    } codes[] = {
        {WIRE_ERROR_NOT_LEADER_OR_FOLLOWER, 6},
        {WIRE_ERROR_UNKNOWN_LEADER_EPOCH, 6},
        {WIRE_ERROR_UNKNOWN_TOPIC_ID, 6},
        {WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION, 6},
        {WIRE_ERROR_KAFKA_STORAGE_ERROR, 6},
        {WIRE_ERROR_CORRUPT_MESSAGE, 0},
        {WIRE_ERROR_INCONSISTENT_TOPIC_ID, 0},
        {WIRE_ERROR_UNKNOWN_SERVER_ERROR, 0},
        {WIRE_ERROR_REPLICA_NOT_AVAILABLE, 0},
        {WIRE_ERROR_UNSTABLE_OFFSET_COMMIT, 0},
        {999, 0},
        {-7, 0},
    };
    for (int i = 0; i < COUNT_OF(codes); i++) {
        struct rig *r = rig_settled(10 + (uint64_t)i, 2);
        int64_t asked = r->led[0].asked_count;
        r->led[0].code = codes[i].code;
        rig_produce(r, 0, 1, true);
        rig_produce(r, 1, 1, true);
        rig_run(r, 300);
        rig_assert_same(r, 1);
        rig_produce(r, 1, 1, true);
        rig_run(r, 300);
        rig_assert_same(r, 1);
        r->led[0].code = 0;
        assert_in_range(r->led[0].asked_count - asked, MIN(codes[i].asked, 1), codes[i].asked);
        assert_true(rig_leader(r, 1)->forgotten_rows >= 1); /* or it would answer for ever */
        asked = r->led[0].asked_count;
        rig_run(r, BACKOFF_MS + 2 * WAIT_MS);
        rig_assert_same(r, 0);
        assert_true(r->led[0].asked_count <= asked + 2);
        rig_end(r);
    }
}

/* A write that finds no room is taken back: what it was is asked for again. */
TEST(who_had_no_room_asks_again)
{
    struct rig *r = rig_settled(29, 2);
    rig_harm(r, "at 0s node 0 disk full for 3s");
    for (int i = 0; i < 5; i++) {
        rig_produce(r, 0, 3, true);
        rig_run(r, 300);
    }
    rig_run(r, 10000);
    rig_assert_same(r, 0);
    rig_produce(r, 1, 3, true);
    rig_run(r, 1000);
    rig_assert_same(r, 1);
    rig_end(r);
}

/* The leader is in a later epoch: the image will say so. */
TEST(a_fenced_epoch_waits_for_the_image)
{
    struct rig *r = rig_settled(30, 2);
    rig_elect(r, 0, 1);
    rig_produce(r, 0, 2, true);
    rig_run(r, 5 * BACKOFF_MS);
    int64_t asked = r->led[0].asked_count;
    assert_int_equal(rig_followed(r, 0)->state, FOLLOWED_RESTING);
    rig_run(r, 5 * BACKOFF_MS);
    assert_int_equal(r->led[0].asked_count, asked);
    rig_become(r, 0);
    rig_run(r, 2 * WAIT_MS);
    rig_assert_same(r, 0);
    rig_end(r);
}

/* The image here is further than the leader's. */
TEST(an_epoch_that_the_leader_has_not_heard_of_is_asked_for_again)
{
    struct rig *r = rig_settled(31, 2);
    r->led[0].epoch++;
    rig_become(r, 0);
    r->led[0].epoch--;
    rig_run(r, 2 * WAIT_MS);
    assert_int_equal(r->led[0].asked_epoch, 4);
    r->led[0].epoch++;
    rig_produce(r, 0, 1, true);
    rig_run(r, BACKOFF_MS + 2 * WAIT_MS);
    rig_assert_same(r, 0);
    rig_end(r);
}

/* E-4; and KIP-279: two failovers in a row, whose epochs this log has in part. */
TEST(logs_that_have_parted_become_the_same)
{
    for (uint64_t seed = 40; seed < 40 + TEST_SEARCH(20, 10); seed++) {
        struct rig *r = rig_settled(seed, 2);
        rig_produce(r, 0, 4, false);
        rig_run(r, 200);
        rig_elect(r, 0, 1);
        rig_produce(r, 0, 1, false);
        rig_become(r, 0);
        rig_run(r, (int64_t)(seed % 10) * 20);
        rig_cut(r, 0, 6 + (int64_t)(seed % 5));
        rig_elect(r, 0, 2);
        rig_elect(r, 0, 2);
        for (uint64_t i = seed % 3; i > 0; i--)
            rig_produce(r, 0, 1, true);
        rig_become(r, 0);
        rig_run(r, 3 * WAIT_MS);
        rig_assert_same(r, 0);
        rig_assert_same(r, 1);
        assert_int_equal(r->led[0].asked_epoch, 6);
        rig_end(r);
    }
}

TEST(a_follower_that_is_too_far_behind_begins_where_its_leader_does)
{
    for (int knows = 0; knows < 2; knows++) {
        struct rig *r = rig_settled(60, 2);
        rig_unfollow(r, 0);
        rig_run(r, 2 * WAIT_MS);
        r->led[0].batch_count = 0;
        r->led[0].start = 100;
        r->led[0].no_start = knows == 0; /* Kafka's leader says nothing of it */
        r->led[0].high_watermark = 100;
        rig_elect(r, 0, 1);
        rig_fill(r, 0, 2);
        rig_become(r, 0);
        rig_run(r, 3 * WAIT_MS);
        rig_assert_same(r, 0);
        assert_int_equal(rig_ends(r, 0).start, 100);
        assert_int_equal(rig_leader(r, 1)->seeks, knows == 0 ? 2 : 0);
        rig_end(r);
    }
}

/* Its log is empty and begins behind the end of the leader's, which an unclean election gave up:
 * there is no epoch by which the leader could tell. */
TEST(a_follower_behind_its_leaders_end_begins_there)
{
    struct rig *r = rig_new(61, 2);
    r->led[0].start = r->led[0].high_watermark = 100;
    rig_start(r);
    rig_follow(r, 0);
    rig_run(r, 2 * WAIT_MS);
    assert_int_equal(rig_ends(r, 0).start, 100);
    rig_unfollow(r, 0);
    rig_run(r, 2 * WAIT_MS);
    r->led[0].start = 0;
    r->led[0].high_watermark = 0;
    r->led[0].no_start = true;
    rig_elect(r, 0, 1);
    rig_fill(r, 0, 4);
    rig_become(r, 0);
    rig_run(r, 4 * WAIT_MS);
    assert_true(rig_leader(r, 1)->seeks >= 1);
    assert_int_equal(rig_ends(r, 0).end, rig_led_end(&r->led[0]));
    rig_end(r);
}

/* With the log start that Kafka does not tell: it is asked for. */
TEST(a_leader_that_does_not_say_where_it_begins_is_asked)
{
    struct rig *r = rig_new(62, 2);
    r->led[0].start = r->led[0].high_watermark = 100;
    r->led[0].no_start = true;
    rig_start(r);
    rig_fill(r, 0, 3);
    rig_follow_all(r);
    rig_run(r, 4 * WAIT_MS);
    rig_assert_same(r, 0);
    assert_int_equal(rig_leader(r, 1)->seeks, 2);
    rig_end(r);
}

/* ---- sessions ---- */

TEST(a_session_that_is_lost_is_begun_anew_at_once)
{
    static const int16_t codes[] = {WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND,
                                    WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH,
                                    WIRE_ERROR_FETCH_SESSION_TOPIC_ID_ERROR};
    for (int i = 0; i < COUNT_OF(codes); i++) {
        struct rig *r = rig_settled(70, 3);
        r->refuse_once = codes[i];
        rig_produce(r, 0, 1, true); /* answered; the next fetch is refused */
        rig_run(r, 200);
        assert_int_equal(r->refuse_once, 0);
        rig_produce(r, 2, 1, true);
        rig_run(r, 200);
        rig_assert_same(r, 2);
        assert_int_equal(rig_leader(r, 1)->full_fetches, 2);
        assert_int_equal(r->told, 0);
        rig_end(r);
    }
}

/* A broker that was unregistered while it runs: nothing is written, and its leader is to hear by
 * which registration it follows all the same. */
TEST(another_registration_names_what_is_quiet)
{
    struct rig *r = rig_settled(72, 3);
    int64_t asked = r->led[1].asked_count;
    rig_run(r, 3 * WAIT_MS);
    assert_int_equal(r->led[1].asked_count, asked);
    r->registrations++;
    rig_run(r, 3 * WAIT_MS);
    assert_int_equal(rig_leader(r, 1)->full_fetches, 2);
    for (int32_t i = 0; i < 3; i++)
        rig_produce(r, i, 1, true);
    assert_int_equal(r->led[1].asked_count, asked + 1);
    rig_run(r, 300);
    rig_assert_same(r, 1);
    assert_int_equal(rig_leader(r, 1)->full_fetches, 2);
    assert_int_equal(r->told, 0);
    rig_end(r);
}

/* Whatever else is refused is asked again after a pause, and told once. */
TEST(a_fetch_that_is_refused_is_asked_again_after_a_pause)
{
    struct rig *r = rig_settled(71, 1);
    r->refuse_once = WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
    rig_produce(r, 0, 1, true);
    rig_run(r, 300);
    int fetches = rig_leader(r, 1)->fetches;
    assert_int_equal(r->told, 1);
    rig_run(r, BACKOFF_MS / 2);
    assert_int_equal(rig_leader(r, 1)->fetches, fetches);
    rig_produce(r, 0, 1, true);
    rig_run(r, BACKOFF_MS);
    rig_assert_same(r, 0);
    rig_end(r);
}

/* The leader's cache is full: everybody is named in each fetch, in turns when they are many. */
TEST(without_sessions_everybody_is_named_each_time)
{
    struct rig *r = rig_new(72, 600);
    r->refuse_sessions = true;
    rig_start(r);
    for (int32_t i = 0; i < 600; i++)
        rig_fill(r, i, 2);
    rig_follow_all(r);
    rig_run(r, 4 * WAIT_MS);
    for (int round = 0; round < 3; round++) {
        for (int32_t i = 0; i < 600; i += 53)
            rig_produce(r, i, 1, true);
        int fetches = rig_leader(r, 1)->fetches;
        rig_run(r, 3 * WAIT_MS);
        for (int32_t i = 0; i < 600; i += 53)
            rig_assert_same(r, i);
        assert_true(rig_leader(r, 1)->fetches < fetches + 40);
    }
    rig_end(r);
}

TEST(who_is_followed_no_more_is_forgotten)
{
    struct rig *r = rig_settled(73, 3);
    rig_unfollow(r, 1);
    rig_run(r, 2 * WAIT_MS);
    assert_int_equal(rig_leader(r, 1)->named_count, 2);
    assert_int_equal(rig_leader(r, 1)->forgotten_rows, 1);
    rig_unfollow(r, 0);
    rig_follow(r, 0); /* and comes back before anybody has heard */
    rig_run(r, 2 * WAIT_MS);
    assert_int_equal(rig_leader(r, 1)->named_count, 2);
    rig_produce(r, 0, 1, true);
    rig_run(r, 300);
    rig_assert_same(r, 0);
    rig_unfollow(r, 0);
    rig_unfollow(r, 2);
    rig_run(r, 2 * WAIT_MS);
    ON_FOLLOWER(r)
    {
        assert_int_equal(fetcher_count(r->follower->set), 0);
    }
    rig_follow(r, 2);
    rig_produce(r, 2, 1, true);
    rig_run(r, 2 * WAIT_MS);
    rig_assert_same(r, 2);
    rig_end(r);
}

/* ---- leaders come and go ---- */

/* KAFKA-7786: the answer of the epoch before is on its way when the next one begins, in which the
 * log is another one. Whenever that happens, nothing of it is taken. */
TEST(an_answer_of_an_epoch_before_is_not_taken)
{
    for (uint64_t seed = 100; seed < 160; seed++) {
        struct rig *r = rig_settled(seed, 2);
        int64_t end = rig_led_end(&r->led[0]);
        r->in_line = seed % 3 == 0;
        rig_produce(r, 0, 3, true);
        world_run_until(r->world, world_now(r->world) + (int64_t)(seed % 60) * MS / 20);
        rig_cut(r, 0, end); /* the new leader has not heard of it */
        rig_elect(r, 0, seed % 2 == 0 ? 1 : 2);
        rig_produce(r, 0, 3, true);
        rig_become(r, 0);
        rig_run(r, 3 * WAIT_MS);
        rig_assert_same(r, 0);
        assert_int_equal(r->led[0].asked_last_epoch, 4);
        rig_assert_same(r, 1);
        rig_end(r);
    }
}

TEST(a_leader_that_dies_is_asked_again_when_it_is_back)
{
    struct rig *r = rig_settled(170, 3);
    world_kill(r->world, r->leader_nodes[0], 0);
    r->leaders[0] = NULL;
    rig_run(r, 3000);
    assert_int_equal(r->told, 1);
    rig_produce(r, 1, 2, true);
    world_start(r->world, r->leader_nodes[0]);
    rig_run(r, BACKOFF_MS + 3 * WAIT_MS);
    rig_assert_same(r, 1);
    world_kill(r->world, r->leader_nodes[0], 0);
    r->leaders[0] = NULL;
    rig_run(r, 3000);
    assert_int_equal(r->told, 2); /* once each time */
    for (int32_t i = 0; i < 3; i++) {
        rig_elect(r, i, 2);
        rig_produce(r, i, 1, true);
        rig_become(r, i);
    }
    rig_run(r, 2 * WAIT_MS);
    for (int32_t i = 0; i < 3; i++)
        rig_assert_same(r, i);
    rig_run(r, 2 * WAIT_MS);
    ON_FOLLOWER(r)
    {
        assert_int_equal(fetcher_count(r->follower->set), 1);
    }
    rig_end(r);
}

TEST(a_leader_without_a_word_is_given_up_in_time)
{
    struct rig *r = rig_settled(171, 2);
    r->mute = true;
    rig_run(r, 10000);
    assert_int_equal(r->told, 1);
    r->mute = false;
    rig_produce(r, 0, 1, true);
    rig_run(r, 6000);
    rig_assert_same(r, 0);
    rig_end(r);
}

/* Whatever is on its way. */
TEST(a_stop_ends_everything_in_flight)
{
    for (uint64_t seed = 200; seed < 260; seed++) {
        struct rig *r = rig_new(seed, 5);
        rig_start(r);
        for (int32_t i = 0; i < 5; i++)
            rig_fill(r, i, 3);
        if (seed % 3 == 0)
            r->led[0].start = 1; /* its follower begins anew just then */
        rig_follow_all(r);
        world_run_until(r->world, world_now(r->world) + (int64_t)(seed % 60) * MS / 10);
        if (seed % 4 == 0)
            rig_unfollow(r, 0);
        rig_end(r);
    }
}

/* ---- memory ---- */

TEST(what_answers_may_hold_has_a_limit)
{
    struct rig *r = rig_new(300, 40);
    r->held_max = 700 << 10;
    r->settings.bytes_max = 128 << 10;
    rig_start(r);
    for (int32_t i = 0; i < 40; i++)
        rig_fill(r, i, 60);
    rig_follow_all(r);
    rig_run(r, 20000);
    for (int32_t i = 0; i < 40; i++)
        rig_assert_same(r, i);
    assert_true(rig_leader(r, 1)->bytes_max <= 128 << 10);
    assert_true(r->follower->held.most <= r->held_max);
    rig_end(r);
}

/* There is none at all for a while. */
TEST(who_has_no_memory_asks_again)
{
    struct rig *r = rig_settled(301, 3);
    int64_t most = r->follower->held.bytes_max;
    r->follower->held.bytes_max = r->follower->held.bytes;
    rig_produce(r, 0, 1, true);
    rig_run(r, 3000);
    r->follower->held.bytes_max = most;
    rig_run(r, 2 * BACKOFF_MS + 2 * WAIT_MS);
    rig_assert_same(r, 0);
    rig_end(r);
}
