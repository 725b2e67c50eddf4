/* remove.c - removes in the background what is no more: the folder of a partition with its files,
 * or the files of a segment. What fails is left for the next start. */
#include "dir/internal.h"

#define NAMES_SIZE (256 << 10)
#define DELAY_MS_MAX (1ll << 42) /* a hundred years: "never" must not overflow */

/* ---- a folder ---- */

struct folder {
    struct steps steps;
    struct dir *dir;
    char *names;
    uint64_t at, size;
    char path[ENV_PATH_MAX], file[ENV_PATH_MAX];
};

enum { FOLDER_LIST, FOLDER_TAKE, FOLDER_FILE, FOLDER_DIR };

static struct folder *folder_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct folder, steps);
}

static enum steps_flow folder_list(struct steps *steps)
{
    struct folder *r = folder_of(steps);
    env_list(steps->env, &steps->io, r->path, r->names, NAMES_SIZE, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow folder_take(struct steps *steps)
{
    folder_of(steps)->size = steps->n;
    return STEPS_NEXT;
}

static enum steps_flow folder_file(struct steps *steps)
{
    struct folder *r = folder_of(steps);
    if (r->at >= r->size)
        return STEPS_NEXT;
    const char *name = r->names + r->at;
    r->at += strlen(name) + 1;
    steps->next = FOLDER_FILE;
    if (name[0] == '/' || strlen(r->path) + strlen(name) + 2 > sizeof r->file)
        return STEPS_NEXT;
    dir_path_join(r->file, r->path, name, "");
    env_unlink(steps->env, &steps->io, r->file, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow folder_unlink(struct steps *steps)
{
    env_unlink(steps->env, &steps->io, folder_of(steps)->path, steps_done);
    return STEPS_WAIT;
}

static const struct step folder_steps[] = {
    [FOLDER_LIST] = {"list", folder_list},
    [FOLDER_TAKE] = {"list", folder_take},
    [FOLDER_FILE] = {"unlink", folder_file},
    [FOLDER_DIR] = {"unlink", folder_unlink},
    {NULL, NULL},
};

static void folder_ended(struct steps *steps, enum err e)
{
    struct folder *r = folder_of(steps);
    struct dir *dir = r->dir;
    (void)e;
    mem_free(dir->mem, r->names);
    mem_free(dir->mem, r);
    dir_work_ends(dir);
}

void dir_remove(struct dir *dir, const char *path)
{
    struct folder *r = mem_zalloc(dir->mem, sizeof *r);
    if (r == NULL)
        return;
    r->names = mem_alloc(dir->mem, NAMES_SIZE);
    if (r->names == NULL) {
        mem_free(dir->mem, r);
        return;
    }
    r->dir = dir;
    dir_path_join(r->path, NULL, path, "");
    dir_work_begins(dir);
    steps_start(&r->steps, dir->env, folder_steps, folder_ended);
}

/* ---- a segment ---- */

struct segment {
    struct steps steps;
    struct env_timer timer;
    struct dir *dir;
    struct list link; /* in dir->removals while the timer runs */
    int64_t base;
    int32_t kind;
    bool unsaid; /* no checkpoint says yet that the log begins behind it */
    struct dir_points_wait points_wait;
    char folder[ENV_PATH_MAX], path[ENV_PATH_MAX];
};

static struct segment *segment_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct segment, steps);
}

static void set_path(struct segment *s, int32_t file)
{
    char name[FORMAT_NAME_MAX];
    format_segment_name(name, s->base, file);
    dir_path_join(s->path, s->folder, name, ".deleted");
}

enum { SEGMENT_EMPTY, SEGMENT_CLOSE, SEGMENT_POINT, SEGMENT_SAID, SEGMENT_FILE, SEGMENT_OVER };

/* Its name stays until the checkpoint is written, for which there is room now: without either the
 * next start would take it for lost. */
static enum steps_flow segment_empty(struct steps *steps)
{
    struct segment *s = segment_of(steps);
    if (!s->unsaid) {
        steps->next = SEGMENT_FILE;
        return STEPS_NEXT;
    }
    set_path(s, 0);
    env_open_file(steps->env, &steps->io, s->path, ENV_OPEN_WRITE | ENV_OPEN_TRUNCATE, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow segment_close(struct steps *steps)
{
    steps->tolerant = true;
    env_close_file(steps->env, &steps->io, steps->n, steps_done);
    return STEPS_WAIT;
}

static void on_said(struct dir_points_wait *wait, enum err e)
{
    steps_resume(&CONTAINER_OF(wait, struct segment, points_wait)->steps, e);
}

static enum steps_flow segment_point(struct steps *steps)
{
    struct segment *s = segment_of(steps);
    steps->tolerant = true;
    s->points_wait.done = on_said;
    dir_points_write(s->dir, DIR_POINTS_START, &s->points_wait);
    return STEPS_WAIT;
}

static enum steps_flow segment_said(struct steps *steps)
{
    if (steps->err != ERR_NONE)
        steps->next = SEGMENT_OVER;
    return STEPS_NEXT;
}

static enum steps_flow segment_file(struct steps *steps)
{
    struct segment *s = segment_of(steps);
    if (s->kind == FORMAT_SEGMENT_FILES)
        return STEPS_NEXT;
    set_path(s, s->kind++);
    steps->next = SEGMENT_FILE;
    steps->tolerant = true; /* gone already, or left for the next start */
    env_unlink(steps->env, &steps->io, s->path, steps_done);
    return STEPS_WAIT;
}

static const struct step segment_steps[] = {
    [SEGMENT_EMPTY] = {"empty", segment_empty}, [SEGMENT_CLOSE] = {"empty", segment_close},
    [SEGMENT_POINT] = {"write", segment_point}, [SEGMENT_SAID] = {"write", segment_said},
    [SEGMENT_FILE] = {"remove", segment_file},  [SEGMENT_OVER] = {NULL, NULL},
};

static void segment_ended(struct steps *steps, enum err e)
{
    struct segment *s = segment_of(steps);
    struct dir *dir = s->dir;
    (void)e;
    mem_free(dir->mem, s);
    dir_work_ends(dir);
}

static void on_due(struct env_timer *timer)
{
    struct segment *s = CONTAINER_OF(timer, struct segment, timer);
    list_remove(&s->link);
    dir_work_begins(s->dir);
    steps_start(&s->steps, s->dir->env, segment_steps, segment_ended);
}

/* What is not removed in this life is removed at the start of the next. */
void dir_removals_stop(struct dir *dir)
{
    struct list *link;
    while ((link = list_pop_front(&dir->removals)) != NULL) {
        struct segment *s = CONTAINER_OF(link, struct segment, link);
        env_disarm(dir->env, &s->timer);
        mem_free(dir->mem, s);
    }
}

void dir_remove_segment(struct dir *dir, const char *folder, int64_t base, int64_t delay_ms,
                        bool unsaid)
{
    struct segment *s = mem_zalloc(dir->mem, sizeof *s);
    if (s == NULL)
        return;
    s->dir = dir;
    s->base = base;
    s->unsaid = unsaid;
    s->timer.fire = on_due;
    list_init(&s->link);
    dir_path_join(s->folder, NULL, folder, "");
    list_push_back(&dir->removals, &s->link);
    delay_ms = unsaid ? 0 : MIN(delay_ms, DELAY_MS_MAX);
    env_arm(dir->env, &s->timer, env_now(dir->env) + delay_ms * 1000000);
}
