/* sent.c - the requests of this node: each leaves once, and raft hears once what became of it. */
#include "quorum/internal.h"

#define REFUSED_NS (20ll * 1000000) /* in which a log that took no records is brought none */

void quorum_sent_free(struct quorum *q, struct sent *sent)
{
    list_remove(&sent->link);
    buf_release(sent->bytes.buf);
    mem_free(q->mem, sent);
}

/* Without memory it is as if it had been lost; of those the newest are the ones that count. */
static void lose_unsent(struct member *m, const struct raft_request *request)
{
    if (m->lost_count == MEMBER_LOST_MAX)
        memmove(m->lost, m->lost + 1, (size_t)--m->lost_count * sizeof m->lost[0]);
    m->lost[m->lost_count].api = request->api;
    m->lost[m->lost_count++].number = request->number;
}

void quorum_sent_send(struct quorum *q, const struct raft_request *request)
{
    struct member *m = q->member;
    struct sent *sent = mem_zalloc(q->mem, sizeof *sent);
    if (sent == NULL) {
        lose_unsent(m, request);
        return;
    }
    sent->api = request->api;
    sent->number = request->number;
    list_init(&sent->link);
    list_push_back(&m->sent, &sent->link);
    q->peers->send(q->peers, request);
}

static struct sent *take(struct quorum *q, enum raft_api api, uint64_t number)
{
    LIST_EACH (sent, &q->member->sent, struct sent, link) {
        if (sent->number != number || sent->api != api)
            continue;
        list_remove(&sent->link);
        list_push_back(&q->member->came, &sent->link);
        return sent;
    }
    return NULL;
}

void quorum_response(struct quorum *q, const struct raft_response *response, struct slice bytes)
{
    struct sent *sent = q->member == NULL ? NULL : take(q, response->api, response->number);
    if (sent == NULL)
        return;
    sent->response = *response;
    sent->response.batches = NULL;
    sent->response.batch_count = 0;
    sent->response.bytes = bytes.size;
    sent->bytes = bytes;
    if (bytes.buf != NULL)
        buf_retain(bytes.buf);
    quorum_member_go_on(q);
}

static void lose(struct quorum *q, enum raft_api api, uint64_t number, bool refused)
{
    struct sent *sent = q->member == NULL ? NULL : take(q, api, number);
    if (sent == NULL)
        return;
    sent->lost = true;
    sent->refused = refused;
    quorum_member_go_on(q);
}

void quorum_lost(struct quorum *q, enum raft_api api, uint64_t number)
{
    lose(q, api, number, false);
}

void quorum_refused(struct quorum *q, enum raft_api api, uint64_t number)
{
    lose(q, api, number, true);
}

/* False: it is as good as none. */
static bool take_batches(struct quorum *q, struct sent *sent, struct raft_event *event)
{
    const struct raft_response *response = &sent->response;
    if (response->api != RAFT_FETCH || response->code != WIRE_ERROR_NONE ||
        response->fetched != RAFT_FETCHED_RECORDS || sent->bytes.size == 0)
        return true;
    int32_t count = quorum_fetched_read(q, slice_bytes(sent->bytes));
    if (count < 0 || q->member->refused_ns > event->now_ns || log_waits_for_room(q->log))
        return false;
    event->response.batches = q->member->batches;
    event->response.batch_count = count;
    return true;
}

bool quorum_sent_next(struct quorum *q, struct raft_event *event)
{
    struct sent *sent = LIST_FIRST(&q->member->came, struct sent, link);
    if (sent == NULL)
        return false;
    event->type = RAFT_RESPONSE;
    event->response = sent->response;
    if (!sent->lost && take_batches(q, sent, event))
        return true;
    event->type = RAFT_LOST;
    event->lost.api = sent->api;
    event->lost.number = sent->number;
    event->lost.refused = sent->refused;
    return true;
}

/* What follows comes again. */
void quorum_sent_refused(struct quorum *q)
{
    q->member->refused_ns = env_now(q->env) + REFUSED_NS;
}
