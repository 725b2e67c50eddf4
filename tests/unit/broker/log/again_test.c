/* again_test.c - work that would come round for ever is an assertion: each case takes the progress
 * away from work that is under way, as a mistake of its neighbours would, in a child that must die
 * of it. */
#include "log/internal.h"
#include "rig.h"

#define STEPS_MAX 20000

static struct rig *small_rig(void)
{
    struct rig *rig = rig_new(1);
    rig->config.segment_bytes = 2048;
    rig_ok(rig, rig_boot(rig));
    return rig;
}

/* ---- what is saved in the background ---- */

static void forget_what_was_saved(struct log *log)
{
    for (int32_t k = 0; k < log->segment_count - 1; k++) {
        log_index_uncache(log->segments[k]);
        if (log->segments[k]->index_state == LOG_INDEX_SAVED)
            log->segments[k]->index_state = LOG_INDEX_MADE;
    }
}

/* Each index is said to be saved before its files are. */
static void save_for_nothing(void *arg)
{
    struct rig *rig = arg;
    struct log *log = rig->log;
    forget_what_was_saved(log);
    log_seal(log);
    assert_non_null(log->sealing);
    while (log->sealing != NULL) {
        for (int32_t k = 0; k < log->segment_count; k++)
            if (log->segments[k]->sealing)
                log->segments[k]->index_state = LOG_INDEX_SAVED;
        assert_true(rig_step(rig));
    }
}

TEST(sealing_that_saves_nothing_does_not_go_on)
{
    struct rig *rig = small_rig();
    for (int i = 0; i < 12; i++)
        rig_append(rig, 1, 900);
    assert_true(rig_until_durable(rig));
    assert_true(rig_run(rig, 1000000000));
    assert_null(rig->log->sealing);
    assert_true(test_dies(save_for_nothing, rig));
    forget_what_was_saved(rig->log); /* and an honest one ends */
    log_seal(rig->log);
    assert_true(rig_run(rig, 1000000000));
    assert_null(rig->log->sealing);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- repair ---- */

/* For each segment that is dropped another one comes. */
static void drop_for_ever(void *arg)
{
    struct rig *rig = arg;
    struct log *log = rig->log;
    int32_t count = 0;
    for (int i = 0; i < STEPS_MAX && rig_step(rig); i++) {
        bool drops = log_repair_runs(log) && log_active(log)->base > log->end;
        if (drops && log->segment_count != count) {
            assert_ok(log_segments_reserve(log));
            log_segments_push(log, log_segment_new(log, log_active(log)->base + 1, false));
            count = log->segment_count - 1;
        }
    }
}

TEST(a_repair_that_drops_nothing_does_not_go_on)
{
    struct rig *rig = small_rig();
    rig_append(rig, 1, 900);
    assert_true(rig_until_durable(rig));
    rig_harm(rig, "at 0s node 0 disk full bytes=0");
    for (int i = 0; i < 12; i++)
        rig_append(rig, 1, 900);
    assert_true(test_dies(drop_for_ever, rig));
    rig_run(rig, 1000000000);
    assert_int_equal(rig->cuts, 1);
    rig_heal(rig);
    rig_run(rig, 1000000000);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- retention ---- */

/* The segment that went is there again. */
static void remove_for_ever(void *arg)
{
    struct rig *rig = arg;
    struct log *log = rig->log;
    int64_t first = log->segments[0]->base;
    log_retain(log, log_end(log), env_wall(rig->seat->env));
    for (int i = 0; i < STEPS_MAX && log->segments[0]->base == first; i++)
        assert_true(rig_step(rig));
    struct log_segment *again = log_segment_new(log, first, false);
    again->next = log->segments[0]->base;
    assert_ok(log_segments_reserve(log));
    log_segments_insert(log, 0, again);
    for (int i = 0; i < STEPS_MAX; i++)
        rig_step(rig);
}

TEST(retention_that_removes_nothing_does_not_go_on)
{
    struct rig *rig = small_rig();
    rig->config.retention_bytes = 3000;
    log_reconfigure(rig->log, &rig->config);
    for (int i = 0; i < 20; i++)
        rig_append(rig, 1, 900);
    assert_true(rig_until_durable(rig));
    assert_true(rig_run(rig, 1000000000));
    assert_true(test_dies(remove_for_ever, rig));
    log_retain(rig->log, log_end(rig->log), env_wall(rig->seat->env));
    rig_run(rig, 1000000000);
    assert_null(rig->log->retention);
    assert_true(log_start(rig->log) > 0);
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* ---- files that wait for a place ---- */

/* A member that asks for a place again whenever it is refused one. */
struct asker {
    struct dir_member member;
    struct dir_writer writer;
    int refused;
};

static void on_held(struct dir_member *m, struct dir_writer *w, enum err e)
{
    struct asker *a = CONTAINER_OF(m, struct asker, member);
    a->refused += e != ERR_NONE;
    if (e != ERR_NONE)
        dir_writer_hold(w, false);
}

static void ask_for_ever(void *arg)
{
    static const struct dir_member_calls calls = {.held = on_held};
    static struct asker asker;
    struct rig *rig = arg;
    dir_member_init(&asker.member, rig->dir, &calls, "data/orders-0");
    assert_ok(dir_writer_init(&asker.writer, &asker.member, "data/orders-0/asker", true));
    dir_writer_hold(&asker.writer, false);
    for (int i = 0; i < STEPS_MAX; i++)
        rig_step(rig);
}

/* The one place that there is stays taken: a sync has failed. */
TEST(who_was_refused_a_place_for_good_does_not_ask_again)
{
    struct rig *rig = rig_new(2);
    rig->dir_config.open_files_max = 2;
    rig_ok(rig, rig_boot(rig));
    rig_harm(rig, "at 0s node 0 disk sync_fails times=1");
    rig_append(rig, 1, 100);
    while (dir_status(rig->dir) == ERR_NONE)
        assert_true(rig_step(rig));
    struct dir_counts counts;
    dir_count(rig->dir, &counts);
    assert_int_equal(counts.writers, counts.writers_max);
    assert_true(test_dies(ask_for_ever, rig));
    rig_kill(rig);
    rig_free(rig);
}

/* ---- checkpoints ---- */

struct waiting {
    struct waiter wait;
    struct dir *dir;
};

static void on_point(struct waiter *wait, enum err e)
{
    struct waiting *w = CONTAINER_OF(wait, struct waiting, wait);
    if (e != ERR_NONE)
        dir_points_write(w->dir, DIR_POINTS_START, wait);
}

static void write_for_ever(void *arg)
{
    struct rig *rig = arg;
    struct waiting w = {.wait = {.done = on_point}, .dir = rig->dir};
    dir_points_write(rig->dir, DIR_POINTS_START, &w.wait);
}

static void on_refused(struct waiter *wait, enum err e)
{
    (void)wait;
    assert_int_equal(e, ERR_OFFLINE);
}

TEST(a_checkpoint_that_cannot_be_written_is_not_asked_for_by_who_is_told_so)
{
    struct rig *rig = small_rig();
    rig_harm(rig, "at 0s node 0 disk sync_fails times=1");
    rig_append(rig, 1, 100);
    while (dir_status(rig->dir) == ERR_NONE)
        assert_true(rig_step(rig));
    for (int i = 0; i < 3; i++) { /* whoever asks is answered */
        struct waiter wait = {.done = on_refused};
        dir_points_write(rig->dir, DIR_POINTS_START, &wait);
    }
    assert_true(test_dies(write_for_ever, rig));
    rig_kill(rig);
    rig_free(rig);
}
