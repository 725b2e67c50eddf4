/* consumer.c - a consumer on a node: reads all partitions of a topic, either for as long as it
 * lives or once to the end, and writes down what it read. */
#include <stdio.h>
#include "script/script.h"
#include "script/workload.h"

#define MILLISECOND_NS 1000000ll
#define POLL_WAIT_MS 500
#define RETRY_MS 200
#define SEEK_BACK_MS 8000 /* times that are looked for lie so far back at most */

struct consumer {
    struct world_seat *seat;
    struct workload_config config;
    uint64_t topic; /* as rows call it */
    struct loop_client client;
    struct loop_close closing;
    struct loop_poll poll;
    struct loop_offsets offsets;
    struct env_timer timer;
    struct client_fetched records[WORKLOAD_POLL_MAX];
    struct client_assignment assigned[WORKLOAD_PARTITIONS_MAX];
    uint64_t question[WORKLOAD_PARTITIONS_MAX]; /* about where to begin; 0: there is none */
    int64_t end[WORKLOAD_PARTITIONS_MAX];       /* final: where the log ended when it was asked */
    int32_t asked_count;                        /* final: ends that are known */
    uint64_t op, read_count, question_count;
    int64_t seek_ns; /* the next seek */
    bool stopping, told;
};

static bool left_out(const struct consumer *c, int32_t partition)
{
    return (c->config.except >> partition & 1) != 0;
}

static uint64_t id_of(const struct consumer *c, const struct client_assignment *a)
{
    return trace_partition_of(c->topic, a->partition);
}

static void poll_again(struct consumer *c);

/* What is asked of the broker by an assignment, and what the answer was. */
static void tell_question(struct consumer *c, const struct client_assignment *a, int64_t timestamp)
{
    c->question[a->partition] = ++c->question_count;
    TRACE(c->seat->trace, OFFSETS_INVOKE, .op = (int64_t)c->question_count,
          .partition = id_of(c, a), .timestamp = timestamp);
}

static void tell_answer(struct consumer *c, const struct client_assignment *a, int64_t offset,
                        const uint8_t *topic_id)
{
    if (c->question[a->partition] == 0)
        return;
    TRACE(c->seat->trace, OFFSETS_OK, .op = (int64_t)c->question[a->partition],
          .partition = id_of(c, a), .offset = (uint64_t)offset,
          .topic_id = trace_topic_id(topic_id));
    c->question[a->partition] = 0;
}

static void assign(struct consumer *c, struct client_assignment *a)
{
    c->question[a->partition] = 0;
    if (a->start == CLIENT_START_TIMESTAMP)
        tell_question(c, a, a->start_at);
    else if (a->start != CLIENT_START_OFFSET)
        tell_question(c, a,
                      a->start == CLIENT_START_LATEST ? CLIENT_TIMESTAMP_LATEST
                                                      : CLIENT_TIMESTAMP_EARLIEST);
    loop_assign(&c->client, a);
}

static void on_timer(struct env_timer *timer)
{
    poll_again(CONTAINER_OF(timer, struct consumer, timer));
}

static void later(struct consumer *c, int64_t ms)
{
    env_arm(c->seat->env, &c->timer, env_now(c->seat->env) + ms * MILLISECOND_NS);
}

static bool has_read_all(const struct consumer *c)
{
    for (int32_t i = 0; i < c->config.partitions; i++) {
        if (!left_out(c, i) && c->assigned[i].position < c->end[i])
            return false;
    }
    return true;
}

static void tell_final(struct consumer *c)
{
    for (int32_t i = 0; i < c->config.partitions; i++) {
        struct client_assignment *a = &c->assigned[i];
        if (!left_out(c, i))
            TRACE(c->seat->trace, FINAL_READ, .partition = id_of(c, a),
                  .start = MAX(a->log_start, 0), .end = c->end[i],
                  .topic_id = trace_topic_id(a->topic_id));
    }
    TRACE(c->seat->trace, CLIENT_DONE, .count = c->read_count, .unfinished = 0);
    c->told = true;
}

static void write_record(struct consumer *c, const struct client_fetched *r)
{
    TRACE(c->seat->trace, POLL_RECORD, .op = c->op, .partition = id_of(c, r->assignment),
          .offset = r->offset, .vid = script_workload_value_vid(r->value),
          .key = script_workload_key_digest(r->key), .body = script_workload_digest(r->value),
          .timestamp = r->timestamp_ms, .leader_epoch = r->leader_epoch,
          .topic_id = trace_topic_id(r->topic_id));
    c->read_count++;
}

static void take_notice(struct consumer *c, const struct client_poll *p)
{
    struct trace *trace = c->seat->trace;
    switch (p->notice) {
    case CLIENT_NOTICE_NONE:
        return;
    case CLIENT_NOTICE_STARTED:
        tell_answer(c, p->notice_assignment, p->notice_to, p->notice_assignment->topic_id);
        TRACE(trace, ASSIGN, .partition = id_of(c, p->notice_assignment), .offset = p->notice_to,
              .flags = p->notice, .topic_id = trace_topic_id(p->notice_assignment->topic_id));
        return;
    case CLIENT_NOTICE_RESET:
    case CLIENT_NOTICE_TRUNCATED:
        TRACE(trace, ASSIGN, .partition = id_of(c, p->notice_assignment), .offset = p->notice_to,
              .flags = p->notice, .topic_id = trace_topic_id(p->notice_assignment->topic_id));
        return;
    case CLIENT_NOTICE_CORRUPT:
    case CLIENT_NOTICE_FAILED:
        TRACE(trace, POLL_FAIL, .op = c->op, .code = p->notice_code);
        /* Reading has stopped; whoever wants to go on assigns anew. */
        p->notice_assignment->start = CLIENT_START_OFFSET;
        p->notice_assignment->start_at = p->notice_from;
        loop_assign(&c->client, p->notice_assignment);
        return;
    }
    UNREACHABLE();
}

static void on_polled(struct loop_poll *op)
{
    struct consumer *c = CONTAINER_OF(op, struct consumer, poll);
    const struct client_poll *p = &op->poll;
    if (c->stopping)
        return;
    bool failed = p->op.outcome != CLIENT_OK;
    if (failed)
        TRACE(c->seat->trace, POLL_FAIL, .op = c->op, .code = p->op.code);
    for (int32_t i = 0; !failed && i < p->record_count; i++)
        write_record(c, &p->records[i]);
    if (!failed) {
        take_notice(c, p);
        TRACE(c->seat->trace, POLL_OK, .op = c->op, .count = p->record_count);
    }
    bool corrupt = p->notice == CLIENT_NOTICE_CORRUPT || p->notice == CLIENT_NOTICE_FAILED;
    if (c->config.final && has_read_all(c)) {
        if (!c->told)
            tell_final(c);
        return;
    }
    /* Not in this event: the buffer that the records stand in is the client's until the next poll.
     */
    later(c, failed || corrupt ? RETRY_MS : c->config.think_ms);
}

/* Somewhere in what there is, by offset, by time, or at an end. */
static void seek(struct consumer *c)
{
    struct env *env = c->seat->env;
    struct rng rng = {env_random(env, "consumer/seek", c->op)};
    uint64_t which = random_below(rng_next(&rng), (uint64_t)c->config.partitions);
    struct client_assignment *a = &c->assigned[which];
    static const enum client_start starts[] = {CLIENT_START_OFFSET, CLIENT_START_OFFSET,
                                               CLIENT_START_TIMESTAMP, CLIENT_START_EARLIEST,
                                               CLIENT_START_LATEST};
    a->start = starts[random_below(rng_next(&rng), COUNT_OF(starts))];
    if (a->start == CLIENT_START_OFFSET && (a->log_start < 0 || a->high_watermark < a->log_start))
        a->start = CLIENT_START_EARLIEST;
    if (a->start == CLIENT_START_OFFSET)
        a->start_at = random_between(rng_next(&rng), a->log_start, a->high_watermark);
    else if (a->start == CLIENT_START_TIMESTAMP)
        a->start_at = env_wall(env) - random_between(rng_next(&rng), 0, SEEK_BACK_MS);
    assign(c, a);
}

static void seek_when_due(struct consumer *c)
{
    int64_t now = env_now(c->seat->env);
    if (c->config.seek_ms == 0 || now < c->seek_ns)
        return;
    if (c->seek_ns != 0)
        seek(c);
    c->seek_ns = now + c->config.seek_ms * MILLISECOND_NS;
}

static void poll_again(struct consumer *c)
{
    seek_when_due(c);
    struct client_poll *p = &c->poll.poll;
    p->records = c->records;
    p->record_max = (int32_t)c->config.poll_records;
    p->wait_ms = POLL_WAIT_MS;
    c->poll.done = on_polled;
    TRACE(c->seat->trace, POLL_INVOKE, .op = ++c->op);
    loop_poll(&c->client, &c->poll);
}

static enum client_start first_start(const struct consumer *c)
{
    switch ((enum workload_start)c->config.start) {
    case WORKLOAD_START_EARLIEST:
        return CLIENT_START_EARLIEST;
    case WORKLOAD_START_LATEST:
        return CLIENT_START_LATEST;
    case WORKLOAD_START_OFFSET:
        return CLIENT_START_OFFSET;
    }
    UNREACHABLE();
}

static void assign_all(struct consumer *c)
{
    for (int32_t i = 0; i < c->config.partitions; i++) {
        struct client_assignment *a = &c->assigned[i];
        a->topic = c->config.topic;
        a->partition = i;
        a->start = first_start(c);
        a->start_at = c->config.start_offset;
        if (!left_out(c, i))
            assign(c, a);
    }
    poll_again(c);
}

static void ask_next_end(struct consumer *c);

static void on_end(struct loop_offsets *op)
{
    struct consumer *c = CONTAINER_OF(op, struct consumer, offsets);
    if (c->stopping)
        return;
    /* The final reader is patient: the script decides how long is too long. */
    if (op->offsets.op.outcome == CLIENT_OK) {
        tell_answer(c, &c->assigned[c->asked_count], op->offsets.offset, op->offsets.topic_id);
        c->end[c->asked_count++] = op->offsets.offset;
    }
    ask_next_end(c);
}

static void ask_next_end(struct consumer *c)
{
    while (c->asked_count < c->config.partitions && left_out(c, c->asked_count))
        c->asked_count++;
    if (c->asked_count == c->config.partitions) {
        assign_all(c);
        return;
    }
    struct client_offsets *o = &c->offsets.offsets;
    o->topic = c->config.topic;
    o->partition = c->asked_count;
    o->timestamp_ms = CLIENT_TIMESTAMP_LATEST;
    c->assigned[c->asked_count].partition = c->asked_count;
    tell_question(c, &c->assigned[c->asked_count], CLIENT_TIMESTAMP_LATEST);
    c->offsets.done = on_end;
    loop_offsets(&c->client, &c->offsets);
}

static void on_closed(struct loop_close *op)
{
    struct consumer *c = CONTAINER_OF(op, struct consumer, closing);
    struct world_seat *seat = c->seat;
    mem_free(seat->mem, c);
    world_exit(seat, ERR_NONE);
}

static void stop(struct world_seat *seat)
{
    struct consumer *c = seat->self;
    if (c->stopping)
        return;
    c->stopping = true;
    env_disarm(seat->env, &c->timer);
    c->closing.done = on_closed;
    loop_close(&c->client, &c->closing);
}

static enum err start(struct world_seat *seat)
{
    struct client_config client;
    struct errmsg msg = {{0}};
    struct consumer *c = mem_zalloc(seat->mem, sizeof *c);
    if (c == NULL)
        return ERR_NOMEM;
    seat->self = c;
    c->client.filtering = script_filtering();
    c->seat = seat;
    c->timer.fire = on_timer;
    enum err e = script_workload_parse(seat->args, &c->config, &client, &msg);
    if (e == ERR_NONE)
        e = loop_start(&c->client, seat->env, seat->mem, seat->trace, &client, &msg);
    if (e != ERR_NONE) {
        mem_free(seat->mem, c);
        return e;
    }
    TRACE(seat->trace, CLIENT_LIMITS, .request_ms = client.request_timeout_ms);
    c->topic = trace_topic(c->config.topic);
    script_workload_name_partitions(seat->trace, c->config.topic, c->config.partitions);
    if (c->config.final)
        ask_next_end(c);
    else
        assign_all(c);
    return ERR_NONE;
}

/* Of the final reader, whatever it is asked: "PARTITION OFFSET" where the first partition that it
 * has not read to its end stands, the offset -1 while that end is not known. */
static void command(struct world_seat *seat, uint64_t id, struct bytes text)
{
    const struct consumer *c = seat->self;
    char answer[64] = "";
    (void)text;
    for (int32_t i = 0; c->config.final && i < c->config.partitions && answer[0] == 0; i++) {
        const struct client_assignment *a = &c->assigned[i];
        bool asked = c->asked_count == c->config.partitions;
        if (!asked && i == c->asked_count)
            snprintf(answer, sizeof answer, "%d -1", (int)i);
        else if (asked && !left_out(c, i) && a->position < c->end[i])
            snprintf(answer, sizeof answer, "%d %lld", (int)i, (long long)MAX(a->position, 0));
    }
    world_reply(seat, id, bytes_text(answer));
}

const struct world_program script_consumer = {
    .kind = "consumer", .start = start, .stop = stop, .command = command};
