/* damage_test.c - bytes that rot at rest, disks that are full, and what operators do to them. */
#include "help.h"

#define PAGE DISK_PAGE_SIZE

static char bytes[64 * PAGE];

struct fixture {
    struct mem mem;
    struct disk *disk;
};

static void make(struct fixture *f, struct disk_options options)
{
    mem_system(&f->mem);
    f->disk = help_new(&f->mem, options);
}

static void done(struct fixture *f)
{
    disk_free(f->disk);
    assert_int_equal(f->mem.live_count, 0);
}

static enum err read_at(struct disk *disk, uint64_t file, uint64_t offset, uint64_t size)
{
    uint64_t n;
    return disk_read(disk, file, offset, bytes, size, &n);
}

/* ---- writes that went elsewhere, or nowhere ---- */

static void make_pages(struct fixture *f, uint64_t *file)
{
    static char page[PAGE];
    make(f, (struct disk_options){0});
    *file = help_open(f->disk, "a", RWC);
    for (int i = 0; i < 3; i++) {
        memset(page, 'a' + i, PAGE);
        help_append(f->disk, *file, page, i < 2 ? PAGE : 100);
    }
    assert_ok(help_try_sync(f->disk, *file));
}

TEST(a_page_that_was_never_written_reads_as_zeros)
{
    struct fixture f;
    uint64_t file;
    make_pages(&f, &file);
    assert_ok(disk_stale(f.disk, "a", PAGE + 7));
    assert_ok(read_at(f.disk, file, PAGE - 1, PAGE + 2));
    assert_int_equal(bytes[0], 'a');
    assert_int_equal(bytes[1], 0);
    assert_int_equal(bytes[PAGE], 0);
    assert_int_equal(bytes[PAGE + 1], 'c');
    assert_int_equal(disk_stale(f.disk, "a", PAGE), ERR_RANGE);
    assert_int_equal(disk_stale(f.disk, "a", 3 * PAGE), ERR_RANGE);
    help_write(f.disk, file, PAGE, "new", 3); /* and a write heals it */
    assert_ok(read_at(f.disk, file, PAGE, 4));
    assert_memory_equal(bytes, "new", 4);
    (void)disk_digest(f.disk);
    disk_check(f.disk);
    done(&f);
}

TEST(a_misdirected_page_stands_elsewhere)
{
    struct fixture f;
    uint64_t file;
    make_pages(&f, &file);
    assert_ok(disk_misdirect(f.disk, "a", 5, 2 * PAGE));
    assert_ok(read_at(f.disk, file, 0, 1));
    assert_int_equal(bytes[0], 0);
    assert_ok(read_at(f.disk, file, 2 * PAGE, 100));
    assert_int_equal(bytes[0], 'a');
    assert_int_equal(bytes[99], 'a');
    assert_ok(read_at(f.disk, file, PAGE, 1));
    assert_int_equal(bytes[0], 'b');
    assert_int_equal(disk_misdirect(f.disk, "a", PAGE, PAGE), ERR_RANGE);
    (void)disk_digest(f.disk);
    disk_check(f.disk);
    done(&f);
}

/* What was written back last may be what was written first. */
TEST(writeback_takes_files_in_any_order)
{
    int first = 0, second = 0;
    for (uint64_t key = 1; key <= 40; key++) {
        struct fixture f;
        make(&f, (struct disk_options){.personality = DISK_POSIX});
        help_put_durable(f.disk, "a", "abc");
        help_put_durable(f.disk, "b", "def");
        uint64_t a = help_open(f.disk, "a", RW), b = help_open(f.disk, "b", RW);
        help_write(f.disk, a, 0, "ABC", 3);
        help_write(f.disk, b, 0, "DEF", 3);
        assert_true(disk_writeback_any(f.disk, hash_mix(key)));
        struct disk_loss loss;
        disk_process_crash(f.disk, key);
        assert_ok(disk_power_loss(f.disk, key, &loss));
        assert_int_equal(loss.pending_count, 1);
        a = help_open(f.disk, "a", RW);
        b = help_open(f.disk, "b", RW);
        assert_ok(read_at(f.disk, a, 0, 3));
        bool has_a = memcmp(bytes, "ABC", 3) == 0;
        assert_ok(read_at(f.disk, b, 0, 3));
        bool has_b = memcmp(bytes, "DEF", 3) == 0;
        assert_true(has_a || has_b);
        first += has_a && !has_b;
        second += has_b && !has_a;
        assert_false(disk_writeback_any(f.disk, key));
        done(&f);
    }
    assert_true(first > 0);
    assert_true(second > 0);
}

/* ---- somebody else's rm ---- */

/* Whatever the power takes later: a whole directory, and a file that a process goes on with. */
TEST(what_vanished_does_not_come_back)
{
    for (int personality = 0; personality < DISK_PERSONALITY_COUNT; personality++) {
        for (uint64_t key = 1; key <= 20; key++) {
            struct fixture f;
            uint64_t opened;
            make(&f, (struct disk_options){.personality = (enum disk_personality)personality});
            assert_ok(disk_make_dir(f.disk, "d"));
            help_put_durable(f.disk, "d/a", "abc");
            help_put_durable(f.disk, "d/b", "def");
            help_put_durable(f.disk, "e", "ghi");
            help_put_durable(f.disk, "stays", "jkl");
            uint64_t file = help_open(f.disk, "e", RW);
            assert_ok(disk_vanish(f.disk, "d/"));
            assert_ok(disk_vanish(f.disk, "e"));
            help_append(f.disk, file, "!", 1);
            assert_ok(read_at(f.disk, file, 0, 4));
            assert_memory_equal(bytes, "ghi!", 4);
            (void)disk_digest(f.disk);
            disk_check(f.disk);
            help_power_loss(f.disk, key);
            assert_int_equal(disk_open(f.disk, "d/a", RW, &opened), ERR_NOTFOUND);
            assert_int_equal(disk_open(f.disk, "e", RW, &opened), ERR_NOTFOUND);
            help_expect(f.disk, "stays", "jkl");
            done(&f);
        }
    }
}

TEST(what_is_not_there_does_not_vanish)
{
    struct fixture f;
    make(&f, (struct disk_options){0});
    help_put_durable(f.disk, "f", "abc");
    assert_int_equal(disk_vanish(f.disk, "g"), ERR_NOTFOUND);
    assert_int_equal(disk_vanish(f.disk, "f/"), ERR_NOTDIR);
    assert_int_equal(disk_vanish(f.disk, "."), ERR_BUSY);
    help_expect(f.disk, "f", "abc");
    done(&f);
}

/* ---- rot ---- */

TEST(a_flipped_bit_is_read_again_and_survives_until_it_is_written_over)
{
    struct fixture f;
    make(&f, (struct disk_options){0});
    help_put_durable(f.disk, "f", "abc");
    assert_ok(disk_flip(f.disk, "f", 1, 0));
    help_expect(f.disk, "f", "acc");
    help_power_loss(f.disk, 1);
    help_expect(f.disk, "f", "acc");
    uint64_t file = help_open(f.disk, "f", RW);
    help_write(f.disk, file, 1, "b", 1);
    help_expect(f.disk, "f", "abc");
    help_sync(f.disk, file);
    help_power_loss(f.disk, 1);
    help_expect(f.disk, "f", "abc");
    done(&f);
}

TEST(only_durable_bytes_rot)
{
    struct fixture f;
    make(&f, (struct disk_options){0});
    help_put_durable(f.disk, "f", "abc");
    uint64_t file = help_open(f.disk, "f", RW);
    help_append(f.disk, file, "d", 1);
    help_write(f.disk, file, 0, "A", 1);
    assert_int_equal(disk_flip(f.disk, "f", 3, 0), ERR_RANGE);
    assert_ok(disk_flip(f.disk, "f", 0, 1));
    help_expect(f.disk, "f", "Abcd"); /* newer bytes lie over it */
    assert_int_equal(disk_flip(f.disk, "none", 0, 0), ERR_NOTFOUND);
    help_sync(f.disk, file);
    help_power_loss(f.disk, 1);
    help_expect(f.disk, "f", "Abcd"); /* and were written over it */
    done(&f);
}

TEST(rot_below_bytes_that_are_lost_comes_to_light)
{
    struct fixture f;
    make(&f, (struct disk_options){.personality = DISK_EXT4});
    help_put_durable(f.disk, "f", "abc");
    uint64_t file = help_open(f.disk, "f", RW);
    help_write(f.disk, file, 0, "X", 1);
    assert_ok(disk_flip(f.disk, "f", 0, 1));
    assert_int_equal(help_fail_sync(f.disk, file, 1, false), ERR_IO);
    help_expect(f.disk, "f", "Xbc");
    assert_ok(disk_flip(f.disk, "f", 0, 7)); /* under clean bytes that were never written */
    help_expect(f.disk, "f", "Xbc");
    assert_ok(disk_flip(f.disk, "f", 0, 7));
    help_power_loss(f.disk, 1);
    help_expect(f.disk, "f", "cbc");
    done(&f);
}

TEST(a_bad_sector_fails_reads_until_all_of_it_is_written)
{
    struct fixture f;
    make(&f, (struct disk_options){.personality = DISK_EXT4});
    memset(bytes, 'x', 2 * PAGE);
    bytes[2 * PAGE] = 0;
    help_put_durable(f.disk, "f", bytes);
    uint64_t file = help_open(f.disk, "f", RW);
    assert_ok(disk_break(f.disk, "f", 1030));
    assert_int_equal(read_at(f.disk, file, 0, PAGE), ERR_IO);
    assert_int_equal(read_at(f.disk, file, 1500, 1000), ERR_IO);
    assert_ok(read_at(f.disk, file, 0, 1024));
    assert_ok(read_at(f.disk, file, 1536, PAGE));
    help_write(f.disk, file, 1024, bytes, 100);
    assert_int_equal(read_at(f.disk, file, 0, PAGE), ERR_IO);
    help_write(f.disk, file, 1000, bytes, 600);
    assert_ok(read_at(f.disk, file, 0, PAGE));
    help_sync(f.disk, file);
    help_power_loss(f.disk, 1);
    file = help_open(f.disk, "f", RW);
    assert_ok(read_at(f.disk, file, 0, PAGE));
    done(&f);
}

TEST(a_bad_sector_whose_cure_is_lost_is_bad_again)
{
    int bad = 0;
    for (uint64_t key = 0; key < 40; key++) {
        struct fixture f;
        make(&f, (struct disk_options){.personality = DISK_EXT4});
        memset(bytes, 'x', PAGE);
        bytes[PAGE] = 0;
        help_put_durable(f.disk, "f", bytes);
        uint64_t file = help_open(f.disk, "f", RW);
        assert_ok(disk_break(f.disk, "f", 0));
        help_write(f.disk, file, 0, bytes, 512);
        help_power_loss(f.disk, key);
        file = help_open(f.disk, "f", RW);
        bad += read_at(f.disk, file, 0, 10) == ERR_IO;
        done(&f);
    }
    assert_true(bad > 5);
    assert_true(bad < 35);
}

TEST(a_cut_takes_bad_sectors_with_it)
{
    struct fixture f;
    make(&f, (struct disk_options){0});
    memset(bytes, 'x', PAGE);
    bytes[PAGE] = 0;
    help_put_durable(f.disk, "f", bytes);
    uint64_t file = help_open(f.disk, "f", RW);
    assert_ok(disk_break(f.disk, "f", 2000));
    assert_ok(disk_truncate(f.disk, file, 512));
    assert_ok(disk_truncate(f.disk, file, PAGE));
    assert_ok(read_at(f.disk, file, 0, PAGE));
    help_sync(f.disk, file);
    help_power_loss(f.disk, 1);
    file = help_open(f.disk, "f", RW);
    assert_ok(read_at(f.disk, file, 0, PAGE));
    done(&f);
}

TEST(more_bad_sectors_than_a_file_may_have_are_refused)
{
    struct fixture f;
    make(&f, (struct disk_options){0});
    uint64_t file = help_open(f.disk, "f", RWC);
    uint64_t size = (DISK_BAD_SECTORS_MAX + 1) * DISK_SECTOR_SIZE;
    help_write(f.disk, file, 0, bytes, size);
    help_sync(f.disk, file);
    for (uint64_t i = 0; i < DISK_BAD_SECTORS_MAX; i++)
        assert_ok(disk_break(f.disk, "f", i * DISK_SECTOR_SIZE));
    assert_ok(disk_break(f.disk, "f", 0));
    assert_int_equal(disk_break(f.disk, "f", size - 1), ERR_LIMIT);
    done(&f);
}

/* ---- space ---- */

static enum err try_append(struct disk *disk, uint64_t file, uint64_t size)
{
    struct env_part part = help_part(bytes, size);
    struct disk_write *write;
    uint64_t n;
    assert_ok(disk_append_begin(disk, file, &part, 1, &write));
    return disk_write_finish(disk, write, &n);
}

TEST(a_full_disk_refuses_what_does_not_fit_and_keeps_what_does)
{
    struct fixture f;
    make(&f, (struct disk_options){.capacity = 10 * PAGE});
    uint64_t n;
    uint64_t file = help_open(f.disk, "f", RWC);
    assert_ok(try_append(f.disk, file, 5 * PAGE));
    assert_ok(disk_space(f.disk, ".", &n));
    assert_int_equal(n, 5 * PAGE);
    assert_int_equal(try_append(f.disk, file, 20 * PAGE), ERR_NOSPACE);
    assert_true(disk_size(f.disk, file) <= 10 * PAGE);
    assert_ok(disk_truncate(f.disk, file, 5 * PAGE));
    assert_ok(try_append(f.disk, file, 2 * PAGE));
    done(&f);
}

TEST(two_writes_in_flight_are_not_promised_the_same_space)
{
    struct fixture f;
    make(&f, (struct disk_options){.capacity = 10 * PAGE});
    uint64_t n;
    struct env_part part = help_part(bytes, 6 * PAGE);
    struct disk_write *first;
    struct disk_write *second;
    uint64_t file = help_open(f.disk, "f", RWC);
    assert_ok(disk_write_begin(f.disk, file, 0, &part, 1, &first));
    assert_ok(disk_write_begin(f.disk, file, 8 * PAGE, &part, 1, &second));
    assert_ok(disk_write_finish(f.disk, first, &n));
    assert_int_equal(disk_write_finish(f.disk, second, &n), ERR_NOSPACE);
    assert_int_equal(n, 0);
    assert_int_equal(disk_size(f.disk, file), 12 * PAGE);
    done(&f);
}

TEST(space_comes_back_when_the_unlink_is_durable_and_a_full_disk_hurries)
{
    struct fixture f;
    make(&f, (struct disk_options){.capacity = 10 * PAGE});
    uint64_t n;
    uint64_t file = help_open(f.disk, "f", RWC);
    assert_ok(try_append(f.disk, file, 8 * PAGE));
    help_sync(f.disk, file);
    help_sync_dir(f.disk, ".");
    disk_close(f.disk, file);
    assert_ok(disk_unlink(f.disk, "f"));
    assert_ok(disk_space(f.disk, ".", &n));
    assert_int_equal(n, 2 * PAGE);
    file = help_open(f.disk, "g", RWC);
    assert_ok(try_append(f.disk, file, 8 * PAGE));
    done(&f);
}

/* With /f and /g there durably, g of five pages, f of three that are pending. */
static uint64_t make_nearly_full(struct fixture *f, enum disk_personality personality)
{
    make(f, (struct disk_options){.capacity = 10 * PAGE, .personality = personality});
    uint64_t g = help_open(f->disk, "g", RWC);
    assert_ok(try_append(f->disk, g, 5 * PAGE));
    help_sync(f->disk, g);
    disk_close(f->disk, g);
    uint64_t file = help_open(f->disk, "f", RWC);
    help_sync_dir(f->disk, ".");
    assert_ok(try_append(f->disk, file, 3 * PAGE));
    return file;
}

static void expect_pending(struct fixture *f, uint64_t count)
{
    struct disk_loss loss;
    assert_ok(disk_power_loss(f->disk, 1, &loss));
    assert_int_equal(loss.pending_count, count);
    done(f);
}

TEST(on_a_full_disk_data_that_was_not_synced_stays_pending)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++) {
        struct fixture f;
        uint64_t file = make_nearly_full(&f, (enum disk_personality)p);
        assert_int_equal(try_append(f.disk, file, 4 * PAGE), ERR_NOSPACE);
        expect_pending(&f, 3 + 2);
    }
}

TEST(a_full_disk_that_hurries_an_unlink_leaves_other_data_pending)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++) {
        struct fixture f;
        uint64_t file = make_nearly_full(&f, (enum disk_personality)p);
        assert_ok(disk_unlink(f.disk, "g"));
        assert_ok(try_append(f.disk, file, 4 * PAGE));
        expect_pending(&f, 3 + 4);
    }
}

TEST(a_full_disk_that_hurries_a_truncate_leaves_other_data_pending)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++) {
        struct fixture f;
        uint64_t file = make_nearly_full(&f, (enum disk_personality)p);
        uint64_t g = help_open(f.disk, "g", RW);
        assert_ok(disk_truncate(f.disk, g, PAGE));
        assert_ok(try_append(f.disk, file, 4 * PAGE));
        expect_pending(&f, 3 + 4);
    }
}

TEST(a_full_disk_hurries_no_truncate_that_gives_nothing_back)
{
    struct fixture f;
    uint64_t file = make_nearly_full(&f, DISK_POSIX);
    uint64_t g = help_open(f.disk, "g", RW);
    assert_ok(disk_truncate(f.disk, g, 5 * PAGE - 1));
    assert_int_equal(try_append(f.disk, file, 4 * PAGE), ERR_NOSPACE);
    expect_pending(&f, 3 + 2 + 1);
}

TEST(another_tenant_takes_space_and_gives_it_back)
{
    struct fixture f;
    make(&f, (struct disk_options){0});
    uint64_t n;
    uint64_t file = help_open(f.disk, "f", RWC);
    assert_ok(try_append(f.disk, file, 100));
    disk_set_capacity(f.disk, 0);
    assert_ok(disk_space(f.disk, ".", &n));
    assert_int_equal(n, 0);
    assert_int_equal(try_append(f.disk, file, PAGE), ERR_NOSPACE);
    disk_set_capacity(f.disk, 100 * PAGE);
    assert_ok(try_append(f.disk, file, PAGE));
    done(&f);
}

/* ---- handles ---- */

TEST(files_beyond_the_limit_are_refused)
{
    struct fixture f;
    make(&f, (struct disk_options){.files_max = 2});
    uint64_t file = help_open(f.disk, "a", RWC);
    uint64_t other = help_open(f.disk, "b", RWC);
    struct disk_sync sync;
    uint64_t n;
    assert_int_equal(disk_open(f.disk, "a", RW, &n), ERR_TOOMANY);
    assert_int_equal(disk_list(f.disk, ".", 0, bytes, 10, &n), ERR_TOOMANY);
    assert_int_equal(disk_sync_dir_begin(f.disk, ".", &sync), ERR_TOOMANY);
    disk_close(f.disk, file);
    file = help_open(f.disk, "a", RW);
    assert_true(file > other);
    done(&f);
}

TEST(what_was_opened_to_read_is_not_written)
{
    struct fixture f;
    make(&f, (struct disk_options){0});
    help_put(f.disk, "f", "abc");
    uint64_t file = help_open(f.disk, "f", ENV_OPEN_READ);
    struct env_part part = help_part("x", 1);
    struct disk_write *write;
    assert_int_equal(disk_write_begin(f.disk, file, 0, &part, 1, &write), ERR_READONLY);
    assert_int_equal(disk_append_begin(f.disk, file, &part, 1, &write), ERR_READONLY);
    assert_int_equal(disk_truncate(f.disk, file, 0), ERR_READONLY);
    done(&f);
}

TEST(a_list_that_does_not_fit_says_what_it_needs_and_a_key_permutes_it)
{
    struct fixture f;
    make(&f, (struct disk_options){0});
    char list[64];
    char other[64];
    uint64_t n;
    int orders = 0;
    help_put(f.disk, "b", "");
    help_put(f.disk, "a", "");
    assert_ok(disk_make_dir(f.disk, "d"));
    assert_int_equal(disk_list(f.disk, ".", 0, list, 6, &n), ERR_RANGE);
    assert_int_equal(n, 7);
    assert_ok(disk_list(f.disk, ".", 0, list, 7, &n));
    assert_memory_equal(list, "b\0a\0/d", 7);
    for (uint64_t key = 1; key < 20; key++) {
        assert_ok(disk_list(f.disk, ".", key, list, sizeof list, &n));
        assert_ok(disk_list(f.disk, ".", key, other, sizeof other, &n));
        assert_memory_equal(list, other, n);
        orders += memcmp(list, "b\0a\0/d", 7) != 0;
    }
    assert_true(orders > 5);
    done(&f);
}

/* ---- operators ---- */

TEST(a_backup_put_back_is_the_old_directory_durably)
{
    struct fixture f;
    make(&f, (struct disk_options){0});
    struct disk_image *image;
    assert_ok(disk_make_dir(f.disk, "d"));
    assert_ok(disk_make_dir(f.disk, "d/e"));
    help_put(f.disk, "d/a", "one");
    help_put(f.disk, "d/e/b", "two");
    help_put(f.disk, "d/e/c", "");
    assert_ok(disk_image_take(f.disk, "d", &image));
    help_put(f.disk, "d/a", "new");
    help_put(f.disk, "d/x", "more");
    assert_ok(disk_unlink(f.disk, "d/e/b"));
    assert_ok(disk_image_put(f.disk, "d", image));
    assert_ok(disk_image_put(f.disk, "elsewhere", image));
    help_power_loss(f.disk, 3);
    help_expect(f.disk, "d/a", "one");
    help_expect(f.disk, "d/e/b", "two");
    help_expect(f.disk, "elsewhere/e/b", "two");
    assert_true(help_exists(f.disk, "d/e/c"));
    assert_false(help_exists(f.disk, "d/x"));
    disk_image_free(image);
    done(&f);
}

TEST(the_directories_of_two_disks_can_be_swapped)
{
    struct fixture f;
    struct fixture g;
    make(&f, (struct disk_options){0});
    make(&g, (struct disk_options){.personality = DISK_XFS});
    struct disk_image *of_f;
    struct disk_image *of_g;
    help_put(f.disk, "x", "f");
    help_put(g.disk, "x", "g");
    assert_ok(disk_image_take(f.disk, ".", &of_f));
    assert_ok(disk_image_take(g.disk, ".", &of_g));
    assert_false(disk_image_equal(of_f, of_g));
    assert_ok(disk_image_put(f.disk, ".", of_g));
    assert_ok(disk_image_put(g.disk, ".", of_f));
    help_expect(f.disk, "x", "g");
    help_expect(g.disk, "x", "f");
    disk_image_free(of_f);
    disk_image_free(of_g);
    done(&f);
    done(&g);
}

TEST(a_wiped_disk_is_empty_and_stays_so)
{
    struct fixture f;
    make(&f, (struct disk_options){0});
    uint64_t n;
    assert_ok(disk_make_dir(f.disk, "d"));
    help_put(f.disk, "d/a", "one");
    help_put_durable(f.disk, "b", "two");
    assert_ok(disk_wipe(f.disk));
    help_power_loss(f.disk, 1);
    assert_ok(disk_list(f.disk, ".", 0, bytes, sizeof bytes, &n));
    assert_int_equal(n, 0);
    help_put(f.disk, "b", "new");
    help_expect(f.disk, "b", "new");
    done(&f);
}
