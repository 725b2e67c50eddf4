/* fault.c - fault points of the real door, for libfiu: fiu-run and fiu-ctrl make the calls of a
 * live broker fail by name. Without KILN_FIU nothing of it is there but a heap. */
#include <errno.h>
#include <stdlib.h>
#include "posix/internal.h"

const char *const posix_fault_points[] = {
    "alloc",       "disk/cache",  "disk/list",     "disk/open",   "disk/read",  "disk/rename",
    "disk/space",  "disk/sync",   "disk/sync_dir", "disk/unlink", "disk/write", "net/accept",
    "net/connect", "net/receive", "net/send",      NULL,
};

#ifdef FIU_ENABLE
#include <fiu.h>
#include <fiu-control.h>

#define ERRNO_MAX 4095 /* Linux's own */

/* libfiu is one table a process, so this is one byte a process. */
atomic_bool posix_faults_on;

bool posix_inject_faults(bool on)
{
    atomic_store_explicit(&posix_faults_on, on, memory_order_relaxed);
    return true;
}

bool posix_take_faults(const char *basename)
{
    return fiu_init(0) == 0 && fiu_rc_fifo(basename) == 0 && posix_inject_faults(true);
}

/* Who enables a point may give an errno of his own as failinfo. */
int posix_fault_ask(const char *point, int number)
{
    if (fiu_fail(point) == 0)
        return 0;
    intptr_t given = (intptr_t)fiu_failinfo();
    return given > 0 && given <= ERRNO_MAX ? (int)given : number;
}
#else
bool posix_inject_faults(bool on)
{
    return !on;
}

bool posix_take_faults(const char *basename)
{
    (void)basename;
    return false;
}
#endif

int posix_fault_blocking(enum env_verb verb)
{
    switch (verb) {
    case ENV_OPEN:
        return FAULT("disk/open", EIO);
    case ENV_TRUNCATE:
        return FAULT("disk/write", EIO);
    case ENV_SYNC:
        return FAULT("disk/sync", EIO);
    case ENV_SYNC_DIR:
        return FAULT("disk/sync_dir", EIO);
    case ENV_RENAME:
        return FAULT("disk/rename", EIO);
    case ENV_UNLINK:
        return FAULT("disk/unlink", EIO);
    case ENV_LIST:
        return FAULT("disk/list", EIO);
    default:
        return 0; /* reads and writes have theirs in file.c */
    }
}

/* ---- memory ---- */

static void *heap_alloc(struct mem *mem, size_t size)
{
    (void)mem;
    return FAULT("alloc", ENOMEM) == 0 ? malloc(size) : NULL;
}

static void *heap_realloc(struct mem *mem, void *p, size_t size)
{
    (void)mem;
    return FAULT("alloc", ENOMEM) == 0 ? realloc(p, size) : NULL;
}

static void heap_free(struct mem *mem, void *p)
{
    (void)mem;
    free(p);
}

void posix_heap(struct mem *mem)
{
    static const struct mem_impl impl = {
        .alloc = heap_alloc, .realloc = heap_realloc, .free = heap_free};
    *mem = (struct mem){.impl = &impl};
}
