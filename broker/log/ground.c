/* ground.c - what all logs of a directory stand on: the directory's entry in its parent, the
 * entries that an earlier life left in it, its identity. It becomes durable while the logs are
 * looked at; none of them is given to anybody before. */
#include "log/internal.h"

static struct log_dir *dir_of(struct log_ground *ground)
{
    return CONTAINER_OF(ground, struct log_dir, ground);
}

static void one_ended(struct log_ground *ground)
{
    struct log_dir *dir = dir_of(ground);
    ASSERT(ground->pending > 0);
    if (--ground->pending == 0) {
        text_free(&ground->text);
        struct list *link;
        while ((link = list_pop_front(&ground->waits)) != NULL) {
            struct log_ground_wait *wait = CONTAINER_OF(link, struct log_ground_wait, link);
            wait->done(wait, ground->err);
        }
    }
    dir->busy--;
    log_dir_idle(dir);
}

static void one_begins(struct log_ground *ground)
{
    ground->pending++;
    dir_of(ground)->busy++;
}

static void sync_ended(struct log_ground *ground, const char *path, enum err e)
{
    struct log_dir *dir = dir_of(ground);
    if (e != ERR_NONE && ground->err == ERR_NONE)
        ground->err = errmsg_set(&ground->msg, e, "cannot sync %s, to open %s: %s%s", path,
                                 dir->path, err_text(e), log_dir_advice(e));
    if (e != ERR_NONE)
        log_dir_sync_failed(dir, e);
    one_ended(ground);
}

static void on_parent(struct env_op *io, enum err e, uint64_t n)
{
    struct log_ground *ground = CONTAINER_OF(io, struct log_ground, parent);
    (void)n;
    sync_ended(ground, ground->parent_path, e);
}

static void on_entries(struct env_op *io, enum err e, uint64_t n)
{
    struct log_ground *ground = CONTAINER_OF(io, struct log_ground, entries);
    (void)n;
    sync_ended(ground, dir_of(ground)->path, e);
}

static void on_identity(struct log_op *op, enum err e)
{
    struct log_file_write *write = CONTAINER_OF(op, struct log_file_write, op);
    struct log_ground *ground = CONTAINER_OF(write, struct log_ground, identity);
    if (e != ERR_NONE && ground->err == ERR_NONE) {
        ground->err = e;
        ground->msg = op->msg;
    }
    one_ended(ground);
}

/* Also when both were there: the life that made them may have died before it had synced them. */
void log_ground_begin(struct log_dir *dir)
{
    struct log_ground *ground = &dir->ground;
    ASSERT(ground->pending == 0);
    log_folder_of(dir->path, ground->parent_path);
    one_begins(ground);
    one_begins(ground);
    env_sync_dir(dir->env, &ground->parent, ground->parent_path, on_parent);
    env_sync_dir(dir->env, &ground->entries, dir->path, on_entries);
}

enum err log_ground_identity(struct log_dir *dir, const struct format_meta *meta, bool is_new)
{
    struct log_ground *ground = &dir->ground;
    one_begins(ground);
    text_init(&ground->text, dir->mem);
    format_meta_print(meta, &ground->text);
    if (ground->text.failed) {
        one_ended(ground);
        return ERR_NOMEM;
    }
    log_path_join(ground->path, dir->path, LOG_META_NAME, "");
    ground->identity = (struct log_file_write){
        .path = ground->path,
        .bytes = bytes_of(ground->text.data, ground->text.size),
        .checksum = true,
    };
    log_put(dir, &ground->identity, is_new ? LOG_PUT_NEW : LOG_PUT_LOOK, 0, on_identity);
    return ERR_NONE;
}

bool log_ground_wait(struct log_dir *dir, struct log_ground_wait *wait,
                     void (*done)(struct log_ground_wait *wait, enum err e))
{
    if (dir->ground.pending == 0)
        return true;
    wait->done = done;
    list_init(&wait->link);
    list_push_back(&dir->ground.waits, &wait->link);
    return false;
}
