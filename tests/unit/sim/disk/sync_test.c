/* sync_test.c - what a sync covers, and what is true after one that failed. */
#include "help.h"

/* Whether some, and whether every crash state shows text at the beginning of a file. */
struct seen {
    const char *path, *text;
    int with, without;
};

static void look(void *context, struct disk *state)
{
    struct seen *seen = context;
    char got[8192];
    bool is = help_get(state, seen->path, got, sizeof got) >= 0 &&
              strncmp(got, seen->text, strlen(seen->text)) == 0;
    seen->with += is;
    seen->without += !is;
}

static struct seen states_with(struct disk *disk, const char *path, const char *text)
{
    struct seen seen = {.path = path, .text = text};
    assert_ok(disk_crash_states(disk, look, &seen));
    return seen;
}

static bool surely(struct disk *disk, const char *path, const char *text)
{
    return states_with(disk, path, text).without == 0;
}

static bool possibly(struct disk *disk, const char *path, const char *text)
{
    return states_with(disk, path, text).with > 0;
}

/* A disk with the durable file "f" that holds "old". */
struct fixture {
    struct mem mem;
    struct disk *disk;
    uint64_t file;
};

static void make(struct fixture *f, enum disk_personality personality)
{
    mem_system(&f->mem);
    f->disk = help_personality(&f->mem, personality);
    help_put_durable(f->disk, "f", "old");
    f->file = help_open(f->disk, "f", RW);
}

static void done(struct fixture *f)
{
    disk_free(f->disk);
    assert_int_equal(f->mem.live_count, 0);
}

TEST(a_sync_covers_what_finished_before_it_began_and_nothing_else)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++) {
        struct fixture f;
        make(&f, (enum disk_personality)p);
        struct env_part part = help_part("B", 1);
        struct disk_write *write;
        struct disk_sync sync;
        uint64_t n;
        help_append(f.disk, f.file, "A", 1);
        assert_ok(disk_append_begin(f.disk, f.file, &part, 1, &write)); /* in flight */
        disk_sync_begin(f.disk, f.file, &sync);
        assert_ok(disk_write_finish(f.disk, write, &n));
        help_append(f.disk, f.file, "C", 1);
        assert_ok(disk_sync_finish(f.disk, &sync));
        assert_true(surely(f.disk, "f", "oldA"));
        assert_false(surely(f.disk, "f", "oldAB"));
        assert_true(possibly(f.disk, "f", "oldABC"));
        done(&f);
    }
}

TEST(a_cut_after_a_sync_began_is_not_part_of_it)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++) {
        struct fixture f;
        make(&f, (enum disk_personality)p);
        struct disk_sync sync;
        help_append(f.disk, f.file, "A", 1);
        disk_sync_begin(f.disk, f.file, &sync);
        assert_ok(disk_truncate(f.disk, f.file, 0));
        assert_ok(disk_sync_finish(f.disk, &sync));
        help_expect(f.disk, "f", "");
        assert_true(possibly(f.disk, "f", "oldA"));
        help_append(f.disk, f.file, "B", 1);
        help_expect(f.disk, "f", "B");
        assert_true(possibly(f.disk, "f", "oldA"));
        help_sync(f.disk, f.file);
        assert_true(surely(f.disk, "f", "B"));
        assert_false(possibly(f.disk, "f", "Bl"));
        done(&f);
    }
}

TEST(a_sync_of_one_file_is_none_of_another)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++) {
        struct fixture f;
        make(&f, (enum disk_personality)p);
        help_put_durable(f.disk, "g", "");
        uint64_t other = help_open(f.disk, "g", RW);
        help_append(f.disk, other, "x", 1);
        help_append(f.disk, f.file, "y", 1);
        help_sync(f.disk, f.file);
        assert_true(surely(f.disk, "f", "oldy"));
        assert_false(surely(f.disk, "g", "x"));
        done(&f);
    }
}

TEST(a_sync_of_a_directory_covers_the_entries_finished_before_it_began)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++) {
        struct fixture f;
        make(&f, (enum disk_personality)p);
        struct disk_sync sync;
        help_put(f.disk, "a", "");
        assert_ok(disk_sync_dir_begin(f.disk, ".", &sync));
        help_put(f.disk, "b", "");
        assert_ok(disk_sync_finish(f.disk, &sync));
        assert_true(surely(f.disk, "a", ""));
        assert_false(surely(f.disk, "b", ""));
        done(&f);
    }
}

TEST(a_synced_file_needs_its_entry_too)
{
    struct fixture f;
    make(&f, DISK_POSIX);
    help_put(f.disk, "a", "bytes");
    uint64_t file = help_open(f.disk, "a", RW);
    help_sync(f.disk, file);
    assert_false(surely(f.disk, "a", ""));
    help_sync_dir(f.disk, ".");
    assert_true(surely(f.disk, "a", "bytes"));
    done(&f);
}

/* ---- failures ---- */

TEST(a_failed_sync_is_told_once_and_the_next_one_lies)
{
    for (int p = DISK_POSIX; p <= DISK_XFS; p++) {
        struct fixture f;
        make(&f, (enum disk_personality)p);
        help_write(f.disk, f.file, 0, "new", 3);
        assert_int_equal(help_fail_sync(f.disk, f.file, 1, false), ERR_IO);
        help_expect(f.disk, "f", "new");
        help_sync(f.disk, f.file);
        help_expect(f.disk, "f", "new");
        assert_true(surely(f.disk, "f", "old"));
        done(&f);
    }
}

TEST(the_death_of_the_process_alone_does_not_uncover_a_failed_sync)
{
    struct fixture f;
    make(&f, DISK_EXT4);
    help_write(f.disk, f.file, 0, "new", 3);
    assert_int_equal(help_fail_sync(f.disk, f.file, 1, false), ERR_IO);
    disk_process_crash(f.disk, 1);
    help_expect(f.disk, "f", "new");
    help_power_loss(f.disk, 1);
    help_expect(f.disk, "f", "old");
    done(&f);
}

TEST(eviction_uncovers_what_a_failed_sync_lost)
{
    struct fixture f;
    make(&f, DISK_EXT4);
    help_write(f.disk, f.file, 0, "new", 3);
    disk_evict(f.disk);
    help_expect(f.disk, "f", "new"); /* dirty pages stay */
    assert_int_equal(help_fail_sync(f.disk, f.file, 1, false), ERR_IO);
    disk_evict(f.disk);
    help_expect(f.disk, "f", "old");
    done(&f);
}

TEST(a_page_written_again_after_a_failed_sync_is_synced_whole)
{
    struct fixture f;
    make(&f, DISK_EXT4);
    help_write(f.disk, f.file, 0, "new", 3);
    assert_int_equal(help_fail_sync(f.disk, f.file, 1, false), ERR_IO);
    help_append(f.disk, f.file, "!", 1);
    help_sync(f.disk, f.file);
    assert_true(surely(f.disk, "f", "new!"));
    done(&f);
}

TEST(a_page_written_during_a_sync_that_fails_stays_dirty)
{
    struct fixture f;
    make(&f, DISK_EXT4);
    struct disk_sync sync;
    help_append(f.disk, f.file, "A", 1);
    disk_sync_begin(f.disk, f.file, &sync);
    help_append(f.disk, f.file, "B", 1);
    assert_int_equal(disk_sync_fail(f.disk, &sync, 1, false), ERR_IO);
    assert_false(surely(f.disk, "f", "oldA"));
    help_sync(f.disk, f.file);
    assert_true(surely(f.disk, "f", "oldAB"));
    done(&f);
}

TEST(a_failed_append_leaves_zeros_on_ext4_and_no_size_on_xfs)
{
    struct fixture f;
    make(&f, DISK_EXT4);
    help_append(f.disk, f.file, "new", 3);
    assert_int_equal(help_fail_sync(f.disk, f.file, 1, false), ERR_IO);
    help_power_loss(f.disk, 1);
    uint64_t file = help_open(f.disk, "f", ENV_OPEN_READ);
    assert_int_equal(disk_size(f.disk, file), 6);
    help_expect(f.disk, "f", "old"); /* and three zeros */
    done(&f);

    make(&f, DISK_XFS);
    help_append(f.disk, f.file, "new", 3);
    assert_int_equal(help_fail_sync(f.disk, f.file, 1, false), ERR_IO);
    assert_int_equal(disk_size(f.disk, f.file), 6);
    help_power_loss(f.disk, 1);
    file = help_open(f.disk, "f", ENV_OPEN_READ);
    assert_int_equal(disk_size(f.disk, file), 3);
    done(&f);
}

TEST(cow_goes_back_to_the_last_version_but_keeps_what_came_later)
{
    struct fixture f;
    make(&f, DISK_COW);
    struct disk_sync sync;
    help_append(f.disk, f.file, "A", 1);
    help_write(f.disk, f.file, 0, "n", 1);
    disk_sync_begin(f.disk, f.file, &sync);
    help_write(f.disk, f.file, 1, "LL", 2);
    assert_int_equal(disk_sync_fail(f.disk, &sync, 1, false), ERR_IO);
    help_expect(f.disk, "f", "oLL");
    help_sync(f.disk, f.file);
    assert_true(surely(f.disk, "f", "oLL"));
    done(&f);
}

TEST(a_late_failure_is_told_by_the_next_sync)
{
    struct fixture f;
    make(&f, DISK_EXT4);
    help_write(f.disk, f.file, 0, "new", 3);
    assert_ok(help_fail_sync(f.disk, f.file, 1, true));
    assert_int_equal(help_try_sync(f.disk, f.file), ERR_IO);
    assert_ok(help_try_sync(f.disk, f.file));
    assert_true(surely(f.disk, "f", "old"));
    done(&f);
}

TEST(each_open_file_is_told_of_a_failure_once)
{
    struct fixture f;
    make(&f, DISK_EXT4);
    uint64_t other = help_open(f.disk, "f", RW);
    help_write(f.disk, f.file, 0, "new", 3);
    assert_int_equal(help_fail_sync(f.disk, f.file, 1, false), ERR_IO);
    uint64_t later = help_open(f.disk, "f", RW);
    assert_ok(help_try_sync(f.disk, f.file));
    assert_int_equal(help_try_sync(f.disk, other), ERR_IO);
    assert_ok(help_try_sync(f.disk, other));
    assert_ok(help_try_sync(f.disk, later));
    done(&f);
}

TEST(some_pages_of_a_failed_sync_are_lost_and_others_not)
{
    enum { PAGES = 8 };
    int lost_least = PAGES;
    int lost_most = 0;
    for (uint64_t key = 0; key < 50; key++) {
        struct fixture f;
        make(&f, DISK_EXT4);
        static char page[DISK_PAGE_SIZE];
        memset(page, 'x', sizeof page);
        for (uint64_t i = 0; i < PAGES; i++)
            help_write(f.disk, f.file, i * sizeof page, page, sizeof page);
        assert_int_equal(help_fail_sync(f.disk, f.file, key, false), ERR_IO);
        help_power_loss(f.disk, key);
        uint64_t file = help_open(f.disk, "f", ENV_OPEN_READ);
        int lost = 0;
        for (uint64_t i = 0; i < PAGES; i++) {
            uint64_t n;
            assert_ok(disk_read(f.disk, file, i * sizeof page, page, sizeof page, &n));
            lost += page[100] != 'x';
        }
        assert_true(lost > 0);
        lost_least = MIN(lost_least, lost);
        lost_most = MAX(lost_most, lost);
        done(&f);
    }
    assert_true(lost_least < 3);
    assert_true(lost_most > 5);
}

TEST(a_failed_sync_of_a_directory_leaves_its_entries_pending)
{
    struct fixture f;
    make(&f, DISK_EXT4);
    struct disk_sync sync;
    help_put(f.disk, "a", "");
    assert_ok(disk_sync_dir_begin(f.disk, ".", &sync));
    assert_int_equal(disk_sync_fail(f.disk, &sync, 1, false), ERR_IO);
    assert_false(surely(f.disk, "a", ""));
    assert_true(possibly(f.disk, "a", ""));
    done(&f);
}

TEST(a_truncate_before_a_failed_sync_is_kept)
{
    struct fixture f;
    make(&f, DISK_EXT4);
    assert_ok(disk_truncate(f.disk, f.file, 1));
    help_append(f.disk, f.file, "new", 3);
    assert_int_equal(help_fail_sync(f.disk, f.file, 1, false), ERR_IO);
    help_expect(f.disk, "f", "onew");
    help_power_loss(f.disk, 1);
    help_expect(f.disk, "f", "o"); /* and three zeros */
    done(&f);
}

/* ---- in the background ---- */

TEST(writeback_makes_the_oldest_durable)
{
    struct fixture f;
    make(&f, DISK_EXT4);
    help_append(f.disk, f.file, "A", 1);
    help_append(f.disk, f.file, "B", 1);
    disk_writeback(f.disk, 1);
    assert_true(surely(f.disk, "f", "oldA"));
    assert_false(surely(f.disk, "f", "oldAB"));
    done(&f);
}

TEST(more_than_may_be_pending_is_written_back)
{
    struct mem mem;
    mem_system(&mem);
    struct disk *disk = help_new(&mem, (struct disk_options){.pending_max = 3});
    help_put_durable(disk, "f", "");
    uint64_t file = help_open(disk, "f", RW);
    for (int i = 0; i < 5; i++)
        help_append(disk, file, &"ABCDE"[i], 1);
    assert_true(surely(disk, "f", "AB"));
    assert_false(surely(disk, "f", "ABC"));
    disk_free(disk);
}
