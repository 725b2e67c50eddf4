/* init_producer_id.c - 22: an identity for an idempotent producer. */
#include "api/internal.h"

struct init_producer_id {
    struct request request;
    struct producer_id op;
};

static void answer(struct request *r, int16_t code, int64_t producer_id)
{
    struct wire_init_producer_id_response body;
    wire_defaults(&wire_init_producer_id_response_message, &body);
    body.error_code = code;
    body.producer_id = producer_id;
    body.producer_epoch = code == WIRE_ERROR_NONE ? 0 : -1;
    api_request_answer(r, &body);
}

static void on_id(struct producer_id *op)
{
    struct init_producer_id *s = CONTAINER_OF(op, struct init_producer_id, op);
    answer(&s->request, op->code, op->producer_id);
}

/* Who writes to some topic may do so with an identity, too (KIP-679). */
static int16_t check_access(const struct request *r)
{
    const struct wire_init_producer_id_request *in = r->body;
    struct wire_string id = in->transactional_id;
    if (id.size >= 0)
        return api_may(r, API_WRITE, API_TRANSACTIONAL_ID, bytes_of(id.data, (size_t)id.size))
                   ? WIRE_ERROR_NONE
                   : WIRE_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    return api_may_cluster(r, API_IDEMPOTENT_WRITE) ||
                   api_may(r, API_WRITE, API_TOPIC, (struct bytes){0})
               ? WIRE_ERROR_NONE
               : WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
}

/* Without a transactional id there is nothing to go on with: whatever the producer was before, it
 * gets a new id (KIP-360 asks for no more). */
static void begin(struct request *r)
{
    struct init_producer_id *s = CONTAINER_OF(r, struct init_producer_id, request);
    const struct wire_init_producer_id_request *in = r->body;
    bool half = (in->producer_id == -1) != (in->producer_epoch == -1);
    int16_t refused = check_access(r);
    if (refused != WIRE_ERROR_NONE)
        answer(r, refused, -1);
    else if (in->transactional_id.size >= 0 || half)
        answer(r, WIRE_ERROR_INVALID_REQUEST, -1);
    else
        api_producer_id(&r->api->producer_ids, &s->op, on_id);
}

static void hurry(struct request *r)
{
    struct init_producer_id *s = CONTAINER_OF(r, struct init_producer_id, request);
    api_producer_id_hurry(&r->api->producer_ids, &s->op);
}

const struct handler api_handler_init_producer_id = {
    .key = 22,
    .state_size = sizeof(struct init_producer_id),
    .begin = begin,
    .hurry = hurry,
};
