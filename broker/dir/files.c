/* files.c - which files of members are open: all that are held, and of the others those used last,
 * up to open_files_max. */
#include "dir/internal.h"

/* One in so many of the door's files: the others are for connections and small files. */
#define FILES_SHARE 2

static const struct state states[] = {
    [DIR_FILE_CLOSED] = {"closed", TO(DIR_FILE_OPENING)},
    [DIR_FILE_OPENING] = {"opening", TO(DIR_FILE_OPEN) | TO(DIR_FILE_CLOSED)},
    [DIR_FILE_OPEN] = {"open", TO(DIR_FILE_CLOSING)},
    [DIR_FILE_CLOSING] = {"closing", TO(DIR_FILE_CLOSED)},
};

static void move(struct dir_file *file, enum dir_file_state next)
{
    STATE_MOVE(states, &file->state, next);
}

void dir_files_init(struct dir *dir)
{
    int32_t allowed = dir->env->disk.files_max / FILES_SHARE;
    list_init(&dir->idle_files);
    dir->open_files_max = MAX(MIN(dir->config.open_files_max, allowed), 1);
}

struct dir_file *dir_file_new(struct dir_member *m, const char *path, bool create)
{
    size_t size = strlen(path) + 1;
    ASSERT(size <= ENV_PATH_MAX);
    struct dir_file *file = mem_zalloc(m->dir->mem, sizeof *file + size);
    if (file == NULL)
        return NULL;
    file->member = m;
    file->dir = m->dir;
    file->create = create;
    list_init(&file->waits);
    list_init(&file->idle);
    memcpy(file->path, path, size);
    return file;
}

static void start_open(struct dir_file *file);
static void release(struct dir_file *file);

static void free_file(struct dir_file *file)
{
    ASSERT(file->holds == 0);
    ASSERT(list_empty(&file->waits));
    list_remove(&file->idle);
    mem_free(file->dir->mem, file);
}

static void on_closed(struct env_op *op, enum err e, uint64_t n)
{
    struct dir_file *file = CONTAINER_OF(op, struct dir_file, io);
    struct dir *dir = file->dir;
    (void)e; /* only synced files are closed, so that nothing is lost with it */
    (void)n;
    move(file, DIR_FILE_CLOSED);
    file->handle = 0;
    if (!list_empty(&file->waits))
        start_open(file);
    else if (file->gone)
        free_file(file);
    dir_work_ends(dir);
}

static void start_close(struct dir_file *file)
{
    ASSERT(file->holds == 0);
    list_remove(&file->idle);
    move(file, DIR_FILE_CLOSING);
    file->dir->open_files--;
    dir_work_begins(file->dir);
    env_close_file(file->dir->env, &file->io, file->handle, on_closed);
}

void dir_files_trim(struct dir *dir, int32_t open_max)
{
    int32_t excess = dir->open_files - open_max;
    while (excess-- > 0 && !list_empty(&dir->idle_files))
        start_close(CONTAINER_OF(dir->idle_files.prev, struct dir_file, idle));
}

/* Each of those who wait gets a hold of its own before the first of them is told. */
static void tell(struct dir_file *file, enum err e)
{
    struct list waits;
    list_init(&waits);
    list_splice_back(&waits, &file->waits);
    if (e == ERR_NONE) {
        LIST_EACH (hold, &waits, struct dir_hold, link) {
            hold->held = true;
            file->holds++;
        }
    }
    struct list *link;
    while ((link = list_pop_front(&waits)) != NULL) {
        waiter_tell(CONTAINER_OF(link, struct dir_hold, link)->waiter, e);
    }
}

static void on_opened(struct env_op *op, enum err e, uint64_t n)
{
    struct dir_file *file = CONTAINER_OF(op, struct dir_file, io);
    struct dir *dir = file->dir;
    move(file, e == ERR_NONE ? DIR_FILE_OPEN : DIR_FILE_CLOSED);
    if (e == ERR_NONE) {
        file->handle = n;
        file->create = false;
    } else {
        dir->open_files--;
        if (e == ERR_TOOMANY)
            dir_files_trim(dir, dir->open_files / 2);
        struct dir_member *m = file->member;
        if (e == ERR_NOTFOUND && !file->gone) /* its member is there: somebody waits for it */
            m->calls->missing(m, file->create ? m->path : file->path);
    }
    file->holds++; /* so that it stays while they are told */
    tell(file, e);
    file->holds--;
    if (file->state == DIR_FILE_OPEN && file->holds == 0) {
        file->holds++;
        release(file);
    } else if (file->state == DIR_FILE_CLOSED && file->gone && list_empty(&file->waits)) {
        free_file(file);
    }
    dir_work_ends(dir);
}

static void start_open(struct dir_file *file)
{
    unsigned flags = ENV_OPEN_READ | ENV_OPEN_WRITE;
    if (file->create)
        flags |= ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE;
    dir_files_trim(file->dir, file->dir->open_files_max - 1);
    move(file, DIR_FILE_OPENING);
    file->dir->open_files++;
    dir_work_begins(file->dir);
    env_open_file(file->dir->env, &file->io, file->path, flags, on_opened);
}

bool dir_hold_open(struct dir_hold *hold, struct dir_file *file)
{
    ASSERT(!file->gone);
    ASSERT(!hold->held);
    if (file->state != DIR_FILE_OPEN)
        return false;
    list_remove(&file->idle);
    dir_touch(file->dir);
    file->holds++;
    hold->file = file;
    hold->held = true;
    return true;
}

void dir_hold(struct dir_hold *hold, struct dir_file *file, struct waiter *waiter)
{
    if (dir_hold_open(hold, file)) {
        waiter_tell(waiter, ERR_NONE);
        return;
    }
    hold->file = file;
    hold->waiter = waiter;
    list_init(&hold->link);
    list_push_back(&file->waits, &hold->link);
    if (file->state == DIR_FILE_CLOSED)
        start_open(file);
}

static void release(struct dir_file *file)
{
    ASSERT(file->holds > 0);
    if (--file->holds > 0)
        return;
    list_push_front(&file->dir->idle_files, &file->idle);
    dir_touch(file->dir);
    if (file->gone)
        start_close(file);
    else
        dir_files_trim(file->dir, file->dir->open_files_max);
}

void dir_let_go(struct dir_hold *hold)
{
    if (!hold->held)
        return;
    hold->held = false;
    release(hold->file);
}

void dir_file_retire(struct dir_file *file)
{
    file->gone = true;
    if (file->holds > 0)
        return;
    if (file->state == DIR_FILE_OPEN)
        start_close(file);
    else if (file->state == DIR_FILE_CLOSED && list_empty(&file->waits))
        free_file(file);
}

void dir_count(const struct dir *dir, struct dir_counts *out)
{
    *out = (struct dir_counts){.open_files = dir->open_files,
                               .open_files_max = dir->open_files_max,
                               .writers = dir->writer_count,
                               .writers_max = dir->writers_max};
}
