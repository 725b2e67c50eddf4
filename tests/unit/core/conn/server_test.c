/* server_test.c - the server's end of a connection: frames in any pieces, answers in any order,
 * limits, and its end in every state. */
#include <stdlib.h>
#include "unit/core/conn/rig.h"

/* ---- frames come ---- */

static const uint32_t split_sizes[] = {0, 1, 3, 60, 5};

static size_t fill_frames(uint8_t *bytes)
{
    size_t at = 0;
    for (int i = 0; i < COUNT_OF(split_sizes); i++) {
        put_u32(bytes + at, split_sizes[i]);
        rig_fill(bytes + at + CONN_FRAME_HEAD, (uint8_t)i, split_sizes[i]);
        at += CONN_FRAME_HEAD + split_sizes[i];
    }
    return at;
}

static void expect_split_frames(struct rig *rig)
{
    RIG_UNTIL(rig, rig->frame_count == COUNT_OF(split_sizes));
    for (int i = 0; i < COUNT_OF(split_sizes); i++)
        assert_true(rig_is_frame(rig, i, (uint8_t)i, split_sizes[i]));
    assert_int_equal(rig->closed_count, 0);
}

TEST(a_stream_split_anywhere_gives_the_same_frames)
{
    uint8_t bytes[256];
    size_t size = fill_frames(bytes);
    for (size_t at = 1; at < size; at++) {
        struct rig rig = {0};
        rig_start(&rig, CONN_SERVER);
        rig_send(&rig, bytes, at);
        RIG_UNTIL(&rig, rig_heard(&rig));
        rig_send(&rig, bytes + at, size - at);
        expect_split_frames(&rig);
        rig_end(&rig);
    }
}

TEST(a_stream_of_single_bytes_gives_the_same_frames)
{
    uint8_t bytes[256];
    size_t size = fill_frames(bytes);
    struct rig rig = {0};
    rig_start(&rig, CONN_SERVER);
    for (size_t at = 0; at < size; at++) {
        rig_send(&rig, bytes + at, 1);
        RIG_UNTIL(&rig, rig_heard(&rig));
    }
    expect_split_frames(&rig);
    assert_true(rig.trace.mark_count[MARK_FRAME_SPLIT_IN_LENGTH] > 0);
    rig_end(&rig);
}

TEST(frames_of_every_size_class_come_whole)
{
    static const uint32_t sizes[] = {100,    8 << 10, (8 << 10) - 4, 20000,   5000,
                                     300000, 1 << 20, (1 << 20) - 4, 9 << 20, CONN_SMALL_FRAME,
                                     1};
    struct rig rig = {0};
    rig_start(&rig, CONN_SERVER);
    for (int i = 0; i < COUNT_OF(sizes); i++) {
        rig_send_frame(&rig, (uint8_t)i, sizes[i]);
        RIG_UNTIL(&rig, rig.frame_count == i + 1);
        assert_true(rig_is_frame(&rig, i, (uint8_t)i, sizes[i]));
        rig_answer(&rig, i, 0, 1);
        rig_expect_frame(&rig, 0, 1);
    }
    rig_end(&rig);
}

static void answer_at_once(struct rig *rig, struct conn_request *request)
{
    (void)request;
    rig_answer(rig, rig->frame_count - 1, (uint8_t)(rig->frame_count - 1), 10);
}

TEST(pipelined_small_frames_come_in_order)
{
    enum { COUNT = 200 };
    struct rig rig = {.on_request = answer_at_once};
    uint8_t *bytes = malloc(COUNT * 1100);
    size_t size = 0;
    rig_start(&rig, CONN_SERVER);
    for (uint32_t i = 0; i < COUNT; i++) {
        put_u32(bytes + size, 1000 + i % 50);
        rig_fill(bytes + size + 4, (uint8_t)i, 1000 + i % 50);
        size += 1004 + i % 50;
    }
    rig_send(&rig, bytes, size);
    RIG_UNTIL(&rig, rig.frame_count == COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_true(rig_is_frame(&rig, (int)i, (uint8_t)i, 1000 + i % 50));
        rig_expect_frame(&rig, (uint8_t)i, 10);
    }
    free(bytes);
    rig_end(&rig);
}

TEST(a_frame_outlives_its_connection_when_it_is_retained)
{
    struct rig rig = {0};
    rig_start(&rig, CONN_SERVER);
    rig_send_frame(&rig, 1, 500000);
    RIG_UNTIL(&rig, rig.frame_count == 1);
    rig_close_raw(&rig);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_true(rig_is_frame(&rig, 0, 1, 500000));
    assert_int_equal(rig.frames[0].frame.buf->refs, 1);
    rig_end(&rig);
}

/* ---- memory ---- */

TEST(an_idle_connection_holds_no_large_buffer)
{
    struct rig rig = {0};
    rig_start(&rig, CONN_SERVER);
    assert_int_equal(rig.conn.in->cap, CONN_IDLE_BYTES);
    rig_send_frame(&rig, 1, 1 << 20);
    RIG_UNTIL(&rig, rig.frame_count == 1);
    rig_answer(&rig, 0, 1, 10);
    rig_expect_frame(&rig, 1, 10);
    assert_int_equal(rig.conn.in->cap, CONN_IDLE_BYTES);
    rig_end(&rig);
}

TEST(a_giant_length_costs_nothing_until_its_bytes_come)
{
    struct rig rig = {0};
    uint8_t head[CONN_FRAME_HEAD];
    uint8_t *some = calloc(1, 3 << 20);
    rig_start(&rig, CONN_SERVER);
    put_u32(head, 100 << 20);
    rig_send(&rig, head, sizeof head);
    rig_settle(&rig);
    assert_int_equal(rig.conn.in->cap, CONN_IDLE_BYTES);
    rig_send(&rig, some, 3 << 20);
    RIG_UNTIL(&rig, rig_heard(&rig));
    assert_true(rig.conn.in->cap <= CONN_GROW_FACTOR * (3u << 20));
    free(some);
    rig_end(&rig);
}

/* ---- what is refused ---- */

static void expect_refusal(uint32_t size, uint64_t reason)
{
    struct rig rig = {.limits.frame_bytes_max = 1000};
    uint8_t head[CONN_FRAME_HEAD];
    rig_start(&rig, CONN_SERVER);
    put_u32(head, size);
    rig_send(&rig, head, sizeof head);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_CORRUPT);
    assert_int_equal(rig.frame_count, 0);
    struct trace_row *row = trace_take(&rig.trace);
    assert_non_null(row);
    assert_int_equal(row->kind, TRACE_REQUEST_REFUSED);
    assert_int_equal(TRACE_AS(row, REQUEST_REFUSED)->reason, reason);
    rig_expect_end(&rig);
    rig_end(&rig);
}

TEST(a_negative_length_closes_the_connection)
{
    expect_refusal(0xffffffff, CONN_REFUSED_NEGATIVE);
    expect_refusal(0x80000000, CONN_REFUSED_NEGATIVE);
}

TEST(a_length_above_the_limit_closes_the_connection)
{
    expect_refusal(1001, CONN_REFUSED_TOO_LONG);
    expect_refusal(0x47455420, CONN_REFUSED_TOO_LONG); /* "GET " */
}

TEST(a_length_at_the_limit_is_served)
{
    struct rig rig = {.limits.frame_bytes_max = 1000};
    rig_start(&rig, CONN_SERVER);
    rig_send_frame(&rig, 3, 1000);
    RIG_UNTIL(&rig, rig.frame_count == 1);
    assert_true(rig_is_frame(&rig, 0, 3, 1000));
    rig_end(&rig);
}

/* ---- answers ---- */

static void start_with_requests(struct rig *rig, int count)
{
    rig_start(rig, CONN_SERVER);
    for (int i = 0; i < count; i++)
        rig_send_frame(rig, (uint8_t)i, 20);
    RIG_UNTIL(rig, rig->frame_count == count);
}

TEST(answers_leave_in_the_order_of_the_frames)
{
    static const int order[] = {3, 1, 0, 4, 2};
    struct rig rig = {0};
    start_with_requests(&rig, 5);
    for (int i = 0; i < 5; i++)
        rig_answer(&rig, order[i], (uint8_t)(order[i] * 10), 100);
    for (int i = 0; i < 5; i++)
        rig_expect_frame(&rig, (uint8_t)(i * 10), 100);
    rig_end(&rig);
}

TEST(nothing_leaves_before_the_oldest_is_answered)
{
    struct rig rig = {0};
    start_with_requests(&rig, 3);
    rig_answer(&rig, 2, 2, 100);
    rig_answer(&rig, 1, 1, 100);
    rig_settle(&rig);
    assert_true(rig_heard(&rig));
    rig_answer(&rig, 0, 0, 100);
    rig_expect_frame(&rig, 0, 100);
    rig_expect_frame(&rig, 1, 100);
    rig_expect_frame(&rig, 2, 100);
    rig_end(&rig);
}

TEST(answers_that_are_ready_leave_in_one_send)
{
    struct rig rig = {0};
    start_with_requests(&rig, 20);
    int before = rig.send_count;
    for (int i = 19; i >= 0; i--)
        rig_answer(&rig, i, (uint8_t)i, 50);
    assert_int_equal(rig.send_count, before + 1);
    for (int i = 0; i < 20; i++)
        rig_expect_frame(&rig, (uint8_t)i, 50);
    assert_int_equal(rig.send_count, before + 1);
    rig_end(&rig);
}

static void answer_nothing(struct rig *rig, int index)
{
    struct conn_request *request = rig->frames[index].request;
    rig->frames[index].request = NULL;
    conn_answer(&rig->conn, request, NULL);
}

TEST(a_request_without_an_answer_gives_its_turn_away)
{
    struct rig rig = {0};
    start_with_requests(&rig, 5);
    answer_nothing(&rig, 1);
    answer_nothing(&rig, 0);
    rig_answer(&rig, 2, 2, 30);
    answer_nothing(&rig, 3);
    rig_answer(&rig, 4, 4, 30);
    rig_expect_frame(&rig, 2, 30);
    rig_expect_frame(&rig, 4, 30);
    assert_int_equal(rig.conn.request_count, 0);
    rig_end(&rig);
}

struct long_answer {
    struct conn_answer answer;
    struct env_part parts[300];
    uint8_t bytes[300 * 7];
    int released_count;
};

static void release_long(struct conn_answer *answer)
{
    CONTAINER_OF(answer, struct long_answer, answer)->released_count++;
}

TEST(an_answer_of_many_parts_leaves_whole)
{
    struct rig rig = {0};
    struct long_answer *a = calloc(1, sizeof *a);
    start_with_requests(&rig, 2);
    rig_fill(a->bytes, 9, sizeof a->bytes);
    for (int i = 0; i < COUNT_OF(a->parts); i++)
        a->parts[i] = (struct env_part){.data = a->bytes + i * 7, .size = 7};
    a->answer = (struct conn_answer){a->parts, COUNT_OF(a->parts), release_long};
    rig_answer(&rig, 1, 1, 40);
    conn_answer(&rig.conn, rig.frames[0].request, &a->answer);
    rig.frames[0].request = NULL;
    assert_int_equal(a->released_count, 0);
    rig_expect_frame(&rig, 9, sizeof a->bytes);
    rig_expect_frame(&rig, 1, 40);
    RIG_UNTIL(&rig, rig.conn.request_count == 0);
    assert_int_equal(a->released_count, 1);
    rig_end(&rig);
    free(a);
}

/* ---- back-pressure ---- */

TEST(no_more_requests_are_taken_than_allowed)
{
    enum { COUNT = CONN_REQUESTS_MAX + 20 };
    struct rig rig = {0};
    rig_start(&rig, CONN_SERVER);
    for (int i = 0; i < COUNT; i++)
        rig_send_frame(&rig, (uint8_t)i, 20);
    RIG_UNTIL(&rig, rig.frame_count == CONN_REQUESTS_MAX);
    rig_settle(&rig);
    assert_int_equal(rig.frame_count, CONN_REQUESTS_MAX);
    for (int i = 0; i < COUNT; i++) {
        RIG_UNTIL(&rig, rig.frame_count > i);
        assert_true(rig.conn.request_count <= CONN_REQUESTS_MAX);
        rig_answer(&rig, i, (uint8_t)i, 5);
        rig_expect_frame(&rig, (uint8_t)i, 5);
    }
    rig_end(&rig);
}

TEST(no_more_bytes_are_taken_than_allowed)
{
    struct rig rig = {.limits.in_flight_bytes = 1000};
    rig_start(&rig, CONN_SERVER);
    for (int i = 0; i < 6; i++)
        rig_send_frame(&rig, (uint8_t)i, 400);
    RIG_UNTIL(&rig, rig.frame_count == 3);
    rig_settle(&rig);
    assert_int_equal(rig.frame_count, 3); /* the third brings it above */
    rig_answer(&rig, 0, 0, 5);
    rig_answer(&rig, 1, 1, 5);
    rig_expect_frame(&rig, 0, 5);
    rig_expect_frame(&rig, 1, 5);
    RIG_UNTIL(&rig, rig.frame_count == 5);
    rig_settle(&rig);
    assert_int_equal(rig.frame_count, 5);
    rig_end(&rig);
}

/* ---- the end ---- */

TEST(the_end_of_the_stream_cancels_what_waits)
{
    struct rig rig = {0};
    start_with_requests(&rig, 3);
    rig_answer(&rig, 2, 2, 10); /* its turn will never come */
    rig_close_raw(&rig);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_EOF);
    assert_int_equal(rig.cancel_count, 2);
    assert_int_equal(rig.cancel_err, ERR_EOF);
    rig_end(&rig);
}

TEST(an_answer_that_comes_while_it_closes_is_let_go)
{
    struct rig rig = {0};
    start_with_requests(&rig, 2);
    conn_close(&rig.conn, ERR_LIMIT);
    rig_answer(&rig, 1, 1, 10);
    assert_int_equal(rig.closed_count, 0);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_LIMIT);
    assert_int_equal(rig.cancel_count, 1);
    rig_end(&rig);
}

/* All that still may be: the next in line takes its turn, and has its answer at once. */
static void answer_the_rest(struct rig *rig)
{
    for (int i = 0; i < rig->frame_count; i++) {
        if (rig->frames[i].request != NULL)
            rig_answer(rig, i, (uint8_t)i, 10);
    }
}

TEST(who_is_cancelled_may_bring_others_their_answers)
{
    struct rig rig = {.on_cancel = answer_the_rest};
    start_with_requests(&rig, 4);
    rig_answer(&rig, 3, 3, 10); /* its turn will never come */
    rig_close_raw(&rig);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.cancel_count, 1);
    assert_int_equal(rig.conn.request_count, 0);
    rig_end(&rig);
}

static void close_at_once(struct rig *rig, struct conn_request *request)
{
    (void)request;
    conn_close(&rig->conn, ERR_LIMIT);
    conn_close(&rig->conn, ERR_IO); /* the first reason stays */
}

TEST(a_request_call_may_close_the_connection)
{
    struct rig rig = {.on_request = close_at_once};
    rig_start(&rig, CONN_SERVER);
    rig_send_frame(&rig, 1, 10);
    rig_send_frame(&rig, 2, 10);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_LIMIT);
    assert_int_equal(rig.frame_count, 1);
    assert_int_equal(rig.cancel_count, 1);
    rig_end(&rig);
}

TEST(closing_in_the_middle_of_a_large_answer_lets_go_of_it)
{
    struct rig rig = {0};
    start_with_requests(&rig, 2);
    rig_answer(&rig, 0, 0, 32 << 20); /* more than the sockets hold, and nobody reads */
    rig_answer(&rig, 1, 1, 10);
    rig_settle(&rig);
    assert_true(rig.conn.sending.in_flight);
    conn_close(&rig.conn, ERR_CANCELLED);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.cancel_count, 0); /* both were answered */
    rig_end(&rig);
}

TEST(draining_answers_what_is_in_flight_and_hears_no_more)
{
    struct rig rig = {0};
    start_with_requests(&rig, 2);
    conn_drain(&rig.conn);
    rig_send_frame(&rig, 3, 20);
    rig_settle(&rig);
    assert_int_equal(rig.frame_count, 2);
    assert_int_equal(rig.closed_count, 0);
    rig_answer(&rig, 1, 1, 10);
    rig_answer(&rig, 0, 0, 10);
    rig_expect_frame(&rig, 0, 10);
    rig_expect_frame(&rig, 1, 10);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_NONE);
    assert_true(rig_expect_end(&rig));
    rig_end(&rig);
}

TEST(draining_an_idle_connection_closes_it)
{
    struct rig rig = {0};
    rig_start(&rig, CONN_SERVER);
    conn_drain(&rig.conn);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_NONE);
    rig_end(&rig);
}

TEST(an_idle_connection_times_out)
{
    struct rig rig = {.limits.idle_ns_max = 20000000};
    rig_start(&rig, CONN_SERVER);
    int64_t start_ns = env_now(rig.env);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_TIMEOUT);
    assert_true(env_now(rig.env) >= start_ns + 20000000);
    rig_end(&rig);
}

TEST(a_connection_with_work_in_flight_is_not_idle)
{
    struct rig rig = {.limits.idle_ns_max = 4000000};
    start_with_requests(&rig, 1);
    int64_t start_ns = env_now(rig.env);
    while (env_now(rig.env) < start_ns + 20000000)
        rig_settle(&rig);
    assert_int_equal(rig.closed_count, 0);
    rig_answer(&rig, 0, 0, 10);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_TIMEOUT);
    rig_end(&rig);
}

TEST(a_client_that_takes_nothing_of_its_answer_is_idle)
{
    struct rig rig = {.limits.idle_ns_max = 20000000};
    start_with_requests(&rig, 1);
    int64_t start_ns = env_now(rig.env);
    rig_answer(&rig, 0, 0, 64 << 20); /* more than the sockets hold */
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_TIMEOUT);
    assert_true(env_now(rig.env) >= start_ns + 20000000);
    rig_end(&rig);
}

/* ---- memory that is refused (with a filter: filter_test.c) ---- */

#if !RIG_FILTERED

static void serve_with_refusal(struct rig *rig)
{
    for (uint8_t i = 0; i < 3; i++)
        rig_send_frame(rig, i, i == 1 ? 300000 : 200);
    rig_start_conn(rig, CONN_SERVER);
    RIG_UNTIL(rig, rig->closed_count > 0 || rig->frame_count == 3);
    if (rig->closed_count > 0)
        assert_int_equal(rig->closed_err, ERR_NOMEM);
}

TEST(refused_memory_closes_the_connection_and_leaks_nothing)
{
    uint64_t failed_count = 1;
    for (uint64_t at = 1; failed_count > 0; at++) {
        struct rig rig = {.on_request = answer_at_once};
        rig_open(&rig);
        rig.mem.fail_at = at;
        serve_with_refusal(&rig);
        failed_count = rig.mem.failed;
        assert_int_equal(rig.closed_count, failed_count > 0);
        rig_end(&rig);
    }
}
#endif
