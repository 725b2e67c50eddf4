/* remove.c - removes in the background what is no more: the folder of a partition with its files,
 * or the files of a segment. What fails is left for the next start. */
#include "dir/internal.h"

#define NAMES_SIZE (256 << 10)
#define SEGMENT_NAMES_SIZE (FORMAT_SEGMENT_FILES * (FORMAT_NAME_MAX + sizeof ".deleted"))
#define FOLDERS_MAX 4            /* that are emptied at once */
#define DELAY_MS_MAX (1ll << 42) /* a hundred years: "never" must not overflow */

/* A folder that waits for its turn. */
struct folder {
    struct list link;
    char path[];
};

struct removal {
    struct steps steps;
    struct env_timer timer; /* of a segment's: until it begins */
    struct list link;       /* in dir->removals while the timer runs */
    struct dir *dir;
    bool whole;        /* the folder, too */
    bool unsaid;       /* no checkpoint says yet that the log begins behind the segment */
    uint64_t at, size; /* of names: files of the folder, each with its zero */
    char folder[ENV_PATH_MAX], path[ENV_PATH_MAX];
    char names[];
};

static struct removal *removal_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct removal, steps);
}

/* ERR_NOMEM: NULL. */
static struct removal *new_removal(struct dir *dir, const char *folder, size_t names_size)
{
    struct removal *r = mem_alloc(dir->mem, sizeof *r + names_size);
    if (r == NULL)
        return NULL;
    *r = (struct removal){.dir = dir};
    list_init(&r->link);
    dir_path_join(r->folder, NULL, folder, "");
    return r;
}

static void next_folder(struct dir *dir);

static void ended(struct steps *steps, enum err e)
{
    struct removal *r = removal_of(steps);
    struct dir *dir = r->dir;
    (void)e;
    dir->folders_removed -= r->whole;
    mem_free(dir->mem, r);
    next_folder(dir);
    dir_work_ends(dir);
}

static void start(struct removal *r, const struct step *table)
{
    dir_work_begins(r->dir);
    steps_start(&r->steps, r->dir->env, table, ended);
}

/* One of the names. A segment's may be gone already; in a folder, one that stays keeps all. */
static enum steps_flow remove_file(struct steps *steps)
{
    struct removal *r = removal_of(steps);
    if (r->at >= r->size)
        return STEPS_NEXT;
    const char *name = r->names + r->at;
    r->at += strlen(name) + 1;
    steps_then(steps, STEPS_AGAIN);
    if (name[0] == '/' || strlen(r->folder) + strlen(name) + 2 > sizeof r->path)
        return STEPS_NEXT;
    dir_path_join(r->path, r->folder, name, "");
    env_unlink(steps->env, &steps->io, r->path, steps_done);
    return r->whole ? STEPS_WAIT : STEPS_TRY;
}

/* ---- a folder ---- */

static enum steps_flow folder_list(struct steps *steps)
{
    struct removal *r = removal_of(steps);
    env_list(steps->env, &steps->io, r->folder, r->names, NAMES_SIZE, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow folder_take(struct steps *steps)
{
    removal_of(steps)->size = steps->n;
    return STEPS_NEXT;
}

static enum steps_flow folder_unlink(struct steps *steps)
{
    env_unlink(steps->env, &steps->io, removal_of(steps)->folder, steps_done);
    return STEPS_WAIT;
}

static const struct step folder_steps[] = {
    {"list", folder_list},     {"list", folder_take}, {"unlink", remove_file},
    {"unlink", folder_unlink}, {NULL, NULL},
};

static void next_folder(struct dir *dir)
{
    struct list *link;
    if (dir->folders_removed >= FOLDERS_MAX || (link = list_pop_front(&dir->folders)) == NULL)
        return;
    struct folder *folder = CONTAINER_OF(link, struct folder, link);
    struct removal *r = new_removal(dir, folder->path, NAMES_SIZE);
    mem_free(dir->mem, folder);
    if (r == NULL)
        return;
    r->whole = true;
    dir->folders_removed++;
    start(r, folder_steps);
}

void dir_remove(struct dir *dir, const char *path)
{
    size_t size = strlen(path) + 1;
    struct folder *folder = dir->closing ? NULL : mem_alloc(dir->mem, sizeof *folder + size);
    if (folder == NULL)
        return;
    memcpy(folder->path, path, size);
    list_init(&folder->link);
    list_push_back(&dir->folders, &folder->link);
    next_folder(dir);
}

/* ---- a segment ---- */

enum { SEGMENT_EMPTY, SEGMENT_CLOSE, SEGMENT_POINT, SEGMENT_FILES };

/* Its name stays until the checkpoint is written, for which there is room now: without either the
 * next start would take it for lost. */
static enum steps_flow segment_empty(struct steps *steps)
{
    struct removal *r = removal_of(steps);
    if (!r->unsaid)
        return steps_go(steps, SEGMENT_FILES);
    dir_path_join(r->path, r->folder, r->names, ""); /* the first: its records */
    env_open_file(steps->env, &steps->io, r->path, ENV_OPEN_WRITE | ENV_OPEN_TRUNCATE, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow segment_close(struct steps *steps)
{
    env_close_file(steps->env, &steps->io, steps->n, steps_done);
    return STEPS_TRY;
}

static enum steps_flow segment_point(struct steps *steps)
{
    dir_points_write(removal_of(steps)->dir, DIR_POINTS_START, steps_waiter(steps));
    return STEPS_WAIT;
}

static const struct step segment_steps[] = {
    [SEGMENT_EMPTY] = {"empty", segment_empty},
    [SEGMENT_CLOSE] = {"empty", segment_close},
    [SEGMENT_POINT] = {"write", segment_point},
    [SEGMENT_FILES] = {"remove", remove_file},
    {NULL, NULL},
};

static void on_due(struct env_timer *timer)
{
    struct removal *r = CONTAINER_OF(timer, struct removal, timer);
    list_remove(&r->link);
    start(r, segment_steps);
}

/* What is not removed in this life is removed at the start of the next. */
void dir_removals_stop(struct dir *dir)
{
    struct list *link;
    while ((link = list_pop_front(&dir->folders)) != NULL)
        mem_free(dir->mem, CONTAINER_OF(link, struct folder, link));
    while ((link = list_pop_front(&dir->removals)) != NULL) {
        struct removal *r = CONTAINER_OF(link, struct removal, link);
        env_disarm(dir->env, &r->timer);
        mem_free(dir->mem, r);
    }
}

void dir_remove_segment(struct dir *dir, const char *folder, int64_t base, int64_t delay_ms,
                        bool unsaid)
{
    if (dir->closing) /* they are left for the next life, as dir_removals_stop has it */
        return;
    struct removal *r = new_removal(dir, folder, SEGMENT_NAMES_SIZE);
    if (r == NULL)
        return;
    for (int32_t file = 0; file < FORMAT_SEGMENT_FILES; file++) {
        char *name = r->names + r->size;
        format_segment_name(name, base, file);
        dir_path_join(name, NULL, name, ".deleted");
        r->size += strlen(name) + 1;
    }
    r->unsaid = unsaid;
    r->timer.fire = on_due;
    list_push_back(&dir->removals, &r->link);
    delay_ms = unsaid ? 0 : MIN(delay_ms, DELAY_MS_MAX);
    env_arm(dir->env, &r->timer, env_now(dir->env) + delay_ms * 1000000);
}
