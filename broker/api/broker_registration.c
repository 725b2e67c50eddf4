/* broker_registration.c - 62: a broker would be one of the cluster (KIP-631). */
#include "api/internal.h"

struct registration {
    struct api_commanded commanded;
    struct controller_register_broker command;
    struct wire_register_broker_record record;
};

static void refuse(struct request *r, int16_t code)
{
    struct wire_broker_registration_response body;
    wire_defaults(&wire_broker_registration_response_message, &body);
    body.error_code = code;
    api_request_answer(r, &body);
}

static void answer(struct request *r)
{
    struct registration *s = CONTAINER_OF(r, struct registration, commanded.request);
    struct wire_broker_registration_response body;
    wire_defaults(&wire_broker_registration_response_message, &body);
    body.error_code = s->command.command.code;
    if (body.error_code == WIRE_ERROR_NONE)
        body.broker_epoch = s->command.epoch;
    api_request_answer(r, &body);
}

/* False: no memory. */
static bool take_lists(struct request *r, struct wire_register_broker_record *record)
{
    const struct wire_broker_registration_request *in = r->body;
    record->end_points_count = MAX(in->listeners_count, 0);
    record->features_count = MAX(in->features_count, 0);
    record->end_points =
        api_request_alloc(r, (size_t)record->end_points_count, sizeof *record->end_points);
    record->features =
        api_request_alloc(r, (size_t)record->features_count, sizeof *record->features);
    if (record->end_points == NULL || record->features == NULL)
        return false;
    for (int32_t i = 0; i < record->end_points_count; i++)
        record->end_points[i] = (struct wire_register_broker_record_endpoint){
            .name = in->listeners[i].name,
            .host = in->listeners[i].host,
            .port = in->listeners[i].port,
            .security_protocol = in->listeners[i].security_protocol};
    for (int32_t i = 0; i < record->features_count; i++)
        record->features[i] = (struct wire_register_broker_record_feature){
            .name = in->features[i].name,
            .min_supported_version = in->features[i].min_supported_version,
            .max_supported_version = in->features[i].max_supported_version};
    return true;
}

static const struct api_command_kind kind = {.until = QUORUM_COMMITTED, .answer = answer};

static void begin(struct request *r)
{
    struct registration *s = CONTAINER_OF(r, struct registration, commanded.request);
    const struct wire_broker_registration_request *in = r->body;
    if (!api_may_cluster(r, API_CLUSTER_ACTION)) {
        refuse(r, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    if (!wire_string_equal(in->cluster_id, wire_text(r->api->settings.cluster_id))) {
        refuse(r, WIRE_ERROR_INCONSISTENT_CLUSTER_ID);
        return;
    }
    if (in->is_migrating_zk_broker) { /* there is no ZooKeeper to migrate from */
        refuse(r, WIRE_ERROR_BROKER_ID_NOT_REGISTERED);
        return;
    }
    wire_defaults(&wire_register_broker_record_message, &s->record);
    s->record.broker_id = in->broker_id;
    s->record.incarnation_id = in->incarnation_id;
    s->record.rack = in->rack;
    s->record.log_dirs = in->log_dirs;
    s->record.log_dirs_count = in->log_dirs_count;
    if (!take_lists(r, &s->record)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    controller_register_broker_init(&s->command);
    s->command.record = &s->record;
    s->command.previous_epoch = in->previous_broker_epoch;
    s->command.kept_epoch = in->kept_broker_epoch;
    api_command(r, &kind, &s->command.command, 0);
}

const struct handler api_handler_broker_registration = {
    .key = 62,
    .state_size = sizeof(struct registration),
    .begin = begin,
    .drop = api_command_drop,
};
