/* consumer_test.c - positions, fetches and polls: what is handed out, and what is said of the rest.
 */
#include <stdio.h>
#include <stdlib.h>
#include "rig.h"

#define POLL_MAX 16

struct reader {
    struct rig rig;
    struct client_assignment a;
    struct client_poll poll;
    struct client_fetched records[POLL_MAX];
};

static void poll_start(struct reader *d)
{
    d->poll = (struct client_poll){.records = d->records, .record_max = POLL_MAX, .wait_ms = 100};
    rig_submit(&d->rig, CLIENT_POLL, &d->poll.op);
}

static void assign(struct reader *d, enum client_start start, int64_t at)
{
    d->a.topic = "t";
    d->a.partition = 0;
    d->a.start = start;
    d->a.start_at = at;
    rig_step(&d->rig, (struct client_event){.kind = CLIENT_EV_ASSIGN, .assignment = &d->a});
}

/* Takes the notice that the position is known. */
static void expect_notice(struct reader *d, enum client_notice notice, int64_t to)
{
    poll_start(d);
    assert_false(d->poll.op.in_flight);
    assert_int_equal(d->poll.notice, notice);
    assert_int_equal(d->poll.notice_to, to);
    assert_ptr_equal(d->poll.notice_assignment, &d->a);
}

/* Reads t/0 from offset 0, up to the first fetch in flight. */
static void reader_init(struct reader *d, const char *key, const char *value)
{
    d->a = (struct client_assignment){0};
    rig_init(&d->rig, key, value, NULL);
    assign(d, CLIENT_START_OFFSET, 0);
    rig_cluster(&d->rig, "t", 1);
    expect_notice(d, CLIENT_NOTICE_STARTED, 0);
    rig_up(&d->rig, 0, CLIENT_LANE_FETCH);
    assert_int_equal(rig_count(&d->rig, 1), 1);
}

/* A batch of count records "0", "1" ... at base; its size. */
static size_t make_batch(uint8_t *data, size_t cap, int64_t base, int32_t count, int16_t attributes)
{
    struct wire_builder b;
    wire_builder_init(&b, data, cap);
    for (int32_t i = 0; i < count; i++) {
        char value[16];
        snprintf(value, sizeof value, "%lld", (long long)(base + i));
        struct wire_bytes v = {.data = (const uint8_t *)value, .size = (int32_t)strlen(value)};
        assert_ok(wire_builder_add(&b, 1000 + base + i, WIRE_NULL_BYTES, v, NULL, 0));
    }
    struct wire_builder_head head = {.base_offset = base,
                                     .attributes = attributes,
                                     .producer_id = -1,
                                     .producer_epoch = -1,
                                     .base_sequence = -1};
    wire_builder_finish(&b, &head);
    return b.size;
}

static void fetched(struct reader *d, int16_t code, struct bytes records, int64_t high_watermark)
{
    struct client_request *request = rig_take(&d->rig, 1);
    assert_non_null(request);
    struct wire_fetch_response_partition part = {
        .error_code = code,
        .high_watermark = high_watermark,
        .last_stable_offset = high_watermark,
        .diverging_epoch = {-1, -1},
        .current_leader = {-1, -1},
        .snapshot_id = {-1, -1},
        .preferred_read_replica = -1,
        .records = {.data = records.data, .size = (int32_t)records.size}};
    struct wire_fetch_response_topic topic = {
        .topic = wire_text("t"), .partitions_count = 1, .partitions = &part};
    struct wire_fetch_response answer;
    wire_defaults(&wire_fetch_response_message, &answer);
    answer.responses_count = 1;
    answer.responses = &topic;
    rig_answer(&d->rig, request, &answer);
}

static struct wire_fetch_request_partition fetch_asked(struct reader *d)
{
    struct wire_fetch_request in;
    struct client_request *request = NULL;
    LIST_EACH (q, &d->rig.requests, struct client_request, link)
        request = q->api_key == 1 ? q : request;
    assert_non_null(request);
    rig_read(&d->rig, request, &in);
    return in.topics[0].partitions[0];
}

static int64_t fetch_offset(struct reader *d)
{
    return fetch_asked(d).fetch_offset;
}

static void expect_records(struct reader *d, int64_t first, int count)
{
    assert_false(d->poll.op.in_flight);
    assert_int_equal(d->poll.record_count, count);
    for (int i = 0; i < count; i++) {
        char value[16];
        snprintf(value, sizeof value, "%lld", (long long)(first + i));
        assert_int_equal(d->records[i].offset, first + i);
        assert_int_equal(d->records[i].timestamp_ms, 1000 + first + i);
        assert_true(bytes_equal(d->records[i].value, bytes_text(value)));
        assert_null(d->records[i].key.data);
    }
}

static void done(struct reader *d)
{
    rig_step(&d->rig, (struct client_event){.kind = CLIENT_EV_UNASSIGN, .assignment = &d->a});
    rig_done(&d->rig);
}

static void offsets_answer(struct reader *d, int64_t timestamp, int16_t code, int64_t offset)
{
    struct wire_list_offsets_request in;
    if (rig_wanted(&d->rig, 0, CLIENT_LANE_MAIN))
        rig_up(&d->rig, 0, CLIENT_LANE_MAIN);
    struct client_request *request = rig_take(&d->rig, 2);
    assert_non_null(request);
    rig_read(&d->rig, request, &in);
    assert_int_equal(in.topics[0].partitions[0].timestamp, timestamp);
    struct wire_list_offsets_response_partition part = {
        .error_code = code, .timestamp = -1, .offset = offset, .leader_epoch = 0};
    struct wire_list_offsets_response_topic topic = {
        .name = wire_text("t"), .partitions_count = 1, .partitions = &part};
    struct wire_list_offsets_response answer = {.topics_count = 1, .topics = &topic};
    rig_answer(&d->rig, request, &answer);
}

TEST(records_come_in_order_over_batches_and_polls)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    size_t size = make_batch(data, sizeof data, 0, 20, 0);
    size += make_batch(data + size, sizeof data - size, 20, 5, 0);
    poll_start(&d);
    assert_true(d.poll.op.in_flight);
    fetched(&d, 0, bytes_of(data, size), 25);
    expect_records(&d, 0, 16);
    assert_int_equal(d.a.position, 16);
    assert_int_equal(d.a.high_watermark, 25);
    poll_start(&d);
    expect_records(&d, 16, 9);
    assert_int_equal(client_consumer_queued(d.rig.client), 0);
    done(&d);
}

TEST(a_poll_without_records_ends_after_its_wait)
{
    struct reader d;
    reader_init(&d, "client.id", "x");
    poll_start(&d);
    rig_pass(&d.rig, 99);
    assert_true(d.poll.op.in_flight);
    rig_pass(&d.rig, 1);
    assert_false(d.poll.op.in_flight);
    assert_int_equal(d.poll.op.outcome, CLIENT_OK);
    assert_int_equal(d.poll.record_count, 0);
    done(&d);
}

TEST(a_batch_cut_off_at_the_end_of_a_fetch_is_fetched_again)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    size_t size = make_batch(data, sizeof data, 0, 3, 0);
    size_t more = make_batch(data + size, sizeof data - size, 3, 3, 0);
    fetched(&d, 0, bytes_of(data, size + more - 1), 6);
    assert_int_equal(fetch_offset(&d), 3);
    poll_start(&d);
    expect_records(&d, 0, 3);
    done(&d);
}

TEST(a_fetch_from_inside_of_a_batch_hands_out_only_what_was_asked_for)
{
    struct reader d = {0};
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    assign(&d, CLIENT_START_OFFSET, 5);
    expect_notice(&d, CLIENT_NOTICE_STARTED, 5);
    struct client_request *stale = rig_take(&d.rig, 1);
    rig_lose(&d.rig, stale, true);
    assert_int_equal(fetch_offset(&d), 5);
    size_t size = make_batch(data, sizeof data, 0, 10, 0);
    fetched(&d, 0, bytes_of(data, size), 10);
    poll_start(&d);
    expect_records(&d, 5, 5);
    done(&d);
}

/* KAFKA-8429: a seek while a fetch is under way. */
TEST(an_answer_to_a_question_from_before_a_seek_is_dropped)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    assign(&d, CLIENT_START_OFFSET, 100);
    expect_notice(&d, CLIENT_NOTICE_STARTED, 100);
    size_t size = make_batch(data, sizeof data, 0, 10, 0);
    fetched(&d, 0, bytes_of(data, size), 10);
    poll_start(&d);
    assert_true(d.poll.op.in_flight);
    assert_int_equal(d.a.position, 100);
    assert_int_equal(fetch_offset(&d), 100);
    done(&d);
}

TEST(control_batches_move_the_position_and_are_not_handed_out)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    size_t size = make_batch(data, sizeof data, 0, 1, WIRE_BATCH_CONTROL);
    fetched(&d, 0, bytes_of(data, size), 1);
    poll_start(&d);
    assert_true(d.poll.op.in_flight);
    assert_int_equal(d.a.position, 1);
    done(&d);
}

TEST(a_batch_with_a_wrong_crc_stops_reading_and_says_where)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    size_t size = make_batch(data, sizeof data, 0, 3, 0);
    size_t more = make_batch(data + size, sizeof data - size, 3, 3, 0);
    data[size + more - 1] ^= 1;
    fetched(&d, 0, bytes_of(data, size + more), 6);
    poll_start(&d);
    expect_records(&d, 0, 3);
    poll_start(&d);
    assert_int_equal(d.poll.notice, CLIENT_NOTICE_CORRUPT);
    assert_int_equal(d.poll.notice_from, 3);
    assert_int_equal(rig_count(&d.rig, 1), 0);
    done(&d);
}

/* The same batch under a codec. */
static size_t compress_batch(uint8_t *data, size_t size, size_t cap, enum wire_codec codec)
{
    struct wire_builder b = {.data = data, .cap = size, .size = size};
    struct mem mem;
    uint8_t *room = malloc(cap);
    mem_system(&mem);
    assert_ok(wire_builder_compress(&b, &mem, codec, wire_codec_level_default(codec), room, cap));
    memcpy(data, room, b.size);
    free(room);
    return b.size;
}

TEST(compressed_batches_are_read_whatever_their_codec)
{
    struct reader d;
    uint8_t data[65536];
    size_t size = 0;
    reader_init(&d, "client.id", "x");
    for (int i = 0; i < WIRE_CODEC_COUNT; i++) {
        size_t one = make_batch(data + size, 4096, 3 * i, 3, 0);
        size += i == 0 ? one : compress_batch(data + size, one, 32768, i);
    }
    fetched(&d, 0, bytes_of(data, size), 3 * WIRE_CODEC_COUNT);
    poll_start(&d);
    expect_records(&d, 0, 3 * WIRE_CODEC_COUNT);
    done(&d);
}

TEST(a_batch_that_cannot_be_decompressed_stops_reading_and_says_where)
{
    for (int codec = WIRE_CODEC_GZIP; codec < WIRE_CODEC_COUNT; codec++) {
        struct reader d;
        uint8_t data[65536];
        reader_init(&d, "client.id", "x");
        size_t size = make_batch(data, sizeof data, 0, 3, 0);
        size_t more = make_batch(data + size, 4096, 3, 3, 0);
        more = compress_batch(data + size, more, 32768, codec) - 6;
        put_u32(data + size + 8, (uint32_t)more - WIRE_BATCH_PREFIX);
        put_u32(data + size + 17, crc32c(0, data + size + 21, more - 21));
        fetched(&d, 0, bytes_of(data, size + more), 6);
        poll_start(&d);
        expect_records(&d, 0, 3);
        poll_start(&d);
        assert_int_equal(d.poll.notice, CLIENT_NOTICE_CORRUPT);
        assert_int_equal(d.poll.notice_from, 3);
        done(&d);
    }
}

TEST(out_of_range_goes_where_the_policy_says_and_says_so)
{
    struct reader d;
    reader_init(&d, "auto.offset.reset", "earliest");
    fetched(&d, WIRE_ERROR_OFFSET_OUT_OF_RANGE, bytes_of(NULL, 0), -1);
    offsets_answer(&d, CLIENT_TIMESTAMP_EARLIEST, 0, 40);
    expect_notice(&d, CLIENT_NOTICE_RESET, 40);
    assert_int_equal(d.poll.notice_from, 0);
    assert_int_equal(d.a.position, 40);
    assert_int_equal(fetch_offset(&d), 40);
    done(&d);
}

/* Else a leader that has a younger epoch there sends it back out of its range, for ever (KIP-320).
 */
TEST(a_reset_forgets_the_epoch_of_what_was_read_before)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "auto.offset.reset", "earliest");
    size_t size = make_batch(data, sizeof data, 0, 5, 0);
    fetched(&d, 0, bytes_of(data, size), 5);
    poll_start(&d);
    expect_records(&d, 0, 5);
    assert_int_equal(fetch_asked(&d).last_fetched_epoch, 0);
    fetched(&d, WIRE_ERROR_OFFSET_OUT_OF_RANGE, bytes_of(NULL, 0), -1);
    offsets_answer(&d, CLIENT_TIMESTAMP_EARLIEST, 0, 40);
    expect_notice(&d, CLIENT_NOTICE_RESET, 40);
    assert_int_equal(fetch_offset(&d), 40);
    assert_int_equal(fetch_asked(&d).last_fetched_epoch, -1);
    done(&d);
}

TEST(out_of_range_without_a_policy_stops)
{
    struct reader d;
    reader_init(&d, "auto.offset.reset", "none");
    fetched(&d, WIRE_ERROR_OFFSET_OUT_OF_RANGE, bytes_of(NULL, 0), -1);
    poll_start(&d);
    assert_int_equal(d.poll.notice, CLIENT_NOTICE_FAILED);
    assert_int_equal(d.poll.notice_code, WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    rig_pass(&d.rig, 10000);
    assert_int_equal(rig_count(&d.rig, 1), 0);
    done(&d);
}

TEST(what_was_fetched_before_the_range_moved_is_still_handed_out_first)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "auto.offset.reset", "latest");
    size_t size = make_batch(data, sizeof data, 0, 3, 0);
    fetched(&d, 0, bytes_of(data, size), 3);
    fetched(&d, WIRE_ERROR_OFFSET_OUT_OF_RANGE, bytes_of(NULL, 0), -1);
    offsets_answer(&d, CLIENT_TIMESTAMP_LATEST, 0, 90);
    poll_start(&d);
    expect_records(&d, 0, 3);
    expect_notice(&d, CLIENT_NOTICE_RESET, 90);
    done(&d);
}

TEST(a_retriable_error_is_tried_again_after_a_pause)
{
    struct reader d;
    reader_init(&d, "client.id", "x");
    fetched(&d, WIRE_ERROR_KAFKA_STORAGE_ERROR, bytes_of(NULL, 0), -1);
    assert_int_equal(rig_count(&d.rig, 1), 0);
    rig_pass(&d.rig, 200);
    assert_int_equal(rig_count(&d.rig, 1), 1);
    assert_int_equal(fetch_offset(&d), 0);
    done(&d);
}

/* What failed long ago makes nobody wait for longer. */
TEST(a_pause_grows_with_each_failure_until_something_comes)
{
    struct reader d;
    reader_init(&d, "client.id", "x");
    for (int i = 0; i < 5; i++) {
        fetched(&d, WIRE_ERROR_KAFKA_STORAGE_ERROR, bytes_of(NULL, 0), -1);
        rig_pass(&d.rig, 150); /* retry.backoff.ms is 100, and 20 % more or less are drawn */
        assert_int_equal(rig_count(&d.rig, 1), i == 0);
        rig_pass(&d.rig, 1200); /* retry.backoff.max.ms is 1000 */
        assert_int_equal(rig_count(&d.rig, 1), 1);
    }
    fetched(&d, 0, bytes_of(NULL, 0), 0);
    assert_int_equal(rig_count(&d.rig, 1), 1);
    fetched(&d, WIRE_ERROR_KAFKA_STORAGE_ERROR, bytes_of(NULL, 0), -1);
    rig_pass(&d.rig, 150);
    assert_int_equal(rig_count(&d.rig, 1), 1);
    done(&d);
}

TEST(a_lost_connection_is_wanted_again_and_the_fetch_repeated)
{
    struct reader d;
    reader_init(&d, "client.id", "x");
    rig_down(&d.rig, 0, CLIENT_LANE_FETCH);
    rig_pass(&d.rig, 500);
    assert_true(rig_wanted(&d.rig, 0, CLIENT_LANE_FETCH));
    rig_up(&d.rig, 0, CLIENT_LANE_FETCH);
    assert_int_equal(fetch_offset(&d), 0);
    done(&d);
}

TEST(positions_by_time_fall_back_to_the_end)
{
    struct reader d = {0};
    rig_init(&d.rig, NULL);
    assign(&d, CLIENT_START_TIMESTAMP, 5000);
    rig_cluster(&d.rig, "t", 1);
    offsets_answer(&d, 5000, 0, -1);
    offsets_answer(&d, CLIENT_TIMESTAMP_LATEST, 0, 12);
    expect_notice(&d, CLIENT_NOTICE_STARTED, 12);
    done(&d);
}

TEST(back_pressure_stops_fetching_until_records_are_polled)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "max.partition.fetch.bytes", "200");
    int64_t base = 0;
    for (int i = 0; i < 10 && rig_count(&d.rig, 1) > 0; i++) {
        size_t size = make_batch(data, sizeof data, base, 10, 0);
        fetched(&d, 0, bytes_of(data, size), 1000);
        base += 10;
    }
    assert_int_equal(base, 20);
    poll_start(&d);
    poll_start(&d);
    assert_int_equal(rig_count(&d.rig, 1), 1);
    assert_int_equal(fetch_offset(&d), 20);
    done(&d);
}

/* KIP-320, KIP-595: the leader says where its log and ours part. */
TEST(a_truncated_log_is_said_and_read_on_from_where_it_parts)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    size_t size = make_batch(data, sizeof data, 0, 5, 0);
    fetched(&d, 0, bytes_of(data, size), 5);
    poll_start(&d);
    struct wire_fetch_response_partition part = {.high_watermark = 3,
                                                 .diverging_epoch = {0, 3},
                                                 .current_leader = {-1, -1},
                                                 .snapshot_id = {-1, -1},
                                                 .preferred_read_replica = -1,
                                                 .records = WIRE_NULL_BYTES};
    struct wire_fetch_response_topic topic = {
        .topic = wire_text("t"), .partitions_count = 1, .partitions = &part};
    struct wire_fetch_response answer;
    wire_defaults(&wire_fetch_response_message, &answer);
    answer.responses_count = 1;
    answer.responses = &topic;
    rig_answer(&d.rig, rig_take(&d.rig, 1), &answer);
    expect_notice(&d, CLIENT_NOTICE_TRUNCATED, 3);
    assert_int_equal(d.poll.notice_from, 5);
    assert_int_equal(fetch_offset(&d), 3);
    done(&d);
}

TEST(an_unassigned_partition_is_touched_no_more)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    rig_step(&d.rig, (struct client_event){.kind = CLIENT_EV_UNASSIGN, .assignment = &d.a});
    struct client_assignment before = d.a;
    size_t size = make_batch(data, sizeof data, 0, 5, 0);
    fetched(&d, 0, bytes_of(data, size), 5);
    assert_memory_equal(&before, &d.a, sizeof before);
    poll_start(&d);
    rig_pass(&d.rig, 1000);
    assert_int_equal(d.poll.record_count, 0);
    assert_int_equal(rig_count(&d.rig, 1), 0);
    rig_done(&d.rig);
}

TEST(polling_gives_back_the_memory_of_the_poll_before)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    int64_t live_count = 0;
    for (int i = 0; i < 50; i++) {
        size_t size = make_batch(data, sizeof data, i * 3, 3, 0);
        fetched(&d, 0, bytes_of(data, size), 1000);
        poll_start(&d);
        expect_records(&d, i * 3, 3);
        live_count = i == 1 ? d.rig.mem.mem.live_count : live_count;
    }
    assert_int_equal(d.rig.mem.mem.live_count, live_count);
    done(&d);
}

TEST(fetched_records_that_nobody_polled_are_let_go_of)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    size_t size = make_batch(data, sizeof data, 0, 3, 0);
    fetched(&d, 0, bytes_of(data, size), 3);
    assert_int_equal(client_consumer_queued(d.rig.client), size);
    rig_step(&d.rig, (struct client_event){.kind = CLIENT_EV_UNASSIGN, .assignment = &d.a});
    assert_int_equal(client_consumer_queued(d.rig.client), 0);
    rig_done(&d.rig);
}

/* What is queued must not pin buffers that are much larger than what it counts for. */
TEST(a_small_piece_of_a_large_buffer_is_copied_out_of_it)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    size_t size = make_batch(data, sizeof data, 0, 3, 0);
    d.rig.slack = 100000;
    int64_t before = d.rig.own.live_count;
    fetched(&d, 0, bytes_of(data, size), 3);
    assert_int_equal(d.rig.own.live_count, before);
    poll_start(&d);
    expect_records(&d, 0, 3);
    done(&d);
}

TEST(records_that_do_not_parse_behind_a_right_crc_stop_reading)
{
    struct reader d;
    uint8_t data[4096];
    reader_init(&d, "client.id", "x");
    size_t size = make_batch(data, sizeof data, 0, 3, 0);
    data[WIRE_BATCH_HEAD] = 0x7e; /* the length of the first record */
    put_u32(data + 17, crc32c(0, data + 21, size - 21));
    fetched(&d, 0, bytes_of(data, size), 3);
    poll_start(&d);
    assert_int_equal(d.poll.notice, CLIENT_NOTICE_CORRUPT);
    done(&d);
}

TEST(a_position_that_cannot_be_told_yet_is_asked_for_again)
{
    struct reader d = {0};
    rig_init(&d.rig, NULL);
    assign(&d, CLIENT_START_EARLIEST, 0);
    rig_cluster(&d.rig, "t", 1);
    offsets_answer(&d, CLIENT_TIMESTAMP_EARLIEST, WIRE_ERROR_OFFSET_NOT_AVAILABLE, -1);
    rig_pass(&d.rig, 200);
    offsets_answer(&d, CLIENT_TIMESTAMP_EARLIEST, 0, 9);
    expect_notice(&d, CLIENT_NOTICE_STARTED, 9);
    done(&d);
}

/* A broker that cannot tell where its log begins or ends must not be asked without a pause. */
static void nowhere_is_asked_again(enum client_start start, int64_t timestamp)
{
    struct reader d = {0};
    rig_init(&d.rig, NULL);
    assign(&d, start, 0);
    rig_cluster(&d.rig, "t", 1);
    offsets_answer(&d, timestamp, 0, -1);
    assert_int_equal(rig_count(&d.rig, 2), 0);
    rig_pass(&d.rig, 200);
    offsets_answer(&d, timestamp, 0, 9);
    expect_notice(&d, CLIENT_NOTICE_STARTED, 9);
    done(&d);
}

TEST(a_beginning_that_is_nowhere_is_asked_for_again_after_a_pause)
{
    nowhere_is_asked_again(CLIENT_START_EARLIEST, CLIENT_TIMESTAMP_EARLIEST);
}

TEST(an_end_that_is_nowhere_is_asked_for_again_after_a_pause)
{
    nowhere_is_asked_again(CLIENT_START_LATEST, CLIENT_TIMESTAMP_LATEST);
}

TEST(a_topic_that_may_not_be_read_is_said)
{
    struct reader d = {0};
    rig_init(&d.rig, NULL);
    assign(&d, CLIENT_START_EARLIEST, 0);
    rig_up(&d.rig, -1, CLIENT_LANE_MAIN);
    rig_answer_metadata(&d.rig, "t", 0, WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED);
    poll_start(&d);
    assert_int_equal(d.poll.notice, CLIENT_NOTICE_FAILED);
    assert_int_equal(d.poll.notice_code, WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED);
    done(&d);
}

TEST(a_failed_allocation_delays_reading_and_loses_nothing)
{
    bool failed = true;
    for (uint64_t at = 1; failed; at++) {
        struct reader d = {0};
        uint8_t data[4096];
        size_t size = make_batch(data, sizeof data, 0, 3, 0);
        rig_init(&d.rig, NULL);
        d.rig.mem.fail_at = at;
        assign(&d, CLIENT_START_OFFSET, 0);
        for (int i = 0; i < 50 && d.a.position < 3; i++) {
            for (int32_t node = -1; node <= 0; node++) {
                for (int lane = 0; lane < CLIENT_LANE_COUNT; lane++) {
                    if (rig_wanted(&d.rig, node, (enum client_lane)lane))
                        rig_up(&d.rig, node, (enum client_lane)lane);
                }
            }
            if (rig_count(&d.rig, 3) > 0)
                rig_answer_metadata(&d.rig, "t", 1, 0);
            if (rig_count(&d.rig, 1) > 0 && fetch_offset(&d) == 0)
                fetched(&d, 0, bytes_of(data, size), 3);
            if (!d.poll.op.in_flight)
                poll_start(&d);
            rig_pass(&d.rig, 300);
        }
        failed = d.rig.mem.failed > 0;
        assert_int_equal(d.a.position, 3);
        done(&d);
    }
}

/* ---- two partitions of one broker ---- */

struct pair {
    struct rig rig;
    struct client_assignment a[2];
    struct client_fetched records[POLL_MAX];
};

/* A poll that does not wait; how many records it brought. */
static int take(struct pair *d)
{
    struct client_poll poll = {.records = d->records, .record_max = POLL_MAX, .wait_ms = 0};
    rig_submit(&d->rig, CLIENT_POLL, &poll.op);
    assert_false(poll.op.in_flight);
    return (int)poll.record_count;
}

/* Reads t/0 and t/1 up to the fetch of both; t/0 is full with any batch. */
static void pair_init(struct pair *d, const char *partition_bytes_max)
{
    rig_init(&d->rig, "max.partition.fetch.bytes", partition_bytes_max, NULL);
    for (int i = 0; i < 2; i++) {
        d->a[i] = (struct client_assignment){
            .topic = "t", .partition = i, .start = CLIENT_START_OFFSET, .start_at = 0};
        rig_step(&d->rig, (struct client_event){.kind = CLIENT_EV_ASSIGN, .assignment = &d->a[i]});
    }
    rig_cluster(&d->rig, "t", 2);
    assert_int_equal(take(d), 0); /* the notices of the two */
    assert_int_equal(take(d), 0);
    rig_up(&d->rig, 0, CLIENT_LANE_FETCH);
}

static void pair_done(struct pair *d)
{
    for (int i = 0; i < 2; i++)
        rig_step(&d->rig,
                 (struct client_event){.kind = CLIENT_EV_UNASSIGN, .assignment = &d->a[i]});
    rig_done(&d->rig);
}

/* Which partitions the only fetch names, as bits, and how long the broker may wait. */
static uint32_t named(struct pair *d, int32_t *wait_ms)
{
    struct wire_fetch_request in;
    struct client_request *request = NULL;
    uint32_t bits = 0;
    LIST_EACH (q, &d->rig.requests, struct client_request, link)
        request = q->api_key == 1 ? q : request;
    assert_non_null(request);
    rig_read(&d->rig, request, &in);
    for (int32_t i = 0; i < in.topics_count; i++)
        bits |= 1u << in.topics[i].partitions[0].partition;
    *wait_ms = in.max_wait_ms;
    return bits;
}

/* Answers the only fetch: records for t/0, nothing for t/1. */
static void pair_fetched(struct pair *d, struct bytes records)
{
    struct wire_fetch_request in;
    struct client_request *request = rig_take(&d->rig, 1);
    struct wire_fetch_response_partition parts[2];
    struct wire_fetch_response_topic topics[2];
    rig_read(&d->rig, request, &in);
    for (int32_t i = 0; i < in.topics_count; i++) {
        int32_t index = in.topics[i].partitions[0].partition;
        parts[i] = (struct wire_fetch_response_partition){.partition_index = index,
                                                          .high_watermark = 100,
                                                          .last_stable_offset = 100,
                                                          .diverging_epoch = {-1, -1},
                                                          .current_leader = {-1, -1},
                                                          .snapshot_id = {-1, -1},
                                                          .preferred_read_replica = -1};
        if (index == 0)
            parts[i].records =
                (struct wire_bytes){.data = records.data, .size = (int32_t)records.size};
        topics[i] = (struct wire_fetch_response_topic){
            .topic = wire_text("t"), .partitions_count = 1, .partitions = &parts[i]};
    }
    struct wire_fetch_response answer;
    wire_defaults(&wire_fetch_response_message, &answer);
    answer.responses_count = in.topics_count;
    answer.responses = topics;
    rig_answer(&d->rig, request, &answer);
}

/* While the busy one is full the broker may not be made to wait for the idle one: once the
 * application has taken the records, the busy one is asked for at once. */
TEST(an_idle_partition_does_not_hold_up_a_busy_one)
{
    struct pair d;
    uint8_t data[4096];
    int32_t wait_ms;
    pair_init(&d, "1");
    while (named(&d, &wait_ms) != 3)
        pair_fetched(&d, bytes_of(NULL, 0));
    assert_int_equal(wait_ms, 500);
    pair_fetched(&d, bytes_of(data, make_batch(data, sizeof data, 0, 5, 0)));
    assert_int_equal(named(&d, &wait_ms), 2);
    assert_int_equal(wait_ms, 0);
    pair_fetched(&d, bytes_of(NULL, 0));
    assert_int_equal(rig_count(&d.rig, 1), 0); /* it has been looked at a moment ago */
    assert_int_equal(take(&d), 5);
    assert_int_equal(named(&d, &wait_ms), 3);
    assert_int_equal(wait_ms, 500);
    pair_done(&d);
}

/* Nor does the busy one hold up the idle one for as long as nobody polls. */
TEST(an_idle_partition_is_looked_at_while_a_busy_one_is_full)
{
    struct pair d;
    uint8_t data[4096];
    int32_t wait_ms;
    pair_init(&d, "1");
    while (named(&d, &wait_ms) != 3)
        pair_fetched(&d, bytes_of(NULL, 0));
    pair_fetched(&d, bytes_of(data, make_batch(data, sizeof data, 0, 5, 0)));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(named(&d, &wait_ms), 2);
        assert_int_equal(wait_ms, 0);
        pair_fetched(&d, bytes_of(NULL, 0));
        assert_int_equal(rig_count(&d.rig, 1), 0);
        rig_pass(&d.rig, 100);
    }
    pair_done(&d);
}

/* Else an answer that is cut short would always bring the same partition. */
TEST(who_brought_records_is_asked_for_last)
{
    struct pair d;
    uint8_t data[4096];
    int32_t wait_ms;
    struct wire_fetch_request in;
    struct client_request *request = NULL;
    pair_init(&d, "100000");
    while (named(&d, &wait_ms) != 3)
        pair_fetched(&d, bytes_of(NULL, 0));
    pair_fetched(&d, bytes_of(data, make_batch(data, sizeof data, 0, 5, 0)));
    assert_int_equal(named(&d, &wait_ms), 3);
    LIST_EACH (q, &d.rig.requests, struct client_request, link)
        request = q->api_key == 1 ? q : request;
    rig_read(&d.rig, request, &in);
    assert_int_equal(in.topics[0].partitions[0].partition, 1);
    assert_int_equal(in.topics[in.topics_count - 1].partitions[0].partition, 0);
    pair_done(&d);
}
