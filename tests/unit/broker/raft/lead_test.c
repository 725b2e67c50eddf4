/* lead_test.c - one node that leads: what it commits, whom it answers what, who votes (K-7 to K-10,
 * K-12, K-13, K-16, K-17). */
#include "one.h"

/* ---- leading ---- */

TEST(who_votes_alone_leads_with_one_save)
{
    struct one o;
    prepare(&o, 1);
    o.state = (struct raft_state){.epoch = 6, .leader_id = SELF, .voted = key_of(SELF)};
    has_log(&o, 6, 3);
    begin(&o);
    assert_int_equal(raft_role(o.raft), RAFT_LEADER);
    assert_int_equal(o.out.log, RAFT_LOG_LEADER_CHANGE);
    assert_int_equal(o.out.log_offset, 3);
    saved(&o);
    assert_false(raft_leads(o.raft));
    take(&o, (struct raft_event){.type = RAFT_SYNCED, .synced.end = 4});
    assert_true(raft_leads(o.raft));
    assert_int_equal(raft_high_watermark(o.raft), 4);
    end(&o);
}

/* Raft, figure 8 (KAFKA-12619). */
TEST(what_was_before_its_epoch_is_committed_by_what_is_in_it)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 2;
    has_log(&o, 2, 5);
    begin(&o);
    becomes_leader(&o);
    int32_t epoch = raft_state(o.raft)->epoch;
    ask(&o, fetch(1, epoch, 2, 5)); /* a majority has all but the LeaderChange */
    assert_int_equal(raft_high_watermark(o.raft), 0);
    assert_false(raft_leads(o.raft));
    ask(&o, fetch(1, epoch, epoch, 6));
    assert_int_equal(raft_high_watermark(o.raft), 6);
    assert_true(o.out.moved);
    assert_true(raft_leads(o.raft));
    end(&o);
}

/* etcd#14370. */
TEST(its_own_log_counts_as_far_as_it_is_synced)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    int32_t epoch = raft_state(o.raft)->epoch;
    take(&o, (struct raft_event){.type = RAFT_APPEND, .append = {.epoch = epoch, .count = 3}});
    assert_int_equal(o.out.answer.code, 0);
    assert_int_equal(o.out.answer.first, 1);
    ask(&o, fetch(1, epoch, epoch, 4));
    assert_int_equal(raft_high_watermark(o.raft), 1);
    take(&o, (struct raft_event){.type = RAFT_SYNCED, .synced.end = 4});
    assert_int_equal(raft_high_watermark(o.raft), 4);
    end(&o);
}

/* A follower may have what its log took back, and be elected with it. */
TEST(a_leader_whose_log_took_records_back_resigns)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    int32_t epoch = raft_state(o.raft)->epoch;
    take(&o, (struct raft_event){.type = RAFT_APPEND, .append = {.epoch = epoch, .count = 3}});
    take(&o, (struct raft_event){.type = RAFT_CUT, .cut.end = 2});
    assert_int_equal(raft_end(o.raft), 2);
    assert_int_equal(raft_role(o.raft), RAFT_RESIGNED);
    end(&o);
}

TEST(who_votes_alone_leads_on_when_its_log_took_records_back)
{
    struct one o;
    prepare(&o, 1);
    begin(&o);
    saved(&o);
    take(&o, (struct raft_event){.type = RAFT_APPEND, .append = {.epoch = 1, .count = 3}});
    take(&o, (struct raft_event){.type = RAFT_CUT, .cut.end = 2});
    assert_int_equal(raft_role(o.raft), RAFT_LEADER);
    assert_false(o.out.save);
    take(&o, (struct raft_event){.type = RAFT_CUT, .cut.end = 0}); /* its LeaderChange too */
    assert_int_equal(raft_role(o.raft), RAFT_LEADER);
    assert_int_equal(raft_state(o.raft)->epoch, 2);
    assert_int_equal(o.out.log, RAFT_LOG_LEADER_CHANGE);
    assert_int_equal(o.out.log_offset, 0);
    saved(&o);
    end(&o);
}

TEST(an_epoch_that_wrote_nothing_is_not_led_again)
{
    struct one o;
    prepare(&o, 1);
    has_log(&o, 4, 3);
    has_log(&o, 6, 3); /* it was begun, and the node died */
    o.start.state = NULL;
    begin(&o);
    assert_int_equal(raft_state(o.raft)->epoch, 7);
    saved(&o);
    end(&o);
}

TEST(a_directory_that_does_not_vote_commits_nothing)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    int32_t epoch = raft_state(o.raft)->epoch;
    struct raft_request request = fetch(1, epoch, epoch, 1);
    request.from.directory.b[0] = 99;
    ask(&o, request);
    assert_int_equal(o.out.answer.code, 0); /* it observes */
    assert_int_equal(raft_high_watermark(o.raft), 0);
    end(&o);
}

TEST(an_append_of_another_epoch_is_refused)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    int32_t epoch = raft_state(o.raft)->epoch;
    take(&o, (struct raft_event){.type = RAFT_APPEND, .append = {.epoch = epoch - 1, .count = 1}});
    assert_int_equal(o.out.answer.code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(o.out.log, RAFT_LOG_NONE);
    end(&o);
}

TEST(a_fetch_is_answered_by_where_the_logs_part)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 5;
    has_log(&o, 2, 5);
    has_log(&o, 5, 9);
    begin(&o);
    becomes_leader(&o); /* epoch 6, from 9 on */
    static const struct {
        int32_t last_epoch;
        int64_t end;
        enum raft_fetched fetched;
        int32_t diverging_epoch;
        int64_t diverging_end;
    } rows[] = {
        {0, 0, RAFT_FETCHED_RECORDS, 0, 0},   {2, 5, RAFT_FETCHED_RECORDS, 2, 5},
        {2, 6, RAFT_FETCHED_DIVERGING, 2, 5}, {3, 6, RAFT_FETCHED_DIVERGING, 2, 5},
        {5, 9, RAFT_FETCHED_RECORDS, 5, 9},   {5, 10, RAFT_FETCHED_DIVERGING, 5, 9},
        {6, 10, RAFT_FETCHED_RECORDS, 6, 10}, {6, 11, RAFT_FETCHED_DIVERGING, 6, 10},
    };
    for (int i = 0; i < COUNT_OF(rows); i++) {
        ask(&o, fetch(1, 6, rows[i].last_epoch, rows[i].end));
        assert_int_equal(o.out.answer.fetched, rows[i].fetched);
        if (rows[i].fetched == RAFT_FETCHED_DIVERGING) {
            assert_int_equal(o.out.answer.diverging_epoch, rows[i].diverging_epoch);
            assert_int_equal(o.out.answer.diverging_end, rows[i].diverging_end);
        }
    }
    assert_int_equal(raft_voter_end(o.raft, 1), 10); /* what diverges moves nothing */
    end(&o);
}

TEST(who_asks_for_what_is_gone_is_sent_a_snapshot)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 5;
    has_log(&o, 5, 9);
    o.start.log_start = 4;
    o.start.log_start_epoch = 3;
    o.epoch_rows[0].start = 4;
    o.start.snapshot = (struct raft_snapshot_id){.offset = 6, .epoch = 5};
    o.start.high_watermark = 6;
    begin(&o);
    becomes_leader(&o);
    static const struct {
        int32_t last_epoch;
        int64_t end;
        enum raft_fetched fetched;
    } rows[] = {{0, 0, RAFT_FETCHED_SNAPSHOT},  {3, 3, RAFT_FETCHED_SNAPSHOT},
                {2, 4, RAFT_FETCHED_SNAPSHOT}, /* its last record is another one */
                {2, 7, RAFT_FETCHED_SNAPSHOT}, /* nobody knows here where that epoch ended */
                {3, 7, RAFT_FETCHED_DIVERGING}, {3, 4, RAFT_FETCHED_RECORDS}};
    for (int i = 0; i < COUNT_OF(rows); i++) {
        ask(&o, fetch(1, 6, rows[i].last_epoch, rows[i].end));
        assert_int_equal(o.out.answer.fetched, rows[i].fetched);
        if (rows[i].fetched == RAFT_FETCHED_SNAPSHOT)
            assert_int_equal(o.out.answer.snapshot.offset, 6);
    }
    end(&o);
}

/* KAFKA-15489. */
TEST(a_leader_that_no_majority_fetches_from_resigns)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    int32_t epoch = raft_state(o.raft)->epoch;
    int64_t began_ns = o.now_ns;
    o.now_ns += 2500 * MS;
    ask(&o, fetch(1, epoch, epoch, 1)); /* one other is a majority of three */
    o.now_ns = began_ns + 3100 * MS;
    take(&o, (struct raft_event){.type = RAFT_TICK});
    assert_int_equal(raft_role(o.raft), RAFT_LEADER);
    o.now_ns = began_ns + 5500 * MS;
    take(&o, (struct raft_event){.type = RAFT_TICK});
    assert_int_equal(raft_role(o.raft), RAFT_RESIGNED);
    const struct raft_request *request = sent(&o, RAFT_END_EPOCH, 2);
    assert_non_null(request);
    assert_int_equal(request->successors.keys[0].id, 1); /* who knows most */
    end(&o);
}

/* KAFKA-16144. */
TEST(who_votes_alone_does_not_resign)
{
    struct one o;
    prepare(&o, 1);
    begin(&o);
    saved(&o);
    o.now_ns += 3600 * 1000 * MS;
    take(&o, (struct raft_event){.type = RAFT_TICK});
    assert_int_equal(raft_role(o.raft), RAFT_LEADER);
    end(&o);
}

TEST(a_leader_announces_itself_until_it_is_heard)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_candidate(&o);
    struct raft_request real = *sent(&o, RAFT_VOTE, 1);
    saved(&o);
    answer(&o, &real, says(1, true));
    struct raft_request one = *sent(&o, RAFT_BEGIN_EPOCH, 1);
    saved(&o);
    take(&o, (struct raft_event){.type = RAFT_LOST, .lost = {RAFT_BEGIN_EPOCH, one.number}});
    o.now_ns += 20 * MS;
    take(&o, (struct raft_event){.type = RAFT_TICK});
    struct raft_request two = *sent(&o, RAFT_BEGIN_EPOCH, 1);
    answer(&o, &two, says(1, false));
    o.now_ns += 500 * MS;
    ask(&o, fetch(1, 1, 0, 0));
    o.now_ns += 900 * MS;
    take(&o, (struct raft_event){.type = RAFT_TICK});
    assert_null(sent(&o, RAFT_BEGIN_EPOCH, 1));
    o.now_ns += 200 * MS;
    take(&o, (struct raft_event){.type = RAFT_TICK});
    assert_non_null(sent(&o, RAFT_BEGIN_EPOCH, 1));
    end(&o);
}

/* ---- voters ---- */

/* The rule that Ongaro added in 2015: nothing is known to be committed before. */
TEST(voters_change_when_the_epoch_has_committed_and_one_at_a_time)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    int32_t epoch = raft_state(o.raft)->epoch;
    struct raft_voters four = voters_of(4), five = voters_of(5);
    struct raft_event add = {.type = RAFT_APPEND,
                             .append = {.epoch = epoch, .count = 1, .voters = &four}};
    take(&o, add);
    assert_int_equal(o.out.answer.code, WIRE_ERROR_REQUEST_TIMED_OUT);
    ask(&o, fetch(1, epoch, epoch, 1));
    struct raft_event two = add;
    two.append.voters = &five;
    take(&o, two);
    assert_int_equal(o.out.answer.code, WIRE_ERROR_REQUEST_TIMED_OUT); /* two at once */
    take(&o, add);
    assert_int_equal(o.out.answer.code, 0);
    assert_int_equal(raft_voters(o.raft)->count, 4);
    take(&o, two);
    assert_int_equal(o.out.answer.code, WIRE_ERROR_REQUEST_TIMED_OUT);
    take(&o, (struct raft_event){.type = RAFT_SYNCED, .synced.end = 2});
    ask(&o, fetch(1, epoch, epoch, 2)); /* two of four are no majority */
    assert_int_equal(raft_high_watermark(o.raft), 1);
    ask(&o, fetch(3, epoch, epoch, 2));
    assert_int_equal(raft_high_watermark(o.raft), 2);
    take(&o, two);
    assert_int_equal(o.out.answer.code, 0);
    end(&o);
}

/* KAFKA-16530. */
TEST(a_leader_that_votes_no_more_leads_until_that_is_committed_and_does_not_count)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    int32_t epoch = raft_state(o.raft)->epoch;
    ask(&o, fetch(1, epoch, epoch, 1));
    struct raft_voters rest = {.keys = {key_of(1), key_of(2)}, .count = 2};
    take(&o, (struct raft_event){.type = RAFT_APPEND,
                                 .append = {.epoch = epoch, .count = 1, .voters = &rest}});
    assert_int_equal(o.out.answer.code, 0);
    take(&o, (struct raft_event){.type = RAFT_SYNCED, .synced.end = 2});
    ask(&o, fetch(1, epoch, epoch, 2));
    assert_int_equal(raft_high_watermark(o.raft), 1);
    assert_int_equal(raft_role(o.raft), RAFT_LEADER);
    ask(&o, fetch(2, epoch, epoch, 2));
    assert_int_equal(raft_high_watermark(o.raft), 2);
    assert_int_equal(raft_role(o.raft), RAFT_RESIGNED);
    end(&o);
}

TEST(a_change_of_voters_that_is_truncated_was_never_made)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    struct raft_request request = follows(&o, 1, 3);
    struct raft_voters four = voters_of(4);
    struct raft_batch batches[] = {{.first = 0, .end = 1, .epoch = 3},
                                   {.first = 1, .end = 2, .epoch = 3, .voters = &four}};
    answer(&o, &request, fetched(3, 1, 0, batches, 2));
    assert_int_equal(raft_voters(o.raft)->count, 4);
    take(&o, (struct raft_event){.type = RAFT_SYNCED, .synced.end = 2});
    diverge(&o, 3, 1);
    assert_int_equal(o.out.log, RAFT_LOG_TRUNCATE);
    assert_int_equal(raft_voters(o.raft)->count, 3);
    end(&o);
}

/* Raft, 4.2.2: nobody else has that record, so nobody else can be elected. */
TEST(who_votes_no_more_stands_until_that_is_committed)
{
    struct one o;
    prepare(&o, 2);
    o.state.epoch = 3;
    has_log(&o, 3, 6);
    struct raft_voter_set sets[2] = {
        {.offset = -1, .voters = voters_of(2)},
        {.offset = 5, .voters = {.keys = {key_of(1)}, .count = 1}},
    };
    o.start.voter_sets = sets;
    o.start.voter_set_count = 2;
    begin(&o);
    assert_false(raft_is_voter(o.raft));
    becomes_leader(&o);
    end(&o);
}

/* What is no snapshot's id is not found where there is none either. */
TEST(no_snapshot_is_none_that_could_be_fetched)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    ask(&o, (struct raft_request){.api = RAFT_FETCH_SNAPSHOT,
                                  .from = key_of(1),
                                  .epoch = raft_state(o.raft)->epoch,
                                  .snapshot = {.offset = -1}});
    assert_int_equal(o.out.answer.code, WIRE_ERROR_SNAPSHOT_NOT_FOUND);
    end(&o);
}

/* A leader that its voters hear is not put down by who is none of them, whatever epoch he names; a
 * voter's word counts (K-4). */
TEST(a_stranger_puts_down_no_leader)
{
    static const enum raft_api apis[] = {RAFT_BEGIN_EPOCH, RAFT_END_EPOCH, RAFT_VOTE};
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_leader(&o);
    int32_t epoch = raft_state(o.raft)->epoch;
    for (int i = 0; i < COUNT_OF(apis); i++) {
        ask(&o, (struct raft_request){
                    .api = apis[i], .from = key_of(70), .to = key_of(SELF), .epoch = epoch + 1000});
        assert_int_equal(raft_role(o.raft), RAFT_LEADER);
        assert_int_equal(raft_state(o.raft)->epoch, epoch);
        assert_false(o.out.answer.granted);
    }
    ask(&o,
        (struct raft_request){
            .api = RAFT_BEGIN_EPOCH, .from = key_of(1), .to = key_of(SELF), .epoch = epoch + 1});
    assert_int_equal(raft_role(o.raft), RAFT_FOLLOWER);
    assert_int_equal(raft_state(o.raft)->epoch, epoch + 1);
    end(&o);
}
