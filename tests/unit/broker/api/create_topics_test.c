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
