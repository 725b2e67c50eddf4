/* describe_log_dirs.c - 35: what the log directory holds: partitions, and how many bytes of each
 * (KIP-113). Of the volume that it is on it says nothing (-1). */
#include "api/internal.h"

#define NOT_HERE (-1) /* a size, until it is answered */

struct asked {
    struct request request;
    struct wire_describe_log_dirs_response body;
    struct wire_describe_log_dirs_response_result dir;
    bool failed; /* no memory */
};

struct row {
    struct api_look look;
    struct wire_describe_log_dirs_response_partition *out;
};

static void on_looked(struct api_look *look)
{
    struct row *row = CONTAINER_OF(look, struct row, look);
    row->out->partition_size = look->is.serves ? look->is.bytes : NOT_HERE;
    row->out->offset_lag = look->is.lag;
}

/* A topic of the answer, with room for so many partitions. False: no memory. */
static bool add_topic(struct asked *a, struct wire_string name, int32_t count, struct row **rows)
{
    struct wire_describe_log_dirs_response_topic *out = &a->dir.topics[a->dir.topics_count++];
    *out = (struct wire_describe_log_dirs_response_topic){.name = name};
    out->partitions = api_request_alloc(&a->request, (size_t)count, sizeof *out->partitions);
    *rows = api_request_alloc(&a->request, (size_t)count, sizeof **rows);
    return out->partitions != NULL && *rows != NULL;
}

static void add_partition(struct asked *a, struct wire_describe_log_dirs_response_topic *out,
                          struct row *rows, const struct metadata_topic *topic, int32_t number)
{
    struct row *row = &rows[out->partitions_count];
    row->out = &out->partitions[out->partitions_count++];
    row->out->partition_index = number;
    api_look(&a->request, &row->look, topic, number, on_looked);
}

/* What is not here is not told, nor a topic of which nothing is. */
static void keep_what_is_here(struct wire_describe_log_dirs_response_result *dir)
{
    int32_t topics = 0;
    for (int32_t t = 0; t < dir->topics_count; t++) {
        struct wire_describe_log_dirs_response_topic topic = dir->topics[t];
        int32_t partitions = 0;
        for (int32_t p = 0; p < topic.partitions_count; p++) {
            if (topic.partitions[p].partition_size != NOT_HERE)
                topic.partitions[partitions++] = topic.partitions[p];
        }
        topic.partitions_count = partitions;
        if (partitions > 0)
            dir->topics[topics++] = topic;
    }
    dir->topics_count = topics;
}

/* ---- all ---- */

static bool describe_all(struct asked *a)
{
    const struct metadata_image *image = quorum_current(a->request.api->quorum);
    a->dir.topics =
        api_request_alloc(&a->request, (size_t)image->topic_count, sizeof *a->dir.topics);
    bool good = a->dir.topics != NULL;
    for (int32_t i = 0; i < image->topic_count && good; i++) {
        const struct metadata_topic *topic = metadata_topic_at(image, i);
        struct row *rows;
        good = add_topic(a, wire_text(topic->name), topic->partition_count, &rows);
        for (int32_t p = 0; p < topic->partition_count && good; p++)
            add_partition(a, &a->dir.topics[i], rows, topic, p);
    }
    return good;
}

/* ---- some: each topic and each partition once, however often they are asked for ---- */

static bool describe_places(struct asked *a, const struct api_places *places)
{
    const struct metadata_image *image = quorum_current(a->request.api->quorum);
    size_t count = (size_t)places->topic_count;
    const struct metadata_topic **topics = api_request_alloc(&a->request, count, sizeof *topics);
    struct row **rows = api_request_alloc(&a->request, count, sizeof *rows);
    if (topics == NULL || rows == NULL)
        return false;
    for (int32_t t = 0; t < places->topic_count; t++) {
        const struct api_place *asked = &places->topics[t];
        struct wire_string name = {.data = (const char *)asked->topic.data,
                                   .size = (int32_t)asked->topic.size};
        topics[t] = metadata_find(image, asked->topic);
        if (!add_topic(a, name, asked->partition_count, &rows[t]))
            return false;
    }
    for (int32_t i = 0; i < places->count; i++) {
        const struct api_place *asked = &places->items[i];
        int32_t t = asked->topic_index;
        add_partition(a, &a->dir.topics[t], rows[t], topics[t], asked->number);
    }
    return true;
}

static bool describe_some(struct asked *a)
{
    const struct wire_describe_log_dirs_request *in = a->request.body;
    struct api_places places;
    int32_t count = 0;
    for (int32_t i = 0; i < in->topics_count; i++)
        count += MAX(in->topics[i].partitions_count, 0);
    a->dir.topics = api_request_alloc(&a->request, (size_t)in->topics_count, sizeof *a->dir.topics);
    if (a->dir.topics == NULL ||
        api_places_begin(&places, &a->request, in->topics_count, count) != ERR_NONE)
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

static void finish(struct request *r)
{
    struct asked *a = CONTAINER_OF(r, struct asked, request);
    keep_what_is_here(&a->dir);
    if (a->failed)
        api_request_break(r, ERR_NOMEM);
    else
        api_request_answer(r, &a->body);
}

static void begin(struct request *r)
{
    const struct wire_describe_log_dirs_request *in = r->body;
    struct asked *a = CONTAINER_OF(r, struct asked, request);
    wire_defaults(&wire_describe_log_dirs_response_message, &a->body);
    if (!api_may_cluster(r, API_DESCRIBE)) {
        a->body.error_code = WIRE_ERROR_CLUSTER_AUTHORIZATION_FAILED;
        api_request_answer(r, &a->body);
        return;
    }
    a->dir = (struct wire_describe_log_dirs_response_result){
        .log_dir = wire_text(r->api->settings.log_dir), .total_bytes = -1, .usable_bytes = -1};
    a->body.results = &a->dir;
    a->body.results_count = 1;
    api_join_open(r, finish);
    a->failed = !(in->topics_count < 0 ? describe_all(a) : describe_some(a));
    api_join_release(r);
}

const struct handler api_handler_describe_log_dirs = {
    .key = 35,
    .state_size = sizeof(struct asked),
    .begin = begin,
};
