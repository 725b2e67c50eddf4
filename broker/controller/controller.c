/* controller.c - which file judges which command. Pure. */
#include "controller/internal.h"

static const struct verb *const verbs[CONTROLLER_VERB_COUNT] = {
    [CONTROLLER_REGISTER] = &controller_verb_register,
    [CONTROLLER_CREATE_TOPICS] = &controller_verb_create_topics,
    [CONTROLLER_DELETE_TOPICS] = &controller_verb_delete_topics,
    [CONTROLLER_ALTER_CONFIGS] = &controller_verb_alter_configs,
    [CONTROLLER_CREATE_PARTITIONS] = &controller_verb_create_partitions,
    [CONTROLLER_ASSIGN_DIRECTORIES] = &controller_verb_assign_directories,
    [CONTROLLER_ALLOCATE_PRODUCER_IDS] = &controller_verb_allocate_producer_ids,
    [CONTROLLER_UPDATE_FEATURES] = &controller_verb_update_features,
    [CONTROLLER_BOOTSTRAP] = &controller_verb_bootstrap,
    [CONTROLLER_REGISTER_BROKER] = &controller_verb_register_broker,
    [CONTROLLER_HEARTBEAT] = &controller_verb_heartbeat,
    [CONTROLLER_FENCE] = &controller_verb_fence,
    [CONTROLLER_ALTER_PARTITION] = &controller_verb_alter_partition,
    [CONTROLLER_ELECT_LEADERS] = &controller_verb_elect_leaders,
    [CONTROLLER_UNREGISTER] = &controller_verb_unregister,
    [CONTROLLER_REGISTER_CONTROLLER] = &controller_verb_register_controller,
};

void controller_decide(const struct controller_view *view, struct controller_command *command,
                       struct metadata_batch *batch)
{
    ASSERT(command->verb < CONTROLLER_VERB_COUNT);
    command->code = WIRE_ERROR_NONE;
    command->msg = (struct errmsg){0};
    command->rests_on_image = false;
    struct controller_view now = *view;
    now.image = metadata_visible(view->image);
    if (now.image != view->image)
        command->code = controller_code_of(controller_abort(batch));
    if (command->code == WIRE_ERROR_NONE)
        verbs[command->verb]->decide(&now, command, batch);
    ASSERT(!batch->in_transaction || command->code != WIRE_ERROR_NONE);
}

void controller_lost(struct controller_command *command, const struct metadata_image *image,
                     int16_t code, const char *sentence)
{
    ASSERT(code != WIRE_ERROR_NONE);
    const struct verb *verb = verbs[command->verb];
    if (verb->lost != NULL) {
        verb->lost(command, image, code, sentence);
        return;
    }
    command->code = code;
    errmsg_set(&command->msg, ERR_IO, "%s", sentence);
}

void controller_topic_defaults(const struct controller_view *view,
                               struct metadata_topic_config *out)
{
    struct metadata_broker_config broker;
    metadata_broker_configured(view->image, view->settings->node_id, &view->settings->file,
                               &broker);
    *out = broker.topics;
}

struct wire_uuid controller_draw_uuid(struct controller_chance *chance, const char *site,
                                      uint64_t key)
{
    struct wire_uuid id;
    uint64_t high = chance->draw(chance, site, key);
    uint64_t low = chance->draw(chance, site, key);
    put_u64(id.b, (high & ~0xf000ull) | 0x4000);
    put_u64(id.b + 8, (low & ~(3ull << 62)) | 2ull << 62);
    return id;
}

int16_t controller_code_of(enum err e)
{
    if (e == ERR_NONE)
        return WIRE_ERROR_NONE;
    return e == ERR_LIMIT ? WIRE_ERROR_POLICY_VIOLATION : WIRE_ERROR_UNKNOWN_SERVER_ERROR;
}
