/* heard.c - B-6: until when a controller surely counts on this broker, so that nobody else leads
 * what it leads. After a time in which none may have, that one answers again is not enough: what it
 * decided meanwhile must be known here, too. */
#include "node/internal.h"

/* A leader of the metadata quorum that has been deposed answers itself for so long at most
 * (raft.h: it resigns where no majority has fetched for 1.5 times that). */
static int64_t deposed_ns(const struct broker *b)
{
    return ENV_NS_OF_MS(b->config.controller_quorum_fetch_timeout_ms) * 3 / 2;
}

/* The image has all that was decided until a controller answered again. */
static bool has_caught_up(const struct broker *b)
{
    const struct heard *h = &b->membership.heard;
    bool leads = quorum_leads(b->quorum) && env_now(b->env) - h->since_ns > deposed_ns(b);
    return leads || (h->known_to >= 0 && quorum_current(b->quorum)->offset + 1 >= h->known_to);
}

void broker_heard_look(struct broker *b, const struct metadata_broker *self)
{
    struct membership *m = &b->membership;
    struct heard *h = &m->heard;
    /* Of a new registration: it was fenced, and the image says that it is not any more. */
    if (h->epoch != m->epoch && self != NULL && !self->fenced) {
        h->epoch = m->epoch;
        h->current = true;
    }
    if (h->epoch == m->epoch && !h->current)
        h->current = has_caught_up(b);
    bool counts = m->state == MEMBERSHIP_SERVES && !m->is_fenced && h->current;
    int64_t session_ns = ENV_NS_OF_MS(b->config.broker_session_timeout_ms);
    orders_set_heard(b->orders, counts ? h->beat_ns + session_ns : 0);
}

void broker_heard_beat(struct broker *b, const struct order *order)
{
    struct heard *h = &b->membership.heard;
    bool here = order->state == ORDER_SUBMITTED;
    if (h->current && !orders_is_heard(b->orders))
        broker_heard_lapse(b);
    h->beat_ns = order->asked_ns - (here ? deposed_ns(b) : 0);
}

void broker_heard_lapse(struct broker *b)
{
    struct heard *h = &b->membership.heard;
    h->current = false;
    h->since_ns = env_now(b->env);
    h->known_to = -1;
    orders_set_heard(b->orders, 0);
}

void broker_heard_log(struct broker *b, int64_t asked_ns, int64_t high_watermark)
{
    struct heard *h = &b->membership.heard;
    if (h->current || asked_ns < h->since_ns)
        return;
    h->known_to = high_watermark;
    broker_membership_look(b);
}
