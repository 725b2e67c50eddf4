/* log.h - one partition on disk: segments, indexes, recovery, retention, producer state. Files are
 * Apache Kafka's, byte for byte (protocol.md 6). The log calls the door itself; nothing here knows
 * who leads. */
#ifndef KILN_LOG_H
#define KILN_LOG_H

#include "dir/dir.h"

enum log_flush {
    LOG_FLUSH_ACK, /* flush.policy = ack: what counts is what was synced in this life */
    LOG_FLUSH_OS,  /* flush.policy = os: what counts is what was written to the page cache */
};

/* One partition's settings; the names are Kafka's topic configs. */
struct log_config {
    int64_t segment_bytes, segment_ms, segment_index_bytes, index_interval_bytes;
    int64_t retention_ms, retention_bytes; /* -1: for ever, without bound */
    int64_t file_delete_delay_ms, max_message_bytes;
    bool log_append_time; /* message.timestamp.type */
    /* compression.type: what clients send is compressed anew, with codec at codec_level, unless it
     * has that codec already. Not recode: it stays as its producer compressed it. */
    bool recode;
    enum wire_codec codec;
    int32_t codec_level; /* wire_codec_level_valid */
    /* How far a record's timestamp may lie behind now_ms and before it; unless log_append_time. One
     * far ahead would keep its segment, and all behind it, from retention. */
    int64_t timestamp_before_max_ms, timestamp_after_max_ms;
    bool always_sync; /* LOG_FLUSH_ACK for this log, whatever the directory's policy: the metadata
                         log, whose answers wait for a sync always */
    bool spends_reserve; /* it takes records while dir_reserve_is_given: the metadata log */
    int64_t producer_id_expiration_ms;
    /* Each batch begins where the one before it ends, so that an offset that is missing is damage.
     * False for what was ever compacted, wherever that was: then offsets only ascend. Of a log that
     * is open it may become false, and never true. */
    bool dense;
};

/* How an operation of this module ends. msg holds a sentence when e is not ERR_NONE. done may be
 * called before the function that started the operation returns (a read that needs no disk, no
 * memory to begin with), always as its last act: a caller who starts several counts itself in. */
struct log_op;
typedef void log_done(struct log_op *op, enum err e);
struct log_op {
    log_done *done;
    struct errmsg msg;
    struct list link; /* the log's own */
};

/* Told of what happens to a log by itself. Both may append, read and release, but not close.
 * moved: an end moved on, or (e != ERR_NONE, once) the log is offline from now on: what was not
 *   durable is not known to be stored and must never be acknowledged. The last act of an event.
 * written: the written end has moved, and what counts has not, for it waits for the sync. The last
 *   act of an event. NULL: nobody asks.
 * cut: a write failed (a full disk). What stood at or above end is not in the log and never will
 *   be; its offsets are given again to others. Whoever waits for one of them is refused, at once.
 *   Appends are refused until the log has repaired itself; reads go on. Or the log is truncated. */
struct log_watch {
    void (*moved)(struct log_watch *watch, enum err e);
    void (*written)(struct log_watch *watch);
    void (*cut)(struct log_watch *watch, int64_t end);
};

/* Arguments of trace rows. */
enum log_cut_reason {
    LOG_CUT_TORN = 1, /* recovery found a torn tail */
    LOG_CUT_HOLE,     /* recovery found a bad batch, and good ones behind it */
    LOG_CUT_FAILED,   /* a write failed */
    LOG_CUT_ASKED,    /* log_truncate */
    LOG_CUT_RESET,    /* log_reset */
};
enum log_start_reason {
    LOG_START_TIME = 1, /* retention.ms */
    LOG_START_SIZE,     /* retention.bytes */
    LOG_START_ASKED,    /* log_reset, log_advance_start */
};
enum log_rebuilt {
    LOG_REBUILT_INDEX = 1, /* base: of its segment */
    LOG_REBUILT_EPOCHS,
    LOG_REBUILT_PRODUCERS,
    /* 4 is DIR_REBUILT_POINTS */
};

/* ---- the logs of a directory ---- */

/* What they share: memory for indexes and snapshots, openings at once, the wall clock that is
 * believed. */
struct log_set;

/* ERR_NOMEM. The directory outlives it. */
enum err log_set_new(struct log_set **out, struct dir *dir, enum log_flush flush) MUST_USE;
/* What is a constant otherwise; 0: it stays. For tests, which set them small, as at a limit things
 * go wrong. */
struct log_limits {
    uint32_t piece_bytes; /* a file is walked in pieces of this size, */
    uint32_t piece_small; /* and of this one where little is looked for: no more than the other */
    int32_t recent_max;   /* batches whose place is remembered */
    int64_t index_cache_bytes;
    int64_t snapshot_bytes; /* appended between two snapshots of producers */
    int64_t prefix_bytes;   /* appended until the active segment's index is saved */
};
/* Before the first log is opened; none of them grows by it. */
void log_set_limit(struct log_set *set, const struct log_limits *limits);
/* Once every log of it is closed or deleted. */
void log_set_free(struct log_set *set);
struct dir *log_set_dir(const struct log_set *set);
/* Asserts what must hold of the logs that the event has touched; whole: of all logs, and all of it.
 * For the simulator, after each event: O(1) but for whole. */
void log_set_assert(struct log_set *set, bool whole);

/* ---- one partition ---- */

struct log;

/* What is known of a partition that may have to be made, and what its directory holds from the
 * first, durable together with it, or neither is there. Stays in place until log_open is done. */
struct log_birth {
    bool known; /* it was made here before: if it is not there, it is lost, and not made anew */
    bool
        elsewhere; /* it was made in another log directory: what it held there is told to be lost */
    bool unmarked; /* that it is made here is not written down yet: see log_mark */
    int32_t leader_epoch; /* that begins at offset 0 (E-1), -1: none */
    const char *name;     /* of one more file, with its checksum beside it; NULL: none */
    struct bytes bytes;
    bool made; /* out: the directory was not there */
};

/* Opens "topic-N", creating it (durably, with partition.metadata and what birth says) when it is
 * not there, and recovers it: S-1 to S-5, S-7. On success *out is set before done is called.
 * ERR_CORRUPT: a bad batch below the recovery point, or files are missing, or all of it is,
 * although birth or a checkpoint says that it was there; the message names file, position and
 * remedy, and the other logs go on. A person who wants to go on without what is gone makes the
 * empty file "topic-N.start-empty" beside its place: then it is made anew, and the file is removed.
 * Else as dir_open. The directory is open; birth and watch may be NULL. */
void log_open(struct log_set *set, struct log **out, const char *topic, int32_t partition,
              const uint8_t topic_id[16], const struct log_config *config, struct log_birth *birth,
              struct log_watch *watch, struct log_op *op, log_done *done);
/* Waits for what is in flight (reads must have been released), lets go of the files and frees the
 * log; nothing is written. */
void log_close(struct log *log, struct log_op *op, log_done *done);
/* What is written and not synced when always_sync begins counts no more, until a sync that begins
 * now has ended. */
void log_reconfigure(struct log *log, const struct log_config *config);
/* That the partition was made here is durable now, so that nobody will make it anew. Until then
 * nothing of a log that was opened unmarked counts: log_counting_end is its start. */
void log_mark(struct log *log);
/* The log is the caller's no longer; its directory goes: forgotten by the checkpoint, renamed to a
 * "-delete" name durably (that is when done is called, and a partition of the same name may be
 * made), then emptied. It waits for what is in flight, and for no reader: what was read stays until
 * it is released. Errors: the directory may be there still, and goes when it is deleted again. */
void log_delete(struct log *log, struct log_op *op, log_done *done);
/* The same for the directory of a partition that is not open, or could not be opened. Harmless when
 * there is none. topic is borrowed until this returns. */
void log_delete_closed(struct log_set *set, const char *topic, int32_t partition, struct log_op *op,
                       log_done *done);

int64_t log_start(const struct log *log); /* log start offset */
/* The first offset that is on this disk: reads begin here. Behind the log start once older records
 * are elsewhere, too; no place for them is served yet, so the two are the same. */
int64_t log_local_start(const struct log *log);
int64_t log_end(const struct log *log);         /* log end offset: what has been assigned */
int64_t log_written_end(const struct log *log); /* completed appends */
/* Synced in this life, or known to be durable when it was opened: what stood above the recovery
 * point had been written again and synced by then. */
int64_t log_durable_end(const struct log *log);
/* The end that counts for acknowledgements under the directory's flush policy. */
int64_t log_counting_end(const struct log *log);
/* Bytes that have been appended in this life and have come to count: what came between two moments
 * is the difference. */
uint64_t log_counting_bytes(const struct log *log);
/* The same of what is written. */
uint64_t log_written_bytes(const struct log *log);
/* Its counting end is the durable one, whoever of those that have it is asked. */
bool log_waits_for_sync(const struct log *log);
/* The high watermark that is written to replication-offset-checkpoint from now on; it may go down,
 * as a truncation below it does by itself. */
void log_note_high_watermark(struct log *log, int64_t offset);
/* When it was opened it ended below what a checkpoint knew of it, or was made anew: what an earlier
 * life had acknowledged may be missing. */
bool log_lacks(const struct log *log);
/* Nothing stands in it that was written before always_sync began and is not durable. */
bool log_is_settled(const struct log *log);
/* As it was noted last, in this life or an earlier one; never outside of the log. */
int64_t log_high_watermark(const struct log *log);
/* Counts truncations. Who waits for an offset to be durable, or holds bytes that a read gave, is
 * talking of another log when it has changed meanwhile. */
uint64_t log_generation(const struct log *log);
uint64_t log_bytes(const struct log *log);
uint64_t log_trace_id(const struct log *log);
/* ERR_NONE, ERR_OFFLINE (the directory's: S-5), ERR_CORRUPT ...; the text is a sentence, or "". */
enum err log_status(const struct log *log);
const char *log_status_text(const struct log *log);
/* It takes no records because its disk is full. */
bool log_waits_for_room(const struct log *log);
/* A sentence about bytes that recovery cut off and kept, or NULL. */
const char *log_notice(const struct log *log);

enum log_verdict {
    LOG_APPENDED,
    LOG_DUPLICATE, /* I-1: first and last are the original's; the answer waits for the same end as
                      the original's (I-3) */
    LOG_REFUSED,   /* code says why (Kafka's error code); nothing was appended */
};

struct log_appended {
    enum log_verdict verdict;
    int16_t code;
    int64_t first, last;  /* offsets */
    int64_t timestamp_ms; /* log append time, or -1 */
    uint32_t crc;         /* LOG_APPENDED: of the last batch, as it is stored */
    const char *reason;   /* for Produce v8's error_message, or NULL */
};

/* Validates, assigns offsets in place (batches is writable and retained until written) and starts
 * the write. All of it or nothing. The bytes count once log_counting_end passes them; the watch
 * tells. Never waits; back-pressure is log_in_flight_bytes. The log is offline, or its disk is
 * full: LOG_REFUSED with KAFKA_STORAGE_ERROR. Who may write control or transactional batches is the
 * caller's to know. */
void log_append(struct log *log, struct slice batches, int32_t leader_epoch, int64_t now_ms,
                struct log_appended *out);
int64_t log_in_flight_bytes(const struct log *log);

/* What a follower has taken of a leader's batches. */
struct log_taken {
    int64_t first, last; /* offsets; -1: none */
    uint32_t bytes;      /* of the batches: whole ones, from the first on */
};

/* Appends what a leader's log holds, byte for byte, as a follower does (I-4): several epochs,
 * control batches, batches of any producer and sequence; with a log that is not dense, offsets may
 * be missing. batches is retained until it is written; it may end inside of a batch, which is not
 * taken. Nor is a batch of an epoch after leader_epoch, in which the leader was asked
 * (KAFKA-18723). What stands before a bad batch is taken. An epoch that is new begins with its
 * first batch (E-1), and what is of it counts as durable when the checkpoint knows it.
 * ERR_CORRUPT: a head that cannot be, a wrong CRC, the first batch is cut off. ERR_RANGE: a batch
 * begins below the log's end, or, in a dense log, behind it; that of a log which is empty because
 * its start lies inside of that batch is taken after log_reset to where it begins. ERR_INVALID: an
 * epoch goes back: the logs have parted, and this one has to be truncated first. ERR_OFFLINE:
 * the log takes none now (log_status, a truncation). ERR_NOSPACE: none before there is room.
 * ERR_BUSY: so many offsets are
 * missing before the first batch that all below it must be durable first. ERR_NOMEM. */
enum err log_append_as_is(struct log *log, struct slice batches, int32_t leader_epoch,
                          struct log_taken *out, struct errmsg *msg) MUST_USE;

/* Ends the log at an offset: E-5, all of it in one step. Where that lies inside of a batch the log
 * ends where the batch begins (a follower is told where batches begin), and when that is below the
 * log start it is reset to the log start. Epochs that begin there or later are forgotten, also when
 * the log ends there already (KAFKA-10706). High watermark and recovery point go down with it. What
 * is under way is waited for; appends are refused meanwhile, and log_watch.cut is told in the same
 * event in which the log ends there. Durable when done.
 * ERR_RANGE: it lies below the log start: log_reset is what is wanted. ERR_BUSY: another one is
 * under way. ERR_NOSPACE, ERR_IO, ERR_NOMEM ...: the log is as it was, unless log_status says that
 * it is offline: then it may end there or later after a restart, never with a hole. ERR_CORRUPT:
 * a bad batch, the log is offline. ERR_OFFLINE: it was already, or is being closed. */
void log_truncate(struct log *log, int64_t to, struct log_op *op, log_done *done);
/* Nothing of it stays, and it begins anew, empty, at an offset that may be anywhere. As
 * log_truncate; a crash may also leave it empty where it began before. */
void log_reset(struct log *log, int64_t start, struct log_op *op, log_done *done);

/* The log start moves on to an offset, inside of a segment or a batch, too; what is below it is not
 * read any more, and retention removes whole segments. Durable when done (it is in
 * log-start-offset-checkpoint first); at once when the log begins there or later already. Whether
 * it may pass the high watermark is the caller's to know. ERR_RANGE: the log ends below. ERR_BUSY:
 * it is being truncated or closed. ERR_CANCELLED: a write has failed meanwhile, and it ends below.
 * ERR_NOSPACE and others as dir_file_put: it begins where it did, though a later life may begin
 * there. */
void log_advance_start(struct log *log, int64_t to, struct log_op *op, log_done *done);

#define LOG_RECORD_ERRORS_MAX 128 /* records of a batch that are named as refused */
#define LOG_NO_TIMESTAMP (-1)     /* of a record */

/* A record for which a batch was refused. */
struct log_record_error {
    int32_t index; /* in the batch, from 0 */
    bool timestamp;
    int64_t timestamp_ms; /* with timestamp: the one that is not allowed */
};

/* One batch from a client. */
struct log_produce;
typedef void log_produce_done(struct log_produce *p);
struct log_produce {
    /* in */
    /* Exactly one (WIRE_SENT_BATCH), and changed in place; its buf, which it has, is retained, and
     * what it becomes is taken from the same heap. */
    struct slice batch;
    int32_t leader_epoch;
    bool late; /* it is one of many that somebody asks for at once: those of others go first */
    /* out */
    struct log_appended out;
    /* LOG_REFUSED: the records that are to blame; these and out.reason are there until done ends */
    const struct log_record_error *errors;
    int32_t error_count;
    /* the log's own */
    log_produce_done *done;
    struct log_admission *admission; /* not NULL: it waits */
};

/* log_append for a client, of whom nothing is believed: the records are walked through and
 * decompressed, on the pool when that is more than a little work; the greatest timestamp and the
 * timestamp type are made true; the batch is written anew where compression.type or wrong offsets
 * of its records ask for it. Batches are appended in the order of these calls. What Kafka 4.3.1
 * refuses is refused with its code; beyond it a compressed record that does not end where it says.
 * done may be called before this returns. */
void log_produce(struct log *log, struct log_produce *p, log_produce_done *done);
/* It waits: it is not appended, and done is not called. */
void log_produce_cancel(struct log_produce *p);

/* Where a reader has come to. Zeroed: nowhere. It may be kept as long as the directory is open, and
 * be used for another log: it counts only where its log still stands as it stood then. */
struct log_cursor {
    /* the log's own */
    int64_t offset, segment; /* base offset of its segment */
    uint64_t position;
    uint64_t places; /* of its log, which no other has; 0: nowhere */
};

/* A read: finds the batch that holds offset and the bytes from there on. */
struct log_read {
    struct log_op op;
    /* in */
    int64_t offset, offset_end; /* batches wholly below offset_end only (high watermark) */
    int32_t bytes_max;
    bool at_least_one; /* the first batch comes whole even when it is larger than bytes_max */
    struct mem *mem;   /* of what the read needs besides. NULL: the directory's */
    /* in and out, until done: its reader's, who need not be looked up so in his next read. NULL:
     * the log remembers a few such readers itself */
    struct log_cursor *cursor;
    /* out; the files stay open until log_read_release, also when their segment is deleted meanwhile
     */
    struct env_part parts[4];
    int32_t part_count;
    int64_t bytes;
    int64_t next_offset; /* behind the last whole batch in it; == offset when there is none */
    uint64_t generation; /* log_generation when it began */
    /* the log's own */
    struct log *log;
    struct log_segment *segment; /* whose file is held until the read is released */
    struct dir_hold hold;
    void *own;
};

/* Gives whole batches only, from the one that holds offset on, or, where offsets are missing, the
 * next one. The first may begin below offset;
 * what is given never comes from two segments. ERR_RANGE: offset is below log_start or above
 * log_end. ERR_IO, ERR_CORRUPT (a batch's CRC or head is wrong: the log is offline from then on),
 * ERR_NOMEM, ERR_CANCELLED (the log has been truncated meanwhile; files that were given are cut
 * then, too). A failed sync stops writes, not reads (S-5). offset >= offset_end gives no bytes. A
 * cached position makes the sequential case free of reads; bytes found at start are checked before
 * they are given for the first time in this life. */
void log_read(struct log *log, struct log_read *read, log_done *done);
void log_read_release(struct log_read *read);

/* Reads batches into memory, for those who replay a log: as log_read with one memory range in
 * read->parts[0]. */
void log_load(struct log *log, struct log_read *read, log_done *done);

/* The first offset whose timestamp is >= timestamp_ms (ListOffsets), through the time index. found:
 * false when there is none. */
struct log_seek {
    struct log_op op;
    int64_t timestamp_ms; /* -3: the record with the greatest timestamp */
    int64_t offset_end;
    struct mem *mem; /* of what the seek needs besides. NULL: the directory's */
    bool found;
    int64_t offset, timestamp_found_ms;
    int32_t leader_epoch;
    /* the log's own */
    struct log *log;
    void *own;
};
/* The batch is found by its head and the record in it by its own timestamp, compressed or not (that
 * is done away from the loop); of a batch whose records cannot be read the first offset is given,
 * so that nothing is ever passed over unread. Errors as log_read. */
void log_seek(struct log *log, struct log_seek *seek, log_done *done);

/* Retention: removes whole segments that age or size allow, never one that reaches above limit (the
 * high watermark); also forgets producers that have expired. Call it every few seconds to minutes;
 * one pass at a time, the rest is done in the background. wall_ms may jump: a segment goes by age
 * only when it is older than retention_ms by a wall time that the steady clock of this life
 * confirms, and when it was left alone for min(retention_ms, 10 min) of that steady clock. */
void log_retain(struct log *log, int64_t limit, int64_t wall_ms);

/* From the log's end on a new epoch begins (E-1). Durable when done; at once when it has begun
 * already and is durable. ERR_BUSY: the log is being truncated. */
void log_assign_epoch(struct log *log, int32_t epoch, struct log_op *op, log_done *done);
/* -1 when there is none. */
int32_t log_latest_epoch(const struct log *log);
/* The leader epoch in which that offset was, or would be, written; -1: before all that is known. */
int32_t log_epoch_at(const struct log *log, int64_t offset);
/* E-2. Where the greatest epoch up to that one ended: *found and the offset behind it. An epoch
 * before all that is known ended where those began. Both -1: it is later than all that is known. */
void log_epoch_end(const struct log *log, int32_t epoch, int32_t *found, int64_t *end);
/* All that is known of them, until something is appended, assigned or truncated. */
const struct format_epochs *log_epochs(const struct log *log);

#endif
