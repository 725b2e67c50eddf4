/* reserve.c - a full disk: what a person is told of it, and a little room that is kept so that a
 * broker can start on it, show what it has, and hear what its cluster decides: who leads instead of
 * it, say. A few files, for a disk may be short of inodes, too; they are given back (removed) when
 * somebody finds no room, and made again once there is enough for them and for who waits. While
 * they are given back their room is for the metadata log and small files alone: records wait.
 * What an earlier life made stays. */
#include "dir/internal.h"
#include <stdio.h>

#define PREFIX ".reserve-"
/* So much must be free for the reserve to be made: it must not be what fills a small disk. */
#define ROOM_BYTES (4ull * DIR_RESERVE_FILES * DIR_RESERVE_BYTES)
/* The same once it has been given back: all of it, and something for who waits. */
#define AGAIN_BYTES (DIR_RESERVE_FILES * DIR_RESERVE_BYTES + DIR_ROOM_BYTES)
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
    bool given;      /* back: it waits for room, as a member does */
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
    r->given = true;
    dir_full_begin(r->dir);
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

static enum steps_flow give_begin(struct steps *steps)
{
    struct dir_reserve *r = reserve_of(steps);
    r->file = 0;
    r->listed = 0;
    return STEPS_NEXT;
}

static const struct step give_steps[] = {
    {"look at", give_ask},
    {"look at", give_look},
    {"remove", give_file},
    {NULL, NULL},
};

static void look_later(struct dir_reserve *r);

static void given(struct steps *steps, enum err e)
{
    struct dir_reserve *r = reserve_of(steps);
    (void)e;
    r->running = false;
    look_later(r);
    waiter_tell(r->waiter, ERR_NONE);
}

static void on_timer(struct env_timer *timer);
static void give_back(struct dir *dir);

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
    dir->found_full = give_back;
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

/* It has been given back, and whatever is free now is not for records. */
bool dir_reserve_is_given(const struct dir *dir)
{
    return dir->reserve != NULL && dir->reserve->given;
}

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
    bool knows = steps->err == ERR_NONE;
    /* An earlier life has given it back, and what it left of that is no more for records than it
     * was then. */
    if (r->dir->short_of_room && r->listed == 0 && knows && steps->n < AGAIN_BYTES && !r->given) {
        r->given = true;
        dir_full_begin(r->dir);
    }
    uint64_t least = r->given ? AGAIN_BYTES : r->dir->short_of_room ? 0 : ROOM_BYTES;
    if (least > 0 && (!knows || steps->n < least))
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

static void take_no_more(struct dir_reserve *r, bool room)
{
    if (!r->given)
        return;
    r->given = false;
    dir_full_end(r->dir, room);
}

static void look_later(struct dir_reserve *r)
{
    if (r->given && !r->dir->closing)
        env_arm(r->dir->env, &r->timer, env_now(r->dir->env) + DIR_ROOM_MS * 1000000ll);
}

static void made(struct steps *steps, enum err e)
{
    struct dir_reserve *r = reserve_of(steps);
    struct dir *dir = r->dir;
    r->running = false;
    r->made = e == ERR_NONE;
    dir->short_of_room &= e != ERR_NONE;
    if (r->made)
        take_no_more(r, true);
    look_later(r);
    dir_work_ends(dir);
}

/* Harmless when something is under way: whoever needs it comes again. */
static void run(struct dir_reserve *r, const struct step *steps,
                void (*ended)(struct steps *steps, enum err e))
{
    if (r->running || r->dir->closing || r->dir->status != ERR_NONE)
        return;
    r->running = true;
    dir_work_begins(r->dir);
    steps_start(&r->steps, r->dir->env, steps, ended);
}

static void on_timer(struct env_timer *timer)
{
    struct dir_reserve *r = CONTAINER_OF(timer, struct dir_reserve, timer);
    if (!r->made)
        run(r, make_steps, made);
}

static const struct step give_back_steps[] = {
    {"remove", give_begin},
    {"remove", give_file},
    {NULL, NULL},
};

static void given_back(struct steps *steps, enum err e)
{
    struct dir_reserve *r = reserve_of(steps);
    (void)e;
    r->running = false;
    look_later(r);
    dir_work_ends(r->dir);
}

/* While it is being made there is room for it, or that fails. */
static void give_back(struct dir *dir)
{
    struct dir_reserve *r = dir->reserve;
    if (r == NULL || r->given || r->running || !dir->opened || dir->closing)
        return;
    r->given = true;
    r->made = false;
    dir_full_begin(dir);
    env_disarm(dir->env, &r->timer);
    run(r, give_back_steps, given_back);
}

void dir_reserve_later(struct dir *dir)
{
    struct dir_reserve *r = dir->reserve;
    if (r != NULL && !r->made && !r->running && !dir->closing && !env_armed(&r->timer))
        env_arm(dir->env, &r->timer, env_now(dir->env) + DIR_RESERVE_MS * 1000000ll);
}

void dir_reserve_stop(struct dir *dir)
{
    struct dir_reserve *r = dir->reserve;
    if (r == NULL)
        return;
    env_disarm(dir->env, &r->timer);
    take_no_more(r, false);
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
    give_back(dir);
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

bool dir_waits_for_room(const struct dir *dir)
{
    return dir->full_count > 0;
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
