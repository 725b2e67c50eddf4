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

static void on_offsets(struct replica_offsets *op)
{
    struct item *item = CONTAINER_OF(op, struct item, op);
    struct list_offsets *s = item->owner;
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
    if (!may_ask(r, item->in->timestamp))
        item->out->error_code = WIRE_ERROR_UNSUPPORTED_VERSION;
    if (item->out->error_code == WIRE_ERROR_NONE)
        item->out->error_code = replica_check(item->replica, item->in->current_leader_epoch);
    /* An offline log still says what it holds. */
    if (item->out->error_code == WIRE_ERROR_KAFKA_STORAGE_ERROR && item->replica != NULL &&
        replica_is_open(item->replica))
        item->out->error_code = WIRE_ERROR_NONE;
    if (item->out->error_code != WIRE_ERROR_NONE)
        return;
    api_join_hold(r);
    item->op.timestamp_ms = item->in->timestamp;
    replica_offsets(item->replica, &item->op, on_offsets);
}

static void finish(struct request *r)
{
    api_request_answer(r, &CONTAINER_OF(r, struct list_offsets, request)->body);
}

static bool prepare_topic(struct list_offsets *s, const struct wire_list_offsets_request_topic *in,
                          struct wire_list_offsets_response_topic *out)
{
    struct request *r = &s->request;
    const struct metadata_topic *topic = metadata_find(
        metadata_current(r->api->metadata), bytes_of(in->name.data, (size_t)in->name.size));
    out->name = in->name;
    out->partitions =
        api_request_alloc(r, (size_t)MAX(in->partitions_count, 0), sizeof *out->partitions);
    if (out->partitions == NULL)
        return false;
    for (int32_t i = 0; i < in->partitions_count; i++) {
        struct item *item = &s->items[s->item_count++];
        struct wire_list_offsets_response_partition *partition =
            &out->partitions[out->partitions_count++];
        *partition = (struct wire_list_offsets_response_partition){
            .partition_index = in->partitions[i].partition_index,
            .timestamp = -1,
            .offset = -1,
            .leader_epoch = -1,
        };
        *item = (struct item){.owner = s, .in = &in->partitions[i], .out = partition};
        partition->error_code =
            api_request_find(r, topic, partition->partition_index,
                             WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION, &item->replica);
    }
    return true;
}

static bool prepare(struct list_offsets *s)
{
    const struct wire_list_offsets_request *in = s->request.body;
    wire_defaults(&wire_list_offsets_response_message, &s->body);
    size_t item_count = 0;
    for (int32_t i = 0; i < in->topics_count; i++)
        item_count += (size_t)MAX(in->topics[i].partitions_count, 0);
    s->items = api_request_alloc(&s->request, item_count, sizeof *s->items);
    s->body.topics =
        api_request_alloc(&s->request, (size_t)MAX(in->topics_count, 0), sizeof *s->body.topics);
    if (s->items == NULL || s->body.topics == NULL)
        return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        if (!prepare_topic(s, &in->topics[i], &s->body.topics[s->body.topics_count++]))
            return false;
    }
    return true;
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

const struct handler api_handler_list_offsets = {
    .key = 2,
    .state_size = sizeof(struct list_offsets),
    .begin = begin,
};
