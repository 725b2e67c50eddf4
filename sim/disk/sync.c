/* sync.c - syncs of files and directories: what they cover, how they succeed, and how they fail. A
 * failed one leaves CACHE and MEDIA different with nothing pending between them. */
#include "disk/tree.h"

#define PAGE DISK_PAGE_SIZE
#define PAGE_FAILS_OF 2 /* one covered page in so many */

void disk_sync_begin(struct disk *disk, uint64_t file, struct disk_sync *sync)
{
    const struct inode *inode = disk_handle(disk, file)->inode;
    *sync = (struct disk_sync){.file = file, .inode = inode->id, .sequence = disk->tree->sequence};
}

enum err disk_sync_dir_begin(struct disk *disk, const char *path, struct disk_sync *sync)
{
    struct inode *dir;
    if (disk->handles.count >= (size_t)disk->options.files_max)
        return ERR_TOOMANY;
    enum err e = disk_place_dir(disk->tree, path, &dir);
    if (e != ERR_NONE)
        return e;
    *sync = (struct disk_sync){.inode = dir->id, .sequence = disk->tree->sequence};
    return ERR_NONE;
}

enum err disk_sync_finish(struct disk *disk, const struct disk_sync *sync)
{
    struct tree *tree = disk->tree;
    if (sync->file == 0) {
        struct hmap_node *node = hmap_find(&tree->inodes, hash_mix(sync->inode), &sync->inode);
        if (node == NULL)
            return ERR_NONE; /* removed meanwhile, and nothing of it is pending */
        return disk_settle_dir(tree, CONTAINER_OF(node, struct inode, node), sync->sequence);
    }
    struct handle *handle = disk_handle(disk, sync->file);
    enum err e = disk_settle_file(tree, handle->inode, sync->sequence);
    if (e != ERR_NONE)
        return e;
    bool told = handle->failures_seen == handle->inode->failures;
    handle->failures_seen = handle->inode->failures;
    return told ? ERR_NONE : ERR_IO;
}

/* ---- failing ---- */

/* A page that was written again since the sync began is dirty still, and so nothing of it is lost
 * yet. */
static bool can_fail(const struct record *r, uint64_t sequence)
{
    if (r->kind != RECORD_DATA)
        return false;
    const struct page *page = disk_page_find(r->inode, r->offset / PAGE);
    return page->last->sequence <= sequence;
}

struct failure {
    uint64_t key, sequence;
    uint64_t surely; /* this page */
};

static bool fails(const struct failure *f, const struct record *r)
{
    uint64_t index = r->offset / PAGE;
    return index == f->surely || random_chance(hash_combine(f->key, index), 1, PAGE_FAILS_OF);
}

/* The record of a page whose writeback failed: it counts as clean from now on. */
static enum err lose(struct tree *tree, struct record *r)
{
    struct inode *inode = r->inode;
    uint64_t index = r->offset / PAGE;
    enum err e = disk_page_split(tree, inode, index);
    if (e != ERR_NONE)
        return e;
    if (r->grows && tree->personality != DISK_XFS)
        inode->media_size = MAX(inode->media_size, r->offset + r->size);
    disk_record_drop(tree, r);
    disk_page_find(inode, index)->diverged = true;
    return ERR_NONE;
}

/* Truncates are metadata: they and what stands before them are written in good order. */
static uint64_t last_truncate(const struct inode *inode, uint64_t sequence)
{
    uint64_t last = 0;
    LIST_EACH (r, &inode->pending, struct record, in_inode)
        if (r->kind == RECORD_TRUNCATE && r->sequence <= sequence)
            last = r->sequence;
    return last;
}

static enum err fail_pages(struct tree *tree, struct inode *inode, struct failure *f)
{
    enum err e = disk_settle_file(tree, inode, last_truncate(inode, f->sequence));
    f->surely = UINT64_MAX;
    LIST_EACH (r, &inode->pending, struct record, in_inode)
        if (f->surely == UINT64_MAX && can_fail(r, f->sequence))
            f->surely = r->offset / PAGE;
    LIST_EACH (r, &inode->pending, struct record, in_inode) {
        if (e != ERR_NONE || r->sequence > f->sequence)
            break;
        if (!can_fail(r, f->sequence))
            e = disk_page_split(tree, inode, r->offset / PAGE);
        else if (fails(f, r))
            e = lose(tree, r);
        else
            e = disk_settle_data(tree, r);
    }
    disk_file_measure(inode);
    return e;
}

/* ---- failing where a file is at one version or another ---- */

static enum err show_media(struct tree *tree, struct page *page)
{
    page->diverged = false;
    if (page->media == NULL) {
        disk_page_drop_cache(tree, page);
        return ERR_NONE;
    }
    enum err e = disk_page_need_cache(tree, page);
    if (e == ERR_NONE)
        memcpy(page->cache, page->media, PAGE);
    return e;
}

static enum err split_all(struct tree *tree, struct inode *inode)
{
    enum err e = ERR_NONE;
    for (uint64_t i = 0; e == ERR_NONE && i < inode->page_count; i++)
        e = disk_page_split(tree, inode, i);
    return e;
}

/* Does again in CACHE what a pending record did. */
static enum err redo(struct tree *tree, struct record *r)
{
    struct inode *inode = r->inode;
    if (r->kind == RECORD_TRUNCATE) {
        enum err e = disk_pages_cut(tree, inode, r->offset);
        inode->size = r->offset;
        return e;
    }
    struct page *page = disk_page_find(inode, r->offset / PAGE);
    enum err e = disk_page_need_cache(tree, page);
    if (e != ERR_NONE)
        return e;
    memcpy(page->cache + r->offset % PAGE, r->own, r->size);
    inode->size = MAX(inode->size, r->offset + r->size);
    return ERR_NONE;
}

static enum err go_back(struct tree *tree, struct inode *inode, uint64_t sequence)
{
    enum err e = split_all(tree, inode);
    if (e != ERR_NONE)
        return e;
    LIST_EACH (r, &inode->pending, struct record, in_inode)
        if (r->sequence <= sequence)
            disk_record_drop(tree, r);
    for (uint64_t i = 0; e == ERR_NONE && i < inode->page_count; i++)
        e = show_media(tree, &inode->pages[i]);
    inode->size = inode->media_size;
    for (int i = 0; i < inode->bad_count; i++)
        if (inode->bad[i].healed <= sequence)
            inode->bad[i].healed = 0;
    LIST_EACH (r, &inode->pending, struct record, in_inode)
        if (e == ERR_NONE)
            e = redo(tree, r);
    disk_file_measure(inode);
    disk_pages_merge(tree, inode);
    return e;
}

enum err disk_sync_fail(struct disk *disk, const struct disk_sync *sync, uint64_t key, bool late)
{
    struct tree *tree = disk->tree;
    if (sync->file == 0)
        return ERR_IO;
    struct handle *handle = disk_handle(disk, sync->file);
    struct inode *inode = handle->inode;
    struct failure failure = {.key = key, .sequence = sync->sequence};
    enum err e;
    if (tree->personality == DISK_COW) {
        e = go_back(tree, inode, sync->sequence);
        disk_mirror_rewrite(disk->mirror, inode);
    } else {
        e = fail_pages(tree, inode, &failure);
    }
    if (e != ERR_NONE)
        return e;
    inode->failures++;
    if (late)
        return ERR_NONE;
    handle->failures_seen = inode->failures;
    return ERR_IO;
}

void disk_writeback(struct disk *disk, int32_t count)
{
    for (int32_t i = 0; i < count && !list_empty(&disk->tree->pending); i++)
        if (disk_settle_oldest(disk->tree) != ERR_NONE)
            return;
}

bool disk_writeback_any(struct disk *disk, uint64_t key)
{
    uint64_t count = 0;
    LIST_EACH (r, &disk->tree->pending, struct record, in_tree)
        count++;
    uint64_t skip = count == 0 ? 0 : random_below(key, count);
    LIST_EACH (r, &disk->tree->pending, struct record, in_tree)
        if (skip-- == 0)
            return disk_settle_record(disk->tree, r) == ERR_NONE;
    return false;
}

/* ---- what the cache forgets ---- */

/* A truncate that is not durable still hides what MEDIA has behind the end. */
static void cut_tail(const struct inode *inode, struct page *page, uint64_t index)
{
    uint64_t keep = inode->size > index * PAGE ? MIN(inode->size - index * PAGE, PAGE) : 0;
    if (keep < PAGE)
        disk_page_zero_cache(page, keep);
}

static void evict_file(struct disk *disk, struct inode *inode)
{
    bool changed = false;
    for (uint64_t i = inode->split_low; i < inode->split_end; i++) {
        struct page *page = &inode->pages[i];
        if (!page->diverged || page->first != NULL)
            continue;
        if (show_media(disk->tree, page) != ERR_NONE)
            return;
        cut_tail(inode, page, i);
        disk_page_merge(disk->tree, inode, page);
        changed = true;
    }
    if (changed)
        disk_mirror_rewrite(disk->mirror, inode);
}

void disk_evict(struct disk *disk)
{
    LIST_EACH (inode, &disk->tree->inodes.order, struct inode, node.order)
        if (!inode->is_dir)
            evict_file(disk, inode);
}
