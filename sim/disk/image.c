/* image.c - what an operator does with a whole directory: copies it away, puts a copy in its place,
 * swaps the disk for an empty one. */
#include "disk/tree.h"

#define PAGE DISK_PAGE_SIZE

/* Entries by name, each followed by what it holds:
 * 'F' name 0 size(8) bytes | 'D' name 0 entries 'E'. */
struct disk_image {
    struct mem *mem;
    struct text text;
};

int disk_named_compare(const void *a, const void *b)
{
    const struct named *x = a;
    const struct named *y = b;
    return strcmp(x->entry->name, y->entry->name);
}

static void take_file(struct text *out, const struct inode *inode)
{
    uint8_t bytes[PAGE];
    put_u64(bytes, inode->size);
    text_add(out, bytes, 8);
    for (uint64_t at = 0; at < inode->size && !out->failed; at += PAGE) {
        uint64_t n = MIN(inode->size - at, PAGE);
        disk_pages_read(inode, at, bytes, n);
        text_add(out, bytes, n);
    }
}

static enum err take_dir(struct mem *mem, struct text *out, const struct inode *dir)
{
    int count = 0;
    struct named *all = mem_array(mem, (size_t)dir->child_count + 1, sizeof *all);
    if (all == NULL)
        return ERR_NOMEM;
    LIST_EACH (entry, &dir->entries, struct dentry, in_dir)
        if (entry->cache != NULL)
            all[count++].entry = entry;
    enum err e = sort_stable(mem, all, (size_t)count, sizeof *all, disk_named_compare);
    for (int i = 0; e == ERR_NONE && i < count; i++) {
        const struct dentry *entry = all[i].entry;
        text_add(out, entry->cache->is_dir ? "D" : "F", 1);
        text_add(out, entry->name, entry->name_size + 1);
        if (entry->cache->is_dir)
            e = take_dir(mem, out, entry->cache);
        else
            take_file(out, entry->cache);
    }
    text_add(out, "E", 1);
    mem_free(mem, all);
    return out->failed ? ERR_NOMEM : e;
}

enum err disk_image_take(struct disk *disk, const char *path, struct disk_image **out)
{
    struct inode *dir;
    enum err e = disk_place_dir(disk->tree, path, &dir);
    if (e != ERR_NONE)
        return e;
    struct disk_image *image = mem_zalloc(disk->mem, sizeof *image);
    if (image == NULL)
        return ERR_NOMEM;
    image->mem = disk->mem;
    text_init(&image->text, disk->mem);
    e = take_dir(disk->mem, &image->text, dir);
    if (e != ERR_NONE)
        disk_image_free(image);
    else
        *out = image;
    return e;
}

void disk_image_free(struct disk_image *image)
{
    if (image == NULL)
        return;
    text_free(&image->text);
    mem_free(image->mem, image);
}

bool disk_image_equal(const struct disk_image *a, const struct disk_image *b)
{
    return bytes_equal(bytes_of(a->text.data, a->text.size), bytes_of(b->text.data, b->text.size));
}

/* ---- putting ---- */

static enum err empty(struct disk *disk, struct inode *dir)
{
    enum err e = ERR_NONE;
    LIST_EACH (entry, &dir->entries, struct dentry, in_dir)
        entry->pending_count++; /* stay, until all are gone from CACHE */
    LIST_EACH (entry, &dir->entries, struct dentry, in_dir)
        if (e == ERR_NONE && entry->cache != NULL)
            e = disk_entry_remove(disk, entry);
    LIST_EACH (entry, &dir->entries, struct dentry, in_dir) {
        entry->pending_count--;
        disk_dentry_check(disk->tree, entry);
    }
    return e;
}

static enum err put_dir(struct disk *disk, struct inode *dir, const uint8_t **at);

static enum err put_file(struct disk *disk, struct inode *inode, const uint8_t **at)
{
    uint64_t size = get_u64(*at);
    uint64_t written;
    const uint8_t *bytes = *at + 8;
    *at = bytes + size;
    if (size == 0)
        return ERR_NONE;
    enum err e = disk_file_write(disk->tree, inode, 0, bytes, size, &written);
    if (e == ERR_NONE)
        disk_mirror_write(disk->mirror, inode, 0, bytes, size);
    return e;
}

static enum err put_entry(struct disk *disk, struct inode *dir, const uint8_t **at)
{
    bool is_dir = **at == 'D';
    ASSERT(is_dir || **at == 'F');
    const char *name = (const char *)*at + 1;
    *at += 1 + strlen(name) + 1;
    struct inode *inode;
    struct place place = {.dir = dir, .name = name, .name_size = strlen(name)};
    enum err e = disk_place_make(disk, &place, is_dir, &inode);
    if (e != ERR_NONE)
        return e;
    return is_dir ? put_dir(disk, inode, at) : put_file(disk, inode, at);
}

static enum err put_dir(struct disk *disk, struct inode *dir, const uint8_t **at)
{
    enum err e = ERR_NONE;
    while (e == ERR_NONE && **at != 'E')
        e = put_entry(disk, dir, at);
    *at += e == ERR_NONE;
    return e;
}

enum err disk_image_put(struct disk *disk, const char *path, const struct disk_image *image)
{
    struct inode *dir;
    const uint8_t *at = (const uint8_t *)image->text.data;
    ASSERT(disk->handles.count == 0);
    enum err e = disk_make_dir(disk, path);
    if (e == ERR_NONE || e == ERR_EXISTS)
        e = disk_settle_all(disk->tree);
    if (e == ERR_NONE)
        e = disk_place_dir(disk->tree, path, &dir);
    if (e == ERR_NONE)
        e = empty(disk, dir);
    if (e == ERR_NONE)
        e = disk_settle_all(disk->tree);
    if (e == ERR_NONE)
        e = put_dir(disk, dir, &at);
    return e == ERR_NONE ? disk_settle_all(disk->tree) : e;
}

enum err disk_wipe(struct disk *disk)
{
    ASSERT(disk->handles.count == 0);
    enum err e = disk_settle_all(disk->tree);
    if (e == ERR_NONE)
        e = empty(disk, disk->tree->root);
    return e == ERR_NONE ? disk_settle_all(disk->tree) : e;
}
