/* reserve_test.c - the room that is kept for a start on a full disk: whole after each start, and
 * written once, not in each life. */
#include <stdio.h>
#include <stdlib.h>
#include "rig.h"

#define FILES 8
#define FILE_BYTES (64 << 10)
#define MAKING_NS 1000000000ll /* it has been made long before */

static const char *file_name(int file)
{
    static char name[32];
    snprintf(name, sizeof name, "data/.reserve-%d", file);
    return name;
}

static struct rig *new_rig(uint64_t seed)
{
    struct rig *rig = rig_new(seed);
    rig->dir_config.reserve = true;
    return rig;
}

static void live_on(struct rig *rig)
{
    rig_ok(rig, rig_boot(rig));
    assert_true(rig_run(rig, MAKING_NS));
}

/* A byte that a second writing would take back. */
static void mark(struct rig *rig, int file)
{
    rig_overwrite(rig, file_name(file), 7, "x", 1);
}

static bool is_marked(struct rig *rig, int file)
{
    size_t size = 0;
    uint8_t *bytes = rig_file(rig, file_name(file), &size);
    assert_non_null(bytes);
    bool marked = bytes[7] == 'x';
    free(bytes);
    return marked;
}

static void expect_whole(struct rig *rig)
{
    for (int file = 0; file < FILES; file++) {
        size_t size = 0;
        uint8_t *bytes = rig_file(rig, file_name(file), &size);
        assert_non_null(bytes);
        assert_int_equal(size, FILE_BYTES);
        free(bytes);
    }
    assert_false(rig_exists(rig, file_name(FILES)));
}

TEST(a_reserve_that_is_there_is_not_written_again)
{
    struct rig *rig = new_rig(1);
    live_on(rig);
    expect_whole(rig);
    for (int file = 0; file < FILES; file++)
        mark(rig, file);
    rig_kill(rig);
    live_on(rig);
    expect_whole(rig);
    /* The last one may have been cut short by the end of the life that made it. */
    for (int file = 0; file < FILES - 1; file++)
        assert_true(is_marked(rig, file));
    rig_ok(rig, rig_close(rig));
    rig_free(rig);
}

/* Whenever the power goes while it is made. */
TEST(a_reserve_that_was_cut_short_is_made_whole)
{
    for (int operation = 1; operation <= 60; operation++) {
        struct rig *rig = new_rig((uint64_t)operation);
        rig_ok(rig, rig_boot(rig));
        rig_doom(rig, operation);
        if (rig_run(rig, MAKING_NS))
            rig_power(rig);
        live_on(rig);
        expect_whole(rig);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}

/* What a person or a crash has taken out of the middle comes back. */
TEST(a_file_that_is_missing_from_the_reserve_is_made_again)
{
    for (int file = 0; file < FILES; file++) {
        struct rig *rig = new_rig(3);
        live_on(rig);
        rig_remove(rig, file_name(file));
        rig_kill(rig);
        live_on(rig);
        expect_whole(rig);
        rig_ok(rig, rig_close(rig));
        rig_free(rig);
    }
}
