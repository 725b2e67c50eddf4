/* controllers_test.c - what controllers ask each other: by their own listeners, from who may act
 * for the cluster and knows its id; and whatever it says, an answer comes back. */
#include "node/internal.h"
#include "support/broker/help.h"

/* The broker's listener is one of controllers. */
static void become_controllers(struct help *h)
{
    help_broker(h)->listeners[0].told.on = WIRE_ON_CONTROLLER;
}

static void setup(struct help *h, uint64_t seed)
{
    help_setup(h, seed, "");
    become_controllers(h);
}

static const char *cluster_of(struct help *h)
{
    return broker_cluster_id(help_broker(h));
}

static const enum raft_api apis[] = {RAFT_VOTE, RAFT_BEGIN_EPOCH, RAFT_END_EPOCH, RAFT_FETCH,
                                     RAFT_FETCH_SNAPSHOT};

/* A request of another node; malloc'ed bytes are the help's. */
static int ask(struct help *h, const struct raft_request *request, const char *cluster_id,
               int16_t version)
{
    const struct talk_terms terms = {
        .cluster_id = cluster_id, .bytes_max = 1 << 20, .high_watermark = -1};
    const struct wire_api *api = talk_api(request->api);
    struct wire_out out;
    wire_out_init(&out, &h->mem);
    assert_ok(talk_request(request, &terms, version, &out));
    void *body = arena_alloc(&h->arena, api->request->size);
    uint8_t *bytes = arena_alloc(&h->arena, out.size);
    memcpy(bytes, out.data, out.size);
    assert_ok(
        wire_decode(api->request, version, bytes_of(bytes, out.size), NULL, body, &h->arena, NULL));
    wire_out_free(&out);
    return help_call(h, api->key, version, body);
}

static struct raft_response heard(struct help *h, int call, const struct raft_request *request)
{
    const struct wire_api *api = talk_api(request->api);
    struct talk_answer body;
    struct wire_out out;
    struct raft_response response;
    struct bytes content;
    struct errmsg msg = {0};
    int16_t version = h->calls[call].version;
    help_expect(h, call, &body);
    wire_out_init(&out, &h->mem);
    assert_ok(wire_encode(api->response, version, &body, &out));
    if (talk_response(request, version, bytes_of(out.data, out.size), &h->mem, &response, &content,
                      &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
    wire_out_free(&out);
    return response;
}

/* ... nor does it say anything of its own, in any version. */
TEST(a_node_that_is_its_own_quorum_takes_part_in_no_other)
{
    struct help h;
    setup(&h, 1);
    for (int i = 0; i < COUNT_OF(apis); i++) {
        const struct wire_message *m = talk_api(apis[i])->request;
        for (int v = apis[i] == RAFT_FETCH ? 13 : m->oldest; v <= m->newest; v++) {
            struct raft_request request = {
                .api = apis[i], .bootstrap = -1, .from = {.id = 77}, .to = {.id = 1}, .epoch = 1};
            int call = ask(&h, &request, cluster_of(&h), (int16_t)v);
            help_go(&h, 500);
            assert_int_equal(heard(&h, call, &request).code, WIRE_ERROR_BROKER_NOT_AVAILABLE);
        }
    }
    assert_false(h.is_closed);
    help_teardown(&h);
}

TEST(another_cluster_is_told_so)
{
    static const char *const clusters[] = {NULL, "", "another"};
    struct help h;
    setup(&h, 2);
    for (int i = 0; i < COUNT_OF(apis) * COUNT_OF(clusters); i++) {
        struct raft_request request = {
            .api = apis[i % COUNT_OF(apis)], .bootstrap = -1, .from = {.id = 2}, .epoch = 900};
        int16_t newest = talk_api(request.api)->request->newest;
        int call = ask(&h, &request, clusters[i / COUNT_OF(apis)], newest);
        help_go(&h, 500);
        assert_int_equal(heard(&h, call, &request).code, WIRE_ERROR_INCONSISTENT_CLUSTER_ID);
    }
    help_teardown(&h);
}

TEST(who_may_not_act_for_the_cluster_is_refused)
{
    struct help h;
    help_prepare(&h, 3, "");
    h.access = &help_no_cluster_action;
    world_start(h.world, h.broker);
    help_run(&h, 2000);
    become_controllers(&h);
    for (int i = 0; i < COUNT_OF(apis); i++) {
        struct raft_request request = {
            .api = apis[i], .bootstrap = -1, .from = {.id = 2}, .epoch = 900};
        int call = ask(&h, &request, cluster_of(&h), talk_api(apis[i])->request->newest);
        help_go(&h, 500);
        assert_int_equal(heard(&h, call, &request).code, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
    }
    help_teardown(&h);
}

/* As in Kafka, whose broker closes the connection. */
TEST(by_a_listener_of_clients_they_close_the_connection)
{
    struct help h;
    help_setup(&h, 4, "");
    for (int i = 0; i < COUNT_OF(apis); i++) {
        if (apis[i] == RAFT_FETCH)
            continue;
        struct raft_request request = {.api = apis[i], .bootstrap = -1, .epoch = 900};
        h.is_closed = false;
        ask(&h, &request, cluster_of(&h), talk_api(apis[i])->request->newest);
        help_go(&h, 500);
        assert_true(h.is_closed);
    }
    assert_non_null(strstr(h.said, "Vote v2: listener PLAINTEXT does not serve that API, but one "
                                   "of controller.listener.names does"));
    assert_int_equal(help_metadata(&h, HELP_TOPIC, 1000).topics[0].error_code, 0);
    help_teardown(&h);
}

/* ... and by a controller's so does what is for brokers alone. */
TEST(each_listener_serves_and_tells_its_own)
{
    struct help h;
    setup(&h, 5);
    struct wire_api_versions_request body;
    struct wire_api_versions_response answer;
    wire_defaults(&wire_api_versions_request_message, &body);
    body.client_software_name = body.client_software_version = wire_text("test");
    int call = help_call(&h, 18, 3, &body);
    help_go(&h, 500);
    help_expect(&h, call, &answer);
    int found = 0;
    for (int32_t i = 0; i < answer.api_keys_count; i++) {
        const struct wire_api *api = wire_api(answer.api_keys[i].api_key);
        assert_true((api->listeners & WIRE_ON_CONTROLLER) != 0);
        found += api->listeners == WIRE_ON_CONTROLLER;
    }
    assert_int_equal(found, 11);
    struct wire_metadata_request metadata;
    wire_defaults(&wire_metadata_request_message, &metadata);
    help_call(&h, 3, 12, &metadata);
    help_go(&h, 500);
    assert_true(h.is_closed);
    help_teardown(&h);
}

/* What stands in a fetch's place of versions, topics and sessions is of no meaning there. */
TEST(a_fetch_by_a_controllers_listener_is_of_the_metadata_log_alone)
{
    struct help h;
    help_setup(&h, 6, "");
    struct wire_uuid id = help_make_topic(&h);
    become_controllers(&h);
    for (int16_t v = 4; v <= 18; v++) {
        int call = help_fetch(&h, v, id, 0, 0, 1);
        struct wire_fetch_response answer;
        help_go(&h, 500);
        help_expect(&h, call, &answer);
        assert_int_equal(answer.error_code, v < 7 ? 0 : WIRE_ERROR_INCONSISTENT_CLUSTER_ID);
        assert_int_equal(answer.responses_count, 0);
    }
    help_teardown(&h);
}

/* Random messages of each version, and sound ones with a few bytes changed: answered, or the
 * connection closed, and the broker goes on. */
TEST(whatever_controllers_say_the_broker_goes_on)
{
    struct rng rng = {.state = 7};
    struct help h;
    setup(&h, 7);
    for (int i = 0; i < 200; i++) {
        enum raft_api api = apis[i % COUNT_OF(apis)];
        const struct wire_message *m = talk_api(api)->request;
        int64_t version = random_between(rng_next(&rng), m->oldest, m->newest);
        if (api == RAFT_FETCH)
            version = MAX(version, 13);
        struct raft_request request = {.api = api, .bootstrap = -1};
        request.from.id = (int32_t)rng_next(&rng);
        request.epoch = (int32_t)(rng_next(&rng) >> 34);
        request.to.id = i % 3 == 0 ? 1 : (int32_t)(rng_next(&rng) >> 40);
        request.end = (int64_t)rng_next(&rng) >> (i % 60);
        request.last_epoch = (int32_t)(rng_next(&rng) >> (30 + i % 30));
        request.snapshot.offset = (int64_t)rng_next(&rng) >> (i % 60);
        request.position = (int64_t)rng_next(&rng) >> (i % 50);
        h.is_closed = false;
        ask(&h, &request, cluster_of(&h), (int16_t)version);
        help_go(&h, 50);
    }
    assert_int_equal(world_node_life(h.world, h.broker), WORLD_UP);
    help_broker(&h)->listeners[0].told.on = WIRE_ON_BROKER;
    assert_int_equal(help_metadata(&h, HELP_TOPIC, 1000).topics[0].error_code, 0);
    help_teardown(&h);
}

/* KIP-919: who is a controller says who the others are; of brokers it says nothing there. */
TEST(a_controllers_listener_describes_controllers)
{
    struct help h;
    setup(&h, 8);
    static const int16_t codes[] = {WIRE_ERROR_UNSUPPORTED_ENDPOINT_TYPE,
                                    WIRE_ERROR_MISMATCHED_ENDPOINT_TYPE, 0};
    for (int8_t type = 0; type <= 2; type++) {
        struct wire_describe_cluster_request body;
        struct wire_describe_cluster_response answer;
        wire_defaults(&wire_describe_cluster_request_message, &body);
        body.endpoint_type = type;
        int call = help_call(&h, 60, 1, &body);
        help_go(&h, 500);
        help_expect(&h, call, &answer);
        assert_int_equal(answer.error_code, codes[type]);
        if (type != 2)
            continue;
        assert_int_equal(answer.endpoint_type, 2);
        assert_int_equal(answer.controller_id, 1);
        assert_int_equal(answer.brokers_count, 1);
        assert_int_equal(answer.brokers[0].broker_id, 1);
        assert_int_equal(answer.brokers[0].port, help_broker(&h)->listeners[0].told.port);
    }
    help_teardown(&h);
}
