/* help.c - see help.h. */
#include "support/broker/help.h"
#include <stdio.h>
#include <stdlib.h>

#define NS_PER_MS 1000000ll

static struct help *current;   /* programs are told of nothing but their seat */
static struct broker *running; /* in the last life that began */

/* ---- the broker ---- */

struct broker_life {
    struct world_seat *seat;
    struct broker *broker;
    struct broker_op starting, stopping;
    struct notes notes;
    bool stopped;
};

static void say(const char *sentence)
{
    size_t at = strlen(current->said);
    snprintf(current->said + at, sizeof current->said - at, "%s\n", sentence);
}

static void on_note(struct notes *notes, enum note_kind kind, const char *sentence)
{
    (void)notes;
    (void)kind;
    say(sentence);
}

static void end_life(struct broker_life *life, enum err e)
{
    struct world_seat *seat = life->seat;
    broker_free(life->broker);
    mem_free(seat->mem, life);
    world_exit(seat, e);
}

static void on_started(struct broker_op *op, enum err e)
{
    struct broker_life *life = CONTAINER_OF(op, struct broker_life, starting);
    current->started = e;
    current->start_count++;
    if (e == ERR_NONE || life->stopped)
        return;
    say(op->msg.text);
    end_life(life, ERR_NONE);
}

static void on_stopped(struct broker_op *op, enum err e)
{
    current->stopped = e;
    current->stop_count++;
    if (e != ERR_NONE)
        say(op->msg.text);
    end_life(CONTAINER_OF(op, struct broker_life, stopping), ERR_NONE);
}

static enum err broker_begin(struct world_seat *seat)
{
    struct broker_life *life = mem_zalloc(seat->mem, sizeof *life);
    if (life == NULL)
        return ERR_NOMEM;
    life->seat = seat;
    life->notes = (struct notes){.write = on_note, .level = NOTE_LEVEL_WARNING};
    seat->self = life;
    struct broker_config config;
    struct errmsg msg = {{0}};
    config_defaults(&broker_config_table, &config);
    enum err e = config_parse(&broker_config_table, &config, seat->args, "test", NULL, &msg);
    if (e == ERR_NONE)
        e = broker_new(&life->broker, seat->env, seat->mem, seat->trace, &config, &life->notes);
    if (e == ERR_NONE)
        broker_set_access(life->broker, current->access);
    if (e != ERR_NONE)
        return e;
    running = life->broker;
    broker_start(life->broker, &life->starting, on_started);
    return ERR_NONE;
}

struct broker *help_broker(const struct help *h)
{
    ASSERT(h == current);
    return running;
}

static void broker_end(struct world_seat *seat)
{
    struct broker_life *life = seat->self;
    life->stopped = true;
    broker_stop(life->broker, &life->stopping, on_stopped);
}

/* What a test does to it, as an event of its own. */
static void broker_command(struct world_seat *seat, uint64_t id, struct bytes command)
{
    (void)command;
    current->act(current, ((struct broker_life *)seat->self)->broker);
    world_reply(seat, id, bytes_text(""));
}

void help_act(struct help *h, void (*act)(struct help *h, struct broker *broker), int64_t ms)
{
    h->act = act;
    assert_true(world_command(h->world, h->broker, 1, bytes_text("act")));
    help_run(h, ms);
}

static const struct world_program broker_program = {
    .kind = "broker", .start = broker_begin, .stop = broker_end, .command = broker_command};

/* ---- the client ---- */

/* One of its connections. */
struct client_line {
    struct client_life *life;
    struct env_op connecting;
    struct env_timer again;
    struct conn conn;
    bool open;
};

struct client_life {
    struct world_seat *seat;
    struct client_line lines[2];
    struct conn_request requests[HELP_FRAMES_MAX];
    struct env_part parts[HELP_FRAMES_MAX];
};

static void connect(struct client_line *line);

static void send_next(struct client_life *life)
{
    struct help *h = current;
    while (h->sent_count < h->call_count) {
        struct help_call *call = &h->calls[h->sent_count];
        struct client_line *line = &life->lines[call->other];
        if (!call->together && h->done_count < h->sent_count)
            return;
        if (!line->open) {
            connect(line);
            return;
        }
        int at = h->sent_count++;
        uint8_t *frame = (uint8_t *)(uintptr_t)call->frame.data;
        if (call->frame.size >= 8)
            put_u32(frame + 4, (uint32_t)conn_next_correlation_id(&line->conn));
        life->parts[at] = (struct env_part){.data = frame, .size = call->frame.size};
        conn_send(&line->conn, &life->requests[at], &life->parts[at], 1, !call->no_answer);
    }
}

static struct client_life *life_of(struct conn *conn)
{
    return CONTAINER_OF(conn, struct client_line, conn)->life;
}

static void on_answer(struct conn *conn, struct conn_request *request, struct slice frame)
{
    struct client_life *life = life_of(conn);
    struct help_call *call = &current->calls[request - life->requests];
    uint8_t *copy = malloc(frame.size + 1);
    memcpy(copy, frame.data, frame.size);
    call->answer = bytes_of(copy, frame.size);
    current->done_count++;
    send_next(life);
}

static void on_cancel(struct conn *conn, struct conn_request *request, enum err e)
{
    (void)request;
    current->done_count++;
    if (e == ERR_NONE)
        send_next(life_of(conn));
}

static void on_closed(struct conn *conn, enum err e)
{
    CONTAINER_OF(conn, struct client_line, conn)->open = false;
    current->closed = e;
    current->is_closed = true;
}

static const struct conn_owner owner = {
    .answer = on_answer, .cancel = on_cancel, .closed = on_closed};

static void on_again(struct env_timer *timer)
{
    connect(CONTAINER_OF(timer, struct client_line, again));
}

static void on_connected(struct env_op *op, enum err e, uint64_t n)
{
    struct client_line *line = CONTAINER_OF(op, struct client_line, connecting);
    struct world_seat *seat = line->life->seat;
    if (e != ERR_NONE) {
        line->again.fire = on_again;
        env_arm(seat->env, &line->again, env_now(seat->env) + 10 * NS_PER_MS);
        return;
    }
    struct conn_limits limits = {.frame_bytes_max = 64 << 20};
    line->conn = (struct conn){0};
    line->open = true;
    conn_start(&line->conn, CONN_CLIENT, seat->env, seat->mem, seat->trace, n, &limits, &owner);
    send_next(line->life);
}

static void connect(struct client_line *line)
{
    if (!line->connecting.in_flight && !env_armed(&line->again))
        env_connect(line->life->seat->env, &line->connecting, current->asks, 9092, on_connected);
}

static enum err client_begin(struct world_seat *seat)
{
    struct client_life *life = mem_zalloc(seat->mem, sizeof *life);
    if (life == NULL)
        return ERR_NOMEM;
    life->seat = seat;
    life->lines[0].life = life->lines[1].life = life;
    seat->self = life;
    connect(&life->lines[0]);
    return ERR_NONE;
}

/* Any command: send what is new. */
static void client_command(struct world_seat *seat, uint64_t id, struct bytes command)
{
    (void)command;
    struct client_life *life = seat->self;
    if (life->lines[0].open)
        send_next(life);
    else
        connect(&life->lines[0]);
    world_reply(seat, id, bytes_text(""));
}

static const struct world_program client_program = {
    .kind = "client", .start = client_begin, .command = client_command};

/* ---- the test's side ---- */

static void on_exited(struct world_sink *sink, uint32_t node, enum err e, int64_t leaked_count)
{
    struct help *h = CONTAINER_OF(sink, struct help, sink);
    (void)e;
    if (node == h->broker)
        h->leaked += leaked_count;
}

static void prepare(struct help *h, uint64_t seed)
{
    *h = (struct help){.asks = "broker"};
    current = h;
    mem_system(&h->mem);
    arena_init(&h->arena, &h->mem, 64 << 20);
    struct errmsg msg = {{0}};
    struct world_config settings = {.seed = seed,
                                    .armed = 1u << FAULT_ALLOC | 1u << FAULT_DISK_SYNC};
    h->world = world_new(&h->mem, &settings, &msg);
    assert_non_null(h->world);
    h->sink.exited = on_exited;
    world_add_sink(h->world, &h->sink);
}

static void add_client(struct help *h)
{
    assert_ok(world_add_node(h->world, &client_program, "client", bytes_text(""), &h->client));
}

void help_prepare(struct help *h, uint64_t seed, const char *config)
{
    char args[4096];
    prepare(h, seed);
    snprintf(args, sizeof args, "listeners=PLAINTEXT://broker:9092\n%s", config);
    assert_ok(world_add_node(h->world, &broker_program, "broker", bytes_text(args), &h->broker));
    add_client(h);
}

static void add_one_of_three(struct help *h, int id, const char *config, uint32_t *out)
{
    static const char *const names[] = {"broker", "broker2", "broker3"};
    const char *name = names[id - 1];
    char args[4096];
    snprintf(args, sizeof args,
             "process.roles=broker,controller\nnode.id=%d\ncluster.id=%s\n"
             "controller.quorum.voters=1@broker:9093,2@broker2:9093,3@broker3:9093\n"
             "controller.listener.names=CONTROLLER\n"
             "listeners=PLAINTEXT://%s:9092,CONTROLLER://%s:9093\n%s",
             id, "kilnkilnkilnkilnkilnkg", name, name, config);
    assert_ok(world_add_node(h->world, &broker_program, name, bytes_text(args), out));
}

void help_setup_three(struct help *h, uint64_t seed, const char *config)
{
    prepare(h, seed);
    add_one_of_three(h, 1, config, &h->broker);
    for (int i = 0; i < COUNT_OF(h->others); i++) {
        add_one_of_three(h, 2 + i, config, &h->others[i]);
        world_start(h->world, h->others[i]);
    }
    add_client(h);
    help_run(h, 5000);
    world_start(h->world, h->broker);
    help_run(h, 5000);
    assert_int_equal(h->start_count, 3);
}

void help_setup(struct help *h, uint64_t seed, const char *config)
{
    help_prepare(h, seed, config);
    world_start(h->world, h->broker);
    help_run(h, 2000);
    assert_int_equal(h->start_count, 1);
}

void help_teardown(struct help *h)
{
    if (world_node_life(h->world, h->broker) == WORLD_UP) {
        world_stop(h->world, h->broker);
        help_run(h, 10000);
    }
    for (int i = 0; i < COUNT_OF(h->others) && h->others[i] != 0; i++) {
        if (world_node_life(h->world, h->others[i]) == WORLD_UP)
            world_stop(h->world, h->others[i]);
        help_run(h, 10000);
    }
    assert_int_equal(world_node_life(h->world, h->broker), WORLD_DOWN);
    assert_int_equal(h->leaked, 0);
    world_free(h->world);
    for (int i = 0; i < h->call_count; i++) {
        free((void *)(uintptr_t)h->calls[i].frame.data);
        free((void *)(uintptr_t)h->calls[i].answer.data);
    }
    arena_free(&h->arena);
    assert_int_equal(h->mem.live_count, 0);
    current = NULL;
}

void help_run(struct help *h, int64_t ms)
{
    world_run_until(h->world, world_now(h->world) + ms * NS_PER_MS);
}

void help_restart(struct help *h)
{
    world_stop(h->world, h->broker);
    help_run(h, 10000);
    assert_int_equal(world_node_life(h->world, h->broker), WORLD_DOWN);
    assert_int_equal(h->leaked, 0);
    world_start(h->world, h->broker);
    help_run(h, 2000);
}

int help_frame(struct help *h, struct bytes frame)
{
    assert_in_range(h->call_count, 0, HELP_FRAMES_MAX - 1);
    uint8_t *copy = malloc(frame.size + 1);
    memcpy(copy, frame.data, frame.size);
    h->calls[h->call_count] = (struct help_call){.frame = bytes_of(copy, frame.size)};
    return h->call_count++;
}

int help_call(struct help *h, int16_t key, int16_t version, const void *body)
{
    const struct wire_api *api = wire_api(key);
    struct wire_out out;
    wire_out_init(&out, &h->mem);
    struct wire_request_header header = {
        .request_api_key = key, .request_api_version = version, .client_id = wire_text("test")};
    assert_ok(wire_encode(&wire_request_header_message, wire_request_header_version(api, version),
                          &header, &out));
    assert_ok(wire_encode(api->request, version, body, &out));
    int call = help_frame(h, bytes_of(out.data, out.size));
    wire_out_free(&out);
    h->calls[call].key = key;
    h->calls[call].version = version;
    h->calls[call].no_answer = key == 0 && ((const struct wire_produce_request *)body)->acks == 0;
    return call;
}

void help_go(struct help *h, int64_t ms)
{
    if (world_node_life(h->world, h->client) == WORLD_DOWN)
        world_start(h->world, h->client);
    else
        assert_true(world_command(h->world, h->client, 1, bytes_text("go")));
    help_run(h, ms);
}

bool help_answer(struct help *h, int call, void *out)
{
    const struct help_call *c = &h->calls[call];
    if (c->answer.size == 0)
        return false;
    const struct wire_api *api = wire_api(c->key);
    struct wire_response_header header;
    struct errmsg msg = {{0}};
    size_t used = 0;
    assert_ok(wire_decode(&wire_response_header_message,
                          wire_response_header_version(api, c->version), c->answer, &used, &header,
                          &h->arena, &msg));
    struct bytes body = bytes_of(c->answer.data + used, c->answer.size - used);
    if (wire_decode(api->response, c->version, body, NULL, out, &h->arena, &msg) != ERR_NONE)
        fail_msg("%s v%d: %s", api->name, c->version, msg.text);
    return true;
}

void help_expect(struct help *h, int call, void *out)
{
    if (!help_answer(h, call, out))
        fail_msg("no answer to %s v%d", wire_api(h->calls[call].key)->name, h->calls[call].version);
}

struct wire_bytes help_batch(struct help *h, int count, int64_t producer_id, int32_t sequence,
                             int64_t timestamp_ms)
{
    size_t cap = 200 + 40 * (size_t)count;
    uint8_t *data = arena_alloc(&h->arena, cap);
    struct wire_builder b;
    wire_builder_init(&b, data, cap);
    for (int i = 0; i < count; i++) {
        char text[16];
        int size = snprintf(text, sizeof text, "%d", i);
        struct wire_bytes value = {.data = (uint8_t *)text, .size = size};
        assert_ok(wire_builder_add(&b, timestamp_ms + i, WIRE_NULL_BYTES, value, NULL, 0));
    }
    wire_builder_finish(&b, &(struct wire_builder_head){
                                .producer_id = producer_id,
                                .producer_epoch = producer_id < 0 ? -1 : 0,
                                .base_sequence = producer_id < 0 ? -1 : sequence,
                                .leader_epoch = -1,
                            });
    return (struct wire_bytes){.data = b.data, .size = (int32_t)b.size};
}

static bool may_but_for_cluster_action(const struct api_access *access,
                                       const struct api_caller *caller,
                                       enum api_operation operation, enum api_resource resource,
                                       struct bytes name)
{
    (void)access;
    (void)caller;
    (void)resource;
    (void)name;
    return operation != API_CLUSTER_ACTION;
}

const struct api_access help_no_cluster_action = {.may = may_but_for_cluster_action};
