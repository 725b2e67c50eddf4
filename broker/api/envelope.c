/* envelope.c - 58: what a client asked another broker, which passed it on (KIP-590): done in the
 * client's name where this node leads, and its answer goes back as it is. */
#include "api/internal.h"

#define PRINCIPAL_VERSION_BYTES 2 /* before it (MessageUtil.toVersionPrefixedBytes) */
#define ADDRESS_BYTES_V4 4
#define ADDRESS_BYTES_V6 16

/* Those of Kafka's that are served. */
static const int16_t forwardable[] = {19, 20, 33, 37, 43, 44, 55, 57, 64};

bool api_may_be_forwarded(int16_t key)
{
    for (int i = 0; i < COUNT_OF(forwardable); i++) {
        if (forwardable[i] == key)
            return true;
    }
    return false;
}

/* ---- the answer ---- */

static void answer(struct request *envelope, struct wire_envelope_response *body)
{
    api_request_answer(envelope, body);
}

static void refuse(struct request *envelope, int16_t code)
{
    struct wire_envelope_response body;
    wire_defaults(&wire_envelope_response_message, &body);
    body.error_code = code;
    answer(envelope, &body);
}

/* The envelope's bytes are its own before the request lets go of them. */
void api_envelope_answer(struct request *r)
{
    struct request *envelope = r->envelope;
    struct wire_envelope_response body;
    ASSERT(r->answer.part_count == 1);
    ASSERT(r->part.size <= INT32_MAX);
    wire_defaults(&wire_envelope_response_message, &body);
    body.response_data = (struct wire_bytes){.data = r->part.data, .size = (int32_t)r->part.size};
    body.metadata_offset = quorum_current(r->api->quorum)->offset;
    bool encoded = api_request_encode(envelope, &body);
    api_request_free(r);
    if (!encoded)
        return;
    envelope->part = (struct env_part){.data = envelope->out.data, .size = envelope->out.size};
    envelope->answer.parts = &envelope->part;
    envelope->answer.part_count = 1;
    api_request_send(envelope);
}

void api_envelope_refuse(struct request *r, int16_t code)
{
    struct request *envelope = r->envelope;
    api_request_free(r);
    refuse(envelope, code);
}

/* ---- whose it is ---- */

/* "TYPE:NAME", from what DefaultKafkaPrincipalBuilder writes. NULL: it is not that. */
static const char *take_principal(struct request *r, struct wire_bytes in)
{
    struct wire_default_principal_data data;
    if (in.size < PRINCIPAL_VERSION_BYTES || get_i16(in.data) != 0)
        return NULL;
    struct bytes rest =
        bytes_of(in.data + PRINCIPAL_VERSION_BYTES, (size_t)in.size - PRINCIPAL_VERSION_BYTES);
    if (wire_decode(&wire_default_principal_data_message, 0, rest, NULL, &data, &r->arena, NULL) !=
        ERR_NONE)
        return NULL;
    size_t type = (size_t)data.type.size, name = (size_t)data.name.size;
    char *out = api_request_alloc(r, type + name + 2, 1);
    if (out == NULL)
        return NULL;
    if (type > 0)
        memcpy(out, data.type.data, type);
    out[type] = ':';
    if (name > 0)
        memcpy(out + type + 1, data.name.data, name);
    return out;
}

static void begin(struct request *r)
{
    const struct wire_envelope_request *in = r->body;
    struct api_caller caller = {.listener = r->caller.listener};
    if (!api_may_cluster(r, API_CLUSTER_ACTION)) {
        refuse(r, WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED);
        return;
    }
    caller.principal = take_principal(r, in->request_principal);
    if (caller.principal == NULL) {
        refuse(r, WIRE_ERROR_PRINCIPAL_DESERIALIZATION_FAILURE);
        return;
    }
    int32_t address = in->client_host_address.size;
    if (address != ADDRESS_BYTES_V4 && address != ADDRESS_BYTES_V6) {
        refuse(r, WIRE_ERROR_INVALID_REQUEST);
        return;
    }
    struct slice frame = {.buf = r->frame.buf,
                          .data = r->frame.data + (in->request_data.data - r->frame.data),
                          .size = (uint32_t)MAX(in->request_data.size, 0)};
    int16_t code = api_request_within(r, frame, &caller);
    if (code != WIRE_ERROR_NONE)
        refuse(r, code);
}

const struct handler api_handler_envelope = {
    .key = 58,
    .state_size = sizeof(struct request),
    .begin = begin,
};
