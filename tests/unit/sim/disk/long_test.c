/* long_test.c - long random lives: in files as in memory, through every death; in bounded memory;
 * and with memory that runs out at any moment. */
#include <stdlib.h>
#include <unistd.h>
#include "help.h"

#define PAGE DISK_PAGE_SIZE

/* ---- one life ---- */

struct life {
    struct rng rng;
    struct disk *disk;
    struct open {
        uint64_t file;
        bool in_flight; /* an append, which others may not overtake */
    } files[6];
};

static uint64_t below(struct life *l, uint64_t n)
{
    return random_below(rng_next(&l->rng), n);
}

static const char *const names[] = {"a", "b", "c", "d/a", "d/b", "e", "e/a", "d"};

static const char *any_name(struct life *l)
{
    return names[below(l, COUNT_OF(names))];
}

static void forget_files(struct life *l)
{
    memset(l->files, 0, sizeof l->files);
}

static void use_file(struct life *l, struct open *open)
{
    uint64_t file = open->file;
    static char bytes[3 * PAGE];
    struct disk_write *write;
    struct disk_sync sync;
    uint64_t size = 1 + below(l, below(l, 3) == 0 ? sizeof bytes : 300);
    uint64_t key = rng_next(&l->rng);
    uint64_t n;
    memset(bytes, (int)below(l, 256), size);
    struct env_part part = help_part(bytes, size);
    switch (below(l, 9)) {
    case 0:
    case 1:
        if (open->in_flight)
            return;
        if (disk_append_begin(l->disk, file, &part, 1, &write) == ERR_NONE)
            (void)!disk_write_finish(l->disk, write, &n);
        return;
    case 2:
        if (disk_write_begin(l->disk, file, below(l, 4 * PAGE), &part, 1, &write) == ERR_NONE)
            (void)!disk_write_finish(l->disk, write, &n);
        return;
    case 3:
        (void)!disk_truncate(l->disk, file, below(l, 3 * PAGE));
        return;
    case 4:
        disk_sync_begin(l->disk, file, &sync);
        (void)!disk_sync_finish(l->disk, &sync);
        return;
    case 5:
        disk_sync_begin(l->disk, file, &sync);
        (void)!disk_sync_fail(l->disk, &sync, key, below(l, 2) == 0);
        return;
    case 6:
        open->in_flight |= disk_append_begin(l->disk, file, &part, 1, &write) == ERR_NONE;
        return;
    case 7:
        if (!open->in_flight) {
            disk_close(l->disk, file);
            open->file = 0;
        }
        return;
    default:
        (void)!disk_read(l->disk, file, below(l, PAGE), bytes, size, &n);
        return;
    }
}

static void use_names(struct life *l)
{
    struct disk_sync sync;
    const char *name = any_name(l);
    switch (below(l, 6)) {
    case 0:
        (void)!disk_rename(l->disk, name, any_name(l));
        return;
    case 1:
        (void)!disk_unlink(l->disk, name);
        return;
    case 2:
        (void)!disk_make_dir(l->disk, name);
        return;
    case 3:
        if (disk_sync_dir_begin(l->disk, below(l, 2) == 0 ? "." : "d", &sync) == ERR_NONE)
            (void)!disk_sync_finish(l->disk, &sync);
        return;
    case 4:
        (void)!disk_flip(l->disk, name, below(l, PAGE), 0);
        return;
    default:
        disk_evict(l->disk);
        return;
    }
}

static enum err live(struct life *l)
{
    enum err e = ERR_NONE;
    struct open *open = &l->files[below(l, COUNT_OF(l->files))];
    unsigned truncate = below(l, 5) == 0 ? ENV_OPEN_TRUNCATE : 0;
    uint64_t key = rng_next(&l->rng);
    uint64_t what = below(l, 200);
    const char *name = any_name(l);
    if (what == 0) {
        e = disk_power_loss(l->disk, key, NULL);
        forget_files(l);
    } else if (what == 1) {
        disk_process_crash(l->disk, key);
        forget_files(l);
    } else if (what < 50) {
        use_names(l);
    } else if (open->file != 0) {
        use_file(l, open);
    } else if (disk_open(l->disk, name, RWC | truncate, &open->file) != ERR_NONE) {
        open->file = 0;
    }
    return e;
}

/* ---- files and memory ---- */

static void same_as_files(enum disk_personality personality)
{
    char root[64] = "/tmp/kiln-files-XXXXXX";
    char command[128];
    if (access("/dev/shm", W_OK) == 0)
        snprintf(root, sizeof root, "/dev/shm/kiln-files-XXXXXX");
    assert_non_null(mkdtemp(root));
    struct mem mem;
    mem_system(&mem);
    struct disk_options options = {.personality = personality, .pending_max = 100};
    struct life x = {.rng = {personality}, .disk = help_new(&mem, options)};
    options.root = root;
    struct life y = {.rng = {personality}, .disk = help_new(&mem, options)};
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(live(&x), live(&y));
        (void)disk_digest(x.disk); /* what it remembers is checked with the rest, then and later */
        disk_check(x.disk);
        if (i % 200 != 0)
            continue;
        assert_true(help_same(x.disk, y.disk));
        struct disk *again = help_new(&mem, options); /* what the real files show */
        assert_true(help_same(x.disk, again));
        disk_free(again);
    }
    assert_null(disk_mirror_error(y.disk));
    disk_free(x.disk);
    disk_free(y.disk);
    assert_int_equal(mem.live_count, 0);
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
}

TEST(a_disk_of_files_lives_and_dies_as_one_in_memory)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++)
        same_as_files((enum disk_personality)p);
}

TEST(a_root_that_cannot_be_made_is_refused_with_a_sentence)
{
    struct mem mem;
    struct errmsg msg = {0};
    struct disk *disk;
    mem_system(&mem);
    struct disk_options options = {.root = "/none/such"};
    assert_int_equal(disk_new(&disk, &mem, &options, &msg), ERR_IO);
    assert_non_null(strstr(msg.text, "/none/such"));
    assert_int_equal(mem.live_count, 0);
}

/* ---- memory that runs out ---- */

static void live_with(struct test_mem *mem, uint64_t seed, uint64_t fail_at)
{
    struct disk_options options = {.personality = (enum disk_personality)(seed % 4),
                                   .pending_max = 30};
    struct life l = {.rng = {seed}};
    mem->fail_at = fail_at;
    if (disk_new(&l.disk, &mem->mem, &options, NULL) != ERR_NONE)
        return;
    enum err e = ERR_NONE;
    for (int i = 0; e == ERR_NONE && i < 400; i++)
        e = live(&l);
    if (e == ERR_NONE) {
        (void)disk_digest(l.disk);
        disk_check(l.disk);
    }
    disk_free(l.disk);
}

TEST(no_refused_allocation_breaks_or_leaks)
{
    uint64_t refused = 0;
    for (uint64_t n = 1; n < 3000; n++) {
        struct test_mem mem;
        test_mem_init(&mem);
        live_with(&mem, n, 1 + n % 500);
        refused += mem.failed;
        test_mem_done(&mem);
    }
    assert_true(refused > 1000);
}

/* ---- memory that does not grow ---- */

/* A heap that counts bytes. */
struct counted {
    struct mem mem;
    uint64_t live, most;
};

static void *counted_realloc(struct mem *mem, void *p, size_t size)
{
    struct counted *c = CONTAINER_OF(mem, struct counted, mem);
    size_t *old = p == NULL ? NULL : (size_t *)p - 2;
    c->live += size - (old == NULL ? 0 : *old);
    c->most = MAX(c->most, c->live);
    size_t *block = realloc(old, size + 2 * sizeof *block);
    *block = size;
    return block + 2;
}

static void *counted_alloc(struct mem *mem, size_t size)
{
    return counted_realloc(mem, NULL, size);
}

static void counted_free(struct mem *mem, void *p)
{
    size_t *block = (size_t *)p - 2;
    CONTAINER_OF(mem, struct counted, mem)->live -= *block;
    free(block);
}

static const struct mem_impl counted_impl = {
    .alloc = counted_alloc, .realloc = counted_realloc, .free = counted_free};

#define ROUNDS 100000
#define SEGMENT_ROUNDS 200
#define SEGMENTS_KEPT 3

/* Appends to segments and removes old ones. Returns the most bytes ever held. */
static uint64_t run_log(enum disk_personality personality, bool syncs)
{
    struct counted c = {.mem = {.impl = &counted_impl}};
    struct disk *disk = help_personality(&c.mem, personality);
    char bytes[100] = {1};
    uint64_t file = 0;
    for (int i = 0; i < ROUNDS; i++) {
        char name[32];
        int segment = i / SEGMENT_ROUNDS;
        if (i % SEGMENT_ROUNDS == 0) {
            snprintf(name, sizeof name, "%d.log", segment);
            if (file != 0)
                disk_close(disk, file);
            file = help_open(disk, name, RWC);
            snprintf(name, sizeof name, "%d.log", segment - SEGMENTS_KEPT);
            if (segment >= SEGMENTS_KEPT)
                assert_ok(disk_unlink(disk, name));
            if (syncs)
                help_sync_dir(disk, ".");
        }
        help_append(disk, file, bytes, sizeof bytes);
        if (syncs)
            help_sync(disk, file);
    }
    disk_free(disk);
    assert_int_equal(c.live, 0);
    return c.most;
}

TEST(a_log_with_retention_is_held_in_bounded_memory)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++)
        assert_in_range(run_log((enum disk_personality)p, true), 1, 160 << 10);
}

TEST(a_log_that_is_never_synced_is_held_in_bounded_memory)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++)
        assert_in_range(run_log((enum disk_personality)p, false), 1, 800 << 10);
}
