/* damage.c - what goes wrong with what is at rest: a bit that flips, a sector that cannot be read,
 * a page that was written elsewhere or never, a file that somebody else removes. */
#include "disk/tree.h"

#define PAGE DISK_PAGE_SIZE

/* The file and its page, where offset is durable. */
static enum err find_durable(struct disk *disk, const char *path, uint64_t offset,
                             struct inode **out)
{
    enum err e = disk_place_file(disk->tree, path, out);
    if (e != ERR_NONE)
        return e;
    if (offset >= (*out)->media_size)
        return ERR_RANGE;
    return disk_pages_extend(disk->tree, *out, offset / PAGE + 1);
}

/* Newer bytes lie over it in CACHE, be they the zeros behind a cut. */
static bool hidden(const struct inode *inode, const struct page *page, uint64_t offset)
{
    if (page->diverged || offset >= inode->size)
        return true;
    LIST_EACH (r, &inode->pending, struct record, in_inode) {
        bool is_data = r->kind == RECORD_DATA;
        if (r->offset <= offset && (!is_data || offset < r->offset + r->size))
            return true;
    }
    return false;
}

enum err disk_flip(struct disk *disk, const char *path, uint64_t offset, int bit)
{
    struct inode *inode;
    ASSERT(bit >= 0);
    ASSERT(bit < 8);
    enum err e = find_durable(disk, path, offset, &inode);
    if (e != ERR_NONE)
        return e;
    struct page *page = disk_page_find(inode, offset / PAGE);
    uint8_t flip = (uint8_t)(1 << bit);
    bool show = !hidden(inode, page, offset);
    if (page->split)
        e = disk_page_need_media(disk->tree, page);
    if (e == ERR_NONE && show)
        e = disk_page_need_cache(disk->tree, page);
    if (e != ERR_NONE)
        return e;
    if (page->split)
        page->media[offset % PAGE] ^= flip;
    if (!show)
        return ERR_NONE;
    page->cache[offset % PAGE] ^= flip;
    disk_mirror_write(disk->mirror, inode, offset, &page->cache[offset % PAGE], 1);
    return ERR_NONE;
}

enum err disk_break(struct disk *disk, const char *path, uint64_t offset)
{
    struct inode *inode;
    enum err e = find_durable(disk, path, offset, &inode);
    if (e != ERR_NONE)
        return e;
    uint64_t sector = offset / disk->options.sector_size;
    for (int i = 0; i < inode->bad_count; i++) {
        if (inode->bad[i].sector != sector)
            continue;
        inode->bad[i].healed = 0;
        return ERR_NONE;
    }
    if (inode->bad_count == DISK_BAD_SECTORS_MAX)
        return ERR_LIMIT;
    if (inode->bad == NULL)
        inode->bad = mem_array(disk->mem, DISK_BAD_SECTORS_MAX, sizeof *inode->bad);
    if (inode->bad == NULL)
        return ERR_NOMEM;
    inode->bad[inode->bad_count++] = (struct bad_sector){.sector = sector};
    return ERR_NONE;
}

enum err disk_vanish(struct disk *disk, const char *path)
{
    struct place place;
    enum err e = disk_place_named(disk->tree, path, &place);
    if (e != ERR_NONE)
        return e;
    e = disk_entry_remove(disk, place.entry);
    return e != ERR_NONE ? e : disk_settle_dir(disk->tree, place.dir, disk->tree->sequence);
}

/* ---- writes that went elsewhere, or nowhere ---- */

/* The durable bytes of the page of offset; how many there are. */
static uint64_t durable_bytes(const struct inode *inode, uint64_t offset, uint8_t bytes[PAGE])
{
    const struct page *page = disk_page_find(inode, offset / PAGE);
    uint64_t start = offset / PAGE * PAGE;
    uint64_t size = MIN(inode->media_size - start, PAGE);
    const uint8_t *media = page == NULL ? NULL : page->split ? page->media : page->cache;
    memset(bytes, 0, PAGE);
    if (media != NULL)
        memcpy(bytes, media, size);
    return size;
}

/* They become these, and reads show it wherever nothing newer lies over them. */
static enum err put_durable(struct disk *disk, struct inode *inode, uint64_t offset,
                            const uint8_t *bytes, uint64_t size)
{
    uint64_t start = offset / PAGE * PAGE;
    struct page *page = disk_page_find(inode, offset / PAGE);
    enum err e = disk_page_need_cache(disk->tree, page);
    if (e == ERR_NONE && page->split)
        e = disk_page_need_media(disk->tree, page);
    for (uint64_t i = 0; i < size && e == ERR_NONE; i++) {
        bool show = !hidden(inode, page, start + i);
        if (page->split)
            page->media[i] = bytes[i];
        if (show)
            page->cache[i] = bytes[i];
    }
    if (e == ERR_NONE)
        disk_mirror_write(disk->mirror, inode, start, page->cache, MIN(size, inode->size - start));
    return e;
}

enum err disk_stale(struct disk *disk, const char *path, uint64_t offset)
{
    static const uint8_t nothing[PAGE];
    uint8_t there[PAGE];
    struct inode *inode;
    enum err e = find_durable(disk, path, offset, &inode);
    if (e != ERR_NONE)
        return e;
    uint64_t size = durable_bytes(inode, offset, there);
    if (memcmp(there, nothing, size) == 0)
        return ERR_RANGE;
    return put_durable(disk, inode, offset, nothing, size);
}

enum err disk_misdirect(struct disk *disk, const char *path, uint64_t offset, uint64_t to)
{
    uint8_t bytes[PAGE], there[PAGE];
    struct inode *inode;
    enum err e = find_durable(disk, path, offset, &inode);
    if (e == ERR_NONE)
        e = find_durable(disk, path, to, &inode);
    if (e != ERR_NONE)
        return e;
    (void)durable_bytes(inode, offset, bytes);
    uint64_t size = durable_bytes(inode, to, there);
    if (memcmp(bytes, there, size) == 0)
        return ERR_RANGE;
    e = put_durable(disk, inode, to, bytes, size);
    return e != ERR_NONE ? e : disk_stale(disk, path, offset);
}
