/* ground.c - what all members of a directory stand on: the directory's entry in its parent, the
 * entries that an earlier life left in it, its identity. It becomes durable while the members are
 * looked at; none of them is shown to anybody before. */
#include "dir/internal.h"

static struct dir *dir_of(struct dir_ground *ground)
{
    return CONTAINER_OF(ground, struct dir, ground);
}

static void one_ended(struct dir_ground *ground)
{
    struct dir *dir = dir_of(ground);
    ASSERT(ground->pending > 0);
    if (--ground->pending == 0) {
        text_free(&ground->text);
        waiters_tell(&ground->waits, ground->err);
    }
    dir_work_ends(dir);
}

static void one_begins(struct dir_ground *ground)
{
    ground->pending++;
    dir_work_begins(dir_of(ground));
}

static void sync_ended(struct dir_ground *ground, const char *path, enum err e)
{
    struct dir *dir = dir_of(ground);
    if (e != ERR_NONE && ground->err == ERR_NONE)
        ground->err = errmsg_set(&ground->msg, e, "cannot sync %s, to open %s: %s%s", path,
                                 dir->path, err_text(e), dir_advice(e));
    if (e != ERR_NONE)
        dir_sync_failed(dir, e);
    one_ended(ground);
}

static void on_parent(struct env_op *io, enum err e, uint64_t n)
{
    struct dir_ground *ground = CONTAINER_OF(io, struct dir_ground, parent);
    (void)n;
    sync_ended(ground, ground->parent_path, e);
}

static void on_entries(struct env_op *io, enum err e, uint64_t n)
{
    struct dir_ground *ground = CONTAINER_OF(io, struct dir_ground, entries);
    (void)n;
    sync_ended(ground, dir_of(ground)->path, e);
}

static void on_identity(struct dir_op *op, enum err e)
{
    struct dir_file_write *write = CONTAINER_OF(op, struct dir_file_write, op);
    struct dir_ground *ground = CONTAINER_OF(write, struct dir_ground, identity);
    if (e != ERR_NONE && ground->err == ERR_NONE) {
        ground->err = e;
        ground->msg = op->msg;
    }
    one_ended(ground);
}

/* Also when both were there: the life that made them may have died before it had synced them. */
void dir_ground_begin(struct dir *dir)
{
    struct dir_ground *ground = &dir->ground;
    ASSERT(ground->pending == 0);
    dir_folder_of(dir->path, ground->parent_path);
    one_begins(ground);
    one_begins(ground);
    env_sync_dir(dir->env, &ground->parent, ground->parent_path, on_parent);
    env_sync_dir(dir->env, &ground->entries, dir->path, on_entries);
}

enum err dir_ground_identity(struct dir *dir, const struct format_meta *meta, bool is_new)
{
    struct dir_ground *ground = &dir->ground;
    one_begins(ground);
    text_init(&ground->text, dir->mem);
    format_meta_print(meta, &ground->text);
    if (ground->text.failed) {
        one_ended(ground);
        return ERR_NOMEM;
    }
    dir_path_join(ground->path, dir->path, DIR_META_NAME, "");
    ground->identity = (struct dir_file_write){
        .path = ground->path,
        .bytes = bytes_of(ground->text.data, ground->text.size),
        .checksum = true,
    };
    dir_put(dir, &ground->identity, is_new ? DIR_PUT_NEW : DIR_PUT_LOOK, 0, on_identity);
    return ERR_NONE;
}

void dir_ground_wait(struct dir *dir, struct waiter *waiter)
{
    if (dir->ground.pending == 0)
        waiter_tell(waiter, dir->ground.err);
    else
        waiter_add(&dir->ground.waits, waiter);
}

enum err dir_ground_state(const struct dir *dir, const struct errmsg **msg)
{
    *msg = &dir->ground.msg;
    return dir->ground.err;
}
