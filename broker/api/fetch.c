/* fetch.c - 1: records out of partitions. Ranges of files go from the page cache to the socket;
 * what is asked for and not there yet is waited for. Sessions (KIP-227) are not kept: every answer
 * says that there is none, and clients then name all partitions each time. */
#include "api/internal.h"

/* A partition's records take the bytes before them and at most this many parts. */
#define PARTS_PER_PARTITION (1 + COUNT_OF(((struct log_read *)0)->parts))
#define PARTS_MAX (CONN_PARTS_MAX - 3 - PARTS_PER_PARTITION)

#define TOPIC_IDS_SINCE 13   /* KIP-516 */
#define LEADER_HINT_SINCE 16 /* KIP-951 */

enum phase {
    PHASE_READING,  /* one partition after the other: what is there */
    PHASE_WAITING,  /* that was too little */
    PHASE_ANSWERED, /* nothing wakes it any more */
};

struct item {
    struct replica_fetch fetch; /* zeroed: there is no replica to ask */
    struct fetch *owner;
    const struct wire_fetch_request_partition *in;
    struct wire_fetch_response_partition *out;
};

struct fetch {
    struct request request;
    struct wire_fetch_response body;
    struct item *items;
    int32_t item_count;
    enum phase phase;
    struct env_timer deadline;
    bool expired, failed, again; /* it reads for the second time */
    bool known;                  /* at least one of the partitions is */
    bool rest;                   /* there is more than was read: waiting would not bring it */
    int32_t bytes_min, bytes_max;
    int64_t bytes;  /* read */
    uint64_t since; /* bytes that came since, or while it read */
    int32_t part_count;
};

/* ---- reading ---- */

static void note_code(struct item *item)
{
    const struct replica_fetch *f = &item->fetch;
    item->out->error_code = api_request_ended(&item->owner->request, f->code);
    item->owner->failed |= f->code != WIRE_ERROR_NONE || f->diverging_end >= 0;
}

static void count(struct item *item)
{
    struct fetch *s = item->owner;
    const struct replica_fetch *f = &item->fetch;
    s->rest |= f->some;
    if (f->read == NULL || f->read->bytes == 0)
        return;
    s->bytes += f->read->bytes;
    s->part_count += 1 + f->read->part_count;
}

static void on_fetched(struct replica_fetch *f)
{
    struct item *item = CONTAINER_OF(f, struct item, fetch);
    note_code(item);
    count(item);
    api_join_release(&item->owner->request);
}

/* A partition from which there is no room left is looked at. */
static void post(struct request *r, int32_t index)
{
    struct fetch *s = CONTAINER_OF(r, struct fetch, request);
    struct item *item = &s->items[index];
    struct replica_fetch *f = &item->fetch;
    int64_t left = s->bytes_max - s->bytes;
    if (f->replica == NULL)
        return;
    if (s->again && !f->some) {
        count(item);
        return;
    }
    f->at_least_one = s->bytes == 0;
    f->bytes_max = 0;
    if (s->part_count <= PARTS_MAX)
        f->bytes_max = (int32_t)MIN(MAX(left, 0), MAX(item->in->partition_max_bytes, 0));
    api_join_hold(r);
    replica_fetch(f);
}

/* ---- waiting ---- */

static void go_on(struct fetch *s);

static void on_woken(struct replica_fetch *f, uint64_t bytes)
{
    struct item *item = CONTAINER_OF(f, struct item, fetch);
    struct fetch *s = item->owner;
    s->since += bytes;
    if (s->phase != PHASE_WAITING)
        return;
    note_code(item);
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

static bool is_unknown(int16_t code)
{
    return code == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION || code == WIRE_ERROR_UNKNOWN_TOPIC_ID ||
           code == WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
}

static void fill(struct fetch *s, struct item *item)
{
    const struct wire_fetch_request *in = s->request.body;
    struct wire_fetch_response_partition *out = item->out;
    out->records = (struct wire_bytes){.size = 0};
    bool unknown = is_unknown(out->error_code);
    out->aborted_transactions_count = in->isolation_level == 0 && !unknown ? -1 : 0;
    const struct replica_fetch *f = &item->fetch;
    if (f->replica == NULL || out->error_code != WIRE_ERROR_NONE)
        return;
    out->high_watermark = f->high_watermark;
    out->last_stable_offset = f->last_stable_offset;
    out->log_start_offset = f->log_start;
    out->diverging_epoch = (struct wire_fetch_response_epoch_end){.epoch = f->diverging_epoch,
                                                                  .end_offset = f->diverging_end};
    if (f->read != NULL && f->diverging_end < 0)
        out->records.size = (int32_t)f->read->bytes;
}

/* The encoded bytes with the ranges of files in their gaps. */
static bool lay_out(struct fetch *s)
{
    struct request *r = &s->request;
    int32_t max = s->part_count + 2;
    struct env_part *parts = api_request_alloc(r, (size_t)max, sizeof *parts);
    if (parts == NULL)
        return false;
    int32_t count = 0;
    int32_t gap = 0;
    size_t at = 0;
    for (int32_t i = 0; i < s->item_count; i++) {
        if (s->items[i].out->records.size <= 0)
            continue;
        ASSERT(gap < r->out.gap_count);
        size_t upto = r->out.gaps[gap++].offset;
        parts[count++] = (struct env_part){.data = r->out.data + at, .size = upto - at};
        at = upto;
        const struct log_read *log = s->items[i].fetch.read;
        for (int32_t k = 0; k < log->part_count; k++)
            parts[count++] = log->parts[k];
    }
    ASSERT(gap == r->out.gap_count);
    if (r->out.size > at)
        parts[count++] = (struct env_part){.data = r->out.data + at, .size = r->out.size - at};
    ASSERT(count <= max);
    r->answer.parts = parts;
    r->answer.part_count = count;
    return true;
}

static void answer(struct fetch *s)
{
    struct request *r = &s->request;
    s->phase = PHASE_ANSWERED; /* it may be on its way for long: what comes is for the next one */
    env_disarm(r->api->env, &s->deadline);
    for (int32_t i = 0; i < s->item_count; i++)
        fill(s, &s->items[i]);
    if (!api_request_encode(r, &s->body))
        return;
    if (lay_out(s))
        api_request_send(r);
    else
        api_request_break(r, ERR_NOMEM);
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
    return s->again || s->failed || s->rest || s->request.conn == NULL;
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
        read_all(s);
    }
}

/* ---- the request ---- */

/* Since version 15 the asker's id stands in the replica state; the other is then -1. */
static bool from_replica(const struct wire_fetch_request *in)
{
    return in->replica_id >= 0 || in->replica_state.replica_id >= 0;
}

/* No partition has a follower: who says that it is one has not heard of the assignment yet. */
static int16_t refuse_replica(struct item *item)
{
    replica_fetch_end(&item->fetch);
    return item->in->current_leader_epoch >= 0 ? WIRE_ERROR_UNKNOWN_LEADER_EPOCH
                                               : WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
}

/* Whom else to ask, since version 16 (KIP-951). */
static void hint_leader(struct item *item, const struct metadata_topic *topic)
{
    const struct metadata_partition *p = metadata_partition(topic, item->in->partition);
    bool moved = item->out->error_code == WIRE_ERROR_NOT_LEADER_OR_FOLLOWER ||
                 item->out->error_code == WIRE_ERROR_FENCED_LEADER_EPOCH;
    if (moved && api_request_version(&item->owner->request) >= LEADER_HINT_SINCE)
        item->out->current_leader = (struct wire_fetch_response_leader){
            .leader_id = p->leader, .leader_epoch = p->leader_epoch};
}

static void prepare_item(struct fetch *s, struct item *item, const struct metadata_topic *topic,
                         int16_t unknown)
{
    const struct wire_fetch_request *asked = s->request.body;
    const struct wire_fetch_request_partition *in = item->in;
    *item->out = (struct wire_fetch_response_partition){
        .partition_index = in->partition,
        .high_watermark = -1,
        .last_stable_offset = -1,
        .log_start_offset = -1,
        .diverging_epoch = {.epoch = -1, .end_offset = -1},
        .current_leader = {.leader_id = -1, .leader_epoch = -1},
        .snapshot_id = {.end_offset = -1, .epoch = -1},
        .preferred_read_replica = -1,
    };
    item->owner = s;
    struct replica *replica = NULL;
    int16_t code = api_request_find(&s->request, topic, in->partition, unknown, &replica);
    if (replica != NULL) {
        replica_fetch_init(&item->fetch, replica);
        item->fetch.offset = in->fetch_offset;
        item->fetch.leader_epoch = MAX(in->current_leader_epoch, -1);
        item->fetch.isolation = asked->isolation_level;
        item->fetch.last_epoch = in->last_fetched_epoch;
        item->fetch.done = on_fetched;
        item->fetch.woken = on_woken;
    }
    if (code == WIRE_ERROR_NONE && from_replica(s->request.body))
        code = refuse_replica(item);
    item->out->error_code = code;
    if (topic != NULL && code == WIRE_ERROR_NOT_LEADER_OR_FOLLOWER)
        hint_leader(item, topic);
    s->known |= !is_unknown(code);
    s->failed |= code != WIRE_ERROR_NONE && !is_unknown(code);
}

static bool by_id(const struct fetch *s)
{
    return api_request_version(&s->request) >= TOPIC_IDS_SINCE;
}

/* The next row of the answer: partitions of one topic that follow each other, from
 * places->items[at] on. Returns behind the last of them; -1: no memory. */
static int32_t prepare_row(struct fetch *s, const struct api_places *places, int32_t at)
{
    struct request *r = &s->request;
    struct wire_fetch_response_topic *out = &s->body.responses[s->body.responses_count++];
    const struct api_place *first = &places->items[at];
    int32_t end = at;
    while (end < places->count && places->items[end].topic_index == first->topic_index)
        end++;
    if (by_id(s))
        memcpy(&out->topic_id, first->topic.data, sizeof out->topic_id);
    else
        out->topic = (struct wire_string){.data = (const char *)first->topic.data,
                                          .size = (int32_t)first->topic.size};
    int16_t unknown;
    enum api_operation operation = from_replica(r->body) ? API_CLUSTER_ACTION : API_READ;
    const struct metadata_topic *topic =
        api_request_topic(r, operation, out->topic, &out->topic_id, &unknown);
    out->partitions = api_request_alloc(r, (size_t)(end - at), sizeof *out->partitions);
    if (out->partitions == NULL)
        return -1;
    for (; at < end; at++) {
        struct item *item = &s->items[s->item_count++];
        item->in = places->items[at].row;
        item->out = &out->partitions[out->partitions_count++];
        prepare_item(s, item, topic, unknown);
    }
    return end;
}

static void name_places(const struct fetch *s, struct api_places *places)
{
    const struct wire_fetch_request *in = s->request.body;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct wire_fetch_request_topic *topic = &in->topics[i];
        api_places_topic(places,
                         by_id(s) ? bytes_of(topic->topic_id.b, sizeof topic->topic_id.b)
                                  : bytes_of(topic->topic.data, (size_t)MAX(topic->topic.size, 0)));
        for (int32_t k = 0; k < topic->partitions_count; k++)
            api_places_partition(places, topic->partitions[k].partition, &topic->partitions[k]);
    }
}

static bool prepare(struct fetch *s)
{
    struct request *r = &s->request;
    const struct wire_fetch_request *in = r->body;
    struct api_places places;
    int32_t count = 0;
    for (int32_t i = 0; i < in->topics_count; i++)
        count += MAX(in->topics[i].partitions_count, 0);
    s->items = api_request_alloc(r, (size_t)count, sizeof *s->items);
    s->body.responses = api_request_alloc(r, (size_t)count, sizeof *s->body.responses);
    if (s->items == NULL || s->body.responses == NULL ||
        api_places_begin(&places, r, in->topics_count, count) != ERR_NONE)
        return false;
    name_places(s, &places);
    int32_t at = 0;
    while (at >= 0 && at < places.count)
        at = prepare_row(s, &places, at);
    api_places_end(&places);
    return at >= 0;
}

/* A full fetch begins a session (0) or wants none (-1); every other epoch goes on with one. */
static bool goes_on_with_session(const struct wire_fetch_request *in)
{
    return in->session_epoch != 0 && in->session_epoch != -1;
}

static void begin(struct request *r)
{
    struct fetch *s = CONTAINER_OF(r, struct fetch, request);
    const struct wire_fetch_request *in = r->body;
    wire_defaults(&wire_fetch_response_message, &s->body);
    if (goes_on_with_session(in)) {
        s->body.error_code = WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND;
        api_request_answer(r, &s->body);
        return;
    }
    s->bytes_max = (int32_t)MIN(in->max_bytes, r->api->settings.fetch_bytes_max);
    /* More than an answer may hold would be waited for in vain. */
    s->bytes_min = MAX(MIN(in->min_bytes, s->bytes_max), 1);
    if (!prepare(s)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    /* Nothing is asked for that exists: nothing will come. Else the rest is waited for, or a
     * consumer with one deleted topic among many would ask without a pause. */
    s->expired = in->max_wait_ms <= 0 || in->min_bytes <= 0 || !s->known;
    if (!s->expired) {
        s->deadline.fire = on_deadline;
        env_arm(r->api->env, &s->deadline, api_request_deadline(r, in->max_wait_ms));
    }
    read_all(s);
}

static void hurry(struct request *r)
{
    struct fetch *s = CONTAINER_OF(r, struct fetch, request);
    s->expired = true;
    if (s->phase == PHASE_WAITING)
        go_on(s);
}

static void drop(struct request *r)
{
    struct fetch *s = CONTAINER_OF(r, struct fetch, request);
    env_disarm(r->api->env, &s->deadline);
    for (int32_t i = 0; i < s->item_count; i++)
        replica_fetch_end(&s->items[i].fetch);
}

const struct handler api_handler_fetch = {
    .key = 1,
    .state_size = sizeof(struct fetch),
    .begin = begin,
    .hurry = hurry,
    .drop = drop,
};
