/* create_topics_test.c - topics that are made, and the many ways to ask for one wrongly. */
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
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_PARTITIONS);
    topic.num_partitions = 1;
    topic.replication_factor = 0;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_REPLICATION_FACTOR);
    topic.replication_factor = 2;
    assert_int_equal(code_of(&h, topic), WIRE_ERROR_INVALID_REPLICATION_FACTOR);
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
