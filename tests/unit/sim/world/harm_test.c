/* harm_test.c - deaths, power, pauses, clocks, links, disks, and plans that say them again. */
#include "programs.h"

/* ---- kills ---- */

/* The writer's claim: what it called durable is there in every later life. */
struct durable {
    struct world_sink sink;
    uint64_t promised, opened;
    int32_t lives;
    bool broken;
};

static void watch_writer(struct world_sink *sink, const struct trace_row *row)
{
    struct durable *durable = CONTAINER_OF(sink, struct durable, sink);
    if (row->kind == TRACE_LOG_DURABLE)
        durable->promised = TRACE_AS(row, LOG_DURABLE)->end;
    if (row->kind != TRACE_LOG_OPEN)
        return;
    durable->opened = TRACE_AS(row, LOG_OPEN)->end;
    durable->broken = durable->broken || durable->opened < durable->promised;
    durable->lives++;
}

/* From the first operation of the first life on, at each one in turn. */
TEST(killed_at_any_operation_nothing_durable_is_lost)
{
    for (uint32_t op = 1; op <= 60; op++) {
        struct stage stage;
        struct durable durable = {.sink.row = watch_writer};
        stage_open(&stage, &(struct world_config){.seed = op});
        world_add_sink(stage.world, &durable.sink);
        stage_add(&stage, &writer_program, "disk", "");
        for (int life = 0; life < 3; life++) { /* the later ones: inside of recovery */
            world_kill(stage.world, 0, 0);     /* nothing runs: nothing happens */
            world_kill(stage.world, 0, op);
            world_run_until(stage.world, world_now(stage.world) + 5 * SECOND_NS);
            assert_int_equal(world_node_life(stage.world, 0), WORLD_DOWN);
            assert_int_equal(stage.rows[TRACE_NODE_KILL], life + 1);
            assert_int_equal(TEST_COLUMN(&stage.last[TRACE_NODE_KILL], NODE_KILL, at_op), op - 1);
            assert_int_equal(world_node_op_count(stage.world, 0), op - 1);
            world_start(stage.world, 0);
        }
        world_run_until(stage.world, world_now(stage.world) + SECOND_NS);
        assert_true(durable.lives >= 1);
        assert_true(durable.opened + 10 < durable.promised);
        assert_false(durable.broken);
        stage_close(&stage);
    }
}

TEST(powerless_at_any_time_nothing_durable_is_lost)
{
    int64_t lost_bytes = 0;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct stage stage;
        struct durable durable = {.sink.row = watch_writer};
        stage_open(&stage, &(struct world_config){.seed = seed});
        world_add_sink(stage.world, &durable.sink);
        stage_add(&stage, &writer_program, "disk", "");
        for (int i = 0; i < 5; i++) {
            int64_t wait_ns = 1 + (int64_t)(hash_combine(seed, (uint64_t)i) % (40 * MS_NS));
            world_run_until(stage.world, world_now(stage.world) + wait_ns);
            world_power_loss(stage.world, fault_node(0));
            assert_int_equal(world_node_life(stage.world, 0), WORLD_DOWN);
            world_start(stage.world, 0);
        }
        world_run_until(stage.world, world_now(stage.world) + SECOND_NS);
        assert_false(durable.broken);
        assert_int_equal(stage.rows[TRACE_POWER_LOSS], 5);
        lost_bytes += (int64_t)stage.rows[TRACE_DISK_LOST];
        stage_close(&stage);
    }
    assert_true(lost_bytes > 0); /* or the power loss takes nothing */
}

/* Operations of a life that ended never complete in the next: the programs assert their order. */
TEST(lives_follow_each_other_at_once)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct stage stage;
        stage_open(&stage, &(struct world_config){.seed = seed});
        stage_add(&stage, &echo_program, "server", "");
        stage_add(&stage, &pinger_program, "client", "server 1000000 1000");
        for (int i = 0; i < 40; i++) {
            int64_t wait_ns = 1 + (int64_t)(hash_combine(seed, (uint64_t)i) % (10 * MS_NS));
            world_run_until(stage.world, world_now(stage.world) + wait_ns);
            world_kill(stage.world, (uint32_t)i % 2, 0);
            world_start(stage.world, (uint32_t)i % 2);
        }
        uint32_t client = 1;
        world_run_until(stage.world, world_now(stage.world) + 5 * SECOND_NS);
        assert_true(world_command(stage.world, client, 1, bytes_text("?")));
        world_run_until(stage.world, world_now(stage.world) + MS_NS);
        struct pinger_report report;
        assert_int_equal(stage.reply_size, sizeof report);
        memcpy(&report, stage.reply, sizeof report);
        assert_true(report.echoed > 0);
        assert_int_equal(report.wrong, 0);
        stage_close(&stage);
    }
}

/* ---- pauses and clocks ---- */

TEST(a_paused_node_does_nothing_until_it_goes_on)
{
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = 3});
    stage_add(&stage, &ticker_program, "clock", "");
    stage_add(&stage, &writer_program, "disk", "");
    world_run_until(stage.world, SECOND_NS);
    world_pause(stage.world, 0);
    world_pause(stage.world, 1);
    assert_int_equal(world_node_life(stage.world, 0), WORLD_PAUSED);
    uint64_t ticks = stage.rows[TRACE_LOG_ROLL];
    uint64_t durable = stage.rows[TRACE_LOG_DURABLE];
    world_run_until(stage.world, 5 * SECOND_NS);
    assert_true(stage.rows[TRACE_LOG_ROLL] == ticks);
    assert_true(stage.rows[TRACE_LOG_DURABLE] == durable);
    world_resume(stage.world, 0);
    world_resume(stage.world, 1);
    world_run_until(stage.world, 6 * SECOND_NS);
    assert_true(stage.rows[TRACE_LOG_ROLL] > ticks + 100);
    assert_true(stage.rows[TRACE_LOG_DURABLE] > durable);
    stage_close(&stage);
}

TEST(a_command_waits_for_a_paused_node)
{
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = 3});
    stage_add(&stage, &pinger_program, "client", "nobody 1 1");
    world_run_until(stage.world, MS_NS);
    world_pause(stage.world, 0);
    assert_true(world_command(stage.world, 0, 1, bytes_text("?")));
    world_run_until(stage.world, SECOND_NS);
    assert_int_equal(stage.reply_count, 0);
    world_resume(stage.world, 0);
    world_run_until(stage.world, 2 * SECOND_NS);
    assert_int_equal(stage.reply_count, 1);
    world_pause(stage.world, 0);
    assert_true(world_command(stage.world, 0, 2, bytes_text("?")));
    world_run_until(stage.world, 3 * SECOND_NS);
    world_kill(stage.world, 0, 0);
    assert_false(world_command(stage.world, 0, 3, bytes_text("?")));
    world_run_until(stage.world, 4 * SECOND_NS);
    assert_int_equal(stage.reply_count, 1);
    stage_close(&stage);
}

/* The wall clock jumps; no timer fires for it. */
TEST(a_clock_jump_moves_the_wall_alone)
{
    struct stage stage, other;
    const int64_t year_ns = 365 * 86400 * SECOND_NS;
    struct world_config config = {.seed = 3};
    stage_open(&stage, &config);
    stage_open(&other, &config);
    stage_add(&stage, &ticker_program, "clock", "");
    stage_add(&other, &ticker_program, "clock", "");
    world_run_until(stage.world, SECOND_NS);
    uint64_t before_ms = TEST_COLUMN(&stage.last[TRACE_LOG_ROLL], LOG_ROLL, base);
    world_clock_jump(stage.world, 0, year_ns);
    world_run_until(stage.world, 2 * SECOND_NS);
    world_run_until(other.world, 2 * SECOND_NS);
    uint64_t after_ms = TEST_COLUMN(&stage.last[TRACE_LOG_ROLL], LOG_ROLL, base);
    assert_true(after_ms - before_ms > (uint64_t)(year_ns / MS_NS));
    assert_true(stage.rows[TRACE_LOG_ROLL] == other.rows[TRACE_LOG_ROLL]);
    assert_int_equal(stage.rows[TRACE_CLOCK_JUMP], 1);
    world_heal(stage.world);
    world_run_until(stage.world, 3 * SECOND_NS);
    assert_true(TEST_COLUMN(&stage.last[TRACE_LOG_ROLL], LOG_ROLL, base) - before_ms < 3000);
    stage_close(&stage);
    stage_close(&other);
}

/* ---- links ---- */

static struct pinger_report report_of(struct stage *stage, uint32_t node)
{
    struct pinger_report report = {0};
    uint32_t before = stage->reply_count;
    assert_true(world_command(stage->world, node, 1, bytes_text("?")));
    world_run_until(stage->world, world_now(stage->world) + MS_NS);
    assert_int_equal(stage->reply_count, before + 1);
    memcpy(&report, stage->reply, sizeof report);
    return report;
}

static void open_pair(struct stage *stage, uint64_t seed)
{
    stage_open(stage, &(struct world_config){.seed = seed, .delay_mean_ns = 200000});
    stage_add(stage, &echo_program, "server", "");
    stage_add(stage, &pinger_program, "client", "server 1000000 300");
    world_run_until(stage->world, SECOND_NS);
    assert_true(report_of(stage, 1).echoed > 100);
}

TEST(a_cut_link_carries_nothing_and_heals)
{
    for (int one_way = 0; one_way < 2; one_way++) {
        struct stage stage;
        open_pair(&stage, 7);
        world_cut(stage.world, 0, 1, one_way == 1);
        world_run_until(stage.world, world_now(stage.world) + 100 * MS_NS);
        uint32_t echoed = report_of(&stage, 1).echoed;
        world_run_until(stage.world, world_now(stage.world) + 5 * SECOND_NS);
        assert_int_equal(report_of(&stage, 1).echoed, echoed);
        world_heal_link(stage.world, 1, 0);
        world_run_until(stage.world, world_now(stage.world) + 7 * SECOND_NS);
        struct pinger_report report = report_of(&stage, 1);
        assert_true(report.echoed > echoed + 100);
        assert_int_equal(report.errors, 0); /* the connection lived through it */
        assert_int_equal(report.wrong, 0);
        stage_close(&stage);
    }
}

TEST(a_link_cut_for_long_breaks_its_streams)
{
    struct stage stage;
    open_pair(&stage, 8);
    world_cut(stage.world, 1, 0, true);
    world_run_until(stage.world, world_now(stage.world) + 200 * SECOND_NS);
    assert_true(report_of(&stage, 1).errors > 3); /* one timeout, then connects that time out */
    world_heal_link(stage.world, 0, 1);
    uint32_t echoed = report_of(&stage, 1).echoed;
    world_run_until(stage.world, world_now(stage.world) + 20 * SECOND_NS);
    assert_true(report_of(&stage, 1).echoed > echoed);
    stage_close(&stage);
}

TEST(a_reset_is_told_to_both)
{
    struct stage stage;
    open_pair(&stage, 9);
    for (int i = 0; i < 10; i++) {
        uint32_t echoed = report_of(&stage, 1).echoed;
        world_reset(stage.world, 0, 1);
        world_run_until(stage.world, world_now(stage.world) + SECOND_NS);
        struct pinger_report report = report_of(&stage, 1);
        assert_true(report.echoed > echoed);
        assert_true(report.errors >= (uint32_t)i + 1);
        assert_int_equal(report.wrong, 0);
    }
    stage_close(&stage);
}

static void harm_link(struct stage *stage, const char *text)
{
    struct fault_line line;
    assert_ok(fault_line_parse(&line, bytes_text(text), NULL));
    world_harm(stage->world, &line);
}

TEST(a_half_open_stream_is_told_to_nobody_at_first)
{
    struct stage stage;
    open_pair(&stage, 10);
    uint32_t errors = report_of(&stage, 1).errors;
    harm_link(&stage, "at 0s link 0-1 half_open");
    world_run_until(stage.world, world_now(stage.world) + 10 * SECOND_NS);
    assert_int_equal(report_of(&stage, 1).errors, errors);
    world_run_until(stage.world, world_now(stage.world) + 70 * SECOND_NS);
    assert_true(report_of(&stage, 1).errors <= errors + 2);
    stage_close(&stage);
}

TEST(a_slow_reader_slows_its_sender)
{
    struct stage stage;
    open_pair(&stage, 11);
    uint32_t before = report_of(&stage, 1).echoed;
    harm_link(&stage, "at 0s node 1 slow_reader bytes=3000");
    world_run_until(stage.world, world_now(stage.world) + 10 * SECOND_NS);
    uint32_t slow = report_of(&stage, 1).echoed - before;
    assert_in_range(slow, 50, 150); /* 3000 bytes a second are ten messages of 300 */
    world_heal(stage.world);
    before = report_of(&stage, 1).echoed;
    world_run_until(stage.world, world_now(stage.world) + 10 * SECOND_NS);
    assert_true(report_of(&stage, 1).echoed - before > 10 * slow);
    stage_close(&stage);
}

TEST(a_delay_delays)
{
    struct stage stage;
    open_pair(&stage, 12);
    uint32_t before = report_of(&stage, 1).echoed;
    harm_link(&stage, "at 0s link 0>1 delay by=100ms for 10s");
    world_run_until(stage.world, world_now(stage.world) + 10 * SECOND_NS);
    assert_in_range(report_of(&stage, 1).echoed - before, 20, 105);
    before = report_of(&stage, 1).echoed;
    world_run_until(stage.world, world_now(stage.world) + 10 * SECOND_NS);
    assert_true(report_of(&stage, 1).echoed - before > 1000);
    stage_close(&stage);
}

/* True: its peer goes on once the node is back. */
static bool goes_on_after(uint64_t seed, bool power)
{
    struct stage stage;
    open_pair(&stage, seed);
    uint32_t errors = report_of(&stage, 1).errors;
    if (power)
        world_power_loss(stage.world, fault_node(0));
    else
        world_kill(stage.world, 0, 0);
    world_run_until(stage.world, world_now(stage.world) + 5 * SECOND_NS);
    uint32_t heard = report_of(&stage, 1).errors - errors;
    assert_true(power ? heard == 0 : heard > 10);
    world_start(stage.world, 0);
    uint32_t echoed = report_of(&stage, 1).echoed;
    world_run_until(stage.world, world_now(stage.world) + 100 * SECOND_NS);
    bool goes_on = report_of(&stage, 1).echoed > echoed;
    stage_close(&stage);
    return goes_on;
}

/* Who waits for a machine without power waits; one whose process died is told. Once the machine is
 * back, it denies what comes to it; but who only waits for an answer, with all that it sent
 * acknowledged, waits for ever. */
TEST(a_peer_hears_of_a_kill_but_not_of_a_power_loss)
{
    int went_on = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        assert_true(goes_on_after(seed, false));
        went_on += goes_on_after(seed, true);
    }
    assert_in_range(went_on, 8, 19);
}

/* ---- disks ---- */

static void open_disk(struct stage *stage, uint64_t seed, const char *plan_line)
{
    stage_open(stage, &(struct world_config){.seed = seed});
    stage_add(stage, &writer_program, "disk", "");
    world_run_until(stage->world, SECOND_NS);
    assert_true(stage->rows[TRACE_LOG_DURABLE] > 10);
    harm_link(stage, plan_line);
}

TEST(a_failed_sync_reaches_the_program)
{
    int failed = 0;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct stage stage;
        open_disk(&stage, seed, "at 0s node 0 disk sync_fails file=dir/lo times=1");
        world_run_until(stage.world, 2 * SECOND_NS);
        assert_int_equal(stage.exit_count, 1);
        assert_int_equal(stage.exit_err, ERR_IO);
        failed += stage.exit_count == 1;
        assert_int_equal(world_fired(stage.world)->count, 1);
        stage_close(&stage);
    }
    assert_int_equal(failed, 10);
}

TEST(a_full_disk_refuses_and_empties)
{
    struct stage stage;
    open_disk(&stage, 2, "at 0s node 0 disk full bytes=8192 for 10s");
    world_run_until(stage.world, 9 * SECOND_NS);
    assert_int_equal(stage.exit_err, ERR_NOSPACE);
    world_run_until(stage.world, 12 * SECOND_NS);
    world_start(stage.world, 0);
    uint64_t durable = stage.rows[TRACE_LOG_DURABLE];
    world_run_until(stage.world, 20 * SECOND_NS);
    assert_true(stage.rows[TRACE_LOG_DURABLE] > durable);
    stage_close(&stage);
}

TEST(a_hung_disk_answers_when_it_is_healed)
{
    struct stage stage;
    open_disk(&stage, 2, "at 0s node 0 disk hang");
    uint64_t durable = stage.rows[TRACE_LOG_DURABLE];
    world_run_until(stage.world, 100 * SECOND_NS);
    assert_true(stage.rows[TRACE_LOG_DURABLE] == durable);
    assert_false(world_quiet(stage.world));
    world_heal(stage.world);
    world_run_until(stage.world, 101 * SECOND_NS);
    assert_true(stage.rows[TRACE_LOG_DURABLE] > durable + 10);
    stage_close(&stage);
}

TEST(a_slow_disk_is_slow_for_its_time)
{
    struct stage stage;
    open_disk(&stage, 2, "at 0s node 0 disk slow factor=1000 for 10s");
    uint64_t before = stage.rows[TRACE_LOG_DURABLE];
    world_run_until(stage.world, 11 * SECOND_NS);
    uint64_t slow = stage.rows[TRACE_LOG_DURABLE] - before;
    world_run_until(stage.world, 21 * SECOND_NS);
    assert_true(stage.rows[TRACE_LOG_DURABLE] - before - slow > 20 * (slow + 1));
    stage_close(&stage);
}

TEST(a_flipped_bit_is_found_by_the_reader)
{
    struct stage stage;
    open_disk(&stage, 2, "at 0s node 0 disk flip file=log offset=250 bit=3");
    world_kill(stage.world, 0, 0);
    world_start(stage.world, 0);
    world_run_until(stage.world, 20 * SECOND_NS);
    assert_int_equal(TEST_COLUMN(&stage.last[TRACE_LOG_OPEN], LOG_OPEN, end),
                     2); /* the third record is wrong */
    assert_int_equal(world_fired(stage.world)->lines[0].kind, FAULT_DISK_FLIP);
    stage_close(&stage);
}

TEST(a_broken_sector_cannot_be_read)
{
    struct stage stage;
    open_disk(&stage, 2, "at 0s node 0 disk break file=log offset=250");
    world_kill(stage.world, 0, 0);
    world_start(stage.world, 0);
    world_run_until(stage.world, 20 * SECOND_NS);
    assert_int_equal(stage.exit_err, ERR_IO);
    assert_int_equal(stage.rows[TRACE_LOG_OPEN], 1); /* the first life's */
    stage_close(&stage);
}

/* After a sync that failed, reads show what the cache holds; evicted, what the medium holds. */
TEST(an_evicted_page_shows_the_medium)
{
    int64_t shorter = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct stage stage;
        open_disk(&stage, seed, "at 0s node 0 disk sync_fails file=log");
        world_run_until(stage.world, 2 * SECOND_NS);
        assert_int_equal(stage.exit_err, ERR_IO);
        world_heal(stage.world);
        harm_link(&stage, "at 0s node 0 disk evict");
        uint64_t promised = TEST_COLUMN(&stage.last[TRACE_LOG_DURABLE], LOG_DURABLE, end);
        world_run_until(stage.world, 3 * SECOND_NS);
        assert_true(TEST_COLUMN(&stage.last[TRACE_LOG_OPEN], LOG_OPEN, end) >= promised);
        shorter += TEST_COLUMN(&stage.last[TRACE_LOG_OPEN], LOG_OPEN, end) == promised;
        stage_close(&stage);
    }
    assert_in_range(shorter, 1, 20);
}

TEST(a_lost_disk_is_empty_and_a_swapped_one_is_the_other)
{
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = 4});
    stage_add(&stage, &writer_program, "one", "");
    stage_add(&stage, &ticker_program, "two", "");
    world_run_until(stage.world, SECOND_NS);
    uint64_t durable = TEST_COLUMN(&stage.last[TRACE_LOG_DURABLE], LOG_DURABLE, end);
    assert_true(durable > 10);
    harm_link(&stage, "at 0s node 0 disk swap with=1");
    world_run_until(stage.world, 2 * SECOND_NS);
    assert_int_equal(TEST_COLUMN(&stage.last[TRACE_LOG_OPEN], LOG_OPEN, end), 0);
    harm_link(&stage, "at 0s node 0 disk swap with=1");
    world_run_until(stage.world, 3 * SECOND_NS);
    assert_true(TEST_COLUMN(&stage.last[TRACE_LOG_OPEN], LOG_OPEN, end) >= durable);
    harm_link(&stage, "at 0s node 0 disk lose");
    world_run_until(stage.world, 4 * SECOND_NS);
    assert_int_equal(TEST_COLUMN(&stage.last[TRACE_LOG_OPEN], LOG_OPEN, end), 0);
    stage_close(&stage);
}

/* ---- plans ---- */

static uint64_t swarm_run(uint64_t seed, const struct fault_plan *plan, bool plan_only,
                          struct fault_plan *fired, uint64_t *rows_hash)
{
    struct stage stage;
    struct world_config config = {.seed = seed, .plan = plan, .plan_only = plan_only};
    stage_open(&stage, &config);
    stage_add(&stage, &echo_program, "server", "");
    stage_add(&stage, &writer_program, "disk", "");
    stage_add(&stage, &pinger_program, "client", "server 2000 3000");
    stage_add(&stage, &pinger_program, "other", "server 4000 30");
    for (int i = 0; i < 10; i++) {
        world_run_until(stage.world, world_now(stage.world) + SECOND_NS);
        for (uint32_t node = 0; node < 4; node++) /* whoever ended with an error is put back */
            world_start(stage.world, node);
        if (i == 3)
            world_kill(stage.world, 0, 5);
    }
    world_heal(stage.world);
    world_run_until(stage.world, world_now(stage.world) + 70 * SECOND_NS);
    for (uint32_t node = 0; node < 4; node++)
        assert_int_equal(world_node_life(stage.world, node), WORLD_UP);
    uint64_t durable = stage.rows[TRACE_LOG_DURABLE];
    world_run_until(stage.world, world_now(stage.world) + 5 * SECOND_NS);
    assert_true(stage.rows[TRACE_LOG_DURABLE] > durable);
    const struct fault_plan *seen = world_fired(stage.world);
    for (int32_t i = 0; fired != NULL && i < seen->count; i++)
        assert_ok(fault_plan_add(fired, &seen->lines[i]));
    if (rows_hash != NULL)
        *rows_hash = stage.rows_hash;
    uint64_t hash = stage_hash(&stage);
    stage_close(&stage);
    return hash;
}

static void draw(struct fault_plan *plan, struct mem *mem, uint64_t seed)
{
    struct fault_swarm swarm = {.seed = seed,
                                .kinds = FAULT_SURVIVABLE,
                                .servers = 3,
                                .nodes = 15,
                                .start_ns = SECOND_NS / 10,
                                .end_ns = 9 * SECOND_NS};
    fault_plan_init(plan, mem);
    assert_ok(fault_plan_draw(plan, &swarm));
}

TEST(a_swarm_heals_and_repeats)
{
    struct mem mem;
    mem_system(&mem);
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct fault_plan plan;
        draw(&plan, &mem, seed);
        uint64_t hash = swarm_run(seed, &plan, false, NULL, NULL);
        assert_true(hash == swarm_run(seed, &plan, false, NULL, NULL));
        fault_plan_free(&plan);
    }
}

/* What fired, printed and read again, is all that a replay needs. */
TEST(the_plan_of_what_fired_gives_the_same_hash)
{
    struct mem mem;
    mem_system(&mem);
    int32_t fired_count = 0;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct fault_plan plan, fired, back, again;
        struct text text;
        uint64_t rows, rows_again;
        draw(&plan, &mem, seed);
        fault_plan_init(&fired, &mem);
        fault_plan_init(&back, &mem);
        fault_plan_init(&again, &mem);
        text_init(&text, &mem);
        uint64_t hash = swarm_run(seed, &plan, false, &fired, &rows);
        fault_plan_print(&fired, &text);
        assert_ok(fault_plan_parse(&back, bytes_of(text.data, text.size), NULL));
        assert_true(hash == swarm_run(seed, &back, true, &again, &rows_again));
        assert_int_equal(fired.count, again.count);
        fired_count += fired.count;
        text_free(&text);
        fault_plan_free(&plan);
        fault_plan_free(&fired);
        fault_plan_free(&back);
        fault_plan_free(&again);
    }
    assert_true(fired_count > 300);
    assert_int_equal(mem.live_count, 0);
}

/* With a plan alone in force, a script's harm that does not stand in it does not happen. */
TEST(a_plan_without_the_scripts_harm_suppresses_it)
{
    for (int with = 0; with < 2; with++) {
        struct mem mem;
        struct fault_plan plan;
        struct stage stage;
        mem_system(&mem);
        fault_plan_init(&plan, &mem);
        if (with)
            assert_ok(fault_plan_parse(&plan, bytes_text("at 9s node 0 kill script=2"), NULL));
        struct world_config config = {.seed = 1, .plan = &plan, .plan_only = true};
        stage_open(&stage, &config);
        stage_add(&stage, &ticker_program, "clock", "");
        world_run_until(stage.world, SECOND_NS);
        world_pause(stage.world, 0);
        world_kill(stage.world, 0, 0);
        assert_int_equal(world_node_life(stage.world, 0), with ? WORLD_DOWN : WORLD_UP);
        assert_int_equal(world_fired(stage.world)->count, with);
        stage_close(&stage);
        fault_plan_free(&plan);
    }
}

/* Each line lasts as long as it says, whatever others of its kind do meanwhile. */
TEST(the_end_of_one_pause_is_not_the_end_of_another)
{
    struct stage stage;
    stage_open(&stage, &(struct world_config){.seed = 1});
    stage_add(&stage, &ticker_program, "clock", "");
    world_run_until(stage.world, SECOND_NS);
    harm_link(&stage, "at 0s node 0 pause for 10s");
    harm_link(&stage, "at 0s node 0 pause for 1s");
    world_run_until(stage.world, 4 * SECOND_NS);
    assert_int_equal(world_node_life(stage.world, 0), WORLD_PAUSED);
    world_run_until(stage.world, 12 * SECOND_NS);
    assert_int_equal(world_node_life(stage.world, 0), WORLD_UP);
    stage_close(&stage);
}

TEST(the_end_of_one_slow_disk_is_not_the_end_of_another)
{
    struct stage stage;
    open_disk(&stage, 2, "at 0s node 0 disk slow factor=1000 for 10s");
    harm_link(&stage, "at 0s node 0 disk slow factor=2 for 1s");
    world_run_until(stage.world, world_now(stage.world) + 2 * SECOND_NS);
    uint64_t before = stage.rows[TRACE_LOG_DURABLE];
    world_run_until(stage.world, world_now(stage.world) + 5 * SECOND_NS);
    assert_in_range(stage.rows[TRACE_LOG_DURABLE] - before, 0, 50);
    world_run_until(stage.world, world_now(stage.world) + 5 * SECOND_NS);
    before = stage.rows[TRACE_LOG_DURABLE];
    world_run_until(stage.world, world_now(stage.world) + 5 * SECOND_NS);
    assert_true(stage.rows[TRACE_LOG_DURABLE] - before > 500);
    stage_close(&stage);
}

TEST(the_end_of_one_delay_is_not_the_end_of_another)
{
    struct stage stage;
    open_pair(&stage, 13);
    harm_link(&stage, "at 0s link 0-1 delay by=1s for 60s");
    harm_link(&stage, "at 0s link 1>0 delay by=1ms for 1s");
    world_run_until(stage.world, world_now(stage.world) + 5 * SECOND_NS);
    uint32_t before = report_of(&stage, 1).echoed;
    world_run_until(stage.world, world_now(stage.world) + 20 * SECOND_NS);
    assert_in_range(report_of(&stage, 1).echoed - before, 5, 12); /* two seconds an echo */
    stage_close(&stage);
}

TEST(a_plan_strikes_at_its_times)
{
    static const char text[] = "at 1s node 0 kill for 500ms\n"
                               "at 3s node 0,1 power_loss for 1s\n"
                               "at 5s node 7 kill\n" /* no such node: nothing */
                               "at 6s node 1 kill\n";
    static const struct {
        int64_t at_ms;
        enum world_life life[2];
    } expected[] = {
        {990, {WORLD_UP, WORLD_UP}},    {1200, {WORLD_DOWN, WORLD_UP}},
        {1600, {WORLD_UP, WORLD_UP}},   {3500, {WORLD_DOWN, WORLD_DOWN}},
        {4100, {WORLD_UP, WORLD_UP}},   {5900, {WORLD_UP, WORLD_UP}},
        {9900, {WORLD_UP, WORLD_DOWN}},
    };
    struct stage stage;
    struct fault_plan plan;
    struct mem mem;
    mem_system(&mem);
    fault_plan_init(&plan, &mem);
    assert_ok(fault_plan_parse(&plan, bytes_text(text), NULL));
    stage_open(&stage, &(struct world_config){.seed = 1, .plan = &plan});
    stage_add(&stage, &ticker_program, "one", "");
    stage_add(&stage, &ticker_program, "two", "");
    for (int i = 0; i < COUNT_OF(expected); i++) {
        world_run_until(stage.world, expected[i].at_ms * MS_NS);
        for (uint32_t node = 0; node < 2; node++)
            assert_int_equal(world_node_life(stage.world, node), expected[i].life[node]);
    }
    assert_int_equal(world_fired(stage.world)->count, 3);
    assert_int_equal(stage.rows[TRACE_FAULT], 3);
    assert_int_equal(stage.rows[TRACE_NODE_KILL], 4);
    stage_close(&stage);
    fault_plan_free(&plan);
}
