/* box.c - a controller's surroundings by hand. */
#include "box.h"

static uint64_t draw(struct controller_chance *chance, const char *site, uint64_t key)
{
    struct box *box = CONTAINER_OF(chance, struct box, chance);
    (void)site;
    return (key ^ ++box->draws) * 0x9e3779b97f4a7c15ull;
}

void box_init(struct box *box)
{
    *box = (struct box){.chance.draw = draw, .writes_max = METADATA_WRITES_MAX};
    test_mem_init(&box->mem);
    box->settings.node_id = 1;
    box->settings.partition_count_default = 2;
    box->settings.replication_factor_default = 1;
    metadata_topic_config_init(&box->settings.file.topics);
    struct metadata_edit edit;
    assert_ok(metadata_edit_begin(&edit, &box->mem.mem, NULL));
    box->image = metadata_edit_finish(&edit);
    metadata_batch_init(&box->batch, &box->mem.mem, 0, 0, 1);
    controller_sessions_init(&box->sessions, &box->mem.mem, BOX_SESSION_NS);
}

void box_register(struct box *box)
{
    struct controller_register c;
    controller_register_init(&c);
    c.host = "somewhere";
    c.port = 9092;
    box_decide(box, &c.command);
    assert_int_equal(c.command.code, 0);
    box->draws = 0;
}

void box_done(struct box *box)
{
    controller_sessions_clear(&box->sessions);
    metadata_batch_free(&box->batch);
    metadata_image_release(box->image);
    test_mem_done(&box->mem);
}

void box_judge(struct box *box, struct controller_command *command)
{
    struct controller_view view = {.settings = &box->settings,
                                   .image = box->image,
                                   .mem = &box->mem.mem,
                                   .chance = &box->chance,
                                   .sessions = &box->sessions,
                                   .now_ns = box->now_ns};
    metadata_batch_free(&box->batch);
    metadata_batch_init(&box->batch, &box->mem.mem, 1000, box->image->offset + 1, 1);
    controller_decide(&view, command, &box->batch);
    box->records = metadata_batch_count(&box->batch);
}

void box_apply(struct box *box)
{
    assert_ok(metadata_batch_finish(&box->batch));
    for (int32_t i = 0; i < MIN(box->batch.write_count, box->writes_max); i++) {
        struct metadata_image *next = NULL;
        assert_ok(
            metadata_batch_image(&box->batch.writes[i], &box->mem.mem, box->image, &next, NULL));
        metadata_image_release(box->image);
        box->image = next;
    }
}

void box_decide(struct box *box, struct controller_command *command)
{
    box_judge(box, command);
    if (command->code == WIRE_ERROR_NONE)
        box_apply(box);
}

int16_t box_create(struct box *box, const char *name, int32_t partition_count)
{
    struct controller_create_topics c;
    struct controller_new_topic topic = {
        .name = bytes_text(name), .partition_count = partition_count, .replication_factor = -1};
    controller_create_topics_init(&c);
    c.topics = &topic;
    c.topic_count = 1;
    box_decide(box, &c.command);
    return topic.code;
}
