/* durable.c - what of a file is durable: the disk's own word. It changes nothing. */
#include "disk/tree.h"

/* Its entry, and that of each directory above it. */
static bool name_is_durable(const struct inode *inode)
{
    for (; inode->name != NULL; inode = inode->name->dir)
        if (inode->name->media != inode)
            return false;
    return true;
}

/* Behind the last byte before which MEDIA has all that CACHE shows. */
static uint64_t durable_size(const struct inode *inode)
{
    uint64_t size = MIN(inode->size, inode->media_size);
    for (uint64_t i = inode->split_low; i < inode->split_end; i++) {
        const struct page *page = &inode->pages[i];
        uint64_t from = page->diverged ? i * DISK_PAGE_SIZE : UINT64_MAX;
        for (const struct record *r = page->first; page->split && r != NULL; r = r->page_next)
            from = MIN(from, r->offset);
        if (page->split && from < size)
            return from;
    }
    return size;
}

static void look_at(struct inode *inode, struct disk_durable *out)
{
    const struct dentry *name = inode->name;
    *out = (struct disk_durable){.size = durable_size(inode), .notes = inode->notes, .file = inode};
    if (name == NULL)
        return;
    out->named = name_is_durable(inode);
    out->name = name->name;
    out->dir = name->dir->name == NULL ? "" : name->dir->name->name;
}

void disk_durable(const struct disk *disk, uint64_t file, struct disk_durable *out)
{
    look_at(disk_handle(disk, file)->inode, out);
}

void disk_durable_each(const struct disk *disk, const char *dir, disk_durable_visit *visit,
                       void *context)
{
    struct inode *inode;
    if (disk_place_dir(disk->tree, dir, &inode) != ERR_NONE)
        return;
    LIST_EACH (entry, &inode->entries, struct dentry, in_dir) {
        struct disk_durable is;
        if (entry->cache == NULL || entry->cache->is_dir)
            continue;
        look_at(entry->cache, &is);
        visit(context, &is);
    }
}

void disk_durable_read(const struct disk_durable *file, uint64_t offset, uint8_t *buffer,
                       uint64_t size)
{
    ASSERT(offset + size <= file->size);
    disk_pages_read(file->file, offset, buffer, size);
}
