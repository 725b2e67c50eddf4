/* forward.c - what only the controller that leads decides, or knows: passed on as it came, and its
 * answer goes to the client as it is (KIP-590). How it gets there is its owner's to know. */
#include "api/internal.h"

#define CORRELATION_BYTES 4

bool api_forwards(const struct request *r)
{
    const struct api *api = r->api;
    return api->settings.forward != NULL && r->envelope == NULL &&
           r->caller.listener->on == WIRE_ON_BROKER && !quorum_leads(api->quorum);
}

void api_forward_begin(struct request *r, struct api_forwarded *op, struct bytes frame,
                       int64_t deadline_ns, bool again, void (*done)(struct api_forwarded *op))
{
    struct api_forward *forward = r->api->settings.forward;
    *op = (struct api_forwarded){.frame = frame,
                                 .principal = r->caller.principal,
                                 .peer = r->conn == NULL ? "" : r->conn->peer,
                                 .deadline_ns = deadline_ns,
                                 .again = again,
                                 .done = done,
                                 .metadata_offset = -1};
    list_init(&op->link);
    forward->send(forward, op);
}

void api_forward_cancel(struct request *r, struct api_forwarded *op)
{
    struct api_forward *forward = r->api->settings.forward;
    forward->cancel(forward, op);
}

bool api_forward_take(struct request *r, const struct api_forwarded *op)
{
    ASSERT(op->end == API_FORWARD_ANSWERED);
    if (op->answer.size < CORRELATION_BYTES || get_i32(op->answer.data) != r->header.correlation_id)
        return false;
    uint8_t *copy = api_request_alloc(r, op->answer.size, 1);
    if (copy == NULL)
        return false;
    memcpy(copy, op->answer.data, op->answer.size);
    r->part = (struct env_part){.data = copy, .size = op->answer.size};
    return true;
}

void api_forward_pass(struct request *r)
{
    r->answer.parts = &r->part;
    r->answer.part_count = 1;
    api_request_send(r);
}
