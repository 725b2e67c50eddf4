/* controller_registration.c - 70: a controller says where it is and what it supports (KIP-919). */
#include "api/internal.h"

struct registration {
    struct api_commanded commanded;
    struct controller_register_controller command;
    struct wire_register_controller_record record;
};

static void answer(struct request *r)
{
    struct registration *s = CONTAINER_OF(r, struct registration, commanded.request);
    const struct controller_command *command = &s->command.command;
    struct wire_controller_registration_response body;
    wire_defaults(&wire_controller_registration_response_message, &body);
    body.error_code = command->code;
    body.error_message = api_sentence(command->code, &command->msg);
    api_request_answer(r, &body);
}

/* False: no memory. */
static bool take_lists(struct request *r, struct wire_register_controller_record *record)
{
    const struct wire_controller_registration_request *in = r->body;
    record->end_points_count = MAX(in->listeners_count, 0);
    record->features_count = MAX(in->features_count, 0);
    record->end_points =
        api_request_alloc(r, (size_t)record->end_points_count, sizeof *record->end_points);
    record->features =
        api_request_alloc(r, (size_t)record->features_count, sizeof *record->features);
    if (record->end_points == NULL || record->features == NULL)
        return false;
    for (int32_t i = 0; i < record->end_points_count; i++)
        record->end_points[i] = (struct wire_register_controller_record_endpoint){
            .name = in->listeners[i].name,
            .host = in->listeners[i].host,
            .port = in->listeners[i].port,
            .security_protocol = in->listeners[i].security_protocol};
    for (int32_t i = 0; i < record->features_count; i++)
        record->features[i] = (struct wire_register_controller_record_feature){
            .name = in->features[i].name,
            .min_supported_version = in->features[i].min_supported_version,
            .max_supported_version = in->features[i].max_supported_version};
    return true;
}

static const struct api_command_kind kind = {
    .until = QUORUM_COMMITTED, .answer = answer, .is_untimed = true};

static void begin(struct request *r)
{
    struct registration *s = CONTAINER_OF(r, struct registration, commanded.request);
    const struct wire_controller_registration_request *in = r->body;
    controller_register_controller_init(&s->command);
    if (!api_may_cluster(r, API_CLUSTER_ACTION)) {
        s->command.command.code = WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
        answer(r);
        return;
    }
    wire_defaults(&wire_register_controller_record_message, &s->record);
    s->record.controller_id = in->controller_id;
    s->record.incarnation_id = in->incarnation_id;
    s->record.zk_migration_ready = in->zk_migration_ready;
    if (!take_lists(r, &s->record)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    s->command.record = &s->record;
    api_command(r, &kind, &s->command.command, 0);
}

const struct handler api_handler_controller_registration = {
    .key = 70,
    .state_size = sizeof(struct registration),
    .begin = begin,
    .drop = api_command_drop,
};
