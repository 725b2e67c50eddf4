/* posix_test.c - what only the real door has: its loop, its threads, its limits and what the
 * machine refuses. What every door must do is in tests/conformance. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "support/test.h"
#include "posix/internal.h"

#define PATIENCE_NS 10000000000ll
#define READ_WRITE_CREATE (ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE)

struct fixture {
    struct test_mem mem;
    struct posix_env *posix;
    struct env *env;
    struct posix_hook hook;
    int hook_count;
    char root[64];
};

struct call {
    struct env_op op;
    bool done;
    enum err e;
    uint64_t n;
};

static void after_event(struct posix_hook *hook)
{
    CONTAINER_OF(hook, struct fixture, hook)->hook_count++;
}

static void start(struct fixture *f)
{
    struct errmsg msg = {0};
    *f = (struct fixture){.hook.after_event = after_event, .root = "/tmp/kiln-posix-XXXXXX"};
    test_mem_init(&f->mem);
    assert_non_null(mkdtemp(f->root));
    assert_ok(posix_new(&f->posix, &f->mem.mem, f->root, &f->hook, &msg));
    f->env = &f->posix->env;
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s;
    (void)type;
    (void)where;
    return remove(path);
}

static void end(struct fixture *f)
{
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
}

static enum err wait_for(struct fixture *f, struct call *call)
{
    int64_t give_up_ns = env_now(f->env) + PATIENCE_NS;
    while (!call->done) {
        posix_poll(f->posix, PATIENCE_NS);
        assert_true(env_now(f->env) < give_up_ns);
    }
    return call->e;
}

static env_file open_file(struct fixture *f, const char *path)
{
    struct call open = {0};
    env_open_file(f->env, &open.op, path, READ_WRITE_CREATE, done);
    assert_ok(wait_for(f, &open));
    return open.n;
}

static enum err append(struct fixture *f, env_file file, const void *data, uint64_t size)
{
    struct call call = {0};
    struct env_part part = {.data = data, .size = size};
    env_append(f->env, &call.op, file, &part, 1, done);
    return wait_for(f, &call);
}

static void connect_pair(struct fixture *f, const char *host, env_stream *here, env_stream *there)
{
    struct call listen = {0}, accept = {0}, connect = {0}, close = {0};
    env_listen(f->env, &listen.op, host, 0, done);
    assert_ok(wait_for(f, &listen));
    env_accept(f->env, &accept.op, listen.n, NULL, done);
    env_connect(f->env, &connect.op, host, env_listener_port(listen.n), done);
    assert_ok(wait_for(f, &connect));
    assert_ok(wait_for(f, &accept));
    env_close(f->env, &close.op, listen.n, done);
    assert_ok(wait_for(f, &close));
    *here = connect.n;
    *there = accept.n;
}

/* ---- the loop ---- */

struct stopping_timer {
    struct env_timer timer;
    struct posix_env *posix;
};

static void stop(struct env_timer *timer)
{
    posix_stop(CONTAINER_OF(timer, struct stopping_timer, timer)->posix);
}

TEST(run_returns_when_an_event_stops_it)
{
    struct fixture f;
    start(&f);
    struct stopping_timer timer = {.timer.fire = stop, .posix = f.posix};
    for (int i = 0; i < 2; i++) {
        env_arm(f.env, &timer.timer, env_now(f.env) + 1000000);
        posix_run(f.posix);
        assert_false(env_armed(&timer.timer));
    }
    end(&f);
}

TEST(the_hook_is_called_after_each_event)
{
    struct fixture f;
    start(&f);
    open_file(&f, "f");
    assert_int_equal(f.hook_count, 1);
    open_file(&f, "g");
    assert_int_equal(f.hook_count, 2);
    assert_int_equal(f.posix->counters.event_count, 2);
    end(&f);
}

static void dawdle(struct env_timer *timer)
{
    (void)timer;
    usleep(5000);
}

TEST(the_longest_event_is_measured)
{
    struct fixture f;
    start(&f);
    struct env_timer timer = {.fire = dawdle};
    env_arm(f.env, &timer, 1);
    posix_poll(f.posix, 0);
    assert_true(f.posix->counters.stall_ns_max >= 5000000);
    end(&f);
}

struct yielding_timer {
    struct env_timer timer;
    struct env *env;
    int left;
    int64_t work_ns; /* of each step */
};

static int64_t clock_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void yield(struct env_timer *timer)
{
    struct yielding_timer *y = CONTAINER_OF(timer, struct yielding_timer, timer);
    int64_t until_ns = clock_now_ns() + y->work_ns;
    while (clock_now_ns() < until_ns)
        continue;
    if (--y->left > 0)
        env_arm(y->env, timer, env_now(y->env));
}

/* One step after the other of a great work runs in one turn only while that is short. */
TEST(small_steps_share_a_turn)
{
    struct fixture f;
    start(&f);
    int most = 0; /* a busy machine may take the time away */
    for (int i = 0; i < 1000 && most < 3; i++) {
        struct yielding_timer y = {.timer.fire = yield, .env = f.env, .left = 3};
        env_arm(f.env, &y.timer, env_now(f.env));
        while (y.left > 0) {
            int count = posix_poll(f.posix, PATIENCE_NS);
            most = MAX(most, count);
        }
    }
    assert_int_equal(most, 3);
    end(&f);
}

/* Who yields after work lets sockets be looked at. */
TEST(what_a_long_turn_arms_waits_for_the_next)
{
    struct fixture f;
    start(&f);
    struct yielding_timer y = {
        .timer.fire = yield, .env = f.env, .left = 3, .work_ns = POSIX_TURN_YOUNG_NS};
    env_arm(f.env, &y.timer, env_now(f.env));
    for (int left = 2; left >= 0; left--) {
        assert_int_equal(posix_poll(f.posix, PATIENCE_NS), 1);
        assert_int_equal(y.left, left);
    }
    assert_int_equal(posix_poll(f.posix, 0), 0);
    end(&f);
}

TEST(polling_without_events_waits_as_long_as_asked)
{
    struct fixture f;
    start(&f);
    int64_t before_ns = env_now(f.env);
    assert_int_equal(posix_poll(f.posix, 0), 0);
    assert_int_equal(posix_poll(f.posix, 3000000), 0);
    assert_true(env_now(f.env) - before_ns >= 3000000);
    end(&f);
}

struct signals_seen {
    struct posix_signals signals;
    int count;
    int last;
};

static void see_signal(struct posix_signals *signals, int number)
{
    struct signals_seen *seen = CONTAINER_OF(signals, struct signals_seen, signals);
    seen->count++;
    seen->last = number;
}

TEST(signals_arrive_as_events)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2};
    struct signals_seen seen = {.signals.fire = see_signal};
    struct fixture f;
    start(&f);
    assert_ok(posix_watch_signals(f.posix, &seen.signals, numbers, 2));
    kill(getpid(), SIGUSR1);
    assert_int_equal(posix_poll(f.posix, PATIENCE_NS), 1);
    assert_int_equal(seen.last, SIGUSR1);
    kill(getpid(), SIGUSR2);
    assert_int_equal(posix_poll(f.posix, PATIENCE_NS), 1);
    assert_int_equal(seen.last, SIGUSR2);
    assert_int_equal(seen.count, 2);
    assert_int_equal(f.hook_count, 2);
    end(&f);
}

/* A thread of somebody else, as a preloaded library's: it is there before the door. */
static void *wait_for_its_end(void *context)
{
    sem_t *over = context;
    while (sem_wait(over) != 0)
        continue;
    return NULL;
}

TEST(signals_that_another_thread_gets_arrive_as_events)
{
    static const int numbers[] = {SIGUSR1, SIGUSR2};
    struct signals_seen seen = {.signals.fire = see_signal};
    struct fixture f;
    sem_t over;
    pthread_t other;
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    assert_int_equal(sem_init(&over, 0, 0), 0);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &set, &before), 0);
    assert_int_equal(pthread_create(&other, NULL, wait_for_its_end, &over), 0);
    start(&f);
    assert_ok(posix_watch_signals(f.posix, &seen.signals, numbers, 2));
    assert_int_equal(pthread_kill(other, SIGUSR1), 0);
    int64_t give_up_ns = env_now(f.env) + PATIENCE_NS;
    for (int i = 1; i <= 4; i++) {
        /* A turn may be woken for a signal that the other thread was quicker to take, and deliver
         * nothing: it is passed on again. */
        while (seen.count < i) {
            posix_poll(f.posix, PATIENCE_NS);
            assert_true(env_now(f.env) < give_up_ns);
        }
        assert_int_equal(seen.last, i % 2 == 1 ? SIGUSR1 : SIGUSR2);
        if (i < 4)
            assert_int_equal(kill(getpid(), i % 2 == 1 ? SIGUSR2 : SIGUSR1), 0);
    }
    assert_int_equal(seen.count, 4);
    end(&f);
    assert_int_equal(sem_post(&over), 0);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
    sem_destroy(&over);
}

TEST(a_root_that_is_not_there_is_named)
{
    struct posix_env *posix;
    struct test_mem mem;
    struct errmsg msg = {0};
    test_mem_init(&mem);
    assert_int_equal(posix_new(&posix, &mem.mem, "/no/such/root", NULL, &msg), ERR_NOTFOUND);
    assert_non_null(strstr(msg.text, "/no/such/root"));
    test_mem_done(&mem);
}

struct echo {
    struct env_op receiving;
    struct call sending;
    struct env_part part;
    struct env *env;
    env_stream stream;
    int left;
    uint8_t buffer[64];
};

static void echo_received(struct env_op *op, enum err e, uint64_t n)
{
    struct echo *echo = CONTAINER_OF(op, struct echo, receiving);
    assert_ok(e);
    echo->part = (struct env_part){.data = echo->buffer, .size = n};
    if (--echo->left > 0)
        env_receive(echo->env, op, echo->stream, echo->buffer, sizeof echo->buffer, echo_received);
    env_send(echo->env, &echo->sending.op, echo->stream, &echo->part, 1, done);
}

/* Receiving, answering and posting the next receive need no further look at the sockets. */
TEST(a_round_trip_takes_one_turn_for_each_arrival)
{
    enum { ROUNDS = 100 };
    struct fixture f;
    struct echo ends[2] = {0};
    start(&f);
    connect_pair(&f, "127.0.0.1", &ends[0].stream, &ends[1].stream);
    for (int i = 0; i < 2; i++) {
        ends[i].env = f.env;
        ends[i].left = ROUNDS;
        env_receive(f.env, &ends[i].receiving, ends[i].stream, ends[i].buffer, 64, echo_received);
    }
    uint64_t before = f.posix->counters.turn_count;
    ends[0].part = (struct env_part){.data = ends[0].buffer, .size = 1};
    env_send(f.env, &ends[0].sending.op, ends[0].stream, &ends[0].part, 1, done);
    while (ends[0].left > 0)
        assert_true(posix_poll(f.posix, PATIENCE_NS) >= 0);
    uint64_t turns = f.posix->counters.turn_count - before;
    assert_in_range(turns, 2 * ROUNDS - 1, 2 * ROUNDS + 4);
    end(&f);
}

/* ---- threads ---- */

static void count_up(void *argument)
{
    ++*(int *)argument;
}

TEST(threads_start_when_needed_and_are_few)
{
    enum { COUNT = 300 };
    struct fixture f;
    struct call *calls = calloc(COUNT, sizeof *calls);
    int *numbers = calloc(COUNT, sizeof *numbers);
    start(&f);
    assert_int_equal(f.posix->inside->pool.thread_count, 0);
    for (int i = 0; i < COUNT; i++)
        env_offload(f.env, &calls[i].op, count_up, &numbers[i], done);
    for (int i = 0; i < COUNT; i++) {
        assert_ok(wait_for(&f, &calls[i]));
        assert_int_equal(numbers[i], 1);
    }
    assert_in_range(f.posix->inside->pool.thread_count, 1, POSIX_THREADS_MAX);
    assert_int_equal(f.posix->counters.blocking_count, COUNT);
    end(&f);
    free(calls);
    free(numbers);
}

static enum err sync_file(struct fixture *f, env_file file)
{
    struct call call = {0};
    env_sync(f->env, &call.op, file, done);
    return wait_for(f, &call);
}

/* Nobody is kept waiting by a loop that has no connections: it need not wake a thread and sleep. */
TEST(a_lone_call_takes_a_thread_only_while_somebody_is_connected)
{
    struct fixture f;
    struct call calls[2] = {0}, listen = {0}, close = {0};
    start(&f);
    env_file file = open_file(&f, "f");
    assert_ok(append(&f, file, "1", 1));
    assert_ok(sync_file(&f, file));
    assert_int_equal(f.posix->inside->pool.thread_count, 0);
    for (int i = 0; i < 2; i++)
        env_sync_dir(f.env, &calls[i].op, ".", done);
    for (int i = 0; i < 2; i++)
        assert_ok(wait_for(&f, &calls[i]));
    assert_int_equal(f.posix->counters.blocking_count, 2);
    env_listen(f.env, &listen.op, "127.0.0.1", 0, done);
    assert_ok(wait_for(&f, &listen));
    assert_ok(sync_file(&f, file));
    assert_int_equal(f.posix->counters.blocking_count, 3);
    env_close(f.env, &close.op, listen.n, done);
    assert_ok(wait_for(&f, &close));
    assert_ok(sync_file(&f, file));
    assert_int_equal(f.posix->counters.blocking_count, 3);
    end(&f);
}

/* The loop is woken for shares of them, not for each. */
TEST(many_syncs_come_back_together)
{
    enum { COUNT = 400 };
    struct fixture f;
    struct call *calls = calloc(COUNT, sizeof *calls);
    start(&f);
    env_file file = open_file(&f, "f");
    for (int i = 0; i < COUNT; i++)
        env_sync(f.env, &calls[i].op, file, done);
    uint64_t before = f.posix->counters.turn_count;
    for (int i = 0; i < COUNT; i++)
        assert_ok(wait_for(&f, &calls[i]));
    assert_in_range(f.posix->counters.turn_count - before, 1, COUNT / 2);
    assert_int_equal(f.posix->counters.blocking_count, COUNT);
    end(&f);
    free(calls);
}

/* Everything of an operation lives until posix_free returns; nothing is delivered. */
TEST(a_door_may_be_freed_with_everything_in_flight)
{
    enum { COUNT = 20, SIZE = 32 << 20 };
    struct fixture f;
    struct call *calls = calloc(COUNT * 5 + 4, sizeof *calls);
    int *numbers = calloc(COUNT, sizeof *numbers);
    uint8_t *bytes = calloc(1, SIZE);
    struct env_part part = {.data = bytes, .size = SIZE};
    env_stream here, there;
    int next = 0;
    start(&f);
    connect_pair(&f, "127.0.0.1", &here, &there);
    env_send(f.env, &calls[next++].op, here, &part, 1, done);
    env_receive(f.env, &calls[next++].op, here, bytes, 10, done);
    env_connect(f.env, &calls[next++].op, "localhost", 1, done);
    env_listen(f.env, &calls[next++].op, "localhost", 0, done);
    for (int i = 0; i < COUNT; i++) {
        env_offload(f.env, &calls[next++].op, count_up, &numbers[i], done);
        env_open_file(f.env, &calls[next++].op, "f", READ_WRITE_CREATE, done);
        env_sync_dir(f.env, &calls[next++].op, ".", done);
    }
    end(&f);
    for (int i = 0; i < next; i++)
        assert_false(calls[i].done);
    free(calls);
    free(numbers);
    free(bytes);
}

/* ---- files ---- */

/* A limit on the size of files is a full disk for the one who writes. */
static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

TEST(after_a_failed_append_those_in_flight_fail_too)
{
    struct fixture f;
    struct call calls[3] = {0}, truncate = {0}, size = {0};
    uint8_t bytes[3000] = {0};
    struct env_part part = {.data = bytes, .size = sizeof bytes};
    start(&f);
    env_file file = open_file(&f, "f");
    assert_ok(append(&f, file, bytes, 1000));
    limit_file_size(2000);
    for (int i = 0; i < 3; i++)
        env_append(f.env, &calls[i].op, file, &part, 1, done);
    assert_int_equal(wait_for(&f, &calls[0]), ERR_NOSPACE);
    assert_int_equal(wait_for(&f, &calls[1]), ERR_OFFLINE);
    assert_int_equal(wait_for(&f, &calls[2]), ERR_OFFLINE);
    limit_file_size(RLIM_INFINITY);
    env_size(f.env, &size.op, file, done);
    assert_ok(wait_for(&f, &size));
    assert_int_equal(size.n, 2000); /* a part of it stands there */
    env_truncate(f.env, &truncate.op, file, 1000, done);
    assert_ok(wait_for(&f, &truncate));
    assert_ok(append(&f, file, bytes, 500));
    end(&f);
}

/* Somebody tidies up; the next broker must not believe that the directory is free. */
TEST(a_lock_holds_although_its_file_is_removed)
{
    struct fixture f;
    struct call dir = {0}, lock = {0}, unlink = {0}, close = {0};
    unsigned flags = READ_WRITE_CREATE | ENV_OPEN_LOCK;
    start(&f);
    env_make_dir(f.env, &dir.op, "d", done);
    assert_ok(wait_for(&f, &dir));
    env_open_file(f.env, &lock.op, "d/.lock", flags, done);
    assert_ok(wait_for(&f, &lock));
    env_unlink(f.env, &unlink.op, "d/.lock", done);
    assert_ok(wait_for(&f, &unlink));
    env_file first = lock.n;
    lock = (struct call){0};
    env_open_file(f.env, &lock.op, "d/.lock", flags, done);
    assert_int_equal(wait_for(&f, &lock), ERR_BUSY);
    env_close_file(f.env, &close.op, first, done);
    assert_ok(wait_for(&f, &close));
    lock = (struct call){0};
    env_open_file(f.env, &lock.op, "d/.lock", flags, done);
    assert_ok(wait_for(&f, &lock));
    end(&f);
}

/* Nobody is at the other end, and nobody will come. */
TEST(a_pipe_is_no_file_and_is_not_waited_for)
{
    static const unsigned ways[] = {ENV_OPEN_READ, ENV_OPEN_WRITE | ENV_OPEN_TRUNCATE,
                                    READ_WRITE_CREATE};
    struct fixture f;
    char path[128];
    start(&f);
    snprintf(path, sizeof path, "%s/pipe", f.root);
    assert_int_equal(mkfifo(path, 0600), 0);
    for (int i = 0; i < COUNT_OF(ways); i++) {
        struct call open = {0};
        env_open_file(f.env, &open.op, "pipe", ways[i], done);
        assert_int_equal(wait_for(&f, &open), ERR_NOTFILE);
    }
    end(&f);
}

static int mode_of(const struct fixture *f, const char *name)
{
    char path[128];
    struct stat s;
    snprintf(path, sizeof path, "%s/%s", f->root, name);
    assert_int_equal(stat(path, &s), 0);
    return s.st_mode & 07777;
}

TEST(new_files_are_readable_by_whom_the_owner_says)
{
    static const struct {
        enum posix_access access;
        int file, dir;
    } cases[] = {{POSIX_ACCESS_GROUP, 0640, 0750},
                 {POSIX_ACCESS_OWNER, 0600, 0700},
                 {POSIX_ACCESS_ALL, 0644, 0755}};
    mode_t before = umask(0);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct fixture f;
        struct call dir = {0};
        start(&f);
        if (i > 0) /* the first is what stands when nobody says anything */
            posix_set_access(f.posix, cases[i].access);
        open_file(&f, "f");
        env_make_dir(f.env, &dir.op, "d", done);
        assert_ok(wait_for(&f, &dir));
        assert_int_equal(mode_of(&f, "f"), cases[i].file);
        assert_int_equal(mode_of(&f, "d"), cases[i].dir);
        end(&f);
    }
    umask(before);
}

static uint8_t *numbered(size_t size)
{
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 10));
    return bytes;
}

/* What the closer has not read would reset the connection, and take along what it had sent. */
TEST(what_waits_in_the_socket_still_arrives_after_a_close)
{
    enum { SIZE = 1 << 20 };
    struct fixture f;
    struct call send = {0}, unread = {0}, close = {0};
    env_stream here, there;
    uint8_t *bytes = numbered(SIZE), *buffer = calloc(1, SIZE);
    struct env_part part = {.data = bytes, .size = SIZE};
    struct env_part other = {.data = bytes, .size = 10};
    start(&f);
    connect_pair(&f, "127.0.0.1", &here, &there);
    env_send(f.env, &unread.op, there, &other, 1, done);
    assert_ok(wait_for(&f, &unread));
    env_send(f.env, &send.op, here, &part, 1, done); /* the socket takes it all at once */
    assert_ok(wait_for(&f, &send));
    env_close(f.env, &close.op, here, done);
    assert_ok(wait_for(&f, &close));
    for (uint64_t got = 0; got < SIZE;) {
        struct call receive = {0};
        env_receive(f.env, &receive.op, there, buffer + got, SIZE - got, done);
        assert_ok(wait_for(&f, &receive));
        got += receive.n;
    }
    assert_memory_equal(buffer, bytes, SIZE);
    end(&f);
    free(bytes);
    free(buffer);
}

TEST(absolute_paths_are_not_under_the_root)
{
    struct fixture f;
    struct call open = {0};
    char path[128];
    start(&f);
    snprintf(path, sizeof path, "%s/f", f.root);
    env_open_file(f.env, &open.op, path, READ_WRITE_CREATE, done);
    assert_ok(wait_for(&f, &open));
    struct call again = {0};
    env_open_file(f.env, &again.op, "f", ENV_OPEN_READ, done);
    assert_ok(wait_for(&f, &again));
    end(&f);
}

/* ---- limits ---- */

static void limit_descriptors(rlim_t count)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

TEST(without_descriptors_an_accept_fails_and_may_be_tried_again)
{
    struct fixture f;
    struct call listen = {0}, connect = {0}, accept = {0}, again = {0}, open = {0};
    struct rlimit before;
    start(&f);
    getrlimit(RLIMIT_NOFILE, &before);
    env_listen(f.env, &listen.op, "127.0.0.1", 0, done);
    assert_ok(wait_for(&f, &listen));
    env_connect(f.env, &connect.op, "127.0.0.1", env_listener_port(listen.n), done);
    assert_ok(wait_for(&f, &connect));
    limit_descriptors(3);
    env_accept(f.env, &accept.op, listen.n, NULL, done);
    assert_int_equal(wait_for(&f, &accept), ERR_TOOMANY);
    env_open_file(f.env, &open.op, "f", READ_WRITE_CREATE, done);
    assert_int_equal(wait_for(&f, &open), ERR_TOOMANY);
    limit_descriptors(before.rlim_cur);
    env_accept(f.env, &again.op, listen.n, NULL, done);
    assert_ok(wait_for(&f, &again));
    end(&f);
}

static void try_everything(struct fixture *f)
{
    struct call calls[4] = {0};
    env_open_file(f->env, &calls[0].op, "f", READ_WRITE_CREATE, done);
    env_listen(f->env, &calls[1].op, "127.0.0.1", 0, done);
    for (int i = 0; i < 2; i++)
        assert_true(wait_for(f, &calls[i]) == ERR_NONE || calls[i].e == ERR_NOMEM);
    if (calls[1].e != ERR_NONE)
        return;
    env_accept(f->env, &calls[2].op, calls[1].n, NULL, done);
    env_connect(f->env, &calls[3].op, "127.0.0.1", env_listener_port(calls[1].n), done);
    assert_true(wait_for(f, &calls[3]) == ERR_NONE || calls[3].e == ERR_NOMEM);
    if (calls[3].e == ERR_NONE)
        assert_true(wait_for(f, &calls[2]) == ERR_NONE || calls[2].e == ERR_NOMEM);
}

TEST(refused_memory_is_told_and_leaks_nothing)
{
    uint64_t failed_count = 1;
    for (uint64_t at = 1; failed_count > 0; at++) {
        struct fixture f;
        start(&f);
        f.mem.fail_at = at;
        try_everything(&f);
        failed_count = f.mem.failed;
        end(&f);
    }
}

/* ---- names ---- */

TEST(a_name_is_looked_up_only_while_it_is_given)
{
    struct test_mem mem;
    struct names names = {.free_first = -1};
    struct handle handles[3] = {0};
    test_mem_init(&mem);
    for (int i = 0; i < 3; i++)
        assert_ok(posix_name_give(&names, &mem.mem, &handles[i], 0));
    uint64_t second = handles[1].name;
    assert_ptr_equal(posix_name_find(&names, second), &handles[1]);
    posix_name_take(&names, &handles[1]);
    assert_null(posix_name_find(&names, second));
    assert_ok(posix_name_give(&names, &mem.mem, &handles[1], 0));
    assert_true(handles[1].name != second);
    assert_null(posix_name_find(&names, second));
    assert_null(posix_name_find(&names, 0));
    assert_null(posix_name_find(&names, UINT64_MAX));
    mem_free(&mem.mem, names.slots);
    test_mem_done(&mem);
}

TEST(a_slot_that_has_given_all_its_names_rests)
{
    struct test_mem mem;
    struct names names = {.free_first = -1};
    struct handle handle = {0};
    test_mem_init(&mem);
    assert_ok(posix_name_give(&names, &mem.mem, &handle, 0));
    posix_name_take(&names, &handle);
    names.slots[0].generation = (1u << 28) - 1;
    assert_ok(posix_name_give(&names, &mem.mem, &handle, 77));
    assert_int_equal(env_listener_port(handle.name), 77);
    assert_int_equal(handle.name & 0xfffff, 0);
    posix_name_take(&names, &handle);
    assert_ok(posix_name_give(&names, &mem.mem, &handle, 0));
    assert_int_equal(handle.name & 0xfffff, 1);
    mem_free(&mem.mem, names.slots);
    test_mem_done(&mem);
}

/* ---- names of hosts, and errors ---- */

TEST(a_host_may_be_a_name)
{
    struct fixture f;
    env_stream here, there;
    start(&f);
    connect_pair(&f, "localhost", &here, &there);
    end(&f);
}

TEST(an_errno_means_what_its_verb_lists)
{
    assert_int_equal(posix_errno(ENV_OPEN, ENOSPC), ERR_NOSPACE);
    assert_int_equal(posix_errno(ENV_OPEN, EMFILE), ERR_TOOMANY);
    assert_int_equal(posix_errno(ENV_OPEN, EWOULDBLOCK), ERR_BUSY);
    assert_int_equal(posix_errno(ENV_OPEN, EROFS), ERR_READONLY);
    assert_int_equal(posix_errno(ENV_OPEN, ELOOP), ERR_NOTFOUND);
    assert_int_equal(posix_errno(ENV_OPEN, ENXIO), ERR_NOTFILE);
    assert_int_equal(posix_errno(ENV_READ, ENOSPC), ERR_IO);
    assert_int_equal(posix_errno(ENV_APPEND, EDQUOT), ERR_NOSPACE);
    assert_int_equal(posix_errno(ENV_SYNC, EIO), ERR_IO);
    assert_int_equal(posix_errno(ENV_RENAME, EXDEV), ERR_IO);
    assert_int_equal(posix_errno(ENV_UNLINK, EBUSY), ERR_BUSY);
    assert_int_equal(posix_errno(ENV_LISTEN, EADDRINUSE), ERR_BUSY);
    assert_int_equal(posix_errno(ENV_LISTEN, EADDRNOTAVAIL), ERR_UNREACHABLE);
    assert_int_equal(posix_errno(ENV_CONNECT, ECONNREFUSED), ERR_REFUSED);
    assert_int_equal(posix_errno(ENV_CONNECT, ENETUNREACH), ERR_UNREACHABLE);
    assert_int_equal(posix_errno(ENV_SEND, EPIPE), ERR_RESET);
    assert_int_equal(posix_errno(ENV_SEND, EIO), ERR_IO);
    assert_int_equal(posix_errno(ENV_RECEIVE, ETIMEDOUT), ERR_TIMEOUT);
    assert_int_equal(posix_errno(ENV_RECEIVE, EHOSTUNREACH), ERR_RESET);
    assert_int_equal(posix_errno(ENV_LIST, ENOMEM), ERR_NOMEM);
}
