/* broker_heartbeat.c - 63: a broker is there, and says what it knows of the cluster (KIP-631). */
#include "api/internal.h"

struct heartbeat {
    struct api_commanded commanded;
    struct controller_heartbeat command;
};

static void refuse(struct request *r, int16_t code)
{
    struct wire_broker_heartbeat_response body;
    wire_defaults(&wire_broker_heartbeat_response_message, &body);
    body.error_code = code;
    api_request_answer(r, &body);
}

static void answer(struct request *r)
{
    struct heartbeat *s = CONTAINER_OF(r, struct heartbeat, commanded.request);
    struct wire_broker_heartbeat_response body;
    wire_defaults(&wire_broker_heartbeat_response_message, &body);
    body.error_code = s->command.command.code;
    if (body.error_code == WIRE_ERROR_NONE) {
        body.is_caught_up = s->command.is_caught_up;
        body.is_fenced = s->command.is_fenced;
        body.should_shut_down = s->command.may_go;
        body.replicas_taken =
            s->command.report_count == 0 ? CONTROLLER_REPORTS_UNKNOWN : (int8_t)s->command.taken;
    }
    api_request_answer(r, &body);
}

/* 0, or why not. What nobody knows is passed over. */
static int16_t take_reports(struct request *r, struct heartbeat *s)
{
    const struct wire_broker_heartbeat_request *in = r->body;
    if (in->replicas_count > CONTROLLER_REPORTS_MAX)
        return WIRE_ERROR_INVALID_REQUEST;
    struct controller_report *reports =
        api_request_alloc(r, (size_t)in->replicas_count, sizeof *reports);
    if (reports == NULL)
        return WIRE_ERROR_UNKNOWN_SERVER_ERROR;
    s->command.reports = reports;
    for (int32_t i = 0; i < in->replicas_count; i++) {
        const struct wire_broker_heartbeat_request_replica *said = &in->replicas[i];
        if (said->trouble < CONTROLLER_OFFLINE || said->trouble > CONTROLLER_INCOMPLETE)
            continue;
        reports[s->command.report_count++] =
            (struct controller_report){.topic_id = said->topic_id,
                                       .partition = said->partition,
                                       .leader_epoch = said->leader_epoch,
                                       .trouble = (enum controller_trouble)said->trouble};
    }
    return WIRE_ERROR_NONE;
}

static const struct api_command_kind kind = {.until = QUORUM_COMMITTED, .answer = answer};

static void begin(struct request *r)
{
    struct heartbeat *s = CONTAINER_OF(r, struct heartbeat, commanded.request);
    const struct wire_broker_heartbeat_request *in = r->body;
    if (!api_may_cluster(r, API_CLUSTER_ACTION)) {
        refuse(r, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    controller_heartbeat_init(&s->command);
    s->command.broker_id = in->broker_id;
    s->command.broker_epoch = in->broker_epoch;
    s->command.metadata_offset = in->current_metadata_offset;
    s->command.want_fence = in->want_fence;
    s->command.want_shutdown = in->want_shut_down;
    s->command.is_full = in->is_full;
    int16_t code = in->replicas_count == 0 ? WIRE_ERROR_NONE : take_reports(r, s);
    if (code != WIRE_ERROR_NONE) {
        refuse(r, code);
        return;
    }
    api_command(r, &kind, &s->command.command, 0);
}

const struct handler api_handler_broker_heartbeat = {
    .key = 63,
    .state_size = sizeof(struct heartbeat),
    .begin = begin,
    .drop = api_command_drop,
};
