/* format.h - the pure half of the log: layouts of its files, the index, the producers, the scan of
 * batches. Bytes in, values out; no door, no clock. */
#ifndef KILN_LOG_FORMAT_H
#define KILN_LOG_FORMAT_H

#include "wire/wire.h"

/* ---- names (protocol.md 6.2) ---- */

#define LOG_NAME_MAX 256             /* bytes of a file's or directory's name, with its zero */
#define LOG_OFFSET_DIGITS 20         /* of a segment's base offset in a file name */
#define LOG_TOPIC_MAX 249            /* bytes of a topic's name: Kafka's limit */
#define LOG_TEXT_FILE_MAX (64 << 20) /* bytes of a checkpoint that is read */

enum log_file_kind {
    LOG_KIND_OTHER, /* none of ours: left alone */
    LOG_KIND_LOG,
    LOG_KIND_INDEX,
    LOG_KIND_TIMEINDEX,
    LOG_KIND_TXNINDEX,
    LOG_KIND_SNAPSHOT,
    LOG_KIND_WINDOW,   /* the older batches of a snapshot's producers; see log_snapshot_encode */
    LOG_KIND_LEFTOVER, /* .deleted, .tmp, .cleaned: removed at start */
};

/* What a name in a partition's directory is; offset is that in its name. */
enum log_file_kind log_name_kind(const char *name, int64_t *offset);
/* "%020d" and the suffix of the kind. */
void log_name_print(char name[LOG_NAME_MAX], int64_t offset, enum log_file_kind kind);
/* "orders-7" is topic "orders", partition 7; false for all other names. topic is a view. */
bool log_dir_name_parse(const char *name, struct bytes *topic, int32_t *partition);

/* ---- small text files ---- */

/* One line of recovery-point-, log-start- or replication-offset-checkpoint. */
struct log_point {
    struct bytes topic; /* a view into the file when it was parsed */
    int32_t partition;
    int64_t offset;
};

struct log_points {
    struct log_point *rows; /* by topic and partition */
    int32_t count;
};

/* ERR_CORRUPT (the message says which line), ERR_NOMEM. The caller frees rows and keeps file. */
enum err log_points_parse(struct bytes file, struct mem *mem, struct log_points *out,
                          struct errmsg *msg) MUST_USE;
/* The row's offset, or fallback. */
int64_t log_points_find(const struct log_points *points, struct bytes topic, int32_t partition,
                        int64_t fallback);
void log_points_print_head(struct text *out, int32_t count);
void log_points_print_row(struct text *out, const char *topic, int32_t partition, int64_t offset);

/* The history of leader epochs (E-1): strictly ascending in both. */
struct log_epoch {
    int32_t epoch;
    int64_t start;
};

struct log_epochs {
    struct mem *mem;
    struct log_epoch *rows;
    int32_t count, cap;
};

enum err log_epochs_parse(struct bytes file, struct log_epochs *out, struct errmsg *msg) MUST_USE;
void log_epochs_print(const struct log_epochs *epochs, struct text *out);
void log_epochs_free(struct log_epochs *epochs);
/* Makes room for one more. ERR_NOMEM. */
enum err log_epochs_reserve(struct log_epochs *epochs) MUST_USE;
/* E-1: removes what contradicts it. Room must be there. True when something changed. */
bool log_epochs_assign(struct log_epochs *epochs, int32_t epoch, int64_t start);
/* Forgets epochs that begin at or above end. True when something changed. */
bool log_epochs_cut(struct log_epochs *epochs, int64_t end);
/* -1 when there is none. */
int32_t log_epochs_latest(const struct log_epochs *epochs);
int32_t log_epochs_at(const struct log_epochs *epochs, int64_t offset);

/* meta.properties. */
struct log_meta {
    int32_t node_id;     /* -1: not there */
    char cluster_id[64]; /* "": not there */
    struct wire_uuid directory_id;
    bool has_directory_id;
};

enum err log_meta_parse(struct bytes file, struct log_meta *out, struct errmsg *msg) MUST_USE;
void log_meta_print(const struct log_meta *meta, struct text *out);

/* partition.metadata. */
#define LOG_PARTITION_METADATA_SIZE 43
enum err log_partition_metadata_parse(struct bytes file, struct wire_uuid *topic_id,
                                      struct errmsg *msg) MUST_USE;
void log_partition_metadata_print(const struct wire_uuid *topic_id,
                                  char out[LOG_PARTITION_METADATA_SIZE + 1]);

/* <name>.crc: the CRC-32C of the file in hex and, on a second line, that of the file which it is
 * about to replace, so that a crash between the two renames leaves a pair that fits. */
#define LOG_CRC_FILE_SIZE 18
void log_crc_print(uint32_t now, uint32_t before, char out[LOG_CRC_FILE_SIZE + 1]);
/* ERR_CORRUPT: it is none, or neither line is the CRC of file. */
enum err log_crc_check(struct bytes crc_file, struct bytes file) MUST_USE;

/* What the log knows of a batch once its head has been read. */
struct log_note {
    int64_t base, last;
    int64_t max_timestamp;
    int64_t producer_id;
    uint64_t position;
    uint32_t size;
    uint32_t crc;
    int32_t leader_epoch;
    int32_t base_sequence;
    int32_t coordinator_epoch; /* of a transaction's marker */
    int16_t producer_epoch;
    int16_t attributes;
    int8_t marker; /* enum wire_control, -1: none */
};

/* <base>.index.crc: what is known to be right of .index and .timeindex. Entries that a crash left
 * behind it are passed over; what does not match is made again from the log. Its text always has
 * the same size, so that one write replaces it. */
struct log_index_crc {
    uint32_t offsets, times;           /* the CRCs */
    uint64_t offsets_size, times_size; /* of how many bytes of the two files */
    uint64_t log_bytes;                /* of which the entries are */
};
#define LOG_INDEX_CRC_SIZE (9 * 2 + 21 * 3)
void log_index_crc_print(const struct log_index_crc *crc, char out[LOG_INDEX_CRC_SIZE + 1]);
/* ERR_CORRUPT. */
enum err log_index_crc_parse(struct bytes crc_file, struct log_index_crc *out) MUST_USE;
/* Leaves of offsets and times what the checksum is of. ERR_CORRUPT. */
enum err log_index_crc_check(struct bytes crc_file, struct bytes *offsets, struct bytes *times,
                             uint64_t *log_bytes) MUST_USE;

/* ---- the index of one segment: .index and .timeindex ---- */

#define LOG_INDEX_ENTRY_SIZE 8
#define LOG_TIME_ENTRY_SIZE 12

struct log_index_entry {
    uint32_t relative; /* last offset of the batch, less the segment's base */
    uint32_t position; /* where that batch begins */
    uint32_t first;    /* its first offset, in the same way; the files do not have it */
};
#define LOG_FIRST_UNKNOWN UINT32_MAX

struct log_time_entry {
    int64_t timestamp; /* the greatest so far */
    uint32_t relative; /* last offset of the batch that has it */
};

/* What can be taken back: see log_index_return. */
struct log_index_mark {
    int32_t count, time_count;
    int64_t max_timestamp, max_timestamp_offset;
};

struct log_index {
    struct mem *mem;
    int64_t base;
    struct log_index_entry *entries;
    struct log_time_entry *times;
    int32_t count, cap, time_count, time_cap;
    int64_t max_timestamp, max_timestamp_offset; /* -1 and base - 1 before the first batch */
};

void log_index_init(struct log_index *index, struct mem *mem, int64_t base);
void log_index_free(struct log_index *index);
/* Makes room for that many batches. ERR_NOMEM. */
enum err log_index_reserve(struct log_index *index, int32_t batches) MUST_USE;
/* A batch more. An entry is made when more than interval bytes have passed since the last one (as
 * Kafka's LogSegment.append and recover do). Room must be there. */
void log_index_add(struct log_index *index, const struct log_note *note, int64_t interval);
/* The batch at the note's position has an entry whose first offset is not known yet: now it is. */
void log_index_learn(struct log_index *index, const struct log_note *note);
/* The time entry that a segment gets at its end, if its greatest timestamp has none yet. Room for
 * one batch must be there. */
void log_index_seal(struct log_index *index);
struct log_index_mark log_index_mark(const struct log_index *index);
/* Forgets everything added since the mark was made. */
void log_index_return(struct log_index *index, struct log_index_mark mark);
/* Forgets entries whose batch begins at or behind position, and the seal. The greatest timestamp is
 * then that of the last entry: what stands behind it must be added again. */
void log_index_cut(struct log_index *index, uint64_t position);
bool log_index_full(const struct log_index *index, int64_t bytes_max);
/* The last entry whose offset is <= offset; NULL: none. */
const struct log_index_entry *log_index_floor(const struct log_index *index, int64_t offset);
/* The last entry whose position is <= position; NULL: none. */
const struct log_index_entry *log_index_floor_position(const struct log_index *index,
                                                       uint64_t position);
/* The offset below which every timestamp is < timestamp: where a search by time may begin. */
int64_t log_index_floor_time(const struct log_index *index, int64_t timestamp);
size_t log_index_bytes(const struct log_index *index);
/* Entries from first up to end, as in the file. */
void log_index_encode(const struct log_index *index, int32_t first, int32_t end, uint8_t *out);
void log_times_encode(const struct log_index *index, int32_t first, int32_t end, uint8_t *out);
/* Takes entries while they ascend and stay within log_size bytes and below next; true when that was
 * all of them. ERR_NOMEM. An index holds no proof: what is looked up is checked against the log. */
enum err log_index_decode(struct log_index *index, struct bytes offsets, struct bytes times,
                          uint64_t log_size, int64_t next, bool *whole) MUST_USE;

/* ---- producers (I-1 to I-5) ---- */

#define LOG_WINDOW 5            /* batches remembered of a producer */
#define LOG_PRODUCERS_MAX 65536 /* of one partition; see log_producers */

struct log_producer_batch {
    int32_t last_sequence;
    int32_t offset_delta; /* last offset - first offset == last sequence - first sequence */
    int64_t last_offset;
    int64_t timestamp;
};

struct log_producer {
    struct hmap_node node;
    struct list link; /* in log_producers.silent or .open */
    int64_t id;
    int16_t epoch;
    int32_t coordinator_epoch;
    int64_t timestamp; /* of the last batch or marker */
    int64_t txn_first; /* -1: none */
    int64_t seen_ns;   /* env_now of the last append in this life, or of its start */
    int32_t count;
    struct log_producer_batch window[LOG_WINDOW]; /* oldest first */
};

/* Beyond LOG_PRODUCERS_MAX the one silent longest makes room. One with an open transaction never
 * does (I-5): its transaction would count as decided. When all have one, log_producers_check lets
 * no further one in; what a leader let in, log_producers_apply takes. */
struct log_producers {
    struct mem *mem;
    struct hmap map;
    struct list silent; /* without an open transaction, silent longest first */
    struct list open;   /* with one (txn_first >= 0) */
};

/* A producer as it was, for an append that fails after all. */
struct log_producer_undo {
    bool existed;
    struct log_producer was; /* its id also when it did not exist */
};

enum err log_producers_init(struct log_producers *producers, struct mem *mem) MUST_USE;
void log_producers_free(struct log_producers *producers);
void log_producers_clear(struct log_producers *producers);
struct log_producer *log_producers_find(const struct log_producers *producers, int64_t id);
/* All of them, one after the other, while none is added or forgotten; the first after NULL, NULL
 * after the last. */
struct log_producer *log_producers_next(const struct log_producers *producers,
                                        const struct log_producer *after);
/* Where its open transaction begins; -1: it has none. */
void log_producer_txn(struct log_producers *producers, struct log_producer *producer,
                      int64_t txn_first);

enum log_sequence {
    LOG_SEQUENCE_NEXT,
    LOG_SEQUENCE_DUPLICATE, /* *duplicate is the original */
    LOG_SEQUENCE_REFUSED,   /* *code says why */
};

/* I-1. */
enum log_sequence log_producers_check(const struct log_producers *producers,
                                      const struct log_note *note,
                                      const struct log_producer_batch **duplicate, int16_t *code);
/* Enters a batch or a marker without asking (I-4). undo may be NULL. ERR_NOMEM: nothing changed. */
enum err log_producers_apply(struct log_producers *producers, const struct log_note *note,
                             int64_t now_ns, struct log_producer_undo *undo) MUST_USE;
void log_producers_undo(struct log_producers *producers, const struct log_producer_undo *undo);
/* Forgets those seen last before now_ns - silent_ns that have no open transaction. */
void log_producers_expire(struct log_producers *producers, int64_t now_ns, int64_t silent_ns);

/* ---- producer snapshots ---- */

#define LOG_SNAPSHOT_HEAD 10
#define LOG_SNAPSHOT_ENTRY 46

/* Two files in one layout: Kafka's snapshot with one entry a producer, which holds its last batch
 * alone, and beside it (LOG_KIND_WINDOW, made whenever there are producers) the older batches of
 * the windows, which Kafka forgets over a restart. Bytes are allocated in mem. ERR_NOMEM. */
enum err log_snapshot_encode(const struct log_producers *producers, struct mem *mem,
                             struct bytes *snapshot, struct bytes *window) MUST_USE;
/* A snapshot's bytes, or a window's, are all there and as they were written. ERR_CORRUPT. */
enum err log_snapshot_check(struct bytes file, struct errmsg *msg) MUST_USE;
/* Into empty producers. ERR_CORRUPT, ERR_NOMEM: producers are empty. */
enum err log_snapshot_decode(struct log_producers *producers, struct bytes snapshot, int64_t now_ns,
                             struct errmsg *msg) MUST_USE;
/* Puts the older batches back before those that the snapshot gave. ERR_CORRUPT: as it was. */
enum err log_window_decode(struct log_producers *producers, struct bytes window,
                           struct errmsg *msg) MUST_USE;

/* ---- disjoint ranges of bytes ---- */

#define LOG_RANGES_MAX 16

struct log_range {
    uint64_t from, to;
};

struct log_ranges {
    struct log_range rows[LOG_RANGES_MAX]; /* ascending, never touching */
    int32_t count;
};

/* When there are too many, the smallest is forgotten. */
void log_ranges_add(struct log_ranges *ranges, uint64_t from, uint64_t to);
bool log_ranges_cover(const struct log_ranges *ranges, uint64_t from, uint64_t to);
void log_ranges_cut(struct log_ranges *ranges, uint64_t end);

/* ---- walking batches ---- */

#define LOG_NOTES_MAX 2048 /* batches of one scan: the work of one handler */

enum log_scan_end {
    LOG_SCAN_MORE, /* used bytes were whole batches; the next begins behind them */
    LOG_SCAN_TORN, /* the file ends inside of a batch, or in bytes too few for one */
    LOG_SCAN_BAD, /* a head that cannot be, a wrong CRC, an offset that goes back; msg says which */
};

/* Batches of a file, a piece at a time; a batch may be larger than a piece. Runs under env_offload:
 * it touches only what it points to. */
struct log_scan {
    /* in, each time */
    const uint8_t *data;
    size_t size;
    uint64_t position; /* of data in the file */
    bool last;         /* the file ends with data */
    bool crc;          /* look at the records too; only with data that begins at a batch */
    struct log_note *notes;
    int32_t notes_max;
    /* in the first time, kept since */
    int64_t expected;  /* the next base offset; -1: any */
    bool exact;        /* false: or a greater one */
    int32_t epoch_end; /* leaders wrote in epochs below it; 0: nobody knows */
    /* out */
    enum log_scan_end end;
    size_t used;
    uint64_t bad_at; /* where in the file the batch begins that is torn or bad */
    int32_t note_count;
    struct errmsg msg;
    /* of a batch that is larger than a piece */
    uint64_t large_left;
    uint32_t large_crc;
    struct log_note large;
};

void log_scan(void *scan);
/* What the log keeps of a batch's head; position is where it stands. body may be NULL, then it is
 * taken for no marker. */
struct log_note log_note_of(const struct wire_batch *batch, uint64_t position, const uint8_t *body);
/* For telling a torn tail from a hole. */
struct log_search {
    struct bytes data;
    size_t from;
    int64_t expected; /* no base offset may be below it */
    /* out: where a batch with a right CRC begins, or one that goes on behind the data and so may
     * be right; data.size: nowhere */
    size_t at;
    bool whole;
};

void log_search(void *search); /* runs under env_offload */

#endif
