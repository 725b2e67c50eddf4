/* dirty.c - how many files may be open because their bytes are not synced. One that is closed
 * before its sync may lose the word of a failed write-back (the kernel forgets it with the inode,
 * and tells it but once to those who come later), so none is; who finds no place waits for the next
 * sync. */
#include "log/internal.h"

/* One in so many of the directory's open files: the others are for readers. */
#define DIRTY_SHARE 2

bool log_dirty_crowded(const struct log_dir *dir)
{
    return !list_empty(&dir->dirty_waits) || !list_empty(&dir->dirty_waits_late);
}

/* One place in so many is for those of who asks for many at once, if others wait too. */
#define LATE_SHARE 4

static struct log_segment *take_first(struct log_dir *dir)
{
    bool late = list_empty(&dir->dirty_waits) ||
                (dir->dirty_given % LATE_SHARE == 0 && !list_empty(&dir->dirty_waits_late));
    struct list *waits = late ? &dir->dirty_waits_late : &dir->dirty_waits;
    struct log_segment *segment = LIST_FIRST(waits, struct log_segment, dirty_wait);
    ASSERT(segment != NULL);
    list_remove(&segment->dirty_wait);
    dir->dirty_given++;
    return segment;
}

static void give_back(struct log_dir *dir)
{
    ASSERT(dir->dirty_count > 0);
    dir->dirty_count--;
    log_dirty_next(dir);
}

static void on_file(struct log_file_wait *wait, enum err e)
{
    struct log_segment *segment = CONTAINER_OF(wait, struct log_segment, file_wait);
    struct log_dir *dir = segment->log->dir;
    segment->dirty_hold = e == ERR_NONE;
    if (e == ERR_TOOMANY && dir->status == ERR_NONE) {
        dir->dirty_count--;
        list_push_front(&dir->dirty_waits, &segment->dirty_wait);
        env_arm(dir->env, &dir->dirty_timer, env_now(dir->env) + LOG_SHORT_MS * 1000000ll);
        return;
    }
    log_segment_held(segment, e);
    if (e != ERR_NONE)
        give_back(dir);
}

static void give_place(struct log_segment *segment)
{
    segment->log->dir->dirty_count++;
    if (log_file_hold(segment->file, &segment->file_wait, on_file))
        on_file(&segment->file_wait, ERR_NONE);
}

/* An event of its own, so that nobody's turn begins inside somebody else's end. */
static void on_timer(struct env_timer *timer)
{
    struct log_dir *dir = CONTAINER_OF(timer, struct log_dir, dirty_timer);
    bool over = dir->status != ERR_NONE;
    while (log_dirty_crowded(dir) && (over || dir->dirty_count < dir->dirty_max)) {
        struct log_segment *segment = take_first(dir);
        if (over)
            log_segment_held(segment, ERR_OFFLINE);
        else
            give_place(segment);
    }
    dir->flush_now = true; /* for those who wait, or were held back while somebody did */
    log_commit_kick(dir);
}

void log_dirty_init(struct log_dir *dir)
{
    list_init(&dir->dirty_waits);
    list_init(&dir->dirty_waits_late);
    dir->dirty_timer.fire = on_timer;
    dir->dirty_max = MAX(dir->open_files_max / DIRTY_SHARE, 1);
}

void log_dirty_next(struct log_dir *dir)
{
    if (log_dirty_crowded(dir))
        env_arm(dir->env, &dir->dirty_timer, env_now(dir->env));
}

void log_dirty_hold(struct log_segment *segment)
{
    struct log_dir *dir = segment->log->dir;
    if (!log_dirty_crowded(dir) && dir->dirty_count < dir->dirty_max) {
        give_place(segment);
        return;
    }
    SOMETIMES(dir->trace, APPEND_WAITED_FOR_SYNC, true);
    list_push_back(log_is_soon(segment->log) ? &dir->dirty_waits : &dir->dirty_waits_late,
                   &segment->dirty_wait);
    if (dir->status != ERR_NONE)
        log_dirty_next(dir);
    else
        log_commit_kick(dir);
}

void log_dirty_release(struct log_segment *segment)
{
    ASSERT(segment->dirty_hold);
    segment->dirty_hold = false;
    log_file_release(segment->file);
    give_back(segment->log->dir);
}
