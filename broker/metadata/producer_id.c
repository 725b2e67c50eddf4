/* producer_id.c - producer ids, in blocks that the metadata log has given to this broker. An id of
 * a block that is not durable must never leave: after a crash it would be given again. */
#include "metadata/internal.h"

static void serve(struct metadata *m);

static void finish(struct metadata_producer_id *op, int16_t code, int64_t id)
{
    op->code = code;
    op->producer_id = id;
    op->done(op);
}

void metadata_producer_ids_fail(struct metadata *m, int16_t code)
{
    m->id_block_asked = false;
    struct list *link;
    while ((link = list_pop_front(&m->ids)) != NULL)
        finish(CONTAINER_OF(link, struct metadata_producer_id, link), code, -1);
}

void metadata_producer_ids_usable(struct metadata *m, int64_t first)
{
    if (m->id_next >= first && m->id_end > first)
        return; /* only a broker with a known bug has begun it already */
    m->id_block_asked = false;
    m->id_next = first;
    m->id_end = first + METADATA_PRODUCER_ID_BLOCK;
    serve(m);
}

static void ask_for_block(struct metadata *m)
{
    int64_t first = m->tail->next_producer_id;
    struct wire_producer_ids_record record = {
        .broker_id = m->settings.node_id,
        .broker_epoch = m->tail->broker.epoch,
        .next_producer_id = first + METADATA_PRODUCER_ID_BLOCK,
    };
    struct change *change = metadata_change_new(m, 0);
    struct batch batch;
    metadata_batch_init(&batch, m->mem, env_wall(m->env));
    if (change == NULL ||
        metadata_batch_add(&batch, &wire_producer_ids_record_message, 0, &record) != ERR_NONE) {
        if (change != NULL)
            metadata_change_free(m, change);
        metadata_batch_free(&batch);
        metadata_producer_ids_fail(m, WIRE_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    change->producer_ids = first;
    int16_t code = metadata_change_append(m, &batch, change, NULL);
    if (code != WIRE_ERROR_NONE) {
        metadata_change_free(m, change);
        metadata_producer_ids_fail(m, code);
        return;
    }
    m->id_block_asked = true;
    TRACE(m->trace, PRODUCER_IDS_BLOCK, (uint64_t)first, METADATA_PRODUCER_ID_BLOCK,
          (uint64_t)change->first);
    if (KNOWN_BUG(producer_ids_before_durable))
        metadata_producer_ids_usable(m, first);
}

static void serve(struct metadata *m)
{
    while (!list_empty(&m->ids)) {
        if (m->id_next == m->id_end) {
            if (!m->id_block_asked)
                ask_for_block(m);
            return;
        }
        struct list *link = list_pop_front(&m->ids);
        int64_t id = m->id_next++;
        TRACE(m->trace, PRODUCER_ID_GIVEN, (uint64_t)id, 0);
        finish(CONTAINER_OF(link, struct metadata_producer_id, link), WIRE_ERROR_NONE, id);
    }
}

void metadata_producer_id(struct metadata *m, struct metadata_producer_id *op,
                          metadata_producer_id_done *done)
{
    op->done = done;
    list_init(&op->link);
    list_push_back(&m->ids, &op->link);
    if (metadata_refuses(m))
        metadata_producer_ids_fail(m, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    else
        serve(m);
}
