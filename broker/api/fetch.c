/* fetch.c - 1: records out of partitions. Ranges of files go from the page cache to the socket;
 * what is asked for and not there yet is waited for. A fetch of a session (KIP-227) looks only at
 * the partitions that it names and at those that have told the session of something new. */
#include "api/fetch.h"

/* A partition's records take the bytes before them and at most this many parts. */
#define PARTS_PER_PARTITION (1 + COUNT_OF(((struct log_read *)0)->parts))
#define PARTS_MAX (CONN_PARTS_MAX - 3 - PARTS_PER_PARTITION)

#define RACK_SINCE 11 /* KIP-392: who asks since then may be answered by one that follows */

/* ---- reading ---- */

/* A follower goes by the ends that it is told, and must not wait for records to be told. Without a
 * session it asks by each fetch what it may not have been told yet: of that, only what changes
 * while it waits. */
static bool is_behind(const struct fetch_item *item)
{
    const struct replica_fetch *f = &item->fetch;
    return f->follower.id >= 0 &&
           (f->high_watermark > item->told_high_watermark || f->log_start > item->told_log_start);
}

static void note_ends(struct fetch *s, struct fetch_item *item)
{
    const struct replica_fetch *f = &item->fetch;
    s->failed |=
        f->code != WIRE_ERROR_NONE || f->diverging_end >= 0 || item->lags || f->preferred >= 0;
    if (s->session == NULL && item->told_high_watermark < 0) {
        item->told_high_watermark = f->high_watermark;
        item->told_log_start = f->log_start;
    }
    s->news |= is_behind(item);
}

static void count(struct fetch *s, const struct fetch_item *item)
{
    const struct replica_fetch *f = &item->fetch;
    s->rest |= f->some && !item->quiet;
    if (f->read == NULL || f->read->bytes == 0)
        return;
    s->bytes += f->read->bytes;
    s->part_count += 1 + f->read->part_count;
}

static void on_fetched(struct replica_fetch *f)
{
    struct fetch_item *item = CONTAINER_OF(f, struct fetch_item, fetch);
    struct fetch *s = item->set->fetch;
    note_ends(s, item);
    count(s, item);
    api_join_release(&s->request);
}

/* A partition from which there is no room left is looked at. */
static void post(struct request *r, int32_t index)
{
    struct fetch *s = CONTAINER_OF(r, struct fetch, request);
    struct fetch_item *item = s->items[index];
    struct replica_fetch *f = &item->fetch;
    const struct wire_fetch_request *in = r->body;
    int64_t left = s->bytes_max - s->bytes;
    if (f->replica == NULL)
        return;
    if (s->again && !f->some && !item->is_new) {
        count(s, item);
        return;
    }
    item->is_new = false;
    f->isolation = in->isolation_level;
    f->mem = r->mem;
    api_fetch_place(s, item);
    bool gives = !item->quiet && !item->lags;
    f->at_least_one = s->bytes == 0 && gives;
    f->bytes_max = 0;
    if (s->part_count <= PARTS_MAX && gives)
        f->bytes_max = (int32_t)MIN(MAX(left, 0), MAX(item->bytes_max, 0));
    api_join_hold(r);
    replica_fetch(f);
}

/* ---- waiting ---- */

static void go_on(struct fetch *s);

static void on_woken(struct replica_fetch *f, uint64_t bytes)
{
    struct fetch_item *item = CONTAINER_OF(f, struct fetch_item, fetch);
    struct fetch *s = item->set->fetch;
    if (!list_linked(&item->pending))
        list_push_back(&item->set->pending, &item->pending);
    if (s == NULL) { /* the session's next fetch will look */
        replica_fetch_rest(f);
        return;
    }
    s->since += item->quiet ? 0 : bytes;
    if (s->phase != PHASE_WAITING)
        return;
    note_ends(s, item);
    go_on(s);
}

static void on_deadline(struct env_timer *timer)
{
    struct fetch *s = CONTAINER_OF(timer, struct fetch, deadline);
    s->expired = true;
    if (s->phase == PHASE_WAITING)
        go_on(s);
}

/* ---- answering ---- */

static void end_own(struct fetch *s)
{
    for (int32_t i = 0; i < s->own_count; i++)
        replica_fetch_end(&s->own_items[i].fetch);
    s->own_count = 0;
}

static void begin_in_session(struct fetch *s);

/* The session is free for the next fetch; nothing that was read stays with it. */
static void leave(struct fetch *s)
{
    if (s->session == NULL || s->session->set.fetch != s)
        return;
    for (int32_t i = 0; i < s->item_count; i++)
        replica_read_end(replica_fetch_take(&s->items[i]->fetch));
    s->session->set.fetch = NULL;
}

/* The caller holds the session, or there is none. */
static void begin_next(struct fetch_session *session)
{
    while (session != NULL && session->set.fetch == NULL && !list_empty(&session->waiting))
        begin_in_session(CONTAINER_OF(list_pop_front(&session->waiting), struct fetch, queued));
}

static void send_it(struct fetch *s, bool filled)
{
    struct request *r = &s->request;
    if (!filled)
        api_request_break(r, ERR_NOMEM);
    else if (!api_request_encode(r, &s->body))
        return;
    else if (api_fetch_lay_out(s))
        api_request_send(r);
    else
        api_request_break(r, ERR_NOMEM);
}

/* What is left of it may be on its way for long: what comes is for the next one. */
static void end(struct fetch *s, bool filled)
{
    struct fetch_session *session = s->session;
    s->phase = PHASE_ANSWERED;
    env_disarm(s->request.api->env, &s->deadline);
    leave(s);
    end_own(s);
    if (session != NULL)
        api_session_hold(session);
    send_it(s, filled);
    begin_next(session);
    api_session_let_go(session);
}

static void answer(struct fetch *s)
{
    if (s->session != NULL)
        s->body.session_id = s->session->id;
    if (s->superseded) {
        s->body.error_code = WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH;
        end(s, true);
    } else {
        end(s, api_fetch_fill(s));
    }
}

/* The session cannot be gone on with. */
static void refuse(struct fetch *s, int16_t code)
{
    s->phase = PHASE_ANSWERED;
    s->body.error_code = code;
    api_request_answer(&s->request, &s->body);
}

/* ---- whom to ask ---- */

/* Who says that it is a follower where none comes by is none. */
static int16_t refuse_replica(const struct fetch_item *item)
{
    return item->fetch.leader_epoch >= 0 ? WIRE_ERROR_UNKNOWN_LEADER_EPOCH
                                         : WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
}

/* It asks that replica from now on; NULL: none. */
static void ask_replica(struct fetch_item *item, struct replica *replica)
{
    struct replica_fetch asked = item->fetch;
    if (replica != NULL && replica == asked.replica)
        return;
    replica_fetch_end(&item->fetch);
    if (replica != NULL)
        replica_fetch_init(&item->fetch, replica);
    item->is_new = replica != NULL;
    item->fetch.offset = asked.offset;
    item->fetch.leader_epoch = asked.leader_epoch;
    item->fetch.last_epoch = asked.last_epoch;
    item->fetch.follower = asked.follower;
    item->fetch.at_follower = asked.at_follower;
    item->fetch.counts = asked.counts;
    item->fetch.done = on_fetched;
    item->fetch.woken = on_woken;
}

/* Which replica to ask: where that is not known, or went wrong the last time. */
static void resolve(struct fetch *s, struct fetch_item *item, const struct metadata_topic *topic,
                    int16_t unknown)
{
    struct replica *replica = NULL;
    int16_t code = api_request_find(&s->request, topic, item->partition, unknown, &replica);
    bool is_follower = item->fetch.follower.id >= 0;
    if (code == WIRE_ERROR_NONE && is_follower && !s->request.caller.listener->of_brokers) {
        code = refuse_replica(item);
        replica = NULL;
    }
    ask_replica(item, replica);
    item->refused = code;
    /* A follower asks again soon by itself, and others need not wait for that. */
    s->failed |= code != WIRE_ERROR_NONE && (is_follower || !api_fetch_is_unknown(code));
}

static void resolve_all(struct fetch *s)
{
    const struct metadata_topic *topic = NULL;
    const uint8_t *of = NULL;
    int16_t unknown = WIRE_ERROR_NONE;
    int32_t unknown_count = 0;
    LIST_EACH (item, &s->set->pending, struct fetch_item, pending) {
        if (of == NULL || of != item->topic.data)
            topic = api_fetch_topic(s, item, &unknown);
        of = item->topic.data;
        if (topic == NULL || item->fetch.replica == NULL || item->fetch.code != WIRE_ERROR_NONE)
            resolve(s, item, topic, unknown);
        unknown_count += item->fetch.replica == NULL && api_fetch_is_unknown(item->refused);
    }
    size_t total = s->session != NULL ? s->session->items.count : (size_t)s->own_count;
    s->known = (size_t)unknown_count < total;
}

/* ---- from one to the next ---- */

static void on_all_read(struct request *r)
{
    struct fetch *s = CONTAINER_OF(r, struct fetch, request);
    s->phase = PHASE_WAITING;
    go_on(s);
}

/* One partition after the other, for each takes from what the ones before it left. */
static void read_all(struct fetch *s)
{
    s->phase = PHASE_READING;
    s->bytes = 0;
    s->since = 0;
    s->rest = false;
    s->part_count = 0;
    if (!api_fetch_collect(s)) {
        end(s, false);
        return;
    }
    api_join(&s->request, &(struct join){.count = s->item_count,
                                         .window_max = 1,
                                         .step_max = API_PARTITIONS_PER_STEP,
                                         .post = post,
                                         .done = on_all_read});
}

/* Nothing is waited for any more. When there is more than was read, waiting would not bring it: the
 * rest is of another segment, or does not fit. */
static bool must_end(const struct fetch *s)
{
    return s->again || s->failed || s->rest || s->news || s->superseded || s->request.conn == NULL;
}

/* Waits on, or ends the wait. At most two reads come of it: a second one is made because there is
 * enough by then, or because the time is over. */
static void go_on(struct fetch *s)
{
    ASSERT(s->phase == PHASE_WAITING);
    bool over = s->expired && s->since == 0;
    bool enough = s->bytes + (int64_t)s->since >= s->bytes_min;
    if (s->bytes >= s->bytes_min || must_end(s) || over) {
        answer(s);
    } else if (enough || s->expired) {
        s->again = true;
        resolve_all(s); /* what has come to be pending meanwhile is looked at for the first time */
        read_all(s);
    }
}

/* ---- the partitions ---- */

/* One that asks for nothing and says how far its disk is: what it asked for before at that place
 * stands, and what it was given since is on its way and is not given twice. */
static void name_bytes(struct fetch_item *item, const struct wire_fetch_request_partition *in)
{
    bool says_end_alone = in->durable_end >= 0 && in->partition_max_bytes == 0;
    bool stands = in->fetch_offset == item->fetch.offset &&
                  in->current_leader_epoch == item->fetch.leader_epoch;
    item->quiet = says_end_alone && (item->quiet || !stands);
    if (!says_end_alone)
        item->bytes_max = in->partition_max_bytes;
}

static void name_item(const struct fetch *s, struct fetch_item *item,
                      const struct wire_fetch_request_partition *in)
{
    name_bytes(item, in);
    item->fetch.offset = in->fetch_offset;
    item->fetch.leader_epoch = MAX(in->current_leader_epoch, -1);
    item->fetch.last_epoch = in->last_fetched_epoch;
    item->fetch.follower = api_fetch_follower(s->request.body);
    item->fetch.follower.log_start = in->log_start_offset;
    item->fetch.follower.durable_end = in->durable_end;
    item->fetch.counts = true;
    item->fetch.at_follower =
        item->fetch.follower.id < 0 && api_request_version(&s->request) >= RACK_SINCE;
    if (!list_linked(&item->pending))
        list_push_back(&item->set->pending, &item->pending);
}

static struct bytes name_of(const struct fetch *s, const struct wire_string *name,
                            const struct wire_uuid *id)
{
    return api_fetch_by_id(s) ? bytes_of(id->b, sizeof id->b)
                              : bytes_of(name->data, (size_t)MAX(name->size, 0));
}

/* How many rows there are: no fewer than partitions. */
static int32_t row_count(const struct wire_fetch_request *in)
{
    int32_t count = 0;
    for (int32_t i = 0; i < in->topics_count; i++)
        count += MAX(in->topics[i].partitions_count, 0);
    return count;
}

/* Each partition that the request names once. False: no memory. */
static bool name_places(struct fetch *s, struct api_places *places)
{
    const struct wire_fetch_request *in = s->request.body;
    if (api_places_begin(places, &s->request, in->topics_count, row_count(in)) != ERR_NONE)
        return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct wire_fetch_request_topic *topic = &in->topics[i];
        api_places_topic(places, name_of(s, &topic->topic, &topic->topic_id));
        for (int32_t k = 0; k < topic->partitions_count; k++)
            api_places_partition(places, topic->partitions[k].partition, &topic->partitions[k]);
    }
    return true;
}

/* Partitions that are fetched once. False: no memory. */
static bool make_own(struct fetch *s, const struct api_places *places)
{
    s->set = &s->own;
    s->own_items = api_request_alloc(&s->request, (size_t)places->count, sizeof *s->own_items);
    if (s->own_items == NULL)
        return false;
    for (; s->own_count < places->count; s->own_count++) {
        const struct api_place *place = &places->items[s->own_count];
        struct fetch_item *item = &s->own_items[s->own_count];
        api_fetch_item_init(item, s->set, place->topic, place->number);
        name_item(s, item, place->row);
    }
    return true;
}

/* Goes through the request's rows into the session. False: no memory, or over the limit. */
static bool name_in_session(struct fetch *s)
{
    const struct wire_fetch_request *in = s->request.body;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct wire_fetch_request_topic *topic = &in->topics[i];
        struct bytes name = name_of(s, &topic->topic, &topic->topic_id);
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            struct fetch_item *item =
                api_session_add(s->session, name, topic->partitions[k].partition);
            if (item == NULL)
                return false;
            name_item(s, item, &topic->partitions[k]);
        }
    }
    for (int32_t i = 0; i < in->forgotten_topics_data_count; i++) {
        const struct wire_fetch_request_forgotten_topic *topic = &in->forgotten_topics_data[i];
        struct bytes name = name_of(s, &topic->topic, &topic->topic_id);
        for (int32_t k = 0; k < topic->partitions_count; k++)
            api_session_forget(s->session, name, topic->partitions[k]);
    }
    return true;
}

/* ---- the request ---- */

static void start(struct fetch *s)
{
    struct request *r = &s->request;
    const struct wire_fetch_request *in = r->body;
    s->set->fetch = s;
    resolve_all(s);
    /* Nothing is asked for that exists: nothing will come. Else the rest is waited for, or a
     * consumer with one deleted topic among many would ask without a pause. */
    s->expired |= in->max_wait_ms <= 0 || in->min_bytes <= 0 || !s->known;
    if (!s->expired) {
        s->deadline.fire = on_deadline;
        env_arm(r->api->env, &s->deadline, api_request_deadline(r, in->max_wait_ms));
    }
    read_all(s);
}

/* Without a session it is as before sessions. */
static void start_alone(struct fetch *s)
{
    struct api_places places;
    bool good = name_places(s, &places);
    if (good) {
        good = make_own(s, &places);
        api_places_end(&places);
    }
    if (good)
        start(s);
    else
        api_request_break(&s->request, ERR_NOMEM);
}

static void take_session(struct fetch *s, struct fetch_session *session)
{
    ASSERT(session->set.fetch == NULL);
    s->session = api_session_hold(session);
    s->set = &session->set;
}

static void give_up_session(struct fetch *s)
{
    api_session_close(s->session);
    api_session_let_go(s->session);
    s->session = NULL;
}

/* All partitions are named; any session of before is over. Epoch 0 asks for one, -1 does not. */
static void begin_full(struct fetch *s)
{
    struct fetch_sessions *cache = &s->request.api->sessions;
    const struct wire_fetch_request *in = s->request.body;
    struct fetch_session *session = NULL;
    if (in->session_id != 0)
        session = api_session_find(cache, in->session_id);
    if (session != NULL)
        api_session_close(session);
    const struct fetch_session_kind kind = {.size = row_count(in),
                                            .by_id = api_fetch_by_id(s),
                                            .of_follower = api_fetch_follower(in).id >= 0};
    session = in->session_epoch == 0 ? api_session_new(cache, kind) : NULL;
    if (session == NULL) {
        start_alone(s);
        return;
    }
    take_session(s, session);
    if (name_in_session(s)) {
        start(s);
    } else {
        give_up_session(s);
        start_alone(s);
    }
}

/* Why the request cannot go on with the session; NULL: there is none. */
static int16_t check_session(const struct fetch *s, const struct fetch_session *session)
{
    const struct wire_fetch_request *in = s->request.body;
    if (session == NULL || !session->is_cached)
        return WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND;
    if (session->epoch != in->session_epoch)
        return WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH;
    return session->by_id == api_fetch_by_id(s) ? WIRE_ERROR_NONE
                                                : WIRE_ERROR_FETCH_SESSION_TOPIC_ID_ERROR;
}

/* No other fetch of the session is under way. */
static void begin_in_session(struct fetch *s)
{
    struct fetch_session *session = s->session;
    int16_t code = check_session(s, session);
    if (code != WIRE_ERROR_NONE) {
        refuse(s, code);
        return;
    }
    s->set = &session->set;
    if (!name_in_session(s)) {
        api_session_close(session);
        refuse(s, WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND);
        return;
    }
    if (session->items.count == 0) { /* all are forgotten: it is over */
        give_up_session(s);
        start_alone(s);
        return;
    }
    api_session_touch(session);
    api_session_next_epoch(session);
    s->incremental = true;
    start(s);
}

/* A connection's fetches are answered in their order; a follower that asks anew has something to
 * say, and waits no longer for the answer of before. By another connection its asker has come back,
 * and does not wait for that answer at all. */
static void queue_in_session(struct fetch *s)
{
    struct fetch *before = s->session->set.fetch;
    bool comes_back = before->request.conn != s->request.conn;
    s->phase = PHASE_QUEUED;
    list_push_back(&s->session->waiting, &s->queued);
    bool is_follower = api_fetch_follower(s->request.body).id >= 0;
    if (!comes_back && (!is_follower || KNOWN_BUG(parked_fetch_kept)))
        return;
    before->superseded |= comes_back;
    before->expired = true;
    if (before->phase == PHASE_WAITING)
        go_on(before);
}

static void begin_incremental(struct fetch *s)
{
    const struct wire_fetch_request *in = s->request.body;
    struct fetch_session *session = api_session_find(&s->request.api->sessions, in->session_id);
    struct fetch *before = session == NULL ? NULL : session->set.fetch;
    int16_t code = check_session(s, session);
    if (before != NULL && before->request.conn == s->request.conn)
        code = WIRE_ERROR_NONE; /* it is looked at in its turn */
    if (code != WIRE_ERROR_NONE) {
        refuse(s, code);
        return;
    }
    s->session = api_session_hold(session);
    if (before != NULL)
        queue_in_session(s);
    else
        begin_in_session(s);
}

static void begin(struct request *r)
{
    struct fetch *s = CONTAINER_OF(r, struct fetch, request);
    const struct wire_fetch_request *in = r->body;
    wire_defaults(&wire_fetch_response_message, &s->body);
    list_init(&s->queued);
    list_init(&s->own.pending);
    s->bytes_max = (int32_t)MIN(in->max_bytes, r->api->settings.fetch_bytes_max);
    /* More than an answer may hold would be waited for in vain. */
    s->bytes_min = MAX(MIN(in->min_bytes, s->bytes_max), 1);
    if (in->session_epoch == 0 || in->session_epoch == -1)
        begin_full(s);
    else
        begin_incremental(s);
}

static void hurry(struct request *r)
{
    struct fetch *s = CONTAINER_OF(r, struct fetch, request);
    s->expired = true;
    if (s->phase == PHASE_QUEUED) {
        list_remove(&s->queued);
        refuse(s, WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH);
    } else if (s->phase == PHASE_WAITING) {
        go_on(s);
    }
}

static void drop(struct request *r)
{
    struct fetch *s = CONTAINER_OF(r, struct fetch, request);
    env_disarm(r->api->env, &s->deadline);
    end_own(s);
    for (int32_t i = 0; i < s->given_count; i++)
        replica_read_end(s->given[i]);
    leave(s);
    begin_next(s->session);
    api_session_let_go(s->session);
}

const struct handler api_handler_fetch = {
    .key = 1,
    .on = WIRE_ON_BROKER,
    .state_size = sizeof(struct fetch),
    .begin = begin,
    .hurry = hurry,
    .drop = drop,
};
