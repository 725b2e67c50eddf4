/* delete_records.c - 21: partitions begin later, and what stood before is gone; answered when that
 * is durable here, and the replicas that live begin there, too. */
#include "api/internal.h"

#define TRIMS_MAX 32 /* under way at once, for one request */

struct item {
    struct replica_trim op;
    struct delete_records *owner;
    struct wire_delete_records_response_partition *out;
    struct replica *replica;
};

struct delete_records {
    struct request request;
    struct wire_delete_records_response body;
    struct item *items;
    int32_t item_count, posted_count;
    struct env_timer deadline; /* when a follower is waited for */
    int64_t deadline_ns;
    bool late; /* no follower is waited for any more */
};

static void on_trimmed(struct replica_trim *op)
{
    struct item *item = CONTAINER_OF(op, struct item, op);
    item->out->error_code = op->code;
    item->out->low_watermark = op->low_watermark;
    api_join_release(&item->owner->request);
}

static void on_waits(struct replica_trim *op)
{
    struct delete_records *s = CONTAINER_OF(op, struct item, op)->owner;
    if (!env_armed(&s->deadline))
        env_arm(s->request.api->env, &s->deadline, s->deadline_ns);
}

static void post(struct request *r, int32_t index)
{
    struct delete_records *s = CONTAINER_OF(r, struct delete_records, request);
    struct item *item = &s->items[index];
    s->posted_count = index + 1;
    if (item->replica == NULL)
        return;
    api_join_hold(r);
    api_join_hold(r); /* it may end at once */
    replica_trim(item->replica, &item->op, on_trimmed);
    if (s->late)
        replica_trim_cancel(&item->op, WIRE_ERROR_REQUEST_TIMED_OUT);
    api_join_release(r);
}

static void finish(struct request *r)
{
    struct delete_records *s = CONTAINER_OF(r, struct delete_records, request);
    env_disarm(r->api->env, &s->deadline);
    api_request_answer(r, &s->body);
}

/* The last of them ends the request. */
static void wait_no_longer(struct delete_records *s)
{
    struct request *r = &s->request;
    s->late = true;
    if (s->posted_count == 0)
        return;
    api_join_hold(r);
    for (int32_t i = 0; i < s->posted_count; i++) {
        if (s->items[i].replica != NULL)
            replica_trim_cancel(&s->items[i].op, WIRE_ERROR_REQUEST_TIMED_OUT);
    }
    api_join_release(r);
}

static void on_deadline(struct env_timer *timer)
{
    wait_no_longer(CONTAINER_OF(timer, struct delete_records, deadline));
}

static void hurry(struct request *r)
{
    wait_no_longer(CONTAINER_OF(r, struct delete_records, request));
}

static bool prepare_topic(struct delete_records *s,
                          const struct wire_delete_records_request_topic *in,
                          struct wire_delete_records_response_topic *out)
{
    struct request *r = &s->request;
    int32_t count = MAX(in->partitions_count, 0);
    int16_t unknown;
    const struct metadata_topic *topic = api_request_topic_named(
        r, API_DELETE, bytes_of(in->name.data, (size_t)MAX(in->name.size, 0)), &unknown);
    *out = (struct wire_delete_records_response_topic){.name = in->name};
    out->partitions = api_request_alloc(r, (size_t)count, sizeof *out->partitions);
    if (out->partitions == NULL)
        return false;
    for (; out->partitions_count < count; out->partitions_count++) {
        const struct wire_delete_records_request_partition *asked =
            &in->partitions[out->partitions_count];
        struct item *item = &s->items[s->item_count++];
        item->owner = s;
        item->out = &out->partitions[out->partitions_count];
        item->op.offset = asked->offset;
        item->op.waits = on_waits;
        *item->out = (struct wire_delete_records_response_partition){
            .partition_index = asked->partition_index, .low_watermark = -1};
        item->out->error_code =
            api_request_find(r, topic, asked->partition_index, unknown, &item->replica);
        if (item->replica != NULL)
            replica_hold(item->replica);
    }
    return true;
}

static bool prepare(struct delete_records *s)
{
    const struct wire_delete_records_request *in = s->request.body;
    int32_t topic_count = MAX(in->topics_count, 0);
    int32_t count = 0;
    wire_defaults(&wire_delete_records_response_message, &s->body);
    for (int32_t i = 0; i < topic_count; i++)
        count += MAX(in->topics[i].partitions_count, 0);
    s->items = api_request_alloc(&s->request, (size_t)count, sizeof *s->items);
    s->body.topics = api_request_alloc(&s->request, (size_t)topic_count, sizeof *s->body.topics);
    bool good = s->items != NULL && s->body.topics != NULL;
    for (int32_t i = 0; i < topic_count && good; i++) {
        if (in->topics[i].partitions_count > 0) /* Kafka answers partitions */
            good = prepare_topic(s, &in->topics[i], &s->body.topics[s->body.topics_count++]);
    }
    return good;
}

static void begin(struct request *r)
{
    struct delete_records *s = CONTAINER_OF(r, struct delete_records, request);
    if (!prepare(s)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    const struct wire_delete_records_request *in = r->body;
    s->deadline.fire = on_deadline;
    s->deadline_ns = api_request_deadline(r, in->timeout_ms);
    api_join(r, &(struct join){.count = s->item_count,
                               .window_max = TRIMS_MAX,
                               .step_max = API_PARTITIONS_PER_STEP,
                               .post = post,
                               .done = finish});
}

static void drop(struct request *r)
{
    struct delete_records *s = CONTAINER_OF(r, struct delete_records, request);
    env_disarm(r->api->env, &s->deadline);
    for (int32_t i = 0; i < s->item_count; i++)
        replica_let_go(s->items[i].replica);
}

const struct handler api_handler_delete_records = {
    .key = 21,
    .state_size = sizeof(struct delete_records),
    .begin = begin,
    .hurry = hurry,
    .drop = drop,
};
