/* register_controller.c - a controller says where it is and what it supports
 * (ClusterControlManager.registerController, KIP-919). It is written down as it is said: who votes
 * is raft's to know, and Kafka asks nothing more either. Pure. */
#include "controller/internal.h"

#define REGISTRATION_SINCE 15 /* 3.7-IV0: the metadata.version that has the record */

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_register_controller *c =
        CONTAINER_OF(command, struct controller_register_controller, command);
    command->rests_on_image = true;
    if (view->image->metadata_version < REGISTRATION_SINCE) {
        command->code = WIRE_ERROR_UNSUPPORTED_VERSION;
        errmsg_set(&command->msg, ERR_UNSUPPORTED,
                   "The current MetadataVersion is too old to support controller registrations.");
        return;
    }
    command->code = controller_code_of(
        metadata_batch_add(batch, &wire_register_controller_record_message, 0, c->record));
}

void controller_register_controller_init(struct controller_register_controller *c)
{
    *c = (struct controller_register_controller){.command.verb = CONTROLLER_REGISTER_CONTROLLER};
}

const struct verb controller_verb_register_controller = {.decide = decide};
