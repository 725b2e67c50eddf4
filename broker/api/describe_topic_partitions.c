/* describe_topic_partitions.c - 75: topics and their partitions in the order of the topics' names,
 * so many at once, and where to go on (KIP-966). */
#include "api/internal.h"

#define PARTITIONS_MAX 2000 /* max.request.partition.size.limit */

struct page {
    struct request request;
    struct wire_describe_topic_partitions_response body;
    struct wire_describe_topic_partitions_request_cursor next; /* of the body's next_cursor */
    int32_t left;  /* partitions that may still be told */
    int32_t first; /* partition of the topic that comes next */
    int32_t node_id;
    const struct metadata_image *image;
    struct api_brokers brokers;
    bool failed; /* no memory */
};

struct row {
    struct api_look look;
    struct wire_describe_topic_partitions_response_partition *out;
    int32_t node_id; /* of this broker */
    int32_t offline; /* where no other is */
};

static struct bytes bytes_from(struct wire_string s)
{
    return bytes_of(s.data, (size_t)MAX(s.size, 0));
}

static const struct wire_describe_topic_partitions_request_cursor *
cursor_of(const struct request *r)
{
    const struct wire_describe_topic_partitions_request *in = r->body;
    return in->cursor_count > 0 ? in->cursor : NULL;
}

/* ---- one topic ---- */

static void on_looked(struct api_look *look)
{
    struct row *row = CONTAINER_OF(look, struct row, look);
    struct wire_describe_topic_partitions_response_partition *out = row->out;
    if (look->is.serves)
        return;
    out->error_code = WIRE_ERROR_LEADER_NOT_AVAILABLE;
    out->leader_id = -1;
    out->offline_replicas[out->offline_replicas_count++] = row->node_id;
}

static void take_elr(const struct metadata_partition *partition,
                     struct wire_describe_topic_partitions_response_partition *out)
{
    struct metadata_ids elr = metadata_ids(partition, METADATA_ELR);
    struct metadata_ids last_known = metadata_ids(partition, METADATA_LAST_KNOWN_ELR);
    out->eligible_leader_replicas = (int32_t *)elr.ids;
    out->eligible_leader_replicas_count = elr.count;
    out->last_known_elr = (int32_t *)last_known.ids;
    out->last_known_elr_count = last_known.count;
}

/* False: no memory. */
static bool describe_partition(struct page *p, const struct metadata_topic *topic, int32_t number,
                               struct row *row,
                               struct wire_describe_topic_partitions_response_partition *out)
{
    const struct metadata_partition *partition = metadata_partition(topic, number);
    const struct api_told told = {.listeners = true};
    struct api_partition is;
    if (!api_partition_take(&p->request, &p->brokers, partition, &told, &is))
        return false;
    *out = (struct wire_describe_topic_partitions_response_partition){
        .error_code = is.code,
        .partition_index = number,
        .leader_id = is.leader,
        .leader_epoch = partition->leader_epoch,
        .replica_nodes = (int32_t *)is.replicas.ids,
        .replica_nodes_count = is.replicas.count,
        .isr_nodes = (int32_t *)is.isr.ids,
        .isr_nodes_count = is.isr.count,
        .offline_replicas = is.offline == NULL ? &row->offline : is.offline,
        .offline_replicas_count = is.offline_count,
    };
    take_elr(partition, out);
    row->out = out;
    row->node_id = p->node_id;
    if (is.leader == p->node_id)
        api_look(&p->request, &row->look, topic, number, on_looked);
    return true;
}

static void go_on_at(struct page *p, struct bytes topic, int32_t partition)
{
    p->next = (struct wire_describe_topic_partitions_request_cursor){
        .topic_name = {.data = (const char *)topic.data, .size = (int32_t)topic.size},
        .partition_index = partition};
    p->body.next_cursor = &p->next;
    p->body.next_cursor_count = 1;
}

static struct wire_describe_topic_partitions_response_topic *add_topic(struct page *p,
                                                                       struct bytes name)
{
    struct wire_describe_topic_partitions_response_topic *out =
        &p->body.topics[p->body.topics_count++];
    *out = (struct wire_describe_topic_partitions_response_topic){
        .name = {.data = (const char *)name.data, .size = (int32_t)name.size},
        .topic_authorized_operations = api_operations(&p->request, API_TOPIC, name)};
    return out;
}

static bool describe_found(struct page *p, const struct metadata_topic *topic, int32_t first)
{
    struct wire_describe_topic_partitions_response_topic *out =
        add_topic(p, bytes_text(topic->name));
    int32_t count = MIN(MAX(topic->partition_count - first, 0), p->left);
    out->topic_id = topic->id;
    out->is_internal = api_is_internal(topic);
    out->partitions = api_request_alloc(&p->request, (size_t)count, sizeof *out->partitions);
    struct row *rows = api_request_alloc(&p->request, (size_t)count, sizeof *rows);
    bool good = out->partitions != NULL && rows != NULL;
    for (int32_t i = 0; i < count && good; i++)
        good = describe_partition(p, topic, first + i, &rows[i],
                                  &out->partitions[out->partitions_count++]);
    p->left -= count;
    if (first + count < topic->partition_count)
        go_on_at(p, bytes_text(topic->name), first + count);
    return good;
}

/* The next topic, unless the page is full. False: no memory. */
static bool describe(struct page *p, struct bytes name, const struct metadata_topic *topic)
{
    int32_t first = p->first;
    p->first = 0;
    if (p->body.next_cursor_count > 0 || !api_may(&p->request, API_DESCRIBE, API_TOPIC, name))
        return true;
    if (p->left == 0) {
        go_on_at(p, name, first);
        return true;
    }
    if (topic != NULL)
        return describe_found(p, topic, first);
    bool named = metadata_topic_name_check(name, NULL) == ERR_NONE;
    add_topic(p, name)->error_code =
        named ? WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION : WIRE_ERROR_INVALID_TOPIC_EXCEPTION;
    return true;
}

/* ---- which ---- */

static bool describe_all(struct page *p)
{
    const struct metadata_image *image = p->image;
    const struct wire_describe_topic_partitions_request_cursor *cursor = cursor_of(&p->request);
    int32_t at =
        cursor == NULL ? 0 : metadata_map_rank(&image->names, bytes_from(cursor->topic_name));
    int32_t count = MAX(image->topic_count - at, 0);
    /* No more topics than partitions, and one of which the cursor is at the end. */
    p->body.topics =
        api_request_alloc(&p->request, (size_t)MIN(count, p->left + 1), sizeof *p->body.topics);
    bool good = p->body.topics != NULL;
    for (int32_t i = 0; i < count && good && p->body.next_cursor_count <= 0; i++) {
        const struct metadata_topic *topic = metadata_topic_at(image, at + i);
        struct bytes name = bytes_text(topic->name);
        if (i == 0 && cursor != NULL && bytes_equal(name, bytes_from(cursor->topic_name)))
            p->first = cursor->partition_index;
        good = describe(p, name, topic);
    }
    return good;
}

/* Those whose names their asker may not know: behind the others, and all of them at once. */
static void refuse_hidden(struct page *p, const struct bytes *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((i > 0 && bytes_equal(names[i], names[i - 1])) ||
            api_may(&p->request, API_DESCRIBE, API_TOPIC, names[i]))
            continue;
        struct wire_describe_topic_partitions_response_topic *out = add_topic(p, names[i]);
        out->error_code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
        out->topic_authorized_operations = INT32_MIN;
    }
}

static int compare_names(const void *a, const void *b)
{
    return metadata_compare_names(*(const struct bytes *)a, *(const struct bytes *)b);
}

static bool describe_some(struct page *p)
{
    const struct wire_describe_topic_partitions_request *in = p->request.body;
    const struct wire_describe_topic_partitions_request_cursor *cursor = cursor_of(&p->request);
    const struct metadata_image *image = p->image;
    size_t count = (size_t)in->topics_count;
    struct bytes *names = api_request_alloc(&p->request, count, sizeof *names);
    p->body.topics = api_request_alloc(&p->request, count, sizeof *p->body.topics);
    if (names == NULL || p->body.topics == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        names[i] = bytes_from(in->topics[i].name);
    bool good = sort_stable(p->request.mem, names, count, sizeof *names, compare_names) == ERR_NONE;
    for (size_t i = 0; i < count && good; i++) {
        bool twice = i > 0 && bytes_equal(names[i], names[i - 1]);
        int order =
            cursor == NULL ? 1 : metadata_compare_names(names[i], bytes_from(cursor->topic_name));
        if (twice || order < 0)
            continue;
        if (order == 0)
            p->first = cursor->partition_index;
        good = describe(p, names[i], metadata_find(image, names[i]));
    }
    if (good)
        refuse_hidden(p, names, count);
    return good;
}

/* ---- the request ---- */

/* A page goes on within the topics that are asked for. 0, or Kafka's code. */
static int16_t check(const struct request *r)
{
    const struct wire_describe_topic_partitions_request *in = r->body;
    const struct wire_describe_topic_partitions_request_cursor *cursor = cursor_of(r);
    bool found = in->topics_count <= 0;
    if (cursor == NULL)
        return WIRE_ERROR_NONE;
    for (int32_t i = 0; i < in->topics_count; i++)
        found |= wire_string_equal(in->topics[i].name, cursor->topic_name);
    return found && cursor->partition_index >= 0 ? WIRE_ERROR_NONE : WIRE_ERROR_INVALID_REQUEST;
}

static bool refuse(struct page *p, int16_t code)
{
    const struct wire_describe_topic_partitions_request *in = p->request.body;
    int32_t count = MAX(in->topics_count, 0);
    p->body.topics = api_request_alloc(&p->request, (size_t)count, sizeof *p->body.topics);
    for (int32_t i = 0; i < count && p->body.topics != NULL; i++)
        p->body.topics[p->body.topics_count++] =
            (struct wire_describe_topic_partitions_response_topic){.error_code = code,
                                                                   .name = in->topics[i].name,
                                                                   .topic_authorized_operations =
                                                                       INT32_MIN};
    return p->body.topics != NULL;
}

static void finish(struct request *r)
{
    struct page *p = CONTAINER_OF(r, struct page, request);
    if (p->failed)
        api_request_break(r, ERR_NOMEM);
    else
        api_request_answer(r, &p->body);
}

static void begin(struct request *r)
{
    const struct wire_describe_topic_partitions_request *in = r->body;
    struct page *p = CONTAINER_OF(r, struct page, request);
    p->left = MAX(MIN(in->response_partition_limit, PARTITIONS_MAX), 1);
    p->node_id = quorum_node_id(r->api->quorum);
    p->image = quorum_current(r->api->quorum);
    metadata_image_retain(p->image);
    wire_defaults(&wire_describe_topic_partitions_response_message, &p->body);
    api_join_open(r, finish);
    int16_t code = check(r);
    p->failed = api_brokers_take(r, p->image, &p->brokers) != ERR_NONE;
    if (!p->failed)
        p->failed = code != WIRE_ERROR_NONE ? !refuse(p, code)
                    : in->topics_count > 0  ? !describe_some(p)
                                            : !describe_all(p);
    api_join_release(r);
}

static void drop(struct request *r)
{
    metadata_image_release(CONTAINER_OF(r, struct page, request)->image);
}

const struct handler api_handler_describe_topic_partitions = {
    .key = 75,
    .state_size = sizeof(struct page),
    .begin = begin,
    .drop = drop,
};
