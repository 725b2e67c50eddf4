/* farewell.c - what one log leaves for its next life at a clean end: the index of its active
 * segment and a snapshot of its producers. None of it is needed for anything but speed, and the
 * readers of each file tell whether it fits the others, so that they are written at once. */
#include "log/internal.h"

struct farewell;

struct farewell_file {
    struct dir_save save;
    struct waiter saved;
    struct farewell *farewell;
    struct bytes bytes;
    char path[ENV_PATH_MAX];
};

struct farewell {
    struct log *log;
    struct env_op sync;
    int32_t file_count;
    int32_t saving; /* files that are being written */
    enum err err;   /* of the first that failed */
    struct errmsg msg;
    struct farewell_file files[DIR_FAREWELL_FILES];
};

static void fail(struct farewell *f, enum err e, const char *what, const char *path)
{
    ASSERT(e != ERR_NONE);
    if (f->err == ERR_NONE)
        f->err = errmsg_set(&f->msg, e, "cannot %s %s: %s%s", what, path, err_text(e),
                            dir_open_advice(e));
}

static void free_bytes(struct farewell *f, struct farewell_file *file)
{
    mem_free(f->log->set->mem, (void *)(uintptr_t)file->bytes.data);
    file->bytes = bytes_of(NULL, 0);
}

static void end(struct farewell *f)
{
    struct log *log = f->log;
    enum err e = f->err;
    struct errmsg msg = f->msg;
    ASSERT(f->saving == 0);
    for (int32_t i = 0; i < f->file_count; i++)
        free_bytes(f, &f->files[i]);
    mem_free(log->set->mem, f);
    dir_farewell_done(&log->member, e, &msg);
}

/* ---- what the files will hold ---- */

/* Takes the bytes. */
static struct farewell_file *add(struct farewell *f, struct bytes bytes)
{
    ASSERT(f->file_count < DIR_FAREWELL_FILES);
    struct farewell_file *file = &f->files[f->file_count++];
    file->farewell = f;
    file->bytes = bytes;
    return file;
}

/* NULL: there is no memory. */
static uint8_t *add_index(struct farewell *f, enum format_file_kind kind, size_t size)
{
    uint8_t *data = mem_alloc(f->log->set->mem, size + 1);
    if (data == NULL)
        return NULL;
    struct farewell_file *file = add(f, bytes_of(data, size));
    log_segment_path(f->log, log_active(f->log)->base, kind, file->path);
    return data;
}

static enum err add_index_crc(struct farewell *f, struct bytes offsets, struct bytes times)
{
    const struct log_segment *active = log_active(f->log);
    struct format_index_crc crc = {.offsets = crc32c(0, offsets.data, offsets.size),
                                   .times = crc32c(0, times.data, times.size),
                                   .offsets_size = offsets.size,
                                   .times_size = times.size,
                                   .log_bytes = active->size};
    char *text = mem_alloc(f->log->set->mem, FORMAT_INDEX_CRC_SIZE + 1);
    if (text == NULL)
        return ERR_NOMEM;
    format_index_crc_print(&crc, text);
    struct farewell_file *file = add(f, bytes_text(text));
    log_index_crc_path(f->log, active->base, file->path);
    return ERR_NONE;
}

static enum err add_indexes(struct farewell *f)
{
    struct format_index *index = &log_active(f->log)->index;
    enum err e = format_index_reserve(index, 1);
    if (e != ERR_NONE)
        return e;
    format_index_seal(index);
    size_t offsets_size = (size_t)index->count * FORMAT_INDEX_ENTRY_SIZE;
    size_t times_size = (size_t)index->time_count * FORMAT_TIME_ENTRY_SIZE;
    uint8_t *offsets = add_index(f, FORMAT_KIND_INDEX, offsets_size);
    uint8_t *times = add_index(f, FORMAT_KIND_TIMEINDEX, times_size);
    if (offsets == NULL || times == NULL)
        return ERR_NOMEM;
    format_index_encode(index, 0, index->count, offsets);
    format_times_encode(index, 0, index->time_count, times);
    return add_index_crc(f, bytes_of(offsets, offsets_size), bytes_of(times, times_size));
}

static enum err add_snapshot(struct farewell *f)
{
    struct log *log = f->log;
    struct bytes snapshot, window;
    enum err e = format_snapshot_encode(&log->producers, log->set->mem, &snapshot, &window);
    if (e != ERR_NONE)
        return e;
    log_segment_path(log, log->end, FORMAT_KIND_SNAPSHOT, add(f, snapshot)->path);
    if (window.data != NULL)
        log_segment_path(log, log->end, FORMAT_KIND_WINDOW, add(f, window)->path);
    return ERR_NONE;
}

/* ---- writing ---- */

static void on_dir_synced(struct env_op *op, enum err e, uint64_t n)
{
    struct farewell *f = CONTAINER_OF(op, struct farewell, sync);
    (void)n;
    if (e != ERR_NONE)
        fail(f, e, "sync", f->log->path);
    end(f);
}

static void on_saved(struct waiter *saved, enum err e)
{
    struct farewell_file *file = CONTAINER_OF(saved, struct farewell_file, saved);
    struct farewell *f = file->farewell;
    if (e != ERR_NONE)
        fail(f, e, "write", file->path);
    free_bytes(f, file);
    if (--f->saving > 0)
        return;
    if (f->err != ERR_NONE)
        end(f);
    else
        env_sync_dir(log_env(f->log), &f->sync, f->log->path, on_dir_synced);
}

/* Nothing was appended in this life, and no producer has expired: then none has changed. */
static bool is_as_left(const struct log *log)
{
    return log->end == log->left_end && log->producers.map.count == log->left_producer_count;
}

/* The log of a partition to which nobody has ever written says all by itself. */
bool log_farewell_due(const struct log *log)
{
    const struct log_segment *active = log_active(log);
    ASSERT(log->state == LOG_OPEN);
    return log->end > 0 && !is_as_left(log) && log_index_known(active) &&
           !active->disk.file->create;
}

void log_farewell(struct log *log)
{
    ASSERT(log_farewell_due(log));
    struct farewell *f = mem_zalloc(log->set->mem, sizeof *f);
    if (f == NULL) {
        struct errmsg msg;
        errmsg_set(&msg, ERR_NOMEM, "cannot close %s: out of memory", log->path);
        dir_farewell_done(&log->member, ERR_NOMEM, &msg);
        return;
    }
    f->log = log;
    enum err e = add_indexes(f);
    if (e == ERR_NONE)
        e = add_snapshot(f);
    if (e != ERR_NONE) {
        fail(f, e, "close", f->log->path);
        end(f);
        return;
    }
    f->saving = f->file_count;
    for (int32_t i = 0; i < f->file_count; i++) {
        struct farewell_file *file = &f->files[i];
        file->saved.done = on_saved;
        dir_save(log->dir, &file->save, file->path, file->bytes, &file->saved);
    }
}
