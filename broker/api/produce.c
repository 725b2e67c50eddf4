/* produce.c - 0: records into partitions. One operation a partition, one answer when all of them
 * have ended. A request for many partitions yields between them, and those that its connection has
 * sent after it wait until it has posted all: they must reach a partition in the order in which
 * they came. */
#include "api/internal.h"
#include <stdio.h>

#define TOPIC_IDS_SINCE 13 /* KIP-516 */
/* timeout.ms bounds the wait for other replicas; the broker's own disk, which Kafka does not wait
 * for, gets at least so long. */
#define DISK_WAIT_MS 1000

struct item {
    struct replica_produce op;
    struct produce *owner;
    struct wire_produce_response_partition *out;
    struct replica *replica;
};

struct produce {
    struct request request;
    struct wire_produce_response body;
    struct item *items;
    int32_t item_count;
    bool failed;          /* some partition refused */
    int16_t refused_with; /* the whole request; 0: it is not */
    struct env_timer deadline;
    bool expired;
    struct list turn;        /* in api->producing: has not posted all yet */
    bool waits;              /* has not posted anything, for an earlier one has not posted all */
    const struct conn *from; /* tells connections apart, also when it is gone */
};

/* Who asked for no answer can be told of a failure only by the end of the connection. */
static void break_silent(struct produce *s)
{
    char sentence[ERRMSG_SIZE] = "";
    for (int32_t i = 0; i < s->item_count && sentence[0] == 0; i++) {
        const struct wire_produce_response_partition *out = s->items[i].out;
        if (out->error_code != WIRE_ERROR_NONE)
            snprintf(sentence, sizeof sentence,
                     "records for partition %d with acks=0 were refused: %s (%s)", (int)out->index,
                     wire_error_name(out->error_code), wire_error_text(out->error_code));
    }
    api_request_refuse(&s->request, ERR_INVALID, sentence);
}

#define LEADERS_SINCE 10 /* KIP-951 */

static const struct metadata_topic *topic_of(const struct request *r,
                                             const struct wire_produce_response_topic *row)
{
    const struct metadata_image *image = quorum_current(r->api->quorum);
    if (api_request_version(r) >= TOPIC_IDS_SINCE)
        return metadata_find_id(image, &row->topic_id);
    return metadata_find(image, bytes_of(row->name.data, (size_t)MAX(row->name.size, 0)));
}

static void tell_nodes(struct produce *s, struct api_leaders *leaders)
{
    size_t count = (size_t)leaders->count;
    s->body.node_endpoints = api_request_alloc(&s->request, count, sizeof *s->body.node_endpoints);
    const struct api_broker *broker;
    while (s->body.node_endpoints != NULL && (broker = api_leaders_next(leaders)) != NULL)
        s->body.node_endpoints[s->body.node_endpoints_count++] =
            (struct wire_produce_response_node){.node_id = broker->id,
                                                .host = broker->host,
                                                .port = broker->port,
                                                .rack = broker->rack};
}

/* Of partitions that another broker leads, who does, and where that is. */
static void tell_leaders(struct produce *s)
{
    struct api_leaders leaders = {.request = &s->request};
    int32_t self = quorum_node_id(s->request.api->quorum);
    for (int32_t t = 0; t < s->body.responses_count; t++) {
        const struct wire_produce_response_topic *row = &s->body.responses[t];
        const struct metadata_topic *topic = topic_of(&s->request, row);
        for (int32_t i = 0; i < row->partition_responses_count; i++) {
            struct wire_produce_response_partition *out = &row->partition_responses[i];
            int32_t id, epoch;
            if (!api_leaders_add(&leaders, topic, out->index, out->error_code, &id, &epoch) ||
                id < 0 || id == self)
                continue;
            out->current_leader.leader_id = id;
            out->current_leader.leader_epoch = epoch;
        }
    }
    tell_nodes(s, &leaders);
}

static void finish(struct request *r)
{
    struct produce *s = CONTAINER_OF(r, struct produce, request);
    const struct wire_produce_request *in = r->body;
    env_disarm(r->api->env, &s->deadline);
    if (s->failed && in->acks != 0 && api_request_version(r) >= LEADERS_SINCE)
        tell_leaders(s);
    if (in->acks != 0)
        api_request_answer(r, &s->body);
    else if (s->failed)
        break_silent(s);
    else
        api_request_silent(r);
}

/* A copy that lives as long as the request; the null string without memory for it. */
static struct wire_string keep_text(struct request *r, const char *text)
{
    size_t size = text != NULL ? strlen(text) : 0;
    char *copy = text != NULL ? api_request_alloc(r, size + 1, 1) : NULL;
    if (copy == NULL)
        return WIRE_NULL_STRING;
    memcpy(copy, text, size);
    return (struct wire_string){.data = copy, .size = (int32_t)size};
}

/* Kafka's sentence for a timestamp (LogValidator.validateTimestamp), without the bounds, which are
 * the topic's configuration. */
static struct wire_string record_error_text(struct request *r, const struct log_record_error *e,
                                            const char *reason)
{
    struct errmsg text;
    if (!e->timestamp)
        return keep_text(r, reason);
    errmsg_set(&text, ERR_NONE, "Timestamp %lld of message with offset %d is out of range",
               (long long)e->timestamp_ms, e->index);
    return keep_text(r, text.text);
}

/* Why it was refused, and for which records (KIP-467). */
static void tell_reason(struct produce *s, struct item *item)
{
    struct request *r = &s->request;
    const struct log_produce *log = &item->op.log;
    item->out->error_message = keep_text(r, item->op.reason);
    size_t count = (size_t)log->error_count;
    item->out->record_errors = api_request_alloc(r, count, sizeof *item->out->record_errors);
    if (item->out->record_errors == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        item->out->record_errors[i].batch_index = log->errors[i].index;
        item->out->record_errors[i].batch_index_error_message =
            record_error_text(r, &log->errors[i], item->op.reason);
    }
    item->out->record_errors_count = (int32_t)count;
}

static void on_produced(struct replica_produce *op)
{
    struct item *item = CONTAINER_OF(op, struct item, op);
    struct produce *s = item->owner;
    item->out->error_code = api_request_ended(&s->request, op->code);
    item->out->log_start_offset = op->log_start;
    s->failed |= op->code != WIRE_ERROR_NONE;
    if (op->code == WIRE_ERROR_NONE) {
        item->out->base_offset = op->first_offset;
        item->out->log_append_time_ms = op->timestamp_ms;
    } else {
        tell_reason(s, item);
    }
    api_join_release(&s->request);
}

static void on_deadline(struct env_timer *timer)
{
    struct produce *s = CONTAINER_OF(timer, struct produce, deadline);
    s->expired = true;
    if (s->waits)
        return;
    api_join_hold(&s->request);
    for (int32_t i = 0; i < s->item_count; i++)
        replica_produce_cancel(&s->items[i].op, WIRE_ERROR_REQUEST_TIMED_OUT);
    api_join_release(&s->request);
}

/* The records as a writable part of the frame: offsets are assigned in place. */
static struct slice records_slice(const struct request *r, struct wire_bytes records)
{
    if (records.size <= 0)
        return (struct slice){.buf = NULL};
    size_t at = (size_t)(records.data - r->frame.data);
    ASSERT(at + (size_t)records.size <= r->frame.size);
    return (struct slice){
        .buf = r->frame.buf, .data = r->frame.data + at, .size = (uint32_t)records.size};
}

#define ZSTD_SINCE 7 /* KIP-110 */

/* What a request may carry at all: one batch of the present format
 * (ProduceRequest.validateRecords), and less than another behind it, which is passed over. What is
 * wrong inside of it is the log's to refuse. 0, or a code and why. */
static int16_t check_records(const struct request *r, struct wire_bytes records, int32_t *size,
                             const char **why)
{
    struct wire_batch batch, second;
    struct bytes in = bytes_of(records.data, (size_t)MAX(records.size, 0));
    switch (wire_batch_sent(in, 0, &batch)) {
    case WIRE_SENT_NONE:
        *why = "a partition's records must be one whole batch";
        return WIRE_ERROR_INVALID_RECORD;
    case WIRE_SENT_CORRUPT:
        *why = "the head of the batch cannot be";
        return WIRE_ERROR_CORRUPT_MESSAGE;
    case WIRE_SENT_OLD:
        *why = "the batch's format is older than magic 2";
        return WIRE_ERROR_INVALID_RECORD;
    case WIRE_SENT_BATCH:
        break;
    }
    *size = batch.size;
    if (wire_batch_codec(&batch) == WIRE_CODEC_ZSTD && api_request_version(r) < ZSTD_SINCE) {
        *why = "zstd needs version 7 of Produce";
        return WIRE_ERROR_UNSUPPORTED_COMPRESSION_TYPE;
    }
    enum wire_sent more = wire_batch_sent(in, (size_t)batch.size, &second);
    *why = "a partition's records must be one batch";
    if (more == WIRE_SENT_CORRUPT)
        return WIRE_ERROR_CORRUPT_MESSAGE;
    return more == WIRE_SENT_NONE ? WIRE_ERROR_NONE : WIRE_ERROR_INVALID_RECORD;
}

static void prepare_item(struct produce *s, struct item *item,
                         const struct wire_produce_request_partition *in,
                         const struct metadata_topic *topic, int16_t unknown)
{
    *item->out = (struct wire_produce_response_partition){
        .index = in->index,
        .base_offset = -1,
        .log_append_time_ms = -1,
        .log_start_offset = -1,
        .error_message = WIRE_NULL_STRING,
        .current_leader = {.leader_id = -1, .leader_epoch = -1},
    };
    item->owner = s;
    list_init(&item->op.link);
    int16_t code = s->refused_with;
    const char *why =
        code == 0 ? NULL : "a transactional batch without a transactional id that may be used";
    struct wire_bytes batch = in->records;
    if (code == WIRE_ERROR_NONE)
        code = api_request_find(&s->request, topic, in->index, unknown, &item->replica);
    if (item->replica != NULL)
        replica_hold(item->replica);
    if (code == WIRE_ERROR_NONE)
        code = check_records(&s->request, in->records, &batch.size, &why);
    item->op.batch = records_slice(&s->request, batch);
    item->out->error_code = code;
    if (code != WIRE_ERROR_NONE)
        item->out->error_message = wire_text(why);
    s->failed |= code != WIRE_ERROR_NONE;
}

/* The answer's row of that topic, with room for its partitions; NULL: no memory. */
static struct wire_produce_response_topic *add_topic(struct produce *s,
                                                     const struct api_place *place)
{
    struct wire_produce_response_topic *out = &s->body.responses[s->body.responses_count++];
    if (api_request_version(&s->request) >= TOPIC_IDS_SINCE)
        memcpy(&out->topic_id, place->topic.data, sizeof out->topic_id);
    else
        out->name = (struct wire_string){.data = (const char *)place->topic.data,
                                         .size = (int32_t)place->topic.size};
    out->partition_responses = api_request_alloc(&s->request, (size_t)place->partition_count,
                                                 sizeof *out->partition_responses);
    return out->partition_responses == NULL ? NULL : out;
}

/* A partition that stands twice in a request is written once, with what was said last, as in a map
 * of Kafka's; a topic has one row, and none without partitions. */
static bool lay_out(struct produce *s, const struct api_places *places)
{
    struct request *r = &s->request;
    size_t topic_count = (size_t)places->topic_count;
    struct wire_produce_response_topic **rows = api_request_alloc(r, topic_count, sizeof *rows);
    s->items = api_request_alloc(r, (size_t)places->count, sizeof *s->items);
    s->body.responses = api_request_alloc(r, topic_count, sizeof *s->body.responses);
    if (rows == NULL || s->items == NULL || s->body.responses == NULL)
        return false;
    for (int32_t i = 0; i < places->count; i++) {
        int32_t t = places->items[i].topic_index;
        if (rows[t] == NULL)
            rows[t] = add_topic(s, &places->topics[t]);
        if (rows[t] == NULL)
            return false;
        int16_t unknown;
        const struct metadata_topic *topic =
            api_request_topic(r, API_WRITE, rows[t]->name, &rows[t]->topic_id, &unknown);
        struct item *item = &s->items[s->item_count++];
        item->out = &rows[t]->partition_responses[rows[t]->partition_responses_count++];
        prepare_item(s, item, places->items[i].row, topic, unknown);
    }
    return true;
}

/* The first batch of a partition tells (RequestUtils.hasTransactionalRecords). */
static bool is_transactional(struct wire_bytes records)
{
    return records.size >= (int32_t)WIRE_BATCH_HEAD && records.data[16] == 2 &&
           (get_u16(records.data + 21) & WIRE_BATCH_TRANSACTIONAL) != 0;
}

/* Transactional records under nobody's id, or one that is another's, are refused with all that came
 * with them (KafkaApis.handleProduceRequest). */
static int16_t check_transactional(const struct request *r)
{
    const struct wire_produce_request *in = r->body;
    struct wire_string id = in->transactional_id;
    if (id.size >= 0 &&
        api_may(r, API_WRITE, API_TRANSACTIONAL_ID, bytes_of(id.data, (size_t)id.size)))
        return WIRE_ERROR_NONE;
    for (int32_t i = 0; i < in->topic_data_count; i++) {
        const struct wire_produce_request_topic *topic = &in->topic_data[i];
        for (int32_t k = 0; k < topic->partition_data_count; k++) {
            if (is_transactional(topic->partition_data[k].records))
                return WIRE_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
        }
    }
    return WIRE_ERROR_NONE;
}

static bool prepare(struct produce *s)
{
    struct request *r = &s->request;
    const struct wire_produce_request *in = r->body;
    bool by_id = api_request_version(r) >= TOPIC_IDS_SINCE;
    struct api_places places;
    wire_defaults(&wire_produce_response_message, &s->body);
    s->refused_with = check_transactional(r);
    int32_t count = 0;
    for (int32_t i = 0; i < in->topic_data_count; i++)
        count += MAX(in->topic_data[i].partition_data_count, 0);
    if (api_places_begin(&places, r, in->topic_data_count, count) != ERR_NONE)
        return false;
    for (int32_t i = 0; i < in->topic_data_count; i++) {
        const struct wire_produce_request_topic *topic = &in->topic_data[i];
        api_places_topic(&places,
                         by_id ? bytes_of(topic->topic_id.b, sizeof topic->topic_id.b)
                               : bytes_of(topic->name.data, (size_t)MAX(topic->name.size, 0)));
        for (int32_t k = 0; k < topic->partition_data_count; k++)
            api_places_partition(&places, topic->partition_data[k].index,
                                 &topic->partition_data[k]);
    }
    bool good = lay_out(s, &places);
    api_places_end(&places);
    return good;
}

/* Of one request; the rest takes its turn behind what others ask for. */
#define PARTITIONS_SOON 32
/* Appended in one event: each is a write, and nobody else is served meanwhile. */
#define PARTITIONS_PER_STEP 128

static void post_one(struct produce *s, int32_t index)
{
    const struct wire_produce_request *in = s->request.body;
    struct item *item = &s->items[index];
    if (item->out->error_code == WIRE_ERROR_NONE && s->expired) {
        item->out->error_code = WIRE_ERROR_REQUEST_TIMED_OUT;
        s->failed = true;
    }
    if (item->out->error_code != WIRE_ERROR_NONE)
        return;
    item->op.acks = in->acks;
    item->op.late = index >= PARTITIONS_SOON;
    api_join_hold(&s->request);
    replica_produce(item->replica, &item->op, on_produced);
}

static void end_turn(struct produce *s);

static void post(struct request *r, int32_t index)
{
    struct produce *s = CONTAINER_OF(r, struct produce, request);
    post_one(s, index);
    if (index == s->item_count - 1)
        end_turn(s);
}

/* What needs one event posts all of it; what needs more keeps its turn until then. It may be gone
 * afterwards. */
static void post_all(struct produce *s)
{
    ASSERT(!list_linked(&s->turn));
    s->waits = false;
    if (s->item_count > PARTITIONS_PER_STEP)
        list_push_back(&s->request.api->producing, &s->turn);
    api_join(&s->request, &(struct join){.count = s->item_count,
                                         .window_max = INT32_MAX,
                                         .step_max = PARTITIONS_PER_STEP,
                                         .post = post,
                                         .done = finish});
}

/* The first of that connection that has not posted all; waiting: that has posted nothing. */
static struct produce *find_turn(struct api *api, const struct conn *from, bool waiting)
{
    LIST_EACH (s, &api->producing, struct produce, turn) {
        if (s->from == from && (s->waits || !waiting))
            return s;
    }
    return NULL;
}

/* The next ones of its connection, up to one that needs more than one event too. */
static void end_turn(struct produce *s)
{
    if (!list_linked(&s->turn))
        return;
    struct api *api = s->request.api;
    const struct conn *from = s->from;
    list_remove(&s->turn);
    struct produce *next;
    bool whole = true;
    while (whole && (next = find_turn(api, from, true)) != NULL) {
        whole = next->item_count <= PARTITIONS_PER_STEP;
        list_remove(&next->turn);
        post_all(next);
    }
}

static void begin(struct request *r)
{
    struct produce *s = CONTAINER_OF(r, struct produce, request);
    const struct wire_produce_request *in = r->body;
    list_init(&s->turn);
    s->from = r->conn;
    if (!prepare(s)) {
        api_request_break(r, ERR_NOMEM);
        return;
    }
    if (in->acks == -1) {
        s->deadline.fire = on_deadline;
        env_arm(r->api->env, &s->deadline,
                api_request_deadline(r, MAX(in->timeout_ms, DISK_WAIT_MS)));
    }
    s->waits = find_turn(r->api, s->from, false) != NULL;
    if (s->waits)
        list_push_back(&r->api->producing, &s->turn);
    else
        post_all(s);
}

static void drop(struct request *r)
{
    struct produce *s = CONTAINER_OF(r, struct produce, request);
    ASSERT(s->turn.next == NULL || !list_linked(&s->turn));
    env_disarm(r->api->env, &s->deadline);
    for (int32_t i = 0; i < s->item_count; i++)
        replica_let_go(s->items[i].replica);
}

const struct handler api_handler_produce = {
    .key = 0,
    .state_size = sizeof(struct produce),
    .begin = begin,
    .drop = drop,
};
