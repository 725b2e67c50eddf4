/* ops_test.c - creations, topics and offsets: one answer each, whatever happens on the way. */
#include "rig.h"

static void create(struct rig *r, struct client_create_topic *op)
{
    *op =
        (struct client_create_topic){.topic = "t", .partition_count = 3, .replication_factor = -1};
    rig_submit(r, CLIENT_CREATE_TOPIC, &op->op);
    rig_up(r, -1, CLIENT_LANE_MAIN);
}

static void created(struct rig *r, int16_t code)
{
    struct client_request *request = rig_take(r, 19);
    assert_non_null(request);
    struct wire_create_topics_response_topic topic = {.name = wire_text("t"),
                                                      .error_code = code,
                                                      .error_message = wire_text("because"),
                                                      .num_partitions = 3,
                                                      .replication_factor = 1};
    struct wire_create_topics_response answer = {.topics_count = 1, .topics = &topic};
    rig_answer(r, request, &answer);
}

TEST(a_topic_is_created)
{
    struct rig r;
    struct client_create_topic op;
    rig_init(&r, NULL);
    create(&r, &op);
    created(&r, 0);
    assert_int_equal(op.op.outcome, CLIENT_OK);
    assert_int_equal(op.partition_count_created, 3);
    rig_done(&r);
}

TEST(a_topic_that_is_there_already_is_refused_with_the_brokers_words)
{
    struct rig r;
    struct client_create_topic op;
    rig_init(&r, NULL);
    create(&r, &op);
    created(&r, WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(op.op.outcome, CLIENT_FAILED);
    assert_int_equal(op.op.code, WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    assert_string_equal(op.message, "because");
    rig_done(&r);
}

TEST(a_topic_that_is_there_after_a_lost_answer_counts_as_created)
{
    struct rig r;
    struct client_create_topic op;
    rig_init(&r, NULL);
    create(&r, &op);
    rig_lose(&r, rig_take(&r, 19), true);
    rig_pass(&r, 1000);
    created(&r, WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(op.op.outcome, CLIENT_OK);
    rig_done(&r);
}

TEST(a_creation_without_an_answer_ends_unknown)
{
    struct rig r;
    struct client_create_topic op;
    rig_init(&r, "default.api.timeout.ms", "5000", NULL);
    create(&r, &op);
    rig_pass(&r, 5001);
    assert_int_equal(op.op.outcome, CLIENT_UNKNOWN);
    assert_int_equal(op.op.err, ERR_TIMEOUT);
    created(&r, 0); /* too late */
    assert_int_equal(r.done_count, 1);
    rig_done(&r);
}

TEST(a_creation_that_never_left_failed)
{
    struct rig r;
    struct client_create_topic op = {.topic = "t", .partition_count = 1, .replication_factor = 1};
    rig_init(&r, "default.api.timeout.ms", "5000", NULL);
    rig_submit(&r, CLIENT_CREATE_TOPIC, &op.op);
    rig_pass(&r, 5001);
    assert_int_equal(op.op.outcome, CLIENT_FAILED);
    assert_int_equal(op.op.err, ERR_TIMEOUT);
    rig_done(&r);
}

TEST(topics_are_listed_with_their_partitions)
{
    struct rig r;
    struct client_topics op = {0};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_TOPICS, &op.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    rig_answer_metadata(&r, "orders", 4, 0);
    assert_int_equal(op.op.outcome, CLIENT_OK);
    assert_int_equal(op.topic_count, 1);
    assert_string_equal(op.topics[0].name, "orders");
    assert_int_equal(op.topics[0].partition_count, 4);
    assert_int_equal(op.topics[0].partitions[3].id, 3);
    client_topics_free(&op);
    rig_done(&r);
}

TEST(the_settings_of_a_topic_are_told_with_where_they_come_from)
{
    struct rig r;
    struct client_configs op = {.topic = "t"};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_CONFIGS, &op.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    struct client_request *request = rig_take(&r, 32);
    assert_non_null(request);
    struct wire_describe_configs_response_config rows[] = {
        {.name = wire_text("retention.ms"), .value = wire_text("5"), .config_source = 1},
        {.name = wire_text("segment.ms"), .value = WIRE_NULL_STRING, .config_source = 5}};
    struct wire_describe_configs_response_result result = {
        .resource_type = 2, .resource_name = wire_text("t"), .configs = rows, .configs_count = 2};
    struct wire_describe_configs_response answer = {.results_count = 1, .results = &result};
    rig_answer(&r, request, &answer);
    assert_int_equal(op.op.outcome, CLIENT_OK);
    assert_int_equal(op.setting_count, 2);
    assert_string_equal(op.settings[0].key, "retention.ms");
    assert_string_equal(op.settings[0].value, "5");
    assert_int_equal(op.settings[0].source, CLIENT_SOURCE_TOPIC);
    assert_null(op.settings[1].value);
    assert_int_equal(op.settings[1].source, CLIENT_SOURCE_DEFAULT);
    client_configs_free(&op);
    client_configs_free(&op);
    rig_done(&r);
}

static void tell_brokers(struct rig *r, int32_t id)
{
    struct wire_metadata_response_broker broker = {
        .node_id = id, .host = wire_text("b"), .port = 9092, .rack = WIRE_NULL_STRING};
    struct wire_metadata_response answer;
    wire_defaults(&wire_metadata_response_message, &answer);
    answer.brokers = &broker;
    answer.brokers_count = 1;
    struct client_request *request = rig_take(r, 3);
    assert_non_null(request);
    rig_answer(r, request, &answer);
}

TEST(settings_of_a_broker_are_changed_by_its_id_and_only_validated)
{
    struct rig r;
    struct client_topic_config change = {.key = "log.retention.ms"};
    struct client_change_topic op = {.topic = "7",
                                     .resource = CLIENT_RESOURCE_BROKER,
                                     .validate_only = true,
                                     .configs = &change,
                                     .config_count = 1};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_ALTER_CONFIGS, &op.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    tell_brokers(&r, 7);
    rig_up(&r, 7, CLIENT_LANE_MAIN);
    struct client_request *request = rig_take(&r, 44);
    assert_non_null(request);
    struct wire_incremental_alter_configs_request sent;
    rig_read(&r, request, &sent);
    assert_true(sent.validate_only);
    assert_int_equal(sent.resources[0].resource_type, 4);
    assert_true(wire_string_equal(sent.resources[0].resource_name, wire_text("7")));
    assert_int_equal(sent.resources[0].configs[0].config_operation, 1);
    struct wire_incremental_alter_configs_response_resource row = {
        .error_code = WIRE_ERROR_INVALID_REQUEST, .error_message = wire_text("because")};
    struct wire_incremental_alter_configs_response answer = {.responses_count = 1,
                                                             .responses = &row};
    rig_answer(&r, request, &answer);
    assert_int_equal(op.op.outcome, CLIENT_FAILED);
    assert_string_equal(op.message, "because");
    rig_done(&r);
}

TEST(the_cluster_its_quorum_and_its_disks_are_described)
{
    struct rig r;
    struct client_cluster cluster = {0};
    struct client_quorum quorum = {0};
    struct client_dirs dirs = {0};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_CLUSTER, &cluster.op);
    rig_submit(&r, CLIENT_QUORUM, &quorum.op);
    rig_submit(&r, CLIENT_DIRS, &dirs.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    struct wire_describe_cluster_response_broker broker = {
        .broker_id = 3, .host = wire_text("there"), .port = 9};
    struct wire_describe_cluster_response one = {
        .cluster_id = wire_text("abc"), .controller_id = 3, .brokers = &broker, .brokers_count = 1};
    rig_answer(&r, rig_take(&r, 60), &one);
    assert_int_equal(cluster.op.outcome, CLIENT_OK);
    assert_string_equal(cluster.id, "abc");
    assert_int_equal(cluster.broker_count, 1);
    assert_string_equal(cluster.brokers[0].host, "there");
    struct wire_describe_quorum_response_replica voters[2] = {
        {.replica_id = 3, .log_end_offset = 80, .last_fetch_timestamp = -1},
        {.replica_id = 4, .log_end_offset = 77, .replica_directory_id.b = {7}}};
    struct wire_describe_quorum_response_replica observer = {.replica_id = 5};
    struct wire_describe_quorum_response_partition partition = {.leader_id = 3,
                                                                .leader_epoch = 5,
                                                                .high_watermark = 77,
                                                                .current_voters = voters,
                                                                .current_voters_count = 2,
                                                                .observers = &observer,
                                                                .observers_count = 1};
    struct wire_describe_quorum_response_listener at = {
        .name = wire_text("C"), .host = wire_text("here"), .port = 9};
    struct wire_describe_quorum_response_node node = {
        .node_id = 4, .listeners = &at, .listeners_count = 1};
    struct wire_describe_quorum_response_topic topic = {.partitions = &partition,
                                                        .partitions_count = 1};
    struct wire_describe_quorum_response two = {
        .topics = &topic, .topics_count = 1, .nodes = &node, .nodes_count = 1};
    rig_answer(&r, rig_take(&r, 55), &two);
    assert_int_equal(quorum.op.outcome, CLIENT_OK);
    assert_int_equal(quorum.leader_epoch, 5);
    assert_int_equal(quorum.voter_count, 2);
    assert_int_equal(quorum.high_watermark, 77);
    assert_int_equal(quorum.observer_count, 1);
    assert_int_equal(quorum.replicas[0].end, 80);
    assert_int_equal(quorum.replicas[1].id, 4);
    assert_int_equal(quorum.replicas[1].directory[0], 7);
    assert_string_equal(quorum.replicas[0].endpoint, "");
    assert_string_equal(quorum.replicas[1].endpoint, "C://here:9");
    assert_int_equal(quorum.replicas[2].id, 5);
    struct wire_describe_log_dirs_response_partition parts[] = {{.partition_size = 5},
                                                                {.partition_size = 6}};
    struct wire_describe_log_dirs_response_topic files = {.partitions = parts,
                                                          .partitions_count = 2};
    struct wire_describe_log_dirs_response_result results[] = {
        {.topics = &files, .topics_count = 1}, {.error_code = WIRE_ERROR_KAFKA_STORAGE_ERROR}};
    struct wire_describe_log_dirs_response three = {.results = results, .results_count = 2};
    rig_answer(&r, rig_take(&r, 35), &three);
    assert_int_equal(dirs.op.outcome, CLIENT_OK);
    assert_int_equal(dirs.bytes, 11);
    assert_int_equal(dirs.partition_count, 2);
    assert_int_equal(dirs.dir_count, 2);
    assert_int_equal(dirs.offline_count, 1);
    rig_done(&r);
}

TEST(fenced_brokers_are_asked_for)
{
    struct rig r;
    struct client_cluster cluster = {0};
    struct wire_describe_cluster_request asked;
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_CLUSTER, &cluster.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    struct client_request *request = rig_take(&r, 60);
    rig_read(&r, request, &asked);
    assert_true(asked.include_fenced_brokers);
    struct wire_describe_cluster_response_broker brokers[] = {
        {.broker_id = 1, .host = wire_text("a"), .port = 9},
        {.broker_id = 2, .host = wire_text("b"), .port = 9, .is_fenced = true}};
    struct wire_describe_cluster_response answer = {
        .cluster_id = wire_text("abc"), .brokers = brokers, .brokers_count = 2};
    rig_answer(&r, request, &answer);
    assert_false(cluster.brokers[0].fenced);
    assert_true(cluster.brokers[1].fenced);
    rig_done(&r);
}

TEST(leaders_are_elected_and_each_partition_has_its_code)
{
    struct rig r;
    static const int32_t partitions[] = {0, 1};
    struct client_elect all = {0}, one = {.topic = "t",
                                          .partitions = partitions,
                                          .partition_count = 2,
                                          .unclean = true};
    struct wire_elect_leaders_request asked;
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_ELECT, &all.op);
    rig_submit(&r, CLIENT_ELECT, &one.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    struct client_request *request = rig_take(&r, 43);
    rig_read(&r, request, &asked);
    assert_int_equal(asked.topic_partitions_count, -1);
    assert_int_equal(asked.election_type, 0);
    struct wire_elect_leaders_response answer = {0};
    rig_answer(&r, request, &answer);
    assert_int_equal(all.op.outcome, CLIENT_OK);
    assert_int_equal(all.count, 0);
    request = rig_take(&r, 43);
    rig_read(&r, request, &asked);
    assert_int_equal(asked.topic_partitions_count, 1);
    assert_int_equal(asked.topic_partitions[0].partitions_count, 2);
    assert_int_equal(asked.election_type, 1);
    struct wire_elect_leaders_response_partition rows[] = {
        {.partition_id = 0, .error_message = WIRE_NULL_STRING},
        {.partition_id = 1,
         .error_code = WIRE_ERROR_ELECTION_NOT_NEEDED,
         .error_message = WIRE_NULL_STRING}};
    struct wire_elect_leaders_response_result topic = {
        .topic = wire_text("t"), .partition_result = rows, .partition_result_count = 2};
    answer.replica_election_results = &topic;
    answer.replica_election_results_count = 1;
    rig_answer(&r, request, &answer);
    assert_int_equal(one.count, 2);
    assert_string_equal(one.elected[1].topic, "t");
    assert_int_equal(one.elected[1].partition, 1);
    assert_int_equal(one.elected[1].code, WIRE_ERROR_ELECTION_NOT_NEEDED);
    client_elect_free(&all);
    client_elect_free(&one);
    rig_done(&r);
}

/* Whoever is not there any more may have been seen off by an attempt whose answer was lost. */
TEST(a_broker_is_unregistered_once)
{
    for (int lost = 0; lost < 2; lost++) {
        struct rig r;
        struct client_unregister op = {.broker_id = 4};
        struct wire_unregister_broker_response answer = {
            .error_code = WIRE_ERROR_BROKER_ID_NOT_REGISTERED,
            .error_message = wire_text("no such broker")};
        rig_init(&r, NULL);
        rig_submit(&r, CLIENT_UNREGISTER, &op.op);
        rig_up(&r, -1, CLIENT_LANE_MAIN);
        if (lost == 1) {
            rig_lose(&r, rig_take(&r, 64), true);
            rig_pass(&r, 150);
        }
        rig_answer(&r, rig_take(&r, 64), &answer);
        assert_int_equal(op.op.outcome, lost == 1 ? CLIENT_OK : CLIENT_FAILED);
        assert_string_equal(op.message, "no such broker");
        rig_done(&r);
    }
}

/* By name, whether it is supported, finalized or both; a name that is none is passed over. */
TEST(features_are_told_with_their_levels)
{
    struct rig r;
    struct client_features op = {0};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_FEATURES, &op.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    struct wire_api_versions_response_supported_feature supported[] = {
        {.name = wire_text("two"), .min_version = 1, .max_version = 9},
        {.name = wire_text(""), .max_version = 1},
        {.name = wire_text("one"), .max_version = 2}};
    struct wire_api_versions_response_finalized_feature finalized[] = {
        {.name = wire_text("two"), .max_version_level = 7, .min_version_level = 7},
        {.name = wire_text("three"), .max_version_level = 1, .min_version_level = 1}};
    struct wire_api_versions_response answer = {.supported_features = supported,
                                                .supported_features_count = 3,
                                                .finalized_features = finalized,
                                                .finalized_features_count = 2,
                                                .finalized_features_epoch = 12};
    struct client_request *request = rig_take(&r, 18);
    assert_non_null(request);
    rig_answer(&r, request, &answer);
    assert_int_equal(op.op.outcome, CLIENT_OK);
    assert_int_equal(op.epoch, 12);
    assert_int_equal(op.count, 3);
    assert_string_equal(op.features[0].name, "one");
    assert_int_equal(op.features[0].finalized, 0);
    assert_string_equal(op.features[1].name, "three");
    assert_int_equal(op.features[1].newest, 0);
    assert_string_equal(op.features[2].name, "two");
    assert_int_equal(op.features[2].newest, 9);
    assert_int_equal(op.features[2].finalized, 7);
    rig_done(&r);
}

/* What came of it is not known when its answer is lost. */
TEST(features_are_changed_by_the_controller)
{
    struct rig r;
    struct client_feature wanted = {.name = "metadata.version", .finalized = 26};
    struct client_update_features op = {
        .features = &wanted, .count = 1, .type = CLIENT_SAFE_DOWNGRADE, .validate_only = true};
    struct wire_update_features_request sent;
    struct wire_update_features_response answer = {.error_code = WIRE_ERROR_INVALID_UPDATE_VERSION,
                                                   .error_message = wire_text("because")};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_UPDATE_FEATURES, &op.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    struct client_request *request = rig_take(&r, 57);
    assert_non_null(request);
    rig_read(&r, request, &sent);
    assert_true(sent.validate_only);
    assert_int_equal(sent.feature_updates_count, 1);
    assert_int_equal(sent.feature_updates[0].max_version_level, 26);
    assert_int_equal(sent.feature_updates[0].upgrade_type, 2);
    rig_answer(&r, request, &answer);
    assert_int_equal(op.op.outcome, CLIENT_FAILED);
    assert_string_equal(op.message, "because");
    rig_done(&r);
}

TEST(the_partitions_of_a_topic_are_described_with_who_may_lead_them)
{
    struct rig r;
    struct client_topics op = {.topic = "t"};
    int32_t replicas[] = {1, 2, 3}, elr[] = {3};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_PARTITIONS, &op.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    struct wire_describe_topic_partitions_response_partition row = {
        .leader_id = 2,
        .leader_epoch = 5,
        .replica_nodes = replicas,
        .replica_nodes_count = 3,
        .isr_nodes = replicas + 1,
        .isr_nodes_count = 1,
        .eligible_leader_replicas = elr,
        .eligible_leader_replicas_count = 1,
        .last_known_elr_count = -1,
        .offline_replicas = replicas,
        .offline_replicas_count = 1};
    struct wire_describe_topic_partitions_response_topic topic = {
        .name = wire_text("t"), .partitions = &row, .partitions_count = 1};
    struct wire_describe_topic_partitions_response answer = {
        .topics = &topic, .topics_count = 1, .next_cursor_count = -1};
    rig_answer(&r, rig_take(&r, 75), &answer);
    assert_int_equal(op.op.outcome, CLIENT_OK);
    const struct client_partition_info *p = &op.topics[0].partitions[0];
    assert_int_equal(p->leader, 2);
    assert_int_equal(p->replicas.count, 3);
    assert_int_equal(p->isr.ids[0], 2);
    assert_int_equal(p->elr.ids[0], 3);
    assert_int_equal(p->offline.ids[0], 1);
    client_topics_free(&op);
    rig_done(&r);
}

TEST(an_offset_is_asked_of_the_leader)
{
    struct rig r;
    struct client_offsets op = {
        .topic = "t", .partition = 1, .timestamp_ms = CLIENT_TIMESTAMP_LATEST};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_OFFSETS, &op.op);
    rig_cluster(&r, "t", 2);
    struct client_request *request = rig_take(&r, 2);
    assert_non_null(request);
    assert_int_equal(request->node, 0);
    struct wire_list_offsets_response_partition part = {
        .partition_index = 1, .timestamp = -1, .offset = 77, .leader_epoch = 0};
    struct wire_list_offsets_response_topic topic = {
        .name = wire_text("t"), .partitions_count = 1, .partitions = &part};
    struct wire_list_offsets_response answer = {.topics_count = 1, .topics = &topic};
    rig_answer(&r, request, &answer);
    assert_int_equal(op.op.outcome, CLIENT_OK);
    assert_int_equal(op.offset, 77);
    rig_done(&r);
}

TEST(a_broker_that_cannot_be_reached_is_followed_by_the_next_one)
{
    struct rig r;
    struct client_topics op = {0};
    rig_init(&r, "bootstrap.servers", "a:1,b:2,c:3", NULL);
    rig_submit(&r, CLIENT_TOPICS, &op.op);
    for (int32_t node = -1; node >= -3; node--) {
        assert_true(rig_wanted(&r, node, CLIENT_LANE_MAIN));
        rig_down(&r, node, CLIENT_LANE_MAIN);
    }
    assert_true(rig_wanted(&r, -1, CLIENT_LANE_MAIN));
    rig_done(&r);
}

TEST(a_broker_that_speaks_no_version_of_ours_is_said)
{
    struct rig r;
    struct client_create_topic op = {.topic = "t", .partition_count = 1, .replication_factor = 1};
    static const struct client_api_version old[] = {{3, 0, 4}, {19, 0, 1}};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_CREATE_TOPIC, &op.op);
    rig_step(&r, (struct client_event){.kind = CLIENT_EV_LANE_UP,
                                       .node = -1,
                                       .lane = CLIENT_LANE_MAIN,
                                       .apis = old,
                                       .api_count = 2});
    assert_int_equal(op.op.outcome, CLIENT_FAILED);
    assert_int_equal(op.op.code, WIRE_ERROR_UNSUPPORTED_VERSION);
    rig_done(&r);
}

TEST(configs_of_a_new_topic_reach_the_broker)
{
    struct rig r;
    static const struct client_topic_config configs[] = {{"retention.ms", "1000"},
                                                         {"segment.bytes", "65536"}};
    struct client_create_topic op = {
        .topic = "t", .partition_count = 1, .configs = configs, .config_count = 2};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_CREATE_TOPIC, &op.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    struct wire_create_topics_request in;
    rig_read(&r, LIST_FIRST(&r.requests, struct client_request, link), &in);
    assert_int_equal(in.topics[0].configs_count, 2);
    assert_true(wire_string_equal(in.topics[0].configs[1].name, wire_text("segment.bytes")));
    assert_true(wire_string_equal(in.topics[0].configs[1].value, wire_text("65536")));
    rig_done(&r);
}

TEST(the_offset_of_a_topic_that_does_not_exist_fails_when_its_time_is_over)
{
    struct rig r;
    struct client_offsets op = {.topic = "t", .timestamp_ms = CLIENT_TIMESTAMP_LATEST};
    rig_init(&r, "default.api.timeout.ms", "3000", NULL);
    rig_submit(&r, CLIENT_OFFSETS, &op.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    rig_answer_metadata(&r, "t", 0, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_true(op.op.in_flight);
    rig_pass(&r, 3001);
    assert_int_equal(op.op.outcome, CLIENT_FAILED);
    assert_int_equal(op.op.code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    rig_done(&r);
}

TEST(the_offset_of_a_topic_that_may_not_be_read_fails_at_once)
{
    struct rig r;
    struct client_offsets op = {.topic = "t", .timestamp_ms = CLIENT_TIMESTAMP_LATEST};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_OFFSETS, &op.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    rig_answer_metadata(&r, "t", 0, WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED);
    assert_int_equal(op.op.outcome, CLIENT_FAILED);
    assert_int_equal(op.op.code, WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED);
    rig_done(&r);
}

TEST(what_is_asked_after_the_close_is_cancelled)
{
    struct rig r;
    struct client_topics op = {0};
    rig_init(&r, NULL);
    rig_step(&r, (struct client_event){.kind = CLIENT_EV_CLOSE});
    rig_submit(&r, CLIENT_TOPICS, &op.op);
    assert_false(op.op.in_flight);
    assert_int_equal(op.op.err, ERR_CANCELLED);
    rig_done(&r);
}

/* ---- brokers' own settings ---- */

TEST(what_is_set_for_a_broker_is_asked_of_that_broker)
{
    struct rig r;
    struct client_configs asked = {.topic = "5", .resource = CLIENT_RESOURCE_BROKER};
    struct client_topic_config config = {.key = "k", .value = "v"};
    struct client_change_topic change = {
        .topic = "5", .resource = CLIENT_RESOURCE_BROKER, .configs = &config, .config_count = 1};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_CONFIGS, &asked.op);
    rig_submit(&r, CLIENT_ALTER_CONFIGS, &change.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    assert_int_equal(rig_count(&r, 32), 0); /* who asks the wrong one is refused */
    tell_brokers(&r, 5);
    assert_true(rig_wanted(&r, 5, CLIENT_LANE_MAIN));
    rig_up(&r, 5, CLIENT_LANE_MAIN);
    struct client_request *describe = rig_take(&r, 32);
    struct client_request *alter = rig_take(&r, 44);
    assert_non_null(describe);
    assert_non_null(alter);
    assert_int_equal(describe->node, 5);
    assert_int_equal(alter->node, 5);
    rig_lose(&r, describe, true);
    rig_lose(&r, alter, true);
    rig_done(&r);
}

/* It may have come since the nodes were told last. */
TEST(a_broker_that_is_not_named_is_asked_for_again_and_then_told_to_be_absent)
{
    struct rig r;
    struct client_configs op = {.topic = "6", .resource = CLIENT_RESOURCE_BROKER};
    rig_init(&r, NULL);
    rig_submit(&r, CLIENT_CONFIGS, &op.op);
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    for (int i = 0; i < 3 && op.op.in_flight; i++) {
        tell_brokers(&r, 5);
        rig_pass(&r, 500);
    }
    assert_false(op.op.in_flight);
    assert_int_equal(op.op.outcome, CLIENT_FAILED);
    assert_int_equal(op.op.code, WIRE_ERROR_BROKER_NOT_AVAILABLE);
    rig_done(&r);
}

/* ---- controllers ---- */

static void tell_controllers(struct rig *r, int32_t leader)
{
    struct wire_describe_cluster_response_broker nodes[] = {
        {.broker_id = 101, .host = wire_text("one"), .port = 9093},
        {.broker_id = 102, .host = wire_text("two"), .port = 9093}};
    struct wire_describe_cluster_response answer = {
        .endpoint_type = 2, .controller_id = leader, .brokers = nodes, .brokers_count = 2};
    struct client_request *request = rig_take(r, 60);
    assert_non_null(request);
    rig_answer(r, request, &answer);
}

/* Its listener serves no Metadata. */
TEST(a_controller_that_is_taken_for_a_broker_is_known_by_what_it_serves)
{
    struct rig r;
    struct client_api_version apis[] = {{18, 0, 4}, {55, 0, 2}, {60, 0, 2}};
    rig_init(&r, "bootstrap.servers", "a:1,b:2", NULL);
    assert_false(client_met_controller(r.client));
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    assert_false(client_met_controller(r.client));
    rig_step(&r, (struct client_event){.kind = CLIENT_EV_LANE_UP,
                                       .node = -2,
                                       .lane = CLIENT_LANE_MAIN,
                                       .apis = apis,
                                       .api_count = COUNT_OF(apis)});
    assert_true(client_met_controller(r.client));
    rig_done(&r);
}

TEST(an_order_goes_to_the_controller_that_leads_and_follows_it)
{
    struct rig r;
    struct client_create_topic op;
    rig_init(&r, "bootstrap.controllers", "one:9093,two:9093", NULL);
    create(&r, &op);
    tell_controllers(&r, 102);
    created(&r, WIRE_ERROR_NOT_CONTROLLER); /* asked before anybody knew */
    rig_pass(&r, 1000);
    tell_controllers(&r, 102);
    rig_up(&r, 102, CLIENT_LANE_MAIN);
    struct client_request *request = rig_take(&r, 19);
    assert_non_null(request);
    assert_int_equal(request->node, 102);
    struct wire_create_topics_response_topic topic = {.name = wire_text("t"), .num_partitions = 3};
    struct wire_create_topics_response answer = {.topics_count = 1, .topics = &topic};
    rig_answer(&r, request, &answer);
    assert_int_equal(op.op.outcome, CLIENT_OK);
    rig_done(&r);
}
