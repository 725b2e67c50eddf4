/* produce_test.c - records into partitions: what is stored, what is refused, who is told. */
#include "support/broker/help.h"

TEST(acks_zero_gets_no_answer_and_keeps_its_turn)
{
    struct help h;
    help_setup(&h, 16, "");
    struct wire_uuid id = help_make_topic(&h);
    for (int i = 0; i < 3; i++)
        help_produce(&h, 9, 0, id, help_batch(&h, 4, -1, 0, 1000));
    help_go(&h, 1000);
    int end = help_offsets(&h, 5, -1);
    help_go(&h, 1000);
    assert_int_equal(h.calls[end - 1].answer.size, 0);
    assert_int_equal(help_listed(&h, end).offset, 12);
    assert_false(h.is_closed);
    help_teardown(&h);
}

TEST(acks_zero_is_told_of_a_failure_by_the_end_of_the_connection)
{
    struct help h;
    help_setup(&h, 17, "");
    help_produce(&h, 9, 0, (struct wire_uuid){.b = {0}}, help_batch(&h, 1, -1, 0, 1));
    help_go(&h, 1000);
    assert_true(h.is_closed);
    help_teardown(&h);
}

TEST(acks_other_than_three_values_are_refused)
{
    struct help h;
    help_setup(&h, 18, "");
    struct wire_uuid id = help_make_topic(&h);
    int call = help_produce(&h, 9, 2, id, help_batch(&h, 1, -1, 0, 1));
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, call).error_code, 21);
    help_teardown(&h);
}

TEST(a_batch_sent_twice_is_stored_once)
{
    struct help h;
    help_setup(&h, 19, "");
    struct wire_uuid id = help_make_topic(&h);
    int first = help_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 0, 1000));
    int second = help_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 0, 1000));
    int next = help_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 5, 1000));
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, first).base_offset, 0);
    assert_int_equal(help_produced(&h, second).error_code, 0);
    assert_int_equal(help_produced(&h, second).base_offset, 0);
    assert_int_equal(help_produced(&h, next).base_offset, 5);
    help_teardown(&h);
}

/* As a map of Kafka's has it: what was said last is written, once. */
TEST(a_partition_that_is_produced_to_twice_is_written_once)
{
    struct help h;
    help_setup(&h, 25, "num.partitions=2\n");
    struct wire_uuid id = help_make_topic(&h);
    for (int16_t v = 3; v <= 13; v++) {
        struct help_produce p;
        help_produce_init(&p, id, -1, help_batch(&h, 2, -1, 0, 1000));
        struct wire_produce_request_partition rows[] = {p.partition, p.partition, p.partition};
        rows[1].index = 1;
        rows[2].records = help_batch(&h, 5, -1, 0, 1000);
        struct wire_produce_request_topic topics[] = {p.topic, p.topic, p.topic};
        topics[0].partition_data = rows;
        topics[0].partition_data_count = 2;
        topics[1].partition_data = rows + 2;
        topics[2].partition_data_count = 0;
        p.body.topic_data = topics;
        p.body.topic_data_count = 3;
        int call = help_call(&h, 0, v, &p.body);
        help_go(&h, 500);
        struct wire_produce_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(answer.responses_count, 1);
        assert_int_equal(answer.responses[0].partition_responses_count, 2);
        const struct wire_produce_response_partition *rows_out =
            answer.responses[0].partition_responses;
        assert_int_equal(rows_out[0].index, 0);
        assert_int_equal(rows_out[0].error_code, 0);
        assert_int_equal(rows_out[0].base_offset, (v - 3) * 5);
        assert_int_equal(rows_out[1].base_offset, (v - 3) * 2);
    }
    help_teardown(&h);
}

/* As Kafka 4.3.1 answers: nobody can have more replicas in sync than there are. */
TEST(a_minimum_of_replicas_above_their_count_asks_for_all_of_them)
{
    struct help h;
    help_setup(&h, 20, "min.insync.replicas=2\n");
    struct wire_uuid id = help_make_topic(&h);
    for (int16_t acks = -1; acks <= 1; acks++) {
        int call = help_produce(&h, 9, acks, id, help_batch(&h, 1, -1, 0, 1));
        help_go(&h, 1000);
        if (acks != 0)
            assert_int_equal(help_produced(&h, call).error_code, 0);
    }
    int end = help_offsets(&h, 5, -1);
    help_go(&h, 1000);
    assert_int_equal(help_listed(&h, end).offset, 3);
    help_teardown(&h);
}

static struct wire_bytes with_attributes(struct help *h, int16_t attributes)
{
    struct wire_bytes batch = help_batch(h, 1, -1, 0, 1);
    uint8_t *bytes = (uint8_t *)(uintptr_t)batch.data;
    put_u16(bytes + 21, (uint16_t)attributes);
    put_u32(bytes + 17, crc32c(0, bytes + 21, (size_t)batch.size - 21));
    return batch;
}

TEST(control_records_and_transactions_are_refused)
{
    struct help h;
    help_setup(&h, 23, "");
    struct wire_uuid id = help_make_topic(&h);
    int control = help_produce(&h, 9, -1, id, with_attributes(&h, WIRE_BATCH_CONTROL));
    int txn = help_produce(&h, 9, -1, id, with_attributes(&h, WIRE_BATCH_TRANSACTIONAL));
    int plain = help_produce(&h, 9, -1, id, with_attributes(&h, 0));
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, control).error_code, 87);
    assert_int_equal(help_produced(&h, txn).error_code, 53); /* without a transactional id */
    assert_int_equal(help_produced(&h, plain).base_offset, 0);
    help_teardown(&h);
}

/* Kafka looks at the whole request first: a good batch beside it is not stored either. */
TEST(transactional_records_under_no_id_are_refused_with_all_that_came_with_them)
{
    struct help h;
    help_setup(&h, 26, "num.partitions=2\n");
    struct wire_uuid id = help_make_topic(&h);
    for (int16_t v = 3; v <= 13; v++) {
        struct help_produce p;
        help_produce_init(&p, id, -1, help_batch(&h, 2, -1, 0, 1000));
        struct wire_produce_request_partition rows[] = {p.partition, p.partition};
        rows[1].index = 1;
        rows[1].records = with_attributes(&h, WIRE_BATCH_TRANSACTIONAL);
        p.topic.partition_data = rows;
        p.topic.partition_data_count = 2;
        int call = help_call(&h, 0, v, &p.body);
        help_go(&h, 500);
        struct wire_produce_response answer;
        help_expect(&h, call, &answer);
        for (int i = 0; i < 2; i++) {
            const struct wire_produce_response_partition *out =
                &answer.responses[0].partition_responses[i];
            assert_int_equal(out->error_code, WIRE_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
            assert_int_equal(out->base_offset, -1);
            assert_int_equal(out->log_start_offset, -1);
        }
    }
    int end = help_offsets(&h, 5, -1);
    help_go(&h, 500);
    assert_int_equal(help_listed(&h, end).offset, 0);
    help_teardown(&h);
}

/* Partitions 0 to count - 1, each with the next batch of producer 77. */
static int produce_to_all(struct help *h, struct wire_uuid id, int first, int count, int sequence)
{
    static struct wire_produce_request_partition rows[700];
    struct help_produce p;
    help_produce_init(&p, id, -1, help_batch(h, 1, 77, sequence, 1000));
    for (int i = 0; i < count; i++) {
        rows[i] = p.partition;
        rows[i].index = first + i;
    }
    p.topic.partition_data = rows;
    p.topic.partition_data_count = count;
    int call = help_call(h, 0, 9, &p.body);
    h->calls[call].together = true;
    return call;
}

/* One for many partitions takes more than one event, and what its connection has sent behind it
 * does not overtake it: else a producer's sequence breaks. */
TEST(requests_of_a_connection_reach_a_partition_in_their_order)
{
    enum { COUNT = 700 };
    struct help h;
    help_setup(&h, 27, "num.partitions=700\n");
    help_metadata(&h, HELP_TOPIC, 20000);
    struct wire_uuid id = help_make_topic(&h);
    int calls[] = {
        produce_to_all(&h, id, 0, COUNT, 0), produce_to_all(&h, id, COUNT - 1, 1, 1),
        produce_to_all(&h, id, 0, 0, 0),     produce_to_all(&h, id, 0, COUNT - 1, 1),
        produce_to_all(&h, id, 0, COUNT, 2), produce_to_all(&h, id, COUNT - 2, 2, 3),
    };
    help_go(&h, 20000);
    for (int i = 0; i < COUNT_OF(calls); i++) {
        struct wire_produce_response answer;
        help_expect(&h, calls[i], &answer);
        for (int t = 0; t < answer.responses_count; t++) {
            for (int k = 0; k < answer.responses[t].partition_responses_count; k++)
                assert_int_equal(answer.responses[t].partition_responses[k].error_code, 0);
        }
    }
    help_teardown(&h);
}

static uint8_t *bytes_of_batch(struct wire_bytes batch)
{
    return (uint8_t *)(uintptr_t)batch.data;
}

/* What a request may not carry at all, whatever the log would think of it. */
TEST(a_partition_is_given_one_batch_of_the_present_format)
{
    struct help h;
    help_setup(&h, 40, "");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_bytes one = help_batch(&h, 2, -1, 0, 1);
    uint8_t *two = arena_alloc(&h.arena, 2 * (size_t)one.size);
    memcpy(two, one.data, (size_t)one.size);
    memcpy(two + one.size, one.data, (size_t)one.size);
    int twice = help_produce(&h, 9, -1, id, (struct wire_bytes){.data = two, .size = 2 * one.size});
    int none = help_produce(&h, 9, -1, id, (struct wire_bytes){.data = two, .size = 0});
    int null = help_produce(&h, 9, -1, id, WIRE_NULL_BYTES);
    int magic[4];
    for (int i = 0; i < COUNT_OF(magic); i++) {
        struct wire_bytes batch = help_batch(&h, 2, -1, 0, 1);
        bytes_of_batch(batch)[16] = (uint8_t)i;
        magic[i] = help_produce(&h, 9, -1, id, batch);
    }
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, twice).error_code, WIRE_ERROR_INVALID_RECORD);
    assert_int_equal(help_produced(&h, none).error_code, WIRE_ERROR_INVALID_RECORD);
    assert_int_equal(help_produced(&h, null).error_code, WIRE_ERROR_INVALID_RECORD);
    assert_int_equal(help_produced(&h, magic[0]).error_code, WIRE_ERROR_INVALID_RECORD);
    assert_int_equal(help_produced(&h, magic[1]).error_code, WIRE_ERROR_INVALID_RECORD);
    assert_int_equal(help_produced(&h, magic[2]).error_code, WIRE_ERROR_NONE);
    assert_int_equal(help_produced(&h, magic[3]).error_code, WIRE_ERROR_CORRUPT_MESSAGE);
    assert_true(help_produced(&h, twice).error_message.size > 0);
    help_teardown(&h);
}

/* One record, compressed. */
static struct wire_bytes with_codec(struct help *h, enum wire_codec codec)
{
    struct wire_bytes plain = help_batch(h, 1, -1, 0, 1);
    struct bytes content = bytes_of(plain.data + WIRE_BATCH_HEAD, (size_t)plain.size - 61);
    size_t cap = WIRE_BATCH_HEAD + wire_codec_bound(codec, content.size), size;
    uint8_t *bytes = arena_alloc(&h->arena, cap);
    memcpy(bytes, plain.data, WIRE_BATCH_HEAD);
    assert_ok(wire_compress(h->arena.mem, codec, wire_codec_level_default(codec), content,
                            bytes + WIRE_BATCH_HEAD, cap - WIRE_BATCH_HEAD, &size));
    size += WIRE_BATCH_HEAD;
    put_u32(bytes + 8, (uint32_t)size - WIRE_BATCH_PREFIX);
    put_u16(bytes + 21, (uint16_t)codec);
    put_u32(bytes + 17, crc32c(0, bytes + 21, size - 21));
    return (struct wire_bytes){.data = bytes, .size = (int32_t)size};
}

TEST(zstd_needs_a_version_whose_consumers_know_it)
{
    struct help h;
    help_setup(&h, 41, "");
    struct wire_uuid id = help_make_topic(&h);
    int calls[14];
    for (int16_t v = 3; v <= 13; v++)
        calls[v] = help_produce(&h, v, -1, id, with_codec(&h, WIRE_CODEC_ZSTD));
    int lz4 = help_produce(&h, 3, -1, id, with_codec(&h, WIRE_CODEC_LZ4));
    help_go(&h, 2000);
    for (int16_t v = 3; v <= 13; v++)
        assert_int_equal(help_produced(&h, calls[v]).error_code,
                         v < 7 ? WIRE_ERROR_UNSUPPORTED_COMPRESSION_TYPE : WIRE_ERROR_NONE);
    assert_int_equal(help_produced(&h, lz4).error_code, WIRE_ERROR_NONE);
    help_teardown(&h);
}

/* Records of a producer that compress badly, as one gzip batch of more than 64 KiB. */
static struct wire_bytes large_batch(struct help *h, int64_t producer_id, int32_t sequence)
{
    size_t cap = 200 << 10;
    uint8_t value[1000];
    struct rng rng = {.state = (uint64_t)sequence};
    struct wire_builder b;
    wire_builder_init(&b, arena_alloc(&h->arena, cap), cap);
    for (int i = 0; i < 100; i++) {
        for (size_t k = 0; k < sizeof value; k++)
            value[k] = (uint8_t)rng_next(&rng);
        assert_ok(wire_builder_add(&b, 1000 + i, WIRE_NULL_BYTES,
                                   (struct wire_bytes){.data = value, .size = sizeof value}, NULL,
                                   0));
    }
    wire_builder_finish(
        &b, &(struct wire_builder_head){.producer_id = producer_id, .base_sequence = sequence});
    assert_ok(wire_builder_compress(&b, h->arena.mem, WIRE_CODEC_GZIP, WIRE_GZIP_LEVEL_DEFAULT,
                                    arena_alloc(&h->arena, cap), cap));
    assert_true(b.size > 64 << 10);
    return (struct wire_bytes){.data = b.data, .size = (int32_t)b.size};
}

/* A large one is checked away from the loop; a small one behind it must not overtake it, and one
 * that is refused holds nobody up. */
TEST(batches_that_are_checked_away_from_the_loop_keep_their_order)
{
    struct help h;
    help_setup(&h, 47, "");
    struct wire_uuid id = help_make_topic(&h);
    int calls[4];
    calls[0] = help_produce(&h, 9, -1, id, large_batch(&h, 7, 0));
    calls[1] = help_produce(&h, 9, -1, id, help_batch(&h, 5, 7, 100, 1));
    struct wire_bytes broken = help_batch(&h, 5, -1, 0, 1);
    bytes_of_batch(broken)[60] = 4; /* one record fewer than there are */
    bytes_of_batch(broken)[26] = 3;
    put_u32(bytes_of_batch(broken) + 17,
            crc32c(0, bytes_of_batch(broken) + 21, (size_t)broken.size - 21));
    calls[2] = help_produce(&h, 9, -1, id, broken);
    calls[3] = help_produce(&h, 9, -1, id, large_batch(&h, 7, 105));
    for (int i = 1; i < 4; i++)
        h.calls[calls[i]].together = true;
    help_go(&h, 2000);
    assert_int_equal(help_produced(&h, calls[0]).base_offset, 0);
    assert_int_equal(help_produced(&h, calls[1]).base_offset, 100);
    assert_int_equal(help_produced(&h, calls[2]).error_code, WIRE_ERROR_INVALID_RECORD);
    assert_int_equal(help_produced(&h, calls[3]).base_offset, 105);
    help_teardown(&h);
}

/* Its own sentence says why, and the records that are to blame are named (KIP-467). */
TEST(records_that_are_to_blame_are_named)
{
    struct help h;
    help_setup(&h, 48, "log.message.timestamp.after.max.ms=1000\n");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_builder b;
    uint8_t *data = arena_alloc(&h.arena, 4096);
    struct wire_bytes value = {.data = (const uint8_t *)"v", .size = 1};
    wire_builder_init(&b, data, 4096);
    for (int i = 0; i < 3; i++)
        assert_ok(wire_builder_add(&b, i == 1 ? INT64_C(9000000000000) : 1000, WIRE_NULL_BYTES,
                                   value, NULL, 0));
    wire_builder_finish(&b, &(struct wire_builder_head){.producer_id = -1, .base_sequence = -1});
    int call =
        help_produce(&h, 9, -1, id, (struct wire_bytes){.data = data, .size = (int32_t)b.size});
    help_go(&h, 1000);
    struct wire_produce_response_partition out = help_produced(&h, call);
    assert_int_equal(out.error_code, WIRE_ERROR_INVALID_TIMESTAMP);
    assert_int_equal(out.record_errors_count, 1);
    assert_int_equal(out.record_errors[0].batch_index, 1);
    assert_true(out.record_errors[0].batch_index_error_message.size > 0);
    assert_true(out.error_message.size > 0);
    help_teardown(&h);
}

TEST(damaged_and_oversized_batches_are_refused_and_nothing_is_stored)
{
    struct help h;
    help_setup(&h, 42, "message.max.bytes=200\n");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_bytes damaged = help_batch(&h, 3, -1, 0, 1);
    bytes_of_batch(damaged)[damaged.size - 1] ^= 1;
    struct wire_bytes cut = help_batch(&h, 3, -1, 0, 1);
    cut.size -= 1;
    int crc = help_produce(&h, 9, -1, id, damaged);
    int torn = help_produce(&h, 9, -1, id, cut);
    int large = help_produce(&h, 9, -1, id, help_batch(&h, 50, -1, 0, 1));
    int end = help_offsets(&h, 5, -1);
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, crc).error_code, WIRE_ERROR_CORRUPT_MESSAGE);
    assert_int_equal(help_produced(&h, torn).error_code, WIRE_ERROR_INVALID_RECORD);
    assert_int_equal(help_produced(&h, large).error_code, WIRE_ERROR_MESSAGE_TOO_LARGE);
    assert_int_equal(help_produced(&h, large).base_offset, -1);
    assert_int_equal(help_listed(&h, end).offset, 0);
    help_teardown(&h);
}

/* Each partition has its own fate, and the answer their order. */
TEST(one_partition_that_is_refused_does_not_stop_the_others)
{
    struct help h;
    help_setup(&h, 43, "num.partitions=2\n");
    struct wire_uuid id = help_make_topic(&h);
    for (int16_t acks = -1; acks <= 1; acks += 2) {
        struct help_produce p;
        help_produce_init(&p, id, acks, help_batch(&h, 4, -1, 0, 1));
        struct wire_produce_request_partition partitions[] = {
            {.index = 5, .records = p.partition.records},
            {.index = 1, .records = p.partition.records},
            {.index = -1, .records = p.partition.records},
            {.index = 0, .records = p.partition.records}};
        p.topic.partition_data = partitions;
        p.topic.partition_data_count = COUNT_OF(partitions);
        int call = help_call(&h, 0, 12, &p.body);
        help_go(&h, 1000);
        struct wire_produce_response answer;
        help_expect(&h, call, &answer);
        const struct wire_produce_response_partition *out = answer.responses[0].partition_responses;
        for (int i = 0; i < COUNT_OF(partitions); i++) {
            assert_int_equal(out[i].index, partitions[i].index);
            bool there = i % 2 == 1;
            assert_int_equal(out[i].error_code,
                             there ? WIRE_ERROR_NONE : WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
            assert_int_equal(out[i].base_offset, there ? (acks < 0 ? 0 : 4) : -1);
        }
    }
    help_teardown(&h);
}

TEST(a_producer_that_skips_or_is_old_is_refused)
{
    struct help h;
    help_setup(&h, 44, "");
    struct wire_uuid id = help_make_topic(&h);
    int first = help_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 0, 1000));
    int skips = help_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 6, 1000));
    struct wire_bytes newer = help_batch(&h, 5, 77, 0, 1000);
    put_u16(bytes_of_batch(newer) + 51, 3);
    put_u32(bytes_of_batch(newer) + 17,
            crc32c(0, bytes_of_batch(newer) + 21, (size_t)newer.size - 21));
    int next = help_produce(&h, 9, -1, id, newer);
    int old = help_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 5, 1000));
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, first).error_code, WIRE_ERROR_NONE);
    assert_int_equal(help_produced(&h, skips).error_code, WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(help_produced(&h, next).base_offset, 5);
    assert_int_equal(help_produced(&h, old).error_code, WIRE_ERROR_INVALID_PRODUCER_EPOCH);
    help_teardown(&h);
}

/* It matters only to batches that are part of a transaction. */
TEST(a_transactional_id_alone_changes_nothing)
{
    struct help h;
    help_setup(&h, 45, "");
    struct wire_uuid id = help_make_topic(&h);
    struct help_produce p;
    help_produce_init(&p, id, -1, help_batch(&h, 1, -1, 0, 1));
    p.body.transactional_id = wire_text("mover");
    int call = help_call(&h, 0, 9, &p.body);
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, call).base_offset, 0);
    help_teardown(&h);
}

TEST(log_append_time_is_told_and_stored)
{
    struct help h;
    help_setup(&h, 46, "log.message.timestamp.type=LogAppendTime\n");
    struct wire_uuid id = help_make_topic(&h);
    int call = help_produce(&h, 9, -1, id, help_batch(&h, 2, -1, 0, 1));
    help_go(&h, 1000);
    int64_t timestamp = help_produced(&h, call).log_append_time_ms;
    assert_true(timestamp > 1000000000000);
    int fetch = help_fetch(&h, 12, id, 0, 0, 1);
    help_go(&h, 1000);
    struct wire_bytes records = help_fetched(&h, fetch).records;
    struct wire_batch batch;
    struct bytes in = bytes_of(records.data, (size_t)records.size);
    assert_int_equal(wire_batch_at(in, 0, &batch, NULL), WIRE_AT_BATCH);
    assert_ok(wire_batch_verify(&batch, in.data, NULL));
    assert_int_equal(batch.max_timestamp, timestamp);
    assert_true(batch.attributes & WIRE_BATCH_LOG_APPEND_TIME);
    help_teardown(&h);
}
