/* broker.c - registered brokers: each is its registration record, with what changed since. Pure. */
#include "metadata/internal.h"

static void broker_free(struct metadata_object *object)
{
    struct metadata_broker *broker = CONTAINER_OF(object, struct metadata_broker, object);
    mem_free(broker->mem, broker);
}

static int16_t replication_of(const struct wire_register_broker_record *record)
{
    for (int32_t i = 0; i < record->features_count; i++) {
        const struct wire_register_broker_record_feature *f = &record->features[i];
        if (wire_string_equal(f->name, wire_text(METADATA_FEATURE_REPLICATION)))
            return MAX(f->max_supported_version, 0);
    }
    return 0;
}

/* NULL: no memory. */
static struct metadata_broker *
broker_new(struct mem *mem, const struct wire_register_broker_record *record, struct bytes encoded)
{
    size_t key_size = sizeof(uint32_t);
    struct metadata_broker *broker = mem_zalloc(mem, sizeof *broker + encoded.size + key_size);
    if (broker == NULL)
        return NULL;
    uint8_t *key = broker->record + encoded.size;
    put_u32(key, (uint32_t)record->broker_id);
    memcpy(broker->record, encoded.data, encoded.size);
    broker->object =
        (struct metadata_object){.refs = 1, .key = bytes_of(key, key_size), .free = broker_free};
    broker->mem = mem;
    broker->size = (uint32_t)encoded.size;
    broker->id = record->broker_id;
    broker->epoch = record->broker_epoch;
    broker->fenced = record->fenced;
    broker->in_controlled_shutdown = record->in_controlled_shutdown;
    broker->replication = replication_of(record);
    if (record->end_points_count > 0) {
        const struct wire_register_broker_record_endpoint *first = &record->end_points[0];
        memcpy(broker->host, first->host.data, (size_t)MAX(first->host.size, 0));
        broker->port = first->port;
    }
    return broker;
}

enum err metadata_broker_put(struct metadata_image *image,
                             const struct wire_register_broker_record *record, struct errmsg *msg)
{
    if (record->end_points_count > 0 && record->end_points[0].host.size >= METADATA_HOST_MAX)
        return errmsg_set(msg, ERR_CORRUPT, "broker %d has a host name of %d bytes",
                          (int)record->broker_id, (int)record->end_points[0].host.size);
    const struct wire_message *m = &wire_register_broker_record_message;
    struct wire_out out;
    wire_out_init(&out, image->mem);
    struct metadata_broker *broker = NULL;
    enum err e = wire_encode(m, m->newest, record, &out);
    if (e == ERR_NONE) {
        broker = broker_new(image->mem, record, bytes_of(out.data, out.size));
        e = broker == NULL ? ERR_NOMEM
                           : metadata_map_put(&image->brokers, image->mem, &broker->object);
    }
    wire_out_free(&out);
    if (e != ERR_NONE && broker != NULL)
        metadata_object_release(&broker->object);
    return e;
}

enum err metadata_broker_record(const struct metadata_broker *broker,
                                struct wire_register_broker_record *out, struct arena *arena)
{
    const struct wire_message *m = &wire_register_broker_record_message;
    enum err e =
        wire_decode(m, m->newest, bytes_of(broker->record, broker->size), NULL, out, arena, NULL);
    ASSERT(e == ERR_NONE || e == ERR_NOMEM);
    return e;
}
