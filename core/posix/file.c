/* file.c - open files on the loop: writes and appends at once, reads when the page cache has them,
 * the rest in a thread. */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "posix/internal.h"

_Static_assert(ENV_PARTS_MAX <= IOV_MAX, "the parts of a write fit one call");

struct file *posix_file(struct posix *p, uint64_t name)
{
    struct handle *handle = posix_name_find(&p->names, name);
    ASSERT(handle != NULL);
    ASSERT(handle->kind == HANDLE_FILE);
    return CONTAINER_OF(handle, struct file, handle);
}

void posix_file_free(struct posix *p, struct file *file)
{
    if (file->handle.fd >= 0)
        posix_close_both(TWO_FDS(file->handle.fd, file->dir_fd));
    posix_name_take(&p->names, &file->handle);
    mem_free(p->mem, file);
}

/* ---- reading ---- */

ssize_t posix_read_cached(struct file *file, void *buffer, uint64_t size, uint64_t offset)
{
    struct iovec iov = {.iov_base = buffer, .iov_len = size};
    int number = FAULT("disk/cache", EAGAIN);
    if (number == 0 && file->nowait_refused)
        number = EAGAIN;
    if (number != 0) {
        errno = number;
        return -1;
    }
    ssize_t n;
    do
        n = preadv2(file->handle.fd, &iov, 1, (off_t)offset, RWF_NOWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        file->nowait_refused = true;
        errno = EAGAIN;
    }
    return n;
}

/* A short read is either the end of the file or the end of what is cached. */
static bool at_end(const struct file *file, uint64_t offset)
{
    struct stat s;
    return fstat(file->handle.fd, &s) == 0 && offset >= (uint64_t)s.st_size;
}

static void block_on_file(struct posix *p, struct file *file, struct env_op *op)
{
    op->door_id = (uint64_t)file->handle.fd;
    posix_pool_submit(&p->pool, op);
}

static void read_file(struct posix *p, struct file *file, struct env_op *op)
{
    ssize_t n = -1;
    int number = FAULT("disk/read", EIO);
    errno = number == 0 ? EAGAIN : number;
    if (number == 0 && op->size <= READ_INLINE_MAX)
        n = posix_read_cached(file, op->buffer, op->size, op->offset);
    if (n < 0 && errno != EAGAIN) {
        posix_fail(p, op, errno);
        return;
    }
    uint64_t got = n < 0 ? 0 : (uint64_t)n;
    if (got == op->size || (n >= 0 && at_end(file, op->offset + got))) {
        posix_finish(p, op, ERR_NONE, got);
        return;
    }
    op->door_done = got;
    p->public.counters.read_missed_count++;
    block_on_file(p, file, op);
}

/* ---- writing ---- */

static int fill_iov(const struct env_op *op, struct iovec *iov)
{
    int count = 0;
    for (int i = 0; i < op->part_count; i++) {
        const struct env_part *part = &op->parts[i];
        ASSERT(part->data != NULL || part->size == 0); /* file ranges stand only in sends */
        if (part->size > 0)
            iov[count++] = (struct iovec){(void *)(uintptr_t)part->data, part->size};
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
static int write_parts(int fd, const struct env_op *op, uint64_t offset)
{
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

static void write_file(struct posix *p, struct file *file, struct env_op *op)
{
    int number = write_parts(file->handle.fd, op, op->offset);
    if (number != 0) {
        posix_fail(p, op, number);
        return;
    }
    posix_finish(p, op, ERR_NONE, op->size);
}

/* The end is asked for each time: another handle may have moved it. */
static void append_file(struct posix *p, struct file *file, struct env_op *op)
{
    struct stat s;
    if (file->append_failed != NULL) {
        posix_finish(p, op, ERR_OFFLINE, 0);
        return;
    }
    int number = fstat(file->handle.fd, &s) == 0 ? 0 : errno;
    if (number == 0)
        number = write_parts(file->handle.fd, op, (uint64_t)s.st_size);
    if (number != 0) {
        file->append_failed = op;
        posix_fail(p, op, number);
        return;
    }
    posix_finish(p, op, ERR_NONE, (uint64_t)s.st_size);
}

/* ---- the rest ---- */

static void size_file(struct posix *p, struct file *file, struct env_op *op)
{
    struct stat s;
    if (fstat(file->handle.fd, &s) != 0) {
        posix_fail(p, op, errno);
        return;
    }
    op->modified_ms = (int64_t)s.st_mtim.tv_sec * 1000 + s.st_mtim.tv_nsec / 1000000;
    posix_finish(p, op, ERR_NONE, (uint64_t)s.st_size);
}

/* The descriptor is the thread's from here on. */
static void close_file(struct posix *p, struct file *file, struct env_op *op)
{
    ASSERT(file->in_flight_count == 1); /* only this */
    file->closing = true;
    op->door_id = TWO_FDS(file->handle.fd, file->dir_fd);
    posix_pool_submit(&p->pool, op);
    file->handle.fd = -1;
}

void posix_file_submit(struct posix *p, struct env_op *op)
{
    struct file *file = posix_file(p, op->handle);
    ASSERT(!file->closing);
    file->in_flight_count++;
    switch ((enum env_verb)op->verb) {
    case ENV_READ:
        read_file(p, file, op);
        return;
    case ENV_WRITE:
        write_file(p, file, op);
        return;
    case ENV_APPEND:
        append_file(p, file, op);
        return;
    case ENV_SIZE:
        size_file(p, file, op);
        return;
    case ENV_CLOSE_FILE:
        close_file(p, file, op);
        return;
    default:
        block_on_file(p, file, op);
        return;
    }
}

void posix_file_opened(struct posix *p, struct env_op *op)
{
    if (op->door_err != ERR_NONE) {
        posix_finish(p, op, op->door_err, 0);
        return;
    }
    int fd = FIRST_FD(op->door_id);
    struct file *file = mem_zalloc(p->mem, sizeof *file);
    enum err e = ERR_NOMEM;
    if (file != NULL) {
        file->handle = (struct handle){.kind = HANDLE_FILE, .fd = fd};
        file->dir_fd = SECOND_FD(op->door_id);
        e = posix_name_give(&p->names, p->mem, &file->handle, 0);
    }
    if (e != ERR_NONE) {
        mem_free(p->mem, file);
        posix_close_both(op->door_id);
        posix_finish(p, op, e, 0);
        return;
    }
    posix_finish(p, op, ERR_NONE, file->handle.name);
}

void posix_file_settle(struct posix *p, struct env_op *op)
{
    struct file *file = posix_file(p, op->handle);
    file->in_flight_count--;
    ASSERT(file->in_flight_count >= 0);
    if (file->append_failed == op)
        file->append_failed = NULL;
    if (op->verb == ENV_CLOSE_FILE)
        posix_file_free(p, file);
}
