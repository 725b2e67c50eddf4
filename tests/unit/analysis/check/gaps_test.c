/* gaps_test.c - histories about which the checks of one broker's log were wrong: each breaks the
 * contract and was no finding, or keeps it and was one. */
#include <stdio.h>
#include "check/check.h"
#include "support/test.h"

#define P 77u
#define VID(session, sequence) ((uint64_t)(session) << CHECK_SEQUENCE_BITS | (sequence))
#define ALL (CHECK_ACKS_ALL | CHECK_IDEMPOTENT)
#define HOUR_NS (3600ll * 1000000000)
#define EMPTY_POLLS 9000

enum { LEADER = 0, FOLLOWER = 1, READER = 3, OTHER = 4, STRANGER = 7, PRODUCER = 9 };

struct run {
    struct test_mem mem;
    struct check *check;
    int64_t now_ns;
    char found[512];
};

static void begin_history(struct run *r, int64_t retention_ms)
{
    struct check_contract contract = {.durable_acks = true, .retention_ms = retention_ms};
    *r = (struct run){.now_ns = 0};
    test_mem_init(&r->mem);
    assert_ok(check_new(&r->check, &r->mem.mem, &contract));
}

static void say(struct run *r, uint32_t node, enum trace_kind kind, const void *columns)
{
    struct trace_whole whole;
    trace_make(&whole, kind, columns, NULL);
    whole.row.time_ns = r->now_ns += 1000000;
    whole.row.node = node;
    check_row(r->check, &whole.row);
}

#define SAY(r, node, kind, ...)                                                                    \
    say(r, node, TRACE_##kind, &(const struct trace_##kind){__VA_ARGS__})

/* A leader's log of count records, written, durable and shown. */
static void log_of(struct run *r, uint64_t count)
{
    SAY(r, LEADER, LOG_OPEN, P, 0, 0, 0, 1);
    SAY(r, LEADER, LOG_APPEND, P, 0, count - 1, 1, 1, 0, 1);
    SAY(r, LEADER, LOG_WRITTEN, P, count);
    SAY(r, LEADER, LOG_DURABLE, P, count);
    SAY(r, LEADER, HIGH_WATERMARK, P, count);
}

static void send_record(struct run *r, uint64_t sequence, uint64_t flags)
{
    SAY(r, PRODUCER, PRODUCE_INVOKE, P, VID(1, sequence), 0, 1, flags);
}

static void acknowledge(struct run *r, uint64_t vid, uint64_t offset)
{
    SAY(r, PRODUCER, PRODUCE_OK, P, vid, offset, 0);
}

static void read_all(struct run *r, const uint64_t *vids, uint64_t count)
{
    SAY(r, READER, ASSIGN, P, 0, 0);
    for (uint64_t i = 0; i < count; i++)
        SAY(r, READER, POLL_RECORD, i + 1, P, i, vids[i], 0, 1, 0);
    SAY(r, READER, FINAL_READ, P, 0, count);
}

/* "A5 x1, A3 allowed x1", or "nothing". Ends the history. */
static const char *found_in(struct run *r)
{
    size_t at = 0;
    check_end(r->check);
    for (int i = 0; i < CHECK_CODE_COUNT; i++) {
        const struct check_finding *f = check_finding(r->check, (enum check_code)i);
        uint64_t counts[] = {f->count, f->allowed_count};
        for (int k = 0; k < 2; k++) {
            if (counts[k] > 0)
                at += (size_t)snprintf(r->found + at, sizeof r->found - at, "%s%s%s x%d",
                                       at == 0 ? "" : ", ", check_infos[i].code,
                                       k == 1 ? " allowed" : "", (int)counts[k]);
        }
    }
    if (at == 0)
        snprintf(r->found, sizeof r->found, "nothing");
    return r->found;
}

static void expect_found(struct run *r, const char *what)
{
    assert_string_equal(found_in(r), what);
    check_free(r->check);
    test_mem_done(&r->mem);
}

TEST(a_duplicate_that_nobody_reads)
{
    struct run r;
    begin_history(&r, -1);
    SAY(&r, LEADER, LOG_OPEN, P, 0, 0, 0, 1);
    for (uint64_t i = 0; i < 2; i++)
        SAY(&r, LEADER, LOG_APPEND, P, i, i, 123, 5000, 7, 10); /* the same sequence and bytes */
    SAY(&r, LEADER, LOG_WRITTEN, P, 2);
    SAY(&r, LEADER, LOG_DURABLE, P, 2);
    SAY(&r, LEADER, HIGH_WATERMARK, P, 2);
    send_record(&r, 0, ALL);
    acknowledge(&r, VID(1, 0), 0);
    read_all(&r, (const uint64_t[]){VID(1, 0)}, 1);
    expect_found(&r, "F2 x1");
}

TEST(an_empty_follower_beside_a_healthy_leader)
{
    struct run r;
    begin_history(&r, -1);
    send_record(&r, 0, ALL);
    log_of(&r, 1);
    acknowledge(&r, VID(1, 0), 0);
    SAY(&r, FOLLOWER, LOG_OPEN, P, 0, 0, 0, 1);
    read_all(&r, (const uint64_t[]){VID(1, 0)}, 1);
    expect_found(&r, "nothing");
}

TEST(two_leaders_in_one_epoch)
{
    struct run r;
    begin_history(&r, -1);
    send_record(&r, 0, ALL);
    for (uint32_t node = LEADER; node <= FOLLOWER; node++) {
        SAY(&r, node, LOG_OPEN, P, 0, 0, 0, 1);
        SAY(&r, node, LEADER_ON, P, 5, 0);
    }
    SAY(&r, LEADER, LOG_APPEND, P, 0, 0, 1, 1, 0, 1);
    SAY(&r, LEADER, LOG_WRITTEN, P, 1);
    SAY(&r, LEADER, LOG_DURABLE, P, 1);
    SAY(&r, LEADER, HIGH_WATERMARK, P, 1);
    acknowledge(&r, VID(1, 0), 0);
    read_all(&r, (const uint64_t[]){VID(1, 0)}, 1);
    expect_found(&r, "D1 x1");
}

static void two_acknowledged(struct run *r)
{
    begin_history(r, -1);
    send_record(r, 0, ALL);
    send_record(r, 1, ALL);
    log_of(r, 2);
    acknowledge(r, VID(1, 0), 0);
    acknowledge(r, VID(1, 1), 1);
}

TEST(a_latest_offset_before_what_was_acknowledged)
{
    struct run r;
    two_acknowledged(&r);
    SAY(&r, OTHER, OFFSETS_INVOKE, 1, P, (uint64_t)-1);
    SAY(&r, OTHER, OFFSETS_OK, 1, P, 0);
    read_all(&r, (const uint64_t[]){VID(1, 0), VID(1, 1)}, 2);
    expect_found(&r, "A19 x1");
}

TEST(an_offset_by_time_that_never_was)
{
    struct run r;
    two_acknowledged(&r);
    SAY(&r, OTHER, OFFSETS_INVOKE, 1, P, 100);
    SAY(&r, OTHER, OFFSETS_OK, 1, P, 999);
    read_all(&r, (const uint64_t[]){VID(1, 0), VID(1, 1)}, 2);
    expect_found(&r, "A24 x1");
}

/* Another node's loss of power does not excuse what this one lost. */
TEST(a_loss_that_another_nodes_power_excuses)
{
    struct run r;
    begin_history(&r, -1);
    send_record(&r, 0, CHECK_ACKS_ONE);
    log_of(&r, 1);
    acknowledge(&r, VID(1, 0), 0);
    r.now_ns += HOUR_NS;
    SAY(&r, STRANGER, POWER_LOSS, 1);
    SAY(&r, READER, ASSIGN, P, 1, 0);
    SAY(&r, READER, FINAL_READ, P, 0, 1);
    expect_found(&r, "A3 x1");
}

TEST(a_consumer_that_is_never_given_what_is_there)
{
    struct run r;
    two_acknowledged(&r);
    SAY(&r, OTHER, ASSIGN, P, 0, 0);
    for (uint64_t i = 0; i < EMPTY_POLLS; i++) {
        SAY(&r, OTHER, POLL_INVOKE, i);
        SAY(&r, OTHER, POLL_OK, i, 0);
    }
    read_all(&r, (const uint64_t[]){VID(1, 0), VID(1, 1)}, 2);
    expect_found(&r, "A30 x1");
}

static void settings(struct run *r, uint64_t topic, int64_t retention_ms)
{
    SAY(r, LEADER, TOPIC_SETTINGS, .topic = topic, .partitions = 1, .durable = 1,
        .retention_ms = retention_ms, .retention_bytes = -1, .min_insync = 1, .topic_id = topic);
}

/* The other topic's retention is three seconds, this one's is a day. */
TEST(a_deletion_that_another_topics_retention_excuses)
{
    struct run r;
    begin_history(&r, -1);
    settings(&r, 11, 3000);
    settings(&r, 12, 86400000);
    for (uint64_t topic = 11; topic <= 12; topic++)
        SAY(&r, LEADER, LOG_OPEN, .partition = P, .topic_id = topic);
    r.now_ns += 10ll * 1000000000;
    for (uint64_t topic = 11; topic <= 12; topic++)
        SAY(&r, LEADER, LOG_START, .partition = P, .reason = 1, .max_timestamp = 5000,
            .topic_id = topic);
    expect_found(&r, "L8 x1");
}

TEST(a_keyless_record_before_the_one_that_was_acknowledged_first)
{
    struct run r;
    begin_history(&r, -1);
    for (uint64_t i = 0; i < 2; i++)
        SAY(&r, PRODUCER, PRODUCE_INVOKE, 0, VID(1, i), 0, 1, CHECK_ACKS_ALL);
    log_of(&r, 2);
    acknowledge(&r, VID(1, 0), 1);
    SAY(&r, PRODUCER, PRODUCE_INVOKE, 0, VID(2, 0), 0, 1, CHECK_ACKS_ALL);
    acknowledge(&r, VID(2, 0), 0);
    SAY(&r, PRODUCER, PRODUCE_FAIL, P, VID(1, 1), 1);
    read_all(&r, (const uint64_t[]){VID(2, 0), VID(1, 0)}, 2);
    expect_found(&r, "A18 x1");
}
