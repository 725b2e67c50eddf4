/* inspect.h - what the files of the offline inspection share: what a file is, rows and findings,
 * the walk over batches that damage does not stop, and the state of a partition's check. */
#ifndef KILN_LOG_INSPECT_H
#define KILN_LOG_INSPECT_H

#include "log/log.h"
#include "log/format.h"

/* Named limits. */
#define LOG_FINDINGS_MAX 100     /* told of one file; the rest is counted */
#define LOG_ROW_FLUSH (64 << 10) /* bytes of a row that are held back */
#define LOG_ROW_CHUNK (4 << 10)  /* bytes of a value that are turned into text at once */
/* Memory for a message of that many bytes: no byte of it becomes more than 512. */
#define LOG_DECODE_BYTES(size) ((1u << 20) + 512 * (size))
#define LOG_INDEX_INTERVAL 4096 /* Kafka's index.interval.bytes */
#define LOG_CRC_LINE 9          /* bytes of a line with a CRC */
#define LOG_TXN_ENTRY_SIZE 34   /* AbortedTxn.json, version 0 */
#define LOG_METADATA_DIR "__cluster_metadata-0"

/* ---- what a file is ---- */

enum log_file_type {
    LOG_TYPE_UNKNOWN,
    LOG_TYPE_LOG,
    LOG_TYPE_INDEX,
    LOG_TYPE_TIMEINDEX,
    LOG_TYPE_TXNINDEX,
    LOG_TYPE_SNAPSHOT,
    LOG_TYPE_WINDOW,
    LOG_TYPE_LEFTOVER,
    LOG_TYPE_KEPT,       /* .log.cut-N: what recovery cut off */
    LOG_TYPE_CHECKPOINT, /* batches: a snapshot of the metadata log */
    LOG_TYPE_EPOCHS,
    LOG_TYPE_POINTS,
    LOG_TYPE_PARTITION,
    LOG_TYPE_META,
    LOG_TYPE_MARKER,
    LOG_TYPE_QUORUM,
    LOG_TYPE_LOCK,
    LOG_TYPE_CRC,
    LOG_TYPE_INDEX_CRC,
    LOG_TYPE_COUNT,
};

/* offset: the one in the name, or -1. */
enum log_file_type log_file_type(const char *name, int64_t *offset);
const char *log_file_type_name(enum log_file_type type);
/* NULL: it is not there. */
struct log_inspect_file *log_inspect_find(const struct log_inspect_dir *dir, const char *name);
/* False: it cannot be read, which has been told. Every map needs its unmap. */
bool log_inspect_map(struct log_inspect *in, const struct log_inspect_dir *dir,
                     struct log_inspect_file *file);
void log_inspect_unmap(struct log_inspect *in, struct log_inspect_file *file);

/* ---- rows ---- */

/* A row of that type; with a file, its path comes first when rows are JSON. */
void log_row_begin(struct log_inspect *in, const char *type, const struct log_inspect_dir *dir,
                   const struct log_inspect_file *file);
void log_row_path(struct log_inspect *in, const char *name, const struct log_inspect_dir *dir,
                  const struct log_inspect_file *file);
void log_row_int(struct log_inspect *in, const char *name, int64_t value);
void log_row_bool(struct log_inspect *in, const char *name, bool value);
void log_row_word(struct log_inspect *in, const char *name, const char *word);
void log_row_hex32(struct log_inspect *in, const char *name, uint32_t value);
void log_row_uuid(struct log_inspect *in, const char *name, const struct wire_uuid *id);
/* Text as it is; other bytes in hex, under name_hex; null when data is NULL. */
void log_row_bytes(struct log_inspect *in, const char *name, struct bytes value);
/* What stands before a value that the caller prints as JSON into in->row. */
void log_row_name(struct log_inspect *in, const char *name);
/* A value inside of such JSON, j's: text, hex or null. */
void log_row_json_bytes(struct log_inspect *in, struct json *j, const char *name,
                        struct bytes value);
void log_row_end(struct log_inspect *in);

/* ---- findings ---- */

enum log_severity {
    LOG_NOTE,    /* worth knowing; nothing is wrong */
    LOG_DAMAGE,  /* somebody has to act */
    LOG_SKIPPED, /* it could not be looked at */
};

enum log_finding {
#define X(id, name, severity, remedy) LOG_FIND_##id,
#include "log/inspect_findings.def"
#undef X
};

/* position -1: the file as a whole. file may be NULL: the directory. */
void log_find(struct log_inspect *in, const struct log_inspect_dir *dir,
              struct log_inspect_file *file, enum log_finding what, int64_t position,
              const char *format, ...) PRINTF_LIKE(6, 7);

/* ---- batches, whatever stands between them ---- */

enum log_tour_at {
    LOG_TOUR_END,
    LOG_TOUR_BATCH, /* a whole one with a right CRC */
    LOG_TOUR_CRC,   /* a whole one with a wrong CRC */
    LOG_TOUR_TORN,  /* one that the file ends inside of */
    LOG_TOUR_OLD,   /* a message of format 0 or 1, with a right CRC: what is in it is not read */
    LOG_TOUR_BAD,   /* no batch */
};

struct log_tour {
    /* in */
    struct bytes data;
    int64_t expected; /* batches below this offset do not count as found again */
    /* out */
    enum log_tour_at what;
    size_t at, next; /* next: behind the batch; of all else, where the next good one begins, or
                        data.size */
    bool resumed;    /* of all else: there is a next good one */
    bool head;       /* batch is filled */
    bool zeros;      /* all bytes from at on are 0 */
    int64_t offset;  /* of an old message */
    struct wire_batch batch;
    struct errmsg msg;
};

void log_tour_begin(struct log_tour *tour, struct bytes data, int64_t expected);
/* Steps to what stands at next. False at the end. */
bool log_tour_step(struct log_tour *tour);

/* ---- what the metadata log says of partitions ---- */

struct log_places;
/* ERR_NOMEM: NULL. */
struct log_places *log_places_new(struct mem *mem) MUST_USE;
void log_places_free(struct log_places *places);
/* Takes in one record; those of no use are passed over. ERR_NOMEM. */
enum err log_places_take(struct log_places *places, const struct wire_message *m,
                         const void *record) MUST_USE;
/* Records have been taken in. */
bool log_places_known(const struct log_places *places);
/* The topic's cleanup.policy has compact in it. */
bool log_places_compacted(struct log_places *places, struct bytes topic);
/* It was made in that log directory. */
bool log_places_made(struct log_places *places, const struct wire_uuid *directory,
                     struct bytes topic, int32_t partition);
/* Calls made with the name of each partition that was. */
void log_places_each(struct log_places *places, const struct wire_uuid *directory,
                     void (*made)(void *context, const char *name), void *context);

/* ---- dumps ---- */

void log_dump_batches(struct log_inspect *in, const struct log_inspect_dir *dir,
                      struct log_inspect_file *file, int64_t base, bool metadata);
void log_dump_entries(struct log_inspect *in, const struct log_inspect_dir *dir,
                      struct log_inspect_file *file, enum log_file_type type, int64_t base);
void log_dump_producers(struct log_inspect *in, const struct log_inspect_dir *dir,
                        struct log_inspect_file *file);
void log_dump_text(struct log_inspect *in, const struct log_inspect_dir *dir,
                   struct log_inspect_file *file, enum log_file_type type);
/* The metadata record in value, as fields of the row that has begun. ERR_CORRUPT, ERR_UNSUPPORTED,
 * ERR_NOMEM; print NULL: only whether it can be read. places, if any, takes in what it says. */
enum err log_metadata_record(struct mem *mem, struct wire_bytes value, struct log_inspect *print,
                             struct log_places *places, struct errmsg *msg) MUST_USE;

/* ---- checks ---- */

/* A file of entries that ascend, while the log beside it is walked. */
struct log_entry {
    int64_t a, b; /* both ascend */
};

struct log_entries {
    struct log_inspect_file *file; /* NULL: it is not there, or of no use */
    struct log_entry (*get)(const uint8_t *p);
    size_t entry_size;
    int64_t count, next;
    struct log_entry before; /* the last one that ascended */
    bool any;                /* there was one */
};

/* A segment's files. */
struct log_check_segment {
    int64_t base;
    struct log_inspect_file *log, *index, *times, *txns;
};

/* A producer snapshot's files. */
struct log_check_snapshot {
    int64_t offset;
    struct log_inspect_file *file, *window;
};

/* What the directory of logs knows of a partition; -1: nothing. */
struct log_check_known {
    int64_t recovery, start, watermark;
    bool clean;      /* the broker ended well */
    bool compacted;  /* offsets may be missing */
    bool start_said; /* kiln wrote the checkpoint: a log that it does not name begins at 0 */
    struct log_places *places;
};

struct log_check {
    struct log_inspect *in;
    const struct log_inspect_dir *dir;
    struct log_check_known known;
    bool alone, metadata;
    struct log_check_segment *segments;
    struct log_check_snapshot *snapshots;
    int32_t segment_count, snapshot_count;
    /* of the walk so far */
    int64_t first, expected; /* -1: nothing was walked yet */
    int64_t again_until;     /* batches below it stand in two segments, and have been judged */
    bool holed;              /* something was lost: the replay is not what it was */
    bool tail_lost;          /* of the segment before */
    bool torn;               /* the log has no good end */
    bool looked;             /* for signs of compaction */
    int32_t epoch;
    struct log_epochs epochs;
    struct log_inspect_file *epochs_file;
    int32_t epoch_index, epoch_told;
    struct log_producers producers;
    int32_t snapshot_next;
    int64_t batch_count, record_count, byte_count;
};

/* The entries of one segment, and what its log has shown of itself. */
struct log_check_walk {
    struct log_check *check;
    struct log_check_segment *segment;
    bool last; /* nothing stands behind this segment */
    bool old;  /* messages of an older format have been told of */
    struct log_entries index, times, txns;
    int64_t max_timestamp;
    uint64_t entry;                       /* position of the last batch that has one */
    uint64_t interval_low, interval_high; /* what index.interval.bytes must be */
};

void log_check_segment(struct log_check *check, int32_t index);
/* Offsets may be missing: a checkpoint or the topic's settings say so, or the log looks so. */
bool log_check_compacted(struct log_check *check);
/* Prepares the indexes of a walk, and takes a batch after the other. */
void log_check_indexes_begin(struct log_check_walk *walk);
void log_check_indexes_batch(struct log_check_walk *walk, const struct log_note *note,
                             struct bytes batch);
/* Bytes that are no batches, and may have been some: entries that point there are not judged. */
void log_check_indexes_hole(struct log_check_walk *walk, uint64_t from, uint64_t to, int64_t end);
void log_check_indexes_end(struct log_check_walk *walk);
/* <base>.index.crc: does it fit the two indexes? Without that they are not believed. */
void log_check_index_crc(struct log_check *check, struct log_inspect_file *file,
                         const struct log_check_segment *segment);
/* An index without its log. */
void log_check_orphan(struct log_check *check, struct log_inspect_file *file,
                      enum log_file_type type);
/* Before a batch: is the abort marker's entry there? txn_first is what replay says. */
void log_check_txn(struct log_check_walk *walk, const struct log_note *note, int64_t txn_first);

/* Compares the snapshots between low, where a batch ended, and high, where the next begins. */
void log_check_snapshots(struct log_check *check, int64_t low, int64_t high);
void log_check_snapshots_end(struct log_check *check);
/* The file's checksum; NULL: it has none. */
struct log_inspect_file *log_crc_file(const struct log_inspect_dir *dir,
                                      const struct log_inspect_file *file);
/* Files of text and those that are only named; tells. */
void log_check_small(struct log_inspect *in, const struct log_inspect_dir *dir,
                     struct log_inspect_file *file, enum log_file_type type);

void log_root_known(struct log_inspect_root *root, const struct log_inspect_dir *dir,
                    struct log_check_known *out);
/* ERR_NOMEM is kept in in->err. */
void log_root_note_id(struct log_inspect *in, struct log_inspect_root *root,
                      const struct log_inspect_dir *dir, const struct wire_uuid *id);

#endif
