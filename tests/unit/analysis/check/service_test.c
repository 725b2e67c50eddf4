/* service_test.c - the service level: a send or a reader that waits too long, and a send that is
 * given up without a cause, are findings; what harm explains is none. */
#include <stdio.h>
#include "check/check.h"
#include "support/test.h"

#define P 77u
#define VID(sequence) (1ull << CHECK_SEQUENCE_BITS | (sequence))
#define ALL (CHECK_ACKS_ALL | CHECK_IDEMPOTENT)
#define MS_NS 1000000ll
#define SECOND_NS (1000 * MS_NS)
#define TIMED_OUT ((uint64_t) - (int64_t)ERR_TIMEOUT)
#define NOT_LEADER 6
#define TOO_LARGE 10

enum { BROKER = 0, READER = 3, PRODUCER = 9 };

struct run {
    struct test_mem mem;
    struct check *check;
    int64_t now_ns;
    char found[512];
};

static void say(struct run *r, uint32_t node, enum trace_kind kind, const void *columns,
                const char *text)
{
    struct trace_whole whole;
    trace_make(&whole, kind, columns, text);
    whole.row.time_ns = r->now_ns;
    whole.row.node = node;
    check_row(r->check, &whole.row);
}

#define SAY(r, node, kind, ...)                                                                    \
    say(r, node, TRACE_##kind, &(const struct trace_##kind){__VA_ARGS__}, NULL)

static void pass_ms(struct run *r, int64_t ms)
{
    r->now_ns += ms * MS_NS;
}

/* A broker that serves, and clients that have been there for a minute. */
static void begin(struct run *r)
{
    struct check_contract contract = {.durable_acks = true,
                                      .retention_ms = -1,
                                      .send_ns = SECOND_NS,
                                      .read_ns = SECOND_NS,
                                      .recovery_ns = SECOND_NS};
    *r = (struct run){.now_ns = SECOND_NS};
    test_mem_init(&r->mem);
    assert_ok(check_new(&r->check, &r->mem.mem, &contract));
    SAY(r, BROKER, LOG_OPEN, P, 0, 0, 0, 1);
    SAY(r, BROKER, BROKER_READY, 1, 9092, 0);
    SAY(r, PRODUCER, CLIENT_LIMITS, .request_ms = 3000, .delivery_ms = 120000,
        .retries = INT32_MAX);
    SAY(r, READER, CLIENT_LIMITS, .request_ms = 3000);
    SAY(r, READER, ASSIGN, P, 0);
    pass_ms(r, 60000);
}

static void send_record(struct run *r, uint64_t sequence)
{
    SAY(r, PRODUCER, PRODUCE_INVOKE, P, VID(sequence), 0, 1, ALL);
}

/* It stands in the log, and its sender is told so. */
static void answer(struct run *r, uint64_t sequence)
{
    SAY(r, BROKER, LOG_APPEND, P, sequence, sequence, 1, 1, (int64_t)sequence, 1);
    SAY(r, BROKER, LOG_WRITTEN, P, sequence + 1);
    SAY(r, BROKER, LOG_DURABLE, P, sequence + 1);
    SAY(r, BROKER, HIGH_WATERMARK, P, sequence + 1);
    SAY(r, PRODUCER, PRODUCE_OK, P, VID(sequence), sequence, 0);
}

static void harm(struct run *r, int64_t lasts_ms)
{
    const struct trace_FAULT fault = {.site = hash_text("pause"),
                                      .until_ns = lasts_ms == 0 ? 0 : r->now_ns + lasts_ms * MS_NS};
    say(r, BROKER, TRACE_FAULT, &fault, "node broker1 pause");
}

static void poll(struct run *r, uint64_t op, int64_t record)
{
    SAY(r, READER, POLL_INVOKE, op);
    pass_ms(r, 500);
    if (record >= 0)
        SAY(r, READER, POLL_RECORD, op, P, (uint64_t)record, VID((uint64_t)record), 0, 1);
    SAY(r, READER, POLL_OK, op, record >= 0);
}

static const char *finish(struct run *r)
{
    SAY(r, READER, FINAL_READ, P, 0, 0);
    r->found[0] = 0;
    static const enum check_code codes[] = {CHECK_SLOW_SEND, CHECK_SLOW_READ, CHECK_GIVEN_UP};
    for (int i = 0; i < COUNT_OF(codes); i++) {
        const struct check_finding *f = check_finding(r->check, codes[i]);
        size_t used = strlen(r->found);
        if (f->count > 0)
            snprintf(r->found + used, sizeof r->found - used, "%s x%d; ",
                     check_infos[codes[i]].code, (int)f->count);
    }
    check_free(r->check);
    test_mem_done(&r->mem);
    return r->found;
}

TEST(slow_answer_is_found_where_nothing_is_amiss)
{
    struct run r;
    begin(&r);
    send_record(&r, 0);
    pass_ms(&r, 1001);
    answer(&r, 0);
    assert_string_equal(finish(&r), "G4 x1; ");
}

/* It waits in peace for longer than it may, and is answered long after a harm: that explains
 * nothing. */
TEST(a_send_that_was_late_before_the_harm_came_is_slow)
{
    struct run r;
    begin(&r);
    SAY(&r, BROKER, LEADER_ON, P, 0, 0);
    pass_ms(&r, 10000);
    send_record(&r, 0);
    pass_ms(&r, 5000);
    harm(&r, 100);
    pass_ms(&r, 200);
    answer(&r, 0);
    assert_string_equal(finish(&r), "G4 x1; ");
}

/* The harm came while it was in time, or while its broker was going. */
TEST(a_send_that_the_harm_met_in_time_is_not_slow)
{
    struct run r;
    begin(&r);
    SAY(&r, BROKER, LEADER_ON, P, 0, 0);
    pass_ms(&r, 10000);
    send_record(&r, 0);
    pass_ms(&r, 900);
    SAY(&r, BROKER, NODE_STOP, 1);
    pass_ms(&r, 2000);
    SAY(&r, BROKER, BROKER_STOPPED, 1, 1);
    pass_ms(&r, 2000);
    SAY(&r, BROKER, BROKER_READY, 1, 9092, 0);
    answer(&r, 0);
    assert_string_equal(finish(&r), "");
}

/* Who stands still outside of it may have to be fenced first. */
TEST(slow_answer_is_excused_while_a_core_is_healed_alone)
{
    for (int all = 0; all < 2; all++) {
        struct run r;
        begin(&r);
        SAY(&r, BROKER, CORE_HEALED, .nodes = 2);
        if (all)
            SAY(&r, BROKER, HEALED, .nodes = 3);
        pass_ms(&r, 60000);
        send_record(&r, 0);
        pass_ms(&r, 1001);
        answer(&r, 0);
        assert_string_equal(finish(&r), all ? "G4 x1; " : "");
    }
}

/* Until its request has timed out and a second more, what a fault held up may take. */
TEST(slow_answer_is_excused_by_harm_and_no_longer)
{
    static const struct {
        int64_t ms;
        const char *found;
    } cases[] = {{4000, ""}, {4100, "G4 x1; "}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct run r;
        begin(&r);
        send_record(&r, 0);
        harm(&r, 2000);
        pass_ms(&r, 2000 + cases[i].ms);
        answer(&r, 0);
        assert_string_equal(finish(&r), cases[i].found);
    }
}

/* A broker that is down is harm as long as it is. */
TEST(nothing_is_late_while_a_broker_is_down)
{
    struct run r;
    begin(&r);
    send_record(&r, 0);
    SAY(&r, BROKER, NODE_KILL, 0);
    pass_ms(&r, 60000);
    SAY(&r, BROKER, BROKER_READY, 1, 9092, 0);
    pass_ms(&r, 3900);
    answer(&r, 0);
    assert_string_equal(finish(&r), "");
}

TEST(send_given_up_without_cause_is_found)
{
    struct run r;
    begin(&r);
    send_record(&r, 0);
    pass_ms(&r, 120000);
    SAY(&r, PRODUCER, PRODUCE_UNKNOWN, P, VID(0), TIMED_OUT);
    assert_string_equal(finish(&r), "G8 x1; ");
}

/* With a cause, but long before its time was over. */
TEST(send_given_up_early_is_found)
{
    static const struct {
        int64_t ms;
        const char *found;
    } cases[] = {{300, "G8 x1; "}, {120000, ""}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct run r;
        begin(&r);
        send_record(&r, 0);
        harm(&r, 0);
        harm(&r, 130000);
        pass_ms(&r, cases[i].ms);
        SAY(&r, PRODUCER, PRODUCE_FAIL, P, VID(0), NOT_LEADER);
        assert_string_equal(finish(&r), cases[i].found);
    }
}

/* With acks=0 it has left, and no more is known of it; one that could not leave is given up. */
TEST(send_that_nobody_answers_is_not_given_up_when_it_has_left)
{
    static const struct {
        uint64_t flags, code;
        const char *found;
    } cases[] = {{0, 0, ""}, {0, TIMED_OUT, "G8 x1; "}, {CHECK_ACKS_ONE, 0, "G8 x1; "}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct run r;
        begin(&r);
        SAY(&r, PRODUCER, PRODUCE_INVOKE, P, VID(0), 0, 1, cases[i].flags);
        SAY(&r, PRODUCER, PRODUCE_UNKNOWN, P, VID(0), cases[i].code);
        assert_string_equal(finish(&r), cases[i].found);
    }
}

/* Nor is it sent again: what harm has taken the connection of is given up at once. */
TEST(send_that_nobody_answers_has_one_attempt)
{
    static const struct {
        uint64_t flags;
        const char *found;
    } cases[] = {{0, ""}, {CHECK_ACKS_ONE, "G8 x1; "}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct run r;
        begin(&r);
        SAY(&r, PRODUCER, PRODUCE_INVOKE, P, VID(0), 0, 1, cases[i].flags);
        harm(&r, 5000);
        pass_ms(&r, 3000);
        SAY(&r, PRODUCER, PRODUCE_UNKNOWN, P, VID(0), TIMED_OUT);
        assert_string_equal(finish(&r), cases[i].found);
    }
}

/* What the answer says of the record itself is cause enough. */
TEST(record_that_is_too_large_needs_no_other_cause)
{
    struct run r;
    begin(&r);
    send_record(&r, 0);
    SAY(&r, PRODUCER, PRODUCE_FAIL, P, VID(0), TOO_LARGE);
    assert_string_equal(finish(&r), "");
}

TEST(waiting_reader_is_given_records_in_time)
{
    static const struct {
        int polls;
        const char *found;
    } cases[] = {{1, ""}, {3, "G5 x1; "}};
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct run r;
        begin(&r);
        send_record(&r, 0);
        answer(&r, 0);
        poll(&r, 1, 0);
        send_record(&r, 1);
        answer(&r, 1);
        for (int k = 0; k < cases[i].polls; k++)
            poll(&r, 2 + (uint64_t)k, k + 1 == cases[i].polls ? 1 : -1);
        assert_string_equal(finish(&r), cases[i].found);
    }
}

/* A reader that takes its time between polls does not wait. */
TEST(pause_of_a_reader_is_its_own)
{
    struct run r;
    begin(&r);
    send_record(&r, 0);
    answer(&r, 0);
    poll(&r, 1, 0);
    send_record(&r, 1);
    answer(&r, 1);
    poll(&r, 2, -1);
    pass_ms(&r, 20000);
    poll(&r, 3, 1);
    assert_string_equal(finish(&r), "");
}
