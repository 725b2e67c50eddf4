/* death_test.c - what the death of a process and the loss of power leave. */
#include <stdlib.h>
#include "help.h"

#define PAGE DISK_PAGE_SIZE

static char bytes[16 * PAGE];

static struct disk_write *begin_append(struct disk *disk, uint64_t file, uint64_t size)
{
    struct env_part part = help_part(bytes, size);
    struct disk_write *write;
    assert_ok(disk_append_begin(disk, file, &part, 1, &write));
    return write;
}

/* ---- kill -9 ---- */

TEST(a_killed_process_loses_handles_and_locks_but_no_written_byte)
{
    struct mem mem;
    mem_system(&mem);
    struct disk *disk = help_personality(&mem, DISK_POSIX);
    uint64_t file = help_open(disk, "f", RWC | ENV_OPEN_LOCK);
    uint64_t other;
    help_append(disk, file, "bytes", 5);
    assert_int_equal(disk_open(disk, "f", RW | ENV_OPEN_LOCK, &other), ERR_BUSY);
    disk_process_crash(disk, 1);
    other = help_open(disk, "f", RW | ENV_OPEN_LOCK);
    assert_true(other != file);
    help_expect(disk, "f", "bytes");
    disk_free(disk);
    assert_int_equal(mem.live_count, 0);
}

TEST(a_killed_process_frees_what_was_unlinked_and_open)
{
    struct mem mem;
    mem_system(&mem);
    struct disk *disk = help_personality(&mem, DISK_POSIX);
    uint64_t before;
    uint64_t after;
    assert_ok(disk_space(disk, ".", &before));
    uint64_t file = help_open(disk, "f", RWC);
    help_append(disk, file, bytes, sizeof bytes);
    assert_ok(disk_unlink(disk, "f"));
    help_sync_dir(disk, ".");
    assert_ok(disk_space(disk, ".", &after));
    assert_int_equal(before - after, sizeof bytes);
    disk_process_crash(disk, 1);
    assert_ok(disk_space(disk, ".", &after));
    assert_int_equal(before, after);
    disk_free(disk);
    assert_int_equal(mem.live_count, 0);
}

TEST(a_write_in_flight_at_the_kill_is_undone_whole_or_cut_at_a_page)
{
    int undone = 0;
    int whole = 0;
    int cut = 0;
    for (uint64_t key = 0; key < 200; key++) {
        struct mem mem;
        mem_system(&mem);
        struct disk *disk = help_personality(&mem, DISK_EXT4);
        uint64_t file = help_open(disk, "f", RWC);
        help_append(disk, file, bytes, 100);
        (void)begin_append(disk, file, 4 * PAGE);
        disk_process_crash(disk, key);
        uint64_t size = disk_size(disk, help_open(disk, "f", RW));
        undone += size == 100;
        whole += size == 100 + 4 * PAGE;
        cut += size % PAGE == 0;
        assert_true(size == 100 || size == 100 + 4 * PAGE || size % PAGE == 0);
        disk_free(disk);
    }
    assert_true(undone > 20);
    assert_true(whole > 20);
    assert_true(cut > 20);
}

TEST(of_appends_in_flight_at_the_kill_a_prefix_is_there)
{
    for (uint64_t key = 0; key < 200; key++) {
        struct mem mem;
        mem_system(&mem);
        struct disk *disk = help_personality(&mem, DISK_EXT4);
        uint64_t file = help_open(disk, "f", RWC);
        for (int i = 0; i < 10; i++) {
            memset(bytes, 'a' + i, 10);
            (void)begin_append(disk, file, 10);
        }
        disk_process_crash(disk, key);
        char got[200];
        int64_t size = help_get(disk, "f", got, sizeof got);
        for (int64_t i = 0; i < size; i++)
            assert_int_equal(got[i], 'a' + i / 10);
        assert_int_equal(size % 10, 0);
        disk_free(disk);
    }
}

TEST(once_an_append_fails_those_behind_it_fail)
{
    struct mem mem;
    mem_system(&mem);
    uint64_t n;
    struct disk *disk = help_personality(&mem, DISK_EXT4);
    uint64_t file = help_open(disk, "f", RWC);
    struct disk_write *first = begin_append(disk, file, 10);
    struct disk_write *second = begin_append(disk, file, 10);
    disk_write_cut(disk, first, 4);
    struct disk_write *third = begin_append(disk, file, 10);
    assert_int_equal(disk_write_finish(disk, second, &n), ERR_OFFLINE);
    assert_int_equal(disk_size(disk, file), 4);
    assert_ok(disk_write_finish(disk, third, &n));
    assert_int_equal(n, 4);
    disk_free(disk);
}

/* ---- power ---- */

TEST(the_same_key_leaves_the_same)
{
    int different = 0;
    struct mem mem;
    mem_system(&mem);
    for (uint64_t key = 0; key < 30; key++) {
        struct disk *disk = help_personality(&mem, DISK_POSIX);
        struct disk *copy;
        struct disk *other;
        for (int i = 0; i < 6; i++) {
            char name[8];
            snprintf(name, sizeof name, "%d", i);
            help_put(disk, name, "some bytes in a file");
        }
        assert_ok(disk_crashed(disk, key, &copy));
        assert_ok(disk_crashed(disk, key + 1000, &other));
        help_power_loss(disk, key);
        assert_true(help_same(disk, copy));
        different += !help_same(disk, other);
        disk_free(disk);
        disk_free(copy);
        disk_free(other);
    }
    assert_true(different > 20);
    assert_int_equal(mem.live_count, 0);
}

TEST(after_a_power_loss_nothing_is_pending)
{
    struct mem mem;
    mem_system(&mem);
    for (uint64_t key = 0; key < 30; key++) {
        struct disk_loss loss;
        struct disk *copy;
        struct disk *disk = help_personality(&mem, DISK_POSIX);
        help_put(disk, "f", "bytes");
        assert_ok(disk_power_loss(disk, key, &loss));
        assert_int_equal(loss.pending_count, 2);
        assert_int_equal(loss.files_lost, !help_exists(disk, "f"));
        assert_ok(disk_crashed(disk, key + 1, &copy));
        assert_true(help_same(disk, copy));
        assert_ok(disk_power_loss(disk, key + 2, &loss));
        assert_int_equal(loss.pending_count, 0);
        disk_free(disk);
        disk_free(copy);
    }
}

/* What became of a durable page of 'o' of which the middle was overwritten with 'n'. */
struct torn {
    int old, new, garbage, changes;
};

static struct torn tear(enum disk_personality personality, uint64_t key, uint64_t from, uint64_t to)
{
    struct mem mem;
    mem_system(&mem);
    struct torn torn = {0};
    struct disk *disk = help_personality(&mem, personality);
    memset(bytes, 'o', PAGE);
    bytes[PAGE] = 0;
    help_put_durable(disk, "f", bytes);
    memset(bytes, 'n', PAGE);
    help_write(disk, help_open(disk, "f", RW), from, bytes, to - from);
    help_power_loss(disk, key);
    assert_int_equal(help_get(disk, "f", bytes, sizeof bytes), PAGE);
    for (uint64_t i = 0; i < PAGE; i++) {
        bool inside = i >= from && i < to;
        if (!inside)
            assert_int_equal(bytes[i], 'o');
        torn.old += inside && bytes[i] == 'o';
        torn.new += inside &&bytes[i] == 'n';
        torn.garbage += inside && bytes[i] != 'o' && bytes[i] != 'n';
        torn.changes += i > 0 && inside && bytes[i] != bytes[i - 1];
    }
    disk_free(disk);
    assert_int_equal(mem.live_count, 0);
    return torn;
}

TEST(an_unsynced_page_is_torn_in_every_way_but_never_outside_of_the_write)
{
    for (int p = DISK_POSIX; p <= DISK_XFS; p++) {
        int whole = 0;
        int none = 0;
        int part = 0;
        int garbage = 0;
        int pieces = 0;
        for (uint64_t key = 0; key < 600; key++) {
            struct torn t = tear((enum disk_personality)p, key, 100, 4000);
            whole += t.new == 3900;
            none += t.old == 3900;
            part += t.new > 0 && t.old > 0 && t.garbage == 0;
            garbage += t.garbage > 0;
            pieces += t.garbage == 0 && t.changes > 3;
        }
        assert_true(whole > 50);
        assert_true(none > 50);
        assert_true(part > 50);
        assert_true(garbage > 10);
        assert_true(pieces > 10);
    }
}

TEST(a_write_within_one_sector_is_not_torn)
{
    for (uint64_t key = 0; key < 300; key++) {
        struct torn t = tear(DISK_POSIX, key, 512, 1024);
        assert_true(t.old == 512 || t.new == 512);
    }
}

TEST(cow_tears_nothing)
{
    for (uint64_t key = 0; key < 300; key++) {
        struct torn t = tear(DISK_COW, key, 100, 4000);
        assert_true(t.old == 3900 || t.new == 3900);
    }
}

TEST(a_write_in_flight_when_the_power_goes_may_be_there_in_part)
{
    int some = 0;
    for (uint64_t key = 0; key < 200; key++) {
        struct mem mem;
        mem_system(&mem);
        struct disk *disk = help_personality(&mem, DISK_EXT4);
        help_put_durable(disk, "f", "");
        (void)begin_append(disk, help_open(disk, "f", RW), 4 * PAGE);
        help_power_loss(disk, key);
        uint64_t size = disk_size(disk, help_open(disk, "f", RW));
        assert_true(size <= 4 * PAGE);
        some += size > 0 && size < 4 * PAGE;
        disk_free(disk);
    }
    assert_true(some > 20);
}

/* An unsynced append-only file on ext4 is a prefix of what was appended, to the byte. */
TEST(what_ext4_keeps_of_a_log_is_a_prefix)
{
    for (uint64_t key = 0; key < 300; key++) {
        struct mem mem;
        mem_system(&mem);
        struct disk *disk = help_personality(&mem, DISK_EXT4);
        help_put_durable(disk, "f", "");
        uint64_t file = help_open(disk, "f", RW);
        for (int i = 0; i < 40; i++) {
            char line[40];
            snprintf(line, sizeof line, "%038d\n", i);
            help_append(disk, file, line, 39);
            if (i == 10)
                help_sync(disk, file);
        }
        help_power_loss(disk, key);
        char got[2000];
        int64_t size = help_get(disk, "f", got, sizeof got);
        assert_true(size >= 11 * 39);
        assert_int_equal(size % 39, 0);
        for (int i = 0; i < size / 39; i++)
            assert_int_equal(atoi(got + 39 * i), i);
        disk_free(disk);
    }
}
