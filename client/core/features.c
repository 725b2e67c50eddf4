/* features.c - what a cluster's features are and may be, and what they are to be (KIP-584): each
 * operation's request and its answer; who is asked and how often is in ops.c. */
#include "client/core/internal.h"

enum err client_ask_features(struct client *c, const struct client_op *op, struct client_call *call)
{
    struct wire_api_versions_request request;
    (void)op;
    wire_defaults(&wire_api_versions_request_message, &request);
    request.client_software_name = wire_text("kiln");
    request.client_software_version = wire_text("1");
    return client_call_send(c, call, &request);
}

/* NULL: there is no room, or the name is none. Its place is that of its name. */
static struct client_feature *feature_of(struct client_features *out, struct wire_string name)
{
    char text[CLIENT_FEATURE_NAME_MAX];
    int32_t at = 0;
    if (name.size <= 0 || name.size >= CLIENT_FEATURE_NAME_MAX)
        return NULL;
    memcpy(text, name.data, (size_t)name.size);
    text[name.size] = 0;
    while (at < out->count && strcmp(out->features[at].name, text) < 0)
        at++;
    struct client_feature *f = &out->features[at];
    if (at < out->count && strcmp(f->name, text) == 0)
        return f;
    if (out->count == CLIENT_FEATURES_MAX)
        return NULL;
    memmove(f + 1, f, (size_t)(out->count - at) * sizeof *f);
    *f = (struct client_feature){0};
    memcpy(f->name, text, sizeof f->name);
    out->count++;
    return f;
}

enum err client_features_answer(struct client *c, struct client_op *op, struct client_call *call,
                                struct bytes body)
{
    struct client_features *out = CONTAINER_OF(op, struct client_features, op);
    struct wire_api_versions_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    if (client_op_refused(c, op, response.error_code))
        return ERR_NONE;
    out->count = 0;
    out->epoch = response.finalized_features_epoch;
    for (int32_t i = 0; i < response.supported_features_count; i++) {
        struct client_feature *f = feature_of(out, response.supported_features[i].name);
        if (f == NULL)
            continue;
        f->oldest = response.supported_features[i].min_version;
        f->newest = response.supported_features[i].max_version;
    }
    for (int32_t i = 0; i < response.finalized_features_count; i++) {
        struct client_feature *f = feature_of(out, response.finalized_features[i].name);
        if (f != NULL)
            f->finalized = response.finalized_features[i].max_version_level;
    }
    client_op_end(c, op, CLIENT_OK, 0, ERR_NONE);
    return ERR_NONE;
}

enum err client_ask_features_update(struct client *c, const struct client_op *op,
                                    struct client_call *call)
{
    const struct client_update_features *update =
        CONTAINER_OF(op, struct client_update_features, op);
    struct wire_update_features_request_update rows[CLIENT_FEATURES_MAX];
    struct wire_update_features_request request;
    ASSERT(update->count <= CLIENT_FEATURES_MAX);
    wire_defaults(&wire_update_features_request_message, &request);
    for (int32_t i = 0; i < update->count; i++)
        rows[i] = (struct wire_update_features_request_update){
            .feature = wire_text(update->features[i].name),
            .max_version_level = update->features[i].finalized,
            .upgrade_type = (int8_t)update->type};
    request.timeout_ms = (int32_t)c->config.request_timeout_ms;
    request.feature_updates = rows;
    request.feature_updates_count = update->count;
    request.validate_only = update->validate_only;
    return client_call_send(c, call, &request);
}

enum err client_features_update_answer(struct client *c, struct client_op *op,
                                       struct client_call *call, struct bytes body)
{
    struct client_update_features *update = CONTAINER_OF(op, struct client_update_features, op);
    struct wire_update_features_response response;
    enum err e = client_call_decode(c, call, body, &response);
    if (e != ERR_NONE)
        return e;
    client_take_message(update->message, response.error_message);
    if (!client_op_refused(c, op, response.error_code))
        client_op_end(c, op, CLIENT_OK, response.error_code, ERR_NONE);
    return ERR_NONE;
}
