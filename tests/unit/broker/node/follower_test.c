/* follower_test.c - a leader of the cluster's, asked by a follower that is the test: over its
 * connection, with the controller that the broker is itself. */
#include "node/internal.h"
#include "support/broker/help.h"

#define FOLLOWER 2
#define LAG_MS 500

/* What the follower asks the controller; in place until it is done. */
static struct follower {
    struct controller_register_broker registration;
    struct controller_heartbeat heartbeat;
    struct wire_register_broker_record record;
    struct wire_register_broker_record_endpoint endpoint;
    struct wire_register_broker_record_feature feature;
    struct wire_uuid directory;
    struct quorum_request request;
    struct wire_uuid topic_id;
} follower;

static void on_done(struct quorum_request *request)
{
    assert_int_equal(request->command->code, WIRE_ERROR_NONE);
}

static void register_it(struct help *h, struct broker *b)
{
    (void)h;
    struct follower *f = &follower;
    *f = (struct follower){.directory = {.b = {FOLLOWER}}};
    f->endpoint = (struct wire_register_broker_record_endpoint){
        .name = wire_text("PLAINTEXT"), .host = wire_text("elsewhere"), .port = 9002};
    f->feature = (struct wire_register_broker_record_feature){
        .name = wire_text("metadata.version"),
        .min_supported_version = METADATA_VERSION_OLDEST,
        .max_supported_version = METADATA_VERSION};
    wire_defaults(&wire_register_broker_record_message, &f->record);
    f->record.broker_id = FOLLOWER;
    f->record.incarnation_id.b[0] = FOLLOWER;
    f->record.end_points = &f->endpoint;
    f->record.end_points_count = 1;
    f->record.features = &f->feature;
    f->record.features_count = 1;
    f->record.log_dirs = &f->directory;
    f->record.log_dirs_count = 1;
    controller_register_broker_init(&f->registration);
    f->registration.record = &f->record;
    f->registration.previous_epoch = -1;
    quorum_submit(b->quorum, &f->request, &f->registration.command, QUORUM_COMMITTED, on_done);
}

static void unfence_it(struct help *h, struct broker *b)
{
    (void)h;
    controller_heartbeat_init(&follower.heartbeat);
    follower.heartbeat.broker_id = FOLLOWER;
    follower.heartbeat.broker_epoch = follower.registration.epoch;
    follower.heartbeat.metadata_offset = INT32_MAX;
    quorum_submit(b->quorum, &follower.request, &follower.heartbeat.command, QUORUM_COMMITTED,
                  on_done);
}

/* One partition, led by the broker, with the follower in sync. */
static void begin(struct help *h, uint64_t seed, const char *config)
{
    help_setup(h, seed, config);
    help_act(h, register_it, 100);
    help_act(h, unfence_it, 100);
    int32_t replicas[] = {1, FOLLOWER};
    struct wire_create_topics_request_assignment row = {.broker_ids = replicas,
                                                        .broker_ids_count = 2};
    struct wire_create_topics_request_topic topic = {.name = wire_text(HELP_TOPIC),
                                                     .num_partitions = -1,
                                                     .replication_factor = -1,
                                                     .assignments = &row,
                                                     .assignments_count = 1};
    struct wire_create_topics_request body;
    wire_defaults(&wire_create_topics_request_message, &body);
    body.topics = &topic;
    body.topics_count = 1;
    int call = help_call(h, 19, 7, &body);
    help_go(h, 300);
    struct wire_create_topics_response answer;
    help_expect(h, call, &answer);
    assert_int_equal(answer.topics[0].error_code, WIRE_ERROR_NONE);
    follower.topic_id = answer.topics[0].topic_id;
}

/* What the follower asks for: what it has, in which session, for how long it waits. */
struct ask {
    int64_t offset, log_start;
    int32_t session_id, session_epoch, wait_ms;
    int32_t epoch_off; /* of its broker: it is not the one of now */
    int32_t id;        /* 0: the follower's */
    bool names_nothing;
};

static int ask(struct help *h, struct ask a)
{
    struct help_fetch f;
    help_fetch_init(&f, follower.topic_id, a.offset);
    f.body.replica_state.replica_id = a.id == 0 ? FOLLOWER : a.id;
    f.body.replica_state.replica_epoch = follower.registration.epoch + a.epoch_off;
    f.body.max_wait_ms = a.wait_ms;
    f.body.min_bytes = 1;
    f.body.session_id = a.session_id;
    f.body.session_epoch = a.session_epoch;
    f.partition.current_leader_epoch = 0;
    f.partition.log_start_offset = a.log_start;
    if (a.names_nothing)
        f.body.topics_count = 0;
    int call = help_call(h, 1, 17, &f.body);
    h->calls[call].other = h->calls[call].together = true;
    return call;
}

static struct wire_fetch_response answer_of(struct help *h, int call)
{
    struct wire_fetch_response answer;
    help_expect(h, call, &answer);
    return answer;
}

/* Of the one partition. */
static struct wire_fetch_response_partition told(struct help *h, int call)
{
    struct wire_fetch_response answer = answer_of(h, call);
    assert_int_equal(answer.error_code, 0);
    assert_int_equal(answer.responses_count, 1);
    return answer.responses[0].partitions[0];
}

static bool is_answered(struct help *h, int call)
{
    struct wire_fetch_response answer;
    return help_answer(h, call, &answer);
}

static int produce(struct help *h, int16_t acks)
{
    return help_produce(h, 13, acks, follower.topic_id, help_batch(h, 5, -1, -1, 1000));
}

static const struct ask once = {.session_epoch = -1};

/* ---- claims ---- */

TEST(acks_all_waits_for_the_follower)
{
    struct help h;
    begin(&h, 90, "");
    int produced = produce(&h, -1);
    help_go(&h, 200);
    assert_int_equal(h.calls[produced].answer.size, 0);
    int first = ask(&h, once);
    help_go(&h, 100);
    assert_int_equal(told(&h, first).high_watermark, 0);
    assert_true(told(&h, first).records.size > 0); /* it reads what is not committed */
    assert_int_equal(h.calls[produced].answer.size, 0);
    struct ask next = once;
    next.offset = 5;
    int second = ask(&h, next);
    help_go(&h, 100);
    assert_int_equal(told(&h, second).high_watermark, 5);
    assert_int_equal(help_produced(&h, produced).error_code, 0);
    assert_int_equal(help_produced(&h, produced).base_offset, 0);
    help_teardown(&h);
}

TEST(only_a_follower_that_is_one_is_served)
{
    struct help h;
    begin(&h, 91, "");
    struct ask a = once;
    a.epoch_off = -1;
    int older = ask(&h, a);
    a = once;
    a.id = 7;
    int stranger = ask(&h, a);
    a = once;
    a.offset = 9;
    int ahead = ask(&h, a);
    help_go(&h, 200);
    assert_int_equal(told(&h, older).error_code, WIRE_ERROR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(told(&h, stranger).error_code, WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(told(&h, ahead).error_code, WIRE_ERROR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(told(&h, ahead).log_start_offset, 0);
    help_teardown(&h);
}

/* Brokers have a listener of their own, and the test comes by the other. */
TEST(where_no_broker_comes_by_there_is_no_follower)
{
    struct help h;
    begin(&h, 92,
          "listeners=PLAINTEXT://:9092,INSIDE://:9093\n"
          "advertised.listeners=PLAINTEXT://broker:9092,INSIDE://broker:9093\n"
          "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,INSIDE:PLAINTEXT\n"
          "inter.broker.listener.name=INSIDE\n");
    int call = ask(&h, once);
    help_go(&h, 200);
    assert_int_equal(told(&h, call).error_code, WIRE_ERROR_UNKNOWN_LEADER_EPOCH);
    help_teardown(&h);
}

/* It cuts its log by the end of the leader's, where clients are told what is committed. */
TEST(a_follower_is_told_where_the_log_ends)
{
    struct help h;
    begin(&h, 98, "");
    produce(&h, 1);
    help_go(&h, 100);
    struct help_offsets o;
    help_offsets_init(&o, -1);
    int client = help_call(&h, 2, 6, &o.body);
    o.body.replica_id = FOLLOWER;
    int follows = help_call(&h, 2, 6, &o.body);
    help_go(&h, 100);
    assert_int_equal(help_listed(&h, client).offset, 0);
    assert_int_equal(help_listed(&h, follows).offset, 5);
    help_teardown(&h);
}

/* The follower's session, once it has all there is and knows it. */
static int32_t settle(struct help *h)
{
    produce(h, 1);
    help_go(h, 100);
    struct ask a = {0};
    int call = ask(h, a);
    help_go(h, 100);
    int32_t id = answer_of(h, call).session_id;
    assert_true(id > 0);
    a = (struct ask){.offset = 5, .session_id = id, .session_epoch = 1, .wait_ms = 5000};
    call = ask(h, a);
    help_go(h, 100);
    assert_int_equal(told(h, call).high_watermark, 5); /* at once, without records */
    return id;
}

TEST(a_follower_that_waits_is_answered_by_records_and_by_its_own_next_word)
{
    struct help h;
    begin(&h, 93, "");
    struct ask a = {.session_id = settle(&h), .session_epoch = 2, .wait_ms = 5000};
    a.names_nothing = true;
    int parked = ask(&h, a);
    help_go(&h, 200);
    assert_false(is_answered(&h, parked));
    a.session_epoch = 3;
    int next = ask(&h, a); /* as one that has synced something would */
    help_go(&h, 100);
    assert_int_equal(answer_of(&h, parked).error_code, 0);
    assert_int_equal(answer_of(&h, parked).responses_count, 0);
    assert_false(is_answered(&h, next));
    h.calls[produce(&h, 1)].together = true;
    help_go(&h, 100);
    assert_true(told(&h, next).records.size > 0);
    help_teardown(&h);
}

/* The session that a consumer gets. */
static int32_t consumer_session(struct help *h)
{
    struct help_fetch f;
    help_fetch_init(&f, follower.topic_id, 0);
    f.body.session_epoch = 0;
    int call = help_call(h, 1, 17, &f.body);
    help_go(h, 100);
    return answer_of(h, call).session_id;
}

TEST(a_followers_session_goes_before_those_of_consumers)
{
    struct help h;
    begin(&h, 99, "max.incremental.fetch.session.cache.slots=1\n");
    assert_true(consumer_session(&h) > 0);
    assert_int_equal(consumer_session(&h), 0); /* it is young, and no larger one came */
    struct ask a = {0};
    int call = ask(&h, a);
    help_go(&h, 100);
    assert_true(answer_of(&h, call).session_id > 0);
    assert_int_equal(consumer_session(&h), 0);
    help_teardown(&h);
}

static int trim(struct help *h, int32_t timeout_ms)
{
    struct wire_delete_records_request_partition partition = {.offset = 4};
    struct wire_delete_records_request_topic topic = {
        .name = wire_text(HELP_TOPIC), .partitions = &partition, .partitions_count = 1};
    struct wire_delete_records_request body = {
        .topics = &topic, .topics_count = 1, .timeout_ms = timeout_ms};
    return help_call(h, 21, 2, &body);
}

static struct wire_delete_records_response_partition trimmed(struct help *h, int call)
{
    struct wire_delete_records_response answer;
    help_expect(h, call, &answer);
    return answer.topics[0].partitions[0];
}

TEST(records_are_deleted_when_the_follower_begins_behind_them)
{
    struct help h;
    begin(&h, 94, "");
    struct ask a = {.session_id = settle(&h), .session_epoch = 2, .wait_ms = 5000};
    a.names_nothing = true;
    int parked = ask(&h, a);
    int deleted = trim(&h, 10000);
    h.calls[deleted].together = true;
    help_go(&h, 200);
    assert_int_equal(told(&h, parked).log_start_offset, 4); /* it is told at once */
    assert_int_equal(h.calls[deleted].answer.size, 0);
    a = (struct ask){.session_id = a.session_id, .session_epoch = 3, .offset = 5, .log_start = 4};
    ask(&h, a);
    help_go(&h, 200);
    assert_int_equal(trimmed(&h, deleted).error_code, 0);
    assert_int_equal(trimmed(&h, deleted).low_watermark, 4);
    help_teardown(&h);
}

TEST(who_has_not_so_long_to_wait_for_that_is_told)
{
    struct help h;
    begin(&h, 95, "");
    settle(&h);
    int deleted = trim(&h, 300);
    help_go(&h, 600);
    assert_int_equal(trimmed(&h, deleted).error_code, WIRE_ERROR_REQUEST_TIMED_OUT);
    help_teardown(&h);
}

static int32_t in_sync_count(struct help *h)
{
    struct wire_metadata_response answer = help_metadata(h, HELP_TOPIC, 100);
    return answer.topics[0].partitions[0].isr_nodes_count;
}

/* All the way: the leader sees it, the controller decides it, metadata tell it. */
TEST(a_follower_that_lags_leaves_and_one_that_has_caught_up_joins)
{
    struct help h;
    begin(&h, 96, "replica.lag.time.max.ms=500\nmin.insync.replicas=1\n");
    assert_int_equal(in_sync_count(&h), 2);
    int produced = produce(&h, -1);
    help_go(&h, 4 * LAG_MS);
    assert_int_equal(help_produced(&h, produced).error_code, 0);
    assert_int_equal(in_sync_count(&h), 1);
    struct ask a = once;
    ask(&h, a);
    help_go(&h, 100);
    assert_int_equal(in_sync_count(&h), 1);
    a.offset = 5;
    ask(&h, a);
    help_go(&h, 100);
    assert_int_equal(in_sync_count(&h), 2);
    help_teardown(&h);
}

TEST(too_few_in_sync_refuse_acks_all)
{
    struct help h;
    begin(&h, 97, "replica.lag.time.max.ms=500\nmin.insync.replicas=2\n");
    produce(&h, 1);
    help_go(&h, 4 * LAG_MS);
    int refused = produce(&h, -1);
    help_go(&h, 200);
    assert_int_equal(help_produced(&h, refused).error_code, WIRE_ERROR_NOT_ENOUGH_REPLICAS);
    help_teardown(&h);
}
