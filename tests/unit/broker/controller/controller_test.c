/* controller_test.c - commands in, records or refusals out. */
#include "box.h"

static const struct wire_uuid none;

TEST(a_topic_is_its_record_its_settings_and_its_partitions)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    struct wire_create_topics_request_config config = {.name = wire_text("retention.ms"),
                                                       .value = wire_text("5")};
    struct controller_create_topics c;
    struct controller_new_topic topic = {.name = bytes_text("orders"),
                                         .partition_count = 3,
                                         .replication_factor = 1,
                                         .configs = &config,
                                         .config_count = 1};
    controller_create_topics_init(&c);
    c.topics = &topic;
    c.topic_count = 1;
    box_decide(&box, &c.command);
    assert_int_equal(topic.code, 0);
    assert_int_equal(box.records, 5);
    assert_int_equal(box.batch.write_count, 1);
    const struct metadata_topic *made = metadata_find_id(box.image, &topic.id);
    assert_non_null(made);
    assert_int_equal(made->partition_count, 3);
    assert_string_equal(made->settings[0].value, "5");
    box_done(&box);
}

/* Whoever asks for what is there waits until it is sure to be there. */
TEST(a_name_that_is_taken_rests_on_the_image)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    assert_int_equal(box_create(&box, "orders", 1), 0);
    struct controller_create_topics c;
    struct controller_new_topic topic = {
        .name = bytes_text("orders"), .partition_count = 1, .replication_factor = 1};
    controller_create_topics_init(&c);
    c.topics = &topic;
    c.topic_count = 1;
    box_decide(&box, &c.command);
    assert_int_equal(topic.code, WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    assert_true(c.command.rests_on_image);
    assert_int_equal(box.records, 0);
    /* The image that it was judged by is lost: then it does not exist. */
    struct metadata_edit edit;
    assert_ok(metadata_edit_begin(&edit, &box.mem.mem, NULL));
    struct metadata_image *empty = metadata_edit_finish(&edit);
    controller_lost(&c.command, box.image, WIRE_ERROR_KAFKA_STORAGE_ERROR, "lost");
    assert_int_equal(topic.code, WIRE_ERROR_TOPIC_ALREADY_EXISTS);
    controller_lost(&c.command, empty, WIRE_ERROR_KAFKA_STORAGE_ERROR, "lost");
    assert_int_equal(topic.code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    metadata_image_release(empty);
    box_done(&box);
}

TEST(what_is_only_validated_has_no_records_and_no_id)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    struct controller_create_topics c;
    struct controller_new_topic topic = {
        .name = bytes_text("orders"), .partition_count = -1, .replication_factor = 1};
    controller_create_topics_init(&c);
    c.topics = &topic;
    c.topic_count = 1;
    c.validate_only = true;
    box_decide(&box, &c.command);
    assert_int_equal(topic.code, 0);
    assert_int_equal(topic.partition_count, 2);
    assert_true(wire_uuid_equal(&topic.id, &none));
    assert_int_equal(box.records, 0);
    assert_int_equal(box.draws, 0);
    box_done(&box);
}

TEST(blocks_of_producer_ids_follow_on_each_other)
{
    struct box box;
    box_init(&box);
    struct controller_allocate_producer_ids c;
    for (int64_t i = 0; i < 3; i++) {
        controller_allocate_producer_ids_init(&c);
        box_decide(&box, &c.command);
        assert_int_equal(c.command.code, 0);
        assert_int_equal(c.first, i * CONTROLLER_PRODUCER_ID_BLOCK);
    }
    box_done(&box);
}

/* B-1: the epoch of a broker is the offset of its registration. */
TEST(a_node_registers_where_its_record_stands)
{
    struct box box;
    box_init(&box);
    struct controller_register c;
    controller_register_init(&c);
    c.host = "somewhere";
    c.port = 9092;
    box_decide(&box, &c.command);
    assert_int_equal(c.command.code, 0);
    assert_int_equal(box.records, 5); /* behind the feature level; and what the cluster decides */
    assert_int_equal(box.image->metadata_version, METADATA_VERSION);
    assert_int_equal(metadata_find_broker(box.image, 1)->epoch, 1);
    assert_false(metadata_find_broker(box.image, 1)->fenced);
    box_decide(&box, &c.command);
    assert_int_equal(box.records, 2);
    assert_int_equal(metadata_find_broker(box.image, 1)->epoch, 5);
    box_done(&box);
}

/* KAFKA-16540: brokers must not disagree about how safe a record is. */
TEST(what_the_cluster_decides_comes_from_the_file_that_made_it)
{
    struct box box;
    struct metadata_broker_config config;
    box_init(&box);
    box.settings.file.topics.min_insync_replicas = 3;
    struct controller_register c;
    controller_register_init(&c);
    c.host = "somewhere";
    box_decide(&box, &c.command);
    box.settings.file.topics.min_insync_replicas = 1;
    box.settings.file.topics.flush_policy = 1;
    box.settings.file.topics.segment_bytes = 12345678;
    box_decide(&box, &c.command);
    assert_int_equal(box.records, 2);
    metadata_broker_configured(box.image, 1, &box.settings.file, &config);
    assert_int_equal(config.topics.min_insync_replicas, 3);
    assert_int_equal(config.topics.flush_policy, 0);
    assert_int_equal(config.topics.segment_bytes, 12345678);
    box_done(&box);
}

/* flush.messages means nothing where an acknowledged record is in the page cache. */
TEST(a_topic_has_a_flush_policy_of_its_own)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    struct wire_create_topics_request_config configs[] = {
        {.name = wire_text("flush.policy"), .value = wire_text("os")},
        {.name = wire_text("flush.messages"), .value = wire_text("1")}};
    struct controller_create_topics c;
    for (int count = 0; count <= 2; count++) {
        struct controller_new_topic topic = {.name = bytes_text("orders"),
                                             .partition_count = 1,
                                             .replication_factor = 1,
                                             .configs = configs + (count == 0),
                                             .config_count = MAX(count, 1)};
        controller_create_topics_init(&c);
        c.command.code = 0;
        c.topics = &topic;
        c.topic_count = 1;
        c.validate_only = true;
        box_decide(&box, &c.command);
        assert_int_equal(topic.code, count == 2 ? WIRE_ERROR_INVALID_CONFIG : 0);
    }
    box_done(&box);
}

TEST(new_leader_epochs_that_are_too_many_for_a_batch_are_a_transaction)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    assert_int_equal(box_create(&box, "orders", METADATA_RECORDS_MAX - 1), 0);
    assert_int_equal(box_create(&box, "bills", METADATA_RECORDS_MAX - 1), 0);
    struct controller_register c;
    controller_register_init(&c);
    c.host = "somewhere";
    c.bump_leaders = true;
    box_decide(&box, &c.command);
    assert_int_equal(c.command.code, 0);
    assert_int_equal(box.batch.write_count, 3);
    for (int i = 0; i < 3; i++)
        assert_true(box.batch.writes[i].record_count <= METADATA_RECORDS_MAX);
    /* And registration, beginning and end: readers see all of them or none. */
    assert_int_equal(box.records, 2 * (METADATA_RECORDS_MAX - 1) + 2 + 2);
    assert_null(box.image->before);
    for (int32_t i = 0; i < box.image->topic_count; i++) {
        const struct metadata_topic *topic = metadata_topic_at(box.image, i);
        for (int32_t p = 0; p < METADATA_RECORDS_MAX - 1; p++)
            assert_int_equal(metadata_partition(topic, p)->leader_epoch, 1);
    }
    box_done(&box);
}

/* The leader that began it wrote one batch of it and went. */
TEST(a_transaction_that_was_not_ended_is_aborted_first)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    assert_int_equal(box_create(&box, "orders", METADATA_RECORDS_MAX - 1), 0);
    assert_int_equal(box_create(&box, "bills", METADATA_RECORDS_MAX - 1), 0);
    struct controller_register c;
    controller_register_init(&c);
    c.host = "somewhere";
    c.bump_leaders = true;
    box.writes_max = 2;
    box_decide(&box, &c.command);
    assert_non_null(box.image->before);
    const struct metadata_topic *seen = metadata_topic_at(metadata_visible(box.image), 0);
    assert_int_equal(metadata_partition(seen, 0)->leader_epoch, 0);
    box.writes_max = METADATA_WRITES_MAX;
    struct controller_allocate_producer_ids ids;
    controller_allocate_producer_ids_init(&ids);
    box_decide(&box, &ids.command);
    assert_int_equal(ids.command.code, 0);
    assert_int_equal(box.records, 2);
    assert_null(box.image->before);
    for (int32_t p = 0; p < METADATA_RECORDS_MAX - 1; p++)
        assert_int_equal(metadata_partition(metadata_topic_at(box.image, 0), p)->leader_epoch, 0);
    box_done(&box);
}

/* Few records may be too many bytes. */
TEST(topics_with_long_settings_are_a_transaction)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    static char value[20000];
    memset(value, '1', sizeof value - 1);
    static const char key[] = "leader.replication.throttled.replicas";
    memcpy(value, "0:", 2);
    static struct controller_new_topic topics[600];
    static char names[600][8];
    struct wire_create_topics_request_config config = {.name = wire_text(key),
                                                       .value = wire_text(value)};
    for (int i = 0; i < 600; i++) {
        memcpy(names[i], "t000", 5);
        names[i][1] = (char)('0' + i / 100);
        names[i][2] = (char)('0' + i / 10 % 10);
        names[i][3] = (char)('0' + i % 10);
        topics[i] = (struct controller_new_topic){.name = bytes_text(names[i]),
                                                  .partition_count = 1,
                                                  .replication_factor = 1,
                                                  .configs = &config,
                                                  .config_count = 1};
    }
    struct controller_create_topics c;
    controller_create_topics_init(&c);
    c.topics = topics;
    c.topic_count = 600;
    box_decide(&box, &c.command);
    assert_int_equal(topics[599].code, 0);
    assert_int_equal(box.records, 3 * 600 + 2);
    assert_int_equal(box.batch.write_count, 2);
    assert_int_equal(box.image->topic_count, 600);
    assert_null(box.image->before);
    box_done(&box);
}

TEST(places_of_topics_that_are_gone_are_passed_over)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    assert_int_equal(box_create(&box, "orders", 1), 0);
    struct controller_place places[2] = {{.topic_id = metadata_topic_at(box.image, 0)->id},
                                         {.topic_id = {{1, 2, 3}}}};
    struct controller_assign_directories c;
    controller_assign_directories_init(&c);
    c.broker_id = 1;
    c.directory = (struct wire_uuid){{9}};
    c.places = places;
    c.count = 2;
    box_decide(&box, &c.command);
    assert_int_equal(c.command.code, 0);
    assert_int_equal(box.records, 1);
    const struct metadata_partition *p = metadata_partition(metadata_topic_at(box.image, 0), 0);
    struct wire_uuid place = metadata_directory(p, 1);
    assert_true(wire_uuid_equal(&place, &c.directory));
    box_done(&box);
}

TEST(more_partitions_than_a_request_may_ask_for_are_refused)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    assert_int_equal(box_create(&box, "orders", METADATA_RECORDS_MAX), WIRE_ERROR_POLICY_VIOLATION);
    assert_int_equal(box.records, 0);
    box_done(&box);
}

/* Whichever allocation fails, nothing leaks and the command says so. */
TEST(every_allocation_of_a_decision_may_fail)
{
    for (uint64_t n = 1;; n++) {
        struct box box;
        box_init(&box);
        box_register(&box);
        struct controller_view view = {.settings = &box.settings,
                                       .image = box.image,
                                       .mem = &box.mem.mem,
                                       .chance = &box.chance};
        struct controller_create_topics c;
        struct controller_new_topic topics[2] = {
            {.name = bytes_text("a"), .partition_count = 200, .replication_factor = 1},
            {.name = bytes_text("b"), .partition_count = 200, .replication_factor = 1}};
        controller_create_topics_init(&c);
        c.topics = topics;
        c.topic_count = 2;
        box.mem.fail_at = n;
        controller_decide(&view, &c.command, &box.batch);
        bool failed = box.mem.failed > 0;
        box.mem.fail_at = 0;
        assert_int_equal(topics[0].code != 0, failed);
        assert_int_equal(topics[1].code != 0, failed);
        box_done(&box);
        if (!failed)
            break;
    }
}

/* ---- topics that are deleted ---- */

static void delete_them(struct box *box, struct controller_delete_topics *c,
                        struct controller_old_topic *topics, int32_t count)
{
    controller_delete_topics_init(c);
    c->topics = topics;
    c->topic_count = count;
    box_decide(box, &c->command);
}

TEST(each_topic_that_exists_is_one_record_and_its_name_is_free_again)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    assert_int_equal(box_create(&box, "orders", 3), 0);
    assert_int_equal(box_create(&box, "bills", 2), 0);
    struct wire_uuid id = metadata_find(box.image, bytes_text("bills"))->id;
    struct controller_delete_topics c;
    struct controller_old_topic topics[] = {
        {.name = bytes_text("orders")}, {.name = bytes_text("nobody")}, {.id = id}};
    delete_them(&box, &c, topics, 3);
    assert_int_equal(box.records, 2);
    assert_true(c.command.rests_on_image);
    assert_int_equal(topics[0].code, 0);
    assert_int_equal(topics[1].code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(topics[2].code, 0);
    assert_string_equal(topics[2].found, "bills");
    assert_int_equal(box.image->topic_count, 0);
    assert_int_equal(box.image->partition_count, 0);
    assert_int_equal(box_create(&box, "orders", 1), 0);
    box_done(&box);
}

/* What was found missing because of a deletion that is lost is there. */
TEST(a_deletion_that_is_lost_leaves_its_topics)
{
    struct box box;
    box_init(&box);
    box_register(&box);
    assert_int_equal(box_create(&box, "orders", 1), 0);
    struct metadata_image *before = box.image;
    metadata_image_retain(before);
    struct controller_delete_topics first, second;
    struct controller_old_topic topics[] = {{.name = bytes_text("orders")}};
    struct controller_old_topic again[] = {{.name = bytes_text("orders")}};
    delete_them(&box, &first, topics, 1);
    delete_them(&box, &second, again, 1);
    assert_int_equal(again[0].code, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    controller_lost(&first.command, before, WIRE_ERROR_KAFKA_STORAGE_ERROR, "lost");
    controller_lost(&second.command, before, WIRE_ERROR_KAFKA_STORAGE_ERROR, "lost");
    assert_int_equal(topics[0].code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    assert_int_equal(again[0].code, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    metadata_image_release(before);
    box_done(&box);
}
