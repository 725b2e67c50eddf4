/* kafka_test.c - a log and the checkpoints that Kafka 4.3.1 wrote beside it: what the log replays
 * to is what Kafka says that it is. */
#include "values.h"
#include <stdlib.h>

#define FOLDER "vectors/kafka-metadata/"

struct fixture {
    struct test_mem mem;
    struct arena arena;
    uint8_t *log, *checkpoint;
    size_t log_size, checkpoint_size;
};

static void setup(struct fixture *f, const char *checkpoint)
{
    *f = (struct fixture){0};
    test_mem_init(&f->mem);
    arena_init(&f->arena, &f->mem.mem, 1 << 20);
    f->log = test_read_file(FOLDER "00000000000000000000.log", &f->log_size);
    f->checkpoint = test_read_file(checkpoint, &f->checkpoint_size);
}

static void teardown(struct fixture *f)
{
    free(f->log);
    free(f->checkpoint);
    arena_free(&f->arena);
    test_mem_done(&f->mem);
}

static struct metadata_image *replay(struct fixture *f, struct bytes bytes, int64_t end)
{
    struct metadata_edit edit;
    assert_ok(metadata_edit_begin(&edit, &f->mem.mem, NULL));
    values_read(bytes, end, &edit, &f->arena, NULL);
    return metadata_edit_finish(&edit);
}

static int compare_features(const void *a, const void *b)
{
    const struct wire_register_broker_record_feature *x = a, *y = b;
    return metadata_compare_names(bytes_of(x->name.data, (size_t)x->name.size),
                                  bytes_of(y->name.data, (size_t)y->name.size));
}

/* The features of a registration in the order of their names. The rows of a broker's features and
 * of a controller's are the same. */
static void sort_features(struct fixture *f, struct values *values)
{
    union {
        struct wire_register_broker_record broker;
        struct wire_register_controller_record controller;
    } r;
    for (int i = 0; i < values->count; i++) {
        struct wire_metadata_head head;
        struct wire_out out;
        assert_ok(wire_metadata_parse(values->items[i], &head, NULL));
        const struct wire_message *m = wire_metadata_message(head.type);
        bool broker = m == &wire_register_broker_record_message;
        if (!broker && m != &wire_register_controller_record_message)
            continue;
        assert_ok(wire_decode(m, (int)head.version, head.message, NULL, &r, &f->arena, NULL));
        int32_t count = broker ? r.broker.features_count : r.controller.features_count;
        void *features = broker ? (void *)r.broker.features : (void *)r.controller.features;
        qsort(features, (size_t)count, sizeof *r.broker.features, compare_features);
        wire_out_init(&out, &f->mem.mem);
        assert_ok(wire_encode(m, (int)head.version, &r, &out));
        assert_int_equal(out.size, head.message.size);
        memcpy((uint8_t *)head.message.data, out.data, out.size);
        wire_out_free(&out);
    }
}

/* In any order: Kafka's own is that of its hash tables. */
static void compare(const char *name, int64_t end)
{
    struct fixture f;
    setup(&f, name);
    struct bytes checkpoint = bytes_of(f.checkpoint, f.checkpoint_size);
    struct metadata_image *image = replay(&f, bytes_of(f.log, f.log_size), end);
    assert_int_equal(image->offset, end - 1);
    struct metadata_batch batch, again;
    struct values ours, kafkas = {0}, reloaded;
    values_of_image(image, &f.mem.mem, 7, &batch, &ours);
    values_read(checkpoint, INT64_MAX, NULL, NULL, &kafkas);
    sort_features(&f, &ours);
    sort_features(&f, &kafkas);
    values_sort(&ours);
    values_sort(&kafkas);
    assert_true(kafkas.count > 10);
    values_assert_equal(&ours, &kafkas);
    /* And what is loaded from the checkpoint is the same image. */
    struct metadata_image *loaded = replay(&f, checkpoint, INT64_MAX);
    values_of_image(loaded, &f.mem.mem, 1000, &again, &reloaded);
    sort_features(&f, &reloaded);
    values_sort(&reloaded);
    values_assert_equal(&ours, &reloaded);
    values_free(&ours);
    values_free(&kafkas);
    values_free(&reloaded);
    metadata_batch_free(&batch);
    metadata_batch_free(&again);
    metadata_image_release(image);
    metadata_image_release(loaded);
    teardown(&f);
}

TEST(kafkas_log_replays_to_kafkas_own_checkpoints)
{
    compare(FOLDER "00000000000000000088-0000000001.checkpoint", 88);
    compare(FOLDER "00000000000000000170-0000000001.checkpoint", 170);
    compare(FOLDER "00000000000000000254-0000000001.checkpoint", 254);
}

TEST(kafkas_settings_are_found_where_they_are_set)
{
    struct fixture f;
    setup(&f, FOLDER "00000000000000000254-0000000001.checkpoint");
    struct metadata_image *image = replay(&f, bytes_of(f.log, f.log_size), INT64_MAX);
    struct wire_string value =
        metadata_find_config(image, 4, bytes_text(""), bytes_text("log.retention.ms"));
    assert_true(wire_string_equal(value, wire_text("777000")));
    value = metadata_find_config(image, 4, bytes_text("1"), bytes_text("log.cleaner.threads"));
    assert_true(wire_string_equal(value, wire_text("2")));
    value = metadata_find_config(image, 4, bytes_text("2"), bytes_text("log.cleaner.threads"));
    assert_int_equal(value.size, -1);
    assert_null(metadata_find(image, bytes_text("gone")));
    assert_int_equal(metadata_find(image, bytes_text("bills"))->partition_count, 4);
    assert_int_equal(metadata_find_broker(image, 1)->port, 29392);
    metadata_image_release(image);
    teardown(&f);
}
