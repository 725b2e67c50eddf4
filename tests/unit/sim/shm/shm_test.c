/* shm_test.c - nodes in processes and threads: the same happens as in the world's own thread, each
 * is what it says it is, and the end of one is told. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "shm/area.h"
#include "shm/shm.h"
#include "unit/sim/world/programs.h"

#define HANDLER_MS_MAX 300

enum where {
    INLINE,
    THREADS,
    PROCESSES,
};

struct place {
    struct mem mem;
    struct half_host *host; /* NULL: the world's own thread */
};

static struct half_host *open_place(struct place *place, enum where where)
{
    *place = (struct place){0};
    mem_system(&place->mem);
    if (where == THREADS)
        assert_ok(shm_threads_new(&place->host, &place->mem));
    if (where == PROCESSES)
        assert_ok(shm_processes_new(&place->host, &place->mem, HANDLER_MS_MAX));
    return place->host;
}

static void close_place(struct place *place)
{
    shm_free(place->host);
    assert_int_equal(place->mem.live_count, 0);
}

/* ---- the same ---- */

/* Wants memory every millisecond, and tells when it gets none. */
struct hungry {
    struct world_seat *seat;
    struct env_timer timer;
    void *held;
};

static void want_more(struct env_timer *timer)
{
    struct hungry *h = CONTAINER_OF(timer, struct hungry, timer);
    struct env *env = h->seat->env;
    uint64_t bits = env_random(env, "test/hungry", 0);
    mem_free(h->seat->mem, h->held);
    h->held = mem_alloc(h->seat->mem, 1 + random_below(bits, 5000));
    SOMETIMES(h->seat->trace, RECOVERY_CUT_TAIL, h->held == NULL);
    if (h->held == NULL)
        TRACE(h->seat->trace, LOG_ROLL, .partition = bits, .base = 0);
    env_arm(env, timer, env_now(env) + MS_NS);
}

static enum err start_hungry(struct world_seat *seat)
{
    struct hungry *h = mem_zalloc(seat->mem, sizeof *h);
    if (h == NULL)
        return ERR_NOMEM;
    *h = (struct hungry){.seat = seat, .timer.fire = want_more};
    env_arm(seat->env, &h->timer, env_now(seat->env) + MS_NS);
    return ERR_NONE;
}

static const struct world_program hungry = {.kind = "hungry", .start = start_hungry};

/* Everything that ends a life, some allocations that fail, and what outlasts a life. */
static void live_through_all(struct stage *stage)
{
    struct fault_line rate = {.kind = FAULT_RATE, .nodes = fault_node(5)};
    rate.param[FAULT_P_SITE] = FAULT_ALLOC;
    rate.param[FAULT_P_RATE] = 20000;
    stage_add(stage, &echo_program, "server", "");
    stage_add(stage, &pinger_program, "near", "server 200 300");
    stage_add(stage, &pinger_program, "far", "server 20 200000");
    stage_add(stage, &ticker_program, "clock", "");
    stage_add(stage, &writer_program, "disk", "");
    stage_add(stage, &hungry, "hungry", "");
    world_run_until(stage->world, SECOND_NS / 2);
    world_harm(stage->world, &rate);
    world_kill(stage->world, 4, 3);
    world_run_until(stage->world, SECOND_NS);
    world_start(stage->world, 4);
    world_kill(stage->world, 3, 0);
    world_kill(stage->world, 5, 0);
    world_start(stage->world, 5);
    world_run_until(stage->world, 2 * SECOND_NS);
    world_power_loss(stage->world, fault_node(4) | fault_node(0));
    world_pause(stage->world, 1);
    world_run_until(stage->world, 3 * SECOND_NS);
    world_heal(stage->world);
    world_run_until(stage->world, 4 * SECOND_NS);
    world_stop(stage->world, 0);
    world_run_until(stage->world, 5 * SECOND_NS);
}

static void history_in(enum where where, uint64_t seed, struct world_memory memory,
                       struct world_stats *stats)
{
    struct stage stage;
    struct place place;
    struct world_config config = {.seed = seed,
                                  .memory = memory,
                                  .armed = 1u << FAULT_ALLOC,
                                  .host = open_place(&place, where)};
    stage_open(&stage, &config);
    live_through_all(&stage);
    world_seal(stage.world);
    world_stats(stage.world, stats);
    stage_close(&stage);
    close_place(&place);
}

static void assert_same_history(enum where where, struct world_memory memory)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct world_stats one, other;
        history_in(INLINE, seed, (struct world_memory){0}, &one);
        history_in(where, seed, memory, &other);
        assert_true(one.kill_count >= 2 && one.mark_count[MARK_RECOVERY_CUT_TAIL] > 20);
        assert_true(one.hash == other.hash);
        assert_true(one.rows_hash == other.rows_hash);
        assert_true(one.event_count == other.event_count);
        assert_true(one.fault_count == other.fault_count);
        assert_memory_equal(one.mark_count, other.mark_count, sizeof one.mark_count);
    }
}

TEST(the_same_happens_in_threads)
{
    assert_same_history(THREADS, (struct world_memory){0});
}

TEST(the_same_happens_in_processes)
{
    assert_same_history(PROCESSES, (struct world_memory){0});
}

TEST(the_same_happens_in_processes_with_other_memory)
{
    assert_same_history(
        PROCESSES,
        (struct world_memory){.shuffle = true, .displaced = true, .sealed = true, .poison = 90});
}

/* ---- what they are ---- */

struct identity {
    int32_t process, thread;
    char name[32];
};

static enum err start_well(struct world_seat *seat)
{
    (void)seat;
    return ERR_NONE;
}

static void exit_as_told(struct world_seat *seat)
{
    world_exit(seat, ERR_NONE);
}

/* As in a debugger, for twice as long as a handler may take. */
static void be_traced(void)
{
    struct timespec begun, now;
    int64_t ms = 0;
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    clock_gettime(CLOCK_MONOTONIC, &begun);
    while (ms < 2 * HANDLER_MS_MAX) {
        clock_gettime(CLOCK_MONOTONIC, &now);
        ms = (now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000;
    }
}

/* One byte behind a block of its heap. */
static void write_beyond(struct world_seat *seat)
{
    volatile uint8_t *block = mem_alloc(seat->mem, 16);
    volatile size_t beyond = 16;
    block[beyond] = 1;
}

/* "who": its identity. Anything else is an end of its own kind. */
static void obey_odd(struct world_seat *seat, uint64_t id, struct bytes command)
{
    struct identity identity = {.process = getpid(), .thread = (int32_t)syscall(SYS_gettid)};
    pthread_getname_np(pthread_self(), identity.name, sizeof identity.name);
    if (bytes_equal(command, bytes_text("who")))
        world_reply(seat, id, bytes_of((const uint8_t *)&identity, sizeof identity));
    else
        TRACE(seat->trace, LOG_CUT, .partition = id, .end = 5, .was = 9);
    if (bytes_equal(command, bytes_text("traced")))
        be_traced();
    else if (bytes_equal(command, bytes_text("beyond")))
        write_beyond(seat);
    else if (bytes_equal(command, bytes_text("abort")))
        abort();
    else if (bytes_equal(command, bytes_text("exit")))
        _exit(7);
    else if (bytes_equal(command, bytes_text("kill")))
        raise(SIGKILL);
    for (volatile bool forever = bytes_equal(command, bytes_text("forever")); forever;)
        continue;
}

static const struct world_program odd = {
    .kind = "odd", .start = start_well, .stop = exit_as_told, .command = obey_odd};

static struct identity ask_who(struct stage *stage, uint32_t node)
{
    struct identity identity;
    uint32_t before = stage->reply_count;
    world_run_until(stage->world, world_now(stage->world) + MS_NS);
    assert_true(world_command(stage->world, node, 1, bytes_text("who")));
    world_run_until(stage->world, world_now(stage->world) + MS_NS);
    assert_int_equal(stage->reply_count, before + 1);
    assert_int_equal(stage->reply_size, sizeof identity);
    memcpy(&identity, stage->reply, sizeof identity);
    return identity;
}

TEST(a_node_is_a_process_with_its_name_and_a_kill_takes_it)
{
    struct stage stage;
    struct place place;
    stage_open(&stage, &(struct world_config){.host = open_place(&place, PROCESSES)});
    stage_add(&stage, &odd, "here", "");
    stage_add(&stage, &odd, "there", "");
    struct identity here = ask_who(&stage, 0), there = ask_who(&stage, 1);
    assert_string_equal(here.name, "here");
    assert_string_equal(there.name, "there");
    assert_true(here.process != there.process && here.process != getpid());
    assert_int_equal(kill(here.process, 0), 0);
    world_kill(stage.world, 0, 0);
    world_run_until(stage.world, world_now(stage.world) + MS_NS);
    assert_true(kill(here.process, 0) != 0 && errno == ESRCH);
    world_start(stage.world, 0);
    assert_true(ask_who(&stage, 0).process != here.process);
    stage_close(&stage);
    assert_true(kill(there.process, 0) != 0 && errno == ESRCH);
    close_place(&place);
}

TEST(a_node_is_a_thread_with_its_name)
{
    struct stage stage;
    struct place place;
    stage_open(&stage, &(struct world_config){.host = open_place(&place, THREADS)});
    stage_add(&stage, &odd, "here", "");
    stage_add(&stage, &odd, "a_name_of_19_letters", "");
    struct identity here = ask_who(&stage, 0), there = ask_who(&stage, 1);
    assert_string_equal(here.name, "here");
    assert_string_equal(there.name, "a_name_of_19_le");
    assert_true(here.process == getpid() && here.thread != getpid());
    assert_true(here.thread != there.thread);
    world_kill(stage.world, 0, 0);
    world_start(stage.world, 0);
    assert_true(ask_who(&stage, 0).thread == here.thread);
    stage_close(&stage);
    close_place(&place);
}

/* ---- their ends ---- */

static struct {
    struct world_sink sink;
    struct world_break broke;
    char why[256], what[32];
    int count;
} ward;

static void on_broke(struct world_sink *sink, const struct world_break *broke)
{
    (void)sink;
    ward.broke = *broke;
    snprintf(ward.why, sizeof ward.why, "%s", broke->why);
    snprintf(ward.what, sizeof ward.what, "%s", broke->what);
    ward.count++;
}

static void assert_told(const char *command, const char *why)
{
    struct stage stage;
    struct place place;
    memset(&ward, 0, sizeof ward);
    ward.sink.broke = on_broke;
    stage_open(&stage, &(struct world_config){.host = open_place(&place, PROCESSES)});
    world_add_sink(stage.world, &ward.sink);
    stage_add(&stage, &odd, "other", "");
    stage_add(&stage, &odd, "one", "");
    world_run_until(stage.world, SECOND_NS);
    uint64_t before = stage_hash(&stage);
    assert_true(world_command(stage.world, 1, 1, bytes_text(command)));
    assert_int_equal(world_run_until(stage.world, 2 * SECOND_NS), WORLD_HALTED);
    assert_int_equal(ward.count, 1);
    assert_int_equal(ward.broke.node, 1);
    assert_false(ward.broke.lacked);
    assert_string_equal(ward.what, "command");
    assert_string_equal(ward.why, why);
    /* What its last handler wrote before that is told. */
    assert_int_equal(stage.rows[TRACE_LOG_CUT], 1);
    assert_int_equal(TEST_COLUMN(&stage.last[TRACE_LOG_CUT], LOG_CUT, was), 9);
    assert_int_equal(stage.last[TRACE_LOG_CUT].row.event, ward.broke.event);
    assert_true(stage_hash(&stage) != before);
    /* Nothing happens behind it. */
    uint64_t after = stage_hash(&stage);
    world_seal(stage.world);
    assert_false(world_step(stage.world));
    assert_int_equal(world_run_until(stage.world, 3 * SECOND_NS), WORLD_HALTED);
    assert_true(stage_hash(&stage) == after);
    stage_close(&stage);
    close_place(&place);
}

TEST(a_crash_is_told_with_its_event)
{
    assert_told("abort", "SIGABRT");
    assert_told("kill", "SIGKILL");
}

TEST(a_process_that_ends_by_itself_is_told)
{
    assert_told("exit", "its process ended with status 7; why stands on stderr");
}

TEST(a_handler_that_never_returns_is_told)
{
    assert_told("forever", "its handler had not returned after 0.3 s");
}

/* It has no time to write a row; those of the handler before it are another node's. */
TEST(a_node_that_dies_asleep_leaves_no_rows_of_others)
{
    struct stage stage;
    struct place place;
    memset(&ward, 0, sizeof ward);
    ward.sink.broke = on_broke;
    stage_open(&stage, &(struct world_config){.host = open_place(&place, PROCESSES)});
    world_add_sink(stage.world, &ward.sink);
    stage_add(&stage, &ticker_program, "ticker", "");
    stage_add(&stage, &odd, "odd", "");
    struct identity identity = ask_who(&stage, 1);
    world_run_until(stage.world, SECOND_NS);
    assert_int_equal(kill(identity.process, SIGKILL), 0);
    assert_true(world_command(stage.world, 1, 1, bytes_text("who")));
    assert_int_equal(world_run_until(stage.world, 2 * SECOND_NS), WORLD_HALTED);
    assert_int_equal(ward.broke.node, 1);
    assert_string_equal(ward.why, "SIGKILL");
    assert_true(stage.rows[TRACE_LOG_ROLL] > 100);
    assert_int_equal(stage.last[TRACE_LOG_ROLL].row.node, 0);
    stage_close(&stage);
    close_place(&place);
}

#ifdef __SANITIZE_ADDRESS__
TEST(a_finding_of_a_sanitizer_is_told)
{
    assert_told("beyond", "its process ended with status 1; why stands on stderr");
}
#endif

TEST(a_handler_that_a_debugger_holds_is_waited_for)
{
    struct stage stage;
    struct place place;
    stage_open(&stage, &(struct world_config){.host = open_place(&place, PROCESSES)});
    stage_add(&stage, &odd, "held", "");
    (void)ask_who(&stage, 0);
    assert_true(world_command(stage.world, 0, 1, bytes_text("traced")));
    assert_int_equal(world_run_until(stage.world, SECOND_NS), WORLD_IDLE);
    (void)ask_who(&stage, 0);
    stage_close(&stage);
    close_place(&place);
}

/* ---- the area ---- */

static uint64_t rows[WORLD_TRACE_WORDS];

TEST(an_answer_that_cannot_be_is_refused)
{
    struct mem mem;
    struct shm_area area = {0};
    struct half_state left;
    mem_system(&mem);
    assert_ok(shm_area_new(&area));
    struct half_log log = {.mem = &mem, .data = area.log, .fixed = true};
    assert_null(shm_area_take_answer(&area, &log, rows, &left));
    area.head->state.rows_size = WORLD_TRACE_WORDS + 1;
    assert_non_null(shm_area_take_answer(&area, &log, rows, &left));
    area.head->state.rows_size = 0;
    area.head->log_size = SHM_LOG_BYTES_MAX + 1;
    assert_non_null(shm_area_take_answer(&area, &log, rows, &left));
    area.head->log_size = 0;
    area.head->extent_count = -1;
    assert_non_null(shm_area_take_answer(&area, &log, rows, &left));
    area.head->extent_count = 2;
    memcpy(area.extents, (uint64_t[]){8, 1, (uint64_t)ENV_IO_BYTES_MAX + 1}, 24);
    assert_non_null(shm_area_take_answer(&area, &log, rows, &left));
    memcpy(area.extents, (uint64_t[]){8, 1, 0}, 24);
    assert_null(shm_area_take_answer(&area, &log, rows, &left));
    assert_int_equal(log.extent_count, 2);
    world_half_log_free(&log);
    shm_area_free(&area);
    assert_int_equal(mem.live_count, 0);
}
