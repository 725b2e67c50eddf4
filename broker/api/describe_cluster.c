/* describe_cluster.c - 60: who belongs to the cluster, as the listener by which the question came
 * tells it (AuthHelper.computeDescribeClusterResponse). */
#include "api/internal.h"

/* EndpointType */
#define ENDPOINT_BROKER 1
#define ENDPOINT_CONTROLLER 2

static int16_t check(const struct wire_describe_cluster_request *in, struct errmsg *msg)
{
    if (in->endpoint_type == ENDPOINT_BROKER)
        return WIRE_ERROR_NONE;
    if (in->endpoint_type == ENDPOINT_CONTROLLER) {
        errmsg_set(
            msg, ERR_INVALID,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of "
            "type CONTROLLER");
        return WIRE_ERROR_MISMATCHED_ENDPOINT_TYPE;
    }
    errmsg_set(msg, ERR_INVALID, "Unsupported endpoint type %d", in->endpoint_type);
    return WIRE_ERROR_UNSUPPORTED_ENDPOINT_TYPE;
}

static void begin(struct request *r)
{
    const struct wire_describe_cluster_request *in = r->body;
    struct errmsg msg = {0};
    struct wire_describe_cluster_response body;
    wire_defaults(&wire_describe_cluster_response_message, &body);
    struct wire_describe_cluster_response_broker self = {
        .broker_id = quorum_node_id(r->api->quorum),
        .host = wire_text(r->caller.listener->host),
        .port = r->caller.listener->port,
        .rack = WIRE_NULL_STRING,
    };
    body.error_code = check(in, &msg);
    if (body.error_code != WIRE_ERROR_NONE) {
        body.error_message = wire_text(msg.text);
        api_request_answer(r, &body);
        return;
    }
    body.cluster_id = wire_text(r->api->settings.cluster_id);
    body.controller_id = self.broker_id;
    body.brokers = &self;
    body.brokers_count = 1;
    if (in->include_cluster_authorized_operations)
        body.cluster_authorized_operations = api_cluster_operations(r);
    api_request_answer(r, &body);
}

const struct handler api_handler_describe_cluster = {
    .key = 60,
    .state_size = sizeof(struct request),
    .begin = begin,
};
