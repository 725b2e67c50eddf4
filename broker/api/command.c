/* command.c - a request that is a command to the controller: submitted, and answered when it has
 * come as far as its API says, or when the time that its asker gave it is over. It decides nothing.
 */
#include "api/internal.h"

static struct api_commanded *commanded_of(struct request *r)
{
    return CONTAINER_OF(r, struct api_commanded, request);
}

static void answer(struct api_commanded *c)
{
    env_disarm(c->request.api->env, &c->deadline);
    c->kind->answer(&c->request);
}

static void on_decided(struct quorum_request *submitted)
{
    answer(CONTAINER_OF(submitted, struct api_commanded, submitted));
}

static void time_out(struct api_commanded *c)
{
    c->kind->late(&c->request);
    answer(c);
}

static void on_deadline(struct env_timer *timer)
{
    struct api_commanded *c = CONTAINER_OF(timer, struct api_commanded, deadline);
    if (quorum_cancel(&c->submitted))
        time_out(c);
}

void api_command(struct request *r, const struct api_command_kind *kind,
                 struct controller_command *command, int32_t timeout_ms)
{
    struct api_commanded *c = commanded_of(r);
    c->kind = kind;
    /* Kafka's controller does not even begin what is late already. */
    if (kind->late != NULL && timeout_ms <= 0) {
        time_out(c);
        return;
    }
    if (kind->late != NULL) {
        c->deadline.fire = on_deadline;
        env_arm(r->api->env, &c->deadline, api_request_deadline(r, timeout_ms));
    }
    quorum_submit(r->api->quorum, &c->submitted, command, kind->until, on_decided);
}

void api_command_drop(struct request *r)
{
    env_disarm(r->api->env, &commanded_of(r)->deadline);
}
