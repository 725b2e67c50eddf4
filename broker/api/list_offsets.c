/* list_offsets.c - 2: where a partition begins and ends, and where a time stands in it. */
#include "api/internal.h"

#define SEEKS_MAX 32 /* under way at once, for one request */

struct item {
    struct replica_offsets op;
    struct list_offsets *owner;
    const struct wire_list_offsets_request_partition *in;
    struct wire_list_offsets_response_partition *out;
    struct replica *replica;
};

struct list_offsets {
    struct request request;
    struct wire_list_offsets_response body;
    struct item *items;
    int32_t item_count;
};

/* Others may have what stands behind the end that is known here (B-6). */
static bool may_be_old(const struct list_offsets *s, const struct replica_offsets *op)
{
    bool asks_end = op->timestamp_ms == REPLICA_LATEST || op->timestamp_ms == REPLICA_MAX_TIMESTAMP;
    return asks_end && op->code == WIRE_ERROR_NONE && !KNOWN_BUG(old_end_told) &&
           !orders_is_heard(s->request.api->settings.orders);
}

static void on_offsets(struct replica_offsets *op)
{
    struct item *item = CONTAINER_OF(op, struct item, op);
    struct list_offsets *s = item->owner;
    if (may_be_old(s, op)) {
        op->code = WIRE_ERROR_OFFSET_NOT_AVAILABLE;
        op->offset = op->timestamp_found_ms = -1;
    }
    item->out->error_code = op->code;
    item->out->offset = op->offset;
    item->out->timestamp = op->timestamp_found_ms;
    if (api_request_version(&s->request) >= 4)
        item->out->leader_epoch = op->leader_epoch;
    /* Askers older than KIP-207 do not know the code. */
    if (op->code == WIRE_ERROR_OFFSET_NOT_AVAILABLE && api_request_version(&s->request) < 5)
        item->out->error_code = WIRE_ERROR_LEADER_NOT_AVAILABLE;
    api_join_release(&s->request);
}

/* Below 0 a timestamp is a question of its own, and each came with a version. */
static bool may_ask(const struct request *r, int64_t timestamp)
{
    static const int16_t since[] = {
        [-REPLICA_LATEST] = 1,        [-REPLICA_EARLIEST] = 1,
        [-REPLICA_MAX_TIMESTAMP] = 7, [-REPLICA_EARLIEST_LOCAL] = 8,
        [-REPLICA_LATEST_TIERED] = 9, [-REPLICA_EARLIEST_PENDING_UPLOAD] = 11,
    };
    if (timestamp >= 0)
        return true;
    return timestamp > -COUNT_OF(since) && api_request_version(r) >= since[-timestamp];
}

static void post(struct request *r, int32_t index)
{
    struct item *item = &CONTAINER_OF(r, struct list_offsets, request)->items[index];
    const struct wire_list_offsets_request *in = r->body;
    if (!may_ask(r, item->in->timestamp))
        item->out->error_code = WIRE_ERROR_UNSUPPORTED_VERSION;
    if (item->out->error_code != WIRE_ERROR_NONE)
        return;
    api_join_hold(r);
    item->op.timestamp_ms = item->in->timestamp;
    item->op.current_epoch = item->in->current_leader_epoch;
    item->op.mem = r->mem;
    item->op.follows = in->replica_id >= 0 && r->caller.listener->of_brokers;
    replica_offsets(item->replica, &item->op, on_offsets);
}

static void finish(struct request *r)
{
    api_request_answer(r, &CONTAINER_OF(r, struct list_offsets, request)->body);
}

static void prepare_item(struct list_offsets *s, struct item *item, const struct api_place *place,
                         struct wire_list_offsets_response_partition *out)
{
    struct request *r = &s->request;
    int16_t code;
    const struct metadata_topic *topic =
        api_request_topic_named(r, API_DESCRIBE, place->topic, &code);
    *out = (struct wire_list_offsets_response_partition){
        .partition_index = place->number,
        .timestamp = -1,
        .offset = -1,
        .leader_epoch = -1,
    };
    *item = (struct item){.owner = s, .in = place->row, .out = out};
    out->error_code = api_request_find(r, topic, place->number, code, &item->replica);
    if (item->replica != NULL)
        replica_hold(item->replica);
    /* Two questions about one partition have no two places in an answer. */
    if (place->twice && code != WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED)
        out->error_code = WIRE_ERROR_INVALID_REQUEST;
}

/* One row a topic, however often the request names it. */
static bool lay_out(struct list_offsets *s, const struct api_places *places)
{
    struct request *r = &s->request;
    s->items = api_request_alloc(r, (size_t)places->count, sizeof *s->items);
    s->body.topics = api_request_alloc(r, (size_t)places->topic_count, sizeof *s->body.topics);
    int32_t *rows = api_request_alloc(r, (size_t)places->topic_count, sizeof *rows);
    if (s->items == NULL || s->body.topics == NULL || rows == NULL)
        return false;
    for (int32_t i = 0; i < places->topic_count; i++) {
        const struct api_place *place = &places->topics[i];
        size_t count = (size_t)place->partition_count;
        if (count == 0)
            continue;
        rows[i] = s->body.topics_count++;
        struct wire_list_offsets_response_topic *topic = &s->body.topics[rows[i]];
        topic->name = (struct wire_string){.data = (const char *)place->topic.data,
                                           .size = (int32_t)place->topic.size};
        topic->partitions = api_request_alloc(r, count, sizeof *topic->partitions);
        if (topic->partitions == NULL)
            return false;
    }
    for (int32_t i = 0; i < places->count; i++) {
        struct wire_list_offsets_response_topic *topic =
            &s->body.topics[rows[places->items[i].topic_index]];
        prepare_item(s, &s->items[s->item_count++], &places->items[i],
                     &topic->partitions[topic->partitions_count++]);
    }
    return true;
}

static bool prepare(struct list_offsets *s)
{
    const struct wire_list_offsets_request *in = s->request.body;
    struct api_places places;
    wire_defaults(&wire_list_offsets_response_message, &s->body);
    int32_t count = 0;
    for (int32_t i = 0; i < in->topics_count; i++)
        count += MAX(in->topics[i].partitions_count, 0);
    if (api_places_begin(&places, &s->request, in->topics_count, count) != ERR_NONE)
        return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct wire_list_offsets_request_topic *topic = &in->topics[i];
        api_places_topic(&places, bytes_of(topic->name.data, (size_t)topic->name.size));
        for (int32_t k = 0; k < topic->partitions_count; k++)
            api_places_partition(&places, topic->partitions[k].partition_index,
                                 &topic->partitions[k]);
    }
    bool good = lay_out(s, &places);
    api_places_end(&places);
    return good;
}

static void begin(struct request *r)
{
    struct list_offsets *s = CONTAINER_OF(r, struct list_offsets, request);
    if (!prepare(s)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    api_join(r, &(struct join){.count = s->item_count,
                               .window_max = SEEKS_MAX,
                               .step_max = API_PARTITIONS_PER_STEP,
                               .post = post,
                               .done = finish});
}

static void drop(struct request *r)
{
    struct list_offsets *s = CONTAINER_OF(r, struct list_offsets, request);
    for (int32_t i = 0; i < s->item_count; i++)
        replica_let_go(s->items[i].replica);
}

const struct handler api_handler_list_offsets = {
    .key = 2,
    .state_size = sizeof(struct list_offsets),
    .begin = begin,
    .drop = drop,
};
