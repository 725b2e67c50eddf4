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
