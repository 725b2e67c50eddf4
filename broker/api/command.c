/* command.c - a request that is a command to the controller: submitted where this node leads,
 * passed on to who does elsewhere, and answered when it has come as far as its API says, or when
 * the time that its asker gave it is over. It decides nothing. */
#include "api/internal.h"

static struct api_commanded *commanded_of(struct request *r)
{
    return CONTAINER_OF(r, struct api_commanded, request);
}

static void answer(struct api_commanded *c)
{
    env_disarm(c->request.api->env, &c->deadline);
    c->stage = API_COMMAND_ENDED;
    c->kind->answer(&c->request);
}

static void fail(struct api_commanded *c, int16_t code)
{
    c->kind->fail(&c->request, code);
    answer(c);
}

/* ---- to this node's quorum ---- */

static void forward(struct api_commanded *c);

/* Nobody here may write, or may no longer: what was appended may be committed by others. */
static void on_lost(struct api_commanded *c)
{
    struct request *r = &c->request;
    bool may_be_done = c->submitted.first >= 0 && !c->kind->again;
    if (c->kind->fail != NULL && may_be_done)
        fail(c, WIRE_ERROR_REQUEST_TIMED_OUT);
    else if (c->kind->fail != NULL && api_forwards(r))
        forward(c);
    else if (r->envelope != NULL)
        api_envelope_refuse(r, WIRE_ERROR_NOT_CONTROLLER);
    else
        answer(c);
}

static void on_decided(struct quorum_request *submitted)
{
    struct api_commanded *c = CONTAINER_OF(submitted, struct api_commanded, submitted);
    if (submitted->lost == WIRE_ERROR_NOT_CONTROLLER)
        on_lost(c);
    else
        answer(c);
}

/* Who passed it on waits for his own image. */
static void submit(struct api_commanded *c)
{
    struct request *r = &c->request;
    c->stage = API_COMMAND_SUBMITTED;
    quorum_submit(r->api->quorum, &c->submitted, c->command,
                  r->envelope != NULL ? QUORUM_COMMITTED : c->kind->until, on_decided);
}

/* ---- to the controller that leads ---- */

static void pass(struct api_commanded *c)
{
    env_disarm(c->request.api->env, &c->deadline);
    c->stage = API_COMMAND_ENDED;
    api_forward_pass(&c->request);
}

static void on_applied(struct quorum_request *submitted)
{
    pass(CONTAINER_OF(submitted, struct api_commanded, submitted));
}

static void on_answered(struct api_commanded *c)
{
    struct request *r = &c->request;
    if (!api_forward_take(r, &c->forwarded)) {
        fail(c, WIRE_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    if (c->kind->until != QUORUM_APPLIED || c->forwarded.metadata_offset < 0) {
        pass(c);
        return;
    }
    c->stage = API_COMMAND_AWAITED;
    quorum_await(r->api->quorum, &c->submitted, c->forwarded.metadata_offset, on_applied);
}

static void on_forwarded(struct api_forwarded *op)
{
    struct api_commanded *c = CONTAINER_OF(op, struct api_commanded, forwarded);
    switch (op->end) {
    case API_FORWARD_ANSWERED:
        on_answered(c);
        return;
    case API_FORWARD_HERE:
        submit(c);
        return;
    case API_FORWARD_LATE:
        fail(c, WIRE_ERROR_REQUEST_TIMED_OUT);
        return;
    case API_FORWARD_REFUSED: /* somebody has set this up wrongly, but not the client */
        fail(c, WIRE_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    UNREACHABLE();
}

static void on_deadline(struct env_timer *timer);

static void forward(struct api_commanded *c)
{
    struct request *r = &c->request;
    c->deadline.fire = on_deadline;
    if (!env_armed(&c->deadline))
        env_arm(r->api->env, &c->deadline, api_request_deadline(r, API_FORWARD_MS_MAX));
    c->stage = API_COMMAND_FORWARDED;
    api_forward_begin(r, &c->forwarded, slice_bytes(r->frame), c->deadline.deadline_ns,
                      c->kind->again, on_forwarded);
}

/* ---- both ---- */

/* False: it is done already. */
static bool stop_waiting(struct api_commanded *c)
{
    switch (c->stage) {
    case API_COMMAND_ENDED:
        return false;
    case API_COMMAND_FORWARDED:
        api_forward_cancel(&c->request, &c->forwarded);
        return true;
    case API_COMMAND_SUBMITTED:
    case API_COMMAND_AWAITED:
        return quorum_cancel(&c->submitted);
    }
    UNREACHABLE();
}

/* What the controller has answered is true, whatever this node knows of it. */
static void end_late(struct api_commanded *c)
{
    if (c->stage == API_COMMAND_AWAITED)
        pass(c);
    else
        fail(c, WIRE_ERROR_REQUEST_TIMED_OUT);
}

static void on_deadline(struct env_timer *timer)
{
    struct api_commanded *c = CONTAINER_OF(timer, struct api_commanded, deadline);
    if (stop_waiting(c))
        end_late(c);
}

void api_command_hurry(struct request *r)
{
    struct api_commanded *c = commanded_of(r);
    bool elsewhere = c->stage == API_COMMAND_FORWARDED || c->stage == API_COMMAND_AWAITED;
    if (elsewhere && stop_waiting(c))
        end_late(c);
}

void api_command(struct request *r, const struct api_command_kind *kind,
                 struct controller_command *command, int32_t timeout_ms)
{
    struct api_commanded *c = commanded_of(r);
    bool timed = kind->fail != NULL && !kind->is_untimed;
    c->kind = kind;
    c->command = command;
    /* Kafka's controller does not even begin what is late already. */
    if (timed && timeout_ms <= 0) {
        fail(c, WIRE_ERROR_REQUEST_TIMED_OUT);
        return;
    }
    if (timed) {
        c->deadline.fire = on_deadline;
        env_arm(r->api->env, &c->deadline, api_request_deadline(r, timeout_ms));
    }
    if (kind->fail != NULL && api_forwards(r))
        forward(c);
    else
        submit(c);
}

void api_command_drop(struct request *r)
{
    env_disarm(r->api->env, &commanded_of(r)->deadline);
}

struct wire_string api_sentence(int16_t code, const struct errmsg *msg)
{
    if (code == WIRE_ERROR_NONE)
        return WIRE_NULL_STRING;
    return wire_text(msg->text[0] != 0 ? msg->text : wire_error_text(code));
}
