/* disk.c - the disk as one thing: what it is made of, what is open on it, and its two deaths. */
#include "disk/tree.h"

#define CAPACITY_MAX (1ull << 50)

const char *const disk_personality_names[DISK_PERSONALITY_COUNT] = {
    [DISK_POSIX] = "posix", [DISK_EXT4] = "ext4", [DISK_XFS] = "xfs", [DISK_COW] = "cow"};

static bool same_handle(const void *key, const struct hmap_node *node)
{
    const uint64_t *id = key;
    return CONTAINER_OF(node, struct handle, node)->id == *id;
}

static struct disk_options complete(const struct disk_options *options)
{
    struct disk_options o = *options;
    o.sector_size = o.sector_size == 0 ? DISK_SECTOR_SIZE : o.sector_size;
    o.capacity = o.capacity == 0 ? CAPACITY_MAX : o.capacity;
    o.files_max = o.files_max == 0 ? DISK_FILES_MAX : o.files_max;
    o.pending_max = o.pending_max == 0 ? DISK_PENDING_MAX : o.pending_max;
    ASSERT(o.personality >= 0);
    ASSERT(o.personality < DISK_PERSONALITY_COUNT);
    ASSERT(o.sector_size <= DISK_PAGE_SIZE);
    ASSERT((o.sector_size & (o.sector_size - 1)) == 0);
    ASSERT(o.files_max > 0);
    ASSERT(o.pending_max > 0);
    return o;
}

static enum err open_mirror(struct disk *disk, const char *root, struct errmsg *msg)
{
    enum err e = disk_mirror_new(&disk->mirror, disk->mem, root, msg);
    if (e != ERR_NONE)
        return e;
    return disk_mirror_load(disk->mirror, disk->tree, msg);
}

enum err disk_new(struct disk **out, struct mem *mem, const struct disk_options *options,
                  struct errmsg *msg)
{
    struct disk *disk = mem_zalloc(mem, sizeof *disk);
    if (disk == NULL)
        return ERR_NOMEM;
    disk->mem = mem;
    disk->options = complete(options);
    list_init(&disk->writes);
    enum err e = disk_tree_new(&disk->tree, mem, &disk->options);
    if (e == ERR_NONE)
        e = hmap_init(&disk->handles, mem, same_handle);
    if (e == ERR_NONE && options->root != NULL)
        e = open_mirror(disk, options->root, msg);
    disk->options.root = NULL; /* borrowed; the mirror has its own */
    if (e != ERR_NONE) {
        disk_free(disk);
        return e;
    }
    *out = disk;
    return ERR_NONE;
}

static void drop_processes(struct disk *disk)
{
    LIST_EACH (write, &disk->writes, struct disk_write, in_disk)
        disk_write_cut(disk, write, 0);
    ASSERT(disk->pages_reserved == 0);
    LIST_EACH (handle, &disk->handles.order, struct handle, node.order)
        disk_handle_close(disk, handle);
}

void disk_free(struct disk *disk)
{
    if (disk == NULL)
        return;
    if (disk->handles.buckets != NULL)
        drop_processes(disk);
    disk_mirror_free(disk->mirror);
    if (disk->tree != NULL)
        disk_tree_free(disk->tree);
    hmap_free(&disk->handles);
    mem_free(disk->mem, disk);
}

struct env_disk disk_guarantees(const struct disk *disk)
{
    return (struct env_disk){.files_max = disk->options.files_max,
                             .sector_size = disk->options.sector_size,
                             .atomic_append = false,
                             .ordered_metadata = disk->options.personality != DISK_POSIX};
}

void disk_set_capacity(struct disk *disk, uint64_t bytes)
{
    disk->options.capacity = bytes;
}

const char *disk_mirror_error(const struct disk *disk)
{
    return disk_mirror_why(disk->mirror);
}

/* ---- what is open ---- */

struct handle *disk_handle(const struct disk *disk, uint64_t file)
{
    struct hmap_node *node = hmap_find(&disk->handles, hash_mix(file), &file);
    ASSERT(node != NULL);
    return CONTAINER_OF(node, struct handle, node);
}

void disk_handle_close(struct disk *disk, struct handle *handle)
{
    struct inode *inode = handle->inode;
    ASSERT(list_empty(&handle->appends));
    if ((handle->flags & ENV_OPEN_LOCK) != 0)
        inode->locked = false;
    hmap_remove(&disk->handles, &handle->node);
    mem_free(disk->mem, handle);
    inode->handle_count--;
    ASSERT(inode->handle_count >= 0);
    if (inode->handle_count == 0)
        disk_mirror_release(disk->mirror, inode);
    disk_inode_check(disk->tree, inode);
}

void disk_close(struct disk *disk, uint64_t file)
{
    disk_handle_close(disk, disk_handle(disk, file));
}

uint64_t disk_size(const struct disk *disk, uint64_t file)
{
    return disk_handle(disk, file)->inode->size;
}

bool disk_is_named(const struct disk *disk, uint64_t file)
{
    return disk_handle(disk, file)->inode->name != NULL;
}

void disk_set_modified(struct disk *disk, uint64_t file, int64_t wall_ms)
{
    disk_handle(disk, file)->inode->modified_ms = wall_ms;
}

int64_t disk_modified(const struct disk *disk, uint64_t file)
{
    return disk_handle(disk, file)->inode->modified_ms;
}

static bool reads_bad(const struct disk *disk, const struct inode *inode, uint64_t offset,
                      uint64_t size)
{
    uint32_t sector_size = disk->options.sector_size;
    for (int i = 0; i < inode->bad_count; i++) {
        uint64_t begin = inode->bad[i].sector * sector_size;
        if (inode->bad[i].healed == 0 && begin < offset + size && offset < begin + sector_size)
            return true;
    }
    return false;
}

enum err disk_read(struct disk *disk, uint64_t file, uint64_t offset, void *buffer, uint64_t size,
                   uint64_t *n)
{
    const struct inode *inode = disk_handle(disk, file)->inode;
    *n = 0;
    if (offset >= inode->size)
        return ERR_NONE;
    uint64_t got = MIN(size, inode->size - offset);
    if (inode->bad_count > 0 && reads_bad(disk, inode, offset, got))
        return ERR_IO;
    disk_pages_read(inode, offset, buffer, got);
    *n = got;
    return ERR_NONE;
}

enum err disk_truncate(struct disk *disk, uint64_t file, uint64_t size)
{
    struct handle *handle = disk_handle(disk, file);
    if ((handle->flags & ENV_OPEN_WRITE) == 0)
        return ERR_READONLY;
    if (size > DISK_FILE_SIZE_MAX)
        return ERR_NOSPACE;
    enum err e = disk_file_truncate(disk->tree, handle->inode, size);
    if (e == ERR_NONE)
        disk_mirror_truncate(disk->mirror, handle->inode);
    return e;
}

/* ---- deaths ---- */

void disk_process_crash(struct disk *disk, uint64_t key)
{
    uint64_t index = 0;
    LIST_EACH (write, &disk->writes, struct disk_write, in_disk)
        disk_write_crash(disk, write, hash_combine(key, index++));
    drop_processes(disk);
}

/* A write in flight may be on its way to the platter already. */
static void submit_all(struct disk *disk)
{
    LIST_EACH (write, &disk->writes, struct disk_write, in_disk)
        disk_write_cut(disk, write, write->size);
}

enum err disk_power_loss(struct disk *disk, uint64_t key, struct disk_loss *loss)
{
    struct disk_loss unused;
    struct tree *survivor;
    submit_all(disk);
    drop_processes(disk);
    enum err e =
        disk_tree_crash(disk->tree, disk->mem, key, &survivor, loss == NULL ? &unused : loss);
    if (e != ERR_NONE)
        return e;
    disk_mirror_replace(disk->mirror, disk->tree, survivor);
    disk_tree_free(disk->tree);
    disk->tree = survivor;
    return ERR_NONE;
}

/* ---- what is in flight is none of the disk's business here ---- */

static enum err wrap(struct disk *disk, struct tree *tree, struct disk **out)
{
    struct disk *copy = mem_zalloc(disk->mem, sizeof *copy);
    if (copy == NULL)
        return ERR_NOMEM;
    copy->mem = disk->mem;
    copy->options = disk->options;
    list_init(&copy->writes);
    if (hmap_init(&copy->handles, disk->mem, same_handle) != ERR_NONE) {
        mem_free(disk->mem, copy);
        return ERR_NOMEM;
    }
    copy->tree = tree;
    *out = copy;
    return ERR_NONE;
}

enum err disk_crashed(struct disk *disk, uint64_t key, struct disk **out)
{
    struct disk_loss loss;
    struct tree *survivor;
    ASSERT(list_empty(&disk->writes));
    enum err e = disk_tree_crash(disk->tree, disk->mem, key, &survivor, &loss);
    if (e != ERR_NONE)
        return e;
    e = wrap(disk, survivor, out);
    if (e != ERR_NONE)
        disk_tree_free(survivor);
    return e;
}

enum err disk_crash_states(struct disk *disk, disk_visit *visit, void *context)
{
    ASSERT(list_empty(&disk->writes));
    int count = disk_tree_choices(disk->tree);
    if (count > DISK_STATES_OPS_MAX)
        return ERR_LIMIT;
    for (uint32_t choice = 0; choice < 1u << count; choice++) {
        struct tree *survivor;
        struct disk *state;
        enum err e = disk_tree_crash_state(disk->tree, disk->mem, choice, &survivor);
        if (e != ERR_NONE)
            return e;
        if (survivor == NULL)
            continue;
        e = wrap(disk, survivor, &state);
        if (e != ERR_NONE) {
            disk_tree_free(survivor);
            return e;
        }
        visit(context, state);
        disk_free(state);
    }
    return ERR_NONE;
}
