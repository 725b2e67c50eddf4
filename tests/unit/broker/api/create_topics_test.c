/* create_topics_test.c - topics that are made, and the many ways to ask for one wrongly. */
#include <stdio.h>
#include "metadata/metadata.h"
#include "support/broker/help.h"

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

/* One topic of one partition, to be changed. */
static struct wire_create_topics_request_topic topic_of(const char *name)
{
    return (struct wire_create_topics_request_topic){
        .name = wire_text(name), .num_partitions = 1, .replication_factor = 1};
}

static struct wire_create_topics_response create(struct help *h, int16_t version,
                                                 struct wire_create_topics_request_topic *topics,
                                                 int32_t count, bool validate_only)
{
    struct wire_create_topics_request body;
    wire_defaults(&wire_create_topics_request_message, &body);
    body.topics = topics;
    body.topics_count = count;
    body.validate_only = validate_only;
    int call = help_call(h, 19, version, &body);
    help_go(h, 1000);
    struct wire_create_topics_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics_count, count);
    return answer;
}

static int16_t code_of(struct help *h, struct wire_create_topics_request_topic topic)
{
    struct wire_create_topics_response answer = create(h, 7, &topic, 1, false);
    int16_t code = answer.topics[0].error_code;
    assert_true((code != 0) == (answer.topics[0].error_message.size > 0));
    return code;
}

static int32_t topic_count(struct help *h)
{
    struct wire_metadata_request body;
    wire_defaults(&wire_metadata_request_message, &body);
    body.topics_count = -1;
    int call = help_call(h, 3, 12, &body);
    help_go(h, 300);
    struct wire_metadata_response answer;
    help_expect(h, call, &answer);
    return answer.topics_count;
}

TEST(a_topic_that_is_only_validated_is_not_made)
{
    struct help h;
    help_setup(&h, 70, "num.partitions=4\n");
    struct wire_create_topics_request_topic topic = topic_of("maybe");
    topic.num_partitions = -1;
    for (int16_t v = 2; v <= 7; v++) {
        struct wire_create_topics_response answer = create(&h, v, &topic, 1, true);
        assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_NONE);
        assert_true(v < 5 || answer.topics[0].num_partitions == 4);
    }
    assert_int_equal(topic_count(&h), 0);
    topic.replication_factor = 3;
    assert_int_equal(create(&h, 7, &topic, 1, true).topics[0].error_code,
                     WIRE_ERROR_INVALID_REPLICATION_FACTOR);
    help_teardown(&h);
}

TEST(a_topic_that_stands_twice_in_a_request_is_refused_once_and_the_others_are_made)
{
    struct help h;
    help_setup(&h, 71, "");
    struct wire_create_topics_request_topic topics[] = {topic_of("twice"), topic_of("once"),
                                                        topic_of("twice"), topic_of("twice")};
    struct wire_create_topics_request body;
    wire_defaults(&wire_create_topics_request_message, &body);
    body.topics = topics;
    body.topics_count = COUNT_OF(topics);
    int call = help_call(&h, 19, 7, &body);
    help_go(&h, 1000);
    struct wire_create_topics_response answer;
    help_expect(&h, call, &answer);
    assert_int_equal(answer.topics_count, 2);
    assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(answer.topics[1].error_code, WIRE_ERROR_NONE);
    assert_true(wire_string_equal(answer.topics[1].name, wire_text("once")));
    assert_int_equal(topic_count(&h), 1);
    assert_int_equal(code_of(&h, topics[1]), WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    help_teardown(&h);
}

TEST(names_that_no_topic_may_have_are_refused)
{
    struct help h;
    help_setup(&h, 72, "");
    assert_int_equal(code_of(&h, topic_of("a.b")), WIRE_ERROR_NONE);
    assert_int_equal(code_of(&h, topic_of("a_b")), WIRE_ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(code_of(&h, topic_of("")), WIRE_ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(code_of(&h, topic_of("a b")), WIRE_ERROR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(code_of(&h, topic_of("__cluster_metadata")), WIRE_ERROR_INVALID_REQUEST);
    help_teardown(&h);
}

TEST(settings_that_make_no_sense_are_refused_by_name)
{
    static const struct {
        const char *key, *value;
    } bad[] = {{"retention.ms", "soon"},     {"retention.ms", ""},    {"retention.ms", NULL},
               {"retention.ms", "-2"},       {"no.such.config", "1"}, {"", "1"},
               {"cleanup.policy", "forget"}, {"segment.bytes", "13"}};
    struct help h;
    help_setup(&h, 73, "");
    for (int i = 0; i < COUNT_OF(bad); i++) {
        struct wire_create_topics_request_config config = {.name = wire_text(bad[i].key),
                                                           .value = wire_text(bad[i].value)};
        struct wire_create_topics_request_topic topic = topic_of("t");
        topic.configs = &config;
        topic.configs_count = 1;
        assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_CONFIG);
    }
    assert_int_equal(topic_count(&h), 0);
    help_teardown(&h);
}

static struct wire_create_topics_response create_with(struct help *h, const char *name,
                                                      const char *key, const char *value)
{
    struct wire_create_topics_request_config config = {.name = wire_text(key),
                                                       .value = wire_text(value)};
    struct wire_create_topics_request_topic topic = topic_of(name);
    topic.configs = &config;
    topic.configs_count = 1;
    return create(h, 7, &topic, 1, false);
}

static struct wire_create_topics_response_config
config_of(const struct wire_create_topics_response *answer, const char *key)
{
    for (int32_t i = 0; i < answer->topics[0].configs_count; i++) {
        if (wire_string_equal(answer->topics[0].configs[i].name, wire_text(key)))
            return answer->topics[0].configs[i];
    }
    fail_msg("no %s in the answer", key);
    return (struct wire_create_topics_response_config){.config_source = 0};
}

/* Also those that have no effect yet; they are there after a restart, as they were spelled. */
TEST(every_key_of_kafkas_is_taken_kept_and_described)
{
    struct help h;
    help_setup(&h, 76, "");
    for (int i = 0; i < metadata_topic_key_count; i++) {
        const struct metadata_key *key = &metadata_topic_keys[i];
        char name[64];
        snprintf(name, sizeof name, "t-%s", key->name);
        char value[64];
        snprintf(value, sizeof value, " %s ", key->fallback == NULL ? "4096" : key->fallback);
        struct wire_create_topics_response answer = create_with(&h, name, key->name, value);
        assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_NONE);
        struct wire_create_topics_response_config config = config_of(&answer, key->name);
        assert_int_equal(config.config_source, 1);
        assert_true(wire_string_equal(config.value, wire_text(value)));
    }
    help_restart(&h);
    assert_int_equal(topic_count(&h), metadata_topic_key_count);
    help_teardown(&h);
}

TEST(what_is_not_served_yet_is_refused_as_such)
{
    static const struct {
        const char *key, *value, *sentence;
    } cases[] = {
        {"cleanup.policy", "compact", "cleanup.policy=compact is not served yet"},
        {"cleanup.policy", "delete,compact", "cleanup.policy=compact is not served yet"},
        {"remote.storage.enable", "true", "Tiered Storage functionality is disabled in the broker"},
        {"flush.messages", "1", "flush.messages and flush.ms are not served yet where"},
    };
    struct help h;
    help_setup(&h, 77, "flush.policy=os\n");
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct wire_create_topics_response answer =
            create_with(&h, "t", cases[i].key, cases[i].value);
        assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_INVALID_CONFIG);
        assert_memory_equal(answer.topics[0].error_message.data, cases[i].sentence,
                            strlen(cases[i].sentence));
    }
    assert_int_equal(create_with(&h, "t", "cleanup.policy", "").topics[0].error_code, 0);
    help_teardown(&h);
}

static struct wire_describe_configs_response_result
describe(struct help *h, int16_t version, struct wire_describe_configs_request_resource *resource)
{
    struct wire_describe_configs_request body;
    wire_defaults(&wire_describe_configs_request_message, &body);
    body.resources = resource;
    body.resources_count = 1;
    int call = help_call(h, 32, version, &body);
    help_go(h, 300);
    struct wire_describe_configs_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.results_count, 1);
    return answer.results[0];
}

TEST(what_is_set_for_a_topic_is_described_after_a_restart)
{
    struct help h;
    help_setup(&h, 86, "message.max.bytes=7777\n");
    assert_int_equal(create_with(&h, "t", "segment.jitter.ms", " 5").topics[0].error_code, 0);
    help_restart(&h);
    for (int16_t v = 1; v <= 4; v++) {
        struct wire_string keys[] = {wire_text("segment.jitter.ms"), wire_text("nope"),
                                     wire_text("max.message.bytes")};
        struct wire_describe_configs_request_resource resource = {
            .resource_type = 2, .resource_name = wire_text("t"), .configuration_keys_count = -1};
        struct wire_describe_configs_response_result all = describe(&h, v, &resource);
        assert_int_equal(all.error_code, 0);
        assert_int_equal(all.configs_count, metadata_topic_key_count - 1 + metadata_own_key_count);
        resource.configuration_keys = keys;
        resource.configuration_keys_count = COUNT_OF(keys);
        struct wire_describe_configs_response_result some = describe(&h, v, &resource);
        assert_int_equal(some.configs_count, 2);
        assert_true(wire_string_equal(some.configs[0].value, wire_text("7777")));
        assert_int_equal(some.configs[0].config_source, 4);
        assert_true(wire_string_equal(some.configs[1].value, wire_text(" 5")));
        assert_int_equal(some.configs[1].config_source, 1);
        resource.resource_name = wire_text("gone");
        assert_int_equal(describe(&h, v, &resource).error_code,
                         WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        resource.resource_type = 3;
        assert_int_equal(describe(&h, v, &resource).error_code, WIRE_ERROR_INVALID_REQUEST);
    }
    help_teardown(&h);
}

/* Kafka's sentences, for which tools and people search. */
TEST(refusals_have_kafkas_words)
{
    static const struct {
        const char *name, *key, *value, *sentence;
    } cases[] = {
        {"t", "retention.ms", "5", NULL},
        {"t", "retention.ms", "5", "Topic 't' already exists."},
        {"a_b", "retention.ms", "5", NULL},
        {"a.b", "retention.ms", "5", "Topic 'a.b' collides with existing topic: a_b"},
        {"", "retention.ms", "5", "Topic name is invalid: the empty string is not allowed"},
        {"u", "retention.ms", "soon",
         "Invalid value soon for configuration retention.ms: Not a number of type LONG"},
        {"u", "retention.ms", "-2",
         "Invalid value -2 for configuration retention.ms: Value must be at least -1"},
        {"u", "segment.bytes", "1048575",
         "Invalid value 1048575 for configuration segment.bytes: Value must be at least 1048576"},
        {"u", "nope", "1", "Unknown topic config name: nope"},
        {"u", "retention.m", "1",
         "Unknown topic config name: retention.m; did you mean retention.ms?"},
        {"u", "compression.type", "brotli",
         "Invalid value brotli for configuration compression.type: String must be one of: "
         "uncompressed, zstd, lz4, snappy, gzip, producer"},
    };
    struct help h;
    help_setup(&h, 78, "");
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct wire_create_topics_response answer =
            create_with(&h, cases[i].name, cases[i].key, cases[i].value);
        struct wire_string message = answer.topics[0].error_message;
        if (!wire_string_equal(message, wire_text(cases[i].sentence)))
            fail_msg("%.*s", message.size, message.data);
    }
    help_teardown(&h);
}

TEST(a_creation_that_is_late_is_answered_and_one_that_begins_late_is_not_begun)
{
    struct help h;
    help_setup(&h, 79, "");
    for (int32_t timeout_ms = -1; timeout_ms <= 0; timeout_ms++) {
        struct wire_create_topics_request_topic topic = topic_of("late");
        struct wire_create_topics_request body;
        wire_defaults(&wire_create_topics_request_message, &body);
        body.topics = &topic;
        body.topics_count = 1;
        body.timeout_ms = timeout_ms;
        int call = help_call(&h, 19, 7, &body);
        help_go(&h, 500);
        struct wire_create_topics_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_REQUEST_TIMED_OUT);
        assert_int_equal(answer.topics[0].error_message.size, -1);
    }
    assert_int_equal(topic_count(&h), 0);
    help_teardown(&h);
}

TEST(partitions_and_replicas_must_be_possible)
{
    struct help h;
    help_setup(&h, 74, "");
    struct wire_create_topics_request_topic topic = topic_of("t");
    topic.num_partitions = 0;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_PARTITIONS);
    topic.num_partitions = -2;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_PARTITIONS);
    topic.num_partitions = 10001; /* more than one batch of metadata may hold */
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_POLICY_VIOLATION);
    topic.num_partitions = INT32_MAX;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_POLICY_VIOLATION);
    topic.num_partitions = 1;
    topic.replication_factor = 0;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_REPLICATION_FACTOR);
    topic.replication_factor = 2;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_REPLICATION_FACTOR);
    assert_int_equal(topic_count(&h), 0);
    help_teardown(&h);
}

/* As ControllerApis: the sum is looked at before anything else, and is everybody's. */
TEST(a_request_for_too_many_partitions_in_all_is_refused_whole)
{
    static const struct {
        int32_t counts[3];
        const char *sentence;
    } cases[] = {
        {{5000, 5001, 0}, "Excessively large number of partitions per request."},
        {{-5, 10001, 1}, "Excessively large number of partitions per request."},
        {{-1, 10000, 0}, "Excessively large number of partitions per request."},
        {{5000, 4999, 1}, "Unable to perform excessively large batch operation."},
    };
    struct help h;
    help_setup(&h, 75, "");
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct wire_create_topics_request_topic topics[] = {topic_of("a"), topic_of("b"),
                                                            topic_of("c")};
        struct wire_create_topics_request body;
        wire_defaults(&wire_create_topics_request_message, &body);
        for (int k = 0; k < 3; k++)
            topics[k].num_partitions = cases[i].counts[k];
        body.topics = topics;
        body.topics_count = 3;
        body.timeout_ms = 1000;
        int call = help_call(&h, 19, 7, &body);
        help_go(&h, 500);
        struct wire_create_topics_response answer;
        help_expect(&h, call, &answer);
        for (int k = 0; k < 3; k++) {
            struct wire_string message = answer.topics[k].error_message;
            assert_int_equal(answer.topics[k].error_code, WIRE_ERROR_POLICY_VIOLATION);
            if (!wire_string_equal(message, wire_text(cases[i].sentence)))
                fail_msg("case %d: %.*s", i, message.size, message.data);
        }
    }
    assert_int_equal(topic_count(&h), 0);
    help_teardown(&h);
}

TEST(an_assignment_is_taken_when_it_can_be)
{
    struct help h;
    help_setup(&h, 75, "");
    int32_t here[] = {1};
    int32_t elsewhere[] = {2};
    int32_t both[] = {1, 2};
    struct wire_create_topics_request_assignment assignments[] = {
        {.partition_index = 0, .broker_ids = here, .broker_ids_count = 1},
        {.partition_index = 1, .broker_ids = here, .broker_ids_count = 1}};
    struct wire_create_topics_request_topic topic = topic_of("t");
    topic.assignments = assignments;
    topic.assignments_count = 2;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_REQUEST); /* and a count beside it */
    topic.num_partitions = -1;
    topic.replication_factor = -1;
    assignments[1].broker_ids = elsewhere;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT);
    assignments[1].broker_ids = both;
    assignments[1].broker_ids_count = 2;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT);
    assignments[1].broker_ids_count = 0;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT);
    assignments[1].broker_ids_count = 1;
    assignments[1].broker_ids = here;
    static const int32_t not_one[] = {2, 0, -1, INT32_MAX};
    for (int i = 0; i < COUNT_OF(not_one); i++) {
        assignments[1].partition_index = not_one[i];
        assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_REPLICA_ASSIGNMENT);
    }
    assignments[0].partition_index = 1; /* in any order */
    assignments[1].partition_index = 0;
    struct wire_create_topics_response answer = create(&h, 7, &topic, 1, false);
    assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_NONE);
    assert_int_equal(answer.topics[0].num_partitions, 2);
    assert_int_equal(answer.topics[0].replication_factor, 1);
    help_teardown(&h);
}
