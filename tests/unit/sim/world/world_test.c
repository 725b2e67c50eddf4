/* world_test.c - one seed, one history: time, the chain, what must not matter to it, streams. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "programs.h"

/* A server, clients, timers and a disk for some seconds; nobody asks anything. */
static uint64_t history(const struct world_config *config, bool watched, struct world_stats *stats)
{
    struct stage stage;
    (watched ? stage_open : stage_open_blind)(&stage, config);
    stage_add(&stage, &echo_program, "server", "");
    stage_add(&stage, &pinger_program, "near", "server 200 300");
    stage_add(&stage, &pinger_program, "far", "server 20 200000");
    stage_add(&stage, &ticker_program, "clock", "");
    stage_add(&stage, &writer_program, "disk", "");
    world_run_until(stage.world, 2 * SECOND_NS);
    world_power_loss(stage.world, fault_node(4));
    world_start(stage.world, 4);
    world_run_until(stage.world, 4 * SECOND_NS);
    if (watched)
        assert_true(stage.rows[TRACE_LOG_ROLL] > 1000);
    if (stats != NULL)
        world_stats(stage.world, stats);
    uint64_t hash = stage_hash(&stage);
    stage_close(&stage);
    return hash;
}

TEST(same_seed_same_hash)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world_stats one, other;
        struct world_config config = {.seed = seed};
        assert_true(history(&config, true, &one) == history(&config, true, &other));
        assert_true(one.event_count == other.event_count);
        assert_true(one.event_count > 1000);
        assert_memory_equal(&one.mark_count, &other.mark_count, sizeof one.mark_count);
        if (seed == 1) /* to compare builds by eye */
            print_message("hash of seed 1: %016llx\n", (unsigned long long)one.hash);
    }
}

TEST(another_seed_another_hash)
{
    uint64_t before = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct world_config config = {.seed = seed};
        uint64_t hash = history(&config, true, NULL);
        assert_true(hash != before);
        before = hash;
    }
}

TEST(watchers_do_not_change_the_hash)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct world_config config = {.seed = seed};
        assert_true(history(&config, true, NULL) == history(&config, false, NULL));
    }
}

/* As kiln verify has them. */
#define SIDES 3
static const struct world_memory sides[SIDES] = {
    {0},
    {.shuffle = true, .displaced = true, .sealed = true, .poison = 0x5a, .range = 7},
    {.plain = true, .poison = 0xa5},
};

TEST(addresses_and_poison_do_not_change_the_hash)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct world_config plain = {.seed = seed};
        for (int side = 1; side < SIDES; side++) {
            struct world_config other = {.seed = seed, .memory = sides[side]};
            assert_true(history(&plain, false, NULL) == history(&other, false, NULL));
        }
    }
}

#ifdef KILN_ARENAS
/* ---- planted: what depends on a bit of an address ---- */

#define PLANTED 24

static void planted_fire(struct env_timer *timer)
{
    (void)timer;
}

/* Blocks of several sizes; that bit of their addresses decides when a timer fires. */
static enum err planted_start(struct world_seat *seat)
{
    int bit = (int)(seat->args.data[0] - ' ');
    int64_t late_ns = 0;
    for (size_t i = 0; i < PLANTED; i++) {
        void *block = mem_alloc(seat->mem, 24 + i * i * 9);
        assert_non_null(block);
        late_ns += (int64_t)((uintptr_t)block >> bit & 1) << i;
    }
    struct env_timer *timer = mem_zalloc(seat->mem, sizeof *timer);
    assert_non_null(timer);
    timer->fire = planted_fire;
    env_arm(seat->env, timer, env_now(seat->env) + 1000 + late_ns);
    return ERR_NONE;
}

static uint64_t planted_hash(int bit, const struct world_memory *memory)
{
    static const struct world_program planted = {.kind = "planted", .start = planted_start};
    struct stage stage;
    char args[2] = {(char)(' ' + bit), 0};
    stage_open(&stage, &(struct world_config){.seed = 1, .memory = *memory});
    stage_add(&stage, &planted, "first", args);
    stage_add(&stage, &planted, "second", args);
    world_run_until(stage.world, SECOND_NS);
    uint64_t hash = stage_hash(&stage);
    stage_close(&stage);
    return hash;
}

/* The two sides of verify whose addresses are chosen differ in all of them. */
TEST(dependence_on_any_bit_of_an_address_is_found)
{
    for (int bit = 6; bit <= 40; bit++) {
        uint64_t hash = planted_hash(bit, &sides[0]);
        if (planted_hash(bit, &sides[1]) == hash)
            fail_msg("bit %d is the same on both sides", bit);
    }
}
#endif

TEST(disks_of_files_do_not_change_the_hash)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        char dir[] = "/tmp/kiln-world-XXXXXX";
        char command[128];
        assert_non_null(mkdtemp(dir));
        struct world_config memory = {.seed = seed};
        struct world_config files = {.seed = seed, .disk_dir = dir};
        assert_true(history(&memory, false, NULL) == history(&files, false, NULL));
        snprintf(command, sizeof command, "test -s %s/disk/dir/log && rm -r %s", dir, dir);
        assert_int_equal(system(command), 0);
    }
}

/* ---- steps ---- */

struct recorder {
    struct world_sink sink;
    uint64_t count, hash, number, causes_ahead;
};

static void on_step(struct world_sink *sink, const struct world_step_info *info)
{
    struct recorder *recorder = CONTAINER_OF(sink, struct recorder, sink);
    recorder->count++;
    recorder->hash = info->hash;
    recorder->causes_ahead += info->cause > info->number;
    assert_true(info->number >= recorder->number);
    recorder->number = info->number;
}

TEST(every_step_is_told_with_its_cause)
{
    struct stage stage;
    struct recorder recorder = {.sink.step = on_step};
    struct world_stats stats;
    stage_open(&stage, &(struct world_config){.seed = 5});
    world_add_sink(stage.world, &recorder.sink);
    stage_add(&stage, &echo_program, "server", "");
    stage_add(&stage, &pinger_program, "client", "server 50 300");
    world_run_until(stage.world, SECOND_NS);
    world_stats(stage.world, &stats);
    assert_true(recorder.hash == stats.hash);
    assert_true(recorder.count > stats.submission_count);
    assert_int_equal(recorder.causes_ahead, 0);
    stage_close(&stage);
}

/* ---- chance ---- */

#define DRAWN_NODES 3
#define DRAWN_LIVES 4
#define DRAWN_KEYS 50

/* What each of its lives draws with each key, one behind the other; noisy: other draws between. */
static void draw_lives(struct stage *stage, uint32_t node, bool noisy, uint64_t *drawn)
{
    static const char *const sites[] = {"metadata/incarnation", "dir/id"};
    for (int life = 0; life < DRAWN_LIVES; life++) {
        world_start(stage->world, node);
        world_run_until(stage->world, world_now(stage->world) + SECOND_NS);
        world_sit(stage->world, node);
        struct world_seat *seat = world_seat(stage->world, node);
        for (uint64_t i = 0; noisy && i < 70000; i++)
            (void)env_random(seat->env, "noise", i);
        for (uint64_t i = 0; i < DRAWN_KEYS; i++)
            *drawn++ = env_random(seat->env, sites[i % 2], i / 4);
        world_rise(stage->world, node);
        world_kill(stage->world, node, 0);
    }
}

static void draw_nodes(bool noisy, uint64_t *drawn)
{
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = 3});
    for (uint32_t node = 0; node < DRAWN_NODES; node++) {
        static const char *const names[DRAWN_NODES] = {"one", "two", "three"};
        assert_int_equal(stage_add(&stage, &echo_program, names[node], ""), node);
        draw_lives(&stage, node, noisy, drawn + node * DRAWN_LIVES * DRAWN_KEYS);
    }
    stage_close(&stage);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* Incarnations, ids of directories and clusters: no life ever draws what another life, or another
 * node, has drawn; and a life draws the same whatever else it and those before it drew. */
TEST(no_two_lives_draw_the_same_identity)
{
    enum { ALL = DRAWN_NODES * DRAWN_LIVES * DRAWN_KEYS };
    static uint64_t quiet[ALL], noisy[ALL];
    draw_nodes(false, quiet);
    draw_nodes(true, noisy);
    assert_memory_equal(quiet, noisy, sizeof quiet);
    qsort(quiet, ALL, sizeof quiet[0], by_value);
    for (int i = 1; i < ALL; i++)
        assert_true(quiet[i] != quiet[i - 1]);
}

/* ---- the chains ---- */

/* A bit that nobody reads again is a difference of what the disks hold, and of nothing else. */
TEST(the_hash_has_what_disks_hold_at_the_end)
{
    uint64_t hash[3];
    for (int i = 0; i < 3; i++) {
        struct stage stage;
        struct world_stats stats;
        stage_open(&stage, &(struct world_config){.seed = 3});
        stage_add(&stage, &writer_program, "disk", "");
        world_run_until(stage.world, SECOND_NS);
        world_kill(stage.world, 0, 0);
        world_stats(stage.world, &stats);
        uint64_t before = stats.hash;
        struct fault_line line;
        assert_ok(fault_line_parse(
            &line, bytes_text("at 0s node 0 disk flip file=dir/log offset=3 bit=1"), NULL));
        if (i == 2)
            world_harm(stage.world, &line);
        world_stats(stage.world, &stats);
        assert_true(stats.hash == before);
        world_seal(stage.world);
        world_stats(stage.world, &stats);
        hash[i] = stats.hash;
        stage_close(&stage);
    }
    assert_true(hash[0] == hash[1]);
    assert_true(hash[0] != hash[2]);
}

/* ---- streams ---- */

static void echoes(uint64_t seed, enum net_split split, const char *args)
{
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = seed, .split = split});
    stage_add(&stage, &echo_program, "server", "");
    world_run_until(stage.world, SECOND_NS); /* it listens */
    uint32_t client = stage_add(&stage, &pinger_program, "client", args);
    struct pinger_report report = stage_ask_pinger(&stage, client);
    assert_true(report.finished);
    assert_int_equal(report.wrong, 0);
    assert_int_equal(report.errors, 0);
    stage_close(&stage);
}

TEST(streams_keep_their_bytes_under_every_split)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        echoes(seed, NET_SPLIT_BYTES, "server 5 300");
        echoes(seed, NET_SPLIT_NONE, "server 20 100000");
        echoes(seed, NET_SPLIT_RANDOM, "server 20 100000");
        echoes(seed, NET_SPLIT_RANDOM, "server 2 5000000");
    }
}

TEST(a_node_reaches_itself)
{
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = 1});
    stage_add(&stage, &echo_program, "server", "");
    uint32_t client = stage_add(&stage, &pinger_program, "client", "localhost 5 10");
    world_run_until(stage.world, SECOND_NS);
    assert_true(world_command(stage.world, client, 1, bytes_text("?")));
    world_run_until(stage.world, 2 * SECOND_NS);
    struct pinger_report report;
    memcpy(&report, stage.reply, sizeof report);
    assert_true(report.errors > 10); /* nobody listens there: refused again and again */
    assert_int_equal(report.echoed, 0);
    stage_close(&stage);
}

/* ---- clean ends ---- */

TEST(a_clean_end_leaves_no_memory)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct stage stage;
        struct world_stats stats;
        stage_open(&stage, &(struct world_config){.seed = seed, .assert_leaks = true});
        stage_add(&stage, &echo_program, "server", "");
        stage_add(&stage, &pinger_program, "one", "server 100000 300");
        stage_add(&stage, &pinger_program, "two", "server 100000 3000");
        stage_add(&stage, &writer_program, "disk", "");
        world_run_until(stage.world, SECOND_NS);
        for (uint32_t node = 0; node < 4; node++)
            world_stop(stage.world, node);
        world_run_until(stage.world, 30 * SECOND_NS);
        for (uint32_t node = 0; node < 4; node++)
            assert_int_equal(world_node_life(stage.world, node), WORLD_DOWN);
        assert_int_equal(stage.exit_count, 4);
        assert_int_equal(stage.rows[TRACE_NODE_EXIT], 4);
        world_stats(stage.world, &stats);
        assert_int_equal(stats.leaked_count, 0);
        assert_int_equal(stats.node_bytes, 0);
        assert_true(world_quiet(stage.world));
        stage_close(&stage);
    }
}

static void leave_it(struct world_seat *seat)
{
    world_exit(seat, ERR_NONE);
}

static enum err take_some(struct world_seat *seat)
{
    for (int i = 0; i < 3; i++) {
        seat->self = mem_alloc(seat->mem, 100);
        ASSERT(seat->self != NULL);
    }
    return ERR_NONE;
}

TEST(a_clean_end_that_leaks_is_reported)
{
    static const struct world_program leaky = {
        .kind = "leaky", .start = take_some, .stop = leave_it};
    struct stage stage;
    struct world_stats stats;
    stage_open(&stage, &(struct world_config){.seed = 1});
    stage_add(&stage, &leaky, "leaky", "");
    world_run_until(stage.world, MS_NS);
    world_stop(stage.world, 0);
    world_run_until(stage.world, SECOND_NS);
    world_stats(stage.world, &stats);
    assert_int_equal(stats.leaked_count, 3);
    assert_int_equal(stage.leaked_count, 3);
    stage_close(&stage);
}

/* ---- memory ---- */

static enum err take_all(struct world_seat *seat)
{
    for (int i = 0; i < 1 << 20; i++) {
        uint8_t *block = mem_alloc(seat->mem, 1 << 20);
        if (block == NULL)
            return ERR_NOMEM;
    }
    return ERR_NONE;
}

TEST(a_node_cannot_take_more_than_its_heap)
{
    static const struct world_program greedy = {.kind = "greedy", .start = take_all};
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = 1});
    stage_add(&stage, &greedy, "greedy", "");
    world_run_until(stage.world, SECOND_NS);
    assert_int_equal(stage.exit_count, 1);
    assert_int_equal(stage.exit_err, ERR_NOMEM);
    stage_close(&stage);
}

#ifdef KILN_ARENAS
static enum err show_address(struct world_seat *seat)
{
    uint64_t *block = mem_alloc(seat->mem, 48);
    ASSERT(block != NULL);
    *block = 1;
    seat->self = block;
    TRACE(seat->trace, LOG_ROLL, .partition = (uintptr_t)block, .base = 0);
    return ERR_NONE;
}

/* A pointer that outlives its node faults; it does not find the next life's memory. */
TEST(lives_do_not_share_addresses)
{
    static const struct world_program shows = {.kind = "shows", .start = show_address};
    uint64_t first = 0;
    for (int run = 0; run < 2; run++) {
        struct stage stage;
        uint64_t seen[3];
        stage_open(&stage, &(struct world_config){.seed = 1});
        stage_add(&stage, &shows, "shows", "");
        for (int life = 0; life < 3; life++) {
            world_start(stage.world, 0);
            world_run_until(stage.world, world_now(stage.world) + MS_NS);
            seen[life] = TEST_COLUMN(&stage.last[TRACE_LOG_ROLL], LOG_ROLL, partition);
            world_kill(stage.world, 0, 0);
        }
        assert_true(seen[0] != seen[1]);
        assert_true(seen[1] != seen[2]);
        assert_true(run == 0 || seen[0] == first); /* the same in every run */
        first = seen[0];
        stage_close(&stage);
    }
}
#endif

TEST(without_memory_there_is_no_world)
{
    for (uint64_t n = 1;; n++) {
        struct test_mem mem;
        struct errmsg msg = {0};
        uint32_t node;
        test_mem_init(&mem);
        mem.fail_at = n;
        struct world *world = world_new(&mem.mem, &(struct world_config){.seed = 1}, &msg);
        if (world == NULL)
            assert_string_equal(msg.text, "a world: out of memory");
        else if (mem.failed == 0) { /* the n-th comes with the node, or not at all */
            enum err e = world_add_node(world, &echo_program, "server", bytes_text("x"), &node);
            assert_int_equal(e, mem.failed == 0 ? ERR_NONE : ERR_NOMEM);
        }
        world_free(world);
        test_mem_done(&mem);
        if (mem.failed == 0)
            break;
    }
}

TEST(a_directory_that_cannot_be_made_is_named)
{
    struct stage stage;
    uint32_t node;
    stage_open(&stage, &(struct world_config){.seed = 1, .disk_dir = "/nowhere/at/all"});
    assert_int_equal(world_add_node(stage.world, &echo_program, "server", bytes_text(""), &node),
                     ERR_IO);
    assert_non_null(strstr(world_message(stage.world), "/nowhere/at/all/server"));
    stage_close(&stage);
}

/* ---- names ---- */

TEST(names_are_unique_and_found)
{
    struct stage stage;
    uint32_t node;
    stage_open(&stage, &(struct world_config){.seed = 1});
    stage_add(&stage, &echo_program, "one", "");
    stage_add(&stage, &echo_program, "two", "");
    assert_int_equal(world_add_node(stage.world, &echo_program, "one", bytes_text(""), &node),
                     ERR_EXISTS);
    assert_true(world_find_node(stage.world, "two", &node));
    assert_int_equal(node, 1);
    assert_false(world_find_node(stage.world, "three", &node));
    assert_string_equal(world_node_name(stage.world, 0), "one");
    stage_close(&stage);
}

/* ---- calls ---- */

struct counter {
    struct world_call call;
    struct stage *stage;
    int64_t at_ns;
    int count;
};

static void count_call(struct world_call *call)
{
    struct counter *counter = CONTAINER_OF(call, struct counter, call);
    counter->at_ns = world_now(counter->stage->world);
    if (++counter->count < 5)
        world_call_at(counter->stage->world, call, counter->at_ns + SECOND_NS);
    else
        world_halt(counter->stage->world);
}

TEST(calls_run_at_their_time)
{
    struct stage stage;
    struct counter counter = {.call.run = count_call, .stage = &stage};
    struct counter never = {.call.run = count_call, .stage = &stage};
    stage_open(&stage, &(struct world_config){.seed = 1});
    world_call_at(stage.world, &counter.call, 3 * SECOND_NS);
    world_call_at(stage.world, &never.call, 4 * SECOND_NS);
    world_call_cancel(stage.world, &never.call);
    assert_int_equal(world_run_until(stage.world, 2 * SECOND_NS), WORLD_REACHED);
    assert_int_equal(counter.count, 0);
    assert_int_equal(world_run_until(stage.world, 100 * SECOND_NS), WORLD_HALTED);
    assert_int_equal(counter.count, 5);
    assert_true(counter.at_ns == 7 * SECOND_NS);
    assert_int_equal(world_run_until(stage.world, 100 * SECOND_NS), WORLD_IDLE);
    assert_int_equal(never.count, 0);
    stage_close(&stage);
}

TEST(the_next_life_may_run_another_program)
{
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = 1});
    stage_add(&stage, &echo_program, "one", "");
    world_run_until(stage.world, SECOND_NS);
    assert_int_equal(world_set_program(stage.world, 0, &ticker_program, bytes_text("")), ERR_BUSY);
    world_stop(stage.world, 0);
    world_run_until(stage.world, 2 * SECOND_NS);
    assert_ok(world_set_program(stage.world, 0, &ticker_program, bytes_text("")));
    world_start(stage.world, 0);
    world_run_until(stage.world, 3 * SECOND_NS);
    assert_true(stage.rows[TRACE_LOG_ROLL] > 10);
    stage_close(&stage);
}

/* ---- causes ---- */

#define EVENTS_MAX (1 << 18)

/* Which node each event was of; what came from another node was caused by one of its. */
struct causes {
    struct world_sink sink;
    uint8_t *node_of; /* + 1 */
    uint64_t receives, accepts, ends, several, wrong;
};

static void note_cause(struct world_sink *sink, const struct world_step_info *info)
{
    struct causes *c = CONTAINER_OF(sink, struct causes, sink);
    if (!info->delivers)
        return;
    assert_true(info->number < EVENTS_MAX);
    c->node_of[info->number] = (uint8_t)(info->node + 1);
    bool receives = strcmp(info->what, "done receive") == 0;
    bool accepts = strcmp(info->what, "done accept") == 0;
    bool came = (receives && (info->err == ERR_NONE || info->err == ERR_EOF)) ||
                (accepts && info->err == ERR_NONE);
    c->wrong += info->cause >= info->number || info->since > info->cause;
    if (!came)
        return;
    uint32_t from = c->node_of[info->cause];
    c->wrong += from == 0 || from == info->node + 1 || c->node_of[info->since] != from;
    c->receives += receives && info->err == ERR_NONE;
    c->ends += receives && info->err == ERR_EOF;
    c->accepts += accepts;
    c->several += info->since != info->cause;
}

/* Also in pieces, over a window that is full, and when the peer leaves. */
TEST(what_comes_from_a_node_was_caused_by_an_event_of_that_node)
{
    uint64_t several = 0, ends = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct stage stage;
        struct causes causes = {.sink = {.step = note_cause}};
        causes.node_of = calloc(EVENTS_MAX, 1);
        stage_open(&stage, &(struct world_config){.seed = seed});
        world_add_sink(stage.world, &causes.sink);
        stage_add(&stage, &echo_program, "server", "");
        stage_add(&stage, &pinger_program, "near", "server 200 300");
        stage_add(&stage, &pinger_program, "far", "server 20 200000");
        world_run_until(stage.world, SECOND_NS / 5);
        world_stop(stage.world, 1); /* its machine closes what it had open */
        world_run_until(stage.world, 4 * SECOND_NS);
        assert_true(causes.receives > 200);
        assert_true(causes.accepts >= 2);
        assert_int_equal(causes.wrong, 0);
        several += causes.several;
        ends += causes.ends;
        stage_close(&stage);
        free(causes.node_of);
    }
    assert_true(several > 0);
    assert_true(ends > 0);
}

/* ---- a crash ---- */

static void write_some(struct world_seat *seat)
{
    TRACE(seat->trace, LOG_CUT, .partition = 1, .end = 5, .was = 9);
    trace_put_text(seat->trace, TRACE_SAY, NULL, "this is the end");
}

static enum err write_and_crash(struct world_seat *seat)
{
    write_some(seat);
    abort();
}

/* Its rows lie in the same memory, and one more behind them. */
static enum err write_more(struct world_seat *seat)
{
    write_some(seat);
    write_some(seat);
    return ERR_NONE;
}

static const struct world_program writing_program = {.kind = "write", .start = write_more};

static const struct world_program crashing_program = {.kind = "crash", .start = write_and_crash};

TEST(rows_of_a_handler_that_crashes_are_left)
{
    uint64_t *rows = mmap(NULL, WORLD_TRACE_WORDS * sizeof *rows, PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(rows != MAP_FAILED);
    pid_t child = fork();
    if (child == 0) {
        struct stage stage;
        stage_open(&stage, &(struct world_config){.rows = rows});
        stage_add(&stage, &writing_program, "before", "");
        world_run_until(stage.world, SECOND_NS);
        stage_add(&stage, &crashing_program, "one", "");
        world_run_until(stage.world, 2 * SECOND_NS);
        _exit(0);
    }
    int status = 0;
    assert_true(waitpid(child, &status, 0) == child);
    assert_true(WIFSIGNALED(status));
    uint32_t at = 0, size = trace_rows_left(rows, WORLD_TRACE_WORDS);
    const struct trace_row *row = trace_next(rows, size, &at);
    assert_non_null(row);
    assert_int_equal(TRACE_AS(row, LOG_CUT)->was, 9);
    assert_int_equal(row->event, 0); /* nobody has told it yet */
    row = trace_next(rows, size, &at);
    assert_non_null(row);
    assert_string_equal(trace_text(row), "this is the end");
    assert_null(trace_next(rows, size, &at));
    munmap(rows, WORLD_TRACE_WORDS * sizeof *rows);
}
