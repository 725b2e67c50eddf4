/* readers_test.c - what readers are told of offsets, keys and epochs, and readers that are given
 * nothing; each check fires, and its good twin is silent. */
#include "run.h"

#define SECOND_NS 1000000000ll

/* Three records of the times 100, 300 and 200 ms, acknowledged. */
static void timed(struct run *r)
{
    static const int64_t times[] = {100, 300, 200};
    durable(r);
    for (uint64_t i = 0; i < 3; i++) {
        send_record(r, VID(1, i), ALL);
        SAY(r, PRODUCER, PRODUCE_OK, P, VID(1, i), i, times[i]);
    }
}

static void read_all(struct run *r)
{
    SAY(r, READER, ASSIGN, P, 0, 0);
    for (uint64_t i = 0; i < 3; i++)
        SAY(r, READER, POLL_RECORD, 1, P, i, VID(1, i), 1, BODY, (int64_t[]){100, 300, 200}[i]);
    final(r, 3);
}

static void ask(struct run *r, int64_t timestamp, uint64_t answer)
{
    SAY(r, READER, OFFSETS_INVOKE, .op = 9, .partition = P, .timestamp = timestamp);
    SAY(r, READER, OFFSETS_OK, .op = 9, .partition = P, .offset = answer);
}

TEST(the_offset_of_a_time_is_that_of_the_first_record_so_late)
{
    static const struct {
        int64_t ms;
        uint64_t right, wrong;
    } questions[] = {{50, 0, 1}, {100, 0, 1}, {101, 1, 0}, {250, 1, 2}, {300, 1, 2}, {301, 3, 2}};
    for (int i = 0; i < COUNT_OF(questions); i++) {
        for (int right = 0; right < 2; right++) {
            struct run r;
            timed(&r);
            ask(&r, questions[i].ms, right ? questions[i].right : questions[i].wrong);
            read_all(&r);
            expect_only(&r, right ? CHECK_CODE_COUNT : CHECK_WRONG_OFFSET_OF_TIME);
        }
    }
}

/* What was acknowledged after the question need not be in the answer. */
TEST(an_end_is_not_before_what_had_been_acknowledged)
{
    for (int early = 0; early < 2; early++) {
        struct run r;
        timed(&r);
        SAY(&r, READER, OFFSETS_INVOKE, .op = 9, .partition = P, .timestamp = -1);
        send_record(&r, VID(1, 3), ALL);
        ack(&r, VID(1, 3), 3);
        SAY(&r, READER, OFFSETS_OK, .op = 9, .partition = P, .offset = early ? 2 : 3);
        read_all(&r);
        SAY(&r, READER, POLL_RECORD, 1, P, 3, VID(1, 3), 1, BODY, 0);
        expect_only(&r, early ? CHECK_STALE_END : CHECK_CODE_COUNT);
    }
}

TEST(an_end_before_what_only_the_leader_has_answered_for_is_right)
{
    struct run r;
    durable(&r);
    send_record(&r, VID(1, 0), CHECK_ACKS_ONE);
    ack(&r, VID(1, 0), 0);
    ask(&r, -1, 0);
    SAY(&r, READER, ASSIGN, P, 0, 0);
    read_record(&r, 1, 0, VID(1, 0));
    final(&r, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

TEST(leader_epochs_do_not_go_back_behind_each_other)
{
    for (int back = 0; back < 2; back++) {
        struct run r;
        timed(&r);
        SAY(&r, READER, ASSIGN, P, 0, 0);
        for (uint64_t i = 0; i < 3; i++)
            SAY(&r, READER, POLL_RECORD, 1, P, i, VID(1, i), 1, BODY, 0,
                .leader_epoch = back && i == 2 ? 4 : 5);
        SAY(&r, READER, ASSIGN, P, 0, 0); /* from the start again */
        SAY(&r, READER, POLL_RECORD, 2, P, 0, VID(1, 0), 1, BODY, 0, .leader_epoch = 5);
        final(&r, 3);
        expect_only(&r, back ? CHECK_READ_EPOCH_BACK : CHECK_CODE_COUNT);
    }
}

/* ---- keys ---- */

#define OTHER_P 0x2000u
#define TOPIC 0x99u

static void settings(struct run *r, int64_t partitions)
{
    SAY(r, BROKER, TOPIC_SETTINGS, .topic = TOPIC, .partitions = partitions, .durable = 1,
        .retention_ms = -1, .topic_id = TOPIC);
}

static void read_key(struct run *r, uint64_t partition, uint64_t sequence)
{
    SAY(r, PRODUCER, PRODUCE_INVOKE, .partition = partition, .vid = VID(1, sequence), .key = 42,
        .body = BODY, .flags = ALL);
    SAY(r, READER, POLL_RECORD, .op = sequence + 1, .partition = partition, .vid = VID(1, sequence),
        .key = 42, .body = BODY, .topic_id = TOPIC);
}

TEST(a_key_stays_in_its_partition)
{
    struct run r;
    durable(&r);
    settings(&r, 2);
    read_key(&r, P, 0);
    read_key(&r, OTHER_P, 1);
    expect_only(&r, CHECK_KEY_MOVED);
}

TEST(a_key_may_move_when_there_are_more_partitions)
{
    struct run r;
    durable(&r);
    settings(&r, 1);
    read_key(&r, P, 0);
    settings(&r, 2);
    read_key(&r, OTHER_P, 1);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* ---- readers that are given nothing ---- */

static void poll_in_vain(struct run *r, int64_t from_s, int64_t to_s)
{
    for (int64_t s = from_s; s <= to_s; s++) {
        r->now_ns = s * SECOND_NS;
        SAY(r, READER, POLL_OK, .op = s, .count = 0);
    }
}

TEST(a_reader_that_is_given_nothing_is_stuck)
{
    for (int stuck = 0; stuck < 2; stuck++) {
        struct run r;
        timed(&r);
        SAY(&r, READER, ASSIGN, P, 0, 0);
        poll_in_vain(&r, 2, stuck ? 12 : 10);
        read_all(&r);
        expect_only(&r, stuck ? CHECK_STUCK_READER : CHECK_CODE_COUNT);
    }
}

TEST(a_reader_at_the_end_is_not_stuck)
{
    struct run r;
    timed(&r);
    read_all(&r);
    poll_in_vain(&r, 2, 60);
    expect_only(&r, CHECK_CODE_COUNT);
}

static void strike(struct run *r, int64_t until_ns)
{
    say(r, BROKER, TRACE_FAULT,
        &(const struct trace_FAULT){.site = hash_text("cut"), .until_ns = until_ns}, "cut");
}

TEST(while_something_strikes_no_reader_is_stuck)
{
    for (int late = 0; late < 2; late++) {
        struct run r;
        timed(&r);
        SAY(&r, READER, ASSIGN, P, 0, 0);
        strike(&r, 20 * SECOND_NS);
        poll_in_vain(&r, 2, late ? 31 : 29);
        read_all(&r);
        expect_only(&r, late ? CHECK_STUCK_READER : CHECK_CODE_COUNT);
    }
}

TEST(what_lasts_until_it_is_healed_is_over_then)
{
    for (int late = 0; late < 2; late++) {
        struct run r;
        timed(&r);
        SAY(&r, READER, ASSIGN, P, 0, 0);
        strike(&r, INT64_MAX);
        poll_in_vain(&r, 2, 100);
        SAY(&r, BROKER, HEALED, .nodes = 3);
        poll_in_vain(&r, 101, late ? 111 : 109);
        read_all(&r);
        expect_only(&r, late ? CHECK_STUCK_READER : CHECK_CODE_COUNT);
    }
}

TEST(while_a_broker_is_down_no_reader_is_stuck)
{
    static const enum trace_kind ends[] = {TRACE_NODE_KILL, TRACE_POWER_LOSS, TRACE_BROKER_STOPPED,
                                           TRACE_DIR_OFFLINE};
    for (int i = 0; i < COUNT_OF(ends); i++) {
        struct run r;
        uint64_t none[TRACE_COLUMNS_MAX] = {0};
        timed(&r);
        SAY(&r, BROKER, BROKER_READY, .broker = 1);
        SAY(&r, READER, ASSIGN, P, 0, 0);
        say(&r, BROKER, ends[i], none, NULL);
        poll_in_vain(&r, 2, 60);
        SAY(&r, BROKER, NODE_START, 0);
        SAY(&r, BROKER, BROKER_READY, .broker = 1);
        poll_in_vain(&r, 61, 69);
        assert_int_equal(count(&r, CHECK_STUCK_READER), 0);
        poll_in_vain(&r, 70, 71);
        read_all(&r);
        expect_only(&r, CHECK_STUCK_READER);
    }
}
