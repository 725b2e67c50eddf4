/* fetch_test.c - records out of partitions: how long a fetch waits, how much it brings, what it
 * refuses. */
#include "support/broker/help.h"

TEST(every_version_of_produce_and_fetch_carries_records)
{
    struct help h;
    help_setup(&h, 5, "");
    struct wire_uuid id = help_make_topic(&h);
    int calls[2][32];
    int count = 0;
    for (int16_t v = 3; v <= 13; v++)
        calls[0][count++] =
            help_produce(&h, v, v % 2 == 0 ? -1 : 1, id, help_batch(&h, 10, -1, 0, 1000));
    help_go(&h, 5000);
    for (int i = 0; i < count; i++) {
        struct wire_produce_response_partition p = help_produced(&h, calls[0][i]);
        assert_int_equal(p.error_code, 0);
        assert_int_equal(p.base_offset, 10 * i);
    }
    int64_t end = 10 * count;
    for (int16_t v = 4; v <= 18; v++)
        calls[1][v] = help_fetch(&h, v, id, 10, 0, 1);
    help_go(&h, 5000);
    for (int16_t v = 4; v <= 18; v++) {
        struct wire_fetch_response_partition p = help_fetched(&h, calls[1][v]);
        assert_int_equal(p.error_code, 0);
        assert_int_equal(p.high_watermark, end);
        struct wire_batch batch;
        struct bytes records = bytes_of(p.records.data, (size_t)p.records.size);
        assert_int_equal(wire_batch_at(records, 0, &batch, NULL), WIRE_AT_BATCH);
        assert_int_equal(batch.base_offset, 10);
        assert_ok(wire_batch_verify(&batch, records.data, NULL));
    }
    help_teardown(&h);
}

TEST(a_fetch_waits_until_there_is_something)
{
    struct help h;
    help_setup(&h, 11, "");
    struct wire_uuid id = help_make_topic(&h);
    int waiting = help_fetch(&h, 12, id, 0, 30000, 1);
    help_go(&h, 1000);
    assert_int_equal(h.calls[waiting].answer.size, 0);
    int sent = help_produce(&h, 9, -1, id, help_batch(&h, 3, -1, 0, 1000));
    h.calls[sent].together = true;
    help_go(&h, 1000);
    assert_int_equal(help_produced(&h, sent).error_code, 0);
    assert_int_equal(help_fetched(&h, waiting).high_watermark, 3);
    assert_true(help_fetched(&h, waiting).records.size > 0);
    help_teardown(&h);
}

TEST(a_fetch_ends_with_nothing_when_its_time_is_up)
{
    struct help h;
    help_setup(&h, 12, "");
    struct wire_uuid id = help_make_topic(&h);
    int waiting = help_fetch(&h, 12, id, 0, 700, 1);
    help_go(&h, 600);
    assert_int_equal(h.calls[waiting].answer.size, 0);
    help_run(&h, 500);
    assert_int_equal(help_fetched(&h, waiting).error_code, 0);
    assert_int_equal(help_fetched(&h, waiting).records.size, 0);
    help_teardown(&h);
}

TEST(a_fetch_waits_for_as_many_bytes_as_it_asks_for)
{
    struct help h;
    help_setup(&h, 13, "");
    struct wire_uuid id = help_make_topic(&h);
    int waiting = help_fetch(&h, 12, id, 0, 60000, 1000);
    help_go(&h, 500);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(h.calls[waiting].answer.size, 0);
        h.calls[help_produce(&h, 9, -1, id, help_batch(&h, 20, -1, 0, 1000))].together = true;
        help_go(&h, 500);
    }
    assert_true(help_fetched(&h, waiting).records.size >= 1000);
    help_teardown(&h);
}

TEST(an_offset_that_is_not_there_is_out_of_range)
{
    struct help h;
    help_setup(&h, 14, "");
    struct wire_uuid id = help_make_topic(&h);
    int call = help_fetch(&h, 12, id, 5, 10000, 1);
    help_go(&h, 500);
    assert_int_equal(help_fetched(&h, call).error_code, 1);
    help_teardown(&h);
}

TEST(unknown_topics_and_partitions_have_their_codes)
{
    struct help h;
    help_setup(&h, 15, "");
    struct wire_uuid id = {.b = {1, 2, 3}};
    int by_name = help_produce(&h, 9, -1, id, help_batch(&h, 1, -1, 0, 1));
    int by_id = help_produce(&h, 13, -1, id, help_batch(&h, 1, -1, 0, 1));
    int fetch_by_name = help_fetch(&h, 12, id, 0, 1000, 1);
    int fetch_by_id = help_fetch(&h, 13, id, 0, 1000, 1);
    help_go(&h, 2000);
    assert_int_equal(help_produced(&h, by_name).error_code, 3);
    assert_int_equal(help_produced(&h, by_id).error_code, 100);
    assert_int_equal(help_fetched(&h, fetch_by_name).error_code, 3);
    assert_int_equal(help_fetched(&h, fetch_by_id).error_code, 100);
    help_teardown(&h);
}

/* More partitions than a handler looks at in one event, and more data than one answer may hold. */
TEST(a_fetch_of_many_partitions_answers_for_each_of_them)
{
    enum { COUNT = 700 };
    static struct wire_fetch_request_partition partitions[COUNT];
    static struct wire_produce_request_partition records[COUNT];
    struct help h;
    help_setup(&h, 24, "num.partitions=700\n");
    struct wire_metadata_response metadata = help_metadata(&h, HELP_TOPIC, 60000);
    assert_int_equal(metadata.topics[0].partitions_count, COUNT);
    struct wire_bytes batch = help_batch(&h, 100, -1, 0, 1000);
    for (int i = 0; i < COUNT; i++) {
        records[i] = (struct wire_produce_request_partition){.index = i, .records = batch};
        partitions[i] = (struct wire_fetch_request_partition){.partition = i,
                                                              .current_leader_epoch = -1,
                                                              .last_fetched_epoch = -1,
                                                              .log_start_offset = -1,
                                                              .partition_max_bytes = 1 << 20};
    }
    struct wire_produce_request_topic to = {
        .name = wire_text(HELP_TOPIC), .partition_data_count = COUNT, .partition_data = records};
    struct wire_produce_request produce = {.transactional_id = WIRE_NULL_STRING,
                                           .acks = -1,
                                           .timeout_ms = 60000,
                                           .topic_data_count = 1,
                                           .topic_data = &to};
    int sent = help_call(&h, 0, 9, &produce);
    help_go(&h, 30000);
    struct wire_produce_response stored;
    help_expect(&h, sent, &stored);
    struct wire_fetch_request_topic topic = {
        .topic = wire_text(HELP_TOPIC), .partitions_count = COUNT, .partitions = partitions};
    struct wire_fetch_request fetch;
    wire_defaults(&wire_fetch_request_message, &fetch);
    fetch.max_wait_ms = 1000;
    fetch.min_bytes = 1;
    fetch.max_bytes = 64 << 20;
    fetch.topics_count = 1;
    fetch.topics = &topic;
    int call = help_call(&h, 1, 12, &fetch);
    help_go(&h, 10000);
    struct wire_fetch_response answer;
    help_expect(&h, call, &answer);
    assert_int_equal(answer.responses[0].partitions_count, COUNT);
    int with_records = 0;
    for (int i = 0; i < COUNT; i++) {
        const struct wire_fetch_response_partition *p = &answer.responses[0].partitions[i];
        assert_int_equal(stored.responses[0].partition_responses[i].error_code, 0);
        assert_int_equal(p->partition_index, i);
        assert_int_equal(p->error_code, 0);
        assert_int_equal(p->high_watermark, 100);
        with_records += p->records.size == batch.size;
    }
    assert_true(with_records > 100);
    help_teardown(&h);
}
