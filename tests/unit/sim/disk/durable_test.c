/* durable_test.c - the disk's own word on what of a file is durable: whatever it says is shown by
 * every crash state. */
#include "help.h"

#define FILE_MAX 20000

struct word {
    uint64_t seed;
    uint64_t size;
    bool named;
    char bytes[FILE_MAX];
};

static void must_show(void *context, struct disk *state)
{
    const struct word *word = context;
    char got[FILE_MAX];
    int64_t n = help_get(state, "f", got, sizeof got);
    if (!word->named && n < 0)
        return;
    if (n < (int64_t)word->size || memcmp(got, word->bytes, word->size) != 0)
        fail_msg("seed %d: %d bytes where %d are said to be durable", (int)word->seed, (int)n,
                 (int)word->size);
}

/* One of what changes a file, or what is durable of it. */
static void do_one(struct disk *disk, uint64_t file, struct rng *rng)
{
    static const char text[6000] = "what is written is told from what was there by its first bytes";
    struct disk_sync sync;
    uint64_t key = rng_next(rng);
    switch (random_below(rng_next(rng), 7)) {
    case 0:
    case 1:
        help_append(disk, file, text + random_below(key, 30), 1 + random_below(key >> 8, 3000));
        break;
    case 2:
        help_write(disk, file, random_below(key, disk_size(disk, file) + 1), text + 7,
                   1 + random_below(key >> 16, 100));
        break;
    case 3:
        assert_ok(disk_truncate(disk, file, random_below(key, disk_size(disk, file) + 1)));
        break;
    case 4:
        disk_sync_begin(disk, file, &sync);
        if (key % 4 == 0)
            (void)disk_sync_fail(disk, &sync, key, key % 8 == 0);
        else
            (void)!disk_sync_finish(disk, &sync);
        break;
    case 5:
        assert_ok(disk_sync_dir_begin(disk, ".", &sync));
        assert_ok(disk_sync_finish(disk, &sync));
        break;
    default:
        (void)disk_writeback_any(disk, key);
        break;
    }
}

TEST(what_the_disk_calls_durable_is_in_every_crash_state)
{
    int told = 0, named = 0;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        struct mem mem;
        struct word word = {.seed = seed};
        struct disk_durable is;
        struct rng rng = {seed};
        uint64_t n;
        mem_system(&mem);
        struct disk *disk =
            help_personality(&mem, (enum disk_personality)(seed % DISK_PERSONALITY_COUNT));
        uint64_t file = help_open(disk, "f", RWC);
        for (uint64_t i = 0; i < 2 + seed % 8; i++)
            do_one(disk, file, &rng);
        disk_durable(disk, file, &is);
        assert_true(is.size < FILE_MAX);
        word.size = is.size;
        word.named = is.named;
        assert_ok(disk_read(disk, file, 0, word.bytes, is.size, &n));
        assert_int_equal(n, is.size);
        enum err e = disk_crash_states(disk, must_show, &word);
        assert_true(e == ERR_NONE || e == ERR_LIMIT);
        told += e == ERR_NONE && is.size > 0;
        named += e == ERR_NONE && is.named;
        disk_free(disk);
        assert_int_equal(mem.live_count, 0);
    }
    assert_true(told > 50);
    assert_true(named > 50);
}

/* A failed sync marks its pages clean: the next one succeeds, and they are not durable. */
TEST(a_sync_behind_one_that_failed_makes_nothing_durable)
{
    struct mem mem;
    struct disk_durable is;
    struct disk_sync sync;
    mem_system(&mem);
    struct disk *disk = help_personality(&mem, DISK_EXT4);
    help_put_durable(disk, "f", "old");
    uint64_t file = help_open(disk, "f", RW);
    help_append(disk, file, "new", 3);
    disk_sync_begin(disk, file, &sync);
    assert_int_equal(disk_sync_fail(disk, &sync, 1, false), ERR_IO);
    help_sync(disk, file);
    disk_durable(disk, file, &is);
    assert_true(is.size <= 3);
    assert_true(is.named);
    assert_string_equal(is.name, "f");
    disk_free(disk);
    assert_int_equal(mem.live_count, 0);
}
