/* remove.c - empties and removes a directory of a partition that is no more, in the background.
 * What fails is left for the next start. */
#include "log/internal.h"

#define NAMES_SIZE (256 << 10)

struct removal {
    struct steps steps;
    struct log_dir *dir;
    char *names;
    uint64_t at, size;
    char path[ENV_PATH_MAX], file[ENV_PATH_MAX];
};

enum { REMOVE_LIST, REMOVE_TAKE, REMOVE_FILE, REMOVE_DIR };

static struct removal *removal_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct removal, steps);
}

static enum steps_flow remove_list(struct steps *steps)
{
    struct removal *r = removal_of(steps);
    env_list(steps->env, &steps->io, r->path, r->names, NAMES_SIZE, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow remove_take(struct steps *steps)
{
    removal_of(steps)->size = steps->n;
    return STEPS_NEXT;
}

static enum steps_flow remove_file(struct steps *steps)
{
    struct removal *r = removal_of(steps);
    if (r->at >= r->size)
        return STEPS_NEXT;
    const char *name = r->names + r->at;
    r->at += strlen(name) + 1;
    steps->next = REMOVE_FILE;
    if (name[0] == '/' || strlen(r->path) + strlen(name) + 2 > sizeof r->file)
        return STEPS_NEXT;
    log_path_join(r->file, r->path, name, "");
    env_unlink(steps->env, &steps->io, r->file, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow remove_dir(struct steps *steps)
{
    env_unlink(steps->env, &steps->io, removal_of(steps)->path, steps_done);
    return STEPS_WAIT;
}

static const struct step remove_steps[] = {
    [REMOVE_LIST] = {"list", remove_list},
    [REMOVE_TAKE] = {"list", remove_take},
    [REMOVE_FILE] = {"unlink", remove_file},
    [REMOVE_DIR] = {"unlink", remove_dir},
    {NULL, NULL},
};

static void remove_ended(struct steps *steps, enum err e)
{
    struct removal *r = removal_of(steps);
    struct log_dir *dir = r->dir;
    (void)e;
    mem_free(dir->mem, r->names);
    mem_free(dir->mem, r);
    dir->busy--;
    log_dir_idle(dir);
}

void log_remove_dir(struct log_dir *dir, const char *path)
{
    struct removal *r = mem_zalloc(dir->mem, sizeof *r);
    if (r == NULL)
        return;
    r->names = mem_alloc(dir->mem, NAMES_SIZE);
    if (r->names == NULL) {
        mem_free(dir->mem, r);
        return;
    }
    r->dir = dir;
    log_path_join(r->path, NULL, path, "");
    dir->busy++;
    steps_start(&r->steps, dir->env, remove_steps, remove_ended);
}
