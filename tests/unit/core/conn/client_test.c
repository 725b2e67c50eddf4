/* client_test.c - the client's end of a connection: correlation, pipelining, deadlines. */
#include "unit/core/conn/rig.h"

/* A request whose bytes are its correlation id and one more. */
struct asked {
    struct conn_request request;
    struct env_part part;
    uint8_t bytes[5];
};

static void ask(struct rig *rig, struct asked *a, uint8_t key, bool expects_answer)
{
    put_u32(a->bytes, (uint32_t)conn_next_correlation_id(&rig->conn));
    a->bytes[4] = key;
    a->part = (struct env_part){.data = a->bytes, .size = sizeof a->bytes};
    conn_send(&rig->conn, &a->request, &a->part, 1, expects_answer);
}

static void expect_request(struct rig *rig, uint32_t correlation_id, uint8_t key)
{
    uint8_t bytes[9];
    rig_receive(rig, bytes, sizeof bytes);
    assert_int_equal(get_u32(bytes), 5);
    assert_int_equal(get_u32(bytes + 4), correlation_id);
    assert_int_equal(bytes[8], key);
}

static void send_answer(struct rig *rig, uint32_t correlation_id, uint8_t key)
{
    uint8_t bytes[9];
    put_u32(bytes, 5);
    put_u32(bytes + 4, correlation_id);
    bytes[8] = key;
    rig_send(rig, bytes, sizeof bytes);
}

TEST(pipelined_requests_get_their_answers)
{
    enum { COUNT = 10 };
    struct rig rig = {0};
    struct asked asked[COUNT] = {0};
    rig_start(&rig, CONN_CLIENT);
    for (uint32_t i = 0; i < COUNT; i++)
        ask(&rig, &asked[i], (uint8_t)i, true);
    for (uint32_t i = 0; i < COUNT; i++)
        expect_request(&rig, i, (uint8_t)i);
    for (uint32_t i = 0; i < COUNT; i++)
        send_answer(&rig, i, (uint8_t)(i + 100));
    RIG_UNTIL(&rig, rig.frame_count == COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_ptr_equal(rig.frames[i].request, &asked[i].request);
        assert_int_equal(rig.frames[i].frame.data[4], i + 100);
    }
    assert_int_equal(rig.conn.request_count, 0);
    rig_end(&rig);
}

TEST(requests_that_wait_for_the_socket_leave_in_one_send)
{
    struct rig rig = {0};
    struct asked asked[10] = {0};
    rig_start(&rig, CONN_CLIENT);
    int before = rig.send_count;
    for (uint8_t i = 0; i < 10; i++)
        ask(&rig, &asked[i], i, true);
    for (uint32_t i = 0; i < 10; i++)
        expect_request(&rig, i, (uint8_t)i);
    assert_int_equal(rig.send_count, before + 2);
    rig_end(&rig);
}

TEST(a_request_without_answer_is_given_back_when_it_was_sent)
{
    struct rig rig = {0};
    struct asked first = {0}, second = {0};
    rig_start(&rig, CONN_CLIENT);
    ask(&rig, &first, 1, false);
    ask(&rig, &second, 2, true);
    assert_int_equal(rig.cancel_count, 0);
    expect_request(&rig, 0, 1);
    expect_request(&rig, 1, 2);
    RIG_UNTIL(&rig, rig.cancel_count == 1);
    assert_int_equal(rig.cancel_err, ERR_NONE);
    send_answer(&rig, 1, 7);
    RIG_UNTIL(&rig, rig.frame_count == 1);
    assert_ptr_equal(rig.frames[0].request, &second.request);
    rig_end(&rig);
}

TEST(an_answer_with_another_correlation_id_is_corrupt)
{
    struct rig rig = {0};
    struct asked asked = {0};
    rig_start(&rig, CONN_CLIENT);
    ask(&rig, &asked, 1, true);
    expect_request(&rig, 0, 1);
    send_answer(&rig, 1, 1);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_CORRUPT);
    assert_int_equal(rig.cancel_count, 1);
    assert_int_equal(rig.cancel_err, ERR_CORRUPT);
    rig_end(&rig);
}

TEST(an_answer_that_nobody_asked_for_is_corrupt)
{
    struct rig rig = {0};
    rig_start(&rig, CONN_CLIENT);
    send_answer(&rig, 0, 1);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_CORRUPT);
    rig_end(&rig);
}

TEST(an_answer_too_short_for_a_correlation_id_is_corrupt)
{
    struct rig rig = {0};
    struct asked asked = {0};
    rig_start(&rig, CONN_CLIENT);
    ask(&rig, &asked, 1, true);
    expect_request(&rig, 0, 1);
    rig_send_frame(&rig, 0, 3);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_CORRUPT);
    rig_end(&rig);
}

TEST(an_answer_that_takes_too_long_closes_the_connection)
{
    struct rig rig = {.limits.request_ns_max = 300000000};
    struct asked first = {0}, second = {0};
    rig_start(&rig, CONN_CLIENT);
    ask(&rig, &first, 1, true);
    int64_t start_ns = env_now(rig.env);
    expect_request(&rig, 0, 1);
    rig_settle(&rig);
    ask(&rig, &second, 2, true);
    send_answer(&rig, 0, 1);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_true(env_now(rig.env) >= start_ns + 300000000);
    assert_int_equal(rig.closed_err, ERR_TIMEOUT);
    assert_int_equal(rig.frame_count, 1);
    assert_int_equal(rig.cancel_count, 1);
    assert_int_equal(rig.cancel_err, ERR_TIMEOUT);
    rig_end(&rig);
}

TEST(a_client_that_waits_for_nothing_does_not_time_out)
{
    struct rig rig = {.limits.request_ns_max = 300000000};
    struct asked asked = {0};
    rig_start(&rig, CONN_CLIENT);
    ask(&rig, &asked, 1, true);
    expect_request(&rig, 0, 1);
    send_answer(&rig, 0, 1);
    RIG_UNTIL(&rig, rig.frame_count == 1);
    int64_t start_ns = env_now(rig.env);
    while (env_now(rig.env) < start_ns + 400000000)
        rig_settle(&rig);
    assert_int_equal(rig.closed_count, 0);
    rig_end(&rig);
}

TEST(closing_gives_back_what_was_sent_and_what_was_not)
{
    struct rig rig = {0};
    struct asked asked[3] = {0};
    rig_start(&rig, CONN_CLIENT);
    ask(&rig, &asked[0], 0, true);
    expect_request(&rig, 0, 0);
    ask(&rig, &asked[1], 1, true);
    ask(&rig, &asked[2], 2, false);
    conn_close(&rig.conn, ERR_CANCELLED);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.cancel_count, 3);
    rig_end(&rig);
}

TEST(the_end_of_the_stream_cancels_what_was_asked)
{
    struct rig rig = {0};
    struct asked asked = {0};
    rig_start(&rig, CONN_CLIENT);
    ask(&rig, &asked, 1, true);
    expect_request(&rig, 0, 1);
    rig_close_raw(&rig);
    RIG_UNTIL(&rig, rig.closed_count == 1);
    assert_int_equal(rig.closed_err, ERR_EOF);
    assert_int_equal(rig.cancel_count, 1);
    rig_end(&rig);
}
