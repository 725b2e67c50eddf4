/* producer.c - a producer on a node: sends numbered records at a rate, and writes down what it was
 * told of each. */
#include <inttypes.h>
#include <stdio.h>
#include "check/check.h"
#include "script/script.h"
#include "script/workload.h"

#define KEY_SIZE 16
#define SECOND_NS 1000000000ll

struct slot {
    struct loop_send send;
    struct producer *owner;
    struct list link; /* free slots */
    uint64_t vid, partition;
    char key[KEY_SIZE];
    uint8_t *value;
};

struct producer {
    struct world_seat *seat;
    struct workload_config config;
    uint64_t topic; /* as rows call it */
    struct loop_client client;
    struct loop_close closing;
    struct env_timer timer;
    struct slot *slots;
    struct list free;
    uint64_t sent, done, unfinished, flags;
    uint64_t target;  /* records that shall be sent */
    int64_t due_ns;   /* of the next burst */
    uint64_t command; /* to be answered when all that was asked for is done; 0: none */
    bool told, stopping;
};

static bool all_done(const struct producer *p)
{
    return p->sent == p->target && p->done == p->sent;
}

static void answer_command(struct producer *p)
{
    char text[64];
    snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64, p->done, p->unfinished);
    world_reply(p->seat, p->command, bytes_text(text));
    p->command = 0;
}

/* Once for each time that all it was asked for is done. */
static void tell_when_done(struct producer *p)
{
    if (!all_done(p))
        return;
    if (p->command != 0)
        answer_command(p);
    if (!p->told)
        TRACE(p->seat->trace, CLIENT_DONE, .count = p->done, .unfinished = p->unfinished);
    p->told = true;
}

static void write_outcome(struct producer *p, struct slot *slot)
{
    const struct client_send *s = &slot->send.send;
    uint64_t at = trace_partition_of(p->topic, MAX(s->partition_placed, 0));
    uint64_t topic_id = trace_topic_id(s->topic_id);
    uint64_t code = (uint64_t)(s->op.code != 0 ? s->op.code : -(int64_t)s->op.err);
    switch (s->op.outcome) {
    case CLIENT_OK:
        TRACE(p->seat->trace, PRODUCE_OK, .partition = at, .vid = slot->vid, .offset = s->offset,
              .timestamp = s->timestamp_stored_ms, .topic_id = topic_id);
        return;
    case CLIENT_FAILED:
        TRACE(p->seat->trace, PRODUCE_FAIL, .partition = at, .vid = slot->vid, .code = code,
              .topic_id = topic_id);
        return;
    case CLIENT_UNKNOWN:
        TRACE(p->seat->trace, PRODUCE_UNKNOWN, .partition = at, .vid = slot->vid, .code = code,
              .topic_id = topic_id);
        return;
    }
    UNREACHABLE();
}

static void send_some(struct producer *p);

static void on_sent(struct loop_send *send)
{
    struct slot *slot = CONTAINER_OF(send, struct slot, send);
    struct producer *p = slot->owner;
    write_outcome(p, slot);
    p->unfinished += send->send.op.outcome != CLIENT_OK;
    p->done++;
    list_push_back(&p->free, &slot->link);
    if (!p->stopping) {
        send_some(p);
        tell_when_done(p);
    }
}

/* Which key a record has follows from its number, so that a replay needs no memory of it. */
static void fill_key(struct producer *p, struct slot *slot)
{
    struct client_send *s = &slot->send.send;
    if (p->config.keys == 0) {
        s->key = bytes_of(NULL, 0);
        return;
    }
    uint64_t key = random_below(hash_mix(slot->vid), (uint64_t)p->config.keys);
    int size = snprintf(slot->key, sizeof slot->key, "k%" PRIu64, key);
    s->key = bytes_of(slot->key, (size_t)size);
}

static void send_one(struct producer *p)
{
    struct slot *slot = CONTAINER_OF(list_pop_front(&p->free), struct slot, link);
    struct client_send *s = &slot->send.send;
    size_t size = (size_t)p->config.value_bytes;
    slot->vid = script_workload_vid(p->seat, p->sent++);
    script_workload_value(slot->vid, slot->value, size);
    fill_key(p, slot);
    s->value = bytes_of(slot->value, size);
    s->partition = CLIENT_PARTITION_ANY;
    s->timestamp_ms = -1;
    s->offset = -1;
    slot->partition = 0;
    if (p->config.keys > 0) {
        int32_t at = client_partition_of(s->key, (int32_t)p->config.partitions);
        slot->partition = trace_partition_of(p->topic, at);
    }
    TRACE(p->seat->trace, PRODUCE_INVOKE, .partition = slot->partition, .vid = slot->vid,
          .key = script_workload_key_digest(s->key), .body = script_workload_digest(s->value),
          .flags = p->flags);
    loop_send(&p->client, &slot->send);
}

static void send_some(struct producer *p)
{
    struct env *env = p->seat->env;
    while (p->sent < p->target && env_now(env) >= p->due_ns && !list_empty(&p->free)) {
        send_one(p);
        if (p->sent % (uint64_t)p->config.burst == 0)
            p->due_ns += p->config.burst * SECOND_NS / p->config.rate;
    }
    /* A producer that was held up goes on at its rate; it does not catch up. */
    if (p->due_ns < env_now(env) - SECOND_NS)
        p->due_ns = env_now(env);
    bool waits = env_armed(&p->timer) && p->timer.deadline_ns == p->due_ns;
    if (p->sent < p->target && p->due_ns > env_now(env) && !waits)
        env_arm(env, &p->timer, p->due_ns);
}

static void on_timer(struct env_timer *timer)
{
    send_some(CONTAINER_OF(timer, struct producer, timer));
}

static void release(struct producer *p)
{
    struct mem *mem = p->seat->mem;
    for (int64_t i = 0; p->slots != NULL && i < p->config.window; i++)
        mem_free(mem, p->slots[i].value);
    mem_free(mem, p->slots);
    mem_free(mem, p);
}

static void on_closed(struct loop_close *op)
{
    struct producer *p = CONTAINER_OF(op, struct producer, closing);
    struct world_seat *seat = p->seat;
    release(p);
    world_exit(seat, ERR_NONE);
}

static void stop(struct world_seat *seat)
{
    struct producer *p = seat->self;
    if (p->stopping)
        return;
    p->stopping = true;
    env_disarm(seat->env, &p->timer);
    p->closing.done = on_closed;
    loop_close(&p->client, &p->closing);
}

static enum err make_slots(struct producer *p)
{
    struct mem *mem = p->seat->mem;
    p->slots = mem_array(mem, (size_t)p->config.window, sizeof *p->slots);
    if (p->slots == NULL)
        return ERR_NOMEM;
    for (int64_t i = 0; i < p->config.window; i++) {
        struct slot *slot = &p->slots[i];
        slot->owner = p;
        slot->send.done = on_sent;
        slot->value = mem_alloc(mem, (size_t)p->config.value_bytes);
        if (slot->value == NULL)
            return ERR_NOMEM;
        slot->send.send.topic = p->config.topic;
        list_init(&slot->link);
        list_push_back(&p->free, &slot->link);
    }
    return ERR_NONE;
}

static uint64_t promise(const struct client_config *c)
{
    bool all = c->acks == CLIENT_ACKS_ALL || c->acks == CLIENT_ACKS_MINUS_ONE;
    bool idempotent = c->idempotence == CLIENT_IDEMPOTENCE_ON ||
                      (c->idempotence == CLIENT_IDEMPOTENCE_AUTO && all);
    return (all ? CHECK_ACKS_ALL : 0u) | (c->acks == CLIENT_ACKS_LEADER ? CHECK_ACKS_ONE : 0u) |
           (idempotent ? CHECK_IDEMPOTENT : 0u) |
           (c->in_flight_max == 1 ? CHECK_ONE_IN_FLIGHT : 0u);
}

static enum err start(struct world_seat *seat)
{
    struct client_config client;
    struct errmsg msg = {{0}};
    struct producer *p = mem_zalloc(seat->mem, sizeof *p);
    if (p == NULL)
        return ERR_NOMEM;
    seat->self = p;
    p->client.filtering = script_filtering();
    p->seat = seat;
    list_init(&p->free);
    p->timer.fire = on_timer;
    enum err e = script_workload_parse(seat->args, &p->config, &client, &msg);
    if (e == ERR_NONE)
        e = make_slots(p);
    if (e == ERR_NONE)
        e = loop_start(&p->client, seat->env, seat->mem, seat->trace, &client, &msg);
    if (e != ERR_NONE) {
        release(p);
        return e;
    }
    loop_producer_begin(&p->client, (int16_t)p->config.first_epoch,
                        (int32_t)p->config.first_sequence);
    p->flags = promise(&client);
    p->target = p->config.records < 0 ? UINT64_MAX : (uint64_t)p->config.records;
    p->due_ns = env_now(seat->env);
    TRACE(seat->trace, CLIENT_LIMITS, .request_ms = client.request_timeout_ms,
          .delivery_ms = MIN(client.delivery_timeout_ms, client.block_ms_max),
          .retries = client.retry_count_max);
    p->topic = trace_topic(p->config.topic);
    script_workload_name_partitions(seat->trace, p->config.topic, p->config.partitions);
    send_some(p);
    tell_when_done(p);
    return ERR_NONE;
}

/* "send N": N records more; answered with "DONE UNFINISHED" when all are done. "finish": send no
 * more. */
static void command(struct world_seat *seat, uint64_t id, struct bytes text)
{
    struct producer *p = seat->self;
    int64_t more = 0;
    bool send = text.size > 5 && memcmp(text.data, "send ", 5) == 0;
    if (send && text_parse_int(bytes_of(text.data + 5, text.size - 5), &more) == ERR_NONE)
        p->target = (p->target == UINT64_MAX ? p->sent : p->target) + (uint64_t)more;
    else if (bytes_equal(text, bytes_text("finish")))
        p->target = p->sent;
    if (p->command != 0)
        answer_command(p);
    p->command = id;
    p->told = false;
    send_some(p);
    tell_when_done(p);
}

const struct world_program script_producer = {
    .kind = "producer", .start = start, .stop = stop, .command = command};
