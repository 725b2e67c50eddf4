/* join_test.c - what the events of one turn append to a file is written by one call, up to a size.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "posix/posix.h"
#include "support/test.h"

#define PATIENCE_NS 10000000000ll

/* A timer that appends when it fires. */
struct appender {
    struct env_timer timer;
    struct env *env;
    env_file file;
    struct env_part part;
    struct env_op op;
    bool done;
    enum err e;
    uint64_t n;
};

static void on_done(struct env_op *op, enum err e, uint64_t n)
{
    struct appender *a = CONTAINER_OF(op, struct appender, op);
    a->done = true;
    a->e = e;
    a->n = n;
}

static void append_now(struct env_timer *timer)
{
    struct appender *a = CONTAINER_OF(timer, struct appender, timer);
    env_append(a->env, &a->op, a->file, &a->part, 1, on_done);
}

static void wait_for(struct posix_env *posix, const struct appender *a)
{
    while (!a->done)
        (void)posix_poll(posix, PATIENCE_NS);
    assert_ok(a->e);
}

static env_file open_file(struct posix_env *posix, const char *path)
{
    struct appender open = {0};
    env_open_file(&posix->env, &open.op, path, ENV_OPEN_WRITE | ENV_OPEN_CREATE, on_done);
    wait_for(posix, &open);
    return open.n;
}

/* Appends count times, each in an event of its own or (at once) all in one; returns how many of
 * them went with another. */
static uint64_t append_all(int count, size_t size, bool at_once)
{
    struct test_mem mem;
    struct errmsg msg = {0};
    struct posix_env *posix;
    char dir[] = "/tmp/kiln-join-XXXXXX", path[64];
    struct appender *all = calloc((size_t)count, sizeof *all);
    uint8_t *bytes = calloc(1, size);
    test_mem_init(&mem);
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/f", dir);
    assert_ok(posix_new(&posix, &mem.mem, NULL, NULL, &msg));
    env_file file = open_file(posix, path);
    for (int i = 0; i < count; i++) {
        all[i] = (struct appender){.timer.fire = append_now, .env = &posix->env, .file = file};
        all[i].part = (struct env_part){.data = bytes, .size = size};
        if (at_once)
            append_now(&all[i].timer);
        else
            env_arm(&posix->env, &all[i].timer, env_now(&posix->env));
    }
    for (int i = 0; i < count; i++) {
        wait_for(posix, &all[i]);
        assert_int_equal(all[i].n, (uint64_t)i * size);
    }
    uint64_t joined = posix->counters.joined_count;
    posix_free(posix);
    test_mem_done(&mem);
    unlink(path);
    rmdir(dir);
    free(bytes);
    free(all);
    return joined;
}

TEST(appends_of_one_event_are_written_together)
{
    assert_int_equal(append_all(30, 3, true), 29);
}

TEST(appends_of_many_events_are_written_together)
{
    assert_int_equal(append_all(30, 1000, false), 29);
}

TEST(large_appends_do_not_wait_for_other_events)
{
    assert_int_equal(append_all(10, 100000, false), 3); /* two of three go together */
}
