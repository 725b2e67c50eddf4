/* check.h - invariants and anomalies over trace rows, in one pass and O(1) amortised a row. It
 * knows rows and nothing of broker, client or simulator, and asks no node anything.
 *
 * Definitions: A1-A26 of docs/checks.md, after Jepsen's queue analyses (jepsen.io) and the
 * invariants of one replica's log. A verdict depends on the contract: what acks, flush policy and
 * retention allow is counted and reported, not failed. */
#ifndef KILN_CHECK_H
#define KILN_CHECK_H

#include "base/base.h"

/* Flags of a PRODUCE_INVOKE row: what the record was promised. */
enum check_produce_flag {
    CHECK_ACKS_ONE = 1,
    CHECK_ACKS_ALL = 2, /* neither: acks=0 */
    CHECK_IDEMPOTENT = 4,
    CHECK_ONE_IN_FLIGHT = 8, /* order is promised without idempotence too */
};

/* Sessions number their records: vid = session << 40 | sequence, sequence from 0 without gaps. */
#define CHECK_SEQUENCE_BITS 40

/* X(code, name, text of what must never be) */
#define CHECK_TABLE(X)                                                                             \
    X(A1, INCONSISTENT_OFFSET, "two records were seen at one offset")                              \
    X(A2, DUPLICATE, "a record stands in the log twice")                                           \
    X(A3, LOST_WRITE, "an acknowledged record is gone")                                            \
    X(A4, UNSEEN, "an acknowledged record was not reached by the final read")                      \
    X(A5, CONFIRMED_LOSS, "an acknowledged record was cut off its log")                            \
    X(A6, UNEXPECTED_READ, "a record was read that nobody had sent")                               \
    X(A7, CORRUPT_PAYLOAD, "a record was read with other bytes than were sent")                    \
    X(A11, INTERNAL_NONMONOTONIC_POLL, "one poll went back")                                       \
    X(A12, INTERNAL_POLL_SKIP, "one poll skipped records")                                         \
    X(A13, NONMONOTONIC_POLL, "a poll began before the end of the one before it")                  \
    X(A14, POLL_SKIP, "a poll skipped records behind the one before it")                           \
    X(A17, NONMONOTONIC_SEND, "a producer's records stand in another order than they were sent")   \
    X(A18, REALTIME_ORDER, "a record sent after an acknowledgement stands before it")              \
    X(A20, UNREPEATABLE_READ, "a record that was read is gone")                                    \
    X(A22, KEY_ORDER, "records of one key were read in another order than they were sent")         \
    X(A25, SPURIOUS_ACK, "a record stands elsewhere than its acknowledgement said")                \
    X(A26, FAILED_BUT_VISIBLE, "a record that was refused was read")                               \
    X(L1, OFFSET_GAP, "an append did not begin at the log end offset")                             \
    X(L2, ENDS_CROSSED, "log start, high watermark and log ends are out of order")                 \
    X(L3, WATERMARK_BACK, "the high watermark went back within a life")                            \
    X(L4, WATERMARK_AHEAD, "the high watermark passed what counts")                                \
    X(L5, EARLY_ACK, "acks=all was answered before the high watermark")                            \
    X(L6, EARLY_SERVE, "bytes above the high watermark were served")                               \
    X(L7, START_BACK, "the log start offset went back")                                            \
    X(L8, YOUNG_DELETED, "a segment younger than its retention was deleted")                       \
    X(L9, ACK_AFTER_FAILED_SYNC, "an acknowledgement followed a failed sync")                      \
    X(L10, LOST_TOPIC, "an acknowledged topic is gone")                                            \
    X(L11, PRODUCER_ID_TWICE, "a producer id was given out twice")                                 \
    X(L12, UNEXPECTED_CLOSE, "a broker refused a well-formed connection")                          \
    X(L13, DUPLICATE_REFUSED, "one of a producer's last five batches was refused as out of order") \
    X(L14, UNHARMED_CORRUPT, "a log was called corrupt on a disk that nobody had damaged")

enum check_code {
#define X(code, name, text) CHECK_##name,
    CHECK_TABLE(X)
#undef X
        CHECK_CODE_COUNT
};

struct check_info {
    const char *code; /* "A3" */
    const char *name; /* "LOST_WRITE" */
    const char *text;
};

extern const struct check_info check_infos[CHECK_CODE_COUNT];

/* What the run promised. */
struct check_contract {
    bool durable_acks;    /* flush.policy = ack */
    bool hostile_clients; /* refused connections are no finding */
    int64_t retention_ms; /* of the topics; -1: nothing may be deleted by time */
    int64_t wall_base_ms; /* true wall time at virtual time 0 */
};

/* The first row that showed it, and how often it was shown. */
struct check_finding {
    uint64_t count, allowed_count; /* allowed: within the contract */
    struct trace_row row;
    uint64_t partition, offset, vid;
    struct errmsg msg;
};

struct check_counts {
    uint64_t sent, acked, failed, unknown;
    uint64_t read, final_reads;
    uint64_t lost_allowed; /* acknowledged records that the contract allowed to lose */
    uint64_t twice_allowed;
    uint64_t recovered; /* unknown, but visible */
    uint64_t topics_acked, producer_ids;
};

struct check;

/* ERR_NOMEM. mem stays the caller's. */
enum err check_new(struct check **out, struct mem *mem,
                   const struct check_contract *contract) MUST_USE;
void check_free(struct check *check);
/* Takes the next row; rows come in the order in which they happened. */
void check_row(struct check *check, const struct trace_row *row);
/* A partition that nobody can read to its end, and rightly so: its broker took it offline. What was
 * acknowledged there and not read is no finding. ERR_NOMEM. */
enum err check_leave_out(struct check *check, uint64_t partition) MUST_USE;
/* Judges what only the end can show: lost writes and topics. Once, last. */
void check_end(struct check *check);

/* Findings that break the contract. */
uint64_t check_violations(const struct check *check);
const struct check_finding *check_finding(const struct check *check, enum check_code code);
const struct check_counts *check_counts(const struct check *check);
/* ERR_NOMEM: the verdict is inconclusive. */
enum err check_status(const struct check *check);

#endif
