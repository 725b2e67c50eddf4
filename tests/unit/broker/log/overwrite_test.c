/* overwrite_test.c - bytes that may be the only copy are written over in place: whenever the power
 * goes, each piece is as it was or as it was given, and what is written later is not taken back. */
#include <stdlib.h>
#include "rig.h"

#define PATH "data/things"
#define PIECE ((size_t)FORMAT_REDO_BYTES)
#define SIZE (2 * PIECE + 1000)

struct call {
    struct env_op op;
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

static void on_told(struct waiter *waiter, enum err e)
{
    struct call *call = CONTAINER_OF(waiter, struct call, waiter);
    call->done = true;
    call->e = e;
}

static uint8_t bytes_a[SIZE], bytes_b[SIZE];

static void fill(void)
{
    for (size_t i = 0; i < SIZE; i++) {
        bytes_a[i] = (uint8_t)(1 + i % 100);
        bytes_b[i] = (uint8_t)(101 + i % 100);
    }
}

/* All three: true when the node lives. */
static bool open_things(struct rig *rig, env_file *file)
{
    struct call open = {0};
    env_open_file(rig->seat->env, &open.op, PATH, ENV_OPEN_WRITE | ENV_OPEN_CREATE, on_env);
    if (!rig_until(rig, &open.done))
        return false;
    assert_ok(open.e);
    *file = open.n;
    return true;
}

static bool write_synced(struct rig *rig, env_file file, const uint8_t *bytes)
{
    struct call write = {0}, sync = {0};
    struct env_part part = {.data = bytes, .size = SIZE};
    env_write(rig->seat->env, &write.op, file, 0, &part, 1, on_env);
    if (!rig_until(rig, &write.done))
        return false;
    assert_ok(write.e);
    env_sync(rig->seat->env, &sync.op, file, on_env);
    if (!rig_until(rig, &sync.done))
        return false;
    assert_ok(sync.e);
    return true;
}

static bool write_over(struct rig *rig, env_file file, const uint8_t *bytes)
{
    struct call call = {.waiter = {.done = on_told}};
    /* Not on the stack: a node that dies takes it with it, and this is its memory. */
    struct dir_overwrite *o = mem_zalloc(rig->seat->mem, sizeof *o);
    assert_non_null(o);
    dir_overwrite(rig->dir, o, PATH, file, 0, bytes_of(bytes, SIZE), &call.waiter);
    if (!rig_until(rig, &call.done))
        return false;
    assert_ok(call.e);
    mem_free(rig->seat->mem, o);
    return true;
}

/* A life in which the file is made, durably. */
static struct rig *new_rig(uint64_t seed)
{
    env_file file;
    fill();
    struct rig *rig = rig_new(seed);
    rig_start(rig);
    rig_ok(rig, rig_open_dir(rig));
    assert_true(open_things(rig, &file));
    assert_true(write_synced(rig, file, bytes_a));
    struct call entry = {0};
    env_sync_dir(rig->seat->env, &entry.op, "data", on_env);
    assert_true(rig_until(rig, &entry.done));
    assert_ok(entry.e);
    rig_kill(rig);
    return rig;
}

static void expect_pieces(struct rig *rig)
{
    size_t size = 0;
    uint8_t *bytes = rig_file(rig, PATH, &size);
    assert_non_null(bytes);
    assert_int_equal(size, SIZE);
    for (size_t at = 0; at < SIZE; at += PIECE) {
        size_t n = MIN(PIECE, SIZE - at);
        assert_true(memcmp(bytes + at, bytes_a + at, n) == 0 ||
                    memcmp(bytes + at, bytes_b + at, n) == 0);
    }
    free(bytes);
}

TEST(a_piece_that_the_power_cuts_short_is_whole_at_the_next_start)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        bool dies = true;
        for (int k = 1; dies; k++) {
            env_file file;
            struct rig *rig = new_rig(seed);
            rig_start(rig);
            rig_ok(rig, rig_open_dir(rig));
            rig_doom(rig, k);
            dies = !(open_things(rig, &file) && write_over(rig, file, bytes_b));
            if (dies)
                rig_start(rig);
            rig_power(rig);
            rig_start(rig);
            rig_ok(rig, rig_open_dir(rig));
            expect_pieces(rig);
            assert_false(rig_exists(rig, "data/" FORMAT_REDO_NAME));
            rig_kill(rig);
            rig_free(rig);
        }
    }
}

/* The journal's name goes in the background: what it says has to be void before. */
TEST(what_is_written_later_is_not_taken_back)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        env_file file;
        size_t size = 0;
        struct rig *rig = new_rig(seed);
        rig_start(rig);
        rig_ok(rig, rig_open_dir(rig));
        assert_true(open_things(rig, &file));
        assert_true(write_over(rig, file, bytes_a));
        assert_true(write_synced(rig, file, bytes_b));
        rig_power(rig);
        rig_start(rig);
        rig_ok(rig, rig_open_dir(rig));
        uint8_t *bytes = rig_file(rig, PATH, &size);
        assert_non_null(bytes);
        assert_int_equal(size, SIZE);
        assert_memory_equal(bytes, bytes_b, SIZE);
        free(bytes);
        rig_kill(rig);
        rig_free(rig);
    }
}
