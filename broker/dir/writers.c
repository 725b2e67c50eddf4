/* writers.c - how many files may be open because their bytes are not synced. One that is closed
 * before its sync may lose the word of a failed write-back (the kernel forgets it with the inode,
 * and tells it but once to those who come later), so none is; who finds no place waits for the next
 * sync. */
#include "dir/internal.h"

/* One in so many of the directory's open files: the others are for readers. */
#define WRITERS_SHARE 2
/* One place in so many is for those of who asks for many at once, if others wait too. */
#define LATE_SHARE 4

static const struct state states[] = {
    [DIR_WRITER_CLOSED] = {"closed", TO(DIR_WRITER_WAITS)},
    [DIR_WRITER_WAITS] = {"waits", TO(DIR_WRITER_HELD) | TO(DIR_WRITER_CLOSED)},
    [DIR_WRITER_HELD] = {"held", TO(DIR_WRITER_CLOSED)},
};

static void move(struct dir_writer *w, enum dir_writer_state next)
{
    STATE_MOVE(states, &w->state, next);
}

static void on_opened(struct waiter *opened, enum err e);

enum err dir_writer_init(struct dir_writer *w, struct dir_member *m, const char *path, bool create)
{
    *w = (struct dir_writer){.member = m, .file = dir_file_new(m, path, create)};
    list_init(&w->link);
    list_init(&w->entry);
    w->opened.done = on_opened;
    return w->file == NULL ? ERR_NOMEM : ERR_NONE;
}

void dir_writer_free(struct dir_writer *w)
{
    ASSERT(!w->syncing);
    ASSERT(w->state == DIR_WRITER_CLOSED);
    ASSERT(!list_linked(&w->link));
    list_remove(&w->entry);
    dir_file_retire(w->file);
}

bool dir_writers_crowded(const struct dir *dir)
{
    return dir_writers_wait(dir);
}

static struct dir_writer *take_first(struct dir *dir)
{
    bool late = list_empty(&dir->writers_waiting) ||
                (dir->writers_given % LATE_SHARE == 0 && !list_empty(&dir->writers_waiting_late));
    struct list *waiting = late ? &dir->writers_waiting_late : &dir->writers_waiting;
    struct dir_writer *w = LIST_FIRST(waiting, struct dir_writer, link);
    ASSERT(w != NULL);
    list_remove(&w->link);
    dir->writers_given++;
    return w;
}

static void give_back(struct dir *dir)
{
    ASSERT(dir->writer_count > 0);
    dir_touch(dir);
    dir->writer_count--;
    dir_writers_next(dir);
}

static void on_opened(struct waiter *opened, enum err e)
{
    struct dir_writer *w = CONTAINER_OF(opened, struct dir_writer, opened);
    struct dir_member *m = w->member;
    struct dir *dir = m->dir;
    dir_touch(dir);
    if (e == ERR_TOOMANY && dir->status == ERR_NONE) {
        dir->writer_count--;
        list_push_front(&dir->writers_waiting, &w->link);
        env_arm(dir->env, &dir->writers_timer, env_now(dir->env) + DIR_SHORT_MS * 1000000ll);
        return;
    }
    move(w, e == ERR_NONE ? DIR_WRITER_HELD : DIR_WRITER_CLOSED);
    m->calls->held(m, w, e);
    if (e != ERR_NONE)
        give_back(dir);
}

static void give_place(struct dir_writer *w)
{
    w->member->dir->writer_count++;
    dir_hold(&w->hold, w->file, &w->opened);
}

/* An event of its own, so that nobody's turn begins inside somebody else's end. */
static void on_timer(struct env_timer *timer)
{
    struct dir *dir = CONTAINER_OF(timer, struct dir, writers_timer);
    bool over = dir->status != ERR_NONE;
    dir->writers_turn++;
    while (dir_writers_crowded(dir) && (over || dir->writer_count < dir->writers_max)) {
        struct dir_writer *w = take_first(dir);
        again(&w->turns, over ? UINT64_MAX : dir->writers_turn); /* once it is over is enough */
        if (!over) {
            give_place(w);
            continue;
        }
        move(w, DIR_WRITER_CLOSED);
        w->member->calls->held(w->member, w, ERR_OFFLINE);
    }
    dir->flush_now = true; /* for those who wait, or were held back while somebody did */
    dir_commit_kick(dir);
}

void dir_writers_init(struct dir *dir)
{
    list_init(&dir->writers_waiting);
    list_init(&dir->writers_waiting_late);
    dir->writers_timer.fire = on_timer;
    dir->writers_max = MAX(dir->open_files_max / WRITERS_SHARE, 1);
}

void dir_writers_next(struct dir *dir)
{
    if (dir_writers_crowded(dir))
        env_arm(dir->env, &dir->writers_timer, env_now(dir->env));
}

void dir_writer_hold(struct dir_writer *w, bool late)
{
    struct dir *dir = w->member->dir;
    dir_touch(dir);
    move(w, DIR_WRITER_WAITS);
    if (!dir_writers_crowded(dir) && dir->writer_count < dir->writers_max) {
        give_place(w);
        return;
    }
    SOMETIMES(dir->trace, APPEND_WAITED_FOR_SYNC, true);
    list_push_back(late ? &dir->writers_waiting_late : &dir->writers_waiting, &w->link);
    if (dir->status != ERR_NONE)
        dir_writers_next(dir);
    else
        dir_commit_kick(dir);
}

void dir_writer_release(struct dir_writer *w)
{
    move(w, DIR_WRITER_CLOSED);
    dir_let_go(&w->hold);
    give_back(w->member->dir);
}
