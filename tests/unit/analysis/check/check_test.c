/* check_test.c - each check fires on the history that breaks it, and stays silent on the good twin.
 */
#include "run.h"

TEST(a_faultless_history_has_no_findings)
{
    struct run r;
    durable(&r);
    good_history(&r, 5000);
    final(&r, 5000);
    assert_int_equal(check_counts(r.check)->acked, 5000);
    assert_int_equal(check_counts(r.check)->read, 5000);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(an_acknowledged_record_that_is_never_read_is_lost)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    ack(&r, VID(1, 0), 0);
    final(&r, 5);
    expect_only(&r, CHECK_LOST_WRITE);
}

/* A late duplicate's answer has no offset; without a key nobody knew before where it would go. */
TEST(a_record_that_is_acknowledged_without_an_offset_must_be_read_too)
{
    struct run r;
    durable(&r);
    SAY(&r, PRODUCER, PRODUCE_INVOKE, 0, VID(1, 0), 0, BODY, ALL);
    ack(&r, VID(1, 0), UINT64_MAX);
    final(&r, 0);
    expect_only(&r, CHECK_LOST_WRITE);
}

TEST(an_acknowledged_record_behind_the_final_end_is_unseen)
{
    struct run r;
    durable(&r);
    good_history(&r, 3);
    send_record(&r, VID(1, 3), ALL);
    ack(&r, VID(1, 3), 3);
    final(&r, 3);
    expect_only(&r, CHECK_UNSEEN);
}

TEST(without_a_final_read_the_verdict_is_open)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    ack(&r, VID(1, 0), 0);
    assert_ok(check_status(r.check));
    end(&r);
    assert_int_not_equal(check_status(r.check), ERR_NONE);
    assert_int_equal(check_violations(r.check), 0);
    check_free(r.check);
    test_mem_done(&r.mem);
}

TEST(a_partition_that_is_left_out_need_not_be_read)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    ack(&r, VID(1, 0), 0);
    assert_ok(check_leave_out(r.check, P));
    end(&r);
    assert_ok(check_status(r.check));
    assert_int_equal(check_violations(r.check), 0);
    check_free(r.check);
    test_mem_done(&r.mem);
}

TEST(two_records_at_one_offset_are_inconsistent)
{
    struct run r;
    durable(&r);
    good_history(&r, 2);
    send_record(&r, VID(1, 2), ALL);
    SAY(&r, READER, ASSIGN, P, 1, 0);
    read_record(&r, 2, 1, VID(1, 2));
    final(&r, 2);
    expect_only(&r, CHECK_INCONSISTENT_OFFSET);
}

TEST(an_idempotent_record_at_two_offsets_is_a_duplicate)
{
    struct run r;
    durable(&r);
    good_history(&r, 1);
    read_record(&r, 1, 1, VID(1, 0));
    final(&r, 2);
    expect_only(&r, CHECK_DUPLICATE);
}

TEST(without_idempotence_a_duplicate_is_counted_and_allowed)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), CHECK_ACKS_ALL);
    ack(&r, VID(1, 0), 0);
    read_record(&r, 1, 0, VID(1, 0));
    read_record(&r, 1, 1, VID(1, 0));
    final(&r, 2);
    assert_int_equal(check_counts(r.check)->twice_allowed, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(an_acknowledgement_for_another_offset_is_spurious)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    ack(&r, VID(1, 0), 0);
    SAY(&r, READER, ASSIGN, P, 1, 0);
    read_record(&r, 1, 1, VID(1, 0));
    final(&r, 2);
    end(&r);
    assert_int_equal(count(&r, CHECK_SPURIOUS_ACK), 1);
    check_free(r.check);
    test_mem_done(&r.mem);
}

TEST(an_acknowledgement_for_an_absurd_offset_costs_no_memory)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    ack(&r, VID(1, 0), 6597522364118860576);
    final(&r, 0);
    end(&r);
    assert_int_equal(count(&r, CHECK_SPURIOUS_ACK), 1);
    check_free(r.check);
    test_mem_done(&r.mem);
}

TEST(a_record_nobody_sent_is_unexpected)
{
    struct run r;
    durable(&r);
    good_history(&r, 1);
    read_record(&r, 1, 1, VID(9, 4));
    final(&r, 2);
    expect_only(&r, CHECK_UNEXPECTED_READ);
}

TEST(other_bytes_than_were_sent_are_corrupt)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    ack(&r, VID(1, 0), 0);
    SAY(&r, READER, POLL_RECORD, 1, P, 0, VID(1, 0), 1, BODY + 1, 0);
    final(&r, 1);
    expect_only(&r, CHECK_CORRUPT_PAYLOAD);
}

TEST(one_poll_that_goes_back_is_nonmonotonic)
{
    struct run r;
    durable(&r);
    good_history(&r, 3);
    read_record(&r, 1, 1, VID(1, 1));
    final(&r, 3);
    expect_only(&r, CHECK_INTERNAL_NONMONOTONIC_POLL);
}

TEST(a_later_poll_that_goes_back_is_nonmonotonic)
{
    struct run r;
    durable(&r);
    good_history(&r, 3);
    read_record(&r, 2, 1, VID(1, 1));
    final(&r, 3);
    expect_only(&r, CHECK_NONMONOTONIC_POLL);
}

TEST(after_a_seek_a_poll_may_go_back)
{
    struct run r;
    durable(&r);
    good_history(&r, 3);
    SAY(&r, READER, ASSIGN, P, 1, 0);
    read_record(&r, 2, 1, VID(1, 1));
    final(&r, 3);
    expect_only(&r, CHECK_CODE_COUNT);
}

static void leave_hole(struct run *r, uint64_t second_op)
{
    durable(r);
    for (uint64_t i = 0; i < 3; i++) {
        send_record(r, VID(1, i), ALL);
        ack(r, VID(1, i), i);
    }
    SAY(r, READER, ASSIGN, P, 0, 0);
    read_record(r, 1, 0, VID(1, 0));
    read_record(r, second_op, 2, VID(1, 2));
    SAY(r, READER, ASSIGN, P, 1, 0);
    read_record(r, 9, 1, VID(1, 1));
    final(r, 3);
}

TEST(a_poll_that_leaves_a_hole_skips)
{
    struct run r;
    leave_hole(&r, 1);
    expect_only(&r, CHECK_INTERNAL_POLL_SKIP);
    leave_hole(&r, 2);
    expect_only(&r, CHECK_POLL_SKIP);
}

TEST(records_below_the_log_start_may_be_skipped)
{
    struct run r;
    begin(&r, (struct check_contract){.durable_acks = true, .retention_ms = 0});
    for (uint64_t i = 0; i < 3; i++) {
        send_record(&r, VID(1, i), ALL);
        ack(&r, VID(1, i), i);
    }
    SAY(&r, READER, ASSIGN, P, 0, 0);
    SAY(&r, BROKER, LOG_START, P, 2, 0, 0, 0, 0);
    read_record(&r, 1, 2, VID(1, 2));
    final(&r, 3);
    /* The log was never opened here, so its ends are unknown; only the readers count. */
    end(&r);
    assert_int_equal(count(&r, CHECK_INTERNAL_POLL_SKIP), 0);
    assert_int_equal(count(&r, CHECK_LOST_WRITE), 0);
    check_free(r.check);
    test_mem_done(&r.mem);
}

TEST(a_producers_records_in_another_order_are_nonmonotonic)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    send_record(&r, VID(1, 1), ALL);
    ack(&r, VID(1, 0), 1);
    ack(&r, VID(1, 1), 0);
    SAY(&r, READER, ASSIGN, P, 0, 0);
    SAY(&r, READER, POLL_RECORD, 1, P, 0, VID(1, 1), 0, BODY, 0);
    SAY(&r, READER, POLL_RECORD, 1, P, 1, VID(1, 0), 0, BODY, 0);
    final(&r, 2);
    expect_only(&r, CHECK_NONMONOTONIC_SEND);
}

TEST(records_of_one_key_out_of_order_are_found_by_their_reader)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    send_record(&r, VID(1, 1), ALL);
    SAY(&r, READER, ASSIGN, P, 0, 0);
    read_record(&r, 1, 0, VID(1, 1));
    read_record(&r, 1, 1, VID(1, 0));
    final(&r, 2);
    expect_only(&r, CHECK_KEY_ORDER);
}

/* Without idempotence a batch may be stored twice, and who reads both meets its first record behind
 * its last. */
TEST(a_batch_that_is_stored_twice_is_not_out_of_order)
{
    struct run r;
    durable(&r);
    for (uint64_t i = 0; i < 2; i++)
        send_record(&r, VID(1, i), CHECK_ACKS_ALL | CHECK_ONE_IN_FLIGHT);
    SAY(&r, READER, ASSIGN, P, 0, 0);
    for (uint64_t i = 0; i < 4; i++)
        read_record(&r, 1, i, VID(1, i % 2));
    final(&r, 4);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* What was never answered may still come, on a connection that its sender has given up. */
TEST(order_with_one_in_flight_is_of_what_was_answered)
{
    for (int answered = 0; answered < 2; answered++) {
        struct run r;
        durable(&r);
        for (uint64_t i = 0; i < 2; i++) {
            send_record(&r, VID(1, i), CHECK_ACKS_ALL | CHECK_ONE_IN_FLIGHT);
            if (!answered)
                SAY(&r, PRODUCER, PRODUCE_UNKNOWN, P, VID(1, i), 0);
        }
        SAY(&r, READER, ASSIGN, P, 0, 0);
        read_record(&r, 1, 0, VID(1, 1));
        read_record(&r, 1, 1, VID(1, 0));
        final(&r, 2);
        expect_only(&r, answered ? CHECK_KEY_ORDER : CHECK_CODE_COUNT);
    }
}

TEST(a_record_sent_after_an_acknowledgement_may_not_stand_before_it)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    ack(&r, VID(1, 0), 5);
    send_record(&r, VID(2, 0), ALL);
    ack(&r, VID(2, 0), 3);
    SAY(&r, READER, ASSIGN, P, 3, 0);
    read_record(&r, 1, 3, VID(2, 0));
    SAY(&r, READER, ASSIGN, P, 5, 0);
    read_record(&r, 1, 5, VID(1, 0));
    final(&r, 6);
    expect_only(&r, CHECK_REALTIME_ORDER);
}

TEST(a_refused_record_that_is_read_contradicts_itself)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    SAY(&r, PRODUCER, PRODUCE_FAIL, P, VID(1, 0), 2);
    read_record(&r, 1, 0, VID(1, 0));
    final(&r, 1);
    expect_only(&r, CHECK_FAILED_BUT_VISIBLE);
}

TEST(an_unknown_record_that_is_read_is_recovered)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    SAY(&r, PRODUCER, PRODUCE_UNKNOWN, P, VID(1, 0), -1);
    read_record(&r, 1, 0, VID(1, 0));
    final(&r, 1);
    assert_int_equal(check_counts(r.check)->recovered, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* ---- the log's own invariants ---- */

TEST(a_log_that_is_stored_in_order_has_no_findings)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    store(&r, 0, 4);
    SAY(&r, BROKER, ACK, P, 0, 4, (uint64_t)-1, 1, 0);
    SAY(&r, BROKER, SERVE, P, 0, 5, 5);
    store(&r, 5, 5);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(an_append_that_leaves_a_gap_is_found)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 3);
    append(&r, 4, 5);
    expect_only(&r, CHECK_OFFSET_GAP);
}

TEST(a_watermark_above_the_durable_end_is_ahead)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    append(&r, 0, 4);
    SAY(&r, BROKER, LOG_WRITTEN, P, 5);
    SAY(&r, BROKER, HIGH_WATERMARK, P, 5);
    expect_only(&r, CHECK_WATERMARK_AHEAD);
}

TEST(with_the_page_cache_policy_written_counts)
{
    struct run r;
    begin(&r, (struct check_contract){.retention_ms = -1});
    open_log(&r, 0, 0);
    append(&r, 0, 4);
    SAY(&r, BROKER, LOG_WRITTEN, P, 5);
    SAY(&r, BROKER, HIGH_WATERMARK, P, 5);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_watermark_that_goes_back_is_found)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    store(&r, 0, 4);
    SAY(&r, BROKER, HIGH_WATERMARK, P, 3);
    expect_only(&r, CHECK_WATERMARK_BACK);
}

TEST(an_answer_before_the_watermark_is_early)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    append(&r, 0, 4);
    SAY(&r, BROKER, ACK, P, 0, 4, (uint64_t)-1, 1, 0);
    expect_only(&r, CHECK_EARLY_ACK);
}

TEST(bytes_above_the_watermark_are_early)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    store(&r, 0, 4);
    append(&r, 5, 6);
    SAY(&r, BROKER, SERVE, P, 0, 7, 5);
    expect_only(&r, CHECK_EARLY_SERVE);
}

TEST(ends_in_the_wrong_order_are_found)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 2);
    SAY(&r, BROKER, LOG_DURABLE, P, 4);
    expect_only(&r, CHECK_ENDS_CROSSED);
}

TEST(a_log_start_that_goes_back_is_found)
{
    struct run r;
    durable(&r);
    open_log(&r, 5, 9);
    SAY(&r, BROKER, LOG_DURABLE, P, 9);
    SAY(&r, BROKER, LOG_START, P, 4, 5, 0, 0, 0);
    expect_only(&r, CHECK_START_BACK);
}

static void delete_aged(struct run *r, int64_t age_ms)
{
    begin(r, (struct check_contract){
                 .durable_acks = true, .retention_ms = 1000, .wall_base_ms = 1000000});
    open_log(r, 0, 9);
    SAY(r, BROKER, LOG_DURABLE, P, 9);
    SAY(r, BROKER, HIGH_WATERMARK, P, 9);
    int64_t true_ms = 1000000 + r->now_ns / 1000000;
    SAY(r, BROKER, LOG_START, P, 5, 0, 1, (uint64_t)(true_ms - age_ms), 0);
}

TEST(a_segment_younger_than_its_retention_must_stay)
{
    struct run r;
    delete_aged(&r, 999);
    expect_only(&r, CHECK_YOUNG_DELETED);
    delete_aged(&r, 1001);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(an_acknowledgement_after_a_failed_sync_is_found)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    store(&r, 0, 4);
    SAY(&r, BROKER, SYNC_DONE, 1, ERR_TOOMANY); /* it was not tried */
    SAY(&r, BROKER, ACK, P, 0, 1, (uint64_t)-1, 1, 0);
    assert_int_equal(count(&r, CHECK_ACK_AFTER_FAILED_SYNC), 0);
    SAY(&r, BROKER, SYNC_DONE, 2, ERR_IO);
    SAY(&r, BROKER, ACK, P, 2, 4, (uint64_t)-1, 1, 0);
    expect_only(&r, CHECK_ACK_AFTER_FAILED_SYNC);
}

TEST(a_log_that_comes_back_short_of_an_acknowledgement_is_a_confirmed_loss)
{
    struct run r;
    durable(&r);
    for (uint64_t i = 0; i < 3; i++) {
        send_record(&r, VID(1, i), ALL);
        ack(&r, VID(1, i), i);
    }
    SAY(&r, BROKER, POWER_LOSS, 0);
    open_log(&r, 0, 2);
    end(&r);
    assert_int_equal(count(&r, CHECK_CONFIRMED_LOSS), 1);
    assert_int_equal(count(&r, CHECK_LOST_WRITE), 0);
    check_free(r.check);
    test_mem_done(&r.mem);
}

TEST(with_the_page_cache_policy_a_power_loss_may_take_and_a_kill_may_not)
{
    for (int power = 0; power < 2; power++) {
        struct run r;
        begin(&r, (struct check_contract){.retention_ms = -1});
        send_record(&r, VID(1, 0), ALL);
        ack(&r, VID(1, 0), 0);
        if (power)
            SAY(&r, BROKER, POWER_LOSS, 0);
        open_log(&r, 0, 0);
        assert_int_equal(check_counts(r.check)->lost_allowed, power);
        expect_only(&r, power ? CHECK_CODE_COUNT : CHECK_CONFIRMED_LOSS);
    }
}

/* A page that could not be written counts as clean, and the cache may drop it. */
TEST(with_the_page_cache_policy_a_failed_sync_may_take_what_was_not_durable)
{
    for (int durable_acks = 0; durable_acks < 2; durable_acks++) {
        struct run r;
        begin(&r, (struct check_contract){.durable_acks = durable_acks, .retention_ms = -1});
        open_log(&r, 0, 0);
        send_record(&r, VID(1, 0), ALL);
        ack(&r, VID(1, 0), 0);
        SAY(&r, BROKER, SYNC_DONE, 1, ERR_IO);
        r.incarnation++;
        open_log(&r, 0, 0);
        assert_int_equal(check_counts(r.check)->lost_allowed, !durable_acks);
        expect_only(&r, durable_acks ? CHECK_CONFIRMED_LOSS : CHECK_CODE_COUNT);
    }
}

/* The power goes, and what recovery finds it cuts off before it opens the log. */
static void next_life_cut_to(struct run *r, uint64_t to)
{
    SAY(r, BROKER, POWER_LOSS, 0);
    r->incarnation++;
    SAY(r, BROKER, LOG_CUT, P, to, to, 1);
    open_log(r, 0, to);
}

/* What the page cache had given to the disk is no power loss's to take. */
TEST(with_the_page_cache_policy_a_power_loss_may_not_take_what_was_durable)
{
    struct run r;
    begin(&r, (struct check_contract){.retention_ms = -1});
    open_log(&r, 0, 0);
    append(&r, 0, 1);
    SAY(&r, BROKER, LOG_WRITTEN, P, 2);
    SAY(&r, BROKER, LOG_DURABLE, P, 1);
    SAY(&r, BROKER, HIGH_WATERMARK, P, 2);
    for (uint64_t i = 0; i < 2; i++) {
        send_record(&r, VID(1, i), ALL);
        ack(&r, VID(1, i), i);
    }
    next_life_cut_to(&r, 0);
    assert_int_equal(check_counts(r.check)->lost_allowed, 1);
    assert_int_equal(count(&r, CHECK_CONFIRMED_LOSS), 1);
    assert_int_equal(count(&r, CHECK_DURABLE_LOST), 1);
    check_free(r.check);
    test_mem_done(&r.mem);
}

static void policy(struct run *r, bool ack)
{
    SAY(r, BROKER, TOPIC_SETTINGS, .topic = 5, .partitions = 1, .durable = ack, .retention_ms = -1,
        .retention_bytes = -1, .min_insync = 1, .topic_id = 11);
}

#define OF_TOPIC .partition = P, .topic_id = 11

/* Record 0 was acknowledged under os and is not synced; then the policy becomes ack. */
static void begin_with_a_change(struct run *r)
{
    begin(r, (struct check_contract){.retention_ms = -1});
    policy(r, false);
    SAY(r, BROKER, LOG_OPEN, OF_TOPIC, .clean = 1);
    SAY(r, BROKER, LEADER_ON, OF_TOPIC);
    SAY(r, PRODUCER, PRODUCE_INVOKE, P, VID(1, 0), 1, BODY, ALL);
    SAY(r, BROKER, LOG_APPEND, OF_TOPIC, .producer_id = -1, .bytes = 100);
    SAY(r, BROKER, LOG_WRITTEN, OF_TOPIC, .end = 1);
    SAY(r, BROKER, HIGH_WATERMARK, OF_TOPIC, .offset = 1);
    SAY(r, BROKER, ACK, OF_TOPIC, .acks = -1, .producer_id = -1);
    SAY(r, PRODUCER, PRODUCE_OK, .partition = P, .vid = VID(1, 0), .topic_id = 11);
    policy(r, true);
}

static void power_takes_all(struct run *r)
{
    SAY(r, BROKER, POWER_LOSS, 0);
    r->incarnation++;
    SAY(r, BROKER, LOG_OPEN, OF_TOPIC);
    SAY(r, BROKER, LEADER_ON, OF_TOPIC, .leader_epoch = 1);
}

TEST(what_was_acknowledged_under_os_a_power_loss_may_take_when_the_policy_is_ack_too)
{
    struct run r;
    begin_with_a_change(&r);
    power_takes_all(&r);
    assert_int_equal(check_counts(r.check)->lost_allowed, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(what_was_acknowledged_since_the_policy_is_ack_no_power_loss_may_take)
{
    struct run r;
    begin_with_a_change(&r);
    SAY(&r, PRODUCER, PRODUCE_INVOKE, P, VID(1, 1), 1, BODY, ALL);
    SAY(&r, BROKER, LOG_APPEND, OF_TOPIC, .first = 1, .last = 1, .producer_id = -1, .bytes = 100);
    SAY(&r, PRODUCER, PRODUCE_OK, .partition = P, .vid = VID(1, 1), .offset = 1, .topic_id = 11);
    power_takes_all(&r);
    assert_int_equal(check_counts(r.check)->lost_allowed, 1);
    expect_only(&r, CHECK_CONFIRMED_LOSS);
}

/* It stood there before the change, and is asked for again behind it. */
TEST(a_duplicate_that_is_answered_from_the_page_cache_when_the_policy_is_ack)
{
    struct run r;
    begin_with_a_change(&r);
    SAY(&r, BROKER, DUPLICATE, OF_TOPIC, .acks = -1, .producer_id = -1);
    expect_only(&r, CHECK_EARLY_ACK);
}

/* It was under way when the power went, and came when the offset was another's. */
TEST(an_answer_of_the_life_before_a_power_loss_says_nothing_of_this_one)
{
    for (int durable_acks = 0; durable_acks < 2; durable_acks++) {
        struct run r;
        begin(&r, (struct check_contract){.durable_acks = durable_acks, .retention_ms = -1});
        open_log(&r, 0, 0);
        append(&r, 0, 0);
        SAY(&r, BROKER, LOG_WRITTEN, P, 1);
        send_record(&r, VID(1, 0), ALL);
        next_life_cut_to(&r, 0);
        ack(&r, VID(1, 0), 0);
        store(&r, 0, 0);
        send_record(&r, VID(1, 1), ALL);
        ack(&r, VID(1, 1), 0);
        SAY(&r, READER, ASSIGN, P, 0, 0);
        SAY(&r, READER, POLL_RECORD, 1, P, 0, VID(1, 1), 1, BODY, 0, 1);
        final(&r, 1);
        if (durable_acks) {
            assert_true(count(&r, CHECK_INCONSISTENT_OFFSET) > 0);
            check_free(r.check);
            test_mem_done(&r.mem);
            continue;
        }
        expect_only(&r, CHECK_CODE_COUNT);
    }
}

/* Stored before the power went, and once more behind it: what its sender is told then places it
 * nowhere, and it was not sent when it was answered. */
TEST(a_record_answered_after_a_power_loss_was_sent_before_it)
{
    struct run r;
    begin(&r, (struct check_contract){.retention_ms = -1});
    open_log(&r, 0, 0);
    send_record(&r, VID(1, 0), CHECK_ACKS_ALL);
    store(&r, 0, 0);
    send_record(&r, VID(2, 0), ALL);
    store(&r, 1, 1);
    ack(&r, VID(2, 0), 1);
    append(&r, 2, 2);
    SAY(&r, BROKER, LOG_WRITTEN, P, 3);
    SAY(&r, BROKER, HIGH_WATERMARK, P, 3);
    next_life_cut_to(&r, 2);
    store(&r, 2, 2);
    ack(&r, VID(1, 0), 2);
    SAY(&r, READER, ASSIGN, P, 0, 0);
    SAY(&r, READER, POLL_RECORD, 1, P, 0, VID(1, 0), 1, BODY, 0, 0);
    SAY(&r, READER, POLL_RECORD, 1, P, 1, VID(2, 0), 1, BODY, 0, 0);
    SAY(&r, READER, POLL_RECORD, 1, P, 2, VID(1, 0), 1, BODY, 0, 1);
    final(&r, 3);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* The reader had been given it before the power went, and looks at it when the offset is another's.
 * What has the epoch of the life that followed must be what that log holds. */
TEST(a_record_that_a_reader_had_before_a_power_loss_says_nothing_of_this_life)
{
    for (int64_t leader_epoch = 0; leader_epoch < 2; leader_epoch++) {
        struct run r;
        begin(&r, (struct check_contract){.retention_ms = -1});
        open_log(&r, 0, 0);
        append(&r, 0, 0);
        SAY(&r, BROKER, LOG_WRITTEN, P, 1);
        SAY(&r, BROKER, HIGH_WATERMARK, P, 1);
        send_record(&r, VID(1, 0), ALL);
        SAY(&r, READER, ASSIGN, P, 0, 0);
        next_life_cut_to(&r, 0);
        SAY(&r, BROKER, LOG_APPEND, .partition = P, .producer_id = -1, .sequence = -1,
            .leader_epoch = 1);
        SAY(&r, BROKER, LOG_WRITTEN, P, 1);
        SAY(&r, BROKER, HIGH_WATERMARK, P, 1);
        send_record(&r, VID(1, 1), ALL);
        ack(&r, VID(1, 1), 0);
        SAY(&r, READER, POLL_RECORD, 1, P, 0, VID(1, 0), 1, BODY, 0, leader_epoch);
        SAY(&r, READER, ASSIGN, P, 0, 0);
        SAY(&r, READER, POLL_RECORD, 2, P, 0, VID(1, 1), 1, BODY, 0, 1);
        final(&r, 1);
        expect_only(&r, leader_epoch == 0 ? CHECK_CODE_COUNT : CHECK_INCONSISTENT_OFFSET);
    }
}

TEST(a_record_that_was_read_and_is_gone_is_unrepeatable)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), ALL);
    SAY(&r, READER, ASSIGN, P, 0, 0);
    read_record(&r, 1, 0, VID(1, 0));
    open_log(&r, 0, 0);
    expect_only(&r, CHECK_UNREPEATABLE_READ);
}

TEST(an_acknowledged_topic_that_is_not_listed_is_lost)
{
    for (int seen = 0; seen < 2; seen++) {
        struct run r;
        durable(&r);
        SAY(&r, PRODUCER, TOPIC_CREATE_OK, 77, 1);
        SAY(&r, BROKER, NODE_START, 0);
        if (seen)
            SAY(&r, PRODUCER, TOPIC_SEEN, 77, 1);
        SAY(&r, PRODUCER, TOPIC_SEEN, 0, 0);
        expect_only(&r, seen ? CHECK_CODE_COUNT : CHECK_LOST_TOPIC);
    }
}

TEST(a_producer_id_given_twice_is_found)
{
    struct run r;
    durable(&r);
    SAY(&r, BROKER, PRODUCER_ID_GIVEN, 1000, 0);
    SAY(&r, BROKER, PRODUCER_ID_GIVEN, 1001, 0);
    SAY(&r, BROKER, PRODUCER_ID_GIVEN, 1000, 0);
    expect_only(&r, CHECK_PRODUCER_ID_TWICE);
}

TEST(a_refused_connection_is_found_unless_clients_are_hostile)
{
    for (int hostile = 0; hostile < 2; hostile++) {
        struct run r;
        begin(&r, (struct check_contract){.durable_acks = true, .hostile_clients = hostile});
        SAY(&r, BROKER, REQUEST_REFUSED, ERR_LIMIT, 1 << 30);
        expect_only(&r, hostile ? CHECK_CODE_COUNT : CHECK_UNEXPECTED_CLOSE);
    }
}

/* With retention, memory follows the lag and not the history. */
TEST(memory_does_not_grow_with_the_history)
{
    struct run r;
    begin(&r, (struct check_contract){.durable_acks = true, .retention_ms = -1});
    open_log(&r, 0, 0);
    SAY(&r, READER, ASSIGN, P, 0, 0);
    int64_t live_early = 0;
    for (uint64_t i = 0; i < 200000; i++) {
        send_record(&r, VID(1, i), ALL);
        append(&r, i, i);
        ack(&r, VID(1, i), i);
        read_record(&r, i / 10 + 1, i, VID(1, i));
        if (i % 1000 == 999 && i > 5000)
            SAY(&r, BROKER, LOG_START, P, i - 5000, 0, 0, 0, 0);
        if (i == 20000)
            live_early = r.mem.mem.live_count;
    }
    assert_true(r.mem.mem.live_count <= live_early + 2);
    final(&r, 200000);
    end(&r);
    assert_int_equal(count(&r, CHECK_LOST_WRITE), 0);
    check_free(r.check);
    test_mem_done(&r.mem);
}

/* Whatever rows come, in whatever order, the checks give a verdict. */
TEST(random_rows_never_crash_the_checks)
{
    struct rng rng = {1};
    for (int round = 0; round < 50; round++) {
        struct run r;
        durable(&r);
        for (int i = 0; i < 2000; i++) {
            uint64_t words[TRACE_COLUMNS_MAX];
            enum trace_kind kind = (enum trace_kind)(rng_next(&rng) % TRACE_KIND_COUNT);
            for (int a = 0; a < TRACE_COLUMNS_MAX; a++)
                words[a] =
                    random_chance(rng_next(&rng), 1, 50) ? (uint64_t)-1 : rng_next(&rng) % 64;
            if (kind == TRACE_PRODUCE_INVOKE)
                words[1] = VID(words[1] % 3, (uint64_t)i / 100);
            say(&r, (uint32_t)(rng_next(&rng) % 4), kind, words,
                trace_kinds[kind].has_text ? "text" : NULL);
        }
        check_end(r.check);
        check_free(r.check);
        test_mem_done(&r.mem);
    }
}
