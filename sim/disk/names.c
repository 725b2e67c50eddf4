/* names.c - paths, and the verbs that take them. Errors are those of Linux on ext4, in its order,
 * as env.h names them. */
#include "disk/tree.h"

/* ---- the way ---- */

/* The next component from *at on, which then stands behind it and its slashes. False: none. */
static bool next_component(const char **at, struct bytes *out)
{
    while (**at == '/')
        (*at)++;
    const char *begin = *at;
    while (**at != 0 && **at != '/')
        (*at)++;
    *out = bytes_of(begin, (size_t)(*at - begin));
    while (**at == '/')
        (*at)++;
    return out->size > 0;
}

static struct inode *parent_of(const struct tree *tree, const struct inode *dir)
{
    return dir == tree->root ? tree->root : dir->name->dir;
}

static bool is_text(struct bytes b, const char *text)
{
    return bytes_equal(b, bytes_text(text));
}

static void enter(const struct tree *tree, struct place *at, struct bytes name)
{
    struct inode *dir = at->inode;
    if (is_text(name, ".") || is_text(name, "..")) {
        struct inode *to = name.size == 1 ? dir : parent_of(tree, dir);
        *at = (struct place){.inode = to};
        return;
    }
    struct dentry *entry = disk_dentry_find(tree, dir, (const char *)name.data, name.size);
    *at = (struct place){.dir = dir,
                         .name = (const char *)name.data,
                         .name_size = name.size,
                         .entry = entry,
                         .inode = entry == NULL ? NULL : entry->cache};
}

enum err disk_place_find(const struct tree *tree, const char *path, struct place *out)
{
    *out = (struct place){.inode = tree->root};
    if (*path == 0)
        return ERR_NOTFOUND;
    struct bytes name;
    const char *at = path;
    while (next_component(&at, &name)) {
        if (out->inode == NULL)
            return ERR_NOTFOUND;
        if (!out->inode->is_dir)
            return ERR_NOTDIR;
        if (name.size > DISK_NAME_MAX)
            return ERR_IO;
        enter(tree, out, name);
    }
    out->slash = at != path && at[-1] == '/';
    return ERR_NONE;
}

enum err disk_place_dir(const struct tree *tree, const char *path, struct inode **out)
{
    struct place place;
    enum err e = disk_place_find(tree, path, &place);
    if (e != ERR_NONE)
        return e;
    if (place.inode == NULL)
        return ERR_NOTFOUND;
    if (!place.inode->is_dir)
        return ERR_NOTDIR;
    *out = place.inode;
    return ERR_NONE;
}

enum err disk_place_file(const struct tree *tree, const char *path, struct inode **out)
{
    struct place place;
    enum err e = disk_place_find(tree, path, &place);
    if (e != ERR_NONE)
        return e;
    if (place.inode == NULL)
        return ERR_NOTFOUND;
    if (place.slash && !place.inode->is_dir)
        return ERR_NOTDIR;
    if (place.inode->is_dir)
        return ERR_NOTFILE;
    *out = place.inode;
    return ERR_NONE;
}

/* ---- making ---- */

enum err disk_place_make(struct disk *disk, const struct place *place, bool is_dir,
                         struct inode **out)
{
    struct tree *tree = disk->tree;
    ASSERT(place->dir != NULL);
    struct inode *inode = disk_inode_new(tree, is_dir);
    if (inode == NULL)
        return ERR_NOMEM;
    disk_inode_pin(inode);
    struct change *change = disk_change_new(tree);
    struct dentry *entry = disk_dentry_get(tree, place->dir, place->name, place->name_size);
    enum err e = change == NULL || entry == NULL ? ERR_NOMEM : ERR_NONE;
    if (e == ERR_NONE) {
        disk_tree_change(tree, change, NULL, entry, inode);
        disk_mirror_make(disk->mirror, entry);
    } else {
        mem_free(tree->mem, change);
        if (entry != NULL)
            disk_dentry_check(tree, entry);
    }
    *out = inode;
    disk_inode_unpin(tree, inode);
    return e;
}

enum err disk_make_dir(struct disk *disk, const char *path)
{
    struct place place;
    struct inode *inode;
    enum err e = disk_place_find(disk->tree, path, &place);
    if (e != ERR_NONE)
        return e;
    if (place.inode != NULL)
        return ERR_EXISTS;
    return disk_place_make(disk, &place, true, &inode);
}

/* Whether what stands at the place may be opened so. */
static enum err may_open(const struct place *place, unsigned flags)
{
    bool create = (flags & ENV_OPEN_CREATE) != 0;
    if (place->inode == NULL) {
        if (!create)
            return ERR_NOTFOUND;
        return place->slash ? ERR_NOTFILE : ERR_NONE;
    }
    if (create && place->slash)
        return ERR_NOTFILE;
    if (create && (flags & ENV_OPEN_EXCLUSIVE) != 0)
        return ERR_EXISTS;
    if (place->inode->is_dir)
        return ERR_NOTFILE;
    if (place->slash)
        return ERR_NOTDIR;
    if ((flags & ENV_OPEN_LOCK) != 0 && place->inode->locked)
        return ERR_BUSY;
    return ERR_NONE;
}

static enum err open_inode(struct disk *disk, const struct place *place, unsigned flags,
                           struct inode **out)
{
    *out = place->inode;
    if (*out == NULL)
        return disk_place_make(disk, place, false, out);
    if ((flags & ENV_OPEN_TRUNCATE) == 0)
        return ERR_NONE;
    if ((flags & ENV_OPEN_WRITE) == 0)
        return ERR_IO;
    enum err e = disk_file_truncate(disk->tree, *out, 0);
    if (e == ERR_NONE)
        disk_mirror_truncate(disk->mirror, *out);
    return e;
}

enum err disk_open(struct disk *disk, const char *path, unsigned flags, uint64_t *file)
{
    struct place place;
    struct inode *inode;
    if (disk->handles.count >= (size_t)disk->options.files_max)
        return ERR_TOOMANY;
    enum err e = disk_place_find(disk->tree, path, &place);
    if (e == ERR_NONE)
        e = may_open(&place, flags);
    if (e != ERR_NONE)
        return e;
    struct handle *handle = mem_zalloc(disk->mem, sizeof *handle);
    if (handle == NULL)
        return ERR_NOMEM;
    e = open_inode(disk, &place, flags, &inode);
    if (e != ERR_NONE) {
        mem_free(disk->mem, handle);
        return e;
    }
    *handle = (struct handle){.id = ++disk->handle_last,
                              .inode = inode,
                              .flags = flags,
                              .failures_seen = inode->failures};
    list_init(&handle->appends);
    list_init(&handle->node.order);
    inode->handle_count++;
    inode->locked |= (flags & ENV_OPEN_LOCK) != 0;
    hmap_insert(&disk->handles, hash_mix(handle->id), &handle->node);
    *file = handle->id;
    return ERR_NONE;
}

/* ---- removing ---- */

static enum err unlink_entry(struct disk *disk, struct dentry *entry)
{
    struct inode *inode = entry->cache;
    ASSERT(inode != NULL);
    ASSERT(inode->child_count == 0);
    struct change *change = disk_change_new(disk->tree);
    if (change == NULL)
        return ERR_NOMEM;
    disk_mirror_remove(disk->mirror, entry);
    disk_tree_change(disk->tree, change, entry, NULL, inode);
    return ERR_NONE;
}

enum err disk_place_named(const struct tree *tree, const char *path, struct place *out)
{
    enum err e = disk_place_find(tree, path, out);
    if (e != ERR_NONE)
        return e;
    if (out->dir == NULL)
        return ERR_BUSY;
    if (out->inode == NULL)
        return ERR_NOTFOUND;
    return out->slash && !out->inode->is_dir ? ERR_NOTDIR : ERR_NONE;
}

enum err disk_unlink(struct disk *disk, const char *path)
{
    struct place place;
    enum err e = disk_place_named(disk->tree, path, &place);
    if (e != ERR_NONE)
        return e;
    if (place.inode->child_count > 0)
        return ERR_NOTEMPTY;
    return unlink_entry(disk, place.entry);
}

enum err disk_entry_remove(struct disk *disk, struct dentry *entry)
{
    struct inode *inode = entry->cache;
    while (inode->child_count > 0) {
        struct dentry *child = CONTAINER_OF(inode->entries.prev, struct dentry, in_dir);
        while (child->cache == NULL)
            child = CONTAINER_OF(child->in_dir.prev, struct dentry, in_dir);
        enum err e = disk_entry_remove(disk, child);
        if (e != ERR_NONE)
            return e;
    }
    return unlink_entry(disk, entry);
}

/* ---- moving ---- */

static bool inside(const struct tree *tree, const struct inode *dir, const struct inode *above)
{
    while (dir != above && dir != tree->root)
        dir = parent_of(tree, dir);
    return dir == above;
}

static enum err may_rename(const struct tree *tree, const struct place *from,
                           const struct place *to)
{
    const struct inode *source = from->inode;
    const struct inode *target = to->inode;
    if (from->dir == NULL || to->dir == NULL)
        return ERR_IO;
    if (source == NULL)
        return ERR_NOTFOUND;
    if (!source->is_dir && (from->slash || to->slash))
        return ERR_NOTDIR;
    if (source->is_dir && inside(tree, to->dir, source))
        return ERR_ACCESS;
    if (target == NULL || target == source)
        return ERR_NONE;
    if (target->is_dir && inside(tree, from->dir, target))
        return ERR_NOTEMPTY;
    if (source->is_dir && !target->is_dir)
        return ERR_NOTDIR;
    if (!source->is_dir && target->is_dir)
        return ERR_NOTFILE;
    return target->child_count > 0 ? ERR_NOTEMPTY : ERR_NONE;
}

enum err disk_rename(struct disk *disk, const char *path, const char *path_to)
{
    struct place from;
    struct place to;
    enum err e = disk_place_find(disk->tree, path, &from);
    if (e == ERR_NONE)
        e = disk_place_find(disk->tree, path_to, &to);
    if (e == ERR_NONE)
        e = may_rename(disk->tree, &from, &to);
    if (e != ERR_NONE || from.inode == to.inode)
        return e;
    struct change *change = disk_change_new(disk->tree);
    if (change == NULL)
        return ERR_NOMEM;
    struct dentry *entry = disk_dentry_get(disk->tree, to.dir, to.name, to.name_size);
    if (entry == NULL) {
        mem_free(disk->mem, change);
        return ERR_NOMEM;
    }
    disk_mirror_rename(disk->mirror, from.entry, entry);
    disk_tree_change(disk->tree, change, from.entry, entry, from.inode);
    return ERR_NONE;
}

/* ---- looking ---- */

struct listed {
    uint64_t key;
    const struct dentry *entry;
};

static int by_key(const void *a, const void *b)
{
    const struct listed *x = a;
    const struct listed *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

static uint64_t put_name(const struct dentry *entry, uint8_t *to)
{
    uint64_t slash = entry->cache->is_dir;
    if (slash > 0)
        *to = '/';
    memcpy(to + slash, entry->name, entry->name_size + 1);
    return slash + entry->name_size + 1;
}

static uint64_t names_size(const struct inode *dir)
{
    uint64_t size = 0;
    LIST_EACH (entry, &dir->entries, struct dentry, in_dir)
        if (entry->cache != NULL)
            size += entry->name_size + 1 + entry->cache->is_dir;
    return size;
}

static enum err list_sorted(struct disk *disk, const struct inode *dir, uint64_t key,
                            uint8_t *buffer)
{
    int count = 0;
    struct listed *all = mem_array(disk->mem, (size_t)dir->child_count + 1, sizeof *all);
    if (all == NULL)
        return ERR_NOMEM;
    LIST_EACH (entry, &dir->entries, struct dentry, in_dir) {
        if (entry->cache == NULL)
            continue;
        uint64_t name = hash_bytes(entry->name, entry->name_size, key);
        all[count++] = (struct listed){.key = key == 0 ? 0 : name, .entry = entry};
    }
    ASSERT(count == dir->child_count);
    enum err e = sort_stable(disk->mem, all, (size_t)count, sizeof *all, by_key);
    for (int i = 0; e == ERR_NONE && i < count; i++)
        buffer += put_name(all[i].entry, buffer);
    mem_free(disk->mem, all);
    return e;
}

enum err disk_list(struct disk *disk, const char *path, uint64_t key, void *buffer, uint64_t size,
                   uint64_t *n)
{
    struct inode *dir;
    *n = 0;
    if (disk->handles.count >= (size_t)disk->options.files_max)
        return ERR_TOOMANY;
    enum err e = disk_place_dir(disk->tree, path, &dir);
    if (e != ERR_NONE)
        return e;
    *n = names_size(dir);
    if (*n > size)
        return ERR_RANGE;
    return list_sorted(disk, dir, key, buffer);
}

enum err disk_space(struct disk *disk, const char *path, uint64_t *n)
{
    struct place place;
    *n = 0;
    enum err e = disk_place_find(disk->tree, path, &place);
    if (e != ERR_NONE)
        return e == ERR_NOTDIR ? ERR_IO : e; /* which env.h does not list here */
    if (place.inode == NULL)
        return ERR_NOTFOUND;
    uint64_t taken = (disk->tree->pages_used + disk->pages_reserved) * DISK_PAGE_SIZE;
    *n = disk->options.capacity > taken ? disk->options.capacity - taken : 0;
    return ERR_NONE;
}
