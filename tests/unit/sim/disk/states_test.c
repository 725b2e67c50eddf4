/* states_test.c - for up to six calls whose effects are pending, the crash states of the model are
 * those of an enumerator that is written here, from simulation.md 3.3 alone: atoms, a matrix of
 * what needs what, and all subsets. */
#include <stdlib.h>
#include "help.h"

#define CALLS 6
#define SEEDS 5000
#define ATOMS_MAX 12 /* more are too many subsets for a test */
#define INODES_MAX 16
#define ENTRIES_MAX 24
#define FILE_MAX 8400
#define STATES_MAX 20000
#define PAGE DISK_PAGE_SIZE
#define ROOT 0
#define NONE (-1)

enum atom_kind { ATOM_DATA, ATOM_SIZE, ATOM_ENTRY };

struct slot {
    int dir; /* NONE: no slot */
    char name;
};

struct atom {
    enum atom_kind kind;
    int inode;
    uint64_t offset, size; /* SIZE: offset is unused */
    char fill;             /* DATA: what is written */
    bool asked;            /* SIZE: by a truncate */
    struct slot from, to;
    bool replaces;   /* a file, by a rename */
    uint64_t number; /* in the order of doing */
};

/* A whole file system as simple as it can be. */
struct image {
    struct {
        bool is_dir;
        uint64_t size;
        char bytes[FILE_MAX];
    } inodes[INODES_MAX];
    int inode_count;
    struct {
        struct slot slot;
        int inode;
    } entries[ENTRIES_MAX];
    int entry_count;
};

struct states {
    uint64_t hash[STATES_MAX];
    int count;
};

struct world {
    struct mem mem;
    struct disk *disk;
    enum disk_personality personality;
    struct rng rng;
    struct image durable, cache;
    struct atom atoms[64];
    int atom_count;
    bool needs[64][64]; /* [i][j]: i survives only with j */
    struct states model, truth;
    struct {
        bool in_flight, is_dir;
        int inode;
        uint64_t number; /* covers the atoms before it */
        uint64_t file;
        struct disk_sync sync;
    } sync;
    uint64_t atom_number;
};

static uint64_t below(struct world *w, uint64_t n)
{
    return random_below(rng_next(&w->rng), n);
}

/* ---- images ---- */

static int entry_of(const struct image *image, struct slot slot)
{
    for (int i = 0; i < image->entry_count; i++)
        if (image->entries[i].slot.dir == slot.dir && image->entries[i].slot.name == slot.name)
            return i;
    return NONE;
}

static int inode_of(const struct image *image, struct slot slot)
{
    int entry = entry_of(image, slot);
    return entry == NONE ? NONE : image->entries[entry].inode;
}

static void unset(struct image *image, struct slot slot)
{
    int entry = entry_of(image, slot);
    if (entry != NONE)
        image->entries[entry] = image->entries[--image->entry_count];
}

static void apply(struct image *image, const struct atom *a)
{
    char *bytes = image->inodes[a->inode].bytes;
    switch (a->kind) {
    case ATOM_DATA:
        memset(bytes + a->offset, a->fill, a->size);
        return;
    case ATOM_SIZE:
        if (a->asked)
            memset(bytes + a->size, 0, FILE_MAX - a->size);
        image->inodes[a->inode].size = a->size;
        return;
    case ATOM_ENTRY:
        if (a->from.dir != NONE)
            unset(image, a->from);
        if (a->to.dir == NONE)
            return;
        unset(image, a->to);
        image->entries[image->entry_count].slot = a->to;
        image->entries[image->entry_count++].inode = a->inode;
        return;
    }
}

static uint64_t image_hash(const struct image *image, int dir)
{
    uint64_t h = 1;
    for (char name = 'a'; name <= 'f'; name++) {
        int inode = inode_of(image, (struct slot){dir, name});
        if (inode == NONE)
            continue;
        uint64_t size = image->inodes[inode].size;
        uint64_t inner = image->inodes[inode].is_dir
                             ? image_hash(image, inode)
                             : hash_bytes(image->inodes[inode].bytes, size, 2 + size);
        h = hash_combine(hash_combine(h, (uint64_t)name), inner);
    }
    return h;
}

static int by_char(const void *a, const void *b)
{
    const char *x = a;
    const char *y = b;
    return (x[0] == '/' ? x[1] : x[0]) - (y[0] == '/' ? y[1] : y[0]);
}

/* The same of a disk. */
static uint64_t disk_hash(struct disk *disk, const char *path)
{
    char list[64];
    char names[16][4];
    int count = 0;
    uint64_t n;
    uint64_t h = 1;
    assert_ok(disk_list(disk, path, 0, list, sizeof list, &n));
    for (uint64_t at = 0; at < n; at += strlen(list + at) + 1)
        snprintf(names[count++], 4, "%.3s", list + at);
    qsort(names, (size_t)count, 4, by_char);
    for (int i = 0; i < count; i++) {
        char below_path[64];
        static char bytes[FILE_MAX + 1];
        bool dir = names[i][0] == '/';
        snprintf(below_path, sizeof below_path, "%s/%s", path, names[i] + dir);
        uint64_t inner;
        if (dir) {
            inner = disk_hash(disk, below_path);
        } else {
            uint64_t size = (uint64_t)help_get(disk, below_path, bytes, sizeof bytes);
            inner = hash_bytes(bytes, size, 2 + size);
        }
        h = hash_combine(hash_combine(h, (uint64_t)names[i][dir]), inner);
    }
    return h;
}

/* ---- the enumerator ---- */

static bool is_file_atom(const struct atom *a)
{
    return a->kind != ATOM_ENTRY;
}

static bool same_slot(struct slot a, struct slot b)
{
    return a.dir != NONE && a.dir == b.dir && a.name == b.name;
}

static bool share_slot(const struct atom *a, const struct atom *b)
{
    return same_slot(a->from, b->from) || same_slot(a->from, b->to) || same_slot(a->to, b->from) ||
           same_slot(a->to, b->to);
}

static bool is_metadata(const struct world *w, const struct atom *a)
{
    if (a->kind == ATOM_ENTRY)
        return true;
    return w->personality != DISK_COW && a->kind == ATOM_SIZE && a->asked;
}

/* Whether the later atom a needs the earlier b. */
static bool needs_earlier(const struct world *w, const struct atom *a, const struct atom *b)
{
    bool same_file = is_file_atom(a) && is_file_atom(b) && a->inode == b->inode;
    bool brings = a->kind == ATOM_ENTRY && a->replaces && is_file_atom(b) && a->inode == b->inode;
    bool ordered = is_metadata(w, a) && is_metadata(w, b);
    bool both_entries = a->kind == ATOM_ENTRY && b->kind == ATOM_ENTRY;
    bool cut = same_file && a->kind == ATOM_SIZE && a->asked;
    switch (w->personality) {
    case DISK_POSIX:
        return both_entries && share_slot(a, b);
    case DISK_EXT4:
        return ordered || brings || cut ||
               (same_file && a->kind == ATOM_SIZE && b->kind == ATOM_SIZE);
    case DISK_XFS:
        return ordered || cut ||
               (same_file && a->kind == ATOM_SIZE && b->kind == ATOM_SIZE && b->asked);
    case DISK_COW:
        return both_entries || same_file;
    case DISK_PERSONALITY_COUNT:
        break;
    }
    UNREACHABLE();
}

static void find_needs(struct world *w)
{
    memset(w->needs, 0, sizeof w->needs);
    for (int i = 0; i < w->atom_count; i++) {
        const struct atom *a = &w->atoms[i];
        for (int j = 0; j < i; j++)
            w->needs[i][j] = needs_earlier(w, a, &w->atoms[j]);
        bool grows = a->kind == ATOM_SIZE && !a->asked;
        if (grows && (w->personality == DISK_EXT4 || w->personality == DISK_XFS))
            w->needs[i][i - 1] = true; /* its data */
        for (int j = i + 1; j < w->atom_count && w->personality == DISK_COW; j++)
            w->needs[i][j] =
                is_file_atom(a) && is_file_atom(&w->atoms[j]) && a->inode == w->atoms[j].inode;
    }
}

static bool closed(const struct world *w, uint32_t set)
{
    for (int i = 0; i < w->atom_count; i++)
        for (int j = 0; j < w->atom_count; j++)
            if ((set >> i & 1) && w->needs[i][j] && !(set >> j & 1))
                return false;
    return true;
}

static void enumerate(struct world *w)
{
    static struct image image;
    w->truth.count = 0;
    for (uint32_t set = 0; set < 1u << w->atom_count; set++) {
        if (!closed(w, set))
            continue;
        image = w->durable;
        for (int i = 0; i < w->atom_count; i++)
            if (set >> i & 1)
                apply(&image, &w->atoms[i]);
        w->truth.hash[w->truth.count++] = image_hash(&image, ROOT);
    }
}

/* A sync: these atoms and all that they need become durable. */
static void make_durable(struct world *w, uint64_t set)
{
    find_needs(w);
    for (int round = 0; round < w->atom_count; round++)
        for (int i = 0; i < w->atom_count; i++)
            for (int j = 0; j < w->atom_count; j++)
                if ((set >> i & 1) && j < i && w->needs[i][j])
                    set |= 1ull << j;
    int kept = 0;
    for (int i = 0; i < w->atom_count; i++) {
        if (set >> i & 1)
            apply(&w->durable, &w->atoms[i]);
        else
            w->atoms[kept++] = w->atoms[i];
    }
    w->atom_count = kept;
}

/* ---- random calls, on the disk and as atoms ---- */

static void add(struct world *w, struct atom atom)
{
    assert_true(w->atom_count < COUNT_OF(w->atoms));
    atom.number = w->atom_number++;
    w->atoms[w->atom_count++] = atom;
    apply(&w->cache, &atom);
}

static const struct slot no_slot = {NONE, 0};

static void path_of(const struct world *w, struct slot slot, char *out)
{
    if (slot.dir == ROOT) {
        snprintf(out, 16, "%c", slot.name);
        return;
    }
    for (int i = 0; i < w->cache.entry_count; i++)
        if (w->cache.entries[i].inode == slot.dir)
            snprintf(out, 16, "%c/%c", w->cache.entries[i].slot.name, slot.name);
}

/* A slot in the root or in a directory in the root. */
static struct slot any_slot(struct world *w)
{
    struct slot slot = {ROOT, (char)('a' + below(w, 3))};
    int inode = inode_of(&w->cache, slot);
    if (inode != NONE && w->cache.inodes[inode].is_dir && below(w, 2) == 0)
        slot = (struct slot){inode, (char)('a' + below(w, 2))};
    return slot;
}

static bool is_file(const struct world *w, int inode)
{
    return inode != NONE && !w->cache.inodes[inode].is_dir;
}

static bool is_empty(const struct world *w, int dir)
{
    for (int i = 0; i < w->cache.entry_count; i++)
        if (w->cache.entries[i].slot.dir == dir)
            return false;
    return true;
}

static void call_make(struct world *w)
{
    char path[16];
    struct slot slot = any_slot(w);
    path_of(w, slot, path);
    if (inode_of(&w->cache, slot) != NONE || w->cache.inode_count == INODES_MAX)
        return;
    bool is_dir = slot.dir == ROOT && below(w, 4) == 0;
    if (is_dir)
        assert_ok(disk_make_dir(w->disk, path));
    else
        disk_close(w->disk, help_open(w->disk, path, RWC));
    int inode = w->cache.inode_count++;
    memset(&w->cache.inodes[inode], 0, sizeof w->cache.inodes[inode]);
    w->cache.inodes[inode].is_dir = is_dir;
    w->durable.inodes[inode] = w->cache.inodes[inode];
    w->durable.inode_count = w->cache.inode_count;
    add(w, (struct atom){.kind = ATOM_ENTRY, .inode = inode, .from = no_slot, .to = slot});
}

static void call_write(struct world *w)
{
    char path[16];
    static char bytes[PAGE];
    struct slot slot = any_slot(w);
    path_of(w, slot, path);
    int inode = inode_of(&w->cache, slot);
    if (!is_file(w, inode))
        return;
    uint64_t end = w->cache.inodes[inode].size;
    uint64_t offset = below(w, 3) == 0 ? below(w, 60) : end;
    offset = below(w, 5) == 0 ? PAGE - 10 : offset;
    uint64_t size = 1 + below(w, 30);
    if (offset + size > FILE_MAX)
        return;
    char fill = (char)(1 + below(w, 255));
    memset(bytes, fill, size);
    uint64_t file = help_open(w->disk, path, RW);
    help_write(w->disk, file, offset, bytes, size);
    disk_close(w->disk, file);
    while (size > 0) {
        uint64_t n = MIN(size, PAGE - offset % PAGE);
        add(w, (struct atom){
                   .kind = ATOM_DATA, .inode = inode, .offset = offset, .size = n, .fill = fill});
        offset += n;
        size -= n;
        if (offset > w->cache.inodes[inode].size)
            add(w, (struct atom){.kind = ATOM_SIZE, .inode = inode, .size = offset});
    }
}

static void call_truncate(struct world *w)
{
    char path[16];
    struct slot slot = any_slot(w);
    path_of(w, slot, path);
    int inode = inode_of(&w->cache, slot);
    if (!is_file(w, inode))
        return;
    uint64_t size = below(w, 2) == 0 ? 0 : below(w, below(w, 4) == 0 ? PAGE + 20 : 40);
    uint64_t file = help_open(w->disk, path, RW);
    assert_ok(disk_truncate(w->disk, file, size));
    disk_close(w->disk, file);
    if (size != w->cache.inodes[inode].size)
        add(w, (struct atom){.kind = ATOM_SIZE, .inode = inode, .size = size, .asked = true});
}

static void call_unlink(struct world *w)
{
    char path[16];
    struct slot slot = any_slot(w);
    path_of(w, slot, path);
    int inode = inode_of(&w->cache, slot);
    if (inode == NONE || !is_empty(w, inode))
        return;
    assert_ok(disk_unlink(w->disk, path));
    add(w, (struct atom){.kind = ATOM_ENTRY, .inode = inode, .from = slot, .to = no_slot});
}

static void call_rename(struct world *w)
{
    char path[16];
    char path_to[16];
    struct slot from = any_slot(w);
    struct slot to = any_slot(w);
    int inode = inode_of(&w->cache, from);
    int target = inode_of(&w->cache, to);
    path_of(w, from, path);
    path_of(w, to, path_to);
    if (inode == NONE || inode == target || disk_rename(w->disk, path, path_to) != ERR_NONE)
        return;
    add(w, (struct atom){.kind = ATOM_ENTRY,
                         .inode = inode,
                         .from = from,
                         .to = to,
                         .replaces = is_file(w, target)});
}

static void finish_sync(struct world *w)
{
    uint64_t set = 0;
    int inode = w->sync.inode;
    for (int i = 0; i < w->atom_count; i++) {
        const struct atom *a = &w->atoms[i];
        bool of_dir = a->kind == ATOM_ENTRY && (a->from.dir == inode || a->to.dir == inode);
        bool of_file = is_file_atom(a) && a->inode == inode;
        bool covered = a->number < w->sync.number && (w->sync.is_dir ? of_dir : of_file);
        set |= (uint64_t)covered << i;
    }
    assert_ok(disk_sync_finish(w->disk, &w->sync.sync));
    if (!w->sync.is_dir)
        disk_close(w->disk, w->sync.file);
    w->sync.in_flight = false;
    make_durable(w, set);
}

static void begin_sync(struct world *w)
{
    char path[16];
    struct slot slot = any_slot(w);
    int inode = inode_of(&w->cache, slot);
    if (inode == NONE)
        return;
    path_of(w, slot, path);
    w->sync.is_dir = w->cache.inodes[inode].is_dir;
    if (w->sync.is_dir && below(w, 2) == 0) {
        inode = ROOT;
        snprintf(path, sizeof path, ".");
    }
    w->sync.in_flight = true;
    w->sync.inode = inode;
    w->sync.number = w->atom_number;
    if (w->sync.is_dir) {
        assert_ok(disk_sync_dir_begin(w->disk, path, &w->sync.sync));
        return;
    }
    w->sync.file = help_open(w->disk, path, ENV_OPEN_READ);
    disk_sync_begin(w->disk, w->sync.file, &w->sync.sync);
}

static void call_sync(struct world *w)
{
    if (w->sync.in_flight)
        finish_sync(w);
    else
        begin_sync(w);
}

static void (*const calls[])(struct world *w) = {
    call_make,     call_make,   call_write,  call_write,  call_write,
    call_truncate, call_unlink, call_rename, call_rename, call_sync};

/* ---- comparing ---- */

static void visit(void *context, struct disk *state)
{
    struct world *w = context;
    assert_true(w->model.count < STATES_MAX);
    w->model.hash[w->model.count++] = disk_hash(state, ".");
}

static int by_hash(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return (*x > *y) - (*x < *y);
}

static void unique(struct states *s)
{
    int kept = 0;
    qsort(s->hash, (size_t)s->count, sizeof s->hash[0], by_hash);
    for (int i = 0; i < s->count; i++)
        if (kept == 0 || s->hash[kept - 1] != s->hash[i])
            s->hash[kept++] = s->hash[i];
    s->count = kept;
}

/* Some names that are durable already, so that there is something to lose. */
static void begin(struct world *w, uint64_t seed)
{
    memset(&w->cache, 0, sizeof w->cache);
    w->durable = w->cache;
    w->cache.inode_count = w->durable.inode_count = 1;
    w->cache.inodes[ROOT].is_dir = w->durable.inodes[ROOT].is_dir = true;
    w->rng.state = seed;
    w->atom_count = 0;
    w->model.count = 0;
    w->disk = help_personality(&w->mem, w->personality);
    for (int i = 0; i < 12; i++)
        calls[below(w, COUNT_OF(calls))](w);
    if (w->sync.in_flight)
        finish_sync(w);
    make_durable(w, UINT64_MAX);
    disk_writeback(w->disk, INT32_MAX);
}

static void compare(struct world *w, uint64_t seed)
{
    begin(w, seed);
    for (int i = 0; i < CALLS && w->atom_count <= ATOMS_MAX - 4; i++)
        calls[below(w, COUNT_OF(calls))](w);
    if (w->sync.in_flight)
        finish_sync(w);
    find_needs(w);
    enumerate(w);
    int allowed =
        w->truth.count; /* with what cannot be seen any more: it has no atom in the model */
    assert_ok(disk_crash_states(w->disk, visit, w));
    assert_true(w->model.count <= allowed);
    unique(&w->model);
    unique(&w->truth);
    assert_int_equal(w->model.count, w->truth.count);
    assert_memory_equal(w->model.hash, w->truth.hash, sizeof(uint64_t) * (size_t)w->truth.count);
    assert_int_equal(disk_hash(w->disk, "."), image_hash(&w->cache, ROOT));
    disk_free(w->disk);
}

static const int states_least[DISK_PERSONALITY_COUNT] = {
    [DISK_POSIX] = 100, [DISK_EXT4] = 30, [DISK_XFS] = 40, [DISK_COW] = 16};

static void compare_all(enum disk_personality personality)
{
    struct world *w = calloc(1, sizeof *w);
    mem_system(&w->mem);
    w->personality = personality;
    int most = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        compare(w, seed);
        most = MAX(most, w->truth.count);
    }
    assert_true(most >= states_least[personality]); /* or it compared little */
    assert_int_equal(w->mem.live_count, 0);
    free(w);
}

TEST(all_crash_states_of_posix_are_found)
{
    compare_all(DISK_POSIX);
}

TEST(all_crash_states_of_ext4_are_found)
{
    compare_all(DISK_EXT4);
}

TEST(all_crash_states_of_xfs_are_found)
{
    compare_all(DISK_XFS);
}

TEST(all_crash_states_of_cow_are_found)
{
    compare_all(DISK_COW);
}
