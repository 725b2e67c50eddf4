/* model.c - a thousand random calls, answered by a door and by the most naive model of files there
 * is: they must say the same. */
#include <stdlib.h>
#include "support/test.h"
#include "conformance/conformance.h"

#define PATHS 4
#define FILE_SIZE_MAX 20000
#define PIECE_MAX 1500
#define STEPS 1000

static const char *const paths[PATHS] = {"a", "b", "dir/a", "dir/b"};

/* The bytes of a file, which live on while it is open or has a name. */
struct model_file {
    uint64_t size;
    uint8_t bytes[FILE_SIZE_MAX];
};

struct model {
    struct conformance *t;
    struct rng rng;
    struct model_file *named[PATHS]; /* NULL: there is none of that name */
    /* At most one open handle for each path, perhaps of a file that was renamed or unlinked. */
    env_file open[PATHS];
    struct model_file *opened[PATHS];
    uint64_t key; /* of the next bytes */
};

static uint64_t below(struct model *m, uint64_t n)
{
    return random_below(rng_next(&m->rng), n);
}

static void open_one(struct model *m, int i)
{
    struct conformance *t = m->t;
    unsigned flags = ENV_OPEN_READ | ENV_OPEN_WRITE;
    bool create = below(m, 2) == 0;
    flags |= create ? ENV_OPEN_CREATE : 0;
    flags |= create && below(m, 4) == 0 ? ENV_OPEN_EXCLUSIVE : 0;
    flags |= below(m, 8) == 0 ? ENV_OPEN_TRUNCATE : 0;
    enum err expected = ERR_NONE;
    if (m->named[i] == NULL && !create)
        expected = ERR_NOTFOUND;
    if (m->named[i] != NULL && (flags & ENV_OPEN_EXCLUSIVE))
        expected = ERR_EXISTS;
    CHECK_ERR(t, do_open(t, paths[i], flags), expected);
    if (expected != ERR_NONE)
        return;
    if (m->named[i] == NULL)
        m->named[i] = take(t, sizeof(struct model_file));
    m->open[i] = t->n;
    m->opened[i] = m->named[i];
    if (flags & ENV_OPEN_TRUNCATE)
        m->opened[i]->size = 0;
}

static void close_one(struct model *m, int i)
{
    CHECK_OK(m->t, do_close_file(m->t, m->open[i]));
    m->open[i] = 0;
    m->opened[i] = NULL;
}

static void put(struct model_file *file, uint64_t offset, const uint8_t *bytes, uint64_t size)
{
    if (offset > file->size)
        memset(file->bytes + file->size, 0, offset - file->size);
    memcpy(file->bytes + offset, bytes, size);
    file->size = MAX(file->size, offset + size);
}

/* Cuts bytes into up to four parts, some of them empty. */
static int cut(struct model *m, const uint8_t *bytes, uint64_t size, struct env_part *parts)
{
    int count = 1 + (int)below(m, 4);
    uint64_t at = 0;
    for (int i = 0; i < count; i++) {
        uint64_t end = i == count - 1 ? size : at + below(m, size - at + 1);
        parts[i] = part_of(bytes + at, end - at);
        at = end;
    }
    return count;
}

static void write_one(struct model *m, int i)
{
    struct conformance *t = m->t;
    struct model_file *file = m->opened[i];
    uint64_t size = 1 + below(m, PIECE_MAX);
    bool append = below(m, 2) == 0;
    uint64_t offset = append ? file->size : below(m, file->size + PIECE_MAX);
    if (offset + size > FILE_SIZE_MAX)
        return;
    uint8_t *bytes = pattern(t, m->key++, size);
    struct env_part *parts = take(t, 4 * sizeof *parts);
    struct ask *ask = ask_new(t);
    int count = cut(m, bytes, size, parts);
    if (append)
        ask_append(ask, m->open[i], parts, count);
    else
        ask_write(ask, m->open[i], offset, parts, count);
    CHECK_OK(t, await(ask));
    CHECK_INT(t, ask->n, append ? offset : size);
    put(file, offset, bytes, size);
}

static void read_one(struct model *m, int i)
{
    struct conformance *t = m->t;
    struct model_file *file = m->opened[i];
    uint64_t offset = below(m, FILE_SIZE_MAX);
    uint64_t size = 1 + below(m, FILE_SIZE_MAX);
    uint64_t there = offset < file->size ? MIN(size, file->size - offset) : 0;
    uint8_t *buffer = malloc(size);
    enum err e = do_read(t, m->open[i], offset, buffer, size);
    bool same = e == ERR_NONE && t->n == there && memcmp(buffer, file->bytes + offset, there) == 0;
    free(buffer);
    CHECK(t, same);
}

static void truncate_one(struct model *m, int i)
{
    struct conformance *t = m->t;
    struct model_file *file = m->opened[i];
    uint64_t size = below(m, MIN(FILE_SIZE_MAX, file->size + PIECE_MAX));
    CHECK_OK(t, do_truncate(t, m->open[i], size));
    if (size > file->size)
        memset(file->bytes + file->size, 0, size - file->size);
    file->size = size;
}

static void rename_one(struct model *m, int i)
{
    int to = (int)below(m, PATHS);
    enum err expected = m->named[i] == NULL ? ERR_NOTFOUND : ERR_NONE;
    CHECK_ERR(m->t, do_rename(m->t, paths[i], paths[to]), expected);
    if (expected != ERR_NONE || to == i)
        return;
    m->named[to] = m->named[i];
    m->named[i] = NULL;
}

static void unlink_one(struct model *m, int i)
{
    enum err expected = m->named[i] == NULL ? ERR_NOTFOUND : ERR_NONE;
    CHECK_ERR(m->t, do_unlink(m->t, paths[i]), expected);
    m->named[i] = NULL;
}

static bool is_listed(const char *list, uint64_t size, const char *entry)
{
    for (uint64_t at = 0; at < size; at += strlen(list + at) + 1)
        if (strcmp(list + at, entry) == 0)
            return true;
    return false;
}

static void list_all(struct model *m)
{
    struct conformance *t = m->t;
    char *list = take(t, 100);
    uint64_t expected = strlen("/dir") + 1;
    CHECK_OK(t, do_list(t, ".", list, 100));
    CHECK(t, is_listed(list, t->n, "/dir"));
    for (int i = 0; i < 2; i++) {
        CHECK_INT(t, is_listed(list, t->n, paths[i]), m->named[i] != NULL);
        expected += m->named[i] != NULL ? strlen(paths[i]) + 1 : 0;
    }
    CHECK_INT(t, t->n, expected);
    CHECK_OK(t, do_list(t, "dir", list, 100));
    for (int i = 2; i < PATHS; i++)
        CHECK_INT(t, is_listed(list, t->n, paths[i] + 4), m->named[i] != NULL);
}

static void one_call(struct model *m)
{
    int i = (int)below(m, PATHS);
    uint64_t what = below(m, 20);
    if (what == 0)
        unlink_one(m, i);
    else if (what == 1)
        rename_one(m, i);
    else if (what == 2)
        list_all(m);
    else if (m->open[i] == 0)
        open_one(m, i);
    else if (what == 3)
        close_one(m, i);
    else if (what == 4)
        truncate_one(m, i);
    else if (what < 12)
        write_one(m, i);
    else
        read_one(m, i);
    if (m->open[i] == 0)
        return;
    CHECK_OK(m->t, do_size(m->t, m->open[i]));
    CHECK_INT(m->t, m->t->n, m->opened[i]->size);
}

CASE(a_thousand_random_calls_answer_as_a_naive_model_does)
{
    struct model *m = take(t, sizeof *m);
    *m = (struct model){.t = t, .rng.state = 42};
    CHECK_OK(t, do_make_dir(t, "dir"));
    for (int i = 0; i < STEPS; i++)
        one_call(m);
}
