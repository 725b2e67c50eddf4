/* describe_cluster.c - 60: who belongs to the cluster, as the listener by which the question came
 * tells it (AuthHelper.computeDescribeClusterResponse). */
#include "api/internal.h"

/* EndpointType */
#define ENDPOINT_BROKER 1
#define ENDPOINT_CONTROLLER 2

static const char *const types[] = {
    [ENDPOINT_BROKER] = "BROKER", [ENDPOINT_CONTROLLER] = "CONTROLLER"};

static int16_t check(const struct wire_describe_cluster_request *in, int8_t here,
                     struct errmsg *msg)
{
    if (in->endpoint_type == here)
        return WIRE_ERROR_NONE;
    if (in->endpoint_type == ENDPOINT_BROKER || in->endpoint_type == ENDPOINT_CONTROLLER) {
        errmsg_set(msg, ERR_INVALID,
                   "The request was sent to an endpoint of type %s, but we wanted an endpoint of "
                   "type %s",
                   types[here], types[in->endpoint_type]);
        return WIRE_ERROR_MISMATCHED_ENDPOINT_TYPE;
    }
    errmsg_set(msg, ERR_INVALID, "Unsupported endpoint type %d", in->endpoint_type);
    return WIRE_ERROR_UNSUPPORTED_ENDPOINT_TYPE;
}

/* The voters of the metadata quorum, and who leads them (KIP-919). False: no memory. */
static bool describe_controllers(struct request *r, struct wire_describe_cluster_response *body)
{
    const struct api_settings *settings = &r->api->settings;
    body->endpoint_type = ENDPOINT_CONTROLLER;
    body->controller_id = quorum_leader(r->api->quorum);
    body->brokers = api_request_alloc(r, (size_t)settings->voter_count, sizeof *body->brokers);
    body->brokers_count = 0;
    if (body->brokers == NULL)
        return false;
    for (; body->brokers_count < settings->voter_count; body->brokers_count++) {
        const struct api_voter *voter = &settings->voters[body->brokers_count];
        body->brokers[body->brokers_count] =
            (struct wire_describe_cluster_response_broker){.broker_id = voter->id,
                                                           .host = wire_text(voter->at.host),
                                                           .port = voter->at.port,
                                                           .rack = WIRE_NULL_STRING};
    }
    return true;
}

/* Fenced ones by their own wish alone, who ask since version 2. False: no memory. */
static bool describe_brokers(struct request *r, struct wire_describe_cluster_response *body)
{
    const struct wire_describe_cluster_request *in = r->body;
    struct api_brokers all;
    if (api_brokers_take(r, quorum_current(r->api->quorum), &all) != ERR_NONE)
        return false;
    body->brokers = api_request_alloc(r, (size_t)all.count, sizeof *body->brokers);
    if (body->brokers == NULL)
        return false;
    for (int32_t i = 0; i < all.count; i++) {
        const struct api_broker *broker = &all.rows[i];
        if (!broker->has_listener || (broker->is_fenced && !in->include_fenced_brokers))
            continue;
        body->brokers[body->brokers_count++] =
            (struct wire_describe_cluster_response_broker){.broker_id = broker->id,
                                                           .host = broker->host,
                                                           .port = broker->port,
                                                           .rack = broker->rack,
                                                           .is_fenced = broker->is_fenced};
    }
    body->controller_id = api_brokers_controller(r, &all);
    return true;
}

static void begin(struct request *r)
{
    const struct wire_describe_cluster_request *in = r->body;
    bool controllers = r->caller.listener->on == WIRE_ON_CONTROLLER;
    struct errmsg msg = {0};
    struct wire_describe_cluster_response body;
    wire_defaults(&wire_describe_cluster_response_message, &body);
    body.error_code = check(in, controllers ? ENDPOINT_CONTROLLER : ENDPOINT_BROKER, &msg);
    if (body.error_code != WIRE_ERROR_NONE) {
        body.error_message = wire_text(msg.text);
        api_request_answer(r, &body);
        return;
    }
    body.cluster_id = wire_text(r->api->settings.cluster_id);
    if (!(controllers ? describe_controllers(r, &body) : describe_brokers(r, &body))) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    if (in->include_cluster_authorized_operations)
        body.cluster_authorized_operations = api_cluster_operations(r);
    api_request_answer(r, &body);
}

const struct handler api_handler_describe_cluster = {
    .key = 60,
    .state_size = sizeof(struct request),
    .begin = begin,
};
