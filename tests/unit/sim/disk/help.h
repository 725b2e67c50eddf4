/* help.h - a disk in a test: calls that must succeed, and what it shows as one text. */
#ifndef KILN_DISK_HELP_H
#define KILN_DISK_HELP_H

#include <stdio.h>
#include "support/test.h"
#include "disk/disk.h"

#define RW (ENV_OPEN_READ | ENV_OPEN_WRITE)
#define RWC (RW | ENV_OPEN_CREATE)

static inline struct disk *help_new(struct mem *mem, struct disk_options options)
{
    struct disk *disk = NULL;
    struct errmsg msg = {0};
    if (disk_new(&disk, mem, &options, &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    return disk;
}

static inline struct disk *help_personality(struct mem *mem, enum disk_personality personality)
{
    return help_new(mem, (struct disk_options){.personality = personality});
}

static inline uint64_t help_open(struct disk *disk, const char *path, unsigned flags)
{
    uint64_t file = 0;
    assert_ok(disk_open(disk, path, flags, &file));
    return file;
}

static inline struct env_part help_part(const void *data, uint64_t size)
{
    return (struct env_part){.data = data, .size = size};
}

static inline void help_write(struct disk *disk, uint64_t file, uint64_t offset, const void *data,
                              uint64_t size)
{
    struct env_part part = help_part(data, size);
    struct disk_write *write;
    uint64_t n;
    assert_ok(disk_write_begin(disk, file, offset, &part, 1, &write));
    assert_ok(disk_write_finish(disk, write, &n));
    assert_int_equal(n, size);
}

static inline uint64_t help_append(struct disk *disk, uint64_t file, const void *data,
                                   uint64_t size)
{
    struct env_part part = help_part(data, size);
    struct disk_write *write;
    uint64_t n;
    assert_ok(disk_append_begin(disk, file, &part, 1, &write));
    assert_ok(disk_write_finish(disk, write, &n));
    return n;
}

static inline enum err help_try_sync(struct disk *disk, uint64_t file)
{
    struct disk_sync sync;
    disk_sync_begin(disk, file, &sync);
    return disk_sync_finish(disk, &sync);
}

static inline void help_sync(struct disk *disk, uint64_t file)
{
    assert_ok(help_try_sync(disk, file));
}

static inline void help_sync_dir(struct disk *disk, const char *path)
{
    struct disk_sync sync;
    assert_ok(disk_sync_dir_begin(disk, path, &sync));
    assert_ok(disk_sync_finish(disk, &sync));
}

static inline enum err help_fail_sync(struct disk *disk, uint64_t file, uint64_t key, bool late)
{
    struct disk_sync sync;
    disk_sync_begin(disk, file, &sync);
    return disk_sync_fail(disk, &sync, key, late);
}

/* A file with these bytes, made, written and closed; nothing of it is synced. */
static inline void help_put(struct disk *disk, const char *path, const char *text)
{
    uint64_t file = help_open(disk, path, RWC | ENV_OPEN_TRUNCATE);
    if (*text != 0)
        help_append(disk, file, text, strlen(text));
    disk_close(disk, file);
}

/* The same, durably: file and root directory. */
static inline void help_put_durable(struct disk *disk, const char *path, const char *text)
{
    help_put(disk, path, text);
    uint64_t file = help_open(disk, path, ENV_OPEN_READ);
    help_sync(disk, file);
    disk_close(disk, file);
    help_sync_dir(disk, ".");
}

/* Reads a file of up to cap - 1 bytes, with a zero behind it. -1: there is none. */
static inline int64_t help_get(struct disk *disk, const char *path, char *out, size_t cap)
{
    uint64_t file;
    uint64_t n;
    if (disk_open(disk, path, ENV_OPEN_READ, &file) != ERR_NONE)
        return -1;
    assert_ok(disk_read(disk, file, 0, out, cap - 1, &n));
    disk_close(disk, file);
    out[n] = 0;
    return (int64_t)n;
}

static inline void help_expect(struct disk *disk, const char *path, const char *text)
{
    char got[8192];
    if (help_get(disk, path, got, sizeof got) < 0)
        fail_msg("%s is not there", path);
    assert_string_equal(got, text);
}

static inline bool help_exists(struct disk *disk, const char *path)
{
    char got[8192];
    return help_get(disk, path, got, sizeof got) >= 0;
}

static inline void help_power_loss(struct disk *disk, uint64_t key)
{
    assert_ok(disk_power_loss(disk, key, NULL));
}

/* Whether two disks show the same names and bytes. */
static inline bool help_same(struct disk *a, struct disk *b)
{
    struct disk_image *x;
    struct disk_image *y;
    assert_ok(disk_image_take(a, ".", &x));
    assert_ok(disk_image_take(b, ".", &y));
    bool same = disk_image_equal(x, y);
    disk_image_free(x);
    disk_image_free(y);
    return same;
}

#endif
