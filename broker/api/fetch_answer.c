/* fetch_answer.c - what a fetch says of each partition, and what it leaves out because the asker
 * knows it: it takes what was read out of the session, which may go on before the answer has left.
 */
#include "api/fetch.h"
#include "base/sort.h"

#define LEADER_HINT_SINCE 16 /* KIP-951 */

bool api_fetch_by_id(const struct fetch *s)
{
    return api_request_version(&s->request) >= API_TOPIC_ID_SINCE;
}

bool api_fetch_is_unknown(int16_t code)
{
    return code == WIRE_ERROR_UNKNOWN_TOPIC_OR_PARTITION || code == WIRE_ERROR_UNKNOWN_TOPIC_ID ||
           code == WIRE_ERROR_TOPIC_AUTHORIZATION_FAILED;
}

static int16_t code_of(const struct fetch *s, const struct fetch_item *item)
{
    if (item->fetch.replica == NULL)
        return item->refused;
    if (item->lags)
        return WIRE_ERROR_NOT_LEADER_OR_FOLLOWER;
    return api_request_ended(&s->request, item->fetch.code);
}

/* Since version 15 the asker's id stands in the replica state; the other is then -1. */
struct replica_follower api_fetch_follower(const struct wire_fetch_request *in)
{
    const struct wire_fetch_request_replica_state *state = &in->replica_state;
    return (struct replica_follower){.id = MAX(MAX(in->replica_id, state->replica_id), -1),
                                     .epoch = state->replica_epoch,
                                     .log_start = -1,
                                     .durable_end = -1};
}

static bool has_records(const struct fetch_item *item)
{
    const struct replica_fetch *f = &item->fetch;
    return f->read != NULL && f->read->bytes > 0 && f->diverging_end < 0;
}

static int by_order(const void *a, const void *b)
{
    const struct fetch_item *x = *(struct fetch_item *const *)a;
    const struct fetch_item *y = *(struct fetch_item *const *)b;
    return x->order < y->order ? -1 : x->order > y->order;
}

bool api_fetch_collect(struct fetch *s)
{
    int32_t count = 0;
    bool sorted = true;
    uint64_t last = 0;
    LIST_EACH (item, &s->set->pending, struct fetch_item, pending) {
        count++;
        sorted &= item->order > last;
        last = item->order;
    }
    if (count > s->item_count)
        s->items = api_request_alloc(&s->request, (size_t)count, sizeof *s->items);
    if (s->items == NULL && count > 0)
        return false;
    s->item_count = 0;
    LIST_EACH (pending, &s->set->pending, struct fetch_item, pending)
        s->items[s->item_count++] = pending;
    if (sorted)
        return true;
    return sort_stable(s->request.mem, s->items, (size_t)count, sizeof *s->items, by_order) ==
           ERR_NONE;
}

/* ---- rows ---- */

/* The topic of the item before, for those that follow each other; and who leads elsewhere. */
struct seen {
    const uint8_t *name;
    const struct metadata_topic *topic;
    int16_t unknown;
    struct api_leaders leaders;
};

/* Whom else to ask, since version 16 (KIP-951). */
static void hint_leader(const struct fetch_item *item, struct seen *seen,
                        struct wire_fetch_response_partition *out)
{
    int32_t id, epoch;
    if (api_request_version(seen->leaders.request) < LEADER_HINT_SINCE ||
        !api_leaders_add(&seen->leaders, seen->topic, item->partition, out->error_code, &id,
                         &epoch))
        return;
    out->current_leader =
        (struct wire_fetch_response_leader){.leader_id = id, .leader_epoch = epoch};
}

/* Where those are. */
static bool tell_nodes(struct fetch *s, struct api_leaders *leaders)
{
    size_t count = (size_t)leaders->count;
    if (count == 0)
        return true;
    s->body.node_endpoints = api_request_alloc(&s->request, count, sizeof *s->body.node_endpoints);
    if (s->body.node_endpoints == NULL)
        return false;
    const struct api_broker *broker;
    while ((broker = api_leaders_next(leaders)) != NULL)
        s->body.node_endpoints[s->body.node_endpoints_count++] =
            (struct wire_fetch_response_node){.node_id = broker->id,
                                              .host = broker->host,
                                              .port = broker->port,
                                              .rack = broker->rack};
    return true;
}

/* The topic that the item means; NULL: there is none. */
const struct metadata_topic *api_fetch_topic(const struct fetch *s, const struct fetch_item *item,
                                             int16_t *unknown)
{
    struct wire_string name = {.size = -1};
    struct wire_uuid id = {{0}};
    if (api_fetch_by_id(s))
        memcpy(id.b, item->topic.data, sizeof id.b);
    else
        name = (struct wire_string){.data = (const char *)item->topic.data,
                                    .size = (int32_t)item->topic.size};
    enum api_operation operation =
        api_fetch_follower(s->request.body).id >= 0 ? API_CLUSTER_ACTION : API_READ;
    return api_request_topic(&s->request, operation, name, &id, unknown);
}

static void fill(const struct fetch *s, const struct fetch_item *item, struct seen *seen,
                 struct wire_fetch_response_partition *out)
{
    const struct wire_fetch_request *in = s->request.body;
    const struct replica_fetch *f = &item->fetch;
    int16_t code = code_of(s, item);
    if (seen->name == NULL || seen->name != item->topic.data)
        seen->topic = api_fetch_topic(s, item, &seen->unknown);
    seen->name = item->topic.data;
    if (code == WIRE_ERROR_NONE &&
        seen->topic == NULL) /* who named it was another, or might then */
        code = seen->unknown;
    *out = (struct wire_fetch_response_partition){
        .partition_index = item->partition,
        .error_code = code,
        .high_watermark = -1,
        .last_stable_offset = -1,
        .log_start_offset = -1,
        .diverging_epoch = {.epoch = -1, .end_offset = -1},
        .current_leader = {.leader_id = -1, .leader_epoch = -1},
        .snapshot_id = {.end_offset = -1, .epoch = -1},
        .preferred_read_replica = -1,
    };
    out->aborted_transactions_count =
        in->isolation_level == 0 && !api_fetch_is_unknown(code) ? -1 : 0;
    if (code != WIRE_ERROR_NONE) {
        hint_leader(item, seen, out);
        if (code == WIRE_ERROR_OFFSET_OUT_OF_RANGE && f->follower.id >= 0)
            out->log_start_offset = f->log_start; /* it may have to begin there */
        return;
    }
    out->high_watermark = f->high_watermark;
    out->last_stable_offset = f->last_stable_offset;
    out->log_start_offset = f->log_start;
    out->diverging_epoch = (struct wire_fetch_response_epoch_end){.epoch = f->diverging_epoch,
                                                                  .end_offset = f->diverging_end};
    out->preferred_read_replica = f->preferred;
    if (has_records(item))
        out->records.size = (int32_t)f->read->bytes;
}

/* Whether the asker of a session must be told (Kafka's maybeUpdateResponseData). */
static bool is_news(const struct fetch_item *item, const struct wire_fetch_response_partition *out)
{
    if (KNOWN_BUG(session_hides_error) && out->records.size == 0)
        return false;
    return out->records.size > 0 || out->preferred_read_replica >= 0 ||
           out->error_code != WIRE_ERROR_NONE || out->diverging_epoch.end_offset >= 0 ||
           out->high_watermark != item->told_high_watermark ||
           out->log_start_offset != item->told_log_start;
}

/* It has been told. It stays pending where the next fetch may find something without being told. */
static void settle(struct fetch_item *item, const struct wire_fetch_response_partition *out)
{
    bool again =
        item->fetch.preferred >= 0 || item->follows; /* whom to ask may be another by then */
    bool more = out->error_code != WIRE_ERROR_NONE || out->diverging_epoch.end_offset >= 0 ||
                out->records.size > 0 || item->fetch.some || again;
    item->told_high_watermark = out->error_code == WIRE_ERROR_NONE ? out->high_watermark : -1;
    item->told_log_start = out->log_start_offset;
    if (!more)
        list_remove(&item->pending);
}

/* The next row of the answer; partitions of one topic that follow each other share one. */
static void add_row(struct fetch *s, const struct fetch_item *item,
                    struct wire_fetch_response_partition *out)
{
    struct wire_fetch_response_topic *topic = NULL;
    if (s->body.responses_count > 0)
        topic = &s->body.responses[s->body.responses_count - 1];
    const void *before = topic == NULL        ? NULL
                         : api_fetch_by_id(s) ? (const void *)topic->topic_id.b
                                              : (const void *)topic->topic.data;
    bool same = before != NULL && (api_fetch_by_id(s) ? memcmp(before, item->topic.data, 16) == 0
                                                      : before == (const void *)item->topic.data);
    if (!same) {
        topic = &s->body.responses[s->body.responses_count++];
        *topic = (struct wire_fetch_response_topic){.partitions = out};
        if (api_fetch_by_id(s))
            memcpy(&topic->topic_id, item->topic.data, sizeof topic->topic_id);
        else
            topic->topic = (struct wire_string){.data = (const char *)item->topic.data,
                                                .size = (int32_t)item->topic.size};
    }
    topic->partitions_count++;
}

/* Its records leave with the answer, and the others come before it the next time: who got none
 * keeps its place (KAFKA-12330). */
static void give(struct fetch *s, struct fetch_item *item)
{
    s->given[s->given_count++] = replica_fetch_take(&item->fetch);
    item->quiet = item->fetch.follower.durable_end >= 0;
    if (s->incremental)
        item->order = ++s->set->order_last;
}

/* False: no memory. */
bool api_fetch_fill(struct fetch *s)
{
    struct request *r = &s->request;
    struct wire_fetch_response_partition *rows = NULL;
    struct seen seen = {.leaders.request = r};
    if (!api_fetch_collect(s))
        return false;
    size_t max = (size_t)s->item_count;
    rows = api_request_alloc(r, max, sizeof *rows);
    s->body.responses = api_request_alloc(r, max, sizeof *s->body.responses);
    s->given = api_request_alloc(r, max, sizeof *s->given);
    if (rows == NULL || s->body.responses == NULL || s->given == NULL)
        return false;
    for (int32_t i = 0; i < s->item_count; i++) {
        struct fetch_item *item = s->items[i];
        struct wire_fetch_response_partition *out = rows;
        fill(s, item, &seen, out);
        if (s->incremental && !is_news(item, out)) {
            settle(item, out);
            continue;
        }
        rows++;
        add_row(s, item, out);
        settle(item, out);
        if (out->records.size > 0)
            give(s, item);
    }
    return tell_nodes(s, &seen.leaders);
}

/* The encoded bytes with the ranges of files in their gaps. */
bool api_fetch_lay_out(struct fetch *s)
{
    struct request *r = &s->request;
    int32_t max = 2;
    for (int32_t i = 0; i < s->given_count; i++)
        max += 1 + s->given[i]->log.part_count;
    struct env_part *parts = api_request_alloc(r, (size_t)max, sizeof *parts);
    if (parts == NULL)
        return false;
    int32_t count = 0;
    size_t at = 0;
    ASSERT(s->given_count == r->out.gap_count);
    for (int32_t i = 0; i < s->given_count; i++) {
        size_t upto = r->out.gaps[i].offset;
        parts[count++] = (struct env_part){.data = r->out.data + at, .size = upto - at};
        at = upto;
        const struct log_read *log = &s->given[i]->log;
        for (int32_t k = 0; k < log->part_count; k++)
            parts[count++] = log->parts[k];
    }
    if (r->out.size > at)
        parts[count++] = (struct env_part){.data = r->out.data + at, .size = r->out.size - at};
    ASSERT(count <= max);
    r->answer.parts = parts;
    r->answer.part_count = count;
    return true;
}
