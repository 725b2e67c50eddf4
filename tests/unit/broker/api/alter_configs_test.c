/* alter_configs_test.c - settings and partitions of topics that are there: each way to change them,
 * each refusal, and that partitions which are open go by them. */
#include <stdio.h>
#include "support/broker/help.h"

struct change {
    const char *key, *value; /* value NULL: null */
    int8_t op;
};

#define TOPIC 2
#define BROKER 4

static int ask(struct help *h, int16_t version, int8_t type, const char *topic,
               const struct change *changes, int32_t count, bool validate_only)
{
    struct wire_incremental_alter_configs_request_config configs[8];
    for (int32_t i = 0; i < count; i++)
        configs[i] = (struct wire_incremental_alter_configs_request_config){
            .name = wire_text(changes[i].key),
            .config_operation = changes[i].op,
            .value = changes[i].value == NULL ? WIRE_NULL_STRING : wire_text(changes[i].value)};
    struct wire_incremental_alter_configs_request_resource resource = {.resource_type = type,
                                                                       .resource_name =
                                                                           wire_text(topic),
                                                                       .configs = configs,
                                                                       .configs_count = count};
    struct wire_incremental_alter_configs_request body = {
        .resources = &resource, .resources_count = 1, .validate_only = validate_only};
    return help_call(h, 44, version, &body);
}

static int16_t altered(struct help *h, int call)
{
    struct wire_incremental_alter_configs_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.responses_count, 1);
    int16_t code = answer.responses[0].error_code;
    assert_true((code != 0) == (answer.responses[0].error_message.size > 0));
    return code;
}

static int16_t alter(struct help *h, const struct change *changes, int32_t count)
{
    int call = ask(h, 1, TOPIC, HELP_TOPIC, changes, count, false);
    help_go(h, 300);
    return altered(h, call);
}

/* What is set for the topic itself; "": nothing. */
static void setting(struct help *h, const char *key, char out[64])
{
    struct wire_string name = wire_text(key);
    struct wire_describe_configs_request_resource resource = {.resource_type = TOPIC,
                                                              .resource_name =
                                                                  wire_text(HELP_TOPIC),
                                                              .configuration_keys = &name,
                                                              .configuration_keys_count = 1};
    struct wire_describe_configs_request body = {.resources = &resource, .resources_count = 1};
    int call = help_call(h, 32, 4, &body);
    help_go(h, 300);
    struct wire_describe_configs_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.results[0].error_code, 0);
    assert_int_equal(answer.results[0].configs_count, 1);
    const struct wire_describe_configs_response_config *config = &answer.results[0].configs[0];
    snprintf(out, 64, "%.*s", config->config_source == 1 ? (int)config->value.size : 0,
             config->value.data);
}

#define SETTING(h, key, wanted)                                                                    \
    do {                                                                                           \
        char text[64];                                                                             \
        setting((h), (key), text);                                                                 \
        assert_string_equal(text, wanted);                                                         \
    } while (0)

TEST(a_key_is_set_and_deleted_and_the_others_stay)
{
    struct help h;
    help_setup(&h, 1, "");
    help_make_topic(&h);
    for (int16_t v = 0; v <= 1; v++) {
        struct change set[] = {{"retention.ms", "60000", 0}, {"segment.bytes", "1048576", 0}};
        int call = ask(&h, v, TOPIC, HELP_TOPIC, set, 2, false);
        help_go(&h, 300);
        assert_int_equal(altered(&h, call), 0);
        SETTING(&h, "retention.ms", "60000");
        struct change gone[] = {{"retention.ms", NULL, 1}};
        call = ask(&h, v, TOPIC, HELP_TOPIC, gone, 1, false);
        help_go(&h, 300);
        assert_int_equal(altered(&h, call), 0);
        SETTING(&h, "retention.ms", "");
        SETTING(&h, "segment.bytes", "1048576");
    }
    help_restart(&h);
    SETTING(&h, "segment.bytes", "1048576");
    help_teardown(&h);
}

/* ConfigurationControlManager.incrementalAlterConfigResource */
TEST(a_list_is_added_to_and_subtracted_from)
{
    struct help h;
    help_setup(&h, 2, "");
    help_make_topic(&h);
    const char *key = "leader.replication.throttled.replicas";
    assert_int_equal(alter(&h, &(struct change){key, "0:1,1:1", 2}, 1), 0);
    assert_int_equal(alter(&h, &(struct change){key, "1:1,2:1", 2}, 1), 0);
    SETTING(&h, key, "0:1,1:1,2:1");
    assert_int_equal(alter(&h, &(struct change){key, "1:1", 3}, 1), 0);
    SETTING(&h, key, "0:1,2:1");
    assert_int_equal(alter(&h, &(struct change){"retention.ms", "1", 2}, 1),
                     WIRE_ERROR_INVALID_CONFIG);
    help_teardown(&h);
}

TEST(what_cannot_be_set_is_refused_and_nothing_changes)
{
    struct help h;
    help_setup(&h, 3, "");
    help_make_topic(&h);
    struct change half[] = {{"retention.ms", "60000", 0}, {"segment.bytes", "soon", 0}};
    assert_int_equal(alter(&h, half, 2), WIRE_ERROR_INVALID_CONFIG);
    SETTING(&h, "retention.ms", "");
    assert_int_equal(alter(&h, &(struct change){"no.such.key", "1", 0}, 1),
                     WIRE_ERROR_INVALID_CONFIG);
    assert_int_equal(alter(&h, &(struct change){"no.such.key", NULL, 1}, 1), 0);
    assert_int_equal(alter(&h, &(struct change){"retention.ms", NULL, 0}, 1),
                     WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(alter(&h, &(struct change){"retention.ms", "1", 4}, 1),
                     WIRE_ERROR_INVALID_REQUEST);
    struct change twice[] = {{"retention.ms", "1", 0}, {"retention.ms", "2", 0}};
    assert_int_equal(alter(&h, twice, 2), WIRE_ERROR_INVALID_REQUEST);
    struct change good = {"retention.ms", "60000", 0};
    int broker = ask(&h, 1, BROKER, "9", &good, 1, false);
    int unknown = ask(&h, 1, TOPIC, "nobody", &good, 1, false);
    int nameless = ask(&h, 1, TOPIC, "", &good, 1, false);
    int misnamed = ask(&h, 1, TOPIC, "a b", &good, 1, false);
    int other = ask(&h, 1, 99, "x", &good, 1, false);
    help_go(&h, 300);
    assert_int_equal(altered(&h, broker), WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(altered(&h, unknown), WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(altered(&h, nameless), WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(altered(&h, misnamed), WIRE_ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(altered(&h, other), WIRE_ERROR_INVALID_REQUEST);
    help_teardown(&h);
}

TEST(what_is_only_validated_does_not_change)
{
    struct help h;
    help_setup(&h, 4, "");
    help_make_topic(&h);
    struct change good = {"retention.ms", "60000", 0}, bad = {"retention.ms", "-7", 0};
    int first = ask(&h, 1, TOPIC, HELP_TOPIC, &good, 1, true);
    int second = ask(&h, 1, TOPIC, HELP_TOPIC, &bad, 1, true);
    help_go(&h, 300);
    assert_int_equal(altered(&h, first), 0);
    assert_int_equal(altered(&h, second), WIRE_ERROR_INVALID_CONFIG);
    SETTING(&h, "retention.ms", "");
    help_teardown(&h);
}

/* AlterConfigs says all of it: what it does not name has its default again. */
TEST(the_old_way_replaces_all_that_is_set)
{
    struct help h;
    help_setup(&h, 5, "");
    help_make_topic(&h);
    struct change set[] = {{"retention.ms", "60000", 0}, {"segment.bytes", "1048576", 0}};
    for (int16_t v = 0; v <= 2; v++) {
        assert_int_equal(alter(&h, set, 2), 0);
        struct wire_alter_configs_request_config config = {.name = wire_text("retention.ms"),
                                                           .value = wire_text("70000")};
        struct wire_alter_configs_request_resource resources[] = {
            {.resource_type = TOPIC,
             .resource_name = wire_text(HELP_TOPIC),
             .configs = &config,
             .configs_count = 1},
            {.resource_type = TOPIC, .resource_name = wire_text("twice")},
            {.resource_type = TOPIC, .resource_name = wire_text("twice")}};
        struct wire_alter_configs_request body = {.resources = resources, .resources_count = 3};
        int call = help_call(&h, 33, v, &body);
        help_go(&h, 300);
        struct wire_alter_configs_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(answer.responses_count, 3);
        assert_int_equal(answer.responses[0].error_code, 0);
        assert_int_equal(answer.responses[1].error_code, WIRE_ERROR_INVALID_REQUEST);
        assert_int_equal(answer.responses[2].error_code, WIRE_ERROR_INVALID_REQUEST);
        SETTING(&h, "retention.ms", "70000");
        SETTING(&h, "segment.bytes", "");
    }
    help_teardown(&h);
}

TEST(a_partition_that_is_open_goes_by_what_is_set)
{
    struct help h;
    help_setup(&h, 6, "");
    struct wire_uuid id = help_make_topic(&h);
    int before = help_produce(&h, 13, -1, id, help_batch(&h, 50, -1, 0, 1000));
    help_go(&h, 300);
    assert_int_equal(help_produced(&h, before).error_code, 0);
    assert_int_equal(alter(&h, &(struct change){"max.message.bytes", "100", 0}, 1), 0);
    int after = help_produce(&h, 13, -1, id, help_batch(&h, 50, -1, 0, 1000));
    help_go(&h, 300);
    assert_int_equal(help_produced(&h, after).error_code, WIRE_ERROR_MESSAGE_TOO_LARGE);
    assert_int_equal(alter(&h, &(struct change){"max.message.bytes", NULL, 1}, 1), 0);
    after = help_produce(&h, 13, -1, id, help_batch(&h, 50, -1, 0, 1000));
    help_go(&h, 300);
    assert_int_equal(help_produced(&h, after).error_code, 0);
    help_teardown(&h);
}

/* ---- partitions ---- */

static int16_t grow(struct help *h, int16_t version, const char *topic, int32_t count,
                    bool validate_only)
{
    struct wire_create_partitions_request_topic grown = {
        .name = wire_text(topic), .count = count, .assignments_count = -1};
    struct wire_create_partitions_request body = {
        .topics = &grown, .topics_count = 1, .timeout_ms = 5000, .validate_only = validate_only};
    int call = help_call(h, 37, version, &body);
    help_go(h, 500);
    struct wire_create_partitions_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.results_count, 1);
    int16_t code = answer.results[0].error_code;
    bool explained = code != 0 && code != WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
    assert_true(explained == (answer.results[0].error_message.size > 0));
    return code;
}

static int32_t count_partitions(struct help *h)
{
    return help_metadata(h, HELP_TOPIC, 300).topics[0].partitions_count;
}

TEST(partitions_are_added_and_the_old_ones_stay)
{
    struct help h;
    help_setup(&h, 7, "");
    struct wire_uuid id = help_make_topic(&h);
    int sent = help_produce(&h, 13, -1, id, help_batch(&h, 5, -1, 0, 1000));
    for (int16_t v = 0; v <= 3; v++) {
        assert_int_equal(grow(&h, v, HELP_TOPIC, 2 + v, true), 0);
        assert_int_equal(count_partitions(&h), 1 + v);
        assert_int_equal(grow(&h, v, HELP_TOPIC, 2 + v, false), 0);
        assert_int_equal(count_partitions(&h), 2 + v);
    }
    assert_int_equal(help_produced(&h, sent).error_code, 0);
    help_restart(&h);
    assert_int_equal(count_partitions(&h), 5);
    struct wire_metadata_response there = help_metadata(&h, HELP_TOPIC, 300);
    for (int i = 0; i < 5; i++)
        assert_int_equal(there.topics[0].partitions[i].error_code, 0);
    int end = help_offsets(&h, 5, -1);
    help_go(&h, 300);
    assert_int_equal(help_listed(&h, end).offset, 5);
    help_teardown(&h);
}

TEST(partitions_that_cannot_be_added_are_refused)
{
    struct help h;
    help_setup(&h, 8, "num.partitions=3\n");
    help_make_topic(&h);
    assert_int_equal(grow(&h, 3, HELP_TOPIC, 3, false), WIRE_ERROR_INVALID_PARTITIONS);
    assert_int_equal(grow(&h, 3, HELP_TOPIC, 2, false), WIRE_ERROR_INVALID_PARTITIONS);
    assert_int_equal(grow(&h, 3, HELP_TOPIC, INT32_MIN, false), WIRE_ERROR_INVALID_PARTITIONS);
    assert_int_equal(grow(&h, 3, HELP_TOPIC, INT32_MAX, false), WIRE_ERROR_INVALID_PARTITIONS);
    assert_int_equal(grow(&h, 3, HELP_TOPIC, 20000, false), WIRE_ERROR_POLICY_VIOLATION);
    assert_int_equal(grow(&h, 3, "nobody", 3, false), WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    int32_t ids[] = {1, 7};
    struct wire_create_partitions_request_assignment one = {.broker_ids = ids,
                                                            .broker_ids_count = 2};
    struct wire_create_partitions_request_topic topics[] = {
        {.name = wire_text(HELP_TOPIC), .count = 4, .assignments = &one, .assignments_count = 1},
        {.name = wire_text("twice"), .count = 4, .assignments_count = -1},
        {.name = wire_text("twice"), .count = 5, .assignments_count = -1}};
    struct wire_create_partitions_request body = {
        .topics = topics, .topics_count = 3, .timeout_ms = 5000};
    int call = help_call(&h, 37, 3, &body);
    help_go(&h, 300);
    struct wire_create_partitions_response answer;
    help_expect(&h, call, &answer);
    assert_int_equal(answer.results_count, 2);
    assert_int_equal(answer.results[0].error_code, WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(answer.results[1].error_code, WIRE_ERROR_INVALID_REQUEST);
    topics[0].count = 5;
    body.topics_count = 1;
    call = help_call(&h, 37, 3, &body);
    body.timeout_ms = 0;
    topics[0].assignments_count = -1;
    int late = help_call(&h, 37, 3, &body);
    help_go(&h, 300);
    help_expect(&h, call, &answer);
    assert_int_equal(answer.results[0].error_code, WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT);
    help_expect(&h, late, &answer);
    assert_int_equal(answer.results[0].error_code, WIRE_ERROR_REQUEST_TIMED_OUT);
    assert_int_equal(count_partitions(&h), 3);
    help_teardown(&h);
}
