/* offset_for_leader_epoch.c - 23: where a leader epoch ended, so that who read in it can tell
 * whether its log was cut (KIP-320). */
#include "api/internal.h"

static void fill(struct request *r, const struct metadata_topic *topic, int16_t unknown,
                 const struct wire_offset_for_leader_epoch_request_partition *in,
                 struct wire_offset_for_leader_epoch_response_partition *out)
{
    struct replica *replica = NULL;
    *out = (struct wire_offset_for_leader_epoch_response_partition){
        .partition = in->partition, .leader_epoch = -1, .end_offset = -1};
    out->error_code = api_request_find(r, topic, in->partition, unknown, &replica);
    if (replica != NULL)
        out->error_code = replica_epoch_end(replica, MAX(in->current_leader_epoch, -1),
                                            in->leader_epoch, &out->leader_epoch, &out->end_offset);
}

static bool fill_topic(struct request *r,
                       const struct wire_offset_for_leader_epoch_request_topic *in,
                       struct wire_offset_for_leader_epoch_response_topic *out)
{
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
        fill(r, topic, unknown, &in->partitions[out->partitions_count],
             &out->partitions[out->partitions_count]);
    return true;
}

static void begin(struct request *r)
{
    const struct wire_offset_for_leader_epoch_request *in = r->body;
    struct wire_offset_for_leader_epoch_response body;
    wire_defaults(&wire_offset_for_leader_epoch_response_message, &body);
    int32_t count = MAX(in->topics_count, 0);
    body.topics = api_request_alloc(r, (size_t)count, sizeof *body.topics);
    bool good = body.topics != NULL;
    for (int32_t i = 0; i < count && good; i++)
        good = fill_topic(r, &in->topics[i], &body.topics[body.topics_count++]);
    if (good)
        api_request_answer(r, &body);
    else
        api_request_break(r, ERR_NOMEM);
}

const struct handler api_handler_offset_for_leader_epoch = {
    .key = 23,
    .state_size = sizeof(struct request),
    .begin = begin,
};
