/* crash.c - what a power loss leaves: which of the pending operations survive, by the personality's
 * edges, and which of the surviving pages are torn. It builds a new tree and leaves the old one. */
#include "disk/tree.h"

#define PAGE DISK_PAGE_SIZE

/* ---- choosing: which operations one would like to keep ---- */

enum mood { MOOD_NOTHING, MOOD_ALL, MOOD_OLDEST, MOOD_FILES, MOOD_EACH, MOOD_COUNT };
static const uint32_t mood_weights[MOOD_COUNT] = {2, 1, 3, 2, 6};

enum tear {
    TEAR_NOT,
    TEAR_PREFIX,
    TEAR_SUFFIX,
    TEAR_SOME,    /* any of its sectors */
    TEAR_ALL,     /* none of its sectors */
    TEAR_GARBAGE, /* one sector is neither old nor new */
    TEAR_COUNT
};

/* Either a set of choices, to enumerate, or a key. */
struct luck {
    bool listed;
    uint32_t choices, kept; /* bit i: the i-th choice */
    int index;
    uint64_t key;
    enum mood mood;
    uint64_t oldest; /* sequence up to which MOOD_OLDEST keeps */
    uint64_t chance; /* of 8, in MOOD_EACH */
    uint32_t tears[TEAR_COUNT];
};

static void luck_draw(struct luck *luck, const struct tree *tree, uint64_t key)
{
    *luck = (struct luck){.key = key};
    luck->mood = (enum mood)random_weighted(hash_combine(key, 1), mood_weights, MOOD_COUNT);
    uint64_t below = random_below(hash_combine(key, 2), (uint64_t)tree->pending_count + 1);
    LIST_EACH (r, &tree->pending, struct record, in_tree)
        if (below > 0 && below-- > 0)
            luck->oldest = r->sequence;
    luck->chance = 1 + 2 * random_below(hash_combine(key, 3), 4);
    for (int i = 0; i < TEAR_COUNT; i++)
        luck->tears[i] = 1 + (uint32_t)random_below(hash_combine(key, 8 + (uint64_t)i), 8);
    luck->tears[TEAR_NOT] *= 3;
}

enum choice_kind { CHOICE_DATA, CHOICE_SIZE, CHOICE_OTHER };

static uint64_t record_key(const struct luck *luck, const struct record *r, uint64_t use)
{
    uint64_t key = hash_combine(luck->key, r->sequence);
    key = hash_combine(key, r->kind == RECORD_DATA ? r->offset : 0);
    return hash_combine(key, use);
}

static bool wants(struct luck *luck, const struct record *r, enum choice_kind kind)
{
    if (luck->listed)
        return luck->choices >> luck->index & 1;
    switch (luck->mood) {
    case MOOD_NOTHING:
        return false;
    case MOOD_ALL:
        return true;
    case MOOD_OLDEST:
        return r->sequence <= luck->oldest;
    case MOOD_FILES:
        return random_chance(hash_combine(luck->key, r->inode->id), 1, 2);
    case MOOD_EACH:
        return random_chance(record_key(luck, r, kind), luck->chance, 8);
    case MOOD_COUNT:
        break;
    }
    UNREACHABLE();
}

/* Notes the answer; a set of choices that comes out differently is not allowed. */
static bool choose(struct luck *luck, bool keep)
{
    if (luck->listed && keep)
        luck->kept |= 1u << luck->index;
    luck->index++;
    return keep;
}

/* ---- the personalities' edges. Records come by sequence; what is lost blocks what needs it ----
 */

struct blocks {
    bool metadata_lost;
};

static bool version_kept(struct luck *luck, struct record *r)
{
    struct inode *inode = r->inode;
    if (!inode->decided)
        inode->version_kept = wants(luck, r, CHOICE_OTHER);
    inode->decided = true;
    return inode->version_kept;
}

static bool data_allowed(const struct tree *tree, struct luck *luck, struct record *r)
{
    return tree->personality == DISK_COW ? version_kept(luck, r) : wants(luck, r, CHOICE_DATA);
}

static bool size_allowed(const struct tree *tree, struct luck *luck, struct record *r)
{
    const struct inode *inode = r->inode;
    switch (tree->personality) {
    case DISK_POSIX:
        return wants(luck, r, CHOICE_SIZE);
    case DISK_EXT4:
        return r->data_kept && !inode->size_lost && wants(luck, r, CHOICE_SIZE);
    case DISK_XFS:
        return r->data_kept && !inode->truncate_lost && wants(luck, r, CHOICE_SIZE);
    case DISK_COW:
        return version_kept(luck, r);
    case DISK_PERSONALITY_COUNT:
        break;
    }
    UNREACHABLE();
}

static void choose_data(const struct tree *tree, struct luck *luck, struct record *r)
{
    struct inode *inode = r->inode;
    r->data_kept = choose(luck, data_allowed(tree, luck, r));
    inode->data_lost |= !r->data_kept;
    if (!r->grows)
        return;
    r->size_kept = choose(luck, size_allowed(tree, luck, r));
    inode->size_lost |= !r->size_kept;
}

static bool truncate_allowed(const struct tree *tree, struct luck *luck, struct record *r,
                             const struct blocks *blocks)
{
    const struct inode *inode = r->inode;
    switch (tree->personality) {
    case DISK_POSIX:
        return wants(luck, r, CHOICE_OTHER);
    case DISK_EXT4:
    case DISK_XFS:
        return !blocks->metadata_lost && !inode->data_lost && !inode->size_lost &&
               wants(luck, r, CHOICE_OTHER);
    case DISK_COW:
        return version_kept(luck, r);
    case DISK_PERSONALITY_COUNT:
        break;
    }
    UNREACHABLE();
}

static void choose_truncate(const struct tree *tree, struct luck *luck, struct record *r,
                            struct blocks *blocks)
{
    r->size_kept = choose(luck, truncate_allowed(tree, luck, r, blocks));
    if (r->size_kept)
        return;
    r->inode->size_lost = true;
    r->inode->truncate_lost = true;
    blocks->metadata_lost |= tree->personality != DISK_COW;
}

static bool change_allowed(const struct tree *tree, struct luck *luck, const struct change *c,
                           const struct blocks *blocks)
{
    const struct inode *inode = c->record.inode;
    bool replaces = c->replaces && c->from != NULL;
    if ((c->from != NULL && c->from->blocked) || (c->to != NULL && c->to->blocked))
        return false;
    if (tree->personality != DISK_POSIX && blocks->metadata_lost)
        return false;
    if (tree->personality == DISK_EXT4 && replaces && (inode->data_lost || inode->size_lost))
        return false;
    return wants(luck, &c->record, CHOICE_OTHER);
}

static void choose_change(const struct tree *tree, struct luck *luck, struct change *c,
                          struct blocks *blocks)
{
    bool kept = choose(luck, change_allowed(tree, luck, c, blocks));
    c->record.size_kept = kept;
    if (kept && c->from != NULL)
        c->from->survivor = NULL;
    if (kept && c->to != NULL)
        c->to->survivor = c->record.inode;
    if (kept)
        return;
    blocks->metadata_lost = true;
    if (c->from != NULL)
        c->from->blocked = true;
    if (c->to != NULL)
        c->to->blocked = true;
}

static void forget_choices(struct tree *tree)
{
    LIST_EACH (d, &tree->names.order, struct dentry, node.order) {
        d->blocked = false;
        d->survivor = d->media;
    }
    LIST_EACH (i, &tree->inodes.order, struct inode, node.order) {
        i->data_lost = i->size_lost = i->truncate_lost = false;
        i->decided = i->version_kept = i->visited = false;
    }
    LIST_EACH (r, &tree->pending, struct record, in_tree)
        r->data_kept = r->size_kept = r->tear_never = false;
}

/* Data that something else relies on, and survived, is whole. */
static void forbid_tears(struct tree *tree)
{
    LIST_EACH (i, &tree->inodes.order, struct inode, node.order)
        i->decided = tree->personality == DISK_COW;
    for (struct list *at = tree->pending.prev; at != &tree->pending; at = at->prev) {
        struct record *r = CONTAINER_OF(at, struct record, in_tree);
        bool journaled = tree->personality == DISK_EXT4 || tree->personality == DISK_XFS;
        if (r->kind == RECORD_DATA)
            r->tear_never = r->inode->decided || (journaled && r->grows && r->size_kept);
        else if (r->kind == RECORD_TRUNCATE)
            r->inode->decided |= journaled && r->size_kept;
        else if (tree->personality == DISK_EXT4 && r->size_kept)
            r->inode->decided |= CONTAINER_OF(r, struct change, record)->replaces;
    }
}

static void choose_all(struct tree *tree, struct luck *luck)
{
    struct blocks blocks = {0};
    forget_choices(tree);
    LIST_EACH (r, &tree->pending, struct record, in_tree) {
        if (r->kind == RECORD_DATA)
            choose_data(tree, luck, r);
        else if (r->kind == RECORD_TRUNCATE)
            choose_truncate(tree, luck, r, &blocks);
        else
            choose_change(tree, luck, CONTAINER_OF(r, struct change, record), &blocks);
    }
    forbid_tears(tree);
}

/* ---- building: the tree in which all that survived is durable ---- */

struct build {
    struct tree *from, *to;
    const struct luck *luck;
    struct disk_loss *loss;
};

/* Nothing stands behind size any more. */
static void wipe_behind(struct tree *tree, struct inode *inode, uint64_t size)
{
    for (uint64_t i = size / PAGE; i < inode->page_count; i++) {
        struct page *page = &inode->pages[i];
        if (i * PAGE >= size)
            disk_page_drop_cache(tree, page);
        else
            disk_page_zero_cache(page, size % PAGE);
    }
}

static enum err copy_media(struct build *b, const struct inode *from, struct inode *to)
{
    for (uint64_t i = 0; i < from->page_count; i++) {
        const struct page *page = &from->pages[i];
        uint64_t shared = from->media_size > i * PAGE ? MIN(from->media_size - i * PAGE, PAGE) : 0;
        const uint8_t *data = page->split ? page->media : page->cache;
        if (data == NULL || shared == 0)
            continue;
        enum err e = disk_pages_put(b->to, to, i * PAGE, data, shared);
        if (e != ERR_NONE)
            return e;
        if (!page->split && page->first == NULL)
            to->pages[i].digest = page->digest; /* it is the same page */
    }
    to->size = from->media_size;
    return ERR_NONE;
}

/* A page's sectors as a write touches them: whole ones, but for the ends. */
struct sectors {
    uint64_t offset, end;
    uint32_t sector_size;
    uint64_t count;
};

static struct sectors sectors_of(const struct tree *tree, const struct record *r)
{
    struct sectors s = {
        .offset = r->offset, .end = r->offset + r->size, .sector_size = tree->sector_size};
    s.count = (s.end - 1) / s.sector_size - s.offset / s.sector_size + 1;
    return s;
}

static bool sector_survives(enum tear tear, uint64_t key, uint64_t at, uint64_t cut, uint64_t i)
{
    switch (tear) {
    case TEAR_NOT:
        return true;
    case TEAR_PREFIX:
        return i < cut;
    case TEAR_SUFFIX:
        return i >= cut;
    case TEAR_SOME:
        return random_chance(hash_combine(key, i), 1, 2);
    case TEAR_ALL:
        return false;
    case TEAR_GARBAGE:
        return i != at;
    case TEAR_COUNT:
        break;
    }
    UNREACHABLE();
}

static enum err put_garbage(struct build *b, struct inode *to, uint64_t offset, uint64_t size,
                            uint64_t key)
{
    enum err e = ERR_NONE;
    for (uint64_t i = 0; e == ERR_NONE && i < size; i++) {
        uint8_t byte = (uint8_t)hash_combine(key, i);
        e = disk_pages_put(b->to, to, offset + i, &byte, 1);
    }
    return e;
}

static enum err put_torn(struct build *b, const struct record *r, struct inode *to)
{
    struct sectors s = sectors_of(b->from, r);
    uint64_t key = record_key(b->luck, r, TEAR_COUNT);
    enum tear tear = (enum tear)random_weighted(hash_combine(key, 1), b->luck->tears, TEAR_COUNT);
    uint64_t cut = 1 + random_below(hash_combine(key, 2), s.count - 1);
    uint64_t at = random_below(hash_combine(key, 3), s.count);
    const uint8_t *data = disk_record_bytes(r);
    enum err e = ERR_NONE;
    b->loss->torn_count += tear != TEAR_NOT;
    for (uint64_t i = 0; e == ERR_NONE && i < s.count; i++) {
        uint64_t sector = (s.offset / s.sector_size + i) * s.sector_size;
        uint64_t begin = MAX(s.offset, sector);
        uint64_t size = MIN(s.end, sector + s.sector_size) - begin;
        bool survives = sector_survives(tear, hash_combine(key, 4), at, cut, i);
        b->loss->bytes_lost += survives ? 0 : size;
        if (survives)
            e = disk_pages_put(b->to, to, begin, data + (begin - s.offset), size);
        else if (tear == TEAR_GARBAGE)
            e = put_garbage(b, to, begin, size, hash_combine(key, 5));
    }
    return e;
}

/* A sector is atomic, and so is what others rely on. */
static bool may_tear(const struct build *b, const struct record *r)
{
    return !b->luck->listed && !r->tear_never && sectors_of(b->from, r).count > 1;
}

static enum err apply(struct build *b, const struct record *r, struct inode *to)
{
    enum err e = ERR_NONE;
    if (r->kind == RECORD_TRUNCATE) {
        if (r->size_kept)
            wipe_behind(b->to, to, r->offset);
        to->size = r->size_kept ? r->offset : to->size;
        return ERR_NONE;
    }
    if (r->data_kept && may_tear(b, r))
        e = put_torn(b, r, to);
    else if (r->data_kept)
        e = disk_pages_put(b->to, to, r->offset, disk_record_bytes(r), r->size);
    if (r->size_kept)
        to->size = r->offset + r->size;
    return e;
}

static bool healed(const struct inode *from, const struct bad_sector *bad)
{
    bool all = bad->healed != 0;
    bool any = false;
    LIST_EACH (r, &from->pending, struct record, in_inode) {
        if (r->sequence != bad->healed)
            continue;
        any = true;
        all &= r->kind == RECORD_TRUNCATE ? r->size_kept : r->data_kept;
    }
    return all && any;
}

static enum err copy_bad(struct build *b, const struct inode *from, struct inode *to)
{
    if (from->bad_count == 0)
        return ERR_NONE;
    to->bad = mem_array(b->to->mem, DISK_BAD_SECTORS_MAX, sizeof *to->bad);
    if (to->bad == NULL)
        return ERR_NOMEM;
    for (int i = 0; i < from->bad_count; i++)
        if (!healed(from, &from->bad[i]))
            to->bad[to->bad_count++].sector = from->bad[i].sector;
    return ERR_NONE;
}

static enum err build_file(struct build *b, const struct inode *from, struct inode *to)
{
    enum err e = copy_media(b, from, to);
    LIST_EACH (r, &from->pending, struct record, in_inode)
        if (e == ERR_NONE)
            e = apply(b, r, to);
    if (e != ERR_NONE)
        return e;
    wipe_behind(b->to, to, to->size);
    to->media_size = to->size_to_be = to->size;
    return copy_bad(b, from, to);
}

static enum err build_dir(struct build *b, struct inode *from, struct inode *to);

static enum err build_entry(struct build *b, const struct dentry *entry, struct inode *dir)
{
    struct inode *from = entry->survivor;
    ASSERT(!from->visited);
    from->visited = true;
    struct dentry *copy = disk_dentry_get(b->to, dir, entry->name, entry->name_size);
    struct inode *to = copy == NULL ? NULL : disk_inode_new(b->to, from->is_dir);
    if (to == NULL)
        return ERR_NOMEM;
    disk_dentry_set_cache(b->to, copy, to);
    disk_dentry_set_media(b->to, copy, to);
    return from->is_dir ? build_dir(b, from, to) : build_file(b, from, to);
}

static enum err build_dir(struct build *b, struct inode *from, struct inode *to)
{
    LIST_EACH (entry, &from->entries, struct dentry, in_dir) {
        b->loss->files_lost += entry->cache != NULL && entry->survivor == NULL;
        enum err e = entry->survivor == NULL ? ERR_NONE : build_entry(b, entry, to);
        if (e != ERR_NONE)
            return e;
    }
    return ERR_NONE;
}

static void count_losses(const struct tree *tree, struct disk_loss *loss)
{
    LIST_EACH (r, &tree->pending, struct record, in_tree) {
        bool is_data = r->kind == RECORD_DATA;
        bool lost = is_data ? !r->data_kept || (r->grows && !r->size_kept) : !r->size_kept;
        loss->pending_count++;
        loss->lost_count += lost;
        loss->bytes_lost += lost && is_data ? r->size : 0;
    }
}

static enum err build_tree(struct tree *tree, struct mem *mem, const struct luck *luck,
                           struct tree **out, struct disk_loss *loss)
{
    struct build b = {.from = tree, .luck = luck, .loss = loss};
    *loss = (struct disk_loss){0};
    enum err e = disk_tree_like(&b.to, tree, mem);
    if (e != ERR_NONE)
        return e;
    count_losses(tree, loss);
    e = build_dir(&b, tree->root, b.to->root);
    if (e != ERR_NONE)
        disk_tree_free(b.to);
    else
        *out = b.to;
    return e;
}

enum err disk_tree_crash(struct tree *tree, struct mem *mem, uint64_t key, struct tree **out,
                         struct disk_loss *loss)
{
    struct luck luck;
    luck_draw(&luck, tree, key);
    choose_all(tree, &luck);
    return build_tree(tree, mem, &luck, out, loss);
}

int disk_tree_choices(const struct tree *tree)
{
    int count = 0;
    LIST_EACH (r, &tree->pending, struct record, in_tree)
        count += 1 + (r->kind == RECORD_DATA && r->grows);
    return count;
}

enum err disk_tree_crash_state(struct tree *tree, struct mem *mem, uint32_t choices,
                               struct tree **out)
{
    struct disk_loss unused;
    struct luck luck = {.listed = true, .choices = choices};
    choose_all(tree, &luck);
    *out = NULL;
    if (luck.kept != choices)
        return ERR_NONE;
    return build_tree(tree, mem, &luck, out, &unused);
}
