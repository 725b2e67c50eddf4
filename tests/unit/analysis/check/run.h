/* run.h - a run of three nodes, row by row, as the checks are told of it. */
#ifndef KILN_TEST_CHECK_RUN_H
#define KILN_TEST_CHECK_RUN_H

#include "check/check.h"
#include "support/test.h"

#define P 0x1000u
#define VID(session, sequence) ((uint64_t)(session) << CHECK_SEQUENCE_BITS | (sequence))
#define BODY 7u
#define ALL (CHECK_ACKS_ALL | CHECK_IDEMPOTENT)

enum { BROKER = 0, PRODUCER = 1, READER = 2 };

struct run {
    struct test_mem mem;
    struct check *check;
    int64_t now_ns;
    uint16_t incarnation;
    int64_t epoch;
};

static inline void begin(struct run *r, struct check_contract contract)
{
    test_mem_init(&r->mem);
    r->now_ns = 1000000000;
    r->incarnation = 0;
    r->epoch = 0;
    assert_ok(check_new(&r->check, &r->mem.mem, &contract));
}

static inline void durable(struct run *r)
{
    begin(r, (struct check_contract){.durable_acks = true, .retention_ms = -1});
}

static inline void say(struct run *r, uint32_t node, enum trace_kind kind, const void *columns,
                       const char *text)
{
    struct trace_whole whole;
    trace_make(&whole, kind, columns, text);
    whole.row.time_ns = r->now_ns++;
    whole.row.node = node;
    whole.row.incarnation = r->incarnation;
    check_row(r->check, &whole.row);
}

#define SAY(r, node, kind, ...)                                                                    \
    say(r, node, TRACE_##kind, &(const struct trace_##kind){__VA_ARGS__}, NULL)

static inline void end(struct run *r)
{
    check_end(r->check);
}

static inline uint64_t count(const struct run *r, enum check_code code)
{
    return check_finding(r->check, code)->count;
}

/* Nothing but that code broke the contract; CHECK_CODE_COUNT: nothing at all did. */
static inline void expect_only(struct run *r, enum check_code code)
{
    end(r);
    for (int i = 0; i < CHECK_CODE_COUNT; i++) {
        const struct check_finding *f = check_finding(r->check, (enum check_code)i);
        if ((f->count > 0) != (i == (int)code))
            fail_msg("%s: %lu findings: %s", check_infos[i].name, (unsigned long)f->count,
                     f->msg.text);
    }
    check_free(r->check);
    test_mem_done(&r->mem);
}

static inline void send_record(struct run *r, uint64_t vid, uint64_t flags)
{
    SAY(r, PRODUCER, PRODUCE_INVOKE, P, vid, 1, BODY, flags);
}

static inline void ack(struct run *r, uint64_t vid, uint64_t offset)
{
    SAY(r, PRODUCER, PRODUCE_OK, P, vid, offset, 0);
}

static inline void read_record(struct run *r, uint64_t op, uint64_t offset, uint64_t vid)
{
    SAY(r, READER, POLL_RECORD, op, P, offset, vid, 1, BODY, 0);
}

static inline void final(struct run *r, uint64_t to)
{
    SAY(r, READER, FINAL_READ, P, 0, to);
}

/* count records of session 1 are sent and acknowledged, read and read to the end. */
static inline void good_history(struct run *r, uint64_t records)
{
    for (uint64_t i = 0; i < records; i++) {
        send_record(r, VID(1, i), ALL);
        ack(r, VID(1, i), i);
    }
    SAY(r, READER, ASSIGN, P, 0, 0);
    for (uint64_t i = 0; i < records; i++)
        read_record(r, 1, i, VID(1, i));
}

static inline void open_log(struct run *r, uint64_t start, uint64_t to)
{
    SAY(r, BROKER, LOG_OPEN, P, start, to, 0, 1);
    SAY(r, BROKER, LEADER_ON, P, r->epoch++, to);
}

static inline void append(struct run *r, uint64_t first, uint64_t last)
{
    SAY(r, BROKER, LOG_APPEND, P, first, last, 0, -1, -1, 100);
}

static inline void store(struct run *r, uint64_t first, uint64_t last)
{
    append(r, first, last);
    SAY(r, BROKER, LOG_WRITTEN, P, last + 1);
    SAY(r, BROKER, LOG_DURABLE, P, last + 1);
    SAY(r, BROKER, HIGH_WATERMARK, P, last + 1);
}

#endif
