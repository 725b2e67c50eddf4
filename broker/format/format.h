/* format.h - Kafka's files as bytes: their names and layouts, the index, the producers, the scan of
 * batches. What raft, logs and the inspection all need. Bytes in, values out; no door, no clock. */
#ifndef KILN_FORMAT_H
#define KILN_FORMAT_H

#include "wire/wire.h"

/* ---- names (protocol.md 6.2) ---- */

#define FORMAT_NAME_MAX 256             /* bytes of a file's or directory's name, with its zero */
#define FORMAT_OFFSET_DIGITS 20         /* of a segment's base offset in a file name */
#define FORMAT_TOPIC_MAX 249            /* bytes of a topic's name: Kafka's limit */
#define FORMAT_TEXT_FILE_MAX (64 << 20) /* bytes of a checkpoint that is read */

enum format_file_kind {
    FORMAT_KIND_OTHER, /* none of ours: left alone */
    FORMAT_KIND_LOG,
    FORMAT_KIND_INDEX,
    FORMAT_KIND_TIMEINDEX,
    FORMAT_KIND_TXNINDEX,
    FORMAT_KIND_SNAPSHOT,
    FORMAT_KIND_WINDOW,   /* the older batches of a snapshot's producers; see format_snapshot_encode
                           */
    FORMAT_KIND_LEFTOVER, /* .deleted, .tmp, .cleaned: removed at start */
};

/* What a name in a partition's directory is; offset is that in its name. */
enum format_file_kind format_name_kind(const char *name, int64_t *offset);
/* "%020d" and the suffix of the kind. */
void format_name_print(char name[FORMAT_NAME_MAX], int64_t offset, enum format_file_kind kind);
/* The files of a segment: its log first, then what is derived from it. */
#define FORMAT_SEGMENT_FILES 5
void format_segment_name(char name[FORMAT_NAME_MAX], int64_t base, int32_t file);
/* A snapshot of a metadata log (KIP-630): all below that offset, whose last record is of that
 * epoch.
 */
void format_checkpoint_name(char name[FORMAT_NAME_MAX], int64_t offset, int32_t epoch);
bool format_checkpoint_parse(const char *name, int64_t *offset, int32_t *epoch);
/* "orders-7" is topic "orders", partition 7; false for all other names. topic is a view. */
bool format_dir_name_parse(const char *name, struct bytes *topic, int32_t *partition);

/* ---- small text files ---- */

/* One line of recovery-point-, log-start- or replication-offset-checkpoint. */
struct format_point {
    struct bytes topic; /* a view into the file when it was parsed */
    int32_t partition;
    int64_t offset;
};

struct format_points {
    struct format_point *rows; /* by topic and partition */
    int32_t count;
};

/* ERR_CORRUPT (the message says which line), ERR_NOMEM. The caller frees rows and keeps file. */
enum err format_points_parse(struct bytes file, struct mem *mem, struct format_points *out,
                             struct errmsg *msg) MUST_USE;
/* The row's offset, or fallback. */
int64_t format_points_find(const struct format_points *points, struct bytes topic,
                           int32_t partition, int64_t fallback);
void format_points_print_head(struct text *out, int32_t count);
void format_points_print_row(struct text *out, const char *topic, int32_t partition,
                             int64_t offset);

/* The history of leader epochs (E-1): strictly ascending in both. */
struct format_epoch {
    int32_t epoch;
    int64_t start;
};

struct format_epochs {
    struct mem *mem;
    struct format_epoch *rows;
    int32_t count, cap;
};

enum err format_epochs_parse(struct bytes file, struct format_epochs *out,
                             struct errmsg *msg) MUST_USE;
void format_epochs_print(const struct format_epochs *epochs, struct text *out);
void format_epochs_free(struct format_epochs *epochs);
/* Makes room for so many more. ERR_NOMEM. */
enum err format_epochs_reserve(struct format_epochs *epochs, int32_t more) MUST_USE;
/* E-1: removes what contradicts it. Room must be there. True when something changed. */
bool format_epochs_assign(struct format_epochs *epochs, int32_t epoch, int64_t start);
/* Forgets epochs that begin at or above end. True when something changed. */
bool format_epochs_cut(struct format_epochs *epochs, int64_t end);
/* -1 when there is none. */
int32_t format_epochs_latest(const struct format_epochs *epochs);
int32_t format_epochs_at(const struct format_epochs *epochs, int64_t offset);
/* E-2, of a log that ends at log_end. Where the greatest epoch up to that one ended: *found and the
 * offset behind it. An epoch before all that is known ended where those began. Both -1: it is later
 * than all that is known. */
void format_epochs_end_of(const struct format_epochs *epochs, int64_t log_end, int32_t epoch,
                          int32_t *found, int64_t *end);
/* E-4, of a follower's log that ends at log_end, whose leader has answered that what it asked for
 * diverges after that epoch, which ended there: up to where the two may be the same. */
int64_t format_epochs_common(const struct format_epochs *epochs, int64_t log_end, int32_t epoch,
                             int64_t epoch_end);

/* meta.properties. */
struct format_meta {
    int32_t node_id;     /* -1: not there */
    char cluster_id[64]; /* "": not there */
    struct wire_uuid directory_id;
    bool has_directory_id;
};

/* ERR_CORRUPT; ERR_UNSUPPORTED: a newer kiln wrote it, and msg says so. */
enum err format_meta_parse(struct bytes file, struct format_meta *out, struct errmsg *msg) MUST_USE;
void format_meta_print(const struct format_meta *meta, struct text *out);

/* .kafka_cleanshutdown: the epoch of the broker that ended well (CleanShutdownFileHandler); -1
 * where it says none, or is no such file. */
#define FORMAT_CLEAN_SIZE 64
int64_t format_clean_parse(struct bytes file);
void format_clean_print(int64_t broker_epoch, char out[FORMAT_CLEAN_SIZE]);

/* partition.metadata. */
#define FORMAT_PARTITION_METADATA_SIZE 43
enum err format_partition_metadata_parse(struct bytes file, struct wire_uuid *topic_id,
                                         struct errmsg *msg) MUST_USE;
void format_partition_metadata_print(const struct wire_uuid *topic_id,
                                     char out[FORMAT_PARTITION_METADATA_SIZE + 1]);

/* <name>.crc: the CRC-32C of the file in hex and, on a second line, that of the file which it is
 * about to replace, so that a crash between the two renames leaves a pair that fits. */
#define FORMAT_CRC_FILE_SIZE 18
void format_crc_print(uint32_t now, uint32_t before, char out[FORMAT_CRC_FILE_SIZE + 1]);
/* ERR_CORRUPT: it is none, or neither line is the CRC of file. */
enum err format_crc_check(struct bytes crc_file, struct bytes file) MUST_USE;

/* .redo (kiln's): bytes that are about to be written over others in place, on a disk that has no
 * room for a second copy of the file. Layout, big-endian: "KILNREDO", u32 CRC-32C of all that
 * follows, u32 size of the bytes, u64 position in the file, u16 size of its path, the path from the
 * log directory on, zeros up to FORMAT_REDO_HEAD, the bytes. */
#define FORMAT_REDO_NAME ".redo"
/* kiln's own: the epoch of a broker that keeps what it acknowledges even if it does not end well,
 * laid out as the marker of a clean end. */
#define FORMAT_KEPT_NAME ".kiln_kept_epoch"
#define FORMAT_REDO_HEAD 4096        /* bytes before those that are written */
#define FORMAT_REDO_BYTES (64 << 10) /* that are written at once, at most */
#define FORMAT_REDO_PATH_MAX (3 * FORMAT_NAME_MAX)
struct format_redo {
    struct bytes path; /* views into the file when it was parsed */
    struct bytes bytes;
    uint64_t position;
};
/* What stands before the bytes. */
void format_redo_head(const struct format_redo *redo, uint8_t out[FORMAT_REDO_HEAD]);
/* ERR_CORRUPT: it is none, or was not whole: then nothing has been written over yet. */
enum err format_redo_parse(struct bytes file, struct format_redo *out) MUST_USE;

/* What the log knows of a batch once its head has been read. */
struct format_note {
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

/* ---- what is derived from the batches of one segment: its index, by offset and by time ---- */

/* One file each, whose entries ascend. What is the same for all of them goes by this table: how
 * they grow, are taken back and cut, come to the disk and from it, and are proven. */
enum format_derived {
    FORMAT_OFFSETS, /* .index */
    FORMAT_TIMES,   /* .timeindex */
    FORMAT_DERIVED,
};

#define FORMAT_INDEX_ENTRY_SIZE 8
#define FORMAT_TIME_ENTRY_SIZE 12

struct format_index_entry {
    uint32_t relative; /* last offset of the batch, less the segment's base */
    uint32_t position; /* where that batch begins */
    uint32_t first;    /* its first offset, in the same way; the files do not have it */
};
#define FORMAT_FIRST_UNKNOWN UINT32_MAX

struct format_time_entry {
    int64_t timestamp; /* the greatest so far */
    uint32_t relative; /* last offset of the batch that has it */
};

struct format_derived_row {
    enum format_file_kind file;
    size_t size;      /* of an entry in the file */
    size_t item_size; /* and in memory, */
    size_t relative;  /* where its relative offset stands there */
    int32_t seals;    /* entries that it gets at the segment's end (format_index_seal), at most */
    void (*put)(uint8_t *out, const void *item);
    void (*get)(const uint8_t *in, void *item);
    /* It may stand behind the one before it, or first (NULL), in a segment of that many bytes. Its
     * offset has been looked at. */
    bool (*follows)(const void *item, const void *before, uint64_t log_size);
};
extern const struct format_derived_row format_derived[FORMAT_DERIVED];

/* How many entries of each. */
struct format_counts {
    int32_t of[FORMAT_DERIVED];
};

/* What can be taken back: see format_index_return. */
struct format_index_mark {
    struct format_counts counts;
    int64_t max_timestamp, max_timestamp_offset;
};

struct format_entries {
    void *items;
    int32_t cap;
};

struct format_index {
    struct mem *mem;
    int64_t base;
    struct format_entries entries[FORMAT_DERIVED];
    struct format_counts counts;
    int64_t max_timestamp, max_timestamp_offset; /* -1 and base - 1 before the first batch */
};

static inline struct format_index_entry *format_index_offset(const struct format_index *index,
                                                             int32_t i)
{
    return (struct format_index_entry *)index->entries[FORMAT_OFFSETS].items + i;
}
static inline struct format_time_entry *format_index_time(const struct format_index *index,
                                                          int32_t i)
{
    return (struct format_time_entry *)index->entries[FORMAT_TIMES].items + i;
}

void format_index_init(struct format_index *index, struct mem *mem, int64_t base);
void format_index_free(struct format_index *index);
/* Makes room for that many batches. ERR_NOMEM. */
enum err format_index_reserve(struct format_index *index, int32_t batches) MUST_USE;
/* A batch more. An entry is made when more than interval bytes have passed since the last one (as
 * Kafka's LogSegment.append and recover do). Room must be there. */
void format_index_add(struct format_index *index, const struct format_note *note, int64_t interval);
/* The batch at the note's position has an entry whose first offset is not known yet: now it is. */
void format_index_learn(struct format_index *index, const struct format_note *note);
/* The time entry that a segment gets at its end, if its greatest timestamp has none yet. Room for
 * one batch must be there. */
void format_index_seal(struct format_index *index);
struct format_index_mark format_index_mark(const struct format_index *index);
/* Forgets everything added since the mark was made. */
void format_index_return(struct format_index *index, struct format_index_mark mark);
/* The entries of batches that begin below position, without a seal. */
struct format_counts format_index_below(const struct format_index *index, uint64_t position);
/* Forgets all others. The greatest timestamp is then that of the last entry: what stands behind it
 * must be added again. */
void format_index_cut(struct format_index *index, uint64_t position);
/* Takes over what from has of batches that begin below position; the same of it must be added again
 * as after format_index_cut. Into an empty one of the same base. ERR_NOMEM. */
enum err format_index_take(struct format_index *index, const struct format_index *from,
                           uint64_t position) MUST_USE;
bool format_index_full(const struct format_index *index, int64_t bytes_max);
/* The last entry whose offset is <= offset; NULL: none. */
const struct format_index_entry *format_index_floor(const struct format_index *index,
                                                    int64_t offset);
/* The last entry whose position is <= position; NULL: none. */
const struct format_index_entry *format_index_floor_position(const struct format_index *index,
                                                             uint64_t position);
/* The offset below which every timestamp is < timestamp: where a search by time may begin. */
int64_t format_index_floor_time(const struct format_index *index, int64_t timestamp);
size_t format_index_bytes(const struct format_index *index);
/* Entries from first up to end, as in the file of that kind. */
void format_index_encode(const struct format_index *index, enum format_derived kind, int32_t first,
                         int32_t end, uint8_t *out);
/* Takes entries of the files while they ascend and stay within log_size bytes and below next; true
 * when that was all of them. ERR_NOMEM. An index holds no proof: what is looked up is checked
 * against the log. */
enum err format_index_decode(struct format_index *index, const struct bytes files[FORMAT_DERIVED],
                             uint64_t log_size, int64_t next, bool *whole) MUST_USE;

/* <base>.index.crc: what is known to be right of those files. Entries that a crash left behind it
 * are passed over; what does not match is made again from the log. Its text always has the same
 * size, so that one write replaces it. */
struct format_index_crc {
    uint32_t crc[FORMAT_DERIVED];
    uint64_t size[FORMAT_DERIVED]; /* of how many bytes of the file */
    uint64_t log_bytes;            /* of which the entries are */
};
#define FORMAT_INDEX_CRC_SIZE (9 * FORMAT_DERIVED + 21 * (FORMAT_DERIVED + 1))
void format_index_crc_print(const struct format_index_crc *crc,
                            char out[FORMAT_INDEX_CRC_SIZE + 1]);
/* ERR_CORRUPT. */
enum err format_index_crc_parse(struct bytes crc_file, struct format_index_crc *out) MUST_USE;
/* Leaves of the files what the checksum is of. ERR_CORRUPT. */
enum err format_index_crc_check(struct bytes crc_file, struct bytes files[FORMAT_DERIVED],
                                uint64_t *log_bytes) MUST_USE;

/* ---- producers (I-1 to I-5) ---- */

#define FORMAT_WINDOW 5            /* batches remembered of a producer */
#define FORMAT_PRODUCERS_MAX 65536 /* of one partition; see format_producers */

struct format_producer_batch {
    int32_t last_sequence;
    int32_t offset_delta; /* last offset - first offset == last sequence - first sequence */
    int64_t last_offset;
    int64_t timestamp;
};

struct format_producer {
    struct hmap_node node;
    struct list link; /* in format_producers.silent or .open */
    int64_t id;
    int16_t epoch;
    int32_t coordinator_epoch;
    int64_t timestamp; /* of the last batch or marker */
    int64_t txn_first; /* -1: none */
    int64_t seen_ns;   /* env_now of the last append in this life, or of its start */
    int32_t count;
    struct format_producer_batch window[FORMAT_WINDOW]; /* oldest first */
};

/* What the producers of several partitions may be together. Beyond it each that is new somewhere
 * takes the place of the one there that is silent longest, if there is one. */
struct format_producers_room {
    int64_t count, count_max;
};

/* Beyond FORMAT_PRODUCERS_MAX the one silent longest makes room. One with an open transaction never
 * does (I-5): its transaction would count as decided. When all have one, format_producers_check
 * lets no further one in; what a leader let in, format_producers_apply takes. */
struct format_producers {
    struct mem *mem;
    struct format_producers_room *room; /* NULL: nobody else's count */
    struct hmap map;
    struct list silent; /* without an open transaction, silent longest first */
    struct list open;   /* with one (txn_first >= 0) */
};

/* A producer as it was, for an append that fails after all. */
struct format_producer_undo {
    bool existed;
    struct format_producer was; /* its id also when it did not exist */
};

/* room outlives them, and may be NULL. ERR_NOMEM. */
enum err format_producers_init(struct format_producers *producers, struct mem *mem,
                               struct format_producers_room *room) MUST_USE;
void format_producers_free(struct format_producers *producers);
void format_producers_clear(struct format_producers *producers);
/* All of from, instead of what was there; from is freed. */
void format_producers_take(struct format_producers *producers, struct format_producers *from);
struct format_producer *format_producers_find(const struct format_producers *producers, int64_t id);
/* All of them, one after the other, while none is added or forgotten; the first after NULL, NULL
 * after the last. */
struct format_producer *format_producers_next(const struct format_producers *producers,
                                              const struct format_producer *after);
/* Where its open transaction begins; -1: it has none. */
void format_producer_txn(struct format_producers *producers, struct format_producer *producer,
                         int64_t txn_first);

enum format_sequence {
    FORMAT_SEQUENCE_NEXT,
    FORMAT_SEQUENCE_DUPLICATE, /* *duplicate is the original */
    FORMAT_SEQUENCE_REFUSED,   /* *code says why */
};

/* I-1. */
enum format_sequence format_producers_check(const struct format_producers *producers,
                                            const struct format_note *note,
                                            const struct format_producer_batch **duplicate,
                                            int16_t *code);
/* Enters a batch or a marker without asking (I-4). undo may be NULL. ERR_NOMEM: nothing changed. */
enum err format_producers_apply(struct format_producers *producers, const struct format_note *note,
                                int64_t now_ns, struct format_producer_undo *undo) MUST_USE;
void format_producers_undo(struct format_producers *producers,
                           const struct format_producer_undo *undo);
/* Forgets those seen last before now_ns - silent_ns that have no open transaction. */
void format_producers_expire(struct format_producers *producers, int64_t now_ns, int64_t silent_ns);

/* ---- producer snapshots ---- */

#define FORMAT_SNAPSHOT_HEAD 10
#define FORMAT_SNAPSHOT_ENTRY 46

/* Two files in one layout: Kafka's snapshot with one entry a producer, which holds its last batch
 * alone, and beside it (FORMAT_KIND_WINDOW, made whenever there are producers) the older batches of
 * the windows, which Kafka forgets over a restart. Bytes are allocated in mem. ERR_NOMEM. */
enum err format_snapshot_encode(const struct format_producers *producers, struct mem *mem,
                                struct bytes *snapshot, struct bytes *window) MUST_USE;
/* A snapshot's bytes, or a window's, are all there and as they were written. ERR_CORRUPT. */
enum err format_snapshot_check(struct bytes file, struct errmsg *msg) MUST_USE;
/* Into empty producers. ERR_CORRUPT, ERR_NOMEM: producers are empty. */
enum err format_snapshot_decode(struct format_producers *producers, struct bytes snapshot,
                                int64_t now_ns, struct errmsg *msg) MUST_USE;
/* Puts the older batches back before those that the snapshot gave. ERR_CORRUPT: as it was. */
enum err format_window_decode(struct format_producers *producers, struct bytes window,
                              struct errmsg *msg) MUST_USE;

/* ---- disjoint ranges of bytes ---- */

#define FORMAT_RANGES_MAX 16

struct format_range {
    uint64_t from, to;
};

struct format_ranges {
    struct format_range rows[FORMAT_RANGES_MAX]; /* ascending, never touching */
    int32_t count;
};

/* When there are too many, the smallest is forgotten. */
void format_ranges_add(struct format_ranges *ranges, uint64_t from, uint64_t to);
bool format_ranges_cover(const struct format_ranges *ranges, uint64_t from, uint64_t to);
void format_ranges_cut(struct format_ranges *ranges, uint64_t end);

/* ---- walking batches ---- */

#define FORMAT_NOTES_MAX 2048 /* batches of one scan: the work of one handler */

enum format_scan_end {
    FORMAT_SCAN_MORE, /* used bytes were whole batches; the next begins behind them */
    FORMAT_SCAN_TORN, /* the file ends inside of a batch, or in bytes too few for one */
    FORMAT_SCAN_BAD, /* a head that cannot be, a wrong CRC, an offset that goes back; msg says which
                      */
};

/* Batches of a file, a piece at a time; a batch may be larger than a piece. Runs under env_offload:
 * it touches only what it points to. */
struct format_scan {
    /* in, each time */
    const uint8_t *data;
    size_t size;
    uint64_t position; /* of data in the file */
    bool last;         /* the file ends with data */
    bool crc;          /* look at the records too; only with data that begins at a batch */
    struct format_note *notes;
    int32_t notes_max;
    /* in the first time, kept since */
    int64_t expected;  /* the next base offset; -1: any */
    bool exact;        /* false: or a greater one */
    int32_t epoch_end; /* leaders wrote in epochs below it; 0: nobody knows */
    /* out */
    enum format_scan_end end;
    size_t used;
    uint64_t bad_at; /* where in the file the batch begins that is torn or bad */
    int32_t note_count;
    struct errmsg msg;
    /* of a batch that is larger than a piece */
    uint64_t large_left;
    uint32_t large_crc;
    struct format_note large;
};

void format_scan(void *scan);
/* What the log keeps of a batch's head; position is where it stands. body may be NULL, then it is
 * taken for no marker. */
struct format_note format_note_of(const struct wire_batch *batch, uint64_t position,
                                  const uint8_t *body);
/* For telling a torn tail from a hole. */
struct format_search {
    struct bytes data;
    size_t from;
    int64_t expected; /* no base offset may be below it */
    /* out: where a batch with a right CRC begins, or one that goes on behind the data and so may
     * be right; data.size: nowhere */
    size_t at;
    bool whole;
};

void format_search(void *search); /* runs under env_offload */

#endif
