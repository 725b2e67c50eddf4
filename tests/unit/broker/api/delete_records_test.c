/* delete_records_test.c - partitions that begin later, where leader epochs ended, and who belongs
 * to the cluster. */
#include "support/broker/help.h"

static struct wire_delete_records_response_partition
trim(struct help *h, int16_t version, const char *topic, int32_t partition, int64_t offset)
{
    struct wire_delete_records_request_partition p = {.partition_index = partition,
                                                      .offset = offset};
    struct wire_delete_records_request_topic t = {
        .name = wire_text(topic), .partitions = &p, .partitions_count = 1};
    struct wire_delete_records_request body = {.topics = &t, .topics_count = 1, .timeout_ms = 1000};
    int call = help_call(h, 21, version, &body);
    help_go(h, 300);
    struct wire_delete_records_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics_count, 1);
    assert_int_equal(answer.topics[0].partitions_count, 1);
    return answer.topics[0].partitions[0];
}

static int64_t begins_at(struct help *h)
{
    int call = help_offsets(h, 5, -2);
    help_go(h, 300);
    return help_listed(h, call).offset;
}

/* Also after a restart, and whoever asks for less is told where it begins. */
TEST(a_partition_begins_where_it_was_asked_to_and_never_goes_back)
{
    struct help h;
    help_setup(&h, 1, "");
    struct wire_uuid id = help_make_topic(&h);
    int sent = help_produce(&h, 13, -1, id, help_batch(&h, 20, -1, 0, 1000));
    help_go(&h, 300);
    assert_int_equal(help_produced(&h, sent).error_code, 0);
    for (int16_t v = 0; v <= 2; v++) {
        struct wire_delete_records_response_partition p = trim(&h, v, HELP_TOPIC, 0, 5 + v);
        assert_int_equal(p.error_code, 0);
        assert_int_equal(p.low_watermark, 5 + v);
    }
    assert_int_equal(trim(&h, 2, HELP_TOPIC, 0, 3).low_watermark, 7);
    assert_int_equal(begins_at(&h), 7);
    help_restart(&h);
    assert_int_equal(begins_at(&h), 7);
    int fetch = help_fetch(&h, 13, id, 6, 0, 1);
    help_go(&h, 300);
    assert_int_equal(help_fetched(&h, fetch).error_code, WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(trim(&h, 2, HELP_TOPIC, 0, -1).low_watermark, 20);
    assert_int_equal(begins_at(&h), 20);
    help_teardown(&h);
}

TEST(what_cannot_be_trimmed_is_refused)
{
    struct help h;
    help_setup(&h, 2, "");
    help_make_topic(&h);
    assert_int_equal(trim(&h, 2, HELP_TOPIC, 0, 1).error_code, WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(trim(&h, 2, HELP_TOPIC, 0, -2).error_code, WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(trim(&h, 2, HELP_TOPIC, 0, -2).low_watermark, -1);
    assert_int_equal(trim(&h, 2, HELP_TOPIC, 7, 0).error_code,
                     WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(trim(&h, 2, "nobody", 0, 0).error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    help_teardown(&h);
}

static struct wire_offset_for_leader_epoch_response_partition
epoch_end(struct help *h, int16_t version, int32_t partition, int32_t current, int32_t epoch)
{
    struct wire_offset_for_leader_epoch_request_partition p = {
        .partition = partition, .current_leader_epoch = current, .leader_epoch = epoch};
    struct wire_offset_for_leader_epoch_request_topic t = {
        .topic = wire_text(HELP_TOPIC), .partitions = &p, .partitions_count = 1};
    struct wire_offset_for_leader_epoch_request body = {
        .replica_id = version >= 3 ? -1 : -2, .topics = &t, .topics_count = 1};
    int call = help_call(h, 23, version, &body);
    help_go(h, 300);
    struct wire_offset_for_leader_epoch_response answer;
    help_expect(h, call, &answer);
    return answer.topics[0].partitions[0];
}

TEST(an_epoch_ends_where_the_next_one_begins)
{
    struct help h;
    help_setup(&h, 3, "");
    struct wire_uuid id = help_make_topic(&h);
    int sent = help_produce(&h, 13, -1, id, help_batch(&h, 20, -1, 0, 1000));
    help_go(&h, 300);
    assert_int_equal(help_produced(&h, sent).error_code, 0);
    world_kill(h.world, h.broker, 0);
    world_start(h.world, h.broker);
    help_run(&h, 2000);
    sent = help_produce(&h, 13, -1, id, help_batch(&h, 5, -1, 0, 1000));
    help_go(&h, 500);
    assert_int_equal(help_produced(&h, sent).error_code, 0);
    for (int16_t v = 2; v <= 4; v++) {
        assert_int_equal(epoch_end(&h, v, 0, -1, 0).end_offset, 20);
        assert_int_equal(epoch_end(&h, v, 0, -1, 0).leader_epoch, 0);
        assert_int_equal(epoch_end(&h, v, 0, 1, 1).end_offset, 25);
        assert_int_equal(epoch_end(&h, v, 0, -1, 9).end_offset, -1);
        assert_int_equal(epoch_end(&h, v, 0, -1, -1).end_offset, -1);
    }
    assert_int_equal(epoch_end(&h, 4, 0, 0, 0).error_code, WIRE_ERROR_FENCED_LEADER_EPOCH);
    assert_int_equal(epoch_end(&h, 4, 0, 9, 0).error_code, WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(epoch_end(&h, 4, 7, -1, 0).error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    help_teardown(&h);
}

static struct wire_describe_cluster_response describe(struct help *h, int16_t version, int8_t type)
{
    struct wire_describe_cluster_request body = {.include_cluster_authorized_operations = true,
                                                 .endpoint_type = type};
    int call = help_call(h, 60, version, &body);
    help_go(h, 300);
    struct wire_describe_cluster_response answer;
    help_expect(h, call, &answer);
    return answer;
}

TEST(the_cluster_is_this_broker)
{
    struct help h;
    help_setup(&h, 4, "node.id=7\n");
    for (int16_t v = 0; v <= 2; v++) {
        struct wire_describe_cluster_response answer = describe(&h, v, 1);
        assert_int_equal(answer.error_code, 0);
        assert_int_equal(answer.controller_id, 7);
        assert_int_equal(answer.brokers_count, 1);
        assert_int_equal(answer.brokers[0].broker_id, 7);
        assert_int_equal(answer.brokers[0].port, 9092);
        assert_int_equal(answer.cluster_id.size, 22);
        assert_int_equal(answer.cluster_authorized_operations, 8096);
    }
    assert_int_equal(describe(&h, 1, 2).error_code, WIRE_ERROR_MISMATCHED_ENDPOINT_TYPE);
    assert_int_equal(describe(&h, 1, 9).error_code, WIRE_ERROR_UNSUPPORTED_ENDPOINT_TYPE);
    help_teardown(&h);
}
