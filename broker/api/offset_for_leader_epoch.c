/* offset_for_leader_epoch.c - 23: where a leader epoch ended, so that who read in it can tell
 * whether its log was cut (KIP-320). */
#include "api/internal.h"

#define LOOKS_MAX 32 /* under way at once, for one request */

struct item {
    struct replica_epoch_end op;
    struct ends *owner;
    struct wire_offset_for_leader_epoch_response_partition *out;
    struct replica *replica; /* held; NULL: there is none to ask */
};

struct ends {
    struct request request;
    struct wire_offset_for_leader_epoch_response body;
    struct item *items;
    int32_t item_count;
};

static void on_found(struct replica_epoch_end *op)
{
    struct item *item = CONTAINER_OF(op, struct item, op);
    item->out->error_code = op->code;
    item->out->leader_epoch = op->found;
    item->out->end_offset = op->end;
    api_join_release(&item->owner->request);
}

static void post(struct request *r, int32_t index)
{
    struct item *item = &CONTAINER_OF(r, struct ends, request)->items[index];
    if (item->replica == NULL)
        return;
    api_join_hold(r);
    replica_epoch_end(item->replica, &item->op, on_found);
}

static void finish(struct request *r)
{
    api_request_answer(r, &CONTAINER_OF(r, struct ends, request)->body);
}

static void prepare_item(struct ends *s, const struct metadata_topic *topic, int16_t unknown,
                         const struct wire_offset_for_leader_epoch_request_partition *in,
                         struct wire_offset_for_leader_epoch_response_partition *out)
{
    struct item *item = &s->items[s->item_count++];
    *item = (struct item){.owner = s, .out = out};
    item->op.epoch = in->leader_epoch;
    item->op.current_epoch = MAX(in->current_leader_epoch, -1);
    *out = (struct wire_offset_for_leader_epoch_response_partition){
        .partition = in->partition, .leader_epoch = -1, .end_offset = -1};
    out->error_code = api_request_find(&s->request, topic, in->partition, unknown, &item->replica);
    if (item->replica != NULL)
        replica_hold(item->replica);
}

static bool prepare_topic(struct ends *s,
                          const struct wire_offset_for_leader_epoch_request_topic *in,
                          struct wire_offset_for_leader_epoch_response_topic *out)
{
    struct request *r = &s->request;
    int32_t count = MAX(in->partitions_count, 0);
    int16_t unknown;
    /* Brokers asked first, and consumers may since KIP-320. */
    bool broker = api_may_cluster(r, API_CLUSTER_ACTION);
    const struct metadata_topic *topic =
        api_request_topic_named(r, broker ? API_CLUSTER_ACTION : API_DESCRIBE,
                                bytes_of(in->topic.data, (size_t)MAX(in->topic.size, 0)), &unknown);
    *out = (struct wire_offset_for_leader_epoch_response_topic){.topic = in->topic};
    out->partitions = api_request_alloc(r, (size_t)count, sizeof *out->partitions);
    if (out->partitions == NULL)
        return false;
    for (; out->partitions_count < count; out->partitions_count++)
        prepare_item(s, topic, unknown, &in->partitions[out->partitions_count],
                     &out->partitions[out->partitions_count]);
    return true;
}

static bool prepare(struct ends *s)
{
    struct request *r = &s->request;
    const struct wire_offset_for_leader_epoch_request *in = r->body;
    int32_t topic_count = MAX(in->topics_count, 0);
    int32_t count = 0;
    wire_defaults(&wire_offset_for_leader_epoch_response_message, &s->body);
    for (int32_t i = 0; i < topic_count; i++)
        count += MAX(in->topics[i].partitions_count, 0);
    s->items = api_request_alloc(r, (size_t)count, sizeof *s->items);
    s->body.topics = api_request_alloc(r, (size_t)topic_count, sizeof *s->body.topics);
    bool good = s->items != NULL && s->body.topics != NULL;
    for (int32_t i = 0; i < topic_count && good; i++)
        good = prepare_topic(s, &in->topics[i], &s->body.topics[s->body.topics_count++]);
    return good;
}

static void begin(struct request *r)
{
    struct ends *s = CONTAINER_OF(r, struct ends, request);
    if (!prepare(s)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    api_join(r, &(struct join){.count = s->item_count,
                               .window_max = LOOKS_MAX,
                               .step_max = API_PARTITIONS_PER_STEP,
                               .post = post,
                               .done = finish});
}

static void drop(struct request *r)
{
    struct ends *s = CONTAINER_OF(r, struct ends, request);
    for (int32_t i = 0; i < s->item_count; i++)
        replica_let_go(s->items[i].replica);
}

const struct handler api_handler_offset_for_leader_epoch = {
    .key = 23,
    .state_size = sizeof(struct ends),
    .begin = begin,
    .drop = drop,
};
