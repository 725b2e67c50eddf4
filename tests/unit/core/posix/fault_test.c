/* fault_test.c - fault points of the real door: each makes its calls fail as env.h lists it, and
 * only while it is enabled. */
#include "posix/internal.h"
#ifdef FIU_ENABLE
#include <errno.h>
#include <fcntl.h>
#include <fiu-control.h>
#include <fiu.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "support/test.h"

#define PATIENCE_NS 10000000000ll
#define READ_WRITE_CREATE (ENV_OPEN_READ | ENV_OPEN_WRITE | ENV_OPEN_CREATE)

struct fixture {
    struct test_mem mem;
    struct posix_env *posix;
    struct env *env;
    char root[64];
    struct env_op op;
    bool done;
    enum err e;
    uint64_t n;
};

static void start(struct fixture *f)
{
    struct errmsg msg = {0};
    *f = (struct fixture){.root = "/tmp/kiln-fault-XXXXXX"};
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

static void end(struct fixture *f)
{
    posix_inject_faults(false);
    posix_free(f->posix);
    assert_int_equal(nftw(f->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    test_mem_done(&f->mem);
}

static void done(struct env_op *op, enum err e, uint64_t n)
{
    struct fixture *f = CONTAINER_OF(op, struct fixture, op);
    f->done = true;
    f->e = e;
    f->n = n;
}

/* Waits for f->op. */
static enum err ended(struct fixture *f)
{
    int64_t give_up_ns = env_now(f->env) + PATIENCE_NS;
    while (!f->done) {
        posix_poll(f->posix, PATIENCE_NS);
        assert_true(env_now(f->env) < give_up_ns);
    }
    f->done = false;
    return f->e;
}

static env_file open_file(struct fixture *f, const char *path)
{
    env_open_file(f->env, &f->op, path, READ_WRITE_CREATE, done);
    assert_ok(ended(f));
    return f->n;
}

static void close_file(struct fixture *f, env_file file)
{
    env_close_file(f->env, &f->op, file, done);
    assert_ok(ended(f));
}

static enum err append(struct fixture *f, env_file file)
{
    const struct env_part part = {.data = (const uint8_t *)"abc", .size = 3};
    env_append(f->env, &f->op, file, &part, 1, done);
    return ended(f);
}

static enum err sync_file(struct fixture *f, env_file file)
{
    env_sync(f->env, &f->op, file, done);
    return ended(f);
}

static void enable(const char *point)
{
    assert_int_equal(fiu_enable(point, 1, NULL, 0), 0);
}

static void disable(const char *point)
{
    assert_int_equal(fiu_disable(point), 0);
}

TEST(a_point_fails_while_it_is_enabled_and_only_then)
{
    struct fixture f;
    start(&f);
    env_file file = open_file(&f, "f");
    assert_ok(append(&f, file));
    assert_ok(sync_file(&f, file));
    enable("disk/sync");
    assert_int_equal(sync_file(&f, file), ERR_IO);
    assert_int_equal(sync_file(&f, file), ERR_IO);
    assert_ok(append(&f, file));
    disable("disk/sync");
    assert_ok(sync_file(&f, file));
    close_file(&f, file);
    end(&f);
}

TEST(nothing_fails_in_a_process_that_injects_no_faults)
{
    struct fixture f;
    start(&f);
    posix_inject_faults(false);
    enable("disk/*");
    env_file file = open_file(&f, "f");
    assert_ok(append(&f, file));
    assert_ok(sync_file(&f, file));
    disable("disk/*");
    close_file(&f, file);
    end(&f);
}

TEST(a_failed_write_leaves_the_file_as_it_was)
{
    struct fixture f;
    start(&f);
    env_file file = open_file(&f, "f");
    assert_ok(append(&f, file));
    enable("disk/write");
    assert_int_equal(append(&f, file), ERR_IO);
    env_truncate(f.env, &f.op, file, 0, done);
    assert_int_equal(ended(&f), ERR_IO);
    disable("disk/write");
    enable("disk/space");
    assert_int_equal(append(&f, file), ERR_NOSPACE);
    disable("disk/space");
    env_size(f.env, &f.op, file, done);
    assert_ok(ended(&f));
    assert_int_equal(f.n, 3);
    char buffer[3];
    enable("disk/read");
    env_read(f.env, &f.op, file, 0, buffer, sizeof buffer, done);
    assert_int_equal(ended(&f), ERR_IO);
    disable("disk/read");
    close_file(&f, file);
    end(&f);
}

TEST(names_and_directories_fail_by_their_own_points)
{
    struct fixture f;
    char names[64];
    start(&f);
    close_file(&f, open_file(&f, "f"));
    enable("disk/open");
    env_open_file(f.env, &f.op, "f", ENV_OPEN_READ, done);
    assert_int_equal(ended(&f), ERR_IO);
    enable("disk/rename");
    env_rename(f.env, &f.op, "f", "g", done);
    assert_int_equal(ended(&f), ERR_IO);
    enable("disk/unlink");
    env_unlink(f.env, &f.op, "f", done);
    assert_int_equal(ended(&f), ERR_IO);
    enable("disk/list");
    env_list(f.env, &f.op, ".", names, sizeof names, done);
    assert_int_equal(ended(&f), ERR_IO);
    enable("disk/sync_dir");
    env_sync_dir(f.env, &f.op, ".", done);
    assert_int_equal(ended(&f), ERR_IO);
    disable("disk/list");
    env_list(f.env, &f.op, ".", names, sizeof names, done);
    assert_ok(ended(&f));
    assert_string_equal(names, "f");
    static const char *const enabled[] = {"disk/open", "disk/rename", "disk/unlink",
                                          "disk/sync_dir"};
    for (int i = 0; i < COUNT_OF(enabled); i++)
        disable(enabled[i]);
    end(&f);
}

TEST(whoever_enables_a_point_may_choose_the_errno)
{
    struct fixture f;
    start(&f);
    env_file file = open_file(&f, "f");
    assert_int_equal(fiu_enable("disk/sync", 1, (void *)(intptr_t)ENOSPC, 0), 0);
    assert_int_equal(sync_file(&f, file), ERR_NOSPACE);
    disable("disk/sync");
    close_file(&f, file);
    end(&f);
}

struct sending {
    struct env_op op;
    bool done;
    enum err e;
};

static void sent(struct env_op *op, enum err e, uint64_t n)
{
    struct sending *sending = CONTAINER_OF(op, struct sending, op);
    (void)n;
    sending->done = true;
    sending->e = e;
}

static void connect_pair(struct fixture *f, env_stream *here, env_stream *there)
{
    env_listen(f->env, &f->op, "127.0.0.1", 0, done);
    assert_ok(ended(f));
    env_listener listener = f->n;
    env_connect(f->env, &f->op, "127.0.0.1", env_listener_port(listener), done);
    assert_ok(ended(f));
    *here = f->n;
    env_accept(f->env, &f->op, listener, NULL, done);
    assert_ok(ended(f));
    *there = f->n;
}

TEST(a_stream_is_refused_or_reset)
{
    struct fixture f;
    char buffer[8];
    start(&f);
    env_listen(f.env, &f.op, "127.0.0.1", 0, done);
    assert_ok(ended(&f));
    env_listener listener = f.n;
    enable("net/connect");
    env_connect(f.env, &f.op, "127.0.0.1", env_listener_port(listener), done);
    assert_int_equal(ended(&f), ERR_REFUSED);
    disable("net/connect");
    env_connect(f.env, &f.op, "127.0.0.1", env_listener_port(listener), done);
    assert_ok(ended(&f));
    env_stream stream = f.n;
    enable("net/accept");
    env_accept(f.env, &f.op, listener, NULL, done);
    assert_int_equal(ended(&f), ERR_TOOMANY);
    disable("net/accept");
    env_accept(f.env, &f.op, listener, NULL, done);
    assert_ok(ended(&f));
    env_stream other = f.n;
    const struct env_part part = {.data = (const uint8_t *)"abc", .size = 3};
    enable("net/send");
    env_send(f.env, &f.op, stream, &part, 1, done);
    assert_int_equal(ended(&f), ERR_RESET);
    disable("net/send");
    env_send(f.env, &f.op, other, &part, 1, done);
    assert_ok(ended(&f));
    enable("net/receive");
    env_receive(f.env, &f.op, stream, buffer, sizeof buffer, done);
    assert_int_equal(ended(&f), ERR_RESET);
    disable("net/receive");
    end(&f);
}

static uint8_t *numbered(size_t size)
{
    uint8_t *bytes = malloc(size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(i * 7 + (i >> 10));
    return bytes;
}

static env_file numbered_file(struct fixture *f, const uint8_t *bytes, uint64_t size)
{
    env_file file = open_file(f, "f");
    const struct env_part part = {.data = bytes, .size = size};
    env_append(f->env, &f->op, file, &part, 1, done);
    assert_ok(ended(f));
    return file;
}

/* The point stands for the page cache: what a real one has dropped is back before anybody looks,
 * when the disk is fast. */
TEST(reads_of_what_is_not_cached_are_whole)
{
    enum { SIZE = 200000 };
    struct fixture f;
    uint8_t *bytes = numbered(SIZE), *buffer = calloc(1, SIZE + 10);
    start(&f);
    env_file file = numbered_file(&f, bytes, SIZE);
    enable("disk/cache");
    env_read(f.env, &f.op, file, 0, buffer, SIZE + 10, done);
    assert_ok(ended(&f));
    assert_int_equal(f.n, SIZE);
    assert_memory_equal(buffer, bytes, SIZE);
    assert_int_equal(f.posix->counters.read_missed_count, 1);
    disable("disk/cache");
    memset(buffer, 0, SIZE);
    env_read(f.env, &f.op, file, 0, buffer, SIZE + 10, done);
    assert_ok(ended(&f));
    assert_memory_equal(buffer, bytes, SIZE);
    assert_int_equal(f.posix->counters.read_missed_count, 1);
    end(&f);
    free(bytes);
    free(buffer);
}

/* Small parts, long ones, and some memory before them, all of a file that must be read first. */
TEST(sends_of_what_is_not_cached_are_whole)
{
    enum { SIZE = 700000 };
    struct fixture f;
    uint8_t *bytes = numbered(SIZE), *buffer = calloc(1, SIZE + 4);
    start(&f);
    env_file file = numbered_file(&f, bytes, SIZE);
    env_stream here, there;
    connect_pair(&f, &here, &there);
    const struct env_part parts[] = {
        {.data = (const uint8_t *)"head", .size = 4},
        {.file = file, .offset = 0, .size = 1000},
        {.file = file, .offset = 1000, .size = SIZE - 2000},
        {.file = file, .offset = SIZE - 1000, .size = 1000},
    };
    struct sending sending = {0};
    enable("disk/cache");
    env_send(f.env, &sending.op, here, parts, COUNT_OF(parts), sent);
    for (uint64_t got = 0; got < SIZE + 4; got += f.n) {
        env_receive(f.env, &f.op, there, buffer + got, SIZE + 4 - got, done);
        assert_ok(ended(&f));
    }
    while (!sending.done)
        posix_poll(f.posix, PATIENCE_NS);
    assert_ok(sending.e);
    assert_true(f.posix->counters.read_missed_count >= 3);
    assert_memory_equal(buffer, "head", 4);
    assert_memory_equal(buffer + 4, bytes, SIZE);
    disable("disk/cache");
    end(&f);
    free(bytes);
    free(buffer);
}

TEST(memory_may_run_out)
{
    struct fixture f;
    struct mem heap;
    start(&f);
    posix_heap(&heap);
    void *p = mem_alloc(&heap, 10);
    assert_non_null(p);
    enable("alloc");
    assert_null(mem_alloc(&heap, 10));
    assert_null(mem_realloc(&heap, p, 20));
    disable("alloc");
    p = mem_realloc(&heap, p, 20);
    assert_non_null(p);
    mem_free(&heap, p);
    assert_int_equal(heap.live_count, 0);
    end(&f);
}
#endif
