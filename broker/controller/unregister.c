/* unregister.c - a broker that will not come back is forgotten (ReplicationControlManager
 * .unregisterBroker, KIP-631): out of sync and eligible nowhere, in the same write. One that is
 * there after all is no broker any more, until it registers anew. Pure. */
#include "controller/internal.h"

static int16_t check(const struct controller_view *view, struct controller_unregister *c,
                     const struct metadata_broker *broker)
{
    if (broker == NULL) {
        errmsg_set(&c->command.msg, ERR_NOTFOUND, "Broker ID %d is not currently registered",
                   (int)c->broker_id);
        return WIRE_ERROR_BROKER_ID_NOT_REGISTERED;
    }
    if (!view->settings->is_alone || broker->id != view->settings->node_id)
        return WIRE_ERROR_NONE;
    errmsg_set(&c->command.msg, ERR_INVALID,
               "Broker %d is its own controller, and all that there is of its cluster",
               (int)c->broker_id);
    return WIRE_ERROR_INVALID_REQUEST;
}

static enum err forget(const struct controller_view *view, const struct metadata_broker *broker,
                       struct metadata_batch *batch)
{
    struct controller_turn turn = CONTROLLER_NO_TURN;
    struct wire_unregister_broker_record record = {.broker_id = broker->id,
                                                   .broker_epoch = broker->epoch};
    turn.lost = broker->id;
    enum err e = controller_add_turn(view, &turn, 1, batch);
    if (e == ERR_NONE)
        e = controller_add(batch, &wire_unregister_broker_record_message, UNREGISTER_VERSION,
                           &record);
    return e == ERR_NONE ? controller_end(batch) : e;
}

static void decide(const struct controller_view *view, struct controller_command *command,
                   struct metadata_batch *batch)
{
    struct controller_unregister *c = CONTAINER_OF(command, struct controller_unregister, command);
    const struct metadata_broker *broker = metadata_find_broker(view->image, c->broker_id);
    command->rests_on_image = true;
    command->code = check(view, c, broker);
    if (command->code != WIRE_ERROR_NONE)
        return;
    enum err e = forget(view, broker, batch);
    if (e == ERR_NONE)
        controller_session_drop(view->sessions, c->broker_id);
    command->code = controller_code_of(e);
}

void controller_unregister_init(struct controller_unregister *c)
{
    *c = (struct controller_unregister){.command.verb = CONTROLLER_UNREGISTER};
}

const struct verb controller_verb_unregister = {.decide = decide};
