/* cluster.c - brokers that register, beat and go silent before a controller. */
#include "cluster.h"

#define BEAT_NS (BOX_SESSION_NS / 3)

int64_t cluster_epoch(const struct box *box, int32_t id)
{
    const struct metadata_broker *broker = metadata_find_broker(box->image, id);
    return broker == NULL ? -1 : broker->epoch;
}

struct past {
    int64_t previous_epoch, kept_epoch;
};

static int16_t registers(struct box *box, int32_t id, uint64_t life, struct past past,
                         const char *rack)
{
    struct wire_uuid directory = {{0}};
    struct wire_register_broker_record_endpoint endpoint = {
        .name = wire_text("PLAINTEXT"), .host = wire_text("somewhere"), .port = 9092};
    struct wire_register_broker_record_feature features[METADATA_FEATURES];
    struct wire_register_broker_record record;
    struct controller_register_broker c;
    wire_defaults(&wire_register_broker_record_message, &record);
    put_u32(directory.b, (uint32_t)id);
    directory.b[15] = 1;
    record.broker_id = id;
    put_u64(record.incarnation_id.b, life);
    record.rack = rack == NULL ? WIRE_NULL_STRING : wire_text(rack);
    record.end_points = &endpoint;
    for (int i = 0; i < METADATA_FEATURES; i++)
        features[i] = (struct wire_register_broker_record_feature){
            .name = wire_text(metadata_features[i].name),
            .min_supported_version = metadata_features[i].oldest,
            .max_supported_version = metadata_features[i].newest};
    record.features = features;
    record.features_count = METADATA_FEATURES;
    record.log_dirs = &directory;
    record.end_points_count = record.log_dirs_count = 1;
    controller_register_broker_init(&c);
    c.record = &record;
    c.previous_epoch = past.previous_epoch;
    c.kept_epoch = past.kept_epoch;
    box_decide(box, &c.command);
    if (c.command.code == WIRE_ERROR_NONE)
        assert_int_equal(c.epoch, cluster_epoch(box, id));
    return c.command.code;
}

int16_t cluster_register(struct box *box, int32_t id, uint64_t life, int64_t previous_epoch,
                         const char *rack)
{
    struct past past = {.previous_epoch = previous_epoch, .kept_epoch = -1};
    return registers(box, id, life, past, rack);
}

int16_t cluster_register_kept(struct box *box, int32_t id, uint64_t life, int64_t kept_epoch)
{
    struct past past = {.previous_epoch = -1, .kept_epoch = kept_epoch};
    return registers(box, id, life, past, NULL);
}

int16_t cluster_beat(struct box *box, int32_t id)
{
    struct controller_heartbeat c;
    controller_heartbeat_init(&c);
    c.broker_id = id;
    c.broker_epoch = cluster_epoch(box, id);
    c.metadata_offset = box->image->offset;
    box_decide(box, &c.command);
    return c.command.code;
}

void cluster_up(struct box *box, int32_t count)
{
    for (int32_t id = 1; id <= count; id++) {
        assert_int_equal(cluster_register(box, id, (uint64_t)id, -1, NULL), 0);
        assert_int_equal(cluster_beat(box, id), 0);
        assert_false(metadata_find_broker(box->image, id)->fenced);
    }
}

void cluster_fence(struct box *box, int32_t id)
{
    struct controller_fence c;
    for (int64_t passed = 0; passed < BOX_SESSION_NS; passed += BEAT_NS) {
        box->now_ns += BEAT_NS;
        for (int32_t k = 0; k < metadata_map_count(&box->image->brokers); k++) {
            const struct metadata_broker *broker = CONTAINER_OF(
                metadata_map_at(&box->image->brokers, k), struct metadata_broker, object);
            if (broker->id != id && !broker->fenced)
                assert_int_equal(cluster_beat(box, broker->id), 0);
        }
    }
    controller_fence_init(&c);
    do { /* whoever has registered and never served may be silent, too */
        box_decide(box, &c.command);
        assert_int_equal(c.command.code, 0);
    } while (c.broker_id != id && c.broker_id != CONTROLLER_NOBODY);
    assert_int_equal(c.broker_id, id);
    assert_true(metadata_find_broker(box->image, id)->fenced);
}

void cluster_allow_elr(struct box *box)
{
    struct wire_feature_level_record record = {.name = wire_text(METADATA_FEATURE_ELR),
                                               .feature_level = 1};
    struct metadata_image *next;
    metadata_batch_free(&box->batch);
    metadata_batch_init(&box->batch, &box->mem.mem, 1000, box->image->offset + 1, 1);
    assert_ok(metadata_batch_add(&box->batch, &wire_feature_level_record_message, 0, &record));
    assert_ok(metadata_batch_finish(&box->batch));
    assert_ok(metadata_batch_image(&box->batch.writes[0], &box->mem.mem, box->image, &next, NULL));
    metadata_image_release(box->image);
    box->image = next;
}

void cluster_topic(struct box *box, const char *name, const int32_t *ids, int32_t count,
                   const char *min_insync, const char *unclean)
{
    struct wire_create_topics_request_config configs[] = {
        {.name = wire_text("min.insync.replicas"), .value = wire_text(min_insync)},
        {.name = wire_text("unclean.leader.election.enable"),
         .value = wire_text(unclean == NULL ? "" : unclean)}};
    struct wire_create_topics_request_assignment assignment = {.broker_ids = (int32_t *)ids,
                                                               .broker_ids_count = count};
    struct controller_new_topic topic = {.name = bytes_text(name),
                                         .partition_count = -1,
                                         .replication_factor = -1,
                                         .assignments = &assignment,
                                         .assignment_count = 1,
                                         .configs = configs,
                                         .config_count = COUNT_OF(configs) - (unclean == NULL)};
    struct controller_create_topics c;
    controller_create_topics_init(&c);
    c.topics = &topic;
    c.topic_count = 1;
    box_decide(box, &c.command);
    assert_int_equal(topic.code, 0);
}

const struct metadata_partition *cluster_partition(const struct box *box, const char *topic)
{
    return metadata_partition(metadata_find(box->image, bytes_text(topic)), 0);
}

int16_t cluster_alter(struct box *box, const char *topic, const int32_t *ids, int32_t count)
{
    const struct metadata_partition *p = cluster_partition(box, topic);
    struct controller_in_sync isr[16];
    for (int32_t i = 0; i < count; i++)
        isr[i] = (struct controller_in_sync){.broker_id = ids[i],
                                             .broker_epoch = cluster_epoch(box, ids[i])};
    struct controller_altered_partition altered = {
        .topic_id = metadata_find(box->image, bytes_text(topic))->id,
        .leader_epoch = p->leader_epoch,
        .partition_epoch = p->partition_epoch,
        .isr = isr,
        .isr_count = count};
    struct controller_alter_partition c;
    controller_alter_partition_init(&c);
    c.broker_id = p->leader;
    c.broker_epoch = cluster_epoch(box, p->leader);
    c.altered = &altered;
    c.count = 1;
    box_decide(box, &c.command);
    return c.command.code != 0 ? c.command.code : altered.code;
}
