/* node_test.c - a whole broker in the simulated world: it starts, answers every version of every
 * request, survives what ends it, and leaves nothing behind. */
#include "help.h"

#define TOPIC "orders"

static struct wire_metadata_response metadata_within(struct help *h, const char *topic, int64_t ms)
{
    struct wire_metadata_request_topic asked = {.name = wire_text(topic)};
    struct wire_metadata_request body;
    wire_defaults(&wire_metadata_request_message, &body);
    body.topics = &asked;
    body.topics_count = 1;
    int call = help_call(h, 3, 13, &body);
    help_go(h, ms);
    struct wire_metadata_response answer;
    help_expect(h, call, &answer);
    return answer;
}

static struct wire_metadata_response metadata_of(struct help *h, const char *topic)
{
    return metadata_within(h, topic, 1000);
}

static int add_produce(struct help *h, int16_t version, int16_t acks, struct wire_uuid id,
                       struct wire_bytes batch)
{
    struct wire_produce_request_partition partition = {.records = batch};
    struct wire_produce_request_topic topic = {
        .name = wire_text(TOPIC), .topic_id = id, .partition_data = &partition};
    topic.partition_data_count = 1;
    struct wire_produce_request body;
    wire_defaults(&wire_produce_request_message, &body);
    body.acks = acks;
    body.timeout_ms = 5000;
    body.topic_data = &topic;
    body.topic_data_count = 1;
    return help_call(h, 0, version, &body);
}

static struct wire_produce_response_partition produced(struct help *h, int call)
{
    struct wire_produce_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.responses_count, 1);
    assert_int_equal(answer.responses[0].partition_responses_count, 1);
    return answer.responses[0].partition_responses[0];
}

static int add_fetch(struct help *h, int16_t version, struct wire_uuid id, int64_t offset,
                     int32_t wait_ms, int32_t min_bytes)
{
    struct wire_fetch_request_partition partition;
    struct wire_fetch_request_topic topic = {
        .topic = wire_text(TOPIC), .topic_id = id, .partitions = &partition};
    topic.partitions_count = 1;
    partition = (struct wire_fetch_request_partition){.current_leader_epoch = -1,
                                                      .fetch_offset = offset,
                                                      .last_fetched_epoch = -1,
                                                      .log_start_offset = -1,
                                                      .partition_max_bytes = 1 << 20,
                                                      .high_watermark = INT64_MAX};
    struct wire_fetch_request body;
    wire_defaults(&wire_fetch_request_message, &body);
    body.max_wait_ms = wait_ms;
    body.min_bytes = min_bytes;
    body.max_bytes = 1 << 20;
    body.topics = &topic;
    body.topics_count = 1;
    return help_call(h, 1, version, &body);
}

static struct wire_fetch_response_partition fetched(struct help *h, int call)
{
    struct wire_fetch_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.error_code, 0);
    assert_int_equal(answer.session_id, 0);
    assert_int_equal(answer.responses_count, 1);
    assert_int_equal(answer.responses[0].partitions_count, 1);
    return answer.responses[0].partitions[0];
}

static int add_offsets(struct help *h, int16_t version, int64_t timestamp)
{
    struct wire_list_offsets_request_partition partition = {.current_leader_epoch = -1,
                                                            .timestamp = timestamp};
    struct wire_list_offsets_request_topic topic = {
        .name = wire_text(TOPIC), .partitions_count = 1, .partitions = &partition};
    struct wire_list_offsets_request body;
    wire_defaults(&wire_list_offsets_request_message, &body);
    body.replica_id = -1;
    body.topics = &topic;
    body.topics_count = 1;
    return help_call(h, 2, version, &body);
}

static int64_t offset_of(struct help *h, int call)
{
    struct wire_list_offsets_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics[0].partitions[0].error_code, 0);
    return answer.topics[0].partitions[0].offset;
}

static struct wire_uuid make_topic(struct help *h)
{
    struct wire_metadata_response answer = metadata_of(h, TOPIC);
    assert_int_equal(answer.topics[0].error_code, 0);
    return answer.topics[0].topic_id;
}

TEST(a_broker_starts_and_stops_without_a_trace_in_memory)
{
    struct help h;
    help_setup(&h, 1, "");
    assert_int_equal(h.started, ERR_NONE);
    assert_string_equal(h.said, "");
    world_stop(h.world, h.broker);
    help_run(&h, 1000);
    assert_int_equal(h.stop_count, 1);
    assert_int_equal(h.stopped, ERR_NONE);
    help_teardown(&h);
}

TEST(a_stop_may_come_at_any_moment_of_the_start)
{
    for (int64_t us = 0; us < 6000; us += 97) {
        struct help h;
        help_prepare(&h, 2, "");
        world_start(h.world, h.broker);
        world_run_until(h.world, world_now(h.world) + us * 1000);
        world_stop(h.world, h.broker);
        help_run(&h, 10000);
        help_teardown(&h);
        assert_int_equal(h.stop_count, 1);
    }
}

TEST(metadata_makes_a_topic_on_first_use)
{
    struct help h;
    help_setup(&h, 3, "num.partitions=3\n");
    struct wire_metadata_response answer = metadata_of(&h, TOPIC);
    assert_int_equal(answer.brokers_count, 1);
    assert_int_equal(answer.brokers[0].port, 9092);
    assert_int_equal(answer.topics_count, 1);
    assert_int_equal(answer.topics[0].error_code, 0);
    assert_int_equal(answer.topics[0].partitions_count, 3);
    assert_int_equal(answer.topics[0].partitions[2].leader_id, 1);
    assert_int_equal(metadata_of(&h, "no/name").topics[0].error_code, 17);
    help_teardown(&h);
}

TEST(without_auto_creation_an_unknown_topic_stays_unknown)
{
    struct help h;
    help_setup(&h, 4, "auto.create.topics.enable=false\n");
    assert_int_equal(metadata_of(&h, TOPIC).topics[0].error_code, 3);
    help_teardown(&h);
}

TEST(every_version_of_produce_and_fetch_carries_records)
{
    struct help h;
    help_setup(&h, 5, "");
    struct wire_uuid id = make_topic(&h);
    int calls[2][32];
    int count = 0;
    for (int16_t v = 3; v <= 13; v++)
        calls[0][count++] =
            add_produce(&h, v, v % 2 == 0 ? -1 : 1, id, help_batch(&h, 10, -1, 0, 1000));
    help_go(&h, 5000);
    for (int i = 0; i < count; i++) {
        struct wire_produce_response_partition p = produced(&h, calls[0][i]);
        assert_int_equal(p.error_code, 0);
        assert_int_equal(p.base_offset, 10 * i);
    }
    int64_t end = 10 * count;
    for (int16_t v = 4; v <= 18; v++)
        calls[1][v] = add_fetch(&h, v, id, 10, 0, 1);
    help_go(&h, 5000);
    for (int16_t v = 4; v <= 18; v++) {
        struct wire_fetch_response_partition p = fetched(&h, calls[1][v]);
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

TEST(every_version_of_list_offsets_knows_start_end_and_time)
{
    struct help h;
    help_setup(&h, 6, "");
    struct wire_uuid id = make_topic(&h);
    add_produce(&h, 9, -1, id, help_batch(&h, 10, -1, 0, 1000));
    add_produce(&h, 9, -1, id, help_batch(&h, 10, -1, 0, 2000));
    help_go(&h, 1000);
    for (int16_t v = 1; v <= 11; v++) {
        int end = add_offsets(&h, v, -1);
        int start = add_offsets(&h, v, -2);
        int time = add_offsets(&h, v, 2005);
        int never = add_offsets(&h, v, 3000);
        help_go(&h, 1000);
        assert_int_equal(offset_of(&h, end), 20);
        assert_int_equal(offset_of(&h, start), 0);
        assert_int_equal(offset_of(&h, time), 15);
        assert_int_equal(offset_of(&h, never), -1);
    }
    help_teardown(&h);
}

TEST(every_version_of_create_topics_creates)
{
    struct help h;
    help_setup(&h, 7, "");
    for (int16_t v = 2; v <= 7; v++) {
        char name[16] = "topic-0";
        name[6] = (char)('0' + v);
        struct wire_create_topics_request_config config = {.name = wire_text("retention.ms"),
                                                           .value = wire_text("12345")};
        struct wire_create_topics_request_topic topic = {.name = wire_text(name),
                                                         .num_partitions = 2,
                                                         .replication_factor = 1,
                                                         .configs_count = 1,
                                                         .configs = &config};
        struct wire_create_topics_request body;
        wire_defaults(&wire_create_topics_request_message, &body);
        body.topics = &topic;
        body.topics_count = 1;
        int good = help_call(&h, 19, v, &body);
        int again = help_call(&h, 19, v, &body);
        config.value = wire_text("soon");
        name[0] = 'T';
        int bad = help_call(&h, 19, v, &body);
        help_go(&h, 2000);
        struct wire_create_topics_response answer;
        help_expect(&h, good, &answer);
        assert_int_equal(answer.topics[0].error_code, 0);
        assert_true(v < 5 || answer.topics[0].num_partitions == 2);
        assert_true(v < 5 || answer.topics[0].configs_count > 5);
        help_expect(&h, again, &answer);
        assert_int_equal(answer.topics[0].error_code, 36);
        help_expect(&h, bad, &answer);
        assert_int_equal(answer.topics[0].error_code, 40);
        assert_true(answer.topics[0].error_message.size > 0);
    }
    help_teardown(&h);
}

TEST(every_version_of_the_small_requests_is_answered)
{
    struct help h;
    help_setup(&h, 8, "");
    int64_t last_id = -1;
    for (int16_t v = 0; v <= 5; v++) {
        struct wire_init_producer_id_request body;
        wire_defaults(&wire_init_producer_id_request_message, &body);
        body.transactional_id = WIRE_NULL_STRING;
        int call = help_call(&h, 22, v, &body);
        help_go(&h, 500);
        struct wire_init_producer_id_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(answer.error_code, 0);
        assert_true(answer.producer_id > last_id);
        last_id = answer.producer_id;
    }
    for (int16_t v = 0; v <= 6; v++) {
        struct wire_string key = wire_text("group");
        struct wire_find_coordinator_request body;
        wire_defaults(&wire_find_coordinator_request_message, &body);
        if (v < 4) {
            body.key = key;
        } else {
            body.coordinator_keys = &key;
            body.coordinator_keys_count = 1;
        }
        int call = help_call(&h, 10, v, &body);
        help_go(&h, 500);
        struct wire_find_coordinator_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(v < 4 ? answer.error_code : answer.coordinators[0].error_code, 42);
    }
    for (int16_t v = 0; v <= 4; v++) {
        struct wire_api_versions_request body;
        wire_defaults(&wire_api_versions_request_message, &body);
        if (v >= 3)
            body.client_software_name = body.client_software_version = wire_text("test");
        int call = help_call(&h, 18, v, &body);
        help_go(&h, 500);
        struct wire_api_versions_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(answer.error_code, 0);
        assert_int_equal(answer.api_keys_count, wire_api_count);
        assert_int_equal(answer.api_keys[0].min_version, 0); /* KAFKA-18659 */
    }
    for (int16_t v = 0; v <= 13; v++) {
        struct wire_metadata_request body;
        wire_defaults(&wire_metadata_request_message, &body);
        body.topics_count = v == 0 ? 0 : -1;
        int call = help_call(&h, 3, v, &body);
        help_go(&h, 500);
        struct wire_metadata_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(answer.brokers_count, 1);
        assert_int_equal(answer.topics_count, 0);
    }
    help_teardown(&h);
}

TEST(an_unknown_version_of_api_versions_gets_the_oldest_answer)
{
    struct help h;
    help_setup(&h, 9, "");
    static const uint8_t frame[] = {0, 18, 0, 99, 0, 0, 0, 0, 0, 0, 0, 2, 3, 4};
    int call = help_frame(&h, bytes_of(frame, sizeof frame));
    h.calls[call].key = 18;
    help_go(&h, 500);
    struct wire_api_versions_response answer;
    help_expect(&h, call, &answer);
    assert_int_equal(answer.error_code, 35);
    assert_int_equal(answer.api_keys_count, 1);
    assert_int_equal(answer.api_keys[0].api_key, 18);
    assert_false(h.is_closed);
    help_teardown(&h);
}

TEST(what_breaks_the_protocol_closes_the_connection_and_nothing_else)
{
    static const uint8_t unknown_api[] = {3, 231, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t unknown_version[] = {0, 1, 0, 99, 0, 0, 0, 0, 0, 0};
    static const uint8_t cut_short[] = {0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t no_header[] = {0, 3, 0};
    const struct bytes frames[] = {
        bytes_of(unknown_api, sizeof unknown_api),
        bytes_of(unknown_version, sizeof unknown_version),
        bytes_of(cut_short, sizeof cut_short),
        bytes_of(no_header, sizeof no_header),
    };
    struct help h;
    help_setup(&h, 10, "");
    for (int i = 0; i < COUNT_OF(frames); i++) {
        h.is_closed = false;
        help_frame(&h, frames[i]);
        help_go(&h, 500);
        assert_true(h.is_closed);
    }
    help_go(&h, 500);
    assert_int_equal(metadata_of(&h, TOPIC).topics[0].error_code, 0);
    help_teardown(&h);
}

TEST(a_fetch_waits_until_there_is_something)
{
    struct help h;
    help_setup(&h, 11, "");
    struct wire_uuid id = make_topic(&h);
    int waiting = add_fetch(&h, 12, id, 0, 30000, 1);
    help_go(&h, 1000);
    assert_int_equal(h.calls[waiting].answer.size, 0);
    int sent = add_produce(&h, 9, -1, id, help_batch(&h, 3, -1, 0, 1000));
    h.calls[sent].together = true;
    help_go(&h, 1000);
    assert_int_equal(produced(&h, sent).error_code, 0);
    assert_int_equal(fetched(&h, waiting).high_watermark, 3);
    assert_true(fetched(&h, waiting).records.size > 0);
    help_teardown(&h);
}

TEST(a_fetch_ends_with_nothing_when_its_time_is_up)
{
    struct help h;
    help_setup(&h, 12, "");
    struct wire_uuid id = make_topic(&h);
    int waiting = add_fetch(&h, 12, id, 0, 700, 1);
    help_go(&h, 600);
    assert_int_equal(h.calls[waiting].answer.size, 0);
    help_run(&h, 500);
    assert_int_equal(fetched(&h, waiting).error_code, 0);
    assert_int_equal(fetched(&h, waiting).records.size, 0);
    help_teardown(&h);
}

TEST(a_fetch_waits_for_as_many_bytes_as_it_asks_for)
{
    struct help h;
    help_setup(&h, 13, "");
    struct wire_uuid id = make_topic(&h);
    int waiting = add_fetch(&h, 12, id, 0, 60000, 1000);
    help_go(&h, 500);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(h.calls[waiting].answer.size, 0);
        h.calls[add_produce(&h, 9, -1, id, help_batch(&h, 20, -1, 0, 1000))].together = true;
        help_go(&h, 500);
    }
    assert_true(fetched(&h, waiting).records.size >= 1000);
    help_teardown(&h);
}

TEST(an_offset_that_is_not_there_is_out_of_range)
{
    struct help h;
    help_setup(&h, 14, "");
    struct wire_uuid id = make_topic(&h);
    int call = add_fetch(&h, 12, id, 5, 10000, 1);
    help_go(&h, 500);
    assert_int_equal(fetched(&h, call).error_code, 1);
    help_teardown(&h);
}

TEST(unknown_topics_and_partitions_have_their_codes)
{
    struct help h;
    help_setup(&h, 15, "");
    struct wire_uuid id = {.b = {1, 2, 3}};
    int by_name = add_produce(&h, 9, -1, id, help_batch(&h, 1, -1, 0, 1));
    int by_id = add_produce(&h, 13, -1, id, help_batch(&h, 1, -1, 0, 1));
    int fetch_by_name = add_fetch(&h, 12, id, 0, 1000, 1);
    int fetch_by_id = add_fetch(&h, 13, id, 0, 1000, 1);
    help_go(&h, 2000);
    assert_int_equal(produced(&h, by_name).error_code, 3);
    assert_int_equal(produced(&h, by_id).error_code, 100);
    assert_int_equal(fetched(&h, fetch_by_name).error_code, 3);
    assert_int_equal(fetched(&h, fetch_by_id).error_code, 100);
    help_teardown(&h);
}

TEST(acks_zero_gets_no_answer_and_keeps_its_turn)
{
    struct help h;
    help_setup(&h, 16, "");
    struct wire_uuid id = make_topic(&h);
    for (int i = 0; i < 3; i++)
        add_produce(&h, 9, 0, id, help_batch(&h, 4, -1, 0, 1000));
    help_go(&h, 1000);
    int end = add_offsets(&h, 5, -1);
    help_go(&h, 1000);
    assert_int_equal(h.calls[end - 1].answer.size, 0);
    assert_int_equal(offset_of(&h, end), 12);
    assert_false(h.is_closed);
    help_teardown(&h);
}

TEST(acks_zero_is_told_of_a_failure_by_the_end_of_the_connection)
{
    struct help h;
    help_setup(&h, 17, "");
    add_produce(&h, 9, 0, (struct wire_uuid){.b = {0}}, help_batch(&h, 1, -1, 0, 1));
    help_go(&h, 1000);
    assert_true(h.is_closed);
    help_teardown(&h);
}

TEST(acks_other_than_three_values_are_refused)
{
    struct help h;
    help_setup(&h, 18, "");
    struct wire_uuid id = make_topic(&h);
    int call = add_produce(&h, 9, 2, id, help_batch(&h, 1, -1, 0, 1));
    help_go(&h, 1000);
    assert_int_equal(produced(&h, call).error_code, 21);
    help_teardown(&h);
}

TEST(a_batch_sent_twice_is_stored_once)
{
    struct help h;
    help_setup(&h, 19, "");
    struct wire_uuid id = make_topic(&h);
    int first = add_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 0, 1000));
    int second = add_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 0, 1000));
    int next = add_produce(&h, 9, -1, id, help_batch(&h, 5, 77, 5, 1000));
    help_go(&h, 1000);
    assert_int_equal(produced(&h, first).base_offset, 0);
    assert_int_equal(produced(&h, second).error_code, 0);
    assert_int_equal(produced(&h, second).base_offset, 0);
    assert_int_equal(produced(&h, next).base_offset, 5);
    help_teardown(&h);
}

TEST(too_few_replicas_for_acks_all_are_refused_before_anything_is_written)
{
    struct help h;
    help_setup(&h, 20, "min.insync.replicas=2\n");
    struct wire_uuid id = make_topic(&h);
    int all = add_produce(&h, 9, -1, id, help_batch(&h, 1, -1, 0, 1));
    int one = add_produce(&h, 9, 1, id, help_batch(&h, 1, -1, 0, 1));
    help_go(&h, 1000);
    assert_int_equal(produced(&h, all).error_code, 19);
    assert_int_equal(produced(&h, one).base_offset, 0);
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
    struct wire_uuid id = make_topic(&h);
    int control = add_produce(&h, 9, -1, id, with_attributes(&h, WIRE_BATCH_CONTROL));
    int txn = add_produce(&h, 9, -1, id, with_attributes(&h, WIRE_BATCH_TRANSACTIONAL));
    int plain = add_produce(&h, 9, -1, id, with_attributes(&h, 0));
    help_go(&h, 1000);
    assert_int_equal(produced(&h, control).error_code, 87);
    assert_int_equal(produced(&h, txn).error_code, 48);
    assert_int_equal(produced(&h, plain).base_offset, 0);
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
    struct wire_metadata_response metadata = metadata_within(&h, TOPIC, 60000);
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
        .name = wire_text(TOPIC), .partition_data_count = COUNT, .partition_data = records};
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
        .topic = wire_text(TOPIC), .partitions_count = COUNT, .partitions = partitions};
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

TEST(topics_records_and_ids_survive_a_restart)
{
    struct help h;
    help_setup(&h, 21, "");
    struct wire_uuid id = make_topic(&h);
    add_produce(&h, 9, -1, id, help_batch(&h, 5, -1, 0, 1000));
    help_go(&h, 1000);
    help_restart(&h);
    assert_int_equal(h.start_count, 2);
    assert_int_equal(h.started, ERR_NONE);
    struct wire_uuid again = make_topic(&h);
    assert_memory_equal(again.b, id.b, 16);
    int end = add_offsets(&h, 5, -1);
    help_go(&h, 1000);
    assert_int_equal(offset_of(&h, end), 5);
    help_teardown(&h);
}

TEST(topics_records_and_ids_survive_a_power_loss)
{
    for (uint64_t seed = 100; seed < 120; seed++) {
        struct help h;
        help_setup(&h, seed, "");
        struct wire_uuid id = make_topic(&h);
        int sent = add_produce(&h, 9, -1, id, help_batch(&h, 5, -1, 0, 1000));
        help_go(&h, 1000);
        assert_int_equal(produced(&h, sent).error_code, 0);
        world_power_loss(h.world, 1ull << h.broker);
        world_start(h.world, h.broker);
        help_run(&h, 3000);
        assert_int_equal(h.start_count, 2);
        assert_int_equal(h.started, ERR_NONE);
        world_stop(h.world, h.client); /* it does not know that its connection is dead */
        help_run(&h, 100);
        struct wire_metadata_response metadata = metadata_of(&h, TOPIC);
        assert_memory_equal(metadata.topics[0].topic_id.b, id.b, 16);
        assert_int_equal(metadata.topics[0].partitions[0].leader_epoch, 1);
        int end = add_offsets(&h, 5, -1);
        help_go(&h, 1000);
        assert_int_equal(offset_of(&h, end), 5);
        help_teardown(&h);
    }
}

TEST(a_stop_answers_what_waits)
{
    struct help h;
    help_setup(&h, 22, "");
    struct wire_uuid id = make_topic(&h);
    int waiting = add_fetch(&h, 12, id, 0, 600000, 1);
    help_go(&h, 500);
    world_stop(h.world, h.broker);
    help_run(&h, 1000);
    assert_int_equal(h.stop_count, 1);
    assert_int_equal(fetched(&h, waiting).records.size, 0);
    help_teardown(&h);
}

/* Some requests fail and some connections end; the broker goes on. */
TEST(a_broker_short_of_memory_refuses_and_recovers)
{
    for (uint64_t seed = 200; seed < 260; seed++) {
        struct help h;
        help_setup(&h, seed, "num.partitions=4\n");
        struct wire_uuid id = make_topic(&h);
        struct fault_line line = {.kind = FAULT_RATE, .nodes = 1ull << h.broker};
        line.for_ns = 2000000000;
        line.param[FAULT_P_SITE] = FAULT_ALLOC;
        line.param[FAULT_P_RATE] = seed % 2 == 0 ? 10000 : 300000;
        world_harm(h.world, &line);
        for (int i = 0; i < 10; i++) {
            h.calls[add_produce(&h, 9, -1, id, help_batch(&h, 5, 1, 5 * i, 1000))].together = true;
            h.calls[add_fetch(&h, 12, id, 0, 100, 1)].together = true;
            add_offsets(&h, 5, i);
            help_go(&h, 200);
        }
        help_run(&h, 3000);
        assert_int_equal(world_node_life(h.world, h.broker), WORLD_UP);
        help_go(&h, 1000);
        assert_int_equal(metadata_of(&h, "another").topics[0].error_code, 0);
        help_teardown(&h);
    }
}

/* A start that runs out of memory ends with a sentence and leaves nothing behind. */
TEST(a_start_may_run_out_of_memory)
{
    for (uint64_t seed = 300; seed < 400; seed++) {
        struct help h;
        help_setup(&h, seed, "");
        make_topic(&h);
        world_stop(h.world, h.broker);
        help_run(&h, 5000);
        struct fault_line line = {.kind = FAULT_RATE, .nodes = 1ull << h.broker};
        line.for_ns = 1000000000;
        line.param[FAULT_P_SITE] = FAULT_ALLOC;
        line.param[FAULT_P_RATE] = 20000;
        world_harm(h.world, &line);
        world_start(h.world, h.broker);
        help_run(&h, 5000);
        if (h.started != ERR_NONE) {
            assert_true(strlen(h.said) > 0);
            assert_int_equal(world_node_life(h.world, h.broker), WORLD_DOWN);
            world_start(h.world, h.broker);
            help_run(&h, 5000);
            assert_int_equal(h.started, ERR_NONE);
        }
        help_teardown(&h);
    }
}
