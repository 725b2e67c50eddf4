/* leader_test.c - how a client learns who leads while nodes hang, and its way to a replica nearby
 * (KIP-392) and back to the leader. */
#include "rig.h"

#define LEADER 0
#define NEARBY 1
#define FAR_MS 10000 /* for so long leaders are not told the rack after a replica was lost */

/* ---- who leads ---- */

TEST(beside_a_node_that_hangs_the_next_one_is_connected_to)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, "bootstrap.servers", "a:1,b:2,c:3", NULL);
    rig_send(&r, &send, "t", 0, "x");
    assert_true(rig_wanted(&r, -1, CLIENT_LANE_MAIN));
    rig_pass(&r, 900); /* retry.backoff.max.ms is 1000 */
    assert_false(rig_wanted(&r, -2, CLIENT_LANE_MAIN));
    rig_pass(&r, 200);
    assert_true(rig_wanted(&r, -1, CLIENT_LANE_MAIN)); /* it may come yet */
    assert_true(rig_wanted(&r, -2, CLIENT_LANE_MAIN));
    assert_false(rig_wanted(&r, -3, CLIENT_LANE_MAIN));
    rig_up(&r, -2, CLIENT_LANE_MAIN);
    struct client_request *request = rig_take(&r, 3);
    assert_int_equal(request->node, -2);
    rig_pass(&r, 5000);
    assert_true(rig_wanted(&r, -3, CLIENT_LANE_MAIN)); /* for -2 does not answer either */
    rig_lose(&r, request, true);
    rig_done(&r);
}

TEST(a_question_that_hangs_is_asked_of_one_more_node_and_of_no_third)
{
    struct rig r;
    struct client_send send;
    rig_init(&r, "bootstrap.servers", "a:1,b:2,c:3", NULL);
    rig_send(&r, &send, "t", 0, "x");
    rig_up(&r, -1, CLIENT_LANE_MAIN);
    rig_up(&r, -2, CLIENT_LANE_MAIN);
    rig_up(&r, -3, CLIENT_LANE_MAIN);
    rig_pass(&r, 900);
    assert_int_equal(rig_count(&r, 3), 1);
    rig_pass(&r, 200);
    assert_int_equal(rig_count(&r, 3), 2);
    struct client_request *first = rig_take(&r, 3);
    struct client_request *second = rig_take(&r, 3);
    assert_int_not_equal(first->node, second->node);
    rig_pass(&r, 20000);
    assert_int_equal(rig_count(&r, 3), 0);
    list_push_back(&r.requests, &second->link);
    rig_answer_leader(&r, "t", LEADER, 5);
    assert_true(rig_wanted(&r, LEADER, CLIENT_LANE_MAIN));
    rig_lose(&r, first, true);
    rig_done(&r);
}

/* ---- reading ---- */

struct nearby {
    struct rig rig;
    struct client_assignment a;
};

static void answer_brokers(struct nearby *d)
{
    struct wire_metadata_response_broker brokers[] = {
        {.node_id = LEADER, .host = wire_text("b0"), .port = 9092, .rack = WIRE_NULL_STRING},
        {.node_id = NEARBY, .host = wire_text("b1"), .port = 9092, .rack = WIRE_NULL_STRING}};
    struct wire_metadata_response_partition partition = {.leader_id = LEADER, .leader_epoch = 1};
    struct wire_metadata_response_topic topic = {
        .name = wire_text("t"), .partitions = &partition, .partitions_count = 1};
    struct wire_metadata_response answer;
    wire_defaults(&wire_metadata_response_message, &answer);
    answer.brokers = brokers;
    answer.brokers_count = COUNT_OF(brokers);
    answer.topics = &topic;
    answer.topics_count = 1;
    rig_answer(&d->rig, rig_take(&d->rig, 3), &answer);
}

/* Reads t/0 from offset 7; the first fetch is on its way to the leader. */
static void nearby_init(struct nearby *d)
{
    d->a = (struct client_assignment){
        .topic = "t", .partition = 0, .start = CLIENT_START_OFFSET, .start_at = 7};
    rig_init(&d->rig, "client.rack", "east", NULL);
    rig_step(&d->rig, (struct client_event){.kind = CLIENT_EV_ASSIGN, .assignment = &d->a});
    struct client_poll poll = {
        .record_max = 1, .wait_ms = 1, .records = &(struct client_fetched){0}};
    rig_submit(&d->rig, CLIENT_POLL, &poll.op); /* the notice that it starts */
    rig_up(&d->rig, -1, CLIENT_LANE_MAIN);
    answer_brokers(d);
    rig_up(&d->rig, LEADER, CLIENT_LANE_FETCH);
}

static void nearby_done(struct nearby *d)
{
    rig_step(&d->rig, (struct client_event){.kind = CLIENT_EV_UNASSIGN, .assignment = &d->a});
    rig_done(&d->rig);
}

static void answer_fetch(struct nearby *d, int16_t code, int32_t preferred)
{
    struct wire_fetch_response_partition part = {.error_code = code,
                                                 .high_watermark = 100,
                                                 .last_stable_offset = 100,
                                                 .diverging_epoch = {-1, -1},
                                                 .current_leader = {-1, -1},
                                                 .snapshot_id = {-1, -1},
                                                 .preferred_read_replica = preferred};
    struct wire_fetch_response_topic topic = {
        .topic = wire_text("t"), .partitions_count = 1, .partitions = &part};
    struct wire_fetch_response answer;
    wire_defaults(&wire_fetch_response_message, &answer);
    answer.responses_count = 1;
    answer.responses = &topic;
    struct client_request *request = rig_take(&d->rig, 1);
    assert_non_null(request);
    rig_answer(&d->rig, request, &answer);
}

/* The only fetch that is on its way goes there, from offset 7, and says the rack or does not. */
static void expect_fetch(struct nearby *d, int32_t node, const char *rack)
{
    struct wire_fetch_request in;
    struct client_request *request = rig_take(&d->rig, 1);
    assert_non_null(request);
    assert_int_equal(rig_count(&d->rig, 1), 0);
    rig_read(&d->rig, request, &in);
    assert_int_equal(request->node, node);
    assert_int_equal(in.topics_count, 1);
    assert_int_equal(in.topics[0].partitions[0].fetch_offset, 7);
    assert_true(wire_string_equal(in.rack_id, wire_text(rack)));
    list_push_back(&d->rig.requests, &request->link);
}

/* The leader has named the replica, and the fetch is on its way there. */
static void go_nearby(struct nearby *d)
{
    nearby_init(d);
    expect_fetch(d, LEADER, "east");
    answer_fetch(d, 0, NEARBY);
    rig_up(&d->rig, NEARBY, CLIENT_LANE_FETCH);
    expect_fetch(d, NEARBY, "east");
}

TEST(who_brings_no_records_is_asked_who_leads)
{
    struct nearby d;
    nearby_init(&d);
    rig_down(&d.rig, -1, CLIENT_LANE_MAIN); /* no other connection is left */
    answer_fetch(&d, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER, -1);
    rig_pass(&d.rig, 150);
    struct client_request *request = rig_take(&d.rig, 3);
    assert_non_null(request);
    assert_int_equal(request->node, LEADER);
    assert_int_equal(request->lane, CLIENT_LANE_FETCH);
    rig_lose(&d.rig, request, true);
    nearby_done(&d);
}

/* Where the leader says the same, there is a reset to talk of; a replica may just be behind. */
TEST(what_a_replica_nearby_does_not_have_its_leader_is_asked_for)
{
    struct nearby d;
    go_nearby(&d);
    answer_fetch(&d, WIRE_ERROR_OFFSET_OUT_OF_RANGE, -1);
    rig_pass(&d.rig, 150);
    expect_fetch(&d, LEADER, "east");
    assert_int_equal(rig_count(&d.rig, 2), 0);
    nearby_done(&d);
}

TEST(who_is_refused_by_a_replica_nearby_goes_back_to_the_leader)
{
    static const int16_t codes[] = {
        WIRE_ERROR_NOT_LEADER_OR_FOLLOWER, WIRE_ERROR_FENCED_LEADER_EPOCH,
        WIRE_ERROR_UNKNOWN_LEADER_EPOCH,   WIRE_ERROR_OFFSET_NOT_AVAILABLE,
        WIRE_ERROR_KAFKA_STORAGE_ERROR,    WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION};
    for (int i = 0; i < COUNT_OF(codes); i++) {
        struct nearby d;
        go_nearby(&d);
        answer_fetch(&d, codes[i], -1);
        rig_pass(&d.rig, 150);
        expect_fetch(&d, LEADER, "east");
        nearby_done(&d);
    }
}

/* Until the controller knows that the replica is gone its leader would name it again. */
TEST(who_loses_a_replica_nearby_does_not_tell_its_rack_for_a_while)
{
    struct nearby d;
    go_nearby(&d);
    rig_down(&d.rig, NEARBY, CLIENT_LANE_FETCH);
    rig_pass(&d.rig, 150);
    expect_fetch(&d, LEADER, "");
    rig_pass(&d.rig, FAR_MS);
    rig_down(&d.rig, LEADER, CLIENT_LANE_FETCH);
    rig_pass(&d.rig, 300); /* the second pause is the longer one */
    rig_up(&d.rig, LEADER, CLIENT_LANE_FETCH);
    expect_fetch(&d, LEADER, "east");
    nearby_done(&d);
}

TEST(a_replica_nearby_that_cannot_be_connected_to_is_waited_for_a_second_at_most)
{
    struct nearby d;
    nearby_init(&d);
    answer_fetch(&d, 0, NEARBY);
    assert_true(rig_wanted(&d.rig, NEARBY, CLIENT_LANE_FETCH));
    rig_pass(&d.rig, 900); /* retry.backoff.max.ms is 1000 */
    assert_int_equal(rig_count(&d.rig, 1), 0);
    rig_pass(&d.rig, 200);
    if (rig_count(&d.rig, 3) > 0)
        answer_brokers(&d);
    expect_fetch(&d, LEADER, "");
    nearby_done(&d);
}

TEST(a_replica_nearby_is_left_when_the_metadata_are_due)
{
    struct nearby d;
    go_nearby(&d);
    rig_pass(&d.rig, 300000); /* metadata.max.age.ms */
    answer_brokers(&d);
    answer_fetch(&d, 0, -1);
    expect_fetch(&d, LEADER, "east");
    nearby_done(&d);
}

TEST(a_replica_nearby_that_nobody_knows_is_asked_for_first)
{
    struct nearby d;
    nearby_init(&d);
    answer_fetch(&d, 0, 9);
    rig_pass(&d.rig, 150);
    assert_int_equal(rig_count(&d.rig, 3), 1);
    expect_fetch(&d, LEADER, "east");
    nearby_done(&d);
}
