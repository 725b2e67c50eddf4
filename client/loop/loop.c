/* loop.c - drives the machine: operations in, requests and outcomes out, one timer. It decides
 * nothing. */
#include "client/loop/internal.h"

/* ---- the machine's step ---- */

static void lose(struct loop_client *c, struct client_request *request, enum err e, bool sent)
{
    struct client_event ev = {.kind = CLIENT_EV_LOST, .request = request, .err = e, .sent = sent};
    loop_step(c, &ev);
}

static void send_requests(struct loop_client *c, struct list *requests)
{
    while (!list_empty(requests)) {
        struct list *first = list_pop_front(requests);
        struct client_request *request = CONTAINER_OF(first, struct client_request, link);
        struct loop_link *l = loop_link_up(c, request->node, request->lane);
        enum err e = l == NULL ? ERR_RESET : loop_request_send(l, request);
        if (e != ERR_NONE)
            lose(c, request, e, false);
    }
}

void loop_step(struct loop_client *c, struct client_event *ev)
{
    struct client_effects effects;
    ev->now_ns = env_now(c->env);
    ev->wall_ms = env_wall(c->env);
    ev->random = env_random(c->env, "client/step", 0);
    client_step(c->core, ev, &effects);
    list_splice_back(&c->done, &effects.done);
    c->core_wake_ns = effects.wake_ns;
    send_requests(c, &effects.requests);
}

/* ---- telling owners ---- */

/* The operation's own done. */
#define TELL(kind, member)                                                                         \
    do {                                                                                           \
        struct loop_##kind *o = CONTAINER_OF(op, struct loop_##kind, member.op);                   \
        o->done(o);                                                                                \
    } while (0)

static void tell(struct client_op *op)
{
    switch (op->kind) {
    case CLIENT_SEND:
        TELL(send, send);
        return;
    case CLIENT_FLUSH:
        TELL(flush, flush);
        return;
    case CLIENT_POLL:
        TELL(poll, poll);
        return;
    case CLIENT_OFFSETS:
        TELL(offsets, offsets);
        return;
    case CLIENT_TOPICS:
    case CLIENT_PARTITIONS:
        TELL(topics, topics);
        return;
    case CLIENT_CREATE_TOPIC:
        TELL(create_topic, create);
        return;
    case CLIENT_DELETE_TOPIC:
    case CLIENT_ADD_PARTITIONS:
    case CLIENT_ALTER_CONFIGS:
        TELL(change_topic, change);
        return;
    case CLIENT_TRIM:
        TELL(trim, trim);
        return;
    case CLIENT_CONFIGS:
        TELL(configs, configs);
        return;
    case CLIENT_CLUSTER:
        TELL(cluster, cluster);
        return;
    case CLIENT_QUORUM:
        TELL(quorum, quorum);
        return;
    case CLIENT_DIRS:
        TELL(dirs, dirs);
        return;
    case CLIENT_ELECT:
        TELL(elect, elect);
        return;
    case CLIENT_UNREGISTER:
        TELL(unregister, unregister);
        return;
    case CLIENT_FEATURES:
        TELL(features, features);
        return;
    case CLIENT_UPDATE_FEATURES:
        TELL(update_features, update);
        return;
    }
    UNREACHABLE();
}

static void arm(struct loop_client *c)
{
    int64_t links = loop_links_wake(c);
    int64_t next = MIN(c->core_wake_ns, links);
    bool gone = c->closing != NULL && list_empty(&c->links);
    if (!list_empty(&c->done) || gone)
        next = env_now(c->env);
    if (next == INT64_MAX)
        env_disarm(c->env, &c->wake);
    else if (!env_armed(&c->wake) || c->wake.deadline_ns != next)
        env_arm(c->env, &c->wake, next);
}

/* The last thing that ever happens to it. */
static void end(struct loop_client *c)
{
    struct loop_close *closing = c->closing;
    env_disarm(c->env, &c->wake);
    client_free(c->core);
    c->core = NULL;
    closing->done(closing);
}

/* What connections took with them, and connections that are gone. The machine may answer each with
 * requests that are lost at once, so this goes on until nothing is left to say. */
static void report(struct loop_client *c)
{
    while (!list_empty(&c->lost)) {
        struct list *first = list_pop_front(&c->lost);
        struct loop_request *r = CONTAINER_OF(first, struct loop_request, link);
        struct client_request *request = r->request;
        enum err e = r->err;
        loop_request_free(c, r);
        lose(c, request, e, true);
    }
    LIST_EACH (l, &c->links, struct loop_link, link) {
        if (!l->went_down)
            continue;
        l->went_down = false;
        c->links_moved = true;
        struct client_event ev = {
            .kind = CLIENT_EV_LANE_DOWN, .node = l->node, .lane = l->lane, .err = l->why};
        loop_step(c, &ev);
    }
}

void loop_settle(struct loop_client *c)
{
    if (c->stepping)
        return;
    c->stepping = true;
    report(c);
    loop_links_tend(c);
    report(c); /* who took too long to connect */
    c->stepping = false;
    arm(c);
}

void loop_finish(struct loop_client *c)
{
    loop_settle(c);
    /* What these calls bring about is told in an event of its own. */
    struct list telling;
    list_init(&telling);
    list_splice_back(&telling, &c->done);
    while (!list_empty(&telling)) {
        struct list *first = list_pop_front(&telling);
        tell(CONTAINER_OF(first, struct client_op, link));
    }
    if (c->closing != NULL && list_empty(&c->links) && list_empty(&c->done))
        end(c);
    else
        arm(c);
}

static void on_wake(struct env_timer *timer)
{
    struct loop_client *c = CONTAINER_OF(timer, struct loop_client, wake);
    if (env_now(c->env) >= c->core_wake_ns) {
        struct client_event ev = {.kind = CLIENT_EV_TICK};
        loop_step(c, &ev);
    }
    loop_finish(c);
}

/* ---- what owners call ---- */

enum err loop_start(struct loop_client *c, struct env *env, struct mem *mem, struct trace *trace,
                    const struct client_config *config, struct errmsg *msg)
{
    c->env = env;
    c->mem = mem;
    c->trace = trace;
    c->core_wake_ns = INT64_MAX;
    c->wake.fire = on_wake;
    list_init(&c->links);
    list_init(&c->done);
    list_init(&c->lost);
    return client_new(&c->core, mem, trace, config, msg);
}

static void submit(struct loop_client *c, struct client_op *op, enum client_op_kind kind)
{
    ASSERT(c->core != NULL);
    op->kind = kind;
    struct client_event ev = {.kind = CLIENT_EV_SUBMIT, .op = op};
    loop_step(c, &ev);
    loop_settle(c);
}

void loop_producer_begin(struct loop_client *c, int16_t epoch, int32_t sequence)
{
    client_producer_begin(c->core, epoch, sequence);
}

void loop_send(struct loop_client *c, struct loop_send *op)
{
    submit(c, &op->send.op, CLIENT_SEND);
}

void loop_flush(struct loop_client *c, struct loop_flush *op)
{
    submit(c, &op->flush.op, CLIENT_FLUSH);
}

void loop_poll(struct loop_client *c, struct loop_poll *op)
{
    submit(c, &op->poll.op, CLIENT_POLL);
}

void loop_offsets(struct loop_client *c, struct loop_offsets *op)
{
    submit(c, &op->offsets.op, CLIENT_OFFSETS);
}

void loop_topics(struct loop_client *c, struct loop_topics *op)
{
    submit(c, &op->topics.op, CLIENT_TOPICS);
}

void loop_create_topic(struct loop_client *c, struct loop_create_topic *op)
{
    submit(c, &op->create.op, CLIENT_CREATE_TOPIC);
}

void loop_change_topic(struct loop_client *c, struct loop_change_topic *op,
                       enum client_op_kind kind)
{
    submit(c, &op->change.op, kind);
}

void loop_trim(struct loop_client *c, struct loop_trim *op)
{
    submit(c, &op->trim.op, CLIENT_TRIM);
}

void loop_configs(struct loop_client *c, struct loop_configs *op)
{
    submit(c, &op->configs.op, CLIENT_CONFIGS);
}

void loop_cluster(struct loop_client *c, struct loop_cluster *op)
{
    submit(c, &op->cluster.op, CLIENT_CLUSTER);
}

void loop_quorum(struct loop_client *c, struct loop_quorum *op)
{
    submit(c, &op->quorum.op, CLIENT_QUORUM);
}

void loop_dirs(struct loop_client *c, struct loop_dirs *op)
{
    submit(c, &op->dirs.op, CLIENT_DIRS);
}

void loop_partitions(struct loop_client *c, struct loop_topics *op)
{
    submit(c, &op->topics.op, CLIENT_PARTITIONS);
}

void loop_elect(struct loop_client *c, struct loop_elect *op)
{
    submit(c, &op->elect.op, CLIENT_ELECT);
}

void loop_unregister(struct loop_client *c, struct loop_unregister *op)
{
    submit(c, &op->unregister.op, CLIENT_UNREGISTER);
}

void loop_features(struct loop_client *c, struct loop_features *op)
{
    submit(c, &op->features.op, CLIENT_FEATURES);
}

void loop_update_features(struct loop_client *c, struct loop_update_features *op)
{
    submit(c, &op->update.op, CLIENT_UPDATE_FEATURES);
}

void loop_assign(struct loop_client *c, struct client_assignment *a)
{
    struct client_event ev = {.kind = CLIENT_EV_ASSIGN, .assignment = a};
    loop_step(c, &ev);
    loop_settle(c);
}

void loop_unassign(struct loop_client *c, struct client_assignment *a)
{
    struct client_event ev = {.kind = CLIENT_EV_UNASSIGN, .assignment = a};
    loop_step(c, &ev);
    loop_settle(c);
}

void loop_close(struct loop_client *c, struct loop_close *op)
{
    ASSERT(c->closing == NULL);
    c->closing = op;
    struct client_event ev = {.kind = CLIENT_EV_CLOSE};
    loop_step(c, &ev);
    loop_links_close(c);
    loop_settle(c);
}
