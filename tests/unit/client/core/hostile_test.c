/* hostile_test.c - a broker that answers nonsense: well-formed answers of random content, cut and
 * flipped bytes. Whatever it says, every operation ends once and nothing breaks. */
#include <stdlib.h>
#include "rig.h"

#define STEPS 400
#define SENDS 40
#define RECORDS_MAX 8

struct stage {
    struct rig rig;
    struct rng rng;
    struct client_send sends[SENDS];
    struct client_assignment assigned[2];
    struct client_poll poll;
    struct client_fetched records[RECORDS_MAX];
    struct client_offsets offsets;
    struct client_topics topics;
    struct client_create_topic create;
    int started;
};

/* What the answer's fields say is random, but now and then they speak of what was asked. */
static void make_sense(struct stage *s, int16_t api_key, void *answer)
{
    if (random_chance(rng_next(&s->rng), 1, 2))
        return;
    if (api_key == 3) {
        struct wire_metadata_response *m = answer;
        m->error_code = 0;
        for (int32_t i = 0; i < m->topics_count; i++) {
            m->topics[i].name = wire_text("t");
            m->topics[i].error_code = 0;
            for (int32_t k = 0; k < m->topics[i].partitions_count; k++) {
                m->topics[i].partitions[k].partition_index = k;
                m->topics[i].partitions[k].leader_id =
                    m->brokers_count > 0 ? m->brokers[0].node_id : 0;
            }
        }
    } else if (api_key == 0) {
        struct wire_produce_response *p = answer;
        for (int32_t i = 0; i < p->responses_count; i++) {
            p->responses[i].name = wire_text("t");
            for (int32_t k = 0; k < p->responses[i].partition_responses_count; k++) {
                p->responses[i].partition_responses[k].index = k;
                p->responses[i].partition_responses[k].error_code =
                    (int16_t)random_between(rng_next(&s->rng), -1, 60);
            }
        }
    } else if (api_key == 1) {
        struct wire_fetch_response *f = answer;
        f->error_code = 0;
        for (int32_t i = 0; i < f->responses_count; i++) {
            f->responses[i].topic = wire_text("t");
            for (int32_t k = 0; k < f->responses[i].partitions_count; k++) {
                f->responses[i].partitions[k].partition_index = k;
                f->responses[i].partitions[k].error_code =
                    (int16_t)random_between(rng_next(&s->rng), -1, 8);
            }
        }
    } else if (api_key == 2) {
        struct wire_list_offsets_response *o = answer;
        for (int32_t i = 0; i < o->topics_count; i++) {
            o->topics[i].name = wire_text("t");
            for (int32_t k = 0; k < o->topics[i].partitions_count; k++) {
                o->topics[i].partitions[k].partition_index = k;
                o->topics[i].partitions[k].error_code = 0;
            }
        }
    } else if (api_key == 22) {
        ((struct wire_init_producer_id_response *)answer)->error_code = 0;
    }
}

static struct bytes nonsense(struct stage *s, const struct client_request *request)
{
    const struct wire_message *m = wire_api(request->api_key)->response;
    void *answer = arena_alloc(&s->rig.arena, m->size);
    struct wire_out out;
    assert_ok(wire_generate(m, request->api_version, &s->rng, &s->rig.arena, answer));
    make_sense(s, request->api_key, answer);
    wire_out_init(&out, &s->rig.own);
    if (wire_encode(m, request->api_version, answer, &out) != ERR_NONE)
        out.size = 0;
    uint8_t *copy = arena_alloc(&s->rig.arena, out.size);
    memcpy(copy, out.data, out.size);
    struct bytes body = bytes_of(copy, out.size);
    wire_out_free(&out);
    if (body.size > 0 && random_chance(rng_next(&s->rng), 1, 10)) {
        uint64_t at = random_below(rng_next(&s->rng), body.size);
        copy[at] ^= (uint8_t)rng_next(&s->rng);
    }
    if (random_chance(rng_next(&s->rng), 1, 20))
        body.size = random_below(rng_next(&s->rng), body.size + 1);
    return body;
}

static void answer_one(struct stage *s)
{
    struct client_request *request = LIST_FIRST(&s->rig.requests, struct client_request, link);
    if (request == NULL)
        return;
    list_remove(&request->link);
    if (random_chance(rng_next(&s->rng), 1, 10)) {
        rig_lose(&s->rig, request, true);
        return;
    }
    struct bytes body = nonsense(s, request);
    struct buf *buf = buf_new(&s->rig.own, (uint32_t)body.size + 1);
    memcpy(buf->data, body.data, body.size);
    rig_step(&s->rig, (struct client_event){.kind = CLIENT_EV_ANSWER,
                                            .request = request,
                                            .body = slice_of(buf, 0, (uint32_t)body.size)});
    buf_release(buf);
}

static void ask_something(struct stage *s)
{
    struct rig *r = &s->rig;
    int32_t partition = (int32_t)random_below(rng_next(&s->rng), 3);
    switch (random_below(rng_next(&s->rng), 6)) {
    case 0:
        if (s->started < SENDS)
            rig_send(r, &s->sends[s->started++], "t", partition, "x");
        return;
    case 1:
        if (s->poll.op.in_flight)
            return;
        s->poll.records = s->records;
        s->poll.record_max = RECORDS_MAX;
        s->poll.wait_ms = 50;
        rig_submit(r, CLIENT_POLL, &s->poll.op);
        return;
    case 2:
        s->assigned[partition % 2].topic = "t";
        s->assigned[partition % 2].partition = partition;
        s->assigned[partition % 2].start = (enum client_start)random_below(rng_next(&s->rng), 4);
        s->assigned[partition % 2].start_at = 5;
        rig_step(r, (struct client_event){.kind = CLIENT_EV_ASSIGN,
                                          .assignment = &s->assigned[partition % 2]});
        return;
    case 3:
        s->offsets.topic = "t";
        if (!s->offsets.op.in_flight)
            rig_submit(r, CLIENT_OFFSETS, &s->offsets.op);
        return;
    case 4:
        client_topics_free(&s->topics);
        if (!s->topics.op.in_flight)
            rig_submit(r, CLIENT_TOPICS, &s->topics.op);
        return;
    case 5:
        s->create.topic = "t";
        if (!s->create.op.in_flight)
            rig_submit(r, CLIENT_CREATE_TOPIC, &s->create.op);
        return;
    }
}

static void bring_up(struct stage *s)
{
    LIST_EACH (node, client_nodes(s->rig.client), struct client_node, link) {
        for (int lane = 0; lane < CLIENT_LANE_COUNT; lane++) {
            if (node->lanes[lane].wanted)
                rig_up(&s->rig, node->id, (enum client_lane)lane);
        }
    }
}

static void run(uint64_t seed)
{
    struct stage *s = calloc(1, sizeof *s);
    s->rng.state = seed;
    rig_init(&s->rig, "max.block.ms", "5000", "request.timeout.ms", "100", "delivery.timeout.ms",
             "5000", "default.api.timeout.ms", "5000", NULL);
    for (int i = 0; i < STEPS; i++) {
        ask_something(s);
        bring_up(s);
        answer_one(s);
        answer_one(s);
        rig_pass(&s->rig, random_between(rng_next(&s->rng), 0, 100));
        s->rig.done_count = 0;
    }
    rig_pass(&s->rig, 20000);
    for (int i = 0; i < s->started; i++)
        assert_false(s->sends[i].op.in_flight);
    client_topics_free(&s->topics);
    rig_done(&s->rig);
    client_topics_free(&s->topics);
    free(s);
}

TEST(nonsense_from_a_broker_ends_every_operation_and_breaks_nothing)
{
    for (uint64_t seed = 1; seed <= 200; seed++)
        run(seed);
}
