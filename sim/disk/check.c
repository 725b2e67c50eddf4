/* check.c - what must be true of the three images at any moment. It changes nothing. */
#include "disk/tree.h"

#define PAGE DISK_PAGE_SIZE

static bool zero(const uint8_t *bytes, uint64_t from)
{
    for (uint64_t i = from; bytes != NULL && i < PAGE; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

/* Bytes of page index that stand before offset. */
static uint64_t before(uint64_t offset, uint64_t index)
{
    return offset > index * PAGE ? MIN(offset - index * PAGE, PAGE) : 0;
}

/* Shared: what is pending stands behind what is durable, in order, and in CACHE alone. */
static void check_shared(const struct inode *inode, const struct page *page)
{
    uint64_t end = inode->media_size;
    ASSERT(page->media == NULL);
    ASSERT(!page->diverged);
    for (const struct record *r = page->first; r != NULL; r = r->page_next) {
        ASSERT(r->offset >= end);
        end = r->offset + r->size;
    }
}

static void check_split(const struct inode *inode, const struct page *page, uint64_t index)
{
    ASSERT(index >= inode->split_low);
    ASSERT(index < inode->split_end);
    ASSERT(zero(page->media, before(inode->media_size, index)));
    for (const struct record *r = page->first; r != NULL; r = r->page_next)
        ASSERT(r->own != NULL);
}

static void media_page(const struct inode *inode, const struct page *page, uint64_t index,
                       uint8_t *out)
{
    const uint8_t *from = page->split ? page->media : page->cache;
    memset(out, 0, PAGE);
    if (from != NULL)
        memcpy(out, from, before(inode->media_size, index));
}

/* What is durable and then all that is pending is what reads see. */
static void check_replay(const struct inode *inode, const struct page *page, uint64_t index)
{
    static const uint8_t zeros[PAGE];
    uint8_t bytes[PAGE];
    media_page(inode, page, index, bytes);
    LIST_EACH (r, &inode->pending, struct record, in_inode) {
        uint64_t keep = before(r->offset, index);
        if (r->kind == RECORD_TRUNCATE)
            memset(bytes + keep, 0, PAGE - keep);
        else if (r->offset / PAGE == index)
            memcpy(bytes + r->offset % PAGE, disk_record_bytes(r), r->size);
    }
    ASSERT(memcmp(bytes, page->cache == NULL ? zeros : page->cache, PAGE) == 0);
}

static void check_pending(const struct inode *inode)
{
    int32_t truncate_count = 0;
    uint64_t sequence = 0;
    uint64_t size = inode->media_size;
    LIST_EACH (r, &inode->pending, struct record, in_inode) {
        bool is_data = r->kind == RECORD_DATA;
        ASSERT(r->inode == inode);
        ASSERT(r->sequence >= sequence);
        sequence = r->sequence;
        truncate_count += !is_data;
        if (!is_data)
            size = r->offset;
        else if (r->grows)
            size = MAX(size, r->offset + r->size);
    }
    ASSERT(truncate_count == inode->truncate_count);
    ASSERT(size == inode->size_to_be);
    ASSERT(size <= inode->size);
}

static void check_file(const struct inode *inode, uint64_t *pages_used)
{
    for (uint64_t i = 0; i < inode->page_count; i++) {
        const struct page *page = &inode->pages[i];
        *pages_used += page->cache != NULL || page->media != NULL;
        ASSERT((page->first == NULL) == (page->last == NULL));
        ASSERT(zero(page->cache, before(inode->size, i)));
        disk_page_check(page);
        if (page->split)
            check_split(inode, page, i);
        else
            check_shared(inode, page);
        if (!page->diverged)
            check_replay(inode, page, i);
    }
    check_pending(inode);
}

static void check_dir(const struct inode *dir)
{
    int32_t child_count = 0;
    LIST_EACH (entry, &dir->entries, struct dentry, in_dir) {
        ASSERT(entry->dir == dir);
        ASSERT(entry->cache != NULL || entry->media != NULL || entry->pending_count > 0);
        ASSERT(entry->cache == NULL || entry->cache->name == entry);
        child_count += entry->cache != NULL;
    }
    ASSERT(child_count == dir->child_count);
}

void disk_check(const struct disk *disk)
{
    const struct tree *tree = disk->tree;
    uint64_t pages_used = 0;
    int32_t pending_count = 0;
    LIST_EACH (inode, &tree->inodes.order, struct inode, node.order) {
        ASSERT(inode->handle_count > 0 || inode->link_count > 0 || inode->pin_count > 0);
        if (inode->is_dir)
            check_dir(inode);
        else
            check_file(inode, &pages_used);
    }
    LIST_EACH (r, &tree->pending, struct record, in_tree)
        pending_count += r->sequence <= tree->sequence;
    ASSERT(pending_count == tree->pending_count);
    ASSERT(pages_used == tree->pages_used);
}
