/* dir_test.c - a log directory with a member that knows no record: who is told what by its rounds
 * and checkpoints, and what is asserted of it between two events. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "dir/internal.h"
#include "support/test.h"
#include "world/world.h"

#define STEPS_MAX 100000
#define FOLDER "data/things-0"
#define POINTS_NAME "data/log-start-offset-checkpoint"

struct rig {
    struct mem mem;
    struct world *world;
    uint32_t node;
    struct world_seat *seat;
    struct dir *dir;
    struct dir_member member;
    struct dir_writer writer;
    struct env_part part;
    int64_t start; /* what a checkpoint is to say of the member */
    int held, durable, missing, rounds;
};

struct call {
    struct env_op op;
    struct dir_op dir_op;
    struct waiter waiter;
    bool done;
    enum err e;
    uint64_t n;
};

static void on_env(struct env_op *op, enum err e, uint64_t n)
{
    struct call *call = CONTAINER_OF(op, struct call, op);
    call->done = true;
    call->e = e;
    call->n = n;
}

static void on_dir(struct dir_op *op, enum err e)
{
    struct call *call = CONTAINER_OF(op, struct call, dir_op);
    call->done = true;
    call->e = e;
}

static void on_told(struct waiter *waiter, enum err e)
{
    struct call *call = CONTAINER_OF(waiter, struct call, waiter);
    call->done = true;
    call->e = e;
}

/* ---- the member ---- */

static struct rig *rig_of(const struct dir_member *m)
{
    return CONTAINER_OF(m, struct rig, member);
}

static void on_held(struct dir_member *m, struct dir_writer *w, enum err e)
{
    (void)w;
    assert_ok(e);
    rig_of(m)->held++;
}

static void on_file_synced(struct dir_member *m, struct dir_writer *w)
{
    (void)m;
    if (w->state == DIR_WRITER_HELD && w->synced == w->written)
        dir_writer_release(w);
}

static bool on_unnamed(struct dir_member *m, struct dir_writer *w)
{
    (void)m;
    (void)w;
    return false; /* as one says that has removed it */
}

static void on_missing(struct dir_member *m, const char *path)
{
    assert_string_equal(path, FOLDER);
    rig_of(m)->missing++;
}

static bool yes(const struct dir_member *m)
{
    (void)m;
    return true;
}

static bool no(const struct dir_member *m)
{
    (void)m;
    return false;
}

static bool waits(const struct dir_member *m)
{
    const struct dir_writer *w = &rig_of(m)->writer;
    return w->written > w->synced;
}

static void on_round(struct dir_member *m)
{
    dir_writer_sync(&rig_of(m)->writer);
}

static void on_durable(struct dir_member *m)
{
    rig_of(m)->durable++;
}

static void on_round_over(struct dir_member *m)
{
    rig_of(m)->rounds++;
}

static void on_offline(struct dir_member *m, const struct errmsg *why)
{
    (void)m;
    fail_msg("%s", why->text);
}

static void nothing(struct dir_member *m)
{
    (void)m;
}

static int64_t point(struct dir_member *m, enum dir_points_kind kind)
{
    return kind == DIR_POINTS_START ? rig_of(m)->start : -1;
}

static void on_point_written(struct dir_member *m, enum dir_points_kind kind)
{
    (void)m;
    (void)kind;
}

static const struct dir_member_calls calls = {
    .held = on_held,
    .file_synced = on_file_synced,
    .unnamed = on_unnamed,
    .missing = on_missing,
    .may_sync = yes,
    .round_begins = on_round,
    .durable = on_durable,
    .round_over = on_round_over,
    .offline = on_offline,
    .tell_offline = nothing,
    .waits = waits,
    .point = point,
    .point_written = on_point_written,
    .quiet = yes,
    .whole = yes,
    .leaves = no,
    .farewell = nothing,
};

/* ---- its world ---- */

static void step(struct rig *rig)
{
    world_rise(rig->world, rig->node);
    assert_true(world_step(rig->world));
    world_sit(rig->world, rig->node);
    if (rig->dir != NULL)
        dir_assert(rig->dir, true);
}

static void until(struct rig *rig, const bool *done)
{
    for (int i = 0; !*done; i++) {
        assert_true(i < STEPS_MAX);
        step(rig);
    }
}

static enum err begin(struct world_seat *seat)
{
    (void)seat;
    return ERR_NONE;
}

static const struct world_program program = {.kind = "dir", .start = begin};

static void open_dir(struct rig *rig)
{
    struct call open = {0};
    struct dir_config config = {.path = "data",
                                .node_id = 1,
                                .open_files_max = 4,
                                .checkpoint_bytes = 64 << 20,
                                .checkpoint_ms = 1000,
                                .flush_bytes = 64 << 20,
                                .flush_ms = 1000};
    struct world_seat *seat = rig->seat;
    assert_ok(dir_new(&rig->dir, seat->env, seat->mem, seat->trace, &config));
    dir_open(rig->dir, &open.dir_op, on_dir);
    until(rig, &open.done);
    assert_ok(open.e);
}

static struct rig *rig_new(uint64_t seed)
{
    struct errmsg msg = {0};
    struct world_config config = {.seed = seed, .assert_leaks = true};
    struct rig *rig = calloc(1, sizeof *rig);
    mem_system(&rig->mem);
    rig->world = world_new(&rig->mem, &config, &msg);
    assert_non_null(rig->world);
    assert_ok(world_add_node(rig->world, &program, "broker", bytes_text(""), &rig->node));
    world_start(rig->world, rig->node);
    while (world_node_life(rig->world, rig->node) != WORLD_UP)
        assert_true(world_step(rig->world));
    world_sit(rig->world, rig->node);
    rig->seat = world_seat(rig->world, rig->node);
    open_dir(rig);
    struct call make = {0};
    env_make_dir(rig->seat->env, &make.op, FOLDER, on_env);
    until(rig, &make.done);
    assert_ok(make.e);
    dir_member_init(&rig->member, rig->dir, &calls, FOLDER);
    rig->member.known = dir_known_get(rig->dir, "things", 0);
    assert_non_null(rig->member.known);
    assert_ok(dir_writer_init(&rig->writer, &rig->member, FOLDER "/file", true));
    dir_member_join(&rig->member);
    return rig;
}

static void rig_free(struct rig *rig)
{
    struct call close = {0}, settle = {0};
    dir_close(rig->dir, true, &close.dir_op, on_dir);
    until(rig, &close.done);
    assert_ok(close.e);
    if (rig->writer.state == DIR_WRITER_HELD)
        dir_writer_release(&rig->writer);
    dir_writer_free(&rig->writer);
    dir_member_leave(&rig->member);
    dir_settle(rig->dir, &settle.dir_op, on_dir);
    until(rig, &settle.done);
    dir_free(rig->dir);
    rig->dir = NULL;
    world_exit(rig->seat, ERR_NONE); /* asserts that nothing was left behind */
    world_rise(rig->world, rig->node);
    world_free(rig->world);
    assert_int_equal(rig->mem.live_count, 0);
    free(rig);
}

static void harm(struct rig *rig, const char *text)
{
    struct fault_line line;
    struct errmsg msg = {0};
    if (fault_line_parse(&line, bytes_text(text), &msg) != ERR_NONE)
        fail_msg("%s: %s", text, msg.text);
    world_rise(rig->world, rig->node);
    world_harm(rig->world, &line);
    world_sit(rig->world, rig->node);
}

static void write_some(struct rig *rig)
{
    static const uint8_t bytes[100];
    struct call append = {0};
    dir_writer_hold(&rig->writer, false);
    while (rig->held == 0)
        step(rig);
    rig->part = (struct env_part){.data = bytes, .size = sizeof bytes};
    env_append(rig->seat->env, &append.op, rig->writer.file->handle, &rig->part, 1, on_env);
    until(rig, &append.done);
    assert_ok(append.e);
    rig->writer.written += sizeof bytes;
}

/* ---- rounds ---- */

TEST(what_was_written_is_durable_when_its_round_is_over)
{
    struct rig *rig = rig_new(1);
    write_some(rig);
    dir_commit_mark(&rig->member, DIR_TURN_SOON);
    assert_int_equal(rig->durable, 0);
    while (rig->rounds == 0)
        step(rig);
    assert_int_equal(rig->durable, 1);
    assert_int_equal(rig->writer.synced, rig->writer.written);
    assert_true(rig->writer.entry_durable);
    rig_free(rig);
}

/* The time may change while something waits for it: a shorter one counts at once. */
TEST(what_nobody_waits_for_is_synced_after_a_time_that_may_change)
{
    struct rig *rig = rig_new(7);
    struct env *env = rig->seat->env;
    write_some(rig);
    dir_wrote_unsynced(rig->dir, 100);
    dir_commit_mark(&rig->member, DIR_TURN_IDLE);
    int64_t began_ns = env_now(env);
    assert_int_equal(rig->dir->flush.deadline_ns, began_ns + ENV_NS_OF_MS(1000));
    dir_set_flush_interval(rig->dir, 50000);
    assert_int_equal(rig->dir->flush.deadline_ns, began_ns + ENV_NS_OF_MS(1000));
    dir_set_flush_interval(rig->dir, 100);
    assert_int_equal(rig->dir->flush.deadline_ns, began_ns + ENV_NS_OF_MS(100));
    while (rig->rounds == 0)
        step(rig);
    assert_int_equal(rig->durable, 1);
    assert_true(env_now(env) < began_ns + ENV_NS_OF_MS(900));
    rig_free(rig);
}

/* The sync of the file alone does not tell: who removed it itself does not mind. */
TEST(nothing_is_durable_in_a_folder_that_is_not_there)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig *rig = rig_new(seed);
        write_some(rig);
        harm(rig, "at 0s node 0 disk vanish file=things-0");
        dir_commit_mark(&rig->member, DIR_TURN_SOON);
        while (rig->rounds == 0)
            step(rig);
        assert_int_equal(rig->missing, 1);
        assert_int_equal(rig->durable, 0);
        assert_false(rig->writer.entry_durable);
        rig_free(rig);
    }
}

/* ---- checkpoints ---- */

static bool says(struct rig *rig, const char *text)
{
    struct call got = {.waiter = {.done = on_told}};
    struct dir_get get = {0};
    dir_get(rig->dir, &get, POINTS_NAME, &got.waiter);
    until(rig, &got.done);
    assert_ok(got.e);
    assert_true(get.found);
    bool same = bytes_equal(dir_got(&get), bytes_text(text));
    dir_get_free(&get);
    return same;
}

/* What is being written is of a time before they asked: it does not hold what they mean. */
TEST(who_asks_while_a_checkpoint_is_written_is_told_of_the_next)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct rig *rig = rig_new(seed);
        struct call first = {.waiter = {.done = on_told}}, second = {.waiter = {.done = on_told}};
        rig->start = 3;
        dir_points_write(rig->dir, DIR_POINTS_START, &first.waiter);
        rig->start = 5;
        dir_points_write(rig->dir, DIR_POINTS_START, &second.waiter);
        until(rig, &first.done);
        assert_ok(first.e);
        assert_false(second.done);
        until(rig, &second.done);
        assert_ok(second.e);
        assert_true(says(rig, "0\n1\nthings 0 5\n"));
        rig_free(rig);
    }
}

#define CROWD 5000

/* No event prints all of them; whose row would have been the next may be forgotten meanwhile. */
TEST(a_checkpoint_of_many_partitions_is_made_in_pieces)
{
    struct rig *rig = rig_new(7);
    struct call asked = {.waiter = {.done = on_told}};
    struct dir_points_file *file = &rig->dir->points[DIR_POINTS_START];
    struct text expected;
    int pieces = 0;
    rig->start = 3;
    for (int i = 0; i < CROWD; i++) {
        struct dir_known *known = dir_known_get(rig->dir, "crowd", i);
        assert_non_null(known);
        known->offsets[DIR_POINTS_START] = i;
    }
    dir_points_write(rig->dir, DIR_POINTS_START, &asked.waiter);
    while (file->known != NULL) {
        dir_known_forget(rig->dir, file->known);
        size_t before = file->text.size;
        while (file->known != NULL && file->text.size == before)
            step(rig);
        pieces++;
    }
    assert_true(pieces >= 4);
    until(rig, &asked.done);
    assert_ok(asked.e);
    text_init(&expected, rig->dir->mem);
    format_points_print_head(&expected, CROWD - pieces + 1);
    OMAP_EACH (node, &rig->dir->known) {
        const struct dir_known *known = CONTAINER_OF(node, struct dir_known, node);
        format_points_print_row(&expected, known->topic, known->partition,
                                known->offsets[DIR_POINTS_START]);
    }
    text_add(&expected, "", 1);
    assert_true(says(rig, expected.data));
    text_free(&expected);
    rig_free(rig);
}

/* ---- what goes ---- */

#define REMOVED FOLDER "/00000000000000000000.log.deleted"

static enum err open_file(struct rig *rig, const char *path, unsigned flags)
{
    struct call open = {0}, close = {0};
    env_open_file(rig->seat->env, &open.op, path, flags, on_env);
    until(rig, &open.done);
    if (open.e != ERR_NONE)
        return open.e;
    env_close_file(rig->seat->env, &close.op, open.n, on_env);
    until(rig, &close.done);
    return ERR_NONE;
}

struct pause {
    struct env_timer timer;
    bool over;
};

static void on_pause(struct env_timer *timer)
{
    CONTAINER_OF(timer, struct pause, timer)->over = true;
}

static void run(struct rig *rig, int64_t ms)
{
    struct pause pause = {.timer = {.fire = on_pause}};
    env_arm(rig->seat->env, &pause.timer, env_now(rig->seat->env) + ms * 1000000);
    until(rig, &pause.over);
}

/* Else the next start, which finds neither it nor a checkpoint that says so, takes it for lost. */
TEST(a_segment_of_which_no_checkpoint_says_that_it_is_gone_keeps_its_name)
{
    for (int written = 0; written < 2; written++) {
        struct rig *rig = rig_new(1);
        assert_ok(open_file(rig, REMOVED, ENV_OPEN_WRITE | ENV_OPEN_CREATE));
        if (!written)
            harm(rig, "at 0s node 0 disk write_fails times=100 file=checkpoint");
        rig->start = 7;
        dir_remove_segment(rig->dir, FOLDER, 0, 60000, true);
        run(rig, 1000);
        assert_int_equal(open_file(rig, REMOVED, ENV_OPEN_READ), written ? ERR_NOTFOUND : ERR_NONE);
        if (written)
            assert_true(says(rig, "0\n1\nthings 0 7\n"));
        world_rise(rig->world, rig->node);
        world_heal(rig->world);
        world_sit(rig->world, rig->node);
        rig_free(rig);
    }
}

/* A retention may end while the directory is being closed: nothing is removed once it is unlocked.
 */
TEST(what_is_to_be_removed_at_the_end_is_left_for_the_next_life)
{
    struct rig *rig = rig_new(1);
    assert_ok(open_file(rig, REMOVED, ENV_OPEN_WRITE | ENV_OPEN_CREATE));
    dir_remove_segment(rig->dir, FOLDER, 0, 1000, false); /* before the end */
    rig->dir->closing = true;
    dir_removals_stop(rig->dir);
    dir_remove_segment(rig->dir, FOLDER, 0, 1000, false); /* behind it */
    run(rig, 5000);
    rig->dir->closing = false;
    assert_ok(open_file(rig, REMOVED, ENV_OPEN_READ));
    rig_free(rig);
}

/* ---- what is asserted ---- */

/* One field after the other is made wrong, each in a process of its own. */
static void round_without_members(struct rig *rig)
{
    rig->dir->round_running = true;
    rig->dir->round_pending = 1;
}

static void lined_up_for_no_round(struct rig *rig)
{
    rig->writer.written++;
    list_push_back(&rig->dir->dirty[DIR_TURN_SOON], &rig->member.dirty);
    rig->member.turn = DIR_TURN_SOON;
}

static void lined_up_for_another_turn(struct rig *rig)
{
    list_push_back(&rig->dir->dirty[DIR_TURN_IDLE], &rig->member.dirty);
    rig->member.turn = DIR_TURN_SOON;
}

static void flush_forgotten(struct rig *rig)
{
    list_push_back(&rig->dir->dirty[DIR_TURN_IDLE], &rig->member.dirty);
    rig->member.turn = DIR_TURN_IDLE;
    rig->dir->unsynced_bytes = 1;
}

static void writer_forgotten(struct rig *rig)
{
    list_push_back(&rig->dir->writers_waiting, &rig->writer.link);
}

static void more_places_than_there_are(struct rig *rig)
{
    rig->dir->writer_count = rig->dir->writers_max + 1;
}

static void checkpoint_waited_for_in_vain(struct rig *rig)
{
    static struct waiter waiter;
    waiter_add(&rig->dir->points[DIR_POINTS_START].waits, &waiter);
}

static void next_checkpoint_waited_for_in_vain(struct rig *rig)
{
    static struct waiter waiter;
    waiter_add(&rig->dir->points[DIR_POINTS_START].waits_next, &waiter);
}

static void full_and_nobody_told(struct rig *rig)
{
    rig->dir->full_count = 1;
}

static void settles_for_ever(struct rig *rig)
{
    static struct dir_op op;
    rig->dir->busy = 0;
    rig->dir->settling = &op;
}

static bool dies(struct rig *rig, void (*make_wrong)(struct rig *rig))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO); /* its last words are expected */
        if (make_wrong != NULL)
            make_wrong(rig);
        dir_assert(rig->dir, true);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

TEST(a_state_that_cannot_be_ends_the_process)
{
    static void (*const harms[])(struct rig *) = {
        round_without_members,
        lined_up_for_no_round,
        lined_up_for_another_turn,
        flush_forgotten,
        writer_forgotten,
        more_places_than_there_are,
        checkpoint_waited_for_in_vain,
        next_checkpoint_waited_for_in_vain,
        full_and_nobody_told,
        settles_for_ever,
    };
    struct rig *rig = rig_new(1);
    assert_false(dies(rig, NULL));
    for (int i = 0; i < COUNT_OF(harms); i++)
        assert_true(dies(rig, harms[i]));
    rig_free(rig);
}
