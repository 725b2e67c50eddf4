/* brokers_test.c - an image of several brokers, as the clients of one of them see it: some fenced,
 * some without the listener by which the clients came. */
#include "node/internal.h"
#include "support/broker/help.h"

/* What the others ask the controller; in place until it is done. */
static struct creation {
    struct controller_register_broker registration;
    struct controller_heartbeat heartbeat;
    struct wire_register_broker_record record;
    struct wire_register_broker_record_endpoint endpoint;
    struct wire_register_broker_record_feature feature;
    struct wire_uuid directory;
    struct quorum_request request;
} orders[5];

static void on_done(struct quorum_request *request)
{
    assert_int_equal(request->command->code, WIRE_ERROR_NONE);
}

static void register_one(struct broker *b, int32_t id, const char *listener, const char *rack)
{
    struct creation *o = &orders[id];
    *o = (struct creation){.directory = {.b = {(uint8_t)id}}};
    o->endpoint = (struct wire_register_broker_record_endpoint){
        .name = wire_text(listener), .host = wire_text("elsewhere"), .port = (uint16_t)(9000 + id)};
    o->feature = (struct wire_register_broker_record_feature){
        .name = wire_text("metadata.version"),
        .min_supported_version = METADATA_VERSION_OLDEST,
        .max_supported_version = METADATA_VERSION};
    wire_defaults(&wire_register_broker_record_message, &o->record);
    o->record.broker_id = id;
    o->record.incarnation_id.b[0] = (uint8_t)id;
    o->record.end_points = &o->endpoint;
    o->record.end_points_count = 1;
    o->record.features = &o->feature;
    o->record.features_count = 1;
    o->record.log_dirs = &o->directory;
    o->record.log_dirs_count = 1;
    o->record.rack = rack == NULL ? WIRE_NULL_STRING : wire_text(rack);
    controller_register_broker_init(&o->registration);
    o->registration.record = &o->record;
    o->registration.previous_epoch = -1;
    quorum_submit(b->quorum, &o->request, &o->registration.command, QUORUM_COMMITTED, on_done);
}

static void register_all(struct help *h, struct broker *b)
{
    (void)h;
    register_one(b, 2, "PLAINTEXT", "west");
    register_one(b, 3, "INTERNAL", NULL);
    register_one(b, 4, "PLAINTEXT", NULL);
}

static void beat(struct broker *b, int32_t id, bool fence)
{
    struct creation *o = &orders[id];
    controller_heartbeat_init(&o->heartbeat);
    o->heartbeat.broker_id = id;
    o->heartbeat.broker_epoch = o->registration.epoch;
    o->heartbeat.metadata_offset = INT32_MAX;
    o->heartbeat.want_fence = fence;
    quorum_submit(b->quorum, &o->request, &o->heartbeat.command, QUORUM_COMMITTED, on_done);
}

static void unfence_two(struct help *h, struct broker *b)
{
    (void)h;
    beat(b, 2, false);
    beat(b, 3, false);
}

static void fence_one(struct help *h, struct broker *b)
{
    (void)h;
    beat(b, 2, true);
}

/* Of four brokers this one, one more, one of another listener, and one that is fenced. */
static void make_four(struct help *h, uint64_t seed)
{
    help_setup(h, seed, "");
    help_act(h, register_all, 100);
    help_act(h, unfence_two, 100);
}

/* Partitions 0 to 3: led by this broker; by the other one; by the one of another listener; by the
 * other one, and with a replica on the one that is fenced. */
static void make_partitions(struct help *h)
{
    int32_t replicas[][2] = {{1, 2}, {2, 1}, {3, 1}, {2, 4}};
    struct wire_create_topics_request_assignment rows[4];
    for (int32_t i = 0; i < COUNT_OF(rows); i++)
        rows[i] = (struct wire_create_topics_request_assignment){
            .partition_index = i, .broker_ids = replicas[i], .broker_ids_count = 2};
    struct wire_create_topics_request_topic topic = {.name = wire_text(HELP_TOPIC),
                                                     .num_partitions = -1,
                                                     .replication_factor = -1,
                                                     .assignments = rows,
                                                     .assignments_count = COUNT_OF(rows)};
    struct wire_create_topics_request body;
    wire_defaults(&wire_create_topics_request_message, &body);
    body.topics = &topic;
    body.topics_count = 1;
    int call = help_call(h, 19, 7, &body);
    help_go(h, 500);
    struct wire_create_topics_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_NONE);
}

static struct wire_metadata_response ask(struct help *h, int16_t version)
{
    struct wire_metadata_request_topic topic = {.name = wire_text(HELP_TOPIC)};
    struct wire_metadata_request body;
    wire_defaults(&wire_metadata_request_message, &body);
    body.topics = &topic;
    body.topics_count = 1;
    int call = help_call(h, 3, version, &body);
    help_go(h, 300);
    struct wire_metadata_response answer;
    help_expect(h, call, &answer);
    return answer;
}

TEST(clients_are_told_of_brokers_that_are_not_fenced_and_have_their_listener)
{
    struct help h;
    make_four(&h, 70);
    for (int16_t v = 0; v <= 13; v++) {
        struct wire_metadata_response answer = ask(&h, v);
        assert_int_equal(answer.brokers_count, 2);
        assert_int_equal(answer.brokers[0].node_id, 1);
        assert_true(wire_string_equal(answer.brokers[0].host, wire_text("broker")));
        assert_int_equal(answer.brokers[1].node_id, 2);
        assert_true(wire_string_equal(answer.brokers[1].host, wire_text("elsewhere")));
        assert_int_equal(answer.brokers[1].port, 9002);
        assert_true(v == 0 || wire_string_equal(answer.brokers[1].rack, wire_text("west")));
        assert_true(v == 0 || answer.controller_id == 1); /* it leads the quorum */
    }
    help_teardown(&h);
}

TEST(each_partition_has_its_leader_replicas_and_who_is_in_sync)
{
    struct help h;
    make_four(&h, 71);
    make_partitions(&h);
    struct wire_metadata_response_topic topic = ask(&h, 13).topics[0];
    static const int32_t leaders[] = {1, 2, -1, 2};
    assert_int_equal(topic.partitions_count, 4);
    for (int32_t i = 0; i < topic.partitions_count; i++) {
        const struct wire_metadata_response_partition *p = &topic.partitions[i];
        assert_int_equal(p->leader_id, leaders[i]);
        assert_int_equal(p->error_code, i == 2 ? WIRE_ERROR_LISTENER_NOT_FOUND : WIRE_ERROR_NONE);
        assert_int_equal(p->replica_nodes_count, 2);
        assert_int_equal(p->isr_nodes_count, i < 3 ? 2 : 1);
        assert_int_equal(p->offline_replicas_count, i >= 2);
    }
    assert_int_equal(topic.partitions[1].replica_nodes[0], 2);
    assert_int_equal(topic.partitions[1].replica_nodes[1], 1);
    assert_int_equal(topic.partitions[2].offline_replicas[0], 3);
    assert_int_equal(topic.partitions[3].offline_replicas[0], 4);
    help_teardown(&h);
}

/* Version 0 knows no replica that cannot be reached, and those before 6 no missing listener. */
TEST(old_versions_say_it_in_their_own_codes)
{
    struct help h;
    make_four(&h, 72);
    make_partitions(&h);
    for (int16_t v = 0; v <= 6; v++) {
        struct wire_metadata_response_topic topic = ask(&h, v).topics[0];
        assert_int_equal(topic.partitions[2].error_code,
                         v < 6 ? WIRE_ERROR_LEADER_NOT_AVAILABLE : WIRE_ERROR_LISTENER_NOT_FOUND);
        assert_int_equal(topic.partitions[2].replica_nodes_count, v == 0 ? 1 : 2);
        assert_int_equal(topic.partitions[0].error_code, WIRE_ERROR_NONE);
    }
    help_act(&h, fence_one, 300);
    for (int16_t v = 0; v <= 1; v++)
        assert_int_equal(ask(&h, v).topics[0].partitions[0].error_code,
                         v == 0 ? WIRE_ERROR_REPLICA_NOT_AVAILABLE : WIRE_ERROR_NONE);
    help_teardown(&h);
}

TEST(a_replica_on_a_fenced_broker_is_offline_and_without_another_there_is_no_leader)
{
    struct help h;
    make_four(&h, 73);
    make_partitions(&h);
    help_act(&h, fence_one, 300);
    struct wire_metadata_response answer = ask(&h, 13);
    struct wire_metadata_response_partition *p = answer.topics[0].partitions;
    assert_int_equal(answer.brokers_count, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(p[i].error_code, WIRE_ERROR_NONE);
        assert_int_equal(p[i].leader_id, 1);
        assert_int_equal(p[i].isr_nodes_count, 1);
        assert_int_equal(p[i].replica_nodes_count, 2);
        assert_int_equal(p[i].offline_replicas_count, 1);
        assert_int_equal(p[i].offline_replicas[0], 2);
    }
    assert_int_equal(p[3].error_code, WIRE_ERROR_LEADER_NOT_AVAILABLE);
    assert_int_equal(p[3].leader_id, -1);
    assert_int_equal(p[3].offline_replicas_count, 2);
    help_teardown(&h);
}

TEST(topic_partitions_are_described_with_their_leaders_and_who_may_lead)
{
    struct help h;
    make_four(&h, 74);
    make_partitions(&h);
    help_act(&h, fence_one, 300);
    struct wire_describe_topic_partitions_request_topic topic = {.name = wire_text(HELP_TOPIC)};
    struct wire_describe_topic_partitions_request body;
    wire_defaults(&wire_describe_topic_partitions_request_message, &body);
    body.topics = &topic;
    body.topics_count = 1;
    int call = help_call(&h, 75, 0, &body);
    help_go(&h, 300);
    struct wire_describe_topic_partitions_response answer;
    help_expect(&h, call, &answer);
    const struct wire_describe_topic_partitions_response_partition *p = answer.topics[0].partitions;
    assert_int_equal(answer.topics[0].partitions_count, 4);
    assert_int_equal(p[0].leader_id, 1);
    assert_int_equal(p[0].replica_nodes_count, 2);
    assert_int_equal(p[0].isr_nodes_count, 1);
    assert_int_equal(p[0].eligible_leader_replicas_count, 0);
    assert_int_equal(p[0].offline_replicas_count, 1);
    assert_int_equal(p[2].error_code, WIRE_ERROR_LISTENER_NOT_FOUND);
    assert_int_equal(p[3].leader_id, -1);
    help_teardown(&h);
}

static struct wire_describe_cluster_response describe(struct help *h, int16_t version, bool fenced)
{
    struct wire_describe_cluster_request body;
    wire_defaults(&wire_describe_cluster_request_message, &body);
    body.include_fenced_brokers = fenced;
    int call = help_call(h, 60, version, &body);
    help_go(h, 300);
    struct wire_describe_cluster_response answer;
    help_expect(h, call, &answer);
    return answer;
}

TEST(fenced_brokers_belong_to_the_cluster_for_who_asks_for_them)
{
    struct help h;
    make_four(&h, 75);
    for (int16_t v = 0; v <= 2; v++) {
        struct wire_describe_cluster_response answer = describe(&h, v, false);
        assert_int_equal(answer.brokers_count, 2);
        assert_int_equal(answer.controller_id, 1);
        assert_true(wire_string_equal(answer.brokers[1].rack, wire_text("west")));
    }
    struct wire_describe_cluster_response answer = describe(&h, 2, true);
    assert_int_equal(answer.brokers_count, 3);
    assert_int_equal(answer.brokers[2].broker_id, 4);
    assert_true(answer.brokers[2].is_fenced);
    assert_false(answer.brokers[1].is_fenced);
    help_teardown(&h);
}

/* KIP-951: it need not be asked for. */
TEST(who_asks_the_wrong_broker_is_told_of_the_right_one)
{
    struct help h;
    make_four(&h, 76);
    make_partitions(&h);
    struct wire_uuid id = ask(&h, 13).topics[0].topic_id;
    for (int16_t v = 9; v <= 13; v++) {
        struct help_produce p;
        help_produce_init(&p, id, -1, help_batch(&h, 1, -1, 0, 1000));
        p.partition.index = 1;
        int call = help_call(&h, 0, v, &p.body);
        help_go(&h, 300);
        struct wire_produce_response answer;
        help_expect(&h, call, &answer);
        const struct wire_produce_response_partition *out =
            &answer.responses[0].partition_responses[0];
        assert_int_equal(out->error_code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
        assert_int_equal(out->current_leader.leader_id, v < 10 ? -1 : 2);
        assert_int_equal(answer.node_endpoints_count, v < 10 ? 0 : 1);
        if (v >= 10)
            assert_int_equal(answer.node_endpoints[0].port, 9002);
    }
    for (int16_t v = 15; v <= 18; v++) {
        struct help_fetch f;
        help_fetch_init(&f, id, 0);
        f.partition.partition = 3; /* of which it has no replica: who follows serves (KIP-392) */
        int call = help_call(&h, 1, v, &f.body);
        help_go(&h, 300);
        struct wire_fetch_response answer;
        help_expect(&h, call, &answer);
        const struct wire_fetch_response_partition *out = &answer.responses[0].partitions[0];
        assert_int_equal(out->error_code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
        assert_int_equal(out->current_leader.leader_id, v < 16 ? -1 : 2);
        assert_int_equal(answer.node_endpoints_count, v < 16 ? 0 : 1);
    }
    help_teardown(&h);
}
