/* derived.c - files that are derived from the log: the index of a segment, a snapshot of its
 * producers. What they hold, and how they come to the disk. All of it can be made again from the
 * log, and the readers of each file tell whether it fits the others. */
#include "log/internal.h"

void log_derived_init(struct log_derived *d, struct log *log, bool durable)
{
    ASSERT(d->count == 0);
    d->log = log;
    d->durable = durable;
    d->saved = 0;
    d->err = ERR_NONE;
    d->failed = NULL;
}

void log_derived_free(struct log_derived *d)
{
    ASSERT(d->saving == 0);
    while (d->count > 0)
        mem_free(d->log->set->mem, d->files[--d->count].own);
}

/* ---- what they hold ---- */

static struct log_derived_file *add(struct log_derived *d, struct bytes bytes, uint8_t *own)
{
    ASSERT(d->saving == 0);
    ASSERT(d->count < DIR_FAREWELL_FILES);
    struct log_derived_file *file = &d->files[d->count++];
    file->derived = d;
    file->bytes = bytes;
    file->own = own;
    file->offset = 0;
    file->over = false;
    return file;
}

void log_derived_add(struct log_derived *d, int64_t offset, enum format_file_kind kind,
                     struct bytes bytes)
{
    log_segment_path(d->log, offset, kind, add(d, bytes, NULL)->path);
}

/* A file of bytes that are still to be written. ERR_NOMEM: NULL. */
static struct log_derived_file *add_own(struct log_derived *d, size_t size)
{
    uint8_t *own = mem_alloc(d->log->set->mem, size + 1);
    return own == NULL ? NULL : add(d, bytes_of(own, size), own);
}

enum err log_derived_add_index(struct log_derived *d, const struct log_segment *segment,
                               struct log_index_part *part)
{
    int32_t count = part->end - part->first;
    int32_t time_count = part->times_end - part->times_first;
    ASSERT(count >= 0);
    ASSERT(time_count >= 0);
    struct log_derived_file *offsets = add_own(d, (size_t)count * FORMAT_INDEX_ENTRY_SIZE);
    struct log_derived_file *times = add_own(d, (size_t)time_count * FORMAT_TIME_ENTRY_SIZE);
    struct log_derived_file *crc = add_own(d, FORMAT_INDEX_CRC_SIZE);
    if (offsets == NULL || times == NULL || crc == NULL)
        return ERR_NOMEM;
    log_segment_path(d->log, segment->base, FORMAT_KIND_INDEX, offsets->path);
    offsets->offset = (uint64_t)part->first * FORMAT_INDEX_ENTRY_SIZE;
    format_index_encode(&segment->index, part->first, part->end, offsets->own);
    log_segment_path(d->log, segment->base, FORMAT_KIND_TIMEINDEX, times->path);
    times->offset = (uint64_t)part->times_first * FORMAT_TIME_ENTRY_SIZE;
    format_times_encode(&segment->index, part->times_first, part->times_end, times->own);
    part->crc = (struct format_index_crc){
        .offsets = crc32c(part->first == 0 ? 0 : segment->index_crc, offsets->bytes.data,
                          offsets->bytes.size),
        .times = crc32c(part->times_first == 0 ? 0 : segment->times_crc, times->bytes.data,
                        times->bytes.size),
        .offsets_size = (uint64_t)part->end * FORMAT_INDEX_ENTRY_SIZE,
        .times_size = (uint64_t)part->times_end * FORMAT_TIME_ENTRY_SIZE,
        .log_bytes = segment->disk.synced,
    };
    log_index_crc_path(d->log, segment->base, crc->path);
    crc->over = true;
    format_index_crc_print(&part->crc, (char *)crc->own);
    crc->bytes.size = strlen((char *)crc->own);
    return ERR_NONE;
}

/* ---- onto the disk ---- */

static void save(struct log_derived_file *file, struct waiter *waiter)
{
    struct dir *dir = file->derived->log->dir;
    if (file->derived->durable)
        dir_save(dir, &file->save, file->path, file->bytes, waiter);
    else if (file->over)
        dir_save_over(dir, &file->save, file->path, file->bytes, waiter);
    else
        dir_save_end(dir, &file->save, file->path, file->bytes, file->offset, waiter);
}

bool log_derived_all_saved(const struct log_derived *d)
{
    return d->saved == d->count;
}

void log_derived_save_next(struct log_derived *d, struct waiter *waiter)
{
    ASSERT(d->saved < d->count);
    save(&d->files[d->saved++], waiter);
}

static void on_saved(struct waiter *waiter, enum err e)
{
    struct log_derived_file *file = CONTAINER_OF(waiter, struct log_derived_file, waiter);
    struct log_derived *d = file->derived;
    if (e != ERR_NONE && d->err == ERR_NONE) {
        d->err = e;
        d->failed = file->path;
    }
    if (--d->saving == 0)
        waiter_tell(d->waiter, d->err);
}

void log_derived_save_all(struct log_derived *d, struct waiter *waiter)
{
    ASSERT(d->saved == 0);
    ASSERT(d->count > 0);
    d->waiter = waiter;
    d->saved = d->saving = d->count;
    for (int32_t i = 0; i < d->count; i++) {
        d->files[i].waiter.done = on_saved;
        save(&d->files[i], &d->files[i].waiter);
    }
}
