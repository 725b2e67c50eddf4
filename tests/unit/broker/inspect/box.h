/* box.h - a partition's files in memory, built batch by batch as a broker would write them, so that
 * a test can break one of them and ask what the inspection finds. */
#ifndef KILN_TEST_INSPECT_BOX_H
#define KILN_TEST_INSPECT_BOX_H

#include "inspect/inspect.h"
#include "format/format.h"
#include "support/test.h"

#define BOX_FILES_MAX 64
#define BOX_INTERVAL 200 /* index.interval.bytes */

/* A batch to be stored. */
struct box_batch {
    int records;
    int value_size;
    int64_t producer_id; /* 0: none */
    int16_t producer_epoch;
    int32_t sequence;
    int16_t attributes;
    int32_t leader_epoch;
    int64_t timestamp;
};

struct box {
    struct mem mem;
    struct inspect_dir dir;
    struct inspect_file files[BOX_FILES_MAX];
    /* of the log so far */
    int64_t base, end;
    struct text log, txns;
    struct format_index index;
    struct format_producers producers;
    struct format_epochs epochs;
};

void box_init(struct box *box, const char *name);
void box_free(struct box *box);
void box_add(struct box *box, const struct box_batch *batch);
/* A marker that ends producer_id's transaction; for an abort, with its entry of the index. */
void box_end_transaction(struct box *box, int64_t producer_id, bool commit, int32_t leader_epoch);
/* Stores bytes that are a whole batch, under the next offset. */
void box_add_bytes(struct box *box, const uint8_t *batch, size_t size, int32_t leader_epoch);
/* Begins a segment: the files of the one before are there then, and a snapshot. */
void box_roll(struct box *box);
/* Puts a file there; bytes are copied. */
void box_put(struct box *box, const char *name, const void *data, size_t size);
void box_put_text(struct box *box, const char *name, const char *text);
/* The same, and its checksum beside it. */
void box_put_sealed(struct box *box, const char *name, const char *text);
void box_remove(struct box *box, const char *name);
/* Fails the test when there is none. */
struct inspect_file *box_file(struct box *box, const char *name);
/* Bytes that may be changed. */
uint8_t *box_bytes(struct box *box, const char *name);
void box_truncate(struct box *box, const char *name, size_t size);

/* The name of a segment's file: BOX_NAME(0010, ".log"). */
#define BOX_NAME(base, suffix) "0000000000000000" #base suffix
#define BOX_END 34 /* the end of a box that is filled; its segments begin at 0, 10 and 20 */

/* "orders-0": three segments with everything in them that a log can hold. */
void box_fill(struct box *box);
/* A directory of logs around it. */
void box_root(struct box *root, int64_t recovery_point);
/* Where in the file the batch begins that holds offset. */
size_t box_place(struct box *box, const char *name, int64_t offset);
/* Makes the CRC of the batch at that place right again. */
void box_reseal(struct box *box, const char *name, size_t at);

/* What was told. */
struct box_report {
    struct mem mem;
    struct text text;
    int64_t damage, notes;
};

/* root NULL: nothing is known of what was durable. */
void box_check(struct box *box, struct box *root, struct box_report *out);
void box_dump(struct box *box, const char *name, bool json, bool records, struct box_report *out);
void box_report_free(struct box_report *report);
/* Fails the test unless nothing is told. */
void box_expect_clean(struct box *box, struct box *root);
/* Fails the test unless that is told of that file, as damage or as a note alone. */
void box_expect(struct box *box, struct box *root, const char *kind, const char *file, bool damage);
/* Does a finding of that kind stand there, in that file (NULL: any)? */
bool box_found(const struct box_report *report, const char *kind, const char *file);

#endif
