/* shutdown.c - the clean end of a directory: every member synced, what speeds up its next start
 * left, and only then the marker that says so. What a full disk does not take of the last two is
 * told, and made good for by the next start: nothing of a member is missing. */
#include "dir/internal.h"
#include <stdio.h>

struct dir_shutdown {
    struct steps steps;
    struct dir *dir;
    struct dir_op *op;
    struct dir_member *last; /* whose farewell has begun last */
    int32_t farewells, farewells_max;
    int64_t farewells_until_ns; /* no more begin after it */
    struct dir_file_write write;
    int kind;
    struct waiter *departed; /* told when the last farewell has ended */
    struct waiter *marked;   /* told when the marker is there */
    enum err failed;         /* why it is given up */
    bool mark;               /* the marker is wanted, and so far every member is whole */
    struct errmsg unwritten; /* the first thing that a full disk did not take */
    char path[ENV_PATH_MAX], marker[FORMAT_CLEAN_SIZE];
};

enum {
    DOWN_GROUND,
    DOWN_SYNC,
    DOWN_MEMBERS,
    DOWN_POINTS,
    DOWN_POINTED,
    DOWN_MARK,
    DOWN_QUIET,
    DOWN_UNLOCK,
    DOWN_UNLOCKED,
};

static struct dir_shutdown *shutdown_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct dir_shutdown, steps);
}

/* ---- until all is durable ---- */

static enum steps_flow down_ground(struct steps *steps)
{
    dir_ground_wait(shutdown_of(steps)->dir, steps_waiter(steps));
    return STEPS_WAIT;
}

static enum steps_flow down_sync(struct steps *steps)
{
    struct dir_shutdown *s = shutdown_of(steps);
    struct dir *dir = s->dir;
    bool quiet = !dir->round_running;
    LIST_EACH (m, &dir->members, struct dir_member, link)
        quiet &= m->calls->quiet(m);
    if (quiet || dir->status != ERR_NONE)
        return STEPS_NEXT;
    dir->flush_now = true;
    dir->idle = steps_waiter(steps);
    steps_then(steps, STEPS_AGAIN);
    dir_commit_kick(dir);
    return STEPS_WAIT;
}

/* ---- what is not worth a failure ---- */

/* True: the disk is full. What comes after all is durable is for speed, so the end goes on without
 * it, and without the marker. */
static bool is_spared(struct dir_shutdown *s, enum err e, const char *sentence)
{
    if (e != ERR_NOSPACE)
        return false;
    s->mark = false;
    if (s->unwritten.text[0] == 0)
        errmsg_set(&s->unwritten, e, "%s", sentence);
    return true;
}

/* The rights or the kind of one file: what the others leave is as good as ever, and whoever looks
 * for this one finds that it is not there. */
static bool is_own_trouble(enum err e)
{
    return e == ERR_ACCESS || e == ERR_NOTDIR || e == ERR_NOTFILE || e == ERR_NOTFOUND;
}

static void tell_unwritten(const struct dir_shutdown *s)
{
    const struct dir *dir = s->dir;
    if (s->unwritten.text[0] == 0)
        return;
    NOTE(dir->config.notes, STOP_UNWRITTEN,
         "the disk of %s is full, and so the end of this broker is not written down: %s. Nothing "
         "that was answered is lost; the next start looks through the ends of the logs",
         dir->path, s->unwritten.text);
}

/* ---- several members at once ---- */

/* Those passed over may be closing; the last one is open, so that it stays in the list. An end in
 * good time is worth more than a quick start: what is not left here is made again. */
static struct dir_member *next_member(struct dir_shutdown *s)
{
    bool in_time = env_now(s->dir->env) < s->farewells_until_ns;
    struct list *members = &s->dir->members;
    struct list *link = s->last == NULL ? members : &s->last->link;
    while ((link = link->next) != members) {
        struct dir_member *m = CONTAINER_OF(link, struct dir_member, link);
        bool whole = m->calls->whole(m);
        s->mark &= whole;
        if (whole && in_time && m->calls->leaves(m))
            return m;
    }
    return NULL;
}

/* Goes on with the next step when the last one has ended. A farewell may end before it returns, so
 * this counts itself in. */
static void begin_farewells(struct dir_shutdown *s)
{
    struct dir_member *m;
    s->farewells++;
    while (s->failed == ERR_NONE && s->dir->status == ERR_NONE &&
           s->farewells <= s->farewells_max && (m = next_member(s)) != NULL) {
        s->last = m;
        s->farewells++;
        m->calls->farewell(m);
    }
    if (--s->farewells == 0)
        waiter_tell(s->departed, s->failed);
}

void dir_farewell_done(struct dir_member *m, enum err e, const struct errmsg *msg)
{
    struct dir_shutdown *s = m->dir->shutdown;
    bool own = is_own_trouble(e);
    if (own)
        NOTE(m->dir->config.notes, PARTITION_NOTICE,
             "%s. No record is lost by it, and the next start takes longer", msg->text);
    if (e != ERR_NONE && !own && s->failed == ERR_NONE && !is_spared(s, e, msg->text)) {
        s->failed = e;
        s->op->msg = *msg;
    }
    s->farewells--;
    begin_farewells(s);
}

/* Half of the descriptors that segments leave are for these. */
static enum steps_flow down_members(struct steps *steps)
{
    struct dir_shutdown *s = shutdown_of(steps);
    int32_t spare = steps->env->disk.files_max - s->dir->open_files_max;
    s->farewells_max = MAX(MIN(spare / 2 / DIR_FAREWELL_FILES, DIR_FAREWELLS_MAX), 1);
    s->farewells_until_ns = env_now(steps->env) + DIR_FAREWELLS_MS * 1000000ll;
    s->departed = steps_waiter(steps);
    begin_farewells(s);
    return STEPS_WAIT;
}

/* ---- the checkpoints and the marker ---- */

/* What the end of the step is then. */
static enum err take_failure(struct dir_shutdown *s, enum err e, const struct errmsg *msg)
{
    if (e == ERR_NONE || is_spared(s, e, msg->text))
        return ERR_NONE;
    if (s->failed == ERR_NONE)
        s->op->msg = *msg;
    s->failed = e;
    return e;
}

static enum steps_flow down_points(struct steps *steps)
{
    struct dir_shutdown *s = shutdown_of(steps);
    if (s->dir->status != ERR_NONE)
        return steps_go(steps, DOWN_QUIET);
    if (s->kind == DIR_POINTS_COUNT)
        return steps_go(steps, DOWN_MARK);
    dir_points_write(s->dir, (enum dir_points_kind)s->kind, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow down_pointed(struct steps *steps)
{
    struct dir_shutdown *s = shutdown_of(steps);
    struct errmsg msg = {{0}};
    errmsg_set(&msg, steps->err, "cannot write %s/%s: %s%s", s->dir->path,
               dir_points_name((enum dir_points_kind)s->kind++), err_text(steps->err),
               dir_advice(steps->err));
    steps_then(steps, DOWN_POINTS);
    return steps_check(steps, take_failure(s, steps->err, &msg));
}

static void on_put(struct dir_op *op, enum err e)
{
    struct dir_file_write *write = CONTAINER_OF(op, struct dir_file_write, op);
    struct dir_shutdown *s = CONTAINER_OF(write, struct dir_shutdown, write);
    waiter_tell(s->marked, take_failure(s, e, &op->msg));
}

static enum steps_flow down_mark(struct steps *steps)
{
    struct dir_shutdown *s = shutdown_of(steps);
    if (!s->mark || s->dir->status != ERR_NONE)
        return STEPS_NEXT;
    snprintf(s->path, sizeof s->path, "%s/.kafka_cleanshutdown", s->dir->path);
    format_clean_print(s->dir->epoch, s->marker);
    s->write = (struct dir_file_write){.path = s->path, .bytes = bytes_text(s->marker)};
    s->marked = steps_waiter(steps);
    dir_file_put(s->dir, &s->write, on_put);
    return STEPS_WAIT;
}

/* ---- the end ---- */

static enum steps_flow down_quiet(struct steps *steps)
{
    struct dir_shutdown *s = shutdown_of(steps);
    if (s->dir->busy == 0)
        return STEPS_NEXT;
    s->dir->idle = steps_waiter(steps);
    steps_then(steps, STEPS_AGAIN);
    return STEPS_WAIT;
}

static enum steps_flow down_unlock(struct steps *steps)
{
    struct dir_shutdown *s = shutdown_of(steps);
    env_close_file(steps->env, &steps->io, s->dir->lock, steps_done);
    return STEPS_TRY;
}

static enum steps_flow down_unlocked(struct steps *steps)
{
    shutdown_of(steps)->dir->lock = 0;
    return STEPS_NEXT;
}

static const struct step down_steps[] = {
    [DOWN_GROUND] = {"make durable", down_ground},
    [DOWN_SYNC] = {"sync the logs of", down_sync},
    [DOWN_MEMBERS] = {"close the logs of", down_members},
    [DOWN_POINTS] = {"write the checkpoints of", down_points},
    [DOWN_POINTED] = {"write the checkpoints of", down_pointed},
    [DOWN_MARK] = {"mark the clean end of", down_mark},
    [DOWN_QUIET] = {"close", down_quiet},
    [DOWN_UNLOCK] = {"unlock", down_unlock},
    [DOWN_UNLOCKED] = {"unlock", down_unlocked},
    {NULL, NULL},
};

/* An unclean end is an end, too: the directory is unlocked all the same. */
static const struct step give_up_steps[] = {
    {"close", down_quiet},
    {"unlock", down_unlock},
    {"unlock", down_unlocked},
    {NULL, NULL},
};

static void finish(struct dir_shutdown *s, enum err e)
{
    struct dir *dir = s->dir;
    struct dir_op *op = s->op;
    dir->shutdown = NULL;
    dir->opened = false;
    mem_free(dir->mem, s);
    op->done(op, e);
}

static void gave_up(struct steps *steps, enum err e)
{
    struct dir_shutdown *s = shutdown_of(steps);
    (void)e;
    finish(s, s->dir->status != ERR_NONE ? s->dir->status : s->failed);
}

static void ended(struct steps *steps, enum err e)
{
    struct dir_shutdown *s = shutdown_of(steps);
    struct dir *dir = s->dir;
    if (e == ERR_NONE && dir->status != ERR_NONE)
        errmsg_set(&s->op->msg, dir->status, "%s is offline", dir->path);
    if (e == ERR_NONE) {
        if (dir->status == ERR_NONE)
            tell_unwritten(s);
        finish(s, dir->status);
        return;
    }
    if (s->failed == ERR_NONE) /* else the farewell that failed has said why */
        errmsg_set(&s->op->msg, e, "cannot %s %s: %s", steps_what(steps), dir->path, err_text(e));
    s->failed = e;
    steps_start(&s->steps, dir->env, give_up_steps, gave_up);
}

void dir_settle(struct dir *dir, struct dir_op *op, dir_done *done)
{
    ASSERT(list_empty(&dir->members));
    ASSERT(dir->settling == NULL);
    dir_touch(dir);
    *op = (struct dir_op){.done = done};
    dir->settling = op;
    dir_idle(dir);
}

enum err dir_shutdown_reserve(struct dir *dir)
{
    if (dir->shutdown == NULL)
        dir->shutdown = mem_zalloc(dir->mem, sizeof *dir->shutdown);
    return dir->shutdown == NULL ? ERR_NOMEM : ERR_NONE;
}

void dir_close(struct dir *dir, bool mark, struct dir_op *op, dir_done *done)
{
    ASSERT(dir->opened);
    ASSERT(!dir->closing);
    dir_touch(dir);
    *op = (struct dir_op){.done = done};
    env_disarm(dir->env, &dir->checkpoint);
    env_disarm(dir->env, &dir->flush);
    dir_removals_stop(dir);
    dir_reserve_stop(dir);
    dir->closing = true;
    struct dir_shutdown *s = dir->shutdown;
    s->dir = dir;
    s->op = op;
    s->mark = mark;
    steps_start(&s->steps, dir->env, down_steps, ended);
}
