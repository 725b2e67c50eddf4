/* reserve.c - a full disk: what a person is told of it, and a little room that is kept so that a
 * broker can start on it and show what it has. A few files, for a disk may be short of inodes, too;
 * they are removed by a start that finds no room, and made again in the background. What an earlier
 * life made stays. */
#include "dir/internal.h"
#include <stdio.h>

#define PREFIX ".reserve-"
/* So much must be free for the reserve to be made: it must not be what fills a small disk. */
#define ROOM_BYTES (4ull * DIR_RESERVE_FILES * DIR_RESERVE_BYTES)
#define PART_BYTES 4096

/* Written again and again: the reserve takes room on the disk, and none in memory. */
static const uint8_t nothing[PART_BYTES];

struct dir_reserve {
    struct steps steps;
    struct dir *dir;
    struct waiter *waiter; /* of dir_reserve_open */
    struct env_timer timer;
    struct dir_save save;
    bool running, made;
    int32_t file;    /* being made or removed */
    uint32_t listed; /* a bit for each file that the start has found */
    struct env_part parts[DIR_RESERVE_BYTES / PART_BYTES];
    char path[ENV_PATH_MAX];
};

static struct dir_reserve *reserve_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct dir_reserve, steps);
}

static const char *path_of(struct dir_reserve *r)
{
    snprintf(r->path, sizeof r->path, "%s/" PREFIX "%d", r->dir->path, r->file);
    return r->path;
}

/* ---- at the start ---- */

static enum steps_flow give_ask(struct steps *steps)
{
    env_space(steps->env, &steps->io, reserve_of(steps)->dir->path, steps_done);
    return STEPS_TRY;
}

static enum steps_flow give_look(struct steps *steps)
{
    struct dir_reserve *r = reserve_of(steps);
    r->file = 0;
    r->dir->short_of_room = steps->err == ERR_NONE && steps->n < ROOM_BYTES;
    if (steps->err != ERR_NONE || steps->n >= DIR_RESERVE_BYTES * DIR_RESERVE_FILES)
        return steps_go(steps, STEPS_END);
    return STEPS_NEXT;
}

static enum steps_flow give_file(struct steps *steps)
{
    struct dir_reserve *r = reserve_of(steps);
    if (r->file == DIR_RESERVE_FILES)
        return STEPS_NEXT;
    env_unlink(steps->env, &steps->io, path_of(r), steps_done);
    r->file++;
    steps_then(steps, STEPS_AGAIN);
    return STEPS_TRY; /* it may not be there */
}

static const struct step give_steps[] = {
    {"look at", give_ask},
    {"look at", give_look},
    {"remove", give_file},
    {NULL, NULL},
};

static void given(struct steps *steps, enum err e)
{
    struct dir_reserve *r = reserve_of(steps);
    (void)e;
    r->running = false;
    waiter_tell(r->waiter, ERR_NONE);
}

static void on_timer(struct env_timer *timer);

void dir_reserve_open(struct dir *dir, struct waiter *waiter)
{
    struct dir_reserve *r = NULL;
    if (dir->config.reserve)
        r = mem_zalloc(dir->mem, sizeof *r);
    if (r == NULL) {
        waiter_tell(waiter, ERR_NONE);
        return;
    }
    dir->reserve = r;
    r->dir = dir;
    r->waiter = waiter;
    r->timer.fire = on_timer;
    r->running = true;
    steps_start(&r->steps, dir->env, give_steps, given);
}

void dir_reserve_listed(struct dir *dir, const char *name)
{
    size_t prefix = strlen(PREFIX);
    int64_t file;
    if (dir->reserve != NULL && strncmp(name, PREFIX, prefix) == 0 &&
        text_parse_int(bytes_text(name + prefix), &file) == ERR_NONE && file >= 0 &&
        file < DIR_RESERVE_FILES)
        dir->reserve->listed |= 1u << file;
}

/* ---- making it ---- */

/* They are made one after the other, each of them durable before the next is begun: of those that
 * follow each other from the first on, a crash can have cut short only the last. */
static int32_t first_to_make(const struct dir_reserve *r)
{
    int32_t count = 0;
    while (count < DIR_RESERVE_FILES && (r->listed & 1u << count) != 0)
        count++;
    return MAX(count - 1, 0);
}

static enum steps_flow make_look(struct steps *steps)
{
    struct dir_reserve *r = reserve_of(steps);
    /* What a start has given back is taken again as far as it goes. */
    if (!r->dir->short_of_room && (steps->err != ERR_NONE || steps->n < ROOM_BYTES))
        return steps_fail(steps, ERR_NOSPACE);
    for (int i = 0; i < COUNT_OF(r->parts); i++)
        r->parts[i] = (struct env_part){.data = nothing, .size = PART_BYTES};
    r->file = first_to_make(r);
    return STEPS_NEXT;
}

static enum steps_flow make_file(struct steps *steps)
{
    struct dir_reserve *r = reserve_of(steps);
    if (r->file == DIR_RESERVE_FILES)
        return STEPS_NEXT;
    dir_save_parts(r->dir, &r->save, path_of(r), r->parts, COUNT_OF(r->parts), steps_waiter(steps));
    r->file++;
    steps_then(steps, STEPS_AGAIN);
    return STEPS_WAIT;
}

static const struct step make_steps[] = {
    {"look at", give_ask},
    {"look at", make_look},
    {"write", make_file},
    {NULL, NULL},
};

static void made(struct steps *steps, enum err e)
{
    struct dir_reserve *r = reserve_of(steps);
    struct dir *dir = r->dir;
    r->running = false;
    r->made = e == ERR_NONE;
    dir->short_of_room &= e != ERR_NONE;
    dir_work_ends(dir);
}

static void on_timer(struct env_timer *timer)
{
    struct dir_reserve *r = CONTAINER_OF(timer, struct dir_reserve, timer);
    if (r->running || r->made || r->dir->closing || r->dir->status != ERR_NONE)
        return;
    r->running = true;
    dir_work_begins(r->dir);
    steps_start(&r->steps, r->dir->env, make_steps, made);
}

void dir_reserve_later(struct dir *dir)
{
    struct dir_reserve *r = dir->reserve;
    if (r != NULL && !r->made && !r->running && !dir->closing && !env_armed(&r->timer))
        env_arm(dir->env, &r->timer, env_now(dir->env) + DIR_RESERVE_MS * 1000000ll);
}

void dir_reserve_stop(struct dir *dir)
{
    if (dir->reserve != NULL)
        env_disarm(dir->env, &dir->reserve->timer);
}

void dir_reserve_free(struct dir *dir)
{
    dir_reserve_stop(dir);
    mem_free(dir->mem, dir->reserve);
    dir->reserve = NULL;
}

/* ---- what is told ---- */

void dir_full_begin(struct dir *dir)
{
    dir_touch(dir);
    dir->full_count++;
    if (dir->full)
        return;
    dir->full = true;
    NOTE(dir->config.notes, DISK_FULL,
         "the disk of %s is full: records are refused until there is room, reads go on; make room "
         "elsewhere on it, or lower retention",
         dir->path);
    if (dir->config.watch != NULL)
        dir->config.watch->full(dir->config.watch);
}

void dir_full_end(struct dir *dir, bool room)
{
    ASSERT(dir->full_count > 0);
    dir_touch(dir);
    dir->full_count--;
    if (!room || dir->full_count > 0 || !dir->full)
        return;
    dir->full = false;
    NOTE(dir->config.notes, DISK_ROOM, "the disk of %s has room again: records are taken",
         dir->path);
    dir_reserve_later(dir);
}

void dir_found_short(struct dir *dir)
{
    dir->short_of_room = true;
    dir_reserve_later(dir);
}

bool dir_short_of_room(const struct dir *dir)
{
    return dir->short_of_room;
}
