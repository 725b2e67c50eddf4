/* err.h - the world's faults as values, and the one sentence that tells a person what happened. */
#ifndef KILN_BASE_ERR_H
#define KILN_BASE_ERR_H

#include <stdarg.h>
#include "base/assert.h"

/* X(name, text): the text follows "cannot open FILE: " and so begins in lower case. */
#define ERR_TABLE(X)                                                                               \
    X(NONE, "no error")                                                                            \
    X(NOMEM, "out of memory")                                                                      \
    X(CANCELLED, "cancelled")                                                                      \
    X(EOF, "closed by the other side")                                                             \
    X(IO, "input/output error")                                                                    \
    X(NOSPACE, "no space left on the disk")                                                        \
    X(READONLY, "the file system is read-only")                                                    \
    X(ACCESS, "permission denied")                                                                 \
    X(NOTFOUND, "no such file or directory")                                                       \
    X(EXISTS, "exists already")                                                                    \
    X(NOTDIR, "not a directory")                                                                   \
    X(NOTEMPTY, "directory not empty")                                                             \
    X(BUSY, "in use by another process")                                                           \
    X(TOOMANY, "too many open files")                                                              \
    X(REFUSED, "connection refused")                                                               \
    X(RESET, "connection reset")                                                                   \
    X(TIMEOUT, "timed out")                                                                        \
    X(UNREACHABLE, "host unknown or unreachable")                                                  \
    X(LIMIT, "a limit was reached")                                                                \
    X(CORRUPT, "corrupt data")                                                                     \
    X(RANGE, "out of range")                                                                       \
    X(INVALID, "invalid")                                                                          \
    X(UNSUPPORTED, "not supported")                                                                \
    X(OFFLINE, "offline after an earlier error")                                                   \
    X(NOTFILE, "what stands there is no file")

enum err {
#define X(name, text) ERR_##name,
    ERR_TABLE(X)
#undef X
        ERR_COUNT
};

/* "out of memory"; valid for every enum err. */
const char *err_text(enum err e);
/* "NOMEM": the stable name, for traces and plans. */
const char *err_name(enum err e);
/* The error of that name; false when there is none. */
bool err_parse(const char *name, enum err *out);

#define ERRMSG_SIZE 512

/* A message to a person: what happened, to what, and what to do next. Starts empty: {0}. */
struct errmsg {
    char text[ERRMSG_SIZE];
};

/* What is read of a message before anybody has set it: nothing. Cheaper than to set all of it to
 * zero, where requests go by. */
static inline void errmsg_clear(struct errmsg *msg)
{
    msg->text[0] = 0;
}

/* Replaces the text by the formatted one, cut at ERRMSG_SIZE. Returns e. msg may be NULL. */
enum err errmsg_set(struct errmsg *msg, enum err e, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same with a list of arguments, for those who format on behalf of others. */
void errmsg_vset(struct errmsg *msg, const char *format, va_list args);
/* Puts "formatted: " before the text, or before err_text(e) when the text is empty. Returns e. */
enum err errmsg_wrap(struct errmsg *msg, enum err e, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
