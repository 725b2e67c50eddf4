/* half_test.c - the boundary by itself: what a handler asked is in the log, whole and in order, and
 * nothing of the node is needed to read it. */
#include <signal.h>
#include "programs.h"
#include "world/half.h"

/* A node's half without a world. */
struct rig {
    struct mem mem;
    struct fault_engine engine;
    struct half_log log;
    uint64_t rows[WORLD_TRACE_WORDS];
    struct world_half *half;
    struct half_state state;
};

static struct rig rig;

static enum err start_nothing(struct world_seat *seat)
{
    (void)seat;
    return ERR_NONE;
}

static const struct world_program idle = {.kind = "idle", .start = start_nothing};

static void open_rig(uint32_t armed)
{
    mem_system(&rig.mem);
    rig.log = (struct half_log){.mem = &rig.mem};
    assert_ok(fault_engine_init(&rig.engine, &rig.mem, 1, NULL, armed));
    struct half_options options = {
        .mem = &rig.mem,
        .program = &idle,
        .name = "node",
        .seed = 1,
        .engine = &rig.engine,
        .log = &rig.log,
        .rows = rig.rows,
    };
    assert_ok(world_half_new(&rig.half, &options));
    assert_ok(world_half_begin(rig.half, 0, bytes_text("args"), (struct env_disk){0}));
}

static void close_rig(void)
{
    world_half_free(rig.half);
    world_half_log_free(&rig.log);
    fault_engine_free(&rig.engine);
    assert_int_equal(rig.mem.live_count, 0);
}

static struct world_seat *enter(void)
{
    world_half_enter(rig.half, &(struct half_event){.type = HALF_SIT, .now_ns = 5, .wall_ms = 7});
    return world_half_seat(rig.half);
}

/* The heap is dropped between the handler and the reader: every byte that the node had faults. */
static void leave_and_drop(void)
{
    world_half_leave(rig.half, &rig.state);
    world_half_end(rig.half);
}

static void done(struct env_op *op, enum err e, uint64_t n)
{
    (void)op, (void)e, (void)n;
}

static void *take(struct world_seat *seat, const void *data, size_t size)
{
    void *copy = mem_alloc(seat->mem, size);
    assert_non_null(copy);
    memcpy(copy, data, size);
    return copy;
}

/* An operation with all that it points to in the node's heap. */
static struct env_op *new_op(struct world_seat *seat)
{
    return take(seat, &(struct env_op){0}, sizeof(struct env_op));
}

static const struct half_record *next_of(size_t *at, enum half_record_type type)
{
    const struct half_record *record = world_half_log_next(&rig.log, at);
    assert_non_null(record);
    assert_int_equal(record->type, type);
    return record;
}

static void ask_much(struct world_seat *seat)
{
    struct env_part parts[3] = {
        {.data = take(seat, "head", 4), .size = 4},
        {.file = 9, .offset = 100, .size = 50},
        {.data = take(seat, "tail!", 5), .size = 5},
    };
    env_rename(seat->env, new_op(seat), take(seat, "from", 5), take(seat, "to", 3), done);
    TRACE(seat->trace, LOG_DURABLE, .partition = 1, .end = 2);
    env_send(seat->env, new_op(seat), 77, take(seat, parts, sizeof parts), 3, done);
    world_reply(seat, 12, bytes_of(take(seat, "answer", 6), 6));
    world_exit(seat, ERR_IO);
    env_sync(seat->env, new_op(seat), 9, done); /* nobody hears it */
    world_reply(seat, 13, bytes_of(NULL, 0));
}

TEST(the_log_needs_nothing_of_the_node)
{
    struct half_asked asked;
    size_t at = 0;
    open_rig(0);
    ask_much(enter());
    leave_and_drop();
    world_half_asked_of(next_of(&at, HALF_ASKS), &asked);
    assert_int_equal(asked.ask->verb, ENV_RENAME);
    assert_string_equal(asked.path, "from");
    assert_string_equal(asked.path_to, "to");
    const struct half_record *send = next_of(&at, HALF_ASKS);
    world_half_asked_of(send, &asked);
    assert_int_equal(send->rows_size, TRACE_HEAD_WORDS + sizeof(struct trace_LOG_DURABLE) / 8);
    assert_int_equal(asked.ask->verb, ENV_SEND);
    assert_int_equal(asked.ask->handle, 77);
    assert_int_equal(asked.ask->size, 59);
    assert_int_equal(asked.ask->part_count, 3);
    struct buf *sent = world_half_log_take(&rig.log, asked.ask->extent);
    assert_memory_equal(sent->data, "head", 4);
    assert_memory_equal(sent->data + 54, "tail!", 5);
    buf_release(sent);
    assert_int_equal(asked.parts[1].file, 9);
    assert_int_equal(asked.parts[1].offset, 100);
    assert_int_equal(asked.parts[1].size, 50);
    const struct half_record *reply = next_of(&at, HALF_REPLIES);
    assert_int_equal(reply->id, 12);
    assert_int_equal(reply->size, 6);
    assert_memory_equal(reply + 1, "answer", 6);
    assert_int_equal(next_of(&at, HALF_EXITS)->err, ERR_IO);
    assert_null(world_half_log_next(&rig.log, &at));
    assert_int_equal(rig.state.rows_size, TRACE_HEAD_WORDS + sizeof(struct trace_LOG_DURABLE) / 8);
    close_rig();
}

TEST(a_refused_allocation_stands_between_what_was_asked)
{
    size_t at = 0;
    struct fault_line line;
    open_rig(1u << FAULT_ALLOC);
    struct world_seat *seat = enter();
    struct env_op *op = new_op(seat);
    env_sync(seat->env, op, 1, done);
    world_half_refuse_at(rig.half, FAULT_RATE_WHOLE);
    assert_null(mem_alloc(seat->mem, 123));
    world_half_refuse_no_more(rig.half);
    env_sync(seat->env, new_op(seat), 2, done);
    leave_and_drop();
    (void)next_of(&at, HALF_ASKS);
    const struct half_record *record = next_of(&at, HALF_REFUSES);
    assert_int_equal(record->size, sizeof line);
    memcpy(&line, record + 1, sizeof line);
    assert_int_equal(line.param[FAULT_P_SITE], FAULT_ALLOC);
    assert_int_equal(line.param[FAULT_P_KEY], 123);
    (void)next_of(&at, HALF_ASKS);
    assert_null(world_half_log_next(&rig.log, &at));
    close_rig();
}

static void fire(struct env_timer *timer)
{
    (void)timer;
}

TEST(the_state_has_the_earliest_timer)
{
    static struct env_timer early = {.fire = fire}, late = {.fire = fire};
    open_rig(0);
    struct world_seat *seat = enter();
    env_arm(seat->env, &late, 2000);
    env_arm(seat->env, &early, 1000);
    world_half_leave(rig.half, &rig.state);
    assert_true(rig.state.has_timer);
    assert_int_equal(rig.state.deadline_ns, 1000);
    assert_int_equal(rig.state.timer_sequence, 1);
    seat = enter();
    env_disarm(seat->env, &early);
    world_half_leave(rig.half, &rig.state);
    assert_int_equal(rig.state.deadline_ns, 2000);
    seat = enter();
    env_disarm(seat->env, &late);
    world_half_leave(rig.half, &rig.state);
    assert_false(rig.state.has_timer);
    close_rig();
}

/* ---- completions ---- */

struct reading {
    struct env_op op;
    uint8_t buffer[8];
    uint64_t n;
    int done_count;
};

static void on_read(struct env_op *op, enum err e, uint64_t n)
{
    struct reading *reading = CONTAINER_OF(op, struct reading, op);
    assert_int_equal(e, ERR_NONE);
    reading->n = n;
    reading->done_count++;
}

TEST(completions_find_their_operations_by_name)
{
    enum { COUNT = 200 };
    static struct reading readings[COUNT];
    static uint64_t ids[COUNT];
    memset(readings, 0, sizeof readings);
    open_rig(0);
    struct world_seat *seat = enter();
    for (int i = 0; i < COUNT; i++)
        env_read(seat->env, &readings[i].op, 1, 0, readings[i].buffer, 8, on_read);
    world_half_leave(rig.half, &rig.state);
    size_t at = 0;
    for (int i = 0; i < COUNT; i++)
        ids[i] = next_of(&at, HALF_ASKS)->id;
    for (int k = 0; k < COUNT; k++) {
        int i = k * 77 % COUNT; /* in another order */
        uint8_t bytes[8];
        put_u64(bytes, (uint64_t)i);
        world_half_run(rig.half,
                       &(struct half_event){
                           .type = HALF_DONE, .id = ids[i], .n = 8, .bytes = bytes_of(bytes, 8)},
                       &rig.state);
        assert_int_equal(rig.log.size, 0);
        assert_int_equal(readings[i].done_count, 1);
        assert_int_equal(get_u64(readings[i].buffer), (uint64_t)i);
        assert_false(readings[i].op.in_flight);
    }
    close_rig();
}

static void count_up(void *argument)
{
    (*(int *)argument)++;
}

TEST(offload_runs_in_the_node_when_its_completion_comes)
{
    static struct env_op op;
    static int count;
    open_rig(0);
    struct world_seat *seat = enter();
    env_offload(seat->env, &op, count_up, &count, done);
    world_half_leave(rig.half, &rig.state);
    assert_int_equal(count, 0);
    size_t at = 0;
    uint64_t id = next_of(&at, HALF_ASKS)->id;
    world_half_run(rig.half, &(struct half_event){.type = HALF_DONE, .id = id}, &rig.state);
    assert_int_equal(count, 1);
    close_rig();
}

/* ---- sealed ---- */

/* What the world's half does between two handlers, it does without the node's heap. */
TEST(the_world_needs_no_heap_of_a_node)
{
    uint64_t hash[2];
    for (int sealed = 0; sealed < 2; sealed++) {
        struct stage stage;
        stage_open(&stage, &(struct world_config){.seed = 6, .memory.sealed = sealed == 1});
        stage_add(&stage, &echo_program, "server", "");
        stage_add(&stage, &pinger_program, "client", "server 100 3000");
        stage_add(&stage, &ticker_program, "clock", "");
        stage_add(&stage, &writer_program, "disk", "");
        world_run_until(stage.world, SECOND_NS);
        world_kill(stage.world, 3, 5);
        world_pause(stage.world, 1);
        world_run_until(stage.world, 2 * SECOND_NS);
        world_heal(stage.world);
        world_stop(stage.world, 0);
        world_power_loss(stage.world, fault_node(3));
        world_run_until(stage.world, 3 * SECOND_NS);
        assert_true(stage.rows[TRACE_LOG_DURABLE] > 20);
        hash[sealed] = stage_hash(&stage);
        stage_close(&stage);
    }
    assert_true(hash[0] == hash[1]);
}

#ifdef KILN_ARENAS
static sigjmp_buf fault;

static void on_fault(int number)
{
    (void)number;
    siglongjmp(fault, 1);
}

/* And would be caught if it did otherwise. */
TEST(a_sealed_heap_faults)
{
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = 6, .memory.sealed = true});
    stage_add(&stage, &echo_program, "server", "");
    world_run_until(stage.world, SECOND_NS);
    world_sit(stage.world, 0);
    volatile uint8_t *own = mem_alloc(world_seat(stage.world, 0)->mem, 100);
    own[0] = 1;
    world_rise(stage.world, 0);
    struct sigaction mine = {.sa_handler = on_fault}, before;
    sigaction(SIGSEGV, &mine, &before);
    bool faulted = sigsetjmp(fault, 1) != 0;
    if (!faulted)
        (void)own[0];
    sigaction(SIGSEGV, &before, NULL);
    assert_true(faulted);
    stage_close(&stage);
}
#endif

/* ---- kills ---- */

static enum err start_speaking(struct world_seat *seat)
{
    static struct env_op ops[3];
    memset(ops, 0, sizeof ops); /* of an earlier life */
    for (uint64_t i = 0; i < 3; i++) {
        TRACE(seat->trace, LOG_DURABLE, .partition = 1, .end = i);
        env_make_dir(seat->env, &ops[i], "dir", done);
        world_reply(seat, i, bytes_of(NULL, 0));
    }
    return ERR_NONE;
}

static const struct world_program speaker = {.kind = "speaker", .start = start_speaking};

/* What it would have said behind the operation at which it died, nobody has heard: no row, no reply
 * and no further operation. */
TEST(a_node_that_dies_at_an_operation_says_nothing_more)
{
    for (uint32_t at_op = 1; at_op <= 4; at_op++) {
        struct stage stage;
        uint32_t node;
        stage_open(&stage, &(struct world_config){.seed = 2});
        assert_ok(world_add_node(stage.world, &speaker, "node", bytes_text(""), &node));
        world_kill(stage.world, node, at_op);
        world_start(stage.world, node);
        world_run_until(stage.world, SECOND_NS);
        bool dies = at_op <= 3;
        assert_int_equal(world_node_life(stage.world, node), dies ? WORLD_DOWN : WORLD_UP);
        assert_int_equal(stage.rows[TRACE_LOG_DURABLE], dies ? at_op : 3);
        assert_int_equal(stage.reply_count, dies ? at_op - 1 : 3);
        assert_int_equal(world_node_op_count(stage.world, node), dies ? at_op - 1 : 3);
        stage_close(&stage);
    }
}
