/* fault_test.c - plans are text and come back from it; swarms are pure; a retry is not doomed. */
#include <fiu-control.h>
#include <stdlib.h>
#include "fault/inside.h"
#include "support/test.h"

#define SECOND_NS 1000000000ll

static struct mem *heap(void)
{
    static struct mem mem;
    if (mem.impl == NULL)
        mem_system(&mem);
    return &mem;
}

static void assert_text(struct text *text, const char *expected)
{
    assert_false(text->failed);
    assert_string_equal(text->size == 0 ? "" : text->data, expected);
    text_free(text);
}

/* ---- times ---- */

TEST(times_print_as_the_largest_exact_unit)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {1, "1ns"},
        {1500, "1500ns"},
        {250000, "250us"},
        {600 * 1000000ll, "600ms"},
        {12400 * 1000000ll, "12.4s"},
        {12400000001ll, "12.400000001s"},
        {60 * SECOND_NS, "1m"},
        {90 * SECOND_NS, "90s"},
        {7200 * SECOND_NS, "2h"},
        {86400 * SECOND_NS, "1d"},
        {365 * 86400 * SECOND_NS, "1y"},
        {-3 * 86400 * SECOND_NS, "-3d"},
        {INT64_MAX, "9223372036.854775807s"},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct text text;
        int64_t back;
        text_init(&text, heap());
        fault_time_print(cases[i].ns, &text);
        assert_ok(fault_time_parse(bytes_text(text.data), &back));
        assert_true(back == cases[i].ns);
        assert_text(&text, cases[i].text);
    }
}

TEST(times_that_are_not_exact_are_refused)
{
    static const char *const wrong[] = {"",     "1",     "s",           "1.s", ".5s",
                                        "1x",   "1.5ns", "--1s",        "1 s", "1.0000000001s",
                                        "+-1s", "300y1", "99999999999s"};
    for (int i = 0; i < COUNT_OF(wrong); i++) {
        int64_t ns;
        assert_int_not_equal(fault_time_parse(bytes_text(wrong[i]), &ns), ERR_NONE);
    }
    int64_t ns;
    assert_ok(fault_time_parse(bytes_text("+1y"), &ns));
    assert_true(ns == 365 * 86400 * SECOND_NS);
}

/* ---- lines ---- */

static const char plan_text[] =
    "at 0s node 0 rate rate=1000 site=disk/sync for 10s\n"
    "at 2s node 0,2 power_loss choice=0x12ab for 300ms\n"
    "at 3s node 0 disk sync_fails file=orders-0 times=2 for 5s\n"
    "at 4.123456789s node 1 fail site=net/connect key=0xfeed count=2 error=TIMEOUT\n"
    "at 5s link 0-1 cut for 600ms\n"
    "at 5s link 2>1 delay by=20ms for 1s\n"
    "at 6s node 1 clock by=1y for 1m\n"
    "at 12.4s node 0 kill op=3 for 250ms\n"
    "at 13s node 63 disk flip file=.log offset=1234 bit=3\n"
    "at 14s node 0 pause script=4\n";

TEST(a_plan_prints_what_it_read)
{
    struct fault_plan plan;
    struct text text;
    struct errmsg msg = {0};
    fault_plan_init(&plan, heap());
    text_init(&text, heap());
    assert_ok(fault_plan_parse(&plan, bytes_text(plan_text), &msg));
    assert_int_equal(plan.count, 10);
    fault_plan_print(&plan, &text);
    assert_text(&text, plan_text);
    fault_plan_free(&plan);
}

TEST(a_plan_may_have_comments_and_blank_lines)
{
    struct fault_plan plan;
    fault_plan_init(&plan, heap());
    assert_ok(fault_plan_parse(&plan, bytes_text("# what went wrong\n\n  at 1s node 0 kill # here"),
                               NULL));
    assert_int_equal(plan.count, 1);
    assert_true(plan.lines[0].kind == FAULT_KILL);
    fault_plan_free(&plan);
}

TEST(a_record_that_was_cut_short_is_no_plan)
{
    struct fault_plan plan, again;
    struct text text;
    struct errmsg msg = {0};
    fault_plan_init(&plan, heap());
    fault_plan_init(&again, heap());
    text_init(&text, heap());
    assert_ok(fault_plan_parse(&plan, bytes_text("at 1s node 0 kill"), NULL));
    struct fault_line kill = plan.lines[0];
    while (fault_plan_add(&plan, &kill) == ERR_NONE)
        continue;
    assert_int_equal(plan.count, FAULT_PLAN_LINES_MAX);
    fault_plan_print(&plan, &text);
    assert_int_equal(fault_plan_parse(&again, bytes_of(text.data, text.size), &msg), ERR_INVALID);
    assert_string_equal(msg.text, "line 65537: more faults fired than were written down, so this "
                                  "plan is not the whole run; take this line out to run what is "
                                  "there");
    text_free(&text);
    fault_plan_free(&plan);
    fault_plan_free(&again);
}

struct refused {
    const char *text, *message;
};

static void assert_refused(const struct refused *cases, int count)
{
    for (int i = 0; i < count; i++) {
        struct fault_plan plan;
        struct errmsg msg = {0};
        fault_plan_init(&plan, heap());
        assert_int_equal(fault_plan_parse(&plan, bytes_text(cases[i].text), &msg), ERR_INVALID);
        assert_string_equal(msg.text, cases[i].message);
        fault_plan_free(&plan);
    }
}

TEST(a_wrong_line_is_named_with_its_word)
{
    static const struct refused cases[] = {
        {"at 1s node 0 kill\nat 2s node 0 explode",
         "line 2: \"explode\" is not a fault of a node; there are kill, power_loss, pause, clock, "
         "disk "
         "sync_fails, disk write_fails, disk sync_late, disk read_fails, disk full, disk slow, "
         "disk "
         "hang, disk flip, disk break, disk evict, disk lose, disk swap, slow_reader, rate, fail, "
         "disk vanish, stall, drift, disk slow_sync, disk writeback, disk misdirect, disk stale, "
         "disk backup, disk restore"},
        {"node 0 kill",
         "line 1: \"node\" is not a time as at 12.4s, with which a line of a plan begins"},
        {"at 1s node 0 kill for 1s for 2s", "line 1: says for twice"},
        {"at 1s node 0 disk flip file=a file=b", "line 1: says file twice"},
        {"at 1s node 0 kill op=1 op=2", "line 1: says op twice"},
        {"at 1s node 0 rate rate=5", "line 1: rate needs site=, as site=disk/sync"},
        {"at 1s node 0 rate site=disk/sync", "line 1: rate needs rate=, as rate=1000"},
        {"at 1s node 0 fail site=disk/sync count=1", "line 1: fail needs key=, as key=0x12ab"},
        {"at 1s node 0 clock for 1s", "line 1: clock needs by=, as by=+1h"},
        {"at 1s node 0 disk swap", "line 1: disk swap needs with=, as with=broker2"},
        {"at 1s node 0 disk vanish", "line 1: disk vanish needs file=, as file=orders-0"},
        {"at 1s node 0 rate site=disk/sync rate=1000001",
         "line 1: \"rate=1000001\" is more than all: a rate is per million, 1000000 at most"},
        {"at 1s node 0 disk sync_fails times=0",
         "line 1: \"times=0\" would do nothing: it must be 1 or more"},
        {"at 1s node 0 disk slow factor=0",
         "line 1: \"factor=0\" would do nothing: it must be 1 or more"},
        {"at 1s link 0-1 bandwidth bytes=0",
         "line 1: \"bytes=0\" would do nothing: it must be 1 or more"},
        {"at 1s node 0 rate site=disk/snc rate=5",
         "line 1: \"site=disk/snc\" is no fault point; there are disk/open, disk/read, "
         "disk/write, disk/space, disk/sync, disk/sync_dir, disk/rename, disk/unlink, disk/list, "
         "net/connect, net/accept, net/send, net/receive, alloc, disk/handles, "
         "net/handles"},
        {"at 1s node 0 disk sync_fails error=EIO",
         "line 1: \"error=EIO\" is not understood: its value must be an error as IO, NOSPACE, "
         "READONLY or ACCESS"},
        {"at soon node 0 kill", "line 1: \"soon\" is not a time as 12.4s"},
        {"at 1s node 64 kill", "line 1: \"64\" is not a list of nodes as 0,2"},
        {"at 1s link 1-1 cut", "line 1: \"1-1\" is not a link as 0-1 or 0>1"},
        {"at 1s node 0 kill twice=2",
         "line 1: \"twice=2\" is nothing that kill takes; it takes op=, for TIME"},
        {"at 1s node 0 kill op=x",
         "line 1: \"op=x\" is not understood: its value must be a number from 0 on"},
        {"at 1s node 0 kill for", "line 1: ends where a time as 250ms should stand"},
        {"at 1s link 0-1", "line 1: ends where a fault of a link should stand"},
    };
    assert_refused(cases, COUNT_OF(cases));
}

TEST(a_wrong_line_of_sets_rows_and_repetitions_is_named_with_its_word)
{
    static const struct refused cases[] = {
        {"on LEADER_ON(0) do node 0 kill",
         "line 1: \"LEADER_ON(0)\" is not a row of the trace and which of them, as LEADER_ON(1)"},
        {"on LEADER(1) do node 0 kill", "line 1: \"LEADER\" is no kind of row; rows are called as "
                                        "kiln trace prints them, as LEADER_ON"},
        {"on LEADER_ON(1) node 0 kill", "line 1: \"node\" is not \"do\", as in on LEADER_ON(1) do"},
        {"at 1s node it kill", "line 1: \"it\" is not a list of nodes as 0,2"},
        {"at 1s link *-* cut", "line 1: \"*-*\" is not a link as 0-1 or 0>1"},
        {"at 1s link 0,1-1,2 cut", "line 1: \"0,1-1,2\" is not a link as 0-1 or 0>1"},
        {"at 1s link 0-1 cut every=1s", "line 1: cut every= needs a time, as for 5s"},
        {"at 1s link 0-1 cut every=0s for 1s", "line 1: \"every=0s\" must be longer than nothing"},
        {"at 1s link 0-1 reset every=1s",
         "line 1: \"every=1s\" is nothing that reset takes; it takes nothing"},
        {"at 1s node 0 stall by=0s", "line 1: \"by=0s\" must be longer than nothing"},
        {"at 1s node 0 drift for 1s", "line 1: drift needs ppm=, as ppm=200"},
        {"at 1s node 0 drift ppm=600000",
         "line 1: \"ppm=600000\" is no clock: 500000 parts of a million at most"},
        {"at 1s node 0 drift ppm=0", "line 1: \"ppm=0\" would do nothing: it must be 1 or more"},
    };
    assert_refused(cases, COUNT_OF(cases));
}

/* Nodes by name: what a person writes, and what a record holds. */
static const char named_text[] = "nodes broker1 admin client1 late-1\n"
                                 "at 2s node broker1,client1 power_loss for 300ms\n"
                                 "at 3s link broker1-late-1 cut for 600ms\n"
                                 "at 4s link client1>broker1 delay by=20ms for 1s\n"
                                 "at 5s node broker1 disk swap with=client1\n"
                                 "at 6s link broker1-* cut every=200ms for 2s\n"
                                 "at 7s link client1,late-1>broker1 cut for 2s\n"
                                 "at 8s node broker1 drift ppm=-200 for 1m\n"
                                 "on LEADER_ON(3) do link it-broker1,client1 cut for 1s\n"
                                 "on LOG_ROLL(1) do node it,client1 stall by=1s every=2s for 9s\n"
                                 "at 9s node broker1 disk misdirect file=a offset=1 to=8192\n";

TEST(a_plan_speaks_of_nodes_by_their_names)
{
    struct fault_plan plan;
    struct text text;
    struct errmsg msg = {0};
    fault_plan_init(&plan, heap());
    plan.named = plan.names.open = true;
    text_init(&text, heap());
    assert_ok(fault_plan_parse(&plan, bytes_text(named_text), &msg));
    assert_int_equal(plan.count, 10);
    assert_int_equal(plan.lines[0].nodes, 5);
    assert_int_equal(plan.lines[1].to, 1 << 3);
    fault_plan_print(&plan, &text);
    assert_text(&text, named_text);
    fault_plan_free(&plan);
}

TEST(a_plan_without_a_list_of_nodes_takes_those_it_speaks_of)
{
    struct fault_plan plan;
    fault_plan_init(&plan, heap());
    plan.named = plan.names.open = true;
    assert_ok(fault_plan_parse(
        &plan, bytes_text("at 2s node broker2 kill\nat 3s link broker1-broker2 cut\n"), NULL));
    assert_int_equal(plan.names.count, 2);
    assert_int_equal(plan.lines[1].from, 1 << 1);
    assert_int_equal(plan.lines[1].to, 1 << 0);
    fault_plan_free(&plan);
}

TEST(a_wrong_name_is_told)
{
    static const struct {
        const char *text, *message;
        bool closed;
    } cases[] = {
        {"at 1s node 0 kill", "line 1: \"0\" is no node; nodes have names, as broker1 and client1",
         false},
        {"nodes broker1 client1\nat 1s node broker2 kill",
         "line 2: there is no node \"broker2\"; there are broker1, client1", true},
        {"at 1s link a-b-c cut",
         "line 1: \"a-b-c\" is not a link as broker1-client1 or broker1>client1", false},
        {"at 1s link broker1 cut",
         "line 1: \"broker1\" is not a link as broker1-client1 or broker1>client1", false},
        {"nodes a a", "line 1: \"a\" is no name of one more node", false},
        {"at 1s node a kill\nnodes a b", "line 2: the nodes are listed before anything else",
         false},
        {"at 1s node broker1 disk sync_fail",
         "line 1: \"disk sync_fail\" is not a fault of a node; there are sync_fails, write_fails, "
         "sync_late, read_fails, full, slow, hang, flip, break, evict, lose, swap, vanish, "
         "slow_sync, writeback, misdirect, stale, backup, restore",
         false},
    };
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct fault_plan plan;
        struct errmsg msg = {0};
        fault_plan_init(&plan, heap());
        plan.named = true;
        plan.names.open = !cases[i].closed;
        assert_int_equal(fault_plan_parse(&plan, bytes_text(cases[i].text), &msg), ERR_INVALID);
        assert_string_equal(msg.text, cases[i].message);
        fault_plan_free(&plan);
    }
}

TEST(a_line_keeps_its_id_in_any_plan)
{
    struct fault_line a, b;
    assert_ok(fault_line_parse(&a, bytes_text("at 1s node 0 kill op=3"), NULL));
    assert_ok(fault_line_parse(&b, bytes_text("at 1000ms  node 0  kill  op=3"), NULL));
    assert_true(fault_line_id(&a) == fault_line_id(&b));
    b.param[FAULT_P_OP] = 4;
    assert_true(fault_line_id(&a) != fault_line_id(&b));
}

TEST(a_plan_sorts_by_time_and_loses_a_line)
{
    struct fault_plan plan;
    struct text text;
    fault_plan_init(&plan, heap());
    text_init(&text, heap());
    assert_ok(fault_plan_parse(
        &plan, bytes_text("at 3s node 0 kill\nat 1s node 0 pause\nat 1s node 1 pause\n"), NULL));
    assert_ok(fault_plan_sort(&plan));
    fault_plan_remove(&plan, 1);
    fault_plan_print(&plan, &text);
    assert_text(&text, "at 1s node 0 pause\nat 3s node 0 kill\n");
    fault_plan_free(&plan);
}

/* ---- swarms ---- */

static void draw(struct fault_plan *plan, uint64_t seed, uint64_t kinds)
{
    struct fault_swarm swarm = {.seed = seed,
                                .kinds = kinds,
                                .servers = 7,
                                .nodes = 31,
                                .start_ns = 2 * SECOND_NS,
                                .end_ns = 60 * SECOND_NS};
    fault_plan_init(plan, heap());
    assert_ok(fault_plan_draw(plan, &swarm));
}

TEST(a_swarm_fails_at_every_fault_point)
{
    uint32_t seen = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct fault_plan plan;
        draw(&plan, seed, FAULT_BIT(RATE));
        for (int32_t i = 0; i < plan.count; i++)
            seen |= 1u << plan.lines[i].param[FAULT_P_SITE];
        fault_plan_free(&plan);
    }
    assert_int_equal(seen, (1u << FAULT_SITE_COUNT) - 1);
}

TEST(a_swarm_stays_within_its_bounds)
{
    uint64_t seen = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct fault_plan plan;
        draw(&plan, seed, FAULT_SURVIVABLE);
        for (int32_t i = 0; i < plan.count; i++) {
            const struct fault_line *line = &plan.lines[i];
            seen |= 1ull << line->kind;
            assert_true(line->at_ns >= 2 * SECOND_NS);
            assert_true(line->at_ns + line->for_ns <= 60 * SECOND_NS);
            assert_true(i == 0 || line->at_ns >= plan.lines[i - 1].at_ns);
            if (fault_kind_target(line->kind) == FAULT_ON_LINK)
                assert_true(line->from != line->to);
            else
                assert_true(line->nodes != 0 && (line->nodes & ~31ull) == 0);
        }
        fault_plan_free(&plan);
    }
    assert_true(seen == FAULT_SURVIVABLE);
}

TEST(a_swarm_prints_and_comes_back)
{
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct fault_plan plan, back;
        struct text text, again;
        text_init(&text, heap());
        text_init(&again, heap());
        draw(&plan, seed, FAULT_SURVIVABLE | FAULT_DAMAGING);
        fault_plan_init(&back, heap());
        fault_plan_print(&plan, &text);
        assert_ok(fault_plan_parse(&back, bytes_of(text.data, text.size), NULL));
        fault_plan_print(&back, &again);
        assert_int_equal(plan.count, back.count);
        for (int32_t i = 0; i < plan.count; i++)
            assert_true(fault_line_id(&plan.lines[i]) == fault_line_id(&back.lines[i]));
        assert_text(&again, text.size == 0 ? "" : text.data);
        text_free(&text);
        fault_plan_free(&plan);
        fault_plan_free(&back);
    }
}

static bool has_line(const struct fault_plan *plan, const struct fault_line *line)
{
    for (int32_t i = 0; i < plan->count; i++)
        if (fault_line_id(&plan->lines[i]) == fault_line_id(line))
            return true;
    return false;
}

/* Taking a kind away moves none of the others; it may leave room for more of them. */
TEST(kinds_are_drawn_apart)
{
    int32_t same = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct fault_plan all, fewer;
        draw(&all, seed, FAULT_SURVIVABLE);
        draw(&fewer, seed, FAULT_SURVIVABLE & ~(FAULT_BIT(CUT) | FAULT_BIT(KILL)));
        for (int32_t i = 0; i < all.count; i++) {
            if (all.lines[i].kind == FAULT_CUT || all.lines[i].kind == FAULT_KILL)
                continue;
            assert_true(has_line(&fewer, &all.lines[i]));
            same++;
        }
        fault_plan_free(&all);
        fault_plan_free(&fewer);
    }
    assert_true(same > 200);
}

/* ---- chance ---- */

#define DRAWS 64

/* What a life draws, each key KEY_COUNT times, in turns; one of them is asked once more at first.
 */
static void draw_all(struct fault_chance *chance, uint64_t extra, uint64_t drawn[DRAWS])
{
    if (extra != UINT64_MAX)
        (void)fault_chance_draw(chance, 1, extra);
    for (uint64_t i = 0; i < DRAWS; i++)
        drawn[i] = fault_chance_draw(chance, 1, i % 16);
}

/* Of as many keys as ever shared a bucket: whichever is asked once more, the others stay, and it
 * itself goes on by one. */
TEST(a_draw_moves_no_other)
{
    struct fault_chance a;
    uint64_t first[DRAWS], then[DRAWS];
    for (uint64_t extra = 0; extra < 100000; extra += extra < 16 ? 1 : 997) {
        fault_chance_init(&a, heap(), 1, 0);
        draw_all(&a, UINT64_MAX, first);
        fault_chance_live(&a, 0);
        draw_all(&a, extra, then);
        for (uint64_t i = 0; i < DRAWS; i++) {
            bool own = i % 16 == extra;
            assert_true(own == (then[i] != first[i]));
            assert_true(!own || i + 16 >= DRAWS || then[i] == first[i + 16]);
        }
        fault_chance_free(&a);
    }
}

/* Each of the five makes another draw, and a draw changes nothing. */
TEST(a_draw_by_time_differs_by_all_that_it_is_of_and_keeps_nothing)
{
    struct fault_dice dice;
    uint64_t first, seen[4];
    fault_dice_init(&dice, heap(), 1);
    fault_dice_live(&dice, 1, 3);
    first = fault_draw_at(&dice, 1, 5, 7, 11);
    seen[0] = fault_draw_at(&dice, 2, 5, 7, 11);
    seen[1] = fault_draw_at(&dice, 1, 6, 7, 11);
    seen[2] = fault_draw_at(&dice, 1, 5, 8, 11);
    seen[3] = fault_draw_at(&dice, 1, 5, 7, 12);
    for (int i = 0; i < COUNT_OF(seen); i++)
        assert_true(seen[i] != first);
    assert_true(fault_draw_at(&dice, 1, 5, 7, 11) == first);
    assert_null(dice.nodes[1].counts.young);
    fault_dice_live(&dice, 1, 4);
    assert_true(fault_draw_at(&dice, 1, 5, 7, 11) != first);
    fault_dice_free(&dice);
}

/* Many keys at once share nothing either, and are counted however many there are of them. */
TEST(every_key_has_a_count_of_its_own)
{
    struct fault_counts counts;
    fault_counts_init(&counts, heap());
    for (uint64_t round = 0; round < 3; round++)
        for (uint64_t key = 0; key < FAULT_KEYS_MAX; key++)
            assert_true(fault_count(&counts, hash_mix(key)) == round);
    fault_counts_clear(&counts);
}

/* Beyond the limit only what nobody asked for long is forgotten, so memory stays bounded. */
TEST(keys_that_are_asked_again_are_not_forgotten)
{
    struct test_mem mem;
    struct fault_counts counts;
    test_mem_init(&mem);
    fault_counts_init(&counts, &mem.mem);
    for (uint64_t i = 0; i < 10 * FAULT_KEYS_MAX; i++) {
        assert_true(fault_count(&counts, hash_mix(i + 1)) == 0);
        if (i % 1024 == 0)
            assert_true(fault_count(&counts, 0) == i / 1024);
    }
    assert_true(counts.young->cap <= 2 * FAULT_KEYS_MAX);
    assert_true(counts.old->cap <= 2 * FAULT_KEYS_MAX);
    assert_true(mem.mem.live_count <= 2);
    fault_counts_clear(&counts);
    test_mem_done(&mem);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* Neither two lives of a node nor two nodes, whatever they ask. */
TEST(no_two_lives_draw_the_same)
{
    enum { NODES = 8, LIVES = 8, KEYS = 8, TIMES = 8, ALL = NODES * LIVES * KEYS * TIMES };
    static uint64_t drawn[ALL];
    int count = 0;
    for (uint32_t node = 0; node < NODES; node++) {
        struct fault_chance chance;
        fault_chance_init(&chance, heap(), 7, node);
        for (uint32_t life = 0; life < LIVES; life++) {
            fault_chance_live(&chance, life);
            for (int i = 0; i < KEYS * TIMES; i++)
                drawn[count++] = fault_chance_draw(&chance, 3, (uint64_t)i % KEYS);
        }
        fault_chance_free(&chance);
    }
    assert_int_equal(count, ALL);
    qsort(drawn, ALL, sizeof drawn[0], by_value);
    for (int i = 1; i < ALL; i++)
        assert_true(drawn[i] != drawn[i - 1]);
}

/* ---- points ---- */

/* The points of some nodes, all in one record. */
struct panel {
    struct fault_points points[3];
    struct fault_engine engine;
    uint32_t life;
};

static struct panel *panel_of(struct fault_points *points)
{
    return CONTAINER_OF(points - points->node, struct panel, points[0]);
}

static void point_failed(struct fault_points *points, struct fault_line *line)
{
    fault_engine_fired(&panel_of(points)->engine, line);
}

static void open_panel(struct panel *panel, uint64_t seed, const struct fault_plan *plan,
                       uint32_t armed)
{
    assert_ok(fault_engine_init(&panel->engine, heap(), seed, plan, armed));
    for (uint32_t i = 0; i < 3; i++)
        fault_points_init(&panel->points[i], &panel->engine, i, point_failed);
}

static void close_panel(struct panel *panel)
{
    for (uint32_t i = 0; i < 3; i++)
        fault_points_free(&panel->points[i]);
    fault_engine_free(&panel->engine);
}

TEST(a_point_that_nobody_armed_never_fails)
{
    struct panel panel;
    open_panel(&panel, 1, NULL, 0);
    for (uint64_t i = 0; i < 1000; i++)
        assert_ok(FAULT(&panel.points[0], DISK_SYNC, i));
    assert_int_equal(panel.engine.fired.count, 0);
    close_panel(&panel);
}

TEST(a_retry_is_not_doomed)
{
    struct panel panel;
    open_panel(&panel, 1, NULL, 1u << FAULT_DISK_SYNC);
    fault_points_rate(&panel.points[0], FAULT_DISK_SYNC, FAULT_RATE_WHOLE / 2);
    for (uint64_t key = 0; key < 100; key++) {
        int tries = 0;
        while (FAULT(&panel.points[0], DISK_SYNC, key) != ERR_NONE)
            assert_true(++tries < 40);
    }
    assert_true(panel.engine.fired.count > 50);
    assert_ok(FAULT(&panel.points[1], DISK_SYNC, 5)); /* another node has another rate */
    close_panel(&panel);
}

/* Which of so many attempts fail in that life, after so many others with other keys. */
static uint64_t failures_of(struct panel *panel, uint32_t life, uint64_t others)
{
    uint64_t failed = 0;
    fault_points_live(&panel->points[0], life);
    for (uint64_t i = 0; i < others; i++)
        (void)FAULT(&panel->points[0], DISK_SYNC, 1000 + i);
    for (int i = 0; i < 64; i++)
        failed |= (uint64_t)(FAULT(&panel->points[0], DISK_SYNC, 5) != ERR_NONE) << i;
    return failed;
}

TEST(an_attempt_fails_by_its_own_key_and_life)
{
    struct panel panel;
    open_panel(&panel, 1, NULL, 1u << FAULT_DISK_SYNC);
    fault_points_rate(&panel.points[0], FAULT_DISK_SYNC, FAULT_RATE_WHOLE / 2);
    uint64_t first = failures_of(&panel, 0, 0);
    assert_true(failures_of(&panel, 0, 50000) == first);
    assert_true(failures_of(&panel, 1, 0) != first);
    close_panel(&panel);
}

/* What fired, as a plan of its own, makes the same attempts fail and no others, in every life. */
TEST(what_fired_fires_again)
{
    struct panel panel, replay;
    enum err got[2000];
    open_panel(&panel, 1, NULL, 1u << FAULT_NET_SEND);
    fault_points_rate(&panel.points[2], FAULT_NET_SEND, FAULT_RATE_WHOLE / 10);
    for (uint32_t i = 0; i < 2000; i++) {
        if (i % 500 == 0)
            fault_points_live(&panel.points[2], i / 500);
        got[i] = FAULT(&panel.points[2], NET_SEND, i % 70);
    }
    open_panel(&replay, 2, &panel.engine.fired, 0);
    for (uint32_t i = 0; i < 2000; i++) {
        if (i % 500 == 0)
            fault_points_live(&replay.points[2], i / 500);
        assert_int_equal(got[i], FAULT(&replay.points[2], NET_SEND, i % 70));
    }
    assert_int_equal(panel.engine.fired.count, replay.engine.fired.count);
    assert_true(panel.engine.fired.count > 100);
    close_panel(&replay);
    close_panel(&panel);
}

TEST(a_line_may_name_another_error)
{
    struct fault_plan plan;
    struct panel panel;
    fault_plan_init(&plan, heap());
    assert_ok(fault_plan_parse(
        &plan,
        bytes_text("at 1s node 0 fail site=net/connect key=0x5 count=1 error=TIMEOUT life=1"),
        NULL));
    open_panel(&panel, 1, &plan, 0);
    for (uint32_t life = 0; life < 3; life++) {
        fault_points_live(&panel.points[0], life);
        assert_ok(FAULT(&panel.points[0], NET_CONNECT, 5));
        assert_ok(FAULT(&panel.points[1], NET_CONNECT, 5));
        enum err expected = life == 1 ? ERR_TIMEOUT : ERR_NONE;
        assert_int_equal(FAULT(&panel.points[0], NET_CONNECT, 5), expected);
        assert_ok(FAULT(&panel.points[0], NET_CONNECT, 5));
    }
    close_panel(&panel);
    fault_plan_free(&plan);
}

TEST(without_memory_nothing_is_left_behind)
{
    for (uint64_t n = 1;; n++) {
        struct test_mem mem;
        struct fault_engine engine;
        struct fault_plan plan;
        test_mem_init(&mem);
        fault_plan_init(&plan, heap());
        assert_ok(fault_plan_parse(&plan, bytes_text(plan_text), NULL));
        mem.fail_at = n;
        enum err e = fault_engine_init(&engine, &mem.mem, 1, &plan, 0);
        if (e == ERR_NONE)
            fault_engine_free(&engine);
        else
            assert_int_equal(e, ERR_NOMEM);
        fault_plan_free(&plan);
        test_mem_done(&mem);
        if (mem.failed == 0)
            break;
    }
}

/* libfiu is really asked: what its tools switch off stays off, and on, on. */
TEST(libfiu_has_the_last_word)
{
    struct panel panel;
    struct fault_points *points = &panel.points[0];
    const char *name = fault_site_name(FAULT_DISK_SYNC_DIR);
    open_panel(&panel, 1, NULL, 1u << FAULT_DISK_SYNC_DIR);
    fault_points_rate(points, FAULT_DISK_SYNC_DIR, FAULT_RATE_WHOLE);
    assert_int_equal(FAULT(points, DISK_SYNC_DIR, 1), ERR_IO);
    assert_int_equal(fiu_disable(name), 0);
    assert_ok(FAULT(points, DISK_SYNC_DIR, 1));
    fault_points_rate(points, FAULT_DISK_SYNC_DIR, 0);
    assert_int_equal(fiu_enable(name, 1, NULL, 0), 0);
    assert_int_equal(FAULT(points, DISK_SYNC_DIR, 1), ERR_IO);
    close_panel(&panel);
}
