/* internal.h - what the files of the inspection share: what a file is, rows and findings, the
 * walk over batches that damage does not stop, and the state of a partition's check. */
#ifndef KILN_INSPECT_INTERNAL_H
#define KILN_INSPECT_INTERNAL_H

#include "inspect/inspect.h"

/* Named limits. */
#define INSPECT_FINDINGS_MAX 100     /* told of one file; the rest is counted */
#define INSPECT_ROW_FLUSH (64 << 10) /* bytes of a row that are held back */
#define INSPECT_ROW_CHUNK (4 << 10)  /* bytes of a value that are turned into text at once */
/* Memory for a message of that many bytes: no byte of it becomes more than 512. */
#define INSPECT_DECODE_BYTES(size) ((1u << 20) + 512 * (size))
#define INSPECT_INDEX_INTERVAL 4096 /* Kafka's index.interval.bytes */
#define INSPECT_CRC_LINE 9          /* bytes of a line with a CRC */
#define INSPECT_TXN_ENTRY_SIZE 34   /* AbortedTxn.json, version 0 */
#define INSPECT_METADATA_DIR "__cluster_metadata-0"

/* ---- what a file is ---- */

enum inspect_type {
    INSPECT_TYPE_UNKNOWN,
    INSPECT_TYPE_LOG,
    INSPECT_TYPE_INDEX,
    INSPECT_TYPE_TIMEINDEX,
    INSPECT_TYPE_TXNINDEX,
    INSPECT_TYPE_SNAPSHOT,
    INSPECT_TYPE_WINDOW,
    INSPECT_TYPE_LEFTOVER,
    INSPECT_TYPE_KEPT,       /* .log.cut-N: what recovery cut off */
    INSPECT_TYPE_CHECKPOINT, /* batches: a snapshot of the metadata log */
    INSPECT_TYPE_EPOCHS,
    INSPECT_TYPE_POINTS,
    INSPECT_TYPE_PARTITION,
    INSPECT_TYPE_META,
    INSPECT_TYPE_MARKER,
    INSPECT_TYPE_QUORUM,
    INSPECT_TYPE_LOCK,
    INSPECT_TYPE_CRC,
    INSPECT_TYPE_INDEX_CRC,
    INSPECT_TYPE_COUNT,
};

/* offset: the one in the name, or -1. */
enum inspect_type inspect_type(const char *name, int64_t *offset);
const char *inspect_type_name(enum inspect_type type);
/* NULL: it is not there. */
struct inspect_file *inspect_find(const struct inspect_dir *dir, const char *name);
/* False: it cannot be read, which has been told. Every map needs its unmap. */
bool inspect_map(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file);
void inspect_unmap(struct inspect *in, struct inspect_file *file);

/* ---- rows ---- */

/* A row of that type; with a file, its path comes first when rows are JSON. */
void inspect_row_begin(struct inspect *in, const char *type, const struct inspect_dir *dir,
                       const struct inspect_file *file);
void inspect_row_path(struct inspect *in, const char *name, const struct inspect_dir *dir,
                      const struct inspect_file *file);
void inspect_row_int(struct inspect *in, const char *name, int64_t value);
void inspect_row_bool(struct inspect *in, const char *name, bool value);
void inspect_row_word(struct inspect *in, const char *name, const char *word);
void inspect_row_hex32(struct inspect *in, const char *name, uint32_t value);
void inspect_row_uuid(struct inspect *in, const char *name, const struct wire_uuid *id);
/* Text as it is; other bytes in hex, under name_hex; null when data is NULL. */
void inspect_row_bytes(struct inspect *in, const char *name, struct bytes value);
/* What stands before a value that the caller prints as JSON into in->row. */
void inspect_row_name(struct inspect *in, const char *name);
/* A value inside of such JSON, j's: text, hex or null. */
void inspect_row_json_bytes(struct inspect *in, struct json *j, const char *name,
                            struct bytes value);
void inspect_row_end(struct inspect *in);

/* ---- findings ---- */

enum inspect_severity {
    INSPECT_NOTE,    /* worth knowing; nothing is wrong */
    INSPECT_DAMAGE,  /* somebody has to act */
    INSPECT_SKIPPED, /* it could not be looked at */
};

enum inspect_finding {
#define X(id, name, severity, remedy) INSPECT_FIND_##id,
#include "inspect/findings.def"
#undef X
};

/* position -1: the file as a whole. file may be NULL: the directory. */
void inspect_report(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file,
                    enum inspect_finding what, int64_t position, const char *format, ...)
    PRINTF_LIKE(6, 7);

/* ---- batches, whatever stands between them ---- */

enum inspect_tour_at {
    INSPECT_TOUR_END,
    INSPECT_TOUR_BATCH, /* a whole one with a right CRC */
    INSPECT_TOUR_CRC,   /* a whole one with a wrong CRC */
    INSPECT_TOUR_TORN,  /* one that the file ends inside of */
    INSPECT_TOUR_OLD, /* a message of format 0 or 1, with a right CRC: what is in it is not read */
    INSPECT_TOUR_BAD, /* no batch */
};

struct inspect_tour {
    /* in */
    struct bytes data;
    int64_t expected; /* batches below this offset do not count as found again */
    /* out */
    enum inspect_tour_at what;
    size_t at, next; /* next: behind the batch; of all else, where the next good one begins, or
                        data.size */
    bool resumed;    /* of all else: there is a next good one */
    bool head;       /* batch is filled */
    bool zeros;      /* all bytes from at on are 0 */
    int64_t offset;  /* of an old message */
    struct wire_batch batch;
    struct errmsg msg;
};

void inspect_tour_begin(struct inspect_tour *tour, struct bytes data, int64_t expected);
/* Steps to what stands at next. False at the end. */
bool inspect_tour_step(struct inspect_tour *tour);

/* ---- what the metadata log says of partitions ---- */

struct inspect_places;
/* ERR_NOMEM: NULL. */
struct inspect_places *inspect_places_new(struct mem *mem) MUST_USE;
void inspect_places_free(struct inspect_places *places);
/* Takes in one record; those of no use are passed over. ERR_NOMEM. */
enum err inspect_places_take(struct inspect_places *places, const struct wire_message *m,
                             const void *record) MUST_USE;
/* Records have been taken in. */
bool inspect_places_known(const struct inspect_places *places);
/* The topic's cleanup.policy has compact in it. */
bool inspect_places_compacted(struct inspect_places *places, struct bytes topic);
/* It was made in that log directory. */
bool inspect_places_made(struct inspect_places *places, const struct wire_uuid *directory,
                         struct bytes topic, int32_t partition);
/* Calls made with the name of each partition that was. */
void inspect_places_each(struct inspect_places *places, const struct wire_uuid *directory,
                         void (*made)(void *context, const char *name), void *context);

/* ---- dumps ---- */

void inspect_dump_batches(struct inspect *in, const struct inspect_dir *dir,
                          struct inspect_file *file, int64_t base, bool metadata);
void inspect_dump_entries(struct inspect *in, const struct inspect_dir *dir,
                          struct inspect_file *file, enum inspect_type type, int64_t base);
void inspect_dump_producers(struct inspect *in, const struct inspect_dir *dir,
                            struct inspect_file *file);
void inspect_dump_text(struct inspect *in, const struct inspect_dir *dir, struct inspect_file *file,
                       enum inspect_type type);
/* The metadata record in value, as fields of the row that has begun. ERR_CORRUPT, ERR_UNSUPPORTED,
 * ERR_NOMEM; print NULL: only whether it can be read. places, if any, takes in what it says. */
enum err inspect_metadata_record(struct mem *mem, struct wire_bytes value, struct inspect *print,
                                 struct inspect_places *places, struct errmsg *msg) MUST_USE;

/* ---- checks ---- */

/* A file of entries that ascend, while the log beside it is walked. */
struct inspect_entry {
    int64_t a, b; /* both ascend */
};

struct inspect_entries {
    struct inspect_file *file; /* NULL: it is not there, or of no use */
    struct inspect_entry (*get)(const uint8_t *p);
    size_t entry_size;
    int64_t count, next;
    struct inspect_entry before; /* the last one that ascended */
    bool any;                    /* there was one */
};

/* A segment's files. */
struct inspect_check_segment {
    int64_t base;
    struct inspect_file *log, *index, *times, *txns;
};

/* A producer snapshot's files. */
struct inspect_check_snapshot {
    int64_t offset;
    struct inspect_file *file, *window;
};

/* What the directory of logs knows of a partition; -1: nothing. */
struct inspect_check_known {
    int64_t recovery, start, watermark;
    bool clean;      /* the broker ended well */
    bool compacted;  /* offsets may be missing */
    bool start_said; /* kiln wrote the checkpoint: a log that it does not name begins at 0 */
    struct inspect_places *places;
};

struct inspect_check {
    struct inspect *in;
    const struct inspect_dir *dir;
    struct inspect_check_known known;
    bool alone, metadata;
    struct inspect_check_segment *segments;
    struct inspect_check_snapshot *snapshots;
    int32_t segment_count, snapshot_count;
    /* of the walk so far */
    int64_t first, expected; /* -1: nothing was walked yet */
    int64_t again_until;     /* batches below it stand in two segments, and have been judged */
    bool holed;              /* something was lost: the replay is not what it was */
    bool tail_lost;          /* of the segment before */
    bool torn;               /* the log has no good end */
    bool looked;             /* for signs of compaction */
    int32_t epoch;
    struct format_epochs epochs;
    struct inspect_file *epochs_file;
    int32_t epoch_index, epoch_told;
    struct format_producers producers;
    int32_t snapshot_next;
    int64_t batch_count, record_count, byte_count;
};

/* The entries of one segment, and what its log has shown of itself. */
struct inspect_check_walk {
    struct inspect_check *check;
    struct inspect_check_segment *segment;
    bool last; /* nothing stands behind this segment */
    bool old;  /* messages of an older format have been told of */
    struct inspect_entries index, times, txns;
    int64_t max_timestamp;
    uint64_t entry;                       /* position of the last batch that has one */
    uint64_t interval_low, interval_high; /* what index.interval.bytes must be */
};

void inspect_check_segment(struct inspect_check *check, int32_t index);
/* Offsets may be missing: a checkpoint or the topic's settings say so, or the log looks so. */
bool inspect_check_compacted(struct inspect_check *check);
/* Prepares the indexes of a walk, and takes a batch after the other. */
void inspect_check_indexes_begin(struct inspect_check_walk *walk);
void inspect_check_indexes_batch(struct inspect_check_walk *walk, const struct format_note *note,
                                 struct bytes batch);
/* Bytes that are no batches, and may have been some: entries that point there are not judged. */
void inspect_check_indexes_hole(struct inspect_check_walk *walk, uint64_t from, uint64_t to,
                                int64_t end);
void inspect_check_indexes_end(struct inspect_check_walk *walk);
/* <base>.index.crc: does it fit the two indexes? Without that they are not believed. */
void inspect_check_index_crc(struct inspect_check *check, struct inspect_file *file,
                             const struct inspect_check_segment *segment);
/* An index without its log. */
void inspect_check_orphan(struct inspect_check *check, struct inspect_file *file,
                          enum inspect_type type);
/* Before a batch: is the abort marker's entry there? txn_first is what replay says. */
void inspect_check_txn(struct inspect_check_walk *walk, const struct format_note *note,
                       int64_t txn_first);

/* Compares the snapshots between low, where a batch ended, and high, where the next begins. */
void inspect_check_snapshots(struct inspect_check *check, int64_t low, int64_t high);
void inspect_check_snapshots_end(struct inspect_check *check);
/* The file's checksum; NULL: it has none. */
struct inspect_file *inspect_crc_file(const struct inspect_dir *dir,
                                      const struct inspect_file *file);
/* Files of text and those that are only named; tells. */
void inspect_check_small(struct inspect *in, const struct inspect_dir *dir,
                         struct inspect_file *file, enum inspect_type type);

void inspect_root_known(struct inspect_root *root, const struct inspect_dir *dir,
                        struct inspect_check_known *out);
/* ERR_NOMEM is kept in in->err. */
void inspect_root_note_id(struct inspect *in, struct inspect_root *root,
                          const struct inspect_dir *dir, const struct wire_uuid *id);

#endif
