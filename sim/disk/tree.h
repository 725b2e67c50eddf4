/* tree.h - the inside of the disk: files and directories in their three images. Only this folder
 * includes it.
 *
 * A page of a file is *shared* as long as MEDIA can be told from CACHE by the file's durable size
 * alone: what stands below media_size is durable, what stands at or above it is pending and durable
 * nowhere, so an append-only file is held once. The first write below that line *splits* the page:
 * MEDIA gets a page of its own and every pending record of the page its own bytes. When nothing
 * that touches a split page is pending any more, both are equal and the page is shared again.
 *
 * What is pending of one file becomes durable in the order in which it was done (a sync covers a
 * prefix, and so does writeback), until a power loss picks.
 */
#ifndef KILN_DISK_TREE_H
#define KILN_DISK_TREE_H

#include "disk/disk.h"

struct dentry;
struct inode;

enum record_kind {
    RECORD_DATA,     /* bytes of one page, and perhaps the size that they give the file */
    RECORD_TRUNCATE, /* a size that was asked for */
    RECORD_CHANGE,   /* of directory entries */
};

/* Something that was done and is not durable. */
struct record {
    struct list in_tree;     /* all of them, by sequence */
    struct list in_metadata; /* changes and truncates, where the personality orders them */
    struct list in_inode;    /* data and truncates of a file */
    struct record *page_next;
    struct inode *inode; /* the file; of a change, what the entry names */
    uint64_t sequence;   /* of the call: the pages of one write share it */
    uint64_t offset;     /* of data; the new size of a truncate */
    uint8_t *own;        /* the bytes of data; NULL while CACHE still shows them */
    uint32_t size;
    uint8_t kind;
    bool grows;                            /* offset + size becomes the size of the file */
    bool data_kept, size_kept, tear_never; /* scratch of one crash state */
};

/* An entry is made (to), removed (from), or moved (both), as one. */
struct change {
    struct record record;
    struct dentry *from, *to;
    bool replaces; /* a file that was there */
    struct change_link {
        struct list link;
        struct change *change;
    } in_from, in_to; /* dir->changes; only one when both are in one directory */
};

struct page {
    uint8_t *cache;              /* NULL: zeros */
    uint8_t *media;              /* of a split page; NULL: zeros */
    struct record *first, *last; /* pending data of this page, oldest first */
    uint64_t digest;             /* of both; 0: not known, as whenever one of them is to change */
    bool split;
    bool diverged; /* clean, and yet not what MEDIA holds: its writeback failed */
};

struct bad_sector {
    uint64_t sector;
    uint64_t healed; /* sequence of the write that covers it; 0: none */
};

struct inode {
    struct hmap_node node; /* tree->inodes */
    uint64_t id;
    bool is_dir, locked;
    int32_t handle_count;
    int32_t link_count;  /* entries that name it, each image counting for one */
    int32_t pin_count;   /* pending changes that speak of it */
    struct dentry *name; /* in CACHE; NULL: the root, or unlinked */
    /* of a directory */
    struct list entries; /* dentry.in_dir, in the order in which CACHE got them */
    struct list changes; /* change_link.link */
    int32_t child_count; /* in CACHE */
    /* of a file */
    int64_t modified_ms; /* by the wall clock of the node that did it */
    uint64_t size, media_size;
    uint64_t
        size_to_be; /* once all that is pending is durable: size, unless a failed sync lost it */
    uint64_t size_high; /* of all sizes since truncates are pending: MEDIA may become so large */
    struct page *pages; /* beyond the table: zeros in both images */
    uint64_t page_count;
    uint64_t split_low, split_end; /* split pages lie in there */
    struct list pending;           /* record.in_inode */
    int32_t truncate_count;        /* pending */
    uint64_t failures;             /* syncs that failed */
    struct bad_sector *bad;
    int32_t bad_count;
    int mirror_fd;
    uint64_t notes[DISK_NOTES]; /* disk_durable */
    /* scratch of one crash state */
    bool data_lost, size_lost, truncate_lost, decided, version_kept, visited;
};

/* A name in a directory, in both images. */
struct dentry {
    struct hmap_node node; /* tree->names */
    struct list in_dir;
    struct inode *dir;
    struct inode *cache, *media;
    int32_t pending_count;
    bool blocked;           /* scratch of one crash state ... */
    struct inode *survivor; /* ... and this */
    uint32_t name_size;
    char name[];
};

struct tree {
    struct mem *mem;
    enum disk_personality personality;
    uint32_t sector_size;
    struct inode *root;
    struct hmap inodes, names;
    uint64_t inode_last, sequence;
    struct list pending, metadata;
    int32_t pending_count, pending_max;
    uint64_t pages_used;
};

/* ---- inode.c: files, directories and names as such ---- */

enum err disk_tree_new(struct tree **out, struct mem *mem,
                       const struct disk_options *options) MUST_USE;
/* The same kind of tree, empty; numbers go on. */
enum err disk_tree_like(struct tree **out, const struct tree *old, struct mem *mem) MUST_USE;
void disk_tree_free(struct tree *tree);
struct inode *disk_inode_new(struct tree *tree, bool is_dir) MUST_USE;
void disk_inode_pin(struct inode *inode);
/* May free it. */
void disk_inode_unpin(struct tree *tree, struct inode *inode);
/* Frees it when nothing leads to it any more. */
void disk_inode_check(struct tree *tree, struct inode *inode);
struct dentry *disk_dentry_find(const struct tree *tree, const struct inode *dir, const char *name,
                                size_t size);
/* Finds or makes it. NULL: out of memory. */
struct dentry *disk_dentry_get(struct tree *tree, struct inode *dir, const char *name,
                               size_t size) MUST_USE;
/* Frees it when neither image nor anything pending has it. */
void disk_dentry_check(struct tree *tree, struct dentry *dentry);
void disk_dentry_set_cache(struct tree *tree, struct dentry *dentry, struct inode *inode);
void disk_dentry_set_media(struct tree *tree, struct dentry *dentry, struct inode *inode);

/* ---- pages.c: the bytes of a file ---- */

static inline struct page *disk_page_find(const struct inode *inode, uint64_t index)
{
    return index < inode->page_count ? &inode->pages[index] : NULL;
}

enum err disk_pages_extend(struct tree *tree, struct inode *inode, uint64_t count) MUST_USE;
enum err disk_page_need_cache(struct tree *tree, struct page *page) MUST_USE;
enum err disk_page_need_media(struct tree *tree, struct page *page) MUST_USE;
/* The same for a cache of which these bytes are written at once: they are not zeroed first. */
enum err disk_page_cover_cache(struct tree *tree, struct page *page, uint64_t from,
                               uint64_t size) MUST_USE;
/* From that byte of the page on there are zeros. */
void disk_page_zero_cache(struct page *page, uint64_t from);
void disk_page_zero_media(struct page *page, uint64_t from);
void disk_page_drop_cache(struct tree *tree, struct page *page);
void disk_page_drop_media(struct tree *tree, struct page *page);
enum err disk_page_split(struct tree *tree, struct inode *inode, uint64_t index) MUST_USE;
/* Shares it again if nothing that is pending speaks of it. */
void disk_page_merge(struct tree *tree, struct inode *inode, struct page *page);
void disk_pages_merge(struct tree *tree, struct inode *inode);
void disk_pages_free(struct tree *tree, struct inode *inode);
/* CACHE. */
void disk_pages_read(const struct inode *inode, uint64_t offset, uint8_t *buffer, uint64_t size);
/* Bytes of a file that is being built and has nothing pending, wherever its end is. */
enum err disk_pages_put(struct tree *tree, struct inode *inode, uint64_t offset,
                        const uint8_t *data, uint64_t size) MUST_USE;
/* Cuts CACHE at size. ERR_NOMEM: unchanged. */
enum err disk_pages_cut(struct tree *tree, struct inode *inode, uint64_t size) MUST_USE;

/* ---- pending.c: what is done and what becomes durable ---- */

/* Writes to CACHE. ERR_NOMEM: a prefix is written. *written says how much. */
enum err disk_file_write(struct tree *tree, struct inode *inode, uint64_t offset,
                         const uint8_t *data, uint64_t size, uint64_t *written) MUST_USE;
enum err disk_file_truncate(struct tree *tree, struct inode *inode, uint64_t size) MUST_USE;
/* A change of entries, to be made by tree_change. NULL: out of memory. */
struct change *disk_change_new(struct tree *tree) MUST_USE;
/* Takes the change. CACHE follows: from loses its inode, to gets it. Either may be gone afterwards,
 * if the change takes it out of CACHE. */
void disk_tree_change(struct tree *tree, struct change *change, struct dentry *from,
                      struct dentry *to, struct inode *inode);
/* Finds out size_to_be, and which records make it, after something was lost. */
void disk_file_measure(struct inode *inode);
/* The bytes of a data record. */
const uint8_t *disk_record_bytes(const struct record *record);
/* Forgets it. */
void disk_record_drop(struct tree *tree, struct record *record);
/* Makes durable what was done up to that sequence, and what must come before it. ERR_NOMEM: part
 * of it. */
enum err disk_settle_file(struct tree *tree, struct inode *inode, uint64_t sequence) MUST_USE;
enum err disk_settle_dir(struct tree *tree, struct inode *dir, uint64_t sequence) MUST_USE;
/* One data record, the oldest of its page. */
enum err disk_settle_data(struct tree *tree, struct record *record) MUST_USE;
/* Any one of what is pending, and what must come before it. */
enum err disk_settle_record(struct tree *tree, struct record *record) MUST_USE;
enum err disk_settle_oldest(struct tree *tree) MUST_USE;
/* The oldest that may give space back, and what must come before it. ERR_NOTFOUND: nothing may. */
enum err disk_settle_space(struct tree *tree) MUST_USE;
enum err disk_settle_all(struct tree *tree) MUST_USE;

/* ---- crash.c ---- */

/* The tree that a power loss leaves, in mem. */
enum err disk_tree_crash(struct tree *tree, struct mem *mem, uint64_t key, struct tree **out,
                         struct disk_loss *loss) MUST_USE;
/* How many yes-or-no choices a crash state is made of. */
int disk_tree_choices(const struct tree *tree);
/* The tree of one set of choices, untorn. NULL: the personality does not allow it. */
enum err disk_tree_crash_state(struct tree *tree, struct mem *mem, uint32_t choices,
                               struct tree **out) MUST_USE;

/* ---- files.c: CACHE as real files. mirror may be NULL: nothing happens ---- */

struct mirror;
enum err disk_mirror_new(struct mirror **out, struct mem *mem, const char *root,
                         struct errmsg *msg) MUST_USE;
void disk_mirror_free(struct mirror *mirror);
/* Fills an empty tree, durably. */
enum err disk_mirror_load(struct mirror *mirror, struct tree *tree, struct errmsg *msg) MUST_USE;
const char *disk_mirror_why(const struct mirror *mirror);
/* After the entry came into CACHE. */
void disk_mirror_make(struct mirror *mirror, const struct dentry *dentry);
/* Before it goes. */
void disk_mirror_remove(struct mirror *mirror, const struct dentry *dentry);
/* Before the move. */
void disk_mirror_rename(struct mirror *mirror, const struct dentry *from, const struct dentry *to);
void disk_mirror_write(struct mirror *mirror, struct inode *inode, uint64_t offset,
                       const uint8_t *data, uint64_t size);
void disk_mirror_truncate(struct mirror *mirror, struct inode *inode);
/* The whole file again. */
void disk_mirror_rewrite(struct mirror *mirror, struct inode *inode);
/* Nobody has it open any more. */
void disk_mirror_release(struct mirror *mirror, struct inode *inode);
/* From one tree to another. */
void disk_mirror_replace(struct mirror *mirror, struct tree *from, struct tree *to);

/* ---- digest.c ---- */

/* Asserts that a page's digest, where it is known, is that of its bytes. */
void disk_page_check(const struct page *page);

/* ---- image.c ---- */

/* For sorting entries by name. */
struct named {
    struct dentry *entry;
};
int disk_named_compare(const void *a, const void *b);

/* ---- disk.c ---- */

struct handle {
    struct hmap_node node;
    uint64_t id;
    struct inode *inode;
    unsigned flags;
    uint64_t failures_seen;
    struct list appends; /* in flight, in order */
};

struct disk_write {
    struct list in_disk, in_handle;
    struct handle *handle;
    uint64_t offset, size;
    uint64_t room;     /* bytes that found space */
    uint64_t reserved; /* pages */
    bool append, broken;
    uint8_t data[];
};

struct disk {
    struct mem *mem;
    struct disk_options options;
    struct tree *tree;
    struct mirror *mirror;
    struct hmap handles;
    uint64_t handle_last;
    struct list writes; /* in flight */
    uint64_t pages_reserved;
};

struct handle *disk_handle(const struct disk *disk, uint64_t file);
void disk_handle_close(struct disk *disk, struct handle *handle);

/* Where a path leads. */
struct place {
    struct inode *dir; /* NULL: the root itself */
    const char *name;
    size_t name_size;
    bool slash;           /* it ends in one */
    struct dentry *entry; /* NULL: no such entry in dir, not even an old one */
    struct inode *inode;  /* NULL: nothing there */
};

/* ERR_NOTFOUND, ERR_NOTDIR: the way there; ERR_IO: a name too long. A missing end is no error.
 */
enum err disk_place_find(const struct tree *tree, const char *path, struct place *out) MUST_USE;
/* Something that an entry names, so that it can be taken away: ERR_BUSY (the root), ERR_NOTFOUND,
 * ERR_NOTDIR, and as disk_place_find. */
enum err disk_place_named(const struct tree *tree, const char *path, struct place *out) MUST_USE;
/* The entry's target must be a directory. ERR_NOTFOUND, ERR_NOTDIR, ERR_ACCESS. */
enum err disk_place_dir(const struct tree *tree, const char *path, struct inode **out) MUST_USE;
enum err disk_place_file(const struct tree *tree, const char *path, struct inode **out) MUST_USE;
/* A new file or directory there. */
enum err disk_place_make(struct disk *disk, const struct place *place, bool is_dir,
                         struct inode **out) MUST_USE;
/* Removes it, and what it holds, from CACHE. */
enum err disk_entry_remove(struct disk *disk, struct dentry *entry) MUST_USE;

#endif
