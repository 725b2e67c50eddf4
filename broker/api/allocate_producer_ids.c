/* allocate_producer_ids.c - 67: a block of producer ids for another broker (KIP-730). */
#include "api/internal.h"

struct allocation {
    struct api_commanded commanded;
    struct controller_allocate_producer_ids command;
};

static void refuse(struct request *r, int16_t code)
{
    struct wire_allocate_producer_ids_response body;
    wire_defaults(&wire_allocate_producer_ids_response_message, &body);
    body.error_code = code;
    api_request_answer(r, &body);
}

static void answer(struct request *r)
{
    struct allocation *s = CONTAINER_OF(r, struct allocation, commanded.request);
    struct wire_allocate_producer_ids_response body;
    wire_defaults(&wire_allocate_producer_ids_response_message, &body);
    body.error_code = s->command.command.code;
    if (body.error_code == WIRE_ERROR_NONE) {
        TRACE(r->api->trace, PRODUCER_IDS_BLOCK, .first = s->command.first,
              .count = (uint64_t)s->command.id_count,
              .metadata_offset = s->commanded.submitted.first);
        body.producer_id_start = s->command.first;
        body.producer_id_len = s->command.id_count;
    }
    api_request_answer(r, &body);
}

static const struct api_command_kind kind = {.until = QUORUM_COMMITTED, .answer = answer};

static void begin(struct request *r)
{
    struct allocation *s = CONTAINER_OF(r, struct allocation, commanded.request);
    const struct wire_allocate_producer_ids_request *in = r->body;
    if (!api_may_cluster(r, API_CLUSTER_ACTION)) {
        refuse(r, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    controller_allocate_producer_ids_init(&s->command);
    s->command.broker_id = in->broker_id;
    s->command.broker_epoch = in->broker_epoch;
    api_command(r, &kind, &s->command.command, 0);
}

const struct handler api_handler_allocate_producer_ids = {
    .key = 67,
    .state_size = sizeof(struct allocation),
    .begin = begin,
    .drop = api_command_drop,
};
