/* heard.c - B-6: until when a controller surely counts on this broker, so that nobody else leads
 * what it leads. After a time in which none may have, that one answers again is not enough: what it
 * decided meanwhile must be known here, too. */
#include "node/internal.h"

/* When so many voters as decide had last fetched from this node, which leads them: by its answer to
 * itself a leader that has been deposed knows nothing. INT64_MIN: it does not lead, or they never
 * did. */
static int64_t majority_ns(const struct broker *b)
{
    struct quorum_reader readers[RAFT_VOTERS_MAX + QUORUM_READERS_MAX];
    int32_t count = quorum_leads(b->quorum) ? quorum_readers(b->quorum, readers) : 0;
    int64_t wall_ms = env_wall(b->env), oldest_ms = INT64_MAX;
    int32_t voters = b->members.voter_count;
    if (b->members.dynamic)
        voters = b->voter_count;
    for (int32_t taken = 0; taken < voters / 2; taken++) { /* beside this one */
        int32_t newest = -1;
        for (int32_t i = 0; i < count; i++) {
            bool other = readers[i].votes && readers[i].key.id != quorum_node_id(b->quorum);
            if (other && (newest < 0 || readers[i].fetched_ms > readers[newest].fetched_ms))
                newest = i;
        }
        if (newest < 0 || readers[newest].fetched_ms < 0)
            return INT64_MIN;
        oldest_ms = MIN(oldest_ms, readers[newest].fetched_ms);
        readers[newest].votes = false;
    }
    return env_now(b->env) - ENV_NS_OF_MS(MAX(wall_ms - oldest_ms, 0));
}

/* The image has all that was decided until a controller answered again. */
static bool has_caught_up(const struct broker *b)
{
    const struct heard *h = &b->membership.heard;
    bool leads = majority_ns(b) >= h->since_ns;
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
    counts = counts && h->beat_ns > INT64_MIN;
    orders_set_heard(b->orders, counts ? h->beat_ns + session_ns : 0);
}

void broker_heard_beat(struct broker *b, const struct order *order)
{
    struct heard *h = &b->membership.heard;
    bool here = order->state == ORDER_SUBMITTED;
    if (h->current && !orders_is_heard(b->orders))
        broker_heard_lapse(b);
    h->beat_ns = here ? MIN(order->asked_ns, majority_ns(b)) : order->asked_ns;
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
