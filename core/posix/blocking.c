/* blocking.c - the calls that may wait for a disk or a name server, run in a thread of the pool or,
 * while the disk is well, by the loop. It touches the operation, what the operation points to, and
 * the file system; nothing of the loop. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>
#include "posix/internal.h"

_Static_assert(ENV_PARTS_MAX <= IOV_MAX, "the parts of a write fit one call");

/* A thread reads ahead in steps of this size, on its stack. */
#define AHEAD_SIZE (64u << 10)
#define POSIX_INODES_MIN 16 /* fewer free ones are none: a new segment and its files need some */

/* ---- open ---- */

static int open_dir(int root_fd, const char *path)
{
    return openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int lock_fd(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

/* The directory of a locked file is locked as well: somebody may remove the file, and the next
 * would lock another one under its name. Where a file system does not lock directories (NFS), the
 * file has to do. */
static int lock_dir(int root_fd, const char *path, int *dir_fd)
{
    char dir[ENV_PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t size = slash == NULL ? 0 : MAX((size_t)(slash - path), 1);
    ASSERT(size < sizeof dir);
    memcpy(dir, path, size);
    dir[size] = 0;
    int fd = open_dir(root_fd, size == 0 ? "." : dir);
    if (fd < 0)
        return 0;
    int number = lock_fd(fd);
    if (number == 0) {
        *dir_fd = fd;
        return 0;
    }
    close(fd);
    return number == EWOULDBLOCK ? number : 0;
}

/* Truncates after it has the lock: a file that another process holds must keep its bytes. */
static int prepare_file(int fd, unsigned flags, dev_t *dev)
{
    struct stat s;
    if (fstat(fd, &s) != 0)
        return errno;
    if (!S_ISREG(s.st_mode))
        return EISDIR; /* or a pipe, or a device, which are no file either */
    *dev = s.st_dev;
    int number = flags & ENV_OPEN_LOCK ? lock_fd(fd) : 0;
    if (number == 0 && (flags & ENV_OPEN_TRUNCATE) && ftruncate(fd, 0) != 0)
        return errno;
    return number;
}

static int open_flags(unsigned flags)
{
    int how = O_CLOEXEC | O_NONBLOCK; /* a pipe would wait for who opens its other end */
    if ((flags & ENV_OPEN_READ) && (flags & ENV_OPEN_WRITE))
        how |= O_RDWR;
    else
        how |= flags & ENV_OPEN_WRITE ? O_WRONLY : O_RDONLY;
    if (flags & ENV_OPEN_CREATE)
        how |= O_CREAT;
    if (flags & ENV_OPEN_EXCLUSIVE)
        how |= O_EXCL;
    return how;
}

/* The descriptors go to door_id, the device to door_done. */
static int open_file(const struct place *place, struct env_op *op)
{
    int dir_fd = -1;
    dev_t dev = 0;
    int fd = openat(place->root_fd, op->path, open_flags(op->flags), place->file_mode);
    if (fd < 0)
        return errno;
    int number = op->flags & ENV_OPEN_LOCK ? lock_dir(place->root_fd, op->path, &dir_fd) : 0;
    if (number == 0)
        number = prepare_file(fd, op->flags, &dev);
    op->door_done = dev;
    op->door_id = TWO_FDS(fd, dir_fd);
    if (number != 0)
        posix_close_both(op->door_id);
    return number;
}

int posix_close_both(uint64_t door_id)
{
    int number = close(FIRST_FD(door_id)) == 0 ? 0 : errno;
    if (SECOND_FD(door_id) >= 0)
        close(SECOND_FD(door_id));
    return number;
}

/* ---- directories ---- */

/* ENOMEM says elsewhere that nothing was tried; a sync that was tried and failed has failed. */
static int sync_result(int failed)
{
    if (failed == 0)
        return 0;
    return errno == ENOMEM ? EIO : errno;
}

static int sync_dir(int root_fd, const char *path)
{
    int fd = open_dir(root_fd, path);
    if (fd < 0)
        return errno;
    int number = sync_result(fsync(fd));
    close(fd);
    return number;
}

/* Some file systems do not say what an entry is. */
static bool is_dir(int dir_fd, const struct dirent *entry)
{
    struct stat s;
    if (entry->d_type != DT_UNKNOWN && entry->d_type != DT_LNK)
        return entry->d_type == DT_DIR;
    return fstatat(dir_fd, entry->d_name, &s, 0) == 0 && S_ISDIR(s.st_mode);
}

static void add_name(struct env_op *op, bool dir, const char *name)
{
    uint64_t used = op->door_done;
    size_t size = strlen(name) + 1;
    op->door_done += dir + size;
    if (op->door_done > op->size)
        return;
    char *at = (char *)op->buffer + used;
    if (dir)
        *at++ = '/';
    memcpy(at, name, size);
}

/* errno 0 and door_done bytes of names, of which the buffer may hold fewer. */
static int list_dir(int root_fd, struct env_op *op)
{
    int fd = open_dir(root_fd, op->path);
    if (fd < 0)
        return errno;
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return ENOMEM;
    }
    errno = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            add_name(op, is_dir(fd, entry), entry->d_name);
        errno = 0;
    }
    int number = errno;
    closedir(dir);
    return number;
}

static int space(int root_fd, struct env_op *op)
{
    int fd = openat(root_fd, op->path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return errno;
    struct statvfs s;
    int number = fstatvfs(fd, &s) == 0 ? 0 : errno;
    /* Without inodes no file can be made; some file systems count none. */
    bool no_inodes = s.f_files > 0 && s.f_favail < POSIX_INODES_MIN;
    if (number == 0)
        op->door_done = no_inodes ? 0 : (uint64_t)s.f_bavail * s.f_frsize;
    close(fd);
    return number;
}

static int unlink_any(int root_fd, const char *path)
{
    if (unlinkat(root_fd, path, 0) == 0)
        return 0;
    if (errno != EISDIR)
        return errno;
    return unlinkat(root_fd, path, AT_REMOVEDIR) == 0 ? 0 : errno;
}

/* ---- open files; their descriptor stands in door_id ---- */

/* Goes on where the loop stopped: door_done bytes are there. */
static int read_file(struct env_op *op)
{
    while (op->door_done < op->size) {
        ssize_t n = pread(FIRST_FD(op->door_id), (uint8_t *)op->buffer + op->door_done,
                          op->size - op->door_done, (off_t)(op->offset + op->door_done));
        if (n < 0 && errno != EINTR)
            return errno;
        if (n == 0)
            return 0;
        op->door_done += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

/* Of it and those that go with it. */
static int fill_iov(const struct env_op *op, struct iovec *iov)
{
    int count = 0;
    for (; op != NULL; op = op->door_next) {
        for (int i = 0; i < op->part_count; i++) {
            const struct env_part *part = &op->parts[i];
            ASSERT(part->data != NULL || part->size == 0); /* file ranges stand only in sends */
            if (part->size > 0)
                iov[count++] = (struct iovec){(void *)(uintptr_t)part->data, part->size};
        }
    }
    return count;
}

/* Drops the first bytes of an array of iovecs. */
static void advance(struct iovec **iov, int *count, uint64_t bytes)
{
    while (bytes > 0 && bytes >= (*iov)->iov_len) {
        bytes -= (*iov)->iov_len;
        (*iov)++;
        (*count)--;
    }
    if (bytes > 0) {
        (*iov)->iov_base = (uint8_t *)(*iov)->iov_base + bytes;
        (*iov)->iov_len -= bytes;
    }
}

/* 0, or errno when not all of it stands in the file. */
static int write_parts(const struct env_op *op, uint64_t offset)
{
    int fd = FIRST_FD(op->door_id);
    struct iovec all[ENV_PARTS_MAX];
    struct iovec *iov = all;
    int count = fill_iov(op, all);
    int number = FAULT("disk/write", EIO);
    if (number == 0)
        number = FAULT("disk/space", ENOSPC);
    if (number != 0)
        return number;
    while (count > 0) {
        ssize_t n = pwritev(fd, iov, count, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno;
        if (n == 0)
            return EIO;
        offset += (uint64_t)n;
        advance(&iov, &count, (uint64_t)n);
    }
    return 0;
}

/* The end is asked for each time: another handle may have moved it. Nobody reads or writes where
 * the descriptor stands, so asking by lseek, the cheapest call that knows, harms nobody. */
static int append_file(struct env_op *op)
{
    off_t size = lseek(FIRST_FD(op->door_id), 0, SEEK_END);
    if (size < 0)
        return errno;
    uint64_t end = (uint64_t)size;
    for (struct env_op *next = op; next != NULL; next = next->door_next) {
        next->door_done = end;
        end += next->size;
    }
    return write_parts(op, op->door_done);
}

static int size_file(struct env_op *op)
{
    struct stat s;
    if (fstat(FIRST_FD(op->door_id), &s) != 0)
        return errno;
    op->modified_ms = (int64_t)s.st_mtim.tv_sec * 1000 + s.st_mtim.tv_nsec / 1000000;
    op->door_done = (uint64_t)s.st_size;
    return 0;
}

static int truncate_file(struct env_op *op)
{
    if (ftruncate(FIRST_FD(op->door_id), (off_t)op->size) != 0)
        return errno;
    op->door_done = op->size;
    return 0;
}

/* Reads door_done bytes at op->offset into the page cache, for a send. */
static int read_ahead(struct env_op *op)
{
    uint8_t bytes[AHEAD_SIZE];
    uint64_t left = op->door_done;
    uint64_t at = op->offset;
    while (left > 0) {
        ssize_t n = pread(FIRST_FD(op->door_id), bytes, MIN(left, sizeof bytes), (off_t)at);
        if (n < 0 && errno != EINTR)
            return errno;
        if (n == 0)
            return 0; /* the file is shorter; the loop finds out */
        left -= n > 0 ? (uint64_t)n : 0;
        at += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

/* What was removed under its writer takes writes and syncs as if it were there. */
static int sync_file(struct env_op *op)
{
    struct stat s;
    int fd = FIRST_FD(op->door_id);
    int number = sync_result(fdatasync(fd));
    op->door_done = number == 0 && fstat(fd, &s) == 0 && s.st_nlink == 0;
    return number;
}

static int run(const struct place *place, struct env_op *op)
{
    int root_fd = place->root_fd;
    switch ((enum env_verb)op->verb) {
    case ENV_OPEN:
        return open_file(place, op);
    case ENV_CLOSE_FILE:
        return posix_close_both(op->door_id);
    case ENV_READ:
        return read_file(op);
    case ENV_WRITE:
        op->door_done = op->size;
        return write_parts(op, op->offset);
    case ENV_APPEND:
        return append_file(op);
    case ENV_SIZE:
        return size_file(op);
    case ENV_TRUNCATE:
        return truncate_file(op);
    case ENV_SYNC:
        return sync_file(op);
    case ENV_SYNC_DIR:
        return sync_dir(root_fd, op->path);
    case ENV_RENAME:
        return renameat(root_fd, op->path, root_fd, op->path_to) == 0 ? 0 : errno;
    case ENV_UNLINK:
        return unlink_any(root_fd, op->path);
    case ENV_MAKE_DIR:
        return mkdirat(root_fd, op->path, place->dir_mode) == 0 ? 0 : errno;
    case ENV_LIST:
        return list_dir(root_fd, op);
    case ENV_SPACE:
        return space(root_fd, op);
    case ENV_LISTEN:
    case ENV_CONNECT:
        posix_resolve(op);
        return 0;
    case ENV_SEND:
        return read_ahead(op);
    case ENV_OFFLOAD:
        op->function(op->buffer);
        return 0;
    default:
        break;
    }
    UNREACHABLE();
}

uint32_t posix_op_disk(const struct env_op *op)
{
    switch ((enum env_verb)op->verb) {
    case ENV_WRITE:
    case ENV_APPEND:
    case ENV_TRUNCATE:
    case ENV_SYNC:
    case ENV_SIZE:
        return (uint32_t)SECOND_FD(op->door_id);
    default:
        return DISK_ANY;
    }
}

void posix_block(const struct place *place, struct env_op *op)
{
    int number = posix_fault_blocking((enum env_verb)op->verb);
    if (number == 0)
        number = run(place, op);
    op->door_err = number == 0 ? ERR_NONE : posix_errno((enum env_verb)op->verb, number);
    if (op->verb == ENV_LIST && number == 0 && op->door_done > op->size)
        op->door_err = ERR_RANGE;
    else if (number != 0)
        op->door_done = 0;
}
