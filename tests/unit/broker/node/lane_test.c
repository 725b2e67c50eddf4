/* lane_test.c - connections that share a budget: who gets no memory waits, all of them are heard in
 * the end, and who keeps the others waiting is closed. In the simulated world. */
#include <stdlib.h>
#include "node/internal.h"
#include "support/test.h"
#include "world/world.h"

#define PEERS 8
#define FRAMES 6
#define FRAME_BYTES_MAX 60000
#define BUDGET_BYTES 100000
#define FRAME_NEEDS (2 * FRAME_BYTES_MAX + CONN_TAKE_FACTOR * FRAME_BYTES_MAX)
#define BEYOND_BYTES (FRAME_NEEDS / (BUDGET_SMALL_SHARE - 1) * BUDGET_SMALL_SHARE)
#define HOLD_NS 5000000ll
#define STEPS_MAX 3000000

struct crowd;

/* One connection: the stream of who sends, and the server's end. */
struct peer {
    struct crowd *crowd;
    struct conn conn;
    struct conn_request *request; /* heard, and not answered yet */
    struct conn_answer answer;
    struct env_part answer_part;
    struct env_timer hold;
    env_stream stream;
    struct env_op sending, receiving;
    struct env_part part;
    uint8_t *bytes; /* FRAMES frames, one behind the other */
    uint64_t size;
    uint8_t heard_bytes[256];
    int heard, closed;
    enum err closed_err;
};

struct crowd {
    struct mem mem;
    struct world *world;
    uint32_t node;
    struct world_seat *seat;
    struct budget budget;
    struct peer peers[PEERS];
    int64_t most; /* that the budget held */
    int full;
    bool by_hand;    /* the memory is nobody's: there is room when the test says so, */
    bool room, last; /* in common, beyond the limit; and nothing is told of it */
};

struct call {
    struct env_op op;
    bool done;
    enum err e;
    uint64_t n;
};

static void on_call(struct env_op *op, enum err e, uint64_t n)
{
    struct call *call = CONTAINER_OF(op, struct call, op);
    call->done = true;
    call->e = e;
    call->n = n;
}

static void step(struct crowd *c)
{
    world_rise(c->world, c->node);
    bool moved = world_step(c->world);
    world_sit(c->world, c->node);
    assert_true(moved);
    c->most = MAX(c->most, c->budget.bytes);
    assert_true(c->budget.bytes <= BUDGET_BYTES + BEYOND_BYTES);
}

static uint64_t wait_for(struct crowd *c, struct call *call)
{
    while (!call->done)
        step(c);
    assert_ok(call->e);
    return call->n;
}

/* ---- the server ---- */

static void release(struct conn_answer *answer)
{
    (void)answer;
}

static void on_held(struct env_timer *timer)
{
    static const uint8_t word[4];
    struct peer *p = CONTAINER_OF(timer, struct peer, hold);
    struct conn_request *request = p->request;
    p->request = NULL;
    p->answer_part = (struct env_part){.data = word, .size = sizeof word};
    p->answer = (struct conn_answer){&p->answer_part, 1, release};
    conn_answer(&p->conn, request, &p->answer);
}

static void on_request(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct peer *p = CONTAINER_OF(conn, struct peer, conn);
    assert_null(p->request); /* in_flight_bytes allows one at a time */
    assert_true(frame.size > 0);
    p->heard++;
    p->request = request;
    p->hold.fire = on_held;
    env_arm(p->crowd->seat->env, &p->hold, env_now(p->crowd->seat->env) + HOLD_NS);
}

static void on_cancel(struct conn *conn, struct conn_request *request, enum err e)
{
    struct peer *p = CONTAINER_OF(conn, struct peer, conn);
    (void)request;
    (void)e;
    env_disarm(p->crowd->seat->env, &p->hold);
    p->request = NULL;
}

static void on_closed(struct conn *conn, enum err e)
{
    struct peer *p = CONTAINER_OF(conn, struct peer, conn);
    p->closed++;
    p->closed_err = e;
}

static const struct conn_owner owner = {
    .request = on_request, .closed = on_closed, .cancel = on_cancel};

static void on_full(struct conn_lane *lane)
{
    CONTAINER_OF(CONTAINER_OF(lane, struct budget, lane), struct crowd, budget)->full++;
}

/* ---- the world ---- */

static enum err begin(struct world_seat *seat)
{
    (void)seat;
    return ERR_NONE;
}

static const struct world_program program = {.kind = "crowd", .start = begin};

static void connect_peer(struct crowd *c, struct peer *p, env_listener listener)
{
    struct env *env = c->seat->env;
    struct call accept = {0}, connect = {0};
    env_accept(env, &accept.op, listener, NULL, on_call);
    env_connect(env, &connect.op, "crowd", env_listener_port(listener), on_call);
    p->stream = wait_for(c, &connect);
    struct conn_limits limits = {
        .frame_bytes_max = FRAME_BYTES_MAX, .in_flight_bytes = 1, .lane = &c->budget.lane};
    p->crowd = c;
    conn_start(&p->conn, CONN_SERVER, env, c->by_hand ? c->seat->mem : &c->budget.mem,
               c->seat->trace, wait_for(c, &accept), &limits, &owner);
}

static bool room_by_hand(struct conn_lane *lane, uint64_t size, enum conn_room level)
{
    const struct crowd *c =
        CONTAINER_OF(CONTAINER_OF(lane, struct budget, lane), struct crowd, budget);
    (void)size;
    return level == CONN_ROOM_LAST ? c->last : c->room;
}

static struct crowd *crowd_of(uint64_t seed, bool by_hand)
{
    struct errmsg msg = {0};
    struct world_config config = {.seed = seed, .split = NET_SPLIT_RANDOM, .assert_leaks = true};
    struct crowd *c = calloc(1, sizeof *c);
    mem_system(&c->mem);
    c->world = world_new(&c->mem, &config, &msg);
    assert_non_null(c->world);
    assert_ok(world_add_node(c->world, &program, "crowd", bytes_text(""), &c->node));
    world_start(c->world, c->node);
    while (world_node_life(c->world, c->node) != WORLD_UP)
        assert_true(world_step(c->world));
    world_sit(c->world, c->node);
    c->seat = world_seat(c->world, c->node);
    broker_budget_init(&c->budget, c->seat->env, c->seat->mem, BUDGET_BYTES, BEYOND_BYTES);
    c->budget.lane.full = on_full;
    c->by_hand = c->room = by_hand;
    if (by_hand)
        c->budget.lane.room = room_by_hand;
    struct call listen = {0}, close = {0};
    env_listen(c->seat->env, &listen.op, "crowd", 0, on_call);
    env_listener listener = wait_for(c, &listen);
    for (int i = 0; i < PEERS; i++)
        connect_peer(c, &c->peers[i], listener);
    env_close(c->seat->env, &close.op, listener, on_call);
    wait_for(c, &close);
    return c;
}

static struct crowd *crowd_new(uint64_t seed)
{
    return crowd_of(seed, false);
}

static void crowd_free(struct crowd *c)
{
    for (int i = 0; i < PEERS; i++) {
        struct peer *p = &c->peers[i];
        struct call close = {0};
        conn_close(&p->conn, ERR_NONE);
        env_close(c->seat->env, &close.op, p->stream, on_call);
        wait_for(c, &close);
        while (p->closed == 0 || p->sending.in_flight || p->receiving.in_flight)
            step(c);
        free(p->bytes);
    }
    broker_budget_free(&c->budget);
    world_exit(c->seat, ERR_NONE); /* asserts that nothing was left behind */
    world_rise(c->world, c->node);
    world_free(c->world);
    assert_int_equal(c->mem.live_count, 0);
    free(c);
}

/* ---- who sends ---- */

static void on_sent(struct env_op *op, enum err e, uint64_t n)
{
    (void)op;
    (void)e;
    (void)n;
}

static void on_heard(struct env_op *op, enum err e, uint64_t n)
{
    struct peer *p = CONTAINER_OF(op, struct peer, receiving);
    (void)n;
    if (e == ERR_NONE)
        env_receive(p->crowd->seat->env, &p->receiving, p->stream, p->heard_bytes,
                    sizeof p->heard_bytes, on_heard);
}

static void add_frame(struct peer *p, uint32_t size)
{
    p->bytes = realloc(p->bytes, p->size + CONN_FRAME_HEAD + size);
    put_u32(p->bytes + p->size, size);
    memset(p->bytes + p->size + CONN_FRAME_HEAD, (int)size, size);
    p->size += CONN_FRAME_HEAD + size;
}

/* All that was added but the last bytes that are held back. */
static void send_frames(struct peer *p, uint64_t hold_back)
{
    struct env *env = p->crowd->seat->env;
    p->part = (struct env_part){.data = p->bytes, .size = p->size - hold_back};
    env_send(env, &p->sending, p->stream, &p->part, 1, on_sent);
    env_receive(env, &p->receiving, p->stream, p->heard_bytes, sizeof p->heard_bytes, on_heard);
}

static void until_heard(struct crowd *c, int first, int count)
{
    for (int i = first; i < PEERS; i++) {
        for (int steps = 0; c->peers[i].heard < count; steps++) {
            assert_true(steps < STEPS_MAX);
            step(c);
        }
    }
}

TEST(all_are_heard_in_the_end_and_nobody_is_closed)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct crowd *c = crowd_new(seed);
        struct rng rng = {.state = seed};
        for (int i = 0; i < PEERS; i++) {
            for (int k = 0; k < FRAMES; k++) {
                bool small = random_below(rng_next(&rng), 3) == 0;
                uint64_t most = small ? 100 : FRAME_BYTES_MAX - 1;
                add_frame(&c->peers[i], 1 + (uint32_t)random_below(rng_next(&rng), most));
            }
            send_frames(&c->peers[i], 0);
        }
        until_heard(c, 0, FRAMES);
        assert_true(c->full > 0);
        assert_true(c->most > BUDGET_BYTES);
        for (int i = 0; i < PEERS; i++)
            assert_int_equal(c->peers[i].closed, 0);
        crowd_free(c);
    }
}

/* It holds the one place beyond the limit: then nobody else could go on. */
TEST(who_keeps_all_others_waiting_is_closed_and_they_are_heard)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct crowd *c = crowd_new(seed);
        struct peer *slow = &c->peers[0];
        add_frame(slow, FRAME_BYTES_MAX);
        send_frames(slow, 100);
        int64_t begun_ns = env_now(c->seat->env);
        while (c->budget.lane.favoured != &slow->conn)
            step(c);
        for (int i = 1; i < PEERS; i++) {
            add_frame(&c->peers[i], FRAME_BYTES_MAX);
            send_frames(&c->peers[i], 0);
        }
        until_heard(c, 1, 1);
        assert_int_equal(slow->closed, 1);
        assert_int_equal(slow->closed_err, ERR_TIMEOUT);
        assert_int_equal(slow->heard, 0);
        int64_t took_ns = env_now(c->seat->env) - begun_ns;
        assert_true(took_ns >= CONN_STALL_NS_MAX);
        assert_true(took_ns < 2 * CONN_STALL_NS_MAX);
        for (int i = 1; i < PEERS; i++)
            assert_int_equal(c->peers[i].closed, 0);
        crowd_free(c);
    }
}

static void on_time(struct env_timer *timer)
{
    (void)timer;
}

/* Whoever holds all memory: a small request of somebody who has no other is heard at once. */
TEST(small_requests_pass_by_those_who_wait)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct crowd *c = crowd_new(seed);
        for (int i = 0; i < PEERS - 1; i++) {
            add_frame(&c->peers[i], FRAME_BYTES_MAX);
            send_frames(&c->peers[i], 100);
        }
        while (c->full == 0)
            step(c);
        int64_t begun_ns = env_now(c->seat->env);
        struct peer *small = &c->peers[PEERS - 1];
        add_frame(small, 100);
        send_frames(small, 0);
        until_heard(c, PEERS - 1, 1);
        assert_true(env_now(c->seat->env) - begun_ns < CONN_STALL_NS_MAX / 10);
        crowd_free(c);
    }
}

TEST(who_keeps_nobody_waiting_may_take_his_time)
{
    struct env_timer later = {.fire = on_time};
    struct crowd *c = crowd_new(1);
    struct peer *slow = &c->peers[0];
    add_frame(slow, FRAME_BYTES_MAX);
    send_frames(slow, 100);
    while (c->budget.lane.favoured != &slow->conn)
        step(c);
    env_arm(c->seat->env, &later, env_now(c->seat->env) + 5 * CONN_STALL_NS_MAX);
    while (env_armed(&later))
        step(c);
    assert_int_equal(slow->closed, 0);
    struct env_part rest = {.data = slow->bytes + slow->size - 100, .size = 100};
    env_send(c->seat->env, &slow->sending, slow->stream, &rest, 1, on_sent);
    until_heard(c, PEERS, 1);
    while (slow->heard == 0)
        step(c);
    crowd_free(c);
}

/* A slow line is no stalled one. */
TEST(who_keeps_others_waiting_but_moves_is_not_closed)
{
    struct crowd *c = crowd_new(1);
    struct peer *slow = &c->peers[0];
    uint64_t left = 2000;
    add_frame(slow, FRAME_BYTES_MAX);
    send_frames(slow, left);
    while (c->budget.lane.favoured != &slow->conn)
        step(c);
    for (int i = 1; i < PEERS; i++) {
        add_frame(&c->peers[i], FRAME_BYTES_MAX);
        send_frames(&c->peers[i], 0);
    }
    for (int i = 0; i < 10; i++) {
        struct env_timer tick = {.fire = on_time};
        env_arm(c->seat->env, &tick, env_now(c->seat->env) + CONN_STALL_NS_MAX / 2);
        while (env_armed(&tick))
            step(c);
        assert_int_equal(slow->closed, 0);
        slow->part = (struct env_part){.data = slow->bytes + slow->size - left, .size = 200};
        env_send(c->seat->env, &slow->sending, slow->stream, &slow->part, 1, on_sent);
        left -= 200;
    }
    until_heard(c, 0, 1);
    assert_int_equal(slow->closed, 0);
    crowd_free(c);
}

/* ---- who wakes whom ---- */

static void all_wait(struct crowd *c, int first)
{
    for (int i = first; i < PEERS; i++) {
        add_frame(&c->peers[i], FRAME_BYTES_MAX);
        send_frames(&c->peers[i], 0);
        while (!c->peers[i].conn.waits)
            step(c);
    }
}

static void until_heard_soon(struct crowd *c, int first)
{
    int64_t begun_ns = env_now(c->seat->env);
    until_heard(c, first, 1);
    assert_true(env_now(c->seat->env) - begun_ns < CONN_STALL_NS_MAX / 10);
}

/* What it waited for may be there for the next, though nothing is freed any more. */
TEST(the_first_that_leaves_wakes_the_next)
{
    struct crowd *c = crowd_of(1, true);
    c->room = false;
    all_wait(c, 0);
    c->room = true;
    conn_close(&c->peers[0].conn, ERR_NONE);
    until_heard_soon(c, 1);
    crowd_free(c);
}

TEST(whose_frame_has_come_gives_what_is_beyond_the_limit_to_the_next)
{
    for (int leaves = 0; leaves < 2; leaves++) {
        struct crowd *c = crowd_of(1, true);
        struct peer *first = &c->peers[0];
        c->room = false;
        c->last = true;
        add_frame(first, FRAME_BYTES_MAX);
        send_frames(first, 100);
        while (c->budget.lane.favoured != &first->conn || first->sending.in_flight)
            step(c);
        all_wait(c, 1);
        struct env_part rest = {.data = first->bytes + first->size - 100, .size = 100};
        if (leaves)
            conn_close(&first->conn, ERR_NONE);
        else
            env_send(c->seat->env, &first->sending, first->stream, &rest, 1, on_sent);
        until_heard_soon(c, leaves);
        crowd_free(c);
    }
}
