/* file.c - open files: writes and appends when the event is over, on the loop while their disk is
 * well; reads at once when the page cache has them; the rest in a thread. */
#include <errno.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "posix/internal.h"

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
    op->door_id = TWO_FDS(file->handle.fd, file->disk);
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

#define JOINED_LOOK_MAX 64 /* calls that are looked through for what can go with one */

/* The next of a list's first ones that appends to that file. */
static struct env_op *find_append(const struct list *calls, uint64_t handle, int *looked)
{
    LIST_EACH (op, calls, struct env_op, link) {
        if (++*looked > JOINED_LOOK_MAX)
            return NULL;
        if (op->verb == ENV_APPEND && op->handle == handle)
            return op;
    }
    return NULL;
}

/* Appends that wait behind it are written with it: a call costs more than what small ones bring.
 * Returns how many. */
static uint64_t join_appends(struct posix *p, struct file *file, struct env_op *first)
{
    struct env_op *last = first;
    uint64_t bytes = first->size, count = 0;
    int32_t parts = first->part_count;
    for (int looked = 0;; count++) {
        struct env_op *next = find_append(&file->appends, first->handle, &looked);
        if (next == NULL)
            next = find_append(&p->calls, first->handle, &looked);
        if (next == NULL || next->size > POSIX_CALL_BYTES_MAX - MIN(bytes, POSIX_CALL_BYTES_MAX) ||
            next->part_count > ENV_PARTS_MAX - parts)
            return count;
        list_remove(&next->link);
        last->door_next = next;
        last = next;
        bytes += next->size;
        parts += next->part_count;
    }
}

/* Whoever makes the call, an append goes before those that were started behind it: one of a file is
 * under way at a time, and the others wait in the file. */
bool posix_file_call(struct posix *p, struct env_op *op)
{
    struct file *file = posix_file(p, op->handle);
    uint64_t joined = 0;
    if (op->verb == ENV_APPEND) {
        if (file->append_failed != NULL) {
            posix_finish(p, op, ERR_OFFLINE, 0);
            return true;
        }
        if (file->appending != NULL) {
            list_push_back(&file->appends, &op->link);
            return true;
        }
        file->appending = op;
        joined = join_appends(p, file, op);
        p->public.counters.joined_count += joined;
    }
    op->door_id = TWO_FDS(file->handle.fd, file->disk);
    if (!posix_disk_slow(p, file->disk))
        return posix_call(p, op);
    p->public.counters.handed_count += 1 + joined;
    posix_pool_submit(&p->pool, op);
    return true;
}

void posix_file_appended(struct posix *p, struct env_op *op)
{
    struct file *file = posix_file(p, op->handle);
    ASSERT(file->appending == op);
    file->appending = NULL;
    enum err e = op->door_err;
    if (e != ERR_NONE)
        file->append_failed = op;
    while (op != NULL) {
        struct env_op *behind = op->door_next;
        op->door_next = NULL;
        posix_finish(p, op, e, e == ERR_NONE ? op->door_done : 0);
        e = e == ERR_NONE ? ERR_NONE : ERR_OFFLINE;
        op = behind;
    }
    struct list *next = list_pop_front(&file->appends);
    if (next != NULL)
        list_push_front(&p->calls, next);
}

/* ---- the rest ---- */

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
    case ENV_APPEND:
    case ENV_SIZE:
        p->call_bytes += op->size;
        list_push_back(&p->calls, &op->link);
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
        file->disk = posix_disk_of(p, (dev_t)op->door_done);
        list_init(&file->appends);
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
