/* input.c - a file that somebody names on the command line, read up to a limit and within a time:
 * it may be a pipe that nobody writes to, or a device that never ends. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/cli.h"

#define CHUNK_SIZE 65536

static enum err cannot(struct errmsg *msg, const char *path)
{
    if (errno == ETIMEDOUT)
        return errmsg_set(msg, ERR_IO, "cannot read %s: nothing came out of it for %d s", path,
                          CLI_INPUT_WAIT_MS / 1000);
    enum err e = errno == ENOENT ? ERR_NOTFOUND : errno == EACCES ? ERR_ACCESS : ERR_IO;
    return errmsg_set(msg, e, "cannot read %s: %s", path, strerror(errno));
}

/* Bytes; 0: the end; -1: none came in time, or errno. */
static ssize_t read_some(int fd, uint8_t *to, size_t size)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    for (;;) {
        int ready = poll(&wait, 1, CLI_INPUT_WAIT_MS);
        if (ready == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        ssize_t n = ready < 0 ? -1 : read(fd, to, size);
        if (n >= 0 || (errno != EINTR && errno != EAGAIN))
            return n;
    }
}

static enum err read_all(int fd, const char *path, size_t bytes_max, struct bytes *out,
                         struct errmsg *msg)
{
    uint8_t *data = NULL;
    size_t size = 0, cap = 0;
    ssize_t n = 1;
    enum err e = ERR_NONE;
    while (n > 0 && size <= bytes_max) {
        if (size == cap) {
            cap = MIN(MAX(2 * cap, CHUNK_SIZE), bytes_max + 1);
            uint8_t *grown = realloc(data, cap + 1);
            if (grown == NULL)
                break;
            data = grown;
        }
        n = read_some(fd, data + size, MIN(cap - size, CHUNK_SIZE));
        size += n > 0 ? (size_t)n : 0;
    }
    if (n < 0)
        e = cannot(msg, path);
    else if (n > 0 && size <= bytes_max)
        e = errmsg_set(msg, ERR_NOMEM, "cannot read %s: out of memory", path);
    else if (size > bytes_max)
        e = errmsg_set(msg, ERR_LIMIT,
                       "%s holds more than the %zu bytes that are read of such a file: is it the "
                       "right one?",
                       path, bytes_max);
    if (e != ERR_NONE) {
        free(data);
        return e;
    }
    data[size] = 0;
    *out = bytes_of(data, size);
    return ERR_NONE;
}

enum err cli_read_input(const char *path, size_t bytes_max, struct bytes *out, struct errmsg *msg)
{
    struct stat s;
    /* To open a pipe without a writer would wait for one. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return cannot(msg, path);
    enum err e = ERR_NONE;
    if (fstat(fd, &s) != 0)
        e = cannot(msg, path);
    else if (S_ISDIR(s.st_mode))
        e = errmsg_set(msg, ERR_INVALID, "%s is a directory, where a file is needed", path);
    else
        e = read_all(fd, path, bytes_max, out, msg);
    close(fd);
    return e;
}
