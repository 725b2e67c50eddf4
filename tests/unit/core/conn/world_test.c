/* world_test.c - both ends of a connection in the simulated world, which delivers streams in any
 * pieces, completes operations in any order, and refuses nothing. */
#include <stdlib.h>
#include "support/filter/filter.h"
#include "unit/core/conn/rig.h"
#include "world/world.h"

#define REQUESTS 40
#define REQUEST_BYTES_MAX 3000
#define ANSWER_BYTES_MAX 2000
#define STEPS_MAX 2000000

/* A conversation of REQUESTS questions; the answers are given in an order of their own. */
struct conversation {
    struct mem mem;
    struct world *world;
    uint32_t node;
    struct world_seat *seat;
    struct rng rng;
    env_stream streams[2];
    struct conn client, server;
    struct question {
        struct conn_request request;
        struct env_part part;
        uint32_t size;
        uint8_t bytes[REQUEST_BYTES_MAX];
    } questions[REQUESTS];
    struct reply {
        struct conn_answer answer;
        struct env_part part;
        struct conn_request *request;
        uint8_t bytes[ANSWER_BYTES_MAX];
    } replies[REQUESTS];
    int heard, replied, released, answered, closed;
    enum err closed_err;
};

struct call {
    struct env_op op;
    bool done;
    enum err e;
    uint64_t n;
};

static void done(struct env_op *op, enum err e, uint64_t n)
{
    struct call *call = CONTAINER_OF(op, struct call, op);
    call->done = true;
    call->e = e;
    call->n = n;
}

static void step(struct conversation *c)
{
    world_rise(c->world, c->node);
    bool moved = world_step(c->world);
    world_sit(c->world, c->node);
    assert_true(moved);
}

static uint64_t wait_for(struct conversation *c, struct call *call)
{
    while (!call->done)
        step(c);
    assert_ok(call->e);
    return call->n;
}

/* ---- the server: keeps requests back and answers the newest, the oldest, the newest ... ---- */

static uint32_t answer_size(int index)
{
    return 4 + (uint32_t)index * 37 % (ANSWER_BYTES_MAX - 4);
}

static void release(struct conn_answer *answer)
{
    struct reply *reply = CONTAINER_OF(answer, struct reply, answer);
    struct conversation *c =
        CONTAINER_OF(reply - (get_u32(reply->bytes)), struct conversation, replies);
    c->released++;
}

static void reply_to(struct conversation *c, int index)
{
    struct reply *reply = &c->replies[index];
    struct conn_request *request = reply->request;
    put_u32(reply->bytes, (uint32_t)index); /* its correlation id */
    memset(reply->bytes + 4, index, answer_size(index) - 4);
    reply->part = (struct env_part){.data = reply->bytes, .size = answer_size(index)};
    reply->answer = (struct conn_answer){&reply->part, 1, release};
    reply->request = NULL;
    c->replied++;
    conn_answer(&c->server, request, &reply->answer);
}

static void on_request(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct conversation *c = CONTAINER_OF(conn, struct conversation, server);
    const struct question *question = &c->questions[c->heard];
    assert_int_equal(frame.size, question->size);
    assert_memory_equal(frame.data, question->bytes, frame.size);
    c->replies[c->heard++].request = request;
    if (c->heard % 4 != 0)
        return;
    static const int order[] = {3, 0, 2, 1};
    for (int i = 0; i < 4; i++)
        reply_to(c, c->heard - 4 + order[i]);
}

/* ---- the client ---- */

static void ask(struct conversation *c, int index)
{
    struct question *question = &c->questions[index];
    question->size = 4 + (uint32_t)random_below(rng_next(&c->rng), REQUEST_BYTES_MAX - 4);
    for (uint32_t i = 4; i < question->size; i++)
        question->bytes[i] = (uint8_t)(index + i);
    put_u32(question->bytes, (uint32_t)conn_next_correlation_id(&c->client));
    question->part = (struct env_part){.data = question->bytes, .size = question->size};
    conn_send(&c->client, &question->request, &question->part, 1, true);
}

static void on_answer(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct conversation *c = CONTAINER_OF(conn, struct conversation, client);
    assert_ptr_equal(request, &c->questions[c->answered].request);
    assert_int_equal(frame.size, answer_size(c->answered));
    assert_int_equal(frame.data[frame.size - 1], frame.size > 4 ? c->answered : frame.data[3]);
    c->answered++;
}

static void on_cancel(struct conn *conn, struct conn_request *request, enum err e)
{
    (void)conn;
    (void)request;
    (void)e;
    fail_msg("nothing is cancelled in a conversation");
}

static void on_closed(struct conn *conn, enum err e)
{
    struct conversation *c = conn->role == CONN_CLIENT
                                 ? CONTAINER_OF(conn, struct conversation, client)
                                 : CONTAINER_OF(conn, struct conversation, server);
    c->closed++;
    c->closed_err = e;
}

static const struct conn_owner owner = {
    .request = on_request, .answer = on_answer, .closed = on_closed, .cancel = on_cancel};

/* ---- the world ---- */

static enum err begin(struct world_seat *seat)
{
    (void)seat;
    return ERR_NONE;
}

static const struct world_program program = {.kind = "conversation", .start = begin};

static void open_world(struct conversation *c, uint64_t seed, enum net_split split)
{
    struct errmsg msg = {0};
    struct world_config config = {.seed = seed, .split = split, .assert_leaks = true};
    mem_system(&c->mem);
    c->world = world_new(&c->mem, &config, &msg);
    assert_non_null(c->world);
    assert_ok(world_add_node(c->world, &program, "both", bytes_text(""), &c->node));
    world_start(c->world, c->node);
    while (world_node_life(c->world, c->node) != WORLD_UP)
        assert_true(world_step(c->world));
    world_sit(c->world, c->node);
    c->seat = world_seat(c->world, c->node);
}

static void connect_both(struct conversation *c)
{
    struct env *env = c->seat->env;
    struct call listen = {0}, accept = {0}, connect = {0}, close = {0};
    env_listen(env, &listen.op, "both", 0, done);
    env_listener listener = wait_for(c, &listen);
    env_accept(env, &accept.op, listener, NULL, done);
    env_connect(env, &connect.op, "both", env_listener_port(listener), done);
    c->streams[0] = wait_for(c, &connect);
    c->streams[1] = wait_for(c, &accept);
    env_close(env, &close.op, listener, done);
    wait_for(c, &close);
}

static void converse(struct conversation *c)
{
    struct conn_limits limits = {.frame_bytes_max = REQUEST_BYTES_MAX,
                                 .in_flight_bytes = 4 * REQUEST_BYTES_MAX};
    struct world_seat *seat = c->seat;
    c->client.filtering = c->server.filtering = RIG_FILTERED ? &test_filtering : NULL;
    conn_start(&c->client, CONN_CLIENT, seat->env, seat->mem, seat->trace, c->streams[0], &limits,
               &owner);
    conn_start(&c->server, CONN_SERVER, seat->env, seat->mem, seat->trace, c->streams[1], &limits,
               &owner);
    for (int i = 0; i < REQUESTS; i++)
        ask(c, i);
    for (int i = 0; c->answered < REQUESTS; i++) {
        assert_true(i < STEPS_MAX);
        assert_int_equal(c->closed, 0);
        step(c);
    }
    conn_close(&c->client, ERR_NONE);
    while (c->closed < 2 || c->released < REQUESTS)
        step(c);
}

static void have_conversation(uint64_t seed, enum net_split split)
{
    struct conversation *c = calloc(1, sizeof *c);
    c->rng.state = seed;
    open_world(c, seed, split);
    connect_both(c);
    converse(c);
    assert_int_equal(c->released, REQUESTS);
    world_exit(c->seat, ERR_NONE); /* asserts that nothing was left behind */
    world_rise(c->world, c->node);
    world_free(c->world);
    assert_int_equal(c->mem.live_count, 0);
    free(c);
}

TEST(a_conversation_survives_streams_in_random_pieces)
{
    for (uint64_t seed = 1; seed <= 30; seed++)
        have_conversation(seed, NET_SPLIT_RANDOM);
}

TEST(a_conversation_survives_streams_byte_by_byte)
{
    for (uint64_t seed = 1; seed <= 3; seed++)
        have_conversation(seed, NET_SPLIT_BYTES);
}

TEST(a_conversation_survives_streams_in_one_piece)
{
    for (uint64_t seed = 1; seed <= 5; seed++)
        have_conversation(seed, NET_SPLIT_NONE);
}
