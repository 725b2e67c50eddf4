/* digest.c - one number for what both images of a disk hold. It changes nothing but what it
 * remembers of pages. */
#include "disk/tree.h"

/* The checksum is what is cheapest for so many bytes that only ever differ by chance. */
static uint64_t digest_bytes(const uint8_t *bytes)
{
    return bytes == NULL ? 0 : 1ull << 32 | crc32c(0, bytes, DISK_PAGE_SIZE);
}

static uint64_t digest_page(const struct page *page)
{
    return hash_combine(digest_bytes(page->cache), digest_bytes(page->media)) | 1;
}

void disk_page_check(const struct page *page)
{
    ASSERT(page->digest == 0 || page->digest == digest_page(page));
}

/* A page that MEDIA shares is told by the file's two sizes (tree.h). */
static uint64_t digest_pages(uint64_t h, struct inode *inode)
{
    for (uint64_t i = 0; i < inode->page_count; i++) {
        struct page *page = &inode->pages[i];
        if (page->cache == NULL && page->media == NULL)
            continue;
        if (page->digest == 0)
            page->digest = digest_page(page);
        h = hash_combine(h + i, page->digest);
    }
    return h;
}

static uint64_t digest_file(uint64_t h, struct inode *inode)
{
    h = hash_combine(hash_combine(h, inode->size), inode->media_size);
    return digest_pages(hash_combine(h, (uint64_t)inode->modified_ms), inode);
}

static uint64_t id_of(const struct inode *inode)
{
    return inode == NULL ? 0 : inode->id;
}

static uint64_t digest_name(uint64_t h, const struct dentry *entry)
{
    h = hash_combine(hash_combine(h, entry->dir->id), hash_digest(entry->name, entry->name_size));
    return hash_combine(hash_combine(h, id_of(entry->cache)), id_of(entry->media));
}

uint64_t disk_digest(struct disk *disk)
{
    uint64_t h = 0;
    LIST_EACH (inode, &disk->tree->inodes.order, struct inode, node.order) {
        h = hash_combine(h, inode->id << 1 | inode->is_dir);
        if (!inode->is_dir)
            h = digest_file(h, inode);
    }
    LIST_EACH (entry, &disk->tree->names.order, struct dentry, node.order)
        h = digest_name(h, entry);
    return h;
}
