/* door_posix.c - the real machine as a door under test: an empty directory, and a loop that is
 * polled; with disks that are well, that are slow, and that change between the two all the time. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "support/test.h"
#include "posix/posix.h"
#include "conformance/conformance.h"

struct real {
    struct test_mem mem;
    struct posix_env *posix;
    char root[256];
    bool slow;
};

enum variant { DISK_WELL, DISK_SLOW, DISK_CHANGES, VARIANT_COUNT };

static void start(struct conformance *t)
{
    struct real *real = calloc(1, sizeof *real);
    struct errmsg msg = {0};
    const char *tmp = getenv("TMPDIR");
    assert_non_null(real);
    test_mem_init(&real->mem);
    snprintf(real->root, sizeof real->root, "%s/kiln-conformance-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(real->root));
    assert_ok(posix_new(&real->posix, &real->mem.mem, real->root, NULL, &msg));
    real->slow = t->variant == DISK_SLOW;
    posix_pretend_slow(real->posix, real->slow);
    t->self = real;
    t->env = &real->posix->env;
    t->host = "127.0.0.1";
}

static bool step(struct conformance *t)
{
    struct real *real = t->self;
    int64_t give_up_ns = env_now(t->env) + t->patience_ns;
    int delivered = 0;
    if (t->variant == DISK_CHANGES) {
        real->slow = !real->slow;
        posix_pretend_slow(real->posix, real->slow);
    }
    while (delivered == 0 && env_now(t->env) < give_up_ns)
        delivered = posix_poll(real->posix, give_up_ns - env_now(t->env));
    return delivered > 0;
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s;
    (void)type;
    (void)where;
    return remove(path);
}

static void finish(struct conformance *t)
{
    struct real *real = t->self;
    posix_free(real->posix);
    assert_int_equal(nftw(real->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
    test_mem_done(&real->mem);
    free(real);
}

const struct conformance_door conformance_posix = {.name = "posix",
                                                   .variant_count = VARIANT_COUNT,
                                                   .start = start,
                                                   .step = step,
                                                   .finish = finish};
