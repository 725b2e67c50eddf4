/* small.c - small files: read whole, written in place, or replaced durably with a checksum beside
 * them (S-4). A sync that fails here is as final as any other (S-5). */
#include "dir/internal.h"
#include <stdio.h>

void dir_path_join(char path[ENV_PATH_MAX], const char *folder, const char *name,
                   const char *suffix)
{
    size_t folder_size = folder == NULL ? 0 : strlen(folder) + 1;
    size_t name_size = strlen(name);
    size_t suffix_size = strlen(suffix);
    ASSERT(folder_size + name_size + suffix_size < ENV_PATH_MAX);
    if (folder != NULL) {
        memcpy(path, folder, folder_size);
        path[folder_size - 1] = '/';
    }
    memmove(path + folder_size, name, name_size); /* may be path itself */
    memcpy(path + folder_size + name_size, suffix, suffix_size + 1);
}

/* ---- reading ---- */

static struct dir_get *get_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct dir_get, steps);
}

static enum steps_flow get_open(struct steps *steps)
{
    env_open_file(steps->env, &steps->io, get_of(steps)->path, ENV_OPEN_READ, steps_done);
    return STEPS_TRY;
}

static enum steps_flow get_size(struct steps *steps)
{
    struct dir_get *get = get_of(steps);
    if (steps->err == ERR_NOTFOUND)
        return steps_go(steps, STEPS_END);
    if (steps->err != ERR_NONE)
        return STEPS_FAIL;
    get->found = true;
    get->file = steps->n;
    env_size(steps->env, &steps->io, get->file, steps_done);
    return STEPS_TRY;
}

/* What is longer than any file that is read whole is damaged, whatever stands in it, and is told
 * and mended as other damage: it is read as its first byte, which is none of them either. */
static enum steps_flow get_read(struct steps *steps)
{
    struct dir_get *get = get_of(steps);
    get->failed = steps->err;
    if (get->failed == ERR_NONE && steps->n > FORMAT_TEXT_FILE_MAX)
        steps->n = 1;
    if (get->failed == ERR_NONE)
        get->data = mem_alloc(get->dir->mem, (size_t)steps->n + 1);
    if (get->failed == ERR_NONE && get->data == NULL)
        get->failed = ERR_NOMEM;
    get->size = steps->n;
    if (get->failed != ERR_NONE || get->size == 0)
        return STEPS_NEXT;
    env_read(steps->env, &steps->io, get->file, 0, get->data, get->size, steps_done);
    return STEPS_TRY;
}

static enum steps_flow get_close(struct steps *steps)
{
    struct dir_get *get = get_of(steps);
    if (get->failed == ERR_NONE && get->size > 0) {
        get->failed = steps->err;
        get->size = steps->n;
    }
    env_close_file(steps->env, &steps->io, get->file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow get_end(struct steps *steps)
{
    return steps_check(steps, get_of(steps)->failed);
}

static const struct step get_steps[] = {
    {"open", get_open}, {"ask the size of", get_size},
    {"read", get_read}, {"close", get_close},
    {"read", get_end},  {NULL, NULL},
};

static void get_ended(struct steps *steps, enum err e)
{
    struct dir_get *get = get_of(steps);
    if (e != ERR_NONE) {
        dir_get_free(get);
        get->size = 0;
    }
    waiter_tell(get->waiter, e);
}

void dir_get_free(struct dir_get *get)
{
    if (get->data != NULL)
        mem_free(get->dir->mem, get->data);
    get->data = NULL;
}

void dir_get(struct dir *dir, struct dir_get *get, const char *path, struct waiter *waiter)
{
    *get = (struct dir_get){.dir = dir, .waiter = waiter, .path = path};
    steps_start(&get->steps, dir->env, get_steps, get_ended);
}

/* ---- writing in place ---- */

enum { SAVE_NEW, SAVE_END, SAVE_OVER };

static struct dir_save *save_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct dir_save, steps);
}

static enum steps_flow save_open(struct steps *steps)
{
    struct dir_save *save = save_of(steps);
    unsigned flags = ENV_OPEN_WRITE | ENV_OPEN_CREATE;
    if (save->offset == 0 && save->how != SAVE_OVER)
        flags |= ENV_OPEN_TRUNCATE;
    env_open_file(steps->env, &steps->io, save->path, flags, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow save_write(struct steps *steps)
{
    struct dir_save *save = save_of(steps);
    save->file = steps->n;
    steps->err = ERR_NONE;
    if (save->parts == NULL && save->bytes.size == 0)
        return STEPS_NEXT;
    if (save->parts == NULL) {
        save->part = (struct env_part){.data = save->bytes.data, .size = save->bytes.size};
        save->parts = &save->part;
        save->part_count = 1;
    }
    env_write(steps->env, &steps->io, save->file, save->offset, save->parts, save->part_count,
              steps_done);
    return STEPS_TRY;
}

/* What an earlier try left behind goes. */
static enum steps_flow save_cut(struct steps *steps)
{
    struct dir_save *save = save_of(steps);
    if (steps->err != ERR_NONE || save->offset == 0)
        return STEPS_NEXT;
    env_truncate(steps->env, &steps->io, save->file, save->offset + save->bytes.size, steps_done);
    return STEPS_TRY;
}

static enum steps_flow save_sync(struct steps *steps)
{
    struct dir_save *save = save_of(steps);
    save->failed = steps->err;
    steps->err = ERR_NONE;
    if (save->failed != ERR_NONE || save->how != SAVE_NEW)
        return STEPS_NEXT;
    env_sync(steps->env, &steps->io, save->file, steps_done);
    return STEPS_TRY;
}

/* A full disk may speak up only now. The bytes of a file that nobody refers to yet are not missed;
 * any other failure says that the disk loses what it took. */
static enum steps_flow save_close(struct steps *steps)
{
    struct dir_save *save = save_of(steps);
    if (save->failed == ERR_NONE && steps->err != ERR_NONE) { /* the sync's */
        save->failed = steps->err;
        if (steps->err != ERR_NOSPACE)
            dir_sync_failed(save->dir, steps->err);
    }
    env_close_file(steps->env, &steps->io, save->file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow save_end(struct steps *steps)
{
    return steps_check(steps, save_of(steps)->failed);
}

static const struct step save_steps[] = {
    {"create", save_open}, {"write", save_write}, {"cut", save_cut}, {"sync", save_sync},
    {"close", save_close}, {"write", save_end},   {NULL, NULL},
};

static void save_ended(struct steps *steps, enum err e)
{
    waiter_tell(save_of(steps)->waiter, e);
}

static void start_save(struct dir *dir, struct dir_save *save, struct waiter *waiter)
{
    save->dir = dir;
    save->waiter = waiter;
    steps_start(&save->steps, dir->env, save_steps, save_ended);
}

void dir_save(struct dir *dir, struct dir_save *save, const char *path, struct bytes bytes,
              struct waiter *waiter)
{
    *save = (struct dir_save){.path = path, .bytes = bytes, .how = SAVE_NEW};
    start_save(dir, save, waiter);
}

void dir_save_parts(struct dir *dir, struct dir_save *save, const char *path,
                    const struct env_part *parts, int32_t part_count, struct waiter *waiter)
{
    *save =
        (struct dir_save){.path = path, .parts = parts, .part_count = part_count, .how = SAVE_NEW};
    start_save(dir, save, waiter);
}

void dir_save_end(struct dir *dir, struct dir_save *save, const char *path, struct bytes bytes,
                  uint64_t offset, struct waiter *waiter)
{
    *save = (struct dir_save){.path = path, .bytes = bytes, .offset = offset, .how = SAVE_END};
    start_save(dir, save, waiter);
}

void dir_save_over(struct dir *dir, struct dir_save *save, const char *path, struct bytes bytes,
                   struct waiter *waiter)
{
    *save = (struct dir_save){.path = path, .bytes = bytes, .how = SAVE_OVER};
    start_save(dir, save, waiter);
}

/* ---- replacing durably ---- */

/* The file and, with a checksum, <name>.crc are written under other names and synced, both at once.
 * Then the checksums take their place, durably, and then the file: a crash in between leaves the
 * old file with checksums that know it. */
struct put {
    struct steps steps;
    struct dir *dir;
    struct dir_file_write *write;
    struct dir_get get, crc;
    struct dir_save save, save_crc;
    struct dir_sync sync;
    struct waiter saved, saved_crc, *all_saved;
    int32_t saving;
    enum err save_err;
    char crc_text[FORMAT_CRC_FILE_SIZE + 1];
    bool look, before_known;
    uint32_t before; /* the CRC of the file that is replaced */
    char crc_path[ENV_PATH_MAX], crc_temporary[ENV_PATH_MAX];
    char temporary[ENV_PATH_MAX], folder[ENV_PATH_MAX];
};

enum {
    PUT_READ,
    PUT_READ_CRC,
    PUT_SAVE,
    PUT_RENAME_CRC,
    PUT_SYNC_CRC,
    PUT_RENAME,
    PUT_SYNC,
};

static struct put *put_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct put, steps);
}

static enum steps_flow put_read(struct steps *steps)
{
    struct put *put = put_of(steps);
    if (!put->write->checksum || !put->look)
        return steps_go(steps, PUT_SAVE);
    dir_get(put->dir, &put->get, put->write->path, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow put_read_crc(struct steps *steps)
{
    struct put *put = put_of(steps);
    if (steps->err != ERR_NONE || !put->get.found)
        return STEPS_NEXT;
    dir_get(put->dir, &put->crc, put->crc_path, steps_waiter(steps));
    return STEPS_TRY;
}

/* Only a file that fits its own checksum may be fallen back to. */
static void take_before(struct put *put)
{
    struct bytes file = dir_got(&put->get);
    if (file.data != NULL && put->crc.data != NULL &&
        format_crc_check(dir_got(&put->crc), file) == ERR_NONE) {
        put->before_known = true;
        put->before = crc32c(0, file.data, file.size);
    }
    dir_get_free(&put->get);
    dir_get_free(&put->crc);
}

static void one_saved(struct put *put, enum err e)
{
    if (e != ERR_NONE)
        put->save_err = e;
    if (--put->saving == 0)
        waiter_tell(put->all_saved, put->save_err);
}

static void on_saved(struct waiter *waiter, enum err e)
{
    one_saved(CONTAINER_OF(waiter, struct put, saved), e);
}

static void on_saved_crc(struct waiter *waiter, enum err e)
{
    one_saved(CONTAINER_OF(waiter, struct put, saved_crc), e);
}

static enum steps_flow put_save(struct steps *steps)
{
    struct put *put = put_of(steps);
    struct bytes bytes = put->write->bytes;
    take_before(put);
    put->saving = 1 + put->write->checksum;
    put->all_saved = steps_waiter(steps);
    put->saved.done = on_saved;
    put->saved_crc.done = on_saved_crc;
    dir_save(put->dir, &put->save, put->temporary, bytes, &put->saved);
    if (!put->write->checksum)
        return STEPS_WAIT;
    uint32_t now = crc32c(0, bytes.data, bytes.size);
    format_crc_print(now, put->before_known ? put->before : now, put->crc_text);
    dir_save(put->dir, &put->save_crc, put->crc_temporary, bytes_text(put->crc_text),
             &put->saved_crc);
    return STEPS_WAIT;
}

static enum steps_flow put_rename_crc(struct steps *steps)
{
    struct put *put = put_of(steps);
    if (!put->write->checksum)
        return steps_go(steps, PUT_RENAME);
    env_rename(steps->env, &steps->io, put->crc_temporary, put->crc_path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow sync_folder(struct put *put)
{
    if (KNOWN_BUG(rename_without_dir_sync))
        return STEPS_NEXT;
    dir_sync_folder(put->dir, &put->sync, put->folder, steps_waiter(&put->steps));
    return STEPS_WAIT;
}

/* Nothing is lost when there is nothing to fall back to, or when the disk keeps the order. */
static enum steps_flow put_sync_crc(struct steps *steps)
{
    struct put *put = put_of(steps);
    if (!put->before_known || steps->env->disk.ordered_metadata)
        return STEPS_NEXT;
    return sync_folder(put);
}

static enum steps_flow put_rename(struct steps *steps)
{
    struct put *put = put_of(steps);
    env_rename(steps->env, &steps->io, put->temporary, put->write->path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow put_sync(struct steps *steps)
{
    return sync_folder(put_of(steps));
}

static const struct step put_steps[] = {
    [PUT_READ] = {"read", put_read},
    [PUT_READ_CRC] = {"read", put_read_crc},
    [PUT_SAVE] = {"write", put_save},
    [PUT_RENAME_CRC] = {"rename", put_rename_crc},
    [PUT_SYNC_CRC] = {"sync the folder of", put_sync_crc},
    [PUT_RENAME] = {"rename", put_rename},
    [PUT_SYNC] = {"sync the folder of", put_sync},
    {NULL, NULL},
};

static void put_ended(struct steps *steps, enum err e)
{
    struct put *put = put_of(steps);
    struct dir_file_write *write = put->write;
    struct dir *dir = put->dir;
    if (e != ERR_NONE)
        errmsg_set(&write->op.msg, e, "cannot %s %s: %s%s", steps_what(steps), write->path,
                   err_text(e), dir_advice(e));
    mem_free(dir->mem, put);
    if (e == ERR_NOSPACE && dir->found_full != NULL)
        dir->found_full(dir);
    write->op.done(&write->op, e); /* the directory stays while it is busy */
    dir_work_ends(dir);
}

void dir_folder_of(const char *path, char folder[ENV_PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        snprintf(folder, ENV_PATH_MAX, ".");
    else
        snprintf(folder, ENV_PATH_MAX, "%.*s", (int)MAX(slash - path, 1), path);
}

void dir_put(struct dir *dir, struct dir_file_write *write, enum dir_put_before known,
             uint32_t before, dir_done *done)
{
    struct put *put = mem_zalloc(dir->mem, sizeof *put);
    write->op = (struct dir_op){.done = done};
    if (put == NULL) {
        done(&write->op,
             errmsg_set(&write->op.msg, ERR_NOMEM, "cannot write %s: out of memory", write->path));
        return;
    }
    put->dir = dir;
    put->write = write;
    put->look = known == DIR_PUT_LOOK;
    put->before_known = known == DIR_PUT_KNOWN;
    put->before = before;
    dir_path_join(put->temporary, NULL, write->path, ".tmp");
    dir_path_join(put->crc_path, NULL, write->path, ".crc");
    dir_path_join(put->crc_temporary, NULL, put->crc_path, ".tmp");
    dir_folder_of(write->path, put->folder);
    dir_work_begins(dir);
    steps_start(&put->steps, dir->env, put_steps, put_ended);
}

void dir_file_put(struct dir *dir, struct dir_file_write *write, dir_done *done)
{
    dir_put(dir, write, DIR_PUT_LOOK, 0, done);
}
