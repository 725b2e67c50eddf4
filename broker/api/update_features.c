/* update_features.c - 57: feature levels of the cluster (KIP-584), answered when they are
 * committed. */
#include "api/internal.h"

struct update_features {
    struct api_commanded commanded;
    struct controller_update_features update;
};

/* Before version 2 each is told again, where none was refused. */
static bool fill_results(struct update_features *s, struct wire_update_features_response *body)
{
    const struct wire_update_features_request *in = s->commanded.request.body;
    int32_t count = s->update.command.code == WIRE_ERROR_NONE ? s->update.feature_count : 0;
    body->results = api_request_alloc(&s->commanded.request, (size_t)count, sizeof *body->results);
    if (body->results == NULL)
        return false;
    for (; body->results_count < count; body->results_count++)
        body->results[body->results_count] = (struct wire_update_features_response_result){
            .feature = in->feature_updates[body->results_count].feature,
            .error_message = wire_text("NONE")};
    return true;
}

static void answer(struct request *r)
{
    struct update_features *s = CONTAINER_OF(r, struct update_features, commanded.request);
    const struct controller_command *command = &s->update.command;
    struct wire_update_features_response body;
    wire_defaults(&wire_update_features_response_message, &body);
    body.error_code = command->code;
    body.error_message =
        command->code == WIRE_ERROR_NONE ? WIRE_NULL_STRING : wire_text(command->msg.text);
    if (fill_results(s, &body))
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

static void refuse(struct request *r, int16_t code)
{
    struct wire_update_features_response body;
    wire_defaults(&wire_update_features_response_message, &body);
    body.error_code = code;
    body.error_message = wire_text(wire_error_text(code));
    api_request_answer(r, &body);
}

static void fail(struct request *r, int16_t code)
{
    struct update_features *s = CONTAINER_OF(r, struct update_features, commanded.request);
    s->update.command.code = code;
    errmsg_set(&s->update.command.msg, ERR_TIMEOUT, "%s", wire_error_text(code));
}

/* Kafka gives no heed to its timeout. */
static const struct api_command_kind kind = {
    .until = QUORUM_COMMITTED, .answer = answer, .fail = fail, .is_untimed = true, .again = true};

static void begin(struct request *r)
{
    struct update_features *s = CONTAINER_OF(r, struct update_features, commanded.request);
    const struct wire_update_features_request *in = r->body;
    int32_t count = MAX(in->feature_updates_count, 0);
    if (!api_may_cluster(r, API_ALTER)) {
        refuse(r, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    controller_update_features_init(&s->update);
    struct controller_feature *features = api_request_alloc(r, (size_t)count, sizeof *features);
    if (features == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    for (int32_t i = 0; i < count; i++) {
        const struct wire_update_features_request_update *update = &in->feature_updates[i];
        features[i] = (struct controller_feature){
            .name = bytes_of(update->feature.data, (size_t)MAX(update->feature.size, 0)),
            .level = update->max_version_level,
            .type = (enum controller_upgrade)update->upgrade_type};
    }
    s->update.features = features;
    s->update.feature_count = count;
    s->update.validate_only = in->validate_only;
    api_command(r, &kind, &s->update.command, in->timeout_ms);
}

const struct handler api_handler_update_features = {
    .key = 57,
    .state_size = sizeof(struct update_features),
    .begin = begin,
    .hurry = api_command_hurry,
    .drop = api_command_drop,
};
