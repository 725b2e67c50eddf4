/* internal.h - what the files of this folder share: the check's state, and how a finding is noted.
 */
#ifndef KILN_CHECK_INTERNAL_H
#define KILN_CHECK_INTERNAL_H

#include "check/check.h"
#include "check/tables.h"

/* One replica's log as its broker tells of it, in its present life. */
struct replica {
    struct hmap_node node;
    uint64_t key[2]; /* node, the part's index */
    struct part *part;
    uint64_t start, end, written, durable, watermark;
    int64_t opened_ns;    /* this life's log, or the last one's */
    uint16_t incarnation; /* of that life */
};

/* One node. */
struct host {
    struct hmap_node node;
    uint64_t id;
    bool dir_offline;
};

#define SENDER_WINDOW 5

struct sender_batch {
    uint64_t last; /* offset */
    uint32_t crc;
};

/* The last batches of a producer in one replica's log, oldest first. */
struct sender {
    struct hmap_node node;
    uint64_t key[3]; /* node, the part's index, producer id */
    struct sender_batch batches[SENDER_WINDOW];
    uint32_t count;
};

struct check {
    struct mem *mem;
    struct check_contract contract;
    struct check_finding findings[CHECK_CODE_COUNT];
    struct check_counts counts;
    struct tables tables;
    struct hmap replicas, senders, hosts;
    int64_t power_loss_ns; /* of the latest; -1: none */
    bool topics_listed, ended;
    bool damaged; /* a disk was given bytes that nobody wrote, or lost what it had */
    enum err error;
};

/* What a finding is about; 0 where it does not apply. */
struct about {
    uint64_t partition, offset, vid;
};

/* Notes a violation, or, when it is allowed, that it happened. */
void check_note(struct check *c, enum check_code code, const struct trace_row *row,
                struct about about, bool allowed, const char *format, ...) PRINTF_LIKE(6, 7);

/* Of a row whose kind has such columns; topic_id 0: it says none. */
uint64_t check_partition_of(const struct trace_row *row);
uint64_t check_topic_id_of(const struct trace_row *row);
/* The part that a row is about; NULL: memory is out. */
struct part *check_part_of(struct check *c, const struct trace_row *row);
void check_client_row(struct check *c, const struct trace_row *row);
void check_broker_row(struct check *c, const struct trace_row *row);
#define NOTHING UINT64_MAX
/* The log ends there now: what stood above it is gone. power_from: from there on a loss of power
 * may have taken it, for it was not durable; or NOTHING. */
void check_cut_records(struct check *c, const struct trace_row *row, struct part *part,
                       uint64_t end, uint64_t power_from);
/* senders.c */
void check_sender_append(struct check *c, const struct trace_row *row, const struct replica *r);
void check_sender_cut(struct check *c, const struct replica *r); /* the log ends at r->end now */
void check_sender_nack(struct check *c, const struct trace_row *row, const struct replica *r);
void check_judge_records(struct check *c);
/* topics.c */
void check_topic_row(struct check *c, const struct trace_row *row);
/* The log was opened: may its topic be there, and with what it holds? */
void check_topic_open(struct check *c, const struct trace_row *row, struct part *part);
void check_judge_topics(struct check *c);

#endif
