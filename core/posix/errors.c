/* errors.c - what an errno means for a verb: only errors that env.h lists for it come out. */
#include <errno.h>
#include "posix/internal.h"

#define BIT(name) (1u << ERR_##name)

_Static_assert(ERR_COUNT <= 32, "a set of errors is 32 bits");

/* The errors each verb may end with (besides ERR_NOMEM), and what stands for all others. */
static const struct {
    uint32_t listed;
    enum err fallback;
} verbs[ENV_VERB_COUNT] = {
    [ENV_OPEN] = {BIT(NOTFOUND) | BIT(EXISTS) | BIT(NOTDIR) | BIT(ACCESS) | BIT(NOTFILE) |
                      BIT(READONLY) | BIT(NOSPACE) | BIT(TOOMANY) | BIT(BUSY),
                  ERR_IO},
    [ENV_CLOSE_FILE] = {0, ERR_IO},
    [ENV_READ] = {0, ERR_IO},
    [ENV_WRITE] = {BIT(NOSPACE) | BIT(READONLY), ERR_IO},
    [ENV_APPEND] = {BIT(NOSPACE) | BIT(READONLY), ERR_IO},
    [ENV_TRUNCATE] = {BIT(NOSPACE) | BIT(READONLY), ERR_IO},
    [ENV_SIZE] = {0, ERR_IO},
    [ENV_SYNC] = {BIT(NOSPACE), ERR_IO},
    [ENV_SYNC_DIR] = {BIT(NOTFOUND) | BIT(NOTDIR) | BIT(ACCESS) | BIT(TOOMANY), ERR_IO},
    [ENV_RENAME] = {BIT(NOTFOUND) | BIT(NOTDIR) | BIT(NOTEMPTY) | BIT(ACCESS) | BIT(NOTFILE) |
                        BIT(READONLY) | BIT(NOSPACE),
                    ERR_IO},
    [ENV_UNLINK] = {BIT(NOTFOUND) | BIT(NOTDIR) | BIT(NOTEMPTY) | BIT(ACCESS) | BIT(READONLY) |
                        BIT(BUSY),
                    ERR_IO},
    [ENV_MAKE_DIR] = {BIT(EXISTS) | BIT(NOTFOUND) | BIT(NOTDIR) | BIT(ACCESS) | BIT(READONLY) |
                          BIT(NOSPACE),
                      ERR_IO},
    [ENV_LIST] = {BIT(NOTFOUND) | BIT(NOTDIR) | BIT(ACCESS) | BIT(TOOMANY), ERR_IO},
    [ENV_SPACE] = {BIT(NOTFOUND) | BIT(ACCESS), ERR_IO},
    [ENV_LISTEN] = {BIT(BUSY) | BIT(ACCESS) | BIT(TOOMANY), ERR_UNREACHABLE},
    [ENV_ACCEPT] = {0, ERR_TOOMANY},
    [ENV_CONNECT] = {BIT(REFUSED) | BIT(TIMEOUT) | BIT(RESET) | BIT(TOOMANY), ERR_UNREACHABLE},
    [ENV_SEND] = {BIT(IO), ERR_RESET},
    [ENV_RECEIVE] = {BIT(TIMEOUT), ERR_RESET},
};

static enum err meaning(enum env_verb verb, int number)
{
    switch (number) {
    case ENOENT:
    case ELOOP: /* links that lead nowhere */
        return ERR_NOTFOUND;
    case EEXIST:
        return verb == ENV_RENAME || verb == ENV_UNLINK ? ERR_NOTEMPTY : ERR_EXISTS;
    case ENOTEMPTY:
        return ERR_NOTEMPTY;
    case ENOTDIR:
        return ERR_NOTDIR;
    case EISDIR: /* a directory stands where a file is wanted */
    case ENXIO:  /* or a socket, or a pipe */
        return ERR_NOTFILE;
    case EACCES:
    case EPERM:
        return ERR_ACCESS;
    case EINVAL:
        if (verb == ENV_TRUNCATE)
            return ERR_READONLY; /* ftruncate says so where a write says EBADF */
        return verb == ENV_RENAME ? ERR_ACCESS : ERR_COUNT; /* a directory into itself */
    case EROFS:
    case EBADF:
        return ERR_READONLY; /* EBADF: it was not opened for writing */
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_NOSPACE;
    case EMFILE:
    case ENFILE:
        return ERR_TOOMANY;
    case EBUSY:
    case EWOULDBLOCK:
    case EADDRINUSE:
        return ERR_BUSY;
    case ECONNREFUSED:
        return ERR_REFUSED;
    case ECONNRESET:
    case EPIPE:
        return ERR_RESET;
    case EIO:
        return ERR_IO;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    default:
        return ERR_COUNT; /* in no list */
    }
}

enum err posix_errno(enum env_verb verb, int number)
{
    ASSERT(number != 0);
    if (number == ENOMEM || number == ENOBUFS)
        return ERR_NOMEM;
    enum err e = meaning(verb, number);
    bool listed = e != ERR_COUNT && (verbs[verb].listed & 1u << e) != 0;
    return listed ? e : verbs[verb].fallback;
}
