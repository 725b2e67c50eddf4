/* state.c - what holds of a log directory between any two events, asserted: which of its fields go
 * together, and that nobody waits for what nobody will begin. It changes nothing. */
#include "dir/internal.h"

#define LOOKED_AT 16 /* of a list, unless all of it is looked at */

/* Who is lined up stands in one list: the one of its turn, or the round's. */
static void assert_lined_up(const struct dir *dir, const struct list *list, bool in_round,
                            enum dir_turn turn, bool whole)
{
    int32_t count = 0;
    LIST_EACH (m, list, struct dir_member, dirty) {
        if (!whole && ++count > LOOKED_AT)
            return;
        ASSERT(m->dir == dir);
        ASSERT(m->in_round == in_round);
        ASSERT(in_round || m->turn == turn);
        ASSERT(!in_round || m->round_pending > 0);
        ASSERT(in_round || list_empty(&m->entries));
    }
}

/* A round is of those whose syncs are under way, and ends with the last of them. */
static void assert_round(const struct dir *dir, bool whole)
{
    ASSERT(dir->round_running == (dir->round_pending > 0));
    ASSERT(dir->round_running == !list_empty(&dir->in_round));
    ASSERT(!dir->round_running || dir->busy > 0);
    ASSERT(dir->round_pending <= DIR_ROUND_MEMBERS);
    assert_lined_up(dir, &dir->in_round, true, DIR_TURNS, whole);
    for (enum dir_turn turn = DIR_TURN_SOON; turn < DIR_TURNS; turn++)
        assert_lined_up(dir, &dir->dirty[turn], false, turn, whole);
    int32_t count = 0;
    if (!whole)
        return;
    LIST_EACH (m, &dir->in_round, struct dir_member, dirty)
        count++;
    ASSERT(count == dir->round_pending);
}

/* The next round begins with the end of this one, or with a timer. */
static void assert_round_comes(const struct dir *dir, bool whole)
{
    if (dir->round_running || env_armed(&dir->round_timer))
        return;
    for (enum dir_turn turn = DIR_TURN_SOON; turn < DIR_TURN_IDLE; turn++) {
        int32_t count = 0;
        LIST_EACH (m, &dir->dirty[turn], struct dir_member, dirty) {
            if (!whole && ++count > LOOKED_AT)
                break;
            ASSERT(!m->calls->may_sync(m) || !m->calls->waits(m) || !m->calls->whole(m));
        }
    }
}

/* What nobody waits for is synced all the same. */
static void assert_flush_comes(const struct dir *dir)
{
    bool some = !list_empty(&dir->dirty[DIR_TURN_IDLE]) && dir->unsynced_bytes > 0;
    ASSERT(!some || env_armed(&dir->flush) || dir->flush_now);
}

/* Whoever waits for a place waits for one that somebody has, or for the timer that gives it. */
static void assert_writers(const struct dir *dir)
{
    ASSERT(dir->writer_count >= 0);
    ASSERT(dir->writer_count <= dir->writers_max);
    ASSERT(dir->writers_max <= dir->open_files_max);
    if (dir_writers_wait(dir) && !env_armed(&dir->writers_timer)) {
        ASSERT(dir->writer_count == dir->writers_max);
        ASSERT(dir->status == ERR_NONE);
    }
}

/* Idle files are open, and nobody has them. */
static void assert_files(const struct dir *dir, bool whole)
{
    int32_t count = 0;
    LIST_EACH (file, &dir->idle_files, struct dir_file, idle) {
        if (!whole && ++count > LOOKED_AT)
            break;
        ASSERT(file->state == DIR_FILE_OPEN);
        ASSERT(file->holds == 0);
        ASSERT(!file->gone);
        count += whole;
    }
    ASSERT(count <= dir->open_files || !whole);
}

/* Whoever asked for a checkpoint before its write began is told by that one, the others by the
 * next. */
static void assert_points(const struct dir *dir)
{
    for (int kind = 0; kind < DIR_POINTS_COUNT; kind++) {
        const struct dir_points_file *file = &dir->points[kind];
        ASSERT(!file->refusing);
        ASSERT(file->busy || list_empty(&file->waits));
        ASSERT(list_empty(&file->waits_next) || file->again);
        ASSERT(!file->again || file->busy);
        ASSERT(!file->busy || dir->busy > 0);
    }
}

static void assert_room(const struct dir *dir)
{
    ASSERT(dir->full_count >= 0);
    ASSERT(dir->full_count == 0 || dir->full);
}

/* What a close or a settling waits for is still to come. */
static void assert_end(const struct dir *dir)
{
    ASSERT(dir->busy >= 0);
    ASSERT(dir->settling == NULL || dir->busy > 0);
    ASSERT(!dir->closing || !env_armed(&dir->checkpoint));
    ASSERT(!dir->closing || !env_armed(&dir->flush));
    ASSERT(dir->status == ERR_NONE || !env_armed(&dir->checkpoint));
    ASSERT(dir->status == ERR_NONE || !env_armed(&dir->flush));
}

void dir_touch(struct dir *dir)
{
    dir->touched = true;
}

void dir_assert(struct dir *dir, bool whole)
{
    bool touched = dir->touched || whole;
    dir->touched = false;
    if (!touched || !dir->opened) /* its fields come to be, or have gone, one after the other */
        return;
    assert_round(dir, whole);
    assert_writers(dir);
    assert_files(dir, whole);
    assert_points(dir);
    assert_room(dir);
    assert_end(dir);
    if (dir->status != ERR_NONE) /* no round begins any more */
        return;
    assert_round_comes(dir, whole);
    if (!dir->closing)
        assert_flush_comes(dir);
}
