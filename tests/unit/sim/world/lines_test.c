/* lines_test.c - lines of a plan that say more than a time and a node: sets of nodes, what comes
 * again and again, clocks that drift, and what waits for a row. Each bites where one can see it. */
#include "programs.h"

struct lined {
    struct stage stage;
    struct fault_plan plan;
    struct mem mem;
    struct world_sink sink;
    uint64_t accepted; /* connections */
};

static void on_step(struct world_sink *sink, const struct world_step_info *info)
{
    struct lined *lined = CONTAINER_OF(sink, struct lined, sink);
    lined->accepted += strcmp(info->what, "done accept") == 0 && info->err == ERR_NONE;
}

static void open_lined(struct lined *lined, const char *lines)
{
    struct errmsg msg = {{0}};
    *lined = (struct lined){.sink.step = on_step};
    mem_system(&lined->mem);
    fault_plan_init(&lined->plan, &lined->mem);
    if (fault_plan_parse(&lined->plan, bytes_text(lines), &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    struct world_config config = {.seed = 7, .plan = &lined->plan, .delay_mean_ns = 200000};
    stage_open(&lined->stage, &config);
    world_add_sink(lined->stage.world, &lined->sink);
}

static void close_lined(struct lined *lined)
{
    stage_close(&lined->stage);
    fault_plan_free(&lined->plan);
    assert_int_equal(lined->mem.live_count, 0);
}

static struct pinger_report ask(struct lined *lined, uint32_t node)
{
    struct pinger_report report = {0};
    struct stage *stage = &lined->stage;
    assert_true(world_command(stage->world, node, 1, bytes_text("?")));
    world_run_until(stage->world, world_now(stage->world) + MS_NS);
    memcpy(&report, stage->reply, MIN(stage->reply_size, sizeof report));
    return report;
}

/* A server and three clients: nodes 0 to 3. */
static void open_town(struct lined *lined, const char *lines)
{
    static const char *const names[] = {"one", "two", "three"};
    open_lined(lined, lines);
    stage_add(&lined->stage, &echo_program, "server", "");
    for (int i = 0; i < COUNT_OF(names); i++)
        stage_add(&lined->stage, &pinger_program, names[i], "server 10000000 100");
}

static void echoed_between(struct lined *lined, int64_t from_ns, int64_t to_ns, uint32_t count[3])
{
    world_run_until(lined->stage.world, from_ns);
    for (uint32_t i = 0; i < 3; i++)
        count[i] = ask(lined, i + 1).echoed;
    world_run_until(lined->stage.world, to_ns);
    for (uint32_t i = 0; i < 3; i++)
        count[i] = ask(lined, i + 1).echoed - count[i];
}

TEST(a_cut_of_two_sides_cuts_every_link_between_them_and_no_other)
{
    struct lined lined;
    uint32_t count[3];
    open_town(&lined, "at 1s link 0-1,2 cut for 2s\n");
    echoed_between(&lined, SECOND_NS + 100 * MS_NS, 2 * SECOND_NS, count);
    assert_int_equal(count[0], 0);
    assert_int_equal(count[1], 0);
    assert_true(count[2] > 100);
    echoed_between(&lined, 6 * SECOND_NS, 7 * SECOND_NS, count);
    assert_true(count[0] > 100 && count[1] > 100);
    close_lined(&lined);
}

TEST(a_star_is_everybody_else)
{
    struct lined lined;
    uint32_t count[3];
    open_town(&lined, "at 1s link 2-* cut for 2s\n");
    echoed_between(&lined, SECOND_NS + 100 * MS_NS, 2 * SECOND_NS, count);
    assert_true(count[0] > 100 && count[2] > 100);
    assert_int_equal(count[1], 0);
    close_lined(&lined);
}

TEST(a_link_that_flaps_is_cut_and_whole_in_turns_and_whole_at_last)
{
    struct lined lined;
    uint32_t count[3];
    open_town(&lined, "at 1s link 0-1 cut every=300ms for 9300ms\n");
    int dead = 0, alive = 0;
    for (int i = 0; i < 30; i++) {
        int64_t from_ns = SECOND_NS + i * 300 * MS_NS;
        echoed_between(&lined, from_ns + 10 * MS_NS, from_ns + 290 * MS_NS, count);
        dead += count[0] == 0;
        alive += count[0] > 5;
    }
    assert_true(dead >= 15);
    assert_true(alive >= 5); /* after each heal it takes a retransmission */
    echoed_between(&lined, 15 * SECOND_NS, 16 * SECOND_NS, count);
    assert_true(count[0] > 100);
    assert_int_equal(world_fired(lined.stage.world)->count, 1);
    close_lined(&lined);
}

/* Its bytes arrive and are answered; it hears nothing, of them or of anything, and gives up. */
TEST(a_sender_gives_up_that_hears_no_acknowledgement)
{
    struct lined lined;
    uint32_t errors = 0;
    open_town(&lined, "at 1s link 0>1,2,3 cut for 14s\nat 40s link 0>1,2,3 cut for 65s\n");
    world_run_until(lined.stage.world, 40 * SECOND_NS - MS_NS);
    for (uint32_t i = 1; i <= 3; i++)
        errors += ask(&lined, i).errors;
    assert_int_equal(errors, 0); /* nobody gives up so soon */
    world_run_until(lined.stage.world, 105 * SECOND_NS - MS_NS);
    for (uint32_t i = 1; i <= 3; i++)
        errors += ask(&lined, i).errors;
    assert_true(errors > 0); /* whose question was under way when the link was cut */
    close_lined(&lined);
}

TEST(a_duplicate_handshake_is_accepted_and_harms_nobody)
{
    struct lined lined, other;
    open_town(&lined, "at 1s link 0-1 duplicate\nat 1500ms link 2-0 duplicate\n");
    open_town(&other, "at 1s node 3 pause for 1ms\n");
    world_run_until(lined.stage.world, 10 * SECOND_NS);
    world_run_until(other.stage.world, 10 * SECOND_NS);
    assert_int_equal(lined.accepted, other.accepted + 2);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(ask(&lined, i).errors, 0);
        assert_int_equal(ask(&lined, i).wrong, 0);
    }
    close_lined(&lined);
    close_lined(&other);
}

/* ---- time ---- */

static uint64_t ticks_in(const char *lines, int64_t until_ns)
{
    struct lined lined;
    open_lined(&lined, lines);
    stage_add(&lined.stage, &ticker_program, "clock", "");
    world_run_until(lined.stage.world, until_ns);
    uint64_t ticks = lined.stage.rows[TRACE_LOG_ROLL];
    close_lined(&lined);
    return ticks;
}

TEST(a_clock_that_drifts_makes_timers_come_sooner_or_later)
{
    uint64_t right = ticks_in("", 10 * SECOND_NS);
    uint64_t fast = ticks_in("at 0s node 0 drift ppm=200000", 10 * SECOND_NS);
    uint64_t slow = ticks_in("at 0s node 0 drift ppm=-200000", 10 * SECOND_NS);
    uint64_t half = ticks_in("at 0s node 0 drift ppm=200000 for 5s", 10 * SECOND_NS);
    assert_true(fast * 100 > right * 117 && fast * 100 < right * 123);
    assert_true(slow * 100 > right * 77 && slow * 100 < right * 83);
    assert_true(half * 100 > right * 107 && half * 100 < right * 113);
}

/* The wall goes along, and is right again once the world is healed. */
TEST(a_wall_that_drifts_is_wrong_until_it_is_set_right)
{
    struct lined lined;
    open_lined(&lined, "at 1s node 0 drift ppm=100000 for 5s");
    stage_add(&lined.stage, &ticker_program, "clock", "");
    world_run_until(lined.stage.world, 10 * SECOND_NS);
    const struct test_row *last = &lined.stage.last[TRACE_LOG_ROLL];
    int64_t off_ms = (int64_t)TEST_COLUMN(last, LOG_ROLL, base) - WORLD_WALL_START_MS -
                     last->row.time_ns / MS_NS;
    assert_in_range(off_ms, 499, 501);
    world_heal(lined.stage.world);
    world_run_until(lined.stage.world, 11 * SECOND_NS);
    off_ms = (int64_t)TEST_COLUMN(last, LOG_ROLL, base) - WORLD_WALL_START_MS -
             last->row.time_ns / MS_NS;
    assert_int_equal(off_ms, 0);
    close_lined(&lined);
}

TEST(a_node_that_stalls_does_less_and_goes_on)
{
    uint64_t right = ticks_in("", 10 * SECOND_NS);
    uint64_t stalls = ticks_in("at 0s node 0 stall by=400ms every=500ms for 10s", 10 * SECOND_NS);
    uint64_t late = ticks_in("at 0s node 0 stall by=400ms every=500ms for 2s", 10 * SECOND_NS);
    assert_true(stalls * 100 < right * 60 && stalls * 100 > right * 20);
    assert_true(late * 100 > right * 80);
}

/* ---- disks ---- */

static uint64_t durable_in(const char *lines)
{
    struct lined lined;
    open_lined(&lined, lines);
    stage_add(&lined.stage, &writer_program, "disk", "");
    world_run_until(lined.stage.world, 5 * SECOND_NS);
    uint64_t durable = TEST_COLUMN(&lined.stage.last[TRACE_LOG_DURABLE], LOG_DURABLE, end);
    close_lined(&lined);
    return durable;
}

TEST(slow_syncs_alone_are_slow)
{
    uint64_t right = durable_in("");
    uint64_t slow = durable_in("at 0s node 0 disk slow_sync factor=50 for 5s");
    assert_true(slow * 10 < right);
    assert_true(slow > 0);
}

TEST(a_restored_disk_is_the_one_that_was_backed_up)
{
    struct lined lined;
    open_lined(&lined, "at 1s node 0 disk backup\nat 3s node 0 disk restore\n");
    stage_add(&lined.stage, &writer_program, "disk", "");
    world_run_until(lined.stage.world, SECOND_NS);
    uint64_t then = TEST_COLUMN(&lined.stage.last[TRACE_LOG_DURABLE], LOG_DURABLE, end);
    world_run_until(lined.stage.world, 3 * SECOND_NS - 1);
    uint64_t before = TEST_COLUMN(&lined.stage.last[TRACE_LOG_DURABLE], LOG_DURABLE, end);
    world_run_until(lined.stage.world, 3 * SECOND_NS + 50 * MS_NS);
    uint64_t opened = TEST_COLUMN(&lined.stage.last[TRACE_LOG_OPEN], LOG_OPEN, end);
    assert_int_equal(lined.stage.rows[TRACE_LOG_OPEN], 2);
    assert_true(opened >= then && opened <= then + 1);
    assert_true(before > then + 10);
    close_lined(&lined);
}

TEST(without_a_backup_nothing_is_restored)
{
    struct lined lined;
    open_lined(&lined, "at 1s node 0 disk restore\n");
    stage_add(&lined.stage, &writer_program, "disk", "");
    world_run_until(lined.stage.world, 2 * SECOND_NS);
    assert_int_equal(world_fired(lined.stage.world)->count, 0);
    assert_int_equal(lined.stage.rows[TRACE_LOG_OPEN], 1);
    close_lined(&lined);
}

/* A new file finds no room, and a connect no descriptor. */
TEST(there_is_no_room_for_a_file_and_no_handle_for_a_connect)
{
    struct lined lined;
    open_lined(&lined, "at 0s node 0 rate site=disk/space rate=1000000 for 1s\n"
                       "at 0s node 1 rate site=net/handles rate=1000000 for 1s\n");
    stage_add(&lined.stage, &writer_program, "disk", "");
    stage_add(&lined.stage, &pinger_program, "client", "disk 10 10");
    world_run_until(lined.stage.world, SECOND_NS);
    assert_int_equal(lined.stage.rows[TRACE_LOG_OPEN], 0);
    const struct fault_plan *fired = world_fired(lined.stage.world);
    uint64_t seen = 0;
    for (int32_t i = 0; i < fired->count; i++)
        seen |= 1ull << fired->lines[i].param[FAULT_P_SITE];
    assert_int_equal(seen, 1u << FAULT_DISK_SPACE | 1u << FAULT_NET_HANDLES);
    close_lined(&lined);
}

/* ---- rows ---- */

TEST(a_line_waits_for_a_row_and_strikes_the_node_whose_it_is)
{
    struct lined lined;
    struct text text;
    open_lined(&lined, "on LOG_DURABLE(25) do node it kill for 300ms\n"
                       "on NODE_KILL(1) do link it-* cut for 1s\n");
    stage_add(&lined.stage, &ticker_program, "clock", "");
    stage_add(&lined.stage, &writer_program, "disk", "");
    world_run_until(lined.stage.world, 5 * SECOND_NS);
    const struct fault_plan *fired = world_fired(lined.stage.world);
    assert_int_equal(fired->count, 2);
    assert_int_equal(fired->lines[0].nodes, fault_node(1));
    assert_int_equal(fired->lines[1].from, fault_node(1));
    assert_true(fired->lines[1].to == FAULT_OTHERS);
    assert_int_equal(lined.stage.rows[TRACE_NODE_KILL], 1);
    assert_int_equal(lined.stage.rows[TRACE_LOG_OPEN], 2);
    /* What fired says when, so that it is a plan for itself. */
    text_init(&text, &lined.mem);
    fault_plan_print(fired, &text);
    assert_null(strstr(text.data, "on "));
    assert_non_null(strstr(text.data, " link 1-* cut for 1s"));
    text_free(&text);
    close_lined(&lined);
}

/* ---- the end of harm ---- */

TEST(outside_of_a_healed_core_nothing_runs_or_starts_until_all_is_healed)
{
    struct lined lined;
    open_lined(&lined, "at 1s node 0,1 kill\n");
    struct stage *stage = &lined.stage;
    for (int i = 0; i < 3; i++)
        stage_add(stage, &ticker_program, (const char *const[]){"core", "down", "up"}[i], "");
    world_run_until(stage->world, 2 * SECOND_NS);
    world_heal_core(stage->world, fault_node(0));
    world_start(stage->world, 1);
    world_run_until(stage->world, 3 * SECOND_NS);
    assert_int_equal(world_node_life(stage->world, 0), WORLD_UP);
    assert_int_equal(world_node_life(stage->world, 1), WORLD_DOWN);
    assert_int_equal(world_node_life(stage->world, 2), WORLD_PAUSED);
    world_heal(stage->world);
    world_run_until(stage->world, 4 * SECOND_NS);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(world_node_life(stage->world, i), WORLD_UP);
    close_lined(&lined);
}
