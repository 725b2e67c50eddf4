/* write.c - writes and appends in flight: a copy of their bytes, the room that they were promised,
 * and the ways in which they end. */
#include "disk/tree.h"

#define PAGE DISK_PAGE_SIZE

static uint64_t parts_size(const struct env_part *parts, int part_count)
{
    uint64_t size = 0;
    for (int i = 0; i < part_count; i++)
        size += parts[i].size;
    return size;
}

static void copy_parts(uint8_t *to, const struct env_part *parts, int part_count)
{
    for (int i = 0; i < part_count; i++) {
        ASSERT(parts[i].size == 0 || parts[i].data != NULL);
        if (parts[i].size > 0)
            memcpy(to, parts[i].data, parts[i].size);
        to += parts[i].size;
    }
}

/* Pages that the write may have to allocate. Where an append will stand is not known yet. */
static uint64_t pages_needed(const struct inode *inode, const struct disk_write *write)
{
    if (write->append)
        return write->size / PAGE + 1;
    uint64_t count = 0;
    for (uint64_t i = write->offset / PAGE; i <= (write->offset + write->size - 1) / PAGE; i++) {
        const struct page *page = disk_page_find(inode, i);
        count += page == NULL || (page->cache == NULL && page->media == NULL);
    }
    return count;
}

static uint64_t pages_free_count(const struct disk *disk)
{
    uint64_t capacity = disk->options.capacity / PAGE;
    uint64_t taken = disk->tree->pages_used + disk->pages_reserved;
    return capacity > taken ? capacity - taken : 0;
}

/* A full disk commits what gives space back first: what was unlinked or cut. Data that is pending
 * would give none, and stays so. */
static void reserve(struct disk *disk, struct disk_write *write)
{
    uint64_t needed = pages_needed(write->handle->inode, write);
    while (needed > pages_free_count(disk) && disk_settle_space(disk->tree) == ERR_NONE)
        continue;
    uint64_t found = MIN(needed, pages_free_count(disk));
    write->room = found == needed ? write->size : MIN(write->size, found * PAGE);
    if (!write->append && write->offset + write->size > DISK_FILE_SIZE_MAX)
        write->room = 0;
    write->reserved = found;
    disk->pages_reserved += found;
}

static enum err begin(struct disk *disk, uint64_t file, const struct env_part *parts,
                      int part_count, struct disk_write **out)
{
    struct handle *handle = disk_handle(disk, file);
    if ((handle->flags & ENV_OPEN_WRITE) == 0)
        return ERR_READONLY;
    uint64_t size = parts_size(parts, part_count);
    ASSERT(size > 0);
    ASSERT(size <= ENV_IO_BYTES_MAX);
    struct disk_write *write = mem_alloc(disk->mem, sizeof *write + size);
    if (write == NULL)
        return ERR_NOMEM;
    *write = (struct disk_write){.handle = handle, .size = size};
    list_init(&write->in_disk);
    list_init(&write->in_handle);
    list_push_back(&disk->writes, &write->in_disk);
    copy_parts(write->data, parts, part_count);
    *out = write;
    return ERR_NONE;
}

enum err disk_write_begin(struct disk *disk, uint64_t file, uint64_t offset,
                          const struct env_part *parts, int part_count, struct disk_write **out)
{
    ASSERT(offset <= UINT64_MAX / 2);
    enum err e = begin(disk, file, parts, part_count, out);
    if (e != ERR_NONE)
        return e;
    (*out)->offset = offset;
    reserve(disk, *out);
    return ERR_NONE;
}

enum err disk_append_begin(struct disk *disk, uint64_t file, const struct env_part *parts,
                           int part_count, struct disk_write **out)
{
    enum err e = begin(disk, file, parts, part_count, out);
    if (e != ERR_NONE)
        return e;
    (*out)->append = true;
    list_push_back(&(*out)->handle->appends, &(*out)->in_handle);
    reserve(disk, *out);
    return ERR_NONE;
}

uint64_t disk_write_size(const struct disk_write *write)
{
    return write->size;
}

/* Once an append fails, those started before its completion was delivered fail too (env.h). */
static void break_appends(struct handle *handle)
{
    LIST_EACH (write, &handle->appends, struct disk_write, in_handle)
        write->broken = true;
}

static enum err apply(struct disk *disk, struct disk_write *write, uint64_t bytes)
{
    struct inode *inode = write->handle->inode;
    if (write->append)
        write->offset = inode->size;
    uint64_t written = 0;
    enum err e = ERR_NONE;
    if (bytes > 0)
        e = disk_file_write(disk->tree, inode, write->offset, write->data, bytes, &written);
    if (written > 0)
        disk_mirror_write(disk->mirror, inode, write->offset, write->data, written);
    return e;
}

/* Writes the first bytes and ends it. */
static enum err finish(struct disk *disk, struct disk_write *write, uint64_t bytes)
{
    if (write->append) /* they happen in the order in which they began */
        ASSERT(write->in_handle.prev == &write->handle->appends);
    list_remove(&write->in_disk);
    list_remove(&write->in_handle);
    disk->pages_reserved -= write->reserved;
    enum err e = write->broken ? ERR_OFFLINE : apply(disk, write, MIN(bytes, write->room));
    if (e == ERR_NONE && write->room < write->size)
        e = ERR_NOSPACE;
    if (write->append && !write->broken && (e != ERR_NONE || bytes < write->size))
        break_appends(write->handle);
    return e;
}

enum err disk_write_finish(struct disk *disk, struct disk_write *write, uint64_t *n)
{
    enum err e = finish(disk, write, write->size);
    *n = e != ERR_NONE ? 0 : write->append ? write->offset : write->size;
    mem_free(disk->mem, write);
    return e;
}

void disk_write_cut(struct disk *disk, struct disk_write *write, uint64_t bytes)
{
    (void)finish(disk, write, bytes);
    mem_free(disk->mem, write);
}

/* The first boundary of a page inside the write, in bytes from its beginning. */
static uint64_t boundary(const struct disk_write *write)
{
    uint64_t offset = write->append ? write->handle->inode->size : write->offset;
    return PAGE - offset % PAGE;
}

void disk_write_crash(struct disk *disk, struct disk_write *write, uint64_t key)
{
    uint64_t first = boundary(write);
    uint64_t inner = write->size > first ? (write->size - first - 1) / PAGE + 1 : 0;
    uint64_t outcome = random_below(hash_combine(key, 0), inner > 0 ? 3 : 2);
    uint64_t bytes = outcome == 0   ? 0
                     : outcome == 1 ? write->size
                                    : first + PAGE * random_below(hash_combine(key, 1), inner);
    disk_write_cut(disk, write, bytes);
}
