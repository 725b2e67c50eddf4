/* metadata_test.c - what clients are told of brokers and topics, and topics made on first use. */
#include "support/broker/help.h"

TEST(metadata_makes_a_topic_on_first_use)
{
    struct help h;
    help_setup(&h, 3, "num.partitions=3\n");
    struct wire_metadata_response answer = help_metadata(&h, HELP_TOPIC, 1000);
    assert_int_equal(answer.brokers_count, 1);
    assert_int_equal(answer.brokers[0].port, 9092);
    assert_int_equal(answer.topics_count, 1);
    assert_int_equal(answer.topics[0].error_code, 0);
    assert_int_equal(answer.topics[0].partitions_count, 3);
    assert_int_equal(answer.topics[0].partitions[2].leader_id, 1);
    assert_int_equal(help_metadata(&h, "no/name", 1000).topics[0].error_code, 17);
    help_teardown(&h);
}

TEST(without_auto_creation_an_unknown_topic_stays_unknown)
{
    struct help h;
    help_setup(&h, 4, "auto.create.topics.enable=false\n");
    assert_int_equal(help_metadata(&h, HELP_TOPIC, 1000).topics[0].error_code, 3);
    help_teardown(&h);
}

/* Asks for these names (count -1: null) and gives the answer. */
static struct wire_metadata_response ask(struct help *h, int16_t version,
                                         struct wire_metadata_request_topic *topics, int32_t count,
                                         bool create)
{
    struct wire_metadata_request body;
    wire_defaults(&wire_metadata_request_message, &body);
    body.topics = topics;
    body.topics_count = count;
    body.allow_auto_topic_creation = create;
    int call = help_call(h, 3, version, &body);
    help_go(h, 500);
    struct wire_metadata_response answer;
    help_expect(h, call, &answer);
    return answer;
}

TEST(null_asks_for_all_topics_and_an_empty_list_for_none)
{
    struct help h;
    help_setup(&h, 60, "");
    help_metadata(&h, "b", 1000);
    help_metadata(&h, "a", 1000);
    for (int16_t v = 0; v <= 13; v++) {
        /* Version 0 knows no null; empty is all. */
        assert_int_equal(ask(&h, v, NULL, 0, true).topics_count, v == 0 ? 2 : 0);
        if (v == 0)
            continue;
        struct wire_metadata_response all = ask(&h, v, NULL, -1, true);
        assert_int_equal(all.topics_count, 2);
        assert_true(wire_string_equal(all.topics[0].name, wire_text("a")));
        assert_int_equal(all.brokers[0].node_id, 1);
        assert_true(v < 2 || all.cluster_id.size > 0);
    }
    help_teardown(&h);
}

TEST(a_topic_is_made_only_for_who_allows_it)
{
    struct help h;
    help_setup(&h, 61, "");
    struct wire_metadata_request_topic topic = {.name = wire_text("late")};
    for (int16_t v = 4; v <= 13; v++)
        assert_int_equal(ask(&h, v, &topic, 1, false).topics[0].error_code,
                         WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    /* Before version 4 it was never asked. */
    assert_int_equal(ask(&h, 1, &topic, 1, true).topics[0].error_code, WIRE_ERROR_NONE);
    help_teardown(&h);
}

TEST(names_that_no_topic_can_have_are_invalid)
{
    char longest[250] = {0};
    char longer[251] = {0};
    memset(longest, 'x', 249);
    memset(longer, 'x', 250);
    const char *const names[] = {"", ".", "..", "a b", "a/b", "\xc3\xa4", longer};
    struct help h;
    help_setup(&h, 62, "");
    for (int create = 0; create < 2; create++) {
        for (int i = 0; i < COUNT_OF(names); i++) {
            struct wire_metadata_request_topic topic = {.name = wire_text(names[i])};
            struct wire_metadata_response answer = ask(&h, 12, &topic, 1, create == 1);
            assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_INVALID_TOPIC_EXCEPTION);
            assert_true(wire_string_equal(answer.topics[0].name, topic.name));
        }
    }
    struct wire_metadata_request_topic topic = {.name = wire_text(longest)};
    assert_int_equal(ask(&h, 12, &topic, 1, true).topics[0].error_code, WIRE_ERROR_NONE);
    help_teardown(&h);
}

TEST(a_name_given_twice_is_made_once)
{
    struct help h;
    help_setup(&h, 63, "");
    struct wire_metadata_request_topic topics[] = {
        {.name = wire_text("new")}, {.name = wire_text("other")}, {.name = wire_text("new")}};
    struct wire_metadata_response answer = ask(&h, 9, topics, 3, true);
    assert_int_equal(answer.topics_count, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(answer.topics[i].error_code, WIRE_ERROR_NONE);
    assert_int_equal(ask(&h, 9, NULL, -1, true).topics_count, 2);
    help_teardown(&h);
}

TEST(a_topic_that_is_asked_for_twice_is_described_once)
{
    struct help h;
    help_setup(&h, 64, "auto.create.topics.enable=true\n");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_metadata_request_topic asked[] = {{.name = wire_text("gone")},
                                                  {.name = wire_text(HELP_TOPIC)},
                                                  {.name = WIRE_NULL_STRING, .topic_id = id},
                                                  {.name = wire_text("gone")},
                                                  {.name = wire_text(HELP_TOPIC)}};
    struct wire_metadata_request body;
    wire_defaults(&wire_metadata_request_message, &body);
    body.allow_auto_topic_creation = false;
    body.topics = asked;
    body.topics_count = COUNT_OF(asked);
    int call = help_call(&h, 3, 12, &body);
    help_go(&h, 500);
    struct wire_metadata_response answer;
    help_expect(&h, call, &answer);
    assert_int_equal(answer.topics_count, 2);
    assert_true(wire_string_equal(answer.topics[0].name, wire_text("gone")));
    assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_true(wire_string_equal(answer.topics[1].name, wire_text(HELP_TOPIC)));
    assert_int_equal(answer.topics[1].partitions_count, 1);
    help_teardown(&h);
}

TEST(a_topic_may_be_asked_for_by_id_since_version_12)
{
    struct help h;
    help_setup(&h, 64, "");
    struct wire_uuid id = help_make_topic(&h);
    struct wire_metadata_request_topic known = {.topic_id = id, .name = WIRE_NULL_STRING};
    struct wire_metadata_request_topic unknown = {.topic_id = {.b = {9}}, .name = WIRE_NULL_STRING};
    for (int16_t v = 10; v <= 13; v++) {
        bool served = v >= 12;
        struct wire_metadata_response answer = ask(&h, v, &known, 1, true);
        assert_int_equal(answer.topics[0].error_code,
                         served ? WIRE_ERROR_NONE : WIRE_ERROR_INVALID_REQUEST);
        assert_true(wire_string_equal(answer.topics[0].name, wire_text(served ? HELP_TOPIC : "")));
        assert_int_equal(answer.topics[0].partitions_count, served ? 1 : 0);
        answer = ask(&h, v, &unknown, 1, true);
        assert_int_equal(answer.topics[0].error_code,
                         served ? WIRE_ERROR_UNKNOWN_TOPIC_ID : WIRE_ERROR_INVALID_REQUEST);
    }
    help_teardown(&h);
}

/* As Kafka without an authorizer: everything that there is. */
TEST(who_asks_is_told_that_it_may_do_everything)
{
    struct help h;
    help_setup(&h, 65, "");
    help_make_topic(&h);
    struct wire_metadata_request_topic topics[] = {{.name = wire_text(HELP_TOPIC)},
                                                   {.name = wire_text("nobody")}};
    struct wire_metadata_request body;
    wire_defaults(&wire_metadata_request_message, &body);
    body.topics = topics;
    body.topics_count = 2;
    body.allow_auto_topic_creation = false;
    for (int16_t v = 8; v <= 13; v++) {
        for (int asked = 0; asked < 2; asked++) {
            body.include_topic_authorized_operations = asked == 1;
            body.include_cluster_authorized_operations = asked == 1 && v <= 10;
            int call = help_call(&h, 3, v, &body);
            help_go(&h, 300);
            struct wire_metadata_response answer;
            help_expect(&h, call, &answer);
            assert_int_equal(answer.topics[0].topic_authorized_operations,
                             asked == 1 ? 3576 : INT32_MIN);
            assert_int_equal(answer.topics[1].topic_authorized_operations,
                             answer.topics[0].topic_authorized_operations);
            assert_int_equal(answer.cluster_authorized_operations,
                             asked == 1 && v <= 10 ? 8096 : INT32_MIN);
        }
    }
    help_teardown(&h);
}
