/* overwrite.c - bytes that may be the only copy are written over in place: first a journal says
 * what is written and where, so that what the power tears is whole again at the next start (as a
 * page of InnoDB's doublewrite buffer, or SQLite's rollback journal). */
#include "dir/internal.h"
#include <stdio.h>

/* ---- writing over ---- */

enum {
    OVER_OPEN,
    OVER_OPENED,
    OVER_ENTERED,
    OVER_SAY,
    OVER_SAID,
    OVER_WRITE,
    OVER_WRITTEN,
    OVER_SYNCED,
    OVER_VOID,
    OVER_VOIDED,
    OVER_CLOSE,
    OVER_CLOSED,
    OVER_END,
};

static struct dir_overwrite *overwrite_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct dir_overwrite, steps);
}

/* Some of the bytes, which one journal can hold. */
static struct bytes piece_of(const struct dir_overwrite *o)
{
    return bytes_of(o->bytes.data + o->done, MIN(o->bytes.size - o->done, FORMAT_REDO_BYTES));
}

static enum steps_flow give_up(struct dir_overwrite *o)
{
    o->failed = o->steps.err;
    return steps_go(&o->steps, OVER_CLOSE);
}

static enum steps_flow over_open(struct steps *steps)
{
    env_open_file(steps->env, &steps->io, overwrite_of(steps)->dir->redo_path,
                  ENV_OPEN_WRITE | ENV_OPEN_CREATE, steps_done);
    return STEPS_TRY;
}

/* Without room for a journal they are written over without one: what can be read is worth more than
 * what a loss of power in this moment may take. */
static enum steps_flow go_without(struct dir_overwrite *o)
{
    SOMETIMES(o->dir->trace, OVERWRITE_WITHOUT_JOURNAL, true);
    o->steps.err = ERR_NONE;
    return steps_go(&o->steps, OVER_WRITE);
}

static enum steps_flow over_opened(struct steps *steps)
{
    struct dir_overwrite *o = overwrite_of(steps);
    if (steps->err == ERR_NOSPACE)
        return go_without(o);
    if (steps->err != ERR_NONE)
        return STEPS_FAIL;
    o->journal = steps->n;
    dir_sync_folder(o->dir, &o->sync, o->dir->path, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow over_entered(struct steps *steps)
{
    return steps->err == ERR_NONE ? STEPS_NEXT : give_up(overwrite_of(steps));
}

static enum steps_flow over_say(struct steps *steps)
{
    struct dir_overwrite *o = overwrite_of(steps);
    if (o->done == o->bytes.size)
        return steps_go(steps, OVER_VOID);
    if (o->journal == 0)
        return steps_go(steps, OVER_WRITE);
    struct format_redo redo = {.path = bytes_text(o->path + strlen(o->dir->path) + 1),
                               .position = o->position + o->done,
                               .bytes = piece_of(o)};
    format_redo_head(&redo, o->dir->redo_head);
    o->parts[0] = (struct env_part){.data = o->dir->redo_head, .size = FORMAT_REDO_HEAD};
    o->parts[1] = (struct env_part){.data = redo.bytes.data, .size = redo.bytes.size};
    env_write(steps->env, &steps->io, o->journal, 0, o->parts, COUNT_OF(o->parts), steps_done);
    return STEPS_TRY;
}

static enum steps_flow over_said(struct steps *steps)
{
    struct dir_overwrite *o = overwrite_of(steps);
    if (steps->err == ERR_NOSPACE)
        return go_without(o);
    if (steps->err != ERR_NONE)
        return give_up(o);
    o->said = true;
    dir_sync_file(o->dir, &o->sync, o->journal, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow over_write(struct steps *steps)
{
    struct dir_overwrite *o = overwrite_of(steps);
    if (steps->err != ERR_NONE)
        return give_up(o);
    struct bytes piece = piece_of(o);
    o->parts[0] = (struct env_part){.data = piece.data, .size = piece.size};
    env_write(steps->env, &steps->io, o->file, o->position + o->done, o->parts, 1, steps_done);
    return STEPS_TRY;
}

static enum steps_flow over_written(struct steps *steps)
{
    struct dir_overwrite *o = overwrite_of(steps);
    if (steps->err != ERR_NONE)
        return give_up(o);
    dir_sync_file(o->dir, &o->sync, o->file, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow over_synced(struct steps *steps)
{
    struct dir_overwrite *o = overwrite_of(steps);
    if (steps->err != ERR_NONE)
        return give_up(o);
    o->done += piece_of(o).size;
    return steps_go(steps, OVER_SAY);
}

/* The file goes on from here: a journal that survived would take back what is written next. */
static enum steps_flow over_void(struct steps *steps)
{
    struct dir_overwrite *o = overwrite_of(steps);
    if (!o->said)
        return steps_go(steps, OVER_CLOSE);
    memset(o->dir->redo_head, 0, FORMAT_REDO_HEAD);
    o->parts[0] = (struct env_part){.data = o->dir->redo_head, .size = FORMAT_REDO_HEAD};
    env_write(steps->env, &steps->io, o->journal, 0, o->parts, 1, steps_done);
    return STEPS_TRY;
}

static enum steps_flow over_voided(struct steps *steps)
{
    struct dir_overwrite *o = overwrite_of(steps);
    if (steps->err != ERR_NONE)
        return give_up(o);
    dir_sync_file(o->dir, &o->sync, o->journal, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow over_close(struct steps *steps)
{
    struct dir_overwrite *o = overwrite_of(steps);
    if (o->failed == ERR_NONE)
        o->failed = steps->err;
    if (o->journal == 0)
        return steps_go(steps, OVER_END);
    env_close_file(steps->env, &steps->io, o->journal, steps_done);
    return STEPS_TRY;
}

/* The next one makes it again; a start removes what is left. */
static enum steps_flow over_closed(struct steps *steps)
{
    struct dir_overwrite *o = overwrite_of(steps);
    if (o->failed != ERR_NONE || o->link.next != &o->dir->overwrites)
        return steps_go(steps, OVER_END);
    env_unlink(steps->env, &steps->io, o->dir->redo_path, steps_done);
    return STEPS_TRY;
}

static enum steps_flow over_end(struct steps *steps)
{
    return steps_check(steps, overwrite_of(steps)->failed);
}

static const struct step over_steps[] = {
    [OVER_OPEN] = {"open the journal of", over_open},
    [OVER_OPENED] = {"open the journal of", over_opened},
    [OVER_ENTERED] = {"open the journal of", over_entered},
    [OVER_SAY] = {"write the journal of", over_say},
    [OVER_SAID] = {"write the journal of", over_said},
    [OVER_WRITE] = {"write over", over_write},
    [OVER_WRITTEN] = {"write over", over_written},
    [OVER_SYNCED] = {"write over", over_synced},
    [OVER_VOID] = {"end the journal of", over_void},
    [OVER_VOIDED] = {"end the journal of", over_voided},
    [OVER_CLOSE] = {"end the journal of", over_close},
    [OVER_CLOSED] = {"remove the journal of", over_closed},
    [OVER_END] = {"write over", over_end},
    {NULL, NULL},
};

static void begin_next(struct dir *dir);

static void ended(struct steps *steps, enum err e)
{
    struct dir_overwrite *o = overwrite_of(steps);
    struct dir *dir = o->dir;
    list_remove(&o->link);
    begin_next(dir);
    waiter_tell(o->waiter, e);
}

static void begin_next(struct dir *dir)
{
    if (list_empty(&dir->overwrites)) {
        mem_free(dir->mem, dir->redo_head);
        dir->redo_head = NULL;
        return;
    }
    struct dir_overwrite *o = CONTAINER_OF(dir->overwrites.next, struct dir_overwrite, link);
    steps_start(&o->steps, dir->env, over_steps, ended);
}

void dir_overwrite(struct dir *dir, struct dir_overwrite *o, const char *path, env_file file,
                   uint64_t position, struct bytes bytes, struct waiter *waiter)
{
    *o = (struct dir_overwrite){.dir = dir,
                                .waiter = waiter,
                                .path = path,
                                .file = file,
                                .position = position,
                                .bytes = bytes};
    list_init(&o->link);
    if (dir->redo_head == NULL)
        dir->redo_head = mem_alloc(dir->mem, FORMAT_REDO_HEAD);
    if (dir->redo_head == NULL) {
        waiter_tell(waiter, ERR_NOMEM);
        return;
    }
    bool idle = list_empty(&dir->overwrites);
    list_push_back(&dir->overwrites, &o->link);
    if (idle)
        begin_next(dir);
}

/* ---- doing it again ---- */

enum {
    REDO_GET,
    REDO_LOOK,
    REDO_OPEN,
    REDO_OPENED,
    REDO_SIZE,
    REDO_WRITE,
    REDO_SYNC,
    REDO_CLOSE,
    REDO_CLOSED,
    REDO_REMOVE,
    REDO_SYNC_DIR,
};

struct redo {
    struct steps steps;
    struct dir *dir;
    struct waiter *waiter;
    struct dir_get get;
    struct dir_sync sync;
    struct format_redo redo;
    struct env_part part;
    env_file file;
    enum err failed;
    bool done;               /* it was written again */
    char path[ENV_PATH_MAX]; /* of the file */
};

static struct redo *redo_of(struct steps *steps)
{
    return CONTAINER_OF(steps, struct redo, steps);
}

static enum steps_flow redo_get(struct steps *steps)
{
    struct redo *r = redo_of(steps);
    dir_get(r->dir, &r->get, r->dir->redo_path, steps_waiter(steps));
    return STEPS_WAIT;
}

/* A journal that is not whole was never made durable: nothing has been written over. */
static enum steps_flow redo_look(struct steps *steps)
{
    struct redo *r = redo_of(steps);
    if (!r->get.found)
        return steps_go(steps, STEPS_END);
    if (format_redo_parse(dir_got(&r->get), &r->redo) != ERR_NONE)
        return steps_go(steps, REDO_REMOVE);
    return STEPS_NEXT;
}

static enum steps_flow redo_open(struct steps *steps)
{
    struct redo *r = redo_of(steps);
    int size = snprintf(r->path, sizeof r->path, "%s/%.*s", r->dir->path, (int)r->redo.path.size,
                        (const char *)r->redo.path.data);
    if (size >= (int)sizeof r->path)
        return steps_go(steps, REDO_REMOVE);
    env_open_file(steps->env, &steps->io, r->path, ENV_OPEN_WRITE, steps_done);
    return STEPS_TRY;
}

static enum steps_flow redo_opened(struct steps *steps)
{
    struct redo *r = redo_of(steps);
    if (steps->err == ERR_NOTFOUND)
        return steps_go(steps, REDO_REMOVE);
    if (steps->err != ERR_NONE)
        return STEPS_FAIL;
    r->file = steps->n;
    env_size(steps->env, &steps->io, r->file, steps_done);
    return STEPS_TRY;
}

/* What stood behind the file's end was not durable before either, and there may be no room for it.
 */
static enum steps_flow redo_size(struct steps *steps)
{
    struct redo *r = redo_of(steps);
    if (steps->err != ERR_NONE || steps->n <= r->redo.position || r->redo.bytes.size == 0)
        return steps_go(steps, REDO_CLOSE);
    r->part = (struct env_part){.data = r->redo.bytes.data,
                                .size = MIN(r->redo.bytes.size, steps->n - r->redo.position)};
    env_write(steps->env, &steps->io, r->file, r->redo.position, &r->part, 1, steps_done);
    return STEPS_TRY;
}

static enum steps_flow redo_write(struct steps *steps)
{
    struct redo *r = redo_of(steps);
    if (steps->err != ERR_NONE)
        return steps_go(steps, REDO_CLOSE);
    dir_sync_file(r->dir, &r->sync, r->file, steps_waiter(steps));
    return STEPS_TRY;
}

static enum steps_flow redo_sync(struct steps *steps)
{
    redo_of(steps)->done = steps->err == ERR_NONE;
    return STEPS_NEXT;
}

static enum steps_flow redo_close(struct steps *steps)
{
    struct redo *r = redo_of(steps);
    r->failed = steps->err;
    env_close_file(steps->env, &steps->io, r->file, steps_done);
    return STEPS_TRY;
}

static enum steps_flow redo_closed(struct steps *steps)
{
    return steps_check(steps, redo_of(steps)->failed);
}

/* Durably: the file goes on from here, and must not be taken back. */
static enum steps_flow redo_remove(struct steps *steps)
{
    struct redo *r = redo_of(steps);
    SOMETIMES(r->dir->trace, OVERWRITE_DONE_AGAIN, r->done);
    env_unlink(steps->env, &steps->io, r->dir->redo_path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow redo_sync_dir(struct steps *steps)
{
    struct redo *r = redo_of(steps);
    dir_sync_folder(r->dir, &r->sync, r->dir->path, steps_waiter(steps));
    return STEPS_WAIT;
}

static const struct step redo_steps[] = {
    [REDO_GET] = {"read", redo_get},
    [REDO_LOOK] = {"read", redo_look},
    [REDO_OPEN] = {"open what stands in", redo_open},
    [REDO_OPENED] = {"open what stands in", redo_opened},
    [REDO_SIZE] = {"do again what stands in", redo_size},
    [REDO_WRITE] = {"do again what stands in", redo_write},
    [REDO_SYNC] = {"do again what stands in", redo_sync},
    [REDO_CLOSE] = {"do again what stands in", redo_close},
    [REDO_CLOSED] = {"do again what stands in", redo_closed},
    [REDO_REMOVE] = {"remove", redo_remove},
    [REDO_SYNC_DIR] = {"remove", redo_sync_dir},
    {NULL, NULL},
};

static void redo_ended(struct steps *steps, enum err e)
{
    struct redo *r = redo_of(steps);
    struct waiter *waiter = r->waiter;
    struct mem *mem = r->dir->mem;
    dir_get_free(&r->get);
    mem_free(mem, r);
    waiter_tell(waiter, e);
}

void dir_redo(struct dir *dir, struct waiter *waiter)
{
    struct redo *r = mem_zalloc(dir->mem, sizeof *r);
    if (r == NULL) {
        waiter_tell(waiter, ERR_NOMEM);
        return;
    }
    r->dir = dir;
    r->waiter = waiter;
    steps_start(&r->steps, dir->env, redo_steps, redo_ended);
}
