/* follow_test.c - one node that follows: what it takes, truncates and installs (K-11, K-15). */
#include "one.h"

/* ---- following ---- */

TEST(a_follower_fetches_again_when_what_came_is_durable)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    struct raft_request request = follows(&o, 1, 3);
    struct raft_batch batches[] = {{.first = 0, .end = 2, .epoch = 1},
                                   {.first = 2, .end = 3, .epoch = 3}};
    answer(&o, &request, fetched(3, 1, 2, batches, 2));
    assert_int_equal(o.out.log, RAFT_LOG_APPEND);
    assert_int_equal(o.out.log_count, 2);
    assert_null(sent(&o, RAFT_FETCH, 1));
    assert_int_equal(raft_high_watermark(o.raft), 0);
    take(&o, (struct raft_event){.type = RAFT_SYNCED, .synced.end = 3});
    const struct raft_request *next = sent(&o, RAFT_FETCH, 1);
    assert_non_null(next);
    assert_int_equal(next->end, 3);
    assert_int_equal(next->last_epoch, 3);
    assert_int_equal(raft_high_watermark(o.raft), 2);
    end(&o);
}

TEST(records_that_do_not_continue_the_log_are_not_taken)
{
    static const struct raft_batch bad[] = {{.first = 6, .end = 7, .epoch = 3},
                                            {.first = 4, .end = 5, .epoch = 3},
                                            {.first = 5, .end = 5, .epoch = 3},
                                            {.first = 5, .end = 6, .epoch = 1},
                                            {.first = 5, .end = 6, .epoch = 4}};
    for (int i = 0; i < COUNT_OF(bad); i++) {
        struct one o;
        prepare(&o, 3);
        o.state.epoch = 2;
        has_log(&o, 2, 5);
        begin(&o);
        struct raft_request request = follows(&o, 1, 3);
        answer(&o, &request, fetched(3, 1, 0, &bad[i], 1));
        assert_int_equal(o.out.log, RAFT_LOG_NONE);
        assert_int_equal(raft_end(o.raft), 5);
        end(&o);
    }
}

TEST(what_the_leader_does_not_have_is_truncated)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 4;
    has_log(&o, 2, 5);
    has_log(&o, 4, 9);
    begin(&o);
    diverge(&o, 3, 7); /* it has no epoch 4: what this node wrote in it is gone */
    assert_int_equal(o.out.log, RAFT_LOG_TRUNCATE);
    assert_int_equal(o.out.log_offset, 5);
    assert_int_equal(o.out.log_generation, 1);
    assert_null(sent(&o, RAFT_FETCH, 1));
    /* A sync that began before says nothing of what is there now. */
    take(&o, (struct raft_event){.type = RAFT_LOG_DONE, .synced = {.end = 5, .generation = 1}});
    const struct raft_request *next = sent(&o, RAFT_FETCH, 1);
    assert_int_equal(next->end, 5);
    assert_int_equal(next->last_epoch, 2);
    end(&o);
}

/* KAFKA-12460. */
TEST(what_is_committed_is_never_truncated)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 4;
    has_log(&o, 4, 9);
    o.start.high_watermark = 7;
    begin(&o);
    diverge(&o, 4, 6);
    assert_non_null(o.out.stop);
    assert_int_equal(o.out.log, RAFT_LOG_NONE);
    ask(&o, vote(1, 20, 4, 100)); /* it takes no part any more */
    assert_false(o.out.answer.granted);
    assert_int_not_equal(o.out.answer.code, 0);
    end(&o);
}

TEST(what_was_synced_before_a_truncation_does_not_count_behind_it)
{
    struct one o;
    prepare(&o, 3);
    o.state.epoch = 4;
    has_log(&o, 4, 9);
    begin(&o);
    diverge(&o, 4, 6);
    take(&o, (struct raft_event){.type = RAFT_LOG_DONE, .synced = {.end = 6, .generation = 1}});
    struct raft_request request = *sent(&o, RAFT_FETCH, 1);
    struct raft_batch batch = {.first = 6, .end = 9, .epoch = 8};
    answer(&o, &request, fetched(9, 1, 0, &batch, 1));
    take(&o, (struct raft_event){.type = RAFT_SYNCED, .synced = {.end = 9, .generation = 0}});
    assert_null(sent(&o, RAFT_FETCH, 1));
    take(&o, (struct raft_event){.type = RAFT_SYNCED, .synced = {.end = 9, .generation = 1}});
    assert_non_null(sent(&o, RAFT_FETCH, 1));
    end(&o);
}

TEST(the_first_of_the_successors_asks_at_once)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_follower(&o, 1, 3);
    saved(&o);
    struct raft_request request = {.api = RAFT_END_EPOCH, .from = key_of(1), .epoch = 3};
    request.successors = (struct raft_voters){.keys = {key_of(SELF), key_of(2)}, .count = 2};
    ask(&o, request);
    assert_true(o.out.deadline_ns <= o.now_ns);
    take(&o, (struct raft_event){.type = RAFT_TICK});
    assert_int_equal(raft_role(o.raft), RAFT_PROSPECTIVE);
    end(&o);
}

/* Whom EndQuorumEpoch reaches a moment later has a leader until then, and says no. */
TEST(a_successor_asks_again_whoever_had_not_heard_of_it)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_follower(&o, 1, 3);
    saved(&o);
    struct raft_request request = {.api = RAFT_END_EPOCH, .from = key_of(1), .epoch = 3};
    request.successors = (struct raft_voters){.keys = {key_of(SELF), key_of(2)}, .count = 2};
    ask(&o, request);
    take(&o, (struct raft_event){.type = RAFT_TICK});
    struct raft_request pre = *sent(&o, RAFT_VOTE, 2);
    struct raft_response no = says(3, false);
    no.leader_id = 1;
    answer(&o, &pre, no);
    assert_int_equal(raft_role(o.raft), RAFT_PROSPECTIVE);
    assert_int_equal(o.out.deadline_ns, o.now_ns + 20 * MS);
    o.now_ns += 20 * MS;
    take(&o, (struct raft_event){.type = RAFT_TICK});
    pre = *sent(&o, RAFT_VOTE, 2);
    answer(&o, &pre, says(3, true));
    assert_int_equal(raft_role(o.raft), RAFT_CANDIDATE);
    end(&o);
}

/* Or the others could elect nobody until they miss the leader themselves. */
TEST(who_hears_that_its_leader_resigned_lets_others_begin)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_follower(&o, 1, 3);
    struct raft_request request = *sent(&o, RAFT_FETCH, 1), pre = vote(2, 3, 0, 0);
    pre.pre_vote = true;
    saved(&o);
    answer(&o, &request, fetched(3, 1, 0, NULL, 0));
    struct raft_request resigned = {.api = RAFT_END_EPOCH, .from = key_of(1), .epoch = 3};
    resigned.successors = (struct raft_voters){.keys = {key_of(2), key_of(SELF)}, .count = 2};
    ask(&o, resigned);
    assert_int_equal(o.out.deadline_ns, o.now_ns + 40 * MS); /* a little later than the first */
    ask(&o, pre);
    assert_true(o.out.answer.granted);
    end(&o);
}

/* It was on its way when its leader ended, and says nothing of one that lives. */
TEST(an_answer_behind_the_leaders_end_keeps_nobody_from_an_election)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_follower(&o, 1, 3);
    struct raft_request request = *sent(&o, RAFT_FETCH, 1), pre = vote(2, 3, 0, 0);
    pre.pre_vote = true;
    saved(&o);
    struct raft_request resigned = {.api = RAFT_END_EPOCH, .from = key_of(1), .epoch = 3};
    resigned.successors = (struct raft_voters){.keys = {key_of(2), key_of(SELF)}, .count = 2};
    ask(&o, resigned);
    int64_t deadline_ns = o.out.deadline_ns;
    answer(&o, &request, fetched(3, 1, 0, NULL, 0));
    assert_int_equal(o.out.deadline_ns, deadline_ns);
    ask(&o, pre);
    assert_true(o.out.answer.granted);
    end(&o);
}

TEST(a_second_leader_of_an_epoch_is_refused)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    becomes_follower(&o, 1, 3);
    saved(&o);
    ask(&o, (struct raft_request){.api = RAFT_BEGIN_EPOCH, .from = key_of(2), .epoch = 3});
    assert_int_equal(o.out.answer.code, WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(raft_state(o.raft)->leader_id, 1);
    end(&o);
}

/* ---- snapshots ---- */

static void hears_of_snapshot(struct one *o, int64_t offset)
{
    struct raft_request request = follows(o, 1, 9);
    struct raft_response response = fetched(9, 1, 0, NULL, 0);
    response.fetched = RAFT_FETCHED_SNAPSHOT;
    response.snapshot = (struct raft_snapshot_id){.offset = offset, .epoch = 8};
    answer(o, &request, response);
}

static struct raft_response piece(int64_t offset, int64_t position)
{
    return (struct raft_response){.epoch = 9,
                                  .leader_id = 1,
                                  .snapshot = {.offset = offset, .epoch = 8},
                                  .position = position,
                                  .bytes = 10,
                                  .size = 20};
}

static void stored(struct one *o, uint64_t number, int64_t position, bool whole)
{
    take(o,
         (struct raft_event){.type = RAFT_STORED,
                             .stored = {.number = number, .position = position, .whole = whole}});
}

TEST(a_snapshot_comes_in_pieces_and_takes_the_place_of_the_log)
{
    struct one o;
    prepare(&o, 3);
    begin(&o);
    hears_of_snapshot(&o, 40);
    struct raft_request one = *sent(&o, RAFT_FETCH_SNAPSHOT, 1);
    assert_int_equal(one.position, 0);
    answer(&o, &one, piece(40, 0));
    assert_true(o.out.store);
    stored(&o, one.number, 10, false);
    struct raft_request two = *sent(&o, RAFT_FETCH_SNAPSHOT, 1);
    assert_int_equal(two.position, 10);
    answer(&o, &two, piece(40, 10));
    stored(&o, two.number, 20, true);
    assert_int_equal(o.out.log, RAFT_LOG_RESET);
    assert_int_equal(o.out.log_offset, 40);
    assert_int_equal(raft_high_watermark(o.raft), 0); /* not before it is done */
    take(&o, (struct raft_event){.type = RAFT_LOG_DONE, .synced = {.end = 40, .generation = 1}});
    assert_int_equal(raft_high_watermark(o.raft), 40);
    assert_int_equal(sent(&o, RAFT_FETCH, 1)->end, 40);
    assert_int_equal(sent(&o, RAFT_FETCH, 1)->last_epoch, 8);
    end(&o);
}

TEST(a_piece_of_another_snapshot_is_not_stored)
{
    struct raft_response bad[] = {piece(41, 0), piece(40, 10), piece(40, 0), piece(40, 0)};
    bad[2].bytes = 0;
    bad[3].code = WIRE_ERROR_SNAPSHOT_NOT_FOUND;
    for (int i = 0; i < COUNT_OF(bad); i++) {
        struct one o;
        prepare(&o, 3);
        begin(&o);
        hears_of_snapshot(&o, 40);
        struct raft_request one = *sent(&o, RAFT_FETCH_SNAPSHOT, 1);
        answer(&o, &one, bad[i]);
        assert_false(o.out.store);
        o.now_ns += 20 * MS;
        take(&o, (struct raft_event){.type = RAFT_TICK});
        assert_non_null(sent(&o, RAFT_FETCH, 1)); /* it asks what there is now */
        end(&o);
    }
}

/* ---- memory ---- */

TEST(without_memory_nothing_has_changed)
{
    struct one o;
    prepare(&o, 3);
    o.mem.fail_at = 1;
    o.start.now_ns = o.now_ns;
    assert_int_equal(raft_open(&o.raft, &o.mem.mem, &o.settings, &o.start), ERR_NOMEM);
    o.mem.fail_at = 0;
    begin(&o);
    struct raft_request request = follows(&o, 1, 3);
    struct raft_batch batches[64];
    for (int i = 0; i < 64; i++)
        batches[i] = (struct raft_batch){.first = i, .end = i + 1, .epoch = 1};
    struct raft_response response = fetched(3, 1, 0, batches, 64);
    response.api = request.api;
    response.number = request.number;
    response.from_id = 1;
    struct raft_event event = {.type = RAFT_RESPONSE, .now_ns = o.now_ns, .response = response};
    o.mem.fail_at = 1;
    assert_int_equal(raft_step(o.raft, &event, &o.out), ERR_NOMEM);
    assert_int_equal(o.mem.failed, 2);
    assert_int_equal(raft_end(o.raft), 0);
    o.mem.fail_at = 0;
    assert_ok(raft_step(o.raft, &event, &o.out));
    assert_int_equal(raft_end(o.raft), 64);
    end(&o);
}
