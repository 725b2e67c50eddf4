/* birth.c - how a partition's directory comes to be: under another name and with all that it holds,
 * so that nobody ever finds half of it. Each step is done for all files at once. */
#include "log/opening.h"

/* partition.metadata, the first segment, and with their checksums the leader epochs and the
 * owner's.
 */
#define FILES_MAX 6

struct newborn {
    struct env_op io;
    struct log_birth_work *work;
    char path[ENV_PATH_MAX];
    struct env_part part;
    env_file file; /* 0: not open */
};

struct log_birth_work {
    struct log_opening *opening;
    struct newborn files[FILES_MAX];
    int32_t file_count;
    struct waiter *all; /* told when the last of them has ended */
    int32_t pending;
    bool made;       /* the directory is there, under its first name */
    bool renamed;    /* or may be there under its own */
    enum err failed; /* the first failure */
    struct env_op dir_sync, rename;
    struct text epochs;
    char metadata[FORMAT_PARTITION_METADATA_SIZE + 1];
    char epochs_crc[FORMAT_CRC_FILE_SIZE + 1], own_crc[FORMAT_CRC_FILE_SIZE + 1];
    char path[ENV_PATH_MAX]; /* its first name */
};

static struct log_birth_work *work_of(struct steps *steps)
{
    return log_opening_of(steps)->birth_work;
}

/* ---- what it holds ---- */

static void add(struct log_birth_work *w, const char *name, const char *suffix, struct bytes bytes)
{
    ASSERT(w->file_count < FILES_MAX);
    struct newborn *f = &w->files[w->file_count++];
    f->work = w;
    f->part = (struct env_part){.data = bytes.data, .size = bytes.size};
    dir_path_join(f->path, w->path, name, suffix);
}

static void add_with_crc(struct log_birth_work *w, const char *name, struct bytes bytes,
                         char crc_text[FORMAT_CRC_FILE_SIZE + 1])
{
    uint32_t crc = crc32c(0, bytes.data, bytes.size);
    format_crc_print(crc, crc, crc_text);
    add(w, name, "", bytes);
    add(w, name, ".crc", bytes_text(crc_text));
}

static enum err add_epochs(struct log_birth_work *w, int32_t leader_epoch)
{
    struct format_epochs *epochs = &w->opening->log->epochs;
    if (leader_epoch < 0)
        return ERR_NONE;
    if (format_epochs_reserve(epochs, 1) != ERR_NONE)
        return ERR_NOMEM;
    format_epochs_assign(epochs, leader_epoch, 0);
    format_epochs_print(epochs, &w->epochs);
    if (w->epochs.failed)
        return ERR_NOMEM;
    add_with_crc(w, LOG_EPOCHS_NAME, bytes_of(w->epochs.data, w->epochs.size), w->epochs_crc);
    return ERR_NONE;
}

static enum err add_files(struct log_birth_work *w)
{
    const struct log_opening *o = w->opening;
    const struct log_birth *birth = o->birth;
    char name[FORMAT_NAME_MAX];
    format_partition_metadata_print(&o->log->topic_id, w->metadata);
    add(w, "partition.metadata", "", bytes_text(w->metadata));
    format_name_print(name, 0, FORMAT_KIND_LOG);
    add(w, name, "", bytes_of(NULL, 0));
    if (birth == NULL)
        return ERR_NONE;
    if (birth->name != NULL)
        add_with_crc(w, birth->name, birth->bytes, w->own_crc);
    return add_epochs(w, birth->leader_epoch);
}

/* ---- for all of them at once ---- */

static void one_ended(struct log_birth_work *w, enum err e)
{
    if (e != ERR_NONE && w->failed == ERR_NONE)
        w->failed = e;
    if (--w->pending == 0)
        waiter_tell(w->all, w->failed);
}

static void on_ended(struct env_op *io, enum err e, uint64_t n)
{
    (void)n;
    one_ended(CONTAINER_OF(io, struct newborn, io)->work, e);
}

static void on_opened(struct env_op *io, enum err e, uint64_t n)
{
    struct newborn *f = CONTAINER_OF(io, struct newborn, io);
    f->file = e == ERR_NONE ? n : 0;
    one_ended(f->work, e);
}

/* A full disk may speak up only now, and nobody refers to the file yet; any other failure says that
 * the disk loses what it took (S-5). */
static void on_synced(struct env_op *io, enum err e, uint64_t n)
{
    struct log_birth_work *w = CONTAINER_OF(io, struct newborn, io)->work;
    (void)n;
    if (e != ERR_NONE && e != ERR_NOSPACE)
        dir_sync_failed(w->opening->log->dir, e);
    one_ended(w, e);
}

static void on_dir_synced(struct env_op *io, enum err e, uint64_t n)
{
    struct log_birth_work *w = CONTAINER_OF(io, struct log_birth_work, dir_sync);
    (void)n;
    if (e != ERR_NONE)
        dir_sync_failed(w->opening->log->dir, e);
    one_ended(w, e);
}

/* ---- the steps ---- */

enum {
    BIRTH_MAKE,
    BIRTH_OPEN,
    BIRTH_WRITE,
    BIRTH_SYNC,
    BIRTH_RENAME,
    BIRTH_DURABLE,
    BIRTH_CONSENT,
    BIRTH_OVER,
};

static enum steps_flow birth_make(struct steps *steps)
{
    env_make_dir(steps->env, &steps->io, work_of(steps)->path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow birth_open(struct steps *steps)
{
    struct log_birth_work *w = work_of(steps);
    w->made = true;
    w->all = steps_waiter(steps);
    w->pending = w->file_count;
    for (int32_t i = 0; i < w->file_count; i++)
        env_open_file(steps->env, &w->files[i].io, w->files[i].path,
                      ENV_OPEN_WRITE | ENV_OPEN_CREATE | ENV_OPEN_TRUNCATE, on_opened);
    return STEPS_TRY;
}

static enum steps_flow birth_write(struct steps *steps)
{
    struct log_birth_work *w = work_of(steps);
    if (w->failed != ERR_NONE)
        return steps_go(steps, BIRTH_RENAME);
    w->all = steps_waiter(steps);
    for (int32_t i = 0; i < w->file_count; i++)
        w->pending += w->files[i].part.size > 0;
    for (int32_t i = 0; i < w->file_count; i++) {
        struct newborn *f = &w->files[i];
        if (f->part.size > 0)
            env_write(steps->env, &f->io, f->file, 0, &f->part, 1, on_ended);
    }
    return STEPS_TRY;
}

/* All entries have been made by now, so that the directory's sync covers them. The segment is
 * empty: its first sync comes with its first records. */
static enum steps_flow birth_sync(struct steps *steps)
{
    struct log_birth_work *w = work_of(steps);
    if (w->failed != ERR_NONE)
        return STEPS_NEXT;
    w->all = steps_waiter(steps);
    w->pending = 1;
    for (int32_t i = 0; i < w->file_count; i++)
        w->pending += w->files[i].part.size > 0;
    env_sync_dir(steps->env, &w->dir_sync, w->path, on_dir_synced);
    for (int32_t i = 0; i < w->file_count; i++) {
        struct newborn *f = &w->files[i];
        if (f->part.size > 0)
            env_sync(steps->env, &f->io, f->file, on_synced);
    }
    return STEPS_TRY;
}

static void on_closed(struct env_op *io, enum err e, uint64_t n)
{
    (void)e; /* what counts has been synced */
    (void)n;
    one_ended(CONTAINER_OF(io, struct newborn, io)->work, ERR_NONE);
}

static void on_renamed(struct env_op *io, enum err e, uint64_t n)
{
    struct log_birth_work *w = CONTAINER_OF(io, struct log_birth_work, rename);
    (void)n;
    w->made = e != ERR_NONE;
    one_ended(w, e);
}

/* The files are let go of meanwhile. */
static enum steps_flow birth_rename(struct steps *steps)
{
    struct log_birth_work *w = work_of(steps);
    bool whole = w->failed == ERR_NONE;
    w->pending = whole;
    for (int32_t i = 0; i < w->file_count; i++)
        w->pending += w->files[i].file != 0;
    if (w->pending == 0)
        return STEPS_NEXT;
    w->all = steps_waiter(steps);
    w->renamed = whole;
    if (whole)
        env_rename(steps->env, &w->rename, w->path, w->opening->log->path, on_renamed);
    for (int32_t i = 0; i < w->file_count; i++) {
        struct newborn *f = &w->files[i];
        if (f->file != 0)
            env_close_file(steps->env, &f->io, f->file, on_closed);
    }
    return STEPS_TRY;
}

static enum steps_flow birth_durable(struct steps *steps)
{
    struct log_birth_work *w = work_of(steps);
    if (w->failed != ERR_NONE)
        return steps_fail(steps, w->failed);
    if (KNOWN_BUG(rename_without_dir_sync))
        return STEPS_NEXT;
    struct log_opening *o = w->opening;
    dir_sync_entries(o->log->dir, &o->sync, steps_waiter(steps));
    return STEPS_WAIT;
}

/* It has been made use of, and would stand for another loss. */
static enum steps_flow birth_consent(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    if (!o->consented)
        return STEPS_NEXT;
    dir_path_join(o->path, NULL, o->log->path, DIR_CONSENT_SUFFIX);
    env_unlink(steps->env, &steps->io, o->path, steps_done);
    return STEPS_WAIT;
}

static enum steps_flow birth_over(struct steps *steps)
{
    struct log_opening *o = log_opening_of(steps);
    struct notes *notes = dir_notes(o->log->dir);
    if (o->consented)
        NOTE(notes, PARTITION_LOST,
             "partition %s starts empty, as its file %s" DIR_CONSENT_SUFFIX " said; what it held "
             "is given up",
             log_name(o->log), log_name(o->log));
    else if (o->birth != NULL && o->birth->elsewhere)
        NOTE(notes, PARTITION_LOST,
             "partition %s starts empty in %s: what it held is in another log directory, or lost",
             log_name(o->log), dir_path(o->log->dir));
    o->log->lacks = o->consented || (o->birth != NULL && o->birth->elsewhere);
    return STEPS_NEXT;
}

static const struct step birth_steps[] = {
    [BIRTH_MAKE] = {"make", birth_make},
    [BIRTH_OPEN] = {"make", birth_open},
    [BIRTH_WRITE] = {"make", birth_write},
    [BIRTH_SYNC] = {"make", birth_sync},
    [BIRTH_RENAME] = {"make", birth_rename},
    [BIRTH_DURABLE] = {"make", birth_durable},
    [BIRTH_CONSENT] = {"remove", birth_consent},
    [BIRTH_OVER] = {"make", birth_over},
    {NULL, NULL},
};

/* ---- beginning and end ---- */

/* What is known of an empty partition that this life has made: nothing has to be read again. */
static enum err take(struct log_opening *o)
{
    struct log *log = o->log;
    enum err e = log_opening_add_segment(log, 0, true);
    if (e != ERR_NONE)
        return e;
    struct log_segment *segment = log->segments[0];
    segment->disk.file->create = false;
    segment->disk.entry_durable = true;
    /* What the checkpoints know is of one that was deleted. */
    for (int kind = 0; kind < DIR_POINTS_COUNT; kind++)
        log->member.known->offsets[kind] = -1;
    log->epochs_durable = true;
    log->epoch_durable = format_epochs_latest(&log->epochs);
    o->recovery_known = o->epochs_known = true;
    o->recovery_point = o->end = 0;
    if (o->birth != NULL)
        o->birth->made = true;
    return ERR_NONE;
}

static void free_work(struct log_opening *o)
{
    struct mem *mem = o->log->set->mem;
    text_free(&o->birth_work->epochs);
    mem_free(mem, o->birth_work);
    o->birth_work = NULL;
}

static void ended(struct steps *steps, enum err e)
{
    struct log_opening *o = log_opening_of(steps);
    struct dir *dir = o->log->dir;
    if (e != ERR_NONE && o->birth_work->made)
        dir_remove(dir, o->birth_work->path);
    o->log->set->entries_doubted |= e != ERR_NONE && o->birth_work->renamed;
    free_work(o);
    if (e == ERR_NONE)
        e = take(o);
    if (e == ERR_NONE) {
        log_recovered(o);
        return;
    }
    errmsg_set(&o->op->msg, e, "cannot make %s: %s%s", o->log->path, err_text(e),
               dir_open_advice(e));
    log_opening_end(o, e);
}

void log_birth_begin(struct log_opening *o)
{
    struct mem *mem = o->log->set->mem;
    struct log_birth_work *w = mem_zalloc(mem, sizeof *w);
    enum err e = w == NULL ? ERR_NOMEM : ERR_NONE;
    if (w != NULL) {
        o->birth_work = w;
        w->opening = o;
        text_init(&w->epochs, mem);
        log_unique_path(o->log->set, o->log->topic, o->log->partition, "future", w->path);
        e = add_files(w);
        if (e != ERR_NONE)
            free_work(o);
    }
    if (e != ERR_NONE) {
        errmsg_set(&o->op->msg, e, "cannot make %s: %s", o->log->path, err_text(e));
        log_opening_end(o, e);
        return;
    }
    log_opening_start(o, LOG_OPENING_BIRTH, birth_steps, ended);
}
