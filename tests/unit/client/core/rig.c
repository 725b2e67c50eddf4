/* rig.c - see rig.h. */
#include <stdarg.h>
#include "rig.h"

void rig_init(struct rig *r, ...)
{
    struct errmsg msg = {0};
    *r = (struct rig){.now_ns = 1000 * RIG_MS, .wall_ms = 1700000000000, .wake_ns = INT64_MAX};
    test_mem_init(&r->mem);
    mem_system(&r->own);
    trace_init(&r->trace, r->rows, COUNT_OF(r->rows), false);
    arena_init(&r->arena, &r->own, 1 << 30);
    list_init(&r->requests);
    r->rng.state = 1;
    config_defaults(&client_config_table, &r->config);
    assert_ok(config_set(&client_config_table, &r->config, "linger.ms", bytes_text("0"), &msg));
    va_list args;
    va_start(args, r);
    for (const char *key = va_arg(args, const char *); key != NULL;) {
        const char *value = va_arg(args, const char *);
        enum err e = config_set(&client_config_table, &r->config, key, bytes_text(value), &msg);
        if (e != ERR_NONE)
            fail_msg("%s", msg.text);
        key = va_arg(args, const char *);
    }
    va_end(args);
    if (client_new(&r->client, &r->mem.mem, &r->trace, &r->config, &msg) != ERR_NONE)
        fail_msg("%s", msg.text);
}

void rig_done(struct rig *r)
{
    rig_step(r, (struct client_event){.kind = CLIENT_EV_CLOSE});
    while (!list_empty(&r->requests)) {
        struct list *first = list_pop_front(&r->requests);
        rig_lose(r, CONTAINER_OF(first, struct client_request, link), true);
    }
    client_free(r->client);
    arena_free(&r->arena);
    test_mem_done(&r->mem);
}

void rig_step(struct rig *r, struct client_event ev)
{
    struct client_effects effects;
    ev.now_ns = r->now_ns;
    ev.wall_ms = r->wall_ms;
    ev.random = rng_next(&r->rng);
    client_step(r->client, &ev, &effects);
    list_splice_back(&r->requests, &effects.requests);
    r->wake_ns = effects.wake_ns;
    while (!list_empty(&effects.done)) {
        struct list *first = list_pop_front(&effects.done);
        if (r->forgets_done)
            continue;
        assert_true(r->done_count < RIG_DONE_MAX);
        r->done[r->done_count++] = CONTAINER_OF(first, struct client_op, link);
    }
}

void rig_submit(struct rig *r, enum client_op_kind kind, struct client_op *op)
{
    op->kind = kind;
    rig_step(r, (struct client_event){.kind = CLIENT_EV_SUBMIT, .op = op});
}

void rig_pass(struct rig *r, int64_t ms)
{
    int64_t until_ns = r->now_ns + ms * RIG_MS;
    while (r->wake_ns <= until_ns) {
        r->now_ns = MAX(r->now_ns, r->wake_ns);
        rig_step(r, (struct client_event){.kind = CLIENT_EV_TICK});
    }
    r->now_ns = until_ns;
}

void rig_up(struct rig *r, int32_t node, enum client_lane lane)
{
    struct client_api_version apis[CLIENT_APIS_MAX];
    for (int i = 0; i < wire_api_count; i++)
        apis[i] = (struct client_api_version){wire_apis[i].key, wire_apis[i].request->oldest,
                                              wire_apis[i].request->newest};
    rig_step(r, (struct client_event){.kind = CLIENT_EV_LANE_UP,
                                      .node = node,
                                      .lane = lane,
                                      .apis = apis,
                                      .api_count = wire_api_count});
}

static struct client_request *oldest_on(struct rig *r, int32_t node, enum client_lane lane)
{
    LIST_EACH (request, &r->requests, struct client_request, link) {
        if (request->node == node && request->lane == lane)
            return request;
    }
    return NULL;
}

void rig_down(struct rig *r, int32_t node, enum client_lane lane)
{
    for (;;) {
        struct client_request *request = oldest_on(r, node, lane);
        if (request == NULL)
            break;
        list_remove(&request->link);
        rig_lose(r, request, true);
    }
    rig_step(r, (struct client_event){
                    .kind = CLIENT_EV_LANE_DOWN, .node = node, .lane = lane, .err = ERR_RESET});
}

bool rig_wanted(struct rig *r, int32_t node, enum client_lane lane)
{
    const struct client_node *n = client_node_find(r->client, node);
    return n != NULL && n->lanes[lane].wanted;
}

struct client_request *rig_take(struct rig *r, int16_t api_key)
{
    LIST_EACH (request, &r->requests, struct client_request, link) {
        if (request->api_key == api_key) {
            list_remove(&request->link);
            return request;
        }
    }
    return NULL;
}

int rig_count(const struct rig *r, int16_t api_key)
{
    int count = 0;
    LIST_EACH (request, &r->requests, struct client_request, link)
        count += request->api_key == api_key;
    return count;
}

struct bytes rig_body(struct rig *r, const struct client_request *request)
{
    uint8_t *body = arena_alloc(&r->arena, request->size);
    size_t at = 0;
    for (int32_t i = 0; i < request->part_count; i++) {
        memcpy(body + at, request->parts[i].data, request->parts[i].size);
        at += request->parts[i].size;
    }
    assert_int_equal(at, request->size);
    return bytes_of(body, at);
}

void rig_read(struct rig *r, const struct client_request *request, void *out)
{
    struct errmsg msg = {0};
    const struct wire_message *m = wire_api(request->api_key)->request;
    if (wire_decode(m, request->api_version, rig_body(r, request), NULL, out, &r->arena, &msg) !=
        ERR_NONE)
        fail_msg("%s: %s", m->name, msg.text);
}

void rig_answer(struct rig *r, struct client_request *request, const void *answer)
{
    struct wire_out out;
    wire_out_init(&out, &r->own);
    assert_ok(
        wire_encode(wire_api(request->api_key)->response, request->api_version, answer, &out));
    struct buf *buf = buf_new(&r->own, (uint32_t)MAX(out.size, 1) + 2 * r->slack);
    memcpy(buf->data + r->slack, out.data, out.size);
    rig_step(r, (struct client_event){.kind = CLIENT_EV_ANSWER,
                                      .request = request,
                                      .body = slice_of(buf, r->slack, (uint32_t)out.size)});
    buf_release(buf);
    wire_out_free(&out);
}

void rig_lose(struct rig *r, struct client_request *request, bool sent)
{
    rig_step(r, (struct client_event){
                    .kind = CLIENT_EV_LOST, .request = request, .err = ERR_RESET, .sent = sent});
}

static void answer_metadata(struct rig *r, const char *topic, int16_t code,
                            struct wire_metadata_response_partition *parts, int32_t count)
{
    struct client_request *request = rig_take(r, 3);
    assert_non_null(request);
    struct wire_metadata_response_broker broker = {
        .node_id = 0, .host = wire_text("broker0"), .port = 9092, .rack = WIRE_NULL_STRING};
    struct wire_metadata_response_topic one = {.error_code = code,
                                               .name = wire_text(topic),
                                               .partitions_count = count,
                                               .partitions = parts,
                                               .topic_authorized_operations = INT32_MIN};
    one.topic_id.b[15] = r->topic_id;
    struct wire_metadata_response answer;
    wire_defaults(&wire_metadata_response_message, &answer);
    answer.brokers_count = 1;
    answer.brokers = &broker;
    answer.controller_id = 0;
    answer.topics_count = 1;
    answer.topics = &one;
    rig_answer(r, request, &answer);
}

void rig_answer_metadata(struct rig *r, const char *topic, int32_t partition_count, int16_t code)
{
    struct wire_metadata_response_partition *parts =
        arena_alloc(&r->arena, (size_t)partition_count * sizeof *parts);
    for (int32_t i = 0; i < partition_count; i++)
        parts[i] = (struct wire_metadata_response_partition){.partition_index = i};
    answer_metadata(r, topic, code, parts, partition_count);
}

void rig_answer_leader(struct rig *r, const char *topic, int32_t leader, int32_t leader_epoch)
{
    struct wire_metadata_response_partition part = {.leader_id = leader,
                                                    .leader_epoch = leader_epoch};
    answer_metadata(r, topic, 0, &part, 1);
}

void rig_cluster(struct rig *r, const char *topic, int32_t partition_count)
{
    assert_true(rig_wanted(r, -1, CLIENT_LANE_MAIN));
    rig_up(r, -1, CLIENT_LANE_MAIN);
    rig_answer_metadata(r, topic, partition_count, 0);
    struct client_request *id = rig_take(r, 22);
    if (id != NULL) {
        struct wire_init_producer_id_response answer = {.producer_id = 7};
        rig_answer(r, id, &answer);
    }
    if (rig_wanted(r, 0, CLIENT_LANE_MAIN))
        rig_up(r, 0, CLIENT_LANE_MAIN);
}

void rig_send(struct rig *r, struct client_send *send, const char *topic, int32_t partition,
              const char *value)
{
    *send = (struct client_send){
        .topic = topic, .partition = partition, .timestamp_ms = -1, .value = bytes_text(value)};
    rig_submit(r, CLIENT_SEND, &send->op);
}

struct wire_batch rig_batch(struct rig *r, const struct client_request *request)
{
    struct wire_produce_request in;
    struct wire_batch batch;
    struct errmsg msg = {0};
    rig_read(r, request, &in);
    assert_int_equal(in.topic_data_count, 1);
    assert_int_equal(in.topic_data[0].partition_data_count, 1);
    struct wire_bytes records = in.topic_data[0].partition_data[0].records;
    assert_int_equal(wire_batch_at(bytes_of(records.data, (size_t)records.size), 0, &batch, &msg),
                     WIRE_AT_BATCH);
    assert_ok(wire_batch_verify(&batch, records.data, &msg));
    return batch;
}

void rig_produced(struct rig *r, struct client_request *request, int16_t code, int64_t offset)
{
    struct wire_produce_request in;
    rig_read(r, request, &in);
    struct wire_produce_response_partition part = {.index =
                                                       in.topic_data[0].partition_data[0].index,
                                                   .error_code = code,
                                                   .base_offset = offset,
                                                   .log_append_time_ms = -1,
                                                   .log_start_offset = 0,
                                                   .error_message = WIRE_NULL_STRING,
                                                   .current_leader = {-1, -1}};
    struct wire_produce_response_topic topic = {.name = in.topic_data[0].name,
                                                .partition_responses_count = 1,
                                                .partition_responses = &part};
    struct wire_produce_response answer;
    wire_defaults(&wire_produce_response_message, &answer);
    answer.responses_count = 1;
    answer.responses = &topic;
    rig_answer(r, request, &answer);
}
