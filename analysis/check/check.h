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
#define CHECK_LIFE_BITS 12 /* above those: the life of the sender's node, and the node */

/* The roles of QUORUM_ROLE rows (K-2). */
enum check_role {
    CHECK_ROLE_UNATTACHED,
    CHECK_ROLE_PROSPECTIVE,
    CHECK_ROLE_CANDIDATE,
    CHECK_ROLE_LEADER,
    CHECK_ROLE_FOLLOWER,
    CHECK_ROLE_RESIGNED,
    CHECK_ROLE_COUNT,
};

/* "leader" */
extern const char *const check_role_names[CHECK_ROLE_COUNT];

/* How bad it is when it happens, the worst first. */
enum check_gravity {
    CHECK_LOSES,    /* something that was promised is gone */
    CHECK_CORRUPTS, /* something is not what it was */
    CHECK_RISKS,    /* something was promised too early: the next crash may take it */
    CHECK_REPEATS,  /* something is there twice, or is held for something that is */
    CHECK_REORDERS, /* something comes in the wrong order, or is passed over */
    CHECK_RULE,     /* an invariant of a log is broken; harm may follow */
};

/* X(code, name, gravity, text of what must never be) */
#define CHECK_TABLE(X)                                                                             \
    X(A1, INCONSISTENT_OFFSET, CORRUPTS, "two records were seen at one offset")                    \
    X(A2, DUPLICATE, REPEATS, "a record stands in the log twice")                                  \
    X(A3, LOST_WRITE, LOSES, "an acknowledged record is gone")                                     \
    X(A4, UNSEEN, LOSES, "an acknowledged record was not reached by the final read")               \
    X(A5, CONFIRMED_LOSS, LOSES, "an acknowledged record was cut off its log")                     \
    X(A6, UNEXPECTED_READ, CORRUPTS, "a record was read that nobody had sent")                     \
    X(A7, CORRUPT_PAYLOAD, CORRUPTS, "a record was read with other bytes than were sent")          \
    X(A11, INTERNAL_NONMONOTONIC_POLL, REORDERS, "one poll went back")                             \
    X(A12, INTERNAL_POLL_SKIP, REORDERS, "one poll skipped records")                               \
    X(A13, NONMONOTONIC_POLL, REORDERS, "a poll began before the end of the one before it")        \
    X(A14, POLL_SKIP, REORDERS, "a poll skipped records behind the one before it")                 \
    X(A17, NONMONOTONIC_SEND, REORDERS,                                                            \
      "a producer's records stand in another order than they were sent")                           \
    X(A18, REALTIME_ORDER, REORDERS, "a record sent after an acknowledgement stands before it")    \
    X(A19, STALE_END, LOSES, "a log was said to end before what had been acknowledged")            \
    X(A20, UNREPEATABLE_READ, LOSES, "a record that was read is gone")                             \
    X(A21, READ_EPOCH_BACK, REORDERS, "a record was read behind one of a later leader epoch")      \
    X(A22, KEY_ORDER, REORDERS,                                                                    \
      "records of one key were read in another order than they were sent")                         \
    X(A23, KEY_MOVED, REORDERS, "records of one key were read in two partitions")                  \
    X(A24, WRONG_OFFSET_OF_TIME, REORDERS, "the offset that was told of a time is not its own")    \
    X(A25, SPURIOUS_ACK, CORRUPTS, "a record stands elsewhere than its acknowledgement said")      \
    X(A26, FAILED_BUT_VISIBLE, CORRUPTS, "a record that was refused was read")                     \
    X(A30, STUCK_READER, REORDERS, "a reader was given nothing although there was something")      \
    X(D1, TWO_LEADERS, RISKS, "two lives of brokers led a partition in one epoch")                 \
    X(D2, EPOCH_BACK, RULE, "a batch stands behind one of a later leader epoch")                   \
    X(D3, COMMITTED_DIFFERS, CORRUPTS, "what a replica shows is not what the leader had shown")    \
    X(D4, LOG_DIVERGED, CORRUPTS, "replicas hold two records of one offset and leader epoch")      \
    X(D5, LEADER_INCOMPLETE, LOSES, "a leader was elected that lacks what was committed")          \
    X(D6, CANDIDATE_INCOMPLETE, RISKS,                                                             \
      "a replica counts as in sync that lacks what was committed")                                 \
    X(D7, COUNTS_TOO_FEW, RISKS, "a leader does not count a replica that may be elected")          \
    X(D8, WATERMARK_PAST_REPLICA, RISKS,                                                           \
      "a leader committed what a replica that counts was not heard to have")                       \
    X(D13, LEADER_NOT_IN_SYNC, RULE, "a leader is none of those in sync")                          \
    X(D14, IN_SYNC_WRONG, RULE, "who is in sync, or eligible, is no replica, or both")             \
    X(D15, JOINED_BEHIND, RISKS, "a leader let a replica in that lacks what is committed")         \
    X(D17, COMMITTED_CUT, RISKS, "a replica cut off what is committed")                            \
    X(D20, NOT_DURABLE, RISKS, "a log is said to be durable farther than the disk has it")         \
    X(D21, DURABLE_LOST, LOSES, "what was durable is gone after a restart")                        \
    X(D23, COMMITTED_BY_TOO_FEW, RISKS, "a leader committed while fewer than the minimum had it")  \
    X(D24, UNCLEAN_ELECTION, RISKS, "a leader was elected that was neither in sync nor eligible")  \
    X(D25, LEFT_EARLY, RULE, "a leader let a replica go that had kept up")                         \
    X(D26, IN_SYNC_UNTOLD, RISKS, "a leader goes by others than are in sync by the metadata log")  \
    X(D27, LAGGARD_KEPT, REORDERS, "a leader kept a replica in sync that had lagged for long")     \
    X(D28, KEPT_OUT, REORDERS, "a leader did not let a replica in that had all it takes")          \
    X(D29, OLDER_LIFE_HEARD, RISKS, "a leader counts what an earlier life of a replica has said")  \
    X(E1, TWO_CONTROLLERS, RISKS, "two lives of controllers led the quorum in one epoch")          \
    X(E2, VOTED_TWICE, RISKS, "a controller gave two votes in one epoch")                          \
    X(E4, COMMITTED_EARLY, RISKS, "a controller committed what no majority had on disk")           \
    X(E6, ROLE_OUT_OF_TURN, RULE, "a controller's role followed one that it may not follow")       \
    X(E7, QUORUM_EPOCH_BACK, RISKS, "a controller's epoch went back")                              \
    X(E8, COMMITTED_UNKNOWN, CORRUPTS, "a controller took for committed what no leader had")       \
    X(E10, BROKER_EPOCH_BACK, RULE, "a broker's epoch went back, or is another's")                 \
    X(E11, PARTITION_EPOCH_BACK, RULE, "a partition changed without a later epoch")                \
    X(E13, IMAGE_NOT_REPLAYED, CORRUPTS, "a broker knew other metadata than its log comes to")     \
    X(E14, IMAGES_DIFFER, CORRUPTS, "controllers that applied the same log know different things") \
    X(E15, VOTE_NOT_SAVED, RISKS, "a controller's vote left before it was on its disk")            \
    X(E16, NO_CONTROLLER, REORDERS, "nobody led the quorum although nothing was in the way")       \
    X(E17, FENCED_LEADS, RISKS, "a broker that is fenced leads, or is in sync with who does")      \
    X(E18, UNFENCED_EARLY, RISKS, "a broker serves before it knows of its registration")           \
    X(E19, LED_UNASKED, RISKS, "a broker leads in an epoch that is not its own by the metadata")   \
    X(E20, NEEDLESS_ELECTION, RULE, "the quorum elected again and again although all was well")    \
    X(E21, OFFLINE_SERVES, REORDERS, "a broker without a log directory was not fenced")            \
    X(F1, SEQUENCE_GAP, REORDERS, "a producer's batch does not follow the one before it")          \
    X(F2, APPENDED_TWICE, REPEATS, "a producer's batch was appended twice")                        \
    X(F15, NEXT_REFUSED, REORDERS, "the next of a producer's batches was refused")                 \
    X(G4, SLOW_SEND, REORDERS, "a send took longer than it may where nothing was amiss")           \
    X(G5, SLOW_READ, REORDERS, "a waiting reader was given a record later than it may be")         \
    X(G8, GIVEN_UP, REORDERS, "a send was given up although nothing was amiss, or too early")      \
    X(L1, OFFSET_GAP, RULE, "an append did not begin at the log end offset")                       \
    X(L2, ENDS_CROSSED, RULE, "log start, high watermark and log ends are out of order")           \
    X(L3, WATERMARK_BACK, RULE, "the high watermark went back within a life")                      \
    X(L4, WATERMARK_AHEAD, RISKS, "the high watermark passed what counts")                         \
    X(L5, EARLY_ACK, RISKS, "acks=all was answered before the high watermark")                     \
    X(L6, EARLY_SERVE, RISKS, "bytes above the high watermark were served")                        \
    X(L7, START_BACK, RULE, "the log start offset went back")                                      \
    X(L8, YOUNG_DELETED, LOSES, "a segment younger than its retention was deleted")                \
    X(L9, ACK_AFTER_FAILED_SYNC, RISKS, "an acknowledgement followed a failed sync")               \
    X(L10, LOST_TOPIC, LOSES, "an acknowledged topic is gone")                                     \
    X(L11, PRODUCER_ID_TWICE, CORRUPTS, "a producer id was given out twice")                       \
    X(L12, UNEXPECTED_CLOSE, RULE, "a broker refused a well-formed connection")                    \
    X(L13, DUPLICATE_REFUSED, REPEATS,                                                             \
      "one of a producer's last five batches was refused as out of order")                         \
    X(L14, UNHARMED_CORRUPT, CORRUPTS,                                                             \
      "a log was called corrupt on a disk that nobody had damaged")                                \
    X(L15, TOPIC_RETURNED, CORRUPTS, "a topic that was deleted is there again")                    \
    X(L16, OTHER_TOPIC, CORRUPTS, "records of a topic stand in another one of its name")           \
    X(L17, REBUILT_IN_VAIN, RULE, "what a clean end had left had to be made anew")                 \
    X(L18, LEFT_UNSOUND, RULE, "a clean end left files that are not sound")                        \
    X(L19, TOO_MUCH_DELETED, LOSES, "less was left by size than its topic keeps")

enum check_code {
#define X(code, name, gravity, text) CHECK_##name,
    CHECK_TABLE(X)
#undef X
        CHECK_CODE_COUNT
};

struct check_info {
    const char *code; /* "A3" */
    const char *name; /* "LOST_WRITE" */
    enum check_gravity gravity;
    const char *text;
};

extern const struct check_info check_infos[CHECK_CODE_COUNT];

/* What the run promised. */
struct check_contract {
    bool durable_acks;    /* flush.policy = ack */
    bool hostile_clients; /* refused connections are no finding */
    int32_t voter_count;  /* of the metadata quorum; 0: each node is its own */
    int64_t retention_ms; /* of the topics; -1: nothing may be deleted by time */
    int64_t wall_base_ms; /* true wall time at virtual time 0 */
    /* The service level: a send is answered with success within send_ns, a reader that waits is
     * given a record within read_ns of its acknowledgement, either not before recovery_ns after the
     * last harm. send_ns, read_ns 0: it is not judged. */
    int64_t send_ns, read_ns, recovery_ns;
};

#define CHECK_NO_NODE UINT32_MAX
#define CHECK_NO_OFFSET UINT64_MAX

/* The first row that showed it, and how often it was shown. */
struct check_finding {
    uint64_t count, allowed_count; /* allowed: within the contract */
    struct trace_row row;          /* its node is CHECK_NO_NODE where only the end showed it */
    uint64_t partition, vid;       /* 0: it is about none */
    uint64_t offset;               /* or CHECK_NO_OFFSET */
    struct errmsg msg;
};

struct check_counts {
    uint64_t sent, acked, failed, unknown;
    uint64_t read, final_reads;
    uint64_t lost_allowed; /* acknowledged records that the contract allowed to lose */
    uint64_t twice_allowed;
    uint64_t recovered; /* unknown, but visible */
    uint64_t topics_acked, producer_ids;
    uint64_t elections; /* of the metadata quorum of several voters */
    uint64_t committed; /* offsets of its log */
    uint64_t images_compared, images_replayed;
};

enum check_time {
    CHECK_TIME_SEND, /* from a record's send to its success */
    CHECK_TIME_SYNC, /* a round of syncs of a server */
    CHECK_TIME_COUNT,
};

struct check;
struct check_rule;

/* The rules that look at rows, for who lists them. */
int check_rule_count(void);
const struct check_rule *check_rule_at(int index);

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
/* In ns: so many percent of them took no longer, rounded up by 1/16 at most. -1: there was none. */
int64_t check_took(const struct check *check, enum check_time what, int percent);
const struct check_counts *check_counts(const struct check *check);
/* A disk was given bytes that nobody wrote, or lost what it had. */
bool check_disk_damaged(const struct check *check);
/* ERR_NOMEM: the verdict is inconclusive. */
enum err check_status(const struct check *check);

#endif
