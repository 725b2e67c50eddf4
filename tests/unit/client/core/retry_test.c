/* retry_test.c - how often what fails is tried again, and after which pause. */
#include "rig.h"

TEST(a_batch_is_sent_again_as_often_as_retries_says)
{
    static const char *const retries[] = {"1", "3"}; /* 0 goes without idempotence alone */
    for (int i = 0; i < COUNT_OF(retries); i++) {
        struct rig r;
        struct client_send send;
        rig_init(&r, "retries", retries[i], NULL);
        rig_send(&r, &send, "t", 0, "x");
        rig_cluster(&r, "t", 1);
        for (int left = retries[i][0] - '0'; left >= 0; left--) {
            assert_true(send.op.in_flight);
            assert_int_equal(rig_count(&r, 0), 1);
            rig_produced(&r, rig_take(&r, 0), WIRE_ERROR_KAFKA_STORAGE_ERROR, -1);
            rig_pass(&r, 1500); /* retry.backoff.max.ms is 1000 */
            if (rig_count(&r, 3) > 0)
                rig_answer_metadata(&r, "t", 1, 0);
        }
        assert_int_equal(rig_count(&r, 0), 0);
        assert_false(send.op.in_flight);
        assert_int_equal(send.op.code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
        rig_done(&r);
    }
}

/* What failed long ago makes nobody wait for longer. */
TEST(metadata_that_came_once_is_asked_for_again_after_a_short_pause)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    for (int i = 0; i < 5; i++) {
        rig_lose(&r, rig_take(&r, 3), true);
        rig_pass(&r, 150); /* retry.backoff.ms is 100, and 20 % more or less are drawn */
        assert_int_equal(rig_count(&r, 3), i == 0);
        rig_pass(&r, 1200); /* retry.backoff.max.ms is 1000 */
        assert_int_equal(rig_count(&r, 3), 1);
    }
    rig_answer_metadata(&r, "t", 1, 0);
    struct wire_init_producer_id_response id = {.producer_id = 7};
    rig_answer(&r, rig_take(&r, 22), &id);
    rig_up(&r, 0, CLIENT_LANE_MAIN);
    rig_produced(&r, rig_take(&r, 0), WIRE_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    rig_pass(&r, 150);
    rig_lose(&r, rig_take(&r, 3), true);
    rig_pass(&r, 150);
    assert_int_equal(rig_count(&r, 3), 1);
    rig_done(&r);
}

/* Refuses the only batch of a request, and says who leads (KIP-951). */
static void refuse_for(struct rig *r, struct client_request *request, int32_t leader,
                       int32_t leader_epoch)
{
    struct wire_produce_response_node node = {
        .node_id = leader, .host = wire_text("elsewhere"), .port = 9095};
    struct wire_produce_response_partition partition = {
        .error_code = WIRE_ERROR_NOT_LEADER_OR_FOLLOWER,
        .base_offset = -1,
        .log_append_time_ms = -1,
        .error_message = WIRE_NULL_STRING,
        .current_leader = {.leader_id = leader, .leader_epoch = leader_epoch}};
    struct wire_produce_response_topic topic = {
        .name = wire_text("t"), .partition_responses = &partition, .partition_responses_count = 1};
    struct wire_produce_response answer = {.responses = &topic,
                                           .responses_count = 1,
                                           .node_endpoints = &node,
                                           .node_endpoints_count = 1};
    rig_answer(r, request, &answer);
}

TEST(a_batch_goes_at_once_to_the_leader_that_its_refusal_names)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_cluster(&r, "t", 1);
    struct client_request *first = rig_take(&r, 0);
    struct wire_batch before = rig_batch(&r, first);
    refuse_for(&r, first, 5, 1000);
    assert_true(rig_wanted(&r, 5, CLIENT_LANE_MAIN));
    assert_string_equal(client_node_find(r.client, 5)->host, "elsewhere");
    assert_int_equal(client_node_find(r.client, 5)->port, 9095);
    rig_up(&r, 5, CLIENT_LANE_MAIN);
    struct client_request *second = rig_take(&r, 0);
    assert_non_null(second); /* without a pause, and without a question for metadata */
    assert_int_equal(second->node, 5);
    struct wire_batch after = rig_batch(&r, second);
    assert_int_equal(after.producer_id, before.producer_id);
    assert_int_equal(after.base_sequence, before.base_sequence);
    rig_produced(&r, second, 0, 7);
    assert_int_equal(send.op.outcome, CLIENT_OK);
    assert_int_equal(send.offset, 7);
    rig_done(&r);
}

/* What it names may be older than what is known. */
TEST(a_leader_of_an_older_epoch_is_no_news)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_cluster(&r, "t", 1);
    refuse_for(&r, rig_take(&r, 0), 5, -1);
    assert_false(rig_wanted(&r, 5, CLIENT_LANE_MAIN));
    assert_int_equal(rig_count(&r, 0), 0); /* after the pause */
    rig_done(&r);
}

/* Another broker leads the partition now. */
static void answer_next_leader(struct rig *r)
{
    struct wire_metadata_response_broker brokers[] = {
        {.node_id = 0, .host = wire_text("broker0"), .port = 9092, .rack = WIRE_NULL_STRING},
        {.node_id = 1, .host = wire_text("broker1"), .port = 9092, .rack = WIRE_NULL_STRING}};
    struct wire_metadata_response_partition partition = {.leader_id = 1, .leader_epoch = 50};
    struct wire_metadata_response_topic topic = {
        .name = wire_text("t"), .partitions = &partition, .partitions_count = 1};
    struct wire_metadata_response answer;
    wire_defaults(&wire_metadata_response_message, &answer);
    answer.brokers = brokers;
    answer.brokers_count = COUNT_OF(brokers);
    answer.topics = &topic;
    answer.topics_count = 1;
    rig_answer(r, rig_take(r, 3), &answer);
}

/* Its leader is gone with several batches: they go to the next one in their order, each with the
 * sequence that it had. */
TEST(what_was_in_flight_to_a_leader_that_died_goes_to_the_next_one_in_order)
{
    struct rig r;
    struct client_send sends[3];
    rig_init(&r, NULL);
    for (int i = 0; i < 3; i++) {
        rig_send(&r, &sends[i], "t", 0, "x");
        if (i == 0)
            rig_cluster(&r, "t", 1);
    }
    assert_int_equal(rig_count(&r, 0), 3);
    rig_down(&r, 0, CLIENT_LANE_MAIN);
    rig_pass(&r, 150);
    answer_next_leader(&r);
    rig_up(&r, 1, CLIENT_LANE_MAIN);
    for (int32_t i = 0; i < 3; i++) {
        struct client_request *request = rig_take(&r, 0);
        assert_non_null(request);
        assert_int_equal(request->node, 1);
        assert_int_equal(rig_batch(&r, request).base_sequence, i);
        rig_produced(&r, request, 0, i);
        assert_int_equal(sends[i].op.outcome, CLIENT_OK);
    }
    rig_done(&r);
}

/* To connect to a machine without power takes as long as the network tries. */
TEST(who_waits_for_a_leader_that_does_not_answer_asks_whether_another_leads)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_cluster(&r, "t", 1);
    rig_down(&r, 0, CLIENT_LANE_MAIN);
    rig_pass(&r, 150);
    rig_answer_metadata(&r, "t", 1, 0); /* nobody else leads yet */
    rig_pass(&r, 500);
    assert_true(rig_wanted(&r, 0, CLIENT_LANE_MAIN));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_count(&r, 3), 0);
        rig_pass(&r, 1000); /* retry.backoff.max.ms */
        assert_int_equal(rig_count(&r, 3), 1);
        if (i < 2)
            rig_answer_metadata(&r, "t", 1, 0);
    }
    answer_next_leader(&r);
    rig_up(&r, 1, CLIENT_LANE_MAIN);
    assert_int_equal(rig_count(&r, 0), 1);
    rig_produced(&r, rig_take(&r, 0), 0, 0);
    assert_int_equal(send.op.outcome, CLIENT_OK);
    rig_pass(&r, 5000); /* nobody waits for the other one any more */
    assert_int_equal(rig_count(&r, 3), 0);
    rig_done(&r);
}
