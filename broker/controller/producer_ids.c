/* producer_ids.c - blocks of producer ids: each is given once. Pure. */
#include "controller/internal.h"

void controller_allocate_producer_ids_init(struct controller_allocate_producer_ids *c)
{
    *c =
        (struct controller_allocate_producer_ids){.command.verb = CONTROLLER_ALLOCATE_PRODUCER_IDS};
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_allocate_producer_ids *c =
        CONTAINER_OF(command, struct controller_allocate_producer_ids, command);
    const struct metadata_broker *self = metadata_find_broker(view->image, view->settings->node_id);
    c->first = view->image->next_producer_id;
    struct wire_producer_ids_record record = {
        .broker_id = view->settings->node_id,
        .broker_epoch = self == NULL ? -1 : self->epoch,
        .next_producer_id = c->first + CONTROLLER_PRODUCER_ID_BLOCK,
    };
    if (metadata_batch_add(batch, &wire_producer_ids_record_message, 0, &record) != ERR_NONE)
        command->code = WIRE_ERROR_UNKNOWN_SERVER_ERROR;
}

const struct verb controller_verb_allocate_producer_ids = {.decide = decide};
