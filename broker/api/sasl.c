/* sasl.c - 17 and 36: who wants to authenticate where nobody has to. As on Kafka's PLAINTEXT
 * listener the answer is ILLEGAL_SASL_STATE, which a client can show to its user; a closed
 * connection says nothing. It never looks at what was sent. */
#include "api/internal.h"

static void begin_handshake(struct request *r)
{
    struct wire_sasl_handshake_response body;
    wire_defaults(&wire_sasl_handshake_response_message, &body);
    body.error_code = WIRE_ERROR_ILLEGAL_SASL_STATE;
    api_request_answer(r, &body);
}

static void begin_authenticate(struct request *r)
{
    struct wire_sasl_authenticate_response body;
    wire_defaults(&wire_sasl_authenticate_response_message, &body);
    body.error_code = WIRE_ERROR_ILLEGAL_SASL_STATE;
    body.error_message =
        wire_text("SaslAuthenticate request received after successful authentication");
    api_request_answer(r, &body);
}

const struct handler api_handler_sasl_handshake = {
    .key = 17,
    .state_size = sizeof(struct request),
    .begin = begin_handshake,
};

const struct handler api_handler_sasl_authenticate = {
    .key = 36,
    .state_size = sizeof(struct request),
    .begin = begin_authenticate,
};
