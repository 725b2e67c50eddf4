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

/* The entries of one kind. ERR_NOMEM. */
static enum err add_entries(struct log_derived *d, const struct log_segment *segment,
                            enum format_derived kind, struct log_index_part *part)
{
    const struct format_derived_row *row = &format_derived[kind];
    int32_t first = part->first.of[kind];
    int32_t end = part->end.of[kind];
    ASSERT(first <= end);
    struct log_derived_file *file = add_own(d, (size_t)(end - first) * row->size);
    if (file == NULL)
        return ERR_NOMEM;
    log_index_path(d->log, segment->base, kind, file->path);
    file->offset = (uint64_t)first * row->size;
    format_index_encode(&segment->index, kind, first, end, file->own);
    part->crc.size[kind] = (uint64_t)end * row->size;
    part->crc.crc[kind] =
        crc32c(first == 0 ? 0 : segment->saved_crc[kind], file->bytes.data, file->bytes.size);
    return ERR_NONE;
}

/* What is written anew is first said to be proven by nothing that stands there: a kill in between
 * leaves what does not match. What is added to it is proven last: until then what stood there is.
 */
enum err log_derived_add_index(struct log_derived *d, const struct log_segment *segment,
                               struct log_index_part *part)
{
    bool anew = part->first.of[FORMAT_OFFSETS] == 0;
    struct log_derived_file *proof = anew ? add_own(d, FORMAT_INDEX_CRC_SIZE) : NULL;
    enum err e = anew && proof == NULL ? ERR_NOMEM : ERR_NONE;
    for (int kind = 0; kind < FORMAT_DERIVED && e == ERR_NONE; kind++)
        e = add_entries(d, segment, (enum format_derived)kind, part);
    if (e == ERR_NONE && !anew)
        proof = add_own(d, FORMAT_INDEX_CRC_SIZE);
    if (e != ERR_NONE || proof == NULL)
        return ERR_NOMEM;
    part->crc.log_bytes = segment->disk.synced;
    log_index_path(d->log, segment->base, FORMAT_DERIVED, proof->path);
    proof->over = true;
    format_index_crc_print(&part->crc, (char *)proof->own);
    proof->bytes.size = strlen((char *)proof->own);
    return ERR_NONE;
}

/* ---- from the disk ---- */

bool log_index_all_got(const struct log_index_files *files)
{
    return files->count == LOG_INDEX_FILES;
}

void log_index_get_next(struct log_index_files *files, const struct log_segment *segment,
                        struct waiter *waiter)
{
    ASSERT(files->count < LOG_INDEX_FILES);
    log_index_path(segment->log, segment->base, files->count, files->path);
    dir_get(segment->log->dir, &files->of[files->count++], files->path, waiter);
}

void log_index_files_free(struct log_index_files *files)
{
    for (int i = 0; i < LOG_INDEX_FILES; i++)
        dir_get_free(&files->of[i]);
    files->count = 0;
}

enum err log_index_take(const struct log_index_files *files, struct log_segment *segment,
                        int64_t next, struct log_index_found *out)
{
    struct bytes found[LOG_INDEX_FILES];
    bool there[LOG_INDEX_FILES];
    bool all = true;
    *out = (struct log_index_found){.alone = true};
    ASSERT(log_index_all_got(files));
    for (int i = 0; i < LOG_INDEX_FILES; i++) {
        there[i] = files->of[i].found && files->of[i].data != NULL;
        found[i] = dir_got(&files->of[i]);
        all &= there[i] || i == FORMAT_DERIVED;
    }
    out->proven = all && there[FORMAT_DERIVED] &&
                  format_index_crc_check(found[FORMAT_DERIVED], found, &out->log_bytes) == ERR_NONE;
    if (!all || (!out->proven && files->of[FORMAT_DERIVED].found))
        return ERR_NONE;
    for (int i = 0; i < FORMAT_DERIVED; i++)
        out->alone &= found[i].size == files->of[i].size;
    return format_index_decode(&segment->index, found, segment->size, next, &out->whole);
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
