/* api_versions.c - 18: what this broker speaks. */
#include "api/internal.h"

static void begin(struct request *r)
{
    struct wire_api_versions_response body;
    wire_defaults(&wire_api_versions_response_message, &body);
    body.api_keys = api_request_alloc(r, (size_t)wire_api_count, sizeof *body.api_keys);
    if (body.api_keys == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    for (int i = 0; i < wire_api_count; i++) {
        body.api_keys[body.api_keys_count++] = (struct wire_api_versions_response_api_key){
            .api_key = wire_apis[i].key,
            .min_version = wire_apis[i].advertised_oldest,
            .max_version = wire_apis[i].request->newest,
        };
    }
    const struct metadata_image *image = metadata_current(r->api->metadata);
    struct wire_api_versions_response_supported_feature supported = {
        .name = wire_text("metadata.version"),
        .min_version = METADATA_VERSION_OLDEST,
        .max_version = METADATA_VERSION,
    };
    struct wire_api_versions_response_finalized_feature finalized = {
        .name = supported.name,
        .min_version_level = image->metadata_version,
        .max_version_level = image->metadata_version,
    };
    body.supported_features_count = 1;
    body.supported_features = &supported;
    body.finalized_features_epoch = image->offset;
    body.finalized_features_count = 1;
    body.finalized_features = &finalized;
    api_request_answer(r, &body);
}

const struct handler api_handler_api_versions = {
    .key = 18,
    .state_size = sizeof(struct request),
    .begin = begin,
};
