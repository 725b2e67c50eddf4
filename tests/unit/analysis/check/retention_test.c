/* retention_test.c - what goes by size: L19. */
#include "run.h"

#define BY_SIZE 2
#define KEPT 1000

/* Three segments of 600 bytes, in a topic that keeps so many. */
static void begin_log(struct run *r, int64_t kept)
{
    durable(r);
    SAY(r, BROKER, TOPIC_SETTINGS, .topic = 5, .partitions = 1, .durable = 1, .retention_ms = -1,
        .retention_bytes = kept, .topic_id = 11);
    SAY(r, BROKER, LOG_OPEN, .partition = P, .topic_id = 11);
    for (uint64_t i = 0; i < 3; i++) {
        SAY(r, BROKER, LOG_ROLL, .partition = P, .base = i * 10, .topic_id = 11);
        SAY(r, BROKER, LOG_APPEND, .partition = P, .first = i * 10, .last = i * 10 + 9,
            .producer_id = -1, .bytes = 600, .topic_id = 11);
    }
    SAY(r, BROKER, LOG_WRITTEN, .partition = P, .end = 30, .topic_id = 11);
    SAY(r, BROKER, LOG_DURABLE, .partition = P, .end = 30, .topic_id = 11);
    SAY(r, BROKER, HIGH_WATERMARK, .partition = P, .offset = 30, .topic_id = 11);
}

static void start_at(struct run *r, uint64_t start, int64_t reason)
{
    SAY(r, BROKER, LOG_START, .partition = P, .start = start, .reason = reason, .topic_id = 11);
}

TEST(one_segment_too_many_goes_by_size)
{
    struct run r;
    begin_log(&r, KEPT);
    start_at(&r, 20, BY_SIZE);
    expect_only(&r, CHECK_TOO_MUCH_DELETED);
}

TEST(as_many_segments_go_by_size_as_may)
{
    struct run r;
    begin_log(&r, KEPT);
    start_at(&r, 10, BY_SIZE);
    expect_only(&r, CHECK_CODE_COUNT);
}

/* What somebody has asked for may leave nothing. */
TEST(records_that_are_deleted_have_no_size_to_keep)
{
    struct run r;
    begin_log(&r, KEPT);
    start_at(&r, 20, 3);
    expect_only(&r, CHECK_CODE_COUNT);
}
