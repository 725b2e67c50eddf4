/* producer_ids.c - producer ids, in blocks that the metadata log has given to this broker. An id of
 * a block that is not durable must never leave: after a crash it would be given again. */
#include "api/internal.h"

static void serve(struct producer_ids *ids);

static void finish(struct producer_id *op, int16_t code, int64_t id)
{
    op->code = code;
    op->producer_id = id;
    op->done(op);
}

static void fail_all(struct producer_ids *ids, int16_t code)
{
    ids->asked = false;
    struct list *link;
    while ((link = list_pop_front(&ids->waiting)) != NULL)
        finish(CONTAINER_OF(link, struct producer_id, link), code, -1);
}

static void begin_block(struct producer_ids *ids)
{
    int64_t first = ids->allocate.first;
    bool begun = ids->next >= first && ids->end > first; /* only with a known bug */
    if (!begun) {
        ids->next = first;
        ids->end = first + ids->allocate.id_count + KNOWN_BUG(producer_id_behind_block);
    }
    serve(ids);
}

/* Whoever appends it says so: this node, or the one that answers it (allocate_producer_ids.c). */
static void tell_block(struct producer_ids *ids, int64_t offset)
{
    if (ids->told || offset < 0)
        return;
    ids->told = true;
    TRACE(ids->trace, PRODUCER_IDS_BLOCK, .first = ids->allocate.first,
          .count = (uint64_t)ids->allocate.id_count, .metadata_offset = offset);
}

/* That of one of several is not reached may pass. */
static int16_t code_of(const struct producer_ids *ids, int16_t code)
{
    return orders_is_alone(ids->orders) ? code : WIRE_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
}

static void on_block(struct order *order)
{
    struct producer_ids *ids = CONTAINER_OF(order, struct producer_ids, order);
    int16_t code = ids->allocate.command.code;
    if (code != WIRE_ERROR_NONE) {
        fail_all(ids, code_of(ids, code));
        return;
    }
    tell_block(ids, order->first);
    ids->asked = false;
    begin_block(ids);
}

static void ask_for_block(struct producer_ids *ids)
{
    struct orders_self self = orders_self(ids->orders);
    ids->asked = true;
    ids->told = false;
    controller_allocate_producer_ids_init(&ids->allocate);
    ids->allocate.broker_id = self.broker_id;
    ids->allocate.broker_epoch = self.broker_epoch;
    orders_give(ids->orders, &ids->order, &ids->allocate.command,
                env_now(ids->env) + API_PRODUCER_ID_NS_MAX, on_block);
    if (!orders_is_alone(ids->orders))
        return;
    tell_block(ids, ids->order.submitted.first);
    if (KNOWN_BUG(producer_ids_before_durable) && ids->order.submitted.first >= 0)
        begin_block(ids);
}

static void serve(struct producer_ids *ids)
{
    while (!list_empty(&ids->waiting)) {
        if (ids->next == ids->end) {
            if (!ids->asked)
                ask_for_block(ids);
            return;
        }
        struct list *link = list_pop_front(&ids->waiting);
        int64_t id = ids->next++;
        TRACE(ids->trace, PRODUCER_ID_GIVEN, .producer_id = id, .epoch = 0);
        finish(CONTAINER_OF(link, struct producer_id, link), WIRE_ERROR_NONE, id);
    }
}

void api_producer_ids_init(struct producer_ids *ids, struct env *env, struct quorum *quorum,
                           struct orders *orders, struct trace *trace)
{
    *ids = (struct producer_ids){.env = env, .quorum = quorum, .orders = orders, .trace = trace};
    list_init(&ids->waiting);
}

void api_producer_ids_free(struct producer_ids *ids)
{
    ASSERT(list_empty(&ids->waiting));
    orders_cancel(&ids->order);
}

void api_producer_id(struct producer_ids *ids, struct producer_id *op, producer_id_done *done)
{
    op->done = done;
    list_init(&op->link);
    list_push_back(&ids->waiting, &op->link);
    if (orders_is_alone(ids->orders) && !quorum_leads(ids->quorum))
        fail_all(ids, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    else
        serve(ids);
}

void api_producer_id_hurry(struct producer_ids *ids, struct producer_id *op)
{
    if (orders_is_alone(ids->orders) || !list_linked(&op->link))
        return;
    list_remove(&op->link);
    finish(op, WIRE_ERROR_COORDINATOR_LOAD_IN_PROGRESS, -1);
}
