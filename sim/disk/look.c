/* look.c - looks at what a disk shows without a handle, and changes nothing: for whoever judges
 * what a node has left behind. */
#include "disk/tree.h"

void disk_look(const struct disk *disk, const char *dir, disk_look_visit *visit, void *context)
{
    struct inode *inode;
    if (disk_place_dir(disk->tree, dir, &inode) != ERR_NONE)
        return;
    LIST_EACH (entry, &inode->entries, struct dentry, in_dir) {
        if (entry->cache == NULL)
            continue;
        struct disk_seen seen = {.name = entry->name,
                                 .is_dir = entry->cache->is_dir,
                                 .size = entry->cache->size,
                                 .file = entry->cache};
        visit(context, &seen);
    }
}

void disk_look_read(const struct disk_seen *file, uint8_t *buffer)
{
    ASSERT(!file->is_dir);
    disk_pages_read(file->file, 0, buffer, file->size);
}
