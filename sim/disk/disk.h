/* disk.h - the passive model of one node's disk: files whose bytes become durable one by one, and
 * what is left of them after a crash. It knows no time and decides no fault: the world says when an
 * operation begins, when and how it ends, and when the power goes.
 *
 * Three images of every file: CACHE is what reads see, MEDIA what survives, and PENDING the
 * operations between them, each of which becomes durable by a sync, by writeback, or by the luck of
 * a power loss. Rule 4 of env.h is kept as long as the world calls a verb (or the finish of a
 * write) in the event that delivers its completion.
 *
 * Every function that takes a key is a pure function of the disk and the key. Errors are those that
 * env.h lists for the verb, and ERR_NOMEM; opening a directory as a file, renaming a file onto a
 * directory or a directory into itself is ERR_ACCESS.
 */
#ifndef KILN_DISK_H
#define KILN_DISK_H

#include "base/base.h"
#include "env/env.h"

#define DISK_PAGE_SIZE 4096  /* what is written back at once; writes are cut at its multiples */
#define DISK_NAME_MAX 255    /* bytes of one component of a path */
#define DISK_SECTOR_SIZE 512 /* unless the options say otherwise */
#define DISK_FILES_MAX 1024  /* open files, likewise */
/* Operations of a page or an entry that are not durable, unless the options say otherwise. With one
 * more, writeback makes the oldest durable. */
#define DISK_PENDING_MAX 2048
/* Of disk_crash_states; what grows a file counts for two. */
#define DISK_STATES_OPS_MAX 16
#define DISK_FILE_SIZE_MAX (1ull << 40)
#define DISK_BAD_SECTORS_MAX 256 /* in one file */

struct disk;
struct disk_write; /* a write or append in flight */

/* What may become durable before what (simulation.md 3.3). */
enum disk_personality {
    DISK_POSIX, /* nothing is ordered but changes of one entry */
    DISK_EXT4,  /* entries and truncates in order; a size after its data and after earlier sizes of
                   the file; a rename that replaces after the data it brings */
    DISK_XFS,   /* entries and truncates in order; a size after its data */
    DISK_COW,   /* entries in order; a file is at its last version or at the newest, never torn */
    DISK_PERSONALITY_COUNT
};

extern const char *const disk_personality_names[DISK_PERSONALITY_COUNT];

/* {0} is a posix disk in memory with the defaults above and no limit of capacity. */
struct disk_options {
    enum disk_personality personality;
    const char *root;     /* NULL: in memory. Else a directory, made when it is missing, which shows
                             CACHE as real files; what it holds already is loaded as durable */
    uint32_t sector_size; /* a power of two up to a page */
    uint64_t capacity;    /* bytes, counted in pages */
    int32_t files_max;
    int32_t pending_max;
};

/* ERR_NOMEM, ERR_IO (root; msg says what). */
enum err disk_new(struct disk **out, struct mem *mem, const struct disk_options *options,
                  struct errmsg *msg) MUST_USE;
void disk_free(struct disk *disk);
/* What it guarantees, for env->disk. */
struct env_disk disk_guarantees(const struct disk *disk);
/* Another tenant takes or gives space. Less than what is used is allowed: then there is none. */
void disk_set_capacity(struct disk *disk, uint64_t bytes);
/* NULL, or why the real files under root no longer show CACHE. The model goes on without them. */
const char *disk_mirror_error(const struct disk *disk);

/* Asserts what must be true of the images at any moment. Slow; for tests. */
void disk_check(const struct disk *disk);

/* Of all that MEDIA and CACHE hold: names, sizes and bytes. The same for the same history, in
 * memory and on real files. O(pages of the disk, and the bytes of those that changed since the last
 * one). */
uint64_t disk_digest(struct disk *disk);

/* ---- verbs: at once, in CACHE ---- */

/* file: a name that is never used again. flags: enum env_open_flag. */
enum err disk_open(struct disk *disk, const char *path, unsigned flags, uint64_t *file) MUST_USE;
/* No write of it may be in flight. */
void disk_close(struct disk *disk, uint64_t file);
enum err disk_read(struct disk *disk, uint64_t file, uint64_t offset, void *buffer, uint64_t size,
                   uint64_t *n) MUST_USE;
uint64_t disk_size(const struct disk *disk, uint64_t file);
/* An entry names it. */
bool disk_is_named(const struct disk *disk, uint64_t file);
/* What of it is durable: it would be there after any loss of power. */
struct disk_durable {
    uint64_t size; /* before it MEDIA has all that CACHE shows */
    bool named;    /* its name is durable, and those of the directories above it */
    const char
        *dir; /* the directory that CACHE has it in, "" the root, and its name there; NULL: */
    const char *name; /* nothing names it. The disk's, until the next verb */
    uint64_t *notes;  /* so many words, which whoever asks keeps with the file; 0 at first, and once
                         it is cut. The disk's, as long as the file is there */
    const void *file; /* for disk_durable_read */
};
#define DISK_NOTES 4
void disk_durable(const struct disk *disk, uint64_t file, struct disk_durable *out);
/* The same for each file in a directory, open or not; none where there is no such directory. */
typedef void disk_durable_visit(void *context, const struct disk_durable *file);
void disk_durable_each(const struct disk *disk, const char *dir, disk_durable_visit *visit,
                       void *context);
/* Of its durable bytes; offset + size: at most so many. */
void disk_durable_read(const struct disk_durable *file, uint64_t offset, uint8_t *buffer,
                       uint64_t size);
/* What CACHE has in a directory, without a handle: for whoever looks on. None where there is none.
 */
struct disk_seen {
    const char *name; /* the disk's, until the next verb */
    bool is_dir;
    uint64_t size;
    const void *file;
};
typedef void disk_look_visit(void *context, const struct disk_seen *seen);
void disk_look(const struct disk *disk, const char *dir, disk_look_visit *visit, void *context);
/* All of its bytes. */
void disk_look_read(const struct disk_seen *file, uint8_t *buffer);
/* The file's bytes have changed at that wall time; and when that was last so. */
void disk_set_modified(struct disk *disk, uint64_t file, int64_t wall_ms);
int64_t disk_modified(const struct disk *disk, uint64_t file);
enum err disk_truncate(struct disk *disk, uint64_t file, uint64_t size) MUST_USE;
enum err disk_rename(struct disk *disk, const char *path, const char *path_to) MUST_USE;
enum err disk_unlink(struct disk *disk, const char *path) MUST_USE;
enum err disk_make_dir(struct disk *disk, const char *path) MUST_USE;
/* As env_list. key 0: in the order in which the entries were made; else in an order drawn from the
 * key and the names. ERR_RANGE: *n says what is needed. */
enum err disk_list(struct disk *disk, const char *path, uint64_t key, void *buffer, uint64_t size,
                   uint64_t *n) MUST_USE;
enum err disk_space(struct disk *disk, const char *path, uint64_t *n) MUST_USE;

/* ---- writes: begun with a copy of the bytes, visible when finished ---- */

/* ERR_READONLY: not open for writing. Parts are memory. Whether there is room is decided here and
 * told by the finish. */
enum err disk_write_begin(struct disk *disk, uint64_t file, uint64_t offset,
                          const struct env_part *parts, int part_count,
                          struct disk_write **out) MUST_USE;
/* Appends of a file must end in the order in which they began. */
enum err disk_append_begin(struct disk *disk, uint64_t file, const struct env_part *parts,
                           int part_count, struct disk_write **out) MUST_USE;
/* Ends it whole; frees it. n: bytes written, or the offset at which an append stands. ERR_NOSPACE:
 * what found room was written, n is 0. ERR_OFFLINE: an append that began before it failed. */
enum err disk_write_finish(struct disk *disk, struct disk_write *write, uint64_t *n) MUST_USE;
/* Ends it with an error: at most its first bytes (0: nothing) were written; frees it. */
void disk_write_cut(struct disk *disk, struct disk_write *write, uint64_t bytes);
/* Ends it as the death of its process does: undone, whole, or cut at a page boundary; frees it. */
void disk_write_crash(struct disk *disk, struct disk_write *write, uint64_t key);
uint64_t disk_write_size(const struct disk_write *write);

/* ---- syncs ---- */

/* What one sync covers: what was finished before its begin. A value; nothing to free. It is void
 * once its file is closed or the process is dead. */
struct disk_sync {
    uint64_t file; /* 0: a directory */
    uint64_t inode, sequence;
};

void disk_sync_begin(struct disk *disk, uint64_t file, struct disk_sync *sync);
enum err disk_sync_dir_begin(struct disk *disk, const char *path, struct disk_sync *sync) MUST_USE;
/* Makes it durable. ERR_IO: an earlier failure of this file that this handle was not yet told of
 * (`late` ones, and those told to another handle). */
enum err disk_sync_finish(struct disk *disk, const struct disk_sync *sync) MUST_USE;
/* Fails as Linux fails (Rebello et al., ATC 2020): writeback of some covered pages, one at least if
 * there are any, fails; they count as clean, CACHE keeps the new bytes (cow: goes back), MEDIA the
 * old, and the next sync succeeds without writing them. Of a directory: its entries stay pending.
 * Returns ERR_IO; with late ERR_NONE, and the next sync of the file says ERR_IO. */
enum err disk_sync_fail(struct disk *disk, const struct disk_sync *sync, uint64_t key, bool late);

/* The oldest of what is pending becomes durable without a sync, and what must come before it: what
 * a kernel does in the background. Beyond pending_max it happens by itself; on a full disk, to
 * removals and truncates that give space back. */
void disk_writeback(struct disk *disk, int32_t count);
/* The same for any one of what is pending, by the key, with what its personality has go before it.
 * False: nothing is. */
bool disk_writeback_any(struct disk *disk, uint64_t key);

/* ---- deaths ---- */

/* kill -9: handles, locks and writes in flight end (disk_write_crash); CACHE and PENDING stay. */
void disk_process_crash(struct disk *disk, uint64_t key);

struct disk_loss {
    uint64_t pending_count; /* operations that were not durable */
    uint64_t lost_count;    /* of them, those that did not survive */
    uint64_t torn_count;    /* pages that survived in part */
    uint64_t bytes_lost;    /* written, and not there */
    uint64_t files_lost;    /* names; but not those in a directory that is lost */
};

/* Power loss, process included: a crash state is drawn, MEDIA and CACHE become it, nothing is
 * pending. loss may be NULL. ERR_NOMEM: the disk can only be freed. */
enum err disk_power_loss(struct disk *disk, uint64_t key, struct disk_loss *loss) MUST_USE;
/* What disk_power_loss would leave, as a new disk in memory; the disk itself is untouched. No write
 * may be in flight. */
enum err disk_crashed(struct disk *disk, uint64_t key, struct disk **out) MUST_USE;
/* Visits every crash state once, untorn: the subsets of PENDING that the personality allows.
 * At most DISK_STATES_OPS_MAX operations may be pending (ERR_LIMIT); no write may be in flight. The
 * visitor borrows state. */
typedef void disk_visit(void *context, struct disk *state);
enum err disk_crash_states(struct disk *disk, disk_visit *visit, void *context) MUST_USE;

/* ---- damage ---- */

/* A bit of the durable bytes flips; reads show it unless newer bytes lie over it; a write heals it.
 * ERR_NOTFOUND, ERR_NOTDIR, ERR_RANGE: nothing durable there. */
enum err disk_flip(struct disk *disk, const char *path, uint64_t offset, int bit) MUST_USE;
/* Reads that touch the sector of offset fail with ERR_IO until all of it is written again. The same
 * errors, and ERR_LIMIT. */
enum err disk_break(struct disk *disk, const char *path, uint64_t offset) MUST_USE;
/* The durable bytes of the page of offset were never written: zeros stand there, and reads show it
 * unless newer bytes lie over them. The same errors, and ERR_RANGE: that is what stands there. */
enum err disk_stale(struct disk *disk, const char *path, uint64_t offset) MUST_USE;
/* They were written over the page of to, and not where they belong. The same errors. */
enum err disk_misdirect(struct disk *disk, const char *path, uint64_t offset, uint64_t to) MUST_USE;
/* What path names is removed, a directory with all in it, and is durably gone. Who has a file of it
 * open goes on with that. ERR_NOTFOUND, ERR_NOTDIR, ERR_BUSY: the root. */
enum err disk_vanish(struct disk *disk, const char *path) MUST_USE;
/* Clean pages leave the cache: after a failed sync, reads now show what MEDIA holds. */
void disk_evict(struct disk *disk);

/* ---- what an operator does; no handle may be open ---- */

/* A copy of a directory's CACHE. Freed with disk_image_free. */
struct disk_image;
enum err disk_image_take(struct disk *disk, const char *path, struct disk_image **out) MUST_USE;
/* The directory (made if missing) holds exactly the image from now on, durably. */
enum err disk_image_put(struct disk *disk, const char *path,
                        const struct disk_image *image) MUST_USE;
bool disk_image_equal(const struct disk_image *a, const struct disk_image *b);
void disk_image_free(struct disk_image *image);
/* An empty disk in place of the old one. */
enum err disk_wipe(struct disk *disk) MUST_USE;

#endif
