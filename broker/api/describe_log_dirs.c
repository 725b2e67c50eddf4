/* describe_log_dirs.c - 35: what the log directory holds: partitions, and how many bytes of each
 * (KIP-113). Of the volume that it is on it says nothing (-1). */
#include "api/internal.h"

struct asked {
    struct request *r;
    struct wire_describe_log_dirs_response_result *dir;
};

static void add_partition(struct asked *a, struct wire_describe_log_dirs_response_topic *out,
                          const struct metadata_topic *topic, int32_t number)
{
    struct replica *replica = NULL;
    if (api_request_find(a->r, topic, number, WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION, &replica) !=
            WIRE_ERROR_NONE ||
        !replica_is_open(replica))
        return;
    out->partitions[out->partitions_count++] = (struct wire_describe_log_dirs_response_partition){
        .partition_index = number,
        .partition_size = replica_bytes(replica),
        .offset_lag = replica_lag(replica),
    };
}

/* One that has none of those partitions here is not told. */
static void keep_topic(struct asked *a, const struct wire_describe_log_dirs_response_topic *topic)
{
    if (topic->partitions_count > 0)
        a->dir->topics[a->dir->topics_count++] = *topic;
}

static bool make_room(struct asked *a, struct wire_describe_log_dirs_response_topic *out,
                      struct wire_string name, int32_t count)
{
    *out = (struct wire_describe_log_dirs_response_topic){.name = name};
    out->partitions = api_request_alloc(a->r, (size_t)count, sizeof *out->partitions);
    return out->partitions != NULL;
}

/* ---- all ---- */

static bool describe_all(struct asked *a)
{
    const struct metadata_image *image = quorum_current(a->r->api->quorum);
    a->dir->topics = api_request_alloc(a->r, (size_t)image->topic_count, sizeof *a->dir->topics);
    bool good = a->dir->topics != NULL;
    for (int32_t i = 0; i < image->topic_count && good; i++) {
        const struct metadata_topic *topic = metadata_topic_at(image, i);
        struct wire_describe_log_dirs_response_topic out;
        good = make_room(a, &out, wire_text(topic->name), topic->partition_count);
        for (int32_t p = 0; p < topic->partition_count && good; p++)
            add_partition(a, &out, topic, p);
        if (good)
            keep_topic(a, &out);
    }
    return good;
}

/* ---- some: each topic and each partition once, however often they are asked for ---- */

static bool describe_places(struct asked *a, const struct api_places *places)
{
    const struct metadata_image *image = quorum_current(a->r->api->quorum);
    size_t count = (size_t)places->topic_count;
    const struct metadata_topic **topics = api_request_alloc(a->r, count, sizeof *topics);
    struct wire_describe_log_dirs_response_topic *outs =
        api_request_alloc(a->r, count, sizeof *outs);
    if (topics == NULL || outs == NULL)
        return false;
    for (int32_t t = 0; t < places->topic_count; t++) {
        const struct api_place *asked = &places->topics[t];
        struct wire_string name = {.data = (const char *)asked->topic.data,
                                   .size = (int32_t)asked->topic.size};
        topics[t] = metadata_find(image, asked->topic);
        if (!make_room(a, &outs[t], name, asked->partition_count))
            return false;
    }
    for (int32_t i = 0; i < places->count; i++) {
        const struct api_place *asked = &places->items[i];
        add_partition(a, &outs[asked->topic_index], topics[asked->topic_index], asked->number);
    }
    for (int32_t t = 0; t < places->topic_count; t++)
        keep_topic(a, &outs[t]);
    return true;
}

static bool describe_some(struct asked *a)
{
    const struct wire_describe_log_dirs_request *in = a->r->body;
    struct api_places places;
    int32_t count = 0;
    for (int32_t i = 0; i < in->topics_count; i++)
        count += MAX(in->topics[i].partitions_count, 0);
    a->dir->topics = api_request_alloc(a->r, (size_t)in->topics_count, sizeof *a->dir->topics);
    if (a->dir->topics == NULL ||
        api_places_begin(&places, a->r, in->topics_count, count) != ERR_NONE)
        return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        const struct wire_describe_log_dirs_request_topic *topic = &in->topics[i];
        api_places_topic(&places, bytes_of(topic->topic.data, (size_t)MAX(topic->topic.size, 0)));
        for (int32_t p = 0; p < topic->partitions_count; p++)
            api_places_partition(&places, topic->partitions[p], NULL);
    }
    bool good = describe_places(a, &places);
    api_places_end(&places);
    return good;
}

static void begin(struct request *r)
{
    const struct wire_describe_log_dirs_request *in = r->body;
    struct wire_describe_log_dirs_response body;
    struct wire_describe_log_dirs_response_result dir = {
        .log_dir = wire_text(r->api->settings.log_dir), .total_bytes = -1, .usable_bytes = -1};
    struct asked a = {.r = r, .dir = &dir};
    wire_defaults(&wire_describe_log_dirs_response_message, &body);
    if (!api_may_cluster(r, API_DESCRIBE)) {
        body.error_code = WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
        api_request_answer(r, &body);
        return;
    }
    if (!(in->topics_count < 0 ? describe_all(&a) : describe_some(&a))) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    body.results = &dir;
    body.results_count = 1;
    api_request_answer(r, &body);
}

const struct handler api_handler_describe_log_dirs = {
    .key = 35,
    .state_size = sizeof(struct request),
    .begin = begin,
};
