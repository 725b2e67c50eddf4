/* forward_test.c - what clients ask a broker that does not lead the metadata quorum: decided by who
 * leads, and answered by whom it was asked. */
#include "node/internal.h"
#include "support/broker/help.h"
#include <stdio.h>

static int32_t leader_of(const struct help *h)
{
    return quorum_leader(help_broker(h)->quorum);
}

static uint32_t leading_node(const struct help *h)
{
    int32_t leader = leader_of(h);
    assert_in_range(leader, 2, 3);
    return h->others[leader - 2];
}

static int create(struct help *h, const char *name, int32_t timeout_ms)
{
    struct wire_create_topics_request_topic topic = {
        .name = wire_text(name), .num_partitions = 2, .replication_factor = 3};
    struct wire_create_topics_request body;
    wire_defaults(&wire_create_topics_request_message, &body);
    body.topics = &topic;
    body.topics_count = 1;
    body.timeout_ms = timeout_ms;
    return help_call(h, 19, 7, &body);
}

static int16_t created(struct help *h, int call)
{
    struct wire_create_topics_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics_count, 1);
    return answer.topics[0].error_code;
}

static int describe(struct help *h, const char *name)
{
    struct wire_metadata_request_topic topic = {.name = wire_text(name)};
    struct wire_metadata_request body;
    wire_defaults(&wire_metadata_request_message, &body);
    body.topics = &topic;
    body.topics_count = 1;
    body.allow_auto_topic_creation = false;
    return help_call(h, 3, 13, &body);
}

TEST(a_topic_is_made_by_way_of_any_broker_which_knows_it_when_it_answers)
{
    struct help h;
    help_setup_three(&h, 1, "");
    assert_int_not_equal(leader_of(&h), 1);
    int making = create(&h, "orders", 30000);
    int telling = describe(&h, "orders"); /* it leaves when the answer has come */
    help_go(&h, 5000);
    struct wire_create_topics_response made;
    help_expect(&h, making, &made);
    assert_int_equal(made.topics[0].error_code, WIRE_ERROR_NONE);
    assert_int_equal(made.topics[0].num_partitions, 2);
    assert_int_equal(made.topics[0].replication_factor, 3);
    struct wire_metadata_response answer;
    help_expect(&h, telling, &answer);
    assert_int_equal(answer.brokers_count, 3);
    assert_int_equal(answer.controller_id, leader_of(&h));
    assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_NONE);
    assert_int_equal(answer.topics[0].partitions_count, 2);
    assert_int_equal(answer.topics[0].partitions[0].replica_nodes_count, 3);
    help_teardown(&h);
}

TEST(what_the_controller_refuses_is_refused_in_its_words)
{
    struct help h;
    help_setup_three(&h, 2, "");
    int call = create(&h, "no/name", 30000);
    struct wire_unregister_broker_request body = {.broker_id = 77};
    int other = help_call(&h, 64, 0, &body);
    help_go(&h, 5000);
    assert_int_equal(created(&h, call), WIRE_ERROR_INVALID_TOPIC_EXCEPTION);
    struct wire_unregister_broker_response answer;
    help_expect(&h, other, &answer);
    assert_int_equal(answer.error_code, WIRE_ERROR_BROKER_ID_NOT_REGISTERED);
    assert_true(answer.error_message.size > 0);
    help_teardown(&h);
}

TEST(a_topic_is_made_on_first_use_by_way_of_any_broker)
{
    struct help h;
    help_setup_three(&h, 3, "num.partitions=3\ndefault.replication.factor=2\n");
    struct wire_metadata_response answer = help_metadata(&h, HELP_TOPIC, 3000);
    assert_int_equal(answer.topics[0].error_code, 0);
    assert_int_equal(answer.topics[0].partitions_count, 3);
    assert_int_equal(answer.topics[0].partitions[0].replica_nodes_count, 2);
    assert_int_equal(help_metadata(&h, "no/name", 3000).topics[0].error_code,
                     WIRE_ERROR_INVALID_TOPIC_EXCEPTION);
    help_teardown(&h);
}

TEST(any_broker_describes_the_quorum_as_its_leader_does)
{
    struct help h;
    help_setup_three(&h, 4, "");
    struct wire_describe_quorum_request_partition partition = {0};
    struct wire_describe_quorum_request_topic topic = {.topic_name = wire_text(METADATA_LOG_TOPIC),
                                                       .partitions = &partition,
                                                       .partitions_count = 1};
    struct wire_describe_quorum_request body = {.topics = &topic, .topics_count = 1};
    int call = help_call(&h, 55, 2, &body);
    help_go(&h, 3000);
    struct wire_describe_quorum_response answer;
    help_expect(&h, call, &answer);
    const struct wire_describe_quorum_response_partition *p = &answer.topics[0].partitions[0];
    assert_int_equal(p->error_code, 0);
    assert_int_equal(p->leader_id, leader_of(&h));
    assert_int_equal(p->current_voters_count, 3);
    help_teardown(&h);
}

TEST(a_request_waits_for_the_next_controller)
{
    struct help h;
    help_setup_three(&h, 5, "");
    world_kill(h.world, leading_node(&h), 0);
    int call = create(&h, "orders", 30000);
    help_go(&h, 20000);
    int16_t code = created(&h, call);
    /* Two brokers are left, or three while nobody has noticed. */
    assert_true(code == WIRE_ERROR_NONE || code == WIRE_ERROR_INVALID_REPLICATION_FACTOR);
    help_teardown(&h);
}

TEST(without_a_controller_a_request_takes_as_long_as_it_says)
{
    struct help h;
    help_setup_three(&h, 6, "");
    for (int i = 0; i < 2; i++)
        world_kill(h.world, h.others[i], 0);
    int call = create(&h, "orders", 1500);
    help_go(&h, 1000);
    assert_int_equal(h.calls[call].answer.size, 0);
    help_run(&h, 1000);
    assert_int_equal(created(&h, call), WIRE_ERROR_REQUEST_TIMED_OUT);
    for (int i = 0; i < 2; i++)
        world_start(h.world, h.others[i]);
    help_run(&h, 10000);
    help_teardown(&h);
}

static int alter(struct help *h)
{
    struct wire_alter_configs_request_config config = {.name = wire_text("retention.ms"),
                                                       .value = wire_text("1000")};
    struct wire_alter_configs_request_resource resource = {.resource_type = 2,
                                                           .resource_name = wire_text("orders"),
                                                           .configs = &config,
                                                           .configs_count = 1};
    struct wire_alter_configs_request body = {.resources = &resource, .resources_count = 1};
    return help_call(h, 33, 2, &body);
}

/* The connection is lost behind it: what is done once when it is done twice is sent again, and of
 * the rest nobody knows. */
TEST(what_may_have_been_done_is_not_done_again)
{
    struct help h;
    help_setup_three(&h, 7, "");
    int first = create(&h, "orders", 30000);
    help_go(&h, 3000);
    assert_int_equal(created(&h, first), WIRE_ERROR_NONE);
    world_pause(h.world, leading_node(&h));
    uint32_t paused = leading_node(&h);
    int making = create(&h, "other", 30000);
    int altering = alter(&h);
    h.calls[altering].together = true;
    help_go(&h, 100);
    world_kill(h.world, paused, 0);
    help_run(&h, 300);
    assert_int_equal(created(&h, making), WIRE_ERROR_REQUEST_TIMED_OUT);
    help_run(&h, 20000);
    struct wire_alter_configs_response answer;
    help_expect(&h, altering, &answer);
    assert_int_equal(answer.responses[0].error_code, WIRE_ERROR_NONE);
    help_teardown(&h);
}

/* It is the client's own broker that leads, and is cut off with what it has appended: others may
 * commit that, or never. NOT_CONTROLLER would say that nothing was done. */
TEST(who_ceases_to_lead_does_not_say_that_nothing_was_done)
{
    struct help h;
    help_setup_three(&h, 10, "");
    int32_t leader = leader_of(&h);
    uint32_t leading = leading_node(&h);
    uint32_t other = leading == h.others[0] ? h.others[1] : h.others[0];
    snprintf(h.asks, sizeof h.asks, "broker%d", (int)leader);
    int first = create(&h, "orders", 30000);
    help_go(&h, 3000);
    assert_int_equal(created(&h, first), WIRE_ERROR_NONE);
    world_cut(h.world, leading, other, false);
    world_cut(h.world, leading, h.broker, false);
    int making = create(&h, "other", 30000);
    help_go(&h, 10000);
    assert_int_equal(created(&h, making), WIRE_ERROR_REQUEST_TIMED_OUT);
    world_heal(h.world);
    help_run(&h, 15000);
    help_teardown(&h);
}

/* Its connection stands, and it says nothing any more: another leads, and what it was asked may
 * have been done. */
TEST(what_a_deposed_controller_does_not_answer_is_given_up)
{
    struct help h;
    help_setup_three(&h, 9, "");
    int first = create(&h, "orders", 30000);
    help_go(&h, 3000);
    assert_int_equal(created(&h, first), WIRE_ERROR_NONE);
    uint32_t paused = leading_node(&h);
    world_pause(h.world, paused);
    int making = create(&h, "other", 60000);
    help_go(&h, 10000);
    assert_int_equal(created(&h, making), WIRE_ERROR_REQUEST_TIMED_OUT);
    int next = create(&h, "another", 60000);
    help_go(&h, 3000);
    int16_t code = created(&h, next); /* by two brokers it has not three replicas */
    assert_true(code == WIRE_ERROR_NONE || code == WIRE_ERROR_INVALID_REPLICATION_FACTOR);
    world_resume(h.world, paused);
    help_run(&h, 10000);
    help_teardown(&h);
}

TEST(a_broker_that_stops_keeps_nobody_waiting)
{
    struct help h;
    help_setup_three(&h, 8, "");
    for (int i = 0; i < 2; i++)
        world_kill(h.world, h.others[i], 0);
    create(&h, "orders", 600000);
    help_go(&h, 500);
    world_stop(h.world, h.broker);
    help_run(&h, 60000);
    assert_int_equal(world_node_life(h.world, h.broker), WORLD_DOWN);
    help_teardown(&h);
}

TEST(the_address_of_a_client_is_told_in_bytes)
{
    static const struct {
        const char *peer;
        size_t size;
        uint8_t bytes[16];
    } rows[] = {
        {"127.0.0.1:4242", 4, {127, 0, 0, 1}},
        {"[::1]:4242", 16, {[15] = 1}},
        {"[2001:db8::7]:1", 16, {0x20, 0x01, 0x0d, 0xb8, [15] = 7}},
        {"client", 4, {0}},
        {"", 4, {0}},
    };
    for (int i = 0; i < COUNT_OF(rows); i++) {
        uint8_t out[BROKER_ADDRESS_MAX];
        assert_int_equal(broker_peer_address(rows[i].peer, out), rows[i].size);
        assert_memory_equal(out, rows[i].bytes, rows[i].size);
    }
}
