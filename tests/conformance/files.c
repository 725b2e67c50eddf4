/* files.c - cases about files and directories. */
#include <stdio.h>
#include "support/test.h"
#include "conformance/conformance.h"

/* ---- open ---- */

CASE(opening_what_is_not_there_is_notfound)
{
    CHECK_ERR(t, do_open(t, "none", ENV_OPEN_READ), ERR_NOTFOUND);
    CHECK_ERR(t, do_open(t, "none", ENV_OPEN_READ | ENV_OPEN_WRITE), ERR_NOTFOUND);
    CHECK_ERR(t, do_open(t, "no/file", READ_WRITE_CREATE), ERR_NOTFOUND);
}

CASE(opening_through_a_file_is_notdir)
{
    file_with(t, "plain", "x", 1);
    CHECK_ERR(t, do_open(t, "plain/below", READ_WRITE_CREATE), ERR_NOTDIR);
}

CASE(exclusive_creation_wants_no_file)
{
    CHECK_OK(t, do_open(t, "once", READ_WRITE_CREATE | ENV_OPEN_EXCLUSIVE));
    CHECK_ERR(t, do_open(t, "once", READ_WRITE_CREATE | ENV_OPEN_EXCLUSIVE), ERR_EXISTS);
    CHECK_OK(t, do_open(t, "once", READ_WRITE_CREATE));
}

CASE(truncate_on_open_empties_and_plain_open_does_not)
{
    file_with(t, "f", "12345", 5);
    CHECK_OK(t, do_open(t, "f", READ_WRITE_CREATE));
    CHECK_OK(t, do_size(t, t->n));
    CHECK_INT(t, t->n, 5);
    CHECK_OK(t, do_open(t, "f", ENV_OPEN_WRITE | ENV_OPEN_TRUNCATE));
    CHECK_OK(t, do_size(t, t->n));
    CHECK_INT(t, t->n, 0);
}

CASE(a_lock_keeps_others_out_until_it_is_closed)
{
    unsigned flags = READ_WRITE_CREATE | ENV_OPEN_LOCK;
    CHECK_OK(t, do_open(t, "lock", flags));
    env_file first = t->n;
    CHECK_ERR(t, do_open(t, "lock", flags), ERR_BUSY);
    CHECK_OK(t, do_close_file(t, first));
    CHECK_OK(t, do_open(t, "lock", flags));
}

CASE(a_refused_lock_does_not_truncate)
{
    unsigned flags = READ_WRITE_CREATE | ENV_OPEN_LOCK;
    CHECK_OK(t, do_open(t, "lock", flags));
    env_file first = t->n;
    CHECK_OK(t, do_append(t, first, "mine", 4));
    CHECK_ERR(t, do_open(t, "lock", flags | ENV_OPEN_TRUNCATE), ERR_BUSY);
    CHECK_OK(t, do_size(t, first));
    CHECK_INT(t, t->n, 4);
}

CASE(a_directory_is_no_file)
{
    CHECK_OK(t, do_make_dir(t, "dir"));
    CHECK_ERR(t, do_open(t, "dir", ENV_OPEN_READ), ERR_NOTFILE);
    CHECK_ERR(t, do_open(t, "dir", READ_WRITE_CREATE), ERR_NOTFILE);
}

CASE(names_of_files_are_never_used_again)
{
    enum { COUNT = 200 };
    uint64_t *names = take(t, COUNT * sizeof *names);
    for (int i = 0; i < COUNT; i++) {
        names[i] = new_file(t, "f");
        for (int k = 0; k < i; k++)
            CHECK(t, names[k] != names[i]);
        CHECK_OK(t, do_close_file(t, names[i]));
    }
}

/* ---- read and write ---- */

CASE(reads_are_short_only_at_the_end)
{
    uint8_t *buffer = take(t, 100);
    env_file file = file_with(t, "f", pattern(t, 1, 50), 50);
    CHECK_OK(t, do_read(t, file, 0, buffer, 50));
    CHECK_INT(t, t->n, 50);
    CHECK_OK(t, do_read(t, file, 10, buffer, 100));
    CHECK_INT(t, t->n, 40);
    CHECK(t, is_pattern(buffer, 1, 10, 40));
    CHECK_OK(t, do_read(t, file, 50, buffer, 100));
    CHECK_INT(t, t->n, 0);
    CHECK_OK(t, do_read(t, file, 5000, buffer, 100));
    CHECK_INT(t, t->n, 0);
}

CASE(a_large_read_is_whole)
{
    enum { SIZE = 3 << 20 };
    uint8_t *buffer = take(t, SIZE + 1);
    env_file file = file_with(t, "f", pattern(t, 2, SIZE), SIZE);
    CHECK_OK(t, do_read(t, file, 0, buffer, SIZE + 1));
    CHECK_INT(t, t->n, SIZE);
    CHECK(t, is_pattern(buffer, 2, 0, SIZE));
}

CASE(a_write_puts_its_parts_one_behind_the_other)
{
    char *buffer = take(t, 16);
    struct env_part *parts = take(t, 3 * sizeof *parts);
    struct ask *write = ask_new(t);
    env_file file = file_with(t, "f", "..........", 10);
    parts[0] = part_of("ab", 2);
    parts[1] = part_of("c", 1);
    parts[2] = part_of("def", 3);
    ask_write(write, file, 2, parts, 3);
    CHECK_OK(t, await(write));
    CHECK_INT(t, write->n, 6);
    CHECK_OK(t, do_read(t, file, 0, buffer, 16));
    CHECK_INT(t, t->n, 10);
    CHECK(t, memcmp(buffer, "..abcdef..", 10) == 0);
}

CASE(a_write_behind_the_end_leaves_zeros_between)
{
    uint8_t *buffer = take(t, 16);
    env_file file = file_with(t, "f", "ab", 2);
    CHECK_OK(t, do_write(t, file, 5, "z", 1));
    CHECK_OK(t, do_read(t, file, 0, buffer, 16));
    CHECK_INT(t, t->n, 6);
    CHECK(t, memcmp(buffer, "ab\0\0\0z", 6) == 0);
    CHECK_OK(t, do_append(t, file, "y", 1));
    CHECK_INT(t, t->n, 6);
}

CASE(writing_what_was_opened_to_read_is_readonly)
{
    file_with(t, "f", "ab", 2);
    CHECK_OK(t, do_open(t, "f", ENV_OPEN_READ));
    env_file file = t->n;
    CHECK_ERR(t, do_write(t, file, 0, "z", 1), ERR_READONLY);
    CHECK_ERR(t, do_append(t, file, "z", 1), ERR_READONLY);
    CHECK_ERR(t, do_truncate(t, file, 0), ERR_READONLY);
    CHECK_OK(t, do_size(t, file));
    CHECK_INT(t, t->n, 2);
}

/* ---- append ---- */

CASE(appends_stand_at_the_offsets_they_tell)
{
    uint8_t *buffer = take(t, 16);
    env_file file = new_file(t, "f");
    CHECK_OK(t, do_append(t, file, "abc", 3));
    CHECK_INT(t, t->n, 0);
    CHECK_OK(t, do_append(t, file, "de", 2));
    CHECK_INT(t, t->n, 3);
    CHECK_OK(t, do_read(t, file, 0, buffer, 16));
    CHECK_INT(t, t->n, 5);
    CHECK(t, memcmp(buffer, "abcde", 5) == 0);
}

CASE(many_appends_in_flight_keep_their_order)
{
    enum { COUNT = 100 };
    struct ask *appends[COUNT];
    struct env_part *parts = take(t, COUNT * sizeof *parts);
    uint64_t end = 0;
    env_file file = new_file(t, "f");
    for (int i = 0; i < COUNT; i++) {
        parts[i] = part_of(pattern(t, (uint64_t)i, (uint64_t)i * 7 + 1), (uint64_t)i * 7 + 1);
        appends[i] = ask_new(t);
        ask_append(appends[i], file, &parts[i], 1);
    }
    for (int i = 0; i < COUNT; i++) {
        uint8_t *buffer = take(t, parts[i].size);
        CHECK_OK(t, await(appends[i]));
        CHECK_INT(t, appends[i]->n, end);
        CHECK(t, i == 0 || appends[i]->order > appends[i - 1]->order);
        CHECK_OK(t, do_read(t, file, end, buffer, parts[i].size));
        CHECK(t, is_pattern(buffer, (uint64_t)i, 0, parts[i].size));
        end += parts[i].size;
    }
}

CASE(an_append_of_as_many_parts_as_allowed)
{
    struct env_part *parts = take(t, ENV_PARTS_MAX * sizeof *parts);
    uint8_t *bytes = pattern(t, 3, ENV_PARTS_MAX * 3);
    uint8_t *buffer = take(t, ENV_PARTS_MAX * 3);
    struct ask *append = ask_new(t);
    env_file file = new_file(t, "f");
    for (int i = 0; i < ENV_PARTS_MAX; i++)
        parts[i] = part_of(bytes + i * 3, 3);
    ask_append(append, file, parts, ENV_PARTS_MAX);
    CHECK_OK(t, await(append));
    CHECK_OK(t, do_read(t, file, 0, buffer, ENV_PARTS_MAX * 3));
    CHECK_INT(t, t->n, ENV_PARTS_MAX * 3);
    CHECK(t, is_pattern(buffer, 3, 0, ENV_PARTS_MAX * 3));
}

CASE(appends_go_on_where_an_opened_file_ends)
{
    env_file file = file_with(t, "f", "abc", 3);
    CHECK_OK(t, do_close_file(t, file));
    file = new_file(t, "f");
    CHECK_OK(t, do_append(t, file, "d", 1));
    CHECK_INT(t, t->n, 3);
}

/* ---- truncate, size, sync ---- */

CASE(truncate_cuts_and_extends_with_zeros)
{
    uint8_t *buffer = take(t, 16);
    env_file file = file_with(t, "f", "abcdef", 6);
    CHECK_OK(t, do_truncate(t, file, 2));
    CHECK_INT(t, t->n, 2);
    CHECK_OK(t, do_size(t, file));
    CHECK_INT(t, t->n, 2);
    CHECK_OK(t, do_truncate(t, file, 5));
    CHECK_OK(t, do_read(t, file, 0, buffer, 16));
    CHECK_INT(t, t->n, 5);
    CHECK(t, memcmp(buffer, "ab\0\0\0", 5) == 0);
    CHECK_OK(t, do_append(t, file, "z", 1));
    CHECK_INT(t, t->n, 5);
}

/* Within a second: the clocks of file systems are coarse. */
static bool is_now(struct conformance *t, int64_t wall_ms)
{
    int64_t apart_ms = env_wall(t->env) - wall_ms;
    return apart_ms > -1000 && apart_ms < 1000;
}

static int64_t modified(struct conformance *t, env_file file)
{
    struct ask *ask = ask_new(t);
    ask_size(ask, file);
    CHECK_OK(t, await(ask));
    return ask->op.modified_ms;
}

/* A write that was not asked for would be seen as one that moves the time on. */
CASE(a_size_tells_when_the_file_was_written)
{
    uint8_t *buffer = take(t, 16);
    env_file file = file_with(t, "f", "abcdef", 6);
    int64_t first_ms = modified(t, file);
    CHECK(t, is_now(t, first_ms));
    CHECK_OK(t, do_read(t, file, 0, buffer, 16));
    CHECK_OK(t, do_sync(t, file));
    CHECK_INT(t, modified(t, file), first_ms);
    CHECK_OK(t, do_append(t, file, "z", 1));
    CHECK(t, modified(t, file) >= first_ms);
    CHECK_OK(t, do_truncate(t, file, 2));
    CHECK(t, modified(t, file) >= first_ms);
    CHECK(t, is_now(t, modified(t, file)));
}

CASE(syncs_of_files_and_directories_succeed)
{
    CHECK_OK(t, do_make_dir(t, "dir"));
    env_file file = file_with(t, "dir/f", "abc", 3);
    CHECK_OK(t, do_sync(t, file));
    CHECK_OK(t, do_sync_dir(t, "dir"));
    CHECK_OK(t, do_sync_dir(t, "."));
}

CASE(a_sync_tells_that_no_entry_names_the_file_any_more)
{
    env_file removed = file_with(t, "removed", "x", 1);
    env_file moved = file_with(t, "moved", "x", 1);
    env_file replaced = file_with(t, "replaced", "x", 1);
    CHECK_OK(t, do_sync(t, removed));
    CHECK_INT(t, t->n, 0);
    CHECK_OK(t, do_unlink(t, "removed"));
    CHECK_OK(t, do_rename(t, "moved", "replaced"));
    CHECK_OK(t, do_append(t, removed, "y", 1));
    CHECK_OK(t, do_sync(t, removed));
    CHECK_INT(t, t->n, 1);
    CHECK_OK(t, do_sync(t, replaced));
    CHECK_INT(t, t->n, 1);
    CHECK_OK(t, do_sync(t, moved));
    CHECK_INT(t, t->n, 0);
    CHECK_OK(t, do_open(t, "removed", READ_WRITE_CREATE)); /* another one of its name */
    CHECK_OK(t, do_sync(t, removed));
    CHECK_INT(t, t->n, 1);
}

CASE(syncing_no_directory_says_why)
{
    file_with(t, "plain", "abc", 3);
    CHECK_ERR(t, do_sync_dir(t, "none"), ERR_NOTFOUND);
    CHECK_ERR(t, do_sync_dir(t, "plain"), ERR_NOTDIR);
}

/* ---- rename, unlink, make ---- */

CASE(a_rename_replaces)
{
    char *buffer = take(t, 16);
    file_with(t, "old", "new bytes", 9);
    file_with(t, "target", "old bytes!", 10);
    CHECK_OK(t, do_rename(t, "old", "target"));
    CHECK_ERR(t, do_open(t, "old", ENV_OPEN_READ), ERR_NOTFOUND);
    CHECK_OK(t, do_open(t, "target", ENV_OPEN_READ));
    CHECK_OK(t, do_read(t, t->n, 0, buffer, 16));
    CHECK_INT(t, t->n, 9);
    CHECK(t, memcmp(buffer, "new bytes", 9) == 0);
}

CASE(a_renamed_file_that_is_open_stays_open)
{
    env_file file = file_with(t, "old", "abc", 3);
    CHECK_OK(t, do_rename(t, "old", "new"));
    CHECK_OK(t, do_append(t, file, "d", 1));
    CHECK_OK(t, do_open(t, "new", ENV_OPEN_READ));
    CHECK_OK(t, do_size(t, t->n));
    CHECK_INT(t, t->n, 4);
}

CASE(a_directory_is_renamed_with_what_is_in_it)
{
    CHECK_OK(t, do_make_dir(t, "a"));
    file_with(t, "a/f", "abc", 3);
    CHECK_OK(t, do_rename(t, "a", "b"));
    CHECK_OK(t, do_open(t, "b/f", ENV_OPEN_READ));
    CHECK_ERR(t, do_open(t, "a/f", ENV_OPEN_READ), ERR_NOTFOUND);
}

CASE(a_rename_that_cannot_be_says_why)
{
    CHECK_OK(t, do_make_dir(t, "dir"));
    CHECK_OK(t, do_make_dir(t, "full"));
    file_with(t, "full/f", "x", 1);
    file_with(t, "plain", "x", 1);
    CHECK_ERR(t, do_rename(t, "none", "other"), ERR_NOTFOUND);
    CHECK_ERR(t, do_rename(t, "plain", "none/other"), ERR_NOTFOUND);
    CHECK_ERR(t, do_rename(t, "plain", "full/f/below"), ERR_NOTDIR);
    CHECK_ERR(t, do_rename(t, "dir", "full"), ERR_NOTEMPTY);
    CHECK_ERR(t, do_rename(t, "dir", "plain"), ERR_NOTDIR);
    CHECK_ERR(t, do_rename(t, "plain", "dir"), ERR_NOTFILE);
    CHECK_ERR(t, do_rename(t, "dir", "dir/below"), ERR_ACCESS);
}

CASE(an_unlinked_file_stays_readable_while_it_is_open)
{
    char *buffer = take(t, 16);
    env_file file = file_with(t, "f", "abc", 3);
    CHECK_OK(t, do_unlink(t, "f"));
    CHECK_ERR(t, do_open(t, "f", ENV_OPEN_READ), ERR_NOTFOUND);
    CHECK_OK(t, do_read(t, file, 0, buffer, 16));
    CHECK_INT(t, t->n, 3);
    CHECK(t, memcmp(buffer, "abc", 3) == 0);
    env_file other = file_with(t, "f", "wxyz", 4);
    CHECK_OK(t, do_size(t, file));
    CHECK_INT(t, t->n, 3);
    CHECK_OK(t, do_size(t, other));
    CHECK_INT(t, t->n, 4);
}

CASE(unlink_takes_empty_directories_only)
{
    CHECK_OK(t, do_make_dir(t, "dir"));
    file_with(t, "dir/f", "x", 1);
    CHECK_ERR(t, do_unlink(t, "dir"), ERR_NOTEMPTY);
    CHECK_OK(t, do_unlink(t, "dir/f"));
    CHECK_OK(t, do_unlink(t, "dir"));
    CHECK_ERR(t, do_unlink(t, "dir"), ERR_NOTFOUND);
    file_with(t, "plain", "x", 1);
    CHECK_ERR(t, do_unlink(t, "plain/f"), ERR_NOTDIR);
}

CASE(making_a_directory_wants_its_parent_and_no_namesake)
{
    CHECK_ERR(t, do_make_dir(t, "a/b"), ERR_NOTFOUND);
    CHECK_OK(t, do_make_dir(t, "a"));
    CHECK_OK(t, do_make_dir(t, "a/b"));
    CHECK_ERR(t, do_make_dir(t, "a"), ERR_EXISTS);
    file_with(t, "plain", "x", 1);
    CHECK_ERR(t, do_make_dir(t, "plain"), ERR_EXISTS);
    CHECK_ERR(t, do_make_dir(t, "plain/b"), ERR_NOTDIR);
}

/* ---- list, space ---- */

/* How often an entry stands in a listing. */
static int find_entry(const char *list, uint64_t size, const char *entry)
{
    int found = 0;
    for (uint64_t at = 0; at < size; at += strlen(list + at) + 1)
        found += strcmp(list + at, entry) == 0;
    return found;
}

CASE(a_list_has_every_entry_once_and_marks_directories)
{
    char *list = take(t, 4096);
    char name[16];
    uint64_t bytes = strlen("/sub") + 1;
    CHECK_OK(t, do_make_dir(t, "dir"));
    CHECK_OK(t, do_list(t, "dir", list, 4096));
    CHECK_INT(t, t->n, 0);
    CHECK_OK(t, do_make_dir(t, "dir/sub"));
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "dir/%d", i);
        CHECK_OK(t, do_close_file(t, new_file(t, name)));
        bytes += strlen(name + 4) + 1;
    }
    CHECK_OK(t, do_list(t, "dir", list, 4096));
    CHECK_INT(t, t->n, bytes);
    CHECK_INT(t, find_entry(list, bytes, "/sub"), 1);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "%d", i);
        CHECK_INT(t, find_entry(list, bytes, name), 1);
    }
}

CASE(a_list_that_does_not_fit_says_what_it_needs)
{
    char *list = take(t, 64);
    CHECK_OK(t, do_make_dir(t, "dir"));
    CHECK_OK(t, do_close_file(t, new_file(t, "dir/first")));
    CHECK_OK(t, do_close_file(t, new_file(t, "dir/second")));
    CHECK_ERR(t, do_list(t, "dir", list, 8), ERR_RANGE);
    CHECK_INT(t, t->n, 13);
    CHECK_ERR(t, do_list(t, "dir", list, 12), ERR_RANGE);
    CHECK_INT(t, t->n, 13);
    CHECK_OK(t, do_list(t, "dir", list, 13));
    CHECK_INT(t, t->n, 13);
}

CASE(listing_no_directory_says_why)
{
    char *list = take(t, 64);
    file_with(t, "plain", "x", 1);
    CHECK_ERR(t, do_list(t, "none", list, 64), ERR_NOTFOUND);
    CHECK_ERR(t, do_list(t, "plain", list, 64), ERR_NOTDIR);
}

CASE(there_is_space)
{
    CHECK_OK(t, do_space(t, "."));
    CHECK(t, t->n > 0);
    CHECK_ERR(t, do_space(t, "none"), ERR_NOTFOUND);
}
