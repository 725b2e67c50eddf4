/* farewell_test.c - the clean end of a directory of several logs: they are written at once, all
 * that they hold survives an end in the middle of it, and no failure leaves a marker or the lock.
 */
#include "log/internal.h"
#include "rig.h"

#define LOGS_MAX 64
#define PRODUCER 7
#define BATCHES 3
#define RECORDS (BATCHES * 2)

struct many {
    struct rig *rig;
    struct log *logs[LOGS_MAX];
    int count;
};

static void on_done(struct log_op *op, enum err e)
{
    struct rig_op *it = CONTAINER_OF(op, struct rig_op, op);
    it->done = true;
    it->e = e;
}

/* Also of an earlier life's. */
static void open_logs(struct many *m)
{
    struct rig *rig = m->rig;
    for (int i = 0; i < m->count; i++) {
        struct rig_op op = {0};
        log_open(rig->logs, &m->logs[i], "many", i, rig->topic_id, &rig->config, &rig->birth, NULL,
                 &op.op, on_done);
        assert_true(rig_until(rig, &op.done));
        if (op.e != ERR_NONE)
            fail_msg("%s", op.op.msg.text);
    }
}

static void boot(struct many *m)
{
    rig_start(m->rig);
    rig_ok(m->rig, rig_open_dir(m->rig));
    open_logs(m);
}

/* Each log gets the same records. */
static void fill(struct many *m)
{
    struct rig *rig = m->rig;
    for (int i = 0; i < m->count; i++) {
        rig->log = m->logs[i];
        rig->next_body = 0;
        for (int k = 0; k < BATCHES; k++)
            assert_int_equal(
                rig_append_as(rig, 2, 300, env_wall(rig->seat->env), PRODUCER, 0, 2 * k).verdict,
                LOG_APPENDED);
        assert_true(rig_until_durable(rig));
    }
    rig->log = NULL;
}

static void begin(struct many *m, struct rig *rig, int count, bool filled)
{
    *m = (struct many){.rig = rig, .count = count};
    rig->config.index_interval_bytes = 256;
    boot(m);
    if (filled)
        fill(m);
}

/* Nothing is lost, and of the producer all batches are known. */
static void expect_all(struct many *m)
{
    struct rig *rig = m->rig;
    for (int i = 0; i < m->count; i++) {
        rig->log = m->logs[i];
        assert_int_equal(log_end(rig->log), RECORDS);
        assert_int_equal(rig_read_all(rig, RECORDS, 3000, false), RECORDS);
        rig_check_inside(rig);
        for (int k = 0; k < BATCHES; k++)
            assert_int_equal(
                rig_append_as(rig, 2, 300, env_wall(rig->seat->env), PRODUCER, 0, 2 * k).verdict,
                LOG_DUPLICATE);
    }
    rig->log = NULL;
}

static void close_logs(struct many *m)
{
    for (int i = 0; i < m->count; i++) {
        struct rig_op op = {0};
        log_close(m->logs[i], &op.op, on_done);
        assert_true(rig_until(m->rig, &op.done));
        assert_ok(op.e);
    }
}

/* False: the node went down. */
static bool close_dir(struct many *m, struct rig_op *op)
{
    *op = (struct rig_op){0};
    dir_close(m->rig->dir, true, &op->dir_op, rig_dir_done);
    return rig_until(m->rig, &op->done);
}

/* The node's end after that of its directory. */
static void leave(struct many *m)
{
    struct rig *rig = m->rig;
    struct rig_op settled = {0};
    close_logs(m);
    dir_settle(rig->dir, &settled.dir_op, rig_dir_done);
    assert_true(rig_until(rig, &settled.done));
    rig_free_dir(rig);
    world_exit(rig->seat, ERR_NONE);
    world_rise(rig->world, rig->node);
    rig->seat = NULL;
    while (world_node_life(rig->world, rig->node) != WORLD_DOWN)
        assert_true(world_step(rig->world));
}

static void end_well(struct many *m)
{
    struct rig_op op;
    assert_true(close_dir(m, &op));
    assert_ok(op.e);
    leave(m);
}

/* ---- at once ---- */

struct counter {
    struct world_sink sink;
    int syncs, syncs_max; /* of files, in flight */
    int total;
};

static void on_step(struct world_sink *sink, const struct world_step_info *info)
{
    struct counter *c = CONTAINER_OF(sink, struct counter, sink);
    if (strcmp(info->what, "sync") == 0) {
        c->syncs++;
        c->total++;
    } else if (strcmp(info->what, "done sync") == 0) {
        c->syncs--;
    }
    c->syncs_max = MAX(c->syncs_max, c->syncs);
}

TEST(many_logs_are_written_at_once_and_not_all_of_them)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct many m;
        struct rig_op op;
        begin(&m, rig_new(seed), LOGS_MAX, true);
        struct counter counter = {.sink.step = on_step};
        world_add_sink(m.rig->world, &counter.sink);
        assert_true(close_dir(&m, &op));
        assert_ok(op.e);
        assert_int_equal(counter.syncs, 0);
        assert_true(counter.syncs_max > DIR_FAREWELL_FILES);
        assert_true(counter.syncs_max <= DIR_FAREWELLS_MAX * DIR_FAREWELL_FILES);
        leave(&m);
        rig_free(m.rig);
    }
}

static int64_t ns_to_close(uint64_t seed, int count)
{
    struct many m;
    struct rig_op op;
    begin(&m, rig_new(seed), count, true);
    int64_t before_ns = world_now(m.rig->world);
    assert_true(close_dir(&m, &op));
    assert_ok(op.e);
    int64_t took_ns = world_now(m.rig->world) - before_ns;
    leave(&m);
    rig_free(m.rig);
    return took_ns;
}

TEST(the_end_of_many_logs_takes_less_than_one_after_the_other)
{
    int64_t few_ns = 0;
    int64_t many_ns = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        few_ns += ns_to_close(seed, 8);
        many_ns += ns_to_close(seed, LOGS_MAX);
    }
    assert_true(many_ns < few_ns * (LOGS_MAX / 8) / 2);
}

TEST(a_log_that_nobody_ever_wrote_to_leaves_nothing)
{
    struct many m;
    begin(&m, rig_new(1), 2, false);
    end_well(&m);
    boot(&m);
    assert_true(dir_clean(m.rig->dir));
    assert_int_equal(rig_count(m.rig, "data/many-0", ".snapshot"), 0);
    assert_int_equal(rig_count(m.rig, "data/many-0", "index"), 0);
    fill(&m);
    end_well(&m);
    boot(&m);
    assert_int_equal(rig_count(m.rig, "data/many-0", ".snapshot"), 1);
    assert_int_equal(rig_count(m.rig, "data/many-0", "index"), 2);
    expect_all(&m);
    end_well(&m);
    rig_free(m.rig);
}

static void append_more(struct many *m, int i)
{
    m->rig->log = m->logs[i];
    rig_append(m->rig, 1, 100);
    assert_true(rig_until_durable(m->rig));
    m->rig->log = NULL;
}

/* Those at the end of a second life, in which nothing was appended, or a little; then the power
 * fails. */
static int syncs_of_second_end(int count, bool idle)
{
    struct many m;
    struct counter counter = {.sink.step = on_step};
    begin(&m, rig_new(1), count, true);
    end_well(&m);
    world_add_sink(m.rig->world, &counter.sink);
    boot(&m);
    if (!idle)
        append_more(&m, 0);
    counter.total = 0;
    end_well(&m);
    int total = counter.total;
    rig_start(m.rig);
    rig_power(m.rig);
    boot(&m);
    if (idle)
        expect_all(&m);
    end_well(&m);
    rig_free(m.rig);
    return total;
}

TEST(a_log_in_which_nothing_changed_is_left_as_it_was)
{
    int idle = syncs_of_second_end(2, true);
    assert_int_equal(syncs_of_second_end(8, true), idle);
    assert_true(syncs_of_second_end(2, false) > idle);
}

/* ---- in the middle of it ---- */

/* True: the k-th operation of the end was met. */
static bool die_at(int k, bool power)
{
    struct many m;
    struct rig_op op;
    begin(&m, rig_new((uint64_t)k), 4, true);
    struct rig *rig = m.rig;
    rig_doom(rig, k);
    bool met = !close_dir(&m, &op);
    if (!met)
        rig_kill(rig);
    if (power) {
        rig_start(rig);
        rig_power(rig);
    }
    boot(&m);
    assert_true(met || dir_clean(rig->dir));
    expect_all(&m);
    end_well(&m);
    boot(&m);
    assert_true(dir_clean(rig->dir));
    expect_all(&m);
    end_well(&m);
    rig_free(rig);
    return met;
}

TEST(a_kill_at_every_operation_of_the_end_of_several_logs_loses_nothing)
{
    for (int k = 1; die_at(k, false); k++)
        ;
}

TEST(a_power_loss_at_every_operation_of_the_end_of_several_logs_loses_nothing)
{
    for (int k = 1; die_at(k, true); k++)
        ;
}

/* ---- failures ---- */

static const char *const troubles[] = {
    "at 0s node 0 rate site=alloc rate=30000",
    "at 0s node 0 rate site=disk/write rate=30000",
    "at 0s node 0 rate site=disk/space rate=30000",
    "at 0s node 0 rate site=disk/open rate=30000",
    "at 0s node 0 rate site=disk/sync rate=10000",
    "at 0s node 0 rate site=disk/sync_dir rate=100000",
};

/* What was told of an end that a full disk did not take all of. */
static uint64_t unwritten;

static void take_note(struct notes *notes, enum note_kind kind, const char *sentence)
{
    (void)notes;
    unwritten += kind == NOTE_STOP_UNWRITTEN;
    assert_null(strstr(sentence, "%"));
}

/* The lock is free, and the marker says what the end has told; but for a marker that is there and
 * could not be made durable. */
static void expect_let_go(struct many *m, const struct rig_op *end)
{
    struct rig *rig = m->rig;
    struct rig_op op = {0};
    struct dir *second = NULL;
    assert_ok(dir_new(&second, rig->seat->env, rig->seat->mem, rig->seat->trace, &rig->dir_config));
    dir_open(second, &op.dir_op, rig_dir_done);
    assert_true(rig_until(rig, &op.done));
    assert_ok(op.e);
    bool marked = strstr(end->op.msg.text, ".kafka_cleanshutdown") != NULL;
    if (unwritten > 0 || (end->e != ERR_NONE && !marked))
        assert_false(dir_clean(second));
    rig_kill(rig);
}

/* True: the end failed, or was told to be short of something. */
static bool end_under(uint64_t seed, const char *trouble)
{
    struct many m;
    struct rig_op op;
    struct world_config config = {.seed = seed, .armed = UINT32_MAX};
    struct notes notes = {.write = take_note, .level = NOTE_LEVEL_INFO};
    struct rig *rig = rig_new_with(&config);
    unwritten = 0;
    rig->dir_config.notes = &notes;
    begin(&m, rig, 8, true);
    rig_harm(m.rig, trouble);
    assert_true(close_dir(&m, &op));
    rig_heal(m.rig);
    assert_int_equal(op.e == ERR_NONE, op.op.msg.text[0] == 0);
    assert_true(op.e != ERR_NOSPACE);
    bool short_of_room = unwritten > 0;
    expect_let_go(&m, &op);
    boot(&m);
    expect_all(&m);
    end_well(&m);
    rig_free(m.rig);
    return op.e != ERR_NONE || short_of_room;
}

TEST(whatever_fails_at_the_end_of_several_logs_there_is_no_marker_and_no_lock)
{
    for (int i = 0; i < COUNT_OF(troubles); i++) {
        int failed = 0;
        for (uint64_t seed = 1; seed <= 40; seed++)
            failed += end_under(seed, troubles[i]);
        if (failed < 5)
            fail_msg("%s: %d failures", troubles[i], failed);
    }
}

/* Whether appends wait for syncs or not: what was taken is durable after the end, and what the disk
 * has no room for is told once and is no failure. */
TEST(an_end_on_a_full_disk_loses_nothing_and_is_in_good_order)
{
    static const enum log_flush policies[] = {LOG_FLUSH_ACK, LOG_FLUSH_OS};
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct notes notes = {.write = take_note, .level = NOTE_LEVEL_INFO};
        struct rig *rig = rig_new(seed);
        unwritten = 0;
        rig->dir_config.notes = &notes;
        rig->flush = policies[seed % 2];
        rig_ok(rig, rig_boot(rig));
        for (int i = 0; i < 5; i++)
            rig_append(rig, 2, 300);
        assert_true(rig_run(rig, 100000000));
        rig_harm(rig, "at 0s node 0 disk full bytes=2000");
        for (int i = 0; i < 100 && rig->cuts == 0; i++) {
            rig_append(rig, 2, 300);
            if (seed % 4 < 2)
                assert_true(rig_run(rig, 1000000));
        }
        while (rig->cuts == 0)
            assert_true(rig_step(rig));
        int64_t taken = log_end(rig->log);
        assert_true(taken >= 10);
        rig_ok(rig, rig_close(rig));
        assert_int_equal(unwritten, 1);
        rig_heal(rig);
        rig_start(rig);
        rig_power(rig);
        rig_ok(rig, rig_boot(rig));
        assert_false(dir_clean(rig->dir));
        assert_int_equal(log_end(rig->log), taken);
        assert_int_equal(rig_read_all(rig, taken, 3000, false), taken);
        rig_ok(rig, rig_close(rig));
        assert_int_equal(unwritten, 1);
        rig_free(rig);
    }
}
