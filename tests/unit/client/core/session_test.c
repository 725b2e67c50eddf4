/* session_test.c - fetch sessions (KIP-227) as the client sees them: what a broker that remembers
 * is told is, at any time, what the client asks for. */
#include "rig.h"

#define COUNT 6

/* What a broker remembers. */
struct memory {
    bool known[COUNT];
    int64_t offset[COUNT];
    int32_t id, epoch; /* of the next fetch */
};

struct town {
    struct rig rig;
    struct client_assignment a[COUNT];
    struct memory memory;
    struct wire_fetch_request in; /* the last that was taken */
    struct client_request *request;
};

static void assign(struct town *t, int i, int64_t offset)
{
    t->a[i].topic = "t";
    t->a[i].partition = i;
    t->a[i].start = CLIENT_START_OFFSET;
    t->a[i].start_at = offset;
    rig_step(&t->rig, (struct client_event){.kind = CLIENT_EV_ASSIGN, .assignment = &t->a[i]});
}

static void unassign(struct town *t, int i)
{
    rig_step(&t->rig, (struct client_event){.kind = CLIENT_EV_UNASSIGN, .assignment = &t->a[i]});
}

/* Takes the notices of what has started, so that all may be fetched. */
static void poll_all(struct town *t)
{
    for (int i = 0; i < 2 * COUNT; i++) {
        struct client_fetched records[4];
        struct client_poll poll = {.records = records, .record_max = 4, .wait_ms = 0};
        rig_submit(&t->rig, CLIENT_POLL, &poll.op);
        if (poll.op.in_flight)
            rig_pass(&t->rig, 1);
        assert_false(poll.op.in_flight);
    }
}

static void town_init(struct town *t, int count)
{
    *t = (struct town){0};
    rig_init(&t->rig, NULL);
    for (int i = 0; i < count; i++)
        assign(t, i, 10 * i);
    rig_cluster(&t->rig, "t", COUNT);
    poll_all(t);
    if (rig_wanted(&t->rig, 0, CLIENT_LANE_FETCH))
        rig_up(&t->rig, 0, CLIENT_LANE_FETCH);
}

static void town_done(struct town *t)
{
    for (int i = 0; i < COUNT; i++)
        unassign(t, i);
    rig_done(&t->rig);
}

static void learn(struct memory *m, const struct wire_fetch_request *in)
{
    for (int32_t k = 0; k < in->topics_count; k++) {
        const struct wire_fetch_request_partition *p = &in->topics[k].partitions[0];
        m->known[p->partition] = true;
        m->offset[p->partition] = p->fetch_offset;
    }
    for (int32_t k = 0; k < in->forgotten_topics_data_count; k++)
        m->known[in->forgotten_topics_data[k].partitions[0]] = false;
}

/* A broker gets the fetch: 0, or the code that it answers with. */
static int16_t receive(struct memory *m, const struct wire_fetch_request *in)
{
    if (in->session_epoch == 0) {
        *m = (struct memory){.id = m->id + 1};
        assert_int_equal(in->forgotten_topics_data_count, 0);
    } else if (m->id == 0 || in->session_id != m->id) {
        return WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND;
    } else if (in->session_epoch != m->epoch) {
        return WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH;
    }
    learn(m, in);
    m->epoch = in->session_epoch + 1;
    return 0;
}

/* The fetch in flight, if there is one; the broker now knows what the client asks for. */
static int16_t take(struct town *t)
{
    t->request = rig_take(&t->rig, 1);
    if (t->request == NULL)
        return -1;
    rig_read(&t->rig, t->request, &t->in);
    int16_t code = receive(&t->memory, &t->in);
    for (int i = 0; i < COUNT && code == 0; i++) {
        assert_int_equal(t->memory.known[i], t->a[i].assigned && t->a[i].in_flight);
        if (t->memory.known[i])
            assert_int_equal(t->memory.offset[i], t->a[i].fetch_offset);
    }
    return code;
}

/* Of one partition a record, if it is asked for; of all in a full answer the rest. */
static void answer_it(struct town *t, struct client_request *request, int16_t code, int32_t id,
                      int which)
{
    static struct wire_fetch_response_partition parts[COUNT];
    static struct wire_fetch_response_topic topics[COUNT];
    uint8_t data[512];
    struct wire_builder b;
    struct wire_fetch_response out;
    wire_defaults(&wire_fetch_response_message, &out);
    out.error_code = code;
    out.session_id = id;
    out.responses = topics;
    for (int i = 0; i < COUNT && code == 0; i++) {
        bool has = i == which && t->memory.known[i];
        if (!has && (t->in.session_epoch > 0 || !t->memory.known[i]))
            continue;
        parts[i] = (struct wire_fetch_response_partition){.partition_index = i,
                                                          .high_watermark = 1000,
                                                          .last_stable_offset = 1000,
                                                          .diverging_epoch = {-1, -1},
                                                          .current_leader = {-1, -1},
                                                          .snapshot_id = {-1, -1},
                                                          .preferred_read_replica = -1};
        if (has) {
            struct wire_builder_head head = {.base_offset = t->memory.offset[i],
                                             .producer_id = -1,
                                             .producer_epoch = -1,
                                             .base_sequence = -1};
            wire_builder_init(&b, data, sizeof data);
            assert_ok(wire_builder_add(&b, 1000, WIRE_NULL_BYTES, WIRE_NULL_BYTES, NULL, 0));
            wire_builder_finish(&b, &head);
            parts[i].records = (struct wire_bytes){.data = data, .size = (int32_t)b.size};
        }
        topics[out.responses_count++] = (struct wire_fetch_response_topic){
            .topic = wire_text("t"), .partitions_count = 1, .partitions = &parts[i]};
    }
    rig_answer(&t->rig, request, &out);
}

static void answer(struct town *t, int16_t code, int32_t id, int which)
{
    answer_it(t, t->request, code, id, which);
}

static void expect_fetch(const struct town *t, int32_t epoch, int32_t named, int32_t forgotten)
{
    assert_int_equal(t->in.session_epoch, epoch);
    assert_int_equal(t->in.topics_count, named);
    assert_int_equal(t->in.forgotten_topics_data_count, forgotten);
}

TEST(a_fetch_of_a_session_names_what_has_moved)
{
    struct town t;
    town_init(&t, 3);
    assert_int_equal(take(&t), 0);
    answer(&t, 0, t.memory.id, 1);
    while (take(&t) == 0 && t.in.topics_count > 1)
        answer(&t, 0, t.memory.id, -1);
    expect_fetch(&t, t.memory.epoch - 1, t.in.topics_count, 0);
    for (int i = 0; i < 3; i++) {
        answer(&t, 0, t.memory.id, i);
        assert_int_equal(take(&t), 0);
        expect_fetch(&t, t.memory.epoch - 1, 1, 0);
        assert_int_equal(t.in.topics[0].partitions[0].partition, i);
        answer(&t, 0, t.memory.id, -1);
        assert_int_equal(take(&t), 0);
        expect_fetch(&t, t.memory.epoch - 1, 0, 0);
    }
    answer(&t, 0, t.memory.id, -1);
    town_done(&t);
}

/* Each full fetch is answered without one. */
TEST(a_broker_without_a_place_is_asked_for_one_each_time)
{
    struct town t;
    town_init(&t, 3);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(take(&t), 0);
        assert_int_equal(t.in.session_id, 0);
        assert_int_equal(t.in.session_epoch, 0);
        assert_true(t.in.topics_count > 0);
        answer(&t, 0, 0, i % 3);
    }
    town_done(&t);
}

/* At once, with all partitions; what is known to be gone is not closed once more. */
TEST(a_lost_session_is_begun_anew_without_a_pause)
{
    static const int16_t codes[] = {WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND,
                                    WIRE_ERROR_INVALID_FETCH_SESSION_EPOCH};
    for (int i = 0; i < COUNT_OF(codes); i++) {
        struct town t;
        town_init(&t, 3);
        do {
            assert_int_equal(take(&t), 0);
            answer(&t, 0, t.memory.id, -1);
            poll_all(&t);
        } while (t.in.topics_count < 3 && t.in.session_epoch < 5);
        assert_int_equal(take(&t), 0);
        int32_t id = t.memory.id;
        answer(&t, codes[i], 0, -1);
        assert_int_equal(take(&t), 0);
        assert_int_equal(t.in.session_id, i == 0 ? 0 : id);
        expect_fetch(&t, 0, 3, 0);
        /* Who refuses that, too, is given a pause. */
        answer(&t, codes[i], 0, -1);
        assert_int_equal(rig_count(&t.rig, 1), 0);
        town_done(&t);
    }
}

TEST(after_a_lost_answer_everything_is_named)
{
    struct town t;
    town_init(&t, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take(&t), 0);
        answer(&t, 0, t.memory.id, i);
    }
    assert_int_equal(take(&t), 0);
    assert_true(t.in.session_epoch > 0);
    int32_t id = t.memory.id;
    rig_lose(&t.rig, t.request, true);
    rig_pass(&t.rig, 5000);
    assert_int_equal(take(&t), 0);
    assert_int_equal(t.in.session_id, id);
    assert_int_equal(t.in.session_epoch, 0);
    rig_lose(&t.rig, t.request, true);
    town_done(&t);
}

TEST(who_is_not_asked_for_is_forgotten)
{
    struct town t;
    town_init(&t, 3);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(take(&t), 0);
        answer(&t, 0, t.memory.id, -1);
    }
    assert_int_equal(take(&t), 0);
    expect_fetch(&t, t.memory.epoch - 1, 0, 0);
    unassign(&t, 1);
    unassign(&t, 2);
    assign(&t, 2, 77); /* it comes back before anybody was told */
    answer(&t, 0, t.memory.id, -1);
    poll_all(&t);
    int32_t named = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(take(&t), 0);
        named += t.in.topics_count;
        answer(&t, 0, t.memory.id, -1);
    }
    assert_false(t.memory.known[1]);
    assert_true(t.memory.known[2]);
    assert_int_equal(t.memory.offset[2], 77);
    assert_int_equal(named, 1);
    town_done(&t);
}

/* The answer to the fetch in flight, or none. */
static void reply(struct town *t, struct rng *rng, int16_t code, int which)
{
    struct client_request *request = t->request;
    t->request = NULL;
    if (rng_next(rng) % 10 == 0)
        rig_lose(&t->rig, request, true);
    else
        answer_it(t, request, code, rng_next(rng) % 20 == 0 ? 0 : t->memory.id, which);
}

/* Whatever happens to either, a broker's memory is what the client asks for: take looks. */
TEST(a_session_is_what_is_asked_for_whatever_happens)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct town t;
        struct rng rng = {seed};
        int fetches = 0;
        town_init(&t, 3);
        int16_t code = take(&t);
        for (int step = 0; step < 1000; step++) {
            int i = (int)(rng_next(&rng) % COUNT);
            switch (rng_next(&rng) % 8) {
            case 0:
                assign(&t, i, (int64_t)(rng_next(&rng) % 900));
                break;
            case 1:
                unassign(&t, i);
                break;
            case 2:
                poll_all(&t);
                break;
            case 3:
                rig_pass(&t.rig, (int64_t)(rng_next(&rng) % 1000));
                break;
            case 4:
                if (t.request == NULL && rng_next(&rng) % 4 == 0)
                    t.memory.id += 1000; /* evicted, and others came */
                break;
            default:
                if (t.request != NULL)
                    reply(&t, &rng, code, i);
                break;
            }
            if (rig_wanted(&t.rig, 0, CLIENT_LANE_FETCH))
                rig_up(&t.rig, 0, CLIENT_LANE_FETCH);
            if (t.request != NULL)
                continue;
            code = take(&t); /* at once: what it is about may change before it is answered */
            fetches += code >= 0;
        }
        if (t.request != NULL)
            reply(&t, &rng, code, 0);
        assert_in_range(fetches, 50, 1000);
        town_done(&t);
    }
}
