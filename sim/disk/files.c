/* files.c - CACHE as real files, for the eyes of other tools. The only part of the model that meets
 * a real file system. What it meets there never changes what the model answers. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "disk/tree.h"

#define PAGE DISK_PAGE_SIZE
#define MIRROR_PATH_MAX 4096
#define MIRROR_FILES_MAX 64 /* kept open */

struct mirror {
    struct mem *mem;
    char *root;
    int open_count;
    bool failed;
    struct errmsg msg;
};

enum err disk_mirror_new(struct mirror **out, struct mem *mem, const char *root, struct errmsg *msg)
{
    if (mkdir(root, 0777) != 0 && errno != EEXIST)
        return errmsg_set(msg, ERR_IO, "cannot make the directory %s: %s", root, strerror(errno));
    struct mirror *mirror = mem_zalloc(mem, sizeof *mirror);
    if (mirror == NULL)
        return ERR_NOMEM;
    mirror->mem = mem;
    mirror->root = mem_text(mem, root, strlen(root));
    *out = mirror;
    return mirror->root == NULL ? ERR_NOMEM : ERR_NONE;
}

void disk_mirror_free(struct mirror *mirror)
{
    if (mirror == NULL)
        return;
    ASSERT(mirror->open_count == 0);
    mem_free(mirror->mem, mirror->root);
    mem_free(mirror->mem, mirror);
}

const char *disk_mirror_why(const struct mirror *mirror)
{
    return mirror == NULL || !mirror->failed ? NULL : mirror->msg.text;
}

/* After the first failure the files are left as they are. */
static void failed(struct mirror *mirror, const char *what, const char *path)
{
    if (mirror->failed)
        return;
    mirror->failed = true;
    (void)errmsg_set(&mirror->msg, ERR_IO, "cannot %s %s: %s", what, path, strerror(errno));
}

static bool dead(const struct mirror *mirror)
{
    return mirror == NULL || mirror->failed;
}

struct path {
    char text[MIRROR_PATH_MAX];
};

/* Where an entry stands among the real files. */
static void path_of(const struct mirror *mirror, const struct dentry *entry, struct path *out)
{
    size_t at = sizeof out->text - 1;
    out->text[at] = 0;
    for (const struct dentry *d = entry; d != NULL; d = d->dir->name) {
        ASSERT(at > d->name_size + 1);
        at -= d->name_size;
        memcpy(out->text + at, d->name, d->name_size);
        out->text[--at] = '/';
    }
    size_t root_size = strlen(mirror->root);
    ASSERT(at >= root_size);
    memmove(out->text + root_size, out->text + at, sizeof out->text - at);
    memcpy(out->text, mirror->root, root_size);
}

/* ---- one file ---- */

/* An open file; *keep says whether it stays open. -1: it cannot be opened. */
static int file_open(struct mirror *mirror, struct inode *inode, bool *keep)
{
    *keep = true;
    if (inode->mirror_fd >= 0)
        return inode->mirror_fd;
    struct path path;
    path_of(mirror, inode->name, &path);
    int fd = open(path.text, O_WRONLY | O_CLOEXEC);
    *keep = inode->handle_count > 0 && mirror->open_count < MIRROR_FILES_MAX;
    if (fd < 0) {
        failed(mirror, "open", path.text);
    } else if (*keep) {
        inode->mirror_fd = fd;
        mirror->open_count++;
    }
    return fd;
}

static void write_all(struct mirror *mirror, int fd, const uint8_t *data, uint64_t size,
                      uint64_t offset)
{
    while (size > 0) {
        ssize_t n = pwrite(fd, data, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            failed(mirror, "write below", mirror->root);
            return;
        }
        data += n;
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
}

void disk_mirror_write(struct mirror *mirror, struct inode *inode, uint64_t offset,
                       const uint8_t *data, uint64_t size)
{
    bool keep;
    if (dead(mirror) || inode->name == NULL)
        return;
    int fd = file_open(mirror, inode, &keep);
    if (fd < 0)
        return;
    write_all(mirror, fd, data, size, offset);
    if (!keep)
        close(fd);
}

void disk_mirror_truncate(struct mirror *mirror, struct inode *inode)
{
    bool keep;
    if (dead(mirror) || inode->name == NULL)
        return;
    int fd = file_open(mirror, inode, &keep);
    if (fd < 0)
        return;
    if (ftruncate(fd, (off_t)inode->size) != 0)
        failed(mirror, "truncate below", mirror->root);
    if (!keep)
        close(fd);
}

void disk_mirror_rewrite(struct mirror *mirror, struct inode *inode)
{
    uint8_t bytes[PAGE];
    for (uint64_t at = 0; !dead(mirror) && at < inode->size; at += PAGE) {
        uint64_t n = MIN(inode->size - at, PAGE);
        disk_pages_read(inode, at, bytes, n);
        disk_mirror_write(mirror, inode, at, bytes, n);
    }
    disk_mirror_truncate(mirror, inode);
}

void disk_mirror_release(struct mirror *mirror, struct inode *inode)
{
    if (mirror == NULL || inode->mirror_fd < 0)
        return;
    close(inode->mirror_fd);
    inode->mirror_fd = -1;
    mirror->open_count--;
}

/* ---- entries ---- */

void disk_mirror_make(struct mirror *mirror, const struct dentry *entry)
{
    if (dead(mirror))
        return;
    struct path path;
    path_of(mirror, entry, &path);
    if (entry->cache->is_dir) {
        if (mkdir(path.text, 0777) != 0)
            failed(mirror, "make", path.text);
        return;
    }
    int fd = open(path.text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        failed(mirror, "make", path.text);
    else
        close(fd);
}

void disk_mirror_remove(struct mirror *mirror, const struct dentry *entry)
{
    if (dead(mirror))
        return;
    struct path path;
    path_of(mirror, entry, &path);
    if (remove(path.text) != 0)
        failed(mirror, "remove", path.text);
}

void disk_mirror_rename(struct mirror *mirror, const struct dentry *from, const struct dentry *to)
{
    if (dead(mirror))
        return;
    struct path path;
    struct path path_to;
    path_of(mirror, from, &path);
    path_of(mirror, to, &path_to);
    if (rename(path.text, path_to.text) != 0)
        failed(mirror, "rename", path.text);
}

/* ---- from one tree to another ---- */

static void remove_all(struct mirror *mirror, const struct dentry *entry)
{
    LIST_EACH (child, &entry->cache->entries, struct dentry, in_dir)
        if (child->cache != NULL)
            remove_all(mirror, child);
    disk_mirror_remove(mirror, entry);
}

static bool same_bytes(const struct inode *a, const struct inode *b)
{
    uint8_t x[PAGE];
    uint8_t y[PAGE];
    for (uint64_t at = 0; at < a->size && a->size == b->size; at += PAGE) {
        uint64_t n = MIN(a->size - at, PAGE);
        disk_pages_read(a, at, x, n);
        disk_pages_read(b, at, y, n);
        if (memcmp(x, y, n) != 0)
            return false;
    }
    return a->size == b->size;
}

/* What tree shows where an entry of the other tree stands, if it is of the same kind. */
static struct inode *twin(const struct tree *tree, const struct inode *dir,
                          const struct dentry *entry)
{
    if (dir == NULL)
        return NULL;
    const struct dentry *other = disk_dentry_find(tree, dir, entry->name, entry->name_size);
    if (other == NULL || other->cache == NULL || other->cache->is_dir != entry->cache->is_dir)
        return NULL;
    return other->cache;
}

struct replacement {
    struct mirror *mirror;
    const struct tree *from, *to;
};

static void replace_dir(const struct replacement *r, const struct inode *from,
                        const struct inode *to)
{
    if (from != NULL)
        LIST_EACH (entry, &from->entries, struct dentry, in_dir)
            if (entry->cache != NULL && twin(r->to, to, entry) == NULL)
                remove_all(r->mirror, entry);
    LIST_EACH (entry, &to->entries, struct dentry, in_dir) {
        if (entry->cache == NULL)
            continue;
        struct inode *old = twin(r->from, from, entry);
        if (old == NULL)
            disk_mirror_make(r->mirror, entry);
        if (entry->cache->is_dir)
            replace_dir(r, old, entry->cache);
        else if (old == NULL || !same_bytes(old, entry->cache))
            disk_mirror_rewrite(r->mirror, entry->cache);
    }
}

void disk_mirror_replace(struct mirror *mirror, struct tree *from, struct tree *to)
{
    struct replacement r = {.mirror = mirror, .from = from, .to = to};
    if (!dead(mirror))
        replace_dir(&r, from->root, to->root);
}

/* ---- what is there already ---- */

struct load {
    struct mirror *mirror;
    struct tree *tree;
    struct errmsg *msg;
};

static enum err cannot_read(const struct load *load, const char *path)
{
    return errmsg_set(load->msg, ERR_IO, "cannot read %s: %s", path, strerror(errno));
}

static enum err load_bytes(const struct load *load, const char *path, int fd, struct inode *inode)
{
    uint8_t bytes[PAGE];
    for (;;) {
        ssize_t n = pread(fd, bytes, sizeof bytes, (off_t)inode->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot_read(load, path);
        if (n == 0)
            break;
        enum err e = disk_pages_put(load->tree, inode, inode->size, bytes, (uint64_t)n);
        if (e != ERR_NONE)
            return e;
        inode->size += (uint64_t)n;
    }
    inode->media_size = inode->size_to_be = inode->size;
    return ERR_NONE;
}

static enum err load_file(const struct load *load, const char *path, struct inode *inode)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cannot_read(load, path);
    enum err e = load_bytes(load, path, fd, inode);
    close(fd);
    return e;
}

/* Notes the names of a directory, as entries that hold nothing yet. */
static enum err load_names(const struct load *load, const char *path, struct inode *dir)
{
    DIR *stream = opendir(path);
    if (stream == NULL)
        return cannot_read(load, path);
    const struct dirent *found;
    struct dentry *entry = NULL;
    while ((found = readdir(stream)) != NULL) {
        const char *name = found->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        entry = disk_dentry_get(load->tree, dir, name, strlen(name));
        if (entry == NULL)
            break;
    }
    closedir(stream);
    return found != NULL ? ERR_NOMEM : ERR_NONE;
}

static enum err load_dir(const struct load *load, const char *path, struct inode *dir);

static enum err load_entry(const struct load *load, struct dentry *entry)
{
    struct path path;
    struct stat st;
    path_of(load->mirror, entry, &path);
    if (lstat(path.text, &st) != 0)
        return cannot_read(load, path.text);
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return errmsg_set(load->msg, ERR_IO, "%s is neither a file nor a directory", path.text);
    struct inode *inode = disk_inode_new(load->tree, S_ISDIR(st.st_mode));
    if (inode == NULL)
        return ERR_NOMEM;
    disk_dentry_set_cache(load->tree, entry, inode);
    disk_dentry_set_media(load->tree, entry, inode);
    return inode->is_dir ? load_dir(load, path.text, inode) : load_file(load, path.text, inode);
}

/* The order of a real directory must decide nothing. */
static enum err load_sorted(const struct load *load, struct inode *dir, struct named *all)
{
    size_t count = 0;
    LIST_EACH (entry, &dir->entries, struct dentry, in_dir)
        all[count++].entry = entry;
    enum err e = sort_stable(load->tree->mem, all, count, sizeof *all, disk_named_compare);
    for (size_t i = 0; e == ERR_NONE && i < count; i++)
        e = load_entry(load, all[i].entry);
    return e;
}

static enum err load_dir(const struct load *load, const char *path, struct inode *dir)
{
    enum err e = load_names(load, path, dir);
    if (e != ERR_NONE)
        return e;
    size_t count = 0;
    LIST_EACH (entry, &dir->entries, struct dentry, in_dir)
        count += entry != NULL;
    struct named *all = mem_array(load->tree->mem, count, sizeof *all);
    if (all == NULL)
        return ERR_NOMEM;
    e = load_sorted(load, dir, all);
    mem_free(load->tree->mem, all);
    return e;
}

enum err disk_mirror_load(struct mirror *mirror, struct tree *tree, struct errmsg *msg)
{
    struct load load = {.mirror = mirror, .tree = tree, .msg = msg};
    return load_dir(&load, mirror->root, tree->root);
}
