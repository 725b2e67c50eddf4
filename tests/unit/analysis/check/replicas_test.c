/* replicas_test.c - several replicas against one canonical log: who may lead, cut, differ and come
 * back with what; each check fires, and its good twin is silent. */
#include "run.h"

enum { B1 = 0, B2 = 5, B3 = 6 };

static void open_on(struct run *r, uint32_t node, uint64_t to)
{
    SAY(r, node, LOG_OPEN, .partition = P, .end = to);
}

static void lead(struct run *r, uint32_t node, int64_t epoch, uint64_t to)
{
    SAY(r, node, LEADER_ON, .partition = P, .leader_epoch = epoch, .end = to);
}

/* One batch, in the page cache there. */
static void write_on(struct run *r, uint32_t node, uint64_t first, uint64_t last, int64_t epoch,
                     uint64_t crc)
{
    SAY(r, node, LOG_APPEND, .partition = P, .first = first, .last = last, .crc = crc,
        .producer_id = -1, .sequence = -1, .leader_epoch = epoch);
    SAY(r, node, LOG_WRITTEN, .partition = P, .end = last + 1);
}

/* And durable. */
static void append_on(struct run *r, uint32_t node, uint64_t first, uint64_t last, int64_t epoch,
                      uint64_t crc)
{
    write_on(r, node, first, last, epoch, crc);
    SAY(r, node, LOG_DURABLE, .partition = P, .end = last + 1);
}

static void show(struct run *r, uint32_t node, uint64_t to, int64_t epoch)
{
    SAY(r, node, HIGH_WATERMARK, .partition = P, .offset = to, .leader_epoch = epoch);
}

/* B1 leads in epoch 1 and has shown offsets 0 to 9; B2 has them all, B3 the first five. */
static void three_that_keep(struct run *r, bool durable_acks)
{
    begin(r, (struct check_contract){.durable_acks = durable_acks, .retention_ms = -1});
    open_on(r, B1, 0);
    open_on(r, B2, 0);
    open_on(r, B3, 0);
    lead(r, B1, 1, 0);
    append_on(r, B1, 0, 4, 1, 100);
    append_on(r, B2, 0, 4, 1, 100);
    append_on(r, B3, 0, 4, 1, 100);
    append_on(r, B1, 5, 9, 1, 200);
    append_on(r, B2, 5, 9, 1, 200);
    show(r, B1, 10, 1);
}

/* Its syncs had said another thing. */
static void lose_disk(struct run *r, uint32_t node)
{
    say(r, node, TRACE_FAULT, &(const struct trace_FAULT){.site = hash_text("disk lose")},
        "disk lose");
}

static void three(struct run *r)
{
    three_that_keep(r, true);
}

TEST(replicas_that_agree_have_no_findings)
{
    struct run r;
    three(&r);
    append_on(&r, B3, 5, 9, 1, 200); /* it catches up */
    lead(&r, B2, 2, 10);
    append_on(&r, B2, 10, 10, 2, 300);
    show(&r, B2, 11, 2);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_follower_that_differs_in_the_same_epoch_has_diverged)
{
    struct run r;
    three(&r);
    append_on(&r, B3, 5, 9, 1, 201);
    expect_only(&r, CHECK_LOG_DIVERGED);
}

/* The follower wrote first, the leader shows later. */
TEST(a_follower_that_had_differed_before_the_leader_showed_it_has_diverged)
{
    struct run r;
    three(&r);
    append_on(&r, B3, 5, 9, 1, 200);
    append_on(&r, B3, 10, 11, 1, 301);
    append_on(&r, B1, 10, 11, 1, 300);
    show(&r, B1, 12, 1);
    expect_only(&r, CHECK_LOG_DIVERGED);
}

/* What an old leader had for itself is cut before it follows (KIP-101). */
TEST(an_old_leader_that_cuts_what_it_had_alone_is_right)
{
    struct run r;
    three(&r);
    append_on(&r, B1, 10, 12, 1, 300);
    lead(&r, B2, 2, 10);
    append_on(&r, B2, 10, 11, 2, 400);
    append_on(&r, B3, 5, 9, 1, 200);
    append_on(&r, B3, 10, 11, 2, 400);
    show(&r, B2, 12, 2);
    SAY(&r, B1, LEADER_OFF, .partition = P, .leader_epoch = 1);
    SAY(&r, B1, LOG_CUT, .partition = P, .end = 10, .was = 13, .reason = 4);
    append_on(&r, B1, 10, 11, 2, 400);
    show(&r, B1, 12, 2);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* The producer sent the same batch to both. */
TEST(an_old_leader_may_cut_what_the_next_one_was_sent_again)
{
    struct run r;
    three(&r);
    append_on(&r, B1, 10, 12, 1, 300);
    lead(&r, B2, 2, 10);
    append_on(&r, B2, 10, 12, 2, 300);
    append_on(&r, B3, 5, 9, 1, 200);
    append_on(&r, B3, 10, 12, 2, 300);
    show(&r, B2, 13, 2);
    SAY(&r, B1, LEADER_OFF, .partition = P, .leader_epoch = 1);
    SAY(&r, B1, LOG_CUT, .partition = P, .end = 10, .was = 13, .reason = 4);
    append_on(&r, B1, 10, 12, 2, 300);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* The final reader stops at the high watermark; what is shown behind it later was not lost. */
TEST(what_is_shown_behind_the_final_read_was_promised_to_it_with_acks_all_alone)
{
    for (int all = 0; all < 2; all++) {
        struct run r;
        three(&r);
        SAY(&r, PRODUCER, PRODUCE_INVOKE, P, VID(1, 0), 0, BODY,
            (all ? CHECK_ACKS_ALL : CHECK_ACKS_ONE));
        append_on(&r, B1, 10, 10, 1, 300);
        ack(&r, VID(1, 0), 10);
        final(&r, 10);
        append_on(&r, B2, 10, 10, 1, 300);
        show(&r, B1, 11, 1);
        expect_only(&r, all ? CHECK_UNSEEN : CHECK_CODE_COUNT);
    }
}

TEST(an_old_leader_that_shows_what_it_had_alone_is_found)
{
    struct run r;
    three(&r);
    append_on(&r, B1, 10, 12, 1, 300);
    lead(&r, B2, 2, 10);
    append_on(&r, B2, 10, 12, 2, 400);
    show(&r, B2, 13, 2);
    show(&r, B1, 13, 1);
    expect_only(&r, CHECK_COMMITTED_DIFFERS);
}

TEST(a_leader_without_what_was_committed_is_incomplete)
{
    struct run r;
    three(&r);
    lead(&r, B3, 2, 5);
    expect_only(&r, CHECK_LEADER_INCOMPLETE);
}

TEST(a_leader_whose_records_are_others_is_incomplete)
{
    struct run r;
    durable(&r);
    open_on(&r, B1, 0);
    open_on(&r, B2, 0);
    lead(&r, B1, 1, 0);
    append_on(&r, B1, 0, 4, 1, 100);
    append_on(&r, B2, 0, 4, 0, 101); /* of a leader before it */
    show(&r, B1, 5, 1);
    lead(&r, B2, 2, 5);
    expect_only(&r, CHECK_LEADER_INCOMPLETE);
}

/* The topic allows it; what is lost is booked, and the next leader's log is the canonical one. */
TEST(an_unclean_election_may_lose_where_the_topic_allows_it)
{
    for (int unclean = 0; unclean < 2; unclean++) {
        struct run r;
        durable(&r);
        SAY(&r, B1, TOPIC_SETTINGS, .topic = 9, .partitions = 1, .durable = 1, .retention_ms = -1,
            .unclean = unclean, .topic_id = 9);
        for (uint32_t node = B1; node <= B2; node += B2)
            SAY(&r, node, LOG_OPEN, .partition = P, .topic_id = 9);
        SAY(&r, B1, LEADER_ON, .partition = P, .leader_epoch = 1, .topic_id = 9);
        SAY(&r, PRODUCER, PRODUCE_INVOKE, .partition = P, .vid = VID(1, 0), .body = BODY,
            .flags = ALL);
        SAY(&r, B1, LOG_APPEND, .partition = P, .crc = 1, .producer_id = -1, .leader_epoch = 1,
            .topic_id = 9);
        SAY(&r, B1, LOG_WRITTEN, .partition = P, .end = 1, .topic_id = 9);
        SAY(&r, B1, LOG_DURABLE, .partition = P, .end = 1, .topic_id = 9);
        SAY(&r, B1, HIGH_WATERMARK, .partition = P, .offset = 1, .topic_id = 9);
        SAY(&r, PRODUCER, PRODUCE_OK, .partition = P, .vid = VID(1, 0), .topic_id = 9);
        SAY(&r, B2, LEADER_ON, .partition = P, .leader_epoch = 2, .topic_id = 9);
        SAY(&r, READER, FINAL_READ, .partition = P, .topic_id = 9);
        end(&r);
        assert_int_equal(count(&r, CHECK_LEADER_INCOMPLETE), !unclean);
        assert_int_equal(count(&r, CHECK_CONFIRMED_LOSS), !unclean);
        assert_int_equal(check_counts(r.check)->lost_allowed, unclean);
        check_free(r.check);
        test_mem_done(&r.mem);
    }
}

/* Only the leader had answered for it (acks=1), and another one leads now. */
TEST(what_only_its_leader_had_may_go_with_the_leader)
{
    for (int all = 0; all < 2; all++) {
        struct run r;
        durable(&r);
        open_on(&r, B1, 0);
        open_on(&r, B2, 0);
        lead(&r, B1, 1, 0);
        send_record(&r, VID(1, 0), all ? ALL : CHECK_ACKS_ONE);
        append_on(&r, B1, 0, 0, 1, 100);
        ack(&r, VID(1, 0), 0);
        lead(&r, B2, 2, 0);
        final(&r, 0);
        expect_only(&r, all ? CHECK_CONFIRMED_LOSS : CHECK_CODE_COUNT);
    }
}

TEST(a_follower_that_cuts_what_was_committed_is_found)
{
    struct run r;
    three(&r);
    SAY(&r, B2, LOG_CUT, .partition = P, .end = 5, .was = 10, .reason = 4);
    expect_only(&r, CHECK_COMMITTED_CUT);
}

/* It led, and had a batch alone; its producer gives the same to the next leader. What it cuts then
 * is a batch of the epoch before (E-4), and what it gets instead it may not cut any more. */
TEST(a_retry_in_a_later_epoch_is_had_again)
{
    for (int again = 0; again < 2; again++) {
        struct run r;
        three(&r);
        append_on(&r, B1, 10, 10, 1, 300);
        lead(&r, B2, 2, 10);
        append_on(&r, B2, 10, 10, 2, 300);
        show(&r, B2, 11, 2);
        SAY(&r, B1, LEADER_OFF, .partition = P, .leader_epoch = 1);
        SAY(&r, B1, LOG_CUT, .partition = P, .end = 10, .was = 11, .reason = 4);
        append_on(&r, B1, 10, 10, 2, 300);
        if (again)
            SAY(&r, B1, LOG_CUT, .partition = P, .end = 10, .was = 11, .reason = 4);
        expect_only(&r, again ? CHECK_COMMITTED_CUT : CHECK_CODE_COUNT);
    }
}

TEST(a_follower_that_begins_anew_elsewhere_cuts_nothing)
{
    struct run r;
    three(&r);
    SAY(&r, B2, LOG_CUT, .partition = P, .end = 0, .was = 10, .reason = 5);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(two_nodes_that_lead_in_one_epoch_are_found)
{
    struct run r;
    three(&r);
    lead(&r, B2, 1, 10);
    expect_only(&r, CHECK_TWO_LEADERS);
}

/* After a clean end it goes on; after another it may serve, but takes records in a new epoch. */
TEST(a_life_takes_no_records_in_the_epoch_of_one_that_crashed)
{
    for (int clean = 0; clean < 2; clean++) {
        struct run r;
        durable(&r);
        open_on(&r, B1, 0);
        lead(&r, B1, 1, 0);
        append_on(&r, B1, 0, 0, 1, 100);
        r.incarnation++;
        SAY(&r, B1, LOG_OPEN, .partition = P, .end = 1, .clean = clean);
        lead(&r, B1, 1, 1);
        append_on(&r, B1, 1, 1, 1, 200);
        expect_only(&r, clean ? CHECK_CODE_COUNT : CHECK_TWO_LEADERS);
    }
}

TEST(a_batch_behind_one_of_a_later_epoch_is_found)
{
    struct run r;
    three(&r);
    append_on(&r, B1, 10, 10, 2, 300);
    append_on(&r, B1, 11, 11, 1, 301);
    expect_only(&r, CHECK_EPOCH_BACK);
}

TEST(a_batch_of_an_earlier_epoch_may_follow_a_cut)
{
    struct run r;
    three(&r);
    append_on(&r, B1, 10, 10, 3, 300);
    SAY(&r, B1, LOG_CUT, .partition = P, .end = 10, .was = 11, .reason = 4);
    append_on(&r, B1, 10, 10, 2, 301);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(what_was_durable_is_there_after_a_restart)
{
    for (int damaged = 0; damaged < 2; damaged++) {
        struct run r;
        three(&r);
        if (damaged)
            lose_disk(&r, B2);
        open_on(&r, B2, 9);
        expect_only(&r, damaged ? CHECK_CODE_COUNT : CHECK_DURABLE_LOST);
    }
}

/* The life between has said nothing of what is durable. */
TEST(what_was_durable_is_there_two_lives_later)
{
    struct run r;
    three(&r);
    open_on(&r, B2, 10);
    open_on(&r, B2, 9);
    expect_only(&r, CHECK_DURABLE_LOST);
}

/* ---- what an election gave up ---- */

/* B1 loses offsets 5 to 9 with the power, and leads again without them. */
static void three_of_which_one_forgot(struct run *r)
{
    three_that_keep(r, false);
    SAY(r, B1, POWER_LOSS, 0);
    lose_disk(r, B1);
    open_on(r, B1, 5);
    lead(r, B1, 2, 5);
    append_on(r, B1, 5, 9, 2, 400);
    show(r, B1, 10, 2);
}

TEST(a_follower_that_cuts_what_an_election_gave_up_is_right)
{
    struct run r;
    three_of_which_one_forgot(&r);
    SAY(&r, B2, LOG_CUT, .partition = P, .end = 5, .was = 10, .reason = 4);
    append_on(&r, B2, 5, 9, 2, 400);
    show(&r, B2, 10, 2);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_follower_that_shows_what_an_election_gave_up_is_found)
{
    struct run r;
    three_of_which_one_forgot(&r);
    show(&r, B2, 10, 2);
    expect_only(&r, CHECK_COMMITTED_DIFFERS);
}

TEST(a_follower_may_say_what_it_knew_before_an_election_gave_it_up)
{
    struct run r;
    three_that_keep(&r, false);
    show(&r, B2, 10, 1);
    SAY(&r, B1, POWER_LOSS, 0);
    lose_disk(&r, B1);
    open_on(&r, B1, 5);
    lead(&r, B1, 2, 5);
    append_on(&r, B1, 5, 9, 2, 400);
    show(&r, B1, 10, 2);
    open_on(&r, B2, 10);
    show(&r, B2, 10, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* With flush.policy = os, and min.insync.replicas = 2: one that lost power may not lead without
 * what others have; when two did, nobody may have it. */
TEST(so_many_must_lose_power_as_are_in_sync_at_least)
{
    for (int both = 0; both < 2; both++) {
        struct run r;
        three_that_keep(&r, false);
        SAY(&r, B1, TOPIC_SETTINGS, .topic = 9, .partitions = 1, .retention_ms = -1,
            .min_insync = 2, .topic_id = 9);
        SAY(&r, B1, LOG_START, .partition = P, .topic_id = 9);
        write_on(&r, B1, 10, 12, 1, 300);
        write_on(&r, B2, 10, 12, 1, 300);
        show(&r, B1, 13, 1);
        SAY(&r, B2, POWER_LOSS, 0);
        if (both)
            SAY(&r, B1, POWER_LOSS, 0);
        open_on(&r, B2, 10);
        lead(&r, B2, 2, 10);
        expect_only(&r, both ? CHECK_CODE_COUNT : CHECK_LEADER_INCOMPLETE);
    }
}

/* It does not lead in the life that came back without them, but in the next one. */
TEST(what_a_loss_of_power_took_is_gone_in_the_next_life_too)
{
    for (int durable_acks = 0; durable_acks < 2; durable_acks++) {
        struct run r;
        begin(&r, (struct check_contract){.durable_acks = durable_acks, .retention_ms = -1});
        open_on(&r, B1, 0);
        lead(&r, B1, 1, 0);
        send_record(&r, VID(1, 0), ALL);
        SAY(&r, B1, LOG_APPEND, .partition = P, .producer_id = -1, .sequence = -1,
            .leader_epoch = 1);
        SAY(&r, B1, LOG_WRITTEN, .partition = P, .end = 1);
        show(&r, B1, durable_acks ? 0 : 1, 1);
        ack(&r, VID(1, 0), 0);
        SAY(&r, B1, POWER_LOSS, 0);
        open_on(&r, B1, 0);
        SAY(&r, B1, NODE_KILL, 0);
        open_on(&r, B1, 0);
        lead(&r, B1, 2, 0);
        final(&r, 0);
        expect_only(&r, durable_acks ? CHECK_CONFIRMED_LOSS : CHECK_CODE_COUNT);
    }
}

/* ---- logs that begin anew ---- */

/* Its leader has deleted what it lacks; it had never led, and had known its watermark. */
TEST(a_log_that_begins_anew_has_nothing_of_the_one_before)
{
    struct run r;
    three(&r);
    show(&r, B3, 5, 1);
    SAY(&r, B1, LOG_APPEND, .partition = P, .first = 10, .last = 11, .crc = 300, .producer_id = 7,
        .sequence = 5, .leader_epoch = 1);
    SAY(&r, B1, LOG_WRITTEN, .partition = P, .end = 12);
    SAY(&r, B1, LOG_DURABLE, .partition = P, .end = 12);
    show(&r, B1, 12, 1);
    SAY(&r, B1, LOG_START, .partition = P, .start = 10, .reason = 3);
    SAY(&r, B3, LOG_CUT, .partition = P, .end = 10, .was = 5, .reason = 5);
    SAY(&r, B3, LOG_START, .partition = P, .start = 10, .reason = 3);
    show(&r, B3, 10, 1);
    append_on(&r, B3, 10, 11, 1, 300);
    show(&r, B3, 12, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* The newest leader's log ends before this one begins. */
TEST(a_log_that_begins_anew_may_begin_before)
{
    struct run r;
    three(&r);
    show(&r, B2, 10, 1);
    SAY(&r, B2, LOG_START, .partition = P, .start = 8, .reason = 3);
    SAY(&r, B2, LOG_CUT, .partition = P, .end = 0, .was = 10, .reason = 5);
    SAY(&r, B2, LOG_START, .partition = P, .start = 0, .was = 8, .reason = 3);
    show(&r, B2, 0, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_log_that_begins_above_its_watermark_is_found)
{
    struct run r;
    three(&r);
    append_on(&r, B1, 10, 11, 1, 300);
    SAY(&r, B1, LOG_START, .partition = P, .start = 12, .reason = 3);
    expect_only(&r, CHECK_ENDS_CROSSED);
}

/* It has never led, and knows less after a cut. */
TEST(a_followers_watermark_may_go_back)
{
    struct run r;
    three(&r);
    show(&r, B3, 5, 1);
    show(&r, B3, 3, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* ---- answers that are under way ---- */

/* B1 answered for offset 10 by itself, and hears later that it leads no more. */
TEST(an_answer_of_a_leader_that_was_deposed_says_nothing_of_the_next_ones_log)
{
    for (int all = 0; all < 2; all++) {
        struct run r;
        three(&r);
        send_record(&r, VID(1, 0), all ? ALL : CHECK_ACKS_ONE);
        append_on(&r, B1, 10, 10, 1, 300);
        lead(&r, B2, 2, 10);
        send_record(&r, VID(2, 0), ALL);
        append_on(&r, B2, 10, 10, 2, 400);
        show(&r, B2, 11, 2);
        ack(&r, VID(1, 0), 10);
        ack(&r, VID(2, 0), 10);
        SAY(&r, READER, ASSIGN, P, 10, 0);
        read_record(&r, 1, 10, VID(2, 0));
        final(&r, 11);
        assert_int_equal(count(&r, CHECK_INCONSISTENT_OFFSET) > 0, all);
        if (!all)
            expect_only(&r, CHECK_CODE_COUNT);
        else
            check_free(r.check);
    }
}

/* ---- producers in a log ---- */

static void append_of(struct run *r, uint64_t first, int64_t sequence, int64_t epoch)
{
    SAY(r, B1, LOG_APPEND, .partition = P, .first = first, .last = first, .crc = first,
        .producer_id = 7, .sequence = sequence, .producer_epoch = epoch);
}

TEST(sequences_go_on_by_one_and_begin_anew_with_an_epoch)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    append_of(&r, 0, INT32_MAX - 1, 0); /* nobody knows it: anywhere */
    append_of(&r, 1, INT32_MAX, 0);
    append_of(&r, 2, 0, 0);
    append_of(&r, 3, 0, 1);
    append_of(&r, 4, 1, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(a_sequence_that_leaves_a_gap_is_found)
{
    static const int64_t wrong[][2] = {{7, 0}, {4, 1}, {6, -1}}; /* right: {6, 0} or {0, 1} */
    for (int i = 0; i < COUNT_OF(wrong); i++) {
        struct run r;
        durable(&r);
        open_log(&r, 0, 0);
        append_of(&r, 0, 4, 0);
        append_of(&r, 1, 5, 0);
        append_of(&r, 2, wrong[i][0], wrong[i][1]);
        expect_only(&r, CHECK_SEQUENCE_GAP);
    }
}

TEST(a_sequence_goes_on_from_what_a_cut_has_left)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    append_of(&r, 0, 0, 0);
    append_of(&r, 1, 1, 0);
    SAY(&r, B1, LOG_CUT, .partition = P, .end = 1, .was = 2, .reason = 3);
    append_of(&r, 1, 1, 0);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(one_of_the_last_five_batches_is_not_appended_again)
{
    struct run r;
    durable(&r);
    open_log(&r, 0, 0);
    for (uint64_t i = 0; i < 6; i++)
        append_of(&r, i, (int64_t)i, 0);
    append_of(&r, 6, 1, 0);
    expect_only(&r, CHECK_APPENDED_TWICE);
}

/* What agreed before the cut is no longer there: what comes in its place is compared anew. */
TEST(a_follower_that_differs_after_a_cut_has_diverged)
{
    struct run r;
    three(&r);
    SAY(&r, B2, LOG_CUT, .partition = P, .end = 0, .was = 10, .reason = 5);
    append_on(&r, B2, 0, 4, 1, 999);
    expect_only(&r, CHECK_LOG_DIVERGED);
}
