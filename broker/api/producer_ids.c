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

static void begin_block(struct producer_ids *ids, int64_t first)
{
    if (ids->next >= first && ids->end > first)
        return; /* only a broker with a known bug has begun it already */
    ids->asked = false;
    ids->next = first;
    ids->end = first + CONTROLLER_PRODUCER_ID_BLOCK;
    serve(ids);
}

static void on_block(struct quorum_request *request)
{
    struct producer_ids *ids = CONTAINER_OF(request, struct producer_ids, request);
    if (ids->allocate.command.code == WIRE_ERROR_NONE)
        begin_block(ids, ids->allocate.first);
    else
        fail_all(ids, ids->allocate.command.code);
}

static void ask_for_block(struct producer_ids *ids)
{
    ids->asked = true;
    controller_allocate_producer_ids_init(&ids->allocate);
    quorum_submit(ids->quorum, &ids->request, &ids->allocate.command, QUORUM_COMMITTED, on_block);
    if (ids->request.first < 0)
        return;
    TRACE(ids->trace, PRODUCER_IDS_BLOCK, .first = ids->allocate.first,
          .count = CONTROLLER_PRODUCER_ID_BLOCK, .metadata_offset = ids->request.first);
    if (KNOWN_BUG(producer_ids_before_durable))
        begin_block(ids, ids->allocate.first);
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

void api_producer_ids_init(struct producer_ids *ids, struct quorum *quorum, struct trace *trace)
{
    *ids = (struct producer_ids){.quorum = quorum, .trace = trace};
    list_init(&ids->waiting);
}

void api_producer_id(struct producer_ids *ids, struct producer_id *op, producer_id_done *done)
{
    op->done = done;
    list_init(&op->link);
    list_push_back(&ids->waiting, &op->link);
    if (!quorum_leads(ids->quorum))
        fail_all(ids, WIRE_ERROR_KAFKA_STORAGE_ERROR);
    else
        serve(ids);
}
