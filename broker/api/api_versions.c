/* api_versions.c - 18: what this broker speaks on the listener by which it is asked. */
#include "api/internal.h"

#define SOFTWARE_SINCE 3     /* KIP-511 */
#define FEATURES_OFF_SINCE 4 /* KIP-1022 */

static bool letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Letters, digits, '-' and '.', of which the last two do not stand at an end. */
static bool sound(struct wire_string s)
{
    if (s.size <= 0 || !letter_or_digit(s.data[0]) || !letter_or_digit(s.data[s.size - 1]))
        return false;
    for (int32_t i = 0; i < s.size; i++) {
        if (!letter_or_digit(s.data[i]) && s.data[i] != '-' && s.data[i] != '.')
            return false;
    }
    return true;
}

struct features {
    struct wire_api_versions_response_supported_feature supported[METADATA_FEATURES + 1];
    struct wire_api_versions_response_finalized_feature finalized[METADATA_FEATURES + 1];
};

/* Clients that do not know version 4 take a feature that may be off for a mistake (KIP-1022). */
static void fill_features(const struct request *r, struct features *features,
                          struct wire_api_versions_response *body)
{
    const struct metadata_image *image = quorum_current(r->api->quorum);
    body->supported_features = features->supported;
    body->finalized_features = features->finalized;
    body->finalized_features_epoch = image->offset;
    for (int i = 0; i < METADATA_FEATURES; i++) {
        const struct metadata_feature *f = &metadata_features[i];
        int16_t level = metadata_feature_level(image, f->name);
        if (f->oldest > 0 || api_request_version(r) >= FEATURES_OFF_SINCE)
            features->supported[body->supported_features_count++] =
                (struct wire_api_versions_response_supported_feature){
                    .name = wire_text(f->name), .min_version = f->oldest, .max_version = f->newest};
        if (level > 0 || i == 0)
            features->finalized[body->finalized_features_count++] =
                (struct wire_api_versions_response_finalized_feature){.name = wire_text(f->name),
                                                                      .min_version_level = level,
                                                                      .max_version_level = level};
    }
    if (quorum_voters_record(r->api->quorum) == NULL)
        return;
    features->supported[body->supported_features_count++] =
        (struct wire_api_versions_response_supported_feature){.name = wire_text("kraft.version"),
                                                              .max_version = QUORUM_KRAFT_VERSION};
    features->finalized[body->finalized_features_count++] =
        (struct wire_api_versions_response_finalized_feature){
            .name = wire_text("kraft.version"),
            .min_version_level = QUORUM_KRAFT_VERSION,
            .max_version_level = QUORUM_KRAFT_VERSION};
}

static void begin(struct request *r)
{
    const struct wire_api_versions_request *in = r->body;
    struct wire_api_versions_response body;
    wire_defaults(&wire_api_versions_response_message, &body);
    if (api_request_version(r) >= SOFTWARE_SINCE &&
        (!sound(in->client_software_name) || !sound(in->client_software_version))) {
        body.error_code = WIRE_ERROR_INVALID_REQUEST;
        api_request_answer(r, &body);
        return;
    }
    body.api_keys = api_request_alloc(r, (size_t)wire_api_count, sizeof *body.api_keys);
    if (body.api_keys == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    for (int i = 0; i < wire_api_count; i++) {
        if ((wire_apis[i].listeners & r->caller.listener->on) == 0)
            continue;
        body.api_keys[body.api_keys_count++] = (struct wire_api_versions_response_api_key){
            .api_key = wire_apis[i].key,
            .min_version = wire_apis[i].advertised_oldest,
            .max_version = wire_apis[i].request->newest,
        };
    }
    struct features features;
    fill_features(r, &features, &body);
    api_request_answer(r, &body);
}

const struct handler api_handler_api_versions = {
    .key = 18,
    .state_size = sizeof(struct request),
    .begin = begin,
};
