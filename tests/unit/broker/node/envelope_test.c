/* envelope_test.c - what a controller does with the envelopes of brokers: whoever they say asks,
 * and whatever is in them. */
#include "node/internal.h"
#include "support/broker/help.h"
#include <stdio.h>

static void become_controllers(struct help *h)
{
    help_broker(h)->listeners[0].told.on = WIRE_ON_CONTROLLER;
}

/* A request with its header, in the help's arena. */
static struct wire_bytes inside(struct help *h, int16_t key, int16_t version, const void *body)
{
    const struct wire_api *api = wire_api(key);
    struct wire_request_header header = {.request_api_key = key,
                                         .request_api_version = version,
                                         .correlation_id = 4711,
                                         .client_id = wire_text("inner")};
    struct wire_out out;
    wire_out_init(&out, &h->mem);
    assert_ok(wire_encode(&wire_request_header_message, wire_request_header_version(api, version),
                          &header, &out));
    assert_ok(wire_encode(api->request, version, body, &out));
    uint8_t *copy = arena_alloc(&h->arena, out.size);
    memcpy(copy, out.data, out.size);
    struct wire_bytes bytes = {.data = copy, .size = (int32_t)out.size};
    wire_out_free(&out);
    return bytes;
}

static const uint8_t alice[] = {0, 0, 5, 'U', 's', 'e', 'r', 6, 'a', 'l', 'i', 'c', 'e', 0, 0};
static const uint8_t address[] = {10, 0, 0, 7};

static struct wire_envelope_request envelope_of(struct wire_bytes request)
{
    return (struct wire_envelope_request){
        .request_data = request,
        .request_principal = {.data = alice, .size = sizeof alice},
        .client_host_address = {.data = address, .size = sizeof address}};
}

static struct wire_envelope_response ask(struct help *h, const struct wire_envelope_request *body)
{
    struct wire_envelope_response answer;
    int call = help_call(h, 58, 0, body);
    help_go(h, 1000);
    help_expect(h, call, &answer);
    return answer;
}

static struct wire_bytes creation(struct help *h, const char *name)
{
    struct wire_create_topics_request_topic topic = {
        .name = wire_text(name), .num_partitions = 1, .replication_factor = 1};
    struct wire_create_topics_request body;
    wire_defaults(&wire_create_topics_request_message, &body);
    body.topics = &topic;
    body.topics_count = 1;
    return inside(h, 19, 7, &body);
}

TEST(an_envelope_is_answered_with_the_answer_to_what_is_in_it)
{
    struct help h;
    help_setup(&h, 1, "");
    become_controllers(&h);
    struct wire_envelope_request body = envelope_of(creation(&h, HELP_TOPIC));
    struct wire_envelope_response answer = ask(&h, &body);
    assert_int_equal(answer.error_code, 0);
    assert_true(answer.metadata_offset > 0);
    struct wire_response_header header;
    struct wire_create_topics_response made;
    size_t used = 0;
    struct bytes in = bytes_of(answer.response_data.data, (size_t)answer.response_data.size);
    assert_ok(wire_decode(&wire_response_header_message, 1, in, &used, &header, &h.arena, NULL));
    assert_int_equal(header.correlation_id, 4711);
    assert_ok(wire_decode(wire_api(19)->response, 7, bytes_of(in.data + used, in.size - used), NULL,
                          &made, &h.arena, NULL));
    assert_int_equal(made.topics[0].error_code, 0);
    help_teardown(&h);
}

/* Who asks in an envelope is who it says. */
static char seen[64];

static bool note_who(const struct api_access *access, const struct api_caller *caller,
                     enum api_operation operation, enum api_resource resource, struct bytes name)
{
    (void)access;
    (void)resource;
    (void)name;
    if (operation == API_CREATE)
        snprintf(seen, sizeof seen, "%s", caller->principal);
    return operation != API_CREATE;
}

TEST(what_is_in_an_envelope_is_done_in_the_name_of_who_asked)
{
    static const struct api_access access = {.may = note_who};
    struct help h;
    help_prepare(&h, 2, "");
    h.access = &access;
    world_start(h.world, h.broker);
    help_run(&h, 2000);
    become_controllers(&h);
    struct wire_envelope_request body = envelope_of(creation(&h, HELP_TOPIC));
    assert_int_equal(ask(&h, &body).error_code, 0);
    assert_string_equal(seen, "User:alice");
    help_teardown(&h);
}

TEST(an_envelope_of_who_may_not_act_for_the_cluster_is_refused)
{
    struct help h;
    help_prepare(&h, 3, "");
    h.access = &help_no_cluster_action;
    world_start(h.world, h.broker);
    help_run(&h, 2000);
    become_controllers(&h);
    struct wire_envelope_request body = envelope_of(creation(&h, HELP_TOPIC));
    assert_int_equal(ask(&h, &body).error_code, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
    help_teardown(&h);
}

TEST(an_envelope_that_is_none_is_refused)
{
    static const uint8_t junk[] = {0, 1, 200, 1, 2, 3};
    struct help h;
    help_setup(&h, 4, "");
    become_controllers(&h);
    struct wire_bytes good = creation(&h, HELP_TOPIC);
    struct wire_envelope_request body = envelope_of(good);
    body.request_principal = (struct wire_bytes){.data = junk, .size = sizeof junk};
    assert_int_equal(ask(&h, &body).error_code, WIRE_ERROR_PRINCIPAL_DESERIALIZATION_FAILURE);
    body.request_principal = WIRE_NULL_BYTES;
    assert_int_equal(ask(&h, &body).error_code, WIRE_ERROR_PRINCIPAL_DESERIALIZATION_FAILURE);
    body = envelope_of(good);
    body.client_host_address.size = 3;
    assert_int_equal(ask(&h, &body).error_code, WIRE_ERROR_INVALID_REQUEST);
    body = envelope_of((struct wire_bytes){.data = junk, .size = sizeof junk});
    assert_int_equal(ask(&h, &body).error_code, WIRE_ERROR_UNSUPPORTED_VERSION);
    struct wire_metadata_request metadata;
    wire_defaults(&wire_metadata_request_message, &metadata);
    body = envelope_of(inside(&h, 3, 12, &metadata));
    assert_int_equal(ask(&h, &body).error_code, WIRE_ERROR_INVALID_REQUEST);
    for (int32_t size = 0; size < good.size; size += 3) {
        body = envelope_of((struct wire_bytes){.data = good.data, .size = size});
        assert_int_not_equal(ask(&h, &body).error_code, 0);
    }
    assert_false(h.is_closed);
    help_teardown(&h);
}

/* By a listener of clients it closes the connection, as in Kafka. */
TEST(clients_send_no_envelopes)
{
    struct help h;
    help_setup(&h, 5, "");
    struct wire_envelope_request body = envelope_of(creation(&h, HELP_TOPIC));
    help_call(&h, 58, 0, &body);
    help_go(&h, 500);
    assert_true(h.is_closed);
    help_teardown(&h);
}
