/* image_test.c - what records add up to, and that versions do not see each other's changes. */
#include "metadata/metadata.h"
#include "support/test.h"

struct fixture {
    struct test_mem mem;
    struct arena arena;
    struct metadata_edit edit;
    int64_t offset;
    struct errmsg msg;
};

static void setup(struct fixture *f)
{
    *f = (struct fixture){0};
    test_mem_init(&f->mem);
    arena_init(&f->arena, &f->mem.mem, 1 << 20);
    assert_ok(metadata_edit_begin(&f->edit, &f->mem.mem, NULL));
}

static void teardown(struct fixture *f)
{
    metadata_edit_abandon(&f->edit);
    arena_free(&f->arena);
    test_mem_done(&f->mem);
}

static enum err apply(struct fixture *f, const struct wire_message *m, int version,
                      const void *record)
{
    uint8_t head[3] = {1, (uint8_t)m->key, (uint8_t)version};
    struct mem heap;
    mem_system(&heap);
    struct wire_out out;
    wire_out_init(&out, &heap);
    assert_ok(wire_encode(m, version, record, &out));
    uint8_t *value = mem_alloc(&heap, sizeof head + out.size);
    memcpy(value, head, sizeof head);
    memcpy(value + sizeof head, out.data, out.size);
    enum err e = metadata_edit_apply(
        &f->edit, f->offset++,
        (struct wire_bytes){.data = value, .size = (int32_t)(sizeof head + out.size)}, &f->arena,
        &f->msg);
    mem_free(&heap, value);
    wire_out_free(&out);
    return e;
}

static struct wire_uuid id_of(uint8_t n)
{
    return (struct wire_uuid){.b = {n, [15] = n}};
}

static enum err apply_topic(struct fixture *f, const char *name, uint8_t id)
{
    struct wire_topic_record record = {.name = wire_text(name), .topic_id = id_of(id)};
    return apply(f, &wire_topic_record_message, 0, &record);
}

static enum err apply_partition(struct fixture *f, uint8_t id, int32_t partition)
{
    int32_t self = 1;
    struct wire_partition_record record;
    wire_defaults(&wire_partition_record_message, &record);
    record.topic_id = id_of(id);
    record.partition_id = partition;
    record.replicas = record.isr = &self;
    record.replicas_count = record.isr_count = 1;
    record.leader = 1;
    record.leader_epoch = record.partition_epoch = 0;
    return apply(f, &wire_partition_record_message, 1, &record);
}

static enum err apply_leader(struct fixture *f, uint8_t id, int32_t partition, int32_t leader)
{
    struct wire_partition_change_record record;
    wire_defaults(&wire_partition_change_record_message, &record);
    record.topic_id = id_of(id);
    record.partition_id = partition;
    record.leader = leader;
    return apply(f, &wire_partition_change_record_message, 0, &record);
}

static enum err apply_config(struct fixture *f, const char *topic, const char *key,
                             const char *value)
{
    struct wire_config_record record = {.resource_type = 2,
                                        .resource_name = wire_text(topic),
                                        .name = wire_text(key),
                                        .value = wire_text(value)};
    return apply(f, &wire_config_record_message, 0, &record);
}

/* The edit so far as a version; a new edit goes on from it. */
static struct metadata_image *version(struct fixture *f)
{
    struct metadata_image *image = metadata_edit_finish(&f->edit);
    assert_ok(metadata_edit_begin(&f->edit, &f->mem.mem, image));
    return image;
}

TEST(topics_are_found_by_name_and_by_id)
{
    struct fixture f;
    setup(&f);
    assert_ok(apply_topic(&f, "orders", 9));
    assert_ok(apply_topic(&f, "bills", 3));
    assert_ok(apply_topic(&f, "orders2", 5));
    struct metadata_image *image = version(&f);
    assert_int_equal(image->topic_count, 3);
    assert_string_equal(metadata_find(image, bytes_text("orders"))->name, "orders");
    struct wire_uuid five = id_of(5);
    assert_string_equal(metadata_find_id(image, &five)->name, "orders2");
    assert_null(metadata_find(image, bytes_text("order")));
    struct wire_uuid four = id_of(4);
    assert_null(metadata_find_id(image, &four));
    metadata_image_release(image);
    teardown(&f);
}

TEST(dots_and_underscores_collide)
{
    struct fixture f;
    setup(&f);
    assert_ok(apply_topic(&f, "a.b_c", 1));
    struct metadata_image *image = version(&f);
    assert_non_null(metadata_find_collision(image, bytes_text("a_b.c")));
    assert_null(metadata_find_collision(image, bytes_text("a.b_c")));
    assert_null(metadata_find_collision(image, bytes_text("a.b-c")));
    assert_null(metadata_find_collision(image, bytes_text("abc")));
    metadata_image_release(image);
    teardown(&f);
}

TEST(a_later_version_leaves_the_earlier_one_alone)
{
    struct fixture f;
    setup(&f);
    assert_ok(apply_topic(&f, "orders", 1));
    assert_ok(apply_partition(&f, 1, 0));
    struct metadata_image *before = version(&f);
    assert_ok(apply_partition(&f, 1, 1));
    assert_ok(apply_leader(&f, 1, 0, 1));
    assert_ok(apply_config(&f, "orders", "retention.ms", "5"));
    struct metadata_image *after = version(&f);
    const struct metadata_topic *old = metadata_find(before, bytes_text("orders"));
    const struct metadata_topic *new = metadata_find(after, bytes_text("orders"));
    assert_int_equal(old->partition_count, 1);
    assert_int_equal(metadata_partition(old, 0)->leader_epoch, 0);
    assert_int_equal(old->setting_count, 0);
    assert_int_equal(new->partition_count, 2);
    assert_int_equal(metadata_partition(new, 0)->leader_epoch, 1);
    assert_int_equal(metadata_partition(new, 0)->partition_epoch, 1);
    assert_int_equal(before->partition_count, 1);
    assert_int_equal(after->partition_count, 2);
    metadata_image_release(before);
    metadata_image_release(after);
    teardown(&f);
}

TEST(versions_share_the_topics_that_did_not_change)
{
    struct fixture f;
    setup(&f);
    assert_ok(apply_topic(&f, "a", 1));
    assert_ok(apply_topic(&f, "b", 2));
    struct metadata_image *before = version(&f);
    assert_ok(apply_config(&f, "b", "retention.ms", "5"));
    struct metadata_image *after = version(&f);
    assert_ptr_equal(metadata_find(before, bytes_text("a")), metadata_find(after, bytes_text("a")));
    assert_ptr_not_equal(metadata_find(before, bytes_text("b")),
                         metadata_find(after, bytes_text("b")));
    metadata_image_release(before);
    metadata_image_release(after);
    teardown(&f);
}

TEST(a_removed_topic_is_gone_with_its_partitions)
{
    struct fixture f;
    setup(&f);
    assert_ok(apply_topic(&f, "a", 1));
    assert_ok(apply_partition(&f, 1, 0));
    assert_ok(apply_topic(&f, "b", 2));
    struct wire_remove_topic_record record = {.topic_id = id_of(1)};
    assert_ok(apply(&f, &wire_remove_topic_record_message, 0, &record));
    struct metadata_image *image = version(&f);
    assert_null(metadata_find(image, bytes_text("a")));
    assert_int_equal(image->topic_count, 1);
    assert_int_equal(image->partition_count, 0);
    metadata_image_release(image);
    teardown(&f);
}

TEST(settings_override_defaults_until_they_are_deleted)
{
    struct fixture f;
    setup(&f);
    struct metadata_topic_config defaults, config;
    metadata_topic_config_init(&defaults);
    assert_ok(apply_topic(&f, "a", 1));
    assert_ok(apply_config(&f, "a", "segment.bytes", "4096"));
    assert_ok(apply_config(&f, "a", "retention.ms", "1"));
    assert_ok(apply_config(&f, "a", "retention.ms", "7"));
    assert_ok(apply_config(&f, "a", "segment.bytes", NULL));
    struct metadata_image *image = version(&f);
    metadata_topic_configured(metadata_topic_at(image, 0), &defaults, &config);
    assert_int_equal(metadata_topic_at(image, 0)->setting_count, 1);
    assert_int_equal(config.retention_ms, 7);
    assert_int_equal(config.segment_bytes, defaults.segment_bytes);
    metadata_image_release(image);
    teardown(&f);
}

TEST(producer_ids_never_go_back)
{
    struct fixture f;
    setup(&f);
    struct wire_producer_ids_record record = {.next_producer_id = 2000};
    assert_ok(apply(&f, &wire_producer_ids_record_message, 0, &record));
    record.next_producer_id = 1000;
    assert_int_equal(apply(&f, &wire_producer_ids_record_message, 0, &record), ERR_CORRUPT);
    teardown(&f);
}

TEST(a_feature_level_of_another_age_is_refused_with_a_sentence)
{
    struct fixture f;
    setup(&f);
    struct wire_feature_level_record record = {.name = wire_text("metadata.version"),
                                               .feature_level = METADATA_VERSION_NEWEST + 1};
    assert_int_equal(apply(&f, &wire_feature_level_record_message, 0, &record), ERR_UNSUPPORTED);
    assert_non_null(strstr(f.msg.text, "metadata.version is 31"));
    teardown(&f);
}

TEST(records_that_contradict_the_image_are_corrupt)
{
    struct fixture f;
    setup(&f);
    assert_ok(apply_topic(&f, "a", 1));
    assert_int_equal(apply_topic(&f, "a", 2), ERR_CORRUPT);
    assert_int_equal(apply_topic(&f, "b", 1), ERR_CORRUPT);
    assert_int_equal(apply_topic(&f, "b/c", 3), ERR_CORRUPT);
    assert_int_equal(apply_partition(&f, 1, 1), ERR_CORRUPT);
    assert_int_equal(apply_partition(&f, 7, 0), ERR_CORRUPT);
    assert_int_equal(apply_leader(&f, 1, 0, 1), ERR_CORRUPT);
    assert_int_equal(apply_config(&f, "none", "retention.ms", "1"), ERR_CORRUPT);
    teardown(&f);
}

TEST(registration_and_unfencing_make_a_broker)
{
    struct fixture f;
    setup(&f);
    struct wire_register_broker_record_endpoint endpoint = {
        .name = wire_text("PLAINTEXT"), .host = wire_text("localhost"), .port = 9092};
    struct wire_register_broker_record record;
    wire_defaults(&wire_register_broker_record_message, &record);
    record.broker_id = 1;
    record.broker_epoch = 17;
    record.end_points = &endpoint;
    record.end_points_count = 1;
    record.rack = WIRE_NULL_STRING;
    assert_ok(apply(&f, &wire_register_broker_record_message, 3, &record));
    assert_true(metadata_find_broker(f.edit.image, 1)->fenced);
    struct wire_broker_registration_change_record change;
    wire_defaults(&wire_broker_registration_change_record_message, &change);
    change.broker_id = 1;
    change.broker_epoch = 16;
    change.fenced = -1;
    assert_int_equal(apply(&f, &wire_broker_registration_change_record_message, 1, &change),
                     ERR_CORRUPT);
    change.broker_epoch = 17;
    assert_ok(apply(&f, &wire_broker_registration_change_record_message, 1, &change));
    assert_false(metadata_find_broker(f.edit.image, 1)->fenced);
    assert_string_equal(metadata_find_broker(f.edit.image, 1)->host, "localhost");
    assert_int_equal(metadata_find_broker(f.edit.image, 1)->port, 9092);
    teardown(&f);
}

/* Whichever allocation fails, nothing leaks and nothing breaks. */
TEST(every_allocation_of_an_edit_may_fail)
{
    for (uint64_t n = 1;; n++) {
        struct fixture f;
        setup(&f);
        assert_ok(apply_topic(&f, "a", 1));
        assert_ok(apply_partition(&f, 1, 0));
        struct metadata_image *image = version(&f);
        metadata_edit_abandon(&f.edit);
        f.mem.fail_at = n;
        enum err e = metadata_edit_begin(&f.edit, &f.mem.mem, image);
        if (e == ERR_NONE)
            e = apply_config(&f, "a", "retention.ms", "5");
        if (e == ERR_NONE)
            e = apply_topic(&f, "b", 2);
        if (e == ERR_NONE)
            e = apply_partition(&f, 2, 0);
        bool failed = f.mem.failed > 0;
        assert_int_equal(e, failed ? ERR_NOMEM : ERR_NONE);
        f.mem.fail_at = 0;
        metadata_image_release(image);
        teardown(&f);
        if (!failed)
            break;
    }
}

/* ---- transactions ---- */

static enum err apply_mark(struct fixture *f, const struct wire_message *m)
{
    struct wire_begin_transaction_record record = {.name = WIRE_NULL_STRING};
    return apply(f, m, 0, &record);
}

TEST(readers_see_all_of_a_transaction_or_nothing)
{
    struct fixture f;
    setup(&f);
    assert_ok(apply_topic(&f, "before", 1));
    assert_ok(apply_mark(&f, &wire_begin_transaction_record_message));
    assert_ok(apply_topic(&f, "inside", 2));
    struct metadata_image *open = version(&f);
    assert_ok(apply_topic(&f, "later", 3));
    assert_int_equal(metadata_visible(open)->topic_count, 1);
    assert_int_equal(open->topic_count, 2);
    assert_ok(apply_mark(&f, &wire_end_transaction_record_message));
    struct metadata_image *ended = version(&f);
    assert_ptr_equal(metadata_visible(ended), ended);
    assert_int_equal(ended->topic_count, 3);
    assert_int_equal(metadata_visible(open)->topic_count, 1);
    metadata_image_release(open);
    metadata_image_release(ended);
    teardown(&f);
}

TEST(an_aborted_transaction_leaves_nothing)
{
    struct fixture f;
    setup(&f);
    assert_ok(apply_topic(&f, "kept", 1));
    assert_ok(apply_partition(&f, 1, 0));
    assert_ok(apply_mark(&f, &wire_begin_transaction_record_message));
    assert_int_equal(apply_mark(&f, &wire_begin_transaction_record_message), ERR_CORRUPT);
    assert_ok(apply_topic(&f, "lost", 2));
    assert_ok(apply_partition(&f, 1, 1));
    assert_ok(apply_config(&f, "kept", "retention.ms", "5"));
    assert_ok(apply_mark(&f, &wire_abort_transaction_record_message));
    assert_int_equal(apply_mark(&f, &wire_abort_transaction_record_message), ERR_CORRUPT);
    assert_int_equal(apply_mark(&f, &wire_end_transaction_record_message), ERR_CORRUPT);
    struct metadata_image *image = version(&f);
    assert_int_equal(image->topic_count, 1);
    assert_int_equal(image->partition_count, 1);
    assert_int_equal(metadata_topic_at(image, 0)->setting_count, 0);
    assert_null(metadata_find(image, bytes_text("lost")));
    metadata_image_release(image);
    teardown(&f);
}

/* ---- what a change of a partition costs ---- */

TEST(a_change_of_one_partition_does_not_copy_its_topic)
{
    struct fixture f;
    setup(&f);
    assert_ok(apply_topic(&f, "wide", 1));
    for (int32_t i = 0; i < 5000; i++)
        assert_ok(apply_partition(&f, 1, i));
    struct metadata_image *before = version(&f);
    int64_t live_count = f.mem.mem.live_count;
    assert_ok(apply_leader(&f, 1, 4321, 1));
    assert_true(f.mem.mem.live_count - live_count < 10);
    struct metadata_image *after = version(&f);
    struct metadata_partition_diff diff;
    const struct metadata_partition *was, *is;
    int32_t number;
    metadata_partition_diff(&diff, metadata_topic_at(before, 0), metadata_topic_at(after, 0));
    assert_true(metadata_partition_diff_next(&diff, &number, &was, &is));
    assert_int_equal(number, 4321);
    assert_int_equal(is->leader_epoch, was->leader_epoch + 1);
    assert_false(metadata_partition_diff_next(&diff, &number, &was, &is));
    metadata_image_release(before);
    metadata_image_release(after);
    teardown(&f);
}
