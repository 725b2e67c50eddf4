/* inode.c - files, directories and the names between them, in CACHE and in MEDIA. It decides no
 * error and knows no path. */
#include "disk/tree.h"

struct name_key {
    const struct inode *dir;
    const char *name;
    size_t size;
};

static bool same_inode(const void *key, const struct hmap_node *node)
{
    const uint64_t *id = key;
    return CONTAINER_OF(node, struct inode, node)->id == *id;
}

static bool same_name(const void *key, const struct hmap_node *node)
{
    const struct name_key *k = key;
    const struct dentry *dentry = CONTAINER_OF(node, struct dentry, node);
    return dentry->dir == k->dir && dentry->name_size == k->size &&
           memcmp(dentry->name, k->name, k->size) == 0;
}

static enum err tree_fill(struct tree *tree)
{
    enum err e = hmap_init(&tree->inodes, tree->mem, same_inode);
    if (e == ERR_NONE)
        e = hmap_init(&tree->names, tree->mem, same_name);
    if (e != ERR_NONE)
        return e;
    tree->root = disk_inode_new(tree, true);
    if (tree->root == NULL)
        return ERR_NOMEM;
    disk_inode_pin(tree->root);
    return ERR_NONE;
}

enum err disk_tree_new(struct tree **out, struct mem *mem, const struct disk_options *options)
{
    struct tree *tree = mem_zalloc(mem, sizeof *tree);
    if (tree == NULL)
        return ERR_NOMEM;
    tree->mem = mem;
    tree->personality = options->personality;
    tree->sector_size = options->sector_size;
    tree->pending_max = options->pending_max;
    list_init(&tree->pending);
    list_init(&tree->metadata);
    enum err e = tree_fill(tree);
    if (e != ERR_NONE) {
        disk_tree_free(tree);
        return e;
    }
    *out = tree;
    return ERR_NONE;
}

enum err disk_tree_like(struct tree **out, const struct tree *old, struct mem *mem)
{
    struct disk_options options = {.personality = old->personality,
                                   .sector_size = old->sector_size,
                                   .pending_max = old->pending_max};
    enum err e = disk_tree_new(out, mem, &options);
    if (e != ERR_NONE)
        return e;
    (*out)->inode_last += old->inode_last;
    (*out)->sequence = old->sequence;
    return ERR_NONE;
}

static void inode_free(struct tree *tree, struct inode *inode)
{
    disk_pages_free(tree, inode);
    mem_free(tree->mem, inode->bad);
    hmap_remove(&tree->inodes, &inode->node);
    mem_free(tree->mem, inode);
}

static void dentry_free(struct tree *tree, struct dentry *dentry)
{
    hmap_remove(&tree->names, &dentry->node);
    list_remove(&dentry->in_dir);
    mem_free(tree->mem, dentry);
}

/* Drops everything in no particular order: nobody looks at links or pins any more. */
void disk_tree_free(struct tree *tree)
{
    LIST_EACH (record, &tree->pending, struct record, in_tree) {
        record->inode = NULL;
        disk_record_drop(tree, record);
    }
    if (tree->names.buckets != NULL)
        LIST_EACH (dentry, &tree->names.order, struct dentry, node.order)
            dentry_free(tree, dentry);
    if (tree->inodes.buckets != NULL)
        LIST_EACH (inode, &tree->inodes.order, struct inode, node.order)
            inode_free(tree, inode);
    ASSERT(tree->pages_used == 0);
    hmap_free(&tree->names);
    hmap_free(&tree->inodes);
    mem_free(tree->mem, tree);
}

struct inode *disk_inode_new(struct tree *tree, bool is_dir)
{
    struct inode *inode = mem_zalloc(tree->mem, sizeof *inode);
    if (inode == NULL)
        return NULL;
    inode->id = ++tree->inode_last;
    inode->is_dir = is_dir;
    inode->mirror_fd = -1;
    list_init(&inode->entries);
    list_init(&inode->changes);
    list_init(&inode->pending);
    list_init(&inode->node.order);
    hmap_insert(&tree->inodes, hash_mix(inode->id), &inode->node);
    return inode;
}

void disk_inode_pin(struct inode *inode)
{
    inode->pin_count++;
}

void disk_inode_unpin(struct tree *tree, struct inode *inode)
{
    inode->pin_count--;
    ASSERT(inode->pin_count >= 0);
    disk_inode_check(tree, inode);
}

/* What a directory that nothing leads to still held on MEDIA cannot be found again either. */
static void forget_entries(struct tree *tree, struct inode *dir)
{
    ASSERT(dir->child_count == 0);
    disk_inode_pin(dir);
    while (!list_empty(&dir->entries)) {
        struct dentry *dentry = LIST_FIRST(&dir->entries, struct dentry, in_dir);
        ASSERT(dentry->media != NULL);
        disk_dentry_set_media(tree, dentry, NULL);
    }
    dir->pin_count--;
}

void disk_inode_check(struct tree *tree, struct inode *inode)
{
    if (inode->handle_count > 0 || inode->link_count > 0 || inode->pin_count > 0)
        return;
    forget_entries(tree, inode);
    while (!list_empty(&inode->pending))
        disk_record_drop(tree, LIST_FIRST(&inode->pending, struct record, in_inode));
    inode_free(tree, inode);
}

static uint64_t name_hash(const struct inode *dir, const char *name, size_t size)
{
    return hash_bytes(name, size, dir->id);
}

struct dentry *disk_dentry_find(const struct tree *tree, const struct inode *dir, const char *name,
                                size_t size)
{
    struct name_key key = {.dir = dir, .name = name, .size = size};
    struct hmap_node *node = hmap_find(&tree->names, name_hash(dir, name, size), &key);
    return node == NULL ? NULL : CONTAINER_OF(node, struct dentry, node);
}

struct dentry *disk_dentry_get(struct tree *tree, struct inode *dir, const char *name, size_t size)
{
    ASSERT(dir->is_dir);
    ASSERT(size > 0);
    ASSERT(size <= DISK_NAME_MAX);
    struct dentry *dentry = disk_dentry_find(tree, dir, name, size);
    if (dentry != NULL)
        return dentry;
    dentry = mem_zalloc(tree->mem, sizeof *dentry + size + 1);
    if (dentry == NULL)
        return NULL;
    dentry->dir = dir;
    dentry->name_size = (uint32_t)size;
    memcpy(dentry->name, name, size);
    list_init(&dentry->in_dir);
    list_init(&dentry->node.order);
    list_push_back(&dir->entries, &dentry->in_dir);
    hmap_insert(&tree->names, name_hash(dir, name, size), &dentry->node);
    return dentry;
}

void disk_dentry_check(struct tree *tree, struct dentry *dentry)
{
    if (dentry->cache != NULL || dentry->media != NULL || dentry->pending_count > 0)
        return;
    struct inode *dir = dentry->dir;
    dentry_free(tree, dentry);
    disk_inode_check(tree, dir);
}

void disk_dentry_set_cache(struct tree *tree, struct dentry *dentry, struct inode *inode)
{
    struct inode *old = dentry->cache;
    dentry->cache = inode;
    if (old != NULL) {
        dentry->dir->child_count--;
        old->name = NULL;
        old->link_count--;
        disk_inode_check(tree, old);
    }
    if (inode != NULL) {
        ASSERT(inode->name == NULL);
        inode->name = dentry;
        inode->link_count++;
        dentry->dir->child_count++;
        list_remove(&dentry->in_dir);
        list_push_back(&dentry->dir->entries, &dentry->in_dir);
    } else {
        disk_dentry_check(tree, dentry);
    }
}

void disk_dentry_set_media(struct tree *tree, struct dentry *dentry, struct inode *inode)
{
    struct inode *old = dentry->media;
    dentry->media = inode;
    if (inode != NULL)
        inode->link_count++;
    if (old != NULL) {
        old->link_count--;
        disk_inode_check(tree, old);
    }
    if (inode == NULL)
        disk_dentry_check(tree, dentry);
}
