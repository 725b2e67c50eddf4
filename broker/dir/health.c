/* health.c - what every part of a directory tells it: work that is under way, and what takes it
 * offline. It calls none of them. */
#include "dir/internal.h"

/* ---- work ---- */

void dir_idle(struct dir *dir)
{
    struct waiter *idle = dir->idle;
    struct dir_op *settling = dir->settling;
    if (idle != NULL) {
        dir->idle = NULL;
        waiter_tell(idle, ERR_NONE);
    } else if (settling != NULL && dir->busy == 0) {
        dir->settling = NULL;
        settling->done(settling, ERR_NONE);
    }
}

void dir_work_begins(struct dir *dir)
{
    dir_touch(dir);
    dir->busy++;
}

void dir_work_ends(struct dir *dir)
{
    ASSERT(dir->busy > 0);
    dir_touch(dir);
    dir->busy--;
    dir_idle(dir);
}

/* ---- S-5 ---- */

static bool anybody_waits(const struct dir *dir)
{
    LIST_EACH (m, &dir->members, struct dir_member, link) {
        if (m->calls->waits(m))
            return true;
    }
    return false;
}

static void go_offline(struct dir *dir, enum err e, const struct errmsg *why)
{
    ASSERT(dir->status == ERR_NONE);
    dir_touch(dir);
    dir->status = ERR_OFFLINE;
    TRACE(dir->trace, DIR_OFFLINE, .err = e);
    env_disarm(dir->env, &dir->checkpoint);
    env_disarm(dir->env, &dir->flush);
    dir->went_offline(dir);
    LIST_EACH (m, &dir->members, struct dir_member, link)
        m->calls->offline(m, why);
    LIST_EACH (m, &dir->members, struct dir_member, link)
        m->calls->tell_offline(m);
}

void dir_sync_failed(struct dir *dir, enum err e)
{
    struct errmsg why;
    if (dir->status != ERR_NONE || !dir_sync_tried(e))
        return;
    SOMETIMES(dir->trace, SYNC_FAILED_WHILE_WAITING, anybody_waits(dir));
    errmsg_set(&why, ERR_OFFLINE,
               "a sync in %s has failed (%s): what was not durable may be lost; check the disk, "
               "then start the broker again",
               dir->path, err_text(e));
    go_offline(dir, e, &why);
}

void dir_missing(struct dir *dir)
{
    struct errmsg why;
    if (dir->status != ERR_NONE)
        return;
    errmsg_set(&why, ERR_OFFLINE,
               "%s is gone, although nobody but the broker may remove it: stop the broker, put it "
               "back, from a copy or by mounting its disk, then start it again",
               dir->path);
    go_offline(dir, ERR_NOTFOUND, &why);
}

static void on_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct dir_sync *sync = CONTAINER_OF(op, struct dir_sync, op);
    (void)n;
    if (e != ERR_NONE)
        dir_sync_failed(sync->dir, e);
    waiter_tell(sync->waiter, e);
}

/* A folder that is not there any more is its partition's trouble, and no failed sync. */
static void on_folder_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct dir_sync *sync = CONTAINER_OF(op, struct dir_sync, op);
    (void)n;
    if (e != ERR_NONE && e != ERR_NOTFOUND)
        dir_sync_failed(sync->dir, e);
    waiter_tell(sync->waiter, e);
}

void dir_sync_folder(struct dir *dir, struct dir_sync *sync, const char *path,
                     struct waiter *waiter)
{
    *sync = (struct dir_sync){.dir = dir, .waiter = waiter};
    env_sync_dir(dir->env, &sync->op, path, on_folder_synced);
}

static void sync_entries(struct dir *dir);

/* Another asker may be the last who keeps the directory. */
static void on_entries_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct dir *dir = CONTAINER_OF(op, struct dir, entries_sync);
    struct list covered;
    struct list *link;
    (void)n;
    list_init(&covered);
    list_splice_back(&covered, &dir->entries_syncing);
    if (e != ERR_NONE)
        dir_sync_failed(dir, e);
    if (!list_empty(&dir->entries_asked))
        sync_entries(dir);
    while ((link = list_pop_front(&covered)) != NULL)
        waiter_tell(CONTAINER_OF(link, struct dir_sync, link)->waiter, e);
}

static void sync_entries(struct dir *dir)
{
    ASSERT(list_empty(&dir->entries_syncing));
    ASSERT(!dir->entries_sync.in_flight);
    list_splice_back(&dir->entries_syncing, &dir->entries_asked);
    env_sync_dir(dir->env, &dir->entries_sync, dir->path, on_entries_synced);
}

void dir_sync_entries(struct dir *dir, struct dir_sync *sync, struct waiter *waiter)
{
    *sync = (struct dir_sync){.dir = dir, .waiter = waiter};
    list_init(&sync->link);
    list_push_back(&dir->entries_asked, &sync->link);
    if (!dir->entries_sync.in_flight)
        sync_entries(dir);
}

void dir_sync_file(struct dir *dir, struct dir_sync *sync, env_file file, struct waiter *waiter)
{
    *sync = (struct dir_sync){.dir = dir, .waiter = waiter};
    env_sync(dir->env, &sync->op, file, on_synced);
}

/* ---- for people ---- */

const char *dir_advice(enum err e)
{
    switch (e) {
    case ERR_BUSY:
        return ": another broker uses it; stop that one, or give this one another directory";
    case ERR_NOSPACE:
        return ": free some space, then start again";
    case ERR_READONLY:
        return ": mount it writable, or give another directory";
    case ERR_NOTFILE:
        return ": take it away, so that there is room for the broker's file";
    case ERR_ACCESS:
        return ": let the broker's user read and write it";
    case ERR_NOTFOUND:
        return ": make the directory that holds it first";
    default:
        return "";
    }
}
