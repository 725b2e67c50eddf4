/* api_test.c - requests as such: versions, what breaks the protocol, and the small APIs. */
#include "support/broker/help.h"

TEST(every_version_of_the_small_requests_is_answered)
{
    struct help h;
    help_setup(&h, 8, "");
    int64_t last_id = -1;
    for (int16_t v = 0; v <= 5; v++) {
        struct wire_init_producer_id_request body;
        wire_defaults(&wire_init_producer_id_request_message, &body);
        body.transactional_id = WIRE_NULL_STRING;
        int call = help_call(&h, 22, v, &body);
        help_go(&h, 500);
        struct wire_init_producer_id_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(answer.error_code, 0);
        assert_true(answer.producer_id > last_id);
        last_id = answer.producer_id;
    }
    for (int16_t v = 0; v <= 6; v++) {
        struct wire_string key = wire_text("group");
        struct wire_find_coordinator_request body;
        wire_defaults(&wire_find_coordinator_request_message, &body);
        if (v < 4) {
            body.key = key;
        } else {
            body.coordinator_keys = &key;
            body.coordinator_keys_count = 1;
        }
        int call = help_call(&h, 10, v, &body);
        help_go(&h, 500);
        struct wire_find_coordinator_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(v < 4 ? answer.error_code : answer.coordinators[0].error_code, 42);
    }
    for (int16_t v = 0; v <= 4; v++) {
        struct wire_api_versions_request body;
        wire_defaults(&wire_api_versions_request_message, &body);
        if (v >= 3)
            body.client_software_name = body.client_software_version = wire_text("test");
        int call = help_call(&h, 18, v, &body);
        help_go(&h, 500);
        struct wire_api_versions_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(answer.error_code, 0);
        assert_int_equal(answer.api_keys_count, wire_api_count);
        assert_int_equal(answer.api_keys[0].min_version, 0); /* KAFKA-18659 */
    }
    for (int16_t v = 0; v <= 13; v++) {
        struct wire_metadata_request body;
        wire_defaults(&wire_metadata_request_message, &body);
        body.topics_count = v == 0 ? 0 : -1;
        int call = help_call(&h, 3, v, &body);
        help_go(&h, 500);
        struct wire_metadata_response answer;
        help_expect(&h, call, &answer);
        assert_int_equal(answer.brokers_count, 1);
        assert_int_equal(answer.topics_count, 0);
    }
    help_teardown(&h);
}

TEST(an_unknown_version_of_api_versions_gets_the_oldest_answer)
{
    struct help h;
    help_setup(&h, 9, "");
    static const uint8_t frame[] = {0, 18, 0, 99, 0, 0, 0, 0, 0, 0, 0, 2, 3, 4};
    int call = help_frame(&h, bytes_of(frame, sizeof frame));
    h.calls[call].key = 18;
    help_go(&h, 500);
    struct wire_api_versions_response answer;
    help_expect(&h, call, &answer);
    assert_int_equal(answer.error_code, 35);
    assert_int_equal(answer.api_keys_count, 1);
    assert_int_equal(answer.api_keys[0].api_key, 18);
    assert_false(h.is_closed);
    help_teardown(&h);
}

TEST(what_breaks_the_protocol_closes_the_connection_and_nothing_else)
{
    static const uint8_t unknown_api[] = {3, 231, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t unknown_version[] = {0, 1, 0, 99, 0, 0, 0, 0, 0, 0};
    static const uint8_t cut_short[] = {0, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t no_header[] = {0, 3, 0};
    const struct bytes frames[] = {
        bytes_of(unknown_api, sizeof unknown_api),
        bytes_of(unknown_version, sizeof unknown_version),
        bytes_of(cut_short, sizeof cut_short),
        bytes_of(no_header, sizeof no_header),
    };
    struct help h;
    help_setup(&h, 10, "");
    for (int i = 0; i < COUNT_OF(frames); i++) {
        h.is_closed = false;
        help_frame(&h, frames[i]);
        help_go(&h, 500);
        assert_true(h.is_closed);
    }
    help_go(&h, 500);
    assert_int_equal(help_metadata(&h, HELP_TOPIC, 1000).topics[0].error_code, 0);
    help_teardown(&h);
}
