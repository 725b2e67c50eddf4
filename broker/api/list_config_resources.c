/* list_config_resources.c - 74: of what there are settings (KIP-1142): topics, brokers, and their
 * loggers. Before version 1 only client metrics are asked for, of which there are none. */
#include "api/internal.h"

enum {
    LIST_LOGGERS,
    LIST_BROKERS,
    LIST_TOPICS,
    LIST_METRICS,
    LIST_GROUPS,
    LIST_COUNT,
};

static const int8_t types[LIST_COUNT] = {API_RESOURCE_BROKER_LOGGER, METADATA_RESOURCE_BROKER,
                                         METADATA_RESOURCE_TOPIC, API_RESOURCE_CLIENT_METRICS,
                                         API_RESOURCE_GROUP};

/* False: one is asked for that there is none of. */
static bool choose(const struct request *r, bool wanted[LIST_COUNT])
{
    const struct wire_list_config_resources_request *in = r->body;
    bool all = in->resource_types_count <= 0 && api_request_version(r) > 0;
    for (int i = 0; i < LIST_COUNT; i++)
        wanted[i] = all;
    for (int32_t k = 0; k < in->resource_types_count; k++) {
        int i = 0;
        while (i < LIST_COUNT && types[i] != in->resource_types[k])
            i++;
        if (i == LIST_COUNT)
            return false;
        wanted[i] = true;
    }
    return true;
}

static void begin(struct request *r)
{
    const struct metadata_image *image = quorum_current(r->api->quorum);
    struct wire_list_config_resources_response body;
    struct wire_list_config_resources_response_resource *at;
    bool wanted[LIST_COUNT];
    char self[METADATA_BROKER_NAME_SIZE];
    wire_defaults(&wire_list_config_resources_response_message, &body);
    metadata_broker_name(quorum_node_id(r->api->quorum), self);
    if (!api_may_cluster(r, API_DESCRIBE_CONFIGS))
        body.error_code = WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
    else if (!choose(r, wanted))
        body.error_code = WIRE_ERROR_UNSUPPORTED_VERSION;
    if (body.error_code != WIRE_ERROR_NONE) {
        api_request_answer(r, &body);
        return;
    }
    body.config_resources = at =
        api_request_alloc(r, (size_t)image->topic_count + 2, sizeof *body.config_resources);
    if (at == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    for (int i = LIST_LOGGERS; i <= LIST_BROKERS; i++) {
        if (wanted[i])
            *at++ = (struct wire_list_config_resources_response_resource){
                .resource_name = wire_text(self), .resource_type = types[i]};
    }
    for (int32_t i = 0; wanted[LIST_TOPICS] && i < image->topic_count; i++)
        *at++ = (struct wire_list_config_resources_response_resource){
            .resource_name = wire_text(metadata_topic_at(image, i)->name),
            .resource_type = METADATA_RESOURCE_TOPIC};
    body.config_resources_count = (int32_t)(at - body.config_resources);
    api_request_answer(r, &body);
}

const struct handler api_handler_list_config_resources = {
    .key = 74,
    .state_size = sizeof(struct request),
    .begin = begin,
};
