/* net_test.c - the net alone, stepped by hand: handshakes, windows, ends, links. */
#include "net/net.h"
#include "support/test.h"

#define MS_NS 1000000ll
#define SECOND_NS 1000000000ll
#define PORT 9000

/* Two nodes and a net between them. */
struct pair {
    struct test_mem mem;
    struct fault_dice dice;
    struct net *net;
    int64_t now_ns;
    int order; /* of completions */
};

/* An operation whose end is noted. */
struct call {
    struct net_op op;
    bool done;
    int order;
};

static void open_pair(struct pair *pair, uint64_t seed, enum net_split split)
{
    *pair = (struct pair){0};
    test_mem_init(&pair->mem);
    fault_dice_init(&pair->dice, &pair->mem.mem, seed);
    struct net_options options = {.seed = seed, .dice = &pair->dice, .split = split};
    assert_ok(net_new(&pair->net, &pair->mem.mem, &options));
    assert_ok(net_add_node(pair->net));
    assert_ok(net_add_node(pair->net));
}

static void close_pair(struct pair *pair)
{
    net_free(pair->net);
    fault_dice_free(&pair->dice);
    test_mem_done(&pair->mem);
}

/* False: nothing happens by then. */
static bool step(struct pair *pair, int64_t until_ns)
{
    struct net_moment moment;
    struct net_op *done;
    if (!net_next(pair->net, &moment) || moment.at_ns > until_ns)
        return false;
    assert_true(moment.at_ns >= pair->now_ns);
    pair->now_ns = moment.at_ns;
    net_step(pair->net, &done);
    if (done != NULL) {
        struct call *call = CONTAINER_OF(done, struct call, op);
        assert_false(call->done);
        call->done = true;
        call->order = ++pair->order;
    }
    return true;
}

static void run(struct pair *pair, int64_t for_ns)
{
    int64_t until_ns = pair->now_ns + for_ns;
    while (step(pair, until_ns))
        ;
    pair->now_ns = until_ns;
    net_set_now(pair->net, until_ns, 0);
}

static enum err wait(struct pair *pair, struct call *call)
{
    while (!call->done)
        if (!step(pair, pair->now_ns + 1000 * SECOND_NS))
            fail_msg("an operation never completes");
    return call->op.err;
}

static void start_send(struct pair *pair, uint32_t node, uint64_t stream, const void *data,
                       uint32_t size, struct call *call)
{
    struct buf *buf = buf_new(&pair->mem.mem, size);
    assert_non_null(buf);
    memcpy(buf->data, data, size);
    *call = (struct call){0};
    net_send(pair->net, node, stream, buf, size, hash_bytes(data, size, 0), &call->op);
}

static enum err do_send(struct pair *pair, uint32_t node, uint64_t stream, const char *text)
{
    struct call call;
    start_send(pair, node, stream, text, (uint32_t)strlen(text), &call);
    return wait(pair, &call);
}

static enum err do_receive(struct pair *pair, uint32_t node, uint64_t stream, char *buffer,
                           uint64_t size, uint64_t *n)
{
    struct call call = {0};
    net_receive(pair->net, node, stream, size, &call.op);
    enum err e = wait(pair, &call);
    *n = call.op.n;
    if (e == ERR_NONE)
        net_take(pair->net, &call.op, (uint8_t *)buffer);
    return e;
}

static void do_close(struct pair *pair, uint32_t node, uint64_t handle)
{
    struct call call = {0};
    net_close(pair->net, node, handle, &call.op);
    assert_ok(wait(pair, &call));
    assert_false(net_is_open(pair->net, node, handle));
}

/* A stream from node 0 to node 1. */
static void connect_pair(struct pair *pair, uint64_t *listener, uint64_t *here, uint64_t *there)
{
    struct call connect = {0}, accept = {0};
    assert_ok(net_listen(pair->net, 1, PORT, listener));
    assert_int_equal(*listener >> 48, PORT);
    net_accept(pair->net, 1, *listener, &accept.op);
    assert_ok(net_connect(pair->net, 0, 1, PORT, &connect.op));
    assert_ok(wait(pair, &connect));
    assert_ok(wait(pair, &accept));
    *here = connect.op.n;
    *there = accept.op.n;
}

/* ---- handshakes ---- */

TEST(a_connect_to_nobody_is_refused)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct pair pair;
        struct call connect = {0};
        open_pair(&pair, seed, NET_SPLIT_RANDOM);
        assert_ok(net_connect(pair.net, 0, 1, PORT, &connect.op));
        assert_true(net_busy(pair.net));
        assert_int_equal(wait(&pair, &connect), ERR_REFUSED);
        assert_false(net_busy(pair.net));
        close_pair(&pair);
    }
}

TEST(a_connect_over_a_cut_link_times_out)
{
    for (int one_way = 0; one_way < 2; one_way++) {
        struct pair pair;
        struct call connect = {0};
        uint64_t listener;
        open_pair(&pair, 1, NET_SPLIT_RANDOM);
        assert_ok(net_listen(pair.net, 1, PORT, &listener));
        net_cut(pair.net, one_way == 0 ? 0 : 1, one_way == 0 ? 1 : 0, true);
        assert_ok(net_connect(pair.net, 0, 1, PORT, &connect.op));
        assert_int_equal(wait(&pair, &connect), ERR_TIMEOUT);
        assert_true(pair.now_ns == NET_CONNECT_NS);
        close_pair(&pair);
    }
}

TEST(a_cut_that_heals_in_time_only_delays_a_connect)
{
    struct pair pair;
    struct call connect = {0};
    uint64_t listener;
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    assert_ok(net_listen(pair.net, 1, PORT, &listener));
    net_cut(pair.net, 0, 1, true);
    assert_ok(net_connect(pair.net, 0, 1, PORT, &connect.op));
    run(&pair, 3 * SECOND_NS);
    assert_false(connect.done);
    net_cut(pair.net, 0, 1, false);
    assert_ok(wait(&pair, &connect));
    assert_true(pair.now_ns < 7 * SECOND_NS);
    close_pair(&pair);
}

/* RFC 6298: pauses between attempts double, so the longer a cut lasted the longer it is felt. */
TEST(what_a_cut_held_comes_later_the_longer_it_was_held)
{
    int late = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct pair pair;
        struct call connect = {0};
        uint64_t listener;
        open_pair(&pair, seed, NET_SPLIT_RANDOM);
        assert_ok(net_listen(pair.net, 1, PORT, &listener));
        net_cut(pair.net, 0, 1, true);
        assert_ok(net_connect(pair.net, 0, 1, PORT, &connect.op));
        run(&pair, 4 * SECOND_NS);
        net_cut(pair.net, 0, 1, false);
        assert_ok(wait(&pair, &connect));
        assert_true(pair.now_ns < 8 * SECOND_NS + 100 * MS_NS);
        late += pair.now_ns > 5 * SECOND_NS;
        close_pair(&pair);
    }
    assert_in_range(late, 5, 19);
}

TEST(a_backlog_holds_what_nobody_accepts_yet)
{
    struct pair pair;
    uint64_t listener;
    static struct call connects[NET_BACKLOG_MAX + 10];
    memset(connects, 0, sizeof connects);
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    assert_ok(net_listen(pair.net, 1, PORT, &listener));
    for (int i = 0; i < COUNT_OF(connects); i++)
        assert_ok(net_connect(pair.net, 0, 1, PORT, &connects[i].op));
    run(&pair, 2 * SECOND_NS);
    int connected = 0;
    for (int i = 0; i < COUNT_OF(connects); i++)
        connected += connects[i].done;
    assert_int_equal(connected, NET_BACKLOG_MAX);
    for (int i = 0; i < COUNT_OF(connects); i++) {
        struct call accept = {0};
        net_accept(pair.net, 1, listener, &accept.op);
        assert_ok(wait(&pair, &accept));
    }
    for (int i = 0; i < COUNT_OF(connects); i++)
        assert_ok(wait(&pair, &connects[i]));
    close_pair(&pair);
}

TEST(a_port_is_taken_once_and_free_ports_differ)
{
    struct pair pair;
    uint64_t one, two, other;
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    assert_ok(net_listen(pair.net, 1, PORT, &one));
    assert_int_equal(net_listen(pair.net, 1, PORT, &two), ERR_BUSY);
    assert_ok(net_listen(pair.net, 0, PORT, &other)); /* another machine */
    do_close(&pair, 1, one);
    assert_ok(net_listen(pair.net, 1, PORT, &one));
    assert_ok(net_listen(pair.net, 1, 0, &two));
    assert_ok(net_listen(pair.net, 1, 0, &other));
    assert_true(two >> 48 != other >> 48);
    assert_true(two >> 48 >= NET_PORT_FREE_FIRST);
    close_pair(&pair);
}

TEST(listeners_have_a_limit)
{
    struct pair pair;
    uint64_t listener;
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    for (int i = 0; i < NET_LISTENERS_MAX; i++)
        assert_ok(net_listen(pair.net, 0, 0, &listener));
    assert_int_equal(net_listen(pair.net, 0, 0, &listener), ERR_TOOMANY);
    close_pair(&pair);
}

TEST(closing_a_listener_cancels_its_accept_and_resets_its_backlog)
{
    struct pair pair;
    struct call accept = {0}, close = {0}, connect = {0};
    uint64_t listener, n;
    char byte;
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    assert_ok(net_listen(pair.net, 1, PORT, &listener));
    assert_ok(net_connect(pair.net, 0, 1, PORT, &connect.op));
    assert_ok(wait(&pair, &connect));
    do_close(&pair, 1, listener);
    assert_int_equal(do_receive(&pair, 0, connect.op.n, &byte, 1, &n), ERR_RESET);
    assert_ok(net_listen(pair.net, 1, PORT, &listener));
    net_accept(pair.net, 1, listener, &accept.op);
    net_close(pair.net, 1, listener, &close.op);
    assert_ok(wait(&pair, &close));
    assert_true(accept.done);
    assert_int_equal(accept.op.err, ERR_CANCELLED);
    assert_true(accept.order < close.order);
    close_pair(&pair);
}

/* ---- bytes ---- */

/* As much as it takes to fill any window, in both directions at once. */
static void flood(uint64_t seed, enum net_split split)
{
    enum { SIZE = 100000, BUFFER = 7000 };
    struct pair pair;
    uint64_t listener, stream[2];
    static uint8_t data[2][SIZE];
    static char buffer[BUFFER];
    struct call sends[2];
    uint64_t got[2] = {0};
    open_pair(&pair, seed, split);
    connect_pair(&pair, &listener, &stream[0], &stream[1]);
    for (uint32_t node = 0; node < 2; node++) {
        for (int i = 0; i < SIZE; i++)
            data[node][i] = (uint8_t)hash_combine(seed + node, (uint64_t)i);
        start_send(&pair, node, stream[node], data[node], SIZE, &sends[node]);
    }
    while (got[0] < SIZE || got[1] < SIZE) {
        uint32_t node = got[0] < got[1] ? 0 : 1;
        uint64_t n;
        uint64_t want = MIN(BUFFER, SIZE - got[node]);
        assert_ok(do_receive(&pair, node, stream[node], buffer, want, &n));
        assert_in_range(n, 1, want);
        assert_memory_equal(buffer, data[1 - node] + got[node], n);
        assert_true(split != NET_SPLIT_BYTES || n == 1);
        got[node] += n;
    }
    assert_ok(wait(&pair, &sends[0]));
    assert_ok(wait(&pair, &sends[1]));
    run(&pair, 10 * SECOND_NS);
    assert_false(net_busy(pair.net));
    struct net_stats stats;
    net_stats(pair.net, &stats);
    assert_int_equal(stats.bytes_delivered, 2 * SIZE);
    assert_int_equal(stats.stream_count, 2);
    close_pair(&pair);
}

TEST(bytes_arrive_in_order_whole_and_once)
{
    for (uint64_t seed = 0; seed < 40; seed++) {
        flood(seed, NET_SPLIT_RANDOM);
        flood(seed, NET_SPLIT_NONE);
    }
    flood(0, NET_SPLIT_BYTES);
}

/* Framing code meets a length in two halves. */
TEST(random_pieces_like_the_first_bytes)
{
    int inside = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct pair pair;
        uint64_t listener, here, there, n;
        char buffer[100];
        open_pair(&pair, seed, NET_SPLIT_RANDOM);
        connect_pair(&pair, &listener, &here, &there);
        assert_ok(do_send(&pair, 0, here, "0123456789012345678901234567890123456789"));
        assert_ok(do_receive(&pair, 1, there, buffer, sizeof buffer, &n));
        inside += n < 4;
        close_pair(&pair);
    }
    assert_in_range(inside, 10, 100);
}

TEST(a_sender_waits_for_its_reader)
{
    struct pair pair;
    uint64_t listener, here, there, n;
    struct call send;
    static uint8_t data[8 << 20];
    static char buffer[8 << 20];
    open_pair(&pair, 3, NET_SPLIT_NONE);
    connect_pair(&pair, &listener, &here, &there);
    start_send(&pair, 0, here, data, sizeof data, &send);
    run(&pair, 100 * SECOND_NS);
    assert_false(send.done);
    assert_false(net_busy(pair.net));
    for (uint64_t got = 0; got < sizeof data; got += n)
        assert_ok(do_receive(&pair, 1, there, buffer, sizeof buffer, &n));
    assert_ok(wait(&pair, &send));
    close_pair(&pair);
}

/* ---- ends ---- */

TEST(what_was_sent_arrives_before_the_end)
{
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct pair pair;
        uint64_t listener, here, there, n;
        char buffer[16];
        open_pair(&pair, seed, NET_SPLIT_NONE);
        connect_pair(&pair, &listener, &here, &there);
        assert_ok(do_send(&pair, 0, here, "farewell"));
        do_close(&pair, 0, here);
        assert_ok(do_receive(&pair, 1, there, buffer, sizeof buffer, &n));
        assert_int_equal(n, 8);
        assert_int_equal(do_receive(&pair, 1, there, buffer, 1, &n), ERR_EOF);
        assert_int_equal(do_receive(&pair, 1, there, buffer, 1, &n), ERR_EOF);
        do_close(&pair, 1, there);
        struct net_stats stats;
        net_stats(pair.net, &stats);
        assert_int_equal(stats.stream_count, 0);
        close_pair(&pair);
    }
}

TEST(sends_to_one_who_closed_end_with_reset)
{
    struct pair pair;
    uint64_t listener, here, there;
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    connect_pair(&pair, &listener, &here, &there);
    do_close(&pair, 1, there);
    enum err e = ERR_NONE;
    for (int i = 0; i < 10 && e == ERR_NONE; i++) {
        e = do_send(&pair, 0, here, "are you there");
        run(&pair, SECOND_NS);
    }
    assert_int_equal(e, ERR_RESET);
    close_pair(&pair);
}

TEST(closing_cancels_what_is_in_flight_first)
{
    bool order_seen[2] = {false};
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct pair pair;
        uint64_t listener, here, there;
        struct call send, receive = {0}, close = {0};
        static uint8_t data[8 << 20];
        open_pair(&pair, seed, NET_SPLIT_RANDOM);
        connect_pair(&pair, &listener, &here, &there);
        start_send(&pair, 0, here, data, sizeof data, &send);
        net_receive(pair.net, 0, here, 10, &receive.op);
        net_close(pair.net, 0, here, &close.op);
        assert_ok(wait(&pair, &close));
        assert_int_equal(send.op.err, ERR_CANCELLED);
        assert_int_equal(receive.op.err, ERR_CANCELLED);
        assert_true(send.order < close.order);
        assert_true(receive.order < close.order);
        order_seen[send.order < receive.order] = true;
        close_pair(&pair);
    }
    assert_true(order_seen[0]);
    assert_true(order_seen[1]);
}

/* ---- deaths and links ---- */

static enum err first_error(struct pair *pair, uint32_t node, uint64_t stream)
{
    char buffer[64];
    uint64_t n;
    enum err e;
    do
        e = do_receive(pair, node, stream, buffer, sizeof buffer, &n);
    while (e == ERR_NONE);
    return e;
}

TEST(a_killed_process_ends_its_streams)
{
    bool seen[ERR_COUNT] = {false};
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct pair pair;
        uint64_t listener, here, there;
        open_pair(&pair, seed, NET_SPLIT_RANDOM);
        connect_pair(&pair, &listener, &here, &there);
        if (seed % 2 == 0)
            assert_ok(do_send(&pair, 1, there, "unread"));
        run(&pair, SECOND_NS);
        net_node_down(pair.net, 0, NET_KILLED);
        seen[first_error(&pair, 1, there)] = true;
        close_pair(&pair);
    }
    assert_true(seen[ERR_EOF]);
    assert_true(seen[ERR_RESET]); /* the machine had bytes that nobody had read */
}

TEST(a_machine_without_power_says_nothing_until_it_is_back)
{
    struct pair pair;
    uint64_t listener, here, there;
    struct call receive = {0};
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    connect_pair(&pair, &listener, &here, &there);
    net_node_down(pair.net, 1, NET_POWERED_OFF);
    net_receive(pair.net, 0, here, 10, &receive.op);
    assert_ok(do_send(&pair, 0, here, "hello"));
    run(&pair, 10 * SECOND_NS);
    assert_false(receive.done);
    net_node_up(pair.net, 1);
    assert_int_equal(wait(&pair, &receive), ERR_RESET);
    close_pair(&pair);
}

TEST(who_is_never_acknowledged_gives_up)
{
    struct pair pair;
    uint64_t listener, here, there;
    struct call receive = {0};
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    connect_pair(&pair, &listener, &here, &there);
    net_cut(pair.net, 0, 1, true);
    net_receive(pair.net, 0, here, 10, &receive.op);
    assert_ok(do_send(&pair, 0, here, "hello"));
    assert_int_equal(wait(&pair, &receive), ERR_TIMEOUT);
    assert_in_range(pair.now_ns, 15 * SECOND_NS, 61 * SECOND_NS);
    assert_int_equal(do_send(&pair, 0, here, "hello"), ERR_RESET);
    close_pair(&pair);
}

TEST(a_forgotten_stream_is_silent_both_ways)
{
    struct pair pair;
    uint64_t listener, here, there;
    struct call one = {0}, other = {0};
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    connect_pair(&pair, &listener, &here, &there);
    net_half_open(pair.net, 1, 0);
    net_receive(pair.net, 0, here, 10, &one.op);
    net_receive(pair.net, 1, there, 10, &other.op);
    assert_ok(do_send(&pair, 0, here, "hello"));
    run(&pair, 100 * SECOND_NS);
    assert_true(one.done);
    assert_int_equal(one.op.err, ERR_TIMEOUT);
    assert_false(other.done);
    close_pair(&pair);
}

/* ---- full windows that nobody opens any more ---- */

#define WINDOW (1 << 20)

/* A stream whose window is full, and a send that waits for room in it. */
static void fill_window(struct pair *pair, uint64_t *here, uint64_t *there, struct call *send)
{
    static uint8_t data[2 * WINDOW];
    uint64_t listener;
    open_pair(pair, 1, NET_SPLIT_NONE);
    connect_pair(pair, &listener, here, there);
    start_send(pair, 0, *here, data, sizeof data, send);
    run(pair, 100 * SECOND_NS);
    assert_false(send->done);
}

static void read_some(struct pair *pair, uint64_t there)
{
    static char buffer[WINDOW / 2];
    uint64_t n;
    assert_ok(do_receive(pair, 1, there, buffer, sizeof buffer, &n));
}

static void expect_gives_up(struct pair *pair, struct call *send)
{
    int64_t start_ns = pair->now_ns;
    assert_int_equal(wait(pair, send), ERR_RESET);
    assert_in_range(pair->now_ns - start_ns, 14 * SECOND_NS, 61 * SECOND_NS);
    close_pair(pair);
}

TEST(who_fills_the_window_of_a_stream_that_is_then_forgotten_gives_up)
{
    struct pair pair;
    struct call send;
    uint64_t here, there;
    fill_window(&pair, &here, &there, &send);
    net_half_open(pair.net, 1, 0);
    read_some(&pair, there);
    expect_gives_up(&pair, &send);
}

TEST(who_sends_into_the_full_window_of_a_forgotten_stream_gives_up)
{
    struct pair pair;
    struct call first, second;
    uint64_t listener, here, there;
    static uint8_t data[WINDOW];
    open_pair(&pair, 1, NET_SPLIT_NONE);
    connect_pair(&pair, &listener, &here, &there);
    start_send(&pair, 0, here, data, sizeof data, &first);
    run(&pair, SECOND_NS);
    assert_true(first.done);
    net_half_open(pair.net, 0, 1);
    start_send(&pair, 0, here, "x", 1, &second);
    expect_gives_up(&pair, &second);
}

TEST(who_fills_the_window_of_a_machine_without_power_gives_up)
{
    struct pair pair;
    struct call send;
    uint64_t here, there;
    fill_window(&pair, &here, &there, &send);
    net_node_down(pair.net, 1, NET_POWERED_OFF);
    expect_gives_up(&pair, &send);
}

TEST(who_never_hears_of_room_in_the_window_gives_up)
{
    struct pair pair;
    struct call send;
    uint64_t here, there;
    fill_window(&pair, &here, &there, &send);
    net_cut(pair.net, 1, 0, true);
    read_some(&pair, there);
    expect_gives_up(&pair, &send);
}

TEST(who_hears_of_room_in_the_window_in_time_goes_on)
{
    struct pair pair;
    struct call send;
    uint64_t here, there;
    fill_window(&pair, &here, &there, &send);
    net_cut(pair.net, 1, 0, true);
    read_some(&pair, there);
    run(&pair, 10 * SECOND_NS);
    net_cut(pair.net, 1, 0, false);
    run(&pair, 100 * SECOND_NS);
    assert_false(send.done);
    for (int i = 0; i < 3; i++)
        read_some(&pair, there);
    assert_ok(wait(&pair, &send));
    close_pair(&pair);
}

TEST(a_reset_link_breaks_both_ends)
{
    struct pair pair;
    uint64_t listener, here, there;
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    connect_pair(&pair, &listener, &here, &there);
    net_reset_link(pair.net, 0, 1);
    assert_int_equal(first_error(&pair, 0, here), ERR_RESET);
    assert_int_equal(first_error(&pair, 1, there), ERR_RESET);
    close_pair(&pair);
}

TEST(a_link_with_a_limit_carries_so_much)
{
    enum { SIZE = 30000 };
    struct pair pair;
    uint64_t listener, here, there, n;
    static uint8_t data[SIZE];
    static char buffer[SIZE];
    struct call send;
    open_pair(&pair, 1, NET_SPLIT_NONE);
    connect_pair(&pair, &listener, &here, &there);
    net_set_bandwidth(pair.net, 0, 1, 10000);
    int64_t begin_ns = pair.now_ns;
    start_send(&pair, 0, here, data, SIZE, &send);
    for (uint64_t got = 0; got < SIZE; got += n)
        assert_ok(do_receive(&pair, 1, there, buffer, sizeof buffer, &n));
    assert_in_range(pair.now_ns - begin_ns, 2800 * MS_NS, 3200 * MS_NS);
    close_pair(&pair);
}

TEST(a_broken_stream_fails_what_it_is_told_to)
{
    struct pair pair;
    uint64_t listener, here, there;
    struct call send = {0};
    open_pair(&pair, 1, NET_SPLIT_RANDOM);
    connect_pair(&pair, &listener, &here, &there);
    net_send_fails(pair.net, 0, here, ERR_CORRUPT, &send.op);
    assert_int_equal(wait(&pair, &send), ERR_CORRUPT);
    assert_int_equal(first_error(&pair, 0, here), ERR_RESET);
    assert_int_equal(first_error(&pair, 1, there), ERR_RESET);
    close_pair(&pair);
}

TEST(dropped_streams_and_deaths_in_any_state_leave_nothing)
{
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct pair pair;
        static struct call calls[64];
        uint64_t listener;
        memset(calls, 0, sizeof calls);
        open_pair(&pair, seed, NET_SPLIT_RANDOM);
        assert_ok(net_listen(pair.net, 1, PORT, &listener));
        net_accept(pair.net, 1, listener, &calls[0].op);
        for (int i = 1; i < 8; i++)
            assert_ok(net_connect(pair.net, i % 2, 1, PORT, &calls[i].op));
        for (uint64_t i = 0; i < seed % 60; i++)
            step(&pair, INT64_MAX);
        net_set_now(pair.net, pair.now_ns, 0);
        for (uint32_t i = 1; i < 8; i++)
            if (calls[i].done && calls[i].op.err == ERR_NONE &&
                net_is_open(pair.net, i % 2, calls[i].op.n))
                start_send(&pair, i % 2, calls[i].op.n, "some bytes", 10, &calls[i + 20]);
        for (uint64_t i = 0; i < seed % 7; i++)
            step(&pair, INT64_MAX);
        if (calls[0].done && seed % 3 == 0)
            net_drop(pair.net, 1, calls[0].op.n);
        net_node_down(pair.net, seed % 2, seed % 5 == 0 ? NET_POWERED_OFF : NET_KILLED);
        for (int i = 0; i < 20; i++)
            step(&pair, INT64_MAX);
        close_pair(&pair);
    }
}

TEST(without_memory_the_net_says_so)
{
    for (uint64_t n = 1;; n++) {
        struct test_mem mem;
        struct mem plenty; /* the dice's: without it there is no simulator */
        struct fault_dice dice;
        struct net *net = NULL;
        struct net_op op;
        uint64_t listener;
        test_mem_init(&mem);
        mem_system(&plenty);
        fault_dice_init(&dice, &plenty, 1);
        mem.fail_at = n;
        struct net_options options = {.seed = 1, .dice = &dice};
        enum err e = net_new(&net, &mem.mem, &options);
        if (e == ERR_NONE)
            e = net_add_node(net);
        if (e == ERR_NONE)
            e = net_listen(net, 0, PORT, &listener);
        if (e == ERR_NONE)
            e = net_connect(net, 0, 0, PORT, &op);
        assert_true(e == ERR_NONE || e == ERR_NOMEM || e == ERR_TOOMANY);
        net_free(net);
        fault_dice_free(&dice);
        test_mem_done(&mem);
        if (mem.failed == 0)
            break;
    }
}
