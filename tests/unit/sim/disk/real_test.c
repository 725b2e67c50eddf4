/* real_test.c - the model shows what a real directory shows: 100,000 random calls on both. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "help.h"

#define SLOTS 12
#define FLIGHTS 6
#define BYTES_MAX 9000
#define FILE_MAX 40000

struct slot {
    uint64_t file;
    int fd;
};

struct flight {
    struct disk_write *write;
    int slot;
    bool append;
    uint64_t offset, size, order;
    uint8_t data[BYTES_MAX];
};

struct both {
    struct mem mem;
    struct disk *disk;
    char root[64];
    char mirror[64];
    struct rng rng;
    struct slot slots[SLOTS];
    struct flight flights[FLIGHTS];
    uint64_t order;
    struct disk_sync sync;
    int sync_slot; /* -1: none in flight */
    int call;
};

static uint64_t below(struct both *b, uint64_t n)
{
    return random_below(rng_next(&b->rng), n);
}

static const char *const paths[] = {"a",      "b",        "c",  "d",     "d/a",  "d/b",   "d/e",
                                    "d/e/a",  "d/e/b",    "f",  "f/a",   "f/e",  "f/e/a", "./a",
                                    "d/./b",  "d//e/a",   "a/", "d/",    "d/e/", "none/", "none/x",
                                    "d/../b", "f/e/../a", ".",  "e/x/y", "/c",   "/d/c/"};

static const char *any_path(struct both *b)
{
    return paths[below(b, COUNT_OF(paths))];
}

static const char *real_path(const struct both *b, const char *path, char *out)
{
    snprintf(out, 256, "%s/%s", b->root, path);
    return out;
}

/* As core/posix names them. */
static enum err meaning(int number, bool rename)
{
    switch (number) {
    case 0:
        return ERR_NONE;
    case ENOENT:
        return ERR_NOTFOUND;
    case EEXIST:
        return rename ? ERR_NOTEMPTY : ERR_EXISTS;
    case ENOTEMPTY:
        return ERR_NOTEMPTY;
    case ENOTDIR:
        return ERR_NOTDIR;
    case EISDIR:
        return ERR_NOTFILE;
    case EINVAL:
        return rename ? ERR_ACCESS : ERR_IO;
    case EBADF:
        return ERR_READONLY;
    case EWOULDBLOCK:
        return ERR_BUSY;
    default:
        return ERR_IO;
    }
}

static void check(struct both *b, const char *verb, const char *path, enum err model, int real)
{
    enum err e = meaning(real, verb[0] == 'r');
    if (model != e)
        fail_msg("call %d, %s %s: the model says %s, Linux %s (%s)", b->call, verb, path,
                 err_name(model), err_name(e), strerror(real));
}

/* ---- the calls ---- */

static int real_open(const struct both *b, const char *path, unsigned flags, int *fd)
{
    char full[256];
    int how = (flags & ENV_OPEN_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC;
    how |= flags & ENV_OPEN_CREATE ? O_CREAT : 0;
    how |= flags & ENV_OPEN_EXCLUSIVE ? O_EXCL : 0;
    *fd = open(real_path(b, path, full), how, 0644);
    if (*fd < 0)
        return errno;
    struct stat st;
    int number = 0;
    if (fstat(*fd, &st) == 0 && S_ISDIR(st.st_mode))
        number = EISDIR;
    else if ((flags & ENV_OPEN_LOCK) && flock(*fd, LOCK_EX | LOCK_NB) != 0)
        number = errno;
    else if ((flags & ENV_OPEN_TRUNCATE) && ftruncate(*fd, 0) != 0)
        number = errno;
    if (number != 0)
        close(*fd);
    return number;
}

static void call_open(struct both *b)
{
    struct slot *slot = &b->slots[below(b, SLOTS)];
    if (slot->file != 0)
        return;
    unsigned flags = ENV_OPEN_READ;
    flags |= below(b, 8) > 0 ? ENV_OPEN_WRITE : 0;
    flags |= below(b, 2) == 0 ? ENV_OPEN_CREATE : 0;
    if (flags & ENV_OPEN_CREATE)
        flags |= below(b, 4) == 0 ? ENV_OPEN_EXCLUSIVE : 0;
    if (flags & ENV_OPEN_WRITE)
        flags |= below(b, 6) == 0 ? ENV_OPEN_TRUNCATE : 0;
    flags |= below(b, 6) == 0 ? ENV_OPEN_LOCK : 0;
    const char *path = any_path(b);
    enum err e = disk_open(b->disk, path, flags, &slot->file);
    check(b, "open", path, e, real_open(b, path, flags, &slot->fd));
    if (e != ERR_NONE)
        slot->file = 0;
}

static bool in_flight(const struct both *b, int slot)
{
    for (int i = 0; i < FLIGHTS; i++)
        if (b->flights[i].write != NULL && b->flights[i].slot == slot)
            return true;
    return b->sync_slot == slot;
}

static void call_close(struct both *b)
{
    int slot = (int)below(b, SLOTS);
    if (b->slots[slot].file == 0 || in_flight(b, slot))
        return;
    disk_close(b->disk, b->slots[slot].file);
    close(b->slots[slot].fd);
    b->slots[slot].file = 0;
}

static int any_open(struct both *b)
{
    uint64_t first = below(b, SLOTS);
    for (uint64_t i = 0; i < SLOTS; i++)
        if (b->slots[(first + i) % SLOTS].file != 0)
            return (int)((first + i) % SLOTS);
    return -1;
}

static void call_read(struct both *b)
{
    static uint8_t x[FILE_MAX];
    static uint8_t y[FILE_MAX];
    int slot = any_open(b);
    if (slot < 0)
        return;
    uint64_t n;
    uint64_t offset = below(b, 3) == 0 ? 0 : below(b, FILE_MAX);
    uint64_t size = 1 + below(b, FILE_MAX);
    assert_ok(disk_read(b->disk, b->slots[slot].file, offset, x, size, &n));
    ssize_t got = pread(b->slots[slot].fd, y, size, (off_t)offset);
    assert_int_equal(n, got);
    assert_memory_equal(x, y, n);
    struct stat st;
    assert_int_equal(fstat(b->slots[slot].fd, &st), 0);
    assert_int_equal(disk_size(b->disk, b->slots[slot].file), st.st_size);
}

static bool writable(const struct both *b, int slot)
{
    return (fcntl(b->slots[slot].fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}

static void call_begin(struct both *b)
{
    int slot = any_open(b);
    struct flight *f = &b->flights[below(b, FLIGHTS)];
    if (slot < 0 || f->write != NULL)
        return;
    f->slot = slot;
    f->append = below(b, 2) == 0;
    f->size = 1 + below(b, below(b, 4) == 0 ? BYTES_MAX : 200);
    f->offset = below(b, 4) == 0 ? DISK_PAGE_SIZE * below(b, 5) : below(b, FILE_MAX - BYTES_MAX);
    f->order = b->order++;
    for (uint64_t i = 0; i < f->size; i++)
        f->data[i] = (uint8_t)(i * 7 + f->order);
    struct env_part parts[2] = {help_part(f->data, f->size / 2),
                                help_part(f->data + f->size / 2, f->size - f->size / 2)};
    uint64_t file = b->slots[slot].file;
    bool full = disk_size(b->disk, file) > FILE_MAX - 2 * BYTES_MAX;
    f->append = f->append && !full;
    enum err e = f->append ? disk_append_begin(b->disk, file, parts, 2, &f->write)
                           : disk_write_begin(b->disk, file, f->offset, parts, 2, &f->write);
    assert_int_equal(e, writable(b, slot) ? ERR_NONE : ERR_READONLY);
    if (e != ERR_NONE)
        f->write = NULL;
}

/* An append that began earlier must end earlier. */
static struct flight *first_of(struct both *b, struct flight *f)
{
    for (int i = 0; i < FLIGHTS; i++) {
        struct flight *g = &b->flights[i];
        if (g->write != NULL && f->append && g->append && g->slot == f->slot && g->order < f->order)
            f = g;
    }
    return f;
}

static void call_finish(struct both *b)
{
    struct flight *f = &b->flights[below(b, FLIGHTS)];
    if (f->write == NULL)
        return;
    f = first_of(b, f);
    struct stat st;
    uint64_t n;
    int fd = b->slots[f->slot].fd;
    assert_int_equal(fstat(fd, &st), 0);
    uint64_t offset = f->append ? (uint64_t)st.st_size : f->offset;
    assert_ok(disk_write_finish(b->disk, f->write, &n));
    assert_int_equal(n, f->append ? offset : f->size);
    assert_int_equal(pwrite(fd, f->data, f->size, (off_t)offset), f->size);
    f->write = NULL;
}

static void call_truncate(struct both *b)
{
    int slot = any_open(b);
    if (slot < 0 || !writable(b, slot))
        return;
    uint64_t size = below(b, 3) == 0 ? 0 : below(b, FILE_MAX - BYTES_MAX);
    assert_ok(disk_truncate(b->disk, b->slots[slot].file, size));
    assert_int_equal(ftruncate(b->slots[slot].fd, (off_t)size), 0);
}

static void call_rename(struct both *b)
{
    char x[256];
    char y[256];
    const char *from = any_path(b);
    const char *to = any_path(b);
    int real = rename(real_path(b, from, x), real_path(b, to, y)) == 0 ? 0 : errno;
    snprintf(x, sizeof x, "%s to %s", from, to);
    check(b, "rename", x, disk_rename(b->disk, from, to), real);
}

static int real_unlink(const char *path)
{
    if (unlink(path) == 0)
        return 0;
    if (errno != EISDIR)
        return errno;
    return rmdir(path) == 0 ? 0 : errno;
}

static void call_unlink(struct both *b)
{
    char full[256];
    const char *path = any_path(b);
    if (strcmp(path, ".") == 0)
        return;
    int real = real_unlink(real_path(b, path, full));
    check(b, "unlink", path, disk_unlink(b->disk, path), real);
}

static void call_make_dir(struct both *b)
{
    char full[256];
    const char *path = any_path(b);
    int real = mkdir(real_path(b, path, full), 0755) == 0 ? 0 : errno;
    check(b, "make", path, disk_make_dir(b->disk, path), real);
}

/* ---- what both show ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

struct names {
    char name[32][64];
    int count;
};

static int real_names(const char *path, struct names *out)
{
    out->count = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return errno;
    DIR *dir = fdopendir(fd);
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir))
        if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
            snprintf(out->name[out->count++], 64, "%s%.60s", d->d_type == DT_DIR ? "/" : "",
                     d->d_name);
    closedir(dir);
    qsort(out->name, (size_t)out->count, 64, by_text);
    return 0;
}

static enum err model_names(struct disk *disk, const char *path, uint64_t key, struct names *out)
{
    char buffer[2048];
    uint64_t n;
    out->count = 0;
    enum err e = disk_list(disk, path, key, buffer, sizeof buffer, &n);
    if (e != ERR_NONE)
        return e;
    for (uint64_t at = 0; at < n; at += strlen(buffer + at) + 1)
        snprintf(out->name[out->count++], 64, "%.60s", buffer + at);
    qsort(out->name, (size_t)out->count, 64, by_text);
    return ERR_NONE;
}

static void check_names(struct both *b, const char *path, const char *real, struct names *out)
{
    struct names other;
    enum err e = model_names(b->disk, path, below(b, 3), out);
    check(b, "list", path, e, real_names(real, &other));
    assert_int_equal(out->count, other.count);
    for (int i = 0; i < out->count; i++)
        assert_string_equal(out->name[i], other.name[i]);
}

static void call_list(struct both *b)
{
    char full[256];
    struct names names;
    const char *path = any_path(b);
    check_names(b, path, real_path(b, path, full), &names);
}

static void check_file(struct both *b, const char *path, const char *real)
{
    static uint8_t x[2 * FILE_MAX];
    static uint8_t y[2 * FILE_MAX];
    uint64_t n;
    uint64_t file = help_open(b->disk, path, ENV_OPEN_READ);
    assert_ok(disk_read(b->disk, file, 0, x, sizeof x, &n));
    disk_close(b->disk, file);
    int fd = open(real, O_RDONLY);
    ssize_t got = read(fd, y, sizeof y);
    close(fd);
    assert_int_equal(n, got);
    assert_memory_equal(x, y, n);
}

/* Everything below a directory, in the model and under root. */
static void check_tree(struct both *b, const char *root, const char *path)
{
    struct names names;
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    check_names(b, path, full, &names);
    for (int i = 0; i < names.count; i++) {
        char below_path[256];
        bool dir = names.name[i][0] == '/';
        snprintf(below_path, sizeof below_path, "%s/%s", path, names.name[i] + dir);
        snprintf(full, sizeof full, "%s/%s", root, below_path);
        if (dir)
            check_tree(b, root, below_path);
        else
            check_file(b, below_path, full);
    }
}

/* ---- what must show nothing ---- */

static void call_sync(struct both *b)
{
    if (b->sync_slot >= 0) {
        assert_ok(disk_sync_finish(b->disk, &b->sync));
        b->sync_slot = -1;
        return;
    }
    b->sync_slot = any_open(b);
    if (b->sync_slot >= 0)
        disk_sync_begin(b->disk, b->slots[b->sync_slot].file, &b->sync);
}

static void call_sync_dir(struct both *b)
{
    char full[256];
    const char *path = any_path(b);
    struct disk_sync sync;
    int fd = open(real_path(b, path, full), O_RDONLY | O_DIRECTORY);
    int real = fd < 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    enum err e = disk_sync_dir_begin(b->disk, path, &sync);
    check(b, "sync_dir", path, e, real);
    if (e == ERR_NONE)
        assert_ok(disk_sync_finish(b->disk, &sync));
}

static void call_background(struct both *b)
{
    if (below(b, 2) == 0)
        disk_evict(b->disk);
    else
        disk_writeback(b->disk, (int32_t)below(b, 40));
}

static void (*const calls[])(struct both *b) = {
    call_open,     call_open,   call_open,     call_close,    call_read,
    call_read,     call_begin,  call_begin,    call_begin,    call_finish,
    call_finish,   call_finish, call_truncate, call_rename,   call_unlink,
    call_make_dir, call_list,   call_sync,     call_sync_dir, call_background};

static void finish_all(struct both *b)
{
    for (int round = 0; round < 1000; round++)
        call_finish(b);
    if (b->sync_slot >= 0)
        call_sync(b);
    for (int i = 0; i < SLOTS; i++) {
        if (b->slots[i].file == 0)
            continue;
        disk_close(b->disk, b->slots[i].file);
        close(b->slots[i].fd);
    }
}

static void remove_tree(const char *path)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    assert_int_equal(system(command), 0);
}

/* In dir: the memory file system is as real as ext4, and does not wait for a disk. */
static void run(const char *dir, enum disk_personality personality, bool files, int count)
{
    struct both *b = calloc(1, sizeof *b);
    mem_system(&b->mem);
    b->rng.state = (uint64_t)personality * 2 + files;
    b->sync_slot = -1;
    snprintf(b->root, sizeof b->root, "%s/kiln-real-XXXXXX", dir);
    snprintf(b->mirror, sizeof b->mirror, "%s/kiln-mirror-XXXXXX", dir);
    assert_non_null(mkdtemp(b->root));
    assert_non_null(mkdtemp(b->mirror));
    b->disk = help_new(&b->mem, (struct disk_options){.personality = personality,
                                                      .pending_max = 200,
                                                      .root = files ? b->mirror : NULL});
    for (b->call = 0; b->call < count; b->call++) {
        calls[below(b, COUNT_OF(calls))](b);
        if (b->call % 20 == 0)
            disk_check(b->disk);
        if (b->call % 2000 == 0)
            check_tree(b, b->root, ".");
    }
    finish_all(b);
    check_tree(b, b->root, ".");
    if (files)
        check_tree(b, b->mirror, ".");
    assert_null(disk_mirror_error(b->disk));
    disk_free(b->disk);
    assert_int_equal(b->mem.live_count, 0);
    remove_tree(b->root);
    remove_tree(b->mirror);
    free(b);
}

static const char *fast_dir(void)
{
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

TEST(a_disk_in_memory_shows_what_a_real_directory_shows)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++)
        run(fast_dir(), (enum disk_personality)p, false, 25000);
}

TEST(a_disk_of_files_shows_what_a_real_directory_shows)
{
    for (int p = 0; p < DISK_PERSONALITY_COUNT; p++)
        run(fast_dir(), (enum disk_personality)p, true, 25000);
}

TEST(a_disk_shows_what_the_file_system_under_tmp_shows)
{
    run("/tmp", DISK_EXT4, true, 8000);
}
