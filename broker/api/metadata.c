/* metadata.c - 3: brokers, topics, partitions and who leads them. A topic that is asked for by name
 * and is not there may be created on the way, as in Kafka. */
#include "api/internal.h"

#define TOPIC_IDS_SINCE                                                                            \
    12 /* ids in a request; versions 10 and 11 have the field, but no use of it */

#define AUTO_CREATE_MAX 100 /* topics of one request; who asks for more asks again */

struct metadata_state {
    struct request request;
    const struct metadata_image *image;
    struct controller_create_topics create;
    struct quorum_request submitted;
    struct api_made made; /* by the controller */
    int32_t node_id;
    struct api_brokers brokers;
    int32_t *asked; /* rows of the request that are answered, each topic once; NULL: all topics */
    int32_t *shown; /* those of the image that he may see; NULL: all of them */
    struct wire_metadata_response body;
    int32_t topic_index, partition_index; /* the next to describe */
    struct row *rows;                     /* of the topic's partitions */
    bool failed;                          /* no memory */
};

/* A partition of the answer. */
struct row {
    struct api_look look;
    struct wire_metadata_response_partition *out;
    int32_t node_id; /* of this broker */
    int32_t offline; /* where no other is */
};

#define LISTENERS_SINCE 6 /* LISTENER_NOT_FOUND */

static bool all_topics(const struct request *r)
{
    const struct wire_metadata_request *in = r->body;
    return in->topics_count < 0 || (in->topics_count == 0 && api_request_version(r) == 0);
}

bool api_is_internal(const struct metadata_topic *topic)
{
    struct bytes name = bytes_text(topic->name);
    return bytes_equal(name, bytes_text("__consumer_offsets")) ||
           bytes_equal(name, bytes_text("__transaction_state"));
}

static struct bytes string_bytes(struct wire_string s)
{
    return bytes_of(s.data, s.size < 0 ? 0 : (size_t)s.size);
}

/* ---- what the answer says ---- */

/* A partition that this broker leads and cannot serve has no leader as far as clients are
 * concerned. */
static void on_looked(struct api_look *look)
{
    struct row *row = CONTAINER_OF(look, struct row, look);
    struct wire_metadata_response_partition *out = row->out;
    if (look->is.serves)
        return;
    out->error_code = WIRE_ERROR_LEADER_NOT_AVAILABLE;
    out->leader_id = -1;
    out->offline_replicas[out->offline_replicas_count++] = row->node_id;
}

/* False: no memory. */
static bool describe_partition(struct metadata_state *s, const struct metadata_topic *topic,
                               int32_t number, struct wire_metadata_response_partition *out)
{
    int version = api_request_version(&s->request);
    const struct metadata_partition *partition = metadata_partition(topic, number);
    const struct api_told told = {.alive_only = version == 0,
                                  .listeners = version >= LISTENERS_SINCE};
    struct row *row = &s->rows[number];
    struct api_partition is;
    if (!api_partition_take(&s->request, &s->brokers, partition, &told, &is))
        return false;
    *out = (struct wire_metadata_response_partition){
        .error_code = is.code,
        .partition_index = number,
        .leader_id = is.leader,
        .leader_epoch = partition->leader_epoch,
        .replica_nodes_count = is.replicas.count,
        .replica_nodes = (int32_t *)is.replicas.ids,
        .isr_nodes_count = is.isr.count,
        .isr_nodes = (int32_t *)is.isr.ids,
        .offline_replicas = is.offline == NULL ? &row->offline : is.offline,
        .offline_replicas_count = is.offline_count,
    };
    row->out = out;
    row->node_id = s->node_id;
    if (is.leader == s->node_id)
        api_look(&s->request, &row->look, topic, number, on_looked);
    return true;
}

/* Who may make topics by asking for them. */
static bool may_create(const struct request *r, struct bytes name)
{
    return api_may_cluster(r, API_CREATE) || api_may(r, API_CREATE, API_TOPIC, name);
}

static bool creates(const struct request *r)
{
    const struct wire_metadata_request *in = r->body;
    return r->api->settings.auto_create_topics && in->allow_auto_topic_creation && !all_topics(r);
}

static int16_t code_of_missing(const struct metadata_state *s, struct wire_string name)
{
    if (creates(&s->request) && !may_create(&s->request, string_bytes(name)))
        return WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    for (int32_t i = 0; i < s->create.topic_count; i++) {
        if (!bytes_equal(s->create.topics[i].name, string_bytes(name)))
            continue;
        int16_t code = s->create.topics[i].code;
        if (code != WIRE_ERROR_NONE && code != WIRE_ERROR_TOPIC_ALREADY_EXISTS)
            return code;
        return WIRE_ERROR_LEADER_NOT_AVAILABLE;
    }
    return metadata_topic_name_check(string_bytes(name), NULL) != ERR_NONE
               ? WIRE_ERROR_INVALID_TOPIC_EXCEPTION
               : WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

static bool by_id(const struct wire_metadata_request_topic *asked)
{
    static const struct wire_uuid zero;
    return !wire_uuid_equal(&asked->topic_id, &zero);
}

/* Of a topic whose name he may not know the answer says nothing but what he said himself. */
static const struct metadata_topic *find_asked(const struct metadata_state *s,
                                               const struct wire_metadata_request_topic *asked,
                                               struct wire_metadata_response_topic *out)
{
    const struct request *r = &s->request;
    const struct metadata_topic *topic;
    bool named = !by_id(asked);
    if (named) {
        out->name = asked->name.size < 0 ? wire_text("") : asked->name;
        topic = metadata_find(s->image, string_bytes(out->name));
    } else {
        out->topic_id = asked->topic_id;
        out->name = WIRE_NULL_STRING;
        out->error_code = WIRE_ERROR_UNKNOWN_TOPIC_ID;
        topic = metadata_find_id(s->image, &out->topic_id);
    }
    if (!named && topic == NULL)
        return NULL;
    struct bytes name = named ? string_bytes(out->name) : bytes_text(topic->name);
    if (!api_may(r, API_DESCRIBE, API_TOPIC, name)) {
        out->error_code = WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
        return NULL;
    }
    if (topic == NULL)
        out->error_code = code_of_missing(s, out->name);
    return topic;
}

/* The topic that the answer's i-th row is about; NULL: there is none, and out says so. */
static const struct metadata_topic *find_topic(const struct metadata_state *s, int32_t i,
                                               struct wire_metadata_response_topic *out)
{
    const struct wire_metadata_request *in = s->request.body;
    *out = (struct wire_metadata_response_topic){.topic_authorized_operations = INT32_MIN};
    const struct metadata_topic *topic =
        s->asked != NULL ? find_asked(s, &in->topics[s->asked[i]], out)
                         : metadata_topic_at(s->image, s->shown == NULL ? i : s->shown[i]);
    if (topic != NULL) {
        out->error_code = WIRE_ERROR_NONE;
        out->name = wire_text(topic->name);
        out->topic_id = topic->id;
        out->is_internal = api_is_internal(topic);
    }
    bool refused = out->error_code == WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
    if (in->include_topic_authorized_operations && out->name.size >= 0 && !refused)
        out->topic_authorized_operations =
            api_operations(&s->request, API_TOPIC, string_bytes(out->name));
    return topic;
}

static void resume(struct env_timer *yield);

/* Describes on; false: out of memory. *left: how much this event may still do. */
static bool describe_topic(struct metadata_state *s, int32_t *left)
{
    struct wire_metadata_response_topic *out = &s->body.topics[s->topic_index];
    struct wire_metadata_response_topic fresh;
    const struct metadata_topic *topic = find_topic(s, s->topic_index, &fresh);
    if (s->partition_index == 0) {
        *out = fresh;
        *left -= 1;
    }
    if (topic != NULL && s->partition_index == 0) {
        size_t count = (size_t)topic->partition_count;
        out->partitions = api_request_alloc(&s->request, count, sizeof *out->partitions);
        s->rows = api_request_alloc(&s->request, count, sizeof *s->rows);
        if (out->partitions == NULL || s->rows == NULL)
            return false;
    }
    int32_t count = topic == NULL ? 0 : topic->partition_count;
    for (; s->partition_index < count; *left -= 1) {
        if (*left <= 0)
            return true;
        if (!describe_partition(s, topic, s->partition_index, &out->partitions[s->partition_index]))
            return false;
        out->partitions_count = ++s->partition_index;
    }
    s->partition_index = 0;
    s->topic_index++;
    return true;
}

/* All partitions have been looked at. */
static void finish(struct request *r)
{
    struct metadata_state *s = CONTAINER_OF(r, struct metadata_state, request);
    if (s->failed)
        api_request_break(r, ERR_NOMEM);
    else
        api_request_answer(r, &s->body);
}

static void describe(struct metadata_state *s)
{
    int32_t left = API_PARTITIONS_PER_STEP;
    while (s->topic_index < s->body.topics_count && !s->failed) {
        if (left <= 0) {
            api_request_yield(&s->request, resume);
            return;
        }
        s->failed = !describe_topic(s, &left);
    }
    api_join_release(&s->request);
}

static void resume(struct env_timer *yield)
{
    struct request *r = CONTAINER_OF(yield, struct request, yield);
    describe(CONTAINER_OF(r, struct metadata_state, request));
}

/* What a row of the request means: a topic's name, or an id that nobody has, or none that he may
 * know the name of. */
static struct bytes meaning(const struct metadata_state *s,
                            const struct wire_metadata_request_topic *asked)
{
    if (!by_id(asked))
        return string_bytes(asked->name);
    const struct metadata_topic *topic = metadata_find_id(s->image, &asked->topic_id);
    bool known =
        topic != NULL && api_may(&s->request, API_DESCRIBE, API_TOPIC, bytes_text(topic->name));
    return known ? bytes_text(topic->name) : bytes_of(asked->topic_id.b, sizeof asked->topic_id.b);
}

/* Who asks for all topics is told of those that he may see. False: no memory. */
static bool choose_all(struct metadata_state *s)
{
    int32_t count = s->image->topic_count;
    s->body.topics_count = count;
    if (s->request.api->settings.access == NULL)
        return true;
    s->body.topics_count = 0;
    s->shown = api_request_alloc(&s->request, (size_t)count, sizeof *s->shown);
    for (int32_t i = 0; i < count && s->shown != NULL; i++) {
        struct bytes name = bytes_text(metadata_topic_at(s->image, i)->name);
        if (api_may(&s->request, API_DESCRIBE, API_TOPIC, name))
            s->shown[s->body.topics_count++] = i;
    }
    return s->shown != NULL;
}

/* A topic that is asked for twice is answered once. False: no memory. */
static bool choose_topics(struct metadata_state *s)
{
    const struct wire_metadata_request *in = s->request.body;
    struct api_places places;
    if (all_topics(&s->request))
        return choose_all(s);
    s->body.topics_count = 0;
    s->asked = api_request_alloc(&s->request, (size_t)in->topics_count, sizeof *s->asked);
    if (s->asked == NULL || api_places_begin(&places, &s->request, in->topics_count, 0) != ERR_NONE)
        return false;
    for (int32_t i = 0; i < in->topics_count; i++) {
        int32_t before = places.topic_count;
        api_places_topic(&places, meaning(s, &in->topics[i]));
        if (places.topic_count > before)
            s->asked[s->body.topics_count++] = i;
    }
    api_places_end(&places);
    return true;
}

/* Those that clients can reach. False: no memory. */
static bool take_brokers(struct metadata_state *s)
{
    struct request *r = &s->request;
    if (api_brokers_take(r, s->image, &s->brokers) != ERR_NONE)
        return false;
    s->body.brokers = api_request_alloc(r, (size_t)s->brokers.count, sizeof *s->body.brokers);
    if (s->body.brokers == NULL)
        return false;
    for (int32_t i = 0; i < s->brokers.count; i++) {
        const struct api_broker *broker = &s->brokers.rows[i];
        if (!api_broker_is_alive(broker))
            continue;
        s->body.brokers[s->body.brokers_count++] = (struct wire_metadata_response_broker){
            .node_id = broker->id,
            .host = broker->host,
            .port = broker->port,
            .rack = broker->rack,
        };
    }
    s->body.controller_id = api_brokers_controller(r, &s->brokers);
    return true;
}

static void answer(struct metadata_state *s)
{
    struct request *r = &s->request;
    const struct wire_metadata_request *in = r->body;
    s->image = quorum_current(r->api->quorum);
    metadata_image_retain(s->image);
    s->node_id = quorum_node_id(r->api->quorum);
    wire_defaults(&wire_metadata_response_message, &s->body);
    if (take_brokers(s) && choose_topics(s))
        s->body.topics = api_request_alloc(r, (size_t)s->body.topics_count, sizeof *s->body.topics);
    if (s->body.topics == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    s->body.cluster_id = wire_text(r->api->settings.cluster_id);
    if (in->include_cluster_authorized_operations)
        s->body.cluster_authorized_operations = api_cluster_operations(r);
    api_join_open(r, finish);
    describe(s);
}

/* ---- topics made on first use ---- */

static void on_created(struct quorum_request *submitted)
{
    answer(CONTAINER_OF(submitted, struct metadata_state, submitted));
}

static void on_made(struct request *r)
{
    answer(CONTAINER_OF(r, struct metadata_state, request));
}

static bool collected(const struct metadata_state *s, struct bytes name)
{
    for (int32_t i = 0; i < s->create.topic_count; i++) {
        if (bytes_equal(s->create.topics[i].name, name))
            return true;
    }
    return false;
}

/* Names that may become topics. */
static bool collect_missing(struct metadata_state *s)
{
    const struct wire_metadata_request *in = s->request.body;
    const struct metadata_image *image = quorum_current(s->request.api->quorum);
    int32_t max = MIN(MAX(in->topics_count, 0), AUTO_CREATE_MAX);
    controller_create_topics_init(&s->create);
    s->create.topics = api_request_alloc(&s->request, (size_t)max, sizeof *s->create.topics);
    if (s->create.topics == NULL)
        return false;
    for (int32_t i = 0; i < in->topics_count && s->create.topic_count < max; i++) {
        struct bytes name = string_bytes(in->topics[i].name);
        if (by_id(&in->topics[i]) || metadata_topic_name_check(name, NULL) != ERR_NONE)
            continue;
        if (metadata_find(image, name) != NULL || collected(s, name))
            continue;
        if (!api_may(&s->request, API_DESCRIBE, API_TOPIC, name) || !may_create(&s->request, name))
            continue;
        s->create.topics[s->create.topic_count++] = (struct controller_new_topic){
            .name = name, .partition_count = -1, .replication_factor = -1};
    }
    return true;
}

/* A topic by id, or without a name, where only names are understood. */
static bool asks_too_early(const struct request *r)
{
    const struct wire_metadata_request *in = r->body;
    for (int32_t i = 0; i < in->topics_count && api_request_version(r) < TOPIC_IDS_SINCE; i++) {
        if (in->topics[i].name.size < 0 || by_id(&in->topics[i]))
            return true;
    }
    return false;
}

/* The same code for every topic, and nothing else. */
static void refuse(struct metadata_state *s, int16_t code)
{
    struct request *r = &s->request;
    const struct wire_metadata_request *in = r->body;
    wire_defaults(&wire_metadata_response_message, &s->body);
    s->body.topics = api_request_alloc(r, (size_t)in->topics_count, sizeof *s->body.topics);
    if (s->body.topics == NULL) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    s->body.topics_count = in->topics_count;
    for (int32_t i = 0; i < in->topics_count; i++)
        s->body.topics[i] = (struct wire_metadata_response_topic){
            .error_code = code,
            .name = in->topics[i].name.size < 0 ? wire_text("") : in->topics[i].name,
            .topic_id = in->topics[i].topic_id,
            .topic_authorized_operations = INT32_MIN,
        };
    api_request_answer(r, &s->body);
}

static void begin(struct request *r)
{
    struct metadata_state *s = CONTAINER_OF(r, struct metadata_state, request);
    if (asks_too_early(r)) {
        refuse(s, WIRE_ERROR_INVALID_REQUEST);
        return;
    }
    if (creates(r) && !collect_missing(s)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    if (s->create.topic_count == 0)
        answer(s);
    else if (api_forwards(r))
        api_make_topics(r, &s->made, &s->create, on_made);
    else
        quorum_submit(r->api->quorum, &s->submitted, &s->create.command, QUORUM_APPLIED,
                      on_created);
}

static void hurry(struct request *r)
{
    api_make_topics_hurry(&CONTAINER_OF(r, struct metadata_state, request)->made);
}

static void drop(struct request *r)
{
    struct metadata_state *s = CONTAINER_OF(r, struct metadata_state, request);
    api_make_topics_drop(&s->made);
    metadata_image_release(s->image);
}

const struct handler api_handler_metadata = {
    .key = 3,
    .state_size = sizeof(struct metadata_state),
    .begin = begin,
    .hurry = hurry,
    .drop = drop,
};
