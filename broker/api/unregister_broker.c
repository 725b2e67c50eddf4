/* unregister_broker.c - 64: a broker that will not come back is forgotten (KIP-631). */
#include "api/internal.h"

struct unregister {
    struct api_commanded commanded;
    struct controller_unregister command;
};

static void answer(struct request *r)
{
    struct unregister *s = CONTAINER_OF(r, struct unregister, commanded.request);
    const struct controller_command *command = &s->command.command;
    struct wire_unregister_broker_response body;
    wire_defaults(&wire_unregister_broker_response_message, &body);
    body.error_code = command->code;
    body.error_message = api_sentence(command->code, &command->msg);
    api_request_answer(r, &body);
}

static void fail(struct request *r, int16_t code)
{
    struct unregister *s = CONTAINER_OF(r, struct unregister, commanded.request);
    s->command.command.code = code;
    s->command.command.msg = (struct errmsg){0};
}

static const struct api_command_kind kind = {
    .until = QUORUM_COMMITTED, .answer = answer, .fail = fail, .is_untimed = true};

static void begin(struct request *r)
{
    struct unregister *s = CONTAINER_OF(r, struct unregister, commanded.request);
    const struct wire_unregister_broker_request *in = r->body;
    controller_unregister_init(&s->command);
    s->command.broker_id = in->broker_id;
    if (!api_may_cluster(r, API_ALTER)) {
        s->command.command.code = WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
        answer(r);
        return;
    }
    api_command(r, &kind, &s->command.command, 0);
}

const struct handler api_handler_unregister_broker = {
    .key = 64,
    .state_size = sizeof(struct unregister),
    .begin = begin,
    .hurry = api_command_hurry,
    .drop = api_command_drop,
};
