/* inspect.h - the offline inspection (kiln log) of log directories and their files, of kiln or of
 * Kafka: over bytes that somebody else maps. Pure; nothing is written and nothing believed. */
#ifndef KILN_INSPECT_H
#define KILN_INSPECT_H

#include "format/format.h"

/* A file of a directory. */
struct inspect_file {
    const char *name;                 /* its last part */
    struct bytes bytes;               /* the size always; the data when it is mapped */
    int32_t finding_count, map_count; /* the inspection's own */
};

/* A directory, of a partition or of logs, or a single file's. */
struct inspect_dir {
    const char *path; /* for the rows; "" for none */
    const char *name; /* its last part, from which topic and partition follow; may be "" */
    struct inspect_file *files;
    int32_t file_count;
};

/* Who asks, and who is told. */
struct inspect {
    struct mem *mem;
    bool json;    /* one object a row, else words */
    bool records; /* dump: each record, too */
    /* Takes rows, in pieces. */
    void (*write)(struct inspect *in, struct bytes piece);
    /* Makes file->bytes.data readable until unmap. NULL: it is. */
    enum err (*map)(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file);
    void (*unmap)(struct inspect *in, struct inspect_file *file);
    /* out */
    int64_t file_count, damage_count, note_count;
    int64_t skipped_count; /* what could not be looked at, though nothing is wrong with it */
    /* the inspection's own */
    const char *missing; /* the partition that is told of and not there; else NULL */
    struct text row;
    struct json object; /* of the row, where rows are JSON */
    enum err err;
};

/* Is that the name of a file that kiln or Kafka writes? Of a partition's directory? */
bool inspect_knows(const char *name);
bool inspect_is_partition(const char *name);

void inspect_init(struct inspect *in, struct mem *mem);
void inspect_free(struct inspect *in);

/* Shows what a file holds, as far as it can be read; damage is counted. ERR_NOMEM. */
enum err inspect_dump(struct inspect *in, const struct inspect_dir *dir,
                      struct inspect_file *file) MUST_USE;

/* What a directory of logs says of its partitions. */
struct inspect_root;
/* Reads the checkpoints among dir's files; dir stays in place until the root is freed. With tell,
 * every file is checked. ERR_NOMEM. */
enum err inspect_root_new(struct inspect *in, const struct inspect_dir *dir, bool tell,
                          struct inspect_root **out) MUST_USE;
/* When all partitions were checked, count of them: is one missing, do the topics' ids agree?
 * ERR_NOMEM. */
enum err inspect_root_end(struct inspect *in, struct inspect_root *root, const char *const *names,
                          int32_t count) MUST_USE;
void inspect_root_free(struct inspect *in, struct inspect_root *root);

/* Checks the files of a partition, one against the other. root may be NULL: then nothing is known
 * of what the disk held for sure. alone: the files were picked out, so nobody misses others.
 * Memory: a few KB, and what the producers of the partition take. ERR_NOMEM. */
enum err inspect_check(struct inspect *in, struct inspect_root *root, const struct inspect_dir *dir,
                       bool alone) MUST_USE;

#endif
