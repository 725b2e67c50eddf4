/* orders_test.c - commands of the controller, through Kafka's requests and answers; and what others
 * may answer. */
#include "orders/orders.h"
#include "support/test.h"

#define CLUSTER "MkU3OEVBNTcwNTJENDM2Qk"
#define ARENA_LIMIT (4 << 20)

static struct mem heap;

static struct wire_uuid uuid_of(uint8_t first)
{
    return (struct wire_uuid){.b = {first, 2, 3}};
}

/* Decodes what orders_request made; the arena's. */
static void *request_of(const struct controller_command *command, int16_t version,
                        struct arena *arena)
{
    const struct wire_message *m = wire_api(orders_api(command->verb))->request;
    struct wire_out out;
    wire_out_init(&out, &heap);
    assert_ok(orders_request(command, CLUSTER, &heap, version, &out));
    uint8_t *bytes = arena_alloc(arena, out.size);
    void *body = arena_alloc(arena, m->size);
    memcpy(bytes, out.data, out.size);
    assert_ok(wire_decode(m, version, bytes_of(bytes, out.size), NULL, body, arena, NULL));
    wire_out_free(&out);
    return body;
}

static enum err answer(struct controller_command *command, int16_t version, const void *body)
{
    struct wire_out out;
    wire_out_init(&out, &heap);
    assert_ok(wire_encode(wire_api(orders_api(command->verb))->response, version, body, &out));
    enum err e = orders_response(command, version, bytes_of(out.data, out.size), &heap);
    wire_out_free(&out);
    return e;
}

static void setup(struct arena *arena)
{
    mem_system(&heap);
    arena_init(arena, &heap, ARENA_LIMIT);
}

static void teardown(struct arena *arena)
{
    arena_free(arena);
    assert_int_equal(heap.live_count, 0);
}

TEST(a_registration_says_all_of_it)
{
    struct wire_register_broker_record_endpoint ends[2] = {
        {.name = wire_text("A"), .host = wire_text("a"), .port = 1},
        {.name = wire_text("B"), .host = wire_text("b"), .port = 65535, .security_protocol = 3}};
    struct wire_register_broker_record_feature feature = {.name = wire_text("metadata.version"),
                                                          .min_supported_version = 7,
                                                          .max_supported_version = 29};
    struct wire_uuid directory = uuid_of(9);
    struct wire_register_broker_record record;
    struct controller_register_broker c;
    struct arena arena;
    setup(&arena);
    wire_defaults(&wire_register_broker_record_message, &record);
    record.broker_id = 5;
    record.incarnation_id = uuid_of(1);
    record.rack = wire_text("r1");
    record.end_points = ends;
    record.end_points_count = 2;
    record.features = &feature;
    record.features_count = 1;
    record.log_dirs = &directory;
    record.log_dirs_count = 1;
    controller_register_broker_init(&c);
    c.record = &record;
    c.previous_epoch = 77;
    for (int16_t v = 0; v <= 4; v++) {
        const struct wire_broker_registration_request *r = request_of(&c.command, v, &arena);
        assert_int_equal(r->broker_id, 5);
        assert_true(wire_string_equal(r->cluster_id, wire_text(CLUSTER)));
        assert_true(wire_uuid_equal(&r->incarnation_id, &record.incarnation_id));
        assert_int_equal(r->listeners_count, 2);
        assert_int_equal(r->listeners[1].port, 65535);
        assert_int_equal(r->listeners[1].security_protocol, 3);
        assert_true(wire_string_equal(r->listeners[0].host, wire_text("a")));
        assert_int_equal(r->features_count, 1);
        assert_int_equal(r->features[0].max_supported_version, 29);
        assert_true(wire_string_equal(r->rack, wire_text("r1")));
        assert_int_equal(r->log_dirs_count, v >= 2 ? 1 : 0);
        assert_int_equal(r->previous_broker_epoch, v >= 3 ? 77 : -1);
        struct wire_broker_registration_response says = {.broker_epoch = 42};
        assert_ok(answer(&c.command, v, &says));
        assert_int_equal(c.command.code, 0);
        assert_int_equal(c.epoch, 42);
        says = (struct wire_broker_registration_response){
            .error_code = WIRE_ERROR_DUPLICATE_BROKER_REGISTRATION, .broker_epoch = -1};
        assert_ok(answer(&c.command, v, &says));
        assert_int_equal(c.command.code, WIRE_ERROR_DUPLICATE_BROKER_REGISTRATION);
        assert_true(c.command.msg.text[0] != 0);
        says.error_code = 0; /* an epoch that cannot be */
        assert_int_equal(answer(&c.command, v, &says), ERR_CORRUPT);
    }
    teardown(&arena);
}

TEST(a_heartbeat_says_and_hears_all_of_it)
{
    struct arena arena;
    setup(&arena);
    for (int i = 0; i < 4; i++) {
        struct controller_heartbeat c;
        controller_heartbeat_init(&c);
        c.broker_id = 3;
        c.broker_epoch = 1ll << 40;
        c.metadata_offset = 99;
        c.want_fence = (i & 1) != 0;
        c.want_shutdown = (i & 2) != 0;
        for (int16_t v = 0; v <= 2; v++) {
            const struct wire_broker_heartbeat_request *r = request_of(&c.command, v, &arena);
            assert_int_equal(r->broker_id, 3);
            assert_int_equal(r->broker_epoch, 1ll << 40);
            assert_int_equal(r->current_metadata_offset, 99);
            assert_int_equal(r->want_fence, c.want_fence);
            assert_int_equal(r->want_shut_down, c.want_shutdown);
            struct wire_broker_heartbeat_response says = {.is_caught_up = (i & 1) != 0,
                                                          .is_fenced = (i & 2) != 0,
                                                          .should_shut_down = (i & 1) == 0};
            assert_ok(answer(&c.command, v, &says));
            assert_int_equal(c.is_caught_up, says.is_caught_up);
            assert_int_equal(c.is_fenced, says.is_fenced);
            assert_int_equal(c.may_go, says.should_shut_down);
        }
    }
    teardown(&arena);
}

/* ---- lists ---- */

#define PARTS 5

static void make_altered(struct controller_altered_partition altered[PARTS],
                         const struct controller_in_sync *isr)
{
    for (int i = 0; i < PARTS; i++) /* of two topics */
        altered[i] = (struct controller_altered_partition){.topic_id = uuid_of(i < 3 ? 1 : 2),
                                                           .partition = 10 + i,
                                                           .leader_epoch = 20 + i,
                                                           .partition_epoch = 30 + i,
                                                           .leader_recovery_state = (int8_t)(i & 1),
                                                           .isr = isr,
                                                           .isr_count = i % 3};
}

TEST(who_is_in_sync_is_said_by_topic_with_epochs_where_a_version_has_them)
{
    static const struct controller_in_sync isr[2] = {{4, 44}, {5, CONTROLLER_NO_EPOCH}};
    struct controller_altered_partition altered[PARTS];
    struct controller_alter_partition c;
    struct arena arena;
    setup(&arena);
    make_altered(altered, isr);
    controller_alter_partition_init(&c);
    c.broker_id = 1;
    c.broker_epoch = 8;
    c.altered = altered;
    c.count = PARTS;
    for (int16_t v = 2; v <= 3; v++) {
        const struct wire_alter_partition_request *r = request_of(&c.command, v, &arena);
        assert_int_equal(r->broker_epoch, 8);
        assert_int_equal(r->topics_count, 2);
        assert_int_equal(r->topics[0].partitions_count, 3);
        assert_int_equal(r->topics[1].partitions_count, 2);
        const struct wire_alter_partition_request_partition *p = &r->topics[0].partitions[2];
        assert_int_equal(p->partition_index, 12);
        assert_int_equal(p->leader_epoch, 22);
        assert_int_equal(p->partition_epoch, 32);
        assert_int_equal(v >= 3 ? p->new_isr_with_epochs_count : p->new_isr_count, 2);
        if (v >= 3)
            assert_int_equal(p->new_isr_with_epochs[0].broker_epoch, 44);
        else
            assert_int_equal(p->new_isr[1], 5);
    }
    teardown(&arena);
}

TEST(what_became_of_each_partition_is_found_in_any_order)
{
    struct controller_altered_partition altered[PARTS];
    struct controller_alter_partition c;
    struct wire_alter_partition_response_partition rows[PARTS];
    struct wire_alter_partition_response_topic topics[2] = {
        {.topic_id = uuid_of(2), .partitions = rows, .partitions_count = 2},
        {.topic_id = uuid_of(1), .partitions = rows + 2, .partitions_count = 2}};
    struct wire_alter_partition_response says = {.topics = topics, .topics_count = 2};
    static const int32_t order[] = {14, 13, 12, 10};
    struct arena arena;
    setup(&arena);
    make_altered(altered, NULL);
    for (int i = 0; i < 4; i++)
        rows[i] = (struct wire_alter_partition_response_partition){
            .partition_index = order[i],
            .error_code = i == 0 ? WIRE_ERROR_INVALID_UPDATE_VERSION : 0,
            .leader_id = 100 + order[i],
            .leader_epoch = 200 + order[i],
            .partition_epoch = 300 + order[i]};
    controller_alter_partition_init(&c);
    c.altered = altered;
    c.count = PARTS;
    assert_ok(answer(&c.command, 3, &says));
    assert_int_equal(altered[4].code, WIRE_ERROR_INVALID_UPDATE_VERSION);
    assert_int_equal(altered[1].code, WIRE_ERROR_UNKNOWN_SERVER_ERROR); /* nothing was said */
    for (int i = 0; i < PARTS; i++) {
        if (i == 1)
            continue;
        assert_int_equal(altered[i].now_leader, 110 + i);
        assert_int_equal(altered[i].now_leader_epoch, 210 + i);
        assert_int_equal(altered[i].now_partition_epoch, 310 + i);
    }
    rows[3].partition_index = 13; /* of the other topic */
    assert_int_equal(answer(&c.command, 3, &says), ERR_CORRUPT);
    teardown(&arena);
}

TEST(directories_are_said_by_topic_and_heard_of_one_by_one)
{
    struct controller_place places[3] = {{uuid_of(1), 0}, {uuid_of(1), 7}, {uuid_of(2), 0}};
    struct controller_assign_directories c;
    int16_t codes[3] = {0};
    struct arena arena;
    setup(&arena);
    controller_assign_directories_init(&c);
    c.broker_id = 4;
    c.broker_epoch = 6;
    c.directory = uuid_of(9);
    c.places = places;
    c.count = 3;
    c.codes = codes;
    const struct wire_assign_replicas_to_dirs_request *r = request_of(&c.command, 0, &arena);
    assert_int_equal(r->directories_count, 1);
    assert_true(wire_uuid_equal(&r->directories[0].id, &c.directory));
    assert_int_equal(r->directories[0].topics_count, 2);
    assert_int_equal(r->directories[0].topics[0].partitions[1].partition_index, 7);
    struct wire_assign_replicas_to_dirs_response_partition rows[2] = {
        {.partition_index = 7, .error_code = WIRE_ERROR_UNKNOWN_TOPIC_ID}, {.partition_index = 0}};
    struct wire_assign_replicas_to_dirs_response_topic topic = {
        .topic_id = uuid_of(1), .partitions = rows, .partitions_count = 2};
    struct wire_assign_replicas_to_dirs_response_directory directory = {
        .id = uuid_of(9), .topics = &topic, .topics_count = 1};
    struct wire_assign_replicas_to_dirs_response says = {.directories = &directory,
                                                         .directories_count = 1};
    assert_ok(answer(&c.command, 0, &says));
    assert_int_equal(codes[0], 0);
    assert_int_equal(codes[1], WIRE_ERROR_UNKNOWN_TOPIC_ID);
    assert_int_equal(codes[2], WIRE_ERROR_UNKNOWN_SERVER_ERROR);
    directory.id = uuid_of(8);
    assert_int_equal(answer(&c.command, 0, &says), ERR_CORRUPT);
    teardown(&arena);
}

TEST(a_block_of_producer_ids_that_cannot_be_is_no_answer)
{
    static const struct {
        int64_t start;
        int32_t count;
        enum err err;
    } cases[] = {{5000, 1000, ERR_NONE},         {0, 1000, ERR_NONE}, {-1, 1000, ERR_CORRUPT},
                 {INT64_MAX, 1000, ERR_CORRUPT}, {0, 999, ERR_NONE},  {0, 0, ERR_CORRUPT}};
    struct controller_allocate_producer_ids c;
    struct arena arena;
    setup(&arena);
    controller_allocate_producer_ids_init(&c);
    c.broker_id = 2;
    c.broker_epoch = 11;
    const struct wire_allocate_producer_ids_request *r = request_of(&c.command, 0, &arena);
    assert_int_equal(r->broker_id, 2);
    assert_int_equal(r->broker_epoch, 11);
    for (int i = 0; i < COUNT_OF(cases); i++) {
        struct wire_allocate_producer_ids_response says = {.producer_id_start = cases[i].start,
                                                           .producer_id_len = cases[i].count};
        assert_int_equal(answer(&c.command, 0, &says), cases[i].err);
        if (cases[i].err == ERR_NONE)
            assert_int_equal(c.first, cases[i].start);
        if (cases[i].err == ERR_NONE)
            assert_int_equal(c.id_count, cases[i].count);
    }
    teardown(&arena);
}

TEST(bytes_that_are_no_answer_are_none)
{
    struct controller_heartbeat c;
    struct arena arena;
    uint8_t bytes[64];
    struct rng rng = {.state = 5};
    setup(&arena);
    controller_heartbeat_init(&c);
    for (int i = 0; i < 2000; i++) {
        size_t size = random_below(rng_next(&rng), sizeof bytes);
        for (size_t k = 0; k < size; k++)
            bytes[k] = (uint8_t)rng_next(&rng);
        enum err e = orders_response(&c.command, 2, bytes_of(bytes, size), &heap);
        assert_true(e == ERR_NONE || e == ERR_CORRUPT);
    }
    assert_int_equal(orders_response(&c.command, 2, bytes_of(bytes, 0), &heap), ERR_CORRUPT);
    teardown(&arena);
}
