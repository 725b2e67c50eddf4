/* election_test.c - one node, asked for its vote and asking for others (K-1 to K-6). */
#include "one.h"

/* ---- votes ---- */

TEST(a_vote_is_durable_before_it_is_given)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    ask(&o, vote(1, 1, 0, 0));
    assert_true(o.out.answer.granted);
    assert_true(o.out.save);
    assert_int_equal(raft_state(o.raft)->voted.id, 1);
    saved(&o);
    ask(&o, vote(2, 1, 0, 0));
    assert_false(o.out.answer.granted);
    assert_false(o.out.save);
    ask(&o, vote(1, 1, 0, 0)); /* again: its answer was lost */
    assert_true(o.out.answer.granted);
    end(&o);
}

/* Its candidate died, and lost what it had not synced. */
TEST(a_vote_is_not_given_again_to_a_log_that_became_shorter)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 4;
    has_log(&o, 4, 9);
    begin(&o);
    ask(&o, vote(1, 5, 4, 9));
    assert_true(o.out.answer.granted);
    saved(&o);
    ask(&o, vote(1, 5, 4, 8));
    assert_false(o.out.answer.granted);
    end(&o);
}

TEST(a_vote_goes_to_a_log_that_is_not_behind)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 4;
    has_log(&o, 2, 5);
    has_log(&o, 4, 9);
    begin(&o);
    static const struct {
        int32_t last_epoch;
        int64_t end;
        bool granted;
    } rows[] = {{4, 8, false}, {2, 90, false}, {4, 9, true}, {4, 10, true}, {5, 1, true}};
    for (int i = 0; i < COUNT_OF(rows); i++) {
        struct raft_request request = vote(1, 9 + i, rows[i].last_epoch, rows[i].end);
        ask(&o, request);
        assert_int_equal(o.out.answer.granted, rows[i].granted);
        saved(&o);
    }
    end(&o);
}

TEST(who_voted_for_itself_stands_again_in_the_same_epoch)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 6;
    o.state.voted = key_of(SELF);
    begin(&o);
    assert_int_equal(raft_role(o.raft), RAFT_CANDIDATE);
    const struct raft_request *request = sent(&o, RAFT_VOTE, 2);
    assert_non_null(request);
    assert_false(request->pre_vote);
    assert_int_equal(request->epoch, 6);
    end(&o);
}

TEST(who_was_the_leader_begins_resigned_and_never_leads_that_epoch_again)
{
    struct one o;
    prepare(&o, 3);
    o.state = (struct raft_state){.epoch = 6, .leader_id = SELF, .voted = key_of(SELF)};
    has_log(&o, 6, 3);
    begin(&o);
    assert_int_equal(raft_role(o.raft), RAFT_RESIGNED);
    ask(&o, vote(1, 6, 6, 3));
    assert_false(o.out.answer.granted);
    o.now_ns += 2000 * MS;
    take(&o, (struct raft_event){.type = RAFT_TICK});
    assert_int_equal(raft_state(o.raft)->epoch, 7);
    end(&o);
}

TEST(a_pre_vote_of_any_epoch_moves_nothing)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    struct raft_request pre = vote(2, 1000, 900, 5000);
    pre.pre_vote = true;
    ask(&o, pre);
    assert_false(o.out.answer.granted);
    assert_int_equal(raft_role(o.raft), RAFT_LEADER);
    assert_int_equal(o.out.answer.epoch, raft_state(o.raft)->epoch);
    assert_false(o.out.save);
    end(&o);
}

/* KIP-996: who hears from its leader lets nobody else begin; who does not yet, does. */
TEST(a_follower_grants_pre_votes_until_it_has_fetched)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_follower(&o, 1, 3);
    struct raft_request request = *sent(&o, RAFT_FETCH, 1), pre = vote(2, 3, 0, 0);
    pre.pre_vote = true;
    saved(&o);
    ask(&o, pre);
    assert_true(o.out.answer.granted);
    answer(&o, &request, fetched(3, 1, 0, NULL, 0));
    ask(&o, pre);
    assert_false(o.out.answer.granted);
    end(&o);
}

/* Which leader should it wait for? One that it knows of has had an epoch. */
TEST(a_node_of_a_cluster_that_begins_asks_soon)
{
    for (int32_t epoch = 0; epoch < 2; epoch++) {
        struct one o;
        prepare(&o, 3);
        o.state.epoch = epoch;
        begin(&o);
        assert_int_equal(raft_role(o.raft), RAFT_UNATTACHED);
        int64_t wait_ns = o.out.deadline_ns - o.now_ns, usual_ns = o.settings.election_timeout_ns;
        assert_true(epoch == 0 ? wait_ns <= usual_ns / 2 : wait_ns >= usual_ns);
        end(&o);
    }
}

TEST(a_follower_that_finds_nobody_where_its_leader_was_asks_for_pre_votes)
{
    for (int refused = 0; refused < 2; refused++) {
        struct one o;
        struct raft_request pre = vote(2, 3, 0, 0);
        prepare(&o, 3);
        begin(&o);
        struct raft_request request = follows(&o, 1, 3);
        answer(&o, &request, fetched(3, 1, 0, NULL, 0));
        request = *sent(&o, RAFT_FETCH, 1);
        take(&o, (struct raft_event){.type = RAFT_LOST,
                                     .lost = {RAFT_FETCH, request.number, refused == 1}});
        pre.pre_vote = true;
        ask(&o, pre);
        assert_int_equal(o.out.answer.granted, refused == 1);
        o.now_ns += MS;
        take(&o, (struct raft_event){.type = RAFT_TICK});
        assert_int_equal(raft_role(o.raft), refused == 1 ? RAFT_PROSPECTIVE : RAFT_FOLLOWER);
        assert_int_equal(raft_state(o.raft)->epoch, 3);
        end(&o);
    }
}

TEST(a_stranger_does_not_end_an_epoch_that_lives)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    int32_t epoch = raft_state(o.raft)->epoch;
    ask(&o, vote(70, epoch + 9, epoch, 100));
    assert_false(o.out.answer.granted);
    assert_int_equal(raft_role(o.raft), RAFT_LEADER);
    assert_int_equal(raft_state(o.raft)->epoch, epoch);
    end(&o);
}

/* KIP-853: it may have been made a voter by a record that has not come here yet. */
TEST(a_stranger_is_voted_for_where_nobody_leads)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    ask(&o, vote(70, 5, 3, 100));
    assert_true(o.out.answer.granted);
    end(&o);
}

TEST(a_vote_for_another_directory_is_refused)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    struct raft_request request = vote(1, 5, 0, 0);
    request.to = key_of(SELF);
    request.to.directory.b[0] = 99;
    take(&o, (struct raft_event){.type = RAFT_REQUEST, .request = request});
    assert_int_equal(o.out.answer.code, WIRE_ERROR_INVALID_VOTER_KEY);
    assert_int_equal(raft_state(o.raft)->epoch, 0);
    end(&o);
}

TEST(requests_that_make_no_sense_are_refused)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    struct raft_request bad[] = {vote(-1, 5, 0, 0),  vote(1, -5, 0, 0), vote(1, 5, 5, 0),
                                 vote(1, 5, -1, 0),  vote(1, 5, 0, -1), fetch(1, -1, 0, 0),
                                 fetch(1, 5, -1, 0), fetch(1, 5, 0, -9)};
    for (int i = 0; i < COUNT_OF(bad); i++) {
        ask(&o, bad[i]);
        assert_int_equal(o.out.answer.code, WIRE_ERROR_INVALID_REQUEST);
        assert_int_equal(raft_state(o.raft)->epoch, 0);
    }
    end(&o);
}

/* ---- a vote that was lost ---- */

TEST(who_lost_its_vote_gives_none_until_all_others_have_said_how_far_they_are)
{
    struct one o;
    prepare(&o, 3);
    o.start.state = NULL;
    has_log(&o, 4, 3);
    begin(&o);
    assert_true(raft_abstains(o.raft));
    struct raft_request one = *sent(&o, RAFT_VOTE, 1), two = *sent(&o, RAFT_VOTE, 2);
    assert_true(one.pre_vote);
    ask(&o, vote(1, 9, 4, 3));
    assert_false(o.out.answer.granted);
    assert_false(o.out.save); /* or another life would take this epoch for one without a vote */
    ask(&o, (struct raft_request){.api = RAFT_BEGIN_EPOCH, .from = key_of(1), .epoch = 9});
    assert_int_equal(o.out.answer.code, WIRE_ERROR_BROKER_NOT_AVAILABLE);
    answer(&o, &one, says(9, false));
    assert_true(raft_abstains(o.raft));
    answer(&o, &two, says(7, false));
    assert_false(raft_abstains(o.raft));
    assert_int_equal(raft_state(o.raft)->epoch, 10); /* above all seen */
    assert_true(o.out.save);
    saved(&o);
    ask(&o, vote(1, 10, 4, 3));
    assert_true(o.out.answer.granted);
    end(&o);
}

TEST(a_state_that_is_older_than_the_log_is_a_lost_vote)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 3;
    has_log(&o, 4, 3);
    begin(&o);
    assert_true(raft_abstains(o.raft));
    end(&o);
}

TEST(who_hears_that_it_led_a_later_epoch_abstains)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 3;
    begin(&o);
    time_out(&o);
    struct raft_request pre = *sent(&o, RAFT_VOTE, 1);
    struct raft_response news = says(8, false);
    news.leader_id = SELF;
    news.code = WIRE_ERROR_FENCED_LEADER_EPOCH;
    answer(&o, &pre, news);
    assert_true(raft_abstains(o.raft));
    end(&o);
}

TEST(a_new_node_has_no_vote_to_lose)
{
    struct one o;
    prepare(&o, 3);
    o.start.state = NULL;
    begin(&o);
    assert_false(raft_abstains(o.raft));
    end(&o);
}

/* It had a state once: it may have voted before anything came into its log. */
TEST(a_node_whose_state_was_lost_is_not_new)
{
    struct one o;
    prepare(&o, 3);
    o.start.state = NULL;
    o.start.vote_lost = true;
    begin(&o);
    assert_true(raft_abstains(o.raft));
    end(&o);
}
