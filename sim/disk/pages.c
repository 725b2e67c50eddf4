/* pages.c - the bytes of a file by pages, shared between CACHE and MEDIA until they differ. It
 * knows nothing of what is pending but who must keep its own bytes. */
#include "disk/tree.h"

#define PAGE DISK_PAGE_SIZE
#define PAGES_MIN 4 /* of a table */

static bool occupied(const struct page *page)
{
    return page->cache != NULL || page->media != NULL;
}

static enum err need(struct tree *tree, struct page *page, uint8_t **which)
{
    page->digest = 0; /* who needs it writes to it */
    if (*which != NULL)
        return ERR_NONE;
    bool was = occupied(page);
    *which = mem_zalloc(tree->mem, PAGE);
    if (*which == NULL)
        return ERR_NOMEM;
    tree->pages_used += !was;
    return ERR_NONE;
}

static void drop(struct tree *tree, struct page *page, uint8_t **which)
{
    if (*which == NULL)
        return;
    mem_free(tree->mem, *which);
    *which = NULL;
    page->digest = 0;
    tree->pages_used -= !occupied(page);
}

enum err disk_page_need_cache(struct tree *tree, struct page *page)
{
    return need(tree, page, &page->cache);
}

enum err disk_page_cover_cache(struct tree *tree, struct page *page, uint64_t from, uint64_t size)
{
    ASSERT(from + size <= PAGE);
    if (page->cache != NULL)
        return need(tree, page, &page->cache);
    bool was = occupied(page);
    page->digest = 0;
    page->cache = mem_alloc(tree->mem, PAGE);
    if (page->cache == NULL)
        return ERR_NOMEM;
    memset(page->cache, 0, from);
    memset(page->cache + from + size, 0, PAGE - from - size);
    tree->pages_used += !was;
    return ERR_NONE;
}

void disk_page_zero_cache(struct page *page, uint64_t from)
{
    ASSERT(from <= PAGE);
    page->digest = 0;
    if (page->cache != NULL)
        memset(page->cache + from, 0, PAGE - from);
}

void disk_page_zero_media(struct page *page, uint64_t from)
{
    ASSERT(from <= PAGE);
    page->digest = 0;
    if (page->media != NULL)
        memset(page->media + from, 0, PAGE - from);
}

enum err disk_page_need_media(struct tree *tree, struct page *page)
{
    ASSERT(page->split);
    return need(tree, page, &page->media);
}

void disk_page_drop_cache(struct tree *tree, struct page *page)
{
    drop(tree, page, &page->cache);
}

void disk_page_drop_media(struct tree *tree, struct page *page)
{
    drop(tree, page, &page->media);
}

enum err disk_pages_extend(struct tree *tree, struct inode *inode, uint64_t count)
{
    uint64_t old = inode->page_count;
    if (count <= old)
        return ERR_NONE;
    uint64_t grown = MAX(MAX(count, old + old / 2), PAGES_MIN);
    struct page *pages = mem_realloc(tree->mem, inode->pages, grown * sizeof *pages);
    if (pages == NULL)
        return ERR_NOMEM;
    memset(pages + old, 0, (grown - old) * sizeof *pages);
    inode->pages = pages;
    inode->page_count = grown;
    return ERR_NONE;
}

void disk_pages_free(struct tree *tree, struct inode *inode)
{
    for (uint64_t i = 0; i < inode->page_count; i++) {
        disk_page_drop_cache(tree, &inode->pages[i]);
        disk_page_drop_media(tree, &inode->pages[i]);
    }
    mem_free(tree->mem, inode->pages);
    inode->pages = NULL;
    inode->page_count = 0;
}

void disk_pages_read(const struct inode *inode, uint64_t offset, uint8_t *buffer, uint64_t size)
{
    while (size > 0) {
        uint64_t n = MIN(size, PAGE - offset % PAGE);
        const struct page *page = disk_page_find(inode, offset / PAGE);
        if (page != NULL && page->cache != NULL)
            memcpy(buffer, page->cache + offset % PAGE, n);
        else
            memset(buffer, 0, n);
        offset += n;
        buffer += n;
        size -= n;
    }
}

/* Gives each pending record of the page the bytes that CACHE may soon lose. */
static enum err keep_records(struct tree *tree, struct page *page)
{
    for (struct record *r = page->first; r != NULL; r = r->page_next) {
        if (r->own != NULL)
            continue;
        r->own = mem_alloc(tree->mem, r->size);
        if (r->own == NULL)
            return ERR_NOMEM;
        memcpy(r->own, page->cache + r->offset % PAGE, r->size);
    }
    return ERR_NONE;
}

/* Bytes of the page that MEDIA shares with CACHE. */
static uint64_t durable_in(const struct inode *inode, uint64_t index)
{
    if (inode->media_size <= index * PAGE)
        return 0;
    return MIN(inode->media_size - index * PAGE, PAGE);
}

enum err disk_page_split(struct tree *tree, struct inode *inode, uint64_t index)
{
    struct page *page = disk_page_find(inode, index);
    ASSERT(page != NULL);
    if (page->split)
        return ERR_NONE;
    enum err e = keep_records(tree, page);
    if (e != ERR_NONE)
        return e;
    uint64_t durable = page->cache == NULL ? 0 : durable_in(inode, index);
    page->split = true;
    if (durable > 0 && disk_page_need_media(tree, page) != ERR_NONE) {
        page->split = false;
        return ERR_NOMEM;
    }
    if (durable > 0)
        memcpy(page->media, page->cache, durable);
    bool none = inode->split_low == inode->split_end;
    inode->split_low = none ? index : MIN(inode->split_low, index);
    inode->split_end = none ? index + 1 : MAX(inode->split_end, index + 1);
    return ERR_NONE;
}

void disk_page_merge(struct tree *tree, struct inode *inode, struct page *page)
{
    if (!page->split || page->first != NULL || page->diverged || inode->truncate_count > 0)
        return;
    disk_page_drop_media(tree, page);
    page->split = false;
}

void disk_pages_merge(struct tree *tree, struct inode *inode)
{
    uint64_t low = 0;
    uint64_t end = 0;
    for (uint64_t i = inode->split_low; i < inode->split_end; i++) {
        disk_page_merge(tree, inode, &inode->pages[i]);
        if (!inode->pages[i].split)
            continue;
        low = end == 0 ? i : low;
        end = i + 1;
    }
    inode->split_low = low;
    inode->split_end = end;
}

/* A hole is one in both images. */
static bool hole(const struct page *page)
{
    return page->cache == NULL && !page->split;
}

enum err disk_pages_cut(struct tree *tree, struct inode *inode, uint64_t size)
{
    uint64_t first = size / PAGE;
    for (uint64_t i = first; i < inode->page_count; i++) {
        enum err e = hole(&inode->pages[i]) ? ERR_NONE : disk_page_split(tree, inode, i);
        if (e != ERR_NONE)
            return e;
    }
    struct page *page = disk_page_find(inode, first);
    if (page != NULL && size % PAGE != 0) {
        disk_page_zero_cache(page, size % PAGE);
        first++;
    }
    for (uint64_t i = first; i < inode->page_count; i++) {
        disk_page_drop_cache(tree, &inode->pages[i]);
        inode->pages[i].diverged = false;
    }
    return ERR_NONE;
}

enum err disk_pages_put(struct tree *tree, struct inode *inode, uint64_t offset,
                        const uint8_t *data, uint64_t size)
{
    ASSERT(size > 0);
    enum err e = disk_pages_extend(tree, inode, (offset + size - 1) / PAGE + 1);
    while (e == ERR_NONE && size > 0) {
        uint64_t n = MIN(size, PAGE - offset % PAGE);
        struct page *page = disk_page_find(inode, offset / PAGE);
        e = disk_page_cover_cache(tree, page, offset % PAGE, n);
        if (e == ERR_NONE)
            memcpy(page->cache + offset % PAGE, data, n);
        offset += n;
        data += n;
        size -= n;
    }
    return e;
}
