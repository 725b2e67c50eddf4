/* streams.c - cases about listeners and streams. */
#include "support/test.h"
#include "conformance/conformance.h"

/* ---- listen, accept, connect ---- */

CASE(a_listener_tells_its_port)
{
    CHECK_OK(t, do_listen(t, t->host, 0));
    env_listener first = t->n;
    CHECK(t, env_listener_port(first) != 0);
    CHECK_OK(t, do_listen(t, t->host, 0));
    CHECK(t, env_listener_port(t->n) != env_listener_port(first));
    CHECK_OK(t, do_close(t, t->n));
    CHECK_OK(t, do_close(t, first));
}

CASE(listening_twice_on_a_port_is_busy)
{
    CHECK_OK(t, do_listen(t, t->host, 0));
    env_listener listener = t->n;
    CHECK_ERR(t, do_listen(t, t->host, env_listener_port(listener)), ERR_BUSY);
    CHECK_OK(t, do_close(t, listener));
    CHECK_OK(t, do_listen(t, t->host, env_listener_port(listener)));
    CHECK(t, t->n != listener);
    CHECK_INT(t, env_listener_port(t->n), env_listener_port(listener));
    CHECK_OK(t, do_close(t, t->n));
}

CASE(nobody_listens_is_refused)
{
    CHECK_OK(t, do_listen(t, t->host, 0));
    env_listener listener = t->n;
    CHECK_OK(t, do_close(t, listener));
    CHECK_ERR(t, do_connect(t, t->host, env_listener_port(listener)), ERR_REFUSED);
}

CASE(an_unknown_host_is_unreachable)
{
    CHECK_ERR(t, do_connect(t, "no-such-host.invalid", 9092), ERR_UNREACHABLE);
}

CASE(connections_wait_for_an_accept)
{
    enum { COUNT = 5 };
    CHECK_OK(t, do_listen(t, t->host, 0));
    env_listener listener = t->n;
    env_stream clients[COUNT];
    for (int i = 0; i < COUNT; i++) {
        CHECK_OK(t, do_connect(t, t->host, env_listener_port(listener)));
        clients[i] = t->n;
    }
    for (int i = 0; i < COUNT; i++) {
        struct ask *accept = ask_new(t);
        ask_accept(accept, listener);
        CHECK_OK(t, await(accept));
        CHECK_OK(t, do_close(t, accept->n));
        CHECK_OK(t, do_close(t, clients[i]));
    }
    CHECK_OK(t, do_close(t, listener));
}

/* The text ends within its bytes, names somebody, and one host has one name before the port. */
CASE(an_accept_tells_who_connected)
{
    char first[ENV_PEER_SIZE] = "";
    CHECK_OK(t, do_listen(t, t->host, 0));
    env_listener listener = t->n;
    for (int i = 0; i < 3; i++) {
        struct ask *accept = ask_new(t);
        ask_accept(accept, listener);
        CHECK_OK(t, do_connect(t, t->host, env_listener_port(listener)));
        env_stream client = t->n;
        CHECK_OK(t, await(accept));
        CHECK(t, memchr(accept->peer, 0, sizeof accept->peer) != NULL);
        CHECK(t, accept->peer[0] != 0);
        char *port = strrchr(accept->peer, ':');
        if (port != NULL)
            *port = 0;
        if (i == 0)
            memcpy(first, accept->peer, sizeof first);
        CHECK(t, strcmp(first, accept->peer) == 0);
        CHECK_OK(t, do_close(t, accept->n));
        CHECK_OK(t, do_close(t, client));
    }
    CHECK_OK(t, do_close(t, listener));
}

CASE(names_of_streams_are_never_used_again)
{
    enum { COUNT = 40 };
    uint64_t names[COUNT];
    for (int i = 0; i < COUNT; i += 2) {
        connected_pair(t, &names[i], &names[i + 1]);
        for (int k = 0; k < i; k++)
            CHECK(t, names[k] != names[i] && names[k] != names[i + 1]);
        CHECK(t, names[i] != 0 && names[i] != names[i + 1]);
        CHECK_OK(t, do_close(t, names[i]));
        CHECK_OK(t, do_close(t, names[i + 1]));
    }
}

/* ---- send and receive ---- */

CASE(a_receive_gives_what_is_there)
{
    env_stream here, there;
    uint8_t *buffer = take(t, 1000);
    connected_pair(t, &here, &there);
    CHECK_OK(t, do_send(t, here, "hello", 5));
    CHECK_INT(t, t->n, 5);
    receive_all(t, there, buffer, 5);
    CHECK(t, memcmp(buffer, "hello", 5) == 0);
    CHECK_OK(t, do_send(t, there, "you", 3));
    receive_all(t, here, buffer, 3);
    CHECK(t, memcmp(buffer, "you", 3) == 0);
    CHECK_OK(t, do_close(t, here));
    CHECK_OK(t, do_close(t, there));
}

CASE(a_receive_waits_for_a_byte)
{
    env_stream here, there;
    uint8_t *buffer = take(t, 10);
    struct ask *receive = ask_new(t);
    connected_pair(t, &here, &there);
    ask_receive(receive, there, buffer, 10);
    settle(t);
    CHECK(t, !receive->done);
    CHECK_OK(t, do_send(t, here, "x", 1));
    CHECK_OK(t, await(receive));
    CHECK_INT(t, receive->n, 1);
    CHECK_INT(t, buffer[0], 'x');
    CHECK_OK(t, do_close(t, here));
    CHECK_OK(t, do_close(t, there));
}

CASE(receives_of_one_byte_lose_none)
{
    enum { SIZE = 500 };
    env_stream here, there;
    uint8_t *buffer = take(t, 1);
    connected_pair(t, &here, &there);
    CHECK_OK(t, do_send(t, here, pattern(t, 5, SIZE), SIZE));
    CHECK_OK(t, do_close(t, here));
    for (uint64_t i = 0; i < SIZE; i++) {
        CHECK_OK(t, do_receive(t, there, buffer, 1));
        CHECK_INT(t, t->n, 1);
        CHECK_INT(t, buffer[0], pattern_byte(5, i));
    }
    CHECK_ERR(t, do_receive(t, there, buffer, 1), ERR_EOF);
    CHECK_OK(t, do_close(t, there));
}

CASE(sends_of_one_stream_keep_their_order)
{
    enum { ROUNDS = 10, COUNT = 20, SIZE = 700 };
    env_stream here, there;
    uint8_t *buffer = take(t, COUNT * SIZE);
    connected_pair(t, &here, &there);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < COUNT; i++)
            CHECK_OK(t, do_send(t, here, pattern(t, round * i, SIZE), SIZE));
        receive_all(t, there, buffer, COUNT * SIZE);
        for (uint64_t i = 0; i < COUNT; i++)
            CHECK(t, is_pattern(buffer + i * SIZE, round * i, 0, SIZE));
    }
    CHECK_OK(t, do_close(t, here));
    CHECK_OK(t, do_close(t, there));
}

static struct env_part file_part(env_file file, uint64_t offset, uint64_t size)
{
    return (struct env_part){.file = file, .offset = offset, .size = size};
}

CASE(parts_of_memory_and_files_are_sent_in_order)
{
    enum { SIZE = 1 << 20 };
    env_stream here, there;
    struct env_part *parts = take(t, 6 * sizeof *parts);
    struct ask *send = ask_new(t);
    env_file file = file_with(t, "f", pattern(t, 6, SIZE), SIZE);
    uint64_t total = 5 + 10 + 100 + 3 + 600000 + 4;
    uint8_t *buffer = take(t, total);
    connected_pair(t, &here, &there);
    parts[0] = part_of("head:", 5);
    parts[1] = file_part(file, 0, 10);
    parts[2] = file_part(file, 500, 100);
    parts[3] = part_of("mid", 3);
    parts[4] = file_part(file, 12345, 600000);
    parts[5] = part_of("tail", 4);
    ask_send(send, here, parts, 6);
    receive_all(t, there, buffer, total);
    CHECK_OK(t, await(send));
    CHECK_INT(t, send->n, total);
    CHECK(t, memcmp(buffer, "head:", 5) == 0);
    CHECK(t, is_pattern(buffer + 5, 6, 0, 10));
    CHECK(t, is_pattern(buffer + 15, 6, 500, 100));
    CHECK(t, memcmp(buffer + 115, "mid", 3) == 0);
    CHECK(t, is_pattern(buffer + 118, 6, 12345, 600000));
    CHECK(t, memcmp(buffer + 600118, "tail", 4) == 0);
    CHECK_OK(t, do_close(t, here));
    CHECK_OK(t, do_close(t, there));
}

CASE(a_send_of_as_many_parts_as_allowed)
{
    env_stream here, there;
    struct env_part *parts = take(t, ENV_PARTS_MAX * sizeof *parts);
    uint8_t *bytes = pattern(t, 7, ENV_PARTS_MAX * 5);
    uint8_t *buffer = take(t, ENV_PARTS_MAX * 5);
    env_file file = file_with(t, "f", bytes, ENV_PARTS_MAX * 5);
    struct ask *send = ask_new(t);
    connected_pair(t, &here, &there);
    for (int i = 0; i < ENV_PARTS_MAX; i++)
        parts[i] = i % 3 == 0 ? file_part(file, (uint64_t)i * 5, 5) : part_of(bytes + i * 5, 5);
    ask_send(send, here, parts, ENV_PARTS_MAX);
    receive_all(t, there, buffer, ENV_PARTS_MAX * 5);
    CHECK_OK(t, await(send));
    CHECK(t, is_pattern(buffer, 7, 0, ENV_PARTS_MAX * 5));
    CHECK_OK(t, do_close(t, here));
    CHECK_OK(t, do_close(t, there));
}

CASE(a_file_part_that_is_too_short_is_corrupt_and_breaks_the_stream)
{
    env_stream here, there;
    struct env_part *parts = take(t, 2 * sizeof *parts);
    struct ask *send = ask_new(t);
    env_file file = file_with(t, "f", pattern(t, 8, 100), 100);
    connected_pair(t, &here, &there);
    parts[0] = part_of("head", 4);
    parts[1] = file_part(file, 50, 60);
    ask_send(send, here, parts, 2);
    CHECK_ERR(t, await(send), ERR_CORRUPT);
    CHECK(t, do_send(t, here, "more", 4) != ERR_NONE);
    CHECK_OK(t, do_close(t, here));
    CHECK_OK(t, do_close(t, there));
}

CASE(a_big_send_waits_for_a_slow_reader)
{
    enum { SIZE = 24 << 20 };
    env_stream here, there;
    struct env_part *part = take(t, sizeof *part);
    struct ask *send = ask_new(t);
    uint8_t *buffer = take(t, 100000);
    connected_pair(t, &here, &there);
    *part = part_of(pattern(t, 9, SIZE), SIZE);
    ask_send(send, here, part, 1);
    settle(t);
    CHECK(t, !send->done); /* nobody reads */
    for (uint64_t got = 0; got < SIZE; got += t->n) {
        CHECK_OK(t, do_receive(t, there, buffer, 100000));
        CHECK(t, is_pattern(buffer, 9, got, t->n));
    }
    CHECK_OK(t, await(send));
    CHECK_INT(t, send->n, SIZE);
    CHECK_OK(t, do_close(t, here));
    CHECK_OK(t, do_close(t, there));
}

CASE(both_directions_flow_at_once)
{
    enum { SIZE = 6 << 20 };
    env_stream here, there;
    struct env_part *parts = take(t, 2 * sizeof *parts);
    struct ask *sends[2] = {ask_new(t), ask_new(t)};
    uint8_t *buffer = take(t, SIZE);
    connected_pair(t, &here, &there);
    parts[0] = part_of(pattern(t, 10, SIZE), SIZE);
    parts[1] = part_of(pattern(t, 11, SIZE), SIZE);
    ask_send(sends[0], here, &parts[0], 1);
    ask_send(sends[1], there, &parts[1], 1);
    receive_all(t, there, buffer, SIZE);
    CHECK(t, is_pattern(buffer, 10, 0, SIZE));
    receive_all(t, here, buffer, SIZE);
    CHECK(t, is_pattern(buffer, 11, 0, SIZE));
    CHECK_OK(t, await(sends[0]));
    CHECK_OK(t, await(sends[1]));
    CHECK_OK(t, do_close(t, here));
    CHECK_OK(t, do_close(t, there));
}

/* ---- the end of a stream ---- */

CASE(what_was_sent_before_a_close_still_arrives)
{
    enum { SIZE = 20000 }; /* no window is smaller */
    env_stream here, there;
    uint8_t *buffer = take(t, SIZE);
    connected_pair(t, &here, &there);
    CHECK_OK(t, do_send(t, here, pattern(t, 12, SIZE), SIZE));
    CHECK_OK(t, do_close(t, here));
    receive_all(t, there, buffer, SIZE);
    CHECK(t, is_pattern(buffer, 12, 0, SIZE));
    CHECK_ERR(t, do_receive(t, there, buffer, 1), ERR_EOF);
    CHECK_ERR(t, do_receive(t, there, buffer, 1), ERR_EOF);
    CHECK_OK(t, do_close(t, there));
}

CASE(what_was_sent_arrives_although_the_closer_had_unread_bytes)
{
    enum { SIZE = 20000 }; /* no window is smaller */
    env_stream here, there;
    uint8_t *buffer = take(t, SIZE);
    connected_pair(t, &here, &there);
    CHECK_OK(t, do_send(t, there, "never read", 10));
    settle(t);
    CHECK_OK(t, do_send(t, here, pattern(t, 13, SIZE), SIZE));
    CHECK_OK(t, do_close(t, here));
    receive_all(t, there, buffer, SIZE);
    CHECK(t, is_pattern(buffer, 13, 0, SIZE));
    enum err e = do_receive(t, there, buffer, 1);
    CHECK(t, e == ERR_EOF || e == ERR_RESET); /* a machine may tell that they were not read */
    CHECK_OK(t, do_close(t, there));
}

CASE(sends_to_a_closed_stream_end_with_reset)
{
    env_stream here, there;
    enum err e = ERR_NONE;
    connected_pair(t, &here, &there);
    CHECK_OK(t, do_close(t, there));
    for (int i = 0; i < 100 && e == ERR_NONE; i++) {
        settle(t);
        e = do_send(t, here, "anybody there?", 14);
    }
    CHECK_INT(t, e, ERR_RESET);
    CHECK_ERR(t, do_send(t, here, "still?", 6), ERR_RESET);
    CHECK_OK(t, do_close(t, here));
}

CASE(close_cancels_a_receive_first)
{
    env_stream here, there;
    struct ask *receive = ask_new(t);
    struct ask *close = ask_new(t);
    connected_pair(t, &here, &there);
    ask_receive(receive, here, take(t, 10), 10);
    ask_close(close, here);
    CHECK_OK(t, await(close));
    CHECK(t, receive->done);
    CHECK_ERR(t, receive->e, ERR_CANCELLED);
    CHECK(t, receive->order < close->order);
    CHECK_OK(t, do_close(t, there));
}

CASE(close_cancels_a_receive_that_could_have_had_bytes)
{
    env_stream here, there;
    struct ask *receive = ask_new(t);
    struct ask *close = ask_new(t);
    connected_pair(t, &here, &there);
    CHECK_OK(t, do_send(t, there, "bytes", 5));
    settle(t);
    ask_receive(receive, here, take(t, 10), 10);
    ask_close(close, here);
    CHECK_OK(t, await(close));
    CHECK_ERR(t, await(receive), ERR_CANCELLED);
    CHECK(t, receive->order < close->order);
    CHECK_OK(t, do_close(t, there));
}

CASE(close_cancels_a_send_first)
{
    enum { SIZE = 24 << 20 };
    env_stream here, there;
    struct env_part *part = take(t, sizeof *part);
    struct ask *send = ask_new(t);
    struct ask *receive = ask_new(t);
    struct ask *close = ask_new(t);
    connected_pair(t, &here, &there);
    *part = part_of(pattern(t, 14, SIZE), SIZE);
    ask_send(send, here, part, 1);
    ask_receive(receive, here, take(t, 10), 10);
    settle(t);
    ask_close(close, here);
    CHECK_OK(t, await(close));
    CHECK_ERR(t, send->e, ERR_CANCELLED);
    CHECK_ERR(t, receive->e, ERR_CANCELLED);
    CHECK(t, send->order < close->order && receive->order < close->order);
    CHECK_OK(t, do_close(t, there));
}

CASE(close_cancels_an_accept_first)
{
    struct ask *accept = ask_new(t);
    struct ask *close = ask_new(t);
    CHECK_OK(t, do_listen(t, t->host, 0));
    env_listener listener = t->n;
    ask_accept(accept, listener);
    settle(t);
    CHECK(t, !accept->done);
    ask_close(close, listener);
    CHECK_OK(t, await(close));
    CHECK_ERR(t, accept->e, ERR_CANCELLED);
    CHECK(t, accept->order < close->order);
}

CASE(a_cancelled_accept_loses_no_more_than_its_stream)
{
    struct ask *accept = ask_new(t);
    uint8_t *buffer = take(t, 1);
    CHECK_OK(t, do_listen(t, t->host, 0));
    env_listener listener = t->n;
    CHECK_OK(t, do_connect(t, t->host, env_listener_port(listener)));
    env_stream client = t->n;
    settle(t);
    ask_accept(accept, listener);
    CHECK_OK(t, do_close(t, listener));
    CHECK_ERR(t, await(accept), ERR_CANCELLED);
    CHECK(t, do_receive(t, client, buffer, 1) != ERR_NONE);
    CHECK_OK(t, do_close(t, client));
}

/* ---- a peer that talks back within its completions ---- */

struct echo {
    struct ask receive, send;
    struct env_part part;
    env_stream stream;
    uint8_t buffer[100];
};

static void echo_received(struct ask *ask)
{
    struct echo *echo = CONTAINER_OF(ask, struct echo, receive);
    echo->part = part_of(echo->buffer, ask->n);
    if (ask->e == ERR_NONE)
        ask_send(&echo->send, echo->stream, &echo->part, 1);
}

static void echo_sent(struct ask *ask)
{
    struct echo *echo = CONTAINER_OF(ask, struct echo, send);
    if (ask->e == ERR_NONE)
        ask_receive(&echo->receive, echo->stream, echo->buffer, sizeof echo->buffer);
}

CASE(completions_may_start_operations)
{
    enum { COUNT = 300 };
    env_stream here;
    uint8_t *buffer = take(t, 50);
    struct echo *echo = take(t, sizeof *echo);
    connected_pair(t, &here, &echo->stream);
    echo->receive = (struct ask){.t = t, .then = echo_received};
    echo->send = (struct ask){.t = t, .then = echo_sent};
    ask_receive(&echo->receive, echo->stream, echo->buffer, sizeof echo->buffer);
    for (uint64_t i = 0; i < COUNT; i++) {
        CHECK_OK(t, do_send(t, here, pattern(t, i, 50), 50));
        receive_all(t, here, buffer, 50);
        CHECK(t, is_pattern(buffer, i, 0, 50));
    }
    CHECK_OK(t, await(&echo->send)); /* it may have arrived before it ended; then it receives */
    CHECK_OK(t, do_close(t, here));
    CHECK_ERR(t, await(&echo->receive), ERR_EOF);
    CHECK_OK(t, do_close(t, echo->stream));
}
