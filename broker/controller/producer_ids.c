/* producer_ids.c - blocks of producer ids: each is given once. Pure. */
#include "controller/internal.h"

void controller_allocate_producer_ids_init(struct controller_allocate_producer_ids *c)
{
    *c = (struct controller_allocate_producer_ids){.command.verb = CONTROLLER_ALLOCATE_PRODUCER_IDS,
                                                   .broker_id = CONTROLLER_NOBODY,
                                                   .broker_epoch = CONTROLLER_NO_EPOCH};
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_allocate_producer_ids *c =
        CONTAINER_OF(command, struct controller_allocate_producer_ids, command);
    bool other = c->broker_id != CONTROLLER_NOBODY;
    int32_t id = other ? c->broker_id : view->settings->node_id;
    const struct metadata_broker *broker = metadata_find_broker(view->image, id);
    if (other)
        command->code = controller_check_epoch(view, id, c->broker_epoch, &command->msg);
    if (command->code != WIRE_ERROR_NONE)
        return;
    int32_t block = view->settings->producer_id_block;
    c->first = view->image->next_producer_id;
    c->id_count = block > 0 ? block : CONTROLLER_PRODUCER_ID_BLOCK;
    struct wire_producer_ids_record record = {
        .broker_id = id,
        .broker_epoch = broker == NULL ? CONTROLLER_NO_EPOCH : broker->epoch,
        .next_producer_id = c->first + c->id_count,
    };
    if (metadata_batch_add(batch, &wire_producer_ids_record_message, 0, &record) != ERR_NONE)
        command->code = WIRE_ERROR_UNKNOWN_SERVER_ERROR;
}

const struct verb controller_verb_allocate_producer_ids = {.decide = decide};
