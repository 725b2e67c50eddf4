/* slow_test.c - disks that keep a call waiting: the loop goes on, what is asked of them goes to the
 * threads in its order, and comes back to the loop when they are well again. */
#include "posix/internal.h"
#include "support/test.h"

TEST(dirty_memory_is_near_its_limit_before_writers_wait)
{
    static const struct {
        const char *vmstat;
        bool near;
    } cases[] = {
        {"nr_free_pages 1\nnr_dirty 799\nnr_writeback 0\nnr_dirty_threshold 1500\n"
         "nr_dirty_background_threshold 500\n",
         false},
        {"nr_dirty 700\nnr_writeback 100\nnr_writeback_temp 9\nnr_dirty_threshold 1500\n"
         "nr_dirty_background_threshold 500\n",
         true},
        {"nr_dirty 5\n", false},
        {"nr_dirty 5\nnr_writeback 5\nnr_dirty_threshold 0\nnr_dirty_background_threshold 0\n",
         false},
        {"", false},
    };
    for (int i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(posix_dirty_near(cases[i].vmstat), cases[i].near);
}

#ifdef FIU_ENABLE
#include <fiu-control.h>
#include <fiu.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS 10000000000ll
#define PATIENCE_S 10
#define BEAT_NS 1000000
#define LONG_SLOW_MS 3000 /* the next look would be half of it later */
#define READ_WRITE_CREATE (ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE)

/* A point at which calls hang until the test lets go of them. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int hang_max; /* further calls pass */
    int hung_count;
    bool released, gave_up;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int hang(const char *name, int *failnum, void **failinfo, unsigned *flags)
{
    struct timespec until;
    (void)name;
    (void)failnum;
    (void)failinfo;
    (void)flags;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&gate.lock);
    bool hangs = gate.hung_count < gate.hang_max;
    gate.hung_count += hangs;
    while (hangs && !gate.released && !gate.gave_up)
        gate.gave_up = pthread_cond_timedwait(&gate.changed, &gate.lock, &until) != 0;
    pthread_mutex_unlock(&gate.lock);
    return 0;
}

static void hang_at(const char *point, int hang_max)
{
    pthread_mutex_lock(&gate.lock);
    gate.hang_max = hang_max;
    gate.hung_count = 0;
    gate.released = gate.gave_up = false;
    pthread_mutex_unlock(&gate.lock);
    assert_int_equal(fiu_enable_external(point, 1, NULL, 0, hang), 0);
}

static void let_go(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.released = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static int hung_count(void)
{
    pthread_mutex_lock(&gate.lock);
    int count = gate.hung_count;
    pthread_mutex_unlock(&gate.lock);
    return count;
}

struct call {
    struct env_op op;
    struct fixture *f;
    bool done;
    enum err e;
    uint64_t n;
    int order;
};

#define CALLS_MAX 8

struct fixture {
    struct test_mem mem;
    struct posix_env *posix;
    struct env *env;
    char root[64];
    env_file file, other;
    struct call calls[CALLS_MAX];
    int done_count, beat_count;
    struct env_timer beat;
    void (*on_beat)(struct fixture *f);
};

static void start(struct fixture *f)
{
    struct errmsg msg = {0};
    *f = (struct fixture){.root = "/tmp/kiln-slow-XXXXXX"};
    test_mem_init(&f->mem);
    assert_non_null(mkdtemp(f->root));
    assert_ok(posix_new(&f->posix, &f->mem.mem, f->root, NULL, &msg));
    f->env = &f->posix->env;
    assert_int_equal(fiu_init(0), 0);
    assert_true(posix_inject_faults(true));
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s;
    (void)type;
    (void)where;
    return remove(path);
}

static void end(struct fixture *f, const char *point)
{
    assert_false(gate.gave_up);
    assert_int_equal(fiu_disable(point), 0);
    posix_inject_faults(false);
    posix_free(f->posix);
    assert_int_equal(nftw(f->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    test_mem_done(&f->mem);
}

static void done(struct env_op *op, enum err e, uint64_t n)
{
    struct call *call = CONTAINER_OF(op, struct call, op);
    call->done = true;
    call->e = e;
    call->n = n;
    call->order = ++call->f->done_count;
}

static struct call *call_new(struct fixture *f, int i)
{
    assert_false(f->calls[i].op.in_flight);
    f->calls[i] = (struct call){.f = f};
    return &f->calls[i];
}

static void wait_for(struct fixture *f, const struct call *call)
{
    int64_t give_up_ns = env_now(f->env) + PATIENCE_NS;
    while (!call->done) {
        posix_poll(f->posix, PATIENCE_NS);
        assert_true(env_now(f->env) < give_up_ns);
    }
    assert_ok(call->e);
}

static env_file open_file(struct fixture *f, const char *path)
{
    struct call *call = call_new(f, 0);
    env_open_file(f->env, &call->op, path, READ_WRITE_CREATE, done);
    wait_for(f, call);
    return call->n;
}

static const struct env_part parts[CALLS_MAX] = {{.data = (const uint8_t *)"0", .size = 1},
                                                 {.data = (const uint8_t *)"11", .size = 2},
                                                 {.data = (const uint8_t *)"222", .size = 3},
                                                 {.data = (const uint8_t *)"3333", .size = 4},
                                                 {.data = (const uint8_t *)"44444", .size = 5}};

static void append(struct fixture *f, env_file file, int i)
{
    env_append(f->env, &call_new(f, i)->op, file, &parts[i], 1, done);
}

static void on_beat(struct env_timer *timer)
{
    struct fixture *f = CONTAINER_OF(timer, struct fixture, beat);
    f->beat_count++;
    env_arm(f->env, timer, env_now(f->env) + BEAT_NS);
    f->on_beat(f);
}

/* A loop that runs by itself, with an event each millisecond. */
static void run(struct fixture *f, void (*beat)(struct fixture *f))
{
    f->beat.fire = on_beat;
    f->on_beat = beat;
    f->beat_count = 0;
    env_arm(f->env, &f->beat, env_now(f->env) + BEAT_NS);
    posix_run(f->posix);
    env_disarm(f->env, &f->beat);
}

static bool is_slow(const struct fixture *f)
{
    struct posix *p = f->posix->inside;
    return posix_disk_slow(p, posix_file(p, f->file)->disk);
}

/* The first write hangs. What is appended behind it waits; the other file's goes by a thread and is
 * done meanwhile. */
static void beat_with_a_hung_write(struct fixture *f)
{
    switch (f->beat_count) {
    case 1:
        append(f, f->file, 1);
        return;
    case 100: /* another thread has the loop: the first write has not come back */
        append(f, f->file, 2);
        append(f, f->other, 3);
        append(f, f->file, 4);
        return;
    default:
        break;
    }
    if (f->calls[3].done && !f->calls[1].done)
        let_go();
    if (f->calls[4].done)
        posix_stop(f->posix);
}

TEST(a_write_that_hangs_holds_up_neither_the_loop_nor_other_files)
{
    struct fixture f;
    char bytes[16] = "";
    start(&f);
    f.file = open_file(&f, "f");
    f.other = open_file(&f, "g");
    hang_at("disk/write", 1);
    run(&f, beat_with_a_hung_write);
    assert_int_equal(f.posix->counters.taken_count, 1);
    assert_true(f.posix->counters.handed_count >= 1);
    assert_true(f.calls[3].order < f.calls[1].order);
    assert_true(f.calls[1].order < f.calls[2].order);
    assert_true(f.calls[2].order < f.calls[4].order);
    assert_int_equal(f.calls[2].n, 2);
    assert_int_equal(f.calls[4].n, 5);
    struct call *read = call_new(&f, 0);
    env_read(f.env, &read->op, f.file, 0, bytes, sizeof bytes, done);
    wait_for(&f, read);
    assert_string_equal(bytes, "1122244444");
    end(&f, "disk/write");
}

static void beat_until_stopped(struct fixture *f)
{
    if (f->beat_count == 1)
        append(f, f->file, 1);
    if (f->beat_count == 4)
        posix_stop(f->posix); /* by a thread that is not the one in posix_run */
}

static void *let_go_when_hung(void *argument)
{
    struct fixture *f = argument;
    while (atomic_load(&f->posix->inside->watch.disks[1].caught_count) == 0)
        sched_yield();
    let_go();
    return NULL;
}

/* Whoever began the loop comes back when it has ended and its own call has. */
TEST(a_loop_that_was_taken_may_end_while_its_first_thread_is_caught)
{
    struct fixture f;
    pthread_t thread;
    start(&f);
    f.file = open_file(&f, "f");
    hang_at("disk/write", 1);
    assert_int_equal(pthread_create(&thread, NULL, let_go_when_hung, &f), 0);
    run(&f, beat_until_stopped);
    pthread_join(thread, NULL);
    assert_int_equal(f.posix->counters.taken_count, 1);
    wait_for(&f, &f.calls[1]);
    end(&f, "disk/write");
}

static void poll_until(struct fixture *f, bool slow)
{
    int64_t give_up_ns = env_now(f->env) + PATIENCE_NS;
    while (is_slow(f) != slow) {
        posix_poll(f->posix, BEAT_NS);
        assert_true(env_now(f->env) < give_up_ns);
    }
}

TEST(appends_go_to_the_threads_while_a_sync_hangs_and_come_back)
{
    struct fixture f;
    start(&f);
    f.file = open_file(&f, "f");
    append(&f, f.file, 1);
    wait_for(&f, &f.calls[1]);
    assert_int_equal(f.posix->counters.handed_count, 0);
    hang_at("disk/sync", 1);
    struct call *sync = call_new(&f, 7), *second = call_new(&f, 6);
    env_sync(f.env, &sync->op, f.file, done);
    env_sync(f.env, &second->op, f.file, done); /* two, so that threads make them */
    poll_until(&f, true);
    assert_true(posix_slow_ns(f.posix) > 0);
    for (int i = 1; i < 4; i++)
        append(&f, f.file, i);
    wait_for(&f, &f.calls[3]);
    assert_int_equal(f.posix->counters.handed_count, 3);
    assert_int_equal(f.calls[1].n, 2);
    assert_int_equal(f.calls[3].n, 7);
    assert_false(sync->done && second->done);
    let_go();
    wait_for(&f, sync);
    wait_for(&f, second);
    poll_until(&f, false);
    append(&f, f.file, 4);
    wait_for(&f, &f.calls[4]);
    assert_int_equal(f.posix->counters.handed_count, 3);
    assert_int_equal(f.calls[4].n, 11);
    end(&f, "disk/sync");
}

/* Not only when somebody looks the next time: what is asked meanwhile would go to the threads. */
TEST(a_disk_is_well_as_soon_as_its_slow_call_has_ended)
{
    struct fixture f;
    start(&f);
    posix_set_slow(f.posix, LONG_SLOW_MS);
    f.file = open_file(&f, "f");
    hang_at("disk/sync", 1);
    struct call *sync = call_new(&f, 7), *second = call_new(&f, 6);
    env_sync(f.env, &sync->op, f.file, done);
    env_sync(f.env, &second->op, f.file, done); /* two, so that threads make them */
    poll_until(&f, true);
    int64_t ended_ns = env_now(f.env);
    let_go();
    poll_until(&f, false);
    assert_true(env_now(f.env) - ended_ns < LONG_SLOW_MS * 1000000ll / 2 - BEAT_NS);
    wait_for(&f, sync);
    wait_for(&f, second);
    end(&f, "disk/sync");
}

static void nothing(void *argument)
{
    (void)argument;
}

/* Names are looked up and bytes checked although every thread waits for the disk. */
TEST(what_waits_for_no_disk_does_not_wait_for_a_hung_one)
{
    struct fixture f;
    start(&f);
    f.file = open_file(&f, "f");
    hang_at("disk/sync", POSIX_THREADS_MAX);
    for (int i = 0; i < POSIX_THREADS_MAX; i++)
        env_sync(f.env, &call_new(&f, i)->op, f.file, done);
    int64_t give_up_ns = env_now(f.env) + PATIENCE_NS;
    while (hung_count() < POSIX_THREADS_MAX) {
        posix_poll(f.posix, BEAT_NS);
        assert_true(env_now(f.env) < give_up_ns);
    }
    struct call *offload = call_new(&f, 5), *second = call_new(&f, 6);
    env_offload(f.env, &offload->op, nothing, NULL, done);
    env_offload(f.env, &second->op, nothing, NULL, done);
    wait_for(&f, offload);
    wait_for(&f, second);
    assert_false(f.calls[0].done);
    let_go();
    for (int i = 0; i < POSIX_THREADS_MAX; i++)
        wait_for(&f, &f.calls[i]);
    end(&f, "disk/sync");
}
#endif
