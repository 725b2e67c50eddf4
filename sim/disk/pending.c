/* pending.c - what was done and is not durable: how it comes about, and how it becomes durable in
 * an order that the personality allows. It chooses nothing; crash.c does. */
#include "disk/tree.h"

#define PAGE DISK_PAGE_SIZE

static bool metadata_ordered(const struct tree *tree)
{
    return tree->personality != DISK_POSIX;
}

/* A truncate stands among the changes of entries where the file system journals both. */
static bool truncates_ordered(const struct tree *tree)
{
    return tree->personality == DISK_EXT4 || tree->personality == DISK_XFS;
}

const uint8_t *disk_record_bytes(const struct record *record)
{
    ASSERT(record->kind == RECORD_DATA);
    if (record->own != NULL)
        return record->own;
    const struct page *page = disk_page_find(record->inode, record->offset / PAGE);
    ASSERT(!page->split);
    return page->cache + record->offset % PAGE;
}

static void record_init(struct tree *tree, struct record *r, enum record_kind kind,
                        struct inode *inode, uint64_t sequence)
{
    r->kind = (uint8_t)kind;
    r->inode = inode;
    r->sequence = sequence;
    list_init(&r->in_tree);
    list_init(&r->in_metadata);
    list_init(&r->in_inode);
    list_push_back(&tree->pending, &r->in_tree);
    bool ordered = kind == RECORD_CHANGE     ? metadata_ordered(tree)
                   : kind == RECORD_TRUNCATE ? truncates_ordered(tree)
                                             : false;
    if (ordered)
        list_push_back(&tree->metadata, &r->in_metadata);
    if (kind != RECORD_CHANGE)
        list_push_back(&inode->pending, &r->in_inode);
    tree->pending_count++;
}

/* Data records leave a page in the order in which they came, except when a whole file is dropped:
 * then its list is dropped from the front too. */
static void page_forget(struct record *r)
{
    struct page *page = disk_page_find(r->inode, r->offset / PAGE);
    ASSERT(page->first == r);
    page->first = r->page_next;
    if (page->first == NULL)
        page->last = NULL;
}

void disk_record_drop(struct tree *tree, struct record *r)
{
    if (r->kind == RECORD_DATA && r->inode != NULL)
        page_forget(r);
    if (r->kind == RECORD_TRUNCATE && r->inode != NULL && --r->inode->truncate_count == 0)
        r->inode->size_high = 0;
    list_remove(&r->in_tree);
    list_remove(&r->in_metadata);
    list_remove(&r->in_inode);
    tree->pending_count--;
    mem_free(tree->mem, r->own);
    mem_free(tree->mem,
             r->kind == RECORD_CHANGE ? (void *)CONTAINER_OF(r, struct change, record) : (void *)r);
}

/* ---- doing ---- */

/* The background writeback of a kernel. Without memory it waits for the next call. */
static void trim(struct tree *tree)
{
    while (tree->pending_count > tree->pending_max) {
        if (disk_settle_oldest(tree) != ERR_NONE)
            return;
    }
}

/* The sectors that a write covers, and those behind the end of the file, are whole again once it is
 * durable. */
static void heal(struct tree *tree, struct inode *inode, uint64_t from, uint64_t to, uint64_t seq)
{
    for (int i = 0; i < inode->bad_count; i++) {
        uint64_t begin = inode->bad[i].sector * tree->sector_size;
        uint64_t end = begin + tree->sector_size;
        if (from <= begin && (to >= end || to >= inode->size))
            inode->bad[i].healed = seq;
    }
}

/* Bytes to note as pending: those written or, on a page whose writeback failed, all of the page,
 * which is dirty again. */
struct range {
    uint64_t from, to;
    bool grows;
};

static struct range range_of(const struct inode *inode, const struct page *page, uint64_t offset,
                             uint64_t n)
{
    struct range r = {.from = offset, .to = offset + n, .grows = false};
    if (page->diverged) {
        uint64_t page_begin = offset / PAGE * PAGE;
        r.from = page_begin;
        r.to = MAX(r.to, MIN(inode->size, page_begin + PAGE));
    }
    r.grows = r.to > inode->size_to_be;
    return r;
}

static struct record *data_new(struct tree *tree, struct inode *inode, struct page *page,
                               struct range range, uint64_t sequence)
{
    struct record *r = mem_zalloc(tree->mem, sizeof *r);
    uint32_t size = (uint32_t)(range.to - range.from);
    if (r != NULL && page->split) {
        r->own = mem_alloc(tree->mem, size);
        if (r->own == NULL) {
            mem_free(tree->mem, r);
            r = NULL;
        }
    }
    if (r == NULL)
        return NULL;
    record_init(tree, r, RECORD_DATA, inode, sequence);
    r->offset = range.from;
    r->size = size;
    r->grows = range.grows;
    if (page->last != NULL)
        page->last->page_next = r;
    else
        page->first = r;
    page->last = r;
    return r;
}

/* Within one page. */
static enum err write_piece(struct tree *tree, struct inode *inode, uint64_t offset,
                            const uint8_t *data, uint64_t n, uint64_t sequence)
{
    uint64_t index = offset / PAGE;
    enum err e = disk_pages_extend(tree, inode, index + 1);
    if (e == ERR_NONE && offset < MAX(inode->size_high, MAX(inode->size, inode->media_size)))
        e = disk_page_split(tree, inode, index);
    struct page *page = disk_page_find(inode, index);
    bool fresh = page != NULL && page->cache == NULL;
    if (e == ERR_NONE)
        e = disk_page_cover_cache(tree, page, offset % PAGE, n);
    if (e != ERR_NONE)
        return e;
    struct range range = range_of(inode, page, offset, n);
    struct record *r = data_new(tree, inode, page, range, sequence);
    if (r == NULL && fresh)
        memset(page->cache + offset % PAGE, 0, n);
    if (r == NULL)
        return ERR_NOMEM;
    memcpy(page->cache + offset % PAGE, data, n);
    if (r->own != NULL)
        memcpy(r->own, page->cache + r->offset % PAGE, r->size);
    inode->size = MAX(inode->size, offset + n);
    inode->size_to_be = MAX(inode->size_to_be, range.to);
    page->diverged = false;
    if (inode->bad_count > 0)
        heal(tree, inode, offset, offset + n, sequence);
    return ERR_NONE;
}

enum err disk_file_write(struct tree *tree, struct inode *inode, uint64_t offset,
                         const uint8_t *data, uint64_t size, uint64_t *written)
{
    ASSERT(!inode->is_dir);
    uint64_t sequence = ++tree->sequence;
    *written = 0;
    enum err e = ERR_NONE;
    while (e == ERR_NONE && *written < size) {
        uint64_t n = MIN(size - *written, PAGE - offset % PAGE);
        e = write_piece(tree, inode, offset, data + *written, n, sequence);
        if (e != ERR_NONE)
            break;
        *written += n;
        offset += n;
    }
    trim(tree);
    return e;
}

enum err disk_file_truncate(struct tree *tree, struct inode *inode, uint64_t size)
{
    ASSERT(!inode->is_dir);
    if (size == inode->size && size == inode->size_to_be)
        return ERR_NONE;
    struct record *r = mem_zalloc(tree->mem, sizeof *r);
    if (r == NULL)
        return ERR_NOMEM;
    enum err e = size < inode->size ? disk_pages_cut(tree, inode, size) : ERR_NONE;
    if (e != ERR_NONE) {
        mem_free(tree->mem, r);
        return e;
    }
    if (size < inode->size)
        memset(inode->notes, 0, sizeof inode->notes);
    record_init(tree, r, RECORD_TRUNCATE, inode, ++tree->sequence);
    r->offset = size;
    inode->truncate_count++;
    inode->size_high = MAX(inode->size_high, MAX(inode->size, size));
    inode->size = inode->size_to_be = size;
    if (inode->bad_count > 0)
        heal(tree, inode, size, UINT64_MAX, r->sequence);
    trim(tree);
    return ERR_NONE;
}

void disk_file_measure(struct inode *inode)
{
    inode->size_to_be = inode->media_size;
    LIST_EACH (r, &inode->pending, struct record, in_inode) {
        uint64_t end = r->kind == RECORD_TRUNCATE ? r->offset : r->offset + r->size;
        r->grows = r->kind == RECORD_DATA && end > inode->size_to_be;
        if (r->kind == RECORD_TRUNCATE || r->grows)
            inode->size_to_be = end;
    }
}

/* ---- changes of entries ---- */

static void pin_entry(struct change *change, struct change_link *at, struct dentry *dentry)
{
    at->change = change;
    list_init(&at->link);
    if (dentry == NULL)
        return;
    dentry->pending_count++;
    disk_inode_pin(dentry->dir);
    bool both = at == &change->in_to && change->from != NULL && change->from->dir == dentry->dir;
    if (!both)
        list_push_back(&dentry->dir->changes, &at->link);
}

static void unpin_entry(struct tree *tree, struct dentry *dentry)
{
    if (dentry == NULL)
        return;
    struct inode *dir = dentry->dir;
    dentry->pending_count--;
    disk_dentry_check(tree, dentry);
    disk_inode_unpin(tree, dir);
}

struct change *disk_change_new(struct tree *tree)
{
    return mem_zalloc(tree->mem, sizeof(struct change));
}

void disk_tree_change(struct tree *tree, struct change *c, struct dentry *from, struct dentry *to,
                      struct inode *inode)
{
    ASSERT(from != NULL || to != NULL);
    ASSERT(from == NULL || from->cache == inode);
    record_init(tree, &c->record, RECORD_CHANGE, inode, ++tree->sequence);
    c->from = from;
    c->to = to;
    c->replaces = to != NULL && to->cache != NULL && !to->cache->is_dir;
    pin_entry(c, &c->in_from, from);
    pin_entry(c, &c->in_to, to);
    disk_inode_pin(inode);
    if (from != NULL)
        disk_dentry_set_cache(tree, from, NULL);
    if (to != NULL)
        disk_dentry_set_cache(tree, to, inode);
    trim(tree);
}

/* ---- becoming durable ---- */

static void change_durable(struct tree *tree, struct change *c)
{
    struct dentry *from = c->from;
    struct dentry *to = c->to;
    struct inode *inode = c->record.inode;
    list_remove(&c->in_from.link);
    list_remove(&c->in_to.link);
    disk_record_drop(tree, &c->record);
    if (from != NULL)
        disk_dentry_set_media(tree, from, NULL);
    if (to != NULL)
        disk_dentry_set_media(tree, to, inode);
    unpin_entry(tree, from);
    unpin_entry(tree, to);
    disk_inode_unpin(tree, inode);
}

static void healed(struct inode *inode, uint64_t sequence)
{
    int kept = 0;
    for (int i = 0; i < inode->bad_count; i++)
        if (inode->bad[i].healed != sequence)
            inode->bad[kept++] = inode->bad[i];
    inode->bad_count = kept;
}

enum err disk_settle_data(struct tree *tree, struct record *r)
{
    struct inode *inode = r->inode;
    struct page *page = disk_page_find(inode, r->offset / PAGE);
    if (page->split) {
        enum err e = disk_page_need_media(tree, page);
        if (e != ERR_NONE)
            return e;
        memcpy(page->media + r->offset % PAGE, r->own, r->size);
    }
    inode->media_size = MAX(inode->media_size, r->offset + r->size);
    if (inode->bad_count > 0)
        healed(inode, r->sequence);
    disk_record_drop(tree, r);
    disk_page_merge(tree, inode, page);
    return ERR_NONE;
}

/* MEDIA loses what stands behind the new end; shared pages hold nothing durable there. */
static void truncate_durable(struct tree *tree, struct record *r)
{
    struct inode *inode = r->inode;
    uint64_t size = r->offset;
    if (size < inode->media_size) {
        for (uint64_t i = MAX(size / PAGE, inode->split_low); i < inode->split_end; i++) {
            struct page *page = &inode->pages[i];
            uint64_t keep = size > i * PAGE ? size - i * PAGE : 0;
            if (keep == 0)
                disk_page_drop_media(tree, page);
            else if (keep < PAGE)
                disk_page_zero_media(page, keep);
        }
    }
    inode->media_size = size;
    if (inode->bad_count > 0)
        healed(inode, r->sequence);
    disk_record_drop(tree, r);
    if (inode->truncate_count == 0)
        disk_pages_merge(tree, inode);
}

static enum err settle_metadata(struct tree *tree, uint64_t sequence);

static enum err settle_first(struct tree *tree, struct record *r)
{
    if (r->kind == RECORD_DATA)
        return disk_settle_data(tree, r);
    ASSERT(r->kind == RECORD_TRUNCATE);
    if (list_linked(&r->in_metadata))
        return settle_metadata(tree, r->sequence);
    truncate_durable(tree, r);
    return ERR_NONE;
}

enum err disk_settle_file(struct tree *tree, struct inode *inode, uint64_t sequence)
{
    enum err e = ERR_NONE;
    disk_inode_pin(inode);
    while (e == ERR_NONE && !list_empty(&inode->pending)) {
        struct record *r = LIST_FIRST(&inode->pending, struct record, in_inode);
        if (r->sequence > sequence)
            break;
        e = settle_first(tree, r);
    }
    disk_inode_unpin(tree, inode);
    return e;
}

/* The data that must come before a change or truncate of ordered metadata. */
static bool carries_data(const struct tree *tree, struct record *r)
{
    if (r->kind == RECORD_TRUNCATE)
        return true;
    const struct change *c = CONTAINER_OF(r, struct change, record);
    return tree->personality == DISK_EXT4 && c->replaces && c->from != NULL;
}

static enum err settle_metadata(struct tree *tree, uint64_t sequence)
{
    while (!list_empty(&tree->metadata)) {
        struct record *r = LIST_FIRST(&tree->metadata, struct record, in_metadata);
        if (r->sequence > sequence)
            break;
        if (carries_data(tree, r)) {
            enum err e = disk_settle_file(tree, r->inode, r->sequence - 1);
            if (e != ERR_NONE)
                return e;
        }
        if (r->kind == RECORD_TRUNCATE)
            truncate_durable(tree, r);
        else
            change_durable(tree, CONTAINER_OF(r, struct change, record));
    }
    return ERR_NONE;
}

static bool touches(const struct change *c, const struct dentry *dentry)
{
    return dentry != NULL && (c->from == dentry || c->to == dentry);
}

/* The oldest change in dir that is older than c and changes an entry that c changes too. */
static struct change *older(const struct change *c, const struct dentry *dentry)
{
    if (dentry == NULL)
        return NULL;
    LIST_EACH (at, &dentry->dir->changes, struct change_link, link) {
        if (at->change->record.sequence >= c->record.sequence)
            return NULL;
        if (touches(at->change, dentry))
            return at->change;
    }
    return NULL;
}

/* Where nothing is ordered, only the earlier changes of the same entries come first. */
static void settle_change(struct tree *tree, struct change *c)
{
    struct change *first;
    while ((first = older(c, c->from)) != NULL || (first = older(c, c->to)) != NULL)
        settle_change(tree, first);
    change_durable(tree, c);
}

enum err disk_settle_dir(struct tree *tree, struct inode *dir, uint64_t sequence)
{
    enum err e = ERR_NONE;
    disk_inode_pin(dir);
    while (e == ERR_NONE && !list_empty(&dir->changes)) {
        struct change *c = LIST_FIRST(&dir->changes, struct change_link, link)->change;
        if (c->record.sequence > sequence)
            break;
        if (metadata_ordered(tree))
            e = settle_metadata(tree, c->record.sequence);
        else
            settle_change(tree, c);
    }
    disk_inode_unpin(tree, dir);
    return e;
}

enum err disk_settle_record(struct tree *tree, struct record *r)
{
    if (r->kind != RECORD_CHANGE)
        return disk_settle_file(tree, r->inode, r->sequence);
    if (metadata_ordered(tree))
        return settle_metadata(tree, r->sequence);
    settle_change(tree, CONTAINER_OF(r, struct change, record));
    return ERR_NONE;
}

enum err disk_settle_oldest(struct tree *tree)
{
    struct record *r = LIST_FIRST(&tree->pending, struct record, in_tree);
    ASSERT(r != NULL);
    return disk_settle_record(tree, r);
}

/* Pages behind the new end that only MEDIA still holds. */
static bool truncate_frees(const struct record *r)
{
    const struct inode *inode = r->inode;
    for (uint64_t i = MAX(r->offset / PAGE, inode->split_low); i < inode->split_end; i++) {
        const struct page *page = &inode->pages[i];
        if (i * PAGE >= r->offset && page->media != NULL && page->cache == NULL)
            return true;
    }
    return false;
}

static bool frees(struct record *r)
{
    if (r->kind != RECORD_CHANGE)
        return r->kind == RECORD_TRUNCATE && truncate_frees(r);
    const struct change *c = CONTAINER_OF(r, struct change, record);
    return c->replaces || (c->to == NULL && !r->inode->is_dir);
}

enum err disk_settle_space(struct tree *tree)
{
    LIST_EACH (r, &tree->pending, struct record, in_tree)
        if (frees(r))
            return disk_settle_record(tree, r);
    return ERR_NOTFOUND;
}

enum err disk_settle_all(struct tree *tree)
{
    enum err e = ERR_NONE;
    while (e == ERR_NONE && !list_empty(&tree->pending))
        e = disk_settle_oldest(tree);
    return e;
}
