/* brokers.c - what an active controller does about the cluster of its own accord: the records that
 * a new cluster begins with, and whoever is not heard of any more is fenced (B-4, B-7). */
#include "quorum/internal.h"

#define AGAIN_NS (1000ll * 1000000) /* after what could not be written */

static void arm(struct quorum *q, int64_t at_ns);

void quorum_brokers_init(struct quorum *q)
{
    int64_t timeout_ns = q->settings.session_timeout_ns;
    controller_sessions_init(&q->brokers.sessions, q->mem,
                             timeout_ns > 0 ? timeout_ns : QUORUM_SESSION_NS);
}

void quorum_brokers_free(struct quorum *q)
{
    controller_sessions_clear(&q->brokers.sessions);
}

/* ---- silence ---- */

static void on_fenced(struct quorum_request *request)
{
    struct quorum *q = CONTAINER_OF(request, struct quorum, brokers.fencing);
    struct brokers *b = &q->brokers;
    b->fences = false;
    if (!b->active)
        return;
    if (b->fence.command.code == WIRE_ERROR_NONE)
        quorum_brokers_look(q);
    else
        arm(q, env_now(q->env) + AGAIN_NS);
}

static void fence(struct quorum *q)
{
    struct brokers *b = &q->brokers;
    b->fences = true;
    controller_fence_init(&b->fence);
    quorum_submit(q, &b->fencing, &b->fence.command, QUORUM_COMMITTED, on_fenced);
}

/* ---- the first records ---- */

static void on_booted(struct quorum_request *request)
{
    struct quorum *q = CONTAINER_OF(request, struct quorum, brokers.booting);
    struct brokers *b = &q->brokers;
    b->boots = false;
    b->booted = b->boot.command.code == WIRE_ERROR_NONE;
    if (b->active && !b->booted)
        arm(q, env_now(q->env) + AGAIN_NS);
}

static void boot(struct quorum *q)
{
    struct brokers *b = &q->brokers;
    b->boots = true;
    controller_bootstrap_init(&b->boot);
    quorum_submit(q, &b->booting, &b->boot.command, QUORUM_COMMITTED, on_booted);
}

/* ---- both ---- */

static void on_timer(struct env_timer *timer)
{
    struct quorum *q = CONTAINER_OF(timer, struct quorum, brokers.timer);
    q->brokers.armed = false;
    quorum_brokers_look(q);
}

static void arm(struct quorum *q, int64_t at_ns)
{
    struct brokers *b = &q->brokers;
    if (at_ns == INT64_MAX)
        return;
    b->armed = true;
    b->timer.fire = on_timer;
    env_arm(q->env, &b->timer, at_ns);
}

/* Whoever is not fenced has been heard of now: B-7. False: no memory. */
static bool begin_sessions(struct quorum *q)
{
    struct brokers *b = &q->brokers;
    int32_t except = q->member == NULL ? q->settings.controller.node_id : CONTROLLER_NOBODY;
    enum err e = controller_sessions_begin(&b->sessions, q->tail, except, env_now(q->env));
    b->begun = e == ERR_NONE;
    return b->begun;
}

void quorum_brokers_look(struct quorum *q)
{
    struct brokers *b = &q->brokers;
    int64_t now_ns = env_now(q->env);
    if (!b->active || b->armed || !quorum_leads(q))
        return;
    if (!b->begun && !begin_sessions(q)) {
        arm(q, now_ns + AGAIN_NS);
        return;
    }
    if (!b->booted && !b->boots && q->member != NULL)
        boot(q);
    if (b->armed || b->fences)
        return;
    if (controller_session_expired(&b->sessions, now_ns) != CONTROLLER_NOBODY)
        fence(q);
    else
        arm(q, controller_sessions_deadline(&b->sessions));
}

void quorum_brokers_begin(struct quorum *q)
{
    struct brokers *b = &q->brokers;
    ASSERT(!b->active);
    b->active = true;
    b->begun = b->booted = false;
    quorum_brokers_look(q);
}

void quorum_brokers_end(struct quorum *q)
{
    struct brokers *b = &q->brokers;
    b->active = false;
    b->armed = false;
    env_disarm(q->env, &b->timer);
    controller_sessions_clear(&b->sessions);
}
