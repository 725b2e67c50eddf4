/* hostile_test.c - leaders that say what no leader says, and all that may happen at once: nobody
 * believes it, nobody is kept busy by it, and left alone every log becomes its leader's. */
#include "rig.h"

/* ---- what no leader says ---- */

static int twisted;

/* The first row with records, or NULL. */
static struct wire_fetch_response_partition *with_records(struct wire_fetch_response *body)
{
    for (int32_t i = 0; i < body->responses_count; i++) {
        if (body->responses[i].partitions->records.size > 0)
            return body->responses[i].partitions;
    }
    return NULL;
}

static uint8_t *bytes_of_row(struct wire_fetch_response_partition *row)
{
    return (uint8_t *)row->records.data; /* the arena's */
}

static void flip_a_bit(struct leader *l, struct wire_fetch_response *body, struct arena *arena)
{
    struct wire_fetch_response_partition *row = with_records(body);
    (void)l;
    (void)arena;
    if (row == NULL)
        return;
    bytes_of_row(row)[row->records.size - 1] ^= 1;
    twisted++;
}

static void give_garbage(struct leader *l, struct wire_fetch_response *body, struct arena *arena)
{
    struct wire_fetch_response_partition *row = with_records(body);
    (void)l;
    (void)arena;
    if (row == NULL)
        return;
    memset(bytes_of_row(row), 0xa5, (size_t)row->records.size);
    twisted++;
}

static void cut_the_batch(struct leader *l, struct wire_fetch_response *body, struct arena *arena)
{
    struct wire_fetch_response_partition *row = with_records(body);
    (void)l;
    (void)arena;
    if (row == NULL)
        return;
    row->records.size = 70;
    twisted++;
}

static void go_back(struct leader *l, struct wire_fetch_response *body, struct arena *arena)
{
    struct wire_fetch_response_partition *row = with_records(body);
    (void)l;
    (void)arena;
    if (row == NULL)
        return;
    put_u64(bytes_of_row(row), 0);
    twisted++;
}

static void leave_a_gap(struct leader *l, struct wire_fetch_response *body, struct arena *arena)
{
    struct wire_fetch_response_partition *row = with_records(body);
    (void)l;
    (void)arena;
    if (row == NULL)
        return;
    put_u64(bytes_of_row(row), get_u64(bytes_of_row(row)) + 5);
    twisted++;
}

/* A batch of an epoch that begins after the one in which was asked (KAFKA-18723). */
static void come_too_early(struct leader *l, struct wire_fetch_response *body, struct arena *arena)
{
    struct wire_fetch_response_partition *row = with_records(body);
    (void)l;
    (void)arena;
    if (row == NULL)
        return;
    wire_batch_set_leader_epoch(bytes_of_row(row), 900);
    twisted++;
}

/* Whoever says so is believed by nobody until it is well again; the other partition goes on. */
TEST(records_that_cannot_be_are_not_taken)
{
    static void (*const twists[])(struct leader * l, struct wire_fetch_response * body,
                                  struct arena * arena) = {
        flip_a_bit, give_garbage, cut_the_batch, go_back, leave_a_gap, come_too_early};
    for (int i = 0; i < COUNT_OF(twists); i++) {
        struct rig *r = rig_settled(400 + (uint64_t)i, 2);
        int64_t end = rig_ends(r, 0).end;
        twisted = 0;
        r->twist = twists[i];
        rig_produce(r, 0, 1, true);
        rig_run(r, 3 * BACKOFF_MS + 4 * WAIT_MS);
        assert_true(twisted >= 2);
        assert_true(twisted <= 6); /* with pauses */
        assert_int_equal(rig_ends(r, 0).end, end);
        assert_true(r->told <= 1);
        r->twist = NULL;
        rig_produce(r, 1, 1, true);
        rig_run(r, 300);
        rig_assert_same(r, 1);
        rig_run(r, 2 * BACKOFF_MS);
        rig_assert_same(r, 0);
        rig_end(r);
    }
}

/* Rows of partitions that were not asked for, that nobody has, twice the same, of another topic. */
static void add_rows(struct leader *l, struct wire_fetch_response *body, struct arena *arena)
{
    static const struct wire_uuid nobody = {.b = {1, 2, 3}};
    struct wire_fetch_response_partition *row = with_records(body);
    (void)l;
    if (row == NULL)
        return;
    int32_t count = body->responses_count;
    struct wire_fetch_response_topic *topics = arena_alloc(arena, 400 * sizeof *topics);
    struct wire_fetch_response_partition *rows = arena_alloc(arena, 6 * sizeof *rows);
    memcpy(topics, body->responses, (size_t)count * sizeof *topics);
    for (int i = 0; i < 6; i++) {
        static const int32_t numbers[] = {0, 1, 2, 77, -1, INT32_MAX};
        rows[i] = *row;
        rows[i].partition_index = numbers[i];
    }
    topics[count++] = (struct wire_fetch_response_topic){
        .topic_id = *rig_topic_id(0), .partitions = rows, .partitions_count = 6};
    topics[count++] = (struct wire_fetch_response_topic){
        .topic_id = nobody, .partitions = rows, .partitions_count = 6};
    body->responses = topics;
    body->responses_count = count;
    twisted++;
}

TEST(rows_that_were_not_asked_for_are_passed_over)
{
    struct rig *r = rig_settled(410, 3);
    rig_unfollow(r, 2);
    rig_run(r, 2 * WAIT_MS);
    int64_t end = rig_ends(r, 2).end;
    twisted = 0;
    r->twist = add_rows;
    for (int i = 0; i < 10; i++) {
        rig_produce(r, 0, 2, true);
        rig_run(r, 100);
    }
    rig_run(r, 3 * BACKOFF_MS);
    assert_true(twisted > 5);
    rig_assert_same(r, 0);
    rig_assert_same(r, 1);
    assert_int_equal(rig_ends(r, 2).end, end);
    rig_end(r);
}

/* The logs part again and again, or never stop to. */
static void part_for_ever(struct leader *l, struct wire_fetch_response *body, struct arena *arena)
{
    (void)l;
    (void)arena;
    for (int32_t i = 0; i < body->responses_count; i++) {
        struct wire_fetch_response_partition *row = body->responses[i].partitions;
        row->diverging_epoch.epoch = 3;
        row->diverging_epoch.end_offset = 1000000;
        twisted++;
    }
}

static void say_strange_numbers(struct leader *l, struct wire_fetch_response *body,
                                struct arena *arena)
{
    (void)l;
    (void)arena;
    for (int32_t i = 0; i < body->responses_count; i++) {
        struct wire_fetch_response_partition *row = body->responses[i].partitions;
        row->high_watermark = i % 2 == 0 ? INT64_MAX : INT64_MIN;
        row->log_start_offset = i % 2 == 0 ? INT64_MIN : INT64_MAX;
        row->diverging_epoch.epoch = -7;
        row->diverging_epoch.end_offset = 3;
        twisted++;
    }
}

static void name_another_session(struct leader *l, struct wire_fetch_response *body,
                                 struct arena *arena)
{
    (void)arena;
    body->session_id = l->session_id + twisted++ % 3 - 1;
}

TEST(a_leader_that_talks_nonsense_keeps_nobody_busy)
{
    static void (*const twists[])(struct leader * l, struct wire_fetch_response * body,
                                  struct arena * arena) = {part_for_ever, say_strange_numbers,
                                                           name_another_session};
    for (int i = 0; i < COUNT_OF(twists); i++) {
        struct rig *r = rig_settled(420 + (uint64_t)i, 2);
        int fetches = rig_leader(r, 1)->fetches;
        twisted = 0;
        r->twist = twists[i];
        for (int step = 0; step < 20; step++) {
            rig_produce(r, 0, 1, step % 2 == 0);
            rig_run(r, 300);
        }
        assert_true(twisted > 5);
        assert_true(rig_leader(r, 1)->fetches < fetches + 200);
        struct replica_ends ends = rig_ends(r, 0);
        assert_true(rig_high_watermark(r, 0) <= ends.end);
        r->twist = NULL;
        rig_run(r, 2 * BACKOFF_MS + 4 * WAIT_MS);
        rig_assert_same(r, 0);
        rig_end(r);
    }
}

TEST(an_answer_that_cannot_be_read_is_asked_for_again)
{
    struct rig *r = rig_settled(430, 2);
    r->babble = true;
    rig_produce(r, 0, 1, true);
    rig_run(r, 3 * BACKOFF_MS);
    assert_int_equal(r->told, 1);
    r->babble = false;
    rig_run(r, 2 * BACKOFF_MS + 2 * WAIT_MS);
    rig_assert_same(r, 0);
    rig_end(r);
}

/* ---- all of it together ---- */

/* One thing that may happen. */
static void disturb(struct rig *r, struct rng *rng)
{
    uint64_t bits = rng_next(rng) >> 7;
    int32_t partition = (int32_t)(rng_next(rng) % (uint64_t)r->partition_count);
    struct led *led = &r->led[partition];
    switch (rng_next(rng) % 12) {
    case 0:
        rig_elect(r, partition, 1 + (int32_t)(rng_next(rng) % 2));
        rig_become(r, partition);
        return;
    case 1:
        rig_cut(r, partition, led->start + (int64_t)(rng_next(rng) % 20));
        rig_elect(r, partition, 1 + (int32_t)(rng_next(rng) % 2));
        if (rng_next(rng) % 2 == 0)
            rig_become(r, partition);
        return;
    case 2:
        led->code = led->code != 0 ? 0 : WIRE_ERROR_KAFKA_STORAGE_ERROR;
        return;
    case 3:
        r->refuse_once = WIRE_ERROR_FETCH_SESSION_ID_NOT_FOUND;
        return;
    case 4:
        rig_unfollow(r, partition);
        return;
    case 5:
        rig_follow(r, partition);
        return;
    case 6:
        r->refuse_sessions = !r->refuse_sessions;
        return;
    case 7:
        if (rng_next(rng) % 4 == 0)
            rig_harm(r, "at 0s node 0 rate site=alloc rate=20000");
        return;
    default:
        if (led->batch_count < BATCHES_MAX)
            rig_produce(r, partition, 1 + (int)(bits % 4), bits % 3 == 0);
        return;
    }
}

static void restart_leader(struct rig *r, int which)
{
    uint32_t node = r->leader_nodes[which];
    if (world_node_life(r->world, node) == WORLD_UP) {
        world_kill(r->world, node, 0);
        r->leaders[which] = NULL;
    } else if (world_node_life(r->world, node) == WORLD_DOWN) {
        world_start(r->world, node);
    }
}

TEST(left_alone_every_log_becomes_its_leaders)
{
    for (uint64_t seed = 1000; seed < 1000 + TEST_SEARCH(30, 6); seed++) {
        struct rig *r = rig_new(seed, 12);
        struct rng rng = {seed};
        r->in_line = seed % 2 == 0;
        rig_start(r);
        rig_follow_all(r);
        for (int step = 0; step < 150; step++) {
            disturb(r, &rng);
            if (rng_next(&rng) % 40 == 0)
                restart_leader(r, (int)(rng_next(&rng) % 2));
            rig_run(r, (int64_t)(rng_next(&rng) % 40));
        }
        world_heal(r->world);
        r->refuse_sessions = false;
        for (int i = 0; i < LEADERS; i++) {
            if (world_node_life(r->world, r->leader_nodes[i]) == WORLD_DOWN)
                world_start(r->world, r->leader_nodes[i]);
        }
        for (int32_t i = 0; i < 12; i++) {
            r->led[i].code = 0;
            rig_become(r, i);
        }
        rig_run(r, 6 * BACKOFF_MS);
        for (int32_t i = 0; i < 12; i++)
            rig_assert_same(r, i);
        rig_end(r);
    }
}
