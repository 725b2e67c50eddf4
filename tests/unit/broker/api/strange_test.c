/* strange_test.c - requests that decode and mean nothing good: the broker answers or closes the
 * connection, and lives; what they left in its logs keeps no start from coming about. */
#include <stdlib.h>
#include "support/broker/help.h"

#define SEEDS 40
#define REQUESTS 60

static bool chance(struct rng *rng, uint64_t of)
{
    return random_chance(rng_next(rng), 1, of);
}

static int64_t odd(struct rng *rng)
{
    static const int64_t values[] = {0,         1,         -1,        -2,        -3,
                                     2,         5,         1000,      INT32_MAX, INT32_MIN,
                                     INT64_MAX, INT64_MIN, 1ll << 40, INT16_MAX, UINT16_MAX};
    int64_t value = values[random_below(rng_next(rng), COUNT_OF(values))];
    return chance(rng, 8) ? (int64_t)rng_next(rng) : value;
}

static void put_odd(struct rng *rng, uint8_t *p, int size)
{
    uint64_t value = (uint64_t)odd(rng);
    if (size == 8)
        put_u64(p, value);
    else if (size == 4)
        put_u32(p, (uint32_t)value);
    else
        put_u16(p, (uint16_t)value);
}

/* Compressed, so that nobody can say how many records it really holds. */
static void claim_records(struct rng *rng, uint8_t *p)
{
    uint32_t count = (uint32_t)MAX(odd(rng) & INT32_MAX, 1);
    put_u16(p + 21, (uint16_t)(1 + random_below(rng_next(rng), 3)));
    put_u32(p + 23, count - 1);
    put_u32(p + 57, count);
}

/* A batch with a right CRC, whatever it says. */
static struct wire_bytes odd_batch(struct help *h, struct rng *rng)
{
    static const struct {
        int at, size;
    } fields[] = {{0, 8},  {12, 4}, {21, 2}, {23, 4}, {27, 8},
                  {35, 8}, {43, 8}, {51, 2}, {53, 4}, {57, 4}};
    int count = 1 + (int)random_below(rng_next(rng), 5);
    struct wire_bytes batch = help_batch(h, count, -1, 0, 1000);
    uint8_t *p = (uint8_t *)(uintptr_t)batch.data;
    for (int i = 0; i < COUNT_OF(fields); i++) {
        if (chance(rng, 4))
            put_odd(rng, p + fields[i].at, fields[i].size);
    }
    if (chance(rng, 2))
        claim_records(rng, p);
    if (chance(rng, 10))
        p[WIRE_BATCH_HEAD + random_below(rng_next(rng), (uint64_t)batch.size - WIRE_BATCH_HEAD)] ^=
            1;
    put_u32(p + 17, crc32c(0, p + 21, (size_t)batch.size - 21));
    return batch;
}

/* Mostly a topic that is there. */
static void aim(struct rng *rng, struct wire_string *name)
{
    if (!chance(rng, 4))
        *name = wire_text(HELP_TOPIC);
    else if (!chance(rng, 4))
        *name = wire_text("other.topic");
}

/* ---- one of each API: what is generated, bent so that it gets far ---- */

static void bend_produce(struct help *h, struct rng *rng, struct wire_uuid id, void *body)
{
    struct wire_produce_request *r = body;
    r->acks = chance(rng, 10) ? (int16_t)odd(rng) : -1;
    r->timeout_ms = (int32_t)odd(rng);
    for (int32_t i = 0; i < r->topic_data_count; i++) {
        struct wire_produce_request_topic *topic = &r->topic_data[i];
        aim(rng, &topic->name);
        topic->topic_id = id;
        for (int32_t k = 0; k < topic->partition_data_count; k++) {
            topic->partition_data[k].index = chance(rng, 10) ? (int32_t)odd(rng) : 0;
            topic->partition_data[k].records = odd_batch(h, rng);
        }
    }
}

static void bend_fetch(struct help *h, struct rng *rng, struct wire_uuid id, void *body)
{
    struct wire_fetch_request *r = body;
    (void)h;
    r->session_id = 0;
    r->session_epoch = -1;
    r->replica_id = r->replica_state.replica_id = -1;
    r->max_wait_ms = (int32_t)random_below(rng_next(rng), 50);
    r->max_bytes = (int32_t)odd(rng);
    r->min_bytes = (int32_t)odd(rng);
    for (int32_t i = 0; i < r->topics_count; i++) {
        struct wire_fetch_request_topic *topic = &r->topics[i];
        aim(rng, &topic->topic);
        topic->topic_id = id;
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            struct wire_fetch_request_partition *partition = &topic->partitions[k];
            partition->partition = 0;
            partition->current_leader_epoch = -1;
            partition->fetch_offset =
                chance(rng, 2) ? odd(rng) : (int64_t)random_below(rng_next(rng), 50);
            partition->partition_max_bytes = (int32_t)odd(rng);
        }
    }
}

static void bend_list_offsets(struct help *h, struct rng *rng, struct wire_uuid id, void *body)
{
    struct wire_list_offsets_request *r = body;
    (void)h;
    (void)id;
    for (int32_t i = 0; i < r->topics_count; i++) {
        struct wire_list_offsets_request_topic *topic = &r->topics[i];
        aim(rng, &topic->name);
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            topic->partitions[k].partition_index = 0;
            topic->partitions[k].current_leader_epoch = -1;
            topic->partitions[k].timestamp = odd(rng);
        }
    }
}

static void bend_configs(struct rng *rng, struct wire_create_topics_request_topic *topic)
{
    static const char *const keys[] = {
        "retention.ms",         "retention.bytes",      "segment.ms",       "segment.bytes", "",
        "index.interval.bytes", "file.delete.delay.ms", "max.message.bytes"};
    static const char *const values[] = {"0", "-1", "1024", "9223372036854775807", "1", "x", ""};
    for (int32_t i = 0; i < topic->configs_count; i++) {
        topic->configs[i].name = wire_text(keys[random_below(rng_next(rng), COUNT_OF(keys))]);
        topic->configs[i].value = wire_text(values[random_below(rng_next(rng), COUNT_OF(values))]);
    }
}

static void bend_create_topics(struct help *h, struct rng *rng, struct wire_uuid id, void *body)
{
    struct wire_create_topics_request *r = body;
    (void)h;
    (void)id;
    for (int32_t i = 0; i < r->topics_count; i++) {
        struct wire_create_topics_request_topic *topic = &r->topics[i];
        aim(rng, &topic->name);
        topic->num_partitions = (int32_t)random_below(rng_next(rng), 4) - 1;
        if (chance(rng, 6))
            topic->num_partitions = (int32_t)odd(rng);
        topic->replication_factor = chance(rng, 2) ? (int16_t)odd(rng) : -1;
        if (chance(rng, 2))
            topic->assignments_count = 0;
        bend_configs(rng, topic);
    }
}

typedef void bend(struct help *h, struct rng *rng, struct wire_uuid id, void *body);

static void call_one(struct help *h, struct rng *rng, struct wire_uuid id)
{
    static const struct {
        int16_t key;
        bend *bend;
    } apis[] = {{0, bend_produce},        {0, bend_produce}, {0, bend_produce},
                {1, bend_fetch},          {1, bend_fetch},   {2, bend_list_offsets},
                {2, bend_list_offsets},   {3, NULL},         {10, NULL},
                {19, bend_create_topics}, {18, NULL},        {22, NULL}};
    uint64_t i = random_below(rng_next(rng), COUNT_OF(apis));
    const struct wire_message *m = wire_api(apis[i].key)->request;
    uint64_t versions = (uint64_t)(m->newest - m->oldest) + 1;
    int16_t version = (int16_t)(m->oldest + (int64_t)random_below(rng_next(rng), versions));
    void *body = arena_alloc(&h->arena, m->size);
    assert_ok(wire_generate(m, version, rng, &h->arena, body));
    if (apis[i].bend != NULL)
        apis[i].bend(h, rng, id, body);
    help_call(h, apis[i].key, version, body);
}

static void restart_after_kill(struct help *h)
{
    world_kill(h->world, h->broker, 0);
    help_run(h, 100);
    world_start(h->world, h->broker);
    help_run(h, 2000);
}

/* Every second broker has small segments, and removes them quickly. */
TEST(strange_requests_do_not_end_a_broker)
{
    static const char small[] = "log.segment.bytes=2048\nlog.index.interval.bytes=0\n"
                                "log.retention.bytes=9000\nlog.retention.check.interval.ms=50\n";
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct rng rng = {.state = seed};
        struct help h;
        help_setup(&h, seed, seed % 2 == 0 ? small : "");
        struct wire_uuid id = help_make_topic(&h);
        for (int i = 1; i <= REQUESTS; i++) {
            call_one(&h, &rng, id);
            if (i % 4 == 0)
                help_go(&h, 100);
        }
        restart_after_kill(&h);
        assert_int_equal(h.started, ERR_NONE);
        help_restart(&h);
        assert_int_equal(h.started, ERR_NONE);
        assert_int_equal(h.start_count, 3);
        help_teardown(&h);
    }
}
