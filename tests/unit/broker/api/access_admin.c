/* access_admin.c - the usual questions of administrators, for who looks who may ask them. */
#include "access_admin.h"

int access_page(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_describe_topic_partitions_request_topic row = {.name = wire_text(topic)};
    struct wire_describe_topic_partitions_request body;
    (void)id;
    wire_defaults(&wire_describe_topic_partitions_request_message, &body);
    body.topics = &row;
    body.topics_count = 1;
    return help_call(h, 75, 0, &body);
}

int16_t access_paged(struct help *h, int call)
{
    struct wire_describe_topic_partitions_response answer;
    help_expect(h, call, &answer);
    return answer.topics[0].error_code;
}

int access_look_at_dirs(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_describe_log_dirs_request body = {.topics_count = -1};
    (void)topic;
    (void)id;
    return help_call(h, 35, 5, &body);
}

int16_t access_dirs_seen(struct help *h, int call)
{
    struct wire_describe_log_dirs_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.results_count, answer.error_code == 0 ? 1 : 0);
    return answer.error_code;
}

int access_look_at_quorum(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_describe_quorum_request body = {.topics_count = 0};
    (void)topic;
    (void)id;
    return help_call(h, 55, 2, &body);
}

int16_t access_quorum_seen(struct help *h, int call)
{
    struct wire_describe_quorum_response answer;
    help_expect(h, call, &answer);
    return answer.error_code;
}

int access_list_resources(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_list_config_resources_request body = {.resource_types_count = 0};
    (void)topic;
    (void)id;
    return help_call(h, 74, 1, &body);
}

int16_t access_resources_seen(struct help *h, int call)
{
    struct wire_list_config_resources_response answer;
    help_expect(h, call, &answer);
    assert_true((answer.error_code == 0) == (answer.config_resources_count > 0));
    return answer.error_code;
}

int access_raise_feature(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_update_features_request body;
    (void)topic;
    (void)id;
    wire_defaults(&wire_update_features_request_message, &body);
    return help_call(h, 57, 2, &body);
}

int access_unregister(struct help *h, const char *topic, struct wire_uuid id)
{
    struct wire_unregister_broker_request body = {.broker_id = 77};
    (void)topic;
    (void)id;
    return help_call(h, 64, 0, &body);
}

int16_t access_unregistered(struct help *h, int call)
{
    struct wire_unregister_broker_response answer;
    help_expect(h, call, &answer);
    return answer.error_code;
}

int16_t access_feature_raised(struct help *h, int call)
{
    struct wire_update_features_response answer;
    help_expect(h, call, &answer);
    return answer.error_code;
}

static int elect_of(struct help *h, const char *topic, int version)
{
    int32_t partition = 0;
    struct wire_elect_leaders_request_topic row = {
        .topic = wire_text(topic), .partitions = &partition, .partitions_count = 1};
    struct wire_elect_leaders_request body = {
        .topic_partitions = &row, .topic_partitions_count = 1, .timeout_ms = 1000};
    return help_call(h, 43, (int16_t)version, &body);
}

int access_elect(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)id;
    return elect_of(h, topic, 2);
}

int access_elect_at_first(struct help *h, const char *topic, struct wire_uuid id)
{
    (void)id;
    return elect_of(h, topic, 0);
}

/* Its one leader is the preferred one already, which is told of the partition. */
int16_t access_elected(struct help *h, int call)
{
    struct wire_elect_leaders_response answer;
    help_expect(h, call, &answer);
    if (answer.error_code == WIRE_ERROR_NONE)
        assert_int_equal(answer.replica_election_results[0].partition_result[0].error_code,
                         WIRE_ERROR_ELECTION_NOT_NEEDED);
    return answer.error_code;
}

/* Version 0 has no code but the partitions'. */
int16_t access_elected_at_first(struct help *h, int call)
{
    struct wire_elect_leaders_response answer;
    help_expect(h, call, &answer);
    int16_t code = answer.replica_election_results[0].partition_result[0].error_code;
    return code == WIRE_ERROR_ELECTION_NOT_NEEDED ? WIRE_ERROR_NONE : code;
}
