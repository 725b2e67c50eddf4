/* api_test.c - requests as such: versions, what breaks the protocol, and the small APIs. */
#include <stdlib.h>
#include "api/api.h"
#include "support/broker/help.h"

/* How many APIs a client's listener serves. */
static int for_clients(void)
{
    int count = 0;
    for (int i = 0; i < wire_api_count; i++)
        count += (wire_apis[i].listeners & WIRE_ON_BROKER) != 0;
    return count;
}

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
        assert_int_equal(answer.api_keys_count, for_clients());
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

/* Every served version of every API, with bytes behind it, as Kafka takes it. */
TEST(bytes_behind_a_request_close_nothing)
{
    static const uint8_t behind[] = {0, 1, 0, 0xff};
    struct help h;
    help_setup(&h, 84, "");
    for (int i = 0; i < wire_api_count; i++) {
        const struct wire_message *m = wire_apis[i].request;
        if ((wire_apis[i].listeners & WIRE_ON_BROKER) == 0)
            continue;
        int first = h.call_count;
        for (int v = m->oldest; v <= m->newest; v++) {
            uint8_t frame[1024];
            void *body = arena_alloc(&h.arena, m->size);
            wire_defaults(m, body);
            int plain = help_call(&h, m->key, (int16_t)v, body);
            struct help_call *call = &h.calls[plain];
            assert_in_range(call->frame.size, 1, sizeof frame - sizeof behind);
            memcpy(frame, call->frame.data, call->frame.size);
            memcpy(frame + call->frame.size, behind, sizeof behind);
            free((void *)(uintptr_t)call->frame.data);
            h.call_count--;
            int longer = help_frame(&h, bytes_of(frame, call->frame.size + sizeof behind));
            assert_int_equal(longer, plain);
            h.calls[longer].key = m->key;
            h.calls[longer].no_answer = m->key == 0;
        }
        help_go(&h, 300);
        for (int k = first; k < h.call_count; k++)
            assert_true(h.calls[k].answer.size > 0 || h.calls[k].no_answer);
        assert_false(h.is_closed);
    }
    help_teardown(&h);
}

/* A PLAINTEXT listener of Kafka's says it in the same words. */
TEST(who_authenticates_where_nobody_has_to_is_told_so)
{
    struct help h;
    help_setup(&h, 85, "");
    for (int16_t v = 0; v <= 2; v++) {
        struct wire_sasl_handshake_request hello = {.mechanism = wire_text("SCRAM-SHA-256")};
        struct wire_sasl_authenticate_request proof = {
            .auth_bytes = {.data = (const uint8_t *)"n,,n=me", .size = 7}};
        int first = v < 2 ? help_call(&h, 17, v, &hello) : -1;
        int second = help_call(&h, 36, v, &proof);
        help_go(&h, 300);
        struct wire_sasl_handshake_response greeted;
        struct wire_sasl_authenticate_response checked;
        if (v < 2) {
            help_expect(&h, first, &greeted);
            assert_int_equal(greeted.error_code, WIRE_ERROR_ILLEGAL_SASL_STATE);
            assert_int_equal(greeted.mechanisms_count, 0);
        }
        help_expect(&h, second, &checked);
        assert_int_equal(checked.error_code, WIRE_ERROR_ILLEGAL_SASL_STATE);
        assert_true(checked.error_message.size > 0);
        assert_int_equal(checked.auth_bytes.size, 0);
    }
    assert_false(h.is_closed);
    help_teardown(&h);
}

static struct wire_init_producer_id_response init(struct help *h,
                                                  struct wire_init_producer_id_request *body)
{
    int call = help_call(h, 22, 4, body);
    help_go(h, 300);
    struct wire_init_producer_id_response answer;
    help_expect(h, call, &answer);
    return answer;
}

TEST(a_producer_gets_a_new_id_whatever_it_was_before)
{
    struct help h;
    help_setup(&h, 80, "");
    struct wire_init_producer_id_request body;
    wire_defaults(&wire_init_producer_id_request_message, &body);
    body.transactional_id = WIRE_NULL_STRING;
    int64_t first = init(&h, &body).producer_id;
    body.producer_id = first;
    body.producer_epoch = 3;
    struct wire_init_producer_id_response again = init(&h, &body);
    assert_int_equal(again.error_code, WIRE_ERROR_NONE);
    assert_true(again.producer_id > first);
    assert_int_equal(again.producer_epoch, 0);
    help_teardown(&h);
}

TEST(half_an_identity_and_a_transactional_id_are_refused)
{
    struct help h;
    help_setup(&h, 81, "");
    struct wire_init_producer_id_request body;
    wire_defaults(&wire_init_producer_id_request_message, &body);
    body.transactional_id = WIRE_NULL_STRING;
    body.producer_id = 5;
    assert_int_equal(init(&h, &body).error_code, WIRE_ERROR_INVALID_REQUEST);
    body.producer_id = -1;
    body.producer_epoch = 0;
    assert_int_equal(init(&h, &body).error_code, WIRE_ERROR_INVALID_REQUEST);
    body.producer_epoch = -1;
    body.transactional_id = wire_text("mover");
    struct wire_init_producer_id_response answer = init(&h, &body);
    assert_int_equal(answer.error_code, WIRE_ERROR_INVALID_REQUEST);
    assert_int_equal(answer.producer_id, -1);
    help_teardown(&h);
}

/* Clients that are told to wait would ask for ever. */
TEST(who_looks_for_a_coordinator_is_told_what_to_do_instead)
{
    struct help h;
    help_setup(&h, 82, "");
    struct wire_string keys[] = {wire_text("billing"), wire_text("mail")};
    for (int16_t v = 1; v <= 6; v++) {
        for (int8_t type = 0; type < 2; type++) {
            struct wire_find_coordinator_request body;
            wire_defaults(&wire_find_coordinator_request_message, &body);
            body.key_type = type;
            if (v < 4)
                body.key = keys[0];
            else
                body.coordinator_keys = keys;
            body.coordinator_keys_count = v < 4 ? 0 : 2;
            int call = help_call(&h, 10, v, &body);
            help_go(&h, 300);
            struct wire_find_coordinator_response answer;
            help_expect(&h, call, &answer);
            assert_int_equal(answer.coordinators_count, v < 4 ? 0 : 2);
            for (int i = 0; i < (v < 4 ? 1 : 2); i++) {
                const struct wire_find_coordinator_response_coordinator *c =
                    &answer.coordinators[i];
                assert_int_equal(v < 4 ? answer.error_code : c->error_code, 42);
                assert_int_equal(v < 4 ? answer.node_id : c->node_id, -1);
                struct wire_string message = v < 4 ? answer.error_message : c->error_message;
                assert_non_null(memmem(message.data, (size_t)message.size,
                                       type == 0 ? "groups" : "transactions", type == 0 ? 6 : 12));
                assert_true(v < 4 || wire_string_equal(c->key, keys[i]));
            }
        }
    }
    help_teardown(&h);
}

TEST(software_must_have_a_name_that_can_be_printed)
{
    static const struct {
        const char *name, *version;
        int16_t code;
    } cases[] = {{"kiln", "1", 0},   {"apache-kafka-java", "4.3.1", 0},
                 {"", "1", 42},      {"kiln", "", 42},
                 {"-kiln", "1", 42}, {"kiln.", "1", 42},
                 {"ki ln", "1", 42}, {"kiln", "1\n", 42}};
    struct help h;
    help_setup(&h, 83, "");
    for (int16_t v = 3; v <= 4; v++) {
        for (int i = 0; i < COUNT_OF(cases); i++) {
            struct wire_api_versions_request body = {
                .client_software_name = wire_text(cases[i].name),
                .client_software_version = wire_text(cases[i].version)};
            int call = help_call(&h, 18, v, &body);
            help_go(&h, 100);
            struct wire_api_versions_response answer;
            help_expect(&h, call, &answer);
            assert_int_equal(answer.error_code, cases[i].code);
            assert_int_equal(answer.api_keys_count, cases[i].code == 0 ? for_clients() : 0);
        }
    }
    assert_false(h.is_closed);
    help_teardown(&h);
}

/* Partitions of 20 bytes in a frame take 64 when they are decoded: all that an asker makes the
 * broker hold counts. One request beyond the limit is answered with what is kept for it; one that
 * would grow beyond what any may is refused. */
static void ask_for_partitions(struct help *h, int32_t count, bool answered)
{
    struct wire_fetch_request_partition *partitions = calloc((size_t)count, sizeof *partitions);
    struct help_fetch f;
    help_fetch_init(&f, (struct wire_uuid){{0}}, 0);
    f.topic.partitions = partitions;
    for (int i = 0; i < count; i++)
        partitions[i] = f.partition;
    f.topic.partitions_count = count;
    int call = help_call(h, 1, 4, &f.body);
    help_go(h, 1000);
    assert_int_equal(h->calls[call].answer.size > 0, answered);
    assert_int_equal(h->is_closed, !answered);
    free(partitions);
}

TEST(a_request_that_grows_beyond_what_all_may_hold_is_answered_in_its_turn)
{
    struct help h;
    help_setup(&h, 31, "queued.max.request.bytes=1048576\n");
    ask_for_partitions(&h, 1, true);
    ask_for_partitions(&h, 40000, true);
    ask_for_partitions(&h, 1, true);
    help_teardown(&h);
}

TEST(a_request_that_grows_beyond_what_any_may_hold_is_refused)
{
    struct help h;
    help_setup(&h, 31, "queued.max.request.bytes=1048576\n");
    ask_for_partitions(&h, API_ARENA_BYTES / 64 + 1, false);
    help_teardown(&h);
}
