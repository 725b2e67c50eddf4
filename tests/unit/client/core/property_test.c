/* property_test.c - whatever the wire does between the producer and a broker that keeps the rules
 * of idempotence (I-1), nothing acknowledged is lost, nothing is stored twice, and order is kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include "rig.h"

#define PARTITIONS 2
#define RECORDS 300
#define WINDOW 5
#define WIRE_MAX 64
#define STEPS_MAX 20000

/* What a broker remembers of the producer in a partition. */
struct memory {
    int16_t epoch; /* -1: nothing */
    int32_t next_sequence;
    struct {
        int32_t first, last;
        int64_t offset;
    } window[WINDOW]; /* newest last */
    int window_count;
};

struct part {
    int numbers[RECORDS * 4];
    int64_t size;
    struct memory memory;
};

/* A request between the two, kept as bytes, because the machine's own go when it is lost. */
struct letter {
    struct client_request *request; /* NULL: the connection it was sent on is gone */
    int16_t api_version;
    struct bytes body;
};

struct model {
    struct rig rig;
    struct rng rng;
    struct part parts[PARTITIONS];
    struct letter to_broker[WIRE_MAX], ghosts[WIRE_MAX];
    int to_broker_count, ghost_count;
    struct {
        struct client_request *request;
        struct wire_produce_response answer;
    } to_client[WIRE_MAX];
    int to_client_count;
    struct client_send sends[RECORDS];
    int sent_count;
    char values[RECORDS][8];
    bool calm; /* no more harm */
};

static bool chance(struct model *m, uint64_t part, uint64_t whole)
{
    return random_chance(rng_next(&m->rng), part, whole);
}

/* ---- the broker ---- */

static void store(struct part *p, struct bytes in, const struct wire_batch *b)
{
    struct wire_records it;
    struct wire_record r;
    struct errmsg msg = {0};
    assert_ok(wire_records_begin(&it, b, in, &msg));
    while (it.left > 0) {
        char text[8] = {0};
        assert_ok(wire_records_next(&it, &r, &msg));
        memcpy(text, r.value.data, (size_t)r.value.size);
        p->numbers[p->size++] = atoi(text);
    }
}

/* I-1. */
static int16_t judge(struct part *p, const struct wire_batch *b, int64_t *offset)
{
    struct memory *m = &p->memory;
    int32_t last = b->base_sequence + b->record_count - 1;
    if (b->producer_epoch < m->epoch)
        return WIRE_ERROR_INVALID_PRODUCER_EPOCH;
    if (b->producer_epoch == m->epoch) {
        for (int i = 0; i < m->window_count; i++) {
            if (m->window[i].first == b->base_sequence && m->window[i].last == last) {
                *offset = m->window[i].offset;
                return WIRE_ERROR_DUPLICATE_SEQUENCE_NUMBER;
            }
        }
        if (b->base_sequence != m->next_sequence)
            return WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    } else if (b->base_sequence != 0) {
        return WIRE_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    } else {
        *m = (struct memory){.epoch = b->producer_epoch};
    }
    if (m->window_count == WINDOW)
        memmove(m->window, m->window + 1, sizeof m->window[0] * (size_t)--m->window_count);
    m->window[m->window_count].first = b->base_sequence;
    m->window[m->window_count].last = last;
    m->window[m->window_count++].offset = p->size;
    m->next_sequence = last + 1;
    return 0;
}

static int16_t append(struct model *m, struct part *p, struct bytes in, int64_t *offset)
{
    struct wire_batch b;
    struct errmsg msg = {0};
    if (!m->calm && chance(m, 1, 15))
        return chance(m, 1, 2) ? WIRE_ERROR_NOT_LEADER_OR_FOLLOWER : WIRE_ERROR_NOT_ENOUGH_REPLICAS;
    assert_int_equal(wire_batch_at(in, 0, &b, &msg), WIRE_AT_BATCH);
    assert_ok(wire_batch_verify(&b, in.data, &msg));
    *offset = p->size;
    int16_t code = judge(p, &b, offset);
    if (code == 0)
        store(p, in, &b);
    if (code == WIRE_ERROR_DUPLICATE_SEQUENCE_NUMBER)
        code = 0;
    if (code == 0 && !m->calm && chance(m, 1, 15))
        return chance(m, 1, 2) ? WIRE_ERROR_REQUEST_TIMED_OUT : WIRE_ERROR_KAFKA_STORAGE_ERROR;
    return code;
}

static void serve(struct model *m, struct letter letter)
{
    struct errmsg msg = {0};
    struct arena *arena = &m->rig.arena;
    struct wire_produce_request in;
    struct wire_produce_response out;
    assert_ok(wire_decode(&wire_produce_request_message, letter.api_version, letter.body, NULL, &in,
                          arena, &msg));
    wire_defaults(&wire_produce_response_message, &out);
    assert_int_equal(in.topic_data_count, 1);
    int32_t count = in.topic_data[0].partition_data_count;
    struct wire_produce_response_partition *parts =
        arena_alloc(arena, (size_t)count * sizeof *parts);
    for (int32_t i = 0; i < count; i++) {
        struct wire_produce_request_partition *q = &in.topic_data[0].partition_data[i];
        int64_t offset = -1;
        int16_t code = append(m, &m->parts[q->index],
                              bytes_of(q->records.data, (size_t)q->records.size), &offset);
        parts[i] = (struct wire_produce_response_partition){.index = q->index,
                                                            .error_code = code,
                                                            .base_offset = offset,
                                                            .log_append_time_ms = -1,
                                                            .log_start_offset = 0,
                                                            .error_message = WIRE_NULL_STRING,
                                                            .current_leader = {-1, -1}};
    }
    out.responses_count = 1;
    out.responses = arena_alloc(arena, sizeof *out.responses);
    *out.responses = (struct wire_produce_response_topic){
        .name = wire_text("t"), .partition_responses_count = count, .partition_responses = parts};
    if (letter.request == NULL)
        return;
    m->to_client[m->to_client_count].request = letter.request;
    m->to_client[m->to_client_count++].answer = out;
}

/* ---- the wire ---- */

static void post(struct model *m)
{
    for (struct client_request *q = rig_take(&m->rig, 0); q != NULL; q = rig_take(&m->rig, 0)) {
        assert_true(m->to_broker_count < WIRE_MAX);
        m->to_broker[m->to_broker_count++] = (struct letter){
            .request = q, .api_version = q->api_version, .body = rig_body(&m->rig, q)};
    }
    if (rig_count(&m->rig, 3) > 0)
        rig_answer_metadata(&m->rig, "t", PARTITIONS, 0);
    for (int32_t node = -1; node <= 0; node++) {
        if (rig_wanted(&m->rig, node, CLIENT_LANE_MAIN))
            rig_up(&m->rig, node, CLIENT_LANE_MAIN);
    }
}

static void deliver_to_broker(struct model *m)
{
    if (m->to_broker_count == 0)
        return;
    struct letter letter = m->to_broker[0];
    memmove(m->to_broker, m->to_broker + 1, sizeof letter * (size_t)--m->to_broker_count);
    serve(m, letter);
}

static void deliver_to_client(struct model *m)
{
    if (m->to_client_count == 0)
        return;
    struct client_request *request = m->to_client[0].request;
    struct wire_produce_response answer = m->to_client[0].answer;
    memmove(m->to_client, m->to_client + 1, sizeof m->to_client[0] * (size_t)--m->to_client_count);
    rig_answer(&m->rig, request, &answer);
}

static void deliver_ghost(struct model *m)
{
    if (m->ghost_count == 0)
        return;
    struct letter letter = m->ghosts[0];
    memmove(m->ghosts, m->ghosts + 1, sizeof letter * (size_t)--m->ghost_count);
    serve(m, letter);
}

/* The connection breaks; a part of what was on its way to the broker still arrives, later. */
static void break_connection(struct model *m)
{
    struct client_request *lost[2 * WIRE_MAX];
    int count = 0;
    int arriving = (int)random_below(rng_next(&m->rng), (uint64_t)m->to_broker_count + 1);
    for (int i = 0; i < m->to_client_count; i++)
        lost[count++] = m->to_client[i].request;
    for (int i = 0; i < m->to_broker_count; i++) {
        lost[count++] = m->to_broker[i].request;
        if (i < arriving && m->ghost_count < WIRE_MAX)
            m->ghosts[m->ghost_count++] = (struct letter){
                .api_version = m->to_broker[i].api_version, .body = m->to_broker[i].body};
    }
    m->to_client_count = m->to_broker_count = 0;
    for (int i = 0; i < count; i++)
        rig_lose(&m->rig, lost[i], true);
    if (client_node_find(m->rig.client, 0)->lanes[CLIENT_LANE_MAIN].up)
        rig_down(&m->rig, 0, CLIENT_LANE_MAIN);
}

/* ---- one run ---- */

static void send_next(struct model *m)
{
    if (m->sent_count == RECORDS)
        return;
    int i = m->sent_count++;
    snprintf(m->values[i], sizeof m->values[i], "%d", i);
    rig_send(&m->rig, &m->sends[i], "t", i % PARTITIONS, m->values[i]);
}

static void act(struct model *m)
{
    uint32_t weights[] = {30, 30, 30, m->calm ? 0 : 3, 10, m->calm ? 50 : 15};
    switch (random_weighted(rng_next(&m->rng), weights, COUNT_OF(weights))) {
    case 0:
        send_next(m);
        break;
    case 1:
        deliver_to_broker(m);
        break;
    case 2:
        deliver_to_client(m);
        break;
    case 3:
        break_connection(m);
        break;
    case 4:
        deliver_ghost(m);
        break;
    case 5:
        rig_pass(&m->rig, random_between(rng_next(&m->rng), 0, 40));
        break;
    }
    post(m);
}

static void check_record(const struct model *m, int i)
{
    const struct client_send *send = &m->sends[i];
    const struct part *p = &m->parts[i % PARTITIONS];
    int count = 0;
    for (int64_t k = 0; k < p->size; k++)
        count += p->numbers[k] == i;
    assert_false(send->op.in_flight);
    if (send->op.outcome == CLIENT_OK) {
        assert_int_equal(count, 1);
        assert_int_equal(p->numbers[send->offset], i);
    }
    assert_true(count <= (send->op.outcome == CLIENT_FAILED ? 0 : 1));
}

static int run(uint64_t seed)
{
    struct model *m = calloc(1, sizeof *m);
    m->rng.state = seed;
    for (int p = 0; p < PARTITIONS; p++)
        m->parts[p].memory.epoch = -1;
    rig_init(&m->rig, "batch.size", chance(m, 1, 2) ? "0" : "200", "request.timeout.ms", "100",
             "delivery.timeout.ms", chance(m, 1, 2) ? "400" : "120000", "retry.backoff.ms", "5",
             "retry.backoff.max.ms", "20", NULL);
    send_next(m);
    rig_cluster(&m->rig, "t", PARTITIONS);
    for (int step = 0; step < STEPS_MAX && m->rig.done_count < RECORDS; step++) {
        m->calm = step > STEPS_MAX / 2;
        act(m);
    }
    while (m->ghost_count > 0)
        deliver_ghost(m);
    int ok = 0;
    for (int i = 0; i < RECORDS; i++) {
        check_record(m, i);
        ok += m->sends[i].op.outcome == CLIENT_OK;
    }
    for (int p = 0; p < PARTITIONS; p++) {
        for (int64_t k = 1; k < m->parts[p].size; k++)
            assert_true(m->parts[p].numbers[k - 1] < m->parts[p].numbers[k]);
    }
    break_connection(m);
    rig_done(&m->rig);
    free(m);
    return ok;
}

TEST(nothing_acknowledged_is_lost_or_doubled_and_order_is_kept_over_a_bad_wire)
{
    int ok = 0;
    for (uint64_t seed = 1; seed <= 150; seed++)
        ok += run(seed);
    assert_true(ok >
                150 * RECORDS / 2); /* most of it must have got through for this to mean much */
}
